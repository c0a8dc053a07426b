"""Tensors on GPUs as such: types, copies, indexing, files, streams, memory, threads, several devices, processes."""
import copy
import ctypes
import io
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import tensorlib
from tensorlib import cuda
from tensorlib.autograd import Variable
from tensorlib.cuda import allocator, backend, comm, driver, nccl

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def gpu(a=X, device=0):
    return tensorlib.from_numpy(np.array(a)).cuda(device)


def test_types_and_places():
    x = gpu()
    assert type(x) is cuda.FloatTensor and x.type() == "tensorlib.cuda.FloatTensor" and x.is_cuda
    assert x.get_device() == 0 and x.cuda() is x and x.cuda(0) is x
    y = x.cuda(1)
    assert y.get_device() == 1 and y.tolist() == X.tolist() and y.cpu().is_cuda is False
    assert x.type("tensorlib.cuda.LongTensor").get_device() == 0 and y.long().get_device() == 1
    assert y.new(2, 2).get_device() == 1 and y.new([1, 2]).tolist() == [1, 2]
    assert type(x.double()) is cuda.DoubleTensor and type(x.cpu()) is tensorlib.FloatTensor
    assert x.half().float().tolist() == X.tolist() and type(x.half()) is cuda.HalfTensor
    assert cuda.FloatTensor(2, 3, device=1).get_device() == 1 and cuda.FloatTensor().dim() == 0
    assert cuda.IntTensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert isinstance(x.storage(), cuda.FloatStorage) and x.storage().get_device() == 0
    assert x.storage().type() == "tensorlib.cuda.FloatStorage" and len(x.storage().cpu()) == 12
    with pytest.raises(RuntimeError, match="GPU 7"):
        x.cuda(7)
    with pytest.raises(RuntimeError, match="copy it to the CPU"):
        x.numpy()


def test_text_names_the_gpu():
    assert str(gpu([1.0, 2.0], 1).float()).endswith("[tensorlib.cuda.FloatTensor of size 2 (GPU 1)]\n")
    assert "(GPU 0)" in str(cuda.FloatStorage([1.0]))


@pytest.mark.parametrize("source", ["float32", "float64", "int64", "int32", "int16", "uint8"])
@pytest.mark.parametrize("target", ["Float", "Double", "Long", "Int", "Short", "Byte"])
def test_copies_between_types_layouts_and_devices(source, target):
    a = np.arange(24).reshape(2, 3, 4).astype(source)
    x = tensorlib.from_numpy(a.copy())
    want = a.transpose(2, 1, 0).tolist()
    for dst in (getattr(cuda, target + "Tensor")(4, 3, 2), getattr(tensorlib, target + "Tensor")(4, 3, 2)):
        assert dst.copy_(x.cuda().transpose(0, 2)).tolist() == want
    strided = getattr(cuda, target + "Tensor")(2, 3, 4, device=1).transpose(0, 2)
    assert strided.copy_(x.transpose(0, 2)).tolist() == want
    assert strided.copy_(x.cuda(0).transpose(0, 2)).tolist() == want


def test_mixed_devices_raise_and_name_both():
    x, y = gpu(), gpu(device=1)
    for call in (lambda: x + y, lambda: x.mm(y.t()), lambda: x.add_(y)):
        with pytest.raises(RuntimeError, match=r"GPU 0\) and .*GPU 1"):
            call()
    with pytest.raises(RuntimeError, match=r"cuda.FloatTensor \(GPU 0\) and tensorlib.FloatTensor"):
        x + x.cpu()
    with pytest.raises(TypeError, match="GPU 1"):
        tensorlib.cat([x, y])


def test_indexing():
    x = gpu()
    assert x[1, 2] == 6 and x[1].tolist() == X[1].tolist() and x[:, 1:3].tolist() == X[:, 1:3].tolist()
    assert x[x > 5].tolist() == X[X > 5].tolist() and x[cuda.LongTensor([2, 0])].tolist() == X[[2, 0]].tolist()
    assert x[[0, 2], [1, 3]].tolist() == X[[0, 2], [1, 3]].tolist()
    x[0, 0], x[1] = 50, 7
    x[x > 40] = -1
    x[cuda.LongTensor([2])] = 3
    want = X.copy()
    want[0, 0], want[1] = 50, 7
    want[want > 40] = -1
    want[[2]] = 3
    assert x.tolist() == want.tolist()
    assert gpu().sum() == 66 and float(gpu().max()) == 11 and 5 in gpu([5.0])


def test_a_position_out_of_range_raises_at_the_next_wait():
    x = gpu()
    part = x.index_select(0, cuda.LongTensor([0, 3]))
    with pytest.raises(IndexError, match=r"index_select\(\): index 3 is out of range, expected 0 <= index < 3"):
        part.cpu()
    x.index_fill_(0, cuda.LongTensor([-1]), 9)
    with pytest.raises(IndexError, match="index -1"):
        cuda.synchronize()
    assert x.tolist() == X.tolist()             # nothing else was written, and the device goes on


def test_copies_share_storages_and_pickles_keep_the_place():
    x = gpu(device=1)
    twin, view = copy.deepcopy([x, x[1]])
    assert twin.get_device() == 1 and twin.storage() is view.storage() and view.tolist() == X[1].tolist()
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is cuda.FloatTensor and again.tolist() == X.tolist()
    file = io.BytesIO()
    tensorlib.save({"x": x}, file)
    for where, device in ((None, 1), ("cpu", None), ({"cuda:1": "cuda:0"}, 0)):
        file.seek(0)
        loaded = tensorlib.load(file, map_location=where)["x"]
        assert loaded.tolist() == X.tolist() and (loaded.get_device() if loaded.is_cuda else None) == device


def test_page_locked_memory():
    x = tensorlib.from_numpy(X.copy()).pin_memory()
    assert x.is_pinned() and x.pin_memory().is_pinned() and x.tolist() == X.tolist()
    y = x.cuda(non_blocking=True)
    z = x.cuda(**{"async": True})
    assert y.tolist() == z.tolist() == X.tolist() and not gpu().is_pinned()
    back = tensorlib.zeros(3, 4).pin_memory()
    back.copy_(y, **{"async": True})
    cuda.synchronize()
    assert back.tolist() == X.tolist()
    with pytest.raises(TypeError, match="only CPU memory"):
        y.pin_memory()


def test_gradients_cross_devices():
    w = Variable(tensorlib.ones(3), requires_grad=True)
    y = (w.cuda(1) * 2).cuda(0) * Variable(gpu([1.0, 2.0, 3.0]).float())
    y.sum().backward()
    assert w.grad.data.tolist() == [2, 4, 6] and not w.grad.is_cuda
    v = Variable(gpu(), requires_grad=True)
    (v * v).sum().backward()
    assert v.grad.data.tolist() == (2 * X).tolist() and v.grad.data.get_device() == 0


def test_current_device():
    assert cuda.current_device() == 0
    with cuda.device(1):
        assert cuda.current_device() == 1 and cuda.FloatTensor(2).get_device() == 1
        with cuda.device_of(gpu(device=0)), cuda.device(-1):
            assert cuda.current_device() == 0
    assert cuda.current_device() == 0 and tensorlib.ones(1).cuda().get_device() == 0
    assert cuda.device_count() == 2
    with pytest.raises(RuntimeError, match="invalid device"):
        cuda.set_device(2)
    seen = []
    with cuda.device(1):
        thread = threading.Thread(target=lambda: seen.append((cuda.current_device(), gpu().sum())))
        thread.start()
        thread.join()
    assert seen == [(0, 66)]                    # each thread has its own


def test_threads_work_at_the_same_time():
    found = {}

    def work(i):
        with cuda.device(i % 2):
            x = gpu(device=i % 2)
            for _ in range(5):
                x = x + 1
            found[i] = x.sum(), x.get_device()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {i: (126, i % 2) for i in range(4)}


def test_streams_and_events():
    stream, event = cuda.Stream(), cuda.Event(enable_timing=True)
    end = cuda.Event(enable_timing=True)
    x = gpu()
    with cuda.stream(stream):
        assert cuda.current_stream() == stream
        event.record()
        y = x * 2
        end.record()
    assert cuda.current_stream() != stream
    cuda.current_stream().wait_stream(stream)
    assert y.tolist() == (2 * X).tolist()
    stream.synchronize()
    assert stream.query() and end.query() and event.elapsed_time(end) >= 0
    other = cuda.Stream(1)
    other.wait_event(end)
    assert other.device == 1 and stream.priority == 0


def test_priorities_of_streams():
    least, greatest = cuda.Stream.priority_range()
    assert greatest < 0 == least
    for given, wanted in ((0, 0), (greatest, greatest), (greatest - 5, greatest), (3, least)):
        stream = cuda.Stream(priority=given)
        found = ctypes.c_int(7)
        driver.library().cuStreamGetPriority(ctypes.c_void_p(stream.cuda_stream), ctypes.byref(found))
        assert stream.priority == found.value == wanted


@pytest.mark.parametrize("recorded", [False, True])
def test_memory_waits_for_a_recorded_stream(recorded):
    """Without the record, memory that another stream still reads is handed out; the emulator runs nothing unasked."""
    before = allocator.set_cache(True)
    try:
        x, stream = gpu(), cuda.Stream()
        cuda.synchronize()
        with cuda.stream(stream):
            y = x * 2
        if recorded:
            x[1].record_stream(stream)
            x.record_stream(cuda.current_stream())          # its own one, which changes nothing
        address = x.data_ptr()
        del x
        z = gpu(X + 100)
        if os.environ.get("TENSORLIB_CUDA_EMULATOR"):
            assert (z.data_ptr() != address) == recorded
        stream.synchronize()
        if recorded:
            assert y.tolist() == (2 * X).tolist()
            del z
            assert address in [t.data_ptr() for t in [gpu() for _ in range(3)]]
        with pytest.raises(AttributeError, match="record_stream.*on the CPU"):
            tensorlib.ones(2).record_stream(stream)
    finally:
        allocator.set_cache(before)


def test_values_stay_on_the_gpu_while_nothing_asks_for_them():
    w = Variable(gpu(), requires_grad=True)
    before = dict(backend.transfers)
    for _ in range(3):
        loss = ((w * 2).t().mm(w) + 1).sum()
        loss.backward()
        w.data.add_(-0.1, w.grad.data)
        w.grad.data.zero_()
    assert backend.transfers == before
    loss.data[0]
    assert backend.transfers["to the CPU"] == before["to the CPU"] + 1


def test_memory_comes_back():
    cuda.empty_cache()
    start = cuda.memory_allocated()
    w = Variable(gpu(), requires_grad=True)
    sizes = []
    for _ in range(6):
        (w.exp() * w).sum().backward()
        w.grad.data.zero_()
        sizes.append(cuda.memory_allocated())
    assert len(set(sizes[1:])) == 1
    del w
    assert cuda.memory_allocated() == start and cuda.max_memory_allocated() >= sizes[-1]


def test_the_cache_gives_blocks_again_splits_and_merges():
    before = allocator.set_cache(True)
    try:
        a = cuda.FloatTensor(100)
        address = a.data_ptr()
        b, c = cuda.FloatTensor(100), cuda.FloatTensor(100)
        assert b.data_ptr() == address + 512 and c.data_ptr() == address + 1024
        del a, b
        assert cuda.FloatTensor(200).data_ptr() == address          # both, merged
        del c
        assert cuda.memory_cached() > 0
        cuda.empty_cache()
        assert cuda.memory_cached() == 0
    finally:
        allocator.set_cache(before)


def test_too_much_memory_raises_with_the_sizes():
    with pytest.raises(RuntimeError, match="out of memory: 4398046511104 bytes were asked for on GPU 0"):
        cuda.FloatTensor(1 << 40)
    assert gpu().sum() == 66


def test_comm_and_nccl():
    x = gpu()
    assert [t.get_device() for t in comm.broadcast(x, (0, 1))] == [0, 1]
    many = [gpu(), gpu([1.0]), gpu([[1, 2]])]
    for place, device in zip(comm.broadcast_coalesced(many, (0, 1)), (0, 1)):
        assert [t.tolist() for t in place] == [t.tolist() for t in many]
        assert {t.get_device() for t in place} == {device}
    total = comm.reduce_add([gpu(), gpu(device=1)], 1)
    assert total.get_device() == 1 and total.tolist() == (2 * X).tolist()
    sums = comm.reduce_add_coalesced([[gpu(), gpu([1.0])], [gpu(device=1), gpu([2.0], 1)]], 0)
    assert [t.tolist() for t in sums] == [(2 * X).tolist(), [3]]
    parts = comm.scatter(x, (0, 1), (1, 2))
    assert [t.tolist() for t in parts] == [X[:1].tolist(), X[1:].tolist()]
    assert comm.gather(parts, 0, 1).get_device() == 1 and comm.gather(parts).tolist() == X.tolist()
    pair = [gpu(), gpu(device=1)]
    nccl.all_reduce(pair)
    assert [t.tolist() for t in pair] == [(2 * X).tolist()] * 2


def test_data_parallel():
    tensorlib.manual_seed(3)
    net = tensorlib.nn.Linear(4, 2)
    x = tensorlib.randn(6, 4)
    want = net(Variable(x)).data
    parallel = tensorlib.nn.DataParallel(net.cuda(), device_ids=[0, 1])
    out = parallel(Variable(x.cuda()))
    assert out.data.get_device() == 0 and (out.data.cpu() - want).abs().max() < 1e-5
    out.sum().backward()
    assert (net.bias.grad.data.cpu() - 6).abs().max() < 1e-5


def run(code, **env):
    env = dict(os.environ, **env)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=300)


def test_a_forked_child_is_refused_and_ends_cleanly():
    result = run("""if 1:
        import os, sys, tensorlib
        x = tensorlib.ones(2).cuda()
        pid = os.fork()
        if pid == 0:
            try:
                tensorlib.ones(2).cuda()
            except RuntimeError as error:
                assert 'forked' in str(error) and not tensorlib.cuda.is_available()
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0 and x.sum() == 2""")
    assert result.returncode == 0 and not result.stderr, result.stderr


def test_processes_end_cleanly_with_tensors_and_threads_left():
    result = run("""if 1:
        import threading, tensorlib
        x = tensorlib.ones(2).cuda(1)
        kept = []
        t = threading.Thread(target=lambda: kept.append(x + tensorlib.ones(2).cuda(1)))
        t.start(); t.join()
        assert kept[0].tolist() == [2, 2]""")
    assert result.returncode == 0 and not result.stderr, result.stderr
