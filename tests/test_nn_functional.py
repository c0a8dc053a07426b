"""Every function of nn.functional that v0.2 had: called by place and by name, volatile in any argument, on strided
arguments, in float, and with both derivatives.

Values are compared with PyTorch and NumPy in test_nn_modules.py, and with what was recorded in tests/golden.
"""
import pathlib

import numpy as np
import pytest

import tensorlib
from tensorlib.autograd import Variable, gradcheck, gradgradcheck
from tensorlib.nn import functional as F

IMAGE, CUBE, LINE, ROWS = (2, 4, 6, 6), (1, 2, 4, 4, 4), (2, 4, 6), (3, 4)
CLASSES = np.array([0, 3, 1])
PLACES1 = np.array([[[0, 3]]])
PLACES2 = np.array([[[[0, 2], [8, 15]]]])
PLACES3 = np.array([[[[[0]]], [[[7]]]]])
SIGNS = np.array([1.0, -1, 1])


class Call:
    """Arguments of a function: sizes of random numbers between 0 and 1, or arrays; then numbers, by name.

    `smooth`: how many of the arguments, from the first, it is differentiated for.
    """

    def __init__(self, *arguments, smooth=None, **options):
        self.arguments, self.options = arguments, options
        self.smooth = len(arguments) if smooth is None else smooth

    def arrays(self):
        random = np.random.RandomState(4)
        return [a if isinstance(a, np.ndarray) else random.uniform(0.05, 0.95, a) for a in self.arguments]

    def variables(self, change=lambda tensor: tensor, **flags):
        return [Variable(change(tensorlib.from_numpy(a.copy()))) for a in self.arrays()]


CALLS = {
    "conv1d": Call(LINE, (2, 2, 3), (2,), stride=2, padding=1, dilation=1, groups=2),
    "conv2d": Call(IMAGE, (2, 4, 3, 2), (2,), stride=(1, 2), padding=(1, 0), dilation=1, groups=1),
    "conv3d": Call(CUBE, (1, 2, 2, 2, 2), (1,), stride=2, padding=1),
    "conv_transpose1d": Call(LINE, (4, 1, 3), (2,), stride=2, padding=1, output_padding=1, groups=2, dilation=1),
    "conv_transpose2d": Call(IMAGE, (4, 1, 2, 2), (1,), stride=1, dilation=2),
    "conv_transpose3d": Call(CUBE, (2, 1, 2, 2, 2), (1,), stride=(1, 2, 1)),
    "avg_pool1d": Call(LINE, kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    "avg_pool2d": Call(IMAGE, kernel_size=(2, 3), stride=1, padding=(1, 0)),
    "avg_pool3d": Call(CUBE, kernel_size=2, stride=1),
    "max_pool1d": Call(LINE, kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True),
    "max_pool2d": Call(IMAGE, kernel_size=2, stride=1, padding=1, dilation=2, return_indices=True),
    "max_pool3d": Call(CUBE, kernel_size=2, stride=2, ceil_mode=False),
    "max_unpool1d": Call((1, 1, 2), PLACES1, smooth=1, kernel_size=2, stride=2),
    "max_unpool2d": Call((1, 1, 2, 2), PLACES2, smooth=1, kernel_size=2, stride=2, output_size=(4, 4)),
    "max_unpool3d": Call((1, 2, 1, 1, 1), PLACES3, smooth=1, kernel_size=2, stride=2, padding=0),
    "lp_pool2d": Call(IMAGE, norm_type=3, kernel_size=2, stride=1, ceil_mode=False),
    "adaptive_max_pool1d": Call(LINE, output_size=4),
    "adaptive_max_pool2d": Call(IMAGE, output_size=(4, 1), return_indices=True),
    "adaptive_avg_pool1d": Call(LINE, output_size=4),
    "adaptive_avg_pool2d": Call(IMAGE, output_size=(4, 1)),
    "dropout": Call(ROWS, p=0.4), "alpha_dropout": Call(ROWS, p=0.4),
    "dropout2d": Call(IMAGE, p=0.4), "dropout3d": Call(CUBE, p=0.4),
    "threshold": Call(ROWS, threshold=0.5, value=-2), "relu": Call(ROWS), "glu": Call(ROWS, dim=1),
    "hardtanh": Call(ROWS, min_val=0.3, max_val=0.6), "relu6": Call(ROWS), "elu": Call(ROWS, alpha=2.0),
    "selu": Call(ROWS), "leaky_relu": Call(ROWS, negative_slope=0.2), "prelu": Call(ROWS, (4,)),
    "rrelu": Call(ROWS, lower=0.1, upper=0.3), "logsigmoid": Call(ROWS), "hardshrink": Call(ROWS, lambd=0.5),
    "tanhshrink": Call(ROWS), "softsign": Call(ROWS), "softplus": Call(ROWS, beta=2, threshold=20),
    "softmin": Call(ROWS), "softmax": Call(ROWS), "softshrink": Call(ROWS, lambd=0.5), "log_softmax": Call(ROWS),
    "tanh": Call(ROWS), "sigmoid": Call(ROWS),
    "linear": Call(ROWS, (2, 4), (2,)), "bilinear": Call((3, 2), (3, 4), (2, 2, 4), (2,)),
    "embedding": Call(CLASSES, (5, 4), smooth=0),
    "batch_norm": Call(ROWS, smooth=1, running_mean=tensorlib.zeros(4), running_var=tensorlib.ones(4)),
    "nll_loss": Call(ROWS, CLASSES, smooth=1), "cross_entropy": Call(ROWS, CLASSES, smooth=1),
    "poisson_nll_loss": Call(ROWS, ROWS, smooth=1, log_input=False, full=True),
    "kl_div": Call(ROWS, ROWS, smooth=1, size_average=False),
    "binary_cross_entropy": Call(ROWS, ROWS), "binary_cross_entropy_with_logits": Call(ROWS, ROWS),
    "smooth_l1_loss": Call(ROWS, ROWS, smooth=1), "l1_loss": Call(ROWS, ROWS, smooth=1),
    "mse_loss": Call(ROWS, ROWS, smooth=1, size_average=False),
    "margin_ranking_loss": Call((3,), (3,), SIGNS, smooth=2, margin=0.2),
    "hinge_embedding_loss": Call((3,), SIGNS, smooth=1, margin=0.7),
    "multilabel_margin_loss": Call((2, 3), np.array([[2, 0, -1], [1, -1, 0]]), smooth=1),
    "soft_margin_loss": Call((3,), SIGNS, smooth=1), "multilabel_soft_margin_loss": Call(ROWS, ROWS),
    "cosine_embedding_loss": Call(ROWS, ROWS, SIGNS, smooth=2, margin=0.1),
    "multi_margin_loss": Call(ROWS, CLASSES, smooth=1, p=2, margin=0.5),
    "pixel_shuffle": Call(IMAGE, upscale_factor=2),
    "upsample": Call(IMAGE, size=None, scale_factor=2, mode="bilinear"),
    "upsample_nearest": Call(IMAGE, scale_factor=2), "upsample_bilinear": Call(IMAGE, size=(4, 9)),
    "grid_sample": Call((1, 2, 3, 3), (1, 2, 2, 2), mode="bilinear"),
    "affine_grid": Call((1, 2, 3), size=tensorlib.Size([1, 1, 2, 3])),
    "pad": Call(IMAGE, pad=(1, 2, 0, 1), mode="replicate"),
    "pairwise_distance": Call(ROWS, ROWS, p=3, eps=1e-3), "cosine_similarity": Call(ROWS, ROWS, dim=1, eps=1e-3),
    "triplet_margin_loss": Call(ROWS, ROWS, ROWS, margin=1.0, p=2, eps=1e-6, swap=True),
    "normalize": Call(ROWS, p=3, dim=1, eps=1e-6),
}
NAMES = sorted(CALLS)


def call(name, arguments, double=True):
    options = dict(CALLS[name].options)
    for key, value in options.items():
        if double and isinstance(value, tensorlib.FloatTensor):
            options[key] = value.double()
    function = getattr(F, name)
    return function(*arguments, **options)


def outputs(result):
    return list(result) if isinstance(result, tuple) else [result]


def test_every_function_is_here():
    rows = (pathlib.Path(__file__).parent / "signatures.tsv").read_text().splitlines()
    listed = {row.split("\t")[0].rpartition(".")[2] for row in rows if row.startswith("nn.functional.")}
    assert listed == set(CALLS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_any_volatile_argument_makes_the_result_volatile(name):
    for i in range(len(CALLS[name].arguments)):
        arguments = CALLS[name].variables()
        arguments[i] = Variable(arguments[i].data, volatile=True)
        if i and not isinstance(CALLS[name].arguments[0], np.ndarray):
            arguments[0] = Variable(arguments[0].data, requires_grad=True)
        for out in outputs(call(name, arguments)):
            assert out.volatile and not out.requires_grad and out.grad_fn is None, "argument %d" % i


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_strided_arguments_and_floats(name):
    """The same values for other memory layouts and nearly the same in float; arguments are left as they were."""
    wanted = [out.data.numpy() for out in outputs(call(name, CALLS[name].variables()))]

    def strided(t):
        return t.unsqueeze(t.dim()).expand(*t.size(), 2).contiguous().select(t.dim(), 1)

    arguments = CALLS[name].variables(strided)
    for got, want in zip(outputs(call(name, arguments)), wanted):
        np.testing.assert_allclose(got.data.numpy(), want, rtol=1e-12)
    for v, array in zip(arguments, CALLS[name].arrays()):
        np.testing.assert_array_equal(v.data.numpy(), array)
    floats = CALLS[name].variables(lambda t: t if isinstance(t, tensorlib.LongTensor) else t.float())
    for got, want in zip(outputs(call(name, floats, double=False)), wanted):
        np.testing.assert_allclose(got.data.numpy(), want, rtol=1e-4, atol=1e-5)
        assert isinstance(got.data, (tensorlib.FloatTensor, tensorlib.LongTensor))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_both_derivatives(name):
    smooth = CALLS[name].smooth
    arguments = CALLS[name].variables()
    for v in arguments[:smooth]:
        v.requires_grad = True
    if not smooth:
        arguments[1].requires_grad = True               # the matrix of embedding()

    def function(*given):
        return tuple([out * 1 for out in outputs(call(name, given)) if out.requires_grad])

    assert gradcheck(function, tuple(arguments))
    random = np.random.RandomState(7)
    grads = tuple([Variable(tensorlib.from_numpy(random.randn(*out.size())), requires_grad=True)
                   for out in function(*arguments)])
    assert gradgradcheck(function, tuple(arguments), grads, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_by_name(name):
    """All arguments by the names of v0.2 give the same."""
    row = next(line for line in (pathlib.Path(__file__).parent / "signatures.tsv").read_text().splitlines()
               if line.startswith("nn.functional.%s\t" % name))
    names = [part.partition("=")[0].strip() for part in row.split("\t")[1].strip("()").split(",")]
    if name == "batch_norm":
        names.remove("running_mean"), names.remove("running_var")
    arguments = CALLS[name].variables()
    options = {k: v.double() if isinstance(v, tensorlib.FloatTensor) else v for k, v in CALLS[name].options.items()}
    named = getattr(F, name)(**dict(zip(names, arguments)), **options)
    for a, b in zip(outputs(named), outputs(call(name, arguments))):
        assert a.data.equal(b.data)


@pytest.mark.parametrize("pads", [(1, 2, 0, 3), (0, 0, 0, 0), (-1, 2, 3, -2), (-2, -1, -1, -1), (5, 0, 0, 5)], ids=str)
@pytest.mark.parametrize("value", [0, -1.5])
def test_constant_padding(pads, value):
    left, right, top, bottom = pads
    array = np.random.RandomState(0).randn(2, 3, 5, 6)
    x = Variable(tensorlib.from_numpy(array.copy()), requires_grad=True)
    y = F.pad(x, pads, "constant", value)
    cropped = array[:, :, max(-top, 0):5 + min(bottom, 0), max(-left, 0):6 + min(right, 0)]
    want = np.pad(cropped, ((0, 0), (0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))),
                  constant_values=value)
    assert y.size() == want.shape and (y.data.numpy() == want).all()
    weights = np.random.RandomState(1).randn(*want.shape)
    y.backward(tensorlib.from_numpy(weights))
    inside = weights[:, :, max(top, 0):want.shape[2] - max(bottom, 0), max(left, 0):want.shape[3] - max(right, 0)]
    grad = np.zeros_like(array)
    grad[:, :, max(-top, 0):5 + min(bottom, 0), max(-left, 0):6 + min(right, 0)] = inside
    assert (x.grad.data.numpy() == grad).all()
