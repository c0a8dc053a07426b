"""Collective operations on lists of tensors, one on each of several GPUs, in the names of NVIDIA's NCCL.

They are made of copies between devices; the library itself is not used.
"""
from .._ops.copying import copy_
from .._ops.shape import moved
from .._ops.tensor import device_of
from ..ops.shape import cat_sequence

SUM, PROD, MAX, MIN = range(4)
_MERGE = {SUM: lambda a, b: a.add_(b), PROD: lambda a, b: a.mul_(b),
          MAX: lambda a, b: copy_(a, a.max(b)), MIN: lambda a, b: copy_(a, a.min(b))}


def is_available(tensors):
    """Tell whether the operations here take these tensors: dense ones, each on another GPU."""
    devices = [t.get_device() if t.is_cuda else -1 for t in tensors]
    return -1 not in devices and len(set(devices)) == len(devices) and all(t.is_contiguous() for t in tensors)


def _check(name, tensors):
    if not is_available(tensors):
        raise RuntimeError("%s(): expected dense tensors, each on another GPU" % name)


def _total(inputs, root, op):
    total = inputs[root].clone()
    for i, t in enumerate(inputs):
        if i != root:
            _MERGE[op](total, moved(t, device_of(total)))
    return total


def all_reduce(inputs, outputs=None, op=SUM):
    """Give every GPU the sum (or product, or extreme) of all inputs, in outputs or in place."""
    _check("all_reduce", inputs)
    total = _total(inputs, 0, op)
    for t in inputs if outputs is None else outputs:
        copy_(t, total)


def reduce(inputs, outputs=None, root=0, op=SUM, streams=None):
    """Give one GPU the sum (or product, or extreme) of all inputs."""
    _check("reduce", inputs)
    copy_((inputs if outputs is None else outputs)[root], _total(inputs, root, op))


def broadcast(inputs, root=0):
    """Copy one GPU's tensor into those of all others."""
    _check("broadcast", inputs)
    for i, t in enumerate(inputs):
        if i != root:
            copy_(t, inputs[root])


def all_gather(inputs, outputs):
    """Give every GPU all inputs, one after the other."""
    _check("all_gather", inputs)
    for out in outputs:
        copy_(out, cat_sequence([moved(t, device_of(out)).view(-1) for t in inputs], 0))


def reduce_scatter(inputs, outputs, op=SUM):
    """Give each GPU its part of the sum (or product, or extreme) of all inputs."""
    _check("reduce_scatter", inputs)
    total = _total(inputs, 0, op).view(-1)
    for i, out in enumerate(outputs):
        copy_(out, total.narrow(0, i * out.numel(), out.numel()))
