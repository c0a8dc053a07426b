"""Rows of pooling. Max pooling moves values by indices, so its derivatives of any order are two rows that do that.

Sizes and options are tuples with a number for each spatial dim; indices are flat positions within a plane.
"""
import itertools

import numpy as np

from .._ops import pool as kernels
from ._table import op


# ---- references ----------------------------------------------------------------------------------------------------

def windows(size, kernel, stride, padding, dilation, ceil_mode):
    """For each dim, a list of (start, positions inside the input) for each output position."""
    dims = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        span = n + 2 * p - d * (k - 1) - 1
        count = (-(-span // s) if ceil_mode else span // s) + 1
        starts = [i * s - p for i in range(count)]
        if ceil_mode and starts[-1] >= n:
            starts.pop()
        dims.append([(a, [a + j * d for j in range(k) if 0 <= a + j * d < n]) for a in starts])
    return dims


def adaptive_windows(size, output_size):
    return [[(0, list(range(i * n // m, -(-(i + 1) * n // m)))) for i in range(m)] for n, m in zip(size, output_size)]


def max_of(x, dims):
    """Values and flat indices of the largest elements of all windows; nan counts as largest."""
    spatial = x.shape[-len(dims):]
    planes = x.reshape(-1, int(np.prod(spatial)))
    values, indices = [], []
    for places in itertools.product(*dims):
        flat = np.array([np.ravel_multi_index(at, spatial) for at in itertools.product(*[p for _, p in places])])
        best = flat[np.argmax(planes[:, flat], 1)]
        indices.append(best)
        values.append(np.take_along_axis(planes, best[:, None], 1)[:, 0])
    shape = x.shape[:-len(dims)] + tuple(len(d) for d in dims)
    return np.stack(values, 1).reshape(shape), np.stack(indices, 1).reshape(shape)


def mean_matrix(size, dims, counts):
    """The matrix of an average: one row for each window, one column for each pixel."""
    rows = []
    for number, places in enumerate(itertools.product(*dims)):
        row = np.zeros(size)
        row[np.ix_(*[p for _, p in places])] = 1 / counts(number, places)
        rows.append(row.ravel())
    return np.stack(rows)


def avg_matrix(size, kernel, stride, padding, ceil_mode, count_include_pad):
    dims = windows(size, kernel, stride, padding, (1,) * len(size), ceil_mode)

    def counts(_, places):
        if not count_include_pad:
            return np.prod([len(p) for _, p in places])
        return np.prod([min(a + k, n + p) - a for (a, _), k, n, p in zip(places, kernel, size, padding)])
    return mean_matrix(size, dims, counts), tuple(len(d) for d in dims)


def adaptive_matrix(size, output_size):
    return mean_matrix(size, adaptive_windows(size, output_size),
                       lambda _, places: np.prod([len(p) for _, p in places])), tuple(output_size)


def through(x, matrix, spatial, out):
    """Apply a matrix to the planes of x."""
    lead = x.shape[:x.ndim - spatial]
    return (x.reshape(-1, matrix.shape[1]) @ matrix.T).reshape(lead + tuple(out))


def avg_pool_ref(x, *options):
    spatial = len(options[0])
    matrix, out = avg_matrix(x.shape[-spatial:], *options)
    return through(x, matrix, spatial, out)


def avg_pool_grad_ref(grad, input_size, *options):
    size = tuple(input_size[-len(options[0]):])
    return through(grad, avg_matrix(size, *options)[0].T, len(size), size)


def adaptive_avg_pool_ref(x, output_size):
    matrix, out = adaptive_matrix(x.shape[-len(output_size):], output_size)
    return through(x, matrix, len(out), out)


def adaptive_avg_pool_grad_ref(grad, input_size, output_size):
    size = tuple(input_size[-len(output_size):])
    return through(grad, adaptive_matrix(size, output_size)[0].T, len(size), size)


def to_planes(x, indices, output_size, add):
    out = np.zeros(x.shape[:x.ndim - len(output_size)] + tuple(output_size))
    planes = out.reshape(-1, int(np.prod(output_size)))
    for plane, values, at in zip(planes, x.reshape(len(planes), -1), indices.reshape(len(planes), -1)):
        if add:
            np.add.at(plane, at, values)
        else:
            plane[at] = values
    return out


def take_ref(x, indices, spatial):
    lead = x.shape[:x.ndim - spatial]
    planes = x.reshape(int(np.prod(lead)), -1)
    return np.take_along_axis(planes, indices.reshape(len(planes), -1), 1).reshape(indices.shape)


# ---- rows ----------------------------------------------------------------------------------------------------------

max_pool = op(
    "max_pool(Tensor self, int... kernel_size, int... stride, int... padding, int... dilation, bool ceil_mode)",
    kernels.max_pool, public=False,
    grad=dict(self=lambda g0, out1, self_size, kernel_size: max_pool_grad(g0, out1, self_size[-len(kernel_size):])),
    ref=lambda x, kernel_size, *options: max_of(x, windows(x.shape[-len(kernel_size):], kernel_size, *options)),
    doc="Largest value of each window, and its flat position within the plane. Padding never wins, nan does.")

adaptive_max_pool = op(
    "adaptive_max_pool(Tensor self, int... output_size)", kernels.adaptive_max_pool, public=False,
    grad=dict(self=lambda g0, out1, self_size, output_size: max_pool_grad(g0, out1, self_size[-len(output_size):])),
    ref=lambda x, output_size: max_of(x, adaptive_windows(x.shape[-len(output_size):], output_size)),
    doc="Largest value of each of output_size windows that cover the input, and its flat position within the plane.")

max_pool_grad = op(
    "max_pool_grad(Tensor grad, LongTensor indices, int... output_size)", kernels.max_pool_grad, public=False,
    grad=dict(grad=lambda g, indices, output_size: max_pool_take(g, indices, len(output_size))),
    ref=lambda grad, indices, output_size: to_planes(grad, indices, output_size, True),
    doc="Add each value at its index into planes of zeros of the spatial sizes output_size: derivative of max_pool.")

max_pool_take = op(
    "max_pool_take(Tensor self, LongTensor indices, int spatial)", kernels.max_pool_take, public=False,
    grad=dict(self=lambda g, indices, self_size, spatial: max_pool_grad(g, indices, self_size[-spatial:])),
    ref=take_ref,
    doc="The values at the indices of each plane, the last `spatial` dims: derivative of max_pool_grad.")

max_unpool = op(
    "max_unpool(Tensor self, LongTensor indices, int... output_size)", kernels.max_unpool, public=False,
    grad=dict(self=lambda g, indices, output_size: max_pool_take(g, indices, len(output_size))),
    ref=lambda x, indices, output_size: to_planes(x, indices, output_size, False),
    doc="Put each value at its index into planes of zeros of the spatial sizes output_size.")

avg_pool = op(
    "avg_pool(Tensor self, int... kernel_size, int... stride, int... padding, bool ceil_mode, bool count_include_pad)",
    kernels.avg_pool, public=False,
    grad=dict(self=lambda g, self_size, kernel_size, stride, padding, ceil_mode, count_include_pad:
              avg_pool_grad(g, self_size, kernel_size, stride, padding, ceil_mode, count_include_pad)),
    ref=avg_pool_ref,
    doc="Mean of each window; padding counts as zeros, or, with count_include_pad False, not at all.")

avg_pool_grad = op(
    "avg_pool_grad(Tensor grad, int... input_size, int... kernel_size, int... stride, int... padding, bool ceil_mode, "
    "bool count_include_pad)",
    kernels.avg_pool_grad, public=False,
    grad=dict(grad=lambda g, kernel_size, stride, padding, ceil_mode, count_include_pad:
              avg_pool(g, kernel_size, stride, padding, ceil_mode, count_include_pad)),
    ref=avg_pool_grad_ref,
    doc="Derivative of avg_pool, times grad.")

adaptive_avg_pool = op(
    "adaptive_avg_pool(Tensor self, int... output_size)", kernels.adaptive_avg_pool, public=False,
    grad=dict(self=lambda g, self_size, output_size: adaptive_avg_pool_grad(g, self_size, output_size)),
    ref=adaptive_avg_pool_ref,
    doc="Mean of each of output_size windows that cover the input.")

adaptive_avg_pool_grad = op(
    "adaptive_avg_pool_grad(Tensor grad, int... input_size, int... output_size)", kernels.adaptive_avg_pool_grad,
    public=False,
    grad=dict(grad=lambda g, output_size: adaptive_avg_pool(g, output_size)),
    ref=adaptive_avg_pool_grad_ref,
    doc="Derivative of adaptive_avg_pool, times grad.")
