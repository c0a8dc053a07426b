"""tensorlib: a small, fast deep-learning framework with the classic interface of PyTorch v0.2.

Everything is made elsewhere; this file only gathers the public names. What a script may not need (`nn`, `optim`,
`vision`, files, ...) is imported when first used, so that the import itself is quick.
"""
import importlib as _importlib

from . import tensor as _tensor
from ._ops.dispatch import get_num_threads, set_num_threads
from ._ops.storage import empty_cache, memory_stats, set_cache_limit
from .ops import FUNCTIONS as _FUNCTIONS
from .storage import CLASSES as _STORAGES
from .tensor import *  # noqa: F403
from .version import __version__

from . import autograd, random, shared, sparse  # noqa: E402
from .autograd import Variable, enable_grad, no_grad  # noqa: E402
from .random import (Generator, default_generator, get_rng_state, initial_seed, manual_seed, rand, randn,  # noqa: E402
                     randperm, set_rng_state)

globals().update({cls.__name__: cls for cls in _STORAGES})
globals().update({name: public.function for name, public in _FUNCTIONS.items()})


def _set_defaults(cls):
    """Keep `Tensor` and `Storage` what set_default_tensor_type made them."""
    globals()["Tensor"], globals()["Storage"] = cls, cls.storage_type()


_tensor.Default.listeners.append(_set_defaults)
_LATE = {name: "." + name for name in ("backends", "cuda", "distributed", "multiprocessing", "nn", "optim",
                                       "serialization", "utils", "vision")}
_LATE_NAMES = {"einsum": ".ops.contract", "has_cudnn": ".backends.cudnn", "load": ".serialization",
               "save": ".serialization"}


def __getattr__(name):
    if name in _LATE:
        return _importlib.import_module(_LATE[name], __name__)
    if name in _LATE_NAMES:
        globals()[name] = value = getattr(_importlib.import_module(_LATE_NAMES[name], __name__), name)
        return value
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__():
    return sorted(set(globals()) | set(_LATE) | set(_LATE_NAMES))
