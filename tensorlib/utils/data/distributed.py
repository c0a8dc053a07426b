"""The sampler of training by several processes: each reads its own share."""
import importlib
from itertools import cycle, islice

from ...ops.random import randperm
from ...random import Generator
from .sampler import Sampler


def _distributed():
    """The package of a layer above, found by name: only who uses it needs it."""
    return importlib.import_module(__name__.partition(".")[0] + ".distributed")


class DistributedSampler(Sampler):
    """A share of a dataset, contiguous in an order that is shuffled by the epoch number, the same in all processes.

    Args:
        dataset: the dataset, whose length counts.
        num_replicas: number of processes; those of `tensorlib.distributed` unless given.
        rank: number of this process, from 0; that of `tensorlib.distributed` unless given.

    The first samples come twice where the length is no multiple of num_replicas, so that all shares are equally long.

    Example:
        >>> from tensorlib.utils.data.distributed import DistributedSampler
        >>> shares = [list(DistributedSampler(range(5), num_replicas=2, rank=rank)) for rank in range(2)]
        >>> [len(share) for share in shares], sorted(set(shares[0] + shares[1]))
        ([3, 3], [0, 1, 2, 3, 4])
    """

    def __init__(self, dataset, num_replicas=None, rank=None):
        if num_replicas is None:
            num_replicas = _distributed().get_world_size()
        if rank is None:
            rank = _distributed().get_rank()
        if not 0 <= rank < num_replicas:
            raise ValueError("DistributedSampler: rank %d is not in 0 .. %d" % (rank, num_replicas - 1))
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.num_samples = (len(dataset) + num_replicas - 1) // num_replicas
        self.total_size = self.num_samples * num_replicas

    def __iter__(self):
        generator = Generator()
        generator.manual_seed(self.epoch)
        order = randperm(len(self.dataset), generator=generator).tolist()
        start = self.num_samples * self.rank
        return islice(cycle(order), start, start + self.num_samples)

    def __len__(self):
        return self.num_samples

    def set_epoch(self, epoch):
        """Set the number that the order depends on."""
        self.epoch = epoch
