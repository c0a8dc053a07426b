"""Row loops of arithmetic and comparison, for every element type: p[0] is the output row, p[1:] the input rows.

Most have a second form, name_number, where some operands (the last, unless NUMBERS in elementwise.pyx tells others) are
one number each: a row of copies of it would have to be written, and read along with the other operands.
"""
from libc.math cimport fabs, fabsf, floor, floorf, fmod, fmodf
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport FLT_MAX, FMOD_MOST, tl_fmodf
from tensorlib._ops.types cimport F32, F64, I8, I16, I32, I64, U8, integer, number


cdef inline bint is_minus_one(number x) noexcept nogil:
    """Whether to divide by x is to negate, which wraps where the division of the least integer would trap."""
    if number is uint8_t:
        return False
    else:
        return x == -1


cdef enum Binary:
    ADD, SUB, RSUB, MUL, DIV, RDIV, LARGER, SMALLER, AT_LEAST, AT_MOST

cdef enum Comparison:
    EQ, NE, LT, LE, GT, GE


cdef inline number divided(number a, number b) noexcept nogil:
    """Truncates on integers."""
    if number is float or number is double:
        return a / b
    else:
        return <number>(0 - a) if is_minus_one(b) else <number>(a / b)


cdef inline number combined(number a, number b, const int what) noexcept nogil:
    if what == ADD:
        return <number>(a + b)
    elif what == SUB:
        return <number>(a - b)
    elif what == RSUB:
        return <number>(b - a)
    elif what == MUL:
        return <number>(a * b)
    elif what == DIV:
        return divided(a, b)
    elif what == RDIV:
        return divided(b, a)
    elif what == LARGER:            # a nan in the first operand is lost, in the second it stays, as in the original
        return a if a >= b else b
    elif what == SMALLER:
        return a if a <= b else b
    elif what == AT_LEAST:          # turns nan into the bound, as in the original
        return a if a > b else b
    else:
        return a if a < b else b


cdef inline void binary(number** p, Py_ssize_t n, const int what, const bint each) noexcept nogil:
    """each: the second operand is a row; else it is one number."""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number v = b[0]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = combined(a[i], b[i] if each else v, what)


cdef inline bint holds(number a, number b, const int what) noexcept nogil:
    if what == EQ:
        return a == b
    elif what == NE:
        return a != b
    elif what == LT:
        return a < b
    elif what == LE:
        return a <= b
    elif what == GT:
        return a > b
    else:
        return a >= b


cdef inline void compare(number** p, Py_ssize_t n, const int what, const bint each) noexcept nogil:
    cdef uint8_t* y = <uint8_t*><void*>p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number v = b[0]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = holds(a[i], b[i] if each else v, what)


cdef void add_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, ADD, True)


cdef void add_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, ADD, False)


cdef void sub_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, SUB, True)


cdef void sub_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, SUB, False)


cdef void rsub_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, RSUB, True)


cdef void rsub_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, RSUB, False)


cdef void mul_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, MUL, True)


cdef void mul_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, MUL, False)


cdef void div_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, DIV, True)


cdef void div_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, DIV, False)


cdef void rdiv_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, RDIV, True)


cdef void rdiv_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, RDIV, False)


cdef void cmax_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, LARGER, True)


cdef void cmax_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, LARGER, False)


cdef void cmin_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, SMALLER, True)


cdef void cmin_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, SMALLER, False)


cdef void clamp_min_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, AT_LEAST, True)


cdef void clamp_min_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, AT_LEAST, False)


cdef void clamp_max_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, AT_MOST, True)


cdef void clamp_max_number_row(number** p, Py_ssize_t n) noexcept nogil:
    binary(p, n, AT_MOST, False)


cdef void eq_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, EQ, True)


cdef void eq_number_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, EQ, False)


cdef void ne_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, NE, True)


cdef void ne_number_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, NE, False)


cdef void lt_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, LT, True)


cdef void lt_number_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, LT, False)


cdef void le_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, LE, True)


cdef void le_number_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, LE, False)


cdef void gt_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, GT, True)


cdef void gt_number_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, GT, False)


cdef void ge_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, GE, True)


cdef void ge_number_row(number** p, Py_ssize_t n) noexcept nogil:
    compare(p, n, GE, False)


cdef inline number clamped(number v, number low, number high) noexcept nogil:
    """Keeps nan."""
    return low if v < low else (high if v > high else v)


cdef void clamp_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = clamped(a[i], b[i], c[i])


cdef void clamp_number_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number low = p[2][0], high = p[3][0], v
    cdef Py_ssize_t i
    if high - low < 0:                  # low > high, told so that GCC does not take the rest for the contrary
        for i in range(n):
            y[i] = clamped(a[i], low, high)
        return
    for i in range(n):                  # the same in two instructions
        v = a[i]
        v = low if v < low else v
        y[i] = high if v > high else v


cdef inline void scaled(number** p, Py_ssize_t n, const int what, const bint each) noexcept nogil:
    """a + value * b, a - value * b"""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef number v = b[0]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = combined(a[i], <number>((b[i] if each else v) * c[i]), what)


cdef void add_scaled_row(number** p, Py_ssize_t n) noexcept nogil:
    scaled(p, n, ADD, True)


cdef void add_scaled_number_row(number** p, Py_ssize_t n) noexcept nogil:
    scaled(p, n, ADD, False)


cdef void sub_scaled_row(number** p, Py_ssize_t n) noexcept nogil:
    scaled(p, n, SUB, True)


cdef void sub_scaled_number_row(number** p, Py_ssize_t n) noexcept nogil:
    scaled(p, n, SUB, False)


cdef inline void add_product(number** p, Py_ssize_t n, const bint each) noexcept nogil:
    """a + value * c * d"""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef number* d = p[4]
    cdef number v = b[0]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <number>(a[i] + (b[i] if each else v) * c[i] * d[i])


cdef void addcmul_row(number** p, Py_ssize_t n) noexcept nogil:
    add_product(p, n, True)


cdef void addcmul_number_row(number** p, Py_ssize_t n) noexcept nogil:
    add_product(p, n, False)


cdef inline void add_quotient(number** p, Py_ssize_t n, const bint each) noexcept nogil:
    """a + value * c / d"""
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef number* c = p[3]
    cdef number* d = p[4]
    cdef number v = b[0]
    cdef Py_ssize_t i
    for i in range(n):
        if number is float or number is double:
            y[i] = a[i] + (b[i] if each else v) * c[i] / d[i]
        elif is_minus_one(d[i]):
            y[i] = <number>(a[i] - (b[i] if each else v) * c[i])
        else:
            y[i] = <number>(a[i] + (b[i] if each else v) * c[i] / d[i])


cdef void addcdiv_row(number** p, Py_ssize_t n) noexcept nogil:
    add_quotient(p, n, True)


cdef void addcdiv_number_row(number** p, Py_ssize_t n) noexcept nogil:
    add_quotient(p, n, False)


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


cdef inline bint are_near(const number* a, const number* b, Py_ssize_t n) noexcept nogil:
    """Whether all quotients are small enough for tl_fmodf."""
    cdef int near = number is float
    cdef Py_ssize_t i
    if number is float:
        for i in range(n):
            near &= (fabsf(a[i]) < FMOD_MOST * fabsf(b[i])) & (fabsf(b[i]) <= FLT_MAX)
    return near


cdef void fmod_row(number** p, Py_ssize_t n) noexcept nogil:
    cdef number* y = p[0]
    cdef number* a = p[1]
    cdef number* b = p[2]
    cdef Py_ssize_t i, first = 0, last
    while first < n:
        last = min(n, first + 256)
        if number is float and are_near(a + first, b + first, last - first):
            for i in range(first, last):
                y[i] = <number>tl_fmodf(<float>a[i], <float>b[i])
        else:
            for i in range(first, last):
                y[i] = fmod_of(a[i], b[i])
        first = last


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
    put("add_number", dtype, <void*>add_number_row[number])
    put("sub", dtype, <void*>sub_row[number])
    put("sub_number", dtype, <void*>sub_number_row[number])
    put("mul", dtype, <void*>mul_row[number])
    put("mul_number", dtype, <void*>mul_number_row[number])
    put("div", dtype, <void*>div_row[number])
    put("div_number", dtype, <void*>div_number_row[number])
    put("rsub", dtype, <void*>rsub_row[number])
    put("rsub_number", dtype, <void*>rsub_number_row[number])
    put("rdiv", dtype, <void*>rdiv_row[number])
    put("rdiv_number", dtype, <void*>rdiv_number_row[number])
    put("remainder", dtype, <void*>remainder_row[number])
    put("fmod", dtype, <void*>fmod_row[number])
    put("neg", dtype, <void*>neg_row[number])
    put("sign", dtype, <void*>sign_row[number])
    put("cmax", dtype, <void*>cmax_row[number])
    put("cmax_number", dtype, <void*>cmax_number_row[number])
    put("cmin", dtype, <void*>cmin_row[number])
    put("cmin_number", dtype, <void*>cmin_number_row[number])
    put("clamp", dtype, <void*>clamp_row[number])
    put("clamp_number", dtype, <void*>clamp_number_row[number])
    put("clamp_min", dtype, <void*>clamp_min_row[number])
    put("clamp_min_number", dtype, <void*>clamp_min_number_row[number])
    put("clamp_max", dtype, <void*>clamp_max_row[number])
    put("clamp_max_number", dtype, <void*>clamp_max_number_row[number])
    put("add_scaled", dtype, <void*>add_scaled_row[number])
    put("add_scaled_number", dtype, <void*>add_scaled_number_row[number])
    put("sub_scaled", dtype, <void*>sub_scaled_row[number])
    put("sub_scaled_number", dtype, <void*>sub_scaled_number_row[number])
    put("addcmul", dtype, <void*>addcmul_row[number])
    put("addcmul_number", dtype, <void*>addcmul_number_row[number])
    put("addcdiv", dtype, <void*>addcdiv_row[number])
    put("addcdiv_number", dtype, <void*>addcdiv_number_row[number])
    put("eq", dtype, <void*>eq_row[number])
    put("eq_number", dtype, <void*>eq_number_row[number])
    put("ne", dtype, <void*>ne_row[number])
    put("ne_number", dtype, <void*>ne_number_row[number])
    put("lt", dtype, <void*>lt_row[number])
    put("lt_number", dtype, <void*>lt_number_row[number])
    put("le", dtype, <void*>le_row[number])
    put("le_number", dtype, <void*>le_number_row[number])
    put("gt", dtype, <void*>gt_row[number])
    put("gt_number", dtype, <void*>gt_number_row[number])
    put("ge", dtype, <void*>ge_row[number])
    put("ge_number", dtype, <void*>ge_number_row[number])
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
