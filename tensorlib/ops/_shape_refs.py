"""References of rows that rearrange and of factorisations, for the tests. The package itself does not import NumPy."""
import numpy as np


def set_item(x, key, value):
    out = x.copy()
    out[key] = value
    return out


def scatter_window(x, size, kind, arguments, value=0):
    out = np.full(size, value, x.dtype)
    if kind == "subscript":
        out[arguments[0]] = x
        return out
    dim, start, *rest = arguments
    if kind == "unfold":
        windows = np.lib.stride_tricks.sliding_window_view(np.arange(size[dim]), start)[::rest[0]]
        for columns, part in zip(windows, np.moveaxis(x, dim, 0)):
            np.moveaxis(out, dim, -1)[..., columns] += part
        return out
    stop = start + 1 if kind == "select" else start + rest[0] * (rest[1] if kind == "stepped" else 1)
    window = (slice(None),) * dim + (slice(start, stop, rest[1] if kind == "stepped" else 1),)
    out[window] = np.expand_dims(x, dim) if kind == "select" else x
    return out


def cat(dim, *tensors):
    return np.concatenate(tensors, dim)


def put_add(x, offsets, size):
    out = np.zeros(size, x.dtype)
    np.add.at(out.reshape(-1), offsets, x)
    return out


def product_of_reflectors(packed, tau):
    """The square Q = H1 H2 .. with Hi = 1 - tau[i] v v', v being column i of packed below a 1."""
    q = np.eye(len(packed))
    for i, t in enumerate(tau):
        v = np.concatenate([np.zeros(i), [1], packed[i + 1:, i]])
        q = q - t * np.outer(q @ v, v)
    return q


def orgqr(packed, tau):
    return product_of_reflectors(packed, tau)[:, :len(tau)], packed


def ormqr(packed, tau, other, left, transpose):
    q = product_of_reflectors(packed, tau)
    q = q.T if transpose else q
    return q @ other if left else other @ q, packed


def geqrf(x):
    packed, tau = np.linalg.qr(x, "raw")
    return packed.T, tau


def eig(x, eigenvectors):
    values = np.linalg.eigvals(x)
    return np.stack([values.real, values.imag], 1), None


def trtrs(b, a, upper, transpose, unitriangular):
    triangle = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        np.fill_diagonal(triangle, 1)
    return np.linalg.solve(triangle.T if transpose else triangle, b), a
