"""Adadelta: steps in the unit of the parameter, from running means of squared gradients and squared steps."""
from .._ops.optim import adadelta_step
from .optimizer import ElementwiseOptimizer, zeros_like


class Adadelta(ElementwiseOptimizer):
    """Adadelta.

    v = rho v + (1 - rho) g^2; delta = sqrt(acc + eps) / sqrt(v + eps) * g; p -= lr * delta;
    acc = rho acc + (1 - rho) delta^2.

    Args:
        params: parameters or groups.
        lr: factor of the step.
        rho: decay of the running means.
        eps: added under both roots.
        weight_decay: factor of the L2 penalty.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
    """

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0):
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay))

    def update(self, data, grad, state, group):
        if not state:
            state.update(step=0, square_avg=zeros_like(grad), acc_delta=zeros_like(grad))
        state["step"] += 1
        adadelta_step(data, grad, state["square_avg"], state["acc_delta"], group["lr"], group["rho"], group["eps"],
                      group["weight_decay"])
