"""Limit gradients: their joint norm, or every element."""


def clip_grad_norm(parameters, max_norm, norm_type=2):
    """Scale all gradients by one factor, in place, so that their joint norm is at most max_norm.

    Args:
        parameters (iterable of Variable): those without a gradient are passed over.
        max_norm (float): the limit.
        norm_type (float): p of the p-norm, above 0; float('inf') for the largest magnitude.

    Returns:
        the norm before, a Python number.

    Raises:
        ZeroDivisionError: norm_type is 0 or less.
    """
    grads = [p.grad.data for p in parameters if p.grad is not None]
    max_norm, norm_type = float(max_norm), float(norm_type)
    if norm_type <= 0:
        raise ZeroDivisionError("norm_type must be above 0, got %g" % norm_type)
    if norm_type == float("inf"):
        total = max(grad.abs().max() for grad in grads)
    else:
        total = sum(grad.norm(norm_type) ** norm_type for grad in grads) ** (1.0 / norm_type)
    scale = max_norm / (total + 1e-6)
    if scale < 1:
        for grad in grads:
            grad.mul_(scale)
    return total


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
