"""What v0.2 says in NumPy, where NumPy alone says otherwise: every known difference of the two is in this file.

No type promotion, division that truncates, wrap-around, no 0-dim tensors, masks of bytes, one dim that stays.
"""
import numpy as np
from program import Positions


class Refused(Exception):
    """v0.2 does not do this."""


def number(value, like):
    """A number in the type of a tensor; whole numbers wrap."""
    if like.dtype.kind == "f":
        return like.dtype.type(value)
    return np.array([value]).astype(like.dtype)[0]


def array(values, dtype, *shape):
    """A new array of wrapping numbers."""
    kind = np.float64 if dtype.startswith("float") else np.int64
    return np.array(values, kind).astype(dtype).reshape(shape)


def put(target, value):
    """Write in place; the target never grows."""
    value = np.array(value)  # sources are read before anything is written
    if np.broadcast_shapes(target.shape, value.shape) != target.shape:
        raise Refused("in place")
    target[...] = value
    return target


def refuse():
    """The types do not fit: NumPy would promote."""
    raise Refused("types")


def whole_division(a, b, f):
    if not np.all(b):
        raise ZeroDivisionError
    wide = f(a.astype(object), b.astype(object))
    return wrapped(wide, a.dtype)


def wrapped(wide, dtype):
    """Python ints cut to a type."""
    bits = 8 * np.dtype(dtype).itemsize
    return (np.asarray(wide, object) & (2 ** bits - 1)).astype("uint%d" % bits).astype(dtype)


def div(a, b):
    a, b = np.broadcast_arrays(a, b)
    if a.dtype.kind == "f":
        return a / b
    return whole_division(a, b, lambda x, y: np.where((x < 0) == (y < 0), abs(x) // abs(y), -(abs(x) // abs(y))))


def fmod(a, b):
    a, b = np.broadcast_arrays(a, b)
    if a.dtype.kind == "f":
        return np.fmod(a, b)
    return whole_division(a, b, lambda x, y: np.where(x < 0, -(abs(x) % abs(y)), abs(x) % abs(y)))


def remainder(a, b):
    a, b = np.broadcast_arrays(a, b)
    if a.dtype.kind == "f":
        return a - b * np.floor(a / b)
    return whole_division(a, b, lambda x, y: x % y)


def power(a, k):
    """The power of C for every exponent: NumPy takes the root for 0.5, which -inf does not have."""
    return np.power(a, np.full(a.shape, k))


def sign(a):
    return (a > 0).astype(a.dtype) - (a < 0).astype(a.dtype)


def rounded(a):
    """Halves go away from zero."""
    return np.trunc(a + np.copysign(0.5, a)).astype(a.dtype)


def clamp(a, low, high):
    return np.where(a < low, low, np.where(a > high, high, a)).astype(a.dtype)


def byte(condition):
    return condition.astype(np.uint8)


def cast(a, dtype):
    """The numbers of an array of tame numbers in another type."""
    if a.dtype.kind == "f" and not dtype.startswith("float"):
        return a.astype(np.int64).astype(dtype)
    return a.astype(dtype)


# ---- views --------------------------------------------------------------------------------------------------------

def view(a, *shape):
    if not a.flags.c_contiguous:
        raise Refused("not contiguous")
    return a.reshape(shape)


def expand(a, *shape):
    return np.lib.stride_tricks.as_strided(a, shape, np.broadcast_to(a, shape).strides)


def unfold(a, dim, size, step):
    dim = axis(a, dim)
    count = (a.shape[dim] - size) // step + 1
    if count < 1:
        raise Refused("too large")
    shape = a.shape[:dim] + (count,) + a.shape[dim + 1:] + (size,)
    strides = a.strides[:dim] + (a.strides[dim] * step,) + a.strides[dim + 1:] + (a.strides[dim],)
    return np.lib.stride_tricks.as_strided(a, shape, strides)


def axis(a, dim):
    return range(a.ndim)[dim]


def narrow(a, dim, start, length):
    if not (0 <= start < a.shape[axis(a, dim)] and 1 <= length <= a.shape[dim] - start):
        raise Refused("range")
    return np.moveaxis(np.moveaxis(a, dim, 0)[start:start + length], 0, dim)


def squeeze(a, dim=None):
    shape = a.shape if dim is None else (a.shape[axis(a, dim)],)
    if dim is None:
        kept = a.squeeze()
        return kept if kept.ndim else a.reshape(1)
    return a.squeeze(dim) if shape[0] == 1 and a.ndim > 1 else a[...]


def pieces(a, size, dim):
    dim = axis(a, dim)
    return tuple(narrow(a, dim, i, min(size, a.shape[dim] - i)) for i in range(0, a.shape[dim], size))


def cat(arrays, dim):
    """Joins along a dim that may be a new one at the end."""
    if not -arrays[0].ndim <= dim < arrays[0].ndim + 10:
        raise Refused("dim")
    while dim >= arrays[0].ndim:
        arrays = [a[..., None] for a in arrays]
    return np.concatenate(arrays, dim)


def chunk(a, count, dim):
    return pieces(a, -(-a.shape[axis(a, dim)] // count), dim)


def at(a, key):
    """Indexing with views; a slice that finds nothing is refused."""
    check_lists(key)
    found = a[key]
    if found.size == 0:
        raise ValueError("empty slice")
    return found[()] if found.ndim == 0 else found


def check_lists(key):
    """Lists in an index count from the start only."""
    for part in key if isinstance(key, tuple) else ():
        if isinstance(part, list) and min(part) < 0:
            raise Refused("negative")


# ---- reductions ---------------------------------------------------------------------------------------------------

def dims_kept(result, a, dim, keepdim):
    """The result of a reduction: dim kept if asked, or if there was no other."""
    axis(a, dim)
    return np.expand_dims(result, dim) if keepdim or a.ndim == 1 else result


def along(f, a, dim, keepdim):
    return dims_kept(f(a, axis=dim).astype(a.dtype), a, dim, keepdim)


def total(a):
    return a.dtype.type(a.sum(dtype=np.float64)) if a.dtype.kind == "f" else int(a.sum(dtype=np.int64))


def product(a):
    return a.dtype.type(a.prod(dtype=np.float64)) if a.dtype.kind == "f" else int(a.prod(dtype=np.int64))


def with_positions(values, a, dim, keepdim):
    """(values, positions) of a reduction that picks elements."""
    full = np.expand_dims(values, dim)
    free = Positions(a.copy(), axis(a, dim), full)
    if keepdim or a.ndim == 1:
        return full.copy(), free
    free.values = values.copy()
    free.check = lambda got: Positions(a, dim, full).check(np.expand_dims(got, dim)).squeeze(dim)
    return values.copy(), free


def kthvalue(a, k, dim, keepdim):
    if not 1 <= k <= a.shape[axis(a, dim)]:
        raise Refused("k")
    return with_positions(np.take(np.sort(a, dim), k - 1, dim), a, dim, keepdim)


def ordered(a, dim, descending):
    values = np.sort(a, dim)
    values = np.flip(values, dim).copy() if descending else values
    return values, Positions(a.copy(), axis(a, dim), values)


def topk(a, k, dim, largest):
    if not 1 <= k <= a.shape[axis(a, dim)]:
        raise Refused("k")
    values = narrow(ordered(a, dim, largest)[0], dim, 0, k).copy()
    return values, Positions(a.copy(), axis(a, dim), values)


# ---- indexing -----------------------------------------------------------------------------------------------------

def along_index(a, dim, index, write):
    """Call write(place in a, place in index) for each element of an index, in order."""
    for place in np.ndindex(index.shape):
        target = list(place)
        target[axis(a, dim)] = index[place]
        write(tuple(target), place)
    return a


def check_index(a, dim, index):
    dim = axis(a, dim)
    if index.ndim != a.ndim or index.size == 0 or index.min() < 0 or index.max() >= a.shape[dim]:
        raise IndexError("index")
    if any(n != m for d, (n, m) in enumerate(zip(index.shape, a.shape)) if d != dim):
        raise IndexError("sizes")


def scatter_(a, dim, index, src, add=False):
    check_index(a, dim, index)
    src = np.array(np.broadcast_to(src, index.shape) if np.ndim(src) == 0 else src)

    def write(target, place):
        a[target] = a[target] + src[place] if add else src[place]
    return along_index(a, dim, index.copy(), write)


def gather(a, dim, index):
    if index.min() < 0:
        raise IndexError("index")
    out = np.empty(index.shape, a.dtype)
    along_index(a, dim, index, lambda target, place: out.__setitem__(place, a[target]))
    return out


def rows(a, dim, index):
    """The positions of an index_ operation, checked."""
    if index.min() < 0 or index.max() >= a.shape[axis(a, dim)]:
        raise IndexError("index")
    return index.tolist()


def index_select(a, dim, index):
    return np.take(a, rows(a, dim, index), dim)


def index_put(a, dim, index, source, add=False):
    """index_copy_, index_add_ and index_fill_, in the order of the index."""
    source = np.array(source)
    turned = np.moveaxis(a, dim, 0)
    for place, row in enumerate(rows(a, dim, index)):
        new = np.moveaxis(source, dim, 0)[place] if source.ndim else source
        turned[row] = turned[row] + new if add else new
    return a


def masked(a, mask):
    return a[np.broadcast_to(mask, a.shape) != 0]


def masked_put(a, mask, value):
    a[np.broadcast_to(mask, a.shape) != 0] = value
    return a


def masked_scatter(a, mask, source):
    mask = np.broadcast_to(mask, a.shape) != 0
    if mask.sum() > source.size:
        raise Refused("too few")
    a[mask] = source.flatten()[:mask.sum()]
    return a


def setitem(a, key, value):
    at(a, key)
    a[key] = np.array(value)
    return a


# ---- products -----------------------------------------------------------------------------------------------------

def inner(a, b):
    """A dot product, as a number."""
    wide = np.float64 if a.dtype.kind == "f" else np.int64
    return total(a.astype(wide) * b) if wide == np.int64 else a.dtype.type((a.astype(wide) * b).sum())


def blend(beta, a, alpha, product):
    return (beta * np.broadcast_to(a, product.shape) + alpha * product).astype(product.dtype)


def renorm(a, p, dim, limit):
    others = tuple(d for d in range(a.ndim) if d != axis(a, dim))
    norms = (np.abs(a.astype(np.float64)) ** p).sum(others, keepdims=True) ** (1 / p)
    return (a * np.where(norms > limit, limit / (norms + 1e-7), 1)).astype(a.dtype)
