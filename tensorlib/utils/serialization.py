"""Reads files of Lua Torch (.t7, binary): numbers, strings, tables, tensors and storages.

A file is a tree of objects, each with a number of its kind; those that can be met twice have a number of their own.
Numbers are ints of 4 bytes, longs of 8, doubles. It knows no Lua: functions and foreign classes are kept as they are.
"""
import os
import struct
from collections import namedtuple

from .. import storage as _storage
from .._ops.making import make_view
from .._ops.tensor import make_empty

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN, FUNCTION, OLD_FUNCTION, NEW_FUNCTION = range(9)
KINDS = "Byte Char Short Int Long Half Float Double".split()       # by element type
INT, LONG, DOUBLE = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<d")
DEEPEST = 200           # tables within tables: a damaged file must not exhaust the stack


class T7ReaderException(Exception):
    """A file is damaged, or holds what cannot be read."""


class TorchObject:
    """An object of a Lua class that is not known here: the name of its class and what it holds."""

    def __init__(self, torch_typename, obj):
        self._typename = torch_typename
        self._obj = obj

    def torch_typename(self):
        """Return the name of the Lua class."""
        return self._typename

    def __getattr__(self, name):
        held = self.__dict__.get("_obj")
        if isinstance(held, dict) and name in held:
            return held[name]
        raise AttributeError("%s has no attribute %r" % (self.__dict__.get("_typename"), name))

    def __repr__(self):
        return "TorchObject(%s, %r)" % (self._typename, self._obj)


LuaFunction = namedtuple("LuaFunction", "size dumped upvalues")


class T7Reader:
    """Reads the objects of a file, one after the other.

    Args:
        fileobj: a binary file that can seek.
        unknown_classes: keep objects of unknown classes as TorchObjects, instead of raising.
        long_size: bytes of a long in the file; 4 on some systems of the time.
    """

    def __init__(self, fileobj, unknown_classes=False, long_size=8):
        self.file = fileobj
        start = fileobj.tell()
        self.end = fileobj.seek(0, 2)   # a length in a damaged file may be anything
        fileobj.seek(start)
        self.unknown_classes = unknown_classes
        self.long = {4: INT, 8: LONG}[long_size]
        self.objects = {}               # number -> object
        self.depth = 0

    def read(self):
        """Return the next object.

        Raises:
            T7ReaderException: the file is damaged, or an object is of an unknown class.
        """
        kind = self.number(INT)
        if kind == NIL:
            return None
        if kind == NUMBER:
            value = self.number(DOUBLE)
            return int(value) if value.is_integer() else value
        if kind == BOOLEAN:
            return self.number(INT) == 1
        if kind == STRING:
            return self.string()
        readers = {TABLE: self.table, TORCH: self.torch_object, FUNCTION: self.function, OLD_FUNCTION: self.function,
                   NEW_FUNCTION: self.function}
        if kind not in readers:
            raise T7ReaderException("unknown kind of object %d at byte %d: not a binary .t7 file, or damaged"
                                    % (kind, self.file.tell() - INT.size))
        index = 0 if kind == FUNCTION else self.number(INT)
        if index and index in self.objects:
            return self.objects[index]
        self.depth += 1
        if self.depth > DEEPEST:
            raise T7ReaderException("tables lie in one another more than %d deep" % DEEPEST)
        value = readers[kind](index)
        self.depth -= 1
        return value

    def number(self, form):
        return form.unpack(self.bytes(form.size))[0]

    def bytes(self, count):
        left = self.end - self.file.tell()
        if not 0 <= count <= left:
            raise T7ReaderException("the file is damaged or cut short: %d bytes wanted, %d left" % (count, left))
        return self.file.read(count)

    def string(self):
        data = self.bytes(self.number(INT))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def table(self, index):
        """A dict; or a list where the keys are 1, 2, 3 ..."""
        pairs = self.objects[index] = {}
        for _ in range(self.number(INT)):
            key = self.read()
            value = self.read()
            try:
                pairs[key] = value
            except TypeError:
                raise T7ReaderException("a table with keys of type %s cannot be read" % type(key).__name__) from None
        if pairs and list(pairs) == list(range(1, len(pairs) + 1)):
            self.objects[index] = list(pairs.values())
        return self.objects[index]

    def function(self, index):
        size = self.number(INT)
        function = LuaFunction(size, self.bytes(size), self.read())
        self.objects[index] = function
        return function

    def torch_object(self, index):
        name = self.string()
        if name.startswith("V "):       # older files begin by the name of the class
            name = self.string()
        family, _, cls = name.partition(".")
        for code, kind in enumerate(KINDS):
            if family == "torch" and cls == kind + "Tensor":
                value = self.tensor(code)
            elif family == "torch" and cls == kind + "Storage":
                value = self.storage(code)
            else:
                continue
            self.objects[index] = value
            return value
        if not self.unknown_classes:
            raise T7ReaderException("the file has an object of the Lua class %s, which is not known here; "
                                    "unknown_classes=True keeps it as a TorchObject" % name)
        self.objects[index] = value = TorchObject(name, None)
        value._obj = self.read()
        return value

    def storage(self, code):
        count = self.number(self.long)
        values = _storage.CLASSES[code]()
        data = self.bytes(count * values.new(1).element_size())
        values.resize_(count)
        memoryview(values)[:] = data
        return values

    def tensor(self, code):
        dims = self.number(INT)
        if not 0 <= dims <= 64:
            raise T7ReaderException("the file is damaged: a tensor of %d dims" % dims)
        size = tuple(self.number(self.long) for _ in range(dims))
        stride = tuple(self.number(self.long) for _ in range(dims))
        offset = self.number(self.long) - 1
        values = self.read()
        if not dims or 0 in size or values is None:
            return make_empty(code)
        if type(values) is not _storage.CLASSES[code] or min(size + stride) < 0 or offset < 0 or \
                offset + sum((n - 1) * s for n, s in zip(size, stride)) >= len(values):
            raise T7ReaderException("the file is damaged: a tensor of size %s, strides %s and offset %d does not fit "
                                    "its storage" % (size, stride, offset))
        return make_view(values, offset, size, stride)


def load_lua(filename, unknown_classes=False, long_size=8):
    """Return the object in a binary file of Lua Torch.

    Tables become dicts, or lists where their keys are 1, 2, 3 ...; tensors and storages become ours; whole numbers
    become ints. Networks of Lua's nn are unknown classes.

    Args:
        filename: a path.
        unknown_classes: keep objects of unknown classes as TorchObjects, instead of raising.
        long_size: bytes of a long in the file.

    Raises:
        T7ReaderException: the file is damaged, or holds an object of an unknown class.
    """
    with open(os.fspath(filename), "rb") as file:
        return T7Reader(file, unknown_classes, long_size).read()
