"""Losses as layers: size_average, and weights of classes as a buffer, are kept; nn.functional tells the formulas."""
from .. import functional as F
from ..functional.loss import constant_target
from ..module import Module


class _Loss(Module):
    """A loss whose only option is size_average."""

    def __init__(self, size_average=True):
        super().__init__()
        self.size_average = size_average

    def forward(self, input, target):
        return self._loss(input, target, size_average=self.size_average)


class _WeightedLoss(_Loss):
    """A loss with a buffer of weights."""

    def __init__(self, weight=None, size_average=True):
        super().__init__(size_average)
        self.register_buffer("weight", weight)

    def forward(self, input, target):
        return self._loss(input, target, self.weight, self.size_average)


class L1Loss(_Loss):
    """|x - t|, averaged over all elements.

    Args:
        size_average (bool): the mean; else the sum.
    """

    _loss = staticmethod(F.l1_loss)


class MSELoss(_Loss):
    """(x - t)^2, averaged over all elements.

    Args:
        size_average (bool): the mean; else the sum.
    """

    _loss = staticmethod(F.mse_loss)


class SmoothL1Loss(_Loss):
    """(x - t)^2 / 2 where |x - t| < 1, else |x - t| - 1/2, averaged over all elements (Girshick, 2015).

    Args:
        size_average (bool): the mean; else the sum.
    """

    _loss = staticmethod(F.smooth_l1_loss)


class KLDivLoss(_Loss):
    """t (log t - x), averaged over all elements; the input holds log-probabilities.

    Args:
        size_average (bool): the mean; else the sum.
    """

    _loss = staticmethod(F.kl_div)


class SoftMarginLoss(_Loss):
    """log(1 + e^(-t x)), t being 1 or -1, averaged over all elements.

    Args:
        size_average (bool): the mean; else the sum.
    """

    _loss = staticmethod(F.soft_margin_loss)


class MultiLabelMarginLoss(_Loss):
    """Sum over targets t and other classes i of max(0, 1 - x[t] + x[i]), divided by the number of classes.

    Args:
        size_average (bool): the mean over the batch; else the sum.

    Shape: (n, classes), and targets of the same size: each row lists classes, ended by -1.
    """

    _loss = staticmethod(F.multilabel_margin_loss)


class NLLLoss(_WeightedLoss):
    """Negative log likelihood of classes: -weight[t] x[t], divided by the sum of the weights of the targets.

    Args:
        weight (Tensor, optional): of each class.
        size_average (bool): divide by the sum of weights.
        ignore_index (int): targets that count for nothing.

    Shape: log-probabilities (n, classes) and LongTensor (n), or (n, classes, h, w) and (n, h, w).

    Example:
        >>> import tensorlib
        >>> from tensorlib import nn
        >>> Variable = tensorlib.autograd.Variable
        >>> scores = Variable(tensorlib.zeros(3, 5))
        >>> loss = nn.NLLLoss()(nn.LogSoftmax()(scores), Variable(tensorlib.LongTensor([1, 0, 4])))
        >>> "%.4f" % loss.data[0]
        '1.6094'
    """

    _loss = staticmethod(F.nll_loss)

    def __init__(self, weight=None, size_average=True, ignore_index=-100):
        super().__init__(weight, size_average)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        return self._loss(input, target, self.weight, self.size_average, self.ignore_index)


class NLLLoss2d(NLLLoss):
    """NLLLoss for images, over all pixels. Shape: (n, classes, h, w) and (n, h, w)."""


class CrossEntropyLoss(NLLLoss):
    """NLLLoss of LogSoftmax: the input holds scores of the classes. Arguments and shape as of NLLLoss."""

    _loss = staticmethod(F.cross_entropy)


class PoissonNLLLoss(Module):
    """Negative log likelihood of Poisson counts, averaged over all elements.

    Args:
        log_input (bool): the input is the logarithm of the rate, else the rate.
        full (bool): add Stirling's approximation of log(t!).
        size_average (bool): the mean; else the sum.
    """

    def __init__(self, log_input=True, full=False, size_average=True):
        super().__init__()
        self.log_input = log_input
        self.full = full
        self.size_average = size_average

    def forward(self, log_input, target):
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, self.size_average)


class BCELoss(_WeightedLoss):
    """-(t log x + (1 - t) log(1 - x)), averaged over all elements.

    Args:
        weight (Tensor, optional): of each element; it may be broadcast.
        size_average (bool): the mean; else the sum.
    """

    _loss = staticmethod(F.binary_cross_entropy)

    def forward(self, input, target):
        return super().forward(input, constant_target(target))


class BCEWithLogitsLoss(_WeightedLoss):
    """BCELoss of the sigmoid of the input, computed without overflow. Arguments as of BCELoss."""

    _loss = staticmethod(F.binary_cross_entropy_with_logits)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """BCELoss of the sigmoid of the input. Arguments as of BCELoss."""

    _loss = staticmethod(F.multilabel_soft_margin_loss)


class _MarginLoss(_Loss):
    def __init__(self, margin, size_average=True):
        super().__init__(size_average)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """x where t = 1, max(0, margin - x) where t = -1, averaged over all elements.

    Args:
        margin (float): see above.
        size_average (bool): the mean; else the sum.
    """

    def __init__(self, margin=1.0, size_average=True):
        super().__init__(margin, size_average)

    def forward(self, input, target):
        return F.hinge_embedding_loss(input, target, self.margin, self.size_average)


class CosineEmbeddingLoss(_MarginLoss):
    """1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1, averaged over the batch.

    Args:
        margin (float): from -1 to 1.
        size_average (bool): the mean; else the sum.
    """

    def __init__(self, margin=0, size_average=True):
        super().__init__(margin, size_average)

    def forward(self, input1, input2, target):
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.size_average)


class MarginRankingLoss(_MarginLoss):
    """max(0, -t (x1 - x2) + margin), t being 1 or -1, averaged over the batch.

    Args:
        margin (float): see above.
        size_average (bool): the mean; else the sum.
    """

    def __init__(self, margin=0, size_average=True):
        super().__init__(margin, size_average)

    def forward(self, input1, input2, target):
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.size_average)


class MultiMarginLoss(Module):
    """weight[t] sum over i != t of max(0, margin - x[t] + x[i])^p, divided by the number of classes.

    Args:
        p (int): 1 or 2.
        margin (float): see above.
        weight (Tensor, optional): of each class.
        size_average (bool): the mean over the batch; else the sum.
    """

    def __init__(self, p=1, margin=1, weight=None, size_average=True):
        super().__init__()
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported, got %s" % p)
        if weight is not None and weight.dim() != 1:
            raise AssertionError("weight must be 1-D, got %dD" % weight.dim())
        self.p = p
        self.margin = margin
        self.weight = weight
        self.size_average = size_average

    def forward(self, input, target):
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.size_average)


class TripletMarginLoss(Module):
    """The mean of max(0, margin + d(anchor, positive) - d(anchor, negative)).

    Args:
        margin (float): above 0.
        p (float), eps (float): of the distance.
        swap (bool): take the smaller of d(anchor, negative) and d(positive, negative) (Balntas et al., 2016).
    """

    def __init__(self, margin=1.0, p=2, eps=1e-6, swap=False):
        super().__init__()
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap)
