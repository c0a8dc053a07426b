"""What a graph shows of itself: names of nodes, edges to the next, and the flags of Variables in it.

The names are those of v0.2, which scripts that draw graphs print.
"""
import threading

import numpy as np
import pytest

import tensorlib
from tensorlib import autograd, nn
from tensorlib._ops.row import Op
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F


def longs(*values):
    return Variable(tensorlib.LongTensor(values))


def name_of(v):
    v = v[0] if isinstance(v, tuple) else v
    return type(v.grad_fn).__name__


NAMES = {
    "Add": lambda x: x + x, "AddConstant": lambda x: x + 1, "Sub": lambda x: x - x, "SubConstant": lambda x: 1 - x,
    "Mul": lambda x: x * x, "MulConstant": lambda x: 2 * x, "Div": lambda x: x / x, "DivConstant": lambda x: 1 / x,
    "Pow": lambda x: x ** x, "PowConstant": lambda x: x ** 2, "Negate": lambda x: -x, "Remainder": lambda x: x % 2,
    "Fmod": lambda x: x.fmod(2), "CmaxConstant": lambda x: x.clamp(min=0), "CminConstant": lambda x: x.clamp(max=1),
    "Clamp": lambda x: x.clamp(0, 1), "Cmax": lambda x: tensorlib.max(x, x), "Exp": lambda x: x.exp(),
    "Sum": lambda x: x.sum(0), "Mean": lambda x: x.mean(), "Max": lambda x: x.max(1), "Norm": lambda x: x.norm(2, 1),
    "Sqrt": lambda x: x.std(0), "Sort": lambda x: x.sort(0), "Kthvalue": lambda x: x.kthvalue(1, 0),
    "Addmm": lambda x: x.mm(x), "Addmv": lambda x: x.mv(x[0]), "Addr": lambda x: x[0].ger(x[1]),
    "Baddbmm": lambda x: x.unsqueeze(0).bmm(x.unsqueeze(0)), "Dot": lambda x: x[0].dot(x[1]),
    "Transpose": lambda x: x.t(), "View": lambda x: x.view(-1), "Expand": lambda x: x.expand(2, 3, 3),
    "Index": lambda x: x[0, 1:], "Chunk": lambda x: x.chunk(2), "Concat": lambda x: tensorlib.stack([x, x]),
    "IndexSelect": lambda x: x[longs(1, 0)], "MaskedSelect": lambda x: x[x > 0], "Type": lambda x: x.float(),
    "Gt": lambda x: x > 0, "Threshold": lambda x: F.relu(x), "LeakyReLU": lambda x: F.leaky_relu(x),
    "ELU": lambda x: F.elu(x), "Softmax": lambda x: F.softmax(x), "LogSoftmax": lambda x: F.log_softmax(x),
    "NLLLoss": lambda x: F.nll_loss(x, longs(0, 1, 2)),
}


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_names_of_nodes(name, requires_grad):
    """Also of what needed no recording: computed Variables always have a grad_fn."""
    x = Variable(tensorlib.rand(3, 3).add_(0.5).double(), requires_grad=requires_grad)
    assert name_of(NAMES[name](x)) == name + "Backward"


LAYERS = {
    "Dropout": lambda x: F.dropout(x, 0.5, True), "FeatureDropout": lambda x: F.dropout2d(x, 0.5, True),
    "MaxPool2d": lambda x: F.max_pool2d(x, 2), "MaxPool1d": lambda x: F.max_pool1d(x[0], 2),
    "AvgPool2d": lambda x: F.avg_pool2d(x, 2), "AvgPool3d": lambda x: F.avg_pool3d(x.unsqueeze(0), 2),
    "AdaptiveAvgPool2d": lambda x: F.adaptive_avg_pool2d(x, 2),
    "AdaptiveMaxPool1d": lambda x: F.adaptive_max_pool1d(x[0], 2), "MaxUnpool2d": lambda x: F.max_unpool2d(
        *F.max_pool2d(x, 2, return_indices=True), 2),
    "ConvNd": lambda x: F.conv2d(x, x), "BatchNorm": lambda x: F.batch_norm(
        x, tensorlib.zeros(2).double(), tensorlib.ones(2).double(), training=True),
    "PReLU": lambda x: F.prelu(x, x[0, 0, 0, :1]), "RReLU": lambda x: F.rrelu(x),
    "UpsamplingNearest2d": lambda x: F.upsample(x, scale_factor=2),
    "UpsamplingBilinear2d": lambda x: F.upsample(x, scale_factor=2, mode="bilinear"),
    "ConstantPadNd": lambda x: F.pad(x, (1, 1, 0, 0)), "ReflectionPad2d": lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
    "ReplicationPad2d": lambda x: F.pad(x, (1, 1, 1, 1), "replicate"),
    "Mean": lambda x: F.binary_cross_entropy_with_logits(x, Variable(x.data.clone().fill_(1))),
    "MarginRankingLoss": lambda x: F.margin_ranking_loss(x, x * 2, Variable(x.data.clone().fill_(1))),
}


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_names_of_layers(name, requires_grad):
    """A layer has its own name, whatever rows it is made of, and gradients go through it all the same."""
    tensorlib.manual_seed(0)            # dropout of whole channels leaves some
    x = Variable(tensorlib.rand(2, 2, 4, 4).double(), requires_grad=requires_grad)
    y = LAYERS[name](x)
    y = y[0] if isinstance(y, tuple) else y
    assert name_of(y) == name + "Backward" and type(y.grad_fn).__module__ == "tensorlib.autograd.function"
    assert y.requires_grad == requires_grad
    if requires_grad:
        (y ** 3).sum().backward()
        assert x.grad.size() == x.size() and x.grad.data.abs().sum() > 0


def test_a_layer_that_changes_nothing_renames_nothing():
    y = Variable(tensorlib.rand(1, 1, 2, 2), requires_grad=True).exp()
    for same in (F.pad(y, (0, 0, 0, 0), "replicate"), F.upsample(y, scale_factor=1)):
        assert same is y and name_of(y) == "ExpBackward"


def test_dropout_is_one_node_of_one_input():
    x = Variable(tensorlib.ones(50), requires_grad=True)
    y = F.dropout(x, 0.5, True)
    assert len(y.grad_fn.next_functions) == 1
    (y * y).sum().backward()
    assert x.grad.data.tolist() == [4 * v for v in y.data.tolist()]
    z = x.exp()
    assert name_of(F.dropout(z, 0.5, True, inplace=True)) == "DropoutBackward" and z._version == 1


def test_in_place_names():
    x = Variable(tensorlib.ones(2))
    assert name_of(x.add_(1)) == "AddConstantBackward"
    assert name_of(x.add_(Variable(tensorlib.ones(2)))) == "AddBackward"


def test_edges():
    a, x = Variable(tensorlib.ones(2)), Variable(tensorlib.ones(2), requires_grad=True)
    edges = (a * x.exp()).grad_fn.next_functions
    assert edges[0] == (None, 0) and type(edges[1][0]).__name__ == "ExpBackward" and edges[1][1] == 0
    end, number = edges[1][0].next_functions[0]
    assert type(end).__name__ == "AccumulateGrad" and end.variable is x and number == 0
    assert end.next_functions == ()
    assert len((a + 1).grad_fn.next_functions) == 1 and len((a + a).grad_fn.next_functions) == 2


def test_pieces_are_outputs_of_one_node():
    x = Variable(tensorlib.arange(0, 10).view(2, 5), requires_grad=True)
    pieces = x.chunk(3, 1)
    assert [p.output_nr for p in pieces] == [0, 1, 2] and len({p.grad_fn for p in pieces}) == 1
    assert [tuple(p.size()) for p in pieces] == [(2, 2), (2, 2), (2, 1)]
    (pieces[0].sum() + (pieces[2] * 3).sum()).backward()
    assert x.grad.data.tolist() == [[1, 1, 0, 0, 3]] * 2
    with pytest.raises(RuntimeError, match="share"):
        pieces[1].add_(1)


def test_history_is_cut_by_grad_fn_alone():
    y = Variable(tensorlib.ones(2), requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="can be only set to None"):
        y._grad_fn = y
    assert y._grad_fn is y.grad_fn
    y._grad_fn = None
    assert y.is_leaf and y.requires_grad and y.grad_fn is None
    y.sum().backward()
    assert y.grad.data.tolist() == [1, 1]
    del y.grad
    assert y.grad is None


@pytest.mark.parametrize("name", ["is_leaf", "grad_fn", "output_nr", "_version"])
def test_what_cannot_be_set(name):
    with pytest.raises(AttributeError):
        setattr(Variable(tensorlib.ones(2)), name, None)


@pytest.mark.parametrize("call", [
    lambda x, t: x + t, lambda x, t: x - t, lambda x, t: x * t, lambda x, t: x / t, lambda x, t: x ** t,
    lambda x, t: x == t, lambda x, t: x < t, lambda x, t: x.add(t), lambda x, t: x.sub(t), lambda x, t: x.mul(t),
    lambda x, t: x.div(t), lambda x, t: x.pow(t), lambda x, t: x.eq(t), lambda x, t: x.ge(t), lambda x, t: x.add_(t),
    lambda x, t: tensorlib.add(x, t), lambda x, t: tensorlib.eq(x, t)])
def test_a_bare_tensor_is_no_operand(call):
    with pytest.raises(AssertionError, match="wrap"):
        call(Variable(tensorlib.ones(2)), tensorlib.ones(2))


@pytest.mark.parametrize("call", [lambda x, t: t + x, lambda x, t: t * x, lambda x, t: t - x, lambda x, t: t == x])
def test_a_variable_is_no_operand_of_a_tensor(call):
    with pytest.raises(TypeError):
        call(Variable(tensorlib.ones(2)), tensorlib.ones(2))


@pytest.mark.parametrize("name", ["mul_", "div_"])
@pytest.mark.parametrize("other", [tensorlib.ones(2), Variable(tensorlib.ones(2))])
def test_scaling_in_place_is_by_numbers(name, other):
    x = Variable(tensorlib.ones(2))
    with pytest.raises(RuntimeError, match="scalar"):
        getattr(x, name)(other)
    assert x._version == 0


def test_data_of_a_tensor_is_a_mistake():
    with pytest.raises(RuntimeError, match="did you intend to use autograd.Variable"):
        tensorlib.ones(2).data  # noqa: B018


def test_a_callback_is_called_at_the_end_of_backward():
    """The engine's part: hooks that see `.grad` changed, and callbacks, inner walks among them."""
    engine, seen = Variable._execution_engine, []
    x, y = (Variable(tensorlib.ones(2), requires_grad=True) for _ in range(2))

    def hook(inputs, outputs):
        seen.append((inputs, outputs[0].data.tolist(), x.grad.data.tolist()))
        engine.queue_callback(lambda: seen.append(y.grad is not None))
        (y * 5).sum().backward()

    end = (x * 1).grad_fn.next_functions[0][0]
    handle = end.register_hook(hook)
    for _ in range(2):
        (x * 3).sum().backward()
    assert seen == [((), [3, 3], [3, 3]), True, ((), [3, 3], [6, 6]), True]
    assert y.grad.data.tolist() == [10, 10]
    handle.remove()
    (x * 3).sum().backward()
    assert len(seen) == 4
    with pytest.raises(RuntimeError, match="during backward only"):
        engine.queue_callback(print)


def test_the_engine_can_be_called_by_its_old_name():
    engine = Variable._execution_engine
    x = Variable(tensorlib.ones(2), requires_grad=True)
    one = Variable(tensorlib.ones(2), volatile=True)
    engine.run_backward((x * 3,), (one,), False)
    assert x.grad.data.tolist() == [3, 3] and x.grad.volatile
    found, = engine.run_backward((x * x * x,), (Variable(tensorlib.ones(2)),), True, (x,), True)
    assert found.data.tolist() == [3, 3] and found.grad_fn is not None
    assert x.grad.data.tolist() == [3, 3]


# ---- volatile keys ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", [tensorlib.ByteTensor([1, 0]), tensorlib.LongTensor([1])])
def test_a_volatile_index_makes_the_result_volatile(key):
    key = Variable(key, volatile=True)
    x = Variable(tensorlib.ones(2), requires_grad=True)
    assert x[key].volatile and not x[key].requires_grad
    y = x * 2
    y[key] = 3
    assert y.volatile and y.grad_fn is None and not y.requires_grad


def test_resize_is_a_view():
    y = Variable(tensorlib.ones(4), requires_grad=True) * 2
    z = y.resize(2, 2)
    with pytest.raises(RuntimeError, match="share storage"):
        y.add_(1)
    del z
    y.add_(1)
    assert (y.view(2, 2).t().resize(4) * Variable(tensorlib.arange(0, 4))).sum().data[0] == 18


def test_linear_shows_the_nodes_of_its_time():
    """One node as long as nobody looks; addmm() behind t() for those who do, before, in and after a walk."""
    layer = nn.Linear(2, 3)
    x = Variable(tensorlib.rand(4, 2), requires_grad=True)
    wanted = tensorlib.ones(4, 3).t().mm(x.data)
    for look in ("never", "before", "between", "during"):
        for p in (x, *layer.parameters()):
            p.grad = None
        y = layer(x)
        assert name_of(y) == "AddmmBackward"
        if look == "before":
            edges = y.grad_fn.next_functions
            assert [type(f).__name__ for f, _ in edges] == ["AccumulateGrad", "AccumulateGrad", "TransposeBackward"]
            assert edges[2][0].next_functions[0][0].variable is layer.weight and y.grad_fn.next_functions == edges
        if look == "during":
            z = y * 1
            z.grad_fn.register_hook(lambda inputs, outputs, fn=y.grad_fn: fn.next_functions and None)
            z.sum().backward()
        else:
            y.sum().backward(retain_graph=look == "between")
        if look == "between":
            assert type(y.grad_fn.next_functions[2][0]).__name__ == "TransposeBackward"
            y.sum().backward()
            layer.weight.grad.data.div_(2)
        assert layer.weight.grad.data.sub(wanted).abs().max() < 1e-6, look
        assert layer.bias.grad.data.tolist() == [8 if look == "between" else 4] * 3


def test_linear_spelled_out_is_differentiated_twice():
    layer, x = nn.Linear(2, 3), Variable(tensorlib.rand(4, 2), requires_grad=True)
    found = []
    for look in (False, True):
        y = layer(x)
        if look:
            y.grad_fn.next_functions  # noqa: B018
        g, = autograd.grad((y ** 3).sum(), x, create_graph=True)
        layer.weight.grad = None
        (g ** 2).sum().backward()
        found.append(layer.weight.grad.data)
    assert found[0].sub(found[1]).abs().max() < 1e-4 * found[0].abs().max()


def test_one_index_is_one_node():
    x = Variable(tensorlib.arange(0, 24).view(2, 3, 4), requires_grad=True)
    y = x[1, ..., None, 1:3]
    assert name_of(y) == "IndexBackward" and y.size() == (3, 1, 2)
    assert y.grad_fn.next_functions[0][0].variable is x
    (y * y).sum().backward()
    wanted = np.zeros((2, 3, 4))
    wanted[1, :, 1:3] = 2 * np.arange(24).reshape(2, 3, 4)[1, :, 1:3]
    assert x.grad.data.tolist() == wanted.tolist()


def test_walks_inside_walks_and_in_other_threads():
    """A hook walks the graph that is being walked; threads walk graphs that meet in one trunk."""
    x = Variable(tensorlib.ones(3), requires_grad=True)
    trunk = x * 2
    y = (trunk * 3).sum()
    inner = []
    y.grad_fn.register_hook(lambda *gs: inner.append(autograd.grad(trunk.sum(), x, retain_graph=True)[0].data.tolist()))
    y.backward(retain_graph=True)
    assert inner == [[2, 2, 2]] and x.grad.data.tolist() == [6, 6, 6]
    x.grad.data.zero_()
    heads = [(trunk * i).sum() for i in range(8)]
    threads = [threading.Thread(target=head.backward, kwargs=dict(retain_graph=True)) for head in heads]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.data.tolist() == [2 * sum(range(8))] * 3


def test_wide_and_deep_graphs_grow_the_table_of_a_walk():
    x = Variable(tensorlib.ones(1), requires_grad=True)
    layer = [x * 1 for _ in range(300)]
    y = sum(sum(layer[i:i + 2]) for i in range(299))
    y.backward()
    assert x.grad.data[0] == 598


def test_operators_of_subclasses():
    class Marked(Variable):
        def __mul__(self, other):
            return "mine"

    v, m = Variable(tensorlib.ones(2), requires_grad=True), Marked(tensorlib.ones(2))
    assert m * v == "mine" and (v * 3).data.tolist() == [3, 3] and (m + v).data.tolist() == [2, 2]
    assert v.__radd__(1).data.tolist() == [2, 2] and v.__rsub__(3).data.tolist() == [2, 2]
    assert (2 ** (v + 1)).data.tolist() == [4, 4] and (1 - v).data.tolist() == [0, 0] and (4 / (v + 1)).data[0] == 2
    with pytest.raises(TypeError):
        "text" + v


def test_a_formula_that_names_too_much_is_refused():
    names = ["a%d" % i for i in range(40)]
    with pytest.raises(ValueError, match="more than 32"):
        Op("many", "many(%s)" % ", ".join(names), names, [None] * 40, None,
           {"a0": eval("lambda g, %s: g" % ", ".join(names))})
