"""References of convolution and pooling for the tests: float64 NumPy, one kernel position or one window at a time.

Apart from the rows, so that importing the package does not import NumPy.
"""
import itertools

import numpy as np


# ---- convolution ---------------------------------------------------------------------------------------------------

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


# ---- pooling -------------------------------------------------------------------------------------------------------

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


def max_pool_ref(x, kernel_size, stride, padding, dilation, ceil_mode):
    return max_of(x, windows(x.shape[-len(kernel_size):], kernel_size, stride, padding, dilation, ceil_mode))


def adaptive_max_pool_ref(x, output_size):
    return max_of(x, adaptive_windows(x.shape[-len(output_size):], output_size))


def avg_pool_ref(x, kernel_size, stride, padding, ceil_mode, count_include_pad):
    spatial = len(kernel_size)
    matrix, out = avg_matrix(x.shape[-spatial:], kernel_size, stride, padding, ceil_mode, count_include_pad)
    return through(x, matrix, spatial, out)


def avg_pool_grad_ref(grad, input_size, kernel_size, stride, padding, ceil_mode, count_include_pad):
    size = tuple(input_size[-len(kernel_size):])
    matrix, _ = avg_matrix(size, kernel_size, stride, padding, ceil_mode, count_include_pad)
    return through(grad, matrix.T, len(size), size)


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


def max_pool_grad_ref(grad, indices, output_size):
    return to_planes(grad, indices, output_size, True)


def max_unpool_ref(x, indices, output_size):
    return to_planes(x, indices, output_size, False)


def max_pool_take_ref(x, indices, spatial):
    planes = x.reshape(int(np.prod(x.shape[:x.ndim - spatial])), -1)
    return np.take_along_axis(planes, indices.reshape(len(planes), -1), 1).reshape(indices.shape)
