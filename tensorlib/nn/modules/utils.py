"""Numbers made tuples, under the path by which scripts of the time import them."""
from ..functional._common import _ntuple, _pair, _quadruple, _single, _triple

__all__ = ["_ntuple", "_pair", "_quadruple", "_single", "_triple"]
