"""Row loops that copy and cast: p[0] is the target row, p[1] the source row."""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memmove

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F16, F32, F64, I8, I16, I32, I64, U8

cdef extern from "half.h" nogil:
    float half_to_float "tl_half_to_float"(uint16_t h)
    void floats_to_halves "tl_floats_to_halves"(uint16_t* y, const float* x, Py_ssize_t n)

ctypedef fused target:
    uint8_t
    int8_t
    int16_t
    int32_t
    int64_t
    float
    double


ctypedef fused source:
    uint8_t
    int8_t
    int16_t
    int32_t
    int64_t
    float
    double


cdef inline void cast(target* y, const source* x, Py_ssize_t n) noexcept nogil:
    """Floats become integers by truncation, then wrap; integers wrap."""
    cdef Py_ssize_t i
    for i in range(n):
        if (source is float or source is double) and not (target is float or target is double):
            y[i] = <target><int64_t>x[i]
        else:
            y[i] = <target>x[i]


cdef void from_byte_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const uint8_t*><void*>p[1], n)


cdef void from_char_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const int8_t*><void*>p[1], n)


cdef void from_short_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const int16_t*><void*>p[1], n)


cdef void from_int_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const int32_t*><void*>p[1], n)


cdef void from_long_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const int64_t*><void*>p[1], n)


cdef void from_float_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const float*><void*>p[1], n)


cdef void from_double_row(target** p, Py_ssize_t n) noexcept nogil:
    cast(p[0], <const double*><void*>p[1], n)


cdef void from_half_row(target** p, Py_ssize_t n) noexcept nogil:
    cdef const uint16_t* x = <const uint16_t*><void*>p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if target is float or target is double:
            p[0][i] = <target>half_to_float(x[i])
        else:
            p[0][i] = <target><int64_t>half_to_float(x[i])


cdef void to_half_row(source** p, Py_ssize_t n) noexcept nogil:
    """By way of floats."""
    cdef uint16_t* y = <uint16_t*><void*>p[0]
    cdef float floats[256]
    cdef Py_ssize_t i, k, m
    if source is float:
        floats_to_halves(y, p[1], n)
    else:
        for i in range(0, n, 256):
            m = min(n - i, <Py_ssize_t>256)
            for k in range(m):
                floats[k] = <float>p[1][i + k]
            floats_to_halves(y + i, floats, m)


cdef void copy_half_row(uint16_t** p, Py_ssize_t n) noexcept nogil:
    memmove(p[0], p[1], 2 * n)


cdef void copy_row(target** p, Py_ssize_t n) noexcept nogil:
    """A copy within one type, by the C library, which minds where lines of the cache begin."""
    memmove(p[0], p[1], n * sizeof(target))


cdef void fill_row(target** p, Py_ssize_t n) noexcept nogil:
    cdef target* y = p[0]
    cdef target v = p[1][0]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = v


cdef void fill_half_row(uint16_t** p, Py_ssize_t n) noexcept nogil:
    cdef uint16_t v = p[1][0]
    cdef Py_ssize_t i
    for i in range(n):
        p[0][i] = v


cdef void ramp(target* y, Py_ssize_t first, Py_ssize_t n, double start, double step, int64_t whole_start,
               int64_t whole_step, bint whole) noexcept nogil:
    """start + i * step for n numbers from the first-th on: in doubles, or exactly if `whole`."""
    cdef double steps[256]
    cdef Py_ssize_t i, k, m
    if whole:
        for i in range(n):
            y[i] = <target>(whole_start + (first + i) * whole_step)
        return
    for i in range(0, n, 256):
        m = min(n - i, <Py_ssize_t>256)
        for k in range(m):              # a loop of its own: the product is to be rounded, on every machine
            steps[k] = <double>(first + i + k) * step
        for k in range(m):
            if target is float or target is double:
                y[i + k] = <target>(start + steps[k])
            else:
                y[i + k] = <target><int64_t>(start + steps[k])


cdef dict TYPES = {U8: "Byte", I8: "Char", I16: "Short", I32: "Int", I64: "Long", F32: "Float", F64: "Double"}


cdef register_target(target* tag, int dtype):
    put("from_Byte", dtype, <void*>from_byte_row[target])
    put("from_Char", dtype, <void*>from_char_row[target])
    put("from_Short", dtype, <void*>from_short_row[target])
    put("from_Int", dtype, <void*>from_int_row[target])
    put("from_Long", dtype, <void*>from_long_row[target])
    put("from_Float", dtype, <void*>from_float_row[target])
    put("from_Double", dtype, <void*>from_double_row[target])
    put("from_Half", dtype, <void*>from_half_row[target])
    put("from_" + TYPES[dtype], dtype, <void*>copy_row[target])
    put("from_" + TYPES[dtype] + "_number", dtype, <void*>fill_row[target])
    put("ramp", dtype, <void*>ramp[target])


register_target(<uint8_t*>NULL, U8)
register_target(<int8_t*>NULL, I8)
register_target(<int16_t*>NULL, I16)
register_target(<int32_t*>NULL, I32)
register_target(<int64_t*>NULL, I64)
register_target(<float*>NULL, F32)
register_target(<double*>NULL, F64)
put("from_Byte", F16, <void*>to_half_row[uint8_t])
put("from_Char", F16, <void*>to_half_row[int8_t])
put("from_Short", F16, <void*>to_half_row[int16_t])
put("from_Int", F16, <void*>to_half_row[int32_t])
put("from_Long", F16, <void*>to_half_row[int64_t])
put("from_Float", F16, <void*>to_half_row[float])
put("from_Double", F16, <void*>to_half_row[double])
put("from_Half", F16, <void*>copy_half_row)
put("from_Half_number", F16, <void*>fill_half_row)
