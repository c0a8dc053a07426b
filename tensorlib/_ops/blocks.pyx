"""Argument blocks of GPU kernels: operands, their merged dims, and what divides by these, as bytes.

A kernel counts in 32 bits. A job that is too large for that is cut into several blocks. The layout of a block is that
of `Job` and of `Folds` in cuda/kernels/common.cuh. Nothing here knows a GPU.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from cpython.bytes cimport PyBytes_FromStringAndSize

from .driver cimport MAXARG, Job, simplify
from .numbers cimport store_number
from .plan cimport Dims, Plan, make_plan
from .storage cimport itemsize
from .tensor cimport TensorBase, ptr, same_size, size_text
from .types cimport MAXDIM

cdef enum:
    LIMIT = 2147483647          # of counts and offsets, in elements

# Magic numbers of a division by size: n / size = (umulhi(n, factor) + n) >> shift for n below 2^31.
cdef struct Divider:
    uint32_t size
    uint32_t factor
    uint32_t shift

cdef struct Head:
    uint32_t n
    uint32_t ndim
    uint32_t flat               # every operand is dense, in the same order
    uint32_t immediate          # bits of operands that are numbers

# One list of dims of a reduction.
cdef struct Loops:
    uint32_t n                  # product of the sizes
    uint32_t ndim
    uint32_t size[MAXDIM]
    uint32_t factor[MAXDIM]
    uint32_t shift[MAXDIM]
    int64_t step[MAXDIM]        # in elements
    int64_t out[MAXDIM]


cdef Divider divider(Py_ssize_t size) noexcept nogil:
    cdef Divider made
    cdef uint64_t one = 1
    made.size = <uint32_t>size
    made.shift = 0
    while (one << made.shift) < made.size:
        made.shift += 1
    made.factor = <uint32_t>(((one << 32) * ((one << made.shift) - made.size)) // made.size + 1)
    return made


cdef bint fits(Job* job) noexcept nogil:
    """Whether all counts and offsets have 32 bits."""
    cdef Py_ssize_t total = 1, reach
    cdef int a, d
    for d in range(job.ndim):
        total *= job.sizes[d]
    if total > LIMIT:
        return False
    for a in range(job.n_args):
        reach = 0
        for d in range(job.ndim):
            reach += (job.sizes[d] - 1) * (job.strides[a][d] // job.itemsize[a])
        if reach > LIMIT:
            return False
    return True


cdef bytes packed(Job* job, unsigned immediate):
    """One block of a job that fits."""
    cdef char[2048] block
    cdef Head* head = <Head*>block
    cdef uint64_t* base = <uint64_t*>(block + sizeof(Head))
    cdef uint32_t* sizes = <uint32_t*>(base + job.n_args)
    cdef int32_t* strides = <int32_t*>(sizes + 3 * MAXDIM)
    cdef Divider by
    cdef int a, d, last = job.ndim - 1
    memset(block, 0, sizeof(block))
    head.n, head.ndim, head.flat, head.immediate = 1, job.ndim, last == 0, immediate
    for d in range(job.ndim):
        by = divider(job.sizes[d])
        head.n *= by.size
        sizes[d], sizes[MAXDIM + d], sizes[2 * MAXDIM + d] = by.size, by.factor, by.shift
    for a in range(job.n_args):
        if immediate >> a & 1:
            memcpy(&base[a], job.base[a], job.itemsize[a])
            continue
        base[a] = <uint64_t>job.base[a]
        if job.strides[a][last] != job.itemsize[a]:
            head.flat = 0
        for d in range(job.ndim):
            strides[a * MAXDIM + d] = <int32_t>(job.strides[a][d] // job.itemsize[a])
    return PyBytes_FromStringAndSize(block, <char*>(strides + job.n_args * MAXDIM) - block)


cdef int halve(Job* job, unsigned immediate, list found) except -1:
    """Append the blocks of a job."""
    cdef Job part
    cdef Py_ssize_t first
    cdef int a
    simplify(job)
    if fits(job):
        found.append((element_count(job), packed(job, immediate)))
        return 0
    part = job[0]
    first = job.sizes[0] // 2           # the outermost dim has the longest strides
    part.sizes[0] = first
    halve(&part, immediate, found)
    part = job[0]
    part.sizes[0] -= first
    for a in range(job.n_args):
        if not immediate >> a & 1:
            part.base[a] += first * job.strides[a][0]
    return halve(&part, immediate, found)


cdef Py_ssize_t element_count(Job* job) noexcept:
    cdef Py_ssize_t total = 1
    cdef int d
    for d in range(job.ndim):
        total *= job.sizes[d]
    return total


cdef list blocks(Job* job, unsigned immediate):
    """[(elements, block)] for a job; `immediate` has the bits of operands that are numbers."""
    cdef list found = []
    halve(job, immediate, found)
    return found


def of(*operands):
    """[(elements, block)] for operands of one size, the written ones first.

    An operand is a tensor, or (element type, number).
    """
    cdef Job job
    cdef TensorBase first = <TensorBase?>operands[0], t
    cdef uint64_t numbers[MAXARG]
    cdef unsigned immediate = 0
    cdef int a, d
    if len(operands) > MAXARG:
        raise ValueError("a block has at most %d operands, but %d were given" % (MAXARG, len(operands)))
    job.n_args, job.n_out, job.ndim = len(operands), 1, first.ndim
    for d in range(first.ndim):
        job.sizes[d] = first.sizes[d]
    for a, operand in enumerate(operands):
        if isinstance(operand, tuple):
            job.base[a], job.itemsize[a] = <char*>&numbers[a], itemsize(operand[0])
            store_number(job.base[a], operand[0], operand[1])
            immediate |= <unsigned>1 << a
            for d in range(first.ndim):
                job.strides[a][d] = 0
            continue
        t = <TensorBase?>operand
        if not same_size(t, first):
            raise RuntimeError("operands of one size were expected, but got [%s] and [%s]"
                               % (size_text(first), size_text(t)))
        job.base[a], job.itemsize[a] = ptr(t), itemsize(t.dtype)
        for d in range(first.ndim):
            job.strides[a][d] = t.strides[d] * job.itemsize[a]
    return blocks(&job, immediate) if first.numel_ > 0 else []


cdef int put_loops(Loops* loops, Dims* dims, str name) except -1:
    cdef Py_ssize_t total = 1
    cdef Divider by
    cdef int d
    loops.ndim = dims.n
    for d in range(dims.n):
        total *= dims.size[d]
        if total > LIMIT:
            raise RuntimeError("%s(): a GPU kernel counts up to %d elements, but got more" % (name, LIMIT))
        by = divider(dims.size[d])
        loops.size[d], loops.factor[d], loops.shift[d] = by.size, by.factor, by.shift
        loops.step[d], loops.out[d] = dims.step[d], dims.out[d]
    loops.n = <uint32_t>total
    return 0


def folds(TensorBase x not None, dims, str name="reduction"):
    """(outputs, elements of each, whether neighbours in memory belong to one output, block) of a reduction over dims.

    The block holds the dims that stay, then those that are folded, outermost first. Outputs are dense, in x's order.
    """
    cdef Plan plan
    cdef bint reduce[MAXDIM]
    cdef Loops[2] loops
    cdef Dims kept, folded
    cdef int d
    cdef bint along
    memset(loops, 0, sizeof(loops))
    for d in range(x.ndim):
        reduce[d] = d in dims
    make_plan(&plan, x, reduce)
    kept, folded = plan.kept, plan.reduced
    if plan.m > 1:                      # the innermost dims, which the plan keeps apart
        kept.size[kept.n], kept.step[kept.n], kept.out[kept.n] = plan.m, plan.gap, plan.out_gap
        kept.n += 1
    if plan.n > 1:
        folded.size[folded.n], folded.step[folded.n], folded.out[folded.n] = plan.n, plan.stride, 0
        folded.n += 1
    put_loops(&loops[0], &kept, name)
    put_loops(&loops[1], &folded, name)
    along = not plan.columns
    return loops[0].n, loops[1].n, along, PyBytes_FromStringAndSize(<char*>loops, sizeof(loops))
