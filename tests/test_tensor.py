"""Tensors and storages: construction, views, casts, NumPy, pickling, memory, and what bad input is told."""
import copy
import gc
import itertools
import pickle
import weakref

import numpy as np
import pytest

import tensorlib

TYPES = ["Byte", "Char", "Short", "Int", "Long", "Float", "Double"]
NUMPY = dict(Byte="uint8", Char="int8", Short="int16", Int="int32", Long="int64", Half="float16", Float="float32",
             Double="float64")


def cls(name):
    return getattr(tensorlib, name + "Tensor")


# ---- classes and casts --------------------------------------------------------------------------------

def test_types_are_real_classes():
    x = tensorlib.ones(2)
    assert type(x) is tensorlib.FloatTensor and tensorlib.Tensor is tensorlib.FloatTensor
    assert x.type() == "tensorlib.FloatTensor" and type(x).__module__ == "tensorlib"
    assert isinstance(x.long(), tensorlib.LongTensor) and not isinstance(x, tensorlib.cuda.FloatTensor)


def test_the_default_type_can_be_changed():
    tensorlib.set_default_tensor_type("tensorlib.DoubleTensor")
    try:
        assert type(tensorlib.ones(1)) is tensorlib.DoubleTensor is tensorlib.Tensor
        assert type(tensorlib.randn(1)) is tensorlib.DoubleTensor
    finally:
        tensorlib.set_default_tensor_type("tensorlib.FloatTensor")


@pytest.mark.parametrize("source", TYPES + ["Half"])
def test_casts_agree_with_numpy(source):
    values = [0, 1, 5, 100] if source == "Byte" else [-100, -1, 0, 7]
    values = [v + 0.75 for v in values] if source in ("Float", "Double", "Half") else values
    x = cls("Double")(values).type("tensorlib.%sTensor" % source)
    array = np.array(values).astype(NUMPY[source])
    for target in NUMPY:
        wide = array.astype("int64") if array.dtype.kind == "f" and target not in ("Half", "Float", "Double") else array
        assert x.type("tensorlib.%sTensor" % target).tolist() == wide.astype(NUMPY[target]).tolist(), target


def test_half_rounds_to_nearest_even():
    values = [1 / 3, 65504.0, 65520.0, 6e-8, 2.0 ** -25, -0.0, float("inf"), 2049.0, 2051.0]
    with np.errstate(over="ignore"):
        want = np.array(values, "float32").astype("float16").tolist()
    assert tensorlib.DoubleTensor(values).half().tolist() == want
    assert np.isnan(tensorlib.FloatTensor([float("nan")]).half().tolist()[0])


@pytest.mark.parametrize("source", ["float", "double"])
def test_rows_of_halves(source):
    """Every half, its neighbours and the middles between halves, in rows of all lengths and at all addresses."""
    halves = np.arange(1 << 16, dtype="uint16").view("float16").astype("float32")
    middles = (halves.view("uint32") + 0x1000).view("float32")
    with np.errstate(over="ignore", invalid="ignore"):
        below, above = (np.nextafter(middles, np.float32(to)) for to in (-9e9, 9e9))
        x = np.concatenate([halves, middles, below, above])
        want = x.astype("float16")
    bits = np.where(np.isnan(x), (x.view("uint32") >> 16 & 0x8000 | 0x7e00).astype("uint16"), want.view("uint16"))
    tensor = getattr(tensorlib.from_numpy(x), source)()
    for begin, length in [(0, len(x))] + [(31 * 1024 + k, k) for k in range(1, 300)]:
        got = tensor.narrow(0, begin, length).half()
        assert (got.numpy().view("uint16") == bits[begin:begin + length]).all()


# ---- NumPy --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [n for n in TYPES if n != "Char"])
def test_numpy_shares_memory_both_ways(name):
    array = np.arange(6, dtype=NUMPY[name]).reshape(2, 3)
    x = tensorlib.from_numpy(array)
    assert type(x) is cls(name) and x.tolist() == array.tolist()
    array[0, 0] = 9
    x[1, 2] = 8
    back = x.numpy()
    assert x[0, 0] == 9 and array[1, 2] == 8 and back.dtype == array.dtype
    back[0, 1] = 7
    assert array[0, 1] == 7


def test_strided_arrays_and_tensors():
    array = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    x = tensorlib.from_numpy(array)
    assert x.size() == array.shape and x.tolist() == array.tolist()
    np.testing.assert_array_equal(x.t_().numpy() if x.dim() == 2 else x.transpose(0, 2).numpy(),
                                  array.transpose(2, 1, 0))


def test_memory_outlives_its_first_owner():
    array = np.arange(1000.0)
    x = tensorlib.from_numpy(array)
    alive = weakref.ref(array)
    del array
    gc.collect()
    assert alive() is not None and x.sum() == 499500
    view = tensorlib.ones(5).numpy()
    gc.collect()
    tensorlib.zeros(5)
    assert view.tolist() == [1] * 5


def test_asarray_dlpack_and_scalars():
    x = tensorlib.arange(0, 4).view(2, 2)
    assert np.asarray(x).tolist() == x.tolist() and np.asarray(x, dtype="int64").dtype == "int64"
    assert np.from_dlpack(x).tolist() == x.tolist()
    assert tensorlib.from_dlpack(np.arange(3.0)).tolist() == [0, 1, 2]
    assert type(np.float64(2) * x) is tensorlib.FloatTensor and (np.float32(2) + x).tolist() == (x + 2).tolist()


@pytest.mark.parametrize("array, match", [
    (np.zeros((2, 0)), "zero-sized"), (np.zeros(3)[::-1], "negative"), (np.zeros(2, "complex64"), "invalid type"),
    (np.zeros(2, "uint16"), "invalid type"), (np.array(["a"]), "invalid type"), ([1, 2], "ndarray")])
def test_from_numpy_refuses(array, match):
    with pytest.raises(RuntimeError, match=match):
        tensorlib.from_numpy(array)


def test_memory_that_numpy_uses_is_not_resized():
    x = tensorlib.ones(2)
    x.numpy()
    with pytest.raises(RuntimeError, match="resize"):
        x.resize_(100)
    assert x.tolist() == [1, 1]


# ---- copying ------------------------------------------------------------------------------------------

def test_overlapping_copies():
    x = tensorlib.arange(0, 6)
    x[1:].copy_(x[:-1])
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    m = tensorlib.arange(0, 9).view(3, 3)
    m.copy_(m.t())
    assert m.tolist() == np.arange(9.0).reshape(3, 3).T.tolist()


def test_pickle_and_deepcopy_keep_sharing():
    x = tensorlib.arange(0, 6)
    for twin in (copy.deepcopy([x, x[2:4]]), pickle.loads(pickle.dumps([x, x[2:4]]))):
        twin[1].fill_(9)
        assert twin[0].tolist() == [0, 1, 9, 9, 4, 5] and x.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", TYPES + ["Half"])
def test_pickle_of_every_type(name):
    x = cls("Double")([[1, 2], [3, 4]]).type("tensorlib.%sTensor" % name)
    x = x if name == "Half" else x.t()
    y = pickle.loads(pickle.dumps(x))
    assert type(y) is type(x) and y.tolist() == x.tolist() and y.stride() == x.stride()


def test_deepcopy_of_a_derived_class():
    class Labelled(tensorlib.FloatTensor):
        pass

    x = Labelled([1, 2])
    x.names = ["a"]
    twin = copy.deepcopy({"x": x, "view": x[1:]})
    assert type(twin["x"]) is Labelled and twin["x"].tolist() == [1, 2]
    assert twin["x"].names == ["a"] and twin["x"].names is not x.names
    twin["x"].fill_(5)
    assert twin["view"].tolist() == [5] and x.tolist() == [1, 2]


# ---- sizes ----------------------------------------------------------------------------------------------

def test_sizes_by_keyword():
    for make in (tensorlib.zeros, tensorlib.ones, tensorlib.rand, tensorlib.randn):
        assert make(size=(2, 3)).size() == (2, 3)
        with pytest.raises(TypeError, match="twice"):
            make(2, size=(2, 3))
    assert tensorlib.ones(4).resize_(size=(2, 2)).tolist() == [[1, 1], [1, 1]]


def test_size_takes_any_iterable_of_ints():
    assert tensorlib.Size(n for n in [2, 3]) == (2, 3) and tensorlib.Size(range(2)) == (0, 1)
    for wrong in ([True], [1.5], ["a"], tensorlib.ones(2)):
        with pytest.raises(TypeError, match="takes .* '?int"):
            tensorlib.Size(wrong)


def test_repeat_needs_a_positive_count_for_each_dim():
    x = tensorlib.ones(2, 3)
    for counts, error in (((), ValueError), ((2,), ValueError), ((0, 1), RuntimeError), ((1, -1), RuntimeError)):
        with pytest.raises(error):
            x.repeat(*counts)
    with pytest.raises(RuntimeError):
        tensorlib.Tensor().repeat(2)


def test_resizing_to_nothing_leaves_the_storage_alone():
    x = tensorlib.FloatTensor().set_(tensorlib.FloatStorage(9), 6, (3,))
    x.storage().resize_(2)
    assert x.resize_(0).size() == () and len(x.storage()) == 2


def test_squeezing_the_only_dim_changes_nothing():
    x = tensorlib.arange(0, 6).view(2, 3)[:1, 0]
    assert x.stride() == x.squeeze(0).stride() == (3,)


def test_set_by_keyword():
    x, storage = tensorlib.Tensor(), tensorlib.FloatStorage([1, 2, 3, 4, 5])
    assert x.set_(storage=storage) is x and x.tolist() == [1, 2, 3, 4, 5]
    assert x.set_(sourceStorage=storage, storage_offset=1, size=(2, 2), stride=(2, 1)).tolist() == [[2, 3], [4, 5]]
    with pytest.raises(TypeError, match="one source"):
        x.set_(storage, storage=storage)


# ---- storages and the allocator -----------------------------------------------------------------------

def test_storage_views_and_resizing():
    s = tensorlib.FloatStorage([1, 2, 3, 4])
    assert s.resize_(6).tolist()[:4] == [1, 2, 3, 4]
    part = s[1:3]
    part[0] = 9
    assert s.tolist()[:4] == [1, 9, 3, 4] and part.tolist() == [9, 3]
    with pytest.raises(RuntimeError, match="resize"):
        s.resize_(1)
    x = tensorlib.FloatTensor(s)
    x[0] = 5
    assert s[0] == 5 and x.storage() is s


def test_a_tensor_survives_the_resizing_of_its_storage():
    x = tensorlib.ones(4)
    view = x[1:3]
    x.resize_(100000).fill_(2)
    assert view.tolist() == [2, 2]


# ---- bad input ----------------------------------------------------------------------------------------

X = tensorlib.arange(0, 6).view(2, 3)
BAD = {
    "huge size": (lambda: tensorlib.zeros(1 << 40, 1 << 40), RuntimeError, "overflow"),
    "too much memory": (lambda: tensorlib.zeros(1 << 45), (RuntimeError, MemoryError), "memory"),
    "size beyond an int": (lambda: tensorlib.zeros(1 << 70), RuntimeError, "overflow"),
    "nan size": (lambda: tensorlib.zeros(float("nan")), TypeError, "int"),
    "too many dims": (lambda: tensorlib.zeros(*[1] * 40), RuntimeError, "dims"),
    "unsqueeze to too many dims": (lambda: tensorlib.zeros(*[1] * 16).unsqueeze(0), RuntimeError, "dims"),
    "string": (lambda: tensorlib.FloatTensor("abc"), RuntimeError, "string 'abc'"),
    "float for threads": (lambda: tensorlib.set_num_threads(1.5), TypeError, "float"),
    "too few arguments": (lambda: X.copy_(), TypeError, r"^copy_\(\) missing"),
    "ragged": (lambda: tensorlib.FloatTensor([[1, 2], [3]]), RuntimeError, "length"),
    "dict": (lambda: tensorlib.FloatTensor({0: 1}), TypeError, "constructor"),
    "bool for an int": (lambda: X.sum(True), TypeError,
                        r"got \(bool\), but expected one of:\n \* no arguments\n \* \(int dim\)\n      didn't match "
                        r"because some of the arguments have invalid types: \(!bool!\)\n"
                        r" \* \(int dim, bool keepdim\)\n$"),
    "words for a Variable": (lambda: tensorlib.Variable(X).lerp(tensorlib.Variable(X), "a"), TypeError,
                             r"got \(Variable, !str!\), but expected \(tensorlib.FloatTensor end, float weight\)$"),
    "bool for a dim": (lambda: X.size(True), TypeError, "int dim"),
    "bool for a size": (lambda: X.view(True, 6), TypeError, r"int\.\.\. size"),
    "types in words": (lambda: X.add("a"), TypeError, r" \* \(float value\)\n.*\n \* \(tensorlib.FloatTensor other\)\n"
                       r".*\(!str!\)\n \* \(float value, tensorlib.FloatTensor other\)\n$"),
    "types of a function": (lambda: tensorlib.mm(X.long(), 2), TypeError,
                            r"^tensorlib.mm received an invalid combination of arguments - got \(tensorlib.LongTensor, "
                            r"!int!\), but expected \(tensorlib.LongTensor source, tensorlib.LongTensor mat2\)$"),
    "a keyword that is none": (lambda: X.cumsum(0, keepdim=True), TypeError,
                               "got unrecognized keyword arguments: keepdim$"),
    "comparison into a third type": (lambda: tensorlib.eq(X, 1, out=X.long()), TypeError, "ByteTensor"),
    "other types to map2_": (lambda: X.map2_(X, X.long(), max), TypeError, "argument 2"),
    "int of an empty tensor": (lambda: tensorlib.Tensor()[0], RuntimeError, "empty"),
    "ints of an empty tensor": (lambda: tensorlib.Tensor()[0, 0], IndexError, "2 dimensions"),
    "none inside": (lambda: tensorlib.FloatTensor([1, None]), RuntimeError, "NoneType"),
    "float for an int": (lambda: tensorlib.IntTensor([1.5]), RuntimeError, "float"),
    "mixed types": (lambda: X + X.double(), TypeError, "DoubleTensor"),
    "float number to whole": (lambda: X.long() + 1.5, TypeError, "float"),
    "sizes": (lambda: X + tensorlib.ones(5), RuntimeError, "2 x 3.*5"),
    "empty operand": (lambda: X + tensorlib.Tensor(), RuntimeError, "elements"),
    "whole division by zero": (lambda: X.long() / 0, ZeroDivisionError, "zero"),
    "whole remainder by zeros": (lambda: X.long() % tensorlib.zeros(2, 3).long(), ZeroDivisionError, "zero"),
    "index": (lambda: X[2], IndexError, "out of range"),
    "too many indices": (lambda: X[0, 0, 0], IndexError, "3 dimensions"),
    "negative step": (lambda: X[::-1], ValueError, "step"),
    "empty slice": (lambda: X[1:1], ValueError, "empty"),
    "float index": (lambda: X[1.0], TypeError, "float"),
    "index beyond an int": (lambda: X[1 << 70], IndexError, "out of range"),
    "view of other size": (lambda: X.view(4), RuntimeError, "6 elements"),
    "view of strided": (lambda: X.t().view(6), RuntimeError, "contiguous"),
    "transpose dim": (lambda: X.transpose(0, 2), RuntimeError, "out of range"),
    "narrow": (lambda: X.narrow(1, 2, 5), RuntimeError, "length"),
    "negative stride": (lambda: tensorlib.Tensor().set_(X.storage(), 0, (2,), (-1,)), RuntimeError, "negative strides"),
    "offset": (lambda: tensorlib.Tensor().set_(X.storage(), -1, (2,)), RuntimeError, "offset"),
    "unfold": (lambda: X.unfold(1, 4, 1), RuntimeError, "size"),
    "expand": (lambda: X.expand(4, 3), RuntimeError, "must match"),
    "permute": (lambda: X.permute(0, 0), AssertionError, "permutation"),
    "cat": (lambda: tensorlib.cat([X, tensorlib.ones(3, 2)], 0), RuntimeError, "2 x 3.*3 x 2"),
    "bool": (lambda: bool(X), RuntimeError, "ambiguous"),
    "unknown type": (lambda: X.type("tensorlib.OddTensor"), RuntimeError, "OddTensor"),
    "gpu": (lambda: X.cuda(), AssertionError, "CUDA"),
    "word for an argument": (lambda: X.sum(dimension=0), TypeError, "sum"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_raises_and_changes_nothing(case):
    call, error, match = BAD[case]
    before = X.tolist()
    with pytest.raises(error, match=match):
        call()
    assert X.tolist() == before


def test_a_failed_write_changes_nothing():
    x = tensorlib.zeros(4).long()
    with pytest.raises(RuntimeError):
        x.index_fill_(0, tensorlib.LongTensor([0, 9]), 5)
    with pytest.raises((RuntimeError, TypeError)):
        x[1] = 1.5
    with pytest.raises(ZeroDivisionError):
        x /= tensorlib.LongTensor([1, 1, 0, 1])
    assert x.tolist() == [0] * 4


def test_names_that_scripts_ask_for():
    x = tensorlib.ones(2, 3)
    assert tensorlib.zero(x) is x and x.sum() == 0
    with pytest.raises(TypeError, match="zero expects"):
        tensorlib.zero([1.0])
    assert tensorlib.has_cudnn is False
    assert issubclass(tensorlib.FatalError, Exception) and tensorlib.FatalError.__module__ == "tensorlib"
    assert tensorlib.Storage._new_shared(3).is_shared()


def test_classes_tell_where_their_tensors_are():
    assert tensorlib.FloatTensor.is_cuda is False and tensorlib.ones(1).is_cuda is False
    assert tensorlib.ByteTensor.is_sparse is False and tensorlib.sparse.FloatTensor.is_sparse is True


@pytest.mark.parametrize("name", ["FloatTensor", "DoubleTensor", "LongTensor", "ByteTensor"])
@pytest.mark.parametrize("sizes, dim", [([(2, 3), (4, 3)], 0), ([(2, 3), (2, 1), (2, 5)], 1), ([(2, 3), (2, 3)], -1),
                                        ([(3,), (3,)], 1), ([(2, 3, 4), (2, 1, 4)], 1), ([(1, 1), (1, 1)], 0),
                                        ([(2, 3), (2, 3)], 2), ([(70, 80), (70, 1)], 1)])
@pytest.mark.parametrize("dense", [True, False])
def test_cat(name, sizes, dim, dense):
    """Few elements and many, dense or not; a new last dim is one more than there are."""
    arrays = [np.random.RandomState(i).randint(0, 99, size) for i, size in enumerate(sizes)]
    parts = [getattr(tensorlib, name)(a.tolist()) for a in arrays]
    if not dense:
        parts = [part.t().contiguous().t() if part.dim() == 2 else part[::1] for part in parts]
    new = dim == arrays[0].ndim
    wanted = np.stack(arrays, dim) if new else np.concatenate(arrays, dim)
    made = tensorlib.cat(parts, dim)
    assert made.tolist() == wanted.tolist() and made.is_contiguous() and type(made) is type(parts[0])
    if len({a.shape for a in arrays}) == 1:
        assert tensorlib.stack(parts, 0).tolist() == np.stack(arrays).tolist()


def test_cat_and_stack_of_few():
    """Empty parts are skipped, a list tells its items itself, and errors name what does not fit."""
    class Lying(list):
        def __len__(self):
            return 1

    x, empty = tensorlib.Tensor([1, 2]), tensorlib.Tensor()
    assert tensorlib.cat([empty, x, empty, x]).tolist() == [1, 2, 1, 2]
    assert tensorlib.cat([empty, empty]).dim() == 0
    assert tensorlib.cat(Lying([x, x, x])).numel() == 6 and tensorlib.stack(Lying([x, x, x])).size() == (3, 2)
    assert tensorlib.stack((x, x), -1).tolist() == [[1, 1], [2, 2]]
    for call, error, text in ((lambda: tensorlib.cat([]), RuntimeError, "seq can't be empty"),
                              (lambda: tensorlib.stack([]), ValueError, "non-empty sequence"),
                              (lambda: tensorlib.stack([x, empty]), RuntimeError, "cannot unsqueeze empty tensor"),
                              (lambda: tensorlib.stack([x, x], 2), RuntimeError, "dimension out of range"),
                              (lambda: tensorlib.cat([x, x.view(2, 1)]), RuntimeError, "inconsistent tensor sizes"),
                              (lambda: tensorlib.cat([x, x.double(), x.view(1, 2)]), TypeError, "of one type")):
        with pytest.raises(error, match=text):
            call()


def test_sizes_that_serve_again_are_right():
    """Sizes are the same object only where they are equal, in whatever order tensors of many sizes are asked."""
    base = tensorlib.zeros(4000)
    sizes = [(a, b, c) for a in range(1, 12) for b in range(1, 12) for c in range(1, 12)]
    sizes += [(n,) for n in range(1, 600)]
    views = [base[:int(np.prod(size))].view(*size) for size in sizes]
    for _ in range(2):
        assert [tuple(view.size()) for view in views] == sizes
        assert all(type(view.size()) is tensorlib.Size for view in views)
    base.resize_(2, 3)
    assert base.size() == (2, 3) and tensorlib.Tensor().size() == ()


@pytest.mark.parametrize("name", "Byte Char Short Int Long Half Float Double".split())
def test_constructors_from_lists_and_sizes(name):
    cls, rng = getattr(tensorlib, name + "Tensor"), np.random.default_rng(0)
    for size in (1,), (3,), (2, 3), (2, 1, 4), (1,) * 16:
        array = rng.integers(0, 100, size)
        made = cls(array.tolist())
        assert tuple(made.size()) == size and made.tolist() == array.tolist() and type(made) is cls
        for empty in cls(*size), cls(tensorlib.Size(size)), made.new(*size), made.new(made.size()):
            assert tuple(empty.size()) == size and type(empty) is cls and empty.is_contiguous()
        assert cls(tuple(array.tolist())).tolist() == made.new(array.tolist()).tolist() == made.tolist()
    assert cls().dim() == cls([]).dim() == cls(0).dim() == made.new().dim() == 0

    class Derived(cls):
        pass
    assert type(Derived([1]).new([2])) is Derived is type(Derived(2).type_as(cls(1)))
    for wrong in ([[1, 2], [3]], [1, [2]], [[1], 2], [[]], [1, None], ["a"], [cls(1)]):
        with pytest.raises((RuntimeError, TypeError)):
            cls(wrong)


def test_factories_take_sizes_in_every_form():
    for make, value in (tensorlib.zeros, 0), (tensorlib.ones, 1):
        for given in (2, 3), ((2, 3),), ([2, 3],), (tensorlib.Size([2, 3]),), (np.int64(2), 3):
            assert make(*given).tolist() == [[value] * 3] * 2
        out = tensorlib.LongTensor()
        assert make(2, out=out) is out and out.tolist() == [value] * 2 == make(size=[2]).tolist()
        for wrong in (), (2.0,), (True,), ("a",), ((2, None),):
            with pytest.raises(TypeError):
                make(*wrong)


def test_permutations_and_pieces():
    array = np.arange(24).reshape(2, 3, 4)
    t = tensorlib.from_numpy(array)
    for dims in itertools.permutations(range(3)):
        np.testing.assert_array_equal(t.permute(*dims).numpy(), array.transpose(dims))
    for wrong in (0, 1), (0, 1, 1), (0, 1, 3), (-1, 0, 1), (0, 1, 2, 3):
        with pytest.raises(AssertionError, match="Invalid permutation"):
            t.permute(*wrong)
    for size, dim in itertools.product((1, 2, 3, 9), (0, 1, 2, -1)):
        pieces = t.split(size, dim)
        wanted = np.split(array, range(size, array.shape[dim], size), dim)
        assert [p.tolist() for p in pieces] == [w.tolist() for w in wanted]
