"""Samples by tensors of parameters: the twins of _ops/sampling.pyx."""
from ..._ops.copying import make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from ..launch import NAMES, THREADS, grid_for, launch
from ..random import generator_of
from . import random, scan

LONG = 4


def normal(mean=0.0, std=1.0, generator=None):
    like = mean if hasattr(mean, "numel") else std
    random.check(like, "normal", generator)
    made = make_empty(code_of(like), like.size(), device_of(like))
    if hasattr(std, "numel") and std.numel() and std.min() < 0:
        raise RuntimeError("normal(): expected std >= 0, got %g" % std.min())
    return random.normal_(made).mul_(std).add_(mean)


def multinomial(self, num_samples, replacement=False, generator=None):
    random.check(self, "multinomial", generator)
    if self.dim() not in (1, 2):
        raise RuntimeError("multinomial(): expected weights of 1 or 2 dims, got %d" % self.dim())
    if num_samples <= 0:
        raise RuntimeError("multinomial(): expected num_samples > 0, got %d" % num_samples)
    weights = self.unsqueeze(0) if self.dim() == 1 else self
    rows, n = weights.size()
    if not weights.min() >= 0 or not weights.sum(1).min() > 0:
        raise RuntimeError("multinomial(): expected weights >= 0 with a sum above 0 in each row")
    if not replacement and num_samples > weights.ne(0).long().sum(1).min():
        raise RuntimeError("multinomial(): %d samples without replacement, but a row has fewer weights above 0"
                           % num_samples)
    drawn = with_replacement(weights, num_samples) if replacement else without_replacement(weights, num_samples)
    return drawn.select(0, 0) if self.dim() == 1 else drawn


def with_replacement(weights, each):
    """Positions found in running sums."""
    device, (rows, n) = device_of(weights), weights.size()
    sums = make_contiguous(scan.cumsum(weights, 1))
    out = make_empty(LONG, (rows, each), device)
    launch(random.program, "search_" + NAMES[code_of(sums)], device, "PPqqqQQ", grid_for(device, rows * each), THREADS,
           out, sums, rows, n, each, *generator_of(device).take(rows * each))
    return out


def without_replacement(weights, each):
    """The earliest of exponential waiting times whose rates are the weights."""
    waiting = random.exponential_(make_empty(code_of(weights), weights.size(), device_of(weights))).div_(weights)
    return waiting.topk(each, 1, False)[1]
