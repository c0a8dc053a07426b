"""Storages: construction, views, casts, copies, buffers, files; each name that v0.2 has."""
import os
import struct

import pytest

import tensorlib

KINDS = dict(zip("Byte Char Short Int Long Half Float Double".split(), "Bbhiqefd"))
FLOATS = ("Half", "Float", "Double")


def cls(kind):
    return getattr(tensorlib, kind + "Storage")


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


def test_construction(kind):
    make = cls(kind)
    assert len(make()) == 0 and make(3).size() == len(make(3)) == 3
    s = make([1, 2, 3, 4])
    assert s.tolist() == [1, 2, 3, 4] == list(s) and make((5, 6)).tolist() == [5, 6]
    assert type(s.tolist()[0]) is (float if kind in FLOATS else int)
    assert s.element_size() == struct.calcsize("=" + KINDS[kind])
    for wrong in (1.5,), ("x", 2), ([1], 2), (make([1]), "x"), (None,), (1, 2):
        with pytest.raises((TypeError, RuntimeError)):
            make(*wrong)
    with pytest.raises(RuntimeError):
        make(["a"])
    with pytest.raises((RuntimeError, MemoryError)):
        make(1 << 61)


def test_views(kind):
    """A storage on a part of another one, and slices: one memory."""
    make = cls(kind)
    s = make([1, 2, 3, 4, 5])
    for view in make(s, 1, 3), s[1:4], make(s, 1)[:3]:
        assert view.tolist() == [2, 3, 4] and view.data_ptr() == s.data_ptr() + s.element_size()
        view[0] = 9
        assert s[1] == 9
        s[1] = 2
    assert make(s).tolist() == s.tolist()
    for wrong in (s, 3, 4), (s, -1), (s, 6):
        with pytest.raises(RuntimeError, match="does not fit"):
            make(*wrong)
    with pytest.raises(TypeError, match="cannot be a view"):
        make(cls("Int" if kind != "Int" else "Long")(4), 0, 1)
    with pytest.raises(RuntimeError):
        s.resize_(100)                          # the views would look at memory that is gone


def test_items(kind):
    s = cls(kind)([1, 2, 3])
    s[0] = 7
    assert s[0] == 7 and s[-1] == 3 and [x for x in s] == [7, 2, 3]
    s[1:] = 5
    assert s.tolist() == [7, 5, 5]
    for call in lambda: s[3], lambda: s[-4]:
        with pytest.raises(IndexError):
            call()
    with pytest.raises(RuntimeError, match="step"):
        s[::2]
    with pytest.raises(TypeError):
        s["a"]
    with pytest.raises(RuntimeError):
        s[5] = 1


def test_fill_clone_new_resize(kind):
    s = cls(kind)([1, 2, 3])
    twin = s.clone()
    assert s.fill_(4) is s and s.tolist() == [4, 4, 4] and twin.tolist() == [1, 2, 3]
    assert type(s.new()) is type(s) and len(s.new()) == 0 and s.new([8]).tolist() == [8]
    assert twin.resize_(5) is twin and twin.tolist()[:3] == [1, 2, 3] and len(twin) == 5
    assert twin.resize_(2).tolist() == [1, 2]
    with pytest.raises(RuntimeError):
        s.fill_("x")
    assert s.cpu() is s and not s.is_cuda and not s.is_sparse and not s.is_pinned() and not s.is_shared()
    assert s.share_memory_() is s and s.is_shared() and s.tolist() == [4, 4, 4]


@pytest.mark.parametrize("other", list(KINDS))
def test_casts_and_copies(kind, other):
    s = cls(kind)([1, 2, 3])
    found = getattr(s, other.lower())()
    assert type(found) is cls(other) and found.tolist() == [1, 2, 3]
    assert (found is s) == (kind == other)
    for name in cls(other), "tensorlib.%sStorage" % other:
        assert type(s.type(name)) is cls(other) and s.type(name).tolist() == [1, 2, 3]
    assert s.type() == "tensorlib.%sStorage" % kind
    assert cls(other)(3).copy_(s).tolist() == [1, 2, 3]
    assert cls(other)(3).copy_(s, **{"async": True}).tolist() == [1, 2, 3]


def test_casts_truncate_and_wrap():
    assert tensorlib.FloatStorage([1.9, -1.9, 300]).int().tolist() == [1, -1, 300]
    assert tensorlib.IntStorage([300, -1]).byte().tolist() == [44, 255]
    with pytest.raises(ValueError, match="unknown storage type"):
        tensorlib.FloatStorage(1).type("tensorlib.OddStorage")


@pytest.mark.parametrize("order, mark", [("native", "="), ("little", "<"), ("big", ">")])
def test_from_buffer(kind, order, mark):
    data = struct.pack("%s3%s" % (mark, KINDS[kind]), 1, 2, 3)
    size = len(data) // 3
    make = cls(kind).from_buffer
    for buffer in data, bytearray(data), memoryview(data):
        assert make(buffer, order).tolist() == [1, 2, 3]
    assert make(data, byte_order=order, count=1, offset=size).tolist() == [2]
    assert make(data, order, offset=3 * size).tolist() == []
    copy = bytearray(data)
    s = make(copy, order)
    copy[:] = bytes(len(copy))
    assert s.tolist() == [1, 2, 3]              # a copy
    for options in dict(count=4), dict(offset=-1), dict(offset=len(data) + 1), dict(offset=1, count=3):
        with pytest.raises(ValueError):
            make(data, order, **options)
    with pytest.raises(ValueError, match="byte_order"):
        make(data, "middle")


def test_from_file(kind, tmp_path):
    path = str(tmp_path / "x")
    with open(path, "wb") as file:
        file.write(struct.pack("=4" + KINDS[kind], 1, 2, 3, 4))
    private = cls(kind).from_file(path)
    assert private.tolist() == [1, 2, 3, 4] and not private.is_shared()
    private[0] = 9                              # stays here
    shared = cls(kind).from_file(path, shared=True, size=6)
    assert shared[0] == 1 and len(shared) == 6 and shared.is_shared() and shared[5] == 0
    shared[5] = 7                               # goes to the file, which has grown
    assert os.path.getsize(path) == 6 * shared.element_size()
    assert cls(kind).from_file(path, size=6)[5] == 7
    made = cls(kind).from_file(str(tmp_path / "new"), True, 3)
    assert made.tolist() == [0, 0, 0]
    with pytest.raises((OSError, RuntimeError)):
        cls(kind).from_file(str(tmp_path / "nowhere"))
    with pytest.raises((ValueError, RuntimeError)):
        cls(kind).from_file(path, size=100)


def test_without_a_gpu():
    if tensorlib.cuda.is_available():
        assert tensorlib.FloatStorage(2).cuda().is_cuda
        return
    for call in tensorlib.FloatStorage(2).cuda, tensorlib.FloatStorage(2).pin_memory:
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            call()


def test_text():
    assert repr(tensorlib.FloatStorage([1, 2.5])) == " 1.0\n 2.5\n[tensorlib.FloatStorage of size 2]"
    assert str(tensorlib.IntStorage()) == " \n[tensorlib.IntStorage of size 0]"


def test_storages_of_tensors(kind):
    tensor = tensorlib.FloatTensor([[1, 2], [3, 4]]).type("tensorlib.%sTensor" % kind)
    storage = tensor[1].storage()
    assert type(storage) is cls(kind) is type(tensor).storage_type() and storage.tolist() == [1, 2, 3, 4]
    storage[0] = 8
    assert tensor.double()[0, 0] == 8
    assert getattr(tensorlib, kind + "Tensor")(storage).storage() is storage
