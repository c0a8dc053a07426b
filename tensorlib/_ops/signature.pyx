"""Public names: overload sets that match the arguments of a call against signatures and call a row.

A signature reads `(Number beta=1, Tensor self, Number alpha=1, Tensor mat1, Tensor mat2)`. As a method, self is
taken from the left of the dot; as a function, it stands where the signature has it. The target is called with
self first and the other parameters in order. Optional numbers before a tensor may be left out.
"""
import warnings

from cpython.object cimport PyObject

from .copying cimport copy_into
from .classes cimport call_through, count_of, dict_of, method_descriptor, tuple_items, tuple_of, vectorcall
from .dispatch import DTYPE_NAMES
from .row cimport Op
from .shape cimport is_int
from .sparse cimport SparseTensor, become
from .tensor cimport TensorBase, item, resize, type_name
from .storage cimport Storage
from .types cimport F16, U8
from .variable cimport VariableBase, holds_sparse

cdef extern from "Python.h":
    object PyMethod_New(object function, object self)

cdef object MISSING = object()          # no argument for a parameter
cdef bint warn_of_keepdim = False       # utils.backcompat.keepdim_warning
cdef object NO_MATCH = object()         # the arguments do not fit a signature

cdef enum:
    MOST = 16                           # values that a target is called with

cdef enum Kind:
    TENSOR, SPARSE, NUMBER, INT, FLOAT, BOOL, SIZES, TENSORS, STORAGE, CALLABLE, ANY

KINDS = {"Tensor": TENSOR, "SparseTensor": SPARSE, "Number": NUMBER, "int": INT, "float": FLOAT, "bool": BOOL,
         "int...": SIZES, "Tensors": TENSORS, "Storage": STORAGE, "callable": CALLABLE, "Generator": ANY,
         "object": ANY}
TYPED = {name + "Tensor": code for code, name in enumerate(DTYPE_NAMES)}

cdef class Param:
    """One parameter of a signature."""
    cdef readonly str name, text
    cdef readonly int kind, dtype       # dtype: code of a fixed tensor type, or -1 for that of self
    cdef readonly bint optional, keyword_only, nullable
    cdef readonly object default

    def __init__(self, str text, bint keyword_only):
        left, _, default = text.partition("=")
        kind, self.name = left.split()
        self.text, self.keyword_only = text, keyword_only
        self.nullable = kind.endswith("?")
        kind = kind.rstrip("?")
        self.dtype = TYPED.get(kind, -1)
        self.kind = TENSOR if kind in TYPED else KINDS[kind]
        self.optional = bool(default)
        self.default = eval(default, {"inf": float("inf")}) if default else None

    cdef bint takes(self, object x, int self_dtype, bint variables):
        """Whether x fits this parameter."""
        cdef int kind = self.kind
        if self.nullable and x is None:
            return True
        if kind == TENSOR or kind == SPARSE:
            if isinstance(x, TensorBase):
                return not variables and self.fits(<TensorBase>x, self_dtype)
            if isinstance(x, VariableBase):
                return variables and self.fits((<VariableBase>x).data_, self_dtype)
            return False
        if kind == NUMBER:
            if isinstance(x, TensorBase):           # first: it is the usual reason to go on to the next form
                return False
            if isinstance(x, float) and self_dtype < F16 and self_dtype >= 0:
                return False
            return isinstance(x, (int, float)) or number_like(x, self_dtype)
        if kind == INT:
            return is_int(x)
        if kind == FLOAT:
            return isinstance(x, (int, float)) or number_like(x, F16)
        if kind == BOOL:
            return isinstance(x, bool) or numpy_bool(x)
        if kind == TENSORS:
            return isinstance(x, (tuple, list)) and all_tensors(x)
        if kind == STORAGE:
            return isinstance(x, Storage)
        if kind == CALLABLE:
            return callable(x)
        return True

    cdef str described(self, int dtype):
        """"int dim", "tensorlib.LongTensor index", "float value=1": what a call on tensors of a type takes."""
        kind, rest = self.text.replace("?", "").partition("=")[0].split()
        if self.kind == TENSOR:
            kind = tensor_of(dtype if self.dtype < 0 else self.dtype)
        elif self.kind == SPARSE:
            kind = tensor_of(dtype, "sparse.")
        elif self.kind == TENSORS:
            kind = "sequence[%s]" % tensor_of(dtype)
        elif self.kind == NUMBER and dtype >= 0:
            kind = "float" if dtype >= F16 else "int"
        return kind + " " + rest

    cdef bint fits(self, TensorBase t, int self_dtype):
        """Whether a tensor is of the kind and the element type."""
        if t is None or t.sparse != (self.kind == SPARSE):
            return False
        if self.dtype >= 0:
            return t.dtype == self.dtype
        return self_dtype < 0 or t.dtype == self_dtype


cdef str tensor_of(int dtype, str place=""):
    if dtype < 0:
        return "SparseTensor" if place else "Tensor"
    return "tensorlib.%s%sTensor" % (place, DTYPE_NAMES[dtype])


cdef bint number_like(object x, int dtype):
    """NumPy's scalars."""
    if getattr(x, "ndim", None) != 0:
        return False
    return hasattr(x, "__index__") or dtype >= F16 and hasattr(x, "__float__")


cdef bint numpy_bool(object x):
    return getattr(x, "dtype", None) == bool and x.ndim == 0


cdef bint all_tensors(object items):
    for x in items:
        if not isinstance(x, (TensorBase, VariableBase)) or holds_sparse(x):
            return False
    return True


cdef Param OUT = Param("Tensor out", True)


cdef class Form:
    """One signature of a public name, and what it calls."""
    cdef readonly str text
    cdef readonly list params           # without self
    cdef readonly int self_position     # of self among the positional parameters; -1: a function without self
    cdef readonly bint of_sparse        # self is a SparseTensor
    cdef readonly object target
    cdef Op row                         # the target where it is a row, or None
    cdef readonly bint number           # a Tensor call gives a Python number
    cdef readonly bint inplace
    cdef Py_ssize_t keepdim_position, dim_position      # among params, or -1

    def __init__(self, str text, target, number=False, inplace=False):
        self.text, self.target, self.number, self.inplace = text, target, number, inplace
        self.row = <Op>target if isinstance(target, Op) else None
        self.params, self.self_position = [], -1
        keyword_only = False
        self.keepdim_position = self.dim_position = -1
        for part in [p.strip() for p in text.strip()[1:-1].split(",") if p.strip()]:
            if part == "*":
                keyword_only = True
            elif part.split()[-1] == "self":
                self.self_position = len(self.params)
                self.of_sparse = part.split()[0] == "SparseTensor"
            else:
                self.params.append(Param(part, keyword_only))
                if self.params[-1].name == "keepdim":
                    self.keepdim_position = len(self.params) - 1
                elif self.params[-1].name == "dim":
                    self.dim_position = len(self.params) - 1
        if len(self.params) >= MOST:
            raise ValueError("%s: more than %d parameters" % (text, MOST - 1))

    cdef object match(self, object me, PyObject** args, Py_ssize_t n, Py_ssize_t start, dict kwargs, int self_dtype,
                      bint variables, PyObject** values):
        """Set the values to call the target with, self first, for args[start:n]; NO_MATCH where they do not fit.

        What is returned else keeps values alive that were made here.
        """
        cdef Py_ssize_t i = start, used = 0, count = 0
        cdef PyObject* one
        cdef Param param
        cdef object made = None
        if self.self_position >= 0:
            if holds_sparse(me) != self.of_sparse:
                return NO_MATCH
            values[0], count = <PyObject*>me, 1
        for param in self.params:
            if i < n and not param.keyword_only:
                if param.kind == SIZES:
                    sizes = read_sizes(args, n, i)
                    if sizes is MISSING:
                        return NO_MATCH
                    made = sizes if made is None else (made, sizes)
                    values[count] = <PyObject*>sizes
                    count += 1
                    i = n
                    continue
                if param.takes(<object>args[i], self_dtype, variables):
                    values[count] = args[i]
                    count += 1
                    i += 1
                    continue
                if not param.optional or not self.tensor_after(param):
                    return NO_MATCH
            if kwargs is not None and param.name in kwargs:
                value = kwargs[param.name]
                if not param.takes(value, self_dtype, variables) and param.kind != SIZES:
                    return NO_MATCH
                if param.kind != SIZES and param.kind == NUMBER and self.tensor_after(param) and n > start:
                    return NO_MATCH         # such numbers are positional only
                if param.kind == SIZES:
                    one = <PyObject*>value
                    value = read_sizes(&one, 1, 0)
                    made = value if made is None else (made, value)
                values[count] = <PyObject*>value
                used += 1
            elif param.optional:
                values[count] = <PyObject*>param.default
            else:
                return NO_MATCH
            count += 1
        if i < n or kwargs is not None and used != len(kwargs):
            return NO_MATCH
        if warn_of_keepdim and self.keepdim_position >= 0:
            self.warn_without_keepdim(values, n - start > self.keepdim_position, kwargs)
        return made

    cdef int warn_without_keepdim(self, PyObject** values, bint positional, dict kwargs) except -1:
        """Say that a reduction along a dim drops it now, where keepdim is left to its default."""
        cdef Py_ssize_t dim = self.dim_position + (self.self_position >= 0)
        given = positional or kwargs is not None and "keepdim" in kwargs
        along_all = self.dim_position >= 0 and <object>values[dim] is None
        if not given and not along_all:
            warnings.warn("say keepdim=True or keepdim=False: the default was True before v0.2, and is False now",
                          UserWarning, stacklevel=2)
        return 0

    cdef object run(self, PyObject** values):
        """Call the target."""
        cdef Py_ssize_t n = len(self.params) + (self.self_position >= 0)
        cdef object result
        if self.row is None:
            result = vectorcall(self.target, values, n, NULL)
        elif self.inplace:
            return self.row.call_inplace(values, n)
        else:
            result = self.row.call(values, n)
        if self.number and isinstance(result, TensorBase):
            return item(<TensorBase>result, (<TensorBase>result).offset)
        return result

    cdef list variants(self, bint as_method, bint out):
        """The lists of parameters that fit: what is optional left out or there, self in functions only, out= if given.

        An optional number before a tensor may be there alone, others only behind those that stand before them.
        """
        cdef Param param
        cdef list found = [[]]
        params = list(self.params)
        if not as_method and self.self_position >= 0:
            kind = "SparseTensor" if self.of_sparse else "Tensor"
            params.insert(self.self_position, Param(kind + " source", False))
        for i, param in enumerate(params):
            free = not param.optional or self.tensor_after(param)
            longer = [made + [param] for made in found if free or len(made) == i]
            found = found + longer if param.optional else longer
        if out and not self.number:
            return [made + [OUT] for made in found]
        return found

    cdef bint tensor_after(self, Param param):
        """Whether a required tensor follows: then an optional number before it may be left out."""
        cdef bint after = False
        cdef Param other
        for other in self.params:
            if after and other.kind <= SPARSE and not other.optional:
                return True
            after = after or other is param
        return False


cdef object read_sizes(PyObject** args, Py_ssize_t n, Py_ssize_t start):
    """Ints, or one sequence of ints, from args[start:n] as a tuple."""
    cdef tuple given
    cdef bint exact = True
    if n == start + 1 and isinstance(<object>args[start], (tuple, list)):
        given = tuple(<object>args[start])
    else:
        given = tuple_of(args + start, n - start)
    for x in given:
        if not is_int(x):
            return MISSING
        exact = exact and type(x) is int
    if not given:
        return MISSING
    return given if exact else tuple([int(x) for x in given])


cdef class Public:
    """A public name: callable as a function, and a method of the classes it is bound to."""
    cdef readonly str name
    cdef readonly list forms, variable_forms
    cdef readonly frozenset dtypes
    cdef unsigned dtype_bits
    cdef readonly bint is_function
    cdef readonly Function function     # the name as a function
    cdef object variable_function       # serves function calls with Variables, where set
    cdef public str __doc__
    cdef dict __dict__
    cdef void* vectorcall

    def __cinit__(self):
        self.vectorcall = <void*>call_method

    def __init__(self, str name, forms, variable_forms, dtypes, doc="", is_function=True):
        self.name, self.forms, self.variable_forms = name, list(forms), list(variable_forms)
        self.dtypes, self.__doc__, self.is_function = frozenset(dtypes), doc, is_function
        self.function = Function(self)
        for code in dtypes:
            self.dtype_bits |= <unsigned>1 << <int>code
        self.__name__ = name
        self.__qualname__ = name

    def __get__(self, obj, cls):
        return self if obj is None else PyMethod_New(self, obj)

    def call_any(self, *args, **kwargs):
        """As a function, where self may be any of the arguments."""
        cdef PyObject* values[MOST]
        cdef bint variables = False
        cdef int dtype = -1
        cdef Form form
        cdef tuple rest
        out = kwargs.pop("out", None)
        cdef dict keywords = kwargs if kwargs else None
        for x in args:
            if isinstance(x, VariableBase):
                variables = True
                break
            if isinstance(x, TensorBase):
                dtype = (<TensorBase>x).dtype
                break
        if dtype < 0 and not variables and keywords is not None:
            for x in keywords.values():
                variables = variables or isinstance(x, VariableBase)
        if dtype >= 0 and self.dtypes and dtype not in self.dtypes:
            raise TypeError("Type %s doesn't implement stateless method %s" % (type_name(<TensorBase>x), self.name))
        if variables and self.variable_function is None and not self.variable_forms:
            raise TypeError("Type Variable doesn't implement stateless method %s" % self.name)
        if variables and self.variable_function is not None:
            return self.variable_function(*args, **kwargs)
        for form in (self.variable_forms if variables else self.forms):
            found = self.split_self(form, args, keywords, variables)
            if found is None:
                continue
            me, rest, words = found
            made = form.match(me, tuple_items(rest), len(rest), 0, words,
                              -1 if variables or me is None else (<TensorBase>me).dtype, variables, values)
            if made is not NO_MATCH:
                if form.number and out is not None:
                    raise no_out(self.name)
                result = form.run(values)
                return result if out is None else write_out(self.name, out, result, dtype)
        if has_none(kwargs):
            if out is not None:
                kwargs["out"] = out
            return self.call_any(*args, **{k: v for k, v in kwargs.items() if v is not None})
        if out is not None:
            kwargs["out"] = out
        return self.refuse(None, args, kwargs, self.variable_forms if variables else self.forms, dtype)

    def add_variable_function(self, function):
        """Let a Python function serve calls with Variables."""
        self.variable_function = function

    cdef object split_self(self, Form form, tuple args, dict keywords, bint variables):
        """(self, the other arguments, keywords) for a function call, or None where self is not there."""
        cdef Py_ssize_t i
        if form.self_position < 0:
            return None, args, keywords
        for i in range(min(form.self_position + 1, len(args))):
            if isinstance(args[i], VariableBase if variables else TensorBase):
                before = tuple([p.default for p in form.params[i:form.self_position]])      # left out before self
                return args[i], args[:i] + before + args[i + 1:], keywords
        for word in ("self", "input", "tensor"):
            if keywords is not None and word in keywords and isinstance(keywords[word], (TensorBase, VariableBase)):
                rest = dict(keywords)
                return rest.pop(word), args, rest if rest else None
        return None

    cdef list telling(self, list forms, object me, tuple args, dict kwargs):
        """The forms that help: those with sparse tensors only where one was given, or where there are no others."""
        cdef Form form
        if me is not None:
            forms = [form for form in forms if form.self_position >= 0 and form.of_sparse == holds_sparse(me)] or forms
        if not any([holds_sparse(x) for x in (me, *args, *kwargs.values())]):
            forms = [form for form in forms if "SparseTensor" not in form.text] or forms
        return forms

    cdef object refuse(self, object me, tuple args, dict kwargs, list forms, int dtype):
        """Raise a TypeError that lists what was given and what is expected; me: self of a method."""
        cdef Form form
        if forms is self.variable_forms and any([isinstance(x, TensorBase) for x in args]):
            if self.name in TAKE_NO_TENSOR:
                raise AssertionError("%s of a Variable: expected a Variable or a number, but got (%s): wrap the tensor "
                                     "in a Variable" % (self.name, ", ".join([described(x) for x in args])))
            raise RuntimeError("%s of a Variable: expected Variables, but got (%s)"
                               % (self.name, ", ".join([described(x) for x in args])))
        if forms is self.variable_forms and self.name in TAKE_TWO_NUMBERS and len(args) > 4:
            raise RuntimeError("%s: too many args" % self.name)
        if dtype < 0:
            dtype = self.type_of_variables((me, *args))
        refusal = Refusal(args, kwargs, dtype, forms is self.variable_forms)
        variants = []
        for form in self.telling(forms, me, args, kwargs):
            variants.extend(form.variants(me is not None, "out" in kwargs))
        raise TypeError(refusal.text(self.name if me is not None else "tensorlib." + self.name,
                                     sorted(variants, key=len)))

    cdef int type_of_variables(self, tuple args):
        """The element type of the first Variable, or -1."""
        for x in args:
            if isinstance(x, VariableBase):
                return (<VariableBase>x).data_.dtype
        return -1

    def __repr__(self):
        return "<function %s of tensorlib>" % self.name

    def __reduce__(self):
        return self.name


cdef class Refusal:
    """What a call was given, told beside what the name takes, in the words of v0.2."""
    cdef tuple args
    cdef dict kwargs
    cdef int dtype
    cdef bint variables

    def __init__(self, args, kwargs, dtype, variables):
        self.args, self.kwargs, self.dtype, self.variables = args, kwargs, dtype, variables

    cdef list unknown(self, list params):
        """The keywords that are no parameters' names."""
        return sorted(set(self.kwargs) - {(<Param>p).name for p in params})

    cdef str given(self, list params):
        """The arguments' types, those in ! that do not fit the parameters; None: without a look at them."""
        cdef Param param
        told = []
        for i, x in enumerate(self.args):
            fits = params is None or i < len(params) and self.fits(params[i], x)
            told.append(described(x) if fits else "!%s!" % described(x))
        for name, x in sorted(self.kwargs.items()):
            fits = params is None or any([param.name == name and self.fits(param, x) for param in params])
            told.append(("%s=%s" if fits else "!%s=%s!") % (name, described(x)))
        return "(%s)" % ", ".join(told)

    cdef bint fits(self, Param param, object x):
        cdef PyObject* one = <PyObject*>x
        if param.kind == SIZES:
            return read_sizes(&one, 1, 0) is not MISSING
        return param.takes(x, self.dtype, self.variables)

    cdef str text(self, str name, list variants):
        cdef list params
        start = "%s received an invalid combination of arguments - got " % name
        count = len(self.args) + len(self.kwargs)
        if len(variants) == 1:
            params = variants[0]
            if self.unknown(params):
                return start + "unrecognized keyword arguments: " + ", ".join(self.unknown(params))
            given = self.given(params if len(params) == count else None)
            return "%s%s, but expected %s" % (start, given, self.expected(params))
        lines = [start + self.given(None) + ", but expected one of:"]
        for params in variants:
            lines.append(" * " + self.expected(params))
            if len(params) == count and self.unknown(params):
                lines.append("      didn't match because some of the keywords were incorrect: "
                             + ", ".join(self.unknown(params)))
            elif len(params) == count:
                lines.append("      didn't match because some of the arguments have invalid types: "
                             + self.given(params))
        return "\n".join(lines) + "\n"

    cdef str expected(self, list params):
        told = [("*, " if p is OUT else "") + (<Param>p).described(self.dtype) for p in params]
        return "(%s)" % ", ".join(told) if told else "no arguments"


# Of these the original asserts that the other operand of a Variable is no tensor.
cdef frozenset TAKE_NO_TENSOR = frozenset("add add_ sub sub_ mul div pow eq ne lt le gt ge".split())

# Of these the original counts the arguments of a Variable's method: beta, alpha and two operands.
cdef frozenset TAKE_TWO_NUMBERS = frozenset("addmm addmv addr addbmm baddbmm".split())

cdef class Function:
    """A public name as a function: self is one of the arguments."""
    cdef readonly Public public
    cdef void* vectorcall

    def __init__(self, Public public not None):
        self.public, self.vectorcall = public, <void*>call_function

    @property
    def __name__(self):
        return self.public.name

    @property
    def __doc__(self):
        return self.public.__doc__

    def __repr__(self):
        return repr(self.public)

    def __reduce__(self):
        return self.public.name


method_descriptor(Public)
cdef Public _any = Public.__new__(Public)
call_through(Public, <char*>&_any.vectorcall - <char*><void*>_any)
cdef Function _function = Function.__new__(Function)
call_through(Function, <char*>&_function.vectorcall - <char*><void*>_function)


cdef object call_function(object function, PyObject** args, size_t n, PyObject* names):
    """function(...): as a rule self is the first argument, or a sequence of tensors, and the first form fits."""
    cdef PyObject* values[MOST]
    cdef Public public = (<Function>function).public
    cdef Py_ssize_t given = count_of(n)
    cdef dict keywords = None if names == NULL else dict_of(names, args + given)
    cdef list forms = None
    cdef Form form
    cdef int dtype = -1, position
    cdef bint variables = False
    if given > 0 and (keywords is None or "out" not in keywords):
        if isinstance(<object>args[0], TensorBase):
            dtype = (<TensorBase>args[0]).dtype
            forms = public.forms if public.dtype_bits >> dtype & 1 else None
        elif isinstance(<object>args[0], VariableBase):
            variables = True
            forms = public.variable_forms if public.variable_function is None else None
        elif isinstance(<object>args[0], (tuple, list)) and (given == 1 or type(<object>args[1]) is int):
            forms = public.forms
        if forms is not None:
            position = -1 if dtype < 0 and not variables else 0
            for form in forms:
                if form.self_position != position:          # self may be elsewhere, or the form has none
                    break
                me = None if position < 0 else <object>args[0]
                made = form.match(me, args, given, position + 1, keywords, dtype, variables, values)
                if made is not NO_MATCH:
                    return form.run(values)
    return public.call_any(*tuple_of(args, given), **(keywords or {}))


cdef object call_method(object public, PyObject** args, size_t n, PyObject* names):
    """public(...) as a method: self, then the other arguments."""
    cdef PyObject* values[MOST]
    cdef Public self = <Public>public
    cdef Py_ssize_t given = count_of(n)
    cdef dict keywords = None if names == NULL else dict_of(names, args + given)
    cdef list forms
    cdef Form form
    cdef bint variables
    cdef int dtype = -1
    if given == 0:
        raise TypeError("%s: self is missing" % self.name)
    me = <object>args[0]
    variables = isinstance(me, VariableBase)
    forms = self.variable_forms if variables else self.forms
    if not variables:
        dtype = (<TensorBase?>me).dtype
    for form in forms:
        if form.self_position < 0:      # of the function alone
            continue
        made = form.match(me, args, given, 1, keywords, dtype, variables, values)
        if made is not NO_MATCH:
            return form.run(values)
    if keywords is not None and has_none(keywords):
        return public(*tuple_of(args, given), **{k: v for k, v in keywords.items() if v is not None})
    return self.refuse(me, tuple_of(args + 1, given - 1), keywords or {}, forms, dtype)


cdef bint has_none(dict kwargs):
    """Whether a keyword is None, as in sum(dim=None): where no form takes that, it is as if it were not there."""
    for value in kwargs.values():
        if value is None:
            return True
    return False


cdef str described(object x):
    if isinstance(x, TensorBase):
        return type_name(<TensorBase>x)
    if isinstance(x, VariableBase) and holds_sparse(x):
        return "%s of a %s" % (type(x).__name__, type_name((<VariableBase>x).data_))
    return type(x).__name__


cdef object no_out(str name):
    """The error for out= where the result is a number; v0.2's matmul was a Python function with an error of its own."""
    if name == "matmul":
        return ValueError("out must be None for 1-d tensor matmul, returns a scalar")
    return TypeError("tensorlib.%s received an invalid combination of arguments - got unrecognized keyword arguments: "
                     "out" % name)


cdef object write_out(str name, object out, object result, int dtype):
    """Copy a result into out=, which takes its size. A result of 0 and 1 may also go to the type of the operands."""
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError("%s: out has to be a tuple of %d tensors" % (name, len(result)))
        return tuple([write_out(name, o, r, dtype) for o, r in zip(out, result)])
    if not isinstance(result, TensorBase):
        raise no_out(name)
    cdef int made = (<TensorBase>result).dtype
    cdef bint fits = isinstance(out, TensorBase) and (
        (<TensorBase>out).dtype == made or made == U8 and (<TensorBase>out).dtype == dtype)
    if not fits:
        raise TypeError("%s: out has to be a %s, but got %s" % (name, type_name(<TensorBase>result), described(out)))
    if (<TensorBase>out).sparse or (<TensorBase>result).sparse:
        return sparse_out(name, <TensorBase>out, <TensorBase>result)
    resize(<TensorBase>out, (<TensorBase>result).ndim, (<TensorBase>result).sizes)
    copy_into(<TensorBase>out, <TensorBase>result)
    return out


cdef object sparse_out(str name, TensorBase out, TensorBase result):
    if not out.sparse or not result.sparse:
        raise TypeError("%s: out has to be a %s, but got %s" % (name, type_name(result), type_name(out)))
    become(<SparseTensor>out, <SparseTensor>result)
    return out


def set_keepdim_warning(bint on):
    """Warn where a reduction along a dim is not told keepdim, whose default v0.2 changed; returns what it was."""
    global warn_of_keepdim
    before, warn_of_keepdim = warn_of_keepdim, on
    return before
