"""The CUDA driver through PyCUDA: whether it can be used, contexts, and which GPU a thread works on.

PyCUDA is imported when a GPU is first used. Each device has its primary context, which is pushed on a thread while
that thread works on the device, and popped before the thread ends: PyCUDA aborts the process otherwise.
"""
import atexit
import functools
import importlib.util
import os
import threading

NO_CUDA = "Torch not compiled with CUDA enabled"
IN_CHILD = ("CUDA was initialised before this process was forked, and cannot be used here: start processes with the "
            "method 'spawn', or fork before the first use of a GPU")


class Driver:
    """What this process knows of CUDA."""

    api = None              # pycuda.driver, once it is needed
    contexts = {}           # device -> its primary context, retained
    reason = ""             # why CUDA cannot be used, None if it can, "" if nobody asked yet
    count = 0               # devices
    forked = False          # whether a parent of this process had initialised CUDA
    closed = False          # at the end of the process
    lock = threading.Lock()
    at_exit = []            # called before the contexts go


class Thread(threading.local):
    """Which device this thread works on, and which context it has pushed."""

    current = 0
    pushed = None
    sentinel = None


thread = Thread()


class Sentinel:
    """Dies with its thread, and takes the thread's context off the stack. By then `thread` is empty already."""

    pushed = False

    def __del__(self):
        if self.pushed:
            Driver.api.Context.pop()


def probe():
    """Why CUDA cannot be used: a sentence, or None where it can."""
    import ctypes
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no CUDA driver was found (libcuda.so.1)"
    count = ctypes.c_int(0)
    try:
        status = library.cuInit(0)
        status = status or library.cuDeviceGetCount(ctypes.byref(count))
    except AttributeError:
        return "the library libcuda.so.1 is no CUDA driver"
    if status == 100 or status == 0 and count.value == 0:
        return "the CUDA driver finds no device"
    if status:
        return "the CUDA driver does not start (error %d)" % status
    if importlib.util.find_spec("pycuda") is None:
        return "PyCUDA is not installed: pip install 'tensorlib[cuda]'"
    Driver.count = count.value
    return None


def why_unavailable():
    """Say why no GPU can be used, None where one can."""
    if Driver.forked:
        return IN_CHILD
    if Driver.reason == "":
        Driver.reason = probe()
    return Driver.reason


def is_available():
    """Tell whether a GPU can be used."""
    return why_unavailable() is None


def require():
    """Return pycuda.driver. AssertionError where no GPU can be used, RuntimeError in a child of a process that did."""
    if Driver.api is not None and not Driver.forked:
        return Driver.api
    if Driver.forked:
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess: " + IN_CHILD)
    reason = why_unavailable()
    if reason is not None:
        raise AssertionError("%s: %s" % (NO_CUDA, reason))
    try:
        import pycuda.driver as api
    except ImportError as error:
        raise AssertionError("%s: PyCUDA does not load (%s)" % (NO_CUDA, error)) from error
    api.init()
    Driver.api = api
    return api


def check_device(device):
    """Raise where there is no such device."""
    if not isinstance(device, int) or isinstance(device, bool):
        raise TypeError("expected the number of a GPU, but got %s" % type(device).__name__)
    require()
    if not 0 <= device < Driver.count:
        raise RuntimeError("cuda runtime error (10) : invalid device ordinal: GPU %d of %d" % (device, Driver.count))
    return device


def context_of(device):
    """The primary context of a device."""
    context = Driver.contexts.get(device)
    if context is None:
        check_device(device)
        with Driver.lock:
            if device not in Driver.contexts:
                Driver.contexts[device] = Driver.api.Device(device).retain_primary_context()
            context = Driver.contexts[device]
    return context


def use(device):
    """Let this thread work on a device: calls of the driver go there until the next `use`."""
    if thread.pushed == device:
        return Driver.api
    context = context_of(device)
    leave()
    if thread.sentinel is None:
        thread.sentinel = Sentinel()
    context.push()
    thread.pushed, thread.sentinel.pushed = device, True
    return Driver.api


def leave():
    """Take this thread's context off the stack."""
    if thread.pushed is not None:
        thread.pushed, thread.sentinel.pushed = None, False
        Driver.api.Context.pop()


def current_device():
    """The device that new tensors of this thread lie on."""
    require()
    return thread.current


def set_current(device):
    """Make a device the current one of this thread; returns which one it was."""
    before, thread.current = thread.current, check_device(device)
    return before


@functools.cache
def library():
    """The driver's library through ctypes, for the calls that PyCUDA does not have; the context is that of `use`."""
    import ctypes
    return ctypes.CDLL("libcuda.so.1")


@functools.cache
def attribute(device, name):
    """A number the driver tells about a device, such as MULTIPROCESSOR_COUNT."""
    api = require()
    return api.Device(device).get_attribute(getattr(api.device_attribute, name))


@functools.cache
def capability(device):
    """The compute capability of a device, as (7, 5)."""
    return require().Device(device).compute_capability()


def close():
    """At the end of the process: give memory back, then the contexts."""
    if Driver.api is None or Driver.forked:
        return
    for function in Driver.at_exit:
        function()
    Driver.closed = True
    leave()
    for context in Driver.contexts.values():
        context.detach()
    Driver.contexts.clear()


def after_fork():
    """In a child: what the parent had of CUDA is of no use. Nothing of it may be freed, so it is kept for ever."""
    if Driver.reason is None:
        import ctypes
        Driver.forked = True
        thread.pushed = None
        if thread.sentinel is not None:
            thread.sentinel.pushed = False
        for context in Driver.contexts.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))


atexit.register(close)
os.register_at_fork(after_in_child=after_fork)
