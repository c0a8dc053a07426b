"""Normalisation: by the statistics of a batch, of one sample, of neighbouring channels, or by a norm."""
from ..._ops.variable import of_each_channel
from ...autograd import Variable
from ...ops import norm as norm_ops
from ...ops import shape
from ._common import as_variable
from .pooling import avg_pool3d


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalise each channel (dim 1) over all other dims, then scale and shift it.

    Args:
        input (Variable): 2-D or more.
        running_mean, running_var (Tensor): used when not training; moved by momentum towards the batch's mean and
            unbiased variance when training. May be None in training.
        weight, bias (Variable, optional): scale and shift of each channel.
        training (bool): normalise by the statistics of the batch.
        momentum (float): how far the running statistics move.
        eps (float): added to the variance.

    Source: Ioffe and Szegedy, 2015.
    """
    return _batch_norm(norm_ops.batch_norm, input, running_mean, running_var, weight, bias, training, momentum, eps)


def batch_norm_relu(input, running_mean, running_var, weight, bias, training, momentum, eps):
    """relu(batch_norm(...)) in one pass over memory. Not public: nn.Sequential makes use of it."""
    return _batch_norm(norm_ops.batch_norm_relu, input, running_mean, running_var, weight, bias, training, momentum,
                       eps)


def _batch_norm(row, input, running_mean, running_var, weight, bias, training, momentum, eps):
    input = as_variable(input)
    if not of_each_channel(input, running_mean, running_var, weight, bias):
        _check_channels(input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("batch_norm(): running_mean and running_var are needed when not training")
    return row(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def _check_channels(input, **parts):
    """Raise RuntimeError unless each has the input's type and an element for each of its channels, or is None."""
    channels = input.size(1)
    for name, x in parts.items():
        if x is None:
            continue
        if x.numel() != channels:
            raise RuntimeError("%s should contain %d elements not %d" % (name, channels, x.numel()))
        tensor = x.data if isinstance(x, Variable) else x
        if type(tensor) is not type(input.data):
            raise RuntimeError("batch_norm(): %s is a %s, the input a %s" % (name, tensor.type(), input.data.type()))


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, momentum=0.1, eps=1e-5):
    """Normalise each channel of each sample over its own places, then scale and shift it (Ulyanov et al., 2016).

    Args as of batch_norm(). The running statistics are moved towards the mean over the samples, never used.
    """
    n, channels = input.size(0), input.size(1)

    def each(x):
        return None if x is None else x.repeat(n)

    mean, var = each(running_mean), each(running_var)
    flat = input.contiguous().view(1, n * channels, *input.size()[2:])
    output = batch_norm(flat, mean, var, each(weight), each(bias), True, momentum, eps)
    if running_mean is not None:
        running_mean.copy_(mean.view(n, channels).mean(0))
        running_var.copy_(var.view(n, channels).mean(0))
    return output.view(input.size())


def cross_map_lrn2d(input, size, alpha=1e-4, beta=0.75, k=1):
    """Divide by (k + alpha / size * sum of squares over the neighbouring channels)^beta (Krizhevsky et al., 2012)."""
    if input.dim() != 4:
        raise AssertionError("cross_map_lrn2d(): expected 4D input, got %dD" % input.dim())
    half = (size - 1) // 2
    squares = (input * input).unsqueeze(1)
    if half:
        edge = Variable(input.data.new(input.size(0), 1, half, input.size(2), input.size(3)).zero_())
        squares = shape.cat_sequence([edge, squares, edge], 2)
    width = 2 * half + 1
    near = avg_pool3d(squares, (width, 1, 1), 1).squeeze(1)
    return input / (near * (alpha * width / size) + k).pow(beta)


def normalize(input, p=2, dim=1, eps=1e-12):
    """Divide by max(p-norm along dim, eps)."""
    input = as_variable(input)
    return input / input.norm(p, dim, True).clamp(min=eps).expand_as(input)
