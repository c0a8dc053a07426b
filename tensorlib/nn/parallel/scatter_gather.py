"""Cut inputs along a dim and send the parts to GPUs; bring outputs together again. Gradients flow through both."""
from ...autograd import Variable
from ...ops.shape import cat_sequence


def scatter(inputs, target_gpus, dim=0):
    """Cut every Variable in a nesting of tuples, lists and dicts into parts, one on each GPU.

    Args:
        inputs: a Variable, a nesting of them, or any other object, which goes to all GPUs as it is.
        target_gpus (list of int): the GPUs.
        dim (int): the dim that is cut.

    Returns:
        a list with the inputs of each GPU; shorter than target_gpus if dim has fewer places.
    """
    if isinstance(inputs, Variable):
        return [part.cuda(gpu) for part, gpu in zip(inputs.chunk(len(target_gpus), dim), target_gpus)]
    if isinstance(inputs, (tuple, list)) and len(inputs):
        return [type(inputs)(parts) for parts in zip(*(scatter(x, target_gpus, dim) for x in inputs))]
    if isinstance(inputs, dict) and inputs:
        columns = zip(*(scatter(x, target_gpus, dim) for x in inputs.values()))
        return [type(inputs)(zip(inputs, parts)) for parts in columns]
    return [inputs] * len(target_gpus)


def scatter_kwargs(inputs, kwargs, target_gpus, dim=0):
    """scatter() positional and keyword arguments; the shorter of the two lists is filled with empty ones."""
    inputs = scatter(inputs, target_gpus, dim) if inputs else []
    kwargs = scatter(kwargs, target_gpus, dim) if kwargs else []
    n = max(len(inputs), len(kwargs))
    return tuple(inputs + [()] * (n - len(inputs))), tuple(kwargs + [{}] * (n - len(kwargs)))


def gather(outputs, target_device, dim=0):
    """Join the outputs of several GPUs along a dim on one of them; on the CPU if target_device is -1.

    Args:
        outputs: one entry for each GPU: a Variable, or a nesting of tuples, lists and dicts of the same form.
    """
    first = outputs[0]
    if isinstance(first, Variable):
        moved = [x.cpu() if target_device == -1 else x.cuda(target_device) for x in outputs]
        return cat_sequence(moved, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((key, gather([out[key] for out in outputs], target_device, dim)) for key in first)
    return type(first)(gather(parts, target_device, dim) for parts in zip(*outputs))
