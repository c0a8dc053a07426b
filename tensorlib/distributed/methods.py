"""The init methods: from environment variables, an address, a multicast address or a file to a host of the meeting."""
import contextlib
import errno
import fcntl
import ipaddress
import json
import os
import secrets
import select
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

from . import meeting

LOCKS = 1 << 40             # a host's lock in a file stands this far behind, plus its number
INTERVAL = 0.1              # seconds between two announcements


def meet(init_method, me):
    """Find the other processes as the init method says, and connect to all.

    Args:
        init_method: env://, tcp://host:port or file://path. me: a Newcomer.

    Returns:
        a Job, and two dicts of sockets by rank.
    """
    parts = urlsplit(init_method)
    if parts.scheme == "env":
        address = from_environment(me)
    elif parts.scheme == "tcp":
        address = address_of(init_method, parts)
    elif parts.scheme == "file":
        return finish(me, by_file, init_method[len("file://"):])
    else:
        raise ValueError("init_method %r is none of env://, tcp://host:port, file://path" % init_method)
    if is_multicast(address[0]):
        return finish(me, by_multicast, address)
    return finish(me, by_address, address, meeting.is_local(address[0]))


def finish(me, method, place, local=False):
    """Meet, then connect all pairs."""
    with meeting.listen(0, local) as own:
        job = method(place, me, own.getsockname()[1])
        me.deadline = max(me.deadline, time.monotonic() + meeting.PATIENCE)     # all are there: little is left to do
        return (job,) + meeting.connect_all(job, own, me)


# ---- env:// and tcp:// --------------------------------------------------------------------------------


def from_environment(me):
    """The address in MASTER_ADDR and MASTER_PORT; RANK and WORLD_SIZE complete what the Newcomer was not given."""
    for name, attribute in ("RANK", "rank"), ("WORLD_SIZE", "world_size"):
        text, given = os.environ.get(name), getattr(me, attribute)
        if text is None and given is None:
            raise ValueError("init_method env:// needs the environment variable %s, or %s=..." % (name, attribute))
        if text is not None:
            value = whole_number(text, "the environment variable " + name)
            if given not in (None, value):
                raise ValueError("%s=%d was given, but the environment variable %s is %d"
                                 % (attribute, given, name, value))
            setattr(me, attribute, value)
    if "MASTER_PORT" not in os.environ:
        raise ValueError("init_method env:// needs the environment variable MASTER_PORT")
    if "MASTER_ADDR" not in os.environ and me.rank != 0:
        raise ValueError("init_method env:// needs the environment variable MASTER_ADDR: where rank 0 runs")
    return (os.environ.get("MASTER_ADDR", ""), port_number(os.environ["MASTER_PORT"], "MASTER_PORT"))


def whole_number(text, what):
    try:
        return int(text)
    except ValueError:
        raise ValueError("%s is %r, expected a whole number" % (what, text)) from None


def port_number(text, what):
    port = whole_number(text, what)
    if not 0 < port < 65536:
        raise ValueError("%s is %d, expected a port, 1 to 65535" % (what, port))
    return port


def address_of(init_method, parts):
    """(host, port) in tcp://host:port."""
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise ValueError("init_method %r should be tcp://host:port, with a port of 1 to 65535" % init_method)
    return host, port


def is_multicast(host):
    try:
        return ipaddress.ip_address(host).is_multicast
    except ValueError:
        return False


def by_address(address, me, own_port):
    """The host is rank 0, or, where no rank is given, the first one on that machine."""
    listener = None
    if me.rank == 0 or me.rank is None and is_here(address[0]):
        try:
            listener = meeting.listen(address[1], meeting.is_local(address[0]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    if listener is not None:
        with listener:
            return meeting.host(me, listener, own_port)
    while True:
        try:
            with meeting.connect((address[0] or "127.0.0.1", address[1]), me) as sock:
                return meeting.join(me, sock, own_port)
        except ConnectionError as error:
            if me.rank == 0 or not me.time_left:    # someone else has the port, and it is not one of us
                raise RuntimeError("init_process_group: %s port %d: %s" % (*address, error)) from error
            time.sleep(INTERVAL)


def is_here(host):
    """Whether an address is one of this machine's: only those can be bound."""
    with contextlib.suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as sock, contextlib.suppress(OSError):
                sock.bind(address)
                return True
    return False


# ---- tcp:// with a multicast address ------------------------------------------------------------------


def by_multicast(address, me, own_port):
    """All announce themselves until each has heard of all; the one with the lowest number is the host."""
    me.need_world_size("with a multicast address")
    if ":" in address[0]:
        raise ValueError("tcp://[%s]: multicast is there for IPv4 only, expected an address 224.0.0.0 to "
                         "239.255.255.255" % address[0])
    number = secrets.token_hex(8)
    with meeting.listen() as listener, joined(address) as sock, contextlib.ExitStack() as stack:
        card = json.dumps({"magic": meeting.MAGIC, "group_name": me.group_name, "number": number,
                           "port": listener.getsockname()[1]}).encode()
        # Who has heard of all must go on telling: others may not have heard of it.
        stack.enter_context(announcing(sock, address, card))
        heard = listen_to_all(sock, me, number)
        first = min(heard)
        if first == number:
            return meeting.host(me, listener, own_port, first)
        with meeting.connect(heard[first], me) as connection:
            return meeting.join(me, connection, own_port, first)


def joined(address):
    """A datagram socket that hears what is sent to a multicast address, and sends there."""
    for interface in ("0.0.0.0", "127.0.0.1"):      # the default one; without a network at least this machine
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                            struct.pack("4s4s", socket.inet_aton(address[0]), socket.inet_aton(interface)))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            sock.sendto(b"", address)
            return sock
        except OSError as error:
            sock.close()
            problem = error
    raise RuntimeError("init_process_group: the multicast address %s cannot be used here: %s; use tcp://host:port or "
                       "file://path" % (address[0], problem)) from problem


@contextlib.contextmanager
def announcing(sock, address, card):
    """Send a card again and again meanwhile."""
    stop = threading.Event()

    def work():
        while True:
            with contextlib.suppress(OSError):      # a full queue: the next one will go
                sock.sendto(card, address)
            if stop.wait(INTERVAL):
                return

    thread = threading.Thread(target=work, name="tensorlib.distributed", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def listen_to_all(sock, me, number):
    """Addresses of the listeners of all processes of the job, by number; of this one it is not needed."""
    heard = {number: None}
    while len(heard) < me.world_size:
        if not select.select([sock], [], [], me.time_left)[0] or not me.time_left:
            raise RuntimeError("init_process_group: only %d of %d processes announced themselves within %g seconds"
                               % (len(heard), me.world_size, me.timeout))
        data, source = sock.recvfrom(65536)
        try:
            card = json.loads(data)
            if card["magic"] == meeting.MAGIC and card["group_name"] == me.group_name:
                heard[card["number"]] = source[0], card["port"]
        except (ValueError, KeyError, TypeError):
            pass                    # not ours
    return heard


# ---- file:// ------------------------------------------------------------------------------------------


def by_file(path, me, own_port):
    """The host is the first one that finds no other in the file; it writes there how it can be reached.

    An entry counts as long as its process holds a lock, so that what a killed one left does no harm.
    """
    if not path:
        raise ValueError("init_method file:// should be file://path, with the path of a file that all processes see")
    me.need_world_size("with file://")
    while True:
        with open(path, "a+") as file:
            with locked(file):
                entry = living_entry(file, me.group_name)
                if entry is None:
                    return host_of_file(file, me, own_port)
        job = join_entry(entry, me, own_port)
        if job is not None:
            return job
        if not me.time_left:
            raise RuntimeError("init_process_group: the host of the group %r in %s could not be reached within %g "
                               "seconds" % (me.group_name, path, me.timeout))
        time.sleep(INTERVAL)


@contextlib.contextmanager
def locked(file, place=0):
    """Hold the lock of a place in a file: by another process at most one can."""
    fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def is_alive(file, entry):
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, LOCKS + entry["number"])
    except OSError:
        return True
    fcntl.lockf(file, fcntl.LOCK_UN, 1, LOCKS + entry["number"])
    return False


def entries(file):
    file.seek(0)
    found = []
    for line in file:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if entry["magic"] == meeting.MAGIC:
                found.append(entry)
    return found


def living_entry(file, group_name):
    return next((entry for entry in entries(file) if entry["group_name"] == group_name and is_alive(file, entry)), None)


def rewrite(file, add=None, drop=None):
    """Replace the entries of a file by those of the living, and one more or less."""
    kept = [entry for entry in entries(file) if entry["number"] != drop and is_alive(file, entry)]
    file.truncate(0)
    for entry in kept + ([add] if add else []):
        file.write(json.dumps(entry) + "\n")
    file.flush()
    os.fsync(file.fileno())


def host_of_file(file, me, own_port):
    """Write an entry, open the file to the others, and be the host; called with the file locked."""
    number = secrets.randbits(32)
    with meeting.listen() as listener, locked(file, LOCKS + number):
        rewrite(file, add={"magic": meeting.MAGIC, "group_name": me.group_name, "number": number,
                           "hosts": own_addresses(), "port": listener.getsockname()[1]})
        fcntl.lockf(file, fcntl.LOCK_UN, 1, 0)
        try:
            return meeting.host(me, listener, own_port, str(number))
        finally:
            with locked(file):
                rewrite(file, drop=number)


def own_addresses():
    """Under which addresses others may reach this machine, the likeliest first."""
    found = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))          # sends nothing, but chooses the way out
        found.append(sock.getsockname()[0])
    with contextlib.suppress(OSError):
        found += [address[0] for *_, address in socket.getaddrinfo(socket.gethostname(), None,
                                                                   type=socket.SOCK_STREAM)]
    return list(dict.fromkeys(a for a in found if not meeting.is_loopback(a))) + ["127.0.0.1"]


def join_entry(entry, me, own_port):
    """A Job from the host of an entry, or None if it cannot be reached: it may have ended meanwhile."""
    for host in entry["hosts"]:
        try:
            with meeting.connect((host, entry["port"]), me, seconds=1) as sock:
                return meeting.join(me, sock, own_port, str(entry["number"]))
        except (ConnectionError, meeting.NobodyAnswers):
            continue
    return None
