"""Embedding: rows of a matrix looked up by index, and its derivative. Indices are checked before anything is written.

The gradient of row `padding_idx` is zero, and with scale_grad_by_freq that of a row is divided by how often it was
looked up: both are one factor for each row, a vector made here.
"""
from libc.stdint cimport int64_t

from .copying cimport contiguous, fill
from .dispatch cimport get
from .gil cimport PyThreadState, let_go, take_back
from .elementwise import Pointwise
from .shape import view
from .sparse cimport make, rows_of
from .tensor cimport TensorBase, empty, new_header, ptr, set_sizes, size_text, type_name, view_of
from .types cimport F32, I64, MAXDIM

ctypedef void (*embedding_fn)(char* out, char* rows, int64_t* index, Py_ssize_t n, Py_ssize_t width,
                              char* scale) noexcept nogil

MULTIPLY = Pointwise("mul", 2)
cdef Py_ssize_t* UNIT_STRIDE = [1]

cdef TensorBase checked(str name, TensorBase indices, Py_ssize_t rows):
    """The indices, dense, all of them from 0 to rows - 1."""
    cdef const int64_t* index
    cdef Py_ssize_t i = 0, n = indices.numel_
    if indices.dtype != I64:
        raise TypeError("%s(): indices are a %s, expected a tensorlib.LongTensor" % (name, type_name(indices)))
    if n == 0:
        raise RuntimeError("%s(): no indices given" % name)
    indices = contiguous(indices)
    index = <int64_t*>ptr(indices)
    cdef PyThreadState* state = let_go(n)
    while i < n and index[i] >= 0 and index[i] < rows:
        i += 1
    take_back(state)
    if i < n:
        raise RuntimeError("%s(): index %d is out of range, expected 0 to %d" % (name, index[i], rows - 1))
    return indices


cdef inline double get_at(TensorBase t, Py_ssize_t i) noexcept:
    return (<float*>ptr(t))[i] if t.dtype == F32 else (<double*>ptr(t))[i]


cdef inline void put_at(TensorBase t, Py_ssize_t i, double x) noexcept:
    if t.dtype == F32:
        (<float*>ptr(t))[i] = <float>x
    else:
        (<double*>ptr(t))[i] = x


cdef TensorBase row_factors(int dtype, TensorBase indices, Py_ssize_t rows, Py_ssize_t padding_idx,
                            bint scale_grad_by_freq):
    """The factor of each row of the gradient, or None where all are 1."""
    cdef TensorBase factor
    cdef const int64_t* index = <int64_t*>ptr(indices)
    cdef Py_ssize_t i
    if not scale_grad_by_freq and padding_idx < 0:
        return None
    factor = empty(dtype, 1, &rows)
    fill(factor, 0 if scale_grad_by_freq else 1)
    if scale_grad_by_freq:
        for i in range(indices.numel_):
            put_at(factor, index[i], get_at(factor, index[i]) + 1)
        for i in range(rows):
            put_at(factor, i, 1 / max(get_at(factor, i), 1))
    if 0 <= padding_idx < rows:
        put_at(factor, padding_idx, 0)
    return factor


cdef TensorBase look_up(str name, TensorBase weight, TensorBase indices, TensorBase factor):
    """Rows of weight at the indices, of size (*indices, width)."""
    cdef embedding_fn kernel = <embedding_fn>get("embedding", weight.dtype)
    cdef Py_ssize_t[MAXDIM] sizes
    cdef Py_ssize_t width = weight.sizes[1]
    cdef TensorBase out
    cdef int d
    if indices.ndim >= MAXDIM:
        raise RuntimeError("%s(): indices have %d dims, expected fewer than %d" % (name, indices.ndim, MAXDIM))
    for d in range(indices.ndim):
        sizes[d] = indices.sizes[d]
    sizes[indices.ndim] = width
    weight = contiguous(weight)
    out = empty(weight.dtype, indices.ndim + 1, sizes)
    cdef PyThreadState* state = let_go(out.numel_)
    kernel(ptr(out), ptr(weight), <int64_t*>ptr(indices), indices.numel_, width,
           NULL if factor is None else ptr(factor))
    take_back(state)
    return out


cdef int check_matrix(str name, TensorBase weight) except -1:
    if weight.ndim != 2:
        raise RuntimeError("%s(): weight of size (%s), expected a matrix" % (name, size_text(weight)))
    return 0


def embedding(TensorBase weight not None, TensorBase indices not None, Py_ssize_t padding_idx=-1,
              bint scale_grad_by_freq=False, bint sparse=False):
    """Rows of weight at the indices; the last three arguments matter to the gradient only."""
    check_matrix("embedding", weight)
    return look_up("embedding", weight, checked("embedding", indices, weight.sizes[0]), None)


def embedding_grad(TensorBase g not None, TensorBase indices not None, Py_ssize_t num_weights,
                   Py_ssize_t padding_idx=-1, bint scale_grad_by_freq=False):
    """Gradient by the weight: the rows of g added up where their indices point."""
    cdef embedding_fn kernel = <embedding_fn>get("embedding_grad", g.dtype)
    cdef Py_ssize_t[2] sizes
    cdef TensorBase out, factor
    indices = checked_with("embedding_grad", g, indices, num_weights)
    sizes[0], sizes[1] = num_weights, g.sizes[g.ndim - 1]
    factor = row_factors(g.dtype, indices, num_weights, padding_idx, scale_grad_by_freq)
    g = contiguous(g)
    out = empty(g.dtype, 2, sizes)
    fill(out, 0)
    cdef PyThreadState* state = let_go(out.numel_)
    kernel(ptr(out), ptr(g), <int64_t*>ptr(indices), indices.numel_, sizes[1],
           NULL if factor is None else ptr(factor))
    take_back(state)
    return out


cdef TensorBase checked_with(str name, TensorBase g, TensorBase indices, Py_ssize_t num_weights):
    """The checked indices, for a gradient that has a row for each of them."""
    indices = checked(name, indices, num_weights)
    if g.ndim != indices.ndim + 1 or g.numel_ != indices.numel_ * g.sizes[g.ndim - 1]:
        raise RuntimeError("%s(): gradient of size (%s) for indices of size (%s)"
                           % (name, size_text(g), size_text(indices)))
    return indices


def embedding_sparse_grad(TensorBase g not None, TensorBase indices not None, Py_ssize_t num_weights,
                          Py_ssize_t padding_idx=-1, bint scale_grad_by_freq=False):
    """The same gradient as a sparse tensor: an entry for each index but padding_idx, in the order they came in."""
    cdef TensorBase form = new_header(g.dtype, -1), factor, kept, found, values
    cdef Py_ssize_t[2] sizes = [num_weights, 0]
    indices = checked_with("embedding_sparse_grad", g, indices, num_weights)
    sizes[1] = g.sizes[g.ndim - 1]
    set_sizes(form, 2, sizes)
    kept = places_but(indices, padding_idx)
    if kept.numel_ == 0:
        return make(g.dtype, -1, form, 1, None, None, True)
    found = rows_of(view(indices, (-1,)), kept)
    values = view(contiguous(g), (-1, sizes[1]))
    if kept.numel_ < indices.numel_:
        values = rows_of(values, kept)
    if scale_grad_by_freq:
        factor = row_factors(g.dtype, indices, num_weights, padding_idx, True)
        values = MULTIPLY(values, view(rows_of(factor, found), (-1, 1)))
    return make(g.dtype, -1, form, 1, view(found, (1, -1)), values, False)


cdef TensorBase places_but(TensorBase indices, Py_ssize_t padding_idx):
    """Where, among the indices in a row, others than padding_idx stand."""
    cdef Py_ssize_t n = indices.numel_, i, count = 0
    cdef TensorBase places = empty(I64, 1, &n)
    cdef int64_t* place = <int64_t*>ptr(places)
    cdef const int64_t* index = <const int64_t*>ptr(indices)
    with nogil:
        for i in range(n):
            if index[i] != padding_idx:
                place[count] = i
                count += 1
    return view_of(places, 0, 1, &count, UNIT_STRIDE) if count else empty(I64, 0, NULL)


def embedding_scaled(TensorBase weight not None, TensorBase indices not None, Py_ssize_t padding_idx=-1,
                     bint scale_grad_by_freq=False):
    """The adjoint of embedding_grad: rows of weight at the indices, each times the factor of its gradient."""
    cdef TensorBase factor
    check_matrix("embedding_scaled", weight)
    indices = checked("embedding_scaled", indices, weight.sizes[0])
    factor = row_factors(weight.dtype, indices, weight.sizes[0], padding_idx, scale_grad_by_freq)
    return look_up("embedding_scaled", weight, indices, factor)
