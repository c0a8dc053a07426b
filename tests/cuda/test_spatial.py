"""Pooling and convolution on a GPU: shapes that the rows' samples do not have, against the CPU, and their errors."""
import numpy as np
import pytest

import tensorlib
from tensorlib import nn, optim
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F
from tensorlib.ops import TABLE


def both(name, *args):
    """The results of a row on the CPU and on the GPU, as arrays."""
    row = TABLE[name]
    on_gpu = [a.cuda() if hasattr(a, "cuda") else a for a in args]
    ends = [row(*args), row(*on_gpu)]
    return [[t.cpu().numpy() for t in (end if isinstance(end, tuple) else (end,))] for end in ends]


def check(name, *args):
    for want, got in zip(*both(name, *args)):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)


def randn(*size):
    return tensorlib.randn(*size).double()


def test_max_pool_takes_nan_and_infinity():
    x = randn(2, 9, 7).fill_(-float("inf"))
    x[0, 3:5, 2] = float("nan")
    x[1, 4, 4] = 2
    check("max_pool", x, (3, 2), (2, 1), (1, 1), (1, 2), True)
    check("adaptive_max_pool", x, (4, 3))


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("window", [((3, 2, 3), (1, 3, 2), (1, 1, 1)), ((2, 3, 1), (3, 1, 4), (1, 0, 0))])
def test_pools_of_volumes(window, ceil_mode):
    x = randn(1, 2, 5, 7, 6)
    check("max_pool", x, *window, (1, 1, 1), ceil_mode)
    for count_padding in (False, True):
        check("avg_pool", x, *window, ceil_mode, count_padding)
        y = TABLE["avg_pool"](x, *window, ceil_mode, count_padding)
        check("avg_pool_grad", y, tuple(x.size()), *window, ceil_mode, count_padding)


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 7, 4), (5, 9, 13)])
def test_adaptive_averages_of_volumes(size):
    x = randn(1, 2, 5, 7, 6)
    check("adaptive_avg_pool", x, size)
    check("adaptive_avg_pool_grad", TABLE["adaptive_avg_pool"](x, size), tuple(x.size()), size)


def test_a_wrong_index_raises():
    x = randn(1, 4).cuda()
    with pytest.raises(IndexError, match="max_unpool.*index 9 is out of range, expected 0 <= index < 6"):
        TABLE["max_unpool"](x, tensorlib.LongTensor([[0, 1, 9, 2]]).cuda(), (6,)).cpu()
    with pytest.raises(RuntimeError, match="differ"):
        TABLE["max_unpool"](x, tensorlib.LongTensor([[0, 1, 2]]).cuda(), (6,))


def test_errors_of_pools():
    x = randn(2, 4, 4).cuda()
    with pytest.raises(RuntimeError, match="smaller than half of kernel size"):
        TABLE["avg_pool"](x, (2, 2), (1, 1), (2, 0), False, True)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        TABLE["max_pool"](x, (5, 5), (1, 1), (0, 0), (1, 1), False)
    with pytest.raises(RuntimeError, match="expected a gradient with spatial sizes"):
        TABLE["adaptive_avg_pool_grad"](x, (2, 4, 4), (2, 2))


# ---- convolution --------------------------------------------------------------------------------------------------

SHAPES = {      # input, weight, stride, padding, dilation, groups
    "line": ((3, 2, 9), (4, 2, 3), (2,), (1,), (1,), 1),
    "plain": ((2, 6, 3, 5), (4, 3, 1, 1), (1, 1), (0, 0), (1, 1), 2),
    "depthwise": ((2, 5, 6, 7), (5, 1, 3, 3), (1, 2), (1, 1), (1, 1), 5),
    "depthwise line": ((3, 4, 9), (8, 1, 3), (2,), (3,), (2,), 4),
    "depthwise volume": ((2, 3, 4, 5, 6), (6, 1, 2, 3, 2), (1, 2, 1), (1, 0, 2), (2, 1, 1), 3),
    "depthwise far": ((2, 2, 3, 3), (2, 1, 2, 3), (3, 2), (4, 5), (1, 2), 2),
    "one channel": ((4, 1, 7, 8), (4, 1, 5, 3), (2, 1), (1, 2), (1, 2), 1),
    "one channel to many": ((2, 1, 5, 6), (9, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "wide": ((4, 3, 8, 8), (70, 3, 5, 4), (1, 1), (2, 1), (1, 1), 1),
    "volume": ((1, 4, 4, 5, 6), (6, 2, 2, 3, 1), (2, 1, 3), (1, 0, 2), (1, 2, 1), 2),
    "padded far": ((2, 2, 2, 2), (3, 2, 2, 2), (3, 2), (2, 3), (1, 1), 1),
}


@pytest.mark.parametrize("most", [1 << 26, 300])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_convolutions(shape, most, monkeypatch):
    from tensorlib.cuda.ops import conv
    monkeypatch.setattr(conv, "COLUMNS", most)      # so that few images make a part
    size, weight_size, *options = SHAPES[shape]
    x, w, b = randn(*size), randn(*weight_size), randn(weight_size[0])
    y = TABLE["conv"](x, w, b, *options)
    check("conv", x, w, b, *options)
    check("conv", x.transpose(-1, -2).contiguous().transpose(-1, -2), w, None, *options)
    check("conv_dx", y, w, size, *options)
    check("conv_dw", y, x, weight_size, *options)


@pytest.mark.parametrize("groups, each", [(1, 3), (2, 3), (4, 1), (2, 1)])
def test_transposed_convolutions(groups, each):
    x, w, b = randn(2, 4, 3, 5), randn(4, each, 3, 2), randn(each * groups)
    for extra, padding in (((1, 0), (1, 0)), ((0, 1), (0, 1))):
        check("conv_transpose", x, w, b, (2, 3), padding, extra, groups, (1, 2))
    y = TABLE["conv_transpose"](x, w, b, (1, 1), (1, 1), (0, 0), groups, (1, 1))
    check("conv", y, w, None, (1, 1), (1, 1), (1, 1), groups)


def test_errors_of_convolutions():
    x, w = randn(1, 4, 5, 5).cuda(), randn(6, 2, 3, 3).cuda()
    options = (1, 1), (0, 0), (1, 1)
    with pytest.raises(RuntimeError, match="expected 2 channels"):
        TABLE["conv"](x, w, None, *options, 1)
    with pytest.raises(RuntimeError, match="groups must divide the 6 channels"):
        TABLE["conv"](x, w, None, *options, 4)
    with pytest.raises(RuntimeError, match="expected a bias of size 6, got 5"):
        TABLE["conv"](x, w, randn(5).cuda(), *options, 2)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        TABLE["conv"](x, randn(6, 2, 3, 6).cuda(), None, *options, 2)
    with pytest.raises(RuntimeError, match="expected a weight of type tensorlib.cuda.DoubleTensor"):
        TABLE["conv"](x, w.float(), None, *options, 2)


def test_depthwise_convolutions_sum_over_many_images_and_make_no_columns(monkeypatch):
    from tensorlib.cuda.ops import conv
    monkeypatch.setattr(conv, "columns_of", None)
    x, w = randn(12, 2, 9, 30), randn(4, 1, 3, 3)
    options = (1, 1), (1, 1), (1, 1), 2
    y = TABLE["conv"](x, w, None, *options)
    check("conv", x, w, None, *options)
    check("conv_dw", y, x, (4, 1, 3, 3), *options)


class LeNet(nn.Module):
    """Two convolutions, each pooled, and two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 6, 3)
        self.fc1, self.fc2 = nn.Linear(6 * 2 * 2, 16), nn.Linear(16, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))


def test_lenet_learns_as_on_the_cpu():
    tensorlib.manual_seed(3)
    images, labels = tensorlib.randn(6, 1, 12, 12), tensorlib.LongTensor([0, 1, 2, 0, 1, 2])
    net = LeNet()
    start = {name: t.clone() for name, t in net.state_dict().items()}
    ends = []
    for place in (lambda t: t, lambda t: t.cuda()):
        net.load_state_dict(start)
        net = place(net)
        optimizer = optim.Adam(net.parameters(), 0.02)
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(Variable(place(images))), Variable(place(labels)))
            loss.backward()
            optimizer.step()
            losses.append(loss.data[0])
        ends.append(losses)
    assert ends[1][-1] < 0.6 * ends[1][0]
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-3)
