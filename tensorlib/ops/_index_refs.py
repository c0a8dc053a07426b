"""References in NumPy for the rows that move elements by position, select or order them, or multiply all but one."""
import numpy as np


def slices(index, dim):
    """The NumPy index of some slices along dim."""
    return (slice(None),) * dim + (index,)


def places(index, dim):
    """The NumPy index of single elements: index along dim, each one's own position along the others."""
    at = list(np.indices(index.shape))
    at[dim] = index
    return tuple(at)


def added(x, at, source):
    out = x.copy()
    np.add.at(out, at, source)
    return out


def written(x, at, source):
    out = x.copy()
    out[at] = source
    return out


def zeros(like, size):
    return np.zeros(size, like.dtype)


def index_select_grad(x, size, dim, index):
    return added(zeros(x, size), slices(index, dim), x)


def index_add(x, dim, index, source):
    return added(x, slices(index, dim), source)


def index_write(x, dim, index, source):
    return written(x, slices(index, dim), source)


def gather_grad(x, size, dim, index):
    return added(zeros(x, size), places(index, dim), x)


def scatter(x, dim, index, source):
    return written(x, places(index, dim), source)


def scatter_add(x, dim, index, source):
    return added(x, places(index, dim), source)


def masked_select_grad(x, size, mask):
    return written(zeros(x, size), mask.astype(bool), x)


def masked_scatter(x, mask, source):
    return written(x, mask.astype(bool), source.ravel()[:int(mask.sum())])


def prod_others(x, dim):
    return np.stack([np.delete(x, i, dim).prod(dim) for i in range(x.shape[dim])], dim)


def cumprod_grad(dy, x, dim):
    dy, x = np.moveaxis(dy, dim, 0), np.moveaxis(x, dim, 0)
    out = [sum(dy[i] * np.delete(x[:i + 1], j, 0).prod(0) for i in range(j, len(x))) for j in range(len(x))]
    return np.moveaxis(np.stack(out), 0, dim)


# The positions of equal elements are not laid down, so that these give values only.


def topk(x, k, dim, largest, sorted):
    ordered = np.sort(x, dim)
    return np.take(np.flip(ordered, dim) if largest else ordered, range(k), dim), None


def kthvalue(x, k, dim, keepdim):
    return np.take(np.sort(x, dim), [k - 1] if keepdim else k - 1, dim), None


def median(x, dim, keepdim):
    return kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def median_all(x):
    return np.sort(x, None)[(x.size - 1) // 2].reshape(1), None


def mode(x, dim, keepdim):
    def most_frequent(line):
        values, counts = np.unique(line, return_counts=True)
        return values[counts.argmax()]

    found = np.apply_along_axis(most_frequent, dim, x)
    return np.expand_dims(found, dim) if keepdim else found, None
