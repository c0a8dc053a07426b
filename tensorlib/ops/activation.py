"""Rows of the activations that are no methods of tensors. Numbers among their operands may as well be tensors.

A formula names `out` wherever the output tells as much as the input, so that the in-place twin is safe.
"""
import math

from ._samples import arguments, binary, unary
from ._table import pointwise

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def only_where_negative(g, x):
    """g where x is not positive, else zero."""
    return g - threshold_grad(g, x, 0)


def zeros(g):
    """Zeros in g's place: the derivative of what is flat almost everywhere."""
    return threshold_grad(g, g, math.inf)


# ---- threshold, relu ----------------------------------------------------------------------------------------------

threshold = pointwise(
    "threshold(Tensor self, Number threshold, Number value)", public=False, node_name="Threshold", inplace=False,
    cuda="select(self > threshold, self, value)",
    grad=dict(self=lambda g, self, threshold: threshold_grad(g, self, threshold)),
    ref="np.where(self > threshold, self, value)", samples=unary(-2, 2, threshold=0.25, value=-1.5),
    doc="self where it is above the threshold, else value.")

threshold_below = pointwise(
    "threshold_below(Tensor self, Number threshold, Number value)", kernel="threshold", public=False,
    node_name="Threshold", spares_output=True, cuda="select(self > threshold, self, value)",
    grad=dict(self=lambda g, out, threshold: threshold_grad(g, out, threshold)),
    ref="np.where(self > threshold, self, value)", samples=unary(-2, 2, threshold=0.25, value=-1.5),
    doc="threshold for a value that is not above the threshold itself: its output tells what passed.")

threshold_grad = pointwise(
    "threshold_grad(Tensor dy, Tensor x, Number threshold)", public=False, inplace=False,
    cuda="select(x > threshold, dy, 0)",
    grad=dict(dy=lambda g, x, threshold: threshold_grad(g, x, threshold), x=lambda g: zeros(g)),
    ref="np.where(x > threshold, dy, 0)", samples=arguments((3, 4), (3, 4), threshold=0.25),
    doc="dy where x is above the threshold, else 0: derivative of threshold.")

relu = pointwise(
    "relu(Tensor self)", public=False, spares_output=True, node_name="Threshold", cuda="select(self > 0, self, 0)",
    grad=dict(self=lambda g, out: relu_grad(g, out)),
    ref="np.maximum(self, 0)", samples=unary(-2, 2),
    doc="self where it is positive, else 0.")

relu_grad = pointwise(
    "relu_grad(Tensor dy, Tensor y)", public=False, inplace=False, cuda="select(y > 0, dy, 0)",
    grad=dict(dy=lambda g, y: relu_grad(g, y), y=lambda g: zeros(g)),
    ref="np.where(y > 0, dy, 0)", samples=arguments((3, 4), (3, 4)),
    doc="dy where the output y is positive: derivative of relu.")


# ---- a slope on the negative side ---------------------------------------------------------------------------------

leaky_relu = pointwise(
    "leaky_relu(Tensor self, Number negative_slope)", public=False, node_name="LeakyReLU", inplace=False,
    cuda="select(self > 0, self, self * negative_slope)",
    grad=dict(self=lambda g, self, negative_slope: leaky_relu_grad(g, self, negative_slope),
              negative_slope=lambda g, self: negative_part(g, self)),
    ref="np.where(self > 0, self, self * negative_slope)",
    samples=unary(-2, 2, negative_slope=0.1) + arguments((3, 4), (4,)),
    doc="self where it is positive, else self * negative_slope; the slope may be a tensor that broadcasts.")

leaky_relu_positive = pointwise(
    "leaky_relu_positive(Tensor self, Number negative_slope)", public=False, spares_output=True, node_name="LeakyReLU",
    kernel="leaky_relu",
    cuda="select(self > 0, self, self * negative_slope)",
    grad=dict(self=lambda g, out, negative_slope: leaky_relu_grad(g, out, negative_slope)),
    ref="np.where(self > 0, self, self * negative_slope)", samples=unary(-2, 2, negative_slope=0.1),
    doc="leaky_relu for slopes that are not negative: the output has the sign of the input.")

leaky_relu_grad = pointwise(
    "leaky_relu_grad(Tensor dy, Tensor x, Number negative_slope)", public=False, inplace=False,
    cuda="select(x > 0, dy, dy * negative_slope)",
    grad=dict(dy=lambda g, x, negative_slope: leaky_relu_grad(g, x, negative_slope),
              x=lambda g: zeros(g),
              negative_slope=lambda g, dy, x: only_where_negative(g * dy, x)),
    ref="np.where(x > 0, dy, dy * negative_slope)",
    samples=arguments((3, 4), (3, 4), negative_slope=0.1) + arguments((3, 4), (3, 4), (4,)),
    doc="dy, times the slope where x is not positive: derivative of leaky_relu.")

negative_part = pointwise(
    "negative_part(Tensor dy, Tensor x)", public=False, inplace=False, cuda="select(x > 0, 0, dy * x)",
    grad=dict(dy=lambda g, x: negative_part(g, x),
              x=lambda g, dy, x: only_where_negative(g * dy, x)),
    ref="np.where(x > 0, 0, dy * x)", samples=arguments((3, 4), (3, 4)),
    doc="dy * x where x is not positive, else 0: derivative of leaky_relu by its slope.")


# ---- exponential units --------------------------------------------------------------------------------------------

elu = pointwise(
    "elu(Tensor self, Number alpha)", public=False, node_name="ELU", cuda="select(self > 0, self, alpha * expm1(self))",
    grad=dict(self=lambda g, out, alpha: elu_grad(g, out, alpha)),
    ref="np.where(self > 0, self, alpha * np.expm1(self))", samples=unary(-2, 2, alpha=1.5),
    doc="self where it is positive, else alpha * (e^self - 1) (Clevert et al. 2015).")

elu_grad = pointwise(
    "elu_grad(Tensor dy, Tensor y, Number alpha)", public=False, inplace=False,
    cuda="select(y > 0, dy, dy * (y + alpha))",
    grad=dict(dy=lambda g, y, alpha: elu_grad(g, y, alpha),
              y=lambda g, dy, y: only_where_negative(g * dy, y)),
    ref="np.where(y > 0, dy, dy * (y + alpha))", samples=arguments((3, 4), (3, 4), alpha=1.5),
    doc="Derivative of elu at output y, times dy.")

selu = pointwise(
    "selu(Tensor self)", public=False, node_name="SELU",
    cuda="%r * select(self > 0, self, %r * expm1(self))" % (SELU_SCALE, SELU_ALPHA),
    grad=dict(self=lambda g, out: selu_grad(g, out)),
    ref="%r * np.where(self > 0, self, %r * np.expm1(self))" % (SELU_SCALE, SELU_ALPHA), samples=unary(-2, 2),
    doc="scale * elu(self, alpha), with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017).")

selu_grad = pointwise(
    "selu_grad(Tensor dy, Tensor y)", public=False, inplace=False,
    cuda="dy * select(y > 0, %r, y + %r)" % (SELU_SCALE, SELU_SCALE * SELU_ALPHA),
    grad=dict(dy=lambda g, y: selu_grad(g, y),
              y=lambda g, dy, y: only_where_negative(g * dy, y)),
    ref="dy * np.where(y > 0, %r, y + %r)" % (SELU_SCALE, SELU_SCALE * SELU_ALPHA), samples=arguments((3, 4), (3, 4)),
    doc="Derivative of selu at output y, times dy.")


# ---- hard limits --------------------------------------------------------------------------------------------------

hardtanh = pointwise(
    "hardtanh(Tensor self, Number min_val, Number max_val)", public=False, spares_output=True,
    cuda="select(self < min_val, min_val, select(self > max_val, max_val, self))",
    grad=dict(self=lambda g, out, min_val, max_val: hardtanh_grad(g, out, min_val, max_val)),
    ref="np.clip(self, min_val, max_val)", samples=unary(-2, 2, min_val=-0.5, max_val=0.75),
    doc="self, limited to [min_val, max_val].")

hardtanh_grad = pointwise(
    "hardtanh_grad(Tensor dy, Tensor y, Number min_val, Number max_val)", public=False, inplace=False,
    cuda="select(y > min_val, select(y < max_val, dy, 0), 0)",
    grad=dict(dy=lambda g, y, min_val, max_val: hardtanh_grad(g, y, min_val, max_val), y=lambda g: zeros(g)),
    ref="np.where((y > min_val) & (y < max_val), dy, 0)",
    samples=arguments((3, 4), (3, 4), min_val=-0.5, max_val=0.75),
    doc="dy strictly between the limits, else 0: derivative of hardtanh at its output, or its input.")

softshrink = pointwise(
    "softshrink(Tensor self, Number lambd)", public=False, inplace=False,
    cuda="select(self > lambd, self - lambd, select(self < -lambd, self + lambd, 0))",
    grad=dict(self=lambda g, self, lambd: shrink_grad(g, self, lambd)),
    ref="np.where(self > lambd, self - lambd, np.where(self < -lambd, self + lambd, 0))",
    samples=unary(-2, 2, lambd=0.5),
    doc="self moved towards 0 by lambd, and 0 within [-lambd, lambd].")

hardshrink = pointwise(
    "hardshrink(Tensor self, Number lambd)", public=False, inplace=False, cuda="select(fabs(self) > lambd, self, 0)",
    grad=dict(self=lambda g, self, lambd: shrink_grad(g, self, lambd)),
    ref="np.where(np.abs(self) > lambd, self, 0)", samples=unary(-2, 2, lambd=0.5),
    doc="self outside of [-lambd, lambd], else 0.")

shrink_grad = pointwise(
    "shrink_grad(Tensor dy, Tensor x, Number lambd)", public=False, inplace=False,
    cuda="select(fabs(x) > lambd, dy, 0)",
    grad=dict(dy=lambda g, x, lambd: shrink_grad(g, x, lambd), x=lambda g: zeros(g)),
    ref="np.where(np.abs(x) > lambd, dy, 0)", samples=arguments((3, 4), (3, 4), lambd=0.5),
    doc="dy where x is outside of [-lambd, lambd], else 0: derivative of softshrink and hardshrink.")


# ---- smooth ones --------------------------------------------------------------------------------------------------

softplus = pointwise(
    "softplus(Tensor self, Number beta, Number threshold)", public=False, inplace=False,
    cuda="select(beta * self > threshold, self, (fmax(beta * self, 0) + log1p(exp(-fabs(beta * self)))) / beta)",
    grad=dict(self=lambda g, out, beta, threshold: softplus_grad(g, out, beta, threshold)),
    ref="np.where(beta * self > threshold, self, np.logaddexp(0, beta * self) / beta)",
    samples=unary(-2, 2, beta=2, threshold=20),
    doc="log(1 + e^(beta * self)) / beta; self itself where beta * self is above the threshold.")

softplus_grad = pointwise(
    "softplus_grad(Tensor dy, Tensor y, Number beta, Number threshold)", public=False, inplace=False,
    cuda="select(beta * y > threshold, dy, -dy * expm1(-beta * y))",
    grad=dict(dy=lambda g, y, beta, threshold: softplus_grad(g, y, beta, threshold),
              y=lambda g, dy, y, beta, threshold: softplus_curvature(g * dy * beta, y, beta, threshold)),
    ref="np.where(beta * y > threshold, dy, -dy * np.expm1(-beta * y))",
    samples=arguments((3, 4), (3, 4), beta=2, threshold=20),
    doc="Derivative of softplus at output y, times dy. The threshold is held against the output, as it always was.")


def softplus_curvature(g, y, beta, threshold):
    """g e^(-beta y), and 0 where beta y is above the threshold."""
    curved = g * (y * -beta).exp()
    return curved - threshold_grad(curved, y * beta, threshold)


logsigmoid = pointwise(
    "logsigmoid(Tensor self)", public=False, node_name="LogSigmoid", inplace=False,
    cuda="fmin(self, 0) - log1p(exp(-fabs(self)))",
    grad=dict(self=lambda g, self: logsigmoid_grad(g, self)),
    ref="-np.logaddexp(0, -self)", samples=unary(-3, 3),
    doc="log(1 / (1 + e^-self)), without overflow.")

logsigmoid_grad = pointwise(
    "logsigmoid_grad(Tensor dy, Tensor x)", public=False, inplace=False, cuda="dy / (1 + exp(x))",
    grad=dict(dy=lambda g, x: logsigmoid_grad(g, x),
              x=lambda g, dy, x: -(g * dy * x.sigmoid() * (-x).sigmoid())),
    ref="dy / (1 + np.exp(x))", samples=arguments((3, 4), (3, 4)),
    doc="Derivative of logsigmoid at x, times dy.")

softsign = pointwise(
    "softsign(Tensor self)", public=False, inplace=False, cuda="self / (1 + fabs(self))",
    grad=dict(self=lambda g, out: g * (1 - out.abs()) * (1 - out.abs())),
    ref="self / (1 + np.abs(self))", samples=unary(-3, 3),
    doc="self / (1 + |self|).")

gated = pointwise(
    "gated(Tensor self, Tensor gate)", public=False, inplace=False, cuda="self / (1 + exp(-gate))",
    node_name="GatedLinear",
    grad=dict(self=lambda g, gate: gated(g, gate),
              gate=lambda g, self, gate: gated(g * self, gate) * (-gate).sigmoid()),
    ref="self / (1 + np.exp(-gate))", samples=binary(-3, 3),
    doc="self * sigmoid(gate): the two halves of a gated linear unit (Dauphin et al. 2016).")
