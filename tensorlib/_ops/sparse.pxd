# SparseTensor: entries at coordinates; all else is zero. To code that knows dense tensors only it looks empty.
from .tensor cimport TensorBase

cdef class SparseTensor(TensorBase):
    cdef TensorBase form            # the sizes: a header without memory
    cdef int split                  # the first `split` dims are sparse, the others dense
    cdef Py_ssize_t nnz             # entries, those at one place counted each
    cdef TensorBase indices         # LongTensor (split, nnz), contiguous; not believed: see keys_of
    cdef TensorBase values          # (nnz, *dense sizes), contiguous
    cdef bint coalesced             # the entries are in order, one for a place

cdef TensorBase geometry(TensorBase t)                      # what tells the sizes of a tensor of either kind
cdef SparseTensor make(int dtype, int device, TensorBase form, int split, TensorBase indices, TensorBase values,
                       bint coalesced)
cdef SparseTensor zero(SparseTensor like)                   # the same type, sizes and split, without entries
cdef int become(SparseTensor x, SparseTensor source) except -1
cdef TensorBase keys_of(str name, SparseTensor x)           # where each entry stands among the sparse dims; checked
cdef Py_ssize_t width_of(SparseTensor x) noexcept nogil     # values of an entry
cdef Py_ssize_t places_of(SparseTensor x) noexcept nogil    # positions among the sparse dims
cdef SparseTensor coalesce(SparseTensor x)                  # x itself where it is coalesced
cdef TensorBase rows_of(TensorBase values, TensorBase keys)     # rows of values at keys that are known to be good
cdef bint exclusive(SparseTensor x, Py_ssize_t references)  # nobody else holds x or its memory
