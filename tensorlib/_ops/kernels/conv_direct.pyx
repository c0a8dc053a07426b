# cython: language_level=3
"""Direct convolution, for images of two dims with few channels: planning and threads. The loops are in conv_band.h."""
from cython.parallel cimport prange

from tensorlib._ops.conv cimport ConvShape
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.gemm cimport gemm_fn
from tensorlib._ops.parallel cimport thread_id
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "conv_direct.h" nogil:
    bint plan_bands_float(ConvShape* s, int threads, Py_ssize_t more)
    bint plan_bands_double(ConvShape* s, int threads, Py_ssize_t more)
    Py_ssize_t lanes_float()
    Py_ssize_t lanes_double()
    int TILE_M
    Py_ssize_t copy_room_float(const ConvShape* s)
    Py_ssize_t copy_room_double(const ConvShape* s)
    Py_ssize_t packed_room_float(const ConvShape* s)
    Py_ssize_t packed_room_double(const ConvShape* s)
    Py_ssize_t pack_tasks_float(const ConvShape* s)
    Py_ssize_t pack_tasks_double(const ConvShape* s)
    void pack_weight_float(const ConvShape* s, const float* w, const float* bias, float* packed, Py_ssize_t task)
    void pack_weight_double(const ConvShape* s, const double* w, const double* bias, double* packed, Py_ssize_t task)
    void direct_task_float(const ConvShape* s, const float* x, const float* packed, float* y, float* scratch,
                           Py_ssize_t task)
    void direct_task_double(const ConvShape* s, const double* x, const double* packed, double* y, double* scratch,
                            Py_ssize_t task)
    bint few_channels_float(const ConvShape* s)
    Py_ssize_t line_room_float(const ConvShape* s)
    Py_ssize_t weight_room_float(const ConvShape* s)
    bint few_channels_double(const ConvShape* s)
    Py_ssize_t line_room_double(const ConvShape* s)
    Py_ssize_t weight_room_double(const ConvShape* s)
    Py_ssize_t sums_room_float(const ConvShape* s)
    Py_ssize_t sums_room_double(const ConvShape* s)
    void weight_task_float(const ConvShape* s, const float* dy, const float* x, float* sums, float* scratch,
                           Py_ssize_t part)
    void weight_task_double(const ConvShape* s, const double* dy, const double* x, double* sums, double* scratch,
                            Py_ssize_t part)
    void weight_join_float(const ConvShape* s, const float* sums, float* dw, Py_ssize_t channel)
    void weight_join_double(const ConvShape* s, const double* sums, double* dw, Py_ssize_t channel)

cdef enum:
    LEAST_TILE = 4                  # below so many rows a tile waits for its own sums
    MOST_SUMS = 1 << 18             # elements of the weight's sums that are worth having once for each thread


# ---- one name for both element types -------------------------------------------------------------------------------

cdef inline void pack_weight(const ConvShape* s, const real* w, const real* bias, real* packed,
                             Py_ssize_t task) noexcept nogil:
    if real is float:
        pack_weight_float(s, w, bias, packed, task)
    else:
        pack_weight_double(s, w, bias, packed, task)


cdef inline void direct_task(const ConvShape* s, const real* x, const real* packed, real* y, real* scratch,
                             Py_ssize_t task) noexcept nogil:
    if real is float:
        direct_task_float(s, x, packed, y, scratch, task)
    else:
        direct_task_double(s, x, packed, y, scratch, task)


cdef inline void weight_task(const ConvShape* s, const real* dy, const real* x, real* sums, real* scratch,
                             Py_ssize_t part) noexcept nogil:
    if real is float:
        weight_task_float(s, dy, x, sums, scratch, part)
    else:
        weight_task_double(s, dy, x, sums, scratch, part)


cdef inline void weight_join(const ConvShape* s, const real* sums, real* dw, Py_ssize_t channel) noexcept nogil:
    if real is float:
        weight_join_float(s, sums, dw, channel)
    else:
        weight_join_double(s, sums, dw, channel)


# ---- plans ---------------------------------------------------------------------------------------------------------

cdef inline double share(Py_ssize_t n, Py_ssize_t step, Py_ssize_t least) noexcept nogil:
    """Useful part of the work for n things in tiles of `step`, where a last tile costs as much as `least` at least."""
    cdef Py_ssize_t rest = n % step
    return <double>n / (n - rest + (max(rest, least) if rest else 0))


cdef double plan_float(ConvShape* s, int threads) noexcept nogil:
    if not plan_bands_float(s, threads, 0):
        return 0
    s.scratch, s.shared = copy_room_float(s), packed_room_float(s)
    return share(s.out[2], lanes_float(), lanes_float()) * share(s.cout, TILE_M, LEAST_TILE)


cdef double plan_double(ConvShape* s, int threads) noexcept nogil:
    if not plan_bands_double(s, threads, 0):
        return 0
    s.scratch, s.shared = copy_room_double(s), packed_room_double(s)
    return share(s.out[2], lanes_double(), lanes_double()) * share(s.cout, TILE_M, LEAST_TILE)


cdef double plan_weight_float(ConvShape* s, int threads) noexcept nogil:
    if s.groups * s.cout * s.depth > MOST_SUMS or not plan_bands_float(s, threads, line_room_float(s)):
        return 0
    s.parts = min(<Py_ssize_t>threads, s.batch * s.groups * s.bands)
    s.scratch, s.shared = weight_room_float(s), sums_room_float(s)
    if few_channels_float(s):
        return share(s.out[2], lanes_float(), lanes_float()) / 2
    return share(s.cout, 2 * lanes_float(), 4 * lanes_float() // 3) * share(s.depth, TILE_M, LEAST_TILE)


cdef double plan_weight_double(ConvShape* s, int threads) noexcept nogil:
    if s.groups * s.cout * s.depth > MOST_SUMS or not plan_bands_double(s, threads, line_room_double(s)):
        return 0
    s.parts = min(<Py_ssize_t>threads, s.batch * s.groups * s.bands)
    s.scratch, s.shared = weight_room_double(s), sums_room_double(s)
    if few_channels_double(s):
        return share(s.out[2], lanes_double(), lanes_double()) / 2
    return share(s.cout, 2 * lanes_double(), 4 * lanes_double() // 3) * share(s.depth, TILE_M, LEAST_TILE)


# ---- kernels -------------------------------------------------------------------------------------------------------

cdef void conv_direct(const ConvShape* s, gemm_fn gemm, const real* x, const real* w, const real* bias, real* y,
                      real* scratch, int threads) noexcept nogil:
    cdef real* packed = scratch + threads * s.scratch
    cdef Py_ssize_t i, tasks = s.batch * s.groups * s.bands
    cdef Py_ssize_t packs = pack_tasks_float(s) if real is float else pack_tasks_double(s)
    if threads <= 1:
        for i in range(packs):
            pack_weight(s, w, bias, packed, i)
        for i in range(tasks):
            direct_task(s, x, packed, y, scratch, i)
    else:
        for i in prange(packs, num_threads=threads, schedule="static"):
            pack_weight(s, w, bias, packed, i)
        for i in prange(tasks, num_threads=threads, schedule="static"):
            direct_task(s, x, packed, y, scratch + thread_id() * s.scratch, i)


cdef void conv_dw_direct(const ConvShape* s, gemm_fn gemm, const real* dy, const real* x, const real* bias, real* dw,
                         real* scratch, int threads) noexcept nogil:
    cdef real* sums = scratch + threads * s.scratch
    cdef Py_ssize_t i, channels = s.groups * s.cout
    if threads <= 1:
        for i in range(s.parts):
            weight_task(s, dy, x, sums, scratch, i)
        for i in range(channels):
            weight_join(s, sums, dw, i)
    else:
        for i in prange(s.parts, num_threads=threads, schedule="static"):
            weight_task(s, dy, x, sums, scratch + thread_id() * s.scratch, i)
        for i in prange(channels, num_threads=threads, schedule="static"):
            weight_join(s, sums, dw, i)


put("conv_direct", F32, <void*>conv_direct[float])
put("conv_direct", F64, <void*>conv_direct[double])
put("conv_direct_plan", F32, <void*>plan_float)
put("conv_direct_plan", F64, <void*>plan_double)
put("conv_dw_direct", F32, <void*>conv_dw_direct[float])
put("conv_dw_direct", F64, <void*>conv_dw_direct[double])
put("conv_dw_direct_plan", F32, <void*>plan_weight_float)
put("conv_dw_direct_plan", F64, <void*>plan_weight_double)
