"""Positions out of range and other wrong values that a kernel finds: noted on the device, raised when the CPU next
waits for it. There is room for one note, the first.
"""
import struct

from .._ops.copying import fill_
from .._ops.tensor import make_empty
from . import driver, streams

LONG = 4
FORM = struct.Struct("<4q")         # code, value, least, first too large
notes = {}                          # device -> LongTensor of a note
pending = set()                     # devices on which a kernel with positions ran since the last look
RANGE = "index %(value)d is out of range, expected %(low)d <= index < %(high)d"
kinds = [None]                      # what a code stands for: operation, error, its text


def note_of(device):
    """Where kernels on a device leave their note."""
    if device not in notes:
        notes[device] = fill_(make_empty(LONG, (4,), device), 0)
    pending.add(device)
    return notes[device]


def code_of(name, error=IndexError, text=RANGE):
    """The number of an operation and what may be wrong, in a note."""
    kind = name, error, text
    if kind not in kinds:
        kinds.append(kind)
    return kinds.index(kind)


def check(device):
    """Raise what a kernel noted, if one did; the device has been waited for."""
    if device not in pending:
        return
    pending.discard(device)
    note = bytearray(FORM.size)
    driver.use(device).memcpy_dtoh(note, notes[device].data_ptr())
    code, value, low, high = FORM.unpack(note)
    if code:
        fill_(notes[device], 0)
        name, error, text = kinds[code]
        raise error("%s(): %s" % (name, text % dict(value=value, low=low, high=high)))


streams.after_waiting.append(check)
