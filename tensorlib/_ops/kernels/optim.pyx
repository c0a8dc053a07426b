# Steps of the optimizers, in place, in one pass over memory. t[0] is the parameter, t[1] its gradient, then the state,
# all dense; k holds the numbers in the order of the driver's arguments. A thread does elements start to stop.
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport sqrt_of
from tensorlib._ops.types cimport F32, F64, real


cdef void sgd_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real* p = t[0]
    cdef real* g = t[1]
    cdef real* buf = t[2]
    cdef real lr = <real>k[0], momentum = <real>k[1], fresh = <real>(1 - k[2]), decay = <real>k[3]
    cdef bint nesterov = k[4] != 0, first = k[5] != 0
    cdef Py_ssize_t i
    if decay != 0:                      # the gradient itself is changed, as it always was
        for i in range(start, stop):
            g[i] += decay * p[i]
    if buf == NULL:
        for i in range(start, stop):
            p[i] -= lr * g[i]
        return
    if first:
        for i in range(start, stop):
            buf[i] = g[i]
    else:
        for i in range(start, stop):
            buf[i] = momentum * buf[i] + fresh * g[i]
    if nesterov:
        for i in range(start, stop):
            p[i] -= lr * (g[i] + momentum * buf[i])
    else:
        for i in range(start, stop):
            p[i] -= lr * buf[i]


cdef void adam_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """k[0] is the rate with both bias corrections in it."""
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* m = t[2]
    cdef real* v = t[3]
    cdef real rate = <real>k[0], b1 = <real>k[1], b2 = <real>k[2], eps = <real>k[3], decay = <real>k[4]
    cdef real c1 = <real>(1 - k[1]), c2 = <real>(1 - k[2]), d
    cdef Py_ssize_t i
    for i in range(start, stop):
        d = g[i] + decay * p[i]
        m[i] = b1 * m[i] + c1 * d
        v[i] = b2 * v[i] + c2 * d * d
        p[i] -= rate * m[i] / (sqrt_of(v[i]) + eps)


cdef void adamax_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* m = t[2]
    cdef real* u = t[3]
    cdef real rate = <real>k[0], b1 = <real>k[1], b2 = <real>k[2], eps = <real>k[3], decay = <real>k[4]
    cdef real c1 = <real>(1 - k[1]), d, a, b
    cdef Py_ssize_t i
    for i in range(start, stop):
        d = g[i] + decay * p[i]
        m[i] = b1 * m[i] + c1 * d
        a = b2 * u[i]
        b = (d if d > 0 else -d) + eps
        u[i] = b if b > a else a
        p[i] -= rate * m[i] / u[i]


cdef void adagrad_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* total = t[2]
    cdef real rate = <real>k[0], decay = <real>k[1], d
    cdef Py_ssize_t i
    for i in range(start, stop):
        d = g[i] + decay * p[i]
        total[i] += d * d
        p[i] -= rate * d / (sqrt_of(total[i]) + <real>1e-10)


cdef void adadelta_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* v = t[2]
    cdef real* acc = t[3]
    cdef real lr = <real>k[0], rho = <real>k[1], fresh = <real>(1 - k[1]), eps = <real>k[2], decay = <real>k[3], d
    cdef Py_ssize_t i
    for i in range(start, stop):
        d = g[i] + decay * p[i]
        v[i] = rho * v[i] + fresh * d * d
        d = sqrt_of(acc[i] + eps) / sqrt_of(v[i] + eps) * d
        acc[i] = rho * acc[i] + fresh * d * d
        p[i] -= lr * d


cdef void rmsprop_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """t[3], the mean of the gradient, and t[4], the momentum, may be NULL."""
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* v = t[2]
    cdef real* mean = t[3]
    cdef real* buf = t[4]
    cdef real lr = <real>k[0], alpha = <real>k[1], fresh = <real>(1 - k[1]), eps = <real>k[2], decay = <real>k[3]
    cdef real momentum = <real>k[4], d
    cdef Py_ssize_t i
    for i in range(start, stop):
        d = g[i] + decay * p[i]
        v[i] = alpha * v[i] + fresh * d * d
        if mean != NULL:
            mean[i] = alpha * mean[i] + fresh * d
            d = d / (sqrt_of(v[i] - mean[i] * mean[i]) + eps)
        else:
            d = d / (sqrt_of(v[i]) + eps)
        if buf != NULL:
            buf[i] = momentum * buf[i] + d
            d = buf[i]
        p[i] -= lr * d


cdef void asgd_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* ax = t[2]
    cdef real keep = <real>(1 - k[0] * k[1]), eta = <real>k[1], mu = <real>k[2], decay = <real>k[3], d
    cdef Py_ssize_t i
    for i in range(start, stop):
        d = g[i] + decay * p[i]
        p[i] = keep * p[i] - eta * d
        ax[i] += mu * (p[i] - ax[i])
    if mu == 1:                         # exactly the parameter, without the rounding of the sum
        for i in range(start, stop):
            ax[i] = p[i]


cdef void rprop_range(real** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real* p = t[0]
    cdef const real* g = t[1]
    cdef real* prev = t[2]
    cdef real* size = t[3]
    cdef real less = <real>k[0], more = <real>k[1], least = <real>k[2], most = <real>k[3], d, turn, s
    cdef Py_ssize_t i
    for i in range(start, stop):
        turn = g[i] * prev[i]
        s = size[i] * (more if turn > 0 else (less if turn < 0 else 1))
        s = least if s < least else (most if s > most else s)
        d = 0 if turn < 0 else g[i]
        size[i] = s
        prev[i] = d
        p[i] -= s if d > 0 else (-s if d < 0 else 0)


put("sgd", F32, <void*>sgd_range[float])
put("sgd", F64, <void*>sgd_range[double])
put("adam", F32, <void*>adam_range[float])
put("adam", F64, <void*>adam_range[double])
put("adamax", F32, <void*>adamax_range[float])
put("adamax", F64, <void*>adamax_range[double])
put("adagrad", F32, <void*>adagrad_range[float])
put("adagrad", F64, <void*>adagrad_range[double])
put("adadelta", F32, <void*>adadelta_range[float])
put("adadelta", F64, <void*>adadelta_range[double])
put("rmsprop", F32, <void*>rmsprop_range[float])
put("rmsprop", F64, <void*>rmsprop_range[double])
put("asgd", F32, <void*>asgd_range[float])
put("asgd", F64, <void*>asgd_range[double])
put("rprop", F32, <void*>rprop_range[float])
put("rprop", F64, <void*>rprop_range[double])
