"""Running sums and products along a dim, histograms, equality.

Lines are planned as reductions are (plan.pyx): alone, or in columns side by side.
"""
from cython.parallel cimport prange
from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from .dispatch cimport get
from .parallel cimport GRAIN, max_threads, threads_for
from .plan cimport (COLUMNS, Dims, Number, Plan, RELEASE, add_dim, choose_loops, locate, make_plan, mark_all,
                    merge_neighbours, product, share, sort_and_merge, task_count, task_place)
from .reduce import max_number, min_number
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, ptr, same_size, type_name, wrap_dim
from .types cimport I64, MAXDIM, U8

cdef enum:
    SHORT = 8               # lines below this are worked off in columns
    SIDE = 4                # others so many at a time

ctypedef void (*lines_fn)(const char* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                          char* out, Py_ssize_t out_stride, Py_ssize_t out_gap, void* acc) noexcept nogil
ctypedef void (*histogram_fn)(const char* x, Py_ssize_t n, Py_ssize_t stride, double* bins, Py_ssize_t count,
                              double low, double high) noexcept nogil
ctypedef void (*cumprod_grad_fn)(const char* dy, Py_ssize_t dy_stride, const char* x, Py_ssize_t stride, Py_ssize_t n,
                                 char* out, Py_ssize_t out_stride) noexcept nogil
ctypedef bint (*equal_fn)(const char* a, Py_ssize_t a_stride, const char* b, Py_ssize_t b_stride,
                         Py_ssize_t n) noexcept nogil

ctypedef void (*store_fn)(char* out, Py_ssize_t gap, Py_ssize_t m, const void* acc, double divisor,
                         double power) noexcept nogil


# ---- running sums --------------------------------------------------------------------------------------

cdef void lines_task(const Plan* p, lines_fn lines, Number start, const char* x, char* out, Py_ssize_t out_stride,
                     int item, Py_ssize_t task) noexcept nogil:
    cdef Number acc[COLUMNS]
    cdef Py_ssize_t group, first, m, side, j
    task_place(p, task, &group, &first, &m)
    x += (locate(&p.kept, p.kept.step, group) + first * p.gap) * item
    out += (locate(&p.kept, p.kept.out, group) + first * p.out_gap) * item
    if p.columns:
        for j in range(m):
            acc[j] = start
        lines(x, p.n, p.stride, m, p.gap, out, out_stride, p.out_gap, acc)
        return
    while m > 0:
        side = SIDE if m >= SIDE else 1
        for j in range(side):
            acc[j] = start
        lines(x, p.n, p.stride, side, p.gap, out, out_stride, p.out_gap, acc)
        x += side * p.gap * item
        out += side * p.out_gap * item
        m -= side


cdef void run_lines(Plan* p, lines_fn lines, Number start, const char* x, char* out, Py_ssize_t out_stride,
                    int item) noexcept nogil:
    cdef Py_ssize_t task, tasks
    cdef int threads = max_threads() if p.elements >= GRAIN else 1
    share(p, threads)
    tasks = task_count(p)
    if threads > 1 and tasks > 1:
        for task in prange(tasks, num_threads=threads, schedule="static"):
            lines_task(p, lines, start, x, out, out_stride, item, task)
    else:
        for task in range(tasks):
            lines_task(p, lines, start, x, out, out_stride, item, task)


cdef TensorBase cumulate(TensorBase x, int dim, str name, double first, bint backward):
    """Run a lines kernel along dim, from its end if backward; its accumulators start at `first`."""
    cdef Plan p
    cdef Number start
    cdef lines_fn lines = <lines_fn>get(name + "_lines", x.dtype)
    cdef TensorBase out
    cdef int d, item = itemsize(x.dtype)
    cdef const char* begin
    cdef char* out_begin
    cdef Py_ssize_t out_stride
    dim = wrap_dim(x, dim)
    out = empty(x.dtype, x.ndim, x.sizes)
    if x.dtype <= I64:
        start.whole = <int64_t>first
    else:
        start.real = first
    p.kept.n = p.reduced.n = 0
    for d in range(x.ndim):
        if d != dim:
            add_dim(&p.kept, x.sizes[d], x.strides[d], out.strides[d])
    add_dim(&p.reduced, x.sizes[dim], x.strides[dim], 0)
    sort_and_merge(&p.kept)
    choose_loops(&p, SHORT)
    begin, out_begin, out_stride = ptr(x), ptr(out), out.strides[dim]
    if backward:
        begin += (p.n - 1) * p.stride * item
        out_begin += (p.n - 1) * out_stride * item
        p.stride, out_stride = -p.stride, -out_stride
    if p.elements < RELEASE:
        run_lines(&p, lines, start, begin, out_begin, out_stride, item)
    else:
        with nogil:
            run_lines(&p, lines, start, begin, out_begin, out_stride, item)
    return out


def cumsum(TensorBase x not None, int dim):
    """Return the running sums along a dim."""
    return cumulate(x, dim, "cumsum", 0, False)


def cumsum_back(TensorBase x not None, int dim):
    """Return the running sums along a dim, from its end."""
    return cumulate(x, dim, "cumsum", 0, True)


def cumprod(TensorBase x not None, int dim):
    """Return the running products along a dim."""
    return cumulate(x, dim, "cumprod", 1, False)


def prod_others(TensorBase x not None, int dim):
    """Return for each element the product of all others along a dim."""
    return cumulate(x, dim, "prod_others", 1, False)


def cumprod_grad(TensorBase dy not None, TensorBase x not None, int dim):
    """Return the derivative of cumprod at x, times dy."""
    cdef cumprod_grad_fn kernel = <cumprod_grad_fn>get("cumprod_grad_line", x.dtype)
    cdef TensorBase out = empty(x.dtype, x.ndim, x.sizes)
    cdef Dims d, of_dy
    cdef int i, item = itemsize(x.dtype)
    cdef Py_ssize_t line
    dim = wrap_dim(x, dim)
    if dy.dtype != x.dtype or not same_size(dy, x):
        raise RuntimeError("cumprod_grad(): expected two tensors of one type and size")
    d.n = of_dy.n = 0
    for i in range(x.ndim):
        if i != dim:
            add_dim(&d, x.sizes[i], x.strides[i], out.strides[i])
            add_dim(&of_dy, x.sizes[i], dy.strides[i], 0)
    with nogil:
        for line in range(product(&d)):
            kernel(ptr(dy) + locate(&of_dy, of_dy.step, line) * item, dy.strides[dim],
                   ptr(x) + locate(&d, d.step, line) * item, x.strides[dim], x.sizes[dim],
                   ptr(out) + locate(&d, d.out, line) * item, out.strides[dim])
    return out


# ---- histograms, equality ----------------------------------------------------------------------------

def histc(TensorBase x not None, Py_ssize_t bins=100, double low=0, double high=0):
    """Return how many elements fall into each of `bins` equal bins between low and high.

    low = high = 0 means the range of the data. The last bin holds high itself; elements outside are not counted.
    """
    cdef histogram_fn kernel = <histogram_fn>get("histogram", x.dtype)
    cdef store_fn store = <store_fn>get("store", x.dtype)
    cdef TensorBase out
    cdef double* counts
    cdef bint reduce[MAXDIM]
    cdef Plan p
    cdef Py_ssize_t i
    if x.ndim == 0:
        raise RuntimeError("histc(): the tensor is empty")
    if bins <= 0:
        raise RuntimeError("histc(): expected at least 1 bin, got %d" % bins)
    if low == high == 0:
        low, high = min_number(x), max_number(x)
    if low == high:
        low, high = low - 1, high + 1
    if not isfinite(high - low):
        raise RuntimeError("histc(): the range from %r to %r is not finite" % (low, high))
    out = empty(x.dtype, 1, &bins)
    counts = <double*>malloc(bins * sizeof(double))
    if counts == NULL:
        raise MemoryError("histc(): no memory for %d bins" % bins)
    mark_all(x, reduce)
    make_plan(&p, x, reduce)
    with nogil:
        for i in range(bins):
            counts[i] = 0
        for i in range(p.turns):
            kernel(ptr(x) + locate(&p.reduced, p.reduced.step, i) * itemsize(x.dtype), p.n, p.stride, counts, bins,
                   low, high)
        store(ptr(out), 1, bins, counts, 1, 1)
    free(counts)
    return out


cdef bint equal_elements(TensorBase a, TensorBase b, equal_fn kernel) noexcept nogil:
    """Compare row by row along the last dim, after merging what is contiguous in both."""
    cdef Dims d
    cdef int i, item = itemsize(a.dtype), threads, unlike = 0
    cdef Py_ssize_t row, n = 1, a_stride = 0, b_stride = 0
    d.n = 0
    for i in range(a.ndim):
        add_dim(&d, a.sizes[i], a.strides[i], b.strides[i])
    merge_neighbours(&d)
    if d.n:
        d.n -= 1
        n, a_stride, b_stride = d.size[d.n], d.step[d.n], d.out[d.n]
    if product(&d) == 1 and threads_for(n) > 1:
        threads = threads_for(n)
        for row in prange(threads, num_threads=threads, schedule="static"):
            unlike |= not kernel(ptr(a) + n * row // threads * a_stride * item, a_stride,
                                 ptr(b) + n * row // threads * b_stride * item, b_stride,
                                 n * (row + 1) // threads - n * row // threads)
        return not unlike
    for row in range(product(&d)):
        if not kernel(ptr(a) + locate(&d, d.step, row) * item, a_stride,
                      ptr(b) + locate(&d, d.out, row) * item, b_stride, n):
            return False
    return True


def equal(TensorBase a not None, TensorBase b not None):
    """Tell whether two tensors of one type have the same sizes and the same elements."""
    cdef equal_fn kernel
    cdef bint same
    if a.dtype != b.dtype:
        raise TypeError("equal(): expected another %s, got %s" % (type_name(a), type_name(b)))
    if not same_size(a, b):
        return False
    if a.ndim == 0:
        return True
    kernel = <equal_fn>get("equal_strip", a.dtype)
    if a.numel_ < RELEASE:
        return equal_elements(a, b, kernel)
    with nogil:
        same = equal_elements(a, b, kernel)
    return same


cdef int check_bytes(TensorBase x, str name) except -1:
    if x.ndim == 0:
        raise RuntimeError("%s(): the tensor is empty" % name)
    if x.dtype != U8:
        raise TypeError("%s(): expected a tensorlib.ByteTensor, got %s" % (name, type_name(x)))
    return 0


def all_nonzero(TensorBase x not None):
    """Tell whether every element of a ByteTensor is nonzero."""
    check_bytes(x, "all")
    return min_number(x) != 0


def any_nonzero(TensorBase x not None):
    """Tell whether some element of a ByteTensor is nonzero."""
    check_bytes(x, "any")
    return max_number(x) != 0
