"""Tools beside the network. Modules are loaded when first used: `hooks` serves layers that know nothing of data."""
import importlib as _importlib

_MODULES = ("backcompat", "data", "hooks", "model_zoo", "safetensors", "serialization", "trainer")


def __getattr__(name):
    if name in _MODULES:
        return _importlib.import_module("." + name, __name__)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__():
    return sorted(set(globals()) | set(_MODULES))
