"""What a pickle calls to rebuild tensors, and small tools that libraries of the time call: the names stay."""
import importlib
import itertools
import operator

from ._ops import sparse as _sparse
from ._ops import storage as _storage
from ._ops.tensor import Size, TensorBase, code_of, cpu_classes, cuda_classes

PACKAGE = __name__.partition(".")[0]
SPARSE_LAYOUT = "torch.sparse_coo"


def _rebuild_tensor(storage, storage_offset, size, stride):
    """Return a tensor on a storage; with no dims, or a size of 0, the empty tensor.

    Raises RuntimeError where the tensor would reach beyond its storage: a file may say anything.
    """
    size, stride = tuple(size), tuple(stride)
    classes = cuda_classes() if getattr(storage, "is_cuda", False) else cpu_classes()
    cls = classes[_storage.dtype_of(storage)]
    if not size or 0 in size:
        return cls()
    if len(size) != len(stride) or storage_offset < 0 or min(size) < 0 or min(stride) < 0:
        raise RuntimeError("a tensor of size %s cannot have offset %s and strides %s" % (size, storage_offset, stride))
    last = storage_offset + sum((n - 1) * s for n, s in zip(size, stride))
    if last >= len(storage):
        raise RuntimeError("a tensor of size %s, strides %s and offset %d needs %d elements, but its storage has %d"
                           % (size, stride, storage_offset, last + 1, len(storage)))
    return cls().set_(storage, storage_offset, size, stride)


def _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None):
    """Return what today's PyTorch means: a tensor, or a Variable where it requires grad.

    There, no dims mean one element: that becomes a tensor of size (1,).
    """
    tensor = _rebuild_tensor(storage, storage_offset, tuple(size) or (1,), tuple(stride) or (1,))
    if not requires_grad:
        return tensor
    return _late("autograd.variable", "Variable")(tensor, requires_grad=True)


def _rebuild_sparse_tensor(layout, data):
    """Return what today's PyTorch means: a sparse tensor of (indices, values, size, perhaps whether coalesced)."""
    if layout != SPARSE_LAYOUT or code_of(data[1]) not in _sparse.classes():
        raise RuntimeError("the file holds a sparse tensor of layout %s with values of type %s, but there are only "
                           "those of coordinates, of types that have arithmetic" % (layout, data[1].type()))
    return _sparse.rebuilt(data[0], data[1], Size(data[2]), bool(data[3:] and data[3]))


def _rebuild_parameter(data, requires_grad, backward_hooks):
    """Return a Parameter on a tensor, as today's files write it."""
    data = data if isinstance(data, TensorBase) else data.data
    return _late("nn.parameter", "Parameter")(data, requires_grad=requires_grad)


def _late(module, name):
    """A class of a higher layer: only files that hold such values need it, and they name it."""
    return getattr(importlib.import_module("%s.%s" % (PACKAGE, module)), name)


def _accumulate(iterable, fn=operator.add):
    """Yield the running totals of some values."""
    return itertools.accumulate(iterable, fn)


def _flatten_tensors(tensors):
    """Return the elements of tensors of one type behind one another, as a new 1-D tensor."""
    flat = tensors[0].new(sum(tensor.numel() for tensor in tensors))
    for part, tensor in zip(_unflatten_tensors(flat, tensors), tensors):
        part.copy_(tensor)
    return flat


def _unflatten_tensors(flat, tensors):
    """Return the parts of such a tensor as views of the sizes of `tensors`, a tuple."""
    ends = list(_accumulate(tensor.numel() for tensor in tensors))
    return tuple(flat.narrow(0, end - tensor.numel(), tensor.numel()).view_as(tensor)
                 for tensor, end in zip(tensors, ends))
