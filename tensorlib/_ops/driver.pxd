# The one elementwise driver: walks operands of any strides and hands rows of unit stride to a kernel.
from .types cimport MAXDIM, row_fn

cdef enum:
    MAXARG = 8          # operands of a row function, the output among them

# One elementwise job. Strides in bytes; operand 0 is the output, unless n_out says that there are more.
cdef struct Job:
    row_fn fn
    row_fn number_fn            # fn for rows where the operands of `numbers` are one number each, or NULL
    row_fn mirror_fn            # number_fn with the two operands exchanged, or NULL
    unsigned numbers            # a bit for each operand
    bint copies                 # whether fn copies rows as they are, so that many may be copied at once
    Py_ssize_t grain            # elements from which on threads share the work: GRAIN or LIGHT
    int n_args
    int n_out
    int ndim
    Py_ssize_t sizes[MAXDIM]
    Py_ssize_t strides[MAXARG][MAXDIM]
    char* base[MAXARG]
    int itemsize[MAXARG]

cdef void run(Job* job) noexcept nogil
cdef void simplify(Job* job) noexcept nogil     # sort and merge the dims
