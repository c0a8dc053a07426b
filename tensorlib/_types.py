"""The tensor types by name, what messages call them, and which one is the default."""
from ._ops import storage as storages
from ._ops import tensor as core
from ._ops.tensor import FloatTensor, TensorBase

CPU = core.cpu_classes()
CUDA = core.cuda_classes()
BY_NAME = {"tensorlib." + cls.__name__: cls for cls in CPU}
BY_NAME.update({"tensorlib.cuda." + cls.__name__.replace("Cuda", ""): cls for cls in CUDA})
# Scripts of the time name types by the package they were written for.
ALIASES = {name.replace("tensorlib", "torch", 1): cls for name, cls in BY_NAME.items()}


class FatalError(Exception):
    """An error after which the program cannot go on. Nothing here raises it; scripts may name it."""

    __module__ = "tensorlib"


def tensor_classes():
    """All tensor classes, those of the GPU too."""
    return CPU + CUDA


def full_name(x):
    """"tensorlib.FloatTensor" of a tensor or a class."""
    cls = x if isinstance(x, type) else type(x)
    return next((name for name, known in BY_NAME.items() if known is cls), cls.__module__ + "." + cls.__name__)


def described(x):
    return full_name(x) if isinstance(x, TensorBase) else type(x).__name__


def class_of(t):
    """The tensor class of a class or a name."""
    if isinstance(t, str):
        if t not in BY_NAME and t not in ALIASES:
            raise RuntimeError("invalid type: %r" % t)
        return BY_NAME.get(t) or ALIASES[t]
    if isinstance(t, type) and issubclass(t, TensorBase):
        return t
    raise RuntimeError("expected a tensor class or its name, but got %r" % (t,))


class Default:
    """The class that `Tensor` and the functions without a tensor argument make."""

    tensor = FloatTensor
    code = 6                # its element type; None where it is on the GPU
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
    code, on_gpu = core.code_of_class(Default.tensor)
    Default.code = None if on_gpu else code
    for listener in Default.listeners:
        listener(Default.tensor)


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
