"""Recurrent layers over whole sequences and their gradients: the twins of _ops/rnn.pyx.

A step is a product of matrices and one kernel, forward and backward. The state of the whole batch is carried along in
place: a step of m sequences moves its first m rows on. The weight's gradient is one product over all steps.
"""
from ..._ops.copying import copy_, dense_copy, fill_, make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from ...ops.rnn import turns
from .. import blas
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from .reduce import need_real, sum_dim

program = Program("rnn")


def check_steps(name, batch_sizes, gates):
    """Step sizes that are above 0, do not grow, and add up to the rows of the gates."""
    sizes = list(batch_sizes)
    if any(n < 1 or i > 0 and n > sizes[i - 1] for i, n in enumerate(sizes)):
        raise RuntimeError("%s(): batch sizes have to be above 0 and must not grow, got %s" % (name, sizes))
    if not sizes or gates.dim() != 2 or gates.size(0) != sum(sizes):
        raise RuntimeError("%s(): batch sizes %s for gates of size %s" % (name, sizes, tuple(gates.size())))


def check(name, first, batch_sizes, **wanted):
    """All are of the type of the first, and wanted[what] is (tensor or None, its size)."""
    need_real(first, name)
    check_steps(name, batch_sizes, first)
    for what, (t, size) in wanted.items():
        if t is not None and code_of(t) != code_of(first):
            raise TypeError("%s(): gates are a %s, %s a %s" % (name, first.type(), what, t.type()))
        if t is not None and tuple(t.size()) != tuple(size):
            raise RuntimeError("%s(): expected %s of size %s, got %s" % (name, what, tuple(size), tuple(t.size())))


def sizes_of(gates, w_hh, batch_sizes):
    """(all rows, hidden size, size of a state)."""
    n = w_hh.size(-1)
    return gates.size(0), n, (batch_sizes[0] if batch_sizes else 0, n)


def run(kernel, like, formats, n, *arguments):
    """Launch a kernel for n elements of a state; None stands for what is not given."""
    launch(program, "%s_%s" % (kernel, NAMES[code_of(like)]), device_of(like), formats, grid_for(device_of(like), n),
           THREADS, *[0 if a is None else a for a in arguments])


def matrix(like, rows, columns):
    return make_empty(code_of(like), (rows, columns), device_of(like))


def at(t, row):
    """The address of a row, None for None."""
    return None if t is None else t.data_ptr() + row * t.stride(0) * t.element_size()


def dense(*tensors):
    return [None if t is None else make_contiguous(t) for t in tensors]


def state_of(given, first):
    """The gradient of the last state, which the walk turns into that of the first."""
    return fill_(matrix(first, *first.size()), 0) if given is None else dense_copy(given)


def multiply(c, a, b, beta=0):
    """c = a @ b + beta * c; a single row is a matrix times a vector where the columns of b are dense."""
    if c.size(0) == 1 and b.stride(0) == 1:
        blas.gemv(c.select(0, 0), b.t(), a.select(0, 0), 1, beta)
    else:
        blas.gemm(c, a, b, 1, beta)


def steps_back(batch_sizes, reverse):
    """(first row, sequences, first row of the step computed before, how many of the sequences that step had)."""
    steps = turns(batch_sizes, reverse)
    before = [(0, 0)] + steps[:-1]
    return [(start, count, earlier, min(had, count)) for (start, count), (earlier, had) in zip(steps, before)][::-1]


# ---- forward ------------------------------------------------------------------------------------------------------

def lstm(gates, h0, c0, w_hh, batch_sizes, reverse=False, keep=True):
    total, n, state = sizes_of(gates, w_hh, batch_sizes)
    check("lstm", gates, batch_sizes, w_hh=(w_hh, (4 * n, n)), gates=(gates, (total, 4 * n)), h0=(h0, state),
          c0=(c0, state))
    gates, w_hh = dense(gates, w_hh)
    h, c, out, sums = dense_copy(h0), dense_copy(c0), matrix(gates, total, n), matrix(gates, state[0], 4 * n)
    act, cells = (matrix(gates, total, 4 * n), matrix(gates, total, n)) if keep else (None, None)
    for start, count in turns(batch_sizes, reverse):
        multiply(sums.narrow(0, 0, count), h.narrow(0, 0, count), w_hh.t())
        run("lstm", gates, "PPPPPPPqq", count * n, at(gates, start), sums, at(act, start), h, c, at(out, start),
            at(cells, start), count, n)
    return out, h, c, act, cells


def gru(gates, h0, w_hh, b_hh, batch_sizes, reverse=False, keep=True):
    total, n, state = sizes_of(gates, w_hh, batch_sizes)
    check("gru", gates, batch_sizes, w_hh=(w_hh, (3 * n, n)), gates=(gates, (total, 3 * n)), h0=(h0, state),
          b_hh=(b_hh, (3 * n,)))
    gates, w_hh, b_hh = dense(gates, w_hh, b_hh)
    h, out, sums = dense_copy(h0), matrix(gates, total, n), matrix(gates, state[0], 3 * n)
    act = matrix(gates, total, 4 * n) if keep else None
    for start, count in turns(batch_sizes, reverse):
        multiply(sums.narrow(0, 0, count), h.narrow(0, 0, count), w_hh.t())
        run("gru", gates, "PPPPPPqq", count * n, at(gates, start), sums, b_hh, at(act, start), h, at(out, start),
            count, n)
    return out, h, act


def rnn(gates, h0, w_hh, relu, batch_sizes, reverse=False):
    total, n, state = sizes_of(gates, w_hh, batch_sizes)
    check("rnn", gates, batch_sizes, w_hh=(w_hh, (n, n)), gates=(gates, (total, n)), h0=(h0, state))
    gates, w_hh = dense(gates, w_hh)
    h, out, sums = dense_copy(h0), matrix(gates, total, n), matrix(gates, *state)
    for start, count in turns(batch_sizes, reverse):
        multiply(sums.narrow(0, 0, count), h.narrow(0, 0, count), w_hh.t())
        run("rnn", gates, "PPPPqi", count * n, at(gates, start), sums, h, at(out, start), count * n, int(relu))
    return out, h


# ---- backward -----------------------------------------------------------------------------------------------------

def lstm_grad(dout, dh, dc, dact, dcells, h0, c0, w_hh, out, act, cells, batch_sizes, reverse=False):
    total, n, state = sizes_of(act, w_hh, batch_sizes)
    check("lstm_grad", act, batch_sizes, w_hh=(w_hh, (4 * n, n)), act=(act, (total, 4 * n)), h0=(h0, state),
          c0=(c0, state), dh=(dh, state), dc=(dc, state), out=(out, (total, n)), cells=(cells, (total, n)),
          dout=(dout, (total, n)), dact=(dact, (total, 4 * n)), dcells=(dcells, (total, n)))
    h0, c0, w_hh, out, act, cells, dout, dact, dcells = dense(h0, c0, w_hh, out, act, cells, dout, dact, dcells)
    dh, dc, dgates = state_of(dh, h0), state_of(dc, c0), matrix(act, total, 4 * n)
    for start, count, earlier, known in steps_back(batch_sizes, reverse):
        run("lstm_grad", act, "PPPPqPPPPPPqq", count * n, at(act, start), at(cells, start), at(cells, earlier), c0,
            known, at(dout, start), at(dact, start), at(dcells, start), dh, dc, at(dgates, start), count, n)
        multiply(dh.narrow(0, 0, count), dgates.narrow(0, start, count), w_hh)
    return dgates, dh, dc, weight_gradient(dgates, out, h0, batch_sizes, reverse)


def gru_grad(dout, dh, dact, h0, w_hh, out, act, batch_sizes, reverse=False):
    total, n, state = sizes_of(out, w_hh, batch_sizes)
    check("gru_grad", out, batch_sizes, w_hh=(w_hh, (3 * n, n)), out=(out, (total, n)), act=(act, (total, 4 * n)),
          h0=(h0, state), dh=(dh, state), dout=(dout, (total, n)), dact=(dact, (total, 4 * n)))
    h0, w_hh, out, act, dout, dact = dense(h0, w_hh, out, act, dout, dact)
    dh, dgates, dhidden = state_of(dh, h0), matrix(out, total, 3 * n), matrix(out, total, 3 * n)
    for start, count, earlier, known in steps_back(batch_sizes, reverse):
        run("gru_grad", out, "PPPqPPPPPqq", count * n, at(act, start), at(out, earlier), h0, known, at(dout, start),
            at(dact, start), dh, at(dgates, start), at(dhidden, start), count, n)
        multiply(dh.narrow(0, 0, count), dhidden.narrow(0, start, count), w_hh, 1)
    return dgates, dh, weight_gradient(dhidden, out, h0, batch_sizes, reverse), sum_dim(dhidden, 0)


def rnn_grad(dout, dh, h0, w_hh, out, relu, batch_sizes, reverse=False):
    total, n, state = sizes_of(out, w_hh, batch_sizes)
    check("rnn_grad", out, batch_sizes, w_hh=(w_hh, (n, n)), out=(out, (total, n)), h0=(h0, state), dh=(dh, state),
          dout=(dout, (total, n)))
    h0, w_hh, out, dout = dense(h0, w_hh, out, dout)
    dh, dgates = state_of(dh, h0), matrix(out, total, n)
    for start, count, _, _ in steps_back(batch_sizes, reverse):
        run("rnn_grad", out, "PPPPqi", count * n, at(out, start), at(dout, start), dh, at(dgates, start), count * n,
            int(relu))
        multiply(dh.narrow(0, 0, count), dgates.narrow(0, start, count), w_hh)
    return dgates, dh, weight_gradient(dgates, out, h0, batch_sizes, reverse)


def weight_gradient(dgates, out, h0, batch_sizes, reverse):
    """The sum over all rows of dgates times the state that the row began with."""
    batch, total = h0.size(0), out.size(0)
    dw, rest = matrix(out, dgates.size(1), out.size(1)), total - batch
    if batch_sizes[-1] < batch:
        return blas.gemm(dw, dgates.t(), states_before(out, h0, batch_sizes, reverse))
    first, others, states = (rest, 0, batch) if reverse else (0, batch, 0)      # rows where parts begin
    blas.gemm(dw, dgates.narrow(0, first, batch).t(), h0)
    if rest:
        blas.gemm(dw, dgates.narrow(0, others, rest).t(), out.narrow(0, states, rest), 1, 1)
    return dw


def states_before(out, h0, batch_sizes, reverse):
    """The state that each row began with, as rows: that of the step before, the first one for sequences that join."""
    made = matrix(out, *out.size())
    for start, count, earlier, known in steps_back(batch_sizes, reverse):
        if known:
            copy_(made.narrow(0, start, known), out.narrow(0, earlier, known))
        if known < count:
            copy_(made.narrow(0, start + known, count - known), h0.narrow(0, known, count - known))
    return made
