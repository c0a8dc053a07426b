"""Compares derivatives with finite differences. It knows Variables only, no rows.

The module can be called as the function that it is named after: both spellings are in use.
"""
import sys
import types

from .._ops.tensor import TensorBase
from . import grad as autograd_grad
from .variable import Variable


def iter_variables(x):
    """Yield (tensor of the gradient or None, tensor of the data) of each Variable in nested x that requires grad."""
    if isinstance(x, Variable):
        if x.requires_grad:
            yield (None if x.grad is None else x.grad.data), x.data
    elif isinstance(x, (tuple, list)):
        for part in x:
            yield from iter_variables(part)


def zero_gradients(x):
    """Zero `.grad` of every Variable in nested x."""
    if isinstance(x, Variable):
        if x.grad is not None:
            x.grad.detach_()
            x.grad.data.zero_()
    elif isinstance(x, (tuple, list)):
        for part in x:
            zero_gradients(part)


def make_jacobian(input, num_out):
    """Return zeros of size (elements of the input, num_out), nested as input; None where nothing requires grad."""
    if isinstance(input, Variable) and not input.requires_grad:
        return None
    if isinstance(input, (TensorBase, Variable)):
        data = input.data if isinstance(input, Variable) else input
        return data.new(input.numel(), num_out).double().zero_()
    if isinstance(input, (tuple, list)):
        parts = [part for part in (make_jacobian(x, num_out) for x in input) if part is not None]
        return type(input)(parts) if parts else None
    return None


def iter_tensors(x, only_requiring_grad=False):
    """Yield the tensors in nested x; of Variables their data, only of those that require grad if asked."""
    if isinstance(x, TensorBase):
        yield x
    elif isinstance(x, Variable):
        if x.requires_grad or not only_requiring_grad:
            yield x.data
    elif isinstance(x, (tuple, list)):
        for part in x:
            yield from iter_tensors(part, only_requiring_grad)


def contiguous(input):
    """Return nested input with its Variables and tensors made dense."""
    if isinstance(input, (TensorBase, Variable)):
        return input.contiguous()
    if isinstance(input, (tuple, list)):
        return type(input)([contiguous(x) for x in input])
    return input


def get_numerical_jacobian(fn, input, target, eps=1e-3):
    """Return the Jacobian of fn(input) for target by central differences, nested as target, each of float64.

    Args: fn gives a Tensor or Variable; input is what it is called with; target is input or a part of it.
    """
    output_size = fn(input).numel()
    jacobian = make_jacobian(target, output_size)
    for x, j in zip(iter_tensors(target, True), iter_tensors(jacobian)):
        flat = x.contiguous().view(-1)
        for i in range(flat.numel()):
            original = flat[i]
            sides = []
            for shift in (-eps, eps):
                flat[i] = original + shift
                x.copy_(flat.view(x.size()))
                sides.append(values_of(fn(input)))
            flat[i] = original
            x.copy_(flat.view(x.size()))
            j[i] = (sides[1] - sides[0]) / (2 * eps)
    return jacobian


def values_of(output):
    """The elements as a 1-D float64 copy."""
    data = output.data if isinstance(output, Variable) else output
    return data.double().clone().view(-1) if data.is_contiguous() else data.double().contiguous().clone().view(-1)


def get_analytical_jacobian(input, output):
    """Return (Jacobian by backward, whether repeating it gave the same, whether gradients have the right sizes)."""
    jacobian, repeated = make_jacobian(input, output.numel()), make_jacobian(input, output.numel())
    unit = output.data.clone().zero_()
    flat = unit.view(-1)
    right_sizes = True
    for i in range(flat.numel()):
        flat.zero_()
        flat[i] = 1
        for result in (jacobian, repeated):
            zero_gradients(input)
            output.backward(unit, create_graph=True)
            for column, (gradient, data) in zip(iter_tensors(result), iter_variables(input)):
                if gradient is None:
                    column[:, i] = 0
                elif gradient.size() != data.size():
                    right_sizes = False
                else:
                    column[:, i] = values_of(gradient)
    same = all(a.equal(b) for a, b in zip(iter_tensors(jacobian), iter_tensors(repeated)))
    return jacobian, same, right_sizes


def outputs_of(result):
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def gradcheck(func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3):
    """Tell whether backward of func agrees with finite differences: |a - n| <= atol + rtol * |n| everywhere.

    Args: func takes the inputs (a tuple with Variables, of float64 best) and returns Variables; eps is the step.
    Also checked: that backward gives the same twice and keeps sizes, and that it gives zeros for zeros.
    """
    outputs = outputs_of(func(*inputs))
    for number, output in enumerate(outputs):
        if not output.requires_grad:
            continue

        def one(given, number=number):
            return outputs_of(func(*given))[number].data

        analytical, same, right_sizes = get_analytical_jacobian(contiguous(inputs), output)
        numerical = get_numerical_jacobian(one, inputs, inputs, eps)
        for a, n in zip(iter_tensors(analytical), iter_tensors(numerical)):
            if not bool(((a - n).abs() <= (n.abs() * rtol + atol)).all()):
                return False
        if not same or not right_sizes:
            return False
    return zeros_give_zeros(func, inputs)


def zeros_give_zeros(func, inputs):
    """Whether zero gradients of the outputs give zero (or no) gradients of the inputs."""
    outputs = [out for out in outputs_of(func(*inputs)) if out.requires_grad]
    zero_gradients(inputs)
    for output in outputs:
        output.backward(output.data.new(output.size()).zero_(), create_graph=True)
    for gradient, data in iter_variables(inputs):
        if gradient is not None and (gradient.size() != data.size() or gradient.ne(0).any()):
            return False
    return True


def gradgradcheck(func, inputs, grad_outputs, eps=1e-6, atol=1e-5, rtol=1e-3):
    """gradcheck of the gradients of func: the second derivatives.

    Args: as for gradcheck; grad_outputs are gradients for the outputs, Variables that may require grad.
    """
    n = len(inputs)

    def gradients(*args):
        outputs = [out for out in outputs_of(func(*args[:n])) if isinstance(out, Variable) and out.requires_grad]
        wanted = [x for x in args[:n] if isinstance(x, Variable) and x.requires_grad]
        return autograd_grad(outputs, wanted, list(args[n:]), create_graph=True)

    return gradcheck(gradients, tuple(inputs) + tuple(grad_outputs), eps, atol, rtol)


class _Callable(types.ModuleType):
    def __call__(self, func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3):
        return gradcheck(func, inputs, eps, atol, rtol)


sys.modules[__name__].__class__ = _Callable
