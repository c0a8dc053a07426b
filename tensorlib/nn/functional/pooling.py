"""Pooling of 1 to 3 spatial dims, and its inverse. Indices of maxima are flat positions within a plane or volume."""
from ..._ops.node import name_node
from ..._ops.sequences import repeated
from ...ops import pool as pool_ops
from ._common import _ntuple, _pair, _single, as_variable, positions

MAX_POOL, AVG_POOL = [[name + "Pool%dd" % n for n in range(4)] for name in ("Max", "Avg")]     # names of nodes


def _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    kernel_size = repeated(kernel_size, n)
    outputs = pool_ops.max_pool(as_variable(input), kernel_size, repeated(stride, n) if stride else kernel_size,
                                repeated(padding, n), repeated(dilation, n), ceil_mode)
    name_node(outputs, MAX_POOL[n])
    return outputs if return_indices else outputs[0]


def _avg_pool(n, input, kernel_size, stride, padding=0, ceil_mode=False, count_include_pad=True):
    kernel_size = repeated(kernel_size, n)
    output = pool_ops.avg_pool(as_variable(input), kernel_size, repeated(stride, n) if stride else kernel_size,
                               repeated(padding, n), ceil_mode, count_include_pad)
    return name_node(output, AVG_POOL[n])


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of the last dim.

    Args:
        input (Variable): (n, channels, w).
        kernel_size (int or 1-tuple): size of the window.
        stride (int or 1-tuple, optional): step of the window; the kernel's size unless given.
        padding (int or 1-tuple): -inf on each side, at most half the kernel.
        dilation (int or 1-tuple): step inside the window.
        ceil_mode (bool): round the output's size up.
        return_indices (bool): return (values, positions).
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of the last two dims. Arguments as of max_pool1d(), numbers or pairs.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.max_pool2d(Variable(tensorlib.ones(1, 1, 5, 5)), 2).size()
        tensorlib.Size([1, 1, 2, 2])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of the last three dims. Arguments as of max_pool1d(), numbers or triples."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of the last dim.

    Args:
        input (Variable): (n, channels, w).
        kernel_size, stride, padding, ceil_mode: as of max_pool1d(); the padding is zeros.
        count_include_pad (bool): the padding counts as values.
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of the last two dims. Arguments as of avg_pool1d(), numbers or pairs."""
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool3d(input, kernel_size, stride=None):
    """The mean of each window of the last three dims, without padding."""
    return _avg_pool(3, input, kernel_size, stride)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(window size * mean of x^p)^(1/p) of each window of the last two dims, p being norm_type."""
    kh, kw = _pair(kernel_size)
    mean = avg_pool2d(as_variable(input).pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (mean * (kh * kw)).pow(1.0 / norm_type)


def _require_3d(name, input):
    if input.dim() != 3:
        raise ValueError("%s(): expected 3D input (got %dD input)" % (name, input.dim()))


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Largest values of output_size windows, from floor(i w / out) to ceil((i + 1) w / out), of the last dim."""
    _require_3d("adaptive_max_pool1d", input)
    outputs = name_node(pool_ops.adaptive_max_pool(as_variable(input), _single(output_size)), "AdaptiveMaxPool1d")
    return outputs if return_indices else outputs[0]


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """adaptive_max_pool1d() of the last two dims; output_size is a number or a pair."""
    outputs = name_node(pool_ops.adaptive_max_pool(as_variable(input), _pair(output_size)), "AdaptiveMaxPool2d")
    return outputs if return_indices else outputs[0]


def adaptive_avg_pool1d(input, output_size):
    """Means of output_size windows, from floor(i w / out) to ceil((i + 1) w / out), of the last dim."""
    _require_3d("adaptive_avg_pool1d", input)
    return name_node(pool_ops.adaptive_avg_pool(as_variable(input), _single(output_size)), "AdaptiveAvgPool1d")


def adaptive_avg_pool2d(input, output_size):
    """adaptive_avg_pool1d() of the last two dims; output_size is a number or a pair."""
    return name_node(pool_ops.adaptive_avg_pool(as_variable(input), _pair(output_size)), "AdaptiveAvgPool2d")


def _unpool_size(sizes, kernel, stride, padding, output_size):
    """The output's spatial sizes: the default, or the wanted ones if they could have been pooled to these."""
    default = [(n - 1) * s + k - 2 * p for n, k, s, p in zip(sizes, kernel, stride, padding)]
    if output_size is None:
        return default
    wanted = list(output_size)
    n = len(default)
    if len(wanted) not in (n, n + 2):
        raise ValueError("output_size should be a sequence containing %d or %d elements, but it has a length of '%d'"
                         % (n, n + 2, len(wanted)))
    wanted = wanted[-n:]
    for i, (size, near, s) in enumerate(zip(wanted, default, stride)):
        if not near - s < size < near + s:
            raise ValueError('invalid output_size "%s" (dim %d must be between %d and %d)'
                             % (wanted, i, near - s, near + s))
    return wanted


def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    many = _ntuple(n)
    sizes = _unpool_size(input.size()[-n:], many(kernel_size), many(stride or kernel_size), many(padding), output_size)
    return name_node(pool_ops.max_unpool(as_variable(input), as_variable(indices), sizes), "MaxUnpool%dd" % n)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put the values of max_pool1d() back at their positions; the rest is zero.

    Args:
        input (Variable): the values.
        indices (Variable): the positions that max_pool1d(return_indices=True) returned.
        kernel_size, stride, padding: as of the pooling.
        output_size (sequence, optional): the size that was pooled, spatial or whole, where several are possible.

    Raises:
        ValueError: no pooling of output_size gives this input.
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put the values of max_pool2d() back at their positions. Arguments as of max_unpool1d()."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Put the values of max_pool3d() back at their positions. Arguments as of max_unpool1d()."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _region_starts(sample, n, out, kernel):
    """Where the pseudo-random pooling regions of a dim begin (Graham, 2014)."""
    if out == 1:
        return [n - kernel]
    step = float(n - kernel) / (out - 1)
    return [int((i + sample) * step) - int(sample * step) for i in range(out - 1)] + [n - kernel]


def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False,
                          _random_samples=None):
    """Max pooling over regions whose places are pseudo-random, to any output size (Graham, 2014).

    Args:
        input (Variable): (n, channels, h, w).
        kernel_size (int or pair): size of a region.
        output_size (int or pair), output_ratio (float or pair): either of them.
        return_indices (bool): return (values, positions).
        _random_samples (Tensor, optional): (n, channels, 2), from [0, 1), for w and h; drawn unless given.
    """
    input = as_variable(input)
    batched = input.dim() == 4
    input = input if batched else input.unsqueeze(0)
    n, channels, h, w = input.size()
    kh, kw = _pair(kernel_size)
    if output_size is None:
        ratio = _pair(output_ratio)
        output_size = int(h * ratio[0]), int(w * ratio[1])
    oh, ow = _pair(output_size)
    if oh + kh - 1 > h or ow + kw - 1 > w:
        raise RuntimeError("fractional_max_pool2d(): output size %s with kernel %s is too large for input of size %s"
                           % ((oh, ow), (kh, kw), (h, w)))
    if _random_samples is None:
        _random_samples = input.data.new(n, channels, 2).uniform_()
    samples = _random_samples.contiguous().view(-1, 2).tolist()
    rows = [top + i for _, y in samples for top in _region_starts(y, h, oh, kh) for i in range(kh)]
    columns = [left + j for x, _ in samples for left in _region_starts(x, w, ow, kw) for j in range(kw)]
    # Regions may overlap: copied side by side, they are the windows of an ordinary max pooling.
    rows = positions(input, rows).view(n, channels, oh * kh, 1)
    columns = positions(input, columns).view(n, channels, 1, ow * kw)
    places = (rows * w + columns).view(n, channels, -1)
    spread = input.contiguous().view(n, channels, h * w).gather(2, places).view(n, channels, oh * kh, ow * kw)
    values, indices = max_pool2d(spread, (kh, kw), return_indices=True)
    indices = places.gather(2, indices.view(n, channels, -1)).view(values.size())
    if not batched:
        values, indices = values.squeeze(0), indices.squeeze(0)
    return (values, indices) if return_indices else values
