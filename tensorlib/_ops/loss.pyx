"""Losses and their derivatives: checks, memory, and the calls of the kernels.

Every loss gives a tensor of size (1,): the sum, or with size_average the mean, over elements (nll_loss: over the
weights of the targets; the margin losses of classes: over rows). A `_grad` takes the gradient of that one number.
"""
from libc.stdint cimport int64_t

from .copying cimport contiguous, fill
from .dispatch cimport get
from .gil cimport PyThreadState, let_go, take_back
from .tensor cimport TensorBase, empty, empty_like, ptr, size_text, type_name
from .types cimport F32, I64, MAXDIM

ctypedef double (*loss_fn)(int what, char* x, char* t, char* w, double margin, Py_ssize_t n) noexcept nogil
ctypedef void (*loss_grad_fn)(int what, char* out, char* x, char* t, char* w, double margin, double scale,
                              Py_ssize_t n) noexcept nogil
ctypedef bint (*in_unit_fn)(char* x, Py_ssize_t n) noexcept nogil
ctypedef void (*class_loss_fn)(char* x, int64_t* target, char* w, Py_ssize_t batch, Py_ssize_t classes,
                               Py_ssize_t inner, Py_ssize_t ignore, double* sums) noexcept nogil
ctypedef void (*nll_grad_fn)(char* out, int64_t* target, char* w, Py_ssize_t batch, Py_ssize_t classes,
                             Py_ssize_t inner, Py_ssize_t ignore, double scale) noexcept nogil
ctypedef void (*class_grad_fn)(char* out, char* x, int64_t* target, char* w, Py_ssize_t batch, Py_ssize_t classes,
                               Py_ssize_t inner, Py_ssize_t ignore, double scale) noexcept nogil
ctypedef double (*multi_margin_fn)(char* x, int64_t* target, char* w, Py_ssize_t rows, Py_ssize_t n, int p,
                                   double margin) noexcept nogil
ctypedef void (*multi_margin_grad_fn)(char* out, char* x, int64_t* target, char* w, char* v, Py_ssize_t rows,
                                      Py_ssize_t n, int p, double margin, double scale) noexcept nogil
ctypedef double (*multilabel_fn)(char* x, int64_t* target, char* marks, Py_ssize_t rows, Py_ssize_t n) noexcept nogil
ctypedef void (*multilabel_grad_fn)(char* out, char* x, int64_t* target, char* marks, Py_ssize_t rows, Py_ssize_t n,
                                    double scale) noexcept nogil

cdef enum:              # as in kernels/loss.pyx
    MSE = 0
    L1 = 1
    SMOOTH_L1 = 2
    BCE = 3
    KL_DIV = 4
    SOFT_MARGIN = 5
    HINGE_EMBEDDING = 6
    BCE_LOGITS = 7

NAMES = ("mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy", "kl_div", "soft_margin_loss",
         "hinge_embedding_loss", "binary_cross_entropy_with_logits")


cdef TensorBase one_number(int dtype, double x):
    cdef Py_ssize_t one = 1
    cdef TensorBase out = empty(dtype, 1, &one)
    if dtype == F32:
        (<float*>ptr(out))[0] = <float>x
    else:
        (<double*>ptr(out))[0] = x
    return out


cdef double number_of(str name, TensorBase g, TensorBase like) except? -1:
    """The number in g, the gradient of a loss."""
    if g.numel_ != 1 or (like is not None and g.dtype != like.dtype):
        raise RuntimeError("%s(): gradient is a %s of size (%s), expected one number of the input's type"
                           % (name, type_name(g), size_text(g)))
    return (<float*>ptr(g))[0] if g.dtype == F32 else (<double*>ptr(g))[0]


cdef int check_pair(str name, TensorBase x, str role, TensorBase t) except -1:
    """t must be of the type of x and have as many elements, whatever its size."""
    if t.dtype != x.dtype:
        raise TypeError("%s(): %s is a %s, expected the input's type %s" % (name, role, type_name(t), type_name(x)))
    if t.numel_ != x.numel_:
        raise RuntimeError("%s(): input and %s have different number of elements: input[%s] has %d elements, while "
                           "%s[%s] has %d elements"
                           % (name, role, size_text(x), x.numel_, role, size_text(t), t.numel_))
    if x.numel_ == 0:
        raise RuntimeError("%s(): input is empty" % name)
    return 0


def one(TensorBase like not None):
    """The number 1, of that type and of size (1,)."""
    return one_number(like.dtype, 1)


# Losses of one element each.

cdef TensorBase pointwise_loss(int what, TensorBase x, TensorBase t, TensorBase w, double margin, bint size_average):
    cdef str name = NAMES[what]
    cdef loss_fn kernel = <loss_fn>get("loss", x.dtype)
    cdef char* weight = NULL
    cdef double total
    check_pair(name, x, "target", t)
    x, t = contiguous(x), contiguous(t)
    if w is not None:
        check_pair(name, x, "weight", w)
        w = contiguous(w)
        weight = ptr(w)
    if what == BCE:
        check_in_unit(name, x)
    cdef PyThreadState* state = let_go(x.numel_)
    total = kernel(what, ptr(x), ptr(t), weight, margin, x.numel_)
    take_back(state)
    return one_number(x.dtype, total / x.numel_ if size_average else total)


cdef TensorBase pointwise_grad(int what, TensorBase g, TensorBase x, TensorBase t, TensorBase w, double margin,
                               bint size_average):
    cdef str name = NAMES[what] + "_grad"
    cdef loss_grad_fn kernel = <loss_grad_fn>get("loss_grad", x.dtype)
    cdef char* weight = NULL
    cdef double scale = number_of(name, g, x)
    cdef TensorBase out
    check_pair(name, x, "target", t)
    x, t = contiguous(x), contiguous(t)
    if w is not None:
        check_pair(name, x, "weight", w)
        w = contiguous(w)
        weight = ptr(w)
    out = empty_like(x)
    if size_average:
        scale /= x.numel_
    cdef PyThreadState* state = let_go(x.numel_)
    kernel(what, ptr(out), ptr(x), ptr(t), weight, margin, scale, x.numel_)
    take_back(state)
    return out


cdef int check_in_unit(str name, TensorBase x) except -1:
    cdef in_unit_fn inside = <in_unit_fn>get("in_unit", x.dtype)
    cdef bint ok
    cdef PyThreadState* state = let_go(x.numel_)
    ok = inside(ptr(x), x.numel_)
    take_back(state)
    if not ok:
        raise RuntimeError("%s(): input has values outside of [0, 1]" % name)
    return 0


def mse_loss(TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_loss(MSE, self, target, None, 0, size_average)


def mse_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_grad(MSE, g, self, target, None, 0, size_average)


def l1_loss(TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_loss(L1, self, target, None, 0, size_average)


def l1_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_grad(L1, g, self, target, None, 0, size_average)


def smooth_l1_loss(TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_loss(SMOOTH_L1, self, target, None, 0, size_average)


def smooth_l1_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                        bint size_average=True):
    return pointwise_grad(SMOOTH_L1, g, self, target, None, 0, size_average)


def binary_cross_entropy(TensorBase self not None, TensorBase target not None, TensorBase weight=None,
                         bint size_average=True):
    return pointwise_loss(BCE, self, target, weight, 0, size_average)


def binary_cross_entropy_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                              TensorBase weight=None, bint size_average=True):
    return pointwise_grad(BCE, g, self, target, weight, 0, size_average)


def binary_cross_entropy_with_logits(TensorBase self not None, TensorBase target not None, TensorBase weight=None,
                                     bint size_average=True):
    return pointwise_loss(BCE_LOGITS, self, target, weight, 0, size_average)


def binary_cross_entropy_with_logits_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                                          TensorBase weight=None, bint size_average=True):
    return pointwise_grad(BCE_LOGITS, g, self, target, weight, 0, size_average)


def kl_div(TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_loss(KL_DIV, self, target, None, 0, size_average)


def kl_div_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_grad(KL_DIV, g, self, target, None, 0, size_average)


def soft_margin_loss(TensorBase self not None, TensorBase target not None, bint size_average=True):
    return pointwise_loss(SOFT_MARGIN, self, target, None, 0, size_average)


def soft_margin_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                          bint size_average=True):
    return pointwise_grad(SOFT_MARGIN, g, self, target, None, 0, size_average)


def hinge_embedding_loss(TensorBase self not None, TensorBase target not None, double margin=1, bint size_average=True):
    return pointwise_loss(HINGE_EMBEDDING, self, target, None, margin, size_average)


def hinge_embedding_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                              double margin=1, bint size_average=True):
    return pointwise_grad(HINGE_EMBEDDING, g, self, target, None, margin, size_average)


# Losses of class indices.

cdef int check_classes(str name, TensorBase target, Py_ssize_t classes, Py_ssize_t ignore) except -1:
    """Every target is in [0, classes) or equals ignore."""
    cdef const int64_t* t = <int64_t*>ptr(target)
    cdef Py_ssize_t k = 0, n = target.numel_
    cdef PyThreadState* state = let_go(n)
    while k < n and ((t[k] >= 0 and t[k] < classes) or t[k] == ignore):
        k += 1
    take_back(state)
    if k < n:
        raise RuntimeError("%s(): target %d is out of range, expected a class from 0 to %d" % (name, t[k], classes - 1))
    return 0


cdef TensorBase class_indices(str name, TensorBase target):
    if target.dtype != I64:
        raise TypeError("%s(): target is a %s, expected a tensorlib.LongTensor" % (name, type_name(target)))
    return contiguous(target)


cdef TensorBase class_weights(str name, TensorBase w, int dtype, Py_ssize_t classes):
    if w is None:
        return None
    if w.dtype != dtype:
        raise TypeError("%s(): weight is a %s, expected the input's type" % (name, type_name(w)))
    if w.numel_ != classes:
        raise RuntimeError("%s(): weight of size (%s) for %d classes" % (name, size_text(w), classes))
    return contiguous(w)


cdef Py_ssize_t class_places(str name, TensorBase target, int ndim, const Py_ssize_t* sizes) except -1:
    """Number of places of an input (batch, classes, ...), whose target must have the size (batch, ...)."""
    cdef Py_ssize_t places = 1
    cdef int d
    cdef bint ok = ndim >= 2 and target.ndim == ndim - 1
    for d in range(ndim):
        if d != 1:
            places *= sizes[d]
            ok = ok and target.sizes[d - (d > 1)] == sizes[d]
    if not ok:
        raise RuntimeError("%s(): input of size (%s) with target of size (%s), expected (batch, classes) with "
                           "(batch), or (batch, classes, h, w) with (batch, h, w)"
                           % (name, " x ".join([str(sizes[d]) for d in range(ndim)]), size_text(target)))
    return places


ctypedef struct Classes:            # what a loss of class indices works on, checked
    Py_ssize_t batch
    Py_ssize_t classes
    Py_ssize_t inner
    int64_t* target
    char* weight


cdef tuple classes_of(str name, int dtype, int ndim, const Py_ssize_t* sizes, TensorBase target, TensorBase weight,
                      Py_ssize_t ignore, Classes* c):
    """Fill c; the tensors given back must live as long as it is used."""
    cdef Py_ssize_t places
    target = class_indices(name, target)
    places = class_places(name, target, ndim, sizes)
    c.batch, c.classes, c.inner = sizes[0], sizes[1], places // sizes[0]
    weight = class_weights(name, weight, dtype, c.classes)
    check_classes(name, target, c.classes, ignore)
    c.target = <int64_t*>ptr(target)
    c.weight = NULL if weight is None else ptr(weight)
    return target, weight


cdef double weight_sum(int dtype, const Classes* c, Py_ssize_t ignore) noexcept nogil:
    """Sum of the weights of the targets that are not ignored."""
    cdef Py_ssize_t k
    cdef double total = 0
    for k in range(c.batch * c.inner):
        if c.target[k] != ignore:
            if c.weight == NULL:
                total += 1
            else:
                total += (<float*>c.weight)[c.target[k]] if dtype == F32 else (<double*>c.weight)[c.target[k]]
    return total


cdef double shared(double scale, int dtype, const Classes* c, bint size_average, Py_ssize_t ignore) noexcept nogil:
    """What one unit of weight counts: with size_average divided by their sum, 0 where that is 0."""
    cdef double weights
    if not size_average:
        return scale
    weights = weight_sum(dtype, c, ignore)
    return scale / weights if weights != 0 else 0


cdef TensorBase class_loss(str kernel_name, str name, TensorBase self, TensorBase target, TensorBase weight,
                           bint size_average, Py_ssize_t ignore):
    cdef class_loss_fn kernel = <class_loss_fn>get(kernel_name, self.dtype)
    cdef double[2] sums
    cdef Classes c
    _alive = classes_of(name, self.dtype, self.ndim, self.sizes, target, weight, ignore, &c)
    self = contiguous(self)
    cdef PyThreadState* state = let_go(self.numel_)
    kernel(ptr(self), c.target, c.weight, c.batch, c.classes, c.inner, ignore, sums)
    take_back(state)
    return one_number(self.dtype, sums[0] / sums[1] if size_average and sums[1] != 0 else sums[0])


def nll_loss(TensorBase self not None, TensorBase target not None, TensorBase weight=None, bint size_average=True,
             Py_ssize_t ignore_index=-100):
    return class_loss("nll", "nll_loss", self, target, weight, size_average, ignore_index)


def nll_loss_grad(TensorBase g not None, size, TensorBase target not None, TensorBase weight=None,
                  bint size_average=True, Py_ssize_t ignore_index=-100):
    """Gradient of nll_loss by an input of that size."""
    cdef nll_grad_fn kernel = <nll_grad_fn>get("nll_grad", g.dtype)
    cdef Py_ssize_t[MAXDIM] sizes
    cdef double scale = number_of("nll_loss_grad", g, None)
    cdef Classes c
    cdef TensorBase out
    cdef int d, ndim = len(size)
    for d in range(min(ndim, MAXDIM)):
        sizes[d] = size[d]
    _alive = classes_of("nll_loss_grad", g.dtype, ndim, sizes, target, weight, ignore_index, &c)
    out = empty(g.dtype, ndim, sizes)
    fill(out, 0)
    cdef PyThreadState* state = let_go(out.numel_)
    scale = shared(scale, out.dtype, &c, size_average, ignore_index)
    kernel(ptr(out), c.target, c.weight, c.batch, c.classes, c.inner, ignore_index, scale)
    take_back(state)
    return out


def cross_entropy(TensorBase self not None, TensorBase target not None, TensorBase weight=None, bint size_average=True,
                  Py_ssize_t ignore_index=-100):
    """nll_loss of log_softmax over dim 1, without keeping that."""
    return class_loss("cross_entropy", "cross_entropy", self, target, weight, size_average, ignore_index)


def cross_entropy_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                       TensorBase weight=None, bint size_average=True, Py_ssize_t ignore_index=-100):
    cdef class_grad_fn kernel = <class_grad_fn>get("cross_entropy_grad", self.dtype)
    cdef double scale = number_of("cross_entropy_grad", g, self)
    cdef Classes c
    cdef TensorBase out
    _alive = classes_of("cross_entropy_grad", self.dtype, self.ndim, self.sizes, target, weight, ignore_index, &c)
    self = contiguous(self)
    out = empty_like(self)
    cdef PyThreadState* state = let_go(out.numel_)
    scale = shared(scale, out.dtype, &c, size_average, ignore_index)
    kernel(ptr(out), ptr(self), c.target, c.weight, c.batch, c.classes, c.inner, ignore_index, scale)
    take_back(state)
    return out


cdef Py_ssize_t margin_rows(str name, TensorBase self, TensorBase target, bint by_class) except -1:
    """Rows of an input (classes) or (batch, classes), with one target for each row or for each element."""
    cdef Py_ssize_t rows = self.numel_ // self.sizes[self.ndim - 1] if self.ndim > 0 else 0
    if self.ndim < 1 or self.ndim > 2 or target.numel_ != (rows if by_class else self.numel_):
        raise RuntimeError("%s(): input of size (%s) with target of size (%s)"
                           % (name, size_text(self), size_text(target)))
    return rows


cdef int check_power(str name, int p) except -1:
    if p != 1 and p != 2:
        raise ValueError("%s(): p is %d, expected 1 or 2" % (name, p))
    return 0


def multi_margin_loss(TensorBase self not None, TensorBase target not None, TensorBase weight=None, int p=1,
                      double margin=1, bint size_average=True):
    cdef multi_margin_fn kernel = <multi_margin_fn>get("multi_margin", self.dtype)
    cdef Py_ssize_t rows, n
    cdef double total
    cdef char* w = NULL
    check_power("multi_margin_loss", p)
    target = class_indices("multi_margin_loss", target)
    rows = margin_rows("multi_margin_loss", self, target, True)
    n = self.sizes[self.ndim - 1]
    check_classes("multi_margin_loss", target, n, 0)
    weight = class_weights("multi_margin_loss", weight, self.dtype, n)
    if weight is not None:
        w = ptr(weight)
    self = contiguous(self)
    cdef PyThreadState* state = let_go(self.numel_)
    total = kernel(ptr(self), <int64_t*>ptr(target), w, rows, n, p, margin)
    take_back(state)
    return one_number(self.dtype, total / n / rows if size_average else total / n)


cdef TensorBase multi_margin_derivative(double scale, TensorBase v, TensorBase self, TensorBase target,
                                        TensorBase weight, int p, double margin, bint size_average):
    cdef multi_margin_grad_fn kernel = <multi_margin_grad_fn>get("multi_margin_grad", self.dtype)
    cdef Py_ssize_t rows, n
    cdef char* w = NULL
    cdef char* direction = NULL
    cdef TensorBase out
    target = class_indices("multi_margin_loss_grad", target)
    rows = margin_rows("multi_margin_loss_grad", self, target, True)
    n = self.sizes[self.ndim - 1]
    check_classes("multi_margin_loss_grad", target, n, 0)
    weight = class_weights("multi_margin_loss_grad", weight, self.dtype, n)
    if weight is not None:
        w = ptr(weight)
    self = contiguous(self)
    if v is not None:
        check_pair("multi_margin_loss_grad", self, "gradient", v)
        v = contiguous(v)
        direction = ptr(v)
    out = empty_like(self)
    scale /= n * (rows if size_average else 1)
    cdef PyThreadState* state = let_go(out.numel_)
    kernel(ptr(out), ptr(self), <int64_t*>ptr(target), w, direction, rows, n, p, margin, scale)
    take_back(state)
    return out


def multi_margin_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                           TensorBase weight=None, int p=1, double margin=1, bint size_average=True):
    check_power("multi_margin_loss_grad", p)
    return multi_margin_derivative(number_of("multi_margin_loss_grad", g, self), None, self, target, weight, p, margin,
                                   size_average)


def multi_margin_loss_curvature(TensorBase v not None, TensorBase self not None, TensorBase target not None,
                                TensorBase weight=None, double margin=1, bint size_average=True):
    """The second derivative of multi_margin_loss with p = 2, applied to v."""
    return multi_margin_derivative(1, v, self, target, weight, 2, margin, size_average)


def multilabel_margin_loss(TensorBase self not None, TensorBase target not None, bint size_average=True):
    cdef multilabel_fn kernel = <multilabel_fn>get("multilabel_margin", self.dtype)
    cdef Py_ssize_t rows, n
    cdef double total
    cdef bytearray marks
    cdef char* mark
    target = class_indices("multilabel_margin_loss", target)
    rows = margin_rows("multilabel_margin_loss", self, target, False)
    n = self.sizes[self.ndim - 1]
    check_classes("multilabel_margin_loss", target, n, -1)
    marks = bytearray(n)
    mark = marks
    self = contiguous(self)
    cdef PyThreadState* state = let_go(self.numel_)
    total = kernel(ptr(self), <int64_t*>ptr(target), mark, rows, n)
    take_back(state)
    return one_number(self.dtype, total / n / rows if size_average else total / n)


def multilabel_margin_loss_grad(TensorBase g not None, TensorBase self not None, TensorBase target not None,
                                bint size_average=True):
    cdef multilabel_grad_fn kernel = <multilabel_grad_fn>get("multilabel_margin_grad", self.dtype)
    cdef double scale = number_of("multilabel_margin_loss_grad", g, self)
    cdef Py_ssize_t rows, n
    cdef bytearray marks
    cdef char* mark
    cdef TensorBase out
    target = class_indices("multilabel_margin_loss_grad", target)
    rows = margin_rows("multilabel_margin_loss_grad", self, target, False)
    n = self.sizes[self.ndim - 1]
    check_classes("multilabel_margin_loss_grad", target, n, -1)
    marks = bytearray(n)
    mark = marks
    self = contiguous(self)
    out = empty_like(self)
    fill(out, 0)
    scale /= n * (rows if size_average else 1)
    cdef PyThreadState* state = let_go(out.numel_)
    kernel(ptr(out), ptr(self), <int64_t*>ptr(target), mark, rows, n, scale)
    take_back(state)
    return out
