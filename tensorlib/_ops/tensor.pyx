"""TensorBase and its sixteen typed classes: a view (offset, sizes, strides) of a storage.

What needs kernels or Python comes in by hooks from the layers above: operators, indexing, text, pickling.
There is no dim of size 0: a tensor has one dim or more, or it is empty (ndim 0, no elements).
"""
cimport cython
from cpython.object cimport Py_EQ, Py_GT, Py_LE, Py_LT, Py_NE

from .classes cimport name_class, new_object, set_class_attribute
from .dispatch import DTYPE_NAMES
from .numbers cimport number_at
from .storage cimport gpu, itemsize, new_storage, resize_storage
from .types cimport F16, F32, F64, I8, I16, I32, I64, MAXDIM, NDTYPE, U8

cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object number, int* overflow) except? -1

cdef extern from *:
    """
    /* what tuple.__new__(cls, ints) does */
    static PyObject* tl_tuple_of_ints(PyObject* cls, const Py_ssize_t* ints, int n) {
        PyObject* made = ((PyTypeObject*)cls)->tp_alloc((PyTypeObject*)cls, n);
        PyObject* number;
        int i;
        for (i = 0; made && i < n; ++i) {
            number = PyLong_FromSsize_t(ints[i]);
            if (number) PyTuple_SET_ITEM(made, i, number); else Py_CLEAR(made);
        }
        return made;
    }
    /* The same, but one made lately serves again, as nothing can change it. cls is always the same. */
    #define TL_RECENT 64
    static PyObject* tl_recent[TL_RECENT];
    static PyObject* tl_recent_tuple(PyObject* cls, const Py_ssize_t* ints, int n) {
        PyObject **place, *made;
        size_t hash = n;
        int i;
        for (i = 0; i < n; ++i) hash = hash * 31 + ints[i];
        place = &tl_recent[(hash ^ hash >> 6) % TL_RECENT];
        made = *place;
        if (made && PyTuple_GET_SIZE(made) == n) {
            for (i = 0; i < n && PyLong_AsSsize_t(PyTuple_GET_ITEM(made, i)) == ints[i]; ++i) {}
            if (i == n) { Py_INCREF(made); return made; }
        }
        made = tl_tuple_of_ints(cls, ints, n);
        if (made) { Py_INCREF(made); Py_XSETREF(*place, made); }
        return made;
    }
    /* a + b * c, and whether that is more than any position can be */
    static inline int tl_advance(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c, Py_ssize_t* sum) {
        Py_ssize_t product;
        return __builtin_mul_overflow(b, c, &product) || __builtin_add_overflow(a, product, sum);
    }
    """
    object recent_tuple "tl_recent_tuple"(object cls, const Py_ssize_t* ints, int n)
    bint advance "tl_advance"(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c, Py_ssize_t* total) noexcept nogil

cdef tuple NO_ARGUMENTS = ()
cdef binary_fn binary_hook = NULL
hooks = {}                      # name -> Python function; see `set_hook`


class Size(tuple):
    """The sizes of a tensor: a tuple of ints; slices, sums and products stay a Size."""

    __slots__ = ()

    def __new__(cls, sizes=()):
        if isinstance(sizes, TensorBase):
            raise TypeError("Size() takes a sequence of ints, not a tensor")
        self = tuple.__new__(cls, sizes)
        for i, n in enumerate(self):
            if not isinstance(n, int) or isinstance(n, bool):
                raise TypeError("tensorlib.Size() takes an iterable of 'int' (item %d is '%s')" % (i, type(n).__name__))
        return self

    def __add__(self, other):
        return tuple.__new__(Size, tuple.__add__(self, other)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, n):
        return tuple.__new__(Size, tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __getitem__(self, key):
        part = tuple.__getitem__(self, key)
        return tuple.__new__(Size, part) if isinstance(key, slice) else part

    def __repr__(self):
        return "tensorlib.Size([%s])" % ", ".join([str(n) for n in self])

    def numel(self):
        """Return the product of the sizes."""
        product = 1
        for n in self:
            product *= n
        return product

    def __reduce__(self):
        return (Size, (tuple(self),))


Size.__module__ = "tensorlib"


@cython.freelist(256)
cdef class TensorBase:
    def __cinit__(self):
        self.device = -1

    def __init__(self, *args, **kwargs):
        hooks["construct"](self, args, kwargs)

    # Operators: one C function for all, so that `a + b` costs no Python frame.
    def __add__(self, other):
        return binary_hook(ADD, self, other)

    def __radd__(self, other):
        return binary_hook(ADD, self, other)

    def __sub__(self, other):
        return binary_hook(SUB, self, other)

    def __rsub__(self, other):
        return binary_hook(RSUB, self, other)

    def __mul__(self, other):
        return binary_hook(MUL, self, other)

    def __rmul__(self, other):
        return binary_hook(MUL, self, other)

    def __truediv__(self, other):
        return binary_hook(DIV, self, other)

    def __rtruediv__(self, other):
        return binary_hook(RDIV, self, other)

    def __mod__(self, other):
        return binary_hook(MOD, self, other)

    def __pow__(self, other, modulus):
        return binary_hook(POW, self, other)

    def __and__(self, other):
        return binary_hook(AND, self, other)

    def __or__(self, other):
        return binary_hook(OR, self, other)

    def __xor__(self, other):
        return binary_hook(XOR, self, other)

    def __lshift__(self, other):
        return binary_hook(LSHIFT, self, other)

    def __rshift__(self, other):
        return binary_hook(RSHIFT, self, other)

    def __iadd__(self, other):
        return binary_hook(IADD, self, other)

    def __isub__(self, other):
        return binary_hook(ISUB, self, other)

    def __imul__(self, other):
        return binary_hook(IMUL, self, other)

    def __itruediv__(self, other):
        return binary_hook(IDIV, self, other)

    def __ipow__(self, other, modulus):
        return binary_hook(IPOW, self, other)

    def __iand__(self, other):
        return binary_hook(IAND, self, other)

    def __ior__(self, other):
        return binary_hook(IOR, self, other)

    def __ixor__(self, other):
        return binary_hook(IXOR, self, other)

    def __ilshift__(self, other):
        return binary_hook(ILSHIFT, self, other)

    def __irshift__(self, other):
        return binary_hook(IRSHIFT, self, other)

    def __neg__(self):
        return hooks["neg"](self)

    def __invert__(self):
        return hooks["invert"](self)

    def __matmul__(self, other):
        return hooks["matmul"](self, other)

    def __richcmp__(self, other, int how):
        if how == Py_EQ:
            return binary_hook(EQ, self, other)
        if how == Py_NE:
            return binary_hook(NE, self, other)
        if how == Py_LT:
            return binary_hook(LT, self, other)
        if how == Py_LE:
            return binary_hook(LE, self, other)
        if how == Py_GT:
            return binary_hook(GT, self, other)
        return binary_hook(GE, self, other)

    def __hash__(self):
        return <Py_ssize_t>(<void*>self)

    def __bool__(self):
        if self.numel_ == 0:
            return False
        raise RuntimeError("bool value of non-empty %s objects is ambiguous" % type_name(self))

    def __len__(self):
        return self.sizes[0] if self.ndim > 0 else 0

    def __getitem__(self, key):
        cdef Py_ssize_t i
        if type(key) is int and self.ndim >= 1:
            try:
                i = key
            except OverflowError:
                raise IndexError("index %d is out of range for dimension 0 (of size %d)"
                                 % (key, self.sizes[0])) from None
            if i < 0:
                i += self.sizes[0]
            if 0 <= i < self.sizes[0]:
                if self.ndim == 1:
                    return item(self, self.offset + i * self.strides[0])
                return view_of(self, self.offset + i * self.strides[0], self.ndim - 1, &self.sizes[1], &self.strides[1])
        return hooks["getitem"](self, key)

    def __setitem__(self, key, value):
        hooks["setitem"](self, key, value)

    def __iter__(self):
        return iter([self[i] for i in range(self.sizes[0])]) if self.ndim > 0 else iter(())

    def __contains__(self, value):
        return hooks["contains"](self, value)

    def __repr__(self):
        return hooks["repr"](self)

    def __reduce_ex__(self, protocol):
        return hooks["reduce"](self)

    def __setstate__(self, state):
        hooks["setstate"](self, state)

    def __deepcopy__(self, memo):
        return hooks["deepcopy"](self, memo)

    def __array__(self, dtype=None, copy=None):
        return hooks["array"](self, dtype, copy)

    # ---- geometry ----

    def size(self, dim=None):
        """Return the sizes as a Size, or the size of one dim."""
        return size_along(self, dim)

    @property
    def shape(self):
        return size_of(self)

    def stride(self, dim=None):
        """Return the strides in elements as a tuple, or the stride of one dim."""
        if dim is None:
            return tuple([self.strides[i] for i in range(self.ndim)])
        return self.strides[index_dim(self, dim, "stride")]

    def storage_offset(self):
        """Return the position of the first element in the storage, in elements."""
        return self.offset

    def dim(self):
        """Return the number of dims."""
        return self.ndim

    def ndimension(self):
        """Return the number of dims."""
        return self.ndim

    def numel(self):
        """Return the number of elements."""
        return self.numel_

    def nelement(self):
        """Return the number of elements."""
        return self.numel_

    def element_size(self):
        """Return the bytes of one element."""
        return itemsize(self.dtype)

    def is_contiguous(self):
        """Tell whether the elements lie densely in memory, in order."""
        return is_contiguous(self)

    def data_ptr(self):
        """Return the address of the first element."""
        return <size_t>ptr(self)

    def storage(self):
        """Return the storage."""
        return storage_of(self)

    def item(self):
        """Return the number of a tensor of one element."""
        if self.numel_ != 1:
            raise ValueError("only tensors of one element can become a number, but the size is %s"
                             % (tuple((<object>self).size()),))
        return item(self, self.offset)

    def tolist(self):
        """Return a nested list of Python numbers."""
        return hooks["tolist"](self)

    @property
    def is_cuda(self):
        return self.device >= 0


cdef class ByteTensor(TensorBase):
    def __cinit__(self):
        self.dtype = U8


cdef class CharTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I8


cdef class ShortTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I16


cdef class IntTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I32


cdef class LongTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I64


cdef class HalfTensor(TensorBase):
    def __cinit__(self):
        self.dtype = F16


cdef class FloatTensor(TensorBase):
    def __cinit__(self):
        self.dtype = F32


cdef class DoubleTensor(TensorBase):
    def __cinit__(self):
        self.dtype = F64


cdef class CudaByteTensor(TensorBase):
    def __cinit__(self):
        self.dtype = U8
        self.device = 0


cdef class CudaCharTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I8
        self.device = 0


cdef class CudaShortTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I16
        self.device = 0


cdef class CudaIntTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I32
        self.device = 0


cdef class CudaLongTensor(TensorBase):
    def __cinit__(self):
        self.dtype = I64
        self.device = 0


cdef class CudaHalfTensor(TensorBase):
    def __cinit__(self):
        self.dtype = F16
        self.device = 0


cdef class CudaFloatTensor(TensorBase):
    def __cinit__(self):
        self.dtype = F32
        self.device = 0


cdef class CudaDoubleTensor(TensorBase):
    def __cinit__(self):
        self.dtype = F64
        self.device = 0


cdef tuple CPU_CLASSES = (ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, HalfTensor,
                          FloatTensor, DoubleTensor)
cdef tuple CUDA_CLASSES = (CudaByteTensor, CudaCharTensor, CudaShortTensor, CudaIntTensor, CudaLongTensor,
                           CudaHalfTensor, CudaFloatTensor, CudaDoubleTensor)
cdef list CLASS_NAMES = []      # keeps the bytes alive that the types point to
cdef bytes _name
for _class in CPU_CLASSES + CUDA_CLASSES:
    _name = (("tensorlib.cuda." + _class.__name__[4:]) if _class in CUDA_CLASSES
             else "tensorlib." + _class.__name__).encode()
    CLASS_NAMES.append(_name)
    name_class(_class, _name)


cdef object size_of(TensorBase t):
    return recent_tuple(Size, t.sizes, t.ndim)


cdef object size_along(TensorBase t, object dim):
    return size_of(t) if dim is None else t.sizes[index_dim(t, dim, "size")]


# ---- the C interface ----------------------------------------------------------------------------------

cdef TensorBase new_header(int dtype, int device):
    """A tensor object without storage or sizes."""
    cdef TensorBase t = <TensorBase>new_object((CPU_CLASSES if device < 0 else CUDA_CLASSES)[dtype], NO_ARGUMENTS)
    t.dtype = dtype
    t.device = device
    return t


cdef char* ptr(TensorBase t) noexcept nogil:
    if t.store is None:
        return NULL
    return t.store.data + t.offset * itemsize(t.dtype)


cdef bint is_contiguous(TensorBase t) noexcept nogil:
    cdef Py_ssize_t expected = 1
    cdef int d
    for d in range(t.ndim - 1, -1, -1):
        if t.sizes[d] != 1:
            if t.strides[d] != expected:
                return False
            expected *= t.sizes[d]
    return True


cdef bint same_size(TensorBase a, TensorBase b) noexcept nogil:
    cdef int d
    if a.ndim != b.ndim:
        return False
    for d in range(a.ndim):
        if a.sizes[d] != b.sizes[d]:
            return False
    return True


cdef int set_sizes(TensorBase t, int ndim, const Py_ssize_t* sizes) except -1:
    """Set sizes and dense strides; a size of 0 or less ends the sizes, as in the original. Checks for overflow."""
    cdef Py_ssize_t n = 1
    cdef int d
    if ndim > MAXDIM:
        raise RuntimeError("a tensor has at most %d dims, but %d were asked for" % (MAXDIM, ndim))
    for d in range(ndim):
        if sizes[d] <= 0:
            ndim = d
            break
    for d in range(ndim):
        if n > (<Py_ssize_t>1 << 60) // sizes[d]:
            raise RuntimeError("invalid memory size -- maybe an overflow? the sizes are %s"
                               % " x ".join([str(sizes[i]) for i in range(ndim)]))
        n *= sizes[d]
    t.ndim = ndim
    t.numel_ = n if ndim > 0 else 0
    n = 1
    for d in range(ndim - 1, -1, -1):
        t.sizes[d] = sizes[d]
        t.strides[d] = n
        n *= sizes[d]
    return 0


cdef TensorBase empty(int dtype, int ndim, const Py_ssize_t* sizes, int device=-1):
    cdef TensorBase t = new_header(dtype, device)
    set_sizes(t, ndim, sizes)
    t.store = new_storage(dtype, t.numel_, device)
    return t


cdef TensorBase empty_like(TensorBase t):
    return empty(t.dtype, t.ndim, t.sizes, t.device)


cdef TensorBase view_of(TensorBase t, Py_ssize_t offset, int ndim, const Py_ssize_t* sizes,
                        const Py_ssize_t* strides):
    cdef TensorBase v
    cdef int d
    if ndim > MAXDIM:
        raise RuntimeError("a tensor has at most %d dims, but %d were asked for" % (MAXDIM, ndim))
    v = new_header(t.dtype, t.device)
    v.store, v.offset, v.ndim = t.store, offset, ndim
    v.numel_ = 1 if ndim > 0 else 0
    for d in range(ndim):
        v.sizes[d], v.strides[d] = sizes[d], strides[d]
        if advance(0, v.numel_, sizes[d], &v.numel_):
            raise RuntimeError("invalid memory size -- maybe an overflow? the sizes are %s"
                               % " x ".join([str(sizes[i]) for i in range(ndim)]))
    return v


cdef Py_ssize_t last_element(TensorBase t) except -1:
    """The position of the last element in the storage; RuntimeError where there is no such position."""
    cdef Py_ssize_t last = t.offset
    cdef int d
    for d in range(t.ndim):
        if advance(last, t.sizes[d] - 1, t.strides[d], &last):
            raise RuntimeError("invalid memory size -- maybe an overflow? sizes [%s] with strides %s"
                               % (size_text(t), [t.strides[i] for i in range(t.ndim)]))
    return last


cdef int resize(TensorBase t, int ndim, const Py_ssize_t* sizes) except -1:
    """Make t dense with these sizes, its elements the first ones from its offset; grow the storage if needed."""
    cdef TensorBase wanted = new_header(t.dtype, -1)
    cdef Py_ssize_t end
    cdef int d
    set_sizes(wanted, ndim, sizes)
    if same_size(t, wanted):
        return 0
    if t.store is None:
        t.store = new_storage(t.dtype, 0, t.device)
    if advance(t.offset, wanted.numel_, 1, &end):       # no elements may start anywhere, some may not
        raise RuntimeError("invalid memory size -- maybe an overflow? sizes [%s] from position %d of a storage"
                           % (size_text(wanted), t.offset))
    if wanted.ndim > 0 and end > t.store.size:
        resize_storage(t.store, end)
    t.ndim, t.numel_ = wanted.ndim, wanted.numel_
    for d in range(wanted.ndim):
        t.sizes[d], t.strides[d] = wanted.sizes[d], wanted.strides[d]
    return 0


cdef int wrap_dim(TensorBase t, int dim) except -1:
    if t.ndim == 0:
        raise RuntimeError("dimension specified as %d but tensor has no dimensions" % dim)
    if dim < -t.ndim or dim >= t.ndim:
        raise RuntimeError("dimension out of range (expected to be in range of [%d, %d], but got %d)"
                           % (-t.ndim, t.ndim - 1, dim))
    return dim + t.ndim if dim < 0 else dim


cdef int index_dim(TensorBase t, object dim, str what) except -1:
    cdef int overflow = 0
    cdef long d
    if type(dim) is int:
        d = PyLong_AsLongAndOverflow(dim, &overflow)
        if not overflow and -t.ndim <= d < t.ndim:
            return d + t.ndim if d < 0 else d
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError("%s received an invalid combination of arguments - got (%s), but expected (int dim)"
                        % (what, type(dim).__name__))
    if t.ndim > 0 and not -t.ndim <= dim < t.ndim:
        raise RuntimeError("%s(): dimension %d out of range of %dD tensor" % (what, dim, t.ndim))
    return wrap_dim(t, dim)


cdef str type_name(TensorBase t):
    return "tensorlib.%s%s%sTensor" % ("cuda." if t.device >= 0 else "", "sparse." if t.sparse else "",
                                       DTYPE_NAMES[t.dtype])


cdef str device_name(TensorBase t):
    return type_name(t) if t.device < 0 else "%s (GPU %d)" % (type_name(t), t.device)


cdef str size_text(TensorBase t):
    return " x ".join([str(t.sizes[d]) for d in range(t.ndim)])


cdef object item(TensorBase t, Py_ssize_t offset):
    cdef char* p
    if t.device >= 0:
        return gpu().item(t, offset)
    p = t.store.data + offset * itemsize(t.dtype)
    return number_at(p, t.dtype)


cdef object storage_of(TensorBase t):
    if t.store is None:
        t.store = new_storage(t.dtype, 0, t.device)
    return t.store


# ---- for the Python layer ------------------------------------------------------------------------------

cdef void set_binary_hook(binary_fn f) noexcept:
    global binary_hook
    binary_hook = f


def set_hook(str name, function):
    """Tell the tensor classes which function does `name` (getitem, repr, construct, ...)."""
    hooks[name] = function


def set_attribute(cls, str name, value):
    """Set an attribute of a tensor class."""
    set_class_attribute(cls, name, value)


def cpu_classes():
    return CPU_CLASSES


def cuda_classes():
    return CUDA_CLASSES


def code_of(TensorBase t not None):
    """The element type code of a tensor."""
    return t.dtype


def code_of_class(cls):
    """(element type code, whether on the GPU) of a tensor class."""
    for i in range(NDTYPE):
        if issubclass(cls, CPU_CLASSES[i]):
            return i, False
        if issubclass(cls, CUDA_CLASSES[i]):
            return i, True
    raise TypeError("%r is not a tensor class" % (cls,))


cdef int read_sizes(object sizes, Py_ssize_t* out) except -1:
    """Copy a Python sequence of ints; returns how many."""
    cdef int n = 0
    if len(sizes) > MAXDIM:
        raise RuntimeError("a tensor has at most %d dims, but %d were asked for" % (MAXDIM, len(sizes)))
    for value in sizes:
        try:
            out[n] = value
        except OverflowError:
            raise RuntimeError("invalid memory size -- maybe an overflow? size %d is %d" % (n, value)) from None
        n += 1
    return n


def device_of(TensorBase t not None):
    """The number of the GPU, -1 for the CPU."""
    return t.device


def make_empty(int dtype, sizes=(), int device=-1):
    """Return an uninitialised tensor, on the CPU or a GPU."""
    cdef Py_ssize_t[MAXDIM] c
    return empty(dtype, read_sizes(sizes, c), c, device)


def get_item(TensorBase t not None, Py_ssize_t position=0):
    """The number at a position of the storage counted from the tensor's first element."""
    return item(t, t.offset + position)
