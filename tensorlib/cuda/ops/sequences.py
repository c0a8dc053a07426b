"""Lists of numbers from GPU tensors, by way of the CPU: that is what is asked for."""
from ..._ops import sequences
from ..._ops.shape import moved


def to_list(t):
    """Return a nested list of Python numbers."""
    return sequences.to_list(moved(t, -1))
