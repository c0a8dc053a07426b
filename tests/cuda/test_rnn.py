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
