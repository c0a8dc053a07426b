"""Running sums and products, histograms, equality: the twins of _ops/scan.pyx."""
import math

from ..._ops.copying import fill_, make_contiguous
from ..._ops.elementwise import Pointwise
from ..._ops.shape import cast
from ..._ops.tensor import code_of, device_of, make_empty
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from . import reduce

BYTE, LONG, FLOAT = 0, 4, 6
CHUNK = 4096                # elements of a line that one block works off
program = Program("scan")
differ = Pointwise("ne", 2, to_byte=True)


def lines_of(x, dim):
    """(lines, elements of each, how far apart these lie) of a dense tensor."""
    n, inner = x.size(dim), x.stride(dim) if x.size(dim) > 1 else math.prod(x.size()[dim + 1:])
    return x.numel() // n, n, inner


def cumulate(name, x, dim, backward):
    dim = reduce.wrap_dim(x, dim)
    x = make_contiguous(x)
    lines, n, inner = lines_of(x, dim)
    if inner > 1 or n < 32:
        out = make_empty(code_of(x), x.size(), device_of(x))
        launch(program, "%s_columns_%s" % (name, NAMES[code_of(x)]), device_of(x), "PPqqqi",
               grid_for(device_of(x), lines), THREADS, out, x, lines, n, inner, backward)
        return out
    wide = x if code_of(x) >= FLOAT else cast(x, LONG)
    out = make_empty(code_of(wide), x.size(), device_of(x))
    run_chunks(name, out, wide, lines, n, backward)
    return cast(out, code_of(x))


def run_chunks(name, out, x, lines, n, backward):
    """Scan dense lines in chunks, then add to each chunk what stands before it."""
    device, kind, chunks = device_of(x), NAMES[code_of(x)], -(-n // CHUNK)
    totals = make_empty(code_of(x), (lines * chunks,), device) if chunks > 1 else 0
    launch(program, "%s_chunk_%s" % (name, kind), device, "PPPqqi", (lines, chunks), THREADS, out, totals, x, n, CHUNK,
           backward)
    if chunks > 1:
        sums = make_empty(code_of(x), (lines * chunks,), device)
        run_chunks(name, sums, totals, lines, chunks, False)
        launch(program, "%s_lead_%s" % (name, kind), device, "PPqqi", (lines, chunks), THREADS, out, sums, n, CHUNK,
               backward)


def cumsum(x, dim):
    return cumulate("cumsum", x, dim, False)


def cumsum_back(x, dim):
    return cumulate("cumsum", x, dim, True)


def cumprod(x, dim):
    return cumulate("cumprod", x, dim, False)


def prod_others(x, dim):
    reduce.need_real(x, "prod_others")
    dim = reduce.wrap_dim(x, dim)
    x = make_contiguous(x)
    out = make_empty(code_of(x), x.size(), device_of(x))
    lines, n, inner = lines_of(x, dim)
    launch(program, "prod_others_" + NAMES[code_of(x)], device_of(x), "PPqqq", grid_for(device_of(x), lines), THREADS,
           out, x, lines, n, inner)
    return out


def cumprod_grad(dy, x, dim):
    dim = reduce.wrap_dim(x, dim)
    if code_of(dy) != code_of(x) or dy.size() != x.size():
        raise RuntimeError("cumprod_grad(): expected two tensors of one type and size")
    dy, x = make_contiguous(dy), make_contiguous(x)
    out = make_empty(code_of(x), x.size(), device_of(x))
    lines, n, inner = lines_of(x, dim)
    launch(program, "cumprod_grad_" + NAMES[code_of(x)], device_of(x), "PPPqqq", grid_for(device_of(x), lines), THREADS,
           out, dy, x, lines, n, inner)
    return out


def histc(x, bins=100, low=0, high=0):
    if x.dim() == 0:
        raise RuntimeError("histc(): the tensor is empty")
    if bins <= 0:
        raise RuntimeError("histc(): expected at least 1 bin, got %d" % bins)
    reduce.need_real(x, "histc")
    if low == high == 0:
        low, high = reduce.min_number(x), reduce.max_number(x)
    if low == high:
        low, high = low - 1, high + 1
    if not math.isfinite(high - low):
        raise RuntimeError("histc(): the range from %r to %r is not finite" % (low, high))
    x = make_contiguous(x)
    out = fill_(make_empty(code_of(x), (bins,), device_of(x)), 0)
    launch(program, "histogram_" + NAMES[code_of(x)], device_of(x), "PPqqdd", grid_for(device_of(x), x.numel()),
           THREADS, out, x, x.numel(), bins, low, high)
    return out


def equal(a, b):
    if code_of(a) != code_of(b):
        raise TypeError("equal(): expected another %s, got %s" % (a.type(), b.type()))
    if a.size() != b.size():
        return False
    return a.dim() == 0 or reduce.max_number(differ(a, b)) == 0


def check_bytes(x, name):
    if x.dim() == 0:
        raise RuntimeError("%s(): the tensor is empty" % name)
    if code_of(x) != BYTE:
        raise TypeError("%s(): expected a tensorlib.cuda.ByteTensor, got %s" % (name, x.type()))


def all_nonzero(x):
    check_bytes(x, "all")
    return reduce.min_number(x) != 0


def any_nonzero(x):
    check_bytes(x, "any")
    return reduce.max_number(x) != 0
