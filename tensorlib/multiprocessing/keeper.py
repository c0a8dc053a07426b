"""The keeper of named shared memory: a process that counts the users of each file and removes it after the last one.

It outlives the processes it serves, so their files go also when they are killed. A message under way counts as a user.
Imported, this file talks to the keeper of the tree of processes; run as a program, it is the keeper. It knows only the
standard library.
"""
import errno
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections import Counter

USE, LEAVE, SEND, TAKE, DROP, PARENT = b"+", b"-", b"s", b"t", b"d", b"p"
ANSWER = b"."
PATIENCE = 10.0         # seconds that a new keeper waits for its first process
TRIES = 5
LONGEST = 4096          # bytes of a request

# ---- the side of the processes -------------------------------------------------------------------------

_socket = None
_uses = Counter()       # what this process uses: a keeper that takes a killed one's place is told
_lock = threading.Lock()


def _address():
    """Where the keeper of this tree of processes listens: they share a secret, fork or spawn."""
    import hashlib
    from multiprocessing import current_process
    digest = hashlib.sha256(b"tensorlib keeper" + bytes(current_process().authkey)).hexdigest()
    return "\0tensorlib_keeper_" + digest[:24]


def use(name):
    """Say that this process uses a file from now on; before it is made, so that it cannot be forgotten."""
    _request(USE, name)
    _uses[name] += 1


def send(name):
    """Say that a message with the file is under way."""
    _request(SEND, name)


def take(name):
    """Say that a message has arrived, and that this process uses the file from now on."""
    _request(TAKE, name)
    _uses[name] += 1


def drop(name):
    """Say that a message has arrived here, where the file is in use already."""
    _request(DROP, name)


def leave(name, pid):
    """Say that this process uses a file no more; nothing in a fork of the process that did."""
    sock = _socket
    if os.getpid() != pid or sock is None:
        return
    _uses[name] -= 1
    try:
        _exchange(sock, LEAVE + os.fsencode(name))
    except OSError:
        pass                                    # a new keeper will be told what is left


def _request(kind, name):
    global _socket
    for _ in range(TRIES):
        with _lock:
            if _socket is None:
                _socket = _connect()
            sock = _socket
        try:
            return _exchange(sock, kind + os.fsencode(name))
        except OSError:                         # it was killed
            with _lock:
                if _socket is sock:
                    _socket = None
    raise RuntimeError("the keeper of the shared memory cannot be reached")


def _exchange(sock, request):
    """Send a request and wait for an answer; that of another thread will do, as long as each gets one."""
    sock.send(request)
    if not sock.recv(1):
        raise ConnectionResetError(errno.ECONNRESET, "the keeper has ended")


def _connect():
    """Return a connection to the keeper, which is started if there is none."""
    from multiprocessing import parent_process
    parent = parent_process()
    address = _address()
    for _ in range(TRIES):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(address)
            _exchange(sock, PARENT + b"%d" % (parent.pid if parent is not None else 0))
            for name, count in _uses.items():
                for _ in range(count):
                    _exchange(sock, USE + os.fsencode(name))
            return sock
        except OSError:
            sock.close()
            _start(address)
    raise RuntimeError("the keeper of the shared memory cannot be started")


def _start(address):
    """Start a keeper and wait until it listens. It belongs to nobody: it must outlive this process."""
    from multiprocessing.spawn import get_executable
    command = [os.fsdecode(get_executable()), "-I", "-S", os.path.abspath(__file__), address[1:]]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   start_new_session=True, cwd="/", check=False)


def _forget():
    """A forked child is another process: it has no connection yet, and uses nothing."""
    global _socket, _lock
    if _socket is not None:
        _socket.close()
    _socket, _lock = None, threading.Lock()
    _uses.clear()


def leave_at_death(block, name):
    """Let a file be left when the object that maps it dies; at the end of the process the keeper sees to it."""
    weakref.finalize(block, leave, name, os.getpid()).atexit = False


# ---- the keeper ----------------------------------------------------------------------------------------


class Keeper:
    """Answers every request; ends when no process is left that could still ask."""

    def __init__(self, listener):
        self.listener = listener
        self.total = Counter()                  # users and messages under way, by file
        self.clients = {}                       # connection -> what its process uses
        self.parents = {}                       # pid -> descriptor that tells of its end
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self.accept)

    def run(self):
        """Serve until all clients, and the parents of them, have ended; then remove what is left."""
        waiting = True
        while waiting or self.clients or self.parents:
            events = self.selector.select(PATIENCE if waiting else None)
            waiting = False
            for key, _ in events:
                key.data(key.fileobj)
        self.listener.close()
        for name in self.total:
            remove(name)

    def accept(self, listener):
        sock, _ = listener.accept()
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.getuid():                  # a name of this kind has no permissions of its own
            sock.close()
            return
        self.clients[sock] = Counter()
        self.selector.register(sock, selectors.EVENT_READ, self.serve)

    def serve(self, sock):
        try:
            request = sock.recv(LONGEST)
            if request:
                self.handle(self.clients[sock], request[:1], request[1:])
                sock.send(ANSWER)
                return
        except (OSError, ValueError):           # it has ended, or is no process of ours
            pass
        self.selector.unregister(sock)
        sock.close()
        for name, count in self.clients.pop(sock).items():
            self.change(name, -count)

    def handle(self, uses, kind, name):
        if kind == PARENT:
            self.watch(int(name))
        if kind in (USE, TAKE):
            uses[name] += 1
        if kind == LEAVE:
            uses[name] -= 1
        self.change(name, {USE: 1, SEND: 1, LEAVE: -1, DROP: -1}.get(kind, 0))

    def change(self, name, difference):
        """Change the number of users of a file; remove it when none is left."""
        self.total[name] += difference
        if self.total[name] <= 0:
            del self.total[name]
            remove(name)

    def watch(self, pid):
        """Stay while this process lives: it may receive messages, though it never asked for anything yet."""
        if not pid or pid in self.parents:
            return
        try:
            self.parents[pid] = fd = os.pidfd_open(pid)
        except OSError:                         # it has ended
            return
        self.selector.register(fd, selectors.EVENT_READ, lambda _: self.forget(pid))

    def forget(self, pid):
        fd = self.parents.pop(pid)
        self.selector.unregister(fd)
        os.close(fd)


def remove(name):
    try:
        os.unlink(name)
    except OSError:
        pass


def main(address):
    """Listen, then go to the background; end at once if another keeper listens there."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind("\0" + address)
    except OSError:
        return
    listener.listen(128)
    if os.fork() == 0:
        Keeper(listener).run()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
else:
    os.register_at_fork(after_in_child=_forget)
