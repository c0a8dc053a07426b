"""Margin losses on a GPU with more classes than a warp has lanes, against the CPU, and their errors."""
import numpy as np
import pytest

import tensorlib
from tensorlib.ops import TABLE


def check(name, *args):
    ends = [TABLE[name](*[a.cuda() if on_gpu and hasattr(a, "cuda") else a for a in args]) for on_gpu in (False, True)]
    np.testing.assert_allclose(ends[1].cpu().numpy(), ends[0].numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size_average", [False, True])
@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin(p, size_average):
    x, w, g = tensorlib.randn(9, 71).double(), tensorlib.rand(71).double(), tensorlib.DoubleTensor([1.7])
    target = (tensorlib.rand(9) * 71).long()
    for weight in (None, w):
        check("multi_margin_loss", x, target, weight, p, 0.6, size_average)
        check("multi_margin_loss_grad", g, x, target, weight, p, 0.6, size_average)
        check("multi_margin_loss_curvature", tensorlib.randn(9, 71).double(), x, target, weight, 0.6, size_average)


def test_multilabel_margin():
    x, target = tensorlib.randn(9, 71).double(), (tensorlib.rand(9, 71) * 71).long()
    for row, count in enumerate((0, 1, 2, 5, 40, 69, 70, 71, 30)):      # one or another class is given twice
        if count < 71:
            target[row, count] = -1
    check("multilabel_margin_loss", x, target, True)
    check("multilabel_margin_loss_grad", tensorlib.DoubleTensor([-0.3]), x, target, False)


@pytest.mark.parametrize("name", ["multi_margin_loss", "multilabel_margin_loss"])
def test_a_wrong_class_raises(name):
    target = tensorlib.LongTensor([1, 5] if name == "multi_margin_loss" else [[0, -1, 0], [1, 5, -1]]).cuda()
    with pytest.raises(IndexError, match=name + r"\(\): index 5 is out of range, expected 0 <= index < 3"):
        TABLE[name](tensorlib.randn(2, 3).cuda(), target).cpu()
    with pytest.raises(RuntimeError, match="with target of size"):
        TABLE[name](tensorlib.randn(4, 3).cuda(), target)
