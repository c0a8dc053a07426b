"""Reading and writing x[...] of tensors and Variables, by views where possible.

The same code serves both: it calls rows, and rows record when they are given Variables.
"""
from ._ops import index as index_kernels
from ._ops import shape as shape_kernels
from ._ops.variable import VariableBase, wrap_output
from ._ops import tensor as core
from ._ops.copying import copy_, fill_
from ._ops.tensor import LongTensor, TensorBase, get_item
from .ops import shape as rows

is_int, kind_name = shape_kernels.is_int, shape_kernels.kind_name


def unwrapped(key):
    """The tensor of a Variable."""
    return key.data if isinstance(key, VariableBase) else key


def like_self(x, key):
    """An index as x is: a Variable for a Variable (itself, if it is one: it may be volatile), else a tensor."""
    if isinstance(x, VariableBase):
        return key if isinstance(key, VariableBase) else wrap_output(key)
    return unwrapped(key)


def is_mask(key):
    return isinstance(key, TensorBase) and core.code_of(key) == 0


def is_positions(key):
    return isinstance(key, TensorBase) and core.code_of(key) == 4


def is_sequence(key):
    return isinstance(key, (list, tuple)) or is_positions(unwrapped(key))


def is_advanced(key):
    """Whether a key is a tuple or list with sequences in it: NumPy's advanced indexing."""
    if isinstance(key, tuple):
        return any(is_sequence(k) for k in key)
    return isinstance(key, list) and any(is_sequence(k) for k in key)


# ---- advanced: sequences of ints ----------------------------------------------------------------------

def advanced(x, key):
    """(offsets into dense x, sizes of the result) for sequences next to each other, and full slices."""
    key = list(key)
    if sum(k is Ellipsis for k in key) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    for k in key:
        if not (is_sequence(k) or k is Ellipsis or isinstance(k, slice) and k == slice(None)):
            raise shape_kernels.unsupported_key("list")
    ndim = x.dim()
    used = sum(k is not Ellipsis for k in key)
    if used > ndim:
        raise IndexError("trying to index %d dimensions of a %d dimensional tensor" % (used, ndim))
    full = []
    for k in key:
        full += [slice(None)] * (ndim - used) if k is Ellipsis else [k]
    full += [slice(None)] * (ndim - len(full))
    dims = [d for d, k in enumerate(full) if is_sequence(k)]
    if dims != list(range(dims[0], dims[-1] + 1)):
        raise TypeError("the sequences of an advanced index have to stand next to each other")
    indices = broadcast([index_tensor(full[d]) for d in dims])
    sizes = list(x.size())
    for d, index in zip(dims, indices):
        check_range(index, sizes[d], d)
    strides = [1] * ndim
    for d in range(ndim - 2, -1, -1):
        strides[d] = strides[d + 1] * sizes[d + 1]
    result = sizes[:dims[0]] + list(indices[0].size()) + sizes[dims[-1] + 1:]
    offsets = LongTensor(*result).zero_()
    spread = indices[0].dim()
    inner = sum(index * strides[d] for d, index in zip(dims, indices))
    add_along(offsets, inner, dims[0])
    for d in range(ndim):
        if d not in dims:
            at = d if d < dims[0] else d - len(dims) + spread
            add_along(offsets, LongTensor(list(range(sizes[d]))) * strides[d], at)
    return offsets.cuda(x.get_device()) if x.is_cuda else offsets


def add_along(offsets, values, dim):
    """Add values, which span the dims from dim on, to all of offsets."""
    for _ in range(offsets.dim() - dim - values.dim()):
        values = shape_kernels.unsqueeze(values, values.dim())
    offsets.add_(values)


def index_tensor(key):
    """A LongTensor of a sequence of ints."""
    key = unwrapped(key)
    if isinstance(key, TensorBase):
        return key.cpu()
    try:
        return LongTensor(key)
    except (RuntimeError, TypeError, ValueError):
        raise shape_kernels.unsupported_key("list") from None


def broadcast(indices):
    """Index tensors expanded to one size."""
    ndim = max(index.dim() for index in indices)
    padded = [[1] * (ndim - index.dim()) + list(index.size()) for index in indices]
    size = [max(column) for column in zip(*padded)]
    if ndim == 0 or any(n != 1 and n != m for sizes in padded for n, m in zip(sizes, size)):
        raise IndexError("The advanced indexing objects could not be broadcast")
    return [shape_kernels.expand(index, tuple(size)) for index in indices]


def check_range(index, size, dim):
    low, high = index.min(), index.max()
    if high >= size:
        raise IndexError("index %d from broadcast indexer is out of range for dimension %d (of size %d)"
                         % (high, dim, size))
    if low < 0:
        raise RuntimeError("index out of range: %d in an advanced index of dimension %d (of size %d)"
                           % (low, dim, size))


# ---- x[key], x[key] = value ---------------------------------------------------------------------------

def getitem(x, key):
    """x[key] of a tensor or a Variable; keys of ints and slices come here only in their rarer forms."""
    if type(key) is tuple and not key and x.dim() == 0:
        raise IndexError("() is no index of an empty tensor")
    raw = unwrapped(key)
    if is_mask(raw):
        return x.masked_select(like_self(x, key))
    if is_positions(raw):
        return x.index_select(0, like_self(x, key))
    if is_advanced(key):
        return rows.take(x, advanced(unwrapped(x), key))
    if isinstance(x, VariableBase):
        return rows.subscript(x, raw)
    view, single = shape_kernels.subscripted(x, raw)
    return get_item(view) if single else view


def setitem(x, key, value):
    """x[key] = value of a tensor: a number, or a tensor with as many elements."""
    raw = unwrapped(key)
    if is_mask(raw):
        if raw.size() != x.size() and raw.numel() == x.numel():
            raw = raw.contiguous().view(x.size())
        x.masked_scatter_(raw, value) if isinstance(value, TensorBase) else x.masked_fill_(raw, value)
        return
    if is_positions(raw):
        if isinstance(value, TensorBase):
            x.index_copy_(0, raw, value)
        else:
            x.index_fill_(0, raw, value)
        return
    if is_advanced(key):
        set_advanced(x, advanced(x, key), value)
        return
    view, single = shape_kernels.subscripted(x, key)
    if isinstance(value, TensorBase) and not single:
        copy_(view, value)
    elif isinstance(value, (int, float)):
        assign_number(view, value, single)
    elif single:
        raise RuntimeError("can't assign a %s to a scalar value of type %s" % (kind_name(value), number_kind(x)))
    else:
        raise RuntimeError("copy from %s to %s isn't implemented" % (kind_name(value), x.type()))


def number_kind(x):
    return "float" if core.code_of(x) > 4 else "int"


def assign_number(view, value, single):
    try:
        fill_(view, value)
    except TypeError:
        raise RuntimeError("can't assign a %s to %s of type %s" % (
            type(value).__name__, "a scalar value" if single else "a tensor", number_kind(view))) from None


def set_advanced(x, offsets, value):
    """Write through offsets into dense x, then back where x is not dense."""
    dense = x.contiguous()
    if isinstance(value, TensorBase):
        if value.numel() != offsets.numel():
            raise RuntimeError("%d elements are assigned to %d positions" % (value.numel(), offsets.numel()))
        source = value.contiguous()
    else:
        source = x.new(offsets.size()).fill_(value)
    index_kernels.put_flat(dense, offsets, source, False)
    if not x.is_contiguous():
        copy_(x, dense)
