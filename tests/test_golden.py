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
