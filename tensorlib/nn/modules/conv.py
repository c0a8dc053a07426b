"""Convolution layers: their parameters, their repr, and the output size of the transposed ones."""
import math

from ...tensor import Default
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .utils import _pair, _single, _triple


class _ConvNd(Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, transposed, output_padding,
                 groups, bias):
        super().__init__()
        if groups < 1:
            raise ValueError("groups must be at least 1, got %d" % groups)
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups, got %d and %d" % (in_channels, groups))
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups, got %d and %d" % (out_channels, groups))
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        outer = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(Default.tensor(*(outer + kernel_size)))
        self.register_parameter("bias", Parameter(Default.tensor(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias anew."""
        fan = self.in_channels
        for k in self.kernel_size:
            fan *= k
        bound = 1.0 / math.sqrt(fan)
        self.weight.data.uniform_(-bound, bound)
        if self.bias is not None:
            self.bias.data.uniform_(-bound, bound)

    def __repr__(self):
        zeros, ones = (0,) * len(self.kernel_size), (1,) * len(self.kernel_size)
        parts = ["%d, %d, kernel_size=%s, stride=%s" % (self.in_channels, self.out_channels, self.kernel_size,
                                                        self.stride)]
        for name, usual in (("padding", zeros), ("dilation", ones), ("output_padding", zeros), ("groups", 1)):
            if getattr(self, name) != usual:
                parts.append("%s=%s" % (name, getattr(self, name)))
        if self.bias is None:
            parts.append("bias=False")
        return "%s(%s)" % (type(self).__name__, ", ".join(parts))


class Conv1d(_ConvNd):
    """Convolution over the last dim.

    Args:
        in_channels, out_channels (int): channels of input and output.
        kernel_size (int or 1-tuple): size of the kernel.
        stride, padding, dilation (int or 1-tuple): step, zeros on each side, step inside the kernel.
        groups (int): channels are cut in so many groups that do not see each other.
        bias (bool): whether there is a bias.

    Attributes:
        weight (Parameter): (out_channels, in_channels / groups, kernel), from U(-b, b), b = 1 / sqrt(in_channels *
            kernel), whatever the groups.
        bias (Parameter or None): (out_channels), from the same distribution.

    Shape: (n, in_channels, w) to (n, out_channels, floor((w + 2 padding - dilation (kernel - 1) - 1) / stride) + 1).
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__(in_channels, out_channels, _single(kernel_size), _single(stride), _single(padding),
                         _single(dilation), False, _single(0), groups, bias)

    def forward(self, input):
        return F.conv1d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(_ConvNd):
    """Convolution over the last two dims. Arguments as of Conv1d, numbers or pairs.

    Example:
        >>> from tensorlib import nn
        >>> nn.Conv2d(3, 6, 5, padding=2)
        Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__(in_channels, out_channels, _pair(kernel_size), _pair(stride), _pair(padding), _pair(dilation),
                         False, _pair(0), groups, bias)

    def forward(self, input):
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv3d(_ConvNd):
    """Convolution over the last three dims. Arguments as of Conv1d, numbers or triples."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__(in_channels, out_channels, _triple(kernel_size), _triple(stride), _triple(padding),
                         _triple(dilation), False, _triple(0), groups, bias)

    def forward(self, input):
        return F.conv3d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class _ConvTransposeNd(_ConvNd):
    def _output_padding(self, input, output_size):
        """The padding that makes the output of the size wanted; it may be given with or without batch and channels.

        The smallest output counts the kernel without its dilation.
        """
        if output_size is None:
            return self.output_padding
        n = len(self.kernel_size)
        wanted = list(output_size)
        if len(wanted) == n + 2:
            wanted = wanted[2:]
        if len(wanted) != n:
            raise ValueError("output_size must have %d or %d elements (got %d)" % (n, n + 2, len(wanted)))
        least = [(size - 1) * s - 2 * p + k for size, s, p, k in
                 zip(input.size()[2:], self.stride, self.padding, self.kernel_size)]
        most = [size + s - 1 for size, s in zip(least, self.stride)]
        if any(not low <= size <= high for size, low, high in zip(wanted, least, most)):
            raise ValueError("requested an output size of %s, but valid sizes range from %s to %s (for an input of %s)"
                             % (wanted, least, most, input.size()[2:]))
        return tuple(size - low for size, low in zip(wanted, least))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of Conv1d: its gradient with respect to the input.

    Args:
        in_channels, out_channels (int): channels of input and output.
        kernel_size (int or 1-tuple): size of the kernel.
        stride, padding, dilation (int or 1-tuple): of the convolution that is transposed.
        output_padding (int or 1-tuple): added to one side of the output.
        groups (int), bias (bool): as of Conv1d.

    Attributes:
        weight (Parameter): (in_channels, out_channels / groups, kernel), drawn as Conv1d's.
        bias (Parameter or None): (out_channels).

    Shape: (n, in_channels, w) to (n, out_channels, (w - 1) stride - 2 padding + dilation (kernel - 1) + 1 +
        output_padding). forward(input, output_size) chooses output_padding by the size wanted.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1):
        super().__init__(in_channels, out_channels, _single(kernel_size), _single(stride), _single(padding),
                         _single(dilation), True, _single(output_padding), groups, bias)

    def forward(self, input, output_size=None):
        padding = self._output_padding(input, output_size)
        return F.conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups,
                                  self.dilation)


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of Conv2d. Arguments as of ConvTranspose1d, numbers or pairs."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1):
        super().__init__(in_channels, out_channels, _pair(kernel_size), _pair(stride), _pair(padding), _pair(dilation),
                         True, _pair(output_padding), groups, bias)

    def forward(self, input, output_size=None):
        padding = self._output_padding(input, output_size)
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups,
                                  self.dilation)


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of Conv3d. Arguments as of ConvTranspose1d, numbers or triples."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
                 bias=True, dilation=1):
        super().__init__(in_channels, out_channels, _triple(kernel_size), _triple(stride), _triple(padding),
                         _triple(dilation), True, _triple(output_padding), groups, bias)

    def forward(self, input, output_size=None):
        padding = self._output_padding(input, output_size)
        return F.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups,
                                  self.dilation)
