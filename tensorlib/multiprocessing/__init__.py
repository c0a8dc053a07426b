"""The standard multiprocessing module, with tensors, storages and Variables that travel by shared memory.

Whatever is put in a queue or a pipe of this module arrives as a tensor on the same memory: what one process writes
the others see.
"""
import multiprocessing as _standard
from multiprocessing import *  # noqa: F403

from ..shared import get_all_sharing_strategies, get_sharing_strategy, set_sharing_strategy
from .reductions import register as _register

__all__ = _standard.__all__ + ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]

_register()
