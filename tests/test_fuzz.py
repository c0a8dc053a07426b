"""A fixed set of the random programs of tests/fuzz, beside NumPy, a model of storages, and PyTorch where it is there.

`make fuzz` runs as many others as time allows. The programs run in a process of their own: a crash is a failed test.
"""
import os
import subprocess
import sys

import pytest

import tensorlib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fuzz")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1000])
def test_random_programs(seed):
    root = os.path.dirname(os.path.dirname(os.path.abspath(tensorlib.__file__)))
    path = os.pathsep.join([root] + os.environ.get("PYTHONPATH", "").split(os.pathsep))
    run = subprocess.run([sys.executable, os.path.join(FOLDER, "run.py"), "--programs", "100", "--seed", str(seed)],
                         capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=path))
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_difference_and_a_crash_are_found_and_made_short(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import run
    from program import Step, replay, shrink

    steps = [Step("create", ["x%d" % i], "tensorlib.FloatTensor([%d])" % i, "array([%d], 'float32', 1)" % i)
             for i in range(3)]
    steps.append(Step("wrong", [], "x1.add_(1)", "put(x1, x1 + 2)"))

    def fails(fewer):
        ran, difference = replay(fewer, run.KINDS["tensors"][2])
        return ran if difference else None
    assert shrink(steps, fails) == [steps[1], steps[3]]

    journal = run.Journal(str(tmp_path / "journal"), 7, "tensors")
    for step in steps[:3] + [Step("crash", [], "(__import__('os').abort(), x2)")]:
        journal.append(step)
    text = run.crash_report(journal.file.name, -6)
    assert text.startswith("seed 7, crash") and "x2 = " in text and "x1" not in text and "ended with -6" in text


def test_pytorch_judges_the_mirror(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(FOLDER)
    import run
    from program import Difference, Step

    program = run.KINDS["tensors"][2]()
    program.run(Step("create", ["x0"], "tensorlib.IntTensor([-7, 7])", "array([-7, 7], 'int32', 2)"))
    program.run(Step("div", ["x1"], "x0 / 2", "div(x0, number(2, x0))"))
    assert program.mirror["x1"].tolist() == [-3, 3]
    with pytest.raises(Difference, match="PyTorch"):
        program.run(Step("div", ["x2"], "x0 / 2", "x0 // 2"))
