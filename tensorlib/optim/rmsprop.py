"""RMSprop: the gradient divided by the root of the running mean of its square."""
from .optimizer import ElementwiseOptimizer, decayed, zeros_like


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
        if not state:
            self.start(grad, state, group)
        state["step"] += 1
        alpha = group["alpha"]
        grad = decayed(grad, data, group["weight_decay"])
        square = state["square_avg"].mul_(alpha).addcmul_(1 - alpha, grad, grad)
        if group["centered"]:
            mean = state["grad_avg"].mul_(alpha).add_(1 - alpha, grad)
            square = square.addcmul(-1, mean, mean)
        root = square.sqrt().add_(group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(grad, root)
            data.add_(-group["lr"], buffer)
        else:
            data.addcdiv_(-group["lr"], grad, root)

    def start(self, grad, state, group):
        state.update(step=0, square_avg=zeros_like(grad))
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(grad)
        if group["centered"]:
            state["grad_avg"] = zeros_like(grad)
