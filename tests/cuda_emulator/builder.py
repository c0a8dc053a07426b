"""Builds the emulator, and PyCUDA against it, into a cache keyed by their sources. Knows nothing of tensorlib.

Usage: python builder.py          prints the folder of libcuda.so.1
       python builder.py pycuda   prints the path of a PyCUDA wheel for this Python
       python builder.py nvrtc    prints the pip package of NVRTC of the same release as the CUDA toolkit
"""

import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
PYCUDA = "2026.1"
FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]
JOBS = min(4, os.cpu_count() or 1)


def cache():
    root = os.environ.get("TENSORLIB_CUDA_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tensorlib", "cuda_emulator"
    )
    path = pathlib.Path(root)
    path.mkdir(parents=True, exist_ok=True)
    return path


def cuda_home():
    """Find the root of a CUDA toolkit, or raise a RuntimeError that says where it was looked for."""
    places = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    nvcc = shutil.which("nvcc")
    if nvcc:  # /usr/local/bin/nvcc may be a script that calls the real one
        places.append(str(pathlib.Path(nvcc).resolve().parents[1]))
    wheels = pathlib.Path(sysconfig.get_path("purelib"), "nvidia")
    places += [str(p) for p in sorted(wheels.glob("cu*"), reverse=True)]
    for place in places:
        if place and pathlib.Path(place, "include", "cuda.h").exists() and pathlib.Path(place, "bin", "nvcc").exists():
            return pathlib.Path(place)
    raise RuntimeError(
        "no CUDA toolkit with bin/nvcc and include/cuda.h in any of "
        + ", ".join(filter(None, places))
        + ": set CUDA_HOME, or pip install nvidia-cuda-nvcc nvidia-cuda-runtime nvidia-nvvm nvidia-cuda-crt"
    )


def processor():
    """Name what -march=native may compile for: a cache that moves to another machine must not be used there."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())
    except OSError:
        return platform.machine()


def digest(paths, *more):
    h = hashlib.sha256()
    for path in sorted(paths):
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    for text in more:
        h.update(str(text).encode() + b"\0")
    return h.hexdigest()[:16]


def run(command, **more):
    done = subprocess.run(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    if done.returncode:
        raise RuntimeError("%s\nfailed:\n%s" % (" ".join(map(str, command)), done.stdout[-5000:]))
    return done.stdout


def emulator():
    """Compile the emulator if its sources changed, and return the folder that holds libcuda.so.1 and libcuda.so."""
    compiler = os.environ.get("CXX", "g++")
    include = cuda_home() / "include"
    sources = sorted(HERE.glob("src/*.cpp"))
    key = digest(sources + list(HERE.glob("src/*.h")), FLAGS, compiler, processor(), include)
    folder = cache() / ("emulator-" + key)
    if (folder / "libcuda.so.1").exists():
        return folder
    with tempfile.TemporaryDirectory(dir=cache()) as build:
        build = pathlib.Path(build)
        objects = [build / (s.stem + ".o") for s in sources]
        with ThreadPoolExecutor(JOBS) as pool:
            list(
                pool.map(
                    lambda pair: run([compiler, *FLAGS, "-I", include, "-c", pair[0], "-o", pair[1]]),
                    zip(sources, objects),
                )
            )
        made = build / "made"
        made.mkdir()
        run(
            [
                compiler,
                "-shared",
                "-Wl,-soname,libcuda.so.1",
                "-Wl,-z,defs",
                "-o",
                made / "libcuda.so.1",
                *objects,
                "-ldl",
                "-lpthread",
            ]
        )
        (made / "libcuda.so").symlink_to("libcuda.so.1")
        if not folder.exists():
            made.rename(folder)
    return folder


def pycuda_wheel():
    """Build PyCUDA's wheel from its sdist against the emulator's symbols; this takes minutes, once."""
    tag = "cp%d%d" % sys.version_info[:2]
    found = sorted(cache().glob("pycuda-%s-%s-*.whl" % (PYCUDA, tag)))
    if found:
        return found[0]
    stubs, home = emulator(), cuda_home()
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        work = pathlib.Path(work)
        source = pycuda_source(work)
        run(
            [
                sys.executable,
                "configure.py",
                "--cuda-root=%s" % home,
                "--no-cuda-enable-curand",
                "--cudadrv-lib-dir=%s" % stubs,
                "--cxxflags=-w",
            ],
            cwd=source,
        )
        environment = dict(os.environ, PATH="%s:%s" % (home / "bin", os.environ["PATH"]))
        run([sys.executable, "-c", PARALLEL, "-q", "bdist_wheel", "-d", work / "dist"], cwd=source, env=environment)
        wheel = next((work / "dist").glob("*.whl"))
        return pathlib.Path(shutil.move(str(wheel), str(cache() / wheel.name)))


def nvrtc_package():
    """Name NVIDIA's package of the run-time compiler that goes with the CUDA toolkit."""
    release = re.search(r"release (\d+)\.(\d+)", run([cuda_home() / "bin" / "nvcc", "--version"]))
    major, minor = release.groups()
    return "nvidia-cuda-nvrtc%s==%s.%s.*" % ("-cu" + major if int(major) < 13 else "", major, minor)


def pycuda_source(into):
    """Unpack PyCUDA's sdist (its tests are run from there) and return its folder."""
    sdist = cache() / ("pycuda-%s.tar.gz" % PYCUDA)
    if not sdist.exists():
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--disable-pip-version-check",
                "--no-deps",
                "--no-binary",
                ":all:",
                "--no-build-isolation",
                "-d",
                cache(),
                "pycuda==" + PYCUDA,
            ]
        )
    shutil.unpack_archive(str(sdist), str(into))
    return pathlib.Path(into, "pycuda-" + PYCUDA)


# setup.py with the files of an extension compiled side by side: distutils would take them one by one.
PARALLEL = (
    """
import os, runpy, sys
from concurrent.futures import ThreadPoolExecutor
import setuptools
from distutils.ccompiler import CCompiler

def compile(self, sources, output_dir=None, macros=None, include_dirs=None, debug=0, extra_preargs=None,
            extra_postargs=None, depends=None):
    macros, objects, extra, options, build = self._setup_compile(
        output_dir, macros, include_dirs, sources, depends, extra_postargs)
    arguments = self._get_cc_args(options, debug, extra_preargs)
    with ThreadPoolExecutor(%d) as pool:
        list(pool.map(lambda o: self._compile(o, *build[o], arguments, extra, options), build))
    return objects

CCompiler.compile = compile
sys.path.insert(0, os.getcwd())
sys.argv[0] = "setup.py"
runpy.run_path("setup.py", run_name="__main__")
"""
    % JOBS
)


if __name__ == "__main__":
    print({"pycuda": pycuda_wheel, "nvrtc": nvrtc_package}.get(" ".join(sys.argv[1:]), emulator)())
