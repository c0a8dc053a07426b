"""Sparse tensors as Python sees them: their classes, `tensorlib.sparse.FloatTensor` and the like (those on GPUs are in
`tensorlib.cuda.sparse`), and their methods.

Arithmetic comes from the table (ops/); what is here is what needs names of types, and keeping away what dense tensors
alone can do. It knows no Variables.
"""
from ._ops import sparse as core
from ._ops import tensor as dense
from ._ops.sparse import SparseTensor
from ._ops.tensor import TensorBase
from ._ops.storage import current_gpu
from ._types import CUDA_SPARSE, SPARSE, full_name, sparse_class_of
from .ops._table import METHODS
from .tensor import Methods as DenseMethods     # in TensorBase by now, so that they can be kept away here
from .tensor import asynchronous

__all__ = ["ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor", "ShortTensor"]

ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, FloatTensor, DoubleTensor = (
    SPARSE[code] for code in sorted(SPARSE))
# What sparse tensors have of TensorBase; the rest would see an empty tensor.
INHERITED = {"element_size", "is_cuda", "is_same_size"}


class Methods:
    """Methods of all sparse types that are no operations of the table; moved into SparseTensor below."""

    def type(self, new_type=None, non_blocking=False, **kwargs):
        """Return the name of the type; or cast to a sparse type given as class or name, self if it has that type."""
        if new_type is None:
            return full_name(self)
        wanted = sparse_class_of(new_type)
        code, on_gpu = next((code, on_gpu) for on_gpu, classes in ((False, SPARSE), (True, CUDA_SPARSE))
                            for code, cls in classes.items() if issubclass(wanted, cls))
        there = self if on_gpu == self.is_cuda else core.moved_to(self, current_gpu() if on_gpu else -1)
        return core.cast(there, code)

    def type_as(self, tensor):
        """Cast to the type of another sparse tensor."""
        return self.type(type(tensor))

    def new(self, *args):
        """Return a sparse tensor of the same type, on the same device; takes what the constructor takes."""
        if self.is_cuda and not any(isinstance(a, TensorBase) for a in args):
            return type(self)(*args, device=dense.device_of(self))
        return type(self)(*args)

    def cpu(self):
        """Return self, or a copy on the CPU."""
        return core.moved_to(self, -1)

    def cuda(self, device=None, non_blocking=False, **kwargs):
        """Return a copy on a GPU, the current one unless given; self where it lies there."""
        return core.moved_to(self, current_gpu() if device is None else device, asynchronous(non_blocking, kwargs))

    def get_device(self):
        """Return the number of the GPU."""
        if not self.is_cuda:
            raise AttributeError("'%s' object has no attribute 'get_device': it is on the CPU" % full_name(self))
        return dense.device_of(self)

    def __dir__(self):
        return sorted({name for cls in type(self).__mro__ for name in vars(cls) if hasattr(self, name)})


class DenseOnly:
    """A name that dense tensors have and sparse ones do not."""

    def __init__(self, name):
        self.name = name

    def __get__(self, obj, cls):
        raise AttributeError("sparse tensors have no %r; to_dense() makes a dense tensor" % self.name)


def caster(code):
    """A method that casts to one type."""
    def method(self):
        return core.cast(self, code)
    method.__doc__ = "Cast to a %s, on the same device." % SPARSE[code].__name__
    return method


def set_up():
    """Give the classes their methods, and keep away those of dense tensors."""
    of_table = {name: method for name, method in METHODS.items()
                if any(form.of_sparse for form in method.forms) and name not in vars(SparseTensor)}
    casts = {name: dense.code_of_class(getattr(dense, name.capitalize() + "Tensor"))[0]
             for name in "byte char short int long float double".split()}
    for name in (set(vars(TensorBase)) | set(vars(DenseMethods))) - set(vars(SparseTensor)) - INHERITED:
        if not name.startswith("__") or name in ("__dlpack__", "__dlpack_device__", "__array_wrap__"):
            dense.set_attribute(SparseTensor, name, DenseOnly(name))
    for name, method in vars(Methods).items():
        if not name.startswith("__") or name in ("__dir__",):
            dense.set_attribute(SparseTensor, name, method)
    for name, code in casts.items():
        dense.set_attribute(SparseTensor, name, caster(code))
    dense.set_attribute(SparseTensor, "is_sparse", True)
    for code, cls in (*SPARSE.items(), *CUDA_SPARSE.items()):
        for name, method in of_table.items():
            if code in method.dtypes:
                dense.set_attribute(cls, name, method)


set_up()
