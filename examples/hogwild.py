"""Hogwild: several processes train one model in shared memory, without any lock (Recht et al. 2011).

Each process steps on the parameters that all of them see; a step that another one overwrites costs little.

    python examples/hogwild.py --processes 4
"""
import argparse

import tensorlib
import tensorlib.multiprocessing as mp
from tensorlib import nn, optim
from tensorlib.autograd import Variable


def make_rings(count):
    """Points of two classes: inside a circle of radius 1, or outside."""
    points = tensorlib.randn(count, 2)
    return points, (points.pow(2).sum(1) > 1).long()


def train(rank, model, steps):
    tensorlib.set_num_threads(1)            # the processes share the cores; threads would only be in the way
    tensorlib.manual_seed(rank)
    optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    for _ in range(steps):
        points, labels = make_rings(64)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(Variable(points)), Variable(labels))
        loss.backward()
        optimizer.step()


def accuracy(model):
    points, labels = make_rings(2000)
    scores = model(Variable(points, volatile=True)).data
    return (scores.max(1)[1] == labels).sum() / 2000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=400, help="of each process")
    options = parser.parse_args()

    tensorlib.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    model.share_memory()                    # from now on the parameters are one memory for all processes
    print("before: accuracy %.1f %%" % (100 * accuracy(model)))
    processes = [mp.Process(target=train, args=(rank, model, options.steps)) for rank in range(options.processes)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print("after %d steps of each of %d processes: accuracy %.1f %%"
          % (options.steps, options.processes, 100 * accuracy(model)))
