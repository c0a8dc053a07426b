"""Datasets, samplers, collation, and the DataLoader with worker processes: order, seeds, errors, deaths, memory."""
import gc
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter, namedtuple

import numpy
import pytest

import tensorlib
from tensorlib.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    dataloader,
    random_split,
    sampler,
)
from tensorlib.utils.data.dataloader import default_collate


@pytest.fixture(autouse=True)
def no_hang():
    """A test that hangs fails after a minute."""
    def give_up(signum, frame):
        raise TimeoutError("the test took more than a minute")
    old = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


@pytest.fixture(autouse=True)
def nothing_left():
    """No shared memory, open file or child process is left by any test."""
    gc.collect()
    before = left_over()
    yield
    gc.collect()
    assert left_over() == before


def of_others(name):
    """Whether a block of shared memory was made by a process that lives and does not descend from this one."""
    pid = int(name.split("_")[1])
    while pid not in (1, os.getpid()):
        try:
            with open("/proc/%d/stat" % pid) as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            return False
    return pid == 1


def left_over():
    files = sorted(name for name in os.listdir("/dev/shm") if name.startswith("tensorlib_") and not of_others(name))
    children = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True).stdout
    return files, len(os.listdir("/proc/self/fd")), sorted(c for c in children.split("\n") if c and "ps" not in c)


class Function(Dataset):
    """The values of a function of the index."""

    def __init__(self, function, length=20):
        self.function = function
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.function(index)


# ---- datasets and samplers ------------------------------------------------------------------------------


def test_tensor_dataset():
    x, y = tensorlib.randn(10, 3), tensorlib.arange(0, 10).long()
    dataset = TensorDataset(x, y)
    assert len(dataset) == 10 and dataset[3][0].tolist() == x[3].tolist() and dataset[3][1] == 3
    with pytest.raises(AssertionError):
        TensorDataset(x, y[:5])


def test_concat_dataset():
    dataset = ConcatDataset([range(3), range(10, 14), [99]])
    assert [dataset[i] for i in range(8)] == [0, 1, 2, 10, 11, 12, 13, 99]
    assert dataset[-1] == 99 and dataset.cummulative_sizes == [3, 7, 8]
    with pytest.raises(IndexError):
        dataset[8]
    with pytest.raises(AssertionError):
        ConcatDataset([])
    assert len(Function(int, 2) + Function(int, 3)) == 5


def test_subsets():
    assert list(Subset("abcdef", [4, 0])) == ["e", "a"]
    parts = random_split(range(10), [7, 3])
    assert sorted(i for part in parts for i in part) == list(range(10)) and len(parts[0]) == 7
    with pytest.raises(ValueError):
        random_split(range(10), [7, 4])


def test_unwritten_methods():
    for call in lambda: Dataset()[0], lambda: len(Dataset()), lambda: iter(sampler.Sampler(None)):
        with pytest.raises(NotImplementedError):
            call()


def test_samplers():
    data = "x" * 50
    assert list(sampler.SequentialSampler(data)) == list(range(50))
    tensorlib.manual_seed(1)
    first, second = list(sampler.RandomSampler(data)), list(sampler.RandomSampler(data))
    assert sorted(first) == list(range(50)) and first != second
    tensorlib.manual_seed(1)
    assert list(sampler.RandomSampler(data)) == first == list(_permutation(50, 1))
    assert sorted(sampler.SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    drawn = Counter(sampler.WeightedRandomSampler([1, 0, 3], 4000))
    assert drawn[1] == 0 and 0.2 < drawn[0] / 4000 < 0.3 and len(sampler.WeightedRandomSampler([1, 1], 7)) == 7
    assert sorted(sampler.WeightedRandomSampler([1, 2, 3], 3, replacement=False)) == [0, 1, 2]
    assert list(sampler.RandomSampler([])) == []


def _permutation(n, seed):
    tensorlib.manual_seed(seed)
    return tensorlib.randperm(n)


@pytest.mark.parametrize("drop, expected", [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])])
def test_batch_sampler(drop, expected):
    batches = sampler.BatchSampler(sampler.SequentialSampler(range(7)), 3, drop)
    assert list(batches) == expected and len(batches) == len(expected)


# ---- collation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples, kind, values", [
    ([1, 2], "LongTensor", [1, 2]),
    ([True, False], "LongTensor", [1, 0]),
    ([1.5, 2.0], "DoubleTensor", [1.5, 2.0]),
    ([numpy.float32(1.5), numpy.float32(2)], "FloatTensor", [1.5, 2.0]),
    ([numpy.float64(1.5)], "DoubleTensor", [1.5]),
    ([numpy.int64(7), numpy.int64(8)], "LongTensor", [7, 8]),
    ([numpy.int32(7)], "IntTensor", [7]),
    ([numpy.uint8(200)], "ByteTensor", [200]),
    ([numpy.int16(7)], "ShortTensor", [7]),
    ([numpy.array([1, 2]), numpy.array([3, 4])], "LongTensor", [[1, 2], [3, 4]]),
])
def test_collate_leaves(samples, kind, values):
    batch = default_collate(samples)
    assert batch.type() == "tensorlib." + kind and batch.tolist() == values


def test_collate_containers():
    samples = [{"x": tensorlib.ones(2) * i, "y": (i, float(i)), "name": "n%d" % i} for i in range(3)]
    batch = default_collate(samples)
    assert batch["x"].tolist() == [[0, 0], [1, 1], [2, 2]] and batch["name"] == ["n0", "n1", "n2"]
    assert isinstance(batch["y"], list) and batch["y"][0].tolist() == [0, 1, 2]
    assert batch["y"][1].type() == "tensorlib.DoubleTensor"


def test_collate_errors():
    for samples in [[object()], [None], [numpy.array("text")], [tensorlib.autograd.Variable(tensorlib.ones(1))]]:
        with pytest.raises(TypeError, match="batch must contain"):
            default_collate(samples)
    with pytest.raises(RuntimeError):
        default_collate([(1, 2), (1,)])
    with pytest.raises(RuntimeError):
        default_collate([tensorlib.ones(2), tensorlib.ones(3)])


# ---- loading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1, 3, 16])
def test_order(workers):
    loader = DataLoader(Function(lambda i: (tensorlib.ones(3) * i, i), 50), batch_size=4, num_workers=workers)
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader) == 13
        assert [i for _, target in batches for i in target.tolist()] == list(range(50))
        assert [row[0] for data, _ in batches for row in data.tolist()] == list(range(50))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_iterator_itself(workers):
    """`next()` as a method, which scripts of the time call; the length; no pickles."""
    batches = iter(DataLoader(Function(int, 5), batch_size=2, num_workers=workers))
    assert len(batches) == 3 and iter(batches) is batches
    assert batches.next().tolist() == [0, 1] and next(batches).tolist() == [2, 3]
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(batches)
    assert batches.next().tolist() == [4]
    with pytest.raises(StopIteration):
        batches.next()


@pytest.mark.parametrize("workers", [0, 16])
def test_uneven_speed_keeps_the_order(workers):
    def slow(i):
        time.sleep(0.02 if i % 3 == 0 else 0)
        return i
    loader = DataLoader(Function(slow, 40), batch_size=1, num_workers=workers)
    assert [batch[0] for batch in loader] == list(range(40))


@pytest.mark.parametrize("workers", [0, 4])
def test_shuffle_depends_on_the_seed_only(workers):
    def epoch():
        tensorlib.manual_seed(5)
        return [i for batch in DataLoader(Function(int, 30), 4, shuffle=True, num_workers=workers) for i in batch]
    tensorlib.manual_seed(5)
    assert sorted(epoch()) == list(range(30)) and epoch() == epoch() != list(range(30))


def test_few_samples_and_none():
    assert [b.tolist() for b in DataLoader(Function(int, 2), num_workers=8)] == [[0], [1]]
    assert list(DataLoader(Function(int, 0), num_workers=2)) == []
    assert list(DataLoader(Function(int, 0), shuffle=True)) == []
    loader = DataLoader(Function(int, 7), batch_size=3, drop_last=True, num_workers=2)
    assert [b.tolist() for b in loader] == [[0, 1, 2], [3, 4, 5]] and len(loader) == 2


def test_batch_sampler_and_sampler():
    loader = DataLoader(Function(int), batch_sampler=[[3, 1], [4]], num_workers=2)
    assert [b.tolist() for b in loader] == [[3, 1], [4]]
    assert [b[0] for b in DataLoader(Function(int), sampler=[5, 2])] == [5, 2]


@pytest.mark.parametrize("options", [
    dict(batch_sampler=[[1]], batch_size=2), dict(batch_sampler=[[1]], shuffle=True),
    dict(batch_sampler=[[1]], sampler=[1]), dict(batch_sampler=[[1]], drop_last=True),
    dict(sampler=[1], shuffle=True), dict(num_workers=-1), dict(timeout=-1), dict(batch_size=0)])
def test_bad_options(options):
    with pytest.raises(ValueError):
        DataLoader(Function(int), **options)


def test_kinds_of_batches_pass_through_workers():
    """Views, shared storages, arrays, empty tensors, every type, Variables, long texts and plain objects."""
    def sample(i):
        base = tensorlib.arange(0, 6000).view(60, 100)
        every = [cls([1, 0, 1]) for cls in (tensorlib.ByteTensor, tensorlib.CharTensor, tensorlib.ShortTensor,
                                            tensorlib.IntTensor, tensorlib.LongTensor, tensorlib.DoubleTensor)]
        return dict(row=base[i], base=base, turned=base.t(), empty=tensorlib.FloatTensor(), every=every,
                    array=numpy.arange(3000.).reshape(30, 100).T, text="x" * 100000, nothing=None,
                    variable=tensorlib.autograd.Variable(base[:2], requires_grad=True))
    loader = DataLoader(Function(sample, 3), collate_fn=lambda samples: samples[0], num_workers=2)
    for i, batch in enumerate(loader):
        wanted = sample(i)
        assert batch["row"].tolist() == wanted["row"].tolist() and batch["row"].storage().size() == 100
        assert batch["turned"].stride() == (1, 100) and batch["turned"].tolist() == wanted["turned"].tolist()
        assert batch["turned"].data_ptr() == batch["base"].data_ptr()
        assert batch["empty"].numel() == 0 and len(batch["text"]) == 100000 and batch["nothing"] is None
        assert [t.tolist() for t in batch["every"]] == [[1, 0, 1]] * 6
        assert [t.type() for t in batch["every"]] == [t.type() for t in wanted["every"]]
        assert numpy.array_equal(batch["array"], wanted["array"])
        assert batch["variable"].requires_grad and batch["variable"].data.tolist() == wanted["base"][:2].tolist()
        batch["base"].add_(1)                       # batches are ordinary writable tensors


def test_many_batches_may_be_kept():
    """More than there may be open files."""
    loader = DataLoader(Function(lambda i: tensorlib.ones(2000) * i, 1200), num_workers=2)
    kept = list(loader)
    assert [b[0, 0] for b in kept] == list(range(1200))


def test_large_requests_and_answers_do_not_lock():
    """Neither side waits for the other while its own messages are unread."""
    loader = DataLoader(Function(int, 1200000), batch_size=200000, num_workers=2, collate_fn=list)
    assert [len(b) for b in loader] == [200000] * 6


def test_threads_before_the_fork():
    """Threads of the parent do not exist in a worker; using them there would hang."""
    tensorlib.set_num_threads(2)
    big = tensorlib.randn(400, 400)
    (big.mm(big) + big).sum()

    def work(i):
        return tensorlib.Tensor([big.mm(big).sum(), (big + i).sum()])
    batches = list(DataLoader(Function(work, 6), num_workers=3))
    assert batches[5][0, 1] == pytest.approx((big + 5).sum(), abs=1)
    big.mm(big)                                     # and the parent still has its own


def test_two_loaders_at_once():
    def inner():
        return [b[0] for b in DataLoader(Function(int, 5), num_workers=2)]
    outer = DataLoader(Function(int, 4), num_workers=2)
    assert [(b[0], inner()) for b in outer] == [(i, [0, 1, 2, 3, 4]) for i in range(4)]
    assert [(a[0], b[0]) for a, b in zip(outer, outer)] == [(i, i) for i in range(4)]


def test_pin_memory_is_accepted():
    batches = list(DataLoader(Function(lambda i: (i, "a")), batch_size=10, pin_memory=True, num_workers=1))
    assert batches[0][0].tolist() == list(range(10)) and batches[0][1] == ["a"] * 10


# ---- seeds ----------------------------------------------------------------------------------------------


def draw(i):
    return (tensorlib.rand(1)[0], random.random(), numpy.random.rand())


def drawn(workers, **options):
    loader = DataLoader(Function(draw, 12), num_workers=workers, **options)
    return [tuple(column[0] for column in batch) for batch in loader]


def test_workers_start_with_the_state_of_the_parent():
    """As in v0.2: worker i % 3 makes batch i, and all three begin as the parent stands, which they leave as it is."""
    tensorlib.manual_seed(3)
    numpy.random.seed(5)
    expected = [draw(i) for i in range(4)]
    tensorlib.manual_seed(3)
    numpy.random.seed(5)
    for _ in range(2):
        found = drawn(3)
        assert [x[::2] for x in found] == [expected[i // 3][::2] for i in range(12)]
        assert len({python for _, python, _ in found}) == 12        # Python seeds its own in each process
    assert draw(0)[::2] == expected[0][::2]


def test_workers_that_are_seeded_draw_different_numbers():
    first = drawn(3, worker_init_fn=lambda number: tensorlib.manual_seed(number))
    assert len({tensor for tensor, _, _ in first}) == 12
    assert [t for t, _, _ in drawn(3, worker_init_fn=lambda number: tensorlib.manual_seed(number))] == \
        [t for t, _, _ in first]


def test_worker_init_fn():
    def init(number):
        tensorlib.manual_seed(number)
    tensorlib.manual_seed(0)
    expected = tensorlib.rand(1)[0]
    assert drawn(1, worker_init_fn=init)[0][0] == expected

    def broken(number):
        raise LookupError("worker %d" % number)
    with pytest.raises(LookupError, match="worker 0"):
        drawn(2, worker_init_fn=broken)


def test_workers_use_one_thread():
    loader = DataLoader(Function(lambda i: tensorlib.get_num_threads(), 2), num_workers=2)
    assert [b[0] for b in loader] == [1, 1]


# ---- errors ---------------------------------------------------------------------------------------------


class OddError(Exception):
    def __init__(self, a, b):
        super().__init__("odd %s %s" % (a, b))


def failing(i):
    if i == 2:
        raise KeyError("no such sample")
    if i == 4:
        raise OddError(1, 2)
    if i == 6:
        raise StopIteration
    if i == 7:
        class LocalError(ValueError):
            pass
        raise LocalError("local")
    if i == 8:
        b"\xff".decode("utf8")
    return i


def test_errors_keep_type_and_traceback():
    """Each error takes the place of its batch; iteration goes on."""
    found, batches = {}, iter(DataLoader(Function(failing, 10), num_workers=3))
    for i in range(10):
        try:
            found[i] = next(batches)[0]
        except Exception as error:
            found[i] = error
    with pytest.raises(StopIteration):
        next(batches)
    assert [found[i] for i in (0, 1, 3, 5, 9)] == [0, 1, 3, 5, 9]
    assert type(found[2]) is KeyError and "no such sample" in str(found[2]) and "in failing\n" in str(found[2])
    assert type(found[4]) is OddError and "odd 1 2" in str(found[4])
    assert type(found[6]) is RuntimeError and "StopIteration" in str(found[6])
    assert type(found[7]) is ValueError and "local" in str(found[7])
    assert isinstance(found[8], UnicodeError) and "invalid start byte" in str(found[8])


def test_errors_without_workers():
    batches = iter(DataLoader(Function(failing, 10)))
    assert [next(batches)[0], next(batches)[0]] == [0, 1]
    with pytest.raises(KeyError):
        next(batches)
    assert next(batches)[0] == 3
    with pytest.raises(OddError):
        next(batches)
    assert next(batches)[0] == 5
    with pytest.raises(RuntimeError):
        next(batches)


def test_batch_that_cannot_be_sent():
    loader = DataLoader(Function(int, 2), collate_fn=lambda samples: lambda: 1, num_workers=1)
    with pytest.raises(Exception, match="(?i)pickle"):
        next(iter(loader))


@pytest.mark.parametrize("how, text", [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by signal 9"),
    (lambda: os.kill(os.getpid(), signal.SIGTERM), "killed by signal 15"),
    (lambda: os._exit(3), "exit code 3"),
    (lambda: sys.exit(4), "exit code 4"),
])
def test_dead_worker(how, text):
    def sample(i):
        if i == 5:
            how()
        return tensorlib.ones(5000) * i
    batches, good = iter(DataLoader(Function(sample), num_workers=2)), 0
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="DataLoader worker 1 .*" + text):
        for good, _ in enumerate(batches, 1):
            pass
    assert good == 5 and time.monotonic() - start < 10
    with pytest.raises(RuntimeError):
        next(batches)


def test_worker_killed_from_outside_while_it_works():
    def sample(i):
        time.sleep(30)
    batches = iter(DataLoader(Function(sample), num_workers=2))
    time.sleep(0.2)
    os.kill(batches.processes[0].pid, signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="worker 0 .*SIGKILL"):
        next(batches)
    assert time.monotonic() - start < 10


def test_timeout():
    def sample(i):
        time.sleep(30 if i == 1 else 0)
        return i
    batches = iter(DataLoader(Function(sample), num_workers=2, timeout=0.5))
    assert next(batches)[0] == 0
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="timed out"):
        next(batches)
    assert time.monotonic() - start < 10


def test_early_exit():
    """A dropped iterator ends its workers at once, busy or idle."""
    def sample(i):
        time.sleep(30 if i > 3 else 0)
        return tensorlib.ones(5000)
    for _ in DataLoader(Function(sample), num_workers=4):
        break
    start = time.monotonic()
    batches = iter(DataLoader(Function(lambda i: tensorlib.ones(5000)), num_workers=16))
    next(batches)
    del batches
    gc.collect()
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c(busy):
    """The whole group gets the signal: the parent tells of it, the workers end without a word."""
    code = """
import os, signal, sys, time
from tensorlib.utils.data import DataLoader
signal.signal(signal.SIGINT, signal.default_int_handler)    # what runs the tests may ignore it
class Data:
    def __len__(self): return 100
    def __getitem__(self, i):
        time.sleep(30 if i > 3 and sys.argv[1] == "True" else 0)
        return i
batches = iter(DataLoader(Data(), num_workers=3))
next(batches)
try:
    print(*[p.pid for p in batches.processes], flush=True)
    time.sleep(20)
    list(batches)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    run = subprocess.Popen([sys.executable, "-c", code, str(busy)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, start_new_session=True)
    pids = [int(pid) for pid in run.stdout.readline().split()]
    start = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert out == "interrupted\n" and err == "" and run.returncode == 0 and time.monotonic() - start < 15
    assert not any(alive(pid) for pid in pids)


def test_loader_within_a_loader():
    """In a worker, batches are made by the worker itself; it may not have workers of its own."""
    def inner(i, workers=0):
        return sum(b[0] for b in DataLoader(Function(lambda j: i * j, 4), num_workers=workers))
    assert [b[0] for b in DataLoader(Function(inner, 3), num_workers=2)] == [0, 6, 12]
    with pytest.raises(AssertionError, match="daemonic"):
        next(iter(DataLoader(Function(lambda i: inner(i, 1), 3), num_workers=1)))


def test_a_batch_of_named_tuples_and_nested_containers():
    Point = namedtuple("Point", "x y")
    batch = default_collate([Point(1, (2.0, "a")), Point(3, (4.0, "b"))])
    assert type(batch) is list and batch[0].tolist() == [1, 3]
    assert batch[1][0].tolist() == [2.0, 4.0] and batch[1][1] == ["a", "b"]


def test_workers_end_with_the_parent():
    """Also if it is killed and can tell them nothing."""
    code = """
import os, signal, time
from tensorlib.utils.data import DataLoader
class Data:
    def __len__(self): return 100
    def __getitem__(self, i): return i
batches = iter(DataLoader(Data(), num_workers=3))
next(batches)
print(*[p.pid for p in batches.processes], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    pids, deadline = [int(pid) for pid in out.split()], time.monotonic() + 10
    assert len(pids) == 3
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_parent_exits_with_open_iterator():
    code = """
from tensorlib.utils.data import DataLoader
batches = iter(DataLoader(list(range(100)), num_workers=3))
print(next(batches)[0])
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0 and done.stdout == "0\n" and done.stderr == "" and time.monotonic() - start < 20


def test_iterator_inherited_by_a_fork():
    """A forked child that drops its copy of an iterator does not end the parent's workers."""
    batches = iter(DataLoader(Function(int), num_workers=2))
    next(batches)
    pid = os.fork()
    if pid == 0:
        del batches
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    assert [b[0] for b in batches] == list(range(1, 20))


def test_module_paths():
    """Names of the time are where they were."""
    assert tensorlib.utils.data.dataloader.DataLoader is tensorlib.utils.data.DataLoader
    assert tensorlib.utils.data.sampler.BatchSampler and tensorlib.utils.data.dataset.Dataset
    assert dataloader.pin_memory_batch(["a", 1]) == ["a", 1]
