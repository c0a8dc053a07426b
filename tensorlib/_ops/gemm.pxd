# The matrix product, get("gemm", dtype): C = alpha * A @ B + beta * C with A m x k, B k x n, C m x n.
# Strides are in elements: r* between rows, c* between columns; the columns of C are adjacent. With beta == 0
# C is written only, never read. threads <= 1 opens no parallel region. C may not overlap A or B.
from .parallel cimport max_threads

ctypedef void (*gemm_fn)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
                         const void* a, Py_ssize_t ra, Py_ssize_t ca,
                         const void* b, Py_ssize_t rb, Py_ssize_t cb,
                         double beta, void* c, Py_ssize_t rc, int threads) noexcept nogil

# The same with what is added apart from C, get("gemm_added", dtype), float and double only:
# C = alpha * A @ B + beta * D. The columns of D are adjacent too; rd == 0 adds one row to all.
ctypedef void (*gemm_added_fn)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
                               const void* a, Py_ssize_t ra, Py_ssize_t ca,
                               const void* b, Py_ssize_t rb, Py_ssize_t cb,
                               double beta, const void* d, Py_ssize_t rd,
                               void* c, Py_ssize_t rc, int threads) noexcept nogil

# Products with one k x n matrix B again and again, on one thread, float and double only: pack_all writes packed_size
# elements; then gemm_packed is C = A @ B + beta * D, A dense along k, the columns of C and D adjacent, D maybe C.
ctypedef Py_ssize_t (*packed_size_fn)(Py_ssize_t k, Py_ssize_t n) noexcept nogil
ctypedef void (*pack_all_fn)(Py_ssize_t k, Py_ssize_t n, const void* b, Py_ssize_t rb, Py_ssize_t cb,
                             void* out) noexcept nogil
ctypedef void (*gemm_packed_fn)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const void* a, Py_ssize_t ra,
                                const void* packed, double beta, const void* d, Py_ssize_t rd, void* c,
                                Py_ssize_t rc) noexcept nogil

cdef enum:
    THREAD_WORK = 1 << 19       # multiplications that are worth a thread, which may have to be woken: 10 us or more
    MOVED = 10                  # how many of them an element counts that comes from a cache, or goes there

cdef inline int threads_for_products(Py_ssize_t count, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    cdef double moved = <double>m * k + <double>k * n + <double>m * n
    cdef double work = count * (<double>m * n * k + MOVED * moved) / THREAD_WORK
    cdef int most
    if work < 2:
        return 1
    most = max_threads()
    return most if work >= most else <int>work

cdef inline int threads_for_product(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    return threads_for_products(1, m, n, k)
