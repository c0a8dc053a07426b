"""Distances and similarities of vectors."""
from ...ops import pointwise


def pairwise_distance(x1, x2, p=2, eps=1e-6):
    """The p-norm of |x1 - x2| + eps, row by row.

    Args:
        x1, x2 (Variable): (n, features), of one size.
        p (float): of the norm.
        eps (float): keeps the gradient finite where rows are equal.

    Returns:
        a Variable of size (n, 1).
    """
    if x1.size() != x2.size():
        raise AssertionError("Input sizes must be equal: %s and %s" % (tuple(x1.size()), tuple(x2.size())))
    if x1.dim() != 2:
        raise AssertionError("Input must be a 2D matrix, got size %s" % (tuple(x1.size()),))
    return ((x1 - x2).abs() + eps).pow(p).sum(1, True).pow(1.0 / p)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / max(|x1| |x2|, eps) along dim, which goes.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.cosine_similarity(Variable(tensorlib.ones(1, 2)), Variable(tensorlib.ones(1, 2))).size()
        tensorlib.Size([1])
    """
    dot = (x1 * x2).sum(dim)
    return (dot / (x1.norm(2, dim) * x2.norm(2, dim)).clamp(min=eps)).squeeze()


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False):
    """The mean of max(0, margin + d(anchor, positive) - d(anchor, negative)).

    Args:
        anchor, positive, negative (Variable): (n, features), of one size.
        margin (float): above 0.
        p, eps: as of pairwise_distance().
        swap (bool): take the smaller of d(anchor, negative) and d(positive, negative) (Balntas et al., 2016).
    """
    if anchor.size() != positive.size() or anchor.size() != negative.size():
        raise AssertionError("Input sizes must be equal: %s, %s and %s"
                             % (tuple(anchor.size()), tuple(positive.size()), tuple(negative.size())))
    if anchor.dim() != 2:
        raise AssertionError("Inputs must be 2D matrices, got size %s" % (tuple(anchor.size()),))
    if margin <= 0:
        raise AssertionError("Margin should be positive value, got %s" % margin)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = pointwise.cmin(far, pairwise_distance(positive, negative, p, eps))
    return (near - far + margin).clamp(min=0).mean()
