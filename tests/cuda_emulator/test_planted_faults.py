"""Planted faults, each caught with its kernel, thread and line, and correct kernels in which nothing may be found."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from environment import compile_cuda

SOURCE = r"""
#include <cassert>
#define K extern "C" __global__ void
K past_end(float* a, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i <= n) a[i] = i; }
K before_start(float* a, float* b) { b[threadIdx.x] = a[(int)threadIdx.x - 1]; }
K no_barrier(float* a) { __shared__ float s[64]; s[threadIdx.x] = 1; __syncthreads();
                         s[threadIdx.x] = threadIdx.x; a[threadIdx.x] = s[63 - threadIdx.x]; }
K no_syncwarp(float* a) { __shared__ float s[32]; s[threadIdx.x] = threadIdx.x;
    a[threadIdx.x] = s[31 - threadIdx.x]; }
K write_after_read(float* a) { __shared__ float s[64]; s[threadIdx.x] = threadIdx.x; __syncthreads();
                               float x = s[63 - threadIdx.x]; s[threadIdx.x] = x + 1; __syncthreads();
        a[threadIdx.x] = s[threadIdx.x]; }
K plain_beside_atomic(int* a) { __shared__ int s; if (threadIdx.x == 0) s = 0; __syncthreads();
                                atomicAdd(&s, 1); if (threadIdx.x == 40) a[0] = s; }
K exited(float* a) { if (threadIdx.x >= 40) return; __syncthreads(); a[threadIdx.x] = 1; }
K two_barriers(float* a) { if (threadIdx.x < 32) { a[0] = 1; __syncthreads(); } else { a[1] = 2;
    __syncthreads(); a[2] = 3; } }
K part_of_warp(float* a) { if (threadIdx.x & 1) __syncthreads(); a[threadIdx.x] = 1; }
K never_written(float* a, float* b) { b[threadIdx.x] = a[threadIdx.x] + 1; }
K shared_past_end(float* a, int k) { __shared__ float s[32], t[32]; s[threadIdx.x] = 1; t[threadIdx.x] = 2;
    __syncthreads();
                                     if (!threadIdx.x) s[k] = 7; __syncthreads();
        a[threadIdx.x] = s[threadIdx.x] + t[threadIdx.x]; }
K shared_never_written(float* a) { __shared__ float s[64]; if (threadIdx.x < 31) s[threadIdx.x] = 1;
    __syncthreads();
                                   a[threadIdx.x] = s[threadIdx.x]; }
K dynamic_past_end(float* a) { extern __shared__ float d[]; d[threadIdx.x] = 1; __syncthreads();
    a[threadIdx.x] = d[threadIdx.x]; }
K misaligned(char* a) { *(float*)(a + 1) = 1; }
K endless(volatile int* a) { while (a[0] == 0) {} }
K trap(int* a) { if (threadIdx.x == 3) __trap(); a[0] = 1; }
K assertion(int* a) { assert(a[0] == 1); }
K outside_of_mask(int* a) { if (threadIdx.x < 16) a[threadIdx.x] = __shfl_sync(0xffff, threadIdx.x,
    threadIdx.x + 16); }
K lanes_missing(int* a) { if (threadIdx.x < 16) { a[threadIdx.x] = __shfl_sync(~0u, threadIdx.x, 0); } else {
    __syncthreads(); } }
__device__ __noinline__ int deep(int n) { volatile int b[64]; b[n & 63] = n;
    return n == 0 ? 0 : deep(n - 1) + b[n & 63]; }
K stack_overflow(int* a, int n) { a[0] = deep(n); }
K local_past_end(int* a, int k) { int l[8]; for (int i = 0; i < 8; i++) l[i] = a[i]; l[k] = 3; a[0] = l[a[1]]; }
__constant__ float table[32] = {1, 2, 3, 4};
K reads_table(float* a) { a[threadIdx.x] = table[threadIdx.x]; }
K touches(float* a) { a[threadIdx.x] = threadIdx.x; }

// Reductions, flags that all write alike, a buffer used twice, early exits after the last barrier.
K correct(float* a, int n) {
    __shared__ float s[64]; __shared__ int flag;
    s[threadIdx.x] = threadIdx.x; flag = 1; __syncthreads();
    for (int h = 32; h > 0; h >>= 1) { if (threadIdx.x < h) s[threadIdx.x] += s[threadIdx.x + h];
        __syncthreads(); }
    float sum = s[0] * flag; __syncthreads(); s[threadIdx.x] = sum; __syncthreads();
    if (threadIdx.x >= n) return;
    a[threadIdx.x] = s[63 - threadIdx.x];
}
K correct_warp(int* a) {
    __shared__ int s[32]; s[threadIdx.x] = threadIdx.x; __syncwarp(); int x = s[threadIdx.x ^ 1];
        __syncwarp(); s[threadIdx.x] = x;
    if (threadIdx.x & 1) x += __shfl_sync(0xaaaaaaaa, x, 1); else x -= __shfl_sync(0x55555555, x, 0);
    a[threadIdx.x] = x + s[threadIdx.x] * 0;
}
"""


@pytest.fixture(scope="module")
def image():
    return compile_cuda(SOURCE, "-lineinfo")


# Name of the kernel; its arguments (a and b: 100 zeros); threads; blocks; what the report must say.
FAULTS = [
    (
        "past_end",
        ["a", 100],
        32,
        4,
        [
            "illegal write of 4 bytes",
            "4 bytes past the end of an allocation of 400 bytes",
            "block (3,0,0)",
            "thread (4,0,0)",
        ],
    ),
    ("before_start", ["a", "b"], 32, 1, ["illegal read", "4 bytes before an allocation", "thread (0,0,0)"]),
    ("no_barrier", ["a"], 64, 1, ["race"]),
    ("no_syncwarp", ["a"], 32, 1, ["race: read after write", "thread (31,0,0)"]),
    ("write_after_read", ["a"], 64, 1, ["race"]),
    ("plain_beside_atomic", ["a"], 64, 1, ["race"]),
    ("exited", ["a"], 64, 1, ["barrier not reached by all threads", "thread (40,0,0)", "has exited"]),
    ("two_barriers", ["a"], 64, 1, ["divergent barrier"]),
    ("part_of_warp", ["a"], 32, 1, ["barrier not reached by all threads", "thread (0,0,0)"]),
    ("shared_past_end", ["a", 32], 32, 1, ["shared memory, out of bounds"]),
    ("shared_past_end", ["a", 500], 32, 1, ["shared memory, out of bounds"]),
    ("shared_never_written", ["a"], 64, 1, ["shared memory, uninitialised read", "thread (31,0,0)"]),
    ("dynamic_past_end", ["a"], 32, 1, ["shared memory, out of bounds", "thread (16,0,0)"]),
    ("misaligned", ["a"], 1, 1, ["misaligned address"]),
    ("endless", ["a"], 32, 1, ["an endless loop?"]),
    ("trap", ["a"], 32, 1, ["trap", "thread (3,0,0)"]),
    ("assertion", ["a"], 32, 1, ["assertion failed: a[0] == 1"]),
    ("outside_of_mask", ["a"], 32, 1, ["reads lane 16"]),
    ("lanes_missing", ["a"], 32, 1, ["never come to this instruction"]),
    ("stack_overflow", ["a", 100000], 32, 1, ["stack overflow", "in function"]),
    ("local_past_end", ["a", 100], 1, 1, ["local memory, out of bounds"]),
]


def launch(gpu, image, name, arguments, threads, blocks):
    arrays = {"a": gpu.mem_alloc(400), "b": gpu.mem_alloc(400)}
    for pointer in arrays.values():
        gpu.memset_d32(pointer, 0, 100)
    values = [arrays[v] if isinstance(v, str) else np.int32(v) if isinstance(v, int) else v for v in arguments]
    kernel = gpu.module_from_buffer(image).get_function(name)
    kernel(*values, block=(threads, 1, 1), grid=(blocks, 1), shared=64 if name == "dynamic_past_end" else 0)
    gpu.Context.synchronize()
    return arrays


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f[0])
def test_fault(gpu, emulator, image, monkeypatch, fault):
    name, arguments, threads, blocks, words = fault
    monkeypatch.setenv("CUEMU_MAX_INSTRUCTIONS", "1000000")
    with pytest.raises(gpu.Error):
        launch(gpu, image, name, arguments, threads, blocks)
    report = emulator.report()
    for word in words + ["kernel " + name, "PTX line"]:
        assert word in report
    assert re.search(r"\(/\S+\.(cu|hpp):\d+\)", report)  # the line of the source, which may be a header's
    with pytest.raises(gpu.Error):  # the context stays broken
        gpu.mem_alloc(4)


def test_reading_what_nobody_wrote(gpu, emulator, image):
    kernel = gpu.module_from_buffer(image).get_function("never_written")
    kernel(gpu.mem_alloc(400), gpu.mem_alloc(400), block=(32, 1, 1))
    with pytest.raises(gpu.Error):
        gpu.Context.synchronize()
    assert "never written" in emulator.report()


def test_use_after_free(gpu, emulator, image):
    pointer = gpu.mem_alloc(400)
    address = np.uint64(int(pointer))
    pointer.free()
    with pytest.raises(gpu.Error):
        launch(gpu, image, "touches", [address], 32, 1)
    assert "use after free" in emulator.report()


def test_memory_of_another_device(gpu, contexts, emulator, image):
    contexts[1].push()
    pointer = gpu.mem_alloc(400)
    contexts[1].pop()
    with pytest.raises(gpu.Error):
        launch(gpu, image, "touches", [pointer], 32, 1)
    assert "memory of device 1, used on device 0" in emulator.report()


def test_write_to_constant_memory(gpu, emulator, image):
    module = gpu.module_from_buffer(image)
    with pytest.raises(gpu.Error):
        launch(gpu, image, "touches", [np.uint64(module.get_global("table")[0])], 32, 1)
    assert "write to constant memory" in emulator.report()


@pytest.mark.parametrize("address, words", [(0, "a null pointer"), (0x12340000, "no device memory")])
def test_wild_pointer(gpu, emulator, image, address, words):
    with pytest.raises(gpu.Error):
        launch(gpu, image, "touches", [np.uint64(address)], 32, 1)
    assert words in emulator.report()


def test_nothing_is_found_in_correct_kernels(gpu, image):
    arrays = launch(gpu, image, "correct", ["a", 50], 64, 3)
    out = np.empty(100, np.float32)
    gpu.memcpy_dtoh(out, arrays["a"])
    assert list(out) == [2016.0] * 50 + [0.0] * 50
    arrays = launch(gpu, image, "correct_warp", ["a"], 32, 1)
    out = np.empty(100, np.int32)
    gpu.memcpy_dtoh(out, arrays["a"])
    assert list(out[:4]) == [1 - 1, 0 + 0, 3 - 1, 2 + 0]


@pytest.mark.parametrize("off, name, threads", [("race", "no_syncwarp", 32), ("uninit", "shared_never_written", 64)])
def test_checks_can_be_switched_off(gpu, image, monkeypatch, off, name, threads):
    monkeypatch.setenv("CUEMU_DISABLE", off)
    launch(gpu, image, name, ["a"], threads, 1)


def test_the_host_cannot_touch_device_memory():
    code = (
        "import ctypes, pycuda.driver as cuda; cuda.init(); c = cuda.Device(0).retain_primary_context(); c.push(); "
        "p = cuda.mem_alloc(400); ctypes.memset(int(p), 0, 4)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=dict(os.environ)).returncode == -11
    )


def test_report_file_and_faults_of_copies(gpu, emulator, tmp_path, monkeypatch):
    monkeypatch.setenv("CUEMU_REPORT", str(tmp_path / "report"))
    pointer = gpu.mem_alloc(400)
    with pytest.raises(gpu.Error):
        gpu.memcpy_htod(pointer, np.zeros(101, np.float32))
    assert "copy to of 404 bytes" in (tmp_path / "report").read_text()
    assert "4 bytes past the end" in emulator.report()
