"""Compiled kernels: found or made, kept, and handed out as functions.

A `Program` is one text of CUDA C++. Its image is looked for among those built beforehand, then in the user's cache,
then made by NVRTC, then by nvcc. Images are kept with a checksum and put in place at once, so that a broken or an old
one is noticed and made anew, and several processes may make the same one.
"""
import ctypes
import functools
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from . import driver

SOURCES = pathlib.Path(__file__).parent / "kernels"
PREBUILT = pathlib.Path(__file__).parent / "prebuilt"
MAGIC = b"tensorlib kernels 1\n"
lock = threading.Lock()


def expanded(text, seen=()):
    """A source with its own headers set in, each once."""
    seen = set(seen)

    def include(match):
        name = match.group(1)
        if name in seen:
            return ""
        seen.add(name)
        return re.sub(r'^#include "([\w.]+)"\n', include, (SOURCES / name).read_text(), flags=re.M)

    return re.sub(r'^#include "([\w.]+)"\n', include, text, flags=re.M)


class Program:
    """Kernels compiled together.

    Args:
        name: what errors and files call it.
        text: the source, or None for the file of that name in kernels/; or a function that returns the source.
    """

    def __init__(self, name, text=None):
        self.name, self.given = name, text
        self.modules, self.functions = {}, {}

    def text(self):
        """The whole source."""
        given = self.given() if callable(self.given) else self.given
        return expanded(given if given is not None else (SOURCES / (self.name + ".cu")).read_text())

    def function(self, name, formats, device):
        """A kernel, ready for arguments of the given formats (those of `struct`) on a device."""
        key = name, device
        function = self.functions.get(key)
        if function is None:
            with lock:
                if device not in self.modules:
                    self.modules[device] = load(self, device)
                function = self.modules[device].get_function(name)
                function.prepare(formats)
                self.functions[key] = function
        return function


def load(program, device):
    """The module of a program on a device."""
    api = driver.use(device)
    source = program.text()
    arch = "%d%d" % driver.capability(device)
    errors = []
    for image in images(program.name, source, arch, errors):
        driver.use(device)
        try:
            return api.module_from_buffer(image)
        except api.Error as error:
            errors.append("the driver refuses an image: %s" % error)
    raise RuntimeError("the GPU kernels %r cannot be loaded for compute capability %s:\n%s\nInstall "
                       "nvidia-cuda-nvrtc, or a CUDA toolkit (nvcc)" % (program.name, arch, "\n".join(errors)))


def images(name, source, arch, errors):
    """Images of a source that may fit, the best first; why one is missing goes to errors."""
    built = read_image(prebuilt_path(name, source))
    if built is not None:
        yield built
    for compiler in compilers(errors):
        target = newest(compiler.architectures, arch)
        for kind in kinds() if target == arch else ("ptx",):
            path = cache_folder() / ("%s-%s.image" % (name, cache_key(source, target, compiler.version, kind)))
            image = read_image(path)
            if image is None:
                try:
                    image = compiler.compile(name, source, target, kind)
                except RuntimeError as error:
                    errors.append(str(error))
                    break
                write_image(path, image)
            yield image


def newest(known, arch):
    """What to compile for: the architecture itself, or where a compiler does not know one so new, its newest, whose PTX
    the driver translates."""
    older = [a for a in known if int(a) <= int(arch)]
    return arch if arch in known or not older else max(older, key=int)


def prebuilt_path(name, source):
    """Where the image of a source lies that was built beforehand: a fatbin for every architecture, see build.py."""
    return PREBUILT / ("%s-%s.image" % (name, hashlib.sha256(source.encode()).hexdigest()[:16]))


def kinds():
    """What to make: machine code, or PTX for the driver to translate, or one and then the other."""
    wanted = os.environ.get("TENSORLIB_CUDA_IMAGE", "auto")
    return ("cubin", "ptx") if wanted == "auto" else (wanted,)


def cache_key(*parts):
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def cache_folder():
    """Where the user's images lie."""
    given = os.environ.get("TENSORLIB_CUDA_CACHE_DIR")
    if given:
        return pathlib.Path(given)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tensorlib" / "cuda"


def read_image(path):
    """The image in a file, None where there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(MAGIC) + 32
    whole = data[:len(MAGIC)] == MAGIC and hashlib.sha256(data[head:]).digest() == data[len(MAGIC):head]
    return data[head:] if whole else None


def write_image(path, image):
    """Keep an image. Where that is not possible it is made again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + hashlib.sha256(image).digest() + image)
        os.replace(temporary, path)
    except OSError:
        pass


# ---- compilers ----------------------------------------------------------------------------------------------------

OPTIONS = ["-std=c++17"]


def compilers(errors):
    """NVRTC and nvcc, where they are found."""
    for find in (find_nvrtc, find_nvcc):
        compiler = find()
        if isinstance(compiler, str):
            errors.append(compiler)
        else:
            yield compiler


class Nvrtc:
    """The run-time compiler of CUDA, through ctypes."""

    def __init__(self, library):
        self.library = library
        major, minor = ctypes.c_int(), ctypes.c_int()
        library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        self.version = "nvrtc %d.%d" % (major.value, minor.value)
        count = ctypes.c_int()
        self.check(library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
        archs = (ctypes.c_int * count.value)()
        self.check(library.nvrtcGetSupportedArchs(archs))
        self.architectures = [str(arch) for arch in archs]

    def compile(self, name, source, arch, kind):
        """The image of a source."""
        return self.translate(name, source, arch, kind)[0]

    def translate(self, name, source, arch, kind, *more):
        """(image, what the compiler says) of a source, with more options."""
        program = ctypes.c_void_p()
        self.check(self.library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), (name + ".cu").encode(), 0,
                                                   None, None))
        try:
            wanted = "sm_" if kind == "cubin" else "compute_"
            options = [option.encode() for option in [*OPTIONS, "--gpu-architecture=" + wanted + arch, *more]]
            status = self.library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
            log = self.read(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
            if status:
                raise RuntimeError("NVRTC does not compile %s: %s\n%s" % (name, self.text(status), log))
            return self.read(program, "CUBIN" if kind == "cubin" else "PTX"), log
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))

    def read(self, program, what):
        size = ctypes.c_size_t()
        self.check(getattr(self.library, "nvrtcGet%sSize" % what)(program, ctypes.byref(size)))
        data = ctypes.create_string_buffer(size.value)
        self.check(getattr(self.library, "nvrtcGet" + what)(program, data))
        return data.raw

    def text(self, status):
        return self.library.nvrtcGetErrorString(status).decode()

    def check(self, status):
        if status:
            raise RuntimeError("NVRTC: " + self.text(status))


class Nvcc:
    """The compiler of the CUDA toolkit."""

    def __init__(self, path, version):
        self.path, self.version = path, version

    @functools.cached_property
    def architectures(self):
        """What it compiles for, such as ["75", "80"]."""
        listed = subprocess.run([self.path, "--list-gpu-code"], capture_output=True, text=True).stdout.split()
        return [name[3:] for name in listed if name.startswith("sm_") and name[3:].isdigit()]

    def compile(self, name, source, arch, kind):
        """The image of a source."""
        return self.translate(name, source, arch, kind)[0]

    def translate(self, name, source, arch, kind, *more):
        """(image, what the compiler says) of a source, with more options."""
        with tempfile.TemporaryDirectory() as folder:
            text, image = os.path.join(folder, name + ".cu"), os.path.join(folder, "image")
            pathlib.Path(text).write_text(source)
            target = ("sm_" if kind == "cubin" else "compute_") + arch
            command = [self.path, *OPTIONS, *more, "-" + kind, "-arch=" + target, "-o", image, text]
            run = subprocess.run(command, capture_output=True, text=True)
            if run.returncode:
                raise RuntimeError("nvcc does not compile %s:\n%s" % (name, run.stderr[-4000:]))
            return pathlib.Path(image).read_bytes(), run.stderr


@functools.cache
def find_nvrtc():
    """NVRTC, or why there is none: in NVIDIA's packages for Python, then in the system."""
    found = []
    for folder in sys.path:
        found += glob.glob(os.path.join(folder, "nvidia", "*", "lib", "libnvrtc.so*"))
    found += [name for name in ("libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2")]
    for root in (os.environ.get("CUDA_HOME"), "/usr/local/cuda"):
        if root:
            found += glob.glob(os.path.join(root, "lib64", "libnvrtc.so*"))
    for path in found:
        try:
            for builtins in glob.glob(os.path.join(os.path.dirname(path), "libnvrtc-builtins.so*")):
                ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)
            return Nvrtc(ctypes.CDLL(path))
        except (OSError, AttributeError):
            continue
    return "no NVRTC was found (libnvrtc.so)"


@functools.cache
def find_nvcc():
    """nvcc, or why there is none."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    path = os.path.join(home, "bin", "nvcc")
    path = path if os.path.exists(path) else shutil.which("nvcc")
    if path is None:
        return "no nvcc was found"
    run = subprocess.run([path, "--version"], capture_output=True, text=True)
    release = re.search(r"V([\d.]+)", run.stdout)
    return Nvcc(path, "nvcc " + release.group(1)) if release else "nvcc does not run: " + run.stderr[-400:]
