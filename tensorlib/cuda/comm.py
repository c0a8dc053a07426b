"""Tensors between GPUs: copies to many, sums of many, parts to each, and back together."""
from .._ops.shape import moved
from .._ops.tensor import device_of
from ..ops.shape import cat_sequence
from . import driver
from . import streams as _streams

BUFFER = 10485760           # bytes


def broadcast(tensor, devices):
    """Return copies of a tensor, one on each GPU; on its own GPU the tensor itself.

    Args:
        tensor: on the GPU or the CPU.
        devices: numbers of GPUs; the first is the tensor's own where it is on a GPU.
    """
    devices = tuple(devices)
    if tensor.is_cuda and (not devices or tensor.get_device() != devices[0]):
        raise RuntimeError("broadcast(): the first of the devices has to be the tensor's own, GPU %d, but they are %s"
                           % (tensor.get_device(), devices))
    return tuple([moved(tensor, driver.check_device(device)) for device in devices])


def broadcast_coalesced(tensors, devices, buffer_size=BUFFER):
    """Return for each GPU copies of many tensors, which travel together in buffers.

    Args: the tensors, all on the first of the devices; numbers of GPUs; bytes of a buffer.
    Returns: a tuple of lists, one for each GPU.
    """
    devices, found = tuple(devices), [{} for _ in devices]
    for group in groups(tensors, buffer_size):
        flat = cat_sequence([tensors[i].contiguous().view(-1) for i in group], 0)
        for place, copy in zip(found, broadcast(flat, devices)):
            parts(copy, group, tensors, place)
    for i, t in enumerate(tensors):
        found[0][i] = t                 # those there are already on the first
    return tuple([[place[i] for i in range(len(tensors))] for place in found])


def groups(tensors, buffer_size):
    """Positions of tensors of one type that fit a buffer together."""
    open_groups, done = {}, []
    for i, t in enumerate(tensors):
        nbytes = t.numel() * t.element_size()
        group, size = open_groups.get(t.type(), ([], 0))
        if group and size + nbytes > buffer_size:
            done.append(group)
            group, size = [], 0
        group.append(i)
        open_groups[t.type()] = group, size + nbytes
    return done + [group for group, _ in open_groups.values()]


def parts(flat, group, tensors, place):
    """Cut a buffer up again."""
    start = 0
    for i in group:
        n = tensors[i].numel()
        place[i] = flat.narrow(0, start, n).view(tensors[i].size())
        start += n


def reduce_add(inputs, destination=None):
    """Return the sum of tensors on several GPUs, on one of them.

    Args: tensors of one size; the GPU of the sum, the current one unless given.
    """
    destination = driver.current_device() if destination is None else driver.check_device(destination)
    size = inputs[0].size()
    for t in inputs:
        if not t.is_cuda:
            raise RuntimeError("reduce_add(): expected all inputs on GPUs, but one is a %s" % t.type())
        if t.size() != size:
            raise ValueError("reduce_add(): input has a different size: expected %s, but got %s"
                             % (tuple(size), tuple(t.size())))
    here = [t for t in inputs if device_of(t) == destination]
    total = here[0].clone() if here else None
    for t in here[1:] + [t for t in inputs if device_of(t) != destination]:
        arrived = moved(t, destination)
        total = arrived if total is None else total.add_(arrived)
    return total


def reduce_add_coalesced(inputs, destination=None, buffer_size=BUFFER):
    """Return the sums of many tensors, which travel together in buffers.

    Args: for each GPU a list of tensors; the GPU of the sums, the current one unless given; bytes of a buffer.
    """
    inputs = [list(tensors) for tensors in inputs]
    found = {}
    for group in groups(inputs[0], buffer_size):
        flats = [cat_sequence([tensors[i].contiguous().view(-1) for i in group], 0) for tensors in inputs]
        parts(reduce_add(flats, destination), group, inputs[0], found)
    return tuple([found[i] for i in range(len(inputs[0]))])


def scatter(tensor, devices, chunk_sizes=None, dim=0, streams=None):
    """Return parts of a tensor along a dim, one on each GPU.

    Args:
        tensor: what is cut. devices: numbers of GPUs. chunk_sizes: sizes of the parts; equal ones unless given.
        dim: the dim that is cut. streams: for each GPU the stream that copies, or None.
    """
    devices = tuple(devices)
    if chunk_sizes is None:
        chunks = tensor.chunk(len(devices), dim)
    else:
        if sum(chunk_sizes) != tensor.size(dim):
            raise RuntimeError("scatter(): the chunk sizes %s do not add up to the size of dim %d, %d"
                               % (tuple(chunk_sizes), dim, tensor.size(dim)))
        starts = [sum(chunk_sizes[:i]) for i in range(len(chunk_sizes))]
        chunks = [tensor.narrow(dim, start, size) for start, size in zip(starts, chunk_sizes)]
    made = []
    for i, (chunk, device) in enumerate(zip(chunks, devices)):
        with _streams.stream(streams[i] if streams is not None else None):
            made.append(moved(chunk.contiguous(), driver.check_device(device)))
    return tuple(made)


def gather(tensors, dim=0, destination=None):
    """Return tensors of several GPUs joined along a dim, on one GPU.

    Args: the tensors; the dim; the GPU of the result, the current one unless given, -1 for the CPU.
    """
    destination = driver.current_device() if destination is None else destination
    for t in tensors:
        if not t.is_cuda:
            raise RuntimeError("gather(): expected all inputs on GPUs, but one is a %s" % t.type())
    return cat_sequence([moved(t, destination) for t in tensors], dim)
