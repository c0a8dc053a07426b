"""Handwritten digits (and clothes) from files in the idx format, as they are published, gzipped or not."""
import gzip
import math
import os
import zlib

import numpy

from ...tensor import from_numpy
from ...utils.data import Dataset
from .._pillow import pillow

# idx: two zero bytes, a code of the element type, the number of dims; each size in 4 bytes; the elements. Big-endian.
TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path):
    """Return the array in an idx file; a name that ends in .gz is unpacked.

    Raises:
        ValueError: it is no idx file, or bytes are missing or left over.
    """
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            data = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError("%s is damaged or no gzip file: %s" % (path, error)) from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or data[3] == 0:
        raise ValueError("%s is no idx file: it begins with %r" % (path, data[:4]))
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise ValueError("%s is cut off in its header" % path)
    sizes = tuple(int(n) for n in numpy.frombuffer(data, ">u4", data[3], 4))
    dtype = numpy.dtype(TYPES[data[2]])
    expected = start + dtype.itemsize * math.prod(sizes)
    if len(data) != expected:
        raise ValueError("%s should have %d bytes for sizes %s, but has %d" % (path, expected, sizes, len(data)))
    return numpy.frombuffer(data, dtype, offset=start).reshape(sizes).astype(dtype.newbyteorder("="))


class MNIST(Dataset):
    """60,000 training and 10,000 test images of digits, 28 x 28.

    Args:
        root: a folder with the four idx files, or with a folder `raw` (or `MNIST/raw`) that has them.
        train: the training images, or the test images.
        transform: applied to each image, a Pillow image of mode L.
        target_transform: applied to each label, an int.
        download: must be False: put the files in place yourself.

    Attributes: train_data and train_labels, or test_data and test_labels: a ByteTensor and a LongTensor.

    Raises:
        RuntimeError: files are missing, or download is asked for.
        ValueError: a file is damaged.
    """

    source = "http://yann.lecun.com/exdb/mnist/"

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        self.root = os.path.expanduser(root)
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        if download and not self._check_exists():
            raise RuntimeError("nothing is downloaded by this package. %s" % self._help())
        part = "train" if train else "t10k"
        images, labels = self._read(part + "-images-idx3-ubyte"), self._read(part + "-labels-idx1-ubyte")
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ValueError("%s: images of sizes %s do not go with labels of sizes %s"
                             % (self.root, images.shape, labels.shape))
        images, labels = from_numpy(images), from_numpy(labels.astype(numpy.int64))
        if train:
            self.train_data, self.train_labels = images, labels
        else:
            self.test_data, self.test_labels = images, labels

    def __getitem__(self, index):
        images, labels = self._tensors()
        image, target = pillow().fromarray(images[index].numpy()), labels[index]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self):
        return self._tensors()[0].size(0)

    def _tensors(self):
        return (self.train_data, self.train_labels) if self.train else (self.test_data, self.test_labels)

    def _find(self, name):
        """The path of a file by its published name, or None."""
        kind = type(self).__name__
        for folder in ("", "raw", os.path.join(kind, "raw"), kind):
            for spelling in (name, name.replace("-idx", ".idx")):
                for ending in ("", ".gz"):
                    path = os.path.join(self.root, folder, spelling + ending)
                    if os.path.isfile(path):
                        return path
        return None

    def _check_exists(self):
        part = "train" if self.train else "t10k"
        return bool(self._find(part + "-images-idx3-ubyte") and self._find(part + "-labels-idx1-ubyte"))

    def _read(self, name):
        path = self._find(name)
        if path is None:
            raise RuntimeError("there is no %s in %s. %s" % (name, self.root, self._help()))
        return read_idx(path)

    def _help(self):
        return ("Get train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
                "t10k-labels-idx1-ubyte.gz from %s and put them in %s, packed or not" % (self.source, self.root))


class FashionMNIST(MNIST):
    """70,000 images of clothes in the same form as MNIST."""

    source = "https://github.com/zalandoresearch/fashion-mnist"
