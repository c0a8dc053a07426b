"""Rows of sorting and order statistics. Values take their gradient to where they came from; positions have none."""
from .._ops import sort as kernels
from .._ops.tensor import get_item
from ._samples import arguments, reference, unary
from ._table import ALL, op, public
from .reduce import place, place_one

SIZES = ((3, 4), (2, 3, 7))


def row(signature, kernel, grad, **more):
    """A row of every type without a public name of its own."""
    return op(signature, kernel, grad=dict(self=grad), types=ALL, public=False, **more)


sort_dim = row("sort_dim(Tensor self, int dim=-1, bool descending=False)", kernels.sort,
               lambda g0, out1, self_size, dim: place(g0, out1, self_size, dim, True), node_name="Sort",
               ref="(np.sort(self, dim), np.argsort(self, dim, kind='stable'))",
               samples=unary(-2, 2, SIZES, dim=-1, descending=False), doc="Sorted along a dim, and the positions.")
topk_dim = row("topk_dim(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True)", kernels.topk,
               lambda g0, out1, self_size, dim: place(g0, out1, self_size, dim, True), node_name="Topk",
               samples=arguments((3, 5), k=2, dim=-1, largest=True, sorted=True), ref=reference("_index_refs", "topk"),
               doc="The k largest or smallest along a dim, and their positions.")
kthvalue_dim = row("kthvalue_dim(Tensor self, int k, int dim=-1, bool keepdim=False)", kernels.kthvalue,
                   lambda g0, out1, self_size, dim, keepdim: place(g0, out1, self_size, dim, keepdim),
                   node_name="Kthvalue", ref=reference("_index_refs", "kthvalue"),
                   samples=arguments((3, 5), k=2, dim=-1, keepdim=False),
                   doc="The k-th smallest along a dim, and their positions.")
median_dim = row("median_dim(Tensor self, int dim=-1, bool keepdim=False)", kernels.median_dim,
                 lambda g0, out1, self_size, dim, keepdim: place(g0, out1, self_size, dim, keepdim),
                 node_name="Median", ref=reference("_index_refs", "median"),
                 samples=arguments((3, 5), dim=-1, keepdim=False),
                 doc="Medians along a dim, and their positions.")
median_all = row("median_all(Tensor self)", kernels.median_all,
                 lambda g0, out1, self_size: place_one(g0, out1, self_size), node_name="Median",
                 ref=reference("_index_refs", "median_all"), samples=unary(-2, 2, SIZES),
                 doc="Median of all elements, and its position in row-major order.")
mode_dim = row("mode_dim(Tensor self, int dim=-1, bool keepdim=False)", kernels.mode,
               lambda g0, out1, self_size, dim, keepdim: place(g0, out1, self_size, dim, keepdim), node_name="Mode",
               ref=reference("_index_refs", "mode"), samples=arguments((3, 5), dim=-1, keepdim=False),
               doc="Most frequent values along a dim, and positions.")


# ---- the forms of Tensors and Variables ----------------------------------------------------------------


def median_of_all(self):
    return median_all(self)[0]


def median_number(self):
    return get_item(kernels.median_all(self)[0])


def last_median(self, keepdim):
    return median_dim(self, -1, keepdim)


def last_mode(self, keepdim=False):
    return mode_dim(self, -1, keepdim)


def last_kthvalue(self, k, keepdim=False):
    return kthvalue_dim(self, k, -1, keepdim)


def median_variable(self, dim=None, keepdim=None):
    return median_of_all(self) if dim is None else median_dim(self, dim, bool(keepdim))


def mode_variable(self, dim=None, keepdim=None):
    return mode_dim(self, -1 if dim is None else dim, bool(keepdim))


def kthvalue_variable(self, k, dim=None, keepdim=None):
    return kthvalue_dim(self, k, -1 if dim is None else dim, bool(keepdim))


def sort_variable(self, dim=None, descending=False):
    return sort_dim(self, -1 if dim is None else dim, descending)


def topk_variable(self, k, dim=None, largest=True, sorted=True):
    return topk_dim(self, k, -1 if dim is None else dim, largest, sorted)


public("median", {"(Tensor self)": median_number, "(Tensor self, bool keepdim)": last_median,
                  "(Tensor self, int dim, bool keepdim=False)": median_dim}, types=ALL,
       variable={"(Tensor self, int? dim=None, bool? keepdim=None)": median_variable},
       doc="Median of all elements, or (values, positions) along a dim; of two middle ones the lower.")
public("mode", {"(Tensor self, bool keepdim=False)": last_mode, "(Tensor self, int dim, bool keepdim=False)": mode_dim},
       types=ALL, variable={"(Tensor self, int? dim=None, bool? keepdim=None)": mode_variable},
       doc="(values, positions) of the most frequent values along a dim, the last one by default.")
public("kthvalue", {"(Tensor self, int k, bool keepdim=False)": last_kthvalue,
                    "(Tensor self, int k, int dim, bool keepdim=False)": kthvalue_dim}, types=ALL,
       variable={"(Tensor self, int k, int? dim=None, bool? keepdim=None)": kthvalue_variable},
       doc="(values, positions) of the k-th smallest (counted from 1) along a dim, the last one by default.")
public("sort", {"(Tensor self, int dim=-1, bool descending=False)": sort_dim}, types=ALL,
       variable={"(Tensor self, int? dim=None, bool descending=False)": sort_variable},
       doc="(values, positions) sorted along a dim, the last one by default. Equal elements keep their order.")
public("topk", {"(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True)": topk_dim}, types=ALL,
       variable={"(Tensor self, int k, int? dim=None, bool largest=True, bool sorted=True)": topk_variable},
       doc="(values, positions) of the k largest or smallest along a dim, the last one by default.")
