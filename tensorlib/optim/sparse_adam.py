"""SparseAdam: Adam for sparse gradients, where the elements without an entry rest."""
from .._ops.optim import adam_step
from .optimizer import ElementwiseOptimizer, step_on_entries, zeros_like


class SparseAdam(ElementwiseOptimizer):
    """Adam on the elements alone that a sparse gradient has entries for; their running means alone move, too.

    The step is that of `Adam`; t counts the steps of the whole parameter.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the two running means.
        eps: added to the denominator.

    Raises:
        RuntimeError: in step(), by a dense gradient.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    def update(self, data, grad, state, group):
        raise RuntimeError("SparseAdam takes sparse gradients only, but got a %s for a parameter of size %s: use Adam"
                           % (grad.type(), tuple(data.size())))

    def update_sparse(self, data, grad, state, group):
        if not state:
            state.update(step=0, exp_avg=zeros_like(data), exp_avg_sq=zeros_like(data))
        state["step"] += 1
        step_on_entries(adam_step, data, grad, [state["exp_avg"], state["exp_avg_sq"]], group["lr"], *group["betas"],
                        group["eps"], 0, state["step"])
