# Node: an applied row in the graph.
from .row cimport Formula, Op
from .tensor cimport TensorBase
from .variable cimport VariableBase, Version

cdef class Node:
    cdef readonly Op op
    cdef object shown_as            # the class that it takes when somebody looks at it; see `shown`
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

cdef class FunctionNode(Node):      # a node whose backward is written by the user
    cdef public bint stochastic     # walked from even without a gradient: a reward takes its place
    cdef public tuple kept          # what forward saved, for backward
    cdef public bint freed          # backward has run, and let go of it

cdef object node_class(Op op, bint constant)
cdef object shown(object target)
cdef object show_node(VariableBase v)
cdef object to_dense(object g)


cdef inline int slot_of(Node node, Py_ssize_t e) except -1:
    """Which output of its target edge e comes from."""
    return 0 if node.slots is None else node.slots[e]
