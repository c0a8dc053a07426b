"""Matrix products against PyTorch: time of each side, and its time over ours (above 1 we are faster).

    python benchmarks/gemm.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]
"""
import tensorlib
from _measure import main, torch

# m, n, k, and whether the right-hand matrix is given transposed, as the weight of a Linear layer is.
SIZES = [(8, 8, 8, False), (64, 10, 100, True), (64, 64, 64, False), (8, 512, 784, True), (32, 512, 784, True),
         (64, 1000, 64, True), (64, 100, 1000, True), (1, 1000, 1000, True), (1000, 1, 1000, False),
         (256, 256, 256, False), (512, 512, 512, False), (1024, 1024, 1024, False), (2048, 2048, 2048, False)]


def product(module, m, n, k, transposed):
    """A call that multiplies random matrices of `module`."""
    a, b = module.rand(m, k), module.rand(n, k).t() if transposed else module.rand(k, n)
    return lambda: module.mm(a, b)


def cases(suite):
    for m, n, k, transposed in SIZES:
        sides = [module and product(module, m, n, k, transposed) for module in (tensorlib, torch)]
        suite.compare("%d x %d x %d%s" % (m, n, k, " T" if transposed else ""), *sides, work=2e-9 * m * n * k, goal=1)


if __name__ == "__main__":
    main(__doc__, cases)
