"""Tensors made and laid out anew for Python: uninitialised ones, and views of a storage."""
from .dispatch import DTYPE_NAMES
from .storage cimport Storage, resize_storage
from .tensor cimport TensorBase, empty, last_element, new_header, read_sizes, resize, set_sizes
from .tensor import cuda_classes
from .types cimport MAXDIM

cdef tuple CUDA_CLASSES = cuda_classes()


def empty_of(int dtype, tuple sizes not None):
    """An uninitialised tensor of sizes given as ints, or as one tuple of ints; None where they are anything else, and
    where there is no such type on the CPU, dtype being -1."""
    cdef Py_ssize_t[MAXDIM] c
    cdef int d
    if len(sizes) == 1 and isinstance(sizes[0], tuple):
        sizes = <tuple>sizes[0]
    if dtype < 0 or not 0 < len(sizes) <= MAXDIM:
        return None
    for d in range(len(sizes)):
        if type(sizes[d]) is not int or not 0 < sizes[d] < (1 << 40):
            return None
        c[d] = sizes[d]
    return empty(dtype, len(sizes), c)


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
