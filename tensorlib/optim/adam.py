"""Adam: running means of the gradient and of its square, corrected for their start at zero."""
from .._ops.optim import adam_step, adam_steps
from .optimizer import ElementwiseOptimizer, zeros_like


class Adam(ElementwiseOptimizer):
    """Adam.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps).

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the two running means.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def update(self, data, grad, state, group):
        if not state:
            state.update(step=0, exp_avg=zeros_like(grad), exp_avg_sq=zeros_like(grad))
        state["step"] += 1
        adam_step(data, grad, state["exp_avg"], state["exp_avg_sq"], group["lr"], *group["betas"], group["eps"],
                  group["weight_decay"], state["step"])

    def update_run(self, params, start, group):
        return adam_steps(params, start, self.state, group["lr"], *group["betas"], group["eps"],
                          group["weight_decay"])
