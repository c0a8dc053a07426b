"""The vector math of mathfn.h, measured in ulp against NumPy: in float over all exponents, in double by long double."""
import numpy as np
import pytest

import tensorlib
from tensorlib.ops.activation import elu

LIMITS = {          # ulp: float, double
    "exp": (1.0, 1.0), "log": (1.0, 1.0), "log1p": (1.5, 1.5), "expm1": (1.7, 2.0), "tanh": (1.5, 1.5),
    "sigmoid": (2.0, 2.0),
}
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
        return sigmoid(wide) if name == "sigmoid" else getattr(np, name)(wide)


def worst_ulp(name, x):
    """Largest error in units of the last place of the rounded result; infinities and NaN must match exactly."""
    got, want = computed(name, x), reference(name, x)
    with np.errstate(over="ignore"):
        rounded = want.astype(x.dtype)
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
