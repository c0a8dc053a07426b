"""Every row of the table, by the table: nothing is written here for a single operation.

Values against the reference in every element type and layout, twins, public names, Variables, both derivatives,
and PyTorch where it is installed and means the same.
"""
import numpy as np
import pytest
from op_checks import (DOUBLE, LAYOUTS, Case, check_empty, check_inplace, check_public, check_row_derivatives, check_value,
                       check_variables)

import tensorlib
from tensorlib.ops import TABLE

# Rows without samples, and why.
LEFT_OUT = {
    "cast": "names its element types in its arguments: test_cast",
    "btrifact": "a packed form: test_linalg.py multiplies the factors again",
    "btrisolve": "takes the packed form of btrifact: test_linalg.py",
    "pstrf": "pivoting decides between equals: test_linalg.py multiplies the factors again",
}
# Layouts that a row does not take.
NOT_TAKEN = {
    "view": ("strided", "expanded"),        # needs dense tensors
    "inverse": ("expanded",),               # a matrix of equal rows is singular, a factorisation not unique
    "gesv": ("expanded",), "eig": ("expanded",), "qr": ("expanded",), "geqrf": ("expanded",), "gels": ("expanded",),
}
SMALL = 600         # elements, for derivatives by differences


def cases(name, codes=None, layouts=LAYOUTS):
    row = TABLE[name]
    for sample in row.row.samples:
        for code in codes or row.row.types:
            for layout in layouts:
                if layout not in NOT_TAKEN.get(name, ()):
                    yield Case(row, sample, code, layout)


ROWS = [name for name in TABLE if name not in LEFT_OUT]


def test_every_row_has_a_reference_and_samples():
    for name in ROWS:
        assert TABLE[name].row.ref is not None, "%s has no ref" % name
        assert TABLE[name].row.samples, "%s has no samples" % name
        assert TABLE[name].row.doc, "%s has no doc" % name
    assert not set(LEFT_OUT) - set(TABLE) and not set(NOT_TAKEN) - set(TABLE)


@pytest.mark.parametrize("name", ROWS)
def test_value(name):
    for case in cases(name):
        check_value(case)
        check_variables(case)


@pytest.mark.parametrize("name", ROWS)
def test_twins_and_public_names(name):
    for case in cases(name):
        check_inplace(case)
        check_public(case)
        check_empty(case)


@pytest.mark.parametrize("name", [name for name in ROWS if TABLE[name].is_differentiable])
def test_derivatives(name):
    for layout in ("contiguous", "strided"):
        for case in cases(name, [DOUBLE], [layout]):
            if sum(np.size(v) for v in case.values) <= SMALL:
                check_row_derivatives(case)
