"""The training steps of training.py in JAX, compiled whole: each network is translated from ours, layer by layer.

`steps()` gives {name of a row: function that returns the call}. Weights, input, loss and optimizer are the row's.
"""
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import tensorlib
import training
from jax import lax


def array(tensor):
    return jnp.asarray(tensor.numpy())


class Translator:
    """Turns a module of ours into a function f(parameters, x); `parameters` are copies of the module's, in order."""

    def __init__(self, module):
        self.parameters, self.position = [], {}
        for parameter in module.parameters():
            self.position[id(parameter)] = len(self.parameters)
            self.parameters.append(array(parameter.data))
        self.function = self.of(module)

    def of(self, module):
        return getattr(self, type(module).__name__)(module)

    def place(self, parameter):
        """Where a parameter stands, None where the module has none."""
        return None if parameter is None else self.position[id(parameter)]

    def Sequential(self, module):
        functions = [self.of(child) for child in module]
        return lambda p, x: functools.reduce(lambda x, f: f(p, x), functions, x)

    def Conv2d(self, module):
        w, b = self.place(module.weight), self.place(module.bias)

        def function(p, x):
            x = lax.conv_general_dilated(x, p[w], module.stride, [(n, n) for n in module.padding])
            return x if b is None else x + p[b][:, None, None]
        return function

    def ConvTranspose2d(self, module):
        w = self.place(module.weight)
        around = [(k - 1 - n, k - 1 - n) for k, n in zip(module.kernel_size, module.padding)]

        def function(p, x):
            kernel = p[w][:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
            return lax.conv_general_dilated(x, kernel, (1, 1), around, lhs_dilation=module.stride)
        return function

    def BatchNorm2d(self, module):
        w, b = self.place(module.weight), self.place(module.bias)

        def function(p, x):
            mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
            scale = p[w][:, None, None] * lax.rsqrt(var + module.eps)
            return (x - mean) * scale + p[b][:, None, None]
        return function

    def MaxPool2d(self, module):
        size = (1, 1, module.kernel_size, module.kernel_size)
        return lambda p, x: lax.reduce_window(x, -jnp.inf, lax.max, size, size, "VALID")

    def AvgPool2d(self, module):
        size = (1, 1, module.kernel_size, module.kernel_size)
        return lambda p, x: lax.reduce_window(x, 0., lax.add, size, size, "VALID") / math.prod(size)

    def ReLU(self, module):
        return lambda p, x: jnp.maximum(x, 0)

    def Tanh(self, module):
        return lambda p, x: jnp.tanh(x)

    def Flat(self, module):
        return lambda p, x: x.reshape(x.shape[0], -1)

    def Linear(self, module):
        w, b = self.place(module.weight), self.place(module.bias)
        return lambda p, x: x @ p[w].T + p[b]

    def Residual(self, module):
        conv1, bn1, conv2, bn2, shortcut = map(self.of, (module.conv1, module.bn1, module.conv2, module.bn2,
                                                         module.shortcut))

        def function(p, x):
            out = bn2(p, conv2(p, jnp.maximum(bn1(p, conv1(p, x)), 0)))
            return jnp.maximum(out + shortcut(p, x), 0)
        return function

    def recurrent(self, module, cell, state):
        """A function that scans over the first dim, layer by layer."""
        layers = [[self.place(p) for p in weights] for weights in module.all_weights]

        def function(p, x):
            for places in layers:
                w, u, b, c = [p[i] for i in places]
                zero = jnp.zeros((x.shape[1], u.shape[1]))
                _, x = lax.scan(functools.partial(cell, u, c), (zero,) * state, x @ w.T + b)
            return x
        return function

    def LSTM(self, module):
        def cell(u, c, state, x):
            h, memory = state
            i, f, g, o = jnp.split(x + h @ u.T + c, 4, axis=1)
            memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(memory)
            return (h, memory), h
        return self.recurrent(module, cell, 2)

    def GRU(self, module):
        def cell(u, c, state, x):
            (h,), (xr, xz, xn) = state, jnp.split(x, 3, axis=1)
            hr, hz, hn = jnp.split(h @ u.T + c, 3, axis=1)
            r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
            h = (1 - z) * jnp.tanh(xn + r * hn) + z * h
            return (h,), h
        return self.recurrent(module, cell, 1)

    def LanguageModel(self, module):
        table, rnn, decoder = self.place(module.encoder.weight), self.of(module.rnn), self.of(module.decoder)

        def function(p, x):
            out = rnn(p, p[table][x])
            return decoder(p, out.reshape(-1, out.shape[2]))
        return function

    def LastStep(self, module):
        rnn, linear = self.of(module.rnn), self.of(module.linear)
        return lambda p, x: linear(p, rnn(p, x)[-1])

    def Block(self, module, heads=4):
        project, join, up, down = map(self.of, (module.project, module.join, module.up, module.down))

        def function(p, x):
            batch, length, width = x.shape
            q, k, v = [t.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3)
                       for t in jnp.split(project(p, x), 3, axis=2)]
            weights = jax.nn.softmax(q @ k.swapaxes(2, 3) / math.sqrt(width // heads), axis=3)
            x = x + join(p, (weights @ v).transpose(0, 2, 1, 3).reshape(batch, length, width))
            return x + down(p, jnp.maximum(up(p, x), 0))
        return function


# ---- losses and optimizers, by those of training.py ------------------------------------------------------------------

def mean_square(out, target):
    return (out * out).mean()


def cross_entropy(out, target):
    logs = jax.nn.log_softmax(out, axis=1)
    return -jnp.take_along_axis(logs, target[:, None], 1).mean()


def sgd(parameters, gradients, state):
    state = [0.9 * v + g for v, g in zip(state, gradients)]
    return [p - 0.001 * v for p, v in zip(parameters, state)], state


def adam(parameters, gradients, state, lr=0.0001):
    t, moments = state[0] + 1, []
    updated = []
    for p, g, (m, v) in zip(parameters, gradients, state[1]):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        updated.append(p - lr * (m / (1 - 0.9 ** t)) / (jnp.sqrt(v / (1 - 0.999 ** t)) + 1e-8))
        moments.append((m, v))
    return updated, (t, moments)


def start(optimizer, parameters):
    if optimizer is sgd:
        return [jnp.zeros_like(p) for p in parameters]
    return jnp.float32(0), [(jnp.zeros_like(p), jnp.zeros_like(p)) for p in parameters]


def trained(loss, parameters, optimizer):
    """A call that does one compiled step of training, and returns its loss when that is there."""
    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, state):
        value, gradients = jax.value_and_grad(loss)(parameters)
        parameters, state = optimizer(parameters, gradients, state)
        return value, parameters, state

    kept = [parameters, start(optimizer, parameters)]

    def run():
        value, kept[0], kept[1] = step(*kept)
        return value.block_until_ready()
    return run


def network_step(build, x, target, loss, optimizer):
    tensorlib.manual_seed(0)
    network = Translator(build(training.OURS))
    x, target = jnp.asarray(x), None if target is None else jnp.asarray(target)
    loss, optimizer = globals()[loss.__name__], globals()[optimizer.__name__]
    return trained(lambda p: loss(network.function(p, x), target), network.parameters, optimizer)


def two_layer_step():
    rng = np.random.RandomState(0)
    sizes = (64, 1000), (64, 10), (1000, 100), (100, 10)
    x, y, w1, w2 = [jnp.asarray(rng.randn(*size), jnp.float32) for size in sizes]

    def loss(p):
        return jnp.square(jnp.maximum(x @ p[0], 0) @ p[1] - y).sum()
    return trained(loss, [w1, w2], lambda p, g, state: ([w - 1e-9 * d for w, d in zip(p, g)], state))


def policy_step():
    """The ten states are ten calls, as they are in the row: an episode is not known in advance."""
    tensorlib.manual_seed(0)
    nn = tensorlib.nn
    network = Translator(nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2)))
    states = [jnp.asarray(np.random.RandomState(i).randn(1, 4), jnp.float32) for i in range(10)]
    gradient = jax.jit(jax.grad(lambda p, x, i: jax.nn.log_softmax(network.function(p, x))[0, i]))
    add = jax.jit(lambda a, b: [x + y for x, y in zip(a, b)])
    update = jax.jit(functools.partial(adam, lr=0.001))
    kept = [network.parameters, start(adam, network.parameters)]

    def run():
        total = gradient(kept[0], states[0], 0)
        for i, state in enumerate(states[1:], 1):
            total = add(total, gradient(kept[0], state, i % 2))
        kept[0], kept[1] = update(kept[0], total, kept[1])
        kept[0][0].block_until_ready()
    return run


def steps():
    found = {"two layers 64-1000-100-10": two_layer_step, "policy network, 10 steps of batch 1": policy_step}
    for name, *workload, _ in training.NETWORKS:
        found[name] = functools.partial(network_step, *workload)
    return found
