"""Module: a tree of layers that owns parameters, buffers and child modules, each by its attribute name.

It knows nothing of any layer. Three dictionaries hold what an instance registers; everything else
(parameters(), state_dict(), apply(), casts, repr) walks them. Calls and the look-up of attributes are the base class's.
"""
import functools
from collections import OrderedDict

from .._ops.module import (ModuleBase, children_of, modules_of, named_modules_of, named_parameters_of, own_children,
                           parameters_of, set_attribute, set_classes)
from .._ops.optim import zero_gradients
from .._ops.tensor import TensorBase
from ..autograd import Variable
from ..tensor import typename
from ..hooks import RemovableHandle
from .parameter import Parameter


def _indent(text, by=2):
    """Indent every line but the first."""
    return text.replace("\n", "\n" + " " * by)


class Module(ModuleBase):
    """Base class of all layers and networks.

    Assign layers and Parameters as attributes in __init__, after calling super().__init__(), and write forward().

    Attributes:
        training (bool): True at first; see train() and eval().

    Example:
        >>> from tensorlib import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = nn.Linear(4, 8)
        ...     def forward(self, x):
        ...         return self.hidden(x).clamp(min=0)
        >>> [name for name, _ in Net().named_parameters()]
        ['hidden.weight', 'hidden.bias']
    """

    dump_patches = False

    def __init__(self):
        self.training = True
        self._parameters, self._buffers, self._modules = {}, {}, {}
        self._forward_pre_hooks = OrderedDict()
        self._forward_hooks = OrderedDict()
        self._backward_hooks = OrderedDict()

    def __setstate__(self, state):
        """Take the state of a pickle: kinds of hooks that an older version did not know are empty."""
        self.__dict__.update(state)
        self.__dict__.pop("_backend", None)     # modules of v0.2 carry their C functions
        for hooks in ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks"):
            self.__dict__.setdefault(hooks, OrderedDict())

    def __reduce_ex__(self, protocol):
        return super().__reduce_ex__(max(protocol, 2))      # by the older ones Python would call the base class

    def forward(self, *input):
        """Compute the output from the inputs. Every subclass writes its own."""
        raise NotImplementedError("%s has no forward()" % type(self).__name__)

    # Registration ---------------------------------------------------------------------------------------------

    def register_buffer(self, name, tensor):
        """Register a tensor that is saved with the module but is no parameter, such as a running mean.

        Args:
            name (str): the attribute name.
            tensor (Tensor or None): the buffer.
        """
        self._buffers[name] = tensor

    def register_parameter(self, name, param):
        """Register a Parameter, or None for one that is absent, under an attribute name.

        Raises:
            TypeError: param is neither a Parameter nor None.
            ValueError: param was computed from other Variables.
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameters before Module.__init__() call")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError("cannot assign '%s' object to parameter '%s' (tensorlib.nn.Parameter or None required)"
                            % (typename(param), name))
        if param is not None and param.grad_fn is not None:
            raise ValueError("cannot assign the non-leaf Variable to parameter '%s': model parameters are leaves; "
                             "compute with it in forward() instead" % name)
        self._parameters[name] = param

    def add_module(self, name, module):
        """Register a child module under an attribute name.

        Raises:
            TypeError: module is neither a Module nor None.
            KeyError: the name is taken.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError("%s is not a Module subclass" % typename(module))
        if hasattr(self, name):
            raise KeyError("attribute already exists '%s'" % name)
        self._modules[name] = module

    __setattr__ = set_attribute

    def _set_registered(self, name, value):
        """Set an attribute that is a parameter or a module, or takes the place of what is registered."""
        if isinstance(value, Parameter):
            self._forget(name, but="_parameters")
            self.register_parameter(name, value)
        elif self._holds("_parameters", name):
            self._check_slot(value is None, value, "parameter", name, "tensorlib.nn.Parameter")
            self._parameters[name] = value
        elif isinstance(value, Module):
            if "_modules" not in self.__dict__:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, but="_modules")
            self._modules[name] = value
        elif self._holds("_modules", name):
            self._check_slot(value is None, value, "child module", name, "tensorlib.nn.Module")
            self._modules[name] = value
        else:
            self._check_slot(value is None or isinstance(value, TensorBase), value, "buffer", name, "tensorlib.Tensor")
            self._buffers[name] = value

    def _holds(self, slot, name):
        return name in self.__dict__.get(slot, ())

    @staticmethod
    def _check_slot(fits, value, kind, name, wanted):
        if not fits:
            raise TypeError("cannot assign '%s' as %s '%s' (%s or None expected)"
                            % (typename(value), kind, name, wanted))

    def _forget(self, name, but):
        """Take a name out of wherever it is registered, so that it can be registered elsewhere."""
        self.__dict__.pop(name, None)
        for slot in ("_parameters", "_buffers", "_modules"):
            if slot != but and self._holds(slot, name):
                del self.__dict__[slot][name]

    def __delattr__(self, name):
        for slot in ("_parameters", "_buffers", "_modules"):
            if self._holds(slot, name):
                del self.__dict__[slot][name]
                return
        object.__delattr__(self, name)

    def __dir__(self):
        names = set(dir(type(self))) | set(self.__dict__)
        return sorted(names | set(self._parameters) | set(self._buffers) | set(self._modules))

    # Calling and hooks ----------------------------------------------------------------------------------------

    def _hang_backward_hooks(self, result):
        while not isinstance(result, Variable):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        if result.grad_fn is not None:
            for hook in self._backward_hooks.values():
                result.grad_fn.register_hook(functools.partial(hook, self))

    def register_forward_pre_hook(self, hook):
        """Call hook(module, input) before each forward(). What it returns is ignored.

        Returns:
            a handle whose remove() takes the hook away.
        """
        return self._register_hook(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook):
        """Call hook(module, input, output) after each forward(). It must return None.

        Returns:
            a handle whose remove() takes the hook away.
        """
        return self._register_hook(self._forward_hooks, hook)

    def register_backward_hook(self, hook):
        """Call hook(module, grad_input, grad_output) when gradients of the last operation of forward() are computed.

        grad_input and grad_output are tuples of Variables. The hook may return a tuple to replace grad_input.

        Returns:
            a handle whose remove() takes the hook away.
        """
        return self._register_hook(self._backward_hooks, hook)

    @staticmethod
    def _register_hook(hooks, hook):
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    # Walking the tree -----------------------------------------------------------------------------------------

    def parameters(self):
        """Return an iterator over all parameters of the tree, each once."""
        yield from parameters_of(self)

    def named_parameters(self, memo=None, prefix=""):
        """Return an iterator over (dotted name, parameter), each parameter once, own before children's."""
        yield from named_parameters_of(self, memo, prefix)

    def children(self):
        """Return an iterator over the immediate child modules, each once."""
        yield from own_children(self)

    def named_children(self):
        """Return an iterator over (name, immediate child module), each child once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self):
        """Return an iterator over all modules of the tree, each once, this one first."""
        yield from modules_of(self)

    def named_modules(self, memo=None, prefix=""):
        """Return an iterator over (dotted name, module), each module once, this one first under the prefix itself."""
        yield from named_modules_of(self, memo, prefix)

    def apply(self, fn):
        """Call fn on every module of the tree, children first, and return self."""
        for module in children_of(self):
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn):
        """Replace every tensor of the tree, gradients and buffers included, by fn(tensor)."""
        for module in children_of(self):
            module._apply(fn)
        for param in self._parameters.values():
            if param is not None:
                # The Variable stays, so optimizers keep hold of it.
                param.data = fn(param.data)
                if param.grad is not None:
                    param.grad.data = fn(param.grad.data)
        for name, tensor in self._buffers.items():
            if tensor is not None:
                self._buffers[name] = fn(tensor)
        return self

    # Types, devices, modes ------------------------------------------------------------------------------------

    def type(self, dst_type):
        """Cast all parameters and buffers to a tensor type, in place, and return self."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        """Cast all parameters and buffers to FloatTensor, in place, and return self."""
        return self._apply(lambda t: t.float())

    def double(self):
        """Cast all parameters and buffers to DoubleTensor, in place, and return self."""
        return self._apply(lambda t: t.double())

    def half(self):
        """Cast all parameters and buffers to HalfTensor, in place, and return self."""
        return self._apply(lambda t: t.half())

    def cuda(self, device_id=None):
        """Move all parameters and buffers to a GPU, in place, and return self."""
        return self._apply(lambda t: t.cuda(device_id))

    def cpu(self):
        """Move all parameters and buffers to the CPU, in place, and return self."""
        return self._apply(lambda t: t.cpu())

    def share_memory(self):
        """Move all parameters and buffers to shared memory, in place, and return self."""
        return self._apply(lambda t: t.share_memory_())

    def train(self, mode=True):
        """Set training mode throughout the tree and return self. Dropout and batch norm heed it."""
        self.training = mode
        for module in children_of(self):
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode throughout the tree, as train(False), and return self."""
        return self.train(False)

    def zero_grad(self):
        """Set the gradients of all parameters to zero.

        A volatile gradient, which backward() without create_graph makes, is cleared in place; another is part of
        a graph, and is replaced.
        """
        zero_gradients(self.parameters())

    # State ----------------------------------------------------------------------------------------------------

    def state_dict(self, destination=None, prefix="", keep_vars=False):
        """Return an OrderedDict from dotted names to the tensors of all parameters and buffers.

        The tensors are the module's own, not copies. A module's parameters come before its buffers, and these
        before its children.

        Args:
            destination (dict, optional): what to put them into. prefix (str): of every name.
            keep_vars (bool): give the parameters themselves, not their tensors.
        """
        destination = OrderedDict() if destination is None else destination
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.data
        for name, tensor in self._buffers.items():
            if tensor is not None:
                destination[prefix + name] = tensor
        more = {"keep_vars": True} if keep_vars else {}      # state_dict() of classes of 2017 takes no third argument
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination, prefix + name + ".", **more)
        return destination

    def load_state_dict(self, state_dict):
        """Copy tensors of a state_dict() into the parameters and buffers.

        Raises:
            KeyError: a key is unexpected, or, after the others were copied, keys are missing.
            RuntimeError: a tensor has another size; a line printed before says which.
        """
        own = self.state_dict()
        for name, value in state_dict.items():
            if name not in own:
                raise KeyError('unexpected key "%s" in state_dict' % name)
            value = value.data if isinstance(value, Variable) else value
            try:
                own[name].copy_(value)
            except Exception:
                print("While copying the parameter named %s, whose dimensions in the model are %s and whose dimensions "
                      "in the checkpoint are %s" % (name, own[name].size(), value.size()))
                raise
        missing = set(own) - set(state_dict)
        if missing:
            raise KeyError('missing keys in state_dict: "%s"' % missing)

    def __repr__(self):
        lines = ["  (%s): %s\n" % (name, _indent(repr(module))) for name, module in self._modules.items()]
        return "%s (\n%s)" % (type(self).__name__, "".join(lines))


set_classes(Module, Parameter)
