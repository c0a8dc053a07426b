"""Training by several processes: each has the module and a part of the data, and all get the mean of the gradients.

The package `distributed` is of a layer above: it is found by name, when the first module is wrapped. What travels is
flat: many tensors of one type copied into one on the CPU.
"""
import importlib
import weakref
from functools import partial

from ..module import Module
from .data_parallel import _all_gpus, data_parallel
from ..._ops.node import AccumulateGrad
from ..._ops.tensor import FloatTensor, code_of, cpu_classes
from ...autograd import Variable

HALF = 5                    # the code of the element type
BUCKET = 1 << 22            # bytes of gradients that travel together, while later ones are still computed


class DistributedDataParallel(Module):
    """A module that is trained by several processes, whose number `tensorlib.distributed` knows.

    At the beginning all processes get the parameters and buffers of rank 0. During each backward gradients are
    averaged over the processes, large pieces at a time: afterwards `.grad` of a parameter is the mean, the same
    everywhere. So all processes must make the same optimizer steps, and each must call backward as often as the
    others. Before each forward, buffers are again those of rank 0.

    Parameters that some process did not use count as zeros there; what no process used stays as it is. Gradients by
    autograd.grad() and gradients of gradients are not averaged.

    Args:
        module (Module): the module; it becomes the attribute `module`, so names in state_dict() begin with "module.".
        device_ids (list of int, optional): if the parameters are on a GPU, the GPUs of this process, the first one
            that of the parameters; all unless given.
        output_device (int, optional): where the outputs come together; the first of device_ids unless given.
        dim (int): the dim of the inputs that is split over GPUs.

    Raises:
        AssertionError: init_process_group was not called.
        RuntimeError: the modules of two processes differ, or a process has ended.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        on_gpu = any(p.is_cuda for p in module.parameters())
        if device_ids and not on_gpu:
            raise ValueError("DistributedDataParallel: device_ids=%r, but the parameters are on the CPU"
                             % (list(device_ids),))
        self.device_ids = ([] if not on_gpu else _all_gpus()) if device_ids is None else list(device_ids)
        self.output_device = output_device
        self.dim = dim
        self.module = module
        self._make_reducer()
        self._copy_from_first(module.state_dict().values())
        self._reducer.distributed.barrier()     # where modules differ, rank 0, too, hears of it here

    def _make_reducer(self):
        distributed = importlib.import_module(__name__.partition(".")[0] + ".distributed")
        distributed.get_rank()                  # or say at once that there is no process group
        self._reducer = Reducer([p for p in self.module.parameters() if p.requires_grad], distributed)

    def _copy_from_first(self, tensors):
        """Give the tensors the values that they have in rank 0."""
        for group in by_type(tensors):
            flat = flatten(group)
            self._reducer.distributed.broadcast(flat, 0)
            unflatten(flat, group)

    def forward(self, *inputs, **kwargs):
        self._reducer.forget()
        self._copy_from_first(tensor for module in self.module.modules() for tensor in module._buffers.values()
                              if tensor is not None)
        return data_parallel(self.module, inputs, self.device_ids, self.output_device, self.dim, kwargs)

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key != "_reducer"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_reducer()


# ---- flat tensors -------------------------------------------------------------------------------------


def by_type(tensors):
    """Lists of the tensors of one type."""
    groups = {}
    for tensor in tensors:
        groups.setdefault(code_of(tensor), []).append(tensor)
    return list(groups.values())


def room_for(tensor, n):
    """A tensor of n elements on the CPU: of the same type, but floats for halves, which have no arithmetic there."""
    code = code_of(tensor)
    return (FloatTensor if code == HALF else cpu_classes()[code])(n)


def flatten(tensors):
    """The elements of all as one tensor on the CPU."""
    flat = room_for(tensors[0], sum(tensor.numel() for tensor in tensors))
    for tensor, part in parts(flat, tensors):
        part.copy_(tensor)
    return flat


def unflatten(flat, tensors):
    """Copy the elements back."""
    for tensor, part in parts(flat, tensors):
        tensor.copy_(part)


def parts(flat, tensors):
    """(tensor, the view of flat that stands for it) pairs."""
    start = 0
    for tensor in tensors:
        n = tensor.numel()
        yield tensor, flat.narrow(0, start, n).view(tensor.size()) if n else flat.new()
        start += n


# ---- averaging during backward ------------------------------------------------------------------------


class Bucket:
    """Some parameters of one type, whose gradients travel together. Behind them go marks: who has a gradient."""

    def __init__(self, params):
        self.params = params
        self.missing, self.flat, self.request = set(), None, None

    def begin(self):
        self.missing = set(range(len(self.params)))
        self.flat = self.request = None

    def send(self, distributed):
        """Begin to add up over all processes."""
        datas = [p.data for p in self.params]
        total = sum(data.numel() for data in datas)
        self.flat = room_for(datas[0], total + len(datas)).zero_()
        for p, (_, part) in zip(self.params, parts(self.flat, datas)):
            if p.grad is not None:              # perhaps of an earlier backward
                part.copy_(p.grad.data)
        marks = [float(i not in self.missing) for i in range(len(datas))]
        self.flat.narrow(0, total, len(datas)).copy_(self.flat.new(marks))
        self.request = distributed.iall_reduce(self.flat)

    def receive(self, world_size):
        """Replace by means what at least one process has computed."""
        self.request.wait()
        datas = [p.data for p in self.params]
        total = self.flat.numel() - len(datas)
        marks = self.flat.narrow(0, total, len(datas)).tolist()
        self.flat.div_(world_size)
        for mark, p, (_, part) in zip(marks, self.params, parts(self.flat, datas)):
            if not mark:
                continue
            if p.grad is None:
                p.grad = Variable(p.data.new().resize_as_(p.data), volatile=True)
            p.grad.data.copy_(part)
        self.flat = self.request = None


class Reducer:
    """Sends buckets as their gradients are complete, the last parameters first, in the same order everywhere."""

    def __init__(self, params, distributed):
        self.distributed = distributed
        self.buckets = [Bucket(part) for part in cut(params[::-1])]
        self.next, self.active = 0, False
        me = weakref.ref(self)                  # the parameters may live on without it
        self.handles = [AccumulateGrad(p).register_hook(partial(notify, me, bucket, i))
                        for bucket in self.buckets for i, p in enumerate(bucket.params)]

    def __del__(self):
        for handle in getattr(self, "handles", ()):
            handle.remove()

    def ready(self, bucket, i):
        """The gradient of parameter i of a bucket is in its place."""
        if not self.active:
            self.active, self.next = True, 0
            for b in self.buckets:
                b.begin()
            Variable._execution_engine.queue_callback(self.finish)
        p = bucket.params[i]
        if p.grad.data.is_sparse:
            raise RuntimeError("DistributedDataParallel averages dense gradients only, but one of size %s is sparse"
                               % (tuple(p.size()),))
        bucket.missing.discard(i)
        while self.next < len(self.buckets) and not self.buckets[self.next].missing:
            self.send_next()

    def send_next(self):
        self.buckets[self.next].send(self.distributed)
        self.next += 1

    def finish(self):
        """At the end of backward: what nothing came for is sent, too, since other processes may have it."""
        while self.next < len(self.buckets):
            self.send_next()
        for bucket in self.buckets:
            bucket.receive(self.distributed.get_world_size())
        self.active = False

    def forget(self):
        """An earlier backward may have failed in the middle."""
        self.active = False


def notify(reducer, bucket, i, *unused):
    reducer = reducer()
    if reducer is not None:
        reducer.ready(bucket, i)


def cut(params):
    """Parts of a list of parameters, each of one type and not much larger than a bucket."""
    current, size = [], 0
    for p in params:
        nbytes = p.numel() * p.data.element_size()
        if current and (size + nbytes > BUCKET or code_of(p.data) != code_of(current[0].data)):
            yield current
            current, size = [], 0
        current.append(p)
        size += nbytes
    if current:
        yield current
