"""Setting the first weights of a network: by nn.init, by a function for every layer, and in the class itself.

    python examples/weight_initialisation.py
"""
import math

import tensorlib
from tensorlib import nn

tensorlib.manual_seed(1)

# A function of nn.init fills a tensor.
w = tensorlib.Tensor(3, 5)
tensorlib.nn.init.xavier_normal(w)
print("xavier_normal of 3 x 5 aims at a deviation of %.2f:" % math.sqrt(2 / (3 + 5)), w)


# A function that `apply` calls with every layer.
def weights_init(m):
    classname = m.__class__.__name__
    if classname.find('Conv') != -1:
        m.weight.data.normal_(0.0, 0.02)
    elif classname.find('BatchNorm') != -1:
        m.weight.data.normal_(1.0, 0.02)
        m.bias.data.fill_(0)


net = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
net.apply(weights_init)
print("apply: the convolution's weights have deviation %.3f, the batch norm's mean %.2f" % (
    net[0].weight.data.std(), net[1].weight.data.mean()))


# A loop over the modules, at the end of __init__.
class MyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3)
        self.norm = nn.BatchNorm2d(64)
        self.linear = nn.Linear(64, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2. / n))
            elif isinstance(m, nn.BatchNorm2d):
                m.weight.data.fill_(1)
                m.bias.data.zero_()
            elif isinstance(m, nn.Linear):
                m.bias.data.zero_()


model = MyModel()
print("loop: the convolution's deviation is %.3f, aimed at %.3f; the linear bias sums to %g" % (
    model.conv.weight.data.std(), math.sqrt(2 / (9 * 64)), model.linear.bias.data.sum()))
