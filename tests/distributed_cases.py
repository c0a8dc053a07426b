"""What single processes do in the tests of `tensorlib.distributed`; `case_server.py` starts them.

Every value is compared with what NumPy makes of the same numbers of all ranks.
"""
import functools
import os
import signal
import threading
import time

import numpy

import tensorlib
from tensorlib import distributed as dist
from tensorlib.autograd import Variable

TYPES = "Byte Char Short Int Long Half Float Double".split()
SIZES = (), (1,), (5, 3), (40001,)      # the last one goes around the ring
OPERATIONS = {dist.reduce_op.SUM: sum, dist.reduce_op.PRODUCT: lambda arrays: numpy.prod(arrays, 0),
              dist.reduce_op.MAX: lambda arrays: numpy.max(arrays, 0),
              dist.reduce_op.MIN: lambda arrays: numpy.min(arrays, 0)}


def begin(backend="tcp", **options):
    dist.init_process_group(backend, timeout=60, **options)
    return dist.get_rank(), dist.get_world_size()


def numbers(rank, size, seed=0):
    """Small whole numbers, the same for a rank in every process; () stands for an empty tensor."""
    return numpy.random.RandomState(1000 * seed + rank).randint(1, 4, size or (0,))


def tensor_of(kind, array, strided=False):
    """A tensor with the values of an array; strided: a view of every other element of a larger one."""
    cls = getattr(tensorlib, kind + "Tensor")
    if not array.size:
        return cls()
    if not strided:
        return tensorlib.from_numpy(array.astype("int64")).type(cls)
    wide = tensorlib.zeros(*array.shape, 2).type(cls)
    view = wide.select(wide.dim() - 1, 1)
    view.copy_(tensorlib.from_numpy(array.astype("int64")).type(cls))
    assert view.numel() == 1 or not view.is_contiguous()
    return view


def same(tensor, array):
    found = tensor.double().numpy() if tensor.numel() else numpy.zeros((0,))
    assert numpy.array_equal(found, numpy.asarray(array, "float64")), (found, array)


def variants(kinds=TYPES, sizes=SIZES):
    for kind in kinds:
        for size in sizes:
            yield kind, size, False
    for size in sizes[1:]:
        yield "Float", size, True


def raises(error, words, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as e:
        for word in words.split("|"):
            assert word in str(e), (word, str(e))
        return
    raise AssertionError("%s did not raise %s" % (call.__name__, error.__name__))


# ---- letters ------------------------------------------------------------------------------------------


def letters(**options):
    """Around a circle, later from anyone, later many at once in both directions."""
    rank, n = begin(**options)
    right, left = (rank + 1) % n, (rank - 1) % n
    for kind, size, strided in variants():
        mine, theirs = (tensor_of(kind, numbers(r, size), strided) for r in (rank, rank))
        request = dist.isend(mine, right)
        theirs.zero_()
        assert dist.recv(theirs, left) == left
        request.wait()
        assert request.is_completed()
        same(theirs, numbers(left, size))
    dist.barrier()
    from_anyone(rank, n)
    many_at_once(rank, n)


def from_anyone(rank, n):
    if rank:
        dist.send(tensorlib.LongTensor([rank]), 0)
    else:
        got = {}
        for _ in range(n - 1):
            x = tensorlib.LongTensor(1)
            sender = dist.recv(x)
            got[sender] = x[0]
        assert got == {r: r for r in range(1, n)}
    dist.barrier()


def many_at_once(rank, n):
    """Large letters both ways, in order; nobody waits for the other to read first."""
    others = [r for r in range(n) if r != rank]
    out = [dist.isend(tensorlib.ones(200000) * (10 * rank + k), r) for k in range(3) for r in others]
    inbox = [(k, r, tensorlib.zeros(100000, 2).t()) for k in range(3) for r in others]
    for request in [dist.irecv(x, r) for k, r, x in inbox] + out:
        request.wait()
    for k, r, x in inbox:
        assert (x == 10 * r + k).all()


# ---- calls of a group ---------------------------------------------------------------------------------


def collectives(kinds=TYPES, **options):
    rank, n = begin(**options)
    assert (rank, n) == (int(os.environ.get("RANK", rank)), int(os.environ.get("WORLD_SIZE", n)))
    everyone = list(range(n))
    check_group(rank, everyone, dist.group.WORLD, kinds)
    check_group(rank, everyone, dist.new_group(), ["Long"], SIZES[:3])
    pair = [n - 1, 0] if n > 1 else [0]
    group = dist.new_group(pair)
    if rank in pair:
        check_group(rank, sorted(pair), group, ["Half"], SIZES[:3])
    else:
        raises(RuntimeError, "rank %d|not in the group of ranks 0, %d" % (rank, n - 1), dist.barrier, group)
    dist.barrier()


def check_group(rank, ranks, group, kinds, sizes=SIZES):
    for kind, size, strided in variants(kinds, sizes):
        make = functools.partial(tensor_of, kind, strided=strided)
        check_reductions(rank, ranks, group, make, size)
        check_copies(rank, ranks, group, make, size)
        check_lists(rank, ranks, group, make, size)
    check_wrapping(ranks, group)
    dist.barrier(group)


def check_reductions(rank, ranks, group, make, size):
    for op, combined in OPERATIONS.items():
        expected = combined([numbers(r, size) for r in ranks])
        x = make(numbers(rank, size))
        dist.all_reduce(x, op, group)
        same(x, expected)
        for root in ranks[:2] if size != SIZES[-1] else ranks[-1:]:
            x = make(numbers(rank, size))
            dist.reduce(x, root, op, group)
            same(x, expected if rank == root else numbers(rank, size))


def check_wrapping(ranks, group):
    x = tensorlib.ByteTensor([200])
    dist.all_reduce(x, group=group)
    assert x[0] == 200 * len(ranks) % 256


def check_copies(rank, ranks, group, make, size):
    for root in ranks:
        x = make(numbers(rank, size))
        dist.broadcast(x, root, group)
        same(x, numbers(root, size))
    lists = [make(numbers(0, size) * 0) for _ in ranks]
    dist.all_gather(lists, make(numbers(rank, size)), group)
    for x, r in zip(lists, ranks):
        same(x, numbers(r, size))


def check_lists(rank, ranks, group, make, size):
    root = ranks[-1]
    blank = [make(numbers(0, size) * 0) for _ in ranks]
    dist.gather(make(numbers(rank, size)), dst=root, group=group, **({"gather_list": blank} if rank == root else {}))
    if rank == root:
        for x, r in zip(blank, ranks):
            same(x, numbers(r, size))
    given = [make(numbers(r, size, 7)) for r in ranks]
    x = make(numbers(rank, size))
    dist.scatter(x, src=root, group=group, **({"scatter_list": given} if rank == root else {}))
    same(x, numbers(rank, size, 7))


def identical(**options):
    """Sums of numbers that round are the same to the last bit in every process, and the next time."""
    rank, n = begin(**options)
    for numel in (1000, 70001):
        values = [numpy.random.RandomState(r).randn(numel).astype("float32") for r in range(n)]
        results = []
        for _ in range(2):
            x = tensorlib.from_numpy(values[rank].copy())
            dist.all_reduce(x)
            results.append(x)
            lists = [tensorlib.zeros(numel) for _ in range(n)]
            dist.all_gather(lists, x)
            assert all(bytes(memoryview(y.storage())) == bytes(memoryview(x.storage())) for y in lists)
        assert results[0].tolist() == results[1].tolist()
        exact = numpy.sum(values, 0, dtype="float64")
        assert numpy.abs(x.numpy() - exact).max() < 1e-5


# ---- meeting ------------------------------------------------------------------------------------------


def meet(method, with_rank=True, times=1, **options):
    """Meet by some method, several times at the same place, and see that all are there."""
    for name in "MASTER_ADDR", "MASTER_PORT":
        os.environ.pop(name, None)
    options = dict(options, world_size=int(os.environ.pop("WORLD_SIZE")))
    rank = int(os.environ.pop("RANK"))
    if with_rank:
        options["rank"] = rank
    for _ in range(times):
        me, n = begin(init_method=method, **options)
        assert me == rank or not with_rank
        ranks = [tensorlib.IntTensor(1) for _ in range(n)]
        dist.all_gather(ranks, tensorlib.IntTensor([me]))
        assert [r[0] for r in ranks] == list(range(n))
        dist.destroy_process_group()
    print(me)


def arguments_win(**options):
    """Rank and size may be given beside env://, where they do not contradict it."""
    del os.environ["RANK"]
    assert begin(rank=0, **options) == (0, 1)
    dist.destroy_process_group()
    raises(ValueError, "world_size=2|WORLD_SIZE is 1", begin, rank=0, world_size=2, **options)
    raises(ValueError, "needs the environment variable RANK", begin, **options)
    os.environ["RANK"] = "one"
    raises(ValueError, "RANK is 'one'", begin, **options)
    os.environ["RANK"] = "0"
    for value, words in (("0", "1 to 65535"), ("http", "'http'"), (None, "MASTER_PORT")):
        os.environ.pop("MASTER_PORT") if value is None else os.environ.update(MASTER_PORT=value)
        raises(ValueError, words, begin, **options)


def alone(error, method, message, **options):
    """Nobody else comes, or nobody can: that is said in time."""
    start = time.monotonic()
    raises({"RuntimeError": RuntimeError, "ValueError": ValueError}[error], message, dist.init_process_group, "tcp",
           method, timeout=0.3, **options)
    assert time.monotonic() - start < 30
    assert not dist.is_initialized()
    nothing_left()


def contradiction(message, **options):
    raises((ValueError, RuntimeError), message, begin, **options)
    nothing_left()


def nothing_left():
    """No thread and no socket of ours is there any more."""
    assert [t.name for t in threading.enumerate()] == ["MainThread"]
    links = [os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")
             if os.path.lexists("/proc/self/fd/" + fd)]
    assert not [link for link in links if link.startswith("socket:")], links


# ---- MPI ----------------------------------------------------------------------------------------------


def mpi_letters():
    """What MPI itself would let pass is refused: other sizes and types."""
    rank, n = begin("mpi")
    raises(ValueError, "world_size=%d was given, but MPI says %d" % (n + 1, n), begin_again, world_size=n + 1)
    rank, n = begin("mpi", rank=rank, world_size=n)
    x = tensorlib.zeros(3)
    if rank == 1:
        for letter in tensorlib.ones(5), tensorlib.ones(3).int(), tensorlib.ones(2), tensorlib.ones(3) * 7:
            dist.send(letter, 0)
    if rank == 0:
        raises(RuntimeError, "rank 1 sent 20 bytes of Float|expected 12 bytes", dist.recv, x, 1)
        raises(RuntimeError, "IntTensor", dist.recv, x)
        request = dist.irecv(x, 1)
        raises(RuntimeError, "rank 1 sent 8 bytes", request.wait)
        assert request.is_completed()
        assert dist.recv(x, 1) == 1 and x.tolist() == [7, 7, 7]
    dist.barrier()
    dist.destroy_process_group()
    assert not dist.is_initialized()
    print("done", flush=True)


def begin_again(**options):
    dist.destroy_process_group()
    begin("mpi", **options)


def mpi_failure():
    """An error in one process ends the job: the others would wait for ever."""
    rank, n = begin("mpi")
    if rank == 1:
        raise KeyError("no good")
    dist.barrier()


# ---- errors -------------------------------------------------------------------------------------------


def wrong_arguments():
    x = tensorlib.ones(3)
    for call in dist.get_rank, dist.get_world_size, dist.barrier, dist.new_group:
        raises(AssertionError, "not initialized", call)
    raises(AssertionError, "not initialized", dist.send, x, 0)
    raises(ValueError, "nccl|tcp, gloo, mpi", dist.init_process_group, "nccl")
    raises(ValueError, "smoke://", dist.init_process_group, "tcp", "smoke://x")
    raises(TypeError, "size", dist.init_process_group, "tcp", size=3)
    raises(ValueError, "rank=-2", dist.init_process_group, "tcp", rank=-2)
    raises(ValueError, "rank 3|0 .. 1", dist.init_process_group, "tcp", rank=3, world_size=2)
    raises(ValueError, "timeout", dist.init_process_group, "tcp", timeout=0)
    assert not dist.is_initialized() and dist.is_available()
    rank, n = begin()
    raises(RuntimeError, "twice", begin)
    raises(ValueError, "dst=%d|0 .. 2" % n, dist.send, x, n)
    raises(ValueError, "src=-1", dist.irecv, x, -1)
    raises(TypeError, "src should be a rank", dist.irecv, x, None)
    raises(ValueError, "is this process itself", dist.recv, x, rank)
    raises(TypeError, "expected a tensor, but got list", dist.broadcast, [1], 0)
    raises(TypeError, "use its .data", dist.all_reduce, Variable(x))
    raises(ValueError, "op=7", dist.all_reduce, x, 7)
    raises(TypeError, "new_group, but got str", dist.all_reduce, x, group="all")
    raises(ValueError, "2 tensors|3 processes", dist.all_gather, [x, x], x)
    raises(ValueError, "tensor_list[1]|LongTensor", dist.all_gather, [x, x.long(), x], x)
    raises(RuntimeError, "scatter_list must be given", dist.scatter, x)
    raises(RuntimeError, "unexpected|destination", dist.gather, x, destination=0)
    raises(RuntimeError, "can be given only in rank", dist.gather, x, dst=(rank + 1) % n, gather_list=[x] * n)
    for ranks in [], [0, 0], [n]:
        raises(ValueError, "new_group", dist.new_group, ranks)
    outside = dist.new_group([0])
    if rank:
        raises(RuntimeError, "not in the group of ranks 0", dist.all_reduce, x, group=outside)
    else:
        raises(ValueError, "src=1 is not in the group", dist.broadcast, x, 1, outside)
    dist.all_reduce(x)              # nothing of this has disturbed the others
    assert x.tolist() == [n] * 3


def wrong_letters():
    """A letter that does not fit is refused, and the next one is fine."""
    rank, n = begin()
    if rank:
        for x in tensorlib.ones(5), tensorlib.ones(3).long(), tensorlib.ones(3) * 7:
            dist.send(x, 0)
        return
    x = tensorlib.zeros(3)
    raises(RuntimeError, "rank 1 sent|5 elements of Float|3 elements of Float", dist.recv, x, 1)
    raises(RuntimeError, "LongTensor", dist.recv, x)
    assert x.sum() == 0
    assert dist.recv(x) == 1 and x.tolist() == [7, 7, 7]
    raises(RuntimeError, "ended", dist.recv, x, 1)
    raises(RuntimeError, "all other processes have ended", dist.recv, x)


def disagreement(what):
    """Processes call different things: every one of them says so, and nothing was changed."""
    rank, n = begin()
    size = 100000 if what.startswith("large") else 10
    x = tensorlib.ones(size + (1 if what.endswith("size") and rank == 1 else 0))
    x = x.double() if what.endswith("type") and rank == 1 else x
    message = {"call": "broadcast", "op": "(MAX)", "group": "came with"}.get(what, "%d elements" % size)
    if what == "call" and rank == 1:
        dist.broadcast(x, 1)            # is sent, and nobody need answer: it hears of it by the next call
    elif what == "op" and rank == 1:
        raises(RuntimeError, message, dist.all_reduce, x, dist.reduce_op.MAX)
    elif what == "group":
        sets = [[0, 1], [0, 1, 2]]
        groups = {len(ranks): dist.new_group(ranks) for ranks in (sets if rank == 1 else sets[::-1])}
        raises(RuntimeError, message, dist.all_reduce, x, group=groups[3])
    else:
        raises(RuntimeError, message, dist.all_reduce, x)
    assert (x == 1).all()
    raises(RuntimeError, "came with" if what == "call" and rank == 1 else "do not work any more", dist.barrier)
    dist.destroy_process_group()
    nothing_left()


def bad_news():
    """Who waits for someone else hears that a call has failed, although nobody has ended."""
    rank, n = begin()
    pair, others = dist.new_group([0, 1]), dist.new_group([1, 2])
    x = tensorlib.ones(1)
    if rank:
        y = tensorlib.ones(rank)
        raises(RuntimeError, "came with", dist.all_reduce, y, group=others)
        dist.recv(x, 0)
    else:
        big = tensorlib.ones(20000000)
        raises(RuntimeError, "came with all_reduce(SUM) of", dist.broadcast, big, 0, pair)
        dist.send(x, 1)                 # letters go on
        dist.send(x, 2)


def death(call, victim=1, size=10):
    """One process is killed in the middle; the others hear which, wherever they wait."""
    rank, n = begin()
    x = tensorlib.ones(size)
    dist.all_reduce(x)
    if rank == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    message = "rank %d has ended" % victim
    if call == "recv":
        raises(RuntimeError, message, dist.recv, x, victim)
    elif call == "irecv":
        raises(RuntimeError, message, dist.irecv(x, victim).wait)
    elif call == "send":
        raises(RuntimeError, message, lambda: [dist.send(tensorlib.ones(1000000), victim) for _ in range(5)])
    else:
        for _ in range(3):
            try:
                {"all_reduce": lambda: dist.all_reduce(x), "barrier": dist.barrier,
                 "broadcast": lambda: dist.broadcast(x, victim),
                 "all_gather": lambda: dist.all_gather([x.clone() for _ in range(n)], x)}[call]()
            except RuntimeError as error:
                assert message in str(error), str(error)
                print("heard")
                return
        raise AssertionError("nobody noticed")


def silence(done):
    """The other process is there, but does not take part: the timeout says so."""
    rank, n = begin()
    dist._State.backend.mesh.timeout = 1
    if rank == 0:
        raises(RuntimeError, "nothing moved|rank 1|1 seconds", dist.all_reduce, tensorlib.ones(3))
        raises(RuntimeError, "nothing came", dist.recv, tensorlib.ones(3))
        raises(RuntimeError, "nothing moved", dist.send, tensorlib.ones(20000000), 1)
        raises(RuntimeError, "connection was closed", dist.send, tensorlib.ones(1), 1)      # not after half a letter
        with open(done, "w"):
            return
    while not os.path.exists(done):
        time.sleep(0.05)
    raises(RuntimeError, "rank 0 has ended", dist.recv, tensorlib.ones(20000000), 0)


# ---- other processes, backends, modes -----------------------------------------------------------------


def forked():
    """A child has no part in its parent's group, does not disturb it, and can be in another one."""
    import multiprocessing
    rank, n = begin()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=child_of, args=(rank,))
    child.start()
    child.join()
    assert child.exitcode == 0
    check_group(rank, list(range(n)), dist.group.WORLD, ["Float"])


def child_of(rank):
    signal.alarm(60)
    assert not dist.is_initialized()
    raises(AssertionError, "not initialized", dist.barrier)
    nothing_left()
    with_port = "tcp://127.0.0.1:%d" % (int(os.environ["MASTER_PORT"]))
    me, n = begin(init_method=with_port, rank=rank, world_size=2)
    check_group(me, [0, 1], dist.group.WORLD, ["Float"])
    last = tensorlib.ones(5000000) * me
    if me == 0:
        dist.isend(last, 1)             # goes although this process ends here
    else:
        dist.recv(last, 0)
        assert (last == 0).all()


def workers_of_a_loader():
    """The workers of a DataLoader are forked while the group is at work."""
    from tensorlib.utils.data import DataLoader, TensorDataset
    from tensorlib.utils.data.distributed import DistributedSampler
    rank, n = begin()
    dataset = TensorDataset(tensorlib.arange(0, 12), tensorlib.arange(0, 12))
    total = tensorlib.zeros(1)
    for x, _ in DataLoader(dataset, batch_size=2, sampler=DistributedSampler(dataset), num_workers=1):
        part = tensorlib.Tensor([x.sum()])
        dist.all_reduce(part)
        total += part
    assert total[0] == 66
    assert DistributedSampler(dataset, rank=0).num_replicas == n


def ending():
    """Letters under way go; threads end; sockets are closed; and another group can be made."""
    for _ in range(2):
        rank, n = begin()
        if rank == 0:
            request = dist.isend(tensorlib.ones(3000000), 1)
            waiting = dist.irecv(tensorlib.zeros(1), 1)
            dist.destroy_process_group()
            request.wait()
            raises(RuntimeError, "connection was closed", waiting.wait)
        else:
            x = tensorlib.zeros(3000000)
            dist.recv(x, 0)
            assert (x == 1).all()
            dist.destroy_process_group()
        assert not dist.is_initialized()
        nothing_left()


def leaving():
    """A process may end at once after its last call."""
    rank, n = begin()
    x = tensorlib.ones(500000)
    dist.isend(x, 1 - rank)
    y = tensorlib.zeros(500000)
    dist.recv(y, 1 - rank)
    dist.broadcast(x, 0)
    print(int(y.sum()))


def gloo():
    rank, n = begin("gloo")
    x = tensorlib.ones(4)
    dist.all_reduce(x)
    dist.broadcast(x, 0, dist.new_group())
    lists = [tensorlib.zeros(4) for _ in range(n)]
    dist.all_gather(lists, x)
    assert x.tolist() == lists[0].tolist() == [n] * 4
    dist.barrier()
    for call, arguments in ((dist.send, (x, 0)), (dist.isend, (x, 0)), (dist.recv, (x,)), (dist.irecv, (x, 0)),
                            (dist.reduce, (x, 0)), (dist.gather, (x,)), (dist.scatter, (x,))):
        raises(RuntimeError, call.__name__ + ": the backend gloo has only", call, *arguments)


def master_and_worker():
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dist.init_master_worker("tcp")
    assert len(caught) == 1 and "experimental" in str(caught[0].message)
    assert dist.get_world_size() == 2
    raises(AssertionError, "process-group mode", dist.barrier)
