"""Sorting and order statistics along a dim: the twins of _ops/sort.pyx. All of them sort whole lines."""
from ..._ops.copying import make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from .reduce import wrap_dim

LONG = 4
TILE = 1024                     # pairs that a block sorts in shared memory
program = Program("sort")


def last(x, dim):
    """x with a dim turned to the end, dense."""
    return make_contiguous(x.transpose(dim, x.dim() - 1))


def sorted_pairs(x, lines, n, descending):
    """Pairs of keys and positions of dense lines, in order, as a LongTensor."""
    device = device_of(x)
    width = next((w for w in (32, 128, 512) if n <= w), TILE)
    pairs = make_empty(LONG, (2 * lines * n,), device)
    launch(program, "sort_tiles_" + NAMES[code_of(x)], device, "PPqqIi",
           grid_for(device, lines * -(-n // width) * width, TILE), THREADS, pairs, x, lines, n, width, int(descending))
    spare = make_empty(LONG, pairs.size(), device) if n > width else None
    while width < n:
        launch(program, "merge", device, "PPqqq", grid_for(device, lines * n), THREADS, spare, pairs, lines, n, width)
        pairs, spare, width = spare, pairs, 2 * width
    return pairs


def along(x, dim, length, first=0, descending=False, keepdim=True, mode=False):
    """(values, positions): `length` neighbours of each sorted line from place `first` on, or its mode."""
    dense = last(x, dim)
    n, device, kind = dense.size(-1), device_of(x), NAMES[code_of(x)]
    lines = x.numel() // n
    pairs = sorted_pairs(dense, lines, n, descending)
    size = list(dense.size())[:-1] + [length]
    values, where = make_empty(code_of(x), size, device), make_empty(LONG, size, device)
    if mode:
        launch(program, "mode_" + kind, device, "PPPPqq", grid_for(device, lines, 1), THREADS, values, where, dense,
               pairs, lines, n)
    else:
        launch(program, "settle_" + kind, device, "PPPPqqqq", grid_for(device, lines * length), THREADS, values, where,
               dense, pairs, lines, n, first, length)
    values, where = last(values, dim), last(where, dim)
    if keepdim or x.dim() == 1:
        return values, where
    return values.squeeze(dim), where.squeeze(dim)


def check_k(name, x, k, dim):
    if not 1 <= k <= x.size(dim):
        said = "k not in range for dimension" if name == "topk" else "selected index out of range"
        raise RuntimeError("%s(): %s: k is %d, expected 1 to %d, the size of dim %d"
                           % (name, said, k, x.size(dim), dim))


def sort(x, dim=-1, descending=False):
    dim = wrap_dim(x, dim)
    return along(x, dim, x.size(dim), descending=descending)


def topk(x, k, dim=-1, largest=True, sorted=True):
    dim = wrap_dim(x, dim)
    check_k("topk", x, k, dim)
    return along(x, dim, k, descending=largest)


def kthvalue(x, k, dim=-1, keepdim=False):
    dim = wrap_dim(x, dim)
    check_k("kthvalue", x, k, dim)
    return along(x, dim, 1, k - 1, keepdim=keepdim)


def median_dim(x, dim=-1, keepdim=False):
    dim = wrap_dim(x, dim)
    return along(x, dim, 1, (x.size(dim) - 1) // 2, keepdim=keepdim)


def median_all(x):
    if x.numel() == 0:
        raise RuntimeError("median(): the tensor is empty and has no median")
    return along(make_contiguous(x).view(-1), 0, 1, (x.numel() - 1) // 2)


def mode(x, dim=-1, keepdim=False):
    return along(x, wrap_dim(x, dim), 1, keepdim=keepdim, mode=True)
