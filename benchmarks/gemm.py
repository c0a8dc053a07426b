"""Matrix products against PyTorch: time of each side, and its time over ours (above 1 we are faster).

    python benchmarks/gemm.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]

A row names m x n x k, then T for each operand that is given transposed (`TN`: the left one, `NT`: the right one, as
the weight of a Linear layer is), the type where it is not float, and the number of products where there are several.
"""
import tensorlib
from _measure import main, torch

SHAPES = [(8, 8, 8, "NN"), (64, 10, 100, "NT"), (64, 64, 64, "NN"), (8, 512, 784, "NT"), (32, 512, 784, "NT"),
          (64, 1000, 64, "NT"), (64, 100, 1000, "NN"), (64, 100, 1000, "NT"), (1000, 100, 64, "TN"),
          (1000, 64, 100, "TN"), (256, 256, 256, "NN"), (512, 512, 512, "NN"), (1024, 1024, 1024, "NN"),
          (2048, 2048, 2048, "NN"), (256, 256, 256, "TN"), (256, 256, 256, "NT"), (256, 256, 256, "TT"),
          (20, 800, 200, "NT"), (700, 1000, 200, "NT"), (700, 200, 800, "NN"), (800, 200, 700, "TN"),
          (4096, 8, 64, "NN"), (8, 4096, 64, "NN"), (16, 16, 4096, "TN"), (1000, 1000, 4, "NN"), (33, 33, 33, "NN")]
VECTORS = [(1, 1000, 1000, "NT"), (1000, 1, 1000, "NN"), (1, 1000, 1000, "NN"), (1, 64, 64, "NT")]
DOUBLE = [(8, 8, 8, "NN"), (64, 64, 64, "NN"), (64, 100, 1000, "NN"), (1000, 100, 64, "TN"), (64, 10, 100, "NT"),
          (256, 256, 256, "NN"), (256, 256, 256, "NT"), (256, 256, 256, "TN"), (256, 256, 256, "TT"),
          (512, 512, 512, "NN"), (1024, 1024, 1024, "NN")]
BATCHES = [(64, 64, 32, "NT", 32), (64, 32, 64, "NN", 32), (64, 32, 64, "TN", 32), (3, 3, 3, "NN", 1000),
           (16, 16, 16, "NN", 100), (128, 128, 64, "NT", 16), (1, 64, 64, "NN", 64)]


def operand(module, batch, rows, columns, transposed, kind, step):
    """A random matrix, or a batch of them, of which every `step`-th column counts."""
    size = (batch,) * (batch is not None) + ((columns, rows) if transposed else (rows, columns * step))
    t = getattr(module.rand(*size), kind)()
    return t.transpose(-1, -2) if transposed else t[..., ::step] if step > 1 else t


def product(module, m, n, k, layout, batch=None, kind="float", step=1):
    """A call that multiplies random matrices of `module`."""
    a = operand(module, batch, m, k, layout[0] == "T", kind, step)
    b = operand(module, batch, k, n, layout[1] == "T", kind, step)
    multiply = module.mm if batch is None else module.bmm
    return lambda: multiply(a, b)


def cases(suite):
    def compare(m, n, k, layout, batch=None, kind="float", step=1):
        name = "%d x %d x %d %s" % (m, n, k, layout) + " double" * (kind == "double") + " strided" * (step > 1)
        name += " * %d" % batch if batch else ""
        if suite.wants(name):
            sides = [module and product(module, m, n, k, layout, batch, kind, step) for module in (tensorlib, torch)]
            suite.compare(name, *sides, work=2e-9 * (batch or 1) * m * n * k, goal=1)

    for shape in SHAPES + VECTORS + BATCHES:
        compare(*shape)
    compare(256, 256, 256, "NN", step=2)
    for shape in DOUBLE + VECTORS[:3] + BATCHES[:4]:
        compare(*shape, kind="double")


if __name__ == "__main__":
    main(__doc__, cases)
