"""PyCUDA's own tests, from its sdist, run on the emulator: what an independent user of the driver API expects of it."""

import os
import re
import subprocess
import sys

import pytest

import builder

# What PyCUDA's tests ask for and the emulator has not, with the reason. (Those of textures and surfaces PyCUDA leaves
# out by itself: CUDA 12 removed what they use.)
LEFT_OUT = {
    "test_recursive_launch": "kernels that launch kernels",
    "test_jit_link_module": "kernels that launch kernels",
}


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    return builder.pycuda_source(tmp_path_factory.mktemp("pycuda")) / "test"


def outcome(tests, name, *options):
    deselected = " and ".join("not " + left for left in LEFT_OUT)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", deselected, name, *options],
        cwd=tests,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    counts = {
        kind: int(n) for n, kind in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout.splitlines()[-1])
    }
    return counts, done.stdout


def test_driver(tests):
    counts, text = outcome(tests, "test_driver.py")
    assert "failed" not in counts and "error" not in counts, text[-3000:]
    assert counts["passed"] >= 19
