"""What the compiler makes of every kernel: registers, shared memory, spills, and how many threads a device can hold.

    python -m tensorlib.cuda.report             every kernel, for two architectures; status 1 if one spills
    python -m tensorlib.cuda.report 80 120      for these
    python -m tensorlib.cuda.report --families  the table of docs/cuda.md

Needs NVRTC or nvcc, and no GPU.
"""
import collections
import concurrent.futures
import os
import re
import sys

from . import build, module
from .launch import NAMES, THREADS

ARCHITECTURES = ("75", "90")        # the oldest one that today's compilers know, and one of data centres
VERBOSE = "--ptxas-options=-v"

# Kernels whose local memory is meant, with the reason.
LOCAL = {"(sin|cos|tan|cauchy)_(float|double)": "CUDA's reduction of large angles"}

# For each family, which is a file of kernels or one of the skeletons: bytes an element has to move between memory and
# chip, operations on each, and what bounds it, for floats. Devices do 10 to 60 operations in the time of a byte.
Family = collections.namedtuple("Family", "moved work bound")
FAMILIES = {
    "pointwise": Family("4 for each operand and the result", "1 to 60 an element", "memory"),
    "casts": Family("the sizes of both types", "1 an element", "memory"),
    "conv": Family("8 for each element of columns; depthwise 8, and 4 a tap from the caches",
                   "about 40 whole-number ones an element; depthwise 2 a tap", "memory"),
    "gemm": Family("(64 + 64) x 4 for each step along k of a tile; large: (128 + 128) x 4",
                   "2 x 64 x 64 for each step; large: 2 x 128 x 128, so 16 and 32 a byte",
                   "operations; memory where m, n or k is small"),
    "index": Family("16, of which 8 are the position; 32 or more where positions are far apart", "about 10 an element",
                    "memory"),
    "loss": Family("12, and 4 for the sum", "3 to 40 an element", "memory"),
    "margin": Family("4 forward, 8 backward", "3 an element; of multi-label ones 3 for each target", "memory"),
    "norm": Family("16: twice for statistics, once in and out", "8 an element", "memory"),
    "optim": Family("12 (SGD) to 28 (Adam)", "3 to 15 an element", "memory"),
    "pool": Family("4 for each input, 4 or 12 for each output", "2 for each element of a window", "memory"),
    "random": Family("4", "about 30 whole-number ones, and those of the distribution", "operations and memory alike"),
    "reduce": Family("4", "1 an element", "memory"),
    "rnn": Family("4 for each gate twice, 12 to 24 for the state", "20 to 60 a gate", "memory"),
    "scan": Family("8; 16 for lines of more than 4096", "10 an element", "memory"),
    "softmax": Family("8, and 8 more where a line does not stay in the caches", "4, of them one or two exponentials",
                      "memory"),
    "transpose": Family("twice the size of the type", "1 an element", "memory"),
    "sort": Family("32 for each doubling of the runs beyond 1024", "about 60 for a tile, 12 for each doubling",
                   "memory"),
    "sparse": Family("16 an entry for its place; 8 to 16 for each value", "10 to 60 an entry; products 2 a value",
                     "memory"),
}

Kernel = collections.namedtuple("Kernel", "program name arch registers shared stack spills threads")

# Limits of a multiprocessor: threads, blocks, bytes of shared memory, those that each block costs besides its own.
# From "Technical specifications per compute capability" in NVIDIA's CUDA C++ Programming Guide.
Limits = collections.namedtuple("Limits", "threads blocks shared overhead")
LIMITS = {"75": Limits(1024, 16, 64 << 10, 0), "80": Limits(2048, 32, 164 << 10, 1024),
          "86": Limits(1536, 16, 100 << 10, 1024), "87": Limits(1536, 16, 164 << 10, 1024),
          "89": Limits(1536, 24, 100 << 10, 1024), "90": Limits(2048, 32, 228 << 10, 1024),
          "100": Limits(2048, 32, 228 << 10, 1024), "120": Limits(1536, 24, 100 << 10, 1024)}
REGISTERS, UNIT, WARP = 1 << 16, 256, 32        # of a multiprocessor; a warp gets multiples of the unit


def occupancy(kernel):
    """The part of a multiprocessor's threads that can be there at once; None for an architecture not listed."""
    limits = LIMITS.get(kernel.arch)
    if limits is None:
        return None
    warps = -(-kernel.threads // WARP)
    per_warp = -(-kernel.registers * WARP // UNIT) * UNIT
    blocks = [limits.blocks, limits.threads // WARP // warps, REGISTERS // per_warp // warps]
    if kernel.shared:
        blocks.append(limits.shared // (kernel.shared + limits.overhead))
    return min(blocks) * warps * WARP / limits.threads


def said(program, compiler, arch):
    """What the compiler says of a program; kept in the user's cache."""
    source = program.text()
    key = module.cache_key(source, arch, compiler.version, "report")
    path = module.cache_folder() / ("%s-%s.report" % (program.name, key))
    text = module.read_image(path)
    if text is None:
        text = compiler.translate(program.name, source, arch, "cubin", VERBOSE)[1].encode()
        module.write_image(path, text)
    return text.decode()


def read(text, program, arch):
    """The kernels of a program, from what the compiler said."""
    found = []
    for part in re.split(r"Compiling entry function '", text)[1:]:
        numbers = [int(re.search(r"(\d+) " + words, part + " 0 bytes smem").group(1)) for words in
                   ("registers", "bytes smem", "bytes stack frame", "bytes spill stores", "bytes spill loads")]
        registers, shared, stack, stores, loads = numbers
        found.append(Kernel(program, part[:part.index("'")], arch, registers, shared, stack, stores + loads, THREADS))
    if not found:
        raise RuntimeError("the compiler said nothing of the kernels in %s:\n%s" % (program, text))
    return found


def kernels(archs=ARCHITECTURES):
    """Every kernel of the package, for each architecture."""
    compiler = next(module.compilers(errors := []), None)
    if compiler is None:
        raise RuntimeError("\n".join(errors))
    work = [(program, arch) for program in build.programs() for arch in archs]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = pool.map(lambda pair: said(pair[0], compiler, pair[1]), work)
        return [kernel for (program, arch), text in zip(work, texts) for kernel in read(text, program.name, arch)]


def faulty(found):
    """Kernels that spill, or have local memory that is not meant."""
    return [k for k in found if k.spills or k.stack and not any(re.fullmatch(name, k.name) for name in LOCAL)]


def family_of(kernel):
    """The family of a kernel: its file, or the skeleton that it was made from."""
    if (module.SOURCES / (kernel.program + ".cu")).exists():
        return kernel.program
    return "casts" if kernel.program.startswith("from_") else "pointwise"


def row(name, found):
    """The row of a family in the table of the documentation, from its kernels for floats."""
    own = [k for k in found if family_of(k) == name and k.name.rpartition("_")[2] not in set(NAMES) - {"float"}]
    cells = [name, *FAMILIES[name]]
    for number in (lambda k: k.registers, lambda k: k.shared, lambda k: round(100 * occupancy(k))):
        cells.append(" / ".join(span([number(k) for k in own if k.arch == arch]) for arch in ARCHITECTURES))
    return "| %s |" % " | ".join(cells)


def span(numbers):
    low, high = min(numbers), max(numbers)
    return "%d" % low if low == high else "%d–%d" % (low, high)


def main():
    if sys.argv[1:] == ["--families"]:
        found = kernels()
        print("\n".join(row(name, found) for name in FAMILIES))
        return
    found = kernels(tuple(sys.argv[1:]) or ARCHITECTURES)
    print("%-32s %6s %9s %8s %6s %7s %10s" % ("kernel", "sm", "registers", "shared", "stack", "spilled", "occupancy"))
    for k in found:
        part = occupancy(k)
        print("%-32s %6s %9d %8d %6d %7d %10s" % (k.name, k.arch, k.registers, k.shared, k.stack, k.spills,
                                                  "?" if part is None else "%d %%" % round(100 * part)))
    for k in faulty(found):
        print("%s (sm_%s): %d bytes of local memory, %d spilled" % (k.name, k.arch, k.stack, k.spills))
    sys.exit(bool(faulty(found)))


if __name__ == "__main__":
    main()
