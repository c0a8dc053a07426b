"""Images: padding, upsampling, pixel shuffling, sampling on a grid.

All of it is selection along dims and weighted sums of selections, so gradients of any order follow.
"""
import array
import warnings

from ..._ops.node import name_node
from ...autograd import Variable
from ...ops import shape
from ._common import _ntuple, as_variable, constant, kept, select_along

# Padding -------------------------------------------------------------------------------------------------------

def _reflected(n, before, after):
    if before >= n or after >= n:
        raise RuntimeError("padding (%d, %d) should be smaller than the input's %d places" % (before, after, n))
    return [n - 1 - abs(n - 1 - abs(i)) for i in range(-before, n + after)]


def _replicated(n, before, after):
    return [min(max(i, 0), n - 1) for i in range(-before, n + after)]


def _pad_constant(input, pads, value):
    """pads: (before, after) for each of the last dims, the last one first."""
    size, inside = list(input.size()), [slice(None)] * input.dim()
    for dim, (before, after) in zip(range(input.dim() - 1, -1, -1), pads):
        old, start = size[dim], max(-before, 0)
        kept = old + min(before, 0) + min(after, 0)
        if kept <= 0:
            raise AssertionError("input is too small: %d places with padding (%d, %d)" % (old, before, after))
        if kept < old:
            input = input.narrow(dim, start, kept)
        size[dim] = old + before + after
        inside[dim] = slice(max(before, 0), max(before, 0) + kept)
    return shape.scatter_window(input, tuple(size), "subscript", (tuple(inside),), value)


def pad(input, pad, mode="constant", value=0):
    """Pad the last two dims of a 4-D input or the last three of a 5-D one.

    Args:
        input (Variable): (n, c, h, w) or (n, c, d, h, w).
        pad (sequence of int): (left, right, top, bottom), and (front, back) for 5-D; negative numbers crop.
        mode (str): 'constant', 'reflect' (4-D only; the edge is not repeated) or 'replicate'.
        value (float): of the constant.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.pad(Variable(tensorlib.ones(1, 1, 2, 2)), (1, 1, 0, 2)).size()
        tensorlib.Size([1, 1, 4, 4])
    """
    input = as_variable(input)
    dims = input.dim()
    if dims not in (4, 5):
        raise NotImplementedError("Only 4D and 5D padding is supported for now, got %dD input" % dims)
    if len(pad) != 2 * (dims - 2):
        raise AssertionError("%dD tensors expect %d values for padding, got %d" % (dims, 2 * (dims - 2), len(pad)))
    if mode not in ("constant", "reflect", "replicate") or (mode == "reflect" and dims == 5):
        raise NotImplementedError("padding mode '%s' is not supported for %dD input" % (mode, dims))
    pads, padded = list(zip(pad[::2], pad[1::2])), input
    if mode == "constant":
        padded = _pad_constant(input, pads, value)
    else:
        for dim, (before, after) in zip(range(dims - 1, 1, -1), pads):
            places = (_reflected if mode == "reflect" else _replicated)(padded.size(dim), before, after)
            padded = select_along(padded, dim, places)
    name = {"constant": "ConstantPadNd", "reflect": "ReflectionPad%dd", "replicate": "ReplicationPad%dd"}[mode]
    return padded if padded is input else name_node(padded, name.replace("%d", str(dims - 2)))


# Size changes --------------------------------------------------------------------------------------------------

def pixel_shuffle(input, upscale_factor):
    """Rearrange (n, c r^2, h, w) to (n, c, r h, r w), r being upscale_factor (Shi et al., 2016)."""
    n, channels, h, w = input.size()
    r = upscale_factor
    if channels % (r * r):
        raise RuntimeError("pixel_shuffle(): %d channels are no multiple of %d squared" % (channels, r))
    c = channels // (r * r)
    split = input.contiguous().view(n, c, r, r, h, w)
    return split.permute(0, 1, 4, 2, 5, 3).contiguous().view(n, c, h * r, w * r)


def _single_precision(numbers):
    return array.array("f", numbers).tolist()


def _interpolate(input, dim, n):
    """Linear interpolation along a dim to n places, the corners aligned.

    Places are computed in single precision, as they always were, so that results are the same for every type.
    """
    old = input.size(dim)
    if n == old:
        return input
    places = _single_precision([_single_precision([(old - 1.0) / max(n - 1, 1)])[0] * i for i in range(n)])
    left = [min(int(x), old - 1) for x in places]
    right = [min(i + 1, old - 1) for i in left]
    size = [1] * input.dim()
    size[dim] = n
    weight = kept(constant, input, [x - i for x, i in zip(places, left)], *size)
    a, b = select_along(input, dim, left), select_along(input, dim, right)
    return a + (b - a) * weight.expand_as(a)


def _whole(scale):
    if isinstance(scale, bool) or not isinstance(scale, int):
        raise ValueError("scale_factor must be of integer type or a tuple of integer types, got %r" % (scale,))
    return scale


def _target_size(name, input, size, scale_factor, single=False):
    """The wanted spatial sizes, from scale_factor, or from size if there is none."""
    n = input.dim() - 2
    many = _ntuple(n)
    if size is None and scale_factor is None:
        raise TypeError("%s(): either size or scale_factor is needed" % name)
    if scale_factor is None:
        if any(k < 1 for k in many(size)) or len(many(size)) != n:
            raise ValueError("%s(): size must be %d numbers of at least 1, got %s" % (name, n, size))
        return many(size)
    if single and isinstance(scale_factor, tuple):
        raise ValueError("scale_factor must be a single Integer value for nearest neighbor sampling, got %r"
                         % (scale_factor,))
    scales = [_whole(s) for s in many(scale_factor)]
    if len(scales) != n:
        raise ValueError("scale_factor must have %d values for %dD input, got %r" % (n, n + 2, scale_factor))
    return tuple(s * old for s, old in zip(scales, input.size()[2:]))


def _nearest(input, size, scale_factor):
    wanted = _target_size("upsample", input, size, scale_factor, single=True)
    larger = input
    for dim, n in enumerate(wanted, 2):
        old = input.size(dim)
        larger = select_along(larger, dim, [i * old // n for i in range(n)])
    return larger if larger is input else name_node(larger, "UpsamplingNearest%dd" % len(wanted))


def _linear(input, size, scale_factor):
    larger = input
    for dim, n in enumerate(_target_size("upsample", input, size, scale_factor), 2):
        larger = _interpolate(larger, dim, n)
    name = "UpsamplingBilinear2d" if input.dim() == 4 else "UpsamplingTrilinear3d"
    return larger if larger is input else name_node(larger, name)


def upsample(input, size=None, scale_factor=None, mode="nearest"):
    """Enlarge the spatial dims, to a size or by a factor.

    Args:
        input (Variable): (n, c, h, w) or (n, c, d, h, w).
        size (int or tuple, optional): the spatial size wanted.
        scale_factor (int or tuple, optional): the factor, an integer; for 'nearest' one for all dims.
        mode (str): 'nearest', 'bilinear' (4-D) or 'trilinear' (5-D), these two with aligned corners.
    """
    input = as_variable(input)
    wanted_dims = {"bilinear": 4, "trilinear": 5}
    if mode == "nearest" and input.dim() in (4, 5):
        return _nearest(input, size, scale_factor)
    if mode in wanted_dims and input.dim() in (4, 5):
        if input.dim() != wanted_dims[mode]:
            raise NotImplementedError("Got %dD input, but %s mode needs %dD input"
                                      % (input.dim(), mode, wanted_dims[mode]))
        return _linear(input, size, scale_factor)
    raise NotImplementedError("Input Error: Only 4D and 5D input Tensors supported (got %dD) for the modes: "
                              "nearest | bilinear | trilinear (got %s)" % (input.dim(), mode))


def upsample_nearest(input, size=None, scale_factor=None):
    """upsample() in mode 'nearest'. Deprecated."""
    warnings.warn("nn.functional.upsample_nearest is deprecated. Use nn.functional.upsample instead.", stacklevel=2)
    return upsample(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """upsample() in mode 'bilinear'. Deprecated."""
    warnings.warn("nn.functional.upsample_bilinear is deprecated. Use nn.functional.upsample instead.", stacklevel=2)
    return upsample(input, size, scale_factor, mode="bilinear")


# Grids ---------------------------------------------------------------------------------------------------------

def affine_grid(theta, size):
    """The grid that samples an affine transform of an image, for grid_sample().

    Args:
        theta (Variable): (n, 2, 3), the transforms.
        size (Size): (n, c, h, w) of the output.

    Returns:
        a Variable of size (n, h, w, 2).
    """
    n, _, h, w = size
    if tuple(theta.size()) != (n, 2, 3):
        raise RuntimeError("affine_grid(): expected theta of size (%d, 2, 3), got %s" % (n, tuple(theta.size())))

    def along(k):
        return theta.data.new([-1 + 2.0 * i / (k - 1) if k > 1 else -1.0 for i in range(k)])

    base = theta.data.new(h, w, 3).fill_(1)
    base.select(2, 0).copy_(along(w).view(1, w).expand(h, w))
    base.select(2, 1).copy_(along(h).view(h, 1).expand(h, w))
    base = Variable(base.view(1, h * w, 3).expand(n, h * w, 3))
    return name_node(base.bmm(theta.transpose(1, 2)).view(n, h, w, 2), "AffineGridGenerator")


def _corner(flat, ix, iy, h, w):
    """The pixels at integer coordinates, zero outside the image. ix and iy are tensors of size (n, places)."""
    inside = (ix >= 0).mul_(ix <= w - 1).mul_(iy >= 0).mul_(iy <= h - 1)
    places = (iy.clamp(0, h - 1) * w + ix.clamp(0, w - 1)).long()
    n, c, _ = flat.size()
    places = Variable(places.unsqueeze(1).expand(n, c, places.size(1)).contiguous())
    inside = Variable(inside.type_as(flat.data).unsqueeze(1))
    taken = flat.gather(2, places)
    return taken * inside.expand_as(taken)


def grid_sample(input, grid, mode="bilinear"):
    """Sample an image at the places of a grid, by bilinear interpolation; outside the image is zero.

    Args:
        input (Variable): (n, c, h, w).
        grid (Variable): (n, h_out, w_out, 2), places (x, y); -1 and 1 are the centres of the corner pixels.
        mode (str): 'bilinear'.

    Returns:
        a Variable of size (n, c, h_out, w_out).

    Source: Jaderberg et al., "Spatial Transformer Networks", 2015.
    """
    if mode != "bilinear":
        raise NotImplementedError("grid_sample(): mode '%s' is not supported" % mode)
    n, c, h, w = input.size()
    if grid.dim() != 4 or grid.size(0) != n or grid.size(3) != 2:
        raise RuntimeError("grid_sample(): expected a grid of size (%d, h, w, 2), got %s" % (n, tuple(grid.size())))
    _, oh, ow, _ = grid.size()
    x = ((grid.select(3, 0) + 1) * ((w - 1) / 2.0)).contiguous().view(n, oh * ow)
    y = ((grid.select(3, 1) + 1) * ((h - 1) / 2.0)).contiguous().view(n, oh * ow)
    west, north = x.data.floor(), y.data.floor()
    dx, dy = x - Variable(west), y - Variable(north)
    flat = input.contiguous().view(n, c, h * w)
    output = 0
    for ix, wx in ((west, 1 - dx), (west + 1, dx)):
        for iy, wy in ((north, 1 - dy), (north + 1, dy)):
            pixels = _corner(flat, ix, iy, h, w)
            output = output + pixels * (wx * wy).unsqueeze(1).expand_as(pixels)
    return name_node(output.view(n, c, oh, ow), "GridSampler")
