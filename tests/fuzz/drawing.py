"""How arguments are made: each kind of argument is a function that draws the text of it for tensorlib and for NumPy.

It looks at the arrays of a program, never at its tensors, so that a wrong tensor cannot steer what is drawn.
"""
import math

import numpy as np
from program import Step

TYPES = {"uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "float16": "Half",
         "float32": "Float", "float64": "Double"}
WHOLE = ["uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float32", "float64"]
ARITHMETIC = WHOLE + FLOATS
GROUPS = {"any": list(TYPES), "arithmetic": ARITHMETIC, "whole": WHOLE, "float": FLOATS, "byte": ["uint8"],
          "signed": ["int16", "int32", "int64", "float32", "float64"]}
ODD_REALS = [0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e-30, math.nan, math.inf, -math.inf]
ODD_WHOLES = [0, 1, -1, 127, 128, 255, 256, -128, 2 ** 15, 2 ** 31 - 1, -2 ** 31, 2 ** 62, 2 ** 63 - 1, -2 ** 63]
TAME = 100


class Impossible(Exception):
    """This operation has no arguments among the tensors there are."""


def overlapping(a):
    """Whether two elements of an array are one place in memory."""
    places = np.zeros(a.shape, np.int64)
    for n, stride, d in zip(a.shape, a.strides, range(a.ndim)):
        places = places + (np.arange(n) * stride).reshape((-1,) + (1,) * (a.ndim - 1 - d))
    return len(np.unique(places)) < a.size


def tame(a):
    """Whether sums and products of these numbers keep their meaning."""
    return a.dtype.kind != "f" or bool(np.all(np.abs(a) <= TAME)) and bool(np.all((a == 0) | (np.abs(a) > 1e-3)))


class Draw:
    """Draws for one program. `text` of a kind gives the two texts of an argument."""

    def __init__(self, rng, program):
        self.rng, self.program, self.count = rng, program, 0

    # ---- tensors

    def new_name(self):
        self.count += 1
        return "x%d" % (self.count - 1)

    def size(self, most=4):
        return tuple(self.rng.choice([1, 1, 2, 2, 3, 3, 4, 5]) for _ in range(self.rng.randint(1, most)))

    def create(self, dtype, size, low=-9, high=9, odd=0.15):
        """A step that makes a new tensor; returns its name."""
        real = dtype.startswith("float")
        odd = odd if self.rng.random() < 0.4 else 0
        values = [self.element(real, low, high, odd) for _ in range(math.prod(size))]
        name, kind = self.new_name(), TYPES[dtype]
        shape = ", ".join(map(str, size))
        ours = "tensorlib.%sTensor(%r)" % ("Float" if kind == "Half" else kind, values)
        ours += ".view(%s)" % shape if len(size) > 1 else ""
        ours += ".half()" if kind == "Half" else ""
        self.program.run(Step("create", [name], ours, "array(%r, %r, %s)" % (values, dtype, shape)))
        return name

    def element(self, real, low, high, odd):
        if self.rng.random() < odd:
            return self.rng.choice(ODD_REALS if real else ODD_WHOLES)
        return self.rng.randint(low * 4, high * 4) / 4 if real else self.rng.randint(low, high)

    def array(self, name):
        return self.program.mirror[name]

    def existing(self, accept):
        """The name of a live tensor that fits, later ones sooner; None if there is none."""
        fit = [n for n in self.program.live if self.array(n).size and accept(self.array(n))]
        return self.rng.choice(fit[-6:]) if fit else None

    def layout(self, name):
        """The tensor, or the same values laid out otherwise."""
        a = self.array(name)
        if a.dtype == np.float16 or self.rng.random() < 0.6:
            return name
        if a.ndim > 1:
            d = self.rng.randrange(a.ndim - 1)
            other = self.new_name()
            dims = (name, d, a.ndim - 1, d, a.ndim - 1)
            self.program.run(Step("layout", [other], "%s.transpose(%d, %d).clone().transpose(%d, %d)" % dims,
                                  "np.swapaxes(np.swapaxes(%s, %d, %d).copy(), %d, %d)" % dims))
            return other
        return name

    def tensor(self, types, accept=lambda a: True, size=None, low=-9, high=9, odd=0.15):
        """A live tensor of these types that fits, or a new one."""
        found = self.existing(lambda a: str(a.dtype) in types and accept(a)) if self.rng.random() < 0.8 else None
        if found:
            return found
        for _ in range(8):
            wanted = size or self.size()
            name = self.create(self.rng.choice(types), wanted, low, high, odd)
            if accept(self.array(name)):
                return self.layout(name) if not overlapping(self.array(name)) else name
        raise Impossible

    # ---- kinds of arguments; each gets the names drawn so far

    def text(self, kind, drawn):
        """The texts of an argument of a kind, for tensorlib and for NumPy."""
        word, *refs = kind.split()
        made = getattr(self, "kind_" + word)(*[drawn.get(r, r) for r in refs])
        return made if isinstance(made, tuple) else (str(made), str(made))

    def kind_tensor(self, group="arithmetic", dims=None, accept=lambda a: True, odd=0.15):
        least, most = {None: (1, 9), "1": (1, 1), "2": (2, 2), "3": (3, 3), "many": (2, 9), "triple": (2, 9)}[dims]
        size = tuple(self.rng.randint(1, 4) for _ in range(min(most, 3))) if dims else None
        size = (3, 2, 3) if dims == "triple" else size
        return self.tensor(GROUPS[group], lambda a: least <= a.ndim <= most and accept(a), size, odd=odd)

    def kind_tame(self, group="arithmetic", dims=None):
        """A tensor whose sums and products are not swamped by odd numbers."""
        return self.kind_tensor(group, dims, tame, 0)

    def kind_matrix(self, form="square"):
        """A new matrix of floats for factorizations: square, or with at least as many rows as columns."""
        n, low = self.rng.randint(1, 4), -9
        size = (n + self.rng.randint(0, 2), n) if form == "tall" else (n, n)
        if self.rng.random() < 0.05:
            size = self.rng.choice([(2, 3), (3, 2), (2,), (2, 2, 2)])
        return self.create(self.rng.choice(FLOATS), size, low if self.rng.random() < 0.9 else 0, 9, 0)

    def kind_sparse(self, name):
        """A sparse 3 x 4 matrix of elements of a vector, some at one place: its text, and a dense array."""
        n = self.array(name).size
        places = [[self.rng.randrange(size) for _ in range(n)] for size in (3, 4)]
        return ("tensorlib.sparse.%sTensor(tensorlib.LongTensor(%r), %s, tensorlib.Size([3, 4]))"
                % (TYPES[str(self.array(name).dtype)], places, name), "scattered(%s, %r)" % (name, places))

    def kind_target(self, group="arithmetic", dims=None):
        """A tensor that may be written."""
        least = 2 if dims == "many" else 1
        size = tuple(self.rng.randint(1, 4) for _ in range(2)) if least == 2 else None
        return self.tensor(GROUPS[group], lambda a: a.ndim >= least and not overlapping(a), size)

    def kind_held(self, group="arithmetic", dims=None):
        """A tame tensor that may be written."""
        return self.kind_tensor(group, dims, lambda a: tame(a) and not overlapping(a), 0)

    def kind_like(self, name):
        """A tensor of the same type that broadcasts with it, now and then one that may not."""
        a = self.array(name)
        if self.rng.random() < 0.04:
            return self.tensor([str(a.dtype)], lambda b: b.size != a.size)  # else they go element by element

        def broadcasts(b):
            try:
                return np.broadcast_shapes(a.shape, b.shape) is not None
            except ValueError:
                return False
        size = [n if self.rng.random() < 0.8 else 1 for n in a.shape][self.rng.randrange(a.ndim):]
        return self.tensor([str(a.dtype)], broadcasts, size)

    def kind_other(self, name):
        """A tensor of another type."""
        return self.tensor([t for t in ARITHMETIC if t != str(self.array(name).dtype)])

    def kind_into(self, name):
        """A tensor that broadcasts to the size of another."""
        a = self.array(name)
        fits = [n for n in self.program.live if self.array(n).size and self.array(n).dtype == a.dtype
                and self.array(n).ndim <= a.ndim
                and all(m in (1, k) for m, k in zip(self.array(n).shape[::-1], a.shape[::-1]))]
        if fits and self.rng.random() < 0.7:
            return self.rng.choice(fits)
        size = [n if self.rng.random() < 0.8 else 1 for n in a.shape][self.rng.randrange(a.ndim):]
        return self.create(str(a.dtype), size)

    def kind_same(self, name):
        """A tensor of the type and size of another, that may be written."""
        a = self.array(name)
        return self.tensor([str(a.dtype)], lambda b: b.shape == a.shape and not overlapping(b), a.shape)

    def kind_sized(self, name, *dims):
        """A tame tensor of the type of another with these sizes: numbers, or letters of its dims."""
        a = self.array(name)
        size = tuple(a.shape[int(d[1:])] if d[0] == "d" else int(d) for d in dims)
        return self.tensor([str(a.dtype)], lambda b: b.shape == size and tame(b), size, odd=0)

    def kind_number(self, name):
        """A number that fits the type: often odd."""
        real = self.array(name).dtype.kind == "f"
        value = self.element(real, -9, 9, 0.4)
        return repr(value), "number(%r, %s)" % (value, name)

    def kind_plain(self, name):
        """A small number."""
        value = self.element(self.array(name).dtype.kind == "f", -3, 3, 0)
        return repr(value), "number(%r, %s)" % (value, name)

    def kind_shift(self, name):
        return self.rng.randrange(self.array(name).dtype.itemsize * 8)

    def kind_dim(self, name):
        """A dim, now and then counted from the end or out of range."""
        dims = self.array(name).ndim
        if self.rng.random() < 0.04:
            return self.rng.choice([dims, dims + 3, -dims - 1, 2 ** 31, -2 ** 40])
        return self.rng.randrange(-dims, dims)

    def kind_plus(self, name):
        """A place for a new dim."""
        return self.rng.randint(0, self.array(name).ndim)

    def kind_bool(self):
        return self.rng.random() < 0.5

    def kind_small(self, low="0", high="4"):
        return self.rng.randint(int(low), int(high))

    def kind_order(self, name):
        dims = list(range(self.array(name).ndim))
        self.rng.shuffle(dims)
        return ", ".join(map(str, dims))

    def kind_reshaped(self, name):
        """Sizes with as many elements, one perhaps -1."""
        left, sizes = self.array(name).size, []
        while left > 1 and len(sizes) < 3:
            sizes.append(self.rng.choice([d for d in range(1, left + 1) if left % d == 0]))
            left //= sizes[-1]
        sizes.append(left)
        self.rng.shuffle(sizes)
        if self.rng.random() < 0.3:
            sizes[self.rng.randrange(len(sizes))] = -1
        return ", ".join(map(str, sizes))

    def kind_expanded(self, name):
        sizes = [self.rng.randint(1, 4) if n == 1 else n for n in self.array(name).shape]
        return ", ".join(map(str, [self.rng.randint(1, 3) for _ in range(self.rng.randint(0, 1))] + sizes))

    def kind_tiles(self, name):
        dims = self.array(name).ndim + self.rng.randint(0, 1)
        return ", ".join(str(self.rng.randint(1, 2)) for _ in range(dims))

    def kind_dtype(self):
        return self.rng.choice(list(TYPES))

    def kind_index(self, name, dim):
        """Positions for the dim, drawn as a new LongTensor of one dim; now and then out of range."""
        a = self.array(name)
        n = a.shape[int(dim)] if -a.ndim <= int(dim) < a.ndim else 1
        wild = 1 if self.rng.random() < 0.05 else 0
        size = (self.rng.randint(1, 5),)
        return self.create("int64", size, -wild, n - 1 + wild, 0)

    def kind_slices(self, name, dim, index):
        """A source for index_copy_ and index_add_: the size of the tensor, but for the dim that of the index."""
        a, n = self.array(name), self.array(index).size
        size = list(a.shape)
        if -a.ndim <= int(dim) < a.ndim:
            size[int(dim)] = n
        return self.tensor([str(a.dtype)], lambda b: b.shape == tuple(size), size)

    def kind_distinct(self, name, dim):
        """Positions for the dim without repetition."""
        a = self.array(name)
        n = a.shape[int(dim)] if -a.ndim <= int(dim) < a.ndim else 1
        order = self.rng.sample(range(n), self.rng.randint(1, n))
        other = self.new_name()
        self.program.run(Step("create", [other], "tensorlib.LongTensor(%r)" % order, "array(%r, 'int64', -1)" % order))
        return other

    def kind_grid(self, name, dim):
        """Positions for gather and scatter: as many dims, the others as large."""
        a = self.array(name)
        size = list(a.shape)
        if -a.ndim <= int(dim) < a.ndim:
            size[int(dim)] = self.rng.randint(1, 4)
        n = a.shape[int(dim)] if -a.ndim <= int(dim) < a.ndim else 1
        wild = 1 if self.rng.random() < 0.05 else 0
        return self.create("int64", size, -wild, n - 1 + wild, 0)

    def kind_covering(self, name, grid):
        """A source of the type of a tensor that is as large as a grid of positions."""
        size = self.array(grid).shape
        return self.tensor([str(self.array(name).dtype)], lambda b: b.shape == size, size)

    def kind_mask(self, name):
        size = self.array(name).shape
        return self.create("uint8", size, 0, 1, 0)

    def kind_key(self, name):
        """An index of ints, slices, None and `...`."""
        a, parts = self.array(name), []
        for n in a.shape[:self.rng.randint(1, a.ndim)]:
            parts += ["None"] if self.rng.random() < 0.1 else []
            parts.append(self.slice(n) if self.rng.random() < 0.6 else str(self.rng.randrange(-n, n)))
        if self.rng.random() < 0.15:
            parts.append("...")
        if self.rng.random() < 0.03:
            parts.append(str(self.rng.choice([99, -99])))
        return ", ".join(parts)

    def slice(self, n):
        start = self.rng.choice(["", self.rng.randint(-n, n - 1)])
        stop = self.rng.choice(["", self.rng.randint(-n, n + 2)])
        step = self.rng.choice(["", "", self.rng.randint(1, 3)])
        return "%s:%s:%s" % (start, stop, step)

    def kind_lists(self, name):
        """An index of lists, as long as each other, for the first dims."""
        a, n = self.array(name), self.rng.randint(1, 4)
        count = self.rng.randint(1, a.ndim)
        least = -1 if self.rng.random() < 0.05 else 0
        lists = [[self.rng.randrange(least, m) for _ in range(n)] for m in a.shape[:count]]
        return ", ".join(map(repr, lists)) + ","
