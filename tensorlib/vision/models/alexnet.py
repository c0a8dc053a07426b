"""AlexNet in the form of Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014)."""
from ... import nn
from ._common import trained


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers, for images of 3 x 224 x 224.

    Args:
        num_classes: outputs.
    """

    def __init__(self, num_classes=1000):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes))

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), 256 * 6 * 6))


def alexnet(pretrained=False, **kwargs):
    """Return AlexNet, trained on ImageNet if `pretrained`; other arguments are those of the class."""
    return trained(AlexNet(**kwargs), "alexnet-owt-4df8aa71", pretrained)
