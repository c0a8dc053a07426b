"""nn.parallel as far as it goes without a GPU: threads, errors, joining of outputs, and what scatter leaves alone."""
from collections import OrderedDict

import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.nn.parallel import data_parallel, gather, parallel_apply, scatter, scatter_kwargs


class Fails(nn.Module):
    def forward(self, x):
        raise KeyError("no good")


def test_parallel_apply_keeps_the_order_and_gradients():
    nets = [nn.Linear(3, 2) for _ in range(4)]
    xs = [Variable(tensorlib.randn(5, 3)) for _ in nets]
    outputs = parallel_apply(nets, [xs[0]] + [(x,) for x in xs[1:]])
    for net, x, y in zip(nets, xs, outputs):
        assert (y.data == net(x).data).all()
    sum(y.sum() for y in outputs).backward()
    assert all(net.weight.grad is not None for net in nets)


def test_parallel_apply_passes_keywords_and_errors():
    class Scaled(nn.Module):
        def forward(self, x, by=1):
            return x * by

    x = Variable(tensorlib.ones(2))
    assert parallel_apply([Scaled(), Scaled()], [x, x], [{}, {"by": 3}])[1].data.sum() == 6
    with pytest.raises(KeyError, match="no good"):
        parallel_apply([nn.ReLU(), Fails()], [x, x])
    with pytest.raises(AssertionError):
        parallel_apply([nn.ReLU()], [x, x])


def test_gather_joins_nestings():
    a, b = Variable(tensorlib.zeros(2, 3)), Variable(tensorlib.ones(1, 3))
    pair = gather([(a, [b]), (b, [a])], -1)
    assert pair[0].size() == (3, 3) and pair[1][0].data.sum() == 3
    named = gather([OrderedDict(y=a, none=None), OrderedDict(y=b, none=None)], -1)
    assert named["y"].size() == (3, 3) and named["none"] is None


def test_scatter_repeats_what_is_no_variable():
    assert scatter(("name", 3), [0, 1]) == [("name", 3), ("name", 3)]
    assert scatter_kwargs((1,), {"by": [2]}, [0, 1]) == (((1,), (1,)), ({"by": [2]}, {"by": [2]}))
    assert scatter_kwargs((), {}, [0, 1]) == ((), ())


def test_data_parallel_without_gpus():
    net, x = nn.Linear(3, 2), Variable(tensorlib.randn(4, 3))
    assert (data_parallel(net, x, []).data == net(x).data).all()
