"""The random generator's seed and state, and random tensors of the default type. Fills are methods: see ops.random."""
from ._ops.making import blank
from ._ops.random import Generator, default_generator, normal_, uniform_
from .ops.random import randperm

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "rand", "randn",
           "randperm", "seed", "set_rng_state"]

seed_followers = []         # called with each seed that `manual_seed` gets: the generators of other devices


def manual_seed(seed):
    """Start the random numbers that belong to a seed, on the CPU and on all GPUs.

    Equal seeds give the numbers that PyTorch's CPU generator gives, whatever is drawn and in whatever order.

    Args:
        seed: an int from -2**63 to 2**64 - 1; only its low 32 bits matter on the CPU.

    Returns:
        The default generator.

    Example:
        >>> tensorlib.manual_seed(1).initial_seed()
        1
    """
    default_generator.manual_seed(seed)
    for follow in seed_followers:
        follow(seed)
    return default_generator


def seed():
    """Start from a seed that the system provides, on the CPU and on all GPUs; return the seed."""
    value = default_generator.seed()
    for follow in seed_followers:
        follow(value)
    return value


def initial_seed():
    """Return the seed that the default generator started from, an int."""
    return default_generator.initial_seed()


def get_rng_state():
    """Return the state of the default generator, a ByteTensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Go on from a state that `get_rng_state` returned.

    Example:
        >>> state = tensorlib.get_rng_state()
        >>> first = tensorlib.rand(3)
        >>> tensorlib.set_rng_state(state)
        >>> first.equal(tensorlib.rand(3))
        True
    """
    default_generator.set_state(new_state)


def rand(*sizes, size=None, generator=None, out=None):
    """Return a tensor of the default type, or `out`, filled with samples of [0, 1).

    Example:
        >>> tensorlib.manual_seed(1) is tensorlib.default_generator
        True
        >>> "%.4f" % tensorlib.rand(2, 3)[0, 0]
        '0.7576'
    """
    return uniform_(blank(sizes, size, out), 0, 1, generator)


def randn(*sizes, size=None, generator=None, out=None):
    """Return a tensor of the default type, or `out`, filled with samples of mean 0 and deviation 1.

    Example:
        >>> tensorlib.manual_seed(1) is tensorlib.default_generator
        True
        >>> "%.4f" % tensorlib.randn(2, 3)[0, 0]
        '0.6614'
    """
    return normal_(blank(sizes, size, out), 0, 1, generator)
