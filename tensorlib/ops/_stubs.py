"""Type stubs of the compiled classes and of the package, written from the live table.

What the table cannot tell, the type of a result, is found by calling the target once with small arguments. Stubs
promise a little more than is there: each tensor class has the methods of all.
"""
import inspect
import keyword

from .._ops.dispatch import DTYPE_NAMES
from .._ops.row import Op
from .._ops.variable import VariableBase
from .._ops.tensor import FloatTensor, LongTensor, TensorBase
from ._table import FUNCTIONS, METHODS, VARIABLE_METHODS

HEAD = '"""Written by `python -m tensorlib.ops` from the table of operations; do not edit."""\n# mypy: ignore-errors\n'
# Inside a class `float` is the method of that name: hence aliases.
ALIASES = "_int = int\n_float = float\n_bool = bool"
PLAIN = {"SparseTensor": "TensorBase", "Number": "_float", "int": "_int", "float": "_float", "bool": "_bool"}
TENSOR_NAMES = [name + "Tensor" for name in DTYPE_NAMES]
# Methods outside of the table whose results are worth a type.
RETURNS = dict.fromkeys("dim ndimension numel nelement element_size storage_offset data_ptr".split(), "_int")
RETURNS.update(dict.fromkeys("is_contiguous is_set_to is_same_size is_signed is_shared is_pinned".split(), "_bool"))
RETURNS.update({name.lower(): name + "Tensor" for name in DTYPE_NAMES})
RETURNS.update(item="_float", cpu="T", new="T", view_as="T", expand_as="T", pin_memory="T")
ARITHMETIC = "add radd sub rsub mul rmul truediv rtruediv mod pow matmul iadd isub imul itruediv ipow".split()
COMPARISONS = "eq ne lt le gt ge".split()


# ---- types of results ---------------------------------------------------------------------------------


def type_of(x):
    """The type of a result as a FloatTensor sees it: T for its own type."""
    if isinstance(x, tuple):
        inner = [type_of(part) for part in x]
        return "tuple[%s]" % ", ".join(inner) if len(inner) < 4 and len(set(inner)) > 1 else "tuple[%s, ...]" % inner[0]
    if isinstance(x, TensorBase):
        return "T" if type(x) is FloatTensor else type(x).__name__
    return {bool: "_bool", int: "_float", float: "_float"}.get(type(x), "Any")


def value_of(x):
    """A sample's argument as a tensor where it stands for one."""
    array = x if hasattr(x, "dtype") and hasattr(x, "tolist") else None
    if array is None:
        return x
    make = {"int64": LongTensor, "float64": FloatTensor}.get(str(array.dtype))
    return make(array.tolist()) if make else LongTensor(array.tolist()).byte()


def arguments_of(target, form):
    """Small arguments for the target of a form: of a row those of its first sample, else by the kinds of parameters."""
    if isinstance(target, Op) and target.row.samples:
        sample = target.row.samples[0]
        drawn = [FloatTensor(*size).uniform_(sample.low, sample.high) for size in sample.sizes]
        return [value_of(x) for x in sample.arguments(target, drawn)]
    me = FloatTensor(3, 4).uniform_(0.2, 0.8)
    values = {"Tensor": me, "int": 1, "Number": 1, "float": 0.5, "bool": False, "Tensors": [me, me], "int...": (3, 4)}
    given = [p.default if p.optional else values.get(p.text.split()[0], me.gt(0)) for p in form.params]
    return ([me] if form.self_position >= 0 else []) + given


def result_type(name, form):
    """The type that a form gives: T, a class, a number, a tuple, or Any where a trial fails."""
    if form.inplace or name.endswith("_"):
        return "T"
    if form.of_sparse:
        return "Any"
    try:
        found = type_of(form.target(*arguments_of(form.target, form)))
    except Exception:
        return "Any"
    return "_float" if form.number else found


# ---- parameters ---------------------------------------------------------------------------------------


def annotation(param, tensor):
    """The type of a parameter; `tensor` stands for the type of self."""
    kind = param.text.split()[0]
    if kind.rstrip("?") == "Tensor" or tensor == "Variable" and kind.rstrip("?") in TENSOR_NAMES + ["SparseTensor"]:
        found = tensor
    elif kind == "Tensors":
        found = "Sequence[%s]" % tensor
    else:
        found = PLAIN.get(kind.rstrip("?")) or (kind.rstrip("?") if kind.rstrip("?") in TENSOR_NAMES else "Any")
    return "Optional[%s]" % found if kind.endswith("?") else found


def written(param, tensor, required=False):
    name = param.name + "_" if keyword.iskeyword(param.name) else param.name
    text = "%s: %s" % (name, annotation(param, tensor))
    return text if not param.optional or required else "%s = %r" % (text, param.default) if param.default not in (
        float("inf"), -float("inf")) else text + " = ..."


def parameter_lists(form, tensor, as_function):
    """Lists of written parameters: one, or several where sizes may be a sequence and numbers may be left out."""
    params = list(form.params)
    if as_function and form.self_position >= 0:
        params.insert(form.self_position, None)
    last = max([i for i, p in enumerate(params) if p is None or not p.optional and not p.keyword_only], default=-1)
    early = [i for i, p in enumerate(params[:max(last, 0)]) if p is not None and p.optional]
    lists = []
    for n in range(len(early) + 1):         # how many of the numbers before a tensor are given
        kept = [p for i, p in enumerate(params) if i not in early[n:]]
        lists.append(one_list(kept, tensor, set(params[i] for i in early[:n])))
    if params and params[-1] is not None and params[-1].text.startswith("int..."):
        sizes = params[-1].name
        lists = [head[:-1] + [tail] for head in lists for tail in ("*%s: _int" % sizes, "%s: Sequence[_int]" % sizes)]
    return lists


def one_list(params, tensor, required):
    made, star = [], False
    for p in params:
        if p is not None and p.keyword_only and not star:
            made.append("*")
            star = True
        made.append("self: " + tensor if p is None else written(p, tensor, p in required))
    return made


# ---- functions and methods ----------------------------------------------------------------------------


def signatures(public, forms, tensor, as_function=False):
    """(parameters, result) of every way to call a public name."""
    found = []
    dense = [form for form in forms if not form.of_sparse]      # what they say of self holds for sparse ones too
    for form in dense or forms:
        result = result_type(public.name, form)
        if tensor == "Variable":
            unknown = result == "Any" and not form.of_sparse
            result = "Any" if unknown else "tuple[Variable, ...]" if result.startswith("tuple") else "Variable"
        for params in parameter_lists(form, tensor, as_function):
            if not as_function:
                params = ["self: T" if tensor == "T" else "self"] + params
            elif tensor == "T" and result in ["T"] + TENSOR_NAMES:
                params = params + (["*"] if "*" not in params and not params[-1].startswith("*") else [])
                params = params + ["out: Optional[%s] = None" % result]
            elif tensor == "T" and result.startswith("tuple"):
                params = params + ["*", "out: Any = None"]
            if params not in [known for known, _ in found]:
                found.append((params, result))
    return found


def definitions(name, found, indent):
    """The def, or the overloads, of a name."""
    decorator = [indent + "@overload"] if len(found) > 1 else []
    return [line for params, result in found
            for line in decorator + ["%sdef %s(%s) -> %s: ..." % (indent, name, ", ".join(params), result)]]


def of_python(name, function):
    """A method that Python or Cython code defines."""
    result = RETURNS.get(name, "T" if name.endswith("_") and not name.startswith("_") else "Any")
    try:
        params = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return "    def %s(self: T, *args: Any, **kwargs: Any) -> %s: ..." % (name, result)
    parts = [name_with_default(p) for p in list(params)[1:]]
    if any(p.kind is p.KEYWORD_ONLY for p in params) and not any(p.kind is p.VAR_POSITIONAL for p in params):
        parts.insert([p.kind for p in list(params)[1:]].index(inspect.Parameter.KEYWORD_ONLY), "*")
    return "    def %s(%s) -> %s: ..." % (name, ", ".join(["self: T"] + parts), result)


def name_with_default(p):
    stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
    return "%s%s: Any%s" % (stars, p.name, "" if p.default is p.empty else " = ...")


def operators(other):
    lines = ["    def __%s__(self: T, other: Any) -> %s: ..." % (name, other or "T") for name in ARITHMETIC]
    lines += ["    def __%s__(self, other: Any) -> %s: ..." % (name, other or "ByteTensor") for name in COMPARISONS]
    return lines + ["    def __neg__(self: T) -> %s: ..." % (other or "T"), "    def __len__(self) -> _int: ...",
                    "    def __bool__(self) -> _bool: ...", "    def __getitem__(self, key: Any) -> Any: ...",
                    "    def __setitem__(self, key: Any, value: Any) -> None: ...",
                    "    def __iter__(self) -> Iterator[Any]: ...", "    def __hash__(self) -> _int: ..."]


def tensor_stub():
    """_ops/tensor.pyi: the tensor classes."""
    lines = [HEAD, "from typing import Any, Iterator, Optional, Sequence, TypeVar, overload\n",
             'T = TypeVar("T", bound="TensorBase")', ALIASES + "\n",
             "class Size(tuple[int, ...]):", "    def __init__(self, sizes: Sequence[int] = ...) -> None: ...",
             "    def numel(self) -> int: ...\n", "class TensorBase:",
             "    shape: Size", "    is_cuda: _bool", "    is_sparse: _bool",
             "    def __init__(self, *args: Any) -> None: ..."] + operators(None)
    for name in sorted(set(METHODS) | {n for n in vars(TensorBase) if not n.startswith("_")}):
        if name in METHODS:
            lines += definitions(name, signatures(METHODS[name], METHODS[name].forms, "T"), "    ")
        elif callable(getattr(TensorBase, name)):
            lines.append(of_python(name, getattr(TensorBase, name)))
    lines += [""] + ["class %s(TensorBase): ..." % name for name in TENSOR_NAMES]
    return "\n".join(lines + ["", "def __getattr__(name: str) -> Any: ..."]) + "\n"


def variable_stub():
    """_ops/variable.pyi: what Variables have from the table."""
    lines = [HEAD, "from typing import Any, Iterator, Optional, Sequence, TypeVar, overload\n",
             "from ..autograd.variable import Variable\nfrom .tensor import TensorBase\n",
             'T = TypeVar("T", bound="VariableBase")', ALIASES + "\n", "class VariableBase:", "    data: TensorBase",
             "    grad: Optional[Variable]", "    requires_grad: _bool", "    volatile: _bool", "    is_leaf: _bool",
             "    is_sparse: _bool", "    grad_fn: Any", "    output_nr: _int",
             "    def __init__(self, data: Optional[TensorBase] = None, requires_grad: _bool = False, "
             "volatile: _bool = False) -> None: ..."] + operators("Variable")
    for name in sorted(set(VARIABLE_METHODS) | {n for n in vars(VariableBase) if not n.startswith("_")}):
        if name in VARIABLE_METHODS:
            found = signatures(VARIABLE_METHODS[name], VARIABLE_METHODS[name].variable_forms, "Variable")
            lines += definitions(name, found, "    ")
        elif callable(getattr(VariableBase, name)):
            lines.append(of_python(name, getattr(VariableBase, name)))
    return "\n".join(lines + ["", "def __getattr__(name: str) -> Any: ..."]) + "\n"


def package_stub():
    """__init__.pyi: the names of the package, the functions of the table among them."""
    from .. import random, tensor
    from ..storage import CLASSES
    imports = {
        ".": "autograd cuda distributed multiprocessing nn optim random serialization utils vision".split(),
        "._ops.dispatch": ["get_num_threads", "set_num_threads"],
        "._ops.storage": ["empty_cache", "memory_stats", "set_cache_limit"],
        "._ops.tensor": ["TensorBase"] + TENSOR_NAMES,
        ".backends.cudnn": ["has_cudnn"],
        ".ops.contract": ["einsum"],
        ".autograd": ["Variable", "enable_grad", "no_grad"],
        ".random": random_names(random),
        ".serialization": ["load", "save"],
        ".tensor": [n for n in tensor.__all__ if n not in FUNCTIONS and n not in TENSOR_NAMES + ["TensorBase"]],
        ".version": ["__version__"],
    }
    lines = [HEAD, "from typing import Any, Optional, Sequence, TypeVar, overload\n"]
    lines += ["from %s import %s" % (module, ", ".join("%s as %s" % (n, n) for n in names))     # `as` exports them
              for module, names in imports.items()]
    lines += [
             'T = TypeVar("T", bound=TensorBase)', ALIASES]
    lines += ["%s: Any" % cls.__name__ for cls in CLASSES] + [""]
    for name in sorted(FUNCTIONS):
        public = FUNCTIONS[name]
        found = signatures(public, public.forms, "T", True)
        found += signatures(public, public.variable_forms, "Variable", True)
        lines += definitions(name, found, "")
    return "\n".join(lines) + "\n"


def random_names(random):
    names = "Generator default_generator get_rng_state initial_seed manual_seed rand randn randperm set_rng_state"
    return [name for name in names.split() if hasattr(random, name)]
