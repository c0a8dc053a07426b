"""Row loops of the activations: p[0] is the output row, p[1:] the input rows (numbers among them fill a row)."""
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport exp_of, expm1_of, log1p_of, sigmoid_of
from tensorlib._ops.types cimport F32, F64, real

# Constants of self-normalising networks (Klambauer et al. 2017).
cdef double SELU_ALPHA = 1.6732632423543772848170429916717
cdef double SELU_SCALE = 1.0507009873554804934193349852946


cdef void threshold_row(real** p, Py_ssize_t n) noexcept nogil:
    """x where it is above the threshold, else the value."""
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* threshold = p[2]
    cdef real* value = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] if x[i] > threshold[i] else value[i]


cdef void threshold_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* x = p[2]
    cdef real* threshold = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] if x[i] > threshold[i] else 0


cdef void relu_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] if x[i] > 0 else 0


cdef void relu_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """g where the output is positive."""
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* y = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] if y[i] > 0 else 0


cdef void leaky_relu_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* slope = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] if x[i] > 0 else x[i] * slope[i]


cdef void leaky_relu_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* x = p[2]
    cdef real* slope = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] if x[i] > 0 else g[i] * slope[i]


cdef void negative_part_row(real** p, Py_ssize_t n) noexcept nogil:
    """g times x where x is not positive: the derivative of leaky_relu by its slope."""
    cdef real* y = p[0]
    cdef real* g = p[1]
    cdef real* x = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = 0 if x[i] > 0 else g[i] * x[i]


cdef void elu_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* alpha = p[2]
    cdef real e
    cdef Py_ssize_t i
    for i in range(n):
        e = alpha[i] * expm1_of(x[i])
        y[i] = x[i] if x[i] > 0 else e


cdef void elu_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """By the output y: g (y + alpha) where y is not positive."""
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* y = p[2]
    cdef real* alpha = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] if y[i] > 0 else g[i] * (y[i] + alpha[i])


cdef void selu_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real scale = <real>SELU_SCALE, low = <real>(SELU_SCALE * SELU_ALPHA), e
    cdef Py_ssize_t i
    for i in range(n):
        e = low * expm1_of(x[i])
        y[i] = scale * x[i] if x[i] > 0 else e


cdef void selu_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """By the output."""
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* y = p[2]
    cdef real scale = <real>SELU_SCALE, low = <real>(SELU_SCALE * SELU_ALPHA)
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] * (scale if y[i] > 0 else y[i] + low)


cdef void hardtanh_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* low = p[2]
    cdef real* high = p[3]
    cdef real z
    cdef Py_ssize_t i
    for i in range(n):
        z = low[i] if x[i] < low[i] else x[i]
        y[i] = high[i] if z > high[i] else z


cdef void hardtanh_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """g strictly between the limits; the output serves as well as the input."""
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* y = p[2]
    cdef real* low = p[3]
    cdef real* high = p[4]
    cdef real inside
    cdef Py_ssize_t i
    for i in range(n):
        inside = g[i] if y[i] > low[i] else 0
        dx[i] = inside if y[i] < high[i] else 0


cdef void softplus_row(real** p, Py_ssize_t n) noexcept nogil:
    """log(1 + e^(beta x)) / beta; x itself where beta x is above the threshold."""
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* beta = p[2]
    cdef real* threshold = p[3]
    cdef real z, low
    cdef Py_ssize_t i
    for i in range(n):
        z = beta[i] * x[i]
        low = z if z < 0 else -z
        low = ((z if z > 0 else 0) + log1p_of(exp_of(low))) / beta[i]
        y[i] = x[i] if z > threshold[i] else low


cdef void softplus_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """By the output y: g (1 - e^(-beta y)); g itself where beta y is above the threshold."""
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* y = p[2]
    cdef real* beta = p[3]
    cdef real* threshold = p[4]
    cdef real z, s
    cdef Py_ssize_t i
    for i in range(n):
        z = beta[i] * y[i]
        s = -g[i] * expm1_of(-z)
        dx[i] = g[i] if z > threshold[i] else s


cdef void logsigmoid_row(real** p, Py_ssize_t n) noexcept nogil:
    """min(x, 0) - log(1 + e^-|x|)"""
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real low
    cdef Py_ssize_t i
    for i in range(n):
        low = x[i] if x[i] < 0 else -x[i]
        y[i] = (0 if x[i] > 0 else x[i]) - log1p_of(exp_of(low))


cdef void logsigmoid_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* x = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] * sigmoid_of(-x[i])


cdef void softshrink_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* lambd = p[2]
    cdef real low
    cdef Py_ssize_t i
    for i in range(n):
        low = x[i] + lambd[i] if x[i] < -lambd[i] else 0
        y[i] = x[i] - lambd[i] if x[i] > lambd[i] else low


cdef void hardshrink_row(real** p, Py_ssize_t n) noexcept nogil:
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef real* lambd = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] if (x[i] if x[i] > 0 else -x[i]) > lambd[i] else 0


cdef void shrink_grad_row(real** p, Py_ssize_t n) noexcept nogil:
    """g outside of [-lambd, lambd]."""
    cdef real* dx = p[0]
    cdef real* g = p[1]
    cdef real* x = p[2]
    cdef real* lambd = p[3]
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = g[i] if (x[i] if x[i] > 0 else -x[i]) > lambd[i] else 0


cdef void softsign_row(real** p, Py_ssize_t n) noexcept nogil:
    """x / (1 + |x|)"""
    cdef real* y = p[0]
    cdef real* x = p[1]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] / (1 + (x[i] if x[i] > 0 else -x[i]))


cdef void gated_row(real** p, Py_ssize_t n) noexcept nogil:
    """a * sigmoid(b)"""
    cdef real* y = p[0]
    cdef real* a = p[1]
    cdef real* b = p[2]
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] * sigmoid_of(b[i])


cdef register_real(real* tag, int dtype):
    put("threshold", dtype, <void*>threshold_row[real])
    put("threshold_grad", dtype, <void*>threshold_grad_row[real])
    put("relu", dtype, <void*>relu_row[real])
    put("relu_grad", dtype, <void*>relu_grad_row[real])
    put("leaky_relu", dtype, <void*>leaky_relu_row[real])
    put("leaky_relu_grad", dtype, <void*>leaky_relu_grad_row[real])
    put("negative_part", dtype, <void*>negative_part_row[real])
    put("elu", dtype, <void*>elu_row[real])
    put("elu_grad", dtype, <void*>elu_grad_row[real])
    put("selu", dtype, <void*>selu_row[real])
    put("selu_grad", dtype, <void*>selu_grad_row[real])
    put("hardtanh", dtype, <void*>hardtanh_row[real])
    put("hardtanh_grad", dtype, <void*>hardtanh_grad_row[real])
    put("softplus", dtype, <void*>softplus_row[real])
    put("softplus_grad", dtype, <void*>softplus_grad_row[real])
    put("logsigmoid", dtype, <void*>logsigmoid_row[real])
    put("logsigmoid_grad", dtype, <void*>logsigmoid_grad_row[real])
    put("softshrink", dtype, <void*>softshrink_row[real])
    put("hardshrink", dtype, <void*>hardshrink_row[real])
    put("shrink_grad", dtype, <void*>shrink_grad_row[real])
    put("softsign", dtype, <void*>softsign_row[real])
    put("gated", dtype, <void*>gated_row[real])


register_real(<float*>NULL, F32)
register_real(<double*>NULL, F64)
