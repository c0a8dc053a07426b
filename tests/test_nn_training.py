"""The same network, seed and data as in today's PyTorch give the same weights and the same losses."""
import numpy as np
import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable

torch = pytest.importorskip("torch")


def perceptron(nn):
    return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 3))


def convolutional(nn):
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2))


def losses_of(package, wrap, build, image, steps=50):
    """Train with momentum; return the initial weights and the loss of each step."""
    package.manual_seed(11)
    body = build(package.nn)
    head = package.nn.Linear(8, 3) if image else None
    params = list(body.parameters()) + (list(head.parameters()) if image else [])
    first = [np.array(p.data.numpy()) for p in params]
    random = np.random.RandomState(0)
    x = random.randn(*((20, 1, 6, 6) if image else (20, 10))).astype("float32")
    t = random.randint(0, 3, 20)
    x, t = wrap(package.from_numpy(x)), wrap(package.from_numpy(t))
    criterion, losses = package.nn.CrossEntropyLoss(), []
    optimizer = package.optim.SGD(params, lr=0.1, momentum=0.9)
    for _ in range(steps):
        y = body(x)
        loss = criterion(head(y.view(20, -1)) if image else y, t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.data.numpy().reshape(-1)[0]))
    return first, losses


@pytest.mark.parametrize("build, image", [(perceptron, False), (convolutional, True)])
def test_same_weights_and_losses(build, image):
    ours, losses = losses_of(tensorlib, Variable, build, image)
    theirs, wanted = losses_of(torch, lambda x: x, build, image)
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(losses, wanted, rtol=2e-3)
    np.testing.assert_allclose(losses[:10], wanted[:10], rtol=1e-5)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name, args", [
    ("Linear", (7, 5)), ("Conv1d", (3, 4, 5)), ("Conv2d", (3, 8, 3)), ("Conv3d", (2, 3, 2)), ("Bilinear", (3, 4, 5)),
    ("Embedding", (20, 6)), ("LSTM", (4, 6, 2)), ("GRUCell", (3, 7)), ("RNN", (5, 3))])
def test_same_initial_weights(name, args):
    tensorlib.manual_seed(3)
    torch.manual_seed(3)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    for (key, a), (other, b) in zip(ours.named_parameters(), theirs.named_parameters()):
        assert key == other
        np.testing.assert_allclose(a.data.numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-7)
