"""Rows of softmax, log-softmax and log-sum-exp along a dim. Their derivatives are rows of the output."""
import math

from .._ops import softmax as kernels
from ._samples import arguments, unary
from ._table import op
from .pointwise import abs, exp, log, where
from .reduce import along_dim, max_dim, sum_dim, with_dim

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


def log_of_sums(self, dim, keepdim):
    """log(sum of e^self), the largest element taken out before and put back after, unless it is infinite."""
    top = max_dim(self, dim, True)[0]
    top = where(abs(top) < math.inf, top, 0)
    sums = log(sum_dim(exp(self - top), dim, True)) + top
    return sums if keepdim or self.dim() == 1 else sums.squeeze(dim)


logsumexp = op(
    "logsumexp(Tensor self, int dim, bool keepdim=False)", log_of_sums,
    grad=dict(self=lambda g, self, out, dim, keepdim: with_dim(g, self.size(), dim, keepdim)
              * exp(self - with_dim(out, self.size(), dim, keepdim))),
    ref="np.log(np.exp(self).sum(dim, keepdims=keepdim))", samples=along_dim(-3, 3),
    doc="The logarithm of the sum of e^self along a dim, computed without overflow.")
