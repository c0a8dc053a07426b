"""The driver API as PyCUDA uses it: memory, streams that are lazy, events, modules, launches, counters."""

import ctypes
import gc
import os
import subprocess
import sys

import numpy as np
import pytest

from environment import compile_cuda

SOURCE = r"""
#include <cstdio>
#define K extern "C" __global__ void
__device__ float scale[2] = {2.0f, 3.0f};
__constant__ int offsets[3] = {7, 8, 9};
__device__ float* pointer_to_scale = scale + 1;
struct Arguments { int n; float factor; const float* in; float* out; char tail[5]; };
K by_value(Arguments a) { int i = threadIdx.x; if (i < a.n) a.out[i] = a.in[i] * a.factor + a.tail[4]; }
K use_globals(float* a) { a[threadIdx.x] = scale[0] * offsets[threadIdx.x] + *pointer_to_scale; }
K add_one(float* a, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) a[i] += 1; }
K twice(float* a, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) a[i] *= 2; }
K strided(const float* a, float* b, int step) { b[threadIdx.x] = a[threadIdx.x * step]; }
K conflicts(float* a, int step) { __shared__ float s[1024]; for (int i = threadIdx.x; i < 1024;
    i += 32) s[i] = i; __syncthreads();
                                  a[threadIdx.x] = s[threadIdx.x * step]; }
K dynamic(float* a) { extern __shared__ float d[]; d[threadIdx.x] = threadIdx.x; __syncthreads();
    a[threadIdx.x] = d[31 - threadIdx.x]; }
K __launch_bounds__(64) bounded(float* a) { a[threadIdx.x] = 1; }
K speaks(int n) { if (threadIdx.x == 0) printf("n=%d x=%5.2f s=%s %c %lld %%\n", n, 1.5, "text", 'c',
    1ll << 40); }
"""


@pytest.fixture(scope="module")
def image():
    return compile_cuda(SOURCE)


@pytest.fixture
def module(gpu, image):
    return gpu.module_from_buffer(image)


def on_device(gpu, values):
    return gpu.to_device(np.asarray(values, np.float32))


def read(gpu, pointer, n):
    out = np.empty(n, np.float32)
    gpu.memcpy_dtoh(out, pointer)
    return out


@pytest.mark.parametrize("mode", ["default", "size", "speed", "balance", "none"])
def test_fatbins_of_every_compression(gpu, mode):
    fatbin = compile_cuda(SOURCE, "-compress-mode=" + mode, kind="fatbin")
    pointer = on_device(gpu, np.zeros(3))
    gpu.module_from_buffer(fatbin).get_function("use_globals")(pointer, block=(3, 1, 1))
    assert list(read(gpu, pointer, 3)) == [17, 19, 21]


def test_machine_code_is_refused_with_a_reason(gpu, emulator):
    import environment

    cubin = environment.compile_cuda(SOURCE, "-gencode", "arch=compute_75,code=sm_75", kind="fatbin", arch=90)
    with pytest.raises(gpu.Error):
        gpu.module_from_buffer(cubin)
    assert "sm_75" in emulator.report() and "machine code cannot be interpreted" in emulator.report()


def test_globals(gpu, module):
    pointer, size = module.get_global("scale")
    assert size == 8 and list(read(gpu, pointer, 2)) == [2, 3]
    gpu.memcpy_htod(pointer, np.float32([10, 20]))
    out = on_device(gpu, np.zeros(3))
    module.get_function("use_globals")(out, block=(3, 1, 1))
    assert list(read(gpu, out, 3)) == [90, 100, 110]
    with pytest.raises(gpu.Error):
        module.get_global("nothing")
    with pytest.raises(gpu.Error):
        module.get_function("nothing")


def test_struct_by_value(gpu, module):
    a, b = on_device(gpu, np.arange(4)), on_device(gpu, np.zeros(4))
    arguments = np.zeros(
        1, [("n", "i4"), ("factor", "f4"), ("in", "u8"), ("out", "u8"), ("tail", "i1", 5), ("pad", "i1", 3)]
    )
    arguments["n"], arguments["factor"], arguments["in"], arguments["out"], arguments["tail"] = (
        3,
        2.5,
        int(a),
        int(b),
        7,
    )
    kernel = module.get_function("by_value")
    kernel.prepare([arguments.dtype])
    kernel.prepared_call((1, 1), (4, 1, 1), arguments[0])
    assert list(read(gpu, b, 4)) == [7, 9.5, 12, 0]


def test_streams_run_when_they_are_waited_for(gpu, module):
    pointer, stream = on_device(gpu, np.zeros(32)), gpu.Stream(1)  # 1: not bound to the default stream
    host = gpu.pagelocked_zeros(32, np.float32)
    module.get_function("add_one")(pointer, np.int32(32), block=(32, 1, 1), stream=stream)
    gpu.memcpy_dtoh_async(host, pointer, stream)
    assert host[0] == 0
    stream.synchronize()
    assert host[0] == 1


def test_pinned_memory_is_read_late_and_pageable_memory_at_once(gpu):
    pinned, plain, stream = gpu.pagelocked_zeros(4, np.float32), np.zeros(4, np.float32), gpu.Stream()
    a, b = gpu.mem_alloc(16), gpu.mem_alloc(16)
    gpu.memcpy_htod_async(a, pinned, stream)
    gpu.memcpy_htod_async(b, plain, stream)
    pinned[:] = plain[:] = 5
    stream.synchronize()
    assert read(gpu, a, 4)[0] == 5 and read(gpu, b, 4)[0] == 0


def test_events_order_streams_and_missing_ones_show(gpu, module):
    n = np.int32(32)
    add, twice = module.get_function("add_one"), module.get_function("twice")
    for ordered in (True, False):
        pointer, one, two, event = on_device(gpu, np.ones(32)), gpu.Stream(1), gpu.Stream(1), gpu.Event()
        gpu.Context.synchronize()
        add(pointer, n, block=(32, 1, 1), stream=one)
        event.record(one)
        if ordered:
            two.wait_for_event(event)
        twice(pointer, n, block=(32, 1, 1), stream=two)
        two.synchronize()
        one.synchronize()
        assert read(gpu, pointer, 1)[0] == (4 if ordered else 3)


def test_the_default_stream_waits_for_the_others_and_they_for_it(gpu, module):
    n, stream = np.int32(32), gpu.Stream()
    pointer = on_device(gpu, np.ones(32))
    add, twice = module.get_function("add_one"), module.get_function("twice")
    add(pointer, n, block=(32, 1, 1), stream=stream)
    twice(pointer, n, block=(32, 1, 1))
    add(pointer, n, block=(32, 1, 1), stream=stream)
    stream.synchronize()
    assert read(gpu, pointer, 1)[0] == 5


def test_events(gpu):
    start, end, stream = gpu.Event(), gpu.Event(), gpu.Stream()
    start.record(stream)
    gpu.memset_d32_async(gpu.mem_alloc(4), 0, 1, stream)
    end.record(stream)
    assert not end.query()
    while not end.query():  # asking often is enough
        pass
    assert start.time_till(end) >= 0
    assert gpu.Event().query()


def test_copies_in_two_and_three_dims(gpu):
    pointer, pitch = gpu.mem_alloc_pitch(12, 5, 4)
    assert pitch % 512 == 0
    host = np.arange(15, dtype=np.float32).reshape(5, 3)
    copy = gpu.Memcpy2D()
    copy.set_src_host(host)
    copy.set_dst_device(pointer)
    copy.width_in_bytes, copy.src_pitch, copy.dst_pitch, copy.height = 12, 12, pitch, 5
    copy(aligned=True)
    back = np.zeros((5, 3), np.float32)
    copy = gpu.Memcpy2D()
    copy.set_src_device(pointer)
    copy.set_dst_host(back)
    copy.width_in_bytes, copy.src_pitch, copy.dst_pitch, copy.height = 12, pitch, 12, 5
    copy(aligned=True)
    assert (back == host).all()
    cube, flat = np.arange(24, dtype=np.float32).reshape(2, 3, 4), gpu.mem_alloc(96)
    copy = gpu.Memcpy3D()
    copy.set_src_host(cube)
    copy.set_dst_device(flat)
    copy.width_in_bytes = copy.src_pitch = copy.dst_pitch = 16
    copy.height = copy.src_height = copy.dst_height = 3
    copy.depth = 2
    copy()
    assert (read(gpu, flat, 24) == cube.ravel()).all()


def test_fills(gpu):
    pointer = gpu.mem_alloc(64)
    gpu.memset_d8(pointer, 0xAB, 64)
    gpu.memset_d16(int(pointer) + 2, 0x1234, 1)
    gpu.memset_d32(int(pointer) + 8, 0x3F800000, 2)
    out = np.empty(64, np.uint8)
    gpu.memcpy_dtoh(out, pointer)
    assert list(out[:12]) == [0xAB, 0xAB, 0x34, 0x12] + [0xAB] * 4 + [0, 0, 0x80, 0x3F]
    with pytest.raises(gpu.Error):
        gpu.memset_d32(pointer, 0, 17)


def test_fresh_memory_is_poisoned(gpu):
    assert np.isnan(read(gpu, gpu.mem_alloc(400), 100)).all()


def test_memory_runs_out_with_sizes_in_the_report(gpu, emulator):
    gc.collect()
    free, total = gpu.mem_get_info()
    with pytest.raises(gpu.MemoryError):
        gpu.mem_alloc(total + 1)
    assert str(total + 1) in emulator.report()
    pointer = gpu.mem_alloc(1 << 20)
    assert gpu.mem_get_info()[0] == free - (1 << 20)
    pointer.free()
    assert gpu.mem_get_info()[0] == free


def test_peers(gpu, contexts, module):
    contexts[1].push()
    there = on_device(gpu, np.full(32, 3))
    gpu.Context.pop()
    here = gpu.mem_alloc(128)
    gpu.memcpy_peer(here, there, 128, contexts[0], contexts[1])
    assert read(gpu, here, 1)[0] == 3
    assert gpu.Device(0).can_access_peer(gpu.Device(1))
    contexts[0].enable_peer_access(contexts[1])
    try:
        module.get_function("add_one")(there, np.int32(32), block=(32, 1, 1))
        gpu.Context.synchronize()
        assert read(gpu, there, 1)[0] == 4
    finally:
        contexts[0].disable_peer_access(contexts[1])


def test_managed_memory_is_seen_by_both(gpu, module):
    shared = gpu.managed_zeros(32, np.float32, mem_flags=gpu.mem_attach_flags.GLOBAL)
    module.get_function("add_one")(shared, np.int32(32), block=(32, 1, 1))
    gpu.Context.synchronize()
    assert shared[0] == 1


@pytest.mark.parametrize(
    "block, grid, shared",
    [((1025, 1, 1), (1, 1), 0), ((1, 1, 65), (1, 1), 0), ((32, 1, 1), (1, 70000), 0), ((32, 1, 1), (1, 1), 50000)],
)
def test_launches_of_impossible_shapes(gpu, module, emulator, block, grid, shared):
    with pytest.raises(gpu.Error):
        module.get_function("dynamic")(gpu.mem_alloc(4096), block=block, grid=grid, shared=shared)
    assert "launch of dynamic refused" in emulator.report()


def test_launch_bounds_and_attributes(gpu, module):
    bounded, dynamic = module.get_function("bounded"), module.get_function("dynamic")
    assert bounded.max_threads_per_block == 64
    with pytest.raises(gpu.Error):
        bounded(gpu.mem_alloc(4096), block=(65, 1, 1))
    assert module.get_function("conflicts").shared_size_bytes == 4096
    dynamic.set_attribute(gpu.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000)
    pointer = gpu.mem_alloc(128)
    dynamic(pointer, block=(32, 1, 1), shared=60000)
    assert list(read(gpu, pointer, 3)) == [31, 30, 29]


def test_devices(gpu):
    device = gpu.Device(1)
    assert gpu.Device.count() == 2 and device.compute_capability() == (7, 5)
    assert device.get_attribute(gpu.device_attribute.WARP_SIZE) == 32
    assert gpu.Device(device.pci_bus_id()) == device
    with pytest.raises(gpu.Error):
        gpu.Device(2)


def test_counters(gpu, module, emulator):
    n = 32 * 32
    a, b = on_device(gpu, np.zeros(n)), gpu.mem_alloc(4 * 32)
    for step, sectors in ((1, 4), (2, 8), (8, 32)):
        emulator.library.cuemuResetStats()
        module.get_function("strided")(a, b, np.int32(step), block=(32, 1, 1))
        gpu.Context.synchronize()
        stats = emulator.stats()["strided"]
        assert (stats["global_loads"], stats["global_load_sectors"], stats["global_store_sectors"]) == (1, sectors, 4)
        assert stats["launches"] == 1 and stats["lane_instructions"] == 32 * stats["warp_instructions"]
    for step, extra in ((1, 0), (2, 1), (32, 31)):
        emulator.library.cuemuResetStats()
        module.get_function("conflicts")(b, np.int32(step), block=(32, 1, 1))
        gpu.Context.synchronize()
        assert emulator.stats()["conflicts"]["shared_conflicts"] == extra


def test_printf(gpu, module, capfd):
    module.get_function("speaks")(np.int32(-3), block=(32, 1, 1))
    gpu.Context.synchronize()
    assert capfd.readouterr().out == "n=-3 x= 1.50 s=text c 1099511627776 %\n"


def test_errors_have_names():
    library = ctypes.CDLL("libcuda.so.1")
    text = ctypes.c_char_p()
    assert library.cuGetErrorName(700, ctypes.byref(text)) == 0 and text.value == b"CUDA_ERROR_ILLEGAL_ADDRESS"
    assert library.cuGetErrorString(2, ctypes.byref(text)) == 0 and text.value == b"out of memory"


def test_no_device():
    code = "import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))"
    for variable in ({"CUEMU_DEVICES": "0"}, {"CUEMU_NO_DEVICE": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", code], env=dict(os.environ, **variable), stdout=subprocess.PIPE, text=True
        )
        assert done.stdout.strip() == "100"


def test_primary_contexts_are_emptied_when_released():
    code = """
import pycuda.driver as cuda
cuda.init()
c = cuda.Device(0).retain_primary_context(); c.push(); p = cuda.mem_alloc(1 << 20); used = cuda.mem_get_info(); p.free()
assert cuda.mem_get_info()[0] - used[0] == 1 << 20
cuda.Context.pop(); print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), stdout=subprocess.PIPE, text=True)
    assert done.stdout == "done\n" and done.returncode == 0


def test_a_forked_child_is_not_served():
    code = """
import ctypes, os
library = ctypes.CDLL("libcuda.so.1"); n = ctypes.c_int()
assert library.cuInit(0) == 0
child = os.fork()
if child == 0: os._exit(library.cuDeviceGetCount(ctypes.byref(n)) * 10 + library.cuInit(0))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 33 and library.cuDeviceGetCount(ctypes.byref(n)) == 0
"""
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == 0
