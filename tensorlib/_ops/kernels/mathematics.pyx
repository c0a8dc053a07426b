"""Row loops of the functions of real numbers: p[0] is the output row, p[1:] the input rows."""
cimport libc.math as m

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport (FAR, acos_of, asin_of, atan2_of, atan_of, cosh_of, exp_of, log1p_of, log_of, pow_of,
                                    sigmoid_of, sinh_of, sqrt_of, tanh_of, tl_cosf, tl_sinf, tl_tanf)
from tensorlib._ops.types cimport F32, F64, real

cdef extern from "math.h" nogil:
    double lgamma_r(double x, int* sign)
    float lgammaf_r(float x, int* sign)


cdef void exp_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = exp_of(a[i])


cdef void log_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = log_of(a[i])


cdef void log1p_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = log1p_of(a[i])


cdef void tanh_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = tanh_of(a[i])


cdef void sigmoid_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = sigmoid_of(a[i])


cdef void sqrt_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.sqrtf(a[i])
        else:
            y[i] = m.sqrt(a[i])


cdef void rsqrt_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = 1 / m.sqrtf(a[i])
        else:
            y[i] = 1 / m.sqrt(a[i])


cdef void reciprocal_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = 1 / a[i]


cdef enum Angle:
    SINE, COSINE, TANGENT


cdef inline real by_libm(real x, const int what) noexcept nogil:
    if real is float:
        return m.sinf(x) if what == SINE else m.cosf(x) if what == COSINE else m.tanf(x)
    else:
        return m.sin(x) if what == SINE else m.cos(x) if what == COSINE else m.tan(x)


cdef inline void some_angles(real* y, real* a, Py_ssize_t n, const int what) noexcept nogil:
    """All in vectors, unless one is so large (or no number) that only libm gets it right."""
    cdef Py_ssize_t i
    cdef int far = real is double
    if real is float:
        for i in range(n):
            far |= not m.fabsf(a[i]) <= FAR
    if far:
        for i in range(n):
            y[i] = by_libm(a[i], what)
    elif real is float:
        for i in range(n):
            y[i] = tl_sinf(a[i]) if what == SINE else tl_cosf(a[i]) if what == COSINE else tl_tanf(a[i])


cdef inline void angles(real** p, Py_ssize_t n, const int what) noexcept nogil:
    cdef Py_ssize_t i = 0
    while i < n:
        some_angles(p[0] + i, p[1] + i, min(n - i, <Py_ssize_t>256), what)
        i += 256


cdef void sin_row(real** p, Py_ssize_t n) noexcept nogil:
    angles(p, n, SINE)


cdef void cos_row(real** p, Py_ssize_t n) noexcept nogil:
    angles(p, n, COSINE)


cdef void tan_row(real** p, Py_ssize_t n) noexcept nogil:
    angles(p, n, TANGENT)


cdef void asin_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = asin_of(a[i])


cdef void acos_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = acos_of(a[i])


cdef void atan_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = atan_of(a[i])


cdef void sinh_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = sinh_of(a[i])


cdef void cosh_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = cosh_of(a[i])


cdef void floor_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.floorf(a[i])
        else:
            y[i] = m.floor(a[i])


cdef void ceil_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.ceilf(a[i])
        else:
            y[i] = m.ceil(a[i])


cdef void round_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.roundf(a[i])
        else:
            y[i] = m.round(a[i])


cdef void trunc_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.truncf(a[i])
        else:
            y[i] = m.trunc(a[i])


cdef void frac_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = a[i] - m.truncf(a[i])
        else:
            y[i] = a[i] - m.trunc(a[i])


cdef void atan2_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = atan2_of(a[i], b[i])


cdef void lgamma_row(real** p, Py_ssize_t n) noexcept nogil:
    """By the reentrant form: lgamma itself writes a global."""
    cdef int sign
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            p[0][i] = lgammaf_r(p[1][i], &sign)
        else:
            p[0][i] = lgamma_r(p[1][i], &sign)


cdef void pow_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = pow_of(a[i], b[i])


cdef void pow_number_row(real** p, Py_ssize_t n) noexcept nogil:
    """Exponents that need no logarithm are multiplied out, or are roots."""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real e = p[2][0]
    cdef real exponents[256]
    cdef real* q[3]
    cdef Py_ssize_t i
    if e == 2:
        for i in range(n):
            y[i] = a[i] * a[i]
    elif e == 1:
        for i in range(n):
            y[i] = a[i]
    elif e == 3:
        for i in range(n):
            y[i] = a[i] * a[i] * a[i]
    elif e == -1:
        for i in range(n):
            y[i] = 1 / a[i]
    elif e == <real>0.5:                # the root of -0 is 0, that of -inf inf
        for i in range(n):
            y[i] = sqrt_of(-a[i] if a[i] == -m.INFINITY else a[i] + 0)
    elif e == <real>-0.5:
        for i in range(n):
            y[i] = 1 / sqrt_of(-a[i] if a[i] == -m.INFINITY else a[i] + 0)
    else:                               # by a row of copies: for one number GCC makes branches, not vectors
        for i in range(256):
            exponents[i] = e
        for i in range(0, n, 256):
            q[0], q[1], q[2] = y + i, a + i, exponents
            pow_row(q, min(n - i, <Py_ssize_t>256))


cdef inline void lerp_loop(real** p, Py_ssize_t n, const bint each) noexcept nogil:
    """a + weight * (b - a)"""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef real* c = p[3]
    cdef real v = c[0]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] + (c[i] if each else v) * (b[i] - a[i])


cdef void lerp_row(real** p, Py_ssize_t n) noexcept nogil:
    lerp_loop(p, n, True)


cdef void lerp_number_row(real** p, Py_ssize_t n) noexcept nogil:
    lerp_loop(p, n, False)


cdef void tanh_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """dy * (1 - y * y)"""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] * (1 - b[i] * b[i])


cdef void sigmoid_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """dy * y * (1 - y)"""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] * (1 - b[i]) * b[i]


cdef void sqrt_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """dy / (2 * y)"""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] / (2 * b[i])


cdef register_real(real* tag, int dtype):
    put("exp", dtype, <void*>exp_row[real])
    put("log", dtype, <void*>log_row[real])
    put("log1p", dtype, <void*>log1p_row[real])
    put("tanh", dtype, <void*>tanh_row[real])
    put("sigmoid", dtype, <void*>sigmoid_row[real])
    put("sqrt", dtype, <void*>sqrt_row[real])
    put("rsqrt", dtype, <void*>rsqrt_row[real])
    put("reciprocal", dtype, <void*>reciprocal_row[real])
    put("sin", dtype, <void*>sin_row[real])
    put("cos", dtype, <void*>cos_row[real])
    put("tan", dtype, <void*>tan_row[real])
    put("asin", dtype, <void*>asin_row[real])
    put("acos", dtype, <void*>acos_row[real])
    put("atan", dtype, <void*>atan_row[real])
    put("sinh", dtype, <void*>sinh_row[real])
    put("cosh", dtype, <void*>cosh_row[real])
    put("floor", dtype, <void*>floor_row[real])
    put("ceil", dtype, <void*>ceil_row[real])
    put("round", dtype, <void*>round_row[real])
    put("trunc", dtype, <void*>trunc_row[real])
    put("frac", dtype, <void*>frac_row[real])
    put("atan2", dtype, <void*>atan2_row[real])
    put("lgamma", dtype, <void*>lgamma_row[real])
    put("pow", dtype, <void*>pow_row[real])
    put("pow_number", dtype, <void*>pow_number_row[real])
    put("lerp", dtype, <void*>lerp_row[real])
    put("lerp_number", dtype, <void*>lerp_number_row[real])
    put("tanh_grad", dtype, <void*>tanh_grad_row[real])
    put("sigmoid_grad", dtype, <void*>sigmoid_grad_row[real])
    put("sqrt_grad", dtype, <void*>sqrt_grad_row[real])


register_real(<float*>NULL, F32)
register_real(<double*>NULL, F64)
