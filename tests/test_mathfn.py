"""The vector math of mathfn.h and mathwide.h, measured in ulp against NumPy: in float over all exponents, in double by
long double."""
import numpy as np
import pytest

import tensorlib
from tensorlib.ops.activation import elu

LIMITS = {          # ulp: float, double
    "exp": (1.0, 1.0), "log": (1.0, 1.0), "log1p": (1.5, 1.5), "expm1": (1.7, 2.0), "tanh": (1.5, 1.5),
    "sigmoid": (2.0, 2.0),
    # in double, so for floats almost the nearest; doubles, and angles that are very large, are the C library's
    "sin": (0.6, 1.0), "cos": (0.6, 1.0), "tan": (1.1, 1.0), "asin": (0.51, 1.0), "acos": (0.51, 1.0),
    "atan": (0.51, 1.0), "sinh": (0.51, 2.0), "cosh": (0.51, 2.0),
}
OF_TWO = {"pow": np.power, "atan2": np.arctan2}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 1e-30, -1e-30]


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def computed(name, x):
    t = tensorlib.from_numpy(x.copy())
    return (elu(t, 1) if name == "expm1" else getattr(t, name)()).numpy()


def reference(name, x):
    """In the next wider type."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
        if name == "expm1":
            return np.where(wide > 0, wide, np.expm1(wide))
        return sigmoid(wide) if name == "sigmoid" else getattr(np, {"asin": "arcsin", "acos": "arccos",
                                                                    "atan": "arctan"}.get(name, name))(wide)


def worst_ulp(name, x):
    return ulps(name, computed(name, x), reference(name, x), x)


def ulps(name, got, want, x):
    """Largest error in units of the last place of the rounded result; infinities and NaN must match exactly."""
    with np.errstate(over="ignore"):
        rounded = want.astype(got.dtype)
    finite = np.isfinite(rounded)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    assert same[~finite].all(), (name, x[~finite][~same[~finite]][:5])
    assert np.isfinite(got[finite]).all()
    unit = np.spacing(np.abs(rounded[finite])).astype(want.dtype)
    return float((np.abs(got[finite].astype(want.dtype) - want[finite]) / unit).max())


def every_float(step):
    """Floats of all signs and exponents, a fixed number of bit patterns apart."""
    return np.arange(0, 2 ** 32, step, dtype=np.uint32).view(np.float32)


def many_doubles():
    rng = np.random.RandomState(5)
    anything = rng.randint(0, 2 ** 63, 20000, dtype=np.int64).view(np.float64)
    tiny = np.arange(1, 200).astype(np.int64).view(np.float64)
    spread = [rng.uniform(-a, a, 20000) for a in (1, 40, 760)]
    return np.concatenate([anything, -anything, tiny, -tiny] + spread)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_float(name):
    assert worst_ulp(name, every_float(7919)) <= LIMITS[name][0]


@pytest.mark.parametrize("name", sorted(LIMITS))
@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="long double is no wider than double here")
def test_double(name):
    assert worst_ulp(name, many_doubles()) <= LIMITS[name][1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(LIMITS))
def test_special(name, dtype):
    """Signed zeros, infinities, NaN, denormals; alone and in rows, which take other loops."""
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array(SPECIAL + [tiny, -tiny, 100 * tiny], dtype)
    for values in [x, np.tile(x, 7)] + [x[i:i + 1] for i in range(len(x))]:
        got, want = computed(name, values), reference(name, values).astype(dtype)
        np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps, atol=0)
        zero = want == 0
        assert (np.signbit(got[zero]) == np.signbit(want[zero])).all()


SIDES = SPECIAL + [2.0, -2.0, 3.0, -3.0, 2.5, 1.0000001, 0.99999994, 1e38, -1e38, 1e-45, 16777217.0, 16777216.0, 0.1]


@pytest.mark.parametrize("name", sorted(OF_TWO))
def test_float_of_two(name):
    """All pairs of special values, then random ones; signs of zeros too."""
    rng = np.random.RandomState(6)
    a, b = (v.ravel() for v in np.meshgrid(np.array(SIDES, np.float32), np.array(SIDES, np.float32)))
    some = every_float(7919)
    a = np.concatenate([a, some, some, rng.uniform(0.5, 2, 50000).astype(np.float32), np.abs(some)])
    b = np.concatenate([b, rng.permutation(some), rng.randint(-30, 30, len(some)).astype(np.float32),
                        rng.uniform(-150, 150, 50000).astype(np.float32), rng.uniform(-4, 4, len(some)).astype("f")])
    got = getattr(tensorlib, name)(tensorlib.from_numpy(a), tensorlib.from_numpy(b)).numpy()
    with np.errstate(all="ignore"):
        want = OF_TWO[name](a.astype(np.float64), b.astype(np.float64))
        zero = want.astype(np.float32) == 0
    assert ulps(name, got, want, a) <= 0.51
    assert (np.signbit(got[zero]) == np.signbit(want[zero])).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [2, 3, 1, 0, -1, 0.5, -0.5, 2.5, -2, np.inf, np.nan])
def test_pow_of_a_number(exponent, dtype):
    """Exponents that are multiplied out or roots have the special values of the power, and its accuracy."""
    rng = np.random.RandomState(7)
    x = np.concatenate([np.array(SIDES, dtype), rng.uniform(-3, 3, 300).astype(dtype)])
    for n in (len(SIDES), len(x)):
        with np.errstate(all="ignore"):
            want = np.power(x[:n].astype(np.float64), np.full(n, exponent, float))
        got = tensorlib.from_numpy(x[:n].copy()).pow(exponent).numpy()
        np.testing.assert_allclose(got, want.astype(dtype), rtol=2.5 * np.finfo(dtype).eps,
                                   atol=2 * np.finfo(dtype).smallest_subnormal)
        assert (np.signbit(got) == np.signbit(want))[want == 0].all()


def test_fmod_is_exact():
    rng = np.random.RandomState(8)
    a, b = every_float(7919), rng.permutation(every_float(7919))
    near = a[np.isfinite(a)]
    for x, y in [(a, b), (near, (near * rng.uniform(1e-7, 1, len(near))).astype(np.float32)),
                 (near, np.full_like(near, 3)), (rng.uniform(-9, 9, 5000).astype("f"), np.full(5000, 0.1, "f"))]:
        with np.errstate(all="ignore"):
            want = np.fmod(x, y)
        got = tensorlib.fmod(tensorlib.from_numpy(x), tensorlib.from_numpy(y)).numpy()
        np.testing.assert_array_equal(got, want)
        assert (np.signbit(got) == np.signbit(want))[want == 0].all()
