"""Programs of plain tensors beside PyTorch of today: each step runs there too, on copies of the arrays as they lie.

The text of a step stays as it is. What v0.2 says otherwise than PyTorch is the class `Old` and the lists above it, the
one table of translations. It judges NumPy's side, which judges tensorlib.
"""
import numpy as np
from program import Difference, Free, Positions, compare

try:
    import torch
except ImportError:
    torch = None

# Operations that PyTorch has no like of, or where several results are right.
UNLIKE = set("create layout empty cast tolist split chunk unbind copy_ shift cross sparse out inverse gesv trtrs qr "
             "geqrf svd gels symeig eig potrf potrs potri pstrf btrisolve".split()) | {"out alias"}
# PyTorch refuses to write where elements of one tensor share memory, or the target overlaps with a source.
REFUSED = ("single memory location", "overlap", "not implemented for", "unsupported operation", "without overflow")


def judge(step, arrays):
    """Run a step on PyTorch; returns a function that compares what NumPy gave, or None where there is no like of it."""
    if torch is None or step.operation in UNLIKE or step.mirror == "refuse()":
        return None
    names = sorted(n for n in step.names() if n in arrays)
    if not all(isinstance(arrays[n], np.ndarray) for n in names):
        return None
    tensors = copies({n: arrays[n] for n in names})
    try:
        found = eval(step.ours, dict(SIDE, **tensors))
    except Exception as e:
        found = e

    def against(want):
        if isinstance(want, Exception) or isinstance(found, Exception) and any(r in str(found) for r in REFUSED):
            return
        try:
            if isinstance(found, Exception):
                raise Difference("%s: %s" % (type(found).__name__, found))
            same(found, want)
            for name in names:
                same(tensors[name], arrays[name])
        except Difference as e:
            raise Difference("PyTorch gives not what NumPy gives: %s" % e) from None
    return against


def copies(arrays):
    """Tensors with the values of arrays, sharing memory with each other as these do."""
    roots, tensors = {}, {}
    for name, a in arrays.items():
        root = below = a
        while below is not None:    # views of views, and the helper objects between them
            root = below if isinstance(below, np.ndarray) else root
            below = getattr(below, "base", None)
        if id(root) not in roots:
            roots[id(root)] = torch.from_numpy(root.ravel("K").copy()).as_subclass(Old)
        offset = (a.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // a.itemsize
        tensors[name] = roots[id(root)].as_strided(a.shape, [n // a.itemsize for n in a.strides], offset)
    return tensors


def same(found, want):
    """Raise Difference unless a result of PyTorch is that of NumPy: numbers and 0-dim tensors are one there."""
    if isinstance(want, tuple):
        for a, b in zip(found, want):
            same(a, b)
        return
    a = found.as_subclass(torch.Tensor).numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    if isinstance(want, Positions):
        want.check(a.reshape(want.shape))
    if isinstance(want, Free):
        return
    want = np.asarray(want)
    a = a.astype(np.uint8) if a.dtype == bool and want.dtype == np.uint8 else a
    if a.size == want.size == 1 and 0 in (a.ndim, want.ndim):
        a, want = a.reshape(()).astype(want.dtype), want.reshape(())
    finite = np.abs(want[np.isfinite(want)].astype(np.float64)) if want.dtype.kind == "f" else np.zeros(0)
    compare(a, want, float(max(finite.max(), 1)) if finite.size else 1.0)


class Functions:
    """What `tensorlib` is in the text of a step: a function is the method of its first argument."""

    def __getattr__(self, name):
        def function(first, *rest, out=None, **words):
            if isinstance(first, list):
                made = getattr(torch, name)(first, *rest, **words)
            else:
                made = getattr(first, name)(*rest, **words)
            return made if out is None else out.copy_(made)
        return function

    @staticmethod
    def cat(parts, dim, out=None):
        """They could be stacked along a dim behind all others."""
        made = torch.cat([part.unsqueeze(-1) for part in parts] if dim == parts[0].dim() else parts, dim)
        return made if out is None else out.copy_(made)

    @staticmethod
    def where(mask, a, b):
        return torch.where(mask != 0, a, b)


def setitem(t, key, value):
    if not isinstance(key, torch.Tensor) or key.dtype != torch.uint8:
        t[key] = value.clone() if isinstance(value, torch.Tensor) else value
        return t
    return t.masked_scatter_(key, value) if isinstance(value, torch.Tensor) else t.masked_fill_(key, value)


SIDE = {"tensorlib": Functions(), "np": np, "nan": float("nan"), "inf": float("inf"), "setitem": setitem}

if torch is not None:
    class Old(torch.Tensor):
        """A tensor of PyTorch whose methods mean what they meant in v0.2, where that is something else."""

        def div(self, other):
            return torch.div(self, other, rounding_mode=None if self.is_floating_point() else "trunc")

        def remainder(self, other):
            """By infinity it was nan."""
            whole = not self.is_floating_point()
            return torch.remainder(self, other) if whole else self - other * torch.floor(self / other)

        def pow(self, other):
            """As in C for every exponent: PyTorch takes the root for 0.5."""
            return torch.pow(self, other if isinstance(other, torch.Tensor) else torch.full_like(self, other))

        def round(self):
            return torch.trunc(self + torch.copysign(torch.full_like(self, 0.5), self))

        def sign(self):
            return (self > 0).to(self.dtype) - (self < 0).to(self.dtype)

        def clamp(self, low=None, high=None, min=None, max=None):
            """The lower limit wins over the upper one; one limit alone takes the place of nan."""
            if low is None:
                return torch.where(self > min, self, min) if max is None else torch.where(self < max, self, max)
            return torch.where(self < low, low, torch.where(self > high, high, self)).to(self.dtype)

        def max(self, *args):
            other = isinstance(args[0], torch.Tensor) if args else False
            return torch.where(self > args[0], self, args[0]) if other else torch.max(self, *args)

        def min(self, *args):
            other = isinstance(args[0], torch.Tensor) if args else False
            return torch.where(self < args[0], self, args[0]) if other else torch.min(self, *args)

        def lerp(self, end, weight):
            return self + weight * (end - self)

        def dot(self, other):
            return torch.dot(self, other) if self.is_floating_point() else torch.dot(self.long(), other.long())

        def __invert__(self):
            return 1 - self

        def sum(self, *args):
            return torch.sum(self, *args, dtype=self.dtype if args else None)

        def prod(self, *args):
            return torch.prod(self, *args, dtype=self.dtype if args else None)

        def cumsum(self, dim):
            return torch.cumsum(self, dim, dtype=self.dtype)

        def cumprod(self, dim):
            return torch.cumprod(self, dim, dtype=self.dtype)

        def masked_select(self, mask):
            return torch.masked_select(self, mask != 0)

        def masked_fill(self, mask, value):
            return torch.masked_fill(self, mask != 0, value)

        def masked_scatter(self, mask, source):
            return torch.masked_scatter(self, mask.expand_as(self) != 0, source)

        def __getitem__(self, key):
            mask = isinstance(key, torch.Tensor) and key.dtype == torch.uint8
            return torch.Tensor.__getitem__(self, key != 0 if mask else key)

        def __truediv__(self, other):
            return self.div(other)

    def in_place(name):
        """The twin of a method: the operands are read before anything is written."""
        return lambda self, *args, **words: self.copy_(getattr(self, name)(*args, **words))

    for _name in [n[:-1] for n in dir(torch.Tensor) if n.endswith("_") and not n.startswith("_")]:
        if hasattr(torch.Tensor, _name) and _name not in ("copy", "set", "resize", "requires_grad"):
            setattr(Old, _name + "_", in_place(_name))
