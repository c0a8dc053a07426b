"""What the datasets of images share: two transforms, and looking for files. Each says where its samples come from."""
import os

from ...utils.data import Dataset
from .utils import download_url, extract


class ImageDataset(Dataset):
    """Samples of an image and a target, each transformed. `_sample(index)` is to be written."""

    def __init__(self, root, transform=None, target_transform=None):
        self.root = os.path.expanduser(root)
        self.transform = transform
        self.target_transform = target_transform

    def __getitem__(self, index):
        image, target = self._sample(index)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class ArchiveDataset(ImageDataset):
    """A dataset in files of one tar.gz: `url`, `filename`, its `tgz_md5`, and `members`, the files that count."""

    def _get(self, download):
        """Download and unpack what is missing, if told so; else complain of it."""
        missing = [name for name in self.members if not os.path.isfile(os.path.join(self.root, name))]
        if missing and download:
            download_url(self.url, self.root, self.filename, self.tgz_md5)
            extract(os.path.join(self.root, self.filename), self.root, self.members)
        elif missing:
            raise RuntimeError("%s: there is no %s in %s; download=True gets it from %s"
                               % (type(self).__name__, missing[0], self.root, self.url))
