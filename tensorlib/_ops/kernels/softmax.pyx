# Softmax and log-softmax along one dim, cross-entropy, and their derivatives: data seen as (outer, n, inner), dense.
#
# With inner == 1 a slice is a row, and lanes of partial results run along it. With inner > 1 the lanes are
# neighbouring slices. Short rows are turned, a tile at a time, so that their lanes are neighbouring slices too.
from cython.parallel cimport prange
from libc.stdint cimport int64_t

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport exp_low_of, log_of
from tensorlib._ops.parallel cimport threads_for
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "rowsum.h" nogil:
    double tl_row_sum_f32(const float* x, Py_ssize_t n)
    double tl_row_sum_f64(const double* x, Py_ssize_t n)
    double tl_row_products_f32(const float* a, float p, const float* b, float q, Py_ssize_t n)
    double tl_row_products_f64(const double* a, double p, const double* b, double q, Py_ssize_t n)

cdef enum:
    LANES = 32          # largest elements of a row, side by side
    CHUNK = 1024        # elements whose exponentials are summed at a time
    TILE = 64           # slices done side by side
    SHORT = 48          # rows up to this length are turned
    PIECES = 64         # parts of a sum that threads may take

# What is computed of a slice: y = softmax(x) or log_softmax(x), or the gradient of x from g and y.
cdef enum:
    SOFTMAX = 0
    LOG_SOFTMAX = 1
    SOFTMAX_GRAD = 2
    LOG_SOFTMAX_GRAD = 3


cdef inline real row_max(const real* x, Py_ssize_t n) noexcept nogil:
    cdef real[LANES] lane
    cdef real m = x[0]
    cdef Py_ssize_t i, j, b, blocks = n // LANES
    for j in range(LANES):
        lane[j] = m
    for b in range(blocks):
        i = b * LANES
        for j in range(LANES):
            lane[j] = x[i + j] if x[i + j] > lane[j] else lane[j]
    for i in range(blocks * LANES, n):
        m = x[i] if x[i] > m else m
    for j in range(LANES):
        m = lane[j] if lane[j] > m else m
    return m


cdef inline double row_sum(const real* x, Py_ssize_t n) noexcept nogil:
    if real is float:
        return tl_row_sum_f32(x, n)
    else:
        return tl_row_sum_f64(x, n)


cdef inline double row_products(const real* x, const real* y, Py_ssize_t n) noexcept nogil:
    if real is float:
        return tl_row_products_f32(x, 0, y, 0, n)
    else:
        return tl_row_products_f64(x, 0, y, 0, n)


cdef inline double exp_of_row(real* out, const real* x, real shift, Py_ssize_t n) noexcept nogil:
    """out = exp(x - shift), and its sum, of what stays in the inner cache between the two."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = exp_low_of(x[i] - shift)
    return row_sum(out, n)


cdef inline double exp_sum_of_row(const real* x, real shift, Py_ssize_t n) noexcept nogil:
    cdef real[CHUNK] part
    cdef double total = 0
    cdef Py_ssize_t i, b
    for b in range((n + CHUNK - 1) // CHUNK):
        i = b * CHUNK
        total += exp_of_row(part, x + i, shift, min(n - i, CHUNK))
    return total


cdef void softmax_row(real* out, const real* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, b
    cdef real m = row_max(x, n), scale
    cdef double total = 0
    for b in range((n + CHUNK - 1) // CHUNK):
        i = b * CHUNK
        total += exp_of_row(out + i, x + i, m, min(n - i, CHUNK))
    scale = <real>(1 / total)
    for i in range(n):
        out[i] *= scale


cdef void log_softmax_row(real* out, const real* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real m = row_max(x, n), log_total = <real>log_of(exp_sum_of_row(x, m, n))
    for i in range(n):
        out[i] = (x[i] - m) - log_total


cdef void grad_row(int what, real* out, const real* g, const real* y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real s = <real>(row_products(g, y, n) if what == SOFTMAX_GRAD else row_sum(g, n))
    if what == SOFTMAX_GRAD:
        for i in range(n):
            out[i] = y[i] * (g[i] - s)
    else:
        for i in range(n):
            out[i] = g[i] - exp_low_of(y[i]) * s


cdef void forward_tile(int what, real* out, const real* x, Py_ssize_t n, Py_ssize_t stride,
                       Py_ssize_t lanes) noexcept nogil:
    """Slices side by side: element i of slice j stands at i * stride + j."""
    cdef real[TILE] m
    cdef real[TILE] total
    cdef Py_ssize_t i, j
    for j in range(lanes):
        m[j] = x[j]
        total[j] = 0
    for i in range(1, n):
        for j in range(lanes):
            m[j] = x[i * stride + j] if x[i * stride + j] > m[j] else m[j]
    if what == SOFTMAX:
        for i in range(n):
            for j in range(lanes):
                out[i * stride + j] = exp_low_of(x[i * stride + j] - m[j])
                total[j] += out[i * stride + j]
        for j in range(lanes):
            total[j] = 1 / total[j]
        for i in range(n):
            for j in range(lanes):
                out[i * stride + j] *= total[j]
    else:
        for i in range(n):
            for j in range(lanes):
                total[j] += exp_low_of(x[i * stride + j] - m[j])
        for j in range(lanes):
            total[j] = log_of(total[j])
        for i in range(n):
            for j in range(lanes):
                out[i * stride + j] = (x[i * stride + j] - m[j]) - total[j]


cdef void grad_tile(int what, real* out, const real* g, const real* y, Py_ssize_t n, Py_ssize_t stride,
                    Py_ssize_t lanes) noexcept nogil:
    cdef real[TILE] total
    cdef Py_ssize_t i, j, k
    for j in range(lanes):
        total[j] = 0
    if what == SOFTMAX_GRAD:
        for i in range(n):
            for j in range(lanes):
                total[j] += g[i * stride + j] * y[i * stride + j]
        for i in range(n):
            for j in range(lanes):
                k = i * stride + j
                out[k] = y[k] * (g[k] - total[j])
    else:
        for i in range(n):
            for j in range(lanes):
                total[j] += g[i * stride + j]
        for i in range(n):
            for j in range(lanes):
                k = i * stride + j
                out[k] = g[k] - exp_low_of(y[k]) * total[j]


cdef inline void turn(real* dst, const real* src, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    """dst (n, TILE) from src (rows, n)."""
    cdef Py_ssize_t i, j
    for j in range(rows):
        for i in range(n):
            dst[i * TILE + j] = src[j * n + i]


cdef inline void turn_back(real* dst, const real* src, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    for j in range(rows):
        for i in range(n):
            dst[j * n + i] = src[i * TILE + j]


cdef void short_rows(int what, real* out, const real* x, const real* y, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    cdef real[SHORT * TILE] a
    cdef real[SHORT * TILE] b
    turn(a, x, rows, n)
    if what == SOFTMAX or what == LOG_SOFTMAX:
        forward_tile(what, a, a, n, TILE, rows)
    else:
        turn(b, y, rows, n)
        grad_tile(what, a, a, b, n, TILE, rows)
    turn_back(out, a, rows, n)


cdef void one_row(int what, real* out, const real* x, const real* y, Py_ssize_t n) noexcept nogil:
    if what == SOFTMAX:
        softmax_row(out, x, n)
    elif what == LOG_SOFTMAX:
        log_softmax_row(out, x, n)
    else:
        grad_row(what, out, x, y, n)


cdef void one_tile(int what, real* out, const real* x, const real* y, Py_ssize_t n, Py_ssize_t inner,
                   Py_ssize_t lanes) noexcept nogil:
    if what == SOFTMAX or what == LOG_SOFTMAX:
        forward_tile(what, out, x, n, inner, lanes)
    else:
        grad_tile(what, out, x, y, n, inner, lanes)


cdef void softmax_units(int what, real* out, const real* x, const real* y, Py_ssize_t outer, Py_ssize_t n,
                        Py_ssize_t inner, Py_ssize_t unit, Py_ssize_t stop) noexcept nogil:
    """Units of work from unit to stop; what a unit is, count_units tells."""
    cdef Py_ssize_t tiles = (inner + TILE - 1) // TILE, lane, start
    while unit < stop:
        if inner > 1:
            lane = (unit % tiles) * TILE
            start = (unit // tiles) * n * inner + lane
            one_tile(what, out + start, x + start, y + start, n, inner, min(TILE, inner - lane))
        elif is_short(outer, n):
            start = unit * TILE * n
            short_rows(what, out + start, x + start, y + start, min(TILE, outer - unit * TILE), n)
        else:
            start = unit * n
            one_row(what, out + start, x + start, y + start, n)
        unit += 1


cdef inline bint is_short(Py_ssize_t outer, Py_ssize_t n) noexcept nogil:
    return n <= SHORT and outer >= 4


cdef inline Py_ssize_t count_units(Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner) noexcept nogil:
    if inner > 1:
        return outer * ((inner + TILE - 1) // TILE)
    return (outer + TILE - 1) // TILE if is_short(outer, n) else outer


cdef void softmax_kernel(int what, real* out, const real* x, const real* y,
                         Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner) noexcept nogil:
    """x is the input; for the gradients x is the gradient of the output and y the output."""
    cdef Py_ssize_t t, units = count_units(outer, n, inner)
    cdef int threads = threads_for(outer * n * inner)
    if threads == 1:
        softmax_units(what, out, x, y, outer, n, inner, 0, units)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        softmax_units(what, out, x, y, outer, n, inner, units * t // threads, units * (t + 1) // threads)


# Cross-entropy of log-softmax over the classes of x, (batch, classes, inner), and class indices, (batch, inner).

cdef void exp_sums(real* m, real* total, const real* x, Py_ssize_t n, Py_ssize_t stride,
                   Py_ssize_t lanes) noexcept nogil:
    """Of slices side by side: the largest element, and the sum of the exponentials of all less that."""
    cdef Py_ssize_t i, j
    for j in range(lanes):
        m[j] = x[j]
        total[j] = 0
    for i in range(1, n):
        for j in range(lanes):
            m[j] = x[i * stride + j] if x[i * stride + j] > m[j] else m[j]
    for i in range(n):
        for j in range(lanes):
            total[j] += exp_low_of(x[i * stride + j] - m[j])


cdef void unit_exp_sums(real* m, real* total, const real* x, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner,
                        Py_ssize_t number) noexcept nogil:
    """The same of a unit of work, of so many slices, from x on."""
    cdef real[SHORT * TILE] turned
    if inner > 1:
        exp_sums(m, total, x, n, inner, number)
    elif is_short(outer, n):
        turn(turned, x, number, n)
        exp_sums(m, total, turned, n, TILE, number)
    else:
        m[0] = row_max(x, n)
        total[0] = <real>exp_sum_of_row(x, m[0], n)


cdef struct Unit:
    Py_ssize_t start        # of its first slice, in x
    Py_ssize_t place        # of its first slice, in the target
    Py_ssize_t number       # of slices
    Py_ssize_t apart        # from a slice to the next
    Py_ssize_t stride       # from a class to the next


cdef inline Unit unit_of(Py_ssize_t unit, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner) noexcept nogil:
    cdef Unit u
    cdef Py_ssize_t tiles = (inner + TILE - 1) // TILE, lane
    if inner > 1:
        lane = (unit % tiles) * TILE
        u.start, u.place = (unit // tiles) * n * inner + lane, (unit // tiles) * inner + lane
        u.number = min(TILE, inner - lane)
        u.apart, u.stride = 1, inner
    else:
        u.place, u.number = unit, 1
        if is_short(outer, n):
            u.place, u.number = unit * TILE, min(TILE, outer - unit * TILE)
        u.start, u.apart, u.stride = u.place * n, n, 1
    return u


cdef void entropy_units(const real* x, const int64_t* target, const real* w, Py_ssize_t outer, Py_ssize_t n,
                        Py_ssize_t inner, Py_ssize_t ignore, Py_ssize_t unit, Py_ssize_t stop,
                        double* sums) noexcept nogil:
    cdef real[TILE] m
    cdef real[TILE] total
    cdef Unit u
    cdef Py_ssize_t j, t
    cdef double weight, losses = 0, weights = 0
    while unit < stop:
        u = unit_of(unit, outer, n, inner)
        unit_exp_sums(m, total, x + u.start, outer, n, inner, u.number)
        for j in range(u.number):
            total[j] = log_of(total[j])
        for j in range(u.number):
            t = target[u.place + j]
            if t != ignore:
                weight = 1 if w == NULL else w[t]
                losses += weight * (total[j] - (x[u.start + j * u.apart + t * u.stride] - m[j]))
                weights += weight
        unit += 1
    sums[0], sums[1] = losses, weights


cdef void cross_entropy_kernel(const real* x, const int64_t* target, const real* w, Py_ssize_t outer, Py_ssize_t n,
                               Py_ssize_t inner, Py_ssize_t ignore, double* sums) noexcept nogil:
    """sums = (weighted sum of the losses, sum of the weights), over the targets that are not ignored."""
    cdef double[PIECES * 2] part
    cdef Py_ssize_t k, units = count_units(outer, n, inner), pieces = min(units, PIECES)
    cdef int threads = threads_for(outer * n * inner)
    if threads == 1:
        for k in range(pieces):
            entropy_units(x, target, w, outer, n, inner, ignore, units * k // pieces, units * (k + 1) // pieces,
                          part + 2 * k)
    else:
        for k in prange(pieces, num_threads=threads, schedule="static"):
            entropy_units(x, target, w, outer, n, inner, ignore, units * k // pieces, units * (k + 1) // pieces,
                          part + 2 * k)
    sums[0] = sums[1] = 0
    for k in range(pieces):
        sums[0] += part[2 * k]
        sums[1] += part[2 * k + 1]


cdef void entropy_grad_units(real* dx, const real* x, const int64_t* target, const real* w, Py_ssize_t outer,
                             Py_ssize_t n, Py_ssize_t inner, Py_ssize_t ignore, double scale, Py_ssize_t unit,
                             Py_ssize_t stop) noexcept nogil:
    cdef real[TILE] factor
    cdef Unit u
    cdef Py_ssize_t i, j, t
    while unit < stop:
        u = unit_of(unit, outer, n, inner)
        softmax_units(SOFTMAX, dx, x, x, outer, n, inner, unit, unit + 1)
        for j in range(u.number):
            t = target[u.place + j]
            factor[j] = 0 if t == ignore else <real>(scale * (1 if w == NULL else w[t]))
        if inner > 1:
            for i in range(n):
                for j in range(u.number):
                    dx[u.start + i * inner + j] *= factor[j]
        else:
            for j in range(u.number):
                for i in range(n):
                    dx[u.start + j * n + i] *= factor[j]
        for j in range(u.number):
            if factor[j] != 0:
                dx[u.start + j * u.apart + target[u.place + j] * u.stride] -= factor[j]
        unit += 1


cdef void cross_entropy_grad_kernel(real* dx, const real* x, const int64_t* target, const real* w, Py_ssize_t outer,
                                    Py_ssize_t n, Py_ssize_t inner, Py_ssize_t ignore, double scale) noexcept nogil:
    """dx = scale * weight * (softmax(x) - 1 at the target), and 0 where the target is ignored."""
    cdef Py_ssize_t t, units = count_units(outer, n, inner)
    cdef int threads = threads_for(outer * n * inner)
    if threads == 1:
        entropy_grad_units(dx, x, target, w, outer, n, inner, ignore, scale, 0, units)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        entropy_grad_units(dx, x, target, w, outer, n, inner, ignore, scale, units * t // threads,
                           units * (t + 1) // threads)


put("softmax", F32, <void*>softmax_kernel[float])
put("softmax", F64, <void*>softmax_kernel[double])
put("cross_entropy", F32, <void*>cross_entropy_kernel[float])
put("cross_entropy", F64, <void*>cross_entropy_kernel[double])
put("cross_entropy_grad", F32, <void*>cross_entropy_grad_kernel[float])
put("cross_entropy_grad", F64, <void*>cross_entropy_grad_kernel[double])
