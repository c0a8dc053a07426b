"""Street View House Numbers (Netzer et al. 2011): 32 x 32 images of digits, in files of MATLAB, which SciPy reads."""
import os

import numpy

from .._pillow import pillow
from ._base import ImageDataset
from .utils import check_integrity, download_url


class SVHN(ImageDataset):
    """73,257 training, 26,032 test and 531,131 extra images of ten digits.

    Args:
        root: a folder with train_32x32.mat, test_32x32.mat or extra_32x32.mat.
        split: train, test or extra.
        transform: applied to each image, a Pillow image.
        target_transform: applied to each digit; that of a zero is 0.
        download: get the file if it is missing.

    Attributes: data, an array n x 3 x 32 x 32, and labels, an array.

    Raises:
        ValueError: an unknown split.
        RuntimeError: the file is missing, cannot be downloaded, or is damaged.
        ImportError: there is no SciPy.
    """

    url = "http://ufldl.stanford.edu/housenumbers/%s_32x32.mat"
    md5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373", "test": "eb5a983be6a315427106f1b164d9cef3",
           "extra": "a93ce644f1a588dc4d68dda5feec44a7"}

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False):
        if split not in self.md5:
            raise ValueError("SVHN: unknown split %r, expected one of %s" % (split, ", ".join(self.md5)))
        super().__init__(root, transform, target_transform)
        self.split = split
        filename = split + "_32x32.mat"
        path = os.path.join(self.root, filename)
        if download and not check_integrity(path):
            download_url(self.url % split, self.root, filename, self.md5[split])
        if not check_integrity(path):
            raise RuntimeError("SVHN: there is no %s in %s; download=True gets it from %s"
                               % (filename, self.root, self.url % split))
        self.data, self.labels = _read(path)

    def _sample(self, index):
        image = numpy.ascontiguousarray(self.data[index].transpose(1, 2, 0))
        return pillow().fromarray(image), int(self.labels[index])

    def __len__(self):
        return len(self.data)


def _read(path):
    """The images and digits of a file, in which images come last and a zero is numbered 10."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError("SVHN: its files are read by SciPy: pip install scipy") from error
    try:
        content = loadmat(path)
        data = numpy.asarray(content["X"], numpy.uint8).transpose(3, 2, 0, 1)
        labels = content["y"].astype(numpy.int64).reshape(-1) % 10
    except Exception as error:                      # what a damaged file raises depends on where
        raise RuntimeError("%s is damaged: %s: %s" % (path, type(error).__name__, error)) from error
    if data.shape[1:] != (3, 32, 32) or len(data) != len(labels):
        raise RuntimeError("%s is damaged: images of sizes %s, %d labels" % (path, data.shape, len(labels)))
    return data, labels
