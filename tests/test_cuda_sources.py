"""What of the GPU's side can be held without a GPU: argument blocks, sources of kernels, programs, twins of drivers."""
import importlib
import inspect
import pathlib
import re
import struct

import numpy as np
import pytest

import tensorlib
from tensorlib._ops import NEUTRAL, blocks
from tensorlib.cuda import module
from tensorlib.cuda.ops import elementwise
from tensorlib.ops import TABLE

DIMS = 16
DRIVERS = pathlib.Path(tensorlib.__file__).parent / "_ops"


def unpacked(block, operands):
    """The struct Job of common.cuh."""
    n, ndim, flat, immediate = struct.unpack_from("<4I", block)
    base = struct.unpack_from("<%dQ" % operands, block, 16)
    at = 16 + 8 * operands
    sizes, factors, shifts = (struct.unpack_from("<%dI" % DIMS, block, at + 4 * DIMS * i) for i in range(3))
    at += 12 * DIMS
    strides = [struct.unpack_from("<%di" % DIMS, block, at + 4 * DIMS * i) for i in range(operands)]
    assert len(block) == at + 4 * DIMS * operands
    return n, ndim, flat, immediate, base, sizes, factors, shifts, strides


def divided(n, factor, shift):
    return ((n * factor >> 32) + n) >> shift


def addresses(block, operands, item):
    """For each element the addresses that a kernel works out, as common.cuh does."""
    n, ndim, flat, _, base, sizes, factors, shifts, strides = unpacked(block, operands)
    for i in range(n):
        at, rest = [0] * operands, i
        for d in range(ndim - 1, 0, -1):
            quotient = divided(rest, factors[d], shifts[d])
            for k in range(operands):
                at[k] += (rest - quotient * sizes[d]) * strides[k][d]
            rest = quotient
        for k in range(operands):
            at[k] += rest * strides[k][0]
        assert not flat or at == [i] * operands
        yield tuple(b + a * item for a, b in zip(at, base))


def wanted(*tensors):
    """The addresses of the elements of tensors of one size."""
    grids = [np.indices(tuple(t.size())).reshape(t.dim(), -1) for t in tensors]
    return set(zip(*[(t.data_ptr() + 4 * (np.array(t.stride()) @ g)).tolist() for t, g in zip(tensors, grids)]))


@pytest.mark.parametrize("size", [(5,), (3, 4), (2, 3, 4), (2, 1, 3, 5), (7, 1)])
def test_a_block_leads_to_every_element(size):
    x = tensorlib.zeros(*size)
    turned = tensorlib.zeros(*size[::-1])
    for d in range(len(size) // 2):
        turned = turned.transpose(d, len(size) - 1 - d)
    stretched = tensorlib.zeros(1, *size[1:]).expand(*size)
    for operands in ((x,), (x, turned), (turned, x, stretched), (stretched, turned)):
        (n, block), = blocks.of(*operands)
        found = list(addresses(block, len(operands), 4))
        assert n == x.numel() == len(found) and set(found) == wanted(*operands)
    assert unpacked(blocks.of(x, tensorlib.ones(*size))[0][1], 2)[1:3] == (1, 1)     # dense ones are one dim


def test_numbers_stand_in_the_block():
    (_, block), = blocks.of(tensorlib.zeros(3), (6, 1.5), (4, -2))
    _, _, flat, immediate, base, *_ = unpacked(block, 3)
    assert flat and immediate == 6 and struct.pack("<Q", base[1])[:4] == struct.pack("<f", 1.5)
    assert struct.pack("<Q", base[2]) == struct.pack("<q", -2)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 641, 1000003, (1 << 31) - 1])
def test_magic_division(size):
    (_, block), = blocks.of(tensorlib.zeros(1).expand(size))
    _, ndim, _, _, _, sizes, factors, shifts, _ = unpacked(block, 1)
    assert ndim == 1 and sizes[0] == size
    for n in [0, 1, size - 1, size, size + 1, 2 * size - 1, (1 << 31) - 1]:
        if n < 1 << 31:
            assert divided(n, factors[0], shifts[0]) == n // size


def test_what_does_not_fit_32_bits_is_cut():
    x = tensorlib.zeros(1).expand(3, 1 << 30)
    parts = blocks.of(x)
    assert len(parts) == 2 and sum(n for n, _ in parts) == 3 << 30 and all(n < 1 << 31 for n, _ in parts)


def test_every_pointwise_row_has_an_expression_that_names_its_operands():
    names = [name for name, row in TABLE.items() if isinstance(row.kernel, elementwise.Pointwise)]
    assert len(names) > 70
    for name in names:
        row = TABLE[name]
        assert row.row.cuda, "%s has no CUDA expression" % name
        assert set(re.findall(r"[a-z_]\w*", row.row.cuda)) & set(row.params), name
        text = elementwise.source(row.kernel.name)
        assert text.count("KERNEL ") == len(row.kernel.dtypes())


def test_sources_are_whole_and_include_nothing_foreign():
    for path in sorted(module.SOURCES.glob("*.cu")):
        text = module.Program(path.stem).text()
        assert "#include" not in text and text.count("struct Folds {") == 1, path.name


def parameters_of(path):
    """{driver: [(name, whether it has a default)]}, as the text of a Cython file has them."""
    found = {}
    for name, text in re.findall(r"^def (\w+)\(((?:[^()]|\([^()]*\))*)\):", path.read_text(), re.MULTILINE):
        parts = [part.replace("not None", "").partition("=") for part in re.split(r",(?![^()]*\))", text)]
        found[name] = [(declared.split()[-1], bool(default)) for declared, default, _ in parts if declared.strip()]
    return found


# Drivers that no tensor of a GPU reaches: they take none, or Variables, and look for themselves.
NO_TWIN = {"adam_steps", "fill_from_sequence", "first_bad_minor", "force_path", "randperm", "repeated", "sgd_steps",
           "zero_gradients"}


@pytest.mark.parametrize("path", [path for path in sorted(DRIVERS.glob("*.pyx")) if path.stem not in NEUTRAL],
                         ids=lambda path: path.stem)
def test_twins_take_what_the_drivers_take(path):
    """Each driver has a twin of its name, with the same arguments in the same order, optional where its are."""
    twins = importlib.import_module("tensorlib.cuda.ops." + path.stem)
    drivers = importlib.import_module("tensorlib._ops." + path.stem)
    wanted = {name: found for name, found in parameters_of(path).items() if name not in NO_TWIN}
    assert wanted
    for name, parameters in wanted.items():
        assert "built-in" in repr(getattr(drivers, name)), name
        of_twin = inspect.signature(getattr(twins, name)).parameters.values()
        assert [(p.name, p.default is not p.empty) for p in of_twin] == parameters, name


def test_images_are_kept_whole_or_not_at_all(tmp_path):
    path = tmp_path / "some" / "x.image"
    assert module.read_image(path) is None
    module.write_image(path, b"image")
    assert module.read_image(path) == b"image" and [p.name for p in path.parent.iterdir()] == ["x.image"]
    path.write_bytes(path.read_bytes()[:-1])
    assert module.read_image(path) is None
    path.write_bytes(b"something else")
    assert module.read_image(path) is None


def test_a_missing_compiler_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TENSORLIB_CUDA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(module, "find_nvrtc", lambda: "no NVRTC was found (libnvrtc.so)")
    monkeypatch.setattr(module, "find_nvcc", lambda: "no nvcc was found")
    errors = []
    assert list(module.images("x", "source", "75", errors)) == []
    assert errors == ["no NVRTC was found (libnvrtc.so)", "no nvcc was found"]


class Compiler:
    """Stands for NVRTC: its images are texts."""

    version = "1"
    architectures = ["75", "90"]
    calls = 0

    def compile(self, name, source, arch, kind):
        self.calls += 1
        return ("%s %s %s %s" % (name, source, arch, kind)).encode()


def test_images_are_looked_for_in_order(monkeypatch, tmp_path):
    compiler = Compiler()
    monkeypatch.setenv("TENSORLIB_CUDA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TENSORLIB_CUDA_IMAGE", "auto")
    monkeypatch.setattr(module, "PREBUILT", tmp_path / "prebuilt")
    monkeypatch.setattr(module, "compilers", lambda errors: [compiler])
    wanted = [b"x text 75 cubin", b"x text 75 ptx"]
    assert list(module.images("x", "text", "75", [])) == wanted and compiler.calls == 2
    assert list(module.images("x", "text", "75", [])) == wanted and compiler.calls == 2         # from the cache
    compiler.version = "2"
    assert list(module.images("x", "text", "75", [])) == wanted and compiler.calls == 4         # another compiler
    assert next(module.images("x", "changed", "75", [])) == b"x changed 75 cubin"
    module.write_image(module.prebuilt_path("x", "text"), b"built before")
    assert next(module.images("x", "text", "75", [])) == b"built before"


def test_a_device_newer_than_the_compiler_gets_ptx(monkeypatch, tmp_path):
    monkeypatch.setenv("TENSORLIB_CUDA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TENSORLIB_CUDA_IMAGE", "auto")
    monkeypatch.setattr(module, "compilers", lambda errors: [Compiler()])
    assert list(module.images("x", "text", "120", [])) == [b"x text 90 ptx"]
    assert list(module.images("x", "text", "89", [])) == [b"x text 75 ptx"]
    assert list(module.images("x", "text", "60", [])) == [b"x text 60 cubin", b"x text 60 ptx"]
    assert module.newest(["75", "90", "100"], "121") == "100"
