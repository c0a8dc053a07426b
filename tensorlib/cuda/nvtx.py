"""Marks for NVIDIA's profilers, where their library is there; else nothing happens."""
import ctypes

_found = []


def _library():
    if not _found:
        for name in ("libnvToolsExt.so.1", "libnvToolsExt.so"):
            try:
                _found.append(ctypes.CDLL(name))
                break
            except OSError:
                continue
        else:
            _found.append(None)
    return _found[0]


def _call(name, *arguments):
    library = _library()
    return -1 if library is None else getattr(library, name)(*arguments)


def range_push(msg):
    """Begin a range; returns its depth, -1 where there is no profiler's library."""
    return _call("nvtxRangePushA", msg.encode())


def range_pop():
    """End the innermost range; returns its depth, -1 where there is no profiler's library."""
    return _call("nvtxRangePop")


def mark(msg):
    """Mark a moment."""
    _call("nvtxMarkA", msg.encode())
