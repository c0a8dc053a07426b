"""Module under the path by which scripts of the time import it."""
from ..module import Module

__all__ = ["Module"]
