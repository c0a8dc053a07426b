"""Names for sparse tensors alone: products with dense ones, and the way to a dense tensor.

Rows that serve dense tensors too (add, mul, mm, ...) name their kernel for sparse ones where they stand. Gradients are
those of the matrices that sparse tensors stand for, so to a sparse operand they are dense.
"""
from .._ops import sparse_math
from ._samples import unary
from ._table import ALL, engine_rows, op, public
from .linalg import mm

to_dense = op("to_dense(Tensor self)", lambda self: self, public=False, types=ALL, sparse=sparse_math.to_dense,
              grad=dict(self=lambda g: g), ref="self", samples=unary(-1, 1), doc="The same elements, none left out.")
public("to_dense", {"(SparseTensor self)": to_dense}, function=False, doc=to_dense.row.doc)

MATRICES = "(SparseTensor self, Tensor mat2)"
SUMS = "(Number beta=1, SparseTensor self, Number alpha=1, SparseTensor mat1, Tensor mat2)"
for _names, _form, _target, _doc in (
        (("spmm", "dsmm"), MATRICES, mm, "Product of a sparse and a dense matrix, dense."),
        (("hspmm", "hsmm"), MATRICES, sparse_math.hspmm,
         "Product of a sparse and a dense matrix, as a hybrid: sparse over its rows, dense along its columns."),
        (("sspmm", "smm"), MATRICES, sparse_math.sspmm, "Product of a sparse and a dense matrix, sparse."),
        (("sspaddmm", "saddmm"), SUMS, sparse_math.sspaddmm,
         "beta * self + alpha * (mat1 @ mat2), a sparse matrix of sparse ones and a dense one.")):
    for _name in _names:
        public(_name, {_form: _target}, variable=_target is mm, doc=_doc)
public("spadd", {"(Tensor self, Number value=1, SparseTensor other)": sparse_math.add_scaled,
                 "(SparseTensor self, Number value=1, Tensor other)": sparse_math.add_scaled}, variable=False,
       doc="self + value * other, one sparse and one dense; the sum is dense.")
for _name in ("_sparse_mask", "sparse_mask"):
    public(_name, {"(Tensor self, SparseTensor mask)": sparse_math.sparse_mask}, variable=False, function=False,
           doc="The elements at the places of a sparse tensor of the same size, sparse; the mask is coalesced first.")

engine_rows(to_dense=to_dense)
