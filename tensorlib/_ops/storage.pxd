# Storage: one typed block of memory, and the allocator it comes from.
cdef class Storage:
    cdef char* data
    cdef Py_ssize_t size            # elements
    cdef int dtype                  # a DType
    cdef int device                 # -1 is the CPU, else the number of the GPU
    cdef int flags                  # RESIZABLE, SHARED, PINNED ...
    cdef int block_class            # size class of a block of our allocator, -1 where someone else owns it
    cdef int exports                # buffers open on the memory: no resizing while there are any
    cdef object owner               # keeps foreign memory alive (an array, a mapped file, a device block)
    cdef object __weakref__

cdef enum:
    RESIZABLE = 1
    SHARED = 2
    PINNED = 4

cdef int itemsize(int dtype) noexcept nogil
cdef object gpu()                                                           # the backend of GPUs: cuda/backend.py
cdef Storage new_storage(int dtype, Py_ssize_t size, int device=*)          # uninitialised
cdef Storage foreign_storage(int dtype, void* data, Py_ssize_t size, object owner, int flags)
cdef int resize_storage(Storage s, Py_ssize_t size) except -1
