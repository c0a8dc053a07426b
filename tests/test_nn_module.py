"""Module, Parameter and the containers: registration, walking, hooks, state, modes, text, copies."""
import copy
import functools
import gc
import pickle
import weakref
from collections import OrderedDict

import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(tensorlib.ones(2))
        self.register_buffer("steps", tensorlib.zeros(1))
        self.register_parameter("absent", None)
        self.body = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 1)
        self.again = self.head

    def forward(self, x):
        return self.head(self.body(x * self.scale.expand_as(x)))


def x_of(*size):
    return Variable(tensorlib.randn(*size))


NAMES = ["scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight", "head.bias"]


def test_walking():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == NAMES
    assert [n for n, _ in net.named_parameters(prefix="net")] == ["net." + n for n in NAMES]
    assert len(list(net.parameters())) == len(NAMES)
    assert [n for n, _ in net.named_children()] == ["body", "head"]
    assert list(net.children()) == [net.body, net.head]
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "head"]
    assert list(net.modules())[0] is net
    assert net.absent is None and net.again is net.head
    assert {"scale", "steps", "absent", "body", "training", "forward"} <= set(dir(net))
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "BatchNorm1d", "Sequential", "Linear", "Net"]


def test_walks_ask_what_a_class_overrides():
    class Frozen(nn.Sequential):
        def named_parameters(self, memo=None, prefix=""):
            return iter([(prefix + "." + n if prefix else n, p) for n, p in (("only", self[0].weight),)
                         if memo is None or p not in memo])

        def train(self, mode=True):
            return super().train(False)

    class Hidden(nn.Sequential):
        def named_children(self):
            return iter([])

        def named_modules(self, memo=None, prefix=""):
            yield prefix, self

    class Childless(nn.Sequential):
        def children(self):
            return iter([])

    frozen, hidden, childless = (cls(nn.Linear(1, 1)) for cls in (Frozen, Hidden, Childless))
    net = nn.Sequential(frozen, hidden, childless, frozen)
    assert [n for n, _ in net.named_parameters()] == ["0.only", "2.0.weight", "2.0.bias"]
    assert list(net.parameters()) == [frozen[0].weight, childless[0].weight, childless[0].bias]
    assert list(frozen.parameters()) == [frozen[0].weight]
    assert [n for n, _ in net.named_modules()] == ["", "0", "0.0", "1", "2", "2.0"]
    assert list(net.modules()) == [net, frozen, frozen[0], hidden, childless, childless[0]]
    assert list(net.children()) == [frozen, hidden, childless] and list(hidden.children()) == []
    net.train()
    assert [m.training for m in (net, frozen, frozen[0])] == [True, False, False]
    seen = []
    net.apply(seen.append)
    assert seen == [frozen[0], frozen, hidden, childless, net]


def test_walks_follow_the_order_of_the_dictionary():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh())
    net._modules["0"] = net._modules.pop("0")
    net._modules["none"] = None
    assert [n for n, _ in net.named_modules()] == ["", "1", "2", "0"] and list(net.children()) == list(net)[:3]
    assert [n for n, _ in net.named_parameters(prefix=None)] == ["0.weight", "0.bias"]
    object.__setattr__(net, "plain", 3)
    assert net.plain == 3 and type(net.parameters()).__name__ == "generator"


def test_assignment():
    net = Net()
    with pytest.raises(TypeError, match="parameter 'scale'"):
        net.scale = tensorlib.ones(2)
    with pytest.raises(TypeError, match="parameter 'scale'"):
        net.scale = Variable(tensorlib.ones(2))
    with pytest.raises(TypeError, match="child module 'body'"):
        net.body = 3
    with pytest.raises(TypeError, match="buffer 'steps'"):
        net.steps = Variable(tensorlib.ones(1))
    net.steps = None
    net.scale = None
    net.body = None
    assert [n for n, _ in net.named_parameters()] == ["head.weight", "head.bias"]
    net.body = nn.Parameter(tensorlib.ones(1))
    assert "body" in dict(net.named_parameters()) and "body" not in dict(net.named_children())
    net.plain = 3
    net.plain = nn.Linear(1, 1)
    assert "plain" in dict(net.named_children()) and "plain" not in net.__dict__
    del net.plain
    assert not hasattr(net, "plain")
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        net.nothing
    with pytest.raises(AttributeError):
        del net.nothing


def test_before_init():
    class Early(nn.Module):
        def __init__(self, value):
            self.value = value

    for value in (nn.Parameter(tensorlib.ones(1)), nn.Linear(1, 1)):
        with pytest.raises(AttributeError, match="before Module.__init__"):
            Early(value)
    assert Early(3).value == 3


def test_registration_errors():
    net = Net()
    with pytest.raises(KeyError, match="already exists"):
        net.add_module("body", nn.ReLU())
    with pytest.raises(TypeError, match="not a Module subclass"):
        net.add_module("other", 3)
    with pytest.raises(TypeError, match="Parameter or None required"):
        net.register_parameter("p", tensorlib.ones(1))
    with pytest.raises(NotImplementedError):
        nn.Module()(x_of(1))


def test_forward_hooks():
    net, calls = Net(), []
    before = net.register_forward_pre_hook(lambda m, i: calls.append(("pre", m is net, len(i))))
    after = net.register_forward_hook(lambda m, i, o: calls.append(("post", tuple(o.size()))))
    net(x_of(4, 2))
    assert calls == [("pre", True, 1), ("post", (4, 1))]
    before.remove()
    after.remove()
    net(x_of(4, 2))
    assert len(calls) == 2
    net.register_forward_hook(lambda m, i, o: o)
    with pytest.raises(RuntimeError, match="never return"):
        net(x_of(4, 2))


def test_backward_hooks():
    relu, seen = nn.ReLU(), []
    x = Variable(tensorlib.FloatTensor([1, -1]), requires_grad=True)
    handle = relu.register_backward_hook(lambda m, gi, go: seen.append((m is relu, gi[0].data[0], go[0].data[0])))
    (relu(x) * 3).sum().backward()
    assert seen == [(True, 3.0, 3.0)]
    handle.remove()
    relu.register_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    x.grad = None
    relu(x).sum().backward()
    assert x.grad.data.tolist() == [2.0, 0.0]


def test_state_dict():
    net = Net()
    state = net.state_dict()
    keys = ["scale", "steps", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "body.1.running_mean",
            "body.1.running_var", "head.weight", "head.bias", "again.weight", "again.bias"]
    assert list(state) == keys and isinstance(state, OrderedDict)
    assert state["scale"] is net.scale.data
    given = OrderedDict(first=1)
    assert net.state_dict(given, "x.") is given and list(given) == ["first"] + ["x." + k for k in keys]

    other = Net()
    other.load_state_dict(state)
    assert all((a == b).all() for a, b in zip(state.values(), other.state_dict().values()))
    assert other.scale.data is not net.scale.data


def test_state_dict_into_a_dict_of_ones_own():
    net, into = nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2)), {}
    assert net.state_dict(into, "net.") is into
    assert list(into)[:3] == ["net.0.weight", "net.0.bias", "net.1.weight"]
    kept = net.state_dict(keep_vars=True)
    assert kept["0.weight"] is net[0].weight and kept["1.running_mean"] is net[1].running_mean


def test_load_state_dict_errors(capsys):
    net = Net()
    extra = net.state_dict()
    extra["more"] = tensorlib.ones(1)
    with pytest.raises(KeyError, match='unexpected key "more" in state_dict'):
        net.load_state_dict(extra)
    less = net.state_dict()
    del less["scale"]
    with pytest.raises(KeyError, match="missing keys in state_dict: .*scale"):
        net.load_state_dict(less)
    wrong = net.state_dict()
    wrong["scale"] = tensorlib.ones(3)
    with pytest.raises(RuntimeError):
        net.load_state_dict(wrong)
    assert "parameter named scale" in capsys.readouterr().out
    with pytest.raises(TypeError):
        net.load_state_dict({}, strict=False)


def test_casts_keep_parameters_and_gradients():
    net = Net()
    weight = net.head.weight
    net(x_of(4, 2)).sum().backward()
    assert net.double() is net
    assert net.head.weight is weight
    assert {t.type() for t in net.state_dict().values()} == {"tensorlib.DoubleTensor"}
    assert weight.grad.data.type() == "tensorlib.DoubleTensor"
    net.float()
    assert net.type(tensorlib.DoubleTensor).steps.type() == "tensorlib.DoubleTensor"
    assert net.cpu() is net


def test_modes():
    net = Net()
    assert net.training and net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train().body[1].training


def test_zero_grad():
    net = Net()
    net.zero_grad()
    net(x_of(4, 2)).sum().backward()
    grad = net.scale.grad
    net.zero_grad()
    assert net.scale.grad is grad and grad.data.abs().sum() == 0
    net.scale.grad = None
    net(x_of(4, 2)).sum().backward(create_graph=True)
    grad = net.scale.grad
    net.zero_grad()
    assert net.scale.grad is not grad and not net.scale.grad.volatile and net.scale.grad.data.abs().sum() == 0


def test_copies_and_pickle():
    net = Net()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.again is twin.head and type(twin.scale) is nn.Parameter
        twin.scale.data.fill_(7)
        assert net.scale.data[0] == 1
        assert list(twin.state_dict()) == list(net.state_dict())
        x = x_of(4, 2)
        twin.scale.data.fill_(1)
        assert (twin.eval()(x).data == net.eval()(x).data).all()
        net.train()


def test_parameter():
    p = nn.Parameter(tensorlib.ones(2))
    assert p.requires_grad and not p.volatile and isinstance(p, Variable)
    assert repr(p) == "Parameter containing:\n 1\n 1\n[tensorlib.FloatTensor of size 2]\n"
    assert type(p * 2) is Variable
    assert not nn.Parameter(tensorlib.ones(2), requires_grad=False).requires_grad
    for wrong in ([1, 2], p):
        with pytest.raises(RuntimeError):
            nn.Parameter(wrong)
    with pytest.raises(TypeError):
        nn.Parameter(tensorlib.ones(2), volatile=True)


def test_sequential():
    net = nn.Sequential(OrderedDict([("a", nn.Linear(2, 3)), ("b", nn.ReLU())]))
    assert net[0] is net.a and net[-1] is net.b and len(net) == 2 and list(net) == [net.a, net.b]
    assert repr(net) == "Sequential (\n  (a): Linear (2 -> 3)\n  (b): ReLU ()\n)"
    for wrong, error in ((2, IndexError), (-3, IndexError), ("a", TypeError)):
        with pytest.raises(error):
            net[wrong]
    x = x_of(1, 2)
    assert nn.Sequential()(x) is x and not nn.Sequential()
    assert net(x).size() == (1, 3)


def fused(net):
    """Whether the last two layers of a network run as one."""
    x = Variable(tensorlib.randn(4, 3))
    y = net(x)
    return type(y.grad_fn).__name__ == "BatchNormReluBackward"


def test_sequential_fuses_normalisation_with_relu():
    """Value, gradients and statistics are those of one layer after the other."""
    nets = [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace), nn.BatchNorm1d(4), nn.BatchNorm1d(4),
                          nn.ReLU(), nn.ReLU(), nn.BatchNorm1d(4)) for inplace in (False, True)]
    nets[1].load_state_dict(nets[0].state_dict())
    x, results = tensorlib.randn(5, 3), []
    for net, run in zip(nets, (lambda net, y: net(y), lambda net, x: functools.reduce(lambda x, m: m(x), net, x))):
        v = Variable(x.clone(), requires_grad=True)
        for _ in range(2):
            y = run(net, v)
        (y * y).sum().backward()
        net.eval()
        results.append([y.data, run(net, v).data, v.grad.data] + [p.grad.data for p in net.parameters()]
                       + list(net.state_dict().values()))
    assert fused(nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()))
    for got, want in zip(*results):
        assert (got - want).abs().max() < 1e-5


def test_sequential_fuses_only_what_is_plain():
    """Hooks see every layer, and what a subclass, an instance or a patch overrides is called."""
    class Louder(nn.ReLU):
        def forward(self, input):
            return super().forward(input) * 2

    class Named(nn.BatchNorm1d):
        pass

    assert fused(nn.Sequential(Named(3), nn.ReLU()))
    x = Variable(tensorlib.randn(4, 3))
    louder = nn.Sequential(nn.BatchNorm1d(3), Louder())
    assert not fused(louder) and (louder(x) - 2 * louder[0](x).clamp(min=0)).data.abs().max() == 0
    for change in (
            lambda m: m.register_forward_hook(lambda *_: None),
            lambda m: m.register_forward_pre_hook(lambda *_: None),
            lambda m: m.register_backward_hook(lambda *_: None),
            lambda m: setattr(m, "forward", type(m).forward.__get__(m))):
        for place in (0, 1):
            net = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU())
            handle = change(net[place])
            assert not fused(net)
            if handle is not None:
                handle.remove()
                assert fused(net)


def test_sequential_calls_a_patched_forward(monkeypatch):
    seen = []
    forward = nn.ReLU.forward
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, input: seen.append(input) or forward(self, input))
    nn.Sequential(nn.BatchNorm1d(3), nn.ReLU())(Variable(tensorlib.randn(4, 3)))
    assert len(seen) == 1


def test_module_list():
    layers = nn.ModuleList([nn.Linear(2, 2)])
    layers.append(nn.ReLU()).extend([nn.Tanh()])
    layers += [nn.Sigmoid()]
    layers[1] = nn.ELU()
    assert [type(m).__name__ for m in layers] == ["Linear", "ELU", "Tanh", "Sigmoid"] and len(layers) == 4
    assert layers[-1] is layers[3]
    with pytest.raises(TypeError):
        layers.extend((nn.ReLU(),))
    with pytest.raises(IndexError):
        layers[4]


@pytest.mark.parametrize("container", [lambda layers: nn.ModuleList(layers), lambda layers: nn.Sequential(*layers)])
def test_containers_follow_their_dictionary(container):
    """Iteration is in the order of _modules, whatever was done to it, and notices changes on its way."""
    layers = container([nn.Linear(2, 2), nn.ReLU(), nn.Tanh(), nn.Sigmoid()])
    for change in (lambda d: d.update({"1": d.pop("1")}), lambda d: d.pop("0"), lambda d: d.update({"0": nn.ELU()}),
                   lambda d: d.popitem(), lambda d: d.update({"4": nn.ELU()}), lambda d: d.update({"1": None})):
        change(layers._modules)
        assert list(layers) == list(layers._modules.values())
    with pytest.raises(RuntimeError, match="changed size during iteration"):
        for _ in layers:
            layers._modules["more"] = nn.ReLU()
    walk = iter(layers)
    assert iter(walk) is walk and len(list(walk)) == 5 and list(walk) == []


@pytest.mark.parametrize("container", [nn.ModuleList, lambda modules: nn.Sequential(*modules)])
def test_containers_saved_with_an_ordered_dict_follow_it(container):
    first, second = nn.Linear(2, 3), nn.Linear(3, 2)
    layers = container([first, second])
    layers._modules = OrderedDict(layers._modules)
    layers._modules.move_to_end("0")
    assert list(layers) == list(layers.children()) == [second, first] and layers[0] is second
    assert [name for name, _ in layers.named_parameters()][0] == "1.weight"


def test_sequential_runs_in_the_order_of_its_dictionary():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    net._modules["0"] = net._modules.pop("0")
    assert net(Variable(tensorlib.ones(1, 3))).size() == (1, 3)


class Chatty(nn.Module):
    """Makes up attributes, and asks the base class for those it does not know."""

    def __getattr__(self, name):
        return "made up" if name.startswith("x_") else super().__getattr__(name)


def test_look_up_by_methods_of_a_class():
    module = Chatty()
    module.weight = nn.Parameter(tensorlib.ones(1))
    assert module.weight is module._parameters["weight"] and module.training is True
    for _ in range(2):                      # the first look-up may change how the next one goes
        assert module.x_y == "made up"
        with pytest.raises(AttributeError, match="'Chatty' object has no attribute 'y'"):
            module.y


def test_look_up_by_methods_that_come_later():
    """A class that has looked up attributes the usual way may still get methods of its own, as may its base."""
    class Base(nn.Module):
        pass

    class Derived(Base):
        pass

    module = Derived()
    with pytest.raises(AttributeError):
        module.y
    Base.__getattr__ = lambda self, name: "made up"
    assert module.y == "made up" and module.training is True
    Derived.__getattribute__ = lambda self, name: "all " + name
    assert module.training == "all training" and Base().training is True
    del Derived.__getattribute__, Base.__getattr__
    assert module.training is True
    with pytest.raises(AttributeError, match="'Derived' object has no attribute 'y'"):
        module.y


def test_parameter_list():
    params = nn.ParameterList([nn.Parameter(tensorlib.ones(2))])
    params.append(nn.Parameter(tensorlib.zeros(1)))
    params[0] = nn.Parameter(tensorlib.zeros(3))
    assert [p.numel() for p in params] == [3, 1] and len(params) == 2 and params[1].numel() == 1
    assert list(params.state_dict()) == ["0", "1"] and repr(params) == "ParameterList (\n)"
    with pytest.raises(TypeError):
        params.append(tensorlib.ones(1))
    with pytest.raises(TypeError):
        params.extend(())


def test_container_is_deprecated():
    with pytest.warns(UserWarning, match="deprecated"):
        box = nn.Container(layer=nn.Linear(1, 1))
    assert [n for n, _ in box.named_children()] == ["layer"]


def test_data_parallel_without_gpus_just_calls():
    net = nn.DataParallel(nn.Linear(2, 3))
    x = x_of(4, 2)
    assert (net(x).data == net.module(x).data).all()
    assert list(net.state_dict()) == ["module.weight", "module.bias"]


def test_module_is_found_where_scripts_of_the_time_import_it():
    from tensorlib.nn.modules import Module
    from tensorlib.nn.modules.module import Module as by_file
    assert Module is by_file is nn.Module


class Watched(nn.Module):
    """Finds attributes that nobody set."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def __getattr__(self, name):
        if name == "wish":
            return self.inner.bias
        return super().__getattr__(name)

    def forward(self, x, *more, twice=False):
        x = self.inner(x) + self.wish
        return x * 2 if twice else x


def test_look_up_of_attributes():
    """Class before instance before what is registered; __getattr__ of a subclass comes last."""
    net = Watched()
    assert net.wish is net.inner.bias and net._modules["inner"] is net.inner
    assert net(x_of(1, 2), *range(20), twice=True).size() == (1, 2)
    with pytest.raises(AttributeError, match="'Watched' object has no attribute 'nothing'"):
        net.nothing  # noqa: B018
    net._parameters["forward"] = net._parameters["dump_patches"] = None
    assert callable(net.forward) and net.dump_patches is False
    del net._parameters["forward"], net._parameters["dump_patches"]
    assert not hasattr(nn.Module.__new__(nn.Module), "training")
    net.forward = lambda x: "of the instance"
    assert net(1) == "of the instance"
    del net.forward
    assert net(x_of(1, 2)).size() == (1, 2)


def test_modules_are_objects_like_others():
    net = Watched()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        twin = pickle.loads(pickle.dumps(net, protocol))
        assert type(twin) is Watched and twin.inner.weight.data.tolist() == net.inner.weight.data.tolist()
    net.itself = [net]
    reference = weakref.ref(net)
    del net
    gc.collect()
    assert reference() is None
    other = nn.Linear(1, 1)
    other.__dict__ = dict(other.__dict__, extra=1)
    assert other.extra == 1 and other.weight.size() == (1, 1)
    with pytest.raises(AttributeError, match="_forward_pre_hooks"):
        nn.Module.__new__(nn.Linear)(1)
