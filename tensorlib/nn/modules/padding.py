"""Padding layers. padding is a number for all sides, or one for each, the last dim first; negative ones crop."""
from .. import functional as F
from ..module import Module
from .utils import _ntuple, _quadruple


class _Pad(Module):
    _tuple = staticmethod(_quadruple)
    _mode = "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = self._tuple(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    def __repr__(self):
        return "%s %s" % (type(self).__name__, self.padding)


class ReflectionPad2d(_Pad):
    """Pad by reflection; the edge itself is not repeated.

    Args:
        padding (int or 4-tuple): (left, right, top, bottom).

    Shape: (n, c, h, w) to (n, c, h + top + bottom, w + left + right).
    """

    _mode = "reflect"


class ReplicationPad2d(_Pad):
    """Pad by repeating the edge. Arguments as of ReflectionPad2d."""

    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """Pad volumes by repeating the edge.

    Args:
        padding (int or 6-tuple): (left, right, top, bottom, front, back).
    """

    _tuple = staticmethod(_ntuple(6))
    _mode = "replicate"


class ZeroPad2d(_Pad):
    """Pad with zeros. Arguments as of ReflectionPad2d."""


class ConstantPad2d(_Pad):
    """Pad with a constant.

    Args:
        padding (int or 4-tuple): (left, right, top, bottom).
        value (float): the constant.
    """

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)
