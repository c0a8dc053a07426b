"""Fill tensors or Variables with initial weights, in place.

Every function returns what it was given. Names have no trailing underscore, as in their time; today's spelling with
one is an alias. Random numbers are drawn in one call for each tensor, so equal seeds give equal weights.
"""
import math
import random

from ..autograd import Variable
from ..tensor import Default


def calculate_gain(nonlinearity, param=None):
    """Return the factor by which a nonlinearity asks weights to be scaled up.

    Args:
        nonlinearity (str): 'linear', 'conv1d' to 'conv3d', 'sigmoid' (1), 'tanh' (5/3), 'relu' (sqrt 2) or
            'leaky_relu' (sqrt(2 / (1 + slope^2))).
        param (float, optional): the slope of leaky_relu; 0.01 unless given.

    Raises:
        ValueError: another name, or a slope that is no number.

    Example:
        >>> from tensorlib import nn
        >>> nn.init.calculate_gain('leaky_relu', 1)
        1.0
    """
    if nonlinearity in ("linear", "conv1d", "conv2d", "conv3d", "sigmoid"):
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError("negative_slope %r is not a valid number" % (param,))
        return math.sqrt(2.0 / (1 + slope ** 2))
    raise ValueError("Unsupported nonlinearity %s" % nonlinearity)


def _data(tensor):
    return tensor.data if isinstance(tensor, Variable) else tensor


def uniform(tensor, a=0, b=1):
    """Draw every element from the uniform distribution over [a, b)."""
    _data(tensor).uniform_(a, b)
    return tensor


def normal(tensor, mean=0, std=1):
    """Draw every element from the normal distribution N(mean, std^2)."""
    _data(tensor).normal_(mean, std)
    return tensor


def constant(tensor, val):
    """Set every element to val."""
    _data(tensor).fill_(val)
    return tensor


def eye(tensor):
    """Make a matrix the identity: ones on the diagonal, zeros elsewhere.

    Raises:
        ValueError: the tensor is not 2-D.
    """
    data = _data(tensor)
    if data.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    data.zero_()
    for i in range(min(data.size())):
        data[i, i] = 1
    return tensor


def dirac(tensor):
    """Make the weight of a convolution the identity: it passes as many channels as possible unchanged.

    Raises:
        ValueError: the tensor is not 3-D, 4-D or 5-D.
    """
    data = _data(tensor)
    if data.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    data.zero_()
    centre = tuple(k // 2 for k in data.size()[2:])
    for channel in range(min(data.size(0), data.size(1))):
        data[(channel, channel) + centre] = 1
    return tensor


def _fans(tensor):
    """Return (fan_in, fan_out): how many inputs an output sees, and how many outputs an input reaches."""
    size = _data(tensor).size()
    if len(size) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with less than 2 dimensions")
    area = 1
    for k in size[2:]:
        area *= k
    return size[1] * area, size[0] * area


def _chosen_fan(tensor, mode):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError("mode %s not supported, please use one of fan_in, fan_out" % mode)
    fan_in, fan_out = _fans(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform(tensor, gain=1):
    """Draw from U(-b, b), b = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _fans(tensor)
    std = gain * math.sqrt(2.0 / (fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform(tensor, -bound, bound)


def xavier_normal(tensor, gain=1):
    """Draw from N(0, s^2), s = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _fans(tensor)
    return normal(tensor, 0, gain * math.sqrt(2.0 / (fan_in + fan_out)))


def kaiming_uniform(tensor, a=0, mode="fan_in"):
    """Draw from U(-b, b), b = sqrt(6 / ((1 + a^2) fan)) (He et al., 2015).

    Args:
        tensor (Tensor or Variable): the weight, 2-D or more.
        a (float): slope of the leaky ReLU that follows; 0 for ReLU.
        mode (str): 'fan_in' keeps the variance of the forward pass, 'fan_out' that of the backward pass.
    """
    std = calculate_gain("leaky_relu", a) / math.sqrt(_chosen_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    return uniform(tensor, -bound, bound)


def kaiming_normal(tensor, a=0, mode="fan_in"):
    """Draw from N(0, s^2), s = sqrt(2 / ((1 + a^2) fan)) (He et al., 2015). Arguments as of kaiming_uniform."""
    return normal(tensor, 0, calculate_gain("leaky_relu", a) / math.sqrt(_chosen_fan(tensor, mode)))


def orthogonal(tensor, gain=1):
    """Fill with a random orthogonal matrix (Saxe et al., 2013); dims after the first are taken together.

    It is computed in the default tensor type, so a DoubleTensor too is orthogonal to the precision of that.

    Raises:
        ValueError: the tensor has fewer than 2 dims.
    """
    data = _data(tensor)
    if data.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    rows = data.size(0)
    cols = data.numel() // rows
    flat = Default.tensor(rows, cols).normal_(0, 1)
    q, r = (flat.t() if rows < cols else flat).qr()
    # The sign of R's diagonal is arbitrary; with it the distribution is uniform.
    q = q * r.diag().sign().expand_as(q)
    data.copy_((q.t() if rows < cols else q).contiguous().view(data.size())).mul_(gain)
    return tensor


def sparse(tensor, sparsity, std=0.01):
    """Draw a matrix from N(0, std^2) with ceil(rows * sparsity) zeros in each column (Martens, 2010).

    The places of the zeros come from Python's random module.

    Raises:
        ValueError: the tensor is not 2-D.
    """
    data = _data(tensor)
    if data.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, cols = data.size()
    data.normal_(0, std)
    for col in range(cols):
        for row in random.sample(range(rows), int(math.ceil(rows * sparsity))):
            data[row, col] = 0
    return tensor


def zeros_(tensor):
    """Fill with 0."""
    return constant(tensor, 0)


def ones_(tensor):
    """Fill with 1."""
    return constant(tensor, 1)


uniform_ = uniform
normal_ = normal
constant_ = constant
eye_ = eye
dirac_ = dirac
xavier_uniform_ = xavier_uniform
xavier_normal_ = xavier_normal
kaiming_uniform_ = kaiming_uniform
kaiming_normal_ = kaiming_normal
orthogonal_ = orthogonal
sparse_ = sparse
