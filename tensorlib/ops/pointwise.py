"""Rows that work element by element: arithmetic, comparisons, functions of a real number."""
import math

from .._ops import sparse_math
from .._ops.elementwise import Pointwise
from ._samples import arguments, binary, mask, positive, real, ternary, unary
from ._table import ALL, REAL, SIGNED, engine_rows, op, pointwise, public

# Whole numbers of both signs that do not divide evenly: what truncates and what rounds down differ.
SIGNS = arguments(self=real([7, -7, 7, -7]), other=real([2, 2, -2, -2]))
PAIRS_OF_KINDS = (("Tensor", "Tensor"), ("Tensor", "SparseTensor"), ("SparseTensor", "SparseTensor"),
                  ("SparseTensor", "Tensor"))


def pair(low, high):
    """Samples of two tensors, and of a tensor and a number."""
    return binary(low, high) + arguments((3, 4), low=low, high=high, other=2)


# ---- arithmetic ---------------------------------------------------------------------------------------

add = pointwise(
    "add(Tensor self, Tensor other)", types=ALL, public=False, cuda="self + other", constant=True,
    sparse=sparse_math.add, sparse_inplace=sparse_math.add_,
    grad=dict(self=lambda g: g, other=lambda g: g),
    ref="self + other", samples=pair(-2, 2), doc="Sum.")

add_scaled = pointwise(
    "add_scaled(Tensor self, Number value, Tensor other)", types=ALL, public=False, cuda="self + value * other",
    sparse=sparse_math.add_scaled, sparse_inplace=sparse_math.add_scaled_,
    grad=dict(self=lambda g: g, other=lambda g, value: g * value), node_name="Add",
    ref="self + value * other", samples=binary(-2, 2, value=2), doc="self + value * other.")

sub = pointwise(
    "sub(Tensor self, Tensor other)", types=ALL, public=False, cuda="self - other", constant=True,
    sparse=sparse_math.sub, sparse_inplace=sparse_math.sub_,
    grad=dict(self=lambda g: g, other=lambda g: neg(g)),
    ref="self - other", samples=pair(-2, 2), doc="Difference.")

sub_scaled = pointwise(
    "sub_scaled(Tensor self, Number value, Tensor other)", types=ALL, public=False, cuda="self - value * other",
    sparse=sparse_math.sub_scaled, sparse_inplace=sparse_math.sub_scaled_,
    grad=dict(self=lambda g: g, other=lambda g, value: g * -value), node_name="Sub",
    ref="self - value * other", samples=binary(-2, 2, value=2), doc="self - value * other.")

rsub = pointwise(
    "rsub(Tensor self, Tensor other)", types=ALL, public=False, cuda="other - self", node_name="Sub", constant=True,
    grad=dict(self=lambda g: neg(g), other=lambda g: g),
    ref="other - self", samples=pair(-2, 2), doc="other - self.")

mul = pointwise(
    "mul(Tensor self, Tensor other)", types=ALL, public=False, cuda="self * other", constant=True,
    sparse=sparse_math.mul, sparse_inplace=sparse_math.in_place(sparse_math.mul),
    grad=dict(self=lambda g, other: g * other, other=lambda g, self: g * self),
    ref="self * other", samples=pair(-2, 2), doc="Product.")

div = pointwise(
    "div(Tensor self, Tensor other)", types=ALL, public=False, divisor=1, cuda="quotient(self, other)", constant=True,
    sparse=sparse_math.div, sparse_inplace=sparse_math.in_place(sparse_math.div),
    grad=dict(self=lambda g, other: g / other, other=lambda g, self, other: neg(g * self / other / other)),
    ref="self / other", samples=pair(0.5, 2) + SIGNS, doc="Quotient; of whole numbers truncated toward zero.")

rdiv = pointwise(
    "rdiv(Tensor self, Tensor other)", types=ALL, public=False, divisor=0, cuda="quotient(other, self)",
    node_name="Div", constant=True,
    grad=dict(self=lambda g, self, other: neg(g * other / self / self), other=lambda g, self: g / self),
    ref="other / self", samples=pair(0.5, 2), doc="other / self.")

remainder = pointwise(
    "remainder(Tensor self, Tensor other)", types=ALL, public=False, divisor=1,
    cuda="remainder(self, other)",
    grad=dict(self=lambda g: g),
    ref="np.remainder(self, other)", samples=pair(0.6, 3) + SIGNS,
    doc="Remainder with the sign of the divisor.")

fmod = pointwise(
    "fmod(Tensor self, Tensor other)", types=ALL, public=False, divisor=1, cuda="fmod(self, other)",
    grad=dict(self=lambda g: g),
    ref="np.fmod(self, other)", samples=pair(0.6, 3) + SIGNS, doc="Remainder with the sign of the dividend.")

pow = pointwise(
    "pow(Tensor self, Tensor exponent)", public=False, constant=True,
    cuda="select(exponent == 2, self * self, pow(self, exponent))",
    sparse=sparse_math.pow, sparse_inplace=sparse_math.in_place(sparse_math.pow),
    grad=dict(self=lambda g, self, exponent: pow_grad(g, self, exponent),
              exponent=lambda g, self, out: g * out * log(self)),
    ref="self ** exponent", samples=binary(0.5, 2)
    + [s for n in (2, 3, 0.5, -1) for s in arguments((3, 4), low=0.5, high=2, exponent=n)], doc="Power.")


def pow_grad(g, base, exponent):
    """The derivative of base ** exponent for the base."""
    if isinstance(exponent, (int, float)) and exponent == 2:
        return g * base * 2
    return g * exponent * pow(base, exponent - 1)


rpow = op(
    "rpow(Tensor self, Number base)", lambda self, base: pow.kernel(base, self), public=False, node_name="PowConstant",
    grad=dict(self=lambda g, base, out: g * out * (math.log(base) if base > 0 else math.nan if base < 0 else 0)),
    ref="base ** self", samples=unary(-2, 2, base=1.5), doc="base ** self.")

neg = pointwise(
    "neg(Tensor self)", public=False, cuda="-self", grad=dict(self=lambda g: neg(g)), node_name="Negate",
    sparse=sparse_math.neg, sparse_inplace=sparse_math.in_place(sparse_math.neg),
    ref="-self", samples=unary(-2, 2), doc="Minus each element.")

lerp = pointwise(
    "lerp(Tensor self, Tensor end, Number weight)", cuda="self + weight * (end - self)",
    grad=dict(self=lambda g, weight: g * (1 - weight), end=lambda g, weight: g * weight),
    ref="self + weight * (end - self)", samples=binary(-2, 2, weight=0.25),
    doc="Linear interpolation, self + weight * (end - self).")

addcmul = pointwise(
    "addcmul(Tensor self, Number value=1, Tensor tensor1, Tensor tensor2)", types=ALL, public=False,
    sparse=sparse_math.addcmul, sparse_inplace=sparse_math.addcmul_,
    cuda="self + value * tensor1 * tensor2",
    grad=dict(self=lambda g: g, tensor1=lambda g, value, tensor2: g * tensor2 * value,
              tensor2=lambda g, value, tensor1: g * tensor1 * value),
    ref="self + value * tensor1 * tensor2", samples=ternary(-2, 2, value=3),
    doc="self + value * tensor1 * tensor2.")

addcdiv = pointwise(
    "addcdiv(Tensor self, Number value=1, Tensor tensor1, Tensor tensor2)", types=ALL, divisor=3,
    cuda="self + quotient(value * tensor1, tensor2)",
    grad=dict(self=lambda g: g, tensor1=lambda g, value, tensor2: g * value / tensor2,
              tensor2=lambda g, value, tensor1, tensor2: neg(g * value * tensor1 / tensor2 / tensor2)),
    ref="self + value * tensor1 / tensor2", samples=ternary(0.5, 2, value=3)
    + arguments(self=real([7, -7]), tensor1=real([7, -7]), tensor2=real([2, 2]), value=1),
    doc="self + value * tensor1 / tensor2.")

# ---- comparisons --------------------------------------------------------------------------------------


def comparison(name, symbol, doc):
    """A row that gives a ByteTensor of 0 and 1; in place it writes them in self's own type."""
    row = pointwise(
        "%s(Tensor self, Tensor other)" % name, types=ALL, public=False, to_byte=True, cuda="self %s other" % symbol,
        inplace=Pointwise(name + "_same", 2).inplace, ref="self %s other" % symbol, samples=pair(-2, 2),
        doc=doc)
    public(name, {"(Tensor self, Number value)": row, "(Tensor self, Tensor other)": row}, types=ALL, inplace=True,
           doc=doc)
    return row


eq = comparison("eq", "==", "1 where equal, else 0.")
ne = comparison("ne", "!=", "1 where different, else 0.")
lt = comparison("lt", "<", "1 where less, else 0.")
le = comparison("le", "<=", "1 where less or equal, else 0.")
gt = comparison("gt", ">", "1 where greater, else 0.")
ge = comparison("ge", ">=", "1 where greater or equal, else 0.")

where = pointwise(
    "where(ByteTensor condition, Tensor x, Tensor y)", types=ALL, public=False, inplace=False, masked=True,
    cuda="select(condition, x, y)",
    grad=dict(x=lambda g, condition: where(condition, g, 0), y=lambda g, condition: where(condition, 0, g)),
    ref="np.where(condition, x, y)", samples=arguments((3, 4), (3, 4), condition=mask([[1, 0, 0, 1]]))
    + arguments((4,), (3, 1), condition=mask([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 0]])),
    doc="x where the mask is set, else y.")

cmax = pointwise(
    "cmax(Tensor self, Tensor other)", types=ALL, public=False, cuda="select(self >= other, self, other)",
    grad=dict(self=lambda g, self, other: where(self >= other, g, 0),
              other=lambda g, self, other: where(self < other, g, 0)),
    ref="np.maximum(self, other)", samples=pair(-2, 2), doc="The larger of two, element by element.")

cmin = pointwise(
    "cmin(Tensor self, Tensor other)", types=ALL, public=False, cuda="select(self <= other, self, other)",
    grad=dict(self=lambda g, self, other: where(self <= other, g, 0),
              other=lambda g, self, other: where(self > other, g, 0)),
    ref="np.minimum(self, other)", samples=pair(-2, 2), doc="The smaller of two, element by element.")

clamp_both = pointwise(
    "clamp_both(Tensor self, Number min, Number max)", types=ALL, public=False, kernel="clamp", node_name="Clamp",
    cuda="select(self < min, min, select(self > max, max, self))",
    grad=dict(self=lambda g, self, min, max: where((self >= min) * (self <= max), g, 0)),
    ref="np.clip(self, min, max)", samples=unary(-2, 2, min=-1, max=1), doc="Limit to [min, max].")

clamp_min = pointwise(
    "clamp_min(Tensor self, Number min)", types=ALL, public=False, node_name="CmaxConstant",
    cuda="select(self > min, self, min)", grad=dict(self=lambda g, self, min: where(self > min, g, 0)),
    ref="np.maximum(self, min)", samples=unary(-2, 2, min=-1), doc="Limit from below.")

clamp_max = pointwise(
    "clamp_max(Tensor self, Number max)", types=ALL, public=False, node_name="CminConstant",
    cuda="select(self < max, self, max)", grad=dict(self=lambda g, self, max: where(self < max, g, 0)),
    ref="np.minimum(self, max)", samples=unary(-2, 2, max=1), doc="Limit from above.")

# ---- functions of a real number -----------------------------------------------------------------------


def real(name, grad, ref, samples, doc, cuda=None, **more):
    """A row of one real argument."""
    return pointwise("%s(Tensor self)" % name, cuda=cuda or "%s(self)" % name, grad=dict(self=grad), ref=ref,
                     samples=samples, doc=doc, **more)


exp = real("exp", lambda g, out: g * out, "np.exp(self)", unary(-3, 3), "e to the power of each element.")
log = real("log", lambda g, self: g / self, "np.log(self)", positive(), "Natural logarithm.")
log1p = real("log1p", lambda g, self: g / (self + 1), "np.log1p(self)", unary(-0.5, 3), "log(1 + x).")
sqrt = real("sqrt", lambda g, out: sqrt_grad(g, out), "np.sqrt(self)", positive(), "Square root.",
            spares_output=True)
rsqrt = real("rsqrt", lambda g, out: g * (out * out * out) * -0.5, "1 / np.sqrt(self)", positive(), "1 / sqrt(x).",
             spares_output=True)
reciprocal = real("reciprocal", lambda g, out: neg(g * out * out), "1 / self", positive(), "1 / x.", cuda="1 / self")
sin = real("sin", lambda g, self: g * cos(self), "np.sin(self)", unary(-3, 3), "Sine.")
cos = real("cos", lambda g, self: neg(g * sin(self)), "np.cos(self)", unary(-3, 3), "Cosine.")
tan = real("tan", lambda g, out: g * (out * out + 1), "np.tan(self)", unary(-1, 1), "Tangent.",
           spares_output=True)
asin = real("asin", lambda g, self: g * rsqrt(1 - self * self), "np.arcsin(self)", unary(-0.9, 0.9), "Arcsine.")
acos = real("acos", lambda g, self: neg(g * rsqrt(1 - self * self)), "np.arccos(self)", unary(-0.9, 0.9), "Arccosine.")
atan = real("atan", lambda g, self: g / (self * self + 1), "np.arctan(self)", unary(-3, 3), "Arctangent.")
sinh = real("sinh", lambda g, self: g * cosh(self), "np.sinh(self)", unary(-3, 3), "Hyperbolic sine.")
cosh = real("cosh", lambda g, self: g * sinh(self), "np.cosh(self)", unary(-3, 3), "Hyperbolic cosine.")
tanh = real("tanh", lambda g, out: tanh_grad(g, out), "np.tanh(self)", unary(-3, 3), "Hyperbolic tangent.")
sigmoid = real("sigmoid", lambda g, out: sigmoid_grad(g, out), "1 / (1 + np.exp(-self))", unary(-3, 3),
               "1 / (1 + exp(-x)).")
floor = real("floor", lambda g: zero_like(g), "np.floor(self)", unary(-3, 3), "The next whole number below.")
ceil = real("ceil", lambda g: zero_like(g), "np.ceil(self)", unary(-3, 3), "The next whole number above.")
round = real("round", lambda g: zero_like(g), "np.sign(self) * np.floor(np.abs(self) + 0.5)", unary(-3, 3),
             "The nearest whole number, halves away from zero.")
trunc = real("trunc", lambda g: zero_like(g), "np.trunc(self)", unary(-3, 3), "Without the fraction.")
frac = real("frac", lambda g: g, "self - np.trunc(self)", unary(-3, 3), "The fraction, with its sign.",
            cuda="self - trunc(self)")
abs = real("abs", lambda g, self: g * sign(self), "np.abs(self)", unary(-3, 3), "Absolute value.", types=SIGNED)
sign = real("sign", lambda g: zero_like(g), "np.sign(self)", unary(-3, 3), "-1, 0 or 1.", types=ALL,
            cuda="(self > 0) - (self < 0)")

lgamma = pointwise("lgamma(Tensor self)", cuda="lgamma(self)", variable=False,
                   ref="np.vectorize(math.lgamma)(self)", samples=positive(), doc="Logarithm of the gamma function.")

atan2 = pointwise(
    "atan2(Tensor self, Tensor other)", cuda="atan2(self, other)",
    grad=dict(self=lambda g, self, other: g * other / (self * self + other * other),
              other=lambda g, self, other: neg(g * self / (self * self + other * other))),
    ref="np.arctan2(self, other)", samples=binary(0.5, 2), doc="The angle of the point (other, self).")

# ---- derivatives in one pass --------------------------------------------------------------------------

tanh_grad = pointwise(
    "tanh_grad(Tensor dy, Tensor y)", public=False, inplace=False, cuda="dy * (1 - y * y)",
    grad=dict(dy=lambda g, y: tanh_grad(g, y), y=lambda g, dy, y: g * dy * y * -2),
    ref="dy * (1 - y * y)", samples=binary(-1, 1), doc="Derivative of tanh at output y, times dy.")

sigmoid_grad = pointwise(
    "sigmoid_grad(Tensor dy, Tensor y)", public=False, inplace=False, cuda="dy * y * (1 - y)",
    grad=dict(dy=lambda g, y: sigmoid_grad(g, y), y=lambda g, dy, y: g * dy * (1 - y * 2)),
    ref="dy * y * (1 - y)", samples=binary(0.1, 0.9), doc="Derivative of sigmoid at output y, times dy.")

sqrt_grad = pointwise(
    "sqrt_grad(Tensor dy, Tensor y)", public=False, inplace=False, cuda="dy / (2 * y)",
    grad=dict(dy=lambda g, y: sqrt_grad(g, y), y=lambda g, dy, y: neg(g * dy / (y * y * 2))),
    ref="dy / (2 * y)", samples=binary(0.5, 2), doc="Derivative of sqrt at output y, times dy.")

zero_like = op("zero_like(Tensor self)", lambda self: self.new(self.size()).zero_(), public=False, types=ALL,
               grad=dict(self=lambda g: zero_like(g)), ref="np.zeros_like(self)", samples=unary(-1, 1),
               doc="Zeros of the same size and type.")

# ---- public names with several forms ------------------------------------------------------------------

for _name, _row, _scaled in (("add", add, add_scaled), ("sub", sub, sub_scaled)):
    _pairs = {"(%s self, %s other)" % kinds: _row for kinds in PAIRS_OF_KINDS}
    public(_name, {"(Tensor self, Number value)": _row, **_pairs,
                   **{"(%s self, Number value, %s other)" % kinds: _scaled for kinds in PAIRS_OF_KINDS}},
           types=ALL, inplace=True, variable={"(Tensor self, Number other)": _row, **_pairs},
           doc="self {0} value, self {0} other, or self {0} value * other.".format("+" if _row is add else "-"))
public("mul", {"(Tensor self, Number value)": mul, "(SparseTensor self, Number value)": mul,
               **{"(%s self, %s other)" % kinds: mul for kinds in PAIRS_OF_KINDS}},
       types=ALL, inplace=True, doc="Product.")
public("div", {"(Tensor self, Number value)": div, "(SparseTensor self, Number value)": div,
               "(Tensor self, Tensor other)": div}, types=ALL, inplace=True, doc=div.row.doc)
for _name, _row in (("remainder", remainder), ("fmod", fmod)):
    public(_name, {"(Tensor self, Number value)": _row, "(Tensor self, Tensor other)": _row}, types=ALL, inplace=True,
           doc=_row.row.doc)
public("pow", {"(Tensor self, Number exponent)": pow, "(SparseTensor self, Number exponent)": pow,
               "(Tensor self, Tensor exponent)": pow, "(Number base, Tensor self)": rpow}, types=REAL, inplace=True,
       doc="Power of tensors and numbers.")
public("neg", {"(Tensor self)": neg, "(SparseTensor self)": neg}, types=REAL, inplace=True, doc=neg.row.doc)
public("addcmul", {"(%s self, Number value=1, %s tensor1, %s tensor2)" % kinds: addcmul
                   for kinds in (("Tensor", "Tensor", "Tensor"), ("Tensor", "SparseTensor", "SparseTensor"))},
       types=ALL, inplace=True, doc=addcmul.row.doc)
public("clamp", {"(Tensor self, Number min, Number max)": clamp_both, "(Tensor self, *, Number min)": clamp_min,
                 "(Tensor self, *, Number max)": clamp_max}, types=ALL, inplace=True,
       doc="Limit to [min, max]; either bound may stand alone, by keyword.")
public("where", {"(ByteTensor condition, Tensor x, Tensor y)": where}, types=ALL, method=False,
       doc="x where the mask is set, else y.")

engine_rows(add=add, sub=sub, rsub=rsub, mul=mul, div=div, rdiv=rdiv, pow=pow, rpow=rpow, remainder=remainder, neg=neg,
            eq=eq, ne=ne, lt=lt, le=le, gt=gt, ge=ge)
