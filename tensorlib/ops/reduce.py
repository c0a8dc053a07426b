"""Rows of reductions: sums, products, extremes, norms, variances, running sums.

Each has a row for everything (a (1,) tensor) and one along a dim. On Tensors a full reduction is a Python number,
computed in 64 bits by a function of its own.
"""
import math
import operator

from .._ops import reduce as kernels
from .._ops import scan
from .._ops.copying import copy_
from .._ops.row import UnlessDim
from .._ops.storage import storage_from_buffer
from .._ops.making import make_view
from ._samples import arguments, reference, unary
from ._table import ALL, BYTE, REAL, op, public
from .index import gather_grad, masked_fill
from .pointwise import abs, cmax, cmin, pow, sub, where
from .shape import contiguous, expand, squeeze_dim, transpose, unsqueeze, view

SIZES = ((3, 4), (2, 3, 70), (1,))
DIM_SIZES = ((3, 4), (2, 3, 7))


def along_dim(low=-2, high=2, **other):
    """A tensor reduced along its last dim, with and without keeping it."""
    return [s for keepdim in (False, True) for s in unary(low, high, DIM_SIZES, **other, dim=-1, keepdim=keepdim)]


def row(signature, kernel, grad, types=REAL, **more):
    """A row without a public name of its own."""
    return op(signature, kernel, grad=dict(self=grad) if grad else None, types=types, public=False, **more)


# ---- giving a reduced value its sizes back -------------------------------------------------------------


def with_dim(g, size, dim, keepdim):
    """g with the reduced dim as a dim of size 1."""
    return g if keepdim or len(size) == 1 else unsqueeze(g, dim)


def stretch(g, size, dim, keepdim):
    """g stretched to the size before the reduction."""
    return expand(with_dim(g, size, dim, keepdim), size)


def flat(x):
    return view(contiguous(x), (-1,))


def place(g, index, size, dim, keepdim):
    """Zeros of `size` with g at the positions that a reduction along dim gave."""
    return gather_grad(with_dim(g, size, dim, keepdim), size, dim, with_dim(index, size, dim, keepdim))


def place_one(g, index, size):
    """Zeros of `size` with g at one position in row-major order."""
    return view(gather_grad(g, (math.prod(size),), 0, index), size)


# ---- sums and means ------------------------------------------------------------------------------------

sum_all = row("sum_all(Tensor self)", kernels.sum_all, lambda g, self_size: expand(g, self_size), ALL,
              ref="self.sum().reshape(1)", samples=unary(-2, 2, SIZES), node_name="Sum", doc="Sum of all elements.")
sum_dim = row("sum_dim(Tensor self, int dim, bool keepdim=False)", kernels.sum_dim,
              lambda g, self_size, dim, keepdim: stretch(g, self_size, dim, keepdim), ALL,
              ref="self.sum(dim, keepdims=keepdim)", samples=along_dim(), node_name="Sum", doc="Sums along a dim.")
mean_all = row("mean_all(Tensor self)", kernels.mean_all,
               lambda g, self_size: expand(g / math.prod(self_size), self_size),
               ref="self.mean().reshape(1)", samples=unary(-2, 2, SIZES), node_name="Mean", doc="Mean of all elements.")
mean_dim = row("mean_dim(Tensor self, int dim, bool keepdim=False)", kernels.mean_dim,
               lambda g, self_size, dim, keepdim: stretch(g / self_size[dim], self_size, dim, keepdim),
               ref="self.mean(dim, keepdims=keepdim)", samples=along_dim(), node_name="Mean", doc="Means along a dim.")


# ---- products ------------------------------------------------------------------------------------------

prod_all = row("prod_all(Tensor self)", kernels.prod_all,
               lambda g, self: view(prod_others(flat(self), 0) * g, tuple(self.size())), ALL,
               ref="self.prod().reshape(1)", samples=unary(0.5, 1.5, ((3, 4), (2, 3), (1,))), node_name="Prod",
               doc="Product of all elements.")
prod_dim = row("prod_dim(Tensor self, int dim, bool keepdim=False)", kernels.prod_dim,
               lambda g, self, dim, keepdim: stretch(g, self.size(), dim, keepdim) * prod_others(self, dim), ALL,
               ref="self.prod(dim, keepdims=keepdim)", samples=along_dim(0.5, 1.5), node_name="Prod",
               doc="Products along a dim.")
prod_others = row("prod_others(Tensor self, int dim)", scan.prod_others,
                  lambda g, self, dim: others_grad(g, self, dim),
                  ref=reference("_index_refs", "prod_others"), samples=unary(0.5, 1.5, DIM_SIZES, dim=-1),
                  doc="For each element the product of all others along a dim; the derivative of prod.")


def squares(x, dim):
    """x with a new last dim as long as dim: at (.., k, .., i) stands x[k], the same for every i."""
    return expand(unsqueeze(x, -1), tuple(x.size()) + (x.size(dim),))


def across(x, dim):
    """x with dim as a new last dim: at (.., k, .., i) stands x[i], the same for every k (to be broadcast)."""
    return transpose(unsqueeze(x, -1), dim % x.dim(), -1)


def mask_for_squares(x, dim, choose):
    """The ByteTensor of choose(k, i), for k along dim and i along the new last dim."""
    n, sizes = x.size(dim), [1] * x.dim() + [x.size(dim)]
    sizes[dim % x.dim()] = n
    table = bytearray(choose(k, i) for k in range(n) for i in range(n))
    mask = make_view(storage_from_buffer(0, table), 0, sizes)
    return mask.cuda(x.get_device()) if x.is_cuda else mask


def others_grad(g, x, dim):
    """Derivative of prod_others: sum over i != k of g[i] * the product of x without i and k. Quadratic in the dim."""
    same = mask_for_squares(x, dim, operator.eq)
    pairs = prod_others(masked_fill(squares(x, dim), same, 1), dim % x.dim())
    return sum_dim(masked_fill(pairs, same, 0) * across(g, dim), -1)


# ---- extremes ------------------------------------------------------------------------------------------

max_all = row("max_all(Tensor self)", kernels.max_all,
              lambda g, self: place_one(g, max_dim(flat(self), 0)[1], tuple(self.size())), ALL,
              ref="self.max().reshape(1)", samples=unary(-2, 2, SIZES), node_name="Max", doc="Largest of all elements.")
min_all = row("min_all(Tensor self)", kernels.min_all,
              lambda g, self: place_one(g, min_dim(flat(self), 0)[1], tuple(self.size())), ALL,
              ref="self.min().reshape(1)", samples=unary(-2, 2, SIZES), node_name="Min",
              doc="Smallest of all elements.")
max_dim = row("max_dim(Tensor self, int dim, bool keepdim=False)", kernels.max_dim,
              lambda g0, out1, self_size, dim, keepdim: place(g0, out1, self_size, dim, keepdim), ALL,
              ref="(self.max(dim, keepdims=keepdim), np.argmax(self, dim, keepdims=keepdim))", samples=along_dim(),
              node_name="Max", doc="Largest values along a dim, and their first positions.")
min_dim = row("min_dim(Tensor self, int dim, bool keepdim=False)", kernels.min_dim,
              lambda g0, out1, self_size, dim, keepdim: place(g0, out1, self_size, dim, keepdim), ALL,
              ref="(self.min(dim, keepdims=keepdim), np.argmin(self, dim, keepdims=keepdim))", samples=along_dim(),
              node_name="Min", doc="Smallest values along a dim, and their first positions.")

# ---- norms and variances -------------------------------------------------------------------------------


def norm_grad(g, x, out, p):
    """Derivative of a p-norm; g and out broadcast to x. NaN where the norm is 0."""
    if p == 2:
        return x * (g / out)
    return x * pow(abs(x), p - 2) * (g / pow(out, p - 1))


def spread_grad(g, x, mean, unbiased, n):
    """Derivative of half a variance; g and mean broadcast to x."""
    return (x - mean) * (g / (n - unbiased)) if n > unbiased else (x - mean) * (g * math.nan)


norm_all = row("norm_all(Tensor self, Number p=2)", kernels.norm_all,
               lambda g, self, out, p: norm_grad(g, self, out, p),
               ref="(np.abs(self) ** p).sum().reshape(1) ** (1 / p)", node_name="Norm",
               samples=unary(0.5, 2, SIZES, p=2) + unary(0.5, 2, SIZES, p=3) + unary(0.5, 2, SIZES, p=1),
               doc="p-norm of all elements.")
norm_dim = row("norm_dim(Tensor self, Number p, int dim, bool keepdim=False)", kernels.norm_dim,
               lambda g, self, out, p, dim, keepdim: norm_grad(with_dim(g, self.size(), dim, keepdim), self,
                                                               with_dim(out, self.size(), dim, keepdim), p),
               ref="(np.abs(self) ** p).sum(dim, keepdims=keepdim) ** (1 / p)", node_name="Norm",
               samples=along_dim(0.5, 2, p=2) + along_dim(0.5, 2, p=1.5), doc="p-norms along a dim.")
var_all = row("var_all(Tensor self, bool unbiased=True)", kernels.var_all,
              lambda g, self, unbiased: spread_grad(g * 2, self, mean_all(self), unbiased, self.numel()),
              ref="self.var(ddof=int(unbiased)).reshape(1)", node_name="DivConstant",
              samples=unary(-2, 2, SIZES[:2], unbiased=True) + unary(-2, 2, SIZES[:2], unbiased=False),
              doc="Variance of all elements.")
var_dim = row("var_dim(Tensor self, int dim, bool unbiased=True, bool keepdim=False)", kernels.var_dim,
              lambda g, self, dim, unbiased, keepdim: spread_grad(with_dim(g, self.size(), dim, keepdim) * 2, self,
                                                                  mean_dim(self, dim, True), unbiased, self.size(dim)),
              ref="self.var(dim, ddof=int(unbiased), keepdims=keepdim)", node_name="DivConstant",
              samples=along_dim(unbiased=True), doc="Variances along a dim.")
std_all = row("std_all(Tensor self, bool unbiased=True)", kernels.std_all,
              lambda g, self, out, unbiased: spread_grad(g / out, self, mean_all(self), unbiased, self.numel()),
              ref="self.std(ddof=int(unbiased)).reshape(1)", node_name="Sqrt",
              samples=unary(-2, 2, SIZES[:2], unbiased=True) + unary(-2, 2, SIZES[:2], unbiased=False),
              doc="Standard deviation of all elements.")
std_dim = row("std_dim(Tensor self, int dim, bool unbiased=True, bool keepdim=False)", kernels.std_dim,
              lambda g, self, out, dim, unbiased, keepdim: spread_grad(
                  with_dim(g / out, self.size(), dim, keepdim), self, mean_dim(self, dim, True), unbiased,
                  self.size(dim)),
              ref="self.std(dim, ddof=int(unbiased), keepdims=keepdim)", node_name="Sqrt",
              samples=along_dim(unbiased=True), doc="Standard deviations along a dim.")

# ---- running sums and products -------------------------------------------------------------------------

cumsum = op("cumsum(Tensor self, int dim)", scan.cumsum, grad=dict(self=lambda g, dim: cumsum_back(g, dim)),
            types=ALL, ref="np.cumsum(self, dim)", samples=unary(-2, 2, DIM_SIZES, dim=-1),
            doc="Running sums along a dim.")
cumsum_back = row("cumsum_back(Tensor self, int dim)", scan.cumsum_back, lambda g, dim: cumsum(g, dim), ALL,
                  ref="np.flip(np.cumsum(np.flip(self, dim), dim), dim)", samples=unary(-2, 2, DIM_SIZES, dim=-1),
                  doc="Running sums along a dim, from its end.")
cumprod = op("cumprod(Tensor self, int dim)", scan.cumprod,
             grad=dict(self=lambda g, self, dim: cumprod_grad(g, self, dim)), types=ALL,
             ref="np.cumprod(self, dim)", samples=unary(0.5, 1.5, DIM_SIZES, dim=-1),
             doc="Running products along a dim.")
cumprod_grad = op("cumprod_grad(Tensor dy, Tensor x, int dim)", scan.cumprod_grad, public=False,
                  joint=lambda g, dy, x, dim: cumprod_grad_grad(g, dy, x, dim),
                  ref=reference("_index_refs", "cumprod_grad"),
                  samples=arguments((3, 4), (3, 4), low=0.5, high=1.5, dim=1),
                  doc="Derivative of cumprod at x, times dy. Exact where x has zeros.")


def cumprod_grad_grad(g, dy, x, dim):
    """Derivatives of cumprod_grad, from the matrices of x[k] where k <= i, else 1. Quadratic in the dim."""
    later = mask_for_squares(x, dim, operator.gt)
    factors = masked_fill(squares(x, dim), later, 1)
    slopes = masked_fill(prod_others(factors, dim % x.dim()), later, 0)
    for_dy = sum_dim(slopes * unsqueeze(g, -1), dim % x.dim(), True)
    weights = masked_fill(unsqueeze(g, -1) * across(dy, dim), later, 0)
    for_x = masked_fill(others_grad(weights, factors, dim % x.dim()), later, 0)
    return squeeze_dim(transpose(for_dy, dim % x.dim(), -1), -1), sum_dim(for_x, -1)


# ---- composites ----------------------------------------------------------------------------------------


def dist(self, other, p=2):
    """p-norm of the difference."""
    return norm_all(sub(self, other), p)


def dist_number(self, other, p=2):
    """The formula as it stands: p = 0 makes the root of the sum infinite."""
    if p == 0:
        return float(sub(self, other).numel()) ** math.inf
    return kernels.norm_number(sub(self, other), p)


def renorm_variable(self, p, dim, maxnorm):
    """Scale the slices along dim whose p-norm exceeds maxnorm down to it."""
    if self.dim() < 2:
        raise RuntimeError("renorm(): expected at least 2 dims, got %d" % self.dim())
    first = transpose(self, dim, 0)
    norms = norm_dim(view(contiguous(first), (first.size(0), -1)), p, 1, True)
    scale = where(norms > maxnorm, maxnorm / (norms + 1e-7), 1)
    return transpose(first * view(scale, (first.size(0),) + (1,) * (self.dim() - 1)), dim, 0)


def renorm(self, p, dim, maxnorm):
    """Scale the slices along dim whose p-norm exceeds maxnorm down to it."""
    if p <= 0:
        raise RuntimeError("renorm(): non-positive-norm not supported, got p = %r" % (p,))
    return contiguous(renorm_variable(self, p, dim, maxnorm))


def renorm_(self, p, dim, maxnorm):
    """In place: scale the slices along dim whose p-norm exceeds maxnorm down to it."""
    return copy_(self, renorm(self, p, dim, maxnorm))


def norm_variable(self, p=2, dim=None, keepdim=None):
    return norm_all(self, p) if dim is None else norm_dim(self, p, dim, bool(keepdim))


def unless_dim_unbiased(whole, along):
    def reduce(self, dim=None, keepdim=None, unbiased=True):
        return whole(self, unbiased) if dim is None else along(self, dim, unbiased, bool(keepdim))
    return reduce


OPTIONAL_DIM = "(Tensor self, int? dim=None, bool? keepdim=None)"

for _name, _types, _number, _all, _dim, _doc in (
        ("sum", ALL, kernels.sum_number, sum_all, sum_dim, "Sum of all elements, or along a dim."),
        ("mean", REAL, kernels.mean_number, mean_all, mean_dim, "Mean of all elements, or along a dim."),
        ("prod", ALL, kernels.prod_number, prod_all, prod_dim, "Product of all elements, or along a dim.")):
    public(_name, {"(Tensor self)": _number, "(Tensor self, int dim, bool keepdim=False)": _dim}, types=_types,
           variable={OPTIONAL_DIM: UnlessDim(_all, _dim)}, doc=_doc)

for _name, _number, _all, _dim, _pair, _doc in (
        ("max", kernels.max_number, max_all, max_dim, cmax, "Largest element, (values, positions) along a dim, "
         "or the larger of each two."),
        ("min", kernels.min_number, min_all, min_dim, cmin, "Smallest element, (values, positions) along a dim, "
         "or the smaller of each two.")):
    public(_name, {"(Tensor self)": _number, "(Tensor self, Tensor other)": _pair,
                   "(Tensor self, int dim, bool keepdim=False)": _dim}, types=ALL,
           variable={OPTIONAL_DIM: UnlessDim(_all, _dim), "(Tensor self, Tensor other)": _pair}, doc=_doc)

for _name, _number, _all, _dim, _doc in (
        ("var", kernels.var_number, var_all, var_dim, "Variance of all elements, or along a dim; over n - 1 unless "
         "unbiased is False. A single bool after dim is keepdim."),
        ("std", kernels.std_number, std_all, std_dim, "Standard deviation of all elements, or along a dim; over n - 1 "
         "unless unbiased is False. A single bool after dim is keepdim.")):
    public(_name, {"(Tensor self, bool unbiased=True)": _number,
                   "(Tensor self, int dim, bool keepdim=False)":
                       lambda self, dim, keepdim, along=_dim: along(self, dim, True, keepdim),
                   "(Tensor self, int dim, bool unbiased=True, bool keepdim=False)": _dim}, types=REAL,
           variable={"(Tensor self, int? dim=None, bool? keepdim=None, bool unbiased=True)":
                     unless_dim_unbiased(_all, _dim)}, doc=_doc)

public("norm", {"(Tensor self, Number p=2)": kernels.norm_number,
                "(Tensor self, Number p, int dim, bool keepdim=False)": norm_dim}, types=REAL,
       variable={"(Tensor self, Number p=2, int? dim=None, bool? keepdim=None)": norm_variable},
       doc="p-norm of all elements, or along a dim.")
public("dist", {"(Tensor self, Tensor other, Number p=2)": dist_number}, types=REAL,
       variable={"(Tensor self, Tensor tensor, Number p=2)": dist}, doc=dist.__doc__)
public("renorm", {"(Tensor self, Number p, int dim, Number maxnorm)": renorm}, types=REAL,
       variable={"(Tensor self, Number p, int dim, Number maxnorm)": renorm_variable}, doc=renorm.__doc__)
public("renorm_", {"(Tensor self, Number p, int dim, Number maxnorm)": renorm_}, types=REAL, variable=False,
       function=False, doc=renorm_.__doc__)
public("equal", {"(Tensor self, Tensor other)": scan.equal}, types=ALL, variable=False,
       doc="Whether two tensors have the same sizes and the same elements.")
public("all", {"(Tensor self)": scan.all_nonzero}, types=BYTE, variable=False, function=False,
       doc="Whether every element is nonzero.")
public("any", {"(Tensor self)": scan.any_nonzero}, types=BYTE, variable=False, function=False,
       doc="Whether some element is nonzero.")

histc = op("histc(Tensor self, int bins=100, Number min=0, Number max=0)", scan.histc, variable=False,
           samples=arguments((3, 4), bins=4, min=-2, max=2), ref="np.histogram(self, bins, (min, max))[0] * 1.0",
           doc="Counts of `bins` equal bins between min and max; both 0 means the range of the data.")
