"""Rows of convolution. `conv`, `conv_dx` and `conv_dw` are bilinear and are each other's derivatives, to any order.

Options are tuples with a number for each spatial dim. References work in float64 NumPy, one kernel position at a time.
"""
import itertools

import numpy as np

from .._ops import conv as kernels
from ._table import op


# ---- references ----------------------------------------------------------------------------------------------------

def taps(x, kernel, stride, padding, dilation, out):
    """Yield each kernel position with the view of the padded x that it reads: (batch, channels, *out)."""
    for at in itertools.product(*[range(k) for k in kernel]):
        window = tuple(slice(a * d, a * d + (n - 1) * s + 1, s) for a, d, s, n in zip(at, dilation, stride, out))
        yield at, x[(slice(None), slice(None)) + window]


def padded(x, padding):
    return np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])


def unpadded(x, padding):
    return x[(slice(None), slice(None)) + tuple(slice(p, n - p) for p, n in zip(padding, x.shape[2:]))]


def output_sizes(size, kernel, stride, padding, dilation):
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1
                 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation))


def split(x, groups):
    """Give the channels a dim for the groups: (batch, groups, channels / groups, ...)."""
    return x.reshape((x.shape[0], groups, x.shape[1] // groups) + x.shape[2:])


def split_weight(w, groups):
    return w.reshape((groups, w.shape[0] // groups) + w.shape[1:])


def conv_ref(input, weight, bias, stride, padding, dilation, groups):
    kernel, x = weight.shape[2:], padded(input, padding)
    out = output_sizes(input.shape[2:], kernel, stride, padding, dilation)
    total = np.zeros((input.shape[0], weight.shape[0]) + out)
    w = split_weight(weight, groups)
    for at, view in taps(x, kernel, stride, padding, dilation, out):
        part = np.einsum("ngc...,goc->ngo...", split(view, groups), w[(Ellipsis,) + at])
        total += part.reshape(total.shape)
    return total if bias is None else total + bias.reshape((-1,) + (1,) * len(kernel))


def conv_dx_ref(grad, weight, input_size, stride, padding, dilation, groups):
    kernel, w = weight.shape[2:], split_weight(weight, groups)
    x = np.zeros(tuple(input_size[:2]) + tuple(n + 2 * p for n, p in zip(input_size[2:], padding)))
    for at, view in taps(x, kernel, stride, padding, dilation, grad.shape[2:]):
        part = np.einsum("ngo...,goc->ngc...", split(grad, groups), w[(Ellipsis,) + at])
        view += part.reshape(view.shape)
    return unpadded(x, padding)


def conv_dw_ref(grad, input, weight_size, stride, padding, dilation, groups):
    w = np.zeros(weight_size)
    parts, x, g = split_weight(w, groups), padded(input, padding), split(grad, groups)
    g = g.reshape(g.shape[:3] + (-1,))
    for at, view in taps(x, weight_size[2:], stride, padding, dilation, grad.shape[2:]):
        v = split(view, groups)
        parts[(Ellipsis,) + at] = np.einsum("ngop,ngcp->goc", g, v.reshape(v.shape[:3] + (-1,)))
    return w


def conv_transpose_ref(input, weight, bias, stride, padding, output_padding, groups, dilation):
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 + e for n, s, p, d, k, e in
                 zip(input.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding))
    full = (input.shape[0], weight.shape[1] * groups) + size
    out = conv_dx_ref(input, weight, full, stride, padding, dilation, groups)
    return out if bias is None else out + bias.reshape((-1,) + (1,) * len(size))


# ---- rows ----------------------------------------------------------------------------------------------------------

def first(t, size):
    """The first part of t of this size: a transposed convolution padded further than its stride leaves more."""
    for dim in range(2, len(size)):
        if t.size(dim) != size[dim]:
            t = t.narrow(dim, 0, size[dim])
    return t


conv = op(
    "conv(Tensor input, Tensor weight, Tensor? bias, int... stride, int... padding, int... dilation, int groups)",
    kernels.conv, public=False, node_name="ConvNd",
    grad=dict(
        input=lambda g, weight, input_size, stride, padding, dilation, groups:
            conv_dx(g, weight, input_size, stride, padding, dilation, groups),
        weight=lambda g, input, weight_size, stride, padding, dilation, groups:
            conv_dw(g, input, weight_size, stride, padding, dilation, groups),
        bias=lambda g: channel_sum(g)),
    ref=conv_ref,
    doc="Convolution (as a correlation) of an image with a kernel, in 1 to 3 spatial dims, plus a bias of each channel.")

conv_dx = op(
    "conv_dx(Tensor grad, Tensor weight, int... input_size, int... stride, int... padding, int... dilation, int groups)",
    kernels.conv_dx, public=False,
    grad=dict(
        grad=lambda g, grad_size, weight, stride, padding, dilation, groups:
            first(conv(g, weight, None, stride, padding, dilation, groups), grad_size),
        weight=lambda g, grad, weight_size, stride, padding, dilation, groups:
            conv_dw(grad, g, weight_size, stride, padding, dilation, groups)),
    ref=conv_dx_ref,
    doc="Derivative of conv by its input, times grad.")

conv_dw = op(
    "conv_dw(Tensor grad, Tensor input, int... weight_size, int... stride, int... padding, int... dilation, int groups)",
    kernels.conv_dw, public=False,
    grad=dict(
        grad=lambda g, grad_size, input, stride, padding, dilation, groups:
            first(conv(input, g, None, stride, padding, dilation, groups), grad_size),
        input=lambda g, grad, input_size, stride, padding, dilation, groups:
            conv_dx(grad, g, input_size, stride, padding, dilation, groups)),
    ref=conv_dw_ref,
    doc="Derivative of conv by its weight, times grad.")

conv_transpose = op(
    "conv_transpose(Tensor input, Tensor weight, Tensor? bias, int... stride, int... padding, int... output_padding, "
    "int groups, int... dilation)",
    kernels.conv_transpose, public=False, node_name="ConvNd",
    grad=dict(
        input=lambda g, input_size, weight, stride, padding, dilation, groups:
            first(conv(g, weight, None, stride, padding, dilation, groups), input_size),
        weight=lambda g, input, weight_size, stride, padding, dilation, groups:
            conv_dw(input, g, weight_size, stride, padding, dilation, groups),
        bias=lambda g: channel_sum(g)),
    ref=conv_transpose_ref,
    doc="Transposed convolution: conv_dx used forward, plus a bias; output_padding adds to the end of the output.")

channel_sum = op(
    "channel_sum(Tensor self)", kernels.channel_sum, public=False,
    grad=dict(self=lambda g, self_size: g.view(1, -1, *[1] * (len(self_size) - 2)).expand(*self_size)),
    ref=lambda x: x.sum(tuple(d for d in range(x.ndim) if d != 1)),
    doc="Sum over all dims but the second.")
