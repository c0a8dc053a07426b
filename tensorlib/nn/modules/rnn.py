"""Recurrent layers and single cells: their weights, and how inputs and hidden states are laid out."""
import math

from ...autograd import Variable
from ...ops.shape import contiguous
from ...tensor import Default
from ..functional._common import as_variable
from ..functional.rnn import needs_gradient, recurrent, recurrent_layer
from ..module import Module
from ..parameter import Parameter
from ..utils.rnn import PackedSequence

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class _Recurrent(Module):
    """What layers and cells share: parameters drawn from U(-b, b), b = 1 / sqrt(hidden_size)."""

    def _add_weights(self, mode, suffix, input_size):
        rows, hidden = GATES[mode] * self.hidden_size, self.hidden_size
        sizes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden)}
        if self.bias:
            sizes.update(bias_ih=(rows,), bias_hh=(rows,))
        for name, size in sizes.items():
            setattr(self, name + suffix, Parameter(Default.tensor(*size)))
        return [name + suffix for name in sizes]

    def reset_parameters(self):
        """Draw all weights and biases anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for param in self.parameters():
            param.data.uniform_(-bound, bound)


class RNNBase(_Recurrent):
    """A stack of recurrent layers of one kind. RNN, LSTM and GRU tell the arguments.

    Args:
        mode (str): 'RNN_TANH', 'RNN_RELU', 'LSTM' or 'GRU'.
    """

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
                 bidirectional=False):
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self._all_weights = []
        directions = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size * len(directions)
            for direction in directions:
                self._all_weights.append(self._add_weights(mode, "_l%d%s" % (layer, direction), size))
        self.reset_parameters()

    @property
    def all_weights(self):
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self):
        """Lay the weights out for the GPU. On the CPU each is used where it lies, and nothing changes."""

    def _first_hidden(self, input, batch, hx):
        """The hidden state to start from, of checked size; zeros unless given."""
        size = (self.num_layers * (2 if self.bidirectional else 1), batch, self.hidden_size)
        if hx is None:
            zeros = Variable(input.data.new(*size).zero_())
            return (zeros, zeros) if self.mode == "LSTM" else zeros
        if self.mode == "LSTM":
            h, c = hx
            hx = (h, c)
        for h in hx if self.mode == "LSTM" else (hx,):
            if tuple(h.size()) != size:
                raise RuntimeError("expected hidden size %s, got %s" % (size, tuple(h.size())))
        return hx

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            hx = self._first_hidden(input.data, input.batch_sizes[0], hx)
            output, hidden = self._run(input.data, hx, input.batch_sizes)
            return PackedSequence(output, input.batch_sizes), hidden
        input = as_variable(input)
        if input.dim() != 3:
            raise RuntimeError("input must have 3 dims, (steps, batch, features), got size %s" % (tuple(input.size()),))
        if self.batch_first:
            input = input.transpose(0, 1)
        steps, batch, features = input.size()
        rows = contiguous(input).view(steps * batch, features)
        output, hidden = self._run(rows, self._first_hidden(input, batch, hx), (batch,) * steps)
        output = output.view(steps, batch, output.size(1))
        return (output.transpose(0, 1) if self.batch_first else output), hidden

    def _run(self, rows, hidden, batch_sizes):
        return recurrent(self.mode, rows, hidden, self.all_weights, batch_sizes, self.bidirectional, self.dropout,
                         self.training)

    def __repr__(self):
        parts = ["%d, %d" % (self.input_size, self.hidden_size)]
        usual = dict(num_layers=1, bias=True, batch_first=False, dropout=0, bidirectional=False)
        parts += ["%s=%s" % (name, getattr(self, name)) for name in usual if getattr(self, name) != usual[name]]
        return "%s(%s)" % (type(self).__name__, ", ".join(parts))


class RNN(RNNBase):
    """Elman's recurrent network: h' = tanh(w_ih x + b_ih + w_hh h + b_hh).

    Args:
        input_size (int), hidden_size (int): features of the input and of the hidden state.
        num_layers (int): layers in the stack; each feeds the next.
        bias (bool): whether there are biases.
        batch_first (bool): input and output are (batch, steps, features), not (steps, batch, features).
        dropout (float): dropout between layers, in training.
        bidirectional (bool): a second direction, from the last step to the first, its output joined to the first's.
        nonlinearity (str, by keyword): 'tanh' or 'relu'.

    forward(input, hx=None): hx is the first hidden state, (layers * directions, batch, hidden_size), zeros unless
    given. A PackedSequence may take the place of the input. Returns the output of all steps, and the last hidden state.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, and so on for each layer; with _reverse for the second
        direction.

    Example:
        >>> import tensorlib
        >>> from tensorlib import nn
        >>> output, hidden = nn.RNN(10, 20, 2)(tensorlib.autograd.Variable(tensorlib.zeros(5, 3, 10)))
        >>> output.size(), hidden.size()
        (tensorlib.Size([5, 3, 20]), tensorlib.Size([2, 3, 20]))
    """

    def __init__(self, *args, nonlinearity="tanh", **kwargs):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError("Unknown nonlinearity '%s'" % nonlinearity)
        super().__init__("RNN_" + nonlinearity.upper(), *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997). Gates in the weights: input, forget, cell, output.

    Arguments as of RNN, without nonlinearity. The hidden state is a pair (h, c).
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., 2014). Gates in the weights: reset, update, new; h' = n + z (h - n).

    Arguments as of RNN, without nonlinearity.
    """

    def __init__(self, *args, **kwargs):
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(_Recurrent):
    """One step of a recurrent layer. RNNCell, LSTMCell and GRUCell tell the arguments."""

    def _setup(self, mode, input_size, hidden_size, bias):
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self._add_weights(mode, "", input_size)
        if not bias:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def _step(self, mode, input, hx):
        hidden = hx[0] if isinstance(hx, (tuple, list)) else hx
        if hidden.size(0) != input.size(0):
            raise RuntimeError("input has a batch of %d, the hidden state of %d" % (input.size(0), hidden.size(0)))
        variables = [as_variable(input)] + [self.weight_ih, self.weight_hh]
        if self.bias_ih is not None:
            variables += [self.bias_ih, self.bias_hh]
        keep = needs_gradient(variables + (list(hx) if mode == "LSTM" else [hx]))
        return recurrent_layer(mode, variables[0], hx, variables[1:], (hidden.size(0),), keep=keep)[1]

    def __repr__(self):
        parts = ["%d, %d" % (self.input_size, self.hidden_size)]
        if not self.bias:
            parts.append("bias=False")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append("nonlinearity=%s" % self.nonlinearity)
        return "%s(%s)" % (type(self).__name__, ", ".join(parts))


class RNNCell(RNNCellBase):
    """One step of RNN: h' = tanh(w_ih x + b_ih + w_hh h + b_hh).

    Args:
        input_size (int), hidden_size (int): features of the input and of the hidden state.
        bias (bool): whether there are biases.
        nonlinearity (str): 'tanh' or 'relu'.

    Shape: forward(input, hx), (batch, input_size) and (batch, hidden_size) to (batch, hidden_size).

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh (Parameter).
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh"):
        super().__init__()
        self.nonlinearity = nonlinearity
        self._setup("RNN_TANH", input_size, hidden_size, bias)

    def forward(self, input, hx):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError("Unknown nonlinearity: %s" % self.nonlinearity)
        return self._step("RNN_" + self.nonlinearity.upper(), input, hx)


class LSTMCell(RNNCellBase):
    """One step of LSTM: forward(input, (h, c)) returns (h', c'). Arguments as of RNNCell, without nonlinearity."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self._setup("LSTM", input_size, hidden_size, bias)

    def forward(self, input, hx):
        return self._step("LSTM", input, hx)


class GRUCell(RNNCellBase):
    """One step of GRU. Arguments as of RNNCell, without nonlinearity."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self._setup("GRU", input_size, hidden_size, bias)

    def forward(self, input, hx):
        return self._step("GRU", input, hx)
