"""Many images in one picture."""
import math

from .._ops.tensor import TensorBase
from ..ops.shape import cat_sequence, stack
from .transforms import ToPILImage


def make_grid(tensor, nrow=8, padding=2, normalize=False, range=None, scale_each=False, pad_value=0):
    """Return one image of 3 channels that shows all images of a batch.

    Args:
        tensor: batch x channels x height x width with 1 or 3 channels, a list of images, or one image.
        nrow: images in a row.
        padding: width of the border around each.
        normalize: shift and scale the values to [0, 1].
        range: (lowest, highest) of the values to normalize; else they are found.
        scale_each: find them for each image, not for the batch.
        pad_value: value of the border.

    Returns:
        A tensor of 3 x height x width.
    """
    images = _batch(tensor)
    if normalize:
        images = images.clone()
        for part in (images if scale_each else [images]):
            low, high = range if range is not None else (part.min(), part.max())
            part.clamp_(low, high).add_(-low).div_(high - low + 1e-5)
    count, channels, height, width = images.size()
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = images.new(channels, height * rows + padding, width * columns + padding).fill_(pad_value)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        place = grid.narrow(1, row * height + padding, height - padding)
        place.narrow(2, column * width + padding, width - padding).copy_(image)
    return grid


def save_image(tensor, filename, nrow=8, padding=2, normalize=False, range=None, scale_each=False, pad_value=0):
    """Write a tensor of one or more images to a picture file; the arguments are those of make_grid, values [0, 1]."""
    grid = make_grid(tensor, nrow, padding, normalize, range, scale_each, pad_value)
    ToPILImage()(grid.cpu().float().clamp(0, 1)).save(filename)


def _batch(tensor):
    """The images as batch x 3 x height x width."""
    if not isinstance(tensor, TensorBase):
        if not isinstance(tensor, (list, tuple)) or not all(isinstance(t, TensorBase) for t in tensor):
            raise TypeError("expected a tensor or a list of tensors, but got %s" % type(tensor).__name__)
        tensor = stack(list(tensor), 0)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() != 4:
        raise ValueError("expected images of 2 to 4 dims, but got size %s" % " x ".join(map(str, tensor.size())))
    return cat_sequence([tensor] * 3, 1) if tensor.size(1) == 1 else tensor
