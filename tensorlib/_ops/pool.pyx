# cython: language_level=3
"""Pooling: checks, sizes and memory. The loops are in `kernels/pool.pyx`; nothing here knows autograd.

The number of spatial dims is the length of the given kernel or output size; before them stand a batch and channels,
or channels alone.
"""
from libc.stdint cimport int64_t

from .copying cimport contiguous
from .dispatch cimport get
from .gil cimport PyThreadState, let_go, take_back
from .parallel cimport threads_for
from .pool cimport PoolShape, avg_pool_fn, max_pool_fn, plane_fn
from .tensor cimport TensorBase, empty, ptr, same_size, size_text, type_name
from .types cimport I64, MAXDIM

cdef enum:
    LIMIT = 0x7fffffff              # of kernel sizes, strides...: sizes computed from them cannot overflow


# ---- checks and sizes ----------------------------------------------------------------------------------------------

cdef int read_numbers(str name, str option, object given, int spatial, Py_ssize_t least, Py_ssize_t missing,
                      Py_ssize_t* out) except -1:
    """Copy one number of each spatial dim to the end of three, and fill the dims that are not there."""
    cdef tuple values = tuple(given)
    cdef int i
    if len(values) != spatial:
        raise ValueError("%s(): expected %s with %d numbers, got %s" % (name, option, spatial, values))
    for i in range(3):
        out[i] = missing if i < 3 - spatial else values[i - 3 + spatial]
        if not least <= out[i] <= LIMIT:
            raise RuntimeError("%s(): %s must be %d to %d, got %s" % (name, option, least, LIMIT, values))
    return 0


cdef str sizes_text(int ndim, const Py_ssize_t* sizes):
    return " x ".join([str(sizes[i]) for i in range(ndim)])


cdef int read_input(PoolShape* s, str name, int ndim, const Py_ssize_t* sizes, int spatial) except -1:
    """Take the planes and the spatial sizes from the sizes of an input."""
    cdef int i
    if not 1 <= spatial <= 3:
        raise ValueError("%s(): expected 1 to 3 spatial dims, got %d" % (name, spatial))
    if ndim != spatial + 1 and ndim != spatial + 2:
        raise RuntimeError("%s(): expected a tensor of %d or %d dims (batch, channels and %d spatial dims), got size %s"
                           % (name, spatial + 1, spatial + 2, spatial, sizes_text(ndim, sizes)))
    s.planes = s.pixels = 1
    for i in range(ndim - spatial):
        s.planes *= sizes[i]
    for i in range(3):
        s.size[i] = 1 if i < 3 - spatial else sizes[ndim - 3 + i]
        s.pixels *= s.size[i]
    return 0


cdef Py_ssize_t output_size(const PoolShape* s, int dim, bint ceil_mode) noexcept:
    """Windows along one dim; the last window of ceil mode must begin inside the input or its left padding."""
    cdef Py_ssize_t span = s.size[dim] + 2 * s.padding[dim] - s.dilation[dim] * (s.kernel[dim] - 1) - 1, n
    if span < 0 and not (ceil_mode and span > -s.stride[dim]):
        return 0
    n = (span + (s.stride[dim] - 1 if ceil_mode else 0)) // s.stride[dim] + 1
    if ceil_mode and (n - 1) * s.stride[dim] >= s.size[dim] + s.padding[dim]:
        n -= 1
    return n


cdef int describe(PoolShape* s, str name, int ndim, const Py_ssize_t* sizes, object kernel, object stride,
                  object padding, object dilation, bint ceil_mode) except -1:
    """Fill in the geometry of a pooling with fixed windows."""
    cdef int spatial = len(kernel), i
    read_input(s, name, ndim, sizes, spatial)
    read_numbers(name, "kernel_size", kernel, spatial, 1, 1, s.kernel)
    read_numbers(name, "stride", stride, spatial, 1, 1, s.stride)
    read_numbers(name, "padding", padding, spatial, 0, 0, s.padding)
    read_numbers(name, "dilation", dilation, spatial, 1, 1, s.dilation)
    s.positions = 1
    s.count_padding = True
    for i in range(3):
        if s.padding[i] > s.kernel[i] // 2:
            raise RuntimeError("%s(): pad should be smaller than half of kernel size, but got padding %s and kernel "
                               "size %s"
                               % (name, tuple(padding), tuple(kernel)))
        s.out[i] = output_size(s, i, ceil_mode)
        if s.out[i] < 1:
            raise RuntimeError("%s(): Output size is too small: input of size %s, kernel %s, stride %s, padding %s, "
                               "dilation %s"
                               % (name, sizes_text(ndim, sizes), tuple(kernel), tuple(stride), tuple(padding),
                                  tuple(dilation)))
        s.positions *= s.out[i]
    return 0


cdef int describe_adaptive(PoolShape* s, str name, int ndim, const Py_ssize_t* sizes, object output) except -1:
    """Fill in the geometry of a pooling with a given output size."""
    cdef int spatial = len(output)
    read_input(s, name, ndim, sizes, spatial)
    read_numbers(name, "output_size", output, spatial, 1, 1, s.out)
    s.positions = s.out[0] * s.out[1] * s.out[2]
    return 0


cdef int read_size(str name, object size, int ndim, Py_ssize_t* sizes) except -1:
    """Copy the full size of the input that a gradient belongs to."""
    cdef tuple values = tuple(size)
    if len(values) != ndim:
        raise RuntimeError("%s(): expected a size of %d numbers, got %s" % (name, ndim, values))
    for i in range(ndim):
        sizes[i] = values[i]
        if sizes[i] < 1:
            raise RuntimeError("%s(): sizes must be at least 1, got %s" % (name, values))
    return 0


cdef TensorBase planes_like(const PoolShape* s, TensorBase t, int dtype, int spatial):
    """An output for t: its batch and channels, and the output's spatial sizes."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef int i, lead = t.ndim - spatial
    for i in range(t.ndim):
        sizes[i] = t.sizes[i] if i < lead else s.out[3 - spatial + i - lead]
    return empty(dtype, t.ndim, sizes)


cdef int check_output(str name, const PoolShape* s, TensorBase grad, const Py_ssize_t* sizes, int spatial) except -1:
    """A gradient must have the size of the pooling's output."""
    cdef int i, lead = grad.ndim - spatial
    for i in range(grad.ndim):
        if grad.sizes[i] != (sizes[i] if i < lead else s.out[3 - spatial + i - lead]):
            raise RuntimeError("%s(): expected a gradient with spatial sizes %s, got size %s"
                               % (name, tuple([s.out[k] for k in range(3 - spatial, 3)]), size_text(grad)))
    return 0


# ---- max pooling ---------------------------------------------------------------------------------------------------

cdef tuple run_max(str kernel_name, const PoolShape* s, TensorBase x, int spatial):
    cdef TensorBase y = planes_like(s, x, x.dtype, spatial), indices = planes_like(s, x, I64, spatial)
    cdef max_pool_fn kernel = <max_pool_fn>get(kernel_name, x.dtype)
    cdef const void* px = ptr(x)
    cdef void* py = ptr(y)
    cdef int64_t* pi = <int64_t*>ptr(indices)
    cdef int threads = threads_for(x.numel_)
    cdef PyThreadState* state = let_go(x.numel_)
    kernel(s, px, py, pi, threads)
    take_back(state)
    return y, indices


def max_pool(TensorBase self not None, kernel_size, stride, padding, dilation, bint ceil_mode):
    """Largest value of each window, and its flat position within the input's plane."""
    cdef PoolShape s
    describe(&s, "max_pool", self.ndim, self.sizes, kernel_size, stride, padding, dilation, ceil_mode)
    return run_max("max_pool", &s, contiguous(self), len(kernel_size))


def adaptive_max_pool(TensorBase self not None, output_size):
    """Largest value of each of output_size windows, and its flat position within the input's plane."""
    cdef PoolShape s
    describe_adaptive(&s, "adaptive_max_pool", self.ndim, self.sizes, output_size)
    return run_max("adaptive_max_pool", &s, contiguous(self), len(output_size))


# ---- moving values by indices --------------------------------------------------------------------------------------

cdef int check_indices(str name, TensorBase x, TensorBase indices) except -1:
    if indices.dtype != I64:
        raise RuntimeError("%s(): expected indices of type tensorlib.LongTensor, got %s" % (name, type_name(indices)))
    if indices.ndim != x.ndim:
        raise RuntimeError("%s(): expected indices of %d dims, got size %s" % (name, x.ndim, size_text(indices)))
    return 0


cdef int run_planes(str name, str kernel_name, TensorBase x, TensorBase indices, TensorBase y, Py_ssize_t planes,
                    Py_ssize_t pixels, bint empty_windows) except -1:
    """Call a kernel that moves values between planes of pixels and the indices' planes; refuse invalid indices."""
    cdef plane_fn kernel = <plane_fn>get(kernel_name, x.dtype)
    cdef const void* px = ptr(x)
    cdef void* py = ptr(y)
    cdef const int64_t* pi = <const int64_t*>ptr(indices)
    cdef Py_ssize_t positions = indices.numel_ // planes, bad, i
    cdef int threads = threads_for(max(x.numel_, y.numel_))
    cdef PyThreadState* state = let_go(max(x.numel_, y.numel_))
    bad = kernel(px, pi, py, planes, pixels, positions, threads)
    take_back(state)
    if bad:
        for i in range(indices.numel_):
            if not (0 <= pi[i] < pixels or (empty_windows and pi[i] == -1)):
                raise RuntimeError("%s(): found an invalid index %d, expected 0 to %d" % (name, pi[i], pixels - 1))
    return 0


cdef TensorBase to_planes(str name, str kernel_name, TensorBase x, TensorBase indices, object size, bint empty_windows):
    """Write x at its indices into planes whose last `spatial` sizes are given."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t planes = 1, pixels = 1
    cdef int i, spatial = len(size)
    check_indices(name, x, indices)
    if not same_size(x, indices):
        raise RuntimeError("%s(): sizes %s and %s (indices) differ" % (name, size_text(x), size_text(indices)))
    if spatial >= x.ndim or spatial < 1:
        raise RuntimeError("%s(): expected a tensor of %d or %d dims, got size %s"
                           % (name, spatial + 1, spatial + 2, size_text(x)))
    read_size(name, tuple([x.sizes[i] for i in range(x.ndim - spatial)]) + tuple(size), x.ndim, sizes)
    for i in range(x.ndim):
        if i < x.ndim - spatial:
            planes *= sizes[i]
        else:
            pixels *= sizes[i]
    x, indices = contiguous(x), contiguous(indices)
    cdef TensorBase y = empty(x.dtype, x.ndim, sizes)
    run_planes(name, kernel_name, x, indices, y, planes, pixels, empty_windows)
    return y


def max_pool_grad(TensorBase grad not None, TensorBase indices not None, output_size):
    """Add each gradient at its index into planes of output_size (the spatial sizes of max_pool's input)."""
    return to_planes("max_pool_grad", "plane_scatter", grad, indices, output_size, True)


def max_unpool(TensorBase self not None, TensorBase indices not None, output_size):
    """Put each value at its index into planes of zeros of output_size (spatial sizes)."""
    return to_planes("max_unpool", "plane_place", self, indices, output_size, False)


def max_pool_take(TensorBase self not None, TensorBase indices not None, int spatial):
    """Take from each plane (the last `spatial` dims) the values at the indices."""
    cdef Py_ssize_t planes = 1, pixels = 1
    cdef int i
    check_indices("max_pool_take", self, indices)
    for i in range(self.ndim):
        if i >= self.ndim - spatial:
            pixels *= self.sizes[i]
        elif indices.sizes[i] == self.sizes[i]:
            planes *= self.sizes[i]
        else:
            raise RuntimeError("max_pool_take(): sizes %s and %s (indices) differ before the last %d dims"
                               % (size_text(self), size_text(indices), spatial))
    self, indices = contiguous(self), contiguous(indices)
    cdef TensorBase y = empty(self.dtype, indices.ndim, indices.sizes)
    run_planes("max_pool_take", "plane_gather", self, indices, y, planes, pixels, True)
    return y


# ---- average pooling -----------------------------------------------------------------------------------------------

cdef int run_avg(str kernel_name, const PoolShape* s, TensorBase x, TensorBase y) except -1:
    cdef avg_pool_fn kernel = <avg_pool_fn>get(kernel_name, x.dtype)
    cdef const void* px = ptr(x)
    cdef void* py = ptr(y)
    cdef int threads = threads_for(max(x.numel_, y.numel_))
    cdef PyThreadState* state = let_go(max(x.numel_, y.numel_))
    kernel(s, px, py, threads)
    take_back(state)
    return 0


def avg_pool(TensorBase self not None, kernel_size, stride, padding, bint ceil_mode, bint count_include_pad):
    """Mean of each window; padding counts as zeros, or not at all."""
    cdef PoolShape s
    cdef int spatial = len(kernel_size)
    describe(&s, "avg_pool", self.ndim, self.sizes, kernel_size, stride, padding, (1,) * spatial, ceil_mode)
    s.count_padding = count_include_pad
    cdef TensorBase x = contiguous(self), y = planes_like(&s, self, self.dtype, spatial)
    run_avg("avg_pool", &s, x, y)
    return y


def avg_pool_grad(TensorBase grad not None, input_size, kernel_size, stride, padding, bint ceil_mode,
                  bint count_include_pad):
    """Gradient of avg_pool's input, which had the full size input_size."""
    cdef PoolShape s
    cdef Py_ssize_t sizes[MAXDIM]
    cdef int spatial = len(kernel_size)
    read_size("avg_pool_grad", input_size, grad.ndim, sizes)
    describe(&s, "avg_pool_grad", grad.ndim, sizes, kernel_size, stride, padding, (1,) * spatial, ceil_mode)
    check_output("avg_pool_grad", &s, grad, sizes, spatial)
    s.count_padding = count_include_pad
    cdef TensorBase dy = contiguous(grad), dx = empty(grad.dtype, grad.ndim, sizes)
    run_avg("avg_pool_grad", &s, dy, dx)
    return dx


def adaptive_avg_pool(TensorBase self not None, output_size):
    """Mean of each of output_size windows that together cover the input."""
    cdef PoolShape s
    describe_adaptive(&s, "adaptive_avg_pool", self.ndim, self.sizes, output_size)
    cdef TensorBase x = contiguous(self), y = planes_like(&s, self, self.dtype, len(output_size))
    run_avg("adaptive_avg_pool", &s, x, y)
    return y


def adaptive_avg_pool_grad(TensorBase grad not None, input_size, output_size):
    """Gradient of adaptive_avg_pool's input, which had the full size input_size."""
    cdef PoolShape s
    cdef Py_ssize_t sizes[MAXDIM]
    read_size("adaptive_avg_pool_grad", input_size, grad.ndim, sizes)
    describe_adaptive(&s, "adaptive_avg_pool_grad", grad.ndim, sizes, output_size)
    check_output("adaptive_avg_pool_grad", &s, grad, sizes, len(output_size))
    cdef TensorBase dy = contiguous(grad), dx = empty(grad.dtype, grad.ndim, sizes)
    run_avg("adaptive_avg_pool_grad", &s, dy, dx)
    return dx
