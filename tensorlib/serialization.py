"""save and load: the places of storages, the sources of classes, and files written whole or not at all.

A file of v0.2 is a row of pickles (a magic number, a version, the machine, the object, the storage keys) and then the
bytes of each storage. In the object's pickle, storages and the classes of modules stand as persistent ids.
`_writers.py` writes it, `_archives.py` reads it and other formats; `_names.py` tells which names a pickle may hold.
"""
import contextlib
import difflib
import inspect
import os
import pickle
import secrets
import stat
import warnings

from . import _archives, _writers
from ._names import PACKAGE
from ._ops.storage import Storage

FORMATS = ("tensorlib", "torch", "zip")


class SourceChangeWarning(Warning):
    """The source of a saved module's class is no longer what it was when it was saved."""


# ---- where storages live -------------------------------------------------------------------------------

_registry = []          # (priority, tagger, deserializer), the lowest priority first


def register_package(priority, tagger, deserializer):
    """Register a place where storages can live.

    Args:
        priority: places are asked in the order of this number.
        tagger: function of a storage that returns the tag of its place, or None if it lives elsewhere.
        deserializer: function of a CPU storage and a tag that returns the storage in that place, or None.
    """
    _registry.append((priority, tagger, deserializer))
    _registry.sort(key=lambda entry: entry[0])


def location_tag(storage):
    """Return the tag of the place where a storage lives: "cpu" or "cuda:N"."""
    for _, tagger, _ in _registry:
        tag = tagger(storage)
        if tag is not None:
            return tag
    raise RuntimeError("no place is known for a storage of type %s" % type(storage).__name__)


def default_restore_location(storage, location):
    """Return the storage in the place that a tag names."""
    for _, _, deserializer in _registry:
        restored = deserializer(storage, location)
        if restored is not None:
            return restored
    raise RuntimeError("no place is known for a storage tagged %r; load(f, map_location='cpu') keeps all on the CPU"
                       % (location,))


def _to_gpu(storage, location):
    if not location.startswith("cuda"):
        return None
    try:
        return storage.cuda(int(location[5:] or 0))
    except (AssertionError, AttributeError) as error:
        raise RuntimeError("the file holds storages of GPU %s, which cannot be used here (%s); "
                           "load(f, map_location='cpu') keeps all on the CPU" % (location[5:] or 0, error)) from error


register_package(10, lambda storage: None if getattr(storage, "is_cuda", False) else "cpu",
                 lambda storage, location: storage if location == "cpu" else None)
register_package(20, lambda storage: "cuda:%d" % storage.get_device() if getattr(storage, "is_cuda", False) else None,
                 _to_gpu)


def _restorer(map_location):
    """Return the function (storage, tag) -> storage that map_location means."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, str):
        return lambda storage, location: default_restore_location(storage, map_location)
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))

    def restore(storage, location):
        restored = map_location(storage, location)
        if restored is None:
            return default_restore_location(storage, location)
        if not isinstance(restored, Storage):
            raise TypeError("map_location returned a %s, expected a storage or None" % type(restored).__name__)
        return restored
    return restore


# ---- saving --------------------------------------------------------------------------------------------

def save(obj, f, pickle_module=pickle, pickle_protocol=2, format="tensorlib"):
    """Save an object to a file: tensors, Variables, modules, and containers of them.

    A path is written atomically: the bytes go to a new file in the same folder, which replaces the old one when
    they are on the disk; if anything fails before, the old file stays. Tensors that share a storage share it
    again when loaded; the whole storage is written, also for a small view of it.

    Args:
        obj: what to save. To keep a model, its `state_dict()` is best: it outlives changes to the code.
        f: a path, or a binary file opened for writing.
        pickle_module: the module that pickles.
        pickle_protocol: its protocol, 1 or above.
        format: whom the file is for. "tensorlib": the layout of v0.2, with the names of this package. "torch": the
            same with the names of torch, so that PyTorch reads it, 0.2 as well as today's (Variables and modules with
            weights_only=False only). "zip": the file of PyTorch since 1.6, for tensors, Variables and containers.

    Raises:
        ValueError: an unknown format, protocol 0, or a pickler that a format for PyTorch cannot use.
        pickle.PicklingError, AttributeError, TypeError: the object cannot be pickled; nothing was written.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "x.pt")
        >>> tensorlib.save({"epoch": 3, "w": tensorlib.ones(2)}, path)
        >>> tensorlib.load(path)["epoch"]
        3
    """
    if format not in FORMATS:
        raise ValueError("save(format=%r): expected one of %s" % (format, ", ".join(FORMATS)))
    if pickle_protocol == 0:
        raise ValueError("save(pickle_protocol=0): the text protocol cannot name storages; 1 and above can")
    if format != "tensorlib" and (pickle_module is not pickle or pickle_protocol != 2):
        raise ValueError("save(format=%r): files for PyTorch are written by the standard pickle module in protocol 2"
                         % format)
    if isinstance(f, (str, bytes, os.PathLike)):
        with _replacing(os.fsdecode(f)) as file:
            _save(obj, file, pickle_module, pickle_protocol, format)
    else:
        _save(obj, f, pickle_module, pickle_protocol, format)
        if hasattr(f, "flush"):
            f.flush()


@contextlib.contextmanager
def _replacing(path):
    """Open a file that takes the place of `path` when the block ends well, and vanishes when it does not."""
    path = os.path.realpath(path)
    old = os.stat(path) if os.path.exists(path) else None
    if old is not None and not stat.S_ISREG(old.st_mode):   # a pipe or a device cannot be replaced
        with open(path, "wb") as file:
            yield file
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".%s.%s.tmp" % (name[:200], secrets.token_hex(6)))
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            os.chmod(temporary, stat.S_IMODE(old.st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder):
    descriptor = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _save(obj, f, pickle_module, protocol, format):
    if format == "zip":
        _writers.write_zip(obj, f, _writers.ZipIds(location_tag, _source_of))
    elif format == "torch":
        _writers.write_stream(obj, f, _writers.TorchPickler, pickle_module, protocol,
                              _writers.TorchIds(location_tag, _source_of))
    else:
        _writers.write_stream(obj, f, pickle_module.Pickler, pickle_module, protocol,
                              _writers.PersistentIds(location_tag, _source_of))


def _source_of(cls):
    """(file, text) of the source of a class, or two Nones where there is none."""
    try:
        return inspect.getsourcefile(cls), inspect.getsource(cls)
    except (OSError, TypeError):
        warnings.warn("the source of %s cannot be found, so load() will not tell whether it has changed"
                      % cls.__name__, stacklevel=5)
        return None, None


# ---- loading -------------------------------------------------------------------------------------------

def load(f, map_location=None, pickle_module=pickle, weights_only=None):
    """Load an object from a file that save() wrote, here or in PyTorch: v0.1, v0.2, or today's.

    Names of `torch` in the file become names of this package. A pickle is a program, so it may not name everything:

    - Today's zip files: tensors, Variables, Parameters and plain containers only.
    - The other formats: these, and classes: modules and optimizers of this package, and classes of your own. No
      functions but those of `nn.functional` and `nn.init`; of the standard library only what cannot do harm. That
      stops the common attacks, but is no wall, as your classes run code of their own.

    `weights_only` says otherwise for either: True for tensors and plain containers only, whatever the format; False
    for anything at all, as v0.2 did it. Use False for files of people you trust only: they can run any program.

    Args:
        f: a path, or a binary file opened for reading; one that cannot seek, as a pipe, is read to its end.
        map_location: where storages go: None (where they were), a place ("cpu"), a dict from saved places to
            places, or a function (storage, place) that returns the storage there, or None for the default.
        pickle_module: the module that unpickles; another one than pickle follows its own rules about names.
        weights_only: see above.

    Raises:
        RuntimeError: the file is of no known format, or damaged.
        pickle.UnpicklingError: the file names what it may not, or something this package does not have.
    """
    if pickle_module is not pickle and weights_only:
        raise ValueError("load(weights_only=True) works with the standard pickle module only")
    arguments = (_restorer(map_location), _check_source, pickle_module, weights_only)
    if isinstance(f, (str, bytes, os.PathLike)):
        with open(f, "rb") as file:
            return _archives.read(file, os.fsdecode(f), *arguments)
    return _archives.read(f, str(getattr(f, "name", "the file")), *arguments)


def _check_source(cls, file, source):
    """Warn where the source of a class of one's own has changed since it was saved."""
    if source is None or cls.__module__.partition(".")[0] == PACKAGE:
        return
    try:
        now = inspect.getsource(cls)
    except (OSError, TypeError):
        return
    if now == source:
        return
    hint = "set dump_patches = True in the class to get the difference as a file"
    if getattr(cls, "dump_patches", False):
        hint = _write_patch(cls, file, source, now)
    warnings.warn("the source of class %s.%s has changed since it was saved; %s"
                  % (cls.__module__, cls.__qualname__, hint), SourceChangeWarning, stacklevel=2)


def _write_patch(cls, file, source, now):
    """Write what leads back to the saved source, never over another file; returns what to tell of it."""
    name = cls.__name__ + ".patch"
    lines = difflib.unified_diff(now.splitlines(), source.splitlines(), str(file), str(file), lineterm="")
    text = "\n".join(lines) + "\n"
    try:
        with open(name, "x") as patch:
            patch.write(text)
    except FileExistsError:
        with open(name, errors="replace") as patch:
            if patch.read() != text:
                return "%s is another file, so the difference was not written; move it away" % name
    except OSError as error:
        return "the difference could not be written to %s: %s" % (name, error.strerror)
    return "the difference is in %s: `patch -p0 < %s` leads back to the saved source" % (name, name)
