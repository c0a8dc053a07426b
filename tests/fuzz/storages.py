"""Programs of several tensors on few storages: set_, resize_, views in place, storages that grow while tensors look on.

The mirror is a model of what a tensor is: a storage, an offset, sizes and strides. Both sides run the same text. New
elements are uninitialised, so whatever may make some goes through `grown`, which fills them.
"""
import math

import numpy as np
from drawing import ODD_WHOLES, TYPES, overlapping
from program import Free, Step, array, require

import tensorlib

SIZES = [0, 1, 1, 2, 2, 3, 4]
HUGE = [2 ** 50, 2 ** 61, 2 ** 62, 2 ** 63 - 1, 2 ** 63, -1, -2 ** 63, 2 ** 64]     # none that a machine could serve
WRAPPING = [(2 ** 32, 2 ** 32), (2 ** 33, 2 ** 31, 3), (2 ** 16,) * 4, (3, 2 ** 62, 4), (2 ** 62, 4)]


class Refused(Exception):
    """v0.2 does not do this."""


class Store:
    """The model of a storage. The memory beyond its size stays: tensors may look at it."""

    def __init__(self, values, dtype):
        self.memory, self.n = np.array(values).astype(dtype), len(values)

    def __len__(self):
        return self.n

    def __setitem__(self, i, value):
        if not 0 <= i < self.n:
            raise Refused("index")
        self.memory[i] = value

    def fill_(self, value):
        self.memory[:self.n] = value

    def resize_(self, n):
        if not 0 <= n < 2 ** 40:
            raise Refused("size")
        self.memory = np.concatenate([self.memory, np.zeros(max(0, n - len(self.memory)), self.memory.dtype)])
        self.n = n


def dense(sizes):
    """(sizes up to one that is 0 or less, strides)."""
    if any(not -2 ** 63 <= n < 2 ** 63 for n in sizes):
        raise Refused("sizes")
    end = next((d for d, n in enumerate(sizes) if n <= 0), len(sizes))
    if math.prod(sizes[:end]) > 2 ** 60:
        raise Refused("overflow")
    return sizes[:end], tuple(math.prod(sizes[d + 1:end]) for d in range(end))


class Look(Free):
    """The model of a tensor."""

    def __init__(self, values, dtype):
        self.store, self.start, self.sizes = Store(values, dtype), 0, (len(values),) * bool(values)
        self.strides = (1,) * bool(values)

    def values(self):
        here = self.store.memory[self.start:]
        steps = [stride * self.store.memory.itemsize * (n > 1) for n, stride in zip(self.sizes, self.strides)]
        return np.lib.stride_tricks.as_strided(here, self.sizes, steps) if self.sizes else here[:0]

    def storage(self):
        return self.store

    def numel(self):
        return math.prod(self.sizes) if self.sizes else 0

    def axis(self, dim):
        if not -len(self.sizes) <= dim < len(self.sizes):
            raise Refused("dim")
        return dim % len(self.sizes)

    def look(self, store, start, sizes, strides):
        self.store, self.start, self.sizes, self.strides = store, start, tuple(sizes), tuple(strides)
        return self

    def view(self, start, sizes, strides):
        return Look((), self.store.memory.dtype).look(self.store, start, sizes, strides)

    def set_(self, source=None, start=None, sizes=None, strides=None):
        if source is None:
            return self.look(Store((), self.store.memory.dtype), 0, (), ())
        if isinstance(source, Look):
            return self.look(source.store, source.start, source.sizes, source.strides)
        if start is None:
            return self.look(source, 0, (len(source),) if len(source) else (), (1,) if len(source) else ())
        given = strides or ()
        if any(not -2 ** 63 <= n < 2 ** 63 for n in given) or strides is not None and len(given) != len(sizes):
            raise Refused("strides")
        sizes, own = dense(sizes)
        if any(not 0 <= n < 2 ** 63 for n in (start,) + given[:len(sizes)]):
            raise Refused("offset or strides")
        strides = own if strides is None else strides[:len(sizes)]
        last = start + sum((n - 1) * s for n, s in zip(sizes, strides))
        if sizes and last >= len(source):
            source.resize_(last + 1)
        return self.look(source, start, sizes, strides)

    def resize_(self, *sizes):
        if not sizes:
            raise Refused("no sizes")
        return self.resized(sizes)

    def resized(self, sizes):
        sizes, strides = dense(sizes)
        if sizes == self.sizes:
            return self
        if self.start + math.prod(sizes) > len(self.store) and sizes:
            self.store.resize_(self.start + math.prod(sizes))
        return self.look(self.store, self.start, sizes, strides)

    def resize_as_(self, other):
        return self.resized(other.sizes)

    def transpose_(self, d, e):
        order = list(range(len(self.sizes)))
        d, e = self.axis(d), self.axis(e)
        order[d], order[e] = e, d
        return self.look(self.store, self.start, [self.sizes[i] for i in order], [self.strides[i] for i in order])

    def t_(self):
        if len(self.sizes) != 2:
            raise Refused("dims")
        return self.transpose_(0, 1)

    def squeeze_(self, dim=None):
        dims = range(len(self.sizes)) if dim is None else [self.axis(dim)]
        kept = [d for d in range(len(self.sizes)) if d not in dims or self.sizes[d] != 1]
        if not kept and self.sizes:     # one dim stays
            return self.look(self.store, self.start, (1,), (1,) if dim is None else self.strides)
        return self.look(self.store, self.start, [self.sizes[d] for d in kept], [self.strides[d] for d in kept])

    def unsqueeze_(self, dim):
        if not self.sizes or not -len(self.sizes) - 1 <= dim <= len(self.sizes):
            raise Refused("dim")
        dim %= len(self.sizes) + 1
        stride = self.sizes[dim] * self.strides[dim] if dim < len(self.sizes) else 1
        return self.look(self.store, self.start, self.sizes[:dim] + (1,) + self.sizes[dim:],
                         self.strides[:dim] + (stride,) + self.strides[dim:])

    def narrow(self, dim, start, length):
        dim = self.axis(dim)
        if not (0 <= start < self.sizes[dim] and 0 < length <= self.sizes[dim] - start):
            raise Refused("range")
        return self.view(self.start + start * self.strides[dim],
                         self.sizes[:dim] + (length,) + self.sizes[dim + 1:], self.strides)

    def fill_(self, value):
        self.values()[...] = value
        return self

    def copy_(self, other):
        self.values()[...] = self.fitted(other)
        return self

    def fitted(self, other):
        """The values of another tensor in the size of this one: broadcast, or element by element."""
        values = other.values().copy()
        if np.prod(self.sizes or 0) == values.size and values.shape != self.sizes:
            try:
                return np.broadcast_to(values, self.sizes or (0,))
            except ValueError:
                return values.reshape(self.sizes or (0,))
        if bool(self.sizes) != bool(other.sizes):
            raise Refused("empty")
        return np.broadcast_to(values, self.sizes or (0,))

    def add_(self, other):
        self.values()[...] = self.values() + self.fitted(other)
        return self

    def check(self, got):
        there = (tuple(got.size()), got.stride(), got.storage_offset(), len(got.storage()))
        here = (self.sizes, self.strides, self.start, len(self.store))
        require(there == here, "size, stride, offset, storage size %s, not %s" % (there, here))
        found = array(got) if got.dim() else self.values()
        require(np.array_equal(found, self.values()), "values\n%s\nnot\n%s" % (found, self.values()))
        return self


class Model:
    """What `tensorlib` is on the side of the model."""

    def __getattr__(self, name):
        dtype = {kind + "Tensor": dtype for dtype, kind in TYPES.items()}[name]
        return lambda values=(): Look(values, dtype)

    @staticmethod
    def add(a, b, out):
        made = a.values() + (b.values() if isinstance(b, Look) else b)
        out.resized(a.sizes)
        out.values()[...] = made
        return out


def grown(storage, call, fill):
    """Call, then give the elements that a storage has got values."""
    before = len(storage)
    try:
        return call()
    finally:
        for i in range(before, len(storage)):
            storage[i] = fill


def storage_sides():
    return {"tensorlib": tensorlib, "grown": grown}, {"tensorlib": Model(), "grown": grown}


# ---- drawing ------------------------------------------------------------------------------------------------------

def sizes(rng, huge=0.06):
    n = rng.randint(0 if rng.random() < 0.1 else 1, 3)
    some = [rng.choice(SIZES) for _ in range(n)]
    if some and rng.random() < huge:
        some[rng.randrange(n)] = rng.choice(HUGE)
        return rng.choice(WRAPPING) if rng.random() < 0.3 else tuple(some)
    return tuple(some)


def text(rng, program, x, y):
    """The text of a step on tensor x; y is another one of its type."""
    a, b = program.mirror[x], program.mirror[y]
    dtype = str(a.store.memory.dtype)
    size, k, dims = sizes(rng), rng.randint(0 if dtype == "uint8" else -9, 9), len(a.sizes)
    dim, other = (rng.randint(-dims - (rng.random() < 0.1), max(0, dims - (rng.random() < 0.9))) for _ in range(2))
    stride = tuple(rng.choice([0, 1, 1, 2, 3, rng.choice(HUGE) if rng.random() < 0.05 else 4]) if n < 9 else 1
                   for n in size)
    start = rng.choice(HUGE) if rng.random() < 0.03 else rng.randint(-1 if rng.random() < 0.05 else 0, 5)
    at = rng.randint(-3, 6)
    grows = ["%s.set_(%s.storage(), %d, %r, %r)" % (x, y, start, size, stride), "%s.resize_%r" % (x, size),
             "%s.set_(%s.storage(), %d, %r)" % (x, y, start, size), "%s.resize_as_(%s)" % (x, y),
             "(%s.storage().resize_(%d), 0)[1]" % (y, rng.choice(HUGE) if rng.random() < 0.05 else rng.randint(0, 12)),
             "tensorlib.add(%s, %d, out=%s)" % (y, k, x), "tensorlib.add(%s, %s, out=%s)" % (y, y, x)]
    plain = ["%s.set_(%s)" % (x, y), "%s.set_(%s.storage())" % (x, y), "%s.set_()" % x, "%s.t_()" % x,
             "%s.transpose_(%d, %d)" % (x, dim, other), "%s.squeeze_()" % x, "%s.squeeze_(%d)" % (x, dim),
             "%s.unsqueeze_(%d)" % (x, dim), "(%s.storage().fill_(%d), 0)[1]" % (x, k), "%s.fill_(%d)" % (x, k),
             "%s.copy_(%s)" % (x, y), "%s.add_(%s)" % (x, y), "%s.narrow(%d, %d, %d)" % (x, dim, at, rng.randint(0, 3)),
             "(%s.storage().__setitem__(%d, %d), 0)[1]" % (x, at, k), "tensorlib.%sTensor()" % TYPES[dtype]]
    if rng.random() < 0.6:
        source = rng.choice(grows)
        if "out=" in source and (overlapping(a.values()) or not b.sizes):
            return None
        changed = x if source.startswith(x + ".resize") or "out=" in source else y
        return "grown(%s.storage(), lambda: %s, %d)" % (changed, source, k)
    source = rng.choice(plain)
    written = source.startswith((x + ".copy_", x + ".add_"))
    return None if written and (overlapping(a.values()) or not a.sizes or not b.sizes) else source


def draw_storages(rng, program, steps):
    """Run a program of randomly drawn steps. Raises Difference at the first one."""
    dtype = rng.choice(["uint8", "int32", "int64", "float32", "float64"])
    for i in range(2):
        values = [rng.choice(ODD_WHOLES[:2]) + rng.randint(0, 9) for _ in range(rng.randint(1, 6))]
        source = "tensorlib.%sTensor(%r)" % (TYPES[dtype], values)
        program.run(Step("create", ["x%d" % i], source, source))
    for i in range(2, 2 * steps):
        source = text(rng, program, *rng.choices(program.live[-5:], k=2))
        if source:
            makes = "narrow" in source or source.startswith("tensorlib.")
            program.run(Step("storage", ["x%d" % i] if makes else [], source, source))
