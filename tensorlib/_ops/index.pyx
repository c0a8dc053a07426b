"""Elements by position or by mask: index_select, gather, scatter, index_add, masked select and fill, nonzero.

All that move by position share three kernels: gather_lines reads at an index, scatter_lines and scatter_add_lines
write at one. An index of one dim is a matrix whose columns are equal (gap 0); a number is a source of step 0.
Every check is done before the first element is written.
"""
import warnings

from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t

from .copying cimport contiguous, copy_into, fill, meet
from .dispatch cimport get
from .parallel cimport GRAIN, max_threads, threads_for
from .storage cimport itemsize
from .tensor cimport (TensorBase, empty, empty_like, is_contiguous, ptr, same_size, size_text, type_name, view_of,
                      wrap_dim)
from .types cimport I64, MAXDIM, U8

cdef enum:
    RELEASE = 4096          # elements below which the GIL is kept

ctypedef void (*lines_fn)(char* x, Py_ssize_t x_step, Py_ssize_t x_gap,
                          const int64_t* index, Py_ssize_t index_step, Py_ssize_t index_gap,
                          char* other, Py_ssize_t step, Py_ssize_t gap, Py_ssize_t n, Py_ssize_t m) noexcept nogil
ctypedef Py_ssize_t (*masked_fn)(char* x, Py_ssize_t stride, const uint8_t* mask, Py_ssize_t n, char* other,
                                 Py_ssize_t most) noexcept nogil
ctypedef bint (*outside_fn)(const int64_t* index, Py_ssize_t n, int64_t low, int64_t high) noexcept nogil
ctypedef Py_ssize_t (*count_fn)(const char* x, Py_ssize_t stride, Py_ssize_t n) noexcept nogil
ctypedef Py_ssize_t (*nonzero_fn)(const char* x, Py_ssize_t stride, Py_ssize_t n, const int64_t* where, int ndim,
                                  int64_t* out, Py_ssize_t most) noexcept nogil
ctypedef Py_ssize_t (*flags_fn)(const uint8_t* mask, Py_ssize_t n) noexcept nogil

# All lines of a job: the dims other than the indexed one, of which the last is m. Steps in elements;
# operand 0 is the tensor, 1 the index, 2 the other tensor (an output or a source).
cdef struct Lines:
    int ndim
    Py_ssize_t size[MAXDIM]
    Py_ssize_t gap[3][MAXDIM]
    Py_ssize_t n
    Py_ssize_t step[3]
    char* x
    const int64_t* index
    char* other
    int item
    bint writes             # into x: one line may then write where another does


INVALID = {"gather": "Invalid index in gather", "scatter_": "Invalid index in scatter"}      # v0.2's words

# ---- checks --------------------------------------------------------------------------------------------

cdef int check_index(TensorBase index, str name) except -1:
    if index.dtype != I64:
        raise TypeError("%s(): expected a tensorlib.LongTensor of positions, got %s" % (name, type_name(index)))
    return 0


cdef int check_vector(TensorBase index, str name) except -1:
    check_index(index, name)
    if index.ndim != 1:
        raise RuntimeError("%s(): Index is supposed to be a vector, but is of size [%s]" % (name, size_text(index)))
    return 0


cdef int check_type(TensorBase x, TensorBase other, str name) except -1:
    if other.dtype != x.dtype:
        raise TypeError("%s(): expected another %s, got %s" % (name, type_name(x), type_name(other)))
    return 0


cdef bint outside_somewhere(outside_fn any_outside, const int64_t* index, Py_ssize_t n, int64_t low,
                            int64_t high) noexcept nogil:
    """any_outside by several threads: those that use the index next, so that it lies in their caches."""
    cdef int threads = threads_for(n), t, bad = 0
    if threads == 1:
        return any_outside(index, n, low, high)
    for t in prange(threads, num_threads=threads, schedule="static"):
        bad |= any_outside(index + n * t // threads, n * (t + 1) // threads - n * t // threads, low, high)
    return bad


cdef Py_ssize_t first_outside(const int64_t* index, Py_ssize_t n, int64_t low, int64_t high) except -2:
    """The first place whose value is not in [low, high), or -1."""
    cdef outside_fn any_outside = <outside_fn>get("any_outside", I64)
    cdef Py_ssize_t i
    cdef bint bad
    if n < RELEASE:
        bad = any_outside(index, n, low, high)
    else:
        with nogil:
            bad = outside_somewhere(any_outside, index, n, low, high)
    if bad:
        for i in range(n):
            if index[i] < low or index[i] >= high:
                return i
    return -1


cdef TensorBase checked(TensorBase index, Py_ssize_t size, str name, int dim):
    """The index, contiguous, after a look at all its values."""
    cdef TensorBase dense = contiguous(index)
    cdef const int64_t* values = <const int64_t*>ptr(dense)
    cdef Py_ssize_t bad = first_outside(values, dense.numel_, 0, size)
    if bad >= 0:
        raise RuntimeError("%s(): %s: position %d of dim %d, whose size is %d"
                           % (name, INVALID.get(name, "index out of range"), values[bad], dim, size))
    return dense


cdef TensorBase apart(TensorBase read, TensorBase x):
    """An index, mask or source, or a dense copy of it where writing into x would change it."""
    cdef TensorBase copy = read
    if meet(read, x):
        copy = empty_like(read)
        copy_into(copy, read)
    return copy


# ---- running lines -------------------------------------------------------------------------------------

cdef inline void add_gap(Lines* l, Py_ssize_t size, Py_ssize_t x, Py_ssize_t index, Py_ssize_t other) noexcept nogil:
    """Put one more dim inside the others, or merge it with the last one."""
    cdef int d = l.ndim - 1
    if size == 1:
        return
    if (d >= 0 and l.gap[0][d] == x * size and l.gap[1][d] == index * size and l.gap[2][d] == other * size):
        l.size[d] *= size
    else:
        d = l.ndim
        l.size[d] = size
        l.ndim += 1
    l.gap[0][d], l.gap[1][d], l.gap[2][d] = x, index, other


cdef inline Py_ssize_t place(const Lines* l, int operand, Py_ssize_t group) noexcept nogil:
    """The offset of a group of lines: all dims but the last."""
    cdef int d
    cdef Py_ssize_t offset = 0
    for d in range(l.ndim - 2, -1, -1):
        offset += group % l.size[d] * l.gap[operand][d]
        group //= l.size[d]
    return offset


cdef void run_group(const Lines* l, lines_fn kernel, Py_ssize_t group, Py_ssize_t i, Py_ssize_t n,
                    Py_ssize_t j, Py_ssize_t m) noexcept nogil:
    """Lines j to j + m of a group, elements i to i + n."""
    cdef int last = l.ndim - 1
    kernel(l.x + (place(l, 0, group) + j * l.gap[0][last]) * l.item, l.step[0], l.gap[0][last],
           l.index + place(l, 1, group) + i * l.step[1] + j * l.gap[1][last], l.step[1], l.gap[1][last],
           l.other + (place(l, 2, group) + i * l.step[2] + j * l.gap[2][last]) * l.item, l.step[2], l.gap[2][last],
           n, m)


cdef void write_own(const Lines* l, lines_fn kernel, Py_ssize_t group, int t, int threads) noexcept nogil:
    """The rows of a group that thread t writes: those of every threads-th eight positions."""
    cdef Py_ssize_t i
    for i in range(l.n):
        if l.index[i * l.step[1]] // 8 % threads == t:
            run_group(l, kernel, group, i, 1, 0, l.size[l.ndim - 1])


cdef void run_lines(const Lines* l, lines_fn kernel) noexcept nogil:
    """All lines. Readers may be cut anywhere; writers only between lines, which never meet, or by positions."""
    cdef Py_ssize_t groups = 1, m = l.size[l.ndim - 1], t, tasks
    cdef int d, threads
    for d in range(l.ndim - 1):
        groups *= l.size[d]
    threads = max_threads() if groups * m * l.n >= GRAIN else 1
    if threads == 1:
        for t in range(groups):
            run_group(l, kernel, t, 0, l.n, 0, m)
    elif groups >= threads:
        for t in prange(groups, num_threads=threads, schedule="static"):
            run_group(l, kernel, t, 0, l.n, 0, m)
    elif l.writes and l.gap[1][l.ndim - 1] == 0 and l.gap[0][l.ndim - 1] == 1 and m >= 64:
        for t in prange(threads, num_threads=threads, schedule="static"):
            for d in range(<int>groups):
                write_own(l, kernel, d, <int>t, threads)
    elif l.writes or l.step[0] <= l.gap[0][l.ndim - 1] or l.n < 4 * threads:     # not by n: whole lines, or few rows
        tasks = groups * threads
        for t in prange(tasks, num_threads=threads, schedule="static"):
            run_group(l, kernel, t // threads, 0, l.n, m * (t % threads) // threads,
                      m * (t % threads + 1) // threads - m * (t % threads) // threads)
    else:
        tasks = groups * threads
        for t in prange(tasks, num_threads=threads, schedule="static"):
            run_group(l, kernel, t // threads, l.n * (t % threads) // threads,
                      l.n * (t % threads + 1) // threads - l.n * (t % threads) // threads, 0, m)


cdef void run_released(Lines* l, lines_fn kernel, Py_ssize_t elements):
    if l.ndim == 0:
        l.ndim, l.size[0] = 1, 1
        l.gap[0][0] = l.gap[1][0] = l.gap[2][0] = 0
    if elements < RELEASE:
        run_lines(l, kernel)
    else:
        with nogil:
            run_lines(l, kernel)


cdef void lines_by_vector(Lines* l, TensorBase x, int dim, TensorBase index, TensorBase other, bint number):
    """Lines for an index of one dim; `other` has x's sizes but n along dim, or is one number."""
    cdef int d
    start_lines(l, x, dim, index, other, number)
    l.n, l.step[1] = index.numel_, 1
    for d in range(x.ndim):
        if d != dim:
            add_gap(l, x.sizes[d], x.strides[d], 0, 0 if number else other.strides[d])


cdef void lines_by_index(Lines* l, TensorBase x, int dim, TensorBase index, TensorBase other, bint number):
    """Lines for a contiguous index of as many dims as x."""
    cdef int d
    start_lines(l, x, dim, index, other, number)
    l.n, l.step[1] = index.sizes[dim], index.strides[dim]
    for d in range(x.ndim):
        if d != dim:
            add_gap(l, index.sizes[d], x.strides[d], index.strides[d], 0 if number else other.strides[d])


cdef void start_lines(Lines* l, TensorBase x, int dim, TensorBase index, TensorBase other, bint number):
    l.ndim = 0
    l.step[0] = x.strides[dim]
    l.step[2] = 0 if number else other.strides[dim]
    l.x, l.other, l.index = ptr(x), ptr(other), <const int64_t*>ptr(index)
    l.item = itemsize(x.dtype)
    l.writes = not number               # a number may be written in any order


# ---- by an index of one dim ----------------------------------------------------------------------------

def index_select(TensorBase x not None, int dim, TensorBase index not None):
    """Return a copy of the slices of x along dim that a 1-D index names."""
    cdef lines_fn kernel = <lines_fn>get("gather_lines", x.dtype)
    cdef TensorBase dense, out
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Lines l
    cdef int d
    check_vector(index, "index_select")
    dim = wrap_dim(x, dim)
    dense = checked(index, x.sizes[dim], "index_select", dim)
    for d in range(x.ndim):
        sizes[d] = x.sizes[d] if d != dim else dense.numel_
    out = empty(x.dtype, x.ndim, sizes)
    lines_by_vector(&l, x, dim, dense, out, False)
    l.writes = False
    run_released(&l, kernel, out.numel_)
    return out


cdef TensorBase check_slices(TensorBase x, int dim, TensorBase index, TensorBase source, str name):
    """The contiguous index, if source has a slice of x's size for each of its positions."""
    cdef int d
    cdef bint fits = source.ndim == x.ndim
    check_vector(index, name)
    check_type(x, source, name)
    for d in range(x.ndim):
        fits = fits and source.sizes[d] == (x.sizes[d] if d != dim else index.numel_)
    if not fits:
        raise RuntimeError("%s(): Number of indices should be equal to source:size(dim), and other sizes equal: a "
                           "source for [%s] and %d indices along dim %d is of size [%s]"
                           % (name, size_text(x), index.numel_, dim, size_text(source)))
    return apart(checked(index, x.sizes[dim], name, dim), x)


cdef TensorBase put_slices(TensorBase x, int dim, TensorBase index, TensorBase source, str name, str kernel):
    cdef lines_fn fn = <lines_fn>get(kernel, x.dtype)
    cdef TensorBase dense
    cdef Lines l
    check_vector(index, name)
    dim = wrap_dim(x, dim)
    dense = check_slices(x, dim, index, source, name)
    source = apart(source, x)
    lines_by_vector(&l, x, dim, dense, source, False)
    run_released(&l, fn, source.numel_)
    return x


def index_add_(TensorBase x not None, int dim, TensorBase index not None, TensorBase source not None):
    """Add the slices of source to the slices of x along dim that a 1-D index names, in place."""
    return put_slices(x, dim, index, source, "index_add_", "scatter_add_lines")


def index_copy_(TensorBase x not None, int dim, TensorBase index not None, TensorBase source not None):
    """Write the slices of source over the slices of x along dim that a 1-D index names, in place."""
    return put_slices(x, dim, index, source, "index_copy_", "scatter_lines")


cdef TensorBase one_number(TensorBase x, object value):
    """A tensor of x's type that holds one number."""
    cdef Py_ssize_t one = 1
    cdef TensorBase out = empty(x.dtype, 1, &one)
    fill(out, value)
    return out


def index_fill_(TensorBase x not None, int dim, TensorBase index not None, value):
    """Write a number into the slices of x along dim that a 1-D index names, in place."""
    cdef lines_fn kernel = <lines_fn>get("scatter_lines", x.dtype)
    cdef TensorBase dense, number = one_number(x, value)
    cdef Lines l
    check_vector(index, "index_fill_")
    dim = wrap_dim(x, dim)
    dense = apart(checked(index, x.sizes[dim], "index_fill_", dim), x)
    lines_by_vector(&l, x, dim, dense, number, True)
    run_released(&l, kernel, x.numel_ // x.sizes[dim] * dense.numel_)
    return x


# ---- by an index of all dims ---------------------------------------------------------------------------

cdef int check_sizes(TensorBase x, int dim, TensorBase index, str name) except -1:
    """The index must have x's sizes in every dim but `dim`."""
    cdef int d
    cdef bint fits = index.ndim == x.ndim
    check_index(index, name)
    for d in range(x.ndim):
        fits = fits and (d == dim or index.sizes[d] == x.sizes[d])
    if not fits:
        raise RuntimeError("%s(): expected an index of size [%s] but for dim %d, got [%s]"
                           % (name, size_text(x), dim, size_text(index)))
    return 0


def gather(TensorBase x not None, int dim, TensorBase index not None):
    """Return out[i][j] = x[index[i][j]][j] for dim 0, x[i][index[i][j]] for dim 1, and so on."""
    cdef lines_fn kernel = <lines_fn>get("gather_lines", x.dtype)
    cdef TensorBase dense, out
    cdef Lines l
    dim = wrap_dim(x, dim)
    check_sizes(x, dim, index, "gather")
    dense = checked(index, x.sizes[dim], "gather", dim)
    out = empty(x.dtype, index.ndim, index.sizes)
    lines_by_index(&l, x, dim, dense, out, False)
    l.writes = False
    run_released(&l, kernel, out.numel_)
    return out


cdef TensorBase put_elements(TensorBase x, int dim, TensorBase index, TensorBase source, bint number,
                             str name, str kernel):
    cdef lines_fn fn = <lines_fn>get(kernel, x.dtype)
    cdef TensorBase dense
    cdef Lines l
    cdef int d
    cdef bint fits = number or source.ndim == x.ndim
    check_type(x, source, name)
    dim = wrap_dim(x, dim)
    check_sizes(x, dim, index, name)
    for d in range(0 if number else x.ndim):
        fits = fits and source.sizes[d] >= index.sizes[d]
    if not fits:
        raise RuntimeError("%s(): expected a source of at least the index's size [%s], got [%s]"
                           % (name, size_text(index), size_text(source)))
    dense = apart(checked(index, x.sizes[dim], name, dim), x)
    source = apart(source, x)
    lines_by_index(&l, x, dim, dense, source, number)
    run_released(&l, fn, dense.numel_)
    return x


def scatter_(TensorBase x not None, int dim, TensorBase index not None, source):
    """Write a tensor or a number to x[index[i][j]][j] for dim 0, and likewise for the others, in place."""
    if isinstance(source, TensorBase):
        return put_elements(x, dim, index, source, False, "scatter_", "scatter_lines")
    return put_elements(x, dim, index, one_number(x, source), True, "scatter_", "scatter_lines")


def scatter_add_(TensorBase x not None, int dim, TensorBase index not None, TensorBase source not None):
    """Add source to x[index[i][j]][j] for dim 0, and likewise for the others, in place."""
    return put_elements(x, dim, index, source, False, "scatter_add_", "scatter_add_lines")


# ---- by offsets into the storage -----------------------------------------------------------------------

cdef TensorBase checked_offsets(TensorBase x, TensorBase offsets, str name):
    """The offsets, contiguous; each must lie in x's storage, counted from x's first element."""
    cdef TensorBase dense = contiguous(offsets)
    cdef const int64_t* values = <const int64_t*>ptr(dense)
    cdef Py_ssize_t bad
    check_index(offsets, name)
    bad = first_outside(values, dense.numel_, -x.offset, x.store.size - x.offset)
    if bad >= 0:
        raise IndexError("%s(): offset %d is outside of the storage" % (name, values[bad]))
    return apart(dense, x)


cdef void run_flat(TensorBase x, TensorBase dense, TensorBase other, Py_ssize_t step, bint writes, lines_fn kernel):
    cdef Lines l
    l.ndim = 0
    l.n = dense.numel_
    l.step[0], l.step[1], l.step[2] = 1, 1, step
    l.x, l.index, l.other = ptr(x), <const int64_t*>ptr(dense), ptr(other)
    l.item, l.writes = itemsize(x.dtype), writes
    run_released(&l, kernel, l.n)


def take_flat(TensorBase x not None, TensorBase offsets not None):
    """Return the elements at some offsets from x's first element in its storage, with the sizes of `offsets`."""
    cdef TensorBase dense = checked_offsets(x, offsets, "take_flat")
    cdef TensorBase out = empty(x.dtype, offsets.ndim, offsets.sizes)
    if out.numel_:
        run_flat(x, dense, out, 1, False, <lines_fn>get("gather_lines", x.dtype))
    return out


def put_flat(TensorBase x not None, TensorBase offsets not None, TensorBase source not None, bint accumulate=False):
    """Write source, or add it, at some offsets from x's first element in its storage."""
    cdef TensorBase dense = checked_offsets(x, offsets, "put_flat"), values
    check_type(x, source, "put_flat")
    if source.numel_ != offsets.numel_:
        raise RuntimeError("put_flat(): expected %d elements for as many positions, got %d"
                           % (offsets.numel_, source.numel_))
    values = apart(contiguous(source), x)
    if dense.numel_:
        kernel = "scatter_add_lines" if accumulate else "scatter_lines"
        run_flat(x, dense, values, 1, True, <lines_fn>get(kernel, x.dtype))
    return x


def fill_flat(TensorBase x not None, TensorBase offsets not None, value):
    """Write a number at some offsets from x's first element in its storage."""
    cdef TensorBase dense = checked_offsets(x, offsets, "fill_flat"), number = one_number(x, value)
    if dense.numel_:
        run_flat(x, dense, number, 0, True, <lines_fn>get("scatter_lines", x.dtype))
    return x


# ---- by a mask -----------------------------------------------------------------------------------------

cdef int broadcast_sizes(TensorBase a, TensorBase b, Py_ssize_t* sizes) except -1:
    """The common sizes of two tensors; returns their number, or 0 if there are none."""
    cdef int d, n = max(a.ndim, b.ndim)
    cdef Py_ssize_t x, y
    if a.ndim == 0 or b.ndim == 0:
        return 0
    for d in range(n):
        x = a.sizes[d - n + a.ndim] if d >= n - a.ndim else 1
        y = b.sizes[d - n + b.ndim] if d >= n - b.ndim else 1
        if x != y and x != 1 and y != 1:
            return 0
        sizes[d] = x if y == 1 else y
    return n


cdef TensorBase expand(TensorBase x, int ndim, const Py_ssize_t* sizes):
    """View x with more and larger dims; the sizes are known to fit."""
    cdef Py_ssize_t strides[MAXDIM]
    cdef int d, added = ndim - x.ndim
    for d in range(ndim):
        strides[d] = 0 if d < added or x.sizes[d - added] != sizes[d] else x.strides[d - added]
    return view_of(x, x.offset, ndim, sizes, strides)


cdef Py_ssize_t count_ones(TensorBase mask) except -2:
    """How many elements of a contiguous mask are 1, or -1 where some is neither 0 nor 1."""
    cdef flags_fn count_flags = <flags_fn>get("count_flags", U8)
    cdef Py_ssize_t n = mask.numel_, ones = 0, part
    cdef int threads = threads_for(n), t, bad = 0
    if threads == 1:
        return count_flags(<const uint8_t*>ptr(mask), n)
    with nogil:
        for t in prange(threads, num_threads=threads, schedule="static"):
            part = count_flags(<const uint8_t*>ptr(mask) + n * t // threads, n * (t + 1) // threads - n * t // threads)
            bad |= part < 0
            ones += part
    return -1 if bad else ones


cdef int check_mask(TensorBase mask, str name) except -1:
    if count_ones(contiguous(mask)) < 0:
        raise RuntimeError("%s(): Mask tensor can take 0 and 1 values only" % name)
    return 0


cdef TensorBase fitted_mask(TensorBase x, TensorBase mask, str name):
    """The mask, contiguous and with as many elements as x, in x's order."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef int n
    if mask.dtype != U8:
        raise TypeError("%s(): expected a tensorlib.ByteTensor as mask, got %s" % (name, type_name(mask)))
    check_mask(mask, name)
    if same_size(x, mask):
        return apart(contiguous(mask), x)
    n = broadcast_sizes(x, mask, sizes)
    if n and n == x.ndim and same_sizes(x, sizes):
        return apart(contiguous(expand(mask, n, sizes)), x)
    if x.numel_ != mask.numel_:
        raise RuntimeError("%s(): inconsistent tensor size: a mask of size [%s] does not broadcast to [%s]"
                           % (name, size_text(mask), size_text(x)))
    warnings.warn("%s(): sizes [%s] and [%s] do not broadcast, but have the same number of elements. "
                  "Falling back to deprecated pointwise behavior." % (name, size_text(x), size_text(mask)), UserWarning)
    return apart(contiguous(mask), x)


cdef bint same_sizes(TensorBase x, const Py_ssize_t* sizes) noexcept:
    cdef int d
    for d in range(x.ndim):
        if x.sizes[d] != sizes[d]:
            return False
    return True


cdef Py_ssize_t walk_mask(TensorBase x, TensorBase mask, char* other, Py_ssize_t most, masked_fn kernel) noexcept nogil:
    """Hand the rows of x to a kernel in order; mask is contiguous. `other` moves on by what each row reports; if
    most < 0 it stays, and threads may share the work."""
    cdef Py_ssize_t row, rows, n, rest, offset, stride, used = 0
    cdef int parts, d, last = x.ndim - 1, item = itemsize(x.dtype)
    cdef const uint8_t* flags = <const uint8_t*>ptr(mask)
    n, stride = x.sizes[last], x.strides[last]
    while last > 0 and x.strides[last - 1] == stride * n:      # merge what is contiguous
        last -= 1
        n *= x.sizes[last]
    rows = x.numel_ // n
    if most < 0 and rows == 1 and threads_for(n) > 1:
        parts = threads_for(n)
        for row in prange(parts, num_threads=parts, schedule="static"):
            kernel(ptr(x) + n * row // parts * stride * item, stride, flags + n * row // parts,
                   n * (row + 1) // parts - n * row // parts, other, most)
        return 0
    for row in range(rows):
        rest, offset = row, 0
        for d in range(last - 1, -1, -1):
            offset += rest % x.sizes[d] * x.strides[d]
            rest //= x.sizes[d]
        used += kernel(ptr(x) + offset * item, stride, flags + row * n, n, other + used * item, most - used)
    return used


cdef Py_ssize_t run_mask(TensorBase x, TensorBase mask, TensorBase other, Py_ssize_t most, masked_fn kernel):
    cdef Py_ssize_t used
    if x.numel_ < RELEASE:
        return walk_mask(x, mask, ptr(other), most, kernel)
    with nogil:
        used = walk_mask(x, mask, ptr(other), most, kernel)
    return used


def masked_select(TensorBase x not None, TensorBase mask not None):
    """Return the elements of x where a ByteTensor is 1, in order, as a 1-D tensor."""
    cdef masked_fn kernel = <masked_fn>get("masked_select_row", x.dtype)
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t ones
    cdef int n
    cdef TensorBase flags, out
    if x.ndim and mask.ndim and not same_size(x, mask):
        n = broadcast_sizes(x, mask, sizes)
        if n and x.numel_ != mask.numel_:
            x = expand(x, n, sizes)
    flags = fitted_mask(x, mask, "masked_select")
    ones = count_ones(flags)
    out = empty(x.dtype, 1 if ones else 0, &ones)
    if ones:
        run_mask(x, flags, out, ones, kernel)
    return out


def masked_fill_(TensorBase x not None, TensorBase mask not None, value):
    """Write a number where a ByteTensor is 1, in place."""
    cdef masked_fn kernel = <masked_fn>get("masked_fill_row", x.dtype)
    cdef TensorBase number = one_number(x, value), flags = fitted_mask(x, mask, "masked_fill_")
    if x.ndim:
        run_mask(x, flags, number, -1, kernel)
    return x


def masked_scatter_(TensorBase x not None, TensorBase mask not None, TensorBase source not None):
    """Write the next elements of source wherever a ByteTensor is 1, in place."""
    cdef masked_fn kernel = <masked_fn>get("masked_scatter_row", x.dtype)
    cdef TensorBase flags, values
    cdef Py_ssize_t ones
    check_type(x, source, "masked_scatter_")
    flags = fitted_mask(x, mask, "masked_scatter_")
    ones = count_ones(flags)
    if source.numel_ < ones:
        raise RuntimeError("masked_scatter_(): Number of elements of src < number of ones in mask: %d ones, but %d "
                           "elements"
                           % (ones, source.numel_))
    values = apart(contiguous(source), x)
    if ones:
        run_mask(x, flags, values, ones, kernel)
    return x


# ---- nonzero -------------------------------------------------------------------------------------------

cdef void find_nonzero(TensorBase x, nonzero_fn kernel, int64_t* out, Py_ssize_t count) noexcept nogil:
    """Write the coordinates of the `count` nonzero elements, row by row."""
    cdef int64_t where[MAXDIM]
    cdef Py_ssize_t _row, offset = 0, found = 0, n = x.sizes[x.ndim - 1]
    cdef int d, item = itemsize(x.dtype)
    for d in range(x.ndim):
        where[d] = 0
    for _row in range(x.numel_ // n):
        found += kernel(ptr(x) + offset * item, x.strides[x.ndim - 1], n, where, x.ndim, out + found * x.ndim,
                        count - found)
        for d in range(x.ndim - 2, -1, -1):
            where[d] += 1
            offset += x.strides[d]
            if where[d] < x.sizes[d]:
                break
            offset -= x.sizes[d] * x.strides[d]
            where[d] = 0


cdef Py_ssize_t count_rows(TensorBase x, count_fn kernel) noexcept nogil:
    """How many elements are nonzero."""
    cdef Py_ssize_t row, rest, offset, found = 0, n = x.sizes[x.ndim - 1]
    cdef int d
    if is_contiguous(x):
        return kernel(ptr(x), 1, x.numel_)
    for row in range(x.numel_ // n):
        rest, offset = row, 0
        for d in range(x.ndim - 2, -1, -1):
            offset += rest % x.sizes[d] * x.strides[d]
            rest //= x.sizes[d]
        found += kernel(ptr(x) + offset * itemsize(x.dtype), x.strides[x.ndim - 1], n)
    return found


def nonzero(TensorBase x not None):
    """Return the positions of the nonzero elements: a LongTensor with a row of coordinates for each."""
    cdef count_fn count = <count_fn>get("count_nonzero", x.dtype)
    cdef nonzero_fn kernel = <nonzero_fn>get("nonzero_row", x.dtype)
    cdef Py_ssize_t sizes[2]
    cdef TensorBase out
    sizes[0], sizes[1] = 0, x.ndim
    if x.ndim:
        with nogil:
            sizes[0] = count_rows(x, count)
    out = empty(I64, 2 if sizes[0] else 0, sizes)
    if sizes[0]:
        with nogil:
            find_nonzero(x, kernel, <int64_t*>ptr(out), sizes[0])
    return out
