"""Rows of a matrix looked up by index, and the derivative: the twins of _ops/embedding.pyx, made of those of index."""
from ..._ops.copying import dense_copy, fill_, make_contiguous
from ..._ops.shape import view
from ..._ops.sparse import classes as sparse_classes
from ..._ops.sparse import of_parts
from ..._ops.tensor import code_of, device_of, make_empty
from . import index

LONG = 4


def flat_indices(name, indices):
    if code_of(indices) != LONG:
        raise TypeError("%s(): indices are a %s, expected a tensorlib.cuda.LongTensor" % (name, indices.type()))
    if indices.numel() == 0:
        raise RuntimeError("%s(): no indices given" % name)
    return view(make_contiguous(indices), (-1,))


def row_factors(like, indices, rows, padding_idx, scale_grad_by_freq):
    """The factor of each row of the gradient, a column, or None where all are 1."""
    if not scale_grad_by_freq and padding_idx < 0:
        return None
    factor = fill_(make_empty(code_of(like), (rows, 1), device_of(like)), 0 if scale_grad_by_freq else 1)
    if scale_grad_by_freq:
        ones = fill_(make_empty(code_of(like), (indices.size(0), 1), device_of(like)), 1)
        factor = index.index_add_(factor, 0, indices, ones).clamp_(min=1).reciprocal_()
    if 0 <= padding_idx < rows:
        fill_(factor.narrow(0, padding_idx, 1), 0)
    return factor


def look_up(name, weight, indices):
    """Rows of weight at the indices, of size (*indices, width)."""
    if weight.dim() != 2:
        raise RuntimeError("%s(): weight of size %s, expected a matrix" % (name, tuple(weight.size())))
    rows = index.index_select(weight, 0, flat_indices(name, indices))
    return view(rows, tuple(indices.size()) + (weight.size(1),))


def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    return look_up("embedding", weight, indices)


def checked_with(name, g, indices):
    """The indices in a row, for a gradient that has a row for each of them."""
    places = flat_indices(name, indices)
    if g.dim() != indices.dim() + 1 or g.numel() != indices.numel() * g.size(-1):
        raise RuntimeError("%s(): gradient of size %s for indices of size %s"
                           % (name, tuple(g.size()), tuple(indices.size())))
    return places


def embedding_grad(g, indices, num_weights, padding_idx=-1, scale_grad_by_freq=False):
    places = checked_with("embedding_grad", g, indices)
    width = g.size(-1)
    out = fill_(make_empty(code_of(g), (num_weights, width), device_of(g)), 0)
    index.index_add_(out, 0, places, view(make_contiguous(g), (-1, width)))
    factor = row_factors(g, places, num_weights, padding_idx, scale_grad_by_freq)
    return out if factor is None else out.mul_(factor)


def embedding_sparse_grad(g, indices, num_weights, padding_idx=-1, scale_grad_by_freq=False):
    """An entry for each index but padding_idx: only where there is one, how many they are is read back."""
    places = checked_with("embedding_sparse_grad", g, indices)
    width = g.size(-1)
    found, values = dense_copy(places), view(make_contiguous(g), (-1, width))
    if padding_idx >= 0:
        kept = index.nonzero(places.ne(padding_idx))
        if kept.numel() == 0:
            return sparse_classes(True)[code_of(g)](num_weights, width, device=device_of(g))
        kept = view(kept, (-1,))
        found, values = index.index_select(places, 0, kept), index.index_select(values, 0, kept)
    if scale_grad_by_freq:
        values = values * index.index_select(row_factors(g, places, num_weights, padding_idx, True), 0, found)
    return of_parts(view(found, (1, -1)), values, (num_weights, width))


def embedding_scaled(weight, indices, padding_idx=-1, scale_grad_by_freq=False):
    factor = row_factors(weight, flat_indices("embedding_scaled", indices), weight.size(0), padding_idx,
                         scale_grad_by_freq)
    return look_up("embedding_scaled", weight if factor is None else weight * factor, indices)
