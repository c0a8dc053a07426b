"""Tensors between processes: one memory for all, by descriptor or by name, and nothing left of it."""
import gc
import os
import time

import pytest

import tensorlib
import tensorlib.multiprocessing as mp
from tensorlib.autograd import Variable


@pytest.fixture(params=["file_descriptor", "file_system"])
def strategy(request):
    """Both ways, with nothing left in /dev/shm."""
    old = mp.get_sharing_strategy()
    mp.set_sharing_strategy(request.param)
    yield request.param
    mp.set_sharing_strategy(old)
    gc.collect()
    assert_no_files(os.getpid())


def shared_files(*pids):
    """What stands in /dev/shm of these processes."""
    return [name for name in os.listdir("/dev/shm") if name.startswith(tuple("tensorlib_%d_" % pid for pid in pids))]


def assert_no_files(*pids):
    """There are none, or soon: how a process ended is heard a moment later."""
    deadline = time.monotonic() + 10
    while shared_files(*pids):
        assert time.monotonic() < deadline, shared_files(*pids)
        time.sleep(0.01)


def fork(target, *args):
    process = mp.get_context("fork").Process(target=target, args=args, daemon=True)
    process.start()
    return process


def add_one(queue, answers, done):
    tensor = queue.get()
    tensor.add_(1)
    answers.put(tensor)
    done.wait(20)


def test_both_sides_see_one_memory(strategy):
    queue, answers, done = mp.Queue(), mp.SimpleQueue(), mp.Event()
    process = fork(add_one, queue, answers, done)
    x = tensorlib.zeros(3, 4)
    queue.put(x)
    back = answers.get()
    assert x.tolist() == [[1] * 4] * 3 and back.tolist() == x.tolist()
    back.fill_(7)
    assert x.sum() == 84 and x.is_shared() and back.data_ptr() == x.data_ptr()
    done.set()
    process.join(20)
    assert process.exitcode == 0


def send_views(queue, done):
    base = tensorlib.arange(0, 12).view(3, 4)
    queue.put([base, base[1], base.t(), base.storage(), tensorlib.LongTensor([5]), tensorlib.FloatTensor(),
               Variable(base, requires_grad=True)])
    queue.put(base)
    done.wait(20)


def test_views_keep_their_storage(strategy):
    queue, done = mp.Queue(), mp.Event()
    process = fork(send_views, queue, done)
    base, row, turned, storage, number, empty, variable = queue.get(timeout=20)
    again = queue.get(timeout=20)
    done.set()
    process.join(20)
    assert row.tolist() == [4, 5, 6, 7] and turned.stride() == (1, 4) and number.tolist() == [5] and empty.numel() == 0
    row.fill_(-1)
    assert base[1].tolist() == [-1] * 4 == again[1].tolist() and turned[0, 1] == -1 and storage[4] == -1
    assert variable.requires_grad and variable.data[1].tolist() == [-1] * 4


def total(tensor):
    return tensor.sum(), tensor * 2


def test_pool(strategy):
    with mp.get_context("fork").Pool(2) as pool:
        results = pool.map(total, [tensorlib.ones(100) * i for i in range(6)])
        assert [s for s, _ in results] == [100 * i for i in range(6)]
        assert results[5][1][0] == 10
        del results
        pool.close()
        pool.join()


def test_share_memory(strategy):
    x = tensorlib.ones(2, 3)
    row = x[1]
    assert not x.is_shared() and x.share_memory_() is x and x.is_shared() and row.is_shared()
    row.fill_(4)
    assert x.tolist() == [[1, 1, 1], [4, 4, 4]]
    with pytest.raises(RuntimeError):
        x.storage().resize_(100)
    pid = os.fork()
    if pid == 0:
        x.zero_()
        os._exit(0)
    os.waitpid(pid, 0)
    assert x.sum() == 0
    assert tensorlib.FloatTensor().share_memory_().numel() == 0


def send_and_end(queue):
    queue.put(tensorlib.ones(3) * 5)


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_sender_may_end_first(strategy, kind):
    """A child that has nothing more to do waits until its message was received."""
    queue = getattr(mp, kind)()
    process = fork(send_and_end, queue)
    time.sleep(0.3)
    assert queue.get().tolist() == [5, 5, 5]
    process.join(20)
    assert process.exitcode == 0


def test_what_looked_at_the_memory_before():
    """Arrays and parts of a storage keep the memory they were made of."""
    x = tensorlib.ones(1000)
    array, storage = x.numpy(), tensorlib.FloatStorage([1, 2, 3] * 300)
    part = storage[1:3]
    x.share_memory_()
    storage.share_memory_()
    others = [tensorlib.zeros(1000) for _ in range(20)]
    assert array.sum() == 1000 and part.tolist() == [2, 3] and len(others) == 20
    with pytest.raises(RuntimeError):
        tensorlib.FloatStorage([1, 2])[:1].resize_(5)


def test_part_of_a_storage_goes_with_the_whole(strategy):
    queue, whole = mp.SimpleQueue(), tensorlib.FloatStorage([1, 2, 3, 4])
    with pytest.raises(RuntimeError, match="only the whole"):
        whole[1:3].share_memory_()
    queue.put([whole[1:3], whole])
    part, again = queue.get()
    part[0] = 7
    assert again.tolist() == [1, 7, 3, 4] == whole.tolist()


def test_a_message_is_received_once():
    from tensorlib.multiprocessing import descriptors
    block = tensorlib.shared.new_block(64)
    handle = descriptors.offer(block)
    os.close(descriptors.fetch(*handle))
    with pytest.raises(RuntimeError, match="received before"):
        descriptors.fetch(*handle)
    with pytest.raises(RuntimeError, match="its sender has ended"):
        descriptors.fetch("\0tensorlib_nobody", handle[1])


def train_shared(model, steps):
    optimizer = tensorlib.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(Variable(tensorlib.ones(4, 2))) - 3).pow(2).mean().backward()
        optimizer.step()


def test_two_processes_train_one_model():
    model = tensorlib.nn.Linear(2, 1)
    model.share_memory()
    for process in [fork(train_shared, model, 100) for _ in range(2)]:
        process.join(30)
        assert process.exitcode == 0
    assert abs(model(Variable(tensorlib.ones(1, 2))).data[0, 0] - 3) < 0.05


def test_strategies():
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
    assert mp.get_sharing_strategy() == "file_descriptor"
    with pytest.raises(ValueError):
        mp.set_sharing_strategy("pigeon")
    assert mp.Process and mp.cpu_count() and mp.Lock


def test_gone_memory_is_told():
    from tensorlib.multiprocessing.reductions import open_name
    with pytest.raises(RuntimeError, match="is gone"):
        open_name(6, 10, 40, "/dev/shm/tensorlib_1_none_1")


def test_many_descriptors():
    """Storages that came and went keep no file open."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2000):
        tensorlib.ones(10).share_memory_()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
