"""Recurrent modules on a GPU against the CPU, and the errors of their rows."""
import numpy as np
import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.nn.utils.rnn import pack_padded_sequence
from tensorlib.ops import TABLE


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_in_both_directions(kind):
    tensorlib.manual_seed(1)
    net = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True).double()
    x = tensorlib.randn(5, 3, 3).double()
    ends = []
    for place in (lambda t: t, lambda t: t.cuda()):
        net = place(net)
        net.zero_grad()
        inputs = Variable(place(x), requires_grad=True)
        out = net(pack_padded_sequence(inputs, [5, 3, 2]))[0].data
        (out * out).sum().backward()
        found = [out.data, inputs.grad.data] + [p.grad.data for p in net.parameters()]
        ends.append([t.cpu().numpy().copy() for t in found])
    for got, want in zip(ends[1], ends[0]):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


def both(name, *args):
    """Results of a row on the CPU and on the GPU, None where there is none."""
    placed = [a.cuda() if hasattr(a, "cuda") else a for a in args]
    for want, got in zip(TABLE[name](*args), TABLE[name](*placed)):
        assert (want is None) == (got is None)
        if want is not None:
            np.testing.assert_allclose(got.cpu().numpy(), want.numpy(), rtol=1e-11, atol=1e-12)
            yield want


def randn(*size):
    return tensorlib.randn(*size).double()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [(5, 5), (1, 1, 1), (70, 33, 33, 1)], ids=str)
def test_layers_against_the_cpu(steps, reverse):
    """Of sizes that need several tiles and blocks; single sequences take another product; operands with gaps."""
    tensorlib.manual_seed(2)
    total, batch, n = sum(steps), steps[0], 33
    h, c, dout, dh = randn(n, batch).t(), randn(batch, n), randn(n, total).t(), randn(batch, n)
    for name, groups, start, more in (("lstm", 4, (h, c), ()), ("gru", 3, (h,), (randn(3 * n),)),
                                      ("gru", 3, (h,), (None,)), ("rnn", 1, (h,), (False,)), ("rnn", 1, (h,), (True,))):
        gates, w = randn(groups * n, total).t(), randn(n, groups * n).t() * 0.2
        if name != "rnn":
            assert len(list(both(name, gates, *start, w, *more, steps, reverse, False))) == 1 + len(start)
        found = list(both(name, gates, *start, w, *more, steps, reverse))
        more = more if name == "rnn" else ()
        state = {"lstm": (dh, None, None, None), "gru": (dh, None), "rnn": (dh,)}[name]
        assert len(list(both(name + "_grad", dout, *state, *start, w, found[0], *found[1 + len(start):], *more, steps,
                             reverse))) > 2


def test_errors():
    gates, h, w = tensorlib.randn(4, 8).cuda(), tensorlib.randn(2, 2).cuda(), tensorlib.randn(8, 2).cuda()
    with pytest.raises(RuntimeError, match="must not grow"):
        TABLE["lstm"](gates, h, h, w, (1, 3))
    with pytest.raises(RuntimeError, match="for gates of size"):
        TABLE["lstm"](gates, h, h, w, (2, 1))
    with pytest.raises(RuntimeError, match="expected c0 of size"):
        TABLE["lstm"](gates, h, h.narrow(0, 0, 1), w, (2, 2))
    with pytest.raises(TypeError, match="w_hh a tensorlib.cuda.DoubleTensor"):
        TABLE["lstm"](gates, h, h, w.double(), (2, 2))
