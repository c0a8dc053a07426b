"""Adagrad: each element's rate falls with the root of the sum of its squared gradients."""
from .._ops.optim import adagrad_step
from .optimizer import ElementwiseOptimizer, refuse_decay, step_on_entries, zeros_like


class Adagrad(ElementwiseOptimizer):
    """Adagrad; its state is made by the constructor. Takes sparse gradients, without weight decay.

    sum += g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(sum) + 1e-10).

    Args:
        params: parameters or groups.
        lr: learning rate.
        lr_decay: fall of the rate by the number of steps.
        weight_decay: factor of the L2 penalty.

    Source: Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization", 2011.
    """

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0):
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay))

    def add_param_group(self, group):
        super().add_param_group(group)
        for param in group["params"]:
            self.state[param].update(step=0, sum=zeros_like(param.data))

    def share_memory(self):
        """Move the sums to shared memory, for training by several processes."""
        for state in self.state.values():
            state["sum"].share_memory_()

    def update(self, data, grad, state, group):
        state["step"] += 1
        adagrad_step(data, grad, state["sum"], group["lr"], group["lr_decay"], group["weight_decay"], state["step"])

    def update_sparse(self, data, grad, state, group):
        """The same step, which leaves elements without gradient as they are."""
        refuse_decay(self, group)
        state["step"] += 1
        step_on_entries(adagrad_step, data, grad, [state["sum"]], group["lr"], group["lr_decay"], 0, state["step"])
