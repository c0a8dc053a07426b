"""Tools beside the network itself: feeding it with data."""
from . import data

__all__ = ["data"]
