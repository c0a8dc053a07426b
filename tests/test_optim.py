"""Optimizers against their formulas in NumPy and against PyTorch where the rules agree; schedules, checkpoints."""
import copy
import math
import os
import pathlib
import pickle
import subprocess
import sys

import numpy
import pytest

import tensorlib
from tensorlib import optim
from tensorlib.autograd import Variable
from tensorlib.optim import lr_scheduler

START = [numpy.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.5]]), numpy.array([0.3, -0.7, 2.0, 1.0])]


def gradient(values):
    """The gradient of sum(cosh(p0) / 2) + sum((p1 - 1)^2) + 0.1 sum(p0) sum(p1), by hand."""
    a, b = values
    return [numpy.sinh(a) / 2 + 0.1 * b.sum(), 2 * (b - 1) + 0.1 * a.sum()]


def loss_of(a, b):
    return (a.exp() + (-a).exp()).sum() / 4 + ((b - 1) ** 2).sum() + a.sum() * b.sum() * 0.1


def parameters(cls=tensorlib.DoubleTensor):
    return [Variable(tensorlib.from_numpy(p.copy()).type(cls), requires_grad=True) for p in START]


def train(optimizer, params, steps):
    def closure():
        optimizer.zero_grad()
        loss = loss_of(*params)
        loss.backward()
        return loss
    for _ in range(steps):
        optimizer.step(closure)
    return [p.data.numpy().copy() for p in params]


def sgd(p, g, s, t, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    g = g + weight_decay * p
    if momentum:
        s["buf"] = g if t == 1 else momentum * s["buf"] + (1 - dampening) * g
        g = g + momentum * s["buf"] if nesterov else s["buf"]
    return p - lr * g


def adam(p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
    g, (b1, b2) = g + weight_decay * p, betas
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g ** 2
    return p - lr * math.sqrt(1 - b2 ** t) / (1 - b1 ** t) * s["m"] / (numpy.sqrt(s["v"]) + eps)


def adamw(p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    return adam(p * (1 - lr * weight_decay), g, s, t, lr, betas, eps)


def adamax(p, g, s, t, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
    g, (b1, b2) = g + weight_decay * p, betas
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["u"] = numpy.maximum(b2 * s.get("u", 0), abs(g) + eps)
    return p - lr / (1 - b1 ** t) * s["m"] / s["u"]


def adadelta(p, g, s, t, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0):
    g = g + weight_decay * p
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g ** 2
    delta = numpy.sqrt(s.get("acc", 0) + eps) / numpy.sqrt(s["v"] + eps) * g
    s["acc"] = rho * s.get("acc", 0) + (1 - rho) * delta ** 2
    return p - lr * delta


def adagrad(p, g, s, t, lr=1e-2, lr_decay=0, weight_decay=0):
    g = g + weight_decay * p
    s["sum"] = s.get("sum", 0) + g ** 2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (numpy.sqrt(s["sum"]) + 1e-10)


def rmsprop(p, g, s, t, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False):
    g = g + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g ** 2
    s["mean"] = alpha * s.get("mean", 0) + (1 - alpha) * g
    quotient = g / (numpy.sqrt(s["v"] - (s["mean"] ** 2 if centered else 0)) + eps)
    s["buf"] = momentum * s.get("buf", 0) + quotient
    return p - lr * s["buf"]


def asgd(p, g, s, t, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0):
    g, eta, mu = g + weight_decay * p, s.get("eta", lr), s.get("mu", 1)
    p = p * (1 - lambd * eta) - eta * g
    s["ax"] = s.get("ax", 0) + mu * (p - s.get("ax", 0))
    s["eta"], s["mu"] = lr / (1 + lambd * lr * t) ** alpha, 1 / max(1, t - t0)
    return p


def rprop(p, g, s, t, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    agreement = g * s.get("g", 0 * g)
    factor = numpy.where(agreement > 0, etas[1], numpy.where(agreement < 0, etas[0], 1))
    s["step"] = numpy.clip(s.get("step", lr) * factor, *step_sizes)
    s["g"] = numpy.where(agreement < 0, 0, g)
    return p - numpy.sign(s["g"]) * s["step"]


CASES = [
    (optim.SGD, sgd, dict(lr=0.05)),
    (optim.SGD, sgd, dict(lr=0.05, weight_decay=0.1)),
    (optim.SGD, sgd, dict(lr=0.05, momentum=0.9)),
    (optim.SGD, sgd, dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.1)),
    (optim.SGD, sgd, dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    (optim.Adam, adam, dict()),
    (optim.Adam, adam, dict(lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)),
    (optim.AdamW, adamw, dict()),
    (optim.AdamW, adamw, dict(lr=0.1, betas=(0.8, 0.9), weight_decay=0.3)),
    (optim.Adamax, adamax, dict()),
    (optim.Adamax, adamax, dict(lr=0.1, betas=(0.5, 0.9), eps=0.01, weight_decay=0.1)),
    (optim.Adadelta, adadelta, dict()),
    (optim.Adadelta, adadelta, dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1)),
    (optim.Adagrad, adagrad, dict()),
    (optim.Adagrad, adagrad, dict(lr=0.3, lr_decay=0.1, weight_decay=0.1)),
    (optim.RMSprop, rmsprop, dict()),
    (optim.RMSprop, rmsprop, dict(lr=0.05, alpha=0.9, momentum=0.5, weight_decay=0.1)),
    (optim.RMSprop, rmsprop, dict(lr=0.02, alpha=0.8, eps=1e-2, momentum=0.5, centered=True)),
    (optim.ASGD, asgd, dict()),
    (optim.ASGD, asgd, dict(lr=0.05, lambd=0.1, alpha=0.3, t0=3, weight_decay=0.1)),
    (optim.Rprop, rprop, dict()),
    (optim.Rprop, rprop, dict(lr=0.1, etas=(0.4, 1.3), step_sizes=(1e-3, 0.2))),
]
IDS = ["%s-%s" % (cls.__name__, ",".join("%s=%s" % item for item in options.items())) for cls, _, options in CASES]


@pytest.mark.parametrize("cls, rule, options", CASES, ids=IDS)
def test_formula(cls, rule, options):
    """Ten steps in float64 equal the formula."""
    params = parameters()
    ours = train(cls(params, **options), params, 10)
    values, states = [p.copy() for p in START], [{}, {}]
    for t in range(1, 11):
        values = [rule(p, g, s, t, **options) for p, g, s in zip(values, gradient(values), states)]
    for mine, expected in zip(ours, values):
        numpy.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("cls, rule, options", CASES, ids=IDS)
def test_float32_equals_float64(cls, rule, options):
    """The same steps in float32, within its rounding."""
    single, double = parameters(tensorlib.FloatTensor), parameters()
    for a, b in zip(train(cls(single, **options), single, 5), train(cls(double, **options), double, 5)):
        assert a.dtype == numpy.float32
        numpy.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("cls, rule, options", CASES, ids=IDS)
def test_equals_pytorch(cls, rule, options):
    """PyTorch 2 places eps of Adam elsewhere; where eps is small the values still agree."""
    torch = pytest.importorskip("torch")
    if cls is optim.Adam and options.get("eps", 0) > 1e-6:
        pytest.skip("another formula")
    theirs = [torch.tensor(p, requires_grad=True) for p in START]
    optimizer = getattr(torch.optim, cls.__name__)(theirs, **options)
    for _ in range(10):
        optimizer.zero_grad()
        loss_of(*theirs).backward()
        optimizer.step()
    params = parameters()
    for mine, other in zip(train(cls(params, **options), params, 10), theirs):
        numpy.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-6, atol=1e-6)


def test_averages_of_asgd():
    params = parameters()
    optimizer = optim.ASGD(params, lr=0.05, t0=2)
    seen = []
    for _ in range(6):
        seen.append(train(optimizer, params, 1)[1])
    numpy.testing.assert_allclose(optimizer.state[params[1]]["ax"].numpy(), numpy.mean(seen[3:], 0), rtol=1e-9)


@pytest.mark.parametrize("options", [dict(), dict(history_size=2), dict(lr=0.5, max_iter=10)])
def test_lbfgs_finds_the_minimum(options):
    params = parameters()
    optimizer = optim.LBFGS(params, **options)
    train(optimizer, params, 10)
    for g in gradient([p.data.numpy() for p in params]):
        assert abs(g).max() < 1e-4
    assert optimizer.state["global_state"]["func_evals"] > 0


def lbfgs(x, function, memory, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-5, tolerance_change=1e-9,
          history_size=100):
    """One step() in NumPy: two loops over the pairs (s, y), a fixed step (Nocedal and Wright, algorithm 7.4)."""
    loss, g = function(x)
    max_eval = max_eval or max_iter * 5 // 4
    for count in range(1, max_iter + 1):
        if abs(g).sum() <= tolerance_grad:
            return x
        memory["n"] = memory.get("n", 0) + 1
        pairs = memory.setdefault("pairs", [])
        if memory["n"] > 1:
            s, y = memory["d"] * memory["t"], g - memory["g"]
            if s @ y > 1e-10:
                pairs[:] = pairs[len(pairs) == history_size:] + [(s, y)]
                memory["scale"] = (s @ y) / (y @ y)
        d, alphas = -g, []
        for s, y in reversed(pairs):
            alphas.append((s @ d) / (s @ y))
            d = d - alphas[-1] * y
        d = d * memory.get("scale", 1)
        for (s, y), a in zip(pairs, reversed(alphas)):
            d = d + (a - (y @ d) / (s @ y)) * s
        t = min(1, 1 / abs(g).sum()) * lr if memory["n"] == 1 else lr
        memory.update(d=d, t=t, g=g)
        slope, before = g @ d, loss
        x = x + t * d
        if count == max_iter:
            return x
        loss, g = function(x)
        if (count + 1 >= max_eval or slope > -tolerance_change or abs(t * d).sum() <= tolerance_change
                or abs(loss - before) < tolerance_change):
            return x
    return x


@pytest.mark.parametrize("options", [dict(), dict(lr=0.3), dict(lr=0.5, max_iter=4), dict(max_iter=5, history_size=2),
                                     dict(lr=0.2, max_iter=6, max_eval=3), dict(max_iter=9, tolerance_change=0.3),
                                     dict(tolerance_grad=0.5)])
def test_lbfgs_formula(options):
    params, memory = parameters(), {}
    optimizer = optim.LBFGS(params, **options)

    def function(x):
        values = [x[:6].reshape(2, 3), x[6:]]
        loss = numpy.cosh(values[0]).sum() / 2 + ((values[1] - 1) ** 2).sum() + values[0].sum() * values[1].sum() * 0.1
        return loss, numpy.concatenate([g.ravel() for g in gradient(values)])

    x = numpy.concatenate([p.ravel() for p in START])
    for _ in range(4):
        got = train(optimizer, params, 1)
        x = lbfgs(x, function, memory, **options)
        numpy.testing.assert_allclose(numpy.concatenate([p.ravel() for p in got]), x, rtol=1e-7, atol=1e-9)


def test_lbfgs_limits():
    params, calls = parameters(), []
    optimizer = optim.LBFGS(params, max_iter=5, max_eval=3)

    def closure():
        calls.append(1)
        optimizer.zero_grad()
        loss = loss_of(*params)
        loss.backward()
        return loss
    first = loss_of(*params).data[0]
    assert optimizer.step(closure).data[0] == pytest.approx(first)
    assert len(calls) == 3
    with pytest.raises(TypeError):
        optimizer.step()
    with pytest.raises(ValueError):
        optim.LBFGS([{"params": params[:1]}, {"params": params[1:]}])


def test_strided_parameters_and_gradients():
    """A transposed parameter is changed as a dense one is."""
    for cls, _, options in CASES:
        dense = [Variable(tensorlib.from_numpy(START[0].copy()), requires_grad=True)]
        turned = [Variable(tensorlib.from_numpy(START[0].T.copy()).t(), requires_grad=True)]
        for params in dense, turned:
            optimizer = cls(params, **options)
            for _ in range(3):
                optimizer.zero_grad()
                (params[0] ** 2).sum().backward()
                optimizer.step()
        assert not turned[0].data.is_contiguous()
        numpy.testing.assert_allclose(turned[0].data.numpy(), dense[0].data.numpy(), rtol=1e-12)


@pytest.mark.parametrize("cls, rule, options", CASES, ids=IDS)
def test_checkpoint(cls, rule, options):
    """A pickled state_dict continues as if nothing had happened, and loading copies it."""
    straight = parameters()
    expected = train(cls(straight, **options), straight, 6)
    params = parameters()
    first = cls(params, **options)
    train(first, params, 3)
    saved = pickle.loads(pickle.dumps(first.state_dict()))
    before = copy.deepcopy(saved)
    second = cls(params, **dict(options, lr=123.0))
    second.load_state_dict(saved)
    for mine, other in zip(train(second, params, 3), expected):
        numpy.testing.assert_allclose(mine, other, rtol=1e-12)
    assert saved["param_groups"] == before["param_groups"]
    assert sorted(saved["state"]) == sorted(before["state"])


CONTINUES = """
import sys, tensorlib, test_optim
from tensorlib import optim
file, name, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
saved = tensorlib.load(file)
params = [tensorlib.autograd.Variable(t, requires_grad=True) for t in saved["params"]]
optimizer = getattr(optim, name)(params, **options)
optimizer.load_state_dict(saved["optimizer"])
test_optim.train(optimizer, params, 3)
tensorlib.save([p.data for p in params], file)
"""


@pytest.mark.parametrize("name, options", [("Adam", dict(lr=0.1)), ("SGD", dict(lr=0.05, momentum=0.9)),
                                           ("LBFGS", dict(lr=0.1, max_iter=3)), ("Rprop", dict(lr=0.1))])
def test_checkpoint_in_a_fresh_interpreter(name, options, tmp_path):
    """The state is found again where every object has another address."""
    file = str(tmp_path / "checkpoint")
    straight = parameters()
    expected = train(getattr(optim, name)(straight, **options), straight, 6)
    params = parameters()
    optimizer = getattr(optim, name)(params, **options)
    train(optimizer, params, 3)
    tensorlib.save({"params": [p.data for p in params], "optimizer": optimizer.state_dict()}, file)
    here = pathlib.Path(__file__).parent
    subprocess.run([sys.executable, "-c", CONTINUES, file, name, repr(options)], check=True, cwd=str(here),
                   env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(here), str(here.parent)])))
    for mine, other in zip(tensorlib.load(file), expected):
        numpy.testing.assert_allclose(mine.numpy(), other, rtol=1e-12)


def test_weight_decay_of_sgd_changes_the_gradient():
    p = Variable(tensorlib.DoubleTensor([1, 2]), requires_grad=True)
    (p * 3).sum().backward()
    optim.SGD([p], lr=0.1, weight_decay=0.5).step()
    assert p.grad.data.tolist() == [3.5, 4.0]


def test_state():
    a, b = parameters()
    optimizer = optim.SGD([a, b], lr=0.1)
    (a.sum() + b.sum()).backward()
    optimizer.step()
    assert len(optimizer.state) == 0            # plain descent remembers nothing
    assert len(optim.Adagrad([a, b]).state) == 2
    with_momentum = optim.SGD([a, b], lr=0.1, momentum=0.9)
    b.grad = None
    with_momentum.step()
    assert list(with_momentum.state) == [a]     # a parameter without gradient is skipped


def test_groups():
    a, b = parameters()
    optimizer = optim.SGD([{"params": a}, {"params": iter([b]), "lr": 0.5}], lr=0.1)
    (a.sum() + b.sum()).backward()
    optimizer.step()
    numpy.testing.assert_allclose(a.data.numpy(), START[0] - 0.1)
    numpy.testing.assert_allclose(b.data.numpy(), START[1] - 0.5)
    optimizer.param_groups[0]["lr"] = 0
    optimizer.step()
    numpy.testing.assert_allclose(a.data.numpy(), START[0] - 0.1)


def mixed_parameters():
    """Parameters that fit one fused call, between some that do not: strided, of another type, without gradient,
    or on the memory of another."""
    generator = numpy.random.RandomState(5)
    tensors = [tensorlib.from_numpy(generator.randn(3, 4)) for _ in range(8)]
    tensors[1] = tensors[1].t()
    tensors[3] = tensors[3].float()
    tensors[5] = tensors[4][1]
    params = [Variable(t, requires_grad=True) for t in tensors]
    for i, p in enumerate(params):
        if i != 6:
            p.grad = Variable(tensorlib.from_numpy(generator.randn(*p.size())).type(p.data.type()), volatile=True)
    params[2].grad = Variable(params[2].grad.data.t().contiguous().t(), volatile=True)
    return params + [params[0]]


@pytest.mark.parametrize("cls, options", [
    (optim.SGD, dict(lr=0.1)), (optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01)),
    (optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True)), (optim.Adam, dict(lr=0.1, weight_decay=0.01))])
def test_a_run_of_parameters_steps_as_each_alone(cls, options):
    class Alone(cls):
        def update(self, data, grad, state, group):
            super().update(data, grad, state, group)

    results = []
    for kind in cls, Alone:
        params = mixed_parameters()
        optimizer = kind(params, **options)
        for _ in range(3):
            optimizer.step()
        results.append([p.data.tolist() for p in params] + [p.grad.data.tolist() for p in params if p.grad is not None]
                       + [{k: v if isinstance(v, int) else v.tolist() for k, v in optimizer.state.get(p, {}).items()}
                          for p in params])
    assert results[0] == results[1]


def test_a_run_of_parameters_stops_where_one_has_a_sparse_gradient():
    params = mixed_parameters()[:3]
    before = [p.data.tolist() for p in params]
    params[0].grad = params[2].grad = None
    entries = tensorlib.sparse.DoubleTensor(tensorlib.LongTensor([[1], [2]]), tensorlib.DoubleTensor([2]),
                                            params[0].size())
    params[0].grad = Variable(entries, volatile=True)
    optim.SGD(params, lr=0.5).step()
    before[0][1][2] -= 1
    assert params[0].data.tolist() == before[0] and params[2].data.tolist() == before[2]
    assert params[1].data.tolist() != before[1]


def test_zero_grad():
    a, b = parameters()
    optimizer = optim.SGD([a, b], lr=0.1)
    a.sum().backward()
    grad = a.grad
    optimizer.zero_grad()
    assert a.grad is grad and a.grad.data.sum() == 0 and b.grad is None
    (b ** 3).sum().backward(create_graph=True)
    kept = b.grad
    optimizer.zero_grad()
    assert b.grad.data.sum() == 0 and b.grad is not kept and kept.data.sum() != 0


def test_zero_grad_may_drop_gradients():
    a, b = parameters()
    optimizer = optim.SGD([a, b], lr=0.1)
    a.sum().backward()
    optimizer.zero_grad(set_to_none=True)
    assert a.grad is None and b.grad is None


def test_bad_parameters():
    leaf = Variable(tensorlib.ones(2), requires_grad=True)
    for params, error in [
            ([], ValueError), (tensorlib.ones(2), TypeError), (leaf, TypeError), ([tensorlib.ones(2)], TypeError),
            ([leaf * 2], ValueError), ([Variable(tensorlib.ones(2))], ValueError), ({"params": [leaf]}, TypeError),
            ([{"params": [leaf]}, leaf], TypeError), ([{"params": [leaf]}, {"params": [leaf]}], ValueError)]:
        with pytest.raises(error):
            optim.SGD(params, lr=0.1)
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        optim.SGD([leaf])
    with pytest.raises(ValueError, match="Nesterov"):
        optim.SGD([leaf], lr=0.1, momentum=0.9, dampening=0.1, nesterov=True)
    with pytest.raises(TypeError):
        optim.Adam([leaf], nonsense=3)
    with pytest.raises(NotImplementedError):
        optim.Optimizer([leaf], {}).step()


def test_bad_checkpoint():
    a, b = parameters()
    saved = optim.SGD([a, b], lr=0.1).state_dict()
    with pytest.raises(ValueError, match="number of parameter groups"):
        optim.SGD([{"params": [a]}, {"params": [b]}], lr=0.1).load_state_dict(saved)
    with pytest.raises(ValueError, match="match the size"):
        optim.SGD([a], lr=0.1).load_state_dict(saved)


def rates(make, epochs):
    optimizer = optim.SGD([{"params": [Variable(tensorlib.ones(1), requires_grad=True)]},
                           {"params": [Variable(tensorlib.ones(1), requires_grad=True)], "lr": 0.5}], lr=1.0)
    scheduler = make(optimizer)
    seen = []
    for _ in range(epochs):
        scheduler.step()
        seen.append(optimizer.param_groups[0]["lr"])
        assert optimizer.param_groups[1]["lr"] == pytest.approx(seen[-1] / 2)
    return seen


@pytest.mark.parametrize("make, expected", [
    (lambda o: lr_scheduler.StepLR(o, 2), [1, 1, 0.1, 0.1, 0.01]),
    (lambda o: lr_scheduler.MultiStepLR(o, [1, 3], 0.5), [1, 0.5, 0.5, 0.25, 0.25]),
    (lambda o: lr_scheduler.ExponentialLR(o, 0.9), [0.9 ** n for n in range(5)]),
    (lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
    (lambda o: lr_scheduler.CosineAnnealingLR(o, 4), [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125), 0]),
])
def test_schedules(make, expected):
    assert rates(make, 5) == pytest.approx(expected)


def test_schedule_jumps_and_resumes():
    p = Variable(tensorlib.ones(1), requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 3, 0.5)
    scheduler.step(7)
    assert optimizer.param_groups[0]["lr"] == 0.25
    resumed = lr_scheduler.StepLR(optimizer, 3, 0.5, last_epoch=2)
    assert optimizer.param_groups[0]["lr"] == 0.5 and resumed.last_epoch == 2
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optim.SGD([p], lr=1.0), 3, last_epoch=2)
    with pytest.raises(ValueError):
        lr_scheduler.MultiStepLR(optimizer, [3, 1])
    with pytest.raises(ValueError):
        lr_scheduler.LambdaLR(optimizer, [abs, abs])
    with pytest.raises(TypeError):
        lr_scheduler.StepLR(p, 3)


def test_plateau(capsys):
    optimizer = optim.SGD([Variable(tensorlib.ones(1), requires_grad=True)], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=2, min_lr=0.2, verbose=True)
    seen = []
    for metric in [5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]:
        scheduler.step(metric)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == [1, 1, 1, .5, .5, .5, .5, .25, .25, .25, .25, .2]
    assert capsys.readouterr().out.count("reducing learning rate of group 0") == 3
    for mode, metrics in ("max", [1, 1.2, 1.19]), ("min", [1, 0.8, 0.81]):
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode, threshold=0.1, threshold_mode="abs")
        for metric in metrics:
            scheduler.step(metric)
        assert scheduler.best == metrics[1] and scheduler.num_bad_epochs == 1
    for options in dict(mode="mid"), dict(factor=1.0), dict(threshold_mode="x"), dict(min_lr=[0.1, 0.2]):
        with pytest.raises(ValueError):
            lr_scheduler.ReduceLROnPlateau(optimizer, **options)


def test_an_update_from_a_class_beside_keeps_a_run_out():
    """update() of whatever class comes first in the order of look-up; and a class may have both."""
    class Nothing:
        def update(self, data, grad, state, group):
            pass

    class Beside(Nothing, optim.SGD):
        pass

    class Both(optim.SGD):
        def update(self, data, grad, state, group):
            raise AssertionError("the run does it")

        def update_run(self, params, start, group):
            return len(params)

    for cls in Beside, Both:
        params = mixed_parameters()
        before = [p.data.tolist() for p in params]
        cls(params, lr=0.1).step()
        assert [p.data.tolist() for p in params] == before
