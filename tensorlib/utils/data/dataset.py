"""Datasets: things with a length that give the sample of an index."""
from bisect import bisect_right

from ...ops.random import randperm


class Dataset:
    """Base of all datasets: `__getitem__(index)` and `__len__()` are to be written.

    Example:
        >>> from tensorlib.utils.data import DataLoader, Dataset
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 5
        ...     def __getitem__(self, index):
        ...         return index ** 2
        >>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=2)]
        [[0, 1], [4, 9], [16]]
    """

    def __getitem__(self, index):
        raise NotImplementedError("%s has no __getitem__()" % type(self).__name__)

    def __len__(self):
        raise NotImplementedError("%s has no __len__()" % type(self).__name__)

    def __add__(self, other):
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Pairs of rows of two tensors.

    Args:
        data_tensor: the samples.
        target_tensor: as many targets.

    Raises:
        AssertionError: the first sizes differ.
    """

    def __init__(self, data_tensor, target_tensor):
        assert data_tensor.size(0) == target_tensor.size(0), \
            "TensorDataset: %d samples, but %d targets" % (data_tensor.size(0), target_tensor.size(0))
        self.data_tensor = data_tensor
        self.target_tensor = target_tensor

    def __getitem__(self, index):
        return self.data_tensor[index], self.target_tensor[index]

    def __len__(self):
        return self.data_tensor.size(0)


class ConcatDataset(Dataset):
    """Several datasets one behind the other; `cummulative_sizes` holds where each ends.

    Args:
        datasets: a sequence of at least one.
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)
        assert self.datasets, "datasets should not be an empty iterable"
        self.cummulative_sizes = []
        for dataset in self.datasets:
            self.cummulative_sizes.append(len(self) + len(dataset))

    def __len__(self):
        return self.cummulative_sizes[-1] if self.cummulative_sizes else 0

    def __getitem__(self, index):
        if not -len(self) <= index < len(self):
            raise IndexError("index %d is out of range for %d samples" % (index, len(self)))
        index %= len(self)
        number = bisect_right(self.cummulative_sizes, index)
        start = self.cummulative_sizes[number - 1] if number else 0
        return self.datasets[number][index - start]


class Subset(Dataset):
    """The samples of a dataset at some indices."""

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)


def random_split(dataset, lengths):
    """Split a dataset at random into Subsets of these lengths, which must add up to its own."""
    if sum(lengths) != len(dataset):
        raise ValueError("random_split: lengths %s add up to %d, but the dataset has %d samples"
                         % (list(lengths), sum(lengths), len(dataset)))
    order, parts, start = randperm(len(dataset)).tolist(), [], 0
    for length in lengths:
        parts.append(Subset(dataset, order[start:start + length]))
        start += length
    return parts
