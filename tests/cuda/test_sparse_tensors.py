"""Sparse tensors on a GPU: what holds on the CPU holds there, by the same tests; places, files, errors, gradients."""
import copy
import io
import pickle

import numpy as np
import pytest
import test_sparse as on_cpu

import tensorlib
from tensorlib import Size, cuda, nn, optim, sparse
from tensorlib.autograd import Variable
from tensorlib.cuda import backend

# Whole words of small elements: atomic additions to these read the word around, which nobody may have written.
SHAPES = [((8,), 1, 5), ((4, 6), 1, 7), ((3, 4, 2, 3), 3, 200)]
I, V = tensorlib.LongTensor([[0, 1], [2, 0]]), tensorlib.FloatTensor([3, 4])


@pytest.fixture
def placed(monkeypatch):
    """The CPU's tests make their tensors on GPU 0."""
    dense_of = on_cpu.dense_of

    def make(kind, indices, values, *sizes):
        parts = tensorlib.LongTensor(np.asarray(indices).tolist()).cuda(), dense_of(kind, np.asarray(values)).cuda()
        return getattr(cuda.sparse, kind + "Tensor")(*parts, *[Size(s) for s in sizes])

    monkeypatch.setattr(on_cpu, "make", make)
    monkeypatch.setattr(on_cpu, "dense_of", lambda *args: dense_of(*args).cuda())
    monkeypatch.setattr(on_cpu, "same", lambda x, a: np.testing.assert_allclose(on_cpu.array_of(x), a, rtol=1e-15))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["Byte", "Double", "Long"])
@pytest.mark.parametrize("test", ["coalesce", "sums", "products", "sparse_mask"])
def test_as_on_the_cpu(placed, test, kind, shape):
    getattr(on_cpu, "test_" + test)(kind, shape)


@pytest.mark.parametrize("kind, shape", [("Short", (4, 5, 2)), ("Double", (1, 1, 1)), ("Float", (20, 30, 33))], ids=str)
def test_matrix_products_as_on_the_cpu(placed, kind, shape):
    on_cpu.test_matrix_products(kind, *shape, 3 * shape[0])
    on_cpu.test_transpose(((4, 6), 2, 9))


@pytest.mark.parametrize("entries, places", [(65, 5), (1500, 2 ** 40)])
def test_order_as_on_the_cpu(placed, entries, places):
    on_cpu.test_order_of_many_entries(entries, places)


def test_types_and_places():
    x = cuda.sparse.FloatTensor(I.cuda(), V.cuda())
    assert x.type() == "tensorlib.cuda.sparse.FloatTensor" and x.is_cuda and x.is_sparse and x.get_device() == 0
    assert x.size() == Size([2, 3]) and type(x._values()) is cuda.FloatTensor and type(x.to_dense()) is cuda.FloatTensor
    y = x.cuda(1)
    assert x.cuda() is x and y.get_device() == y._indices().get_device() == y._values().get_device() == 1
    assert type(y.cpu()) is sparse.FloatTensor and y.cpu().to_dense().tolist() == [[0, 0, 3], [4, 0, 0]]
    assert y.coalesce().is_coalesced() and y.coalesce().cpu().is_coalesced() and not y.cpu().is_coalesced()
    assert y.new(2, 3).get_device() == 1 == y.new(y._indices(), y._values()).get_device() == y.clone().get_device()
    assert y.new(2, 3)._values().get_device() == 1 and cuda.sparse.LongTensor(2, 3, device=1).get_device() == 1
    assert type(y.double()) is cuda.sparse.DoubleTensor and y.double().get_device() == 1
    assert type(x.cpu().type("tensorlib.cuda.sparse.LongTensor")) is cuda.sparse.LongTensor
    assert type(x.type("torch.sparse.DoubleTensor")) is sparse.DoubleTensor and x.type(type(x)) is x
    with cuda.device(1):
        assert cuda.sparse.FloatTensor(2).get_device() == 1 == x.cpu().cuda().get_device()
    assert cuda.sparse.FloatTensor in tensorlib.tensor_classes()
    assert "values:\n\n 3\n 4\n[tensorlib.cuda.FloatTensor of size 2 (GPU 1)]\n" in str(y)
    with pytest.raises(RuntimeError, match="different devices.*GPU 0.*GPU 1"):
        x + y
    with pytest.raises(TypeError, match="cuda.sparse.FloatTensor and a tensorlib.sparse.FloatTensor"):
        x + x.cpu()
    with pytest.raises(TypeError, match="tensorlib.cuda.LongTensor, but got a tensorlib.LongTensor"):
        cuda.sparse.FloatTensor(I, V.cuda())
    with pytest.raises(RuntimeError, match="indices are on GPU 1, values on GPU 0"):
        cuda.sparse.FloatTensor(I.cuda(1), V.cuda())
    with pytest.raises(TypeError, match="invalid combination"):
        sparse.FloatTensor(2, 3, device=0)


def test_copies_and_files():
    x = cuda.sparse.FloatTensor(I.cuda(1), V.cuda(1)).coalesce()
    assert copy.deepcopy(x).get_device() == 1
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(y) is type(x) and y.is_coalesced() and y.to_dense().tolist() == x.to_dense().tolist()
    for form in ("tensorlib", "zip"):
        for where, device in (("cpu", None), ({"cuda:1": "cuda:0"}, 0)):
            file = io.BytesIO()
            tensorlib.save({"x": x}, file, format=form)
            file.seek(0)
            y = tensorlib.load(file, map_location=where, weights_only=True)["x"]
            assert (y.get_device() if y.is_cuda else None) == device and y.to_dense().tolist() == [[0, 0, 3], [4, 0, 0]]


def test_an_index_out_of_range_raises_at_the_next_wait_and_is_not_followed():
    bad = tensorlib.LongTensor([[0, 1], [3, 0]]).cuda()
    x = cuda.sparse.FloatTensor(bad, V.cuda(), Size([2, 3]))
    with pytest.raises(IndexError, match="index 3 is out of range, expected 0 <= index < 3"):
        cuda.synchronize()
    dense = tensorlib.zeros(2, 3).cuda()
    for call in (lambda: dense.add_(x), lambda: x.coalesce(), lambda: x.mm(tensorlib.ones(3, 2).cuda()),
                 lambda: x.hspmm(tensorlib.ones(3, 2).cuda()), lambda: dense._sparse_mask(x)):
        with pytest.raises(IndexError, match="index 3 is out of range"):
            call()
            cuda.synchronize()
    assert dense.tolist() == [[0, 0, 0], [4, 0, 0]]
    y = cuda.sparse.FloatTensor(I.cuda(), V.cuda()).coalesce()
    y._indices().fill_(-1)
    for call in (lambda: y.mm(tensorlib.ones(3, 2).cuda()), lambda: y * y, lambda: dense._sparse_mask(y),
                 lambda: y.to_dense()):
        with pytest.raises(IndexError, match="index -1 is out of range"):
            call()
            cuda.synchronize()


def test_nothing_goes_through_the_cpu():
    """Only how many distinct places there are is read back, where entries are put in order."""
    x, dense = cuda.sparse.FloatTensor(I.cuda(), V.cuda(), Size([2, 3])), tensorlib.ones(2, 3).cuda()
    square = tensorlib.ones(2, 2).cuda()
    before = dict(backend.transfers)
    x.to_dense()
    (x + x * 2 - x).mm(dense.t())
    dense.add_(x)
    tensorlib.addmm(2, square, 3, x, dense.t())
    assert backend.transfers == before
    x.coalesce().mm(dense.t())
    assert backend.transfers == dict(before, **{"to the CPU": before["to the CPU"] + 1})


# ---- gradients ----------------------------------------------------------------------------------------------------

def array(t):
    return (t.to_dense() if t.is_sparse else t).cpu().numpy()


@pytest.mark.parametrize("options", [dict(), dict(padding_idx=2), dict(padding_idx=0, scale_grad_by_freq=True)])
def test_sparse_gradient_of_embedding(options):
    layer = nn.Embedding(6, 3, sparse=True, **options).double()
    index, weights = tensorlib.LongTensor([[2, 0, 5], [2, 2, 0]]), tensorlib.randn(2, 3, 3).double()
    ends = []
    for place in (lambda t: t, lambda t: t.cuda()):
        layer = place(layer)
        layer.weight.grad = None
        (layer(Variable(place(index))) * Variable(place(weights))).sum().backward()
        first = layer.weight.grad.data
        ends.append([first._indices().cpu().tolist(), array(first)])
        layer(Variable(place(index))).sum().backward()
        ends[-1].append(array(layer.weight.grad.data))
        assert layer.weight.grad.data.is_sparse
    assert type(first) is cuda.sparse.DoubleTensor and ends[0][0] == ends[1][0]
    for got, want in zip(ends[1][1:], ends[0][1:]):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_gradient_of_padding_alone_is_empty():
    layer = nn.Embedding(6, 3, sparse=True, padding_idx=2).cuda()
    layer(Variable(tensorlib.LongTensor([[2, 2]]).cuda())).sum().backward()
    assert layer.weight.grad.data._nnz() == 0 and layer.weight.grad.data.size() == layer.weight.size()


@pytest.mark.parametrize("maker", [lambda p: optim.SGD(p, 0.1), lambda p: optim.SGD(p, 0.1, momentum=0.9),
                                   lambda p: optim.Adagrad(p, 0.1), lambda p: optim.SparseAdam(p, 0.1)],
                         ids=["SGD", "momentum", "Adagrad", "SparseAdam"])
def test_steps(maker):
    tensorlib.manual_seed(1)
    layer = nn.Embedding(7, 3, sparse=True).double()
    start, target = layer.weight.data.clone(), tensorlib.randn(4, 3).double()
    ends = []
    for place in (lambda t: t, lambda t: t.cuda()):
        layer.weight.data.copy_(start)
        layer = place(layer)
        optimizer = maker(layer.parameters())
        for step in range(4):
            optimizer.zero_grad()
            rows = tensorlib.LongTensor([step % 7, 2, (3 * step) % 7, 2])
            ((layer(Variable(place(rows))) - Variable(place(target))) ** 2).sum().backward()
            optimizer.step()
        ends.append(layer.weight.data.cpu().numpy().copy())
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-11)
    assert np.abs(ends[0] - start.numpy()).max() > 0.01


def test_variables_on_sparse_matrices():
    x = on_cpu.draw("Double", (4, 6), 2, 9)[0]
    y = tensorlib.randn(6, 2).double()
    ends = []
    for there in (False, True):
        a, b = Variable(x, requires_grad=True), Variable(y, requires_grad=True)
        moved, other = (a.cuda(), b.cuda()) if there else (a, b)
        assert moved.is_cuda == there
        (tensorlib.spmm(moved * 2, other) ** 2).sum().backward()
        ends.append([array(a.grad.data), array(b.grad.data)])
    for got, want in zip(ends[1], ends[0]):
        np.testing.assert_allclose(got, want, rtol=1e-12)
