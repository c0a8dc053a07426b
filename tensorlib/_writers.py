"""Writers of the checkpoint formats: v0.2's row of pickles, and the zip file that PyTorch reads today.

The object is pickled first and written after, so an object that cannot be pickled leaves the file untouched. Where
storages live, and the sources of classes, come in as functions.
"""
import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from types import BuiltinFunctionType, FunctionType

from ._archives import CHUNK, COUNT, MAGIC_NUMBER, PROTOCOL_VERSION
from ._names import PACKAGE, torch_name
from ._ops import storage as _storage
from ._ops.variable import VariableBase
from ._ops.tensor import TensorBase
from ._utils import SPARSE_LAYOUT, _rebuild_parameter, _rebuild_sparse_tensor, _rebuild_tensor, _rebuild_tensor_v2

SYSTEM = {"protocol_version": PROTOCOL_VERSION, "little_endian": sys.byteorder == "little",
          "type_sizes": {"short": 2, "int": 4, "long": 4}}
ALIGNMENT = 64          # of the storages in a zip file, so that a reader may map them
FOLDER = "archive/"


class PersistentIds:
    """The storages and module classes met while an object is pickled, as the v0.2 format names them.

    Args:
        tag_of: function of a storage that returns the tag of its place.
        source_of: function of a class that returns the file and the text of its source.
    """

    key_form = "%014d"      # v0.2 took addresses; these, as long, sort in the order of the object

    def __init__(self, tag_of, source_of):
        self.tag_of, self.source_of = tag_of, source_of
        self.roots = {}         # key -> storage that owns its memory
        self.numbers = {}       # id of a storage -> (number, storage); holding the storage keeps the id its own
        self.classes = set()

    def of(self, value):
        """Return what stands for a value in the pickle, or None where the value itself does."""
        if isinstance(value, _storage.Storage):
            return self.of_storage(value)
        if isinstance(value, type) and value not in self.classes and _is_module_class(value):
            self.classes.add(value)
            return ("module", value) + self.source_of(value)
        return None

    def of_storage(self, storage):
        root, offset = root_of(storage)
        key = self.key(root)
        view = None if root is storage else (self.key(storage), offset, len(storage))
        return self.named(root, key) + (view,)

    def named(self, root, key):
        self.roots[key] = root
        return ("storage", _storage.class_of(_storage.dtype_of(root)), key, self.tag_of(root), len(root))

    def key(self, storage):
        number, _ = self.numbers.setdefault(id(storage), (len(self.numbers), storage))
        return self.key_form % number


class TorchIds(PersistentIds):
    """The same for PyTorch, which would compare the sources of this package with its own: they stay out."""

    def of(self, value):
        if isinstance(value, type) and value.__module__.partition(".")[0] == PACKAGE:
            return None
        return super().of(value)


class ZipIds(PersistentIds):
    """The same for a zip file, which knows neither parts of storages nor sources."""

    key_form = "%d"

    def of(self, value):
        if not isinstance(value, _storage.Storage):
            return None
        if root_of(value)[0] is not value:
            raise ValueError("a part of a storage cannot be saved in a zip file, only the whole one, or a tensor on it")
        return self.named(value, self.key(value))


def _is_module_class(cls):
    """Whether it is a subclass of nn.Module; if nn was never imported, nothing is."""
    module = sys.modules.get(PACKAGE + ".nn")
    return module is not None and issubclass(cls, module.Module)


def root_of(storage):
    """Return the storage that owns the memory of a storage, and where in it that begins, in elements."""
    root = storage
    while isinstance(_storage.owner_of(root), _storage.Storage):
        root = _storage.owner_of(root)
    nbytes = _storage.address_of(storage) - _storage.address_of(root)
    return root, nbytes // storage.element_size() if root is not storage else 0


def _get_layout(name):
    """Stands for PyTorch's function of that name."""


_get_layout.__module__ = PACKAGE + ".serialization"


class SparseLayout:
    """Stands for PyTorch's object that names the layout of sparse tensors."""

    def __reduce__(self):
        return _get_layout, (SPARSE_LAYOUT,)


class NoEntries:
    """Stands for the indices or values of a sparse tensor that has none: they have sizes today."""

    def __init__(self, tensor, size):
        self.tensor, self.size = tensor, size


def sparse_parts(tensor):
    """How today's PyTorch makes a sparse tensor."""
    indices, values, sizes = tensor._indices(), tensor._values(), tensor.size()
    if tensor._nnz() == 0:
        split = tensor._dimI()
        indices, values = NoEntries(indices, (split, 0)), NoEntries(values, (0,) + tuple(sizes[split:]))
    return _rebuild_sparse_tensor, (SparseLayout(), (indices, values, sizes, tensor.is_coalesced()))


class TorchPickler(pickle._Pickler):
    """A pickler that writes names of this package as those of torch.

    The empty tensor gets a size of 0: no dims mean one element today.
    """

    dispatch = dict(pickle._Pickler.dispatch)

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", None)
        if not isinstance(module, str) or module.partition(".")[0] != PACKAGE:
            return super().save_global(obj, name)
        module, name = torch_name(module, name or obj.__qualname__)
        self.write(pickle.GLOBAL + bytes("%s\n%s\n" % (module, name), "ascii"))
        self.memoize(obj)

    dispatch[FunctionType] = dispatch[BuiltinFunctionType] = save_global

    def reducer_override(self, obj):
        if isinstance(obj, TensorBase) and obj.is_sparse:
            return sparse_parts(obj)
        if isinstance(obj, NoEntries):
            return _rebuild_tensor, (obj.tensor.storage(), 0, obj.size, (1,) * len(obj.size))
        if isinstance(obj, TensorBase) and obj.dim() == 0:
            return _rebuild_tensor, (obj.storage(), 0, (0,), (1,))
        return NotImplemented


class ZipPickler(TorchPickler):
    """Writes tensors, Variables and Parameters as today's PyTorch rebuilds them."""

    def reducer_override(self, obj):
        if isinstance(obj, VariableBase) and obj.data.is_sparse:
            return sparse_parts(obj.data)
        if isinstance(obj, NoEntries) or isinstance(obj, TensorBase) and obj.is_sparse:
            return super().reducer_override(obj)
        if isinstance(obj, TensorBase):
            return _rebuild_tensor_v2, self.view(obj) + (False, OrderedDict())
        if isinstance(obj, VariableBase):
            if type(obj).__name__ == "Parameter":
                return _rebuild_parameter, (obj.data, obj.requires_grad, OrderedDict())
            return _rebuild_tensor_v2, self.view(obj.data) + (obj.requires_grad, OrderedDict())
        return NotImplemented

    @staticmethod
    def view(tensor):
        """What a tensor is: a storage and the view on it. The empty one has a size of 0 today."""
        root, start = root_of(tensor.storage())
        size, stride = (tuple(tensor.size()), tensor.stride()) if tensor.dim() else ((0,), (1,))
        return root, start + tensor.storage_offset(), size, stride


def pickled(obj, pickler, protocol, ids):
    """Return the bytes of an object's pickle; storages and classes are noted in ids."""
    class Pickler(pickler):
        def persistent_id(self, value):
            return ids.of(value)

    file = io.BytesIO()
    Pickler(file, protocol).dump(obj)
    return file.getbuffer()


def write_stream(obj, f, pickler, pickle_module, protocol, ids):
    """Write five pickles and the bytes of the storages: the format of v0.2."""
    body = pickled(obj, pickler, protocol, ids)
    for header in (MAGIC_NUMBER, PROTOCOL_VERSION, SYSTEM):
        pickle_module.dump(header, f, protocol=protocol)
    write_all(f, body)
    keys = sorted(ids.roots)
    pickle_module.dump(keys, f, protocol=protocol)
    for key in keys:
        write_all(f, COUNT.pack(len(ids.roots[key])))
        write_all(f, bytes_of(ids.roots[key]))


def write_zip(obj, f, ids):
    """Write the zip file of PyTorch 1.6 and later: uncompressed, storages aligned, the same bytes each time."""
    body = pickled(obj, ZipPickler, 2, ids)
    with zipfile.ZipFile(_Forward(f), "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        _add(file, "data.pkl", body)
        _add(file, ".format_version", b"1")
        _add(file, ".storage_alignment", b"%d" % ALIGNMENT)
        _add(file, "byteorder", sys.byteorder.encode())
        for key, root in ids.roots.items():
            _add(file, "data/" + key, bytes_of(root))
        _add(file, "version", b"3\n")


class _Forward:
    """A file to which zipfile only appends, so that a pipe will do."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        write_all(self.file, data)
        return len(data)

    def flush(self):
        """Nothing: save() does that."""


def _add(file, name, data):
    """Append an entry whose bytes begin at a multiple of ALIGNMENT."""
    data = memoryview(data)
    info = zipfile.ZipInfo(FOLDER + name)           # dated 1980: the same object gives the same file
    large = data.nbytes >= zipfile.ZIP64_LIMIT
    start = file.start_dir + zipfile.sizeFileHeader + len(info.filename) + 4 + 20 * large
    info.extra = b"FB" + (-start % ALIGNMENT).to_bytes(2, "little") + bytes(-start % ALIGNMENT)
    with file.open(info, "w", force_zip64=large) as entry:
        write_all(entry, data)


def bytes_of(storage):
    """The bytes of a storage, wherever it lives."""
    return memoryview(storage.cpu() if storage.is_cuda else storage)


def write_all(f, data):
    """Write all bytes, in pieces: an unbuffered file takes no more than it likes, and never 2 GiB at once."""
    data = memoryview(data)
    done = 0
    while done < data.nbytes:
        piece = data[done:done + CHUNK]
        written = f.write(piece)
        if written is None and isinstance(f, io.RawIOBase):
            raise BlockingIOError("the file does not take more than %d of %d bytes now" % (done, data.nbytes))
        done += piece.nbytes if written is None else written
