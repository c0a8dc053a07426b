# The kernel table: name and element type to function pointer. Kernel files fill it, drivers read it.
cdef void put(str name, int dtype, void* kernel) except *
cdef void* get(str name, int dtype) except NULL         # NotImplementedError where there is none
cdef void* find(str name, int dtype) noexcept           # NULL where there is none
