"""Products of matrices against NumPy in float64 over every path of the kernel, in-place forms, matmul, LAPACK."""
import itertools
import multiprocessing
import threading

import numpy as np
import pytest

import tensorlib
from tensorlib.autograd import Variable, grad
from tensorlib.ops import linalg as rows

REAL = [np.float32, np.float64]
TYPES = [np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64]
LAYOUTS = ["rows", "columns", "strided"]
ERROR = {np.float32: 2e-6, np.float64: 1e-14}       # of the sum of the magnitudes that were added


def tensor(a, layout="rows"):
    """A tensor of a's values whose last two dims lie as asked."""
    if layout == "columns":
        return tensorlib.from_numpy(np.array(np.swapaxes(a, -1, -2), order="C")).transpose(a.ndim - 2, a.ndim - 1)
    if layout == "strided":
        wide = np.zeros(a.shape[:-1] + (2 * a.shape[-1],), a.dtype)
        wide[..., ::2] = a
        return tensorlib.from_numpy(wide)[(slice(None),) * (a.ndim - 1) + (slice(0, 2 * a.shape[-1], 2),)]
    return tensorlib.from_numpy(np.array(a, order="C"))


def values(rng, dtype, *size):
    if np.dtype(dtype).kind == "f":
        return rng.uniform(-1, 1, size).astype(dtype)
    return rng.randint(0 if dtype == np.uint8 else -100, 100, size).astype(dtype)


def wide(a):
    """The type in which a's arithmetic is exact, or wraps as a's does when cast back."""
    return a.astype(np.float64 if a.dtype.kind == "f" else np.int64)


def check_addmm(rng, dtype, m, n, k, layouts, beta, alpha):
    """C = beta * C + alpha * A @ B in place, against NumPy; with beta 0, C holds NaN before."""
    a, b, c = values(rng, dtype, m, k), values(rng, dtype, k, n), values(rng, dtype, m, n)
    if beta == 0 and np.dtype(dtype).kind == "f":
        c[:] = np.nan
    got = tensor(c, layouts[2])
    got.addmm_(beta, alpha, tensor(a, layouts[0]), tensor(b, layouts[1]))
    added = 0 if beta == 0 else beta * wide(c)
    want = added + alpha * (wide(a) @ wide(b))
    if np.dtype(dtype).kind == "f":
        size = np.abs(added) + np.abs(alpha) * (np.abs(wide(a)) @ np.abs(wide(b)))
        assert (np.abs(got.numpy() - want) <= ERROR[dtype] * size).all()
    else:
        assert (got.numpy() == want.astype(dtype)).all()


SCALES = [(0, 1), (1, 1), (2, -3)]


@pytest.mark.parametrize("dtype", REAL)
def test_every_small_size(dtype):
    """All of 1..18 cubed: each tile height and width, each edge; layouts and scales go round."""
    rng = np.random.RandomState(0)
    combinations = itertools.cycle(itertools.product(LAYOUTS, LAYOUTS, ["rows", "columns"], SCALES))
    for m, n, k in itertools.product(range(1, 19), repeat=3):
        a, b, c, scale = next(combinations)
        check_addmm(rng, dtype, m, n, k, (a, b, c), *scale)


@pytest.mark.parametrize("dtype", REAL)
def test_every_width(dtype):
    """Columns from 1 to 70, so that each number is left over beside whole tiles, halves of vectors among them."""
    rng = np.random.RandomState(5)
    combinations = itertools.cycle(itertools.product(LAYOUTS, LAYOUTS, ["rows", "columns"], SCALES))
    heights, depths = itertools.cycle([1, 2, 11, 12, 13, 25, 37, 48]), itertools.cycle([1, 3, 16, 70, 257])
    for n, _ in itertools.product(range(1, 71), range(3)):
        a, b, c, scale = next(combinations)
        check_addmm(rng, dtype, next(heights), n, next(depths), (a, b, c), *scale)


@pytest.mark.parametrize("dtype", REAL)
def test_rectangles_of_threads(dtype):
    """Cut among any number of threads, each element is computed once, and is the same sum."""
    rng = np.random.RandomState(6)
    before = tensorlib.get_num_threads()
    try:
        for (m, n), (x, y) in zip([(37, n) for n in range(1, 71)] + [(1, 900), (900, 1), (2, 700), (700, 3), (8, 65)],
                                  itertools.cycle(itertools.product(LAYOUTS, repeat=2))):
            a, b, c = values(rng, dtype, m, 700), values(rng, dtype, 700, n), values(rng, dtype, m, n)
            size, results = np.abs(wide(a)) @ np.abs(wide(b)) + 2 * np.abs(wide(c)), []
            for threads in (1, 2, 3, 8):
                tensorlib.set_num_threads(threads)
                results.append(tensor(c).addmm_(2, 1, tensor(a, x), tensor(b, y)).numpy())
                assert (results[-1] == results[0]).all()
            assert (np.abs(results[0] - 2 * wide(c) - wide(a) @ wide(b)) <= ERROR[dtype] * size).all()
    finally:
        tensorlib.set_num_threads(before)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("a, b, c", list(itertools.product(LAYOUTS, repeat=3)))
def test_every_layout(dtype, a, b, c):
    rng = np.random.RandomState(1)
    for (m, n, k), scale in itertools.product([(1, 1, 1), (7, 5, 3), (1, 9, 70), (9, 1, 70), (3, 40, 70)], SCALES):
        check_addmm(rng, dtype, m, n, k, (a, b, c), *scale)


@pytest.mark.parametrize("dtype", REAL)
def test_sizes_around_the_edges_of_blocks(dtype):
    rng = np.random.RandomState(2)
    combinations = itertools.cycle(itertools.product(LAYOUTS[:2], LAYOUTS, SCALES))
    edges = [31, 64, 65, 191, 193, 255, 257, 513]
    for m, n, k in itertools.product(edges, repeat=3):
        if (m + 3 * n + 5 * k) % 7 == 0:
            a, b, scale = next(combinations)
            check_addmm(rng, dtype, m, n, k, (a, b, "rows"), *scale)
    for m, n, k in [(5, 2100, 300), (200, 1100, 260), (1200, 3, 520), (1, 3000, 600), (3000, 1, 600)]:
        for a, b in itertools.product(LAYOUTS, repeat=2):
            check_addmm(rng, dtype, m, n, k, (a, b, "rows"), 1, 1)


def test_thread_counts_agree():
    rng = np.random.RandomState(3)
    a, b = tensor(values(rng, np.float32, 301, 217)), tensor(values(rng, np.float32, 217, 190))
    before, results = tensorlib.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            tensorlib.set_num_threads(threads)
            results.append((a.mm(b).numpy(), a.mv(b[:, 0]).numpy(), a[:3].mm(b).numpy()))
    finally:
        tensorlib.set_num_threads(before)
    for other in results[1:]:
        for x, y in zip(results[0], other):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_python_threads_at_the_same_time():
    rng = np.random.RandomState(4)
    a = values(rng, np.float64, 150, 150)
    want, wrong = a @ a, []

    def work():
        t = tensor(a)
        for _ in range(10):
            if not np.allclose(t.mm(t).numpy(), want):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def multiply_in_child(queue):
    a = tensorlib.ones(200, 200)
    queue.put(a.mm(a)[0, 0])


def test_after_fork():
    tensorlib.ones(300, 300).mm(tensorlib.ones(300, 300))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=multiply_in_child, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=60) == 200
    finally:
        child.join(10)
        if child.is_alive():
            child.kill()


# ---- special values -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("m, n, k", [(2, 2, 2), (9, 20, 30), (70, 70, 300), (1, 5, 40), (5, 1, 40), (3, 40, 70)])
def test_nan_and_infinity_spread_as_in_plain_arithmetic(m, n, k):
    a, b = np.zeros((m, k), np.float32), np.ones((k, n), np.float32)
    a[m - 1, k - 1] = np.nan
    b[0, n - 1] = np.inf                        # times 0 is NaN
    with np.errstate(invalid="ignore"):
        want = np.isnan(a @ b)
    for x, y in itertools.product(LAYOUTS, repeat=2):
        assert (np.isnan(tensor(a, x).mm(tensor(b, y)).numpy()) == want).all()


@pytest.mark.parametrize("call", ["addmm", "addmv", "addr", "addbmm", "baddbmm"])
def test_beta_zero_does_not_read_self(call):
    sizes = {"addmm": [(3, 2), (3, 4), (4, 2)], "addmv": [(3,), (3, 4), (4,)], "addr": [(3, 4), (3,), (4,)],
             "addbmm": [(3, 2), (2, 3, 4), (2, 4, 2)], "baddbmm": [(2, 3, 2), (2, 3, 4), (2, 4, 2)]}[call]
    c, a, b = [tensorlib.ones(*s) for s in sizes]
    c.fill_(float("nan"))
    want = getattr(tensorlib.zeros(*sizes[0]), call)(a, b)
    assert getattr(c, call)(0, a, b).equal(want)
    assert getattr(c, call + "_")(0, a, b).equal(want)


def test_integers_wrap():
    a = np.array([[100, 100], [7, 3]], np.uint8)
    assert (tensor(a).mm(tensor(a)).numpy() == a @ a).all()
    b = np.array([[2 ** 40, 3], [-2 ** 33, 5]], np.int64)
    assert (tensor(b).mm(tensor(b)).numpy() == b @ b).all()
    c = np.array([2 ** 20, -2 ** 15], np.int32)
    assert (tensor(c).ger(tensor(c)).numpy() == np.outer(c, c)).all()
    assert tensor(c).dot(tensor(c)) == 2 ** 40 + 2 ** 30          # a sum is 64 bits wide
    assert tensor(a[0]).dot(tensor(a[0])) == 20000


def test_dot_is_accurate():
    rng = np.random.RandomState(5)
    a = rng.uniform(0, 1, 1000003).astype(np.float32)
    exact = np.dot(a.astype(np.float64), a.astype(np.float64))
    assert abs(tensor(a).dot(tensor(a)) - exact) < 1e-6 * exact
    assert abs(tensor(a)[::2].dot(tensor(a)[::2]) - np.dot(wide(a[::2]), wide(a[::2]))) < 1e-6 * exact


# ---- the other products ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("a, b", list(itertools.product(LAYOUTS, repeat=2)))
def test_batches_vectors_and_outer_products(dtype, a, b):
    rng = np.random.RandomState(6)
    p, q, r = values(rng, dtype, 3, 5, 7), values(rng, dtype, 3, 7, 4), values(rng, dtype, 3, 5, 4)
    x, y = values(rng, dtype, 7), values(rng, dtype, 5)
    tp, tq = tensor(p, a), tensor(q, b)
    product = wide(p) @ wide(q)

    def same(got, want):
        assert np.allclose(got.numpy(), want.astype(dtype), rtol=1e-4, atol=1e-5)

    same(tp.bmm(tq), product)
    same(tensor(r).baddbmm(2, 3, tp, tq), 2 * wide(r) + 3 * product)
    same(tensor(r, b).baddbmm_(2, 3, tp, tq), 2 * wide(r) + 3 * product)
    same(tensor(r[0]).addbmm(2, 3, tp, tq), 2 * wide(r[0]) + 3 * product.sum(0))
    same(tensor(r[0], b).addbmm_(2, 3, tp, tq), 2 * wide(r[0]) + 3 * product.sum(0))
    same(tp[0].mv(tensor(x)), wide(p[0]) @ wide(x))
    same(tensor(y).addmv(2, 3, tp[0], tensor(x)), 2 * wide(y) + 3 * (wide(p[0]) @ wide(x)))
    same(tensor(y).ger(tensor(x)), np.outer(wide(y), wide(x)))
    same(tensor(p[1], b).addr_(2, 3, tensor(y), tensor(x)), 2 * wide(p[1]) + 3 * np.outer(wide(y), wide(x)))


def test_large_batches_use_threads_and_agree():
    rng = np.random.RandomState(7)
    p, q = values(rng, np.float32, 40, 33, 65), values(rng, np.float32, 40, 65, 17)
    np.testing.assert_allclose(tensor(p).bmm(tensor(q, "columns")).numpy(), p @ q, rtol=1e-4, atol=1e-5)


def test_out_and_in_place_may_share_memory_with_the_operands():
    rng = np.random.RandomState(8)
    a = values(rng, np.float64, 6, 6)
    t = tensor(a)
    tensorlib.mm(t, t, out=t)
    np.testing.assert_allclose(t.numpy(), a @ a)
    t = tensor(a)
    t.addmm_(t, t.t())
    np.testing.assert_allclose(t.numpy(), a + a @ a.T)
    out = tensorlib.DoubleTensor()
    tensorlib.addmm(tensor(a[0]), 2, tensor(a), tensor(a), out=out)
    np.testing.assert_allclose(out.numpy(), a[0] + 2 * (a @ a))


MATMUL = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)),
          ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)),
          ((6, 1, 2, 3), (5, 3, 4)), ((6, 5, 2, 3), (1, 3, 4)), ((6, 5, 2, 3), (3,)), ((6, 5, 2, 3), (6, 5, 3, 1))]


@pytest.mark.parametrize("a, b", MATMUL)
def test_matmul(a, b):
    rng = np.random.RandomState(9)
    x, y = rng.randn(*a), rng.randn(*b)
    got, want = tensor(x).matmul(tensor(y)), np.matmul(x, y)
    if len(a) == len(b) == 1:
        assert isinstance(got, float) and abs(got - want) < 1e-12
    else:
        assert tuple(got.size()) == want.shape
        np.testing.assert_allclose(got.numpy(), want)
    v, w = Variable(tensor(x), requires_grad=True), Variable(tensor(y), requires_grad=True)
    (v @ w).sum().backward()
    step = 1e-6
    for values_, variable in ((x, v), (y, w)):
        place = tuple(n - 1 for n in values_.shape)
        before = np.matmul(x, y).sum()
        values_[place] += step
        slope = (np.matmul(x, y).sum() - before) / step
        values_[place] -= step
        assert abs(variable.grad.data.numpy()[place] - slope) < 1e-4


def test_errors_name_the_sizes():
    a, b = tensorlib.ones(2, 3), tensorlib.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"size mismatch, m1: \[2 x 3\], m2: \[2 x 3\]"):
        a.mm(b)
    with pytest.raises(RuntimeError, match="matrix and vector expected, got 2D, 2D"):
        a.mv(b)
    with pytest.raises(RuntimeError, match="vector and vector expected, got 2D, 1D"):
        a.ger(b[0])
    with pytest.raises(RuntimeError, match="equal number of batches expected, got 1, 2"):
        tensorlib.ones(1, 2, 3).bmm(tensorlib.ones(2, 3, 4))
    with pytest.raises(RuntimeError, match="must match the existing size"):
        tensorlib.ones(5).addmm(a, b.t())
    with pytest.raises(RuntimeError, match="incorrect size"):
        tensorlib.ones(2).addmm_(a, b.t())
    with pytest.raises(RuntimeError, match="singular"):
        tensorlib.ones(2, 2).inverse()
    with pytest.raises(TypeError):
        a.mm(b.t().double())


# ---- derivatives -------------------------------------------------------------------------------------------------

ROWS = [rows.mm, rows.mv, rows.ger, rows.dot, rows.bmm, rows.addmm, rows.addmv, rows.addr, rows.addbmm, rows.baddbmm,
        rows.trace, rows.tril, rows.triu, rows.cross, rows.diag, rows.diagonal_matrix, rows.inverse]


def numeric_gradient(call, arrays, weights):
    """Central differences of sum(call * weights) for each array."""
    found = []
    for a in arrays:
        g = np.zeros_like(a)
        for place in np.ndindex(*a.shape):
            kept = a[place]
            a[place] = kept + 1e-5
            up = (call() * weights).sum()
            a[place] = kept - 1e-5
            g[place] = (up - (call() * weights).sum()) / 2e-5
            a[place] = kept
        found.append(g)
    return found


@pytest.mark.parametrize("row, sample", [(r, s) for r in ROWS for s in r.row.samples if np.prod(s.sizes[0]) < 100],
                         ids=lambda x: getattr(x, "name", repr(x)))
def test_first_and_second_derivatives(row, sample):
    rng = np.random.RandomState(10)
    arrays = [rng.uniform(-1, 1, size) for size in sample.sizes]
    if row is rows.inverse:
        arrays[0] += 3 * np.eye(3)

    def arguments(make):
        tensors = iter([make(a) for a in arrays])
        return [sample.other[p] if p in sample.other else next(tensors) for p in row.params]

    out = row(*arguments(tensor)).numpy()
    weights = rng.uniform(0.5, 1, out.shape)
    variables = arguments(lambda a: Variable(tensor(a.copy()), requires_grad=True))
    leaves = [v for v in variables if isinstance(v, Variable)]
    first = grad(row(*variables), leaves, Variable(tensor(weights)), create_graph=True)
    for got, want in zip(first, numeric_gradient(lambda: row(*arguments(tensor)).numpy(), arrays, weights)):
        np.testing.assert_allclose(got.data.numpy(), want, atol=1e-6)
    if not any(g.requires_grad for g in first):
        return

    def squares():
        again = arguments(lambda a: Variable(tensor(a.copy()), requires_grad=True))
        mine = [v for v in again if isinstance(v, Variable)]
        return np.array([sum((g.data.numpy() ** 2).sum() for g in grad(row(*again), mine, tensor(weights)))])

    total = sum((g * g).sum() for g in first)
    total.backward()
    for leaf, want in zip(leaves, numeric_gradient(squares, arrays, np.ones(1))):
        got = np.zeros_like(want) if leaf.grad is None else leaf.grad.data.numpy()
        np.testing.assert_allclose(got, want, atol=1e-5, rtol=1e-5)


def test_gesv_gradient():
    rng = np.random.RandomState(11)
    b, a = rng.randn(3, 2), rng.randn(3, 3) + 3 * np.eye(3)
    vb, va = Variable(tensor(b), requires_grad=True), Variable(tensor(a.copy()), requires_grad=True)
    vb.gesv(va)[0].sum().backward()
    want = numeric_gradient(lambda: np.linalg.solve(a, b), [b, a], np.ones((3, 2)))
    np.testing.assert_allclose(vb.grad.data.numpy(), want[0], atol=1e-7)
    np.testing.assert_allclose(va.grad.data.numpy(), want[1], atol=1e-7)


# ---- LAPACK --------------------------------------------------------------------------------------------------------

@pytest.fixture(params=REAL)
def near(request):
    """Compare a tensor or array with an array, to the precision of the type; `near.dtype` is the type."""
    def compare(got, want):
        got = got if isinstance(got, np.ndarray) else got.numpy()
        tolerance = 1e-3 if request.param == np.float32 else 1e-9
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    compare.dtype = request.param
    return compare


def random_matrix(dtype, *size):
    return np.random.RandomState(12).randn(*size).astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_solving(near, layout):
    a, b = random_matrix(near.dtype, 5, 5), random_matrix(near.dtype, 5, 2)
    near(tensor(a, layout).inverse(), np.linalg.inv(a))
    x, lu = tensor(b, layout).gesv(tensor(a, layout))
    near(x, np.linalg.solve(a, b))
    assert x.stride() == (1, 5) and tuple(lu.size()) == (5, 5)
    near(tensor(b).trtrs(tensor(a, layout))[0], np.linalg.solve(np.triu(a), b))
    near(tensor(b).trtrs(tensor(a, layout), False, True, True)[0], np.linalg.solve((np.tril(a, -1) + np.eye(5)).T, b))
    for m, n in ((5, 3), (3, 5)):
        c, d = a[:m, :n], b[:m]
        near(tensor(d).gels(tensor(c, layout))[0], np.linalg.lstsq(c, d, rcond=None)[0])


def test_solving_batches(near):
    a, b = random_matrix(near.dtype, 3, 4, 4), random_matrix(near.dtype, 3, 4, 2)
    lu, pivots = tensor(a, "columns").btrifact()
    near(tensor(b).btrisolve(lu, pivots), np.linalg.solve(a, b))
    near(tensor(b[..., 0]).btrisolve(lu, pivots), np.linalg.solve(a, b)[..., 0])
    p, lower, upper = tensorlib.btriunpack(lu, pivots)
    near(p.bmm(lower).bmm(upper), a)
    info = tensorlib.IntTensor()
    tensor(a * 0).btrifact(info=info)
    assert list(info) == [1, 1, 1]


def test_cholesky(near):
    g = random_matrix(near.dtype, 4, 4)
    a, b = g @ g.T + np.eye(4, dtype=near.dtype), random_matrix(near.dtype, 4, 2)
    for upper in (True, False):
        factor = tensor(a).potrf(upper)
        near(factor, np.linalg.cholesky(a).T if upper else np.linalg.cholesky(a))
        near(tensor(b).potrs(factor, upper), np.linalg.solve(a, b))
        near(factor.potri(upper), np.linalg.inv(a))
        f, order = tensor(a).pstrf(upper)
        f = f.numpy().T if upper else f.numpy()
        near(f @ f.T, a[np.ix_(order.numpy(), order.numpy())])
    assert (np.diff(np.abs(f.diagonal())) <= 0).all()


@pytest.mark.parametrize("size", [(5, 3), (3, 5), (4, 4)])
def test_qr_and_svd(near, size):
    a, small = random_matrix(near.dtype, *size), min(size)
    q, r = tensor(a).qr()
    near(q.mm(r), a)
    near(q.t().mm(q), np.eye(small))
    packed, tau = tensor(a).geqrf()
    near(packed.triu().abs()[:small], np.abs(r.numpy()))
    if size[0] >= size[1]:
        near(packed.orgqr(tau)[0], q.numpy())
    for some in (True, False):
        u, s, v = tensor(a).svd(some)
        near(u.numpy()[:, :small] @ np.diag(s.numpy()) @ v.numpy()[:, :small].T, a)
        near(v.t().mm(v), np.eye(small if some else size[1]))


def test_products_with_packed_q(near):
    a, c = random_matrix(near.dtype, 4, 4), random_matrix(near.dtype, 4, 2)
    packed, tau = tensor(a).geqrf()
    q = packed.orgqr(tau)[0].numpy()
    near(packed.ormqr(tau, tensor(c))[0], q @ c)
    near(packed.ormqr(tau, tensor(c), True, True)[0], q.T @ c)
    near(packed.ormqr(tau, tensor(c).t(), False)[0], c.T @ q)
    near(packed.ormqr(tau, tensor(c).t(), False, True)[0], c.T @ q.T)


def test_eigenvalues(near):
    a = random_matrix(near.dtype, 5, 5)
    for upper in (True, False):
        e, v = tensor(a).symeig(True, upper)
        half = np.triu(a, 1) if upper else np.tril(a, -1)
        near(v.numpy() @ np.diag(e.numpy()) @ v.numpy().T, half + half.T + np.diag(a.diagonal()))
    e, v = [t.numpy() for t in tensor(a).eig(True)]
    for j in range(5):
        if e[j, 1] == 0:
            near(a @ v[:, j], e[j, 0] * v[:, j])
        elif e[j, 1] > 0:
            vector = v[:, j] + 1j * v[:, j + 1]
            near(a @ vector, (e[j, 0] + 1j * e[j, 1]) * vector)
    assert tensor(a).eig()[1].numel() == 0
