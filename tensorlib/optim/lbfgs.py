"""L-BFGS: Newton's direction from the last changes of the parameters and of the gradient. No line search.

All parameters count as one flat vector; the state is one dict under a name, not one for each parameter.
"""
from ..ops.shape import cat_sequence
from .optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS with a fixed step; works on one group and may call the closure many times in a step.

    Args:
        params: parameters, or one group.
        lr: step length; the first step is min(1, 1 / sum|g|) * lr.
        max_iter: most iterations in one step().
        max_eval: most calls of the closure in one step(); max_iter * 5 // 4 if None.
        tolerance_grad: stop when the sum of |g| is not larger.
        tolerance_change: stop when the parameters, the loss or the slope change by less.
        history_size: pairs of changes that are remembered.
        line_search_fn: must be None.

    Source: Nocedal and Wright, "Numerical optimization", algorithm 7.4 (two-loop recursion).
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-5, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None):
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, dict(
            lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure):
        """Run up to max_iter iterations; `closure` computes loss and gradients anew and returns the loss.

        Returns:
            The loss at the start.
        """
        group = self.param_groups[0]
        state = self.state["global_state"]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss = first_loss.data[0]
        state["func_evals"] += 1
        grad = self._flat_grad()
        if grad.abs().sum() <= group["tolerance_grad"]:
            return first_loss
        if group["line_search_fn"] is not None:
            raise RuntimeError("LBFGS: a line search function is not supported, line_search_fn must be None")
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            self._set_direction(grad, state, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = grad, loss
            direction = state["d"]
            state["t"] = group["lr"] * (min(1., 1. / grad.abs().sum()) if state["n_iter"] == 1 else 1)
            slope = grad.dot(direction)
            self._move(state["t"], direction)
            if iteration == group["max_iter"]:
                break
            loss = closure().data[0]
            grad = self._flat_grad()
            evaluations += 1
            state["func_evals"] += 1
            if (evaluations >= group["max_eval"] or grad.abs().sum() <= group["tolerance_grad"]
                    or slope > -group["tolerance_change"]
                    or direction.mul(state["t"]).abs().sum() <= group["tolerance_change"]
                    or abs(loss - state["prev_loss"]) < group["tolerance_change"]):
                break
        return first_loss

    def _set_direction(self, grad, state, history_size):
        """Put the next direction into state["d"]: the steepest one at first, later -H g with H from the history."""
        if state["n_iter"] == 1:
            state.update(d=grad.neg(), old_dirs=[], old_stps=[], H_diag=1)
            return
        change = grad.sub(state["prev_flat_grad"])          # y of the source
        step = state["d"].mul(state["t"])                   # s
        curvature = change.dot(step)
        steps, changes = state["old_stps"], state["old_dirs"]
        if curvature > 1e-10:                               # keeps H positive definite
            if len(steps) == history_size:
                del steps[0], changes[0]
            steps.append(step)
            changes.append(change)
            state["H_diag"] = curvature / change.dot(change)
        ro = state["ro"] = [1. / y.dot(s) for y, s in zip(changes, steps)]
        al = state["al"] = [0.] * len(steps)
        q = grad.neg()
        for i in range(len(steps) - 1, -1, -1):
            al[i] = steps[i].dot(q) * ro[i]
            q.add_(-al[i], changes[i])
        direction = state["d"] = q.mul_(state["H_diag"])
        for i in range(len(steps)):
            direction.add_(al[i] - changes[i].dot(direction) * ro[i], steps[i])

    def _flat_grad(self):
        """All gradients as one new vector; a missing one counts as zero."""
        parts = []
        for param in self.param_groups[0]["params"]:
            data = param.data.clone().zero_() if param.grad is None else param.grad.data
            if data.is_sparse:
                data = data.to_dense()
            parts.append(data.contiguous().view(-1))
        return cat_sequence(parts, 0)

    def _move(self, length, direction):
        """Add length * direction to the parameters."""
        start = 0
        for param in self.param_groups[0]["params"]:
            count = param.data.numel()
            param.data.add_(length, direction[start:start + count].view(param.data.size()))
            start += count
