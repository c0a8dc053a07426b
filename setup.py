"""Build the Cython extensions: each kernel file once for every ISA level, the rest once.

Environment:
    TENSORLIB_LEVELS   ISA levels to build, e.g. "x86_64_v3" (default: all of the architecture built for)
    TENSORLIB_DEBUG    1: bounds checks on, -O0 -g
    TENSORLIB_OPENMP   0: ignore OpenMP's pragmas: kernels have one thread
    TENSORLIB_KEEP_GOING  1: build what compiles and leave out what does not (while several files are in work)
"""
import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile

from Cython.Build import cythonize
from Cython.Compiler.Errors import CompileError
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

OPS = pathlib.Path("tensorlib/_ops")
GENERATED = pathlib.Path("build/generated")
KEEP_GOING = os.environ.get("TENSORLIB_KEEP_GOING") == "1"
DEBUG = os.environ.get("TENSORLIB_DEBUG") == "1"
LEVELS = {
    "x86_64": {
        "x86_64_v2": ["-march=x86-64-v2"],
        "x86_64_v3": ["-march=x86-64-v3"],
        "x86_64_v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    },
}.get(sysconfig.get_platform().rpartition("-")[2].replace("amd64", "x86_64"), {"generic": []})
# Never -ffast-math: one such module flushes denormals for the whole process and breaks NaN.
OPTIMIZE = ["-O0", "-g"] if DEBUG else ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math",
                                        "-ffunction-sections", "-fno-asynchronous-unwind-tables"]
# Drivers call Python and wait for kernels: less code serves them as well.
SMALL = [] if DEBUG else ["-O2"]
WARNINGS = ["-Wno-unused-function", "-Wno-unused-variable", "-Wno-maybe-uninitialized", "-Wno-psabi"]
# What GCC calls for OpenMP's pragmas, as far as kernels use them; team.h has all of it.
OPENMP = ["GOMP_parallel", "GOMP_barrier", "GOMP_atomic_start", "GOMP_atomic_end", "omp_get_thread_num",
          "omp_get_num_threads", "omp_get_max_threads", "omp_in_parallel"]
DIRECTIVES = dict(
    language_level=3, cdivision=True, embedsignature=False, binding=False,
    boundscheck=DEBUG, initializedcheck=DEBUG, nonecheck=DEBUG,
)


def compiles(compile_flags, link_flags, source):
    """Whether the C compiler takes these flags."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "probe.c")
        path.write_text(source)
        compiling = compile_flags + ["-c", str(path), "-o", str(path) + ".o"]
        linking = [str(path) + ".o", "-o", str(path) + ".out"] + link_flags
        runs = (subprocess.run(compiler + step, capture_output=True) for step in (compiling, linking))
        return all(run.returncode == 0 for run in runs)


def thread_flags():
    """Flags to compile and to link with: for the threads of team.h, else for those of OpenMP's library, else for none.

    team.h needs Linux, and a compiler whose loops call GOMP_parallel.
    """
    loop = "#include <omp.h>\n%s\nint main(void) {\n#pragma omp parallel\n{ omp_get_thread_num(); }\nreturn 0; }\n"
    team = ("#include <linux/futex.h>\nvoid __wrap_GOMP_parallel(void) { }\n"
            "int __wrap_omp_get_thread_num(void) { return 0; }")
    if os.environ.get("TENSORLIB_OPENMP") == "0":
        return [], []
    found = ["-fopenmp", "-DTENSORLIB_TEAM"], ["-pthread"] + ["-Wl,--wrap=" + name for name in OPENMP]
    if compiles(*found, loop % team):
        return found
    return (["-fopenmp"], ["-fopenmp"]) if compiles(["-fopenmp"], ["-fopenmp"], loop % "") else ([], [])


def chosen_levels():
    names = os.environ.get("TENSORLIB_LEVELS", "").replace(",", " ").split() or list(LEVELS)
    unknown = [n for n in names if n not in LEVELS]
    if unknown:
        sys.exit("TENSORLIB_LEVELS: unknown level %s, expected some of %s" % (unknown[0], ", ".join(LEVELS)))
    return {n: LEVELS[n] for n in names}


def extension(name, source, flags, threads):
    return Extension(name, [str(source)], include_dirs=[str(OPS)], depends=[str(h) for h in OPS.glob("**/*.h")],
                     extra_compile_args=OPTIMIZE + WARNINGS + flags + threads[0],
                     extra_link_args=threads[1] + ([] if DEBUG else ["-s", "-Wl,--gc-sections"]), optional=KEEP_GOING)


def wrapper(level, name):
    """A C file of its own for each level, so that the objects of two levels never share a path."""
    path = GENERATED / level / (name + ".c")
    text = '#include "%s"\n' % (OPS / "kernels" / (name + ".c")).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def translated(extensions):
    """Run Cython on the extensions whose sources changed."""
    if not KEEP_GOING:
        return cythonize(extensions, compiler_directives=DIRECTIVES, nthreads=os.cpu_count() or 1)
    done = []
    for ext in extensions:
        try:
            done += cythonize([ext], compiler_directives=DIRECTIVES)
        except CompileError as error:
            print("left out: %s" % error, file=sys.stderr)
    return done


def extensions():
    threads = thread_flags()
    drivers = [extension("tensorlib._ops." + p.stem, p, SMALL, threads) for p in sorted(OPS.glob("*.pyx"))]
    kernels = [extension("tensorlib._ops.kernels." + p.stem, p, [], threads) for p in sorted(OPS.glob("kernels/*.pyx"))]
    kernels = translated(kernels)
    built = []
    for level, flags in chosen_levels().items():
        package = OPS / level
        package.mkdir(exist_ok=True)
        for kernel in kernels:
            name = kernel.name.rpartition(".")[2]
            ext = extension("tensorlib._ops.%s.%s" % (level, name), wrapper(level, name), flags, threads)
            ext.depends.append(str(OPS / "kernels" / (name + ".c")))
            built.append(ext)
    return translated(drivers) + built


class BuildParallel(build_ext):
    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildParallel})
