"""The elementwise driver on large operands that lie across the output, repeat or overlap: against NumPy."""
import numpy as np
import pytest

import tensorlib
from tensorlib._ops.dispatch import DTYPE_NAMES, has_kernel, kernel_names
from tensorlib._ops.elementwise import NUMBERS, Pointwise

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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", TYPES)
def test_any_order_of_dims_and_steps(dtype, threads):
    """Rows of all lengths, also of one or two elements, that begin anywhere; parts of a row go to each thread."""
    rng = np.random.RandomState(3)
    before = tensorlib.get_num_threads()
    tensorlib.set_num_threads(threads)
    try:
        for trial in range(60):
            sizes = rng.choice([1, 2, 3, 7, 33, 40, 65], rng.randint(1, 5))
            if trial < 4:
                sizes = np.array([[8, 2, 40, 60, 2], [300, 3, 50, 2, 1], [40, 9, 7, 2, 31], [70, 5, 4, 80, 1]][trial])
            order = rng.permutation(len(sizes))
            a = numbers(dtype, *sizes + 2)
            cut = tuple(slice(1, 1 + n) for n in sizes)
            x, want = tensor(a)[cut].permute(*map(int, order)), a[cut].transpose(order)
            assert (array(x.contiguous()) == want).all()
            assert (array(x + x.contiguous()) == want + want).all()
            written = tensor(np.zeros_like(a))
            written[cut].permute(*map(int, order)).copy_(x)
            assert (array(written)[cut] == a[cut]).all() and written.long().sum() == a[cut].astype(np.int64).sum()
    finally:
        tensorlib.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", TYPES)
def test_short_rows(dtype, threads):
    """Copies of rows of any length, that overlap where they are read; threads begin and end within rows."""
    a = numbers(dtype, 40, 700)
    before = tensorlib.get_num_threads()
    tensorlib.set_num_threads(threads)
    try:
        for n in (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 32, 33, 63, 64, 65, 128, 129, 300):
            windows, want = tensor(a).unfold(1, n, 3), np.lib.stride_tricks.sliding_window_view(a, n, 1)[:, ::3]
            assert (array(windows.contiguous()) == want).all()
            framed = tensor(np.zeros_like(a, shape=(*want.shape[:2], n + 2)))
            framed[:, :, 1:-1].copy_(windows)
            assert (array(framed) == np.pad(want, [(0, 0), (0, 0), (1, 1)])).all()
    finally:
        tensorlib.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", TYPES)
def test_short_rows_of_any_operands(dtype, threads):
    """Kernels get many short rows at once, packed where they do not follow each other: columns, repeated and transposed
    operands, slices, and outputs that are some of those; in more than two dims, with a last group of fewer rows."""
    before = tensorlib.get_num_threads()
    tensorlib.set_num_threads(threads)
    try:
        for n in (2, 3, 5, 8, 9, 16, 17, 63, 64, 65, 127, 128):
            rows = 140000 // n // 2 if n in (5, 17, 64) else 90
            a, b, wide = (numbers(dtype, *size) for size in ((2, rows, n), (n, 2, rows), (2, rows, n + 3)))
            x, turned, want = tensor(a), tensor(b).permute(1, 2, 0), b.transpose(1, 2, 0)
            cuts = [np.s_[:, :, 2:-1], np.s_[:, :, :1], np.s_[:, 3:4, 1:-2], np.s_[1:2, :, 1:-2], np.s_[:1, :1, :1]]
            for other, array_of in [(turned, want)] + [(tensor(wide)[cut], wide[cut]) for cut in cuts]:
                assert (array(x + other) == a + array_of).all()
                assert (array(other - x) == array_of - a).all()
                assert (array(turned + other) == want + array_of).all()
                assert (array(x > other) == (a > array_of)).all()
                assert (array(x.clone().mul_(other)) == a * array_of).all()
                for into in (tensor(wide), tensor(b)):
                    y = into[:, :, 1:-2] if into.size() == wide.shape else into.permute(1, 2, 0)
                    before_it = array(y.contiguous()).copy()
                    y.add_(other)
                    assert (array(y.contiguous()) == before_it + array_of).all()
                assert (array(into.permute(1, 2, 0).contiguous()) == want + array_of).all()
    finally:
        tensorlib.set_num_threads(before)


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


WITH_NUMBERS = [name for name in kernel_names() if name + "_number" in kernel_names() and not name.startswith("from_")]
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-42, 3e38]


def operands(name, dtype, size):
    """A tensor for each operand of a kernel."""
    rng = np.random.RandomState(2)
    count = {"clamp": 3, "lerp": 3, "add_scaled": 3, "sub_scaled": 3, "addcmul": 4, "addcdiv": 4}.get(name, 2)
    values = rng.randint(1, 5, (count,) + size) if dtype < 6 else rng.choice(SPECIAL, (count,) + size)
    return [getattr(tensorlib.from_numpy(v.astype(np.float64)), DTYPE_NAMES[dtype].lower())() for v in values]


@pytest.mark.parametrize("size", [(3,), (257,), (40, 33), (130, 400)], ids=str)
@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_numbers_are_like_full_tensors(name, size):
    """The form of a kernel that takes numbers gives the same bits as the one that takes rows, whatever the layout."""
    for dtype in range(8):
        if not has_kernel(name, dtype):
            continue
        args = operands(name, dtype, size)
        places = [place - 1 for place in NUMBERS.get(name, (len(args),))]
        op = Pointwise(name, len(args), to_byte=name in ("eq", "ne", "lt", "le", "gt", "ge"))
        for number in ([0.0, -0.0, np.nan, np.inf, -2.5, 3.0] if dtype > 5 else [1, 3]):
            if name == "pow" and number == 3:
                continue                                        # multiplied out: rounded twice
            full = [a.clone().fill_(number) if i in places else a for i, a in enumerate(args)]
            one = [number if i in places else a for i, a in enumerate(args)]
            turned = [number if i in places else a.t().contiguous().t() if a.dim() == 2 else a[::1]
                      for i, a in enumerate(args)]
            wanted = op(*full).numpy() if dtype != 1 else op(*full).long().numpy()
            for given in (one, turned):
                got = op(*given)
                np.testing.assert_array_equal(got.numpy() if dtype != 1 else got.long().numpy(), wanted)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/"])
def test_columns_on_either_side(symbol, threads):
    """A number for each row, as first operand too, where the two are exchanged."""
    rng = np.random.RandomState(3)
    before = tensorlib.get_num_threads()
    tensorlib.set_num_threads(threads)
    try:
        for a, b in [((300, 1), (1, 400)), ((1, 400), (300, 1)), ((300, 400), (300, 1)), ((300, 1), (300, 400)),
                     ((5, 6, 1, 1), (5, 6, 60, 61)), ((6, 1, 70), (5, 1, 60, 1)), ((1,), (50, 900))]:
            x, y = (rng.uniform(1, 2, size).astype(np.float32) for size in (a, b))
            assert (array(eval("x %s y" % symbol, {"x": tensor(x), "y": tensor(y)})) == eval("x %s y" % symbol)).all()
    finally:
        tensorlib.set_num_threads(before)


@pytest.mark.parametrize("dtype", TYPES)
def test_filled_windows(dtype):
    x = numbers(dtype, 90, 70)
    for window in (np.s_[:], np.s_[3:50, 7:9], np.s_[::2], np.s_[:, ::3], np.s_[5]):
        mine, wanted = tensor(x), x.copy()
        mine[window], wanted[window] = 7, 7
        assert (array(mine) == wanted).all()
    column = tensor(x[:, :1])
    assert (array(column.expand(90, 500).contiguous()) == np.broadcast_to(x[:, :1], (90, 500))).all()


def test_clamp_keeps_nan_and_minds_crossed_bounds():
    x = np.array([np.nan, -3, -0.0, 0.0, 1, 5, np.inf, -np.inf] * 40, np.float32)
    for low, high in [(-1, 1), (0, 0), (2, -2), (-np.inf, np.inf), (np.inf, np.inf), (-0.0, 4)]:
        wanted = np.where(x < low, np.float32(low), np.where(x > high, np.float32(high), x))
        for n in (8, 320):
            np.testing.assert_array_equal(array(tensor(x[:n]).clamp(low, high)), wanted[:n])
