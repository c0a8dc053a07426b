"""Neural networks: Module and Parameter, the layers, losses, initialisation and training tools."""
from . import functional, init, parallel, utils
from .module import Module
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Parameter


def __getattr__(name):
    """`nn.optim`, where code of the time looks for the optimizers too; found by name, as nn knows nothing of them."""
    if name == "optim":
        import importlib
        return importlib.import_module(__name__.partition(".")[0] + ".optim")
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
