"""How kernels go to memory, by the emulator's counters: bytes of 32-byte sectors beside those that have to move, and
conflicts between banks of shared memory. Large enough for all lanes, small enough to be emulated.
"""
import ctypes
import functools
import json
import os

import pytest

import tensorlib
from tensorlib import cuda, optim
from tensorlib.autograd import Variable
from tensorlib.ops import TABLE

pytestmark = pytest.mark.skipif(not os.environ.get("TENSORLIB_CUDA_EMULATOR"), reason="the emulator counts accesses")
SECTOR = 32
N = 1 << 14


def counters(f):
    """{kernel: its counters} for one call, whose kernels are loaded already."""
    library = ctypes.CDLL("libcuda.so.1")
    library.cuemuStats.restype = ctypes.c_char_p
    f()
    cuda.synchronize()
    library.cuemuResetStats()
    f()
    cuda.synchronize()
    return json.loads(library.cuemuStats().decode())


def moved(found):
    return SECTOR * sum(c["global_load_sectors"] + c["global_store_sectors"] for c in found.values())


def g(*size):
    return tensorlib.randn(*size).cuda()


def check(f, nbytes, most=1.0, conflicts=0, kernels=None):
    """The sectors hold at most `most` times the bytes that have to move; no shared access waits for another."""
    found = counters(f)
    assert found and (kernels is None or set(found) == kernels), sorted(found)
    assert 0.99 * nbytes <= moved(found) <= most * nbytes * 1.001, moved(found) / nbytes
    assert sum(c["shared_conflicts"] for c in found.values()) == conflicts
    return found


@pytest.mark.parametrize("kind, item", [("byte", 1), ("short", 2), ("float", 4), ("double", 8)])
def test_pointwise(kind, item):
    a, b = getattr(g(N), kind)(), getattr(g(N), kind)()
    check(lambda: a + b, 3 * N * item)
    check(lambda: a.clone(), 2 * N * item)
    check(lambda: a.fill_(3), N * item)
    if item >= 4:
        check(lambda: a.tanh(), 2 * N * item)


def test_pointwise_of_parts_and_casts():
    m = g(128, 128)
    check(lambda: m.narrow(1, 0, 96) + m.narrow(1, 32, 96), 12 * 128 * 96)
    check(lambda: m[1:] * 2, 8 * 127 * 128)
    check(lambda: m.double(), 12 * N)
    row = g(128)
    check(lambda: m + row.expand(128, 128), 8 * N, 1.5)         # the row is read again and again, from the caches


@pytest.mark.parametrize("kind, item", [("byte", 1), ("short", 2), ("float", 4), ("double", 8)])
def test_copies_that_turn_dims(kind, item):
    m = getattr(g(128, 128) * 9, kind)()
    kernels = {"transpose_%d" % item}
    check(lambda: m.t().contiguous(), 2 * N * item, kernels=kernels)
    check(lambda: m.clone().copy_(m.t()), 4 * N * item)
    pictures = m.view(2, 8, 32, 32)             # to channels last, and back; eight small elements are part of a sector
    check(lambda: pictures.permute(0, 2, 3, 1).contiguous(), 2 * N * item, 4 if item == 1 else 2, kernels=kernels)
    last = m.view(2, 16, 16, 32)
    check(lambda: last.permute(0, 3, 1, 2).contiguous(), 2 * N * item, 1.5 if item == 1 else 1, kernels=kernels)
    ragged = m.narrow(0, 0, 99).narrow(1, 0, 75)
    turned = ragged.t().contiguous()
    assert turned.cpu().t().equal(ragged.cpu())


def test_reductions():
    a, m, p, long = g(N), g(128, 128), g(2, 16, 16, 32), g(4, 4096)
    check(lambda: TABLE["sum_all"](a), 4 * N, 1.01)
    for f in (lambda: m.sum(1), lambda: m.sum(0), lambda: p.sum(2), lambda: p.sum(1), lambda: long.sum(1),
              lambda: TABLE["max_dim"](m, 1), lambda: m.norm(2, 1)):
        check(f, 4 * N, 1.2)
    check(lambda: TABLE["dot"](a, a), 8 * N, 1.01)


def test_softmax_and_scans():
    m, long = g(128, 128), g(4, 4096)
    for f in (lambda: TABLE["softmax"](m, 1), lambda: TABLE["softmax"](m, 0), lambda: TABLE["softmax"](long, 1)):
        check(f, 8 * N, 2)                                      # three times read, from the caches but for the first
    check(lambda: m.cumsum(0), 8 * N)
    check(lambda: m.cumsum(1), 8 * N)


@pytest.mark.parametrize("n, kernel", [(64, "gemm_float"), (128, "gemm_large_float"), (96, "gemm_float")])
def test_matrix_products(n, kernel):
    a, b = g(n, n), g(n, n)
    tile = 128 if "large" in kernel else 64
    tiles = -(-n // tile)
    for x in (a, a.t()):
        for y in (b, b.t()):                    # A once for each column of tiles, B once for each row, C written
            found = check(functools.partial(x.mm, y), 4 * n * n * (2 * tiles + 1), kernels={kernel})
            if n % 64 == 0:
                assert found[kernel]["global_stores"] == n * n // 128       # four numbers for each lane


def test_matrix_times_vector():
    m, x = g(128, 128), g(128)
    check(lambda: m.mv(x), 4 * N, 2.1, kernels={"gemv_float"})          # x comes from the caches
    check(lambda: m.t().mv(x), 4 * N, 1.3, kernels={"gemv_columns_float"})


@pytest.mark.parametrize("make, state", [
    (lambda p: optim.SGD(p, 0.1), 0), (lambda p: optim.SGD(p, 0.1, momentum=0.9), 1), (lambda p: optim.Adam(p), 2),
    (lambda p: optim.Adamax(p), 2), (lambda p: optim.Adagrad(p), 1), (lambda p: optim.Adadelta(p), 2),
    (lambda p: optim.RMSprop(p), 1), (lambda p: optim.RMSprop(p, momentum=0.9, centered=True), 3),
    (lambda p: optim.ASGD(p), 0.5), (lambda p: optim.Rprop(p), 2)])
def test_steps_of_optimizers(make, state):
    """Parameter and state are read and written once, the gradient read. (The average of ASGD is not read at first.)"""
    p = Variable(g(N), requires_grad=True)
    p.sum().backward()
    optimizer = make([p])
    check(optimizer.step, 4 * N * (3 + 2 * state), 1.01)


def test_random_numbers_gathers_and_columns():
    a, m, rows = g(N), g(128, 128), (tensorlib.rand(128) * 128).long().cuda()
    check(lambda: a.normal_(), 4 * N)
    check(lambda: m.index_select(0, rows), 8 * N, 1.2)
    pictures, weight = g(2, 8, 16, 16), g(8, 8, 3, 3)
    found = counters(lambda: TABLE["conv"](pictures, weight, None, (1, 1), (1, 1), (1, 1), 1))
    columns = found["columns_float"]
    assert columns["global_store_sectors"] * SECTOR == 4 * 2 * 8 * 9 * 256
    assert columns["global_load_sectors"] <= columns["global_store_sectors"] and not columns["shared_conflicts"]


def test_the_counters_see_a_scattered_read_and_a_conflict():
    m = g(128, 128)
    scattered = counters(lambda: m.t() + m)["add_float"]        # turned operands are not yet read through tiles
    assert scattered["global_load_sectors"] > 2 * 2 * N * 4 / SECTOR
    tiles = counters(lambda: m.sort(1))["sort_tiles_float"]
    assert 0 < tiles["shared_conflicts"] < 1.2 * tiles["shared_accesses"]       # pairs that lie close
