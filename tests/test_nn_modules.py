"""Every layer and loss of the table in nn_modules.py: values, both derivatives, text, copies and casts."""
import pickle

import numpy as np
import pytest
from nn_modules import LAYERS, LOSSES, label, sigmoid
from tensorlib.autograd.gradcheck import gradcheck, gradgradcheck

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable


def inputs_of(c, seed=3):
    random = np.random.RandomState(seed)
    arrays = [random.randn(*size) for size in c.sizes]
    return [np.abs(a) + 0.1 if c.positive else a for a in arrays]


def variables(arrays):
    return [Variable(tensorlib.from_numpy(a.copy()), requires_grad=True) for a in arrays]


def build(c):
    tensorlib.manual_seed(5)
    module = getattr(nn, c.name)(*c.args, **c.kwargs).double()
    return module.eval() if c.name == "RReLU" else module


def flat(result):
    """All Variables of a result, in order."""
    if isinstance(result, (tuple, list)):
        return [v for part in result for v in flat(part)]
    return [result]


@pytest.mark.parametrize("c", LAYERS, ids=label)
def test_first_derivative(c):
    module = build(c)
    params = list(module.parameters())
    xs = variables(inputs_of(c))
    assert gradcheck(lambda *vs: tuple(flat(module(*vs[:len(xs)]))), tuple(xs + params), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("c", LAYERS, ids=label)
def test_second_derivative(c):
    module = build(c)
    xs = variables(inputs_of(c))
    outputs = [v.size() for v in flat(module(*xs))]
    random = np.random.RandomState(8)
    grads = variables([random.randn(*size) for size in outputs])
    inputs = tuple(xs + list(module.parameters()))
    assert gradgradcheck(lambda *vs: tuple(flat(module(*vs[:len(xs)]))), inputs, grads, eps=1e-6, atol=1e-4)


@pytest.mark.parametrize("c", [c for c in LAYERS if c.torch is not False], ids=label)
def test_value_as_in_pytorch_today(c):
    torch = pytest.importorskip("torch")
    module, arrays = build(c), inputs_of(c)
    twin = c.torch(torch, module) if c.torch else getattr(torch.nn, c.name)(*c.args, **c.kwargs)
    twin = twin.double().train(module.training)
    own = twin.state_dict()
    state = {k: torch.from_numpy(v.numpy().copy()) for k, v in module.state_dict().items() if k in own}
    twin.load_state_dict(state, strict=False)
    tolerance = 1e-5 if c.name == "Upsample" else 1e-9      # our interpolation places are of single precision
    xs, ys = variables(arrays), [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    ours, theirs = flat(module(*xs)), flat(twin(*ys))
    tensorlib.autograd.backward([v for v in ours], [tensorlib.ones(v.size()).double() for v in ours])
    sum(v.sum() for v in theirs).backward()
    for a, b in zip(ours + [x.grad for x in xs], theirs + [y.grad for y in ys]):
        np.testing.assert_allclose(a.data.numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("c", [c for c in LAYERS if c.ref], ids=label)
def test_value_as_in_numpy(c):
    arrays = inputs_of(c)
    np.testing.assert_allclose(build(c)(*variables(arrays)).data.numpy(), c.ref(*arrays), rtol=1e-9)


@pytest.mark.parametrize("c", LAYERS, ids=label)
def test_text_copies_and_types(c):
    module = build(c)
    assert repr(module).startswith(c.name)
    twin = pickle.loads(pickle.dumps(module))
    assert repr(twin) == repr(module) and list(twin.state_dict()) == list(module.state_dict())
    arrays = inputs_of(c)
    expected = flat(module(*variables(arrays)))
    for got, want in zip(flat(twin(*variables(arrays))), expected):
        assert (got.data == want.data).all()
    module.float()
    for got, want in zip(flat(module(*[Variable(tensorlib.from_numpy(a).float()) for a in arrays])), expected):
        assert got.data.type() == "tensorlib.FloatTensor"
        np.testing.assert_allclose(got.data.numpy(), want.data.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("c", LAYERS, ids=label)
def test_volatile_inputs(c):
    xs = [Variable(tensorlib.from_numpy(a), volatile=True) for a in inputs_of(c)]
    for y in flat(build(c)(*xs)):
        assert y.volatile and not y.requires_grad


@pytest.mark.parametrize("size_average", [True, False])
@pytest.mark.parametrize("c", LOSSES, ids=lambda c: "%s@%s" % (c.name, "x".join(map(str, c.size))))
def test_losses(c, size_average):
    random = np.random.RandomState(4)
    x, t = random.randn(*c.size), c.target(random, c.size)
    x = sigmoid(x) if c.name == "BCELoss" else x
    module = getattr(nn, c.name)(size_average=size_average, **c.kwargs)
    target, input = Variable(tensorlib.from_numpy(t)), variables([x])[0]
    result = module(input, target)
    terms = c.ref(x, t)
    want = terms.sum() / (1 if not size_average else terms.size if c.means == "all" else len(x))
    assert tuple(result.size()) == (1,)
    np.testing.assert_allclose(result.data.numpy(), [want], rtol=1e-8)
    assert gradcheck(lambda v: module(v, target), (input,), eps=1e-6, atol=1e-5)
    assert gradgradcheck(lambda v: module(v, target), (input,), variables([np.array([0.7])]), eps=1e-6, atol=1e-4)


def test_losses_of_pairs():
    random = np.random.RandomState(4)
    a, b, n = (random.randn(5, 3) for _ in range(3))
    t = np.where(random.rand(5) > 0.5, 1.0, -1.0)
    target = Variable(tensorlib.from_numpy(t))
    cosine = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    got = nn.CosineEmbeddingLoss(margin=0.1)(*variables([a, b]), target)
    np.testing.assert_allclose(got.data.numpy(), [np.where(t == 1, 1 - cosine, np.maximum(0, cosine - 0.1)).mean()])
    got = nn.MarginRankingLoss(margin=0.3, size_average=False)(*variables([a[:, 0], b[:, 0]]), target)
    np.testing.assert_allclose(got.data.numpy(), [np.maximum(0, -t * (a[:, 0] - b[:, 0]) + 0.3).sum()])

    def d(x, y):
        return np.sqrt(((np.abs(x - y) + 1e-6) ** 2).sum(1))
    got = nn.TripletMarginLoss(margin=2.0, swap=True)(*variables([a, b, n]))
    np.testing.assert_allclose(got.data.numpy(), [np.maximum(0, 2 + d(a, b) - np.minimum(d(a, n), d(b, n))).mean()])
    assert gradcheck(nn.TripletMarginLoss(margin=2.0), tuple(variables([a, b, n])))
    assert gradcheck(lambda x, y: nn.CosineEmbeddingLoss()(x, y, target), tuple(variables([a, b])))


def test_class_weights_and_ignored_targets():
    x, t, w = np.random.RandomState(4).randn(4, 3), np.array([0, 2, 1, 1]), np.array([1.0, 2.0, 0.5])
    logp = x - np.log(np.exp(x).sum(1, keepdims=True))
    module = nn.CrossEntropyLoss(tensorlib.from_numpy(w), ignore_index=1)
    got = module(variables([x])[0], Variable(tensorlib.from_numpy(t)))
    np.testing.assert_allclose(got.data.numpy(), [-(w[0] * logp[0, 0] + w[2] * logp[1, 2]) / (w[0] + w[2])])
    assert list(module.state_dict()) == ["weight"]


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "SmoothL1Loss", "BCELoss", "KLDivLoss", "NLLLoss"])
def test_targets_want_no_gradient(name):
    x, t = variables([np.full((2, 3), 0.5), np.full((2, 3), 0.5)])
    with pytest.raises(AssertionError, match="targets"):
        getattr(nn, name)()(x, t)


def test_embedding():
    net = nn.Embedding(5, 2, padding_idx=1).double()
    indices = Variable(tensorlib.LongTensor([[0, 1, 3], [3, 3, 1]]))
    out = net(indices)
    assert out.size() == (2, 3, 2) and (out.data[1, 0] == net.weight.data[3]).all()
    out.sum().backward()
    assert net.weight.grad.data.tolist() == [[1, 1], [0, 0], [0, 0], [3, 3], [0, 0]]
    often = nn.Embedding(4, 2, scale_grad_by_freq=True)
    often(Variable(tensorlib.LongTensor([0, 2, 2]))).sum().backward()
    assert often.weight.grad.data.tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]
    for wrong in ([5], [-1]):
        with pytest.raises(RuntimeError):
            net(Variable(tensorlib.LongTensor(wrong)))
    small = nn.Embedding(3, 2, max_norm=1)
    small.weight.data.fill_(3)
    assert abs(small(Variable(tensorlib.LongTensor([1]))).data.norm() - 1) < 1e-5
    assert small.weight.data[0].norm() > 4


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag(mode):
    net = nn.EmbeddingBag(5, 2, mode=mode).double()
    rows = net.weight.data.numpy()
    out = net(Variable(tensorlib.LongTensor([0, 3, 3, 1])), Variable(tensorlib.LongTensor([0, 1])))
    pool = getattr(np, mode)
    np.testing.assert_allclose(out.data.numpy(), [pool(rows[[0]], 0), pool(rows[[3, 3, 1]], 0)])
    out = net(Variable(tensorlib.LongTensor([[0, 1], [3, 3]])))
    np.testing.assert_allclose(out.data.numpy(), [pool(rows[[0, 1]], 0), pool(rows[[3, 3]], 0)])


@pytest.mark.parametrize("name, size", [("Dropout", (100, 100)), ("Dropout2d", (50, 60, 2, 2)),
                                        ("Dropout3d", (50, 60, 2, 1, 2))])
def test_dropout(name, size):
    module = getattr(nn, name)(0.25)
    x = Variable(tensorlib.ones(*size), requires_grad=True)
    y = module(x)
    values = y.data.view(size[0], size[1], -1) if len(size) > 2 else y.data
    kept = (values > 0).float().mean()
    assert abs(kept - 0.75) < 0.05 and abs(values.max() - 4 / 3) < 1e-6
    if len(size) > 2:
        assert (values.max(2)[0] == values.min(2)[0]).all()
    y.sum().backward()
    assert (x.grad.data == y.data).all()
    assert (module.eval()(x).data == x.data).all() and module(x) is not x
    assert getattr(nn, name)(1)(x).data.abs().sum() == 0


def test_alpha_dropout_keeps_mean_and_variance():
    x = Variable(tensorlib.randn(200, 200))
    y = nn.AlphaDropout(0.3)(x).data
    assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02


def test_batch_norm_statistics():
    net, x = nn.BatchNorm1d(2), Variable(tensorlib.randn(10, 2) * 3 + 1)
    y = net(x).data
    assert abs(net.running_mean[0] - 0.1 * x.data.mean(0)[0]) < 1e-6
    assert abs(net.running_var[1] - (0.9 + 0.1 * x.data.var(0)[1])) < 1e-5
    assert (net.eval()(x).data - y).abs().max() > 0.01


def test_unpooling():
    x = Variable(tensorlib.randn(1, 2, 5, 5), requires_grad=True)
    y, places = nn.MaxPool2d(2, return_indices=True)(x)
    back = nn.MaxUnpool2d(2)(y, places, output_size=x.size())
    assert back.size() == x.size()
    assert ((back.data == x.data) + (back.data == 0) > 0).all() and abs(back.data.sum() - y.data.sum()) < 1e-5
    back.sum().backward()
    assert x.grad.data.sum() == y.numel()
    with pytest.raises(ValueError, match="output_size"):
        nn.MaxUnpool2d(2)(y, places, output_size=(9, 9))


def test_output_size_of_transposed_convolution():
    net, x = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1), Variable(tensorlib.randn(1, 1, 5, 5))
    assert net(x).size() == (1, 1, 9, 9)
    assert net(x, output_size=(10, 9)).size() == (1, 1, 10, 9)
    assert net(x, output_size=(1, 1, 10, 10)).size() == (1, 1, 10, 10)
    with pytest.raises(ValueError, match="valid sizes"):
        net(x, (11, 11))


def test_fractional_pooling():
    x = Variable(tensorlib.randn(2, 3, 10, 9), requires_grad=True)
    y, places = nn.FractionalMaxPool2d(2, output_ratio=(0.5, 0.4), return_indices=True)(x)
    assert y.size() == (2, 3, 5, 3)
    assert (x.data.view(2, 3, -1).gather(2, places.data.view(2, 3, -1)).view(y.size()) == y.data).all()
    y.sum().backward()
    assert x.grad.data.sum() == y.numel()


def test_grid_sampling():
    torch = pytest.importorskip("torch")
    random = np.random.RandomState(0)
    x, theta = random.randn(2, 3, 4, 5), random.randn(2, 2, 3) * 0.7
    ours, angle = variables([x, theta])
    y = nn.functional.grid_sample(ours, nn.functional.affine_grid(angle, tensorlib.Size([2, 3, 3, 4])))
    y.sum().backward()
    a, b = torch.from_numpy(x).requires_grad_(), torch.from_numpy(theta).requires_grad_()
    z = torch.nn.functional.grid_sample(a, torch.nn.functional.affine_grid(b, (2, 3, 3, 4), align_corners=True),
                                        align_corners=True)
    z.sum().backward()
    for got, want in ((y.data, z.detach()), (ours.grad.data, a.grad), (angle.grad.data, b.grad)):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "elu", "selu", "leaky_relu", "rrelu", "dropout"])
def test_in_place(name):
    function = getattr(nn.functional, name)
    x = Variable(tensorlib.randn(3, 4).double(), requires_grad=True)
    z = x * 2
    assert function(z, inplace=True) is z
    assert (z.data == function(x * 2).data).all()
    z.sum().backward()
    y = function(x * 2)
    got, x.grad = x.grad.data, None
    y.sum().backward()
    assert (x.grad.data - got).abs().max() < 1e-12
    with pytest.raises(RuntimeError, match="in-place"):
        function(x, inplace=True)


@pytest.mark.parametrize("call, error", [
    (lambda: nn.Conv2d(3, 4, 2, groups=2), ValueError), (lambda: nn.Dropout(1.5), ValueError),
    (lambda: nn.Hardtanh(1, -1), AssertionError), (lambda: nn.MultiMarginLoss(p=3), ValueError),
    (lambda: nn.RNN(2, 2, nonlinearity="gelu"), ValueError), (lambda: nn.FractionalMaxPool2d(2), ValueError),
    (lambda: nn.RNN(3, 2)(Variable(tensorlib.zeros(4, 3))), RuntimeError),
    (lambda: nn.Conv1d(1, 1, 1, groups=0), ValueError),
    (lambda: nn.Upsample(size=0)(Variable(tensorlib.zeros(1, 1, 2, 2))), ValueError),
    (lambda: nn.Softmax()(Variable(tensorlib.zeros(2))), AssertionError),
    (lambda: nn.Softmax2d()(Variable(tensorlib.zeros(2, 2))), AssertionError),
    (lambda: nn.GLU()(Variable(tensorlib.zeros(2, 3))), RuntimeError),
    (lambda: nn.Conv2d(1, 1, 3)(Variable(tensorlib.zeros(1, 3, 3))), ValueError),
    (lambda: nn.Conv2d(1, 1, 3)(tensorlib.zeros(1, 1, 3, 3)), TypeError),
    (lambda: nn.Conv2d(1, 1, 3)(Variable(tensorlib.zeros(1, 1, 3, 3).double())), RuntimeError),
    (lambda: nn.Linear(3, 2)(Variable(tensorlib.zeros(1, 3).double())), TypeError),
    (lambda: nn.BatchNorm1d(3)(Variable(tensorlib.zeros(2, 4))), RuntimeError),
    (lambda: nn.MaxPool2d(2)(Variable(tensorlib.zeros(4, 4))), RuntimeError),
    (lambda: nn.Upsample(scale_factor=1.5)(Variable(tensorlib.zeros(1, 1, 2, 2))), ValueError),
    (lambda: nn.Upsample(scale_factor=2, mode="cubic")(Variable(tensorlib.zeros(1, 1, 2, 2))), NotImplementedError),
    (lambda: nn.NLLLoss()(Variable(tensorlib.zeros(3)), Variable(tensorlib.LongTensor([0]))), ValueError),
    (lambda: nn.EmbeddingBag(3, 2)(Variable(tensorlib.LongTensor([0]))), ValueError),
    (lambda: nn.BCELoss()(Variable(tensorlib.FloatTensor([2])), Variable(tensorlib.FloatTensor([1]))), RuntimeError)])
def test_errors(call, error):
    with pytest.raises(error):
        call()
