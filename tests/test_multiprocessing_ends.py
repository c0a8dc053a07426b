"""Processes that end in every way, fork and spawn, full queues: nothing is left, and nothing is lost too early."""
import gc
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

import tensorlib
import tensorlib.multiprocessing as mp
from tensorlib import nn
from tensorlib.autograd import Variable
from tensorlib.multiprocessing import keeper
from test_multiprocessing import assert_no_files, shared_files

STRATEGIES = ("file_descriptor", "file_system")


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    old = mp.get_sharing_strategy()
    mp.set_sharing_strategy(request.param)
    yield request.param
    mp.set_sharing_strategy(old)
    gc.collect()
    assert_no_files(os.getpid())


@pytest.fixture(autouse=True)
def no_hang():
    def give_up(signum, frame):
        raise TimeoutError("the test took more than 20 seconds")
    old = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def start(kind, target, *args):
    process = mp.get_context(kind).Process(target=target, args=args, daemon=True)
    process.start()
    return process


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    assert process.exitcode == -signal.SIGKILL


# ---- killed processes ----------------------------------------------------------------------------------


def make_and_wait(strategy, queue, count):
    """A producer: it keeps what it sent, and something that it did not send."""
    mp.set_sharing_strategy(strategy)
    kept = [tensorlib.ones(1000) * i for i in range(count)] + [tensorlib.ones(10).share_memory_()]
    for tensor in kept[:-1]:
        queue.put(tensor)
    queue.put("all sent")
    time.sleep(60)


def receive_and_wait(strategy, queue, answers, count):
    """A consumer: it holds what came, and something of its own."""
    mp.set_sharing_strategy(strategy)
    kept = [queue.get() for _ in range(count)] + [tensorlib.ones(10).share_memory_()]
    answers.put([tensor.sum() for tensor in kept])
    time.sleep(60)


def test_producer_is_killed(strategy):
    """What was received stays; when that is dropped, nothing is left."""
    queue = mp.Queue()
    process = start("fork", make_and_wait, strategy, queue, 3)
    tensors = [queue.get() for _ in range(3)]
    assert queue.get() == "all sent"
    kill(process)
    assert [tensor.sum() for tensor in tensors] == [0, 1000, 2000]
    tensors[0].fill_(5)
    del tensors
    gc.collect()
    assert_no_files(process.pid, os.getpid())


def test_consumer_is_killed(strategy):
    queue, answers = mp.Queue(), mp.Queue()
    process = start("fork", receive_and_wait, strategy, queue, answers, 3)
    tensors = [tensorlib.ones(1000) * i for i in range(3)]
    for tensor in tensors:
        queue.put(tensor)
    assert answers.get() == [0, 1000, 2000, 10]
    kill(process)
    assert_no_files(process.pid)
    assert [tensor.sum() for tensor in tensors] == [0, 1000, 2000]
    if strategy == "file_system":
        assert len(shared_files(os.getpid())) == 3
    del tensor, tensors
    gc.collect()
    assert_no_files(os.getpid())


def test_both_are_killed(strategy):
    """Under a parent that lives on, and has shared nothing itself."""
    queue, answers = mp.Queue(), mp.Queue()
    producer = start("fork", make_and_wait, strategy, queue, 3)
    consumer = start("fork", receive_and_wait, strategy, queue, answers, 3)
    assert answers.get() == [0, 1000, 2000, 10]
    kill(producer)
    kill(consumer)
    assert_no_files(producer.pid, consumer.pid, os.getpid())


TREE = """
import os, sys, time
import tensorlib, tensorlib.multiprocessing as mp
sys.path.insert(0, {folder!r})
from test_multiprocessing_ends import make_and_wait, receive_and_wait

if __name__ == "__main__":
    context = mp.get_context({kind!r})
    mp.set_sharing_strategy({strategy!r})
    queue, answers, unread = context.Queue(), context.Queue(), context.Queue()
    children = [context.Process(target=make_and_wait, args=({strategy!r}, queue, 3)),
                context.Process(target=receive_and_wait, args=({strategy!r}, queue, answers, 3)),
                context.Process(target=make_and_wait, args=({strategy!r}, unread, 2))]
    for child in children:
        child.start()
    assert answers.get() == [0, 1000, 2000, 10]
    mine = tensorlib.ones(5).share_memory_()
    print(os.getpid(), *[child.pid for child in children], flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind, strategy", [("fork", "file_descriptor"), ("fork", "file_system"),
                                            ("spawn", "file_system")])
def test_a_whole_tree_is_killed(kind, strategy, tmp_path):
    """The main process first, with messages that nobody read."""
    path = tmp_path / "tree.py"
    path.write_text(TREE.format(folder=os.path.dirname(__file__), kind=kind, strategy=strategy))
    root = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in root.stdout.readline().split()]
    assert pids[0] == root.pid and len(pids) == 4
    deadline = time.monotonic() + 10
    while len(shared_files(*pids)) < (9 if strategy == "file_system" else 0):   # queues send in the background
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    root.stdout.close()
    assert root.wait() == -signal.SIGKILL
    assert_no_files(*pids)


def pid_of_keeper():
    """The one process whose command line has the address of our keeper."""
    address = keeper._address()[1:].encode()
    pids = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if address in path.read_bytes():
                pids.append(int(path.parent.name))
        except OSError:                         # it has ended
            pass
    assert len(pids) == 1
    return pids[0]


def test_a_killed_keeper_is_replaced(strategy):
    if strategy == "file_descriptor":
        return                                  # it has none
    first = tensorlib.ones(10).share_memory_()
    os.kill(pid_of_keeper(), signal.SIGKILL)
    second = tensorlib.ones(10).share_memory_()
    assert len(shared_files(os.getpid())) == 2
    del first
    gc.collect()
    assert len(shared_files(os.getpid())) == 1
    del second
    gc.collect()
    assert shared_files(os.getpid()) == []


# ---- fork and spawn ------------------------------------------------------------------------------------


def double(strategy, queue, answers):
    mp.set_sharing_strategy(strategy)
    while True:
        item = queue.get()
        if item is None:
            return
        data = item.data if isinstance(item, Variable) else item
        if hasattr(data, "mul_"):               # halves cannot compute
            data.mul_(2)
        answers.put(item)


@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_tensors_variables_and_parameters_go_both_ways(kind, strategy):
    """The memory is one; the child ends while its last answers are still unread."""
    context = mp.get_context(kind)
    queue, answers = context.Queue(), context.Queue()
    process = start(kind, double, strategy, queue, answers)
    x = tensorlib.ones(2, 3)
    items = [x, Variable(x, requires_grad=True), nn.Parameter(tensorlib.ones(4)), tensorlib.arange(0, 6).view(2, 3).t(),
             tensorlib.HalfTensor([1, 2]), Variable(tensorlib.ones(1), volatile=True)]
    for item in items + [None]:
        queue.put(item)
    time.sleep(0.3)
    back = [answers.get() for _ in items]
    process.join(20)
    assert process.exitcode == 0
    assert x.tolist() == [[4] * 3] * 2 == back[0].tolist() == back[1].data.tolist()
    assert type(back[1]) is Variable and back[1].requires_grad and back[5].volatile
    assert type(back[2]) is nn.Parameter and back[2].data.tolist() == [2] * 4 == items[2].data.tolist()
    assert back[3].stride() == (1, 3) and back[3].tolist() == [[0, 6], [2, 8], [4, 10]]
    assert back[4].tolist() == [1, 2] and back[4].type() == "tensorlib.HalfTensor"
    assert back[0].data_ptr() == x.data_ptr()


def through_pipe(connection):
    tensor = connection.recv()
    tensor.add_(1)
    connection.send([tensor, tensor.storage()])


def test_pipes(strategy):
    ours, theirs = mp.Pipe()
    process = start("fork", through_pipe, theirs)
    x = tensorlib.zeros(5)
    ours.send(x)
    tensor, storage = ours.recv()
    process.join(20)
    assert x.tolist() == [1] * 5 == tensor.tolist() == storage.tolist()


def row_sum(pair):
    tensor, model = pair
    return model(Variable(tensor)).data, tensor.sum()


def test_pools(strategy):
    model = nn.Linear(3, 1)
    inputs = [tensorlib.ones(2, 3) * i for i in range(5)]
    with mp.get_context("fork").Pool(2) as pool:
        for i, (output, total) in enumerate(pool.map(row_sum, [(x, model) for x in inputs])):
            assert total == 6 * i and output.tolist() == model(Variable(inputs[i])).data.tolist()
        with pytest.raises(RuntimeError, match="got int"):
            pool.map(row_sum, [(1, model)])
        pool.close()
        pool.join()


def test_what_the_standard_module_has_is_there():
    import multiprocessing
    for name in multiprocessing.__all__:
        assert getattr(mp, name) is getattr(multiprocessing, name), name


# ---- many ----------------------------------------------------------------------------------------------


def assert_open_files(most):
    """There are no more, or soon: threads close some a moment later."""
    deadline = time.monotonic() + 5
    while len(os.listdir("/proc/self/fd")) > most:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def sum_all(queue, answers, count):
    kept = [queue.get() for _ in range(count)]
    answers.put(sum(tensor.sum() for tensor in kept))


def test_a_queue_of_thousands(strategy):
    """More tensors at once than there may be open files, on both sides; and then none of them is open any more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, limits[1]), limits[1]))
    try:
        queue, answers, count = mp.Queue(), mp.Queue(), 1200
        process = start("fork", sum_all, queue, answers, count)
        before = len(os.listdir("/proc/self/fd"))
        tensors = [tensorlib.ones(2) * i for i in range(count)]
        for tensor in tensors:
            queue.put(tensor)
        assert answers.get() == count * (count - 1)
        process.join(20)
        del tensor, tensors
        gc.collect()
        assert_open_files(before + 4)           # what serves queues stays
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_how_many_blocks_keep_files_open(monkeypatch):
    shared = tensorlib.shared
    for limit, most in (1024, 256), (resource.RLIM_INFINITY, 1 << 20):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
        assert shared.most_descriptors() == most
    most = shared.Block.alive + 1
    monkeypatch.setattr(shared, "most_descriptors", lambda: most)
    blocks = [shared.new_block(64) for _ in range(3)]
    assert [block.name is None for block in blocks] == [True, False, False]


def test_threads_share_at_once(strategy):
    """Each makes, sends, receives and drops; the counts stay right."""
    queues, failures = [mp.SimpleQueue() for _ in range(6)], []

    def work(queue):
        for i in range(40):
            queue.put(tensorlib.ones(4) * i)
            if queue.get().sum() != 4 * i:
                failures.append(i)

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert failures == [] and shared_files(os.getpid()) == []


def test_messages_leave_no_files_open(strategy):
    queue = mp.SimpleQueue()
    queue.put(tensorlib.ones(2))
    queue.get()                                 # what serves queues is there from now on
    before = len(os.listdir("/proc/self/fd"))
    for i in range(300):
        queue.put([tensorlib.ones(3) * i, tensorlib.ones(2)])
        assert queue.get()[0][0] == i
    gc.collect()
    assert_open_files(before)


def test_shared_storages_cannot_be_resized(strategy):
    x = tensorlib.ones(4).share_memory_()
    queue = mp.SimpleQueue()
    queue.put(tensorlib.ones(3))
    for tensor in x, queue.get():
        for call in tensor.resize_, tensor.storage().resize_:
            with pytest.raises(RuntimeError, match="shared between processes"):
                call(100)
    assert x.tolist() == [1] * 4 and x.resize_(2).tolist() == [1, 1]
    assert tensorlib.FloatStorage._new_shared(5).is_shared()


def test_a_block_that_claims_more_than_its_file(strategy):
    block = tensorlib.shared.new_block(64)
    fd = os.open(block.name, os.O_RDWR) if block.name else os.dup(block.fd)
    with pytest.raises(ValueError, match="64 bytes cannot be mapped for 65"):
        tensorlib.shared.mapped(tensorlib.shared._storage.Mapping, fd, 65)
    os.close(fd)


def test_memory_that_is_not_there(strategy):
    with pytest.raises(MemoryError, match="not enough shared memory"):
        tensorlib.shared.new_block(1 << 60)
    assert shared_files(os.getpid()) == []


# ---- training without locks ----------------------------------------------------------------------------


def make_points(seed):
    tensorlib.manual_seed(seed)
    x = tensorlib.randn(64, 4)
    return x, (x.sum(1) > 0).long()


def train(model, seed):
    tensorlib.set_num_threads(1)
    optimizer = tensorlib.optim.SGD(model.parameters(), lr=0.1)
    for step in range(60):
        x, y = make_points(1000 * seed + step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(Variable(x)), Variable(y)).backward()
        optimizer.step()


def test_processes_train_one_model_without_locks():
    tensorlib.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
    assert model.share_memory() is model and all(p.data.is_shared() for p in model.parameters())
    for process in [start("fork", train, model, number) for number in range(3)]:
        process.join(50)
        assert process.exitcode == 0
    x, y = make_points(7)
    assert (model(Variable(x)).data.max(1)[1] == y).sum() >= 60
