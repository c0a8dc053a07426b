"""Tensors as Python sees them: the methods that are no operations of the table, casts, copies, pickling.

Arithmetic and the other methods come from the table (ops/); construction, factories and NumPy have files of their own.
"""
import copy
import warnings

from . import indexing
from ._arrays import TAKEN_FROM_NUMPY, as_array, from_dlpack, from_numpy
from ._construct import construct
from ._factories import arange, eye, linspace, logspace, ones, range, sizes_of, target, zero, zeros  # noqa: F401
from ._ops import copying, making, sequences
from ._ops import shape as views
from ._ops import storage as storages
from ._ops import tensor as core
from ._ops.array import to_array
from ._ops.dispatch import DTYPE_NAMES
from ._ops.variable import VariableBase
from ._ops.tensor import (ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor,
                          ShortTensor, Size, TensorBase)
from ._types import (Default, FatalError, class_of, described, full_name, is_storage, is_tensor,  # noqa: F401
                     set_default_tensor_type, tensor_classes, typename)
from ._utils import _rebuild_tensor
from .ops import _bind
from .printing import set_printoptions, tensor_html, tensor_text
from .storage import CLASSES as STORAGE_CLASSES

__all__ = ["ByteTensor", "CharTensor", "DoubleTensor", "FatalError", "FloatTensor", "HalfTensor", "IntTensor",
           "LongTensor", "ShortTensor", "Size", "Storage", "Tensor", "TensorBase", "arange", "eye", "from_dlpack",
           "from_numpy", "is_storage", "is_tensor", "linspace", "logspace", "ones", "range", "set_default_tensor_type",
           "set_printoptions", "tensor_classes", "typename", "zero", "zeros"]

Tensor = FloatTensor
Storage = STORAGE_CLASSES[6]


class Methods:
    """Methods of all tensor types that are no operations of the table; moved into the classes below."""

    __array_priority__ = 1000       # so that NumPy's scalars leave arithmetic to us

    def __array_wrap__(self, array, context=None, return_scalar=False):
        """What NumPy's functions make of a tensor is a tensor again, where there is a type for it."""
        if array.dtype.name == "bool":
            array = array.astype("uint8")
        return from_numpy(array) if array.ndim and array.dtype.name in TAKEN_FROM_NUMPY else array

    @property
    def data(self):
        """Tensors have no data: Variables do."""
        raise RuntimeError("cannot call .data on a %s: did you intend to use autograd.Variable?" % self.type())

    def _repr_html_(self):
        """Return what a notebook shows: a table of a vector or matrix."""
        return tensor_html(self)

    def numpy(self):
        """Return an ndarray that shares memory; the tensor cannot be resized any more."""
        array = to_array(self)
        return as_array(self) if array is None else array

    def type(self, new_type=None, non_blocking=False, **kwargs):
        """Return the name of the type; or cast to a type given as class or name, self if it has that type."""
        if new_type is None:
            return full_name(self)
        return cast(self, class_of(new_type), asynchronous(non_blocking, kwargs))

    def type_as(self, tensor):
        """Cast to the type of another tensor."""
        return self if type(tensor) is type(self) else cast(self, type(tensor))

    new, zero_ = making.new, copying.zero_

    def cpu(self):
        """Return self, or a copy on the CPU."""
        return views.moved(self, -1)

    def cuda(self, device=None, non_blocking=False, **kwargs):
        """Return a copy on a GPU, the current one unless given; self where it lies there.

        Args:
            device (int, optional): the GPU. non_blocking: whether a copy from page-locked memory may go on after the
                call returns; `async` in the code of the time.
        """
        device = storages.current_gpu() if device is None else device
        return views.moved(self, device, asynchronous(non_blocking, kwargs))

    def pin_memory(self):
        """Return a copy in page-locked memory, which a GPU reads faster; self where it lies there."""
        if self.is_cuda:
            raise TypeError("cannot pin '%s' only CPU memory can be pinned" % self.type())
        storage = self.storage().pin_memory()
        return making.make_view(storage, self.storage_offset(), self.size(), self.stride())

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
        return storages.class_of(*core.code_of_class(cls))

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
        if not kwargs and copying.copied_alike(self, src):
            return self
        if not isinstance(src, TensorBase) or src.is_sparse:
            raise RuntimeError("copy from %s to %s isn't implemented" % (described(src), full_name(self)))
        if asynchronous(non_blocking, kwargs) and src.is_cuda != self.is_cuda and src.size() == self.size():
            storages.gpu_backend().copy_across(self, src, True)
            return self
        return copy_into(self, src, broadcast)

    def fill_(self, value):
        """Set every element; returns self."""
        if isinstance(value, VariableBase) or not isinstance(value, (int, float)) and not hasattr(value, "__float__"):
            raise TypeError("fill_ received an invalid combination of arguments - got (%s), but expected (%s value)"
                            % (described(value), "float" if core.code_of(self) > 4 else "int"))
        return copying.fill_(self, value)

    def resize_(self, *sizes, size=None):
        """Change the sizes; the storage grows if needed, new elements are uninitialised. Returns self."""
        return making.resize_(self, sizes_of(sizes, size))

    def resize_as_(self, the_template):
        """resize_ to the size of another tensor; returns self."""
        need_tensor("resize_as_", self, the_template)
        return making.resize_(self, the_template.size())

    def set_(self, source=None, storage_offset=None, size=None, stride=None, *, storage=None, sourceStorage=None):
        """Make self a view of another tensor, or of a storage (with offset, sizes and strides); returns self."""
        given = [x for x in (source, storage, sourceStorage) if x is not None]
        if len(given) > 1:
            raise TypeError("set_ takes one source, but got %d" % len(given))
        return set_source(self, given[0] if given else None, storage_offset, size, stride)

    def apply_(self, fn):
        """Replace each element by fn(element); slow. Returns self."""
        need_callable(fn)
        return set_values(self, [fn(x) for x in flat(self)])

    def map_(self, tensor, fn):
        """self[i] = fn(self[i], tensor[i]); slow. Returns self."""
        need_same_type(self, tensor)
        need_callable(fn)
        other = flat(self.new().resize_as_(self).copy_(tensor))
        return set_values(self, [fn(x, y) for x, y in zip(flat(self), other)])

    def map2_(self, x, y, fn):
        """self[i] = fn(self[i], x[i], y[i]); slow. Returns self."""
        need_same_type(self, x, y)
        need_callable(fn)
        a, b = flat(views.expand(x, self.size())), flat(views.expand(y, self.size()))
        return set_values(self, [fn(*values) for values in zip(flat(self), a, b)])

    def get_device(self):
        """Return the number of the GPU."""
        if not self.is_cuda:
            raise AttributeError("'%s' object has no attribute 'get_device': it is on the CPU" % full_name(self))
        return core.device_of(self)

    def record_stream(self, stream):
        """Tell the allocator that another stream uses the memory too: it is not handed out again before that is done.

        Args:
            stream (cuda.Stream): where work on the tensor was or is going to be queued; it was made on another one.
        """
        if not self.is_cuda:
            raise AttributeError("'%s' object has no attribute 'record_stream': it is on the CPU" % full_name(self))
        storages.gpu_backend().record_stream(self, stream)

    def __dir__(self):
        return sorted(name for cls in type(self).__mro__ for name in vars(cls))

    def __dlpack__(self, **kwargs):
        """Hand the memory over to another library (DLPack protocol); CPU tensors only."""
        return as_array(self).__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return (1, 0)

    def __getstate__(self):
        return self.storage(), self.storage_offset(), tuple(self.size()), self.stride()

    def __setstate__(self, state):
        setstate(self, state)

    def __reduce__(self):
        return reduce(self)


def need_callable(function):
    if not callable(function):
        raise RuntimeError("apply requires a callable as its first argument, but got %s" % type(function).__name__)


def need_same_type(self, *others):
    for number, other in enumerate(others, 1):
        if type(other) is not type(self):
            raise TypeError("argument %d must be %s, not %s" % (number, full_name(self), described(other)))


def asynchronous(non_blocking, kwargs):
    """Whether a copy may go on after the call: `async`, the name of the time, is a keyword of Python today."""
    unknown = set(kwargs) - {"async"}
    if unknown:
        raise TypeError("unexpected keyword argument %r" % sorted(unknown)[0])
    return bool(non_blocking or kwargs.get("async"))


def need_tensor(name, self, other, same_type=True):
    if not isinstance(other, TensorBase) or same_type and type(other) is not type(self):
        raise TypeError("%s received an invalid combination of arguments - got (%s), but expected (%s)"
                        % (name, described(other), full_name(self)))


def cast(tensor, cls, non_blocking=False):
    """A tensor as another type, on another device where the class is of one; itself where it is that."""
    code, on_gpu = core.code_of_class(cls)
    if on_gpu != tensor.is_cuda:
        tensor = views.moved(tensor, storages.current_gpu() if on_gpu else -1, non_blocking)
    return views.cast(tensor, code)


def copy_into(dst, src, broadcast=True):
    """Copy with broadcasting; where sizes do not broadcast, element by element if there are as many."""
    if src.size() != dst.size() and broadcast and src.dim() > 0:
        try:
            src = views.expand(src, dst.size())
        except RuntimeError:
            if src.numel() != dst.numel():
                raise RuntimeError(
                    "inconsistent tensor size, expected tensor [%s] and src [%s] to have the same number of elements, "
                    "but got %d and %d elements respectively"
                    % (size_text(dst), size_text(src), dst.numel(), src.numel())
                ) from None
            warnings.warn("src is not broadcastable to dst, but they have the same number of elements. Falling back to "
                          "deprecated pointwise behavior.", UserWarning, stacklevel=3)
    return copying.copy_(dst, src)


def size_text(tensor):
    return " x ".join([str(n) for n in tensor.size()])


def flat(tensor):
    return sequences.to_list(copying.make_contiguous(tensor).view(-1)) if tensor.numel() else []


def set_values(tensor, values):
    """Write a list of numbers in order of the elements."""
    if values:
        copying.copy_(tensor, type(tensor)(values))
    return tensor


def set_source(self, source, offset, size, stride):
    """The forms of set_."""
    if source is None:
        return making.set_view(self, type(self)())
    if isinstance(source, TensorBase) and type(source) is type(self) and offset is None:
        return making.set_view(self, source)
    code = core.code_of(self)
    if isinstance(source, storages.Storage) and storages.dtype_of(source) == code:
        if offset is None:
            making.init_view(self, code, source, 0, (len(source),) if len(source) else ())
            return self
        if (indexing.is_int(offset) and isinstance(size, (tuple, list))
                and (stride is None or isinstance(stride, (tuple, list)))):
            making.init_view(self, code, source, offset, size, stride)
            return self
    given = [described(x) for x in (source, offset, size, stride) if x is not None]
    raise TypeError("set_ received an invalid combination of arguments - got (%s), but expected one of:\n * no "
                    "arguments\n * (Tensor source)\n * (Storage storage)\n * (Storage sourceStorage, int "
                    "storage_offset, Size size, tuple stride)" % ", ".join(given))


# ---- copying and pickling -----------------------------------------------------------------------------

def deepcopy(self, memo):
    """A copy; tensors that share a storage share its copy."""
    if id(self) in memo:
        return memo[id(self)]
    storage = copy.deepcopy(self.storage(), memo)
    place = self.storage_offset(), self.size(), self.stride()
    made = making.make_view(storage, *place)
    if type(made) is not type(self):        # a class that a user derived
        made = type(self).__new__(type(self))
        making.init_view(made, core.code_of(self), storage, *place)
    memo[id(self)] = made
    if hasattr(self, "__dict__"):
        vars(made).update(copy.deepcopy(vars(self), memo))
    return made


def reduce(self):
    place = self.__getstate__()
    if type(self) is type(making.make_view(*place)):
        return _rebuild_tensor, place
    return type(self), (), place            # a class that a user derived: setstate puts it on the storage


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
    if core.code_of(self) != 0:
        raise RuntimeError("~ (operator.invert) is only implemented on byte tensors, not on %s" % full_name(self))
    return 1 - self


PROTOCOLS = ("__array_priority__", "__array_wrap__", "__dir__", "__dlpack__", "__dlpack_device__", "__getstate__",
             "__reduce__")
for _name, _hook in dict(construct=construct, getitem=views.getitem, setitem=views.setitem, repr=tensor_text,
                         getitem_by_others=indexing.getitem, setitem_by_others=indexing.setitem, contains=contains,
                         reduce=reduce, setstate=setstate, deepcopy=deepcopy, array=as_array, neg=negative,
                         invert=invert, matmul=matmul, tolist=sequences.to_list).items():
    core.set_hook(_name, _hook)
for _name, _method in vars(Methods).items():
    if hasattr(_method, "__code__"):
        _method.__qualname__ = _name        # for messages: the class here is no concern of users
    if not _name.startswith("__") or _name in PROTOCOLS:
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
for _class in core.cpu_classes():
    core.set_attribute(_class, "is_cuda", False)        # of the class too, as torch.FloatTensor.is_cuda
_bind.bind_tensors()
