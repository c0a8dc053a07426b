"""The command that runs all benchmarks: it measures, writes what it measured, and shows that. No time is judged."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = ROOT / "benchmarks" / "run.py"
ROW = "two layers 64-1000-100-10"


def run(*command):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run([sys.executable, *map(str, command)], env=environment, capture_output=True, text=True,
                          timeout=600)


def test_a_row_is_measured_written_and_shown(tmp_path):
    path = tmp_path / "rows.json"
    done = run(RUN, "--only", ROW, "--threads", "1", "--rounds", "1", "--json", path)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    (row,) = found["rows"]
    assert row["name"] == ROW and row["threads"] == 1 and 0 < row["times"]["tensorlib"]["cpu"] < 10
    assert row["ratios"]["numpy"]["median"] > 0 and found["environment"]["tensorlib"]
    assert any(line.startswith(ROW) and line.count(".") > 1 for line in done.stdout.splitlines())


def row(name, threads, **ratios):
    times = {side: {"wall": 2.0, "cpu": 1.0} for side in ("tensorlib", *ratios)}
    return {"name": name, "threads": threads, "clock": "cpu", "times": times, "of_limit": 0.5,
            "ratios": {side: {"median": ratio, "low": ratio, "high": ratio} for side, ratio in ratios.items()}}


def test_the_readme_table_and_means_are_made_of_what_was_written(tmp_path):
    rows = [row("LeNet, 64 x 1x28x28", 1, torch=2.0, channels_last=0.5), row("ResNet-20, 16 x 3x32x32", 1, torch=4.0),
            row("small VGG, 16 x 3x32x32", 1, torch=12.34), row("LeNet, 64 x 1x28x28", 2, torch=3.0)]
    about = {"processor": "P", "cores": 2, "kernels": "k", "torch": "2.13.0", "load": 0}
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"environment": about, "limits": {}, "rows": rows}))
    lines = run(RUN, "--load", path, "--readme").stdout.splitlines()
    assert "| training step | PyTorch |" in lines           # columns of one or two figures are left out
    assert "| LeNet, batch 64 | 2.0 |" in lines and "| small VGG, 32x32 | 12 |" in lines
    assert "1 thread , beside torch: geometric mean x 4.62 of 3 rows, least x 2.00 (LeNet, 64 x 1x28x28)" in lines
    assert any(line.split() == ["LeNet,", "64", "x", "1x28x28", "1", "s", "50", "%", "2.00", "0.50"] for line in lines)


def test_a_plot_says_what_it_needs(tmp_path):
    code = "import sys, runpy; sys.modules['matplotlib'] = None; sys.argv = %r; runpy.run_path(%r, run_name='__main__')"
    done = run("-c", code % ([str(RUN), "--plot", str(tmp_path / "x.png")], str(RUN)))
    assert done.returncode == 1 and "pip install matplotlib" in done.stderr
