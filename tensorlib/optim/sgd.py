"""Stochastic gradient descent, with momentum (plain and Nesterov's) and weight decay."""
from .._ops.optim import sgd_step, sgd_steps
from .optimizer import ElementwiseOptimizer, refuse_decay, required, zeros_like


class SGD(ElementwiseOptimizer):
    """Gradient descent with momentum. Takes sparse gradients, without weight decay.

    g = grad + weight_decay * p, added into the gradient itself; buf = g the first time, then
    buf = momentum * buf + (1 - dampening) * g; p -= lr * buf, with nesterov p -= lr * (g + momentum * buf).

    Args:
        params: parameters or groups.
        lr: learning rate.
        momentum: factor of the running direction; 0 keeps none.
        dampening: part of the gradient that does not enter the running direction.
        weight_decay: factor of the L2 penalty.
        nesterov: look ahead by one momentum step; needs momentum > 0 and dampening 0.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
    but with the rate applied to the whole direction.
    """

    def __init__(self, params, lr=required, momentum=0, dampening=0, weight_decay=0, nesterov=False):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov))

    def update(self, data, grad, state, group):
        momentum, first = group["momentum"], False
        if momentum != 0 and "momentum_buffer" not in state:
            state["momentum_buffer"], first = zeros_like(grad), True
        sgd_step(data, grad, state["momentum_buffer"] if momentum != 0 else None, group["lr"], momentum,
                 group["dampening"], group["weight_decay"], group["nesterov"], first)

    def update_run(self, params, start, group):
        return sgd_steps(params, start, self.state, group["lr"], group["momentum"], group["dampening"],
                         group["weight_decay"], group["nesterov"])

    def update_sparse(self, data, grad, state, group):
        """The same step: without momentum only the elements with entries are touched, with it all of them."""
        refuse_decay(self, group)
        lr, momentum = group["lr"], group["momentum"]
        if momentum == 0:
            data.add_(-lr, grad)
            return
        first = "momentum_buffer" not in state
        buffer = state.setdefault("momentum_buffer", zeros_like(data))
        buffer.mul_(momentum).add_(1 if first else 1 - group["dampening"], grad)
        if group["nesterov"]:
            data.add_(-lr, grad).add_(-lr * momentum, buffer)
        else:
            data.add_(-lr, buffer)
