"""tensorlib behaves as PyTorch v0.2.0 was recorded to, but for the exceptions and the missing names that are listed."""
import pathlib

import pytest

import tensorlib
from golden import runner

FILES = sorted(runner.FOLDER.glob("*.jsonl.gz"))
RESULTS = {}


def results(path):
    if path not in RESULTS:
        RESULTS[path] = runner.check(path, tensorlib)
    return RESULTS[path]


def exceptions():
    rows = (runner.FOLDER / "exceptions.tsv").read_text().splitlines()[1:]
    return dict(row.split("\t") for row in rows)


def missing_names():
    return set((runner.FOLDER / "missing.txt").read_text().split())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_cases_agree(path):
    count, wrong = results(path)
    assert count > 1000
    listed, missing = exceptions(), missing_names()
    new = ["%s: %s" % (case, how) for case, (how, name) in wrong.items() if case not in listed and name not in missing]
    assert not new, "%d of %d cases differ:\n%s" % (len(new), count, "\n".join(new[:40]))


# Words of v0.2's errors that users know; what stands around them may say more than it did.
WORDS = """
Mask tensor can take 0 and 1 values only
Index is supposed to be a vector
Invalid index in gather
slice step has to be greater than 0
k not in range for dimension
selected index out of range
seq can't be empty
is only supported for integer type tensors
invalid number of points
input is not contiguous
Number of elements of src < number of ones in mask
non-positive-norm not supported
tried to construct a tensor from a
can't convert a given np.ndarray to a tensor
has zero-sized dimensions
from_numpy expects an np.ndarray but got
Trying to resize storage that is not resizable
bool value of
doesn't implement stateless method
can't compare Variable and tensor
don't share storage with any other variables
a leaf Variable that requires grad has been used in an in-place operation
has been modified by an inplace operation
Trying to backward through the graph a second time
differentiated input is unreachable
grad can be implicitly created only for scalar outputs
you can only change requires_grad flags of leaf variables
can't be volatile and require_grad at the same time
Output size is too small
pad should be smaller than half of kernel size
Halving dimension must be even
but valid sizes range from
Expected 4D tensor as input, got 3D tensor instead.
unexpected key
missing keys in state_dict
attribute already exists
is not a Module subclass
dropout probability has to be between 0 and 1
optimizer can only optimize Variables
can't optimize a non-leaf
optimizing a parameter that doesn't require gradients
loaded state dict
Torch not compiled with CUDA enabled
""".strip().splitlines()


@pytest.mark.parametrize("words", WORDS)
def test_errors_say_what_users_know(words):
    """In every recorded case, but for those that differ anyway."""
    listed, seen, other = exceptions(), 0, []
    for path in FILES:
        for case in runner.load(path):
            if words in case["expect"].get("text", "") and case["id"] not in listed:
                seen += 1
                got = runner.run(case, tensorlib)
                if words not in got.get("text", "").replace("tensorlib", "torch"):
                    other.append("%s: %s" % (case["id"], got.get("text")))
    assert seen > 0 and other == [], "\n".join(other)


REFUSING = """addcdiv addcmul all any atan2 cross cumprod cumsum dist div dot eq equal fmod gather ge gt index_select
le lerp lt masked_fill_ masked_select mm mul ne prod remainder sub sum torch.addcdiv torch.addcmul torch.cumprod
torch.cumsum torch.dot torch.gather torch.index_select torch.lerp torch.masked_select""".split()


def test_refusals_of_arguments_are_worded_as_recorded():
    """What was given, with ! around what does not fit, and all that would: text for text, in its first 300 letters."""
    seen = 0
    for case in runner.load(runner.FOLDER / "basics.jsonl.gz"):
        said = case["expect"].get("text", "")
        if " received an invalid combination" in said and said.split()[0] in REFUSING:
            seen += 1
            assert runner.run(case, tensorlib)["text"] == said, case["id"]
    assert seen > 100


def test_no_exception_is_stale():
    wrong = {case for path in FILES for case in results(path)[1]}
    assert sorted(set(exceptions()) - wrong) == []
    assert all(reason.strip() for reason in exceptions().values())


def test_no_missing_name_is_stale():
    met = {name for path in FILES for _, name in results(path)[1].values()}
    assert sorted(missing_names() - met) == []


def test_the_runner_sees_a_wrong_value_type_and_error():
    case = {"id": "x", "code": "result = torch.FloatTensor([1, 2])", "expect": {
        "result": {"tensor": "FloatTensor", "size": [2], "values": [1.0, 2.0]}, "warns": []}}
    assert runner.judge(case, runner.run(case, tensorlib)) is None
    for code in ("result = torch.FloatTensor([1, 3])", "result = torch.DoubleTensor([1, 2])", "result = torch.nonsense",
                 "result = torch.FloatTensor([[1, 2]])", "import warnings; warnings.warn('x'); " + case["code"]):
        assert runner.judge(case, runner.run(dict(case, code=code), tensorlib)) is not None


def test_the_folder_is_complete():
    assert len(FILES) == 6 and pathlib.Path(runner.FOLDER / "files" / "types-v0.2.0.pt").exists()
