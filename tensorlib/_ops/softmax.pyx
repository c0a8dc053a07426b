"""Softmax and log-softmax along a dim, with their derivatives: checks, memory, and the call of the kernel."""
from .copying cimport contiguous
from .dispatch cimport get
from .gil cimport PyThreadState, let_go, take_back
from .tensor cimport TensorBase, empty_like, ptr, same_size, size_text, type_name, wrap_dim

ctypedef void (*softmax_fn)(int what, char* out, char* x, char* y, Py_ssize_t outer, Py_ssize_t n,
                            Py_ssize_t inner) noexcept nogil

cdef enum:              # as in kernels/softmax.pyx
    SOFTMAX = 0
    LOG_SOFTMAX = 1
    SOFTMAX_GRAD = 2
    LOG_SOFTMAX_GRAD = 3


cdef TensorBase apply(int what, TensorBase x, TensorBase y, int dim):
    """Run the kernel on x (the input, or the gradient of the output y) seen as (outer, n, inner)."""
    cdef softmax_fn kernel = <softmax_fn>get("softmax", x.dtype)
    cdef Py_ssize_t outer = 1, inner = 1, n
    cdef int d
    cdef TensorBase out
    dim = wrap_dim(x, dim)
    x = contiguous(x)
    y = x if y is None else contiguous(y)
    out = empty_like(x)
    n = x.sizes[dim]
    for d in range(dim):
        outer *= x.sizes[d]
    for d in range(dim + 1, x.ndim):
        inner *= x.sizes[d]
    cdef PyThreadState* state = let_go(x.numel_)
    kernel(what, ptr(out), ptr(x), ptr(y), outer, n, inner)
    take_back(state)
    return out


cdef TensorBase apply_grad(str name, int what, TensorBase g, TensorBase out, int dim):
    if g.dtype != out.dtype:
        raise TypeError("%s(): gradient is a %s, output a %s" % (name, type_name(g), type_name(out)))
    if not same_size(g, out):
        raise RuntimeError("%s(): gradient has size (%s), output (%s)" % (name, size_text(g), size_text(out)))
    return apply(what, g, out, dim)


def softmax(TensorBase self not None, int dim):
    return apply(SOFTMAX, self, None, dim)


def log_softmax(TensorBase self not None, int dim):
    return apply(LOG_SOFTMAX, self, None, dim)


def softmax_grad(TensorBase g not None, TensorBase out not None, int dim):
    return apply_grad("softmax_grad", SOFTMAX_GRAD, g, out, dim)


def log_softmax_grad(TensorBase g not None, TensorBase out not None, int dim):
    return apply_grad("log_softmax_grad", LOG_SOFTMAX_GRAD, g, out, dim)
