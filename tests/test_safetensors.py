"""The safetensors format: every type, both ways with PyTorch's own reader and writer, and what must not be saved."""
import os
import subprocess
import sys

import numpy
import pytest

import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.utils.safetensors import load, load_file, load_metadata, save, save_file

library = pytest.importorskip("safetensors")
TYPES = "Byte Char Short Int Long Half Float Double".split()


def content():
    values = {kind: tensorlib.FloatTensor([[1, 2, 3], [4, 5, 6]]).type("tensorlib.%sTensor" % kind) for kind in TYPES}
    values["empty"] = tensorlib.LongTensor()
    return values


def same(found, expected):
    return found.type() == expected.type() and found.size() == expected.size() and found.tolist() == expected.tolist()


def test_every_type_comes_back(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file(content(), path, metadata={"epoch": "3"})
    for found in load_file(path), load(path.read_bytes()), load(save(content())):
        assert sorted(found) == sorted(content())
        assert all(same(found[name], tensor) for name, tensor in content().items())
    assert load_metadata(path) == {"epoch": "3"} and os.listdir(tmp_path) == ["x.safetensors"]
    found["Float"].mul_(2)                      # ordinary memory, which may be written and grow
    assert found["Float"].resize_(100).numel() == 100


def test_pytorch_reads_and_writes_it(tmp_path):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("safetensors.torch")
    path = str(tmp_path / "x")
    save_file(content(), path, {"k": "v"})
    found = theirs.load_file(path)
    for name, tensor in content().items():
        assert found[name].tolist() == tensor.tolist() and str(found[name].dtype)[6:] == \
            tensor.new(1).numpy().dtype.name
    theirs.save_file({"bool": torch.tensor([True, False]), "bf16": torch.tensor([[1.5, -2, 0.25]]).bfloat16(),
                      "scalar": torch.tensor(3.5), "none": torch.zeros(0, 3),
                      "u16": torch.tensor([65535]).to(torch.uint16), "u32": torch.tensor([1 << 31]).to(torch.uint32),
                      "u64": torch.tensor([5]).to(torch.uint64)}, path)
    found = load_file(path)
    assert same(found["bool"], tensorlib.ByteTensor([1, 0])) and same(found["scalar"], tensorlib.FloatTensor([3.5]))
    assert same(found["bf16"], tensorlib.FloatTensor([[1.5, -2, 0.25]])) and found["none"].dim() == 0
    assert same(found["u16"], tensorlib.IntTensor([65535])) and same(found["u32"], tensorlib.LongTensor([1 << 31]))
    assert same(found["u64"], tensorlib.LongTensor([5]))
    theirs.save_file({"f8": torch.tensor([1.0]).to(torch.float8_e4m3fn)}, path)
    with pytest.raises(TypeError, match="'f8' is of type F8_E4M3"):
        load_file(path)


def test_too_large_numbers():
    numpy_side = pytest.importorskip("safetensors.numpy")
    with pytest.raises(ValueError, match="63 bits"):
        load(numpy_side.save({"x": numpy.array([1 << 63], numpy.uint64)}))


def test_a_model_goes_through():
    model, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    twin.load_state_dict(load(save(model.state_dict())))
    assert same(twin.weight.data, model.weight.data)
    found = load(save({"v": Variable(tensorlib.ones(2)), "p": nn.Parameter(tensorlib.zeros(2))}))
    assert found["v"].tolist() == [1, 1] and found["p"].tolist() == [0, 0]


def test_what_cannot_be_saved(tmp_path):
    path, base = tmp_path / "x", tensorlib.ones(4, 4)
    cases = [({"x": base.t()}, ValueError, "not contiguous"), ({"a": base, "b": base[1]}, RuntimeError, "share memory"),
             ({"a": base, "b": base}, RuntimeError, "share memory"), ({"x": [1, 2]}, TypeError, "list"),
             ({1: base}, TypeError, "names")]
    for tensors, error, text in cases:
        with pytest.raises(error, match=text):
            save_file(tensors, path)
    with pytest.raises(TypeError, match="strings"):
        save({"x": base}, metadata={"epoch": 3})
    assert os.listdir(tmp_path) == []
    assert load(save({"a": base[0], "b": base[1]}))["b"].tolist() == [1] * 4        # apart in one storage is fine


def test_damaged_files(tmp_path):
    data = save(content())
    for broken in b"", data[:7], data[:100], data[:-1], data + b"x", b"\xff" * 100, b"hello world, this is no file":
        with pytest.raises(RuntimeError, match="cannot be read"):
            load(broken)
        (tmp_path / "x").write_bytes(broken)
        for call in load_file, load_metadata:
            with pytest.raises(RuntimeError, match="x cannot be read"):
                call(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / "nowhere")


def test_the_library_is_an_extra():
    code = """
import sys
sys.modules["safetensors"] = None
import tensorlib
try:
    tensorlib.utils.safetensors.load(b"")
except ImportError as error:
    assert "pip install tensorlib[safetensors]" in str(error), error
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
