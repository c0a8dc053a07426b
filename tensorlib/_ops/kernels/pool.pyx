# cython: language_level=3
"""Max- and average pooling in 1 to 3 dims, fixed and adaptive windows, and their derivatives.

Fixed windows go an output line at a time: for each place in the window, one loop over the outputs that the compiler
vectorises (the comparing ones are in `pool.h`). Loops only; `_ops/pool.pyx` checks and allocates.
"""
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport INT32_MAX, int64_t
from libc.string cimport memset

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.pool cimport PoolShape
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "pool.h" nogil:
    ctypedef struct WindowPlaces:
        Py_ssize_t count[3]
        Py_ssize_t gap[3]
    void max_window_float(const float* x, const WindowPlaces* w, int64_t at, float* y, int64_t* index)
    void max_window_double(const double* x, const WindowPlaces* w, int64_t at, double* y, int64_t* index)
    void max_windows_float(const float* x, Py_ssize_t step, const WindowPlaces* w, int64_t at, Py_ssize_t n, float* y,
                           int64_t* index)
    void max_windows_double(const double* x, Py_ssize_t step, const WindowPlaces* w, int64_t at, Py_ssize_t n,
                            double* y, int64_t* index)
    void max_pool_2x2_float(const float* a, const float* b, Py_ssize_t n, int64_t at, Py_ssize_t width, float* y,
                            int64_t* index)
    void max_pool_2x2_double(const double* a, const double* b, Py_ssize_t n, int64_t at, Py_ssize_t width, double* y,
                             int64_t* index)


cdef struct Window:             # the input coordinates under an output position, along one dim
    Py_ssize_t begin            # first that is inside the input
    Py_ssize_t end              # last + 1
    Py_ssize_t count            # how many an average counts


cdef inline Window window_at(const PoolShape* s, int dim, Py_ssize_t position) noexcept nogil:
    cdef Window w
    cdef Py_ssize_t start = position * s.stride[dim] - s.padding[dim], step = s.dilation[dim]
    w.end = min(start + (s.kernel[dim] - 1) * step + 1, s.size[dim] + s.padding[dim])
    w.count = w.end - start
    w.begin = start if start >= 0 else start + (step - 1 - start) // step * step
    w.end = min(w.end, s.size[dim])
    if not s.count_padding:
        w.count = w.end - w.begin
    return w


cdef inline Window adaptive_window(const PoolShape* s, int dim, Py_ssize_t position) noexcept nogil:
    cdef Window w
    if s.out[dim] == 1:             # the usual size; divisions take longer than a small window
        w.begin, w.end = 0, s.size[dim]
    else:
        w.begin = position * s.size[dim] // s.out[dim]
        w.end = ((position + 1) * s.size[dim] + s.out[dim] - 1) // s.out[dim]
    w.count = w.end - w.begin
    return w


cdef struct Span:               # outputs of a line whose windows have their k-th place inside the input
    Py_ssize_t origin           # input coordinate of that place for output 0
    Py_ssize_t lo
    Py_ssize_t hi


cdef inline Span span_of(const PoolShape* s, Py_ssize_t k) noexcept nogil:
    cdef Span p
    cdef Py_ssize_t step = s.stride[2]
    p.origin = k * s.dilation[2] - s.padding[2]
    p.lo = 0 if p.origin >= 0 else (step - 1 - p.origin) // step
    p.hi = 0 if p.origin >= s.size[2] else min((s.size[2] - 1 - p.origin) // step + 1, s.out[2])
    return p


# ---- max pooling ---------------------------------------------------------------------------------------------------

cdef inline WindowPlaces places_of(const PoolShape* s, Window z, Window y, Window c,
                                   const Py_ssize_t* step) noexcept nogil:
    cdef WindowPlaces w
    w.count[0] = (z.end - z.begin + step[0] - 1) // step[0]
    w.count[1] = (y.end - y.begin + step[1] - 1) // step[1]
    w.count[2] = (c.end - c.begin + step[2] - 1) // step[2]
    w.gap[0], w.gap[1], w.gap[2] = step[0] * s.size[1] * s.size[2], step[1] * s.size[2], step[2]
    return w


cdef inline void max_window(const PoolShape* s, const real* x, Window z, Window y, Window c, const Py_ssize_t* step,
                            real* value, int64_t* index) noexcept nogil:
    """One window, with places `step` apart in each dim; -inf and -1 where none is inside the input."""
    cdef WindowPlaces w = places_of(s, z, y, c, step)
    cdef Py_ssize_t at = (z.begin * s.size[1] + y.begin) * s.size[2] + c.begin
    if w.count[0] <= 0 or w.count[1] <= 0 or w.count[2] <= 0:
        value[0], index[0] = -INFINITY, -1
    elif real is float:
        max_window_float(x + at, &w, at, value, index)
    else:
        max_window_double(x + at, &w, at, value, index)


cdef void inner_windows(const PoolShape* s, Py_ssize_t* begin, Py_ssize_t* end) noexcept nogil:
    """The outputs of a line whose windows lie inside it from end to end; none in planes too large for max_windows."""
    cdef Py_ssize_t last = s.size[2] + s.padding[2] - (s.kernel[2] - 1) * s.dilation[2] - 1
    begin[0] = min((s.padding[2] + s.stride[2] - 1) // s.stride[2], s.out[2])
    end[0] = min(last // s.stride[2] + 1, s.out[2]) if last >= 0 and s.pixels <= INT32_MAX else 0
    if end[0] < begin[0]:
        begin[0] = end[0] = 0


cdef void max_pool_line(const PoolShape* s, const real* x, real* y, int64_t* indices, Py_ssize_t line) noexcept nogil:
    cdef Py_ssize_t plane = line // (s.out[0] * s.out[1]), i, begin, end, at
    cdef Window wz = window_at(s, 0, line // s.out[1] % s.out[0]), wy = window_at(s, 1, line % s.out[1]), wx
    cdef WindowPlaces w
    x += plane * s.pixels
    y += line * s.out[2]
    indices += line * s.out[2]
    inner_windows(s, &begin, &end)
    if wz.begin >= wz.end or wy.begin >= wy.end:
        begin = end = 0
    for i in range(begin):
        max_window(s, x, wz, wy, window_at(s, 2, i), s.dilation, y + i, indices + i)
    for i in range(end, s.out[2]):
        max_window(s, x, wz, wy, window_at(s, 2, i), s.dilation, y + i, indices + i)
    if begin < end:
        wx = window_at(s, 2, begin)
        w = places_of(s, wz, wy, wx, s.dilation)
        at = (wz.begin * s.size[1] + wy.begin) * s.size[2] + wx.begin
        if real is float:
            max_windows_float(x + at, s.stride[2], &w, at, end - begin, y + begin, indices + begin)
        else:
            max_windows_double(x + at, s.stride[2], &w, at, end - begin, y + begin, indices + begin)


cdef void max_pool_2x2_line(const PoolShape* s, const real* x, real* y, int64_t* indices,
                            Py_ssize_t line) noexcept nogil:
    """Windows of 2x2 side by side, all inside the input."""
    cdef Py_ssize_t plane = line // s.out[1], w = s.size[2], top = line % s.out[1] * 2 * w
    cdef const real* a = x + plane * s.pixels + top
    y += line * s.out[2]
    indices += line * s.out[2]
    if real is float:
        max_pool_2x2_float(a, a + w, s.out[2], top, w, y, indices)
    else:
        max_pool_2x2_double(a, a + w, s.out[2], top, w, y, indices)


cdef inline bint is_2x2(const PoolShape* s) noexcept nogil:
    return (s.size[0] == 1 and s.kernel[0] == 1 and s.kernel[1] == 2 and s.kernel[2] == 2
            and s.stride[1] == 2 and s.stride[2] == 2 and s.padding[1] == 0 and s.padding[2] == 0
            and s.dilation[1] == 1 and s.dilation[2] == 1
            and 2 * s.out[1] <= s.size[1] and 2 * s.out[2] <= s.size[2])


cdef void max_pool(const PoolShape* s, const real* x, real* y, int64_t* indices, int threads) noexcept nogil:
    cdef Py_ssize_t i, lines = s.planes * s.out[0] * s.out[1]
    cdef bint quick = is_2x2(s)
    if threads <= 1:
        for i in range(lines):
            if quick:
                max_pool_2x2_line(s, x, y, indices, i)
            else:
                max_pool_line(s, x, y, indices, i)
    else:
        for i in prange(lines, num_threads=threads, schedule="static"):
            if quick:
                max_pool_2x2_line(s, x, y, indices, i)
            else:
                max_pool_line(s, x, y, indices, i)


cdef void adaptive_max_plane(const PoolShape* s, const real* x, real* y, int64_t* indices,
                             Py_ssize_t plane) noexcept nogil:
    cdef Py_ssize_t i, j, k, at = plane * s.positions
    cdef Py_ssize_t[3] step = [1, 1, 1]
    cdef Window wz, wy
    x += plane * s.pixels
    for i in range(s.out[0]):
        wz = adaptive_window(s, 0, i)
        for j in range(s.out[1]):
            wy = adaptive_window(s, 1, j)
            for k in range(s.out[2]):
                max_window(s, x, wz, wy, adaptive_window(s, 2, k), step, y + at, indices + at)
                at += 1


cdef void adaptive_max_pool(const PoolShape* s, const real* x, real* y, int64_t* indices, int threads) noexcept nogil:
    cdef Py_ssize_t i
    if threads <= 1:
        for i in range(s.planes):
            adaptive_max_plane(s, x, y, indices, i)
    else:
        for i in prange(s.planes, num_threads=threads, schedule="static"):
            adaptive_max_plane(s, x, y, indices, i)


# ---- moving values by indices --------------------------------------------------------------------------------------

cdef Py_ssize_t scatter_plane(const real* x, const int64_t* indices, real* y, Py_ssize_t pixels,
                              Py_ssize_t positions) noexcept nogil:
    cdef Py_ssize_t i, bad = 0
    memset(y, 0, pixels * sizeof(real))
    for i in range(positions):
        if 0 <= indices[i] < pixels:
            y[indices[i]] += x[i]
        else:
            bad += indices[i] != -1
    return bad


cdef Py_ssize_t place_plane(const real* x, const int64_t* indices, real* y, Py_ssize_t pixels,
                            Py_ssize_t positions) noexcept nogil:
    cdef Py_ssize_t i, bad = 0
    memset(y, 0, pixels * sizeof(real))
    for i in range(positions):
        if 0 <= indices[i] < pixels:
            y[indices[i]] = x[i]
        else:
            bad += 1
    return bad


cdef Py_ssize_t gather_plane(const real* x, const int64_t* indices, real* y, Py_ssize_t pixels,
                             Py_ssize_t positions) noexcept nogil:
    cdef Py_ssize_t i, bad = 0
    for i in range(positions):
        if 0 <= indices[i] < pixels:
            y[i] = x[indices[i]]
        else:
            y[i] = 0
            bad += indices[i] != -1
    return bad


cdef Py_ssize_t plane_scatter(const real* x, const int64_t* indices, real* y, Py_ssize_t planes, Py_ssize_t pixels,
                              Py_ssize_t positions, int threads) noexcept nogil:
    """y[indices[i]] += x[i] in each plane, from zero."""
    cdef Py_ssize_t i, bad = 0
    if threads <= 1:
        for i in range(planes):
            bad += scatter_plane(x + i * positions, indices + i * positions, y + i * pixels, pixels, positions)
    else:
        for i in prange(planes, num_threads=threads, schedule="static"):
            bad += scatter_plane(x + i * positions, indices + i * positions, y + i * pixels, pixels, positions)
    return bad


cdef Py_ssize_t plane_place(const real* x, const int64_t* indices, real* y, Py_ssize_t planes, Py_ssize_t pixels,
                            Py_ssize_t positions, int threads) noexcept nogil:
    """y[indices[i]] = x[i] in each plane, zero elsewhere; the last of equal indices stays."""
    cdef Py_ssize_t i, bad = 0
    if threads <= 1:
        for i in range(planes):
            bad += place_plane(x + i * positions, indices + i * positions, y + i * pixels, pixels, positions)
    else:
        for i in prange(planes, num_threads=threads, schedule="static"):
            bad += place_plane(x + i * positions, indices + i * positions, y + i * pixels, pixels, positions)
    return bad


cdef Py_ssize_t plane_gather(const real* x, const int64_t* indices, real* y, Py_ssize_t planes, Py_ssize_t pixels,
                             Py_ssize_t positions, int threads) noexcept nogil:
    """y[i] = x[indices[i]] in each plane."""
    cdef Py_ssize_t i, bad = 0
    if threads <= 1:
        for i in range(planes):
            bad += gather_plane(x + i * pixels, indices + i * positions, y + i * positions, pixels, positions)
    else:
        for i in prange(planes, num_threads=threads, schedule="static"):
            bad += gather_plane(x + i * pixels, indices + i * positions, y + i * positions, pixels, positions)
    return bad


# ---- average pooling -----------------------------------------------------------------------------------------------

cdef inline real line_sum(const real* x, Py_ssize_t n) noexcept nogil:
    """Sum of n elements, in eight interleaved sums that the compiler keeps in vectors."""
    cdef real sums[8]
    cdef real rest = 0
    cdef Py_ssize_t i = 0, k
    for k in range(8):
        sums[k] = 0
    while i + 8 <= n:
        for k in range(8):
            sums[k] += x[i + k]
        i += 8
    while i < n:
        rest += x[i]
        i += 1
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest


cdef struct Runs:               # neighbours under a window
    Py_ssize_t first            # offset of the first run
    Py_ssize_t length
    Py_ssize_t lines            # runs in a plane
    Py_ssize_t planes


cdef inline Runs runs_of(const PoolShape* s, Window z, Window y, Window c) noexcept nogil:
    """The places of one window as runs; lines and planes that it covers whole are one."""
    cdef Runs r
    r.length, r.lines, r.planes = c.end - c.begin, y.end - y.begin, z.end - z.begin
    r.first = (z.begin * s.size[1] + y.begin) * s.size[2] + c.begin
    if r.length <= 0 or r.lines <= 0 or r.planes <= 0:
        r.planes = 0
    elif r.length == s.size[2]:
        r.length, r.lines = r.length * r.lines, 1
        if r.length == s.size[1] * s.size[2]:
            r.length, r.planes = r.length * r.planes, 1
    return r


cdef inline real window_sum(const PoolShape* s, const real* x, Window z, Window y, Window c) noexcept nogil:
    cdef Runs r = runs_of(s, z, y, c)
    cdef Py_ssize_t i, j
    cdef real total = 0
    for i in range(r.planes):
        for j in range(r.lines):
            total += line_sum(x + r.first + (i * s.size[1] + j) * s.size[2], r.length)
    return total


cdef inline void add_to_window(const PoolShape* s, real* x, Window z, Window y, Window c, real value) noexcept nogil:
    """Add a value to each place of one window."""
    cdef Runs r = runs_of(s, z, y, c)
    cdef Py_ssize_t i, j, k
    cdef real* line
    for i in range(r.planes):
        for j in range(r.lines):
            line = x + r.first + (i * s.size[1] + j) * s.size[2]
            for k in range(r.length):
                line[k] += value


cdef inline void add_strided(const real* x, Py_ssize_t step, Py_ssize_t n, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] += x[i * step]


cdef inline void spread_strided(const real* y, Py_ssize_t step, Py_ssize_t n, real* x) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i * step] += y[i]


cdef inline bint few_windows(const PoolShape* s) noexcept nogil:
    """Whether the windows of a line are fewer than their places: then loops along a window are longer."""
    return s.out[2] < s.kernel[2]


cdef void avg_pool_line(const PoolShape* s, const real* x, real* y, Py_ssize_t line) noexcept nogil:
    cdef Py_ssize_t plane = line // (s.out[0] * s.out[1]), z, r, k, at, i, step = s.stride[2]
    cdef Window wz = window_at(s, 0, line // s.out[1] % s.out[0]), wy = window_at(s, 1, line % s.out[1]), wx
    cdef Span p
    x += plane * s.pixels
    y += line * s.out[2]
    if few_windows(s):
        for i in range(s.out[2]):
            wx = window_at(s, 2, i)
            y[i] = window_sum(s, x, wz, wy, wx) / <real>(wz.count * wy.count * wx.count)
        return
    for i in range(s.out[2]):
        y[i] = 0
    for z in range(wz.begin, wz.end):
        for r in range(wy.begin, wy.end):
            for k in range(s.kernel[2]):
                p = span_of(s, k)
                at = (z * s.size[1] + r) * s.size[2] + p.origin + p.lo * step
                if step == 1:           # constant steps let the compiler vectorise
                    add_strided(x + at, 1, p.hi - p.lo, y + p.lo)
                elif step == 2:
                    add_strided(x + at, 2, p.hi - p.lo, y + p.lo)
                else:
                    add_strided(x + at, step, p.hi - p.lo, y + p.lo)
    for i in range(s.out[2]):
        y[i] = y[i] / <real>(wz.count * wy.count * window_at(s, 2, i).count)


cdef void avg_pool(const PoolShape* s, const real* x, real* y, int threads) noexcept nogil:
    cdef Py_ssize_t i, lines = s.planes * s.out[0] * s.out[1]
    if threads <= 1:
        for i in range(lines):
            avg_pool_line(s, x, y, i)
    else:
        for i in prange(lines, num_threads=threads, schedule="static"):
            avg_pool_line(s, x, y, i)


cdef void avg_pool_grad_line(const PoolShape* s, const real* dy, real* dx, Py_ssize_t line) noexcept nogil:
    """Give each place of each window of an output line its share; blocks of shares live on the stack."""
    cdef Py_ssize_t z, r, k, at, i, first, n, lo, hi, step = s.stride[2]
    cdef Window wz = window_at(s, 0, line // s.out[1]), wy = window_at(s, 1, line % s.out[1]), wx
    cdef real share[256]
    cdef Span p
    dy += line * s.out[2]
    if few_windows(s):
        for i in range(s.out[2]):
            wx = window_at(s, 2, i)
            add_to_window(s, dx, wz, wy, wx, dy[i] / <real>(wz.count * wy.count * wx.count))
        return
    for first in range(0, s.out[2], 256):
        n = min(s.out[2] - first, 256)
        for i in range(n):
            share[i] = dy[first + i] / <real>(wz.count * wy.count * window_at(s, 2, first + i).count)
        for z in range(wz.begin, wz.end):
            for r in range(wy.begin, wy.end):
                for k in range(s.kernel[2]):
                    p = span_of(s, k)
                    lo, hi = max(p.lo - first, 0), min(p.hi - first, n)
                    at = (z * s.size[1] + r) * s.size[2] + p.origin + (first + lo) * step
                    if step == 1:
                        spread_strided(share + lo, 1, hi - lo, dx + at)
                    elif step == 2:
                        spread_strided(share + lo, 2, hi - lo, dx + at)
                    else:
                        spread_strided(share + lo, step, hi - lo, dx + at)


cdef void avg_pool_grad_plane(const PoolShape* s, const real* dy, real* dx, Py_ssize_t plane) noexcept nogil:
    cdef Py_ssize_t line
    dx += plane * s.pixels
    memset(dx, 0, s.pixels * sizeof(real))
    for line in range(s.out[0] * s.out[1]):
        avg_pool_grad_line(s, dy + plane * s.positions, dx, line)


cdef void avg_pool_grad(const PoolShape* s, const real* dy, real* dx, int threads) noexcept nogil:
    cdef Py_ssize_t i
    if threads <= 1:
        for i in range(s.planes):
            avg_pool_grad_plane(s, dy, dx, i)
    else:
        for i in prange(s.planes, num_threads=threads, schedule="static"):
            avg_pool_grad_plane(s, dy, dx, i)


cdef void adaptive_avg_plane(const PoolShape* s, const real* x, real* y, Py_ssize_t plane) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef Window wz, wy, wx
    x += plane * s.pixels
    y += plane * s.positions
    for i in range(s.out[0]):
        wz = adaptive_window(s, 0, i)
        for j in range(s.out[1]):
            wy = adaptive_window(s, 1, j)
            for k in range(s.out[2]):
                wx = adaptive_window(s, 2, k)
                y[0] = window_sum(s, x, wz, wy, wx) / <real>(wz.count * wy.count * wx.count)
                y += 1


cdef void adaptive_avg_pool(const PoolShape* s, const real* x, real* y, int threads) noexcept nogil:
    cdef Py_ssize_t i
    if threads <= 1:
        for i in range(s.planes):
            adaptive_avg_plane(s, x, y, i)
    else:
        for i in prange(s.planes, num_threads=threads, schedule="static"):
            adaptive_avg_plane(s, x, y, i)


cdef void adaptive_avg_grad_plane(const PoolShape* s, const real* dy, real* dx, Py_ssize_t plane) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef Window wz, wy, wx
    dx += plane * s.pixels
    dy += plane * s.positions
    memset(dx, 0, s.pixels * sizeof(real))
    for i in range(s.out[0]):
        wz = adaptive_window(s, 0, i)
        for j in range(s.out[1]):
            wy = adaptive_window(s, 1, j)
            for k in range(s.out[2]):
                wx = adaptive_window(s, 2, k)
                add_to_window(s, dx, wz, wy, wx, dy[0] / <real>(wz.count * wy.count * wx.count))
                dy += 1


cdef void adaptive_avg_pool_grad(const PoolShape* s, const real* dy, real* dx, int threads) noexcept nogil:
    cdef Py_ssize_t i
    if threads <= 1:
        for i in range(s.planes):
            adaptive_avg_grad_plane(s, dy, dx, i)
    else:
        for i in prange(s.planes, num_threads=threads, schedule="static"):
            adaptive_avg_grad_plane(s, dy, dx, i)


put("max_pool", F32, <void*>max_pool[float])
put("max_pool", F64, <void*>max_pool[double])
put("adaptive_max_pool", F32, <void*>adaptive_max_pool[float])
put("adaptive_max_pool", F64, <void*>adaptive_max_pool[double])
put("plane_scatter", F32, <void*>plane_scatter[float])
put("plane_scatter", F64, <void*>plane_scatter[double])
put("plane_place", F32, <void*>plane_place[float])
put("plane_place", F64, <void*>plane_place[double])
put("plane_gather", F32, <void*>plane_gather[float])
put("plane_gather", F64, <void*>plane_gather[double])
put("avg_pool", F32, <void*>avg_pool[float])
put("avg_pool", F64, <void*>avg_pool[double])
put("avg_pool_grad", F32, <void*>avg_pool_grad[float])
put("avg_pool_grad", F64, <void*>avg_pool_grad[double])
put("adaptive_avg_pool", F32, <void*>adaptive_avg_pool[float])
put("adaptive_avg_pool", F64, <void*>adaptive_avg_pool[double])
put("adaptive_avg_pool_grad", F32, <void*>adaptive_avg_pool_grad[float])
put("adaptive_avg_pool_grad", F64, <void*>adaptive_avg_pool_grad[double])
