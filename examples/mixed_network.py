"""A class that holds a Sequential: the usual way to write larger networks.

    python examples/mixed_network.py
"""
import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.nn import Conv2d


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.feature_extractor = nn.Sequential(
            Conv2d(3, 12, kernel_size=3, padding=1, stride=1),
            Conv2d(12, 24, kernel_size=3, padding=1, stride=1),
        )

    def forward(self, x):
        x = self.feature_extractor(x)
        return x


model = Model()
print(model)
images = Variable(tensorlib.randn(2, 3, 32, 32))
features = model(images)
print("2 images of 3 x 32 x 32 become features of size %s" % " x ".join(str(n) for n in features.size()))
print("the network has %d weights" % sum(p.numel() for p in model.parameters()))
