"""The cost of a call against PyTorch: work so small that only what surrounds it counts.

    python benchmarks/overhead.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]
"""
import tensorlib
from _measure import main, torch
from tensorlib.autograd import Variable


def both(make):
    return [module and make(module) for module in (tensorlib, torch)]


def leaf(module, *size):
    """A small random leaf that requires a gradient."""
    t = module.rand(*size)
    return Variable(t, requires_grad=True) if module is tensorlib else t.requires_grad_()


def plain(module, tensor):
    return Variable(tensor) if module is tensorlib else tensor


def add(module):
    a, b = module.rand(10), module.rand(10)
    return lambda: a + b


def add_recorded(module):
    a, b = leaf(module, 10), leaf(module, 10)
    return lambda: a + b


def tutorial(module):
    """y = 5 (x + 2)^2, o = sum(y) / 2, backward: what the first page of a course does."""
    x = leaf(module, 2)

    def run():
        y = 5 * (x + 2) ** 2
        (y.sum() / 2).backward()
    return run


def linear(module):
    layer, x = module.nn.Linear(10, 10), plain(module, module.rand(1, 10))
    return lambda: layer(x)


def layers(module):
    nn = module.nn
    net = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 2))
    x = plain(module, module.rand(1, 10))
    return lambda: net(x)


def regression(module):
    """A training step of a net of two layers with SGD."""
    nn = module.nn
    net, criterion = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1)), nn.MSELoss()
    optimizer = module.optim.SGD(net.parameters(), lr=0.01)
    x, y = plain(module, module.rand(4, 8)), plain(module, module.rand(4, 1))

    def run():
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
    return run


def policy(module, steps=10):
    """An episode of a policy network with a batch of 1, then one step of Adam."""
    nn = module.nn
    net = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))
    optimizer = module.optim.Adam(net.parameters(), lr=0.01)
    states = [plain(module, module.rand(1, 4)) for _ in range(steps)]
    functional = module.nn.functional

    def log_softmax(x):
        return functional.log_softmax(x) if module is tensorlib else functional.log_softmax(x, dim=1)

    def run():
        optimizer.zero_grad()
        loss = 0
        for state in states:
            loss = loss - log_softmax(net(state))[0, 1]
        loss.backward()
        optimizer.step()
    return run


def optimizer(name):
    def make(module):
        parameters = [leaf(module, 10) for _ in range(20)]
        for p in parameters:
            p.grad = plain(module, module.rand(10))
        return getattr(module.optim, name)(parameters, lr=0.01).step
    return make


def cases(suite):
    suite.compare("a + b of 10 elements", *both(add), goal=10)
    suite.compare("a + b of 10 elements, recorded", *both(add_recorded), goal=4)
    suite.compare("5 (x + 2)^2 of 2 elements, backward", *both(tutorial), goal=15)
    suite.compare("Linear 10-10, batch 1", *both(linear), goal=4)
    suite.compare("three Linear with ReLU, batch 1", *both(layers), goal=4)
    suite.compare("regression step, 8-16-1, SGD", *both(regression), goal=4)
    suite.compare("policy 4-64-2, 10 steps, Adam", *both(policy), goal=6)
    for name in ("SGD", "Adam"):
        suite.compare("%s.step of 20 parameters" % name, *both(optimizer(name)), goal=4)


if __name__ == "__main__":
    main(__doc__, cases)
