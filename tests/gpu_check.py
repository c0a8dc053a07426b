"""One command for whoever has a GPU: the tests of tests/cuda on the real driver, then the time of each kind of kernel
beside cuBLAS and the bandwidth of the memory.

    python tests/gpu_check.py                   tests and times; status 1 if a test fails or a result is wrong
    python tests/gpu_check.py --no-tests        times only
    python tests/gpu_check.py --tiny            small sizes and a few tests, as on the emulator: times mean nothing
"""
import argparse
import collections
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import numpy as np  # noqa: E402

import tensorlib  # noqa: E402
from tensorlib import cuda  # noqa: E402
from tensorlib.autograd import Variable  # noqa: E402
from tensorlib.ops import TABLE  # noqa: E402

GOOD = 0.6      # of the limit; less is marked

# A call on tensors of given sizes; the bytes it has to move; its operations, for products only.
Case = collections.namedtuple("Case", "name sizes call moved work", defaults=(0,))


def layer(module):
    """A call of a layer that stays on the device of its input."""
    def call(x):
        module.cuda() if x.is_cuda else module.cpu()
        return module(Variable(x)).data
    return call


def gradient(f):
    """The gradient of the sum of squares of f(x)."""
    def call(x):
        v = Variable(x, requires_grad=True)
        y = f(v)
        (y * y).sum().backward()
        return v.grad.data
    return call


def step(make):
    """Three steps of an optimizer on a parameter x with gradient g."""
    def call(x, g):
        p = Variable(x.clone(), requires_grad=True)
        p.sum().backward()
        p.grad.data.copy_(g)
        optimizer = make([p])
        for _ in range(3):
            optimizer.step()
        return p.data
    return call


def places(x):
    """Positions below 64, made of numbers."""
    return (x.abs() * 10).long().clamp(0, 63)


def cases(n):
    """All cases; n is the side of the larger matrices."""
    F, whole, f = tensorlib.nn.functional, n * n, 4
    tensorlib.manual_seed(1)
    pictures, channels = (n // 32, 16, n // 4, n // 4), 16
    pixels = int(np.prod(pictures))
    bn, conv = tensorlib.nn.BatchNorm2d(channels), tensorlib.nn.Conv2d(channels, 32, 3, padding=1)
    found = [
        Case("add", [(n, n)] * 2, lambda a, b: a + b, 3 * f * whole),
        Case("tanh", [(n, n)], lambda a: a.tanh(), 2 * f * whole),
        Case("double -> float", [(n, n)], lambda a: a.double().float(), (4 + 8) * 2 * whole),
        Case("add a row", [(n, n), (n,)], lambda a, b: a + b.expand_as(a), 2 * f * whole),
        Case("add of parts", [(n, n + 8)], lambda a: a.narrow(1, 0, n) + a.narrow(1, 8, n), 3 * f * whole),
        Case("transposed copy", [(n, n)], lambda a: a.t().contiguous(), 2 * f * whole),
        Case("transposed add", [(n, n)] * 2, lambda a, b: a.t() + b, 3 * f * whole),
        Case("sum of all", [(n, n)], lambda a: TABLE["sum_all"](a), f * whole),
        Case("sums of rows", [(n, n)], lambda a: a.sum(1), f * whole),
        Case("sums of columns", [(n, n)], lambda a: a.sum(0), f * whole),
        Case("maxima of rows", [(n, n)], lambda a: a.max(1)[0], f * whole),
        Case("softmax", [(n, n)], lambda a: TABLE["softmax"](a, 1), 2 * f * whole),
        Case("softmax, short rows", [(n * 8, n // 8)], lambda a: TABLE["softmax"](a, 1), 2 * f * whole),
        Case("cumsum", [(n, n)], lambda a: a.cumsum(1), 2 * f * whole),
        Case("sort of rows", [(n, n)], lambda a: a.sort(1)[0], 2 * f * whole),
        Case("index_select", [(64, n), (n,)], lambda a, i: a.index_select(0, places(i)), 2 * f * whole),
        Case("matrix x vector", [(n, n), (n,)], lambda a, x: a.mv(x), f * whole),
        Case("turned matrix x vector", [(n, n), (n,)], lambda a, x: a.t().mv(x), f * whole),
        Case("batch norm", [pictures], layer(bn), 4 * f * pixels),
        Case("max pool 2 x 2", [pictures], lambda a: F.max_pool2d(Variable(a), 2).data, 7 * f * pixels // 4),
        Case("avg pool's gradient", [pictures], gradient(lambda v: F.avg_pool2d(v, 2)), 7 * f * pixels),
        Case("convolution 3 x 3", [pictures], layer(conv), 3 * f * pixels, 2 * pixels * 32 * 9),
        Case("3 steps of SGD", [(n, n)] * 2, step(lambda p: tensorlib.optim.SGD(p, 0.1)), 3 * 3 * f * whole),
        Case("3 steps of Adam", [(n, n)] * 2, step(lambda p: tensorlib.optim.Adam(p)), 3 * 7 * f * whole),
        Case("batched product", [(8, n // 4, n // 4)] * 2, lambda a, b: a.bmm(b), 3 * f * whole // 2,
             16 * (n // 4) ** 3),
    ]
    for size in (n // 4, n // 2, n):
        for name, call in (("a b", lambda a, b: a.mm(b)), ("a' b", lambda a, b: a.t().mm(b)),
                           ("a b'", lambda a, b: a.mm(b.t())), ("a' b'", lambda a, b: a.t().mm(b.t()))):
            found.append(Case("product %s, %d" % (name, size), [(size, size)] * 2, call, 3 * f * size ** 2,
                              2 * size ** 3))
    return found


def timed(call, tensors, turns):
    """The least milliseconds of a call, by events around it; memory and kernels are there before."""
    call(*tensors)
    best = float("inf")
    for _ in range(turns):
        start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        start.record()
        call(*tensors)
        end.record()
        end.synchronize()
        best = min(best, start.elapsed_time(end))
    return best


def choose(which):
    """Take our kernels, or cuBLAS; returns whether that can be had."""
    from tensorlib.cuda import blas
    os.environ["TENSORLIB_CUDA_BLAS"] = which
    blas.library.cache_clear()
    try:
        return which == "own" or blas.library() is not None
    except RuntimeError:
        return False


def wrong(case, tensors):
    """How a result differs from that on the CPU, None if it does not."""
    want = case.call(*tensors).numpy()
    got = case.call(*[t.cuda() for t in tensors]).cpu().numpy()
    scale = max(1e-30, float(np.abs(want).max()))
    off = float(np.abs(got.astype(np.float64) - want).max()) / scale if got.shape == want.shape else float("inf")
    return None if off < 1e-4 else "WRONG: off by %.2g of the largest" % off


def describe():
    from tensorlib.cuda import blas, driver, module
    api = driver.use(0)
    device = api.Device(0)
    print("device        %s, compute capability %d.%d, %d MB" % (
        device.name(), *driver.capability(0), device.total_memory() >> 20))
    print("driver        CUDA %d.%d" % divmod(api.get_driver_version() // 10, 100))
    for name, found in (("NVRTC", module.find_nvrtc()), ("nvcc", module.find_nvcc())):
        print("%-13s %s" % (name, found if isinstance(found, str) else found.version))
    has = choose("cublas")
    print("cuBLAS        %s" % (("%d" % blas.library().version()) if has else "none that can be used"))


def measure(n, turns):
    """Print the table; returns how many results were wrong."""
    x = tensorlib.randn(n * n).cuda()
    y = x.clone()
    bandwidth = 2 * 4 * n * n / timed(lambda a, b: b.copy_(a), (x, y), turns) / 1e6
    print("bandwidth     %.1f GB/s, of a copy on the device\n" % bandwidth)
    print("%-24s %10s %9s %9s %9s %10s %9s" % ("", "ms", "GB/s", "of limit", "GFLOP/s", "cuBLAS ms", "of cuBLAS"))
    bad = 0
    for case in cases(n):
        tensors = [tensorlib.randn(*size) for size in case.sizes]
        choose("own")
        problem = wrong(case, tensors)
        bad += problem is not None
        placed = [t.cuda() for t in tensors]
        ms = timed(case.call, placed, turns)
        rate = case.moved / ms / 1e6
        line = "%-24s %10.4f %9.1f %8.0f%% " % (case.name, ms, rate, 100 * rate / bandwidth)
        if case.work:
            line += "%9.1f " % (case.work / ms / 1e6)
            if choose("cublas"):
                theirs = timed(case.call, placed, turns)
                line += "%10.4f %8.0f%%" % (theirs, 100 * theirs / ms)
                problem = problem or wrong(case, tensors)
                mark = theirs / ms < GOOD
            else:
                line, mark = line + "%10s %9s" % ("-", "-"), False
        else:
            mark = rate / bandwidth < GOOD
        print((line + ("  " + problem if problem else "  slow" if mark else "")).rstrip(), flush=True)
    return bad


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--no-tests", action="store_true")
    options = parser.parse_args(arguments)
    if not cuda.is_available():
        print("no GPU: " + cuda.why_unavailable())
        return 3
    describe()
    failed = 0
    if not options.no_tests:
        chosen = ["tests/cuda/test_margins.py"] if options.tiny else ["tests/cuda"]
        failed = subprocess.run([sys.executable, "-m", "pytest", "-q", *chosen], cwd=HERE.parent).returncode
        print("tests         %s" % ("failed" if failed else "passed"), flush=True)
    bad = measure(64 if options.tiny else 4096, 1 if options.tiny else 10)
    print("\n%s" % ("%d results are WRONG" % bad if bad else "all results are right"))
    return int(bool(failed or bad))


if __name__ == "__main__":
    sys.exit(main())
