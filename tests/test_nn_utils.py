"""nn.utils: clipping, weight normalisation, packed sequences; recurrent layers on packed input."""
import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def with_grad(values):
    p = nn.Parameter(tensorlib.zeros(len(values)))
    p.grad = Variable(tensorlib.FloatTensor(values))
    return p


@pytest.mark.parametrize("norm_type, norm", [(2, 5.0), (1, 7.0), (float("inf"), 4.0)])
def test_clip_grad_norm(norm_type, norm):
    params = [with_grad([3.0]), with_grad([0.0, 4.0]), nn.Parameter(tensorlib.zeros(1))]
    assert abs(nn.utils.clip_grad_norm(params, 1, norm_type) - norm) < 1e-5
    assert abs(params[0].grad.data[0] - 3 / norm) < 1e-4
    nn.utils.clip_grad_norm(params, 100, norm_type)
    assert abs(params[1].grad.data[1] - 4 / norm) < 1e-4
    with pytest.raises(ZeroDivisionError):
        nn.utils.clip_grad_norm(params, 1, 0)


def test_clip_grad_value():
    params = [with_grad([3.0, -0.5]), with_grad([-4.0]), nn.Parameter(tensorlib.zeros(1))]
    nn.utils.clip_grad_value_(params, 2)
    assert params[0].grad.data.tolist() == [2, -0.5] and params[1].grad.data.tolist() == [-2]


def test_parameters_as_a_vector():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    net[0].weight.data = net[0].weight.data.t().contiguous().t()        # strided as well as dense
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.size() == (13,) and vector.data[:2].equal(net[0].weight.data[0])
    (vector * Variable(tensorlib.arange(0, 13))).sum().backward()
    assert net[0].weight.grad.data.tolist() == [[0, 1], [2, 3], [4, 5]] and net[1].bias.grad.data[0] == 12
    nn.utils.vector_to_parameters(Variable(tensorlib.arange(0, 13)), net.parameters())
    assert net[0].weight.data.tolist() == [[0, 1], [2, 3], [4, 5]] and net[1].bias.data.tolist() == [12]
    with pytest.raises(ValueError, match="13 elements"):
        nn.utils.vector_to_parameters(vector[:12], net.parameters())


@pytest.mark.parametrize("dim", [0, 1, -1, None])
def test_weight_norm(dim):
    layer = nn.Linear(3, 2)
    x = Variable(tensorlib.randn(4, 3))
    before = layer(x).data
    assert nn.utils.weight_norm(layer, dim=dim) is layer
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight_g", "weight_v"]
    assert (layer(x).data - before).abs().max() < 1e-6
    layer(x).sum().backward()
    assert layer.weight_g.grad is not None and layer.weight_v.grad is not None
    layer.weight_g.data.mul_(2)
    doubled = layer(x).data
    nn.utils.remove_weight_norm(layer)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]
    assert (layer(x).data - doubled).abs().max() < 1e-6
    with pytest.raises(ValueError, match="not found"):
        nn.utils.remove_weight_norm(layer)


@pytest.mark.parametrize("lengths", [[4], [4, 4], [4, 2, 1], [3, 3, 1, 1]])
@pytest.mark.parametrize("batch_first", [False, True])
def test_pack_and_pad(lengths, batch_first):
    size = (len(lengths), 4, 2) if batch_first else (4, len(lengths), 2)
    x = Variable(tensorlib.randn(*size), requires_grad=True)
    packed = pack_padded_sequence(x, lengths, batch_first)
    assert isinstance(packed, PackedSequence)
    assert packed.batch_sizes == [sum(n > t for n in lengths) for t in range(lengths[0])]
    assert packed.data.size() == (sum(lengths), 2)
    padded, back = pad_packed_sequence(packed, batch_first)
    assert back == lengths
    padded.sum().backward()
    grad = x.grad.data if not batch_first else x.grad.data.transpose(0, 1)
    got = padded.data if not batch_first else padded.data.transpose(0, 1)
    data = x.data if not batch_first else x.data.transpose(0, 1)
    for t in range(4):
        for i, n in enumerate(lengths):
            assert (grad[t, i] == (1 if t < n else 0)).all()
            assert t >= lengths[0] or (got[t, i] == (data[t, i] if t < n else data[t, i] * 0)).all()


@pytest.mark.parametrize("lengths", [[1, 2], [2], [2, 0], [9, 1]])
def test_pack_errors(lengths):
    with pytest.raises(ValueError):
        pack_padded_sequence(Variable(tensorlib.zeros(3, 2, 1)), lengths)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_input_equals_each_sequence_alone(kind, bidirectional):
    net = getattr(nn, kind)(2, 3, 2, bidirectional=bidirectional).double()
    lengths = [4, 2, 1]
    x = Variable(tensorlib.randn(4, 3, 2).double())
    output, hidden = net(pack_padded_sequence(x, lengths))
    output, _ = pad_packed_sequence(output)
    for i, n in enumerate(lengths):
        alone, last = net(x[:n, i:i + 1].contiguous())
        assert (output[:n, i:i + 1] - alone).data.abs().max() < 1e-12
        for h, one in zip(hidden if kind == "LSTM" else [hidden], last if kind == "LSTM" else [last]):
            assert (h[:, i:i + 1] - one).data.abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layers_equal_their_cells(kind):
    net, cell = getattr(nn, kind)(2, 3).double(), getattr(nn, kind + "Cell")(2, 3).double()
    cell.load_state_dict({name[:-3]: value for name, value in net.state_dict().items()})
    x = Variable(tensorlib.randn(5, 4, 2).double())
    output, _ = net(x)
    zeros = Variable(tensorlib.zeros(4, 3).double())
    state = (zeros, zeros) if kind == "LSTM" else zeros
    for t in range(5):
        state = cell(x[t], state)
        assert ((state[0] if kind == "LSTM" else state) - output[t]).data.abs().max() < 1e-12


def test_hidden_sizes_are_checked():
    net = nn.GRU(2, 3)
    with pytest.raises(RuntimeError, match="hidden size"):
        net(Variable(tensorlib.zeros(4, 2, 2)), Variable(tensorlib.zeros(1, 3, 3)))
    with pytest.raises(RuntimeError, match="batch"):
        nn.GRUCell(2, 3)(Variable(tensorlib.zeros(4, 2)), Variable(tensorlib.zeros(3, 3)))
