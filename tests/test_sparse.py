"""Sparse tensors against dense NumPy arrays: making, order, arithmetic, products, errors, files and processes."""
import copy
import io
import itertools
import pickle

import numpy as np
import pytest
from op_checks import NUMPY

import tensorlib
from tensorlib import Size, sparse
from tensorlib.autograd import Variable

TYPES = {"Byte": np.uint8, "Char": np.int8, "Short": np.int16, "Int": np.int32, "Long": np.int64, "Float": np.float32,
         "Double": np.float64}
REAL = ("Float", "Double")
# (sizes, number of sparse dims, entries)
SHAPES = [((7,), 1, 5), ((4, 6), 2, 9), ((4, 6), 1, 7), ((3, 4, 5), 2, 11), ((3, 4, 2, 3), 3, 200), ((50, 40), 2, 900)]


def draw(kind, sizes, split, entries, seed=0):
    """A sparse tensor with repeated places, and the array that it stands for, summed by NumPy in its own type."""
    rng = np.random.RandomState(seed)
    indices = np.stack([rng.randint(0, n, entries) for n in sizes[:split]])
    values = rng.randint(-9, 9, (entries,) + sizes[split:])
    if kind in REAL:
        values = values / 4                     # sums of such are exact
    values = values.astype(TYPES[kind])
    array = np.zeros(sizes, TYPES[kind])
    np.add.at(array, tuple(indices), values)
    return make(kind, indices, values, sizes), array


def dense_of(kind, array):
    return getattr(tensorlib, kind + "Tensor")(array.astype(TYPES[kind]).tolist())


def make(kind, indices, values, *sizes):
    return getattr(sparse, kind + "Tensor")(tensorlib.LongTensor(np.asarray(indices).tolist()),
                                            dense_of(kind, np.asarray(values)), *[Size(s) for s in sizes])


def array_of(x):
    """The array of a tensor; of a sparse one after a look at its parts."""
    if not x.is_sparse:
        return np.array(x.tolist(), NUMPY[tensorlib._ops.tensor.code_of(x)])
    if x._nnz():
        assert x._indices().size(1) == x._values().size(0) == x._nnz()
        assert tuple(x._values().size())[1:] == tuple(x.size())[x._indices().size(0):]
    return array_of(x.to_dense())


def same(x, array):
    np.testing.assert_array_equal(array_of(x), array)


cases = pytest.mark.parametrize("shape", SHAPES, ids=str)
kinds = pytest.mark.parametrize("kind", sorted(TYPES))


# ---- making -------------------------------------------------------------------------------------------------------

@cases
@kinds
def test_what_it_is_made_of(kind, shape):
    sizes, split, entries = shape
    x, array = draw(kind, *shape)
    assert x.type() == "tensorlib.sparse.%sTensor" % kind and type(x) is getattr(sparse, kind + "Tensor")
    assert x.is_sparse and not x.to_dense().is_sparse and tensorlib.is_tensor(x)
    assert x.to_dense().type() == "tensorlib.%sTensor" % kind
    assert x.size() == Size(sizes) == x.shape and x.dim() == x.ndimension() == len(sizes)
    assert x.size(0) == x.size(-len(sizes)) == len(x) == sizes[0] and x._nnz() == entries
    assert x._indices().size() == Size((split, entries)) and not x.is_coalesced()
    same(x, array)
    same(x.clone(), array)
    same(x.new(x._indices(), x._values(), x.size()), array)


def test_sizes_are_as_large_as_the_indices_ask_for():
    x = sparse.FloatTensor(tensorlib.LongTensor([[2, 4]]), tensorlib.FloatTensor([[1, 3], [5, 7]]))
    assert x.to_dense().tolist() == [[0, 0], [0, 0], [1, 3], [0, 0], [5, 7]]
    x = sparse.LongTensor(tensorlib.LongTensor([[0, 3], [1, 0]]), tensorlib.LongTensor([1, 2]))
    assert x.size() == Size((4, 2))


def test_values_are_shared_and_strided_ones_copied():
    values = tensorlib.FloatTensor([1, 2])
    x = sparse.FloatTensor(tensorlib.LongTensor([[1, 0]]), values)
    values.fill_(5)
    assert x.to_dense().tolist() == [5, 5]
    x._values().mul_(2)
    assert values.tolist() == [10, 10]
    y = sparse.FloatTensor(tensorlib.LongTensor([[1, 0], [1, 0], [0, 2]]).t(), tensorlib.arange(0, 6).view(2, 3).t())
    assert y.to_dense().tolist() == [[[0, 0], [0, 0], [2, 5]], [[1, 7], [0, 0], [0, 0]]]


@kinds
def test_empty(kind):
    cls = getattr(sparse, kind + "Tensor")
    for x in (cls(2, 3), cls(Size([2, 3])), cls(tensorlib.LongTensor(), dense_of(kind, np.array([])), Size([2, 3])),
              draw(kind, (2, 3), 2, 4)[0].zero_(), draw(kind, (2, 3), 1, 4)[0].zero_()):
        assert x._nnz() == 0 and x.size() == Size([2, 3])
        assert x._indices().dim() == 0 == x._values().dim()
        for same_again in (x, x.coalesce(), x.clone(), x + x, x * 2, x * x, x - x, x / 2):
            same(same_again, np.zeros((2, 3), TYPES[kind]))
        y, array = draw(kind, (2, 3), 2, 4, 3)
        for total in (x + y, y + x, x.clone().add_(y), y.clone().add_(x)):
            same(total, array)
        same(x.mm(dense_of(kind, np.ones((3, 2)))), np.zeros((2, 2)))
        assert x.hspmm(dense_of(kind, np.ones((3, 2))))._nnz() == 0 == x.sspmm(dense_of(kind, np.ones((3, 2))))._nnz()
    nothing = cls()
    assert nothing.dim() == 0 and nothing.size() == Size([]) and not nothing and len(nothing) == 0
    assert str(nothing) == "[tensorlib.sparse.%sTensor with no dimension]\n" % kind


# ---- order --------------------------------------------------------------------------------------------------------

@cases
@kinds
def test_coalesce(kind, shape):
    x, array = draw(kind, *shape)
    y = x.coalesce()
    assert y.is_coalesced() and not x.is_coalesced() and y.coalesce() is y
    same(y, array)
    places = [tuple(p) for p in np.array(y._indices().tolist()).T]
    assert places == sorted(set(places)) and set(places) == {tuple(p) for p in np.array(x._indices().tolist()).T}
    for place, value in zip(places, y._values().tolist()):
        np.testing.assert_array_equal(value, array[place])
    assert y.clone().is_coalesced()


@pytest.mark.parametrize("places", [1, 5, 1000, 3 * 10 ** 5, 2 ** 40])
@pytest.mark.parametrize("entries", [1, 2, 63, 64, 65, 5000])
def test_order_of_many_entries(entries, places):
    """By insertion and by digits, of small keys and of large ones; equal places are summed in the order they came."""
    index = np.random.RandomState(entries).randint(0, places, entries)
    values = np.random.RandomState(1).randn(entries)
    x = make("Double", [index], values, (places,)).coalesce()
    distinct, place = np.unique(index, return_inverse=True)
    sums = np.zeros(len(distinct))
    for p, v in zip(place, values):
        sums[p] += v
    assert x._indices().tolist() == [distinct.tolist()] and x._values().tolist() == sums.tolist()


@cases
def test_transpose(shape):
    sizes, split, _ = shape
    x, array = draw("Float", *shape)
    for a, b in itertools.product(range(len(sizes)), repeat=2):
        if (a < split) == (b < split):
            same(x.transpose(a, b), np.swapaxes(array, a, b))
            y = x.coalesce().clone()
            assert y.transpose_(a, b) is y
            same(y, np.swapaxes(array, a, b))
            same(y.coalesce(), np.swapaxes(array, a, b))
        else:
            with pytest.raises(RuntimeError, match="are sparse"):
                x.transpose(a, b)
    if (len(sizes), split) == (2, 2):
        same(x.t(), array.T)
        same(tensorlib.t(x.clone().t_()), array)
    else:
        with pytest.raises(RuntimeError):
            x.t()


# ---- arithmetic ---------------------------------------------------------------------------------------------------

@cases
@kinds
def test_sums(kind, shape):
    (x, a), (y, b) = draw(kind, *shape), draw(kind, *shape, seed=1)
    dense, c = dense_of(kind, b), b
    for left, right in itertools.product((x, x.coalesce()), (y, y.coalesce())):
        same(left + right, a + b)
        assert (left + right).is_coalesced() >= (left.is_coalesced() and right.is_coalesced())
        same(left - right, a - b)
        same(tensorlib.add(left, 3, right), a + 3 * b)
        same(left.sub(3, right), a - 3 * b)
        same(left.clone().add_(right), a + b)
        same(left.clone().sub_(2, right), a - 2 * b)
        left = left.clone()
        left += right
        left -= right
        same(left, a)
    same(dense + x, c + a)
    same(x + dense, c + a)
    same(dense - x, c - a)
    same(dense.add(2, x), c + 2 * a)
    same(tensorlib.add(dense, 2, x), c + 2 * a)
    same(tensorlib.spadd(dense, 2, x), c + 2 * a)
    same(tensorlib.spadd(dense, x), c + a)
    same(dense.clone().add_(x), c + a)
    same(dense.clone().sub_(3, x), c - 3 * a)
    strided = dense_of(kind, np.stack([b, b], -1)).select(-1, 0) if len(b.shape) < 4 else dense.clone()
    strided += x
    same(strided, c + a)
    same(x, a)
    same(y, b)


@cases
@kinds
def test_products(kind, shape):
    (x, a), (y, b) = draw(kind, *shape), draw(kind, *shape, seed=1)
    for left, right in itertools.product((x, x.coalesce()), (y, y.coalesce())):
        same(left * right, a * b)
        same(left.clone().mul_(right), a * b)
    same(x * dense_of(kind, b), a * b)
    same(dense_of(kind, b) * x, a * b)
    same(x * 3, a * 3)
    same(3 * x, a * 3)
    same(tensorlib.mul(x, 3), a * 3)
    same(x.clone().mul_(3), a * 3)
    with np.errstate(all="ignore"):
        quotient = a / TYPES[kind](2) if kind in REAL else np.trunc(a / 2).astype(TYPES[kind])
    same(x / 2, quotient)
    same(x.clone().div_(2), quotient)
    y = x.clone()
    y *= 2
    same(y, a * 2)
    if kind in REAL:
        same(x ** 2, a ** 2)
        same(x.pow(3), a ** 3)
        same(-x, -a)
    total = dense_of(kind, b)
    same(total.clone().addcmul_(2, x, x), b + 2 * a * a)
    same(tensorlib.addcmul(total, x, x), b + a * a)


@cases
@kinds
def test_sparse_mask(kind, shape):
    x, a = draw(kind, *shape)
    _, b = draw(kind, *shape, seed=1)
    dense = dense_of(kind, b)
    masked = dense._sparse_mask(x)
    there = np.zeros(a.shape, bool)
    there[tuple(np.array(x._indices().tolist()))] = True
    same(masked, np.where(there, b, 0))
    assert masked.is_coalesced() and type(masked) is type(x)
    assert masked._indices().tolist() == x.coalesce()._indices().tolist()
    same(dense.sparse_mask(x.coalesce()), np.where(there, b, 0))


def test_casts():
    x, a = draw("Double", (4, 6), 2, 9)
    for kind, numpy_type in TYPES.items():
        for y in (x.type("tensorlib.sparse.%sTensor" % kind), x.type("torch.sparse.%sTensor" % kind),
                  x.type(getattr(sparse, kind + "Tensor")), getattr(x.coalesce(), kind.lower())(),
                  x.coalesce().type_as(getattr(sparse, kind + "Tensor")())):
            assert y.type() == "tensorlib.sparse.%sTensor" % kind
        want = np.zeros(a.shape, numpy_type)
        np.add.at(want, tuple(np.array(x._indices().tolist())),
                  np.array(x._values().tolist()).astype(np.int64).astype(numpy_type) if kind not in REAL
                  else np.array(x._values().tolist(), numpy_type))
        same(getattr(x, kind.lower())(), want)
    assert x.double() is x and x.cpu() is x
    for wrong in ("tensorlib.DoubleTensor", tensorlib.DoubleTensor):
        with pytest.raises(RuntimeError, match="to_dense"):
            x.type(wrong)
    with pytest.raises(RuntimeError, match="sparse and dense"):
        tensorlib.ones(2).type("tensorlib.sparse.FloatTensor")


# ---- matrix products ----------------------------------------------------------------------------------------------

MATRICES = [(4, 6, 3, 9), (1, 1, 1, 1), (30, 20, 40, 300), (5, 7, 1, 12), (200, 300, 64, 5000)]


@pytest.mark.parametrize("m, n, k, entries", MATRICES)
@kinds
def test_matrix_products(kind, m, n, k, entries):
    x, a = draw(kind, (m, n), 2, entries)
    _, b = draw(kind, (n, k), 2, n * k, seed=1)
    _, c = draw(kind, (m, k), 2, m, seed=2)
    dense, added = dense_of(kind, b), dense_of(kind, c)
    want = a @ b
    for y in (x, x.coalesce(), x.t().t()):
        for f in (tensorlib.mm, tensorlib.spmm, tensorlib.dsmm):
            same(f(y, dense), want)
        same(y.mm(dense_of(kind, b.T.copy()).t()), want)
        same(y @ dense, want)
        for f in (tensorlib.hspmm, tensorlib.hsmm):
            h = f(y, dense)
            assert h.is_sparse and h._indices().size(0) == 1
            same(h, want)
        for f in (tensorlib.sspmm, tensorlib.smm):
            s = f(y, dense)
            assert s.is_sparse and s._indices().size(0) == 2
            same(s, want)
        same(tensorlib.addmm(2, added, 3, y, dense), 2 * c + 3 * want)
        same(added.addmm(y, dense), c + want)
        same(added.clone().addmm_(2, 3, y, dense), 2 * c + 3 * want)
        t, d = draw(kind, (m, k), 2, m, seed=4)
        for f in (tensorlib.sspaddmm, tensorlib.saddmm):
            total = f(2, t, 3, y, dense)
            assert total.is_sparse
            same(total, 2 * d + 3 * want)
            same(f(t, y, dense), d + want)
        same(t.sspaddmm(2, 3, y, dense), 2 * d + 3 * want)
    same(x.t().mm(added), a.T @ c)


def test_addmm_broadcasts_and_beta_zero_reads_nothing():
    x, a = draw("Float", (4, 6), 2, 9)
    b = np.arange(18, dtype=np.float32).reshape(6, 3)
    row = tensorlib.FloatTensor([1, 2, 3])
    same(tensorlib.addmm(row, x, dense_of("Float", b)), np.array([1, 2, 3]) + a @ b)
    nan = tensorlib.FloatTensor(4, 3).fill_(float("nan"))
    same(tensorlib.addmm(0, nan, 1, x, dense_of("Float", b)), a @ b)


def test_out():
    (x, a), (y, b) = draw("Float", (4, 6), 2, 9), draw("Float", (4, 6), 2, 9, seed=1)
    out = sparse.FloatTensor()
    assert tensorlib.add(x, y, out=out) is out
    same(out, a + b)
    product = tensorlib.FloatTensor()
    tensorlib.mm(x, y.t().to_dense(), out=product)
    same(product, a @ b.T)
    for wrong in (tensorlib.FloatTensor(), sparse.DoubleTensor()):
        with pytest.raises(TypeError):
            tensorlib.add(x, y, out=wrong)
    with pytest.raises(TypeError):
        tensorlib.mm(x, y.t().to_dense(), out=out)
    same(out, a + b)


# ---- what is refused ----------------------------------------------------------------------------------------------

I, V = tensorlib.LongTensor([[0, 1], [2, 0]]), tensorlib.FloatTensor([3, 4])
REFUSED = [
    (TypeError, lambda: sparse.FloatTensor(I.int(), V)), (TypeError, lambda: sparse.FloatTensor(I, V.double())),
    (TypeError, lambda: sparse.FloatTensor(V)), (TypeError, lambda: sparse.FloatTensor(I, V, 3)),
    (TypeError, lambda: sparse.FloatTensor([1.5])), (TypeError, lambda: sparse.FloatTensor(indices=I, values=V)),
    (TypeError, lambda: sparse.FloatTensor(I, sparse.FloatTensor(I, V))),
    (RuntimeError, lambda: sparse.FloatTensor(I, tensorlib.ones(3))),
    (RuntimeError, lambda: sparse.FloatTensor(I[0], V)),
    (RuntimeError, lambda: sparse.FloatTensor(I, tensorlib.FloatTensor())),
    (RuntimeError, lambda: sparse.FloatTensor(I, V, Size([2]))),
    (RuntimeError, lambda: sparse.FloatTensor(I, V, Size([2, 3, 1]))),
    (RuntimeError, lambda: sparse.FloatTensor(I, V, Size([2, 2]))),
    (RuntimeError, lambda: sparse.FloatTensor(I, V, Size([1, 3]))),
    (RuntimeError, lambda: sparse.FloatTensor(I.clone().fill_(-1), V)),
    (RuntimeError, lambda: sparse.FloatTensor(I.clone().fill_(-1), V, Size([2, 3]))),
    (RuntimeError, lambda: sparse.FloatTensor(I.clone().fill_(2 ** 63 - 1), V)),
    (RuntimeError, lambda: sparse.FloatTensor(I.clone().fill_(2 ** 62), V)),
    (RuntimeError, lambda: sparse.FloatTensor(I, tensorlib.ones(2, 3), Size([2, 3, 4]))),
    (RuntimeError, lambda: sparse.FloatTensor(2, 0)), (RuntimeError, lambda: sparse.FloatTensor(Size([2, -1]))),
    (RuntimeError, lambda: sparse.FloatTensor(*[2] * 17)),
    (RuntimeError, lambda: sparse.FloatTensor(2 ** 40, 2 ** 40)),
]


@pytest.mark.parametrize("error, call", REFUSED, ids=range(len(REFUSED)))
def test_wrong_parts_are_refused(error, call):
    with pytest.raises(error):
        call()


def x23():
    return sparse.FloatTensor(I, V, Size([2, 3]))


WRONG = [
    (TypeError, lambda x: x + 1), (TypeError, lambda x: 1 - x), (TypeError, lambda x: 1 / x),
    (TypeError, lambda x: x / x), (TypeError, lambda x: x % 2), (TypeError, lambda x: x == x),
    (TypeError, lambda x: x < 1), (TypeError, lambda x: 2 ** x), (TypeError, lambda x: x & x),
    (TypeError, lambda x: x + x.double()), (TypeError, lambda x: x * None), (RuntimeError, lambda x: x + x.t()),
    (RuntimeError, lambda x: x * sparse.FloatTensor(3, 3)), (RuntimeError, lambda x: tensorlib.ones(3, 3) + x),
    (TypeError, lambda x: tensorlib.ones(2, 3).double() + x), (RuntimeError, lambda x: x * tensorlib.ones(3)),
    (TypeError, lambda x: x.add_(tensorlib.ones(2, 3))), (TypeError, lambda x: tensorlib.ones(2, 3).mul_(x)),
    (TypeError, lambda x: tensorlib.ones(2, 3) / x), (TypeError, lambda x: x.mm(x.t())),
    (TypeError, lambda x: tensorlib.ones(3, 2).mm(x)), (RuntimeError, lambda x: x.mm(tensorlib.ones(2, 2))),
    (RuntimeError, lambda x: x.mm(tensorlib.ones(3))), (TypeError, lambda x: x.mm(tensorlib.ones(3, 2).double())),
    (RuntimeError, lambda x: x.hspmm(tensorlib.ones(2, 2))),
    (RuntimeError, lambda x: draw("Float", (4, 6), 1, 7)[0].mm(tensorlib.ones(6, 2))),
    (RuntimeError, lambda x: draw("Float", (2, 3), 1, 7)[0] + x),
    (RuntimeError, lambda x: draw("Float", (2, 3), 1, 7)[0] * x),
    (RuntimeError, lambda x: tensorlib.ones(3, 3).addmm_(x, tensorlib.ones(3, 3))),
    (RuntimeError, lambda x: tensorlib.ones(3, 3)._sparse_mask(x)), (TypeError, lambda x: x.double().add_(x)),
    (TypeError, lambda x: tensorlib.ones(2, 3).double()._sparse_mask(x)), (TypeError, lambda x: x[0]),
    (TypeError, lambda x: x.__setitem__(0, 1)), (TypeError, lambda x: list(x)), (TypeError, lambda x: 1 in x),
    (TypeError, lambda x: np.asarray(x)), (RuntimeError, lambda x: bool(x)), (TypeError, lambda x: tensorlib.sum(x)),
    (TypeError, lambda x: tensorlib.cat([x, x])), (TypeError, lambda x: tensorlib.cat([tensorlib.ones(2, 3), x])),
    (RuntimeError, lambda x: tensorlib.ones(2, 3).copy_(x)), (TypeError, lambda x: tensorlib.FloatTensor(x)),
    (TypeError, lambda x: tensorlib.ones(2, 3).set_(x)), (TypeError, lambda x: tensorlib.ones(2, 3).resize_as_(x)),
    (AttributeError, lambda x: x.sum()), (AttributeError, lambda x: x.view(6)), (AttributeError, lambda x: x.numpy()),
    (AttributeError, lambda x: x.storage()), (AttributeError, lambda x: x.copy_(x)),
    (AttributeError, lambda x: x.stride()), (ValueError, lambda x: x ** 0), (ValueError, lambda x: x.pow(-1)),
    (AssertionError, lambda x: x.cuda()), (AttributeError, lambda x: x.get_device()),
    (TypeError, lambda x: x.resize_as_(x.double())), (RuntimeError, lambda x: x.transpose(0, 2)),
    (TypeError, lambda x: x.long() * 1.5), (TypeError, lambda x: x.long() ** 2),
    (ZeroDivisionError, lambda x: x.long() / 0), (TypeError, lambda x: tensorlib.sigmoid(Variable(x))),
    (TypeError, lambda x: Variable(x).sum()),
    (TypeError, lambda x: tensorlib.nn.functional.linear(Variable(tensorlib.ones(2, 3)), Variable(x))),
    (TypeError, lambda x: Variable(x) + 1), (TypeError, lambda x: Variable(x) > 1),
    (TypeError, lambda x: Variable(x)[0]),
]


@pytest.mark.parametrize("error, call", WRONG, ids=range(len(WRONG)))
def test_what_is_not_there_is_refused(error, call):
    x = x23()
    before = str(x)
    with pytest.raises(error):
        call(x)
    assert str(x) == before


def test_indices_changed_behind_its_back_are_checked_again():
    x = x23().coalesce()
    y = sparse.FloatTensor(I, V, Size([2, 3]))
    for bad in (5, -1, 10 ** 15):
        x._indices().fill_(bad)
        for call in (lambda: x.to_dense(), lambda: x + tensorlib.ones(2, 3), lambda: x.mm(tensorlib.ones(3, 2)),
                     lambda: x.hspmm(tensorlib.ones(3, 2)), lambda: x * y, lambda: (x + y).coalesce(),
                     lambda: tensorlib.ones(2, 3)._sparse_mask(x), lambda: x * tensorlib.ones(2, 3)):
            with pytest.raises(RuntimeError, match="out of range"):
                call()
    y._indices().resize_(1, 1)
    y._values().resize_(1)
    assert y.to_dense().tolist() == [[0, 0, 3], [4, 0, 0]]


# ---- text, files, processes ---------------------------------------------------------------------------------------

def test_text():
    assert str(x23()) == repr(x23()) == (
        "tensorlib.sparse.FloatTensor of size 2x3 with indices:\n\n 0  1\n 2  0\n[tensorlib.LongTensor of size 2x2]\n"
        "and values:\n\n 3\n 4\n[tensorlib.FloatTensor of size 2]\n")
    assert str(Variable(x23())) == "Variable containing:\n" + str(x23())


def test_names():
    x = x23()
    assert "to_dense" in dir(x) and "view" not in dir(x) and not hasattr(x, "view")
    assert sparse.FloatTensor.is_sparse and not tensorlib.FloatTensor.is_sparse
    assert sparse.FloatTensor in tensorlib.tensor_classes() and tensorlib.typename(x) == x.type()
    assert not hasattr(tensorlib.FloatTensor, "spmm")


@cases
def test_copies(shape):
    for x in (draw("Double", *shape)[0], draw("Double", *shape)[0].coalesce(), draw("Double", *shape)[0].zero_()):
        a = array_of(x)
        for y in [copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))] + [
                tensorlib.load(saved([x, x._values()], form), weights_only=True)[0]
                for form in ("tensorlib", "torch", "zip")]:
            assert type(y) is type(x) and y.is_coalesced() == x.is_coalesced() and y._nnz() == x._nnz()
            same(y, a)
        copy.deepcopy(x)._values().fill_(7)
        same(x, a)


def test_a_file_may_say_anything():
    """Parts that do not fit are refused at once, indices out of range when they are used."""
    for state in ((I, V, Size([2]), False), (I.int(), V, Size([2, 3]), False), (I, V, Size([2, 3])), None,
                  (I, V.double(), Size([2, 3]), True), (None, None, None, None)):
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            sparse.FloatTensor().__setstate__(state)
    x = sparse.FloatTensor()
    x.__setstate__((I, V, Size([1, 1]), True))
    with pytest.raises(RuntimeError, match="out of range"):
        x.to_dense()


def saved(obj, form):
    file = io.BytesIO()
    tensorlib.save(obj, file, format=form)
    file.seek(0)
    return file


@pytest.mark.filterwarnings("ignore")           # PyTorch's of what is in beta there
@cases
def test_files_of_today(shape):
    """PyTorch reads what we wrote for it, and we what it wrote."""
    torch = pytest.importorskip("torch")
    for x in (draw("Double", *shape)[0], draw("Float", *shape)[0].coalesce(), draw("Long", *shape)[0].zero_()):
        for form, safe in (("zip", True), ("torch", False)):
            theirs = torch.load(saved([x, Variable(x)], form), weights_only=safe)[0]
            assert theirs.is_coalesced() == x.is_coalesced() and theirs._nnz() == x._nnz()
            assert theirs.sparse_dim() == shape[1] and theirs.to_dense().tolist() == x.to_dense().tolist()
            for old in (False, True):
                file = io.BytesIO()
                torch.save(theirs, file, _use_new_zipfile_serialization=not old)
                file.seek(0)
                y = tensorlib.load(file)
                assert type(y) is type(x) and y.is_coalesced() == x.is_coalesced() and y._nnz() == x._nnz()
                same(y, array_of(x))
    file = io.BytesIO()
    torch.save(torch.eye(3).to_sparse_csr(), file)
    file.seek(0)
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        tensorlib.load(file)


def test_through_a_queue():
    queue = tensorlib.multiprocessing.get_context("fork").SimpleQueue()
    x, a = draw("Float", (4, 6), 2, 9)
    queue.put([x, x.coalesce(), Variable(x)])
    y, z, v = queue.get()
    same(y, a)
    same(z, a)
    same(v.data, a)
    assert z.is_coalesced() and not y.is_coalesced()


# ---- PyTorch of today ---------------------------------------------------------------------------------------------

@cases
def test_as_today(shape):
    torch = pytest.importorskip("torch")
    (x, _), (y, _) = draw("Double", *shape), draw("Double", *shape, seed=1)
    p, q = (torch.sparse_coo_tensor(torch.tensor(t._indices().tolist()), torch.tensor(t._values().tolist()).double(),
                                    tuple(t.size()), check_invariants=True) for t in (x, y))

    def agree(ours, theirs):
        theirs = theirs.coalesce()
        ours = ours.coalesce()
        assert ours._indices().tolist() == theirs.indices().tolist()
        np.testing.assert_allclose(np.array(ours._values().tolist()), theirs.values().numpy(), rtol=1e-12)

    agree(x, p)
    agree(x + y, p + q)
    agree(x - y, p - q)
    agree(x * 2.5, p * 2.5)
    np.testing.assert_allclose(array_of(x * y), (p * q).to_dense().numpy(), rtol=1e-12)
    if shape[1] == 2 and len(shape[0]) == 2:
        agree(x.t(), p.t())
        other = np.random.RandomState(3).randn(shape[0][1], 5)
        np.testing.assert_allclose(array_of(x.mm(tensorlib.from_numpy(other))), (p @ torch.tensor(other)).numpy(),
                                   rtol=1e-12)
