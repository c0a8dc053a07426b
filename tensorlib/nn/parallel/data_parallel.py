"""Split a batch over GPUs, run a replica of the module on each, join the outputs."""
from ..module import Module
from .parallel_apply import parallel_apply
from .replicate import replicate
from .scatter_gather import gather, scatter_kwargs


def _all_gpus():
    from ... import cuda  # loaded only when asked for
    return list(range(cuda.device_count()))


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """Evaluate a module in parallel over GPUs.

    Args:
        module (Module): its parameters lie on the first of device_ids.
        inputs: a tuple of arguments, or one argument; Variables are split.
        device_ids (list of int, optional): the GPUs; all unless given. With none, the module is just called.
        output_device (int, optional): where the outputs come together; the first of device_ids unless given.
        dim (int): the dim that is split.
        module_kwargs (dict, optional): keyword arguments, split likewise.
    """
    device_ids = _all_gpus() if device_ids is None else list(device_ids)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    kwargs = module_kwargs or {}
    if not device_ids:
        return module(*inputs, **kwargs)
    parts, part_kwargs = scatter_kwargs(inputs, kwargs, device_ids, dim)
    if len(device_ids) == 1:
        return module(*parts[0], **part_kwargs[0])
    used = device_ids[:len(parts)]
    outputs = parallel_apply(replicate(module, used), parts, part_kwargs, used)
    return gather(outputs, device_ids[0] if output_device is None else output_device, dim)


class DataParallel(Module):
    """A module evaluated in parallel over GPUs: each takes a part of the batch, gradients are added up.

    Args:
        module (Module): the module; it becomes the attribute `module`.
        device_ids (list of int, optional): the GPUs; all unless given. With none, the module is just called.
        output_device (int, optional): where the outputs come together; the first of device_ids unless given.
        dim (int): the dim of the inputs that is split.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.device_ids = _all_gpus() if device_ids is None else list(device_ids)
        self.dim = dim
        self.module = module
        self.output_device = output_device
        if self.output_device is None and self.device_ids:
            self.output_device = self.device_ids[0]
        if len(self.device_ids) == 1:
            self.module.cuda(self.device_ids[0])

    def forward(self, *inputs, **kwargs):
        return data_parallel(self.module, inputs, self.device_ids, self.output_device, self.dim, kwargs)
