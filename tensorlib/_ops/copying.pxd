# Copying and filling tensors.
from .tensor cimport TensorBase

cdef TensorBase contiguous(TensorBase t)                     # t itself if contiguous, else a dense copy
cdef int copy_into(TensorBase dst, TensorBase src) except -1  # same number of elements; casts; any strides
cdef int fill(TensorBase t, object value) except -1          # set every element
cdef bint meet(TensorBase x, TensorBase y) noexcept nogil    # whether they may have memory in common
cdef bint overlaps(TensorBase written, TensorBase read) noexcept nogil  # in memory, other than element on element
