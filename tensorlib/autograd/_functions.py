"""Operations as classes with apply(), under the names that nodes of a graph show: `Exp.apply(x)` is `x.exp()`.

Code of the time that imports such classes finds them here. They do nothing of their own: every one calls a method.
"""
from ..ops.shape import cat_sequence
from .variable import Variable

# Classes whose apply() takes a Variable and the arguments of a method: the class, the method.
METHODS = """
Index __getitem__  IndexSelect index_select  MaskedSelect masked_select  Gather gather  Chunk chunk  Unfold unfold
Transpose transpose  View view  Expand expand  Permute permute  Repeat repeat  Resize resize  Type type  Clone clone
Max max  Min min  Mode mode  Median median  Kthvalue kthvalue  Sort sort  Topk topk
Sum sum  Prod prod  Mean mean  Std std  Var var  Norm norm  Cumsum cumsum  Cumprod cumprod
Eq eq  Ne ne  Gt gt  Ge ge  Lt lt  Le le
Diag diag  Tril tril  Triu triu  Trace trace  Cross cross  Inverse inverse  Gesv gesv  Dot dot
Cmax max  Cmin min  Atan2 atan2
"""
# The same, with a last argument that asks for the change in place.
IN_PLACE = """
Add add  Sub sub  Mul mul  Div div  Pow pow  AddConstant add  MulConstant mul  Negate neg
Exp exp  Log log  Log1p log1p  Tanh tanh  Sigmoid sigmoid  Sinh sinh  Cosh cosh  Abs abs  Sqrt sqrt  Sin sin  Cos cos
Tan tan  Asin asin  Acos acos  Atan atan  Reciprocal reciprocal  Floor floor  Ceil ceil  Frac frac  Rsqrt rsqrt
Round round  Sign sign  Trunc trunc  Clamp clamp  Fmod fmod  Remainder remainder  Lerp lerp
Squeeze squeeze  Unsqueeze unsqueeze  IndexAdd index_add  IndexCopy index_copy  IndexFill index_fill
MaskedScatter masked_scatter  MaskedFill masked_fill  Scatter scatter  ScatterAdd scatter_add
"""
__all__ = []


def operation(name, call, doc):
    """Make and list a class."""
    globals()[name] = type(name, (), {"apply": staticmethod(call), "__doc__": doc, "__module__": __name__})
    __all__.append(name)


def by_method(method):
    def call(x, *args):
        return getattr(x, method)(*[a for a in args if a is not None])
    return call


def by_method_or_in_place(method):
    def call(x, *args):
        in_place = len(args) > 0 and isinstance(args[-1], bool)
        return getattr(x, method + ("_" if in_place and args[-1] else ""))(*(args[:-1] if in_place else args))
    return call


def either_order(compute):
    """Of a Variable and a number, one comes first."""
    def call(a, b, inplace=False):
        if inplace and not isinstance(a, Variable):
            raise ValueError("an operation cannot change the number %r in place" % (a,))
        return compute(a, b) if not inplace else getattr(a, compute.__name__ + "_")(b)
    return call


def sub(a, b):
    return a - b


def div(a, b):
    return a / b


def pow(a, b):
    return a ** b


def addition_of_product(method):
    """addmm and its like: apply(added, factor, factor, alpha=1, beta=1, inplace=False)."""
    def call(added, x, y, alpha=1, beta=1, inplace=False):
        return getattr(added, method + ("_" if inplace else ""))(beta, alpha, x, y)
    return call


def addition_of_scaled(method):
    """addcmul and addcdiv: apply(added, x, y, scale=1, inplace=False)."""
    def call(added, x, y, scale=1, inplace=False):
        return getattr(added, method + ("_" if inplace else ""))(scale, x, y)
    return call


def set_item(x, index, value):
    x[index] = value
    return x


def _make_all():
    for table, maker in (METHODS, by_method), (IN_PLACE, by_method_or_in_place):
        words = table.split()
        for name, method in zip(words[::2], words[1::2]):
            operation(name, maker(method), "Variable.%s." % method)
    for compute in sub, div, pow:
        operation(compute.__name__.title() + "Constant", either_order(compute),
                  "Variable.%s with a number, on either side." % compute.__name__)
    for method in "addmm addbmm baddbmm addmv addr".split():
        operation(method.title(), addition_of_product(method), "Variable.%s." % method)
    for method in "addcmul", "addcdiv":
        operation(method.title(), addition_of_scaled(method), "Variable.%s." % method)
    operation("CmaxConstant", lambda x, bound: x.clamp(min=bound), "Variable.clamp from below.")
    operation("CminConstant", lambda x, bound: x.clamp(max=bound), "Variable.clamp from above.")
    operation("Concat", lambda dim, *variables: cat_sequence(list(variables), dim), "cat.")
    operation("SetItem", set_item, "x[index] = value.")


_make_all()
