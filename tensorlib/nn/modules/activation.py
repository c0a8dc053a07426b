"""Activation layers: the functions of nn.functional with their numbers kept as attributes."""
import warnings

from ...tensor import Default
from .. import functional as F
from ..module import Module
from ..parameter import Parameter


class _Activation(Module):
    def __repr__(self):
        shown = self._shown()
        if getattr(self, "inplace", False):
            shown = shown + ", inplace" if shown else "inplace"
        return "%s (%s)" % (type(self).__name__, shown)

    def _shown(self):
        return ""


class Threshold(_Activation):
    """x where x > threshold, else value.

    Args:
        threshold (float), value (float): see above.
        inplace (bool): overwrite the input.
    """

    def __init__(self, threshold, value, inplace=False):
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input):
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def _shown(self):
        return "%s, %s" % (self.threshold, self.value)


class ReLU(Threshold):
    """max(x, 0).

    Args:
        inplace (bool): overwrite the input.

    Example:
        >>> from tensorlib import nn
        >>> nn.ReLU(inplace=True)
        ReLU (inplace)
    """

    def __init__(self, inplace=False):
        super().__init__(0, 0, inplace)

    def forward(self, input):
        return F.relu(input, self.inplace)

    def _shown(self):
        return ""


class RReLU(_Activation):
    """x where x > 0, else slope x; slopes are drawn from [lower, upper) in training, their mean in evaluation.

    Args:
        lower (float), upper (float): limits of the slopes.
        inplace (bool): overwrite the input.

    Source: Xu et al., 2015.
    """

    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def _shown(self):
        return "%s, %s" % (self.lower, self.upper)


class Hardtanh(_Activation):
    """x limited to [min_val, max_val].

    Args:
        min_val (float), max_val (float): the limits, in increasing order.
        inplace (bool): overwrite the input.
        min_value (float, optional), max_value (float, optional): other names of the limits, deprecated.
    """

    def __init__(self, min_val=-1, max_val=1, inplace=False, min_value=None, max_value=None):
        super().__init__()
        for name, value in (("min_value", min_value), ("max_value", max_value)):
            if value is not None:
                warnings.warn("keyword argument %s is deprecated. Use %s instead." % (name, name.replace("ue", "")),
                              stacklevel=2)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError("max_val must be above min_val, got %s and %s" % (self.max_val, self.min_val))

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def _shown(self):
        return "min_val=%s, max_val=%s" % (self.min_val, self.max_val)


class ReLU6(Hardtanh):
    """min(max(x, 0), 6).

    Args:
        inplace (bool): overwrite the input.
    """

    def __init__(self, inplace=False):
        super().__init__(0, 6, inplace)

    def _shown(self):
        return ""


class Sigmoid(_Activation):
    """1 / (1 + e^-x)."""

    def forward(self, input):
        return F.sigmoid(input)


class Tanh(_Activation):
    """Hyperbolic tangent."""

    def forward(self, input):
        return F.tanh(input)


class ELU(_Activation):
    """x where x > 0, else alpha (e^x - 1) (Clevert et al., 2015).

    Args:
        alpha (float): see above.
        inplace (bool): overwrite the input.
    """

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        return F.elu(input, self.alpha, self.inplace)

    def _shown(self):
        return "alpha=%s" % self.alpha


class SELU(_Activation):
    """ELU scaled so that mean 0 and variance 1 are kept (Klambauer et al., 2017).

    Args:
        inplace (bool): overwrite the input.
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return F.selu(input, self.inplace)

    def __repr__(self):
        return type(self).__name__ + (" (inplace)" if self.inplace else "")


class GLU(_Activation):
    """The first half along dim times the sigmoid of the second half (Dauphin et al., 2016).

    Args:
        dim (int): the dim that is halved.
    """

    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.glu(input, self.dim)

    def _shown(self):
        return "dim=%s" % self.dim


class Hardshrink(_Activation):
    """x where |x| > lambd, else 0.

    Args:
        lambd (float): see above.
    """

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return F.hardshrink(input, self.lambd)

    def _shown(self):
        return "%s" % self.lambd


class Softshrink(_Activation):
    """x moved towards 0 by lambd, and 0 inside [-lambd, lambd].

    Args:
        lambd (float): see above.
    """

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return F.softshrink(input, self.lambd)

    def _shown(self):
        return "%s" % self.lambd


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope x.

    Args:
        negative_slope (float): see above.
        inplace (bool): overwrite the input.
    """

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def _shown(self):
        return "%s" % self.negative_slope


class LogSigmoid(_Activation):
    """log(1 / (1 + e^-x))."""

    def forward(self, input):
        return F.logsigmoid(input)


class Softplus(_Activation):
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold.

    Args:
        beta (float), threshold (float): see above.
    """

    def __init__(self, beta=1, threshold=20):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)

    def _shown(self):
        return "beta=%s, threshold=%s" % (self.beta, self.threshold)


class PReLU(_Activation):
    """x where x > 0, else weight x (He et al., 2015).

    Args:
        num_parameters (int): 1, or the number of channels (dim 1), each with a slope of its own.
        init (float): the slopes at first.

    Attributes:
        weight (Parameter): (num_parameters).
    """

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(Default.tensor(num_parameters).fill_(init))

    def forward(self, input):
        return F.prelu(input, self.weight)

    def _shown(self):
        return "%s" % self.num_parameters


class Softsign(_Activation):
    """x / (1 + |x|)."""

    def forward(self, input):
        return F.softsign(input)


class Tanhshrink(_Activation):
    """x - tanh(x)."""

    def forward(self, input):
        return F.tanhshrink(input)


class Softmin(_Activation):
    """Softmax of -x."""

    def forward(self, input):
        return F.softmin(input)


class Softmax(_Activation):
    """e^x / sum(e^x) of each row of a 2-D input.

    Args:
        dim (int, optional): another dim, for input of any number of dims.
    """

    dim = None              # modules in files of v0.2 have none

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        if self.dim is None and input.dim() != 2:
            raise AssertionError("Softmax requires a 2D tensor as input, got %dD" % input.dim())
        return F.softmax(input, self.dim)


class Softmax2d(_Activation):
    """Softmax over the channels at each place of a 4-D input."""

    def forward(self, input):
        if input.dim() != 4:
            raise AssertionError("Softmax2d requires a 4D tensor as input, got %dD" % input.dim())
        return F.softmax(input)


class LogSoftmax(_Activation):
    """The logarithm of softmax, over dim 1 of a 2-D or 4-D input.

    Args:
        dim (int, optional): another dim.
    """

    dim = None              # modules in files of v0.2 have none

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.log_softmax(input, self.dim)
