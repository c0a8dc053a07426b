"""Whole training steps against PyTorch: forward, backward and optimizer, on the same network with the same weights.

    python benchmarks/training.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]

Both sides run the same code, once with this package and once with PyTorch. Convolutional networks are timed against
PyTorch in its usual layout and in channels_last.
"""
import math
import types

import numpy as np
import tensorlib
import tensorlib.nn.functional
import tensorlib.optim
from _measure import main, torch
from tensorlib.autograd import Variable

OURS = types.SimpleNamespace(lib=tensorlib, nn=tensorlib.nn, F=tensorlib.nn.functional, optim=tensorlib.optim,
                             variable=lambda array, **flags: Variable(tensorlib.from_numpy(array), **flags))
THEIRS = torch and types.SimpleNamespace(
    lib=torch, nn=torch.nn, F=torch.nn.functional, optim=torch.optim,
    variable=lambda array, **flags: torch.from_numpy(array).requires_grad_(flags.get("requires_grad", False)))


def images(batch, channels, size, seed=0):
    return np.random.RandomState(seed).randn(batch, channels, size, size).astype(np.float32)


def labels(batch, classes=10, seed=1):
    return np.random.RandomState(seed).randint(0, classes, batch).astype(np.int64)


# ---- networks: functions of a side, which give a module ------------------------------------------------------------

def lenet(side):
    nn = side.nn
    return nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
                         nn.ReLU(), Flat(side), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def wide_convolutions(side):
    nn = side.nn
    return nn.Sequential(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.Conv2d(20, 64, 5), nn.ReLU())


def small_convolutions(side):
    nn = side.nn
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                         nn.MaxPool2d(2))


def vgg(side):
    nn, layers, channels = side.nn, [], 3
    for width in (32, 32, None, 64, 64, None, 128, 128, None):
        if width is None:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, Flat(side), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10))


def resnet20(side):
    nn, layers, channels = side.nn, [], 16
    layers += [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for width in (16, 32, 64):
        for _ in range(3):
            layers.append(Residual(side, channels, width))
            channels = width
    return nn.Sequential(*layers, nn.AvgPool2d(8), Flat(side), nn.Linear(64, 10))


def dcgan_generator(side):
    nn, layers = side.nn, []
    for before, after in ((256, 128), (128, 64)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(nn.ConvTranspose2d(100, 256, 4, 1, 0, bias=False), nn.BatchNorm2d(256), nn.ReLU(), *layers,
                         nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh())


def Flat(side):
    class Flat(side.nn.Module):
        def forward(self, x):
            return x.contiguous().view(x.size(0), -1)
    return Flat()


def Residual(side, before, after):
    nn = side.nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            stride = after // before
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn1, self.bn2, self.relu = nn.BatchNorm2d(after), nn.BatchNorm2d(after), nn.ReLU()
            self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if stride > 1 else nn.Sequential()

        def forward(self, x):
            out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(out + self.shortcut(x))
    return Residual()


def language_model(side, words=1000, hidden=200):
    nn = side.nn

    class LanguageModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Embedding(words, hidden), nn.Linear(hidden, words)
            self.rnn = nn.LSTM(hidden, hidden, 2)

        def forward(self, x):
            out, _ = self.rnn(self.encoder(x))
            return self.decoder(out.view(-1, hidden))
    return LanguageModel()


def gru(side):
    nn = side.nn

    class LastStep(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.linear = nn.GRU(32, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.linear(self.rnn(x)[0][-1])
    return LastStep()


def transformer_block(side, width=128, heads=4, length=64):
    """Attention of products and a softmax, then two linear layers; x is (batch, length, width)."""
    nn, F = side.nn, side.F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            batch, part = x.size(0), width // heads
            q, k, v = [p.contiguous().view(batch, length, heads, part).transpose(1, 2).contiguous()
                       .view(batch * heads, length, part) for p in self.project(x).chunk(3, 2)]
            weights = F.softmax(q.bmm(k.transpose(1, 2)).view(-1, length) / math.sqrt(part), dim=1)
            mixed = weights.view(batch * heads, length, length).bmm(v)
            x = x + self.join(mixed.view(batch, heads, length, part).transpose(1, 2).contiguous()
                              .view(batch, length, width))
            return x + self.down(F.relu(self.up(x)))
    return Block()


# ---- one step of training ------------------------------------------------------------------------------------------

def initial_weights(build, side=OURS):
    side.lib.manual_seed(0)
    return [p.data.numpy().copy() for p in build(side).parameters()]


def mean_square(side, out, target):
    return (out * out).mean()


def cross_entropy(side, out, target):
    return side.F.cross_entropy(out, target)


def step(side, build, weights, x, target, loss_of, optimizer, channels_last=False):
    """A call that trains a network of one side for one step."""
    if side is None:
        return None
    network = build(side)
    for parameter, array in zip(network.parameters(), weights):
        parameter.data.copy_(side.lib.from_numpy(array))
    x, target = side.variable(x), None if target is None else side.variable(target)
    if channels_last:
        network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = optimizer(side.optim, network.parameters())

    def run():
        optimizer.zero_grad()
        loss = loss_of(side, network(x), target)
        loss.backward()
        optimizer.step()
        return loss
    return run


def sgd(optim, parameters):
    return optim.SGD(parameters, lr=0.001, momentum=0.9)


def adam(optim, parameters):
    return optim.Adam(parameters, lr=0.0001)


def two_layer_step(side):
    """The two-layer network of the notes with a step by hand: 64 rows, 1000-100-10."""
    if side is None:
        return None
    rng = np.random.RandomState(0)
    x, y, w1, w2 = [rng.randn(*size).astype(np.float32) for size in ((64, 1000), (64, 10), (1000, 100), (100, 10))]
    x, y = side.variable(x), side.variable(y)
    w1, w2 = side.variable(w1, requires_grad=True), side.variable(w2, requires_grad=True)

    def run():
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        loss.backward()
        for w in (w1, w2):
            w.data -= 1e-9 * w.grad.data
            w.grad.data.zero_()
        return loss
    return run


def policy_step(side):
    """Ten decisions of a policy network, one state at a time, then one step of Adam."""
    if side is None:
        return None
    nn, F = side.nn, side.F
    network = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
    states = [side.variable(np.random.RandomState(i).randn(1, 4).astype(np.float32)) for i in range(10)]
    optimizer = side.optim.Adam(network.parameters(), lr=0.001)

    def run():
        optimizer.zero_grad()
        loss = sum(F.log_softmax(network(state), dim=1)[0, i % 2] for i, state in enumerate(states))
        loss.backward()
        optimizer.step()
        return loss
    return run


def tokens(length, batch, words=1000, seed=2):
    return np.random.RandomState(seed).randint(0, words, (length, batch)).astype(np.int64)


NETWORKS = [    # name, network, input, target, loss, optimizer, goal
    ("LeNet, 64 x 1x28x28", lenet, images(64, 1, 28), labels(64), cross_entropy, sgd, 2),
    ("convolutions 1-20-64, 16 x 1x28x28", wide_convolutions, images(16, 1, 28), None, mean_square, sgd, 1.5),
    ("convolutions 1-6-16, 64 x 1x32x32", small_convolutions, images(64, 1, 32), None, mean_square, sgd, 2),
    ("ResNet-20, 16 x 3x32x32", resnet20, images(16, 3, 32), labels(16), cross_entropy, sgd, 1.5),
    ("small VGG, 16 x 3x32x32", vgg, images(16, 3, 32), labels(16), cross_entropy, sgd, 1.5),
    ("DCGAN generator, 16 x 3x32x32", dcgan_generator, images(16, 100, 1), None, mean_square, adam, 1.2),
    ("2-layer LSTM language model", language_model, tokens(35, 20), labels(700, 1000), cross_entropy, sgd, 1.5),
    ("GRU, 50 steps of batch 4", gru, np.random.RandomState(0).randn(50, 4, 32).astype(np.float32), labels(4),
     cross_entropy, sgd, 4),
    ("transformer block, 8 x 64 x 128", transformer_block, np.random.RandomState(0).randn(8, 64, 128).astype(
        np.float32), None, mean_square, adam, 1.2),
]


WORKLOADS = {"two layers 64-1000-100-10": two_layer_step, "policy network, 10 steps of batch 1": policy_step,
             **{name: workload for name, *workload, _ in NETWORKS}}


def step_of(side, name, times=1):
    """The call of one side alone, for a workload by name; networks get batches so many times as large."""
    if callable(WORKLOADS[name]):
        return WORKLOADS[name](side)
    build, x, target, *rest = WORKLOADS[name]
    x = np.concatenate([x] * times, axis=1 if build in (language_model, gru) else 0)
    target = None if target is None else np.concatenate([target] * times)
    return step(side, build, initial_weights(build, side), x, target, *rest)


def cases(suite):
    suite.compare("two layers 64-1000-100-10", two_layer_step(OURS), two_layer_step(THEIRS), goal=2)
    suite.compare("policy network, 10 steps of batch 1", policy_step(OURS), policy_step(THEIRS), goal=6)
    for name, *workload, goal in NETWORKS:
        if suite.wants(name):
            ours, sides = sides_of(name, *workload)
            suite.compare(name, ours, **sides, work=multiplications(*workload[:2]), goal=goal, turn=0.1)


def multiplications(build, x):
    """10^9 multiplications and additions of a step: three times those of the layers' products forward."""
    network, counts = build(OURS), []

    def count(module, inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        if isinstance(module, tensorlib.nn.ConvTranspose2d):
            counts.append(inputs[0].numel() * module.weight.numel() / module.weight.size(0))
        elif isinstance(module, (tensorlib.nn.Conv2d, tensorlib.nn.Linear)):
            counts.append(output.numel() * module.weight.numel() / module.weight.size(0))
        elif isinstance(module, tensorlib.nn.RNNBase):
            counts.append(inputs[0].size(0) * inputs[0].size(1) * sum(
                w.numel() for w in module.parameters() if w.dim() == 2))
    for module in network.modules():
        module.register_forward_hook(count)
    network(OURS.variable(x))
    return 6e-9 * sum(counts)


def sides_of(name, build, x, target, loss, optimizer):
    """Our call, and those of PyTorch by name, after a look at their losses."""
    weights = initial_weights(build)
    ours, theirs = [step(side, build, weights, x, target, loss, optimizer) for side in (OURS, THEIRS)]
    if theirs is None:
        return ours, {}
    if not math.isclose(float(ours().data[0]), float(theirs().detach()), rel_tol=1e-3):
        raise AssertionError("%s: the two sides do not compute the same" % name)
    sides = {"theirs": theirs}
    if x.ndim == 4:
        sides["channels_last"] = step(THEIRS, build, weights, x, target, loss, optimizer, channels_last=True)
    return ours, sides


if __name__ == "__main__":
    main(__doc__, cases)
