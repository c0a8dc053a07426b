"""VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition" (2014)."""
from ... import nn
from ._common import he_normal, ones_and_zeros, trained

POOL = "M"
# Channels of the convolutions of the paper's configurations A, B, D and E, and the poolings between them.
LAYERS = {
    11: [64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL],
    13: [64, 64, POOL, 128, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL],
    16: [64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, 512, 512, 512, POOL, 512, 512, 512, POOL],
    19: [64, 64, POOL, 128, 128, POOL, 256, 256, 256, 256, POOL, 512, 512, 512, 512, POOL, 512, 512, 512, 512, POOL],
}


class VGG(nn.Module):
    """Stacked 3 x 3 convolutions and three fully connected layers, for images of 3 x 224 x 224.

    Args:
        features: the convolutional part, see `make_layers`.
        num_classes: outputs.
        init_weights: draw the weights anew; loading trained ones saves that.
    """

    def __init__(self, features, num_classes=1000, init_weights=True):
        super().__init__()
        self.features = features
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(4096, num_classes))
        if init_weights:
            for module in self.modules():
                _initialise(module)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


def _initialise(module):
    if isinstance(module, nn.Conv2d):
        he_normal(module)
    elif isinstance(module, nn.BatchNorm2d):
        ones_and_zeros(module)
    elif isinstance(module, nn.Linear):
        module.weight.data.normal_(0, 0.01)
        module.bias.data.zero_()


def make_layers(cfg, batch_norm=False):
    """Return the convolutional part: a number is a convolution of so many channels, "M" a pooling."""
    layers, channels = [], 3
    for step in cfg:
        if step == POOL:
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, step, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(step))
        layers.append(nn.ReLU(inplace=True))
        channels = step
    return nn.Sequential(*layers)


def _vgg(depth, batch_norm, file, pretrained, kwargs):
    if pretrained:
        kwargs["init_weights"] = False
    return trained(VGG(make_layers(LAYERS[depth], batch_norm), **kwargs), file, pretrained)


def vgg11(pretrained=False, **kwargs):
    """Return VGG of 11 layers, trained on ImageNet if `pretrained`; other arguments are those of the class."""
    return _vgg(11, False, "vgg11-bbd30ac9", pretrained, kwargs)


def vgg11_bn(pretrained=False, **kwargs):
    """Return VGG of 11 layers with batch normalisation."""
    return _vgg(11, True, "vgg11_bn-6002323d", pretrained, kwargs)


def vgg13(pretrained=False, **kwargs):
    """Return VGG of 13 layers."""
    return _vgg(13, False, "vgg13-c768596a", pretrained, kwargs)


def vgg13_bn(pretrained=False, **kwargs):
    """Return VGG of 13 layers with batch normalisation."""
    return _vgg(13, True, "vgg13_bn-abd245e5", pretrained, kwargs)


def vgg16(pretrained=False, **kwargs):
    """Return VGG of 16 layers."""
    return _vgg(16, False, "vgg16-397923af", pretrained, kwargs)


def vgg16_bn(pretrained=False, **kwargs):
    """Return VGG of 16 layers with batch normalisation."""
    return _vgg(16, True, "vgg16_bn-6c64b313", pretrained, kwargs)


def vgg19(pretrained=False, **kwargs):
    """Return VGG of 19 layers."""
    return _vgg(19, False, "vgg19-dcbb9e9d", pretrained, kwargs)


def vgg19_bn(pretrained=False, **kwargs):
    """Return VGG of 19 layers with batch normalisation."""
    return _vgg(19, True, "vgg19_bn-c79401a0", pretrained, kwargs)
