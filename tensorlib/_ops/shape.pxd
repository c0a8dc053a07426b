# Views, for the engine.
cdef bint plain_key(object key)         # ints, slices, None and ellipses, alone or in a tuple: no tensors, no sequences
cpdef bint is_int(object k)              # for everybody: an int or a NumPy integer, no bool
