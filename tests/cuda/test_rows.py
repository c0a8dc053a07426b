"""Every row of the table again, on a GPU: values against the reference, twins, names, derivatives, layouts, types."""
import pytest
from op_checks import (DOUBLE, check_empty, check_inplace, check_public, check_row_derivatives, check_value,
                       check_variables)
from test_ops import ROWS, SMALL, cases, elements

from tensorlib.ops import TABLE

PRESENT = [name for name in ROWS if name != "transfer"]       # its sample goes to the CPU

pytestmark = pytest.mark.usefixtures("on_gpu")


@pytest.mark.parametrize("name", PRESENT)
def test_value(name):
    for case in cases(name):
        check_value(case)
        check_variables(case)


@pytest.mark.parametrize("name", PRESENT)
def test_twins_and_public_names(name):
    for case in cases(name):
        check_inplace(case)
        check_public(case)
        check_empty(case)


@pytest.mark.parametrize("name", [name for name in PRESENT if TABLE[name].is_differentiable])
def test_derivatives(name):
    for case in cases(name, [DOUBLE], ["contiguous"]):
        if elements(case) <= SMALL // 10:
            check_row_derivatives(case)
