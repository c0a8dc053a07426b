"""Operations on many elements against NumPy, at one and several threads: masks, positions, running sums, ramps."""
import numpy as np
import pytest

import tensorlib

SIZES = [(300, 417), (41, 1000), (90000,), (7, 130, 100), (40000, 3)]


@pytest.fixture(params=[1, 2, 3, 7], autouse=True)
def threads(request):
    before = tensorlib.get_num_threads()
    tensorlib.set_num_threads(request.param)
    yield
    tensorlib.set_num_threads(before)


def of(array):
    return tensorlib.from_numpy(array.copy())


def numbers(size, dtype, seed=0):
    rng = np.random.RandomState(seed)
    return (rng.randn(*size) * 30).astype(dtype)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 1])
def test_masks(size, share):
    x, flags = numbers(size, "float32"), np.random.RandomState(1).rand(*size) < share
    mask = of(flags.astype(np.uint8))
    assert (of(x).masked_fill_(mask, 7).numpy() == np.where(flags, np.float32(7), x)).all()
    turned = of(np.ascontiguousarray(np.swapaxes(x, 0, -1))).transpose(0, x.ndim - 1)
    assert (turned.masked_fill_(mask, 7).numpy() == np.where(flags, np.float32(7), x)).all()
    wanted = x.copy()
    wanted[flags] = numbers((flags.sum(),), "float32", 2)
    assert (of(x).masked_scatter_(mask, of(numbers((x.size,), "float32", 2)[:max(1, flags.sum())])).numpy()
            == wanted).all() or not flags.any()
    if not flags.any():
        assert mask.nonzero().dim() == 0 and of(x).masked_select(mask).dim() == 0
        return
    assert (of(x).masked_select(mask).numpy() == x[flags]).all()
    assert (mask.nonzero().numpy() == np.argwhere(flags)).all()
    assert (of(np.where(flags, x, 0)).nonzero().numpy() == np.argwhere(np.where(flags, x, 0))).all()


def test_a_mask_of_other_numbers_is_refused():
    for place in (0, 50000, 99999):
        mask = np.ones(100000, np.uint8)
        mask[place] = 3
        with pytest.raises(RuntimeError, match="Mask tensor can take 0 and 1 values only"):
            tensorlib.zeros(100000).masked_fill_(of(mask), 1)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize("dim", [0, 1])
def test_positions(dim, dtype):
    rng = np.random.RandomState(3)
    x, y = numbers((300, 400), dtype), numbers((300, 400), dtype, 1)
    index = rng.randint(0, x.shape[dim], x.shape)
    assert (of(x).gather(dim, of(index)).numpy() == np.take_along_axis(x, index, dim)).all()
    turned = rng.rand(*x.shape).argsort(dim)            # each position once, so that their order does not matter
    wanted = x.copy()
    np.put_along_axis(wanted, turned, y, dim)
    assert (of(x).scatter_(dim, of(turned), of(y)).numpy() == wanted).all()
    whole = np.round(numbers((300, 400), "float64")).astype(dtype)
    wanted = whole.copy()
    places = np.indices(x.shape)
    places[dim] = index
    np.add.at(wanted, tuple(places), whole)
    assert (of(whole).scatter_add_(dim, of(index), of(whole)).numpy() == wanted).all()
    for some in (rng.randint(0, x.shape[dim], 250), np.array([2])):
        assert (of(x).index_select(dim, of(some)).numpy() == np.take(x, some, dim)).all()
        wanted = x.copy()
        wanted[(slice(None),) * dim + (some,)] = 5
        assert (of(x).index_fill_(dim, of(some), 5).numpy() == wanted).all()


def test_one_position_outside_is_found():
    for place in (0, 60000, 119999):
        index = np.zeros(120000, np.int64)
        index[place] = 400
        with pytest.raises(RuntimeError, match="400"):
            tensorlib.zeros(300, 400).gather(1, of(index.reshape(300, 400)))


@pytest.mark.parametrize("size", [(300, 417), (41, 1000), (90000,), (7, 130, 100), (40000, 3), (4, 10000), (6, 9000)],
                         ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_running_sums_and_products(dtype, size):
    x = numbers(size, dtype)
    near = (1 + numbers(size, "float64") / 3e4).astype(dtype) if dtype[0] == "f" else x
    for dim in range(x.ndim):
        wanted = np.cumsum(x, dim, dtype="float64" if dtype[0] == "f" else dtype)
        np.testing.assert_allclose(of(x).cumsum(dim).numpy(), wanted.astype(dtype), rtol=1e-6, atol=1e-6)
        turned = of(np.ascontiguousarray(np.swapaxes(x, 0, -1))).transpose(0, x.ndim - 1)
        np.testing.assert_allclose(turned.cumsum(dim).numpy(), wanted.astype(dtype), rtol=1e-6, atol=1e-6)
        wanted = np.cumprod(near, dim, dtype="float64" if dtype[0] == "f" else dtype)
        np.testing.assert_allclose(of(near).cumprod(dim).numpy(), wanted.astype(dtype), rtol=1e-6)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, 4, 7.3])
def test_norms(p):
    x = numbers((130, 700), "float32")
    x[3, 5] = 0
    for dtype in ("float32", "float64"):
        wide = np.abs(x.astype("float64"))
        wanted = (wide ** p).sum() ** (1 / p)
        assert abs(of(x.astype(dtype)).norm(p) - wanted) < 1e-6 * wanted
        for dim in (0, 1):
            np.testing.assert_allclose(of(x.astype(dtype)).norm(p, dim).numpy(), (wide ** p).sum(dim) ** (1 / p),
                                       rtol=1e-6)


@pytest.mark.parametrize("n", [16, 17, 28, 31, 64, 100, 255, 256, 1000])
def test_sums_of_short_rows(n):
    x = numbers((900, n), "float32")
    np.testing.assert_allclose(of(x).sum(1).numpy(), x.astype("float64").sum(1), rtol=1e-5, atol=2e-3)


def test_inner_and_outer_products():
    for dtype in ("float32", "float64", "int64", "int32"):
        a, b = numbers((70001,), dtype), numbers((70001,), dtype, 1)
        wanted = (a.astype("float64") * b).sum()
        assert abs(of(a).dot(of(b)) - wanted) <= 1e-5 * (np.abs(a.astype("float64") * b)).sum()
        assert abs(of(np.repeat(a, 2))[::2].dot(of(b)) - wanted) <= 1e-5 * (np.abs(a.astype("float64") * b)).sum()
        c, d = a[:300], b[:400]
        assert (tensorlib.ger(of(c), of(d)).numpy() == np.outer(c, d)).all()
        assert (tensorlib.ger(of(np.repeat(c, 2))[::2], of(d)).numpy() == np.outer(c, d)).all()


def test_equal():
    for size in SIZES:
        x = numbers(size, "float32")
        assert of(x).equal(of(x))
        for place in (0, x.size // 2, x.size - 1):
            y = x.copy()
            y.ravel()[place] += 1
            assert not of(x).equal(of(y))
    x[0] = np.nan
    assert not of(x).equal(of(x))
    assert of(numbers((300, 400), "int64")).t().equal(of(np.ascontiguousarray(numbers((300, 400), "int64").T)))


@pytest.mark.parametrize("diagonal", [-200, -1, 0, 3, 350])
def test_triangles(diagonal):
    x = numbers((300, 417), "float32")
    assert (of(x).tril(diagonal).numpy() == np.tril(x, diagonal)).all()
    assert (of(np.ascontiguousarray(x.T)).t().triu(diagonal).numpy() == np.triu(x, diagonal)).all()


def test_ramps():
    assert (tensorlib.arange(0, 100000).numpy() == np.arange(100000, dtype="float32")).all()
    assert (tensorlib.arange(5, -90000.5, -1.5).double().numpy() == np.arange(5, -90000.5, -1.5)).all()
    for kind in ("Byte", "Short", "Int", "Long", "Double"):
        out = getattr(tensorlib, kind + "Tensor")()
        tensorlib.arange(3, 70000, 7, out=out)
        assert (out.numpy() == np.arange(3, 70000, 7).astype(out.numpy().dtype)).all()
    out = tensorlib.LongTensor()
    tensorlib.arange(2 ** 62, 2 ** 62 + 50000, out=out)
    assert out.numpy()[-1] == 2 ** 62 + 49999
    np.testing.assert_allclose(tensorlib.linspace(-3, 5, 40001).numpy(), np.linspace(-3, 5, 40001), rtol=1e-6)
    with pytest.raises(OverflowError):
        tensorlib.arange(2 ** 63 - 5, 2 ** 63 + 5, out=out)


@pytest.mark.parametrize("size", [(300, 400), (50, 4, 300), (9, 20000)], ids=str)
def test_slices_named_more_than_once(size):
    """Threads share rows by their positions: sums keep their order, and of copies the last one stays."""
    index = np.random.RandomState(5).randint(0, size[0], 3 * size[0])
    x, y = numbers(size, "float32"), numbers((len(index),) + size[1:], "float32", 1)
    added, copied = x.copy(), x.copy()
    for i, row in zip(index, y):
        added[i] += row
        copied[i] = row
    assert (of(x).index_add_(0, of(index), of(y)).numpy() == added).all()
    assert (of(x).index_copy_(0, of(index), of(y)).numpy() == copied).all()


@pytest.mark.parametrize("reach", [0, 1, 200, 256, 70000, 2 ** 32 - 1, 2 ** 32, 2 ** 62])
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_long_numbers_of_a_range(reach, descending):
    """Keys are as short as the range lets them be; equal elements keep their order."""
    rng = np.random.RandomState(6)
    for start in (-reach // 2, 2 ** 63 - 1 - reach, -2 ** 63):
        x = np.array([start + int(v) for v in rng.randint(0, reach + 1, 6000)]).astype(np.int64).reshape(20, 300)
        x[0, :2] = start, start + reach
        values, places = of(x).sort(1, descending)
        wanted = np.argsort(~x if descending else x, axis=1, kind="stable")
        assert (places.numpy() == wanted).all()
        assert (values.numpy() == np.take_along_axis(x, wanted, 1)).all()
