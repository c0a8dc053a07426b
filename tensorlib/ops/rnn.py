"""Rows of recurrent layers: one direction of one layer over a whole sequence, and the walk back over it.

Forward and backward are fused kernels. Where backward itself is recorded, it is made of other rows, step by step, and
so has derivatives of any order. What the input adds to the gates (w_ih x + b) comes ready.
"""
from .._ops import rnn as kernels
from ._samples import arguments
from ._samples import reference as reference_in
from ._table import op
from .activation import relu_grad
from .linalg import mm
from .pointwise import tanh, zero_like
from .shape import cat, narrow


def reference(name):
    return reference_in("_rnn_refs", name)


# ---- steps, for what is made of rows ---------------------------------------------------------------------------------

def turns(batch_sizes, reverse):
    """(first row, sequences) of each step, in the order in which they are computed."""
    starts = [sum(batch_sizes[:t]) for t in range(len(batch_sizes))]
    steps = list(zip(starts, batch_sizes))
    return steps[::-1] if reverse else steps


def rows(x, start, count):
    return narrow(x, 0, start, count)


def parts(x, count):
    """The gates side by side in dim 1."""
    size = x.size(1) // count
    return [narrow(x, 1, i * size, size) for i in range(count)]


def plus(x, more, start):
    """x plus its rows of more, which may be None."""
    return x if more is None else x + rows(more, start, x.size(0))


def replaced(x, head):
    """x with its first rows replaced."""
    count, all_rows = head.size(0), x.size(0)
    return head if count == all_rows else cat(0, head, rows(x, count, all_rows - count))


def states_before(kept, first, steps):
    """For each step the states it began with: those kept of the step before, and the first ones of who joins."""
    found = []
    for turn, (_, count) in enumerate(steps):
        if turn == 0:
            found.append(rows(first, 0, count))
            continue
        start, had = steps[turn - 1]
        found.append(replaced(rows(first, 0, count), rows(kept, start, min(had, count))))
    return found


def in_order(pieces, reverse):
    return cat(0, *(pieces if reverse else pieces[::-1]))


def sum_of(total, x):
    return x if total is None else total + x


# ---- LSTM -----------------------------------------------------------------------------------------------------------

def lstm_grad_in_rows(dout, dh, dc, dact, dcells, h0, c0, w_hh, out, act, cells, batch_sizes, reverse):
    steps = turns(batch_sizes, reverse)
    before = list(zip(steps, states_before(out, h0, steps), states_before(cells, c0, steps)))
    dh, dc = (zero_like(h0) if d is None else d for d in (dh, dc))
    dgates, dw = [], None
    for (start, count), h, c in reversed(before):
        i, f, g, o = parts(rows(act, start, count), 4)
        t = tanh(rows(cells, start, count))
        d = plus(rows(dh, 0, count), dout, start)
        e = plus(rows(dc, 0, count), dcells, start) + d * o * (1 - t * t)
        di, df, dg, do = (plus(x, None if dact is None else part, start) for x, part in zip(
            (e * g, e * c, e * i, d * t), (None,) * 4 if dact is None else parts(dact, 4)))
        sums = cat(1, di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o))
        dgates.append(sums)
        dw = sum_of(dw, mm(sums.t(), h))
        dh, dc = replaced(dh, mm(sums, w_hh)), replaced(dc, e * f)
    return in_order(dgates, reverse), dh, dc, dw


lstm_grad = op(
    "lstm_grad(Tensor? dout, Tensor? dh, Tensor? dc, Tensor? dact, Tensor? dcells, Tensor h0, Tensor c0, Tensor w_hh, "
    "Tensor out, Tensor act, Tensor cells, ints batch_sizes, bool reverse)",
    kernels.lstm_grad, public=False, composite=lstm_grad_in_rows, ref=reference("lstm_grad"),
    samples=arguments((4, 2), (2, 2), (2, 2), (4, 8), (4, 2), (2, 2), (2, 2), (8, 2), (4, 2), (4, 8), (4, 2),
                      batch_sizes=(2, 2), reverse=True)
    + arguments((6, 2), (3, 2), (3, 2), (6, 8), (6, 2), (3, 2), (3, 2), (8, 2), (6, 2), (6, 8), (6, 2),
                batch_sizes=(3, 2, 1), reverse=False)
    + arguments((6, 2), (3, 2), (3, 2), (6, 8), (6, 2), (3, 2), (3, 2), (8, 2), (6, 2), (6, 8), (6, 2),
                batch_sizes=(3, 2, 1), reverse=True),
    doc="Gradients of lstm by gates, h0, c0 and w_hh, from those of its outputs; None counts as zeros.")

lstm = op(
    "lstm(Tensor gates, Tensor h0, Tensor c0, Tensor w_hh, ints batch_sizes, bool reverse=False, bool keep=True)",
    kernels.lstm, public=False, node_name="LSTM",
    joint=lambda h0, c0, w_hh, out0, out3, out4, batch_sizes, reverse, g0=None, g1=None, g2=None, g3=None, g4=None:
        lstm_grad(g0, g1, g2, g3, g4, h0, c0, w_hh, out0, out3, out4, batch_sizes, reverse),
    ref=reference("lstm"),
    samples=arguments((6, 12), (3, 3), (3, 3), (12, 3), batch_sizes=(3, 2, 1), reverse=False)
    + arguments((6, 12), (3, 3), (3, 3), (12, 3), batch_sizes=(3, 2, 1), reverse=True)
    + arguments((4, 12), (2, 3), (2, 3), (12, 3), batch_sizes=(2, 2), reverse=False)
    + arguments((40, 80), (20, 20), (20, 20), (80, 20), batch_sizes=(20, 20), reverse=False),
    doc="Long short-term memory over a sequence whose step t is batch_sizes[t] rows of gates: the part of the input in "
        "the gates input, forget, cell, output. Returns the output of all steps, the last h and c, and with keep (for "
        "derivatives) the values of the gates and the cells of all steps.")


# ---- GRU ------------------------------------------------------------------------------------------------------------

def gru_grad_in_rows(dout, dh, dact, h0, w_hh, out, act, batch_sizes, reverse):
    steps = turns(batch_sizes, reverse)
    dh = zero_like(h0) if dh is None else dh
    dgates, dw, db = [], None, None
    for (start, count), h in reversed(list(zip(steps, states_before(out, h0, steps)))):
        r, z, hidden, n = parts(rows(act, start, count), 4)
        dr, dz, dhidden, dn = (None,) * 4 if dact is None else parts(dact, 4)
        d = plus(rows(dh, 0, count), dout, start)
        dn = plus(d * (1 - z), dn, start) * (1 - n * n)
        dr = plus(dn * hidden, dr, start) * r * (1 - r)
        dz = plus(d * (h - n), dz, start) * z * (1 - z)
        dgates.append(cat(1, dr, dz, dn))
        sums = cat(1, dr, dz, plus(dn * r, dhidden, start))
        dw, db = sum_of(dw, mm(sums.t(), h)), sum_of(db, sums.sum(0))
        dh = replaced(dh, d * z + mm(sums, w_hh))
    return in_order(dgates, reverse), dh, dw, db


gru_grad = op(
    "gru_grad(Tensor? dout, Tensor? dh, Tensor? dact, Tensor h0, Tensor w_hh, Tensor out, Tensor act, "
    "ints batch_sizes, bool reverse)",
    kernels.gru_grad, public=False, composite=gru_grad_in_rows, ref=reference("gru_grad"),
    samples=arguments((4, 2), (2, 2), (4, 8), (2, 2), (6, 2), (4, 2), (4, 8), batch_sizes=(2, 2), reverse=True)
    + arguments((6, 2), (3, 2), (6, 8), (3, 2), (6, 2), (6, 2), (6, 8), batch_sizes=(3, 2, 1), reverse=False)
    + arguments((6, 2), (3, 2), (6, 8), (3, 2), (6, 2), (6, 2), (6, 8), batch_sizes=(3, 2, 1), reverse=True),
    doc="Gradients of gru by gates, h0, w_hh and b_hh, from those of its outputs; None counts as zeros.")

gru = op(
    "gru(Tensor gates, Tensor h0, Tensor w_hh, Tensor? b_hh, ints batch_sizes, bool reverse=False, bool keep=True)",
    kernels.gru, public=False, node_name="GRU",
    joint=lambda h0, w_hh, out0, out2, batch_sizes, reverse, g0=None, g1=None, g2=None:
        gru_grad(g0, g1, g2, h0, w_hh, out0, out2, batch_sizes, reverse),
    ref=reference("gru"),
    samples=arguments((6, 9), (3, 3), (9, 3), (9,), batch_sizes=(3, 2, 1), reverse=False)
    + arguments((6, 9), (3, 3), (9, 3), (9,), batch_sizes=(3, 2, 1), reverse=True)
    + arguments((4, 9), (2, 3), (9, 3), b_hh=None, batch_sizes=(2, 2), reverse=False)
    + arguments((40, 60), (20, 20), (60, 20), (60,), batch_sizes=(20, 20), reverse=False),
    doc="Gated recurrent units over a sequence as of lstm; gates reset, update, new. Returns the output of all steps, "
        "the last h, and with keep for each step reset, update, the part of h in new, and new.")


# ---- plain ----------------------------------------------------------------------------------------------------------

def rnn_grad_in_rows(dout, dh, h0, w_hh, out, relu, batch_sizes, reverse):
    steps = turns(batch_sizes, reverse)
    dh = zero_like(h0) if dh is None else dh
    dgates, dw = [], None
    for (start, count), h in reversed(list(zip(steps, states_before(out, h0, steps)))):
        y = rows(out, start, count)
        d = plus(rows(dh, 0, count), dout, start)
        d = relu_grad(d, y) if relu else d * (1 - y * y)
        dgates.append(d)
        dw = sum_of(dw, mm(d.t(), h))
        dh = replaced(dh, mm(d, w_hh))
    return in_order(dgates, reverse), dh, dw


rnn_grad = op(
    "rnn_grad(Tensor? dout, Tensor? dh, Tensor h0, Tensor w_hh, Tensor out, bool relu, ints batch_sizes, bool reverse)",
    kernels.rnn_grad, public=False, composite=rnn_grad_in_rows, ref=reference("rnn_grad"),
    samples=arguments((4, 2), (2, 2), (2, 2), (2, 2), (4, 2), relu=False, batch_sizes=(2, 2), reverse=True)
    + arguments((6, 2), (3, 2), (3, 2), (2, 2), (6, 2), relu=True, batch_sizes=(3, 2, 1), reverse=False)
    + arguments((6, 2), (3, 2), (3, 2), (2, 2), (6, 2), relu=False, batch_sizes=(3, 2, 1), reverse=True),
    doc="Gradients of rnn by gates, h0 and w_hh, from those of its outputs; None counts as zeros.")

rnn = op(
    "rnn(Tensor gates, Tensor h0, Tensor w_hh, bool relu, ints batch_sizes, bool reverse=False)",
    kernels.rnn, public=False, node_name="RNN",
    joint=lambda h0, w_hh, out0, relu, batch_sizes, reverse, g0=None, g1=None:
        rnn_grad(g0, g1, h0, w_hh, out0, relu, batch_sizes, reverse),
    ref=reference("rnn"),
    samples=arguments((6, 3), (3, 3), (3, 3), relu=False, batch_sizes=(3, 2, 1), reverse=False)
    + arguments((6, 3), (3, 3), (3, 3), relu=True, batch_sizes=(3, 2, 1), reverse=True)
    + arguments((40, 20), (20, 20), (20, 20), relu=False, batch_sizes=(20, 20), reverse=False),
    doc="Elman's recurrent layer, with tanh or relu, over a sequence as of lstm: the output of all steps, the last h.")
