"""Programs of Variables: the same expressions with PyTorch of today, where it is installed; values and gradients agree.

Each operation has one text that both sides understand. Values stay small and, where positions matter, distinct.
"""
import numpy as np
from program import Step

import tensorlib
from tensorlib.autograd import Variable, grad

UNARY = ["{a}.tanh()", "{a}.sigmoid()", "{a}.sin()", "{a}.cos()", "{a}.exp()", "{a} * {a}", "({a} * {a} + 1).sqrt()",
         "({a} * {a} + 0.5).log()", "-{a}", "{a} * 2 - 1", "1 - {a}", "2 / ({a} * {a} + 1)", "{a}.clamp(-1, 1)",
         "{a}.abs()", "{a} ** 2", "({a} * {a} + 1).pow(1.5)", "({a} * {a} + 1).rsqrt()", "({a} * {a} + 1).reciprocal()",
         "{a}.atan()", "({a} * 1).mul_(3)", "({a} + 0).add_(1)", "({a} * 1).tanh_()", "{a}.clone()", "{a}.contiguous()",
         "2 ** {a}", "{a} / 3", "{a}.sinh()", "{a}.cosh()", "({a} * 0.1).tan()", "({a}.tanh() * 0.5).asin()",
         "({a}.tanh() * 0.5).acos()", "({a} * {a}).log1p()", "{a}.floor() + {a}", "{a}.sign() * {a}",
         "{a}.masked_fill({a} > 0, 0.5)", "{a}.sum()", "{a}.mean()", "{a}.view(-1)"]
DIMMED = ["{a}.sum({d}, {k})", "{a}.mean({d}, {k})", "{a}.cumsum({d})", "{a}.unsqueeze({d})", "{a}.squeeze({d})",
          "{a}.narrow({d}, 0, 1)", "{a}.transpose({d}, 0)", "torch.cat([{a}, {a} * 2], {d})",
          "torch.stack([{a}, {a}.sin()], {d})", "{a}.var({d}, unbiased=True, keepdim={k})",
          "{a}.prod({d}, {k})", "{a}.cumprod({d})",
          "{a}.chunk(2, {d})[0]", "{a}.split(1, {d})[-1]", "{a}.unfold({d}, 1, 1)", "({a} * {a} + 1).norm(2, {d}, {k})",
          "({a} + 3).norm(3, {d}, {k})", "F.softmax({a}, {d})", "F.log_softmax({a}, {d})"]
DISTINCT = ["{a}.max({d}, {k})[0]", "{a}.min({d}, {k})[0]", "{a}.sort({d})[0]", "{a}.sort({d}, True)[0]",
            "{a}.median({d}, {k})[0]", "{a}.topk(1, {d})[0]", "{a}.kthvalue(1, {d}, {k})[0]", "{a}.max()", "{a}.min()"]
BINARY = ["{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / ({b} * {b} + 1)", "torch.max({a}, {b} + 0.01)",
          "torch.min({a}, {b} + 0.01)", "torch.atan2({a}, {b} * {b} + 1)", "({a} * {a} + 1) ** {b}.tanh()",
          "torch.addcmul({a} + {b}, 2, {a}, {b})", "torch.lerp({a} + {b}, {a} * {b}, 0.3)"]
MATRIX = ["{a}.t()", "{a}.mm({a}.t())", "{a}.tril()", "{a}.triu(1)", "{a}.matmul({a}.t())", "{a}[0]", "{a}[:, 0]",
          "{a}[-1:]", "{a}[:, ::2]", "{a}.expand(2, *{a}.size())", "{a}.repeat(2, 1)", "{a}.permute(1, 0)",
          "{a}.t().contiguous().view(-1)", "F.relu({a} - 0.01)", "{a}.mm({a}.t()).trace()",
          "{a}.unsqueeze(0).bmm({a}.t().unsqueeze(0))"]


def graph_sides():
    """The names on both sides; None without PyTorch."""
    try:
        import torch    # late: it takes seconds
        import torch.nn.functional as theirs
    except ImportError:
        return None

    import tensorlib.nn.functional as ours
    return ({"torch": tensorlib, "F": ours, "leaf": leaf, "gradients": gradients},
            {"torch": torch, "F": theirs, "leaf": torch_leaf, "gradients": torch_gradients})


def leaf(values, *size):
    return Variable(tensorlib.DoubleTensor(values).view(*size), requires_grad=True)


def torch_leaf(values, *size):
    import torch
    return torch.tensor(np.array(values).reshape(size), requires_grad=True)


def scalar(outputs):
    """A number of outputs that every element moves otherwise."""
    return sum((out * out * 0.5 + out).sum() + (out.sum() * 0.3) for out in outputs)


def gradients(outputs, leaves, second):
    """First gradients, or second ones of them."""
    return of_gradients(grad, outputs, leaves, second)


def torch_gradients(outputs, leaves, second):
    import torch
    return of_gradients(torch.autograd.grad, outputs, leaves, second)


def of_gradients(grad, outputs, leaves, second):
    whole = scalar(outputs) + sum((v * 0).sum() for v in leaves)
    firsts = grad(whole, leaves, create_graph=second)
    if not second:
        return firsts
    whole = sum((g * g).sum() for g in firsts) + sum((v * v * 0).sum() for v in leaves)
    return firsts + grad(whole, leaves)


def values_of(program, name):
    return program.mirror[name].detach().numpy()


def text(rng, program, name):
    """The text of a step on a Variable, or None."""
    a = values_of(program, name)
    form = rng.choice(rng.choice([UNARY, DIMMED, DISTINCT, BINARY, MATRIX]))
    if np.abs(a).max() > 4 or a.size > 60:
        form = rng.choice(["{a}.tanh()", "{a}.sigmoid()", "{a}.mean()"])
    if form in MATRIX and a.ndim != 2 or form in DISTINCT and len(np.unique(a.round(9))) < a.size:
        return None
    if "var(" in form and min(a.shape) < 2 or "prod" in form and np.abs(a).min() < 1e-3:
        return None
    others = [n for n in program.live if fits(a, values_of(program, n))]
    dim = rng.randrange(max(1, a.ndim))
    return form.format(a=name, b=rng.choice(others or [name]), d=dim, k=rng.random() < 0.5 if a.ndim > 1 else True)


def fits(a, b):
    try:
        return len(np.broadcast_shapes(a.shape, b.shape)) and np.abs(b).max() < 4
    except ValueError:
        return False


def create(rng, program, name):
    size = [rng.randint(1, 3) for _ in range(rng.randint(1, 3))]
    values = [round(rng.uniform(-2, 2), 3) for _ in range(int(np.prod(size)))]
    source = "leaf(%r, %s)" % (values, ", ".join(map(str, size)))
    program.run(Step("leaf", [name], source, source))


def draw_graph(rng, program, steps):
    """Run a graph of randomly drawn steps, and its gradients. Raises Difference."""
    leaves = ["x%d" % i for i in range(rng.randint(1, 3))]
    for name in leaves:
        create(rng, program, name)
    for i in range(len(leaves), steps):
        usable = [n for n in program.live if values_of(program, n).ndim]
        source = text(rng, program, rng.choice(usable[-4:]))
        if source is not None:
            program.run(Step("graph", ["x%d" % i], source, source))
    outputs = program.live[-3:]
    source = "gradients([%s], [%s], %s)" % (", ".join(outputs), ", ".join(leaves), rng.random() < 0.4)
    program.run(Step("gradients", [], source, source))
