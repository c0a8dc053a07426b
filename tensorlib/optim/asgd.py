"""Averaged gradient descent: a slowly falling rate, and the mean of the parameters kept beside them."""
from .._ops.optim import asgd_step
from .optimizer import ElementwiseOptimizer, zeros_like


class ASGD(ElementwiseOptimizer):
    """Averaged stochastic gradient descent; the averages are `state[param]["ax"]`.

    p *= 1 - lambd * eta; p -= eta * g; ax += mu * (p - ax); eta = lr / (1 + lambd lr t)^alpha; mu = 1 / max(1, t - t0).

    Args:
        params: parameters or groups.
        lr: learning rate.
        lambd: decay of the parameters.
        alpha: power by which eta falls.
        t0: step at which averaging begins.
        weight_decay: factor of the L2 penalty.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0):
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay))

    def update(self, data, grad, state, group):
        if not state:
            state.update(step=0, eta=group["lr"], mu=1, ax=zeros_like(grad))
        state["step"] += 1
        asgd_step(data, grad, state["ax"], group["lambd"], state["eta"], state["mu"], group["weight_decay"])
        state["eta"] = group["lr"] / (1 + group["lambd"] * group["lr"] * state["step"]) ** group["alpha"]
        state["mu"] = 1 / max(1, state["step"] - group["t0"])
