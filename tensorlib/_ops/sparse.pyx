"""SparseTensor and its classes: coordinates of entries, and the values there; everything else is zero.

The first `split` dims are sparse, the others dense. To code that knows dense tensors only a sparse one looks empty (no
dims, no elements, no memory), so that no kernel can read beyond anything; its sizes stand in `form`. Indices can be
shared with a caller who writes to them, so whoever follows them goes through `keys_of`, which checks each.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from .classes cimport name_class, new_object
from .copying cimport contiguous
from .copying import dense_copy
from .dispatch cimport get
from .dispatch import DTYPE_NAMES
from .shape import cast as cast_dense
from .shape import transpose as transpose_dense
from .tensor cimport (MAXDIM, TensorBase, empty, is_contiguous, new_header, ptr, read_sizes, same_size, set_sizes,
                      size_text, type_name, view_of, wrap_dim)
from .tensor import Size
from .types cimport F32, F64, I8, I16, I32, I64, NDTYPE, U8

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject* o)

ctypedef Py_ssize_t (*keys_fn)(int64_t* keys, const int64_t* index, Py_ssize_t n, int dims,
                               const Py_ssize_t* sizes) noexcept nogil
ctypedef void (*indices_fn)(int64_t* index, const int64_t* keys, Py_ssize_t n, int dims,
                            const Py_ssize_t* sizes) noexcept nogil
ctypedef void (*order_fn)(int64_t* keys, int64_t* order, int64_t* scratch, Py_ssize_t n) noexcept nogil
ctypedef Py_ssize_t (*runs_fn)(int64_t* keys, int64_t* start, Py_ssize_t n) noexcept nogil
ctypedef void (*sum_fn)(char* out, const char* values, const int64_t* order, const int64_t* start, Py_ssize_t count,
                        Py_ssize_t width) noexcept nogil
ctypedef void (*rows_fn)(char* out, const char* x, const int64_t* keys, Py_ssize_t n, Py_ssize_t width) noexcept nogil

cdef tuple NO_ARGUMENTS = ()


cdef class SparseTensor(TensorBase):
    def __cinit__(self):
        self.sparse, self.coalesced = True, True
        self.form = new_header(F32, -1)

    def __init__(self, *args, **kwargs):
        construct(self, args, kwargs)

    def __len__(self):
        return self.form.sizes[0] if self.form.ndim > 0 else 0

    def __bool__(self):
        if self.form.ndim == 0:
            return False
        raise RuntimeError("bool value of non-empty %s objects is ambiguous" % type_name(self))

    def __getitem__(self, key):
        raise refused(self, "indexing")

    def __setitem__(self, key, value):
        raise refused(self, "assignment to elements")

    def __iter__(self):
        raise refused(self, "iteration")

    def __contains__(self, value):
        raise refused(self, "`in`")

    def __array__(self, dtype=None, copy=None):
        raise refused(self, "NumPy's array()")

    def __reduce_ex__(self, protocol):
        return type(self), (), (self._indices(), self._values(), self.size(), self.coalesced)

    def __setstate__(self, state):
        """Take over parts; the indices are not looked at, as a file has their numbers behind the objects."""
        indices, values, sizes, coalesced = state
        if not isinstance(indices, TensorBase) or not isinstance(values, TensorBase) or not isinstance(sizes, tuple):
            raise TypeError("a sparse tensor is made of indices, values and sizes, but got (%s, %s, %s)"
                            % (described(indices), described(values), described(sizes)))
        become(self, of_entries(self, indices, values, sizes))
        self.coalesced = self.nnz == 0 or bool(coalesced)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = self.clone()
        return memo[id(self)]

    # ---- geometry ----

    def size(self, dim=None):
        """Return the sizes as a Size, or the size of one dim."""
        return self.form.size(dim)

    @property
    def shape(self):
        return self.form.size()

    def dim(self):
        """Return the number of dims, sparse and dense ones."""
        return self.form.ndim

    def ndimension(self):
        """Return the number of dims, sparse and dense ones."""
        return self.form.ndim

    def numel(self):
        """Return the product of the sizes: elements, zeros included."""
        return self.form.numel_

    def nelement(self):
        """Return the product of the sizes: elements, zeros included."""
        return self.form.numel_

    # ---- entries ----

    def _nnz(self):
        """Return how many entries are stored; those at one place count each."""
        return self.nnz

    def _indices(self):
        """Return the coordinates: a LongTensor of size (sparse dims, entries) on the memory of self."""
        return view_or_empty(I64, self.indices)

    def _values(self):
        """Return the values: a tensor of size (entries, dense sizes...) on the memory of self."""
        return view_or_empty(self.dtype, self.values)

    def _dimI(self):
        """Return how many dims are sparse: the first ones."""
        return self.split

    def _dimV(self):
        """Return how many dims are dense: the last ones."""
        return self.form.ndim - self.split

    def is_coalesced(self):
        """Tell whether the entries are known to be in order, with one for each place."""
        return self.coalesced

    def coalesce(self):
        """Return self with the entries of one place added up, in order of their places; self itself where it is so."""
        return coalesce(self)

    def clone(self):
        """Return a copy."""
        if self.nnz == 0:
            return zero(self)
        return make(self.dtype, self.form, self.split, dense_copy(self.indices), dense_copy(self.values),
                    self.coalesced)

    def zero_(self):
        """Drop all entries; the sizes stay. Returns self."""
        self.nnz, self.indices, self.values, self.coalesced = 0, None, None, True
        return self

    def resize_as_(self, template):
        """Take the sizes of another sparse tensor of this type; where they differ, all entries go. Returns self."""
        cdef SparseTensor other
        if type(template) is not type(self):
            raise TypeError("resize_as_(): expected a %s, but got %s" % (type_name(self), described(template)))
        other = <SparseTensor>template
        if not same_size(self.form, other.form):
            become(self, zero(other))
        return self

    def transpose(self, dim0, dim1):
        """Return self with two dims exchanged, both sparse or both dense."""
        return transposed(self, wrap_dim(self.form, dim0), wrap_dim(self.form, dim1))

    def transpose_(self, dim0, dim1):
        """In place: transpose."""
        become(self, self.transpose(dim0, dim1))
        return self

    def t(self):
        """Return the transpose of a matrix."""
        if self.form.ndim != 2:
            raise RuntimeError("t(): expected a matrix, but got a %s of size [%s]"
                               % (type_name(self), size_text(self.form)))
        return transposed(self, 0, 1)

    def t_(self):
        """In place: t."""
        become(self, self.t())
        return self


cdef object refused(SparseTensor x, str what):
    return TypeError("%s is not there for a %s; to_dense() makes a dense tensor of it" % (what, type_name(x)))


cdef str described(object x):
    return type_name(<TensorBase>x) if isinstance(x, TensorBase) else type(x).__name__


cdef class SparseByteTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = U8


cdef class SparseCharTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = I8


cdef class SparseShortTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = I16


cdef class SparseIntTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = I32


cdef class SparseLongTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = I64


cdef class SparseFloatTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = F32


cdef class SparseDoubleTensor(SparseTensor):
    def __cinit__(self):
        self.dtype = F64


# By element type; there is none for halves, which have no arithmetic.
cdef tuple CLASSES = (SparseByteTensor, SparseCharTensor, SparseShortTensor, SparseIntTensor, SparseLongTensor, None,
                      SparseFloatTensor, SparseDoubleTensor)
cdef list CLASS_NAMES = []      # keeps the bytes alive that the types point to
for _class in CLASSES:
    if _class is not None:
        CLASS_NAMES.append(b"tensorlib.sparse." + _class.__name__[6:].encode())
        name_class(_class, <bytes>CLASS_NAMES[len(CLASS_NAMES) - 1])


def classes():
    """{element type code: sparse class}."""
    return {code: cls for code, cls in enumerate(CLASSES) if cls is not None}


# ---- making -----------------------------------------------------------------------------------------------------

cdef SparseTensor make(int dtype, TensorBase form, int split, TensorBase indices, TensorBase values, bint coalesced):
    """A sparse tensor of parts that fit; form is taken over, and may be shared."""
    cdef SparseTensor x
    if dtype < 0 or dtype >= NDTYPE or CLASSES[dtype] is None:
        raise TypeError("there are no sparse tensors of type %s" % DTYPE_NAMES[dtype])
    x = <SparseTensor>new_object(CLASSES[dtype], NO_ARGUMENTS)
    x.form, x.split, x.coalesced = form, split, coalesced
    if indices is not None and indices.numel_ > 0:
        x.indices, x.values, x.nnz = indices, values, indices.sizes[1]
    else:
        x.coalesced = True
    return x


cdef SparseTensor zero(SparseTensor like):
    return make(like.dtype, like.form, like.split, None, None, True)


cdef int become(SparseTensor x, SparseTensor source) except -1:
    """Let x take over what source holds."""
    x.form, x.split, x.nnz = source.form, source.split, source.nnz
    x.indices, x.values, x.coalesced = source.indices, source.values, source.coalesced
    return 0


cdef TensorBase geometry(TensorBase t):
    return (<SparseTensor>t).form if t.sparse else t


cdef TensorBase view_or_empty(int dtype, TensorBase t):
    """A new view, so that nobody can resize our own; the empty tensor for None."""
    return empty(dtype, 0, NULL) if t is None else view_of(t, t.offset, t.ndim, t.sizes, t.strides)


cdef TensorBase own_view(TensorBase t):
    """A dense view of a caller's tensor, or a dense copy."""
    return view_of(t, t.offset, t.ndim, t.sizes, t.strides) if is_contiguous(t) else contiguous(t)


cdef TensorBase form_of(object sizes):
    cdef TensorBase form = new_header(F32, -1)
    cdef Py_ssize_t[MAXDIM] c
    cdef int n = read_sizes(sizes, c)
    set_sizes(form, n, c)
    if form.ndim != n:
        raise RuntimeError("the sizes of a sparse tensor must be above 0, but are %s" % (tuple(sizes),))
    return form


cdef int construct(SparseTensor self, tuple args, dict kwargs) except -1:
    """T(), T(sizes...), T(Size), T(indices, values), T(indices, values, Size)."""
    cdef SparseTensor made
    if not kwargs and len(args) <= 3:
        if all([isinstance(a, int) for a in args]):
            become(self, of_sizes(self.dtype, args))
            return 0
        if len(args) == 1 and isinstance(args[0], (Size, tuple, list)):
            become(self, of_sizes(self.dtype, args[0]))
            return 0
        if (len(args) >= 2 and isinstance(args[0], TensorBase) and isinstance(args[1], TensorBase)
                and (len(args) == 2 or isinstance(args[2], (Size, tuple, list)))):
            made = of_entries(self, args[0], args[1], args[2] if len(args) == 3 else None)
            keys_of(type_name(self), made)
            become(self, made)
            return 0
    elif not kwargs and all([isinstance(a, int) for a in args]):
        become(self, of_sizes(self.dtype, args))
        return 0
    raise TypeError("%s constructor received an invalid combination of arguments - got (%s), but expected one of:\n"
                    " * no arguments\n * (int ...)\n * (Size size)\n * (LongTensor indices, Tensor values)\n"
                    " * (LongTensor indices, Tensor values, Size size)"
                    % (type_name(self), ", ".join([described(a) for a in args] + list(kwargs))))


cdef SparseTensor of_sizes(int dtype, object sizes):
    cdef TensorBase form = form_of(sizes)
    return make(dtype, form, form.ndim, None, None, True)


cdef SparseTensor of_entries(SparseTensor like, TensorBase indices, TensorBase values, object sizes):
    """Check types and sizes of indices and values against each other and sizes; None: as large as need be."""
    cdef int split
    if indices.sparse or indices.dtype != I64 or indices.device >= 0:
        raise TypeError("indices of a sparse tensor are a tensorlib.LongTensor, but got a %s" % type_name(indices))
    if values.sparse or values.dtype != like.dtype or values.device >= 0:
        raise TypeError("values of a %s are a tensorlib.%sTensor, but got a %s"
                        % (type_name(like), DTYPE_NAMES[like.dtype], type_name(values)))
    if indices.numel_ == 0 and values.numel_ == 0:
        return of_sizes(like.dtype, () if sizes is None else sizes)
    if indices.ndim != 2 or values.ndim < 1 or indices.sizes[1] != values.sizes[0]:
        raise RuntimeError("indices of size [%s] and values of size [%s] do not fit each other: expected "
                           "(sparse dims, entries) and (entries, dense sizes...)"
                           % (size_text(indices), size_text(values)))
    split = <int>indices.sizes[0]
    if split > MAXDIM or split + values.ndim - 1 > MAXDIM:
        raise RuntimeError("a tensor has at most %d dims, but %d were asked for" % (MAXDIM, split + values.ndim - 1))
    dense = tuple(values.size())[1:]
    if sizes is None:
        sizes = tuple([n + 1 for n in largest(indices)]) + dense
    elif len(sizes) != split + len(dense) or tuple(sizes)[split:] != dense:
        raise RuntimeError("a sparse tensor of size %s does not fit %d sparse dims and values of size [%s]"
                           % (tuple(sizes), split, size_text(values)))
    return make(like.dtype, form_of(sizes), split, own_view(indices), own_view(values), False)


cdef list largest(TensorBase indices):
    """The largest index of each sparse dim."""
    cdef TensorBase dense = contiguous(indices)
    cdef const int64_t* index = <const int64_t*>ptr(dense)
    cdef Py_ssize_t n = dense.sizes[1], i
    cdef int64_t most
    cdef int d
    found = []
    for d in range(dense.sizes[0]):
        most = 0
        for i in range(n):
            most = max(most, index[d * n + i])
        if most == <int64_t>0x7fffffffffffffff:
            raise RuntimeError("index %d of dim %d is too large" % (most, d))
        found.append(most)
    return found


# ---- positions --------------------------------------------------------------------------------------------------

cdef TensorBase keys_of(str name, SparseTensor x):
    cdef TensorBase keys = empty(I64, 1, &x.nnz)
    cdef keys_fn kernel = <keys_fn>get("sparse_keys", I64)
    cdef Py_ssize_t outside
    if x.nnz == 0:
        return keys
    with nogil:
        outside = kernel(<int64_t*>ptr(keys), <const int64_t*>ptr(x.indices), x.nnz, x.split, x.form.sizes)
    if outside >= 0:
        raise RuntimeError("%s(): index %d is out of range for dim %d of size %d: sizes are inconsistent with indices"
                           % (name, (<const int64_t*>ptr(x.indices))[outside], outside // x.nnz,
                              x.form.sizes[outside // x.nnz]))
    return keys


cdef Py_ssize_t width_of(SparseTensor x) noexcept nogil:
    cdef Py_ssize_t width = 1
    cdef int d
    for d in range(x.split, x.form.ndim):
        width *= x.form.sizes[d]
    return width


cdef Py_ssize_t places_of(SparseTensor x) noexcept nogil:
    cdef Py_ssize_t places = 1
    cdef int d
    for d in range(x.split):
        places *= x.form.sizes[d]
    return places


cdef SparseTensor coalesce(SparseTensor x):
    cdef TensorBase keys, order, scratch, start, indices, values
    cdef order_fn sort = <order_fn>get("sparse_order", I64)
    cdef runs_fn runs = <runs_fn>get("sparse_runs", I64)
    cdef indices_fn find_indices = <indices_fn>get("sparse_indices", I64)
    cdef sum_fn add_up = <sum_fn>get("sparse_sum", x.dtype)
    cdef Py_ssize_t[MAXDIM] sizes
    cdef Py_ssize_t n = x.nnz, twice = 2 * x.nnz, more = x.nnz + 1, count, width = width_of(x)
    cdef int d
    if x.coalesced:
        return x
    keys = keys_of("coalesce", x)
    order, scratch, start = empty(I64, 1, &n), empty(I64, 1, &twice), empty(I64, 1, &more)
    with nogil:
        sort(<int64_t*>ptr(keys), <int64_t*>ptr(order), <int64_t*>ptr(scratch), n)
        count = runs(<int64_t*>ptr(keys), <int64_t*>ptr(start), n)
    sizes[0], sizes[1] = x.split, count
    indices = empty(I64, 2, sizes)
    sizes[0] = count
    for d in range(1, x.values.ndim):
        sizes[d] = x.values.sizes[d]
    values = empty(x.dtype, x.values.ndim, sizes)
    with nogil:
        find_indices(<int64_t*>ptr(indices), <int64_t*>ptr(keys), count, x.split, x.form.sizes)
        add_up(ptr(values), ptr(x.values), <int64_t*>ptr(order), <int64_t*>ptr(start), count, width)
    return make(x.dtype, x.form, x.split, indices, values, True)


cdef TensorBase rows_of(TensorBase values, TensorBase keys):
    cdef rows_fn gather = <rows_fn>get("sparse_gather", values.dtype)
    cdef Py_ssize_t[MAXDIM] sizes
    cdef TensorBase out
    cdef Py_ssize_t width
    cdef int d
    sizes[0] = keys.numel_
    for d in range(1, values.ndim):
        sizes[d] = values.sizes[d]
    out = empty(values.dtype, values.ndim, sizes)
    if out.numel_ == 0:
        return out
    width = out.numel_ // keys.numel_
    with nogil:
        gather(ptr(out), ptr(values), <const int64_t*>ptr(keys), keys.numel_, width)
    return out


cdef SparseTensor transposed(SparseTensor x, int a, int b):
    """Two dims exchanged; the entries are in order no more."""
    cdef TensorBase form = new_header(F32, -1), indices = x.indices, values = x.values
    cdef Py_ssize_t[MAXDIM] sizes
    cdef int d
    if (a < x.split) != (b < x.split):
        raise RuntimeError("transpose(): dims %d and %d of a %s of size [%s] are a sparse and a dense one: "
                           "the first %d are sparse" % (a, b, type_name(x), size_text(x.form), x.split))
    for d in range(x.form.ndim):
        sizes[d] = x.form.sizes[b if d == a else a if d == b else d]
    set_sizes(form, x.form.ndim, sizes)
    if x.nnz == 0 or a == b:
        return make(x.dtype, form, x.split, indices, values, x.coalesced)
    if a < x.split:
        order = [b if d == a else a if d == b else d for d in range(x.split)]
        indices = rows_of(x.indices, long_tensor(order))
        return make(x.dtype, form, x.split, indices, values, False)
    values = contiguous(transpose_dense(values, a - x.split + 1, b - x.split + 1))
    return make(x.dtype, form, x.split, indices, values, x.coalesced)


cdef TensorBase long_tensor(list numbers):
    cdef Py_ssize_t n = len(numbers), i
    cdef TensorBase made = empty(I64, 1, &n)
    for i in range(n):
        (<int64_t*>ptr(made))[i] = numbers[i]
    return made


cdef bint exclusive(SparseTensor x, Py_ssize_t references):
    return (Py_REFCNT(<PyObject*>x) <= references
            and (x.nnz == 0 or alone(x.indices) and alone(x.values)))


cdef bint alone(TensorBase t):
    return Py_REFCNT(<PyObject*>t) == 1 and Py_REFCNT(<PyObject*>t.store) == 1 and t.store.owner is None


# ---- for the Python layer ---------------------------------------------------------------------------------------

def cast(SparseTensor x not None, int dtype):
    """The sparse tensor with values of another type; itself where it has that."""
    if x.dtype == dtype:
        return x
    return make(dtype, x.form, x.split, None if x.nnz == 0 else dense_copy(x.indices),
                None if x.nnz == 0 else cast_dense(x.values, dtype), x.coalesced)
