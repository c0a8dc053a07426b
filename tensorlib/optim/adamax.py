"""Adamax: Adam with the largest recent gradient in the place of the root of the mean square."""
from .._ops.optim import adamax_step
from .optimizer import ElementwiseOptimizer, zeros_like


class Adamax(ElementwiseOptimizer):
    """Adam by the infinity norm.

    m = b1 m + (1 - b1) g; u = max(b2 u, |g| + eps); p -= lr / (1 - b1^t) * m / u.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the running mean and of the running maximum.
        eps: added to |g|.
        weight_decay: factor of the L2 penalty.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014, section 7.1.
    """

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def update(self, data, grad, state, group):
        if not state:
            state.update(step=0, exp_avg=zeros_like(grad), exp_inf=zeros_like(grad))
        state["step"] += 1
        adamax_step(data, grad, state["exp_avg"], state["exp_inf"], group["lr"], *group["betas"], group["eps"],
                    group["weight_decay"], state["step"])
