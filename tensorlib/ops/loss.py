"""Rows of losses. Each gives a tensor of size (1,): a sum, or with size_average a mean. Targets get no gradient.

The derivative of a loss is a fused row, linear in the gradient `dy` of the one number; second derivatives are plain.
"""
import math

from .._ops import loss as kernels
from ._samples import arguments, positions, real
from ._table import op
from .activation import zeros
from .linalg import dot
from .softmax import softmax, softmax_grad


def flat(x):
    return x.contiguous().view(-1)


def inner(a, b):
    """Sum of a * b over all elements, of size (1,)."""
    return dot(flat(a), flat(b))


def like(t, size):
    """t in that size; a target of as many elements will do."""
    return t if t.size() == size else t.contiguous().view(size)


def share(size, size_average):
    """What an element counts in a loss: 1, or 1 / number of elements."""
    return 1 / math.prod(size) if size_average else 1


def reference(name):
    """The reference `name_ref` of `_layer_refs`, found when it is called."""
    def ref(*values):
        from . import _layer_refs
        return getattr(_layer_refs, name + "_ref")(*values)
    return ref


def pairs(low=-2, high=2):
    """Samples of an input and a target."""
    return (arguments((3, 4), (3, 4), low=low, high=high, size_average=True)
            + arguments((2, 700), (2, 700), low=low, high=high, size_average=False))


def grads(low=-2, high=2):
    """Samples of a gradient of one number, an input and a target."""
    return arguments((1,), (3, 4), (3, 4), low=low, high=high, size_average=True)


def spread(formula):
    """The reference of a derivative from the slope of an element."""
    return "dy * (%s) / (x.size if size_average else 1)" % formula


SIGNS = real([[1.0, -1, 1, 1], [-1, -1, 1, -1], [1, 1, -1, 1]])

one = op(
    "one(Tensor self)", kernels.one, public=False, ref="np.ones(1)", samples=arguments((3, 4)),
    doc="The number 1 as a tensor of self's type and size (1,).")


# ---- losses of one element each -----------------------------------------------------------------------------------

mse_loss = op(
    "mse_loss(Tensor self, Tensor target, bool size_average=True)", kernels.mse_loss, node_name="MSELoss", public=False,
    grad=dict(self=lambda g, self, target, size_average: mse_loss_grad(g, self, target, size_average)),
    ref=reference("mse_loss"), samples=pairs(),
    doc="(self - target)^2.")

mse_loss_grad = op(
    "mse_loss_grad(Tensor dy, Tensor x, Tensor target, bool size_average)", kernels.mse_loss_grad, public=False,
    grad=dict(dy=lambda g, x, target, size_average: inner(g, mse_loss_grad(one(x), x, target, size_average)),
              x=lambda g, dy, x_size, size_average: g * dy * (2 * share(x_size, size_average))),
    ref=spread("2 * (x - target)"), samples=grads(),
    doc="Derivative of mse_loss at x, times dy.")

l1_loss = op(
    "l1_loss(Tensor self, Tensor target, bool size_average=True)", kernels.l1_loss, node_name="L1Loss", public=False,
    grad=dict(self=lambda g, self, target, size_average: l1_loss_grad(g, self, target, size_average)),
    ref=reference("l1_loss"), samples=pairs(),
    doc="|self - target|.")

l1_loss_grad = op(
    "l1_loss_grad(Tensor dy, Tensor x, Tensor target, bool size_average)", kernels.l1_loss_grad, public=False,
    grad=dict(dy=lambda g, x, target, size_average: inner(g, l1_loss_grad(one(x), x, target, size_average)),
              x=lambda g: zeros(g)),
    ref=spread("np.sign(x - target)"), samples=grads(),
    doc="Derivative of l1_loss at x, times dy; 1 where x equals the target.")

smooth_l1_loss = op(
    "smooth_l1_loss(Tensor self, Tensor target, bool size_average=True)", kernels.smooth_l1_loss, public=False,
    node_name="SmoothL1Loss",
    grad=dict(self=lambda g, self, target, size_average: smooth_l1_loss_grad(g, self, target, size_average)),
    ref=reference("smooth_l1_loss"),
    samples=pairs(),
    doc="(self - target)^2 / 2 where that distance is below 1, else the distance less 1/2.")

smooth_l1_loss_grad = op(
    "smooth_l1_loss_grad(Tensor dy, Tensor x, Tensor target, bool size_average)", kernels.smooth_l1_loss_grad,
    public=False,
    grad=dict(dy=lambda g, x, target, size_average: inner(g, smooth_l1_loss_grad(one(x), x, target, size_average)),
              x=lambda g, dy, x, target, size_average: g * dy * share(x.size(), size_average)
              * ((x - like(target, x.size())).abs() < 1).type_as(x)),
    ref=spread("np.clip(x - target, -1, 1)"), samples=grads(),
    doc="Derivative of smooth_l1_loss at x, times dy.")

binary_cross_entropy = op(
    "binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, bool size_average=True)",
    kernels.binary_cross_entropy, node_name="BCELoss", public=False,
    grad=dict(self=lambda g, self, target, weight, size_average:
              binary_cross_entropy_grad(g, self, target, weight, size_average)),
    ref=reference("binary_cross_entropy"),
    samples=arguments((3, 4), (3, 4), (3, 4), low=0.1, high=0.9, size_average=True),
    doc="-(target * log(self) + (1 - target) * log(1 - self)), 1e-12 added inside the logarithms, times weight.")


def curvature_of_entropy(x, target):
    """Second derivative of binary_cross_entropy for each element."""
    low, high = x + 1e-12, 1 - x + 1e-12
    return target / (low * low) + (1 - target) / (high * high)


def weighted(x, weight):
    return x if weight is None else x * like(weight, x.size())


binary_cross_entropy_grad = op(
    "binary_cross_entropy_grad(Tensor dy, Tensor x, Tensor target, Tensor? weight, bool size_average)",
    kernels.binary_cross_entropy_grad, public=False,
    grad=dict(dy=lambda g, x, target, weight, size_average:
              inner(g, binary_cross_entropy_grad(one(x), x, target, weight, size_average)),
              x=lambda g, dy, x, target, weight, size_average:
              weighted(g * dy * share(x.size(), size_average) * curvature_of_entropy(x, like(target, x.size())),
                       weight)),
    ref=spread("(x - target) / (1 - x + 1e-12) / (x + 1e-12) * weight"),
    samples=arguments((1,), (3, 4), (3, 4), (3, 4), low=0.1, high=0.9, size_average=True),
    doc="Derivative of binary_cross_entropy at x, times dy.")

binary_cross_entropy_with_logits = op(
    "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, bool size_average=True)",
    kernels.binary_cross_entropy_with_logits, public=False,
    grad=dict(self=lambda g, self, target, weight, size_average:
              binary_cross_entropy_with_logits_grad(g, self, target, weight, size_average)),
    ref=reference("binary_cross_entropy_with_logits"),
    samples=pairs() + arguments((3, 4), (3, 4), (3, 4), size_average=True),
    doc="binary_cross_entropy of sigmoid(self), without overflow and without the 1e-12.")

binary_cross_entropy_with_logits_grad = op(
    "binary_cross_entropy_with_logits_grad(Tensor dy, Tensor x, Tensor target, Tensor? weight, bool size_average)",
    kernels.binary_cross_entropy_with_logits_grad, public=False,
    grad=dict(dy=lambda g, x, target, weight, size_average:
              inner(g, binary_cross_entropy_with_logits_grad(one(x), x, target, weight, size_average)),
              x=lambda g, dy, x, weight, size_average:
              weighted(g * dy * share(x.size(), size_average) * x.sigmoid() * (-x).sigmoid(), weight)),
    ref=spread("(1 / (1 + np.exp(-x)) - target) * (1 if weight is None else weight)"),
    samples=arguments((1,), (3, 4), (3, 4), (3, 4), size_average=True)
    + arguments((1,), (3, 4), (3, 4), weight=None, size_average=False),
    doc="(sigmoid(x) - target) * weight: derivative of binary_cross_entropy_with_logits at x, times dy.")

kl_div = op(
    "kl_div(Tensor self, Tensor target, bool size_average=True)", kernels.kl_div, node_name="KLDivLoss", public=False,
    grad=dict(self=lambda g, self, target, size_average: kl_div_grad(g, self, target, size_average)),
    ref=reference("kl_div"), samples=pairs(0.1, 2),
    doc="target * (log(target) - self), 0 where the target is not positive; self holds log-probabilities.")

kl_div_grad = op(
    "kl_div_grad(Tensor dy, Tensor x, Tensor target, bool size_average)", kernels.kl_div_grad, public=False,
    grad=dict(dy=lambda g, x, target, size_average: inner(g, kl_div_grad(one(x), x, target, size_average)),
              x=lambda g: zeros(g)),
    ref=spread("np.where(target > 0, -target, 0)"), samples=grads(),
    doc="Derivative of kl_div at x, times dy.")

soft_margin_loss = op(
    "soft_margin_loss(Tensor self, Tensor target, bool size_average=True)", kernels.soft_margin_loss, public=False,
    grad=dict(self=lambda g, self, target, size_average: soft_margin_loss_grad(g, self, target, size_average)),
    ref=reference("soft_margin_loss"), samples=pairs(),
    doc="log(1 + e^(-target * self)).")


def curvature_of_soft_margin(x, target):
    s = (x * target).sigmoid()
    return target * target * s * (1 - s)


soft_margin_loss_grad = op(
    "soft_margin_loss_grad(Tensor dy, Tensor x, Tensor target, bool size_average)", kernels.soft_margin_loss_grad,
    public=False,
    grad=dict(dy=lambda g, x, target, size_average: inner(g, soft_margin_loss_grad(one(x), x, target, size_average)),
              x=lambda g, dy, x, target, size_average:
              g * dy * share(x.size(), size_average) * curvature_of_soft_margin(x, like(target, x.size()))),
    ref=spread("-target / (1 + np.exp(x * target))"), samples=grads(),
    doc="Derivative of soft_margin_loss at x, times dy.")

hinge_embedding_loss = op(
    "hinge_embedding_loss(Tensor self, Tensor target, float margin=1, bool size_average=True)",
    kernels.hinge_embedding_loss, public=False,
    grad=dict(self=lambda g, self, target, margin, size_average:
              hinge_embedding_loss_grad(g, self, target, margin, size_average)),
    ref=reference("hinge_embedding_loss"),
    samples=arguments((3, 4), target=SIGNS, margin=0.8, size_average=True),
    doc="self where the target is 1, max(0, margin - self) where it is -1.")

hinge_embedding_loss_grad = op(
    "hinge_embedding_loss_grad(Tensor dy, Tensor x, Tensor target, float margin, bool size_average)",
    kernels.hinge_embedding_loss_grad, public=False,
    grad=dict(dy=lambda g, x, target, margin, size_average:
              inner(g, hinge_embedding_loss_grad(one(x), x, target, margin, size_average)),
              x=lambda g: zeros(g)),
    ref=reference("hinge_embedding_loss_grad"),
    samples=arguments((1,), (3, 4), target=SIGNS, margin=0.8, size_average=True),
    doc="Derivative of hinge_embedding_loss at x, times dy.")


# ---- losses of class indices --------------------------------------------------------------------------------------

TARGETS = positions([2, 0, 1])
LABELS = positions([[3, 0, -1, 1], [1, -1, 0, 2], [-1, 0, 0, 0]])
WEIGHT = real([0.5, 1, 2, 0.25])


def of_classes(*sizes, **other):
    """Samples with targets for rows of 4 classes, weighted."""
    return arguments(*sizes, target=TARGETS, weight=WEIGHT, size_average=True, ignore_index=-100, **other)


def of_planes(*sizes, **other):
    """Samples with targets for planes of 3 classes, one of which is ignored."""
    target = positions([[[0, 2], [1, 1]], [[2, 2], [0, 1]]])
    return arguments(*sizes, target=target, weight=None, size_average=False, ignore_index=1, **other)


def of_margins(*sizes, **other):
    """Samples of the multi-class margin."""
    return arguments(*sizes, target=TARGETS, weight=WEIGHT, margin=0.7, size_average=True, **other)


nll_loss = op(
    "nll_loss(Tensor self, LongTensor target, Tensor? weight=None, bool size_average=True, int ignore_index=-100)",
    kernels.nll_loss, node_name="NLLLoss", public=False,
    grad=dict(self=lambda g, self_size, target, weight, size_average, ignore_index:
              nll_loss_grad(g, self_size, target, weight, size_average, ignore_index)),
    ref=reference("nll_loss"),
    samples=of_classes((3, 4)) + of_planes((2, 3, 2, 2)),
    doc="-weight[t] * self at each target t: self (batch, classes, ...), target (batch, ...). The average is over the "
        "weights of the targets; those equal to ignore_index count for nothing.")

nll_loss_grad = op(
    "nll_loss_grad(Tensor dy, int... size, LongTensor target, Tensor? weight, bool size_average, int ignore_index)",
    kernels.nll_loss_grad, public=False,
    grad=dict(dy=lambda g, target, weight, size_average, ignore_index:
              nll_loss(g, target, weight, size_average, ignore_index)),
    ref=reference("nll_loss_grad"),
    samples=of_classes((1,), size=(3, 4)) + of_planes((1,), size=(2, 3, 2, 2)),
    doc="Derivative of nll_loss by an input of that size, times dy.")

cross_entropy = op(
    "cross_entropy(Tensor self, LongTensor target, Tensor? weight=None, bool size_average=True, int ignore_index=-100)",
    kernels.cross_entropy, node_name="NLLLoss", public=False,
    grad=dict(self=lambda g, self, target, weight, size_average, ignore_index:
              cross_entropy_grad(g, self, target, weight, size_average, ignore_index)),
    ref=reference("cross_entropy"),
    samples=of_classes((3, 4)) + of_planes((2, 3, 2, 2)),
    doc="nll_loss of log_softmax over dim 1, in one pass; its derivative takes the softmax again.")

cross_entropy_grad = op(
    "cross_entropy_grad(Tensor dy, Tensor x, LongTensor target, Tensor? weight, bool size_average, int ignore_index)",
    kernels.cross_entropy_grad, public=False,
    grad=dict(dy=lambda g, x, target, weight, size_average, ignore_index:
              inner(g, cross_entropy_grad(one(x), x, target, weight, size_average, ignore_index)),
              x=lambda g, dy, x, target, weight, size_average, ignore_index:
              curvature_of_cross_entropy(g * dy, x, target, weight, size_average, ignore_index)),
    ref=reference("cross_entropy_grad"),
    samples=of_classes((1,), (3, 4)) + of_planes((1,), (2, 3, 2, 2)),
    doc="(softmax(x) - 1 at the target) * weight, averaged as the loss was, times dy: derivative of cross_entropy.")


def curvature_of_cross_entropy(v, x, target, weight, size_average, ignore_index):
    """The second derivative of cross_entropy at x, applied to v: that of softmax, times the share of each place."""
    at_targets = nll_loss_grad(one(x), x.size(), target, weight, size_average, ignore_index)
    return softmax_grad(v * -at_targets.sum(1, True), softmax(x, 1), 1)


multi_margin_loss = op(
    "multi_margin_loss(Tensor self, LongTensor target, Tensor? weight=None, int p=1, float margin=1, "
    "bool size_average=True)", kernels.multi_margin_loss, public=False,
    grad=dict(self=lambda g, self, target, weight, p, margin, size_average:
              multi_margin_loss_grad(g, self, target, weight, p, margin, size_average)),
    ref=reference("multi_margin_loss"),
    samples=of_margins((3, 4), p=1) + of_margins((3, 4), p=2),
    doc="For each row, the sum over the classes c other than the target t of weight[t] * max(0, margin - self[t] + "
        "self[c])^p, divided by the number of classes.")

multi_margin_loss_grad = op(
    "multi_margin_loss_grad(Tensor dy, Tensor x, LongTensor target, Tensor? weight, int p, float margin, "
    "bool size_average)", kernels.multi_margin_loss_grad, public=False,
    grad=dict(dy=lambda g, x, target, weight, p, margin, size_average:
              inner(g, multi_margin_loss_grad(one(x), x, target, weight, p, margin, size_average)),
              x=lambda g, dy, x, target, weight, p, margin, size_average: zeros(g) if p == 1 else
              multi_margin_loss_curvature(g, x, target, weight, margin, size_average) * dy),
    ref=reference("multi_margin_loss_grad"),
    samples=of_margins((1,), (3, 4), p=1) + of_margins((1,), (3, 4), p=2),
    doc="Derivative of multi_margin_loss at x, times dy.")

multi_margin_loss_curvature = op(
    "multi_margin_loss_curvature(Tensor v, Tensor x, LongTensor target, Tensor? weight, float margin, "
    "bool size_average)", kernels.multi_margin_loss_curvature, public=False,
    grad=dict(v=lambda g, x, target, weight, margin, size_average:
              multi_margin_loss_curvature(g, x, target, weight, margin, size_average)),
    ref=reference("multi_margin_loss_curvature"),
    samples=of_margins((3, 4), (3, 4)),
    doc="The second derivative of multi_margin_loss with p = 2 at x, applied to v.")

multilabel_margin_loss = op(
    "multilabel_margin_loss(Tensor self, LongTensor target, bool size_average=True)", kernels.multilabel_margin_loss,
    public=False, node_name="MultiLabelMarginLoss",
    grad=dict(self=lambda g, self, target, size_average: multilabel_margin_loss_grad(g, self, target, size_average)),
    ref=reference("multilabel_margin_loss"),
    samples=arguments((3, 4), target=LABELS, size_average=True),
    doc="For each row, the sum over its targets t (up to the first -1) and the classes c that are none of "
        "max(0, 1 - self[t] + self[c]), divided by the number of classes.")

multilabel_margin_loss_grad = op(
    "multilabel_margin_loss_grad(Tensor dy, Tensor x, LongTensor target, bool size_average)",
    kernels.multilabel_margin_loss_grad, public=False,
    grad=dict(dy=lambda g, x, target, size_average:
              inner(g, multilabel_margin_loss_grad(one(x), x, target, size_average)),
              x=lambda g: zeros(g)),
    ref=reference("multilabel_margin_loss_grad"),
    samples=arguments((1,), (3, 4), target=LABELS, size_average=False),
    doc="Derivative of multilabel_margin_loss at x, times dy.")
