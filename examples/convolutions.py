"""Convolutions: in a Sequential, and in a class with pooling between them.

    python examples/convolutions.py
"""
import tensorlib
import tensorlib.nn.functional as F
from tensorlib import nn
from tensorlib.autograd import Variable


def sizes(x):
    return " x ".join(str(n) for n in x.size())


image = Variable(tensorlib.randn(1, 1, 28, 28))

# Conv2d(in_channels, out_channels, kernel_size)
model = tensorlib.nn.Sequential(
    tensorlib.nn.Conv2d(1, 20, 5),
    tensorlib.nn.ReLU(),
    tensorlib.nn.Conv2d(20, 64, 5),
    tensorlib.nn.ReLU(),
)
print("Sequential: %s becomes %s" % (sizes(image), sizes(model(image))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return x


model = Model()
print("class with pooling: %s becomes %s" % (sizes(image), sizes(model(image))))

# What a convolution does, seen on a picture of a vertical edge.
edge = Variable(tensorlib.zeros(1, 1, 4, 6))
edge.data[:, :, :, 3:] = 1
kernel = Variable(tensorlib.FloatTensor([[-1, 1]]).view(1, 1, 1, 2))
print("a kernel of -1, 1 finds the edge in each row:", F.conv2d(edge, kernel).data[0][0])
