"""Factorisations on GPU tensors: the samples of the rows do not have batches, errors, and how much is copied."""
import numpy as np
import pytest

import tensorlib
from tensorlib import cuda
from tensorlib.autograd import Variable
from tensorlib.cuda import backend

A = np.random.RandomState(0).randn(3, 4, 4)


def gpu(a, device=0):
    return tensorlib.from_numpy(np.array(a)).cuda(device)


def near(t, want):
    np.testing.assert_allclose(t.cpu().numpy(), want, rtol=1e-10, atol=1e-12)


def test_results_lie_where_the_operands_do_and_each_is_copied_once():
    a, b = gpu(A[0], 1), gpu(A[1], 1)
    before = dict(backend.transfers)
    x, lu = b.gesv(a)
    assert backend.transfers == dict(before, **{"to the CPU": before["to the CPU"] + 2,
                                                "to the GPU": before["to the GPU"] + 2})
    assert type(x) is cuda.DoubleTensor and x.get_device() == lu.get_device() == 1
    near(x, np.linalg.solve(A[0], A[1]))
    packed, tau = a.geqrf()
    before = dict(backend.transfers)
    q, same = tensorlib.orgqr(packed, tau)
    assert same is packed and backend.transfers["to the GPU"] == before["to the GPU"] + 1
    near(q.t().mm(q), np.eye(4))


def test_batches():
    b = np.random.RandomState(1).randn(3, 4, 2)
    lu, pivots = gpu(A).btrifact()
    assert type(pivots) is cuda.IntTensor
    near(gpu(b).btrisolve(lu, pivots), np.linalg.solve(A, b))
    p, lower, upper = tensorlib.btriunpack(lu, pivots)
    near(p.bmm(lower).bmm(upper), A)
    info = cuda.IntTensor()
    gpu(A * 0).btrifact(info=info)
    assert info.tolist() == [1, 1, 1]


def test_derivatives_stay_on_the_gpu():
    a = Variable(gpu(A[0]), requires_grad=True)
    a.inverse().sum().backward()
    inverted = np.linalg.inv(A[0])
    near(a.grad.data, -inverted.T @ np.ones((4, 4)) @ inverted.T)


def test_errors():
    with pytest.raises(RuntimeError, match="A should be square, but is 4x3"):
        gpu(A[0, :, :3]).inverse()
    with pytest.raises(RuntimeError, match="U is singular"):
        gpu(A[0] * 0).inverse()
    with pytest.raises(RuntimeError, match="different devices"):
        gpu(A[0]).gesv(gpu(A[1], 1))
