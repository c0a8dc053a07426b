"""RMSprop: the gradient divided by the root of the running mean of its square."""
from .._ops.optim import rmsprop_step
from .optimizer import ElementwiseOptimizer, zeros_like


class RMSprop(ElementwiseOptimizer):
    """RMSprop.

    v = alpha v + (1 - alpha) g^2; p -= lr * g / (sqrt(v) + eps). centered: the root of v - mean^2, mean being the
    running mean of g. momentum: buf = momentum * buf + that quotient; p -= lr * buf.

    Args:
        params: parameters or groups.
        lr: learning rate.
        alpha: decay of the running means.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        momentum: factor of the running quotient; 0 keeps none.
        centered: divide by an estimate of the deviation.

    Source: Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012; centered: Graves,
    "Generating sequences with recurrent neural networks", 2013.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False):
        super().__init__(params, dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                                      centered=centered))

    def update(self, data, grad, state, group):
        momentum, centered = group["momentum"], group["centered"]
        if not state:
            state.update(step=0, square_avg=zeros_like(grad))
        if momentum > 0 and "momentum_buffer" not in state:
            state["momentum_buffer"] = zeros_like(grad)
        if centered and "grad_avg" not in state:
            state["grad_avg"] = zeros_like(grad)
        state["step"] += 1
        rmsprop_step(data, grad, state["square_avg"], state["grad_avg"] if centered else None,
                     state["momentum_buffer"] if momentum > 0 else None, group["lr"], group["alpha"], group["eps"],
                     group["weight_decay"], momentum)
