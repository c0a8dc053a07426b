"""Threads: how many there are, in children of fork and in workers too, that they sleep, and what they do to results.

What docs/running.md promises of bits is held here: workloads give results and gradients at several numbers of threads.
"""
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import tensorlib
from tensorlib import nn, optim
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F
from tensorlib.utils.data import DataLoader

COUNTS = (1, 2, 3, 7)
BIG = "x = tensorlib.randn(600, 600); x.mm(x); (x + 1).sum(); "
TASKS = "print(len(os.listdir('/proc/self/task')))"


def run(code, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", "import os, tensorlib; " + code], env=dict(clean, **environment),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


@pytest.fixture
def threads():
    """set_num_threads, undone at the end."""
    before = tensorlib.get_num_threads()
    yield tensorlib.set_num_threads
    tensorlib.set_num_threads(before)


# ---- how many ------------------------------------------------------------------------------------------------------

def test_omp_num_threads_is_respected():
    """By what get_num_threads says, and by the threads that the process has after work for all of them."""
    for count in ("1", "3"):
        assert run(BIG + "print(tensorlib.get_num_threads()); " + TASKS, OMP_NUM_THREADS=count)[0] == [count, count]


def test_without_it_there_are_as_many_as_cores():
    cores = len(os.sched_getaffinity(0))
    assert run(BIG + "print(tensorlib.get_num_threads()); " + TASKS)[0] == [str(cores)] * 2


def test_set_num_threads_is_respected():
    assert run("tensorlib.set_num_threads(4); " + BIG + "print(tensorlib.get_num_threads()); " + TASKS)[0] == ["4", "4"]
    assert run("tensorlib.set_num_threads(1); " + BIG + TASKS, OMP_NUM_THREADS="4")[0] == ["1"]


def test_the_number_belongs_to_the_thread_that_set_it(threads):
    threads(5)
    seen = []
    other = threading.Thread(target=lambda: (seen.append(tensorlib.get_num_threads()), tensorlib.set_num_threads(4)))
    other.start()
    other.join()
    assert seen != [5] and tensorlib.get_num_threads() == 5


def counted(index):
    """What a worker of a loader has: the number that it may use, and the threads that it does."""
    x = tensorlib.randn(600, 600)
    x.mm(x)
    return tensorlib.LongTensor([tensorlib.get_num_threads(), len(os.listdir("/proc/self/task"))])


class Counted:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return counted(index)


def test_a_worker_of_a_loader_uses_one_thread(threads):
    """Several workers with a pool of threads each would want the cores several times over."""
    threads(3)
    counted(0)
    for batch in DataLoader(Counted(), num_workers=2):
        assert batch.tolist() == [[1, 1]]
    assert tensorlib.get_num_threads() == 3


def test_a_child_of_fork_has_one_thread_and_may_have_more():
    code = ("tensorlib.set_num_threads(3); " + BIG + "pid = os.fork()\n"
            "for number in [None] + [2] * (pid == 0):\n"
            "    number and tensorlib.set_num_threads(number)\n"
            "    x.mm(x)\n"
            "    pid or print(tensorlib.get_num_threads(), len(os.listdir('/proc/self/task')), flush=True)\n"
            "if pid:\n    os.waitpid(pid, 0); print(tensorlib.get_num_threads()); " + TASKS)
    assert run(code)[0] == ["1", "1", "2", "2", "3", "3"]


def test_lists_and_senseless_numbers_of_the_environment():
    told = "print(tensorlib.get_num_threads())"
    cores = len(os.sched_getaffinity(0))
    assert run(told, OMP_NUM_THREADS="3,2")[0] == ["3"]
    assert run(told, OMP_NUM_THREADS="many")[0] == run(told, OMP_NUM_THREADS="-2")[0] == [str(cores)]


# ---- waiting -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("policy", [None, "passive"])
def test_idle_threads_sleep(policy):
    """A process with nothing to do takes no processor time, after much work for all of its threads."""
    code = ("import time; tensorlib.set_num_threads(4); " + BIG + "time.sleep(0.1); t = time.process_time(); "
            "time.sleep(1); print(time.process_time() - t < 0.1)")
    assert run(code, **{"OMP_WAIT_POLICY": policy} if policy else {})[0] == ["True"]


def test_import_changes_nothing_for_other_libraries():
    code = "print(sorted(set(os.environ) - before))"
    done = subprocess.run([sys.executable, "-c", "import os; before = set(os.environ); import tensorlib; " + code],
                          capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["[]"], done.stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has no other to go to")
def test_a_worker_leaves_the_core_of_its_caller():
    """Where the kernel wakes it up, as it takes cores that sleep for busy in many virtual machines."""
    code = ("import time\ntensorlib.set_num_threads(2)\n"
            "def core(task):\n"
            "    with open('/proc/self/task/%s/stat' % task) as f: return f.read().rpartition(')')[2].split()[36]\n"
            + BIG + "worker, = [int(task) for task in os.listdir('/proc/self/task') if int(task) != os.getpid()]\n"
            "same = 0\n"
            "for i in range(60): x.mm(x); same += core(worker) == core(os.getpid()); time.sleep(0.003)\n"
            "print(same)")
    assert int(run(code)[0][0]) < 30


def test_nobody_waits_within_a_region():
    """The package's team could not do there what no worker has begun (team.h), and has no barriers at all."""
    folder = pathlib.Path(tensorlib.__file__).parent / "_ops"
    pragmas = [line.strip() for path in folder.glob("*.h") for line in path.read_text().splitlines() if "omp" in line]
    regions = [line for line in pragmas if line.startswith("#pragma omp parallel")]
    loops = [line for line in pragmas if line.startswith("#pragma omp for")]
    assert len(regions) > 20 and 0 < len(loops) and all(line.endswith("nowait") for line in loops)
    assert not any("omp barrier" in line for line in pragmas)
    assert not any("parallel()" in path.read_text() for path in folder.glob("**/*.pyx"))


# ---- several at once -----------------------------------------------------------------------------------------------

def test_threads_of_python_calculate_at_once(threads):
    """One of them has the team, the others work alone, and all get what one gets by itself."""
    tasks = [STABLE["mm"], STABLE["sum of rows"],
             function(lambda x, w: F.conv2d(x, w, padding=1), (5, 16, 20, 20), (24, 16, 3, 3)),
             function(lambda x, w: F.conv2d(x, w, stride=2, padding=1), (8, 64, 16, 16), (64, 64, 3, 3))]
    wrong = []

    def repeat(i):
        tensorlib.set_num_threads(1 + i % 3)
        for _ in range(10):
            if not same(tasks[i](), expected[i]):
                wrong.append(i)

    expected = []
    for i, task in enumerate(tasks):
        tensorlib.set_num_threads(1 + i % 3)        # on which a gradient of weights depends
        expected.append(task())

    workers = [threading.Thread(target=repeat, args=(i,)) for i in range(len(tasks))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_a_child_of_fork_works_while_another_thread_has_the_team():
    """Whatever the parent's team was doing at the fork, the child has one of its own."""
    code = ("import threading\ntensorlib.set_num_threads(3); x = tensorlib.randn(300, 300); stop = []\n"
            "def busy():\n    tensorlib.set_num_threads(3)\n    while not stop: x.mm(x)\n"
            "other = threading.Thread(target=busy); other.start()\n"
            "for i in range(8):\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        tensorlib.set_num_threads(2); y = x.mm(x); os._exit(0 if y.equal(x.mm(x)) else 1)\n"
            "    print(os.waitpid(pid, 0)[1])\n"
            "stop.append(1); other.join()")
    assert run(code)[0] == ["0"] * 8


# ---- bits ----------------------------------------------------------------------------------------------------------

def leaf(*size, seed=0):
    array = np.random.RandomState(seed).randn(*size).astype(np.float32)
    return Variable(tensorlib.from_numpy(array), requires_grad=True)


def function(call, *sizes):
    """A workload: the value of a function of random leaves, and its gradients."""
    def work():
        leaves = [leaf(*size, seed=i) for i, size in enumerate(sizes)]
        out = call(*leaves)
        out.backward(leaf(*out.size(), seed=9).data)
        return [out.data] + [x.grad.data for x in leaves if x.grad is not None]
    return work


def layer(make, *size, part=lambda out: out):
    """A workload: the output of a layer, and the gradients of its input and parameters."""
    def work():
        tensorlib.manual_seed(0)
        net, x = make(), leaf(*size)
        out = part(net(x))
        out.backward(leaf(*out.size(), seed=9).data)
        return [out.data, x.grad.data] + [p.grad.data for p in net.parameters()]
    return work


def random_numbers():
    tensorlib.manual_seed(3)
    x = leaf(300, 1000)
    return [F.dropout(x, 0.5, True).data, tensorlib.randn(300, 1000), tensorlib.rand(300, 1000), x.data.bernoulli_(0.3)]


def embedding():
    tensorlib.manual_seed(0)
    table = nn.Embedding(50, 64)
    table(LABELS.view(50, 80)).pow(2).sum().backward()
    return [table.weight.grad.data]


def indexing():
    x, where = leaf(500, 200).data, LABELS.data
    rows = leaf(300, 2000).data
    return [x.index_select(0, where), x.clone().index_add_(0, where, leaf(4000, 200, seed=3).data),
            leaf(50, 2000).data.scatter_add_(0, rows.abs().mul(9).clamp(0, 49).long(), rows)]


LABELS = Variable(tensorlib.from_numpy(np.random.RandomState(1).randint(0, 50, 4000)))
STABLE = {      # the same bits at any number of threads
    "elementwise": function(lambda a, b: (a * b + a.exp().tanh()).sigmoid(), (300, 1000), (1000,)),
    "transposed": function(lambda a, b: a + b.t(), (400, 500), (500, 400)),
    "sum, norm, std": function(lambda a: a.sum() + a.norm() + a.std(), (300, 1000)),
    "sum of rows": function(lambda a: a.sum(1) + a.var(1), (300, 1000)),
    "sum of columns": function(lambda a: a.sum(0) + a.var(0), (1000, 300)),
    "max": function(lambda a: a.max(0)[0] + a.max(1)[0], (600, 600)),
    "cumsum": function(lambda a: a.cumsum(0) + a.cumsum(1), (300, 1000)),
    "sort": function(lambda a: a.sort(1)[0], (300, 1000)),
    "log_softmax": function(lambda a: F.log_softmax(a, dim=1), (4000, 50)),
    "cross_entropy": function(lambda a: F.cross_entropy(a, LABELS), (4000, 50)),
    "BatchNorm2d": layer(lambda: nn.BatchNorm2d(16), 16, 16, 30, 30),
    "InstanceNorm2d": layer(lambda: nn.InstanceNorm2d(16, affine=True), 16, 16, 30, 30),
    "MaxPool2d": layer(lambda: nn.MaxPool2d(2), 16, 16, 30, 30),
    "AvgPool2d": layer(lambda: nn.AvgPool2d(3, stride=2), 16, 16, 30, 30),
    "embedding": embedding, "indexing": indexing, "random numbers": random_numbers,
    "mm": function(lambda a, b: a.mm(b), (301, 217), (217, 190)),
    "mm, long": function(lambda a, b: a.mm(b), (8, 4096), (4096, 10)),
    "mv": function(lambda a, b: a.t().mv(b), (3000, 300), (3000,)),
    "bmm": function(lambda a, b: a.bmm(b), (20, 60, 70), (20, 70, 50)),
    "Linear": layer(lambda: nn.Linear(500, 300), 200, 500),
    "LSTM": layer(lambda: nn.LSTM(40, 50, 2, bidirectional=True), 30, 16, 40, part=lambda out: out[0]),
    "GRU": layer(lambda: nn.GRU(40, 150), 30, 20, 40, part=lambda out: out[0]),
}
CONVOLUTIONS = {        # but for the gradient of their weight
    "3x3": layer(lambda: nn.Conv2d(16, 24, 3, padding=1), 5, 16, 20, 20),
    "3x3, one image": layer(lambda: nn.Conv2d(64, 64, 3, padding=1), 1, 64, 32, 32),
    "1x1": layer(lambda: nn.Conv2d(64, 128, 1), 8, 64, 16, 16),
    "one channel": layer(lambda: nn.Conv2d(1, 20, 5), 16, 1, 28, 28),
    "5x5": layer(lambda: nn.Conv2d(20, 50, 5), 16, 20, 12, 12),
    "stride": layer(lambda: nn.Conv2d(64, 64, 3, 2, 1), 8, 64, 16, 16),
    "groups": layer(lambda: nn.Conv2d(32, 32, 3, padding=1, groups=32), 8, 32, 20, 20),
    "transposed": layer(lambda: nn.ConvTranspose2d(64, 32, 4, 2, 1), 8, 64, 8, 8),
}


def same(a, b):
    return all(x.equal(y) for x, y in zip(a, b))


@pytest.mark.parametrize("name", STABLE)
def test_results_are_the_same_at_any_number_of_threads(name, threads):
    found = []
    for count in COUNTS:
        threads(count)
        found.append(STABLE[name]())
    assert all(same(found[0], other) for other in found[1:])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_of_convolutions_only_the_gradient_of_the_weight_depends_on_threads(name, threads):
    found = []
    for count in COUNTS:
        threads(count)
        out, dx, dw, db = CONVOLUTIONS[name]()
        assert same(CONVOLUTIONS[name](), [out, dx, dw, db])        # which a second run repeats
        found.append((out, dx, db, dw))
    for other in found[1:]:
        assert same(found[0][:3], other[:3])
        np.testing.assert_allclose(other[3].numpy(), found[0][3].numpy(), rtol=1e-3, atol=1e-3)


def trained():
    """The parameters after some steps of a small network of convolutions, with dropout and Adam."""
    tensorlib.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Dropout(0.3))
    head = nn.Linear(32 * 14 * 14, 10)
    parameters = list(net.parameters()) + list(head.parameters())
    optimizer = optim.Adam(parameters, lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        x = Variable(tensorlib.randn(32, 1, 28, 28))
        F.cross_entropy(head(net(x).view(32, -1)), LABELS[:32] % 10).backward()
        optimizer.step()
    return [p.data for p in parameters]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_training_repeats_itself_bit_for_bit(count, threads):
    threads(count)
    assert same(trained(), trained())
