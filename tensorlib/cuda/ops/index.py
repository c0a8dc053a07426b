"""Elements by position or by mask: the twins of _ops/index.pyx.

An index is expanded over the dims that it does not name, and the indexed dim of the tensor is taken out: so all
operands of a kernel have one size. Positions out of range are found on the device: see faults.py.
"""
import math
import warnings

from ..._ops import blocks
from ..._ops.copying import make_contiguous
from ..._ops.elementwise import Pointwise
from ..._ops.shape import alias, cast, expand, narrow, unsqueeze, view
from ..._ops.making import make_view
from ..._ops.tensor import code_of, device_of, get_item, make_empty
from .. import faults
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from .reduce import wrap_dim
from .scan import cumsum

BYTE, LONG = 0, 4
program = Program("index")
nonzero_flags = Pointwise("ne", 2, to_byte=True)


def text(t):
    return " x ".join([str(n) for n in t.size()])


def check_index(index, name):
    if code_of(index) != LONG:
        raise TypeError("%s(): expected a tensorlib.cuda.LongTensor of positions, got %s" % (name, index.type()))


def check_vector(index, name):
    check_index(index, name)
    if index.dim() != 1:
        raise RuntimeError("%s(): Index is supposed to be a vector, but is of size [%s]" % (name, text(index)))


def check_type(x, other, name):
    if code_of(x) != code_of(other):
        raise TypeError("%s(): expected a %s, got %s" % (name, x.type(), other.type()))


def run(kernel, name, x, step, low, high, *operands):
    """A kernel over three operands of one size, of which the second holds positions low <= i < high."""
    device, code = device_of(x), code_of(x)
    note = faults.note_of(device)
    for n, block in blocks.of(*operands):
        launch(program, "%s_%s" % (kernel, NAMES[code]), device, "%dsqqqPq" % len(block), grid_for(device, n), THREADS,
               block, step, low, high, note, faults.code_of(name))


def without(x, dim, size):
    """x at position 0 of a dim, expanded to a size."""
    return expand(narrow(x, dim, 0, 1), size)


def along(index, dim, size):
    """A 1-D index expanded to a size in which it stands for one dim."""
    shape = [1] * len(size)
    shape[dim] = index.size(0)
    return expand(view(make_contiguous(index), shape), size)


# ---- by an index of one dim ---------------------------------------------------------------------------------------

def index_select(x, dim, index):
    check_vector(index, "index_select")
    dim = wrap_dim(x, dim)
    size = list(x.size())
    size[dim] = index.size(0)
    out = make_empty(code_of(x), size, device_of(x))
    run("gather", "index_select", x, x.stride(dim), 0, x.size(dim), out, along(index, dim, size), without(x, dim, size))
    return out


def put_slices(kernel, name, x, dim, index, source):
    check_vector(index, name)
    dim = wrap_dim(x, dim)
    size = list(x.size())
    size[dim] = index.size(0)
    if not isinstance(source, tuple):
        check_type(x, source, name)
        if list(source.size()) != size:
            raise RuntimeError("%s(): Number of indices should be equal to source:size(dim), and other sizes equal: a "
                               "source for [%s] and %d indices along dim %d is of size [%s]"
                               % (name, text(x), index.size(0), dim, text(source)))
        source = apart(source, x)
    index = along(apart(index, x), dim, size)
    run(kernel, name, x, x.stride(dim), 0, x.size(dim), without(x, dim, size), index, source)
    return x


def apart(source, x):
    """The source, copied where it lies in the storage that is written."""
    return source.clone() if source.storage() is x.storage() else source


def index_add_(x, dim, index, source):
    return put_slices("scatter_add", "index_add_", x, dim, index, source)


def index_copy_(x, dim, index, source):
    return put_slices("scatter", "index_copy_", x, dim, index, source)


def index_fill_(x, dim, index, value):
    return put_slices("scatter", "index_fill_", x, dim, index, (code_of(x), value))


# ---- by an index of all dims --------------------------------------------------------------------------------------

def check_sizes(x, dim, index, name):
    check_index(index, name)
    fits = index.dim() == x.dim() and all(d == dim or index.size(d) == x.size(d) for d in range(x.dim()))
    if not fits:
        raise RuntimeError("%s(): expected an index of size [%s] but for dim %d, got [%s]"
                           % (name, text(x), dim, text(index)))


def gather(x, dim, index):
    dim = wrap_dim(x, dim)
    check_sizes(x, dim, index, "gather")
    out = make_empty(code_of(x), index.size(), device_of(x))
    run("gather", "gather", x, x.stride(dim), 0, x.size(dim), out, index, without(x, dim, index.size()))
    return out


def put_elements(kernel, name, x, dim, index, source):
    dim = wrap_dim(x, dim)
    check_sizes(x, dim, index, name)
    if not isinstance(source, tuple):
        check_type(x, source, name)
        if source.dim() != x.dim() or any(source.size(d) < index.size(d) for d in range(x.dim())):
            raise RuntimeError("%s(): expected a source of at least the index's size [%s], got [%s]"
                               % (name, text(index), text(source)))
        source = apart(source, x)
        for d in range(x.dim()):
            source = narrow(source, d, 0, index.size(d))
    run(kernel, name, x, x.stride(dim), 0, x.size(dim), without(x, dim, index.size()), apart(index, x), source)
    return x


def scatter_(x, dim, index, source):
    number = isinstance(source, (int, float))
    return put_elements("scatter", "scatter_", x, dim, index, (code_of(x), source) if number else source)


def scatter_add_(x, dim, index, source):
    return put_elements("scatter_add", "scatter_add_", x, dim, index, source)


# ---- by offsets into the storage ----------------------------------------------------------------------------------

def run_flat(kernel, name, x, operands):
    offset = x.storage_offset()
    run(kernel, name, x, 1, -offset, len(x.storage()) - offset, *operands)


def first_of(x, size):
    """x's first element, expanded to a size."""
    return make_view(x.storage(), x.storage_offset(), size, [0] * len(size))


def take_flat(x, offsets):
    check_index(offsets, "take_flat")
    out = make_empty(code_of(x), offsets.size(), device_of(x))
    if out.numel():
        run_flat("gather", "take_flat", x, (out, offsets, first_of(x, offsets.size())))
    return out


def put_flat(x, offsets, source, accumulate=False):
    check_index(offsets, "put_flat")
    check_type(x, source, "put_flat")
    if source.numel() != offsets.numel():
        raise RuntimeError("put_flat(): expected %d elements for as many positions, got %d"
                           % (offsets.numel(), source.numel()))
    if offsets.numel():
        values = view(make_contiguous(apart(source, x)), offsets.size())
        run_flat("scatter_add" if accumulate else "scatter", "put_flat", x,
                 (first_of(x, offsets.size()), apart(offsets, x), values))
    return x


def fill_flat(x, offsets, value):
    check_index(offsets, "fill_flat")
    if offsets.numel():
        run_flat("scatter", "fill_flat", x, (first_of(x, offsets.size()), apart(offsets, x), (code_of(x), value)))
    return x


# ---- by a mask ----------------------------------------------------------------------------------------------------

def broadcast_size(a, b):
    """The size that two sizes broadcast to, None where they do not."""
    n = max(len(a), len(b))
    a, b = [1] * (n - len(a)) + list(a), [1] * (n - len(b)) + list(b)
    fits = all(i == j or 1 in (i, j) for i, j in zip(a, b))
    return [max(i, j) for i, j in zip(a, b)] if fits else None


def fitted_mask(x, mask, name):
    """The mask in x's size."""
    if code_of(mask) != BYTE:
        raise TypeError("%s(): expected a tensorlib.cuda.ByteTensor as mask, got %s" % (name, mask.type()))
    if mask.size() == x.size():
        return apart(mask, x)
    if x.dim() and mask.dim() and broadcast_size(x.size(), mask.size()) == list(x.size()):
        return apart(expand(mask, x.size()), x)
    if x.numel() != mask.numel():
        raise RuntimeError("%s(): inconsistent tensor size: a mask of size [%s] does not broadcast to [%s]"
                           % (name, text(mask), text(x)))
    warnings.warn("%s(): sizes [%s] and [%s] do not broadcast, but have the same number of elements. "
                  "Falling back to deprecated pointwise behavior." % (name, text(x), text(mask)), UserWarning)
    return view(make_contiguous(apart(mask, x)), x.size())


def places_of(flags):
    """(how many ones a mask has up to each element in order, of its size; how many in all)."""
    places = cumsum(cast(view(make_contiguous(flags), (-1,)), LONG), 0)
    return view(places, flags.size()), get_item(places, places.numel() - 1)


def run_mask(kernel, x, operands, values=None):
    device = device_of(x)
    for n, block in blocks.of(*operands):
        more = () if values is None else (values,)
        launch(program, "%s_%s" % (kernel, NAMES[code_of(x)]), device, "%ds%s" % (len(block), "P" * len(more)),
               grid_for(device, n), THREADS, block, *more)


def masked_select(x, mask):
    if x.dim() and mask.dim() and x.size() != mask.size() and x.numel() != mask.numel():
        size = broadcast_size(x.size(), mask.size())
        x = x if size is None else expand(x, size)
    flags = fitted_mask(x, mask, "masked_select")
    if x.dim() == 0:
        return make_empty(code_of(x), (), device_of(x))
    places, ones = places_of(cast(nonzero_flags(flags, 0), BYTE))
    out = make_empty(code_of(x), (ones,) if ones else (), device_of(x))
    if ones:
        run_mask("masked_select", x, (alias(x), flags, places), out)
    return out


def masked_fill_(x, mask, value):
    flags = fitted_mask(x, mask, "masked_fill_")
    if x.dim():
        run_mask("masked_fill", x, (x, flags, (code_of(x), value)))
    return x


def masked_scatter_(x, mask, source):
    check_type(x, source, "masked_scatter_")
    flags = fitted_mask(x, mask, "masked_scatter_")
    if x.dim() == 0:
        return x
    places, ones = places_of(nonzero_flags(flags, 0))
    if source.numel() < ones:
        raise RuntimeError("masked_scatter_(): Number of elements of src < number of ones in mask: %d ones, but %d "
                           "elements"
                           % (ones, source.numel()))
    if ones:
        run_mask("masked_scatter", x, (x, flags, places), make_contiguous(apart(source, x)))
    return x


# ---- nonzero ------------------------------------------------------------------------------------------------------

def nonzero(x):
    device = device_of(x)
    if x.dim() == 0:
        return make_empty(LONG, (), device)
    flags = nonzero_flags(x, 0)
    places, found = places_of(flags)
    out = make_empty(LONG, (found, x.dim()) if found else (), device)
    if found:
        sizes = list(x.size()) + [1] * (16 - x.dim())
        launch(program, "nonzero", device, "PPPqq16q", grid_for(device, x.numel()), THREADS, out,
               make_contiguous(unsqueeze(flags, 0)), places, math.prod(x.size()), x.dim(), *sizes)
    return out
