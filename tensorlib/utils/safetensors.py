"""Files of tensors in the safetensors format, by the library of that name, which is an extra. No pickles are involved.

The functions are those of `safetensors.torch`, so that files go both ways.
"""
import os

import numpy

from .._ops import storage
from .._ops.variable import VariableBase
from .._ops.making import make_view
from .._ops.tensor import TensorBase, make_empty

# The format's names of types, and NumPy's.
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16",
          "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64"}
CODES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")      # by element type
# What has no type here is read as the smallest one that holds all its values.
WIDER = {"bool": numpy.uint8, "uint16": numpy.int32, "uint32": numpy.int64, "uint64": numpy.int64}


def _library():
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("this needs the package safetensors: pip install tensorlib[safetensors]") from error
    return safetensors


def save_file(tensors, filename, metadata=None):
    """Write a dict of tensors to a file, which appears only when it is whole.

    Args:
        tensors: names and tensors (or Variables, whose data is written), for instance a state_dict.
        filename: a path.
        metadata: a dict of strings to keep beside them.

    Raises:
        ValueError: a tensor is not contiguous.
        RuntimeError: tensors overlap in memory: they would come back as separate ones.
        TypeError: something else than a tensor, or metadata that is no text.
    """
    library, arrays, path = _library(), _arrays(tensors), os.fspath(filename)
    _check_metadata(metadata)
    temporary = "%s.%d.part" % (path, os.getpid())
    try:
        library.numpy.save_file(arrays, temporary, metadata)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def save(tensors, metadata=None):
    """Return the bytes of such a file; see save_file."""
    library, arrays = _library(), _arrays(tensors)
    _check_metadata(metadata)
    return library.numpy.save(arrays, metadata)


def load_file(filename):
    """Return the dict of tensors in a file.

    bools become a ByteTensor, unsigned integers the next wider type, bfloat16 a FloatTensor; one without dims gets size
    (1,), one with a size of 0 becomes the empty tensor.

    Raises:
        RuntimeError: it is no such file, or damaged.
        TypeError: a tensor is of a type that has no counterpart.
        ValueError: an unsigned number is too large.

    """
    with open(filename, "rb") as file:
        return _load(file.read(), os.fspath(filename))


def load(data):
    """Return the dict of tensors in the bytes of a file; see load_file."""
    return _load(bytes(data), "the data")


def load_metadata(filename):
    """Return the dict of strings that was kept beside the tensors of a file, or None."""
    library = _library()
    try:
        with library.safe_open(os.fspath(filename), framework="numpy") as file:
            return file.metadata()
    except library.SafetensorError as error:
        raise RuntimeError("%s cannot be read: %s" % (filename, error)) from error


def _load(data, name):
    library = _library()
    try:
        entries = library.deserialize(data)
    except library.SafetensorError as error:
        raise RuntimeError("%s cannot be read: %s" % (name, error)) from error
    entries.sort(key=lambda entry: entry[0])
    return {key: _tensor(key, entry["dtype"], entry["shape"], entry["data"]) for key, entry in entries}


def _tensor(name, kind, shape, data):
    """The tensor of an entry."""
    if kind == "BF16":                          # the upper half of a float
        array = (numpy.frombuffer(data, "<u2").astype(numpy.uint32) << 16).view(numpy.float32)
    elif kind in DTYPES:
        array = numpy.frombuffer(data, numpy.dtype(DTYPES[kind]).newbyteorder("<"))
    else:
        raise TypeError("tensor %r is of type %s, which has no counterpart here" % (name, kind))
    if kind == "U64" and array.size and array.max() > numpy.iinfo(numpy.int64).max:
        raise ValueError("tensor %r has numbers beyond 63 bits, which a LongTensor cannot hold" % name)
    array = array.astype(WIDER.get(DTYPES.get(kind), array.dtype.newbyteorder("=")))
    code = CODES.index(array.dtype.name)
    if not array.size:
        return make_empty(code)
    values = storage.class_of(code)(array.size)
    memoryview(values)[:] = memoryview(array).cast("B")
    return make_view(values, 0, tuple(shape) or (1,))


def _arrays(tensors):
    """The tensors as arrays, checked to be whole and apart."""
    arrays, places = {}, []
    for name, tensor in tensors.items():
        tensor = tensor.data if isinstance(tensor, VariableBase) else tensor
        if not isinstance(name, str) or not isinstance(tensor, TensorBase):
            raise TypeError("expected a dict of names and tensors, but got %r: %s" % (name, type(tensor).__name__))
        if not tensor.is_contiguous():
            raise ValueError("tensor %r of size %s and strides %s is not contiguous; save its contiguous() copy"
                             % (name, tuple(tensor.size()), tensor.stride()))
        if tensor.dim():
            start = tensor.data_ptr()
            places.append((tensor.is_cuda, start, start + tensor.numel() * tensor.element_size(), name))
        arrays[name] = tensor.cpu().numpy() if tensor.dim() else tensor.new(1).cpu().numpy()[:0]
    places.sort()
    for (gpu, _, end, name), (other_gpu, start, _, other) in zip(places, places[1:]):
        if start < end and gpu == other_gpu:
            raise RuntimeError("tensors %r and %r share memory and would come back apart; save one of them, or clones"
                               % (name, other))
    return arrays


def _check_metadata(metadata):
    if metadata is not None and not all(isinstance(text, str) for pair in metadata.items() for text in pair):
        raise TypeError("metadata must be a dict of strings, but got %r" % (metadata,))
