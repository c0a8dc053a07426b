"""Libraries that could do the work instead. There is one name that code of the time sets: `backends.cudnn`."""
from . import cudnn

__all__ = ["cudnn"]
