# cython: language_level=3
# LU factors by partial pivoting, and systems solved with them; matrices are dense, row after row.
from libc.math cimport fabs
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport *


cdef inline void swap_rows(real* a, real* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    cdef real kept
    for j in range(n):
        kept = a[j]
        a[j] = b[j]
        b[j] = kept


cdef inline void subtract_row(real* a, const real* b, real scale, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        a[j] -= scale * b[j]


cdef Py_ssize_t factor(Py_ssize_t n, real* a, int32_t* pivots) noexcept nogil:
    """Overwrite a with L (unit diagonal) below and U on and above the diagonal; row i was swapped with pivots[i] - 1.

    Returns 0, or the position from 1 of the first diagonal element of U that is 0 (the rest is done all the same).
    """
    cdef Py_ssize_t i, k, best, singular = 0
    cdef real scale
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if fabs(a[i * n + k]) > fabs(a[best * n + k]):
                best = i
        pivots[k] = <int32_t>(best + 1)
        if best != k:
            swap_rows(a + k * n, a + best * n, n)
        if a[k * n + k] == 0:
            if singular == 0:
                singular = k + 1
            continue
        for i in range(k + 1, n):
            scale = a[i * n + k] / a[k * n + k]
            a[i * n + k] = scale
            subtract_row(a + i * n + k + 1, a + k * n + k + 1, scale, n - k - 1)
    return singular


cdef void solve(Py_ssize_t n, Py_ssize_t m, const real* lu, const int32_t* pivots, real* b) noexcept nogil:
    """Overwrite b (n x m) with the solution x of A x = b, given the factors of A."""
    cdef Py_ssize_t i, j, k
    for i in range(n):
        if pivots[i] != i + 1:
            swap_rows(b + i * m, b + (pivots[i] - 1) * m, m)
    for i in range(n):
        for k in range(i):
            subtract_row(b + i * m, b + k * m, lu[i * n + k], m)
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            subtract_row(b + i * m, b + k * m, lu[i * n + k], m)
        for j in range(m):
            b[i * m + j] /= lu[i * n + i]


put("lu_factor", F32, <void*>&factor[float])
put("lu_factor", F64, <void*>&factor[double])
put("lu_solve", F32, <void*>&solve[float])
put("lu_solve", F64, <void*>&solve[double])
