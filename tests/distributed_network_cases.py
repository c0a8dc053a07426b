"""What single processes do in the tests of DistributedDataParallel; `case_server.py` starts them."""
import copy
import gc
import pickle
import sys

import numpy

import tensorlib
from distributed_cases import begin, raises
from tensorlib import distributed as dist
from tensorlib import nn, optim
from tensorlib.autograd import Variable


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 40)
        self.norm = nn.BatchNorm1d(40)
        self.last = nn.Linear(40, 3)

    def forward(self, x):
        return self.last(nn.functional.tanh(self.norm(self.first(x)) if self.training else self.first(x)))


def data(n=24):
    random = numpy.random.RandomState(5)
    return tensorlib.from_numpy(random.randn(n, 6)), tensorlib.from_numpy(random.randn(n, 3))


def train(net, x, y, steps=4, backwards=1):
    optimizer = optim.SGD(net.parameters(), lr=0.2, momentum=0.5, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(Variable(x)), Variable(y))
        for left in reversed(range(backwards)):
            loss.backward(retain_graph=left > 0)
        optimizer.step()
    return loss


def training(backend, bucket, backwards):
    """Training by parts equals training on the whole, though every process begins with weights of its own."""
    rank, n = begin(backend)
    sys.modules["tensorlib.nn.parallel.distributed"].BUCKET = bucket
    x, y = data()
    tensorlib.manual_seed(0)
    alone = Net().double().eval()
    tensorlib.manual_seed(rank)
    net = nn.parallel.DistributedDataParallel(Net().double()).eval()        # no batch statistics: those of parts differ
    assert list(net.state_dict()) == ["module." + name for name in alone.state_dict()]
    share = len(x) // n
    train(alone, x, y, backwards=backwards)
    train(net, x[rank * share:(rank + 1) * share], y[rank * share:(rank + 1) * share], backwards=backwards)
    for p, q in zip(net.parameters(), alone.parameters()):
        if q.grad is not None:
            assert numpy.abs(p.data.numpy() - q.data.numpy()).max() < 1e-12
        everywhere_the_same(p.data, n)
    if bucket < 1000 and backend == "tcp":
        assert len(net._reducer.buckets) > 2


def everywhere_the_same(tensor, n):
    copies = [tensor.clone() for _ in range(n)]
    dist.all_gather(copies, tensor)
    assert all(copy.tolist() == copies[0].tolist() for copy in copies)


def buffers():
    """Running means are those of rank 0 at each forward, and change by what each process sees."""
    rank, n = begin()
    x, y = data()
    net = nn.parallel.DistributedDataParallel(Net().double())
    part = x[rank * 8:rank * 8 + 8]
    train(net, part, y[:8], steps=3)
    net.eval()
    net(Variable(part))
    everywhere_the_same(net.module.norm.running_mean, n)
    assert (net.module.norm.running_mean != 0).all()


def halves():
    """There is little arithmetic with halves on a CPU, but their values can be brought to the others."""
    rank, n = begin()
    net = nn.parallel.DistributedDataParallel(nn.Linear(2, 2).half())
    for p in net.parameters():
        copies = [p.data.float() for _ in range(n)]
        dist.all_gather(copies, p.data.float())
        assert all(copy.tolist() == copies[0].tolist() for copy in copies)


class Paths(nn.Module):
    """Three layers, of which a call uses some."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x, names):
        return sum(getattr(self, name)(x).sum() for name in names)


def unused_parameters():
    rank, n = begin()
    net = nn.parallel.DistributedDataParallel(Paths().double())
    weights = {name: getattr(net.module, name).weight for name in "abc"}
    x = Variable(tensorlib.DoubleTensor([[1, 2], [3, 4]]))
    net(x, "a" if rank else "b").backward()
    grads = {name: w.grad for name, w in weights.items()}
    assert grads["c"] is None
    assert grads["a"].data.tolist() == [[4 * (n - 1) / n, 6 * (n - 1) / n]]
    assert grads["b"].data.tolist() == [[4 / n, 6 / n]]
    net(x, "b").backward()                  # adds to what is there
    assert numpy.allclose(grads["b"].data.numpy(), [[4 / n + 4, 6 / n + 6]], rtol=1e-15)
    assert grads["a"].data.tolist() == [[4 * (n - 1) / n, 6 * (n - 1) / n]]
    found, = tensorlib.autograd.grad(net(x, "a"), weights["a"])
    assert found.data.tolist() == [[4, 6]]  # not averaged, and nothing is waited for
    dist.barrier()


def failing_backward():
    """A backward that fails everywhere leaves nothing behind."""
    rank, n = begin()
    net = nn.parallel.DistributedDataParallel(Paths().double())
    x = Variable(tensorlib.ones(1, 2).double(), requires_grad=True)

    def fail(grad):
        raise KeyError("no good")
    handle = x.register_hook(fail)
    raises(KeyError, "no good", net(x, "abc").backward)
    handle.remove()
    net.zero_grad()
    net(x * (rank + 1), "abc").backward()
    assert net.module.b.weight.grad.data.tolist() == [[(n + 1) / 2] * 2]


def copies_of_a_module():
    """Wrapped modules can be copied and pickled; what is inside carries no trace of the wrapping."""
    rank, n = begin()
    net = nn.parallel.DistributedDataParallel(Paths())
    for twin in copy.deepcopy(net), pickle.loads(pickle.dumps(net)):
        twin(Variable(tensorlib.ones(1, 2) * rank), "a").backward()
        assert twin.module.a.weight.grad.data.tolist() == [[(n - 1) / 2] * 2]
    assert b"istributed" not in pickle.dumps(net.module.a)
    inside = net.module
    del net, twin
    gc.collect()
    inside(Variable(tensorlib.ones(1, 2) * rank), "a").backward()
    assert inside.a.weight.grad.data.tolist() == [[rank] * 2]      # nobody averages any more


def wrong_modules():
    raises(AssertionError, "not initialized", nn.parallel.DistributedDataParallel, nn.Linear(2, 2))
    rank, n = begin()
    raises(ValueError, "device_ids=[0]|on the CPU", nn.parallel.DistributedDataParallel, nn.Linear(2, 2), [0])
    raises(RuntimeError, "elements", nn.parallel.DistributedDataParallel, nn.Linear(2, 2 + rank))
