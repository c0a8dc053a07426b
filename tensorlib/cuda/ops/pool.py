"""Max- and average pooling in 1 to 3 dims and their derivatives: the twins of _ops/pool.pyx."""
import math

from ..._ops.copying import fill_, make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from .. import faults
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from ..spatial import check_plane, full_size, text, three
from .reduce import need_real

LONG = 4
ADD, PUT, TAKE = range(3)
program = Program("pool")


# ---- geometry -----------------------------------------------------------------------------------------------------

class Shape:
    """The struct Pool of pool.cu, and the size of the output; without a kernel the windows are adaptive."""

    def __init__(self, name, size, spatial):
        if not 1 <= spatial <= 3:
            raise ValueError("%s(): expected 1 to 3 spatial dims, got %d" % (name, spatial))
        if len(size) not in (spatial + 1, spatial + 2):
            raise RuntimeError("%s(): expected a tensor of %d or %d dims (batch, channels and %d spatial dims), got "
                               "size %s" % (name, spatial + 1, spatial + 2, spatial, text(size)))
        self.name, self.lead, self.given = name, tuple(size[:-spatial]), tuple(size[-spatial:])
        self.size = (1,) * (3 - spatial) + self.given
        self.windows = (0, 0, 0) * 4
        self.count_padding = True

    def finish(self, out):
        self.out = out
        self.output_size = self.lead + out[3 - len(self.given):]
        check_plane(self.name, math.prod(self.size), math.prod(out))
        return self

    def fields(self):
        return (math.prod(self.lead), math.prod(self.size), math.prod(self.out), *self.size, *self.windows, *self.out,
                int(self.count_padding))


FIELDS = "22q"


def output_length(size, kernel, stride, padding, dilation, ceil_mode):
    """Windows along one dim; the last window of ceil mode must begin inside the input or its left padding."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    if span < 0 and not (ceil_mode and span > -stride):
        return 0
    n = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    return n - 1 if ceil_mode and (n - 1) * stride >= size + padding else n


def fixed(name, size, kernel, stride, padding, dilation, ceil_mode, count_padding=True):
    """The geometry of a pooling with fixed windows."""
    spatial = len(kernel)
    s = Shape(name, size, spatial)
    kernels = three(name, "kernel_size", kernel, spatial, 1, 1)
    strides = three(name, "stride", stride, spatial, 1, 1)
    paddings = three(name, "padding", padding, spatial, 0, 0)
    dilations = three(name, "dilation", dilation, spatial, 1, 1)
    if any(p > k // 2 for p, k in zip(paddings, kernels)):
        raise RuntimeError("%s(): pad should be smaller than half of kernel size, but got padding %s and kernel size %s"
                           % (name, tuple(padding), tuple(kernel)))
    out = tuple(output_length(*along, ceil_mode) for along in zip(s.size, kernels, strides, paddings, dilations))
    if min(out) < 1:
        raise RuntimeError("%s(): Output size is too small: input of size %s, kernel %s, stride %s, padding %s, "
                           "dilation %s" % (name, text(size), tuple(kernel), tuple(stride), tuple(padding),
                                            tuple(dilation)))
    s.windows, s.count_padding = kernels + strides + paddings + dilations, count_padding
    return s.finish(out)


def adaptive(name, size, output):
    """The geometry of a pooling with a given output size."""
    return Shape(name, size, len(output)).finish(three(name, "output_size", output, len(output), 1, 1))


def run(kernel, n, formats, x, *arguments):
    launch(program, "%s_%s" % (kernel, NAMES[code_of(x)]), device_of(x), formats, grid_for(device_of(x), n), THREADS,
           *arguments)


def like(x, size, code=None):
    return make_empty(code_of(x) if code is None else code, size, device_of(x))


# ---- max pooling --------------------------------------------------------------------------------------------------

def largest(x, s):
    need_real(x, s.name)
    out, where = like(x, s.output_size), like(x, s.output_size, LONG)
    run("max_pool", out.numel(), "PPP" + FIELDS, x, out, where, make_contiguous(x), *s.fields())
    return out, where


def max_pool(self, kernel_size, stride, padding, dilation, ceil_mode):
    return largest(self, fixed("max_pool", self.size(), kernel_size, stride, padding, dilation, ceil_mode))


def adaptive_max_pool(self, output_size):
    return largest(self, adaptive("adaptive_max_pool", self.size(), output_size))


# ---- moving values by indices -------------------------------------------------------------------------------------

def check_indices(name, x, indices):
    need_real(x, name)
    if code_of(indices) != LONG:
        raise RuntimeError("%s(): expected indices of type tensorlib.cuda.LongTensor, got %s" % (name, indices.type()))
    if indices.dim() != x.dim():
        raise RuntimeError("%s(): expected indices of %d dims, got size %s" % (name, x.dim(), text(indices.size())))


def move(name, out, x, indices, spatial, pixels, how, gaps):
    positions = math.prod(indices.size()[-spatial:])
    run("move", indices.numel(), "PPPqqqiiPq", x, out, make_contiguous(x), make_contiguous(indices), indices.numel(),
        positions, pixels, how, gaps, faults.note_of(device_of(x)), faults.code_of(name))
    return out


def to_planes(name, x, indices, size, how, gaps):
    """Write x at its indices into planes whose last `spatial` sizes are given."""
    check_indices(name, x, indices)
    spatial = len(size)
    if x.size() != indices.size():
        raise RuntimeError("%s(): sizes %s and %s (indices) differ" % (name, text(x.size()), text(indices.size())))
    if not 1 <= spatial < x.dim():
        raise RuntimeError("%s(): expected a tensor of %d or %d dims, got size %s"
                           % (name, spatial + 1, spatial + 2, text(x.size())))
    size = full_size(name, tuple(x.size())[:-spatial] + tuple(size), x.dim())
    out = fill_(like(x, size), 0)
    return move(name, out, x, indices, spatial, math.prod(size[-spatial:]), how, gaps)


def max_pool_grad(grad, indices, output_size):
    return to_planes("max_pool_grad", grad, indices, output_size, ADD, True)


def max_unpool(self, indices, output_size):
    return to_planes("max_unpool", self, indices, output_size, PUT, False)


def max_pool_take(self, indices, spatial):
    check_indices("max_pool_take", self, indices)
    lead = self.dim() - spatial
    if self.size()[:lead] != indices.size()[:lead]:
        raise RuntimeError("max_pool_take(): sizes %s and %s (indices) differ before the last %d dims"
                           % (text(self.size()), text(indices.size()), spatial))
    pixels = math.prod(self.size()[lead:])
    return move("max_pool_take", like(self, indices.size()), self, indices, spatial, pixels, TAKE, True)


# ---- average pooling ----------------------------------------------------------------------------------------------

def mean(x, s):
    need_real(x, s.name)
    out = like(x, s.output_size)
    run("avg_pool", out.numel(), "PP" + FIELDS, x, out, make_contiguous(x), *s.fields())
    return out


def mean_grad(grad, s):
    need_real(grad, s.name)
    if tuple(grad.size()) != s.output_size:
        raise RuntimeError("%s(): expected a gradient with spatial sizes %s, got size %s"
                           % (s.name, s.output_size[len(s.lead):], text(grad.size())))
    out = like(grad, s.lead + s.given)
    run("avg_pool_grad", out.numel(), "PP" + FIELDS, grad, out, make_contiguous(grad), *s.fields())
    return out


def avg_pool(self, kernel_size, stride, padding, ceil_mode, count_include_pad):
    ones = (1,) * len(kernel_size)
    return mean(self, fixed("avg_pool", self.size(), kernel_size, stride, padding, ones, ceil_mode, count_include_pad))


def avg_pool_grad(grad, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad):
    size, ones = full_size("avg_pool_grad", input_size, grad.dim()), (1,) * len(kernel_size)
    return mean_grad(grad, fixed("avg_pool_grad", size, kernel_size, stride, padding, ones, ceil_mode,
                                 count_include_pad))


def adaptive_avg_pool(self, output_size):
    return mean(self, adaptive("adaptive_avg_pool", self.size(), output_size))


def adaptive_avg_pool_grad(grad, input_size, output_size):
    size = full_size("adaptive_avg_pool_grad", input_size, grad.dim())
    return mean_grad(grad, adaptive("adaptive_avg_pool_grad", size, output_size))
