"""Random numbers: fills in place, samples by tensors of parameters, permutations."""
from .._ops import random, sampling
from ._table import ALL, REAL, public


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
                    sampling.multinomial}, types=REAL, variable=False,
    doc="num_samples positions of each row of self, drawn in proportion to the elements; a LongTensor.")
normal = public(
    "normal", {"(Tensor means, Tensor std, *, Generator generator=None)": sampling.normal,
               "(Tensor means, float std=1, *, Generator generator=None)": sampling.normal,
               "(float mean=0, Tensor std, *, Generator generator=None)": sampling.normal},
    types=REAL, variable=False, method=False, doc="Normal samples with the given means and deviations.")


def randperm(n, *, generator=None, out=None):
    """Return a LongTensor, or `out`, with 0 .. n - 1 in random order.

    Example:
        >>> sorted(tensorlib.randperm(4))
        [0, 1, 2, 3]
    """
    if isinstance(n, bool):
        raise TypeError("randperm expects (int n), but got bool")
    return random.randperm(n, generator, out)
