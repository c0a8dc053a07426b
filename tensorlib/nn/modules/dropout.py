"""Dropout layers: active in training, not in evaluation."""
from .. import functional as F
from ..module import Module


class _Dropout(Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("dropout probability has to be between 0 and 1, but got %s" % p)
        self.p = p
        self.inplace = inplace

    def forward(self, input):
        return self._drop(input, self.p, self.training, self.inplace)

    def __repr__(self):
        return "%s (p=%s%s)" % (type(self).__name__, self.p, ", inplace" if self.inplace else "")


class Dropout(_Dropout):
    """Zero each element with probability p in training, and scale the others by 1 / (1 - p).

    Args:
        p (float): from 0 to 1.
        inplace (bool): overwrite the input.

    Source: Srivastava et al., 2014.
    """

    _drop = staticmethod(F.dropout)

    def __repr__(self):
        return "%s (p = %s%s)" % (type(self).__name__, self.p, ", inplace" if self.inplace else "")


class Dropout2d(_Dropout):
    """Dropout of whole channels of images (n, c, h, w) (Tompson et al., 2014). Arguments as of Dropout."""

    _drop = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """Dropout of whole channels of volumes (n, c, d, h, w). Arguments as of Dropout."""

    _drop = staticmethod(F.dropout3d)


class AlphaDropout(Module):
    """Dropout that keeps mean 0 and variance 1, for networks of SELU (Klambauer et al., 2017).

    Args:
        p (float): from 0 to 1.
    """

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("dropout probability has to be between 0 and 1, but got %s" % p)
        self.p = p

    def forward(self, input):
        return F.alpha_dropout(input, self.p, self.training)

    def __repr__(self):
        return "%s (p = %s)" % (type(self).__name__, self.p)
