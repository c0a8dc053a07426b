# TensorBase: a view (offset, sizes, strides, all in elements) of a Storage. The one tensor class of all devices.
from .types cimport MAXDIM
from .storage cimport Storage

cdef class TensorBase:
    cdef Storage store
    cdef Py_ssize_t offset
    cdef Py_ssize_t numel_          # product of the sizes; 0 exactly if ndim == 0
    cdef int ndim                   # 0 for the empty tensor; there is no dim of size 0
    cdef int dtype                  # a DType
    cdef int device                 # -1 is the CPU
    cdef bint sparse                # a SparseTensor, which looks empty here; see sparse.pxd
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef object __weakref__

cdef char* ptr(TensorBase t) noexcept nogil                  # address of the first element
cdef bint is_contiguous(TensorBase t) noexcept nogil
cdef bint same_size(TensorBase a, TensorBase b) noexcept nogil
cdef TensorBase empty(int dtype, int ndim, const Py_ssize_t* sizes, int device=*)   # uninitialised, contiguous
cdef TensorBase empty_like(TensorBase t)                     # the same type, device and sizes, contiguous
cdef TensorBase view_of(TensorBase t, Py_ssize_t offset, int ndim, const Py_ssize_t* sizes, const Py_ssize_t* strides)
cdef int resize(TensorBase t, int ndim, const Py_ssize_t* sizes) except -1   # contiguous; grows the storage
cdef Py_ssize_t last_element(TensorBase t) except -1         # its position in the storage
cdef int wrap_dim(TensorBase t, int dim) except -1           # negative dims; RuntimeError if out of range
cdef str type_name(TensorBase t)                             # "tensorlib.FloatTensor"
cdef str device_name(TensorBase t)                           # the type, and "(GPU 1)"
cdef str size_text(TensorBase t)                             # "2 x 3"
cdef object size_of(TensorBase t)                            # a Size
cdef object size_along(TensorBase t, object dim)             # the size of one dim; a Size where dim is None
cdef object item(TensorBase t, Py_ssize_t offset)            # the number at an absolute storage position
cdef TensorBase new_header(int dtype, int device)            # no storage, no sizes yet
cdef int set_sizes(TensorBase t, int ndim, const Py_ssize_t* sizes) except -1   # and dense strides
cdef int read_sizes(object sizes, Py_ssize_t* out) except -1  # a sequence of at most MAXDIM ints; returns how many

# Operators: the code of each, and the C function above this file that carries them out.
cdef enum Operator:
    ADD, SUB, RSUB, MUL, DIV, RDIV, MOD, POW, AND, OR, XOR, LSHIFT, RSHIFT
    IADD, ISUB, IMUL, IDIV, IPOW, IAND, IOR, IXOR, ILSHIFT, IRSHIFT
    EQ, NE, LT, LE, GT, GE

ctypedef object (*binary_fn)(int code, TensorBase self, object other)
cdef void set_binary_hook(binary_fn f) noexcept

cdef dict hooks                     # what the layers above do for tensors: name -> Python function


cdef inline bint is_sparse(object a):
    return isinstance(a, TensorBase) and (<TensorBase>a).sparse
