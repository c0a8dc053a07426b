"""Sequences joined: cat and stack as functions of a sequence, whose items become the arguments of the row cat."""
from cpython.object cimport PyObject

from .classes cimport new_tuple, put, tuple_items
from .row cimport Op, row_named
from .variable cimport VariableBase


cdef object join(object dim, tuple items):
    """cat(dim, *items)"""
    cdef tuple args = new_tuple(len(items) + 1)
    cdef Py_ssize_t i
    put(args, 0, <PyObject*>dim)
    for i in range(len(items)):
        put(args, i + 1, tuple_items(items)[i])
    return row_named("cat").call(tuple_items(args), len(args))


def cat(sequence, dim=0):
    """Join a sequence along a dim."""
    cdef tuple items = tuple(sequence)
    if not items:
        raise RuntimeError("cat: seq can't be empty: there is no tensor in it")
    first = items[0]
    if isinstance(first, VariableBase) and dim >= first.dim() and dim >= max([x.dim() for x in items]):
        raise RuntimeError("cat: dimension %d out of range of %dD Variables" % (dim, first.dim()))
    return join(dim, items)


def stack(sequence, dim=0):
    """Join along a new dim."""
    cdef tuple items = tuple(sequence), raised
    cdef Op unsqueeze = row_named("unsqueeze")
    cdef PyObject* args[2]
    cdef Py_ssize_t i
    if not items:
        raise ValueError("stack expects a non-empty sequence of tensors")
    if dim < 0:
        dim += items[0].dim() + 1
    raised = new_tuple(len(items))
    args[1] = <PyObject*>dim
    for i in range(len(items)):
        args[0] = tuple_items(items)[i]
        one = unsqueeze.call(args, 2)
        put(raised, i, <PyObject*>one)
    return join(dim, raised)
