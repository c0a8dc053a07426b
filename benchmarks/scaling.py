"""How cost grows with the work: elements of an operation, sides of a product, batches of networks, steps of an LSTM.

    python benchmarks/scaling.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]

`run.py --plot` draws the series.
"""
import functools

import numpy as np
import tensorlib
import training
from _measure import main, torch
from gemm import product
from rnn import training as recurrent


def add(module, n):
    a, b = module.rand(n), module.rand(n)
    return lambda: a + b


def tanh(module, n):
    a = module.rand(n)
    return lambda: module.tanh(a)


def lstm(module, n):
    return recurrent(module, "LSTM", 64, 64, 20, n)


def memory(n):
    """The unit of a rate: memory is no limit of what stays in the cache."""
    return "GB/s" if n > 5 * 10 ** 6 else "GB/s in cache"


def operations():
    """Series, the work of its points, a function (module, work) that gives a call, and rate and unit of each point."""
    yield "a + b, elements", (10, 10 ** 3, 10 ** 4, 10 ** 5, 10 ** 6, 10 ** 7), add, lambda n: (12e-9 * n, memory(n))
    yield "tanh, elements", (10, 10 ** 3, 10 ** 4, 10 ** 5, 10 ** 6, 10 ** 7), tanh, lambda n: (8e-9 * n, memory(n))
    yield ("square product, side", (8, 32, 128, 256, 512, 1024, 2048),
           lambda module, n: product(module, n, n, n, "NN"), lambda n: (2e-9 * n ** 3, "GFLOP/s"))
    yield "LSTM 64 step, length", (1, 5, 20, 80), lstm, lambda n: (None, None)


def networks():
    """Series, batches, network, size of one image, whether there are classes."""
    yield "LeNet step, batch", (1, 4, 16, 64, 256), training.lenet, (1, 28)
    yield "ResNet-20 step, batch", (1, 4, 16, 64), training.resnet20, (3, 32)


def network_sides(build, size, batch):
    weights, x, target = training.initial_weights(build), training.images(batch, *size), training.labels(batch)
    make = functools.partial(training.step, build=build, weights=weights, x=x, target=target,
                             loss_of=training.cross_entropy, optimizer=training.sgd)
    sides = {"ours": make(training.OURS)}
    if torch:
        sides.update(theirs=make(training.THEIRS), channels_last=make(training.THEIRS, channels_last=True))
    return sides


def transformer_sides(batch):
    x = np.random.RandomState(0).randn(batch, 64, 128).astype(np.float32)
    weights = training.initial_weights(training.transformer_block)
    return [training.step(side, training.transformer_block, weights, x, None, training.mean_square, training.adam)
            for side in (training.OURS, training.THEIRS)]


def cases(suite):
    for series, works, make, rate in operations():
        for n in works:
            name, (work, unit) = "%s %d" % (series, n), rate(n)
            if suite.wants(name):
                sides = [module and make(module, n) for module in (tensorlib, torch)]
                suite.compare(name, *sides, work=work, unit=unit, series=(series, n))
    for series, batches, build, size in networks():
        for n in batches:
            if suite.wants("%s %d" % (series, n)):
                suite.compare("%s %d" % (series, n), **network_sides(build, size, n), turn=0.05, series=(series, n))
    for n in (1, 4, 16):
        name = "transformer step, batch"
        if suite.wants("%s %d" % (name, n)):
            suite.compare("%s %d" % (name, n), *transformer_sides(n), turn=0.05, series=(name, n))


if __name__ == "__main__":
    main(__doc__, cases)
