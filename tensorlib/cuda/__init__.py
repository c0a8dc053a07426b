"""The GPU's side of the interface where there is no GPU support: it says so, plainly and at once.

The typed classes exist, for `isinstance`; everything that would need a device raises.
"""
from .._ops.tensor import cuda_classes

__all__ = ["ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
           "ShortTensor", "current_device", "device", "device_count", "device_of", "get_rng_state", "initial_seed",
           "is_available", "manual_seed", "manual_seed_all", "seed", "seed_all", "set_device", "set_rng_state",
           "synchronize", "why_unavailable"]

(ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, HalfTensor, FloatTensor, DoubleTensor) = cuda_classes()
REASON = "Torch not compiled with CUDA enabled"


def is_available():
    """Tell whether a GPU can be used."""
    return False


def why_unavailable():
    """Say why no GPU can be used."""
    return "this build of tensorlib has no GPU kernels"


def device_count():
    """Return the number of GPUs."""
    return 0


def unavailable(name, doc):
    """A function that needs a GPU."""
    def function(*args, **kwargs):
        raise AssertionError("%s: cuda.%s needs a GPU, and %s" % (REASON, name, why_unavailable()))
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc + " Raises AssertionError: there is no GPU."
    return function


current_device = unavailable("current_device", "Return the number of the current GPU.")
synchronize = unavailable("synchronize", "Wait for all work on the current GPU.")
manual_seed = unavailable("manual_seed", "Seed the generator of the current GPU.")
manual_seed_all = unavailable("manual_seed_all", "Seed the generators of all GPUs.")
seed = unavailable("seed", "Seed the current GPU's generator from the system.")
seed_all = unavailable("seed_all", "Seed the generators of all GPUs from the system.")
initial_seed = unavailable("initial_seed", "Return the seed of the current GPU's generator.")
get_rng_state = unavailable("get_rng_state", "Return the state of the current GPU's generator.")
set_rng_state = unavailable("set_rng_state", "Set the state of the current GPU's generator.")


def set_device(device):
    """Make a GPU the current one; a negative number changes nothing. Raises AssertionError: there is no GPU."""
    if device >= 0:
        current_device()


class device:
    """A context with another current GPU; -1 changes nothing. Entering raises AssertionError: there is no GPU."""

    def __init__(self, idx):
        self.idx = idx

    def __enter__(self):
        if self.idx >= 0:
            current_device()

    def __exit__(self, *exception):
        return False


class device_of(device):
    """A context with the GPU of a tensor; for CPU tensors it changes nothing."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if obj.is_cuda else -1)
