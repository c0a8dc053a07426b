"""Copies between tensors of one type whose fastest dims differ, such as x.t().contiguous(): through tiles."""
import math
import struct

from .._ops.tensor import device_of
from .launch import THREADS, grid_for, launch
from .module import Program

MAXDIM = 16
LEAST = 8               # elements of both dims from which a tile is worth it
program = Program("transpose")


def copy(dst, src):
    """Copy src into dst, if it is a copy of that kind; returns whether it was."""
    dims = [d for d in zip(dst.size(), dst.stride(), src.stride()) if d[0] > 1]
    fast_to, fast_from = [next((d for d in dims if d[k] == 1), None) for k in (1, 2)]
    if fast_to is None or fast_from is None or fast_to is fast_from or min(fast_to[0], fast_from[0]) < LEAST:
        return False
    others = [d for d in dims if d is not fast_to and d is not fast_from]
    count = math.prod([d[0] for d in others])
    tiles = count * -(-fast_to[0] // 32) * -(-fast_from[0] // 32)
    packed = [struct.pack("<%dq" % MAXDIM, *[d[k] for d in others], *[0] * (MAXDIM - len(others))) for k in range(3)]
    launch(program, "transpose_%d" % dst.element_size(), device_of(dst), "PPqqqqqq%ds" % (24 * MAXDIM),
           grid_for(device_of(dst), tiles, 1), THREADS, dst, src, fast_to[0], fast_from[0], fast_from[1], fast_to[2],
           count, len(others), b"".join(packed))
    return True
