"""The table of operations: how a row is declared, checked and made public. Rows themselves stand in the files beside.

A row is an `Op`: a callable on Tensors and on Variables. `public` names are overload sets on top of rows; most
rows make their own. Everything else (methods, functions, in-place twins, stubs, docs, tests) is read off TABLE
and PUBLIC.
"""
from .._ops.copying import copy_
from .._ops.dispatch import DTYPE_NAMES
from .._ops.elementwise import Pointwise
from .._ops.recording import set_row
from .._ops.row import REQUIRED, Op
from .._ops.signature import Form, Public

TABLE = {}          # name -> Op
PUBLIC = {}         # name -> Public; a trailing underscore marks an in-place name
METHODS = {}        # name -> Public, those that are methods of tensors
FUNCTIONS = {}      # name -> Public, those that are functions of the package
VARIABLE_METHODS = {}

BYTE = (0,)
INTEGER = (0, 1, 2, 3, 4)
HALF = (5,)            # no arithmetic
REAL = (6, 7)
ALL = INTEGER + REAL
SIGNED = (2, 3, 4) + REAL       # what `abs` exists for


class Row:
    """What the Python side knows of a row: its reference, samples, CUDA text and documentation."""

    def __init__(self, types, ref, samples, tolerance, cuda, doc):
        self.types, self.ref, self.samples, self.tolerance = types, ref, tuple(samples), tolerance
        self.cuda, self.doc = cuda, doc


class number:
    """Marks a target of `public`: called on Tensors, its (1,) tensor becomes a Python number."""

    def __init__(self, target):
        self.target = target


def parse(signature):
    """Split "name(kind a, kind b=1)" into the name, the parameters with self first, and their defaults."""
    name, _, rest = signature.partition("(")
    params, defaults = [], []
    for part in [p.strip() for p in rest.rstrip(")").split(",") if p.strip() and p.strip() != "*"]:
        left, _, default = part.partition("=")
        params.append(left.split()[-1])
        defaults.append(eval(default, {"inf": float("inf")}) if default else REQUIRED)
    if "self" in params:
        at = params.index("self")
        params.insert(0, params.pop(at))
        defaults.insert(0, defaults.pop(at))
    return name, params, defaults


def op(signature, kernel, grad=None, joint=None, types=REAL, inplace=False, view=False, broadcast=False, number=False,
       public=True, variable=True, function=True, ref=None, samples=(), tolerance=None, cuda=None, doc="",
       node_name=None, constant=False, composite=None, sparse=None, sparse_inplace=None,
       spares_output=False):
    """Declare a row.

    Args:
        signature: "name(Tensor self, int dim, bool keepdim=False)"; a last parameter "*tensors" takes any number.
        kernel: callable on raw Tensors, self first, the others in order; returns a Tensor or a tuple of them.
        grad: a formula for each differentiable parameter; joint: one formula that gives all of them.
        types: codes of the element types that have it. inplace: also make `name_` (True, or a callable that works
            in place on self). view: the result shares memory with self.
        composite: the same made of rows, instead of formulas: called where the row would be recorded.
        number: the Tensor method gives a Python number. public: also bind it as method and function.
        variable: False where Variables have no such method, or a dict of forms of their own.
        ref: the same in NumPy, on arrays. samples: argument tuples for the tests (see _samples.py).
        tolerance: relative, where the default does not do. cuda: a C expression or the name of a kernel.
        node_name: what `grad_fn` is called, without "Backward"; constant: with "Constant" behind it for x + 2.
        sparse: the kernel where some tensor is sparse; sparse_inplace: the same in place.
        spares_output: v0.2 kept the input, so code may change the output in place although a formula names `out`.
    """
    name, params, defaults = parse(signature)
    variadic = bool(params) and params[-1].startswith("*")
    if variadic:
        params[-1] = params[-1][1:]
    if name in TABLE:
        raise ValueError("two rows of the name %s" % name)
    if inplace is True:
        inplace = kernel.inplace if isinstance(kernel, Pointwise) else in_place(kernel)
    row = Op(name, signature, params, defaults, kernel, grad or {}, joint, view=view, broadcast=broadcast,
             variadic=variadic, inplace_kernel=inplace or None, node_name=node_name, constant=constant,
             composite=composite, sparse=sparse, sparse_inplace=sparse_inplace, spares_output=spares_output)
    row.row = Row(tuple(types), ref, samples, tolerance, cuda, doc)
    TABLE[name] = row
    if public:
        make_public(name, {signature[signature.index("("):]: number_of(row, number)}, types, bool(inplace), variable,
                    function=function, doc=doc)
    return row


def number_of(row, is_number):
    return number(row) if is_number else row


def pointwise(signature, grad=None, types=REAL, inplace=True, to_byte=False, masked=False, divisor=-1, kernel=None,
              **more):
    """Declare a row whose CPU kernel is a row function (named like it), applied element by element.

    Tensor operands broadcast, numbers stand for constant tensors; the engine undoes broadcasting in gradients.
    """
    name, params, _ = parse(signature)
    operands = Pointwise(kernel or name, len(params), to_byte=to_byte, masked=masked, divisor=divisor)
    return op(signature, operands, grad, types=types, inplace=inplace, broadcast=True, **more)


def in_place(kernel):
    """The in-place twin of a kernel that has no better one: compute, then copy."""
    def run(self, *args):
        return copy_(self, kernel(self, *args))
    return run


def public(name, forms, types=ALL, inplace=False, variable=True, method=True, function=True, doc=""):
    """Declare a public name with several forms.

    Args:
        forms: {signature: target}; a target is a row, `number(row)`, or a Python function.
        types: codes of the element types that have it; inplace: make `name_` too, from the rows' in-place kernels.
        variable: True (Variables have the same forms), False, or a dict of forms of their own.
    """
    return make_public(name, forms, types, inplace, variable, method, function, doc)


def make_public(name, forms, types, inplace, variable, method=True, function=True, doc=""):
    of_variables = forms if variable is True else variable or {}
    made = Public(name, built(forms), built(of_variables), types, doc, function)
    PUBLIC[name] = made
    if method:
        METHODS[name] = made
    if function:
        FUNCTIONS[name] = made
    if of_variables:
        VARIABLE_METHODS[name] = made
    if inplace:
        twin = Public(name + "_", built(forms, True), built(of_variables, True), types, "In place: " + doc, False)
        PUBLIC[name + "_"] = METHODS[name + "_"] = twin
        if of_variables:
            VARIABLE_METHODS[name + "_"] = twin
    return made


def built(forms, inplace=False):
    """Form objects; for an in-place name only those whose row can work in place, with self in them."""
    made = []
    for text, target in forms.items():
        is_number = isinstance(target, number)
        target = target.target if is_number else target
        if inplace and (is_number or not getattr(target, "inplace_kernel", None)):
            continue
        if inplace and (" self" not in text or "SparseTensor self" in text and not target.sparse_inplace):
            continue
        made.append(Form(text, target, is_number, inplace))
    return made


def engine_rows(**rows_by_name):
    """Tell the engine the rows that it calls by itself."""
    for name, row in rows_by_name.items():
        set_row(name, row)


def type_names(codes):
    """"Byte, Float": element types in words."""
    return ", ".join(DTYPE_NAMES[c] for c in codes)
