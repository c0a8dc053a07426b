"""Published datasets, from small files made here: formats, downloads from a local place, damage; invented images."""
import gzip
import hashlib
import io
import os
import pathlib
import pickle
import struct
import tarfile

import numpy
import pytest

from tensorlib.vision import datasets, transforms
from tensorlib.vision.datasets.utils import check_integrity, download_url, extract

pytest.importorskip("PIL.Image")
RANDOM = numpy.random.RandomState(0)


def pixels(image):
    return numpy.asarray(image)


def tar_gz(path, files):
    """Write an archive of names and bytes; returns its hash."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return hashlib.md5(path.read_bytes()).hexdigest()


def serve(monkeypatch, cls, path, md5):
    """Let a dataset find its archive in a file of this machine."""
    monkeypatch.setattr(cls, "url", path.as_uri())
    monkeypatch.setattr(cls, "tgz_md5", md5)


# ---- downloads -----------------------------------------------------------------------------------------


def test_download(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"hello")
    md5 = hashlib.md5(b"hello").hexdigest()
    root = tmp_path / "deep" / "root"
    download_url(source.as_uri(), str(root), "x", md5)
    assert (root / "x").read_bytes() == b"hello" and check_integrity(str(root / "x"), md5)
    assert not check_integrity(str(root / "x"), "0" * 32) and not check_integrity(str(root / "y"))
    source.unlink()
    download_url(source.as_uri(), str(root), "x", md5)          # it is there already


def test_what_is_wrong_never_arrives(tmp_path):
    source, root = tmp_path / "source", tmp_path / "root"
    source.write_bytes(b"hello")
    with pytest.raises(RuntimeError, match="(?s)x cannot be downloaded.*nowhere.*MD5 hash is .*expected 0000"):
        download_url([(tmp_path / "nowhere").as_uri(), source.as_uri()], str(root), "x", "0" * 32)
    assert os.listdir(root) == []
    download_url([(tmp_path / "nowhere").as_uri(), source.as_uri()], str(root), "x")
    assert os.listdir(root) == ["x"]


def test_archives_write_only_what_is_wanted(tmp_path):
    path, root = tmp_path / "x.tar.gz", tmp_path / "root"
    tar_gz(path, {"a/wanted": b"1", "../../evil": b"2", "other": b"3"})
    extract(str(path), str(root), ["a/wanted"])
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["x.tar.gz", "wanted"]
    with pytest.raises(RuntimeError, match="lacks b"):
        extract(str(path), str(root), ["b"])
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(RuntimeError, match="damaged"):
        extract(str(path), str(root), ["a/wanted"])


# ---- each format ---------------------------------------------------------------------------------------


def idx(array):
    return struct.pack(">BBBB%dI" % array.ndim, 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST])
def test_mnist_download(cls, tmp_path, monkeypatch):
    images, labels = RANDOM.randint(0, 256, (3, 28, 28)).astype(numpy.uint8), numpy.array([7, 0, 9], numpy.uint8)
    mirror, hashes = tmp_path / "mirror", {}
    mirror.mkdir()
    for name in cls.md5:
        data = gzip.compress(idx(images if "images" in name else labels))
        (mirror / (name + ".gz")).write_bytes(data)
        hashes[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(cls, "mirrors", [(tmp_path / "gone").as_uri() + "/", mirror.as_uri() + "/"])
    monkeypatch.setattr(cls, "md5", hashes)
    data = cls(str(tmp_path / "root"), download=True)
    assert (pixels(data[1][0]) == images[1]).all() and data[2][1] == 9
    assert sorted(os.listdir(tmp_path / "root" / "raw")) == sorted(name + ".gz" for name in hashes)
    assert len(cls(str(tmp_path / "root"), train=False)) == 3


def cifar_files(cls, count=2):
    """The files of CIFAR as Python 2 wrote them: protocol 2, and strings of bytes."""
    files, expected = {}, []
    for name in cls.train_list + cls.test_list:
        data, labels = RANDOM.randint(0, 256, (count, 3072)).astype(numpy.uint8), list(range(count))
        text = pickle.dumps({"data": data, cls.label_key: labels, "batch_label": name}, 2)
        files[cls.base_folder + "/" + name] = text
        expected.append(data.reshape(count, 3, 32, 32).transpose(0, 2, 3, 1))
    return files, expected


@pytest.mark.parametrize("cls", [datasets.CIFAR10, datasets.CIFAR100])
def test_cifar(cls, tmp_path, monkeypatch):
    files, expected = cifar_files(cls)
    serve(monkeypatch, cls, tmp_path / "x.tar.gz", tar_gz(tmp_path / "x.tar.gz", files))
    with pytest.raises(RuntimeError, match="download=True"):
        cls(str(tmp_path / "root"))
    data = cls(str(tmp_path / "root"), transform=transforms.ToTensor(), target_transform=lambda t: t + 1, download=True)
    assert len(data) == 2 * len(cls.train_list) and data.train_data.shape == (len(data), 32, 32, 3)
    assert (data.train_data == numpy.concatenate(expected[:-1])).all() and data.train_labels[:2] == [0, 1]
    image, target = data[1]
    assert image.size() == (3, 32, 32) and target == 2
    numpy.testing.assert_allclose(image.numpy(), expected[0][1].transpose(2, 0, 1) / 255, rtol=1e-6)
    test = cls(str(tmp_path / "root"), train=False)
    assert (test.test_data == expected[-1]).all() and test[1][0].size == (32, 32) and test[1][1] == 1


def test_a_cifar_file_cannot_run_programs(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "flag"),)

    files, _ = cifar_files(datasets.CIFAR10)
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    bad = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    for damage in pickle.dumps(Evil()), bad.read_bytes()[:500], pickle.dumps([1]), pickle.dumps(
            {"data": numpy.zeros((2, 3072), numpy.uint8), "labels": [1]}):
        bad.write_bytes(damage)
        with pytest.raises(RuntimeError, match="data_batch_3 is damaged"):
            datasets.CIFAR10(str(tmp_path))
    assert not (tmp_path / "flag").exists()


def test_stl10(tmp_path, monkeypatch):
    images = {part: RANDOM.randint(0, 256, (n, 3, 96, 96)).astype(numpy.uint8)
              for part, n in (("train", 2), ("unlabeled", 3), ("test", 1))}
    files = {"stl10_binary/%s_X.bin" % part: array.transpose(0, 1, 3, 2).tobytes() for part, array in images.items()}
    files.update({"stl10_binary/train_y.bin": b"\1\x0a", "stl10_binary/test_y.bin": b"\3"})
    serve(monkeypatch, datasets.STL10, tmp_path / "x.tar.gz", tar_gz(tmp_path / "x.tar.gz", files))
    root = str(tmp_path / "root")
    train = datasets.STL10(root, download=True)
    assert train.labels.tolist() == [0, 9] and (train.data == images["train"]).all() and train[1][1] == 9
    assert (pixels(train[1][0]) == images["train"][1].transpose(1, 2, 0)).all()
    both = datasets.STL10(root, split="train+unlabeled", download=True)
    assert len(both) == 5 and both.labels.tolist() == [0, 9, -1, -1, -1]
    assert (both.data[2:] == images["unlabeled"]).all()
    assert datasets.STL10(root, split="unlabeled")[0][1] is None
    assert datasets.STL10(root, split="test", target_transform=str, download=True)[0][1] == "2"
    with pytest.raises(ValueError, match="expected one of train"):
        datasets.STL10(root, split="valid")
    path = pathlib.Path(root, "stl10_binary", "train_X.bin")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="no whole number of images"):
        datasets.STL10(root)
    path.write_bytes(bytes(3 * 96 * 96))
    with pytest.raises(RuntimeError, match="1 images, but 2 labels"):
        datasets.STL10(root)


def test_svhn(tmp_path, monkeypatch):
    scipy_io = pytest.importorskip("scipy.io")
    images = RANDOM.randint(0, 256, (32, 32, 3, 4)).astype(numpy.uint8)
    digits = numpy.array([[1], [10], [9], [10]], numpy.uint8)
    scipy_io.savemat(tmp_path / "source_32x32.mat", {"X": images, "y": digits})
    monkeypatch.setattr(datasets.SVHN, "url", (tmp_path / "source").as_uri() + "_32x32.mat#%s")
    monkeypatch.setattr(datasets.SVHN, "md5", {"train": None, "test": None})
    root = str(tmp_path / "root")
    with pytest.raises(RuntimeError, match="no train_32x32.mat"):
        datasets.SVHN(root)
    data = datasets.SVHN(root, download=True)
    assert data.labels.tolist() == [1, 0, 9, 0] and data.data.shape == (4, 3, 32, 32) and data[1][1] == 0
    assert (pixels(data[2][0]) == images[:, :, :, 2]).all()
    with pytest.raises(ValueError, match="expected one of train"):
        datasets.SVHN(root, split="valid")
    (tmp_path / "root" / "test_32x32.mat").write_bytes(b"no matrix")
    with pytest.raises(RuntimeError, match="damaged"):
        datasets.SVHN(root, split="test")


def test_fake_data():
    data = datasets.FakeData(size=20, image_size=(3, 8, 9), num_classes=5)
    assert len(data) == 20 and data[0][0].size == (9, 8) and data[0][0].mode == "RGB"
    assert {data[i][1] for i in range(20)} <= set(range(5)) and len({data[i][1] for i in range(20)}) > 1
    assert (pixels(data[3][0]) == pixels(data[3][0])).all() and (pixels(data[3][0]) != pixels(data[4][0])).any()
    moved = datasets.FakeData(size=20, image_size=(3, 8, 9), num_classes=5, random_offset=1)
    assert (pixels(moved[3][0]) == pixels(data[4][0])).all() and moved[3][1] == data[4][1]
    grey = datasets.FakeData(2, (1, 4, 4), transform=transforms.ToTensor(), target_transform=str)
    assert grey[1][0].size() == (1, 4, 4) and grey[1][1] in "0123456789"
    with pytest.raises(IndexError):
        data[20]
