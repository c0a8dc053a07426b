"""Tensors from nested Python sequences, and lists from tensors."""
from cpython.object cimport PyObject

from .classes cimport new_list, new_tuple, put, put_new
from .numbers cimport store_number
from .storage cimport itemsize
from .tensor cimport TensorBase, item
from .types cimport F16, F32


def repeated(x, int n):
    """A number as a tuple of n of it, as options of layers have one for each spatial dim; a sequence as a tuple."""
    cdef tuple made
    cdef int i
    if isinstance(x, tuple):
        return x
    if type(x) is not int and hasattr(x, "__iter__"):
        return tuple(x)
    made = new_tuple(n)
    for i in range(n):
        put(made, i, <PyObject*>x)
    return made


def to_list(TensorBase t not None):
    """Return a nested list of Python numbers."""
    return list_of(t, 0, t.offset) if t.ndim > 0 else []


cdef list list_of(TensorBase t, int dim, Py_ssize_t offset):
    cdef list made = new_list(t.sizes[dim])
    cdef Py_ssize_t i
    for i in range(t.sizes[dim]):
        if dim < t.ndim - 1:
            put_new(made, i, list_of(t, dim + 1, offset + i * t.strides[dim]))
        elif t.dtype == F32:
            put_new(made, i, (<float*>t.store.data)[offset + i * t.strides[dim]])
        else:
            put_new(made, i, item(t, offset + i * t.strides[dim]))
    return made


def fill_from_sequence(TensorBase t not None, sequence):
    """Write the numbers of a nested sequence of t's sizes into dense t.

    Raises: RuntimeError where a number does not fit the type or the nesting is not rectangular.
    """
    cdef Py_ssize_t position = t.offset
    write_sequence(t, sequence, 0, &position)


cdef int write_sequence(TensorBase t, object sequence, int dim, Py_ssize_t* position) except -1:
    cdef int size = itemsize(t.dtype)
    cdef Py_ssize_t left = t.sizes[dim]
    if len(sequence) != t.sizes[dim]:
        raise RuntimeError("inconsistent sequence length at dim %d: expected %d items, but got %d"
                           % (dim, t.sizes[dim], len(sequence)))
    for value in sequence:
        left -= 1
        if left < 0:                # a sequence that gives more than its length says
            raise RuntimeError("a sequence of length %d at dim %d gave more items" % (t.sizes[dim], dim))
        if isinstance(value, TensorBase):
            raise TypeError("a tensor cannot be made of a sequence of tensors: use stack or cat")
        if dim + 1 < t.ndim:
            if not hasattr(value, "__len__"):
                raise RuntimeError("expected a nested sequence at dim %d, but found an item of type %s"
                                   % (dim + 1, type(value).__name__))
            write_sequence(t, value, dim + 1, position)
            continue
        if not isinstance(value, (int, float) if t.dtype >= F16 else int):
            raise RuntimeError("tried to construct a tensor from a %s%s sequence, but found an item of type %s"
                               % ("nested " if t.ndim > 1 else "", "float" if t.dtype >= F16 else "int",
                                  ("numpy." if type(value).__module__ == "numpy" else "") + type(value).__name__))
        store_number(t.store.data + position[0] * size, t.dtype, value)
        position[0] += 1
    return 0
