"""Pooling layers. Sizes are numbers or tuples; the stride is the kernel's size unless given."""
from .. import functional as F
from ..module import Module
from .utils import _pair, _single, _triple


def _shown(module, *names):
    """Class name and attributes; kernel_size is shown as size."""
    pairs = ["%s=%s" % ("size" if name == "kernel_size" else name, getattr(module, name)) for name in names]
    return "%s (%s)" % (type(module).__name__, ", ".join(pairs))


class _MaxPool(Module):
    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride or kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return self._pool(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                          self.return_indices)

    def __repr__(self):
        return _shown(self, "kernel_size", "stride", "padding", "dilation", "ceil_mode")


class MaxPool1d(_MaxPool):
    """The largest value of each window of the last dim.

    Args:
        kernel_size (int): size of the window.
        stride (int, optional): step of the window; kernel_size unless given.
        padding (int): -inf on each side, at most half the kernel.
        dilation (int): step inside the window.
        return_indices (bool): return (values, positions), for MaxUnpool1d.
        ceil_mode (bool): round the output's size up.

    Shape: (n, c, w) to (n, c, floor((w + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1).
    """

    _pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest value of each window of the last two dims. Arguments as of MaxPool1d, numbers or pairs.

    Example:
        >>> from tensorlib import nn
        >>> nn.MaxPool2d(2)
        MaxPool2d (size=(2, 2), stride=(2, 2), dilation=(1, 1))
    """

    _pool = staticmethod(F.max_pool2d)

    def __repr__(self):
        padding = _pair(self.padding)
        shown = ", padding=%s" % (padding,) if all(padding) else ""
        return "%s (size=%s, stride=%s%s, dilation=%s)" % (
            type(self).__name__, _pair(self.kernel_size), _pair(self.stride), shown, _pair(self.dilation))


class MaxPool3d(_MaxPool):
    """The largest value of each window of the last three dims. Arguments as of MaxPool1d, numbers or triples."""

    _pool = staticmethod(F.max_pool3d)


class _MaxUnpool(Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = self._tuple(kernel_size)
        self.stride = self._tuple(stride or kernel_size)
        self.padding = self._tuple(padding)

    def forward(self, input, indices, output_size=None):
        return self._unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def __repr__(self):
        return _shown(self, "kernel_size", "stride", "padding")


class MaxUnpool1d(_MaxUnpool):
    """Put the values of MaxPool1d back at their positions; the rest is zero.

    Args:
        kernel_size, stride, padding: as of the pooling.

    forward(input, indices, output_size=None): output_size says what was pooled where several sizes are possible.
    """

    _tuple = staticmethod(_single)
    _unpool = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Put the values of MaxPool2d back at their positions. Arguments as of MaxUnpool1d, numbers or pairs."""

    _tuple = staticmethod(_pair)
    _unpool = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Put the values of MaxPool3d back at their positions. Arguments as of MaxUnpool1d, numbers or triples."""

    _tuple = staticmethod(_triple)
    _unpool = staticmethod(F.max_unpool3d)


class _AvgPool(Module):
    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__()
        self.kernel_size = self._tuple(kernel_size)
        self.stride = self._tuple(stride or kernel_size)
        self.padding = self._tuple(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return self._pool(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def __repr__(self):
        return _shown(self, "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")


class AvgPool1d(_AvgPool):
    """The mean of each window of the last dim.

    Args:
        kernel_size (int): size of the window.
        stride (int, optional): step of the window; kernel_size unless given.
        padding (int): zeros on each side, at most half the kernel.
        ceil_mode (bool): round the output's size up.
        count_include_pad (bool): the padding counts as values.
    """

    _tuple = staticmethod(_single)
    _pool = staticmethod(F.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The mean of each window of the last two dims. Arguments as of AvgPool1d, numbers or pairs."""

    @staticmethod
    def _tuple(x):
        return x

    _pool = staticmethod(F.avg_pool2d)


class AvgPool3d(Module):
    """The mean of each window of the last three dims, without padding.

    Args:
        kernel_size (int or triple): size of the window.
        stride (int or triple, optional): step of the window; kernel_size unless given.
    """

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, input):
        return F.avg_pool3d(input, self.kernel_size, self.stride)

    def __repr__(self):
        return _shown(self, "kernel_size", "stride")


class FractionalMaxPool2d(Module):
    """Max pooling over pseudo-random regions, to any output size (Graham, 2014).

    Args:
        kernel_size (int or pair): size of a region.
        output_size (int or pair), output_ratio (float or pair): one of them; a ratio lies between 0 and 1.
        return_indices (bool): return (values, positions).
        _random_samples (Tensor, optional): (n, c, 2), what places the regions; drawn at each call unless given.
    """

    def __init__(self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
        super().__init__()
        if output_size is None and output_ratio is None:
            raise ValueError("FractionalMaxPool2d requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise AssertionError("FractionalMaxPool2d takes either an output size or a pooling ratio, not both")
        self.kh, self.kw = _pair(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.outh, self.outw = _pair(output_size) if output_size is not None else (None, None)
        self.rh, self.rw = _pair(output_ratio) if output_ratio is not None else (None, None)
        if output_ratio is not None and not (0 < self.rh < 1 and 0 < self.rw < 1):
            raise AssertionError("output_ratio must be between 0 and 1, got %s" % (output_ratio,))

    def forward(self, input):
        size = None if self.outh is None else (self.outh, self.outw)
        return F.fractional_max_pool2d(input, (self.kh, self.kw), size, (self.rh, self.rw), self.return_indices,
                                       self._random_samples)


class LPPool2d(Module):
    """(window size * mean of x^p)^(1/p) of each window of the last two dims.

    Args:
        norm_type (float): p.
        kernel_size (int or pair), stride (int or pair, optional), ceil_mode (bool): as of AvgPool2d.
    """

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveMaxPool(Module):
    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input):
        return self._pool(input, self.output_size, self.return_indices)

    def __repr__(self):
        return _shown(self, "output_size")


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest values of output_size windows that cover the last dim evenly.

    Args:
        output_size (int): size of the output.
        return_indices (bool): return (values, positions).
    """

    _pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest values of windows that cover the last two dims evenly. Arguments as of AdaptiveMaxPool1d."""

    _pool = staticmethod(F.adaptive_max_pool2d)


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return self._pool(input, self.output_size)

    def __repr__(self):
        return _shown(self, "output_size")


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of output_size windows that cover the last dim evenly.

    Args:
        output_size (int): size of the output.
    """

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of windows that cover the last two dims evenly; output_size is a number or a pair."""

    _pool = staticmethod(F.adaptive_avg_pool2d)
