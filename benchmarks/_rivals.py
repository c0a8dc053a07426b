"""Further sides of rows, beside PyTorch: JAX (compiled), NumPy, autograd and MLX, where they are installed.

`rivals(threads)` gives {name of a row: function that returns {side: call}}. A side that has nothing for a row, or that
would have to be written as nobody would, is not there. What works on one thread only is compared on one thread only.
"""
import functools
import importlib

import numpy as np

BIG, MIDDLE = (10000, 1000), (1000, 1000)


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


jax, autograd, mlx = optional("jax"), optional("autograd"), optional("mlx.core")
SIDES = ["torch", "channels_last"] + [side for side, module in (
    ("jax", jax), ("numpy", np), ("autograd", autograd), ("mlx", mlx)) if module]


def versions():
    found = {"numpy": np.__version__}
    for side, package in (("jax", jax), ("autograd", autograd and optional("importlib.metadata")), ("mlx", mlx)):
        if package:
            found[side] = package.version("autograd") if side == "autograd" else package.__version__
    return found


# ---- single operations: one expression for all that speak NumPy's language -----------------------------------------

def softmax(m, a):
    if m is not np:
        return (jax.nn if m is not mlx else m).softmax(a, axis=1)
    e = np.exp(a - a.max(1, keepdims=True))
    return np.divide(e, e.sum(1, keepdims=True), out=e)


EXPRESSIONS = {
    "add 10^7": (lambda m, a, b: a + b, BIG, BIG),
    "add row 10^6": (lambda m, a, b: a + b, MIDDLE, (1000,)),
    "add column 10^6": (lambda m, a, b: a + b, MIDDLE, (1000, 1)),
    "add transposed 10^6": (lambda m, a, b: a + b.T, MIDDLE, MIDDLE),
    "mul number 10^6": (lambda m, a: a * 2, MIDDLE),
    "exp 10^6": (lambda m, a: m.exp(a), MIDDLE),
    "tanh 10^6": (lambda m, a: m.tanh(a), MIDDLE),
    "sqrt 10^6": (lambda m, a: m.sqrt(m.abs(a)), MIDDLE),
    "clamp 10^6": (lambda m, a: m.clip(a, -1, 1), MIDDLE),
    "sum 10^7": (lambda m, a: m.sum(a), BIG),
    "sum dim 0 10^6": (lambda m, a: m.sum(a, 0), MIDDLE),
    "sum dim 1 10^6": (lambda m, a: m.sum(a, 1), MIDDLE),
    "mean of rows of 10": (lambda m, a: m.mean(a, 1), (100000, 10)),
    "std 10^6": (lambda m, a: m.std(a), MIDDLE),
    "cumsum dim 1 10^6": (lambda m, a: m.cumsum(a, 1), MIDDLE),
    "softmax rows of 1000": (softmax, MIDDLE),
    "softmax rows of 10": (softmax, (10000, 10)),
    "cat dim 1": (lambda m, a, b: m.concatenate([a, b], 1), MIDDLE, MIDDLE),
    "sort rows of 1000": (lambda m, a: m.sort(a, 1), MIDDLE),
    "a + b of 10 elements": (lambda m, a, b: a + b, (10,), (10,)),
    **{"%d x %d x %d%s" % (m, n, k, " T" if turned else ""): (
        (lambda m, a, b: m.matmul(a, b.T)) if turned else (lambda m, a, b: m.matmul(a, b)),
        (m, k), (n, k) if turned else (k, n))
       for m, n, k, turned in ((8, 8, 8, False), (64, 10, 100, True), (64, 1000, 64, True), (64, 100, 1000, True),
                               (256, 256, 256, False), (512, 512, 512, False), (1024, 1024, 1024, False),
                               (2048, 2048, 2048, False))},
}


def expression(threads, call, *sizes):
    rng = np.random.RandomState(0)
    arrays, calls = [rng.randn(*size).astype(np.float32) for size in sizes], {}
    if threads == 1:
        calls["numpy"] = lambda: call(np, *arrays)
    if jax:
        compiled, there = jax.jit(functools.partial(call, jax.numpy)), [jax.numpy.asarray(a) for a in arrays]
        calls["jax"] = lambda: compiled(*there).block_until_ready()
    if mlx:
        copies = [mlx.array(a) for a in arrays]
        calls["mlx"] = lambda: mlx.eval(call(mlx, *copies))
    return calls


# ---- training by gradients of plain functions ------------------------------------------------------------------------

def two_layers(m):
    def loss(w1, w2, x, y):
        return m.sum((m.matmul(m.maximum(m.matmul(x, w1), 0), w2) - y) ** 2)
    return loss


def two_layer_arrays():
    rng = np.random.RandomState(0)
    x, y, w1, w2 = [rng.randn(*size).astype(np.float32) for size in ((64, 1000), (64, 10), (1000, 100), (100, 10))]
    return [w1, w2, x, y]


def two_layers_numpy():
    """Derivatives by hand, as in the notes."""
    w1, w2, x, y = two_layer_arrays()

    def run():
        h = np.maximum(x @ w1, 0)
        g = 2 * (h @ w2 - y)
        dw2, dh = h.T @ g, g @ w2.T
        dh[h == 0] = 0
        np.subtract(w1, 1e-9 * (x.T @ dh), out=w1)
        np.subtract(w2, 1e-9 * dw2, out=w2)
    return run


def two_layers_autograd():
    w1, w2, x, y = two_layer_arrays()
    gradient = autograd.grad(two_layers(importlib.import_module("autograd.numpy")), argnum=(0, 1))

    def run():
        for w, g in zip((w1, w2), gradient(w1, w2, x, y)):
            np.subtract(w, 1e-9 * g, out=w)
    return run


def two_layers_mlx():
    kept = [mlx.array(a) for a in two_layer_arrays()]
    gradient = mlx.grad(two_layers(mlx), argnums=(0, 1))

    @mlx.compile
    def step(*arrays):
        return [w - 1e-9 * g for w, g in zip(arrays, gradient(*arrays))]

    def run():
        kept[:2] = step(*kept)
        mlx.eval(*kept[:2])
    return run


def tutorial(gradient, x, finish=lambda g: g):
    def of(x):
        y = 5 * (x + 2) ** 2
        return y.sum() / 2
    compute = gradient(of)
    return lambda: finish(compute(x))


def training_sides(threads, name):
    calls = {}
    if threads == 1 and name.startswith("two layers"):
        calls["numpy"] = two_layers_numpy()
        if autograd:
            calls["autograd"] = two_layers_autograd()
    if mlx and name.startswith("two layers"):
        calls["mlx"] = two_layers_mlx()
    if jax:
        import _jax
        calls["jax"] = _jax.steps()[name]()
    return calls


def tutorial_sides(threads):
    calls, x = {}, np.ones(2, np.float32)
    if autograd and threads == 1:
        calls["autograd"] = tutorial(autograd.grad, x)
    if jax:
        calls["jax"] = tutorial(lambda f: jax.jit(jax.grad(f)), jax.numpy.asarray(x), lambda g: g.block_until_ready())
    if mlx:
        calls["mlx"] = tutorial(mlx.grad, mlx.array(x), mlx.eval)
    return calls


def rivals(threads):
    """{name of a row: function that returns {side: call}} for as many threads as the process is held to."""
    import training
    found = {name: functools.partial(expression, threads, *made) for name, made in EXPRESSIONS.items()}
    found["5 (x + 2)^2 of 2 elements, backward"] = functools.partial(tutorial_sides, threads)
    for name in training.WORKLOADS:
        found[name] = functools.partial(training_sides, threads, name)
    return found
