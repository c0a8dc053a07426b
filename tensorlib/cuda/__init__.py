"""GPUs: which there are, which one is current, streams, events, seeds, and the types of tensors on them.

Nothing here is needed until a GPU is used; PyCUDA is imported then. Without one, `is_available()` is False,
`why_unavailable()` tells why, and everything that would need a GPU raises AssertionError.
"""
import importlib

from .._ops import storage as _storages
from .._ops.tensor import TensorBase, cuda_classes
from . import driver
from .driver import current_device, is_available, why_unavailable
from .streams import Event, Stream, current_stream, stream, synchronize

__all__ = ["ByteTensor", "CharTensor", "DoubleTensor", "Event", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
           "ShortTensor", "Stream", "current_blas_handle", "current_device", "current_stream", "device", "device_count",
           "device_of", "empty_cache", "get_rng_state", "initial_seed", "is_available", "manual_seed",
           "manual_seed_all", "max_memory_allocated", "memory_allocated", "memory_cached", "seed", "seed_all",
           "set_device", "set_rng_state", "stream", "synchronize", "why_unavailable"]

(ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, HalfTensor, FloatTensor, DoubleTensor) = cuda_classes()
(ByteStorage, CharStorage, ShortStorage, IntStorage, LongStorage, HalfStorage, FloatStorage, DoubleStorage) = (
    _storages.class_of(code, True) for code in range(8))
_LATE = ("comm", "nvtx", "nccl", "sparse")
_RANDOM = ("get_rng_state", "set_rng_state", "manual_seed", "manual_seed_all", "seed", "seed_all", "initial_seed")


def device_count():
    """Return the number of GPUs, 0 where none can be used."""
    return driver.Driver.count if is_available() else 0


def set_device(device):
    """Make a GPU the current one of this thread; a negative number changes nothing."""
    if device >= 0:
        driver.set_current(device)


class device:
    """A context with another current GPU; -1 changes nothing.

    Args:
        idx (int): the number of the GPU.
    """

    def __init__(self, idx):
        self.idx, self.before = idx, None

    def __enter__(self):
        if self.idx >= 0:
            self.before = driver.set_current(self.idx)

    def __exit__(self, *exception):
        if self.before is not None:
            driver.set_current(self.before)
        return False


class device_of(device):
    """A context with the GPU of a tensor, a storage or a Variable; for those on the CPU it changes nothing."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def current_blas_handle():
    """Return the handle of cuBLAS for the current GPU, where cuBLAS is used; else None."""
    driver.require()
    from . import blas
    return blas.current_handle()


def cudart():
    """Return CUDA's runtime library, through ctypes."""
    import ctypes
    driver.require()
    for name in ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "/usr/local/cuda/lib64/libcudart.so"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise RuntimeError("no CUDA runtime library was found (libcudart.so)")


# ---- memory -------------------------------------------------------------------------------------------------------

def _stats(device):
    from . import allocator
    return allocator.memory_stats(driver.current_device() if device is None else driver.check_device(device))


def memory_allocated(device=None):
    """Return the bytes in tensors on a GPU, the current one unless given."""
    return _stats(device)["allocated"]


def max_memory_allocated(device=None):
    """Return the most bytes that were in tensors on a GPU so far."""
    return _stats(device)["peak"]


def memory_cached(device=None):
    """Return the bytes that are kept for reuse on a GPU."""
    return _stats(device)["cached"]


def empty_cache():
    """Give the memory kept for reuse back to the driver."""
    from . import allocator
    driver.require()
    allocator.empty_cache()


def __getattr__(name):
    if name in _LATE:
        return importlib.import_module("." + name, __name__)
    if name in _RANDOM:
        return getattr(importlib.import_module(".random", __name__), name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__():
    return sorted(set(globals()) | set(_LATE) | set(_RANDOM))
