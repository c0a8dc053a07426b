"""What the layers below ask of GPUs: memory, copies, single elements, and the twins of their drivers.

`_ops` finds this module by name when the first GPU tensor is made; nothing below knows PyCUDA.
"""
import importlib
import struct

from .._ops import blocks
from .._ops import storage as storages
from .._ops.copying import make_contiguous
from .._ops.dispatch import DTYPE_NAMES
from .._ops.making import make_view
from .._ops.tensor import TensorBase, code_of, device_of, make_empty
from ..random import seed_followers
from . import allocator, driver, faults, random, streams, transpose
from .ops import elementwise
from .ops.elementwise import check_divisor, pointwise  # noqa: F401

FORMATS = ("B", "b", "h", "i", "q", "e", "f", "d")       # of the module struct, by element type
PINNED = 4
seed_followers.append(random.follow)
transfers = {"to the GPU": 0, "to the CPU": 0, "between GPUs": 0}       # how many were made


def current_device():
    """The device that new tensors lie on."""
    return driver.current_device()


def allocate(device, nbytes):
    """Memory on a device, for work on its current stream; it comes back when the result dies."""
    driver.check_device(device)
    return allocator.take(device, nbytes, streams.handle_of(device))


def record_stream(t, stream):
    """Keep the memory of a tensor, once it is dead, until the work is done that a stream has by then."""
    owner = storages.owner_of(t.storage())
    while isinstance(owner, storages.Storage):          # of a part of another storage
        owner = storages.owner_of(owner)
    if owner is not None:
        owner.record_stream(stream)


# ---- copies -------------------------------------------------------------------------------------------------------

def copy_bytes(device, to, source, nbytes):
    """Copy within a device."""
    api = driver.use(device)
    stream = streams.raw_stream(device)
    if stream is None:
        api.memcpy_dtod(to, source, nbytes)
    else:
        api.memcpy_dtod_async(to, source, nbytes, stream)


def copy_elements(dst, src):
    """Copy between tensors of one size on one device, casting."""
    if code_of(dst) != code_of(src) or not transpose.copy(dst, src):
        elementwise.cast(code_of(dst), code_of(src), device_of(dst), blocks.of(dst, src))


def fill(t, value):
    """Set every element."""
    code = code_of(t)
    elementwise.cast(code, code, device_of(t), blocks.of(t, (code, value)))


def copy_across(dst, src, non_blocking=False):
    """Copy between devices, or between one and the CPU; dense and in one type over the bus, casts on the GPU."""
    if dst.numel() != src.numel():
        raise RuntimeError("inconsistent tensor size, expected tensor [%s] and src [%s] to have the same number of "
                           "elements, but got %d and %d elements respectively"
                           % (size_text(dst), size_text(src), dst.numel(), src.numel()))
    if dst.numel() == 0:
        return
    if not dst.is_contiguous() or code_of(dst) != code_of(src):
        # A cast happens on the GPU, whichever side that is.
        code = code_of(dst) if device_of(src) >= 0 else code_of(src)
        landed = make_empty(code, src.size(), device_of(dst))
        if code_of(src) != code:
            wide = make_empty(code, src.size(), device_of(src))
            wide.copy_(src)
            src = wide
        copy_across(landed, src, non_blocking)
        dst.copy_(landed.view(dst.size()))
        return
    move(dst, make_contiguous(src), non_blocking)


def size_text(t):
    return " x ".join([str(n) for n in t.size()])


def move(dst, src, non_blocking):
    """Copy the bytes of dense tensors of one type."""
    to, source = device_of(dst), device_of(src)
    nbytes = dst.numel() * dst.element_size()
    if to >= 0 and source >= 0:
        between(dst.data_ptr(), to, src.data_ptr(), source, nbytes)
        return
    device = max(to, source)
    api, stream = driver.use(device), streams.raw_stream(device)
    host = bytes_of(dst if to < 0 else src)
    pinned = storages.flags_of((dst if to < 0 else src).storage()) & PINNED
    if to >= 0:
        transfers["to the GPU"] += 1
        if stream is None and not pinned:
            api.memcpy_htod(dst.data_ptr(), host)
            return
        api.memcpy_htod_async(dst.data_ptr(), host, stream)
    else:
        transfers["to the CPU"] += 1
        if stream is None and not pinned:
            api.memcpy_dtoh(host, src.data_ptr())
            faults.check(device)
            return
        api.memcpy_dtoh_async(host, src.data_ptr(), stream)
    if pinned and non_blocking:
        keep_until_done(device, src, dst)
    else:
        streams.wait_for(device)
        faults.check(device)


def bytes_of(t):
    """The memory of a dense CPU tensor."""
    item = t.element_size()
    return memoryview(t.storage())[t.storage_offset() * item:(t.storage_offset() + t.numel()) * item]


def between(to, to_device, source, device, nbytes):
    """Copy from one device to another: after all work on both, as streams of two devices know nothing of each other."""
    transfers["between GPUs"] += 1
    streams.wait_for(to_device)
    streams.wait_for(device)
    api = driver.use(to_device)
    api.memcpy_peer(to, source, nbytes, driver.context_of(to_device), driver.context_of(device))


pending = []            # (event, tensors) of transfers that may still run


def keep_until_done(device, *tensors):
    """Keep the tensors of a transfer alive until it is done."""
    event = streams.Event()
    event.record(streams.stream_of(device))
    pending[:] = [entry for entry in pending if not entry[0].query()]
    pending.append((event, tensors))


def item(t, position):
    """The number at an absolute position of a tensor's storage."""
    code, device = code_of(t), device_of(t)
    buffer = bytearray(t.element_size())
    address = storages.address_of(t.storage()) + position * len(buffer)
    api, stream = driver.use(device), streams.raw_stream(device)
    transfers["to the CPU"] += 1
    if stream is None:
        api.memcpy_dtoh(buffer, address)
    else:
        api.memcpy_dtoh_async(buffer, address, stream)
        streams.wait_for(device)
    faults.check(device)
    return struct.unpack(FORMATS[code], buffer)[0]


# ---- drivers ------------------------------------------------------------------------------------------------------

def call(module, name, arguments, keywords):
    """Call the twin of the driver `module.name` on GPU tensors."""
    check_devices(name, list(arguments) + list(keywords.values()))
    try:
        twin = getattr(importlib.import_module("%s.ops.%s" % (__package__, module)), name)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and not error.name.startswith(__package__):
            raise
        raise NotImplementedError("%s has no CUDA kernel" % name) from None
    return twin(*arguments, **keywords)


def check_devices(name, arguments):
    """All tensors have to be on one device."""
    first = None
    for t in flat(arguments):
        first = t if first is None else first
        if device_of(t) != device_of(first):
            raise RuntimeError("%s(): arguments are on different devices: %s and %s"
                               % (name, described(first), described(t)))


def flat(arguments):
    for a in arguments:
        if isinstance(a, TensorBase):
            yield a
        elif isinstance(a, (tuple, list)):
            yield from flat(a)


def described(t):
    place = "tensorlib.%sTensor" if device_of(t) < 0 else "tensorlib.cuda.%%sTensor (GPU %d)" % device_of(t)
    return place % DTYPE_NAMES[code_of(t)]


# ---- page-locked memory -------------------------------------------------------------------------------------------

def pin(storage):
    """A copy of a CPU storage in page-locked memory."""
    api = driver.use(driver.current_device())
    code, n = storages.dtype_of(storage), len(storage)
    made = storages.storage_from_buffer(code, api.pagelocked_empty(max(1, n) * item_size(code), "uint8"), 0, n, PINNED)
    if n:
        make_view(made, 0, (n,)).copy_(make_view(storage, 0, (n,)))
    return made


def item_size(code):
    return struct.calcsize(FORMATS[code])
