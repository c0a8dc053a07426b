"""Node: an applied row in the graph, with edges to what its inputs came from, and what its formulas need.

Ordinary backward calls formulas on raw Tensors; with create_graph the same formulas get Variables, so that
calling rows inside them records again. The walk over nodes is in backward.pyx.
"""
from cpython.object cimport PyObject

from .classes cimport become, keep_objects, new_object, vectorcall
from .copying cimport fill
from .row cimport (GRAD, GRAD_OR_NONE, GRADS, INPUT, MAXNAMES, OUTPUT, REST, REST_SIZES, SIZE, Formula, Op, row_named)
from .tensor cimport TensorBase
from .tensor import make_empty
from .variable cimport VariableBase, Version, holds_sparse, wrap

cdef tuple NO_ARGUMENTS = ()
cdef tuple FIRST = (0,)

NODES = "tensorlib.autograd.function"       # where the classes of nodes say they are, as in v0.2
cdef dict NAMED = {}                        # name -> {class of a node: the same class under that name}


cdef class Node:
    """An applied row: edges to what its inputs came from, and the values that its formulas name."""

    cdef int check_usable(self) except -1:
        if self.saved is None and self.op.n_kept:
            raise RuntimeError("Trying to backward through the graph a second time, but the buffers have already been "
                               "freed. Specify retain_graph=True when calling backward the first time.")
        return 0

    cdef int spell_out(self) except -1:
        """Take the form that v0.2 shows: before a row that turns its last argument itself, a node of t()."""
        cdef Node turn
        cdef Op op = self.op, t = row_named("t")
        cdef Py_ssize_t last = len(self.targets) - 1
        cdef int place
        if op is None or op.spelled is None:
            return 0
        if self.targets[last] is not None:
            turn = Node.__new__(Node)
            turn.shown_as = node_class(t, False)
            turn.op, turn.positions, turn.n_outputs = t, FIRST, 1
            turn.targets, turn.slots = self.targets[last:], None if self.slots is None else self.slots[last:]
            self.targets = self.targets[:last] + (turn,)
            self.slots = None if self.slots is None else self.slots[:last] + (0,)
        for place in range(op.n_kept):
            if op.kept[place] == (INPUT | (op.n_params - 1) << 3) and self.saved is not None:
                value = self.saved[3 * place]
                if value is not None:
                    self.saved = self.saved[:3 * place] + (t.kernel(value),) + self.saved[3 * place + 1:]
        self.op = op.spelled
        return 0

    cdef object gradient(self, Py_ssize_t e, object g, list grads, bint graph):
        """The gradient of edge e, given that of the only output, or those of all outputs as a list."""
        cdef Op op = self.op
        found = self.evaluate(<Formula>op.formulas[self.positions[e]], g, grads, graph)
        if op.sparse_kernel is not None and holds_sparse(found):
            found = to_dense(found)             # an operand that is dense has no sparse gradient
        if self.sizes is not None and found is not None:
            found = row_named("sum_to")(found, self.sizes[e])
        return found

    cdef list apply_to(self, list grads, bint graph):
        """Gradients for each edge (None where not wanted), given those of the outputs."""
        cdef list result = []
        cdef Py_ssize_t e, i
        self.check_usable()
        for i in range(len(grads)):
            if holds_sparse(grads[i]):
                grads[i] = to_dense(grads[i])   # formulas are written for dense gradients
        if self.op.joint is None:
            return [None if self.targets[e] is None else self.gradient(e, None, grads, graph)
                    for e in range(len(self.targets))]
        together = self.evaluate(self.op.joint, None, grads, graph)
        for e in range(len(self.targets)):
            place = self.edge_of_joint(e)
            wanted = self.targets[e] is not None and place < len(together)
            result.append(together[place] if wanted else None)
        return result

    cdef Py_ssize_t edge_of_joint(self, Py_ssize_t e):
        """Where in a joint formula's result the gradient of an edge stands.

        It gives one for each parameter (trailing ones may be missing); of a variadic row, one for each of the rest.
        """
        if self.op.variadic:
            return self.positions[e] - self.op.n_params + 1
        return self.positions[e]

    cdef object evaluate(self, Formula f, object g, list grads, bint graph):
        cdef PyObject* values[MAXNAMES]
        cdef list owned = None              # values made here: in graph mode, Variables
        cdef tuple _saved = self.saved      # so that it stays, if a walk inside the formula frees it
        cdef int i, k, kind
        if f.passes:
            return g if grads is None else grads[0]
        for i in range(f.n):
            kind, k = f.codes[i] & 7, f.codes[i] >> 3
            if f.places[i] < 0 and grads is None:
                values[i] = <PyObject*>g
            elif kind == GRAD or kind == GRAD_OR_NONE:
                if kind == GRAD:
                    fill_missing(self, grads, k, graph)
                values[i] = <PyObject*>grads[k]
            elif kind == GRADS:
                for k in range(self.n_outputs):
                    fill_missing(self, grads, k, graph)
                values[i] = <PyObject*>grads
            else:
                value = self.value(f.places[i], f.codes[i], graph)
                if graph:
                    if owned is None:
                        owned = []
                    owned.append(value)
                values[i] = <PyObject*>value
        return vectorcall(f.function, values, f.n, NULL)        # a Python function, which holds on to its arguments

    cdef object value(self, int place, int code, bint graph):
        """A saved value: raw, or as the Variable it was in graph mode. Checks its version."""
        cdef int kind = code & 7
        cdef Version version = <Version>self.saved[3 * place + 1]
        value = self.saved[3 * place]
        if version is not None and version.value != <int>self.saved[3 * place + 2]:
            raise RuntimeError("one of the variables needed for gradient computation has been modified by an inplace "
                               "operation: %s saved it at version %d, it is at version %d"
                               % (self.op.name, self.saved[3 * place + 2], version.value))
        if not graph or kind == SIZE or kind == REST_SIZES:
            return value
        if kind == REST:
            return [self.rewrapped(t, self.op.n_params - 1 + i, None) for i, t in enumerate(value)]
        if not isinstance(value, TensorBase):
            return value
        if kind == OUTPUT:
            return attached(<TensorBase>value, self, code >> 3, version)
        return self.rewrapped(value, code >> 3, version)

    cdef object rewrapped(self, TensorBase value, int position, Version version):
        """The Variable that stood at an argument position, with its history."""
        cdef Py_ssize_t e
        for e in range(len(self.positions)):
            if self.positions[e] == position and self.targets[e] is not None:
                if isinstance(self.targets[e], Node):
                    return attached(value, <Node>self.targets[e], slot_of(self, e), version)
                return self.targets[e]
        return wrap(value)

    cdef void release(self):
        """Free saved tensors; where only numbers and sizes were saved, backward may run again."""
        if self.saved is None:
            return
        for value in self.saved:
            if isinstance(value, TensorBase) or isinstance(value, list) and isinstance(value[0], TensorBase):
                self.saved = None
                return

    @property
    def next_functions(self):
        """Where the gradients go: a tuple of (function or None, output number)."""
        self.spell_out()
        return tuple([(AccumulateGrad(target), 0) if isinstance(target, VariableBase)
                      else (shown(target), slot_of(self, e)) for e, target in enumerate(self.targets or ())])

    def register_hook(self, hook):
        """Call hook(grad_inputs, grad_outputs) when gradients pass; returns a handle that removes it."""
        self.spell_out()
        return new_handle(self, "post_hooks", hook)

    def name(self):
        """The name of the class."""
        return type(self).__name__


cdef void release(PyObject* o) noexcept:
    """Empty a dead node: the next one takes its memory. What every new one sets stays as it is."""
    cdef Node node = <Node>o
    node.targets = None
    if node.saved is not None:
        node.saved = None
    if node.slots is not None:
        node.slots = None
    if node.sizes is not None:
        node.sizes = None
    if node.output_like is not None:
        node.output_like = None
    if node.pre_hooks is not None:
        node.pre_hooks = None
    if node.post_hooks is not None:
        node.post_hooks = None


keep_objects(Node, Node, release)


cdef object to_dense(object g):
    return row_named("to_dense")(g)


cdef VariableBase attached(TensorBase data, Node fn, int number, Version version):
    """A Variable on data that came out of fn."""
    cdef VariableBase v = wrap(data)
    v.fn, v.output_nr, v.requires_grad_ = fn, number, True
    if version is not None:
        v.version = version
        version.live += 1
    return v


cdef int fill_missing(Node node, list grads, int i, bint graph) except -1:
    """Zeros for an output, if no gradient came for it."""
    if grads[i] is not None or node.output_like is None or node.output_like[i] is None:
        return 0
    like = next(g for g in grads if g is not None)
    if graph:
        like = (<VariableBase>like).data_
    zeros = make_empty((<TensorBase>like).dtype, node.output_like[i], (<TensorBase>like).device)
    fill(zeros, 0)
    grads[i] = wrap(zeros) if graph else zeros
    return 0


cdef class FunctionNode(Node):
    """A node whose backward is written by the user; see autograd/function.py."""

    cdef list apply_to(self, list grads, bint graph):
        return list(self.run_user_backward(grads, graph))

    cdef void release(self):
        self.kept, self.freed = None, True

    def set_edges(self, inputs, int n_outputs):
        """Connect to the Variables among inputs, in order (None for anything else)."""
        cdef VariableBase v
        targets, slots = [], []
        for x in inputs:
            if isinstance(x, VariableBase) and (<VariableBase>x).requires_grad_:
                v = <VariableBase>x
                targets.append(v.fn if v.fn is not None else v)
                slots.append(v.output_nr)
            else:
                targets.append(None)
                slots.append(0)
        self.targets, self.slots, self.n_outputs = tuple(targets), tuple(slots), n_outputs

    def attach(self, VariableBase v not None, int number, bint requires_grad):
        """Make v the output `number` of this function."""
        v.fn, v.output_nr, v.requires_grad_ = self, number, requires_grad

    def rewrap(self, TensorBase data, Py_ssize_t edge):
        """A Variable on saved input data, with the history that input had."""
        target = self.targets[edge]
        if target is None:
            return wrap(data)
        if isinstance(target, Node):
            return attached(data, <Node>target, slot_of(self, edge), None)
        return target

    def rewrap_output(self, TensorBase data, int number):
        return attached(data, self, number, None)


class AccumulateGrad:
    """Stands for the end of the graph at a leaf."""

    def __init__(self, variable):
        self.variable = variable
        self.next_functions = ()

    def __eq__(self, other):
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self):
        return id(self.variable)

    def register_hook(self, hook):
        """Call hook((), (gradient,)) after a gradient was added to `.grad`; returns a handle that removes it."""
        return new_handle(self.variable, "_accumulated_hooks", hook)


# ---- their classes ------------------------------------------------------------------------------------

cdef object node_class(Op op, bint constant):
    """The class of the nodes of a row: what type(v.grad_fn) shows. `x + 2` is an AddConstant, `x + y` an Add."""
    if constant and op.constant:
        if op.constant_class is None:
            op.constant_class = node_type(op, op.node_name + "Constant")
        return op.constant_class
    if op.node_class is None:
        op.node_class = node_type(op, op.node_name)
    return op.node_class


cdef object node_type(row, name):
    """The class of the nodes of a row: what type(v.grad_fn) shows."""
    return type(name + "Backward", (Node,), {"__slots__": (), "__module__": NODES, "row": row})


cdef object show_node(VariableBase v):
    """What `grad_fn` shows."""
    if v.fn is None and v.creator is not None and not v.volatile_:
        v.fn = unrecorded(v.creator)
    return shown(v.fn)


cdef object shown(object target):
    """A node in the class that tells what made it, for Python to see; None and other classes as they are.

    Nodes are made as plain Nodes, which Python makes and frees several times as fast. The classes differ in names only.
    """
    if type(target) is Node:
        become(target, (<Node>target).shown_as)
    return target


cdef Node unrecorded(object cls):
    """What grad_fn shows of an operation that needed no recording."""
    cdef Node node = <Node>new_object(cls, NO_ARGUMENTS)
    cdef Op op = cls.row
    node.op = op
    node.positions, node.n_outputs = (), 1
    constant = op.constant_class is not None and issubclass(cls, op.constant_class)
    node.targets = (None,) if constant else tuple([None for f in op.formulas if f is not None])
    node.slots = (0,) * len(node.targets)
    return node


def name_node(value, str name):
    """Call what made a Variable, or a tuple of them, `name`Backward: as v0.2 called the node of a layer.

    A layer that is made of several rows shows the last of them under this name. Returns the value.
    """
    if isinstance(value, tuple):
        for one in <tuple>value:
            name_one(one, name)
    else:
        name_one(value, name)
    return value


cdef int name_one(VariableBase v, str name) except -1:
    cdef dict known = NAMED.get(name)
    made = v.creator if v.fn is None else (<Node>v.fn).shown_as if type(v.fn) is Node else type(v.fn)
    if made is None:
        return 0
    if known is None:
        known = NAMED[name] = {}
    cls = known.get(made)
    if cls is None:
        cls = known[made] = type(name + "Backward", (made,), {"__slots__": (), "__module__": NODES})
    if v.fn is None:
        v.creator = cls
    elif type(v.fn) is Node:
        (<Node>v.fn).shown_as = cls
    elif made is not cls and made.__name__ != cls.__name__:
        node = v.fn
        node.__class__ = cls
    return 0


cdef object new_handle = None       # makes utils.hooks.RemovableHandle; set by the Python layer


def set_handle_maker(function):
    global new_handle
    new_handle = function
