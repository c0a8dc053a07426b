"""Pooling and convolution on a GPU: shapes that the rows' samples do not have, against the CPU, and their errors."""
import numpy as np
import pytest

import tensorlib
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
    with pytest.raises(RuntimeError, match="padding must be at most half"):
        TABLE["avg_pool"](x, (2, 2), (1, 1), (2, 0), False, True)
    with pytest.raises(RuntimeError, match="output would be empty"):
        TABLE["max_pool"](x, (5, 5), (1, 1), (0, 0), (1, 1), False)
    with pytest.raises(RuntimeError, match="expected a gradient with spatial sizes"):
        TABLE["adaptive_avg_pool_grad"](x, (2, 4, 4), (2, 2))
