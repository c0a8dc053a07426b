"""The backend "tcp": group calls made of messages between pairs. "gloo" is another name of it.

Large tensors are added up around a ring, small ones up and down a binomial tree; either way every process gets the
same bytes. It knows dense 1-D tensors on the CPU.
"""
import zlib

from .._ops.dispatch import DTYPE_NAMES
from .._ops.tensor import code_of
from ..ops import pointwise
from .mesh import CALLS, Label

SEGMENT = 1 << 18           # bytes that travel at a time, so that a process passes on what it has while more comes
RING = 1 << 16              # from this number of bytes on, all_reduce goes around the ring
OPERATIONS = ("SUM", "PRODUCT", "MAX", "MIN")
COMBINE = (pointwise.add, pointwise.mul, pointwise.cmax, pointwise.cmin)


def bytes_of(tensor):
    """The memory of a dense tensor, to be read and written."""
    if not tensor.numel():
        return memoryview(bytearray())
    item = tensor.element_size()
    start = tensor.storage_offset() * item
    return memoryview(tensor.storage())[start:start + tensor.numel() * item]


def described(label):
    """A label in words."""
    text = CALLS[label.call]
    if label.call == CALLS.index("barrier"):
        return text
    if text.endswith("reduce"):
        text += "(%s)" % OPERATIONS[label.op]
    text += " of %d elements of %sTensor" % (label.numel, DTYPE_NAMES[label.dtype])
    return text + (" with root %d" % label.root if label.root >= 0 else "")


def tree(ranks, me, root):
    """The parent (None for the root) and the children of a process in a binomial tree over the ranks of a group."""
    n, first = len(ranks), ranks.index(root)
    place = (ranks.index(me) - first) % n
    at = lambda k: ranks[(k + first) % n]
    children, step = [], 1
    while place + step < n and not place & step:
        children.append(at(place + step))
        step *= 2
    return (at(place & (place - 1)) if place else None), children


def segments(n, size):
    """(start, length) pairs that cut n elements into pieces; one at least."""
    return [(start, min(size, n - start)) for start in range(0, max(n, 1), size)]


def combiner(target, source, op):
    """A function that combines target with those elements of source that have come, while others are under way."""
    done, item = 0, target.element_size()

    def progress(nbytes):
        nonlocal done
        if nbytes - done * item >= SEGMENT or nbytes == target.numel() * item:
            n = nbytes // item - done
            COMBINE[op].inplace(target.narrow(0, done, n), source.narrow(0, done, n))
            done += n
    return progress


class Group:
    """Some of the processes.

    Attributes:
        ranks: their numbers, in order.
        key: what all members agree on, if they made their groups in the same order.
    """

    def __init__(self, number, ranks):
        self.ranks = tuple(sorted(ranks))
        self.key = zlib.crc32(repr((number, self.ranks)).encode())


class Tcp:
    """Calls of one process in a mesh of connections. Group calls begun by `i` names run in a thread."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.rank, self.world_size = mesh.rank, len(mesh.links) + 1
        self.groups = 0

    def new_group(self, ranks):
        self.groups += 1
        return Group(self.groups, ranks)

    def close(self):
        self.mesh.close()

    def forget(self):
        self.mesh.forget()

    # ---- letters ----

    def _letter(self, tensor):
        return Label(CALLS.index("send"), 0, code_of(tensor), -1, 0, tensor.numel())

    def send(self, tensor, dst):
        self.mesh.outbox[dst].run(lambda: self.mesh.send(self._letter(tensor), dst, bytes_of(tensor)))

    def isend(self, tensor, dst):
        return self.mesh.outbox[dst].start(lambda: self.mesh.send(self._letter(tensor), dst, bytes_of(tensor)))

    def recv(self, tensor, src):
        if src is None:
            return self.mesh.receive_from_any(self._letter(tensor), bytes_of(tensor))
        self.mesh.inbox[src].run(lambda: self.mesh.receive(self._letter(tensor), src, bytes_of(tensor)))
        return src

    def irecv(self, tensor, src, finish):
        def job():
            self.mesh.receive(self._letter(tensor), src, bytes_of(tensor))
            finish()
        return self.mesh.inbox[src].start(job)

    # ---- group calls ----

    def _label(self, call, group, tensor=None, op=0, root=-1):
        code, numel = (code_of(tensor), tensor.numel()) if tensor is not None else (0, 0)
        return Label(CALLS.index(call), op, code, root, group.key, numel)

    def _run(self, job):
        self.mesh.order.run(self.mesh.group_call(job))

    def broadcast(self, tensor, src, group):
        label = self._label("broadcast", group, tensor, root=src)
        self._run(lambda: self._down(label, group, tensor, src))

    def _down(self, label, group, tensor, root):
        """Pass a tensor on along a tree: a segment goes to the children while the next one comes."""
        parent, children = tree(group.ranks, self.rank, root)
        data = bytes_of(tensor)
        pieces = [data[start:start + n] for start, n in segments(len(data), SEGMENT)]
        for ready, coming in zip([None] + pieces, pieces + [None]):
            sends = [(child, ready) for child in reversed(children)] if ready is not None else []
            receives = [(parent, coming)] if parent is not None and coming is not None else []
            self.mesh.move(label, sends, receives)

    def _up(self, label, group, tensor, root, op):
        """Combine the tensors of all in that of the root, along a tree; the others' are not changed."""
        parent, children = tree(group.ranks, self.rank, root)
        if parent is not None and children:
            tensor = tensor.clone()
        data, item = bytes_of(tensor), tensor.element_size()
        cuts = segments(tensor.numel(), SEGMENT // item)
        scratch = [tensor.new(cuts[0][1]) for _ in children]
        for ready, coming in zip([None] + cuts, cuts + [None]):
            sends, receives = [], []
            if ready is not None and parent is not None:
                sends.append((parent, data[ready[0] * item:sum(ready) * item]))
            if coming is not None:
                receives = [(child, bytes_of(s)[:coming[1] * item]) for child, s in zip(children, scratch)]
            self.mesh.move(label, sends, receives)
            if coming is not None and coming[1]:
                for s in scratch:       # always in this order, so that the result is always the same
                    COMBINE[op].inplace(tensor.narrow(0, *coming), s.narrow(0, 0, coming[1]))

    def reduce(self, tensor, dst, op, group):
        label = self._label("reduce", group, tensor, op, dst)
        self._run(lambda: self._up(label, group, tensor, dst, op))

    def all_reduce(self, tensor, op, group):
        self._run(self._all_reduce(tensor, op, group))

    def iall_reduce(self, tensor, op, group):
        return self.mesh.order.start(self.mesh.group_call(self._all_reduce(tensor, op, group)))

    def _all_reduce(self, tensor, op, group):
        label = self._label("all_reduce", group, tensor, op)

        def through_the_tree():
            result = tensor.clone()
            self._up(label, group, result, group.ranks[0], op)
            self._down(label, group, result, group.ranks[0])
            tensor.copy_(result)

        def around_the_ring():
            self._agree(label, group)
            self._ring_reduce(label, group, tensor, op)

        small = tensor.numel() * tensor.element_size() < RING or tensor.numel() < len(group.ranks)
        return through_the_tree if small or len(group.ranks) == 1 else around_the_ring

    def _agree(self, label, group):
        """Return when all members have come with the same label."""
        nothing = memoryview(b"")
        parent, children = tree(group.ranks, self.rank, group.ranks[0])
        parents = [] if parent is None else [(parent, nothing)]
        below = [(child, nothing) for child in children]
        self.mesh.move(label, [], below)
        self.mesh.move(label, parents, [])
        self.mesh.move(label, [], parents)
        self.mesh.move(label, below, [])

    def _ring_reduce(self, label, group, tensor, op):
        """Part k of the tensor goes around, each process adding its own; then the results go around."""
        n, me, left, right = self._ring(group)
        bounds = [tensor.numel() * k // n for k in range(n + 1)]
        parts = [tensor.narrow(0, start, end - start) for start, end in zip(bounds, bounds[1:])]
        scratch = tensor.new(max(part.numel() for part in parts))
        for step in range(n - 1):
            got = parts[(me - step - 1) % n]
            into = scratch.narrow(0, 0, got.numel())
            self.mesh.move(label, [(right, bytes_of(parts[(me - step) % n]))],
                           [(left, bytes_of(into), combiner(got, into, op))])
        for step in range(n - 1):
            self.mesh.move(label, [(right, bytes_of(parts[(me + 1 - step) % n]))],
                           [(left, bytes_of(parts[(me - step) % n]))])

    def _ring(self, group):
        n, me = len(group.ranks), group.ranks.index(self.rank)
        return n, me, group.ranks[(me - 1) % n], group.ranks[(me + 1) % n]

    def all_gather(self, tensors, tensor, group):
        label = self._label("all_gather", group, tensor)
        n, me, left, right = self._ring(group)

        def job():
            self._agree(label, group)
            tensors[me].copy_(tensor)
            for step in range(n - 1):
                self.mesh.move(label, [(right, bytes_of(tensors[(me - step) % n]))],
                               [(left, bytes_of(tensors[(me - step - 1) % n]))])
        self._run(job)

    def gather(self, tensors, tensor, dst, group):
        label = self._label("gather", group, tensor, root=dst)

        def job():
            if self.rank != dst:
                self.mesh.move(label, [(dst, bytes_of(tensor))], [])
                return
            others = [(rank, bytes_of(t)) for rank, t in zip(group.ranks, tensors) if rank != dst]
            self.mesh.move(label, [], others)
            tensors[group.ranks.index(dst)].copy_(tensor)
        self._run(job)

    def scatter(self, tensors, tensor, src, group):
        label = self._label("scatter", group, tensor, root=src)

        def job():
            if self.rank != src:
                self.mesh.move(label, [], [(src, bytes_of(tensor))])
                return
            others = [(rank, bytes_of(t)) for rank, t in zip(group.ranks, tensors) if rank != src]
            self.mesh.move(label, others, [])
            tensor.copy_(tensors[group.ranks.index(src)])
        self._run(job)

    def barrier(self, group):
        self._run(lambda: self._agree(self._label("barrier", group), group))
