"""Convolutions and transposed convolutions of 1 to 3 spatial dims: checks, and numbers made tuples."""
from ..._ops.sequences import repeated
from ..._ops.variable import go_together
from ...ops import conv as conv_ops
from ._common import require_dims, require_variable


def _check(name, n, input, weight, bias):
    require_variable(name, input=input, weight=weight, bias=bias)
    require_dims(name, input, n + 2)
    for other in (weight, bias):
        if other is not None and type(other.data) is not type(input.data):
            raise RuntimeError("%s(): expected %s (got %s)" % (name, input.data.type(), other.data.type()))


def _conv(name, n, input, weight, bias, stride, padding, dilation, groups):
    if not go_together(n + 2, input, weight, bias):
        _check(name, n, input, weight, bias)
    return conv_ops.conv(input, weight, bias, repeated(stride, n), repeated(padding, n), repeated(dilation, n), groups)


def _conv_transpose(name, n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    if not go_together(n + 2, input, weight, bias):
        _check(name, n, input, weight, bias)
    return conv_ops.conv_transpose(input, weight, bias, repeated(stride, n), repeated(padding, n),
                                   repeated(output_padding, n), groups, repeated(dilation, n))


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolve over the last dim (in fact cross-correlate).

    Args:
        input (Variable): (n, in_channels, w).
        weight (Variable): (out_channels, in_channels / groups, kernel).
        bias (Variable, optional): (out_channels).
        stride, padding, dilation (int or 1-tuple): step of the kernel, zeros on each side, step inside the kernel.
        groups (int): input and output channels are cut in so many groups that do not see each other.

    Returns:
        a Variable of size (n, out_channels, floor((w + 2 padding - dilation (kernel - 1) - 1) / stride) + 1).
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolve over the last two dims. Arguments as of conv1d(), numbers or pairs.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.conv2d(Variable(tensorlib.ones(1, 1, 4, 4)), Variable(tensorlib.ones(2, 1, 3, 3)), padding=1).size()
        tensorlib.Size([1, 2, 4, 4])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolve over the last three dims. Arguments as of conv1d(), numbers or triples."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Apply the transpose of conv1d(): its gradient with respect to the input.

    Args:
        input (Variable): (n, in_channels, w).
        weight (Variable): (in_channels, out_channels / groups, kernel).
        bias (Variable, optional): (out_channels).
        stride, padding, dilation (int or 1-tuple): of the convolution that is transposed.
        output_padding (int or 1-tuple): added to one side of the output; below stride or dilation.
        groups (int): as of conv1d().

    Returns:
        a Variable with (w - 1) stride - 2 padding + dilation (kernel - 1) + 1 + output_padding in the last dim.
    """
    return _conv_transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
                           dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Apply the transpose of conv2d(). Arguments as of conv_transpose1d(), numbers or pairs."""
    return _conv_transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
                           dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Apply the transpose of conv3d(). Arguments as of conv_transpose1d(), numbers or triples."""
    return _conv_transpose("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups,
                           dilation)
