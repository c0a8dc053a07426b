"""PTX on sample inputs: a kernel around a few lines of it, a thread for each set of inputs, against a reference.

Knows no opcodes; the references get Python's integers, or the bits of floats.
"""

import math
from fractions import Fraction

import numpy as np

import exact

WIDTH = {
    "u8": 8,
    "s8": 8,
    "u16": 16,
    "s16": 16,
    "b16": 16,
    "u32": 32,
    "s32": 32,
    "b32": 32,
    "u64": 64,
    "s64": 64,
    "b64": 64,
    "f16": 16,
    "bf16": 16,
    "f32": 32,
    "f64": 64,
    "f16x2": 32,
    "bf16x2": 32,
}
UNSIGNED = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
N = 256


def signed(v, bits):
    return v - (1 << bits) if v >> (bits - 1) & 1 else v


def read(bits, kind):
    """A number of the given PTX type as a Python int, or as its bits where it is a float."""
    return signed(int(bits), WIDTH[kind]) if kind[0] == "s" else int(bits)


def samples(kind, seed):
    """Random bits, with every extreme among them; floats are mostly of moderate size."""
    rng, bits = np.random.RandomState(seed), WIDTH[kind]
    v = rng.randint(0, 256, (N, bits // 8)).astype(np.uint8).view(UNSIGNED[bits])[:, 0].copy()
    if kind in exact.FORMATS:
        for i in range(0, N, 2):
            v[i] = exact.to_bits(exact.rounded(Fraction(float(rng.randn() * 10.0 ** rng.randint(-3, 4))), kind), kind)
        special = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, float("inf"), float("-inf"), float("nan")]
        v[: len(special)] = [exact.to_bits(x, kind) for x in special]
    else:
        edges = [
            0,
            1,
            2,
            (1 << bits) - 1,
            (1 << bits) - 2,
            1 << (bits - 1),
            (1 << (bits - 1)) - 1,
            31,
            32,
            33,
            63,
            64,
            255,
        ]
        v[: len(edges)] = [e & ((1 << bits) - 1) for e in edges]
    return v[rng.permutation(N)]


def register(kind):
    return "b%d" % max(WIDTH[kind], 16)


def entry(name, text, result, inputs):
    """A kernel that reads an element of each input, runs the text (registers d, a, b, c) and writes the result."""
    lines = [
        ".visible .entry %s(.param .u64 out%s) {"
        % (name, "".join(", .param .u64 in%d" % i for i in range(len(inputs)))),
        ".reg .b32 %%t, %%n, %%m; .reg .b64 %%p, %%i; .reg .pred p, q, r; .reg .%s d;" % register(result),
        "mov.u32 %n, %ctaid.x; mov.u32 %m, %ntid.x; mov.u32 %t, %tid.x; mad.lo.u32 %t, %n, %m, %t;",
    ]
    for i, kind in enumerate(inputs):
        size = WIDTH[kind] // 8
        lines.append(
            ".reg .%s %s; ld.param.u64 %%p, [in%d]; mul.wide.u32 %%i, %%t, %d; add.u64 %%p, %%p, %%i;"
            % (register(kind), "abce"[i], i, size)
        )
        lines.append("ld.global.%s %s, [%%p];" % ("u8" if size == 1 else "b%d" % (8 * size), "abce"[i]))
    size = WIDTH[result] // 8
    lines += [
        text,
        "ld.param.u64 %%p, [out]; mul.wide.u32 %%i, %%t, %d; add.u64 %%p, %%p, %%i;" % size,
        "st.global.%s [%%p], d;" % ("u8" if size == 1 else "b%d" % (8 * size)),
        "ret; }",
    ]
    return "\n".join(lines)


def run(gpu, text, result, inputs, arrays):
    source = ".version 8.0\n.target sm_75\n.address_size 64\n" + entry("k", text, result, inputs) + "\0"
    kernel = gpu.module_from_buffer(source.encode()).get_function("k")
    out = np.empty(N, UNSIGNED[WIDTH[result]])
    kernel(gpu.Out(out), *[gpu.In(a) for a in arrays], block=(64, 1, 1), grid=(N // 64, 1))
    return out


def check(gpu, text, result, inputs, reference):
    arrays = [samples(kind, 7 + i) for i, kind in enumerate(inputs)]
    got = run(gpu, text, result, inputs, arrays)
    for row in range(N):
        values = [read(a[row], kind) for a, kind in zip(arrays, inputs)]
        want = reference(*values)
        if want is None:
            continue
        if result in exact.FORMATS and isinstance(want, float):
            have = exact.to_float(got[row], result)
            assert (
                have == want and math.copysign(1, have) == math.copysign(1, want) or (have != have and want != want)
            ), (text, values, have, want)
        else:
            assert int(got[row]) == want & ((1 << WIDTH[result]) - 1), (text, values, int(got[row]), want)


def bits_of(v, kind):
    return v & ((1 << WIDTH[kind]) - 1)


def fraction(bits, kind):
    v = exact.to_float(bits, kind)
    return v, (Fraction(v) if math.isfinite(v) else None)


def arithmetic(f, kind, mode):
    """The reference of an operation on finite numbers; infinities and NaN are left to their own test."""

    def reference(*bits):
        values = [fraction(b, kind) for b in bits]
        if any(v[1] is None for v in values):
            return None
        try:
            result = f(*[v[1] for v in values])
        except ZeroDivisionError:
            return None
        return None if result == 0 else exact.rounded(result, kind, mode)

    return reference
