"""What a process needs to find the emulator as its CUDA driver: run a command in it, or take the variables.

Knows nothing of tensorlib.

Usage: python environment.py COMMAND ...
"""

import hashlib
import os
import pathlib
import shutil
import sys
import tempfile

import builder

HERE = pathlib.Path(__file__).resolve().parent


def environment(**more):
    """Return a copy of os.environ in which libcuda.so.1 is the emulator and nvcc is found.

    Args:
        more: further variables, such as CUEMU_DEVICES="1"; the README of this folder lists them
    """
    home, variables = builder.cuda_home(), dict(os.environ)

    def before(name, *paths):
        variables[name] = os.pathsep.join([str(p) for p in paths] + [p for p in [variables.get(name)] if p])

    before("LD_LIBRARY_PATH", builder.emulator())
    before("PATH", toolkit(home) / "bin", home / "bin")
    kernels = builder.cache() / "pycuda-kernels"
    kernels.mkdir(exist_ok=True)
    variables.update(CUDA_HOME=str(home), PYCUDA_CACHE_DIR=str(kernels), TENSORLIB_CUDA_EMULATOR="1", **more)
    return variables


def toolkit(home):
    """Lay out a folder that PyCUDA takes for a CUDA toolkit: our nvcc, the libraries of the real one."""
    root = builder.cache() / ("toolkit-" + builder.digest([HERE / "bin" / "nvcc"], home))
    if not root.exists():
        with tempfile.TemporaryDirectory(dir=builder.cache()) as work:
            made = pathlib.Path(work, "made")
            (made / "bin").mkdir(parents=True)
            shutil.copy(HERE / "bin" / "nvcc", made / "bin" / "nvcc")
            os.chmod(made / "bin" / "nvcc", 0o755)
            for name in ("lib64", "include"):
                (made / name).symlink_to(home / name)
            if not root.exists():
                made.rename(root)
    return root


def compile_cuda(source, *options, kind="ptx", arch=75):
    """Compile CUDA C++ with nvcc and return the bytes of the PTX or fatbin; results are kept for the next run.

    Args:
        source: the text of a .cu file
        options: further options of nvcc
        kind: "ptx" or "fatbin"
        arch: the compute capability, 75 for 7.5
    """
    nvcc = builder.cuda_home() / "bin" / "nvcc"
    key = hashlib.sha256("\0".join([source, str(nvcc), kind, str(arch), *options]).encode()).hexdigest()[:24]
    folder = builder.cache() / "kernels"
    folder.mkdir(exist_ok=True)
    made = folder / ("%s.%s" % (key, kind))
    if not made.exists():
        text = folder / (key + ".cu")
        text.write_text(source)
        target = (
            ["-ptx", "-arch=compute_%d" % arch]
            if kind == "ptx"
            else ["-fatbin", "-gencode", "arch=compute_%d,code=compute_%d" % (arch, arch)]
        )
        partial = folder / ("%s.%d.part" % (key, os.getpid()))
        builder.run([nvcc, *target, *options, "-o", partial, text])
        partial.replace(made)
    return made.read_bytes()


if __name__ == "__main__":
    os.execvpe(sys.argv[1], sys.argv[1:], environment())
