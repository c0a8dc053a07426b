"""Matrix products against PyTorch: time of each side, and its time over ours (above 1 we are faster).

    python benchmarks/gemm.py [--threads N] [--rounds N] [--json FILE]

The two sides take turns in one run; the ratio is the median over the rounds. Without PyTorch only our side is timed.
"""
import argparse
import json
import statistics
import time

import tensorlib

try:
    import torch
except ImportError:
    torch = None

# m, n, k, and whether the right-hand matrix is given transposed, as the weight of a Linear layer is.
SIZES = [(8, 8, 8, False), (64, 10, 100, True), (64, 64, 64, False), (8, 512, 784, True), (32, 512, 784, True),
         (64, 1000, 64, True), (64, 100, 1000, True), (1, 1000, 1000, True), (1000, 1, 1000, False),
         (256, 256, 256, False), (512, 512, 512, False), (1024, 1024, 1024, False), (2048, 2048, 2048, False)]


def timed(call, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def product(module, m, n, k, transposed):
    """A call that multiplies random matrices of `module`."""
    a, b = module.rand(m, k), module.rand(n, k).t() if transposed else module.rand(k, n)
    return lambda: module.mm(a, b)


def measure(m, n, k, transposed, rounds):
    """Times of one size in seconds: ours, theirs, and the median ratio."""
    sides = [product(module, m, n, k, transposed) for module in (tensorlib, torch) if module]
    repeats = max(1, min(20000, int(4e8 / (2 * m * n * k + 2e4))))
    times = [[timed(call, repeats) for call in sides] for _ in range(rounds)]
    row = {"m": m, "n": n, "k": k, "transposed": transposed, "ours": min(t[0] for t in times)}
    if torch:
        row["theirs"] = min(t[1] for t in times)
        row["ratio"] = statistics.median(t[1] / t[0] for t in times)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args()
    tensorlib.set_num_threads(options.threads)
    if torch:
        torch.set_num_threads(options.threads)
        torch.set_grad_enabled(False)
    rows = []
    for size in SIZES:
        row = measure(*size, options.rounds)
        rows.append(row)
        flops = 2e-9 * row["m"] * row["n"] * row["k"]
        text = "%4d x %4d x %4d %s  ours %10.2f us %6.1f GFLOP/s" % (
            row["m"], row["n"], row["k"], "T" if row["transposed"] else " ", row["ours"] * 1e6, flops / row["ours"])
        if torch:
            text += "   torch %10.2f us %6.1f   x %.2f" % (row["theirs"] * 1e6, flops / row["theirs"], row["ratio"])
        print(text)
    if torch:
        print("geometric mean x %.2f" % statistics.geometric_mean(row["ratio"] for row in rows))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
