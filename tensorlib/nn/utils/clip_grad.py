"""Limit gradients: their joint norm, or every element."""


def clip_grad_norm(parameters, max_norm, norm_type=2):
    """Scale all gradients by one factor, in place, so that their joint norm is at most max_norm.

    Args:
        parameters (iterable of Variable): those without a gradient are passed over; sparse ones are welcome.
        max_norm (float): the limit.
        norm_type (float): p of the p-norm, above 0; float('inf') for the largest magnitude.

    Returns:
        the norm before, a Python number.

    Raises:
        ZeroDivisionError: norm_type is 0 or less.
    """
    grads = [p.grad.data for p in parameters if p.grad is not None]
    values = [value for value in map(_values, grads) if value.dim()]
    max_norm, norm_type = float(max_norm), float(norm_type)
    if norm_type <= 0:
        raise ZeroDivisionError("norm_type must be above 0, got %g" % norm_type)
    if norm_type == float("inf"):
        total = max(value.abs().max() for value in values) if values else 0.0
    else:
        total = sum(value.norm(norm_type) ** norm_type for value in values) ** (1.0 / norm_type)
    scale = max_norm / (total + 1e-6)
    if scale < 1:
        for grad in grads:
            grad.mul_(scale)
    return total


def _values(grad):
    """The elements that count: those of a sparse gradient with the entries of one place added up."""
    return grad.coalesce()._values() if grad.is_sparse else grad


clip_grad_norm_ = clip_grad_norm


def clip_grad_value_(parameters, clip_value):
    """Limit every element of all gradients to [-clip_value, clip_value], in place.

    Args:
        parameters (iterable of Variable): those without a gradient are passed over.
        clip_value (float): the limit.
    """
    for p in parameters:
        if p.grad is not None:
            p.grad.data.clamp_(-clip_value, clip_value)
