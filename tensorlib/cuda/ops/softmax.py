"""Softmax and log-softmax along a dim, and their derivatives: the twins of _ops/softmax.pyx."""
from ..._ops.copying import make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from .reduce import need_real, wrap_dim
from .scan import lines_of

WARP = 32
program = Program("softmax")


def apply(name, tensors, dim, logarithm):
    """Run a kernel on dense tensors seen as (outer, n, inner)."""
    x, device = tensors[0], device_of(tensors[0])
    out = make_empty(code_of(x), x.size(), device)
    lines, n, inner = lines_of(x, dim)
    width = 1 if inner > 1 or n < 8 else WARP if n <= 1024 else THREADS
    launch(program, "%s_%s" % (name, NAMES[code_of(x)]), device, "P" * (len(tensors) + 1) + "qqqIi",
           grid_for(device, lines, THREADS // width), THREADS, out, *tensors, lines, n, inner, width, logarithm)
    return out


def forward(name, x, dim, logarithm):
    need_real(x, name)
    dim = wrap_dim(x, dim)
    return apply("softmax", (make_contiguous(x),), dim, logarithm)


def backward(name, g, out, dim, logarithm):
    if code_of(g) != code_of(out):
        raise TypeError("%s(): gradient is a %s, output a %s" % (name, g.type(), out.type()))
    if g.size() != out.size():
        raise RuntimeError("%s(): gradient has size %s, output %s" % (name, tuple(g.size()), tuple(out.size())))
    dim = wrap_dim(g, dim)
    return apply("softmax_grad", (make_contiguous(g), make_contiguous(out)), dim, logarithm)


def softmax(self, dim):
    return forward("softmax", self, dim, 0)


def log_softmax(self, dim):
    return forward("log_softmax", self, dim, 1)


def softmax_grad(g, out, dim):
    return backward("softmax_grad", g, out, dim, 0)


def log_softmax_grad(g, out, dim):
    return backward("log_softmax_grad", g, out, dim, 1)
