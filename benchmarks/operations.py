"""Single operations against PyTorch: elementwise, reductions, softmax and losses, pooling, copies, sorting, indexing.

    python benchmarks/operations.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]
"""
import tensorlib
import tensorlib.nn.functional as F
from _measure import main, torch
from tensorlib.autograd import Variable

BIG, MIDDLE = (10000, 1000), (1000, 1000)
# 10^9 bytes that have to be read and written at least. Rows of 10^6 stay in the cache: memory is no limit of theirs.
TRAFFIC = {"add 10^7": 0.12, "add in place 10^7": 0.12, "sum 10^7": 0.04, "add row 10^6": 0.008,
           "add column 10^6": 0.008, "add transposed 10^6": 0.012, "mul number 10^6": 0.008, "exp 10^6": 0.008,
           "tanh 10^6": 0.008, "sigmoid 10^6": 0.008, "clamp 10^6": 0.008, "compare 10^6": 0.009,
           "to double 10^6": 0.012, "sum dim 0 10^6": 0.004, "sum dim 1 10^6": 0.004, "norm 10^6": 0.004,
           "softmax rows of 1000": 0.008, "transposed copy 10^6": 0.008, "cat dim 0": 0.016, "cat dim 1": 0.016}


def both(call, *sizes, prepare=None, kind="float"):
    """The same call on the same random tensors of each side, of a type that the method of this name makes."""
    made = []
    for module in (tensorlib, torch):
        if module is None:
            made.append(None)
            continue
        tensors = [module.from_numpy(getattr(t, kind)().numpy()) for t in seeded(*sizes)]
        extra = prepare(module) if prepare else ()
        made.append(lambda module=module, tensors=tensors, extra=extra: call(module, *tensors, *extra))
    return made


def seeded(*sizes):
    tensorlib.manual_seed(0)
    return [tensorlib.randn(*size) for size in sizes]


def elementwise():
    yield "add 10^7", both(lambda m, a, b: a + b, BIG, BIG), 2
    yield "add in place 10^7", both(lambda m, a, b: a.add_(b), BIG, BIG), 1
    yield "add row 10^6", both(lambda m, a, b: a + b, MIDDLE, (1000,)), 1
    yield "add column 10^6", both(lambda m, a, b: a + b, MIDDLE, (1000, 1)), 1
    yield "add transposed 10^6", both(lambda m, a, b: a + b.t(), MIDDLE, MIDDLE), 1
    yield "mul number 10^6", both(lambda m, a: a * 2, MIDDLE), 1
    for name in ("exp", "tanh", "sigmoid"):
        yield name + " 10^6", both(lambda m, a, name=name: getattr(m, name)(a), MIDDLE), 1.2
    yield "log 10^6", both(lambda m, a: m.log(a.abs()), MIDDLE), 1
    yield "sqrt 10^6", both(lambda m, a: m.sqrt(a.abs()), MIDDLE), 1
    yield "clamp 10^6", both(lambda m, a: a.clamp(-1, 1), MIDDLE), 1
    yield "compare 10^6", both(lambda m, a, b: a > b, MIDDLE, MIDDLE), 1
    yield "to double 10^6", both(lambda m, a: a.double(), MIDDLE), 1
    yield "to int 10^6", both(lambda m, a: a.int(), MIDDLE), 1
    yield "add double 10^6", both(lambda m, a, b: a + b, MIDDLE, MIDDLE, kind="double"), 1
    yield "add long 10^6", both(lambda m, a, b: a + b, MIDDLE, MIDDLE, kind="long"), 1
    yield "exp double 10^6", both(lambda m, a: m.exp(a), MIDDLE, kind="double"), 1
    yield "pow 2 10^6", both(lambda m, a: a.pow(2), MIDDLE), 1
    yield "pow 2.5 10^6", both(lambda m, a: a.abs().pow(2.5), MIDDLE), 1
    yield "addcmul 10^6", both(lambda m, a, b: m.addcmul(a, b, b), MIDDLE, MIDDLE), 1
    yield "masked_fill 10^6", both(lambda m, a: a.masked_fill(a > 0, 0) if m is torch else a.clone().masked_fill_(
        a > 0, 0), MIDDLE), 1


def more_elementwise():
    for name in ("abs", "neg", "floor", "round", "frac", "sign", "rsqrt", "reciprocal", "log1p", "sin", "cos", "tan",
                 "atan", "asin", "sinh"):
        yield name + " 10^6", both(lambda m, a, name=name: getattr(a, name)(), MIDDLE), 1
    for name in ("add_", "sub_", "mul_", "div_"):
        yield name + " number 10^6", both(lambda m, a, name=name: getattr(a, name)(1.0), MIDDLE), 1
        yield name + " 10^6", both(lambda m, a, b, name=name: getattr(a, name)(b), MIDDLE, MIDDLE), 1
    yield "1 - x 10^6", both(lambda m, a: 1 - a, MIDDLE), 1
    yield "1 / x 10^6", both(lambda m, a: 1 / a, MIDDLE), 1
    yield "div 10^6", both(lambda m, a, b: a / b, MIDDLE, MIDDLE), 1
    yield "remainder 10^6", both(lambda m, a: a.remainder(2), MIDDLE), 1
    yield "fmod 10^6", both(lambda m, a: a.fmod(2), MIDDLE), 1
    yield "max of two 10^6", both(lambda m, a, b: m.max(a, b), MIDDLE, MIDDLE), 1
    yield "clamp_ 10^6", both(lambda m, a: a.clamp_(-1, 1), MIDDLE), 1
    yield "clamp min 10^6", both(lambda m, a: a.clamp(min=0), MIDDLE), 1
    yield "compare with number 10^6", both(lambda m, a: a > 0, MIDDLE), 1
    yield "equal elements long 10^6", both(lambda m, a, b: a == b, MIDDLE, MIDDLE, kind="long"), 1
    for exponent in (3, 0.5, -1):
        yield "pow %g 10^6" % exponent, both(lambda m, a, e=exponent: a.pow(e), MIDDLE), 1
    yield "pow of tensors 10^6", both(lambda m, a, b: m.pow(a.abs(), b), MIDDLE, MIDDLE), 1
    yield "addcdiv 10^6", both(lambda m, a, b: m.addcdiv(a, b, b), MIDDLE, MIDDLE), 1
    yield "lerp 10^6", both(lambda m, a, b: m.lerp(a, b, 0.5), MIDDLE, MIDDLE), 1
    yield "masked_fill_ 10^6", both(lambda m, a, b: a.masked_fill_(b > 0, 0), MIDDLE, MIDDLE), 1
    for kind in ("byte", "short", "int"):
        yield "add %s 10^6" % kind, both(lambda m, a, b: a + b, MIDDLE, MIDDLE, kind=kind), 1
    for name in ("log", "tanh", "sigmoid", "sin"):
        yield name + " double 10^6", both(lambda m, a, name=name: getattr(a.abs(), name)(), MIDDLE, kind="double"), 1
    for source, kind in (("float", "half"), ("float", "byte"), ("byte", "float"), ("float", "long"), ("long", "float"),
                         ("double", "float")):
        yield "%s to %s 10^6" % (source, kind), both(lambda m, a, kind=kind: getattr(a, kind)(), MIDDLE, kind=source), 1
    yield "add to channels 16x64x32x32", both(lambda m, a, b: a + b, (16, 64, 32, 32), (1, 64, 1, 1)), 1
    yield "outer add 10^6", both(lambda m, a, b: a + b, (1000, 1), (1, 1000)), 1


def more_reductions():
    for dim in (0, 1):
        for name in ("mean", "min", "std", "var", "prod"):
            yield "%s dim %d 10^6" % (name, dim), both(lambda m, a, dim=dim, n=name: getattr(a, n)(dim), MIDDLE), 1
        yield "norm dim %d 10^6" % dim, both(lambda m, a, dim=dim: a.norm(2, dim), MIDDLE), 1
        yield "cumprod dim %d 10^6" % dim, both(lambda m, a, dim=dim: a.cumprod(dim), MIDDLE), 1
    for name in ("max", "prod", "var"):
        yield name + " 10^6", both(lambda m, a, name=name: getattr(a, name)(), MIDDLE), 1
    for p in (1, 3):
        yield "norm %d 10^6" % p, both(lambda m, a, p=p: a.norm(p), MIDDLE), 1
    for kind in ("int", "byte", "long"):
        yield "max dim 1 %s 10^6" % kind, both(lambda m, a: a.max(1), MIDDLE, kind=kind), 1
    yield "sum of rows of 100", both(lambda m, a: a.sum(1), (10000, 100)), 1
    yield "max of rows of 10", both(lambda m, a: a.max(1), (100000, 10)), 1
    yield "sum dim 1 100x100x100", both(lambda m, a: a.sum(1), (100, 100, 100)), 1
    yield "mean of two dims 32x64x28x28", both(lambda m, a: a.mean(3).mean(2), (32, 64, 28, 28)), 1
    yield "equal 10^6", both(lambda m, a: m.equal(a, a.clone()), MIDDLE), 1
    yield "count of equals 10^6", both(lambda m, a, b: (a == b).sum(), MIDDLE, MIDDLE, kind="long"), 1
    yield "dot 10^6", both(lambda m, a, b: m.dot(a, b), (1000000,), (1000000,)), 1
    yield "dist 10^6", both(lambda m, a, b: m.dist(a, b), MIDDLE, MIDDLE), 1
    yield "ger 10^6", both(lambda m, a, b: m.ger(a, b), (1000,), (1000,)), 1
    yield "cumsum long 10^6", both(lambda m, a: a.cumsum(1), MIDDLE, kind="long"), 1
    yield "median of rows of 1000", both(lambda m, a: a.median(1), MIDDLE), 1


def reductions():
    yield "sum 10^7", both(lambda m, a: a.sum(), BIG), 1
    for dim in (0, 1):
        yield "sum dim %d 10^6" % dim, both(lambda m, a, dim=dim: a.sum(dim), MIDDLE), 1
        yield "max dim %d 10^6" % dim, both(lambda m, a, dim=dim: a.max(dim), MIDDLE), 1
    yield "mean of rows of 10", both(lambda m, a: a.mean(1), (100000, 10)), 1
    yield "std 10^6", both(lambda m, a: a.std(), MIDDLE), 1
    yield "norm 10^6", both(lambda m, a: a.norm(), MIDDLE), 1
    yield "sum double 10^6", both(lambda m, a: a.sum(), MIDDLE, kind="double"), 1
    yield "sum long 10^6", both(lambda m, a: a.sum(), MIDDLE, kind="long"), 1
    yield "sum inner dims 32x64x28x28", both(lambda m, a: a.sum(3).sum(2).sum(0), (32, 64, 28, 28)), 1
    yield "cumsum dim 1 10^6", both(lambda m, a: a.cumsum(1), MIDDLE), 1


def layers():
    def softmax(m, a):
        return (F if m is tensorlib else torch).softmax(a, dim=1)
    yield "softmax rows of 1000", both(softmax, MIDDLE, prepare=None), 1.5
    yield "softmax rows of 10", both(softmax, (10000, 10)), 1.5
    yield "softmax double rows of 1000", both(softmax, MIDDLE, kind="double"), 1


def movement():
    yield "transposed copy 10^6", both(lambda m, a: a.t().contiguous(), MIDDLE), 1
    yield "cat dim 0", both(lambda m, a, b: m.cat([a, b], 0), MIDDLE, MIDDLE), 1
    yield "cat dim 1", both(lambda m, a, b: m.cat([a, b], 1), MIDDLE, MIDDLE), 1

    def positions(m):
        return (m.from_numpy(tensorlib.randperm(1000).numpy()),)
    yield "index_select rows", both(lambda m, a, i: a.index_select(0, i), MIDDLE, prepare=positions), 1
    yield "gather", both(lambda m, a, i: a.gather(1, i), MIDDLE, prepare=lambda m: (
        m.from_numpy(tensorlib.randperm(1000000).remainder(1000).view(1000, 1000).numpy()),)), 1
    def source(m):
        return m.from_numpy(tensorlib.zeros(1000, 1000).numpy()), *positions(m)
    yield "index_add_ rows", both(lambda m, a, x, i: x.index_add_(0, i, a), MIDDLE, prepare=source), 1
    yield "scatter_add_", both(lambda m, a, x, i: x.scatter_add_(1, i.view(1000, 1).expand(1000, 1000).contiguous(), a),
                               MIDDLE, prepare=source), 1
    yield "masked_select", both(lambda m, a: a.masked_select(a > 0), MIDDLE), 1
    yield "sort rows of 1000", both(lambda m, a: a.sort(1), MIDDLE), 1
    yield "topk 10 of 1000", both(lambda m, a: a.topk(10, 1), MIDDLE), 1


def more_movement():
    def indices(count, most, *size):
        return lambda m: (m.from_numpy(tensorlib.randperm(count).remainder(most).view(*size).numpy()),)
    yield "zeros 10^6", both(lambda m, a: m.zeros(1000, 1000), (1,)), 1
    yield "fill_ 10^6", both(lambda m, a: a.fill_(2), MIDDLE), 1
    yield "clone 10^6", both(lambda m, a: a.clone(), MIDDLE), 1
    yield "arange 10^6", both(lambda m, a: m.arange(0, 1000000.0), (1,)), 1
    yield "permuted to channels last", both(lambda m, a: a.permute(0, 2, 3, 1).contiguous(), (32, 64, 28, 28)), 1
    yield "windows of 10, dense", both(lambda m, a: a.unfold(1, 10, 5).contiguous(), MIDDLE), 1
    yield "repeat 4x4 of 256x256", both(lambda m, a: a.repeat(4, 4), (256, 256)), 1
    yield "stack dim 1", both(lambda m, a, b: m.stack([a, b], 1), MIDDLE, MIDDLE), 1
    yield "cat of chunks", both(lambda m, a: m.cat(a.chunk(4, 1), 0), MIDDLE), 1
    yield "tril 10^6", both(lambda m, a: a.tril(), MIDDLE), 1
    yield "nonzero 10^6", both(lambda m, a: (a > 0).nonzero(), MIDDLE), 1
    yield "masked_scatter_ 10^6", both(lambda m, a, b: a.masked_scatter_(b > 0, b), MIDDLE, MIDDLE), 1
    yield "index_select columns", both(lambda m, a, i: a.index_select(1, i), MIDDLE,
                                       prepare=indices(1000, 1000, 1000)), 1
    yield "gather dim 0", both(lambda m, a, i: a.gather(0, i), MIDDLE, prepare=indices(1000000, 1000, 1000, 1000)), 1
    for dim in (0, 1):
        yield "scatter_ dim %d" % dim, both(lambda m, a, b, i, dim=dim: a.scatter_(dim, i, b), MIDDLE, MIDDLE,
                                            prepare=indices(1000000, 1000, 1000, 1000)), 1
    yield "one hot 1000x1000", both(lambda m, a, i: a.zero_().scatter_(1, i, 1), MIDDLE,
                                    prepare=indices(1000, 1000, 1000, 1)), 1
    yield "index_fill_ rows", both(lambda m, a, i: a.index_fill_(0, i, 1.0), MIDDLE, prepare=indices(500, 1000, 500)), 1
    yield "index_copy_ rows", both(lambda m, a, b, i: a.index_copy_(0, i, b), MIDDLE, MIDDLE,
                                   prepare=indices(1000, 1000, 1000)), 1
    yield "index_add_ of 10^6 to 1000", both(lambda m, a, b, i: a.index_add_(0, i, b), (1000,), (1000000,),
                                             prepare=indices(1000000, 1000, 1000000)), 1
    yield "sort long rows of 1000", both(lambda m, a: a.sort(1), MIDDLE, kind="long"), 1
    yield "sort rows of 10", both(lambda m, a: a.sort(1), (100000, 10)), 1
    yield "sort 10^6", both(lambda m, a: a.sort(0), (1000000,)), 1
    yield "randperm 10^5", both(lambda m, a: m.randperm(100000), (1,)), 1
    yield "multinomial 10 of 1000", both(lambda m, a: m.multinomial(a.abs(), 10, True), MIDDLE), 1
    yield "multinomial 10 of 1000, each once", both(lambda m, a: m.multinomial(a.abs(), 10), MIDDLE), 1


def randomness():
    yield "uniform_ 10^6", both(lambda m, a: a.uniform_(), MIDDLE), 1
    yield "normal_ 10^6", both(lambda m, a: a.normal_(), MIDDLE), 1
    yield "bernoulli_ 10^6", both(lambda m, a: a.bernoulli_(0.5), MIDDLE), 1


def leaf(module, tensor):
    return Variable(tensor, requires_grad=True) if module is tensorlib else tensor.requires_grad_()


def functional(module):
    return F if module is tensorlib else torch.nn.functional


def with_gradient(call, size):
    """Forward and backward of a function of a leaf, from a gradient of ones."""
    def run(module, a):
        out = call(functional(module), leaf(module, a))
        out.backward(module.ones(*out.size()))
        return out
    return both(run, size)


def layer_with_gradient(make, *size):
    """Forward and backward of a module, from a gradient of ones."""
    def run(module, a, layer):
        layer.zero_grad()
        out = layer(leaf(module, a))
        out.backward(module.ones(*out.size()))
    return both(run, size, prepare=lambda module: (make(module.nn),))


def embedding(module, a, layer, words):
    layer.zero_grad()
    out = layer(Variable(words) if module is tensorlib else words)
    out.backward(a)


def cross_entropy(module, a, classes):
    a = leaf(module, a)
    target = Variable(classes) if module is tensorlib else classes
    (F if module is tensorlib else torch.nn.functional).cross_entropy(a, target).backward()


def words_of(module, count=2000, most=1000):
    return module.from_numpy(tensorlib.randperm(count).remainder(most).numpy())


def trained():
    yield "batch_norm 32x64x28x28, with gradient", layer_with_gradient(lambda nn: nn.BatchNorm2d(64), 32, 64, 28, 28), 1
    yield ("batch_norm and relu, with gradient",
           layer_with_gradient(lambda nn: nn.Sequential(nn.BatchNorm2d(64), nn.ReLU()), 32, 64, 28, 28), 1)
    yield "batch_norm inference", layer_with_gradient(lambda nn: nn.BatchNorm2d(64).eval(), 32, 64, 28, 28), 1
    yield "batch_norm 256x512, with gradient", layer_with_gradient(lambda nn: nn.BatchNorm1d(512), 256, 512), 1
    yield "cross_entropy 700x1000, with gradient", both(cross_entropy, (700, 1000), prepare=lambda m: (
        words_of(m, 700),)), 1
    yield "embedding 1000x200 of 2000, with gradient", both(embedding, (2000, 200), prepare=lambda m: (
        m.nn.Embedding(1000, 200), words_of(m))), 1


def differentiated():
    yield "max_pool2d 2, with gradient", with_gradient(lambda f, x: f.max_pool2d(x, 2), (32, 32, 32, 32)), 4
    yield "avg_pool2d 2, with gradient", with_gradient(lambda f, x: f.avg_pool2d(x, 2), (32, 32, 32, 32)), 1.5
    yield "dropout, with gradient", with_gradient(lambda f, x: f.dropout(x, 0.5, True), MIDDLE), 10
    yield "relu, with gradient", with_gradient(lambda f, x: f.relu(x), MIDDLE), 1
    yield "log_softmax rows of 10, with gradient", with_gradient(lambda f, x: f.log_softmax(x, dim=1), (10000, 10)), 1
    yield "leaky_relu, with gradient", with_gradient(lambda f, x: f.leaky_relu(x, 0.1), MIDDLE), 1
    yield "elu, with gradient", with_gradient(lambda f, x: f.elu(x), MIDDLE), 1


def unit_of(name):
    if "10^7" not in name:
        return "GB/s in cache"
    return "GB/s read" if name.startswith("sum") else "GB/s"


def cases(suite):
    for family in (elementwise, more_elementwise, reductions, more_reductions, layers, movement, more_movement,
                   randomness, differentiated, trained):
        for name, (ours, theirs), goal in family():
            suite.compare(name, ours, theirs, goal=goal, work=TRAFFIC.get(name), unit=unit_of(name))


if __name__ == "__main__":
    main(__doc__, cases)
