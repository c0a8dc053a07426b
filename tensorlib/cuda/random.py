"""The generators of GPUs: a seed and an offset for each device. Equal seeds give equal numbers on every device.

Kernels draw from Philox, a function of (seed, position): a fill takes the next positions, whatever the grid.
"""
import os
import struct

from .._ops.random import default_generator
from .._ops.storage import storage_from_buffer
from .._ops.making import make_view
from . import driver

STATE = struct.Struct("<QQ")        # seed, offset


class Generator:
    """What a device draws from next."""

    def __init__(self, seed=0):
        self.seed, self.offset = seed, 0

    def take(self, count):
        """(seed, first position) of count draws, four numbers each."""
        first, self.offset = self.offset, self.offset + count
        return self.seed, first


generators = {}                     # device -> Generator
first_seed = [default_generator.initial_seed() % (1 << 64)]         # of devices that were not used yet


def generator_of(device):
    """The generator of a device."""
    if device not in generators:
        generators[device] = Generator(first_seed[0])
    return generators[device]


def wrapped(seed):
    return int(seed) % (1 << 64)


def manual_seed(seed):
    """Start the numbers of a seed on the current GPU."""
    generators[driver.current_device()] = Generator(wrapped(seed))


def manual_seed_all(seed):
    """Start the numbers of a seed on all GPUs."""
    driver.require()
    follow(seed)


def follow(seed):
    """Take over the seed of the CPU's generator, for GPUs that are used already and for later ones."""
    first_seed[0] = wrapped(seed)
    generators.clear()


def seed():
    """Start the current GPU's numbers from a seed of the system."""
    manual_seed(int.from_bytes(os.urandom(8), "little"))


def seed_all():
    """Start the numbers of all GPUs from one seed of the system."""
    manual_seed_all(int.from_bytes(os.urandom(8), "little"))


def initial_seed():
    """Return the seed that the current GPU's generator started from."""
    return generator_of(driver.current_device()).seed


def get_rng_state():
    """Return the state of the current GPU's generator, a ByteTensor on the CPU."""
    generator = generator_of(driver.current_device())
    state = bytearray(STATE.pack(generator.seed, generator.offset))
    return make_view(storage_from_buffer(0, state), 0, (len(state),)).clone()


def set_rng_state(new_state):
    """Go on from a state that `get_rng_state` returned."""
    device = driver.current_device()
    if new_state.type() != "tensorlib.ByteTensor" or new_state.numel() != STATE.size:
        raise RuntimeError("expected a state of a GPU generator, a ByteTensor of %d elements, but got a %s of %d"
                           % (STATE.size, new_state.type(), new_state.numel()))
    generator = Generator()
    generator.seed, generator.offset = STATE.unpack(bytes(new_state.tolist()))
    generators[device] = generator
