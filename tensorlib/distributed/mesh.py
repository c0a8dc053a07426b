"""Connections between all processes of a job, and the moving of bytes through them without a copy.

Every pair has two: one for the calls in which a whole group takes part, which keep step, and one for letters from one
process to another. A message is a header, which says what its sender is doing, and bytes. It knows no tensors.
"""
import collections
import contextlib
import errno
import select
import socket
import struct
import time

from .lanes import Lane

# What a header says; the receiver says what it expects with the same words, and both must agree.
Label = collections.namedtuple("Label", "call op dtype root group numel")
HEADER = struct.Struct("<BBBBiIQQ")         # kind, the label, bytes that follow
DATA, GIVE_UP = 1, 2
CALLS = ("send", "broadcast", "all_reduce", "reduce", "all_gather", "gather", "scatter", "barrier")
LONGEST_REASON = 1000
ATTENTION = 1           # seconds of silence after which a process looks whether another one has given up
LONGEST_WAIT = 1e6      # seconds: poll() counts milliseconds in an int
CLOSED = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.EBADF, errno.ETIMEDOUT)


class Outgoing:
    """A message on its way out."""

    def __init__(self, peer, label, data):
        self.peer = peer
        self.parts = [memoryview(HEADER.pack(DATA, *label, len(data)))] + ([data] if len(data) else [])
        self.begun = False

    @property
    def midway(self):
        return self.begun and bool(self.parts)

    def advance(self, sock):
        """Send what goes without waiting; returns whether all has gone."""
        while self.parts:
            sent = sock.sendmsg(self.parts)
            self.begun = True
            while self.parts and sent >= len(self.parts[0]):
                sent -= len(self.parts.pop(0))
            if sent:
                self.parts[0] = self.parts[0][sent:]
        return True


class Incoming:
    """A message on its way in: `check(rank, header fields, data)` is called before its bytes are put anywhere, and
    tells where; `progress(number of bytes so far)`, if given, whenever some have come."""

    def __init__(self, peer, data, check, progress=None):
        self.peer, self.data, self.check, self.progress = peer, data, check, progress
        self.header = bytearray(HEADER.size)
        self.rest = memoryview(self.header)
        self.in_header = True
        self.begun = False

    @property
    def midway(self):
        return self.begun and (self.in_header or len(self.rest) > 0)

    def advance(self, sock):
        """Receive what is there without waiting; returns whether all has come."""
        while True:
            if not len(self.rest):
                if not self.in_header:
                    return True
                self.in_header = False
                self.rest = self.check(self.peer, HEADER.unpack(self.header), self.data)
                continue
            got = sock.recv_into(self.rest)
            if not got:
                raise ConnectionResetError(errno.ECONNRESET, "end of file")
            self.begun = True
            self.rest = self.rest[got:]
            if self.progress is not None and not self.in_header:
                self.progress(len(self.data) - len(self.rest))


class Mesh:
    """The connections of one process to all others.

    Args:
        rank: number of this process.
        links, mail: sockets by rank, for group calls and for letters.
        timeout: seconds that a call waits while nothing moves.
        describe: makes text of a Label.
    """

    def __init__(self, rank, links, mail, timeout, describe):
        self.rank, self.links, self.mail, self.timeout, self.describe = rank, links, mail, timeout, describe
        self.broken = None          # why group calls cannot go on
        self.midway = set()         # ranks to which a message of the failed call has gone in part
        self.order = Lane()         # of group calls
        self.outbox = {peer: Lane() for peer in mail}
        self.inbox = {peer: Lane() for peer in mail}
        for sock in [*links.values(), *mail.values()]:
            sock.setblocking(False)

    # ---- group calls ----

    def group_call(self, job):
        """Return job(), after earlier group calls. If it fails, all processes hear why, and no group call works again:
        nobody can know how far the others were."""
        def work():
            if self.broken:
                raise RuntimeError("group calls do not work any more, since one failed: " + self.broken)
            try:
                return job()
            except BaseException as error:
                self.give_up(str(error) or type(error).__name__)
                raise
        return work

    def move(self, label, sends, receives):
        """Send and receive messages of a group call, all at once.

        Args:
            label: what this process is doing.
            sends: (rank, bytes) pairs; at most one for a rank, as for the following.
            receives: (rank, writable bytes) pairs, or triples with a function that is told how many bytes have come.
        """
        self._transfer(self.links, CALLS[label.call], [Outgoing(peer, label, data) for peer, data in sends],
                       [Incoming(peer, data, self._checker(label), *progress) for peer, data, *progress in receives])

    def _checker(self, label):
        def check(peer, fields, data):
            kind, theirs, nbytes = fields[0], Label(*fields[1:-1]), fields[-1]
            if kind == GIVE_UP:
                raise RuntimeError(self._read_reason(peer, nbytes))
            if theirs != label or nbytes != len(data):
                raise RuntimeError("%s: rank %d came with %s, but rank %d with %s" % (
                    CALLS[label.call], self.rank, self.describe(label), peer, self.describe(theirs)))
            return data
        return check

    def _read_reason(self, peer, nbytes):
        reason = bytearray()
        deadline = time.monotonic() + 5
        while len(reason) < nbytes and time.monotonic() < deadline:
            try:
                piece = self.links[peer].recv(nbytes - len(reason))
            except BlockingIOError:
                time.sleep(0.001)
                continue
            if not piece:
                break
            reason += piece
        return reason.decode("utf-8", "replace") or "rank %d gave up" % peer

    def give_up(self, reason):
        """Tell all others why group calls end here."""
        self.broken = reason
        text = reason.encode()[:LONGEST_REASON]
        for peer, sock in self.links.items():
            with contextlib.suppress(OSError):      # that one has gone, too
                if peer not in self.midway:
                    sock.send(HEADER.pack(GIVE_UP, *Label(0, 0, 0, 0, 0, 0), len(text)) + text)
                sock.shutdown(socket.SHUT_WR)

    # ---- letters ----

    def send(self, label, peer, data):
        """Send a letter; after those begun earlier for the same process."""
        self._transfer(self.mail, "send", [Outgoing(peer, label, data)], [])

    def receive(self, label, peer, data):
        """Receive a letter. One of another size or type is taken and thrown away.

        Raises:
            RuntimeError: that was so.
        """
        wrong = []

        def check(peer, fields, data):
            theirs, nbytes = Label(*fields[1:-1]), fields[-1]
            if theirs == label and nbytes == len(data):
                return data
            wrong.append(theirs)
            return memoryview(bytearray(nbytes))

        self._transfer(self.mail, "recv", [], [Incoming(peer, data, check)])
        if wrong:
            raise RuntimeError("recv: rank %d sent %s, but rank %d expected %s"
                               % (peer, self.describe(wrong[0]), self.rank, self.describe(label)))

    def receive_from_any(self, label, data):
        """Receive the next letter of anyone; returns the rank of its sender."""
        gone, deadline = set(), time.monotonic() + self.timeout
        while len(gone) < len(self.mail):
            candidates = {self.mail[peer].fileno(): peer for peer in self.mail
                          if peer not in gone and self.inbox[peer].idle}
            all_idle = len(candidates) + len(gone) == len(self.mail)
            for fd, _ in _poll(dict.fromkeys(candidates, select.POLLIN),
                               deadline - time.monotonic() if all_idle else 0.05):
                peer = candidates[fd]
                if not self._has_letter(peer):
                    gone.add(peer)
                    continue
                done, _ = self.inbox[peer].run_if_idle(lambda peer=peer: self.receive(label, peer, data))
                if done:
                    return peer
            if time.monotonic() > deadline:
                raise RuntimeError("recv: nothing came from any process for %g seconds" % self.timeout)
        raise RuntimeError("recv: all other processes have ended, and nothing more can come")

    def _has_letter(self, peer):
        """False where the other side is closed and all that it sent was read."""
        try:
            return bool(self.mail[peer].recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    # ---- both ----

    def _transfer(self, socks, name, outgoing, incoming):
        """Move all messages as the sockets allow."""
        pending = {}                # fd -> event to wait for -> message
        try:
            for event, messages in (select.POLLOUT, outgoing), (select.POLLIN, incoming):
                for message in messages:
                    if not self._advance(socks, name, message):
                        pending.setdefault(socks[message.peer].fileno(), {})[event] = message
            deadline = time.monotonic() + self.timeout
            while pending:
                wanted = {fd: sum(messages) for fd, messages in pending.items()}
                found = _poll(wanted, min(ATTENTION, deadline - time.monotonic()))
                for fd, events in found:
                    self._proceed(socks, name, pending, fd, events)
                if found:
                    deadline = time.monotonic() + self.timeout
                else:
                    self._still_hoping(socks, name, pending, deadline)
        except BaseException:
            self._leave_off(socks, outgoing, incoming)
            raise

    def _leave_off(self, socks, outgoing, incoming):
        """Nothing can follow a message that was left in the middle."""
        if socks is self.links:
            self.midway = {message.peer for message in outgoing if message.midway}
            return
        for messages, direction in (outgoing, socket.SHUT_WR), (incoming, socket.SHUT_RD):
            for message in messages:
                if message.midway:
                    with contextlib.suppress(OSError):
                        socks[message.peer].shutdown(direction)

    def _still_hoping(self, socks, name, pending, deadline):
        """Raise if there is no use in waiting any longer: someone has given up, or the time is over."""
        waiting = {message.peer for messages in pending.values() for message in messages.values()}
        expected = {m.peer for messages in pending.values() for m in messages.values() if isinstance(m, Incoming)}
        if socks is self.links:
            for peer in self.links:
                reason = None if peer in expected else self._last_words(peer)
                if reason:
                    raise RuntimeError(reason)
        if time.monotonic() > deadline:
            raise RuntimeError("%s: nothing moved between rank %d and rank %s for %g seconds"
                               % (name, self.rank, ", ".join(map(str, sorted(waiting))), self.timeout))

    def _last_words(self, peer):
        """Why a process gave up, if that is what comes next from it; else None."""
        with contextlib.suppress(OSError):
            header = self.links[peer].recv(HEADER.size, socket.MSG_PEEK)
            if len(header) == HEADER.size and header[0] == GIVE_UP:
                self.links[peer].recv(HEADER.size)
                return self._read_reason(peer, HEADER.unpack(header)[-1])
        return None

    def _proceed(self, socks, name, pending, fd, events):
        # An error or a hangup concerns whichever message waits there: it will meet it.
        hurt = events & ~(select.POLLIN | select.POLLOUT)
        for event, message in list(pending[fd].items()):
            if (events & event or hurt) and self._advance(socks, name, message):
                del pending[fd][event]
        if not pending[fd]:
            del pending[fd]

    def _advance(self, socks, name, message):
        try:
            return message.advance(socks[message.peer])
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno not in CLOSED:
                raise
            raise RuntimeError(self._lost(socks, name, message)) from None

    def _lost(self, socks, name, message):
        """Why a connection is closed: the other side may have said so before it went."""
        reason = self._last_words(message.peer) if socks is self.links and isinstance(message, Outgoing) else None
        return reason or "%s: the process of rank %d has ended, or the connection was closed" % (name, message.peer)

    def close(self, seconds=5):
        """Close all connections, after letters under way have gone or a few seconds have passed."""
        end = time.monotonic() + seconds
        for lane in self.outbox.values():
            lane.join(end)
        for sock in [*self.links.values(), *self.mail.values()]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)     # wakes the threads that wait for it
        for lane in [self.order, *self.inbox.values(), *self.outbox.values()]:
            lane.join(end + seconds)
        self.forget()

    def forget(self):
        """Close this process's ends only: after a fork the parent goes on with the connections."""
        for sock in [*self.links.values(), *self.mail.values()]:
            sock.close()


def _poll(events, seconds):
    """(fd, events) pairs of those fds on which something can be done, waiting up to a time."""
    poll = select.poll()
    for fd, wanted in events.items():
        poll.register(fd, wanted)
    return poll.poll(min(max(0, seconds), LONGEST_WAIT) * 1000)
