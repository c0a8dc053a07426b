"""Matrix products on GPUs: by our own kernels, or by cuBLAS through ctypes where it is asked for or installed.

TENSORLIB_CUDA_BLAS says which: "own", "cublas", or "auto", which takes cuBLAS for floats where it is found.
"""
import ctypes
import functools
import glob
import os
import sys

from .._ops.tensor import code_of, device_of
from . import driver, streams
from .launch import NAMES, THREADS, grid_for, launch
from .module import Program

FLOAT, DOUBLE = 6, 7
LARGE = 1 << 14             # elements of C from which tiles of 128 x 128 fill the device
program = Program("gemm")


def gemm(c, a, b, alpha=1, beta=0):
    """c = alpha * a @ b + beta * c for matrices of any strides, or for batches of them (3-D)."""
    lead = c.dim() - 2
    batch = c.size(0) if lead else 1
    m, n, k = c.size(lead), c.size(lead + 1), a.size(lead + 1)
    if code_of(c) in (FLOAT, DOUBLE) and library() is not None and library().gemm(c, a, b, alpha, beta):
        return c
    if c.stride(lead + 1) > c.stride(lead) and n > 1:       # C's columns are dense: compute its transpose
        return gemm(turned(c), turned(b), turned(a), alpha, beta)
    large = code_of(c) == FLOAT and m >= 128 and n >= 128 and m * n >= LARGE
    tile = 128 if large else 64
    name = ("gemm_large_%s" if large else "gemm_%s") % NAMES[code_of(c)]
    launch(program, name, device_of(c), "PPPiiiiiiiqqqqqqqqqdd",
           (-(-n // tile), -(-m // tile), batch), THREADS, c, a, b, *shape(c, a, b, m, n, k, alpha, beta))
    return c


def turned(t):
    return t.transpose(t.dim() - 2, t.dim() - 1)


def shape(c, a, b, m, n, k, alpha, beta):
    """The struct Product of gemm.cu."""
    lead = c.dim() - 2
    along_a = a.stride(lead + 1) <= a.stride(lead) or m == 1
    along_b = b.stride(lead + 1) <= b.stride(lead) or k == 1
    return (m, n, k, along_a, along_b, whole(a, lead, lead + 1 if along_a else lead),
            whole(b, lead, lead + 1 if along_b else lead), *steps(a), *steps(b), *steps(c), alpha, beta)


def whole(t, lead, fast):
    """Whether four neighbours along a dim can be loaded at once: dense, and all rows begin at multiples of 16 bytes."""
    item = t.element_size()
    aligned = t.data_ptr() % min(16, 4 * item) == 0
    return int(t.stride(fast) == 1 and aligned and all(t.stride(d) % 4 == 0 or t.size(d) == 1
                                                       for d in range(t.dim()) if d != fast))


def steps(t):
    return t.stride(-2), t.stride(-1), t.stride(0) if t.dim() == 3 else 0


def gemv(y, a, x, alpha=1, beta=0):
    """y = alpha * a @ x + beta * y."""
    m, k = a.size()
    launch(program, "gemv_" + NAMES[code_of(y)], device_of(y), "PPPqiiiiiiiqqqqqqqqqdd", grid_for(device_of(y), m, 8),
           THREADS, y, a, x, x.stride(0), m, 1, k, 0, 0, 0, 0, a.stride(0), a.stride(1), 0, 0, 0, 0, y.stride(0), 0, 0,
           alpha, beta)
    return y


# ---- cuBLAS -------------------------------------------------------------------------------------------------------

class Cublas:
    """cuBLAS through ctypes. It counts columns first: a row-major product is the transposed product there."""

    def __init__(self, lib):
        self.lib, self.handles = lib, {}

    def handle(self, device):
        """The handle of a device, set to its current stream."""
        driver.use(device)
        if device not in self.handles:
            handle = ctypes.c_void_p()
            self.check(self.lib.cublasCreate_v2(ctypes.byref(handle)))
            self.handles[device] = handle
        self.check(self.lib.cublasSetStream_v2(self.handles[device], ctypes.c_void_p(streams.handle_of(device))))
        return self.handles[device]

    def gemm(self, c, a, b, alpha, beta):
        """The product, if the layouts are such that cuBLAS takes them; else False."""
        lead = c.dim() - 2
        layouts = [layout(t, lead) for t in (a, b, c)]
        if None in layouts or layouts[2][0]:
            return False
        m, n, k = c.size(lead), c.size(lead + 1), a.size(lead + 1)
        kind, number = ("S", ctypes.c_float) if code_of(c) == FLOAT else ("D", ctypes.c_double)
        (turn_a, step_a), (turn_b, step_b), (_, step_c) = layouts
        call = [self.handle(device_of(c)), int(turn_b), int(turn_a), n, m, k, ctypes.byref(number(alpha))]
        factors = [(b, step_b), (a, step_a)]
        if lead:
            for t, step in factors:
                call += [ctypes.c_void_p(t.data_ptr()), step, ctypes.c_longlong(t.stride(0))]
            call += [ctypes.byref(number(beta)), ctypes.c_void_p(c.data_ptr()), step_c, ctypes.c_longlong(c.stride(0)),
                     c.size(0)]
            self.check(getattr(self.lib, "cublas%sgemmStridedBatched" % kind)(*call))
            return True
        for t, step in factors:
            call += [ctypes.c_void_p(t.data_ptr()), step]
        call += [ctypes.byref(number(beta)), ctypes.c_void_p(c.data_ptr()), step_c]
        self.check(getattr(self.lib, "cublas%sgemm_v2" % kind)(*call))
        return True

    def check(self, status):
        if status:
            raise RuntimeError("cublas runtime error (%d)" % status)


def layout(t, lead):
    """(whether columns are dense, leading dimension) of a matrix, None where neither rows nor columns are dense."""
    rows, columns = t.size(lead), t.size(lead + 1)
    step, gap = t.stride(lead), t.stride(lead + 1)
    if (gap == 1 or columns == 1) and (step >= columns or rows == 1):
        return False, max(step, columns, 1)
    if (step == 1 or rows == 1) and (gap >= rows or columns == 1):
        return True, max(gap, rows, 1)
    return None


@functools.cache
def library():
    """cuBLAS, or None where our own kernels do the work."""
    wanted = os.environ.get("TENSORLIB_CUDA_BLAS", "auto")
    if wanted not in ("auto", "own", "cublas"):
        raise RuntimeError("TENSORLIB_CUDA_BLAS=%s: expected auto, own or cublas" % wanted)
    if wanted == "own":
        return None
    pattern = os.path.join("nvidia", "*", "lib", "libcublas.so*")
    found = [path for folder in sys.path for path in glob.glob(os.path.join(folder, pattern))]
    given = os.environ.get("TENSORLIB_CUBLAS")
    for path in [given] if given else found + ["libcublas.so", "libcublas.so.13", "libcublas.so.12"]:
        try:
            return Cublas(ctypes.CDLL(path))
        except OSError:
            continue
    if wanted == "cublas":
        raise RuntimeError("TENSORLIB_CUDA_BLAS=cublas, but libcublas.so is not found")
    return None


def current_handle():
    """cuBLAS's handle of the current device as a number, None where cuBLAS is not used."""
    found = library()
    return None if found is None else found.handle(driver.current_device()).value
