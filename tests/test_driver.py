"""The elementwise driver on large operands that lie across the output, repeat or overlap: against NumPy."""
import numpy as np
import pytest

import tensorlib

TYPES = ["uint8", "int8", "int16", "int32", "int64", "float32", "float64"]


def tensor(array):
    return tensorlib.from_numpy(array.copy()) if array.dtype != np.int8 else tensorlib.from_numpy(
        array.astype(np.int64)).char()


def array(tensor):
    return tensor.numpy() if not isinstance(tensor, tensorlib.CharTensor) else tensor.long().numpy().astype(np.int8)


def numbers(dtype, *size):
    return np.random.RandomState(0).randint(0, 60, size).astype(dtype)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [(300, 417), (1025, 260), (7, 40000), (130, 1024)], ids=str)
@pytest.mark.parametrize("dtype", TYPES)
def test_transposed_operands(dtype, size, threads):
    a, b = numbers(dtype, *size), numbers(dtype, *size[::-1])
    before = tensorlib.get_num_threads()
    tensorlib.set_num_threads(threads)
    try:
        assert (array(tensor(b).t().contiguous()) == b.T).all()
        assert (array(tensor(a) + tensor(b).t()) == a + b.T).all()
        assert (array(tensor(b).t() + tensor(b).t()) == b.T + b.T).all()
        assert (array(tensor(a).t().contiguous().add_(tensor(a).t())) == a.T + a.T).all()
        assert (array(tensor(a)[:, ::2] + tensor(b)[::2].t()) == a[:, ::2] + b[::2].T).all()
    finally:
        tensorlib.set_num_threads(before)


def test_permuted_dims():
    a, b = numbers("float32", 6, 90, 1200), numbers("float32", 6, 1200, 90)
    assert (array(tensor(b).transpose(1, 2) * tensor(a)) == b.transpose(0, 2, 1) * a).all()
    turned = numbers("float32", 1200, 6, 90)
    assert (array(tensor(turned).permute(1, 2, 0) * tensor(a)) == turned.transpose(1, 2, 0) * a).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_repeated_elements(dtype):
    a, row, column = numbers(dtype, 700, 1500), numbers(dtype, 1, 1500), numbers(dtype, 700, 1)
    assert (array(tensor(a) + tensor(column)) == a + column).all()
    assert (array(tensor(a) + tensor(row)) == a + row).all()
    assert (array(tensor(column) + tensor(row)) == column + row).all()


def test_sum_of_wide_columns():
    for rows, columns in ((1000, 1000), (33, 64), (70, 65), (5, 200), (100, 2100)):
        a = np.random.RandomState(1).randn(rows, columns).astype(np.float32)
        close = np.abs(array(tensor(a).sum(0)) - a.astype(np.float64).sum(0)).max()
        assert close < 1e-5 * rows
