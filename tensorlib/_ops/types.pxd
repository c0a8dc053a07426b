# Types shared by every Cython file, defined nowhere else: element types, limits, row functions.
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t

cdef enum:
    MAXDIM = 16         # most dims a tensor may have
    NDTYPE = 8
    BLOCK = 1024        # elements a row function is handed at most when an operand had to be packed

# Codes of the element types; the order is the one of the names Byte, Char, ... Double.
cdef enum DType:
    U8 = 0
    I8 = 1
    I16 = 2
    I32 = 3
    I64 = 4
    F16 = 5             # storage, casts and copies only
    F32 = 6
    F64 = 7

ctypedef fused number:  # every type that has arithmetic
    uint8_t
    int8_t
    int16_t
    int32_t
    int64_t
    float
    double

ctypedef fused integer:
    uint8_t
    int8_t
    int16_t
    int32_t
    int64_t

ctypedef fused real:
    float
    double

# p[0] is the output row, p[1:] the input rows; all of unit stride and n elements.
ctypedef void (*row_fn)(char** p, Py_ssize_t n) noexcept nogil
