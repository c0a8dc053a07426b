"""Storages as Python sees them: construction, indexing, copies, casts, shared memory. The memory is `_ops.storage`."""
import sys

from ._ops import storage as core
from ._ops.dispatch import DTYPE_NAMES
from ._ops.copying import copy_, fill_
from ._ops.sequences import fill_from_sequence, to_list
from ._ops.making import make_view
from .printing import storage_text

CLASSES = tuple(core.class_of(code) for code in range(len(DTYPE_NAMES)))
GPU_CLASSES = tuple(core.class_of(code, True) for code in range(len(DTYPE_NAMES)))
BY_NAME = {package + cls.__name__: cls for package in ("tensorlib.", "torch.") for cls in CLASSES}
BY_NAME.update({package + cls.__name__: cls for package in ("tensorlib.cuda.", "torch.cuda.") for cls in GPU_CLASSES})
ITEM_FORMATS = "BbhiqHfd"       # of the struct module, by element type


def as_tensor(storage):
    """A 1-D tensor on the whole storage."""
    return make_view(storage, 0, (len(storage),) if len(storage) else ())


def construct(self, args):
    """S(), S(size), S(sequence), S(storage, offset=0, size=rest): the last one is a view."""
    device = core.current_gpu() if core.is_gpu_class(type(self)) else -1
    if not args:
        core.init(self, 0, device)
    elif len(args) == 1 and isinstance(args[0], int) and not isinstance(args[0], bool):
        core.init(self, args[0], device)
    elif isinstance(args[0], core.Storage) and all(isinstance(a, int) for a in args[1:]) and len(args) <= 3:
        construct_view(self, *args)
    elif len(args) == 1 and hasattr(args[0], "__len__") and hasattr(args[0], "__iter__"):
        construct_from_sequence(self, args[0], device)
    else:
        raise TypeError("%s constructor received an invalid combination of arguments - got (%s), but expected one of:\n"
                        " * no arguments\n * (int size)\n * (Sequence data)\n * (Storage view_source, int offset, "
                        "int size)" % (type(self).__name__, ", ".join(type(a).__name__ for a in args)))


def construct_view(self, base, offset=0, size=None):
    if type(base) is not type(self):
        raise TypeError("%s cannot be a view of a %s" % (type(self).__name__, type(base).__name__))
    size = len(base) - offset if size is None else size
    if offset < 0 or size < 0 or offset + size > len(base):
        raise RuntimeError("a view of %d elements from %d on does not fit a storage of %d" % (size, offset, len(base)))
    core.init_view(self, base, offset, size)


def construct_from_sequence(self, values, device):
    code = core.code_of_class(type(self))
    wanted = (int, float) if code > 4 else int
    for value in values:
        if not isinstance(value, wanted):
            raise RuntimeError("tried to construct a storage from a sequence (%s), but one of the items was of type %s "
                               "instead of %s" % (type(values).__name__, type(value).__name__,
                                                  "float" if code > 4 else "int"))
    core.init(self, len(values), device)
    if len(values):
        made = self if device < 0 else core.make(code, len(values))
        fill_from_sequence(as_tensor(made), values)
        if made is not self:
            self.copy_(made)


def position(self, i):
    if i < -len(self) or i >= len(self):
        raise IndexError("index %d is out of range for a storage of size %d" % (i, len(self)))
    return i + len(self) if i < 0 else i


def getitem(self, key):
    if isinstance(key, slice):
        start, stop, step = key.indices(len(self))
        if step != 1:
            raise RuntimeError("Trying to slice with a step of %d, but only a step of 1 is supported" % step)
        return type(self)(self, start, max(stop - start, 0))
    if not isinstance(key, int):
        raise TypeError("can't index a %s with %s" % (self.type(), type(key).__name__))
    return as_tensor(self)[position(self, key)]


def setitem(self, key, value):
    if isinstance(key, slice):
        part = getitem(self, key)
        if len(part):
            fill_(as_tensor(part), value)
        return
    if not isinstance(key, int):
        raise TypeError("can't index a %s with %s" % (self.type(), type(key).__name__))
    if key < 0 or key >= len(self):
        raise RuntimeError("out of bounds: index %d of a storage of size %d" % (key, len(self)))
    as_tensor(self)[key] = value


def reduce(self):
    return rebuild, (type(self), bytes(self.cpu()))


def rebuild(cls, data):
    """Make a storage of its bytes."""
    made = core.storage_from_buffer(core.code_of_class(cls), bytearray(data))
    return made.cuda() if core.is_gpu_class(cls) else made.clone()


def moved(self, device, code=None, non_blocking=False):
    """A copy on a device, -1 for the CPU, as another type if one is given."""
    made = core.make(core.dtype_of(self) if code is None else code, len(self), device)
    if len(self) and non_blocking and device != core.device_of(self):
        core.gpu_backend().copy_across(as_tensor(made), as_tensor(self), True)
        return made
    return made.copy_(self)


core.set_hooks(construct, getitem, setitem, storage_text, reduce)


class Methods:
    """The methods of storages, moved into the storage classes below."""

    def size(self):
        """Return the number of elements."""
        return len(self)

    def tolist(self):
        """Return a list of the elements."""
        return to_list(as_tensor(self))

    def element_size(self):
        """Return the bytes of one element."""
        return as_tensor(self).element_size()

    def data_ptr(self):
        """Return the address of the memory."""
        return core.address_of(self)

    def fill_(self, value):
        """Set every element; returns self."""
        try:
            fill_(as_tensor(self), value)
        except TypeError:
            raise RuntimeError("fill_ expects %s, but got %s" % ("float" if core.dtype_of(self) > 4 else "int",
                                                                 type(value).__name__)) from None
        return self

    def resize_(self, size):
        """Change the number of elements, keeping the first ones; returns self."""
        core.resize(self, size)
        return self

    def copy_(self, source, non_blocking=False, **kwargs):
        """Copy the elements of another storage, casting; returns self."""
        n = min(len(self), len(source))
        if n:
            copy_(make_view(self, 0, (n,)), make_view(source, 0, (n,)))
        return self

    def clone(self):
        """Return a copy."""
        return moved(self, core.device_of(self))

    def new(self, *args):
        """Return a storage of the same type."""
        return type(self)(*args)

    def cpu(self):
        """Return self, or a copy on the CPU."""
        return moved(self, -1) if self.is_cuda else self

    def get_device(self):
        """Return the number of the GPU."""
        if not self.is_cuda:
            raise AttributeError("'%s' object has no attribute 'get_device': it is on the CPU" % self.type())
        return core.device_of(self)

    def type(self, new_type=None, non_blocking=False, **kwargs):
        """Return the name of the type, or a copy of another type (a class, or its name)."""
        if new_type is None:
            return ("tensorlib.cuda." if self.is_cuda else "tensorlib.") + type(self).__name__
        if isinstance(new_type, str):
            if new_type not in BY_NAME:
                raise ValueError("unknown storage type %r" % new_type)
            new_type = BY_NAME[new_type]
        if type(self) is new_type:
            return self
        device = core.device_of(self)
        if not core.is_gpu_class(new_type):
            device = -1
        elif device < 0:
            device = core.current_gpu()
        return moved(self, device, core.code_of_class(new_type), non_blocking or kwargs.get("async", False))

    def is_shared(self):
        """Tell whether other processes can see the memory."""
        return self.is_cuda or bool(core.flags_of(self) & 2)

    def is_pinned(self):
        """Tell whether the memory is page-locked."""
        return bool(core.flags_of(self) & 4)

    def pin_memory(self):
        """Return a copy in page-locked memory; self where it lies there."""
        if self.is_cuda:
            raise TypeError("cannot pin '%s' only CPU memory can be pinned" % self.type())
        return self if self.is_pinned() else core.gpu_backend().pin(self)

    def cuda(self, device=None, non_blocking=False, **kwargs):
        """Return a copy on a GPU, the current one unless given; self where it lies there."""
        device = core.current_gpu() if device is None else device
        if device == core.device_of(self):
            return self
        return moved(self, device, None, non_blocking or kwargs.get("async", False))

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = self.clone()
        return memo[id(self)]


def caster(code):
    """A method that casts to one type."""
    def cast(self):
        return self.type((GPU_CLASSES if self.is_cuda else CLASSES)[code])
    cast.__doc__ = "Cast to %s." % CLASSES[code].__name__
    return cast


def from_buffer(cls, buffer, byte_order="native", count=-1, offset=0):
    """Return a storage with a copy of a buffer's elements.

    Args: a buffer; "native", "little" or "big"; how many elements (-1: all); where to begin, in bytes.
    Raises: ValueError where the buffer does not hold so many.
    """
    import struct
    code = core.code_of_class(cls)
    if byte_order not in ("native", "little", "big"):
        raise ValueError("invalid byte_order %r, expected native, little or big" % (byte_order,))
    data = bytes(buffer)[offset:] if offset >= 0 else b""
    form = ITEM_FORMATS[code]
    item = struct.calcsize("=" + form)
    if offset < 0 or offset > len(bytes(buffer)) or count < 0 and len(data) % item or count * item > len(data):
        raise ValueError("a buffer of %d bytes from byte %d on holds no %s elements of %d bytes"
                         % (len(bytes(buffer)), offset, "whole" if count < 0 else count, item))
    data = bytearray(data[:count * item] if count >= 0 else data)
    if byte_order not in ("native", sys.byteorder):
        order = "<" if byte_order == "little" else ">"
        n = len(data) // item
        data = bytearray(struct.pack("=%d%s" % (n, form), *struct.unpack("%s%d%s" % (order, n, form), data)))
    return core.storage_from_buffer(code, data).clone() if data else cls()


def from_file(cls, filename, shared=False, size=0):
    """Return a storage on a mapped file; shared: writes go to the file, which grows to size elements."""
    import mmap
    item = cls(1).element_size()
    if shared:
        with open(filename, "a+b") as f:
            if f.seek(0, 2) < size * item:
                f.truncate(size * item)
    with open(filename, "r+b" if shared else "rb") as f:
        pages = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)
    return core.storage_from_buffer(core.code_of_class(cls), pages, 0, size or -1, 2 if shared else 0)


for _name, _function in vars(Methods).items():
    if callable(_function):
        core.set_attribute(core.Storage, _name, _function)
for _code, _name in enumerate(DTYPE_NAMES):
    core.set_attribute(core.Storage, _name.lower(), caster(_code))
core.set_attribute(core.Storage, "from_buffer", classmethod(from_buffer))
core.set_attribute(core.Storage, "from_file", classmethod(from_file))
core.set_attribute(core.Storage, "is_cuda", False)
for _class in GPU_CLASSES:
    core.set_attribute(_class, "is_cuda", True)
core.set_attribute(core.Storage, "is_sparse", False)
