"""Random images, for trying out a program without a dataset."""
from ...random import Generator
from ...tensor import ByteTensor, LongTensor
from ..transforms import ToPILImage
from ._base import ImageDataset


class FakeData(ImageDataset):
    """Images of random pixels, the same at the same index.

    Args:
        size: number of images.
        image_size: channels, height and width.
        num_classes: targets are 0 .. num_classes - 1.
        transform, target_transform: applied to each image, a Pillow image, and each target.
        random_offset: another number gives other images.
    """

    def __init__(self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None,
                 random_offset=0):
        super().__init__("", transform, target_transform)
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.random_offset = random_offset

    def _sample(self, index):
        if not 0 <= index < self.size:
            raise IndexError("index %d is out of range for %d images" % (index, self.size))
        generator = Generator()
        generator.manual_seed(index + self.random_offset)
        image = ByteTensor(*self.image_size).random_(256, generator=generator)
        return ToPILImage()(image), LongTensor(1).random_(self.num_classes, generator=generator)[0]

    def __len__(self):
        return self.size
