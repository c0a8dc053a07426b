"""Recurrent layers, one step after another: plain, LSTM and GRU cells, several layers, two directions, packed input.

A layer works on a list of its steps, so that the gradient of one step touches that step only.
"""
from ...ops import linalg
from ...ops.shape import cat_sequence, narrow, stack
from .activation import relu
from .dropout import dropout


def prepare(mode, w_ih, w_hh, b_ih=None, b_hh=None):
    """Make of a layer's parameters what each of its steps needs: both matrices turned, and, but for GRU, one bias."""
    if mode != "GRU" and b_ih is not None:
        b_ih, b_hh = b_ih + b_hh, None
    return w_ih.t(), w_hh.t(), b_ih, b_hh


def _affine(bias, x, matrix):
    return x.mm(matrix) if bias is None else linalg.addmm(bias, 1, 1, x, matrix)


def _gates(x, h, weights):
    """w_ih x + w_hh h + b, of prepared weights."""
    w_ih, w_hh, bias, _ = weights
    return linalg.addmm(_affine(bias, x, w_ih), 1, 1, h, w_hh)


def _parts(gates, n):
    """The n gates side by side in dim 1."""
    size = gates.size(1) // n
    return [narrow(gates, 1, i * size, size) for i in range(n)]


def rnn_tanh_cell(x, h, weights):
    """h' = tanh(w_ih x + b_ih + w_hh h + b_hh) (Elman, 1990)."""
    return _gates(x, h, weights).tanh()


def rnn_relu_cell(x, h, weights):
    """h' = max(0, w_ih x + b_ih + w_hh h + b_hh)."""
    return relu(_gates(x, h, weights))


def lstm_cell(x, hidden, weights):
    """One step of long short-term memory (Hochreiter and Schmidhuber, 1997). Gates: input, forget, cell, output.

    Returns:
        (h', c') with c' = f c + i g, h' = o tanh(c').
    """
    h, c = hidden
    i, f, g, o = _parts(_gates(x, h, weights), 4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_cell(x, h, weights):
    """One step of a gated recurrent unit (Cho et al., 2014). Gates: reset, update, new. h' = n + z (h - n)."""
    w_ih, w_hh, b_ih, b_hh = weights
    ir, iz, new = _parts(_affine(b_ih, x, w_ih), 3)
    hr, hz, hn = _parts(_affine(b_hh, h, w_hh), 3)
    reset, update = (ir + hr).sigmoid(), (iz + hz).sigmoid()
    new = (new + reset * hn).tanh()
    return new + update * (h - new)


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
        hidden = cell(x, hidden, weights)
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
        hidden = cell(x, hidden, weights)
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
            out, state = run(cell, steps, start, prepare(mode, *weights[k]))
            outputs.append(out)
            last.append(state)
        steps = [cat_sequence(list(pair), 1) for pair in zip(*outputs)] if bidirectional else outputs[0]
    if isinstance(hidden, tuple):
        return steps, tuple(stack(states, 0) for states in zip(*last))
    return steps, stack(last, 0)
