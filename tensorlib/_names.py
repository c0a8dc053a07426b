"""Which names a pickle may hold, and where the names of PyTorch live here.

A pickle is a program: it may call whatever it can name. So each rule below says what may be named.
It knows nothing of file formats.
"""
import _compat_pickle
import importlib
import pickle
import sys

PACKAGE = __name__.partition(".")[0]

TENSORS = "tensors"     # tensors, storages, Variables, Parameters and plain containers
CLASSES = "classes"     # these, and classes: the modules of this package, your own, a few of the standard library
ANYTHING = "anything"   # whatever the pickle names, called as it says

_TYPES = ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double")
_TENSOR_NAMES = frozenset(
    [(PACKAGE, kind + what) for kind in _TYPES for what in ("Storage", "Tensor")]
    + [(PACKAGE + ".sparse", kind + "Tensor") for kind in _TYPES]
    + [(PACKAGE, "Size"), (PACKAGE + ".autograd.variable", "Variable"), (PACKAGE + ".nn.parameter", "Parameter")])
_REBUILDERS = frozenset((PACKAGE + "._utils", name)
                        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_sparse_tensor",
                                     "_rebuild_parameter")) | {(PACKAGE + "._ops.sparse", "rebuilt")}
_PLAIN = {
    "builtins": "bool bytearray bytes complex dict float frozenset int list range set slice str tuple",
    "collections": "Counter OrderedDict defaultdict deque",
    "_codecs": "encode",
}
_HARMLESS = {           # of the standard library and NumPy: what checkpoints of training scripts hold
    "argparse": "Namespace",
    "builtins": "Ellipsis NotImplemented object",
    "copyreg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "functools": "partial",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "pathlib": "Path PosixPath PurePath PurePosixPath",
    "types": "SimpleNamespace",
    "uuid": "UUID",
}
# Where the classes of this package are that a model or a training may hold. Others open files, or go to the network.
_CLASS_PACKAGES = tuple(PACKAGE + part for part in (".nn", ".optim", ".autograd", ".utils.data", ".vision.models",
                                                    ".vision.transforms"))
_FUNCTION_MODULES = (PACKAGE + ".nn.functional", PACKAGE + ".nn.init")


class Refused(pickle.UnpicklingError):
    """A pickle names what the rule does not allow, or what this package does not have."""


def _listed(table, module, name):
    return name in table.get(module, "").split()


class BoolStorage:
    """Stands for PyTorch's storage of bools; it is read as a ByteStorage."""


class BFloat16Storage:
    """Stands for PyTorch's storage of bfloat16; it is read as a FloatStorage."""


def _no_backend():
    """Modules of v0.2 files carry their C backend; there is none to carry here."""


def _layout(name):
    """PyTorch's layouts are told by their names."""
    return name


# Names of other versions that stand for something else here.
_STAND_INS = {
    ("torch", "BoolStorage"): BoolStorage,
    ("torch", "BFloat16Storage"): BFloat16Storage,
    ("torch.serialization", "_get_layout"): _layout,
    ("torch.nn.backends.thnn", "_get_thnn_function_backend"): _no_backend,
}


def local_name(module, name):
    """Return where a name of PyTorch, or of Python 2, lives now."""
    for theirs, ours in (("torchvision", PACKAGE + ".vision"), ("torch", PACKAGE)):
        if module == theirs or module.startswith(theirs + "."):
            return ours + module[len(theirs):], name
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def torch_name(module, name):
    """Return how PyTorch calls a name of this package."""
    for ours, theirs in ((PACKAGE + ".vision", "torchvision"), (PACKAGE, "torch")):
        if module == ours or module.startswith(ours + "."):
            return theirs + module[len(ours):], name
    return module, name


def _find_ours(module, name):
    """Find a name of this package: where the file says, or in a package around it."""
    here = module
    while here:
        try:
            found = importlib.import_module(here)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(PACKAGE):
                raise
        else:
            if hasattr(found, name):
                return getattr(found, name)
        here = here.rpartition(".")[0]
    raise Refused("the file holds %s.%s, which %s does not have" % (module, name, PACKAGE))


def _refuse(rule, module, name):
    raise Refused(
        "the file names %s.%s, which is no %s; if you trust who made the file, load it with weights_only=False"
        % (module, name, "tensor or plain container" if rule == TENSORS else "tensor, container or known class"))


def _is_own_class(found):
    """Whether it is a class from outside the standard library: constructing those can run commands."""
    return isinstance(found, type) and found.__module__.partition(".")[0] not in sys.stdlib_module_names


def _may_be_class(module):
    package = module.partition(".")[0]
    if package == PACKAGE:
        return module.startswith(tuple(name + "." for name in _CLASS_PACKAGES)) or module in _CLASS_PACKAGES
    return package not in sys.stdlib_module_names


def _find(module, name, rule, find_other):
    """The object that a pickle names, if the rule allows it."""
    if (module, name) in _STAND_INS:
        return _STAND_INS[module, name]
    module, name = local_name(module, name)
    ours = module == PACKAGE or module.startswith(PACKAGE + ".")
    if rule == ANYTHING:
        return _find_ours(module, name) if ours else find_other(module, name)
    if (module, name) in _REBUILDERS:
        function = _find_ours(module, name)
        return lambda *args: function(*args)    # a fresh one: a pickle may set attributes on what it is given
    if (module, name) in _TENSOR_NAMES:
        return _find_ours(module, name)
    if _listed(_PLAIN, module, name):
        return find_other(module, name)
    if rule == CLASSES:
        if _listed(_HARMLESS, module, name):
            return find_other(module, name)
        if _may_be_class(module):
            found = _find_ours(module, name) if ours else find_other(module, name)
            if _is_own_class(found) or (callable(found) and module.startswith(_FUNCTION_MODULES)
                                        and getattr(found, "__module__", "").startswith(_FUNCTION_MODULES)):
                return found
    return _refuse(rule, module, name)


def unpickler(file, rule, persistent_load, pickle_module=pickle):
    """Return an unpickler for one pickle of the file that keeps to the rule."""
    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module, name):
            return _find(module, name, rule, super().find_class)

        def persistent_load(self, saved_id):
            return persistent_load(saved_id)

    return Unpickler(file, encoding="latin1")
