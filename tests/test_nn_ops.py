"""Rows of softmax, batch norm, embedding and activations: values against NumPy, derivatives numerically.

Values are checked on dense and on strided inputs. PyTorch, where installed, is a second opinion.
"""
import numpy as np
import pytest
from op_checks import FLOATS, TOLERANCE, check_derivatives, close, tensor, total

import tensorlib
from tensorlib.autograd import Variable, grad
from tensorlib.ops import loss as losses
from tensorlib.ops.activation import gated, leaky_relu, relu, softplus, threshold_below
from tensorlib.ops.nn import embedding, embedding_grad
from tensorlib.ops.norm import batch_norm, batch_norm_relu
from tensorlib.ops.softmax import log_softmax, softmax

# ---- softmax ------------------------------------------------------------------------------------------------------

def softmax_of(x, dim):
    e = np.exp(x.astype(np.float64) - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("size, dim", [
    ((5,), 0), ((1, 1), 1), ((3, 10), 1), ((200, 10), 1), ((200, 10), 0), ((7, 48), -1), ((70, 49), 1), ((4, 1000), 1),
    ((2, 9001), 1), ((2, 5, 3), 1), ((2, 4, 5, 13), 1), ((3, 70, 2), 0), ((40, 33, 64), 1)])
def test_softmax_values(size, dim, strided, dtype):
    x = (np.random.RandomState(0).randn(*size) * 4).astype(dtype)
    t = tensor(x, strided)
    want = softmax_of(x, dim)
    close(softmax(t, dim), want, TOLERANCE[dtype])
    close(log_softmax(t, dim), np.log(want), TOLERANCE[dtype])


@pytest.mark.parametrize("size, dim", [((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1), ((2, 60), 1), ((90, 3), 1)])
@pytest.mark.parametrize("row", [softmax, log_softmax])
def test_softmax_derivatives(row, size, dim):
    check_derivatives(lambda x: row(x, dim), np.random.RandomState(1).randn(*size))


def test_softmax_limits():
    """Large inputs do not overflow; -inf is probability 0; nan and a slice of nothing but -inf give nan."""
    x = np.array([[1e4, 0, -1e4], [0, -np.inf, 0], [np.nan, 0, 0], [-np.inf] * 3], np.float32)
    got = softmax(tensor(x), 1).numpy()
    np.testing.assert_array_equal(got[:2], [[1, 0, 0], [0.5, 0, 0.5]])
    assert np.isnan(got[2:]).all()
    np.testing.assert_array_equal(log_softmax(tensor(x[:1]), 1).numpy(), [[0, -1e4, -2e4]])


def test_softmax_errors():
    with pytest.raises(RuntimeError):
        softmax(tensor(np.zeros((2, 3))), 2)
    with pytest.raises(RuntimeError):
        softmax(tensorlib.FloatTensor(), 0)
    with pytest.raises((TypeError, NotImplementedError)):
        softmax(tensorlib.LongTensor([1, 2]), 0)


# ---- batch normalisation ------------------------------------------------------------------------------------------

def per_channel(v, ndim):
    return v.reshape((1, -1) + (1,) * (ndim - 2))


def statistics(x):
    dims = (0,) + tuple(range(2, x.ndim))
    return x.astype(np.float64).mean(dims), x.astype(np.float64).var(dims)


SIZES = [(6, 4), (2, 1), (64, 300), (5, 3, 7), (3, 2, 4, 4), (2, 40, 15), (4, 3, 9, 20), (2, 2, 3, 4, 5), (1, 12, 50)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_batch_norm_training(size, strided, dtype):
    """Biased variance for the output, unbiased for the running statistics, which move in place."""
    rng = np.random.RandomState(2)
    x = (rng.randn(*size) * 2 + 30).astype(dtype)
    w, b, mean, var = [rng.rand(size[1]).astype(dtype) for _ in range(4)]
    running_mean, running_var = tensor(mean), tensor(var)
    out, saved_mean, invstd = batch_norm(tensor(x, strided), tensor(w), tensor(b), running_mean, running_var, True, 0.1,
                                         1e-5)
    m, v = statistics(x)
    want = (x - per_channel(m, x.ndim)) / np.sqrt(per_channel(v, x.ndim) + 1e-5)
    close(out, want * per_channel(w, x.ndim) + per_channel(b, x.ndim), 5 * TOLERANCE[dtype])
    close(saved_mean, m, TOLERANCE[dtype])
    close(invstd, 1 / np.sqrt(v + 1e-5), TOLERANCE[dtype])
    n = x.size / size[1]
    close(running_mean, 0.9 * mean + 0.1 * m, TOLERANCE[dtype])
    close(running_var, 0.9 * var + 0.1 * v * n / (n - 1), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", SIZES)
def test_batch_norm_eval(size, dtype):
    """Running statistics serve, and stay as they are; without weight and bias too."""
    rng = np.random.RandomState(3)
    x, mean, var = [a.astype(dtype) for a in (rng.randn(*size), rng.randn(size[1]), rng.rand(size[1]) + 0.5)]
    kept = tensor(mean), tensor(var)
    out = batch_norm(tensor(x), None, None, *kept, False, 0.1, 1e-5)[0]
    close(out, (x - per_channel(mean, x.ndim)) / np.sqrt(per_channel(var, x.ndim) + 1e-5), TOLERANCE[dtype])
    np.testing.assert_array_equal(kept[0].numpy(), mean)
    np.testing.assert_array_equal(kept[1].numpy(), var)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(6, 4), (3, 2, 5), (2, 3, 4, 35)])
def test_batch_norm_derivatives(size, training):
    rng = np.random.RandomState(4)
    x, w, b = rng.randn(*size), rng.rand(size[1]) + 0.5, rng.randn(size[1])
    kept = tensor(rng.randn(size[1])), tensor(rng.rand(size[1]) + 0.5)

    def run(x, w=None, b=None):
        return batch_norm(x, w, b, *kept, training, 0, 1e-3)[0]
    check_derivatives(run, x, w, b)
    check_derivatives(run, x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_batch_norm_relu(size, affine, training, dtype):
    """The same bits, statistics and gradients as of two rows, on a strided input and gradient too."""
    rng = np.random.RandomState(7)
    x, g = [tensor(rng.randn(*size).astype(dtype), True) for _ in range(2)]
    weights = [tensor(rng.randn(size[1]).astype(dtype)) if affine else None for _ in range(2)]

    def run(row, after):
        kept = [tensor(a.astype(dtype)) for a in (np.full(size[1], 0.1), np.full(size[1], 0.7))]
        inputs = [Variable(t, requires_grad=True) if t is not None else None for t in [x] + weights]
        out = after(row(*inputs, *kept, training, 0.1, 1e-5)[0])
        out.backward(g)
        return [out.data] + kept, [v.grad.data for v in inputs if v is not None]

    values, gradients = run(batch_norm_relu, lambda y: y)
    wanted, wanted_gradients = run(batch_norm, lambda y: relu(y))
    for got, want in zip(values, wanted):
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert values[0].min() == 0 and len(gradients) == (3 if affine else 1)
    for got, want in zip(gradients, wanted_gradients):
        close(got, want.numpy(), 5 * TOLERANCE[dtype])


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_relu_derivatives(training):
    """A ReLU has no second derivative, but the normalisation before it has, at the places that it lets through."""
    rng = np.random.RandomState(8)
    x, w, b = rng.randn(5, 3, 4), rng.rand(3) + 0.5, rng.randn(3)
    kept = tensor(rng.randn(3)), tensor(rng.rand(3) + 0.5)

    def run(x, w=None, b=None):
        return batch_norm_relu(x, w, b, *kept, training, 0, 1e-3)[0]
    check_derivatives(run, x, w, b)
    check_derivatives(run, x)


def test_batch_norm_relu_of_nan():
    """A NaN is not above 0, as in relu() itself."""
    x = tensor(np.array([[np.nan, 1], [2, 3]]))
    kept = tensor(np.zeros(2)), tensor(np.ones(2))
    out = batch_norm_relu(x, None, None, *kept, False, 0.1, 0)[0]
    np.testing.assert_array_equal(out.numpy(), relu(batch_norm(x, None, None, *kept, False, 0.1, 0)[0]).numpy())
    np.testing.assert_array_equal(out.numpy(), [[0, 1], [2, 3]])


def test_batch_norm_third_derivative():
    """The second derivative is itself differentiable, statistics included."""
    rng = np.random.RandomState(5)
    x, w, d = rng.randn(5, 2), rng.rand(2) + 0.5, rng.randn(3, 5, 2)

    def second(at, graph=False):
        v = Variable(tensor(at), requires_grad=True)
        out = total(batch_norm(v, Variable(tensor(w)), None, None, None, True, 0, 1e-2)[0], d[0])
        first = grad(out, [v], create_graph=True)[0]
        return v, grad(total(first, d[1]), [v], create_graph=graph)[0]

    v, g = second(x, True)
    third = (grad(total(g, d[2]), [v])[0].data.numpy() * d[0]).sum()
    ends = [(second(x + s * d[0])[1].data.numpy() * d[2]).sum() for s in (1e-5, -1e-5)]
    assert abs(third - (ends[0] - ends[1]) / 2e-5) <= 1e-4 * max(1, abs(third))


def test_batch_norm_errors():
    x, two, three = tensor(np.zeros((2, 3, 4))), tensor(np.ones(2)), tensor(np.ones(3))
    for arguments in [(two, None, None, None), (None, two, None, None), (None, None, two, three),
                      (None, None, three, two)]:
        with pytest.raises(RuntimeError, match="3 elements"):
            batch_norm(x, *arguments, True, 0.1, 1e-5)
    with pytest.raises(RuntimeError):
        batch_norm(x, three.float(), None, None, None, True, 0.1, 1e-5)
    with pytest.raises(RuntimeError):
        batch_norm(x, None, None, None, None, False, 0.1, 1e-5)
    with pytest.raises(RuntimeError):
        batch_norm(three, None, None, None, None, True, 0.1, 1e-5)


# ---- embedding ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("strided", [False, True])
def test_embedding_values(dtype, strided):
    w = np.random.RandomState(6).randn(7, 5).astype(dtype)
    indices = np.array([[3, 0, 3], [6, 6, 6]])
    np.testing.assert_array_equal(embedding(tensor(w, strided), tensor(indices, strided), 6).numpy(), w[indices])


@pytest.mark.parametrize("padding", [-1, 3])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_embedding_gradient(padding, by_frequency):
    """Repeated indices add up; padding rows get nothing; with scale_grad_by_freq a row is divided by its count."""
    indices, g = np.array([3, 0, 3, 6, 3, 0]), np.random.RandomState(7).randn(6, 40)
    want = np.zeros((7, 40))
    for i, row in zip(indices, g):
        if i != padding:
            want[i] += row / ((indices == i).sum() if by_frequency else 1)
    close(embedding_grad(tensor(g), tensor(indices), 7, padding, by_frequency), want, 1e-12)


def test_embedding_derivatives():
    indices = Variable(tensor(np.array([[1, 0], [1, 2]])))
    rng = np.random.RandomState(8)
    check_derivatives(lambda w: embedding(w * w, indices), rng.randn(4, 3))
    check_derivatives(lambda g: embedding_grad(g * g, indices, 4, 2, True), rng.randn(2, 2, 3))


def test_embedding_errors():
    w = tensor(np.zeros((4, 2)))
    for bad in ([0, 4], [-1]):
        with pytest.raises(RuntimeError, match="out of range"):
            embedding(w, tensorlib.LongTensor(bad))
    with pytest.raises(TypeError):
        embedding(w, tensorlib.IntTensor([1]))
    with pytest.raises(RuntimeError):
        embedding(tensor(np.zeros(4)), tensorlib.LongTensor([1]))
    with pytest.raises(RuntimeError):
        embedding(w, tensorlib.LongTensor())


# ---- activations with tensors for numbers, and in place -----------------------------------------------------------

def test_slopes_for_each_channel():
    """A slope that is a tensor broadcasts, and gets a gradient."""
    rng = np.random.RandomState(16)
    check_derivatives(lambda x, s: leaky_relu(x, s), rng.randn(3, 4, 2), rng.rand(1, 4, 1))
    check_derivatives(lambda x, gate: gated(x, gate), rng.randn(3, 4), rng.randn(3, 4))


@pytest.mark.parametrize("dtype", FLOATS)
def test_softplus(dtype):
    """Linear above its threshold, no overflow, and small results keep their digits; smooth below the threshold."""
    x = np.array([-80, -30, -1, 0, 0.7, 0.8, 5, 500], dtype)
    want = np.where(2.0 * x > 1.5, x, np.logaddexp(0, 2.0 * x) / 2)
    np.testing.assert_allclose(softplus(tensor(x), 2, 1.5).numpy(), want, rtol=1e-6)
    want = np.logaddexp(0, 2.0 * x) / 2
    np.testing.assert_allclose(softplus(tensor(x), 2, 20).numpy(), want, rtol=1e-6)
    check_derivatives(lambda v: softplus(v, 2, 20), np.random.RandomState(21).randn(3, 4))


def test_threshold_in_place():
    """The twin in place derives by its output, though its input is gone."""
    x = Variable(tensor(np.array([-1.0, 0.2, 2.0])), requires_grad=True)
    y = threshold_below.inplace(x * 1, 0.5, -3)
    y.sum().backward()
    np.testing.assert_array_equal(y.data.numpy(), [-3, -3, 2])
    np.testing.assert_array_equal(x.grad.data.numpy(), [0, 0, 1])


# ---- a second opinion ---------------------------------------------------------------------------------------------

def test_against_pytorch():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    rng = np.random.RandomState(18)
    x, w, b = rng.randn(8, 5, 3, 3), rng.rand(5), rng.randn(5)
    t = rng.randint(0, 5, (8, 3, 3))

    def theirs(x, w, b):
        y = F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5)
        return F.nll_loss(F.log_softmax(y * y, 1), torch.from_numpy(t), ignore_index=2)

    def ours(x, w, b):
        y = batch_norm(x, w, b, None, None, True, 0.1, 1e-5)[0]
        return losses.nll_loss(log_softmax(y * y, 1), Variable(tensor(t)), None, True, 2)

    a = [torch.from_numpy(v).requires_grad_() for v in (x, w, b)]
    c = [Variable(tensor(v), requires_grad=True) for v in (x, w, b)]
    first, second = theirs(*a), ours(*c)
    assert abs(first.item() - second.data[0]) < 1e-12
    first.backward()
    second.backward()
    for u, v in zip(a, c):
        close(v.grad.data, u.grad.numpy(), 1e-10)
