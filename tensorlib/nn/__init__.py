"""Neural networks: Module and Parameter, the layers, losses, initialisation and training tools."""
from . import functional, init, parallel, utils
from .module import Module
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Parameter
