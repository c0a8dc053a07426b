"""Inception v3: Szegedy et al., "Rethinking the Inception architecture for computer vision" (2015)."""
from ... import nn
from ...nn import functional as F
from ...ops.shape import cat_sequence
from ._common import ones_and_zeros, trained


class BasicConv2d(nn.Module):
    """A convolution, normalised, with ReLU. `stddev` is that of the weights' initialisation."""

    def __init__(self, in_channels, out_channels, stddev=0.1, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        _truncated_normal(self.conv.weight.data, stddev)
        ones_and_zeros(self.bn)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _truncated_normal(tensor, stddev):
    """Draw from N(0, stddev^2) without what lies beyond two deviations: that is drawn again."""
    tensor.normal_()
    beyond = tensor.abs() > 2
    while beyond.any():
        tensor[beyond] = tensor.new(beyond.sum()).normal_()
        beyond = tensor.abs() > 2
    tensor.mul_(stddev)


def _average(x):
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


class InceptionA(nn.Module):
    """Branches of 1 x 1, 5 x 5, two 3 x 3, and an average."""

    def __init__(self, in_channels, pool_features):
        super().__init__()
        self.branch1x1 = BasicConv2d(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = BasicConv2d(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = BasicConv2d(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, kernel_size=3, padding=1)
        self.branch_pool = BasicConv2d(in_channels, pool_features, kernel_size=1)

    def forward(self, x):
        branch5x5 = self.branch5x5_2(self.branch5x5_1(x))
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat_sequence([self.branch1x1(x), branch5x5, branch3x3dbl, self.branch_pool(_average(x))], 1)


class InceptionB(nn.Module):
    """Half the size: branches of 3 x 3, two 3 x 3, and a maximum."""

    def __init__(self, in_channels):
        super().__init__()
        self.branch3x3 = BasicConv2d(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, kernel_size=3, stride=2)

    def forward(self, x):
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat_sequence([self.branch3x3(x), branch3x3dbl, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionC(nn.Module):
    """Branches of 1 x 1, 7 x 7 and two 7 x 7 in their factors, and an average."""

    def __init__(self, in_channels, channels_7x7):
        super().__init__()
        c7 = channels_7x7
        wide, high = dict(kernel_size=(1, 7), padding=(0, 3)), dict(kernel_size=(7, 1), padding=(3, 0))
        self.branch1x1 = BasicConv2d(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = BasicConv2d(in_channels, c7, kernel_size=1)
        self.branch7x7_2 = BasicConv2d(c7, c7, **wide)
        self.branch7x7_3 = BasicConv2d(c7, 192, **high)
        self.branch7x7dbl_1 = BasicConv2d(in_channels, c7, kernel_size=1)
        self.branch7x7dbl_2 = BasicConv2d(c7, c7, **high)
        self.branch7x7dbl_3 = BasicConv2d(c7, c7, **wide)
        self.branch7x7dbl_4 = BasicConv2d(c7, c7, **high)
        self.branch7x7dbl_5 = BasicConv2d(c7, 192, **wide)
        self.branch_pool = BasicConv2d(in_channels, 192, kernel_size=1)

    def forward(self, x):
        branch7x7 = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        branch7x7dbl = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        branch7x7dbl = self.branch7x7dbl_5(self.branch7x7dbl_4(branch7x7dbl))
        return cat_sequence([self.branch1x1(x), branch7x7, branch7x7dbl, self.branch_pool(_average(x))], 1)


class InceptionD(nn.Module):
    """Half the size: branches of 3 x 3, 7 x 7 and 3 x 3, and a maximum."""

    def __init__(self, in_channels):
        super().__init__()
        self.branch3x3_1 = BasicConv2d(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = BasicConv2d(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = BasicConv2d(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = BasicConv2d(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = BasicConv2d(192, 192, kernel_size=3, stride=2)

    def forward(self, x):
        branch7x7x3 = self.branch7x7x3_2(self.branch7x7x3_1(x))
        branch7x7x3 = self.branch7x7x3_4(self.branch7x7x3_3(branch7x7x3))
        smaller = F.max_pool2d(x, kernel_size=3, stride=2)
        return cat_sequence([self.branch3x3_2(self.branch3x3_1(x)), branch7x7x3, smaller], 1)


class InceptionE(nn.Module):
    """Branches whose 3 x 3 convolutions lie in their factors side by side."""

    def __init__(self, in_channels):
        super().__init__()
        wide, high = dict(kernel_size=(1, 3), padding=(0, 1)), dict(kernel_size=(3, 1), padding=(1, 0))
        self.branch1x1 = BasicConv2d(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = BasicConv2d(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = BasicConv2d(384, 384, **wide)
        self.branch3x3_2b = BasicConv2d(384, 384, **high)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, **wide)
        self.branch3x3dbl_3b = BasicConv2d(384, 384, **high)
        self.branch_pool = BasicConv2d(in_channels, 192, kernel_size=1)

    def forward(self, x):
        branch3x3 = self.branch3x3_1(x)
        branch3x3dbl = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return cat_sequence([self.branch1x1(x), self.branch3x3_2a(branch3x3), self.branch3x3_2b(branch3x3),
                             self.branch3x3dbl_3a(branch3x3dbl), self.branch3x3dbl_3b(branch3x3dbl),
                             self.branch_pool(_average(x))], 1)


class InceptionAux(nn.Module):
    """A second classifier half-way, which helps the training."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.conv0 = BasicConv2d(in_channels, 128, kernel_size=1)
        self.conv1 = BasicConv2d(128, 768, stddev=0.01, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)
        _truncated_normal(self.fc.weight.data, 0.001)

    def forward(self, x):
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(x.view(x.size(0), -1))


class Inception3(nn.Module):
    """Inception modules, for images of 3 x 299 x 299.

    Args:
        num_classes: outputs.
        aux_logits: in training, return the pair of the output and that of a second classifier half-way.
        transform_input: take images normalised by the mean and deviation of ImageNet, as other networks do, and bring
            them to those of the original, 0.5 and 0.5.
    """

    def __init__(self, num_classes=1000, aux_logits=True, transform_input=False):
        super().__init__()
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, kernel_size=3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, kernel_size=3)
        self.Mixed_5b = InceptionA(192, pool_features=32)
        self.Mixed_5c = InceptionA(256, pool_features=64)
        self.Mixed_5d = InceptionA(288, pool_features=64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, channels_7x7=128)
        self.Mixed_6c = InceptionC(768, channels_7x7=160)
        self.Mixed_6d = InceptionC(768, channels_7x7=160)
        self.Mixed_6e = InceptionC(768, channels_7x7=192)
        if aux_logits:
            self.AuxLogits = InceptionAux(768, num_classes)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)
        self.fc = nn.Linear(2048, num_classes)
        _truncated_normal(self.fc.weight.data, 0.1)

    def forward(self, x):
        if self.transform_input:
            x = _to_half_mean(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, kernel_size=3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, kernel_size=3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        aux = self.AuxLogits(x) if self.training and self.aux_logits else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = F.dropout(F.avg_pool2d(x, kernel_size=8), training=self.training)
        x = self.fc(x.view(x.size(0), -1))
        return x if aux is None else (x, aux)


def _to_half_mean(x):
    """From the mean and deviation of ImageNet's channels to 0.5 and 0.5."""
    channels = [x[:, i:i + 1] * (std / 0.5) + (mean - 0.5) / 0.5
                for i, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])]
    return cat_sequence(channels, 1)


def inception_v3(pretrained=False, **kwargs):
    """Return Inception v3, trained on ImageNet if `pretrained` (images are then transformed unless told otherwise)."""
    if pretrained:
        kwargs.setdefault("transform_input", True)
    return trained(Inception3(**kwargs), "inception_v3_google-1a9a5a14", pretrained)
