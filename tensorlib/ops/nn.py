"""Rows of layers that are neither convolution nor pooling: embeddings, which look rows of a matrix up by index."""
from .._ops.variable import VariableBase
from .._ops import embedding as kernels
from ._samples import arguments, positions
from ._table import op
from .loss import reference

INDICES = positions([[3, 0], [3, 1]])
PLAIN = dict(indices=INDICES, padding_idx=-1, scale_grad_by_freq=False)
SCALED = dict(indices=INDICES, padding_idx=1, scale_grad_by_freq=True)


def lookup_grad(g, indices, num_weights, padding_idx, scale_grad_by_freq, sparse):
    """The gradient of a lookup: sparse where wanted, but dense in a graph, where it can be differentiated again."""
    in_graph = isinstance(g, VariableBase)
    grad = kernels.embedding_sparse_grad if sparse and not in_graph else embedding_grad
    return grad(g, indices, num_weights, padding_idx, scale_grad_by_freq)


embedding = op(
    "embedding(Tensor self, LongTensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, "
    "bool sparse=False)",
    kernels.embedding, public=False,
    grad=dict(self=lambda g, self_size, indices, padding_idx, scale_grad_by_freq, sparse:
              lookup_grad(g, indices, self_size[0], padding_idx, scale_grad_by_freq, sparse)),
    ref=reference("embedding"), samples=arguments((5, 3), sparse=False, **PLAIN),
    doc="Rows of self at the indices. The row padding_idx gets no gradient; with scale_grad_by_freq the gradient of a "
        "row is divided by how often it was looked up; with sparse it is a sparse tensor.")

embedding_grad = op(
    "embedding_grad(Tensor dy, LongTensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq)",
    kernels.embedding_grad, public=False,
    grad=dict(dy=lambda g, indices, padding_idx, scale_grad_by_freq:
              embedding_scaled(g, indices, padding_idx, scale_grad_by_freq)),
    ref=reference("embedding_grad"),
    samples=arguments((2, 2, 3), num_weights=5, **PLAIN) + arguments((2, 2, 3), num_weights=4, **SCALED),
    doc="Rows of dy added up where their indices point, in a matrix of num_weights rows: derivative of embedding.")

embedding_scaled = op(
    "embedding_scaled(Tensor self, LongTensor indices, int padding_idx, bool scale_grad_by_freq)",
    kernels.embedding_scaled, public=False,
    grad=dict(self=lambda g, self_size, indices, padding_idx, scale_grad_by_freq:
              embedding_grad(g, indices, self_size[0], padding_idx, scale_grad_by_freq)),
    ref=reference("embedding_scaled"), samples=arguments((5, 3), **SCALED),
    doc="Rows of self at the indices, each times the factor that embedding_grad gives it: adjoint of embedding_grad.")
