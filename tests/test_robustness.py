"""Whatever Python code does to a tensor ends in a result or in an exception, never in a crash or in other memory.

The sweeps run in a process of their own, so that a crash is seen as a failed test and not as the end of all tests.
"""
import copy
import gc
import os
import random
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import tensorlib
from tensorlib.autograd import Variable, backward

TYPES = ["Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double"]
CLEAN = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, AssertionError, ZeroDivisionError,
         OverflowError, MemoryError)
HUGE = 2 ** 62


# ---- every public method, with all kinds of arguments -------------------------------------------------

def transposed(cls):
    """A matrix that is not contiguous; not every type has t_()."""
    return cls().set_(cls(2, 2).fill_(1).storage(), 0, tensorlib.Size([2, 2]), (1, 2))


def values(cls):
    """Arguments that fit somewhere, and others that fit nowhere."""
    one = cls(1).fill_(1)
    other = tensorlib.LongTensor([0]) if cls is not tensorlib.LongTensor else tensorlib.FloatTensor([0])
    return [None, 0, -1, 1, 2, HUGE, -HUGE, 10 ** 30, 1.5, float("nan"), True, np.bool_(True), np.float32(1), "a", b"a",
            [], [1, 2], (0, 1), {}, object(), len, cls(), one, cls(2, 2).fill_(1), transposed(cls), other,
            tensorlib.LongTensor([5]), tensorlib.ByteTensor([1]), Variable(one), cls, one.storage()]


def calls(cls, every):
    """Argument lists: none, each value, some pairs and triples, and keywords."""
    given = values(cls)
    choose = random.Random(7)
    yield (), {}
    for value in given:
        yield (value,), {}
    for _ in range(60 if every else 15):
        yield tuple(choose.sample(given, 2)), {}
        yield tuple(choose.sample(given, 3)), {}
    for word in ("dim", "size", "other", "keepdim", "no_such_word"):
        yield (), {word: choose.choice(given)}
    yield (), {"dim": None}


def subjects(cls):
    yield cls()
    yield cls(1).fill_(1)
    yield transposed(cls)
    yield cls().set_(cls(1).fill_(1).storage(), 0, (2, 2), (0, 0))


def check_whole(x):
    """The invariants of a tensor: its sizes make up its elements, and all of these are in its storage."""
    sizes, strides = x.size(), x.stride()
    assert x.dim() == len(sizes) == len(strides) and all(n > 0 for n in sizes)
    assert x.numel() == (np.prod(sizes, dtype=object) if sizes else 0)
    if x.numel():
        last = x.storage_offset() + sum((n - 1) * s for n, s in zip(sizes, strides))
        assert x.storage_offset() >= 0 and last < len(x.storage())


def sweep(name, of_variables):
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    cls = getattr(tensorlib, name + "Tensor")
    kind = Variable if of_variables else cls
    methods = [m for m in dir(kind) if not m.startswith("__") and callable(getattr(kind, m, None))]
    assert len(methods) > (40 if name == "Half" else 100)
    for method in methods:
        for i, _ in enumerate(subjects(cls)):
            for args, words in calls(cls, name in ("Float", "Long")):
                x = list(subjects(cls))[i]
                subject = Variable(x) if of_variables else x
                print(name, method, i, args, words, file=sys.stderr)
                try:
                    result = getattr(subject, method)(*args, **words)
                except CLEAN as error:
                    assert not isinstance(error, RecursionError)
                    result = None
                check_whole(x)
                for part in result if isinstance(result, (tuple, list)) else [result]:
                    part = part.data if isinstance(part, Variable) else part
                    if isinstance(part, tensorlib._ops.tensor.TensorBase):
                        check_whole(part)


def run_apart(*arguments):
    """Run this file with arguments; the last lines it wrote tell what it was about to do."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPES)
def test_every_method_of_a_tensor_raises_cleanly(name):
    run_apart("sweep", name, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Float", "Long"])
def test_every_method_of_a_variable_raises_cleanly(name):
    run_apart("sweep", name, "variables")


@pytest.mark.parametrize("name", TYPES)
def test_every_tensor_has_a_text(name):
    for sizes in ((), (1,), (5000,), (3, 4), (2, 5000), (5000, 2), (100, 100), (2, 2, 2), (3, 40, 50)):
        x = getattr(tensorlib, name + "Tensor")(*sizes).fill_(3)
        assert str(x).endswith("]\n") and len(str(x)) < 4000


def test_the_format_of_a_large_tensor_follows_all_its_values():
    x = tensorlib.zeros(100, 100)
    assert "    0     0     0  ..." in str(x)
    x[50, 50] = 0.25
    assert "0.0000  0.0000  0.0000" in str(x)
    x[50, 51] = 1e9
    assert "0.0000e+00  0.0000e+00" in str(x)


# ---- memory -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("n", [8, 1000, 100000])
def test_overlapping_operands_are_read_before_they_are_written(n):
    for shift in (1, 3):
        x, a = tensorlib.arange(0, n), np.arange(0, n, dtype="float32")
        x[shift:].add_(x[:-shift])
        a[shift:] += a[:-shift].copy()
        np.testing.assert_array_equal(x.numpy(), a)
        x[:-shift] *= x[shift:]
        a[:-shift] *= a[shift:].copy()
        np.testing.assert_array_equal(x.numpy(), a)
    side = int(n ** 0.5)
    square = tensorlib.arange(0, side * side).view(side, side)
    want = square.numpy() + square.numpy().T
    square += square.t()
    np.testing.assert_array_equal(square.numpy(), want)


def test_a_source_that_the_operation_changes_is_read_first():
    base = tensorlib.DoubleTensor([[1, 2, 3], [4, 5, 6]])
    index = tensorlib.LongTensor([[1, 0, 1], [0, 0, 0]])
    x = base.clone()
    assert x.scatter_(0, index, x).tolist() == [[4, 5, 6], [1, 5, 3]]
    x = base.clone()
    assert x.scatter_add_(0, index, x).tolist() == [[5, 9, 9], [5, 5, 9]]
    x = base.clone()
    assert x.index_copy_(0, tensorlib.LongTensor([1, 0]), x).tolist() == [[4, 5, 6], [1, 2, 3]]
    x = base.clone()
    assert x.t().index_add_(0, tensorlib.LongTensor([2, 2, 0]), x.t()).t().tolist() == [[4, 2, 6], [10, 5, 15]]
    x = base.clone()
    assert x.masked_scatter_(tensorlib.ByteTensor([[0, 1, 1], [1, 1, 1]]), x).tolist() == [[1, 1, 2], [3, 4, 5]]
    x = base.clone()
    x[[0, 1], [1, 0]] = x[1][:2]
    assert x.tolist() == [[1, 4, 3], [5, 5, 6]]


def test_two_storages_on_one_array():
    array = np.arange(10.0)
    tensorlib.from_numpy(array[1:]).copy_(tensorlib.from_numpy(array[:-1]))
    assert array.tolist() == [0] + list(range(9))
    array = np.arange(10.0)
    tensorlib.from_numpy(array[1:]).add_(tensorlib.from_numpy(array[:-1]))
    assert array.tolist() == [0] + [2 * i - 1 for i in range(1, 10)]


def test_a_storage_that_shrinks_leaves_its_tensors_their_memory():
    x = tensorlib.ones(1 << 20)
    storage = x.storage()
    storage.resize_(1)
    others = [tensorlib.zeros(1 << 20) for _ in range(3)]
    assert len(storage) == 1 and x[(1 << 20) - 1] == 1 and len(others) == 3
    storage.resize_(50)
    assert x[(1 << 20) - 1] == 1 and x.storage() is storage
    storage.resize_(1 << 21)
    assert x.sum() == 1 << 20


def test_an_open_buffer_keeps_a_storage_where_it_is():
    storage = tensorlib.FloatStorage([1, 2])
    view = memoryview(storage)
    with pytest.raises(RuntimeError, match="resize"):
        storage.resize_(1000)
    view.release()
    assert storage.resize_(1000)[1] == 2


def test_read_only_arrays_are_copied():
    array = np.frombuffer(np.arange(3.0).tobytes())
    x = tensorlib.from_numpy(array).fill_(7)
    assert x.tolist() == [7] * 3 and array.tolist() == [0, 1, 2]


def test_a_gradient_on_an_array_of_the_user_is_copied():
    array = np.ones(2, "float32")

    class Own(tensorlib.autograd.Function):
        def forward(self, x):
            return x.clone()

        def backward(self, g):
            return tensorlib.from_numpy(array)

    x = Variable(tensorlib.ones(2), requires_grad=True)
    for _ in range(2):
        Own()(x).sum().backward()
    assert array.tolist() == [1, 1] and x.grad.data.tolist() == [2, 2]


@pytest.mark.parametrize("make", [
    lambda: tensorlib.ones(4).narrow(0, HUGE, HUGE), lambda: tensorlib.ones(1, 1).expand(2 ** 32, 2 ** 32),
    lambda: tensorlib.FloatTensor(tensorlib.FloatStorage(4)).set_(tensorlib.FloatStorage(4), 0, (3,), (HUGE,)),
    lambda: tensorlib.ones(1).set_(tensorlib.FloatStorage(4), 2 ** 63 - 1, (0,)).resize_(3),
    lambda: tensorlib.FloatTensor(HUGE), lambda: tensorlib.ones(2).resize_(2 ** 61, 8),
    lambda: tensorlib.ones(4).repeat(HUGE, 3), lambda: tensorlib.ones(2).view(2 ** 32, 2 ** 32, -1)])
def test_positions_that_overflow_are_refused(make):
    with pytest.raises((RuntimeError, MemoryError)):
        make()


def test_sequences_that_lie_or_never_end():
    class Liar(list):
        def __iter__(self):
            return iter([1.0] * 100000)

    endless = []
    endless.append(endless)
    with pytest.raises(RuntimeError, match="gave more"):
        tensorlib.FloatTensor(Liar([1.0, 2.0]))
    with pytest.raises(RuntimeError, match="nested deeper"):
        tensorlib.FloatTensor(endless)


def test_empty_masks_and_operands():
    empty = tensorlib.ByteTensor()
    for call in (lambda x: x.masked_select(empty), lambda x: x.masked_fill_(empty, 1), lambda x: x + x.new(),
                 lambda x: x.masked_scatter_(empty, x), lambda x: tensorlib.where(empty, x, x),
                 lambda x: x.add_(x.new())):
        with warnings.catch_warnings(), pytest.raises(RuntimeError, match="broadcast"):
            warnings.simplefilter("ignore")
            call(tensorlib.ones(1))


def test_a_number_that_wraps_to_zero_is_no_divisor():
    for call in (lambda x: x / 256, lambda x: x % 256, lambda x: x.fmod(512), lambda x: x.div_(1 << 40)):
        with pytest.raises(ZeroDivisionError):
            call(tensorlib.ByteTensor([1, 2]))


def test_the_largest_byte_is_a_divisor_like_others():
    bytes_ = tensorlib.ByteTensor([0, 1, 7, 254, 255])
    for divisor in (255, -1, tensorlib.ByteTensor([255])):
        assert bytes_.div(divisor).tolist() == [0, 0, 0, 0, 1]
        assert bytes_.fmod(divisor).tolist() == bytes_.remainder(divisor).tolist() == [0, 1, 7, 254, 0]
    one, less, largest = (tensorlib.ByteTensor([n]) for n in (1, 254, 255))
    assert tensorlib.addcdiv(one, 1, less, largest).tolist() == [1]


def test_keywords_that_are_none():
    x = tensorlib.ones(2, 3)
    assert x.sum(dim=None) == tensorlib.sum(x, dim=None) == 6
    assert Variable(x).sum(dim=None).data[0] == 6


# ---- objects in unusual states ------------------------------------------------------------------------

class Mine(tensorlib.FloatTensor):
    pass


def test_subclasses_of_tensors():
    x = Mine(2).fill_(1)
    assert type(copy.copy(x)) is Mine and copy.copy(x).storage() is x.storage()
    assert tensorlib.FloatTensor(x).storage() is x.storage() is Mine(x).storage()
    assert (x + tensorlib.ones(2)).tolist() == [2, 2] and copy.deepcopy(x).tolist() == [1, 1]
    v = Variable(x, requires_grad=True)
    v.backward(tensorlib.ones(2))
    assert v.grad.data.tolist() == [1, 1]


def test_objects_whose_constructor_did_not_run():
    x = tensorlib.DoubleTensor.__new__(tensorlib.DoubleTensor)
    assert x.numel() == 0 and x.resize_(2).fill_(1).tolist() == [1, 1] and x.element_size() == 8
    bare, v = Variable.__new__(Variable), Variable(tensorlib.ones(2))
    for wrong in (lambda: v.add(bare), lambda: bare.add(v), lambda: setattr(v, "grad", bare), lambda: bare + v):
        with pytest.raises((TypeError, RuntimeError)):
            wrong()


def test_a_constructor_that_fails_leaves_the_tensor_as_it_was():
    x = tensorlib.ones(3)
    with pytest.raises((MemoryError, RuntimeError)):
        x.__init__(2 ** 50)
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(TypeError):
        tensorlib.FloatTensor.add()


# ---- autograd -----------------------------------------------------------------------------------------

def test_backward_from_several_leaves_at_once():
    x, y = (Variable(tensorlib.ones(2), requires_grad=True) for _ in range(2))
    backward([x, y, x], [tensorlib.ones(2)] * 3)
    assert x.grad.data.tolist() == [2, 2] and y.grad.data.tolist() == [1, 1]


def test_garbage_no_longer_counts_as_sharing_storage():
    x = Variable(tensorlib.ones(2))
    loop = x.detach()
    loop.me = loop
    del loop
    gc.collect()
    assert x.add_(1).data.tolist() == [2, 2]


def test_no_grad_lets_parameters_be_changed_and_keeps_history():
    w = Variable(tensorlib.ones(2), requires_grad=True)
    (w * 3).sum().backward()
    y = w * 2
    with tensorlib.no_grad():
        w -= 0.5 * w.grad
        y.add_(1)
    assert w.data.tolist() == [-0.5, -0.5] and w.requires_grad and w.is_leaf and not w.volatile
    assert y.requires_grad and type(y.grad_fn).__name__ == "MulConstantBackward"


def test_no_grad_is_of_one_thread():
    entered, done = threading.Event(), threading.Event()

    def silent():
        with tensorlib.no_grad():
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=silent)
    thread.start()
    entered.wait(10)
    w = Variable(tensorlib.ones(1), requires_grad=True)
    recorded = (w * 2).requires_grad
    done.set()
    thread.join()
    assert recorded


def train(weight, seed, results):
    """Some steps of work that releases the GIL, on a leaf of this thread's and one that is shared."""
    own = Variable(tensorlib.ones(64, 64), requires_grad=True)
    for _ in range(30):
        x = Variable(tensorlib.DoubleTensor(64, 64).fill_(seed).float())
        (x.mm(own) * weight).sum().backward()
        tensorlib.autograd.grad(own.mm(x).sum(), [own])
    results[seed] = own.grad.data.sum() / (30 * 64 ** 3 * seed)


def threads():
    weight, results = Variable(tensorlib.ones(64, 64), requires_grad=True), {}
    workers = [threading.Thread(target=train, args=(weight, seed, results)) for seed in (1, 2, 3, 4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4 and all(abs(r - 1) < 1e-4 for r in results.values()), results
    assert weight.grad.data.min() == weight.grad.data.max() == 30 * 64 * (1 + 2 + 3 + 4)
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            ok = tensorlib.ones(300, 300).mm(tensorlib.ones(300, 300)).sum() == 300 ** 3
            os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_threads_at_work_at_once_then_a_fork():
    run_apart("threads")


if __name__ == "__main__":
    if sys.argv[1] == "sweep":
        sweep(sys.argv[2], bool(sys.argv[3]))
    else:
        threads()
