"""Distances and similarities as layers."""
from .. import functional as F
from ..module import Module


class PairwiseDistance(Module):
    """The p-norm of |x1 - x2| + eps, row by row. Shape: twice (n, d) to (n, 1).

    Args:
        p (float): of the norm.
        eps (float): keeps the gradient finite where rows are equal.
    """

    def __init__(self, p=2, eps=1e-6):
        super().__init__()
        self.norm = p
        self.eps = eps

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps)


class CosineSimilarity(Module):
    """x1 . x2 / max(|x1| |x2|, eps) along dim.

    Args:
        dim (int), eps (float): see above.
    """

    def __init__(self, dim=1, eps=1e-8):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1, x2):
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
