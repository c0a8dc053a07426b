# VariableBase: a tensor, its gradient and its history.
from cpython.object cimport PyObject

from .tensor cimport GE, TensorBase, is_sparse

cdef class Version:                 # counts in-place changes; shared by the Variables on one storage
    cdef public int value
    cdef public int live            # Variables that share it

cdef class VariableBase:
    cdef TensorBase data_
    cdef VariableBase grad_
    cdef object fn                  # the Node that it came out of, or None
    cdef object creator             # what made it where nothing is recorded: a class of nodes
    cdef Version version
    cdef public object _backward_hooks
    cdef public object _accumulated_hooks       # called when .grad of a leaf has changed
    cdef readonly int output_nr
    cdef bint requires_grad_, volatile_
    cdef object __weakref__

cdef enum:
    RPOW = GE + 1               # the operator that tensors have not
    NONE = RPOW + 1

cdef VariableBase wrap(TensorBase data)
cdef object variable_class          # autograd.Variable

# Hooks: an operator; a row by its name; `grad_fn`.
ctypedef object (*operate_fn)(int code, int reflected, object a, object b)
ctypedef object (*call_fn)(str name, PyObject** args, Py_ssize_t n)
ctypedef object (*show_fn)(VariableBase v)
cdef void set_hooks(operate_fn operator, call_fn call, show_fn show) noexcept


cdef inline bint is_variable(object x):
    """isinstance, which finds the usual class at once."""
    return type(x) is variable_class or isinstance(x, VariableBase)


cdef inline bint holds_sparse(object x):
    """Whether x is a sparse tensor, or a Variable on one."""
    return is_sparse((<VariableBase>x).data_ if isinstance(x, VariableBase) else x)


cdef inline Version version_of(VariableBase v):
    """What counts the in-place changes of a Variable."""
    if v.version is None:
        v.version = Version.__new__(Version)
    return v.version


cdef inline void note_change(VariableBase v):
    cdef Version version = version_of(v)
    version.value += 1
