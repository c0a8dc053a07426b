"""Many parameters as one vector, and back."""
from ...ops.shape import cat_sequence, flatten


def parameters_to_vector(parameters):
    """Return all parameters in one 1-D Variable, through which gradients go back to them."""
    return cat_sequence([flatten(p) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Copy a vector of parameters_to_vector() into parameters, in their order.

    Raises:
        ValueError: the vector has more or fewer elements than all parameters together.
    """
    parameters = list(parameters)
    count = sum(p.numel() for p in parameters)
    if vec.dim() != 1 or vec.numel() != count:
        raise ValueError("expected a vector of %d elements, one for each of the parameters, got size %s"
                         % (count, tuple(vec.size())))
    start = 0
    for p in parameters:
        p.data.copy_(vec.data.narrow(0, start, p.numel()).contiguous().view(p.size()))
        start += p.numel()
