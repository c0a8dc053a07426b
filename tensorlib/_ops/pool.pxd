# Geometry of a pooling, always as three spatial dims (missing leading ones have size 1), and the types of its kernels.
from libc.stdint cimport int64_t

cdef struct PoolShape:
    Py_ssize_t planes               # batch times channels
    Py_ssize_t size[3]              # input
    Py_ssize_t kernel[3]
    Py_ssize_t stride[3]
    Py_ssize_t padding[3]
    Py_ssize_t dilation[3]
    Py_ssize_t out[3]
    Py_ssize_t pixels               # product of size
    Py_ssize_t positions            # product of out
    bint count_padding              # an average counts the padding inside its window

# Indices are flat positions within an input plane; -1 stands for a window that is all padding.
ctypedef void (*max_pool_fn)(const PoolShape* s, const void* x, void* y, int64_t* indices, int threads) noexcept nogil
ctypedef void (*avg_pool_fn)(const PoolShape* s, const void* x, void* y, int threads) noexcept nogil

# Move values between planes of `pixels` and planes of `positions`. The result counts the invalid indices.
ctypedef Py_ssize_t (*plane_fn)(const void* x, const int64_t* indices, void* y, Py_ssize_t planes, Py_ssize_t pixels,
                                Py_ssize_t positions, int threads) noexcept nogil
