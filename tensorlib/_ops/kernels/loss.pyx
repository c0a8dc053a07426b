# Losses: sums over elements, and their derivatives. Sums are taken piece by piece, the pieces the same whatever the
# number of threads, lanes of partial results inside a chunk, double outside: one result on every machine.
from cython.parallel cimport prange
from libc.stdint cimport int64_t

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport exp_of, log1p_of, log_of, sigmoid_of
from tensorlib._ops.parallel cimport threads_for
from tensorlib._ops.types cimport F32, F64, real

cdef enum:
    LANES = 16
    CHUNK = 1024        # elements added up in lanes before double takes over
    PIECES = 64         # parts of a sum that threads may take

cdef enum:              # as in loss.pyx
    MSE = 0
    L1 = 1
    SMOOTH_L1 = 2
    BCE = 3
    KL_DIV = 4
    SOFT_MARGIN = 5
    HINGE_EMBEDDING = 6
    BCE_LOGITS = 7


cdef inline real value(int what, real x, real t, real margin) noexcept nogil:
    """The loss of one element. `what` is a constant wherever this is inlined."""
    cdef real d = x - t, a
    if what == MSE:
        return d * d
    if what == L1:
        return d if d > 0 else -d
    if what == SMOOTH_L1:
        a = d if d > 0 else -d
        return <real>0.5 * d * d if a < 1 else a - <real>0.5
    if what == BCE:
        return -(log_of(x + <real>1e-12) * t + log_of(1 - x + <real>1e-12) * (1 - t))
    if what == KL_DIV:
        return t * (log_of(t) - x) if t > 0 else 0
    if what == SOFT_MARGIN:
        d = -x * t
        a = d if d < 0 else -d
        return (d if d > 0 else 0) + log1p_of(exp_of(a))
    if what == BCE_LOGITS:
        a = x if x < 0 else -x
        return (x if x > 0 else 0) - x * t + log1p_of(exp_of(a))
    d = margin - x
    return (0 if t == -1 else x) + (0 if t == 1 or d < 0 else d)


cdef inline real slope(int what, real x, real t, real margin) noexcept nogil:
    """Derivative of value by x."""
    cdef real d = x - t
    if what == MSE:
        return 2 * d
    if what == L1:
        return 1 if d >= 0 else -1
    if what == SMOOTH_L1:
        return -1 if d < -1 else (1 if d > 1 else d)
    if what == BCE:
        return d / ((1 - x + <real>1e-12) * (x + <real>1e-12))
    if what == KL_DIV:
        return -t if t > 0 else 0
    if what == SOFT_MARGIN:
        return -t * sigmoid_of(-x * t)
    if what == BCE_LOGITS:
        return sigmoid_of(x) - t
    return 0 if t == -1 and x > margin else t


cdef inline double sum_values(int what, const real* x, const real* t, const real* w, real margin,
                              Py_ssize_t n) noexcept nogil:
    """Sum over at most a chunk; w holds a weight for each element, or is NULL."""
    cdef real[LANES] lane
    cdef real rest = 0
    cdef Py_ssize_t i, j, b, blocks = n // LANES
    for j in range(LANES):
        lane[j] = 0
    if w == NULL:
        for b in range(blocks):
            i = b * LANES
            for j in range(LANES):
                lane[j] += value(what, x[i + j], t[i + j], margin)
        for i in range(blocks * LANES, n):
            rest += value(what, x[i], t[i], margin)
    else:
        for b in range(blocks):
            i = b * LANES
            for j in range(LANES):
                lane[j] += value(what, x[i + j], t[i + j], margin) * w[i + j]
        for i in range(blocks * LANES, n):
            rest += value(what, x[i], t[i], margin) * w[i]
    for j in range(LANES):
        rest += lane[j]
    return rest


cdef double sum_chunk(int what, const real* x, const real* t, const real* w, real margin, Py_ssize_t n) noexcept nogil:
    if what == MSE:
        return sum_values(MSE, x, t, w, margin, n)
    if what == L1:
        return sum_values(L1, x, t, w, margin, n)
    if what == SMOOTH_L1:
        return sum_values(SMOOTH_L1, x, t, w, margin, n)
    if what == BCE:
        return sum_values(BCE, x, t, w, margin, n)
    if what == KL_DIV:
        return sum_values(KL_DIV, x, t, w, margin, n)
    if what == SOFT_MARGIN:
        return sum_values(SOFT_MARGIN, x, t, w, margin, n)
    if what == BCE_LOGITS:
        return sum_values(BCE_LOGITS, x, t, w, margin, n)
    return sum_values(HINGE_EMBEDDING, x, t, w, margin, n)


cdef double sum_piece(int what, const real* x, const real* t, const real* w, real margin,
                      Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef double total = 0
    while start < stop:
        total += sum_chunk(what, x + start, t + start, w if w == NULL else w + start, margin,
                           min(CHUNK, stop - start))
        start += CHUNK
    return total


cdef double loss_kernel(int what, const real* x, const real* t, const real* w, double margin,
                        Py_ssize_t n) noexcept nogil:
    cdef double[PIECES] part
    cdef double total = 0
    cdef Py_ssize_t k, size = (n // (PIECES * CHUNK) + 1) * CHUNK, pieces = (n + size - 1) // size
    cdef int threads = threads_for(n)
    if threads == 1:
        for k in range(pieces):
            part[k] = sum_piece(what, x, t, w, <real>margin, k * size, min(n, (k + 1) * size))
    else:
        for k in prange(pieces, num_threads=threads, schedule="static"):
            part[k] = sum_piece(what, x, t, w, <real>margin, k * size, min(n, (k + 1) * size))
    for k in range(pieces):
        total += part[k]
    return total


cdef inline void slopes(int what, real* out, const real* x, const real* t, const real* w, real margin, real scale,
                        Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if w == NULL:
        for i in range(n):
            out[i] = slope(what, x[i], t[i], margin) * scale
    else:
        for i in range(n):
            out[i] = slope(what, x[i], t[i], margin) * scale * w[i]


cdef void slopes_range(int what, real* out, const real* x, const real* t, const real* w, real margin, real scale,
                       Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t n = stop - start
    out, x, t = out + start, x + start, t + start
    if w != NULL:
        w = w + start
    if what == MSE:
        slopes(MSE, out, x, t, w, margin, scale, n)
    elif what == L1:
        slopes(L1, out, x, t, w, margin, scale, n)
    elif what == SMOOTH_L1:
        slopes(SMOOTH_L1, out, x, t, w, margin, scale, n)
    elif what == BCE:
        slopes(BCE, out, x, t, w, margin, scale, n)
    elif what == KL_DIV:
        slopes(KL_DIV, out, x, t, w, margin, scale, n)
    elif what == SOFT_MARGIN:
        slopes(SOFT_MARGIN, out, x, t, w, margin, scale, n)
    elif what == BCE_LOGITS:
        slopes(BCE_LOGITS, out, x, t, w, margin, scale, n)
    else:
        slopes(HINGE_EMBEDDING, out, x, t, w, margin, scale, n)


cdef void loss_grad_kernel(int what, real* out, const real* x, const real* t, const real* w, double margin,
                           double scale, Py_ssize_t n) noexcept nogil:
    cdef int k, threads = threads_for(n)
    if threads == 1:
        slopes_range(what, out, x, t, w, <real>margin, <real>scale, 0, n)
        return
    for k in prange(threads, num_threads=threads, schedule="static"):
        slopes_range(what, out, x, t, w, <real>margin, <real>scale, n * k // threads, n * (k + 1) // threads)


cdef bint in_unit_kernel(const real* x, Py_ssize_t n) noexcept nogil:
    """Whether all are in [0, 1]; NaN is not."""
    cdef Py_ssize_t i
    cdef int bad = 0
    for i in range(n):
        bad |= not (x[i] >= 0 and x[i] <= 1)
    return not bad


# Negative log-likelihood: x is (batch, classes, inner), target (batch, inner), a class index for each place.

cdef void nll_part(const real* x, const int64_t* target, const real* w, Py_ssize_t classes, Py_ssize_t inner,
                   Py_ssize_t ignore, Py_ssize_t start, Py_ssize_t stop, double* sums) noexcept nogil:
    cdef double total = 0, weights = 0, one = 1
    cdef Py_ssize_t k
    for k in range(start, stop):
        if target[k] != ignore:
            if w != NULL:
                one = w[target[k]]
            total -= one * x[(k // inner * classes + target[k]) * inner + k % inner]
            weights += one
    sums[0] = total
    sums[1] = weights


cdef void nll_kernel(const real* x, const int64_t* target, const real* w, Py_ssize_t batch, Py_ssize_t classes,
                     Py_ssize_t inner, Py_ssize_t ignore, double* sums) noexcept nogil:
    """sums = (weighted sum of -x at the targets, sum of the weights), over the targets that are not ignored."""
    cdef double[PIECES * 2] part
    cdef Py_ssize_t places = batch * inner, size = (places // (PIECES * CHUNK) + 1) * CHUNK
    cdef Py_ssize_t k, pieces = (places + size - 1) // size
    cdef int threads = threads_for(places)
    if threads == 1:
        for k in range(pieces):
            nll_part(x, target, w, classes, inner, ignore, k * size, min(places, (k + 1) * size), part + 2 * k)
    else:
        for k in prange(pieces, num_threads=threads, schedule="static"):
            nll_part(x, target, w, classes, inner, ignore, k * size, min(places, (k + 1) * size), part + 2 * k)
    sums[0] = sums[1] = 0
    for k in range(pieces):
        sums[0] += part[2 * k]
        sums[1] += part[2 * k + 1]


cdef void nll_grad_kernel(real* out, const int64_t* target, const real* w, Py_ssize_t batch, Py_ssize_t classes,
                          Py_ssize_t inner, Py_ssize_t ignore, double scale) noexcept nogil:
    """out, zero before, gets -scale * weight at the targets."""
    cdef Py_ssize_t k
    for k in range(batch * inner):
        if target[k] != ignore:
            out[(k // inner * classes + target[k]) * inner + k % inner] = \
                <real>(-scale * (1 if w == NULL else w[target[k]]))


# Multi-class margin: sum over c != t of max(0, margin - x[t] + x[c]) ** p, for each row (of n classes).

cdef inline double multi_margin_row(const real* x, Py_ssize_t n, Py_ssize_t t, int p, double margin) noexcept nogil:
    cdef Py_ssize_t c
    cdef double z, total = 0
    for c in range(n):
        z = margin - x[t] + x[c]
        if c != t and z > 0:
            total += z if p == 1 else z * z
    return total


cdef double multi_margin_kernel(const real* x, const int64_t* target, const real* w, Py_ssize_t rows, Py_ssize_t n,
                                int p, double margin) noexcept nogil:
    cdef Py_ssize_t r
    cdef double total = 0
    for r in range(rows):
        total += multi_margin_row(x + r * n, n, target[r], p, margin) * (1 if w == NULL else w[target[r]])
    return total


cdef void multi_margin_grad_kernel(real* out, const real* x, const int64_t* target, const real* w, const real* v,
                                   Py_ssize_t rows, Py_ssize_t n, int p, double margin, double scale) noexcept nogil:
    """The gradient; or, where v is given, the second derivative applied to v (that of p == 2)."""
    cdef Py_ssize_t r, c, t, k
    cdef double z, s, total
    for r in range(rows):
        t = target[r]
        s = scale * (1 if w == NULL else w[t])
        total = 0
        for c in range(n):
            k = r * n + c
            z = margin - x[r * n + t] + x[k]
            if c == t or not z > 0:
                out[k] = 0
                continue
            if v != NULL:
                z = 2 * (v[k] - v[r * n + t])
            elif p == 1:
                z = 1
            else:
                z = 2 * z
            out[k] = <real>(s * z)
            total += s * z
        out[r * n + t] = <real>-total


# Multi-label margin: the targets of a row are its class indices up to the first -1; the sum runs over
# pairs of a target t and a class c that is none: max(0, 1 - x[t] + x[c]).

cdef Py_ssize_t mark_targets(char* is_target, const int64_t* target, Py_ssize_t n) noexcept nogil:
    """Mark the targets of a row; their number (one given twice counts twice)."""
    cdef Py_ssize_t c, count = 0
    for c in range(n):
        is_target[c] = 0
    while count < n and target[count] >= 0:
        is_target[target[count]] = 1
        count += 1
    return count


cdef double multilabel_margin_kernel(const real* x, const int64_t* target, char* is_target, Py_ssize_t rows,
                                     Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t r, c, k, count
    cdef double z, total = 0
    for r in range(rows):
        count = mark_targets(is_target, target + r * n, n)
        for k in range(count):
            for c in range(n):
                z = 1 - x[r * n + target[r * n + k]] + x[r * n + c]
                if not is_target[c] and z > 0:
                    total += z
    return total


cdef void multilabel_margin_grad_kernel(real* out, const real* x, const int64_t* target, char* is_target,
                                        Py_ssize_t rows, Py_ssize_t n, double scale) noexcept nogil:
    """out must be zero before."""
    cdef Py_ssize_t r, c, k, t, count
    for r in range(rows):
        count = mark_targets(is_target, target + r * n, n)
        for k in range(count):
            t = r * n + target[r * n + k]
            for c in range(n):
                if not is_target[c] and 1 - x[t] + x[r * n + c] > 0:
                    out[t] -= <real>scale
                    out[r * n + c] += <real>scale


put("loss", F32, <void*>loss_kernel[float])
put("loss", F64, <void*>loss_kernel[double])
put("loss_grad", F32, <void*>loss_grad_kernel[float])
put("loss_grad", F64, <void*>loss_grad_kernel[double])
put("in_unit", F32, <void*>in_unit_kernel[float])
put("in_unit", F64, <void*>in_unit_kernel[double])
put("nll", F32, <void*>nll_kernel[float])
put("nll", F64, <void*>nll_kernel[double])
put("nll_grad", F32, <void*>nll_grad_kernel[float])
put("nll_grad", F64, <void*>nll_grad_kernel[double])
put("multi_margin", F32, <void*>multi_margin_kernel[float])
put("multi_margin", F64, <void*>multi_margin_kernel[double])
put("multi_margin_grad", F32, <void*>multi_margin_grad_kernel[float])
put("multi_margin_grad", F64, <void*>multi_margin_grad_kernel[double])
put("multilabel_margin", F32, <void*>multilabel_margin_kernel[float])
put("multilabel_margin", F64, <void*>multilabel_margin_kernel[double])
put("multilabel_margin_grad", F32, <void*>multilabel_margin_grad_kernel[float])
put("multilabel_margin_grad", F64, <void*>multilabel_margin_grad_kernel[double])
