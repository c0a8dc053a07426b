"""Layers, losses and a whole network on a GPU against the CPU; the notes' section on GPUs; the examples."""
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from nn_modules import LAYERS, LOSSES, label, sigmoid
from test_examples import TELLING
from test_nn_modules import build, flat, inputs_of

import tensorlib
from tensorlib import cuda, nn
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F

# Layers that send small tensors of places to the GPU: at most so many in each call, and for how many calls of one size.
# Others send none, and none reads back.
SENDS = {"EmbeddingBag": (2, None), "ReflectionPad2d": (2, 1), "ReplicationPad2d": (2, 1), "ReplicationPad3d": (3, 1),
         "Upsample": (9, 1)}
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def results(module, arrays, on_gpu, bus, *targets):
    """Outputs, gradients of the inputs and parameters, and buffers, as arrays; nothing else may go over the bus."""
    place = (lambda t: t.cuda()) if on_gpu else (lambda t: t)
    module = place(module)
    module.zero_grad()
    xs = [Variable(place(tensorlib.from_numpy(a.copy())), requires_grad=True) for a in arrays]
    targets = [Variable(place(tensorlib.from_numpy(t.copy()))) for t in targets]
    most, calls = SENDS.get(type(module).__name__, (0, None))
    bus.taken()
    if calls == 1:
        module(*xs, *targets)
        assert bus.taken()[0] <= most
        most = 0
    outputs = flat(module(*xs, *targets))
    sum((v * v * v).sum() for v in outputs).backward()
    sent, read = bus.taken()
    assert sent <= most and read == 0
    assert all(v.is_cuda == on_gpu for v in outputs)
    found = [v.data for v in outputs] + [v.grad.data for v in xs + list(module.parameters())]
    return [t.cpu().numpy().copy() for t in found + list(module.state_dict().values())]


def compare(module, arrays, bus, *targets):
    state = {name: t.clone() for name, t in module.state_dict().items()}
    ends = []
    for on_gpu in (False, True):
        module.load_state_dict(state)
        ends.append(results(module, arrays, on_gpu, bus, *targets))
    for got, want in zip(ends[1], ends[0]):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("c", LAYERS, ids=label)
def test_layer(c, bus):
    compare(build(c), inputs_of(c), bus)


@pytest.mark.parametrize("size_average", [True, False])
@pytest.mark.parametrize("c", LOSSES, ids=lambda c: "%s@%s" % (c.name, "x".join(map(str, c.size))))
def test_loss(c, size_average, bus):
    random = np.random.RandomState(4)
    x, t = random.randn(*c.size), c.target(random, c.size)
    x = sigmoid(x) if c.name == "BCELoss" else x
    compare(getattr(nn, c.name)(size_average=size_average, **c.kwargs), [x], bus, t)


@pytest.mark.parametrize("make, sizes", [
    (lambda: nn.CosineEmbeddingLoss(margin=0.1), ((5, 3), (5, 3))),
    (lambda: nn.MarginRankingLoss(margin=0.3), ((5,), (5,)))],
    ids=["CosineEmbeddingLoss", "MarginRankingLoss"])
def test_losses_of_pairs(make, sizes, bus):
    random = np.random.RandomState(4)
    compare(make(), [random.randn(*size) for size in sizes], bus, np.where(random.rand(5) > 0.5, 1.0, -1.0))


def test_embeddings(bus):
    indices = np.array([[0, 1, 3], [3, 3, 1]])
    for make in (lambda: nn.Embedding(5, 2, padding_idx=1), lambda: nn.Embedding(5, 2, scale_grad_by_freq=True),
                 lambda: nn.EmbeddingBag(5, 2), lambda: nn.EmbeddingBag(5, 2, mode="sum")):
        tensorlib.manual_seed(3)
        compare(make().double(), [], bus, indices)


def test_dropout_keeps_its_share():
    x = Variable(tensorlib.ones(40, 50).cuda(), requires_grad=True)
    y = nn.Dropout(0.25)(x)
    kept = (y.data > 0).float().mean()
    assert abs(kept - 0.75) < 0.06 and abs(y.data.max() - 4 / 3) < 1e-6
    y.sum().backward()
    assert (x.grad.data == y.data).all()


# ---- a network ----------------------------------------------------------------------------------------------------

class LeNet(nn.Module):
    """Two convolutions and three linear layers, for pictures of 12 x 12."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 2)
        self.bn = nn.BatchNorm2d(3)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 10), nn.Linear(10, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.view(x.size(0), -1)))
        return F.log_softmax(self.fc3(F.relu(self.fc2(x))))


def losses(kind, place, wrap=lambda net: net, steps=4):
    """The losses of some steps; the data is there before, and a loss is read at the end of each step only."""
    tensorlib.manual_seed(7)
    net = wrap(place(getattr(LeNet(), kind)()))
    x = Variable(place(getattr(tensorlib.randn(8, 1, 12, 12), kind)()))
    t = Variable(place((tensorlib.rand(8) * 4).long()))
    optimizer, found = tensorlib.optim.SGD(net.parameters(), 0.1, momentum=0.9), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.nll_loss(net(x), t)
        loss.backward()
        optimizer.step()
        found.append(loss.data[0])
    return found


@pytest.mark.parametrize("kind, tolerance", [("float", 1e-4), ("double", 1e-11)])
def test_lenet_learns_as_on_the_cpu(kind, tolerance, bus):
    want = losses(kind, lambda t: t)
    bus.taken()
    got = losses(kind, lambda t: t.cuda())
    sent, read = bus.taken()
    np.testing.assert_allclose(got, want, rtol=tolerance)
    assert want[-1] < want[0]
    assert read <= 4 * 2                        # four losses, each with a look for positions out of range
    assert sent == 2 + len(LeNet().state_dict())


def test_lenet_on_two_gpus_learns_as_on_one():
    want = losses("double", lambda t: t.cuda(), lambda net: net.eval())
    got = losses("double", lambda t: t.cuda(), lambda net: nn.DataParallel(net, device_ids=[0, 1]).eval())
    np.testing.assert_allclose(got, want, rtol=1e-11)


# ---- notes and examples -------------------------------------------------------------------------------------------

NOTES = """
import tensorlib

# check is cuda enabled
tensorlib.cuda.is_available()

# set required device
tensorlib.cuda.set_device(0)

# work with some required cuda device
with tensorlib.cuda.device(1):
    # allocates a tensor on GPU 1
    a = tensorlib.cuda.FloatTensor(1)
    assert a.get_device() == 1

    # but you still can manually assign tensor to required device
    d = tensorlib.randn(2).cuda(%d)
    assert d.get_device() == %d
"""


def run(*command, **env):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, PYTHONPATH=str(EXAMPLES.parent), **env))
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(cuda.device_count() < 2, reason="needs two GPUs")
def test_the_notes():
    last = 2 if os.environ.get("TENSORLIB_CUDA_EMULATOR") else cuda.device_count() - 1
    run("-c", NOTES % (last, last), CUEMU_DEVICES="3")


def test_the_example():
    text = run(str(EXAMPLES / "gpu.py"))
    assert "moved to the GPU and back, unchanged: True" in text
    assert "made on GPU %d\nmoved to GPU 0" % (cuda.device_count() - 1) in text


ON_GPU = """
import runpy, sys, tensorlib
tensorlib.set_default_tensor_type("tensorlib.cuda.FloatTensor")
runpy.run_path(sys.argv[1], run_name="__main__")
print("bytes on the GPU:", tensorlib.cuda.max_memory_allocated())
"""


# Others take arrays of NumPy or 500 steps.
@pytest.mark.parametrize("name", ["variables_and_gradients", "custom_functions", "train_flag", "mixed_network",
                                  "weight_initialisation", "volatile_inference"])
def test_examples_run_where_new_tensors_are_on_a_gpu(name):
    text = run("-c", ON_GPU, str(EXAMPLES / (name + ".py")))
    assert re.search(TELLING[name], text), text
    assert int(text.split()[-1]) > 0
