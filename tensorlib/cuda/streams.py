"""Streams and events: queues of work on a GPU, and marks in them.

Each thread has a current stream for each device, the default one at first; whatever tensors do goes there.
"""
import ctypes
import threading

from . import driver


class Current(threading.local):
    """The current stream of each device on this thread."""

    def __init__(self):
        self.streams = {}


PRIORITY = 8                # CU_STREAM_ATTRIBUTE_PRIORITY
current = Current()
after_waiting = []          # called with the device that was waited for


def raw_stream(device):
    """PyCUDA's current stream of a device, None for the default one."""
    stream = current.streams.get(device)
    return None if stream is None else stream.raw


def handle_of(device):
    """The address of the current stream of a device, 0 for the default one."""
    stream = current.streams.get(device)
    return 0 if stream is None else stream.cuda_stream


class Stream:
    """A queue of work on a GPU, carried out in order.

    Args:
        device: the GPU; the current one if negative.
        priority: lower numbers go first; see `priority_range`, whose nearer end a number outside counts as.
    """

    def __init__(self, device=-1, priority=0, default=False):
        self.device = driver.current_device() if device < 0 else driver.check_device(device)
        api = driver.use(self.device)
        self.raw = None if default else api.Stream()
        self.cuda_stream = 0 if default else self.raw.handle
        self._priority = 0
        if priority and not default:
            self._set_priority(priority)

    def _set_priority(self, priority):
        """PyCUDA makes streams of priority 0 only. An older driver refuses to change it, and 0 it stays."""
        least, greatest = self.priority_range()
        priority = min(max(priority, greatest), least)
        value = (ctypes.c_int * 16)(priority)           # a union of 64 bytes
        change = getattr(driver.library(), "cuStreamSetAttribute", None)
        if change is not None and change(ctypes.c_void_p(self.cuda_stream), PRIORITY, value) == 0:
            self._priority = priority

    def wait_event(self, event):
        """Let later work on this stream wait for an event."""
        event.wait(self)

    def wait_stream(self, stream):
        """Let later work on this stream wait for all that is on another one now."""
        self.wait_event(stream.record_event())

    def record_event(self, event=None):
        """Mark this place of the stream in an event, a new one unless given; returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def query(self):
        """Tell whether all work is done."""
        driver.use(self.device)
        if self.raw is not None:
            return self.raw.is_done()
        return Event().recorded(self).query()

    def synchronize(self):
        """Wait until all work is done."""
        api = driver.use(self.device)
        if self.raw is not None:
            self.raw.synchronize()
        else:
            api.Context.synchronize()

    @staticmethod
    def priority_range():
        """Return the least and the greatest priority on the current GPU, of which the greatest is the lowest number."""
        driver.use(driver.current_device())
        least, greatest = ctypes.c_int(0), ctypes.c_int(0)
        driver.library().cuCtxGetStreamPriorityRange(ctypes.byref(least), ctypes.byref(greatest))
        return least.value, greatest.value

    @property
    def priority(self):
        """The priority that the driver was told."""
        return self._priority

    @property
    def _as_parameter_(self):
        return ctypes.c_void_p(self.cuda_stream)

    def __eq__(self, other):
        return isinstance(other, Stream) and (self.device, self.cuda_stream) == (other.device, other.cuda_stream)

    def __hash__(self):
        return hash((self.device, self.cuda_stream))

    def __repr__(self):
        return "<tensorlib.cuda.Stream device=%d cuda_stream=%#x>" % (self.device, self.cuda_stream)


class Event:
    """A mark in a stream.

    Args:
        enable_timing: whether `elapsed_time` can be asked.
        blocking: whether a thread that waits sleeps.
        interprocess: whether other processes may open it by `ipc_handle`.
    """

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, _handle=None):
        self.device = driver.current_device()
        api = driver.use(self.device)
        flags = (0 if enable_timing else api.event_flags.DISABLE_TIMING)
        flags |= api.event_flags.BLOCKING_SYNC if blocking else 0
        flags |= api.event_flags.INTERPROCESS if interprocess else 0
        self.raw = api.Event(flags) if _handle is None else api.Event.from_ipc_handle(_handle)
        self.interprocess = interprocess

    def record(self, stream=None):
        """Put the mark at the end of a stream, the current one unless given."""
        stream = current_stream() if stream is None else stream
        if stream.device != self.device:        # an event belongs to the device of its first stream
            self.device = stream.device
            api = driver.use(self.device)
            self.raw = api.Event(api.event_flags.DISABLE_TIMING)
        driver.use(self.device)
        self.raw.record(stream.raw)

    def recorded(self, stream):
        self.record(stream)
        return self

    def wait(self, stream=None):
        """Let later work on a stream, the current one unless given, wait for the mark."""
        stream = current_stream() if stream is None else stream
        driver.use(stream.device)
        if stream.raw is not None:
            stream.raw.wait_for_event(self.raw)
        else:                                   # PyCUDA has no such call for the default stream
            self.synchronize()

    def query(self):
        """Tell whether the work before the mark is done."""
        driver.use(self.device)
        return self.raw.query()

    def elapsed_time(self, end_event):
        """Return the milliseconds from this mark to another one."""
        driver.use(self.device)
        return self.raw.time_till(end_event.raw)

    def synchronize(self):
        """Wait for the work before the mark."""
        driver.use(self.device)
        self.raw.synchronize()

    def ipc_handle(self):
        """Return what another process opens the event by."""
        if not self.interprocess:
            raise RuntimeError("only an event made with interprocess=True has an ipc_handle")
        driver.use(self.device)
        return self.raw.ipc_handle()


def current_stream():
    """Return the current stream of the current device."""
    return stream_of(driver.current_device())


def stream_of(device):
    """The current stream of a device."""
    return current.streams.get(device) or Stream(device, default=True)


def wait_for(device):
    """Wait for the current stream of a device."""
    stream_of(device).synchronize()


class stream:
    """A context with another current stream, and its device as the current one; None changes nothing."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        if self.stream is not None:
            self.device = driver.set_current(self.stream.device)
            self.before = current.streams.get(self.stream.device)
            current.streams[self.stream.device] = self.stream

    def __exit__(self, *exception):
        if self.stream is not None:
            current.streams[self.stream.device] = self.before
            driver.set_current(self.device)
        return False


def synchronize(device=None):
    """Wait for all work on the current device, or another one."""
    device = driver.current_device() if device is None else driver.check_device(device)
    driver.use(device).Context.synchronize()
    for check in after_waiting:
        check(device)
