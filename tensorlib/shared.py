"""Storages in memory that other processes can map: an unnamed file (passed by descriptor) or one in /dev/shm (by name).

It knows storages only. How blocks travel between processes is told in `multiprocessing/`.
"""
import fcntl
import mmap
import os
import struct
import sys
import weakref

from ._ops import storage as _storage

SHARED = 2                                      # the flag of `_ops.storage`
STRATEGIES = frozenset(["file_descriptor", "file_system"])
FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") else os.environ.get("TMPDIR", "/tmp")
COUNT = struct.Struct("<q")
# Files by name carry a token, so that the process that drew it can remove at its end what killed children left.
TOKEN = os.urandom(4).hex()

_strategy = "file_descriptor"
_made = 0
# (device, inode, element type) -> storage: a block that arrives twice is one storage.
_storages = weakref.WeakValueDictionary()


def set_sharing_strategy(new_strategy):
    """Choose how storages travel: "file_descriptor" (nothing can be left behind) or "file_system" (no open files)."""
    global _strategy
    if new_strategy not in STRATEGIES:
        raise ValueError("unknown sharing strategy %r, expected one of %s"
                         % (new_strategy, ", ".join(sorted(STRATEGIES))))
    _strategy = new_strategy


def get_sharing_strategy():
    """Return how storages travel between processes."""
    return _strategy


def get_all_sharing_strategies():
    """Return the set of strategies."""
    return set(STRATEGIES)


class Block(mmap.mmap):
    """A mapped file without a name; `fd` stays open to be passed on."""

    name = None

    def __new__(cls, fd, nbytes):
        self = map_file(fd, nbytes, cls)
        self.fd = fd
        self.key = file_key(fd)
        return self

    def __del__(self, close=os.close):
        close(self.fd)


class NamedBlock(mmap.mmap):
    """A mapped file that is known by name, in whose last bytes its users are counted.

    Users are the processes that map it and the messages under way; the last one removes it.
    """

    def __new__(cls, fd, nbytes, name):
        from multiprocessing.util import Finalize
        position = count_position(nbytes)
        try:
            self = map_file(fd, position + COUNT.size, cls)
            self.name, self.position = name, position
            self.key = file_key(fd)
        finally:
            os.close(fd)
        # Runs when the block dies or the process ends, and not in a forked child, which is no user. At the end it
        # runs after the threads of queues (-5) have sent what they hold, or a message would lose its block.
        Finalize(self, change_count, (name, position, -1), exitpriority=-100)
        return self

    def count(self, change):
        """Change the number of users."""
        change_count(self.name, self.position, change)


def change_count(name, position, change):
    """Change the number of users of a named file; remove it when none is left."""
    try:
        fd = os.open(name, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        users = COUNT.unpack(os.pread(fd, COUNT.size, position))[0] + change
        os.pwrite(fd, COUNT.pack(users), position)
        if users <= 0:
            os.unlink(name)
    finally:
        os.close(fd)


def count_position(nbytes):
    """Where the count of users stands in a named file."""
    return (nbytes + COUNT.size - 1) // COUNT.size * COUNT.size


def file_key(fd):
    """What tells open files apart."""
    stat = os.fstat(fd)
    return stat.st_dev, stat.st_ino


def map_file(fd, nbytes, cls=mmap.mmap):
    """Map a file for reading and writing."""
    # From 3.13 on a mapping can do without an open file of its own.
    return mmap.mmap.__new__(cls, fd, nbytes, **({"trackfd": False} if sys.version_info >= (3, 13) else {}))


def unnamed_file(nbytes):
    """Return the descriptor of a new file of nbytes, not yet in memory, without a name: closing it removes it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("tensorlib_%d" % os.getpid(), os.MFD_CLOEXEC)
    else:
        name = _new_name()
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(name)
    os.ftruncate(fd, nbytes)
    return fd


def _new_name():
    global _made
    _made += 1
    return os.path.join(FOLDER, "tensorlib_%d_%s_%d" % (os.getpid(), TOKEN, _made))


def new_block(nbytes):
    """Return a new block of nbytes > 0, of the kind the strategy says."""
    if _strategy == "file_descriptor":
        fd = unnamed_file(nbytes)
        reserve(fd, nbytes)
        return Block(fd, nbytes)
    name = _new_name()
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        reserve(fd, count_position(nbytes) + COUNT.size)
    except MemoryError:
        os.unlink(name)
        raise
    block = NamedBlock(fd, nbytes, name)
    block.count(+1)
    return block


def reserve(fd, nbytes):
    """Make a file nbytes long and get its memory now, for writing to a mapping without memory ends the process.

    Raises:
        MemoryError: there is not so much; the file is closed.
    """
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, nbytes)
        else:
            os.ftruncate(fd, nbytes)
    except OSError as error:
        os.close(fd)
        raise MemoryError("not enough shared memory for %d bytes: %s" % (nbytes, error.strerror)) from error


def block_of(storage):
    """Return the block a storage lies in, or None."""
    owner = getattr(_storage.owner_of(storage), "obj", None)
    return owner if isinstance(owner, (Block, NamedBlock)) else None


def share(storage):
    """Move a storage to shared memory, in place, if it is not there; returns its block."""
    block = block_of(storage)
    if block is None:
        block = new_block(len(memoryview(storage)))
        _storage.move_to(storage, block, SHARED)
        _storages[block.key + (_storage.dtype_of(storage),)] = storage
    return block


def storage_in(block, dtype, size):
    """Return a new storage of an element type in a block."""
    storage = _storage.storage_from_buffer(dtype, block, 0, size, SHARED)
    _storages[block.key + (dtype,)] = storage
    return storage


def known_storage(fd, dtype):
    """Return the living storage of this process that lies in an open file, or None."""
    return _storages.get(file_key(fd) + (dtype,))


def share_memory_(self):
    """Move the storage to shared memory, in place; returns self. It cannot be resized any more."""
    if isinstance(_storage.owner_of(self), _storage.Storage):
        raise RuntimeError("a part of a storage cannot be moved to shared memory, only the whole one")
    if len(self):
        share(self)
    return self


def _new_shared(cls, size):
    """Return an uninitialised storage in shared memory."""
    return cls(size).share_memory_()


def remove_left_files():
    """Remove the named files that killed children of this process left."""
    for name in os.listdir(FOLDER):
        if name.startswith("tensorlib_") and name.split("_")[2:3] == [TOKEN]:
            try:
                os.unlink(os.path.join(FOLDER, name))
            except FileNotFoundError:
                pass


for _code in range(8):
    _storage.set_attribute(_storage.class_of(_code), "share_memory_", share_memory_)
    _storage.set_attribute(_storage.class_of(_code), "_new_shared", classmethod(_new_shared))
