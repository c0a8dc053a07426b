"""Rows of batch normalisation. One formula gives all gradients; the second derivative is written in plain rows.

The rows with relu are the same with a ReLU behind, in one pass over memory; nn.Sequential asks for them.
"""
from .._ops import norm as kernels
from ._samples import arguments, real
from ._table import op
from .activation import relu_grad, zeros
from .loss import reference

MEAN, VARIANCE = real([0.1, -0.2, 0.3]), real([0.5, 1.0, 2.0])
KEPT = dict(running_mean=MEAN, running_var=VARIANCE, training=False, momentum=0.1, eps=1e-5)
BATCH = dict(running_mean=None, running_var=None, training=True, momentum=0.1, eps=1e-3)

batch_norm = op(
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
    "float momentum, float eps)", kernels.batch_norm, public=False,
    joint=lambda g0, input, weight, out1, out2, training, eps:
        batch_norm_grad(g0, input, weight, out1, out2, training, eps),
    ref=reference("batch_norm"),
    samples=arguments((4, 3, 5), (3,), (3,), **BATCH) + arguments((4, 3), (3,), (3,), **KEPT)
    + arguments((2, 3, 4, 5), weight=None, bias=None, **BATCH),
    doc="Each channel (dim 1) less its mean, divided by its deviation, times weight, plus bias; also that mean and the "
        "inverse of that deviation, which are not differentiable. Training takes the statistics of the input (the "
        "biased variance), and moves the running ones towards them (the unbiased one); else the running ones serve.")

batch_norm_grad = op(
    "batch_norm_grad(Tensor dy, Tensor input, Tensor? weight, Tensor mean, Tensor invstd, bool training, float eps)",
    kernels.batch_norm_grad, public=False,
    joint=lambda g0, g1, g2, dy, input, weight, mean, invstd, training, eps:
        batch_norm_grad_grad(g0, g1, g2, dy, input, weight, mean, invstd, training, eps),
    ref=reference("batch_norm_grad"),
    samples=arguments((4, 3, 5), (4, 3, 5), (3,), mean=MEAN, invstd=VARIANCE, training=False, eps=1e-5),
    doc="Gradients of batch_norm by input, weight and bias. In training, mean and invstd are functions of the input.")


def batch_norm_grad_grad(u, v, t, dy, input, weight, mean, invstd, training, eps):
    """Gradients of batch_norm_grad by dy, input and weight; u, v, t are those of its outputs.

    With xc the input less its mean, r the inverse deviation, xhat = xc r, and P taking the mean and the part along
    xhat out of a channel, batch_norm_grad is dx = w r P(dy), dw = sum(dy xhat), db = sum(dy); and d xhat / dx is
    r P, dr / dx is -r^2 xhat / count. In training r and xhat are computed again here, so that a third derivative
    sees how they depend on the input.
    """
    channels = input.size(1)
    shape = [1, channels] + [1] * (input.dim() - 2)

    def total(x):
        return x.transpose(0, 1).contiguous().view(channels, -1).sum(1).view(*shape)

    def mean_of(x):
        return total(x) / count

    def project(x):
        return x - mean_of(x) - xhat * mean_of(x * xhat)

    def spread(x):
        return x.contiguous().view(*shape)

    v, t = spread(v), spread(t)
    w = 1 if weight is None else spread(weight)
    if not training:
        r = spread(invstd)
        xhat = (input - spread(mean)) * r
        return u * (w * r) + v * xhat + t, v * dy * r, total(u * dy * r).view(channels)
    count = input.numel() / channels
    centered = input - mean_of(input)
    r = (mean_of(centered * centered) + eps) ** -0.5
    xhat = centered * r
    projected = project(dy)
    along = v * dy - w * r * (u * mean_of(dy * xhat) + dy * mean_of(u * xhat))
    return (w * r * project(u) + v * xhat + t,
            r * project(along) - xhat * (w * r * r * mean_of(u * projected)),
            total(u * projected * r).view(channels))


batch_norm_relu = op(
    "batch_norm_relu(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
    "bool training, float momentum, float eps)", kernels.batch_norm_relu, public=False,
    joint=lambda g0, input, weight, bias, out1, out2, training, eps:
        batch_norm_relu_grad(g0, input, weight, bias, out1, out2, training, eps),
    ref=reference("batch_norm_relu"), samples=batch_norm.row.samples,
    doc="relu of batch_norm.")

batch_norm_relu_grad = op(
    "batch_norm_relu_grad(Tensor dy, Tensor input, Tensor? weight, Tensor? bias, Tensor mean, Tensor invstd, "
    "bool training, float eps)", kernels.batch_norm_relu_grad, public=False,
    joint=lambda g0, g1, g2, dy, input, weight, bias, mean, invstd, training, eps:
        batch_norm_relu_grad_grad(g0, g1, g2, dy, input, weight, bias, mean, invstd, training, eps),
    ref=reference("batch_norm_relu_grad"),
    samples=arguments((4, 3, 5), (4, 3, 5), (3,), (3,), mean=MEAN, invstd=VARIANCE, training=False, eps=1e-5),
    doc="Gradients of batch_norm_relu by input, weight and bias.")


def batch_norm_relu_grad_grad(u, v, t, dy, input, weight, bias, mean, invstd, training, eps):
    """The gradients of batch_norm_grad at dy where the output is above 0; that place does not change with the input."""
    shape = [1, input.size(1)] + [1] * (input.dim() - 2)
    out = (input - mean.contiguous().view(*shape)) * invstd.contiguous().view(*shape)
    if weight is not None:
        out = out * weight.contiguous().view(*shape)
    if bias is not None:
        out = out + bias.contiguous().view(*shape)
    dy = relu_grad(dy, out)
    by_dy, by_input, by_weight = batch_norm_grad_grad(u, v, t, dy, input, weight, mean, invstd, training, eps)
    return relu_grad(by_dy, out), by_input, by_weight, None if bias is None else zeros(bias)
