"""Positions that a kernel found out of range: noted on the device, raised when the CPU next waits for it."""
import struct

from .._ops.copying import fill_
from .._ops.tensor import make_empty
from . import driver, streams

LONG = 4
FORM = struct.Struct("<4q")         # code, value, least, first too large
notes = {}                          # device -> LongTensor of a note
pending = set()                     # devices on which a kernel with positions ran since the last look
names = [None]                      # what a code stands for


def note_of(device):
    """Where kernels on a device leave their note."""
    if device not in notes:
        notes[device] = fill_(make_empty(LONG, (4,), device), 0)
    pending.add(device)
    return notes[device]


def code_of(name):
    """The number of an operation in a note."""
    if name not in names:
        names.append(name)
    return names.index(name)


def check(device):
    """Raise IndexError if a kernel found a position out of range; the device has been waited for."""
    if device not in pending:
        return
    pending.discard(device)
    note = bytearray(FORM.size)
    driver.use(device).memcpy_dtoh(note, notes[device].data_ptr())
    code, value, low, high = FORM.unpack(note)
    if code:
        fill_(notes[device], 0)
        raise IndexError("%s(): index %d is out of range, expected %d <= index < %d" % (names[code], value, low, high))


streams.after_waiting.append(check)
