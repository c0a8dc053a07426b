"""Samples that can be reinforced: `v.multinomial()`, `v.bernoulli()`, `normal(means, std)` of Variables.

A sample has no derivative. Given a reward r by `reinforce`, backward sends -r times the derivative of the
log-probability of the sample to the parameters (the score function estimator, Williams 1992, REINFORCE).
"""
from .._ops import random as kernels
from .._ops import sampling
from .._ops.variable import VariableBase
from .._ops.tensor import TensorBase
from ..ops._table import FUNCTIONS
from .function import Function
from .variable import Variable

EPSILON = 1e-6      # added to probabilities before they divide


class StochasticFunction(Function):
    """An old-style function whose outputs are samples; its backward gets the reward instead of gradients."""

    def __init__(self):
        super().__init__()
        self.reward = None

    def __call__(self, *args):
        sample = super().__call__(*args)
        self.sample_size = sample.size()
        self.stochastic = self.requires_grad
        if not sample.volatile:
            self.attach(sample, 0, False)
        return sample

    def reinforce(self, reward):
        """Give the reward: a number, or a tensor of the size of the sample and the type of the parameters. Once."""
        if self.reward is not None:
            raise RuntimeError("you can only reinforce a stochastic function once")
        if isinstance(reward, VariableBase):
            reward = reward.data
        if isinstance(reward, TensorBase) and reward.size() != self.sample_size:
            raise ValueError("got reward of size %s, but expected a tensor of size %s"
                             % ("x".join(map(str, reward.size())), "x".join(map(str, self.sample_size))))
        self.reward = reward

    def run_user_backward(self, grads, graph):
        if self.reward is None:
            raise RuntimeError("differentiating stochastic functions requires providing a reward")
        result = self.backward(self.reward)
        result = result if isinstance(result, tuple) else (result,)
        return [Variable(g) if graph and g is not None else g for g in result]


class Multinomial(StochasticFunction):
    """Positions drawn in proportion to the elements of each row."""

    def __init__(self, num_samples, replacement):
        super().__init__()
        self.num_samples, self.replacement = num_samples, replacement

    def forward(self, probs):
        samples = sampling.multinomial(probs, self.num_samples, self.replacement)
        self.save_for_backward(probs, samples)
        return samples

    def backward(self, reward):
        probs, samples = self.saved_tensors
        dim = probs.dim() - 1
        score = (probs.gather(dim, samples) + EPSILON).reciprocal().neg() * reward
        return probs.new(probs.size()).zero_().scatter_add_(dim, samples, score)


class Bernoulli(StochasticFunction):
    """0 and 1, the elements being the probabilities of 1."""

    def forward(self, probs):
        samples = kernels.bernoulli(probs)
        self.save_for_backward(probs, samples)
        return samples

    def backward(self, reward):
        probs, samples = self.saved_tensors
        return (probs - samples) / (probs * (1 - probs) + EPSILON) * reward


class Normal(StochasticFunction):
    """Normal samples with means and deviations; std may be a number."""

    def __init__(self, std=None):
        super().__init__()
        self.std = std

    def forward(self, means, std=None):
        samples = sampling.normal(means, self.std if std is None else std)
        self.save_for_backward(means, std, samples)
        return samples

    def backward(self, reward):
        means, std, samples = self.saved_tensors
        deviation = self.std if std is None else std
        distance = samples - means
        of_means = -(distance / (deviation * deviation)) * reward
        if std is None:
            return of_means
        return of_means, (std.reciprocal() - distance * distance / (std * std * std)) * reward


def multinomial(self, num_samples=1, replacement=False):
    """Draw positions of each row in proportion to the elements; see autograd.stochastic."""
    return Multinomial(num_samples, replacement)(self)


def bernoulli(self):
    """Draw 0 and 1 with the elements as probabilities; see autograd.stochastic."""
    return Bernoulli()(self)


def normal(means, std=1):
    """Draw normal samples with Variables as means and deviations."""
    if isinstance(std, Variable):
        return Normal()(means, std)
    return Normal(std)(means)


Variable.multinomial = multinomial
Variable.bernoulli = bernoulli
for _name, _function in (("multinomial", multinomial), ("bernoulli", bernoulli), ("normal", normal)):
    FUNCTIONS[_name].add_variable_function(_function)
