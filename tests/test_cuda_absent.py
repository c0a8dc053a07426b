"""Without a GPU: each way to lack one gives False, a reason, and errors that name it. A process for each case."""
import os
import subprocess
import sys

import pytest

ASK = """
import sys, tensorlib
c = tensorlib.cuda
assert "pycuda" not in sys.modules
assert c.is_available() is False and c.device_count() == 0, c.why_unavailable()
assert %r in c.why_unavailable(), c.why_unavailable()
assert "pycuda" not in sys.modules
for call in (lambda: tensorlib.ones(2).cuda(), lambda: c.FloatTensor(2), lambda: c.current_device(), lambda: c.Stream(),
             lambda: c.manual_seed(1), lambda: c.synchronize(), lambda: tensorlib.ones(2).pin_memory(),
             lambda: tensorlib.ones(2).storage().cuda(), lambda: tensorlib.nn.Linear(2, 2).cuda(),
             lambda: tensorlib.autograd.Variable(tensorlib.ones(2)).cuda(), lambda: c.set_device(0),
             lambda: c.Event(), lambda: c.get_rng_state(), lambda: c.IntStorage(3)):
    try:
        call()
    except AssertionError as error:
        assert "CUDA" in str(error) and %r in str(error), error
    else:
        raise SystemExit("no error")
c.set_device(-1)
with c.device(-1), c.stream(None), c.device_of(tensorlib.ones(1)):
    pass
assert tensorlib.nn.DataParallel(tensorlib.nn.Linear(2, 2)).device_ids == []
"""
DRIVER = """
int cuInit(unsigned flags) { return %d; }
int cuDeviceGetCount(int* count) { *count = %d; return 0; }
"""


def ask(reason, folder=None):
    """Run the questions in a process that finds its driver in a folder."""
    env = dict(os.environ, LD_LIBRARY_PATH=str(folder or "/nonexistent"))
    run = subprocess.run([sys.executable, "-c", ASK % (reason, reason)], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def driver(tmp_path, status, count):
    """A libcuda.so.1 that answers so."""
    source = tmp_path / "driver.c"
    source.write_text(DRIVER % (status, count))
    compiled = subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(tmp_path / "libcuda.so.1")],
                              capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    return tmp_path


def no_driver_here():
    """Whether this machine has no driver of its own, which the first case is about."""
    import ctypes
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


@pytest.mark.skipif(not no_driver_here(), reason="this machine has a CUDA driver")
def test_no_driver():
    ask("no CUDA driver was found")


def test_no_device(tmp_path):
    ask("finds no device", driver(tmp_path, 100, 0))
    ask("finds no device", driver(tmp_path, 0, 0))


def test_a_driver_that_does_not_start(tmp_path):
    ask("does not start (error 3)", driver(tmp_path, 3, 0))


def test_no_pycuda(tmp_path):
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text("import sys\nsys.modules.pop('pycuda', None)\n"
                       "class Block:\n    def find_spec(self, name, path=None, target=None):\n"
                       "        if name.partition('.')[0] == 'pycuda': raise ModuleNotFoundError(name, name=name)\n"
                       "import importlib.util as u\nfind = u.find_spec\n"
                       "u.find_spec = lambda name, package=None: None if name == 'pycuda' else find(name, package)\n")
    env = dict(os.environ, LD_LIBRARY_PATH=str(driver(tmp_path, 0, 1)),
               PYTHONPATH=os.pathsep.join([str(tmp_path)] + [p for p in sys.path if p]))
    text = ASK % ("PyCUDA is not installed", "PyCUDA is not installed")
    run = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_library_that_is_no_driver(tmp_path):
    (tmp_path / "driver.c").write_text("int nothing(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", str(tmp_path / "driver.c"), "-o", str(tmp_path / "libcuda.so.1")],
                   check=True)
    ask("is no CUDA driver", tmp_path)
