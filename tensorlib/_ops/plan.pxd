# The plan of a reduction: the dims that are kept and those that are folded, sorted, merged and cut into loops.
from libc.stdint cimport int64_t

from .tensor cimport TensorBase
from .types cimport MAXDIM

cdef enum:
    COLUMNS = 1024          # outputs of a task at most; the kernels know this number too
    STRIP_TASK = 16384      # elements that a task of several strips has about
    RELEASE = 4096          # elements below which the GIL is kept

# An accumulator: real for float types, whole for integer types.
cdef union Number:
    double real
    int64_t whole

# Sorted dims, outermost first; steps in elements. `out` is where a kept dim goes in the output.
cdef struct Dims:
    int n
    Py_ssize_t size[MAXDIM]
    Py_ssize_t step[MAXDIM]
    Py_ssize_t out[MAXDIM]

cdef struct Plan:
    Dims kept               # without the innermost, m
    Dims reduced            # without the innermost, n
    Py_ssize_t groups       # product of kept sizes
    Py_ssize_t turns        # product of reduced sizes
    Py_ssize_t n, stride    # the strip
    Py_ssize_t m, gap, out_gap      # neighbouring strips
    bint columns            # whether these are folded side by side, or one after the other
    Py_ssize_t batch        # how many of them are a task
    Py_ssize_t outputs, elements

cdef void merge_neighbours(Dims* d) noexcept nogil
cdef void sort_and_merge(Dims* d) noexcept nogil
cdef void choose_loops(Plan* p, Py_ssize_t short) noexcept nogil
cdef void make_plan(Plan* p, TensorBase x, const bint* reduce, Py_ssize_t short=*) noexcept
cdef void share(Plan* p, int threads) noexcept nogil
cdef void mark_all(TensorBase x, bint* reduce) noexcept


cdef inline void add_dim(Dims* d, Py_ssize_t size, Py_ssize_t step, Py_ssize_t out) noexcept nogil:
    if size != 1:
        d.size[d.n], d.step[d.n], d.out[d.n] = size, step, out
        d.n += 1


cdef inline Py_ssize_t product(Dims* d) noexcept nogil:
    cdef int i
    cdef Py_ssize_t total = 1
    for i in range(d.n):
        total *= d.size[i]
    return total


cdef inline Py_ssize_t locate(const Dims* d, const Py_ssize_t* steps, Py_ssize_t index) noexcept nogil:
    """The position of the index-th element of some dims."""
    cdef int i
    cdef Py_ssize_t offset = 0
    for i in range(d.n - 1, -1, -1):
        offset += index % d.size[i] * steps[i]
        index //= d.size[i]
    return offset


cdef inline Py_ssize_t task_count(const Plan* p) noexcept nogil:
    return p.groups * ((p.m + p.batch - 1) // p.batch)


cdef inline void task_place(const Plan* p, Py_ssize_t task, Py_ssize_t* group, Py_ssize_t* first,
                            Py_ssize_t* m) noexcept nogil:
    """The group of a task, its first strip there and how many it has."""
    cdef Py_ssize_t pieces = (p.m + p.batch - 1) // p.batch
    group[0] = task // pieces
    first[0] = task % pieces * p.batch
    m[0] = min(p.m - first[0], p.batch)
