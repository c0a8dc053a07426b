"""Random numbers: values recorded from PyTorch 2.13, mixed calls against an installed PyTorch, errors, states."""
import copy
import hashlib
import math
import pickle
import random
import threading
import warnings

import numpy as np
import pytest

import tensorlib

INTEGER = ("Byte", "Char", "Short", "Int", "Long")
REAL = ("Float", "Double")
NUMPY = dict(Byte=np.uint8, Char=np.int8, Short=np.int16, Int=np.int32, Long=np.int64, Float=np.float32,
             Double=np.float64)


def new(kind, *size):
    return getattr(tensorlib, kind + "Tensor")(*size)


def seeded(seed=42):
    tensorlib.manual_seed(seed)


# ---- recorded values: PyTorch 2.13 after manual_seed(42) --------------------------------------------------

RECORDED = {
    "rand": (lambda: tensorlib.rand(5),
             [0.8822692632675171, 0.9150039553642273, 0.38286375999450684, 0.9593056440353394, 0.3904482126235962]),
    "uniform_ of doubles": (lambda: new("Double", 3).uniform_(),
                            [0.05815448596142969, 0.06291016742457756, 0.12358607277440903]),
    "uniform_ of a range": (lambda: new("Float", 3).uniform_(-0.3, 1.1),
                            [0.9351770281791687, 0.9810056090354919, 0.23600928485393524]),
    "uniform_ of a transpose": (lambda: new("Float", 3, 2).t().uniform_(),
                                [0.8822692632675171, 0.38286375999450684, 0.3904482126235962, 0.9150039553642273,
                                 0.9593056440353394, 0.600895345211029]),
    "more than one block": (lambda: tensorlib.rand(700).numpy()[[0, 623, 624, 699]],
                            [0.8822692632675171, 0.2202964425086975, 0.4897902011871338, 0.9596949815750122]),
    "bernoulli_": (lambda: new("Float", 10).bernoulli_(0.3), [1, 1, 1, 1, 0, 0, 0, 0, 1, 1]),
    "bernoulli of floats": (lambda: tensorlib.bernoulli(new("Float", 10).fill_(0.3)), [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]),
    "bernoulli of doubles": (lambda: new("Double", 10).fill_(0.3).bernoulli(), [1, 1, 1, 1, 0, 0, 0, 0, 1, 1]),
    "geometric_": (lambda: new("Float", 6).geometric_(0.3), [8, 8, 6, 9, 2, 3]),
    "randperm": (lambda: tensorlib.randperm(10), [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]),
    "random_ to": (lambda: new("Long", 8).random_(10), [2, 7, 6, 4, 6, 5, 0, 4]),
    "random_ of a wide range": (lambda: new("Long", 3).random_(-5, 2 ** 40),
                                [441476371554, 395845085946, 458553876606]),
    "multinomial": (lambda: new("Float", [1, 2, 3, 4]).multinomial(3), [3, 1, 2]),
    "multinomial with replacement": (lambda: tensorlib.multinomial(new("Float", [1, 2, 3, 4]), 8, True),
                                     [0, 0, 1, 0, 2, 2, 3, 3]),
}
RANGES = dict(
    Byte=[102, 179, 92], Char=[102, 51, 92], Short=[23654, 15795, 860], Int=[1608637542, 1273642419, 1935803228],
    Long=[6909045637428952499, 8314211556539077902, 4279532810384561223], Float=[14801927, 15351016, 6423145],
    Double=[523809042610868, 566644413140339, 1113164382588524])
ROUNDED = {     # through the C library's functions, or float ones of ours
    "randn": (lambda: tensorlib.randn(5), [
        0.33669036626815796, 0.12880940735340118, 0.23446236550807953, 0.23033303022384644, -1.1228563785552979]),
    "randn by blocks": (lambda: tensorlib.randn(20), [
        1.9269152879714966, 1.4872840642929077, 0.9007171988487244, -2.1055209636688232, -0.7581311464309692,
        1.078317642211914, 0.8008005619049072, 1.680620551109314, 0.3558599054813385, -0.6866229772567749,
        -0.4933563470840454, 0.2414877861738205, -0.2316243201494217, 0.041759490966796875, -0.2515752911567688,
        0.859858512878418, -0.3097267746925354, -0.3957104980945587, 0.8034093379974365, -0.6215953826904297]),
    "normal_ of doubles": (lambda: new("Double", 5).normal_(), [
        0.33669035438385886, 0.1288094051365897, 0.23446236336153173, 0.2303330279146119, -1.1228563767381703]),
    "normal_ of doubles by blocks": (lambda: new("Double", 18).normal_(), [
        0.2995562877502637, 0.24237779080894106, 1.2715909667771088, 0.618669993885617, -0.03720300727052493,
        1.0352472972512925, -0.010085521702337353, 0.08948016046560357, 0.038435238263354446, -0.11824373914203358,
        -0.5798414554742108, 0.875893884648022, 0.39238484373268534, 1.108461181451433, 0.8651734647119074,
        0.855215961472287, 0.2494118796915765, 0.2615836907112959]),
    "exponential_": (lambda: new("Float", 3).exponential_(1.5),
                     [0.039942678064107895, 0.04331741854548454, 0.08794452250003815]),
    "cauchy_": (lambda: new("Float", 3).cauchy_(0.5, 2), [-10.32497501373291, -9.487401962280273, -4.389748573303223]),
    "log_normal_": (lambda: new("Float", 3).log_normal_(0.1, 0.5),
                    [1.3077985048294067, 1.1786912679672241, 1.2426313161849976]),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name):
    draw, expected = RECORDED[name]
    seeded()
    assert list(np.ravel(numbers(draw()))) == expected


@pytest.mark.parametrize("name", ROUNDED)
def test_recorded_rounded(name):
    draw, expected = ROUNDED[name]
    seeded()
    drawn = draw()
    tolerance = 1e-6 if isinstance(drawn, tensorlib.FloatTensor) else 1e-14
    np.testing.assert_allclose(numbers(drawn), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", RANGES)
def test_recorded_ranges(kind):
    seeded()
    assert [int(x) for x in new(kind, 3).random_()] == RANGES[kind]


def test_recorded_mix():
    """Small normals come in pairs; the second of a pair waits through whatever is drawn in between."""
    seeded()
    drawn = (list(new("Float", 3).normal_()) + list(tensorlib.rand(2)) + list(new("Double", 2).normal_(1, 2))
             + list(tensorlib.randperm(3)) + list(new("Float", 1).normal_()) + list(tensorlib.randn(16))[:2]
             + list(new("Long", 1).random_(100)))
    expected = [0.33669036626815796, 0.12880940735340118, 0.23446236550807953, 0.9407714605331421, 0.13318592309951782,
                1.4606660558292237, -3.932114102861064, 0, 1, 2, 0.36228621006011963, 1.6423169374465942,
                -0.1595974713563919, 75]
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)


@pytest.mark.parametrize("seed, expected", [(2 ** 40 + 7, [0.5349225401878357, 0.19880318641662598]),
                                            (-1, [0.9937993884086609, 0.5713063478469849])])
def test_recorded_seeds(seed, expected):
    seeded(seed)
    assert list(tensorlib.rand(2)) == expected


def test_recorded_state():
    seeded()
    new("Float", 3).normal_()
    state = tensorlib.get_rng_state()
    assert state.size() == (5056,) and isinstance(state, tensorlib.ByteTensor)
    assert hashlib.sha256(state.numpy().tobytes()).hexdigest() == \
        "465eb69e777fa9219f5c7fe27ddd8c19305fee009fb9ff06a4c8ea775fec0b7d"


def numbers(x):
    return x.numpy() if isinstance(x, tensorlib.TensorBase) else np.array(x)


# ---- mixed calls against PyTorch --------------------------------------------------------------------------

class Pair:
    """Draws the same from both packages and compares, the generators' states too."""

    def __init__(self, torch, rng):
        self.torch, self.rng = torch, rng

    def tensors(self, kind):
        """Two tensors of one size and layout: contiguous, permuted or strided."""
        rng = self.rng
        size = [rng.choice([1, 2, 3, 4, 5, 7]) for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.3:
            size = [rng.choice([15, 16, 17, 32, 100, 623, 624, 625, 1500])]
        dims = list(range(len(size)))
        rng.shuffle(dims)
        ours, theirs = new(kind, *size).permute(*dims), self.torch.zeros(size, dtype=self.dtype(kind)).permute(*dims)
        return (ours[::2], theirs[::2]) if rng.random() < 0.3 and ours.size(0) > 1 else (ours, theirs)

    def dtype(self, kind):
        return getattr(self.torch, np.dtype(NUMPY[kind]).name)

    def weights(self, *size, kind):
        """The same numbers of (0, 1) in both."""
        a = np.random.RandomState(self.rng.randrange(2 ** 31)).uniform(0.01, 1, size).astype(NUMPY[kind])
        return tensorlib.from_numpy(a), self.torch.from_numpy(a)

    def fill(self, kind, name, *args, tolerance=0.0):
        ours, theirs = self.tensors(kind)
        getattr(ours, name)(*args)
        getattr(theirs, name)(*args)
        self.check(ours, theirs, tolerance)

    def check(self, ours, theirs, tolerance=0.0):
        ours, theirs = ours.contiguous().numpy(), theirs.contiguous().numpy()
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
        state = tensorlib.get_rng_state().numpy(), self.torch.get_rng_state().numpy()
        assert (state[0] == state[1]).all()

    # One method for each kind of call.

    def uniform(self):
        self.fill(self.rng.choice(REAL), "uniform_", *sorted([self.rng.uniform(-3, 3), self.rng.uniform(-3, 3)]))

    def normal(self):
        kind = self.rng.choice(REAL)
        self.fill(kind, "normal_", self.rng.uniform(-2, 2), self.rng.uniform(0, 3),
                  tolerance=2e-6 if kind == "Float" else 1e-15)

    def random_range(self):
        self.fill(self.rng.choice(INTEGER + REAL), "random_")

    def random_to(self):
        kind = self.rng.choice(INTEGER + REAL)
        high = 2 ** 31 if kind in ("Int", "Long") + REAL else 127
        choices = self.rng.randint(1, 127), self.rng.randint(1, high - 1), high // 8, high // 8 - 1
        self.fill(kind, "random_", self.rng.choice(choices))

    def random_between(self):
        kind = self.rng.choice(INTEGER + REAL)
        limit = dict(Byte=255, Char=127, Short=2 ** 15 - 1, Int=2 ** 31 - 1, Long=2 ** 63 - 1, Float=2 ** 24,
                     Double=2 ** 53)[kind]
        low = 0 if kind == "Byte" else -limit
        low, high = sorted([self.rng.randint(low, limit - 1), self.rng.randint(low, limit - 1)])
        self.fill(kind, "random_", low, high + 1)

    def bernoulli(self):
        self.fill(self.rng.choice(INTEGER + REAL), "bernoulli_", self.rng.random())

    def bernoulli_by_tensor(self):
        ours, theirs = self.tensors(self.rng.choice(REAL))
        p, q = self.weights(*theirs.shape, kind=self.rng.choice(REAL))
        self.check(ours.bernoulli_(p), theirs.bernoulli_(q))
        self.check(tensorlib.bernoulli(p), self.torch.bernoulli(q))

    def exponential(self):
        self.fill(self.rng.choice(REAL), "exponential_", self.rng.uniform(0.1, 3), tolerance=1e-15)

    def geometric(self):
        self.fill(self.rng.choice(INTEGER + REAL), "geometric_", self.rng.uniform(0.4, 0.9))

    def cauchy(self):
        self.fill(self.rng.choice(REAL), "cauchy_", self.rng.uniform(-2, 2), 1.3, tolerance=1e-15)

    def log_normal(self):
        self.fill(self.rng.choice(REAL), "log_normal_", self.rng.uniform(-1, 1), 0.7, tolerance=1e-15)

    def randperm(self):
        n = self.rng.choice([1, 2, 5, 100, 1000])
        self.check(tensorlib.randperm(n), self.torch.randperm(n))

    def multinomial(self):
        rows, n = self.rng.randint(1, 4), self.rng.randint(2, 40)
        ours, theirs = self.weights(rows, n, kind=self.rng.choice(REAL))
        if self.rng.random() < 0.3:
            ours, theirs, n = ours.t(), theirs.t(), rows
        count, replacement = self.rng.randint(1, n), self.rng.random() < 0.5
        self.check(tensorlib.multinomial(ours, count, replacement), self.torch.multinomial(theirs, count, replacement))

    def normal_about_tensors(self):
        kind = self.rng.choice(REAL)
        mean, std = self.weights(5, 4, kind=kind), self.weights(5, 4, kind=kind)
        ours, theirs = self.rng.choice([((mean[0], 1.7), (mean[1], 1.7)), ((0.3, std[0]), (0.3, std[1])),
                                        ((mean[0], std[0]), (mean[1], std[1]))])
        self.check(tensorlib.normal(*ours), self.torch.normal(*theirs), 2e-6 if kind == "Float" else 1e-15)

    def exchange_states(self):
        tensorlib.set_rng_state(tensorlib.from_numpy(self.torch.get_rng_state().numpy()))


HELPERS = ("tensors", "dtype", "weights", "fill", "check")
CALLS = [name for name in vars(Pair) if not name.startswith("_") and name not in HELPERS]


@pytest.mark.filterwarnings("ignore:to - 1 is out of bounds")
@pytest.mark.parametrize("seed", range(8))
def test_mixed_calls_equal_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = random.Random(seed)
    pair = Pair(torch, rng)
    for start in (rng.randrange(2 ** 31), rng.randrange(2 ** 64), -rng.randrange(2 ** 62)):
        assert tensorlib.manual_seed(start).initial_seed() == torch.manual_seed(start).initial_seed()
        for _ in range(60):
            getattr(pair, rng.choice(CALLS))()


def test_float_bounds_move_inside_as_in_pytorch():
    torch = pytest.importorskip("torch")
    rng = random.Random(3)
    for k in (25, 26, 28, 31, 40, 62):
        for _ in range(10):
            low, high = sorted([rng.randint(-2 ** k, 2 ** k), rng.randint(-2 ** k, 2 ** k)])
            for kind, dtype in (("Float", torch.float32), ("Double", torch.float64)):
                seeded(k)
                torch.manual_seed(k)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected = torch.empty(4, dtype=dtype).random_(low, high + 2)
                assert list(new(kind, 4).random_(low, high + 2)) == expected.tolist()


@pytest.mark.parametrize("layer, arguments", [
    ("Linear", (784, 300)), ("Linear", (7, 3)), ("Bilinear", (3, 4, 5)), ("Conv1d", (4, 6, 3)), ("Conv2d", (3, 16, 5)),
    ("LSTM", (5, 8)), ("GRU", (5, 8, 2)), ("LSTMCell", (4, 5)), ("Embedding", (50, 16))])
def test_layers_start_as_in_pytorch(layer, arguments):
    """Bit for bit where weights are uniform, within rounding where normal (Embedding)."""
    torch = pytest.importorskip("torch")
    for seed in range(3):
        seeded(seed)
        torch.manual_seed(seed)
        ours, theirs = getattr(tensorlib.nn, layer)(*arguments), getattr(torch.nn, layer)(*arguments)
        expected = theirs.state_dict()
        assert set(expected) == set(ours.state_dict())
        for name, value in ours.state_dict().items():
            np.testing.assert_allclose(value.numpy(), expected[name].numpy(), rtol=1e-6 * (layer == "Embedding"))


def test_generators_are_copied_with_their_state():
    g = tensorlib.Generator().manual_seed(3)
    new("Float", 3).normal_(generator=g)
    for twin in (copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        assert twin.get_state().equal(g.get_state()) and twin.initial_seed() == 3


# ---- behaviour --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("call, moments", [
    (lambda x: x.uniform_(), (0.5, 1 / 12)), (lambda x: x.normal_(1, 2), (1, 4)),
    (lambda x: x.exponential_(2), (0.5, 0.25)), (lambda x: x.geometric_(0.25), (4, 12)),
    (lambda x: x.log_normal_(0, 0.5), (math.exp(0.125), (math.exp(0.25) - 1) * math.exp(0.25))),
    (lambda x: x.bernoulli_(0.3), (0.3, 0.21)), (lambda x: x.random_(7), (3, 4))])
def test_moments(call, moments):
    seeded()
    x = call(new("Double", 200000)).numpy()
    assert abs(x.mean() - moments[0]) < 0.02 * moments[1] ** 0.5
    assert abs(x.var() / moments[1] - 1) < 0.05


def test_defaults():
    """exp(normal) has mean 1 and deviation 2 of the normal, as in the original."""
    for name, arguments in dict(uniform_=(0, 1), normal_=(0, 1), log_normal_=(1, 2), cauchy_=(0, 1), exponential_=(1,),
                                bernoulli_=(0.5,)).items():
        seeded()
        first = getattr(new("Float", 40), name)()
        seeded()
        assert first.equal(getattr(new("Float", 40), name)(*arguments))
    seeded()
    first = new("Float", 5).uniform_(to=3)
    seeded()
    assert first.equal(new("Float", 5).uniform_(0, 3))


def test_fills_return_self_and_leave_the_rest():
    x = new("Float", 6, 6).zero_()
    part = x[1:4, ::2]
    assert part.normal_() is part
    touched = x.numpy() != 0
    assert touched[1:4, ::2].all() and touched.sum() == 9


def test_types():
    for kind in INTEGER:
        for name in ("uniform_", "normal_", "exponential_", "cauchy_", "log_normal_", "multinomial"):
            assert not hasattr(new(kind, 1), name)
        for name in ("random_", "geometric_", "bernoulli_"):
            assert hasattr(new(kind, 1), name)
    with pytest.raises(TypeError):
        tensorlib.bernoulli(new("Int", [1]))


def test_generator_argument():
    """Each generator has a sequence of its own."""
    g = tensorlib.Generator().manual_seed(7)
    seeded(7)
    expected = tensorlib.rand(4)
    state = tensorlib.get_rng_state()
    assert new("Float", 4).uniform_(generator=g).equal(expected)
    assert tensorlib.get_rng_state().equal(state) and g.get_state().equal(state)
    p = new("Float", [0.5, 0.5])
    for draw in (lambda **k: tensorlib.rand(3, **k), lambda **k: tensorlib.randn(3, **k),
                 lambda **k: tensorlib.randperm(3, **k), lambda **k: tensorlib.normal(p, **k),
                 lambda **k: p.multinomial(1, **k), lambda **k: p.bernoulli(**k),
                 lambda **k: new("Long", 3).random_(5, **k)):
        assert draw(generator=g).equal(draw())
    with pytest.raises(TypeError):
        tensorlib.rand(2, generator=3)


def test_states_and_seeds():
    g = tensorlib.Generator()
    assert g.manual_seed(5) is g and g.initial_seed() == 5
    new("Float", 3).normal_(generator=g)
    state = g.get_state()
    first = new("Float", 700).uniform_(generator=g), new("Float", 3).normal_(generator=g)
    other = tensorlib.Generator()
    other.set_state(state)
    assert other.initial_seed() == 5
    assert first[0].equal(new("Float", 700).uniform_(generator=other))
    assert first[1].equal(new("Float", 3).normal_(generator=other))
    assert g.seed() == g.initial_seed() != tensorlib.Generator().seed()
    assert tensorlib.manual_seed(3) is tensorlib.default_generator and tensorlib.initial_seed() == 3
    for bad in (tensorlib.ByteTensor(5055), tensorlib.ByteTensor(5056).zero_()):
        with pytest.raises(RuntimeError):
            g.set_state(bad)
    with pytest.raises(TypeError):
        g.set_state(tensorlib.FloatTensor(5056))
    with pytest.raises(RuntimeError):
        g.manual_seed(2 ** 64)
    with pytest.raises(TypeError):
        g.manual_seed(1.5)


def test_generators_start_apart():
    a, b = [tensorlib.rand(4, generator=tensorlib.Generator()) for _ in range(2)]
    assert not a.equal(b)


@pytest.mark.parametrize("call", [
    "x.uniform_(2, 1)", "x.uniform_(0, float('inf'))", "x.normal_(0, -1)", "x.log_normal_(0, -1)", "x.cauchy_(0, 0)",
    "x.exponential_(0)", "x.geometric_(0)", "x.geometric_(1)", "x.bernoulli_(1.5)", "x.bernoulli_(-0.1)",
    "x.bernoulli_(tensorlib.FloatTensor([0, 1, 2]))", "x.bernoulli_(tensorlib.FloatTensor([0, 1]))",
    "x.random_(5, 5)", "x.random_(0)", "tensorlib.ByteTensor(2).random_(257)",
    "tensorlib.CharTensor(2).random_(-129, 0)",
    "tensorlib.randperm(0)", "tensorlib.normal(x, -1.0)", "tensorlib.normal(x, x - 1)",
    "tensorlib.normal(x, tensorlib.ones(2))", "x.multinomial(1)", "(x + 1).multinomial(4)", "(x - 1).multinomial(1)",
    "(x + 1).multinomial(0)", "tensorlib.FloatTensor([1, 0]).multinomial(2)", "tensorlib.ones(2, 2, 2).multinomial(1)",
    "tensorlib.FloatTensor([1, float('nan')]).multinomial(1, True)"])
def test_errors(call):
    with pytest.raises(RuntimeError):
        eval(call, dict(tensorlib=tensorlib, x=tensorlib.zeros(3)))


def test_multinomial_draws_in_proportion():
    seeded()
    weights = tensorlib.FloatTensor([[1, 2, 0, 7], [5, 0, 0, 5]])
    drawn = weights.multinomial(20000, True).numpy()
    assert drawn.shape == (2, 20000)
    for row, weight in zip(drawn, weights.numpy()):
        np.testing.assert_allclose(np.bincount(row, minlength=4) / 20000, weight / 10, atol=0.02)
    for _ in range(50):
        assert sorted(weights[0].multinomial(3)) == [0, 1, 3]


def test_multinomial_without_replacement_draws_in_proportion_to_what_is_left():
    seeded()
    weights = np.array([1, 0, 4, 5]) / 10
    pairs, counts = np.unique(new("Float", weights).expand(40000, 4).contiguous().multinomial(2).numpy(), axis=0,
                              return_counts=True)
    assert len(pairs) == 6
    for (first, second), count in zip(pairs, counts):
        np.testing.assert_allclose(count / 40000, weights[first] * weights[second] / (1 - weights[first]), atol=0.01)


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("n, count", [(3, 2), (40, 39), (1000, 20), (1000, 400), (5000, 64)])
def test_multinomial_without_replacement_draws_each_position_once(kind, n, count):
    seeded()
    weights = new(kind, 5, n).uniform_()
    weights[:, n // 2] = 0
    drawn = weights.multinomial(count)
    assert drawn.size() == (5, count)
    for row in drawn.numpy():
        assert len(set(row)) == count and n // 2 not in row and 0 <= row.min() <= row.max() < n


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("rows, n, count", [(1, 1, 2), (1, 1000, 30), (3, 37, 9), (4, 64, 8), (11, 333, 21), (9, 2, 5)])
def test_multinomial_draws_among_running_sums(kind, rows, n, count):
    """Each draw is the first running sum, of the weights' own precision, that is not below a uniform number."""
    tensorlib.manual_seed(rows)
    weights = new(kind, rows, n).uniform_()
    weights[:, n // 2] = 0
    if n == 1:
        weights.fill_(3)
    tensorlib.manual_seed(7)
    drawn = weights.multinomial(count, True)
    tensorlib.manual_seed(7)
    uniform = tensorlib.DoubleTensor(rows, count).uniform_().numpy()
    sums = np.add.accumulate(weights.numpy(), 1)
    sums /= sums[:, -1:].copy()
    for got, row, u in zip(drawn.numpy(), sums, uniform):
        assert (got == np.searchsorted(row, u)).all()
        assert n == 1 or not (got == n // 2).any()


@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_multinomial_refuses_a_wrong_weight_in_any_row(row, wrong):
    weights = tensorlib.ones(6, 50)
    weights[row, 49] = wrong
    with pytest.raises(RuntimeError, match="expected finite weights >= 0, got %g" % wrong):
        weights.multinomial(2, True)


def test_randperm_out():
    for kind in INTEGER + REAL:
        out = new(kind)
        assert tensorlib.randperm(20, out=out) is out
        assert sorted(out) == list(range(20))


def test_empty_tensors_draw_nothing():
    state = tensorlib.get_rng_state()
    for x in (new("Float").uniform_(), new("Float").normal_(), new("Long").random_(5), new("Float").bernoulli_(0.5)):
        assert x.numel() == 0
    assert tensorlib.get_rng_state().equal(state)


# ---- dropout masks ----------------------------------------------------------------------------------------

def philox(counter, key):
    """Philox 4x32 with 7 rounds, from the paper."""
    a, b, c, d = counter & 0xffffffff, counter >> 32, 0, 0
    k0, k1 = key & 0xffffffff, key >> 32
    for _ in range(7):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k0, q & 0xffffffff, (p >> 32) ^ d ^ k1, p & 0xffffffff
        k0, k1 = (k0 + 0x9E3779B9) & 0xffffffff, (k1 + 0xBB67AE85) & 0xffffffff
    return a, b, c, d


def test_philox_itself():
    """The known answer of the authors' own package."""
    assert philox(0, 0) == (0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48)


@pytest.mark.parametrize("kind", REAL)
def test_dropout_mask(kind):
    from tensorlib._ops.random import dropout_mask
    seeded()
    high, low = [int(w) for w in np.random.RandomState(42).randint(0, 2 ** 32, 2, dtype=np.uint32)]
    words = []
    for block in range(4):
        quads = [philox(block * 16 + lane, high << 32 | low) for lane in range(16)]
        for j in range(0, 16, 4):
            words += [w for quad in quads[j:j + 4] for w in quad[:2]] + [w for quad in quads[j:j + 4] for w in quad[2:]]
    mask = dropout_mask(new(kind, 5, 50), 0.3)
    expected = [0 if w < 0.3 * 2 ** 32 else 1 / 0.7 for w in words]
    np.testing.assert_allclose(mask.numpy().ravel(), expected[:250], rtol=1e-7)


def test_dropout_mask_is_the_same_at_any_thread_count():
    from tensorlib._ops.random import dropout_mask
    threads, masks = tensorlib.get_num_threads(), []
    for count in (1, 2, 3):
        tensorlib.set_num_threads(count)
        seeded()
        masks.append(dropout_mask(new("Float", 300001), 0.25))
    tensorlib.set_num_threads(threads)
    assert masks[0].equal(masks[1]) and masks[0].equal(masks[2])
    assert abs((masks[0].numpy() == 0).mean() - 0.25) < 0.005
    for p, value in ((0, 1), (1, 0)):
        assert (dropout_mask(new("Float", 100), p).numpy() == value).all()


def test_threads_share_a_generator():
    """Every number is drawn by one thread only: together they hold the words of the sequence, each once."""
    seeded()
    expected = sorted(new("Long", 4000).random_().numpy())
    seeded()
    parts = [new("Long", 1000) for _ in range(4)]
    workers = [threading.Thread(target=part.random_) for part in parts]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert sorted(np.concatenate([part.numpy() for part in parts])) == expected
