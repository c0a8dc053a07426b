"""Sorting and order statistics against NumPy: every type, any strides, ties, NaN, derivatives."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from op_checks import check_derivatives

import tensorlib
from tensorlib.autograd import Variable

TYPES = {"Byte": np.uint8, "Char": np.int8, "Short": np.int16, "Int": np.int32, "Long": np.int64,
         "Float": np.float32, "Double": np.float64}
SIZES = [(1,), (7,), (33,), (5000,), (3, 4), (1, 5), (40, 300), (300, 40), (2, 3, 4), (10, 7, 50)]


def numbers(size, type_name, few):
    """Random numbers with both signs, or with many ties."""
    rng, dtype = np.random.RandomState(len(size)), TYPES[type_name]
    if few:
        return rng.randint(0, 5, size).astype(dtype)
    if dtype in (np.float32, np.float64):
        return rng.randn(*size).astype(dtype)
    info = np.iinfo(dtype)
    return rng.randint(info.min, int(info.max) + 1, size, dtype=dtype)


def of(a):
    make = getattr(tensorlib, {np.dtype(v): k for k, v in TYPES.items()}[a.dtype] + "Tensor")
    return make(a.ravel().tolist()).view(*a.shape)


def layouts(size, type_name, few):
    a = numbers(size, type_name, few)
    yield a, of(a)
    if len(size) > 1:
        b = numbers(size[::-1], type_name, few)
        order = tuple(range(len(size)))[::-1]
        yield b.transpose(order), of(b).permute(*order)


def array(x):
    """The values as an array; NumPy takes no CharTensor."""
    return np.array(x.tolist(), np.int8) if type(x) is tensorlib.CharTensor else x.numpy()


def at(a, where, dim):
    return np.take_along_axis(a, array(where), dim)


@pytest.mark.parametrize("few", [False, True], ids=["spread", "ties"])
@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sort(size, type_name, few):
    for a, x in layouts(size, type_name, few):
        for dim in range(len(size)):
            values, where = x.sort(dim)
            np.testing.assert_array_equal(array(where), np.argsort(a, dim, kind="stable"))
            np.testing.assert_array_equal(array(values), np.sort(a, dim))
            values, where = x.sort(dim, True)
            np.testing.assert_array_equal(array(values), np.flip(np.sort(a, dim), dim))
            np.testing.assert_array_equal(at(a, where, dim), array(values))


@pytest.mark.parametrize("few", [False, True], ids=["spread", "ties"])
@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_order_statistics(size, type_name, few):
    for a, x in layouts(size, type_name, few):
        for dim in range(len(size)):
            n, ordered = size[dim], np.sort(a, dim)
            for k in {1, (n + 1) // 2, n}:
                values, where = x.kthvalue(k, dim, True)
                np.testing.assert_array_equal(array(values), np.take(ordered, [k - 1], dim))
                np.testing.assert_array_equal(at(a, where, dim), array(values))
                values, where = x.topk(k, dim)
                np.testing.assert_array_equal(array(values), np.take(np.flip(ordered, dim), range(k), dim))
                np.testing.assert_array_equal(at(a, where, dim), array(values))
                values, where = x.topk(k, dim, False, True)
                np.testing.assert_array_equal(array(values), np.take(ordered, range(k), dim))
                values, _ = x.topk(k, dim, True, False)
                np.testing.assert_array_equal(np.sort(array(values), dim), np.take(ordered, range(n - k, n), dim))
            values, where = x.median(dim, True)
            np.testing.assert_array_equal(array(values), np.take(ordered, [(n - 1) // 2], dim))
            np.testing.assert_array_equal(at(a, where, dim), array(values))
        assert x.median() == np.sort(a.ravel())[(a.size - 1) // 2]


@pytest.mark.parametrize("few", [False, True], ids=["spread", "ties"])
@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("n, k", [(33, 4), (40, 6), (500, 16), (1000, 17), (1000, 62), (3000, 100)])
def test_few_of_many(n, k, type_name, few):
    for a, x in layouts((3, n), type_name, few):
        ordered = np.sort(a, 1)
        for largest, want in (True, np.flip(ordered[:, n - k:], 1)), (False, ordered[:, :k]):
            values, where = x.topk(k, 1, largest)
            np.testing.assert_array_equal(array(values), want)
            np.testing.assert_array_equal(at(a, where, 1), array(values))
            assert all(len(set(row)) == k for row in where.tolist())
            np.testing.assert_array_equal(np.sort(array(x.topk(k, 1, largest, False)[0]), 1), np.sort(want, 1))


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("size", [(7,), (3, 4), (40, 30), (2, 3, 50)], ids=str)
def test_mode(size, type_name):
    def most_frequent(line):
        values, counts = np.unique(line, return_counts=True)
        return values[counts.argmax()]

    for a, x in layouts(size, type_name, True):
        for dim in range(len(size)):
            values, where = x.mode(dim, True)
            want = np.expand_dims(np.apply_along_axis(most_frequent, dim, a), dim)
            np.testing.assert_array_equal(array(values), want)
            np.testing.assert_array_equal(at(a, where, dim), array(values))


def test_defaults():
    x = tensorlib.FloatTensor([[9, 2, 7, 4], [1, 8, 3, 6]])
    assert x.sort()[0][0].tolist() == [2, 4, 7, 9] and x.sort(descending=True)[1][0].tolist() == [0, 2, 3, 1]
    assert x.kthvalue(2)[0].tolist() == [4, 3] and x.kthvalue(2, keepdim=True)[0].size() == (2, 1)
    assert x.mode()[0].tolist() == [2, 1] and x.topk(2)[0][1].tolist() == [8, 6]
    assert x.median() == 4 and x.median(1)[0].tolist() == [4, 3] and x.median(0, True)[0].size() == (1, 4)


def test_nan_and_zeros_of_both_signs():
    nan, inf = float("nan"), float("inf")
    x = tensorlib.DoubleTensor([0.0, nan, -0.0, inf, -inf, nan, 1])
    assert x.sort()[1].tolist() == [4, 0, 2, 6, 3, 1, 5]
    assert x.sort(0, True)[1].tolist() == [1, 5, 3, 6, 0, 2, 4]
    assert x.topk(1)[1][0] in (1, 5) and x.mode()[0][0] == 0 and x.median() == 1


def test_positions_at_ties_as_recorded():
    x = tensorlib.DoubleTensor([[2, 1, 2, 1], [3, 3, 3, 3]])
    assert x.kthvalue(2, 1)[1].tolist() == [3, 0] and x.median(1)[1].tolist() == [3, 0]
    assert sorted(x.topk(2, 1)[1][1].tolist()) == [2, 3]
    y = tensorlib.CharTensor([[3, 1, 3, 1, 2], [2, 2, 2, 0, 0], [5, 4, 4, 5, 4]])
    assert y.mode()[1].tolist() == [3, 2, 4]


@pytest.mark.parametrize("call, error", [
    (lambda x: x.kthvalue(0), RuntimeError), (lambda x: x.kthvalue(5), RuntimeError),
    (lambda x: x.kthvalue(1.5), TypeError),
    (lambda x: x.topk(0), RuntimeError), (lambda x: x.topk(-1), RuntimeError), (lambda x: x.topk(5), RuntimeError),
    (lambda x: x.topk(2, None), TypeError), (lambda x: x.sort(1), RuntimeError), (lambda x: x.sort((0, 1)), TypeError),
    (lambda x: x.mode(3), RuntimeError), (lambda x: x.new().median(), RuntimeError),
    (lambda x: x.new().sort(), RuntimeError),
    (lambda x: x.sort(0, keepdim=True), TypeError)])
def test_errors(call, error):
    with pytest.raises(error):
        call(tensorlib.arange(0, 4))


@settings(max_examples=80, deadline=None)
@given(hnp.arrays(st.sampled_from([np.float32, np.int64, np.uint8]), hnp.array_shapes(max_dims=3, max_side=40)),
       st.data())
def test_any_values(a, data):
    dim = data.draw(st.integers(0, a.ndim - 1))
    values, where = tensorlib.from_numpy(a.copy()).sort(dim)
    np.testing.assert_array_equal(values.numpy(), np.sort(a, dim))
    np.testing.assert_array_equal(where.numpy(), np.argsort(a, dim, kind="stable"))


@pytest.mark.parametrize("f", [
    lambda x: x.sort(0, True)[0], lambda x: x.topk(2, 1)[0], lambda x: x.kthvalue(2, 0)[0], lambda x: x.median(),
    lambda x: x.median(1, True)[0], lambda x: x.mode(0)[0]],
    ids=["sort", "topk", "kthvalue", "median", "median dim", "mode"])
def test_derivatives(f):
    check_derivatives(lambda x: f(x) ** 2, np.random.RandomState(3).randn(3, 5))


def test_positions_need_no_gradient():
    x = Variable(tensorlib.randn(3, 4), requires_grad=True)
    for values, where in (x.sort(), x.topk(2), x.kthvalue(1), x.median(1), x.mode(), x.max(0), x.min(1)):
        assert values.requires_grad and not where.requires_grad
