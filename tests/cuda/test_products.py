"""Our kernels of matrix products: sizes around those of the tiles, all layouts and types, against NumPy; and copies
that turn dims, which go through tiles too.
"""
import numpy as np
import pytest

import tensorlib
from tensorlib.cuda import blas
from tensorlib.ops import TABLE


@pytest.fixture(autouse=True)
def own(monkeypatch):
    monkeypatch.setenv("TENSORLIB_CUDA_BLAS", "own")
    blas.library.cache_clear()
    yield
    monkeypatch.undo()
    blas.library.cache_clear()


def gpu(a, turned=False):
    a = np.ascontiguousarray(a)
    return tensorlib.from_numpy(np.ascontiguousarray(a.T)).cuda().t() if turned else tensorlib.from_numpy(a).cuda()


def numbers(rng, dtype, *size):
    return (rng.randn(*size) if np.dtype(dtype).kind == "f" else rng.randint(0, 9, size)).astype(dtype)


# Below, at and past tiles of 64 and 128, with and without whole fours.
SIZES = [(1, 1, 1), (4, 16, 4), (63, 15, 65), (64, 17, 68), (70, 40, 66), (128, 16, 128), (130, 33, 131),
         (129, 20, 256)]


@pytest.mark.parametrize("m, k, n", SIZES)
@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
def test_floats(m, k, n, turned):
    rng = np.random.RandomState(m)
    a, b, c = numbers(rng, np.float32, m, k), numbers(rng, np.float32, k, n), numbers(rng, np.float32, m, n)
    x, y, z = gpu(a, turned[0]), gpu(b, turned[1]), gpu(c)
    want = a.astype(np.float64) @ b
    np.testing.assert_allclose(x.mm(y).cpu().numpy(), want, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(TABLE["addmm"](z, 0.5, -2, x, y).cpu().numpy(), 0.5 * c - 2 * want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "int64", "int32", "int16", "uint8"])
def test_other_types(dtype):
    rng = np.random.RandomState(2)
    for m, k, n in ((4, 5, 4), (66, 18, 70), (64, 16, 64)):
        a, b, c = numbers(rng, dtype, m, k), numbers(rng, dtype, k, n), numbers(rng, dtype, m, n)
        for turned in (False, True):
            got = TABLE["addmm"](gpu(c), 3, 2, gpu(a, turned), gpu(b)).cpu().numpy()
            np.testing.assert_allclose(got, 3 * c + 2 * (a @ b), rtol=1e-12, atol=1e-12)


def test_parts_of_larger_matrices():
    """Rows that do not begin at multiples of four elements, into a part of a matrix too."""
    rng = np.random.RandomState(3)
    a, b = numbers(rng, np.float32, 70, 41), numbers(rng, np.float32, 41, 75)
    x, y = gpu(a).narrow(1, 1, 39), gpu(b).narrow(0, 2, 39).narrow(1, 3, 70)
    want = a[:, 1:40].astype(np.float64) @ b[2:41, 3:73]
    np.testing.assert_allclose(x.mm(y).cpu().numpy(), want, rtol=1e-5, atol=1e-4)
    whole = tensorlib.zeros(72, 77).cuda()
    blas.gemm(whole.narrow(0, 1, 70).narrow(1, 3, 70), x, y)
    got = whole.cpu().numpy()
    np.testing.assert_allclose(got[1:71, 3:73], want, rtol=1e-5, atol=1e-4)
    got[1:71, 3:73] = 0
    assert not got.any()


def test_batches():
    rng = np.random.RandomState(4)
    a, b = numbers(rng, np.float32, 3, 65, 18), numbers(rng, np.float32, 3, 18, 68)
    np.testing.assert_allclose(gpu(a).bmm(gpu(b)).cpu().numpy(), a.astype(np.float64) @ b, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("m, k", [(1, 7), (31, 40), (32, 5), (33, 300), (200, 9)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_matrix_times_vector(m, k, dtype):
    rng = np.random.RandomState(m)
    a, x, y = numbers(rng, dtype, m, k), numbers(rng, dtype, 2 * k), numbers(rng, dtype, m)
    for turned in (False, True):
        got = TABLE["addmv"](gpu(y), 3, 2, gpu(a, turned), gpu(x).narrow(0, 0, k)).cpu().numpy()
        np.testing.assert_allclose(got, 3 * y + 2 * (a @ x[:k]), rtol=1e-5, atol=1e-4 if dtype == "float32" else 1e-12)
    every_other = tensorlib.from_numpy(x.reshape(k, 2)).cuda().select(1, 1)
    np.testing.assert_allclose(gpu(a, True).mv(every_other).cpu().numpy(), a @ x[1::2], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "int64", "float64"])
@pytest.mark.parametrize("size, order", [
    ((8, 8), (1, 0)), ((7, 40), (1, 0)), ((33, 65), (1, 0)), ((2, 31, 33), (0, 2, 1)), ((9, 2, 33), (2, 1, 0)),
    ((3, 10, 4, 9), (0, 2, 3, 1)), ((2, 3, 2, 8, 2, 9), (5, 1, 0, 2, 4, 3))])
def test_copies_that_turn_dims(size, order, dtype):
    a = numbers(np.random.RandomState(5), dtype, *size)
    x = tensorlib.from_numpy(a).cuda()
    np.testing.assert_array_equal(x.permute(*order).contiguous().cpu().numpy(), a.transpose(order))
    wide = x.new(*[a.shape[d] + 3 for d in order]).fill_(7)             # into the middle of a larger one
    part = wide
    for d, place in enumerate(order):
        part = part.narrow(d, 1, a.shape[place])
    part.copy_(x.permute(*order))
    want = np.full([a.shape[d] + 3 for d in order], 7, dtype)
    want[tuple(slice(1, 1 + a.shape[d]) for d in order)] = a.transpose(order)
    np.testing.assert_array_equal(wide.cpu().numpy(), want)


def test_rows_of_one_element_turn_too():
    a = np.random.RandomState(6).randn(20, 33)
    row = tensorlib.from_numpy(a).cuda().narrow(0, 3, 1).expand(40, 33)
    np.testing.assert_array_equal(row.t().contiguous().cpu().numpy(), np.repeat(a[3:4], 40, 0).T)
