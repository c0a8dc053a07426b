"""Recurrent layers: what a layer computes of its input and hidden state, and stacks of them in one direction or two.

The steps of a sequence lie one after another in the rows of one matrix, so a layer is one product for the input of all
steps and one row of the table for the rest. A packed sequence lies so already; its steps have ever fewer rows.
"""
from ..._ops.recording import is_recording
from ...ops import linalg
from ...ops import rnn as rows
from ...ops.shape import cat_sequence, stack
from .dropout import dropout


def needs_gradient(variables):
    """Whether what is computed from these Variables is going to be recorded."""
    return (is_recording() and any(v.requires_grad for v in variables)
            and not any(v.volatile for v in variables))


def recurrent_layer(mode, x, hidden, weights, batch_sizes, reverse=False, keep=True):
    """Run one direction of one layer over a sequence, or over one step.

    Args:
        mode (str): 'RNN_TANH', 'RNN_RELU', 'LSTM' or 'GRU'.
        x (Variable): (rows, features), the rows of all steps one step after another.
        hidden (Variable or pair): first state, (batch, hidden); an LSTM's is (h, c).
        weights (sequence): w_ih, w_hh, and with biases b_ih, b_hh.
        batch_sizes (sequence of int): the rows of each step.
        reverse (bool): from the last step to the first.
        keep (bool): whether gradients will be asked for.

    Returns:
        the output of all steps, and the last state in the form of hidden.
    """
    w_ih, w_hh = weights[:2]
    bias, b_hh = weights[2:] if len(weights) > 2 else (None, None)
    if mode != "GRU" and bias is not None:      # both are added to the same sums
        bias = bias + b_hh
    gates = linalg.affine(bias, x, w_ih)
    if mode == "LSTM":
        output, h, c, _, _ = rows.lstm(gates, hidden[0], hidden[1], w_hh, batch_sizes, reverse, keep)
        return output, (h, c)
    if mode == "GRU":
        output, h, _ = rows.gru(gates, hidden, w_hh, b_hh, batch_sizes, reverse, keep)
        return output, h
    return rows.rnn(gates, hidden, w_hh, mode == "RNN_RELU", batch_sizes, reverse)


def recurrent(mode, x, hidden, weights, batch_sizes, bidirectional, p, training):
    """Run a stack of recurrent layers.

    Args:
        mode, x, batch_sizes: as of recurrent_layer.
        hidden (Variable or pair): first states, (layers * directions, batch, hidden).
        weights (list): those of each layer and direction.
        bidirectional (bool): a second direction in each layer, its output joined to the first's.
        p (float): dropout between layers, when training.

    Returns:
        the output of all steps, and the last states in the form of hidden.
    """
    pair = isinstance(hidden, tuple)
    keep = needs_gradient([x, *(hidden if pair else (hidden,)), *(w for group in weights for w in group)])
    directions = 2 if bidirectional else 1
    last = []
    while len(last) < len(weights):
        if last and p > 0 and training:
            x = dropout(x, p, True)
        outputs = []
        for reverse in (False, True)[:directions]:
            k = len(last)
            first = tuple(h[k] for h in hidden) if pair else hidden[k]
            output, state = recurrent_layer(mode, x, first, weights[k], batch_sizes, reverse, keep)
            outputs.append(output)
            last.append(state)
        x = cat_sequence(outputs, 1) if bidirectional else outputs[0]
    if pair:
        return x, tuple(stack(states, 0) for states in zip(*last))
    return x, stack(last, 0)
