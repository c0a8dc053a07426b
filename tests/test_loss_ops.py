"""Rows of losses: values against NumPy on dense and strided inputs, derivatives numerically, errors."""
import numpy as np
import pytest
from op_checks import FLOATS, TOLERANCE, check_derivatives, close, tensor

import tensorlib
from tensorlib.autograd import Variable
from tensorlib.ops import loss as losses
from tensorlib.ops.softmax import log_softmax, log_softmax_grad

# ---- losses of one element each -----------------------------------------------------------------------------------

def hinge(x, t):
    return np.where(t == -1, 0, x) + np.where(t == 1, 0, np.maximum(0, 0.8 - x))


def signs(rng, size):
    return np.where(rng.rand(*size) < 0.5, -1.0, 1.0)


POINTWISE = {       # row, its formula, how inputs and targets are drawn
    "mse": (losses.mse_loss, lambda x, t: (x - t) ** 2, None, None),
    "l1": (losses.l1_loss, lambda x, t: np.abs(x - t), None, None),
    "smooth_l1": (losses.smooth_l1_loss,
                  lambda x, t: np.where(np.abs(x - t) < 1, (x - t) ** 2 / 2, np.abs(x - t) - 0.5), None, None),
    "bce": (lambda x, t, average: losses.binary_cross_entropy(x, t, None, average),
            lambda x, t: -(np.log(x + 1e-12) * t + np.log(1 - x + 1e-12) * (1 - t)),
            lambda rng, size: rng.uniform(0.05, 0.95, size), lambda rng, size: rng.rand(*size)),
    "bce_logits": (lambda x, t, average: losses.binary_cross_entropy_with_logits(x, t, None, average),
                   lambda x, t: np.logaddexp(0, x) - x * t, None, lambda rng, size: rng.rand(*size)),
    "kl_div": (losses.kl_div, lambda x, t: np.where(t > 0, t * (np.log(np.where(t > 0, t, 1)) - x), 0),
               None, lambda rng, size: np.maximum(rng.uniform(-0.5, 1, size), 0)),
    "soft_margin": (losses.soft_margin_loss, lambda x, t: np.logaddexp(0, -x * t), None, signs),
    "hinge_embedding": (lambda x, t, average: losses.hinge_embedding_loss(x, t, 0.8, average), hinge, None, signs),
}


def draw(name, size, seed=9):
    rng = np.random.RandomState(seed)
    _, _, inputs, targets = POINTWISE[name]
    x = inputs(rng, size) if inputs else rng.randn(*size) * 1.5
    return x, targets(rng, size) if targets else rng.randn(*size)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("name", sorted(POINTWISE))
@pytest.mark.parametrize("size", [(1,), (3, 4), (2, 17, 5), (1000, 3), (300, 301)])
def test_loss_values(name, size, strided, dtype):
    x, t = [a.astype(dtype) for a in draw(name, size)]
    want = POINTWISE[name][1](x.astype(np.float64), t.astype(np.float64))
    for average in (True, False):
        got = POINTWISE[name][0](tensor(x, strided), tensor(t, strided), average)
        close(got, np.reshape(want.mean() if average else want.sum(), (1,)), TOLERANCE[dtype])


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_loss_derivatives(name, average):
    x, t = draw(name, (3, 5))
    check_derivatives(lambda v: POINTWISE[name][0](v * 1, Variable(tensor(t)), average), x)
    check_derivatives(lambda v: POINTWISE[name][0](v * 1, Variable(tensor(t)), average) ** 2, x)


def test_weighted_entropy():
    x, t = draw("bce", (3, 5))
    w = np.random.RandomState(10).rand(3, 5)
    want = (POINTWISE["bce"][1](x, t) * w).mean()
    close(losses.binary_cross_entropy(tensor(x), tensor(t), tensor(w)), np.reshape(want, (1,)), 1e-12)
    check_derivatives(lambda v: losses.binary_cross_entropy(v * 1, Variable(tensor(t)), Variable(tensor(w))), x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_entropy_at_the_ends(dtype):
    """The 1e-12 inside the logarithms bounds the loss; whatever is outside of [0, 1], nan too, raises."""
    x, t = np.array([0, 1, 0, 1], dtype), np.array([0, 1, 1, 0], dtype)
    close(losses.binary_cross_entropy(tensor(x), tensor(t), None, False), [-2 * np.log(1e-12)], 1e-5)
    for bad in (-0.1, 1.5, np.nan):
        with pytest.raises(RuntimeError, match="outside"):
            losses.binary_cross_entropy(tensor(np.array([bad, 0.5], dtype)), tensor(t[:2]))


def test_soft_margin_far_out():
    """No overflow, and no loss of the small results; of logits too."""
    x, t = np.array([500, -500, 30], np.float32), np.array([-1, -1, 1], np.float32)
    for i, want in enumerate([500, 0, np.exp(-30)]):
        close(losses.soft_margin_loss(tensor(x[i:i + 1]), tensor(t[i:i + 1])), [want], 1e-6 * want + 1e-30)
        logits = losses.binary_cross_entropy_with_logits(tensor(x[i:i + 1]), tensor((t[i:i + 1] + 1) / 2))
        close(logits, [want], 1e-6 * want + 1e-30)


def test_loss_errors():
    x = tensor(np.zeros((3, 4)))
    for row in (losses.mse_loss, losses.l1_loss, losses.smooth_l1_loss, losses.kl_div, losses.soft_margin_loss,
                losses.hinge_embedding_loss, losses.binary_cross_entropy):
        with pytest.raises(RuntimeError, match="12 elements"):
            row(x, tensor(np.zeros((1, 4))))
        with pytest.raises(TypeError, match="FloatTensor"):
            row(x, x.float())
        with pytest.raises(RuntimeError):
            row(tensorlib.FloatTensor(), tensorlib.FloatTensor())


# ---- losses of class indices --------------------------------------------------------------------------------------

def nll_of(x, t, w, average, ignore):
    x = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]).astype(np.float64)
    t = t.ravel()
    keep = t != ignore
    weights = np.where(keep, w[np.where(keep, t, 0)], 0)
    values = -weights * x[np.arange(len(t)), np.where(keep, t, 0)]
    return np.reshape(values.sum() / (weights.sum() if average else 1), (1,))


NLL = [((3, 4), None, -100), ((50, 7), 2, 2), ((2, 3, 4, 5), 1, 1), ((1, 3, 2, 2), None, -100), ((40000, 3), 0, 0)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("size, ignored, ignore", NLL)
def test_nll_values(size, ignored, ignore, average, strided, dtype):
    rng = np.random.RandomState(12)
    x, w = rng.randn(*size).astype(dtype), rng.rand(size[1]).astype(dtype)
    t = rng.randint(0, size[1], (size[0],) + size[2:])
    for weight in (w, None):
        want = nll_of(x, t, np.ones(size[1]) if weight is None else weight, average, ignore)
        weight = None if weight is None else tensor(weight)
        close(losses.nll_loss(tensor(x, strided), tensor(t, strided), weight, average, ignore), want, TOLERANCE[dtype])


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("size, ignored, ignore", NLL[:4])
def test_nll_derivatives(size, ignored, ignore, average):
    rng = np.random.RandomState(13)
    t, w = Variable(tensor(rng.randint(0, size[1], (size[0],) + size[2:]))), Variable(tensor(rng.rand(size[1])))
    x = rng.randn(*size)
    check_derivatives(lambda v: losses.nll_loss(v * v, t, w, average, ignore), x)
    check_derivatives(lambda v: losses.nll_loss(log_softmax(v, 1), t, None, average, ignore), x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("size, ignored, ignore", NLL + [((3, 1), None, -100), ((5, 700), 3, 3), ((3, 60, 70), 3, 3)])
def test_cross_entropy_values(size, ignored, ignore, average, dtype):
    """The loss and its gradient are those of nll_loss of log_softmax."""
    rng = np.random.RandomState(19)
    x, w = (rng.randn(*size) * 3).astype(dtype), rng.rand(size[1]).astype(dtype)
    t, g = rng.randint(0, size[1], (size[0],) + size[2:]), rng.rand(1).astype(dtype)
    for weight in (tensor(w), None):
        rest = tensor(t), weight, average, ignore
        y = log_softmax(tensor(x), 1)
        close(losses.cross_entropy(tensor(x, True), *rest), losses.nll_loss(y, *rest).numpy(), TOLERANCE[dtype])
        want = log_softmax_grad(losses.nll_loss_grad(tensor(g), size, *rest), y, 1)
        close(losses.cross_entropy_grad(tensor(g), tensor(x, True), *rest), want.numpy(), TOLERANCE[dtype])


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("size, ignored, ignore", NLL[:4])
def test_cross_entropy_derivatives(size, ignored, ignore, average):
    rng = np.random.RandomState(20)
    t, w = Variable(tensor(rng.randint(0, size[1], (size[0],) + size[2:]))), Variable(tensor(rng.rand(size[1])))
    check_derivatives(lambda v: losses.cross_entropy(v * v, t, w, average, ignore), rng.randn(*size))


def test_nll_all_ignored():
    """Nothing to average over: the loss and its gradient are 0."""
    x = Variable(tensor(np.ones((2, 3))), requires_grad=True)
    loss = losses.nll_loss(x, Variable(tensorlib.LongTensor([1, 1])), None, True, 1)
    assert loss.data[0] == 0
    loss.backward()
    assert (x.grad.data.numpy() == 0).all()


def test_nll_errors():
    x = tensor(np.zeros((3, 4)))
    for bad in ([0, 1, 4], [0, -1, 1], [0, 1], [0, 1, 2, 3]):
        with pytest.raises(RuntimeError):
            losses.nll_loss(x, tensorlib.LongTensor(bad))
    with pytest.raises(RuntimeError):
        losses.nll_loss(x, tensorlib.LongTensor([[0], [1], [2]]))
    with pytest.raises(TypeError):
        losses.nll_loss(x, tensorlib.IntTensor([0, 1, 2]))
    with pytest.raises(RuntimeError):
        losses.nll_loss(x, tensorlib.LongTensor([0, 1, 2]), tensor(np.ones(2)))
    with pytest.raises(TypeError):
        losses.nll_loss(x, tensorlib.LongTensor([0, 1, 2]), tensor(np.ones(4)).float())
    with pytest.raises(RuntimeError):
        losses.nll_loss(tensor(np.zeros((1, 3, 1, 2))), tensorlib.LongTensor([[[0, 3]]]))


def multi_margin_of(x, t, w, p, margin, average):
    sums = 0
    for row, k in zip(np.atleast_2d(x), t):
        z = np.maximum(0, margin - row[k] + row) ** p
        sums += w[k] * (z.sum() - z[k]) / len(row)
    return np.reshape(sums / (len(t) if average else 1), (1,))


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("p, margin", [(1, 1), (2, 1), (2, 0.3)])
def test_multi_margin(p, margin, average):
    rng = np.random.RandomState(14)
    x, t, w = rng.randn(5, 4), rng.randint(0, 4, 5), rng.rand(4)
    close(losses.multi_margin_loss(tensor(x), tensor(t), tensor(w), p, margin, average),
          multi_margin_of(x, t, w, p, margin, average), 1e-12)
    close(losses.multi_margin_loss(tensor(x[0]), tensor(t[:1]), None, p, margin, average),
          multi_margin_of(x[0], t[:1], np.ones(4), p, margin, average), 1e-12)
    target, weight = Variable(tensor(t)), Variable(tensor(w))
    check_derivatives(lambda v: losses.multi_margin_loss(v * v, target, weight, p, margin, average), x)


def multilabel_of(x, t, average):
    sums = 0
    for row, targets in zip(np.atleast_2d(x), np.atleast_2d(t)):
        targets = targets[:list(targets).index(-1)] if -1 in targets else targets
        for k in targets:
            sums += sum(max(0, 1 - row[k] + row[c]) for c in range(len(row)) if c not in targets) / len(row)
    return np.reshape(sums / (len(np.atleast_2d(x)) if average else 1), (1,))


@pytest.mark.parametrize("average", [True, False])
def test_multilabel_margin(average):
    x, t = np.random.RandomState(15).randn(3, 4), np.array([[3, 0, -1, 1], [1, -1, 0, 2], [-1, 0, 0, 0]])
    close(losses.multilabel_margin_loss(tensor(x), tensor(t), average), multilabel_of(x, t, average), 1e-12)
    close(losses.multilabel_margin_loss(tensor(x[0]), tensor(t[0]), average), multilabel_of(x[0], t[0], average), 1e-12)
    target = Variable(tensor(t))
    check_derivatives(lambda v: losses.multilabel_margin_loss(v * v, target, average), x)


def test_margin_errors():
    x = tensor(np.zeros((2, 3)))
    for bad in ([0, 3], [0, -1], [0]):
        with pytest.raises(RuntimeError):
            losses.multi_margin_loss(x, tensorlib.LongTensor(bad))
    with pytest.raises(ValueError):
        losses.multi_margin_loss(x, tensorlib.LongTensor([0, 1]), None, 3)
    for bad in ([[0, 3, -1], [0, 1, 2]], [[0, 1, -2], [0, 1, 2]], [[0, 1, 2]]):
        with pytest.raises(RuntimeError):
            losses.multilabel_margin_loss(x, tensorlib.LongTensor(bad))
