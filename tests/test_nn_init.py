"""nn.init: distributions, structure, errors, and that layers start from documented distributions."""
import math

import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.nn import init


def uniform_within(tensor, bound):
    spread = tensor.max() - tensor.min()
    return tensor.abs().max() <= bound and spread > 1.9 * bound and abs(tensor.mean()) < 0.1 * bound


def normal_of(tensor, std):
    return abs(tensor.std() / std - 1) < 0.05 and abs(tensor.mean()) < 0.1 * std


@pytest.mark.parametrize("wrap", [lambda t: t, Variable, nn.Parameter])
def test_returns_its_argument(wrap):
    t = wrap(tensorlib.zeros(3, 4))
    for fill in (init.uniform, init.normal, init.eye, init.xavier_uniform, init.xavier_normal, init.kaiming_uniform,
                 init.kaiming_normal, init.orthogonal):
        assert fill(t) is t
    assert init.constant(t, 2) is t and init.sparse(t, 0.5) is t


def test_distributions():
    t = tensorlib.zeros(100, 200)
    assert normal_of(init.normal(t, 0, 3), 3)
    assert 0 <= init.uniform(t).min() and t.max() <= 1
    assert uniform_within(init.xavier_uniform(t, 2), 2 * math.sqrt(6 / 300.0))
    assert normal_of(init.xavier_normal(t, 2), 2 * math.sqrt(2 / 300.0))
    assert uniform_within(init.kaiming_uniform(t), math.sqrt(6 / 200.0))
    assert uniform_within(init.kaiming_uniform(t, 1, "fan_out"), math.sqrt(3 / 100.0))
    assert normal_of(init.kaiming_normal(t), math.sqrt(2 / 200.0))
    w = tensorlib.zeros(20, 10, 3, 4)
    assert uniform_within(init.kaiming_uniform(w), math.sqrt(6 / 120.0))


@pytest.mark.parametrize("size", [(3, 3), (2, 5), (5, 2), (2, 3, 2)])
def test_orthogonal(size):
    t = init.orthogonal(tensorlib.zeros(*size), 2).view(size[0], -1)
    product = t.mm(t.t()) if t.size(0) <= t.size(1) else t.t().mm(t)
    assert (product - tensorlib.eye(product.size(0)) * 4).abs().max() < 1e-5


def test_eye_dirac_constant():
    assert init.eye(tensorlib.ones(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    w = init.dirac(tensorlib.ones(2, 2, 3, 3))
    x = Variable(tensorlib.randn(1, 2, 5, 5))
    assert (nn.functional.conv2d(x, Variable(w), padding=1).data == x.data).all()
    assert init.constant(tensorlib.zeros(3), 0.5).sum() == 1.5


def test_sparse():
    t = init.sparse(tensorlib.zeros(10, 30), 0.35)
    assert (t == 0).float().sum(0).tolist() == [4.0] * 30


@pytest.mark.parametrize("call", [
    lambda: init.eye(tensorlib.ones(2)), lambda: init.dirac(tensorlib.ones(2, 2)),
    lambda: init.sparse(tensorlib.ones(2), 0.1),
    lambda: init.orthogonal(tensorlib.ones(2)), lambda: init.xavier_normal(tensorlib.ones(2)),
    lambda: init.kaiming_normal(tensorlib.ones(2, 2), mode="fan"), lambda: init.calculate_gain("gelu"),
    lambda: init.calculate_gain("leaky_relu", "x")])
def test_errors(call):
    with pytest.raises(ValueError):
        call()


def test_gain_and_aliases():
    assert init.calculate_gain("tanh") == 5 / 3 and init.calculate_gain("relu") == math.sqrt(2)
    for name in ("uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal", "kaiming_uniform",
                 "kaiming_normal", "orthogonal", "sparse"):
        assert getattr(init, name + "_") is getattr(init, name)
    t = tensorlib.rand(2)
    assert init.ones_(t) is t and t.tolist() == [1, 1] and init.zeros_(t).tolist() == [0, 0]


def test_layers_start():
    assert uniform_within(nn.Linear(50, 80).weight.data, 1 / math.sqrt(50))
    assert uniform_within(nn.Conv2d(8, 40, 3, groups=2).weight.data, 1 / math.sqrt(8 * 9))
    assert uniform_within(nn.GRU(30, 25).weight_ih_l0.data, 1 / 5.0)
    assert normal_of(nn.Embedding(200, 20).weight.data, 1)
    norm = nn.BatchNorm1d(500)
    assert 0 <= norm.weight.data.min() and norm.weight.data.max() <= 1 and norm.bias.data.abs().sum() == 0
    assert nn.PReLU(3).weight.data.tolist() == [0.25] * 3
    assert nn.Embedding(5, 3, padding_idx=1).weight.data[1].abs().sum() == 0
