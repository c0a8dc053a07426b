"""The tensor types by name, what messages call them, and which one is the default."""
from ._ops import making, sparse
from ._ops import storage as storages
from ._ops import tensor as core
from ._ops.tensor import FloatTensor, TensorBase

CPU = core.cpu_classes()
CUDA = core.cuda_classes()
BY_NAME = {"tensorlib." + cls.__name__: cls for cls in CPU}
BY_NAME.update({"tensorlib.cuda." + cls.__name__.replace("Cuda", ""): cls for cls in CUDA})
SPARSE, CUDA_SPARSE = sparse.classes(), sparse.classes(True)        # by element type
SPARSE_BY_NAME = {cls.__module__ + "." + cls.__name__: cls
                  for cls in (*SPARSE.values(), *CUDA_SPARSE.values())}
NAMES = {cls: name for names in (BY_NAME, SPARSE_BY_NAME) for name, cls in names.items()}
for _names in (BY_NAME, SPARSE_BY_NAME):
    # Scripts of the time name types by the package they were written for.
    _names.update({name.replace("tensorlib", "torch", 1): cls for name, cls in _names.items()})


class FatalError(Exception):
    """An error after which the program cannot go on. Nothing here raises it; scripts may name it."""

    __module__ = "tensorlib"


def tensor_classes():
    """All tensor classes, those of the GPU and the sparse ones too."""
    return CPU + CUDA + tuple(SPARSE.values()) + tuple(CUDA_SPARSE.values())


def full_name(x):
    """"tensorlib.FloatTensor" of a tensor or a class."""
    cls = x if isinstance(x, type) else type(x)
    name = NAMES.get(cls)
    return cls.__module__ + "." + cls.__name__ if name is None else name


def described(x):
    return full_name(x) if isinstance(x, TensorBase) else type(x).__name__


def class_of(t):
    """The dense tensor class of a class or a name."""
    return _named(t, BY_NAME, SPARSE_BY_NAME, "dense")


def sparse_class_of(t):
    """The sparse tensor class of a class or a name."""
    return _named(t, SPARSE_BY_NAME, BY_NAME, "sparse")


def _named(t, wanted, others, kind):
    if t in (others if isinstance(t, str) else others.values()):
        raise RuntimeError("cannot cast between sparse and dense tensors: %s is not %s; see to_dense()"
                           % (t if isinstance(t, str) else full_name(t), kind))
    if isinstance(t, str):
        if t not in wanted:
            raise RuntimeError("invalid type: %r" % t)
        return wanted[t]
    if isinstance(t, type) and issubclass(t, TensorBase):
        return t
    raise RuntimeError("expected a tensor class or its name, but got %r" % (t,))


class Default:
    """The class that `Tensor` and the functions without a tensor argument make."""

    tensor = FloatTensor
    listeners = []          # called with the class when it changes


def set_default_tensor_type(t):
    """Make `Tensor` and `Storage` another type; t is the name of a class, such as "tensorlib.DoubleTensor"."""
    if not isinstance(t, str):
        raise AttributeError("set_default_tensor_type takes the name of a type, but got %s" % type(t).__name__)
    if t not in BY_NAME:
        known = t.startswith(("tensorlib.", "torch."))
        raise (AttributeError if known else ImportError)(
            "unknown tensor type %r, expected one of %s" % (t, ", ".join(sorted(BY_NAME)[:8])))
    Default.tensor = BY_NAME[t]
    code, on_gpu = core.code_of_class(Default.tensor)
    making.set_default(-1 if on_gpu else code)
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
