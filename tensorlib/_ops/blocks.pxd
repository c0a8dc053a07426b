# Argument blocks: what a GPU kernel over strided operands is told, as bytes.
from .driver cimport Job

cdef list blocks(Job* job, unsigned immediate)
