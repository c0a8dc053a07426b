"""Rows of softmax and log-softmax along a dim. Their derivatives are fused rows of the output, and close on themselves."""
import numpy as np

from .._ops import softmax as kernels
from ._table import op


def softmax_ref(x, dim):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


SAMPLES = [((3, 4), 1), ((3, 4), 0), ((2, 60, 3), 1), ((5,), 0)]
PAIRS = [((3, 4), (3, 4), 1), ((2, 5, 3), (2, 5, 3), -2)]

softmax = op(
    "softmax(Tensor self, int dim)", kernels.softmax, public=False,
    grad=dict(self=lambda g, out, dim: softmax_grad(g, out, dim)),
    ref=softmax_ref, samples=SAMPLES,
    doc="e^self divided by its sum along dim.")

softmax_grad = op(
    "softmax_grad(Tensor dy, Tensor y, int dim)", kernels.softmax_grad, public=False,
    grad=dict(dy=lambda g, y, dim: softmax_grad(g, y, dim),
              y=lambda g, dy, y, dim: g * (dy - (dy * y).sum(dim, True)) - dy * (g * y).sum(dim, True)),
    ref=lambda dy, y, dim: y * (dy - (dy * y).sum(dim, keepdims=True)), samples=PAIRS,
    doc="y * (dy - sum of dy * y along dim): derivative of softmax at output y, times dy.")

log_softmax = op(
    "log_softmax(Tensor self, int dim)", kernels.log_softmax, public=False,
    grad=dict(self=lambda g, out, dim: log_softmax_grad(g, out, dim)),
    ref=lambda x, dim: np.log(softmax_ref(x, dim)), samples=SAMPLES,
    doc="The logarithm of softmax, computed without overflow.")

log_softmax_grad = op(
    "log_softmax_grad(Tensor dy, Tensor y, int dim)", kernels.log_softmax_grad, public=False,
    grad=dict(dy=lambda g, y, dim: g - (g * y.exp()).sum(dim, True),
              y=lambda g, dy, y, dim: -(g * y.exp()) * dy.sum(dim, True)),
    ref=lambda dy, y, dim: dy - np.exp(y) * dy.sum(dim, keepdims=True), samples=PAIRS,
    doc="dy - e^y * (sum of dy along dim): derivative of log_softmax at output y, times dy.")
