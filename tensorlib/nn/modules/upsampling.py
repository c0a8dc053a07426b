"""Upsampling layers."""
import warnings

from .. import functional as F
from ..module import Module


class Upsample(Module):
    """Enlarge the spatial dims, to a size or by a factor.

    Args:
        size (int or tuple, optional): the spatial size wanted.
        scale_factor (int or tuple, optional): the factor, an integer.
        mode (str): 'nearest', 'bilinear' (4-D input) or 'trilinear' (5-D), these two with aligned corners.
    """

    def __init__(self, size=None, scale_factor=None, mode="nearest"):
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode

    def forward(self, input):
        return F.upsample(input, self.size, self.scale_factor, self.mode)

    def __repr__(self):
        name, value = ("size", self.size) if self.scale_factor is None else ("scale_factor", self.scale_factor)
        return "%s(%s=%s, mode=%s)" % (type(self).__name__, name, value, self.mode)


class _Deprecated(Upsample):
    _mode = None

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode=self._mode)

    def forward(self, input):
        warnings.warn("nn.%s is deprecated. Use nn.Upsample instead." % type(self).__name__, stacklevel=3)
        return super().forward(input)


class UpsamplingNearest2d(_Deprecated):
    """Upsample in mode 'nearest'. Deprecated.

    Args:
        size (int or pair, optional), scale_factor (int, optional): as of Upsample.
    """

    _mode = "nearest"


class UpsamplingBilinear2d(_Deprecated):
    """Upsample in mode 'bilinear'. Deprecated.

    Args:
        size (int or pair, optional), scale_factor (int or pair, optional): as of Upsample.
    """

    _mode = "bilinear"
