"""Recurrent layers over whole sequences, one direction of one layer: LSTM, GRU and plain, and their gradients.

The rows of all steps lie one step after another in one matrix; batch_sizes tells how many sequences each step has, and
never grows. What the input adds to the gates comes ready (one product for all steps). A state of the whole batch is
carried along: sequences that have ended, or not begun, keep theirs, whatever the direction. Sequences do not depend on
each other, so threads share the batch and never wait for one another. Nothing here knows autograd.
"""
from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from .copying cimport contiguous, fill
from .dispatch cimport get
from .gemm cimport gemm_added_fn, gemm_fn, gemm_packed_fn, pack_all_fn, packed_size_fn, threads_for_product
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, empty_like, ptr, size_text, type_name

ctypedef Py_ssize_t size

ctypedef void (*lstm_fn)(size rows, size n, char* act, char* h, char* c, char* out, char* cells) noexcept nogil
ctypedef void (*lstm_grad_fn)(size rows, size n, char* act, char* cells, char* before, char* dout, size out_step,
                              char* dact, size act_step, char* dcells, size cells_step, char* dh, char* dc,
                              char* dgates) noexcept nogil
ctypedef void (*gru_fn)(size rows, size n, char* gates, char* act, char* h, char* out) noexcept nogil
ctypedef void (*gru_grad_fn)(size rows, size n, char* act, char* before, char* dout, size out_step, char* dact,
                             size act_step, char* dh, char* dgates, char* dhidden) noexcept nogil
ctypedef void (*rnn_fn)(size rows, size n, char* out, char* h) noexcept nogil
ctypedef void (*rnn_grad_fn)(size rows, size n, char* out, char* dout, size out_step, char* dh,
                             char* dgates) noexcept nogil


# Tensors as addresses. `step` is the distance of two rows: 0 where a row of zeros stands for what is not given.
cdef struct Rows:
    char* data
    size step


cdef struct Run:
    size steps, batch, hidden, total
    size* sizes                 # sequences in each step
    size* starts                # the row where each step begins
    bint reverse
    int item                    # bytes of an element
    size gates                  # of a sequence: 4, 3 or 1 times hidden
    gemm_packed_fn packed
    gemm_added_fn gemm
    char* weights               # packed where there are several steps
    size rb, cb                 # strides of the matrix of the hidden state, where it is not packed
    int threads                 # of one product, where there is one step
    void* cell
    char *h
    char *c
    char *out
    char *act
    char *cells
    char *x                     # the gates' part of the input
    char *bias
    bint keep                   # act and cells of all steps, or only of the last
    char *h0                    # from here on: gradients
    char *c0
    Rows dout
    Rows dact
    Rows dcells
    char *dx
    char *dhidden


ctypedef void (*run_fn)(Run* r, size first, size last) noexcept nogil


# ---- the walk over steps --------------------------------------------------------------------------------------------

cdef class Steps:
    """How many sequences each step has, checked against the number of rows."""
    cdef size* sizes
    cdef size* starts
    cdef size count

    def __cinit__(self, str name, batch_sizes, TensorBase gates):
        cdef size i, total = 0
        self.count = len(batch_sizes)
        self.sizes = <size*>malloc(2 * (self.count + 1) * sizeof(size))
        if self.sizes == NULL:
            raise MemoryError()
        self.starts = self.sizes + self.count
        for i in range(self.count):
            self.sizes[i], self.starts[i] = batch_sizes[i], total
            total += self.sizes[i]
            if self.sizes[i] < 1 or i > 0 and self.sizes[i] > self.sizes[i - 1]:
                raise RuntimeError("%s(): batch sizes have to be above 0 and must not grow, got %s"
                                   % (name, list(batch_sizes)))
        if self.count == 0 or gates.ndim != 2 or gates.sizes[0] != total:
            raise RuntimeError("%s(): batch sizes %s for gates of size (%s)"
                               % (name, list(batch_sizes), size_text(gates)))

    def __dealloc__(self):
        free(self.sizes)


cdef inline char* at(Run* r, char* base, size elements) noexcept nogil:
    return base + elements * r.item


cdef inline char* row(Run* r, Rows rows, size number) noexcept nogil:
    return rows.data + number * rows.step * r.item


cdef inline size turn_of(Run* r, size turn) noexcept nogil:
    """The step that is computed at a turn."""
    return r.steps - 1 - turn if r.reverse else turn


cdef inline size in_step(Run* r, size step, size first, size last) noexcept nogil:
    """How many of the sequences from first to last a step has."""
    return min(r.sizes[step], last) - first


cdef void multiply(Run* r, size m, size n, size k, char* a, size ra, double beta, char* d, size rd, char* c,
                   size rc) noexcept nogil:
    """c = a @ weights + beta * d."""
    if r.steps > 1:
        r.packed(m, n, k, a, ra, r.weights, beta, d, rd, c, rc)
    else:
        r.gemm(m, n, k, 1, a, ra, 1, r.weights, r.rb, r.cb, beta, d, rd, c, rc, r.threads)


cdef size before(Run* r, size turn, char* kept, char* start, char** found, size first, size m) noexcept nogil:
    """Where the m states from `first` on lie that the step began with: `found`, and how many lie there; the rest, if
    any, are those of the start."""
    cdef size earlier, n
    if turn == 0:
        found[0] = at(r, start, first * r.hidden)
        return m
    earlier = turn_of(r, turn - 1)
    n = in_step(r, earlier, first, first + m)
    if n <= 0:
        found[0] = at(r, start, first * r.hidden)
        return m
    found[0] = at(r, kept, (r.starts[earlier] + first) * r.hidden)
    return n


# ---- forward --------------------------------------------------------------------------------------------------------

cdef void lstm_forward(Run* r, size first, size last) noexcept nogil:
    cdef size turn, step, m, place, n = r.hidden
    cdef char *act
    cdef char *h = at(r, r.h, first * n)
    for turn in range(r.steps):
        step = turn_of(r, turn)
        m = in_step(r, step, first, last)
        if m <= 0:
            continue
        place = r.starts[step] + first
        act = at(r, r.act, (place if r.keep else first) * 4 * n)
        multiply(r, m, 4 * n, n, h, n, 1, at(r, r.x, place * 4 * n), 4 * n, act, 4 * n)
        (<lstm_fn>r.cell)(m, n, act, h, at(r, r.c, first * n), at(r, r.out, place * n),
                          at(r, r.cells, (place if r.keep else first) * n))


cdef void gru_forward(Run* r, size first, size last) noexcept nogil:
    cdef size turn, step, m, place, n = r.hidden
    cdef char *act
    cdef char *h = at(r, r.h, first * n)
    for turn in range(r.steps):
        step = turn_of(r, turn)
        m = in_step(r, step, first, last)
        if m <= 0:
            continue
        place = r.starts[step] + first
        act = at(r, r.act, (place if r.keep else first) * 4 * n)
        multiply(r, m, 3 * n, n, h, n, r.bias != NULL, r.bias, 0, act, 4 * n)
        (<gru_fn>r.cell)(m, n, at(r, r.x, place * 3 * n), act, h, at(r, r.out, place * n))


cdef void rnn_forward(Run* r, size first, size last) noexcept nogil:
    cdef size turn, step, m, place, n = r.hidden
    cdef char *out
    cdef char *h = at(r, r.h, first * n)
    for turn in range(r.steps):
        step = turn_of(r, turn)
        m = in_step(r, step, first, last)
        if m <= 0:
            continue
        place = (r.starts[step] + first) * n
        out = at(r, r.out, place)
        multiply(r, m, n, n, h, n, 1, at(r, r.x, place), n, out, n)
        (<rnn_fn>r.cell)(m, n, out, h)


# ---- backward: h and c are the gradients of the state ---------------------------------------------------------------

cdef void lstm_backward_rows(Run* r, size place, size offset, size m, char* before) noexcept nogil:
    cdef size n = r.hidden
    (<lstm_grad_fn>r.cell)(
        m, n, at(r, r.act, place * 4 * n), at(r, r.cells, place * n), before, row(r, r.dout, place), r.dout.step,
        row(r, r.dact, place), r.dact.step, row(r, r.dcells, place), r.dcells.step, at(r, r.h, offset * n),
        at(r, r.c, offset * n), at(r, r.dx, place * 4 * n))


cdef void lstm_backward(Run* r, size first, size last) noexcept nogil:
    cdef size turn, step, m, known, place, n = r.hidden
    cdef char *found = NULL
    for turn in range(r.steps - 1, -1, -1):
        step = turn_of(r, turn)
        m = in_step(r, step, first, last)
        if m <= 0:
            continue
        place = r.starts[step] + first
        known = before(r, turn, r.cells, r.c0, &found, first, m)
        lstm_backward_rows(r, place, first, known, found)
        if known < m:
            lstm_backward_rows(r, place + known, first + known, m - known, at(r, r.c0, (first + known) * n))
        multiply(r, m, n, 4 * n, at(r, r.dx, place * 4 * n), 4 * n, 0, NULL, 0, at(r, r.h, first * n), n)


cdef void gru_backward_rows(Run* r, size place, size offset, size m, char* before) noexcept nogil:
    cdef size n = r.hidden
    (<gru_grad_fn>r.cell)(
        m, n, at(r, r.act, place * 4 * n), before, row(r, r.dout, place), r.dout.step, row(r, r.dact, place),
        r.dact.step, at(r, r.h, offset * n), at(r, r.dx, place * 3 * n), at(r, r.dhidden, place * 3 * n))


cdef void gru_backward(Run* r, size first, size last) noexcept nogil:
    cdef size turn, step, m, known, place, n = r.hidden
    cdef char *found = NULL
    cdef char *h = at(r, r.h, first * n)
    for turn in range(r.steps - 1, -1, -1):
        step = turn_of(r, turn)
        m = in_step(r, step, first, last)
        if m <= 0:
            continue
        place = r.starts[step] + first
        known = before(r, turn, r.out, r.h0, &found, first, m)
        gru_backward_rows(r, place, first, known, found)
        if known < m:
            gru_backward_rows(r, place + known, first + known, m - known, at(r, r.h0, (first + known) * n))
        multiply(r, m, n, 3 * n, at(r, r.dhidden, place * 3 * n), 3 * n, 1, h, n, h, n)


cdef void rnn_backward(Run* r, size first, size last) noexcept nogil:
    cdef size turn, step, m, place, n = r.hidden
    cdef char *h = at(r, r.h, first * n)
    for turn in range(r.steps - 1, -1, -1):
        step = turn_of(r, turn)
        m = in_step(r, step, first, last)
        if m <= 0:
            continue
        place = r.starts[step] + first
        (<rnn_grad_fn>r.cell)(m, n, at(r, r.out, place * n), row(r, r.dout, place), r.dout.step, h,
                              at(r, r.dx, place * n))
        multiply(r, m, n, n, at(r, r.dx, place * n), n, 0, NULL, 0, h, n)


# ---- preparing a run ------------------------------------------------------------------------------------------------

cdef TensorBase checked(str name, str what, TensorBase t, TensorBase gates, size rows, size columns):
    """t, dense, if it is of the type of the gates and rows x columns (a vector where rows is 0)."""
    if t.dtype != gates.dtype:
        raise TypeError("%s(): gates are a %s, %s a %s" % (name, type_name(gates), what, type_name(t)))
    if t.numel_ != max(rows, 1) * columns or t.ndim != (2 if rows else 1) or t.sizes[t.ndim - 1] != columns:
        raise RuntimeError("%s(): expected %s of size (%s%d), got (%s)"
                           % (name, what, "%d x " % rows if rows else "", columns, size_text(t)))
    return contiguous(t)


cdef TensorBase prepare(Run* r, str name, TensorBase gates, Steps steps, TensorBase w_hh, int groups, bint reverse,
                        bint backward):
    """Fill in what all have; returns what has to live as long as the run: the weights, packed if that is worth it."""
    cdef size n = w_hh.sizes[1] if w_hh.ndim == 2 else 0, inner, outer, length
    cdef TensorBase packed
    memset(r, 0, sizeof(Run))
    w_hh = checked(name, "w_hh", w_hh, gates, groups * n, n)
    if gates.sizes[1] != groups * n:
        raise RuntimeError("%s(): expected gates of size (%d x %d), got (%s)"
                           % (name, gates.sizes[0], groups * n, size_text(gates)))
    r.steps, r.sizes, r.starts, r.batch = steps.count, steps.sizes, steps.starts, steps.sizes[0]
    r.hidden, r.gates, r.total, r.reverse, r.item = n, groups * n, gates.sizes[0], reverse, itemsize(gates.dtype)
    r.gemm = <gemm_added_fn>get("gemm_added", gates.dtype)
    r.packed = <gemm_packed_fn>get("gemm_packed", gates.dtype)
    r.threads = threads_for_product(r.total, r.gates, n)
    # Forward multiplies by the turned matrix, backward by itself.
    if backward:
        inner, outer, r.rb, r.cb = r.gates, n, n, 1
    else:
        inner, outer, r.rb, r.cb = n, r.gates, 1, n
    r.weights = ptr(w_hh)
    if r.steps == 1:
        return w_hh
    length = (<packed_size_fn>get("packed_size", gates.dtype))(inner, outer)
    packed = empty(gates.dtype, 1, &length)
    (<pack_all_fn>get("pack_all", gates.dtype))(inner, outer, ptr(w_hh), r.rb, r.cb, ptr(packed))
    r.weights = ptr(packed)
    return packed


cdef void run(Run* r, run_fn walk) noexcept nogil:
    """Walk over all steps; where there are several, each thread with some of the sequences."""
    cdef int threads = min(<size>r.threads, r.batch) if r.steps > 1 else 1, i
    if threads == 1:
        walk(r, 0, r.batch)
        return
    for i in prange(threads, num_threads=threads, schedule="static"):
        walk(r, r.batch * i // threads, r.batch * (i + 1) // threads)


cdef TensorBase matrix(TensorBase like, size rows, size columns):
    cdef size[2] sizes
    sizes[0], sizes[1] = rows, columns
    return empty(like.dtype, 2, sizes)


cdef TensorBase copy_of(TensorBase dense):
    cdef TensorBase t = empty_like(dense)
    memcpy(ptr(t), ptr(dense), dense.numel_ * itemsize(dense.dtype))
    return t


cdef TensorBase zeros(TensorBase like, size rows, size columns):
    cdef TensorBase t = matrix(like, rows, columns)
    memset(ptr(t), 0, t.numel_ * itemsize(t.dtype))
    return t


# ---- LSTM -----------------------------------------------------------------------------------------------------------

def lstm(TensorBase gates not None, TensorBase h0 not None, TensorBase c0 not None, TensorBase w_hh not None,
         batch_sizes, bint reverse=False, bint keep=True):
    """(output of all steps, last h, last c, values of the gates, cells); the last two None unless keep."""
    cdef Run r
    cdef Steps steps = Steps("lstm", batch_sizes, gates)
    cdef TensorBase _weights = prepare(&r, "lstm", gates, steps, w_hh, 4, reverse, False), out, act, cells, h, c
    cdef size rows = r.total if keep else r.batch
    gates = contiguous(gates)
    h = copy_of(checked("lstm", "h0", h0, gates, r.batch, r.hidden))
    c = copy_of(checked("lstm", "c0", c0, gates, r.batch, r.hidden))
    out, act, cells = matrix(gates, r.total, r.hidden), matrix(gates, rows, r.gates), matrix(gates, rows, r.hidden)
    r.cell, r.keep = get("lstm_cell", gates.dtype), keep
    r.x, r.h, r.c, r.out, r.act, r.cells = ptr(gates), ptr(h), ptr(c), ptr(out), ptr(act), ptr(cells)
    with nogil:
        run(&r, lstm_forward)
    return (out, h, c, act, cells) if keep else (out, h, c, None, None)


def lstm_grad(TensorBase dout, TensorBase dh, TensorBase dc, TensorBase dact, TensorBase dcells,
              TensorBase h0 not None, TensorBase c0 not None, TensorBase w_hh not None, TensorBase out not None,
              TensorBase act not None, TensorBase cells not None, batch_sizes, bint reverse=False):
    """Gradients by gates, h0, c0 and w_hh; what is None of those of the outputs counts as zeros."""
    cdef Run r
    cdef Steps steps = Steps("lstm_grad", batch_sizes, act)
    cdef TensorBase _weights = prepare(&r, "lstm_grad", act, steps, w_hh, 4, reverse, True), dgates, dw, nothing
    out, act = checked("lstm_grad", "out", out, act, r.total, r.hidden), contiguous(act)
    cells = checked("lstm_grad", "cells", cells, act, r.total, r.hidden)
    h0 = checked("lstm_grad", "h0", h0, act, r.batch, r.hidden)
    c0 = checked("lstm_grad", "c0", c0, act, r.batch, r.hidden)
    dh, dc = state_gradient(&r, "dh", dh, act), state_gradient(&r, "dc", dc, act)
    nothing = zeros(act, 1, r.gates)
    dout = output_gradient(&r, &r.dout, "dout", dout, act, r.hidden, nothing)
    dact = output_gradient(&r, &r.dact, "dact", dact, act, r.gates, nothing)
    dcells = output_gradient(&r, &r.dcells, "dcells", dcells, act, r.hidden, nothing)
    dgates, dw = empty_like(act), matrix(act, r.gates, r.hidden)
    r.cell = get("lstm_cell_grad", act.dtype)
    r.act, r.cells, r.out, r.h0, r.c0 = ptr(act), ptr(cells), ptr(out), ptr(h0), ptr(c0)
    r.h, r.c, r.dx = ptr(dh), ptr(dc), ptr(dgates)
    with nogil:
        run(&r, lstm_backward)
    weight_gradient(&r, dgates, out, h0, dw)
    return dgates, dh, dc, dw


cdef TensorBase state_gradient(Run* r, str what, TensorBase given, TensorBase like):
    """A tensor of the gradient of the last state, which the walk turns into that of the first."""
    if given is None:
        return zeros(like, r.batch, r.hidden)
    return copy_of(checked("gradient", what, given, like, r.batch, r.hidden))


cdef TensorBase output_gradient(Run* r, Rows* rows, str what, TensorBase given, TensorBase like, size columns,
                                TensorBase nothing):
    """Note where the gradient of an output lies; returns what holds it."""
    if given is None:
        rows.data, rows.step = ptr(nothing), 0
        return nothing
    given = checked("gradient", what, given, like, r.total, columns)
    rows.data, rows.step = ptr(given), columns
    return given


cdef int weight_gradient(Run* r, TensorBase dgates, TensorBase out, TensorBase h0, TensorBase dw) except -1:
    """dw = the sum over all rows of dgates times the state before it, as one product, and one for the first states."""
    cdef size n = r.hidden, rest = r.total - r.batch
    cdef char *first = ptr(dgates)          # of the steps that began with the first states, and of the others
    cdef char *others = ptr(dgates)
    cdef char *states = ptr(out)
    cdef TensorBase before
    if r.sizes[r.steps - 1] < r.batch:
        before = states_before(r, out, h0)
        transposed_product(r, first, ptr(before), r.total, 0, dw)
        return 0
    if r.reverse:
        first = at(r, first, rest * r.gates)
        states = at(r, states, r.batch * n)
    else:
        others = at(r, others, r.batch * r.gates)
    transposed_product(r, first, ptr(h0), r.batch, 0, dw)
    if rest > 0:
        transposed_product(r, others, states, rest, 1, dw)
    return 0


cdef int transposed_product(Run* r, char* dgates, char* states, size rows, double beta, TensorBase dw) except -1:
    cdef gemm_fn gemm = <gemm_fn>get("gemm", dw.dtype)
    with nogil:
        gemm(r.gates, r.hidden, rows, 1, dgates, 1, r.gates, states, r.hidden, 1, beta, ptr(dw), r.hidden,
             threads_for_product(r.gates, r.hidden, rows))
    return 0


cdef TensorBase states_before(Run* r, TensorBase out, TensorBase h0):
    """The state that each row began with, as rows."""
    cdef TensorBase t = matrix(out, r.total, r.hidden)
    cdef size turn, step, known, m, width = r.hidden * r.item
    cdef char *found = NULL
    cdef char *to
    for turn in range(r.steps):
        step = turn_of(r, turn)
        m = r.sizes[step]
        known = before(r, turn, ptr(out), ptr(h0), &found, 0, m)
        to = ptr(t) + r.starts[step] * width
        memcpy(to, found, known * width)
        memcpy(to + known * width, ptr(h0) + known * width, (m - known) * width)
    return t


# ---- GRU ------------------------------------------------------------------------------------------------------------

def gru(TensorBase gates not None, TensorBase h0 not None, TensorBase w_hh not None, TensorBase b_hh, batch_sizes,
        bint reverse=False, bint keep=True):
    """(output of all steps, last h, what is kept of each step); the last None unless keep."""
    cdef Run r
    cdef Steps steps = Steps("gru", batch_sizes, gates)
    cdef TensorBase _weights = prepare(&r, "gru", gates, steps, w_hh, 3, reverse, False), out, act, h
    gates = contiguous(gates)
    h = copy_of(checked("gru", "h0", h0, gates, r.batch, r.hidden))
    if b_hh is not None:
        b_hh = checked("gru", "b_hh", b_hh, gates, 0, r.gates)
        r.bias = ptr(b_hh)
    out, act = matrix(gates, r.total, r.hidden), matrix(gates, r.total if keep else r.batch, 4 * r.hidden)
    r.cell, r.keep = get("gru_cell", gates.dtype), keep
    r.x, r.h, r.out, r.act = ptr(gates), ptr(h), ptr(out), ptr(act)
    with nogil:
        run(&r, gru_forward)
    return (out, h, act) if keep else (out, h, None)


def gru_grad(TensorBase dout, TensorBase dh, TensorBase dact, TensorBase h0 not None, TensorBase w_hh not None,
             TensorBase out not None, TensorBase act not None, batch_sizes, bint reverse=False):
    """Gradients by gates, h0, w_hh and b_hh; what is None of those of the outputs counts as zeros."""
    cdef Run r
    cdef Steps steps = Steps("gru_grad", batch_sizes, out)
    cdef size n = out.sizes[1]
    cdef TensorBase dgates = matrix(out, out.sizes[0], 3 * n), dhidden = empty_like(dgates), dw, db, _weights, nothing
    _weights = prepare(&r, "gru_grad", dgates, steps, w_hh, 3, reverse, True)
    out, act = contiguous(out), checked("gru_grad", "act", act, out, r.total, 4 * n)
    h0 = checked("gru_grad", "h0", h0, out, r.batch, n)
    dh = state_gradient(&r, "dh", dh, out)
    nothing = zeros(out, 1, 4 * n)
    dout = output_gradient(&r, &r.dout, "dout", dout, out, n, nothing)
    dact = output_gradient(&r, &r.dact, "dact", dact, out, 4 * n, nothing)
    dw, db = matrix(out, r.gates, n), empty(out.dtype, 1, &r.gates)
    r.cell = get("gru_cell_grad", out.dtype)
    r.act, r.out, r.h0, r.h, r.dx, r.dhidden = ptr(act), ptr(out), ptr(h0), ptr(dh), ptr(dgates), ptr(dhidden)
    with nogil:
        run(&r, gru_backward)
    weight_gradient(&r, dhidden, out, h0, dw)
    sum_rows(dhidden, db)
    return dgates, dh, dw, db


cdef int sum_rows(TensorBase x, TensorBase total) except -1:
    cdef gemm_fn gemm = <gemm_fn>get("gemm", x.dtype)
    cdef size rows = x.sizes[0], columns = x.sizes[1]
    cdef TensorBase ones = empty(x.dtype, 1, &rows)
    fill(ones, 1)
    with nogil:
        gemm(columns, 1, rows, 1, ptr(x), 1, columns, ptr(ones), 1, 1, 0, ptr(total), 1, 1)
    return 0


# ---- plain ----------------------------------------------------------------------------------------------------------

def rnn(TensorBase gates not None, TensorBase h0 not None, TensorBase w_hh not None, bint relu, batch_sizes,
        bint reverse=False):
    """(output of all steps, last h)."""
    cdef Run r
    cdef Steps steps = Steps("rnn", batch_sizes, gates)
    cdef TensorBase _weights = prepare(&r, "rnn", gates, steps, w_hh, 1, reverse, False), out, h
    gates = contiguous(gates)
    h = copy_of(checked("rnn", "h0", h0, gates, r.batch, r.hidden))
    out = matrix(gates, r.total, r.hidden)
    r.cell = get("rnn_relu_cell" if relu else "rnn_tanh_cell", gates.dtype)
    r.x, r.h, r.out = ptr(gates), ptr(h), ptr(out)
    with nogil:
        run(&r, rnn_forward)
    return out, h


def rnn_grad(TensorBase dout, TensorBase dh, TensorBase h0 not None, TensorBase w_hh not None,
             TensorBase out not None, bint relu, batch_sizes, bint reverse=False):
    """Gradients by gates, h0 and w_hh; what is None of those of the outputs counts as zeros."""
    cdef Run r
    cdef Steps steps = Steps("rnn_grad", batch_sizes, out)
    cdef TensorBase _weights = prepare(&r, "rnn_grad", out, steps, w_hh, 1, reverse, True), dgates, dw, nothing
    out, h0 = contiguous(out), checked("rnn_grad", "h0", h0, out, r.batch, r.hidden)
    dh = state_gradient(&r, "dh", dh, out)
    nothing = zeros(out, 1, r.hidden)
    dout = output_gradient(&r, &r.dout, "dout", dout, out, r.hidden, nothing)
    dgates, dw = empty_like(out), matrix(out, r.hidden, r.hidden)
    r.cell = get("rnn_relu_cell_grad" if relu else "rnn_tanh_cell_grad", out.dtype)
    r.out, r.h0, r.h, r.dx = ptr(out), ptr(h0), ptr(dh), ptr(dgates)
    with nogil:
        run(&r, rnn_backward)
    weight_gradient(&r, dgates, out, h0, dw)
    return dgates, dh, dw
