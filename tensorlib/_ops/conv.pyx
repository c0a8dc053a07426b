# cython: language_level=3
"""Convolution: checks, geometry, and the choice of a path. The loops are in `kernels/conv.pyx` (im2col and GEMM, for
every shape), `kernels/conv_direct.pyx` (no columns, for few channels), `kernels/winograd.pyx` (fewer products, for
larger kernels), `kernels/conv_implicit.pyx` (vectors along channels, for any stride and width),
`kernels/conv_batch.pyx` (vectors along the batch, for small images) and `kernels/conv_depth.pyx` (one input channel in
each group). Images of three dims stay what they are for im2col, and for the copies of conv_dots.h and conv_columns.h;
for the others they become many of two, with more channels.

`conv`, `conv_dx` and `conv_dw` are the three faces of one trilinear form, so each is a derivative of the others; a
transposed convolution is `conv_dx` used forward. Nothing here knows autograd.
"""
from .conv cimport ConvShape, conv_fn, is_point, plan_fn, turns_weight
from .copying cimport contiguous
from .dispatch cimport get
from .gemm cimport gemm_fn
from .parallel cimport threads_for
from .storage cimport Storage, itemsize, new_storage
from .tensor cimport TensorBase, empty, ptr, size_text, type_name
from .types cimport F32, MAXDIM

cdef enum:
    COLUMN_BYTES = 1 << 19          # aim for the columns of a tile: about the second level cache of a core
    MIN_WIDTH = 192                 # fewest columns of a tile, or packing the weights again and again would show
    MAX_WIDTH = 4096
    SUM_BYTES = 1 << 18             # most of a thread's own sum of the gradient of a weight: part of that cache
    MACS_PER_ELEMENT = 8            # multiplications that cost as much as one element of a simple loop
    PLANES_BYTES = 1 << 24          # of a part of a batch, where images are made many
    LIMIT = 0x7fffffff              # of strides, padding and dilation, so that sizes computed from them cannot overflow

cdef str forced_path = None

ctypedef void (*channel_sum_fn)(const void* x, void* out, Py_ssize_t batch, Py_ssize_t channels,
                                Py_ssize_t positions, int threads) noexcept nogil


# ---- checks --------------------------------------------------------------------------------------------------------

cdef int same_type(str name, TensorBase a, TensorBase b, str what) except -1:
    if a.dtype != b.dtype or a.device != b.device:
        raise RuntimeError("%s(): expected a %s of type %s, got %s" % (name, what, type_name(a), type_name(b)))
    return 0


cdef str sizes_text(Py_ssize_t* sizes, int n):
    return " x ".join([str(sizes[i]) for i in range(n)])


cdef int read_sizes(str name, object given, int n, Py_ssize_t* sizes) except -1:
    """Copy a tuple of exactly n sizes."""
    cdef tuple values = tuple(given)
    if len(values) != n:
        raise ValueError("%s(): expected a size of %d numbers, got %s" % (name, n, values))
    for i in range(n):
        sizes[i] = values[i]
        if sizes[i] < 1:
            raise RuntimeError("%s(): sizes must be at least 1, got %s" % (name, values))
    return 0


cdef int read_option(str name, str option, object given, int spatial, Py_ssize_t least, Py_ssize_t missing,
                     Py_ssize_t* out) except -1:
    """Copy one option of each spatial dim to the end of three, and fill the dims that are not there."""
    cdef tuple values = tuple(given)
    cdef int i
    if len(values) != spatial:
        raise ValueError("%s(): expected %s with %d numbers, got %s" % (name, option, spatial, values))
    for i in range(3):
        out[i] = missing if i < 3 - spatial else values[i - 3 + spatial]
        if not least <= out[i] <= LIMIT:
            raise RuntimeError("%s(): %s must be %d to %d, got %s" % (name, option, least, LIMIT, values))
    return 0


cdef int describe(ConvShape* s, str name, int ndim, Py_ssize_t* size, int weight_ndim, Py_ssize_t* weight,
                  object stride, object padding, object dilation, Py_ssize_t groups) except -1:
    """Fill in the geometry for an input and a weight of these sizes, after checking that they fit."""
    cdef int spatial = weight_ndim - 2, i
    if not 1 <= spatial <= 3:
        raise ValueError("%s(): expected a weight of 3 to 5 dims, got size %s"
                         % (name, sizes_text(weight, weight_ndim)))
    if ndim != weight_ndim:
        raise ValueError("%s(): expected a %d-D input (batch, channels and %d spatial dims) for a weight of size %s, "
                         "got %d-D %s"
                         % (name, weight_ndim, spatial, sizes_text(weight, weight_ndim), ndim, sizes_text(size, ndim)))
    if groups < 1 or weight[0] % groups:
        raise RuntimeError("%s(): groups must divide the %d channels of the weight, got %d" % (name, weight[0], groups))
    if size[1] != weight[1] * groups:
        raise RuntimeError("%s(): expected %d channels (weight of size %s, groups %d), got an image of size %s"
                           % (name, weight[1] * groups, sizes_text(weight, weight_ndim), groups,
                              sizes_text(size, ndim)))
    read_option(name, "stride", stride, spatial, 1, 1, s.stride)
    read_option(name, "padding", padding, spatial, 0, 0, s.padding)
    read_option(name, "dilation", dilation, spatial, 1, 1, s.dilation)
    s.batch, s.groups, s.cin, s.cout = size[0], groups, weight[1], weight[0] // groups
    s.pixels = s.positions = s.taps = 1
    s.plain = True
    for i in range(3):
        s.size[i] = 1 if i < 3 - spatial else size[i - 1 + spatial]
        s.kernel[i] = 1 if i < 3 - spatial else weight[i - 1 + spatial]
        s.out[i] = s.size[i] + 2 * s.padding[i] - s.dilation[i] * (s.kernel[i] - 1) - 1
        s.out[i] = -1 if s.out[i] < 0 else s.out[i] // s.stride[i] + 1
        if s.out[i] < 1:
            raise RuntimeError("%s(): Output size is too small: input of size %s, kernel %s, stride %s, padding %s, "
                               "dilation %s"
                               % (name, sizes_text(size, ndim), sizes_text(weight + 2, spatial), tuple(stride),
                                  tuple(padding), tuple(dilation)))
        s.pixels *= s.size[i]
        s.positions *= s.out[i]
        s.taps *= s.kernel[i]
        s.plain = s.plain and s.kernel[i] == 1 and s.stride[i] == 1 and s.padding[i] == 0
    s.depth = s.cin * s.taps
    return 0


cdef int output_sizes(const ConvShape* s, int spatial, Py_ssize_t* sizes) except -1:
    cdef int i
    sizes[0], sizes[1] = s.batch, s.groups * s.cout
    for i in range(spatial):
        sizes[2 + i] = s.out[3 - spatial + i]
    return 2 + spatial


cdef int take_output(str name, ConvShape* s, TensorBase grad) except -1:
    """Take the output's size from its gradient: the convolution's, or less where a transposed one was padded far."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef int n = output_sizes(s, grad.ndim - 2, sizes), i
    for i in range(n):
        if grad.sizes[i] > sizes[i] or (i < 2 and grad.sizes[i] != sizes[i]):
            raise RuntimeError("%s(): expected a tensor of size %s, got %s"
                               % (name, sizes_text(sizes, n), size_text(grad)))
        if i >= 2:
            s.out[5 - n + i - 2] = grad.sizes[i]
    s.positions = s.out[0] * s.out[1] * s.out[2]
    return 0


# ---- how the work is cut -------------------------------------------------------------------------------------------

cdef int threads_of(const ConvShape* s) noexcept nogil:
    return threads_for(s.batch * s.positions * s.groups * s.cout * s.depth // MACS_PER_ELEMENT)


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef void set_chunks(ConvShape* s, Py_ssize_t chunks) noexcept nogil:
    """Cut the positions of an image into about this many chunks of equal size, multiples of 16."""
    s.tile = min(s.positions, ceil_div(ceil_div(s.positions, chunks), 16) * 16)
    s.chunks = ceil_div(s.positions, s.tile)


cdef void set_tiles(ConvShape* s, int dtype, int threads) noexcept nogil:
    """Choose tiles whose columns stay in the cache: a few whole images, or a chunk of one."""
    cdef Py_ssize_t width = COLUMN_BYTES // (s.depth * itemsize(dtype))
    width = MAX_WIDTH if s.plain or width > MAX_WIDTH else max(width, MIN_WIDTH)
    s.images = 1
    if s.positions < (64 if is_point(s) else width):
        s.images = max(1, min(width // s.positions, ceil_div(s.batch, threads)))
    s.blocks = ceil_div(s.batch, s.images)
    set_chunks(s, ceil_div(s.positions, width))
    s.row_blocks = s.parts = 1
    s.scratch = ceil_div((s.depth + s.cout) * s.images * s.tile, 16) * 16
    s.shared = 0


cdef void balance_forward(ConvShape* s, int threads) noexcept nogil:
    """Cut images further where there are too few tiles to keep all threads busy."""
    cdef Py_ssize_t tiles = s.groups * s.blocks, chunks = s.chunks
    if s.images > 1 or tiles * chunks >= 4 * threads:
        return
    while tiles * chunks % threads and s.positions // (chunks + 1) >= 48:
        chunks += 1
    set_chunks(s, chunks)           # tiles only become smaller: the scratch memory suffices


cdef void balance_weight(ConvShape* s, int dtype, int threads) noexcept nogil:
    """Share the tiles among the threads, each with a sum of its own; the columns of the weight where that is large."""
    cdef Py_ssize_t wanted = ceil_div(threads, s.groups), tiles = s.blocks * s.chunks, n = s.groups * s.cout * s.depth
    cdef bint fair = tiles % wanted == 0 or tiles >= 4 * wanted
    s.row_blocks = 1 if fair and n * itemsize(dtype) <= SUM_BYTES else max(1, min(wanted, s.depth // 48))
    s.parts = max(1, min(ceil_div(wanted, s.row_blocks), tiles))
    s.shared = (s.parts if turns_weight(s) else s.parts - 1) * n


cdef tuple path_table(str kernel, tuple paths):
    """Rows of a path, its kernel and its plan."""
    return tuple([(path, "%s_%s" % (kernel, path), "%s_%s_plan" % (kernel, path)) for path in paths])


cdef tuple FORWARD = path_table("conv", ("direct", "columns", "winograd", "implicit", "batch", "depth"))
cdef tuple GRADIENT = path_table("conv_dx", ("direct", "winograd", "implicit", "batch", "depth"))
cdef tuple WEIGHT = path_table("conv_dw", ("direct", "winograd", "dots", "depth"))


cdef str chosen_path(ConvShape* s, tuple paths, int dtype, int threads, double* best):
    """The fastest of some paths, with its work cut in s: the name of its kernel, or None where none is faster.

    Paths are compared by their speed beside a plain product of the same size; `best` is that of the others, and then
    the chosen one's. It is that with one thread, so that an output has the same bits at any number of them; a gradient
    of the weight, which has not, takes the path that is fastest with as many as there are.
    """
    cdef ConvShape cut, whole = s[0]
    cdef int judged = threads if paths is WEIGHT else 1
    cdef double speed
    cdef str path, kernel, plan, chosen = None, chosen_plan = None
    for path, kernel, plan in paths:
        if forced_path not in (None, path) or s.plain and path != "dots":
            continue
        cut = whole
        speed = (<plan_fn>get(plan, dtype))(&cut, judged)
        if speed > best[0] or speed > 0 and forced_path == path:
            s[0], best[0], chosen, chosen_plan = cut, speed, kernel, plan
    if chosen is not None and threads != judged:
        cut = whole
        if (<plan_fn>get(chosen_plan, dtype))(&cut, threads) > 0:       # else in the pieces of one thread
            s[0] = cut
    return chosen


cdef double im2col_speed(const ConvShape* s, tuple paths):
    """An element of the columns is multiplied cout times. It costs some products to make, more to add up or to turn,
    and most where lines of them are short, as short sums do where they begin and end."""
    if s.plain:
        return 0.8
    if is_point(s):
        return 0.9 / (1 + (15.0 + 60.0 / s.out[2]) / s.cout + 10.0 / s.depth)
    cdef double element = (10.0 if paths is FORWARD else 18.0 if paths is GRADIENT else 24.0) + 250.0 / s.out[2]
    if paths is GRADIENT and s.stride[2] > 1:
        element += 30
    return 0.85 / (1 + element / s.cout + 10.0 / s.depth)


def force_path(str name):
    """Force one of the paths below where it applies; None: the usual choice. For tests."""
    global forced_path
    if name not in (None, "im2col", "direct", "winograd", "implicit", "batch", "columns", "dots", "depth"):
        raise ValueError("force_path(): there is no path %r" % name)
    forced_path = name


# ---- the operations ------------------------------------------------------------------------------------------------

def conv(TensorBase input not None, TensorBase weight not None, TensorBase bias, stride, padding, dilation,
         Py_ssize_t groups):
    """Convolve input (batch, channels, 1 to 3 spatial dims) with weight (out, channels / groups, kernel)."""
    cdef ConvShape s
    cdef Py_ssize_t sizes[MAXDIM]
    same_type("conv", input, weight, "weight")
    describe(&s, "conv", input.ndim, input.sizes, weight.ndim, weight.sizes, stride, padding, dilation, groups)
    input, weight, bias = contiguous(input), contiguous(weight), checked_bias("conv", input, bias, weight.sizes[0])
    cdef int n = output_sizes(&s, weight.ndim - 2, sizes), threads = threads_of(&s)
    cdef TensorBase out = empty(input.dtype, n, sizes)
    if by_planes(&s, FORWARD, input, weight, bias, out, threads) is not None:
        return out
    cdef double speed = im2col_speed(&s, FORWARD)
    cdef str path = chosen_path(&s, FORWARD, input.dtype, threads, &speed)
    if path is None:
        path = "conv"
        set_tiles(&s, input.dtype, threads)
        balance_forward(&s, threads)
    run(path, &s, input, weight, bias, out, threads)
    return out


cdef int run(str name, const ConvShape* s, TensorBase a, TensorBase b, TensorBase bias, TensorBase out,
             int threads) except -1:
    return run_at(name, a.dtype, s, ptr(a), NULL if b is None else ptr(b), NULL if bias is None else ptr(bias),
                  ptr(out), threads)


cdef int run_at(str name, int dtype, const ConvShape* s, const void* a, const void* b, const void* bias, void* out,
                int threads) except -1:
    """Call a kernel without the GIL."""
    cdef conv_fn kernel = <conv_fn>get(name, dtype)
    cdef gemm_fn gemm = <gemm_fn>get("gemm", dtype)
    cdef Storage scratch = new_storage(dtype, threads * s.scratch + s.shared)
    cdef void* pscratch = scratch.data
    with nogil:
        kernel(s, gemm, a, b, bias, out, pscratch, threads)
    return 0


# ---- images of three dims as many of two: one for each output plane, with a channel for each plane that it reads ---

cdef bint as_planes(const ConvShape* s, ConvShape* flat):
    """The convolution of two dims that one image of three becomes."""
    if s.size[0] == 1 and s.kernel[0] == 1 and s.padding[0] == 0:
        return False
    flat[0] = s[0]
    flat.batch, flat.cin = s.out[0], s.cin * s.kernel[0]
    flat.size[0] = flat.kernel[0] = flat.stride[0] = flat.dilation[0] = flat.out[0] = 1
    flat.padding[0] = 0
    measure(flat)
    return True


cdef void measure(ConvShape* s) noexcept:
    """Set what follows from the sizes of two dims."""
    s.pixels, s.positions, s.taps = s.size[1] * s.size[2], s.out[1] * s.out[2], s.kernel[1] * s.kernel[2]
    s.plain = s.taps == 1 and s.stride[1] == 1 and s.stride[2] == 1 and s.padding[1] == 0 and s.padding[2] == 0


cdef inline Py_ssize_t images_of_part(const ConvShape* s, const ConvShape* flat, Py_ssize_t size) noexcept nogil:
    return max(1, min(s.batch, PLANES_BYTES // (flat.batch * s.groups * flat.cin * flat.pixels * size)))


cdef inline Py_ssize_t images_of_last_part(const ConvShape* s, const ConvShape* flat, Py_ssize_t size) noexcept nogil:
    """The least of a part: a path for so many is one for all parts."""
    return (s.batch - 1) % images_of_part(s, flat, size) + 1


cdef TensorBase by_planes(const ConvShape* s, tuple paths, TensorBase a, TensorBase b, TensorBase bias,
                          TensorBase out, int threads):
    """Run a convolution of three dims by the fastest path for two, or return None where one for three is faster."""
    cdef ConvShape flat, cut, whole = s[0]
    cdef double speed = im2col_speed(s, paths)
    if not as_planes(s, &flat):
        return None
    if chosen_path(&whole, paths, a.dtype, threads, &speed) is not None and forced_path is not None:
        return None
    cut = flat
    cut.batch *= images_of_last_part(s, &flat, itemsize(a.dtype))
    if chosen_path(&cut, paths, a.dtype, threads, &speed) is None:
        return None
    return by_parts(s, &flat, paths, a, b, bias, out, threads)


cdef TensorBase by_parts(const ConvShape* s, const ConvShape* flat, tuple paths, TensorBase a, TensorBase b,
                         TensorBase bias, TensorBase out, int threads):
    """Make one image many, in parts of the batch that take bounded memory; `flat` is the convolution of one image's.

    Forward a, b and out are input, weight and output; for the gradient of the input gradient, weight and that; for
    the gradient of the weight gradient, input and that.
    """
    cdef ConvShape part = s[0], cut
    cdef double speed
    cdef Storage columns, planes, more
    cdef Py_ssize_t first, inputs, outputs, weights = s.groups * s.cout * s.depth, size = itemsize(a.dtype)
    cdef str path
    cdef char* pa = <char*>ptr(a)
    cdef char* pb = <char*>ptr(b)
    cdef char* pout = <char*>ptr(out)
    cdef const void* pbias = NULL if bias is None else ptr(bias)
    part.scratch = part.shared = 0
    part.batch = images_of_part(s, flat, size)
    columns = new_storage(a.dtype, part.batch * flat.batch * flat.groups * flat.cin * flat.pixels)
    planes = new_storage(a.dtype, part.batch * flat.batch * flat.groups * flat.cout * flat.positions)
    more = new_storage(a.dtype, weights if paths is WEIGHT and part.batch < s.batch else 0)
    inputs, outputs = s.groups * s.cin * s.pixels * size, s.groups * s.cout * s.positions * size
    for first in range(0, s.batch, part.batch):
        part.batch = min(part.batch, s.batch - first)
        cut = flat[0]
        cut.batch, speed = part.batch * flat.batch, 0
        path = chosen_path(&cut, paths, a.dtype, threads, &speed)
        if paths is FORWARD:
            run_at("unfold_planes", a.dtype, &part, pa + first * inputs, NULL, NULL, columns.data, threads)
            run_at(path, a.dtype, &cut, columns.data, pb, pbias, planes.data, threads)
            run_at("join_planes", a.dtype, &part, planes.data, NULL, NULL, pout + first * outputs, threads)
            continue
        run_at("split_planes", a.dtype, &part, pa + first * outputs, NULL, NULL, planes.data, threads)
        if paths is GRADIENT:
            run_at(path, a.dtype, &cut, planes.data, pb, NULL, columns.data, threads)
            run_at("fold_planes", a.dtype, &part, columns.data, NULL, pbias, pout + first * inputs, threads)
            continue
        run_at("unfold_planes", a.dtype, &part, pb + first * inputs, NULL, NULL, columns.data, threads)
        run_at(path, a.dtype, &cut, planes.data, columns.data, NULL, more.data if first else pout, threads)
        if first:
            add_to(a.dtype, pout, more.data, weights)
    return out


cdef void add_to(int dtype, void* sums, const void* x, Py_ssize_t n) noexcept:
    cdef Py_ssize_t i
    if dtype == F32:
        for i in range(n):
            (<float*>sums)[i] += (<const float*>x)[i]
    else:
        for i in range(n):
            (<double*>sums)[i] += (<const double*>x)[i]


cdef TensorBase checked_bias(str name, TensorBase input, TensorBase bias, Py_ssize_t channels):
    if bias is None:
        return None
    same_type(name, input, bias, "bias")
    if bias.ndim != 1 or bias.sizes[0] != channels:
        raise RuntimeError("%s(): expected a bias of size %d, got %s" % (name, channels, size_text(bias)))
    return contiguous(bias)


cdef TensorBase run_dx(ConvShape* s, TensorBase grad, TensorBase weight, TensorBase bias, Py_ssize_t* sizes):
    cdef int threads = threads_of(s)
    cdef TensorBase out = empty(grad.dtype, grad.ndim, sizes)
    grad, weight = contiguous(grad), contiguous(weight)
    if by_planes(s, GRADIENT, grad, weight, bias, out, threads) is not None:
        return out
    cdef double speed = im2col_speed(s, GRADIENT)
    cdef str path = chosen_path(s, GRADIENT, grad.dtype, threads, &speed)
    if path is not None:
        run(path, s, grad, weight, bias, out, threads)
        return out
    set_tiles(s, grad.dtype, threads)
    s.row_blocks = min(s.cin, ceil_div(threads, s.blocks * s.groups))
    run("conv_dx", s, grad, weight, bias, out, threads)
    return out


def conv_dx(TensorBase grad not None, TensorBase weight not None, input_size, stride, padding, dilation,
            Py_ssize_t groups):
    """Gradient of conv's input, which had input_size, from the gradient of its output."""
    cdef ConvShape s
    cdef Py_ssize_t sizes[MAXDIM]
    same_type("conv_dx", grad, weight, "weight")
    read_sizes("conv_dx", input_size, grad.ndim, sizes)
    describe(&s, "conv_dx", grad.ndim, sizes, weight.ndim, weight.sizes, stride, padding, dilation, groups)
    take_output("conv_dx", &s, grad)
    return run_dx(&s, grad, weight, None, sizes)


def conv_dw(TensorBase grad not None, TensorBase input not None, weight_size, stride, padding, dilation,
            Py_ssize_t groups):
    """Gradient of conv's weight, which had weight_size, from the gradient of its output."""
    cdef ConvShape s
    cdef Py_ssize_t sizes[MAXDIM]
    same_type("conv_dw", grad, input, "input")
    read_sizes("conv_dw", weight_size, grad.ndim, sizes)
    describe(&s, "conv_dw", input.ndim, input.sizes, grad.ndim, sizes, stride, padding, dilation, groups)
    take_output("conv_dw", &s, grad)
    grad, input = contiguous(grad), contiguous(input)
    cdef int threads = threads_of(&s)
    cdef TensorBase out = empty(grad.dtype, grad.ndim, sizes)
    if by_planes(&s, WEIGHT, grad, input, None, out, threads) is not None:
        return out
    cdef double speed = im2col_speed(&s, WEIGHT)
    cdef str path = chosen_path(&s, WEIGHT, grad.dtype, threads, &speed)
    if path is None:
        path = "conv_dw"
        set_tiles(&s, grad.dtype, threads)
        balance_weight(&s, grad.dtype, threads)
    run(path, &s, grad, input, None, out, threads)
    return out


def conv_transpose(TensorBase input not None, TensorBase weight not None, TensorBase bias, stride, padding,
                   output_padding, Py_ssize_t groups, dilation):
    """Transposed convolution of input with weight (in, out / groups, kernel): conv_dx used forward, plus a bias."""
    cdef ConvShape s
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t extra[3]
    cdef int spatial = weight.ndim - 2, i, k
    same_type("conv_transpose", input, weight, "weight")
    if not 1 <= spatial <= 3 or input.ndim != weight.ndim:
        raise ValueError("conv_transpose(): expected a %d-D input for a weight of size %s, got %d-D %s"
                         % (max(3, weight.ndim), size_text(weight), input.ndim, size_text(input)))
    if input.sizes[1] != weight.sizes[0]:
        raise RuntimeError("conv_transpose(): expected %d channels for a weight of size %s, got an input of size %s"
                           % (weight.sizes[0], size_text(weight), size_text(input)))
    read_option("conv_transpose", "stride", stride, spatial, 1, 1, s.stride)
    read_option("conv_transpose", "padding", padding, spatial, 0, 0, s.padding)
    read_option("conv_transpose", "dilation", dilation, spatial, 1, 1, s.dilation)
    read_option("conv_transpose", "output_padding", output_padding, spatial, 0, 0, extra)
    sizes[0], sizes[1] = input.sizes[0], weight.sizes[1] * groups
    for i in range(spatial):
        k = 3 - spatial + i
        if extra[k] >= s.stride[k] and extra[k] >= s.dilation[k]:
            raise RuntimeError("conv_transpose(): output_padding must be smaller than stride or dilation, "
                               "got %s, %s and %s"
                               % (tuple(output_padding), tuple(stride), tuple(dilation)))
        sizes[2 + i] = ((input.sizes[2 + i] - 1) * s.stride[k] - 2 * s.padding[k]
                        + s.dilation[k] * (weight.sizes[2 + i] - 1) + 1 + extra[k])
        if sizes[2 + i] < 1:
            raise RuntimeError("conv_transpose(): Output size is too small: input of size %s, weight %s, padding %s"
                               % (size_text(input), size_text(weight), tuple(padding)))
    describe(&s, "conv_transpose", input.ndim, sizes, weight.ndim, weight.sizes, stride, padding, dilation, groups)
    take_output("conv_transpose", &s, input)
    return run_dx(&s, input, weight, checked_bias("conv_transpose", input, bias, sizes[1]), sizes)


def channel_sum(TensorBase self not None):
    """Sum over all dims but the second: the gradient of a bias of each channel."""
    cdef Py_ssize_t channels, batch
    if self.ndim < 2:
        raise RuntimeError("channel_sum(): expected a tensor of 2 dims or more, got size %s" % size_text(self))
    cdef TensorBase x = contiguous(self), out
    cdef channel_sum_fn kernel = <channel_sum_fn>get("channel_sum", x.dtype)
    batch, channels = x.sizes[0], x.sizes[1]
    out = empty(x.dtype, 1, x.sizes + 1)
    cdef const void* source = ptr(x)
    cdef void* target = ptr(out)
    cdef Py_ssize_t positions = x.numel_ // batch // channels
    cdef int threads = threads_for(x.numel_)
    with nogil:
        kernel(source, target, batch, channels, positions, threads)
    return out
