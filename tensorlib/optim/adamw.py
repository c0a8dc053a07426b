"""AdamW: Adam whose weight decay shrinks the parameters themselves, outside of the running means."""
from .adam import Adam


class AdamW(Adam):
    """Adam with decoupled weight decay.

    p *= 1 - lr weight_decay; then the step of Adam, without a penalty.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the two running means.
        eps: added to the denominator.
        weight_decay: how much of lr the parameters lose.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2017.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, data, grad, state, group):
        data.mul_(1 - group["lr"] * group["weight_decay"])
        super().update(data, grad, state, dict(group, weight_decay=0))
