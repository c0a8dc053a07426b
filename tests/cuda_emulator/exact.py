"""Rounding of exact fractions to binary floating point, in every mode: what results of arithmetic are compared with."""

from fractions import Fraction

import numpy as np

FORMATS = {
    "f16": (11, -24, 65504.0),
    "bf16": (8, -133, 3.3895313892515355e38),
    "f32": (24, -149, 3.4028234663852886e38),
    "f64": (53, -1074, 1.7976931348623157e308),
}
FLOAT = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
BITS = {"f16": np.uint16, "bf16": np.uint16, "f32": np.uint32, "f64": np.uint64}


def to_float(bits, form):
    """The value of one number given by its bits, as a Python float (exact: every format fits in a double)."""
    if form == "bf16":
        return float(np.array(int(bits) << 16, np.uint32).view(np.float32))
    return float(np.array(bits, BITS[form]).view(FLOAT[form]))


def to_bits(value, form):
    """The bits of a float that the format holds exactly."""
    if form == "bf16":
        return int(np.array(value, np.float32).view(np.uint32)) >> 16
    return int(np.array(value, FLOAT[form]).view(BITS[form]))


def exponent_of(f):
    """The e with 2**e <= |f| < 2**(e+1)."""
    n, d = abs(f.numerator), f.denominator
    e = n.bit_length() - d.bit_length()
    return e if Fraction(2) ** e <= abs(f) else e - 1


def rounded(f, form, mode="n"):
    """Round a Fraction to a format: n to nearest even, z towards zero, m down, p up. Zero results are +0."""
    digits, lowest, largest = FORMATS[form]
    if f == 0:
        return 0.0
    unit = Fraction(2) ** max(exponent_of(f) - digits + 1, lowest)
    whole, rest = divmod(abs(f) / unit, 1)
    sign = 1 if f > 0 else -1
    up = {
        "n": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
        "z": False,
        "m": rest > 0 and sign < 0,
        "p": rest > 0 and sign > 0,
    }[mode]
    result = (whole + up) * unit
    if result > Fraction(largest):
        infinite = mode == "n" or (mode == "p" and sign > 0) or (mode == "m" and sign < 0)
        return sign * (float("inf") if infinite else largest)
    return sign * float(result)
