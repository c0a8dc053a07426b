"""Reductions over one dim, several or all: the twins of _ops/reduce.pyx."""
import math

from ..._ops import blocks
from ..._ops.copying import fill_
from ..._ops.tensor import code_of, device_of, get_item, make_empty
from .. import driver
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program

LONG, FLOAT, DOUBLE = 4, 6, 7
WARP = 32
STARTS = {"sum": 0, "prod": 1, "norm": 0, "deviation": 0}

program = Program("reduce")


def wrap_dim(x, dim):
    """A dim counted from the front; RuntimeError where there is none."""
    if x.dim() == 0:
        raise RuntimeError("dimension specified as %d but tensor has no dimensions" % dim)
    if not -x.dim() <= dim < x.dim():
        raise RuntimeError("dimension out of range (expected to be in range of [%d, %d], but got %d)"
                           % (-x.dim(), x.dim() - 1, dim))
    return dim % x.dim()


def reduced_size(x, dims, keepdim):
    """The size of a reduction; one dim stays at least."""
    size = [1 if d in dims else n for d, n in enumerate(x.size()) if keepdim or d not in dims]
    return size or [1]


def fold(name, x, dims, size, divisor=1, power=1, argument=0, by=None, wide=False, where=None):
    """Reduce some dims of x into a new dense tensor of the given size.

    Args:
        name: of the kernels. divisor, power: the folded value becomes (value / divisor) ** power. argument: a number
            for the kernel. by: a tensor with a number for each output. wide: give 64-bit numbers.
            where: a LongTensor that gets positions.
    """
    code, device = code_of(x), device_of(x)
    out_code = code if not wide else LONG if code < FLOAT else DOUBLE
    out = make_empty(out_code, size, device)
    if x.dim() == 0:
        start = STARTS[name] / divisor if divisor else math.nan
        return fill_(out, start if out_code > LONG else int(start))
    outputs, each, along, block = blocks.folds(x, dims, name)
    width = (THREADS if each > 1024 else WARP) if along else 1
    per_block = THREADS // width
    slices = slice_count(device, outputs, each, width)
    finish = (divisor, power, argument, width, int(wide))
    item = 16 if where is not None else 8
    parts = make_empty(LONG, (slices * outputs * item // 8,), device) if slices > 1 else 0
    launch(program, "%s_%s" % (name, NAMES[code]), device, "PPPPPdddii%ds" % len(block),
           (grid_for(device, outputs, per_block), slices), THREADS, out, 0 if where is None else where, parts, x,
           0 if by is None else by, *finish, block)
    if slices > 1:
        launch(program, "%s_merge_%s" % (name, NAMES[code]), device, "PPPIIdddii", grid_for(device, outputs), THREADS,
               out, 0 if where is None else where, parts, outputs, slices, *finish)
    return out


def slice_count(device, outputs, each, width):
    """Into how many slices the elements of each output are cut, so that the device has enough to do."""
    wanted = 2048 * driver.attribute(device, "MULTIPROCESSOR_COUNT")
    return max(1, min(wanted // (outputs * width), each // (width * 16), 256))


def everything(name, x, **more):
    """A (1,) tensor."""
    return fold(name, x, range(x.dim()), (1,), **more)


def number(name, x, **more):
    """A Python number, from 64 bits."""
    return get_item(everything(name, x, wide=True, **more))


def along(name, x, dim, keepdim, **more):
    dims = (wrap_dim(x, dim),)
    return fold(name, x, dims, reduced_size(x, dims, keepdim), **more)


def need_elements(x, name):
    if x.dim() == 0:
        raise RuntimeError("%s(): the tensor is empty and has no such element" % name)


def need_real(x, name):
    if code_of(x) < FLOAT:
        raise NotImplementedError("%s is not implemented for type %s" % (name, x.type()))


# ---- sums, means, products ----------------------------------------------------------------------------------------

def sum_all(x):
    return everything("sum", x)


def sum_number(x):
    return number("sum", x)


def sum_dim(x, dim, keepdim=False):
    return along("sum", x, dim, keepdim)


def sum_to(x, sizes):
    lead = x.dim() - len(sizes)
    fits = 0 < len(sizes) <= x.dim() and all(n in (1, x.size(d + lead)) for d, n in enumerate(sizes))
    if not fits:
        raise RuntimeError("sum_to(): sizes %s do not broadcast to %s" % (tuple(sizes), tuple(x.size())))
    dims = [d for d in range(x.dim()) if d < lead or sizes[d - lead] == 1]
    return fold("sum", x, dims, sizes)


def mean_all(x):
    return everything("sum", x, divisor=x.numel())


def mean_number(x):
    return number("sum", x, divisor=x.numel())


def mean_dim(x, dim, keepdim=False):
    return along("sum", x, dim, keepdim, divisor=x.size(wrap_dim(x, dim)))


def prod_all(x):
    return everything("prod", x)


def prod_number(x):
    return number("prod", x)


def prod_dim(x, dim, keepdim=False):
    return along("prod", x, dim, keepdim)


# ---- extremes -----------------------------------------------------------------------------------------------------

def max_all(x):
    need_elements(x, "max")
    return everything("max", x)


def max_number(x):
    need_elements(x, "max")
    return number("max", x)


def min_all(x):
    need_elements(x, "min")
    return everything("min", x)


def min_number(x):
    need_elements(x, "min")
    return number("min", x)


def extreme(name, x, dim, keepdim):
    """(values, positions) along a dim."""
    dims = (wrap_dim(x, dim),)
    size = reduced_size(x, dims, keepdim)
    where = make_empty(LONG, size, device_of(x))
    return fold(name, x, dims, size, where=where), where


def max_dim(x, dim, keepdim=False):
    return extreme("max_at", x, dim, keepdim)


def min_dim(x, dim, keepdim=False):
    return extreme("min_at", x, dim, keepdim)


# ---- norms and variances ------------------------------------------------------------------------------------------

def norm_arguments(x, p):
    need_real(x, "norm")
    return {"argument": p, "power": 1 if p in (0, 1) else 1 / p}


def norm_all(x, p=2):
    return everything("norm", x, **norm_arguments(x, p))


def norm_number(x, p=2):
    return number("norm", x, **norm_arguments(x, p))


def norm_dim(x, p, dim, keepdim=False):
    return along("norm", x, dim, keepdim, **norm_arguments(x, p))


def spread(x, dims, size, unbiased, power, wide=False):
    """Variances in two passes: means, then squared deviations from them."""
    need_real(x, "var")
    n = math.prod(x.size(d) for d in dims)
    means = fold("sum", x, dims, size, divisor=n)
    return fold("deviation", x, dims, size, divisor=n - bool(unbiased), power=power, by=means, wide=wide)


def spread_all(x, unbiased, power, wide=False):
    if x.dim() == 0:
        need_real(x, "var")
        return fill_(make_empty(DOUBLE if wide else code_of(x), (1,), device_of(x)), math.nan)
    return spread(x, range(x.dim()), (1,), unbiased, power, wide)


def spread_dim(x, dim, unbiased, keepdim, power):
    dims = (wrap_dim(x, dim),)
    return spread(x, dims, reduced_size(x, dims, keepdim), unbiased, power)


def var_all(x, unbiased=True):
    return spread_all(x, unbiased, 1)


def var_number(x, unbiased=True):
    return get_item(spread_all(x, unbiased, 1, True))


def var_dim(x, dim, unbiased=True, keepdim=False):
    return spread_dim(x, dim, unbiased, keepdim, 1)


def std_all(x, unbiased=True):
    return spread_all(x, unbiased, 0.5)


def std_number(x, unbiased=True):
    return get_item(spread_all(x, unbiased, 0.5, True))


def std_dim(x, dim, unbiased=True, keepdim=False):
    return spread_dim(x, dim, unbiased, keepdim, 0.5)
