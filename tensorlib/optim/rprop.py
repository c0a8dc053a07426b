"""Rprop: only the signs of the gradients count; each element has a step size of its own."""
from .._ops.optim import rprop_step
from .optimizer import ElementwiseOptimizer, zeros_like


class Rprop(ElementwiseOptimizer):
    """Resilient propagation, for whole-batch training.

    Where the gradient keeps its sign the step grows by etas[1], where it turns the step shrinks by etas[0] and the
    gradient counts as zero once; steps stay within step_sizes; p -= sign(g) * step.

    Args:
        params: parameters or groups.
        lr: first step size.
        etas: factors (shrink, grow).
        step_sizes: limits (smallest, largest).

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    1993.
    """

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes))

    def update(self, data, grad, state, group):
        if not state:
            state.update(step=0, prev=zeros_like(grad), step_size=zeros_like(grad).fill_(group["lr"]))
        state["step"] += 1
        rprop_step(data, grad, state["prev"], state["step_size"], *group["etas"], *group["step_sizes"])
