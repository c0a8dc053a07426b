"""Local response normalisation."""
from .. import functional as F
from ..module import Module


class CrossMapLRN2d(Module):
    """Divide by (k + alpha / size * sum of squares over the neighbouring channels)^beta (Krizhevsky et al., 2012).

    Args:
        size (int): how many channels are neighbours.
        alpha (float), beta (float), k (float): see above.

    Shape: (n, c, h, w), and the same out.
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input):
        return F.cross_map_lrn2d(input, self.size, self.alpha, self.beta, self.k)

    def __repr__(self):
        return "%s (, alpha=%s, beta=%s, k=%s)" % (type(self).__name__, self.alpha, self.beta, self.k)
