"""Sparse gradients: of embeddings, in the graph, in optimizers; and Variables on sparse matrices."""
import copy
import resource

import numpy as np
import pytest
from op_checks import check_derivatives, tensor

import tensorlib
from tensorlib import nn, optim, sparse
from tensorlib.autograd import Function, Variable, grad
from tensorlib.nn import functional as F

INDEX = [[1, 3, 1], [0, 3, 3]]


def lookup(*options, index=INDEX, **named):
    """(weight, output) of a sparse and of a dense embedding with equal weights."""
    weight = tensorlib.DoubleTensor(5, 2).normal_()
    made = []
    for is_sparse in (True, False):
        w = Variable(weight.clone(), requires_grad=True)
        made.append((w, F.embedding(Variable(tensorlib.LongTensor(index)), w, *options, sparse=is_sparse, **named)))
    return made


def dense(x):
    x = x.data if isinstance(x, Variable) else x
    return np.array((x.to_dense() if x.is_sparse else x).tolist())


# ---- embeddings ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [{}, dict(padding_idx=3), dict(scale_grad_by_freq=True),
                                     dict(padding_idx=1, scale_grad_by_freq=True)], ids=str)
@pytest.mark.parametrize("index", [INDEX, [4, 0], [3, 3, 3]], ids=str)
def test_embedding(options, index):
    (w, out), (v, want) = lookup(index=index, **options)
    assert out.data.tolist() == want.data.tolist()
    weights = Variable(tensorlib.DoubleTensor(out.size()).normal_())
    (out * weights).sum().backward()
    (want * weights).sum().backward()
    assert w.grad.data.type() == "tensorlib.sparse.DoubleTensor" and w.grad.is_sparse and w.grad.volatile
    assert w.grad.size() == w.size() and not v.grad.is_sparse
    flat = np.ravel(index)
    assert w.grad.data._nnz() == sum(flat != options.get("padding_idx", -1))
    np.testing.assert_allclose(dense(w.grad), dense(v.grad), rtol=1e-13)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag(mode):
    bag, plain = nn.EmbeddingBag(6, 3, mode=mode, sparse=True), nn.EmbeddingBag(6, 3, mode=mode)
    plain.weight.data.copy_(bag.weight.data)
    assert repr(bag) == "EmbeddingBag(6, 3, sparse=True, mode=%s)" % mode
    for args in ((tensorlib.LongTensor([[1, 2], [5, 2]]),),
                 (tensorlib.LongTensor([1, 2, 4, 1]), tensorlib.LongTensor([0, 3]))):
        for module in (bag, plain):
            (module(*map(Variable, args)) ** 2).sum().backward()
        assert bag.weight.grad.is_sparse
        np.testing.assert_allclose(dense(bag.weight.grad), dense(plain.weight.grad), rtol=1e-5)


def test_gradients_do_not_follow_their_indices_or_the_gradient_of_the_output():
    index = tensorlib.LongTensor([1, 3])
    w = Variable(tensorlib.ones(5, 2), requires_grad=True)
    kept = []
    out = F.embedding(Variable(index), w, sparse=True)
    out.register_hook(lambda g: kept.append(g))
    out.sum().backward()
    index.fill_(0)
    kept[0].data.fill_(7)
    assert dense(w.grad).tolist() == [[0, 0], [1, 1], [0, 0], [1, 1], [0, 0]]


def test_gradients_add_up():
    """Sparse and sparse, in one walk and in several; and sparse and dense in either order."""
    (w, out), (v, want) = lookup()
    for variable, value in ((w, out), (v, want)):
        other = F.embedding(Variable(tensorlib.LongTensor([4, 1])), variable, sparse=variable is w)
        (value.sum() * 2 + (other ** 2).sum()).backward(retain_graph=True)
        value.sum().backward()
    assert w.grad.is_sparse
    np.testing.assert_allclose(dense(w.grad), dense(v.grad), rtol=1e-13)
    seen = w.grad
    (w ** 2).sum().backward()
    assert w.grad is seen and not w.grad.is_sparse           # the same Variable, whose data are dense now
    F.embedding(Variable(tensorlib.LongTensor([2])), w, sparse=True).sum().backward()
    (v ** 2).sum().backward()
    v[2].sum().backward()
    assert not w.grad.is_sparse
    np.testing.assert_allclose(dense(w.grad), dense(v.grad), rtol=1e-13)
    (w, out), (v, want) = lookup()
    (out.sum() + (w * 3).sum() + out.sum()).backward()
    (want.sum() + (v * 3).sum() + want.sum()).backward()
    np.testing.assert_allclose(dense(w.grad), dense(v.grad), rtol=1e-13)


def test_zero_grad():
    module = nn.Embedding(5, 2, sparse=True)
    optimizer = optim.SGD(module.parameters(), lr=0.1)
    for clear in (module.zero_grad, optimizer.zero_grad):
        module(Variable(tensorlib.LongTensor([1, 3]))).sum().backward()
        gradient = module.weight.grad
        clear()
        assert module.weight.grad is gradient and gradient.is_sparse and gradient.data._nnz() == 0
        optimizer.step()
    module(Variable(tensorlib.LongTensor([2]))).sum().backward()
    assert dense(module.weight.grad).tolist() == [[0, 0], [0, 0], [1, 1], [0, 0], [0, 0]]


def test_a_computed_matrix_has_a_dense_gradient():
    w = Variable(tensorlib.ones(5, 2), requires_grad=True)
    F.embedding(Variable(tensorlib.LongTensor([1, 1, 3])), w * 2, sparse=True).sum().backward()
    assert not w.grad.is_sparse and dense(w.grad).tolist() == [[0, 0], [4, 4], [0, 0], [2, 2], [0, 0]]


def test_with_a_graph_the_gradient_is_dense_and_can_be_differentiated():
    (w, out), _ = lookup()
    g, = grad((out ** 3).sum(), w, create_graph=True)
    assert not g.is_sparse
    again, = grad((g ** 2).sum(), w)
    assert np.isfinite(dense(again)).all() and dense(again)[1].any()
    g, = grad(F.embedding(Variable(tensorlib.LongTensor([1])), w, sparse=True).sum(), w)
    assert g.is_sparse and dense(g)[1].tolist() == [1, 1]


def test_hooks_and_functions_see_sparse_gradients():
    class Doubled(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            assert g.is_sparse
            return g * 2

    w = Variable(tensorlib.ones(5, 2), requires_grad=True)
    seen = []
    w.register_hook(lambda g: seen.append(g.is_sparse))
    w.register_hook(lambda g: g * 3)
    F.embedding(Variable(tensorlib.LongTensor([1])), Doubled.apply(w), sparse=True).sum().backward()
    assert seen == [True] and w.grad.is_sparse and dense(w.grad)[1].tolist() == [6, 6]
    w.register_hook(lambda g: Variable(g.data.to_dense()))
    with pytest.raises(RuntimeError, match="type"):
        F.embedding(Variable(tensorlib.LongTensor([1])), w, sparse=True).sum().backward()


def test_setting_grad():
    w = Variable(tensorlib.ones(5, 2), requires_grad=True)
    g = sparse.FloatTensor(tensorlib.LongTensor([[1]]), tensorlib.ones(1, 2), tensorlib.Size([5, 2]))
    w.grad = Variable(g)
    assert w.grad.data is g
    for wrong in (g.double(), sparse.FloatTensor(5, 3)):
        with pytest.raises(RuntimeError):
            w.grad = Variable(wrong)
    assert copy.deepcopy(w.grad).data._nnz() == 1


@pytest.mark.parametrize("norm_type", [1, 2, 3.5, float("inf")])
def test_clip_grad_norm(norm_type):
    (w, out), (v, want) = lookup()
    other = [Variable(tensorlib.DoubleTensor(3).fill_(2), requires_grad=True) for _ in range(2)]
    norms = []
    for variable, value, o in ((w, out, other[0]), (v, want, other[1])):
        ((value ** 2).sum() + (o ** 2).sum()).backward()
        norms.append(nn.utils.clip_grad_norm([variable, o], 0.5, norm_type))
    assert abs(norms[0] - norms[1]) < 1e-12 * norms[1] and w.grad.is_sparse
    np.testing.assert_allclose(dense(w.grad), dense(v.grad), rtol=1e-12)
    np.testing.assert_allclose(dense(other[0].grad), dense(other[1].grad), rtol=1e-12)
    w.grad.data.zero_()
    assert nn.utils.clip_grad_norm([w], 0.5, norm_type) == 0


# ---- optimizers ---------------------------------------------------------------------------------------------------

def train(is_sparse, make, steps=6):
    """The weights after some steps; the rows looked up differ from step to step, and repeat."""
    tensorlib.manual_seed(3)
    model = nn.Embedding(7, 3, sparse=is_sparse).double()
    target = Variable(tensorlib.DoubleTensor(4, 3).normal_())
    optimizer = make(model.parameters())
    for step in range(steps):
        optimizer.zero_grad()
        rows = model(Variable(tensorlib.LongTensor([step % 7, 2, (3 * step) % 7, 2])))
        ((rows - target) ** 2).sum().backward()
        assert model.weight.grad.is_sparse == is_sparse
        optimizer.step()
    return model.weight.data.numpy(), optimizer


@pytest.mark.parametrize("make", [
    lambda p: optim.SGD(p, lr=0.1), lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    lambda p: optim.Adagrad(p, lr=0.5), lambda p: optim.Adagrad(p, lr=0.5, lr_decay=0.1)], ids=range(6))
def test_training_is_that_of_dense_gradients(make):
    (w, _), (v, _) = (train(is_sparse, make) for is_sparse in (True, False))
    np.testing.assert_allclose(w, v, rtol=1e-12)


def test_lbfgs_takes_sparse_gradients():
    def trained(is_sparse):
        tensorlib.manual_seed(3)
        model = nn.Embedding(7, 3, sparse=is_sparse).double()
        optimizer = optim.LBFGS(model.parameters(), lr=0.1)

        def closure():
            optimizer.zero_grad()
            loss = (model(Variable(tensorlib.LongTensor([1, 4, 1]))) ** 2).sum()
            loss.backward()
            return loss
        optimizer.step(closure)
        return model.weight.data.numpy()

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-12)


def test_sparse_adam_is_adam_on_the_rows_with_entries():
    """Against its rule in NumPy: rows rest where there is no gradient, and t counts all steps."""
    lr, b1, b2, eps = 0.1, 0.8, 0.95, 1e-6
    got, _ = train(True, lambda p: optim.SparseAdam(p, lr=lr, betas=(b1, b2), eps=eps))
    start, _ = train(True, lambda p: optim.SparseAdam(p), steps=0)
    tensorlib.manual_seed(3)
    nn.Embedding(7, 3).double()
    target = tensorlib.DoubleTensor(4, 3).normal_().numpy()
    w, m, v = start.copy(), np.zeros((7, 3)), np.zeros((7, 3))
    for step in range(6):
        rows = [step % 7, 2, (3 * step) % 7, 2]
        g = np.zeros((7, 3))
        np.add.at(g, rows, 2 * (w[rows] - target))
        for r in set(rows):
            m[r], v[r] = b1 * m[r] + (1 - b1) * g[r], b2 * v[r] + (1 - b2) * g[r] ** 2
            w[r] -= lr * np.sqrt(1 - b2 ** (step + 1)) / (1 - b1 ** (step + 1)) * m[r] / (np.sqrt(v[r]) + eps)
    np.testing.assert_allclose(got, w, rtol=1e-10)


def test_sparse_adam_as_today():
    torch = pytest.importorskip("torch")
    ours = nn.Embedding(7, 3, sparse=True).double()
    theirs = torch.nn.Embedding(7, 3, sparse=True).double()
    theirs.weight.data.copy_(torch.tensor(ours.weight.data.tolist()))
    a, b = optim.SparseAdam(ours.parameters(), lr=0.1), torch.optim.SparseAdam(theirs.parameters(), lr=0.1)
    for step in range(4):
        rows = [step, 2, 6, 2]
        for model, optimizer, index in ((ours, a, Variable(tensorlib.LongTensor(rows))),
                                        (theirs, b, torch.tensor(rows))):
            optimizer.zero_grad()
            (model(index) ** 3).sum().backward()
            optimizer.step()
    np.testing.assert_allclose(ours.weight.data.numpy(), theirs.weight.detach().numpy(), rtol=1e-10)


def test_the_sparse_step_as_scripts_of_the_time_wrote_it():
    """Adagrad by hand, of make_sparse and _sparse_mask, equals ours."""
    w = Variable(tensorlib.ones(5, 2), requires_grad=True)
    (F.embedding(Variable(tensorlib.LongTensor([1, 3, 1])), w, sparse=True) ** 2).sum().backward()
    data, total = w.data.clone(), tensorlib.zeros(5, 2)
    gradient = w.grad.data.coalesce()
    indices, values, size = gradient._indices(), gradient._values(), gradient.size()

    def make_sparse(values):
        return type(gradient)(indices, values, size)
    total.add_(make_sparse(values.pow(2)))
    std = total._sparse_mask(gradient)._values().sqrt_().add_(1e-10)
    data.add_(-0.1, make_sparse(values / std))
    optim.Adagrad([w], lr=0.1).step()
    np.testing.assert_allclose(w.data.numpy(), data.numpy(), rtol=1e-6)


@pytest.mark.parametrize("cls", [optim.Adam, optim.Adamax, optim.Adadelta, optim.RMSprop, optim.ASGD, optim.Rprop])
def test_other_optimizers_say_what_to_use(cls):
    model = nn.Embedding(5, 2, sparse=True)
    before = model.weight.data.tolist()
    optimizer = cls(model.parameters())
    model(Variable(tensorlib.LongTensor([1]))).sum().backward()
    with pytest.raises(RuntimeError, match=r"%s does not support sparse gradients.*sparse.FloatTensor.*\(5, 2\).*use"
                       % cls.__name__):
        optimizer.step()
    assert model.weight.data.tolist() == before and not optimizer.state


def test_what_optimizers_refuse():
    w = Variable(tensorlib.ones(5, 2), requires_grad=True)
    F.embedding(Variable(tensorlib.LongTensor([1])), w, sparse=True).sum().backward()
    for optimizer in (optim.SGD([w], lr=1, weight_decay=0.1), optim.Adagrad([w], weight_decay=0.1)):
        with pytest.raises(RuntimeError, match="weight_decay"):
            optimizer.step()
    w.grad = Variable(tensorlib.ones(5, 2))
    with pytest.raises(RuntimeError, match="use Adam"):
        optim.SparseAdam([w]).step()
    x = Variable(sparse.FloatTensor(5, 2), requires_grad=True)
    x.grad = Variable(tensorlib.ones(5, 2))
    with pytest.raises(RuntimeError, match="sparse parameter"):
        optim.SGD([x], lr=1).step()
    assert w.data.tolist() == [[1, 1]] * 5


def test_a_checkpoint_of_the_optimizer():
    _, optimizer = train(True, lambda p: optim.SparseAdam(p))
    twin = optim.SparseAdam(optimizer.param_groups[0]["params"])
    twin.load_state_dict(optimizer.state_dict())
    parameter, = twin.param_groups[0]["params"]
    assert twin.state[parameter]["step"] == 6


def test_memory_does_not_grow():
    """Over many steps, with zero_grad and without it, and with many lookups in one walk."""
    model = nn.Embedding(2000, 16, sparse=True)
    optimizer = optim.Adagrad(model.parameters(), lr=0.01)

    def steps(count):
        for step in range(count):
            if step % 50 == 0:
                optimizer.zero_grad()
            index = Variable(tensorlib.LongTensor(64).random_(0, 2000))
            sum([model(index).sum() for _ in range(4)]).backward()
            optimizer.step()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = steps(150)
    assert steps(450) < first + 8192            # kilobytes
    for _ in range(50):
        model(Variable(tensorlib.LongTensor(1000).random_(0, 2000))).sum().backward()
    assert model.weight.grad.data._nnz() <= 2000


# ---- Variables on sparse matrices ---------------------------------------------------------------------------------

def matrix():
    rng = np.random.RandomState(0)
    index = np.stack([rng.randint(0, 4, 9), rng.randint(0, 6, 9)])
    return sparse.DoubleTensor(tensorlib.LongTensor(index.tolist()), tensor(rng.randn(9)), tensorlib.Size([4, 6]))


@pytest.mark.parametrize("product", [tensorlib.spmm, tensorlib.dsmm, tensorlib.mm, lambda a, b: a.mm(b),
                                     lambda a, b: a.spmm(b), lambda a, b: a @ b], ids=range(6))
def test_products(product):
    for x in (Variable(matrix()), Variable(matrix().coalesce())):
        check_derivatives(lambda y, x=x: product(x, y) ** 2, np.random.RandomState(1).randn(6, 3))


def test_addmm_and_sums():
    x = matrix()
    start, other = np.random.RandomState(1).randn(4, 3), np.random.RandomState(2).randn(6, 3)
    check_derivatives(lambda c, y: tensorlib.addmm(2, c, 3, Variable(x), y) ** 2, start, other)
    check_derivatives(lambda c, y: c.addmm(Variable(x), y) ** 2, start, other)
    square = np.random.RandomState(3).randn(4, 6)
    check_derivatives(lambda y: (y + Variable(x)) ** 2, square)
    check_derivatives(lambda y: (Variable(x) - y) ** 2, square)
    check_derivatives(lambda y: (y * Variable(x)).to_dense() ** 2, square)
    check_derivatives(lambda y: Variable(x).t().mm(y) ** 2, start)


def test_gradients_by_a_sparse_matrix_are_those_of_the_dense_one():
    x, y = matrix(), Variable(tensor(np.random.RandomState(1).randn(6, 3)))
    for f in (lambda m: m.mm(y), lambda m: (m * 2).mm(y), lambda m: m.t().t().mm(y), lambda m: (m + m).mm(y),
              lambda m: m.clone().to_dense() * 3 if m.is_sparse else m * 3):
        a, b = Variable(x, requires_grad=True), Variable(x.to_dense(), requires_grad=True)
        (f(a) ** 2).sum().backward()
        (f(b) ** 2).sum().backward()
        assert a.grad.size() == a.size()
        np.testing.assert_allclose(dense(a.grad), dense(b.grad), rtol=1e-12)


def test_volatile():
    x, y = Variable(matrix(), volatile=True), Variable(tensor(np.ones((6, 2))), requires_grad=True)
    assert x.mm(y).volatile and (x * 2).volatile and not tensorlib.spmm(Variable(matrix()), y).volatile


def test_in_place():
    y = Variable(tensor(np.ones((4, 6))))
    y += Variable(matrix())
    np.testing.assert_allclose(dense(y), 1 + dense(matrix()), rtol=1e-15)
    z = Variable(matrix())
    z.mul_(3)
    np.testing.assert_allclose(dense(z), 3 * dense(matrix()), rtol=1e-15)


def test_graph_convolution_as_scripts_of_the_time_wrote_it():
    """An old-style Function on a sparse matrix, with products by hand."""
    class SparseMM(Function):
        def forward(self, matrix1, matrix2):
            self.save_for_backward(matrix1, matrix2)
            return tensorlib.mm(matrix1, matrix2)

        def backward(self, grad_output):
            matrix1, matrix2 = self.saved_tensors
            assert self.needs_input_grad == (False, True)
            return None, tensorlib.mm(matrix1.t(), grad_output)

    x, y = matrix(), np.random.RandomState(1).randn(6, 3)
    a, b = (Variable(tensor(y), requires_grad=True) for _ in range(2))
    (SparseMM()(Variable(x), a) ** 2).sum().backward()
    (Variable(x.to_dense()).mm(b) ** 2).sum().backward()
    np.testing.assert_allclose(dense(a.grad), dense(b.grad), rtol=1e-12, atol=1e-15)
