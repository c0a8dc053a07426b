# Views, for the engine.
cdef bint plain_key(object key)         # ints, slices, None and ellipses, alone or in a tuple: no tensors, no sequences
