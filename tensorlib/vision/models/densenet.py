"""DenseNet: Huang et al., "Densely connected convolutional networks" (2016), with bottlenecks and compression."""
from collections import OrderedDict

from ... import nn
from ...nn import functional as F
from ...ops.shape import cat_sequence
from ._common import trained


class _DenseLayer(nn.Sequential):
    """Normalised 1 x 1 and 3 x 3 convolutions, whose result is put behind the input's channels."""

    def __init__(self, num_input_features, growth_rate, bn_size, drop_rate):
        super().__init__()
        width = bn_size * growth_rate
        # Checkpoints have these names, dots included.
        self.add_module("norm.1", nn.BatchNorm2d(num_input_features))
        self.add_module("relu.1", nn.ReLU(inplace=True))
        self.add_module("conv.1", nn.Conv2d(num_input_features, width, kernel_size=1, stride=1, bias=False))
        self.add_module("norm.2", nn.BatchNorm2d(width))
        self.add_module("relu.2", nn.ReLU(inplace=True))
        self.add_module("conv.2", nn.Conv2d(width, growth_rate, kernel_size=3, stride=1, padding=1, bias=False))
        self.drop_rate = drop_rate

    def forward(self, x):
        new_features = super().forward(x)
        if self.drop_rate > 0:
            new_features = F.dropout(new_features, p=self.drop_rate, training=self.training)
        return cat_sequence([x, new_features], 1)


class _DenseBlock(nn.Sequential):
    """Layers of which each sees the results of all before it."""

    def __init__(self, num_layers, num_input_features, bn_size, growth_rate, drop_rate):
        super().__init__()
        for i in range(num_layers):
            layer = _DenseLayer(num_input_features + i * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module("denselayer%d" % (i + 1), layer)


class _Transition(nn.Sequential):
    """Fewer channels, and half the size."""

    def __init__(self, num_input_features, num_output_features):
        super().__init__()
        self.add_module("norm", nn.BatchNorm2d(num_input_features))
        self.add_module("relu", nn.ReLU(inplace=True))
        self.add_module("conv", nn.Conv2d(num_input_features, num_output_features, kernel_size=1, stride=1, bias=False))
        self.add_module("pool", nn.AvgPool2d(kernel_size=2, stride=2))


class DenseNet(nn.Module):
    """Dense blocks with transitions between them, for images of 3 x 224 x 224.

    Args:
        growth_rate: channels that each layer adds.
        block_config: layers of each block.
        num_init_features: channels after the first convolution.
        bn_size: channels of a bottleneck, in multiples of growth_rate.
        drop_rate: dropout after each layer.
        num_classes: outputs.
    """

    def __init__(self, growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64, bn_size=4, drop_rate=0,
                 num_classes=1000):
        super().__init__()
        self.features = nn.Sequential(OrderedDict([
            ("conv0", nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(num_init_features)),
            ("relu0", nn.ReLU(inplace=True)),
            ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1))]))
        channels = num_init_features
        for number, num_layers in enumerate(block_config, 1):
            self.features.add_module("denseblock%d" % number,
                                     _DenseBlock(num_layers, channels, bn_size, growth_rate, drop_rate))
            channels += num_layers * growth_rate
            if number < len(block_config):
                self.features.add_module("transition%d" % number, _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = F.relu(self.features(x), inplace=True)
        x = F.avg_pool2d(x, kernel_size=7, stride=1)
        return self.classifier(x.view(x.size(0), -1))


def densenet121(pretrained=False, **kwargs):
    """Return DenseNet of 121 layers, trained on ImageNet if `pretrained`; other arguments are those of the class."""
    return trained(DenseNet(growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64, **kwargs),
                   "densenet121-a639ec97", pretrained)


def densenet169(pretrained=False, **kwargs):
    """Return DenseNet of 169 layers."""
    return trained(DenseNet(growth_rate=32, block_config=(6, 12, 32, 32), num_init_features=64, **kwargs),
                   "densenet169-b2777c0a", pretrained)


def densenet201(pretrained=False, **kwargs):
    """Return DenseNet of 201 layers."""
    return trained(DenseNet(growth_rate=32, block_config=(6, 12, 48, 32), num_init_features=64, **kwargs),
                   "densenet201-c1103571", pretrained)


def densenet161(pretrained=False, **kwargs):
    """Return DenseNet of 161 layers, which grows faster."""
    return trained(DenseNet(growth_rate=48, block_config=(6, 12, 36, 24), num_init_features=96, **kwargs),
                   "densenet161-8d451a50", pretrained)
