"""The backend mpi: between real processes where mpi4py and mpiexec are there; everywhere against a stand-in of one
process, and without mpi4py. `make test-mpi` demands the real one.
"""
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

CASES = pathlib.Path(__file__).resolve().parent / "case_server.py"
DEMANDED = os.environ.get("TENSORLIB_TEST_MPI") == "1"
there = DEMANDED or bool(importlib.util.find_spec("mpi4py") and shutil.which("mpiexec"))
needs_mpi = pytest.mark.skipif(not there, reason="needs mpi4py and mpiexec; `make test-mpi` demands them")


def environment(**more):
    """Open MPI is told that more processes than cores are fine, and who runs this too."""
    return dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                OMPI_MCA_rmaps_base_oversubscribe="1", PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe",
                OMPI_MCA_mpi_yield_when_idle="1", OMP_NUM_THREADS="1", PYTHONPATH=str(CASES.parent.parent), **more)


def mpiexec(case, n, **options):
    return subprocess.run(["mpiexec", "-n", str(n), sys.executable, str(CASES), case, json.dumps(options)],
                          env=environment(), capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)


@needs_mpi
@pytest.mark.parametrize("case, options", [
    ("letters", dict(backend="mpi")), ("collectives", dict(backend="mpi", kinds=["Byte", "Half", "Float", "Long"])),
    ("training", dict(backend="mpi", bucket=64, backwards=1)), ("mpi_letters", dict())])
def test_three_processes(case, options):
    done = mpiexec(case, 3, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("done") == (3 if case == "mpi_letters" else 0)


@needs_mpi
def test_an_error_in_one_process_ends_the_job():
    done = mpiexec("mpi_failure", 2)
    assert done.returncode != 0 and "KeyError: 'no good'" in done.stderr, done.stderr


STAND_IN = '''
"""What mpi4py.MPI is for a single process: every group call copies from the one side to the other."""
class Exception(RuntimeError): pass
UINT8_T, INT8_T, INT16_T, INT32_T, INT64_T, BYTE, FLOAT, DOUBLE = "BbhiqBfd"
SUM, PROD, MAX, MIN = "sum prod max min".split()
IN_PLACE, ANY_SOURCE, ANY_TAG = object(), -1, -1
def Is_finalized(): return False
def copied(given, into):
    memoryview(into[0]).cast("B")[:] = memoryview(given[0]).cast("B")
class Group:
    def Incl(self, ranks):
        assert list(ranks) == [0]
        return self
class Done:
    def Test(self, status): return True
    def Wait(self, status): return True
class Comm:
    rank, size, group = 0, 1, Group()
    def Dup(self): return self
    def Create(self, group): return self
    def Free(self): pass
    def Barrier(self): pass
    def Bcast(self, buffer, root): assert root == 0
    def Allreduce(self, given, buffer, op):
        data, n, kind = buffer
        assert given is IN_PLACE and len(memoryview(data).cast("B").cast(kind) if n else data) == n
    def Iallreduce(self, given, buffer, op):
        self.Allreduce(given, buffer, op)
        return Done()
    def Reduce(self, given, buffer, op, root): self.Allreduce(given, buffer, op)
    def Allgather(self, given, into): copied(given, into)
    def Gather(self, given, into, root): copied(given, into)
    def Scatter(self, given, into, root): copied(given, into)
COMM_WORLD = Comm()
'''


def alone(code, folder):
    """Run a program with the case module and a folder of modules that go before the installed ones."""
    path = os.pathsep.join([str(folder), str(CASES.parent.parent), str(CASES.parent)])
    return subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=path), capture_output=True,
                          text=True, timeout=90)


def test_one_process_with_a_stand_in(tmp_path):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("")
    (tmp_path / "mpi4py" / "MPI.py").write_text(STAND_IN)
    done = alone("import distributed_cases as c; c.collectives(backend='mpi')", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_without_mpi4py_the_error_names_the_extra(tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no such module')")
    done = alone("import tensorlib.distributed as d\ntry:\n    d.init_process_group('mpi')\n"
                 "except ImportError as e:\n    print(e, d.is_initialized())", tmp_path)
    assert "pip install tensorlib[mpi]" in done.stdout and done.stdout.endswith("False\n"), done.stderr
