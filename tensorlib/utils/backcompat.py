"""Warnings where v0.2 differs from v0.1, for code of that time: `backcompat.broadcast_warning.enabled = True`."""
from .._ops.elementwise import set_broadcast_warning
from .._ops.signature import set_keepdim_warning


class Warning:
    """A warning that `enabled` turns on and off; it is off at first."""

    def __init__(self, switch):
        self._switch = switch
        self._enabled = False

    @property
    def enabled(self):
        return self._enabled

    @enabled.setter
    def enabled(self, on):
        self._switch(bool(on))
        self._enabled = bool(on)


broadcast_warning = Warning(set_broadcast_warning)
keepdim_warning = Warning(set_keepdim_warning)
