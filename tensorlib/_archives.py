"""Readers of the checkpoint formats: v0.2's row of pickles, today's zip file, v0.1's tar file.

All three give an object whose storages are filled once each. A file is never believed: sizes are checked against
what is there before memory is taken. It knows nothing of places and of classes' sources; these come in as functions.
"""
import contextlib
import functools
import io
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib

import numpy

from ._names import ANYTHING, CLASSES, TENSORS, BFloat16Storage, BoolStorage, Refused, unpickler
from ._ops import storage as _storage
from ._utils import _rebuild_tensor

MAGIC_NUMBER = 0x1950a86a20f9469cfc6c
PROTOCOL_VERSION = 1001
COUNT = struct.Struct("<q")
CHUNK = 1 << 24
# What unpickling damaged bytes raises. A missing class (AttributeError, ImportError) is told as it is.
DAMAGE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, OverflowError, MemoryError,
          struct.error, zipfile.BadZipFile, zlib.error, tarfile.TarError)


def read(file, name, restore, check_source, pickle_module, weights_only):
    """Return the object in a file of any known format.

    Args:
        file: a binary file; one that cannot seek is read to its end first.
        name: what messages call it.
        restore: function (storage, place) that returns the storage in that place.
        check_source: function (class, file, source) that is told how each class of a module was saved.
        pickle_module, weights_only: see `serialization.load`.
    """
    if hasattr(file, "seekable") and not file.seekable():
        file = io.BytesIO(file.read())
    start = file.tell()
    head = file.read(512)
    file.seek(start)
    kind = (ZipReader if head.startswith(b"PK\3\4") else TarReader if head[257:262] == b"ustar" else StreamReader)
    if pickle_module is not pickle or weights_only is False:
        rule = ANYTHING
    else:
        rule = TENSORS if weights_only or kind is ZipReader else CLASSES
    reader = kind(file, name, restore, check_source, pickle_module, rule)
    with reader.telling_damage():
        return reader.read()


class Reader:
    """What the formats share: storages by key, persistent ids, and telling what is wrong with a file."""

    def __init__(self, file, name, restore, check_source, pickle_module, rule):
        self.file, self.name, self.restore, self.check_source = file, name, restore, check_source
        self.pickle_module, self.rule = pickle_module, rule
        self.storages = {}      # key -> storage, views of storages too
        self.error_of_restore = None

    @contextlib.contextmanager
    def telling_damage(self):
        try:
            yield
        except (Refused, RuntimeError):
            raise
        except (Exception if self.rule == TENSORS else DAMAGE) as error:
            if error is self.error_of_restore:
                raise
            raise self.damaged("%s: %s" % (type(error).__name__, error)) from error

    def placed(self, storage, location):
        """The storage where map_location wants it; its errors are the caller's, and tell nothing of the file."""
        try:
            return self.restore(storage, location)
        except Exception as error:
            self.error_of_restore = error
            raise

    def damaged(self, what):
        return RuntimeError("%s cannot be read: it is damaged or cut short (%s)" % (self.name, what))

    @functools.cached_property
    def length(self):
        """The bytes of the whole file: no storage in it can have more."""
        here = self.file.tell()
        end = self.file.seek(0, 2)
        self.file.seek(here)
        return end

    def unpickle(self, file):
        """Return what one pickle of the format's own holds: numbers, strings, names of types."""
        return unpickler(file, TENSORS, self.persistent_load).load()

    def unpickle_object(self, file):
        return unpickler(file, self.rule, self.persistent_load, self.pickle_module).load()

    def persistent_load(self, saved_id):
        if saved_id[0] == "module":
            self.check_source(*saved_id[1:])
            return saved_id[1]
        if saved_id[0] == "storage":
            return self.storage(*saved_id[1:])
        raise self.damaged("unknown persistent id %r" % (saved_id[0],))

    def view(self, root, key, offset, size):
        """Return the storage of a part of another one."""
        if key not in self.storages:
            if offset < 0 or size < 0 or offset + size > len(root):
                raise self.damaged("a storage of %d elements has no part of %d from %d on" % (len(root), size, offset))
            self.storages[key] = root[offset:offset + size]
        return self.storages[key]


class StreamReader(Reader):
    """Five pickles, then the bytes of the storages: v0.2, and PyTorch's legacy format until today."""

    def read(self):
        self.kinds = {}         # key -> the class that the file names
        self.check_header()
        result = self.unpickle_object(self.file)
        keys = self.unpickle(self.file)
        for key in keys:
            count, = COUNT.unpack(self.file.read(COUNT.size))
            if key not in self.kinds or count != len(self.storages[key]):
                raise self.damaged("storage %s has not the size it was said to have" % (key,))
            fill(self.storages[key], self.kinds[key], self.file)
        if len(keys) < len(self.kinds):
            raise self.damaged("the bytes of %d storages are missing" % (len(self.kinds) - len(keys)))
        return result

    def check_header(self):
        try:
            magic = self.unpickle(self.file)
        except Exception:
            magic = None
        if magic != MAGIC_NUMBER:
            raise RuntimeError("%s is not a file that save() wrote: it does not begin like one" % self.name)
        version = self.unpickle(self.file)
        if version != PROTOCOL_VERSION:
            raise RuntimeError("%s has version %r, expected %d" % (self.name, version, PROTOCOL_VERSION))
        check_byte_order(self.name, self.unpickle(self.file).get("little_endian", True))

    def storage(self, kind, key, location, size, view=None):
        if key not in self.storages:
            if not 0 <= size * itemsize(kind) <= self.length:
                raise self.damaged("a storage of %d elements is longer than the file" % size)
            self.storages[key] = self.placed(new_storage(kind, size), location)
            self.kinds[key] = kind
        return self.view(self.storages[key], *view) if view is not None else self.storages[key]


class ZipReader(Reader):
    """The zip file that PyTorch writes since 1.6: data.pkl, and one entry for each storage."""

    def read(self):
        self.zip = zipfile.ZipFile(self.file)
        pickles = [n for n in self.zip.namelist() if n.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise RuntimeError("%s is a zip file, but not a checkpoint: it has no data.pkl" % self.name)
        self.folder = pickles[0][:-len("data.pkl")]
        if self.folder + "constants.pkl" in self.zip.namelist():
            raise RuntimeError("%s is a TorchScript program, not a checkpoint: save the state_dict of its model"
                               % self.name)
        if self.folder + "byteorder" in self.zip.namelist():
            check_byte_order(self.name, self.zip.read(self.folder + "byteorder") == b"little")
        with self.zip.open(pickles[0]) as file:
            return self.unpickle_object(file)

    def storage(self, kind, key, location, size):
        if key not in self.storages:
            entry = self.zip.getinfo("%sdata/%s" % (self.folder, key))
            if entry.file_size != size * itemsize(kind):
                raise self.damaged("storage %s has %d bytes, expected %d elements of %d bytes"
                                   % (key, entry.file_size, size, itemsize(kind)))
            storage = new_storage(kind, size)
            with self.zip.open(entry) as file:
                fill(storage, kind, file)
            self.storages[key] = self.placed(storage, location)
        return self.storages[key]


class TarReader(Reader):
    """The tar file of v0.1: the members storages, tensors and pickle."""

    def read(self):
        self.tensors = {}
        with tarfile.open(fileobj=self.file, mode="r:") as tar:
            members = [tar.extractfile(name) for name in ("storages", "tensors", "pickle")]
            self.read_storages(members[0])
            self.read_tensors(members[1])
            return self.unpickle_object(members[2])

    def read_storages(self, file):
        for _ in range(self.unpickle(file)):
            key, location, kind = self.unpickle(file)
            count, = COUNT.unpack(file.read(COUNT.size))
            if not 0 <= count * itemsize(kind) <= self.length:
                raise self.damaged("a storage of %d elements is longer than the file" % count)
            storage = new_storage(kind, count)
            fill(storage, kind, file)
            self.storages[key] = self.placed(storage, location)
        for key, root, offset, size in self.unpickle(file):
            self.view(self.storages[root], key, offset, size)

    def read_tensors(self, file):
        for _ in range(self.unpickle(file)):
            key, storage, _ = self.unpickle(file)
            dims, = struct.unpack("<i4x", file.read(8))
            size = struct.unpack("<%dq" % dims, file.read(8 * dims))
            stride = struct.unpack("<%dq" % dims, file.read(8 * dims))
            offset, = COUNT.unpack(file.read(COUNT.size))
            self.tensors[key] = _rebuild_tensor(self.storages[storage], offset, size, stride)

    def persistent_load(self, saved_id):
        if isinstance(saved_id, tuple):
            self.check_source(*saved_id)
            return saved_id[0]
        key = int(saved_id)
        return self.tensors[key] if key in self.tensors else self.storages[key]


def check_byte_order(name, little):
    if little != (sys.byteorder == "little"):
        raise RuntimeError("%s was written on a machine of the other byte order" % name)


# ---- bytes of storages ---------------------------------------------------------------------------------

def itemsize(kind):
    """The bytes of one element in the file."""
    if kind in (BoolStorage, BFloat16Storage):
        return 1 if kind is BoolStorage else 2
    return new_storage(kind, 0).element_size()


def new_storage(kind, size):
    """Return an unset storage for elements that the file keeps as `kind`."""
    if kind is BoolStorage:
        kind = _storage.ByteStorage
    elif kind is BFloat16Storage:
        kind = _storage.FloatStorage
    if not (isinstance(kind, type) and issubclass(kind, _storage.Storage)):
        raise TypeError("%r is no class of storages" % (kind,))
    return kind(size)


def fill(storage, kind, file):
    """Set all elements of a storage from the file."""
    if getattr(storage, "is_cuda", False):
        on_cpu = new_storage(kind, len(storage))
        fill(on_cpu, kind, file)
        storage.copy_(on_cpu)
        return
    if kind is BFloat16Storage:     # the upper half of a float
        raw = bytearray(2 * len(storage))
        read_into(memoryview(raw), file)
        values = numpy.frombuffer(raw, numpy.uint16).astype(numpy.uint32) << 16
        memoryview(storage)[:] = values.tobytes()
    else:
        read_into(memoryview(storage), file)


def read_into(view, file):
    done = 0
    while done < len(view):
        part = file.read(min(CHUNK, len(view) - done))
        if not part:
            raise EOFError("%d bytes of a storage are missing" % (len(view) - done))
        view[done:done + len(part)] = part
        done += len(part)
