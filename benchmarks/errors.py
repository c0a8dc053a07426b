"""Rounding errors of convolution beside PyTorch's: both against float64, every path forced on layers it was made for.

    python benchmarks/errors.py [--seeds N] [--all] [--random N]

Tells root mean square and largest error as parts of PyTorch's, by pass. With --all it goes through the layers of
`convolution.py` and the path that is chosen, with --random through N layers drawn at random, of which it shows the
worst. Not a benchmark of time.
"""
import argparse
import math
import random

import numpy as np
import tensorlib
import torch
from convolution import LABELS, OTHERS, SQUARES, each
from tensorlib._ops.conv import force_path
from tensorlib.ops.conv import conv, conv_dw, conv_dx

# path, size of the input, size of the weight, stride, padding, dilation, groups
LAYERS = [
    ("im2col", (8, 64, 14, 14), (64, 64, 3, 3), 1, 1, 1, 1), ("im2col", (8, 256, 14, 14), (64, 256, 1, 1), 1, 0, 1, 1),
    ("direct", (8, 3, 32, 32), (64, 3, 3, 3), 1, 1, 1, 1), ("direct", (8, 64, 14, 14), (64, 64, 3, 3), 1, 1, 1, 1),
    ("columns", (8, 12, 14, 14), (24, 12, 5, 5), 1, 0, 1, 1), ("dots", (8, 64, 28, 28), (64, 64, 3, 3), 1, 1, 1, 1),
    ("winograd", (8, 64, 28, 28), (64, 64, 3, 3), 1, 1, 1, 1),
    ("winograd", (8, 256, 8, 8), (256, 256, 3, 3), 1, 1, 1, 1), ("winograd", (8, 64, 256), (64, 64, 3), 1, 1, 1, 1),
    ("winograd", (4, 64, 28, 28), (64, 64, 3, 3), 1, 2, 2, 1),
    ("winograd", (2, 16, 8, 16, 16), (32, 16, 3, 3, 3), 1, 1, 1, 1),
    ("implicit", (8, 64, 17, 17), (64, 64, 5, 5), 2, 2, 1, 1), ("batch", (64, 20, 12, 12), (50, 20, 5, 5), 1, 0, 1, 1),
    ("batch", (32, 128, 6, 6), (64, 128, 3, 3), 1, 1, 1, 1), ("depth", (8, 64, 32, 32), (64, 1, 3, 3), 1, 1, 1, 64),
    ("depth", (3, 12, 33, 47), (12, 1, 7, 7), 1, 3, 1, 12),
]

CHANNELS = ((1, 2, 3, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512),) * 2       # of inputs and outputs
GROUPS = (1, 1, 2, 4, 8, 16), (1, 1, 2, 4, 8, 16)                               # the same of one group
MOST_ELEMENTS, MOST_PRODUCTS = 1e6, 5e8
PATHS = ("im2col", "direct", "columns", "winograd", "implicit", "batch", "depth", "dots")


def listed():
    """The layers of convolution.py, without a path."""
    for batch, channels, size, outputs, kernel, stride, padding, _ in SQUARES:
        yield None, (batch, channels, size, size), (outputs, channels, kernel, kernel), stride, padding, 1, 1
    for _, *layer, _ in OTHERS:
        yield (None, *layer)


def drawn(seed):
    """Layers of any kind, without end: one to three dims, strides, dilation, groups down to one channel each."""
    rng = random.Random(seed)
    while True:
        dims, kernel = rng.choice((1, 2, 2, 2, 3)), rng.choice((1, 2, 3, 3, 3, 4, 5, 7))
        stride, dilation = rng.choice((1, 1, 2)), rng.choice((1, 1, 1, 2, 4))
        padding, batch = rng.choice((0, dilation * (kernel // 2))), 2 ** rng.randrange(7)
        size = rng.choice({1: (32, 100, 256, 500, 1000), 2: (7, 8, 12, 14, 15, 16, 28, 32, 56), 3: (6, 7, 8, 10)}[dims])
        groups, inputs, outputs = rng.choice(((1, *CHANNELS),) * 3 + tuple((n, *GROUPS) for n in (2, 4, 8, 32, 64)))
        positions = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        if positions < 1 or kernel == 1 and dilation > 1:
            continue
        inputs, outputs = rng.choice(inputs), rng.choice(outputs)
        elements = batch * groups * max(inputs * size ** dims, outputs * positions ** dims)
        if elements < MOST_ELEMENTS and elements * kernel ** dims * min(inputs, outputs) < MOST_PRODUCTS:
            yield ((batch, groups * inputs) + (size,) * dims, (groups * outputs, inputs) + (kernel,) * dims,
                   stride, padding, dilation, groups)


def theirs(x, w, g, options):
    """The three passes of PyTorch, in the type of x."""
    spatial = w.ndim - 2
    x, w = torch.from_numpy(x), torch.from_numpy(w)
    y = getattr(torch, "conv%dd" % spatial)(x, w, None, *options)
    back = torch.ops.aten.convolution_backward(torch.from_numpy(g), x, w, None, *options[:3], False, (0,) * spatial,
                                               options[3], (True, True, False))
    return [t.numpy() for t in (y, *back[:2])]


def ours(path, x, w, g, options):
    sizes = x.shape, w.shape
    x, w, g = map(tensorlib.from_numpy, (x, w, g))
    force_path(path)
    try:
        return [t.numpy() for t in (conv(x, w, None, *options), conv_dx(g, w, sizes[0], *options),
                                    conv_dw(g, x, sizes[1], *options))]
    finally:
        force_path(None)


def arrays(x_size, w_size, options, seed):
    """Input, weight and gradient of the output."""
    rng = np.random.RandomState(seed)
    x, w = (rng.randn(*size).astype(np.float32) for size in (x_size, w_size))
    g = rng.randn(*conv(*map(tensorlib.from_numpy, (x, w)), None, *options).size()).astype(np.float32)
    return x, w, g


def errors(path, x_size, w_size, options, seed):
    """Ratios of root mean square and of largest errors, for each pass."""
    x, w, g = arrays(x_size, w_size, options, seed)
    wide = theirs(*(a.astype(np.float64) for a in (x, w, g)), options)
    for mine, other, exact in zip(ours(path, x, w, g, options), theirs(x, w, g, options), wide):
        mine, other = np.abs(mine - exact), np.abs(other - exact)
        yield math.sqrt(np.mean(mine ** 2) / np.mean(other ** 2)), mine.max() / other.max()


def taken(layer, index):
    """The path that is chosen for a pass: the one that gives the same bits when it is forced."""
    x_size, w_size, *options = layer
    x, w, g = arrays(x_size, w_size, options, 0)
    want = ours(None, x, w, g, options)[index]
    return "/".join(path for path in PATHS if (ours(path, x, w, g, options)[index] == want).all())


def show_random(count, seed, show):
    """Errors of drawn layers: how they are spread, and the worst."""
    rows = []
    for layer, _ in zip(drawn(seed), range(count)):
        x_size, w_size, *sides, groups = layer
        case = x_size, w_size, *(each(side, len(w_size) - 2) for side in sides), groups
        for index, (found, _) in enumerate(errors(None, *case[:2], case[2:], 0)):
            rows.append((found, index, case))
    for index, label in enumerate(LABELS):
        found = sorted((row for row in rows if row[1] == index), key=lambda row: -row[0])
        print("%s: geometric mean %.2f; of %d above 1.1 %d, above 1.3 %d" % (
            label, math.exp(np.mean([math.log(row[0]) for row in found])), len(found),
            *(sum(row[0] > least for row in found) for least in (1.1, 1.3))))
        for ratio, _, case in found[:show]:
            print("   %.2f  %-16s %s" % (ratio, taken(case, index), case), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="the layers of convolution.py, by the paths that are chosen")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N layers drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn layers")
    parser.add_argument("--show", type=int, default=12, help="the worst drawn layers of each pass")
    options = parser.parse_args()
    if options.random:
        return show_random(options.random, options.seed, options.show)
    print("kernels %s; root mean square and largest error, as parts of PyTorch's" % tensorlib._ops.isa_level)
    print("%-52s" % "" + "".join("%14s" % label for label in LABELS))
    for path, x_size, w_size, stride, padding, dilation, groups in listed() if options.all else LAYERS:
        geometry = [each(option, len(w_size) - 2) for option in (stride, padding, dilation)]
        found = np.mean([list(errors(path, x_size, w_size, (*geometry, groups), seed))
                         for seed in range(options.seeds)], axis=0)
        name = "%s %s, %s s%s d%s" % (path or "", *["x".join(map(str, s)) for s in (x_size, w_size)], stride, dilation)
        print("%-52s" % name.strip() + "".join("   %5.2f %5.2f" % tuple(pair) for pair in found), flush=True)


if __name__ == "__main__":
    main()
