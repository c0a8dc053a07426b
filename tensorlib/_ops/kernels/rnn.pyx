# cython: language_level=3
# What a step of a recurrent layer does to each element between its matrix products: the gates, the new state, and the
# derivatives. Rows of gates lie side by side in groups of n; what is optional is a row of zeros with a step of 0.
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport sigmoid_low_of, tanh_low_of
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "rnn_cell.h" nogil:
    void tl_lstm_cell_grad_f32(Py_ssize_t n, const float* act, const float* cells, const float* before,
                               const float* dout, const float* dact, const float* dcells, const float* dh, float* dc,
                               float* dgates)
    void tl_lstm_cell_grad_f64(Py_ssize_t n, const double* act, const double* cells, const double* before,
                               const double* dout, const double* dact, const double* dcells, const double* dh,
                               double* dc, double* dgates)
    void tl_gru_cell_grad_f32(Py_ssize_t n, const float* act, const float* before, const float* dout,
                              const float* dact, float* dh, float* dgates, float* dhidden)
    void tl_gru_cell_grad_f64(Py_ssize_t n, const double* act, const double* before, const double* dout,
                              const double* dact, double* dh, double* dgates, double* dhidden)


# ---- LSTM: gates input, forget, cell, output ----------------------------------------------------------------------

cdef void lstm_cell(Py_ssize_t rows, Py_ssize_t n, real* act, real* h, real* c, real* out, real* cells) noexcept nogil:
    """act holds the sums of the gates and becomes their values; the state moves on, and is copied to out and cells."""
    cdef Py_ssize_t j
    cdef real *i
    cdef real *f
    cdef real *g
    cdef real *o
    for _ in range(rows):
        i, f, g, o = act, act + n, act + 2 * n, act + 3 * n
        for j in range(n):
            i[j] = sigmoid_low_of(i[j])
            f[j] = sigmoid_low_of(f[j])
            g[j] = tanh_low_of(g[j])
            o[j] = sigmoid_low_of(o[j])
        for j in range(n):
            c[j] = f[j] * c[j] + i[j] * g[j]
            h[j] = o[j] * tanh_low_of(c[j])
        for j in range(n):
            out[j] = h[j]
            cells[j] = c[j]
        act += 4 * n
        h += n
        c += n
        out += n
        cells += n


cdef void lstm_cell_grad(Py_ssize_t rows, Py_ssize_t n, const real* act, const real* cells, const real* before,
                         const real* dout, Py_ssize_t out_step, const real* dact, Py_ssize_t act_step,
                         const real* dcells, Py_ssize_t cells_step, const real* dh, real* dc,
                         real* dgates) noexcept nogil:
    """dgates of the sums of the gates, and dc of the cell before, from dh and dc of the state after. `before` is the
    cell before."""
    for _ in range(rows):
        if real is float:
            tl_lstm_cell_grad_f32(n, act, cells, before, dout, dact, dcells, dh, dc, dgates)
        else:
            tl_lstm_cell_grad_f64(n, act, cells, before, dout, dact, dcells, dh, dc, dgates)
        act += 4 * n
        cells += n
        before += n
        dout += out_step
        dact += act_step
        dcells += cells_step
        dh += n
        dc += n
        dgates += 4 * n


# ---- GRU: gates reset, update, new; what is kept: reset, update, the hidden part of new, new ----------------------

cdef void gru_cell(Py_ssize_t rows, Py_ssize_t n, const real* gates, real* act, real* h, real* out) noexcept nogil:
    """gates holds the parts of the input, act those of the hidden state, and becomes what is kept; h moves on."""
    cdef Py_ssize_t j
    cdef const real *x
    cdef real *a
    for _ in range(rows):
        x, a = gates, act
        for j in range(2 * n):
            a[j] = sigmoid_low_of(x[j] + a[j])
        for j in range(n):
            a[3 * n + j] = tanh_low_of(x[2 * n + j] + a[j] * a[2 * n + j])
        for j in range(n):
            h[j] = a[3 * n + j] + a[n + j] * (h[j] - a[3 * n + j])
            out[j] = h[j]
        gates += 3 * n
        act += 4 * n
        h += n
        out += n


cdef void gru_cell_grad(Py_ssize_t rows, Py_ssize_t n, const real* act, const real* before, const real* dout,
                        Py_ssize_t out_step, const real* dact, Py_ssize_t act_step, real* dh, real* dgates,
                        real* dhidden) noexcept nogil:
    """Derivatives of the parts of the input and of the hidden state; dh becomes what the state before gets directly."""
    for _ in range(rows):
        if real is float:
            tl_gru_cell_grad_f32(n, act, before, dout, dact, dh, dgates, dhidden)
        else:
            tl_gru_cell_grad_f64(n, act, before, dout, dact, dh, dgates, dhidden)
        act += 4 * n
        before += n
        dout += out_step
        dact += act_step
        dh += n
        dgates += 3 * n
        dhidden += 3 * n


# ---- plain -----------------------------------------------------------------------------------------------------------

cdef void rnn_tanh_cell(Py_ssize_t rows, Py_ssize_t n, real* out, real* h) noexcept nogil:
    """out holds the sums and becomes the new state."""
    cdef Py_ssize_t j
    for j in range(rows * n):
        out[j] = tanh_low_of(out[j])
    for j in range(rows * n):
        h[j] = out[j]


cdef void rnn_relu_cell(Py_ssize_t rows, Py_ssize_t n, real* out, real* h) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(rows * n):
        out[j] = 0 if out[j] <= 0 else out[j]       # NaN passes
    for j in range(rows * n):
        h[j] = out[j]


cdef void rnn_tanh_cell_grad(Py_ssize_t rows, Py_ssize_t n, const real* out, const real* dout, Py_ssize_t out_step,
                             const real* dh, real* dgates) noexcept nogil:
    cdef Py_ssize_t j
    for _ in range(rows):
        for j in range(n):
            dgates[j] = (dh[j] + dout[j]) * (1 - out[j] * out[j])
        out += n
        dout += out_step
        dh += n
        dgates += n


cdef void rnn_relu_cell_grad(Py_ssize_t rows, Py_ssize_t n, const real* out, const real* dout, Py_ssize_t out_step,
                             const real* dh, real* dgates) noexcept nogil:
    cdef Py_ssize_t j
    for _ in range(rows):
        for j in range(n):
            dgates[j] = dh[j] + dout[j] if out[j] > 0 else 0
        out += n
        dout += out_step
        dh += n
        dgates += n


put("lstm_cell", F32, <void*>lstm_cell[float])
put("lstm_cell", F64, <void*>lstm_cell[double])
put("lstm_cell_grad", F32, <void*>lstm_cell_grad[float])
put("lstm_cell_grad", F64, <void*>lstm_cell_grad[double])
put("gru_cell", F32, <void*>gru_cell[float])
put("gru_cell", F64, <void*>gru_cell[double])
put("gru_cell_grad", F32, <void*>gru_cell_grad[float])
put("gru_cell_grad", F64, <void*>gru_cell_grad[double])
put("rnn_tanh_cell", F32, <void*>rnn_tanh_cell[float])
put("rnn_tanh_cell", F64, <void*>rnn_tanh_cell[double])
put("rnn_relu_cell", F32, <void*>rnn_relu_cell[float])
put("rnn_relu_cell", F64, <void*>rnn_relu_cell[double])
put("rnn_tanh_cell_grad", F32, <void*>rnn_tanh_cell_grad[float])
put("rnn_tanh_cell_grad", F64, <void*>rnn_tanh_cell_grad[double])
put("rnn_relu_cell_grad", F32, <void*>rnn_relu_cell_grad[float])
put("rnn_relu_cell_grad", F64, <void*>rnn_relu_cell_grad[double])
