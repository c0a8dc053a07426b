"""Recurrent layers, one step after another: plain, LSTM and GRU cells, several layers, two directions, packed input.

A layer works on a list of its steps, so that the gradient of one step touches that step only.
"""
from ...ops.shape import cat_sequence, stack
from .activation import relu
from .dropout import dropout
from .linear import linear


def rnn_tanh_cell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """h' = tanh(w_ih x + b_ih + w_hh h + b_hh) (Elman, 1990)."""
    return (linear(input, w_ih, b_ih) + linear(hidden, w_hh, b_hh)).tanh()


def rnn_relu_cell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """h' = max(0, w_ih x + b_ih + w_hh h + b_hh)."""
    return relu(linear(input, w_ih, b_ih) + linear(hidden, w_hh, b_hh))


def lstm_cell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of long short-term memory (Hochreiter and Schmidhuber, 1997). Gates: input, forget, cell, output.

    Returns:
        (h', c') with c' = f c + i g, h' = o tanh(c').
    """
    h, c = hidden
    i, f, g, o = (linear(input, w_ih, b_ih) + linear(h, w_hh, b_hh)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_cell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a gated recurrent unit (Cho et al., 2014). Gates: reset, update, new. h' = n + z (h - n)."""
    ir, iz, new = linear(input, w_ih, b_ih).chunk(3, 1)
    hr, hz, hn = linear(hidden, w_hh, b_hh).chunk(3, 1)
    reset, update = (ir + hr).sigmoid(), (iz + hz).sigmoid()
    new = (new + reset * hn).tanh()
    return new + update * (hidden - new)


CELLS = {"RNN_TANH": rnn_tanh_cell, "RNN_RELU": rnn_relu_cell, "LSTM": lstm_cell, "GRU": gru_cell}


def _first(state):
    return state[0] if isinstance(state, tuple) else state


def _joined(*states):
    """The sequences of several batches in one."""
    if isinstance(states[0], tuple):
        return tuple(_joined(*parts) for parts in zip(*states))
    return cat_sequence(states, 0)


def _rows(state, start, end):
    """The sequences from start to end of a batch, or of both of an LSTM's."""
    if isinstance(state, tuple):
        return tuple(_rows(s, start, end) for s in state)
    return state if start == 0 and end == state.size(0) else state[start:end]


def _forwards(cell, steps, hidden, weights):
    """Run over the steps; where the batch narrows, the sequences that ended keep their hidden state."""
    outputs, ended = [], []
    for x in steps:
        n, had = x.size(0), _first(hidden).size(0)
        if n < had:
            ended.append(_rows(hidden, n, had))
            hidden = _rows(hidden, 0, n)
        hidden = cell(x, hidden, *weights)
        outputs.append(_first(hidden))
    for rest in reversed(ended):
        hidden = _joined(hidden, rest)
    return outputs, hidden


def _backwards(cell, steps, start, weights):
    """Run over the steps from the last; where the batch widens, sequences join with their first hidden state."""
    outputs, hidden = [], None
    for x in reversed(steps):
        n = x.size(0)
        had = 0 if hidden is None else _first(hidden).size(0)
        if n > had:
            joining = _rows(start, had, n)
            hidden = joining if had == 0 else _joined(hidden, joining)
        hidden = cell(x, hidden, *weights)
        outputs.append(_first(hidden))
    return outputs[::-1], hidden


def recurrent(mode, steps, hidden, weights, num_layers, bidirectional, p, training):
    """Run a stack of recurrent layers.

    Args:
        mode (str): a key of CELLS.
        steps (list of Variable): (batch, features) of each step; the batch may narrow.
        hidden (Variable or pair): first states, (layers * directions, batch, hidden).
        weights (list): [w_ih, w_hh] or [w_ih, w_hh, b_ih, b_hh] for each layer and direction.
        num_layers (int), bidirectional (bool): of the stack.
        p (float): dropout between layers, when training.

    Returns:
        the outputs of the steps as a list, and the last states in the form of hidden.
    """
    cell = CELLS[mode]
    directions = (_forwards, _backwards) if bidirectional else (_forwards,)
    last = []
    for layer in range(num_layers):
        if layer > 0 and p > 0 and training:
            steps = [dropout(x, p, True) for x in steps]
        outputs = []
        for run in directions:
            k = len(last)
            start = tuple(h[k] for h in hidden) if isinstance(hidden, tuple) else hidden[k]
            out, state = run(cell, steps, start, weights[k])
            outputs.append(out)
            last.append(state)
        steps = [cat_sequence(list(pair), 1) for pair in zip(*outputs)] if bidirectional else outputs[0]
    if isinstance(hidden, tuple):
        return steps, tuple(stack(states, 0) for states in zip(*last))
    return steps, stack(last, 0)
