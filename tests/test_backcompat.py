"""The switches that warn where v0.2 differs from v0.1, and NumPy's scalars among operands."""
import warnings

import numpy as np
import pytest

import tensorlib
from tensorlib.autograd import Variable
from tensorlib.utils import backcompat

X = tensorlib.arange(0, 6).view(2, 3)


@pytest.fixture
def keepdim_warning():
    backcompat.keepdim_warning.enabled = True
    yield
    backcompat.keepdim_warning.enabled = False


@pytest.fixture
def broadcast_warning():
    backcompat.broadcast_warning.enabled = True
    yield
    backcompat.broadcast_warning.enabled = False


def warned(call):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in said]


def test_both_are_off_at_first():
    assert not backcompat.keepdim_warning.enabled and not backcompat.broadcast_warning.enabled
    assert warned(lambda: (X.sum(1), tensorlib.ones(3, 1) + tensorlib.ones(3))) == []


def test_keepdim(keepdim_warning):
    for call in (lambda: X.sum(1), lambda: X.max(0), lambda: tensorlib.mean(X, 1), lambda: Variable(X).sum(1)):
        assert len(warned(call)) == 1
    for call in (lambda: X.sum(1, keepdim=False), lambda: X.sum(1, True), lambda: X.sum(), lambda: Variable(X).sum()):
        assert warned(call) == []


def test_broadcasting(broadcast_warning):
    assert len(warned(lambda: tensorlib.ones(3, 1) + tensorlib.ones(3))) == 1
    assert warned(lambda: tensorlib.ones(3) + 1) == []


@pytest.mark.parametrize("scalar", [np.float32(2), np.float64(2), np.int64(2)])
def test_numpy_scalars_are_numbers(scalar):
    v = Variable(X.clone(), requires_grad=True)
    (scalar * v + v / scalar).sum().backward()
    assert set(v.grad.data.view(-1).tolist()) == {2.5}
    assert (X > scalar).tolist() == (X > 2).tolist() and (v > scalar).data.tolist() == (X > 2).tolist()
    assert (X * scalar).tolist() == (X * 2).tolist() == (scalar * X).tolist()
