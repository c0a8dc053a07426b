"""Recording: calls of rows with Variables among their arguments. Each runs the kernel on the tensors inside, and leaves
a node in the graph where a gradient may be asked for.
"""
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from .classes cimport new_tuple, put, tuple_items, tuple_of
from .copying import dense_copy
from .node cimport Node, node_class, show_node
from .row cimport INPUT, OUTPUT, REST, SIZE, Op, name_row, row_named, set_recorders
from .sparse cimport geometry
from .tensor cimport (ADD, DIV, EQ, GE, GT, LE, LT, MOD, MUL, NE, POW, RDIV, RSUB, SUB, TensorBase, is_sparse,
                      same_size, size_of, type_name)
from .variable cimport NONE, RPOW, VariableBase, Version, is_variable, note_change, set_hooks, version_of, wrap

cdef tuple FIRST = (0,)

cdef enum:
    FEW = 12                            # arguments that need no tuple

cdef extern from *:
    """
    static __thread int tl_silent = 0;
    """
    int silent "tl_silent"              # set inside no_grad(); each thread has its own


# What the arguments of a call say.
cdef struct Seen:
    bint need           # some want a gradient
    bint inert          # some are volatile
    bint sparse
    PyObject* first     # the first Variable, borrowed


cdef Seen unwrap(PyObject** args, Py_ssize_t n, PyObject** raw):
    """Put the tensors inside Variables, and all that is no Variable, into raw, which owns them."""
    cdef Seen seen
    cdef PyObject* x
    cdef Py_ssize_t i
    seen.need = seen.inert = seen.sparse = False
    seen.first = NULL
    for i in range(n):
        x = args[i]
        if is_variable(<object>x):
            if seen.first == NULL:
                seen.first = x
            seen.need |= (<VariableBase>x).requires_grad_
            seen.inert |= (<VariableBase>x).volatile_
            x = <PyObject*>(<VariableBase>x).data_
        seen.sparse |= is_sparse(<object>x)
        Py_INCREF(<object>x)
        raw[i] = x
    return seen


cdef object record(Op op, PyObject** args, Py_ssize_t n):
    """Run op on the tensors inside args; remember it if a gradient may be asked for."""
    return unwrapped(op, args, n, None)


cdef object record_inplace(Op op, PyObject** args, Py_ssize_t n):
    """Run op on args[0] in place, and make the result its new history."""
    return unwrapped(op, args, n, check_inplace(<object>args[0]))


cdef object unwrapped(Op op, PyObject** args, Py_ssize_t n, VariableBase target):
    """Run op on the tensors inside args: on target's in place, unless that is None."""
    cdef PyObject* few[FEW]
    cdef PyObject** raw = few
    cdef tuple many = new_tuple(n) if n > FEW else None
    cdef Seen seen
    cdef Py_ssize_t i
    if many is not None:
        raw = tuple_items(many)
    seen = unwrap(args, n, raw)
    try:
        if target is not None:
            return recorded_inplace(op, args, n, raw, &seen, target)
        return recorded(op, args, n, raw, &seen)
    finally:
        if many is None:
            for i in range(n):
                Py_DECREF(<object>few[i])


cdef object recorded(Op op, PyObject** args, Py_ssize_t n, PyObject** raw, Seen* seen):
    """The results of op on raw, as Variables."""
    cdef VariableBase first = <VariableBase>seen.first
    cdef bint need = seen.need and not seen.inert and op.differentiable and not silent
    cdef Node node = None
    if need and op.composite is not None:
        return op.composite(*tuple_of(args, n))
    result = op.run(raw, n, seen.sparse)
    cls = class_of(op, args)
    if need:
        node = new_node(op, cls, args, n, raw, result, None)
    if isinstance(result, TensorBase):
        return output(op, cls, first, <TensorBase>result, node, 0, seen.inert)
    if isinstance(result, tuple):
        return outputs(op, cls, first, <tuple>result, node, seen.inert)
    return result


cdef tuple outputs(Op op, object cls, VariableBase first, tuple results, Node node, bint inert):
    cdef tuple made = new_tuple(len(results))
    cdef Py_ssize_t i
    for i in range(len(results)):
        one = results[i]
        if isinstance(one, TensorBase):
            one = output(op, cls, first, <TensorBase>one, node, i, inert)
        put(made, i, <PyObject*>one)
    return made


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
    return is_variable(<object>args[i]) and (op.joint is not None or op.formulas[i] is not None)


cdef Node new_node(Op op, object cls, PyObject** args, Py_ssize_t n, PyObject** raw, object result,
                   VariableBase changed):
    """The node of an applied row: its edges, and the values that its formulas name.

    changed: the Variable that the row works on in place, or None.
    """
    cdef Node node = Node.__new__(Node)
    cdef VariableBase v
    cdef Py_ssize_t i, e = 0, edges = 0
    cdef unsigned long long want = 0        # bit i: the gradient of argument i is wanted
    cdef bint resized = False, other_outputs = False
    for i in range(n):
        edges += has_edge(op, args, i)
    node.op, node.shown_as = op, cls
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
        node.positions = edges_of(op, args, n, edges)
    if other_outputs:
        node.slots = tuple([(<VariableBase>args[i]).output_nr for i in node.positions])
    if resized:
        node.sizes = tuple([sizes_in(<object>raw[<Py_ssize_t>i]) for i in node.positions])
    node.n_outputs = 1
    if isinstance(result, tuple):
        node.n_outputs = len(result)
        node.output_like = tuple([sizes_in(t) for t in result])
    if op.n_kept:
        node.saved = keep(op, args, n, raw, result, want, changed)
    return node


cdef tuple edges_of(Op op, PyObject** args, Py_ssize_t n, Py_ssize_t edges):
    """The positions of the arguments that gradients may go to; edges: how many there are."""
    cdef tuple made = new_tuple(edges)
    cdef Py_ssize_t i, e = 0
    cdef object number
    for i in range(n):
        if has_edge(op, args, i):
            number = i
            put(made, e, <PyObject*>number)
            e += 1
    return made


cdef inline object class_of(Op op, PyObject** args):
    """The class of the node: `x + 2` is an AddConstant, `x + y` an Add."""
    cdef bint constant = op.constant and not (is_variable(<object>args[0])
                                              and is_variable(<object>args[1]))
    made = op.constant_class if constant else op.node_class
    return node_class(op, constant) if made is None else made


cdef inline object sizes_in(object x):
    return size_of(geometry(<TensorBase>x)) if isinstance(x, TensorBase) else None


cdef tuple keep(Op op, PyObject** args, Py_ssize_t n, PyObject** raw, object result, unsigned long long want,
                VariableBase changed):
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
            value = <object>raw[i]
            if is_variable(<object>args[i]):
                version = version_of(<VariableBase>args[i])
                at = version.value
        elif kind == SIZE:
            value = sizes_in(<object>raw[i])
        elif kind == OUTPUT:
            value = result[i] if isinstance(result, tuple) else result
            version = Version.__new__(Version) if changed is None else version_of(changed)
            at = 0 if changed is None else version.value + 1        # the change itself is yet to come
        elif kind == REST:
            value = [<object>raw[i] for i in range(op.n_params - 1, n)]
        else:
            value = [sizes_in(<object>raw[i]) for i in range(op.n_params - 1, n)]
        number = at
        put(kept, 3 * place, <PyObject*>value)
        put(kept, 3 * place + 1, <PyObject*>version)
        put(kept, 3 * place + 2, <PyObject*>number)
    return kept


cdef object recorded_inplace(Op op, PyObject** args, Py_ssize_t n, PyObject** raw, Seen* seen, VariableBase target):
    """target, changed by op on raw."""
    cdef bint need = seen.need and not seen.inert and op.differentiable and not silent
    cdef Node node = None
    if need:
        node = new_node(op, class_of(op, args), args, n, raw, target.data_, target)
    spare_output(target)
    op.run_inplace(raw, n, seen.sparse)
    note_change(target)
    if silent:                      # inside no_grad() the values change, and nothing else
        return target
    target.fn, target.output_nr, target.creator = node, 0, class_of(op, args)
    target.requires_grad_, target.volatile_ = need, seen.inert
    return target


cdef int spare_output(VariableBase target) except -1:
    """Before target is changed in place: the node that it came out of may need it as it is."""
    cdef Node node
    cdef int place, code
    cdef list saved
    if not isinstance(target.fn, Node) or (<Node>target.fn).saved is None:
        return 0
    node = <Node>target.fn
    if node.op is None or not node.op.spares_output or target.version is None:
        return 0
    for place in range(node.op.n_kept):
        code = node.op.kept[place]
        if (code & 7 == OUTPUT and node.saved[3 * place + 1] is target.version
                and node.saved[3 * place + 2] == target.version.value):
            saved = list(node.saved)
            saved[3 * place:3 * place + 3] = dense_copy(target.data_), Version.__new__(Version), 0
            node.saved = tuple(saved)
    return 0


cdef VariableBase check_inplace(object candidate):
    """Raise where a Variable must not be changed in place."""
    cdef VariableBase v
    if not isinstance(candidate, VariableBase):
        raise TypeError("an in-place operation on a %s with a Variable argument" % type(candidate).__name__)
    v = <VariableBase>candidate
    check_inplace_alone(v, 1)
    return v


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


# ---- operators ----------------------------------------------------------------------------------------

cdef enum:
    OPERATORS = NONE + 1

cdef tuple COMPARISONS = (LT, LE, EQ, NE, GT, GE)
cdef list operators = [None] * OPERATORS            # code -> row
cdef dict OPERATOR_CODES = dict(add=ADD, sub=SUB, rsub=RSUB, mul=MUL, div=DIV, rdiv=RDIV, remainder=MOD, pow=POW,
                                rpow=RPOW, lt=LT, le=LE, eq=EQ, ne=NE, gt=GT, ge=GE)


cdef object operate(int code, int reflected, object a, object b):
    """a operator b, where one is a Variable; reflected: the code of the operator with its operands exchanged."""
    cdef PyObject* args[2]
    if not is_variable(a):
        if reflected == NONE:
            return NotImplemented
        a, b, code = b, a, reflected
    if not (is_variable(b) or isinstance(b, (float, int))):
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


cdef object call_row(str name, PyObject** args, Py_ssize_t n):
    return record(row_named(name), args, n)


set_recorders(record, record_inplace)
set_hooks(operate, call_row, show_node)


# ---- for the Python layer -----------------------------------------------------------------------------

def set_row(str name, Op row):
    """Tell the engine a row that it calls by itself."""
    name_row(name, row)
    if name in OPERATOR_CODES:
        operators[OPERATOR_CODES[name]] = row


def set_recording(bint on):
    """Turn recording on or off for this thread; returns what it was."""
    global silent
    before, silent = not silent, not on
    return before


def is_recording():
    return not silent


def assert_inplace(v):
    """Raise where v must not be changed in place."""
    check_inplace(v)


def adopt(VariableBase v not None, VariableBase other not None):
    """Let v take over data and history of other, which is a view of it."""
    check_inplace_alone(v, 2)
    note_change(v)
    v.data_, v.fn, v.output_nr, v.creator = other.data_, other.fn, other.output_nr, other.creator
    v.requires_grad_, v.volatile_ = other.requires_grad_, other.volatile_
