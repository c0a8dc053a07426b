"""Reductions over one dim, several or all: sums, products, extremes, norms, variances.

A reduction is planned once (plan.pyx) and then runs in strips or in columns. Work is cut the same way whatever the
number of threads, so that results do not depend on it.
"""
from cython.parallel cimport prange
from libc.math cimport INFINITY, pow
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t
from libc.stdlib cimport free, malloc

from .dispatch cimport get
from .parallel cimport GRAIN, LIGHT, max_threads
from .plan cimport (COLUMNS, Number, Plan, RELEASE, locate, make_plan, mark_all, product, share, task_count,
                    task_place)
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, is_contiguous, ptr, size_text, wrap_dim
from .types cimport I64, MAXDIM, NDTYPE

cdef enum:
    SLICES = 16             # pieces that a reduction with few outputs is cut into
    FEW_COLUMNS = 512       # more columns than this are never cut that way
    SHORT = 64              # strips below this are searched side by side

cdef enum Fold:
    ADD
    MULTIPLY
    LARGEST
    SMALLEST

ctypedef void (*strip_fn)(const char* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil
ctypedef void (*columns_fn)(const char* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                            void* acc, const double* arg) noexcept nogil
ctypedef void (*store_fn)(char* out, Py_ssize_t gap, Py_ssize_t m, const void* acc, double divisor,
                         double power) noexcept nogil
ctypedef void (*strip_position_fn)(const char* x, Py_ssize_t n, Py_ssize_t stride, char* value,
                                   int64_t* where) noexcept nogil
ctypedef void (*positions_fn)(const char* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                              char* value, int32_t* where) noexcept nogil

cdef struct Reduction:
    strip_fn strip
    columns_fn columns
    store_fn store
    Fold fold
    Number start
    bint integral
    bint arg_by_output      # arg has a number for each output, in the order of the plan
    const double* arg
    double divisor
    double power
    int item


# ---- running -------------------------------------------------------------------------------------------

cdef void fold_task(const Plan* p, const Reduction* r, const char* x, Py_ssize_t task, Number* acc) noexcept nogil:
    """Fold the elements of a task into acc, from the start value."""
    cdef Py_ssize_t group, first, m, j, k
    cdef const char* at
    cdef const double* arg = r.arg
    task_place(p, task, &group, &first, &m)
    x += (locate(&p.kept, p.kept.step, group) + first * p.gap) * r.item
    if r.arg_by_output:
        arg += group * p.m + first
    for j in range(m):
        acc[j] = r.start
    for j in range(p.turns):
        at = x + locate(&p.reduced, p.reduced.step, j) * r.item
        if p.columns:
            r.columns(at, p.n, p.stride, m, p.gap, acc, arg)
        else:
            for k in range(m):
                r.strip(at + k * p.gap * r.item, p.n, p.stride, acc + k, arg + k if r.arg_by_output else arg)


cdef void store_task(const Plan* p, const Reduction* r, const Number* acc, char* out, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t group, first, m
    task_place(p, task, &group, &first, &m)
    out += (locate(&p.kept, p.kept.out, group) + first * p.out_gap) * r.item
    r.store(out, p.out_gap, m, acc, r.divisor, r.power)


cdef void finish_task(const Plan* p, const Reduction* r, const char* x, char* out, Number* kept,
                      Py_ssize_t task) noexcept nogil:
    """One task whole: into the output, or into an accumulator for each output if `kept` is given."""
    cdef Number acc[COLUMNS]
    cdef Py_ssize_t group, first, m
    if kept != NULL:
        task_place(p, task, &group, &first, &m)
        fold_task(p, r, x, task, kept + group * p.m + first)
    else:
        fold_task(p, r, x, task, acc)
        store_task(p, r, acc, out, task)


cdef inline Number merge(Number a, Number b, const Reduction* r) noexcept nogil:
    if r.integral:
        if r.fold == ADD:
            a.whole += b.whole
        elif r.fold == MULTIPLY:
            a.whole *= b.whole
        elif r.fold == LARGEST:
            a.whole = max(a.whole, b.whole)
        else:
            a.whole = min(a.whole, b.whole)
    elif r.fold == ADD:
        a.real += b.real
    elif r.fold == MULTIPLY:
        a.real *= b.real
    elif a.real == a.real and (b.real != b.real or (b.real > a.real if r.fold == LARGEST else b.real < a.real)):
        a = b                       # a NaN stays
    return a


cdef inline Py_ssize_t longest(const Plan* p) noexcept nogil:
    """The length that a slice is cut of: of the strip, or of the outermost dim."""
    return max(p.n, p.reduced.size[0]) if p.reduced.n else p.n


cdef void fold_slice(const Plan* whole, const Reduction* r, const char* x, Number* part, Py_ssize_t s) noexcept nogil:
    """Fold the s-th slice of the elements of every output into part."""
    cdef Plan p = whole[0]
    cdef Py_ssize_t n = longest(whole), begin = n * s // SLICES, length = n * (s + 1) // SLICES - begin, task
    if n != p.n:
        x += begin * p.reduced.step[0] * r.item
        p.reduced.size[0] = length
        p.turns = product(&p.reduced)
    else:
        x += begin * p.stride * r.item
        p.n = length
    for task in range(task_count(&p)):
        finish_task(&p, r, x, NULL, part, task)


cdef bint run_sliced(const Plan* p, const Reduction* r, const char* x, char* out, Number* kept,
                     int threads) noexcept nogil:
    """Few outputs of many elements: cut the elements, then merge. False if there is no memory for the parts."""
    cdef Number* parts = <Number*>malloc(SLICES * p.outputs * sizeof(Number))
    cdef Py_ssize_t s, i, task, group, first, m
    if parts == NULL:
        return False
    if threads > 1:
        for s in prange(SLICES, num_threads=threads, schedule="static"):
            fold_slice(p, r, x, parts + s * p.outputs, s)
    else:
        for s in range(SLICES):
            fold_slice(p, r, x, parts + s * p.outputs, s)
    for s in range(1, SLICES):
        for i in range(p.outputs):
            parts[i] = merge(parts[i], parts[s * p.outputs + i], r)
    if kept != NULL:
        for i in range(p.outputs):
            kept[i] = parts[i]
    else:
        for task in range(task_count(p)):
            task_place(p, task, &group, &first, &m)
            store_task(p, r, parts + group * p.m + first, out, task)
    free(parts)
    return True


cdef void run_plan(Plan* p, const Reduction* r, const char* x, char* out, Number* kept) noexcept nogil:
    """Run a reduction into out, or, where kept is given, into one raw accumulator for each output."""
    cdef Py_ssize_t tasks, task
    cdef int threads = max_threads() if p.elements >= LIGHT else 1
    cdef bint few = p.outputs < (FEW_COLUMNS if p.columns else SLICES)
    if p.elements >= GRAIN and few and longest(p) >= 32 * SLICES:
        if run_sliced(p, r, x, out, kept, threads):
            return
    share(p, threads)
    tasks = task_count(p)
    if threads > 1 and tasks > 1:
        for task in prange(tasks, num_threads=threads, schedule="static"):
            finish_task(p, r, x, out, kept, task)
    else:
        for task in range(tasks):
            finish_task(p, r, x, out, kept, task)


cdef void run_released(Plan* p, const Reduction* r, const char* x, char* out, Number* kept):
    if p.elements < RELEASE:
        run_plan(p, r, x, out, kept)
    else:
        with nogil:
            run_plan(p, r, x, out, kept)


# ---- the kinds of reduction ----------------------------------------------------------------------------

cdef class Made:
    """The reductions of one name, made once for each element type."""
    cdef Reduction of[NDTYPE]
    cdef bint known[NDTYPE]

cdef dict made = {}                     # name -> Made


cdef int make_reduction(Reduction* r, str name, int dtype) except -1:
    """Fill in a reduction by the name of its kernels."""
    cdef Made known = <Made>made.get(name)
    if known is None:
        known = made[name] = Made()
    if not known.known[dtype]:
        look_up(&known.of[dtype], name, dtype)
        known.known[dtype] = True
    r[0] = known.of[dtype]
    return 0


cdef int look_up(Reduction* r, str name, int dtype) except -1:
    cdef bint integral = dtype <= I64
    r.strip = <strip_fn>get(name + "_strip", dtype)
    r.columns = <columns_fn>get(name + "_columns", dtype)
    r.store = <store_fn>get("store", dtype)
    r.item = itemsize(dtype)
    r.integral = integral
    r.arg, r.arg_by_output, r.divisor, r.power = NULL, False, 1, 1
    r.fold = ADD
    r.start.whole = 0                   # all bits zero: also 0.0
    if name == "prod":
        r.fold = MULTIPLY
        if integral:
            r.start.whole = 1
        else:
            r.start.real = 1
    elif name == "max" or name == "min":
        r.fold = LARGEST if name == "max" else SMALLEST
        if integral:
            r.start.whole = INT64_MIN if name == "max" else INT64_MAX
        else:
            r.start.real = -INFINITY if name == "max" else INFINITY
    return 0


cdef TensorBase output_of(TensorBase x, int dtype, const bint* reduce, bint keepdim):
    """A new tensor for the outputs: reduced dims have size 1 or are gone; one dim stays at least."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef int d, n = 0
    for d in range(x.ndim):
        if keepdim or not reduce[d]:
            sizes[n] = 1 if reduce[d] else x.sizes[d]
            n += 1
    if n == 0:
        sizes[0] = n = 1
    return empty(dtype, n, sizes)


cdef int mark_dim(TensorBase x, int dim, bint* reduce) except -1:
    cdef int d
    dim = wrap_dim(x, dim)
    for d in range(x.ndim):
        reduce[d] = d == dim
    return dim


cdef Number whole_number(TensorBase x, Reduction* r):
    """Reduce everything into one accumulator."""
    cdef bint reduce[MAXDIM]
    cdef Plan p
    cdef Number acc = r.start
    if x.numel_ <= SHORT and is_contiguous(x):      # one strip, as the plan would find
        if x.ndim:
            r.strip(ptr(x), x.numel_, 1, &acc, r.arg)
    else:
        mark_all(x, reduce)
        make_plan(&p, x, reduce)
        run_released(&p, r, ptr(x), NULL, &acc)
    return acc


cdef object python_number(Number acc, Reduction* r):
    if r.integral:
        return acc.whole
    return finished(acc.real, r)


cdef double finished(double total, const Reduction* r) noexcept nogil:
    """What `store` makes of an accumulator, in double."""
    total /= r.divisor
    return total if r.power == 1 else pow(total, r.power)


cdef TensorBase one_element(TensorBase x, Number acc, Reduction* r):
    """The (1,) tensor of x's type that holds an accumulator."""
    cdef Py_ssize_t one = 1
    cdef TensorBase out = empty(x.dtype, 1, &one)
    r.store(ptr(out), 1, 1, &acc, r.divisor, r.power)
    return out


cdef TensorBase reduce_dim(TensorBase x, int dim, bint keepdim, Reduction* r):
    cdef bint reduce[MAXDIM]
    cdef Plan p
    cdef TensorBase out
    mark_dim(x, dim, reduce)
    out = output_of(x, x.dtype, reduce, keepdim)
    make_plan(&p, x, reduce)
    run_released(&p, r, ptr(x), ptr(out), NULL)
    return out


cdef int check_not_empty(TensorBase x, str name) except -1:
    if x.ndim == 0:
        raise RuntimeError("%s() of an empty tensor" % name)
    return 0


def sum_all(TensorBase x not None):
    """Return the sum of all elements as a (1,) tensor."""
    cdef Reduction r
    make_reduction(&r, "sum", x.dtype)
    return one_element(x, whole_number(x, &r), &r)


def sum_number(TensorBase x not None):
    """Return the sum of all elements as a Python number: integers add up in 64 bits, floats in double."""
    cdef Reduction r
    make_reduction(&r, "sum", x.dtype)
    return python_number(whole_number(x, &r), &r)


def sum_dim(TensorBase x not None, int dim, bint keepdim=False):
    """Return the sums along a dim; integers wrap in their own type."""
    cdef Reduction r
    make_reduction(&r, "sum", x.dtype)
    return reduce_dim(x, dim, keepdim, &r)


def sum_to(TensorBase x not None, sizes):
    """Return the sum of x over the dims that broadcasting from these sizes to x's had added or stretched."""
    cdef bint reduce[MAXDIM]
    cdef Py_ssize_t wanted[MAXDIM]
    cdef Reduction r
    cdef Plan p
    cdef TensorBase out
    cdef int d, n = len(sizes), added = x.ndim - n
    cdef bint fits = 0 < n <= x.ndim
    if fits:
        for d in range(n):
            wanted[d] = sizes[d]
            fits = fits and (wanted[d] == 1 or wanted[d] == x.sizes[d + added])
    if not fits:
        raise RuntimeError("sum_to(): sizes %s do not broadcast to [%s]" % (tuple(sizes), size_text(x)))
    for d in range(x.ndim):
        reduce[d] = d < added or wanted[d - added] == 1
    make_reduction(&r, "sum", x.dtype)
    out = empty(x.dtype, n, wanted)
    make_plan(&p, x, reduce)
    run_released(&p, &r, ptr(x), ptr(out), NULL)
    return out


def mean_all(TensorBase x not None):
    """Return the mean of all elements as a (1,) tensor."""
    cdef Reduction r
    check_not_empty(x, "mean")
    make_reduction(&r, "sum", x.dtype)
    r.divisor = x.numel_
    return one_element(x, whole_number(x, &r), &r)


def mean_number(TensorBase x not None):
    """Return the mean of all elements as a Python float."""
    cdef Reduction r
    check_not_empty(x, "mean")
    make_reduction(&r, "sum", x.dtype)
    r.divisor = x.numel_
    return python_number(whole_number(x, &r), &r)


def mean_dim(TensorBase x not None, int dim, bint keepdim=False):
    """Return the means along a dim."""
    cdef Reduction r
    make_reduction(&r, "sum", x.dtype)
    r.divisor = x.sizes[wrap_dim(x, dim)]
    return reduce_dim(x, dim, keepdim, &r)


def prod_all(TensorBase x not None):
    """Return the product of all elements as a (1,) tensor."""
    cdef Reduction r
    make_reduction(&r, "prod", x.dtype)
    return one_element(x, whole_number(x, &r), &r)


def prod_number(TensorBase x not None):
    """Return the product of all elements as a Python number, in 64 bits."""
    cdef Reduction r
    make_reduction(&r, "prod", x.dtype)
    return python_number(whole_number(x, &r), &r)


def prod_dim(TensorBase x not None, int dim, bint keepdim=False):
    """Return the products along a dim; integers wrap in their own type."""
    cdef Reduction r
    make_reduction(&r, "prod", x.dtype)
    return reduce_dim(x, dim, keepdim, &r)


cdef int make_extreme(Reduction* r, TensorBase x, str name) except -1:
    check_not_empty(x, name)
    return make_reduction(r, name, x.dtype)


def max_all(TensorBase x not None):
    """Return the largest element as a (1,) tensor; NaN if there is one."""
    cdef Reduction r
    make_extreme(&r, x, "max")
    return one_element(x, whole_number(x, &r), &r)


def max_number(TensorBase x not None):
    """Return the largest element as a Python number."""
    cdef Reduction r
    make_extreme(&r, x, "max")
    return python_number(whole_number(x, &r), &r)


def min_all(TensorBase x not None):
    """Return the smallest element as a (1,) tensor; NaN if there is one."""
    cdef Reduction r
    make_extreme(&r, x, "min")
    return one_element(x, whole_number(x, &r), &r)


def min_number(TensorBase x not None):
    """Return the smallest element as a Python number."""
    cdef Reduction r
    make_extreme(&r, x, "min")
    return python_number(whole_number(x, &r), &r)


# ---- extremes with their positions ---------------------------------------------------------------------

cdef void position_task(const Plan* p, strip_position_fn strip, positions_fn columns, const char* x, char* value,
                        int64_t* where, int item, Py_ssize_t task) noexcept nogil:
    cdef int32_t short_where[COLUMNS]
    cdef char values[COLUMNS * 8]
    cdef Py_ssize_t group, first, m, j, place
    task_place(p, task, &group, &first, &m)
    x += (locate(&p.kept, p.kept.step, group) + first * p.gap) * item
    place = locate(&p.kept, p.kept.out, group) + first * p.out_gap
    if not p.columns:
        for j in range(m):
            strip(x + j * p.gap * item, p.n, p.stride, value + (place + j * p.out_gap) * item,
                  where + place + j * p.out_gap)
        return
    columns(x, p.n, p.stride, m, p.gap, values, short_where)
    for j in range(m):
        copy_item(value + (place + j * p.out_gap) * item, values + j * item, item)
        where[place + j * p.out_gap] = short_where[j]


cdef inline void copy_item(char* to, const char* source, int item) noexcept nogil:
    if item == 4:
        (<int32_t*>to)[0] = (<const int32_t*>source)[0]
    elif item == 8:
        (<int64_t*>to)[0] = (<const int64_t*>source)[0]
    elif item == 2:
        (<short*>to)[0] = (<const short*>source)[0]
    else:
        to[0] = source[0]


cdef void run_positions(Plan* p, strip_position_fn strip, positions_fn columns, const char* x, char* value,
                        int64_t* where, int item) noexcept nogil:
    cdef Py_ssize_t task, tasks
    cdef int threads = max_threads() if p.elements >= GRAIN else 1
    share(p, threads)
    tasks = task_count(p)
    if threads > 1 and tasks > 1:
        for task in prange(tasks, num_threads=threads, schedule="static"):
            position_task(p, strip, columns, x, value, where, item, task)
    else:
        for task in range(tasks):
            position_task(p, strip, columns, x, value, where, item, task)


cdef object extreme_dim(TensorBase x, int dim, bint keepdim, str name):
    cdef bint reduce[MAXDIM]
    cdef Plan p
    cdef strip_position_fn strip = <strip_position_fn>get(name + "_position", x.dtype)
    cdef positions_fn columns = <positions_fn>get(name + "_positions", x.dtype)
    cdef TensorBase values, where
    cdef int item = itemsize(x.dtype)
    mark_dim(x, dim, reduce)
    values = output_of(x, x.dtype, reduce, keepdim)
    where = output_of(x, I64, reduce, keepdim)
    make_plan(&p, x, reduce, SHORT)
    if p.n > INT64_MAX >> 32 and p.columns:
        raise RuntimeError("%s(): a dim of %d elements is too long" % (name, p.n))
    if p.elements < RELEASE:
        run_positions(&p, strip, columns, ptr(x), ptr(values), <int64_t*>ptr(where), item)
    else:
        with nogil:
            run_positions(&p, strip, columns, ptr(x), ptr(values), <int64_t*>ptr(where), item)
    return values, where


def max_dim(TensorBase x not None, int dim, bint keepdim=False):
    """Return the largest values along a dim and the positions of the first of them; NaN counts as largest."""
    return extreme_dim(x, dim, keepdim, "max")


def min_dim(TensorBase x not None, int dim, bint keepdim=False):
    """Return the smallest values along a dim and the positions of the first of them; NaN counts as smallest."""
    return extreme_dim(x, dim, keepdim, "min")


# ---- norms and variances -------------------------------------------------------------------------------

cdef int make_norm(Reduction* r, TensorBase x, const double* p) except -1:
    make_reduction(r, "norm", x.dtype)
    r.arg = p
    r.power = 1 if p[0] == 0 or p[0] == 1 else 1 / p[0]
    return 0


def norm_all(TensorBase x not None, double p=2):
    """Return the p-norm of all elements as a (1,) tensor; p = 0 counts those that are not zero."""
    cdef Reduction r
    make_norm(&r, x, &p)
    return one_element(x, whole_number(x, &r), &r)


def norm_number(TensorBase x not None, double p=2):
    """Return the p-norm of all elements as a Python float."""
    cdef Reduction r
    make_norm(&r, x, &p)
    return python_number(whole_number(x, &r), &r)


def norm_dim(TensorBase x not None, double p, int dim, bint keepdim=False):
    """Return the p-norms along a dim."""
    cdef Reduction r
    make_norm(&r, x, &p)
    return reduce_dim(x, dim, keepdim, &r)


cdef double deviation_number(TensorBase x, bint unbiased, Reduction* r) except? -1:
    """The variance of all elements, in two passes; r.power still to be applied."""
    cdef Number acc
    cdef double mean
    check_not_empty(x, "var")
    make_reduction(r, "sum", x.dtype)
    mean = whole_number(x, r).real / x.numel_
    make_reduction(r, "deviation", x.dtype)
    r.arg = &mean
    acc = whole_number(x, r)
    return acc.real / (x.numel_ - unbiased)


cdef double spread(TensorBase x, bint unbiased, bint root) except? -1:
    cdef Reduction r
    cdef double variance = deviation_number(x, unbiased, &r)
    return pow(variance, 0.5) if root else variance


cdef TensorBase spread_tensor(TensorBase x, bint unbiased, bint root):
    cdef Reduction r
    cdef Number acc
    acc.real = deviation_number(x, unbiased, &r)
    r.arg = NULL
    r.power = 0.5 if root else 1
    return one_element(x, acc, &r)


cdef TensorBase spread_dim(TensorBase x, int dim, bint unbiased, bint keepdim, bint root):
    """Variances along a dim: means first, then squared differences from them."""
    cdef bint reduce[MAXDIM]
    cdef Plan p
    cdef Reduction r
    cdef TensorBase out
    cdef Py_ssize_t i, n
    cdef Number* means
    make_reduction(&r, "sum", x.dtype)
    get("deviation_strip", x.dtype)         # raises for integer types before anything is allocated
    n = x.sizes[mark_dim(x, dim, reduce)]
    out = output_of(x, x.dtype, reduce, keepdim)
    make_plan(&p, x, reduce)
    means = <Number*>malloc(p.outputs * sizeof(Number))
    if means == NULL:
        raise MemoryError("var(): no memory for %d means" % p.outputs)
    run_released(&p, &r, ptr(x), NULL, means)
    for i in range(p.outputs):
        means[i].real /= n
    make_reduction(&r, "deviation", x.dtype)
    r.arg, r.arg_by_output = <const double*>means, True
    r.divisor = n - unbiased
    r.power = 0.5 if root else 1
    run_released(&p, &r, ptr(x), ptr(out), NULL)
    free(means)
    return out


def var_all(TensorBase x not None, bint unbiased=True):
    """Return the variance of all elements as a (1,) tensor."""
    return spread_tensor(x, unbiased, False)


def var_number(TensorBase x not None, bint unbiased=True):
    """Return the variance of all elements as a Python float."""
    return spread(x, unbiased, False)


def var_dim(TensorBase x not None, int dim, bint unbiased=True, bint keepdim=False):
    """Return the variances along a dim."""
    return spread_dim(x, dim, unbiased, keepdim, False)


def std_all(TensorBase x not None, bint unbiased=True):
    """Return the standard deviation of all elements as a (1,) tensor."""
    return spread_tensor(x, unbiased, True)


def std_number(TensorBase x not None, bint unbiased=True):
    """Return the standard deviation of all elements as a Python float."""
    return spread(x, unbiased, True)


def std_dim(TensorBase x not None, int dim, bint unbiased=True, bint keepdim=False):
    """Return the standard deviations along a dim."""
    return spread_dim(x, dim, unbiased, keepdim, True)
