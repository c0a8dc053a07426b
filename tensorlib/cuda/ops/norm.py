"""Batch normalisation and its derivative: the twins of _ops/norm.pyx. Statistics are reductions."""
import math

from ..._ops.copying import copy_, make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from ...ops.activation import relu, relu_grad
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from . import reduce

program = Program("norm")


def of_channels(name, t, input):
    """t, dense, if it is None or holds a number of the input's type for each channel."""
    if t is None:
        return None
    if code_of(t) != code_of(input):
        raise RuntimeError("batch_norm(): %s is a %s, expected the input's type %s" % (name, t.type(), input.type()))
    if t.numel() != input.size(1):
        raise RuntimeError("batch_norm(): %s should contain %d elements, not %d" % (name, input.size(1), t.numel()))
    return make_contiguous(t)


def check_input(input):
    reduce.need_real(input, "batch_norm")
    if input.dim() < 2:
        raise RuntimeError("batch_norm(): input of size %s, expected (batch, channels, ...)" % (tuple(input.size()),))


def fold(name, x, **more):
    """A reduction of all dims but that of the channels."""
    return reduce.fold(name, x, [d for d in range(x.dim()) if d != 1], (x.size(1),), **more)


def run(kernel, formats, x, *arguments):
    launch(program, "%s_%s" % (kernel, NAMES[code_of(x)]), device_of(x), formats, grid_for(device_of(x), x.numel()),
           THREADS, *[0 if a is None else a for a in arguments])


def normalised(x, mean, invstd, weight, bias):
    out = make_empty(code_of(x), x.size(), device_of(x))
    run("normalise", "PPPPPPqqq", x, out, x, mean, invstd, weight, bias, x.numel(), x.size(1), math.prod(x.size()[2:]))
    return out


def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    check_input(input)
    of_channels("running_mean", running_mean, input)
    of_channels("running_var", running_var, input)
    weight, bias = of_channels("weight", weight, input), of_channels("bias", bias, input)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("batch_norm(): running_mean and running_var must be given unless training")
    x = make_contiguous(input)
    count = x.numel() // x.size(1)
    if training:
        mean = fold("sum", x, divisor=count)
        variance = fold("deviation", x, divisor=count, by=mean)
    else:
        mean, variance = running_mean.clone(), make_contiguous(running_var)
    invstd = make_empty(code_of(x), (x.size(1),), device_of(x))
    run("inverse_root", "PPqd", invstd, invstd, variance, x.size(1), eps)
    if training and running_mean is not None:
        copy_(running_mean, running_mean * (1 - momentum) + mean * momentum)
    if training and running_var is not None:        # the unbiased variance: nan for a single value
        unbiased = momentum * count / (count - 1) if count > 1 else math.nan
        copy_(running_var, running_var * (1 - momentum) + variance * unbiased)
    return normalised(x, mean, invstd, weight, bias), mean, invstd


def batch_norm_grad(g, input, weight, mean, invstd, training, eps):
    check_input(input)
    if code_of(g) != code_of(input) or g.size() != input.size():
        raise RuntimeError("batch_norm_grad(): gradient is a %s of size %s, input a %s of size %s"
                           % (g.type(), tuple(g.size()), input.type(), tuple(input.size())))
    weight = of_channels("weight", weight, input)
    mean, invstd = of_channels("mean", mean, input), of_channels("invstd", invstd, input)
    g, input = make_contiguous(g), make_contiguous(input)
    xhat = normalised(input, mean, invstd, None, None)
    dweight, dbias = fold("sum", g * xhat), fold("sum", g)
    dx = make_empty(code_of(g), g.size(), device_of(g))
    run("slope", "PPPPPPPqqqd", g, dx, g, xhat, invstd, weight, dweight if training else None,
        dbias if training else None, g.numel(), g.size(1), math.prod(g.size()[2:]), g.numel() // g.size(1))
    return dx, dweight, dbias


def batch_norm_relu(input, weight, bias, running_mean, running_var, training, momentum, eps):
    out, mean, invstd = batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    return relu.inplace(out), mean, invstd


def batch_norm_relu_grad(g, input, weight, bias, mean, invstd, training, eps):
    check_input(input)
    parts = dict(mean=mean, invstd=invstd, weight=weight, bias=bias)
    out = normalised(make_contiguous(input), *[of_channels(name, t, input) for name, t in parts.items()])
    return batch_norm_grad(relu_grad(g, out), input, weight, mean, invstd, training, eps)
