"""Convolution: values against plain loops, the rows' references and PyTorch; derivatives to second order; errors."""
import itertools

import numpy as np
import pytest

import tensorlib
from tensorlib._ops.conv import force_path
from tensorlib.autograd import Variable, grad
from tensorlib.ops.conv import channel_sum, conv, conv_dw, conv_dx, conv_transpose

FLOAT32_ERROR = 3e-5        # of the largest value, for sums of up to some thousand products


def tensor(a):
    return tensorlib.from_numpy(np.ascontiguousarray(a))


def geometries():
    """A seeded spread over dims, kernels 1 to 5, strides, padding, dilation, groups, odd sizes and batches."""
    rng = np.random.RandomState(7)
    cases = []
    for i in range(90):
        spatial = (1, 2, 2, 3)[i % 4]
        kernel = tuple(rng.randint(1, 6 if spatial < 3 else 4, spatial))
        stride, dilation = tuple(rng.randint(1, 4, spatial)), tuple(rng.randint(1, 4, spatial))
        padding = tuple(rng.randint(0, 4, spatial))
        least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding)]
        size = tuple(n + rng.randint(0, 12 if spatial < 3 else 4) for n in least)
        groups = (1, 1, 2, 3)[rng.randint(4)]
        cin, cout, batch = groups * rng.randint(1, 5), groups * rng.randint(1, 5), (1, 2, 3, 7)[rng.randint(4)]
        cases.append(((batch, cin) + size, (cout, cin // groups) + kernel, stride, padding, dilation, groups))
    for batch in (1, 5):                                        # tiles of several images, and images of several tiles
        cases.append(((batch, 3, 40, 41), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1))
        cases.append(((batch, 70, 9, 9), (5, 70, 3, 3), (1, 1), (1, 1), (1, 1), 1))
        cases.append(((batch, 8, 7, 5), (6, 8, 1, 1), (1, 1), (0, 0), (1, 1), 1))
    for i in range(30):                                         # 3x3, stride 1: channels around whole vectors and tiles
        groups, cin, cout = (1, 1, 2)[i % 3], rng.randint(1, 40), rng.randint(1, 70)
        padding, batch = tuple(rng.randint(0, 4, 2)), (1, 2, 5)[rng.randint(3)]
        size = tuple(rng.randint(max(1, 3 - 2 * p), 24) for p in padding)
        cases.append(((batch, groups * cin) + size, (groups * cout, cin, 3, 3), (1, 1), padding, (1, 1), groups))
    for i in range(24):                                         # kernels cut into pieces, with and without a stride
        kernel, stride = tuple(rng.randint(2, 13 if i % 6 == 0 else 8, 2)), tuple(rng.randint(1, 3, 2))
        groups, cin, cout = (1, 1, 2)[i % 3], rng.randint(1, 36), rng.randint(1, 36)
        padding = tuple(rng.randint(0, 4, 2))
        size = tuple(max(1, k - 2 * p) + rng.randint(0, 14) for k, p in zip(kernel, padding))
        cases.append((((1, 2, 3)[rng.randint(3)], groups * cin) + size, (groups * cout, cin) + kernel, stride, padding,
                      (1, 1), groups))
    for i in range(24):                                         # few channels in a group, from depthwise on
        stride, dilation = tuple(rng.randint(1, 4, 2)), tuple(rng.randint(1, 3, 2))
        kernel, padding = tuple(rng.randint(1, 8, 2)), tuple(rng.randint(0, 4, 2))
        groups, cin, cout = rng.randint(1, 6), (1, 1, 2)[i % 3], (1, 2, 1)[i % 3]
        size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + rng.randint(0, 40)
                     for k, p, d in zip(kernel, padding, dilation))
        cases.append((((1, 3)[i % 2], groups * cin) + size, (groups * cout, cin) + kernel, stride, padding, dilation,
                      int(groups)))
    for i in range(12):                                         # three dims, with channels around whole vectors
        kernel, stride = tuple(rng.randint(1, 4, 3)), tuple(rng.randint(1, 3, 3))
        padding, dilation, groups = tuple(rng.randint(0, 3, 3)), tuple(rng.randint(1, 3, 3)), (1, 2)[i % 2]
        size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + rng.randint(0, 9)
                     for k, p, d in zip(kernel, padding, dilation))
        cases.append((((1, 3)[i % 2], groups * rng.randint(1, 18)) + size, (groups * rng.randint(1, 18), 0) + kernel,
                      stride, padding, dilation, groups))
        cases[-1] = (cases[-1][0], (cases[-1][1][0], cases[-1][0][1] // groups) + kernel, *cases[-1][2:])
    for i in range(24):                                         # dilated images
        kernel, dilation = tuple(rng.randint(2, 5, 2)), tuple(rng.randint(1, 6, 2))
        groups, padding = (1, 1, 2)[i % 3], tuple(rng.randint(0, 9, 2))
        size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + rng.randint(0, 18) for k, p, d in zip(kernel, padding, dilation))
        cases.append((((1, 3)[i % 2], groups * rng.randint(1, 20)) + size, (groups * rng.randint(1, 20), 0) + kernel,
                      (1, 1), padding, dilation, groups))
        cases[-1] = (cases[-1][0], (cases[-1][1][0], cases[-1][0][1] // groups) + kernel, *cases[-1][2:])
    for i in range(48):                                         # one input channel in a group: lines of every width
        stride, dilation = (1, 1, 2)[i % 3], (1, 1, 2, 3)[i % 4]
        kernel = (int((1, 3, 5, 7, 3, 4, 3, 2)[i % 8]), rng.randint(1, 8))
        groups, cout, padding = rng.randint(1, 5), (1, 1, 2)[rng.randint(3)], tuple(rng.randint(0, 6, 2))
        size = tuple(max(1, dilation * (k - 1) + 1 - 2 * p) + rng.randint(0, 20 if i % 5 else 50)
                     for k, p in zip(kernel, padding))
        cases.append((((1, 3)[i % 2], groups) + size, (groups * cout, 1) + kernel, (stride, stride), padding,
                      (dilation, dilation), int(groups)))
    cases.append(((2, 20, 50, 44), (18, 20, 3, 3), (1, 1), (4, 6), (4, 6), 1))     # dilated, in several bands of lines
    cases.append(((1, 64, 20, 100), (16, 64, 3, 3), (1, 1), (6, 1), (6, 1), 1))    # and in parts of lines
    cases.append(((2, 300, 5, 6), (8, 300, 3, 3), (1, 1), (1, 1), (1, 1), 1))      # more inputs than one step of a sum
    cases.append(((2, 3, 5000), (2, 3, 5), (1,), (2,), (1,), 1))
    for i in range(16):                                         # batches of whole and of broken vectors
        kernel, stride, dilation = tuple(rng.randint(1, 6, 2)), tuple(rng.randint(1, 4, 2)), tuple(rng.randint(1, 3, 2))
        padding, groups = tuple(rng.randint(0, 4, 2)), (1, 1, 2)[i % 3]
        size = tuple(max(1, d * (k - 1) + 1 - 2 * p) + rng.randint(0, 9) for k, p, d in zip(kernel, padding, dilation))
        cases.append((((16, 32, 35, 70)[i % 4], groups * rng.randint(1, 6)) + size,
                      (groups * rng.randint(1, 15), 0) + kernel, stride, padding, dilation, groups))
        cases[-1] = (cases[-1][0], (cases[-1][1][0], cases[-1][0][1] // groups) + kernel, *cases[-1][2:])
    for stride in (1, 2):                                       # weights that take more memory than images
        cases.append(((3, 130, 5, 6), (200, 130, 4, 3), (stride, stride), (1, 1), (1, 1), 1))
    cases.append(((2, 200, 4, 4), (260, 100, 3, 3), (1, 1), (1, 1), (1, 1), 2))
    cases.append(((2, 20, 700), (40, 20, 3), (1,), (1,), (1,), 1))                 # long lines
    cases.append(((2, 5, 3, 1400), (7, 5, 1, 4), (1, 2), (0, 1), (1, 1), 1))
    cases.append(((40, 2, 4, 4), (3, 2, 3, 3), (1, 1), (0, 0), (1, 1), 1))
    cases.append(((2, 2, 1, 4, 3), (8, 1, 1, 2, 1), (3, 3, 2), (1, 3, 1), (3, 1, 2), 2))   # one plane, padded
    for size, stride in (((17, 18), (2, 2)), ((6, 9), (2, 3)), ((31, 40), (3, 2)), ((9,), (2,)),
                         ((5, 8, 7), (1, 2, 2)), ((6, 8), (2, 2))):
        least = tuple(1 for _ in size)                          # single pixels that are a stride apart
        options = stride, tuple(0 for _ in size), least, 2
        cases.append(((3, 2 * 20) + size, (2 * 18, 20) + least, *options))
    for groups in (1, 2):                                       # sums of a gradient of the weight that are turned
        cases.append(((3, groups * 64, 12, 13), (groups * 33, 64, 1, 1), (1, 1), (0, 0), (1, 1), groups))
        cases.append(((2, groups * 20, 14, 15), (groups * 40, 20, 3, 3), (1, 1), (1, 1), (1, 1), groups))
    cases.append(((2, 3, 8, 32, 32), (16, 3, 3, 3, 3), (1, 2, 2), (1, 1, 1), (1, 1, 1), 1))    # pieces of some planes
    cases.append(((1, 4, 19, 20, 21), (6, 2, 2, 3, 3), (2, 1, 1), (1, 0, 1), (3, 1, 1), 2))
    cases.append(((1, 2, 4, 70, 60), (3, 2, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1))     # and of one, in bands
    return [tuple(tuple(map(int, part)) if isinstance(part, tuple) else int(part) for part in case) for case in cases]


GEOMETRIES = geometries()
FEW = GEOMETRIES[:24]


def data(x_size, w_size, options, dtype=np.float64, seed=0):
    """Input, weight, bias and a gradient of the output."""
    rng = np.random.RandomState(seed)
    x, w, b = rng.randn(*x_size).astype(dtype), rng.randn(*w_size).astype(dtype), rng.randn(w_size[0]).astype(dtype)
    out = conv(tensor(x), tensor(w), None, *options).size()
    return x, w, b, rng.randn(*out).astype(dtype)


def close(got, want, tolerance):
    assert tuple(got.shape) == tuple(want.shape)
    assert np.abs(got - want).max() <= tolerance * max(1, np.abs(want).max())


def plain_conv(x, w, b, stride, padding, dilation, groups):
    """The definition, one product at a time."""
    per_group, spatial = w.shape[0] // groups, len(stride)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1
           for n, k, s, p, d in zip(x.shape[2:], w.shape[2:], stride, padding, dilation)]
    y = np.zeros((x.shape[0], w.shape[0]) + tuple(out))
    for n, o in itertools.product(range(x.shape[0]), range(w.shape[0])):
        for at in itertools.product(*[range(m) for m in out]):
            total = b[o]
            for c, tap in itertools.product(range(w.shape[1]), itertools.product(*[range(k) for k in w.shape[2:]])):
                place = [at[i] * stride[i] + tap[i] * dilation[i] - padding[i] for i in range(spatial)]
                if all(0 <= p < m for p, m in zip(place, x.shape[2:])):
                    total += w[(o, c) + tap] * x[(n, o // per_group * w.shape[1] + c) + tuple(place)]
            y[(n, o) + at] = total
    return y


# ---- values --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("case", [g for g in GEOMETRIES if np.prod(g[0]) * np.prod(g[1]) < 3e4][:12], ids=str)
def test_definition(case):
    x, w, b, _ = data(*case[:2], case[2:])
    want = plain_conv(x, w, b, *case[2:])
    close(conv(tensor(x), tensor(w), tensor(b), *case[2:]).numpy(), want, 1e-12)
    close(conv.row.ref(x, w, b, *case[2:]), want, 1e-12)


@pytest.fixture(params=["im2col", "direct", "winograd", "implicit", "batch", "columns", "dots", "depth"])
def path(request):
    """Each path of the kernels; one that does not apply falls back to another."""
    force_path(request.param)
    yield request.param
    force_path(None)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_values(case, dtype, path):
    options = case[2:]
    x, w, b, g = data(*case[:2], options, dtype)
    wide = [a.astype(np.float64) for a in (x, w, b, g)]
    tolerance = 1e-11 if dtype is np.float64 else FLOAT32_ERROR
    close(conv(tensor(x), tensor(w), tensor(b), *options).numpy(), conv.row.ref(*wide[:3], *options), tolerance)
    close(conv(tensor(x), tensor(w), None, *options).numpy(), conv.row.ref(*wide[:2], None, *options), tolerance)
    close(conv_dx(tensor(g), tensor(w), x.shape, *options).numpy(),
          conv_dx.row.ref(wide[3], wide[1], x.shape, *options), tolerance)
    close(conv_dw(tensor(g), tensor(x), w.shape, *options).numpy(),
          conv_dw.row.ref(wide[3], wide[0], w.shape, *options), tolerance)
    close(channel_sum(tensor(g)).numpy(), channel_sum.row.ref(wide[3]), tolerance)


@pytest.mark.parametrize("case", GEOMETRIES[:60], ids=str)
def test_transposed_values(case, path):
    stride, padding, dilation, groups = case[2:]
    x, w, b, g = data(*case[:2], case[2:])
    bias = np.arange(x.shape[1], dtype=np.float64)
    for extra in (0, 1, 2):
        output_padding = tuple(min(extra, max(s, d) - 1) for s, d in zip(stride, dilation))
        full = [(n - 1) * s - 2 * p + d * (k - 1) + 1 + e for n, s, p, d, k, e in
                zip(g.shape[2:], stride, padding, dilation, w.shape[2:], output_padding)]
        if min(full) < 1:
            continue
        options = (stride, padding, output_padding, groups, dilation)
        got = conv_transpose(tensor(g), tensor(w), tensor(bias), *options)
        close(got.numpy(), conv_transpose.row.ref(g, w, bias, *options), 1e-11)


@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_against_torch(case):
    torch = pytest.importorskip("torch")
    stride, padding, dilation, groups = case[2:]
    x, w, b, g = data(*case[:2], case[2:])
    name = "conv%dd" % len(stride)
    tx, tw, tb = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    ty = getattr(torch.nn.functional, name)(tx, tw, tb, stride, padding, dilation, groups)
    ty.backward(torch.tensor(g))
    vx, vw, vb = [Variable(tensor(a), requires_grad=True) for a in (x, w, b)]
    y = conv(vx, vw, vb, *case[2:])
    y.backward(tensor(g))
    for got, want in ((y.data, ty.detach()), (vx.grad.data, tx.grad), (vw.grad.data, tw.grad), (vb.grad.data, tb.grad)):
        close(got.numpy(), want.numpy(), 1e-11)


def test_strided_operands():
    x, w, b, g = data((3, 4, 7, 6), (6, 2, 3, 2), ((2, 1), (1, 0), (1, 2), 2))
    options = ((2, 1), (1, 0), (1, 2), 2)
    want = conv(tensor(x), tensor(w), tensor(b), *options).numpy()
    turned = [tensor(a.transpose()).permute(*range(a.ndim - 1, -1, -1)) if a.ndim > 1 else tensor(a) for a in (x, w, b)]
    assert not turned[0].is_contiguous()
    close(conv(*turned, *options).numpy(), want, 1e-12)


@pytest.mark.parametrize("kernel, stride, dilation", [
    (3, 1, 1), (4, 2, 1), (5, 1, 1), (5, 2, 1), (7, 1, 1), (3, 1, 2), (3, 1, 4)])
def test_winograd_is_taken_and_accurate(kernel, stride, dilation):
    """Where it applies the fast path is used, and its error stays near that of a plain float32 product."""
    options = ((stride, stride), (kernel // 2 * dilation,) * 2, (dilation, dilation), 1)
    x, w, b, g = data((4, 64, 16, 16), (64, 64, kernel, kernel), options, np.float32)
    wide, faces = [a.astype(np.float64) for a in (x, w, b, g)], {}
    want = (conv.row.ref(*wide[:3], *options), conv_dx.row.ref(wide[3], wide[1], x.shape, *options),
            conv_dw.row.ref(wide[3], wide[0], w.shape, *options))
    for name in ("im2col", "winograd", None):
        force_path(name)
        faces[name] = [face.numpy() for face in (
            conv(tensor(x), tensor(w), tensor(b), *options), conv_dx(tensor(g), tensor(w), x.shape, *options),
            conv_dw(tensor(g), tensor(x), w.shape, *options))]
    force_path(None)
    for exact, plain, fast, chosen in zip(want, *[faces[name] for name in ("im2col", "winograd", None)]):
        assert (chosen == fast).all() and (chosen != plain).any()
        error, usual = [np.sqrt(np.mean((got - exact) ** 2)) for got in (fast, plain)]
        assert error < 3 * usual


@pytest.mark.parametrize("size, kernel, stride, dilation", [
    ((20, 20), 3, 1, 1), ((14, 14), 3, 1, 1), ((7, 7), 5, 1, 1), ((33, 47), 7, 1, 1), ((19, 35), 3, 2, 1),
    ((16, 16), 5, 2, 1), ((21, 18), 3, 1, 2), ((9, 16), 3, 1, 3), ((300, 8), 3, 1, 1), ((6, 5), 5, 1, 1)])
def test_depthwise_path_is_taken_and_accurate(size, kernel, stride, dilation):
    options = ((stride, stride), (dilation * (kernel // 2),) * 2, (dilation, dilation), 12)
    x, w, b, g = data((3, 12) + size, (12, 1, kernel, kernel), options, np.float32)
    wide = [a.astype(np.float64) for a in (x, w, b, g)]
    want = (conv.row.ref(*wide[:3], *options), conv_dx.row.ref(wide[3], wide[1], x.shape, *options),
            conv_dw.row.ref(wide[3], wide[0], w.shape, *options))
    faces = {}
    for name in ("im2col", "depth", None):
        force_path(name)
        faces[name] = [face.numpy() for face in (
            conv(tensor(x), tensor(w), tensor(b), *options), conv_dx(tensor(g), tensor(w), x.shape, *options),
            conv_dw(tensor(g), tensor(x), w.shape, *options))]
    force_path(None)
    for exact, plain, fast, chosen in zip(want, *[faces[name] for name in ("im2col", "depth", None)]):
        assert (chosen == fast).all() and (chosen != plain).any()
        error, usual = [np.sqrt(np.mean((got - exact) ** 2)) for got in (fast, plain)]
        assert error < 2 * usual


LAYERS = [      # size of the input and of the weight, stride, padding, dilation, groups: sums of 9 to 2000 products
    ((4, 3, 20, 20), (40, 3, 3, 3), 1, 1, 1, 1), ((4, 64, 14, 14), (48, 64, 3, 3), 1, 1, 1, 1),
    ((2, 200, 7, 8), (130, 200, 3, 3), 1, 1, 1, 1), ((2, 256, 9, 9), (64, 256, 1, 1), 1, 0, 1, 1),
    ((64, 20, 12, 12), (50, 20, 5, 5), 1, 0, 1, 1), ((32, 100, 6, 6), (40, 100, 3, 3), 1, 1, 1, 1),
    ((2, 40, 17, 19), (40, 40, 5, 5), 2, 2, 1, 1), ((2, 64, 15, 15), (64, 64, 3, 3), 1, 2, 2, 1),
    ((2, 3, 40, 40), (64, 3, 7, 7), 2, 3, 1, 1), ((2, 16, 6, 9, 9), (32, 16, 3, 3, 3), 1, 1, 1, 1),
    ((4, 32, 300), (64, 32, 9), 2, 4, 1, 1), ((3, 12, 33, 47), (12, 1, 7, 7), 1, 3, 1, 12),
    ((8, 16, 14, 14), (16, 1, 3, 3), 1, 1, 1, 16), ((2, 64, 16, 16), (64, 16, 3, 3), 1, 1, 1, 4),
    ((4, 256, 8, 8), (256, 256, 3, 3), 1, 1, 1, 1), ((4, 64, 256), (64, 64, 3), 1, 1, 1, 1),
    ((1, 256, 14, 14), (512, 256, 1, 1), 1, 0, 1, 1), ((8, 32, 512), (32, 32, 2), 1, 4, 8, 1),
    ((4, 64, 28, 28), (64, 4, 3, 3), 1, 1, 1, 16), ((8, 64, 512), (64, 1, 5), 1, 2, 1, 64),
]


def passes(layer):
    """Operands and options of a layer, and what its three passes are in float64."""
    x_size, w_size, *sides, groups = layer
    options = *((n,) * (len(w_size) - 2) for n in sides), groups
    x, w, _, g = data(x_size, w_size, options, np.float32)
    wide = [a.astype(np.float64) for a in (x, w, g)]
    return x, w, g, options, (conv.row.ref(*wide[:2], None, *options), conv_dx.row.ref(*wide[:0:-1], x_size, *options),
                              conv_dw.row.ref(wide[2], wide[0], w_size, *options))


def errors_of(x, w, g, options, exact):
    """Root mean square errors of the three passes, beside the values."""
    got = (conv(tensor(x), tensor(w), None, *options), conv_dx(tensor(g), tensor(w), x.shape, *options),
           conv_dw(tensor(g), tensor(x), w.shape, *options))
    return [mean_error(a.numpy(), b) for a, b in zip(got, exact)]


def mean_error(got, exact):
    return np.sqrt(np.mean((got - exact) ** 2) / np.mean(exact ** 2))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_errors_do_not_grow_with_the_length_of_sums(layer, path):
    """They are those of sums of some hundred products, however many there are."""
    forward, dx, dw = errors_of(*passes(layer))
    assert forward < 3e-7 and dx < 3e-7 and dw < (1e-6 if path == "direct" else 5e-7)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_errors_are_near_those_of_torch(layer):
    """Vectors of four have longer sums for each lane, and without fused products each is rounded twice."""
    torch, limit = pytest.importorskip("torch"), 1.2 if tensorlib._ops.isa_level in ("x86_64_v3", "x86_64_v4") else 1.4
    x, w, g, options, exact = passes(layer)
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    y = getattr(torch.nn.functional, "conv%dd" % (w.ndim - 2))(tx, tw, None, *options)
    y.backward(torch.tensor(g))
    for ours, theirs, want in zip(errors_of(x, w, g, options, exact), (y.detach(), tx.grad, tw.grad), exact):
        assert ours < limit * mean_error(theirs.numpy(), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(7, 7), (12, 12), (9, 16), (5, 3), (14, 14), (6, 8), (20, 1), (3, 15), (4, 31)],
                         ids=str)
@pytest.mark.parametrize("kernel", range(1, 8))
def test_depthwise_path_for_short_lines(size, kernel, dtype):
    """Lines that vectors, halves or parts of them hold, with padding that they read and more."""
    for padding, dilation, outputs, stride in itertools.product((0, 1, 2, 3), (1, 2), (1, 2), (1, 2)):
        if min(size) + 2 * padding <= dilation * (kernel - 1):
            continue
        options = (stride, stride), (padding, padding), (dilation, dilation), 3
        x, w, b, g = data((3, 3) + size, (3 * outputs, 1, kernel, kernel), options, dtype)
        faces = []
        for name in ("im2col", "depth"):
            force_path(name)
            faces.append([face.numpy() for face in (
                conv(tensor(x), tensor(w), tensor(b), *options), conv_dx(tensor(g), tensor(w), x.shape, *options),
                conv_dw(tensor(g), tensor(x), w.shape, *options))])
        force_path(None)
        for want, got in zip(*faces):
            close(got, want, 1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("width", [1, 3, 6, 7, 9, 14, 16, 17, 30, 35])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_path_keeps_what_is_not_finite_apart(width, stride):
    """An infinity or nan reaches those outputs that read it, and no neighbour in memory."""
    options, faces = ((stride, stride), (1, 1), (1, 1), 3), {}
    x, w, b, g = data((2, 3, 9, width), (3, 1, 3, 3), options)
    x[0, 1, 4, 0], x[1, 0, 8, width - 1], x[1, 2, 0, width // 2] = np.inf, np.nan, -np.inf
    g[0, 2, -1, -1] = np.nan
    for name in ("im2col", "depth"):
        force_path(name)
        with np.errstate(invalid="ignore"):
            faces[name] = [np.isfinite(face.numpy()) for face in (
                conv(tensor(x), tensor(w), tensor(b), *options), conv_dx(tensor(g), tensor(w), x.shape, *options),
                conv_dw(tensor(np.ones_like(g)), tensor(x), w.shape, *options))]
    force_path(None)
    for got, want in zip(faces["depth"], faces["im2col"]):
        assert (got == want).all()


def test_large_images_of_three_dims():
    """A batch whose planes would take too much memory is done in parts, the same as im2col does it whole."""
    options, results = ((1, 1, 1), (1, 1, 1), (1, 1, 1), 1), []
    x, w, b, g = data((3, 8, 16, 64, 64), (8, 8, 3, 3, 3), options)
    for name in ("im2col", None):
        force_path(name)
        results.append([face.numpy() for face in (
            conv(tensor(x), tensor(w), tensor(b), *options), conv_dx(tensor(g), tensor(w), x.shape, *options),
            conv_dw(tensor(g), tensor(x), w.shape, *options))])
    for got, want in zip(*results):
        close(got, want, 1e-12)


def test_unknown_path():
    with pytest.raises(ValueError, match="there is no path 'fft'"):
        force_path("fft")


@pytest.mark.parametrize("layer", [     # pieces of work that no number of threads divides, and fewer than threads
    ((5, 16, 20, 20), (24, 16, 3, 3), 1, 1, 1, 1), ((16, 65, 14, 14), (65, 1, 3, 3), 1, 1, 1, 65),
    ((20, 9, 16, 16), (16, 9, 3, 3), 2, 1, 1, 1), ((40, 12, 9, 9), (13, 12, 3, 3), 1, 1, 1, 1),
    ((9, 64, 12, 12), (96, 64, 1, 1), 2, 0, 1, 1), ((16, 6, 9, 9), (99, 2, 5, 5), 1, 2, 1, 3)], ids=str)
def test_result_does_not_depend_on_threads(layer, path):
    """Outputs and gradients of inputs have the same bits at any number."""
    threads, results = tensorlib.get_num_threads(), []
    x_size, w_size, *sides, groups = layer
    options = *((n,) * 2 for n in sides), groups
    x, w, b, g = data(x_size, w_size, options)
    try:
        for n in (1, 2, 3, 5):
            tensorlib.set_num_threads(n)
            results.append((conv(tensor(x), tensor(w), tensor(b), *options).numpy(),
                            conv_dx(tensor(g), tensor(w), x.shape, *options).numpy(),
                            conv_dw(tensor(g), tensor(x), w.shape, *options).numpy()))
    finally:
        tensorlib.set_num_threads(threads)
    y, dx, dw = results[0]
    for other in results[1:]:
        assert (other[0] == y).all() and (other[1] == dx).all()
        close(other[2], dw, 1e-12)


# ---- derivatives ---------------------------------------------------------------------------------------------------

def slope(f, arrays, directions, step=1e-4):
    """Central difference of the number f(*arrays) along the directions."""
    ahead = f(*[a + step * d for a, d in zip(arrays, directions)])
    behind = f(*[a - step * d for a, d in zip(arrays, directions)])
    return (ahead - behind) / (2 * step)


def check_derivatives(row, arrays, options, seed=1):
    """First and second derivatives of a row along random directions, against differences of the level below."""
    rng = np.random.RandomState(seed)
    weights = rng.randn(*row(*[tensor(a) for a in arrays], *options).size())
    along, second = [[rng.randn(*a.shape) for a in arrays] for _ in range(2)]

    def value(*at):
        return float((row(*[tensor(a) for a in at], *options).numpy() * weights).sum())

    def gradients(*at):
        leaves = [Variable(tensor(a), requires_grad=True) for a in at]
        out = (row(*leaves, *options) * Variable(tensor(weights))).sum()
        return leaves, grad(out, leaves, create_graph=True)

    def first(*at):
        return float(sum((g.data.numpy() * d).sum() for g, d in zip(gradients(*at)[1], along)))

    assert np.isclose(first(*arrays), slope(value, arrays, along), rtol=1e-6, atol=1e-6)
    leaves, grads = gradients(*arrays)
    total = sum((g * Variable(tensor(d))).sum() for g, d in zip(grads, along))
    if total.requires_grad:         # the gradient of a linear row is a constant
        total.backward()
    got = sum((leaf.grad.data.numpy() * d).sum() for leaf, d in zip(leaves, second) if leaf.grad is not None)
    assert np.isclose(float(got), slope(first, arrays, second), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", FEW, ids=str)
def test_derivatives(case):
    x, w, b, g = data(*case[:2], case[2:])
    check_derivatives(conv, (x, w, b), case[2:])
    check_derivatives(conv_dx, (g, w), (x.shape,) + case[2:])
    check_derivatives(conv_dw, (g, x), (w.shape,) + case[2:])


@pytest.mark.parametrize("output_padding", [(0, 0), (1, 0), (1, 2)])
def test_transposed_derivatives(output_padding):
    rng = np.random.RandomState(3)
    x, w, b = rng.randn(2, 4, 3, 4), rng.randn(4, 3, 3, 2), rng.randn(6)
    check_derivatives(conv_transpose, (x, w, b), ((2, 1), (1, 1), output_padding, 2, (1, 3)))


def test_sum_of_channels_derivatives():
    check_derivatives(channel_sum, (np.random.RandomState(0).randn(3, 4, 2, 2),), ())


# ---- errors --------------------------------------------------------------------------------------------------------

def call(x=(1, 2, 5, 5), w=(4, 2, 3, 3), b=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    bias = None if b is None else tensor(np.zeros(b))
    return conv(tensor(np.zeros(x)), tensor(np.zeros(w)), bias, stride, padding, dilation, groups)


@pytest.mark.parametrize("error, options", [
    (ValueError, dict(x=(2, 5, 5))), (ValueError, dict(x=(1, 2, 5, 5, 5))), (ValueError, dict(w=(4, 2))),
    (ValueError, dict(stride=(1,))), (ValueError, dict(padding=(1, 1, 1))),
    (RuntimeError, dict(x=(1, 3, 5, 5))), (RuntimeError, dict(groups=2)), (RuntimeError, dict(groups=0)),
    (RuntimeError, dict(groups=-1)), (RuntimeError, dict(groups=3)), (RuntimeError, dict(x=(1, 2, 2, 5))),
    (RuntimeError, dict(dilation=(3, 1))), (RuntimeError, dict(dilation=(0, 1))), (RuntimeError, dict(stride=(0, 1))),
    (RuntimeError, dict(stride=(1, -2))), (RuntimeError, dict(padding=(-1, 0))), (RuntimeError, dict(b=3)),
    (RuntimeError, dict(b=(4, 1))), (TypeError, dict(stride=("a", 1))), (TypeError, dict(stride=(1.5, 1))),
    (OverflowError, dict(padding=(1 << 70, 0))),
], ids=str)
def test_errors(error, options):
    assert tuple(call().size()) == (1, 4, 3, 3)
    with pytest.raises(error):
        call(**options)


@pytest.mark.parametrize("option", ["padding", "stride", "dilation"])
def test_huge_options(option):
    """Options near the limits of the machine's integers end in an error, not in a crash."""
    for big in ((1 << 31) - 1, 1 << 31, 1 << 62):
        if option == "stride" and big < 1 << 31:
            assert tuple(call(stride=(big, big)).size()) == (1, 4, 1, 1)
            continue
        with pytest.raises((RuntimeError, MemoryError, ValueError)):
            call(**{option: (big, big)})


def test_error_texts():
    with pytest.raises(ValueError, match=r"expected a 4-D input .* got 3-D 2 x 5 x 5"):
        call(x=(2, 5, 5))
    with pytest.raises(RuntimeError, match=r"expected 2 channels .* got .* 1 x 3 x 5 x 5"):
        call(x=(1, 3, 5, 5))
    with pytest.raises(RuntimeError, match="Output size is too small"):
        call(x=(1, 2, 2, 5))
    with pytest.raises(RuntimeError, match="tensorlib.DoubleTensor, got tensorlib.FloatTensor"):
        conv(tensor(np.zeros((1, 1, 3))), tensor(np.zeros((1, 1, 1), np.float32)), None, (1,), (0,), (1,), 1)


def test_whole_numbers_are_refused():
    x, w = np.zeros((1, 1, 3, 3), np.int64), np.zeros((1, 1, 1, 1), np.int64)
    with pytest.raises((NotImplementedError, TypeError, RuntimeError)):
        conv(tensor(x), tensor(w), None, (1, 1), (0, 0), (1, 1), 1)


@pytest.mark.parametrize("error, options", [
    (ValueError, dict(x=(2, 3, 3))), (RuntimeError, dict(x=(1, 3, 3, 3))), (RuntimeError, dict(groups=3)),
    (RuntimeError, dict(padding=(4, 4))), (RuntimeError, dict(output_padding=(1, 0))),
    (RuntimeError, dict(output_padding=(-1, 0))), (RuntimeError, dict(groups=0)),
], ids=str)
def test_transposed_errors(error, options):
    def call(x=(1, 2, 3, 3), stride=(1, 1), padding=(0, 0), output_padding=(0, 0), groups=1):
        return conv_transpose(tensor(np.zeros(x)), tensor(np.zeros((2, 3, 3, 3))), None, stride, padding,
                              output_padding, groups, (1, 1))
    assert tuple(call().size()) == (1, 3, 5, 5)
    with pytest.raises(error):
        call(**options)


def test_derivative_rows_refuse_other_sizes():
    g, w, x = tensor(np.zeros((1, 4, 3, 3))), tensor(np.zeros((4, 2, 3, 3))), tensor(np.zeros((1, 2, 5, 5)))
    options = ((1, 1), (0, 0), (1, 1), 1)
    assert tuple(conv_dx(g, w, (1, 2, 5, 5), *options).size()) == (1, 2, 5, 5)
    for size in ((1, 2, 4, 5), (2, 2, 5, 5), (1, 3, 5, 5), (1, 2, 5), (1, 2, 0, 5)):
        with pytest.raises((RuntimeError, ValueError)):
            conv_dx(g, w, size, *options)
    for size in ((4, 2, 4, 3), (5, 2, 3, 3), (4, 1, 3, 3), (4, 2, 3), (4, 2, 3, 0)):
        with pytest.raises((RuntimeError, ValueError)):
            conv_dw(g, x, size, *options)


def test_a_path_is_one_for_the_last_part_of_a_batch_too():
    """Images of three dims that are made many of two go in parts; the last has one image only."""
    rng = np.random.RandomState(0)
    x, w = (tensor(rng.randn(*size).astype(np.float32)) for size in ((3, 256, 14, 6, 31), (80, 16, 5, 3, 3)))
    case = None, (2, 1, 1), (2, 1, 1), (1, 1, 1), 16
    want = conv(x, w, *case)
    for path in ("batch", "direct", "winograd", "implicit", "im2col"):
        force_path(path)
        try:
            assert (conv(x, w, *case) - want).abs().max() < 1e-3
        finally:
            force_path(None)


def test_images_of_three_dims_are_the_same_at_any_number_of_threads(path):
    """The output, whose pieces are planes."""
    threads, options = tensorlib.get_num_threads(), ((1, 2, 2), (1, 1, 1), (1, 1, 1), 1)
    x, w, b, _ = data((1, 3, 9, 33, 32), (16, 3, 3, 3, 3), options, np.float32)
    results = []
    try:
        for n in (1, 2, 3):
            tensorlib.set_num_threads(n)
            results.append(conv(tensor(x), tensor(w), tensor(b), *options).numpy())
    finally:
        tensorlib.set_num_threads(threads)
    for other in results[1:]:
        assert (other == results[0]).all()
