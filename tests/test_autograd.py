"""The engine by hand: what is recorded, how gradients travel, when in-place changes are refused, what memory does."""
import gc
import resource

import numpy as np
import pytest

import tensorlib
from tensorlib import autograd
from tensorlib._ops.storage import memory_stats
from tensorlib.autograd import Function, Variable, gradcheck, gradgradcheck
from tensorlib.autograd.function import once_differentiable
from tensorlib.nn import functional as F


def variable(*values, **flags):
    flags.setdefault("requires_grad", True)
    return Variable(tensorlib.DoubleTensor(values), **flags)


def numbers(v):
    return v.data.tolist()


# ---- gradients ----------------------------------------------------------------------------------------

def test_chain_rule_by_hand():
    x = variable(1, 2)
    y = 5 * (x + 2) ** 2
    (y.sum() / 2).backward()
    assert numbers(x.grad) == [15, 20]


def test_gradients_add_up_in_the_same_object():
    x = variable(1, 2)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first and numbers(first) == [5, 5] and first.volatile


def test_a_shared_gradient_is_not_shared_memory():
    """`a + b` passes one tensor on to both: each leaf must get memory of its own."""
    a, b = variable(1, 2), variable(3, 4)
    w = tensorlib.DoubleTensor([1, 1])
    (a + b).backward(w)
    assert len({t.data_ptr() for t in (a.grad.data, b.grad.data, w)}) == 3
    a.grad.data.fill_(7)
    assert numbers(b.grad) == [1, 1] and w.tolist() == [1, 1]


def test_diamond_visits_a_node_once_all_gradients_came():
    x = variable(3)
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append(g.data[0]))
    (y * 2 + y * y).backward()
    assert seen == [2 + 2 * 9] and x.grad.data[0] == (2 + 2 * 9) * 6


def test_broadcasting_is_undone():
    x = Variable(tensorlib.ones(3, 1).double(), requires_grad=True)
    y = Variable(tensorlib.ones(4).double(), requires_grad=True)
    (x * y * 2).sum().backward()
    assert x.grad.size() == (3, 1) and set(numbers(x.grad.view(-1))) == {8}
    assert y.grad.size() == (4,) and set(numbers(y.grad)) == {6}


def test_second_and_third_derivative():
    x = variable(2)
    g, = autograd.grad(x ** 4, x, create_graph=True)
    h, = autograd.grad(g, x, create_graph=True)
    third, = autograd.grad(h, x)
    assert [numbers(v) for v in (g, h, third)] == [[32], [48], [48]]


def test_hessian_of_a_product():
    x = variable(1, 2, 3)
    g, = autograd.grad(x.prod(), x, create_graph=True)
    rows = [numbers(autograd.grad(g[i], x, retain_graph=True)[0]) for i in range(3)]
    np.testing.assert_allclose(rows, [[0, 3, 2], [3, 0, 1], [2, 1, 0]], atol=1e-12)


def test_grad_returns_and_leaves_leaves_alone():
    x, y = variable(1), variable(2)
    gx, = autograd.grad(x * y, x)
    assert numbers(gx) == [2] and x.grad is None and y.grad is None
    autograd.grad(x * y, x, only_inputs=False)
    assert y.grad is not None and x.grad is None


def test_unused_input_is_named():
    x, y = variable(1), variable(2)
    with pytest.raises(RuntimeError, match="not have been used|unreachable"):
        autograd.grad(x * 2, y)


def test_gradcheck_finds_wrong_derivatives():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = variable(0.5, 1.5)
    w = variable(1, 2)
    assert gradcheck(lambda a: a.exp() * a, (x,)) and not gradcheck(Wrong.apply, (x,))
    assert gradgradcheck(lambda a: a.exp() * a, (x,), (w,))


# ---- what is recorded ---------------------------------------------------------------------------------

def test_volatile_wins_over_requires_grad():
    x, v = variable(1), variable(2, requires_grad=False, volatile=True)
    y = x * v
    assert y.volatile and not y.requires_grad and y.grad_fn is None and y.is_leaf
    with pytest.raises(RuntimeError, match="volatile"):
        y.backward()


def test_both_flags_are_refused():
    with pytest.raises(RuntimeError):
        Variable(tensorlib.ones(1), requires_grad=True, volatile=True)


def test_no_grad_records_nothing_and_ends():
    x = variable(1)
    with tensorlib.no_grad():
        assert not (x * 2).requires_grad
        with tensorlib.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_error_too():
    x = variable(1)
    with pytest.raises(ValueError):
        with tensorlib.no_grad():
            raise ValueError
    assert (x * 2).requires_grad


def test_saved_values_are_freed_and_the_error_says_so():
    x = variable(2)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    z = x + 1
    z.backward()
    z.backward()
    assert x.grad.data[0] == 4 + 2


def test_only_what_is_needed_is_saved():
    """The factor of a constant need not stay alive."""
    x = variable(1, 2)
    w = Variable(tensorlib.DoubleTensor([3, 4]))
    before = memory_stats()["allocated"]
    big = Variable(tensorlib.zeros(1 << 16).double())
    y = x.sum() * 2 + (big * 3).sum()
    del big
    gc.collect()
    assert memory_stats()["allocated"] - before < 1 << 16
    y.backward()
    assert numbers(x.grad) == [2, 2] and w.grad is None


# ---- in place -----------------------------------------------------------------------------------------

def test_sizes_and_numbers_alone_are_not_freed():
    """What saved no tensor may run backward again."""
    x = variable(1, 2)
    for y in (tensorlib.cat([x, x]), x.view(2, 1), x * 3, x.expand(2, 2), x.chunk(2)[1], x.narrow(0, 0, 1)):
        x.grad = None
        z = y.sum()
        z.backward()
        once = numbers(x.grad)
        z.backward()
        assert numbers(x.grad) == [2 * g for g in once]


def test_in_place_error_names_the_operation():
    x = variable(1, 2)
    y = x * 1
    z = y.exp()
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation.*exp"):
        z.sum().backward()


def test_in_place_on_a_leaf_or_a_view_is_refused_and_changes_nothing():
    x = variable(1, 2)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.add_(1)
    y = x * 1
    view = y[0]
    for target in (y, view):
        with pytest.raises(RuntimeError, match="2 objects sharing"):
            target.mul_(2)
    assert numbers(y) == [1, 2]
    del view, target
    y.mul_(2)
    assert numbers(y) == [2, 4]


def test_in_place_history():
    x, y = variable(1, 2), variable(3, 4, requires_grad=False)
    y.add_(x).mul_(3)
    y.sum().backward()
    assert numbers(x.grad) == [3, 3] and y._version == 2


def test_assignment_by_index_takes_the_gradient():
    x, v = variable(1, 2, 3), variable(10)
    y = x * 2
    y[1] = v
    (y * Variable(tensorlib.DoubleTensor([1, 10, 100]))).sum().backward()
    assert numbers(x.grad) == [2, 0, 200] and numbers(v.grad) == [10]


# ---- hooks and Functions ------------------------------------------------------------------------------

def test_hook_replaces_a_gradient_and_can_be_removed():
    x = variable(1)
    handle = x.register_hook(lambda g: g * 10)
    (x * 2).backward()
    handle.remove()
    (x * 2).backward()
    assert x.grad.data[0] == 22


class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_variables
        return g * x * x * 3 * ctx.scale, None


def test_new_style_function_differentiates_twice():
    x = variable(2)
    y = Cube.apply(x, 5)
    g, = autograd.grad(y, x, create_graph=True)
    h, = autograd.grad(g, x)
    assert (numbers(y), numbers(g), numbers(h)) == ([40], [60], [60])
    assert type(y.grad_fn).__name__ == "CubeBackward"


def test_old_style_function():
    class Scale(Function):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            self.save_for_backward(x)
            return x * self.factor

        def backward(self, g):
            x, = self.saved_tensors
            assert isinstance(g, tensorlib.DoubleTensor)
            return g * self.factor

    x = variable(1, 2)
    y = Scale(3)(x)
    y.sum().backward()
    assert numbers(x.grad) == [3, 3] and isinstance(y.grad_fn, Scale)


def test_once_differentiable_says_so():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return g * x * 2

    x = variable(3)
    g, = autograd.grad(Once.apply(x), x, create_graph=True)
    assert numbers(g) == [6]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


@pytest.mark.parametrize("result, match", [((None, None, None, 5), "incorrect number"), (5, "Variable|expected")])
def test_wrong_results_of_a_backward(result, match):
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return result

    with pytest.raises(RuntimeError, match=match):
        Bad.apply(variable(1)).backward()


def test_backward_inside_backward():
    """A Function may run a graph of its own while the outer walk is under way."""
    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, g):
            x = Variable(ctx.saved_tensors[0].clone(), requires_grad=True)
            (x ** 3).backward()
            return Variable(g.data * x.grad.data)

    x = variable(2)
    (Inner.apply(x * 1) * 2).backward()
    assert x.grad.data[0] == 24


# ---- depth and memory ---------------------------------------------------------------------------------

def test_a_chain_of_a_million_nodes():
    x = variable(1)
    y = x
    for _ in range(1000000):
        y = y + 1
    y.backward()
    assert x.grad.data[0] == 1
    del y


def test_saved_tensors_go_as_the_walk_goes():
    """Backward through a long chain of products must not need the memory of all gradients at once."""
    x = Variable(tensorlib.ones(1 << 16), requires_grad=True)
    y = x
    for _ in range(50):
        y = y * y
    loss = y.sum()
    del y
    before = memory_stats()["allocated"]
    loss.backward()
    assert memory_stats()["allocated"] < before - 40 * 4 * (1 << 16)


def test_a_graph_that_is_dropped_is_freed_at_once():
    gc.disable()
    try:
        before = memory_stats()["allocated"]
        for _ in range(20):
            x = Variable(tensorlib.ones(1 << 14), requires_grad=True)
            (x.exp() * x).tanh().sum()
        del x
        assert memory_stats()["allocated"] - before < 1 << 16
    finally:
        gc.enable()


def test_memory_of_a_training_loop_is_flat():
    w = Variable(tensorlib.randn(8, 4), requires_grad=True)
    x, target = Variable(tensorlib.randn(16, 8)), Variable(tensorlib.randn(16, 4))

    def steps(n):
        for _ in range(n):
            loss = ((x.mm(w).tanh() - target) ** 2).mean()
            loss.backward()
            w.data.add_(-0.01, w.grad.data)
            w.grad.data.zero_()

    steps(500)
    gc.collect()
    allocated, resident = memory_stats()["allocated"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps(20000)
    gc.collect()
    assert memory_stats()["allocated"] == allocated
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 2048


def test_inputs_may_come_from_a_generator():
    net = tensorlib.nn.Linear(2, 1)
    out = net(Variable(tensorlib.ones(3, 2))).sum()
    weight, bias = tensorlib.autograd.grad(out, net.parameters())
    assert weight.data.tolist() == [[3, 3]] and bias.data.tolist() == [3]


def test_backward_names_the_output_it_cannot_start_from():
    x = Variable(tensorlib.ones(1), requires_grad=True)
    for other, words in ((x.detach(), "element 1 of variables tuple does not require grad"),
                         (Variable(tensorlib.ones(1), volatile=True), "element 1 of variables tuple is volatile")):
        with pytest.raises(RuntimeError, match=words):
            tensorlib.autograd.backward([x * 2, other])


def test_numpy_never_takes_a_variable_out_of_its_graph():
    x = Variable(tensorlib.ones(2), requires_grad=True)
    (np.float64(3) * x + (np.float64(1) - x)).sum().backward()
    assert x.grad.data.tolist() == [2, 2]
    for operate in (lambda: np.ones(2) * x, lambda: x + np.ones(2), lambda: np.sqrt(x)):
        with pytest.raises(TypeError):
            operate()


@pytest.mark.parametrize("call, derivative", [
    (lambda x: F.relu(x), lambda x: x > 0), (lambda x: F.relu6(x), lambda x: (x > 0) & (x < 6)),
    (lambda x: F.hardtanh(x, -0.5, 0.5), lambda x: np.abs(x) < 0.5),
    (lambda x: F.leaky_relu(x, 0.1), lambda x: np.where(x > 0, 1, 0.1)),
    (lambda x: F.threshold(x, 0.5, 0), lambda x: x > 0.5), (lambda x: (x + 4).sqrt(), lambda x: 0.5 / np.sqrt(x + 4)),
    (lambda x: x.tan(), lambda x: 1 / np.cos(x) ** 2)])
def test_outputs_that_may_be_changed_in_place(call, derivative):
    """v0.2 kept the input of these: `out = F.relu(x); out += shortcut` was usual, and has a gradient."""
    array = np.random.RandomState(0).randn(4, 5) * 0.7
    for scale, change in ((1, lambda y: y.add_(-3)), (2, lambda y: y.mul_(2)), (3, lambda y: y.mul_(3).add_(1) * 1)):
        x = Variable(tensorlib.from_numpy(array.copy()), requires_grad=True)
        change(call(x)).sum().backward()
        np.testing.assert_allclose(x.grad.data.numpy(), scale * derivative(array), rtol=1e-12)
    x = Variable(tensorlib.from_numpy(array.copy()), requires_grad=True)
    y = call(x)
    y += 1
    (first,) = autograd.grad([y.sum()], [x], create_graph=True)
    np.testing.assert_allclose(first.data.numpy(), derivative(array), rtol=1e-12)
    y[0] = 5
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data.numpy()[0], 0)
    np.testing.assert_allclose(x.grad.data.numpy()[1:], derivative(array)[1:], rtol=1e-12)
