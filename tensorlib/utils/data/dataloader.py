"""DataLoader: batches in order, made here or by worker processes that read ahead.

Batch number i is always made by worker i % n, over a channel of its own. So order needs no bookkeeping, random numbers
in the workers do not depend on timing, and a killed worker can neither hold a lock nor spoil another one's message.
"""
import os
import pickle
import signal
import time
import traceback
import weakref
from collections.abc import Mapping, Sequence

from ..._ops.dispatch import set_num_threads
from ..._ops.tensor import TensorBase
from ...tensor import LongTensor
from .collate import default_collate
from .sampler import BatchSampler, RandomSampler, SequentialSampler

AHEAD = 2               # batches that each worker has to do
POLL = 1.0              # seconds between looks at whether a silent worker is alive
GRACE = 1.0             # seconds a worker is given to end by itself
_channels = weakref.WeakSet()       # this process's ends; a new worker must not hold copies of them open


class DataLoader:
    """Reads a dataset in batches.

    Args:
        dataset: gives a sample for an index, and its length.
        batch_size: samples in a batch.
        shuffle: read in a new random order each time.
        sampler: gives the order instead of shuffle.
        batch_sampler: gives lists of indices; excludes batch_size, shuffle, sampler and drop_last.
        num_workers: processes that make the batches; 0 makes them here.
        collate_fn: makes a batch of a list of samples.
        pin_memory: put the batches into page-locked memory, from which copies to a GPU are faster; nothing without one.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch of a worker; 0 waits for ever.
        worker_init_fn: called with the number of the worker in each one, before its first batch.

    Each worker uses one thread. It begins with the random state that this process has when the iterator is made, as in
    v0.2: all workers draw the same numbers, and again in the next epoch if this process has drawn none; only Python
    seeds its own `random` anew in each process. Where that matters, seed them:
    `worker_init_fn=lambda number: tensorlib.manual_seed(1000 * epoch + number)`.

    Raises:
        ValueError: options that exclude each other, or a negative number of workers.
        RuntimeError: while iterating: a worker was killed, or the timeout has passed. An error in the dataset is
            raised here as the same type, with the worker's traceback as its text, and iteration may go on.

    Example:
        >>> from tensorlib import arange, manual_seed
        >>> from tensorlib.utils.data import DataLoader, TensorDataset
        >>> values = arange(0, 5)
        >>> for x, y in DataLoader(TensorDataset(values, values * 10), batch_size=2, num_workers=2):
        ...     print(x.tolist(), y.tolist())
        [0.0, 1.0] [0.0, 10.0]
        [2.0, 3.0] [20.0, 30.0]
        [4.0] [40.0]
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, sampler=None, batch_sampler=None, num_workers=0,
                 collate_fn=default_collate, pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None):
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("batch_sampler is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
        if sampler is not None and shuffle:
            raise ValueError("sampler is mutually exclusive with shuffle")
        if num_workers < 0:
            raise ValueError("num_workers cannot be negative: %d; 0 makes the batches in this process" % num_workers)
        if timeout < 0:
            raise ValueError("timeout cannot be negative: %s" % timeout)
        if batch_sampler is None:
            if batch_size < 1:
                raise ValueError("batch_size must be at least 1, but is %s" % batch_size)
            if sampler is None:
                sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn

    def __iter__(self):
        return WorkerIter(self) if self.num_workers else DataLoaderIter(self)

    def __len__(self):
        return len(self.batch_sampler)


class DataLoaderIter:
    """One pass over the batches, made in this process."""

    def __init__(self, loader):
        self.dataset = loader.dataset
        self.collate_fn = loader.collate_fn
        self.pin_memory = loader.pin_memory and _can_pin()
        self.batch_sampler = loader.batch_sampler
        self.indices = iter(loader.batch_sampler)

    def __iter__(self):
        return self

    def __len__(self):
        return len(self.batch_sampler)

    def next(self):
        """Return the next batch, in the spelling of Python 2."""
        return next(self)

    def __reduce_ex__(self, protocol):
        raise NotImplementedError("%s cannot be pickled" % type(self).__name__)

    def __next__(self):
        indices = next(self.indices)
        try:
            batch = self.collate_fn([self.dataset[i] for i in indices])
        except StopIteration as error:          # would look like the end of the data
            raise RuntimeError("the dataset raised StopIteration") from error
        return pin_memory_batch(batch) if self.pin_memory else batch


class WorkerIter(DataLoaderIter):
    """One pass over the batches, made by worker processes. Dropping it ends them."""

    def __init__(self, loader):
        from ...multiprocessing.channel import Channel
        super().__init__(loader)
        self.timeout = loader.timeout
        self.sent = self.received = 0
        self.failed = None                      # what ended this iterator before its time
        self.channels, self.processes = [], []
        self._stop = weakref.finalize(self, _stop, os.getpid(), self.channels, self.processes)
        for number in range(loader.num_workers):
            here, there = Channel.pair()
            _channels.add(here)
            self.channels.append(here)
            self.processes.append(_start_worker(loader, there, number))
            there.close()
        for _ in range(AHEAD * loader.num_workers):
            self._send_next()

    def __next__(self):
        if self.failed:
            raise RuntimeError(self.failed)
        if self.received == self.sent:
            self._stop()
            raise StopIteration
        number = self.received % len(self.channels)
        batch = self._receive(number)
        self.received += 1
        self._send_next()
        if isinstance(batch, WorkerError):
            raise batch.error()
        return pin_memory_batch(batch) if self.pin_memory else batch

    def _send_next(self):
        """Give the next list of indices to the worker whose turn it is."""
        indices = next(self.indices, None)
        if indices is None:
            return
        try:
            self.channels[self.sent % len(self.channels)].send(("batch", indices))
        except OSError:
            pass                                # it is dead, which will be told when its batch is waited for
        self.sent += 1

    def _receive(self, number):
        """Wait for the next message of a worker; never longer than the worker lives."""
        from multiprocessing.connection import wait
        channel, process = self.channels[number], self.processes[number]
        deadline = time.monotonic() + self.timeout if self.timeout else float("inf")
        while True:
            left = deadline - time.monotonic()
            ready = wait([channel, process.sentinel], max(0, min(POLL, left)))
            if channel in ready:
                try:
                    return channel.recv()
                except (EOFError, ConnectionResetError):
                    self._fail(_death(number, process))
            elif ready or not process.is_alive():
                self._fail(_death(number, process))
            elif left <= 0:
                self._fail("DataLoader timed out: no batch from worker %d (pid %d) in %s seconds"
                           % (number, process.pid, self.timeout))

    def _fail(self, text):
        self.failed = text
        self._stop()
        raise RuntimeError(text)


class WorkerError:
    """An error of a worker on its way to the parent: its type, and its traceback as text."""

    def __init__(self, error):
        self.text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.type = _known_type(type(error))

    def error(self):
        """Return an exception of the same type, or of the nearest base that can be made from a text."""
        text = "in a worker process of DataLoader:\n" + self.text
        if issubclass(self.type, KeyError):
            text = _Text(text)
        if not issubclass(self.type, StopIteration):        # it would look like the end of the data
            for cls in self.type.__mro__:
                try:
                    error = cls.__new__(cls, text)
                    BaseException.__init__(error, text)
                    if text in str(error):
                        return error
                except Exception:
                    continue
        return RuntimeError(text)


class _Text(str):
    """A text that is shown as it is where its repr is asked for, as KeyError does."""

    def __repr__(self):
        return str(self)


def _known_type(cls):
    """The class itself, or the nearest base that the parent can find by its name."""
    for base in cls.__mro__:
        try:
            pickle.dumps(base)
            return base
        except Exception:               # pickle raises errors of several types for a class it cannot find
            continue


def _start_worker(loader, channel, number):
    """Fork a worker; it shares the dataset, which need not be picklable."""
    from multiprocessing import get_context
    process = get_context("fork").Process(
        target=_work, daemon=True, name="DataLoader worker %d" % number,
        args=(loader.dataset, loader.collate_fn, channel, number, loader.worker_init_fn))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})      # until the worker ignores it
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _work(dataset, collate_fn, channel, number, init_fn):
    """What a worker does: answer each list of indices by a batch or a WorkerError, until nobody can ask any more."""
    from multiprocessing.connection import wait
    parent = os.getppid()
    for other in list(_channels):
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is the parent's to handle; it ends us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    set_num_threads(1)
    broken = None
    try:
        if init_fn is not None:
            init_fn(number)
    except Exception as error:
        broken = WorkerError(error)
    while True:
        try:
            while not wait([channel], POLL):
                if os.getppid() != parent:
                    return
            request, indices = channel.recv()
            if request == "stop":
                return
            channel.send(broken or _make_batch(dataset, collate_fn, indices))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:                      # the batch cannot be sent
            channel.send(WorkerError(error))


def _make_batch(dataset, collate_fn, indices):
    try:
        return collate_fn([dataset[i] for i in indices])
    except Exception as error:
        return WorkerError(error)


def _stop(owner, channels, processes):
    """End the workers: by asking, by signal, by force."""
    if os.getpid() != owner:                            # a forked child drops its copy of an iterator
        return
    for channel in channels:
        try:
            channel.send(("stop", None))
        except OSError:
            pass
        channel.close()
    for end in (lambda process: None, lambda process: process.terminate(), lambda process: process.kill()):
        deadline = time.monotonic() + GRACE
        for process in processes:
            if process.is_alive():
                end(process)
        for process in processes:
            process.join(max(0, deadline - time.monotonic()))


def _death(number, process):
    """What is known about the end of a worker."""
    process.join(GRACE)
    code = process.exitcode
    if code is None:
        how = "closed its channel"
    elif code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        how = "was killed by signal %d (%s)" % (-code, name)
        if name == "SIGKILL":
            how += "; did the machine run out of memory?"
    else:
        how = "ended with exit code %d" % code
    return "DataLoader worker %d (pid %d) %s" % (number, process.pid, how)


def _can_pin():
    """Whether there is a GPU driver, which page-locked memory comes from."""
    try:
        return LongTensor(1).pin_memory() is not None
    except AssertionError:
        return False


def pin_memory_batch(batch):
    """Return a batch with all its tensors in page-locked memory."""
    if isinstance(batch, TensorBase):
        return batch.pin_memory()
    if isinstance(batch, (str, bytes)):
        return batch
    if isinstance(batch, Mapping):
        return {key: pin_memory_batch(value) for key, value in batch.items()}
    if isinstance(batch, Sequence):
        return [pin_memory_batch(value) for value in batch]
    return batch
