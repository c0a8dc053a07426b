"""Losses. Each gives a Variable of size (1,): with size_average the mean, over what its docstring says, else the sum.

Targets are data: one that requires grad is refused, where the loss is not differentiable in it.
"""
import math
import warnings

from ..._ops.node import name_node
from ...autograd import Variable
from ...ops import loss as rows
from ._common import as_variable


def constant_target(target):
    """The target as a Variable; one that wants a gradient is refused."""
    target = as_variable(target)
    if target.requires_grad:
        raise AssertionError("nn criterions don't compute the gradient w.r.t. targets - please mark these variables "
                             "as volatile or not requiring gradients")
    return target


def _total(losses, size_average):
    return losses.mean() if size_average else losses.sum()


def mse_loss(input, target, size_average=True):
    """(x - t)^2, averaged over all elements.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.mse_loss(Variable(tensorlib.ones(4)), Variable(tensorlib.zeros(4))).data[0]
        1.0
    """
    return rows.mse_loss(input, constant_target(target), size_average)


def l1_loss(input, target, size_average=True):
    """|x - t|, averaged over all elements."""
    return rows.l1_loss(input, constant_target(target), size_average)


def smooth_l1_loss(input, target, size_average=True):
    """(x - t)^2 / 2 where |x - t| < 1, else |x - t| - 1/2, averaged over all elements (Girshick, 2015)."""
    return rows.smooth_l1_loss(input, constant_target(target), size_average)


def kl_div(input, target, size_average=True, weight=None):
    """t (log t - x), zero where t = 0, averaged over all elements; the input holds log-probabilities.

    weight is accepted and ignored.
    """
    return rows.kl_div(input, constant_target(target), size_average)


def nll_loss(input, target, weight=None, size_average=True, ignore_index=-100):
    """Negative log likelihood: -weight[t] x[t], divided by the sum of the weights of all targets not ignored.

    Args:
        input (Variable): log-probabilities, (n, classes) or (n, classes, h, w).
        target (Variable): LongTensor of classes, (n) or (n, h, w).
        weight (Tensor, optional): of each class; 1 unless given.
        size_average (bool): divide by the sum of weights.
        ignore_index (int): targets that count for nothing.
    """
    _check_classes(input)
    return rows.nll_loss(input, constant_target(target), weight, size_average, ignore_index)


def cross_entropy(input, target, weight=None, size_average=True, ignore_index=-100):
    """nll_loss() of log_softmax(), in one pass: the input holds scores of the classes. Arguments as of nll_loss()."""
    _check_classes(input)
    return rows.cross_entropy(input, constant_target(target), weight, size_average, ignore_index)


def _check_classes(input):
    if input.dim() not in (2, 4):
        raise ValueError("Expected 2 or 4 dimensions (got %d)" % input.dim())


def poisson_nll_loss(input, target, log_input=True, full=False, size_average=True):
    """Negative log likelihood of Poisson counts, averaged over all elements.

    Args:
        input (Variable): the rate, or with log_input its logarithm.
        target (Variable): the counts.
        full (bool): add Stirling's approximation of log(t!) for t > 1.
    """
    target = constant_target(target)
    loss = input.exp() - target * input if log_input else input - target * input.log()
    if full:
        t = target.data.clamp(min=1)
        stirling = t * t.log() - t + (t * (2 * math.pi)).log() * 0.5
        loss = loss + Variable(stirling) * (target > 1).type_as(input)
    return _total(loss, size_average)


# Binary classes ------------------------------------------------------------------------------------------------

def binary_cross_entropy(input, target, weight=None, size_average=True):
    """-(t log x + (1 - t) log(1 - x)), 1e-12 added inside the logarithms, averaged over all elements.

    Args:
        input (Variable): probabilities; outside [0, 1] is a RuntimeError.
        target (Variable): as many elements, from 0 to 1.
        weight (Tensor, optional): of each element; it may be broadcast to the target's size.
    """
    _check_binary("binary_cross_entropy", input, target)
    if weight is not None:
        weight = weight.expand_as(target if isinstance(weight, Variable) else target.data)
    if not target.requires_grad:
        return rows.binary_cross_entropy(input, target, weight, size_average)
    losses = -(target * (input + 1e-12).log() + (1 - target) * (1 - input + 1e-12).log())
    return _total(losses if weight is None else losses * as_variable(weight), size_average)


def _check_binary(name, input, target):
    given = target.data if isinstance(target, Variable) else target
    if not isinstance(target, Variable) or type(given) is not type(input.data):
        raise TypeError("%s(): expected a Variable of the input's %s as target, got %s %s"
                        % (name, input.data.type(), type(target).__name__, given.type()))
    if target.size() != input.size():
        warnings.warn("Using a target size (%s) that is different to the input size (%s) is deprecated. Please ensure "
                      "they have the same size." % (tuple(target.size()), tuple(input.size())), stacklevel=3)
        if target.numel() != input.numel():
            raise ValueError("Target and input must have the same number of elements. target nelement (%d) != "
                             "input nelement (%d)" % (target.numel(), input.numel()))


def binary_cross_entropy_with_logits(input, target, weight=None, size_average=True):
    """binary_cross_entropy() of sigmoid(input), computed without overflow.

    Raises:
        ValueError: target is of another size.
    """
    if target.size() != input.size():
        raise ValueError("Target size (%s) must be the same as input size (%s)"
                         % (target.size(), input.size()))
    if weight is not None:
        weight = as_variable(weight).expand_as(input)
    if not target.requires_grad:
        return name_node(rows.binary_cross_entropy_with_logits(input, target, weight, size_average),
                         "Mean" if size_average else "Sum")
    floor = (-input).clamp(min=0)
    losses = input - input * target + floor + ((-floor).exp() + (-input - floor).exp()).log()
    return _total(losses if weight is None else losses * weight, size_average)


def soft_margin_loss(input, target, size_average=True):
    """log(1 + e^(-t x)), t being 1 or -1, averaged over all elements."""
    return rows.soft_margin_loss(input, constant_target(target), size_average)


def multilabel_soft_margin_loss(input, target, weight=None, size_average=True):
    """binary_cross_entropy() of sigmoid(input), 0/1 targets, averaged over all elements."""
    return binary_cross_entropy(input.sigmoid(), target, weight, size_average)


def hinge_embedding_loss(input, target, margin=1.0, size_average=True):
    """x where t = 1, max(0, margin - x) where t = -1, averaged over all elements."""
    if not isinstance(target, Variable):
        raise RuntimeError("hinge_embedding_loss(): expected a Variable as target, got %s" % type(target).__name__)
    return rows.hinge_embedding_loss(input, target.type_as(input), margin, size_average)


# Several classes -----------------------------------------------------------------------------------------------

def multi_margin_loss(input, target, p=1, margin=1, weight=None, size_average=True):
    """weight[t] sum over i != t of max(0, margin - x[t] + x[i])^p, divided by the number of classes.

    Args:
        input (Variable): scores, (n, classes), or (classes).
        target (Variable): LongTensor of classes, (n), or (1).
        p (int): 1 or 2.
        margin (float): the lead that the target's score should have.
        weight (Tensor, optional): of each class.
        size_average (bool): divide by n.
    """
    return rows.multi_margin_loss(input, as_variable(target), weight, p, margin, size_average)


def multilabel_margin_loss(input, target, size_average=True):
    """Sum over targets t and other classes i of max(0, 1 - x[t] + x[i]), divided by the number of classes.

    Args:
        input (Variable): scores, (n, classes), or (classes).
        target (Variable): LongTensor of the same size; each row lists classes, ended by -1.
        size_average (bool): divide by n.
    """
    return rows.multilabel_margin_loss(input, constant_target(target), size_average)


# Pairs ---------------------------------------------------------------------------------------------------------

def margin_ranking_loss(input1, input2, target, margin=0, size_average=True):
    """max(0, -t (x1 - x2) + margin), t being 1 or -1, averaged over the batch."""
    total = (-target * (input1 - input2) + margin).clamp(min=0).sum()
    return name_node(total / target.size(0) if size_average else total, "MarginRankingLoss")


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=True):
    """1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1, averaged over the batch.

    Args:
        input1, input2 (Variable): (n, features).
        target (Variable): (n), of 1 and -1.
    """
    eps = 1e-12
    dot = (input1 * input2).sum(1)
    cosine = dot / (((input1 * input1).sum(1) + eps) * ((input2 * input2).sum(1) + eps)).sqrt()
    alike, unlike = (target == 1).type_as(input1), (target == -1).type_as(input1)
    losses = (1 - cosine) * alike + (cosine - margin).clamp(min=0) * unlike
    total = losses.sum()
    return name_node(total / target.size(0) if size_average else total, "CosineEmbeddingLoss")
