"""Arithmetic of whole numbers against Python's, which never overflow: every pair of 8-bit numbers, and the ends of
the wider types.
"""
import operator

import numpy as np
import pytest

import tensorlib

BITS = dict(Byte=8, Char=8, Short=16, Int=32, Long=64)


def ends(name):
    """(least, greatest) of a type."""
    bits = BITS[name]
    return (0, 255) if name == "Byte" else (-(1 << bits - 1), (1 << bits - 1) - 1)


def wrapped(value, name):
    least, greatest = ends(name)
    return (value - least) % (greatest - least + 1) + least


def truncated(a, b):
    """a / b as C divides."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


ARITHMETIC = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": truncated,
    "fmod": lambda a, b: a - truncated(a, b) * b, "remainder": operator.mod}
BITWISE = dict(__and__=operator.and_, __or__=operator.or_, __xor__=operator.xor)
COMPARED = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}


def pairs(name):
    """Two lists of numbers: all pairs of an 8-bit type; of a wider one small numbers and those near the ends."""
    least, greatest = ends(name)
    if BITS[name] == 8:
        numbers = range(least, greatest + 1)
    else:
        numbers = sorted({v for v in (least, greatest, 0, least // 2, greatest // 3) for v in range(v - 5, v + 6)
                          if least <= v <= greatest})
    every = [(a, b) for a in numbers for b in numbers]
    return [a for a, _ in every], [b for _, b in every]


@pytest.mark.parametrize("op", list(ARITHMETIC) + list(BITWISE) + list(COMPARED))
@pytest.mark.parametrize("name", BITS)
def test_two_tensors(name, op):
    a, b = pairs(name)
    if op in ("div", "fmod", "remainder"):
        a, b = zip(*[(x, y) for x, y in zip(a, b) if y != 0])
    cls = getattr(tensorlib, name + "Tensor")
    of = {**ARITHMETIC, **BITWISE, **COMPARED}[op]
    want = [wrapped(of(x, y), name) for x, y in zip(a, b)]
    x, y = cls(list(a)), cls(list(b))
    assert getattr(x, op)(y).tolist() == want
    if op in ARITHMETIC:
        assert getattr(x.clone(), op + "_")(y).tolist() == want


@pytest.mark.parametrize("op", ARITHMETIC)
@pytest.mark.parametrize("name", BITS)
def test_a_tensor_and_a_number(name, op):
    numbers = sorted(set(pairs(name)[0]))
    cls = getattr(tensorlib, name + "Tensor")
    for n in (ends(name)[0], ends(name)[1], wrapped(-1, name), 1, 2, 3, wrapped(-3, name)):
        if n != 0:
            assert getattr(cls(numbers), op)(n).tolist() == [wrapped(ARITHMETIC[op](v, n), name) for v in numbers]
    assert (7 - cls(numbers)).tolist() == [wrapped(7 - v, name) for v in numbers]
    nonzero = [v for v in numbers if v]
    assert (7 / cls(nonzero)).tolist() == [truncated(7, v) for v in nonzero]
    ones = cls(nonzero).fill_(1)
    assert cls(nonzero).fill_(0).addcdiv(ones.mul(1), cls(nonzero)).tolist() == [truncated(1, v) for v in nonzero]


@pytest.mark.parametrize("name", BITS)
def test_whole_sums_are_of_64_bits_and_sums_along_a_dim_wrap(name):
    values = sorted(set(pairs(name)[0]))[-40:]
    x = getattr(tensorlib, name + "Tensor")(values)
    assert x.sum() == wrapped(sum(values), "Long") and x.sum(0).tolist() == [wrapped(sum(values), name)]
    assert x.cumsum(0).tolist() == [wrapped(int(v), name) for v in np.cumsum(np.array(values, object))]
    assert x.prod() == wrapped(int(np.prod(np.array(values, object))), "Long")
    assert x.dot(x) == wrapped(sum(v * v for v in values), "Long")
