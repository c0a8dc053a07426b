"""Row loops of arithmetic and comparison, for every element type: p[0] is the output row, p[1:] the input rows."""
from libc.math cimport fabs, fabsf, floor, floorf, fmod, fmodf
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64, I8, I16, I32, I64, U8, integer, number


cdef void add_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] + b[i])


cdef void sub_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] - b[i])


cdef void mul_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] * b[i])


cdef inline bint is_minus_one(number x) noexcept nogil:
    """Whether to divide by x is to negate, which wraps where the division of the least integer would trap."""
    if number is uint8_t:
        return False
    else:
        return x == -1


cdef void div_row(number** p, Py_ssize_t n) noexcept nogil:
    """Truncates on integers."""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        if number is float or number is double:
            y[i] = a[i] / b[i]
        else:
            y[i] = <number>(0 - a[i]) if is_minus_one(b[i]) else <number>(a[i] / b[i])


cdef void rsub_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(b[i] - a[i])


cdef void rdiv_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        if number is float or number is double:
            y[i] = b[i] / a[i]
        else:
            y[i] = <number>(0 - b[i]) if is_minus_one(a[i]) else <number>(b[i] / a[i])


cdef inline number remainder_of(number a, number b) noexcept nogil:
    """The remainder with the sign of the divisor."""
    cdef number r
    if number is float:
        return a - b * floorf(a / b) if b != 0 else <float>(0.0 / 0.0 * b)
    elif number is double:
        return a - b * floor(a / b) if b != 0 else 0.0 / 0.0 * b
    else:
        if is_minus_one(b):
            return 0
        r = <number>(a % b)
        return <number>(r + b) if r != 0 and (r < 0) != (b < 0) else r


cdef inline number fmod_of(number a, number b) noexcept nogil:
    """The remainder with the sign of the dividend."""
    if number is float:
        return fmodf(a, b)
    elif number is double:
        return fmod(a, b)
    else:
        return 0 if is_minus_one(b) else <number>(a % b)


cdef void remainder_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = remainder_of(a[i], b[i])


cdef void fmod_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = fmod_of(a[i], b[i])


cdef void neg_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(-a[i])


cdef void sign_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>((a[i] > 0) - (a[i] < 0))


cdef void cmax_row(number** p, Py_ssize_t n) noexcept nogil:
    """A nan in the first operand is lost, in the second it stays, as in the original."""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] if a[i] >= b[i] else b[i]


cdef void cmin_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] if a[i] <= b[i] else b[i]


cdef void clamp_row(number** p, Py_ssize_t n) noexcept nogil:
    """Keeps nan."""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = b[i] if a[i] < b[i] else (c[i] if a[i] > c[i] else a[i])


cdef void clamp_min_row(number** p, Py_ssize_t n) noexcept nogil:
    """Turns nan into the bound, as in the original."""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] if a[i] > b[i] else b[i]


cdef void clamp_max_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] if a[i] < b[i] else b[i]


cdef void add_scaled_row(number** p, Py_ssize_t n) noexcept nogil:
    """a + value * b"""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] + b[i] * c[i])


cdef void sub_scaled_row(number** p, Py_ssize_t n) noexcept nogil:
    """a - value * b"""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] - b[i] * c[i])


cdef void addcmul_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef number* d = p[4]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] + b[i] * c[i] * d[i])


cdef void addcdiv_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef number* d = p[4]
    cdef Py_ssize_t i
    for i in range(n):
        if number is float or number is double:
            y[i] = a[i] + b[i] * c[i] / d[i]
        else:
            y[i] = <number>(a[i] - b[i] * c[i]) if is_minus_one(d[i]) else <number>(a[i] + b[i] * c[i] / d[i])


cdef void eq_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] == b[i]


cdef void ne_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] != b[i]


cdef void lt_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] < b[i]


cdef void le_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] <= b[i]


cdef void gt_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] > b[i]


cdef void ge_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] >= b[i]


cdef void eq_same_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] == b[i]


cdef void ne_same_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] != b[i]


cdef void lt_same_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] < b[i]


cdef void le_same_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] <= b[i]


cdef void gt_same_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] > b[i]


cdef void ge_same_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] >= b[i]


cdef void abs_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if number is float:
            y[i] = fabsf(a[i])
        elif number is double:
            y[i] = fabs(a[i])
        else:
            y[i] = <number>(-a[i]) if a[i] < 0 else a[i]


cdef void where_row(number** p, Py_ssize_t n) noexcept nogil:
    """mask (bytes), a, b: a where the mask is set, else b."""
    cdef number* y = p[0]
    cdef uint8_t* mask = <uint8_t*><void*>p[1]
    cdef number* a = p[2]
    cdef number* b = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] if mask[i] else b[i]


cdef void bitand_row(integer** p, Py_ssize_t n) noexcept nogil:
    cdef integer* y = p[0]
    cdef integer* a = p[1]
    cdef integer* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <integer>(a[i] & b[i])


cdef void bitor_row(integer** p, Py_ssize_t n) noexcept nogil:
    cdef integer* y = p[0]
    cdef integer* a = p[1]
    cdef integer* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <integer>(a[i] | b[i])


cdef void bitxor_row(integer** p, Py_ssize_t n) noexcept nogil:
    cdef integer* y = p[0]
    cdef integer* a = p[1]
    cdef integer* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <integer>(a[i] ^ b[i])


cdef inline integer shifted_left(integer a, integer b) noexcept nogil:
    """What an x86 shift gives: the amount counts modulo the width of the (promoted) type."""
    if integer is int64_t:
        return <int64_t>(<uint64_t>a << (b & 63))
    else:
        return <integer>(<uint32_t>a << (b & 31))


cdef inline integer shifted_right(integer a, integer b) noexcept nogil:
    """A logical shift of the bits, zeros coming in."""
    if integer is int64_t:
        return <int64_t>(<uint64_t>a >> (b & 63))
    elif integer is int32_t:
        return <int32_t>(<uint32_t>a >> (b & 31))
    elif integer is int16_t:
        return <int16_t>(<uint16_t>a >> (b & 31))
    else:
        return <integer>(<uint8_t>a >> (b & 31))


cdef void lshift_row(integer** p, Py_ssize_t n) noexcept nogil:
    cdef integer* y = p[0]
    cdef integer* a = p[1]
    cdef integer* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = shifted_left(a[i], b[i])


cdef void rshift_row(integer** p, Py_ssize_t n) noexcept nogil:
    cdef integer* y = p[0]
    cdef integer* a = p[1]
    cdef integer* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = shifted_right(a[i], b[i])


cdef register_number(number* tag, int dtype):
    put("add", dtype, <void*>add_row[number])
    put("sub", dtype, <void*>sub_row[number])
    put("mul", dtype, <void*>mul_row[number])
    put("div", dtype, <void*>div_row[number])
    put("rsub", dtype, <void*>rsub_row[number])
    put("rdiv", dtype, <void*>rdiv_row[number])
    put("remainder", dtype, <void*>remainder_row[number])
    put("fmod", dtype, <void*>fmod_row[number])
    put("neg", dtype, <void*>neg_row[number])
    put("sign", dtype, <void*>sign_row[number])
    put("cmax", dtype, <void*>cmax_row[number])
    put("cmin", dtype, <void*>cmin_row[number])
    put("clamp", dtype, <void*>clamp_row[number])
    put("clamp_min", dtype, <void*>clamp_min_row[number])
    put("clamp_max", dtype, <void*>clamp_max_row[number])
    put("add_scaled", dtype, <void*>add_scaled_row[number])
    put("sub_scaled", dtype, <void*>sub_scaled_row[number])
    put("addcmul", dtype, <void*>addcmul_row[number])
    put("addcdiv", dtype, <void*>addcdiv_row[number])
    put("eq", dtype, <void*>eq_row[number])
    put("ne", dtype, <void*>ne_row[number])
    put("lt", dtype, <void*>lt_row[number])
    put("le", dtype, <void*>le_row[number])
    put("gt", dtype, <void*>gt_row[number])
    put("ge", dtype, <void*>ge_row[number])
    put("eq_same", dtype, <void*>eq_same_row[number])
    put("ne_same", dtype, <void*>ne_same_row[number])
    put("lt_same", dtype, <void*>lt_same_row[number])
    put("le_same", dtype, <void*>le_same_row[number])
    put("gt_same", dtype, <void*>gt_same_row[number])
    put("ge_same", dtype, <void*>ge_same_row[number])
    put("abs", dtype, <void*>abs_row[number])
    put("where", dtype, <void*>where_row[number])


cdef register_integer(integer* tag, int dtype):
    put("bitand", dtype, <void*>bitand_row[integer])
    put("bitor", dtype, <void*>bitor_row[integer])
    put("bitxor", dtype, <void*>bitxor_row[integer])
    put("lshift", dtype, <void*>lshift_row[integer])
    put("rshift", dtype, <void*>rshift_row[integer])


register_number(<uint8_t*>NULL, U8)
register_number(<int8_t*>NULL, I8)
register_number(<int16_t*>NULL, I16)
register_number(<int32_t*>NULL, I32)
register_number(<int64_t*>NULL, I64)
register_number(<float*>NULL, F32)
register_number(<double*>NULL, F64)
register_integer(<uint8_t*>NULL, U8)
register_integer(<int8_t*>NULL, I8)
register_integer(<int16_t*>NULL, I16)
register_integer(<int32_t*>NULL, I32)
register_integer(<int64_t*>NULL, I64)
