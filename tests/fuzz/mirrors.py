"""What v0.2 says in NumPy, where NumPy alone says otherwise: every known difference of the two is in this file.

No type promotion, division that truncates, wrap-around, no 0-dim tensors, masks of bytes, one dim that stays.
"""
import numpy as np
from program import Factors, Positions


class Refused(Exception):
    """v0.2 does not do this."""


class Undecided(Exception):
    """Rounding decides whether v0.2 does this: only a clean end is asked for."""


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
    """Views one after the other; a negative dim was counted from the end twice over."""
    dim = axis(a, dim + a.ndim if dim < 0 else dim)
    return tuple(narrow(a, dim, i, min(size, a.shape[dim] - i)) for i in range(0, a.shape[dim], size))


def cat(arrays, dim):
    """Joins along a dim that may be a new one at the end."""
    if not -arrays[0].ndim <= dim <= arrays[0].ndim:
        raise Refused("dim")
    while dim >= arrays[0].ndim:
        arrays = [a[..., None] for a in arrays]
    return np.concatenate(arrays, dim)


def chunk(a, count, dim):
    size = a.shape[axis(a, dim + a.ndim if dim < 0 else dim)]
    return pieces(a, -(-size // count), dim)


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
    full, kept = np.expand_dims(values, dim), keepdim or a.ndim == 1
    return full.copy() if kept else values.copy(), Positions(a.copy(), axis(a, dim), full, not kept)


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


def mode(a, dim, keepdim):
    """The most frequent value, the smallest of several."""
    def most(row):
        values, counts = np.unique(row, return_counts=True)
        return values[counts.argmax()]
    return with_positions(np.apply_along_axis(most, axis(a, dim), a), a, dim, keepdim)


def histogram(a, bins, low, high):
    """Counts in equal bins; what lies outside is not counted."""
    inside = a[(a >= low) & (a <= high)].astype(np.float64)
    places = np.minimum(((inside - low) * bins / (high - low)).astype(int), bins - 1)
    return np.bincount(places, minlength=bins).astype(a.dtype)


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


def diagonal(a, k):
    if not -a.shape[0] < k < a.shape[1]:
        raise Refused("no such diagonal")
    return np.diagonal(a, k).copy()


def renorm(a, p, dim, limit):
    others = tuple(d for d in range(a.ndim) if d != axis(a, dim))
    norms = (np.abs(a.astype(np.float64)) ** p).sum(others, keepdims=True) ** (1 / p)
    return (a * np.where(norms > limit, limit / (norms + 1e-7), 1)).astype(a.dtype)


def crossed(a, b, dim):
    """Vector products along a dim of size 3; -1 is the first such dim."""
    if dim < -1:
        raise Refused("dim")
    dims = [d for d, n in enumerate(a.shape) if n == 3]
    dim = dims[0] if dim == -1 else axis(a, dim)
    if a.shape[dim] != 3:
        raise Refused("size")
    return np.moveaxis(np.cross(np.moveaxis(a, dim, -1), np.moveaxis(b, dim, -1)), -1, dim)


# ---- factorizations -----------------------------------------------------------------------------------------------

def wide(a, square=True):
    """A matrix in double precision."""
    if a.ndim != 2 or square and a.shape[0] != a.shape[1]:
        raise Refused("matrix")
    return a.astype(np.float64)


def regular(a):
    """A matrix that has an inverse worth comparing: singular ones are refused, and where that depends on rounding,
    nothing is said."""
    m = wide(a)
    if np.linalg.cond(m) > (1e3 if a.dtype == np.float32 else 1e8):
        raise Undecided
    return m


def inverted(a):
    m = regular(a)
    return Factors(lambda x: [(x @ m, np.eye(len(m)))])


def solved(a, b):
    m = regular(a)
    return Factors(lambda x, *lu: [(m @ x, b)])


def solutions(a, b):
    """Rows of x that one matrix takes to the rows of b."""
    m = regular(a)
    return Factors(lambda x: [(x @ m.T, b)])


def triangular(a, b, upper, transpose, unit):
    """(x, a) with T x = b, T a triangle of a, its diagonal taken as ones if `unit`."""
    m = np.triu(wide(a)) if upper else np.tril(wide(a))
    if unit:
        np.fill_diagonal(m, 1)
    m = regular(m.astype(a.dtype))
    return Factors(lambda x, same: [((m.T if transpose else m) @ x, b), (same, a)])


def orthonormal(q):
    return q.T @ q, np.eye(q.shape[1])


def qr(a):
    m = wide(a, False)
    return Factors(lambda q, r: [(q @ r, m), orthonormal(q), (r, np.triu(r)), (q.shape[1], min(m.shape))])


def orthogonal(a):
    """Q of the packed form: its columns span those of a tall matrix."""
    m = wide(a, False)
    if m.shape[0] < m.shape[1]:
        raise Undecided
    return Factors(lambda q: [orthonormal(q), (q @ (q.T @ m), m)])


def svd(a, some=True):
    m = wide(a, False)
    want, k = np.linalg.svd(m, compute_uv=False), min(m.shape)

    def equations(u, s, v):
        full = (m.shape[0], m.shape[1]) if not some else (k, k)
        return [(u[:, :k] * s @ v[:, :k].T, m), (s, want), orthonormal(u), orthonormal(v),
                ((u.shape[1], v.shape[1]), full)]
    return Factors(equations)


def least_squares(a, b):
    """The rows of x are the first ones of the result."""
    m = wide(a, False)
    if m.shape[0] < m.shape[1] or np.linalg.cond(m) > 1e2:
        raise Undecided
    want = np.linalg.lstsq(m, b.astype(np.float64), None)[0]
    return Factors(lambda x: [(x[:m.shape[1]], want)])


def symeig(a, upper, vectors=True):
    m = wide(a)
    m = np.triu(m) + np.triu(m, 1).T if upper else np.tril(m) + np.tril(m, -1).T
    want = np.linalg.eigvalsh(m)
    if not vectors:
        return Factors(lambda e: [(e, want)])
    return Factors(lambda e, v: [(e, want), (v * e @ v.T, m), orthonormal(v)])


def eig(a):
    """Eigenvalues as rows (real, imaginary); columns of vectors: one, or a real and an imaginary part of a pair."""
    m = wide(a)

    def equations(e, v):
        pairs, d = [(e[:, 0].sum(), np.trace(m)), (e[:, 1].sum(), 0)], 0
        while d < len(m):
            if e[d, 1] == 0:
                pairs.append((m @ v[:, d], e[d, 0] * v[:, d]))
                d += 1
            else:
                z, one = complex(*e[d]), v[:, d] + 1j * v[:, d + 1]
                pairs += [((m @ one).real, (z * one).real), ((m @ one).imag, (z * one).imag)]
                d += 2
        return pairs
    return Factors(equations)


def cholesky(a, upper):
    m = regular(a)
    return Factors(lambda f: [(f.T @ f if upper else f @ f.T, m), (f, np.triu(f) if upper else np.tril(f))])


def cholesky_of(a, upper):
    """Only a positive definite matrix has a factor; one triangle is looked at."""
    m = wide(a)
    m = np.triu(m) + np.triu(m, 1).T if upper else np.tril(m) + np.tril(m, -1).T
    least = np.linalg.eigvalsh(m)[0]
    if abs(least) < 0.01:
        raise Undecided
    if least < 0:
        raise Refused("not positive definite")
    return Factors(lambda f: [(f.T @ f if upper else f @ f.T, m)])


def pivoted(a, upper):
    m = regular(a)

    def equations(f, order):
        return [(f.T @ f if upper else f @ f.T, m[np.ix_(order, order)]), (np.sort(order), np.arange(len(m)))]
    return Factors(equations)


# ---- sparse -------------------------------------------------------------------------------------------------------

def scattered(values, places):
    """A dense 3 x 4 matrix; elements at one place add up."""
    made = np.zeros((3, 4), values.dtype)
    np.add.at(made, tuple(places), values)
    return made
