"""Copies of elements between tensors of any strides and types, filling, and making dense.

A copy never reads what it has written: where source and target overlap, the source is set aside first.
"""
cimport cython
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from .dispatch cimport find, get
from .dispatch import DTYPE_NAMES
from .driver cimport Job, run
from .numbers cimport store_number
from .parallel cimport LIGHT, threads_for
from .storage cimport gpu, itemsize
from .tensor cimport (TensorBase, empty_like, is_contiguous, new_header, ptr, same_size, set_sizes,
                      size_text, view_of)
from .types cimport row_fn

cdef enum:
    SMALL = 512         # bytes of a dense tensor that are filled without the driver


cdef TensorBase contiguous(TensorBase t):
    cdef TensorBase dense
    if is_contiguous(t):
        return t
    dense = empty_like(t)
    copy_into(dense, t)
    return dense


cdef Py_ssize_t* UNIT_STRIDE = [1]


cdef void operand(Job* job, int position, TensorBase t) noexcept nogil:
    """Enter t as an operand of the job's sizes; its own sizes must be theirs."""
    cdef int d
    cdef int size = itemsize(t.dtype)
    job.base[position] = ptr(t)
    job.itemsize[position] = size
    for d in range(job.ndim):
        job.strides[position][d] = t.strides[d] * size


cdef int set_kernels(Job* job, int source, int target) except -1:
    cdef str name = "from_" + DTYPE_NAMES[source]
    job.fn, job.number_fn, job.mirror_fn = <row_fn>get(name, target), <row_fn>find(name + "_number", target), NULL
    job.n_args, job.n_out, job.numbers, job.copies, job.grain = 2, 1, 2, source == target, LIGHT
    return 0


cdef int copy_into(TensorBase dst, TensorBase src) except -1:
    """dst[...] = src for the same number of elements, element by element in order."""
    cdef Job job
    cdef TensorBase dense
    cdef int d
    if dst.numel_ != src.numel_:
        raise RuntimeError("inconsistent tensor size, expected tensor [%s] and src [%s] to have the same number "
                           "of elements, but got %d and %d elements respectively"
                           % (size_text(dst), size_text(src), dst.numel_, src.numel_))
    if dst.numel_ == 0:
        return 0
    if dst.device != src.device:
        gpu().copy_across(dst, src)
        return 0
    if overlaps(dst, src):
        dense = empty_like(src)
        copy_into(dense, src)
        src = dense
    if not same_size(dst, src):
        if is_contiguous(src):
            src = view_of(src, src.offset, 1, &src.numel_, UNIT_STRIDE)
            if is_contiguous(dst):
                dst = view_of(dst, dst.offset, 1, &dst.numel_, UNIT_STRIDE)
            else:
                src = view_of(src, src.offset, dst.ndim, dst.sizes, empty_strides(dst).strides)
        elif is_contiguous(dst):
            dst = view_of(dst, dst.offset, src.ndim, src.sizes, empty_strides(src).strides)
        else:
            dense = empty_like(src)
            copy_into(dense, src)
            return copy_into(dst, dense)
    if dst.device >= 0:
        gpu().copy_elements(dst, src)
        return 0
    if dst.dtype == src.dtype and is_contiguous(dst) and is_contiguous(src) and dst.numel_ < 16384:
        memcpy(ptr(dst), ptr(src), dst.numel_ * itemsize(dst.dtype))
        return 0
    set_kernels(&job, src.dtype, dst.dtype)
    job.ndim = dst.ndim
    for d in range(dst.ndim):
        job.sizes[d] = dst.sizes[d]
    operand(&job, 0, dst)
    operand(&job, 1, src)
    if dst.numel_ < 4096:
        run(&job)
    else:
        with nogil:
            run(&job)
    return 0


cdef TensorBase empty_strides(TensorBase t):
    """A header with t's sizes and dense strides."""
    cdef TensorBase header = new_header(t.dtype, -1)    # sizes alone: it never has a storage
    set_sizes(header, t.ndim, t.sizes)
    return header


cdef bint overlaps(TensorBase written, TensorBase read) noexcept nogil:
    """Whether writing one tensor may change elements of the other before they are read.

    False where the two share no memory, or lie element on element.
    """
    cdef int d
    if not meet(written, read):
        return False
    if ptr(written) == ptr(read) and written.dtype == read.dtype and same_size(written, read):
        for d in range(written.ndim):
            if written.sizes[d] != 1 and written.strides[d] != read.strides[d]:
                return True
        return False
    return True


cdef bint meet(TensorBase x, TensorBase y) noexcept nogil:
    """Whether two tensors may have memory in common.

    Judged by addresses: two storages can be on one block of memory, as those of two arrays of NumPy.
    """
    cdef char* a = ptr(x)
    cdef char* b = ptr(y)
    return x.device == y.device and a < b + extent(y) and b < a + extent(x)


cdef Py_ssize_t extent(TensorBase t) noexcept nogil:
    """Bytes from the first element to the end of the last one."""
    cdef Py_ssize_t last = 0
    cdef int d
    for d in range(t.ndim):
        last += (t.sizes[d] - 1) * t.strides[d]
    return (last + 1) * itemsize(t.dtype) if t.numel_ > 0 else 0


cdef int fill(TensorBase t, object value) except -1:
    """Set every element; a stride-0 source handed to the copying driver."""
    cdef Job job
    cdef char[8] number
    cdef int d
    cdef int size = itemsize(t.dtype)
    store_number(number, t.dtype, value)
    if t.device >= 0:
        gpu().fill(t, value)
        return 0
    if t.numel_ == 0:
        return 0
    if t.numel_ * size <= SMALL and is_contiguous(t):
        for d in range(t.numel_):
            memcpy(ptr(t) + d * size, number, size)
        return 0
    set_kernels(&job, t.dtype, t.dtype)
    job.ndim = t.ndim
    for d in range(t.ndim):
        job.sizes[d] = t.sizes[d]
        job.strides[1][d] = 0
    operand(&job, 0, t)
    job.base[1] = number
    job.itemsize[1] = size
    if t.numel_ < 4096:
        run(&job)
    else:
        with nogil:
            run(&job)
    return 0


ctypedef void (*ramp_fn)(char* y, Py_ssize_t first, Py_ssize_t n, double start, double step, int64_t whole_start,
                         int64_t whole_step, bint whole) noexcept nogil


def fill_ramp(TensorBase t not None, start, step):
    """Write start, start + step, ... into a dense tensor: computed in double, or exactly where both are ints."""
    cdef ramp_fn kernel = <ramp_fn>get("ramp", t.dtype)
    cdef bint whole = isinstance(start, int) and isinstance(step, int)
    cdef int64_t whole_start = start if whole else 0, whole_step = step if whole else 0
    cdef double real_start = start, real_step = step
    cdef Py_ssize_t n = t.numel_, i
    cdef int64_t _last = start + (n - 1) * step if whole else 0         # raises where it does not fit
    cdef int threads = threads_for(n), item = itemsize(t.dtype)
    with nogil:
        if threads == 1:
            kernel(ptr(t), 0, n, real_start, real_step, whole_start, whole_step, whole)
        else:
            for i in prange(threads, num_threads=threads, schedule="static"):
                kernel(ptr(t) + n * i // threads * item, n * i // threads, n * (i + 1) // threads - n * i // threads,
                       real_start, real_step, whole_start, whole_step, whole)
    return t


# ---- for the Python layer ------------------------------------------------------------------------------

def copy_(TensorBase dst not None, TensorBase src not None):
    """Copy the elements in order, casting; the numbers of elements must be equal. Returns dst."""
    copy_into(dst, src)
    return dst


def fill_(TensorBase t not None, value):
    """Set every element; returns t."""
    fill(t, value)
    return t


@cython.binding(True)                   # a method where it stands in a class
def zero_(TensorBase self not None):
    """Set every element to 0; returns self."""
    fill(self, 0)
    return self


def copied_alike(TensorBase dst not None, src):
    """Copy the elements of a dense tensor of the same size on the CPU; False where src is anything else."""
    if not isinstance(src, TensorBase) or dst.device >= 0 or (<TensorBase>src).device >= 0:
        return False
    if (<TensorBase>src).sparse or dst.sparse or not same_size(dst, <TensorBase>src):
        return False
    copy_into(dst, <TensorBase>src)
    return True


def filled_like(TensorBase t not None, value):
    """Return a dense tensor of the same type and size with every element set."""
    cdef TensorBase made = empty_like(t)
    fill(made, value)
    return made


def make_contiguous(TensorBase t not None):
    """t itself where dense, else a dense copy."""
    return contiguous(t)


def dense_copy(TensorBase t not None):
    """Return a dense copy of same type and size."""
    cdef TensorBase copy = empty_like(t)
    copy_into(copy, t)
    return copy
