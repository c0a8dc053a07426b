"""DistributedDataParallel between real processes; what each does is in `distributed_network_cases.py`."""
import pytest

import tensorlib
from processes import Source
from tensorlib.nn.parallel import DistributedDataParallel


@pytest.fixture(scope="module")
def source():
    with Source() as source:
        yield source


@pytest.mark.parametrize("backend, bucket, backwards", [("tcp", 1 << 22, 1), ("tcp", 64, 1), ("gloo", 64, 2)])
def test_training_by_parts_equals_training_on_the_whole(source, backend, bucket, backwards):
    source.run("training", 3, backend=backend, bucket=bucket, backwards=backwards)


@pytest.mark.parametrize("case", ["buffers", "halves", "unused_parameters", "failing_backward", "copies_of_a_module",
                                  "wrong_modules"])
def test_two_processes(source, case):
    source.run(case, 2)


def test_it_has_its_public_name():
    assert tensorlib.nn.parallel.DistributedDataParallel is DistributedDataParallel
