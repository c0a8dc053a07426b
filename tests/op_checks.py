"""What tests of rows share: tensors of any layout, closeness, and derivatives against differences of values."""
import numpy as np

import tensorlib
from tensorlib.autograd import Variable, grad

FLOATS = [np.float32, np.float64]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}


def tensor(a, strided=False):
    """The array as a tensor; strided: as every other element of a larger one, with its dims turned."""
    a = np.ascontiguousarray(a)
    if not strided:
        return tensorlib.from_numpy(a.copy())
    wide = np.full(a.shape[::-1] + (2,), 7, a.dtype)
    t = tensorlib.from_numpy(wide).select(a.ndim, 0)
    for d in range(a.ndim // 2):
        t = t.transpose(d, a.ndim - 1 - d)
    t.copy_(tensorlib.from_numpy(a.copy()))
    return t


def close(got, want, tolerance):
    got = got.numpy() if not isinstance(got, np.ndarray) else got
    assert got.shape == np.shape(want), (got.shape, np.shape(want))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1, np.abs(want).max()))


def total(output, weights):
    """A number out of an output, each element weighted."""
    return (output * Variable(tensor(weights))).sum()


def check_derivatives(f, *arrays, second=True, h=1e-5, tolerance=2e-6):
    """First and second derivatives of f, a function of Variables, against differences of its values."""
    arrays = [np.array(a, np.float64) for a in arrays]
    rng = np.random.RandomState(11)
    weights = rng.randn(*f(*[Variable(tensor(a)) for a in arrays]).size())
    directions = [rng.randn(*a.shape) for a in arrays]

    def gradients(at, graph=False):
        inputs = [Variable(tensor(a), requires_grad=True) for a in at]
        return inputs, grad(total(f(*inputs), weights), inputs, create_graph=graph)

    def along(step, value):
        return value([a + step * d for a, d in zip(arrays, directions)])

    def slope(value):
        return (along(h, value) - along(-h, value)) / (2 * h)

    analytic = sum((g.data.numpy() * d).sum() for g, d in zip(gradients(arrays)[1], directions))
    numeric = slope(lambda at: total(f(*[Variable(tensor(a)) for a in at]), weights).data[0])
    assert abs(analytic - numeric) <= tolerance * max(1, abs(numeric)), (analytic, numeric)
    if not second:
        return
    others = [rng.randn(*a.shape) for a in arrays]

    def mixed(at):
        return sum((g.data.numpy() * o).sum() for g, o in zip(gradients(at)[1], others))

    inputs, firsts = gradients(arrays, True)
    whole = sum(total(g, o) for g, o in zip(firsts, others)) + sum((v * 0).sum() for v in inputs)     # all are reached
    seconds = grad(whole, inputs)
    analytic = sum((g.data.numpy() * d).sum() for g, d in zip(seconds, directions))
    numeric = slope(mixed)
    assert abs(analytic - numeric) <= 10 * tolerance * max(1, abs(numeric)), (analytic, numeric)
