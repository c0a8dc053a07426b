"""Residual networks: He et al., "Deep residual learning for image recognition" (2015).

A block of three convolutions takes its stride in the middle one, not in the first as the paper has it.
"""
from ... import nn
from ._common import he_normal, ones_and_zeros, trained


def conv3x3(in_planes, out_planes, stride=1):
    """Return a 3 x 3 convolution that keeps the size."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input goes."""

    expansion = 1

    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1 around which the input goes; the first narrows, the last widens."""

    expansion = 4

    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Four groups of residual blocks, for images of 3 x 224 x 224.

    Args:
        block: BasicBlock or Bottleneck.
        layers: the number of blocks in each of the four groups.
        num_classes: outputs.
    """

    def __init__(self, block, layers, num_classes=1000):
        super().__init__()
        self.inplanes = 64
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2)
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2)
        self.avgpool = nn.AvgPool2d(7)
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                he_normal(module)
            elif isinstance(module, nn.BatchNorm2d):
                ones_and_zeros(module)

    def _make_layer(self, block, planes, blocks, stride=1):
        """A group of blocks; only the first one changes the size or the channels."""
        downsample, width = None, planes * block.expansion
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(nn.Conv2d(self.inplanes, width, kernel_size=1, stride=stride, bias=False),
                                       nn.BatchNorm2d(width))
        layers = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = width
        layers += [block(width, planes) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.avgpool(x)
        return self.fc(x.view(x.size(0), -1))


def resnet18(pretrained=False, **kwargs):
    """Return ResNet of 18 layers, trained on ImageNet if `pretrained`; other arguments are those of the class."""
    return trained(ResNet(BasicBlock, [2, 2, 2, 2], **kwargs), "resnet18-5c106cde", pretrained)


def resnet34(pretrained=False, **kwargs):
    """Return ResNet of 34 layers."""
    return trained(ResNet(BasicBlock, [3, 4, 6, 3], **kwargs), "resnet34-333f7ec4", pretrained)


def resnet50(pretrained=False, **kwargs):
    """Return ResNet of 50 layers."""
    return trained(ResNet(Bottleneck, [3, 4, 6, 3], **kwargs), "resnet50-19c8e357", pretrained)


def resnet101(pretrained=False, **kwargs):
    """Return ResNet of 101 layers."""
    return trained(ResNet(Bottleneck, [3, 4, 23, 3], **kwargs), "resnet101-5d3b4d8f", pretrained)


def resnet152(pretrained=False, **kwargs):
    """Return ResNet of 152 layers."""
    return trained(ResNet(Bottleneck, [3, 8, 36, 3], **kwargs), "resnet152-b121ed2d", pretrained)
