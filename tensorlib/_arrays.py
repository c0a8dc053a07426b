"""Memory shared with NumPy, and by its protocols with other libraries."""
from ._ops import array as arrays
from ._ops import making
from ._ops import storage as storages
from ._ops import tensor as core

# NumPy's name of each element type; "char" and "half" arrays cannot be taken over, only given.
NUMPY_NAMES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
TAKEN_FROM_NUMPY = ("float64", "float32", "int64", "int32", "int16", "uint8")


class ArrayOwner:
    """Keeps an array alive whose memory a storage uses."""

    def __init__(self, array):
        self.array = array


def from_numpy(array):
    """Return a tensor that shares memory with an array of float64, float32, int64, int32, int16 or uint8.

    An array that must not be written is copied, and so is one whose elements are not aligned.
    Raises: RuntimeError for other types, a dim of size 0, or negative strides.
    """
    made = arrays.from_array(array)
    if made is not None:
        return made
    if not hasattr(array, "strides") or not (type(array).__module__ == "numpy"
                                             or hasattr(array, "__array_interface__")):
        raise RuntimeError("from_numpy expects an np.ndarray but got %s" % type(array).__name__)
    if array.dtype.name not in TAKEN_FROM_NUMPY or not array.dtype.isnative:
        raise RuntimeError("can't convert a given np.ndarray to a tensor - it has an invalid type. It is %s; the only "
                           "supported types are: %s." % (array.dtype, ", ".join(TAKEN_FROM_NUMPY)))
    if array.ndim == 0 or 0 in array.shape:
        raise RuntimeError("the given numpy array has zero-sized dimensions. Zero-sized dimensions are not "
                           "supported: its shape is %s" % (array.shape,))
    return from_array(array, NUMPY_NAMES.index(array.dtype.name))


def from_array(array, code):
    """A tensor on an array's memory; the storage begins at its first element and cannot be resized."""
    if not (array.flags.writeable and array.flags.aligned):
        array = array.copy()
    item = array.itemsize
    if any(s < 0 for s in array.strides):
        raise RuntimeError("some of the strides of a given numpy array are negative. This is currently not supported, "
                           "but will be added in future releases: strides %s" % (array.strides,))
    if any(s % item for s in array.strides):
        raise RuntimeError("the strides %s of the array are no multiples of its element size %d"
                           % (array.strides, item))
    strides = [s // item for s in array.strides]
    room = 1 + sum((n - 1) * s for n, s in zip(array.shape, strides))
    address = array.__array_interface__["data"][0]
    storage = storages.foreign(code, address, room, ArrayOwner(array))
    return making.make_view(storage, 0, array.shape, strides)


def from_dlpack(obj):
    """Return a tensor that shares the CPU memory of an object with the DLPack protocol."""
    import numpy
    return from_numpy(numpy.from_dlpack(obj))


def as_array(tensor, dtype=None, copy=None):
    array = arrays.to_array(tensor)
    if array is None:
        if tensor.is_cuda:
            raise RuntimeError("can't convert a GPU tensor to an array; copy it to the CPU first: cpu()")
        import numpy
        array = numpy.empty((0,), NUMPY_NAMES[core.code_of(tensor)])
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array
