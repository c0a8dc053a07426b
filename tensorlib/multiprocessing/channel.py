"""A two-way pipe between two processes, for messages that carry tensors: copied once, never through the pipe.

All memory of a message goes into one unnamed file, whose descriptor is passed; so nothing can be left behind, even if
either side is killed. What is small goes through the pipe itself, and what goes through the pipe is always small.
"""
import io
import os
import pickle
import socket
import struct
import weakref
from multiprocessing.reduction import ForkingPickler

from .. import shared
from .._ops import copying as _copying
from .._ops import storage as _storage
from .._ops import making as _making
from .._ops import tensor as _tensor

INLINE = 8192           # a message up to this size goes through the pipe
OWN_BUFFER = 4096       # memory of at least this size stays out of the pickle
ALIGNMENT = 64
HEADER = struct.Struct("<4Q")       # bytes in the pipe; in the file: all bytes, position of the pickle, parts
PART = struct.Struct("<2Q")         # position and bytes
# The system limits the mappings of a process: beyond this number a message is copied to private memory.
MOST_MAPPINGS = 16384

_mappings = weakref.WeakSet()


class Channel:
    """One end of the pipe. `Channel.pair()` makes both; a send never blocks while few messages are unread."""

    def __init__(self, sock):
        self.sock = sock

    @classmethod
    def pair(cls):
        """Return the two ends of a new pipe."""
        a, b = socket.socketpair()
        return cls(a), cls(b)

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        """Close this end; the other one will read EOFError after what was sent."""
        self.sock.close()

    def send(self, message):
        """Send a picklable object.

        Raises:
            OSError: the other end is closed, or there is no memory left to share.
        """
        stream, parts = io.BytesIO(), []
        _Pickler(stream, parts).dump(message)
        text = stream.getbuffer()
        if not parts and len(text) <= INLINE:
            self.sock.sendall(HEADER.pack(len(text), 0, 0, 0) + text)
            return
        fd, header = _write_file(text, parts)
        try:
            socket.send_fds(self.sock, [header], [fd])
        finally:
            os.close(fd)

    def recv(self):
        """Wait for an object.

        Raises:
            EOFError: the other end is closed, or its process has ended.
        """
        header, fds, _, _ = socket.recv_fds(self.sock, HEADER.size, 1)
        header += self._read(HEADER.size - len(header))
        inline, nbytes, position, count = HEADER.unpack(header)
        if not nbytes:
            return pickle.loads(self._read(inline))
        if not fds:
            raise OSError("a batch could not be received: too many open files")
        memory = memoryview(_map(fds[0], nbytes))
        table = [PART.unpack_from(memory, i * PART.size) for i in range(count)]
        parts = [memory[start:start + size] for start, size in table]
        if len(_mappings) > MOST_MAPPINGS:
            parts = [bytearray(part) for part in parts]
        return pickle.loads(memory[position:], buffers=parts)

    def _read(self, size):
        """Exactly size bytes."""
        data = bytearray()
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError("the other end of the channel is closed")
            data += piece
        return bytes(data)


class _Mapping(_storage.Mapping):
    """The memory of a message, which may be counted."""


def _map(fd, nbytes):
    try:
        mapping = shared.mapped(_Mapping, fd, nbytes)
    finally:
        os.close(fd)
    _mappings.add(mapping)
    return mapping


def _aligned(position):
    return (position + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _write_file(text, parts):
    """Write a table, the parts and the pickle to an unnamed file; returns its descriptor and the header."""
    table, position = bytearray(), PART.size * len(parts)
    for part in parts:
        position = _aligned(position)
        table += PART.pack(position, part.nbytes)
        position += part.nbytes
    nbytes = position + len(text)
    fd = shared.unnamed_file(nbytes)
    try:
        _write(fd, table, 0)
        for i, part in enumerate(parts):
            _write(fd, part, PART.unpack_from(table, i * PART.size)[0])
        _write(fd, text, position)
    except BaseException:
        os.close(fd)
        raise
    return fd, HEADER.pack(0, nbytes, position, len(parts))


def _write(fd, data, position):
    data = memoryview(data)
    while data.nbytes:
        written = os.pwrite(fd, data, position)
        data, position = data[written:], position + written


class _Pickler(ForkingPickler):
    """Keeps large memory out of the pickle, in `parts`."""

    def __init__(self, file, parts):
        def stays_inside(buffer):
            memory = buffer.raw()
            if memory.nbytes < OWN_BUFFER:
                return True
            parts.append(memory)
            return False
        pickle.Pickler.__init__(self, file, 5, buffer_callback=stays_inside)
        self.dispatch_table = ForkingPickler(io.BytesIO()).dispatch_table

    def reducer_override(self, obj):
        if isinstance(obj, _tensor.TensorBase):
            return _reduce_tensor(obj)
        if isinstance(obj, _storage.Storage):
            return _rebuild_storage, (_storage.dtype_of(obj), pickle.PickleBuffer(obj))
        return NotImplemented


def _reduce_tensor(tensor):
    if tensor.is_cuda:
        raise TypeError("%s cannot be sent to another process, only CPU tensors can" % tensor.type())
    if tensor.numel() == 0:
        return _tensor.make_empty, (_tensor.code_of(tensor),)
    if 2 * tensor.numel() < len(tensor.storage()):
        tensor = _copying.dense_copy(tensor)         # a small view need not carry all that it looks at
    return _making.make_view, (tensor.storage(), tensor.storage_offset(), tuple(tensor.size()), tensor.stride())


def _rebuild_storage(code, buffer):
    return _storage.storage_from_buffer(code, buffer, 0, -1, shared.SHARED)
