# Rows of a matrix gathered by index, and the way back: rows added into a matrix by index.
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.parallel cimport threads_for
from tensorlib._ops.types cimport F32, F64, real


cdef void gather_range(real* out, const real* weight, const int64_t* index, Py_ssize_t width, const real* scale,
                       Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef const real* row
    cdef real s
    for i in range(start, stop):
        row = weight + index[i] * width
        if scale == NULL:
            memcpy(out + i * width, row, width * sizeof(real))
        else:
            s = scale[index[i]]
            for k in range(width):
                out[i * width + k] = s * row[k]


cdef void embedding_kernel(real* out, const real* weight, const int64_t* index, Py_ssize_t n, Py_ssize_t width,
                           const real* scale) noexcept nogil:
    """out[i] = weight[index[i]], times scale[index[i]] where there is a scale for each row of weight."""
    cdef int threads = threads_for(n * width), t
    if threads == 1:
        gather_range(out, weight, index, width, scale, 0, n)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        gather_range(out, weight, index, width, scale, n * t // threads, n * (t + 1) // threads)


cdef void scatter_columns(real* out, const real* g, const int64_t* index, Py_ssize_t n, Py_ssize_t width,
                          const real* scale, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Columns start to stop of every row: threads that own columns never meet, however often an index is repeated."""
    cdef Py_ssize_t i, k
    cdef real s
    cdef real* row
    for i in range(n):
        row = out + index[i] * width
        s = 1 if scale == NULL else scale[index[i]]
        for k in range(start, stop):
            row[k] += s * g[i * width + k]


cdef void embedding_grad_kernel(real* out, const real* g, const int64_t* index, Py_ssize_t n, Py_ssize_t width,
                                const real* scale) noexcept nogil:
    """out[index[i]] += scale[index[i]] * g[i]; out is zero before."""
    cdef int threads = <int>min(threads_for(n * width), width // 16 + 1), t
    if threads == 1:
        scatter_columns(out, g, index, n, width, scale, 0, width)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        scatter_columns(out, g, index, n, width, scale, width * t // threads, width * (t + 1) // threads)


put("embedding", F32, <void*>embedding_kernel[float])
put("embedding", F64, <void*>embedding_kernel[double])
put("embedding_grad", F32, <void*>embedding_grad_kernel[float])
put("embedding_grad", F64, <void*>embedding_grad_kernel[double])
