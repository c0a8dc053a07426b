"""Functions written by users, in the new style (static methods with ctx) and the old (an object used once).

The object that the new style calls ctx, and the old-style object itself, is the node of the graph.
"""
import functools
from collections import OrderedDict

from .._ops.tensor import TensorBase
from .._ops.node import FunctionNode
from .._ops.recording import assert_inplace, is_recording
from .._ops.variable import VariableBase, bump_version, set_volatile, share_version, version_object, wrap_output


class FunctionBase(FunctionNode):
    """What ctx offers: saving tensors, marking outputs, and the call of the user's backward."""

    def save_for_backward(self, *tensors):
        """Keep inputs, outputs or None for backward; once, from forward only."""
        self.to_save = tensors

    def mark_dirty(self, *args):
        """Say which inputs were changed in place."""
        self.dirty_tensors = args

    def mark_shared_storage(self, *pairs):
        """Say which (input, output) pairs are on the same storage."""
        self.shared_pairs = pairs

    def mark_non_differentiable(self, *args):
        """Say which outputs have no gradient."""
        self.non_differentiable = args

    @property
    def saved_tensors(self):
        """The saved tensors."""
        return tuple([None if s is None else s.tensor(self) for s in saved_values(self)])

    @property
    def saved_variables(self):
        """The saved tensors as Variables with the history they had."""
        return tuple([None if s is None else s.variable(self) for s in saved_values(self)])

    def register_hook(self, hook):
        """Call hook(grad_inputs, grad_outputs) when gradients pass; returns a handle that removes it."""
        from ..hooks import RemovableHandle
        if self.post_hooks is None:
            self.post_hooks = OrderedDict()
        handle = RemovableHandle(self.post_hooks)
        self.post_hooks[handle.id] = hook
        return handle


def saved_values(function):
    if function.freed:
        raise RuntimeError("Trying to backward through the graph a second time, but the buffers have already been "
                           "freed. Specify retain_graph=True when calling backward the first time.")
    return function.kept or ()


class Saved:
    """A saved input or output: the tensor, where it stands, and the version it had."""

    def __init__(self, data, edge, output, version):
        self.data, self.edge, self.output, self.version = data, edge, output, version
        self.at = None if version is None else version.value

    def check(self):
        if self.version is not None and self.version.value != self.at:
            raise RuntimeError("one of the variables needed for gradient computation has been modified by an inplace "
                               "operation: it was saved at version %d, and is at version %d"
                               % (self.at, self.version.value))

    def tensor(self, function):
        self.check()
        return self.data

    def variable(self, function):
        self.check()
        if self.output is not None:
            return function.rewrap_output(self.data, self.output)
        return function.rewrap(self.data, self.edge)


class FunctionMeta(type(FunctionNode)):
    """Gives each Function class the class of its new-style nodes, `<name>Backward`."""

    def __init__(cls, name, bases, attributes):
        super().__init__(name, bases, attributes)
        if "_is_backward_class" not in attributes:
            cls._backward_cls = FunctionMeta(name + "Backward", (BackwardFunction,),
                                             {"_forward_cls": cls, "_is_backward_class": True})


class Function(FunctionBase, metaclass=FunctionMeta):
    """An operation with a derivative of your own.

    New style: `forward(ctx, ...)` and `backward(ctx, *grad_outputs)` are static methods, called by `apply`. forward
    gets tensors for Variables and other arguments as they are; backward gets and returns Variables, one for each
    argument of forward. Old style: methods of an object that is called once with Variables; both get and return
    tensors.
    """

    _is_backward_class = True

    def __init__(self, *args, **kwargs):
        pass

    @staticmethod
    def forward(ctx, *args):
        """Compute the outputs."""
        raise NotImplementedError("a Function needs a forward")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Compute the gradients of forward's arguments from those of its outputs."""
        raise NotImplementedError("a Function needs a backward to be differentiated")

    @classmethod
    def apply(cls, *args):
        """Run a new-style function."""
        ctx = cls._backward_cls()
        return run_forward(ctx, cls.forward, (ctx,), args, True)

    def __call__(self, *args):
        """Run an old-style function."""
        for a in args:
            if not isinstance(a, (VariableBase, TensorBase)):
                raise RuntimeError("expected a Variable argument, but got %s" % type(a).__name__)
        return run_forward(self, self.forward, (), args, False)

    _do_forward = __call__

    def run_user_backward(self, grads, graph):
        return old_style_backward(self, grads, graph)


Function._is_backward_class = False


class BackwardFunction(FunctionBase, metaclass=FunctionMeta):
    """The node of a new-style function."""

    _is_backward_class = True

    def run_user_backward(self, grads, graph):
        return new_style_backward(self, grads, graph)

    def apply(self, *args):
        """Run the user's backward."""
        return self._forward_cls.backward(self, *args)


FunctionMeta.__init__(Function, "Function", (FunctionBase,), {})


def run_forward(ctx, forward, prefix, args, new_style):
    """Call forward on raw tensors, and connect its outputs."""
    variables = [a if isinstance(a, VariableBase) else None for a in args]
    volatile = any(v is not None and v.volatile for v in variables)
    requires_grad = not volatile and is_recording() and any(v is not None and v.requires_grad for v in variables)
    ctx.needs_input_grad = tuple([v is not None and v.requires_grad for v in variables] if new_style else
                                 [getattr(a, "requires_grad", False) for a in args])
    ctx.requires_grad = requires_grad
    ctx.is_variable = [v is not None for v in variables]
    raw = [a.data if isinstance(a, VariableBase) else a for a in args]
    result = forward(*prefix, *raw)
    single = not isinstance(result, tuple)
    outputs = (result,) if single else result
    for t in outputs:
        if not isinstance(t, TensorBase):
            raise RuntimeError("data must be a Tensor: forward of %s returned %s"
                               % (type(ctx).__name__, type(t).__name__))
    if not volatile:
        ctx.set_edges(variables, len(outputs))
    # An empty tensor of the type and device stands for each output, which itself may go.
    ctx.output_sizes = [(t.new(), t.size()) for t in outputs]
    wrapped = connect(ctx, variables, raw, outputs, volatile, requires_grad)
    remember(ctx, variables, raw, outputs, wrapped, volatile)
    ctx.dirty_tensors = ctx.non_differentiable = ctx.shared_pairs = ()      # an old-style object may run again
    return wrapped[0] if single else tuple(wrapped)


def connect(ctx, variables, raw, outputs, volatile, requires_grad):
    """Make Variables of the outputs; those that are inputs changed in place are the same Variables again."""
    dirty = getattr(ctx, "dirty_tensors", ())
    for i, d in enumerate(dirty):
        if not any(d is x for x in raw):
            raise RuntimeError("mark_dirty only accepts input tensors, but argument %d isn't one" % i)
    without = getattr(ctx, "non_differentiable", ()) if requires_grad else ()
    if not all(any(t is n for t in outputs) for n in without):
        raise RuntimeError("mark_non_differentiable only accepts function outputs")
    wrapped = []
    for number, t in enumerate(outputs):
        at = next((i for i, x in enumerate(raw) if x is t), None)
        is_dirty = any(t is d for d in dirty)
        if at is not None and is_dirty and variables[at] is not None:
            out = variables[at]
            assert_inplace(out)
            bump_version(out)
        else:
            out = wrap_output(t, volatile)
            if at is not None and variables[at] is not None:
                share_version(variables[at], out)
        if volatile:
            set_volatile(out, True)
        else:
            ctx.attach(out, number, requires_grad and not any(t is n for n in without))
        wrapped.append(out)
    for d in dirty:
        if not any(d is t for t in outputs):
            at = next(i for i, x in enumerate(raw) if x is d)
            if variables[at] is not None:
                bump_version(variables[at])
    share_versions(getattr(ctx, "shared_pairs", ()), variables + wrapped, raw + list(outputs))
    return wrapped


def share_versions(pairs, variables, tensors):
    """Let the Variables of each pair of tensors, of which both are inputs or outputs, count changes together."""
    for i, pair in enumerate(pairs):
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise RuntimeError("mark_shared_storage accepts pairs of tensors, but argument %d is %r" % (i, pair))
        both = [next((v for v, t in zip(variables, tensors) if t is one and v is not None), None) for one in pair]
        if any(v is None for v in both):
            raise RuntimeError("mark_shared_storage only accepts pairs of input and output tensors, but argument %d "
                               "doesn't satisfy this condition" % i)
        share_version(*both)


def remember(ctx, variables, raw, outputs, wrapped, volatile):
    """Save what forward asked to be saved, with versions."""
    to_save, ctx.to_save = getattr(ctx, "to_save", ()), ()
    saved = []
    for i, t in enumerate(to_save):
        if t is None:
            saved.append(None)
            continue
        if not isinstance(t, TensorBase):
            if ctx.requires_grad:
                raise RuntimeError("save_for_backward can only save tensors, but argument %d is of type %s"
                                   % (i, type(t).__name__))
            continue
        output = next((n for n, out in enumerate(outputs) if out is t), None)
        edge = next((n for n, x in enumerate(raw) if x is t), None)
        if output is None and edge is None:
            if ctx.requires_grad:
                raise RuntimeError("save_for_backward can only save input or output tensors, but argument %d doesn't "
                                   "satisfy this condition" % i)
            continue
        variable = wrapped[output] if output is not None else variables[edge]
        version = version_object(variable) if variable is not None else None
        saved.append(Saved(t, edge, output, version))
    ctx.kept, ctx.freed = () if volatile else tuple(saved), False


def complete(ctx, grads):
    """Zeros for outputs that no gradient came for."""
    return [like.new(size).zero_() if g is None else g for g, (like, size) in zip(grads, ctx.output_sizes)]


def new_style_backward(ctx, grads, graph):
    """Gradients by a new-style backward, which works on Variables."""
    from .variable import Variable
    if graph:
        given = [g if isinstance(g, Variable) else Variable(g) for g in complete(ctx, grads)]
    else:
        given = [Variable(g, volatile=True) for g in complete(ctx, grads)]
    result = ctx._forward_cls.backward(ctx, *given)
    result = result if isinstance(result, tuple) else (result,)
    n = len(ctx.needs_input_grad)
    if len(result) > n and all(g is None for g in result[n:]):
        result = result[:n]
    if len(result) != n:
        raise RuntimeError("function %s returned an incorrect number of gradients (expected %d, got %d)"
                           % (type(ctx).__name__, n, len(result)))
    found = []
    for i, g in enumerate(result):
        if g is not None and not isinstance(g, VariableBase):
            raise RuntimeError("function %s returned a gradient of type %s at position %d, but a Variable is expected"
                            % (type(ctx).__name__, g.type() if isinstance(g, TensorBase) else type(g).__name__, i))
        if g is not None and not ctx.is_variable[i]:
            raise RuntimeError("function %s returned a gradient different than None at position %d, but the "
                               "corresponding forward input was not a Variable" % (type(ctx).__name__, i))
        found.append(g if g is None or graph else g.data)
    return found


def old_style_backward(function, grads, graph):
    """Gradients by an old-style backward, which works on tensors and cannot be differentiated."""
    if graph:
        grads = [None if g is None else g.data for g in grads]
    result = function.backward(*complete(function, grads))
    result = result if isinstance(result, tuple) else (result,)
    n = len(function.needs_input_grad)
    if len(result) > n and all(g is None for g in result[n:]):
        result = result[:n]
    if len(result) != n:
        raise RuntimeError("%s returned an invalid number of gradient tensors (%d, but expected %d)"
                           % (type(function).__name__, len(result), n))
    if not graph:
        return list(result)
    return [None if g is None else not_differentiable(g, type(function).__name__) for g in result]


class Undifferentiable(FunctionNode):
    """Ends a graph where a derivative has no derivative."""

    def run_user_backward(self, grads, graph):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable: %s"
                           % self.of)


def not_differentiable(tensor, name):
    """A Variable whose backward raises."""
    node = Undifferentiable()
    node.of = name
    node.set_edges((), 1)
    out = wrap_output(tensor)
    node.attach(out, 0, True)
    return out


def once_differentiable(fn):
    """Decorate a new-style backward: it gets tensors, and its results cannot be differentiated again."""
    @functools.wraps(fn)
    def wrapper(ctx, *args):
        raw = [a.data if isinstance(a, VariableBase) else a for a in args]
        result = fn(ctx, *raw)
        single = not isinstance(result, tuple)
        outputs = (result,) if single else result
        recorded = not any(a.volatile for a in args if isinstance(a, VariableBase))
        made = []
        for g in outputs:
            if g is None or isinstance(g, VariableBase):
                made.append(g)
            elif recorded:
                made.append(not_differentiable(g, type(ctx).__name__))
            else:
                made.append(wrap_output(g, any(getattr(a, "volatile", False) for a in args)))
        return made[0] if single else tuple(made)
    return wrapper


class InplaceFunction(Function):
    """An old-style function that may work in place."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """An old-style function on nested tuples of Variables: write forward_extended and backward_extended."""

    def __call__(self, *nested):
        self.input_structure = nested
        flat = flatten(nested)
        result = super().__call__(*flat)
        return rebuild(self.output_structure, iter(result if isinstance(result, tuple) else (result,)))

    _do_forward = __call__

    def forward(self, *flat):
        nested = rebuild(self.input_structure, iter(flat))
        result = self.forward_extended(*nested)
        self.output_structure = result
        return tuple(flatten(result))

    def backward(self, *flat):
        nested = rebuild(self.output_structure, iter(flat))
        nested = nested if isinstance(nested, tuple) else (nested,)
        return tuple(flatten(self.backward_extended(*nested)))

    def forward_extended(self, *args):
        """Compute nested outputs of nested tensors."""
        raise NotImplementedError("a NestedIOFunction needs a forward_extended")

    def backward_extended(self, *grads):
        """Compute nested gradients."""
        raise NotImplementedError("a NestedIOFunction needs a backward_extended")


def flatten(nested):
    """The values of nested tuples and lists in order."""
    if isinstance(nested, (tuple, list)):
        return [x for part in nested for x in flatten(part)]
    return [nested]


def rebuild(structure, values):
    """The values in the shape of a structure."""
    if isinstance(structure, (tuple, list)):
        return type(structure)([rebuild(part, values) for part in structure])
    return next(values)
