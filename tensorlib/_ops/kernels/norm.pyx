# Batch normalisation of (batch, channels, inner), dense: statistics, normalisation and gradient, channel by channel.
#
# Long inner rows are summed by vectors, chunks of them in double. With short ones the lanes are
# neighbouring channels, many of them side by side. The variance is that of the deviations from the mean (two passes).
# With `relu`, the output is cut off below 0 on its way out, and the gradient is masked on its way in: to dx, row by
# row, where the sums then find it.
from cython.parallel cimport prange
from libc.math cimport sqrt

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.parallel cimport threads_for
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "rowsum.h" nogil:
    double tl_row_sum_f32(const float* x, Py_ssize_t n)
    double tl_row_sum_f64(const double* x, Py_ssize_t n)
    double tl_row_products_f32(const float* a, float p, const float* b, float q, Py_ssize_t n)
    double tl_row_products_f64(const double* a, double p, const double* b, double q, Py_ssize_t n)

cdef enum:
    SHORT = 128         # inner rows shorter than this are not summed along themselves
    TILE = 256          # lanes side by side


cdef inline double row_sum(const real* x, Py_ssize_t n) noexcept nogil:
    if real is float:
        return tl_row_sum_f32(x, n)
    else:
        return tl_row_sum_f64(x, n)


cdef inline double row_products(const real* g, real center, const real* x, real mean, Py_ssize_t n) noexcept nogil:
    """Sum of (g - center) * (x - mean)."""
    if real is float:
        return tl_row_products_f32(g, center, x, mean, n)
    else:
        return tl_row_products_f64(g, center, x, mean, n)


cdef inline void put_statistics(double sum_, double squares, real center, double count, double eps, Py_ssize_t c,
                                real* mean, real* invstd, double* variance) noexcept nogil:
    """From the sums over a channel; squares are those of the deviations from center, which is near the mean."""
    cdef double m = sum_ / count, v = squares / count - (m - center) * (m - center)
    if v < 0:
        v = 0
    mean[c] = <real>m
    variance[c] = v
    invstd[c] = 0 if v + eps == 0 else <real>(1 / sqrt(v + eps))


cdef void channel_statistics(const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t c,
                             double eps, real* mean, real* invstd, double* variance) noexcept nogil:
    cdef double total = 0, squares = 0, count = <double>(batch * inner)
    cdef const real* row
    cdef real center
    cdef Py_ssize_t n
    for n in range(batch):
        total += row_sum(x + (n * channels + c) * inner, inner)
    center = <real>(total / count)
    for n in range(batch):
        row = x + (n * channels + c) * inner
        squares += row_products(row, center, row, center, inner)
    put_statistics(total, squares, center, count, eps, c, mean, invstd, variance)


cdef inline void tile_sum(const real* x, Py_ssize_t batch, Py_ssize_t stride, Py_ssize_t lanes,
                          double* total) noexcept nogil:
    """Sums over the batch, lane by lane; four rows are added before they go to double."""
    cdef Py_ssize_t n = 0, k
    for k in range(lanes):
        total[k] = 0
    while n + 4 <= batch:
        for k in range(lanes):
            total[k] += (x[k] + x[stride + k]) + (x[2 * stride + k] + x[3 * stride + k])
        x += 4 * stride
        n += 4
    while n < batch:
        for k in range(lanes):
            total[k] += x[k]
        x += stride
        n += 1


cdef inline real product(const real* g, const real* shift, const real* x, const real* center, Py_ssize_t start,
                         Py_ssize_t k) noexcept nogil:
    return (g[start + k] - shift[k]) * (x[start + k] - center[k])


cdef inline void tile_products(const real* g, const real* shift, const real* x, const real* center, Py_ssize_t batch,
                               Py_ssize_t stride, Py_ssize_t lanes, double* total) noexcept nogil:
    """Sums of (g - shift) * (x - center) over the batch, lane by lane."""
    cdef Py_ssize_t n = 0, k
    for k in range(lanes):
        total[k] = 0
    while n + 4 <= batch:
        for k in range(lanes):
            total[k] += (product(g, shift, x, center, 0, k) + product(g, shift, x, center, stride, k)) \
                + (product(g, shift, x, center, 2 * stride, k) + product(g, shift, x, center, 3 * stride, k))
        x += 4 * stride
        g += 4 * stride
        n += 4
    while n < batch:
        for k in range(lanes):
            total[k] += product(g, shift, x, center, 0, k)
        x += stride
        g += stride
        n += 1


cdef inline double fold(const double* lane, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    cdef double total = 0
    for k in range(n):
        total += lane[k]
    return total


cdef void tile_statistics(const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner, Py_ssize_t first,
                          Py_ssize_t number, double eps, real* mean, real* invstd, double* variance) noexcept nogil:
    """Of the channels from first on, number * inner lanes side by side."""
    cdef double[TILE] total
    cdef double[TILE] squares
    cdef real[TILE] center
    cdef Py_ssize_t k, c, lanes = number * inner, stride = channels * inner
    cdef double count = <double>(batch * inner)
    x += first * inner
    tile_sum(x, batch, stride, lanes, total)
    for c in range(number):
        total[c] = fold(total + c * inner, inner)
        for k in range(c * inner, (c + 1) * inner):
            center[k] = <real>(total[c] / count)
    tile_products(x, center, x, center, batch, stride, lanes, squares)
    for c in range(number):
        put_statistics(total[c], fold(squares + c * inner, inner), center[c * inner], count, eps, first + c, mean,
                       invstd, variance)


cdef inline real placed(real x, real mean, real scale, real shift) noexcept nogil:
    return (x - mean) * scale + shift


cdef inline real where_above(real x, real value) noexcept nogil:
    """value where x is above 0, else 0."""
    return value if x > 0 else 0


cdef void channel_normalise(real* out, const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner,
                            Py_ssize_t c, real mean, real scale, real shift, bint relu) noexcept nogil:
    cdef Py_ssize_t n, k, start
    cdef real y
    for n in range(batch):
        start = (n * channels + c) * inner
        if relu:
            for k in range(start, start + inner):
                y = placed(x[k], mean, scale, shift)
                out[k] = where_above(y, y)
        else:
            for k in range(start, start + inner):
                out[k] = placed(x[k], mean, scale, shift)


cdef inline void tile_scales(Py_ssize_t first, Py_ssize_t inner, Py_ssize_t lanes, const real* mean, const real* invstd,
                             const real* weight, const real* bias, real* center, real* scale,
                             real* shift) noexcept nogil:
    """What channel_normalise is given, for each lane."""
    cdef Py_ssize_t k, c
    for k in range(lanes):
        c = first + k // inner
        center[k] = mean[c]
        scale[k] = invstd[c] if weight == NULL else invstd[c] * weight[c]
        shift[k] = 0 if bias == NULL else bias[c]


cdef void tile_normalise(real* out, const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner,
                         Py_ssize_t first, Py_ssize_t number, const real* mean, const real* invstd, const real* weight,
                         const real* bias, bint relu) noexcept nogil:
    cdef real[TILE] center
    cdef real[TILE] scale
    cdef real[TILE] shift
    cdef Py_ssize_t n, k, lanes = number * inner, start
    cdef real y
    tile_scales(first, inner, lanes, mean, invstd, weight, bias, center, scale, shift)
    for n in range(batch):
        start = (n * channels + first) * inner
        if relu:
            for k in range(lanes):
                y = placed(x[start + k], center[k], scale[k], shift[k])
                out[start + k] = where_above(y, y)
        else:
            for k in range(lanes):
                out[start + k] = placed(x[start + k], center[k], scale[k], shift[k])


cdef void batch_norm_range(real* out, const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner,
                           const real* weight, const real* bias, bint relu, bint training, double eps, real* mean,
                           real* invstd, double* variance, Py_ssize_t c, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t number
    while c < stop:
        if inner < SHORT:
            number = min(stop - c, TILE // inner)
            if training:
                tile_statistics(x, batch, channels, inner, c, number, eps, mean, invstd, variance)
            tile_normalise(out, x, batch, channels, inner, c, number, mean, invstd, weight, bias, relu)
        else:
            number = 1
            if training:
                channel_statistics(x, batch, channels, inner, c, eps, mean, invstd, variance)
            channel_normalise(out, x, batch, channels, inner, c, mean[c],
                              invstd[c] if weight == NULL else invstd[c] * weight[c], 0 if bias == NULL else bias[c],
                              relu)
        c += number


cdef void batch_norm_kernel(real* out, const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner,
                            const real* weight, const real* bias, bint relu, bint training, double eps, real* mean,
                            real* invstd, double* variance) noexcept nogil:
    """Normalise by mean and invstd; training puts those of x there first, and the biased variance."""
    cdef int threads = <int>min(channels, threads_for(batch * channels * inner)), t
    if threads == 1:
        batch_norm_range(out, x, batch, channels, inner, weight, bias, relu, training, eps, mean, invstd, variance,
                         0, channels)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        batch_norm_range(out, x, batch, channels, inner, weight, bias, relu, training, eps, mean, invstd, variance,
                         channels * t // threads, channels * (t + 1) // threads)


# Gradient: with xc = x - mean, dx = a g + b xc + c, where training makes b and c take the mean of g and the
# part along xc out of it, and a = weight * invstd.

cdef struct Slope:
    double a
    double b
    double c


cdef inline Slope put_slope(double sum_g, double sum_gx, double count, double weight, double invstd, bint training,
                            Py_ssize_t c, real* dweight, real* dbias) noexcept nogil:
    cdef Slope s
    dweight[c] = <real>(sum_gx * invstd)
    dbias[c] = <real>sum_g
    s.a = weight * invstd
    s.b = -s.a * invstd * invstd * sum_gx / count if training else 0
    s.c = -s.a * sum_g / count if training else 0
    return s


cdef void channel_grad(real* dx, const real* g, const real* x, Py_ssize_t batch, Py_ssize_t channels,
                       Py_ssize_t inner, Py_ssize_t c, real mean, real invstd, const real* weight, const real* bias,
                       bint relu, bint training, real* dweight, real* dbias) noexcept nogil:
    cdef const real* masked = g
    cdef double sum_g = 0, sum_gx = 0
    cdef Slope s
    cdef real pa, pb, pc, scale = invstd if weight == NULL else invstd * weight[c]
    cdef real shift = 0 if bias == NULL else bias[c]
    cdef Py_ssize_t n, k, start
    if relu:
        masked = dx
    for n in range(batch):
        start = (n * channels + c) * inner
        if relu:
            for k in range(start, start + inner):
                dx[k] = where_above(placed(x[k], mean, scale, shift), g[k])
        sum_g += row_sum(masked + start, inner)
        sum_gx += row_products(masked + start, <real>0, x + start, mean, inner)
    s = put_slope(sum_g, sum_gx, <double>(batch * inner), 1 if weight == NULL else weight[c], invstd, training, c,
                  dweight, dbias)
    pa, pb, pc = <real>s.a, <real>s.b, <real>s.c
    for n in range(batch):
        start = (n * channels + c) * inner
        if relu:        # a loop of its own: reading what it writes, the other would not go by vectors
            for k in range(start, start + inner):
                dx[k] = pa * dx[k] + (pb * (x[k] - mean) + pc)
        else:
            for k in range(start, start + inner):
                dx[k] = pa * g[k] + (pb * (x[k] - mean) + pc)


cdef void tile_grad(real* dx, const real* g, const real* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner,
                    Py_ssize_t first, Py_ssize_t number, const real* mean, const real* invstd, const real* weight,
                    const real* bias, bint relu, bint training, real* dweight, real* dbias) noexcept nogil:
    cdef const real* masked = g
    cdef double[TILE] sum_g
    cdef double[TILE] sum_gx
    cdef real[TILE] center
    cdef real[TILE] scale
    cdef real[TILE] shift
    cdef real[TILE] zero
    cdef real[TILE] pa
    cdef real[TILE] pb
    cdef real[TILE] pc
    cdef Slope s
    cdef Py_ssize_t n, k, c, i, lanes = number * inner, stride = channels * inner, start = first * inner
    tile_scales(first, inner, lanes, mean, invstd, weight, bias, center, scale, shift)
    for k in range(lanes):
        zero[k] = 0
    if relu:
        masked = dx
        for n in range(batch):
            for k in range(lanes):
                i = start + n * stride + k
                dx[i] = where_above(placed(x[i], center[k], scale[k], shift[k]), g[i])
    tile_sum(masked + start, batch, stride, lanes, sum_g)
    tile_products(masked + start, zero, x + start, center, batch, stride, lanes, sum_gx)
    for c in range(number):
        s = put_slope(fold(sum_g + c * inner, inner), fold(sum_gx + c * inner, inner), <double>(batch * inner),
                      1 if weight == NULL else weight[first + c], invstd[first + c], training, first + c,
                      dweight, dbias)
        for k in range(c * inner, (c + 1) * inner):
            pa[k], pb[k], pc[k] = <real>s.a, <real>s.b, <real>s.c
    for n in range(batch):
        start = n * stride + first * inner
        if relu:
            for k in range(lanes):
                dx[start + k] = pa[k] * dx[start + k] + (pb[k] * (x[start + k] - center[k]) + pc[k])
        else:
            for k in range(lanes):
                dx[start + k] = pa[k] * g[start + k] + (pb[k] * (x[start + k] - center[k]) + pc[k])


cdef void batch_norm_grad_range(real* dx, const real* g, const real* x, Py_ssize_t batch, Py_ssize_t channels,
                                Py_ssize_t inner, const real* weight, const real* bias, bint relu, const real* mean,
                                const real* invstd, bint training, real* dweight, real* dbias, Py_ssize_t c,
                                Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t number
    while c < stop:
        if inner < SHORT:
            number = min(stop - c, TILE // inner)
            tile_grad(dx, g, x, batch, channels, inner, c, number, mean, invstd, weight, bias, relu, training, dweight,
                      dbias)
        else:
            number = 1
            channel_grad(dx, g, x, batch, channels, inner, c, mean[c], invstd[c], weight, bias, relu, training, dweight,
                         dbias)
        c += number


cdef void batch_norm_grad_kernel(real* dx, const real* g, const real* x, Py_ssize_t batch, Py_ssize_t channels,
                                 Py_ssize_t inner, const real* weight, const real* bias, bint relu, const real* mean,
                                 const real* invstd, bint training, real* dweight, real* dbias) noexcept nogil:
    cdef int threads = <int>min(channels, threads_for(batch * channels * inner)), t
    if threads == 1:
        batch_norm_grad_range(dx, g, x, batch, channels, inner, weight, bias, relu, mean, invstd, training, dweight,
                              dbias, 0, channels)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        batch_norm_grad_range(dx, g, x, batch, channels, inner, weight, bias, relu, mean, invstd, training, dweight,
                              dbias, channels * t // threads, channels * (t + 1) // threads)


put("batch_norm", F32, <void*>batch_norm_kernel[float])
put("batch_norm", F64, <void*>batch_norm_kernel[double])
put("batch_norm_grad", F32, <void*>batch_norm_grad_kernel[float])
put("batch_norm_grad", F64, <void*>batch_norm_grad_kernel[double])
