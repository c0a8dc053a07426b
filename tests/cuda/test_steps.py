"""Steps of the optimizers on a GPU against those on the CPU, and a network that learns there."""
import pytest

import tensorlib
from tensorlib import cuda, optim
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F

MAKERS = {
    "sgd": lambda p: optim.SGD(p, 0.1), "nesterov": lambda p: optim.SGD(p, 0.1, 0.9, weight_decay=0.1, nesterov=True),
    "momentum": lambda p: optim.SGD(p, 0.1, 0.9, dampening=0.2), "adam": lambda p: optim.Adam(p, 0.1, weight_decay=0.1),
    "adamax": lambda p: optim.Adamax(p, 0.1), "adagrad": lambda p: optim.Adagrad(p, 0.1, lr_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p, 0.5, weight_decay=0.1), "asgd": lambda p: optim.ASGD(p, 0.1),
    "rmsprop": lambda p: optim.RMSprop(p, 0.1), "rprop": lambda p: optim.Rprop(p, 0.1),
    "centered": lambda p: optim.RMSprop(p, 0.1, momentum=0.9, centered=True),
}


@pytest.mark.parametrize("kind", ["Float", "Double"])
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_step(name, kind):
    tensorlib.manual_seed(5)
    start = tensorlib.randn(3, 4).type("tensorlib.%sTensor" % kind)
    ends = []
    for place in (lambda t: t.clone(), lambda t: t.cuda(), lambda t: t.cuda().t().contiguous().t()):
        p = Variable(place(start), requires_grad=True)
        optimizer = MAKERS[name]([p])
        for _ in range(3):
            optimizer.zero_grad()
            (p * p * p).sum().backward()
            optimizer.step()
        ends.append(p.data.cpu())
    for end in ends[1:]:
        assert (end - ends[0]).abs().max() < (1e-5 if kind == "Float" else 1e-12)


def test_a_network_learns():
    tensorlib.manual_seed(2)
    x = tensorlib.randn(32, 4)
    labels = (x[:, 0] * x[:, 1] > 0).long()
    net = tensorlib.nn.Sequential(tensorlib.nn.Linear(4, 16), tensorlib.nn.Tanh(), tensorlib.nn.Linear(16, 2)).cuda()
    optimizer = optim.Adam(net.parameters(), 0.05)
    inputs, wanted = Variable(x.cuda()), Variable(labels.cuda().view(-1, 1))
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = -F.log_softmax(net(inputs)).gather(1, wanted).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.data[0])
    assert losses[-1] < 0.1 < 0.5 < losses[0]
    state = net.state_dict()
    assert all(isinstance(t, cuda.FloatTensor) for t in state.values())
    assert all(not p.is_cuda for p in net.cpu().parameters())
