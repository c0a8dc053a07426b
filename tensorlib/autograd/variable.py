"""Variable: a tensor with a history. Its operations come from the table; what is here is state and protocol."""
from .._ops import tensor as core
from .._ops.backward import backward_from_number
from .._ops.dispatch import DTYPE_NAMES
from .._ops.storage import current_gpu
from .._ops.tensor import TensorBase
from .._ops.node import set_handle_maker
from .._ops.recording import adopt, assert_inplace, set_recording
from .._ops.variable import VariableBase, cut, init_variable, set_variable_class
from .. import indexing
from ..ops import pointwise, shape
from ..ops._table import VARIABLE_METHODS
from ..printing import tensor_html, tensor_text
from ..tensor import asynchronous, class_of
from ..hooks import RemovableHandle


class Variable(VariableBase):
    """A tensor that remembers how it was made.

    Args:
        data: the tensor.
        requires_grad: whether backward gives it a gradient.
        volatile: whether everything computed from it goes unrecorded (for inference).

    Attributes:
        data: the tensor. grad: the gradient, a Variable, or None. grad_fn: the function that made it, None for leaves.

    Example:
        >>> import tensorlib
        >>> x = tensorlib.autograd.Variable(tensorlib.ones(2), requires_grad=True)
        >>> (x * 3).sum().backward()
        >>> x.grad.data.tolist()
        [3.0, 3.0]
    """

    # ---- gradients ----

    def backward(self, gradient=None, retain_graph=None, create_graph=None, retain_variables=None):
        """Add the gradients of self into `.grad` of the leaves it depends on; see autograd.backward."""
        if (gradient is None and retain_variables is None and not create_graph
                and backward_from_number(self, retain_graph)):
            return
        from . import backward
        backward((self,), (gradient,), retain_graph, create_graph, retain_variables)

    def register_hook(self, hook):
        """Call hook(grad) whenever a gradient of self is computed; a result replaces it. Returns a handle."""
        if self.volatile:
            raise RuntimeError("cannot register a hook on a volatile variable")
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a variable that doesn't require gradient")
        if self._backward_hooks is None:
            from collections import OrderedDict
            self._backward_hooks = OrderedDict()
            if self.grad_fn is not None:
                hooks = self.grad_fn.pre_hooks
                if hooks is None:
                    self.grad_fn.pre_hooks = hooks = {}
                earlier = hooks.get(self.output_nr)
                if earlier is not None:
                    self._backward_hooks = earlier
                hooks[self.output_nr] = self._backward_hooks
        handle = RemovableHandle(self._backward_hooks)
        self._backward_hooks[handle.id] = hook
        return handle

    def retain_grad(self):
        """Keep `.grad` of a non-leaf too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Variable that has requires_grad=False")
        if self.is_leaf or hasattr(self, "retains_grad"):
            return
        import weakref
        reference = weakref.ref(self)

        def keep(grad):
            variable = reference()
            if variable is not None:
                variable._grad = grad.clone() if variable._grad is None else variable._grad + grad

        self.register_hook(keep)
        self.retains_grad = True

    def reinforce(self, reward):
        """Give the reward of a stochastic function's output."""
        if not hasattr(self.grad_fn, "reinforce"):
            raise RuntimeError("reinforce() can be only called on outputs of stochastic functions")
        self.grad_fn.reinforce(reward)

    def detach_(self):
        """Cut self from its history."""
        cut(self)
        return self

    # ---- data ----

    @property
    def shape(self):
        return self.data.size()

    def type(self, t):
        """Return self cast to a class or name."""
        return cast(self, class_of(t))

    def type_as(self, t):
        """Cast to the type of another tensor or Variable."""
        return cast(self, type(t.data if isinstance(t, Variable) else t))

    def cuda(self, device_id=None, non_blocking=False, **kwargs):
        """Return a copy on a GPU, the current one unless given; self where it lies there."""
        device = current_gpu() if device_id is None else device_id
        return to_device(self, device, asynchronous(non_blocking, kwargs))

    def cpu(self):
        """Return self, or a copy on the CPU."""
        return to_device(self, -1)

    def item(self):
        """Return the number of a Variable of one element."""
        return self.data.item()

    def numpy(self):
        """Return the data as an ndarray that shares memory."""
        return self.data.numpy()

    def is_same_size(self, other_var):
        """Tell whether both have the same sizes."""
        return self.data.is_same_size(other_var.data)

    def __bool__(self):
        if self.data.numel() == 0:
            return False
        raise RuntimeError("bool value of Variable objects containing non-empty %s is ambiguous" % self.data.type())

    def __setitem__(self, key, value):
        set_item(self, key, value)

    def __repr__(self):
        return "Variable containing:%s%s" % ("\n" if self.data.is_sparse else "", tensor_text(self.data))

    def _repr_html_(self):
        """Return what a notebook shows: a table of a vector or matrix, under the word Variable."""
        return "<div>%s containing:%s</div>" % (type(self).__name__, tensor_html(self.data))

    __array_ufunc__ = None          # NumPy leaves arithmetic to us: an array as the result would lose the graph

    def __array__(self, *args, **kwargs):
        return self.data.__array__(*args, **kwargs)

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise RuntimeError("Only Variables created explicitly by the user (graph leaves) support the deepcopy "
                               "protocol at the moment")
        import copy
        if id(self) not in memo:
            memo[id(self)] = type(self)(copy.deepcopy(self.data, memo), requires_grad=self.requires_grad,
                                        volatile=self.volatile)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        # As the files of v0.2 have it: made from the data, then given its state.
        return type(self), (self.data,), (self.requires_grad, self.volatile, self._backward_hooks)

    def __setstate__(self, state):
        requires_grad, volatile, hooks = state
        init_variable(self, self.data, requires_grad, volatile)
        self._backward_hooks = hooks

    # ---- what Python spells in its own way ----

    def resize(self, *sizes):
        """View of another size with as many elements."""
        dense = self if self.is_contiguous() else shape.contiguous(self)
        return shape.view(dense, tuple(sizes[0]) if isinstance(sizes[0], (tuple, list)) else sizes)

    def resize_as(self, variable):
        """View with the size of another Variable."""
        return self.resize(variable.size())

    def clamp(self, min=None, max=None):
        """Limit to [min, max]; either bound may be None, not both."""
        if min is None and max is None:
            raise ValueError("clamp requires specifying at least one of min and max arguments")
        if min is None:
            return pointwise.clamp_max(self, max)
        if max is None:
            return pointwise.clamp_min(self, min)
        return pointwise.clamp_both(self, min, max)

    def permute(self, *permutation):
        """Return a view with the dims in a given order."""
        if permutation and max(permutation) >= self.dim():
            raise IndexError("permute: dims %s of a Variable of %d dims" % (permutation, self.dim()))
        return shape.permute(self, permutation)

    def squeeze_(self, dim=None):
        """In place: squeeze."""
        return restructured(self, shape.squeeze_all(self) if dim is None else shape.squeeze_dim(self, dim))

    def unsqueeze_(self, dim):
        """In place: unsqueeze."""
        return restructured(self, shape.unsqueeze(self, dim))


def _default_tensor():
    from ..tensor import Default
    return Default.tensor()


def cast(variable, cls):
    """A Variable as another type; itself where it has that."""
    if variable.is_sparse:
        return variable if type(variable.data) is cls else Variable(variable.data.type(cls))
    code, on_gpu = core.code_of_class(cls)
    if on_gpu != variable.is_cuda:
        variable = variable.cuda() if on_gpu else variable.cpu()
    if core.code_of(variable.data) == code:
        return variable
    return shape.cast(variable, code, core.code_of(variable.data))


def to_device(variable, device, non_blocking=False):
    """A Variable on another device, -1 for the CPU, connected to the given one; itself where it lies there."""
    here = core.device_of(variable.data)
    return variable if here == device else shape.transfer(variable, device, here, non_blocking)


def restructured(variable, view):
    """Let a Variable become a view of itself."""
    adopt(variable, view)
    return variable


def set_item(variable, key, value):
    """variable[key] = value, as an in-place operation that is recorded."""
    raw = indexing.unwrapped(key)
    assert_inplace(variable)
    if isinstance(value, TensorBase):
        value = Variable(value)
    if not isinstance(value, (Variable, int, float)):
        raise (TypeError if indexing.is_mask(raw) else RuntimeError)(
            "copy from %s to %s isn't implemented" % (indexing.kind_name(value), variable.data.type()))
    index = indexing.like_self(variable, key) if isinstance(raw, TensorBase) else raw
    if indexing.is_mask(raw):
        variable.masked_scatter_(index, value) if isinstance(value, Variable) else variable.masked_fill_(index, value)
    elif indexing.is_positions(raw):
        variable.index_copy_(0, index, value) if isinstance(value, Variable) else variable.index_fill_(0, index, value)
    else:
        shape.set_item.inplace(variable, raw, value)


def scaling(name, row):
    """mul_ and div_: in place, by numbers only."""
    def method(self, other):
        if isinstance(other, (Variable, TensorBase)):
            raise RuntimeError("%s only supports scalar multiplication: a number, no Variable" % name)
        return row.inplace(self, other)
    method.__doc__ = "In place: %s by a number." % name[:-1]
    return method


Variable.mul_ = scaling("mul_", pointwise.mul)
Variable.div_ = scaling("div_", pointwise.div)


def method_of_cast(code):
    def method(self):
        return cast(self, core.cpu_classes()[code] if not self.is_cuda else core.cuda_classes()[code])
    method.__doc__ = "Cast to %sTensor." % DTYPE_NAMES[code]
    return method


def passed_on(name):
    """A method that asks the data."""
    def method(self, *args):
        return getattr(self.data, name)(*args)
    method.__doc__ = "As of the data."
    return method


for _code, _name in enumerate(DTYPE_NAMES):
    setattr(Variable, _name.lower(), method_of_cast(_code))
for _name in "element_size get_device is_contiguous is_set_to is_signed ndimension nelement numel stride".split():
    setattr(Variable, _name, passed_on(_name))
Variable.is_cuda = property(lambda self: self.data.is_cuda)
for _name, _method in VARIABLE_METHODS.items():
    if _name not in vars(Variable) and _name not in vars(VariableBase):
        setattr(Variable, _name, _method)

core.set_hook("default", _default_tensor)
set_variable_class(Variable)
set_handle_maker(lambda owner, attribute, hook: RemovableHandle.on(owner, attribute, hook))


class no_grad:
    """A context in which nothing is recorded: results require no grad.

    Example:
        >>> import tensorlib
        >>> x = tensorlib.autograd.Variable(tensorlib.ones(2), requires_grad=True)
        >>> with tensorlib.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    recording = False

    def __enter__(self):
        self.before = set_recording(self.recording)

    def __exit__(self, *exception):
        set_recording(self.before)

    def __call__(self, function):
        import functools

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with type(self)():
                return function(*args, **kwargs)
        return wrapped


class enable_grad(no_grad):
    """A context, inside no_grad, in which operations are recorded again."""

    recording = True

