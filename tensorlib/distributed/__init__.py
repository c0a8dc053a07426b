"""Computing with several processes, on one machine or many: letters between two, and calls in which a group takes part.

    tensorlib.distributed.init_process_group("tcp", init_method="tcp://10.1.1.20:23456", rank=..., world_size=4)

Here arguments are checked, and tensors are made dense; backends see dense 1-D tensors on the CPU. They do not need
networks or gradients. See docs/distributed.md.
"""
import os
import warnings
from multiprocessing.util import Finalize

from .._ops.copying import copy_, make_contiguous
from .._ops.making import make_view
from .._ops.tensor import HalfTensor, TensorBase
from .lanes import Request

__all__ = ["Request", "all_gather", "all_reduce", "barrier", "broadcast", "destroy_process_group", "gather",
           "get_rank", "get_world_size", "group", "init_master_worker", "init_process_group", "irecv", "is_available",
           "is_initialized", "isend", "new_group", "recv", "reduce", "reduce_op", "scatter", "send"]

BACKENDS = ("tcp", "gloo", "mpi")
GLOO = ("broadcast", "all_reduce", "barrier", "all_gather", "new_group")
GLOO_ON_GPU = ("broadcast", "all_reduce")
TIMEOUT = 1800


class reduce_op:
    """What all_reduce and reduce do with the elements."""

    SUM, PRODUCT, MAX, MIN = range(4)


class group:
    """The group of all processes."""

    WORLD = object()


class _State:
    """What this process takes part in."""

    backend = None          # the object that does the work
    name = None
    world = None            # the group of all
    only_ranks = False      # after init_master_worker
    at_exit = None          # ends all this with the process, also one that multiprocessing has started


# ---- beginning and ending -----------------------------------------------------------------------------


def is_available():
    """Tell whether this package works here."""
    return hasattr(os, "fork")


def is_initialized():
    """Tell whether init_process_group was called in this process."""
    return _State.backend is not None


def init_process_group(backend, init_method="env://", **kwargs):
    """Meet the other processes. Every process of the job must call this, and returns when all have.

    Args:
        backend (str): "tcp" (all calls), "gloo" (the same connections, with the calls that gloo has) or "mpi" (all
            calls, through mpi4py, started by mpiexec).
        init_method (str): how they meet: env:// (variables MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK),
            tcp://host:port, tcp:// with an IPv4 multicast address, or file://path with a path that all see. MPI
            needs none.
        world_size (int, optional): number of processes; keyword only, as the following.
        rank (int, optional): number of this process, from 0. Not given, free numbers are taken as processes come.
        group_name (str, optional): tells jobs apart that meet at one multicast address or file.
        timeout (float, optional): seconds that the meeting may take, and that later a call waits while nothing moves;
            1800.

    Raises:
        RuntimeError: it was called before, or not all came in time. ValueError: an argument is wrong, or processes
            contradict each other. ImportError: mpi4py is missing.

    Example:
        >>> import tensorlib, tempfile
        >>> dist = tensorlib.distributed
        >>> dist.init_process_group("tcp", init_method="file://" + tempfile.mktemp(), world_size=1)
        >>> x = tensorlib.ones(3)
        >>> dist.all_reduce(x)
        >>> dist.get_rank(), x.tolist()
        (0, [1.0, 1.0, 1.0])
        >>> dist.destroy_process_group()
    """
    if is_initialized():
        raise RuntimeError("init_process_group: the process group is initialized already: trying to initialize "
                           "tensorlib.distributed twice!")
    if backend not in BACKENDS:
        raise ValueError("init_process_group: unknown backend %r, expected one of %s" % (backend, ", ".join(BACKENDS)))
    arguments = _init_arguments(**kwargs)
    made = _connect_mpi(*arguments) if backend == "mpi" else _connect_tcp(init_method, *arguments)
    _State.backend, _State.name, _State.only_ranks = made, backend, False
    _State.world = made.new_group(range(made.world_size))
    _State.at_exit = Finalize(None, destroy_process_group, exitpriority=0)


def _init_arguments(world_size=None, rank=None, group_name="", timeout=TIMEOUT):
    """Checked; an unknown keyword is a TypeError that names it."""
    for name, value, least in ("world_size", world_size, 1), ("rank", rank, 0):
        if value in (None, -1):         # -1 means the same
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError("init_process_group: %s=%r, expected a whole number from %d on" % (name, value, least))
    world_size, rank = (None if n == -1 else n for n in (world_size, rank))
    if None not in (world_size, rank) and rank >= world_size:
        raise ValueError("init_process_group: rank %d is not in 0 .. %d" % (rank, world_size - 1))
    if not timeout > 0:
        raise ValueError("init_process_group: timeout=%r, expected seconds" % (timeout,))
    return world_size, rank, str(group_name), timeout


def _connect_tcp(init_method, world_size, rank, group_name, timeout):
    from . import meeting, mesh, methods, tcp
    job, links, mail = methods.meet(init_method, meeting.Newcomer(world_size, rank, group_name, timeout))
    return tcp.Tcp(mesh.Mesh(job.rank, links, mail, timeout, tcp.described))


def _connect_mpi(world_size, rank, group_name, timeout):
    from . import mpi
    made = mpi.Mpi()
    for name, given, found in ("world_size", world_size, made.world_size), ("rank", rank, made.rank):
        if given not in (None, found):
            made.forget()
            raise ValueError("init_process_group: %s=%d was given, but MPI says %d" % (name, given, found))
    return made


def init_master_worker(backend, init_method="env://", **kwargs):
    """Meet the other processes, as init_process_group, for one master (rank 0) and workers. Experimental.

    There are no tensors that live on workers: afterwards only get_rank() and get_world_size() can be called.
    """
    warnings.warn("the master-worker mode of tensorlib.distributed is experimental: only ranks are assigned",
                  UserWarning, stacklevel=2)
    init_process_group(backend, init_method, **kwargs)
    _State.only_ranks = True


def destroy_process_group():
    """Close all connections, after letters under way have gone; init_process_group can be called again."""
    backend = _leave()
    if backend is not None:
        backend.close()


def _forget():
    """In a forked child: the connections are the parent's."""
    backend = _leave()
    if backend is not None:
        backend.forget()


def _leave():
    """Take part in nothing any more; returns the backend there was."""
    backend, _State.backend, _State.name, _State.world = _State.backend, None, None, None
    if _State.at_exit is not None:
        _State.at_exit.cancel()
        _State.at_exit = None
    return backend


os.register_at_fork(after_in_child=_forget)


def get_rank():
    """Return the number of this process, from 0."""
    return _backend().rank


def get_world_size():
    """Return the number of processes."""
    return _backend().world_size


# ---- checks -------------------------------------------------------------------------------------------


def _backend():
    if _State.backend is None:
        raise AssertionError("the process group is not initialized: call init_process_group first")
    return _State.backend


def _backend_for(call, *tensors):
    """The backend, if it has a call for these tensors."""
    backend = _backend()
    if _State.only_ranks:
        raise AssertionError("%s: only supported in process-group mode, not after init_master_worker" % call)
    if _State.name == "gloo" and call not in GLOO:
        raise RuntimeError("%s: the backend gloo has only %s; use tcp or mpi" % (call, ", ".join(GLOO)))
    for tensor in tensors:
        if not isinstance(tensor, TensorBase):
            hint = ", use its .data" if isinstance(getattr(tensor, "data", None), TensorBase) else ""
            raise TypeError("%s: expected a tensor, but got %s%s" % (call, type(tensor).__name__, hint))
        if tensor.is_sparse:
            raise RuntimeError("%s: only dense tensors can be sent, but got %s" % (call, tensor.type()))
        if tensor.is_cuda and not (_State.name == "gloo" and call in GLOO_ON_GPU):
            raise RuntimeError("%s: the backend %s takes tensors on the CPU only, but got %s"
                               % (call, _State.name, tensor.type()))
    return backend


def _peer(call, name, rank):
    """A rank, checked to be another process."""
    _rank(call, name, rank)
    if rank == _State.backend.rank:
        raise ValueError("%s: %s=%d is this process itself" % (call, name, rank))
    return rank


def _rank(call, name, rank, members=None):
    size = _State.backend.world_size
    if not isinstance(rank, int) or isinstance(rank, bool):
        raise TypeError("%s: %s should be a rank, but got %s" % (call, name, type(rank).__name__))
    if not 0 <= rank < size:
        raise ValueError("%s: %s=%d is not in 0 .. %d" % (call, name, rank, size - 1))
    if members is not None and rank not in members.ranks:
        raise ValueError("%s: %s=%d is not in the group of ranks %s"
                         % (call, name, rank, ", ".join(map(str, members.ranks))))
    return rank


def _members(call, group):
    """The group, checked to contain this process."""
    members = _State.world if group is globals()["group"].WORLD else group
    if not hasattr(members, "ranks"):
        raise TypeError("%s: expected a group made by new_group, but got %s" % (call, type(group).__name__))
    if _State.backend.rank not in members.ranks:
        raise RuntimeError("%s: this process, rank %d, is not in the group of ranks %s"
                           % (call, _State.backend.rank, ", ".join(map(str, members.ranks))))
    return members


def _operation(call, op):
    if op not in (0, 1, 2, 3) or isinstance(op, bool):
        raise ValueError("%s: op=%r, expected one of reduce_op.SUM, PRODUCT, MAX, MIN" % (call, op))
    return op


def _listed(call, name, tensors, tensor, members):
    """A list with one tensor for each member, each like the given one."""
    if tensors is None:
        raise RuntimeError("%s: %s must be given in the process that has it" % (call, name))
    tensors = list(tensors)
    _backend_for(call, *tensors)
    if len(tensors) != len(members.ranks):
        raise ValueError("%s: %s has %d tensors for a group of %d processes"
                         % (call, name, len(tensors), len(members.ranks)))
    for i, other in enumerate(tensors):
        if type(other) is not type(tensor) or other.size() != tensor.size():
            raise ValueError("%s: %s[%d] is a %s of size %s, but the tensor is a %s of size %s" % (
                call, name, i, other.type(), tuple(other.size()), tensor.type(), tuple(tensor.size())))
    return tensors


# ---- dense tensors ------------------------------------------------------------------------------------


def _dense(tensor, arithmetic=False):
    """The elements as a dense 1-D tensor on the CPU: the tensor's own memory, or a copy where that is not so."""
    dense = make_contiguous(tensor.cpu())
    if arithmetic and isinstance(dense, HalfTensor):
        dense = dense.float()           # there is no arithmetic with halves
    return make_view(dense.storage(), dense.storage_offset(), (dense.numel(),)) if dense.dim() > 1 else dense


def _finish(tensor, dense):
    """Bring results in a dense copy back to the tensor."""
    if tensor.numel() and (type(dense) is not type(tensor) or dense.data_ptr() != tensor.data_ptr()):
        copy_(tensor, dense)            # in order of the elements, whatever the sizes


# ---- letters ------------------------------------------------------------------------------------------


def send(tensor, dst):
    """Send a tensor to a process, which must receive one of the same type with as many elements.

    Args:
        tensor (Tensor): what to send.
        dst (int): rank of the receiver.

    Raises:
        RuntimeError: the other process has ended, or took nothing for the time of the timeout.
    """
    _backend_for("send", tensor).send(_dense(tensor), _peer("send", "dst", dst))


def recv(tensor, src=None):
    """Receive a tensor, into the given one.

    Args:
        tensor (Tensor): is filled.
        src (int, optional): rank of the sender; the next that sends unless given.

    Returns:
        the rank of the sender.

    Raises:
        RuntimeError: what came has another type or number of elements, or the other process has ended.
    """
    backend = _backend_for("recv", tensor)
    if src is not None:
        _peer("recv", "src", src)
    dense = _dense(tensor)
    sender = backend.recv(dense, src)
    _finish(tensor, dense)
    return sender


def isend(tensor, dst):
    """Begin to send a tensor; it must not be changed before the request is completed.

    Returns:
        a Request with wait() and is_completed().
    """
    return _backend_for("isend", tensor).isend(_dense(tensor), _peer("isend", "dst", dst))


def irecv(tensor, src):
    """Begin to receive a tensor; it must not be used before the request is completed.

    Returns:
        a Request with wait() and is_completed().
    """
    backend = _backend_for("irecv", tensor)
    dense = _dense(tensor)
    return backend.irecv(dense, _peer("irecv", "src", src), lambda: _finish(tensor, dense))


# ---- calls of a group ---------------------------------------------------------------------------------


def broadcast(tensor, src, group=group.WORLD):
    """Copy a tensor of one process to all others of the group.

    Args:
        tensor (Tensor): is sent by src, filled elsewhere.
        src (int): rank of the process whose tensor it is.
        group (optional): made by new_group; all processes unless given.
    """
    backend = _backend_for("broadcast", tensor)
    members = _members("broadcast", group)
    _rank("broadcast", "src", src, members)
    dense = _dense(tensor)
    backend.broadcast(dense, src, members)
    _finish(tensor, dense)


def all_reduce(tensor, op=reduce_op.SUM, group=group.WORLD):
    """Combine the tensors of all processes of the group, element by element; every one gets the same result, in place.

    Args:
        tensor (Tensor): operand and result.
        op (optional): reduce_op.SUM, PRODUCT, MAX or MIN.
        group (optional): made by new_group; all processes unless given.
    """
    backend = _backend_for("all_reduce", tensor)
    members = _members("all_reduce", group)
    dense = _dense(tensor, arithmetic=True)
    backend.all_reduce(dense, _operation("all_reduce", op), members)
    _finish(tensor, dense)


def iall_reduce(tensor):
    """Begin to add up a dense tensor over all processes, in place; returns a Request."""
    return _backend_for("all_reduce", tensor).iall_reduce(tensor, reduce_op.SUM, _State.world)


def reduce(tensor, dst, op=reduce_op.SUM, group=group.WORLD):
    """Combine the tensors of all processes of the group, element by element, in that of one of them.

    Args:
        tensor (Tensor): operand; in dst the result.
        dst (int): rank of the process that gets the result.
        op (optional): reduce_op.SUM, PRODUCT, MAX or MIN.
        group (optional): made by new_group; all processes unless given.
    """
    backend = _backend_for("reduce", tensor)
    members = _members("reduce", group)
    _rank("reduce", "dst", dst, members)
    dense = _dense(tensor, arithmetic=True)
    backend.reduce(dense, dst, _operation("reduce", op), members)
    if backend.rank == dst:
        _finish(tensor, dense)


def all_gather(tensor_list, tensor, group=group.WORLD):
    """Collect the tensors of all processes of the group in a list in each of them.

    Args:
        tensor_list (list of Tensor): are filled, in order of the ranks; each of the type and size of the tensor.
        tensor (Tensor): what this process contributes.
        group (optional): made by new_group; all processes unless given.
    """
    backend = _backend_for("all_gather", tensor)
    members = _members("all_gather", group)
    tensors = _listed("all_gather", "tensor_list", tensor_list, tensor, members)
    dense = [_dense(t) for t in tensors]
    backend.all_gather(dense, _dense(tensor), members)
    for t, d in zip(tensors, dense):
        _finish(t, d)


def gather(tensor, **kwargs):
    """Collect the tensors of all processes of the group in a list in one of them.

    Args:
        tensor (Tensor): what this process contributes.
        dst (int, optional): rank of the process that gets the list; this one unless given.
        gather_list (list of Tensor): are filled, in order of the ranks; to be given in dst only.
        group (optional): made by new_group; all processes unless given.
    """
    backend, members, dst, tensors = _one_to_all("gather", "dst", "gather_list", tensor, kwargs)
    dense = [_dense(t) for t in tensors]
    backend.gather(dense, _dense(tensor), dst, members)
    for t, d in zip(tensors, dense):
        _finish(t, d)


def scatter(tensor, **kwargs):
    """Give every process of the group one of the tensors in a list of one of them.

    Args:
        tensor (Tensor): is filled.
        src (int, optional): rank of the process that has the list; this one unless given.
        scatter_list (list of Tensor): in order of the ranks; to be given in src only.
        group (optional): made by new_group; all processes unless given.
    """
    backend, members, src, tensors = _one_to_all("scatter", "src", "scatter_list", tensor, kwargs)
    dense = _dense(tensor)
    backend.scatter([_dense(t) for t in tensors], dense, src, members)
    _finish(tensor, dense)


def _one_to_all(call, root_name, list_name, tensor, kwargs):
    """The keyword arguments of gather and scatter."""
    backend = _backend_for(call, tensor)
    unknown = set(kwargs) - {root_name, list_name, "group"}
    if unknown:
        raise RuntimeError("%s: got unexpected keyword arguments: %s" % (call, ", ".join(sorted(unknown))))
    members = _members(call, kwargs.get("group", group.WORLD))
    root = _rank(call, root_name, kwargs.get(root_name, backend.rank), members)
    tensors = kwargs.get(list_name)
    if backend.rank == root:
        return backend, members, root, _listed(call, list_name, tensors, tensor, members)
    if tensors:
        raise RuntimeError("%s: a non-empty %s can be given only in rank %d, the %s"
                           % (call, list_name, root, root_name))
    return backend, members, root, []


def barrier(group=group.WORLD):
    """Return when all processes of the group have called this."""
    backend = _backend_for("barrier")
    backend.barrier(_members("barrier", group))


def new_group(ranks=None):
    """Make a group of some processes. All processes must call this, also those outside, and in the same order.

    Args:
        ranks (list of int, optional): the members, whose order does not count; all processes unless given.

    Returns:
        what the argument `group` of the other functions takes.
    """
    backend = _backend_for("new_group")
    ranks = list(range(backend.world_size)) if ranks is None else list(ranks)
    for rank in ranks:
        _rank("new_group", "ranks", rank)
    if not ranks or len(set(ranks)) < len(ranks):
        raise ValueError("new_group: expected different ranks, one at least, but got %s" % (ranks,))
    return backend.new_group(ranks)
