"""The backend "mpi": every call is one of MPI, through mpi4py, which is imported here only. Start with mpiexec.

It knows dense 1-D tensors on the CPU.
"""
import sys

from .._ops.dispatch import DTYPE_NAMES
from .._ops.tensor import code_of
from .tcp import bytes_of

EXTRA = ("the backend mpi needs mpi4py, which is not installed (or finds no MPI library: %s): "
         "pip install tensorlib[mpi]")
TYPES = "UINT8_T INT8_T INT16_T INT32_T INT64_T BYTE FLOAT DOUBLE".split()      # by element type
OPERATIONS = "SUM PROD MAX MIN".split()


def library():
    """The module mpi4py.MPI.

    Raises:
        ImportError: it is not there; the text names the extra.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:        # RuntimeError: the library of MPI cannot be loaded
        raise ImportError(EXTRA % error) from error
    return MPI


class Group:
    """Some of the processes: their ranks, in order, and the communicator (that of none in processes outside)."""

    def __init__(self, ranks, communicator):
        self.ranks, self.communicator = tuple(sorted(ranks)), communicator

    def place(self, rank):
        return self.ranks.index(rank)


class Request:
    """An operation under way; `finish` is called once, when it is found to be over."""

    def __init__(self, request, kept, finish=lambda status: None):
        self.request, self.kept, self.finish = request, kept, finish
        self.error = None

    def is_completed(self):
        """Tell whether the operation is over, well or badly."""
        return self._follow("Test")

    def wait(self):
        """Return when the operation is over.

        Raises:
            RuntimeError: it went wrong.
        """
        self._follow("Wait")
        if self.error is not None:
            raise self.error

    def _follow(self, method):
        """Test or wait; at the end, once, finish."""
        if self.request is None:
            return True
        status = library().Status()
        try:
            if not getattr(self.request, method)(status):
                return False
            self.finish(status)
        except RuntimeError as error:       # those of MPI are, too
            self.error = error
        self.request = self.kept = None
        return True


class Mpi:
    """Calls of one process. A letter's tag is its element type, so that another one can be refused."""

    def __init__(self):
        self.MPI = library()
        self.communicator = self.MPI.COMM_WORLD.Dup()       # so that no message of the program's own gets mixed in
        self.rank, self.world_size = self.communicator.rank, self.communicator.size
        self._abort_with_us()

    def _abort_with_us(self):
        """Let an error that ends this process end the job: the others would wait for ever."""
        hook, world, size = sys.excepthook, self.MPI.COMM_WORLD, self.world_size

        def abort(kind, value, traceback):
            hook(kind, value, traceback)
            sys.stderr.flush()
            if size > 1:
                world.Abort(1)
        sys.excepthook, self.hook = abort, hook

    def close(self):
        sys.excepthook = self.hook
        if not self.MPI.Is_finalized():
            self.communicator.Free()

    def forget(self):
        sys.excepthook = self.hook

    def new_group(self, ranks):
        ranks = sorted(ranks)
        members = self.communicator.group.Incl(ranks)
        return Group(ranks, self.communicator.Create(members))

    def _typed(self, tensor):
        return [bytes_of(tensor), tensor.numel(), getattr(self.MPI, TYPES[code_of(tensor)])]

    def _bytes(self, tensor):
        return [bytes_of(tensor), self.MPI.BYTE]

    # ---- letters ----

    def send(self, tensor, dst):
        self.communicator.Send(self._bytes(tensor), dst, code_of(tensor))

    def isend(self, tensor, dst):
        return Request(self.communicator.Isend(self._bytes(tensor), dst, code_of(tensor)), tensor)

    def recv(self, tensor, src):
        MPI, status = self.MPI, self.MPI.Status()
        # Taken out of the queue by its size, whatever it is: a wrong one must not lie there for the next call.
        message = self.communicator.Mprobe(MPI.ANY_SOURCE if src is None else src, MPI.ANY_TAG, status)
        n = status.Get_count(MPI.BYTE)
        fits = n == tensor.numel() * tensor.element_size()
        message.Recv([bytes_of(tensor) if fits else bytearray(n), MPI.BYTE], status)
        self._check(tensor, status)
        return status.Get_source()

    def irecv(self, tensor, src, finish):
        def end(status):
            self._check(tensor, status)
            finish()
        return Request(self.communicator.Irecv(self._bytes(tensor), src, self.MPI.ANY_TAG), tensor, end)

    def _check(self, tensor, status):
        n, code = status.Get_count(self.MPI.BYTE), status.Get_tag()
        if n != tensor.numel() * tensor.element_size() or code != code_of(tensor):
            raise RuntimeError("recv: rank %d sent %d bytes of %sTensor, but rank %d expected %d bytes of %sTensor" % (
                status.Get_source(), n, DTYPE_NAMES[code], self.rank, tensor.numel() * tensor.element_size(),
                DTYPE_NAMES[code_of(tensor)]))

    # ---- group calls ----

    def broadcast(self, tensor, src, group):
        group.communicator.Bcast(self._bytes(tensor), group.place(src))

    def all_reduce(self, tensor, op, group):
        group.communicator.Allreduce(self.MPI.IN_PLACE, self._typed(tensor), getattr(self.MPI, OPERATIONS[op]))

    def iall_reduce(self, tensor, op, group):
        return Request(group.communicator.Iallreduce(self.MPI.IN_PLACE, self._typed(tensor),
                                                     getattr(self.MPI, OPERATIONS[op])), tensor)

    def reduce(self, tensor, dst, op, group):
        op = getattr(self.MPI, OPERATIONS[op])
        if self.rank == dst:
            group.communicator.Reduce(self.MPI.IN_PLACE, self._typed(tensor), op, group.place(dst))
        else:
            group.communicator.Reduce(self._typed(tensor), None, op, group.place(dst))

    def all_gather(self, tensors, tensor, group):
        joined = bytearray(len(bytes_of(tensor)) * len(tensors))
        group.communicator.Allgather(self._bytes(tensor), [joined, self.MPI.BYTE])
        spread(joined, tensors)

    def gather(self, tensors, tensor, dst, group):
        joined = bytearray(len(bytes_of(tensor)) * len(tensors))
        into = [joined, self.MPI.BYTE] if self.rank == dst else None
        group.communicator.Gather(self._bytes(tensor), into, group.place(dst))
        spread(joined, tensors)

    def scatter(self, tensors, tensor, src, group):
        joined = b"".join([bytes_of(part) for part in tensors])
        given = [joined, self.MPI.BYTE] if self.rank == src else None
        group.communicator.Scatter(given, self._bytes(tensor), group.place(src))

    def barrier(self, group):
        group.communicator.Barrier()


def spread(joined, tensors):
    """Cut bytes into tensors of one size."""
    joined = memoryview(joined)
    for i, data in enumerate(map(bytes_of, tensors)):
        data[:] = joined[i * len(data):(i + 1) * len(data)]
