# Op, VariableBase and Node: a table row, a recorded value, and an applied row.
from cpython.object cimport PyObject

from .tensor cimport TensorBase

cdef class Version:                 # counts in-place changes; shared by the Variables on one storage
    cdef public int value
    cdef public int live            # Variables that share it

cdef enum:
    MAXNAMES = 32                   # values that a formula may name, and a node may keep

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
    cdef void* vectorcall
    cdef bint differentiable
    cdef Op spelled                 # what a node of the row becomes where its edges are looked at, or None
    cdef object node_class, constant_class      # of x + y, and of x + 2 where that has a name of its own
    cdef public object row          # the Python side: ref, samples, doc, ...
    cdef Formula formula(self, function)
    cdef object call(self, PyObject** args, Py_ssize_t n)
    cdef object run(self, tuple raw, bint sparse)
    cdef object run_inplace(self, tuple raw, bint sparse)

cdef class Node:
    cdef readonly Op op
    cdef tuple positions            # argument position of each edge
    cdef tuple targets              # Node, leaf Variable or None, for each edge
    cdef tuple slots                # which output of the target each edge comes from; None where all are the first
    cdef tuple sizes                # input sizes where broadcasting changed them, else None
    cdef tuple saved                # for each of op.kept the value, its Version or None, the version; None once freed
    cdef readonly int n_outputs
    cdef object output_like         # sizes of the outputs of a node with several
    cdef public object pre_hooks, post_hooks
    cdef int check_usable(self) except -1
    cdef int spell_out(self) except -1
    cdef object gradient(self, Py_ssize_t e, object g, list grads, bint graph)
    cdef list apply_to(self, list grads, bint graph)
    cdef Py_ssize_t edge_of_joint(self, Py_ssize_t e)
    cdef object evaluate(self, Formula formula, object g, list grads, bint graph)
    cdef object value(self, int place, int code, bint graph)
    cdef object rewrapped(self, TensorBase value, int position, Version version)
    cdef void release(self)

cdef class VariableBase:
    cdef TensorBase data_
    cdef VariableBase grad_
    cdef Node fn
    cdef object creator             # what made it where nothing is recorded: a class of nodes
    cdef Version version
    cdef public object _backward_hooks
    cdef public object _accumulated_hooks       # called when .grad of a leaf has changed
    cdef readonly int output_nr
    cdef bint requires_grad_, volatile_
    cdef object __weakref__

cdef VariableBase wrap(TensorBase data)
cdef bint is_sparse_gradient(object g)
cdef object to_dense(object g)
cdef int slot_of(Node node, Py_ssize_t e) except -1          # which output of its target edge e comes from
cdef Op engine_row(str name)        # a row that the engine calls by itself

cdef class FunctionNode(Node):      # a node whose backward is written by the user
    cdef public bint stochastic     # walked from even without a gradient: a reward takes its place
    cdef public tuple kept          # what forward saved, for backward
    cdef public bint freed          # backward has run, and let go of it
