"""Weight normalisation: w = g * v / |v| (Salimans and Kingma, 2016)."""
from ..parameter import Parameter


def _norm_except(v, dim):
    """The norm of v over all dims but one, which keeps its place; over everything when dim is None."""
    if dim is None:
        return v.norm()
    front = v.transpose(0, dim).contiguous()
    sizes = [front.size(0)] + [1] * (front.dim() - 1)
    return front.view(front.size(0), -1).norm(2, 1).view(*sizes).transpose(0, dim)


class _WeightNorm:
    """A forward pre-hook that rebuilds module.NAME from NAME_g and NAME_v."""

    def __init__(self, name, dim):
        self.name = name
        self.dim = dim

    def weight(self, module):
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / _norm_except(v, self.dim)).expand_as(v)

    def __call__(self, module, inputs):
        setattr(module, self.name, self.weight(module))


def weight_norm(module, name="weight", dim=0):
    """Split a parameter into a magnitude NAME_g and a direction NAME_v, and return the module.

    Args:
        module (Module): the layer.
        name (str): its parameter.
        dim (int or None): the dim that has a magnitude for each index; None for one magnitude in all.

    The parameter itself becomes a plain attribute, rebuilt before each forward().

    Example:
        >>> from tensorlib import nn
        >>> layer = nn.utils.weight_norm(nn.Linear(3, 2))
        >>> [n for n, _ in layer.named_parameters()]
        ['bias', 'weight_g', 'weight_v']
    """
    hook = _WeightNorm(name, dim)
    weight = getattr(module, name)
    norm = _norm_except(weight.data, dim)
    if dim is None:
        norm = weight.data.new([norm])
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(norm.contiguous()))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module, name="weight"):
    """Undo weight_norm(): the present product becomes the parameter NAME again. Returns the module.

    Raises:
        ValueError: the module has no weight_norm of that name.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, _WeightNorm) and hook.name == name:
            weight = hook.weight(module)
            delattr(module, name)
            del module._parameters[name + "_g"], module._parameters[name + "_v"]
            module.register_parameter(name, Parameter(weight.data))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError("weight_norm of '%s' not found in %s" % (name, module))
