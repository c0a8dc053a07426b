"""What is done to an image before it becomes a tensor, and back. Random ones draw from Python's `random`.

Images are Pillow images; sizes given as pairs are (height, width), but for `Scale`, which kept (width, height).
"""
import math
import random

import numpy

from .._ops.tensor import TensorBase
from ..tensor import from_numpy
from ._pillow import pillow, pillow_ops

BILINEAR = 2            # Pillow's number for it, so that Pillow need not be imported for a default


class Compose:
    """Several transforms one after the other.

    Args:
        transforms: a list of them.
    """

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """An image, or an array of height x width (x channels), as a FloatTensor of channels x height x width in [0, 1].

    Values are divided by 255; images of mode I, I;16 and F keep their values and types.
    """

    def __call__(self, image):
        if isinstance(image, numpy.ndarray):
            return _planes(image).float().div_(255)
        if not hasattr(image, "getbands"):
            raise TypeError("ToTensor: expected a Pillow image or a numpy array, but got %s" % type(image).__name__)
        if image.mode == "1":
            image = image.convert("L")
        if image.mode.startswith("I;16"):
            return _planes(numpy.array(image).astype(numpy.int16))
        array = numpy.array(image)
        return _planes(array) if image.mode in ("I", "F") else _planes(array).float().div_(255)


class ToPILImage:
    """A tensor of channels x height x width, or an array of height x width x channels, as an image.

    Float values are taken as [0, 1] and multiplied by 255. One channel gives mode L (or I, I;16 for int and short),
    two LA, three RGB, four RGBA.
    """

    def __call__(self, picture):
        if isinstance(picture, TensorBase):
            if picture.dim() == 2:
                picture = picture.unsqueeze(0)
            if picture.dim() != 3:
                raise ValueError("ToPILImage: expected a tensor of 2 or 3 dims, but got size %s"
                                 % " x ".join(map(str, picture.size())))
            if picture.type() in ("tensorlib.FloatTensor", "tensorlib.DoubleTensor"):
                picture = picture.mul(255).byte()
            picture = picture.cpu().numpy().transpose(1, 2, 0)
        elif not isinstance(picture, numpy.ndarray):
            raise TypeError("ToPILImage: expected a tensor or a numpy array, but got %s" % type(picture).__name__)
        if picture.ndim == 2:
            picture = picture[:, :, None]
        return _image(numpy.ascontiguousarray(picture))


class Normalize:
    """(channel - mean) / std for each channel of a tensor, in place.

    Args:
        mean: a number for each channel.
        std: a number for each channel.
    """

    def __init__(self, mean, std):
        self.mean = mean
        self.std = std

    def __call__(self, tensor):
        for channel, mean, std in zip(tensor, self.mean, self.std):
            channel.sub_(mean).div_(std)
        return tensor


class Resize:
    """Resize an image.

    Args:
        size: (height, width), or a number for the shorter side; the longer one keeps the ratio.
        interpolation: one of Pillow's.
    """

    def __init__(self, size, interpolation=BILINEAR):
        self.size = size
        self.interpolation = interpolation

    def __call__(self, image):
        width, height = image.size
        if not isinstance(self.size, int):
            wanted = self._pair()
        elif width <= height:
            wanted = self.size, int(self.size * height / width)
        else:
            wanted = int(self.size * width / height), self.size
        if self.size == min(width, height) or wanted == (width, height):
            return image
        return image.resize(wanted, self.interpolation)

    def _pair(self):
        height, width = self.size
        return width, height


class Scale(Resize):
    """The older name of Resize; a pair is (width, height) here, as it was at the time."""

    def _pair(self):
        width, height = self.size
        return width, height


class CenterCrop:
    """The middle of an image.

    Args:
        size: (height, width), or a number for both.
    """

    def __init__(self, size):
        self.size = _pair(size)

    def __call__(self, image):
        width, height = image.size
        th, tw = self.size
        left, top = int(round((width - tw) / 2.)), int(round((height - th) / 2.))
        return image.crop((left, top, left + tw, top + th))


class Pad:
    """A border around an image.

    Args:
        padding: width of the border; a pair for left and right, top and bottom; or four numbers.
        fill: the value of its pixels.
    """

    def __init__(self, padding, fill=0):
        self.padding = padding
        self.fill = fill

    def __call__(self, image):
        return _pad(image, self.padding, self.fill)


class Lambda:
    """A function of one argument as a transform."""

    def __init__(self, lambd):
        if not callable(lambd):
            raise TypeError("Lambda: expected a function, but got %s" % type(lambd).__name__)
        self.lambd = lambd

    def __call__(self, image):
        return self.lambd(image)


class RandomCrop:
    """A part of an image, at a random place.

    Args:
        size: (height, width), or a number for both.
        padding: width of a black border that is put around the image first.

    Raises:
        ValueError: the padded image is smaller than the crop.
    """

    def __init__(self, size, padding=0):
        self.size = _pair(size)
        self.padding = padding

    def __call__(self, image):
        if self.padding:
            image = _pad(image, self.padding, 0)
        width, height = image.size
        th, tw = self.size
        if (tw, th) == (width, height):
            return image
        if tw > width or th > height:
            raise ValueError("RandomCrop: the crop of %d x %d is larger than the image of %d x %d, padding included"
                             % (th, tw, height, width))
        left = random.randint(0, width - tw)
        top = random.randint(0, height - th)
        return image.crop((left, top, left + tw, top + th))


class RandomHorizontalFlip:
    """Mirror an image, left to right, half of the time."""

    def __call__(self, image):
        return image.transpose(pillow().FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


class RandomResizedCrop:
    """A random part of an image, of random shape, resized.

    Args:
        size: side of the result.
        interpolation: one of Pillow's.
        scale: limits of the area, as a part of the image's.
        ratio: limits of width / height.
    """

    def __init__(self, size, interpolation=BILINEAR, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)):
        self.size = size
        self.interpolation = interpolation
        self.scale = scale
        self.ratio = ratio

    def __call__(self, image):
        for _ in range(10):
            area = random.uniform(*self.scale) * image.size[0] * image.size[1]
            ratio = random.uniform(*self.ratio)
            width, height = int(round(math.sqrt(area * ratio))), int(round(math.sqrt(area / ratio)))
            if random.random() < 0.5:
                width, height = height, width
            if 0 < width <= image.size[0] and 0 < height <= image.size[1]:
                left = random.randint(0, image.size[0] - width)
                top = random.randint(0, image.size[1] - height)
                part = image.crop((left, top, left + width, top + height))
                return part.resize((self.size, self.size), self.interpolation)
        return CenterCrop(self.size)(Resize(self.size, self.interpolation)(image))


class RandomSizedCrop(RandomResizedCrop):
    """The older name of RandomResizedCrop."""


def _pair(size):
    return (int(size), int(size)) if isinstance(size, (int, float)) else tuple(size)


def _pad(image, padding, fill):
    bands = len(image.getbands())
    if isinstance(fill, int) and bands > 1:
        fill = (fill,) * bands
    return pillow_ops().expand(image, border=padding, fill=fill)


def _planes(array):
    """height x width (x channels) as a dense tensor of channels x height x width."""
    if array.ndim not in (2, 3):
        raise ValueError("ToTensor: expected an array of 2 or 3 dims, but got shape %s" % (array.shape,))
    return from_numpy(numpy.array(array[None] if array.ndim == 2 else array.transpose(2, 0, 1), order="C"))


def _image(array):
    """height x width x channels as an image."""
    channels = array.shape[2]
    if channels == 1:
        modes = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
        mode, array = modes.get(array.dtype.name), array[:, :, 0]
    else:
        mode = {2: "LA", 3: "RGB", 4: "RGBA"}.get(channels) if array.dtype == numpy.uint8 else None
    if mode is None:
        raise TypeError("ToPILImage: there are no images of %d channels of %s" % (channels, array.dtype))
    if mode == "I;16":
        return pillow().frombytes(mode, array.shape[::-1], array.tobytes())
    return pillow().fromarray(array)
