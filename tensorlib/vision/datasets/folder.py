"""Images in a folder for each class."""
import os

from .._pillow import pillow
from ._base import ImageDataset

IMG_EXTENSIONS = [".jpg", ".jpeg", ".png", ".ppm", ".bmp"]


def is_image_file(filename):
    """Tell from its ending whether a file is an image."""
    return filename.lower().endswith(tuple(IMG_EXTENSIONS))


def find_classes(dir):
    """Return the names of the folders in a folder, sorted, and a dict of their numbers."""
    classes = sorted(entry.name for entry in os.scandir(dir) if entry.is_dir())
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(dir, class_to_idx):
    """Return (path, class number) of all images below the folders of the classes, sorted."""
    images = []
    for name in sorted(class_to_idx):
        for folder, _, files in sorted(os.walk(os.path.join(dir, name))):
            paths = [os.path.join(folder, file) for file in sorted(files) if is_image_file(file)]
            images += [(path, class_to_idx[name]) for path in paths]
    return images


def pil_loader(path):
    """Return the image of a file, as RGB."""
    with open(path, "rb") as file, pillow().open(file) as image:
        return image.convert("RGB")


def default_loader(path):
    """Return the image of a file, as RGB."""
    return pil_loader(path)


class ImageFolder(ImageDataset):
    """Images in the files `root/CLASS/.../NAME.png`.

    Args:
        root: the folder.
        transform: applied to each image.
        target_transform: applied to each class number.
        loader: makes an image of a path.

    Attributes: classes (names), class_to_idx (their numbers), imgs (paths and numbers).

    Raises:
        RuntimeError: there are no images.
    """

    def __init__(self, root, transform=None, target_transform=None, loader=default_loader):
        super().__init__(root, transform, target_transform)
        self.classes, self.class_to_idx = find_classes(self.root)
        self.imgs = make_dataset(self.root, self.class_to_idx)
        if not self.imgs:
            raise RuntimeError("found no images in the folders of %s; endings are %s"
                               % (root, ", ".join(IMG_EXTENSIONS)))
        self.loader = loader

    def _sample(self, index):
        path, target = self.imgs[index]
        return self.loader(path), target

    def __len__(self):
        return len(self.imgs)
