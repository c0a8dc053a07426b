"""Launches: which grid, which arguments, which stream.

A kernel's formats are those of the module `struct`, whose natural alignment is that of kernel parameters in C. Tensors
among the arguments stand for the addresses of their first elements.
"""
from .._ops.dispatch import DTYPE_NAMES
from .._ops.tensor import TensorBase
from . import driver, streams

NAMES = tuple(name.lower() for name in DTYPE_NAMES)     # as kernels are named: add_float
THREADS = 256
WAVES = 8           # blocks for each multiprocessor; kernels go on in strides of the grid


def grid_for(device, n, each=THREADS):
    """How many blocks for n items, `each` of them to a block."""
    return max(1, min(-(-n // each), WAVES * driver.attribute(device, "MULTIPROCESSOR_COUNT") * 4))


def launch(program, kernel, device, formats, grid, threads, *arguments):
    """Queue a kernel on the current stream of a device.

    Args:
        program, kernel: the Program and the name of a function in it.
        formats: of the arguments, such as "PPq"; the same for every call of the kernel.
        grid, threads: how many blocks (an int, or a tuple of up to three), how many threads in each (likewise).
    """
    function = program.function(kernel, formats, device)
    driver.use(device)
    values = [a.data_ptr() if isinstance(a, TensorBase) else a for a in arguments]
    function.prepared_async_call(three(grid), three(threads), streams.raw_stream(device), *values)


def three(sizes):
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    return sizes + (1,) * (3 - len(sizes))
