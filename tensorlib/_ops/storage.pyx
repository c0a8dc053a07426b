"""Storage: one typed block of memory, and the caching allocator that CPU blocks come from.

Blocks are kept in free lists by size class when their storage dies, so that the next output of about that size
takes memory whose pages are already mapped. All of it runs under the GIL.
"""
import importlib
import os

from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, strerror
from libc.errno cimport errno
from cpython.buffer cimport PyBuffer_FillInfo, PyObject_GetBuffer, PyBuffer_Release, PyBUF_SIMPLE, PyBUF_WRITABLE
cimport cython

from .classes cimport name_class, new_object, set_class_attribute
from .types cimport NDTYPE

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void** p, size_t alignment, size_t size)

cdef extern from "sys/mman.h" nogil:
    void* mmap(void* address, size_t length, int protection, int flags, int fd, long offset)
    int munmap(void* address, size_t length)
    int PROT_READ, PROT_WRITE, MAP_SHARED
    void* MAP_FAILED

cdef extern from *:
    """
    #ifdef MADV_HUGEPAGE
    static inline void tl_ask_huge_pages(void *p, size_t n) { madvise(p, n, MADV_HUGEPAGE); }
    #else
    static inline void tl_ask_huge_pages(void *p, size_t n) { (void)p, (void)n; }
    #endif
    static inline int tl_log2(unsigned long long n) { return 63 - __builtin_clzll(n); }
    """
    int log2 "tl_log2"(uint64_t n) nogil
    void ask_huge_pages "tl_ask_huge_pages"(void* p, size_t n) nogil

# ---- the allocator -------------------------------------------------------------------------------------

cdef enum:
    ALIGNMENT = 64
    HUGE_PAGE = 1 << 21     # blocks from here on ask for pages of this size: fewer faults, and walks of page tables
    CLASSES = 256
    NEAR = 64                           # from this class on, 64 kB, a block of up to half as much again will do
    SLACK = 1 << 25                     # bytes that the cache may hold whatever the program needed so far

cdef struct FreeBlock:
    FreeBlock* next

cdef FreeBlock* free_blocks[CLASSES]
cdef Py_ssize_t cached_bytes = 0        # in the free lists
cdef Py_ssize_t live_bytes = 0          # handed out
cdef Py_ssize_t peak_bytes = 0
cdef Py_ssize_t cache_limit = 0 if os.environ.get("TENSORLIB_CACHE") == "0" else 1 << 29


cdef inline int size_class(Py_ssize_t nbytes) noexcept nogil:
    """Eight classes for each power of two: at most 12.5 % of a block is waste."""
    cdef uint64_t n = <uint64_t>nbytes
    cdef int octave
    if n <= 64:
        return 0
    n -= 1
    octave = log2(n)
    if octave < 9:                      # up to 512 bytes: multiples of 64
        return <int>(n >> 6)
    return (octave - 8) * 8 + <int>((n >> (octave - 3)) & 7)


cdef inline Py_ssize_t class_bytes(int c) noexcept nogil:
    cdef int octave
    if c < 8:
        return (c + 1) * 64
    octave = c // 8 + 8
    return ((<Py_ssize_t>1) << octave) + ((<Py_ssize_t>(c % 8) + 1) << (octave - 3))


cdef bint new_block(void** p, Py_ssize_t size) noexcept nogil:
    if posix_memalign(p, HUGE_PAGE if size >= HUGE_PAGE else ALIGNMENT, size) != 0:
        return False
    if size >= HUGE_PAGE:
        ask_huge_pages(p[0], size)
    return True


cdef void* take_block(Py_ssize_t nbytes, int* block_class) except NULL:
    """Uninitialised memory for nbytes, aligned to 64 at least."""
    global cached_bytes, live_bytes, peak_bytes
    cdef int c = size_class(nbytes)
    cdef void* p = NULL
    cdef Py_ssize_t size
    if c >= CLASSES:
        raise MemoryError("not enough memory: %d bytes were asked for" % nbytes)
    c = cached_class(c)
    size = class_bytes(c)
    p = free_blocks[c]
    if p != NULL:
        free_blocks[c] = (<FreeBlock*>p).next
        cached_bytes -= size
    elif not new_block(&p, size):
        drop_cache()
        if not new_block(&p, size):
            raise MemoryError("not enough memory: %d bytes were asked for" % nbytes)
    live_bytes += size
    if live_bytes > peak_bytes:
        peak_bytes = live_bytes
    block_class[0] = c
    return p


cdef inline int cached_class(int c) noexcept:
    """The class of a dead block that can serve for class c; c itself where there is none.

    Batches and sentences of all lengths would else fill the cache with blocks of every class.
    """
    cdef int larger
    if free_blocks[c] == NULL and c >= NEAR:
        for larger in range(c + 1, min(c + 5, <int>CLASSES)):
            if free_blocks[larger] != NULL:
                return larger
    return c


cdef void give_block(void* p, int c) noexcept:
    """Keep a dead block. Where living and dead ones would be twice what was ever alive, those of old sizes go first."""
    global cached_bytes, live_bytes
    cdef Py_ssize_t size = class_bytes(c), most
    live_bytes -= size
    most = min(cache_limit, 2 * peak_bytes + SLACK - live_bytes)
    if cached_bytes + size > most:
        drop_cache()
        if size > most:
            free(p)
            return
    (<FreeBlock*>p).next = free_blocks[c]
    free_blocks[c] = <FreeBlock*>p
    cached_bytes += size


cdef void drop_cache() noexcept:
    global cached_bytes
    cdef int c
    cdef FreeBlock* block
    for c in range(CLASSES):
        while free_blocks[c] != NULL:
            block = free_blocks[c]
            free_blocks[c] = block.next
            free(block)
    cached_bytes = 0


def empty_cache():
    """Give every cached block back to the system."""
    drop_cache()


def set_cache_limit(Py_ssize_t nbytes):
    """Set how many bytes of dead blocks are kept for reuse; 0 turns the cache off, as TENSORLIB_CACHE=0 does.

    Returns the old limit, 2^29 at first.
    """
    global cache_limit
    old, cache_limit = cache_limit, nbytes
    if cached_bytes > cache_limit:
        drop_cache()
    return old


def memory_stats():
    """Return bytes handed out now, at most so far, and kept for reuse, as a dict."""
    return {"allocated": live_bytes, "peak": peak_bytes, "cached": cached_bytes}


# ---- storages ------------------------------------------------------------------------------------------

cdef int[NDTYPE] ITEMSIZE = [1, 1, 2, 4, 8, 2, 4, 8]
cdef tuple NO_ARGUMENTS = ()
cdef tuple CPU_CLASSES, CUDA_CLASSES


cdef int itemsize(int dtype) noexcept nogil:
    return ITEMSIZE[dtype]


# Out of the garbage collector's sight, which takes time for each: owners are memory, and know nothing of storages.
@cython.no_gc
@cython.freelist(256)
cdef class Storage:
    def __cinit__(self):
        self.device = -1
        self.block_class = -1
        self.flags = RESIZABLE

    def __dealloc__(self):
        if self.block_class >= 0:
            give_block(self.data, self.block_class)

    def __len__(self):
        return self.size

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        """The bytes of a CPU storage."""
        if self.device >= 0:
            raise BufferError("the memory of a GPU storage cannot be read from here")
        PyBuffer_FillInfo(buffer, self, self.data, self.size * ITEMSIZE[self.dtype], 0, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* buffer):
        self.exports -= 1

    def __init__(self, *args):
        construct_hook(self, args)

    def __getitem__(self, key):
        return getitem_hook(self, key)

    def __setitem__(self, key, value):
        setitem_hook(self, key, value)

    def __repr__(self):
        return repr_hook(self)

    def __reduce__(self):
        return reduce_hook(self)


cdef class ByteStorage(Storage):
    pass


cdef class CharStorage(Storage):
    pass


cdef class ShortStorage(Storage):
    pass


cdef class IntStorage(Storage):
    pass


cdef class LongStorage(Storage):
    pass


cdef class HalfStorage(Storage):
    pass


cdef class FloatStorage(Storage):
    pass


cdef class DoubleStorage(Storage):
    pass


cdef class CudaByteStorage(Storage):
    pass


cdef class CudaCharStorage(Storage):
    pass


cdef class CudaShortStorage(Storage):
    pass


cdef class CudaIntStorage(Storage):
    pass


cdef class CudaLongStorage(Storage):
    pass


cdef class CudaHalfStorage(Storage):
    pass


cdef class CudaFloatStorage(Storage):
    pass


cdef class CudaDoubleStorage(Storage):
    pass


CPU_CLASSES = (ByteStorage, CharStorage, ShortStorage, IntStorage, LongStorage, HalfStorage, FloatStorage,
               DoubleStorage)
CUDA_CLASSES = (CudaByteStorage, CudaCharStorage, CudaShortStorage, CudaIntStorage, CudaLongStorage, CudaHalfStorage,
                CudaFloatStorage, CudaDoubleStorage)
cdef list CLASS_NAMES = []      # keeps the bytes alive that the types point to
cdef bytes _name
for _class in CPU_CLASSES + CUDA_CLASSES:
    _name = (("tensorlib.cuda." + _class.__name__[4:]) if _class in CUDA_CLASSES
             else "tensorlib." + _class.__name__).encode()
    CLASS_NAMES.append(_name)
    name_class(_class, _name)

# What storages do that is written in Python (storage.py), set by `set_hooks`.
cdef object construct_hook = None, getitem_hook = None, setitem_hook = None, repr_hook = None, reduce_hook = None


def set_hooks(construct, getitem, setitem, text, reduce):
    global construct_hook, getitem_hook, setitem_hook, repr_hook, reduce_hook
    construct_hook, getitem_hook, setitem_hook, repr_hook, reduce_hook = construct, getitem, setitem, text, reduce


cdef object backend = None


cdef object gpu():
    """What works on GPUs: a module of the package cuda, found by name when the first GPU tensor is made."""
    global backend
    if backend is None:
        backend = importlib.import_module(__name__.partition(".")[0] + ".cuda.backend")
    return backend


cdef int allocate(Storage s, Py_ssize_t size) except -1:
    """Give an empty storage memory for size elements."""
    if size < 0 or size > (<Py_ssize_t>1 << 62) // ITEMSIZE[s.dtype]:
        raise RuntimeError("invalid memory size -- maybe an overflow? %d elements were asked for" % size)
    if size > 0:
        if s.device >= 0:
            s.owner = gpu().allocate(s.device, size * ITEMSIZE[s.dtype])
            s.data = <char*><size_t>s.owner.address
        else:
            s.data = <char*>take_block(size * ITEMSIZE[s.dtype], &s.block_class)
    s.size = size
    return 0


cdef Storage new_storage(int dtype, Py_ssize_t size, int device=-1):
    cdef Storage s = <Storage>new_object((CPU_CLASSES if device < 0 else CUDA_CLASSES)[dtype], NO_ARGUMENTS)
    s.dtype = dtype
    s.device = device
    allocate(s, size)
    return s


cdef Storage foreign_storage(int dtype, void* data, Py_ssize_t size, object owner, int flags):
    cdef Storage s = <Storage>new_object(CPU_CLASSES[dtype], NO_ARGUMENTS)
    s.dtype, s.data, s.size, s.owner, s.flags = dtype, <char*>data, size, owner, flags
    return s


cdef int resize_storage(Storage s, Py_ssize_t size) except -1:
    """Change the number of elements, keeping the first ones.

    The block never gets smaller: tensors may look beyond the new end, and have to find memory there.
    """
    cdef int c = -1
    cdef char* p = NULL
    if size == s.size:
        return 0
    if not s.flags & RESIZABLE or s.exports > 0:
        raise RuntimeError("Trying to resize storage that is not resizable: from %d elements to %d, but its memory is "
                           "%s" % (s.size, size, "shared between processes" if s.flags & SHARED
                                   else "used or owned by another object"))
    if size < 0 or size > (<Py_ssize_t>1 << 62) // ITEMSIZE[s.dtype]:
        raise RuntimeError("invalid memory size -- maybe an overflow? %d elements were asked for" % size)
    if s.device >= 0:
        resize_on_gpu(s, size)
    elif size > room(s):
        p = <char*>take_block(size * ITEMSIZE[s.dtype], &c)
        if room(s) > 0:
            memcpy(p, s.data, room(s) * ITEMSIZE[s.dtype])
        if s.block_class >= 0:
            give_block(s.data, s.block_class)
        s.data, s.block_class, s.owner = p, c, None
    s.size = size
    return 0


cdef int resize_on_gpu(Storage s, Py_ssize_t size) except -1:
    """Let a GPU storage have room for size elements: a larger block where its own is too small."""
    cdef Storage other
    if s.owner is None or size * ITEMSIZE[s.dtype] > s.owner.nbytes:
        other = new_storage(s.dtype, size, s.device)
        if s.size > 0:
            gpu().copy_bytes(s.device, <size_t>other.data, <size_t>s.data, s.size * ITEMSIZE[s.dtype])
        s.data, s.owner = other.data, other.owner
    return 0


cdef Py_ssize_t room(Storage s) noexcept:
    """How many elements the memory of a storage holds."""
    return class_bytes(s.block_class) // ITEMSIZE[s.dtype] if s.block_class >= 0 else s.size


# ---- for the Python layer ------------------------------------------------------------------------------

def class_of(int dtype, bint on_gpu=False):
    """The storage class of an element type."""
    return (CUDA_CLASSES if on_gpu else CPU_CLASSES)[dtype]


def set_attribute(cls, name, value):
    """Set an attribute of a storage class."""
    set_class_attribute(cls, name, value)


def dtype_of(Storage s not None):
    return s.dtype


def gpu_backend():
    """What works on GPUs; its functions raise AssertionError where there is none."""
    return gpu()


def current_gpu():
    """The number of the current GPU; AssertionError where there is none."""
    return gpu().current_device()


def flags_of(Storage s not None):
    return s.flags


def address_of(Storage s not None):
    return <size_t>s.data


def owner_of(Storage s not None):
    return s.owner


def code_of_class(cls):
    """The element type of a storage class."""
    for i in range(NDTYPE):
        if issubclass(cls, CPU_CLASSES[i]) or issubclass(cls, CUDA_CLASSES[i]):
            return i
    raise TypeError("%r is not a storage class" % (cls,))


def is_gpu_class(cls):
    """Whether a storage class is of a GPU."""
    return issubclass(cls, CUDA_CLASSES)


def init(Storage s not None, Py_ssize_t size, int device=-1):
    """Set up a storage made by its constructor, with room for size elements, on a GPU where its class is of one."""
    s.dtype = code_of_class(type(s))
    s.device = device
    resize_storage(s, size)


def make(int dtype, Py_ssize_t size, int device=-1):
    """Return an uninitialised storage."""
    return new_storage(dtype, size, device)


def init_view(Storage s not None, Storage base not None, Py_ssize_t offset, Py_ssize_t size):
    """Set up a storage on a part of another one; sizes in elements."""
    if s.data != NULL:
        raise RuntimeError("a storage of %d elements cannot become a view of another one" % s.size)
    s.dtype, s.device = base.dtype, base.device
    s.data, s.size, s.owner = base.data + offset * ITEMSIZE[base.dtype], size, base
    base.flags &= ~RESIZABLE            # or the view would look at memory that is gone
    s.flags = base.flags


def resize(Storage s not None, Py_ssize_t size):
    resize_storage(s, size)


def move_to(Storage s not None, buffer, int flags):
    """Copy the elements into a writable buffer and let the storage live there (shared or pinned memory)."""
    cdef Storage other, old
    if s.device >= 0:
        raise RuntimeError("a GPU storage of %d elements cannot move to memory of the CPU" % s.size)
    other = storage_from_buffer(s.dtype, buffer, 0, s.size, flags)
    if s.size > 0:
        memcpy(other.data, s.data, s.size * ITEMSIZE[s.dtype])
    if not s.flags & RESIZABLE or s.exports > 0:
        # An array or a view looks at the old memory: keep it as long as the storage.
        old = foreign_storage(s.dtype, s.data, s.size, s.owner, 0)
        old.block_class, s.block_class = s.block_class, -1
        (<BufferOwner>other.owner).before = old
    if s.block_class >= 0:
        give_block(s.data, s.block_class)
    s.data, s.owner, s.flags, s.block_class = other.data, other.owner, flags, -1


cdef class BufferOwner:
    """Holds a buffer open, and with it the object that exports it."""
    cdef Py_buffer buffer
    cdef readonly object obj
    cdef object before              # the memory that a storage had before it moved here

    def __cinit__(self, obj):
        PyObject_GetBuffer(obj, &self.buffer, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.obj = obj

    def __dealloc__(self):
        PyBuffer_Release(&self.buffer)


cdef class Mapping:
    """A file mapped for reading and writing. Unlike `mmap.mmap` it needs no open descriptor of its own."""
    cdef void* start
    cdef Py_ssize_t nbytes

    def __cinit__(self, int fd, Py_ssize_t nbytes, *args):
        cdef void* start = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if start == MAP_FAILED:
            raise OSError(errno, "a file of %d bytes cannot be mapped: %s" % (nbytes, strerror(errno).decode()))
        self.start, self.nbytes = start, nbytes

    def __dealloc__(self):
        if self.start != NULL:
            munmap(self.start, self.nbytes)

    def __len__(self):
        return self.nbytes

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.start, self.nbytes, 0, flags)


def storage_from_buffer(int dtype, buffer, Py_ssize_t offset=0, Py_ssize_t size=-1, int flags=0):
    """Build a storage on a writable buffer, kept alive by it.

    Args: dtype code, the buffer, offset in bytes, size in elements (-1: all that fit), flags (2 shared, 4 pinned).
    Raises: ValueError where the buffer is too small.
    """
    cdef BufferOwner owner = BufferOwner(buffer)
    cdef Py_ssize_t room = (owner.buffer.len - offset) // ITEMSIZE[dtype]
    if offset < 0 or offset > owner.buffer.len or size > room:
        raise ValueError("a buffer of %d bytes holds no %d elements of %d bytes from byte %d on"
                         % (owner.buffer.len, size, ITEMSIZE[dtype], offset))
    return foreign_storage(dtype, <char*>owner.buffer.buf + offset, room if size < 0 else size, owner, flags)


def foreign(int dtype, Py_ssize_t address, Py_ssize_t size, owner):
    """A storage on memory that owner keeps; it cannot be resized."""
    return foreign_storage(dtype, <void*>address, size, owner, 0)


def pin_size(Storage s not None):
    """Forbid resizing from now on: someone else uses the memory."""
    s.flags &= ~RESIZABLE


def device_of(Storage s not None):
    """The number of the GPU, -1 for the CPU."""
    return s.device
