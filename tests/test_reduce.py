"""Reductions against NumPy: every type, any strides, full and along a dim, with their derivatives to second order."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from op_checks import check_derivatives

import tensorlib
from tensorlib.autograd import Variable

TYPES = {"Byte": np.uint8, "Char": np.int8, "Short": np.int16, "Int": np.int32, "Long": np.int64,
         "Float": np.float32, "Double": np.float64}
REAL = ("Float", "Double")
SIZES = [(1,), (7,), (300,), (3, 4), (1, 5), (40, 30), (2, 3, 4), (5, 1, 6), (3, 40, 33)]
BIG = [(70000,), (300, 400), (3, 20000), (20000, 3)]
CASES = [(size, name) for size in SIZES for name in TYPES]
CASES += [(size, name) for size in BIG for name in ("Byte", "Long") + REAL]
TOLERANCE = {"Float": 2e-5, "Double": 1e-11}


def numbers(size, type_name, seed=0):
    rng = np.random.RandomState(seed)
    dtype = TYPES[type_name]
    if type_name in REAL:
        return rng.randn(*size).astype(dtype)
    return rng.randint(max(np.iinfo(dtype).min, -100), min(np.iinfo(dtype).max, 100), size).astype(dtype)


def layouts(size, type_name):
    """(array, tensor of the same values): dense, transposed, sliced, expanded."""
    def tensor(array):
        if type_name != "Char":
            return tensorlib.from_numpy(array.copy())
        return tensorlib.CharTensor(array.ravel().tolist()).view(*array.shape)

    dense = numbers(size, type_name)
    yield dense, tensor(dense)
    if len(size) > 1:
        other = numbers(size[::-1], type_name, 1)
        order = tuple(range(len(size)))[::-1]
        yield other.transpose(order), tensor(other).permute(*order)
        wide = numbers(size[:-1] + (size[-1] + 2,), type_name, 2)
        yield wide[..., 1:-1], tensor(wide).narrow(len(size) - 1, 1, size[-1])
        flat = numbers((1,) + size[1:], type_name, 3)
        yield np.broadcast_to(flat, size), tensor(flat).expand(*size)


def array(x):
    """The values as an array; NumPy takes no CharTensor."""
    return np.array(x.tolist(), np.int8) if type(x) is tensorlib.CharTensor else x.numpy()


def check(got, want, type_name, scale=1):
    want = np.asarray(want)
    assert tuple(got.size()) == want.shape
    if type_name in REAL:
        np.testing.assert_allclose(got.numpy(), want, rtol=TOLERANCE[type_name] * scale,
                                   atol=TOLERANCE[type_name] * scale)
    else:
        np.testing.assert_array_equal(array(got), want.astype(TYPES[type_name]))


@pytest.mark.parametrize("size, type_name", CASES, ids=str)
def test_full_reductions(size, type_name):
    for a, x in layouts(size, type_name):
        wide = a.astype(np.float64 if type_name in REAL else np.int64)
        limit = TOLERANCE.get(type_name, 0) * math.sqrt(a.size)
        assert x.sum() == pytest.approx(wide.sum(), rel=limit, abs=limit * 10)
        assert x.max() == a.max() and x.min() == a.min()
        assert type(x.sum()) is type(x.max()) is (float if type_name in REAL else int)
        if type_name in REAL:
            assert x.mean() == pytest.approx(wide.mean(), rel=limit, abs=limit)
            assert x.norm() == pytest.approx(np.sqrt((wide ** 2).sum()), rel=limit)
            assert x.norm(1) == pytest.approx(np.abs(wide).sum(), rel=limit)
            assert x.norm(0) == np.count_nonzero(a)
            assert x.norm(2.5) == pytest.approx((np.abs(wide) ** 2.5).sum() ** 0.4, rel=limit)
            assert x.var(False) == pytest.approx(wide.var(), rel=limit)
            if a.size > 1:
                assert x.std() == pytest.approx(wide.std(ddof=1), rel=limit)


@pytest.mark.parametrize("size, type_name", CASES, ids=str)
def test_along_a_dim(size, type_name):
    for a, x in layouts(size, type_name):
        wide = a.astype(np.float64 if type_name in REAL else np.int64)
        for dim in range(-1, len(size)):
            keep = len(size) == 1               # the one dim of a vector stays
            scale = math.sqrt(size[dim]) * 4
            check(x.sum(dim), wide.sum(dim, keepdims=keep), type_name, scale)
            check(x.sum(dim, True), wide.sum(dim, keepdims=True), type_name, scale)
            check(x.cumsum(dim), wide.cumsum(dim), type_name, scale)
            for name, position in (("max", np.argmax), ("min", np.argmin)):
                values, where = getattr(x, name)(dim, keepdim=True)
                check(values, getattr(a, name)(dim, keepdims=True), type_name)
                check(where, np.expand_dims(position(a, dim), dim), "Long")
            if type_name in REAL:
                check(x.mean(dim), wide.mean(dim, keepdims=keep), type_name, 3)
                check(x.std(dim, False, keep), wide.std(dim, keepdims=keep), type_name, 3)
                check(x.norm(2, dim), np.sqrt((wide ** 2).sum(dim, keepdims=keep)), type_name, 3)
                check(x.norm(3, dim, True), (np.abs(wide) ** 3).sum(dim, keepdims=True) ** (1 / 3), type_name, 9)


@pytest.mark.parametrize("type_name", TYPES)
def test_products_wrap_along_a_dim_and_not_as_a_number(type_name):
    a = np.random.RandomState(5).randint(1, 5, (4, 6)).astype(TYPES[type_name])
    x = getattr(tensorlib, type_name + "Tensor")(a.tolist())
    wide = a.astype(np.int64)
    assert x[0].prod() == wide[0].prod()
    check(x.prod(1), wide.prod(1), type_name)
    check(x.cumprod(0), wide.cumprod(0), type_name)


@pytest.mark.parametrize("n", [1, 3, 8, 31, 32, 47, 63, 64, 65, 100, 200, 256])
def test_products_do_not_overflow_halfway(n):
    """Large and small factors by turns, beside a product in doubles, one factor after the other."""
    a = np.random.RandomState(n).uniform(1, 1.1, (n, 5)).astype(np.float32)
    a[::2] *= np.float32(1e30)
    a[1::2] *= np.float32(1e-30)
    want = np.array([math.prod(column.tolist()) for column in a.T])
    with np.errstate(over="ignore"):
        want32 = want.astype(np.float32)
    x = tensorlib.from_numpy(a)
    rows = x.t().contiguous()
    for got in (x.prod(0), rows.prod(1), x.t().prod(1), x[:, 1:].prod(0)):
        np.testing.assert_allclose(got.numpy(), want32[-len(got):], rtol=2e-7)
    for row, product in zip(rows, want):
        assert row.prod() == pytest.approx(product, rel=1e-13)


def test_integer_sums():
    x = tensorlib.ByteTensor([200, 100])
    assert x.sum() == 300 and x.sum(0)[0] == 44
    assert tensorlib.IntTensor([2 ** 31 - 1] * 3).sum() == 3 * (2 ** 31 - 1)
    assert tensorlib.LongTensor([2 ** 53 + 1, 1]).sum() == 2 ** 53 + 2


@pytest.mark.parametrize("n", [1, 5, 255, 256, 257, 258, 259, 1003])
@pytest.mark.parametrize("type_name", [name for name in TYPES if name not in REAL])
def test_integer_sums_of_rows_wrap(type_name, n):
    kind = np.iinfo(TYPES[type_name])
    a = np.random.RandomState(n).randint(kind.min, kind.max, (3, n), TYPES[type_name])
    x = tensorlib.from_numpy(a) if type_name != "Char" else tensorlib.from_numpy(a.astype(np.int64)).char()
    assert (x.sum(1).long().numpy() == a.sum(1, dtype=TYPES[type_name])).all()
    assert x.sum() == a.sum(dtype=np.int64)


@pytest.mark.parametrize("n", list(range(1, 20)) + [64, 1001])
def test_running_sums_of_long_rows_wrap(n):
    a = np.random.RandomState(n).randint(-2 ** 63, 2 ** 63 - 1, (7, n))
    x = tensorlib.from_numpy(a)
    want = a.cumsum(1)
    for got in (x.cumsum(1), x.t().contiguous().t().cumsum(1), x.t().cumsum(0).t()):
        assert (got.numpy() == want).all()
    last = tensorlib.from_numpy(np.pad(a, ((0, 0), (1, 2)))).narrow(1, 1, n)
    assert (last.cumsum(1).numpy() == want).all()
    assert (x[3].cumsum(0).numpy() == want[3]).all()


def test_float_sums_are_pairwise():
    """Ten million numbers near 1: a plain running sum in float32 would be off by a percent."""
    a = (1 + np.random.RandomState(0).rand(10 ** 7) * 1e-3).astype(np.float32)
    x = tensorlib.from_numpy(a)
    exact = a.astype(np.float64).sum()
    assert abs(x.sum() - exact) / exact < 1e-8
    assert abs(x.view(1000, 10000).sum(0).double().sum() - exact) / exact < 1e-6
    assert abs(x.view(1000, 10000).sum(1).double().sum() - exact) / exact < 1e-6
    assert abs(x.mean() - exact / a.size) < 1e-8


@pytest.mark.parametrize("type_name", REAL)
def test_sums_of_rows_of_all_lengths(type_name):
    """Each element once: whole numbers, whose sums are exact. Then random ones, and one that is not finite."""
    rng = np.random.RandomState(3)
    for n in list(range(1, 300)) + [1000, 4099]:
        whole = rng.randint(-1000, 1000, (3, n)).astype(TYPES[type_name])
        assert (tensorlib.from_numpy(whole).sum(1).numpy() == whole.astype(np.float64).sum(1)).all()
        rough = rng.rand(3, n).astype(TYPES[type_name])
        check(tensorlib.from_numpy(rough).sum(1), rough.astype(np.longdouble).sum(1), type_name, 0.1)
        rough[1, n - 1], rough[2, n // 2] = np.inf, np.nan
        assert np.isfinite(tensorlib.from_numpy(rough).sum(1).numpy()).tolist() == [True, False, False]


def test_variance_of_large_numbers():
    a = 1e8 + np.random.RandomState(1).randn(1000)
    x = tensorlib.from_numpy(a)
    assert x.var() == pytest.approx(a.var(ddof=1), rel=1e-6)
    assert tensorlib.from_numpy(a.reshape(10, 100)).var(0)[3] == pytest.approx(a.reshape(10, 100)[:, 3].var(ddof=1))


def test_result_does_not_depend_on_threads():
    x = tensorlib.from_numpy(np.random.RandomState(2).randn(300, 1000).astype(np.float32))
    before = tensorlib.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            tensorlib.set_num_threads(threads)
            found.append((x.sum(), x.norm(), x.std(), x.sum(0).tolist(), x.var(1).tolist(), x.cumsum(0).tolist()))
    finally:
        tensorlib.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("type_name", REAL)
@pytest.mark.parametrize("size", [(5,), (200,), (50, 60)], ids=str)
def test_nan_is_the_extreme(size, type_name):
    a = numbers(size, type_name)
    a.ravel()[3] = np.nan
    a.ravel()[-1] = np.nan
    x = tensorlib.from_numpy(a)
    assert math.isnan(x.max()) and math.isnan(x.min())
    for dim in range(len(size)):
        for name, position in (("max", np.argmax), ("min", np.argmin)):
            values, where = getattr(x, name)(dim, True)
            check(where, np.expand_dims(position(a, dim), dim), "Long")
            np.testing.assert_array_equal(np.array(values.tolist(), a.dtype), getattr(a, name)(dim, keepdims=True))


def test_first_position_at_ties():
    x = tensorlib.FloatTensor([[3, 1, 3, 1, 2], [2, 2, 2, 0, 0], [5, 4, 4, 5, 4]])
    assert x.max(1)[1].tolist() == [0, 0, 0] and x.min(1)[1].tolist() == [1, 3, 1]
    assert x.max(0)[1].tolist() == [2, 2, 2, 2, 2]
    assert tensorlib.zeros(100).max(0)[1][0] == 0


def test_the_single_bool_after_dim_is_keepdim():
    x = tensorlib.from_numpy(np.random.RandomState(3).randn(3, 4))
    assert x.std(1, True).size() == x.std(1, True, True).size() == (3, 1)
    assert x.std(1, False).tolist() == x.std(1).tolist() == x.std(1, True, False).tolist()
    assert x.std(1, unbiased=False).tolist() != x.std(1).tolist()


def test_norms_beyond_the_range_of_floats():
    assert tensorlib.FloatTensor([3e30, 4e30]).norm() == pytest.approx(5e30)
    assert tensorlib.FloatTensor([3e-30, 4e-30]).norm() == pytest.approx(5e-30)
    assert tensorlib.FloatTensor([3, 4]).norm(float("inf")) == 1.0        # recorded so


@pytest.mark.parametrize("call, error", [
    (lambda x: x.sum(2), RuntimeError), (lambda x: x.sum(-3), RuntimeError), (lambda x: x.sum("x"), TypeError),
    (lambda x: x.sum(1.0), TypeError), (lambda x: x.max(x.new([1, 2])), RuntimeError),
    (lambda x: x.norm(2, 5), RuntimeError), (lambda x: x.cumsum(9), RuntimeError),
    (lambda x: x.renorm(0, 0, 1), RuntimeError), (lambda x: x[0].renorm(2, 0, 1), RuntimeError),
    (lambda x: x.histc(0), RuntimeError), (lambda x: x.new().max(), RuntimeError),
    (lambda x: x.new().sum(0), RuntimeError),
    (lambda x: x.equal(1), TypeError), (lambda x: tensorlib.mean(x.long()), TypeError),
    (lambda x: x.long().mean(), AttributeError), (lambda x: x.byte().all(1), TypeError)])
def test_errors(call, error):
    with pytest.raises(error):
        call(tensorlib.ones(3, 4))


def test_empty():
    x = tensorlib.FloatTensor()
    assert x.sum() == 0 and x.prod() == 1 and x.norm() == 0
    assert x.equal(tensorlib.FloatTensor())
    for name in ("mean", "std", "var", "max", "min", "median"):
        with pytest.raises(RuntimeError, match="empty"):
            getattr(x, name)()


def test_dist_takes_its_formula_as_it_stands():
    x, y = tensorlib.DoubleTensor([1, 5, 2]), tensorlib.DoubleTensor([1, 1, 5])
    assert x.dist(y) == 5 and x.dist(y, 1) == 7 and abs(x.dist(y, 3) - 91 ** (1 / 3)) < 1e-12
    assert x.dist(y, 0) == float("inf") and x.dist(y, float("inf")) == 1 and x[:1].dist(y[:1], 0) == 1


def test_histc():
    x = tensorlib.DoubleTensor([0, 1, 2, 3, 4])
    assert x.histc(4, 0, 4).tolist() == [1, 1, 1, 2]
    assert x.histc(2, 1, -1).tolist() == [0, 0]
    assert tensorlib.FloatTensor([2, 2, 2]).histc(4).tolist() == [0, 0, 3, 0]
    assert x.histc().size() == (100,)
    for wrong in (float("inf"), float("nan")):
        with pytest.raises(RuntimeError):
            tensorlib.DoubleTensor([1, wrong]).histc()
    with pytest.raises(RuntimeError):
        x.histc(3, -1e308, 1e308)


def test_all_any_equal():
    x = tensorlib.ByteTensor([[1, 0], [1, 2]])
    assert not x.all() and x.any() and x[1].all() and x.t()[0].all() and not (x * 0).any()
    assert x.equal(x.t().contiguous().t()) and not x.equal(x + 1) and not x.equal(x.view(4))


def test_renorm():
    x = tensorlib.from_numpy(np.random.RandomState(7).randn(3, 4))
    y = x.renorm(2, 0, 1)
    assert all(row.norm() <= 1 for row in y)
    z = x.clone()
    assert z.renorm_(2, 0, 1) is z and z.equal(y)
    assert all(tensorlib.ones(2, 3, 4).renorm(2, dim, 1).is_contiguous() for dim in (0, 1, -1))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=6), elements=st.floats(-9, 9)), st.data())
def test_any_strides(a, data):
    """A random permutation and a random narrowing, reduced along each dim."""
    order = data.draw(st.permutations(range(a.ndim)))
    dim = data.draw(st.integers(0, a.ndim - 1))
    start = data.draw(st.integers(0, a.shape[order[dim]] - 1))
    b = a.transpose(order)[(slice(None),) * dim + (slice(start, None),)]
    x = tensorlib.from_numpy(np.ascontiguousarray(a)).permute(*order).narrow(dim, start, b.shape[dim])
    for d in range(a.ndim):
        keep = a.ndim == 1
        check(x.sum(d), b.sum(d, keepdims=keep), "Double", 100)
        check(x.max(d)[0], b.max(d, keepdims=keep), "Double")
        check(x.norm(2, d), np.sqrt((b * b).sum(d, keepdims=keep)), "Double", 1e4)
        check(x.cumprod(d), b.cumprod(d), "Double", 1e6)


# ---- derivatives ---------------------------------------------------------------------------------------

FORMULAS = {
    "sum": lambda x: x.sum(), "sum dim": lambda x: x.sum(1), "mean": lambda x: x.mean(),
    "mean dim": lambda x: x.mean(0, True), "prod": lambda x: x.prod(), "prod dim": lambda x: x.prod(-1),
    "max": lambda x: x.max(), "min dim": lambda x: x.min(0)[0], "max keep": lambda x: x.max(-1, True)[0],
    "norm": lambda x: x.norm(), "norm 3": lambda x: x.norm(3), "norm dim": lambda x: x.norm(2, 1),
    "norm 1.5 dim": lambda x: x.norm(1.5, 0, True), "var": lambda x: x.var(), "var dim": lambda x: x.var(1),
    "std": lambda x: x.std(unbiased=False), "std dim": lambda x: x.std(0, True), "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(1), "cumprod first": lambda x: x.cumprod(0), "dist": lambda x: x.dist(x * x + 1, 3),
    "renorm": lambda x: x.renorm(2, 0, 1.1),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives(name):
    check_derivatives(FORMULAS[name], np.random.RandomState(4).rand(3, 4) + 0.3)


@pytest.mark.parametrize("name", ["prod", "prod dim", "cumprod", "cumprod first"])
@pytest.mark.parametrize("zeros", [[(0, 1)], [(0, 1), (0, 3)], [(0, 0), (1, 2), (2, 2)]], ids=str)
def test_derivatives_of_products_with_zeros(name, zeros):
    a = np.random.RandomState(4).rand(3, 4) + 0.3
    for place in zeros:
        a[place] = 0
    check_derivatives(FORMULAS[name], a)


def test_gradient_of_an_extreme_goes_to_the_first():
    x = Variable(tensorlib.FloatTensor([[1, 3, 3], [3, 0, 1]]), requires_grad=True)
    x.max().backward()
    assert x.grad.data.tolist() == [[0, 1, 0], [0, 0, 0]]


def test_gradient_of_a_norm_at_zero_is_nan():
    x = Variable(tensorlib.zeros(2), requires_grad=True)
    x.norm().backward()
    assert all(math.isnan(v) for v in x.grad.data)
