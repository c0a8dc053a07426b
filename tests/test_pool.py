"""Pooling: values against the rows' references and PyTorch; nan, infinities and ties; derivatives; errors."""
import numpy as np
import pytest
from test_conv import check_derivatives

import tensorlib
from tensorlib.autograd import Variable
from tensorlib.ops.pool import (adaptive_avg_pool, adaptive_avg_pool_grad, adaptive_max_pool, avg_pool, avg_pool_grad,
                                max_pool, max_pool_grad, max_pool_take, max_unpool)


def tensor(a):
    return tensorlib.from_numpy(np.ascontiguousarray(a))


def geometries():
    """A seeded spread over dims, kernels, strides, padding, dilation and ceil mode; no batch in some."""
    rng = np.random.RandomState(11)
    cases = [((3, 2, 8, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
             ((3, 2, 9, 7), (2, 2), (2, 2), (0, 0), (1, 1), False),
             ((3, 2, 9, 7), (2, 2), (2, 2), (0, 0), (1, 1), True),
             ((1, 1, 70, 67), (2, 2), (2, 2), (0, 0), (1, 1), False),
             ((40, 30, 12, 12), (3, 3), (2, 2), (1, 1), (1, 1), False),
             ((1, 2, 600), (5,), (1,), (2,), (1,), False)]
    for i in range(60):
        spatial = (1, 2, 2, 3)[i % 4]
        kernel = rng.randint(1, 5, spatial)
        stride, dilation = rng.randint(1, 5, spatial), rng.randint(1, 3, spatial)
        padding = [rng.randint(0, k // 2 + 1) for k in kernel]
        least = [max(1, d * (k - 1) + 1) for k, d in zip(kernel, dilation)]
        size = [n + rng.randint(0, 12 if spatial < 3 else 4) for n in least]
        lead = [(2, 3), (3,), (1, 1)][rng.randint(3)]
        cases.append((lead + tuple(size), tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), bool(i % 3)))
    return [tuple(tuple(map(int, part)) if isinstance(part, tuple) else part for part in case) for case in cases]


GEOMETRIES = geometries()


def random(size, dtype=np.float64, seed=0):
    return np.random.RandomState(seed).randn(*size).astype(dtype)


def run(row, *args):
    """The results of a row on arrays, as arrays."""
    out = row(*[tensor(a) if isinstance(a, np.ndarray) else a for a in args])
    return tuple(t.numpy() for t in out) if isinstance(out, tuple) else out.numpy()


def close(got, want, tolerance):
    assert tuple(got.shape) == tuple(want.shape)
    assert np.allclose(got, want, rtol=tolerance, atol=tolerance)


# ---- values --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_max_values(case, dtype):
    x = random(case[0], dtype)
    for values in (x, np.round(x)):                     # with ties: the first of equal values
        got, want = run(max_pool, values, *case[1:]), max_pool.row.ref(values, *case[1:])
        assert (got[0] == want[0]).all() and (got[1] == want[1]).all() and got[1].dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_average_values(case, dtype, count_include_pad):
    size, kernel, stride, padding, _, ceil_mode = case
    x, options = random(size, dtype), (kernel, stride, padding, ceil_mode, count_include_pad)
    y = run(avg_pool, x, *options)
    close(y, avg_pool.row.ref(x.astype(float), *options), 1e-12 if dtype is np.float64 else 1e-5)
    g = random(y.shape, dtype, 1)
    close(run(avg_pool_grad, g, size, *options), avg_pool_grad.row.ref(g.astype(float), size, *options),
          1e-12 if dtype is np.float64 else 1e-5)


@pytest.mark.parametrize("size, out", [
    ((2, 3, 7), (3,)), ((2, 3, 7), (7,)), ((3, 5), (9,)), ((2, 3, 8, 6), (4, 3)), ((2, 3, 7, 5), (1, 1)),
    ((2, 3, 7, 5), (3, 4)), ((3, 4, 4), (5, 2)), ((1, 2, 3, 4, 5), (2, 2, 2)), ((1, 1, 65, 130), (1, 2))], ids=str)
def test_adaptive_values(size, out):
    x = random(size)
    values, indices = run(adaptive_max_pool, x, out)
    want = adaptive_max_pool.row.ref(x, out)
    assert (values == want[0]).all() and (indices == want[1]).all()
    close(run(adaptive_avg_pool, x, out), adaptive_avg_pool.row.ref(x, out), 1e-12)
    g = random(values.shape, seed=1)
    close(run(adaptive_avg_pool_grad, g, size, out), adaptive_avg_pool_grad.row.ref(g, size, out), 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kernel, stride, padding", [
    ((2, 2), (2, 2), (0, 0)), ((3, 3), (1, 1), (1, 1)), ((3, 2), (3, 2), (1, 0))])
def test_nan_and_infinities(kernel, stride, padding, dtype):
    rng = np.random.RandomState(5)
    x = rng.randn(2, 3, 20, 22).astype(dtype)
    x[rng.rand(*x.shape) < 0.1] = np.nan
    x[rng.rand(*x.shape) < 0.1] = np.inf
    x[rng.rand(*x.shape) < 0.4] = -np.inf
    x[0, 0] = -np.inf                                    # windows in which nothing is larger than -inf
    values, indices = run(max_pool, x, kernel, stride, padding, (1, 1), False)
    want, _ = max_pool.row.ref(x, kernel, stride, padding, (1, 1), False)
    np.testing.assert_array_equal(values, want)
    taken = run(max_pool_take, x, indices, 2)
    np.testing.assert_array_equal(taken, values)         # each index leads to its value, nan included


@pytest.mark.parametrize("kernel, stride, padding, dilation", [
    (2, 2, 0, 1), (3, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 1), (5, 3, 2, 1), (3, 2, 1, 2), (1, 4, 0, 1), (7, 7, 3, 1)])
def test_every_width_of_a_line(kernel, stride, padding, dilation):
    """Lines are cut into blocks of windows, with single ones at edges that hang over."""
    rng = np.random.RandomState(6)
    for width in range(1, 70):
        if width + 2 * padding < dilation * (kernel - 1) + 1:
            continue
        x = rng.randint(-3, 3, (2, 3, 8, width)).astype(np.float32)         # many are equal: the first one counts
        x[rng.rand(*x.shape) < 0.02] = np.nan
        case = (3, kernel), (2, stride), (1, padding), (1, dilation), False
        got, want = run(max_pool, x, *case), max_pool.row.ref(x, *case)
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(np.where(np.isnan(want[0]), 0, got[1] - want[1]), 0)  # nan: any one will do
        if dilation == 1:
            y = np.nan_to_num(x)
            close(run(avg_pool, y, *case[:3], False, True), avg_pool.row.ref(y, *case[:3], False, True), 1e-6)
            check = run(avg_pool_grad, np.ones_like(got[0]), x.shape, *case[:3], False, True)
            close(check, avg_pool_grad.row.ref(np.ones_like(got[0]), x.shape, *case[:3], False, True), 1e-6)


def test_windows_of_padding_only():
    values, indices = run(max_pool, np.ones((1, 1, 1)), (2,), (1,), (1,), (2,), False)
    assert values.tolist() == [[[-np.inf]]] and indices.tolist() == [[[-1]]]
    assert run(max_pool_grad, np.ones((1, 1, 1)), indices, (1,)).tolist() == [[[0]]]
    assert run(max_pool_take, np.ones((1, 1, 1)), indices, 1).tolist() == [[[0]]]


def test_last_window_of_ceil_mode():
    """It must begin inside the input or its left padding; it may hang over the right edge."""
    for size, kernel, stride, padding, out in ((5, 2, 2, 0, 3), (6, 2, 2, 0, 3), (6, 3, 2, 1, 4), (4, 3, 2, 1, 3),
                                               (3, 2, 2, 1, 2), (6, 2, 4, 0, 2), (5, 1, 4, 0, 2), (4, 1, 4, 0, 1)):
        x = random((1, 1, size))
        assert run(max_pool, x, (kernel,), (stride,), (padding,), (1,), True)[0].shape == (1, 1, out)


def test_average_of_overhanging_windows():
    x = np.arange(6.0).reshape(1, 1, 6)
    options = ((3,), (2,), (1,), True)
    assert run(avg_pool, x, *options, True).tolist() == [[[1 / 3, 2, 4, 2.5]]]
    assert run(avg_pool, x, *options, False).tolist() == [[[0.5, 2, 4, 5]]]


@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_against_torch(case):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    size, kernel, stride, padding, dilation, ceil_mode = case
    x, d = random(size), len(kernel)
    tx = torch.tensor(x, requires_grad=True)
    ty, ti = getattr(functional, "max_pool%dd" % d)(tx, *case[1:], return_indices=True)
    vx = Variable(tensor(x), requires_grad=True)
    y, i = max_pool(vx, kernel, stride, padding, dilation, ceil_mode)
    g = random(ty.shape, seed=1)
    ty.backward(torch.tensor(g))
    y.backward(tensor(g))
    assert (y.data.numpy() == ty.detach().numpy()).all() and (i.data.numpy() == ti.numpy()).all()
    close(vx.grad.data.numpy(), tx.grad.numpy(), 1e-12)
    if d > 1 or x.ndim == 3:
        ty = getattr(functional, "avg_pool%dd" % d)(torch.tensor(x), kernel, stride, padding, ceil_mode, False)
        close(run(avg_pool, x, kernel, stride, padding, ceil_mode, False), ty.numpy(), 1e-12)


def test_strided_input():
    x = random((6, 5, 3, 2)).transpose(3, 2, 1, 0)
    t = tensor(x.transpose(3, 2, 1, 0)).permute(3, 2, 1, 0)
    assert not t.is_contiguous()
    options = ((2, 3), (1, 2), (0, 1))
    got = max_pool(t, *options, (1, 1), False)[0].numpy()
    assert (got == run(max_pool, x, *options, (1, 1), False)[0]).all()
    close(avg_pool(t, *options, False, True).numpy(), run(avg_pool, x, *options, False, True), 1e-12)


def test_unpooling():
    x = random((2, 3, 6, 8))
    values, indices = run(max_pool, x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    restored = run(max_unpool, values, indices, (6, 8))
    assert (restored == np.where(restored != 0, x, 0)).all() and (restored != 0).sum() == values.size
    close(restored, max_unpool.row.ref(values, indices, (6, 8)), 0)
    twice = (np.array([[1.0, 2.0]]), np.array([[1, 1]]), (3,))
    assert run(max_unpool, *twice).tolist() == [[0, 2, 0]]          # the last stays
    assert run(max_pool_grad, *twice).tolist() == [[0, 3, 0]]       # gradients add up


# ---- derivatives ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("case", [g for g in GEOMETRIES if np.prod(g[0]) < 500], ids=str)
def test_derivatives(case):
    size, kernel, stride, padding, _, ceil_mode = case
    x = np.random.RandomState(2).permutation(int(np.prod(size))).reshape(size) / 10.0      # no two values near another
    indices = run(max_pool, x, *case[1:])[1]
    spatial = size[-len(kernel):]
    check_derivatives(lambda t, *options: max_pool(t, *options)[0], (x,), case[1:])
    check_derivatives(lambda t: max_pool_grad(t, constant(t, indices), spatial), (random(indices.shape),), ())
    check_derivatives(lambda t: max_pool_take(t, constant(t, indices), len(kernel)), (x,), ())
    for count_include_pad in (True, False):
        options = (kernel, stride, padding, ceil_mode, count_include_pad)
        check_derivatives(avg_pool, (x,), options)
        check_derivatives(avg_pool_grad, (random(run(avg_pool, x, *options).shape),), (size,) + options)


def constant(t, indices):
    """Indices as a companion of t: a tensor for a tensor, a Variable for a Variable."""
    return Variable(tensor(indices)) if isinstance(t, Variable) else tensor(indices)


@pytest.mark.parametrize("size, out", [((2, 3, 7), (3,)), ((2, 5, 4), (2, 3)), ((1, 2, 3, 4, 5), (2, 2, 2))], ids=str)
def test_adaptive_derivatives(size, out):
    x = np.random.RandomState(2).permutation(int(np.prod(size))).reshape(size) / 10.0
    check_derivatives(lambda t: adaptive_max_pool(t, out)[0], (x,), ())
    check_derivatives(adaptive_avg_pool, (x,), (out,))
    check_derivatives(adaptive_avg_pool_grad, (random(run(adaptive_avg_pool, x, out).shape),), (size, out))


def test_unpooling_derivatives():
    indices = np.array([[[0, 5, 2]], [[7, 1, 3]]])
    check_derivatives(lambda t: max_unpool(t, constant(t, indices), (8,)), (random((2, 1, 3)),), ())


def test_indices_need_no_gradient():
    values, indices = max_pool(Variable(tensor(random((1, 1, 4))), requires_grad=True), (2,), (2,), (0,), (1,), False)
    assert values.requires_grad and not indices.requires_grad


# ---- errors --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("error, options", [
    (RuntimeError, dict(size=(4, 4))), (RuntimeError, dict(size=(1, 1, 1, 4, 4))),
    (RuntimeError, dict(size=(1, 1, 1, 4))), (RuntimeError, dict(kernel=(1 << 62, 2))),
    (RuntimeError, dict(kernel=(5, 5))), (RuntimeError, dict(kernel=(0, 2))), (RuntimeError, dict(padding=(2, 0))),
    (RuntimeError, dict(stride=(0, 1))), (RuntimeError, dict(padding=(-1, 0))),
    (RuntimeError, dict(stride=(1 << 40, 1))), (ValueError, dict(stride=(1,))), (ValueError, dict(kernel=())),
    (ValueError, dict(kernel=(1, 1, 1, 1))), (TypeError, dict(kernel=("a", 2))), (TypeError, dict(kernel=(1.5, 2))),
    (OverflowError, dict(kernel=(1 << 70, 2))),
], ids=str)
def test_errors(error, options):
    def call(row, size=(1, 1, 4, 4), kernel=(2, 2), stride=(2, 2), padding=(0, 0)):
        more = ((1, 1), False) if row is max_pool else (False, True)
        return row(tensor(np.zeros(size)), kernel, stride, padding, *more)
    for row in (max_pool, avg_pool):
        call(row)
        with pytest.raises(error):
            call(row, **options)


def test_adaptive_errors():
    x = tensor(np.zeros((1, 1, 4, 4)))
    for row in (adaptive_max_pool, adaptive_avg_pool):
        for error, out in ((RuntimeError, (0, 1)), (RuntimeError, (-1, 1)), (ValueError, ()), (RuntimeError, (2,)),
                           ((RuntimeError, MemoryError), (1 << 40, 1 << 40))):
            with pytest.raises(error):
                row(x, out)


def test_invalid_indices():
    x = np.ones((1, 1, 2))
    for row in (max_unpool, max_pool_grad):
        for bad in (4, -2, 1 << 62, -1 << 62):
            with pytest.raises(RuntimeError, match="invalid index %d" % bad):
                run(row, x, np.array([[[0, bad]]]), (4,))
        with pytest.raises(RuntimeError):
            run(row, x, np.array([[[0]]]), (4,))
        with pytest.raises(RuntimeError):
            run(row, x, np.array([[[0.0, 1.0]]]), (4,))
        with pytest.raises((RuntimeError, ValueError)):
            run(row, x, np.array([[[0, 1]]]), (0,))
    with pytest.raises(RuntimeError, match="invalid index"):
        run(max_unpool, x, np.array([[[0, -1]]]), (4,))
    for indices in (np.array([[[0, 9]]]), np.array([[[0, 1]], [[0, 1]]]), np.array([0])):
        with pytest.raises(RuntimeError):
            run(max_pool_take, x, indices, 1)


def test_gradients_of_other_sizes():
    options = ((2, 2), (2, 2), (0, 0), False, True)
    g = np.zeros((1, 1, 2, 2))
    assert run(avg_pool_grad, g, (1, 1, 4, 4), *options).shape == (1, 1, 4, 4)
    for size in ((1, 1, 6, 4), (2, 1, 4, 4), (1, 4, 4), (1, 1, 0, 4), (1, 1, 4, -4)):
        with pytest.raises(RuntimeError):
            run(avg_pool_grad, g, size, *options)
        with pytest.raises(RuntimeError):
            run(adaptive_avg_pool_grad, g, size, (2, 3))
