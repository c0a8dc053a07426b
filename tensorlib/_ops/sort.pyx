"""Sorting and order statistics along a dim: sort, topk, kthvalue, median, mode.

Each gives (values, LongTensor of positions). Lines are worked off one by one, over threads where there are many;
a line needs scratch room for its keys, positions and a second copy of both.
"""
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from .copying cimport contiguous
from .dispatch cimport get
from .parallel cimport GRAIN, max_threads, thread_id
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, ptr, view_of, wrap_dim
from .types cimport I64, MAXDIM

cdef enum:
    RELEASE = 1024          # elements below which the GIL is kept
    PAIR = 16               # bytes of a key and its position
    LARGEST = 1
    SORTED = 2

ctypedef void (*line_fn)(const char* x, Py_ssize_t step, Py_ssize_t n, char* pairs, Py_ssize_t k, int flags,
                         char* values, int64_t* where, Py_ssize_t out_step) noexcept nogil

# All lines along one dim. Steps and gaps in elements; both outputs are dense and of one size.
cdef struct Lines:
    line_fn kernel
    int ndim
    Py_ssize_t size[MAXDIM]
    Py_ssize_t gap[MAXDIM]
    Py_ssize_t out_gap[MAXDIM]
    Py_ssize_t count, n, step, out_step, k
    int flags, item
    const char* x
    char* values
    int64_t* where
    char* scratch


cdef void run_line(const Lines* l, Py_ssize_t line, int thread) noexcept nogil:
    cdef Py_ssize_t rest = line, offset = 0, out = 0
    cdef int d
    for d in range(l.ndim - 1, -1, -1):
        offset += rest % l.size[d] * l.gap[d]
        out += rest % l.size[d] * l.out_gap[d]
        rest //= l.size[d]
    l.kernel(l.x + offset * l.item, l.step, l.n, l.scratch + thread * l.n * 2 * PAIR, l.k, l.flags,
             l.values + out * l.item, l.where + out, l.out_step)


cdef void run_lines(const Lines* l, int threads) noexcept nogil:
    cdef Py_ssize_t line
    if threads > 1:
        for line in prange(l.count, num_threads=threads, schedule="static"):
            run_line(l, line, thread_id())
    else:
        for line in range(l.count):
            run_line(l, line, 0)


cdef object along(TensorBase x, int dim, str name, Py_ssize_t length, Py_ssize_t k, int flags, bint keepdim):
    """Run a line kernel along dim; each line gives `length` results."""
    cdef Lines l
    cdef TensorBase values, where
    cdef Py_ssize_t sizes[MAXDIM]
    cdef int d, threads = 1
    for d in range(x.ndim):
        sizes[d] = x.sizes[d] if d != dim else length
    values, where = empty(x.dtype, x.ndim, sizes), empty(I64, x.ndim, sizes)
    l.kernel = <line_fn>get(name, x.dtype)
    l.ndim, l.count = 0, 1
    for d in range(x.ndim):
        if d != dim and x.sizes[d] != 1:
            l.size[l.ndim], l.gap[l.ndim], l.out_gap[l.ndim] = x.sizes[d], x.strides[d], values.strides[d]
            l.ndim += 1
            l.count *= x.sizes[d]
    l.n, l.step, l.out_step, l.k = x.sizes[dim], x.strides[dim], values.strides[dim], k
    l.flags, l.item, l.x, l.values, l.where = flags, itemsize(x.dtype), ptr(x), ptr(values), <int64_t*>ptr(where)
    if l.count > 1 and x.numel_ >= GRAIN // 8:
        threads = max_threads()
    l.scratch = <char*>malloc(threads * l.n * 2 * PAIR)
    if l.scratch == NULL:
        raise MemoryError("%s: no memory for lines of %d elements" % (name, l.n))
    if x.numel_ < RELEASE:
        run_lines(&l, 1)
    else:
        with nogil:
            run_lines(&l, threads)
    free(l.scratch)
    if length == 1 and not keepdim:
        return without_dim(values, dim), without_dim(where, dim)
    return values, where


cdef TensorBase without_dim(TensorBase x, int dim):
    """View x without a dim of size 1, unless it is the only one."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef int d, n = 0
    if x.ndim == 1:
        return x
    for d in range(x.ndim):
        if d != dim:
            sizes[n], strides[n] = x.sizes[d], x.strides[d]
            n += 1
    return view_of(x, x.offset, n, sizes, strides)


def sort(TensorBase x not None, int dim=-1, bint descending=False):
    """Return x sorted along a dim, and where each element was.

    Equal elements keep their order, NaN counts as largest.
    """
    dim = wrap_dim(x, dim)
    return along(x, dim, "sort_line", x.sizes[dim], 0, LARGEST if descending else 0, True)


def topk(TensorBase x not None, Py_ssize_t k, int dim=-1, bint largest=True, bint sorted=True):
    """Return the k largest or smallest elements along a dim, and their positions."""
    dim = wrap_dim(x, dim)
    if k < 1 or k > x.sizes[dim]:
        raise RuntimeError("topk(): k not in range for dimension: k is %d, expected 1 to %d, the size of dim %d"
                           % (k, x.sizes[dim], dim))
    return along(x, dim, "topk_line", k, k, (LARGEST if largest else 0) | (SORTED if sorted else 0), True)


def kthvalue(TensorBase x not None, Py_ssize_t k, int dim=-1, bint keepdim=False):
    """Return the k-th smallest elements along a dim, counted from 1, and their positions."""
    dim = wrap_dim(x, dim)
    if k < 1 or k > x.sizes[dim]:
        raise RuntimeError("kthvalue(): selected index out of range: k is %d, expected 1 to %d, the size of dim %d"
                           % (k, x.sizes[dim], dim))
    return along(x, dim, "select_line", 1, k - 1, 0, keepdim)


def median_dim(TensorBase x not None, int dim=-1, bint keepdim=False):
    """Return the medians along a dim (of two middle ones the lower), and their positions."""
    dim = wrap_dim(x, dim)
    return along(x, dim, "select_line", 1, (x.sizes[dim] - 1) // 2, 0, keepdim)


def median_all(TensorBase x not None):
    """Return the median of all elements, and its position in row-major order, as (1,) tensors."""
    cdef TensorBase dense = contiguous(x)
    cdef Py_ssize_t n = x.numel_, one = 1
    if n == 0:
        raise RuntimeError("median(): the tensor is empty and has no median")
    return along(view_of(dense, dense.offset, 1, &n, &one), 0, "select_line", 1, (n - 1) // 2, 0, True)


def mode(TensorBase x not None, int dim=-1, bint keepdim=False):
    """Return the most frequent values along a dim (of several the smallest), and a position of each."""
    return along(x, wrap_dim(x, dim), "mode_line", 1, 0, 0, keepdim)
