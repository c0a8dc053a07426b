"""Rows of softmax and log-softmax along a dim. Their derivatives are fused rows of the output."""
from .._ops import softmax as kernels
from ._samples import arguments, unary
from ._table import op

softmax = op(
    "softmax(Tensor self, int dim)", kernels.softmax, public=False,
    grad=dict(self=lambda g, out, dim: softmax_grad(g, out, dim)),
    ref="np.exp(self) / np.exp(self).sum(dim, keepdims=True)",
    samples=unary(-3, 3, dim=0) + unary(-3, 3, ((3, 4), (2, 60, 3)), dim=1),
    doc="e^self divided by its sum along dim.")

softmax_grad = op(
    "softmax_grad(Tensor dy, Tensor y, int dim)", kernels.softmax_grad, public=False,
    grad=dict(dy=lambda g, y, dim: softmax_grad(g, y, dim),
              y=lambda g, dy, y, dim: g * (dy - (dy * y).sum(dim, True)) - dy * (g * y).sum(dim, True)),
    ref="y * (dy - (dy * y).sum(dim, keepdims=True))", samples=arguments((3, 4), (3, 4), dim=1),
    doc="y * (dy - sum of dy * y along dim): derivative of softmax at output y, times dy.")

log_softmax = op(
    "log_softmax(Tensor self, int dim)", kernels.log_softmax, public=False,
    grad=dict(self=lambda g, out, dim: log_softmax_grad(g, out, dim)),
    ref="self - np.log(np.exp(self).sum(dim, keepdims=True))",
    samples=unary(-3, 3, dim=0) + unary(-3, 3, ((3, 4), (2, 60, 3)), dim=1),
    doc="The logarithm of softmax, computed without overflow.")

log_softmax_grad = op(
    "log_softmax_grad(Tensor dy, Tensor y, int dim)", kernels.log_softmax_grad, public=False,
    grad=dict(dy=lambda g, y, dim: g - (g * y.exp()).sum(dim, True),
              y=lambda g, dy, y, dim: -(g * y.exp()) * dy.sum(dim, True)),
    ref="dy - np.exp(y) * dy.sum(dim, keepdims=True)", samples=arguments((3, 4), (3, 4), dim=1),
    doc="dy - e^y * (sum of dy along dim): derivative of log_softmax at output y, times dy.")
