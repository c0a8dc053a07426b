"""Tensors made from nothing but numbers: zeros, ones, eye, and ramps."""
import math
import operator
import warnings

from . import indexing
from ._ops import copying, making
from ._ops import tensor as core
from ._ops.elementwise import Pointwise
from ._ops.making import ones, zeros  # noqa: F401
from ._types import Default, described, full_name


def target(out):
    """`out`, or an empty tensor of the default type."""
    if out is None:
        return Default.tensor()
    if not isinstance(out, core.TensorBase) or isinstance(out, core.HalfTensor):
        raise TypeError("out has to be a tensor of a type with arithmetic, but got %s" % described(out))
    return out


def sizes_of(sizes, size=None):
    """Ints, or one sequence of ints, or what stands by keyword."""
    if size is not None and not sizes:
        sizes = (size,)
    elif size is not None:
        raise TypeError("the size is given twice: %s and size=%r" % (sizes, size))
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    if not sizes or not all(indexing.is_int(n) for n in sizes):
        raise TypeError("expected (int ... size), but got (%s)" % ", ".join(described(n) for n in sizes))
    return tuple([operator.index(n) for n in sizes])


def blank(sizes, size, out):
    """`out` in a size, or an uninitialised tensor of the default type: however the size is given."""
    return making.resize_(target(out), sizes_of(sizes, size))


core.set_hook("blank", blank)


def zero(tensor):
    """Set every element of a tensor to 0; returns it."""
    if not isinstance(tensor, core.TensorBase):
        raise TypeError("zero expects (Tensor), but got (%s)" % described(tensor))
    return copying.fill_(tensor, 0)


def eye(n, m=None, *, out=None):
    """Return the n x m identity; m defaults to n."""
    if not indexing.is_int(n) or m is not None and not indexing.is_int(m):
        raise TypeError("eye expects (int n, int m), but got (%s, %s)" % (type(n).__name__, type(m).__name__))
    m = n if m is None or m <= 0 else m
    if n <= 0:
        raise RuntimeError("eye: n has to be positive, but it is %d" % n)
    result = copying.fill_(making.resize_(target(out), (n, m)), 0)
    copying.fill_(views_diagonal(result), 1)
    return result


def views_diagonal(matrix):
    """The main diagonal as a view."""
    n = min(matrix.size(0), matrix.size(1))
    return making.make_view(matrix.storage(), matrix.storage_offset(), (n,), (matrix.stride(0) + matrix.stride(1),))


def check_numbers(name, expected, *values):
    for value in values:
        if not isinstance(value, (int, float)):
            raise TypeError("tensorlib.%s received an invalid combination of arguments - got (%s), but expected %s"
                            % (name, ", ".join(type(v).__name__ for v in values), expected))


def arange(start, end, step=1, *, out=None):
    """Return the numbers from start to before end by step; both bounds are needed."""
    return ramp("arange", start, end, step, out, False)


def range(start, end, step=1, *, out=None):
    """Return the numbers from start to end, which is included. Deprecated: use arange."""
    warnings.warn("range is deprecated in favor of arange and will be removed: it includes the end", UserWarning,
                  stacklevel=2)
    return ramp("range", start, end, step, out, True)


def ramp(name, start, end, step, out, closed):
    check_numbers(name, "(Number start, Number end, Number step)", start, end, step)
    result = target(out)
    if core.code_of(result) < 5 and not all(isinstance(v, int) for v in (start, end, step)):
        raise TypeError("%s of whole numbers needs int bounds, but got %r, %r, %r" % (name, start, end, step))
    if step == 0:
        raise RuntimeError("%s: step must be a non-null number" % name)
    if (end - start) / step < 0 or start == end and not closed:
        raise RuntimeError("%s: upper bound and larger bound incoherent with step sign: %r to %r by %r"
                           % (name, start, end, step))
    if not closed and math.fmod(end - start, step) == 0:
        end -= step
    n = math.floor((end - start) / step) + 1
    making.resize_(result, (n,) if n > 0 else ())
    return fill_ramp(result, start, step, n)


def fill_ramp(result, start, step, n):
    """start, start + step, ...: computed in float64, or exactly for ints."""
    if n and core.code_of(result) != 5 and result.is_contiguous():
        copying.fill_ramp(result, start, step)
    elif n:                             # halves, and windows
        dense = core.make_empty(4 if all(isinstance(v, int) for v in (start, step)) else 7, (n,))
        copying.copy_(result, copying.fill_ramp(dense, start, step))
    return result


def linspace(start, end, steps=100, *, out=None):
    """Return steps numbers from start to end, both included, evenly spaced."""
    check_numbers("linspace", "(float start, float end, int steps)", start, end, steps)
    if not indexing.is_int(steps):
        raise TypeError("linspace: steps has to be an int, but got %s" % type(steps).__name__)
    if steps < 1 or steps == 1 and start != end:
        raise RuntimeError("linspace: invalid number of points: %d for the range %r to %r" % (steps, start, end))
    need_real("linspace", target(out))
    result = making.resize_(target(out), (steps,))
    gap = (end - start) / (steps - 1) if steps > 1 else 0
    return fill_ramp(result, float(start), gap, steps)


def need_real(name, result):
    if core.code_of(result) < 6:
        raise TypeError("Type %s doesn't implement stateless method %s" % (full_name(result), name))


def logspace(start, end, steps=100, *, out=None):
    """Return 10 to the power of linspace(start, end, steps)."""
    result = linspace(start, end, steps, out=out)
    copying.copy_(result, Pointwise("pow", 2)(10.0, result.double()))
    return result
