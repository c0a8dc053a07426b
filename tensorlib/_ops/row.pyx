"""Op: one row of the table. Its kernels, the formulas of its gradients, and what these need kept.

Called on Tensors it runs a kernel. Where there is a Variable among the arguments, the layer above takes the call over,
to record it: see recording.pyx. Nothing here knows the graph.
"""
from cpython.object cimport PyObject

from .classes cimport call_through, count_of, dict_of, tuple_items, tuple_of, vectorcall
from .tensor cimport TensorBase, is_sparse, type_name
from .variable cimport is_variable

REQUIRED = object()                     # default of a parameter that has none
PASSES = eval("lambda g: g").__code__.co_code

cdef dict rows = {}                     # rows that the layers above call by themselves: add, clone, sum_to ...
cdef recorder record_call = NULL, record_inplace_call = NULL


cdef class Formula:
    def __init__(self, function):
        self.function = function


cdef class Op:
    """One row of the table, callable on Tensors and on Variables."""

    def __cinit__(self):
        self.vectorcall = <void*>call_op

    def __init__(self, str name, str signature, params, defaults, kernel, grad, joint=None, view=False,
                 broadcast=False, variadic=False, inplace_kernel=None, node_name=None, constant=False, composite=None,
                 sparse=None, sparse_inplace=None, spares_output=False):
        self.name, self.signature, self.kernel = name, signature, kernel
        self.params, self.defaults = tuple(params), tuple(defaults)
        self.view, self.broadcast, self.variadic = view, broadcast, variadic
        self.inplace_kernel, self.composite = inplace_kernel, composite
        self.sparse_kernel, self.sparse_inplace = sparse, sparse_inplace
        self.spares_output = spares_output
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
        self.constant = constant

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
            if is_variable(<object>args[i]):
                return record_call(self, args, n)
            sparse |= is_sparse(<object>args[i])
        if sparse:
            return self.run_sparse(self.sparse_kernel, tuple_of(args, n))
        return vectorcall(self.kernel, args, n, NULL)

    cdef object run(self, PyObject** raw, Py_ssize_t n, bint sparse):
        """Run the kernel on Tensors and numbers, dense or sparse."""
        if sparse:
            return self.run_sparse(self.sparse_kernel, tuple_of(raw, n))
        return vectorcall(self.kernel, raw, n, NULL)

    cdef object run_inplace(self, PyObject** raw, Py_ssize_t n, bint sparse):
        if sparse:
            return self.run_sparse(self.sparse_inplace, tuple_of(raw, n))
        return vectorcall(self.inplace_kernel, raw, n, NULL)

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
        cdef tuple full = args if len(args) >= self.n_params else self.complete(args, {})
        return self.call_inplace(tuple_items(full), len(full))

    cdef object call_inplace(self, PyObject** args, Py_ssize_t n):
        cdef bint sparse = False
        cdef Py_ssize_t i
        for i in range(n):
            if is_variable(<object>args[i]):
                return record_inplace_call(self, args, n)
            sparse |= is_sparse(<object>args[i])
        if sparse:
            return self.run_sparse(self.sparse_inplace, tuple_of(args, n))
        return vectorcall(self.inplace_kernel, args, n, NULL)

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


cdef Op row_named(str name):
    return <Op>rows[name]


cdef void set_recorders(recorder call, recorder inplace) noexcept:
    global record_call, record_inplace_call
    record_call, record_inplace_call = call, inplace


cdef void name_row(str name, Op row):
    rows[name] = row


def spell_out_as(Op row not None, Op spelled not None):
    """Let nodes of a row, which turns its last argument, become nodes of one that gets it turned, and of t()."""
    row.spelled = spelled


cdef class UnlessDim:
    """Two rows as one callable (self, dim=None, keepdim=None): of everything, or along a dim if one is given."""
    cdef Op whole, along
    cdef void* vectorcall

    def __init__(self, Op whole not None, Op along not None):
        self.whole, self.along, self.vectorcall = whole, along, <void*>reduce


cdef UnlessDim _both = UnlessDim.__new__(UnlessDim)
call_through(UnlessDim, <char*>&_both.vectorcall - <char*><void*>_both)


cdef object reduce(object rows, PyObject** args, size_t n, PyObject* names):
    cdef PyObject* full[3]
    cdef UnlessDim self = <UnlessDim>rows
    cdef object keepdim
    if names != NULL or count_of(n) != 3:
        raise TypeError("expected (self, dim, keepdim)")
    if <object>args[1] is None:
        return self.whole.call(args, 1)
    keepdim = bool(<object>args[2])
    full[0], full[1], full[2] = args[0], args[1], <PyObject*>keepdim
    return self.along.call(full, 3)
