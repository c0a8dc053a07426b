# Op, VariableBase and Node: a table row, a recorded value, and an applied row.
from .tensor cimport TensorBase

cdef class Version:                 # counts in-place changes; shared by the Variables on one storage
    cdef public int value
    cdef public int live            # Variables that share it

cdef class Op:
    cdef readonly str name, signature, node_name
    cdef readonly tuple params      # canonical parameter names, self first
    cdef readonly tuple defaults    # one for each parameter; REQUIRED where there is none
    cdef readonly object kernel, inplace_kernel
    cdef readonly object composite  # the same made of rows, called where it is to be recorded: instead of formulas
    cdef readonly object sparse_kernel, sparse_inplace      # the same where some operand is sparse, or None
    cdef readonly bint view, broadcast, variadic
    cdef tuple formulas             # for each parameter (function, codes of what it names), or None
    cdef tuple joint                # the same, for a formula that gives all gradients at once
    cdef tuple saved                # codes of what a node keeps
    cdef tuple users                # for each of them, as bits, the parameters whose formulas name it; 0: the joint one
    cdef bint differentiable
    cdef object node_class, constant_class      # of x + y, and of x + 2 where that has a name of its own
    cdef public object row          # the Python side: ref, samples, doc, ...
    cdef tuple named(self, f)
    cdef object call(self, tuple args)
    cdef object run(self, list raw)
    cdef object run_inplace(self, list raw)

cdef class Node:
    cdef readonly Op op
    cdef tuple positions            # argument position of each edge
    cdef tuple targets              # Node, leaf Variable or None, for each edge
    cdef tuple slots                # which output of the target each edge comes from
    cdef tuple sizes                # input sizes where broadcasting changed them, else None
    cdef list saved                 # aligned with op.saved; None once freed
    cdef list versions              # (Version, value) or None, aligned with saved
    cdef readonly int n_outputs
    cdef object output_like         # sizes of the outputs of a node with several
    cdef public object pre_hooks, post_hooks
    cdef list apply_to(self, list grads, bint graph)
    cdef Py_ssize_t edge_of_joint(self, Py_ssize_t e)
    cdef object evaluate(self, tuple formula, list grads, bint graph)
    cdef object value(self, int place, int code, bint graph)
    cdef object rewrapped(self, TensorBase value, int position, version)
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
cdef Op engine_row(str name)        # a row that the engine calls by itself

cdef class FunctionNode(Node):      # a node whose backward is written by the user
    cdef public bint stochastic     # walked from even without a gradient: a reward takes its place
    cdef public tuple kept          # what forward saved, for backward
    cdef public bint freed          # backward has run, and let go of it
