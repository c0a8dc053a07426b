"""Containers: modules whose children are kept in an order, by number or by name."""
import warnings
from collections import OrderedDict

from ..module import Module
from .activation import ReLU
from .batchnorm import _BatchNorm

BATCH_NORM, RELU = _BatchNorm.forward, ReLU.forward


def _nth(items, i):
    """Item i of an ordered dictionary's values; a negative i counts from the end."""
    n = len(items)
    if not -n <= i < n:
        raise IndexError("index %d is out of range" % i)
    return list(items.values())[i]


def _require_list(owner, items):
    if not isinstance(items, list):
        raise TypeError("%s.extend should be called with a list, but got %s"
                        % (type(owner).__name__, type(items).__name__))


class Container(Module):
    """Hold modules given by keyword. Deprecated: every Module is a container."""

    def __init__(self, **kwargs):
        super().__init__()
        warnings.warn("nn.Container is deprecated. All of its functionality is now implemented in nn.Module. "
                      "Subclass that instead.", stacklevel=2)
        for name, module in kwargs.items():
            self.add_module(name, module)


class Sequential(Module):
    """Feed the input through the child modules, one after the other.

    A batch normalisation with a ReLU right behind it is computed in one pass over memory, where nothing could tell
    the difference: where neither has hooks nor a forward() of its own.

    Args:
        *args: modules, numbered from 0, or one OrderedDict of named modules.

    Example:
        >>> from tensorlib import nn
        >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        Sequential (
          (0): Linear (2 -> 3)
          (1): ReLU ()
        )
    """

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def __getitem__(self, i):
        return _nth(self._modules, i)

    def __len__(self):
        return len(self._modules)

    __iter__ = Module._in_order

    def forward(self, input):
        norm = None         # a batch normalisation that waits for what comes next
        for module in self._in_order():
            if norm is not None:
                if _is_plain(module, RELU):
                    input, norm = norm.forward_relu(input), None
                    continue
                input, norm = norm(input), None
            if isinstance(module, _BatchNorm) and _is_plain(module, BATCH_NORM):
                norm = module
            else:
                input = module(input)
        return input if norm is None else norm(input)


def _is_plain(module, forward):
    """Whether a call of the module does what this function does, and nothing else."""
    return (getattr(type(module), "forward", None) is forward and "forward" not in module.__dict__
            and not (module._forward_pre_hooks or module._forward_hooks or module._backward_hooks))


class ModuleList(Module):
    """Hold modules in a list whose parameters count as the owner's.

    Args:
        modules (list, optional): the modules.
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, i):
        return _nth(self._modules, i)

    def __setitem__(self, i, module):
        setattr(self, str(i), module)

    def __len__(self):
        return len(self._modules)

    __iter__ = Module._in_order

    def __iadd__(self, modules):
        return self.extend(modules)

    def append(self, module):
        """Add a module at the end and return self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        """Add the modules of a list at the end and return self."""
        _require_list(self, modules)
        for module in modules:
            self.append(module)
        return self


class ParameterList(Module):
    """Hold Parameters in a list that counts as the owner's parameters.

    Args:
        parameters (list, optional): the Parameters.
    """

    def __init__(self, parameters=None):
        super().__init__()
        if parameters is not None:
            self.extend(parameters)

    def __getitem__(self, i):
        return _nth(self._parameters, i)

    def __setitem__(self, i, param):
        self.register_parameter(str(i), param)

    def __len__(self):
        return len(self._parameters)

    def __iter__(self):
        return self.parameters()

    def __iadd__(self, parameters):
        return self.extend(parameters)

    def append(self, parameter):
        """Add a Parameter at the end and return self."""
        self.register_parameter(str(len(self)), parameter)
        return self

    def extend(self, parameters):
        """Add the Parameters of a list at the end and return self."""
        _require_list(self, parameters)
        for param in parameters:
            self.append(param)
        return self
