"""Elements by position and by mask against NumPy: every type, any strides, errors that leave nothing half done."""
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from op_checks import check_derivatives

import tensorlib
from tensorlib._ops import index as kernels
from tensorlib.autograd import Variable

TYPES = {"Byte": np.uint8, "Char": np.int8, "Short": np.int16, "Int": np.int32, "Long": np.int64,
         "Float": np.float32, "Double": np.float64}
LONG = tensorlib.LongTensor
SIZES = [(1,), (7,), (3, 4), (40, 300), (2, 3, 4), (5, 1, 6), (10, 17, 30), (17000, 2), (2, 17000)]


def numbers(size, type_name, seed=0):
    rng = np.random.RandomState(seed)
    values = rng.randn(*size) if type_name in ("Float", "Double") else rng.randint(0, 100, size)
    return values.astype(TYPES[type_name])


def of(a):
    """A tensor of an array of any type, dense."""
    if a.dtype == np.int8:
        return tensorlib.CharTensor(a.ravel().tolist()).view(*a.shape)
    return tensorlib.from_numpy(np.array(a, order="C"))


def layouts(size, type_name):
    """(array, tensor of the same values that may be written): dense, transposed, sliced."""
    a = numbers(size, type_name)
    yield a, of(a)
    if len(size) > 1:
        order = tuple(range(len(size)))[::-1]
        b = numbers(size[::-1], type_name, 1)
        yield b.transpose(order), of(b).permute(*order)
        c = numbers(size[:-1] + (size[-1] + 2,), type_name, 2)
        yield c[..., 1:-1], of(c).narrow(len(size) - 1, 1, size[-1])


def positions(*size, high, seed=0):
    return np.random.RandomState(seed).randint(0, high, size)


def same(got, want):
    assert tuple(got.size()) == np.shape(want)
    values = np.array(got.tolist()) if type(got) is tensorlib.CharTensor else got.numpy()
    np.testing.assert_allclose(values, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_slices_of_a_dim(size, type_name):
    for a, x in layouts(size, type_name):
        for dim in range(len(size)):
            index = positions(5, high=size[dim])
            at = (slice(None),) * dim + (index,)
            same(x.index_select(dim, of(index)), a[at])
            source = numbers(a[at].shape, type_name, 3)
            want = a.copy()
            np.add.at(want, at, source)
            same(x.clone().index_add_(dim, of(index), of(source)), want)
            want = a.copy()
            want[at] = 9
            same(x.clone().index_fill_(dim, of(index), 9), want)
            once = np.unique(index)[::-1].copy()
            source = numbers(a.take(once, dim).shape, type_name, 4)
            want = a.copy()
            want[(slice(None),) * dim + (once,)] = source
            same(x.clone().index_copy_(dim, of(once), of(source)), want)


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_single_elements(size, type_name):
    for a, x in layouts(size, type_name):
        for dim in range(len(size)):
            for n in (1, 4):
                index = positions(*size[:dim], n, *size[dim + 1:], high=size[dim])
                same(x.gather(dim, of(index)), np.take_along_axis(a, index, dim))
                same(x.gather(dim, of(np.ascontiguousarray(index.T)).permute(*range(a.ndim)[::-1])),
                     np.take_along_axis(a, index, dim))
                want = a.copy()
                np.put_along_axis(want, index, 7, dim)
                same(x.clone().scatter_(dim, of(index), 7), want)
                source = numbers(index.shape, type_name, 5)
                want, at = a.copy(), list(np.indices(index.shape))
                at[dim] = index
                np.add.at(want, tuple(at), source)
                same(x.clone().scatter_add_(dim, of(index), of(source)), want)
                if n == 1:
                    want = a.copy()
                    np.put_along_axis(want, index, source, dim)
                    same(x.clone().scatter_(dim, of(index), of(source)), want)


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_masks(size, type_name):
    for a, x in layouts(size, type_name):
        mask = (np.random.RandomState(6).rand(*size) < 0.4).astype(np.uint8)
        mask.ravel()[0] = 1
        for m in (of(mask), of(np.ascontiguousarray(mask.T)).permute(*range(a.ndim)[::-1])):
            same(x.masked_select(m), a[mask.astype(bool)])
            want = a.copy()
            want[mask.astype(bool)] = 5
            same(x.clone().masked_fill_(m, 5), want)
            source = numbers((int(mask.sum()) + 3,), type_name, 7)
            want[mask.astype(bool)] = source[:-3]
            same(x.clone().masked_scatter_(m, of(source)), want)
        same((x * of(mask.astype(TYPES[type_name]))).nonzero(), np.argwhere(a * mask))


def test_in_place_on_views():
    x = tensorlib.zeros(3, 4)
    x.t().index_fill_(0, tensorlib.LongTensor([1]), 2)
    x[2].masked_fill_(tensorlib.ByteTensor([1, 0, 0, 1]), 5)
    x.narrow(1, 2, 2).scatter_(1, tensorlib.LongTensor([[1], [0], [0]]), 7)
    assert x.tolist() == [[0, 2, 0, 7], [0, 2, 7, 0], [5, 2, 7, 5]]


def test_masks_broadcast():
    x = tensorlib.arange(0, 12).view(3, 4)
    row = tensorlib.ByteTensor([1, 0, 0, 1])
    assert x.masked_select(row).tolist() == [0, 3, 4, 7, 8, 11]
    assert x[0].masked_select(x > 9).tolist() == [2, 3]
    assert x.masked_select(tensorlib.ByteTensor([[0], [1], [0]])).tolist() == [4, 5, 6, 7]
    assert x.clone().masked_fill_(row, -1)[1].tolist() == [-1, 5, 6, -1]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert x.masked_select((x > 9).view(4, 3)).tolist() == [10, 11]
    assert len(said) == 1 and str(said[0].message).endswith("Falling back to deprecated pointwise behavior.")


def test_nothing_found_is_empty():
    x = tensorlib.ones(2, 3)
    assert x.masked_select(x > 5).size() == () and (x * 0).nonzero().size() == ()
    assert tensorlib.Tensor().nonzero().dim() == 0
    assert type((x * 0).nonzero()) is tensorlib.LongTensor


def test_index_in_the_memory_that_is_written():
    """What was checked must not change on the way: a position turned into 10**9 would be written to."""
    x = LONG([2, 1, 0, 3])
    assert x.scatter_(0, x, LONG([10 ** 9] * 4)).tolist() == [10 ** 9] * 4
    x = LONG([3, 2, 1, 0])
    assert x.index_add_(0, x, LONG([10 ** 9] * 4)).tolist() == [10 ** 9 + i for i in (3, 2, 1, 0)]
    x = LONG([1, 0])
    assert x.index_fill_(0, x, 10 ** 9).tolist() == [10 ** 9] * 2
    b = tensorlib.ByteTensor([1, 0, 0, 1, 0])
    assert b[1:].masked_scatter_(b[:4], tensorlib.ByteTensor([1, 1])).tolist() == [1, 0, 1, 1]


def test_old_name_warns():
    x = tensorlib.zeros(2)
    with pytest.warns(UserWarning, match="masked_scatter_"):
        x.masked_copy_(tensorlib.ByteTensor([0, 1]), tensorlib.FloatTensor([3]))
    assert x.tolist() == [0, 3]


@pytest.mark.parametrize("call, error", [
    (lambda x: x.index_select(0, LONG([3])), RuntimeError), (lambda x: x.index_select(0, LONG([-1])), RuntimeError),
    (lambda x: x.index_select(2, LONG([0])), RuntimeError), (lambda x: x.index_select(0, LONG([[0]])), RuntimeError),
    (lambda x: x.index_select(0, LONG()), RuntimeError), (lambda x: x.index_select(0, [0]), TypeError),
    (lambda x: x.index_select(0, tensorlib.IntTensor([0])), TypeError),
    (lambda x: x.index_fill_(0, LONG([0, 3]), 1), RuntimeError),
    (lambda x: x.index_fill_(0, LONG([1]), tensorlib.ones(4)), TypeError),
    (lambda x: x.index_add_(0, LONG([0, 1]), tensorlib.ones(1, 4)), RuntimeError),
    (lambda x: x.index_add_(0, LONG([0]), tensorlib.ones(1, 3)), RuntimeError),
    (lambda x: x.index_add_(0, LONG([0, 3]), tensorlib.ones(2, 4)), RuntimeError),
    (lambda x: x.index_copy_(0, LONG([2, 3]), tensorlib.ones(2, 4)), RuntimeError),
    (lambda x: x.index_copy_(0, LONG([0]), tensorlib.ones(1, 4).long()), TypeError),
    (lambda x: x.gather(0, LONG([[3, 0, 0, 0]])), RuntimeError), (lambda x: x.gather(0, LONG([0])), RuntimeError),
    (lambda x: x.gather(1, LONG([[0, 1]])), RuntimeError),
    (lambda x: x.scatter_(0, LONG([[0, 0, 0, 3]]), 1), RuntimeError),
    (lambda x: x.scatter_(0, LONG([0]), 1), RuntimeError),
    (lambda x: x.scatter_(0, LONG([[0, 1, 2, 0]]), tensorlib.ones(1, 3)), RuntimeError),
    (lambda x: x.scatter_add_(0, LONG([[0, 0, 0, -1]]), tensorlib.ones(1, 4)), RuntimeError),
    (lambda x: x.scatter_add_(0, LONG([[0, 0, 0, 0]]), 1), TypeError),
    (lambda x: x.masked_fill_(tensorlib.ByteTensor([2, 0, 0, 0]), 1), RuntimeError),
    (lambda x: x.masked_fill_(tensorlib.ByteTensor([1, 0]), 1), RuntimeError),
    (lambda x: x.masked_fill_(x > 3, "1"), TypeError), (lambda x: x.masked_fill_(LONG([0, 0, 0, 1]), 1), TypeError),
    (lambda x: x.masked_scatter_(x >= 0, tensorlib.ones(11)), RuntimeError),
    (lambda x: x.masked_select(tensorlib.ones(3, 4)), TypeError)])
def test_errors_change_nothing(call, error):
    x = tensorlib.zeros(3, 4)
    with pytest.raises(error):
        call(x)
    assert x.equal(tensorlib.zeros(3, 4))


def test_offsets_into_the_storage():
    x = tensorlib.arange(0, 12).view(3, 4)[1:]
    at = LONG([[0, 5], [-4, 7]])
    assert kernels.take_flat(x, at).tolist() == [[4, 9], [0, 11]]
    kernels.put_flat(x, LONG([0, 0, 1]), tensorlib.FloatTensor([1, 2, 3]), True)
    kernels.fill_flat(x, LONG([2]), 50)
    kernels.put_flat(x, LONG([3]), tensorlib.FloatTensor([60]))
    assert x[0].tolist() == [7, 8, 50, 60]
    for wrong in (8, -5):
        with pytest.raises(IndexError):
            kernels.take_flat(x, LONG([wrong]))
    with pytest.raises(RuntimeError):
        kernels.put_flat(x, LONG([0, 1]), tensorlib.ones(3))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=5), elements=st.floats(-9, 9)), st.data())
def test_any_sizes(a, data):
    dim = data.draw(st.integers(0, a.ndim - 1))
    order = data.draw(st.permutations(range(a.ndim)))
    inside = st.integers(0, a.shape[order[dim]] - 1)
    index = data.draw(hnp.arrays(np.int64, (data.draw(st.integers(1, 6)),), elements=inside))
    b, x = a.transpose(order), of(a).permute(*order)
    same(x.index_select(dim, of(index)), b.take(index, dim))
    mask = data.draw(hnp.arrays(np.uint8, b.shape, elements=st.integers(0, 1)))
    found = x.masked_select(of(mask))
    if mask.any():
        same(found, b[mask.astype(bool)])
    else:
        assert found.dim() == 0
    wide = b.shape[:dim] + (len(index),) + b.shape[dim + 1:]
    whole = np.broadcast_to(index.reshape((-1,) + (1,) * (b.ndim - dim - 1)), wide)
    same(x.gather(dim, of(whole)), np.take_along_axis(b, whole, dim))


# ---- derivatives ---------------------------------------------------------------------------------------

A, B = np.random.RandomState(8).randn(3, 4), np.random.RandomState(9).randn(2, 4)
ROWS, PLACES = Variable(LONG([2, 0])), Variable(LONG([[0, 2, 1, 0], [2, 0, 0, 1]]))
MASK = Variable(tensorlib.ByteTensor([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 0]]))
FORMULAS = {
    "index_select": (lambda x: x.index_select(0, Variable(LONG([2, 0, 2]))), A),
    "index_add": (lambda x, y: x.index_add(0, Variable(LONG([1, 1])), y), A, B),
    "index_copy": (lambda x, y: x.index_copy(0, ROWS, y), A, B),
    "index_fill": (lambda x: x.index_fill(1, ROWS, 3), A),
    "gather": (lambda x: x.gather(0, PLACES), A),
    "scatter": (lambda x, y: x.scatter(0, PLACES, y), A, B[:, ::-1]),
    "scatter number": (lambda x: x.scatter(0, PLACES, 5), A),
    "scatter from more": (lambda x, y: x.scatter(0, Variable(LONG([[1, 0, 2, 0]])), y), A, B),
    "scatter_add": (lambda x, y: x.scatter_add(0, PLACES, y), A, B),
    "masked_select": (lambda x: x.masked_select(MASK), A),
    "masked_select broadcast mask": (lambda x: x.masked_select(Variable(tensorlib.ByteTensor([1, 0, 0, 1]))), A),
    "masked_select broadcast self": (lambda x: x.masked_select(MASK), A[0]),
    "masked_fill": (lambda x: x.masked_fill(MASK, 3), A),
    "masked_scatter": (lambda x, y: x.masked_scatter(MASK, y), A, B),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives(name):
    f, *inputs = FORMULAS[name]
    check_derivatives(lambda *v: f(*v) ** 2, *inputs)


def test_in_place_on_variables():
    x = Variable(tensorlib.ones(2, 2), requires_grad=True)
    s = Variable(tensorlib.FloatTensor([[7], [8]]), requires_grad=True)
    y = x * 2
    y.scatter_(1, Variable(LONG([[1], [0]])), s)
    y.masked_fill_(Variable(tensorlib.ByteTensor([[1, 0], [0, 0]])), 0)
    y.sum().backward()
    assert y.data.tolist() == [[0, 7], [8, 2]]
    assert x.grad.data.tolist() == [[0, 0], [0, 2]] and s.grad.data.tolist() == [[1], [1]]
