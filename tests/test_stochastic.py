"""Samples that can be reinforced: the score function estimator, held against the densities, and what is refused."""
import numpy as np
import pytest

import tensorlib
from tensorlib import autograd
from tensorlib.autograd import StochasticFunction, Variable

PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])


def variable(array, **flags):
    return Variable(tensorlib.from_numpy(np.array(array, dtype=float)), **(flags or {"requires_grad": True}))


def check(given, density, sample, reward):
    """The gradient of each parameter is -reward times that of the log-density at the sample, by differences."""
    for k, v in enumerate(given):
        expected, step = np.zeros(v.data.size()), 1e-6
        for place in np.ndindex(*v.data.size()):
            sides = []
            for sign in (1, -1):
                arrays = [u.data.numpy().copy() for u in given]
                arrays[k][place] += sign * step
                sides.append(np.log(density(sample, *arrays)))
            expected[place] = -(reward * (sides[0] - sides[1])).sum() / (2 * step)
        np.testing.assert_allclose(v.grad.data.numpy(), expected, rtol=1e-4, atol=1e-4)


def normal_density(x, mean, deviation=2.5):
    return np.exp(-((x - mean) / deviation) ** 2 / 2) / (deviation * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("method", [True, False])
def test_multinomial(method):
    p = variable(PROBABILITIES)
    draw = p.multinomial(4, True) if method else tensorlib.multinomial(p, 4, replacement=True)
    rewards = np.arange(8.0).reshape(2, 4)
    draw.reinforce(tensorlib.from_numpy(rewards))
    draw.backward()
    check([p], lambda s, p: np.take_along_axis(p, s, 1), draw.data.numpy(), rewards)


def test_bernoulli():
    p = variable(PROBABILITIES)
    draw = p.bernoulli()
    draw.reinforce(3)
    autograd.backward([draw], [None])
    check([p], lambda s, p: np.where(s == 1, p, 1 - p), draw.data.numpy(), 3)


@pytest.mark.parametrize("deviation", [2.5, variable([[0.5], [2.0]])])
def test_normal(deviation):
    means = variable([[1.0], [-2.0]])
    draw = tensorlib.normal(means, deviation)
    rewards = np.array([[2.0], [-1.0]])
    draw.reinforce(tensorlib.from_numpy(rewards))
    draw.backward()
    check([means] + ([deviation] if isinstance(deviation, Variable) else []), normal_density, draw.data.numpy(),
          rewards)


def test_rewards_find_the_better_action():
    """Gradient descent on rewards alone moves the probability to the action that is rewarded."""
    tensorlib.manual_seed(3)
    weight = variable([0.0, 0.0, 0.0])
    for _ in range(300):
        draw = tensorlib.nn.functional.softmax(weight).multinomial()
        draw.reinforce(1.0 if draw.data[0] == 2 else 0.0)
        weight.grad = None
        draw.backward()
        weight.data.sub_(weight.grad.data * 0.2)
    assert tensorlib.nn.functional.softmax(weight).data[2] > 0.9


def test_a_function_of_ones_own():
    class Shift(StochasticFunction):
        def forward(self, x):
            self.save_for_backward(x)
            return x + 1

        def backward(self, reward):
            x, = self.saved_tensors
            return x * reward

    x = variable([1, 2])
    y = Shift()(x * 3)
    assert not y.requires_grad and not y.is_leaf and type(y.grad_fn) is Shift
    y.reinforce(2)
    y.backward()
    assert x.grad.data.tolist() == [18, 36]


def test_errors():
    p = variable(PROBABILITIES[0])
    draw = p.multinomial()
    with pytest.raises(RuntimeError, match="providing a reward"):
        draw.backward()
    with pytest.raises(ValueError, match="reward of size 3"):
        draw.reinforce(tensorlib.ones(3).double())
    draw.reinforce(1)
    with pytest.raises(RuntimeError, match="once"):
        draw.reinforce(1)
    with pytest.raises(RuntimeError, match="outputs of stochastic functions"):
        p.reinforce(1)
    with pytest.raises(RuntimeError, match="outputs of stochastic functions"):
        variable(PROBABILITIES, volatile=True).multinomial().reinforce(1)


def test_without_gradients_there_is_nothing_to_run():
    draw = variable(PROBABILITIES, requires_grad=False).multinomial()
    draw.reinforce(1)
    with pytest.raises(RuntimeError, match="no graph nodes"):
        draw.backward()
    volatile = variable(PROBABILITIES, volatile=True).bernoulli()
    assert volatile.volatile and volatile.is_leaf and volatile.grad_fn is None
