"""Samplers: the order in which the samples of a dataset are read. Randomness comes from the default generator."""
from ...ops.random import randperm
from ...tensor import DoubleTensor


class Sampler:
    """Base of all samplers: `__iter__` gives indices, `__len__` how many."""

    def __init__(self, data_source):
        pass

    def __iter__(self):
        raise NotImplementedError("%s has no __iter__()" % type(self).__name__)

    def __len__(self):
        raise NotImplementedError("%s has no __len__()" % type(self).__name__)


class SequentialSampler(Sampler):
    """All indices in order."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """All indices in random order, a new one each time."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(_permutation(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class SubsetRandomSampler(Sampler):
    """The given indices in random order, a new one each time."""

    def __init__(self, indices):
        self.indices = indices

    def __iter__(self):
        return (self.indices[i] for i in _permutation(len(self.indices)))

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with given weights, which need not add up to one.

    Args:
        weights: a weight for each index.
        num_samples: how many to draw.
        replacement: whether an index may come more than once.
    """

    def __init__(self, weights, num_samples, replacement=True):
        self.weights = DoubleTensor([float(weight) for weight in weights])
        self.num_samples = num_samples
        self.replacement = replacement

    def __iter__(self):
        return iter(self.weights.multinomial(self.num_samples, self.replacement).tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler:
    """Lists of the next batch_size indices of another sampler.

    Args:
        sampler: gives the indices.
        batch_size: indices in a list.
        drop_last: leave out a last list that is not full.

    Example:
        >>> from tensorlib.utils.data.sampler import BatchSampler, SequentialSampler
        >>> list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False))
        [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self):
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self):
        if self.drop_last:
            return len(self.sampler) // self.batch_size
        return (len(self.sampler) + self.batch_size - 1) // self.batch_size


def _permutation(n):
    return randperm(n).tolist() if n else []
