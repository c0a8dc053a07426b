"""Variables and nodes whose memory comes from a dead one: nothing of that is left, and Python's promises hold."""
import copy
import gc
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest

import tensorlib
from tensorlib._ops.node import Node
from tensorlib.autograd import Variable
from tensorlib.nn import Parameter

MANY = 600              # more than a free list keeps


def leaf(n=3):
    return Variable(tensorlib.ones(n), requires_grad=True)


def used():
    """A Variable with all that one can have, and a second one on its storage."""
    v = (leaf() * 2).split(1)[2]
    v.register_hook(lambda g: None)
    v._grad, v.note, v._accumulated_hooks = Variable(tensorlib.ones(1)), "old", {}
    return v, v.view(1)


def test_a_new_variable_has_nothing_of_a_dead_one():
    for make in (lambda: Variable(tensorlib.ones(2)), lambda: leaf().detach(), lambda: Variable(tensorlib.ones(2)) + 1):
        dead = [used() for _ in range(MANY)]
        places = {id(v) for pair in dead for v in pair}
        del dead
        gc.collect()
        made = [make() for _ in range(MANY)]
        assert places & {id(v) for v in made}
        for v in made:
            assert vars(v) == {} and v._backward_hooks is None and v._accumulated_hooks is None
            assert v.grad is None and v.output_nr == 0 and not v.requires_grad and not v.volatile
            assert v._version == 0 and weakref.getweakrefcount(v) == 0
            v.data.add_(1)


def test_in_place_changes_count_the_living_on_a_storage():
    v = Variable(tensorlib.ones(4))
    for _ in range(MANY):
        v.view(2, 2)
    v.view(2, 2).sum()
    assert v.add_(1).data.tolist() == [2] * 4
    other = v.view(2, 2)
    with pytest.raises(RuntimeError, match="share"):
        v.add_(1)
    del other
    v.add_(1)


def test_a_new_node_has_nothing_of_a_dead_one():
    x, rows = leaf(6), Variable(tensorlib.ones(2, 3), requires_grad=True)
    for _ in range(MANY):
        y = x.split(2)[1] + rows.sum(0)[:2]
        y.grad_fn.register_hook(lambda *gs: None)
    del y
    for _ in range(MANY):
        node = (leaf() * leaf()).grad_fn
        assert node.pre_hooks is None and node.post_hooks is None and node.n_outputs == 1
        assert [number for _, number in node.next_functions] == [0, 0]
    y = (x * x).sum()
    y.backward()
    assert x.grad.data.tolist() == [2] * 6


def test_weak_references_and_cycles():
    gone = []
    for _ in range(MANY):
        v = leaf() * 2
        v.me = v
        reference = weakref.ref(v, gone.append)
        del v
        gc.collect(0)
    gc.collect()
    assert reference() is None and len(gone) == MANY
    v = leaf()
    hook = v.register_hook(lambda g, v=v: None)         # a cycle through a closure
    reference = weakref.ref(v)
    del v, hook
    gc.collect()
    assert reference() is None


def test_scripts_that_look_for_tensors_find_them():
    v = leaf()
    found = [id(x) for x in gc.get_objects() if isinstance(x, (Variable, tensorlib.TensorBase))]
    assert id(v) in found and id(v.data) in found


class Own(Variable):
    ends = 0

    def __del__(self):
        Own.ends += 1


class Slotted(Variable):
    __slots__ = ("place",)


def test_derived_classes():
    Own.ends = 0
    for i in range(MANY):
        v = Own(tensorlib.ones(1))
        v.note = i
        w = Slotted(tensorlib.ones(1))
        w.place, w.note = v, i
    assert type(v + 1) is Variable and (v + w).data.tolist() == [2]
    del v, w
    gc.collect()
    assert Own.ends == MANY
    p = pickle.loads(pickle.dumps(Parameter(tensorlib.ones(2))))
    assert type(p) is type(copy.deepcopy(p)) is Parameter and type(Variable.__new__(Variable)) is Variable


def test_a_finalizer_given_to_the_class_runs_for_each():
    ends = []
    Variable.__del__ = lambda self: ends.append(1)
    try:
        for _ in range(MANY):
            Variable(tensorlib.ones(1))
    finally:
        del Variable.__del__
    assert len(ends) == MANY
    Variable(tensorlib.ones(1))
    assert len(ends) == MANY


def test_chains_of_any_length_end():
    by_grad = by_note = None
    x = y = leaf(1)
    for _ in range(100000):
        v, w = Variable(tensorlib.ones(1)), Variable(tensorlib.ones(1))
        v.grad, w.note = by_grad, by_note
        by_grad, by_note = v, w
        y = y + 1
    del v, w, by_grad, by_note, y
    assert x.grad is None


@pytest.mark.parametrize("look", [False, True])
def test_no_reference_is_lost_or_kept(look):
    x = leaf()
    kinds = [Variable, Node, type((x * x).grad_fn), type((x + 1).grad_fn)]

    def run():
        for _ in range(MANY):
            y = (x * x + 1).sum()
            if look:
                y.grad_fn.next_functions[0][0].next_functions  # noqa: B018
            y.backward()
            x.grad = None

    run()
    gc.collect()
    before = [sys.getrefcount(kind) for kind in kinds] + [sys.getrefcount(None)]
    run()
    gc.collect()
    after = [sys.getrefcount(kind) for kind in kinds] + [sys.getrefcount(None)]
    assert all(abs(a - b) < 50 for a, b in zip(before, after)), (before, after)


def test_threads():
    failed = []

    def run():
        for i in range(2000):
            x = Variable(tensorlib.ones(2) * i, requires_grad=True)
            y = (x * x + x).sum()
            y.grad_fn  # noqa: B018
            y.backward()
            if x.grad.data.tolist() != [2 * i + 1] * 2:
                failed.append(i)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_node_is_the_same_before_and_after_somebody_looks():
    x = leaf()
    y = (x * x).exp()
    looked = y.grad_fn
    assert y.grad_fn is looked and type(looked).__name__ == "ExpBackward" and isinstance(looked, Node)
    (before, _), = looked.next_functions
    assert looked.next_functions[0][0] is before and before.name() == type(before).__name__ == "MulBackward"
    seen = []
    before.register_hook(lambda inputs, outputs: seen.append(len(inputs)))
    y.sum().backward()
    assert seen == [2]
    np.testing.assert_allclose(x.grad.data.numpy(), 2 * np.exp(1), rtol=1e-6)
