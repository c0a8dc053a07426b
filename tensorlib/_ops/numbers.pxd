# One number of an element type, at an address.
cdef object number_at(const char* p, int dtype)
cdef int store_number(char* p, int dtype, object value) except -1   # TypeError where it does not fit; integers wrap
