"""How operations are computed: Cython storages, tensors, drivers and kernels. Choosing the ISA level."""
import importlib
import os
import sys
from types import BuiltinFunctionType

LEVELS = ("x86_64_v4", "x86_64_v3", "x86_64_v2", "generic")     # best first


def _supported(level):
    """Whether this processor runs a level, by the flags the system reports."""
    needed = {"x86_64_v2": {"sse4_2", "popcnt"}, "x86_64_v3": {"avx2", "fma", "bmi2", "f16c"},
              "x86_64_v4": {"avx512f", "avx512vl", "avx512bw", "avx512dq"}}.get(level, set())
    if not needed:
        return True
    try:
        with open("/proc/cpuinfo") as f:
            flags = next((set(line.split()) for line in f if line.startswith("flags")), set())
    except OSError:
        return level == "x86_64_v2"
    return needed <= flags


def _kernel_files(folder):
    """Names of the extension modules in a folder."""
    if not os.path.isdir(folder):
        return []
    return sorted({name.partition(".")[0] for name in os.listdir(folder) if name.endswith((".so", ".pyd"))})


def levels_built():
    """The levels whose kernels are there, best first."""
    return [name for name in LEVELS if _kernel_files(os.path.join(os.path.dirname(__file__), name))]


def levels_here():
    """Those of them that this processor runs; TENSORLIB_ISA may name any."""
    return [name for name in levels_built() if _supported(name)]


def _load_team():
    """Import the module of threads so that the loader finds it where the others call it by name."""
    before = sys.getdlopenflags()
    sys.setdlopenflags(before | os.RTLD_GLOBAL)
    try:
        importlib.import_module(__name__ + ".team")
    finally:
        sys.setdlopenflags(before)


def _load_kernels():
    """Import the kernel files of the best level that is built and runs here; TENSORLIB_ISA forces one."""
    forced, built = os.environ.get("TENSORLIB_ISA"), levels_built()
    if forced and forced not in built:
        raise ImportError("TENSORLIB_ISA=%s: expected one of %s" % (forced, ", ".join(built)))
    level = forced or next(filter(_supported, built), None)        # asks no further than the best
    folder = os.path.dirname(__file__)
    if level is None:
        raise ImportError("no kernels for this processor: found %s in %s" % (built or "none", folder))
    for kernel in _kernel_files(os.path.join(folder, level)):
        importlib.import_module("%s.%s.%s" % (__name__, level, kernel))
    return level


# Modules whose functions work on memory of any device, or are no drivers.
NEUTRAL = ("array", "backward", "blocks", "copying", "dispatch", "driver", "elementwise", "guard", "joining", "making",
           "module", "node", "numbers", "plan", "recording", "row", "shape", "signature", "sparse", "sparse_math",
           "storage", "team", "tensor", "variable")


def _guard_drivers():
    """Let each driver hand calls with GPU tensors over to its twin on the GPU; see guard.pyx."""
    guard = importlib.import_module(__name__ + ".guard").guard
    for part in _kernel_files(os.path.dirname(__file__)):
        if part not in NEUTRAL:
            module = importlib.import_module("%s.%s" % (__name__, part))
            for name, function in list(vars(module).items()):
                own = isinstance(function, BuiltinFunctionType) and function.__module__ == module.__name__
                if own and not name.startswith("_"):        # Cython's own are found by identity
                    setattr(module, name, guard(function, part, name))


_load_team()
isa_level = _load_kernels()
_guard_drivers()
