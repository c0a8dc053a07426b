"""STL-10 (Coates, Lee and Ng 2011): 96 x 96 images in colour, most of them without labels."""
import os

import numpy

from .._pillow import pillow
from ._base import ArchiveDataset

SPLITS = ("train", "train+unlabeled", "unlabeled", "test")


class STL10(ArchiveDataset):
    """5,000 training, 8,000 test and 100,000 unlabeled images of ten classes.

    Args:
        root: a folder with the folder `stl10_binary`.
        split: one of train, train+unlabeled, unlabeled, test.
        transform: applied to each image, a Pillow image.
        target_transform: applied to each class number, from 0; -1 where there is none, None in the split unlabeled.
        download: get the files that are missing.

    Attributes: data, an array n x 3 x 96 x 96, and labels, an array or None.

    Raises:
        ValueError: an unknown split.
        RuntimeError: files are missing, cannot be downloaded, or are damaged.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False):
        if split not in SPLITS:
            raise ValueError("STL10: unknown split %r, expected one of %s" % (split, ", ".join(SPLITS)))
        super().__init__(root, transform, target_transform)
        self.split = split
        self._get(download)
        pictures = [self._pictures(part) for part in split.split("+")]
        self.data = numpy.concatenate(pictures)
        self.labels = None
        if split != "unlabeled":
            known = self._labels(split.partition("+")[0])
            if len(known) != len(pictures[0]):
                raise RuntimeError("%s is damaged: %d images, but %d labels"
                                   % (self._path(split, "y"), len(pictures[0]), len(known)))
            self.labels = numpy.concatenate([known, numpy.full(len(self.data) - len(known), -1)])

    @property
    def members(self):
        parts = self.split.split("+")
        return ([self.base_folder + "/%s_X.bin" % part for part in parts]
                + [self.base_folder + "/%s_y.bin" % part for part in parts if part != "unlabeled"])

    def _path(self, part, kind):
        return os.path.join(self.root, self.base_folder, "%s_%s.bin" % (part.partition("+")[0], kind))

    def _pictures(self, part):
        """Images lie column by column."""
        path = self._path(part, "X")
        data = numpy.fromfile(path, numpy.uint8)
        if data.size == 0 or data.size % (3 * 96 * 96):
            raise RuntimeError("%s is damaged: %d bytes are no whole number of images" % (path, data.size))
        return data.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)

    def _labels(self, part):
        return numpy.fromfile(self._path(part, "y"), numpy.uint8).astype(numpy.int64) - 1

    def _sample(self, index):
        target = None if self.labels is None else int(self.labels[index])
        return pillow().fromarray(numpy.ascontiguousarray(self.data[index].transpose(1, 2, 0))), target

    def __len__(self):
        return len(self.data)
