"""Dropout: zero a random part in training, and scale the rest so that the expectation stays.

Source: Srivastava et al., 2014.
"""
import math

from ..._ops.node import name_node
from ..._ops.random import dropout_mask
from ...autograd import Variable
from ...ops import pointwise
from ._common import as_variable

SELU_FLOOR = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


def _check(p):
    if not 0 <= p <= 1:
        raise ValueError("dropout probability has to be between 0 and 1, but got %s" % p)


def _dropout(name, input, p, training, inplace, channels):
    """Multiply by a mask, of whole channels or of elements; name is that of the node."""
    _check(p)
    input = as_variable(input)
    if not training or p == 0:
        return name_node(input.mul_(1) if inplace else input.clone(), name)
    like = input.data
    mask = dropout_mask(like.new(*like.size()[:2], *[1] * (like.dim() - 2)) if channels else like, p)
    return name_node(pointwise.mul.inplace(input, mask) if inplace else pointwise.mul(input, mask), name)


def dropout(input, p=0.5, training=False, inplace=False):
    """Zero each element with probability p and scale the others by 1 / (1 - p).

    Args:
        input (Variable): of any size.
        p (float): from 0 to 1, else ValueError.
        training (bool): nothing happens unless this is True.
        inplace (bool): overwrite the input.
    """
    return _dropout("Dropout", input, p, training, inplace, False)


def _dropout_channels(input, p, training, inplace):
    return _dropout("FeatureDropout", input, p, training, inplace, True)


def dropout2d(input, p=0.5, training=False, inplace=False):
    """dropout() of whole channels: what is drawn for dims 0 and 1 holds for the rest (Tompson et al., 2014)."""
    return _dropout_channels(input, p, training, inplace)


def dropout3d(input, p=0.5, training=False, inplace=False):
    """dropout() of whole channels: what is drawn for dims 0 and 1 holds for the rest."""
    return _dropout_channels(input, p, training, inplace)


def alpha_dropout(input, p=0.5, training=False):
    """Dropout that keeps mean 0 and variance 1 behind selu(): drop to its floor, then scale and shift.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """
    _check(p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    keep = input.data.new(input.size()).bernoulli_(1 - p)
    scale = 1 / math.sqrt((1 - p) * (1 + p * SELU_FLOOR ** 2))
    shift = (1 - keep).mul_(SELU_FLOOR).add_(-(p * SELU_FLOOR)).mul_(scale)
    return input * Variable(keep * scale) + Variable(shift)
