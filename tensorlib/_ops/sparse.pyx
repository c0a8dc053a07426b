"""SparseTensor and its classes: coordinates of entries, and the values there; everything else is zero.

The first `split` dims are sparse, the others dense. To code that knows dense tensors only a sparse one looks empty (no
dims, no elements, no memory), so that no kernel can read beyond anything; its sizes stand in `form`. Indices can be
shared with a caller who writes to them, so whoever follows them goes through `keys_of`, which checks each. On a GPU all
is the same but for the loops, which cuda/ops/sparse.py has.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from .classes cimport name_class, new_object
from .copying cimport contiguous
from .copying import dense_copy
from .dispatch cimport get
from .dispatch import DTYPE_NAMES
from .shape import cast as cast_dense
from .shape import cat, moved, narrow
from .shape import transpose as transpose_dense
from .storage cimport RESIZABLE, gpu
from .storage import current_gpu
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
        if self.device >= 0:            # what is loaded may have gone elsewhere
            return rebuilt, (self._indices(), self._values(), self.size(), self.coalesced)
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
        return view_or_empty(I64, self.device, self.indices)

    def _values(self):
        """Return the values: a tensor of size (entries, dense sizes...) on the memory of self."""
        return view_or_empty(self.dtype, self.device, self.values)

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
        return make(self.dtype, self.device, self.form, self.split, dense_copy(self.indices), dense_copy(self.values),
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


cdef class CudaSparseByteTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = U8, 0


cdef class CudaSparseCharTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = I8, 0


cdef class CudaSparseShortTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = I16, 0


cdef class CudaSparseIntTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = I32, 0


cdef class CudaSparseLongTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = I64, 0


cdef class CudaSparseFloatTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = F32, 0


cdef class CudaSparseDoubleTensor(SparseTensor):
    def __cinit__(self):
        self.dtype, self.device = F64, 0


# By element type; there is none for halves, which have no arithmetic.
cdef tuple CLASSES = (SparseByteTensor, SparseCharTensor, SparseShortTensor, SparseIntTensor, SparseLongTensor, None,
                      SparseFloatTensor, SparseDoubleTensor)
cdef tuple CUDA_CLASSES = (CudaSparseByteTensor, CudaSparseCharTensor, CudaSparseShortTensor, CudaSparseIntTensor,
                           CudaSparseLongTensor, None, CudaSparseFloatTensor, CudaSparseDoubleTensor)
cdef list CLASS_NAMES = []      # keeps the bytes alive that the types point to
for _class in CLASSES + CUDA_CLASSES:
    if _class is not None:
        _name = _class.__name__.replace("CudaSparse", "cuda.sparse.").replace("Sparse", "sparse.")
        CLASS_NAMES.append(b"tensorlib." + _name.encode())
        name_class(_class, <bytes>CLASS_NAMES[len(CLASS_NAMES) - 1])


def classes(bint on_gpu=False):
    """{element type code: sparse class}."""
    return {code: cls for code, cls in enumerate(CUDA_CLASSES if on_gpu else CLASSES) if cls is not None}


# ---- making -----------------------------------------------------------------------------------------------------

cdef SparseTensor make(int dtype, int device, TensorBase form, int split, TensorBase indices, TensorBase values,
                       bint coalesced):
    """A sparse tensor of parts that fit; form is taken over, and may be shared."""
    cdef SparseTensor x
    if dtype < 0 or dtype >= NDTYPE or CLASSES[dtype] is None:
        raise TypeError("there are no sparse tensors of type %s" % DTYPE_NAMES[dtype])
    x = <SparseTensor>new_object((CLASSES if device < 0 else CUDA_CLASSES)[dtype], NO_ARGUMENTS)
    x.device, x.form, x.split, x.coalesced = device, form, split, coalesced
    if indices is not None and indices.numel_ > 0:
        x.indices, x.values, x.nnz = indices, values, indices.sizes[1]
    else:
        x.coalesced = True
    return x


cdef SparseTensor zero(SparseTensor like):
    return make(like.dtype, like.device, like.form, like.split, None, None, True)


cdef int become(SparseTensor x, SparseTensor source) except -1:
    """Let x take over what source holds."""
    x.device, x.form, x.split, x.nnz = source.device, source.form, source.split, source.nnz
    x.indices, x.values, x.coalesced = source.indices, source.values, source.coalesced
    return 0


cdef TensorBase geometry(TensorBase t):
    return (<SparseTensor>t).form if t.sparse else t


cdef TensorBase view_or_empty(int dtype, int device, TensorBase t):
    """A new view, so that nobody can resize our own; the empty tensor for None."""
    return empty(dtype, 0, NULL, device) if t is None else view_of(t, t.offset, t.ndim, t.sizes, t.strides)


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
    """T(), T(sizes...), T(Size), T(indices, values), T(indices, values, Size), on GPUs with device=."""
    cdef SparseTensor made
    cdef bint on_gpu = self.device >= 0
    cdef object device = kwargs.get("device") if on_gpu else None
    if len(args) <= 3 and not set(kwargs) - ({"device"} if on_gpu else set()) or not kwargs:
        if all([isinstance(a, int) for a in args]):
            become(self, of_sizes(self, device, args))
            return 0
        if len(args) == 1 and isinstance(args[0], (Size, tuple, list)):
            become(self, of_sizes(self, device, args[0]))
            return 0
        if (2 <= len(args) <= 3 and isinstance(args[0], TensorBase) and isinstance(args[1], TensorBase)
                and (len(args) == 2 or isinstance(args[2], (Size, tuple, list)))):
            made = of_entries(self, args[0], args[1], args[2] if len(args) == 3 else None)
            if device is not None and made.device != device:
                raise RuntimeError("%s(): device is %s, but indices and values lie on GPU %d"
                                   % (type_name(self), device, made.device))
            keys_of(type_name(self), made)
            become(self, made)
            return 0
    raise TypeError("%s constructor received an invalid combination of arguments - got (%s), but expected one of:\n"
                    " * no arguments\n * (int ...)\n * (Size size)\n * (LongTensor indices, Tensor values)\n"
                    " * (LongTensor indices, Tensor values, Size size)"
                    % (type_name(self), ", ".join([described(a) for a in args] + list(kwargs))))


cdef SparseTensor of_sizes(SparseTensor like, object device, object sizes):
    """On a GPU that of `device`, the current one for None."""
    cdef TensorBase form = form_of(sizes)
    if like.device >= 0 and device is None:
        device = current_gpu()
    return make(like.dtype, -1 if like.device < 0 else device, form, form.ndim, None, None, True)


cdef SparseTensor of_entries(SparseTensor like, TensorBase indices, TensorBase values, object sizes):
    """Check types and sizes of indices and values against each other and sizes; None: as large as need be."""
    cdef int split
    cdef str place = "cuda." if like.device >= 0 else ""
    if indices.sparse or indices.dtype != I64 or (indices.device >= 0) != (like.device >= 0):
        raise TypeError("indices of a sparse tensor are a tensorlib.%sLongTensor, but got a %s"
                        % (place, type_name(indices)))
    if values.sparse or values.dtype != like.dtype or (values.device >= 0) != (like.device >= 0):
        raise TypeError("values of a %s are a tensorlib.%s%sTensor, but got a %s"
                        % (type_name(like), place, DTYPE_NAMES[like.dtype], type_name(values)))
    if indices.device != values.device:
        raise RuntimeError("indices are on GPU %d, values on GPU %d" % (indices.device, values.device))
    if indices.numel_ == 0 and values.numel_ == 0:
        return of_sizes(like, None if values.device < 0 else values.device, () if sizes is None else sizes)
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
    return make(like.dtype, values.device, form_of(sizes), split, own_view(indices), own_view(values), False)


def rebuilt(TensorBase indices not None, TensorBase values not None, sizes, bint coalesced):
    """The sparse tensor of parts out of a file, on the device where these lie; the indices are not looked at."""
    cdef SparseTensor like = make(values.dtype, values.device, form_of(()), 0, None, None, True), x
    x = of_entries(like, indices, values, sizes)
    x.coalesced = x.nnz == 0 or coalesced
    return x


cdef list largest(TensorBase indices):
    """The largest index of each sparse dim."""
    cdef list found
    cdef int d
    if indices.device >= 0:
        found = gpu().call("sparse", "largest", (indices,), {})
    else:
        found = largest_on_cpu(contiguous(indices))
    for d in range(len(found)):
        if found[d] == 0x7fffffffffffffff:
            raise RuntimeError("index %d of dim %d is too large" % (found[d], d))
    return found


cdef list largest_on_cpu(TensorBase indices):
    cdef const int64_t* index = <const int64_t*>ptr(indices)
    cdef Py_ssize_t n = indices.sizes[1], i
    cdef int64_t most
    cdef int d
    found = []
    for d in range(indices.sizes[0]):
        most = 0
        for i in range(n):
            most = max(most, index[d * n + i])
        found.append(most)
    return found


# ---- positions --------------------------------------------------------------------------------------------------

cdef TensorBase keys_of(str name, SparseTensor x):
    cdef TensorBase keys = empty(I64, 1, &x.nnz, x.device)
    cdef keys_fn kernel = <keys_fn>get("sparse_keys", I64)
    cdef Py_ssize_t outside
    if x.nnz == 0:
        return keys
    if x.device >= 0:
        gpu().call("sparse", "find_keys", (name, keys, x.indices, sparse_sizes(x)), {})
        return keys
    with nogil:
        outside = kernel(<int64_t*>ptr(keys), <const int64_t*>ptr(x.indices), x.nnz, x.split, x.form.sizes)
    if outside >= 0:
        raise RuntimeError("%s(): index %d is out of range for dim %d of size %d: sizes are inconsistent with indices"
                           % (name, (<const int64_t*>ptr(x.indices))[outside], outside // x.nnz,
                              x.form.sizes[outside // x.nnz]))
    return keys


cdef tuple sparse_sizes(SparseTensor x):
    return tuple([x.form.sizes[d] for d in range(x.split)])


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
    if x.device >= 0:
        indices, values = gpu().call("sparse", "coalesced", (keys, x.values, sparse_sizes(x)), {})
        return make(x.dtype, x.device, x.form, x.split, indices, values, True)
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
    return make(x.dtype, x.device, x.form, x.split, indices, values, True)


cdef TensorBase rows_of(TensorBase values, TensorBase keys):
    cdef rows_fn gather = <rows_fn>get("sparse_gather", values.dtype)
    cdef Py_ssize_t[MAXDIM] sizes
    cdef TensorBase out
    cdef Py_ssize_t width
    cdef int d
    if values.device >= 0:
        return gpu().call("index", "index_select", (values, 0, keys), {})
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
        return make(x.dtype, x.device, form, x.split, indices, values, x.coalesced)
    if a < x.split:
        order = [b if d == a else a if d == b else d for d in range(x.split)]
        indices = cat(0, *[narrow(x.indices, 0, d, 1) for d in order])
        return make(x.dtype, x.device, form, x.split, indices, values, False)
    values = contiguous(transpose_dense(values, a - x.split + 1, b - x.split + 1))
    return make(x.dtype, x.device, form, x.split, indices, values, x.coalesced)


cdef bint exclusive(SparseTensor x, Py_ssize_t references):
    return (Py_REFCNT(<PyObject*>x) <= references
            and (x.nnz == 0 or alone(x.indices) and alone(x.values)))


cdef bint alone(TensorBase t):
    return (Py_REFCNT(<PyObject*>t) == 1 and Py_REFCNT(<PyObject*>t.store) == 1
            and (t.store.owner is None or t.device >= 0 and t.store.flags & RESIZABLE))


# ---- for the Python layer ---------------------------------------------------------------------------------------

def cast(SparseTensor x not None, int dtype):
    """The sparse tensor with values of another type; itself where it has that."""
    if x.dtype == dtype:
        return x
    return make(dtype, x.device, x.form, x.split, None if x.nnz == 0 else dense_copy(x.indices),
                None if x.nnz == 0 else cast_dense(x.values, dtype), x.coalesced)


def moved_to(SparseTensor x not None, int device, bint non_blocking=False):
    """The sparse tensor on a GPU, or on the CPU (-1); itself where it lies there."""
    if x.device == device:
        return x
    return make(x.dtype, device, x.form, x.split, None if x.nnz == 0 else moved(x.indices, device, non_blocking),
                None if x.nnz == 0 else moved(x.values, device, non_blocking), x.coalesced)


def of_parts(TensorBase indices not None, TensorBase values not None, sizes, bint coalesced=False):
    """A sparse tensor of parts that are known to fit, dense and its own."""
    return make(values.dtype, values.device, form_of(sizes), <int>indices.sizes[0], indices, values, coalesced)
