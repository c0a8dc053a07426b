"""Files between programs: the bytes of v0.2, files for PyTorch, whole modules, streams, large files."""
import collections
import copy
import gzip
import io
import os
import pickle
import pickletools
import re
import subprocess
import sys
import threading
import types

import pytest

import tensorlib
from golden.runner import FOLDER
from tensorlib import nn, serialization
from tensorlib.autograd import Variable

FILES = FOLDER / "files"
NAMES = ("types", "shared", "state_dict", "checkpoint", "variables")
TYPES = "Byte Char Short Int Long Half Float Double".split()


def saved(obj, **options):
    file = io.BytesIO()
    tensorlib.save(obj, file, **options)
    return file.getvalue()


def content():
    """Views, every type, the empty tensor, plain values."""
    base = tensorlib.arange(0, 12).view(3, 4)
    values = collections.OrderedDict(base=base, row=base[1], turned=base.t(), empty=tensorlib.LongTensor(),
                                     size=base.size(), plain=[1, (2.5, None, "ä")])
    for kind in TYPES:
        values[kind] = tensorlib.FloatTensor([1, 2, 3]).type("tensorlib.%sTensor" % kind)
    return values


# ---- the bytes -----------------------------------------------------------------------------------------


def opcodes(data, keys):
    """The opcodes of a pickle, storage keys replaced by their number; and how many bytes it has."""
    found = []
    for code, argument, position in pickletools.genops(data):
        if isinstance(argument, str) and re.fullmatch(r"\d{14}", argument):
            argument = keys.setdefault(argument, "key %d" % len(keys))
        found.append((code.name, argument))
    return found, position + 1


def element_sizes(data):
    """The bytes of an element of each storage, by key, as the persistent ids of an object tell."""
    class Anything(dict):
        def __init__(self, *args):
            pass

        def __setstate__(self, state):
            pass

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return type(name, (Anything,), {})

        def persistent_load(self, saved_id):
            sizes[saved_id[2]] = getattr(tensorlib, saved_id[1].__name__)(1).element_size()
            return Anything()

    sizes = {}
    Unpickler(io.BytesIO(data)).load()
    return sizes


def taken_apart(data):
    """What a file holds: its first four pickles as opcodes, whether the keys are sorted, the bytes of each storage."""
    keys, pickles, storages = {}, [], {}
    for _ in range(4):
        codes, length = opcodes(data, keys)
        pickles.append(codes)
        this, data = data[:length], data[length:]
    sizes = element_sizes(this)
    file = io.BytesIO(data)
    order = pickle.load(file)
    for key in order:
        count = file.read(8)
        storages[keys[key]] = count + file.read(int.from_bytes(count, "little") * sizes[key])
    assert file.read() == b""
    return pickles, order == sorted(order), storages


@pytest.mark.parametrize("name", NAMES)
def test_what_version_0_2_wrote_is_written_again(name):
    """The same pickles in the same order, opcode by opcode, and the same bytes of each storage."""
    path = FILES / (name + "-v0.2.0.pt")
    theirs, ours = taken_apart(path.read_bytes()), taken_apart(saved(tensorlib.load(path), format="torch"))
    assert ours == theirs and ours[1]


def test_names_of_this_package_are_the_only_difference():
    for name in NAMES:
        obj = tensorlib.load(FILES / (name + "-v0.2.0.pt"))
        assert saved(obj).replace(b"ctensorlib", b"ctorch") == saved(obj, format="torch")


@pytest.mark.parametrize("format", serialization.FORMATS)
def test_the_same_object_gives_the_same_file(format):
    assert saved(content(), format=format) == saved(content(), format=format)


# ---- files for PyTorch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["torch", "zip"])
@pytest.mark.parametrize("weights_only", [True, False])
def test_pytorch_loads_it(format, weights_only, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    tensorlib.save(content(), path, format=format)
    found = torch.load(path, weights_only=weights_only)
    assert isinstance(found, collections.OrderedDict) and list(found) == list(content())
    assert found["turned"].tolist() == content()["turned"].tolist() and found["turned"].stride() == (1, 4)
    assert found["empty"].dtype == torch.int64 and found["empty"].numel() == 0
    assert type(found["size"]) is torch.Size and found["plain"] == [1, (2.5, None, "ä")]
    for kind, dtype in zip(TYPES, "uint8 int8 int16 int32 int64 float16 float32 float64".split()):
        assert found[kind].tolist() == [1, 2, 3] and found[kind].dtype == getattr(torch, dtype)
    found["base"].zero_()
    assert found["row"].sum() == 0 and found["turned"].sum() == 0


def test_zip_files_hold_variables_and_can_be_mapped(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    storage = tensorlib.FloatStorage(range(10))
    part = tensorlib.FloatTensor(storage[2:6])
    tensorlib.save({"v": Variable(tensorlib.ones(2), requires_grad=True), "p": nn.Parameter(tensorlib.zeros(3)),
                    "plain": Variable(tensorlib.ones(1)), "part": part, "storage": storage}, path, format="zip")
    for options in dict(weights_only=True), dict(weights_only=False), dict(mmap=True):
        found = torch.load(path, **options)
        assert found["v"].requires_grad and isinstance(found["p"], torch.nn.Parameter)
        assert not found["plain"].requires_grad and found["part"].tolist() == [2, 3, 4, 5]
        assert found["part"].storage_offset() == 2
    again = tensorlib.load(path)
    assert type(again["p"]) is nn.Parameter and again["v"].requires_grad
    assert again["storage"].tolist() == list(range(10))
    again["storage"][3] = 77
    assert again["part"].tolist() == [2, 77, 4, 5]


def test_zip_storages_are_aligned():
    data = saved(content(), format="zip")
    import zipfile
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        for entry in file.infolist():
            header = data[entry.header_offset:entry.header_offset + 30]
            start = entry.header_offset + 30 + int.from_bytes(header[26:28], "little") + \
                int.from_bytes(header[28:30], "little")
            assert start % 64 == 0 and entry.compress_type == 0, entry.filename


def test_pytorch_loads_whole_modules(tmp_path):
    torch = pytest.importorskip("torch")
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    tensorlib.save(model, tmp_path / "x.pt", format="torch")
    found = torch.load(tmp_path / "x.pt", weights_only=False)
    x = tensorlib.randn(4, 3)
    expected = model(Variable(x)).data.tolist()
    assert found(torch.tensor(x.tolist())).tolist() == [pytest.approx(row, abs=1e-6) for row in expected]


def test_formats_that_cannot():
    with pytest.raises(ValueError, match="expected one of tensorlib, torch, zip"):
        tensorlib.save(1, io.BytesIO(), format="tar")
    with pytest.raises(ValueError, match="protocol 2"):
        tensorlib.save(1, io.BytesIO(), pickle_protocol=4, format="zip")
    with pytest.raises(ValueError, match="standard pickle module"):
        tensorlib.save(1, io.BytesIO(), pickle_module=types.ModuleType("other"), format="torch")
    with pytest.raises(ValueError, match="only the whole one"):
        tensorlib.save(tensorlib.FloatStorage(4)[1:3], io.BytesIO(), format="zip")


def test_another_pickle_module():
    other = types.SimpleNamespace(Pickler=pickle._Pickler, Unpickler=pickle._Unpickler, dump=pickle.dump)
    data = saved(content(), pickle_module=other)
    assert data == saved(content())
    found = tensorlib.load(io.BytesIO(data), pickle_module=other)
    assert found["turned"].tolist() == content()["turned"].tolist()


# ---- whole modules of v0.2 -----------------------------------------------------------------------------


def as_of_version_0_2(model):
    """The file that v0.2 wrote of a model: with its C backend, and without what came later."""
    backend = types.ModuleType("tensorlib.nn.backends.thnn")

    def _get_thnn_function_backend():
        raise AssertionError("stands in the file, is not called here")

    _get_thnn_function_backend.__module__ = backend.__name__
    _get_thnn_function_backend.__qualname__ = "_get_thnn_function_backend"
    backend._get_thnn_function_backend = _get_thnn_function_backend

    class Backend:
        def __reduce__(self):
            return _get_thnn_function_backend, ()

    for module in model.modules():
        module.__dict__["_backend"] = Backend()
        for later in ("_forward_pre_hooks", "dim"):
            module.__dict__.pop(later, None)
        if isinstance(module, nn.LSTM):
            module.__dict__.update(dropout_state={}, _data_ptrs=[])
    sys.modules[backend.__name__] = backend
    try:
        return saved(model, format="torch")
    finally:
        del sys.modules[backend.__name__]


def test_whole_modules_of_version_0_2():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(),
                          nn.LogSoftmax())
    model.eval()
    twin = tensorlib.load(io.BytesIO(as_of_version_0_2(copy.deepcopy(model))))
    x = Variable(tensorlib.randn(2, 1, 8, 8))
    assert twin(x).data.tolist() == model(x).data.tolist() and not twin.training
    lstm = nn.LSTM(3, 4, 2, bidirectional=True)
    twin = tensorlib.load(io.BytesIO(as_of_version_0_2(copy.deepcopy(lstm))))
    x = Variable(tensorlib.randn(5, 2, 3))
    assert twin(x)[0].data.tolist() == lstm(x)[0].data.tolist()
    assert [len(weights) for weights in twin.all_weights] == [4] * 4
    assert twin.register_forward_pre_hook(lambda module, input: None)


class Tied(nn.Module):
    """Two layers with one weight, a buffer, a hook and a list."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight
        self.register_buffer("mean", tensorlib.zeros(3))
        self.sizes = [3]

    def forward(self, x):
        return self.b(self.a(x)) - Variable(self.mean)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)),
                                 lambda m: tensorlib.load(io.BytesIO(saved(m)))], ids=["deepcopy", "pickle", "file"])
def test_copies_of_modules(how):
    model = Tied()
    model.train(False)
    twin = how(model)
    assert twin.b.weight is twin.a.weight and twin.a.weight is not model.a.weight and not twin.training
    assert twin.a.weight.data.tolist() == model.a.weight.data.tolist() and twin.a.weight.requires_grad
    twin.a.weight.data.zero_()
    twin.mean.fill_(1)
    twin.sizes.append(4)
    assert model.a.weight.data.abs().sum() > 0 and model.mean.sum() == 0 and model.sizes == [3]
    assert list(twin.state_dict()) == list(model.state_dict())


# ---- another interpreter -------------------------------------------------------------------------------


def test_pickles_are_read_by_a_fresh_interpreter(tmp_path):
    """Which has imported nothing, by plain pickle and by load."""
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    optimizer = tensorlib.optim.Adam(model.parameters(), lr=0.25)
    model(Variable(tensorlib.ones(1, 3))).sum().backward()
    optimizer.step()
    base = tensorlib.arange(0, 6).view(2, 3)
    obj = {"base": base, "row": base[1], "storage": tensorlib.IntStorage([7, 8]), "size": base.size(),
           "variable": Variable(base[:, :2], requires_grad=True), "parameter": nn.Parameter(base.clone()),
           "state": optimizer.state_dict(), "model": model}
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(obj))
    tensorlib.save(obj, tmp_path / "x.pt")
    code = """if 1:
        import pickle, sys
        if sys.argv[1] == "load":
            import tensorlib
            found = tensorlib.load(sys.argv[2])
        else:
            with open(sys.argv[2], "rb") as file:
                found = pickle.load(file)
        import tensorlib
        from tensorlib.autograd import Variable
        assert found["row"].tolist() == [3, 4, 5] and found["storage"].tolist() == [7, 8]
        assert found["base"].stride() == (3, 1) and found["size"] == (2, 3)
        assert found["variable"].requires_grad and found["variable"].data.tolist() == [[0, 1], [3, 4]]
        assert type(found["parameter"]).__name__ == "Parameter" and found["parameter"].requires_grad
        model = found["model"]
        optimizer = tensorlib.optim.Adam(model.parameters())
        optimizer.load_state_dict(found["state"])
        assert optimizer.param_groups[0]["lr"] == 0.25 and len(optimizer.state) == 2
        model(Variable(tensorlib.ones(1, 3))).sum().backward()
        optimizer.step()
        if sys.argv[1] == "load":
            found["base"].zero_()
            assert found["row"].sum() == 0 and found["variable"].data.sum() == 0
    """
    for how, name in ("pickle", "x.pickle"), ("load", "x.pt"):
        run = subprocess.run([sys.executable, "-c", code, how, str(tmp_path / name)], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr


def test_optimizers_are_pickled_whole():
    model = nn.Linear(2, 1)
    optimizer = tensorlib.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    model(Variable(tensorlib.ones(1, 2))).sum().backward()
    optimizer.step()
    twin, other = tensorlib.load(io.BytesIO(saved([model, optimizer])))
    assert other.param_groups[0]["params"][0] is twin.weight and other.param_groups[0]["momentum"] == 0.9
    assert other.state[twin.weight]["momentum_buffer"].tolist() == \
        optimizer.state[model.weight]["momentum_buffer"].tolist()


# ---- sources of classes --------------------------------------------------------------------------------


def test_patches(tmp_path):
    """dump_patches writes what leads back to the saved source, and never over another file."""
    old = "from tensorlib import nn\nclass Mine(nn.Module):\n    dump_patches = True\n    value = 1\n"
    source, path = tmp_path / "mynet.py", str(tmp_path / "x.pt")
    source.write_text(old)

    def python(code):
        run = subprocess.run([sys.executable, "-B", "-c", "import mynet, tensorlib; " + code], cwd=tmp_path, text=True,
                             capture_output=True, env=dict(os.environ, PYTHONPATH=os.pathsep.join(
                                 [str(tmp_path), str(FOLDER.parent.parent)])))
        assert run.returncode == 0, run.stderr
        return run.stderr

    python("tensorlib.save(mynet.Mine(), %r)" % path)
    source.write_text(old.replace("value = 1", "value = 2"))
    for _ in range(2):                  # the same patch may stand there already
        assert "the difference is in Mine.patch: `patch -p0 < Mine.patch`" in python("tensorlib.load(%r)" % path)
    patch = (tmp_path / "Mine.patch").read_text()
    assert patch.startswith("--- %s" % source) and "-    value = 2" in patch and "+    value = 1" in patch
    (tmp_path / "Mine.patch").write_text("mine")
    assert "another file" in python("tensorlib.load(%r)" % path)
    assert (tmp_path / "Mine.patch").read_text() == "mine"


# ---- kinds of files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", serialization.FORMATS)
def test_packed_files(format, tmp_path):
    with gzip.open(tmp_path / "x.gz", "wb") as file:
        tensorlib.save(content(), file, format=format)
    with gzip.open(tmp_path / "x.gz", "rb") as file:
        assert tensorlib.load(file)["turned"].tolist() == content()["turned"].tolist()


@pytest.mark.parametrize("format", serialization.FORMATS)
def test_pipes(format):
    """More than a pipe holds, unbuffered: a write takes only a part."""
    reader, writer = os.pipe()
    big = tensorlib.arange(0, 300000)

    def write():
        with open(writer, "wb", buffering=0) as file:
            tensorlib.save(big, file, format=format)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reader, "rb") as file:
        found = tensorlib.load(file)
    thread.join()
    assert found.size() == (300000,) and (found == big).all()


def test_unbuffered_and_minimal_files(tmp_path):
    class Minimal:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += bytes(data)        # returns None, has no flush

    file = Minimal()
    tensorlib.save(content(), file)
    assert file.data == saved(content())
    with open(tmp_path / "x.pt", "wb", buffering=0) as file:
        tensorlib.save(content(), file)
    with open(tmp_path / "x.pt", "rb", buffering=0) as file:
        assert tensorlib.load(file)["row"].tolist() == [4, 5, 6, 7]


def test_nothing_is_written_where_pickling_fails():
    for format in serialization.FORMATS:
        file = io.BytesIO()
        with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
            tensorlib.save([tensorlib.ones(3), lambda: 0], file, format=format)
        assert file.getvalue() == b""


def test_empty_tensors_come_back_empty():
    """Also those whose storage is not; one without dims in today's files is a number."""
    empty = tensorlib.ones(3).resize_(0)
    assert empty.dim() == 0 and len(empty.storage()) == 3
    for format in serialization.FORMATS:
        found = tensorlib.load(io.BytesIO(saved([empty, tensorlib.FloatTensor()], format=format)))
        assert [t.dim() for t in found] == [0, 0], format
    assert pickle.loads(pickle.dumps(empty)).dim() == 0


@pytest.mark.slow
def test_more_than_2_gib(tmp_path):
    """Sizes beyond 31 bits, which one write or read of the system does not do."""
    n = (1 << 31) + 12345
    tensor = tensorlib.ByteTensor(n).zero_()
    tensor[n - 1] = 7
    tensor[1 << 31] = 5
    path = tmp_path / "x.pt"
    with open(path, "wb", buffering=0) as file:
        tensorlib.save(tensor, file)
    del tensor
    assert path.stat().st_size > n
    found = tensorlib.load(path)
    os.unlink(path)
    assert found.numel() == n and found[n - 1] == 7 and found[1 << 31] == 5 and found[:1 << 20].sum() == 0
