"""SqueezeNet: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters" (2016), 1.0 and 1.1."""
from ... import nn
from ...nn import init
from ...ops.shape import cat_sequence
from ._common import trained


class Fire(nn.Module):
    """A 1 x 1 convolution that narrows, then 1 x 1 and 3 x 3 side by side."""

    def __init__(self, inplanes, squeeze_planes, expand1x1_planes, expand3x3_planes):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        narrow, wide = self.expand1x1(x), self.expand3x3(x)
        return cat_sequence([self.expand1x1_activation(narrow), self.expand3x3_activation(wide)], 1)


def _pool():
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


class SqueezeNet(nn.Module):
    """Fire modules and one last convolution, for images of 3 x 224 x 224.

    Args:
        version: 1.0, or 1.1, which has 2.4 times less to compute.
        num_classes: outputs.

    Raises:
        ValueError: another version.
    """

    def __init__(self, version=1.0, num_classes=1000):
        super().__init__()
        if version not in (1.0, 1.1):
            raise ValueError("SqueezeNet: unknown version %s, expected 1.0 or 1.1" % version)
        self.num_classes = num_classes
        if version == 1.0:
            first, pools = nn.Conv2d(3, 96, kernel_size=7, stride=2), (3, 7)
        else:
            first, pools = nn.Conv2d(3, 64, kernel_size=3, stride=2), (2, 4)
        layers, channels = [first, nn.ReLU(inplace=True), _pool()], first.out_channels
        for number, (squeeze, expand) in enumerate(zip((16, 16, 32, 32, 48, 48, 64, 64),
                                                       (64, 64, 128, 128, 192, 192, 256, 256))):
            if number in pools:
                layers.append(_pool())
            layers.append(Fire(channels, squeeze, expand, expand))
            channels = 2 * expand
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(nn.Dropout(p=0.5), last, nn.ReLU(inplace=True), nn.AvgPool2d(13))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    init.normal(module.weight.data, mean=0.0, std=0.01)
                else:
                    init.kaiming_uniform(module.weight.data)
                module.bias.data.zero_()

    def forward(self, x):
        x = self.classifier(self.features(x))
        return x.view(x.size(0), self.num_classes)


def squeezenet1_0(pretrained=False, **kwargs):
    """Return SqueezeNet 1.0, trained on ImageNet if `pretrained`; other arguments are those of the class."""
    return trained(SqueezeNet(version=1.0, **kwargs), "squeezenet1_0-a815701f", pretrained)


def squeezenet1_1(pretrained=False, **kwargs):
    """Return SqueezeNet 1.1."""
    return trained(SqueezeNet(version=1.1, **kwargs), "squeezenet1_1-f364aa15", pretrained)
