"""Copies of a module on GPUs: their parameters are computed from the originals, so gradients come back to these."""


def replicate(network, devices):
    """Return copies of a module, one on each GPU.

    Args:
        network (Module): the original. It is not changed; its hooks are shared.
        devices (list of int): the GPUs.
    """
    return [_copy(network, device, {}) for device in devices]


def _copy(module, device, done):
    """Copy a tree of modules; modules and parameters that are shared stay so, by way of done."""
    if module is None:
        return None
    if id(module) not in done:
        twin = done[id(module)] = module.__new__(type(module))
        twin.__dict__.update(module.__dict__)
        twin._parameters = {k: _moved(p, device, done) for k, p in module._parameters.items()}
        twin._buffers = {k: _moved(b, device, done) for k, b in module._buffers.items()}
        twin._modules = {k: _copy(m, device, done) for k, m in module._modules.items()}
    return done[id(module)]


def _moved(value, device, done):
    if value is not None and id(value) not in done:
        done[id(value)] = value.cuda(device)
    return done.get(id(value))
