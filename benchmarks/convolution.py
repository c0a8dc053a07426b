"""Convolutions against PyTorch: forward, gradient of the input and gradient of the weight, each by itself.

    python benchmarks/convolution.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]
"""
import contextlib

import numpy as np
import tensorlib
from _measure import main, torch
from tensorlib.ops.conv import conv, conv_dw, conv_dx

# batch, input channels, size, output channels, kernel, stride, padding, and the goal of forward and both gradients
SHAPES = [
    (16, 64, 32, 64, 3, 1, 1, 1.8), (4, 64, 56, 64, 3, 1, 1, 1.8), (16, 128, 16, 128, 3, 1, 1, 1.8),
    (8, 256, 8, 256, 3, 1, 1, 1.8), (16, 16, 32, 16, 3, 1, 1, 1.5), (16, 32, 16, 32, 3, 1, 1, 1.5),
    (16, 32, 15, 32, 3, 1, 1, 1.1), (16, 64, 13, 64, 3, 1, 0, 1.1),
    (16, 64, 32, 128, 1, 1, 0, 1.7), (16, 256, 14, 64, 1, 1, 0, 1.7), (16, 128, 16, 256, 1, 2, 0, 1.1),
    (64, 1, 28, 20, 5, 1, 0, 2), (64, 20, 12, 50, 5, 1, 0, 1.1), (64, 3, 32, 12, 5, 1, 0, 2),
    (64, 12, 14, 24, 5, 1, 0, 1.1), (16, 3, 32, 64, 3, 1, 1, 1.5), (4, 3, 64, 64, 7, 2, 3, 1.5),
    (16, 64, 16, 128, 3, 2, 1, 1.1), (16, 32, 32, 64, 4, 2, 1, 1.1), (8, 16, 17, 48, 5, 2, 2, 1.1),
    (8, 64, 28, 64, 5, 1, 2, 1),
]
LABELS = ("forward", "dx", "dw")


def sides(batch, channels, size, outputs, kernel, stride, padding):
    """Calls of both sides for the three passes, forward first."""
    rng = np.random.RandomState(0)
    out = (size + 2 * padding - kernel) // stride + 1
    arrays = [rng.randn(*shape).astype(np.float32) for shape in (
        (batch, channels, size, size), (outputs, channels, kernel, kernel), (batch, outputs, out, out))]
    x, w, g = map(tensorlib.from_numpy, arrays)
    options = (stride, stride), (padding, padding), (1, 1), 1
    ours = [lambda: conv(x, w, None, *options), lambda: conv_dx(g, w, tuple(x.size()), *options),
            lambda: conv_dw(g, x, tuple(w.size()), *options)]
    if torch is None:
        return [(call, None) for call in ours]
    tx, tw, tg = map(torch.from_numpy, arrays)

    def backward(*wanted):
        return lambda: torch.ops.aten.convolution_backward(tg, tx, tw, None, *options[:3], False, (0, 0), 1,
                                                           (*wanted, False))
    return zip(ours, (lambda: torch.conv2d(tx, tw, None, stride, padding), backward(True, False),
                      backward(False, True)))


def cases(suite):
    with torch.no_grad() if torch else contextlib.nullcontext():
        for *shape, goal in SHAPES:
            batch, channels, size, outputs, kernel, stride, padding = shape
            out = (size + 2 * padding - kernel) // stride + 1
            work = 2e-9 * batch * channels * outputs * (kernel * out) ** 2
            name = "%d x %dx%dx%d to %d, k%d s%d p%d" % (batch, channels, size, size, outputs, kernel, stride, padding)
            if any(suite.wants("%s %s" % (name, label)) for label in LABELS):
                for label, (ours, theirs) in zip(LABELS, sides(*shape)):
                    suite.compare("%s %s" % (name, label), ours, theirs, work=work, goal=goal)


if __name__ == "__main__":
    main(__doc__, cases)
