"""Handwritten digits (and clothes) from files in the idx format, as they are published, gzipped or not."""
import gzip
import math
import os
import zlib

import numpy

from ...tensor import from_numpy
from .._pillow import pillow
from ._base import ImageDataset
from .utils import download_url

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


class MNIST(ImageDataset):
    """60,000 training and 10,000 test images of digits, 28 x 28.

    Args:
        root: a folder with the four idx files, or with a folder `raw` (or `MNIST/raw`) that has them.
        train: the training images, or the test images.
        transform: applied to each image, a Pillow image of mode L.
        target_transform: applied to each label, an int.
        download: get the files that are missing, into the folder `raw`.

    Attributes: train_data and train_labels, or test_data and test_labels: a ByteTensor and a LongTensor.

    Raises:
        RuntimeError: files are missing, or cannot be downloaded.
        ValueError: a file is damaged.
    """

    mirrors = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
    md5 = {"train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
           "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
           "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
           "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c"}

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform, target_transform)
        self.train = train
        if download:
            self._download()
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

    def _sample(self, index):
        images, labels = self._tensors()
        return pillow().fromarray(images[index].numpy()), labels[index]

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

    def _download(self):
        for name, md5 in self.md5.items():
            if self._find(name) is None:
                download_url([mirror + name + ".gz" for mirror in self.mirrors], os.path.join(self.root, "raw"),
                             name + ".gz", md5)

    def _read(self, name):
        path = self._find(name)
        if path is None:
            raise RuntimeError("%s: there is no %s.gz (nor unpacked) in %s; download=True gets it from %s"
                               % (type(self).__name__, name, self.root, self.mirrors[0]))
        return read_idx(path)


class FashionMNIST(MNIST):
    """70,000 images of clothes in the same form as MNIST."""

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    md5 = {"train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
           "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
           "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
           "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310"}
