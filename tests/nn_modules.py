"""The table of layers and losses that test_nn_modules.py runs: constructor, input sizes, and what checks the values.

A Case's values are checked against today's PyTorch (`torch`: another layer there, or False for none) and against a
NumPy formula (`ref`), where one is given.
"""
from collections import namedtuple

import numpy as np

Case = namedtuple("Case", "name args kwargs sizes torch ref positive")


def case(name, args, *sizes, torch=None, ref=None, positive=False, **kwargs):
    """A layer: `sizes` of its inputs; `positive`: inputs above 0."""
    return Case(name, args, kwargs, sizes, torch, ref, positive)


def label(c):
    shown = [repr(a) for a in c.args] + ["%s=%r" % item for item in c.kwargs.items()]
    return "%s(%s)@%s" % (c.name, ",".join(shown), "|".join("x".join(map(str, s)) for s in c.sizes))


def upsample_like_torch(torch, module):
    linear = module.mode != "nearest"
    return torch.nn.Upsample(module.size, module.scale_factor, module.mode, align_corners=True if linear else None)


def softmax_over(dim):
    return lambda torch, module: torch.nn.Softmax(dim)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


LAYERS = [
    case("Linear", (3, 2), (4, 3)),
    case("Linear", (3, 2), (2, 4, 3), bias=False),
    case("Bilinear", (3, 4, 2), (5, 3), (5, 4)),
    case("Conv1d", (2, 4, 3), (2, 2, 6), stride=2, padding=1),
    case("Conv1d", (2, 4, 3), (1, 2, 8), dilation=2, bias=False),
    case("Conv2d", (2, 3, 3), (2, 2, 4, 5)),
    case("Conv2d", (4, 4, (2, 3)), (1, 4, 5, 5), groups=2, stride=(1, 2), padding=(1, 0)),
    case("Conv3d", (1, 2, 2), (1, 1, 3, 4, 3)),
    case("ConvTranspose1d", (2, 3, 3), (2, 2, 4), stride=2, padding=1, output_padding=1),
    case("ConvTranspose2d", (2, 4, 3), (1, 2, 3, 3), groups=2, stride=2),
    case("ConvTranspose3d", (1, 2, 2), (1, 1, 2, 2, 3), stride=(1, 2, 1)),
    case("MaxPool1d", (3,), (2, 2, 7), stride=2, padding=1),
    case("MaxPool2d", (2,), (1, 2, 5, 6)),
    case("MaxPool2d", (2,), (1, 2, 5, 5), ceil_mode=True),
    case("MaxPool2d", (3, 1), (2, 5, 5), dilation=2),
    case("MaxPool3d", (2,), (1, 1, 4, 4, 5)),
    case("AvgPool1d", (3,), (2, 2, 7), stride=2, padding=1, count_include_pad=False),
    case("AvgPool2d", ((2, 3),), (1, 2, 5, 6), stride=1),
    case("AvgPool2d", (2,), (2, 5, 5), ceil_mode=True),
    case("AvgPool3d", (2,), (1, 1, 4, 4, 5)),
    case("LPPool2d", (2, 2), (1, 2, 4, 4), positive=True),
    case("AdaptiveMaxPool1d", (3,), (1, 2, 7)),
    case("AdaptiveMaxPool2d", ((2, 3),), (1, 2, 5, 7)),
    case("AdaptiveAvgPool1d", (3,), (1, 2, 7)),
    case("AdaptiveAvgPool2d", ((2, 3),), (1, 2, 5, 7)),
    case("ReflectionPad2d", ((1, 2, 0, 1),), (1, 2, 3, 4)),
    case("ReplicationPad2d", ((1, 2, 0, -1),), (1, 2, 3, 4)),
    case("ReplicationPad3d", (1,), (1, 1, 2, 3, 2)),
    case("ZeroPad2d", ((-1, 1, 2, 0),), (1, 2, 3, 4)),
    case("ConstantPad2d", (1, 2.5), (1, 2, 3, 4)),
    case("Threshold", (0.1, 2.0), (3, 4)),
    case("ReLU", (), (3, 4)),
    case("ReLU6", (), (3, 4)),
    case("RReLU", (), (3, 4)),
    case("Hardtanh", (-0.5, 0.7), (3, 4)),
    case("Sigmoid", (), (3, 4)),
    case("Tanh", (), (3, 4)),
    case("ELU", (0.7,), (3, 4)),
    case("SELU", (), (3, 4)),
    case("GLU", (1,), (3, 4)),
    case("Hardshrink", (0.3,), (3, 4)),
    case("Softshrink", (0.3,), (3, 4)),
    case("LeakyReLU", (0.2,), (3, 4)),
    case("LogSigmoid", (), (3, 4)),
    case("Softplus", (2, 20), (3, 4)),
    case("PReLU", (), (3, 4)),
    case("PReLU", (3,), (2, 3, 4)),
    case("Softsign", (), (3, 4)),
    case("Tanhshrink", (), (3, 4)),
    case("Softmin", (), (3, 4), torch=lambda torch, module: torch.nn.Softmin(1)),
    case("Softmax", (), (3, 4), torch=softmax_over(1)),
    case("Softmax", (2,), (2, 3, 4), torch=softmax_over(2)),
    case("Softmax2d", (), (2, 3, 2, 2)),
    case("LogSoftmax", (), (3, 4), torch=lambda torch, module: torch.nn.LogSoftmax(1)),
    case("BatchNorm1d", (3,), (5, 3)),
    case("BatchNorm1d", (3,), (4, 3, 2), affine=False),
    case("BatchNorm2d", (2,), (3, 2, 2, 3), momentum=0.4, eps=1e-3),
    case("BatchNorm3d", (2,), (2, 2, 2, 1, 2)),
    case("InstanceNorm1d", (2,), (2, 2, 4), torch=False,
         ref=lambda x: (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-5)),
    case("InstanceNorm2d", (2,), (2, 2, 2, 3), affine=True),
    case("InstanceNorm3d", (2,), (1, 2, 2, 2, 2)),
    case("CrossMapLRN2d", (3, 0.5, 0.75, 2), (1, 5, 2, 2),
         torch=lambda torch, module: torch.nn.LocalResponseNorm(3, 0.5, 0.75, 2)),
    case("Dropout", (0.0,), (3, 4), ref=lambda x: x),
    case("PixelShuffle", (2,), (1, 8, 2, 3)),
    case("Upsample", (), (1, 2, 2, 3), scale_factor=2, torch=upsample_like_torch),
    case("Upsample", (), (1, 2, 2, 3), size=(5, 4), mode="bilinear", torch=upsample_like_torch),
    case("Upsample", (), (1, 1, 2, 2, 3), scale_factor=2, mode="trilinear", torch=upsample_like_torch),
    case("PairwiseDistance", (2,), (3, 4), (3, 4), torch=False,
         ref=lambda x, y: np.sqrt(((np.abs(x - y) + 1e-6) ** 2).sum(1, keepdims=True))),
    case("CosineSimilarity", (), (3, 4), (3, 4)),
    case("RNN", (3, 2), (4, 2, 3)),
    case("RNN", (3, 2, 2), (4, 2, 3), nonlinearity="relu", bidirectional=True),
    case("LSTM", (3, 2), (3, 2, 3), bias=False),
    case("LSTM", (3, 2, 2), (2, 3, 3), batch_first=True, bidirectional=True),
    case("GRU", (3, 2, 2), (3, 2, 3)),
    case("RNNCell", (3, 2), (4, 3), (4, 2)),
    case("GRUCell", (3, 2), (4, 3), (4, 2)),
]

Loss = namedtuple("Loss", "name kwargs size target ref means")


def loss(name, size, target, ref, means="all", **kwargs):
    """A loss: `target` from a RandomState and the size; `ref(x, t)` its terms; `means` over "all" or the "batch"."""
    return Loss(name, kwargs, size, target, ref, means)


def gaussian(r, size):
    return r.randn(*size)


def zero_one(r, size):
    return (r.rand(*size) > 0.5) * 1.0


def signs(r, size):
    return np.where(r.rand(*size) > 0.5, 1.0, -1.0)


def classes(r, size):
    return r.randint(0, size[1], (size[0],) + tuple(size[2:]))


def lists_of_classes(r, size):
    rows = [list(r.permutation(size[1])[:1 + i % 2]) for i in range(size[0])]
    return np.array([row + [-1] * (size[1] - len(row)) for row in rows])


def bce(x, t):
    return -(t * np.log(x + 1e-12) + (1 - t) * np.log(1 - x + 1e-12))


def nll(x, t):
    return -np.take_along_axis(x, np.expand_dims(t, 1), 1)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def multi_margin(x, t):
    terms = np.maximum(0, 0.5 - x[np.arange(len(x)), t][:, None] + x) ** 2
    terms[np.arange(len(x)), t] = 0
    return terms.sum(1) / x.shape[1]


def multilabel_margin(x, t):
    total = []
    for row, targets in zip(x, t):
        wanted = [k for k in targets if k >= 0]
        others = [i for i in range(len(row)) if i not in wanted]
        total.append(sum(max(0, 1 - row[k] + row[i]) for k in wanted for i in others) / len(row))
    return np.array(total)


LOSSES = [
    loss("MSELoss", (3, 4), gaussian, lambda x, t: (x - t) ** 2),
    loss("L1Loss", (3, 4), gaussian, lambda x, t: np.abs(x - t)),
    loss("SmoothL1Loss", (3, 4), gaussian,
         lambda x, t: np.where(np.abs(x - t) < 1, 0.5 * (x - t) ** 2, np.abs(x - t) - 0.5)),
    loss("KLDivLoss", (3, 4), lambda r, s: r.rand(*s), lambda x, t: t * (np.log(t) - x)),
    loss("SoftMarginLoss", (3, 4), signs, lambda x, t: np.log(1 + np.exp(-t * x))),
    loss("HingeEmbeddingLoss", (3, 4), signs, lambda x, t: np.where(t == 1, x, np.maximum(0, 0.7 - x)), margin=0.7),
    loss("BCELoss", (3, 4), zero_one, bce),
    loss("BCEWithLogitsLoss", (3, 4), zero_one, lambda x, t: bce(sigmoid(x), t)),
    loss("MultiLabelSoftMarginLoss", (3, 4), zero_one, lambda x, t: bce(sigmoid(x), t)),
    loss("PoissonNLLLoss", (3, 4), lambda r, s: r.poisson(3, s) * 1.0, lambda x, t: np.exp(x) - t * x),
    loss("NLLLoss", (3, 4), classes, nll),
    loss("NLLLoss2d", (2, 3, 2, 2), classes, nll),
    loss("CrossEntropyLoss", (3, 4), classes, lambda x, t: nll(log_softmax(x), t)),
    loss("CrossEntropyLoss", (2, 3, 2, 2), classes, lambda x, t: nll(log_softmax(x), t)),
    loss("MultiMarginLoss", (3, 4), classes, multi_margin, "batch", p=2, margin=0.5),
    loss("MultiLabelMarginLoss", (3, 4), lists_of_classes, multilabel_margin, "batch"),
]
