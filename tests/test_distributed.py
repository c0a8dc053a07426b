"""`tensorlib.distributed` between real processes on this machine; what each does is in `distributed_cases.py`."""
import os
import signal
import socket
import time

import pytest

from processes import Source, free_port

MULTICAST = "239.83.77.19"


@pytest.fixture(scope="module")
def source():
    with Source() as source:
        yield source


def test_letters(source):
    source.run("letters", 3)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_collectives(source, world_size):
    source.run("collectives", world_size, kinds=["Float", "Byte"] if world_size != 2 else dist_types())


def dist_types():
    return "Byte Char Short Int Long Half Float Double".split()


def test_results_are_identical_everywhere(source):
    source.run("identical", 3)


# ---- meeting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_rank", [True, False])
@pytest.mark.parametrize("kind", ["tcp", "file", "multicast"])
def test_init_methods(source, kind, with_rank, tmp_path):
    method = {"tcp": "tcp://127.0.0.1:%d" % free_port(), "file": "file://%s" % (tmp_path / "meeting"),
              "multicast": "tcp://%s:%d" % (MULTICAST, free_port())}[kind]
    ranks = source.run("meet", 3, method=method, with_rank=with_rank, times=2 if kind == "file" else 1)
    assert sorted(ranks) == ["0\n", "1\n", "2\n"]


def test_variables_and_arguments(source):
    source.run("arguments_win")


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"] + ["[::1]"] * has_ipv6())
def test_names_and_other_addresses(source, host):
    source.run("meet", 2, method="tcp://%s:%d" % (host, free_port()), with_rank=False)


@pytest.mark.parametrize("kind", ["file", "multicast"])
def test_groups_of_two_names_meet_at_one_place(source, kind, tmp_path):
    method = {"file": "file://%s" % (tmp_path / "meeting"), "multicast": "tcp://%s:%d" % (MULTICAST, free_port())}[kind]
    jobs = [source.start("meet", 0, 2, 1, method=method, with_rank=False, group_name=name) for name in "abab"]
    results = source.finish(jobs)
    assert [status for status, _, _ in results] == [0] * 4, results
    for name in (0, 1):
        assert {results[name][1], results[name + 2][1]} == {"0\n", "1\n"}


def test_what_a_killed_process_left_in_a_file_does_no_harm(source, tmp_path):
    path = tmp_path / "meeting"
    lost = source.start("meet", 0, 2, 1, method="file://%s" % path)
    while not path.exists() or not path.read_text():
        time.sleep(0.02)
    os.kill(lost[0], signal.SIGKILL)
    source.finish([lost])
    assert "tensorlib" in path.read_text()
    source.run("meet", 2, method="file://%s" % path)
    assert path.read_text() == ""


def test_strangers_at_the_door_are_ignored(source):
    port = free_port()
    host = source.start("letters", 0, 2, port)
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.02)
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    other = source.start("letters", 1, 2, port)
    results = source.finish([host, other])
    sock.close()
    assert [status for status, _, _ in results] == [0, 0], results


@pytest.mark.parametrize("error, method, message, options", [
    ("RuntimeError", "tcp://127.0.0.1:{port}", "only 1 of 3 processes came within 0.3", dict(rank=0, world_size=3)),
    ("RuntimeError", "tcp://127.0.0.1:{port}", "nobody answers at 127.0.0.1 port {port}", dict(rank=1, world_size=3)),
    ("RuntimeError", "tcp://%s:{port}" % MULTICAST, "only 1 of 2 processes", dict(world_size=2)),
    ("RuntimeError", "file://{path}", "only 1 of 2 processes", dict(world_size=2)),
    ("ValueError", "tcp://127.0.0.1:{port}", "world_size must be given", dict(rank=0)),
    ("ValueError", "file://{path}", "world_size must be given", dict()),
    ("ValueError", "file://", "path", dict(world_size=2)),
    ("ValueError", "tcp://127.0.0.1", "tcp://host:port", dict(world_size=2)),
    ("ValueError", "tcp://[ff15::1]:{port}", "IPv4 only", dict(world_size=2)),
])
def test_nobody_comes(source, error, method, message, options, tmp_path):
    values = dict(port=free_port(), path=tmp_path / "meeting")
    source.run("alone", 1, [options], error=error, method=method.format(**values), message=message.format(**values))


@pytest.mark.parametrize("message, options", [
    ("rank 1 is wanted by 2 processes", [dict(rank=0), dict(rank=1), dict(rank=1)]),
    ("world_size is 3 in one process and 4 in another", [dict(), dict(), dict(world_size=4)]),
    ("rank 5 is not in 0 .. 2", [dict(rank=0), dict(rank=1), dict(rank=5, world_size=None)]),
])
def test_processes_that_contradict_each_other(source, message, options):
    method = "tcp://127.0.0.1:%d" % free_port()
    options = [dict(dict(init_method=method, world_size=3), **o) for o in options]
    source.run("contradiction", 3, options, message=message)


# ---- errors -------------------------------------------------------------------------------------------


def test_arguments_are_checked(source):
    source.run("wrong_arguments", 3)


def test_a_letter_that_does_not_fit_is_refused(source):
    source.run("wrong_letters", 2)


@pytest.mark.parametrize("what", ["call", "op", "group", "size", "type", "large size", "large type"])
def test_processes_that_call_different_things(source, what):
    source.run("disagreement", 3, what=what)


@pytest.mark.parametrize("call, size, victim", [
    ("recv", 10, 1), ("irecv", 10, 1), ("send", 10, 1), ("barrier", 10, 3), ("broadcast", 10, 1),
    ("all_reduce", 10, 1), ("all_reduce", 10, 0), ("all_reduce", 200000, 2), ("all_gather", 1000, 2)])
def test_a_killed_process_is_named(source, call, size, victim):
    n = 2 if call in ("recv", "irecv", "send") else 4
    port = free_port()
    results = source.finish([source.start("death", rank, n, port, call=call, victim=victim, size=size)
                             for rank in range(n)])
    for rank, (status, out, errors) in enumerate(results):
        assert status == (-signal.SIGKILL if rank == victim else 0), (rank, status, errors)


def test_those_who_have_given_up_are_heard(source):
    source.run("bad_news", 3)


def test_a_silent_process_is_named(source, tmp_path):
    source.run("silence", 2, done=str(tmp_path / "done"))


# ---- the rest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["forked", "workers_of_a_loader", "ending", "leaving", "gloo", "master_and_worker"])
def test_two_processes(source, case):
    out = source.run(case, 2)
    if case == "leaving":
        assert out == ["500000\n"] * 2
