"""Op (a callable table row), Variables, and the graph that calling a row records. The walk back is in backward.pyx.

Ordinary backward calls formulas on raw Tensors; with create_graph the same formulas get Variables, so that
calling rows inside them records again. Kernels know none of this.
"""
cimport cython
from cpython.object cimport PyObject

from .classes cimport (call_through, count_of, dict_of, new_object, new_tuple, put, set_class_attribute, slot_of_number,
                       tuple_items, tuple_of, vectorcall)
from .copying cimport fill
from .shape cimport plain_key
from .sparse cimport geometry
from .tensor cimport (ADD, DIV, EQ, GE, GT, LE, LT, MOD, MUL, NE, POW, RDIV, RSUB, SUB, TensorBase, hooks, same_size,
                      size_text, type_name)
from .tensor import make_empty

cdef tuple NO_ARGUMENTS = ()
cdef object variable_class = None       # autograd.Variable, set by `set_variable_class`
cdef dict rows = {}                     # rows the engine itself calls: add, clone, sum_to, and the operators
cdef tuple FIRST = (0,)

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


@cython.freelist(64)
cdef class Version:
    def __cinit__(self):
        self.live = 1


NODES = "tensorlib.autograd.function"       # where the classes of nodes say they are, as in v0.2
NAMED = {}                                  # (class of a node, name) -> the same class under that name


# ---- rows ---------------------------------------------------------------------------------------------

def node_type(row, name):
    """The class of the nodes of a row: what type(v.grad_fn) shows."""
    return type(name + "Backward", (Node,), {"__slots__": (), "__module__": NODES, "row": row})


PASSES = eval("lambda g: g").__code__.co_code


cdef class Formula:
    def __init__(self, function):
        self.function = function


cdef class Op:
    """One row of the table, callable on Tensors and on Variables."""

    def __cinit__(self):
        self.vectorcall = <void*>call_op

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
        self.n_params = len(self.params)
        self.formulas = tuple([self.formula(grad[p]) if p in grad else None for p in self.params])
        self.positions = tuple([i for i, f in enumerate(self.formulas) if f is not None])
        self.joint = None if joint is None else self.formula(joint)
        self.differentiable = bool(grad) or joint is not None or composite is not None
        self.plan_what_is_kept()
        self.node_class = node_type(self, self.node_name)
        self.constant_class = node_type(self, self.node_name + "Constant") if constant else None

    cdef Formula formula(self, function):
        """A formula, with the codes of the values that its parameter names ask for."""
        cdef Formula f = Formula(function)
        names = function.__code__.co_varnames[:function.__code__.co_argcount]
        optional = names[len(names) - len(function.__defaults__ or ()):]
        if len(names) > MAXNAMES:
            raise ValueError("%s: a formula names more than %d values" % (self.name, MAXNAMES))
        for name in names:
            if name == "grads":
                code = GRADS
            elif name == "g" or name[0] == "g" and name[1:].isdigit():
                code = (GRAD_OR_NONE if name in optional else GRAD) | int(name[1:] or 0) << 3
            elif name in self.params and not (self.variadic and name == self.params[-1]):
                code = INPUT | self.params.index(name) << 3
            elif self.variadic and name == self.params[-1]:
                code = REST
            elif self.variadic and name == self.params[-1] + "_size":
                code = REST_SIZES
            elif name.endswith("_size") and name[:-5] in self.params:
                code = SIZE | self.params.index(name[:-5]) << 3
            elif name == "out" or name.startswith("out") and name[3:].isdigit():
                code = OUTPUT | int(name[3:] or 0) << 3
            else:
                raise ValueError("%s: a formula names %r, which is no gradient, output or parameter"
                                 % (self.name, name))
            f.codes[f.n] = code
            f.n += 1
        f.passes = function.__code__.co_code == PASSES and names == ("g",)
        return f

    def plan_what_is_kept(self):
        """Give each value that some formula names its place in what a node keeps."""
        cdef Formula f
        cdef int i, k, place
        cdef dict users = {}                # code -> bits of the formulas that name it, 0 for the joint one
        for k, f in enumerate(self.formulas + (self.joint,)):
            for i in range(f.n if f is not None else 0):
                if f is self.joint:
                    users[f.codes[i]] = 0
                elif f.codes[i] & 7 not in (GRAD, GRADS, GRAD_OR_NONE):
                    users[f.codes[i]] = users.get(f.codes[i], 0) | <unsigned long long>1 << k
        codes = sorted([code for code in users if code & 7 not in (GRAD, GRADS, GRAD_OR_NONE)])
        if len(codes) > MAXNAMES:
            raise ValueError("%s: formulas name more than %d values" % (self.name, MAXNAMES))
        self.n_kept = len(codes)
        for place, code in enumerate(codes):
            self.kept[place], self.users[place] = code, users[code]
            self.keeps_output = self.keeps_output or code & 7 == OUTPUT
        for f in self.formulas + (self.joint,):
            for i in range(f.n if f is not None else 0):
                f.places[i] = codes.index(f.codes[i]) if f.codes[i] in codes else -1

    cdef object call(self, PyObject** args, Py_ssize_t n):
        """Run the row on all its arguments."""
        cdef bint sparse = False
        cdef Py_ssize_t i
        for i in range(n):
            if isinstance(<object>args[i], VariableBase):
                return record(self, args, n)
            sparse |= is_sparse(<object>args[i])
        if sparse:
            return self.run_sparse(self.sparse_kernel, tuple_of(args, n))
        return vectorcall(self.kernel, args, n, NULL)

    cdef object run(self, tuple raw, bint sparse):
        """Run the kernel on Tensors and numbers, dense or sparse."""
        if sparse:
            return self.run_sparse(self.sparse_kernel, raw)
        return vectorcall(self.kernel, tuple_items(raw), len(raw), NULL)

    cdef object run_inplace(self, tuple raw, bint sparse):
        if sparse:
            return self.run_sparse(self.sparse_inplace, raw)
        return vectorcall(self.inplace_kernel, tuple_items(raw), len(raw), NULL)

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
        cdef bint sparse = False
        if len(args) < self.n_params:
            args = self.complete(args, {})
        for a in args:
            if isinstance(a, VariableBase):
                return record_inplace(self, tuple_items(args), len(args))
            sparse |= is_sparse(a)
        return self.run_inplace(args, sparse)

    def formula_of(self, str param):
        """The formula of a parameter, or None."""
        cdef Formula f = self.formulas[self.params.index(param)] or self.joint
        return None if f is None else f.function

    @property
    def is_differentiable(self):
        return self.differentiable

    def __repr__(self):
        return "<op %s>" % self.signature

    def __reduce__(self):
        return self.name


cdef Op _any = Op.__new__(Op)
call_through(Op, <char*>&_any.vectorcall - <char*><void*>_any)


cdef object call_op(object row, PyObject** args, size_t n, PyObject* names):
    """row(...): the arguments are all there as a rule."""
    cdef Op op = <Op>row
    cdef Py_ssize_t given = count_of(n)
    cdef tuple full
    if names != NULL or given < op.n_params and not op.variadic:
        full = op.complete(tuple_of(args, given), dict_of(names, args + given))
        return op.call(tuple_items(full), len(full))
    return op.call(args, given)


cdef inline bint is_sparse(object a):
    return isinstance(a, TensorBase) and (<TensorBase>a).sparse


cdef bint is_sparse_gradient(object g):
    """Whether a gradient is sparse: a Tensor, in a graph a Variable."""
    return is_sparse((<VariableBase>g).data_ if isinstance(g, VariableBase) else g)


# ---- recording ----------------------------------------------------------------------------------------

cdef VariableBase wrap(TensorBase data):
    cdef VariableBase v = <VariableBase>new_object(variable_class, NO_ARGUMENTS)
    v.data_ = data
    return v


cdef object record(Op op, PyObject** args, Py_ssize_t n):
    """Run op on the tensors inside args; remember it if a gradient may be asked for."""
    cdef VariableBase v, first = None
    cdef Node node = None
    cdef bint need = False, inert = False, sparse = False
    cdef tuple raw = new_tuple(n)
    cdef PyObject* x
    cdef Py_ssize_t i
    for i in range(n):
        x = args[i]
        if isinstance(<object>x, VariableBase):
            v = <VariableBase>x
            x = <PyObject*>v.data_
            need |= v.requires_grad_
            inert |= v.volatile_
            if first is None:
                first = v
        sparse |= is_sparse(<object>x)
        put(raw, i, x)
    need = need and not inert and op.differentiable and not silent
    if need and op.composite is not None:
        return op.composite(*tuple_of(args, n))
    result = op.run(raw, sparse)
    cls = class_of(op, args)
    if need:
        node = new_node(op, cls, args, n, raw, result, None)
    if isinstance(result, TensorBase):
        return output(op, cls, first, <TensorBase>result, node, 0, inert)
    if isinstance(result, tuple):
        return tuple([output(op, cls, first, <TensorBase>t, node, i, inert) if isinstance(t, TensorBase) else t
                      for i, t in enumerate(result)])
    return result


cdef VariableBase output(Op op, object cls, VariableBase first, TensorBase data, Node node, int number, bint inert):
    cdef VariableBase v = wrap(data)
    cdef int place
    if inert:
        v.volatile_ = True
    elif node is not None:
        v.fn = node
        v.output_nr = number
        # Whole numbers beside floats are positions: they have no gradient.
        v.requires_grad_ = node.n_outputs == 1 or data.dtype > 4 or data.dtype == first.data_.dtype
        if op.keeps_output:
            for place in range(op.n_kept):
                if op.kept[place] == (OUTPUT | number << 3):
                    v.version = node.saved[3 * place + 1]
    else:
        v.creator = cls
    if op.view:
        v.version = version_of(first)
        v.version.live += 1
    return v


cdef inline bint has_edge(Op op, PyObject** args, Py_ssize_t i):
    """Whether gradients may go to argument i."""
    return isinstance(<object>args[i], VariableBase) and (op.joint is not None or op.formulas[i] is not None)


cdef Node new_node(Op op, object cls, PyObject** args, Py_ssize_t n, tuple raw, object result, VariableBase changed):
    """The node of an applied row: its edges, and the values that its formulas name.

    changed: the Variable that the row works on in place, or None.
    """
    cdef Node node = <Node>new_object(cls, NO_ARGUMENTS)
    cdef VariableBase v
    cdef Py_ssize_t i, e = 0, edges = 0
    cdef unsigned long long want = 0        # bit i: the gradient of argument i is wanted
    cdef bint resized = False, other_outputs = False
    for i in range(n):
        edges += has_edge(op, args, i)
    node.op = op
    node.targets = new_tuple(edges)
    for i in range(n):
        if not has_edge(op, args, i):
            continue
        v = <VariableBase>args[i]
        if not v.requires_grad_:
            put(node.targets, e, <PyObject*>None)
        else:
            put(node.targets, e, <PyObject*>v.fn if v.fn is not None else <PyObject*>v)
            other_outputs |= v.output_nr != 0
            if i < 64:
                want |= 1ULL << i
            resized |= op.broadcast and not same_size(v.data_, <TensorBase>result)
        e += 1
    if edges == len(op.positions) and op.joint is None:
        node.positions = op.positions
    elif edges == 1 and has_edge(op, args, 0):
        node.positions = FIRST
    else:
        node.positions = tuple([i for i in range(n) if has_edge(op, args, i)])
    if other_outputs:
        node.slots = tuple([(<VariableBase>args[i]).output_nr for i in node.positions])
    if resized:
        node.sizes = tuple([(<TensorBase>raw[i]).size() for i in node.positions])
    node.n_outputs = 1
    if isinstance(result, tuple):
        node.n_outputs = len(result)
        node.output_like = tuple([t.size() if isinstance(t, TensorBase) else None for t in result])
    if op.n_kept:
        node.saved = keep(op, args, raw, result, want, changed)
    return node


cdef int slot_of(Node node, Py_ssize_t e) except -1:
    return 0 if node.slots is None else node.slots[e]


cdef inline object class_of(Op op, PyObject** args):
    """The class of the node: `x + 2` is an AddConstant, `x + y` an Add."""
    if op.constant_class is None or (isinstance(<object>args[0], VariableBase)
                                     and isinstance(<object>args[1], VariableBase)):
        return op.node_class
    return op.constant_class


cdef tuple keep(Op op, PyObject** args, tuple raw, object result, unsigned long long want, VariableBase changed):
    """What the formulas of the wanted gradients name, each with the version of its Variable."""
    cdef tuple kept = new_tuple(3 * op.n_kept)
    cdef Version version
    cdef object number
    cdef int code, kind, i, place, at
    for place in range(op.n_kept):
        code = op.kept[place]
        kind, i = code & 7, code >> 3
        version, at = None, 0
        if op.users[place] and not op.users[place] & want:
            value = None
        elif kind == INPUT:
            value = raw[i]
            if isinstance(<object>args[i], VariableBase):
                version = version_of(<VariableBase>args[i])
                at = version.value
        elif kind == SIZE:
            value = (<TensorBase>raw[i]).size() if isinstance(raw[i], TensorBase) else None
        elif kind == OUTPUT:
            value = result[i] if isinstance(result, tuple) else result
            version = Version.__new__(Version) if changed is None else version_of(changed)
            at = 0 if changed is None else version.value + 1        # the change itself is yet to come
        elif kind == REST:
            value = list(raw[op.n_params - 1:])
        else:
            value = [t.size() for t in raw[op.n_params - 1:]]
        number = at
        put(kept, 3 * place, <PyObject*>value)
        put(kept, 3 * place + 1, <PyObject*>version)
        put(kept, 3 * place + 2, <PyObject*>number)
    return kept


cdef inline Version version_of(VariableBase v):
    """What counts the in-place changes of a Variable."""
    if v.version is None:
        v.version = Version.__new__(Version)
    return v.version


cdef inline void note_change(VariableBase v):
    cdef Version version = version_of(v)
    version.value += 1


cdef object record_inplace(Op op, PyObject** args, Py_ssize_t n):
    """Run op on args[0] in place, and make the result its new history."""
    cdef VariableBase target = check_inplace(<object>args[0]), v
    cdef bint need = False, inert = False, sparse = False
    cdef tuple raw = new_tuple(n)
    cdef PyObject* x
    cdef Py_ssize_t i
    cdef Node node = None
    for i in range(n):
        x = args[i]
        if isinstance(<object>x, VariableBase):
            v = <VariableBase>x
            x = <PyObject*>v.data_
            need |= v.requires_grad_
            inert |= v.volatile_
        sparse |= is_sparse(<object>x)
        put(raw, i, x)
    need = need and not inert and op.differentiable and not silent
    if need:
        node = new_node(op, class_of(op, args), args, n, raw, target.data_, target)
    op.run_inplace(raw, sparse)
    note_change(target)
    if silent:                      # inside no_grad() the values change, and nothing else
        return target
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

    cdef int check_usable(self) except -1:
        if self.saved is None and self.op.n_kept:
            raise RuntimeError("Trying to backward through the graph a second time, but the buffers have already been "
                               "freed. Specify retain_graph=True when calling backward the first time.")
        return 0

    cdef int spell_out(self) except -1:
        """Take the form that v0.2 shows: before a row that turns its last argument itself, a node of t()."""
        cdef Node turn
        cdef Op op = self.op, t = <Op>rows["t"]
        cdef Py_ssize_t last = len(self.targets) - 1
        cdef int place
        if op is None or op.spelled is None:
            return 0
        if self.targets[last] is not None:
            turn = <Node>new_object(t.node_class, NO_ARGUMENTS)
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
        if op.sparse_kernel is not None and is_sparse_gradient(found):
            found = to_dense(found)             # an operand that is dense has no sparse gradient
        if self.sizes is not None and found is not None:
            found = (<Op>rows["sum_to"])(found, self.sizes[e])
        return found

    cdef list apply_to(self, list grads, bint graph):
        """Gradients for each edge (None where not wanted), given those of the outputs."""
        cdef list result = []
        cdef Py_ssize_t e, i
        self.check_usable()
        for i in range(len(grads)):
            if is_sparse_gradient(grads[i]):
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
        return tuple([(AccumulateGrad(target), 0) if isinstance(target, VariableBase) else (target, slot_of(self, e))
                      for e, target in enumerate(self.targets or ())])

    def register_hook(self, hook):
        """Call hook(grad_inputs, grad_outputs) when gradients pass; returns a handle that removes it."""
        self.spell_out()
        return handle_hook(self, "post_hooks", hook)

    def name(self):
        """The name of the class."""
        return type(self).__name__


cdef object to_dense(object g):
    return (<Op>rows["to_dense"])(g)


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
        return handle_hook(self.variable, "_accumulated_hooks", hook)


# ---- variables ----------------------------------------------------------------------------------------

# Not cleared by the garbage collector: __dealloc__ needs the version. Cycles are broken at nodes and dicts.
# An operator gets its operands in their order, as in C: then classes in Python take over its slot as it is.
@cython.no_gc_clear
@cython.c_api_binop_methods(True)
cdef class VariableBase:
    """A tensor with a history. The Python class on top is autograd.Variable."""

    def __init__(self, data=None, bint requires_grad=False, bint volatile=False):
        if data is None:
            data = hooks["default"]()
        if not isinstance(data, TensorBase):
            raise RuntimeError("Variable data has to be a tensor, but got %s" % type(data).__name__)
        if requires_grad and volatile:
            raise RuntimeError("Variable can't be volatile and require_grad at the same time!")
        self.data_, self.requires_grad_, self.volatile_ = <TensorBase>data, requires_grad, volatile

    def __dealloc__(self):
        if self.version is not None:
            self.version.live -= 1

    # Operators stay in C: `a + b` costs no Python frame.
    def __add__(a, b):
        return operate(ADD, ADD, a, b)

    def __sub__(a, b):
        return operate(SUB, RSUB, a, b)

    def __mul__(a, b):
        return operate(MUL, MUL, a, b)

    def __truediv__(a, b):
        return operate(DIV, RDIV, a, b)

    def __pow__(a, b, modulus):
        return operate(POW, RPOW, a, b)

    def __mod__(a, b):
        return operate(MOD, NONE, a, b)

    def __matmul__(a, b):
        return a.matmul(b) if isinstance(a, VariableBase) else NotImplemented

    def __neg__(self):
        return (<Op>rows["neg"])(self)

    def __iadd__(self, other):
        return self.add_(other)

    def __isub__(self, other):
        return self.sub_(other)

    def __imul__(self, other):
        return self.mul_(other)

    def __ipow__(self, other, modulus):
        raise NotImplementedError("in-place pow not implemented")

    def __richcmp__(self, other, int how):
        return operate(COMPARISONS[how], NONE, self, other)

    def __hash__(self):
        return <Py_ssize_t>(<void*>self) >> 4

    def __len__(self):
        return len(data_of(self))

    def __iter__(self):
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, key):
        cdef PyObject* args[2]
        if not plain_key(key):
            return hooks["getitem_by_others"](self, key)
        args[0], args[1] = <PyObject*>self, <PyObject*>key
        return record(<Op>rows["subscript"], args, 2)

    def dim(self):
        """Return the number of dims."""
        return geometry(data_of(self)).ndim

    def size(self, dim=None):
        """Return the sizes as a Size, or the size of one dim."""
        return (<object>data_of(self)).size(dim)

    @property
    def is_sparse(self):
        return data_of(self).sparse

    def detach(self):
        """Return a leaf on the same data, without history; in-place changes of either are counted together."""
        cdef VariableBase v = wrap(self.data_)
        v.volatile_ = self.volatile_
        v.version = version_of(self)
        v.version.live += 1
        return v

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


for _name in ("__add__", "__sub__", "__mul__", "__truediv__", "__mod__"):
    set_class_attribute(VariableBase, _name, slot_of_number(VariableBase, getattr(float, _name)))

cdef enum:
    RPOW = GE + 1               # the operator that tensors have not
    NONE = RPOW + 1
    OPERATORS = NONE + 1

cdef tuple COMPARISONS = (LT, LE, EQ, NE, GT, GE)
cdef list operators = [None] * OPERATORS            # code -> row
cdef dict OPERATOR_CODES = dict(add=ADD, sub=SUB, rsub=RSUB, mul=MUL, div=DIV, rdiv=RDIV, remainder=MOD, pow=POW,
                                rpow=RPOW, lt=LT, le=LE, eq=EQ, ne=NE, gt=GT, ge=GE)


cdef inline TensorBase data_of(VariableBase v):
    if v.data_ is None:
        raise RuntimeError("a Variable has no data: its constructor was not called")
    return v.data_


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


cdef object operate(int code, int reflected, object a, object b):
    """a operator b, where one is a Variable; reflected: the code of the operator with its operands exchanged."""
    cdef PyObject* args[2]
    if not isinstance(a, VariableBase):
        if reflected == NONE:
            return NotImplemented
        a, b, code = b, a, reflected
    if not isinstance(b, (VariableBase, float, int)):
        return operate_on_other(code, a, b)
    args[0], args[1] = <PyObject*>a, <PyObject*>b
    return record(<Op>operators[code], args, 2)


cdef object operate_on_other(int code, object v, object other):
    """An operator on what is neither a Variable nor a number of Python: on a scalar of NumPy, or not at all."""
    cdef Op row = <Op>operators[code]
    if isinstance(other, TensorBase):
        raise AssertionError("%s: expected a Variable or a number, but got %s: wrap it in a Variable%s"
                             % (row.name, type_name(<TensorBase>other),
                                ", can't compare Variable and tensor" if code in COMPARISONS else ""))
    if getattr(other, "ndim", None) == 0 and hasattr(other, "item"):
        return operate(code, NONE, v, other.item())
    if code in COMPARISONS:
        raise TypeError("%s: expected a Variable or a number, but got %s" % (row.name, type(other).__name__))
    return NotImplemented


cdef int set_grad(VariableBase v, object value) except -1:
    if value is None:
        v.grad_ = None
        return 0
    if not isinstance(value, VariableBase):
        raise RuntimeError("expected Variable or None (got %s)"
                           % (type_name(<TensorBase>value) if isinstance(value, TensorBase) else type(value).__name__))
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
    if name in OPERATOR_CODES:
        operators[OPERATOR_CODES[name]] = row


def spell_out_as(Op row not None, Op spelled not None):
    """Let nodes of a row, which turns its last argument, become nodes of one that gets it turned, and of t()."""
    row.spelled = spelled


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
    if b.version is not None:
        b.version.live -= 1
    b.version = version_of(a)
    b.version.live += 1


def bump_version(VariableBase v not None):
    """Note an in-place change."""
    note_change(v)


def version_object(VariableBase v not None):
    """The Version object of a Variable."""
    return version_of(v)


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
