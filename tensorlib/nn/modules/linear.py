"""Linear and bilinear layers."""
import math

from ...tensor import Default
from .. import functional as F
from ..module import Module
from ..parameter import Parameter


class Linear(Module):
    """y = x @ weight.t() + bias.

    Args:
        in_features (int), out_features (int): sizes of the last dim of input and output.
        bias (bool): whether there is a bias.

    Attributes:
        weight (Parameter): (out_features, in_features), from U(-b, b), b = 1 / sqrt(in_features).
        bias (Parameter or None): (out_features), from the same distribution.

    Shape: (*, in_features) to (*, out_features), the input of any number of dims from 2.

    Example:
        >>> import tensorlib
        >>> from tensorlib import nn
        >>> nn.Linear(20, 30)(tensorlib.autograd.Variable(tensorlib.zeros(128, 20))).size()
        tensorlib.Size([128, 30])
    """

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(Default.tensor(out_features, in_features))
        self.register_parameter("bias", Parameter(Default.tensor(out_features)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias anew."""
        bound = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-bound, bound)
        if self.bias is not None:
            self.bias.data.uniform_(-bound, bound)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def __repr__(self):
        return "%s (%d -> %d)" % (type(self).__name__, self.in_features, self.out_features)


class Bilinear(Module):
    """y[k] = x1 @ weight[k] @ x2 + bias[k].

    Args:
        in1_features, in2_features, out_features (int): sizes of the inputs and the output.
        bias (bool): whether there is a bias.

    Attributes:
        weight (Parameter): (out_features, in1_features, in2_features), from U(-b, b), b = 1 / sqrt(in1_features).
        bias (Parameter or None): (out_features), from the same distribution.

    Shape: (n, in1_features) and (n, in2_features) to (n, out_features).
    """

    def __init__(self, in1_features, in2_features, out_features, bias=True):
        super().__init__()
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(Default.tensor(out_features, in1_features, in2_features))
        self.register_parameter("bias", Parameter(Default.tensor(out_features)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias anew."""
        bound = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-bound, bound)
        if self.bias is not None:
            self.bias.data.uniform_(-bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)

    def __repr__(self):
        return "%s (in1_features=%d, in2_features=%d, out_features=%d)" % (
            type(self).__name__, self.in1_features, self.in2_features, self.out_features)
