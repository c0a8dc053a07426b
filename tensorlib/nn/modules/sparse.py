"""Lookup tables: Embedding and EmbeddingBag."""
from ...tensor import Default
from .. import functional as F
from ..module import Module
from ..parameter import Parameter


class Embedding(Module):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings (int), embedding_dim (int): rows and columns of the table.
        padding_idx (int, optional): a row that starts at 0 and gets no gradient.
        max_norm (float, optional): rows that are looked up and exceed this norm are scaled down to it.
        norm_type (float): p of that norm.
        scale_grad_by_freq (bool): divide the gradient of a row by how often it was looked up.
        sparse (bool): make the gradient of the table a sparse tensor, which costs nothing for the rows that were not
            looked up; for the optimizers SGD, Adagrad and SparseAdam.

    Attributes:
        weight (Parameter): (num_embeddings, embedding_dim), from N(0, 1).

    Shape: LongTensor (n) or (n, w) to (n, embedding_dim) or (n, w, embedding_dim).
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2,
                 scale_grad_by_freq=False, sparse=False):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.weight = Parameter(Default.tensor(num_embeddings, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the table anew."""
        self.weight.data.normal_(0, 1)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx].fill_(0)

    def forward(self, input):
        return F.embedding(input, self.weight, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse,
                           self.padding_idx)

    def __repr__(self):
        parts = ["%d, %d" % (self.num_embeddings, self.embedding_dim)]
        if self.padding_idx is not None:
            parts.append("padding_idx=%s" % self.padding_idx)
        if self.max_norm is not None:
            parts.append("max_norm=%s" % self.max_norm)
        if self.norm_type != 2:
            parts.append("norm_type=%s" % self.norm_type)
        parts += ["%s=True" % name for name in ("scale_grad_by_freq", "sparse") if getattr(self, name)]
        return "%s(%s)" % (type(self).__name__, ", ".join(parts))


class EmbeddingBag(Module):
    """Sums or means of bags of rows of a table.

    Args:
        num_embeddings (int), embedding_dim (int): rows and columns of the table.
        max_norm, norm_type, scale_grad_by_freq: as of Embedding.
        mode (str): 'sum' or 'mean'.
        sparse (bool): as of Embedding.

    Attributes:
        weight (Parameter): (num_embeddings, embedding_dim), from N(0, 1).

    forward(input, offsets=None): input is a LongTensor (bags, indices in each), or 1-D with offsets, where each bag
    begins. The output is of size (bags, embedding_dim).
    """

    sparse = False                  # of models that were saved before there was a choice

    def __init__(self, num_embeddings, embedding_dim, max_norm=None, norm_type=2, scale_grad_by_freq=False,
                 mode="mean", sparse=False):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.weight = Parameter(Default.tensor(num_embeddings, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the table anew."""
        self.weight.data.normal_(0, 1)

    def forward(self, input, offsets=None):
        return F.embedding_bag(self.weight, input, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
                               self.mode, self.sparse)

    def __repr__(self):
        parts = ["%d, %d" % (self.num_embeddings, self.embedding_dim)]
        if self.max_norm is not None:
            parts.append("max_norm=%s" % self.max_norm)
        if self.norm_type != 2:
            parts.append("norm_type=%s" % self.norm_type)
        parts += ["%s=True" % name for name in ("scale_grad_by_freq", "sparse") if getattr(self, name)]
        return "%s(%s, mode=%s)" % (type(self).__name__, ", ".join(parts), self.mode)
