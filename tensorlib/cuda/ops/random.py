"""Fills with random numbers: the twins of _ops/random.pyx. They draw from the generator of the tensor's device."""
import math

from ..._ops.copying import copy_, make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from ..random import generator_of

LONG, HALF, FLOAT, DOUBLE = 4, 5, 6, 7
BITS = (8, 7, 15, 31, 63, 0, 24, 53)        # of the largest whole number, by element type
program = Program("random")


def check(t, name, generator, real=True):
    if generator is not None:
        raise RuntimeError("%s(): a Generator is of the CPU; GPUs have one each, see cuda.manual_seed" % name)
    if code_of(t) == HALF or real and code_of(t) < FLOAT:
        raise TypeError("%s(): expected a FloatTensor or a DoubleTensor, got a %s" % (name, t.type()))


def fill(t, kernel, a=0.0, b=0.0):
    """Fill t in the order of its elements."""
    if t.numel() == 0:
        return t
    dense = t if t.is_contiguous() else make_empty(code_of(t), t.size(), device_of(t))
    launch(program, "%s_%s" % (kernel, NAMES[code_of(t)]), device_of(t), "PqQQdd", grid_for(device_of(t), t.numel()),
           THREADS, dense, t.numel(), *generator_of(device_of(t)).take(t.numel()), a, b)
    return t if dense is t else copy_(t, dense)


def uniform_(self, low=0, high=1, generator=None):
    check(self, "uniform_", generator)
    if not (low <= high and math.isfinite(high - low)):
        raise RuntimeError("uniform_(): expected finite from <= to, got from=%g and to=%g" % (low, high))
    return fill(self, "uniform", low, high)


def normal_(self, mean=0, std=1, generator=None):
    check(self, "normal_", generator)
    if not std >= 0:
        raise RuntimeError("normal_(): expected std >= 0, got std=%g" % std)
    return fill(self, "normal", mean, std)


def log_normal_(self, mean=1, std=2, generator=None):
    check(self, "log_normal_", generator)
    if not std > 0:
        raise RuntimeError("log_normal_(): expected std > 0, got std=%g" % std)
    return fill(self, "log_normal", mean, std)


def cauchy_(self, median=0, sigma=1, generator=None):
    check(self, "cauchy_", generator)
    if not sigma > 0:
        raise RuntimeError("cauchy_(): expected sigma > 0, got sigma=%g" % sigma)
    return fill(self, "cauchy", median, sigma)


def exponential_(self, lambd=1, generator=None):
    check(self, "exponential_", generator)
    if not lambd > 0:
        raise RuntimeError("exponential_(): expected lambd > 0, got lambd=%g" % lambd)
    return fill(self, "exponential", lambd)


def geometric_(self, p, generator=None):
    check(self, "geometric_", generator, False)
    if not 0 < p < 1:
        raise RuntimeError("geometric_(): expected 0 < p < 1, got p=%g" % p)
    return fill(self, "geometric", p)


def bernoulli_(self, p=0.5, generator=None):
    check(self, "bernoulli_", generator, False)
    if hasattr(p, "numel"):
        return choose(self, p)
    if not 0 <= p <= 1:
        raise RuntimeError("bernoulli_(): expected 0 <= p <= 1, got p=%g" % p)
    return fill(self, "bernoulli", p)


def bernoulli(self, generator=None):
    check(self, "bernoulli", generator)
    return choose(make_empty(code_of(self), self.size(), device_of(self)), self)


def choose(t, p):
    """1 in t with the probabilities of p."""
    if code_of(p) not in (FLOAT, DOUBLE):
        raise TypeError("bernoulli(): expected probabilities in a FloatTensor or a DoubleTensor, got a %s" % p.type())
    if p.numel() != t.numel():
        raise RuntimeError("bernoulli_(): %d elements of the tensor and %d of the probabilities do not match"
                           % (t.numel(), p.numel()))
    if t.numel() == 0:
        return t
    if not (p.min() >= 0 and p.max() <= 1):
        raise RuntimeError("bernoulli(): expected probabilities from 0 to 1, got %g to %g" % (p.min(), p.max()))
    p, dense = make_contiguous(p), t if t.is_contiguous() else make_empty(code_of(t), t.size(), device_of(t))
    launch(program, "choose_%s_%s" % (NAMES[code_of(p)], NAMES[code_of(t)]), device_of(t), "PPqQQ",
           grid_for(device_of(t), t.numel()), THREADS, dense, p, t.numel(),
           *generator_of(device_of(t)).take(t.numel()))
    return t if dense is t else copy_(t, dense)


def random_(self, low=None, high=None, generator=None):
    check(self, "random_", generator, False)
    code = code_of(self)
    if low is None and high is None:
        low, count = 0, 2 ** BITS[code] + (code >= FLOAT)
    else:
        low, high = (0, low if high is None else high) if low is None or high is None else (low, high)
        check_range(code, low, high)
        count = high - low
    if self.numel() == 0:
        return self
    dense = self if self.is_contiguous() else make_empty(code, self.size(), device_of(self))
    launch(program, "whole_" + NAMES[code], device_of(self), "PqQQQqi", grid_for(device_of(self), self.numel()),
           THREADS, dense, self.numel(), *generator_of(device_of(self)).take(self.numel()), count % 2 ** 64, low,
           int(count > 2 ** 28 and count != 2 ** 31))      # where 32 bits would not be even
    return self if dense is self else copy_(self, dense)


def check_range(code, low, high):
    if not (hasattr(low, "__index__") and hasattr(high, "__index__")):
        raise TypeError("random_(): expected ints, got %s and %s" % (type(low).__name__, type(high).__name__))
    if not low < high:
        raise RuntimeError("random_(): expected from < to, got from=%d and to=%d" % (low, high))
    least = -2 ** 63 if code >= FLOAT else 0 if code == 0 else -2 ** BITS[code]
    most = 2 ** 63 - 1 if code >= FLOAT else 2 ** BITS[code] - 1
    if low < least or high - 1 > most:
        raise RuntimeError("random_(): numbers from %d to %d are outside of the type's range, %d to %d"
                           % (low, high - 1, least, most))


def dropout_mask(like, p, generator=None):
    check(like, "dropout_mask", generator)
    if not 0 <= p <= 1:
        raise RuntimeError("dropout_mask(): expected 0 <= p <= 1, got p=%g" % p)
    return fill(make_empty(code_of(like), like.size(), device_of(like)), "dropout", p, 1 / (1 - p) if p < 1 else 0)
