"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 32 x 32 images in colour, in pickles of Python 2."""
import os

import numpy

from ..._names import CLASSES, unpickler
from .._pillow import pillow
from ._base import ArchiveDataset


class CIFAR10(ArchiveDataset):
    """50,000 training and 10,000 test images of ten classes.

    Args:
        root: a folder with the folder `cifar-10-batches-py`.
        train: the training images, or the test images.
        transform: applied to each image, a Pillow image.
        target_transform: applied to each class number.
        download: get the files that are missing.

    Attributes: train_data and train_labels, or test_data and test_labels: an array n x 32 x 32 x 3, and a list.

    Raises:
        RuntimeError: files are missing, cannot be downloaded, or are damaged.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"]
    test_list = ["test_batch"]
    label_key = "labels"

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform)
        self.train = train
        self._get(download)
        parts = [self._read(name) for name in (self.train_list if train else self.test_list)]
        data = numpy.concatenate([pictures for pictures, _ in parts])
        labels = [label for _, numbers in parts for label in numbers]
        if train:
            self.train_data, self.train_labels = data, labels
        else:
            self.test_data, self.test_labels = data, labels

    @property
    def members(self):
        return [self.base_folder + "/" + name for name in self.train_list + self.test_list]

    def _read(self, name):
        """The images and labels of one file; a pickle that names more than arrays is refused."""
        path = os.path.join(self.root, self.base_folder, name)
        try:
            with open(path, "rb") as file:
                entry = unpickler(file, CLASSES, None).load()
            pictures = numpy.asarray(entry["data"], numpy.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            labels = [int(label) for label in entry[self.label_key]]
        except Exception as error:                  # a damaged pickle may raise anything
            raise RuntimeError("%s is damaged: %s: %s" % (path, type(error).__name__, error)) from error
        if len(pictures) != len(labels):
            raise RuntimeError("%s is damaged: %d images, but %d labels" % (path, len(pictures), len(labels)))
        return pictures, labels

    def _arrays(self):
        return (self.train_data, self.train_labels) if self.train else (self.test_data, self.test_labels)

    def _sample(self, index):
        data, labels = self._arrays()
        return pillow().fromarray(data[index]), labels[index]

    def __len__(self):
        return len(self._arrays()[0])


class CIFAR100(CIFAR10):
    """The same with 100 classes, in the folder `cifar-100-python`."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = ["train"]
    test_list = ["test"]
    label_key = "fine_labels"
