"""Types of sparse tensors on GPUs: `tensorlib.cuda.sparse.FloatTensor` and the like. See `tensorlib.sparse`."""
from .._ops import sparse as _core

__all__ = ["ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "IntTensor", "LongTensor", "ShortTensor"]

ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, FloatTensor, DoubleTensor = (
    cls for _, cls in sorted(_core.classes(True).items()))
