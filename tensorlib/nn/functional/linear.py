"""Linear maps, and lookup of rows by index."""
from ..._ops.node import name_node
from ...autograd import Variable
from ...ops import linalg
from ...ops import nn as nn_ops
from ._common import as_variable, constant, positions


def linear(input, weight, bias=None):
    """Compute input @ weight.t() + bias.

    Args:
        input (Variable): (*, in_features).
        weight (Variable): (out_features, in_features).
        bias (Variable, optional): (out_features).

    Returns:
        a Variable of size (*, out_features).

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.linear(Variable(tensorlib.ones(2, 3)), Variable(tensorlib.ones(4, 3))).size()
        tensorlib.Size([2, 4])
    """
    input = as_variable(input)
    if input.is_sparse:
        return input.mm(weight.t()) if bias is None else linalg.addmm(bias, 1, 1, input, weight.t())
    if input.dim() == 2:
        return linalg.affine(bias, input, weight)
    output = linalg.affine(bias, input.contiguous().view(-1, input.size(-1)), weight)
    return output.view(*(list(input.size()[:-1]) + [weight.size(0)]))


def bilinear(input1, input2, weight, bias=None):
    """Compute y[n, k] = input1[n] @ weight[k] @ input2[n] + bias[k].

    Args:
        input1 (Variable): (n, in1_features).
        input2 (Variable): (n, in2_features).
        weight (Variable): (out_features, in1_features, in2_features).
        bias (Variable, optional): (out_features).
    """
    out, in1, in2 = weight.size()
    if input2.size(-1) != in2:
        raise RuntimeError("bilinear(): input2 of size %s does not fit the weight of size %s"
                           % (tuple(input2.size()), tuple(weight.size())))
    flat = weight.transpose(0, 1).contiguous().view(in1, out * in2)
    half = input1.mm(flat).view(-1, out, in2)
    output = half.bmm(input2.unsqueeze(2)).squeeze(2)
    return name_node(output if bias is None else output + bias.expand_as(output), "Bilinear")


def embedding(input, embedding_matrix, max_norm=None, norm_type=2, scale_grad_by_freq=False, sparse=False,
              padding_idx=None):
    """Look rows of a matrix up by index.

    Args:
        input (Variable): LongTensor of indices, 1-D or 2-D.
        embedding_matrix (Variable): (num_embeddings, embedding_dim).
        max_norm (float, optional): rows that are looked up and exceed this norm are scaled down to it, in place.
        norm_type (float): p of that norm.
        scale_grad_by_freq (bool): divide the gradient of a row by how often it was looked up.
        sparse (bool): make the gradient by the matrix a sparse tensor, with an entry for each row looked up. It is
            dense where backward records a graph, and where the matrix was itself computed.
        padding_idx (int, optional): a row that gets no gradient.

    Returns:
        a Variable of size (*input, embedding_dim).
    """
    if not isinstance(input, Variable):
        raise RuntimeError("embedding(): indices must be a Variable, got %s" % type(input).__name__)
    if input.requires_grad:
        raise AssertionError("Embedding doesn't compute the gradient w.r.t. the indices")
    if input.dim() > 2:
        raise AssertionError("embedding(): indices must be 1-D or 2-D, got size %s" % (tuple(input.size()),))
    if max_norm is not None:
        _limit_rows(embedding_matrix.data, input.data, max_norm, norm_type)
    padding = -1 if padding_idx is None else padding_idx
    return nn_ops.embedding(embedding_matrix, input, padding, scale_grad_by_freq, sparse)


def _limit_rows(matrix, indices, max_norm, norm_type):
    """Scale the rows that indices name and whose norm exceeds max_norm, each once, in place."""
    for row in sorted(set(indices.contiguous().view(-1).tolist())):
        norm = matrix[row].norm(norm_type)
        if norm > max_norm:
            matrix[row].mul_(max_norm / (norm + 1e-7))


def embedding_bag(embedding_matrix, input, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False,
                  mode="mean", sparse=False):
    """Sum or average the rows of each bag of indices, without keeping the rows.

    Args:
        embedding_matrix (Variable): (num_embeddings, embedding_dim).
        input (Variable): LongTensor, (bags, indices in each), or 1-D with offsets.
        offsets (Variable, optional): LongTensor, where in a 1-D input each bag begins; the first is 0.
        max_norm, norm_type, scale_grad_by_freq: as of embedding().
        mode (str): 'sum' or 'mean'.
        sparse (bool): as of embedding().

    Returns:
        a Variable of size (bags, embedding_dim).

    Raises:
        ValueError: input and offsets do not fit each other, or another mode.
    """
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
                             "fixed length sequences. However, found offsets of type %s" % type(offsets).__name__)
        starts = list(range(0, input.numel(), input.size(1)))
        input = input.contiguous().view(-1)
    elif input.dim() != 1:
        raise ValueError("input has to be 1D or 2D Tensor, but got Tensor of dimension %d" % input.dim())
    else:
        starts = _bag_starts(input, offsets)
    if mode not in ("sum", "mean"):
        raise ValueError("mode has to be one of sum or mean, got %s" % mode)
    rows = embedding(input, embedding_matrix, max_norm, norm_type, scale_grad_by_freq, sparse)
    return _pool_bags(rows, starts, mode)


def _bag_starts(input, offsets):
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor, got %dD" % offsets.dim())
    starts = offsets.data.tolist()
    if starts[0] != 0:
        raise ValueError("offsets[0] has to be 0, i.e. the first sequence in the mini-batch has to start from "
                         "position 0. However, got %d" % starts[0])
    if starts[-1] > input.size(0) or any(a > b for a, b in zip(starts, starts[1:])):
        raise ValueError("offsets have to increase up to at most the %d indices given, got %s"
                         % (input.size(0), starts))
    return starts


def _pool_bags(rows, starts, mode):
    counts = [end - start for start, end in zip(starts, starts[1:] + [rows.size(0)])]
    bag_of = [bag for bag, count in enumerate(counts) for _ in range(count)]
    zeros = Variable(rows.data.new(len(starts), rows.size(1)).zero_())
    sums = zeros.index_add(0, positions(rows, bag_of), rows)
    if mode == "sum":
        return sums
    return sums / constant(rows, [float(max(count, 1)) for count in counts], -1, 1).expand_as(sums)
