"""What the functions share: sizes as tuples, wrapping bare tensors, checks, and small selections along a dim."""
from ..._ops.sequences import repeated
from ..._ops.variable import as_variable  # noqa: F401
from ...autograd import Variable


def _ntuple(n):
    """A function that turns a number into n of it, and an iterable into a tuple."""
    def parse(x):
        return repeated(x, n)
    return parse


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
_quadruple = _ntuple(4)


def require_variable(name, **arguments):
    """Raise TypeError unless each argument is a Variable or None."""
    for key, value in arguments.items():
        if value is not None and not isinstance(value, Variable):
            raise TypeError("%s(): argument '%s' must be a Variable, got %s" % (name, key, type(value).__name__))


def require_dims(name, input, dims):
    """Raise ValueError unless input has this many dims."""
    if input.dim() != dims:
        raise ValueError("%s(): Expected %dD tensor as input, got %dD tensor instead." % (name, dims, input.dim()))


def constant(like, values, *size):
    """A Variable of like's type and device that holds Python numbers and needs no gradient."""
    tensor = like.data.new(values)
    return Variable(tensor.view(*size) if size else tensor)


def positions(like, values):
    """Python ints as a LongTensor Variable on like's device."""
    return Variable(like.data.new(0).long().new(values))


def select_along(input, dim, values):
    """input.index_select(dim, values) for a list of ints; the input itself when it would not change."""
    if list(values) == list(range(input.size(dim))):
        return input
    return input.index_select(dim, kept(positions, input, values))


_kept = {}              # for GPUs: what was made, from what


def kept(make, like, values, *size):
    """constant() or positions() of values that sizes alone determine: a GPU is sent the same ones once, as a copy makes
    it wait. They stay there, so only so many of them are kept."""
    if not like.is_cuda:
        return make(like, list(values), *size)
    key = make, like.data.type(), like.data.get_device(), tuple(values), size
    found = _kept.get(key)
    if found is None:
        found = make(like, list(values), *size)
        if len(_kept) < 256:
            _kept[key] = found
    return found
