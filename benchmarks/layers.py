"""Layers and losses against PyTorch, forward and backward: pooling, activations, normalisation, padding, upsampling.

    python benchmarks/layers.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]

Convolution, recurrent layers and Linear are in files of their own.
"""
import numpy as np
import tensorlib
from _measure import main, torch
from tensorlib.autograd import Variable


def along(nn):
    """v0.2 knew no dim; today's PyTorch wants to be told."""
    return {} if nn is tensorlib.nn else {"dim": 1}


IMAGES = (32, 32, 32, 32)
# name: what makes the layer, sizes of its input
POOLING = {
    "MaxPool2d(2) of 24x24": (lambda nn: nn.MaxPool2d(2), (64, 20, 24, 24)),
    "MaxPool2d(2) of 8x8": (lambda nn: nn.MaxPool2d(2), (64, 50, 8, 8)),
    "MaxPool2d(2) of 7x7": (lambda nn: nn.MaxPool2d(2), (64, 50, 7, 7)),
    "MaxPool2d(3, 2, 1) of 56x56": (lambda nn: nn.MaxPool2d(3, 2, 1), (4, 64, 56, 56)),
    "MaxPool2d(3, 2) of 13x13": (lambda nn: nn.MaxPool2d(3, 2), (16, 96, 13, 13)),
    "MaxPool1d(2) of 128": (lambda nn: nn.MaxPool1d(2), (32, 64, 128)),
    "MaxPool3d(2) of 16x16x16": (lambda nn: nn.MaxPool3d(2), (4, 16, 16, 16, 16)),
    "AvgPool2d(2)": (lambda nn: nn.AvgPool2d(2), IMAGES),
    "AvgPool2d(8) of 8x8": (lambda nn: nn.AvgPool2d(8), (64, 64, 8, 8)),
    "AvgPool2d(3, 1, 1) of 14x14": (lambda nn: nn.AvgPool2d(3, 1, 1), (8, 128, 14, 14)),
    "AdaptiveAvgPool2d(1) of 7x7": (lambda nn: nn.AdaptiveAvgPool2d(1), (16, 512, 7, 7)),
    "AdaptiveMaxPool2d(7) of 13x13": (lambda nn: nn.AdaptiveMaxPool2d(7), (8, 64, 13, 13)),
    "LPPool2d(2, 2)": (lambda nn: nn.LPPool2d(2, 2), IMAGES),
}
ACTIVATIONS = {name: (make, (1000, 1000)) for name, make in {
    "ReLU": lambda nn: nn.ReLU(), "ReLU6": lambda nn: nn.ReLU6(), "LeakyReLU": lambda nn: nn.LeakyReLU(),
    "ELU": lambda nn: nn.ELU(), "SELU": lambda nn: nn.SELU(), "PReLU": lambda nn: nn.PReLU(),
    "Hardtanh": lambda nn: nn.Hardtanh(), "Threshold": lambda nn: nn.Threshold(0.1, 0.5),
    "Sigmoid": lambda nn: nn.Sigmoid(), "Tanh": lambda nn: nn.Tanh(), "LogSigmoid": lambda nn: nn.LogSigmoid(),
    "Softplus": lambda nn: nn.Softplus(), "Softshrink": lambda nn: nn.Softshrink(),
    "Hardshrink": lambda nn: nn.Hardshrink(), "Softsign": lambda nn: nn.Softsign(),
    "Tanhshrink": lambda nn: nn.Tanhshrink(), "Softmin": lambda nn: nn.Softmin(**along(nn)),
    "Softmax": lambda nn: nn.Softmax(**along(nn)), "LogSoftmax": lambda nn: nn.LogSoftmax(**along(nn)),
    "Dropout": lambda nn: nn.Dropout(0.5)}.items()}
ACTIVATIONS.update({
    "RReLU": (lambda nn: nn.RReLU(), (300, 300)),
    "Softmax2d": (lambda nn: nn.Softmax2d(), (16, 32, 28, 28)),
    "Dropout2d": (lambda nn: nn.Dropout2d(0.5), IMAGES),
    "AlphaDropout": (lambda nn: nn.AlphaDropout(0.5), (1000, 1000)),
    "ReLU in place": (lambda nn: nn.Sequential(nn.Tanhshrink(), nn.ReLU(True)), (1000, 1000)),
})
NORMALISATION = {
    "BatchNorm1d(512), 256 rows": (lambda nn: nn.BatchNorm1d(512), (256, 512)),
    "BatchNorm1d(64) of 200": (lambda nn: nn.BatchNorm1d(64), (32, 64, 200)),
    "BatchNorm2d(64) of 28x28": (lambda nn: nn.BatchNorm2d(64), (32, 64, 28, 28)),
    "BatchNorm2d(128) of 8x8": (lambda nn: nn.BatchNorm2d(128), (16, 128, 8, 8)),
    "BatchNorm3d(16)": (lambda nn: nn.BatchNorm3d(16), (8, 16, 8, 16, 16)),
    "BatchNorm2d, inference": (lambda nn: nn.BatchNorm2d(64).eval(), (32, 64, 28, 28)),
    "InstanceNorm2d(32)": (lambda nn: nn.InstanceNorm2d(32), IMAGES),
}
SHAPES = {
    "ZeroPad2d(1)": (lambda nn: nn.ZeroPad2d(1), IMAGES),
    "ReflectionPad2d(2)": (lambda nn: nn.ReflectionPad2d(2), IMAGES),
    "ReplicationPad2d(2)": (lambda nn: nn.ReplicationPad2d(2), IMAGES),
    "PixelShuffle(2)": (lambda nn: nn.PixelShuffle(2), IMAGES),
    "UpsamplingNearest2d(2)": (lambda nn: nn.UpsamplingNearest2d(scale_factor=2), (8, 32, 32, 32)),
    "UpsamplingBilinear2d(2)": (lambda nn: nn.UpsamplingBilinear2d(scale_factor=2), (8, 32, 32, 32)),
    "Linear(1000, 1000)": (lambda nn: nn.Linear(1000, 1000), (64, 1000)),
    "Linear(100, 10)": (lambda nn: nn.Linear(100, 10), (64, 100)),
}
# name: loss, sizes of the input, what makes the target
LOSSES = {
    "MSELoss": (lambda nn: nn.MSELoss(), (1000, 1000), "same"),
    "L1Loss": (lambda nn: nn.L1Loss(), (1000, 1000), "same"),
    "SmoothL1Loss": (lambda nn: nn.SmoothL1Loss(), (1000, 1000), "same"),
    "KLDivLoss": (lambda nn: nn.KLDivLoss(), (1000, 1000), "unit"),
    "BCELoss": (lambda nn: nn.Sequential(nn.Sigmoid()), (1000, 1000), "bce"),
    "BCEWithLogitsLoss": (lambda nn: nn.BCEWithLogitsLoss(), (1000, 1000), "unit"),
    "SoftMarginLoss": (lambda nn: nn.SoftMarginLoss(), (1000, 1000), "sign"),
    "MultiLabelSoftMarginLoss": (lambda nn: nn.MultiLabelSoftMarginLoss(), (1000, 100), "unit"),
    "PoissonNLLLoss": (lambda nn: nn.PoissonNLLLoss(), (1000, 1000), "unit"),
    "CrossEntropyLoss, 10 classes": (lambda nn: nn.CrossEntropyLoss(), (1000, 10), "classes"),
    "CrossEntropyLoss, 1000 classes": (lambda nn: nn.CrossEntropyLoss(), (256, 1000), "classes"),
    "CrossEntropyLoss, 21 classes of 32x32": (lambda nn: nn.CrossEntropyLoss(), (4, 21, 32, 32), "classes"),
    "MultiMarginLoss": (lambda nn: nn.MultiMarginLoss(), (1000, 100), "classes"),
}


def random(size, seed=0):
    return np.random.RandomState(seed).randn(*size).astype(np.float32)


def leaf(module, array):
    tensor = module.from_numpy(array)
    return Variable(tensor, requires_grad=True) if module is tensorlib else tensor.requires_grad_()


def targets(kind, size):
    """An array of what the loss compares with."""
    if kind == "classes":
        return np.random.RandomState(1).randint(0, size[1], size[:1] + size[2:]).astype(np.int64)
    values = random(size, 1)
    return {"same": values, "unit": 1 / (1 + np.exp(-values)), "bce": 1 / (1 + np.exp(-values)),
            "sign": np.sign(values)}[kind]


def layer_steps(make, size):
    """For each side: forward, and backward from a gradient of ones, of a layer."""
    def steps(module):
        if module is None:
            return None
        layer, values = make(module.nn), random(size)
        x = leaf(module, values)
        ones = module.ones(*layer(x).size())

        def step():
            layer.zero_grad()
            x.grad = None
            layer(x).backward(ones)
        return step
    return steps(tensorlib), steps(torch)


def loss_steps(make, size, kind):
    def steps(module):
        if module is None:
            return None
        loss, x, target = make(module.nn), leaf(module, random(size)), module.from_numpy(targets(kind, size))
        if module is tensorlib:
            target = Variable(target)
        if kind == "bce":
            sigmoid, loss = loss, module.nn.BCELoss()

        def step():
            x.grad = None
            loss(sigmoid(x) if kind == "bce" else x, target).backward()
        return step
    return steps(tensorlib), steps(torch)


def cases(suite):
    for family in (POOLING, ACTIVATIONS, NORMALISATION, SHAPES):
        for name, (make, size) in family.items():
            if suite.wants(name):
                suite.compare(name, *layer_steps(make, size), goal=1)
    for name, (make, size, kind) in LOSSES.items():
        if suite.wants(name):
            suite.compare(name, *loss_steps(make, size, kind), goal=1)


if __name__ == "__main__":
    main(__doc__, cases)
