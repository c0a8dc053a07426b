# The matrix product, get("gemm", dtype): C = alpha * A @ B + beta * C with A m x k, B k x n, C m x n.
# Strides are in elements: r* between rows, c* between columns; the columns of C are adjacent. With beta == 0
# C is written only, never read. threads <= 1 opens no parallel region. C may not overlap A or B.
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
