"""Random numbers: fills in place, samples by tensors of parameters, and new random tensors of the default type."""
from .._ops import random
from .._ops.tensor import make_empty
from ._table import ALL, REAL, public

default_dtype = [6]         # of rand and randn; set_default_tensor_type changes it


def fill(name, arguments, doc, types=REAL):
    """Declare a name that fills self."""
    target = getattr(random, name)
    forms = {"(Tensor self%s, *, Generator generator=None)" % text: target for text in arguments}
    return public(name, forms, types=types, variable=False, function=False, doc=doc)


uniform_ = fill("uniform_", [", float from=0, float to=1"], "Fill with samples of [from, to).")
normal_ = fill("normal_", [", float mean=0, float std=1"], "Fill with normal samples.")
log_normal_ = fill("log_normal_", [", float mean=1, float std=2"],
                   "Fill with exp(x), where x is normal with this mean and deviation.")
cauchy_ = fill("cauchy_", [", float median=0, float sigma=1"], "Fill with Cauchy samples.")
exponential_ = fill("exponential_", [", float lambd=1"], "Fill with exponential samples of rate lambd.")
geometric_ = fill("geometric_", [", float p"], "Fill with the number of trials up to the first success.", ALL)
bernoulli_ = fill("bernoulli_", [", float p=0.5", ", FloatTensor float_p", ", DoubleTensor float_p"],
                  "Fill with 0 and 1; p, a number or a tensor, is the probability of 1.", ALL)
random_ = public(
    "random_", {"(Tensor self, *, Generator generator=None)":
                lambda self, generator: random.random_(self, generator=generator),
                "(Tensor self, int to, *, Generator generator=None)":
                lambda self, to, generator: random.random_(self, 0, to, generator),
                "(Tensor self, int from, int to, *, Generator generator=None)": random.random_},
    types=ALL, variable=False, function=False,
    doc="Fill with whole numbers of [from, to); of [0, to); of all that the type holds exactly, from 0 on.")

bernoulli = public(
    "bernoulli", {"(Tensor self, *, Generator generator=None)": random.bernoulli}, types=REAL, variable=False,
    doc="0 and 1, the elements of self being the probabilities of 1.")
multinomial = public(
    "multinomial", {"(Tensor self, int num_samples, bool replacement=False, *, Generator generator=None)":
                    random.multinomial}, types=REAL, variable=False,
    doc="num_samples positions of each row of self, drawn in proportion to the elements; a LongTensor.")
normal = public(
    "normal", {"(Tensor means, Tensor std, *, Generator generator=None)": random.normal,
               "(Tensor means, float std=1, *, Generator generator=None)": random.normal,
               "(float mean=0, Tensor std, *, Generator generator=None)": random.normal},
    types=REAL, variable=False, method=False, doc="Normal samples with the given means and deviations.")


def sizes_of(size):
    """The sizes of a call that takes them one by one or as one sequence."""
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size


def new_or_resized(size, out):
    if out is None:
        return make_empty(default_dtype[0], sizes_of(size))
    return out.resize_(sizes_of(size))


def rand(*size, generator=None, out=None):
    """Return a tensor of the default type, or `out`, filled with samples of [0, 1).

    Example:
        >>> tensorlib.manual_seed(1) is tensorlib.default_generator
        True
        >>> tensorlib.rand(2, 3).size() == (2, 3)
        True
    """
    return random.uniform_(new_or_resized(size, out), 0, 1, generator)


def randn(*size, generator=None, out=None):
    """Return a tensor of the default type, or `out`, filled with samples of mean 0 and deviation 1.

    Example:
        >>> tensorlib.randn(2, 3).size() == (2, 3)
        True
    """
    return random.normal_(new_or_resized(size, out), 0, 1, generator)


def randperm(n, generator=None, out=None):
    """Return a LongTensor, or `out`, with 0 .. n - 1 in random order.

    Example:
        >>> sorted(tensorlib.randperm(4))
        [0, 1, 2, 3]
    """
    return random.randperm(n, generator, out)
