"""Memory shared with arrays of NumPy: the usual case of both directions, in C and without NumPy's headers.

An array tells type and layout by the buffer protocol. What is not usual is left to _arrays.py, and so are errors.
"""
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer

from .storage cimport RESIZABLE, Storage, foreign_storage, itemsize
from .tensor cimport TensorBase, new_header
from .types cimport F32, F64, I16, I32, I64, MAXDIM, U8

cdef extern from *:
    """
    #define tl_is_array(o) (strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") == 0)
    """
    bint is_array "tl_is_array"(object o)       # of that very class

cdef object ndarray = None      # numpy.ndarray, and its element types by our codes
cdef list types = []


cdef int code_of(const char* format, Py_ssize_t size):
    """The element type of a buffer; -1 for what no tensor takes over."""
    if format == NULL or format[0] == 0 or format[1] != 0:
        return -1
    if format[0] == c"f":
        return F32
    if format[0] == c"d":
        return F64
    if format[0] == c"B":
        return U8
    if format[0] in (c"h", c"i", c"l", c"q"):
        return {2: I16, 4: I32, 8: I64}[size]
    return -1


cdef Py_ssize_t room_of(Py_buffer* view):
    """Elements from the first to the last one; -1 where no tensor lies so."""
    cdef Py_ssize_t room = 1
    cdef int d
    if not 0 < view.ndim <= MAXDIM or view.readonly or <size_t>view.buf % view.itemsize:
        return -1
    for d in range(view.ndim):
        if view.shape[d] <= 0 or view.strides[d] < 0 or view.strides[d] % view.itemsize:
            return -1
        room += (view.shape[d] - 1) * (view.strides[d] // view.itemsize)
    return room


def from_array(array):
    """A tensor on the memory of an array, or None where somebody else has to look at it."""
    cdef Py_buffer view
    cdef TensorBase t
    cdef Py_ssize_t room
    cdef int code, d
    if not is_array(array):
        return None
    try:
        PyObject_GetBuffer(array, &view, PyBUF_STRIDES | PyBUF_FORMAT)
    except (ValueError, BufferError):           # an element type that buffers have no letter for
        return None
    try:
        code, room = code_of(view.format, view.itemsize), room_of(&view)
        if code < 0 or room < 0:
            return None
        t = new_header(code, -1)
        t.store = foreign_storage(code, view.buf, room, array, 0)
        t.ndim, t.numel_ = view.ndim, view.len // view.itemsize
        for d in range(view.ndim):
            t.sizes[d], t.strides[d] = view.shape[d], view.strides[d] // view.itemsize
        return t
    finally:
        PyBuffer_Release(&view)


def to_array(TensorBase t not None):
    """An array on the memory of a tensor with elements, whose storage keeps its size from now on. None on a GPU."""
    cdef Storage store = t.store
    cdef int size = itemsize(t.dtype), d
    if t.device >= 0 or t.numel_ == 0:
        return None
    if ndarray is None:
        load_types()
    made = ndarray(tuple([t.sizes[d] for d in range(t.ndim)]), types[t.dtype], store, t.offset * size,
                   tuple([t.strides[d] * size for d in range(t.ndim)]))
    store.flags &= ~RESIZABLE
    return made


cdef int load_types() except -1:
    global ndarray
    import numpy
    types[:] = [numpy.dtype(name) for name in
                ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")]
    ndarray = numpy.ndarray
    return 0
