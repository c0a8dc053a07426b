"""The check for those who have a GPU runs on small sizes, beside a stand-in for cuBLAS, and sees what is wrong."""
import os
import pathlib
import subprocess
import sys

import gpu_check
import pytest
from test_blas import compiled

import tensorlib

CHECK = pathlib.Path(gpu_check.__file__)


def run(*arguments, **env):
    env = dict(os.environ, TENSORLIB_CUDA_BLAS="auto", **env)
    return subprocess.run([sys.executable, str(CHECK), *arguments], capture_output=True, text=True, env=env)


def test_all_cases(tmp_path):
    done = run("--tiny", TENSORLIB_CUBLAS=str(compiled(tmp_path, "libcublas.so")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests         passed" in done.stdout and "all results are right" in done.stdout
    assert "cuBLAS        12" in done.stdout
    lines = done.stdout.splitlines()
    for case in gpu_check.cases(64):
        line, = [line for line in lines if line.startswith(case.name.ljust(24) + " ")]
        assert line.count("%") == (2 if case.work else 1), line


def test_without_a_gpu():
    done = run("--tiny", LD_LIBRARY_PATH="/nonexistent")
    assert done.returncode == 3 and done.stdout.startswith("no GPU: ")


def test_a_wrong_result_is_seen(monkeypatch, capsys):
    right = gpu_check.Case("right", [(8, 8)], lambda a: a * 2, 512)
    off = gpu_check.Case("off", [(8, 8)], lambda a: a * (2.01 if a.is_cuda else 2), 512)
    monkeypatch.setattr(gpu_check, "cases", lambda n: [right, off])
    monkeypatch.setenv("TENSORLIB_CUDA_BLAS", "own")
    assert gpu_check.main(["--tiny", "--no-tests"]) == 1
    printed = capsys.readouterr().out
    assert "1 results are WRONG" in printed and printed.count("WRONG: off by") == 1
    gpu_check.choose("own")


@pytest.mark.parametrize("make", [lambda: tensorlib.nn.BatchNorm2d(3), lambda: tensorlib.nn.Conv2d(3, 2, 3)])
def test_layers_follow_their_input(make):
    call, x = gpu_check.layer(make()), tensorlib.randn(2, 3, 5, 5)
    assert call(x).type() == "tensorlib.FloatTensor" and call(x.cuda()).is_cuda
