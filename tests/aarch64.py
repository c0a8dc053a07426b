"""What `.ci/aarch64` runs on an emulated 64-bit ARM processor: tests against stored and NumPy's values, the quick ones.

What needs processes of its own, or packages beyond NumPy and pytest, is not among them: there is no such thing there.
"""
import platform
import sys

import pytest

import tensorlib

CHOSEN = ["tests/test_golden.py", "tests/test_mathfn.py", "tests/test_nn_training.py"]

if __name__ == "__main__":
    print("%s, %s, kernels %s" % (platform.machine(), tensorlib.__file__, tensorlib._ops.isa_level), flush=True)
    assert platform.machine() == "aarch64" and tensorlib._ops.isa_level == "generic"
    sys.exit(pytest.main(["-p", "no:cacheprovider", "--durations=8", *(sys.argv[1:] or CHOSEN)]))
