"""Rounding errors of convolution beside PyTorch's: both against float64, every path forced on layers it was made for.

    python benchmarks/errors.py [--seeds N] [--all]

Tells root mean square and largest error as parts of PyTorch's, by pass. With --all it goes through the layers of
`convolution.py` and the path that is chosen. Not a benchmark of time.
"""
import argparse
import math

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


def listed():
    """The layers of convolution.py, without a path."""
    for batch, channels, size, outputs, kernel, stride, padding, _ in SQUARES:
        yield None, (batch, channels, size, size), (outputs, channels, kernel, kernel), stride, padding, 1, 1
    for _, *layer, _ in OTHERS:
        yield (None, *layer)


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


def errors(path, x_size, w_size, options, seed):
    """Ratios of root mean square and of largest errors, for each pass."""
    rng = np.random.RandomState(seed)
    x, w = (rng.randn(*size).astype(np.float32) for size in (x_size, w_size))
    g = rng.randn(*conv(*map(tensorlib.from_numpy, (x, w)), None, *options).size()).astype(np.float32)
    wide = theirs(*(a.astype(np.float64) for a in (x, w, g)), options)
    for mine, other, exact in zip(ours(path, x, w, g, options), theirs(x, w, g, options), wide):
        mine, other = np.abs(mine - exact), np.abs(other - exact)
        yield math.sqrt(np.mean(mine ** 2) / np.mean(other ** 2)), mine.max() / other.max()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="the layers of convolution.py, by the paths that are chosen")
    options = parser.parse_args()
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
