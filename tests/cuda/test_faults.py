"""Values that kernels refuse: the error comes when the CPU next waits for the device. Whole numbers divided there."""
import pytest
import test_integers as whole

import tensorlib
from tensorlib import cuda
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F
from tensorlib.ops import TABLE


@pytest.mark.parametrize("bad", [1.5, -0.1, float("nan")])
def test_binary_cross_entropy_refuses_what_is_no_probability(bad):
    x, t = tensorlib.FloatTensor([0, 0.5, 1]).cuda(), tensorlib.FloatTensor([0, 1, 1]).cuda()
    row = TABLE["binary_cross_entropy"]
    assert row(x, t).cpu().tolist() == pytest.approx(row(x.cpu(), t.cpu()).tolist())
    x[1] = bad
    loss = F.binary_cross_entropy(Variable(x), Variable(t))
    with pytest.raises(RuntimeError, match=r"binary_cross_entropy\(\): input has values outside of \[0, 1\]"):
        loss.data[0]
    F.mse_loss(Variable(x), Variable(t)).data[0]            # other losses take all numbers


@pytest.mark.parametrize("name", ["Byte", "Char", "Long"])
@pytest.mark.parametrize("op", ["div", "fmod", "remainder"])
def test_whole_numbers_divide_as_pythons(op, name):
    a, b = zip(*[(x, y) for x, y in zip(*whole.pairs(name)) if y != 0][::3])
    cls = getattr(cuda, name + "Tensor")
    want = [whole.wrapped(whole.ARITHMETIC[op](x, y), name) for x, y in zip(a, b)]
    assert getattr(cls(list(a)), op)(cls(list(b))).tolist() == want


@pytest.mark.parametrize("call, name", [
    (lambda x, y: x / y, "div"), (lambda x, y: x % y, "remainder"), (lambda x, y: x.fmod(y), "fmod"),
    (lambda x, y: 7 / y, "rdiv"), (lambda x, y: x.addcdiv(x, y), "addcdiv"), (lambda x, y: x.clone().div_(y), "div")])
def test_division_by_a_zero_in_a_tensor_raises_when_it_is_waited_for(call, name):
    x, y = cuda.IntTensor([[4, 5, 6], [7, 8, 9]]), cuda.IntTensor([[1, 2], [0, 3], [2, 2]]).t()
    call(x, y + 1)
    cuda.synchronize()
    call(x, y)
    with pytest.raises(ZeroDivisionError, match=r"%s\(\): division of a tensorlib.cuda.IntTensor by zero" % name):
        cuda.synchronize()
    cuda.synchronize()
    with pytest.raises(ZeroDivisionError):                  # of a number it is known at once
        x / 0
    assert (x.float() / y.float()).max() == float("inf")


def test_what_a_quotient_by_zero_is():
    x = cuda.LongTensor([5, 6])
    y = x / cuda.LongTensor([0, 2])
    with pytest.raises(ZeroDivisionError):
        cuda.synchronize()
    assert y.tolist() == [0, 3]
