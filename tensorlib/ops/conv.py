"""Rows of convolution. `conv`, `conv_dx` and `conv_dw` are bilinear and are each other's derivatives, to any order.

Options are tuples with a number for each spatial dim.
"""
from .._ops import conv as kernels
from ._samples import arguments
from ._table import op


def reference(name):
    """The reference `name_ref` of `_spatial_refs`, which imports NumPy, found when it is called."""
    def ref(*args, **options):
        from . import _spatial_refs
        return getattr(_spatial_refs, name + "_ref")(*args, **options)
    return ref


def first(t, size):
    """The first part of t of this size: a transposed convolution padded further than its stride leaves more."""
    for dim in range(2, len(size)):
        if t.size(dim) != size[dim]:
            t = t.narrow(dim, 0, size[dim])
    return t


OPTIONS = dict(stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
CUBE = dict(stride=(1, 2, 1), padding=(0, 1, 1), dilation=(1, 1, 2), groups=1)

conv = op(
    "conv(Tensor input, Tensor weight, Tensor? bias, int... stride, int... padding, int... dilation, int groups)",
    kernels.conv, public=False, node_name="ConvNd",
    grad=dict(
        input=lambda g, weight, input_size, stride, padding, dilation, groups:
            conv_dx(g, weight, input_size, stride, padding, dilation, groups),
        weight=lambda g, input, weight_size, stride, padding, dilation, groups:
            conv_dw(g, input, weight_size, stride, padding, dilation, groups),
        bias=lambda g: channel_sum(g)),
    ref=reference("conv"), samples=arguments((2, 4, 5, 6), (6, 2, 3, 2), (6,), **OPTIONS)
    + arguments((1, 2, 3, 4, 4), (3, 2, 2, 3, 2), (3,), **CUBE),
    doc="Convolution (as a correlation) of images with kernels, in 1 to 3 spatial dims, plus a bias of each channel.")

conv_dx = op(
    "conv_dx(Tensor grad, Tensor weight, int... input_size, int... stride, int... padding, int... dilation, "
    "int groups)",
    kernels.conv_dx, public=False,
    grad=dict(
        grad=lambda g, grad_size, weight, stride, padding, dilation, groups:
            first(conv(g, weight, None, stride, padding, dilation, groups), grad_size),
        weight=lambda g, grad, weight_size, stride, padding, dilation, groups:
            conv_dw(grad, g, weight_size, stride, padding, dilation, groups)),
    ref=reference("conv_dx"), samples=arguments((2, 6, 3, 4), (6, 2, 3, 2), input_size=(2, 4, 5, 6), **OPTIONS)
    + arguments((1, 3, 2, 2, 4), (3, 2, 2, 3, 2), input_size=(1, 2, 3, 4, 4), **CUBE),
    doc="Derivative of conv by its input, times grad.")

conv_dw = op(
    "conv_dw(Tensor grad, Tensor input, int... weight_size, int... stride, int... padding, int... dilation, "
    "int groups)",
    kernels.conv_dw, public=False,
    grad=dict(
        grad=lambda g, grad_size, input, stride, padding, dilation, groups:
            first(conv(input, g, None, stride, padding, dilation, groups), grad_size),
        input=lambda g, grad, input_size, stride, padding, dilation, groups:
            conv_dx(grad, g, input_size, stride, padding, dilation, groups)),
    ref=reference("conv_dw"), samples=arguments((2, 6, 3, 4), (2, 4, 5, 6), weight_size=(6, 2, 3, 2), **OPTIONS)
    + arguments((1, 3, 2, 2, 4), (1, 2, 3, 4, 4), weight_size=(3, 2, 2, 3, 2), **CUBE),
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
    ref=reference("conv_transpose"),
    samples=arguments((2, 4, 3, 3), (4, 3, 3, 2), (6,), stride=(2, 1), padding=(1, 0), output_padding=(1, 1), groups=2,
                      dilation=(1, 2)),
    doc="Transposed convolution: conv_dx used forward, plus a bias; output_padding adds to the end of the output.")

channel_sum = op(
    "channel_sum(Tensor self)", kernels.channel_sum, public=False,
    grad=dict(self=lambda g, self_size: g.view(1, -1, *[1] * (len(self_size) - 2)).expand(*self_size)),
    ref=lambda x: x.sum(tuple(d for d in range(x.ndim) if d != 1)),
    samples=arguments((3, 4, 5, 2)) + arguments((2, 3)) + arguments((1, 2, 40)),
    doc="Sum over all dims but the second.")
