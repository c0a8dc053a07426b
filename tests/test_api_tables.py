"""Every method of a tensor and every function of v0.2, as api_table.tsv lists them: types, forms, results, errors.

The table is facts of the original and knows nothing of this package; the arguments are made of a form's own words.
"""
import csv
import pathlib
import re
import warnings

import numpy as np
import pytest

import tensorlib

with open(pathlib.Path(__file__).parent / "api_table.tsv", encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t"))
TYPES = dict(B="Byte", C="Char", S="Short", I="Int", L="Long", F="Float", D="Double")
METHODS = [row for row in ROWS if row["kind"] == "method"]
FUNCTIONS = [row for row in ROWS if row["kind"].startswith("function")]
INTO_OUT = [row for row in FUNCTIONS if row["kind"].endswith("out")]
# These have no tensor among their arguments: they make the default type, or fill what out= names.
MAKERS = {"arange", "eye", "linspace", "logspace", "ones", "rand", "randn", "randperm", "range", "zeros"}

# What self and other tensors are: positive definite, so that every factorisation takes it.
MATRIX = [[5, 1, 2], [1, 6, 1], [2, 1, 7]]
SELF = dict(bmm="batch", baddbmm="batch", btrifact="batch", addmv="vector", dot="vector", ger="vector",
            btrisolve="rows", bernoulli="chances", multinomial="chances")
BATCHES, VECTORS = {"batch1", "batch2", "LU_data"}, {"vec", "vec1", "vec2"}
NUMBERS = dict({
    "dim": 0, "dim0": 0, "dim1": 1, "dimension": 0, "k": 2, "diagonal": 1, "start": 0, "length": 2, "size": 2,
    "step": 1, "index": 0, "key": 1,
    "value": 2, "beta": 2, "alpha": 3, "p": 2, "maxnorm": 1, "weight": 0.5, "exponent": 2,
    "min": 1, "max": 3, "num_samples": 2, "bins": 4, "to": 3, "n": 3, "m": 2, "steps": 5, "end": 4, "base": 2,
    "tol": -1, "mean": 0, "std": 1, "median": 0, "sigma": 1, "lambd": 1, "chunks": 2, "n_chunks": 2, "split_size": 2,
    "storage_offset": 1}, **{"from": 1})
SIZES = dict(view=(9,), expand=(2, 3, 3), set_=(2, 2), permute=(1, 0), repeat=(2, 1))
ALONE = {"beta", "alpha", "value"}      # numbers that stand before a tensor, or by keyword among keywords only


def cls(letter):
    return getattr(tensorlib, TYPES[letter] + "Tensor")


def made(kind, shape):
    """A tensor of a class in one of the shapes above."""
    matrix = kind(MATRIX)
    return dict(matrix=lambda: matrix, vector=lambda: matrix[0].clone(), rows=lambda: matrix[:2].clone(),
                batch=lambda: tensorlib.stack([matrix, matrix + 1]), chances=lambda: matrix / 8)[shape]()


class Param:
    """One parameter in a form's own words."""

    def __init__(self, text, keyword_only):
        left, _, self.default = text.partition("=")
        self.kind, self.name = left.split()
        self.optional, self.keyword_only = bool(self.default), keyword_only

    def value(self, name, me):
        """A value that fits, for tensors of the type of me."""
        kind = type(me)
        if self.kind == "Tensor":
            if self.name == "input2" and name in ("orgqr", "ormqr"):
                return me.geqrf()[1]
            if self.name == "LU_data":
                return made(kind, "batch").btrifact()[0]
            if self.name == "source" and name.startswith("index_"):
                return kind([[9, 9, 9], [8, 8, 8]])
            shape = "vector" if self.name in VECTORS or name == "dot" else (
                "batch" if self.name in BATCHES or name == "bmm" else "matrix")
            return made(kind, shape)
        return {
            "LongTensor": lambda: tensorlib.LongTensor([0, 2] if name.startswith("index_") else [[0, 2, 1]]),
            "ByteTensor": lambda: tensorlib.ByteTensor([[1, 0, 0], [0, 1, 0], [1, 0, 1]]),
            "IntTensor": lambda: tensorlib.IntTensor() if self.name == "info" else made(kind, "batch").btrifact()[1],
            "FloatTensor": lambda: tensorlib.ones(3, 3) / 2, "DoubleTensor": lambda: tensorlib.ones(3, 3).double() / 2,
            "Storage": lambda: kind([1, 2, 3, 4, 5]).storage(), "Generator": lambda: tensorlib.Generator(),
            "callable": lambda: lambda *numbers: numbers[0], "bool": lambda: True,
            "Tensors": lambda: [made(kind, "matrix"), made(kind, "matrix")],
            "int...": lambda: (2, 1) if self.name == "stride" else SIZES.get(name, (2, 3)),
            "float": lambda: 0.5 if self.name == "p" else NUMBERS[self.name],
        }.get(self.kind, lambda: NUMBERS[self.name])()


class Form:
    """One overload: its parameters, and what it returns in words."""

    def __init__(self, row, text):
        self.name, self.is_method = row["name"], row["kind"] == "method"
        inside, self.result = re.fullmatch(r"\s*\((.*?)\) -> (.*?)\s*", text).groups()
        self.params, keyword_only = [], False
        for part in [p.strip() for p in inside.split(",") if p.strip()]:
            if part == "*":
                keyword_only = True
            else:
                self.params.append(Param(part, keyword_only))

    def me(self, kind):
        return made(kind, SELF.get(self.name, SELF.get(self.name.rstrip("_"), "matrix")))

    def values(self, me):
        """Values for the parameters; where a function names self, that is one of them."""
        first = next((p for p in self.params if p.name in ("self", "tensor", "means")), None)
        return [me if p is first and not self.is_method else p.value(self.name, me) for p in self.params]

    def calls(self, me):
        """(positional arguments, keywords) of every way to write the call."""
        pairs = list(zip(self.params, self.values(me)))
        plain = [(p, v) for p, v in pairs if not p.keyword_only]
        required = [(p, v) for p, v in plain if not p.optional]
        rest = {p.name: v for p, v in pairs if p.keyword_only and not p.optional}
        options = {p.name: v for p, v in pairs if p.keyword_only}
        yield positional(plain), rest
        yield positional(required), rest
        yield positional(plain), options
        if not any(p.kind == "int..." and p.name in ("dims", "sizes") for p in self.params):
            yield (), {p.name: v for p, v in pairs if p.optional is False}
            yield (), {p.name: v for p, v in pairs}

    def invoke(self, me, args, words):
        tensorlib.manual_seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(me, self.name)(*args, **words) if self.is_method else \
                getattr(tensorlib, self.name)(*args, **words)


def positional(pairs):
    """Sizes are written one by one where nothing follows them."""
    values = []
    for i, (param, value) in enumerate(pairs):
        values += list(value) if param.kind == "int..." and param.name not in ("stride", "size") or (
            param.kind == "int..." and len(pairs) == 1) else [value]
    return tuple(values)


def forms(row):
    return [Form(row, text) for text in row["forms"].split(" | ")]


def kind_of(result):
    if isinstance(result, tuple) and type(result) is not tensorlib.Size:
        return "tuple"
    return type(result).__name__


def check_result(result, words, me):
    """The result is of the kind that the form tells."""
    if words == "self":
        assert result is me
    elif words.startswith("("):
        parts = [part.strip() for part in words[1:-1].split(",")]
        assert type(result) is tuple and len(result) == len(parts)
        for part, word in zip(result, parts):
            check_result(part, word, me)
    elif words == "Number":
        assert type(result) is (float if type(me)(1).is_signed() and hasattr(me, "exp") else int)
    elif words == "Storage":
        assert type(result) is me.storage_type()
    else:
        assert kind_of(result) == (type(me).__name__ if words == "Tensor" else words)


def numbers(result):
    """The numbers of a result, for comparing."""
    if isinstance(result, tuple):
        return [n for part in result for n in numbers(part)]
    return np.array(result.tolist() if hasattr(result, "tolist") else 0 if result is None else result, object).ravel(
        ).tolist()


def same(got, want):
    np.testing.assert_allclose(np.array(numbers(got), float), np.array(numbers(want), float), rtol=2e-5, atol=1e-6)


named = pytest.mark.parametrize("row", METHODS + FUNCTIONS, ids=lambda row: row["kind"][0] + "-" + row["name"])


def test_the_table_is_whole():
    assert len(METHODS) == 233 and len(FUNCTIONS) == 124
    assert all(row["forms"] for row in ROWS) and {row["broadcast"] for row in ROWS} == {"", "full", "self"}


@named
def test_exists_for_the_listed_types_only(row):
    for letter in TYPES:
        listed = letter in row["types"]
        if row["kind"] == "method":
            assert hasattr(cls(letter), row["name"]) == listed, letter
        elif not listed and row["name"] in MAKERS:
            args, words = next(forms(row)[0].calls(None))
            with pytest.raises(TypeError):
                getattr(tensorlib, row["name"])(*args, out=cls(letter)(), **words)
        elif not listed:
            form = forms(row)[0]
            me = made(cls(letter), "matrix")
            given = [me if p.kind.endswith("Tensor") else p.value(row["name"], me)
                     for p in form.params if not p.optional]
            with pytest.raises(TypeError):
                getattr(tensorlib, row["name"])(*given)


def test_what_works_in_place_is_listed():
    listed = {row["name"] for row in METHODS}
    for letter in TYPES:
        assert not {name for name in dir(cls(letter)) if re.fullmatch(r"[a-z]\w*[a-z0-9]_", name)} - listed


@named
def test_every_form_can_be_called(row):
    for letter in "F" if row["name"] in MAKERS else row["types"]:
        for form in forms(row):
            me = form.me(cls(letter))
            for args, words in form.calls(me):
                if len(form.params) > 1 and not args and ALONE & set(words) and not form.is_method:
                    continue
                subject = me.clone()
                result = form.invoke(subject, args, words)
                check_result(result, "LongTensor" if form.name == "randperm" else form.result, subject)


OF_LAYOUT = {"data_ptr", "view", "view_as", "is_contiguous", "stride", "storage", "storage_offset", "storage_type",
             "resize_", "resize_as_", "is_set_to", "set_", "share_memory_", "type"}


@named
def test_results_do_not_depend_on_the_layout(row):
    for letter in row["types"]:
        for form in forms(row):
            if form.name in OF_LAYOUT:
                continue
            me = form.me(cls(letter))
            args, words = next(form.calls(me))
            want = form.invoke(me.clone(), args, words)
            turned = tuple([strided(v) if isinstance(v, type(me)) else v for v in args])
            same(form.invoke(strided(me), turned, words), want)


def strided(x):
    """x as every other element of a larger tensor."""
    wide = x.new(*(tuple(x.size()) + (2,))).fill_(3)
    part = wide.select(x.dim(), 1)
    return part.copy_(x)


@pytest.mark.parametrize("row", [row for row in METHODS if row["name"] + "_" in {r["name"] for r in METHODS}],
                         ids=lambda row: row["name"])
def test_in_place_agrees(row):
    for letter in row["types"]:
        for form in forms(row):
            if form.result not in ("Tensor", "ByteTensor") or row["name"] == "bernoulli":
                continue
            me = form.me(cls(letter))
            args, words = next(form.calls(me))
            twin = me.clone()
            tensorlib.manual_seed(3)
            result = getattr(twin, row["name"] + "_")(*args, **words)
            assert result is twin
            same(twin, form.invoke(me, args, words))


@pytest.mark.parametrize("row", INTO_OUT, ids=lambda row: row["name"])
def test_out_takes_the_result(row):
    for letter in row["types"]:
        for form in forms(row):
            me = form.me(cls(letter))
            args, words = next(form.calls(me))
            has_self = form.name not in MAKERS
            want = form.invoke(me, args, words)
            if form.result == "Number":
                with pytest.raises(TypeError):
                    form.invoke(me, args, dict(words, out=me.clone()))
                continue
            for size in ((), (1,), (7, 2)):
                if isinstance(want, tuple):
                    out = tuple([type(part)(*size) for part in want])
                else:
                    out = (type(want) if has_self else cls(letter))(*size)
                got = form.invoke(me, args, dict(words, out=out))
                assert all(a is b for a, b in zip(got, out)) if isinstance(out, tuple) else got is out
                if has_self:
                    same(got, want)
            wrong = tensorlib.HalfTensor()
            with pytest.raises(TypeError):
                form.invoke(me, args, dict(words, out=(wrong,) * len(want) if isinstance(want, tuple) else wrong))
            with pytest.raises(TypeError):
                form.invoke(me, args, dict(words, out=1))


@pytest.mark.parametrize("row", [row for row in INTO_OUT if row["broadcast"] == "full"],
                         ids=lambda row: row["name"])
def test_out_may_be_an_operand(row):
    for letter in row["types"]:
        for form in forms(row):
            if form.result == "Tensor":
                me = form.me(cls(letter))
                args, words = next(form.calls(me))
                want = form.invoke(me.clone(), args, words)
                assert form.invoke(me, args, dict(words, out=me)) is me
                same(me, want)


def operands(form, args):
    return [i for i, value in enumerate(args) if isinstance(value, tensorlib.TensorBase)]


@pytest.mark.parametrize("row", [row for row in METHODS if row["broadcast"] == "full"], ids=lambda row: row["name"])
def test_operands_broadcast(row):
    for form in forms(row):
        me = form.me(cls(row["types"][-1]))
        args, words = next(form.calls(me))
        for i in operands(form, args):
            if args[i].dim() != 2 or form.name == "masked_scatter_" and type(args[i]) is type(me):
                continue
            for thin in (args[i][0].clone(), args[i][:, :1].clone()):
                small, large = list(args), list(args)
                small[i], large[i] = thin, thin.expand(3, 3).contiguous()
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    same(getattr(me.clone(), form.name)(*small, **words), form.invoke(me.clone(), large, words))
            flat, wrong = list(args), list(args)
            flat[i] = args[i].contiguous().view(9)
            with pytest.warns(UserWarning, match=r"Falling back to deprecated pointwise behavior\.$"):
                got = getattr(me.clone(), form.name)(*flat, **words)
            same(got, form.invoke(me.clone(), args, words))
            wrong[i] = args[i].new(4).fill_(1)
            before = me.tolist()
            with pytest.raises(RuntimeError):
                getattr(me, form.name)(*wrong, **words)
            assert me.tolist() == before


@pytest.mark.parametrize("row", [row for row in METHODS if row["broadcast"] == "self"], ids=lambda row: row["name"])
def test_the_added_tensor_broadcasts_to_the_product(row):
    (form,) = forms(row)
    me = form.me(tensorlib.DoubleTensor)
    args, words = next(form.calls(me))
    for thin in (me[0].clone() if me.dim() > 1 else me[:1].clone(), me.new([2])):
        large = thin.expand(me.size()).contiguous()
        same(form.invoke(thin, args, words), form.invoke(large, args, words))
        with pytest.raises(RuntimeError):
            getattr(thin.clone(), form.name + "_")(*args, **words)
    with pytest.raises(RuntimeError):
        form.invoke(me.new(4).fill_(1), args, words)


@named
def test_dims_count_from_either_end(row):
    for form in forms(row):
        at = [i for i, p in enumerate(form.params) if re.fullmatch("dim(0|1|ension)?", p.name)]
        me = form.me(cls(row["types"][-1]))
        for i in at:
            values = form.values(me)
            pairs = list(zip(form.params, values))
            if form.name not in ("cross", "stack"):     # -1 is "the first of size 3", or the new dim itself
                pairs[i] = (form.params[i], values[i] - me.dim())
                same(form.invoke(me.clone(), positional(pairs), {}), form.invoke(me.clone(), tuple(values), {}))
            for wrong in (me.dim() + 1, -me.dim() - 2):
                pairs[i] = (form.params[i], wrong)
                if form.name in ("cat", "stack") or form.name in ("chunk", "split") and wrong < 0:
                    continue            # joins may make new dims; chunk and split count from the end once more
                with pytest.raises(RuntimeError):
                    form.invoke(me.clone(), positional(pairs), {})


DUCKS = {"expand_as", "view_as", "type_as", "copy_", "index", "apply_", "map_", "map2_"}   # they fail in other ways


@named
def test_wrong_arguments_are_type_errors(row):
    for letter in row["types"][::3]:
        for form in forms(row):
            me = form.me(cls(letter))
            args, words = next(form.calls(me))
            if form.name not in ("copy_", "type"):      # these take `async`, a word that Python has reserved since
                with pytest.raises(TypeError):
                    form.invoke(me.clone(), args, dict(words, no_such_word=1))
            with pytest.raises(TypeError):
                form.invoke(me.clone(), args + (object(),) * 4, words)
            for i, param in enumerate([p for p in form.params if not p.keyword_only][:len(args)]):
                if form.name in DUCKS:
                    continue
                with pytest.raises(TypeError):
                    form.invoke(me.clone(), args[:i] + (object(),) + args[i + 1:], words)


@named
def test_numbers_fit_the_type(row):
    """A float is no number for whole numbers; where an int is asked for, neither a float nor a bool will do."""
    for letter in row["types"][::2]:
        for form in forms(row):
            me = form.me(cls(letter))
            args, words = next(form.calls(me))
            for i, param in enumerate([p for p in form.params if not p.keyword_only][:len(args)]):
                whole = param.kind == "int" or param.kind == "Number" and letter not in "FD"
                if not whole or form.name in MAKERS and param.kind == "Number" or form.name == "index":
                    continue
                # An int alone is told from a bool where another form takes the bool.
                both = form.name in ("median", "mode", "kthvalue", "std", "var")
                for value in (1.5,) if param.kind == "Number" or both else (1.5, True):
                    with pytest.raises(TypeError):
                        form.invoke(me.clone(), args[:i] + (value,) + args[i + 1:], words)
