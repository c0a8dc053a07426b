"""Products of matrices and vectors, and the small things of linear algebra: checks, memory, calls of the kernels.

Every product is C = alpha * A @ B + beta * C on strides, so no operand is ever transposed or copied for it, nor a bias
that stands apart from C; `product` also serves a C that is dense along its rows instead of its columns. Nothing here
knows autograd.
"""
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.string cimport memset

from .copying cimport contiguous, copy_into, fill
from .dispatch cimport get
from .driver cimport Job, run
from .gemm cimport gemm_added_fn, gemm_fn, threads_for_product, threads_for_products
from .parallel cimport LIGHT, threads_for
from .storage cimport itemsize
from .tensor cimport TensorBase, empty, empty_like, ptr, resize, same_size, size_text, type_name, view_of
from .types cimport F32, F64, I64, MAXDIM, row_fn

cdef enum:
    PIECES = 16             # that a long inner product is cut into, whatever the number of threads
    PIECE = 4096            # elements of one at least

cdef enum:
    GIL_WORK = 1 << 14          # multiplications that are worth releasing the GIL

ctypedef double (*dot_real_fn)(Py_ssize_t n, const void* a, Py_ssize_t sa, const void* b, Py_ssize_t sb) noexcept nogil
ctypedef int64_t (*dot_integer_fn)(Py_ssize_t n, const void* a, Py_ssize_t sa, const void* b,
                                   Py_ssize_t sb) noexcept nogil
ctypedef void (*cross_fn)(Py_ssize_t outer, Py_ssize_t inner, const void* a, const void* b, void* out) noexcept nogil


# ---- checks and the output ----------------------------------------------------------------------------------------

cdef int same_type(str name, TensorBase a, TensorBase b) except -1:
    if a.dtype != b.dtype or a.device != b.device:
        raise TypeError("%s(): expected a %s, got a %s" % (name, type_name(a), type_name(b)))
    return 0


cdef TensorBase expand(TensorBase t, int ndim, const Py_ssize_t* sizes):
    """t broadcast to these sizes, as a view."""
    cdef Py_ssize_t[MAXDIM] strides
    cdef int d, own
    if t.ndim > ndim or t.ndim == 0:
        raise RuntimeError("the number of sizes provided (%d) must be greater or equal to the number of dimensions "
                           "in the tensor (%d)" % (ndim, t.ndim))
    for d in range(ndim):
        own = d - (ndim - t.ndim)
        if own < 0 or (t.sizes[own] == 1 and sizes[d] != 1):
            strides[d] = 0
        elif t.sizes[own] == sizes[d]:
            strides[d] = t.strides[own]
        else:
            raise RuntimeError("The expanded size of the tensor (%d) must match the existing size (%d) at "
                               "non-singleton dimension %d." % (sizes[d], t.sizes[own], d))
    return view_of(t, t.offset, ndim, sizes, strides)


cdef bint has_sizes(TensorBase t, int ndim, const Py_ssize_t* sizes) noexcept:
    cdef int d
    if t.ndim != ndim:
        return False
    for d in range(ndim):
        if t.sizes[d] != sizes[d]:
            return False
    return True


cdef bint is_target(TensorBase t, TensorBase a, TensorBase b) noexcept:
    """Whether a product of a and b can be written straight into t: rows or columns dense, nothing shared."""
    cdef int d
    if t.store is a.store or t.store is b.store:
        return False
    for d in range(t.ndim):
        if t.sizes[d] > 1 and t.strides[d] < 1:
            return False
    if t.ndim < 2:
        return True
    d = t.ndim - 2
    return t.strides[d] == 1 or t.strides[d + 1] == 1 or t.sizes[d] == 1 or t.sizes[d + 1] == 1


cdef TensorBase target(str name, int ndim, const Py_ssize_t* sizes, TensorBase a, TensorBase b, TensorBase added,
                       double beta, TensorBase out):
    """The tensor the product of a and b is computed in: `out` where that is safe, else a new one; it holds `added`
    (broadcast to it) if beta is not 0. With `out is added` (in place) the sizes must be those already."""
    cdef TensorBase c
    same_type(name, a, b)
    if added is not None:
        same_type(name, a, added)
    if out is not None:
        same_type(name, a, out)
    if out is not None and out is added and not has_sizes(out, ndim, sizes):
        raise RuntimeError("%s(): output tensor of incorrect size, expected [%s], got [%s]"
                           % (name, " x ".join([str(sizes[d]) for d in range(ndim)]), size_text(out)))
    if added is not None and out is not added:
        added = expand(added, ndim, sizes)
    if out is None or not is_target(out, a, b) or (added is not None and out is not added and out.store is added.store):
        c = empty(a.dtype, ndim, sizes)
    else:
        c = out
        resize(c, ndim, sizes)
        if not is_target(c, a, b):
            c = empty(a.dtype, ndim, sizes)
    if added is not None and c is not added and beta != 0:
        copy_into(c, added)
    return c


cdef TensorBase finish(TensorBase c, TensorBase out):
    """Give the result: c itself, or `out` after copying c to it."""
    if out is None or c is out:
        return c
    resize(out, c.ndim, c.sizes)
    copy_into(out, c)
    return out


# ---- products -----------------------------------------------------------------------------------------------------

cdef void product(gemm_fn gemm, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha, const char* a, Py_ssize_t ra,
                  Py_ssize_t ca, const char* b, Py_ssize_t rb, Py_ssize_t cb, double beta, char* c, Py_ssize_t rc,
                  Py_ssize_t cc, int threads) noexcept nogil:
    """C = alpha * A @ B + beta * C, or of all transposed where C's rows are the dense dim."""
    if cc == 1 or n == 1:
        gemm(m, n, k, alpha, a, ra, ca, b, rb, cb, beta, c, rc, threads)
    else:
        gemm(n, m, k, alpha, b, cb, rb, a, ca, ra, beta, c, cc, threads)


cdef int multiply(int dtype, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha, const char* a, Py_ssize_t ra,
                  Py_ssize_t ca, const char* b, Py_ssize_t rb, Py_ssize_t cb, double beta, char* c, Py_ssize_t rc,
                  Py_ssize_t cc) except -1:
    cdef gemm_fn gemm = <gemm_fn>get("gemm", dtype)
    if <double>m * n * k < GIL_WORK:
        product(gemm, m, n, k, alpha, a, ra, ca, b, rb, cb, beta, c, rc, cc, 1)
    else:
        with nogil:
            product(gemm, m, n, k, alpha, a, ra, ca, b, rb, cb, beta, c, rc, cc, threads_for_product(m, n, k))
    return 0


cdef TensorBase multiply_added(int ndim, const Py_ssize_t* sizes, Py_ssize_t k, double alpha, TensorBase a,
                               Py_ssize_t ra, Py_ssize_t ca, TensorBase b, Py_ssize_t rb, Py_ssize_t cb, double beta,
                               TensorBase added):
    """alpha * A @ B + beta * added in a new matrix or vector, without a copy of `added`; None where that cannot be."""
    cdef Py_ssize_t m = sizes[0], n = sizes[1] if ndim == 2 else 1
    cdef gemm_added_fn gemm
    cdef TensorBase c
    if (a.dtype != F32 and a.dtype != F64) or added.dtype != a.dtype or b.dtype != a.dtype:
        return None
    added = expand(added, ndim, sizes)
    if n > 1 and added.strides[1] != 1:
        return None
    gemm = <gemm_added_fn>get("gemm_added", a.dtype)
    c = empty(a.dtype, ndim, sizes)
    if <double>m * n * k < GIL_WORK:
        gemm(m, n, k, alpha, ptr(a), ra, ca, ptr(b), rb, cb, beta, ptr(added), added.strides[0], ptr(c), n, 1)
    else:
        with nogil:
            gemm(m, n, k, alpha, ptr(a), ra, ca, ptr(b), rb, cb, beta, ptr(added), added.strides[0], ptr(c), n,
                 threads_for_product(m, n, k))
    return c


cdef int check_mm(TensorBase a, TensorBase b) except -1:
    if a.ndim != 2 or b.ndim != 2:
        raise RuntimeError("matrices expected, got %dD, %dD tensors" % (a.ndim, b.ndim))
    if a.sizes[1] != b.sizes[0]:
        raise RuntimeError("size mismatch, m1: [%s], m2: [%s]" % (size_text(a), size_text(b)))
    return 0


cdef TensorBase mm_into(str name, TensorBase a, TensorBase b, double alpha, TensorBase added, double beta,
                        TensorBase out):
    cdef Py_ssize_t[2] sizes
    cdef TensorBase c
    check_mm(a, b)
    sizes[0], sizes[1] = a.sizes[0], b.sizes[1]
    if out is None and added is not None and beta != 0:
        c = multiply_added(2, sizes, a.sizes[1], alpha, a, a.strides[0], a.strides[1], b, b.strides[0], b.strides[1],
                           beta, added)
        if c is not None:
            return c
    c = target(name, 2, sizes, a, b, added, beta, out)
    multiply(a.dtype, sizes[0], sizes[1], a.sizes[1], alpha, ptr(a), a.strides[0], a.strides[1],
             ptr(b), b.strides[0], b.strides[1], beta, ptr(c), c.strides[0], c.strides[1])
    return finish(c, out)


def mm(TensorBase self not None, TensorBase mat2 not None, TensorBase out=None):
    return mm_into("mm", self, mat2, 1, None, 0, out)


def addmm(TensorBase self not None, double beta, double alpha, TensorBase mat1 not None, TensorBase mat2 not None,
          TensorBase out=None):
    return mm_into("addmm", mat1, mat2, alpha, self, beta, out)


def affine(TensorBase bias, TensorBase input not None, TensorBase weight not None):
    """input @ weight.t() + bias; bias may be None."""
    cdef Py_ssize_t[2] sizes
    cdef Py_ssize_t[2] strides
    if weight.ndim != 2:
        raise RuntimeError("t() expects a 2D tensor, but self is %dD" % weight.ndim)
    sizes[0], sizes[1], strides[0], strides[1] = weight.sizes[1], weight.sizes[0], weight.strides[1], weight.strides[0]
    return mm_into("mm" if bias is None else "addmm", input, view_of(weight, weight.offset, 2, sizes, strides), 1, bias,
                   0 if bias is None else 1, None)


cdef TensorBase mv_into(str name, TensorBase a, TensorBase x, double alpha, TensorBase added, double beta,
                        TensorBase out):
    cdef TensorBase c
    if a.ndim != 2 or x.ndim != 1:
        raise RuntimeError("matrix and vector expected, got %dD, %dD" % (a.ndim, x.ndim))
    if a.sizes[1] != x.sizes[0]:
        raise RuntimeError("size mismatch, [%s], [%s]" % (size_text(a), size_text(x)))
    if out is None and added is not None and beta != 0:
        c = multiply_added(1, a.sizes, a.sizes[1], alpha, a, a.strides[0], a.strides[1], x, x.strides[0], 1, beta,
                           added)
        if c is not None:
            return c
    c = target(name, 1, a.sizes, a, x, added, beta, out)
    multiply(a.dtype, a.sizes[0], 1, a.sizes[1], alpha, ptr(a), a.strides[0], a.strides[1], ptr(x), x.strides[0], 1,
             beta, ptr(c), c.strides[0], 1)
    return finish(c, out)


def mv(TensorBase self not None, TensorBase vec not None, TensorBase out=None):
    return mv_into("mv", self, vec, 1, None, 0, out)


def addmv(TensorBase self not None, double beta, double alpha, TensorBase mat not None, TensorBase vec not None,
          TensorBase out=None):
    return mv_into("addmv", mat, vec, alpha, self, beta, out)


cdef int outer_product(TensorBase a, TensorBase b, TensorBase c) except -1:
    """c[i, j] = a[i] * b[j], by the elementwise driver: a product of matrices would pack what is used once."""
    cdef Job job
    cdef int item = itemsize(c.dtype), d
    job.fn, job.number_fn, job.mirror_fn = <row_fn>get("mul", c.dtype), <row_fn>get("mul_number", c.dtype), NULL
    job.n_args, job.n_out, job.ndim, job.numbers, job.copies, job.grain = 3, 1, 2, 4, False, LIGHT
    job.base[0], job.base[1], job.base[2] = ptr(c), ptr(b), ptr(a)
    for d in range(3):
        job.itemsize[d] = item
    for d in range(2):
        job.sizes[d], job.strides[0][d] = c.sizes[d], c.strides[d] * item
    job.strides[1][0], job.strides[1][1] = 0, b.strides[0] * item
    job.strides[2][0], job.strides[2][1] = a.strides[0] * item, 0
    with nogil:
        run(&job)
    return 0


cdef TensorBase ger_into(str name, TensorBase a, TensorBase b, double alpha, TensorBase added, double beta,
                         TensorBase out):
    cdef Py_ssize_t[2] sizes
    cdef TensorBase c
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError("vector and vector expected, got %dD, %dD tensors" % (a.ndim, b.ndim))
    sizes[0], sizes[1] = a.sizes[0], b.sizes[0]
    c = target(name, 2, sizes, a, b, added, beta, out)
    if alpha == 1 and beta == 0 and a.numel_ and b.numel_:
        outer_product(a, b, c)
        return finish(c, out)
    multiply(a.dtype, sizes[0], sizes[1], 1, alpha, ptr(a), a.strides[0], 1, ptr(b), 1, b.strides[0],
             beta, ptr(c), c.strides[0], c.strides[1])
    return finish(c, out)


def ger(TensorBase self not None, TensorBase vec2 not None, TensorBase out=None):
    return ger_into("ger", self, vec2, 1, None, 0, out)


def addr(TensorBase self not None, double beta, double alpha, TensorBase vec1 not None, TensorBase vec2 not None,
         TensorBase out=None):
    return ger_into("addr", vec1, vec2, alpha, self, beta, out)


# ---- batches ------------------------------------------------------------------------------------------------------

cdef int check_bmm(TensorBase a, TensorBase b) except -1:
    if a.ndim != 3 or b.ndim != 3:
        raise RuntimeError("expected 3D tensors, got %dD, %dD" % (a.ndim, b.ndim))
    if a.sizes[0] != b.sizes[0]:
        raise RuntimeError("equal number of batches expected, got %d, %d" % (a.sizes[0], b.sizes[0]))
    if a.sizes[2] != b.sizes[1]:
        raise RuntimeError("wrong matrix size, batch1: %dx%d, batch2: %dx%d"
                           % (a.sizes[1], a.sizes[2], b.sizes[1], b.sizes[2]))
    return 0


cdef void product_of_batch(gemm_fn gemm, Py_ssize_t i, TensorBase a, TensorBase b, TensorBase c, double alpha,
                           double beta, Py_ssize_t step, int size, int threads) noexcept nogil:
    """Product i of a batch; `step` is how far apart the products lie in C (0: all are added to one)."""
    product(gemm, a.sizes[1], b.sizes[2], a.sizes[2], alpha, ptr(a) + i * a.strides[0] * size, a.strides[1],
            a.strides[2], ptr(b) + i * b.strides[0] * size, b.strides[1], b.strides[2], beta,
            ptr(c) + i * step * size, c.strides[c.ndim - 2], c.strides[c.ndim - 1], threads)


cdef TensorBase bmm_into(str name, TensorBase a, TensorBase b, double alpha, TensorBase added, double beta,
                         TensorBase out):
    """A product for each of the batch. Enough of them are spread over the threads, few are each done by all."""
    cdef Py_ssize_t[3] sizes
    cdef Py_ssize_t i
    cdef int threads, size = itemsize(a.dtype)
    cdef gemm_fn gemm
    cdef TensorBase c
    check_bmm(a, b)
    sizes[0], sizes[1], sizes[2] = a.sizes[0], a.sizes[1], b.sizes[2]
    c = target(name, 3, sizes, a, b, added, beta, out)
    gemm = <gemm_fn>get("gemm", a.dtype)
    with nogil:
        threads = threads_for_products(sizes[0], sizes[1], sizes[2], a.sizes[2])
        if threads > 1 and sizes[0] >= threads:
            for i in prange(sizes[0], num_threads=threads, schedule="static"):
                product_of_batch(gemm, i, a, b, c, alpha, beta, c.strides[0], size, 1)
        else:
            threads = threads_for_product(sizes[1], sizes[2], a.sizes[2])
            for i in range(sizes[0]):
                product_of_batch(gemm, i, a, b, c, alpha, beta, c.strides[0], size, threads)
    return finish(c, out)


def bmm(TensorBase self not None, TensorBase mat2 not None, TensorBase out=None):
    return bmm_into("bmm", self, mat2, 1, None, 0, out)


def baddbmm(TensorBase self not None, double beta, double alpha, TensorBase batch1 not None,
            TensorBase batch2 not None, TensorBase out=None):
    return bmm_into("baddbmm", batch1, batch2, alpha, self, beta, out)


def addbmm(TensorBase self not None, double beta, double alpha, TensorBase batch1 not None,
           TensorBase batch2 not None, TensorBase out=None):
    cdef Py_ssize_t[2] sizes
    cdef Py_ssize_t i
    cdef int threads, size = itemsize(batch1.dtype)
    cdef gemm_fn gemm
    cdef TensorBase c
    check_bmm(batch1, batch2)
    sizes[0], sizes[1] = batch1.sizes[1], batch2.sizes[2]
    c = target("addbmm", 2, sizes, batch1, batch2, self, beta, out)
    gemm = <gemm_fn>get("gemm", batch1.dtype)
    with nogil:
        threads = threads_for_product(sizes[0], sizes[1], batch1.sizes[2])
        for i in range(batch1.sizes[0]):
            product_of_batch(gemm, i, batch1, batch2, c, alpha, beta if i == 0 else 1, 0, size, threads)
    return finish(c, out)


# ---- sums: a tensor of size (1,); integers are summed in 64 bits and give a LongTensor ------------------------------

cdef double long_inner_real(dot_real_fn kernel, Py_ssize_t n, const char* a, Py_ssize_t sa, const char* b,
                            Py_ssize_t sb, int item) noexcept nogil:
    """In PIECES, by all threads, added up in order."""
    cdef double[PIECES] sums
    cdef double total = 0
    cdef Py_ssize_t i, first
    for i in prange(PIECES, num_threads=threads_for(n), schedule="static"):
        first = n * i // PIECES
        sums[i] = kernel(n * (i + 1) // PIECES - first, a + first * sa * item, sa, b + first * sb * item, sb)
    for i in range(PIECES):
        total += sums[i]
    return total


cdef int64_t long_inner_integer(dot_integer_fn kernel, Py_ssize_t n, const char* a, Py_ssize_t sa, const char* b,
                                Py_ssize_t sb, int item) noexcept nogil:
    cdef int64_t total = 0
    cdef Py_ssize_t i, first
    for i in prange(PIECES, num_threads=threads_for(n), schedule="static"):
        first = n * i // PIECES
        total += kernel(n * (i + 1) // PIECES - first, a + first * sa * item, sa, b + first * sb * item, sb)
    return total


cdef TensorBase inner(int dtype, Py_ssize_t n, const char* a, Py_ssize_t sa, const char* b, Py_ssize_t sb):
    cdef Py_ssize_t one = 1
    cdef bint is_real = dtype == F32 or dtype == F64
    cdef void* kernel = get("dot", dtype)
    cdef TensorBase out = empty(dtype if is_real else <int>I64, 1, &one)
    cdef double total = 0
    cdef int64_t whole = 0
    with nogil:
        if n < PIECES * PIECE:
            if is_real:
                total = (<dot_real_fn>kernel)(n, a, sa, b, sb)
            else:
                whole = (<dot_integer_fn>kernel)(n, a, sa, b, sb)
        elif is_real:
            total = long_inner_real(<dot_real_fn>kernel, n, a, sa, b, sb, itemsize(dtype))
        else:
            whole = long_inner_integer(<dot_integer_fn>kernel, n, a, sa, b, sb, itemsize(dtype))
    if dtype == F32:
        (<float*>ptr(out))[0] = <float>total
    elif dtype == F64:
        (<double*>ptr(out))[0] = total
    else:
        (<int64_t*>ptr(out))[0] = whole
    return out


def dot(TensorBase self not None, TensorBase tensor not None):
    same_type("dot", self, tensor)
    if self.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError("Expected argument %s to have 1 dimension(s), but has %d"
                           % (("self", self.ndim) if self.ndim != 1 else ("tensor", tensor.ndim)))
    if self.sizes[0] != tensor.sizes[0]:
        raise RuntimeError("inconsistent tensor size, expected tensor [%s] and src [%s] to have the same number of "
                           "elements, but got %d and %d elements respectively"
                           % (size_text(self), size_text(tensor), self.sizes[0], tensor.sizes[0]))
    return inner(self.dtype, self.sizes[0], ptr(self), self.strides[0], ptr(tensor), tensor.strides[0])


def trace(TensorBase self not None):
    cdef Py_ssize_t one = 1
    cdef TensorBase unit
    if self.ndim != 2:
        raise RuntimeError("expected a matrix, got a %dD tensor" % self.ndim)
    unit = empty(self.dtype, 1, &one)
    fill(unit, 1)
    return inner(self.dtype, min(self.sizes[0], self.sizes[1]), ptr(self), self.strides[0] + self.strides[1],
                 ptr(unit), 0)


# ---- diagonals and triangles --------------------------------------------------------------------------------------

cdef TensorBase diagonal_of(TensorBase t, Py_ssize_t diagonal):
    """The diagonal of a matrix as a view; above the main one if `diagonal` > 0."""
    cdef Py_ssize_t row = -diagonal if diagonal < 0 else 0, column = diagonal if diagonal > 0 else 0
    cdef Py_ssize_t n = min(t.sizes[0] - row, t.sizes[1] - column), stride = t.strides[0] + t.strides[1]
    if n < 1:
        raise RuntimeError("diag(): a matrix of size [%s] has no diagonal %d" % (size_text(t), diagonal))
    return view_of(t, t.offset + row * t.strides[0] + column * t.strides[1], 1, &n, &stride)


def diag(TensorBase self not None, Py_ssize_t diagonal=0, TensorBase out=None):
    cdef TensorBase view, c
    cdef Py_ssize_t n
    if self.ndim == 1:
        n = self.sizes[0] + abs(diagonal)
        return finish(diagonal_matrix(self, diagonal, n, n), out)
    if self.ndim != 2:
        raise RuntimeError("matrix or a vector expected, got a %dD tensor" % self.ndim)
    view = diagonal_of(self, diagonal)
    c = empty(self.dtype, 1, view.sizes)
    copy_into(c, view)
    return finish(c, out)


def diagonal_matrix(TensorBase self not None, Py_ssize_t diagonal, Py_ssize_t rows, Py_ssize_t columns):
    cdef Py_ssize_t[2] sizes
    cdef TensorBase c
    sizes[0], sizes[1] = rows, columns
    c = empty(self.dtype, 2, sizes)
    memset(ptr(c), 0, c.numel_ * itemsize(c.dtype))
    copy_into(diagonal_of(c, diagonal), self)
    return c


cdef void clear_row(TensorBase c, Py_ssize_t i, Py_ssize_t diagonal, bint lower) noexcept nogil:
    """Zeros in row i, above (`lower`) or below the diagonal."""
    cdef Py_ssize_t first = max(i + diagonal + 1, <Py_ssize_t>0) if lower else 0, j
    cdef Py_ssize_t last = c.sizes[1] if lower else min(i + diagonal, c.sizes[1])
    cdef int size = itemsize(c.dtype)
    if first < last and c.strides[1] == 1:
        memset(ptr(c) + (i * c.strides[0] + first) * size, 0, (last - first) * size)
    else:
        for j in range(first, last):
            memset(ptr(c) + (i * c.strides[0] + j * c.strides[1]) * size, 0, size)


cdef TensorBase triangle(str name, TensorBase t, Py_ssize_t diagonal, bint lower, TensorBase out):
    """t with zeros above (`lower`) or below the diagonal."""
    cdef Py_ssize_t i
    cdef int threads
    cdef TensorBase c = out
    if t.ndim != 2:
        raise RuntimeError("expected a matrix, got a %dD tensor" % t.ndim)
    if out is None:
        c = empty_like(t)
    elif out is not t:
        same_type(name, t, out)
        resize(out, 2, t.sizes)
    if c is not t:
        copy_into(c, t)
    threads = threads_for(c.numel_)
    with nogil:
        if threads == 1:
            for i in range(c.sizes[0]):
                clear_row(c, i, diagonal, lower)
        else:
            for i in prange(c.sizes[0], num_threads=threads, schedule="static"):
                clear_row(c, i, diagonal, lower)
    return c


def tril(TensorBase self not None, Py_ssize_t diagonal=0, TensorBase out=None):
    return triangle("tril", self, diagonal, True, out)


def triu(TensorBase self not None, Py_ssize_t diagonal=0, TensorBase out=None):
    return triangle("triu", self, diagonal, False, out)


# ---- vector product -----------------------------------------------------------------------------------------------

cdef int cross_dim(TensorBase a, int dim) except -1:
    """The dim to work along; -1 means the first of size 3."""
    cdef int d
    if dim == -1:
        for d in range(a.ndim):
            if a.sizes[d] == 3:
                return d
        raise RuntimeError("no dimension of size 3 in a: [%s]" % size_text(a))
    if dim < 0 or dim >= a.ndim:
        raise RuntimeError("cross(): dimension %d out of range for a %dD tensor" % (dim, a.ndim))
    if a.sizes[dim] != 3:
        raise RuntimeError("cross(): dimension %d does not have size 3: [%s]" % (dim, size_text(a)))
    return dim


def cross(TensorBase self not None, TensorBase other not None, int dim=-1, TensorBase out=None):
    cdef Py_ssize_t outer = 1, inner_size = 1
    cdef int d
    cdef TensorBase a, b, c
    same_type("cross", self, other)
    if self.ndim != other.ndim:
        raise RuntimeError("inconsistent tensor dimension %dD, %dD" % (self.ndim, other.ndim))
    if not same_size(self, other):
        raise RuntimeError("inconsistent tensor sizes [%s], [%s]" % (size_text(self), size_text(other)))
    dim = cross_dim(self, dim)
    a, b, c = contiguous(self), contiguous(other), empty_like(self)
    for d in range(self.ndim):
        if d < dim:
            outer *= self.sizes[d]
        elif d > dim:
            inner_size *= self.sizes[d]
    (<cross_fn>get("cross", a.dtype))(outer, inner_size, ptr(a), ptr(b), ptr(c))
    return finish(c, out)
