"""The cost of a call against PyTorch: work so small that only what surrounds it counts.

    python benchmarks/overhead.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]
"""
import functools

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


def calls(text, names):
    """{expression: a call of it} of expressions between semicolons."""
    return {part.strip(): eval("lambda: " + part.strip(), dict(names)) for part in text.split(";")}


def of_tensors(module):
    """Calls on small tensors that record nothing."""
    a, b, m, n, one = module.rand(10), module.rand(10), module.rand(4, 4), module.rand(4, 4), module.rand(1)
    array = a.numpy()
    wrap = Variable if module is tensorlib else torch.Tensor.detach
    return calls("""
        a + 1; a > b; a == 0.5; a.add_(b); a.sum(); a.max(); a.clone(); a.exp(); a.size(); a.unsqueeze(0); a.tolist();
        a.numpy(); a.__setitem__(3, 0.5); one.item(); m.sum(1); m.max(1); m.mm(n); m.view(16); m.view(-1, 8); m.t();
        m.transpose(0, 1); m[1]; m[:, 1:3]; float(m[1, 2]); module.add(a, b); module.mm(m, n); module.cat((m, n), 0);
        module.stack((a, b)); module.zeros(10); module.randn(10); module.from_numpy(array); wrap(a)
        """, locals())


def of_variables(module):
    """Recorded calls on small tensors."""
    functional = module.nn.functional
    x, y, m, n = leaf(module, 10), leaf(module, 10), leaf(module, 4, 4), leaf(module, 4, 4)
    image, wanted = leaf(module, 1, 1, 5, 5), plain(module, module.rand(10))
    target = plain(module, module.LongTensor([1, 0, 3, 2]))
    softmax, log_softmax = functional.softmax, functional.log_softmax
    if module is torch:
        softmax, log_softmax = functools.partial(softmax, dim=1), functools.partial(log_softmax, dim=1)

    def silently():
        with module.no_grad():
            return x + y

    return calls("""
        x + y; x * 2; x > 0; x.sum(); x.detach(); float(x.data[0]); m.sum(1); m.max(1); m.mm(n); m.view(16); m.t();
        m[1]; m[1, 2]; module.add(x, y); module.tanh(x); module.cat((m, n), 0); module.stack((x, y)); silently();
        softmax(m); log_softmax(m); functional.relu(x); functional.dropout(x, 0.5, True);
        functional.mse_loss(x, wanted); functional.cross_entropy(m, target);
        functional.max_pool2d(image, 2); functional.avg_pool2d(image, 2)
        """, locals())


def of_scripts(module):
    """What scripts of 2017 do beside their layers, on tensors and on Variables."""
    functional = module.nn.functional
    m, n, positions = module.rand(4, 4), module.rand(4, 4), module.LongTensor([1, 0, 3, 2])
    x, y, target, mask = leaf(module, 4, 4), leaf(module, 4, 4), plain(module, positions), m.gt(0.5)
    inert = Variable(module.rand(4, 4), volatile=True) if module is tensorlib else module.rand(4, 4)
    loss, log_softmax = x.sum(), plain(module, module.rand(4, 4))
    hidden = plain(module, module.rand(1, 8)), plain(module, module.rand(1, 8))
    number = (lambda: loss.data[0]) if module is tensorlib else loss.item

    def repackaged(h):
        return tuple(map(repackaged, h)) if isinstance(h, tuple) else Variable(h.data) if module is tensorlib \
            else h.detach()

    return calls("""
        number(); x.size(0); x.data; x.view(-1, 8); x.view_as(y); x.expand_as(y); x.contiguous(); x.permute(1, 0);
        x.narrow(0, 0, 2); x.chunk(2, 1); x[:, 0]; x.unsqueeze(0); x.max(1)[1]; inert + inert; repackaged(hidden);
        functional.nll_loss(log_softmax, target); target.eq(target).sum(); m.size(0); m.eq(n).sum(); m[mask];
        m[positions]; m.new(3, 4); m.type(); m.type_as(n); m.copy_(n); m.zero_(); m.chunk(2, 1);
        module.FloatTensor(3, 4); module.LongTensor([1, 2, 3]); module.ones(3, 4); module.manual_seed(1)
        """, locals())


def of_nets(module):
    """Walks over a net of five layers, and what is done with all of it at once, by name."""
    nn = module.nn
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))
    x, state, zero = plain(module, module.rand(4, 8)), net.state_dict(), {}
    net(x).sum().backward()
    if module is torch:
        zero["set_to_none"] = False
    return {
        "a net with BatchNorm and Dropout": lambda: net(x), "its parameters()": lambda: list(net.parameters()),
        "its modules()": lambda: list(net.modules()), "its children()": lambda: list(net.children()),
        "its train()": net.train, "its zero_grad()": lambda: net.zero_grad(**zero), "its state_dict()": net.state_dict,
        "its load_state_dict()": lambda: net.load_state_dict(state), "its apply()": lambda: net.apply(id),
        "a new Linear": lambda: nn.Linear(2, 2), "a new ReLU": nn.ReLU,
        "a new SGD": lambda: module.optim.SGD(net.parameters(), lr=0.1),
    }


def of_layers(module):
    """Calls of small layers and of what stands around a step, by name."""
    nn = module.nn
    image, rows = plain(module, module.rand(1, 1, 5, 5)), plain(module, module.rand(32, 8))
    indices = plain(module, module.LongTensor([1, 0, 3]))
    x, hidden = plain(module, module.rand(1, 8)), [plain(module, module.zeros(1, 8)) for _ in range(2)]
    embedding, norm, conv, pool = nn.Embedding(5, 8), nn.BatchNorm1d(8), nn.Conv2d(1, 1, 3), nn.MaxPool2d(2)
    lstm, gru, dropout, images = nn.LSTMCell(8, 8), nn.GRUCell(8, 8), nn.Dropout(), nn.BatchNorm2d(1)
    chain, layers = nn.Sequential(*[nn.Dropout(0) for _ in range(5)]).eval(), nn.ModuleList([dropout] * 5)
    parameters = [leaf(module, 10) for _ in range(4)]
    for p in parameters:
        p.grad = plain(module, module.rand(10))
    one = {name: getattr(module.optim, name)(parameters[:1], lr=0.01) for name in ("SGD", "Adam", "RMSprop", "Adagrad")}
    four = module.optim.SGD(parameters, lr=0.01)
    clip = nn.utils.clip_grad_norm if module is tensorlib else nn.utils.clip_grad_norm_
    zero = {} if module is tensorlib else {"set_to_none": False}
    hooked = nn.Tanh()
    hooked.register_forward_hook(lambda layer, given, made: None)

    def chosen():
        for layer in layers:
            pass

    return {
        "Embedding, 3 of 5 x 8": lambda: embedding(indices), "BatchNorm1d, 32 x 8": lambda: norm(rows),
        "BatchNorm2d, 1 x 1 x 5 x 5": lambda: images(image), "Conv2d, 1 x 1 x 5 x 5": lambda: conv(image),
        "MaxPool2d, 1 x 1 x 5 x 5": lambda: pool(image), "LSTMCell of 8": lambda: lstm(x, tuple(hidden)),
        "GRUCell of 8": lambda: gru(x, hidden[0]), "Dropout": lambda: dropout(x), "Sequential of five that do nothing":
        lambda: chain(x), "a loop over a ModuleList": chosen, "a layer with a hook": lambda: hooked(x),
        **{"%s.step of one parameter" % name: made.step for name, made in one.items()},
        "zero_grad of 4 parameters": lambda: four.zero_grad(**zero), "clip_grad_norm of 4 parameters":
        lambda: clip(parameters, 1.0),
    }


def loading(module):
    """A pass over 256 samples in batches of 64."""
    data = module.utils.data
    samples = data.TensorDataset(module.rand(256, 4), module.rand(256))
    loader = data.DataLoader(samples, batch_size=64)

    def run():
        for batch in loader:
            pass
    return run


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
    for text, make in ("%s", of_tensors), ("%s, recorded", of_variables), ("%s", of_scripts), ("%s", of_layers), \
            ("%s", of_nets):
        ours, theirs = both(make)
        for name in ours:
            suite.compare(text % name, ours[name], theirs and theirs[name], goal=3)
    suite.compare("DataLoader, 256 samples in batches of 64", *both(loading), goal=3)


if __name__ == "__main__":
    main(__doc__, cases)
