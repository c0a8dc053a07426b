"""Batch normalisation layers."""
from ...tensor import Default
from .. import functional as F
from ..functional.norm import batch_norm_relu
from ..module import Module
from ..parameter import Parameter


class _BatchNorm(Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.register_parameter("weight", Parameter(Default.tensor(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(Default.tensor(num_features)) if affine else None)
        self.register_buffer("running_mean", Default.tensor(num_features).zero_())
        self.register_buffer("running_var", Default.tensor(num_features).fill_(1))
        self.reset_parameters()

    def reset_parameters(self):
        """Reset the statistics, draw weight from U(0, 1) and set bias to 0."""
        self.running_mean.zero_()
        self.running_var.fill_(1)
        if self.affine:
            self.weight.data.uniform_()
            self.bias.data.zero_()

    def forward(self, input):
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                            self.momentum, self.eps)

    def forward_relu(self, input):
        """relu(forward(input)), in one pass over memory."""
        return batch_norm_relu(input, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                               self.momentum, self.eps)

    def __repr__(self):
        return "%s(%d, eps=%s, momentum=%s, affine=%s)" % (
            type(self).__name__, self.num_features, self.eps, self.momentum, self.affine)


class BatchNorm1d(_BatchNorm):
    """Normalise each feature over the batch, then scale and shift it (Ioffe and Szegedy, 2015).

    Args:
        num_features (int): size of dim 1.
        eps (float): added to the variance.
        momentum (float): how far the running statistics move towards those of a batch.
        affine (bool): whether there are weight and bias.

    Attributes:
        weight, bias (Parameter or None): scale, from U(0, 1) at first, and shift, 0 at first.
        running_mean, running_var (Tensor): what evaluation normalises by; the variance is the unbiased one.

    Shape: (n, c) or (n, c, l), and the same out.
    """


class BatchNorm2d(_BatchNorm):
    """BatchNorm1d for images: over the batch and all pixels. Shape: (n, c, h, w)."""


class BatchNorm3d(_BatchNorm):
    """BatchNorm1d for volumes: over the batch and all places. Shape: (n, c, d, h, w)."""
