"""Indexing and broadcasting against NumPy, on keys and sizes that hypothesis makes up."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorlib
from tensorlib.autograd import Variable

FEW = settings(max_examples=150, deadline=None)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def array_of(sizes):
    return np.arange(np.prod(sizes), dtype="float64").reshape(sizes)


def layouts(array):
    """The same values as a dense tensor, a transposed one, and a part of a larger one."""
    yield tensorlib.from_numpy(array.copy())
    yield tensorlib.from_numpy(np.ascontiguousarray(array.T)).permute(*range(array.ndim - 1, -1, -1))
    room = np.zeros([2 * n for n in array.shape])
    inside = tuple(slice(None, None, 2) for _ in array.shape)
    room[inside] = array
    yield tensorlib.from_numpy(room)[inside]


@st.composite
def basic_keys(draw, sizes):
    key = []
    for n in sizes[:draw(st.integers(0, len(sizes)))]:
        if draw(st.booleans()):
            key.append(draw(st.integers(-n, n - 1)))
        else:
            start = draw(st.integers(0, n - 1))
            key.append(slice(start, draw(st.integers(start + 1, n + 2)), draw(st.integers(1, 3))))
        if draw(st.integers(0, 5)) == 0:
            key.append(None)
    if draw(st.booleans()):
        key.append(Ellipsis)
    return tuple(key)


@st.composite
def sizes_and_basic_key(draw):
    sizes = draw(SIZES)
    return sizes, draw(basic_keys(sizes))


@FEW
@given(sizes_and_basic_key())
def test_basic_keys(case):
    sizes, key = case
    array = array_of(sizes)
    if not key:
        return
    for x in layouts(array):
        got, want = x[key], array[key]
        if np.ndim(want) == 0:
            assert got == want
        else:
            assert got.size() == want.shape and got.tolist() == want.tolist()


@FEW
@given(sizes_and_basic_key(), st.integers(-9, 9))
def test_writing_by_basic_keys(case, value):
    sizes, key = case
    if not key:
        return
    for x in layouts(array_of(sizes)):
        want = array_of(sizes)
        want[key] = value
        x[key] = value
        assert x.tolist() == want.tolist()


@st.composite
def advanced_keys(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    first = draw(st.integers(0, len(sizes) - 1))
    count = draw(st.integers(1, len(sizes) - first))
    length = draw(st.integers(1, 4))
    lists = [draw(st.lists(st.integers(0, n - 1), min_size=length, max_size=length))
             for n in sizes[first:first + count]]
    return sizes, tuple([slice(None)] * first + lists)


@FEW
@given(advanced_keys())
def test_sequences_as_keys(case):
    sizes, key = case
    array = array_of(sizes)
    for x in layouts(array):
        assert x[key].tolist() == array[key].tolist()
        want = array.copy()
        want[key] = -1
        x[key] = -1
        assert x.tolist() == want.tolist()


@FEW
@given(SIZES, st.randoms(use_true_random=False))
def test_masks(sizes, random):
    array = array_of(sizes)
    mask = np.array([random.random() < 0.5 for _ in range(array.size)], "uint8").reshape(sizes)
    for x in layouts(array):
        assert x[tensorlib.from_numpy(mask)].tolist() == array[mask.astype(bool)].tolist()
        x[tensorlib.from_numpy(mask)] = -5
        assert x.tolist() == np.where(mask, -5, array).tolist()


@st.composite
def broadcast_pairs(draw):
    sizes = draw(SIZES)
    left = [n if draw(st.booleans()) else 1 for n in sizes]
    right = [n if draw(st.booleans()) else 1 for n in sizes][draw(st.integers(0, len(sizes) - 1)):]
    return left, right


@FEW
@given(broadcast_pairs())
def test_broadcasting(pair):
    a, b = array_of(pair[0]), array_of(pair[1]) + 1
    for x, y in zip(layouts(a), layouts(b)):
        np.testing.assert_array_equal((x + y).numpy(), a + b)
        np.testing.assert_array_equal((y / (x + 1)).numpy(), b / (a + 1))
        np.testing.assert_array_equal((x > y).numpy(), (a > b).astype("uint8"))


@FEW
@given(sizes_and_basic_key())
def test_gradient_of_a_key_is_one_where_it_points(case):
    sizes, key = case
    if not key:
        return
    x = Variable(tensorlib.from_numpy(array_of(sizes)), requires_grad=True)
    x[key].sum().backward()
    want = np.zeros(sizes)
    want[key] = 1
    assert x.grad.data.tolist() == want.tolist()


@pytest.mark.parametrize("key", [np.int64(1), np.uint8(1), (np.int32(1), 0)])
def test_numpy_integers_are_indices(key):
    array = array_of([3, 2])
    got = tensorlib.from_numpy(array)[key]
    assert (got if np.ndim(array[key]) == 0 else got.tolist()) == array[key].tolist()
