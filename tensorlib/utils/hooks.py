"""Handles that take hooks away again, under their public name."""
from ..hooks import RemovableHandle

__all__ = ["RemovableHandle"]
