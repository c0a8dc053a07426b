"""Convolution, pooling and resampling with random parameters, also ones that make no sense, beside PyTorch of today.

Both sides run the same text; outputs and gradients agree, or both refuse. Inputs are named by a seed.
"""
import numpy as np
from graphs import graph_sides, values_of
from program import Step


def numbers(seed, n):
    """Distinct numbers: where the largest one lies is the same on both sides."""
    return ((np.random.RandomState(seed).permutation(n) - n / 2) * (4.0 / n) + 0.01).round(6).tolist()


def layer_sides():
    """The names on both sides, where PyTorch is installed."""
    sides = graph_sides()
    if sides is None:
        return None
    ours, theirs = sides
    return dict(ours, numbers=numbers), dict(theirs, numbers=numbers, F=Theirs(theirs["F"]))


class Theirs:
    """PyTorch's functions; corners are aligned, as they were in v0.2."""

    def __init__(self, functions):
        self.functions = functions

    def __getattr__(self, name):
        return getattr(self.functions, name)

    def upsample(self, x, size=None, scale_factor=None, mode="nearest"):
        return self.functions.interpolate(x, size, scale_factor, mode, None if mode == "nearest" else True)

    def pad(self, x, pads, mode):
        """Cropping came first, and had to leave something; reflection knew two dims."""
        sizes = zip(reversed(x.shape), pads[::2], pads[1::2])
        if mode == "constant" and any(n + min(a, 0) + min(b, 0) < 1 for n, a, b in sizes):
            raise ValueError("input is too small")
        if mode == "reflect" and x.dim() == 5:
            raise NotImplementedError("three dims")
        return self.functions.pad(x, pads, mode)

    def grid_sample(self, x, grid):
        return self.functions.grid_sample(x, grid, align_corners=True)


def some(rng, usual, odd, n):
    """A parameter: a number, or one for each of n dims; now and then an odd one."""
    one = lambda: rng.choice(odd) if rng.random() < 0.03 else rng.choice(usual)
    return one() if rng.random() < 0.5 else tuple(one() for _ in range(n))


def leaf(rng, program, name, size):
    source = "leaf(numbers(%d, %d), %s)" % (rng.randrange(10 ** 6), int(np.prod(size)), ", ".join(map(str, size)))
    program.run(Step("leaf", [name], source, source))
    return name


def conv(rng, program, n):
    groups = rng.choice([1, 1, 1, 2, 3]) if rng.random() < 0.97 else rng.choice([0, -1, 5])
    turned = rng.random() < 0.4
    into, out = (max(1, groups) * rng.randint(1, 3) + (rng.random() < 0.03) for _ in range(2))
    per = max(1, into // max(1, groups)), max(1, out // max(1, groups))
    kernel = [rng.randint(1, 4) for _ in range(n)]
    leaf(rng, program, "x0", [rng.randint(1, 3), into] + [rng.randint(1, 9) for _ in range(n)])
    leaf(rng, program, "x1", [into, per[1]] + kernel if turned else [out, per[0] + (rng.random() < 0.03)] + kernel)
    bias = "None"
    if rng.random() < 0.5:
        bias = leaf(rng, program, "x2", [(per[1] * max(1, groups) if turned else out) + (rng.random() < 0.03)])
    stride, dilation = some(rng, [1, 1, 2, 3], [0, -1], n), some(rng, [1, 1, 2], [0, -1], n)
    padding = some(rng, [0, 1, 2], [-1, 7], n)
    if turned:
        more = "%r, %r, %r, %r, %r" % (stride, padding, some(rng, [0, 0, 0, 1], [-1, 4], n), groups, dilation)
        return "F.conv_transpose%dd(x0, x1, %s, %s)" % (n, bias, more)
    return "F.conv%dd(x0, x1, %s, %r, %r, %r, %r)" % (n, bias, stride, padding, dilation, groups)


def pool(rng, program, n):
    leaf(rng, program, "x0", [rng.randint(1, 2), rng.randint(1, 3)] + [rng.randint(1, 8) for _ in range(n)])
    kernel, stride = some(rng, [1, 2, 3], [0, -1, 9], n), some(rng, [1, 2, 3], [0, -1], n)
    stride = kernel if stride == 0 else stride      # v0.2 took the one for the other
    padding, ceil = some(rng, [0, 0, 1], [-1, 2], n), rng.random() < 0.5
    form = rng.choice(["max", "max", "avg", {1: "adaptive", 2: "adaptive", 3: "max"}[n]] + ["lp"] * (n == 2))
    if form == "max":
        dilation = some(rng, [1, 1, 2], [0], n)
        return "F.max_pool%dd(x0, %r, %r, %r, %r, %r)" % (n, kernel, stride, padding, dilation, ceil)
    if form == "avg":
        more = "" if n == 3 else ", %r, %r, %r" % (padding, ceil, rng.random() < 0.5)
        return "F.avg_pool%dd(x0, %r, %r%s)" % (n, kernel, stride, more)
    if form == "lp":
        return "F.lp_pool2d(x0.abs() + 0.1, 2, %r, %r, %r)" % (kernel, stride, ceil)
    return "F.adaptive_%s_pool%dd(x0, %r)" % (rng.choice(["max", "avg"]), n, some(rng, [1, 2, 3, 5], [0, -1], n))


def unpool(rng, program, n):
    leaf(rng, program, "x0", [1, rng.randint(1, 2)] + [rng.randint(2, 7) for _ in range(n)])
    kernel = rng.randint(1, 3)
    return "F.max_unpool%dd(*F.max_pool%dd(x0, %d, return_indices=True), %d)" % (n, n, kernel, kernel)


def resample(rng, program, n):
    """Weights of interpolation were of single precision, so such results are compared in it."""
    n = max(n, 2)
    size = [rng.randint(1, 2), 4] + [rng.randint(1, 5) for _ in range(n)]
    leaf(rng, program, "x0", size)
    mode = rng.choice(["nearest", "bilinear" if n == 2 else "trilinear"])
    if n == 2 and rng.random() < 0.3:
        leaf(rng, program, "x1", [size[0], rng.randint(1, 4), rng.randint(1, 4), 2])
        return "F.grid_sample(x0, x1).float()"
    if rng.random() < 0.4:
        to = rng.choice(["scale_factor=2", "scale_factor=3", "size=%r" % (tuple(rng.randint(1, 7) for _ in range(n)),)])
        return "F.upsample(x0, %s, mode=%r).float()" % (to, mode)
    if n == 2 and rng.random() < 0.3:
        return "F.pixel_shuffle(x0, %d)" % rng.choice([1, 2, 2, 3])
    pads = tuple(rng.randint(-1 if rng.random() < 0.2 else 0, 3) for _ in range(2 * n))
    return "F.pad(x0, %r, %r)" % (pads, rng.choice(["constant", "reflect", "replicate"]))


def draw_layers(rng, program, steps):
    """Run one function and its gradients. Raises Difference."""
    source = rng.choice([conv, conv, pool, pool, unpool, resample])(rng, program, rng.choice([1, 2, 2, 3]))
    leaves = list(program.live)
    program.run(Step(source.split("(")[0], ["x9"], source, source))
    if "x9" in program.live and np.isfinite(values_of(program, "x9")).all():    # not the largest of an empty window
        source = "gradients([x9], [%s], False)" % ", ".join(leaves)
        if program.steps[-1].ours.endswith(".float()"):
            source = "[g.float() for g in %s]" % source.replace("x9", "x9.double()")
        program.run(Step("gradients", [], source, source))
