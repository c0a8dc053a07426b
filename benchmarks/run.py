"""All benchmarks in one table: tensorlib beside PyTorch (as usual and in channels_last), JAX, NumPy, autograd and MLX.

    python benchmarks/run.py [--full] [--threads N ...] [--only TEXT] [--json FILE] [--plot FILE] [--readme]
    python benchmarks/run.py --load FILE [--plot FILE] [--readme]       shows what an earlier run wrote

Sides that are not installed are left out: pip install torch==2.13.0 jax autograd "mlx[cpu]"; plots: matplotlib. Each
number of threads gets a process of its own, held to as many cores. In the table a side's column tells how many times as
long as tensorlib it takes: above 1 we are faster. Work is counted as in the plain algorithm, so that one with fewer
multiplications (Winograd) may be above the limit of the machine. Quick, some minutes: a choice of rows, and few turns;
--full: all rows; --readme: training steps only.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BENCHMARKS = ("overhead", "operations", "layers", "gemm", "convolution", "rnn", "training", "scaling")
QUICK_ROUNDS = 5
QUICK = {
    "a + b of 10 elements", "5 (x + 2)^2 of 2 elements, backward", "SGD.step of 20 parameters",
    "add 10^7", "add row 10^6", "add transposed 10^6", "exp 10^6", "tanh 10^6", "sum 10^7", "sum dim 0 10^6",
    "softmax rows of 1000", "softmax rows of 10", "max_pool2d 2, with gradient", "dropout, with gradient",
    "MaxPool2d(3, 2, 1) of 56x56", "AvgPool2d(8) of 8x8", "BatchNorm2d(64) of 28x28", "ZeroPad2d(1)",
    "CrossEntropyLoss, 1000 classes", "sort rows of 1000", "8 x 8 x 8 NN", "64 x 1000 x 64 NT",
    "512 x 512 x 512 NN", "1024 x 1024 x 1024 NN",
    "16 x 64x32x32 to 64, k3 s1 p1 forward", "16 x 64x32x32 to 64, k3 s1 p1 dx", "16 x 64x32x32 to 64, k3 s1 p1 dw",
    "16 x 64x32x32 to 128, k1 s1 p0 forward", "16 x 64x16x16 to 128, k3 s2 p1 forward",
    "LSTM 64, batch 20, 35 steps", "GRU 256, batch 20, 35 steps",
    "a + b, elements 1000", "a + b, elements 100000", "a + b, elements 10000000", "square product, side 32",
    "square product, side 128", "square product, side 1024", "LeNet step, batch 1", "LeNet step, batch 16",
    "LeNet step, batch 256"}
NAMES = {"torch": "PyTorch", "channels_last": "its channels_last", "jax": "JAX", "numpy": "NumPy",
         "autograd": "autograd", "mlx": "MLX"}


# ---- measuring: one process for each number of threads ---------------------------------------------------------------

def work(options):
    """Measure in this process with options.worker threads, and write the rows to options.json."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.worker:])
    os.environ.update(JAX_PLATFORMS="cpu", OMP_NUM_THREADS=str(options.worker))
    import _measure
    import limits
    import training
    from _rivals import rivals, versions
    quick = QUICK | set(training.WORKLOADS)

    def only(name):
        chosen = name in README if options.readme else options.full or name in quick
        return chosen and (not options.only or options.only in name)
    try:
        found = limits.measure(options.worker)
        print(limits.text_of(found, options.worker), flush=True)
    except RuntimeError as error:
        found = {}
        print("%s: rates are told without their distance to them" % error, flush=True)
    rounds = options.rounds or (_measure.ROUNDS if options.full else QUICK_ROUNDS)
    suite = _measure.Suite(options.worker, rounds, only, found, rivals(options.worker))
    for name in BENCHMARKS:
        __import__(name).cases(suite)
    with open(options.json, "w") as file:
        json.dump({"environment": {**_measure.environment(), **versions()}, "limits": {options.worker: found},
                   "rows": suite.rows}, file)


def measured(options):
    """Rows, limits and environment of all numbers of threads."""
    whole = {"environment": {}, "limits": {}, "rows": []}
    cores = len(os.sched_getaffinity(0))
    for threads in options.threads:
        if threads > cores:
            print("%d threads: this process may use %d cores only, left out" % (threads, cores))
            continue
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, __file__, "--worker", str(threads), "--json", file.name]
            command += ["--full"] * options.full + ["--readme"] * options.readme
            command += ["--only", options.only] * bool(options.only)
            command += ["--rounds", str(options.rounds)] * bool(options.rounds)
            subprocess.run(command, check=True)
            part = json.load(file)
        whole["environment"] = part["environment"]
        whole["limits"].update(part["limits"])
        whole["rows"] += part["rows"]
    return whole


# ---- showing ---------------------------------------------------------------------------------------------------------

def duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            break
    return "%.3g %s" % (seconds / size, unit)


def sides_of(rows):
    return [side for side in NAMES if any(side in row["ratios"] for row in rows)]


def table(found):
    """Lines of the table: our time, how near it is to what the machine can do, and the ratio to each side."""
    for threads in sorted({row["threads"] for row in found["rows"]}):
        rows = [row for row in found["rows"] if row["threads"] == threads]
        sides = sides_of(rows)
        yield ""
        yield "%-46s %10s %9s" % ("%d thread%s" % (threads, "s" * (threads > 1)), "tensorlib", "of limit") + "".join(
            " %13s" % side for side in sides)
        for row in rows:
            yield "%-46s %10s %9s" % (row["name"], duration(row["times"]["tensorlib"][row["clock"]]),
                                      "%.0f %%" % (100 * row["of_limit"]) if "of_limit" in row else "") + "".join(
                " %13s" % ("%.2f" % row["ratios"][side]["median"] if side in row["ratios"] else "") for side in sides)


def readme(found):
    """Lines of a Markdown table of the training steps, with a column for each side and number of threads."""
    rows = {}
    for row in found["rows"]:
        if row["name"] in README:
            rows.setdefault(README[row["name"]], {}).update(
                {(row["threads"], side): ratio["median"] for side, ratio in row["ratios"].items()})
    columns = sorted({key for row in rows.values() for key in row}, key=lambda key: (key[0], list(NAMES).index(key[1])))
    columns = [key for key in columns if sum(key in row for row in rows.values()) > 2]
    yield "| training step | %s |" % " | ".join(
        NAMES[side] + (", %d threads" % threads if threads > 1 else "") for threads, side in columns)
    yield "|---" * (1 + len(columns)) + "|"
    for name in dict.fromkeys(README.values()):
        if name in rows:
            yield "| %s | %s |" % (name, " | ".join(
                ("%.2g" if rows[name][key] >= 10 else "%.1f") % rows[name][key] if key in rows[name] else ""
                for key in columns))
    about = found["environment"]
    yield ""
    yield "(%s, %d cores, kernels %s; %s; load %.1f)" % (
        about["processor"], about["cores"], about["kernels"], ", ".join(
            "%s %s" % (NAMES.get(side, side), about[side]) for side in NAMES if about.get(side)), about["load"])


README = {"two layers 64-1000-100-10": "two layers 64-1000-100-10", "LeNet, 64 x 1x28x28": "LeNet, batch 64",
          "convolutions 1-20-64, 16 x 1x28x28": "convolutions 1-20-64",
          "convolutions 1-6-16, 64 x 1x32x32": "convolutions 1-6-16", "ResNet-20, 16 x 3x32x32": "ResNet-20, 32x32",
          "small VGG, 16 x 3x32x32": "small VGG, 32x32", "DCGAN generator, 16 x 3x32x32": "DCGAN generator",
          "2-layer LSTM language model": "2-layer LSTM language model",
          "GRU, 50 steps of batch 4": "GRU, 50 steps of batch 4",
          "transformer block, 8 x 64 x 128": "transformer block",
          "policy network, 10 steps of batch 1": "policy network, batch 1"}


def matplotlib_figure():
    try:
        import matplotlib
    except ImportError:
        sys.exit("--plot needs matplotlib, which is not installed: pip install matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    return pyplot


def plot(found, path):
    """Ratios to PyTorch of all rows, and time over growing work of each series."""
    pyplot = matplotlib_figure()
    series = sorted({row["series"] for row in found["rows"] if "series" in row})
    rows = [row for row in found["rows"] if "torch" in row["ratios"] and "series" not in row]
    names = list(dict.fromkeys(row["name"] for row in rows))
    high, wide = max(3 * (len(series) + 1) // 2, 0.16 * len(names), 5), 2 if series else 0
    figure = pyplot.figure(figsize=(8 + 4 * wide, high), layout="constrained")
    grid = figure.add_gridspec(max(1, (len(series) + 1) // 2), 2 + wide)
    bars = figure.add_subplot(grid[:, :2])
    for threads in sorted({row["threads"] for row in rows}):
        points = [(row["ratios"]["torch"]["median"], names.index(row["name"])) for row in rows
                  if row["threads"] == threads]
        bars.plot(*zip(*points), "o", markersize=4, label="%d thread%s" % (threads, "s" * (threads > 1)))
    bars.set_yticks(range(len(names)), names, fontsize=6)
    bars.axvline(1, color="black", linewidth=0.8)
    bars.set(xscale="log", xlabel="time of PyTorch over ours", ylim=(len(names), -1))
    if rows:
        bars.legend()
    for i, name in enumerate(series):
        axes = figure.add_subplot(grid[i // 2, 2 + i % 2])
        points = [row for row in found["rows"] if row.get("series") == name]
        for threads in sorted({row["threads"] for row in points}):
            for side in ["tensorlib", *sides_of(points)]:
                line = [(row["work"], row["times"][side][row["clock"]]) for row in points
                        if row["threads"] == threads and side in row["times"]]
                axes.plot(*zip(*sorted(line)), "o-" if threads == 1 else "o--", markersize=3,
                          label="%s, %d" % (side, threads))
        axes.set(xscale="log", yscale="log", title=name, ylabel="seconds")
        axes.legend(fontsize=5)
    figure.savefig(path, dpi=120)
    print("plot: %s" % path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all rows, more turns")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--rounds", type=int, help="turns of each side")
    parser.add_argument("--only", metavar="TEXT", help="rows whose name contains this")
    parser.add_argument("--json", metavar="FILE", help="write all figures to this file")
    parser.add_argument("--plot", metavar="FILE", help="draw the ratios, and cost over growing work")
    parser.add_argument("--readme", action="store_true", help="training steps only, and as a Markdown table too")
    parser.add_argument("--load", metavar="FILE", help="show what --json wrote, instead of measuring")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options)
    if options.plot:
        matplotlib_figure()             # its lack is told before measuring
    if options.load:
        found = json.loads(pathlib.Path(options.load).read_text())
    else:
        found = measured(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    import _measure
    for line in [*table(found), "", *_measure.summary(found["rows"])]:
        print(line)
    if options.readme:
        print("", *readme(found), sep="\n")
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
