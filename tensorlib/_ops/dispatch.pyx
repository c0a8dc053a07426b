# cython: language_level=3
"""The kernel table: (name, element type) -> function pointer of the chosen ISA level.

Kernel files (`kernels/*.pyx`) hold loops only and are compiled once for each level; the copy for this
machine is imported and fills the table. Drivers fetch pointers from it. Nothing here knows tensors.
"""
from .parallel cimport max_threads, set_threads
from .types cimport NDTYPE

DTYPE_NAMES = ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double")

cdef dict kernels = {}          # name -> list of NDTYPE addresses (0 where there is no kernel)


cdef void put(str name, int dtype, void* kernel) except *:
    if name not in kernels:
        kernels[name] = [0] * NDTYPE
    kernels[name][dtype] = <size_t>kernel


cdef void* find(str name, int dtype) noexcept:
    row = kernels.get(name)
    return NULL if row is None else <void*><size_t>row[dtype]


cdef void* get(str name, int dtype) except NULL:
    cdef void* kernel = find(name, dtype)
    if kernel == NULL:
        raise NotImplementedError("%s is not implemented for type tensorlib.%sTensor"
                                  % (name, DTYPE_NAMES[dtype]))
    return kernel


def has_kernel(str name, int dtype):
    """Tell whether a kernel is registered."""
    return find(name, dtype) != NULL


def kernel_names():
    """Names of all registered kernels."""
    return sorted(kernels)


def get_num_threads():
    """Return how many threads a kernel uses at most."""
    return max_threads()


def set_num_threads(n):
    """Set how many threads a kernel uses at most.

    Raises: RuntimeError where n is less than 1, TypeError where it is no int.
    """
    if not hasattr(n, "__index__"):
        raise TypeError("set_num_threads expects an int, but got %s" % type(n).__name__)
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer, but got %d" % n)
    set_threads(n)
