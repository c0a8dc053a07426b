"""Sorting on a GPU: lines longer than a tile, equal elements, NaN, against NumPy and the CPU."""
import numpy as np
import pytest

import tensorlib


@pytest.mark.parametrize("n", [1, 31, 33, 500, 1025, 4999])
def test_sort_is_stable(n):
    rng = np.random.RandomState(n)
    a = rng.randint(0, 40, (2, n)).astype(np.int32)
    x = tensorlib.from_numpy(a).cuda()
    for descending, key in ((False, a), (True, -a)):
        values, where = x.sort(1, descending)
        order = np.argsort(key, 1, kind="stable")
        np.testing.assert_array_equal(where.cpu().numpy(), order)
        np.testing.assert_array_equal(values.cpu().numpy(), np.take_along_axis(a, order, 1))


def test_order_of_special_floats():
    for kind in ("float", "double"):
        x = getattr(tensorlib.DoubleTensor([0.0, float("nan"), -float("inf"), -0.0, 3, float("inf"), -2]), kind)()
        for descending in (False, True):
            np.testing.assert_array_equal(x.cuda().sort(0, descending)[1].cpu().numpy(),
                                          x.sort(0, descending)[1].numpy())


@pytest.mark.parametrize("kind", ["byte", "char", "short", "int", "long", "float", "double"])
def test_statistics_of_all_types(kind):
    a = np.random.RandomState(4).randint(0 if kind == "byte" else -100, 100, (3, 70, 2))
    x = getattr(tensorlib.from_numpy(a), kind)()
    y = x.cuda()
    ordered = np.sort(a, 1)
    np.testing.assert_array_equal(y.kthvalue(9, 1)[0].cpu().numpy(), ordered[:, 8])
    np.testing.assert_array_equal(y.median(1)[0].cpu().numpy(), ordered[:, 34])
    np.testing.assert_array_equal(y.topk(5, 1)[0].cpu().numpy(), ordered[:, :-6:-1])
    np.testing.assert_array_equal(y.topk(5, 1, False)[0].cpu().numpy(), ordered[:, :5])
    assert y.median() == np.sort(a.ravel())[209]
    for found, wanted in zip(y.mode(1), x.mode(1)):
        np.testing.assert_array_equal(found.cpu().numpy(), wanted.numpy())
    values, where = y.median(1)
    assert y.gather(1, where.view(3, 1, 2)).view(3, 2).equal(values)


def test_modes_of_long_lines():
    a = np.random.RandomState(1).randint(0, 300, (2, 3000))
    want = [np.bincount(line).argmax() for line in a]
    values, where = tensorlib.from_numpy(a).cuda().mode(1)
    np.testing.assert_array_equal(values.cpu().numpy().ravel(), want)
    places = [np.nonzero(line == v)[0][-1] for line, v in zip(a, want)]
    np.testing.assert_array_equal(where.cpu().numpy().ravel(), places)


def test_errors():
    x = tensorlib.randn(2, 3).cuda()
    with pytest.raises(RuntimeError, match="k is 4, expected 1 to 3, the size of dim 1"):
        x.topk(4)
    with pytest.raises(RuntimeError, match="k is 0, expected 1 to 2, the size of dim 0"):
        x.kthvalue(0, 0)
