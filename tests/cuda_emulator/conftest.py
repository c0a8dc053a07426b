"""Tests of the emulator itself, collected only where TENSORLIB_CUDA_EMULATOR is set: they need nvcc and g++.

`make test-cuda` sets it. Whoever tests GPU code finds here the fixtures it needs.
"""

import ctypes
import os

import pytest

if not os.environ.get("TENSORLIB_CUDA_EMULATOR"):
    collect_ignore_glob = ["test_*.py"]


class Emulator:
    """The library itself, for what no CUDA driver has: reports of faults, counters, mending of contexts."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        self.library.cuemuLastReport.restype = self.library.cuemuStats.restype = ctypes.c_char_p

    def report(self):
        return self.library.cuemuLastReport().decode()

    def stats(self):
        import json

        return json.loads(self.library.cuemuStats().decode())

    def clear(self):
        self.library.cuemuClearFaults()
        self.library.cuemuResetStats()


@pytest.fixture(scope="session")
def contexts():
    import pycuda.driver as cuda

    cuda.init()
    return [cuda.Device(i).retain_primary_context() for i in range(cuda.Device.count())]


@pytest.fixture
def gpu(contexts):
    """PyCUDA's driver with the primary context of device 0 current; faults are forgotten afterwards."""
    import pycuda.driver as cuda

    contexts[0].push()
    Emulator().clear()
    yield cuda
    Emulator().clear()
    cuda.Context.synchronize()
    cuda.Context.pop()


@pytest.fixture
def emulator():
    return Emulator()
