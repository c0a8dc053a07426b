"""Open files for other processes: a message carries a key, its receiver asks the sender for the file of that key.

A thread of the sender answers. A child process that ends waits a while for receivers who have not asked yet.
"""
import errno
import os
import socket
import sys
import tempfile
import threading
import time
from multiprocessing import parent_process
from multiprocessing.util import Finalize, register_after_fork

KEY = 16                # random bytes: who knows them was sent them
PATIENCE = 10.0         # seconds that a child waits for receivers, and either side for an answer

_server = None
_lock = threading.Lock()


class Server:
    """The files that were offered and not yet fetched, and the thread that hands them out."""

    def __init__(self):
        self.offered = {}
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        name = "tensorlib_%d_%s" % (os.getpid(), os.urandom(8).hex())
        self.address = "\0" + name if sys.platform == "linux" else os.path.join(tempfile.gettempdir(), name)
        self.listener.bind(self.address)
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def offer(self, block):
        key = os.urandom(KEY)
        with self.changed:
            self.offered[key] = block
        return key

    def serve(self):
        while True:
            caller, _ = self.listener.accept()
            with caller:
                try:
                    caller.settimeout(PATIENCE)
                    self.answer(caller, caller.recv(KEY))
                except OSError:
                    continue                    # the caller has ended

    def answer(self, caller, key):
        with self.changed:
            block = self.offered.get(key)
            if block is None:
                return
            socket.send_fds(caller, [b"f"], [block.fd])
            del self.offered[key]
            self.changed.notify_all()

    def wait(self):
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while self.offered and time.monotonic() < deadline and parent_process().is_alive():
                self.changed.wait(0.1)


def offer(block):
    """Offer the open file `fd` of a block once, which lives so long; returns what its receiver must know."""
    global _server
    with _lock:
        if _server is None:
            _server = Server()
    return _server.address, _server.offer(block)


def fetch(address, key):
    """Return the open file that was offered, as a new descriptor.

    Raises:
        RuntimeError: the process that offered it has ended, or the file was fetched before.
        OSError: this process has too many open files.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.settimeout(PATIENCE)
            sock.connect(address)
            sock.sendall(key)
            answer, fds, _, _ = socket.recv_fds(sock, 1, 1)
        except OSError as error:
            raise RuntimeError("the shared memory of a message is gone: its sender has ended") from error
    if not answer:
        raise RuntimeError("the shared memory of a message is gone: it was received before")
    if not fds:
        raise OSError(errno.EMFILE, "the shared memory of a message cannot be opened: too many open files")
    return fds[0]


def _forget():
    """A forked child has neither the thread nor the duty to answer."""
    global _server, _lock
    if _server is not None:
        _server.listener.close()
    _server, _lock = None, threading.Lock()


def _at_the_end(_=None):
    """Let this process, if it is a child, wait at its end, after the threads that feed its queues."""
    Finalize(None, lambda: _server and parent_process() and _server.wait(), exitpriority=-20)


os.register_at_fork(after_in_child=_forget)
register_after_fork(_at_the_end, _at_the_end)
_at_the_end()
