"""Factorisations of matrices. LU is ours; the rest is numpy.linalg, imported when first used.

The names and conventions are those of LAPACK: factors packed in one matrix, pivots counted from 1. Results that are
matrices have dense columns. Nothing here knows autograd.
"""
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from .copying cimport contiguous, copy_into
from .dispatch cimport get
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, ptr, resize, size_text, type_name, view_of
from .types cimport F32, F64, I32

ctypedef Py_ssize_t (*factor_fn)(Py_ssize_t n, char* a, int32_t* pivots) noexcept nogil
ctypedef void (*solve_fn)(Py_ssize_t n, Py_ssize_t m, const char* lu, const int32_t* pivots, char* b) noexcept nogil


# ---- tensors and arrays -------------------------------------------------------------------------------------------

cdef object array_of(TensorBase t):
    """A copy of a float or double tensor as a NumPy array."""
    import numpy
    cdef TensorBase dense = contiguous(t)
    cdef size_t address
    array = numpy.empty(t.size(), "float32" if t.dtype == F32 else "float64")
    address = array.__array_interface__["data"][0]
    memcpy(<void*>address, ptr(dense), t.numel_ * itemsize(t.dtype))
    return array


cdef TensorBase tensor_of(object array, int dtype):
    """A copy of an array; of a matrix with dense columns."""
    import numpy
    cdef Py_ssize_t[2] sizes
    cdef TensorBase t
    cdef size_t address
    array = numpy.ascontiguousarray(array.T, {F32: "float32", F64: "float64", I32: "int32"}[dtype])
    address = array.__array_interface__["data"][0]
    sizes[0], sizes[1] = array.shape[0], array.shape[1] if array.ndim == 2 else 1
    t = empty(dtype, array.ndim, sizes)
    memcpy(ptr(t), <void*>address, t.numel_ * itemsize(dtype))
    return transposed(t) if array.ndim == 2 else t


cdef TensorBase transposed(TensorBase t):
    cdef Py_ssize_t[2] sizes, strides
    sizes[0], sizes[1], strides[0], strides[1] = t.sizes[1], t.sizes[0], t.strides[1], t.strides[0]
    return view_of(t, t.offset, 2, sizes, strides)


cdef int check_matrix(str name, TensorBase a, bint square=False) except -1:
    if a.dtype != F32 and a.dtype != F64:
        raise TypeError("%s() is not implemented for type %s" % (name, type_name(a)))
    if a.ndim != 2:
        raise RuntimeError("%s(): A should be 2 dimensional, but has %d" % (name, a.ndim))
    if square and a.sizes[0] != a.sizes[1]:
        raise RuntimeError("%s(): A should be square, but is %dx%d" % (name, a.sizes[0], a.sizes[1]))
    return 0


cdef int check_system(str name, TensorBase b, TensorBase a, bint square=True) except -1:
    check_matrix(name, a, square)
    if b.dtype != a.dtype:
        raise TypeError("%s(): expected a %s, got a %s" % (name, type_name(b), type_name(a)))
    if b.ndim != 2:
        raise RuntimeError("%s(): B should have 2 dimensions, but has %d" % (name, b.ndim))
    if a.sizes[0] != b.sizes[0]:
        raise RuntimeError("%s(): A,B size incompatible - A has %d rows, B has %d" % (name, a.sizes[0], b.sizes[0]))
    return 0


# ---- LU ---------------------------------------------------------------------------------------------------------

cdef TensorBase dense_copy(TensorBase t):
    cdef TensorBase copy = empty(t.dtype, t.ndim, t.sizes)
    copy_into(copy, t)
    return copy


cdef tuple factors(TensorBase a):
    """(LU by rows, pivots, info) of a square matrix or of a batch of them."""
    cdef TensorBase lu = dense_copy(a), pivots = empty(I32, a.ndim - 1, a.sizes)
    cdef Py_ssize_t i, n = a.sizes[a.ndim - 1], batch = a.sizes[0] if a.ndim == 3 else 1
    cdef TensorBase info = empty(I32, 1, &batch)
    cdef factor_fn factor = <factor_fn>get("lu_factor", a.dtype)
    cdef int size = itemsize(a.dtype)
    with nogil:
        for i in range(batch):
            (<int32_t*>ptr(info))[i] = <int32_t>factor(n, ptr(lu) + i * n * n * size, <int32_t*>ptr(pivots) + i * n)
    return lu, pivots, info


cdef TensorBase solve(TensorBase lu, TensorBase pivots, TensorBase b):
    """x of A x = b by rows, for a matrix b or a batch of vectors or matrices, given dense factors."""
    cdef TensorBase x = dense_copy(b)
    cdef Py_ssize_t i, n = lu.sizes[lu.ndim - 1], batch = lu.sizes[0] if lu.ndim == 3 else 1
    cdef Py_ssize_t m = b.numel_ // (n * batch)
    cdef solve_fn kernel = <solve_fn>get("lu_solve", b.dtype)
    cdef int size = itemsize(b.dtype)
    with nogil:
        for i in range(batch):
            kernel(n, m, ptr(lu) + i * n * n * size, <int32_t*>ptr(pivots) + i * n, ptr(x) + i * n * m * size)
    return x


cdef TensorBase by_columns(TensorBase t):
    """A copy of a matrix with dense columns."""
    return transposed(dense_copy(transposed(t)))


cdef tuple checked_factors(TensorBase a):
    lu, pivots, info = factors(a)
    if info[0]:
        raise RuntimeError("Lapack Error getrf : U(%d,%d) is 0, U is singular" % (info[0], info[0]))
    return lu, pivots


def inverse(TensorBase self not None):
    import numpy
    check_matrix("inverse", self, True)
    lu, pivots = checked_factors(self)
    return solve(lu, pivots, tensor_of(numpy.eye(self.sizes[0]), self.dtype))


def gesv(TensorBase self not None, TensorBase A not None):
    check_system("gesv", self, A)
    lu, pivots = checked_factors(A)
    return by_columns(solve(lu, pivots, self)), by_columns(lu)


def btrifact(TensorBase self not None, TensorBase info=None, bint pivot=True):
    cdef TensorBase found
    cdef Py_ssize_t i
    if self.ndim != 3:
        raise RuntimeError("btrifact(): expected 3D tensor, got %dD" % self.ndim)
    if self.sizes[1] != self.sizes[2]:
        raise RuntimeError("btrifact is only implemented for square matrices, got size [%s]" % size_text(self))
    if not pivot:
        raise RuntimeError("btrifact without pivoting is not implemented on the CPU")
    lu, pivots, found = factors(self)
    if info is not None:
        resize(info, 1, found.sizes)
        copy_into(info, found)
        return lu, pivots
    for i in range(found.numel_):
        if found[i]:
            raise RuntimeError("failed to factorize batch element %d (info == %d)" % (i, found[i]))
    return lu, pivots


def btrisolve(TensorBase self not None, TensorBase LU_data not None, TensorBase LU_pivots not None):
    cdef TensorBase lu = LU_data
    if lu.ndim != 3 or lu.sizes[1] != lu.sizes[2]:
        raise RuntimeError("btrisolve(): expected LU_data of square matrices, got [%s]" % size_text(lu))
    if self.dtype != lu.dtype or LU_pivots.dtype != I32:
        raise TypeError("btrisolve(): expected a %s and a tensorlib.IntTensor, got a %s and a %s"
                        % (type_name(self), type_name(lu), type_name(LU_pivots)))
    if self.ndim not in (2, 3) or self.sizes[0] != lu.sizes[0] or self.sizes[1] != lu.sizes[1]:
        raise RuntimeError("btrisolve(): dimensions of A and b must be equal, got [%s] and [%s]"
                           % (size_text(lu), size_text(self)))
    if LU_pivots.ndim != 2 or LU_pivots.sizes[0] != lu.sizes[0] or LU_pivots.sizes[1] != lu.sizes[1]:
        raise RuntimeError("btrisolve(): expected pivots of size [%d x %d], got [%s]"
                           % (lu.sizes[0], lu.sizes[1], size_text(LU_pivots)))
    return solve(contiguous(lu), contiguous(LU_pivots), self)


# ---- symmetric matrices -------------------------------------------------------------------------------------------

def potrf(TensorBase self not None, bint upper=True):
    import numpy
    check_matrix("potrf", self, True)
    a = array_of(self)
    a = a.T if upper else a
    try:
        lower = numpy.linalg.cholesky(a)
    except numpy.linalg.LinAlgError:
        raise RuntimeError("Lapack Error in potrf : the leading minor of order %d is not positive definite"
                           % first_bad_minor(a)) from None
    return tensor_of(lower.T if upper else lower, self.dtype)


def first_bad_minor(a):
    """The order of the first leading minor that has no Cholesky factor."""
    import numpy
    for n in range(1, len(a) + 1):
        try:
            numpy.linalg.cholesky(a[:n, :n])
        except numpy.linalg.LinAlgError:
            return n
    return len(a)


def potrs(TensorBase self not None, TensorBase input2 not None, bint upper=True):
    import numpy
    check_system("potrs", self, input2)
    a = array_of(input2)
    lower = numpy.triu(a).T if upper else numpy.tril(a)
    return tensor_of(numpy.linalg.solve(lower.T, numpy.linalg.solve(lower, array_of(self))), self.dtype)


def potri(TensorBase self not None, bint upper=True):
    import numpy
    check_matrix("potri", self, True)
    a = array_of(self)
    inverted = numpy.linalg.inv(numpy.triu(a).T if upper else numpy.tril(a))
    return tensor_of(inverted.T @ inverted, self.dtype)


def pstrf(TensorBase self not None, bint upper=True, double tol=-1):
    """Cholesky factor with the largest remaining diagonal element first. Stops at one of `tol` or less (by default n
    times the rounding unit times the largest)."""
    import numpy
    check_matrix("pstrf", self, True)
    a = array_of(self)
    a = numpy.triu(a) + numpy.triu(a, 1).T if upper else numpy.tril(a) + numpy.tril(a, -1).T
    n, order, lower = len(a), numpy.arange(len(a)), numpy.zeros_like(a)
    if tol < 0:
        tol = n * numpy.finfo(a.dtype).eps * a.diagonal().max()
    for k in range(n):
        best = k + int((a.diagonal()[k:] - (lower[k:, :k] ** 2).sum(1)).argmax())
        for rows in (a, a.T, lower, order):
            rows[[k, best]] = rows[[best, k]]
        rest = a[k, k] - (lower[k, :k] ** 2).sum()
        if rest <= tol:
            break
        lower[k, k] = rest ** 0.5
        lower[k + 1:, k] = (a[k + 1:, k] - lower[k + 1:, :k] @ lower[k, :k]) / lower[k, k]
    return tensor_of(lower.T if upper else lower, self.dtype), tensor_of(order, I32)


def symeig(TensorBase self not None, bint eigenvectors=False, bint upper=True):
    import numpy
    check_matrix("symeig", self, True)
    values, vectors = numpy.linalg.eigh(array_of(self), "U" if upper else "L")
    return tensor_of(values, self.dtype), tensor_of(vectors if eigenvectors else numpy.zeros_like(vectors), self.dtype)


# ---- general matrices ---------------------------------------------------------------------------------------------

def eig(TensorBase self not None, bint eigenvectors=False):
    """Eigenvalues as rows (real, imaginary); of a conjugate pair of vectors, two columns: real part, imaginary part."""
    import numpy
    check_matrix("eig", self, True)
    values, vectors = numpy.linalg.eig(array_of(self))
    pairs = numpy.stack([values.real, values.imag], 1)
    if not eigenvectors:
        return tensor_of(pairs, self.dtype), empty(self.dtype, 0, NULL)
    second = values.imag < 0
    if second.any():        # a complex vector has any phase: the first of its largest elements is made real
        sizes = numpy.abs(vectors)
        largest = vectors[(sizes > (1 - 1e-5) * sizes.max(0)).argmax(0), numpy.arange(len(values))]
        vectors = vectors * (largest.conj() / numpy.abs(largest))
    return tensor_of(pairs, self.dtype), tensor_of(numpy.where(second, -vectors.imag, vectors.real), self.dtype)


def svd(TensorBase self not None, bint some=True):
    import numpy
    check_matrix("svd", self)
    u, s, v = numpy.linalg.svd(array_of(self), full_matrices=not some)
    return tensor_of(u, self.dtype), tensor_of(s, self.dtype), tensor_of(v.T, self.dtype)


def qr(TensorBase self not None):
    import numpy
    check_matrix("qr", self)
    q, r = numpy.linalg.qr(array_of(self))
    return tensor_of(q, self.dtype), tensor_of(r, self.dtype)


def geqrf(TensorBase self not None):
    import numpy
    check_matrix("geqrf", self)
    packed, tau = numpy.linalg.qr(array_of(self), mode="raw")
    return tensor_of(packed.T, self.dtype), tensor_of(tau, self.dtype)


cdef object reflect(object packed, object tau, object x, bint transpose):
    """Q @ x, or Q' @ x, for the Q that geqrf's reflectors make."""
    import numpy
    n = min(packed.shape[1], len(tau))
    for i in range(n) if transpose else range(n - 1, -1, -1):
        v = numpy.concatenate([numpy.zeros(i, x.dtype), numpy.ones(1, x.dtype), packed[i + 1:, i]])
        x = x - tau[i] * numpy.outer(v, v @ x)
    return x


def orgqr(TensorBase self not None, TensorBase input2 not None):
    import numpy
    check_matrix("orgqr", self)
    packed = array_of(self)
    q = reflect(packed, array_of(input2), numpy.eye(*packed.shape, dtype=packed.dtype), False)
    return tensor_of(q, self.dtype), self


def ormqr(TensorBase self not None, TensorBase input2 not None, TensorBase input3 not None, bint left=True,
          bint transpose=False):
    check_matrix("ormqr", self)
    check_matrix("ormqr", input3)
    if input3.sizes[0 if left else 1] != self.sizes[0]:
        raise RuntimeError("ormqr(): a Q of %d rows does not fit a matrix of size [%s]"
                           % (self.sizes[0], size_text(input3)))
    packed, tau, c = array_of(self), array_of(input2), array_of(input3)
    result = reflect(packed, tau, c, transpose) if left else reflect(packed, tau, c.T, not transpose).T
    return tensor_of(result, self.dtype), self


def gels(TensorBase self not None, TensorBase A not None):
    import numpy
    check_system("gels", self, A, False)
    a = array_of(A)
    x = numpy.linalg.lstsq(a, array_of(self), rcond=None)[0]
    packed = numpy.linalg.qr(a, mode="raw")[0].T if a.shape[0] >= a.shape[1] else numpy.linalg.qr(a.T, mode="raw")[0]
    return tensor_of(x, self.dtype), tensor_of(packed, self.dtype)


def trtrs(TensorBase self not None, TensorBase A not None, bint upper=True, bint transpose=False,
          bint unitriangular=False):
    import numpy
    check_system("trtrs", self, A)
    a = array_of(A)
    triangle = numpy.triu(a) if upper else numpy.tril(a)
    if unitriangular:
        numpy.fill_diagonal(triangle, 1)
    zeros = numpy.flatnonzero(triangle.diagonal() == 0)
    if len(zeros):
        raise RuntimeError("Lapack Error in trtrs : A(%d,%d) is zero, singular A" % (zeros[0] + 1, zeros[0] + 1))
    x = numpy.linalg.solve(triangle.T if transpose else triangle, array_of(self))
    return tensor_of(x, self.dtype), by_columns(A)
