"""What a tensor type makes of its arguments: sizes, another tensor, a storage, an array, a nested sequence."""
import operator

from . import indexing
from ._arrays import NUMPY_NAMES, TAKEN_FROM_NUMPY, from_array
from ._ops import making, sequences
from ._ops import storage as storages
from ._ops import tensor as core
from ._ops.variable import VariableBase
from ._ops.tensor import Size, TensorBase
from ._types import described, full_name

MAX_DIMS = 16


def construct(self, args, kwargs):
    """T(), T(sizes...), T(Size), T(tensor), T(storage), T(ndarray), T(sequence): see the class documentation."""
    if making.constructed(self, args, kwargs):
        return
    code, on_gpu = core.code_of_class(type(self))
    if on_gpu:
        construct_on_gpu(self, code, args, kwargs)
        return
    if kwargs:
        raise TypeError("%s constructor takes no keyword arguments, but got %s" % (full_name(self), ", ".join(kwargs)))
    if not args:
        making.init_empty(self, code, ())
        return
    first = args[0]
    if all(indexing.is_int(a) for a in args):
        construct_sizes(self, code, args)
    elif len(args) > 1:
        raise_constructor(self, args)
    elif isinstance(first, Size):
        construct_sizes(self, code, first)
    elif isinstance(first, TensorBase):
        if core.code_of(first) != code or first.is_cuda or first.is_sparse:
            raise_constructor(self, args)
        making.init_empty(self, code, ())
        making.set_view(self, first)
    elif isinstance(first, storages.Storage):
        if storages.dtype_of(first) != code:
            raise_constructor(self, args)
        making.init_view(self, code, first, 0, (len(first),) if len(first) else ())
    elif isinstance(first, VariableBase):
        raise RuntimeError("a tensor cannot be made of a Variable: take its .data, or use it as it is")
    elif isinstance(first, str):
        raise RuntimeError("a tensor cannot be made of the string %r: its items are strings again, without end" % first)
    elif isinstance(first, dict) or not (hasattr(first, "__len__") and hasattr(first, "__getitem__")):
        raise_constructor(self, args)
    elif type(first).__module__ == "numpy" and hasattr(first, "dtype"):
        construct_array(self, code, first)
    else:
        construct_sequence(self, code, first)


def construct_on_gpu(self, code, args, kwargs):
    """The same on a GPU: the current one, or that of device=."""
    device = kwargs.pop("device", None)
    if kwargs:
        raise TypeError("%s constructor got an unexpected keyword argument %r" % (full_name(self), min(kwargs)))
    device = storages.current_gpu() if device is None or device < 0 else device
    first = args[0] if args else None
    if not args or all(indexing.is_int(a) for a in args) or len(args) == 1 and isinstance(first, Size):
        sizes = first if isinstance(first, Size) else args
        making.init_empty(self, code, [operator.index(n) for n in sizes], device)
    elif len(args) == 1 and isinstance(first, TensorBase):
        if type(first) is not type(self):
            raise_constructor(self, args)
        making.set_view(self, first)
    elif len(args) == 1 and isinstance(first, storages.Storage):
        if storages.dtype_of(first) != code or storages.device_of(first) < 0:
            raise_constructor(self, args)
        making.init_view(self, code, first, 0, (len(first),) if len(first) else ())
    else:
        built = core.cpu_classes()[code](*args)
        made = core.make_empty(code, built.size(), device)
        making.set_view(self, made)
        storages.gpu_backend().copy_across(made, built)


def raise_constructor(self, args):
    raise TypeError("%s constructor received an invalid combination of arguments - got (%s), but expected one of:\n"
                    " * no arguments\n * (int ...)\n * (Tensor viewed_tensor)\n * (Size size)\n * (Storage data)\n"
                    " * (Sequence data)" % (full_name(self), ", ".join(described(a) for a in args)))


def construct_sizes(self, code, sizes):
    making.init_empty(self, code, [operator.index(n) for n in sizes])


def construct_array(self, code, array):
    """An array of exactly this type is shared; the numbers of another one are read one by one."""
    name = array.dtype.name
    if name == NUMPY_NAMES[code] and name in TAKEN_FROM_NUMPY and array.dtype.isnative and array.size > 0 < array.ndim:
        making.init_empty(self, code, ())
        making.set_view(self, from_array(array, code))
    else:
        construct_sequence(self, code, array.tolist() if name == "float64" else list(array))


def construct_sequence(self, code, sequence):
    sizes, level = [], sequence
    while hasattr(level, "__len__") and not isinstance(level, str):
        if len(level) == 0:
            if not sizes:
                making.init_empty(self, code, ())
                return
            raise RuntimeError("given sequence has an invalid size of dimension %d: 0" % (len(sizes) + 1))
        sizes.append(len(level))
        if len(sizes) > MAX_DIMS:
            raise RuntimeError("a tensor has at most %d dims, but the sequence is nested deeper" % MAX_DIMS)
        level = level[0]
    making.init_empty(self, code, sizes)
    sequences.fill_from_sequence(self, sequence)
