"""Convolutions against PyTorch: forward, gradient of the input and gradient of the weight, each by itself.

    python benchmarks/convolution.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]

Images of two dims are timed against PyTorch in its usual layout and in channels_last, which are two sides of one row.
"""
import contextlib
import math

import numpy as np
import tensorlib
from _measure import main, torch
from tensorlib.ops.conv import conv, conv_dw, conv_dx, conv_transpose

# batch, input channels, size, output channels, kernel, stride, padding, and the goal of forward and both gradients
SQUARES = [
    (16, 64, 32, 64, 3, 1, 1, 1.8), (4, 64, 56, 64, 3, 1, 1, 1.8), (16, 128, 16, 128, 3, 1, 1, 1.8),
    (8, 256, 8, 256, 3, 1, 1, 1.8), (16, 16, 32, 16, 3, 1, 1, 1.5), (16, 32, 16, 32, 3, 1, 1, 1.5),
    (16, 32, 15, 32, 3, 1, 1, 1.1), (16, 64, 13, 64, 3, 1, 0, 1.1),
    (16, 64, 32, 128, 1, 1, 0, 1.7), (16, 256, 14, 64, 1, 1, 0, 1.7), (16, 128, 16, 256, 1, 2, 0, 1.1),
    (64, 1, 28, 20, 5, 1, 0, 2), (64, 20, 12, 50, 5, 1, 0, 1.1), (64, 3, 32, 12, 5, 1, 0, 2),
    (64, 12, 14, 24, 5, 1, 0, 1.1), (16, 3, 32, 64, 3, 1, 1, 1.5), (4, 3, 64, 64, 7, 2, 3, 1.5),
    (16, 64, 16, 128, 3, 2, 1, 1.1), (16, 32, 32, 64, 4, 2, 1, 1.1), (8, 16, 17, 48, 5, 2, 2, 1.1),
    (8, 64, 28, 64, 5, 1, 2, 1),
]

# what for, size of the input, size of the weight, stride, padding, dilation, groups, goal
OTHERS = [
    ("depthwise", (16, 64, 32, 32), (64, 1, 3, 3), 1, 1, 1, 64, 1),
    ("depthwise", (16, 128, 14, 14), (128, 1, 3, 3), 1, 1, 1, 128, 1),
    ("depthwise", (16, 64, 32, 32), (64, 1, 3, 3), 2, 1, 1, 64, 1),
    ("depthwise", (1, 96, 56, 56), (96, 1, 7, 7), 1, 3, 1, 96, 1),
    ("grouped", (8, 128, 28, 28), (128, 4, 3, 3), 1, 1, 1, 32, 1),
    ("grouped", (16, 64, 16, 16), (64, 16, 3, 3), 1, 1, 1, 4, 1),
    ("dilated", (4, 64, 28, 28), (64, 64, 3, 3), 1, 2, 2, 1, 1),
    ("dilated", (4, 32, 32, 32), (32, 32, 3, 3), 1, 4, 4, 1, 1),
    ("1-D", (16, 64, 256), (64, 64, 3), 1, 1, 1, 1, 1),
    ("1-D", (8, 32, 1000), (64, 32, 9), 2, 4, 1, 1, 1),
    ("1-D dilated", (8, 32, 512), (32, 32, 2), 1, 4, 8, 1, 1),
    ("1-D depthwise", (8, 64, 512), (64, 1, 5), 1, 2, 1, 64, 1),
    ("3-D", (2, 16, 8, 16, 16), (32, 16, 3, 3, 3), 1, 1, 1, 1, 1),
    ("3-D", (2, 3, 8, 32, 32), (16, 3, 3, 3, 3), (1, 2, 2), 1, 1, 1, 1),
    ("batch of 1", (1, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1, 1, 1),
    ("batch of 1", (1, 256, 14, 14), (512, 256, 1, 1), 1, 0, 1, 1, 1),
]

# size of the input, size of the weight, stride, padding: transposed convolutions
TRANSPOSED = [
    ((16, 256, 4, 4), (256, 128, 4, 4), 2, 1, 1.1), ((16, 64, 16, 16), (64, 3, 4, 4), 2, 1, 1.1),
    ((8, 64, 14, 14), (64, 32, 2, 2), 2, 0, 1), ((16, 100, 1, 1), (100, 256, 4, 4), 1, 0, 1),
]

LABELS = ("forward", "dx", "dw")


def each(value, count):
    return tuple(value) if isinstance(value, tuple) else (value,) * count


def arrays_of(*sizes):
    rng = np.random.RandomState(0)
    return [rng.randn(*size).astype(np.float32) for size in sizes]


def in_layout(tensors, channels_last):
    if not channels_last:
        return tensors
    return [t.contiguous(memory_format=torch.channels_last) for t in tensors]


def sides(x_size, w_size, options):
    """Calls for the three passes: ours, and PyTorch's in each layout that it has for them."""
    stride, padding, dilation, groups = options
    x, w = map(tensorlib.from_numpy, arrays_of(x_size, w_size))
    g = conv(x, w, None, *options)
    ours = [lambda: conv(x, w, None, *options), lambda: conv_dx(g, w, x_size, *options),
            lambda: conv_dw(g, x, w_size, *options)]
    theirs = []
    for last in () if torch is None else (False, True) if len(stride) == 2 else (False,):
        tensors = in_layout([torch.from_numpy(t.numpy()) for t in (x, w, g)], last)

        def backward(wanted, tx, tw, tg):
            return torch.ops.aten.convolution_backward(tg, tx, tw, None, stride, padding, dilation, False,
                                                       (0,) * len(stride), groups, wanted)
        function = getattr(torch, "conv%dd" % len(stride))
        theirs.append([lambda f=function, t=tensors: f(t[0], t[1], None, *options),
                       lambda b=backward, t=tensors: b((True, False, False), *t),
                       lambda b=backward, t=tensors: b((False, True, False), *t)])
    return ours, theirs


def compare(suite, name, ours, theirs, work, goal):
    calls = dict(zip(("theirs", "channels_last"), theirs))
    suite.compare(name, ours, **calls, work=work, goal=goal)


def compare_passes(suite, name, x_size, w_size, options, goal):
    names = ["%s %s" % (name, label) for label in LABELS]
    if not any(map(suite.wants, names)):
        return
    ours, theirs = sides(x_size, w_size, options)
    out = ours[0]().size()
    work = 2e-9 * math.prod(w_size) * math.prod(out) / out[1]
    for i, name in enumerate(names):
        compare(suite, name, ours[i], [calls[i] for calls in theirs], work, goal)


def compare_transposed(suite, x_size, w_size, stride, padding, goal):
    name = "transposed %s, %s s%d p%d" % ("x".join(map(str, x_size)), "x".join(map(str, w_size)), stride, padding)
    arrays = arrays_of(x_size, w_size)
    x, w = map(tensorlib.from_numpy, arrays)
    options = each(stride, 2), each(padding, 2), (0, 0), 1, (1, 1)
    theirs = []
    for last in (False, True) if torch else ():
        tensors = in_layout([torch.from_numpy(a) for a in arrays], last)
        theirs.append(lambda t=tensors: torch.conv_transpose2d(*t, None, stride, padding))
    work = 2e-9 * math.prod(w_size) * math.prod(x_size) / x_size[1]
    compare(suite, name, lambda: conv_transpose(x, w, None, *options), theirs, work, goal)


def cases(suite):
    with torch.no_grad() if torch else contextlib.nullcontext():
        for batch, channels, size, outputs, kernel, stride, padding, goal in SQUARES:
            name = "%d x %dx%dx%d to %d, k%d s%d p%d" % (batch, channels, size, size, outputs, kernel, stride, padding)
            compare_passes(suite, name, (batch, channels, size, size), (outputs, channels, kernel, kernel),
                           (each(stride, 2), each(padding, 2), (1, 1), 1), goal)
        for kind, x_size, w_size, stride, padding, dilation, groups, goal in OTHERS:
            sizes = ["x".join(map(str, size)) for size in (x_size, w_size)]
            name = "%s %s, %s s%s p%s d%s" % (kind, *sizes, stride, padding, dilation)
            options = [each(option, len(w_size) - 2) for option in (stride, padding, dilation)]
            compare_passes(suite, name, x_size, w_size, (*options, groups), goal)
        for row in TRANSPOSED:
            compare_transposed(suite, *row)


if __name__ == "__main__":
    main(__doc__, cases)
