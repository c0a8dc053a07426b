"""Tests that need a GPU, or the emulator of one: run by `make test-cuda`, never by plain `pytest`."""
import os
import pathlib
import sys

import pytest

if os.environ.get("TENSORLIB_CUDA_EMULATOR"):
    os.environ.setdefault("TENSORLIB_CUDA_IMAGE", "ptx")    # it runs no machine code
    os.environ.setdefault("TENSORLIB_CUDA_CACHE", "0")      # so that an access out of bounds leaves its block
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import tensorlib.cuda  # noqa: E402

if not tensorlib.cuda.is_available():
    pytest.exit("these tests need a GPU: " + tensorlib.cuda.why_unavailable(), returncode=3)


@pytest.fixture
def on_gpu():
    """The checks of rows put their tensors on GPU 0."""
    from op_checks import Device
    Device.number = 0
    yield
    Device.number = -1


class Bus:
    """Counts the copies between the CPU and GPUs that PyCUDA makes, whoever asks for them."""

    def __init__(self, monkeypatch):
        import pycuda.driver as api
        self.up = self.down = 0
        for name in ("memcpy_htod", "memcpy_htod_async", "memcpy_dtoh", "memcpy_dtoh_async"):
            monkeypatch.setattr(api, name, self.counted(getattr(api, name), "up" if "htod" in name else "down"))

    def counted(self, copy, way):
        def counting(*args, **kwargs):
            setattr(self, way, getattr(self, way) + 1)
            return copy(*args, **kwargs)
        return counting

    def taken(self):
        """(copies to GPUs, copies to the CPU) since the last question."""
        taken, self.up, self.down = (self.up, self.down), 0, 0
        return taken


@pytest.fixture
def bus(monkeypatch):
    return Bus(monkeypatch)
