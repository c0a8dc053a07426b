"""Every class of nn that v0.2 had, as users see it: its text, its attributes, what its state holds, copies and casts.

`layers.tsv` lists constructors with what they show; the texts are those that v0.2 printed. What the layers compute is
the business of test_nn_modules.py.
"""
import copy
import csv
import inspect
import pathlib
import pickle
import re

import pytest

import tensorlib
from tensorlib import nn

HERE = pathlib.Path(__file__).parent
ROWS = list(csv.DictReader((HERE / "layers.tsv").read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
pytestmark = pytest.mark.filterwarnings("ignore")       # some classes say that they are old


def build(row):
    tensorlib.manual_seed(2)
    return eval("nn." + row["constructor"], {"nn": nn, "tensorlib": tensorlib})


def tensors(module):
    return list(module.state_dict().values())


def test_every_class_is_here():
    listed = {line.split("\t")[0][3:] for line in (HERE / "signatures.tsv").read_text().splitlines()
              if re.match(r"nn\.[A-Z]\w*\t", line)}
    here = {row["constructor"].partition("(")[0] for row in ROWS}
    assert listed - here == {"Module", "Parameter"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["constructor"])
def test_what_it_shows(row):
    module = build(row)
    assert repr(module) == row["text"].replace("\\n", "\n")
    for part in filter(None, row["attributes"].split("; ")):
        name, _, value = part.partition("=")
        assert getattr(module, name) == eval(value), name
    assert " ".join("%s:%s" % (key, "x".join(map(str, value.size())))
                    for key, value in module.state_dict().items()) == row["state"]
    assert module.training and all(p.requires_grad and not p.volatile for p in module.parameters())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["constructor"])
def test_copies_casts_and_devices(row):
    module = build(row)
    before = [t.clone() for t in tensors(module)]
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(twin) == repr(module) and list(twin.state_dict()) == list(module.state_dict())
        assert all(a is not b and a.equal(b) for a, b in zip(tensors(twin), tensors(module)))
    assert module.double() is module and all(t.type() == "tensorlib.DoubleTensor" for t in tensors(module))
    assert module.half() is module and all(t.type() == "tensorlib.HalfTensor" for t in tensors(module))
    assert module.type("tensorlib.FloatTensor") is module and module.cpu() is module
    assert all((a - b).abs().max() < 1e-2 for a, b in zip(tensors(module), before))
    if tensors(module):
        with pytest.raises(AssertionError, match="not compiled with CUDA"):
            module.cuda()
    other = build(row)
    for t in tensors(other):
        t.fill_(0)
    other.load_state_dict(module.state_dict())
    assert all(a.equal(b) for a, b in zip(tensors(other), tensors(module)))
    stays = row["constructor"].startswith("InstanceNorm")           # it always uses the statistics of its input
    assert module.eval() is module and all(m.training == stays for m in module.modules())
    assert module.train() is module and all(m.training for m in module.modules())


@pytest.mark.parametrize("row", [row for row in ROWS if row["state"]], ids=lambda row: row["constructor"])
def test_reset_parameters_draws_anew(row):
    module = build(row)
    if not hasattr(module, "reset_parameters"):
        return
    assert not inspect.signature(module.reset_parameters).parameters
    before = [p.data.clone() for p in module.parameters()]
    tensorlib.manual_seed(9)
    module.reset_parameters()
    after = [p.data for p in module.parameters()]
    assert all(a.size() == b.size() for a, b in zip(before, after))
    assert any(not a.equal(b) for a, b in zip(before, after)) or not before
