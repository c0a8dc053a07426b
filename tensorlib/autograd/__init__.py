"""Automatic differentiation: Variables, Functions, and the calls that send gradients back.

Shapes and types of gradients are those of the Variables they belong to.
"""
from collections.abc import Iterable

from .._ops.backward import queue_callback, run_backward
from .._ops.copying import filled_like
from .._ops.tensor import TensorBase, code_of, device_of
from .._ops.variable import node_of
from .function import Function, NestedIOFunction
from .variable import Variable, enable_grad, no_grad

__all__ = ["Function", "NestedIOFunction", "StochasticFunction", "Variable", "backward", "enable_grad", "grad",
           "gradcheck", "gradgradcheck", "no_grad"]


def make_grads(outputs, grads, create_graph):
    """Complete gradients of outputs: a Variable for each, and whether the walk is to be recorded.

    create_graph defaults to True exactly if a given gradient is a Variable that is not volatile.
    """
    if create_graph is None:
        create_graph = any(isinstance(g, Variable) and not g.volatile for g in grads) or any(map(is_sample, outputs))
    made = []
    for out, g in zip(outputs, grads):
        if g is None:
            if out.requires_grad and out.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs, but an output has size [%s]"
                                   % " x ".join(map(str, out.size())))
            g = filled_like(out.data, 1) if out.requires_grad else None
        elif not isinstance(g, (Variable, TensorBase)):
            raise TypeError("gradients can be either Tensors, Variables or None, but got %s" % type(g).__name__)
        else:
            check_gradient(out, g.data if isinstance(g, Variable) else g)
        made.append(as_wanted(g, create_graph))
    return made, create_graph


def is_sample(v):
    """Whether a Variable was drawn by a stochastic function, so that a reward takes the place of a gradient."""
    return getattr(v.grad_fn, "stochastic", False)


def check_gradient(out, g):
    if code_of(g) != code_of(out.data) or device_of(g) != device_of(out.data):
        raise TypeError("a gradient of type %s was given for a Variable of type %s" % (g.type(), out.data.type()))
    if g.size() != out.size():
        if g.numel() != out.numel():
            raise RuntimeError("a gradient of size [%s] was given for a Variable of size [%s]"
                               % (" x ".join(map(str, g.size())), " x ".join(map(str, out.size()))))


def as_wanted(g, graph):
    """A Variable if the walk is recorded, else a bare tensor."""
    if g is None:
        return None
    if graph:
        return g if isinstance(g, Variable) else Variable(g)
    return g.data if isinstance(g, Variable) else g


def sequence(x):
    """A tuple of x, or of what x goes through: a list, or the generator that `parameters()` gives."""
    single = isinstance(x, (Variable, TensorBase)) or not isinstance(x, Iterable)
    return (x,) if single else tuple(x)


def backward(variables, grad_variables=None, retain_graph=None, create_graph=None, retain_variables=None):
    """Add the gradients of variables into `.grad` of the leaves they depend on.

    Args:
        variables: Variables to differentiate.
        grad_variables: a gradient (Tensor, Variable or None) for each; None is 1, for Variables of one element.
        retain_graph: keep saved values, so that backward can run again; defaults to create_graph.
        create_graph: record the walk, so that gradients can be differentiated.
    Raises: RuntimeError where nothing requires grad, or sizes and types do not fit.
    """
    variables = sequence(variables)
    grads = (None,) * len(variables) if grad_variables is None else sequence(grad_variables)
    if retain_variables is not None:
        if retain_graph is not None:
            raise ValueError("only one of retain_graph and retain_variables can be specified")
        import warnings
        warnings.warn("retain_variables option is deprecated and will be removed in 0.3. Use retain_graph instead.",
                      UserWarning, stacklevel=3)
        retain_graph = retain_variables
    check_outputs(variables, grads)
    grads, create_graph = make_grads(variables, grads, create_graph)
    run_backward(variables, grads, create_graph if retain_graph is None else retain_graph, create_graph)


def check_outputs(variables, grads):
    for i, v in enumerate(variables):
        if not isinstance(v, Variable):
            raise TypeError("backward expects Variables, but got %s" % type(v).__name__)
        if v.volatile:
            raise RuntimeError("element %d of variables tuple is volatile" % i)
        if v.is_leaf and not v.requires_grad:
            raise RuntimeError("element %d of variables tuple does not require grad" % i)
    if len(grads) != len(variables):
        raise RuntimeError("%d gradients were given for %d Variables" % (len(grads), len(variables)))
    if not any(v.requires_grad or is_sample(v) for v in variables):
        raise RuntimeError("there are no graph nodes that require computing gradients")


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=None, only_inputs=True):
    """Return the gradients of outputs for inputs, as a tuple of Variables.

    Args: as for backward; only_inputs=False also adds into `.grad` of other leaves.
    Raises: RuntimeError where an output needs no grad, or an input was not used.
    """
    outputs, inputs = sequence(outputs), sequence(inputs)
    grads = (None,) * len(outputs) if grad_outputs is None else sequence(grad_outputs)
    for x in inputs:
        if not isinstance(x, Variable):
            name = x.type().rpartition(".")[2] if isinstance(x, TensorBase) else type(x).__name__
            raise RuntimeError("all inputs have to be Variables, but got %s" % name)
        if not x.requires_grad:
            raise RuntimeError("one of the differentiated Variables does not require grad")
    check_outputs(outputs, grads)
    if any(x is v or node_of(x) is node_of(v) is not None and x.output_nr == v.output_nr
           for x in inputs for v in outputs):
        raise RuntimeError("differentiated input is unreachable: it is an output itself")
    grads, create_graph = make_grads(outputs, grads, create_graph)
    found = run_backward(outputs, grads, create_graph if retain_graph is None else retain_graph, create_graph, inputs,
                         not only_inputs)
    if any(g is None for g in found):
        raise RuntimeError("differentiated input is unreachable: One of the differentiated Variables appears to not "
                           "have been used in the graph")
    return tuple(found)


class ImperativeEngine:
    """The walk back, under the name that code of the time knows: `Variable._execution_engine`."""

    def run_backward(self, variables, grad_variables, retain_graph, inputs=None, only_inputs=True):
        """Send gradients back; recorded if one of them is a Variable that is not volatile.

        Args: Variables; a gradient for each; whether saved values stay; as for `grad`, Variables whose gradients are
        returned, and whether others are left alone.
        """
        variables = sequence(variables)
        check_outputs(variables, sequence(grad_variables))
        grads, graph = make_grads(variables, sequence(grad_variables), None)
        if inputs is None:
            return run_backward(variables, grads, retain_graph, graph)
        return tuple(run_backward(variables, grads, retain_graph, graph, sequence(inputs), not only_inputs))

    def queue_callback(self, callback):
        """Let callback() be called at the end of the backward that this thread is in."""
        queue_callback(callback)


Variable._execution_engine = ImperativeEngine()

from . import stochastic as _stochastic  # noqa: E402
from . import gradcheck  # noqa: E402  it needs `grad` from above
from .gradcheck import gradgradcheck  # noqa: E402
StochasticFunction = _stochastic.StochasticFunction


def __getattr__(name):
    if name == "_functions":            # rarely asked for
        import importlib
        return importlib.import_module("._functions", __name__)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
