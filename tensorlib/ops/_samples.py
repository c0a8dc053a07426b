"""Sample inputs for the tests of rows: sizes, a range of values, and the other arguments.

NumPy is imported only when a test asks for an array or a reference.
"""
import importlib


class Array:
    """An array among the other arguments, made when a test asks for it."""

    def __init__(self, values, dtype):
        self.values, self.dtype = values, dtype

    def make(self):
        import numpy
        return numpy.array(self.values, self.dtype)

    def __repr__(self):
        return str(self.values).replace(" ", "")


def positions(values):
    """A LongTensor argument."""
    return Array(values, "int64")


def mask(values):
    """A ByteTensor argument."""
    return Array(values, "uint8")


def real(values):
    """Numbers that a row needs just so, in the element type tested."""
    return Array(values, "float64")


def reference(module, name):
    """The reference `name` of a module beside this one that imports NumPy, found when it is called."""
    def ref(*args):
        return getattr(importlib.import_module("." + module, __package__), name)(*args)
    return ref


class Sample:
    """One way to call a row: sizes of its tensor arguments, the range their values are drawn from, other arguments.

    Arrays among the other arguments stand for tensors: indices, masks, or values that the row needs just so.
    """

    def __init__(self, sizes, low, high, other):
        self.sizes, self.low, self.high, self.other = sizes, low, high, other

    def __repr__(self):
        text = ",".join("x".join(map(str, s)) for s in self.sizes)
        return text + "".join(",%s=%s" % item for item in self.other.items())

    def arguments(self, row, drawn):
        """The arguments for a row, given a value for each of the sizes."""
        rest = list(drawn)
        single = row.params[:-1] if row.variadic else row.params
        given = [self.other[p] if p in self.other else rest.pop(0) if rest else row.defaults[i]
                 for i, p in enumerate(single)]
        given = [x.make() if isinstance(x, Array) else x for x in given]
        return given + rest


def unary(low, high, sizes=((3, 4), (2, 3, 700), (1,)), **other):
    """One tensor, of several sizes."""
    return [Sample([size], low, high, other) for size in sizes]


def positive(**other):
    """One tensor of positive numbers."""
    return unary(0.3, 3, **other)


def binary(low, high, **other):
    """Two tensors: of one size, and broadcast both ways."""
    pairs = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 700), (700,)), ((1,), (2, 3))]
    return [Sample(pair, low, high, other) for pair in pairs]


def ternary(low, high, **other):
    """Three tensors."""
    triples = [((3, 4), (3, 4), (3, 4)), ((3, 4), (4,), (3, 1)), ((2, 600), (600,), (1,))]
    return [Sample(triple, low, high, other) for triple in triples]


def arguments(*sizes, low=-2, high=2, **other):
    """Given sizes of the tensors and given other arguments."""
    return [Sample(sizes, low, high, other)]
