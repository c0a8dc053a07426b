"""Functions of users: what ctx may be told, and what is refused."""
import weakref

import pytest

import tensorlib
from tensorlib.autograd import Function, Variable


def leaf(**flags):
    return Variable(tensorlib.DoubleTensor([1, 2, 3]), **(flags or {"requires_grad": True}))


def made(forward, backward=lambda ctx, g: g):
    """A new-style function of two plain ones."""
    return type("Made", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def view_of(ctx, x):
    y = x.view(-1)
    ctx.mark_shared_storage((x, y))
    return y


def test_marked_storage_counts_changes_together():
    """A view that was marked cannot be changed in place; one that was not marked is the caller's own affair."""
    x = leaf() * 1
    y = made(view_of).apply(x)
    with pytest.raises(RuntimeError, match="share storage"):
        y.add_(1)
    z = made(lambda ctx, x: x.view(-1)).apply(leaf() * 1)
    assert z.add_(1)._version == 1


@pytest.mark.parametrize("mark, match", [
    (lambda ctx, x, y: ctx.mark_shared_storage(x), "pairs"),
    (lambda ctx, x, y: ctx.mark_shared_storage((x, y, y)), "pairs"),
    (lambda ctx, x, y: ctx.mark_shared_storage((x, x * 2)), "input and output"),
    (lambda ctx, x, y: ctx.mark_shared_storage((x, 5)), "input and output"),
    (lambda ctx, x, y: ctx.mark_dirty(y), "argument 0 isn't one"),
    (lambda ctx, x, y: ctx.mark_non_differentiable(x * 2), "only accepts function outputs"),
    (lambda ctx, x, y: ctx.save_for_backward(x * 2), "input or output"),
    (lambda ctx, x, y: ctx.save_for_backward(5), "only save tensors")])
def test_wrong_marks(mark, match):
    def forward(ctx, x):
        y = x * 2
        mark(ctx, x, y)
        return y

    with pytest.raises(RuntimeError, match=match):
        made(forward).apply(leaf())


@pytest.mark.parametrize("flags", [{"volatile": True}, {"requires_grad": False}])
def test_marks_for_backward_are_not_looked_at_where_there_is_none(flags):
    def forward(ctx, x):
        ctx.mark_non_differentiable(x * 2)
        ctx.save_for_backward(x * 2)
        return x * 2

    y = made(forward).apply(leaf(**flags))
    assert y.data.tolist() == [2, 4, 6] and not y.requires_grad


# ---- what backward frees ----------------------------------------------------------------------------------------

class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_variables
        return g * x * 2


class OldSquare(Function):
    def forward(self, x):
        self.save_for_backward(x)
        return x * x

    def backward(self, g):
        x, = self.saved_tensors
        return g * x * 2


@pytest.mark.parametrize("square", [Square.apply, lambda x: OldSquare()(x)], ids=["new", "old"])
def test_saved_tensors_are_freed_by_backward(square):
    x = leaf()
    y = square(x)
    assert y.grad_fn.saved_tensors[0].tolist() == [1, 2, 3]
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert x.grad.data.tolist() == [4, 8, 12]
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.grad_fn.saved_tensors  # noqa: B018
    again = square(x)
    again.sum().backward()
    assert x.grad.data.tolist() == [6, 12, 18]


def test_an_old_style_object_used_again_saves_again():
    x, square = leaf(), OldSquare()
    square(x).sum().backward()
    square(x * 2).sum().backward()
    assert x.grad.data.tolist() == [2 + 8, 4 + 16, 6 + 24]


def test_what_saved_nothing_may_run_again():
    x = leaf()
    y = made(lambda ctx, x: x * 2, lambda ctx, g: g * 2).apply(x).sum()
    y.backward()
    y.backward()
    assert x.grad.data.tolist() == [4, 4, 4]


def test_backward_lets_go_of_the_memory():
    x, seen = leaf(), []

    def forward(ctx, x):
        y = x * x
        ctx.save_for_backward(y)
        seen.append(weakref.ref(y))
        return y

    y = made(forward).apply(x)
    total = y.sum()
    del y
    assert seen[0]() is not None
    total.backward()
    assert seen[0]() is None
