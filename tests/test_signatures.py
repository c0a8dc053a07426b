"""Every public name of autograd, nn and optim as v0.2 had it: it is there, and takes what it took.

`signatures.tsv` lists them. Parameters may be added behind, and today's names beside; the old ones keep name, place
and default.
"""
import csv
import importlib
import inspect
import pathlib

import numpy as np
import pytest

import tensorlib

ROWS = [(row["name"], row["signature"]) for row in csv.DictReader(
    (pathlib.Path(__file__).parent / "signatures.tsv").read_text().splitlines(), delimiter="\t",
    quoting=csv.QUOTE_NONE)]
# What is callable through C, or passes its arguments on, shows no parameters; others tell what they take by calls.
OPAQUE = ("nn.RNN", "nn.LSTM", "nn.GRU")


def reach(name):
    """The object of a dotted name: attributes, and modules where there is no attribute."""
    here, path = tensorlib, ["tensorlib"]
    for part in name.split("."):
        path.append(part)
        if not hasattr(here, part):
            importlib.import_module(".".join(path))
        here = getattr(here, part)
    return here


def parameters(function):
    """(name, default) of each parameter but self, or None where Python cannot tell."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if found and found[0].name == "self":
        found = found[1:]
    return [(p.name, p.default) for p in found]


def expected(signature):
    """The same of a signature as text."""
    space = {}
    text = signature if signature.startswith("(") else "()"
    exec("def function%s: pass" % text.replace("=...", "=Ellipsis"), {}, space)
    return parameters(space["function"])


@pytest.mark.parametrize("name, signature", ROWS, ids=[name for name, _ in ROWS])
def test_takes_what_it_took(name, signature):
    owner, _, last = name.rpartition(".")
    if owner == "autograd.Variable":
        assert hasattr(tensorlib.autograd.Variable(tensorlib.ones(2, 2)), last)
        return
    found = parameters(reach(name))
    if found is None or name in OPAQUE:
        return
    if signature.startswith("(*"):
        assert found and found[0][1] is inspect.Parameter.empty
        return
    for (given, default), (wanted, before) in zip(found, expected(signature)):
        assert given == wanted
        if before is not inspect.Parameter.empty and before is not Ellipsis:
            assert default == before, "%s: %s=%r, not %r" % (name, given, default, before)
    assert len(found) >= len(expected(signature))


@pytest.mark.parametrize("name", OPAQUE)
def test_recurrent_layers_take_their_arguments_by_place_and_name(name):
    layer = reach(name)(3, 4, 2, False, True, 0.5, True)
    assert (layer.input_size, layer.hidden_size, layer.num_layers, layer.bias, layer.batch_first, layer.dropout,
            layer.bidirectional) == (3, 4, 2, False, True, 0.5, True)
    again = reach(name)(input_size=3, hidden_size=4, num_layers=2, bias=False, batch_first=True, dropout=0.5,
                        bidirectional=True)
    assert repr(again) == repr(layer)


class AsIndex:
    def __index__(self):
        return 1


@pytest.mark.parametrize("given", [np.array([1]), AsIndex(), True, np.bool_(True), 1.0])
def test_an_int_is_an_int_everywhere(given):
    """What no index takes as an int, no parameter does; and refusals are those of a call that fits no form."""
    x = tensorlib.ones(2, 3)
    for call in (lambda: x.sum(given), lambda: x.narrow(0, 0, given), lambda: x.view(given, 6)):
        with pytest.raises(TypeError, match="invalid combination of arguments"):
            call()
    assert x.sum(np.int16(1)).tolist() == x.sum(np.array(1)).tolist() == [3, 3]


def test_functions_take_keywords_behind_self_or_a_sequence():
    x = tensorlib.Tensor([[1, 2], [3, 5]])
    v = tensorlib.autograd.Variable(x)
    wide = [[1, 2, 1, 2], [3, 5, 3, 5]]
    assert tensorlib.cat((x, x), dim=1).tolist() == tensorlib.cat(seq=(x, x), dim=1).tolist() == wide
    assert tensorlib.cat([v, v], dim=0).size() == (4, 2) and tensorlib.stack((x, x), dim=2).size() == (2, 2, 2)
    assert tensorlib.sum(x, dim=1).tolist() == tensorlib.sum(v, dim=1).data.tolist() == [3, 8]
    assert tensorlib.sum(x, 1, keepdim=True).size() == (2, 1)
    assert tensorlib.add(x, other=x).tolist() == [[2, 4], [6, 10]]
    out = tensorlib.Tensor()
    assert tensorlib.add(x, 1, out=out) is out and out.tolist() == [[2, 3], [4, 6]]
    for function, args, words in ((tensorlib.cat, ((x, x),), dict(wrong=1)), (tensorlib.sum, (x,), dict(dim=1.5)),
                                  (tensorlib.add, (x, x), dict(x=1))):
        with pytest.raises(TypeError):
            function(*args, **words)
