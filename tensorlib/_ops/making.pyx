"""Tensors made and laid out anew for Python: uninitialised ones, and views of a storage.

Of the constructors here is what they get as a rule, sizes or a list of numbers; the rest is in _construct.py.
"""
cimport cython

from .dispatch import DTYPE_NAMES
from .copying cimport fill
from .sequences import fill_from_sequence
from .storage cimport Storage, resize_storage
from .tensor cimport TensorBase, empty, hooks, last_element, new_header, read_sizes, resize, set_sizes
from .tensor import Size, cuda_classes
from .types cimport F32, MAXDIM

cdef tuple CUDA_CLASSES = cuda_classes()
cdef int default_dtype = F32


cdef int plain_sizes(tuple sizes, Py_ssize_t* out) except -2:
    """Copy sizes that are ints as they mostly are, and return how many; -1 where they are anything else, or none."""
    cdef Py_ssize_t d
    if not 0 < len(sizes) <= MAXDIM:
        return -1
    for d in range(len(sizes)):
        if type(sizes[d]) is not int or not 0 < sizes[d] < (1 << 40):
            return -1
        out[d] = sizes[d]
    return len(sizes)


def set_default(int dtype):
    """Set the element type that functions without a tensor argument make; -1 where it is one on the GPU."""
    global default_dtype
    default_dtype = dtype


def blank(tuple sizes not None, size, out):
    """`out` in a size given as ints or as one sequence, or an uninitialised tensor of the default type."""
    cdef Py_ssize_t[MAXDIM] c
    cdef int n
    if size is None and out is None and default_dtype >= 0:
        n = plain_sizes(<tuple>sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple) else sizes, c)
        if n >= 0:
            return empty(default_dtype, n, c)
    return hooks["blank"](sizes, size, out)


@cython.binding(True)
def zeros(*sizes, size=None, out=None):
    """Return a tensor of zeros of the default type."""
    made = blank(sizes, size, out)
    fill(made, 0)
    return made


@cython.binding(True)
def ones(*sizes, size=None, out=None):
    """Return a tensor of ones of the default type."""
    made = blank(sizes, size, out)
    fill(made, 1)
    return made


def constructed(TensorBase t not None, tuple args, dict kwargs):
    """Set up a tensor that is made by its constructor from sizes or from a list; False where it is not."""
    cdef Py_ssize_t[MAXDIM] c
    cdef int n
    if kwargs or t.device >= 0:
        return False
    if not args:
        set_view(t, empty(t.dtype, 0, c))
        return True
    if len(args) == 1 and type(args[0]) is list:
        return filled_with(t, <list>args[0])
    n = plain_sizes(<tuple>args[0] if len(args) == 1 and type(args[0]) is Size else args, c)
    if n < 0:
        return False
    set_view(t, empty(t.dtype, n, c))
    return True


cdef bint filled_with(TensorBase t, list numbers) except -1:
    """Set up a tensor from a list, of lists of one length or of numbers; False where it is not one of those."""
    cdef Py_ssize_t[MAXDIM] c
    cdef object level = numbers
    cdef int n = 0
    while type(level) is list:
        if n == MAXDIM or not level:
            return False
        c[n] = len(<list>level)
        n += 1
        level = (<list>level)[0]
    if type(level) is not int and type(level) is not float:
        return False
    set_view(t, empty(t.dtype, n, c))
    fill_from_sequence(t, numbers)
    return True


@cython.binding(True)                   # a method where it stands in a class
def new(TensorBase self not None, *args, **kwargs):
    """Return a tensor of the same type, on the same device; takes what the constructor takes."""
    if self.device >= 0:
        kwargs.setdefault("device", self.device)
    return type(self)(*args, **kwargs)


def init_empty(TensorBase t not None, int dtype, sizes, int device=-1):
    """Set up a tensor made by its constructor: uninitialised, with these sizes."""
    cdef Py_ssize_t[MAXDIM] c
    cdef int n = read_sizes(sizes, c)
    cdef TensorBase made = empty(dtype, n, c, device)       # all that can fail comes first
    set_view(t, made)
    t.dtype = dtype


def init_view(TensorBase t not None, int dtype, Storage store not None, Py_ssize_t offset, sizes, strides=None):
    """Make t a view of a storage, which grows if the view ends beyond it (RuntimeError where it cannot)."""
    cdef TensorBase header = new_header(dtype, store.device)
    cdef Py_ssize_t[MAXDIM] c
    cdef Py_ssize_t last
    cdef int n = read_sizes(sizes, c), d
    if store.dtype != dtype or (store.device >= 0) != isinstance(t, CUDA_CLASSES):
        raise TypeError("expected a storage of tensorlib.%s%sTensor, but got tensorlib.%s%sStorage" % (
            "cuda." if isinstance(t, CUDA_CLASSES) else "", DTYPE_NAMES[dtype],
            "cuda." if store.device >= 0 else "", DTYPE_NAMES[store.dtype]))
    if offset < 0:
        raise RuntimeError("invalid storage offset %d" % offset)
    set_sizes(header, n, c)
    if strides is not None:
        if len(strides) != n:
            raise RuntimeError("%d sizes, but %d strides were given" % (n, len(strides)))
        read_sizes(strides, c)
        for d in range(header.ndim):
            if c[d] < 0:
                raise RuntimeError("negative strides are not supported, but stride %d is %d" % (d, c[d]))
            header.strides[d] = c[d]
    header.offset = offset
    if header.numel_ > 0:
        last = last_element(header)
        if last >= store.size:
            resize_storage(store, last + 1)
    t.dtype, t.store, t.offset, t.ndim, t.numel_ = dtype, store, offset, header.ndim, header.numel_
    t.device = store.device
    for d in range(header.ndim):
        t.sizes[d], t.strides[d] = header.sizes[d], header.strides[d]


def make_view(Storage store not None, Py_ssize_t offset, sizes, strides=None):
    """Return a tensor on a storage."""
    cdef TensorBase t = new_header(store.dtype, store.device)
    init_view(t, store.dtype, store, offset, sizes, strides)
    return t


def resize_(TensorBase t not None, sizes):
    """Make t dense with these sizes; returns t."""
    cdef Py_ssize_t[MAXDIM] c
    resize(t, read_sizes(sizes, c), c)
    return t


def set_view(TensorBase t not None, TensorBase source not None):
    """Make t another view of the same storage, as source is."""
    cdef int d
    t.store, t.offset, t.device = source.store, source.offset, source.device
    t.ndim, t.numel_ = source.ndim, source.numel_
    for d in range(source.ndim):
        t.sizes[d], t.strides[d] = source.sizes[d], source.strides[d]
    return t
