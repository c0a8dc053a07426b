"""How the processes of a job find each other: one of them is the host, the others come to it, and all get a table of
ranks and addresses; then every pair connects. Which one is the host, and where, is told in `methods.py`.
"""
import errno
import json
import secrets
import select
import socket
import struct
import time

MAGIC = "tensorlib.distributed"
LENGTH = struct.Struct("<I")
LONGEST = 1 << 24
GREETING = struct.Struct("<16sIB")          # token of the job, rank of the caller, which of the two connections
PATIENCE = 5            # seconds in which one who connects must say who it is
BACKLOG = 4096


class NobodyAnswers(RuntimeError):
    """No connection was accepted at an address in time."""


class Newcomer:
    """What a process knows of itself and of the job before the meeting.

    Args:
        world_size: number of processes; the host must know it.
        rank: number of this process, None if any will do.
        group_name: tells jobs apart that meet at one place.
        timeout: seconds that the meeting may take.
    """

    def __init__(self, world_size, rank, group_name, timeout):
        self.world_size, self.rank, self.group_name = world_size, rank, group_name
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout

    @property
    def time_left(self):
        return max(0.0, self.deadline - time.monotonic())

    def need_world_size(self, why):
        if self.world_size is None:
            raise ValueError("world_size must be given %s" % why)


class Job:
    """What a meeting results in: this process's rank, the token, and where each rank listens (None: not needed)."""

    def __init__(self, rank, token, addresses):
        self.rank, self.token, self.addresses = rank, token, addresses

    @property
    def world_size(self):
        return len(self.addresses)


# ---- sockets ------------------------------------------------------------------------------------------


def listen(port=0, local=False):
    """A listening socket, on all addresses of the machine, or on its loopback address only."""
    if local:
        return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:     # not a matter of the address family
                raise
    return socket.create_server(("", port), backlog=BACKLOG)


def is_local(host):
    """Whether a host is named by an address of the old kind (or a name for one) that only its own machine can reach."""
    return host == "localhost" or plain(host).startswith("127.")


def is_loopback(host):
    return host == "::1" or is_local(host)


def plain(host):
    """An address of the old kind that is written as one of the new."""
    return host[7:] if host.startswith("::ffff:") else host


def send_message(sock, value):
    data = json.dumps(value).encode()
    sock.sendall(LENGTH.pack(len(data)) + data)


def receive_message(sock):
    """The next message.

    Raises:
        EOFError: the other side has closed. ValueError: that is no message. OSError: nothing came in time.
    """
    length, = LENGTH.unpack(receive_exactly(sock, LENGTH.size))
    if length > LONGEST:
        raise ValueError("no message of tensorlib: %d bytes are announced" % length)
    return json.loads(receive_exactly(sock, length))


def receive_exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError("the connection was closed")
        data += piece
    return bytes(data)


# ---- the host -----------------------------------------------------------------------------------------


def host(me, listener, own_port, word=""):
    """Wait for all processes of the job, number them, tell them.

    Args:
        me: a Newcomer. listener: the socket to which the others come. own_port: where this process listens afterwards.
        word: what those who come must know.

    Raises:
        RuntimeError: not all came in time, or one that had come has gone. ValueError: they contradict each other.
    """
    me.need_world_size("to the process that the others connect to")
    guests = []             # (socket, hello, address)
    try:
        while len(guests) < me.world_size - 1:
            _wait_for_guest(me, listener, guests)
            guest = _welcome(me, listener, word)
            if guest is not None:
                guests.append(guest)
        return _tell(me, guests, own_port)
    except BaseException as error:
        for sock, _, _ in guests:
            _try_to_send(sock, {"error": str(error) or type(error).__name__})
        raise
    finally:
        for sock, _, _ in guests:
            sock.close()


def _wait_for_guest(me, listener, guests):
    ready = select.select([listener] + [sock for sock, _, _ in guests], [], [], me.time_left)[0]
    gone = [hello for sock, hello, _ in guests if sock in ready]
    if gone:
        raise RuntimeError("init_process_group: a process (rank %s) that had come has ended before all were there"
                           % _rank_text(gone[0]["rank"]))
    if not ready:
        raise RuntimeError("init_process_group: only %d of %d processes came within %g seconds"
                           % (len(guests) + 1, me.world_size, me.timeout))


def _rank_text(rank):
    return "not chosen yet" if rank is None else str(rank)


def _welcome(me, listener, word):
    """The next guest, or None where a stranger or one of another job came."""
    sock, address = listener.accept()
    try:
        sock.settimeout(PATIENCE)
        hello = receive_message(sock)
        if not isinstance(hello, dict) or hello.get("magic") != MAGIC or hello.get("word") != word:
            raise ValueError("a stranger")
        if hello["group_name"] != me.group_name:
            _try_to_send(sock, {"error": "init_process_group: here the group %r meets, not %r"
                                % (me.group_name, hello["group_name"])})
            raise ValueError("of another group")
    except (OSError, EOFError, ValueError, KeyError):
        sock.close()
        return None
    return sock, hello, plain(address[0])


def _try_to_send(sock, value):
    try:
        send_message(sock, value)
    except OSError:
        pass


def _tell(me, guests, own_port):
    sizes = {hello["world_size"] for _, hello, _ in guests} - {None, me.world_size}
    if sizes:
        raise ValueError("init_process_group: world_size is %d in one process and %d in another"
                         % (me.world_size, sizes.pop()))
    ranks = numbered([me.rank] + [hello["rank"] for _, hello, _ in guests], me.world_size)
    token = secrets.token_hex(16)
    table = [None] * me.world_size
    for rank, port, address in zip(ranks, [own_port] + [hello["port"] for _, hello, _ in guests],
                                   [None] + [address for _, _, address in guests]):
        # None is "where you found the host": it is on the host's machine, under whichever name you know that by.
        table[rank] = [None if address is None or is_loopback(address) else address, port]
    for (sock, _, _), rank in zip(guests, ranks[1:]):
        try:
            send_message(sock, {"rank": rank, "token": token, "table": table})
        except OSError:
            raise RuntimeError("init_process_group: the process of rank %d has ended" % rank) from None
    return Job(ranks[0], token, [(address or "127.0.0.1", port) for address, port in table])


def numbered(wishes, world_size):
    """Ranks for wishes (numbers, or None for any): free ones in order.

    Raises:
        ValueError: a rank is wanted twice or does not exist.
    """
    taken = [rank for rank in wishes if rank is not None]
    for rank in taken:
        if not 0 <= rank < world_size:
            raise ValueError("init_process_group: rank %d is not in 0 .. %d" % (rank, world_size - 1))
        if taken.count(rank) > 1:
            raise ValueError("init_process_group: rank %d is wanted by %d processes" % (rank, taken.count(rank)))
    free = iter(sorted(set(range(world_size)) - set(taken)))
    return [next(free) if rank is None else rank for rank in wishes]


# ---- the others ---------------------------------------------------------------------------------------


def join(me, sock, own_port, word=""):
    """Come to the host through a connection to it; returns a Job when all are there.

    Raises:
        RuntimeError: the host says what is wrong, or does not answer in time.
        ConnectionError: whoever answers there is no host, or it has gone.
    """
    send_message(sock, {"magic": MAGIC, "word": word, "group_name": me.group_name, "world_size": me.world_size,
                        "rank": me.rank, "port": own_port})
    found_at = plain(sock.getpeername()[0])
    # The host gives up by itself, and says why; a little later we would not hear it.
    sock.settimeout(me.time_left + PATIENCE)
    try:
        answer = receive_message(sock)
    except TimeoutError:
        raise RuntimeError("init_process_group: no answer from %s within %g seconds" % (found_at, me.timeout)) from None
    except (OSError, EOFError, ValueError) as error:
        raise ConnectionError("the process that listens at %s is not, or no longer, a host (%s)"
                              % (found_at, error)) from None
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return Job(answer["rank"], answer["token"], [(address or found_at, port) for address, port in answer["table"]])


def connect(address, me, seconds=None):
    """A connection to an address, which is tried again until there is one.

    Raises:
        NobodyAnswers: there was none in time.
    """
    deadline = me.deadline if seconds is None else min(me.deadline, time.monotonic() + seconds)
    pause, problem = 0.01, None
    while True:
        try:
            sock = socket.create_connection(address, timeout=max(0.1, deadline - time.monotonic()))
            if sock.getsockname() != sock.getpeername():
                return sock
            sock.close()        # nobody listened, and the system had chosen the same port for our side
        except OSError as error:
            problem = error
        if time.monotonic() + pause > deadline:
            raise NobodyAnswers("init_process_group: nobody answers at %s port %d within %g seconds (%s)"
                                % (*address, me.timeout, problem)) from problem
        time.sleep(pause)
        pause = min(2 * pause, 0.2)


# ---- all pairs ----------------------------------------------------------------------------------------


def connect_all(job, listener, me):
    """Connect every pair of processes, twice; returns two dicts of sockets by rank."""
    pairs = {}, {}
    token = bytes.fromhex(job.token)
    try:
        for rank in range(job.rank):
            for which, socks in enumerate(pairs):
                sock = socks[rank] = connect(tuple(job.addresses[rank]), me)
                sock.sendall(GREETING.pack(token, job.rank, which))
        while any(len(socks) < job.world_size - 1 for socks in pairs):
            _accept(job, listener, me, token, pairs)
        for socks in pairs:
            for sock in socks.values():
                _tune(sock)
        return pairs
    except BaseException:
        for socks in pairs:
            for sock in socks.values():
                sock.close()
        raise


def _accept(job, listener, me, token, pairs):
    listener.settimeout(me.time_left + PATIENCE)
    try:
        sock, _ = listener.accept()
    except TimeoutError:
        missing = sorted(set(range(job.rank + 1, job.world_size)) - set(pairs[0]))
        raise RuntimeError("init_process_group: ranks %s did not connect to rank %d within %g seconds"
                           % (", ".join(map(str, missing)), job.rank, me.timeout)) from None
    try:
        sock.settimeout(PATIENCE)
        theirs, rank, which = GREETING.unpack(receive_exactly(sock, GREETING.size))
        if theirs != token or which > 1 or not job.rank < rank < job.world_size or rank in pairs[which]:
            raise ValueError("a stranger")
    except (OSError, EOFError, ValueError):
        sock.close()
        return
    pairs[which][rank] = sock


def _tune(sock):
    """No waiting for more before a small message goes; notice within minutes that a machine has lost its power."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in ("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
