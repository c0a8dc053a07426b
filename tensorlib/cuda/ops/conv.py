"""Convolution as products of matrices with columns of images: the twins of _ops/conv.pyx.

Columns are a matrix of (groups, depth) rows and (images, positions) columns, made for a few images at a time. The three
faces of convolution are products of its views, with a batch of groups and one of images. Where a group has one input
channel and few output channels such products are nearly empty, and kernels of their own compute the faces directly.
"""
import copy
import math

from ..._ops.copying import copy_, make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from .. import blas
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from ..spatial import LIMIT, check_plane, full_size, text, three
from . import reduce

COLUMNS = 1 << 26               # most elements of columns at a time, unless one image has more
PARTS = 1 << 20                 # most elements of the parts that a weight's derivative is summed from
BATCH = 1 << 15                 # most images at a time: a grid has up to 65535 layers
FAN = 8                         # most output channels of an input channel that is convolved alone
BLOCKS = 1 << 11                # about so many blocks keep a device busy
program = Program("conv")


# ---- geometry -----------------------------------------------------------------------------------------------------

class Shape:
    """The geometry for an input and a weight of these sizes, which fit."""

    def __init__(self, name, size, weight, stride, padding, dilation, groups):
        spatial = len(weight) - 2
        check_sizes(name, size, weight, groups)
        self.name, self.groups, self.images, self.channels = name, groups, size[0], size[1]
        self.cout, self.size, self.kernel = weight[0] // groups, filled(size), filled(weight)
        self.stride = three(name, "stride", stride, spatial, 1, 1)
        self.padding = three(name, "padding", padding, spatial, 0, 0)
        self.dilation = three(name, "dilation", dilation, spatial, 1, 1)
        self.out = tuple(max(-1, n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in
                         zip(self.size, self.kernel, self.stride, self.padding, self.dilation))
        if min(self.out) < 1:
            raise RuntimeError("%s(): Output size is too small: input of size %s, kernel %s, stride %s, padding %s, "
                               "dilation %s" % (name, text(size), text(weight[2:]), tuple(stride), tuple(padding),
                                                tuple(dilation)))
        self.plain = (self.kernel, self.stride, self.padding) == ((1, 1, 1), (1, 1, 1), (0, 0, 0))
        self.input_size, self.weight_size = tuple(size), tuple(weight)
        self.output_size = (size[0], weight[0]) + self.out[3 - spatial:]
        self.depth = weight[1] * math.prod(self.kernel)
        self.depthwise = weight[1] == 1 and self.cout <= FAN
        self.measure()

    def measure(self):
        self.pixels, self.positions = math.prod(self.size), math.prod(self.out)
        check_plane(self.name, self.pixels, self.positions, self.groups * self.depth)

    def take_output(self, grad):
        """Take the output's size from its gradient: or less, where a transposed convolution was padded far."""
        given, whole = tuple(grad.size()), self.output_size
        if len(given) != len(whole) or given[:2] != whole[:2] or any(n > m for n, m in zip(given, whole)):
            raise RuntimeError("%s(): expected a tensor of size %s, got %s" % (self.name, text(whole), text(given)))
        self.output_size, self.out = given, filled(given)
        self.plain = self.plain and self.out == self.size
        self.measure()
        return self

    def parts(self):
        """(first image, geometry of so many images) of parts whose columns fit."""
        row = self.groups * self.depth * self.positions
        images = max(1, min(self.images, COLUMNS // row, LIMIT // self.positions, BATCH))
        for first in range(0, self.images, images):
            part = copy.copy(self)
            part.images = min(images, self.images - first)
            yield first, part

    def fields(self):
        return (self.images, self.channels, self.pixels, self.positions, math.prod(self.kernel), *self.size,
                *self.kernel, *self.stride, *self.padding, *self.dilation, *self.out)


FIELDS = "23q"


def filled(size):
    """The spatial sizes, filled up to three."""
    return (1,) * (5 - len(size)) + tuple(size)[2:]


def check_sizes(name, size, weight, groups):
    spatial = len(weight) - 2
    if not 1 <= spatial <= 3:
        raise ValueError("%s(): expected a weight of 3 to 5 dims, got size %s" % (name, text(weight)))
    if len(size) != len(weight):
        raise ValueError("%s(): expected a %d-D input (batch, channels and %d spatial dims) for a weight of size %s, "
                         "got %d-D %s" % (name, len(weight), spatial, text(weight), len(size), text(size)))
    if groups < 1 or weight[0] % groups:
        raise RuntimeError("%s(): groups must divide the %d channels of the weight, got %d" % (name, weight[0], groups))
    if size[1] != weight[1] * groups:
        raise RuntimeError("%s(): expected %d channels (weight of size %s, groups %d), got an image of size %s"
                           % (name, weight[1] * groups, text(weight), groups, text(size)))


def same_type(name, a, b, what):
    reduce.need_real(a, name)
    if code_of(a) != code_of(b):
        raise RuntimeError("%s(): expected a %s of type %s, got %s" % (name, what, a.type(), b.type()))


def checked_bias(name, input, bias, channels):
    if bias is None:
        return None
    same_type(name, input, bias, "bias")
    if bias.dim() != 1 or bias.size(0) != channels:
        raise RuntimeError("%s(): expected a bias of size %d, got %s" % (name, channels, text(bias.size())))
    return make_contiguous(bias)


# ---- columns and products -----------------------------------------------------------------------------------------

def like(x, size):
    return make_empty(code_of(x), size, device_of(x))


def run(kernel, n, formats, x, *arguments):
    launch(program, "%s_%s" % (kernel, NAMES[code_of(x)]), device_of(x), formats, grid_for(device_of(x), n), THREADS,
           *arguments)


def columns_of(x, s):
    """The columns of dense images as (groups, images, depth, positions): the images themselves for plain kernels."""
    if s.plain:
        return x.view(s.images, s.groups, s.depth, s.positions).transpose(0, 1)
    columns = like(x, (s.groups, s.depth, s.images, s.positions))
    run("columns", columns.numel(), "PP" + FIELDS, x, columns, x, *s.fields())
    return columns.transpose(1, 2)


def outputs_of(t, s):
    """Dense outputs of images as (groups, images, channels, positions)."""
    return t.view(s.images, s.groups, s.cout, s.positions).transpose(0, 1)


def weights_of(weight, s):
    return weight.view(s.groups, 1, s.cout, s.depth).expand(s.groups, s.images, s.cout, s.depth)


def product(c, a, b, beta=0):
    """c = a @ b + beta * c with two batch dims: one launch for each index of the smaller."""
    dim = 0 if c.size(0) <= c.size(1) else 1
    for i in range(c.size(dim)):
        blas.gemm(c.select(dim, i), a.select(dim, i), b.select(dim, i), 1, beta)


def direct(kernel, out, x, weight, bias, s):
    """A face of a depthwise convolution."""
    run(kernel, out.numel(), "PPPPq" + FIELDS, x, out, x, weight, 0 if bias is None else bias, s.cout, *s.fields())
    return out


# ---- the operations -----------------------------------------------------------------------------------------------

def conv(input, weight, bias, stride, padding, dilation, groups):
    same_type("conv", input, weight, "weight")
    s = Shape("conv", tuple(input.size()), tuple(weight.size()), stride, padding, dilation, groups)
    bias = checked_bias("conv", input, bias, weight.size(0))
    input, weight = make_contiguous(input), make_contiguous(weight)
    out = like(input, s.output_size)
    if s.depthwise:
        return direct("depthwise", out, input, weight, bias, s)
    if bias is not None:
        copy_(out, bias.view(1, -1, *[1] * (out.dim() - 2)).expand(*s.output_size))
    for first, part in s.parts():
        columns = columns_of(input.narrow(0, first, part.images), part)
        outputs = outputs_of(out.narrow(0, first, part.images), part)
        product(outputs, weights_of(weight, part), columns, 0 if bias is None else 1)
    return out


def spread(grad, weight, bias, s):
    """The input's derivative, plus a bias of each channel."""
    grad, weight = make_contiguous(grad), make_contiguous(weight)
    out = like(grad, s.input_size)
    if s.depthwise:
        return direct("depthwise_dx", out, grad, weight, bias, s)
    for first, part in s.parts():
        columns = like(grad, (s.groups, s.depth, part.images, s.positions))
        product(columns.transpose(1, 2), weights_of(weight, part).transpose(2, 3),
                outputs_of(grad.narrow(0, first, part.images), part))
        images = out.narrow(0, first, part.images)
        run("image", images.numel(), "PPP" + FIELDS, grad, images, columns, 0 if bias is None else bias, *part.fields())
    return out


def conv_dx(grad, weight, input_size, stride, padding, dilation, groups):
    same_type("conv_dx", grad, weight, "weight")
    size = full_size("conv_dx", input_size, grad.dim())
    s = Shape("conv_dx", size, tuple(weight.size()), stride, padding, dilation, groups)
    return spread(grad, weight, None, s.take_output(grad))


def slices_of(s):
    """Into how many slices of equal numbers of images a sum over them is cut, so that the device has enough to do."""
    most = max(1, PARTS // (s.groups * s.cout * s.depth))
    return divisor(s.images, most)


def divisor(n, most):
    """The largest divisor of n up to `most`."""
    return next(d for d in range(min(n, most), 0, -1) if n % d == 0)


def conv_dw(grad, input, weight_size, stride, padding, dilation, groups):
    same_type("conv_dw", grad, input, "input")
    size = full_size("conv_dw", weight_size, grad.dim())
    s = Shape("conv_dw", tuple(input.size()), size, stride, padding, dilation, groups).take_output(grad)
    grad, input = make_contiguous(grad), make_contiguous(input)
    if s.depthwise:
        return depthwise_dw(grad, input, s).view(*size)
    total = None
    for first, part in s.parts():
        dw = weight_part(grad.narrow(0, first, part.images), input.narrow(0, first, part.images), part)
        total = dw if total is None else total.add_(dw)
    return total.view(*size)


def depthwise_dw(grad, input, s):
    """A block sums each weight's derivative over a slice of the images."""
    weights = s.channels * s.cout * s.depth
    slices = divisor(s.images, min(BATCH, -(-BLOCKS // weights)))
    parts = like(grad, (slices, weights))
    launch(program, "depthwise_dw_" + NAMES[code_of(grad)], device_of(grad), "PPPq" + FIELDS, (weights, slices),
           THREADS, parts, grad, input, s.cout, *s.fields())
    return reduce.sum_dim(parts, 0) if slices > 1 else parts


def weight_part(grad, input, s):
    """The weight's derivative by some images: products over the columns of each slice of images, then their sum."""
    slices = slices_of(s)
    each = (s.groups, -1, slices, s.images // slices * s.positions)
    columns = make_contiguous(columns_of(input, s).transpose(1, 2)).view(*each)
    outputs = make_contiguous(outputs_of(grad, s).transpose(1, 2)).view(*each)
    parts = like(grad, (s.groups, slices, s.cout, s.depth))
    product(parts, outputs.transpose(1, 2), columns.transpose(1, 2).transpose(2, 3))
    return reduce.sum_dim(parts, 1) if slices > 1 else parts


def conv_transpose(input, weight, bias, stride, padding, output_padding, groups, dilation):
    name, spatial = "conv_transpose", weight.dim() - 2
    same_type(name, input, weight, "weight")
    if not 1 <= spatial <= 3 or input.dim() != weight.dim():
        raise ValueError("%s(): expected a %d-D input for a weight of size %s, got %d-D %s"
                         % (name, max(3, weight.dim()), text(weight.size()), input.dim(), text(input.size())))
    if input.size(1) != weight.size(0):
        raise RuntimeError("%s(): expected %d channels for a weight of size %s, got an input of size %s"
                           % (name, weight.size(0), text(weight.size()), text(input.size())))
    size = transposed_size(name, input, weight, stride, padding, output_padding, dilation)
    size = (input.size(0), weight.size(1) * groups) + size[3 - spatial:]
    s = Shape(name, size, tuple(weight.size()), stride, padding, dilation, groups)
    return spread(input, weight, checked_bias(name, input, bias, size[1]), s.take_output(input))


def transposed_size(name, input, weight, stride, padding, output_padding, dilation):
    """The spatial sizes of a transposed convolution's output, filled up to three."""
    spatial = weight.dim() - 2
    strides, paddings = three(name, "stride", stride, spatial, 1, 1), three(name, "padding", padding, spatial, 0, 0)
    dilations = three(name, "dilation", dilation, spatial, 1, 1)
    extras = three(name, "output_padding", output_padding, spatial, 0, 0)
    if any(e >= s and e >= d for e, s, d in zip(extras, strides, dilations)):
        raise RuntimeError("%s(): output_padding must be smaller than stride or dilation, got %s, %s and %s"
                           % (name, tuple(output_padding), tuple(stride), tuple(dilation)))
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 + e for n, s, p, d, k, e in
                 zip(filled(input.size()), strides, paddings, dilations, filled(weight.size()), extras))
    if min(size) < 1:
        raise RuntimeError("%s(): Output size is too small: input of size %s, weight %s, padding %s"
                           % (name, text(input.size()), text(weight.size()), tuple(padding)))
    return size


def channel_sum(self):
    reduce.need_real(self, "channel_sum")
    if self.dim() < 2:
        raise RuntimeError("channel_sum(): expected a tensor of 2 dims or more, got size %s" % text(self.size()))
    return reduce.fold("sum", self, [d for d in range(self.dim()) if d != 1], (self.size(1),))
