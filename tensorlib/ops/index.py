"""Rows that read and write by position or by mask. Reading and adding at the same positions derive into each other."""
import math
import warnings

from .._ops import index as kernels
from .._ops import shape as shape_kernels
from .._ops.copying import dense_copy, fill_
from .._ops.tensor import code_of, device_of, make_empty
from ._samples import arguments, mask, positions, reference
from ._table import ALL, op, public
from .pointwise import zero_like
from .shape import scatter_window, view

ROWS = dict(dim=0, index=positions([2, 0, 2]))
ONCE = dict(dim=0, index=positions([2, 0]))
PLACES = dict(dim=0, index=positions([[0, 2, 1, 0], [2, 0, 0, 1]]))
MASK = dict(mask=mask([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 0]]))


def copied(kernel):
    """The kernel that works in place, on a copy."""
    def run(self, *args):
        return kernel(dense_copy(self), *args)
    run.__doc__ = kernel.__doc__
    return run


def written(signature, kernel, grad, **more):
    """A row that writes into a copy of self, and whose in-place twin writes into self."""
    return op(signature, copied(kernel), grad=grad, inplace=kernel, types=ALL, function=False, **more)


def zeros(like, size):
    return fill_(make_empty(code_of(like), size, device_of(like)), 0)


# ---- slices of a dim -----------------------------------------------------------------------------------

index_select = op(
    "index_select(Tensor self, int dim, LongTensor index)", kernels.index_select, types=ALL,
    grad=dict(self=lambda g, self_size, dim, index: index_select_grad(g, self_size, dim, index)),
    ref="np.take(self, index, dim)", samples=arguments((3, 4), **ROWS),
    doc="Copy of the slices along dim that a 1-D index names.")

index_select_grad = op(
    "index_select_grad(Tensor self, object size, int dim, LongTensor index)",
    lambda self, size, dim, index: kernels.index_add_(zeros(self, size), dim, index, self), types=ALL, public=False,
    grad=dict(self=lambda g, dim, index: index_select(g, dim, index)),
    ref=reference("_index_refs", "index_select_grad"),
    samples=arguments((3, 4), size=(5, 4), **ROWS),
    doc="Zeros of `size` with the slices of self added at a 1-D index: the derivative of index_select.")

index_add = written(
    "index_add(Tensor self, int dim, LongTensor index, Tensor source)", kernels.index_add_,
    grad=dict(self=lambda g: g, source=lambda g, dim, index: index_select(g, dim, index)),
    ref=reference("_index_refs", "index_add"),
    samples=arguments((3, 4), (3, 4), **ROWS), doc="Add the slices of source at the places a 1-D index names.")

index_fill = written(
    "index_fill(Tensor self, int dim, LongTensor index, Number value)", kernels.index_fill_,
    grad=dict(self=lambda g, dim, index: index_fill(g, dim, index, 0)),
    ref=reference("_index_refs", "index_write"),
    samples=arguments((3, 4), value=5, **ROWS), doc="Write a number into the slices that a 1-D index names.")

index_copy = written(
    "index_copy(Tensor self, int dim, LongTensor index, Tensor source)", kernels.index_copy_,
    grad=dict(self=lambda g, dim, index: index_fill(g, dim, index, 0),
              source=lambda g, dim, index: index_select(g, dim, index)),
    ref=reference("_index_refs", "index_write"),
    samples=arguments((3, 4), (2, 4), **ONCE), doc="Write the slices of source over those that a 1-D index names.")

# ---- single elements -----------------------------------------------------------------------------------

gather = op(
    "gather(Tensor self, int dim, LongTensor index)", kernels.gather, types=ALL,
    grad=dict(self=lambda g, self_size, dim, index: gather_grad(g, self_size, dim, index)),
    ref="np.take_along_axis(self, index, dim)", samples=arguments((3, 4), **PLACES),
    doc="out[i][j] = self[index[i][j]][j] for dim 0, self[i][index[i][j]] for dim 1, and so on.")

gather_grad = op(
    "gather_grad(Tensor self, object size, int dim, LongTensor index)",
    lambda self, size, dim, index: kernels.scatter_add_(zeros(self, size), dim, index, self), types=ALL, public=False,
    grad=dict(self=lambda g, dim, index: gather(g, dim, index)),
    ref=reference("_index_refs", "gather_grad"),
    samples=arguments((2, 4), size=(3, 4), **PLACES),
    doc="Zeros of `size` with self added at the positions in index: the derivative of gather.")

scatter_fill = op(
    "scatter_fill(Tensor self, int dim, LongTensor index, Number value)", copied(kernels.scatter_), types=ALL,
    inplace=kernels.scatter_, public=False, node_name="Scatter",
    grad=dict(self=lambda g, dim, index: scatter_fill(g, dim, index, 0)),
    ref=reference("_index_refs", "scatter"),
    samples=arguments((3, 4), value=7, **PLACES), doc="Write a number at the positions in index.")

scatter_tensor = op(
    "scatter_tensor(Tensor self, int dim, LongTensor index, Tensor src)", copied(kernels.scatter_), types=ALL,
    inplace=kernels.scatter_, public=False, node_name="Scatter",
    grad=dict(self=lambda g, dim, index: scatter_fill(g, dim, index, 0),
              src=lambda g, dim, index, src_size: padded(gather(g, dim, index), src_size)),
    ref=reference("_index_refs", "scatter"),
    samples=arguments((3, 4), (2, 4), **PLACES),
    doc="Write src[i][j] to self[index[i][j]][j] for dim 0, and likewise for the others.")

scatter_add = written(
    "scatter_add(Tensor self, int dim, LongTensor index, Tensor src)", kernels.scatter_add_,
    grad=dict(self=lambda g: g,
              src=lambda g, dim, index, src_size: padded(gather(g, dim, index), src_size)),
    ref=reference("_index_refs", "scatter_add"),
    samples=arguments((3, 4), (2, 4), **PLACES), doc="Add src[i][j] to self[index[i][j]][j] for dim 0, and so on.")


def padded(x, size):
    """x in the first corner of zeros of `size`: a source may be larger than its index."""
    for d, n in enumerate(size):
        length = x.size(d)
        if length != n:
            wider = tuple(x.size())[:d] + (n,) + tuple(x.size())[d + 1:]
            x = scatter_window(x, wider, "narrow", (d, 0, length))
    return x


public("scatter", {"(Tensor self, int dim, LongTensor index, Tensor src)": scatter_tensor,
                   "(Tensor self, int dim, LongTensor index, Number value)": scatter_fill},
       types=ALL, inplace=True, function=False,
       variable={"(Tensor self, int dim, LongTensor index, Tensor source)": scatter_tensor,
                 "(Tensor self, int dim, LongTensor index, Number source)": scatter_fill},
       doc="Write a tensor or a number at the positions in index; the inverse of gather.")

# ---- masks ---------------------------------------------------------------------------------------------


def masked_select_backward(self, size, mask):
    """Zeros of `size` with self in the places of a mask, which may have broadcast self or have been broadcast."""
    wide = size if mask.numel() <= math.prod(size) else mask.size()
    out = kernels.masked_scatter_(zeros(self, wide), mask, self)
    return out if wide is size else shape_kernels.sum_to(out, size)


masked_select = op(
    "masked_select(Tensor self, ByteTensor mask)", kernels.masked_select, types=ALL,
    grad=dict(self=lambda g, self_size, mask: masked_select_grad(g, self_size, mask)),
    ref="self[mask.astype(bool)]", samples=arguments((3, 4), **MASK),
    doc="The elements where a ByteTensor is 1, in order, as a 1-D tensor.")

masked_select_grad = op(
    "masked_select_grad(Tensor self, object size, ByteTensor mask)", masked_select_backward, types=ALL, public=False,
    grad=dict(self=lambda g, mask: masked_select(g, mask)), samples=arguments((5,), size=(3, 4), **MASK),
    ref=reference("_index_refs", "masked_select_grad"),
    doc="Zeros of `size` with self in the places of a mask: the derivative of masked_select.")

masked_fill = written(
    "masked_fill(Tensor self, ByteTensor mask, Number value)", kernels.masked_fill_,
    grad=dict(self=lambda g, mask: masked_fill(g, mask, 0)),
    ref="np.where(mask, value, self)", samples=arguments((3, 4), value=2, **MASK),
    doc="Write a number where a ByteTensor is 1.")

masked_scatter = written(
    "masked_scatter(Tensor self, ByteTensor mask, Tensor source)", kernels.masked_scatter_,
    grad=dict(self=lambda g, mask: masked_fill(g, mask, 0),
              source=lambda g, mask, source: from_mask(g, mask, source)),
    ref=reference("_index_refs", "masked_scatter"),
    samples=arguments((3, 4), (6,), **MASK), doc="Write the next elements of source wherever a ByteTensor is 1.")


def from_mask(g, mask, source):
    """The gradient of masked_scatter for its source: zero for what was left over."""
    taken = masked_select(g, mask)
    if taken.dim() == 0:
        return zero_like(source)
    whole = scatter_window(taken, (source.numel(),), "narrow", (0, 0, taken.size(0)))
    return view(whole, tuple(source.size()))


def masked_copy(self, mask, source):
    """Old name of masked_scatter."""
    warnings.warn("masked_copy is deprecated and renamed to masked_scatter", UserWarning, stacklevel=2)
    return masked_scatter(self, mask, source)


def masked_copy_(self, mask, source):
    """Old name of masked_scatter_."""
    warnings.warn("masked_copy_ is deprecated and renamed to masked_scatter_", UserWarning, stacklevel=2)
    return masked_scatter.inplace(self, mask, source)


for _function in (masked_copy, masked_copy_):
    public(_function.__name__, {"(Tensor self, ByteTensor mask, Tensor source)": _function}, types=ALL, function=False,
           doc=_function.__doc__)

nonzero = op(
    "nonzero(Tensor self)", kernels.nonzero, types=ALL, variable=False, ref="np.argwhere(self)",
    samples=arguments((3, 4)), doc="Positions of the nonzero elements: a LongTensor with a row for each.")
