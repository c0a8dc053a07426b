"""The caching allocator of GPU memory: blocks of dead storages serve the next ones of the same device and stream.

Work on a stream runs in order, so a block may be handed out again on its stream while earlier work still uses it. Where
other streams used it too (`record_stream`), it waits for the work that they had when it came back.
Memory comes from the driver in segments, which are cut into blocks of multiples of 512 bytes; free neighbours merge.
"""
import bisect
import collections
import os
import threading

from . import driver, streams

UNIT = 512                  # bytes; every block is a multiple
SMALL = 1 << 20             # up to this a block comes from a segment of small ones
SMALL_SEGMENT = 2 << 20
LARGE_SEGMENT = 20 << 20    # for blocks of less than half of it
GRAIN = 2 << 20             # larger segments are multiples


class Block:
    """A part of a segment; neighbours are linked."""

    __slots__ = ("address", "nbytes", "pool", "segment", "before", "after", "free")

    def __init__(self, address, nbytes, pool, segment):
        self.address, self.nbytes, self.pool, self.segment = address, nbytes, pool, segment
        self.before = self.after = None
        self.free = False


class Memory:
    """A block in use: the owner of a storage's memory, which comes back when this dies."""

    __slots__ = ("address", "nbytes", "block", "users")

    def __init__(self, block):
        self.address, self.nbytes, self.block = block.address, block.nbytes, block
        self.users = ()                         # other streams that use it

    def record_stream(self, stream):
        """Note that a stream uses the memory; one that it was taken for need not be noted."""
        if stream.cuda_stream != self.block.pool.stream or stream.device != self.block.pool.device:
            self.users = tuple(set(self.users) | {stream})

    def __del__(self):
        give(self.block, self.users)


class Pool:
    """Free blocks of a device and a stream, small and large ones apart."""

    def __init__(self, device, stream):
        self.device, self.stream = device, stream
        self.small, self.large = [], []         # sorted (bytes, address, block)

    def list_of(self, segment_bytes):
        return self.small if segment_bytes == SMALL_SEGMENT else self.large


class Counts:
    """Bytes of a device: handed out now, at most so far, and taken from the driver."""

    def __init__(self):
        self.allocated = self.peak = self.reserved = 0


enabled = os.environ.get("TENSORLIB_CUDA_CACHE", "1") != "0"
pools = {}                                      # (device, stream handle) -> Pool
counts = collections.defaultdict(Counts)        # device -> Counts
segments = {}                                   # address -> what PyCUDA gave, its size, its pool
returned = collections.deque()                  # (block, other streams) that came back while someone held the lock
waiting = []                                    # (block, marks in other streams)
lock = threading.Lock()


def set_cache(on):
    """Turn the cache on or off; off, each block is taken from and given to the driver. Returns what it was."""
    global enabled
    before, enabled = enabled, on
    if not on:
        empty_cache()
    return before


def take(device, nbytes, stream):
    """Memory of at least nbytes on a device, for work on a stream (its handle)."""
    size = max(1, -(-nbytes // UNIT)) * UNIT
    with lock:
        drain()
        key = device, stream
        if key not in pools:
            pools[key] = Pool(device, stream)
        block = enabled and find(pools[key], size) or grow(pools[key], size, nbytes)
        block.free = False
        count = counts[device]
        count.allocated += block.nbytes
        count.peak = max(count.peak, count.allocated)
    return Memory(block)


def give(block, users=()):
    """Take a block back; may be called at any time, by any thread, even in the middle of `take`."""
    returned.append((block, users))
    if not driver.Driver.closed and not driver.Driver.forked and lock.acquire(blocking=False):
        try:
            drain()
        finally:
            lock.release()


def drain():
    before = driver.thread.pushed       # a block may die in the middle of work on another device
    for entry in list(waiting):
        if all(mark.query() for mark in entry[1]):
            waiting.remove(entry)
            free(entry[0])
    while returned:
        block, users = returned.popleft()
        counts[block.pool.device].allocated -= block.nbytes
        if users:
            waiting.append((block, [streams.Event().recorded(stream) for stream in users]))
        else:
            free(block)
    if before is not None:
        driver.use(before)


def free(block):
    """Let a block be handed out again, or go back to the driver."""
    if enabled or block.nbytes < segments[block.segment][1]:
        put(block)
    else:
        release(block)


def find(pool, size):
    """The smallest free block that is large enough, cut to size."""
    blocks = pool.small if size <= SMALL else pool.large
    at = bisect.bisect_left(blocks, (size,))
    if at == len(blocks):
        return None
    block = blocks.pop(at)[2]
    rest = block.nbytes - size
    if rest >= (UNIT if size <= SMALL else SMALL + UNIT):
        cut = Block(block.address + size, rest, pool, block.segment)
        cut.before, cut.after, block.after = block, block.after, cut
        if cut.after is not None:
            cut.after.before = cut
        block.nbytes = size
        insert(cut)
    return block


def insert(block):
    block.free = True
    entry = block.nbytes, block.address, block
    bisect.insort(block.pool.list_of(segments[block.segment][1]), entry)


def remove(block):
    blocks = block.pool.list_of(segments[block.segment][1])
    del blocks[bisect.bisect_left(blocks, (block.nbytes, block.address))]


def put(block):
    """Put a block among the free ones, merged with free neighbours."""
    before, after = block.before, block.after
    if after is not None and after.free:
        remove(after)
        block.nbytes += after.nbytes
        block.after = after.after
        if block.after is not None:
            block.after.before = block
    if before is not None and before.free:
        remove(before)
        before.nbytes += block.nbytes
        before.after = block.after
        if before.after is not None:
            before.after.before = before
        block = before
    insert(block)


def grow(pool, size, nbytes):
    """A block out of a new segment."""
    if not enabled:
        room = size
    elif size <= SMALL:
        room = SMALL_SEGMENT
    else:
        room = LARGE_SEGMENT if size < LARGE_SEGMENT // 2 else -(-size // GRAIN) * GRAIN
    memory = reserve(pool.device, room, nbytes)
    counts[pool.device].reserved += room
    address = int(memory)
    segments[address] = memory, room, pool
    block = Block(address, room, pool, address)
    if room == size:
        return block
    insert(block)
    return find(pool, size)


def reserve(device, room, nbytes):
    """Memory of the driver; where there is not enough, once more without what is cached."""
    api = driver.use(device)
    try:
        return api.mem_alloc(room)
    except api.MemoryError:
        api.Context.synchronize()
        drain()
        free_cached(device)
        try:
            return api.mem_alloc(room)
        except api.MemoryError:
            free, total = api.mem_get_info()
            count = counts[device]
            raise RuntimeError(
                "cuda runtime error (2) : out of memory: %d bytes were asked for on GPU %d, which has %d of %d bytes "
                "free; %d bytes are in tensors of this process"
                % (nbytes, device, free, total, count.allocated)) from None


def release(block):
    """Give a whole segment back to the driver."""
    memory, room, _ = segments.pop(block.segment)
    driver.use(block.pool.device)
    memory.free()
    counts[block.pool.device].reserved -= room


def free_cached(device=None):
    for pool in pools.values():
        if device is None or pool.device == device:
            for blocks in (pool.small, pool.large):
                whole = [entry for entry in blocks if entry[2].nbytes == segments[entry[2].segment][1]]
                for entry in whole:
                    blocks.remove(entry)
                    release(entry[2])


def empty_cache():
    """Give all segments without a used block back to the driver."""
    with lock:
        drain()
        free_cached()


def memory_stats(device):
    """Bytes in tensors, at most so far, and kept for reuse."""
    with lock:
        drain()
        count = counts[device]
        return {"allocated": count.allocated, "peak": count.peak, "cached": count.reserved - count.allocated}


def close():
    """At the end of the process: forget what is still in use, the context takes it along."""
    global enabled
    enabled = True
    empty_cache()
    waiting.clear()
    for memory, _, pool in segments.values():
        driver.use(pool.device)
        memory.free()
    segments.clear()


driver.Driver.at_exit.append(close)
