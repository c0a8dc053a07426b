# Op: one row of the table, and Formula: a derivative.
from cpython.object cimport PyObject

cdef enum:
    MAXNAMES = 32                   # values that a formula may name, and a node may keep

# What a formula names: kind in the low bits, position above.
cdef enum Kind:
    GRAD = 0
    INPUT = 1
    SIZE = 2
    OUTPUT = 3
    REST = 4            # all tensors of a variadic row, as a list
    REST_SIZES = 5
    GRADS = 6           # the gradients of all outputs, as a list
    GRAD_OR_NONE = 7    # a gradient that may be missing: a parameter g1=None

cdef class Formula:                 # a derivative, and the values that its parameter names ask for
    cdef readonly object function
    cdef int n
    cdef int codes[MAXNAMES]        # kind and position of each
    cdef int places[MAXNAMES]       # among the values that a node keeps; -1 for gradients
    cdef bint passes                # lambda g: g

cdef class Op:
    cdef readonly str name, signature, node_name
    cdef readonly tuple params      # canonical parameter names, self first
    cdef readonly tuple defaults    # one for each parameter; REQUIRED where there is none
    cdef readonly object kernel, inplace_kernel
    cdef readonly object composite  # the same made of rows, called where it is to be recorded: instead of formulas
    cdef readonly object sparse_kernel, sparse_inplace      # the same where some operand is sparse, or None
    cdef readonly bint view, broadcast, variadic
    cdef tuple formulas             # for each parameter a Formula, or None
    cdef Formula joint              # one that gives all gradients at once
    cdef tuple positions            # of the parameters that have a formula
    cdef int n_params, n_kept
    cdef int kept[MAXNAMES]         # codes of what a node keeps
    cdef unsigned long long users[MAXNAMES]     # of each, as bits, the parameters whose formulas name it; 0: joint
    cdef bint keeps_output
    cdef bint spares_output         # the output may be changed in place: a node that kept it takes a copy first
    cdef void* vectorcall
    cdef bint differentiable
    cdef bint constant              # x + 2 has a node of another name than x + y
    cdef Op spelled                 # what a node of the row becomes where its edges are looked at, or None
    cdef object node_class, constant_class      # of its nodes; None until there is one
    cdef public object row          # the Python side: ref, samples, doc, ...
    cdef Formula formula(self, function)
    cdef object call(self, PyObject** args, Py_ssize_t n)
    cdef object call_inplace(self, PyObject** args, Py_ssize_t n)
    cdef object run(self, PyObject** raw, Py_ssize_t n, bint sparse)
    cdef object run_inplace(self, PyObject** raw, Py_ssize_t n, bint sparse)

cdef Op row_named(str name)         # a row that the layers above call by themselves
cdef void name_row(str name, Op row)

ctypedef object (*recorder)(Op op, PyObject** args, Py_ssize_t n)
cdef void set_recorders(recorder call, recorder inplace) noexcept
