"""Storages in memory that other processes can map: an unnamed file (passed by descriptor) or one in /dev/shm (by name).

It knows storages only. How blocks travel between processes is told in `multiprocessing/`.
"""
import os
import resource
import weakref

from ._ops import storage as _storage

LARGE = 1 << 26         # from these bytes on, look first whether there is so much
SHARED = 2                                      # the flag of `_ops.storage`
STRATEGIES = frozenset(["file_descriptor", "file_system"])
FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") else os.environ.get("TMPDIR", "/tmp")

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


class Block(_storage.Mapping):
    """A mapped file without a name; `fd` stays open to be passed on."""

    name = None
    alive = 0               # of this process: each keeps a file open

    def __init__(self, fd, nbytes):
        self.fd = fd
        self.key = file_key(fd)
        Block.alive += 1

    def __del__(self, close=os.close):
        if hasattr(self, "key"):
            Block.alive -= 1
            close(self.fd)


class NamedBlock(_storage.Mapping):
    """A mapped file that is known by name, and keeps nothing open. The keeper knows of its users."""

    def __init__(self, fd, nbytes, name):
        self.name = name
        self.key = file_key(fd)
        keeper().leave_at_death(self, name)


def keeper():
    """The module that talks to the keeper of named files; most programs never need it."""
    from .multiprocessing import keeper
    return keeper


def file_key(fd):
    """What tells open files apart."""
    stat = os.fstat(fd)
    return stat.st_dev, stat.st_ino


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
    return os.path.join(FOLDER, "tensorlib_%d_%s_%d" % (os.getpid(), os.urandom(4).hex(), _made))


def new_block(nbytes):
    """Return a new block of nbytes > 0, of the kind the strategy says.

    Where many files are open by now it has a name anyway: a queue may hold more tensors than there may be open files.
    """
    if _strategy == "file_descriptor" and Block.alive < most_descriptors():
        fd = unnamed_file(nbytes)
        try:
            reserve(fd, nbytes)
            return mapped(Block, fd, nbytes)
        except BaseException:
            os.close(fd)
            raise
    name = _new_name()
    keeper().use(name)
    try:
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            reserve(fd, nbytes)
            return mapped(NamedBlock, fd, nbytes, name)
        finally:
            os.close(fd)
    except BaseException:
        keeper().leave(name, os.getpid())
        raise


def most_descriptors():
    """How many files blocks may keep open: a quarter of what the process may."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit // 4 if limit != resource.RLIM_INFINITY else 1 << 20


def mapped(cls, fd, nbytes, *args):
    """Return a block on an open file; a file that is too short would end the process when it is read."""
    room = os.fstat(fd).st_size
    if room < nbytes:
        raise ValueError("a file of %d bytes cannot be mapped for %d" % (room, nbytes))
    return cls(fd, nbytes, *args)


def reserve(fd, nbytes):
    """Make a file nbytes long and get its memory now, for writing to a mapping without memory ends the process.

    Raises:
        MemoryError: there is not so much.
    """
    # A file without a name may grow until the system kills processes to get memory back, so ask before.
    if nbytes >= LARGE and nbytes > available_memory():
        raise MemoryError("not enough shared memory for %d bytes: %d are available" % (nbytes, available_memory()))
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, nbytes)
        else:
            os.ftruncate(fd, nbytes)
    except OSError as error:
        raise MemoryError("not enough shared memory for %d bytes: %s" % (nbytes, error.strerror)) from error


def available_memory():
    """The bytes that can be had without killing a process, as Linux reckons them."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return sum(int(lines[key].split()[0]) for key in ("MemAvailable", "SwapFree")) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


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
    if self.is_cuda:
        return self
    if isinstance(_storage.owner_of(self), _storage.Storage):
        raise RuntimeError("a part of a storage cannot be moved to shared memory, only the whole one")
    if len(self):
        share(self)
    return self


def _new_shared(cls, size):
    """Return an uninitialised storage in shared memory."""
    return cls(size).share_memory_()


for _code in range(8):
    _storage.set_attribute(_storage.class_of(_code), "share_memory_", share_memory_)
    _storage.set_attribute(_storage.class_of(_code), "_new_shared", classmethod(_new_shared))
