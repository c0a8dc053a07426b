"""Arithmetic of sparse tensors, among themselves and with dense ones: what the rows of the table call for them.

A sum of sparse tensors just puts their entries one behind the other; they are added up when that matters. Results never
share memory with operands, and in place means that the object changes, not the memory of its values. On GPUs the loops
are those of cuda/ops/sparse.py.
"""
from libc.stdint cimport int64_t

from .copying cimport contiguous, copy_into, fill, overlaps
from .copying import dense_copy
from .dispatch cimport get
from .elementwise import SYMBOLS, Pointwise
from .numbers cimport store_number
from . import index as by_index
from .shape import cat, expand, narrow, view
from .sparse cimport SparseTensor, become, coalesce, geometry, keys_of, make, places_of, rows_of, width_of, zero
from .storage cimport gpu
from .tensor cimport (ADD, DIV, IADD, IDIV, IMUL, IPOW, ISUB, MUL, POW, SUB, TensorBase, empty, new_header, ptr,
                      device_name, same_size, set_sizes, size_text, type_name)
from .tensor import set_hook
from .types cimport F16, F32, I64

ctypedef void (*rows_fn)(char* x, const char* values, const int64_t* keys, Py_ssize_t n,
                         Py_ssize_t width) noexcept nogil
ctypedef void (*scatter_fn)(char* x, const char* values, const int64_t* keys, const char* scale, Py_ssize_t n,
                            Py_ssize_t width, bint distinct) noexcept nogil
ctypedef Py_ssize_t (*common_fn)(const int64_t* a, Py_ssize_t n, const int64_t* b, Py_ssize_t m, int64_t* in_a,
                                 int64_t* in_b) noexcept nogil
ctypedef void (*multiply_fn)(char* out, const int64_t* rows, const int64_t* columns, const char* values,
                             const char* dense, const char* scale, Py_ssize_t n, Py_ssize_t width,
                             bint in_order) noexcept nogil

MULTIPLY, DIVIDE, POWER = Pointwise("mul", 2), Pointwise("div", 2, divisor=1), Pointwise("pow", 2)


# ---- checks -----------------------------------------------------------------------------------------------------

cdef object not_for(str name, object a, object b):
    return TypeError("%s: there is no such operation for a %s and a %s; to_dense() makes a sparse tensor dense"
                     % (name, described(a), described(b)))


cdef str described(object x):
    return type_name(<TensorBase>x) if isinstance(x, TensorBase) else type(x).__name__


cdef int check_same(str name, TensorBase a, TensorBase b) except -1:
    """Both of one element type and of one size: sparse tensors do not broadcast."""
    check_types(name, a, b)
    if not same_size(geometry(a), geometry(b)):
        raise RuntimeError("%s(): a %s of size [%s] and a %s of size [%s]: sparse tensors do not broadcast, the sizes "
                           "must be equal" % (name, type_name(a), size_text(geometry(a)), type_name(b),
                                              size_text(geometry(b))))
    return 0


cdef int check_types(str name, TensorBase a, TensorBase b) except -1:
    if a.dtype != b.dtype or (a.device < 0) != (b.device < 0):
        raise TypeError("%s(): a %s and a %s: the element types must be equal" % (name, type_name(a), type_name(b)))
    if a.device != b.device:
        raise RuntimeError("%s(): arguments are on different devices: a %s and a %s"
                           % (name, device_name(a), device_name(b)))
    return 0


cdef bint is_sparse(object x):
    return isinstance(x, TensorBase) and (<TensorBase>x).sparse


cdef bint is_dense(object x):
    return isinstance(x, TensorBase) and not (<TensorBase>x).sparse


cdef bint is_number(object x):
    return not isinstance(x, TensorBase) and hasattr(x, "__float__")


# ---- between sparse and dense -----------------------------------------------------------------------------------

cdef int scatter_add(str name, TensorBase dense, object scale, SparseTensor x) except -1:
    """dense += scale * x, in place; sizes and types fit."""
    cdef scatter_fn kernel = <scatter_fn>get("sparse_scatter_add", dense.dtype)
    cdef TensorBase keys, target, values = x.values
    cdef char[8] number
    store_number(number, dense.dtype, scale)
    if x.nnz == 0:
        return 0
    keys = keys_of(name, x)
    target = contiguous(dense)
    if overlaps(target, values):
        values = dense_copy(values)
    if x.device >= 0:
        values = values if scale == 1 else MULTIPLY(values, scale)
        gpu().call("sparse", "scatter_add", (target, keys, values), {})
        if target is not dense:
            copy_into(dense, target)
        return 0
    with nogil:
        kernel(ptr(target), ptr(values), <const int64_t*>ptr(keys), number, x.nnz, width_of(x), x.coalesced)
    if target is not dense:
        copy_into(dense, target)
    return 0


def to_dense(SparseTensor self not None):
    """A dense tensor with the same elements."""
    cdef TensorBase out = empty(self.dtype, self.form.ndim, self.form.sizes, self.device)
    fill(out, 0)
    scatter_add("to_dense", out, 1, self)
    return out


def sparse_mask(TensorBase self not None, SparseTensor mask not None):
    """A sparse tensor with the elements of a dense one at the places of a sparse one, which is coalesced first."""
    cdef TensorBase keys
    if self.sparse:
        raise not_for("_sparse_mask", self, mask)
    check_same("_sparse_mask", self, mask)
    mask = coalesce(mask)
    if mask.nnz == 0:
        return zero(mask)
    keys = keys_of("_sparse_mask", mask)
    return make(self.dtype, self.device, mask.form, mask.split, dense_copy(mask.indices), rows_at(self, mask, keys),
                True)


cdef TensorBase rows_at(TensorBase dense, SparseTensor mask, TensorBase keys):
    """The rows of a dense tensor at the places of a sparse one, of the size of its values."""
    sizes = (places_of(mask),) + tuple(mask.values.size())[1:]
    return rows_of(view(contiguous(dense), sizes), keys)


def put_(TensorBase self not None, SparseTensor source not None):
    """Set the elements of a dense tensor at the places of a coalesced sparse one; the others stay. Returns self."""
    cdef rows_fn kernel = <rows_fn>get("sparse_put", self.dtype)
    cdef TensorBase keys, target
    if self.sparse or not source.coalesced:
        raise not_for("put_", self, source)
    check_same("put_", self, source)
    if source.nnz == 0:
        return self
    keys = keys_of("put_", source)
    target = contiguous(self)
    if self.device >= 0:
        gpu().call("sparse", "put", (target, keys, source.values), {})
    else:
        with nogil:
            kernel(ptr(target), ptr(source.values), <const int64_t*>ptr(keys), source.nnz, width_of(source))
    if target is not self:
        copy_into(self, target)
    return self


# ---- sums -------------------------------------------------------------------------------------------------------

cdef SparseTensor put_together(SparseTensor a, object value, SparseTensor b):
    """a + value * b, entries one behind the other; added up where both were, or where there are more than places."""
    cdef TensorBase values
    cdef SparseTensor made
    check_same("add", a, b)
    if b.nnz == 0:
        return a.clone()
    values = dense_copy(b.values) if value == 1 else MULTIPLY(b.values, value)
    if a.nnz == 0:
        return make(b.dtype, b.device, b.form, b.split, dense_copy(b.indices), values, b.coalesced)
    if a.split != b.split:
        raise RuntimeError("add(): of the dims of size [%s] the first %d are sparse in one tensor, the first %d in the "
                           "other" % (size_text(a.form), a.split, b.split))
    made = make(a.dtype, a.device, a.form, a.split, cat(1, a.indices, b.indices), cat(0, a.values, values), False)
    return coalesce(made) if a.coalesced and b.coalesced or made.nnz > places_of(made) else made


def add_scaled(self, value, other):
    """self + value * other, one of them sparse."""
    cdef TensorBase out
    if not isinstance(self, TensorBase) or not isinstance(other, TensorBase):
        raise not_for("add", self, other)
    if is_sparse(self) and is_sparse(other):
        return put_together(self, value, other)
    check_same("add", self, other)
    if is_sparse(other):
        out = dense_copy(self)
        scatter_add("add", out, value, other)
        return out
    out = dense_copy(other) if value == 1 else MULTIPLY(other, value)
    scatter_add("add", out, 1, self)
    return out


def add_scaled_(self, value, other):
    """self += value * other, one of them sparse. Returns self."""
    if is_sparse(self) and is_sparse(other):
        become(self, put_together(self, value, other))
        return self
    if not is_dense(self) or not is_sparse(other):
        raise not_for("add_", self, other)
    check_same("add_", self, other)
    scatter_add("add_", self, value, other)
    return self


def add(self, other):
    """self + other, one of them sparse."""
    return add_scaled(self, 1, other)


def add_(self, other):
    """self += other."""
    return add_scaled_(self, 1, other)


def sub_scaled(self, value, other):
    """self - value * other, one of them sparse."""
    return add_scaled(self, -value, other)


def sub_scaled_(self, value, other):
    """self -= value * other."""
    return add_scaled_(self, -value, other)


def sub(self, other):
    """self - other, one of them sparse."""
    return add_scaled(self, -1, other)


def sub_(self, other):
    """self -= other."""
    return add_scaled_(self, -1, other)


# ---- products ---------------------------------------------------------------------------------------------------

cdef SparseTensor scaled(SparseTensor x, object operation, object number):
    """operation(values, number) at the same places."""
    if x.nnz == 0:
        operation(empty(x.dtype, 0, NULL), number)     # the number is checked all the same
        return zero(x)
    return make(x.dtype, x.device, x.form, x.split, dense_copy(x.indices), operation(x.values, number), x.coalesced)


cdef SparseTensor product(SparseTensor a, SparseTensor b):
    """Element by element: what is where both have entries."""
    cdef TensorBase keys_a, keys_b, in_a, in_b
    cdef common_fn find = <common_fn>get("sparse_common", I64)
    cdef Py_ssize_t most, count
    check_same("mul", a, b)
    if a.nnz == 0 or b.nnz == 0:
        return zero(a)
    if a.split != b.split:
        raise RuntimeError("mul(): of the dims of size [%s] the first %d are sparse in one tensor, the first %d in the "
                           "other" % (size_text(a.form), a.split, b.split))
    a, b = coalesce(a), coalesce(b)
    keys_a, keys_b = keys_of("mul", a), keys_of("mul", b)
    if a.device >= 0:
        in_a, in_b = gpu().call("sparse", "common", (keys_a, keys_b), {})
        count = in_a.numel_
    else:
        most = min(a.nnz, b.nnz)
        in_a, in_b = empty(I64, 1, &most), empty(I64, 1, &most)
        with nogil:
            count = find(<int64_t*>ptr(keys_a), a.nnz, <int64_t*>ptr(keys_b), b.nnz, <int64_t*>ptr(in_a),
                         <int64_t*>ptr(in_b))
    if count == 0:
        return zero(a)
    in_a, in_b = narrow(in_a, 0, 0, count), narrow(in_b, 0, 0, count)
    return make(a.dtype, a.device, a.form, a.split, by_index.index_select(a.indices, 1, in_a),
                MULTIPLY(rows_of(a.values, in_a), rows_of(b.values, in_b)), True)


cdef SparseTensor product_with_dense(SparseTensor x, TensorBase dense):
    check_same("mul", x, dense)
    x = coalesce(x)
    if x.nnz == 0:
        return zero(x)
    return make(x.dtype, x.device, x.form, x.split, dense_copy(x.indices),
                MULTIPLY(x.values, rows_at(dense, x, keys_of("mul", x))), True)


def mul(self, other):
    """self * other: a sparse tensor and a number, or another tensor of the same size. The result is sparse."""
    if is_number(other) and is_sparse(self):
        return scaled(self, MULTIPLY, other)
    if is_sparse(self) and is_sparse(other):
        return product(self, other)
    if is_sparse(self) and is_dense(other):
        return product_with_dense(self, other)
    if is_dense(self) and is_sparse(other):
        return product_with_dense(other, self)
    raise not_for("mul", self, other)


def div(self, other):
    """self / number; whole numbers are added up first, as the quotient of a sum is no sum of quotients."""
    if not is_sparse(self) or not is_number(other):
        raise not_for("div", self, other)
    return scaled(coalesce(self) if (<TensorBase>self).dtype < F16 else self, DIVIDE, other)


def pow(self, exponent):
    """self ** exponent, a number above 0: with another one, what is not stored would not stay 0."""
    if not is_sparse(self) or not is_number(exponent):
        raise not_for("pow", self, exponent)
    if not exponent > 0:
        raise ValueError("pow(): the exponent of a sparse tensor must be above 0, but is %r" % (exponent,))
    return scaled(coalesce(self), POWER, exponent)


def neg(self):
    """-self."""
    return scaled(self, MULTIPLY, -1)


def in_place(operation):
    """The twin of an operation with a sparse result that changes its first operand."""
    def run(self, *args):
        if not is_sparse(self):
            raise not_for(operation.__name__ + "_", self, args[0] if args else None)
        become(self, operation(self, *args))
        return self
    return run


# ---- matrix products --------------------------------------------------------------------------------------------

cdef int check_matrices(str name, object mat1, object mat2) except -1:
    """A sparse matrix and a dense one whose product there is."""
    cdef SparseTensor a
    cdef TensorBase b
    if not is_sparse(mat1) or not is_dense(mat2):
        raise not_for(name, mat1, mat2)
    a, b = mat1, mat2
    check_types(name, a, b)
    if a.form.ndim != 2 or b.ndim != 2:
        raise RuntimeError("%s(): expected two matrices, but got sizes [%s] and [%s]"
                           % (name, size_text(a.form), size_text(b)))
    if a.split != 2 and a.nnz > 0:
        raise RuntimeError("%s(): expected a matrix of two sparse dims, but only the first is" % name)
    if a.form.sizes[1] != b.sizes[0]:
        raise RuntimeError("%s(): matrices of size [%s] and [%s] cannot be multiplied"
                           % (name, size_text(a.form), size_text(b)))
    return 0


cdef int multiply_into(str name, TensorBase out, SparseTensor a, TensorBase b, object scale, TensorBase rows) except -1:
    """out[rows] += scale * a @ b, out dense; rows: row of out for each entry, or None for those of a."""
    cdef multiply_fn kernel = <multiply_fn>get("sparse_multiply", a.dtype)
    cdef const int64_t* index
    cdef const int64_t* row
    cdef char[8] number
    store_number(number, a.dtype, scale)
    if a.nnz == 0:
        return 0
    keys_of(name, a)                    # for its look at the indices
    b = contiguous(b)
    if a.device >= 0:
        values = a.values if scale == 1 else MULTIPLY(a.values, scale)
        gpu().call("sparse", "multiply", (out, a.indices, rows, values, b, a.coalesced), {})
        return 0
    index = <const int64_t*>ptr(a.indices)
    row = index if rows is None else <const int64_t*>ptr(rows)
    with nogil:
        kernel(ptr(out), row, index + a.nnz, ptr(a.values), ptr(b), number, a.nnz, b.sizes[1], a.coalesced)
    return 0


def mm(self, mat2):
    """self @ mat2 of a sparse and a dense matrix, dense."""
    cdef TensorBase out
    cdef Py_ssize_t[2] sizes
    check_matrices("mm", self, mat2)
    sizes[0], sizes[1] = (<SparseTensor>self).form.sizes[0], (<TensorBase>mat2).sizes[1]
    out = empty((<TensorBase>self).dtype, 2, sizes, (<TensorBase>self).device)
    fill(out, 0)
    multiply_into("mm", out, self, mat2, 1, None)
    return out


def addmm(self, beta, alpha, mat1, mat2):
    """beta * self + alpha * (mat1 @ mat2), mat1 sparse; self, which is dense, broadcasts to the product."""
    cdef TensorBase out, start
    check_matrices("addmm", mat1, mat2)
    if not is_dense(self):
        raise not_for("addmm", self, mat2)
    check_types("addmm", self, mat1)
    start = expand(self, ((<SparseTensor>mat1).form.sizes[0], (<TensorBase>mat2).sizes[1]))
    out = MULTIPLY(start, beta) if beta != 1 and beta != 0 else dense_copy(start)
    if beta == 0:
        fill(out, 0)
    multiply_into("addmm", out, mat1, mat2, alpha, None)
    return out


def addmm_(self, beta, alpha, mat1, mat2):
    """self = beta * self + alpha * (mat1 @ mat2), mat1 sparse. Returns self."""
    cdef TensorBase out = addmm(self, beta, alpha, mat1, mat2)
    if not same_size(self, out):
        raise RuntimeError("addmm_(): a tensor of size [%s] for a product of size [%s]"
                           % (size_text(self), size_text(out)))
    copy_into(self, out)
    return self


def hspmm(SparseTensor self not None, TensorBase mat2 not None):
    """self @ mat2 as a hybrid: sparse over the rows, dense along the columns."""
    cdef SparseTensor a
    cdef TensorBase form = new_header(F32, -1), values, rows
    check_matrices("hspmm", self, mat2)
    a = coalesce(self)
    cdef Py_ssize_t[2] sizes = [a.form.sizes[0], mat2.sizes[1]]
    set_sizes(form, 2, sizes)
    if a.nnz == 0:
        return make(a.dtype, a.device, form, 1, None, None, True)
    keys_of("hspmm", a)
    indices, rows = distinct_rows(a) if a.device < 0 else gpu().call("sparse", "distinct_rows", (a.indices,), {})
    sizes[0] = indices.size(1)
    values = empty(a.dtype, 2, sizes, a.device)
    fill(values, 0)
    multiply_into("hspmm", values, a, mat2, 1, rows)
    return make(a.dtype, a.device, form, 1, indices, values, True)


cdef tuple distinct_rows(SparseTensor a):
    """(the rows of a coalesced matrix that have entries, 1 x count; for each entry which of them it is in)."""
    cdef Py_ssize_t n = a.nnz, i, count = 0
    cdef TensorBase rows = empty(I64, 1, &n), found = empty(I64, 1, &n)
    cdef const int64_t* row = <const int64_t*>ptr(a.indices)
    cdef int64_t* place = <int64_t*>ptr(rows)
    cdef int64_t* distinct = <int64_t*>ptr(found)
    with nogil:
        for i in range(n):
            if i == 0 or row[i] != row[i - 1]:
                distinct[count] = row[i]
                count += 1
            place[i] = count - 1
    return dense_copy(view(narrow(found, 0, 0, count), (1, count))), rows


def sspmm(SparseTensor self not None, TensorBase mat2 not None):
    """self @ mat2 as a sparse matrix, with an entry for each column of the rows that self has entries in."""
    cdef SparseTensor h = hspmm(self, mat2)
    cdef Py_ssize_t rows = h.nnz, columns = mat2.sizes[1], i, j, n = h.nnz * mat2.sizes[1]
    cdef TensorBase indices
    cdef Py_ssize_t[2] sizes = [2, n]
    cdef int64_t* index
    cdef const int64_t* row
    if rows == 0:
        return make(h.dtype, h.device, h.form, 2, None, None, True)
    if h.device >= 0:
        indices = gpu().call("sparse", "all_columns", (h.indices, columns), {})
        return make(h.dtype, h.device, h.form, 2, indices, view(h.values, (n,)), True)
    indices = empty(I64, 2, sizes)
    index, row = <int64_t*>ptr(indices), <const int64_t*>ptr(h.indices)
    with nogil:
        for i in range(rows):
            for j in range(columns):
                index[i * columns + j] = row[i]
                index[n + i * columns + j] = j
    return make(h.dtype, h.device, h.form, 2, indices, view(h.values, (n,)), True)


def sspaddmm(self, beta, alpha, mat1, mat2):
    """beta * self + alpha * (mat1 @ mat2) with self and mat1 sparse, as a sparse matrix."""
    return add_scaled(self if beta == 1 else mul(self, beta), alpha, sspmm(mat1, mat2))


def addcmul(self, value, tensor1, tensor2):
    """self + value * tensor1 * tensor2, self dense and both tensors sparse."""
    return add_scaled(self, value, mul(tensor1, tensor2))


def addcmul_(self, value, tensor1, tensor2):
    """self += value * tensor1 * tensor2."""
    return add_scaled_(self, value, mul(tensor1, tensor2))


# ---- operators --------------------------------------------------------------------------------------------------

cdef dict OPERATORS = {ADD: add, SUB: sub, MUL: mul, DIV: div, POW: pow, IADD: add_, ISUB: sub_, IMUL: in_place(mul),
                       IDIV: in_place(div), IPOW: in_place(pow)}


def operate(int code, self, other):
    """A Python operator of which at least one operand is sparse."""
    if code not in OPERATORS:
        raise not_for("operator " + SYMBOLS.get(code, "of comparison"), self, other)
    return OPERATORS[code](self, other)


set_hook("sparse_operator", operate)
