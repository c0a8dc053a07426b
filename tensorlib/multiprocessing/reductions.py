"""How storages and tensors are pickled for another process: a storage is sent as a handle of its shared memory.

`channel.py` is the other way, for messages that are sent once and need no common memory.
"""
import os
from multiprocessing.reduction import ForkingPickler

from .. import shared
from .._ops import storage as _storage
from .._ops import making as _making
from .._ops import tensor as _tensor
from . import descriptors, keeper


def register():
    """Tell the pickler of multiprocessing about the types of storages and tensors."""
    for cls in _tensor.cpu_classes():
        ForkingPickler.register(cls, reduce_tensor)
    for code in range(len(_tensor.cpu_classes())):
        ForkingPickler.register(_storage.class_of(code), reduce_storage)


def reduce_tensor(tensor):
    """A tensor is its storage and the view on it."""
    if tensor.numel() == 0:
        return _tensor.make_empty, (_tensor.code_of(tensor),)
    return _making.make_view, (tensor.storage(), tensor.storage_offset(), tuple(tensor.size()), tensor.stride())


def reduce_storage(storage):
    """A storage goes as the handle of its block, to which it is moved first; a part of another one as that part."""
    whole = _storage.owner_of(storage)
    if isinstance(whole, _storage.Storage):
        width = len(memoryview(storage)) // max(len(storage), 1)
        offset = (_storage.address_of(storage) - _storage.address_of(whole)) // max(width, 1)
        return type(storage), (whole, offset, len(storage))
    if len(storage) == 0:
        return type(storage), ()
    block = shared.share(storage)
    code, size, nbytes = _storage.dtype_of(storage), len(storage), len(memoryview(storage))
    if block.name is None:
        return open_descriptor, (code, size, nbytes) + descriptors.offer(block)
    keeper.send(block.name)
    return open_name, (code, size, nbytes, block.name)


def open_descriptor(code, size, nbytes, address, key):
    """Return the storage of a block whose descriptor was offered."""
    fd = descriptors.fetch(address, key)
    known = shared.known_storage(fd, code)
    if known is not None:
        os.close(fd)
        return known
    try:
        return shared.storage_in(shared.mapped(shared.Block, fd, nbytes), code, size)
    except OSError:
        os.close(fd)
        raise


def open_name(code, size, nbytes, name):
    """Return the storage of a block whose name was sent."""
    try:
        fd = os.open(name, os.O_RDWR)
    except FileNotFoundError:
        raise RuntimeError("the shared memory %s is gone: the process that sent it has ended" % name) from None
    try:
        known = shared.known_storage(fd, code)
        if known is not None:
            keeper.drop(name)
            return known
        keeper.take(name)
        try:
            return shared.storage_in(shared.mapped(shared.NamedBlock, fd, nbytes, name), code, size)
        except OSError:
            keeper.leave(name, os.getpid())
            raise
    finally:
        os.close(fd)
