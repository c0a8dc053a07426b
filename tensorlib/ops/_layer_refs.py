"""References of batch normalisation, embeddings and losses for the tests: float64 NumPy, by the definitions.

Apart from the rows, so that importing them imports no more than they need.
"""
import numpy as np


# ---- batch normalisation ------------------------------------------------------------------------------------------

def per_channel(v, x):
    return v.reshape((1, -1) + (1,) * (x.ndim - 2))


def batch_norm_ref(x, weight, bias, mean, var, training, momentum, eps):
    if training:
        dims = (0,) + tuple(range(2, x.ndim))
        mean, var = x.mean(dims), x.var(dims)
    invstd = 1 / np.sqrt(var + eps)
    out = (x - per_channel(mean, x)) * per_channel(invstd, x)
    if weight is not None:
        out = out * per_channel(weight, x)
    return out if bias is None else out + per_channel(bias, x), mean, invstd


def batch_norm_grad_ref(dy, x, weight, mean, invstd, training, eps):
    dims = (0,) + tuple(range(2, x.ndim))
    normal = (x - per_channel(mean, x)) * per_channel(invstd, x)
    dx = dy
    if training:
        along = per_channel((dy * normal).mean(dims), x)
        dx = dy - per_channel(dy.mean(dims), x) - normal * along
    dx = dx * per_channel(invstd if weight is None else invstd * weight, x)
    return dx, (dy * normal).sum(dims), dy.sum(dims)


def batch_norm_relu_ref(*arguments):
    out, mean, invstd = batch_norm_ref(*arguments)
    return np.maximum(out, 0), mean, invstd


def batch_norm_relu_grad_ref(dy, x, weight, bias, mean, invstd, training, eps):
    out = batch_norm_ref(x, weight, bias, mean, 1 / invstd ** 2, False, 0, 0)[0]
    return batch_norm_grad_ref(dy * (out > 0), x, weight, mean, invstd, training, eps)


# ---- embedding ----------------------------------------------------------------------------------------------------

def factors(indices, rows, padding_idx, scale_grad_by_freq):
    count = np.bincount(indices.ravel(), minlength=rows)
    factor = 1 / np.maximum(count, 1) if scale_grad_by_freq else np.ones(rows)
    if padding_idx >= 0:
        factor[padding_idx] = 0
    return factor


def embedding_ref(weight, indices, padding_idx, scale_grad_by_freq, sparse):
    return weight[indices]


def embedding_grad_ref(dy, indices, rows, padding_idx, scale_grad_by_freq):
    out = np.zeros((rows, dy.shape[-1]))
    np.add.at(out, indices, dy)
    return out * factors(indices, rows, padding_idx, scale_grad_by_freq)[:, None]


def embedding_scaled_ref(weight, indices, padding_idx, scale_grad_by_freq):
    return (weight * factors(indices, len(weight), padding_idx, scale_grad_by_freq)[:, None])[indices]


# ---- losses of one element each -----------------------------------------------------------------------------------

def shared(values, size_average):
    return np.reshape(values.mean() if size_average else values.sum(), (1,))


def mse_loss_ref(x, t, size_average):
    return shared((x - t) ** 2, size_average)


def l1_loss_ref(x, t, size_average):
    return shared(np.abs(x - t), size_average)


def smooth_l1_loss_ref(x, t, size_average):
    d = np.abs(x - t)
    return shared(np.where(d < 1, d * d / 2, d - 0.5), size_average)


def binary_cross_entropy_ref(x, t, weight, size_average):
    losses = -(np.log(x + 1e-12) * t + np.log(1 - x + 1e-12) * (1 - t))
    return shared(losses if weight is None else losses * weight, size_average)


def binary_cross_entropy_with_logits_ref(x, t, weight, size_average):
    losses = np.logaddexp(0, x) - x * t
    return shared(losses if weight is None else losses * weight, size_average)


def kl_div_ref(x, t, size_average):
    return shared(np.where(t > 0, t * (np.log(np.where(t > 0, t, 1)) - x), 0), size_average)


def soft_margin_loss_ref(x, t, size_average):
    return shared(np.logaddexp(0, -x * t), size_average)


def hinge_embedding_loss_ref(x, t, margin, size_average):
    return shared(np.where(t == -1, 0, x) + np.where(t == 1, 0, np.maximum(0, margin - x)), size_average)


def hinge_embedding_loss_grad_ref(dy, x, t, margin, size_average):
    return dy * np.where((t == -1) & (x > margin), 0, t) / (x.size if size_average else 1)


# ---- losses of class indices --------------------------------------------------------------------------------------

def at_targets(target, classes, weight, size_average, ignore_index):
    """An array (batch, classes, ...) that holds, at the targets, what each counts in a loss."""
    keep = target != ignore_index
    safe = np.where(keep, target, 0)
    counts = keep * (1 if weight is None else weight[safe])
    if size_average and counts.sum() != 0:
        counts = counts / counts.sum()
    out = np.zeros(target.shape[:1] + (classes,) + target.shape[1:])
    np.put_along_axis(out, np.expand_dims(safe, 1), np.expand_dims(counts, 1), 1)
    return out


def log_softmax(x):
    e = x - x.max(1, keepdims=True)
    return e - np.log(np.exp(e).sum(1, keepdims=True))


def nll_loss_ref(x, target, *options):
    return -np.reshape((x * at_targets(target, x.shape[1], *options)).sum(), (1,))


def nll_loss_grad_ref(dy, size, target, *options):
    return -dy * at_targets(target, size[1], *options)


def cross_entropy_ref(x, target, *options):
    return nll_loss_ref(log_softmax(x), target, *options)


def cross_entropy_grad_ref(dy, x, target, *options):
    counts = at_targets(target, x.shape[1], *options)
    return dy * (np.exp(log_softmax(x)) * counts.sum(1, keepdims=True) - counts)


def margins(x, target, weight, margin, size_average):
    """For each row and class: by how much the margin is missed (0 at the target), and what a miss counts."""
    rows = np.arange(len(target))
    z = np.maximum(0, margin - x[rows, target][:, None] + x)
    z[rows, target] = 0
    counts = np.ones(len(target)) if weight is None else weight[target]
    return z, counts[:, None] / x.shape[1] / (len(target) if size_average else 1)


def against_target(slopes, target):
    """Slopes of each class, with what they sum to taken from the target."""
    out = slopes.copy()
    out[np.arange(len(target)), target] = -slopes.sum(1)
    return out


def multi_margin_loss_ref(x, target, weight, p, margin, size_average):
    z, counts = margins(x, target, weight, margin, size_average)
    return np.reshape((z ** p * counts).sum(), (1,))


def multi_margin_loss_grad_ref(dy, x, target, weight, p, margin, size_average):
    z, counts = margins(x, target, weight, margin, size_average)
    return dy * against_target(np.where(z > 0, p * z ** (p - 1), 0) * counts, target)


def multi_margin_loss_curvature_ref(v, x, target, weight, margin, size_average):
    z, counts = margins(x, target, weight, margin, size_average)
    moves = v - v[np.arange(len(target)), target][:, None]
    return against_target(np.where(z > 0, 2 * moves, 0) * counts, target)


def missed_pairs(x, target):
    """(row, target, other class) of each pair whose margin of 1 is missed."""
    for r, row in enumerate(target):
        targets = list(row[:list(row).index(-1)] if -1 in row else row)
        for t in targets:
            for c in range(x.shape[1]):
                if c not in targets and 1 - x[r, t] + x[r, c] > 0:
                    yield r, t, c


def multilabel_margin_loss_ref(x, target, size_average):
    total = sum(1 - x[r, t] + x[r, c] for r, t, c in missed_pairs(x, target)) / x.shape[1]
    return np.reshape(total / (len(x) if size_average else 1), (1,))


def multilabel_margin_loss_grad_ref(dy, x, target, size_average):
    out = np.zeros(x.shape)
    for r, t, c in missed_pairs(x, target):
        out[r, t] -= 1
        out[r, c] += 1
    return dy * out / x.shape[1] / (len(x) if size_average else 1)
