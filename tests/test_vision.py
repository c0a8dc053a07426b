"""Transforms, folders of images, idx files (good, packed, damaged) and grids of images."""
import gzip
import random
import struct
import subprocess
import sys

import numpy
import pytest

import tensorlib
from tensorlib.vision import datasets, transforms, utils
from tensorlib.vision.datasets import folder, mnist

Image = pytest.importorskip("PIL.Image")


def picture(height=6, width=8, mode="RGB", seed=0):
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    return Image.fromarray(numpy.random.RandomState(seed).randint(0, 256, shape).astype(numpy.uint8))


def pixels(image):
    return numpy.asarray(image)


# ---- transforms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_to_tensor_and_back(mode):
    image = picture(mode=mode)
    tensor = transforms.ToTensor()(image)
    assert tensor.type() == "tensorlib.FloatTensor" and tensor.size() == (len(mode), 6, 8) and tensor.is_contiguous()
    array = pixels(image).reshape(6, 8, len(mode)).transpose(2, 0, 1)
    numpy.testing.assert_allclose(tensor.numpy(), array / 255, rtol=1e-6)
    assert (pixels(transforms.ToPILImage()(tensor)) == pixels(image)).all()
    assert transforms.ToPILImage()(tensor).mode == mode


def test_to_tensor_of_others():
    array = numpy.arange(24, dtype=numpy.uint8).reshape(2, 4, 3)
    numpy.testing.assert_allclose(transforms.ToTensor()(array).numpy(), array.transpose(2, 0, 1) / 255, rtol=1e-6)
    assert transforms.ToTensor()(array[:, :, 0]).size() == (1, 2, 4)
    depth = Image.fromarray(numpy.array([[70000, 1]], dtype=numpy.int32))
    assert transforms.ToTensor()(depth).tolist() == [[[70000, 1]]]
    assert transforms.ToTensor()(depth).type() == "tensorlib.IntTensor"
    bits = Image.fromarray(numpy.array([[0, 255]], dtype=numpy.uint8)).convert("1")
    assert transforms.ToTensor()(bits).tolist() == [[[0, 1]]]
    for wrong in [1, "x", tensorlib.ones(2, 2)]:
        with pytest.raises(TypeError):
            transforms.ToTensor()(wrong)
    with pytest.raises(ValueError):
        transforms.ToTensor()(numpy.ones(3))


def test_to_pil_image_of_others():
    assert transforms.ToPILImage()(tensorlib.ones(4, 5)).size == (5, 4)
    assert transforms.ToPILImage()(tensorlib.IntTensor([[[70000, 2]]])).mode == "I"
    assert (pixels(transforms.ToPILImage()(pixels(picture()))) == pixels(picture())).all()
    with pytest.raises(TypeError):
        transforms.ToPILImage()([1, 2])
    with pytest.raises(TypeError):
        transforms.ToPILImage()(tensorlib.ones(5, 4, 4))
    with pytest.raises(ValueError):
        transforms.ToPILImage()(tensorlib.ones(1, 1, 4, 4))


def test_normalize():
    tensor = tensorlib.rand(3, 4, 5)
    mean, std = numpy.array([1, 2, 3.]).reshape(3, 1, 1), numpy.array([2, 4, 8.]).reshape(3, 1, 1)
    expected = (tensor.numpy().copy() - mean) / std
    result = transforms.Normalize([1, 2, 3], [2, 4, 8])(tensor)
    assert result is tensor
    numpy.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-5)


def test_crops():
    image = picture(10, 12)
    assert (pixels(transforms.CenterCrop(4)(image)) == pixels(image)[3:7, 4:8]).all()
    assert (pixels(transforms.CenterCrop((2, 6))(image)) == pixels(image)[4:6, 3:9]).all()
    random.seed(1)
    seen = set()
    for _ in range(60):
        crop = pixels(transforms.RandomCrop((9, 11))(image))
        places = [(y, x) for y in range(2) for x in range(2) if (crop == pixels(image)[y:y + 9, x:x + 11]).all()]
        assert crop.shape == (9, 11, 3) and places
        seen.add(places[0])
    assert len(seen) == 4
    assert transforms.RandomCrop(12, padding=1)(image).size == (12, 12)
    assert transforms.RandomCrop((10, 12))(image) is image
    with pytest.raises(ValueError, match="larger than the image"):
        transforms.RandomCrop(11)(image)


def test_resize():
    image = picture(10, 20)
    assert transforms.Resize(5)(image).size == (10, 5)
    assert transforms.Resize((5, 7))(image).size == (7, 5)
    assert transforms.Scale((5, 7))(image).size == (5, 7)
    assert transforms.Scale(10)(image) is image
    assert transforms.Scale(5)(picture(20, 10)).size == (5, 10)


def test_flip_pad_lambda_compose():
    image = picture()
    random.seed(0)
    flips = [(pixels(transforms.RandomHorizontalFlip()(image)) == pixels(image)[:, ::-1]).all() for _ in range(200)]
    assert 70 < sum(flips) < 130
    padded = pixels(transforms.Pad(2, fill=9)(image))
    assert padded.shape == (10, 12, 3) and (padded[:2] == 9).all() and (padded[2:-2, 2:-2] == pixels(image)).all()
    assert transforms.Pad((1, 2))(image).size == (10, 10)
    both = transforms.Compose([transforms.Lambda(lambda x: x + 1), transforms.Lambda(lambda x: x * 2)])
    assert both(3) == 8
    with pytest.raises(TypeError):
        transforms.Lambda(3)


@pytest.mark.parametrize("cls", [transforms.RandomSizedCrop, transforms.RandomResizedCrop])
def test_random_resized_crop(cls):
    random.seed(2)
    for height, width in [(30, 40), (200, 3), (1, 1)]:
        assert cls(16)(picture(height, width)).size == (16, 16)


# ---- datasets -------------------------------------------------------------------------------------------


def test_image_folder(tmp_path):
    for name, count in ("cat", 2), ("dog", 3):
        (tmp_path / name / "deep").mkdir(parents=True)
        for i in range(count):
            picture(seed=i).save(tmp_path / name / ("deep" if i else ".") / ("%d.PNG" % i))
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    data = datasets.ImageFolder(str(tmp_path), transform=transforms.ToTensor(), target_transform=lambda t: t + 10)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1} and len(data) == 5
    assert data[0][0].size() == (3, 6, 8) and [data[i][1] for i in range(5)] == [10, 10, 11, 11, 11]
    assert folder.default_loader(data.imgs[0][0]).mode == "RGB"
    loader = tensorlib.utils.data.DataLoader(data, batch_size=5, num_workers=2)
    assert next(iter(loader))[0].size() == (5, 3, 6, 8)
    (tmp_path / "empty" / "class").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="no images"):
        datasets.ImageFolder(str(tmp_path / "empty"))


def idx(array, code=8):
    return struct.pack(">BBBB%dI" % array.ndim, 0, 0, code, array.ndim, *array.shape) + array.tobytes()


IMAGES = numpy.random.RandomState(0).randint(0, 256, (5, 28, 28)).astype(numpy.uint8)
LABELS = numpy.array([3, 1, 4, 1, 5], numpy.uint8)


@pytest.mark.parametrize("place, packed, dotted", [
    ("", True, False), ("", False, False), ("raw", True, False), ("MNIST/raw", False, False), ("", False, True)])
def test_mnist(tmp_path, place, packed, dotted):
    where = tmp_path / place
    where.mkdir(parents=True, exist_ok=True)
    (tmp_path / "processed").mkdir()
    for part in "train", "t10k":
        for kind, array in ("images-idx3-ubyte", IMAGES), ("labels-idx1-ubyte", LABELS):
            name = (part + "-" + kind).replace("-idx", ".idx") if dotted else part + "-" + kind
            data = idx(array)
            (where / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    data = datasets.MNIST(str(tmp_path), transform=transforms.ToTensor(), download=True)
    assert len(data) == 5 and data.train_data.size() == (5, 28, 28) and data.train_labels.tolist() == LABELS.tolist()
    assert data.train_data.type() == "tensorlib.ByteTensor" and data.train_labels.type() == "tensorlib.LongTensor"
    image, target = data[2]
    assert target == 4 and type(target) is int
    numpy.testing.assert_allclose(image.numpy()[0], IMAGES[2] / 255, rtol=1e-6)
    test = datasets.MNIST(str(tmp_path), train=False, target_transform=str)
    assert test[0][0].mode == "L" and test[0][1] == "3" and (test.test_data.numpy() == IMAGES).all()


def test_missing_files(tmp_path):
    with pytest.raises(RuntimeError, match="train-images-idx3-ubyte.gz.*download=True"):
        datasets.MNIST(str(tmp_path))


@pytest.mark.parametrize("code, dtype", [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_idx_types(tmp_path, code, dtype):
    array = numpy.arange(-3, 3).astype(dtype).reshape(2, 3)
    (tmp_path / "x").write_bytes(idx(array, code))
    result = mnist.read_idx(str(tmp_path / "x"))
    assert result.tolist() == array.tolist() and result.dtype.isnative


def test_damaged_files(tmp_path):
    good = idx(IMAGES)
    huge = struct.pack(">BBBB3I", 0, 0, 8, 3, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)
    for data in [b"", b"\0\0", good[:7], good[:-1], good + b"x", b"PK\3\4" + good, b"\0\0\7\3" + good[4:], huge,
                 b"\0\0\x08\0", b"<html>not found</html>"]:
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ValueError, match="x "):
            mnist.read_idx(str(tmp_path / "x"))
    packed = gzip.compress(good)
    for data in [b"", b"junk", packed[:-10], packed[:50], packed[:20] + b"junk" * 9]:
        (tmp_path / "x.gz").write_bytes(data)
        with pytest.raises(ValueError, match="x.gz"):
            mnist.read_idx(str(tmp_path / "x.gz"))


def test_swapped_files(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(LABELS))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(ValueError, match="do not go with"):
        datasets.MNIST(str(tmp_path))


def test_image_backend():
    from tensorlib import vision
    vision.set_image_backend("PIL")
    assert vision.get_image_backend() == "PIL"
    with pytest.raises(ValueError, match="accimage"):
        vision.set_image_backend("accimage")


def test_pillow_is_an_extra():
    """Everything imports without it; the error of the first use names the cure."""
    code = """
import sys
sys.modules["PIL"] = None
from tensorlib.vision import datasets, transforms
try:
    datasets.folder.default_loader(sys.argv[1])
except ImportError as error:
    assert "pip install tensorlib[vision]" in str(error), error
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code, __file__], check=True)


# ---- grids ----------------------------------------------------------------------------------------------


def test_make_grid():
    images = tensorlib.arange(0, 3 * 2 * 4 * 5).view(3, 2, 4, 5)[:, :1].contiguous()
    grid = utils.make_grid(images, nrow=2, padding=1, pad_value=7)
    assert grid.size() == (3, 2 * 5 + 1, 2 * 6 + 1)
    assert grid[1][1:5, 1:6].tolist() == images[0, 0].tolist()
    assert grid[2][6:10, 1:6].tolist() == images[2, 0].tolist()
    assert set(grid[0][0].tolist()) == {7} and grid[0][6:10, 7:12].tolist() == [[7] * 5] * 4
    assert utils.make_grid(list(images.unbind(0)), padding=0).size() == (3, 4, 15)
    assert utils.make_grid(images[0, 0]).size() == (3, 8, 9)
    with pytest.raises(TypeError):
        utils.make_grid("x")
    with pytest.raises(ValueError):
        utils.make_grid(tensorlib.ones(1, 1, 1, 2, 2))


def test_grid_normalize():
    images = tensorlib.rand(4, 3, 5, 5) * 10 - 5
    before = images.clone()
    for options in dict(), dict(scale_each=True), dict(range=(-5, 5)):
        grid = utils.make_grid(images, normalize=True, padding=0, **options)
        assert 0 <= grid.min() and grid.max() <= 1 and grid.max() > 0.9
    assert images.tolist() == before.tolist()


def test_save_image(tmp_path):
    path = tmp_path / "grid.png"
    utils.save_image(tensorlib.rand(5, 1, 4, 4), str(path), nrow=3, padding=2)
    assert Image.open(path).size == (3 * 6 + 2, 2 * 6 + 2)
