"""Recurrent layers over sequences: against PyTorch, without gradients, over threads, packed, and in what they refuse.

The rows themselves are tested from the table, layers against their cells in test_nn_utils.py.
"""
import numpy as np
import pytest
from op_checks import tensor

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable, grad, gradcheck, gradgradcheck
from tensorlib.nn.utils.rnn import pack_padded_sequence
from tensorlib.ops import TABLE

KINDS = ["RNN", "LSTM", "GRU"]
OPTIONS = [dict(), dict(num_layers=2, bidirectional=True), dict(bias=False, batch_first=True),
           dict(num_layers=2, batch_first=True)]


def pair(kind, features, hidden, torch, **options):
    """The same layer here and in PyTorch, in double."""
    ours = getattr(nn, kind)(features, hidden, **options).double()
    theirs = getattr(torch.nn, kind)(features, hidden, **options).double()
    theirs.load_state_dict({name: torch.from_numpy(value.numpy()) for name, value in ours.state_dict().items()})
    return ours, theirs


def flat(result):
    """The Variables or tensors of (output, state), where a state may be a pair."""
    output, state = result
    return [output] + (list(state) if isinstance(state, tuple) else [state])


def start(kind, size, rng):
    """Arrays of a first state."""
    return [rng.randn(*size) for _ in range(2 if kind == "LSTM" else 1)]


def state_of(kind, tensors):
    return tuple(tensors) if kind == "LSTM" else tensors[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("batch", [1, 2, 7, 20])
def test_layers_against_torch(kind, options, batch):
    """Values and all gradients, from the output and from the last state, with a first state given."""
    torch = pytest.importorskip("torch")
    ours, theirs = pair(kind, 5, 33, torch, **options)
    rng = np.random.RandomState(batch)
    directions = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    x = rng.randn(*((batch, 6, 5) if options.get("batch_first") else (6, batch, 5)))
    states = start(kind, (directions, batch, 33), rng)
    mine = [Variable(tensor(a), requires_grad=True) for a in [x] + states]
    other = [torch.from_numpy(a).requires_grad_() for a in [x] + states]
    got = flat(ours(mine[0], state_of(kind, mine[1:])))
    want = flat(theirs(other[0], state_of(kind, other[1:])))
    weights = [rng.randn(*w.shape) for w in want]
    total = sum((g * Variable(tensor(w))).sum() for g, w in zip(got, weights))
    grads = grad(total, mine + list(ours.parameters()))
    expected = torch.autograd.grad(sum((g * torch.from_numpy(w)).sum() for g, w in zip(want, weights)),
                                   other + list(theirs.parameters()))
    for a, b in list(zip(got, want)) + list(zip(grads, expected)):
        np.testing.assert_allclose(a.data.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_against_torch(kind):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(kind, 3, 4, torch, num_layers=2, bidirectional=True)
    a = np.random.RandomState(3).randn(5, 2, 3)
    x, y = Variable(tensor(a), requires_grad=True), torch.from_numpy(a).requires_grad_()
    g, = grad((ours(x)[0] ** 3).sum(), [x], create_graph=True)
    got = grad((g * g).sum(), [x] + list(ours.parameters()))
    with torch.backends.mkldnn.flags(enabled=False):
        h, = torch.autograd.grad((theirs(y)[0] ** 3).sum(), [y], create_graph=True)
        want = torch.autograd.grad((h * h).sum(), [y] + list(theirs.parameters()))
    for a, b in zip(got, want):
        np.testing.assert_allclose(a.data.numpy(), b.numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_derivatives_against_differences(kind, reverse):
    """gradcheck and gradgradcheck of a layer on a packed sequence."""
    net = getattr(nn, kind)(2, 2, bidirectional=reverse).double()
    x = Variable(tensorlib.randn(3, 2, 2).double(), requires_grad=True)

    def run(x):
        (data, _), state = net(pack_padded_sequence(x, [3, 2]))
        return data, (state[0] if kind == "LSTM" else state)

    weights = Variable(tensorlib.randn(5, 4 if reverse else 2).double(), requires_grad=True)
    assert gradcheck(run, [x]) and gradgradcheck(lambda x: run(x)[0], [x], [weights])


@pytest.mark.parametrize("kind", KINDS)
def test_inference_keeps_nothing_and_computes_the_same(kind):
    net = getattr(nn, kind)(3, 20, 2)
    x = tensorlib.randn(4, 5, 3)
    want = [v.data for v in flat(net(Variable(x)))]
    volatile = flat(net(Variable(x, volatile=True)))
    with tensorlib.no_grad():
        unrecorded = flat(net(Variable(x)))
    assert all(v.volatile for v in volatile) and not any(v.requires_grad for v in unrecorded)
    for got in (volatile, unrecorded):
        assert all(v.data.equal(w) for v, w in zip(got, want))
    gates, h, w = tensorlib.randn(6, 12), tensorlib.randn(3, 3), tensorlib.randn(12, 3)
    assert TABLE["lstm"](gates, h, h, w, (3, 3), False, False)[3:] == (None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_bit(kind):
    """Sequences are shared out between threads; the result of each is the same."""
    net = getattr(nn, kind)(40, 50, bidirectional=True)
    x, before = tensorlib.randn(9, 13, 40), tensorlib.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            tensorlib.set_num_threads(threads)
            output, _ = net(pack_padded_sequence(Variable(x), [9] * 5 + [6] * 4 + [2] * 4))
            found.append(output.data.data)
    finally:
        tensorlib.set_num_threads(before)
    assert found[0].equal(found[1]) and found[0].equal(found[2])


def test_a_strided_input_is_left_as_it_is():
    x = Variable(tensorlib.randn(2, 1, 3).transpose(0, 2), requires_grad=True)
    nn.GRU(2, 2)(x)[0].sum().backward()
    assert not x.data.is_contiguous() and tuple(x.grad.size()) == (3, 1, 2)


def test_large_gates_saturate():
    """No overflow on either side, and NaN stays NaN."""
    for scale, cell in ((1e30, 1.0), (-1e30, 0.0)):
        gates = tensorlib.ones(1, 4) * scale
        zero = tensorlib.zeros(1, 1)
        out, h, c, act, _ = TABLE["lstm"](gates, zero, zero, tensorlib.zeros(4, 1), (1,), False, True)
        want = [cell, cell, 1.0 if scale > 0 else -1.0, cell]
        assert all(abs(a - b) < 1e-37 for a, b in zip(act.tolist()[0] + [c[0, 0]], want + [cell]))
    out = TABLE["gru"](tensorlib.ones(1, 3) * float("nan"), zero, tensorlib.zeros(3, 1), None, (1,), False, True)[0]
    assert out[0, 0] != out[0, 0]


GATES, STATE, WEIGHT = tensorlib.zeros(4, 12), tensorlib.zeros(2, 3), tensorlib.zeros(12, 3)


@pytest.mark.parametrize("arguments, error", [
    ((GATES, STATE, STATE, WEIGHT, (2, 3), False), "must not grow"),
    ((GATES, STATE, STATE, WEIGHT, (2, 1), False), "gates"),
    ((GATES, STATE, STATE, WEIGHT, (), False), "gates"), ((GATES, STATE, STATE, WEIGHT, (4, 0), False), "above 0"),
    ((GATES, STATE[:1], STATE, WEIGHT, (2, 2), False), "h0 of size"),
    ((GATES, STATE, STATE, WEIGHT[:9], (2, 2), False), "w_hh of size"),
    ((GATES[:, :9], STATE, STATE, WEIGHT, (2, 2), False), "gates of size")])
def test_what_does_not_fit_is_refused(arguments, error):
    with pytest.raises(RuntimeError, match=error):
        TABLE["lstm"](*arguments)
    with pytest.raises(TypeError, match="FloatTensor"):
        TABLE["lstm"](GATES, STATE.double(), STATE, WEIGHT, (2, 2), False)
