"""Batch normalisation of an input (batch, channels, ...), with or without a ReLU behind it: checks, running statistics,
and the calls of the kernels.
"""
from libc.math cimport sqrt

from .copying cimport contiguous, copy_into
from .dispatch cimport get
from .gil cimport PyThreadState, let_go, take_back
from .tensor cimport TensorBase, empty, empty_like, ptr, same_size, size_text, type_name
from .types cimport F32, F64

ctypedef void (*norm_fn)(char* out, char* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner, char* weight,
                         char* bias, bint relu, bint training, double eps, char* mean, char* invstd,
                         double* variance) noexcept nogil
ctypedef void (*norm_grad_fn)(char* dx, char* g, char* x, Py_ssize_t batch, Py_ssize_t channels, Py_ssize_t inner,
                              char* weight, char* bias, bint relu, char* mean, char* invstd, bint training,
                              char* dweight, char* dbias) noexcept nogil


cdef TensorBase of_channels(str name, TensorBase t, TensorBase input):
    """t, dense, if it is None or holds a number of the input's type for each channel."""
    if t is None:
        return None
    if t.dtype != input.dtype:
        raise RuntimeError("batch_norm(): %s is a %s, expected the input's type %s"
                           % (name, type_name(t), type_name(input)))
    if t.numel_ != input.sizes[1]:
        raise RuntimeError("batch_norm(): %s should contain %d elements, not %d" % (name, input.sizes[1], t.numel_))
    return contiguous(t)


cdef inline char* address(TensorBase t) noexcept nogil:
    return NULL if t is None else ptr(t)


cdef int check_input(TensorBase input) except -1:
    if input.ndim < 2:
        raise RuntimeError("batch_norm(): input of size (%s), expected (batch, channels, ...)" % size_text(input))
    return 0


cdef inline double get_at(TensorBase t, Py_ssize_t i) noexcept nogil:
    """Element i of a dense tensor."""
    return (<float*>ptr(t))[i] if t.dtype == F32 else (<double*>ptr(t))[i]


cdef inline void put_at(TensorBase t, Py_ssize_t i, double x) noexcept nogil:
    if t.dtype == F32:
        (<float*>ptr(t))[i] = <float>x
    else:
        (<double*>ptr(t))[i] = x


cdef int move_towards(TensorBase running, TensorBase new, double factor, double momentum) except -1:
    """running = (1 - momentum) * running + momentum * factor * new, in place."""
    cdef TensorBase dense = contiguous(running)
    cdef Py_ssize_t c
    for c in range(dense.numel_):
        put_at(dense, c, (1 - momentum) * get_at(dense, c) + momentum * (factor * get_at(new, c)))
    if dense is not running:
        copy_into(running, dense)
    return 0


cdef int known_statistics(TensorBase running_mean, TensorBase running_var, double eps, TensorBase mean,
                          TensorBase invstd) except -1:
    cdef TensorBase variance = contiguous(running_var)
    cdef Py_ssize_t c
    copy_into(mean, running_mean)
    for c in range(mean.numel_):
        put_at(invstd, c, 1 / sqrt(get_at(variance, c) + eps))
    return 0


cdef tuple normalise(TensorBase input, TensorBase weight, TensorBase bias, bint relu, TensorBase running_mean,
                     TensorBase running_var, bint training, double momentum, double eps):
    cdef norm_fn kernel = <norm_fn>get("batch_norm", input.dtype)
    cdef Py_ssize_t batch, channels, inner
    cdef double count
    cdef TensorBase out, mean, invstd, variance, x
    check_input(input)
    batch, channels = input.sizes[0], input.sizes[1]
    inner = input.numel_ // (batch * channels)
    count = <double>(batch * inner)
    of_channels("running_mean", running_mean, input)
    of_channels("running_var", running_var, input)
    weight, bias = of_channels("weight", weight, input), of_channels("bias", bias, input)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("batch_norm(): running_mean and running_var must be given unless training")
    x = contiguous(input)
    out = empty_like(x)
    mean, invstd = empty(x.dtype, 1, &channels), empty(x.dtype, 1, &channels)
    variance = empty(F64, 1, &channels)
    if not training:
        known_statistics(running_mean, running_var, eps, mean, invstd)
    cdef PyThreadState* state = let_go(x.numel_)
    kernel(ptr(out), ptr(x), batch, channels, inner, address(weight), address(bias), relu, training, eps,
           ptr(mean), ptr(invstd), <double*>ptr(variance))
    take_back(state)
    if training and running_mean is not None:
        move_towards(running_mean, mean, 1, momentum)
    if training and running_var is not None:        # the unbiased variance: nan for a single value
        move_towards(running_var, variance, count / (count - 1), momentum)
    return out, mean, invstd


def batch_norm(TensorBase input not None, TensorBase weight, TensorBase bias, TensorBase running_mean,
               TensorBase running_var, bint training, double momentum, double eps):
    """(output, mean, invstd). Training takes the statistics of the input, and moves the running ones towards them."""
    return normalise(input, weight, bias, False, running_mean, running_var, training, momentum, eps)


def batch_norm_relu(TensorBase input not None, TensorBase weight, TensorBase bias, TensorBase running_mean,
                    TensorBase running_var, bint training, double momentum, double eps):
    """batch_norm with 0 for what is not above 0 in its output."""
    return normalise(input, weight, bias, True, running_mean, running_var, training, momentum, eps)


cdef tuple gradients(TensorBase g, TensorBase input, TensorBase weight, TensorBase bias, bint relu, TensorBase mean,
                     TensorBase invstd, bint training):
    cdef norm_grad_fn kernel = <norm_grad_fn>get("batch_norm_grad", input.dtype)
    cdef Py_ssize_t batch, channels, inner
    cdef TensorBase dx, dweight, dbias
    check_input(input)
    if g.dtype != input.dtype or not same_size(g, input):
        raise RuntimeError("batch_norm_grad(): gradient is a %s of size (%s), input a %s of size (%s)"
                           % (type_name(g), size_text(g), type_name(input), size_text(input)))
    batch, channels = input.sizes[0], input.sizes[1]
    inner = input.numel_ // (batch * channels)
    weight, bias = of_channels("weight", weight, input), of_channels("bias", bias, input)
    mean, invstd = of_channels("mean", mean, input), of_channels("invstd", invstd, input)
    g, input = contiguous(g), contiguous(input)
    dx = empty_like(input)
    dweight, dbias = empty(input.dtype, 1, &channels), empty(input.dtype, 1, &channels)
    cdef PyThreadState* state = let_go(input.numel_)
    kernel(ptr(dx), ptr(g), ptr(input), batch, channels, inner, address(weight), address(bias), relu, ptr(mean),
           ptr(invstd), training, ptr(dweight), ptr(dbias))
    take_back(state)
    return dx, dweight, dbias


def batch_norm_grad(TensorBase g not None, TensorBase input not None, TensorBase weight, TensorBase mean not None,
                    TensorBase invstd not None, bint training, double eps):
    """Gradients by (input, weight, bias); mean and invstd are those that batch_norm gave.

    eps is in invstd already; only the formula of the second derivative reads it."""
    return gradients(g, input, weight, None, False, mean, invstd, training)


def batch_norm_relu_grad(TensorBase g not None, TensorBase input not None, TensorBase weight, TensorBase bias,
                         TensorBase mean not None, TensorBase invstd not None, bint training, double eps):
    """The same of batch_norm_relu: the output, which tells where the gradient passes, is computed again."""
    return gradients(g, input, weight, bias, True, mean, invstd, training)
