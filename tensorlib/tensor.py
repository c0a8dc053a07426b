"""Tensors as Python sees them: construction, the default type, casts, copies, NumPy, pickling.

Arithmetic and the rest of the methods come from the table of operations (ops/). Memory is `_ops.tensor`.
"""
import copy as copying
import operator

from ._ops import shape as views
from ._ops import storage as storages
from ._ops import tensor as core
from ._ops.dispatch import DTYPE_NAMES
from ._ops.elementwise import Pointwise
from ._ops.engine import VariableBase
from ._ops.tensor import (ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor, ShortTensor,
                          Size, TensorBase)
from . import indexing
from .ops import _bind
from .ops import shape as rows
from .printing import set_printoptions, tensor_text
from .storage import CLASSES as STORAGE_CLASSES

__all__ = ["ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
           "Size", "TensorBase", "Tensor", "Storage", "arange", "eye", "from_dlpack", "from_numpy", "is_storage", "is_tensor", "linspace",
           "logspace", "ones", "range", "set_default_tensor_type", "set_printoptions", "tensor_classes", "typename",
           "zeros"]

CPU = core.cpu_classes()
CUDA = core.cuda_classes()
BY_NAME = {"tensorlib." + cls.__name__: cls for cls in CPU}
BY_NAME.update({"tensorlib.cuda." + cls.__name__.replace("Cuda", ""): cls for cls in CUDA})
# Scripts of the time name types by the package they were written for.
ALIASES = {name.replace("tensorlib", "torch", 1): cls for name, cls in BY_NAME.items()}
# NumPy's name of each element type; "char" and "half" arrays cannot be taken over, only given.
NUMPY_NAMES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
TAKEN_FROM_NUMPY = ("float64", "float32", "int64", "int32", "int16", "uint8")
NO_CUDA = "Torch not compiled with CUDA enabled"


def tensor_classes():
    """All tensor classes, those of the GPU too."""
    return CPU + CUDA


# ---- construction -------------------------------------------------------------------------------------

def construct(self, args, kwargs):
    """T(), T(sizes...), T(Size), T(tensor), T(storage), T(ndarray), T(sequence): see the class documentation."""
    code, on_gpu = core.code_of_class(type(self))
    if on_gpu:
        raise AssertionError(NO_CUDA)
    if kwargs:
        raise TypeError("%s constructor takes no keyword arguments, but got %s" % (full_name(self), ", ".join(kwargs)))
    if not args:
        core.init_empty(self, code, ())
        return
    first = args[0]
    if all(indexing.is_int(a) for a in args):
        construct_sizes(self, code, args)
    elif len(args) > 1:
        raise_constructor(self, args)
    elif isinstance(first, Size):
        construct_sizes(self, code, first)
    elif isinstance(first, TensorBase):
        if type(first) is not type(self):
            raise_constructor(self, args)
        core.init_empty(self, code, ())
        core.set_view(self, first)
    elif isinstance(first, storages.Storage):
        if storages.dtype_of(first) != code:
            raise_constructor(self, args)
        core.init_view(self, code, first, 0, (len(first),) if len(first) else ())
    elif isinstance(first, (VariableBase, str)) or not (hasattr(first, "__len__") and hasattr(first, "__getitem__")):
        raise_constructor(self, args) if not isinstance(first, VariableBase) else refuse_variable(first)
    elif type(first).__module__ == "numpy" and hasattr(first, "dtype"):
        construct_array(self, code, first)
    else:
        construct_sequence(self, code, first)


def full_name(x):
    """"tensorlib.FloatTensor" of a tensor or a class."""
    cls = x if isinstance(x, type) else type(x)
    return next((name for name, known in BY_NAME.items() if known is cls), cls.__module__ + "." + cls.__name__)


def refuse_variable(variable):
    raise RuntimeError("a tensor cannot be made of a Variable: take its .data, or use it as it is")


def raise_constructor(self, args):
    raise TypeError("%s constructor received an invalid combination of arguments - got (%s), but expected one of:\n"
                    " * no arguments\n * (int ...)\n * (Tensor viewed_tensor)\n * (Size size)\n * (Storage data)\n"
                    " * (Sequence data)" % (full_name(self), ", ".join(described(a) for a in args)))


def described(x):
    return full_name(x) if isinstance(x, TensorBase) else type(x).__name__


def construct_sizes(self, code, sizes):
    core.init_empty(self, code, [operator.index(n) for n in sizes])


def construct_array(self, code, array):
    """An array of exactly this type is shared; the numbers of another one are read one by one."""
    if array.dtype.name == NUMPY_NAMES[code] and array.dtype.name in TAKEN_FROM_NUMPY and array.ndim > 0 and array.size > 0:
        core.init_empty(self, code, ())
        core.set_view(self, from_array(array, code))
    else:
        construct_sequence(self, code, array.tolist() if array.dtype.name == "float64" else list(array))


def construct_sequence(self, code, sequence):
    sizes, level = [], sequence
    while hasattr(level, "__len__") and not isinstance(level, str):
        if len(level) == 0:
            if not sizes:
                core.init_empty(self, code, ())
                return
            raise RuntimeError("given sequence has an invalid size of dimension %d: 0" % (len(sizes) + 1))
        sizes.append(len(level))
        level = level[0]
    core.init_empty(self, code, sizes)
    core.fill_from_sequence(self, sequence)


class Default:
    """The class that `Tensor` and the functions without a tensor argument make."""

    tensor = FloatTensor
    listeners = []          # called with the class when it changes


def set_default_tensor_type(t):
    """Make `Tensor` and `Storage` another type; t is the name of a class, such as "tensorlib.DoubleTensor"."""
    if not isinstance(t, str):
        raise AttributeError("set_default_tensor_type takes the name of a type, but got %s" % type(t).__name__)
    if t not in BY_NAME and t not in ALIASES:
        known = t.startswith(("tensorlib.", "torch."))
        raise (AttributeError if known else ImportError)(
            "unknown tensor type %r, expected one of %s" % (t, ", ".join(sorted(BY_NAME)[:8])))
    Default.tensor = BY_NAME.get(t) or ALIASES[t]
    for listener in Default.listeners:
        listener(Default.tensor)


def default_storage():
    return STORAGE_CLASSES[core.code_of_class(Default.tensor)[0]]


Tensor = FloatTensor
Storage = STORAGE_CLASSES[6]


def target(out):
    return Default.tensor() if out is None else out


def sizes_of(sizes):
    """Ints, or one sequence of ints."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    if not sizes or not all(indexing.is_int(n) for n in sizes):
        raise TypeError("expected (int ... size), but got (%s)" % ", ".join(described(n) for n in sizes))
    return tuple([operator.index(n) for n in sizes])


def zeros(*sizes, out=None):
    """Return a tensor of zeros of the default type."""
    return core.fill_(core.resize_(target(out), sizes_of(sizes)), 0)


def ones(*sizes, out=None):
    """Return a tensor of ones of the default type."""
    return core.fill_(core.resize_(target(out), sizes_of(sizes)), 1)


def eye(n, m=None, *, out=None):
    """Return the n x m identity; m defaults to n."""
    if not indexing.is_int(n) or m is not None and not indexing.is_int(m):
        raise TypeError("eye expects (int n, int m), but got (%s, %s)" % (type(n).__name__, type(m).__name__))
    m = n if m is None or m <= 0 else m
    if n <= 0:
        raise RuntimeError("eye: n has to be positive, but it is %d" % n)
    result = core.fill_(core.resize_(target(out), (n, m)), 0)
    core.fill_(views_diagonal(result), 1)
    return result


def views_diagonal(matrix):
    """The main diagonal as a view."""
    n = min(matrix.size(0), matrix.size(1))
    return core.make_view(matrix.storage(), matrix.storage_offset(), (n,), (matrix.stride(0) + matrix.stride(1),))


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
    import warnings
    warnings.warn("range is deprecated in favor of arange and will be removed: it includes the end", UserWarning,
                  stacklevel=2)
    return ramp("range", start, end, step, out, True)


def ramp(name, start, end, step, out, closed):
    import math
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
    core.resize_(result, (n,) if n > 0 else ())
    return fill_ramp(result, start, step, n)


def fill_ramp(result, start, step, n):
    """start, start + step, ...: computed in float64, or exactly for ints."""
    dense = core.make_empty(4 if all(isinstance(v, int) for v in (start, step)) else 7, (n,) if n else ())
    if n:
        core.fill_from_sequence(dense, [start + i * step for i in builtins_range(n)])
        core.copy_(result, dense)
    return result


builtins_range = __builtins__["range"] if isinstance(__builtins__, dict) else __builtins__.range


def linspace(start, end, steps=100, *, out=None):
    """Return steps numbers from start to end, both included, evenly spaced."""
    check_numbers("linspace", "(float start, float end, int steps)", start, end, steps)
    if not indexing.is_int(steps):
        raise TypeError("linspace: steps has to be an int, but got %s" % type(steps).__name__)
    if steps < 1 or steps == 1 and start != end:
        raise RuntimeError("linspace: number of points is %d for the range %r to %r" % (steps, start, end))
    need_real("linspace", target(out))
    result = core.resize_(target(out), (steps,))
    gap = (end - start) / (steps - 1) if steps > 1 else 0
    return fill_ramp(result, float(start), gap, steps)


def need_real(name, result):
    if core.code_of(result) < 6:
        raise TypeError("Type %s doesn't implement stateless method %s" % (full_name(result), name))


def logspace(start, end, steps=100, *, out=None):
    """Return 10 to the power of linspace(start, end, steps)."""
    result = linspace(start, end, steps, out=out)
    core.copy_(result, Pointwise("pow", 2)(10.0, result.double()))
    return result


def is_tensor(obj):
    """Tell whether obj is a tensor; a Variable is not."""
    return isinstance(obj, TensorBase)


def is_storage(obj):
    """Tell whether obj is a storage."""
    return isinstance(obj, storages.Storage)


def typename(o):
    """Return module and class name of an object, "tensorlib.FloatTensor" for a tensor."""
    if isinstance(o, TensorBase):
        return full_name(o)
    cls = o if isinstance(o, type) else type(o)
    module = getattr(o, "__module__", None) or cls.__module__
    name = getattr(o, "__qualname__", None) or getattr(o, "__name__", None) or cls.__name__
    return name if module in (None, "builtins") else module + "." + name


# ---- NumPy --------------------------------------------------------------------------------------------

class ArrayOwner:
    """Keeps an array alive whose memory a storage uses."""

    def __init__(self, array):
        self.array = array


def from_numpy(array):
    """Return a tensor that shares memory with an array of float64, float32, int64, int32, int16 or uint8.

    Raises: RuntimeError for other types, a dim of size 0, or negative strides.
    """
    if not (type(array).__module__ == "numpy" or hasattr(array, "__array_interface__")) or not hasattr(array, "strides"):
        raise RuntimeError("expected a numpy.ndarray, but got %s" % type(array).__name__)
    if array.dtype.name not in TAKEN_FROM_NUMPY or not array.dtype.isnative:
        raise RuntimeError("can't convert a given numpy.ndarray to a tensor - it has an invalid type %s. The only supported "
                           "types are: %s." % (array.dtype, ", ".join(TAKEN_FROM_NUMPY)))
    if array.ndim == 0 or 0 in array.shape:
        raise RuntimeError("the given numpy.ndarray has zero-sized dimensions. zero-sized dimensions are not supported: "
                           "its shape is %s" % (array.shape,))
    return from_array(array, NUMPY_NAMES.index(array.dtype.name))


def from_array(array, code):
    """A tensor on an array's memory; the storage begins at its first element and cannot be resized."""
    item = array.itemsize
    if any(s < 0 for s in array.strides):
        raise RuntimeError("some of the strides of a given numpy array are negative. This is currently not supported, but "
                           "will be added in future releases: strides %s" % (array.strides,))
    if any(s % item for s in array.strides):
        raise RuntimeError("the strides %s of the array are no multiples of its element size %d" % (array.strides, item))
    strides = [s // item for s in array.strides]
    room = 1 + sum((n - 1) * s for n, s in zip(array.shape, strides))
    address = array.__array_interface__["data"][0]
    storage = storages.foreign(code, address, room, ArrayOwner(array))
    return core.make_view(storage, 0, array.shape, strides)


def from_dlpack(obj):
    """Return a tensor that shares the CPU memory of an object with the DLPack protocol."""
    import numpy
    return from_numpy(numpy.from_dlpack(obj))


class ArrayInterface:
    """Lets NumPy see the memory of a tensor, and keeps the tensor alive."""

    def __init__(self, tensor):
        code = core.code_of(tensor)
        item = tensor.element_size()
        self.tensor = tensor
        self.__array_interface__ = {
            "version": 3, "typestr": NUMPY_TYPES[code], "data": (tensor.data_ptr(), False),
            "shape": tuple(tensor.size()), "strides": tuple(s * item for s in tensor.stride())}


NUMPY_TYPES = ("|u1", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8")


def as_array(tensor, dtype=None, copy=None):
    import numpy
    if tensor.is_cuda:
        raise RuntimeError("can't convert a GPU tensor to an array; copy it to the CPU first: cpu()")
    if tensor.numel() == 0:
        array = numpy.empty((0,), NUMPY_NAMES[core.code_of(tensor)])
    else:
        array = numpy.asarray(ArrayInterface(tensor))
        storages.pin_size(tensor.storage())
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


# ---- methods ------------------------------------------------------------------------------------------

class Methods:
    """Methods of all tensor types that are no operations of the table; moved into the classes below."""

    __array_priority__ = 1000       # so that NumPy's scalars leave arithmetic to us

    def __array_wrap__(self, array, context=None, return_scalar=False):
        """What NumPy's functions make of a tensor is a tensor again, where there is a type for it."""
        if array.dtype.name == "bool":
            array = array.astype("uint8")
        return from_numpy(array) if array.ndim and array.dtype.name in TAKEN_FROM_NUMPY else array

    def numpy(self):
        """Return an ndarray that shares memory; the tensor cannot be resized any more."""
        return as_array(self)

    def tolist(self):
        """Return a nested list of Python numbers."""
        return core.to_list(self)

    def item(self):
        """Return the number of a tensor of one element."""
        if self.numel() != 1:
            raise ValueError("only tensors of one element can become a number, but the size is %s" % (tuple(self.size()),))
        return core.get_item(self)

    def type(self, new_type=None, non_blocking=False, **kwargs):
        """Return the name of the type; or cast to a type given as class or name, self if it has that type."""
        if new_type is None:
            return full_name(self)
        return cast(self, class_of(new_type))

    def type_as(self, tensor):
        """Cast to the type of another tensor."""
        return cast(self, type(tensor))

    def new(self, *args):
        """Return a tensor of the same type; takes what the constructor takes."""
        return type(self)(*args)

    def cpu(self):
        """Return self, or a copy on the CPU."""
        return cast(self, CPU[core.code_of(self)])

    def cuda(self, device=None, non_blocking=False, **kwargs):
        """Return a copy on a GPU."""
        return cuda_copy(self, device)

    def pin_memory(self):
        """Return a copy in page-locked memory; needs CUDA."""
        raise AssertionError(NO_CUDA)

    def is_pinned(self):
        """Tell whether the storage is page-locked."""
        return self.storage().is_pinned()

    def is_shared(self):
        """Tell whether the storage is in shared memory."""
        return self.is_cuda or self.storage().is_shared()

    def share_memory_(self):
        """Move the storage to shared memory; returns self."""
        self.storage().share_memory_()
        return self

    def is_signed(self):
        """Tell whether the type has negative numbers. False for CharTensor, as in the original."""
        return core.code_of(self) not in (0, 1)

    @classmethod
    def storage_type(cls):
        """Return the class of the storage."""
        return STORAGE_CLASSES[core.code_of_class(cls)[0]]

    def is_set_to(self, tensor):
        """Tell whether both are the same view of the same storage."""
        need_tensor("is_set_to", self, tensor)
        return (self.storage() is tensor.storage() and self.storage_offset() == tensor.storage_offset()
                and self.size() == tensor.size() and self.stride() == tensor.stride())

    def is_same_size(self, other):
        """Tell whether both have the same sizes."""
        need_tensor("is_same_size", self, other, same_type=False)
        return self.size() == other.size()

    def index(self, key):
        """Return self[key]; one element as a tensor of size (1,)."""
        part = self[key]
        return part if isinstance(part, TensorBase) else self.new([part])

    def view_as(self, tensor):
        """View with the size of another tensor."""
        return self.view(tensor.size())

    def expand_as(self, tensor):
        """Expand to the size of another tensor."""
        return self.expand(tensor.size())

    def select(self, dim, index):
        """Return one position of a dim, that dim removed; of a 1-D tensor, a number."""
        for value in (dim, index):
            if not indexing.is_int(value):
                raise TypeError("select received an invalid combination of arguments - got (%s, %s), but expected "
                                "(int dim, int index)" % (described(dim), described(index)))
        if self.dim() == 0:
            raise RuntimeError("select() expects a tensor with dimensions, but got an empty one")
        try:
            view = views.select(self, dim, index)
        except IndexError as error:
            raise RuntimeError(str(error)) from None
        return core.get_item(view) if self.dim() == 1 else view

    def copy_(self, src, non_blocking=False, broadcast=True, **kwargs):
        """Copy the values of src, casting them; broadcasts unless broadcast=False. Returns self."""
        if not isinstance(src, TensorBase):
            raise RuntimeError("copy from %s to %s isn't implemented" % (described(src), full_name(self)))
        return copy_into(self, src, broadcast)

    def fill_(self, value):
        """Set every element; returns self."""
        if isinstance(value, VariableBase) or not isinstance(value, (int, float)) and not hasattr(value, "__float__"):
            raise TypeError("fill_ received an invalid combination of arguments - got (%s), but expected (%s value)"
                            % (described(value), "float" if core.code_of(self) > 4 else "int"))
        return core.fill_(self, value)

    def zero_(self):
        """Set every element to 0; returns self."""
        return core.fill_(self, 0)

    def resize_(self, *sizes):
        """Change the sizes; the storage grows if needed, new elements are uninitialised. Returns self."""
        return core.resize_(self, sizes_of(sizes))

    def resize_as_(self, the_template):
        """resize_ to the size of another tensor; returns self."""
        need_tensor("resize_as_", self, the_template)
        return core.resize_(self, the_template.size())

    def set_(self, source=None, storage_offset=None, size=None, stride=None):
        """Make self a view of another tensor, or of a storage (with offset, sizes and strides); returns self."""
        return set_source(self, source, storage_offset, size, stride)

    def t_(self):
        """In place: t."""
        return core.set_view(self, views.t(self))

    def transpose_(self, dim0, dim1):
        """In place: transpose."""
        return core.set_view(self, views.transpose(self, dim0, dim1))

    def squeeze_(self, dim=None):
        """In place: squeeze."""
        return core.set_view(self, views.squeeze(self, dim))

    def unsqueeze_(self, dim):
        """In place: unsqueeze."""
        return core.set_view(self, views.unsqueeze(self, dim))

    def apply_(self, callable):
        """Replace each element by callable(element); slow. Returns self."""
        need_callable(callable)
        return set_values(self, [callable(x) for x in flat(self)])

    def map_(self, tensor, callable):
        """self[i] = callable(self[i], tensor[i]); slow. Returns self."""
        if type(tensor) is not type(self):
            raise TypeError("argument 1 must be %s, not %s" % (full_name(self), described(tensor)))
        need_callable(callable)
        other = flat(self.new().resize_as_(self).copy_(tensor))
        return set_values(self, [callable(x, y) for x, y in zip(flat(self), other)])

    def map2_(self, x, y, callable):
        """self[i] = callable(self[i], x[i], y[i]); slow. Returns self."""
        need_callable(callable)
        a, b = flat(views.expand(x, self.size())), flat(views.expand(y, self.size()))
        return set_values(self, [callable(*values) for values in zip(flat(self), a, b)])

    def get_device(self):
        """Return the number of the GPU."""
        if not self.is_cuda:
            raise AttributeError("'%s' object has no attribute 'get_device': it is on the CPU" % full_name(self))
        return storages.device_of(self.storage())

    def __dir__(self):
        return sorted(name for cls in type(self).__mro__ for name in vars(cls))

    def __dlpack__(self, **kwargs):
        """Hand the memory over to another library (DLPack protocol)."""
        return as_array(self).__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return (1, 0)

    def __setstate__(self, state):
        setstate(self, state)


def need_callable(function):
    if not callable(function):
        raise RuntimeError("apply requires a callable as its first argument, but got %s" % type(function).__name__)


def cuda_copy(tensor, device):
    raise AssertionError(NO_CUDA)


def need_tensor(name, self, other, same_type=True):
    if not isinstance(other, TensorBase) or same_type and type(other) is not type(self):
        raise TypeError("%s received an invalid combination of arguments - got (%s), but expected (%s)"
                        % (name, described(other), full_name(self)))


def class_of(t):
    """The tensor class of a class or a name."""
    if isinstance(t, str):
        if t not in BY_NAME and t not in ALIASES:
            raise RuntimeError("invalid type: %r" % t)
        return BY_NAME.get(t) or ALIASES[t]
    if isinstance(t, type) and issubclass(t, TensorBase):
        return t
    raise RuntimeError("expected a tensor class or its name, but got %r" % (t,))


def cast(tensor, cls):
    """A tensor as another type, on another device where the class is of one; itself where it is that."""
    code, on_gpu = core.code_of_class(cls)
    if on_gpu != tensor.is_cuda:
        tensor = cuda_copy(tensor, None) if on_gpu else hooks_cpu(tensor)
    return views.cast(tensor, code)


def hooks_cpu(tensor):
    raise AssertionError(NO_CUDA)


def copy_into(dst, src, broadcast=True):
    """Copy with broadcasting; where sizes do not broadcast, element by element if there are as many."""
    if src.size() != dst.size() and broadcast and src.dim() > 0:
        try:
            src = views.expand(src, dst.size())
        except RuntimeError:
            if src.numel() != dst.numel():
                raise RuntimeError(
                    "inconsistent tensor size, expected tensor [%s] and src [%s] to have the same number of elements, but "
                    "got %d and %d elements respectively" % (size_text(dst), size_text(src), dst.numel(), src.numel())
                ) from None
            import warnings
            warnings.warn("src is not broadcastable to dst, but they have the same number of elements. Falling back to "
                          "deprecated pointwise behavior.", UserWarning, stacklevel=3)
    return core.copy_(dst, src)


def size_text(tensor):
    return " x ".join([str(n) for n in tensor.size()])


def flat(tensor):
    return core.to_list(core.make_contiguous(tensor).view(-1)) if tensor.numel() else []


def set_values(tensor, values):
    """Write a list of numbers in order of the elements."""
    if values:
        core.copy_(tensor, type(tensor)(values))
    return tensor


def set_source(self, source, offset, size, stride):
    """The forms of set_."""
    if source is None:
        return core.set_view(self, type(self)())
    if isinstance(source, TensorBase) and type(source) is type(self) and offset is None:
        return core.set_view(self, source)
    code = core.code_of(self)
    if isinstance(source, storages.Storage) and storages.dtype_of(source) == code:
        if offset is None:
            core.init_view(self, code, source, 0, (len(source),) if len(source) else ())
            return self
        if isinstance(offset, int) and isinstance(size, (tuple, list)) and (stride is None or isinstance(stride, (tuple, list))):
            core.init_view(self, code, source, offset, size, stride)
            return self
    given = [described(x) for x in (source, offset, size, stride) if x is not None]
    raise TypeError("set_ received an invalid combination of arguments - got (%s), but expected one of:\n * no arguments\n"
                    " * (Tensor source)\n * (Storage storage)\n * (Storage sourceStorage, int storage_offset, Size size, "
                    "tuple stride)" % ", ".join(given))


# ---- copying and pickling -----------------------------------------------------------------------------

def deepcopy(self, memo):
    """A copy; tensors that share a storage share its copy."""
    if id(self) in memo:
        return memo[id(self)]
    storage = copying.deepcopy(self.storage(), memo)
    memo[id(self)] = core.make_view(storage, self.storage_offset(), self.size(), self.stride())
    return memo[id(self)]


def reduce(self):
    return type(self), (), (self.storage(), self.storage_offset(), tuple(self.size()), self.stride())


def setstate(self, state):
    self.set_(*state)


def contains(self, value):
    """Whether some element equals value."""
    return any(bool(x == value) for x in self)


def matmul(self, other):
    if not isinstance(other, TensorBase):
        return NotImplemented
    return self.matmul(other)


def negative(self):
    if not hasattr(self, "neg"):
        raise AttributeError("%s has no unary minus: integer tensors have no neg" % full_name(self))
    return self.neg()


def invert(self):
    if type(self) is not ByteTensor:
        raise RuntimeError("~ (operator.invert) is only implemented on byte tensors, not on %s" % full_name(self))
    return 1 - self


for _name, _hook in dict(construct=construct, getitem=indexing.getitem, setitem=indexing.setitem, repr=tensor_text,
                         contains=contains, reduce=reduce, setstate=setstate, deepcopy=deepcopy, array=as_array, neg=negative,
                         invert=invert, matmul=matmul).items():
    core.set_hook(_name, _hook)
for _name, _method in vars(Methods).items():
    if not _name.startswith("__") or _name in ("__array_priority__", "__array_wrap__", "__dir__", "__dlpack__", "__dlpack_device__"):
        core.set_attribute(TensorBase, _name, _method)


def caster(code):
    """A method that casts to one type."""
    def method(self):
        return views.cast(self, code)
    method.__doc__ = "Cast to %sTensor." % DTYPE_NAMES[code]
    return method


for _code, _name in enumerate(DTYPE_NAMES):
    core.set_attribute(TensorBase, _name.lower(), caster(_code))
core.set_attribute(TensorBase, "is_sparse", False)
_bind.bind_tensors()
del rows
