"""How often convolution's estimates choose a path that is not the fastest, and how much that costs.

    python benchmarks/paths.py [--seconds N] [--seed N] [--show N]

Random sizes of one to three dims; each of the three passes is timed with every path forced, and once as it is chosen.
"""
import argparse
import itertools
import math
import random
import time

import numpy as np
import tensorlib
from tensorlib._ops.conv import force_path
from tensorlib.ops.conv import conv, conv_dw, conv_dx

ONLY_FORWARD, PATHS = ("columns",), ("im2col", "direct", "winograd", "implicit", "batch", "depth")
CHANNELS = (1, 2, 3, 6, 8, 9, 12, 16, 20, 24, 32, 40, 64, 96, 128, 256, 512)
SIZES = {1: (16, 32, 100, 256, 512, 1000), 2: (7, 8, 10, 12, 14, 16, 24, 28, 32, 48, 56), 3: (7, 8, 10, 12, 14, 16)}
WORK = 5e5, 1e8                 # fewest and most products
ELEMENTS = 3e6                  # most of an operand
TURN, ROUNDS = 0.001, 4         # seconds of a turn, and turns of each path
NOISE = 1.03                    # of two measurements of the same


def shapes(seed):
    """Sizes of input and weight, stride and padding."""
    rng = random.Random(seed)
    while True:
        dims, kernel = rng.choice((1, 2, 2, 2, 2, 3)), rng.choice((1, 2, 3, 3, 3, 4, 5, 7))
        stride, padding = rng.choice((1, 1, 2)), rng.choice((0, kernel // 2))
        batch, size = 2 ** rng.randrange(7), rng.choice(SIZES[dims])
        channels, outputs = rng.choice(CHANNELS), rng.choice(CHANNELS)
        positions = ((size + 2 * padding - kernel) // stride + 1) ** dims
        elements = max(batch * channels * size ** dims, batch * outputs * positions)
        if size + 2 * padding >= kernel and elements < ELEMENTS:
            if WORK[0] < batch * channels * outputs * kernel ** dims * positions < WORK[1]:
                yield (batch, channels) + (size,) * dims, (outputs, channels) + (kernel,) * dims, stride, padding


def passes(x_size, w_size, stride, padding):
    """The calls of the three passes, each with its name and the paths that it may have."""
    rng, dims = np.random.RandomState(0), len(x_size) - 2
    x, w = (tensorlib.from_numpy(rng.randn(*size).astype(np.float32)) for size in (x_size, w_size))
    options = (stride,) * dims, (padding,) * dims, (1,) * dims, 1
    g = conv(x, w, None, *options)
    yield "forward", lambda: conv(x, w, None, *options), PATHS + ONLY_FORWARD
    yield "dx", lambda: conv_dx(g, w, x_size, *options), PATHS
    yield "dw", lambda: conv_dw(g, x, w_size, *options), ("im2col", "direct", "winograd", "dots", "depth")


def seconds_of(call, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def times(call, paths):
    """The least time of each path; one that does not apply takes as long as what is done instead. None: as chosen."""
    best = {}
    for path in itertools.chain.from_iterable([(None,) + paths] * (ROUNDS + 1)):
        force_path(path)
        call()
        best[path] = min(best.get(path, math.inf), seconds_of(call, max(1, int(TURN / best.get(path, TURN)))))
    force_path(None)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("--seconds", 30), ("--seed", 0), ("--show", 20), ("--threads", 1)):
        parser.add_argument(option, type=int, default=default)
    args = parser.parse_args()
    tensorlib.set_num_threads(args.threads)
    rows, end = [], time.monotonic() + args.seconds
    for case in shapes(args.seed):
        if time.monotonic() > end:
            break
        for name, call, paths in passes(*case):
            took = times(call, paths)
            chosen = took.pop(None)
            fastest = min(took, key=took.get)
            rows.append((max(1, chosen / took[fastest] / NOISE), name, case, fastest, 1e6 * chosen))
    rows.sort(key=lambda row: -row[0])
    for loss, name, case, fastest, chosen in rows[:args.show]:
        print("%-8s %-60s %8.0f us, %s is x %.2f faster" % (name, case, chosen, fastest, loss))
    losses = [row[0] for row in rows]
    print("%d passes: more than 5 %% lost in %d, 15 %% in %d, 30 %% in %d; geometric mean %.3f" % (
        len(rows), *(sum(loss > least for loss in losses) for least in (1.05, 1.15, 1.3)),
        math.exp(sum(map(math.log, losses)) / len(losses))))


if __name__ == "__main__":
    main()
