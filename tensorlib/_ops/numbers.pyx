"""Python numbers and the bytes of an element: reading one, and writing one that fits."""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t

from .dispatch import DTYPE_NAMES
from .types cimport F16, F32, F64, I8, I16, I32, I64, U8

cdef extern from "half.h" nogil:
    float half_to_float "tl_half_to_float"(uint16_t h)
    uint16_t float_to_half "tl_float_to_half"(float f)


cdef object number_at(const char* p, int dtype):
    """The Python number stored at p."""
    if dtype == F32:
        return (<const float*>p)[0]
    if dtype == F64:
        return (<const double*>p)[0]
    if dtype == I64:
        return (<const int64_t*>p)[0]
    if dtype == U8:
        return (<const uint8_t*>p)[0]
    if dtype == I32:
        return (<const int32_t*>p)[0]
    if dtype == I8:
        return (<const int8_t*>p)[0]
    if dtype == I16:
        return (<const int16_t*>p)[0]
    return half_to_float((<const uint16_t*>p)[0])


cdef int store_number(char* p, int dtype, object value) except -1:
    """Write a Python number at p. TypeError where it does not fit the type; integers wrap."""
    cdef int64_t whole
    cdef double real
    if dtype >= F16:
        if type(value) is float or type(value) is int:
            real = value
        elif isinstance(value, (int, float)) or hasattr(value, "__float__") and not hasattr(value, "__len__"):
            real = value.__float__()
        else:
            raise TypeError("expected a number, but got %s" % type(value).__name__)
        if dtype == F32:
            (<float*>p)[0] = <float>real
        elif dtype == F64:
            (<double*>p)[0] = real
        else:
            (<uint16_t*>p)[0] = float_to_half(<float>real)
        return 0
    if not isinstance(value, int):
        if isinstance(value, float) or not hasattr(value, "__index__"):
            raise TypeError("expected an int for tensorlib.%sTensor, but got %s %r"
                            % (DTYPE_NAMES[dtype], type(value).__name__, value))
        value = value.__index__()
    try:
        whole = value
    except OverflowError:
        raise RuntimeError("%d does not fit 64 bits" % value) from None
    if dtype == I64:
        (<int64_t*>p)[0] = whole
    elif dtype == I32:
        (<int32_t*>p)[0] = <int32_t>whole
    elif dtype == U8:
        (<uint8_t*>p)[0] = <uint8_t>whole
    elif dtype == I16:
        (<int16_t*>p)[0] = <int16_t>whole
    else:
        (<int8_t*>p)[0] = <int8_t>whole
    return 0
