"""Files of Lua Torch, written here byte by byte as the format says; damaged ones; small tools of libraries."""
import struct

import pytest

import tensorlib
from tensorlib import _C, _utils
from tensorlib.utils.serialization import T7ReaderException, TorchObject, load_lua


class Writer:
    """Writes objects as Lua Torch does."""

    def __init__(self):
        self.data, self.count = b"", 0

    def int(self, *numbers):
        self.data += struct.pack("<%di" % len(numbers), *numbers)
        return self

    def long(self, *numbers):
        self.data += struct.pack("<%dq" % len(numbers), *numbers)
        return self

    def text(self, text):
        text = text if isinstance(text, bytes) else text.encode()
        self.int(len(text)).data += text
        return self

    def new(self):
        self.count += 1
        return self.count

    def write(self, obj):
        if obj is None:
            return self.int(0)
        if isinstance(obj, bool):
            return self.int(5, obj)
        if isinstance(obj, (int, float)):
            self.int(1).data += struct.pack("<d", obj)
            return self
        if isinstance(obj, (str, bytes)):
            return self.int(2).text(obj)
        pairs = obj.items() if isinstance(obj, dict) else enumerate(obj, 1)
        self.int(3, self.new(), len(obj))
        for key, value in pairs:
            self.write(key).write(value)
        return self

    def begin(self, cls):
        return self.int(4, self.new()).text("V 1").text(cls)

    def storage(self, kind, form, values):
        data = struct.pack("<%d%s" % (len(values), form), *values)
        self.begin("torch.%sStorage" % kind).long(len(values)).data += data
        return self

    def tensor(self, kind, size, stride, offset):
        return self.begin("torch.%sTensor" % kind).int(len(size)).long(*size, *stride, offset)


def load(tmp_path, data, **options):
    path = tmp_path / "x.t7"
    path.write_bytes(data)
    return load_lua(str(path), **options)


def test_plain_values(tmp_path):
    for value in None, True, False, 3, -2.5, "text", "\u00e4", [1, [2, "x"]], {"a": 1, "b": [True]}, {2: 3}, {}:
        found = load(tmp_path, Writer().write(value).data)
        assert found == value and type(found) is type(value)
    assert load(tmp_path, Writer().write(b"\xff").data) == "\xff"


def test_a_table_that_holds_itself(tmp_path):
    writer = Writer().int(3, 1, 1).write("me").int(3, 1)
    found = load(tmp_path, writer.data)
    assert found["me"] is found


@pytest.mark.parametrize("kind, form", list(zip("Byte Char Short Int Long Half Float Double".split(),
                                                "Bbhiqefd")))
def test_every_type_of_tensor(kind, form, tmp_path):
    writer = Writer().tensor(kind, (2, 3), (1, 2), 2).storage(kind, form, range(8))
    found = load(tmp_path, writer.data)
    assert found.type() == "tensorlib.%sTensor" % kind and found.double().tolist() == [[1, 3, 5], [2, 4, 6]]
    assert found.stride() == (1, 2) and found.storage_offset() == 1
    assert load(tmp_path, Writer().storage(kind, form, [1, 2]).data).tolist() == [1, 2]


def test_shared_storages(tmp_path):
    writer = Writer().int(3, 100, 2)
    writer.write(1).tensor("Float", (2,), (1,), 1).storage("Float", "f", [1, 2, 3])
    writer.write(2).tensor("Float", (2,), (1,), 2).int(4, 2)            # the storage again, by its number
    a, b = load(tmp_path, writer.data)
    b[0] = 9
    assert a.tolist() == [1, 9] and b.tolist() == [9, 3]


def test_empty_tensors_and_short_longs(tmp_path):
    assert load(tmp_path, Writer().tensor("Double", (), (), 1).write(None).data).type() == "tensorlib.DoubleTensor"
    data = Writer().begin("torch.IntTensor").int(1, 2, 1, 1).begin("torch.IntStorage").int(2, 5, 6).data
    assert load(tmp_path, data, long_size=4).tolist() == [5, 6]


def test_classes_and_functions(tmp_path):
    data = Writer().begin("nn.Linear").write({"bias": 1, "train": True}).data
    with pytest.raises(T7ReaderException, match="nn.Linear.*unknown_classes=True"):
        load(tmp_path, data)
    found = load(tmp_path, data, unknown_classes=True)
    assert isinstance(found, TorchObject) and found.torch_typename() == "nn.Linear" and found.bias == 1
    with pytest.raises(AttributeError, match="nn.Linear"):
        found.weight
    assert load(tmp_path, Writer().int(8, 1).text(b"code").write([1]).data) == (4, b"code", [1])


def test_damaged_files(tmp_path):
    good = Writer().tensor("Float", (2, 3), (3, 1), 1).storage("Float", "f", range(6)).data
    for length in range(len(good)):
        with pytest.raises(T7ReaderException):
            load(tmp_path, good[:length])
    bad = [b"hello, I am no such file", struct.pack("<iii", 2, -5, 0), struct.pack("<3i", 3, 1, 1) * 300,
           Writer().tensor("Float", (2, 3), (3, 1), 2).storage("Float", "f", range(6)).data,
           Writer().tensor("Float", (2,), (1,), 1).storage("Int", "i", range(6)).data,
           Writer().begin("torch.FloatTensor").int(1000).data, Writer().begin("torch.FloatStorage").long(1 << 60).data,
           Writer().begin("torch.FloatStorage").long(-1).data, Writer().int(3, 1, 1).write([1]).write(1).data]
    for data in bad:
        with pytest.raises(T7ReaderException):
            load(tmp_path, data)


# ---- small tools ---------------------------------------------------------------------------------------


def test_flatten():
    tensors = [tensorlib.arange(0, 6).view(2, 3).t(), tensorlib.Tensor([7]), tensorlib.ones(1, 2)]
    flat = _utils._flatten_tensors(tensors)
    assert flat.tolist() == [0, 3, 1, 4, 2, 5, 7, 1, 1]
    parts = _utils._unflatten_tensors(flat, tensors)
    assert [part.tolist() for part in parts] == [tensor.tolist() for tensor in tensors] and type(parts) is tuple
    parts[1].fill_(8)
    assert flat[6] == 8
    assert list(_utils._accumulate([1, 2, 3])) == [1, 3, 6]
    assert list(_utils._accumulate([2, 3, 4], lambda x, y: x * y)) == [2, 6, 24]


def test_infer_size():
    size = _C._infer_size(tensorlib.Size([3, 1, 2]), tensorlib.Size([4, 1]))
    assert size == (3, 4, 2) and type(size) is tensorlib.Size
    with pytest.raises(RuntimeError, match=r"a \(3\) must match .* b \(4\) at non-singleton dimension 1"):
        _C._infer_size(tensorlib.Size([2, 3]), tensorlib.Size([4]))
