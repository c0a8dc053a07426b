"""What all optimizers share: parameter groups, state by Variable, and checkpoints in which parameters are id numbers.

An algorithm is one rule for one parameter, a fused kernel: `ElementwiseOptimizer` walks the groups and calls it.
"""
import copy
from collections import defaultdict

from .._ops.optim import zero_gradients
from .._ops.sparse_math import put_
from .._ops.tensor import TensorBase
from ..autograd import Variable

required = object()     # the default of an option that every group must be given


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: an iterable of Variables, or of dicts with a key "params" and options for that group.
        defaults: dict of option names to the values of groups that do not set them; `required` has no default.

    Raises:
        TypeError: params is a tensor or a Variable, or holds something that is no Variable.
        ValueError: params is empty, holds a Variable that is no leaf or requires no gradient, has a parameter
            in two groups, or lacks a required option.

    Example:
        >>> from tensorlib import optim, ones
        >>> from tensorlib.autograd import Variable
        >>> weight = Variable(ones(2), requires_grad=True)
        >>> optimizer = optim.SGD([{"params": [weight], "lr": 0.5}])
        >>> (weight * 2).sum().backward()
        >>> optimizer.step()
        >>> weight.data.tolist()
        [0.0, 0.0]
    """

    def __init__(self, params, defaults):
        if isinstance(params, (TensorBase, Variable)):
            raise TypeError("params argument given to the optimizer should be an iterable of Variables or dicts, "
                            "but got %s" % _type_name(params))
        self.state = defaultdict(dict)
        self.defaults = defaults
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group):
        """Add one group of parameters, a dict with "params" and options; it is completed by the defaults."""
        number = len(self.param_groups)
        if not isinstance(group, dict):
            raise TypeError("parameter group %d should be a dict, but got %s" % (number, _type_name(group)))
        params = group["params"]
        params = group["params"] = [params] if isinstance(params, Variable) else list(params)
        for param in params:
            _check(param)
        taken = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(p) in taken for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError("parameter group %d didn't specify a value of required optimization parameter %s"
                                 % (number, name))
            group.setdefault(name, default)
        self.param_groups.append(group)

    def state_dict(self):
        """Return {"state": id number or name -> dict, "param_groups": groups with id numbers}; tensors are shared."""
        groups = [dict(group, params=[id(p) for p in group["params"]]) for group in self.param_groups]
        state = {id(key) if isinstance(key, Variable) else key: value for key, value in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over a state_dict, by a deep copy; its groups are matched to ours in order.

        Raises:
            ValueError: the numbers of groups, or of the parameters in a group, differ.
        """
        state_dict = copy.deepcopy(state_dict)
        ours, saved = self.param_groups, state_dict["param_groups"]
        if len(ours) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups: %d, not %d"
                             % (len(saved), len(ours)))
        for mine, other in zip(ours, saved):
            if len(mine["params"]) != len(other["params"]):
                raise ValueError("loaded state dict contains a parameter group that doesn't match the size of "
                                 "optimizer's group: %d parameters, not %d"
                                 % (len(other["params"]), len(mine["params"])))
        variable = {number: param for mine, other in zip(ours, saved)
                    for number, param in zip(other["params"], mine["params"])}
        self.state = defaultdict(dict, {variable.get(key, key): value for key, value in state_dict["state"].items()})
        self.param_groups = [dict(other, params=mine["params"]) for mine, other in zip(ours, saved)]

    def zero_grad(self, set_to_none=False):
        """Set the gradients of all parameters to zero; one that belongs to a graph is replaced, not overwritten.

        Args:
            set_to_none: drop them instead.
        """
        for group in self.param_groups:
            zero_gradients(group["params"], set_to_none)

    def step(self, closure=None):
        """Change the parameters once. `closure`, if given, computes the loss anew and is called first.

        Returns:
            What the closure returned, or None.
        """
        raise NotImplementedError("%s has no step()" % type(self).__name__)


class ElementwiseOptimizer(Optimizer):
    """An optimizer that is one rule `update(data, grad, state, group)` for each parameter that has a gradient."""

    def __init_subclass__(cls):
        """A class with an update() of its own does without the update_run() of its bases, which is as theirs."""
        super().__init_subclass__()
        owner = next(base for base in cls.__mro__ if "update" in vars(base) or "update_run" in vars(base))
        if "update_run" not in vars(owner):
            cls.update_run = ElementwiseOptimizer.update_run

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            params, i = list(group["params"]), 0
            while i < len(params):
                i = self.update_run(params, i, group)
                if i < len(params):
                    self._step_one(params[i], group)
                    i += 1
        return loss

    def _step_one(self, param, group):
        if param.grad is None:
            return
        data, grad = param.data, param.grad.data
        if data.is_sparse:
            raise RuntimeError("%s cannot optimize a sparse parameter, a %s of size %s: only gradients may be sparse"
                               % (type(self).__name__, data.type(), tuple(data.size())))
        state = self.state.get(param, {})
        (self.update_sparse if grad.is_sparse else self.update)(data, grad, state, group)
        if state:                       # a rule that remembers nothing leaves no entry
            self.state[param] = state

    def update_run(self, params, start, group):
        """Do what `update` would to params[start:] in one call, as far as that goes; return the place reached."""
        return start

    def update(self, data, grad, state, group):
        """Change the tensor `data` by its gradient; `state` is the parameter's own dict, empty the first time."""
        raise NotImplementedError("%s has no update()" % type(self).__name__)

    def update_sparse(self, data, grad, state, group):
        """The same by a sparse gradient, for the algorithms that take one."""
        raise RuntimeError("%s does not support sparse gradients, but got a %s for a parameter of size %s: use SGD, "
                           "Adagrad or SparseAdam, or a layer with sparse=False"
                           % (type(self).__name__, grad.type(), tuple(data.size())))


def step_on_entries(step, data, grad, states, *numbers):
    """Run a fused step on those elements only that a sparse gradient has entries for.

    Args:
        step: function (data, grad, *states, *numbers) that changes data and states in place.
        states: dense tensors of the size of data.
    """
    grad = grad.coalesce()              # a step is not linear: each element takes one, by its whole gradient
    if grad._nnz() == 0:
        return
    parts = [whole._sparse_mask(grad) for whole in (data, *states)]
    values = [part._values() for part in parts]
    step(values[0], grad._values(), *values[1:], *numbers)
    for whole, part in zip((data, *states), parts):
        put_(whole, part)


def refuse_decay(optimizer, group):
    """Raise where a sparse gradient would have to become dense."""
    if group["weight_decay"] != 0:
        raise RuntimeError("%s: weight_decay=%g is not possible with sparse gradients, as it changes every element"
                           % (type(optimizer).__name__, group["weight_decay"]))


def zeros_like(tensor):
    return tensor.new(tensor.size()).zero_()


def _check(param):
    if not isinstance(param, Variable):
        raise TypeError("optimizer can only optimize Variables, but one of the params is %s" % _type_name(param))
    if param.grad_fn is not None:
        raise ValueError("can't optimize a non-leaf Variable")
    if not param.requires_grad:
        raise ValueError("optimizing a parameter that doesn't require gradients")


def _type_name(x):
    return x.type() if isinstance(x, TensorBase) else "%s.%s" % (type(x).__module__, type(x).__name__)
