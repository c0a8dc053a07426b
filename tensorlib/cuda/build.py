"""Compile all kernels beforehand, for every architecture that nvcc knows: python -m tensorlib.cuda.build.

The images go into the package, named by their sources, so that an old one is never taken for a changed source.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

from . import module
from .ops import elementwise


def programs():
    """Every program of the package."""
    elementwise.row_of("add")           # reads the table
    names = sorted(set(elementwise.rows) | set(elementwise.OPERATORS))
    made = [module.Program(name, elementwise.source(name)) for name in names]
    made += [module.Program("from_" + name, elementwise.cast_source(code))
             for code, name in enumerate(elementwise.DTYPE_NAMES)]
    return made + [module.Program(path.stem) for path in sorted(module.SOURCES.glob("*.cu"))]


def build(program, nvcc, archs):
    """Make the image of a program, unless it is there."""
    source = program.text()
    path = module.prebuilt_path(program.name, source)
    if module.read_image(path) is not None:
        return path
    with tempfile.TemporaryDirectory() as folder:
        text, image = os.path.join(folder, program.name + ".cu"), os.path.join(folder, "image")
        pathlib.Path(text).write_text(source)
        command = [nvcc.path, "-std=c++17", "-fatbin", "-o", image, text]
        command += ["-gencode=arch=compute_%s,code=sm_%s" % (arch, arch) for arch in archs]
        command += ["-gencode=arch=compute_%s,code=compute_%s" % (archs[-1], archs[-1])]    # for those to come
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit("%s does not compile:\n%s" % (program.name, run.stderr[-4000:]))
        module.write_image(path, pathlib.Path(image).read_bytes())
    return path


def main():
    nvcc = module.find_nvcc()
    if isinstance(nvcc, str):
        raise SystemExit(nvcc)
    archs = sys.argv[1:] or nvcc.architectures
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        kept = set(pool.map(lambda program: build(program, nvcc, archs), programs()))
    for path in set(module.PREBUILT.glob("*.image")) - kept:
        path.unlink()                   # of sources that are no more
    print("%d programs for %s" % (len(kept), " ".join("sm_" + arch for arch in archs)))


if __name__ == "__main__":
    main()
