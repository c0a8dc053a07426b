# cython: language_level=3
"""Convolution in 1 to 3 dims as im2col and GEMM: the path that every shape can take.

The column matrix has a row for each (input channel, kernel position) and a column for each output position. It is
made a tile at a time, so that it stays in the cache. Loops only; `_ops/conv.pyx` checks, cuts the work and owns memory.
"""
from cython.parallel cimport prange
from libc.string cimport memcpy, memset

from tensorlib._ops.conv cimport ConvShape, is_point, turns_weight
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.gemm cimport gemm_fn
from tensorlib._ops.parallel cimport thread_id
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "conv_unfold.h" nogil:
    void copy_apart_float(const float* x, Py_ssize_t n, Py_ssize_t step, float* out)
    void copy_apart_double(const double* x, Py_ssize_t n, Py_ssize_t step, double* out)
    void gather_pixels_float(const ConvShape* s, const float* plane, float* out)
    void gather_pixels_double(const ConvShape* s, const double* plane, double* out)
    void spread_pixels_float(const ConvShape* s, const float* x, float* plane)
    void spread_pixels_double(const ConvShape* s, const double* x, double* plane)
    void weight_join_float(const ConvShape* s, const float* sums, Py_ssize_t all, float* dw, Py_ssize_t channel)
    void weight_join_double(const ConvShape* s, const double* sums, Py_ssize_t all, double* dw, Py_ssize_t channel)


cdef struct Tap:                # a row of the column matrix
    Py_ssize_t plane            # offset of its input channel
    Py_ssize_t origin[3]        # input coordinates that it reads for output position (0, 0, 0)
    Py_ssize_t lo               # output columns lo <= x < hi read inside the input
    Py_ssize_t hi


cdef struct Tile:
    Py_ssize_t group
    Py_ssize_t image            # first and last + 1 image
    Py_ssize_t image_end
    Py_ssize_t begin            # first and last + 1 output position of each image
    Py_ssize_t end
    Py_ssize_t width            # columns: images times positions


cdef inline Py_ssize_t clamp(Py_ssize_t x, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    return lo if x < lo else hi if x > hi else x


cdef inline Tap tap_of(const ConvShape* s, Py_ssize_t row) noexcept nogil:
    cdef Tap t
    cdef Py_ssize_t k = row % s.taps, x
    t.plane = row // s.taps * s.pixels
    t.origin[2] = k % s.kernel[2] * s.dilation[2] - s.padding[2]
    k = k // s.kernel[2]
    t.origin[1] = k % s.kernel[1] * s.dilation[1] - s.padding[1]
    t.origin[0] = k // s.kernel[1] * s.dilation[0] - s.padding[0]
    x = t.origin[2]
    t.lo = 0 if x >= 0 else clamp((s.stride[2] - 1 - x) // s.stride[2], 0, s.out[2])
    t.hi = 0 if x >= s.size[2] else clamp((s.size[2] - 1 - x) // s.stride[2] + 1, t.lo, s.out[2])
    if t.hi < t.lo:
        t.hi = t.lo
    return t


cdef inline Tile tile_of(const ConvShape* s, Py_ssize_t group, Py_ssize_t index) noexcept nogil:
    cdef Tile t
    t.group = group
    t.image = index // s.chunks * s.images
    t.image_end = min(t.image + s.images, s.batch)
    t.begin = index % s.chunks * s.tile
    t.end = min(t.begin + s.tile, s.positions)
    t.width = (t.image_end - t.image) * (t.end - t.begin)
    return t


cdef void unfold_line(const Tap* t, Py_ssize_t stride, const real* line, Py_ssize_t x0, Py_ssize_t x1,
                      real* out) noexcept nogil:
    """Output columns x0 .. x1 of one line: zeros in the padding, else the input."""
    cdef Py_ssize_t a = clamp(t.lo, x0, x1), b = clamp(t.hi, a, x1), i
    cdef const real* p = line + a * stride + t.origin[2]
    for i in range(a - x0):
        out[i] = 0
    out += a - x0
    if real is float:
        copy_apart_float(p, b - a, stride, out)
    else:
        copy_apart_double(p, b - a, stride, out)
    out += b - a
    for i in range(x1 - b):
        out[i] = 0


cdef void fold_line(const Tap* t, Py_ssize_t stride, real* line, Py_ssize_t x0, Py_ssize_t x1,
                    const real* col) noexcept nogil:
    """The adjoint of unfold_line: add the columns to the input elements that they were read from."""
    cdef Py_ssize_t a = clamp(t.lo, x0, x1), b = clamp(t.hi, a, x1), i
    cdef real* p = line + a * stride + t.origin[2]
    col += a - x0
    if stride == 1:
        for i in range(b - a):
            p[i] += col[i]
    else:
        for i in range(b - a):
            p[i * stride] += col[i]


cdef void unfold_row(const ConvShape* s, const Tap* t, const real* image, Py_ssize_t begin, Py_ssize_t end,
                     real* col) noexcept nogil:
    """Positions begin .. end of one row of the column matrix."""
    cdef Py_ssize_t width = s.out[2], x = begin % width, line = begin // width, n, z, y
    cdef Py_ssize_t oy = line % s.out[1], oz = line // s.out[1]
    image += t.plane
    while begin < end:
        n = min(width - x, end - begin)
        z = oz * s.stride[0] + t.origin[0]
        y = oy * s.stride[1] + t.origin[1]
        if z < 0 or z >= s.size[0] or y < 0 or y >= s.size[1]:
            memset(col, 0, n * sizeof(real))
        else:
            unfold_line(t, s.stride[2], image + (z * s.size[1] + y) * s.size[2], x, x + n, col)
        col += n
        begin += n
        x = 0
        oy += 1
        if oy == s.out[1]:
            oy = 0
            oz += 1


cdef void fold_row(const ConvShape* s, const Tap* t, real* image, Py_ssize_t begin, Py_ssize_t end,
                   const real* col) noexcept nogil:
    """The adjoint of unfold_row."""
    cdef Py_ssize_t width = s.out[2], x = begin % width, line = begin // width, n, z, y
    cdef Py_ssize_t oy = line % s.out[1], oz = line // s.out[1]
    image += t.plane
    while begin < end:
        n = min(width - x, end - begin)
        z = oz * s.stride[0] + t.origin[0]
        y = oy * s.stride[1] + t.origin[1]
        if 0 <= z < s.size[0] and 0 <= y < s.size[1]:
            fold_line(t, s.stride[2], image + (z * s.size[1] + y) * s.size[2], x, x + n, col)
        col += n
        begin += n
        x = 0
        oy += 1
        if oy == s.out[1]:
            oy = 0
            oz += 1


cdef inline bint whole_planes(const ConvShape* s, const Tile* t) noexcept nogil:
    """Whether rows of the column matrix are pixels of all positions."""
    return is_point(s) and t.end - t.begin == s.positions


cdef void unfold(const ConvShape* s, const Tile* t, const real* x, Py_ssize_t row, Py_ssize_t row_end,
                 real* col) noexcept nogil:
    """Rows row .. row_end of the column matrix of a tile; x is the whole input."""
    cdef Py_ssize_t n, positions = t.end - t.begin
    cdef bint whole = whole_planes(s, t)
    cdef const real* image
    cdef Tap tap
    for row in range(row, row_end):
        tap = tap_of(s, row)
        for n in range(t.image, t.image_end):
            image = x + (n * s.groups + t.group) * s.cin * s.pixels
            if not whole:
                unfold_row(s, &tap, image, t.begin, t.end, col)
            elif real is float:
                gather_pixels_float(s, image + tap.plane, col)
            else:
                gather_pixels_double(s, image + tap.plane, col)
            col += positions


cdef void fold(const ConvShape* s, const Tile* t, real* x, Py_ssize_t row, Py_ssize_t row_end,
               const real* col) noexcept nogil:
    """The adjoint of unfold."""
    cdef Py_ssize_t n, positions = t.end - t.begin
    cdef Tap tap
    for row in range(row, row_end):
        tap = tap_of(s, row)
        for n in range(t.image, t.image_end):
            fold_row(s, &tap, x + (n * s.groups + t.group) * s.cin * s.pixels, t.begin, t.end, col)
            col += positions


cdef void spread(const ConvShape* s, const Tile* t, real* x, Py_ssize_t row, Py_ssize_t row_end,
                 const real* col) noexcept nogil:
    """As fold for whole planes, into an input that has not been cleared."""
    cdef Py_ssize_t n
    cdef real* plane
    for row in range(row, row_end):
        for n in range(t.image, t.image_end):
            plane = x + ((n * s.groups + t.group) * s.cin + row) * s.pixels
            if real is float:
                spread_pixels_float(s, col, plane)
            else:
                spread_pixels_double(s, col, plane)
            col += s.positions


cdef inline Py_ssize_t output_at(const ConvShape* s, const Tile* t) noexcept nogil:
    """Offset of a tile's first element in a tensor of the output's size."""
    return (t.image * s.groups + t.group) * s.cout * s.positions + t.begin


cdef void gather_output(const ConvShape* s, const Tile* t, const real* y, real* rows) noexcept nogil:
    """Copy a tile of several images from (image, channel, position) to (channel, image, position)."""
    cdef Py_ssize_t c, n, p = s.positions, images = t.image_end - t.image
    y += output_at(s, t)
    for n in range(images):
        for c in range(s.cout):
            memcpy(rows + (c * images + n) * p, y + (n * s.groups * s.cout + c) * p, p * sizeof(real))


cdef void scatter_output(const ConvShape* s, const Tile* t, const real* rows, real* y) noexcept nogil:
    """The inverse of gather_output."""
    cdef Py_ssize_t c, n, p = s.positions, images = t.image_end - t.image
    y += output_at(s, t)
    for n in range(images):
        for c in range(s.cout):
            memcpy(y + (n * s.groups * s.cout + c) * p, rows + (c * images + n) * p, p * sizeof(real))


cdef void fill_row(real* out, Py_ssize_t n, real value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = value


# ---- forward -------------------------------------------------------------------------------------------------------

cdef void conv_tile(const ConvShape* s, gemm_fn gemm, const real* x, const real* w, const real* bias, real* y,
                    real* scratch, Py_ssize_t index) noexcept nogil:
    cdef Tile t = tile_of(s, index % s.groups, index // s.groups)
    cdef bint direct = t.image_end - t.image == 1
    cdef Py_ssize_t ld = s.positions if direct else t.width, rb = t.width, c
    cdef const real* col = scratch
    cdef real* out = y + output_at(s, &t) if direct else scratch + s.depth * t.width
    if s.plain and direct:
        col, rb = x + (t.image * s.groups + t.group) * s.cin * s.pixels + t.begin, s.pixels
    else:
        unfold(s, &t, x, 0, s.depth, scratch)
    if bias != NULL:
        for c in range(s.cout):
            fill_row(out + c * ld, t.width, bias[t.group * s.cout + c])
    gemm(s.cout, t.width, s.depth, 1.0, w + t.group * s.cout * s.depth, s.depth, 1, col, rb, 1,
         0.0 if bias == NULL else 1.0, out, ld, 1)
    if not direct:
        scatter_output(s, &t, out, y)


cdef void conv(const ConvShape* s, gemm_fn gemm, const real* x, const real* w, const real* bias, real* y,
               real* scratch, int threads) noexcept nogil:
    cdef Py_ssize_t i, tiles = s.groups * s.blocks * s.chunks
    if threads <= 1:
        for i in range(tiles):
            conv_tile(s, gemm, x, w, bias, y, scratch, i)
    else:
        for i in prange(tiles, num_threads=threads, schedule="static"):
            conv_tile(s, gemm, x, w, bias, y, scratch + thread_id() * s.scratch, i)


# ---- gradient of the input -----------------------------------------------------------------------------------------

cdef void clear_input(const ConvShape* s, const Tile* t, Py_ssize_t channel, Py_ssize_t channel_end,
                      const real* bias, real* x) noexcept nogil:
    """Set some channels of a tile's images to their bias, or to zero."""
    cdef Py_ssize_t n, c, first = t.group * s.cin, channels = s.groups * s.cin
    for n in range(t.image, t.image_end):
        for c in range(first + channel, first + channel_end):
            fill_row(x + (n * channels + c) * s.pixels, s.pixels, bias[c] if bias != NULL else <real>0)


cdef void conv_dx_task(const ConvShape* s, gemm_fn gemm, const real* dy, const real* w, const real* bias, real* dx,
                       real* scratch, Py_ssize_t index) noexcept nogil:
    """All positions of a few images for some input channels: no two tasks add into one element."""
    cdef Py_ssize_t piece = index % s.row_blocks, group = index // s.row_blocks % s.groups, k, ra, rows, row
    cdef Py_ssize_t block = index // s.row_blocks // s.groups
    cdef Py_ssize_t channel = s.cin * piece // s.row_blocks, channel_end = s.cin * (piece + 1) // s.row_blocks
    cdef Tile t = tile_of(s, group, block * s.chunks)
    cdef bint direct = t.image_end - t.image == 1, spreads = bias == NULL and whole_planes(s, &t)
    cdef const real* rows_of_dy
    row = channel * s.taps
    rows = (channel_end - channel) * s.taps
    if not spreads and (bias != NULL or not (s.plain and direct)):
        clear_input(s, &t, channel, channel_end, bias, dx)
    w += group * s.cout * s.depth + row
    for k in range(s.chunks):
        t = tile_of(s, group, block * s.chunks + k)
        rows_of_dy, ra = dy + output_at(s, &t), s.positions
        if not direct:
            gather_output(s, &t, dy, scratch + s.depth * t.width)
            rows_of_dy, ra = scratch + s.depth * t.width, t.width
        if s.plain and direct:
            gemm(rows, t.width, s.cout, 1.0, w, 1, s.depth, rows_of_dy, ra, 1, 0.0 if bias == NULL else 1.0,
                 dx + ((t.image * s.groups + group) * s.cin + channel) * s.pixels + t.begin, s.pixels, 1)
        else:
            gemm(rows, t.width, s.cout, 1.0, w, 1, s.depth, rows_of_dy, ra, 1, 0.0, scratch, t.width, 1)
            if spreads:
                spread(s, &t, dx, row, row + rows, scratch)
            else:
                fold(s, &t, dx, row, row + rows, scratch)


cdef void conv_dx(const ConvShape* s, gemm_fn gemm, const real* dy, const real* w, const real* bias, real* dx,
                  real* scratch, int threads) noexcept nogil:
    cdef Py_ssize_t i, tasks = s.row_blocks * s.groups * s.blocks
    if threads <= 1:
        for i in range(tasks):
            conv_dx_task(s, gemm, dy, w, bias, dx, scratch, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            conv_dx_task(s, gemm, dy, w, bias, dx, scratch + thread_id() * s.scratch, i)


# ---- gradient of the weight ----------------------------------------------------------------------------------------

cdef void conv_dw_task(const ConvShape* s, gemm_fn gemm, const real* dy, const real* x, real* dw, real* sums,
                       real* scratch, Py_ssize_t index) noexcept nogil:
    """A part of the tiles, for some rows of the column matrix: columns of the weight, or rows where it is turned."""
    cdef Py_ssize_t piece = index % s.row_blocks, group = index // s.row_blocks % s.groups, k, ra, rb
    cdef Py_ssize_t part = index // s.row_blocks // s.groups, tiles = s.blocks * s.chunks
    cdef Py_ssize_t row = s.depth * piece // s.row_blocks, row_end = s.depth * (piece + 1) // s.row_blocks
    cdef Py_ssize_t first = tiles * part // s.parts
    cdef Py_ssize_t n = s.groups * s.cout * s.depth
    cdef const real* rows_of_dy
    cdef const real* col
    cdef bint direct, turned = turns_weight(s)
    cdef real* out = sums + part * n if turned else dw if part == 0 else sums + (part - 1) * n
    cdef Tile t
    out += group * s.cout * s.depth + (row * s.cout if turned else row)
    for k in range(first, tiles * (part + 1) // s.parts):
        t = tile_of(s, group, k)
        direct = t.image_end - t.image == 1
        rows_of_dy, ra = dy + output_at(s, &t), s.positions
        if not direct:
            gather_output(s, &t, dy, scratch + s.depth * t.width)
            rows_of_dy, ra = scratch + s.depth * t.width, t.width
        if s.plain and direct:
            col, rb = x + ((t.image * s.groups + group) * s.cin + row) * s.pixels + t.begin, s.pixels
        else:
            unfold(s, &t, x, row, row_end, scratch)
            col, rb = scratch, t.width
        if turned:
            gemm(row_end - row, s.cout, t.width, 1.0, col, rb, 1, rows_of_dy, 1, ra,
                 0.0 if k == first else 1.0, out, s.cout, 1)
        else:
            gemm(s.cout, row_end - row, t.width, 1.0, rows_of_dy, ra, 1, col, 1, rb,
                 0.0 if k == first else 1.0, out, s.depth, 1)


cdef void join_turned(const ConvShape* s, const real* sums, real* dw, int threads) noexcept nogil:
    cdef Py_ssize_t i
    for i in prange(s.groups * s.cout, num_threads=threads, schedule="static"):
        if real is float:
            weight_join_float(s, sums, s.cout, dw, i)
        else:
            weight_join_double(s, sums, s.cout, dw, i)


cdef void add_sums(const ConvShape* s, const real* sums, real* dw, Py_ssize_t channel) noexcept nogil:
    """Add the other parts to the first one's sums for an output channel."""
    cdef Py_ssize_t k, i
    cdef const real* part
    for k in range(s.parts - 1):
        part = sums + (k * s.groups * s.cout + channel) * s.depth
        for i in range(s.depth):
            dw[channel * s.depth + i] += part[i]


cdef void conv_dw(const ConvShape* s, gemm_fn gemm, const real* dy, const real* x, const real* bias, real* dw,
                  real* scratch, int threads) noexcept nogil:
    cdef Py_ssize_t i, tasks = s.row_blocks * s.groups * s.parts
    cdef real* sums = scratch + threads * s.scratch
    if threads <= 1:
        for i in range(tasks):
            conv_dw_task(s, gemm, dy, x, dw, sums, scratch, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            conv_dw_task(s, gemm, dy, x, dw, sums, scratch + thread_id() * s.scratch, i)
    if turns_weight(s):
        join_turned(s, sums, dw, threads)
        return
    if s.parts > 1:
        for i in prange(s.groups * s.cout, num_threads=threads, schedule="static"):
            add_sums(s, sums, dw, i)


# ---- images of three dims as many of two ---------------------------------------------------------------------------
# `planes` has an image of two dims for each image and output plane of s, with a channel for each input channel and
# place of the kernel along the first dim.

cdef inline Py_ssize_t plane_read(const ConvShape* s, Py_ssize_t z, Py_ssize_t k) noexcept nogil:
    """The input plane that output plane z reads for place k of the kernel; -1: none."""
    cdef Py_ssize_t at = z * s.stride[0] + k * s.dilation[0] - s.padding[0]
    return at if 0 <= at < s.size[0] else -1


cdef void unfold_planes_task(const ConvShape* s, const real* x, real* planes, Py_ssize_t index) noexcept nogil:
    cdef Py_ssize_t plane = s.size[1] * s.size[2], channels = s.groups * s.cin, k, at
    cdef Py_ssize_t c = index % channels, z = index // channels % s.out[0], n = index // channels // s.out[0]
    x += (n * channels + c) * s.pixels
    planes += index * s.kernel[0] * plane
    for k in range(s.kernel[0]):
        at = plane_read(s, z, k)
        if at < 0:
            memset(planes, 0, plane * sizeof(real))
        else:
            memcpy(planes, x + at * plane, plane * sizeof(real))
        planes += plane


cdef void unfold_planes(const ConvShape* s, gemm_fn gemm, const real* x, const real* unused, const real* bias,
                        real* planes, real* scratch, int threads) noexcept nogil:
    """Copy the planes of x to where each output plane needs them."""
    cdef Py_ssize_t i, tasks = s.batch * s.out[0] * s.groups * s.cin
    for i in prange(tasks, num_threads=threads, schedule="static"):
        unfold_planes_task(s, x, planes, i)


cdef void fold_planes_task(const ConvShape* s, const real* planes, const real* bias, real* x,
                           Py_ssize_t index) noexcept nogil:
    cdef Py_ssize_t plane = s.size[1] * s.size[2], channels = s.groups * s.cin, k, at, z, i
    cdef Py_ssize_t c = index % channels, n = index // channels
    cdef const real* source
    cdef real* target
    x += index * s.pixels
    fill_row(x, s.pixels, bias[c] if bias != NULL else <real>0)
    for z in range(s.out[0]):
        for k in range(s.kernel[0]):
            at = plane_read(s, z, k)
            if at >= 0:
                source = planes + (((n * s.out[0] + z) * channels + c) * s.kernel[0] + k) * plane
                target = x + at * plane
                for i in range(plane):
                    target[i] += source[i]


cdef void fold_planes(const ConvShape* s, gemm_fn gemm, const real* planes, const real* unused, const real* bias,
                      real* x, real* scratch, int threads) noexcept nogil:
    """The adjoint of unfold_planes, plus the bias."""
    cdef Py_ssize_t i, tasks = s.batch * s.groups * s.cin
    for i in prange(tasks, num_threads=threads, schedule="static"):
        fold_planes_task(s, planes, bias, x, i)


cdef inline void move_plane(const ConvShape* s, const real* whole, real* planes, bint apart,
                            Py_ssize_t index) noexcept nogil:
    """One plane between (image, channel, plane) and (image, plane, channel)."""
    cdef Py_ssize_t plane = s.out[1] * s.out[2], channels = s.groups * s.cout
    cdef Py_ssize_t c = index % channels, z = index // channels % s.out[0], n = index // channels // s.out[0]
    cdef Py_ssize_t at = ((n * channels + c) * s.out[0] + z) * plane
    if apart:
        memcpy(planes + index * plane, whole + at, plane * sizeof(real))
    else:
        memcpy(<real*>whole + at, planes + index * plane, plane * sizeof(real))


cdef void split_planes(const ConvShape* s, gemm_fn gemm, const real* y, const real* unused, const real* bias,
                       real* planes, real* scratch, int threads) noexcept nogil:
    """The planes of a tensor of the output's size as images of their own."""
    cdef Py_ssize_t i, tasks = s.batch * s.out[0] * s.groups * s.cout
    for i in prange(tasks, num_threads=threads, schedule="static"):
        move_plane(s, y, planes, True, i)


cdef void join_planes(const ConvShape* s, gemm_fn gemm, const real* planes, const real* unused, const real* bias,
                      real* y, real* scratch, int threads) noexcept nogil:
    """The inverse of split_planes."""
    cdef Py_ssize_t i, tasks = s.batch * s.out[0] * s.groups * s.cout
    for i in prange(tasks, num_threads=threads, schedule="static"):
        move_plane(s, y, <real*>planes, False, i)


# ---- gradient of the bias ------------------------------------------------------------------------------------------

cdef real row_sum(const real* x, Py_ssize_t n) noexcept nogil:
    """Sum of a row, in 16 interleaved sums that the compiler keeps in vectors."""
    cdef real sums[16]
    cdef real total = 0
    cdef Py_ssize_t i = 0, k
    for k in range(16):
        sums[k] = 0
    while i + 16 <= n:
        for k in range(16):
            sums[k] += x[i + k]
        i += 16
    for k in range(n - i):
        sums[k] += x[i + k]
    for k in range(16):
        total += sums[k]
    return total


cdef inline void channel_sum_task(const real* x, real* out, Py_ssize_t batch, Py_ssize_t channels,
                                  Py_ssize_t positions, Py_ssize_t c) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t n
    for n in range(batch):
        total += row_sum(x + (n * channels + c) * positions, positions)
    out[c] = <real>total


cdef void channel_sum(const real* x, real* out, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t positions,
                      int threads) noexcept nogil:
    """out[c] = the sum of x[n, c, p] over n and p."""
    cdef Py_ssize_t c
    if threads <= 1:
        for c in range(channels):
            channel_sum_task(x, out, batch, channels, positions, c)
    else:
        for c in prange(channels, num_threads=threads, schedule="static"):
            channel_sum_task(x, out, batch, channels, positions, c)


put("conv", F32, <void*>conv[float])
put("conv", F64, <void*>conv[double])
put("conv_dx", F32, <void*>conv_dx[float])
put("conv_dx", F64, <void*>conv_dx[double])
put("conv_dw", F32, <void*>conv_dw[float])
put("conv_dw", F64, <void*>conv_dw[double])
put("channel_sum", F32, <void*>channel_sum[float])
put("channel_sum", F64, <void*>channel_sum[double])
put("unfold_planes", F32, <void*>unfold_planes[float])
put("unfold_planes", F64, <void*>unfold_planes[double])
put("fold_planes", F32, <void*>fold_planes[float])
put("fold_planes", F64, <void*>fold_planes[double])
put("split_planes", F32, <void*>split_planes[float])
put("split_planes", F64, <void*>split_planes[double])
put("join_planes", F32, <void*>join_planes[float])
put("join_planes", F64, <void*>join_planes[double])
