"""Rows of pooling. Max pooling moves values by indices, so its derivatives of any order are two rows that do that.

Sizes and options are tuples with a number for each spatial dim; indices are flat positions within a plane.
"""
from .._ops import pool as kernels
from ._samples import arguments, positions
from ._table import op
from .conv import reference

max_pool = op(
    "max_pool(Tensor self, int... kernel_size, int... stride, int... padding, int... dilation, bool ceil_mode)",
    kernels.max_pool, public=False,
    grad=dict(self=lambda g0, out1, self_size, kernel_size: max_pool_grad(g0, out1, self_size[-len(kernel_size):])),
    ref=reference("max_pool"),
    samples=arguments((2, 3, 7, 8), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False)
    + arguments((2, 9, 7), kernel_size=(3, 2), stride=(2, 1), padding=(1, 1), dilation=(1, 2), ceil_mode=True),
    doc="Largest value of each window, and its flat position within the plane. Padding never wins, nan does.")

adaptive_max_pool = op(
    "adaptive_max_pool(Tensor self, int... output_size)", kernels.adaptive_max_pool, public=False,
    grad=dict(self=lambda g0, out1, self_size, output_size: max_pool_grad(g0, out1, self_size[-len(output_size):])),
    ref=reference("adaptive_max_pool"),
    samples=arguments((2, 3, 7, 5), output_size=(3, 2)) + arguments((2, 5), output_size=(7,)),
    doc="Largest value of each of output_size windows that cover the input, and its flat position within the plane.")

max_pool_grad = op(
    "max_pool_grad(Tensor grad, LongTensor indices, int... output_size)", kernels.max_pool_grad, public=False,
    grad=dict(grad=lambda g, indices, output_size: max_pool_take(g, indices, len(output_size))),
    ref=reference("max_pool_grad"),
    samples=arguments((1, 2, 1, 3), indices=positions([[[[3, 0, 3]], [[5, 2, 1]]]]), output_size=(2, 3)),
    doc="Add each value at its index into planes of zeros of the spatial sizes output_size: derivative of max_pool.")

max_pool_take = op(
    "max_pool_take(Tensor self, LongTensor indices, int spatial)", kernels.max_pool_take, public=False,
    grad=dict(self=lambda g, indices, self_size, spatial: max_pool_grad(g, indices, self_size[-spatial:])),
    ref=reference("max_pool_take"),
    samples=arguments((1, 2, 2, 3), indices=positions([[[[3, 0, 3]], [[5, 2, 1]]]]), spatial=2),
    doc="The values at the indices of each plane, the last `spatial` dims: derivative of max_pool_grad.")

max_unpool = op(
    "max_unpool(Tensor self, LongTensor indices, int... output_size)", kernels.max_unpool, public=False,
    grad=dict(self=lambda g, indices, output_size: max_pool_take(g, indices, len(output_size))),
    ref=reference("max_unpool"),
    samples=arguments((1, 2, 1, 3), indices=positions([[[[3, 0, 4]], [[5, 2, 1]]]]), output_size=(2, 3)),
    doc="Put each value at its index into planes of zeros of the spatial sizes output_size.")

avg_pool = op(
    "avg_pool(Tensor self, int... kernel_size, int... stride, int... padding, bool ceil_mode, bool count_include_pad)",
    kernels.avg_pool, public=False,
    grad=dict(self=lambda g, self_size, kernel_size, stride, padding, ceil_mode, count_include_pad:
              avg_pool_grad(g, self_size, kernel_size, stride, padding, ceil_mode, count_include_pad)),
    ref=reference("avg_pool"),
    samples=arguments((2, 3, 7, 8), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), ceil_mode=False,
                      count_include_pad=True)
    + arguments((2, 7, 9), kernel_size=(3, 2), stride=(2, 1), padding=(1, 1), ceil_mode=True, count_include_pad=False),
    doc="Mean of each window; padding counts as zeros, or, with count_include_pad False, not at all.")

avg_pool_grad = op(
    "avg_pool_grad(Tensor grad, int... input_size, int... kernel_size, int... stride, int... padding, bool ceil_mode, "
    "bool count_include_pad)",
    kernels.avg_pool_grad, public=False,
    grad=dict(grad=lambda g, kernel_size, stride, padding, ceil_mode, count_include_pad:
              avg_pool(g, kernel_size, stride, padding, ceil_mode, count_include_pad)),
    ref=reference("avg_pool_grad"),
    samples=arguments((2, 4, 10), input_size=(2, 7, 9), kernel_size=(3, 2), stride=(2, 1), padding=(1, 1),
                      ceil_mode=True, count_include_pad=False),
    doc="Derivative of avg_pool, times grad.")

adaptive_avg_pool = op(
    "adaptive_avg_pool(Tensor self, int... output_size)", kernels.adaptive_avg_pool, public=False,
    grad=dict(self=lambda g, self_size, output_size: adaptive_avg_pool_grad(g, self_size, output_size)),
    ref=reference("adaptive_avg_pool"),
    samples=arguments((2, 3, 7, 5), output_size=(3, 2)) + arguments((2, 5), output_size=(7,)),
    doc="Mean of each of output_size windows that cover the input.")

adaptive_avg_pool_grad = op(
    "adaptive_avg_pool_grad(Tensor grad, int... input_size, int... output_size)", kernels.adaptive_avg_pool_grad,
    public=False,
    grad=dict(grad=lambda g, output_size: adaptive_avg_pool(g, output_size)),
    ref=reference("adaptive_avg_pool_grad"),
    samples=arguments((2, 3, 3, 2), input_size=(2, 3, 7, 5), output_size=(3, 2)),
    doc="Derivative of adaptive_avg_pool, times grad.")
