"""Op (a callable table row), Variables, and the graph that calling a row records. The walk back is in backward.pyx.

Ordinary backward calls formulas on raw Tensors; with create_graph the same formulas get Variables, so that
calling rows inside them records again. Kernels know none of this.
"""
cimport cython

from .classes cimport new_object
from .copying cimport fill
from .sparse cimport geometry
from .tensor cimport TensorBase, same_size, size_text, type_name
from .tensor import make_empty

cdef tuple NO_ARGUMENTS = ()
cdef object variable_class = None       # autograd.Variable, set by `set_variable_class`
cdef dict rows = {}                     # rows the engine itself calls: add, clone, sum_to, and the operators

cdef extern from *:
    """
    static __thread int tl_silent = 0;
    """
    int silent "tl_silent"              # set inside no_grad(); each thread has its own

REQUIRED = object()                     # default of a parameter that has none

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


cdef class Version:
    def __cinit__(self):
        self.live = 1


NODES = "tensorlib.autograd.function"       # where the classes of nodes say they are, as in v0.2
NAMED = {}                                  # (class of a node, name) -> the same class under that name


# ---- rows ---------------------------------------------------------------------------------------------

def node_type(row, name):
    """The class of the nodes of a row: what type(v.grad_fn) shows."""
    return type(name + "Backward", (Node,), {"__slots__": (), "__module__": NODES, "row": row})


cdef class Op:
    """One row of the table, callable on Tensors and on Variables."""

    def __init__(self, str name, str signature, params, defaults, kernel, grad, joint=None, view=False,
                 broadcast=False, variadic=False, inplace_kernel=None, node_name=None, constant=False, composite=None,
                 sparse=None, sparse_inplace=None):
        self.name, self.signature, self.kernel = name, signature, kernel
        self.params, self.defaults = tuple(params), tuple(defaults)
        self.view, self.broadcast, self.variadic = view, broadcast, variadic
        self.inplace_kernel, self.composite = inplace_kernel, composite
        self.sparse_kernel, self.sparse_inplace = sparse, sparse_inplace
        self.node_name = node_name or "".join([part.capitalize() for part in name.split("_")])
        unknown = set(grad) - set(self.params)
        if unknown:
            raise ValueError("%s: a formula for %s, which is no parameter" % (name, ", ".join(sorted(unknown))))
        self.formulas = tuple([self.named(grad[p]) if p in grad else None for p in self.params])
        self.joint = None if joint is None else self.named(joint)
        self.differentiable = bool(grad) or joint is not None or composite is not None
        every = [f for f in self.formulas + (self.joint,) if f is not None]
        self.saved = tuple(sorted({code for f in every for code in f[1]
                                   if code & 7 not in (GRAD, GRADS, GRAD_OR_NONE)}))
        self.users = tuple([0 if self.joint is not None and code in self.joint[1] else
                            sum([1 << i for i, f in enumerate(self.formulas) if f is not None and code in f[1]])
                            for code in self.saved])
        self.node_class = node_type(self, self.node_name)
        self.constant_class = node_type(self, self.node_name + "Constant") if constant else None

    cdef tuple named(self, f):
        """(f, codes of the values its parameter names ask for)."""
        codes = []
        names = f.__code__.co_varnames[:f.__code__.co_argcount]
        optional = names[len(names) - len(f.__defaults__ or ()):]
        for name in names:
            if name == "grads":
                codes.append(GRADS)
            elif name == "g" or name[0] == "g" and name[1:].isdigit():
                codes.append((GRAD_OR_NONE if name in optional else GRAD) | int(name[1:] or 0) << 3)
            elif name in self.params and not (self.variadic and name == self.params[-1]):
                codes.append(INPUT | self.params.index(name) << 3)
            elif self.variadic and name == self.params[-1]:
                codes.append(REST)
            elif self.variadic and name == self.params[-1] + "_size":
                codes.append(REST_SIZES)
            elif name.endswith("_size") and name[:-5] in self.params:
                codes.append(SIZE | self.params.index(name[:-5]) << 3)
            elif name == "out" or name.startswith("out") and name[3:].isdigit():
                codes.append(OUTPUT | int(name[3:] or 0) << 3)
            else:
                raise ValueError("%s: a formula names %r, which is no gradient, output or parameter"
                                 % (self.name, name))
        return f, tuple(codes)

    def __call__(self, *args, **kwargs):
        if kwargs or len(args) < len(self.params) and not self.variadic:
            args = self.complete(args, kwargs)
        return self.call(args)

    cdef object call(self, tuple args):
        cdef bint sparse = False
        for a in args:
            if isinstance(a, VariableBase):
                return record(self, args)
            sparse |= is_sparse(a)
        return self.kernel(*args) if not sparse else self.run_sparse(self.sparse_kernel, args)

    cdef object run(self, list raw):
        """Run the kernel on Tensors and numbers, dense or sparse."""
        for a in raw:
            if is_sparse(a):
                return self.run_sparse(self.sparse_kernel, raw)
        return self.kernel(*raw)

    cdef object run_inplace(self, list raw):
        for a in raw:
            if is_sparse(a):
                return self.run_sparse(self.sparse_inplace, raw)
        return self.inplace_kernel(*raw)

    def run_sparse(self, kernel, args):
        """Run what the row does to sparse tensors. TypeError where it does nothing."""
        if kernel is None:
            raise TypeError("%s() is not there for sparse tensors, but got (%s); to_dense() makes them dense"
                            % (self.name, ", ".join([type_name(<TensorBase>a) if isinstance(a, TensorBase)
                                                     else type(a).__name__ for a in args])))
        return kernel(*args)

    def complete(self, tuple args, dict kwargs):
        """Put keyword arguments and defaults in their places. TypeError where one is missing or unknown."""
        full = list(args) + [REQUIRED] * (len(self.params) - len(args))
        for key, value in kwargs.items():
            if key not in self.params:
                raise TypeError("%s() got an unexpected argument %r" % (self.signature, key))
            full[self.params.index(key)] = value
        for i, value in enumerate(full):
            if value is REQUIRED:
                if self.defaults[i] is REQUIRED:
                    raise TypeError("%s: argument %r is missing" % (self.signature, self.params[i]))
                full[i] = self.defaults[i]
        return tuple(full)

    def inplace(self, *args):
        """Run the row on its first argument in place, and record that."""
        if len(args) < len(self.params):
            args = self.complete(args, {})
        cdef bint sparse = False
        for a in args:
            if isinstance(a, VariableBase):
                return record_inplace(self, args)
            sparse |= is_sparse(a)
        return self.inplace_kernel(*args) if not sparse else self.run_sparse(self.sparse_inplace, args)

    def formula_of(self, str param):
        """The formula of a parameter, or None."""
        formula = self.formulas[self.params.index(param)] or self.joint
        return None if formula is None else formula[0]

    @property
    def is_differentiable(self):
        return self.differentiable

    def __repr__(self):
        return "<op %s>" % self.signature

    def __reduce__(self):
        return self.name


cdef inline bint is_sparse(object a):
    return isinstance(a, TensorBase) and (<TensorBase>a).sparse


cdef inline bint is_sparse_gradient(object g):
    """Whether a gradient is sparse: a Tensor, in a graph a Variable."""
    return is_sparse((<VariableBase>g).data_ if isinstance(g, VariableBase) else g)


# ---- recording ----------------------------------------------------------------------------------------

cdef VariableBase wrap(TensorBase data):
    cdef VariableBase v = <VariableBase>new_object(variable_class, NO_ARGUMENTS)
    v.data_ = data
    return v


cdef object record(Op op, tuple args):
    """Run op on the tensors inside args; remember it if a gradient may be asked for."""
    cdef VariableBase v, first = None
    cdef bint need = False, inert = False
    cdef list raw = list(args)
    cdef Py_ssize_t i
    for i in range(len(raw)):
        if isinstance(args[i], VariableBase):
            v = <VariableBase>args[i]
            raw[i] = v.data_
            need |= v.requires_grad_
            inert |= v.volatile_
            if first is None:
                first = v
    need = need and not inert and op.differentiable and not silent
    if need and op.composite is not None:
        return op.composite(*args)
    result = op.run(raw)
    cls = class_of(op, args)
    node = new_node(op, cls, args, raw, result) if need else None
    if isinstance(result, TensorBase):
        return output(op, cls, first, <TensorBase>result, node, 0, inert)
    if isinstance(result, tuple):
        return tuple([output(op, cls, first, <TensorBase>t, node, i, inert) if isinstance(t, TensorBase) else t
                      for i, t in enumerate(result)])
    return result


cdef VariableBase output(Op op, object cls, VariableBase first, TensorBase data, Node node, int number, bint inert):
    cdef VariableBase v = wrap(data)
    if inert:
        v.volatile_ = True
    elif node is not None:
        v.fn = node
        v.output_nr = number
        # Whole numbers beside floats are positions: they have no gradient.
        v.requires_grad_ = node.n_outputs == 1 or data.dtype > 4 or data.dtype == first.data_.dtype
        watch_output(node, v)
    else:
        v.creator = cls
    if op.view:
        if first.version is None:
            first.version = Version.__new__(Version)
        v.version = first.version
        v.version.live += 1
    return v


cdef int watch_output(Node node, VariableBase v) except -1:
    """Note the version of an output that its own node has saved."""
    cdef int i, code
    if node.saved is None:
        return 0
    for i, code in enumerate(node.op.saved):
        if code & 7 == OUTPUT and code >> 3 == v.output_nr:
            if v.version is None:
                v.version = Version.__new__(Version)
            node.versions[i] = (v.version, v.version.value)
    return 0


cdef Node new_node(Op op, object cls, tuple args, list raw, object result):
    """The node of an applied row: its edges, and the values that its formulas name."""
    cdef Node node
    cdef list positions = [], targets = [], slots = []
    cdef VariableBase v
    cdef Py_ssize_t i
    cdef unsigned long long want = 0        # bit i: the gradient of argument i is wanted
    cdef bint resized = False
    for i in range(len(args)):
        if isinstance(args[i], VariableBase) and (op.joint is not None or op.formulas[i] is not None):
            v = <VariableBase>args[i]
            positions.append(i)
            targets.append((v.fn if v.fn is not None else v) if v.requires_grad_ else None)
            slots.append(v.output_nr)
            if v.requires_grad_ and i < 64:
                want |= 1ULL << i
            if op.broadcast and v.requires_grad_ and not same_size(v.data_, <TensorBase>result):
                resized = True
    node = <Node>new_object(cls, NO_ARGUMENTS)
    node.op = op
    node.positions, node.targets, node.slots = tuple(positions), tuple(targets), tuple(slots)
    if resized:
        node.sizes = tuple([(<TensorBase>raw[i]).size() for i in positions])
    node.n_outputs = 1
    if isinstance(result, tuple):
        node.n_outputs = len(result)
        node.output_like = tuple([t.size() if isinstance(t, TensorBase) else None for t in result])
    if op.saved:
        keep(node, op, args, raw, result, want)
    return node


cdef inline object class_of(Op op, tuple args):
    """The class of the node: `x + 2` is an AddConstant, `x + y` an Add."""
    if op.constant_class is None or isinstance(args[0], VariableBase) and isinstance(args[1], VariableBase):
        return op.node_class
    return op.constant_class


cdef int keep(Node node, Op op, tuple args, list raw, object result, unsigned long long want) except -1:
    """Save what the formulas of the wanted gradients name, with the versions of Variables."""
    cdef int code, kind, i, place
    cdef unsigned long long users
    cdef VariableBase v
    node.saved, node.versions = [], []
    for place, code in enumerate(op.saved):
        kind, i = code & 7, code >> 3
        version = None
        users = op.users[place]
        if users and not users & want:
            value = None
        elif kind == INPUT:
            value = raw[i]
            if isinstance(args[i], VariableBase):
                v = <VariableBase>args[i]
                if v.version is None:
                    v.version = Version.__new__(Version)
                version = (v.version, v.version.value)
        elif kind == SIZE:
            value = (<TensorBase>raw[i]).size() if isinstance(raw[i], TensorBase) else None
        elif kind == OUTPUT:
            value = result[i] if isinstance(result, tuple) else result
        elif kind == REST:
            value = raw[len(op.params) - 1:]
        else:
            value = [t.size() for t in raw[len(op.params) - 1:]]
        node.saved.append(value)
        node.versions.append(version)
    return 0


cdef object record_inplace(Op op, tuple args):
    """Run op on args[0] in place, and make the result its new history."""
    cdef VariableBase target = check_inplace(args[0]), v
    cdef bint need = False, inert = False
    cdef list raw = list(args)
    cdef Py_ssize_t i
    cdef Node node = None
    cdef int code
    for i in range(len(raw)):
        if isinstance(args[i], VariableBase):
            v = <VariableBase>args[i]
            raw[i] = v.data_
            need |= v.requires_grad_
            inert |= v.volatile_
    need = need and not inert and op.differentiable and not silent
    if need:
        node = new_node(op, class_of(op, args), args, raw, target.data_)
    op.run_inplace(raw)
    if target.version is None:
        target.version = Version.__new__(Version)
    target.version.value += 1
    if silent:                      # inside no_grad() the values change, and nothing else
        return target
    if need and op.saved:
        for i, code in enumerate(op.saved):
            if code & 7 == OUTPUT:
                node.versions[i] = (target.version, target.version.value)
    target.fn, target.output_nr, target.creator = node, 0, class_of(op, args)
    target.requires_grad_, target.volatile_ = need, inert
    return target


cdef VariableBase check_inplace(object candidate):
    """Raise where a Variable must not be changed in place."""
    cdef VariableBase v
    if not isinstance(candidate, VariableBase):
        raise TypeError("an in-place operation on a %s with a Variable argument" % type(candidate).__name__)
    v = <VariableBase>candidate
    check_inplace_alone(v, 1)
    return v


# ---- nodes --------------------------------------------------------------------------------------------

cdef class Node:
    """An applied row: edges to what its inputs came from, and the values that its formulas name."""

    cdef list apply_to(self, list grads, bint graph):
        """Gradients for each edge (None where not wanted), given those of the outputs."""
        cdef Op op = self.op
        cdef list result = []
        cdef Py_ssize_t e, i
        if op.saved and self.saved is None:
            raise RuntimeError("Trying to backward through the graph a second time, but the buffers have already been "
                               "freed. Specify retain_graph=True when calling backward the first time.")
        for i in range(len(grads)):
            if is_sparse_gradient(grads[i]):
                grads[i] = (<Op>rows["to_dense"]).call((grads[i],))      # formulas are written for dense gradients
        if op.joint is not None:
            together = self.evaluate(op.joint, grads, graph)
            for e in range(len(self.positions)):
                place = self.edge_of_joint(e)
                wanted = self.targets[e] is not None and place < len(together)
                result.append(together[place] if wanted else None)
            return result
        for e in range(len(self.positions)):
            if self.targets[e] is None:
                result.append(None)
                continue
            g = self.evaluate(op.formulas[self.positions[e]], grads, graph)
            if op.sparse_kernel is not None and is_sparse_gradient(g):
                g = (<Op>rows["to_dense"]).call((g,))       # an operand that is dense has no sparse gradient
            if self.sizes is not None and g is not None:
                g = (<Op>rows["sum_to"])(g, self.sizes[e])
            result.append(g)
        return result

    cdef Py_ssize_t edge_of_joint(self, Py_ssize_t e):
        """Where in a joint formula's result the gradient of an edge stands.

        It gives one for each parameter (trailing ones may be missing); of a variadic row, one for each of the rest.
        """
        if self.op.variadic:
            return self.positions[e] - len(self.op.params) + 1
        return self.positions[e]

    cdef object evaluate(self, tuple formula, list grads, bint graph):
        cdef list values = []
        cdef int code, kind
        for code in formula[1]:
            kind = code & 7
            if kind == GRAD:
                fill_missing(self, grads, code >> 3, graph)
            if kind == GRAD or kind == GRAD_OR_NONE:
                values.append(grads[code >> 3])
            elif kind == GRADS:
                for i in range(self.n_outputs):
                    fill_missing(self, grads, i, graph)
                values.append(grads)
            else:
                values.append(self.value(self.op.saved.index(code), code, graph))
        return formula[0](*values)

    cdef object value(self, int place, int code, bint graph):
        """A saved value: raw, or as the Variable it was in graph mode. Checks its version."""
        cdef int kind = code & 7
        value = self.saved[place]
        version = self.versions[place]
        if version is not None and (<Version>version[0]).value != version[1]:
            raise RuntimeError("one of the variables needed for gradient computation has been modified by an inplace "
                               "operation: %s saved it at version %d, it is at version %d"
                               % (self.op.name, version[1], (<Version>version[0]).value))
        if not graph or kind == SIZE or kind == REST_SIZES:
            return value
        if kind == REST:
            return [self.rewrapped(t, len(self.op.params) - 1 + i, None) for i, t in enumerate(value)]
        if not isinstance(value, TensorBase):
            return value
        if kind == OUTPUT:
            return attached(<TensorBase>value, self, code >> 3, version)
        return self.rewrapped(value, code >> 3, version)

    cdef object rewrapped(self, TensorBase value, int position, version):
        """The Variable that stood at an argument position, with its history."""
        cdef Py_ssize_t e
        for e in range(len(self.positions)):
            if self.positions[e] == position and self.targets[e] is not None:
                if isinstance(self.targets[e], Node):
                    return attached(value, <Node>self.targets[e], self.slots[e], version)
                return self.targets[e]
        return wrap(value)

    cdef void release(self):
        """Free saved tensors; where only numbers and sizes were saved, backward may run again."""
        if self.saved is None:
            return
        for value in self.saved:
            if isinstance(value, TensorBase) or isinstance(value, list) and isinstance(value[0], TensorBase):
                self.saved = None
                self.versions = None
                return

    @property
    def next_functions(self):
        """Where the gradients go: a tuple of (function or None, output number)."""
        found = []
        for target, slot in zip(self.targets or (), self.slots or ()):
            if isinstance(target, VariableBase):
                found.append((AccumulateGrad(target), 0))
            else:
                found.append((target, slot))
        return tuple(found)

    def register_hook(self, hook):
        """Call hook(grad_inputs, grad_outputs) when gradients pass; returns a handle that removes it."""
        return handle_hook(self, "post_hooks", hook)

    def name(self):
        """The name of the class."""
        return type(self).__name__


cdef VariableBase attached(TensorBase data, Node fn, int number, version):
    """A Variable on data that came out of fn."""
    cdef VariableBase v = wrap(data)
    v.fn, v.output_nr, v.requires_grad_ = fn, number, True
    if version is not None:
        v.version = version[0]
        v.version.live += 1
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
            return attached(data, <Node>target, self.slots[edge], None)
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
        return handle_hook(self.variable, "_accumulated_hooks", hook)


# ---- variables ----------------------------------------------------------------------------------------

# Not cleared by the garbage collector: __dealloc__ needs the version. Cycles are broken at nodes and dicts.
@cython.no_gc_clear
cdef class VariableBase:
    """A tensor with a history. The Python class on top is autograd.Variable."""

    def __dealloc__(self):
        if self.version is not None:
            self.version.live -= 1

    # Operators stay in C: `a + b` costs no Python frame.
    def __add__(self, other):
        return operate("add", self, other)

    def __radd__(self, other):
        return operate("add", self, other)

    def __sub__(self, other):
        return operate("sub", self, other)

    def __rsub__(self, other):
        return operate("rsub", self, other)

    def __mul__(self, other):
        return operate("mul", self, other)

    def __rmul__(self, other):
        return operate("mul", self, other)

    def __truediv__(self, other):
        return operate("div", self, other)

    def __rtruediv__(self, other):
        return operate("rdiv", self, other)

    def __pow__(self, other, modulus):
        return operate("pow", self, other)

    def __rpow__(self, other, modulus):
        return operate("rpow", self, other)

    def __mod__(self, other):
        return operate("remainder", self, other)

    def __matmul__(self, other):
        return self.matmul(other)

    def __neg__(self):
        return (<Op>rows["neg"]).call((self,))

    def __iadd__(self, other):
        return self.add_(other)

    def __isub__(self, other):
        return self.sub_(other)

    def __imul__(self, other):
        return self.mul_(other)

    def __ipow__(self, other, modulus):
        raise NotImplementedError("in-place pow not implemented")

    def __richcmp__(self, other, int how):
        return operate(COMPARISONS[how], self, other)

    def __hash__(self):
        return <Py_ssize_t>(<void*>self) >> 4

    @property
    def data(self):
        return self.data_

    @data.setter
    def data(self, value):
        if not isinstance(value, TensorBase):
            raise RuntimeError("Variable data has to be a tensor, but got %s" % type(value).__name__)
        self.data_ = value

    @property
    def grad(self):
        return self.grad_

    @grad.setter
    def grad(self, value):
        set_grad(self, value)

    @grad.deleter
    def grad(self):
        self.grad_ = None

    @property
    def _grad(self):
        return self.grad_

    @_grad.setter
    def _grad(self, value):
        set_grad(self, value)

    @property
    def requires_grad(self):
        return self.requires_grad_

    @requires_grad.setter
    def requires_grad(self, value):
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if not leaf(self):
            raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a "
                               "computed variable in a subgraph that doesn't require differentiation use var_no_grad = "
                               "var.detach().")
        self.requires_grad_ = value

    @property
    def volatile(self):
        return self.volatile_

    @volatile.setter
    def volatile(self, value):
        if not isinstance(value, bool):
            raise RuntimeError("volatile must be a bool")
        if not leaf(self):
            raise RuntimeError("volatile can only be set on leaf variables")
        self.volatile_ = value

    @property
    def is_leaf(self):
        return leaf(self)

    @property
    def grad_fn(self):
        if self.fn is None and self.creator is not None and not self.volatile_:
            self.fn = unrecorded(self.creator)
        return self.fn

    @property
    def _grad_fn(self):
        return self.grad_fn

    @_grad_fn.setter
    def _grad_fn(self, value):
        if value is not None:
            raise RuntimeError("_grad_fn can be only set to None, but got %s" % type(value).__name__)
        self.fn, self.creator, self.output_nr = None, None, 0

    @property
    def _version(self):
        return 0 if self.version is None else self.version.value


cdef tuple COMPARISONS = ("lt", "le", "eq", "ne", "gt", "ge")


cdef inline bint leaf(VariableBase v):
    return v.fn is None and (v.creator is None or v.volatile_)


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
    cdef VariableBase v
    for v in value if isinstance(value, tuple) else (value,):
        made = v.creator if v.fn is None else type(v.fn)
        if made is None:
            continue
        cls = NAMED.get((made, name))
        if cls is None:
            cls = NAMED[made, name] = type(name + "Backward", (made,), {"__slots__": (), "__module__": NODES})
        if v.fn is None:
            v.creator = cls
        elif made is not cls and made.__name__ != cls.__name__:
            node = v.fn
            node.__class__ = cls
    return value


cdef object operate(str name, VariableBase v, object other):
    if isinstance(other, TensorBase):
        raise AssertionError("%s: expected a Variable or a number, but got %s: wrap it in a Variable"
                             % (name, type_name(<TensorBase>other)))
    if not isinstance(other, (VariableBase, int, float)):
        if getattr(other, "ndim", None) == 0 and hasattr(other, "item"):        # a scalar of NumPy
            return operate(name, v, other.item())
        if name in COMPARISONS:
            raise TypeError("%s: expected a Variable or a number, but got %s" % (name, type(other).__name__))
        return NotImplemented
    return (<Op>rows[name]).call((v, other))


cdef int set_grad(VariableBase v, object value) except -1:
    if value is None:
        v.grad_ = None
        return 0
    if not isinstance(value, VariableBase):
        raise RuntimeError("expected a Variable or None (got %s)" % type(value).__name__)
    if value is v:
        raise RuntimeError("can't assign Variable as its own grad")
    check_gradient(v, <VariableBase>value)
    v.grad_ = <VariableBase>value
    return 0


cdef int check_gradient(VariableBase v, VariableBase g) except -1:
    if v.data_ is None or g.data_ is None:
        raise RuntimeError("a Variable has no data: its constructor was not called")
    if g.data_.dtype != v.data_.dtype or g.data_.device != v.data_.device:
        raise RuntimeError("assigned grad has data of a different type: expected %s, but got %s"
                           % (type_name(v.data_), type_name(g.data_)))
    if not same_size(geometry(g.data_), geometry(v.data_)):
        raise RuntimeError("assigned grad has data of a different size: expected %s, but got %s"
                           % (size_text(geometry(v.data_)), size_text(geometry(g.data_))))
    return 0


def handle_hook(owner, str attribute, hook):
    """Register hook in an ordered dict attribute of owner; the handle removes it again."""
    return new_handle(owner, attribute, hook)


cdef object new_handle = None       # makes utils.hooks.RemovableHandle; set by the Python layer


# ---- for the Python layer -----------------------------------------------------------------------------

def set_variable_class(cls):
    global variable_class
    variable_class = cls


def set_handle_maker(function):
    global new_handle
    new_handle = function


cdef Op engine_row(str name):
    return <Op>rows[name]


def set_row(str name, Op row):
    """Tell the engine a row that it calls by itself."""
    rows[name] = row


def set_recording(bint on):
    """Turn recording on or off for this thread; returns what it was."""
    global silent
    before, silent = not silent, not on
    return before


def is_recording():
    return not silent


def init_variable(VariableBase v not None, TensorBase data, bint requires_grad, bint volatile):
    v.data_, v.requires_grad_, v.volatile_ = data, requires_grad, volatile


def wrap_output(TensorBase data not None, bint volatile=False):
    """A Variable on data, with no history."""
    cdef VariableBase v = wrap(data)
    v.volatile_ = volatile
    return v


def share_version(VariableBase a not None, VariableBase b not None):
    """Let b count in-place changes together with a: they are on one storage."""
    if a.version is None:
        a.version = Version.__new__(Version)
    if b.version is not None:
        b.version.live -= 1
    b.version = a.version
    b.version.live += 1


def bump_version(VariableBase v not None):
    """Note an in-place change."""
    if v.version is None:
        v.version = Version.__new__(Version)
    v.version.value += 1


def version_of(VariableBase v not None):
    """The Version object of a Variable."""
    if v.version is None:
        v.version = Version.__new__(Version)
    return v.version


def assert_inplace(v):
    """Raise where v must not be changed in place."""
    check_inplace(v)


def cut(VariableBase v not None):
    """Make v a leaf without history."""
    v.fn, v.creator, v.requires_grad_, v.output_nr = None, None, False, 0


def set_volatile(VariableBase v not None, bint volatile):
    v.volatile_ = volatile
    if volatile:
        v.fn, v.creator, v.requires_grad_ = None, None, False


def node_of(VariableBase v not None):
    """The recorded node, or None."""
    return v.fn


def adopt(VariableBase v not None, VariableBase other not None):
    """Let v take over data and history of other, which is a view of it."""
    check_inplace_alone(v, 2)
    bump_version(v)
    v.data_, v.fn, v.output_nr, v.creator = other.data_, other.fn, other.output_nr, other.creator
    v.requires_grad_, v.volatile_ = other.requires_grad_, other.volatile_


cdef int check_inplace_alone(VariableBase v, int live) except -1:
    if silent:
        return 0
    if v.requires_grad_ and v.fn is None:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if v.version is not None and v.version.live > live:
        raise RuntimeError("in-place operations can be only used on variables that don't share storage with any "
                           "other variables, but detected that there are %d objects sharing it"
                           % (v.version.live - live + 1))
    return 0
