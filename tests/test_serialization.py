"""Files: what is saved comes back, old files survive a failed save, foreign and damaged files are refused."""
import argparse
import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

import tensorlib
from golden.runner import FOLDER
from tensorlib import nn, serialization
from tensorlib.autograd import Variable

FILES = FOLDER / "files"
VERSIONS = ("v0.2.0", "v2.13-legacy", "v2.13-zip")
TYPES = "Byte Char Short Int Long Half Float Double".split()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.activation = nn.functional.relu

    def forward(self, x):
        return self.activation(self.layer(x))


def roundtrip(obj, **options):
    file = io.BytesIO()
    tensorlib.save(obj, file)
    file.seek(0)
    return tensorlib.load(file, **options)


def same(a, b):
    return type(a) is type(b) and a.size() == b.size() and a.tolist() == b.tolist()


# ---- files of PyTorch ----------------------------------------------------------------------------------

def values(version, name):
    stored = np.load(FILES / ("values-%s.npz" % version))
    return {key.partition("/")[2]: stored[key] for key in stored if key.startswith(name + "/")}


def assert_values(found, expected):
    assert list(found) == list(expected)
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key].double().numpy().reshape(array.shape), array.astype(np.float64))


@pytest.mark.parametrize("version", VERSIONS)
class TestFilesOfPyTorch:
    def load(self, version, name, **options):
        return tensorlib.load(FILES / ("%s-%s.pt" % (name, version)), **options)

    def test_types(self, version):
        found = self.load(version, "types")
        assert [type(t).__name__ for t in found.values()] == [key.capitalize() + "Tensor" for key in found]
        assert_values(found, values(version, "types"))

    def test_shared_storages_stay_shared(self, version):
        found = self.load(version, "shared")
        assert_values({key: found[key] for key in ("whole", "row", "column", "transposed")}, values(version, "shared"))
        assert found["again"] is found["whole"] or found["again"].data_ptr() == found["whole"].data_ptr()
        assert found["note"] == "views of one storage" and found["nested"][:2] == [1, (2.5, None)]
        found["whole"].fill_(7)
        for other in (found["row"], found["column"], found["transposed"], found["nested"][2]["k"]):
            assert (other == 7).all()

    def test_state_dict_goes_into_a_model(self, version):
        found = self.load(version, "state_dict")
        assert isinstance(found, collections.OrderedDict)
        assert_values(found, values(version, "state_dict"))
        found.pop("1.num_batches_tracked", None)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(8, 3))
        model.load_state_dict(found)
        assert same(model[3].weight.data, found["3.weight"])

    def test_checkpoint(self, version):
        found = self.load(version, "checkpoint")
        assert found["epoch"] == 7 and found["groups"][0]["lr"] == 0.01
        model = dict(found["model"])
        model.pop("1.num_batches_tracked", None)
        for key, array in values("v0.2.0", "state_dict").items():
            np.testing.assert_allclose(model[key].numpy(), array, rtol=0, atol=1e-6)
        assert found["moments"][0].size() == (4, 1, 3, 3)

    def test_variables(self, version):
        found = self.load(version, "variables")
        assert type(found["variable"]) is Variable and type(found["parameter"]) is nn.Parameter
        assert found["variable"].requires_grad and found["parameter"].requires_grad
        np.testing.assert_array_equal(found["parameter"].data.numpy(), 2 * found["variable"].data.numpy())

    def test_weights_only(self, version):
        for name in ("types", "shared", "state_dict", "checkpoint", "variables"):
            assert self.load(version, name, weights_only=True).keys() == self.load(version, name).keys()

    def test_from_an_open_file(self, version):
        with open(FILES / ("types-%s.pt" % version), "rb") as file:
            assert_values(tensorlib.load(file), values(version, "types"))


# ---- what is saved comes back --------------------------------------------------------------------------

@pytest.mark.parametrize("kind", TYPES)
def test_every_type(kind, tmp_path):
    tensor = tensorlib.FloatTensor([[1, 2, 3], [4, 5, 6]]).type("tensorlib.%sTensor" % kind)
    path = str(tmp_path / "x.pt")
    tensorlib.save([tensor, tensor.storage()], path)
    found, storage = tensorlib.load(path)
    assert type(found) is type(tensor) and found.double().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert type(storage).__name__ == kind + "Storage" and len(storage) == 6
    assert storage.data_ptr() == found.data_ptr()


def test_views_share_and_strides_stay():
    whole = tensorlib.arange(0, 12).view(3, 4)
    found = roundtrip([whole, whole.t(), whole[1], whole[:, 1:3]])
    assert [t.stride() for t in found] == [(4, 1), (1, 4), (1,), (4, 1)]
    found[0].zero_()
    assert found[3].sum() == 0


def test_a_storage_that_views_another():
    root = tensorlib.FloatStorage([1, 2, 3, 4])
    found, part, again = roundtrip([root, root[1:3], root[1:3]])
    part[0] = 9
    assert found.tolist() == [1, 9, 3, 4] and part.tolist() == [9, 3]


def test_variables_parameters_empty_tensors_and_plain_values():
    leaf = Variable(tensorlib.ones(2), requires_grad=True)
    obj = {"leaf": leaf, "volatile": Variable(tensorlib.ones(1), volatile=True), "none": None, "size": leaf.size(),
           "empty": tensorlib.LongTensor(), "p": nn.Parameter(tensorlib.zeros(3)), "text": "ä", "bytes": b"\0\xff",
           "array": np.arange(3), "scalar": np.float32(2), "set": {1}, "args": argparse.Namespace(lr=0.1)}
    found = roundtrip(obj)
    assert found["leaf"].requires_grad and found["volatile"].volatile and found["empty"].dim() == 0
    assert type(found["p"]) is nn.Parameter and found["text"] == "ä" and found["bytes"] == b"\0\xff"
    assert found["array"].tolist() == [0, 1, 2] and found["scalar"] == 2 and found["args"].lr == 0.1
    assert type(found["size"]) is tensorlib.Size


def test_a_whole_model_comes_back():
    model = Net()
    found = roundtrip(model)
    x = Variable(tensorlib.randn(4, 3))
    assert same(found(x).data, model(x).data)
    assert found.activation is nn.functional.relu


def test_an_optimizer_state_comes_back():
    model = Net()
    optimizer = tensorlib.optim.Adam(model.parameters())
    model(Variable(tensorlib.randn(4, 3))).sum().backward()
    optimizer.step()
    state = roundtrip(optimizer.state_dict(), weights_only=True)
    tensorlib.optim.Adam(model.parameters()).load_state_dict(state)
    assert state["param_groups"] == optimizer.state_dict()["param_groups"]


def test_several_saves_in_one_file():
    file = io.BytesIO()
    tensorlib.save(tensorlib.ones(2), file)
    tensorlib.save("second", file)
    file.seek(0)
    assert tensorlib.load(file).tolist() == [1, 1] and tensorlib.load(file) == "second"


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_every_pickle_protocol(protocol):
    file = io.BytesIO()
    tensorlib.save({"x": tensorlib.ones(2)}, file, pickle_protocol=protocol)
    file.seek(0)
    assert tensorlib.load(file)["x"].tolist() == [1, 1]


def test_protocol_0_cannot_name_storages():
    with pytest.raises(ValueError, match="protocol"):
        tensorlib.save(tensorlib.ones(2), io.BytesIO(), pickle_protocol=0)


def test_the_format_is_the_documented_one():
    file = io.BytesIO()
    tensorlib.save(tensorlib.FloatTensor([1, 2]), file)
    file.seek(0)
    assert pickle.load(file) == 0x1950a86a20f9469cfc6c and pickle.load(file) == 1001
    assert pickle.load(file)["type_sizes"] == {"short": 2, "int": 4, "long": 4}
    ids = []

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, saved_id):
            ids.append(saved_id)
            return tensorlib.FloatStorage(2)

    Unpickler(file).load()
    keys = pickle.load(file)
    assert ids == [("storage", tensorlib.FloatStorage, keys[0], "cpu", 2, None)]
    assert file.read() == struct.pack("<qff", 2, 1, 2)


def test_pytorch_reads_it_when_the_names_are_its_own(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    tensorlib.save({"a": tensorlib.arange(0, 6).view(2, 3).t(), "b": tensorlib.LongTensor([7])}, path)
    path.write_bytes(path.read_bytes().replace(b"ctensorlib", b"ctorch"))
    found = torch.load(path, weights_only=False)
    assert found["a"].tolist() == [[0, 3], [1, 4], [2, 5]] and found["b"].dtype == torch.int64


def test_todays_bools_bfloat16_and_scalars(tmp_path):
    torch = pytest.importorskip("torch")
    for zipped in (True, False):
        torch.save({"bool": torch.tensor([True, False]), "bf": torch.tensor([1.5, -2, 0.25]).bfloat16(),
                    "scalar": torch.tensor(3), "none": torch.zeros(0, 3)}, tmp_path / "x.pt",
                   _use_new_zipfile_serialization=zipped)
        found = tensorlib.load(tmp_path / "x.pt")
        assert found["bool"].tolist() == [1, 0] and found["bf"].tolist() == [1.5, -2, 0.25]
        assert found["scalar"].size() == (1,) and found["scalar"][0] == 3 and found["none"].numel() == 0


# ---- places --------------------------------------------------------------------------------------------

def no_gpu(storage, place):
    raise AssertionError("Torch not compiled with CUDA enabled")


@pytest.mark.parametrize("where, error", [
    (no_gpu, AssertionError), (lambda storage, place: 1 / 0, ZeroDivisionError),
    (lambda storage, place: {}[place], KeyError), (lambda storage, place: place, TypeError), (5, TypeError)])
@pytest.mark.parametrize("format", ["tensorlib", "torch"])
def test_errors_of_map_location_are_the_callers(tmp_path, where, error, format):
    """They say nothing of the file, which is not damaged."""
    tensorlib.save([tensorlib.ones(2)], tmp_path / "x.pt", format=format)
    with pytest.raises(error):
        tensorlib.load(tmp_path / "x.pt", map_location=where)


def test_the_parts_of_the_pickle_protocol():
    x = tensorlib.arange(0, 6).view(2, 3).t()
    storage, *place = x.__getstate__()
    assert place == [0, (3, 2), (1, 3)] and storage.data_ptr() == x.data_ptr()
    function, arguments = x.__reduce__()
    assert function(*arguments).tolist() == x.tolist()
    y = tensorlib.FloatTensor()
    y.__setstate__(x[1:].__getstate__())
    assert y.is_set_to(x[1:])


def test_map_location_in_every_form(tmp_path):
    path = tmp_path / "x.pt"
    tensorlib.save(tensorlib.ones(2), path)
    path.write_bytes(path.read_bytes().replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
    seen = []

    def to_cpu(storage, place):
        seen.append(place)
        return storage

    for where in ("cpu", {"cuda:0": "cpu"}, to_cpu):
        assert tensorlib.load(path, map_location=where).tolist() == [1, 1]
    assert seen == ["cuda:0"]
    if not tensorlib.cuda.is_available():
        with pytest.raises(RuntimeError, match="map_location='cpu'"):
            tensorlib.load(path)


def test_register_package():
    before = list(serialization._registry)
    try:
        serialization.register_package(5, lambda storage: "here" if len(storage) == 3 else None,
                                       lambda storage, place: storage if place == "here" else None)
        assert serialization.location_tag(tensorlib.FloatStorage(3)) == "here"
        assert serialization.location_tag(tensorlib.FloatStorage(2)) == "cpu"
        assert roundtrip(tensorlib.ones(3)).tolist() == [1, 1, 1]
    finally:
        serialization._registry[:] = before
    with pytest.raises(RuntimeError, match="tagged 'here'"):
        serialization.default_restore_location(tensorlib.FloatStorage(1), "here")


# ---- writing is all or nothing -------------------------------------------------------------------------

def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    tensorlib.save("old", path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        tensorlib.save({"x": tensorlib.ones(3), "bad": lambda: 0}, path)
    assert tensorlib.load(path) == "old" and os.listdir(tmp_path) == ["x.pt"]


def test_a_killed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    tensorlib.save("old", path)
    code = """if 1:
        import os, tensorlib
        os.fsync = lambda descriptor: os._exit(9)
        tensorlib.save(tensorlib.zeros(1000), %r)""" % str(path)
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert tensorlib.load(path) == "old"


def test_mode_and_links_stay(tmp_path):
    target, link = tmp_path / "x.pt", tmp_path / "link.pt"
    tensorlib.save(1, target)
    target.chmod(0o640)
    link.symlink_to(target)
    tensorlib.save(2, link)
    assert link.is_symlink() and tensorlib.load(target) == 2 and target.stat().st_mode & 0o777 == 0o640


def test_saving_where_nothing_can_be_replaced():
    tensorlib.save(tensorlib.ones(2), os.devnull)
    assert os.path.exists(os.devnull) and not os.path.isfile(os.devnull)
    with pytest.raises(FileNotFoundError):
        tensorlib.save(1, "/no/such/folder/x.pt")


# ---- foreign, damaged and hostile files ----------------------------------------------------------------

@pytest.mark.parametrize("data", [b"", b"hello world", pickle.dumps([1, 2]), pickle.dumps(0x1950a86a20f9469cfc6c),
                                  b"PK\3\4 no zip", bytes(600), b"\x89PNG\r\n\x1a\n" * 9])
def test_foreign_files(data, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match="x.pt"):
        tensorlib.load(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_truncated_files(version):
    data = (FILES / ("shared-%s.pt" % version)).read_bytes()
    for length in range(0, len(data) - 1, 7):
        with pytest.raises(RuntimeError):
            tensorlib.load(io.BytesIO(data[:length]))


@pytest.mark.parametrize("version", VERSIONS)
def test_damaged_files_raise_or_load(version):
    data = (FILES / ("shared-%s.pt" % version)).read_bytes()
    loaded = 0
    for position in range(0, len(data), 3):
        broken = bytearray(data)
        broken[position] ^= 0x15
        try:
            tensorlib.load(io.BytesIO(bytes(broken)), weights_only=True)
            loaded += 1
        except (RuntimeError, pickle.UnpicklingError):
            pass
    assert loaded < len(data) // 3


class Evil:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def hostile(path, obj, zipped):
    """Write a file that has the form of a checkpoint and the object in its pickle."""
    if zipped:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x/data.pkl", pickle.dumps(obj, 2))
    else:
        tensorlib.save(obj, str(path))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("call", [
    lambda flag: Evil(os.system, "touch " + flag), lambda flag: Evil(eval, "open(%r, 'w')" % flag),
    lambda flag: Evil(subprocess.Popen, ["touch", flag]), lambda flag: Evil(os.mkdir, flag),
    lambda flag: Evil(getattr, os, "system"), lambda flag: Evil(tensorlib.save, 1, flag),
    lambda flag: Evil(tensorlib.vision.datasets.MNIST, flag, True, None, None, True)],
    ids="system eval Popen mkdir getattr save download".split())
def test_hostile_files_are_refused(zipped, call, tmp_path):
    path, flag = tmp_path / "x.pt", str(tmp_path / "flag")
    try:
        hostile(path, call(flag), zipped)
    except TypeError:
        hostile(path, Evil(os.system, "touch " + flag), zipped)     # a module cannot be pickled
    with pytest.raises(pickle.UnpicklingError, match="weights_only=False"):
        tensorlib.load(path)
    assert not os.path.exists(flag)


def test_anything_goes_when_told_so(tmp_path):
    path, flag = tmp_path / "x.pt", str(tmp_path / "flag")
    for zipped in (False, True):
        hostile(path, Evil(os.mkdir, flag), zipped)
        tensorlib.load(path, weights_only=False)
        os.rmdir(flag)


def test_classes_are_refused_where_only_weights_may_come(tmp_path):
    path = tmp_path / "x.pt"
    tensorlib.save(Net(), path)
    with pytest.raises(pickle.UnpicklingError, match="Net"):
        tensorlib.load(path, weights_only=True)
    hostile(path, argparse.Namespace(), True)
    with pytest.raises(pickle.UnpicklingError, match="argparse.Namespace"):
        tensorlib.load(path)


def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path):
    from tensorlib._utils import _rebuild_tensor
    storage = tensorlib.FloatStorage(4)
    for offset, size, stride in [(0, (5,), (1,)), (3, (2,), (1,)), (0, (2, 2), (3, 1)), (-1, (1,), (1,)),
                                 (0, (2,), (-1,)), (0, (2, 2), (1,)), (0, (1 << 62, 4), (1 << 40, 1))]:
        with pytest.raises(RuntimeError):
            _rebuild_tensor(storage, offset, size, stride)


def test_a_storage_that_claims_too_much_takes_no_memory():
    data = (FILES / "types-v0.2.0.pt").read_bytes().replace(b"K\x0cN", b"\x8a\x06\0\0\0\0\0\x10N")
    with pytest.raises(RuntimeError, match="longer than the file"):
        tensorlib.load(io.BytesIO(data))


# ---- sources of classes, v0.1 --------------------------------------------------------------------------

def test_changed_source_warns(tmp_path):
    (tmp_path / "mynet.py").write_text("from tensorlib import nn\nclass Mine(nn.Module):\n    pass\n")
    path = str(tmp_path / "x.pt")
    code = "import sys; sys.path.insert(0, %r); import mynet, tensorlib; " % str(tmp_path)
    subprocess.run([sys.executable, "-c", code + "tensorlib.save(mynet.Mine(), %r)" % path], check=True)
    (tmp_path / "mynet.py").write_text("from tensorlib import nn\nclass Mine(nn.Module):\n    changed = 1\n")
    check = code + "import warnings; warnings.simplefilter('error'); tensorlib.load(%r)" % path
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert run.returncode == 1 and "SourceChangeWarning: the source of class mynet.Mine has changed" in run.stderr


def test_unchanged_source_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(roundtrip(Net()), Net)


def test_tar_files_of_version_0_1(tmp_path):
    def member(tar, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    def pickled(*objects):
        return b"".join(pickle.dumps(obj, 2).replace(b"ctensorlib", b"ctorch") for obj in objects)

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return str(obj.key) if isinstance(obj, Key) else None

    class Key:
        def __init__(self, key):
            self.key = key

    body = io.BytesIO()
    Pickler(body, 2).dump({"x": Key(20), "again": Key(20), "storage": Key(11)})
    storages = (pickled(1, (10, "cpu", tensorlib.FloatStorage)) + struct.pack("<q4f", 4, 1, 2, 3, 4)
                + pickled([(11, 10, 1, 2)]))
    tensors = (pickled(1, (20, 10, tensorlib.FloatTensor)) + struct.pack("<ixxxx", 2) + struct.pack("<4q", 2, 2, 1, 2)
               + struct.pack("<q", 0))
    path = tmp_path / "x.pt"
    with tarfile.open(path, "w") as tar:
        for name, data in (("storages", storages), ("tensors", tensors), ("pickle", body.getvalue())):
            member(tar, name, data)
    found = tensorlib.load(path)
    assert found["x"].tolist() == [[1, 3], [2, 4]] and found["storage"].tolist() == [2, 3]
    assert found["again"] is found["x"]
