"""Several processes that work together, each with a case that `case_server.py` knows: started, waited for, read.

They are forked from one process that has imported everything and done nothing, so that starting one takes no time.
"""
import contextlib
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent


def free_port():
    """A port that nobody has, below those that the system gives to sockets that ask for any."""
    while True:
        port = 20000 + secrets.randbelow(12000)
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", port))
            return port


class Source:
    """The process that the others are forked from; as a context manager it ends with the context."""

    def __enter__(self):
        environment = dict(os.environ, OMP_NUM_THREADS="1",
                           PYTHONPATH=os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen([sys.executable, str(FOLDER / "case_server.py")], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.folder = tempfile.TemporaryDirectory()
        self.count = 0
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, **what):
        """Send a command; returns the number that is the answer."""
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def start(self, case, rank, world_size, port, /, **options):
        """One process of a job, with the variables that env:// reads; returns (number, path of what it writes)."""
        self.count += 1
        path = os.path.join(self.folder.name, str(self.count))
        environment = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(world_size), RANK=str(rank))
        return self.ask(case=case, options=options, environment=environment, path=path), path

    def finish(self, processes):
        """(status, output, errors) of each. No case takes for ever: that ends itself after a time."""
        results = []
        for pid, path in processes:
            status = os.waitstatus_to_exitcode(self.ask(wait=pid))
            results.append((status, pathlib.Path(path + ".out").read_text(), pathlib.Path(path + ".err").read_text()))
        return results

    def run(self, case, world_size=1, options=None, /, **common):
        """Run a case in a number of processes, all of which must end well; returns what each printed.

        Args: options of single ranks as a list of dicts, those of all as keywords.
        """
        port = free_port()
        results = self.finish([self.start(case, rank, world_size, port, **common, **(options[rank] if options else {}))
                               for rank in range(world_size)])
        for rank, (status, out, errors) in enumerate(results):
            assert status == 0, "rank %d ended with %d:\n%s" % (rank, status, errors[-3000:])
            assert not errors, "rank %d wrote:\n%s" % (rank, errors[-3000:])
        return [out for _, out, _ in results]
