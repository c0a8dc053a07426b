"""Row loops of the functions of real numbers: p[0] is the output row, p[1:] the input rows."""
cimport libc.math as m

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport exp_of, log1p_of, log_of, sigmoid_of, tanh_of
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


cdef void sin_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.sinf(a[i])
        else:
            y[i] = m.sin(a[i])


cdef void cos_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.cosf(a[i])
        else:
            y[i] = m.cos(a[i])


cdef void tan_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.tanf(a[i])
        else:
            y[i] = m.tan(a[i])


cdef void asin_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.asinf(a[i])
        else:
            y[i] = m.asin(a[i])


cdef void acos_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.acosf(a[i])
        else:
            y[i] = m.acos(a[i])


cdef void atan_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.atanf(a[i])
        else:
            y[i] = m.atan(a[i])


cdef void sinh_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.sinhf(a[i])
        else:
            y[i] = m.sinh(a[i])


cdef void cosh_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        if real is float:
            y[i] = m.coshf(a[i])
        else:
            y[i] = m.cosh(a[i])


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
        if real is float:
            y[i] = m.atan2f(a[i], b[i])
        else:
            y[i] = m.atan2(a[i], b[i])


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
    """Whole exponents that fill the row (a number mostly) are multiplied out; the others go to libm."""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef real e = b[0]
    cdef bint constant = True
    cdef Py_ssize_t i
    for i in range(n):
        if b[i] != e:
            constant = False
            break
    if constant and e == 2:
        for i in range(n):
            y[i] = a[i] * a[i]
    elif constant and e == 1:
        for i in range(n):
            y[i] = a[i]
    elif constant and e == 3:
        for i in range(n):
            y[i] = a[i] * a[i] * a[i]
    elif constant and e == -1:
        for i in range(n):
            y[i] = 1 / a[i]
    else:
        for i in range(n):
            if real is float:
                y[i] = m.powf(a[i], b[i])
            else:
                y[i] = m.pow(a[i], b[i])


cdef void lerp_row(real** p, Py_ssize_t n) noexcept nogil:
    """a + weight * (b - a)"""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef real* c = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] + c[i] * (b[i] - a[i])


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
    put("lerp", dtype, <void*>lerp_row[real])
    put("tanh_grad", dtype, <void*>tanh_grad_row[real])
    put("sigmoid_grad", dtype, <void*>sigmoid_grad_row[real])
    put("sqrt_grad", dtype, <void*>sqrt_grad_row[real])


register_real(<float*>NULL, F32)
register_real(<double*>NULL, F64)
