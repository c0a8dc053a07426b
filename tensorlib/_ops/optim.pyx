"""One step of an optimizer for one parameter, in place: `sgd_step(param, grad, state..., numbers...)`.

All tensors are of one floating type and of one number of elements; those of other strides go through dense copies.
The rules are those of the classic optimizers; `step` counts from 1. `sgd_steps` and `adam_steps` walk over a list of
Variables; what does not fit their short way they leave to the caller.
"""
from cython.parallel cimport prange
from libc.math cimport sqrt

from .copying cimport contiguous, copy_into, fill
from .dispatch cimport get
from .parallel cimport threads_for
from .tensor cimport TensorBase, is_contiguous, ptr, size_text, type_name
from .types cimport F32
from .variable cimport VariableBase, wrap

ctypedef void (*range_fn)(char** t, const double* k, Py_ssize_t start, Py_ssize_t stop) noexcept nogil

cdef enum:
    MOST = 5            # tensors of a step


cdef void run(range_fn step, char** t, const double* k, Py_ssize_t n) noexcept nogil:
    cdef int threads = threads_for(n), i
    if threads == 1:
        step(t, k, 0, n)
        return
    for i in prange(threads, num_threads=threads, schedule="static"):
        step(t, k, n * i // threads, n * (i + 1) // threads)


cdef int take_step(str name, tuple tensors, const double* k, bint grad_changes) except -1:
    """Run the kernel on (param, grad, state...), where a state may be None."""
    cdef TensorBase param = tensors[0], t, dense
    cdef range_fn step = <range_fn>get(name, param.dtype)
    cdef char* address[MOST]
    cdef list used = []
    cdef int i
    if param.numel_ == 0:
        return 0
    for i in range(MOST):
        address[i] = NULL
    for i in range(len(tensors)):
        t = tensors[i]
        if t is None:
            used.append(None)
            continue
        if t.dtype != param.dtype:
            raise TypeError("%s_step(): parameter is a %s, but tensor %d a %s"
                            % (name, type_name(param), i, type_name(t)))
        if t.numel_ != param.numel_:
            raise RuntimeError("%s_step(): parameter of size (%s), but tensor %d of size (%s)"
                               % (name, size_text(param), i, size_text(t)))
        dense = contiguous(t)
        used.append(dense)
        address[i] = ptr(dense)
    with nogil:
        run(step, address, k, param.numel_)
    for i in range(len(tensors)):
        if used[i] is not tensors[i] and (i != 1 or grad_changes):
            copy_into(tensors[i], used[i])
    return 0


cdef inline bint fits(TensorBase t, TensorBase param) noexcept:
    """Whether a kernel may run on the memory of t as it lies, beside a parameter."""
    return (t is not None and not t.sparse and t.device < 0 and t.dtype == param.dtype and t.dtype >= F32
            and t.numel_ == param.numel_ and t.numel_ > 0 and is_contiguous(t))


cdef inline void step_dense(range_fn step, TensorBase param, TensorBase grad, TensorBase a, TensorBase b,
                            const double* k) noexcept:
    """Run a kernel on tensors that fit."""
    cdef char* address[MOST]
    address[0], address[1] = ptr(param), ptr(grad)
    address[2] = NULL if a is None else ptr(a)
    address[3] = NULL if b is None else ptr(b)
    address[4] = NULL
    with nogil:
        run(step, address, k, param.numel_)


def sgd_step(TensorBase param not None, TensorBase grad not None, TensorBase momentum_buffer, double lr,
             double momentum=0, double dampening=0, double weight_decay=0, bint nesterov=False, bint first=False):
    """g = grad += weight_decay param; buffer = g if first else momentum buffer + (1 - dampening) g; param -= lr buffer,
    with nesterov lr (g + momentum buffer). Without a buffer: param -= lr g. The decay stays in grad."""
    cdef double[6] k = [lr, momentum, dampening, weight_decay, nesterov, first]
    take_step("sgd", (param, grad, momentum_buffer), k, weight_decay != 0)


def sgd_steps(list params not None, Py_ssize_t start, state, double lr, double momentum,
              double dampening, double weight_decay, bint nesterov):
    """Take `sgd_step` for params[start:] that have a gradient, up to the first that does not fit or has no
    momentum buffer yet. Return its position, or len(params)."""
    cdef double[6] k = [lr, momentum, dampening, weight_decay, nesterov, 0]
    cdef TensorBase data, grad, buffer = None
    cdef VariableBase param
    while start < len(params):
        param = params[start]
        if param.grad_ is not None:
            data, grad = param.data_, param.grad_.data_
            if momentum != 0:
                own = state.get(param)
                buffer = None if own is None else own.get("momentum_buffer")
                if not fits(buffer, data):
                    return start
            if not fits(data, data) or not fits(grad, data):
                return start
            step_dense(<range_fn>get("sgd", data.dtype), data, grad, buffer, None, k)
        start += 1
    return start


def adam_step(TensorBase param not None, TensorBase grad not None, TensorBase exp_avg not None,
              TensorBase exp_avg_sq not None, double lr, double beta1, double beta2, double eps, double weight_decay,
              Py_ssize_t step):
    """param -= lr sqrt(1 - beta2^step) / (1 - beta1^step) * exp_avg / (sqrt(exp_avg_sq) + eps)."""
    cdef double rate = lr * sqrt(1 - beta2 ** step) / (1 - beta1 ** step)
    cdef double[5] k = [rate, beta1, beta2, eps, weight_decay]
    take_step("adam", (param, grad, exp_avg, exp_avg_sq), k, False)


def adam_steps(list params not None, Py_ssize_t start, state, double lr, double beta1, double beta2,
               double eps, double weight_decay):
    """Take `adam_step` for params[start:] that have a gradient, up to the first that does not fit or has no state
    yet, and count it in the state. Return its position, or len(params)."""
    cdef double[5] k = [0, beta1, beta2, eps, weight_decay]
    cdef TensorBase data, grad, exp_avg, exp_avg_sq
    cdef VariableBase param
    cdef Py_ssize_t step
    while start < len(params):
        param = params[start]
        if param.grad_ is not None:
            data, grad = param.data_, param.grad_.data_
            own = state.get(param)
            if not own:
                return start
            exp_avg, exp_avg_sq = own["exp_avg"], own["exp_avg_sq"]
            if not (fits(data, data) and fits(grad, data) and fits(exp_avg, data) and fits(exp_avg_sq, data)):
                return start
            step = own["step"] = own["step"] + 1
            k[0] = lr * sqrt(1 - beta2 ** step) / (1 - beta1 ** step)
            step_dense(<range_fn>get("adam", data.dtype), data, grad, exp_avg, exp_avg_sq, k)
        start += 1
    return start


def adamax_step(TensorBase param not None, TensorBase grad not None, TensorBase exp_avg not None,
                TensorBase exp_inf not None, double lr, double beta1, double beta2, double eps, double weight_decay,
                Py_ssize_t step):
    """exp_inf = max(beta2 exp_inf, |g| + eps); param -= lr / (1 - beta1^step) * exp_avg / exp_inf."""
    cdef double[5] k = [lr / (1 - beta1 ** step), beta1, beta2, eps, weight_decay]
    take_step("adamax", (param, grad, exp_avg, exp_inf), k, False)


def adagrad_step(TensorBase param not None, TensorBase grad not None, TensorBase sum not None, double lr,
                 double lr_decay, double weight_decay, Py_ssize_t step):
    """sum += g^2; param -= lr / (1 + (step - 1) lr_decay) * g / (sqrt(sum) + 1e-10)."""
    cdef double[2] k = [lr / (1 + (step - 1) * lr_decay), weight_decay]
    take_step("adagrad", (param, grad, sum), k, False)


def adadelta_step(TensorBase param not None, TensorBase grad not None, TensorBase square_avg not None,
                  TensorBase acc_delta not None, double lr, double rho, double eps, double weight_decay):
    """delta = sqrt(acc_delta + eps) / sqrt(square_avg + eps) * g; param -= lr delta; acc_delta averages delta^2."""
    cdef double[4] k = [lr, rho, eps, weight_decay]
    take_step("adadelta", (param, grad, square_avg, acc_delta), k, False)


def rmsprop_step(TensorBase param not None, TensorBase grad not None, TensorBase square_avg not None,
                 TensorBase grad_avg, TensorBase momentum_buffer, double lr, double alpha, double eps,
                 double weight_decay, double momentum):
    """d = g / (sqrt(square_avg) + eps), or, if grad_avg is given, g / (sqrt(square_avg - grad_avg^2) + eps);
    param -= lr d, or, if momentum_buffer is given, lr times momentum_buffer = momentum * momentum_buffer + d."""
    cdef double[5] k = [lr, alpha, eps, weight_decay, momentum]
    take_step("rmsprop", (param, grad, square_avg, grad_avg, momentum_buffer), k, False)


def asgd_step(TensorBase param not None, TensorBase grad not None, TensorBase ax not None, double lambd, double eta,
              double mu, double weight_decay):
    """param = (1 - lambd eta) param - eta g; ax += mu (param - ax). The caller moves eta and mu on afterwards."""
    cdef double[4] k = [lambd, eta, mu, weight_decay]
    take_step("asgd", (param, grad, ax), k, False)


def rprop_step(TensorBase param not None, TensorBase grad not None, TensorBase prev not None,
               TensorBase step_size not None, double eta_minus, double eta_plus, double step_min, double step_max):
    """step_size times eta_plus where g prev > 0, eta_minus where < 0 (g counts as 0 there), within its limits;
    param -= sign(g) step_size; prev = g."""
    cdef double[4] k = [eta_minus, eta_plus, step_min, step_max]
    take_step("rprop", (param, grad, prev, step_size), k, False)


def zero_gradients(params, bint set_to_none=False):
    """Set the gradients of Variables to zero, or drop them. A volatile one, which backward() without create_graph
    makes, is cleared in place; another may be part of a graph, and is replaced."""
    cdef VariableBase param
    cdef TensorBase data
    for param in params:
        if param.grad_ is None:
            continue
        data = param.grad_.data_
        if set_to_none:
            param.grad_ = None
        elif not param.grad_.volatile_:
            param.grad_ = wrap(data.clone().zero_())
        elif data.sparse:
            data.zero_()
        else:
            fill(data, 0)
