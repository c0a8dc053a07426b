"""Datasets, the samplers that order them, and the DataLoader that reads them in batches, with worker processes."""
from . import collate, dataloader, dataset, distributed, sampler
from .dataloader import DataLoader
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler

__all__ = ["BatchSampler", "ConcatDataset", "DataLoader", "Dataset", "RandomSampler", "Sampler", "SequentialSampler",
           "Subset", "SubsetRandomSampler", "TensorDataset", "WeightedRandomSampler", "collate", "dataloader",
           "dataset", "distributed", "random_split", "sampler"]
