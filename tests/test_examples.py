"""Every example runs, in a process of its own, and prints what it promises."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
# A line that each must print, as a pattern.
TELLING = {
    "array_basics": r"a\.add_\(b\) changed a itself: True",
    "variables_and_gradients": r"5 \(x \+ 2\) is \[15\.0, 15\.0\]\n.*is \[10\.0, 10\.0\]",
    "handwritten_network": r"after 500 steps: squared error (0\.00\d+|\d(\.\d+)?e-0[3-9])\n",
    "sequential_network": r"after 500 steps: squared error (0\.00\d+|\d(\.\d+)?e-0[3-9])\n",
    "network_class": r"after 500 steps: squared error (0\.00\d+|\d(\.\d+)?e-0[3-9])\n",
    "mixed_network": r"features of size 2 x 24 x 32 x 32\nthe network has 2952 weights",
    "convolutions": r"1 x 1 x 28 x 28 becomes 1 x 64 x 20 x 20\n.* becomes 1 x 16 x 4 x 4",
    "custom_functions": r"new style.* are \[0\.0, 1\.0, 1\.0, 0\.0\]\nold style.* are \[0\.0, 1\.0, 1\.0, 0\.0\]",
    "train_flag": r"inference: dropout sets 0 % to zero\nand the same input gives the same output: True",
    "learning_rate_schedule": r"epoch 90: learning rate 0\.0001",
    "data_loader": r"60 images in 6 batches, loaded by 16 processes",
    "hogwild": r"after 400 steps of each of 2 processes: accuracy (9[5-9]|100)\.\d %",
    "volatile_inference": r"no history \(None\) and requires grad: False\nso backward is refused",
    "weight_initialisation": r"the linear bias sums to 0\n",
    "distributed_training": r"rank 0 of 2: 9\d\.\d % right\nthe same weights everywhere: True",
    "sparse_embedding": r"FloatTensor with 128 rows of 50000\n(.*\n)*neighbours are alike, others are not: True",
    "gpu": r"There is no GPU|moved to the GPU and back, unchanged: True",
    "digits": r"test accuracy: 9[89]\.\d\d %|test accuracy: 100",
}


def run(name, *arguments, folder):
    environment = dict(os.environ, PYTHONPATH=str(EXAMPLES.parent))
    done = subprocess.run([sys.executable, str(EXAMPLES / (name + ".py")), *arguments], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_every_example_is_listed_and_says_what_it_shows():
    scripts = {path.stem: path for path in EXAMPLES.glob("[!_]*.py")}
    assert sorted(scripts) == sorted(TELLING)
    listed = (EXAMPLES / "README.md").read_text()
    for name, path in scripts.items():
        assert "`%s.py`" % name in listed
        assert re.match(r'"""[A-Z][^"]{20,}', path.read_text()), "%s does not begin by what it shows" % path.name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TELLING))
def test_example(name, tmp_path):
    if name == "data_loader":
        pytest.importorskip("pandas")
        pytest.importorskip("PIL")
    printed = run(name, folder=tmp_path)
    assert re.search(TELLING[name], printed), printed
    if name == "digits":
        made = {path.name for path in (tmp_path / "build" / "demo").iterdir()}
        assert made >= {"model.pt"}


@pytest.mark.slow
def test_digits_reads_idx_files(tmp_path):
    """On stripes, whose direction is the class, in the files of MNIST."""
    pytest.importorskip("PIL")
    import gzip

    import numpy
    for part, n in (("train", 640), ("t10k", 250)):
        labels = numpy.arange(n) % 2
        images = numpy.zeros((n, 28, 28), numpy.uint8)
        images[labels == 0, ::4] = 255
        images[labels == 1, :, ::4] = 255
        for name, array, magic in (("images-idx3", images, 0x803), ("labels-idx1", labels.astype(numpy.uint8), 0x801)):
            header = numpy.array([magic, *array.shape], ">i4").tobytes()
            with gzip.open(tmp_path / ("%s-%s-ubyte.gz" % (part, name)), "wb") as file:
                file.write(header + array.tobytes())
    printed = run("digits", "--data", str(tmp_path), "--epochs", "3", folder=tmp_path)
    assert "test accuracy: 100.00 %" in printed, printed
