"""Instance normalisation layers: each sample by its own statistics, in training and in evaluation."""
from .. import functional as F
from .batchnorm import _BatchNorm


class _InstanceNorm(_BatchNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False):
        super().__init__(num_features, eps, momentum, affine)

    def eval(self):
        """Do nothing: evaluation is the same as training."""
        return self

    def forward(self, input):
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, self.momentum,
                               self.eps)


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sample over its places (Ulyanov et al., 2016).

    Args:
        num_features (int), eps (float), momentum (float): as of BatchNorm1d.
        affine (bool): whether there are weight and bias.

    Shape: (n, c, l), and the same out.
    """


class InstanceNorm2d(_InstanceNorm):
    """InstanceNorm1d for images. Shape: (n, c, h, w)."""


class InstanceNorm3d(_InstanceNorm):
    """InstanceNorm1d for volumes. Shape: (n, c, d, h, w)."""
