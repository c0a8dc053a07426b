"""The helpers that compare derivatives with finite differences, each by hand."""
import numpy as np
import pytest

import tensorlib
from tensorlib import autograd
from tensorlib.autograd import Variable, gradcheck
from tensorlib.autograd.gradcheck import (contiguous, get_analytical_jacobian, get_numerical_jacobian, gradgradcheck,
                                          iter_tensors, iter_variables, make_jacobian, zero_gradients)


@pytest.fixture
def nested():
    """A Variable that wants a gradient, one that does not, and a tensor, nested."""
    x = Variable(tensorlib.DoubleTensor([[1, 2, 3], [4, 5, 6]]), requires_grad=True)
    return [x, (Variable(tensorlib.ones(2)), tensorlib.ones(4))]


def test_module_and_function_share_a_name():
    assert autograd.gradcheck is gradcheck and gradcheck.gradgradcheck is autograd.gradgradcheck
    x = Variable(tensorlib.ones(2).double(), requires_grad=True)
    assert gradcheck(lambda x: x * x, (x,)) is True
    assert gradcheck.gradcheck(lambda x: x * x, (x,), eps=1e-6, atol=1e-5, rtol=1e-3) is True


def test_iterating(nested):
    assert [t.numel() for t in iter_tensors(nested)] == [6, 2, 4]
    assert [t.numel() for t in iter_tensors(nested, True)] == [6, 4]
    assert [(g, d.numel()) for g, d in iter_variables(nested)] == [(None, 6)]
    nested[0].sum().backward()
    assert [g.tolist() for g, _ in iter_variables(nested)] == [[[1, 1, 1], [1, 1, 1]]]
    zero_gradients(nested)
    assert nested[0].grad.data.sum() == 0


def test_jacobians_have_a_row_for_each_element(nested):
    made = make_jacobian(nested, 5)
    assert made[0].size() == (6, 5) and made[1][0].size() == (4, 5) and type(made) is list and type(made[1]) is tuple
    assert isinstance(made[0], tensorlib.DoubleTensor) and made[0].abs().sum() == 0
    assert make_jacobian(Variable(tensorlib.ones(2)), 5) is None


def test_contiguous(nested):
    nested[0] = Variable(nested[0].data.t(), requires_grad=True)
    dense = contiguous(nested)
    assert dense[0].is_contiguous() and dense[0].data.tolist() == [[1, 4], [2, 5], [3, 6]]


def test_both_jacobians_of_a_product():
    weight = np.arange(6.0).reshape(2, 3)
    x = Variable(tensorlib.DoubleTensor([1, -2, 3]), requires_grad=True)

    def function(x):
        return Variable(tensorlib.from_numpy(weight)).mv(x) ** 2

    expected = (2 * (weight @ x.data.numpy())[:, None] * weight).T
    by_hand = get_numerical_jacobian(function, x, x, eps=1e-6)
    np.testing.assert_allclose(by_hand.numpy(), expected, rtol=1e-6)
    by_backward, same, right_sizes = get_analytical_jacobian(x, function(x))
    np.testing.assert_allclose(by_backward.numpy(), expected, rtol=1e-12)
    assert same and right_sizes and x.data.tolist() == [1, -2, 3]


def test_second_derivatives_are_compared_too():
    class Cube(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            x, = ctx.saved_variables
            return g * 3 * x.detach() * x       # right, but its own derivative is half of what it should be

    x = Variable(tensorlib.DoubleTensor([0.5, 1.5]), requires_grad=True)
    g = Variable(tensorlib.DoubleTensor([1, 2]), requires_grad=True)
    assert gradcheck(Cube.apply, (x,))
    assert not gradgradcheck(Cube.apply, (x,), (g,))
    assert gradgradcheck(lambda x: x * x * x, (x,), (g,))
