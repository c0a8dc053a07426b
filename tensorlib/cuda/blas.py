"""Matrix products on GPUs: by our own kernels, or by cuBLAS through ctypes where it is asked for or installed.

TENSORLIB_CUDA_BLAS says which: "own", "cublas", or "auto", which takes cuBLAS for floats where it is found.
"""
import ctypes
import functools
import glob
import os
import sys
import threading

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
    launch(program, name, device_of(c), "PPPiiiiiiiiqqqqqqqqqdd",
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
            whole(b, lead, lead + 1 if along_b else lead), whole(c, lead, lead + 1), *steps(a), *steps(b), *steps(c),
            alpha, beta)


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
    name, rows = ("gemv_columns_", 32) if m > 1 and a.stride(0) < a.stride(1) else ("gemv_", 8)      # of a block
    launch(program, name + NAMES[code_of(y)], device_of(y), "PPPqiiiiiiiiqqqqqqqqqdd", grid_for(device_of(y), m, rows),
           THREADS, y, a, x, x.stride(0), m, 1, k, *[0] * 5, *a.stride(), *[0] * 4, y.stride(0), 0, 0, alpha, beta)
    return y


# ---- cuBLAS -------------------------------------------------------------------------------------------------------

FUNCTIONS = ("Create_v2", "Destroy_v2", "SetStream_v2", "GetProperty", "Sgemm_v2", "Dgemm_v2", "SgemmStridedBatched",
             "DgemmStridedBatched")
STATUS = {1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH", 11: "MAPPING_ERROR",
          13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED", 16: "LICENSE_ERROR"}
LARGEST_INT = (1 << 31) - 1


class Cublas:
    """cuBLAS through ctypes. It counts columns first: a row-major product is the transposed product there.

    Raises OSError, AttributeError or RuntimeError where the library is none, or does not fit the driver.
    """

    def __init__(self, path):
        self.lib, self.handles = ctypes.CDLL(path), {}
        self.lock = threading.Lock()        # a handle has one stream, which has to stay between two calls
        for name in FUNCTIONS:
            getattr(self.lib, "cublas" + name)
        version, newest = self.version(), driver.require().get_driver_version() // 1000
        if version > newest:
            raise RuntimeError("it is of CUDA %d, the driver of CUDA %d" % (version, newest))
        self.handle(driver.current_device())

    def version(self):
        """The major version."""
        number = ctypes.c_int()
        self.check("GetProperty", 0, ctypes.byref(number))
        return number.value

    def handle(self, device):
        """The handle of a device, set to its current stream."""
        driver.use(device)
        if device not in self.handles:
            handle = ctypes.c_void_p()
            self.check("Create_v2", ctypes.byref(handle))
            self.handles[device] = handle
        self.check("SetStream_v2", self.handles[device], ctypes.c_void_p(streams.handle_of(device)))
        return self.handles[device]

    def gemm(self, c, a, b, alpha, beta):
        """The product, if the layouts are such that cuBLAS takes them; else False."""
        lead = c.dim() - 2
        layouts = [layout(t, lead) for t in (a, b, c)]
        if None in layouts or layouts[2][0]:
            return False
        m, n, k = c.size(lead), c.size(lead + 1), a.size(lead + 1)
        if max(m, n, k, *[step for _, step in layouts]) > LARGEST_INT:
            return False
        kind, number = ("S", ctypes.c_float) if code_of(c) == FLOAT else ("D", ctypes.c_double)
        (turn_a, step_a), (turn_b, step_b), (_, step_c) = layouts
        call = [int(turn_b), int(turn_a), n, m, k, ctypes.byref(number(alpha)), *place(b, step_b), *place(a, step_a),
                ctypes.byref(number(beta)), *place(c, step_c)] + [c.size(0)] * lead
        name = "%sgemmStridedBatched" if lead else "%sgemm_v2"
        with self.lock:
            self.check(name % kind, self.handle(device_of(c)), *call)
        return True

    def check(self, name, *arguments):
        """Call a function; RuntimeError unless it succeeds."""
        status = getattr(self.lib, "cublas" + name)(*arguments)
        if status:
            raise RuntimeError("cublas runtime error (%d) : CUBLAS_STATUS_%s in cublas%s"
                               % (status, STATUS.get(status, "?"), name))

    def close(self):
        """Give the handles back."""
        for device, handle in self.handles.items():
            driver.use(device)
            self.lib.cublasDestroy_v2(handle)
        self.handles.clear()


def layout(t, lead):
    """(whether columns are dense, leading dimension) of a matrix, None where neither rows nor columns are dense."""
    rows, columns = t.size(lead), t.size(lead + 1)
    step, gap = t.stride(lead), t.stride(lead + 1)
    if (gap == 1 or columns == 1) and (step >= columns or rows == 1):
        return False, max(step, columns, 1)
    if (step == 1 or rows == 1) and (gap >= rows or columns == 1):
        return True, max(gap, rows, 1)
    return None


def place(t, step):
    """The arguments that tell where a matrix lies, or a batch of them."""
    return [ctypes.c_void_p(t.data_ptr()), step] + [ctypes.c_longlong(t.stride(0))] * (t.dim() - 2)


@functools.cache
def library():
    """cuBLAS, or None where our own kernels do the work."""
    wanted = os.environ.get("TENSORLIB_CUDA_BLAS", "auto")
    if wanted not in ("auto", "own", "cublas"):
        raise RuntimeError("TENSORLIB_CUDA_BLAS=%s: expected auto, own or cublas" % wanted)
    if wanted == "own":
        return None
    reasons = []
    for path in candidates():
        try:
            found = Cublas(path)
        except (OSError, AttributeError, RuntimeError) as error:
            reasons.append("%s: %s" % (path, error))
            continue
        driver.Driver.at_exit.append(found.close)
        return found
    if wanted == "cublas":
        raise RuntimeError("TENSORLIB_CUDA_BLAS=cublas, but cuBLAS cannot be used:\n" + "\n".join(reasons))
    return None


def candidates():
    """Where cuBLAS may be: the given file, or NVIDIA's packages for Python, then the system."""
    given = os.environ.get("TENSORLIB_CUBLAS")
    if given:
        return [given]
    pattern = os.path.join("nvidia", "*", "lib", "libcublas.so*")
    found = [path for folder in sys.path for path in sorted(glob.glob(os.path.join(folder, pattern)))]
    return found + ["libcublas.so", "libcublas.so.13", "libcublas.so.12"]


def current_handle():
    """cuBLAS's handle of the current device as a number, None where cuBLAS is not used."""
    found = library()
    return None if found is None else found.handle(driver.current_device()).value
