# cython: language_level=3
# Matrix, inner and vector products; real ones of matrices in gemm.h, integer ones plain loops that wrap.
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport *

cdef extern from "gemm.h" nogil:
    void gemm_float(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha, const void* a, Py_ssize_t ra,
                    Py_ssize_t ca, const void* b, Py_ssize_t rb, Py_ssize_t cb, double beta, void* c,
                    Py_ssize_t rc, int threads)
    void gemm_added_float()             # gemm_added_fn of gemm.pxd; only their addresses are used here
    void gemm_added_double()
    void packed_size_float()            # and those of packed products
    void packed_size_double()
    void pack_all_float()
    void pack_all_double()
    void gemm_packed_float()
    void gemm_packed_double()
    void gemm_double(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha, const void* a, Py_ssize_t ra,
                     Py_ssize_t ca, const void* b, Py_ssize_t rb, Py_ssize_t cb, double beta, void* c,
                     Py_ssize_t rc, int threads)
    double dot_float(Py_ssize_t n, const void* a, Py_ssize_t sa, const void* b, Py_ssize_t sb)
    double dot_double(Py_ssize_t n, const void* a, Py_ssize_t sa, const void* b, Py_ssize_t sb)

# Unsigned, for their overflow is defined and gives the same bits as that of the signed type.
ctypedef fused word:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef void gemm_row(Py_ssize_t n, Py_ssize_t k, uint64_t alpha, const word* a, Py_ssize_t ca,
                   const word* b, Py_ssize_t rb, Py_ssize_t cb, uint64_t beta, word* c) noexcept nogil:
    """One row of C. The inner loop runs along C, so that it vectorises where B has unit column stride."""
    cdef Py_ssize_t j, p
    cdef uint64_t scale
    cdef uint32_t scale32
    for j in range(n):
        c[j] = <word>(beta * c[j]) if beta != 0 else 0
    for p in range(k):
        scale = alpha * a[p * ca]
        if word is uint64_t:
            for j in range(n):
                c[j] += scale * b[p * rb + j * cb]
        else:
            scale32 = <uint32_t>scale
            for j in range(n):
                c[j] = <word>(c[j] + scale32 * <uint32_t>b[p * rb + j * cb])


cdef void gemm_words(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha, const word* a, Py_ssize_t ra,
                     Py_ssize_t ca, const word* b, Py_ssize_t rb, Py_ssize_t cb, double beta, word* c,
                     Py_ssize_t rc, int threads) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint64_t scale_a = <uint64_t><int64_t>alpha, scale_b = <uint64_t><int64_t>beta
    if threads > 1:
        for i in prange(m, num_threads=threads, schedule="static"):
            gemm_row(n, k, scale_a, a + i * ra, ca, b, rb, cb, scale_b, c + i * rc)
    else:
        for i in range(m):
            gemm_row(n, k, scale_a, a + i * ra, ca, b, rb, cb, scale_b, c + i * rc)


# Inner products of integers are exact 64-bit sums (which wrap), whatever the type of the elements.
cdef int64_t dot_integer(Py_ssize_t n, const integer* a, Py_ssize_t sa, const integer* b,
                         Py_ssize_t sb) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint64_t total = 0
    for i in range(n):
        total += <uint64_t><int64_t>a[i * sa] * <uint64_t><int64_t>b[i * sb]
    return <int64_t>total


cdef void cross_product(Py_ssize_t outer, Py_ssize_t inner, const number* a, const number* b,
                        number* out) noexcept nogil:
    """Vector products along the middle dim, of size 3; all three operands are dense."""
    cdef Py_ssize_t i, j, x, y, z
    for i in range(outer):
        for j in range(inner):
            x = i * 3 * inner + j
            y = x + inner
            z = y + inner
            out[x] = minor(a[y], b[z], a[z], b[y])
            out[y] = minor(a[z], b[x], a[x], b[z])
            out[z] = minor(a[x], b[y], a[y], b[x])


cdef inline number minor(number a, number b, number c, number d) noexcept nogil:
    """a * b - c * d, in 64 unsigned bits for integers, so that it wraps."""
    if number is float or number is double:
        return a * b - c * d
    else:
        return <number>(<uint64_t><int64_t>a * <uint64_t><int64_t>b - <uint64_t><int64_t>c * <uint64_t><int64_t>d)


put("gemm", U8, <void*>&gemm_words[uint8_t])
put("gemm", I8, <void*>&gemm_words[uint8_t])
put("gemm", I16, <void*>&gemm_words[uint16_t])
put("gemm", I32, <void*>&gemm_words[uint32_t])
put("gemm", I64, <void*>&gemm_words[uint64_t])
put("gemm", F32, <void*>&gemm_float)
put("gemm", F64, <void*>&gemm_double)
put("gemm_added", F32, <void*>&gemm_added_float)
put("gemm_added", F64, <void*>&gemm_added_double)
put("packed_size", F32, <void*>&packed_size_float)
put("packed_size", F64, <void*>&packed_size_double)
put("pack_all", F32, <void*>&pack_all_float)
put("pack_all", F64, <void*>&pack_all_double)
put("gemm_packed", F32, <void*>&gemm_packed_float)
put("gemm_packed", F64, <void*>&gemm_packed_double)
put("dot", U8, <void*>&dot_integer[uint8_t])
put("dot", I8, <void*>&dot_integer[int8_t])
put("dot", I16, <void*>&dot_integer[int16_t])
put("dot", I32, <void*>&dot_integer[int32_t])
put("dot", I64, <void*>&dot_integer[int64_t])
put("dot", F32, <void*>&dot_float)
put("dot", F64, <void*>&dot_double)
put("cross", U8, <void*>&cross_product[uint8_t])
put("cross", I8, <void*>&cross_product[int8_t])
put("cross", I16, <void*>&cross_product[int16_t])
put("cross", I32, <void*>&cross_product[int32_t])
put("cross", I64, <void*>&cross_product[int64_t])
put("cross", F32, <void*>&cross_product[float])
put("cross", F64, <void*>&cross_product[double])
