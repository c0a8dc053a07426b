"""Kernels of every level that is built and runs here, each forced in a process of its own, pass tests of numbers."""
import os
import pathlib
import subprocess
import sys

import pytest

from tensorlib import _ops

ROOT = pathlib.Path(__file__).resolve().parent.parent
OTHERS = [name for name in _ops.levels_here() if name != _ops.isa_level]
# Functions of numbers in runs of all lengths, large operands of all layouts, every path of convolutions, products of
# matrices, whole trainings, and recorded cases of all operations.
CHOSEN = ["test_mathfn.py", "test_driver.py", "test_conv.py::test_result_does_not_depend_on_threads",
          "test_linalg.py::test_thread_counts_agree", "test_nn_training.py", "test_golden.py"]


@pytest.mark.slow
@pytest.mark.parametrize("level", OTHERS)
def test_numbers(level):
    code = "import sys, pytest, tensorlib; print(tensorlib._ops.isa_level); sys.exit(pytest.main(sys.argv[1:]))"
    environment = dict(os.environ, TENSORLIB_ISA=level,
                       PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run([sys.executable, "-c", code, "-p", "no:cacheprovider", *(
        str(ROOT / "tests" / name) for name in CHOSEN)], env=environment, cwd=ROOT, capture_output=True, text=True,
        timeout=1200)
    assert done.stdout.split()[0] == level
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
