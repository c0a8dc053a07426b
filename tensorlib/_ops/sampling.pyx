"""Samples whose parameters are tensors: normal numbers about means, positions in proportion to weights."""
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from .copying cimport contiguous
from .dispatch cimport get
from .random cimport Generator, draw_order, in_draw_order, is_real, next_uniform, ready
from .random import exponential_, normal_
from .sort import topk
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, empty_like, ptr, size_text, type_name, view_of
from .types cimport F32, I64, MAXDIM, real


cdef void shift(real* x, const real* mean, const real* std, real fixed_mean, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real y
    for i in range(n):
        y = x[i] * std[i] if std != NULL else x[i]
        x[i] = y + (mean[i] if mean != NULL else fixed_mean)


cdef int non_negative(const real* x, Py_ssize_t n) except -1:
    cdef Py_ssize_t i
    for i in range(n):
        if not x[i] >= 0:
            raise RuntimeError("normal(): expected deviations >= 0, got %g" % x[i])
    return 0


cdef int spread(TensorBase out, TensorBase mean, TensorBase std, double fixed_mean) except -1:
    if out.dtype == F32:
        shift[float](<float*>ptr(out), <float*>ptr(mean) if mean is not None else NULL,
                     <float*>ptr(std) if std is not None else NULL, <float>fixed_mean, out.numel_)
    else:
        shift[double](<double*>ptr(out), <double*>ptr(mean) if mean is not None else NULL,
                      <double*>ptr(std) if std is not None else NULL, fixed_mean, out.numel_)
    return 0


def normal(mean=0.0, std=1.0, generator=None):
    """Normal samples; mean and std are tensors or numbers, one of them a tensor."""
    cdef TensorBase means = mean if isinstance(mean, TensorBase) else None
    cdef TensorBase stds = std if isinstance(std, TensorBase) else None
    cdef TensorBase like = means if means is not None else stds
    cdef TensorBase out
    if like is None:
        raise TypeError("normal(): expected a tensor as mean or std, got %s and %s"
                        % (type(mean).__name__, type(std).__name__))
    if means is not None and stds is not None:
        if means.dtype != stds.dtype:
            raise TypeError("normal(): mean is a %s, std a %s" % (type_name(means), type_name(stds)))
        if means.numel_ != stds.numel_:
            raise RuntimeError("normal(): sizes (%s) of the means and (%s) of the deviations do not match"
                               % (size_text(means), size_text(stds)))
    is_real(like, "normal")
    if stds is not None and like.numel_:
        stds = contiguous(stds)
        if stds.dtype == F32:
            non_negative(<float*>ptr(stds), stds.numel_)
        else:
            non_negative(<double*>ptr(stds), stds.numel_)
    out = empty_like(like)
    normal_(out, 0, 1 if stds is not None else std, generator)
    if out.numel_:
        spread(out, None if means is None else contiguous(means), stds, 0 if means is not None else mean)
    return out


# Positions in proportion to weights.

cdef enum:
    SIDE = 4                # rows whose weights are added up at once
    SEARCHED = 8            # numbers that are looked for at once

ctypedef bint (*weigh_fn)(const char* p, Py_ssize_t n, Py_ssize_t* positive) noexcept nogil
ctypedef void (*shares_fn)(const char* p, char* sums, Py_ssize_t n, Py_ssize_t rows) noexcept nogil
ctypedef void (*find_fn)(const char* sums, Py_ssize_t n, const double* u, int64_t* where) noexcept nogil

cdef Py_ssize_t check_weights(const real* p, Py_ssize_t n, weigh_fn weigh) except -1:
    """How many weights are positive."""
    cdef Py_ssize_t i, positive
    if not weigh(<const char*>p, n, &positive):
        for i in range(n):
            if not (p[i] >= 0 and p[i] < INFINITY):
                raise RuntimeError("multinomial(): expected finite weights >= 0, got %g" % p[i])
    if positive == 0:
        raise RuntimeError("multinomial(): expected weights with a sum > 0, got %d zeros" % n)
    return positive


cdef int pick_with(Generator g, TensorBase p, TensorBase out, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t k) except -1:
    """With replacement: where uniform numbers fall among the running sums of their row."""
    cdef shares_fn shares = <shares_fn>get("shares", p.dtype)
    cdef find_fn find = <find_fn>get("find_shares", p.dtype)
    cdef Py_ssize_t r, i, j, m, row = n * itemsize(p.dtype)
    cdef bytearray space = bytearray(SIDE * row)
    cdef char* sums = space
    cdef int64_t* drawn = <int64_t*>ptr(out)
    cdef int64_t[SEARCHED] where
    cdef double[SEARCHED] u
    for r in range(rows):
        if r % SIDE == 0:
            shares(ptr(p) + r * row, sums, n, min(rows - r, <Py_ssize_t>SIDE))
        for i in range(0, k, SEARCHED):
            m = min(k - i, <Py_ssize_t>SEARCHED)
            for j in range(SEARCHED):
                u[j] = next_uniform(g) if j < m else 0
            find(sums + r % SIDE * row, n, u, where)
            memcpy(drawn + r * k + i, where, m * sizeof(int64_t))
    return 0


cdef void race(const real* p, real* times, Py_ssize_t n) noexcept nogil:
    """How early exponential clocks ring whose rates are the weights, in place of their times at rate 1; those of weight
    0 never do."""
    cdef Py_ssize_t i
    for i in range(n):
        times[i] = p[i] / times[i] if p[i] > 0 else -1


cdef TensorBase exponentials(Generator g, TensorBase like):
    """Exponential samples, drawn in the order in which `like` lies in memory; returned dense."""
    cdef TensorBase view = in_draw_order(like, like)
    cdef TensorBase drawn = exponential_(empty(like.dtype, view.ndim, view.sizes), 1, g)
    cdef int[MAXDIM] order
    cdef Py_ssize_t[MAXDIM] strides
    cdef int i
    draw_order(like, order)
    for i in range(like.ndim):
        strides[order[i]] = drawn.strides[i]
    return contiguous(view_of(drawn, 0, like.ndim, like.sizes, strides))


def multinomial(TensorBase self not None, Py_ssize_t num_samples, bint replacement=False, generator=None):
    """Row by row, num_samples positions drawn in proportion to the weights; a LongTensor."""
    cdef Py_ssize_t rows, n, r, positive
    cdef Py_ssize_t[2] sizes
    cdef TensorBase out, p, times
    cdef weigh_fn weigh
    cdef Generator g = ready(generator)
    is_real(self, "multinomial")
    if self.ndim != 1 and self.ndim != 2:
        raise RuntimeError("multinomial(): expected weights of 1 or 2 dims, got size (%s)" % size_text(self))
    if num_samples <= 0:
        raise RuntimeError("multinomial(): expected at least one sample, got num_samples=%d" % num_samples)
    n = self.sizes[self.ndim - 1]
    rows = self.numel_ // n
    p = contiguous(self)
    weigh = <weigh_fn>get("weigh", p.dtype)
    for r in range(rows):
        positive = (check_weights(<float*>ptr(p) + r * n, n, weigh) if p.dtype == F32
                    else check_weights(<double*>ptr(p) + r * n, n, weigh))
        if not replacement and positive < num_samples:
            raise RuntimeError("multinomial(): cannot draw %d samples without replacement from %d positive weights"
                               % (num_samples, positive))
    if replacement and num_samples > 1:
        sizes[0] = rows if self.ndim == 2 else num_samples
        sizes[1] = num_samples
        out = empty(I64, self.ndim, sizes)
        pick_with(g, p, out, rows, n, num_samples)
        return out
    times = exponentials(g, self)           # without: the first clocks to ring; one sample is always drawn like this
    if p.dtype == F32:
        race[float](<float*>ptr(p), <float*>ptr(times), p.numel_)
    else:
        race[double](<double*>ptr(p), <double*>ptr(times), p.numel_)
    return topk(times, num_samples)[1]
