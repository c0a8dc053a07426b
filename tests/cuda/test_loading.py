"""How kernels come to the device: images built beforehand, the user's cache, NVRTC, nvcc, in this order; and what is
said where all fail. Each process here starts with nothing loaded.
"""
import os
import subprocess
import sys

import pytest

from tensorlib.cuda import build, driver, module

EMULATED = bool(os.environ.get("TENSORLIB_CUDA_EMULATOR"))
KIND = os.environ.get("TENSORLIB_CUDA_IMAGE", "cubin")
COMPILERS = {"nvrtc": module.find_nvrtc, "nvcc": module.find_nvcc}

START = """if 1:
    import pathlib, tensorlib
    from tensorlib.cuda import module
    found = {"nvrtc": module.find_nvrtc(), "nvcc": module.find_nvcc()}
    used = []
    for name, compiler in found.items():
        if name not in %r:
            setattr(module, "find_" + name, lambda name=name: "no %%s here" %% name)
            continue
        def compile(*given, name=name, compile=compiler.compile):
            used.append(name + " " + given[3])
            return compile(*given)
        compiler.compile = compile
    module.PREBUILT = pathlib.Path(%r)
"""
ADD = "    print((tensorlib.ones(2).cuda() + tensorlib.ones(2).cuda()).tolist(), sorted(set(used)))"


def run(tmp_path, compilers=(), code=ADD, **env):
    """A process that has these compilers, a cache and images in tmp_path."""
    text = START % (tuple(compilers), str(tmp_path / "prebuilt")) + code
    env = dict(os.environ, TENSORLIB_CUDA_CACHE_DIR=str(tmp_path / "cache"), **env)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=env, timeout=300)


def printed(*given, **more):
    done = run(*given, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module", params=sorted(COMPILERS))
def compiler(request):
    found = COMPILERS[request.param]()
    if isinstance(found, str) and not EMULATED:         # there both are needed
        pytest.skip(found)
    assert not isinstance(found, str), found
    return found


def arch():
    return "%d%d" % driver.capability(0)


def test_a_compiler_makes_both_kinds(compiler):
    source = 'extern "C" __global__ void put(float* x) { x[threadIdx.x] = threadIdx.x + __CUDA_ARCH__; }'
    cubin, ptx = [compiler.compile("put", source, arch(), kind) for kind in ("cubin", "ptx")]
    assert cubin[:4] == b"\x7fELF" and b".visible .entry put(" in ptx and (".target sm_" + arch()).encode() in ptx
    assert "75" in compiler.architectures and all(name.isdigit() for name in compiler.architectures)
    api = driver.use(0)
    memory = api.mem_alloc(16)
    api.module_from_buffer(ptx).get_function("put")(memory, block=(4, 1, 1))
    assert api.from_device(memory, 4, "float32").tolist() == [i + 10 * int(arch()) for i in range(4)]
    memory.free()


def test_what_does_not_compile_is_told_with_its_place(compiler):
    with pytest.raises(RuntimeError, match=r"(?s)not compile wrong.*wrong\.cu\(2\).*nonsense"):
        compiler.compile("wrong", "\n__device__ int f() { return nonsense; }\n", arch(), "ptx")


@pytest.mark.parametrize("name", sorted(COMPILERS))
def test_compiled_once_then_from_the_cache(tmp_path, name):
    assert printed(tmp_path, [name]) == "[2.0, 2.0] ['%s %s']" % (name, KIND)
    assert printed(tmp_path, [name]) == "[2.0, 2.0] []"
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert printed(tmp_path, [name]) == "[2.0, 2.0] ['%s %s']" % (name, KIND)      # all were damaged


def test_nvrtc_goes_before_nvcc(tmp_path):
    assert printed(tmp_path, ["nvcc", "nvrtc"]).endswith("['nvrtc %s']" % KIND)


@pytest.mark.skipif(not EMULATED, reason="a device takes machine code, and PTX is not asked for")
def test_ptx_is_taken_where_the_driver_refuses_machine_code(tmp_path):
    both = "[2.0, 2.0] ['nvrtc cubin', 'nvrtc ptx']"
    assert printed(tmp_path, ["nvrtc"], TENSORLIB_CUDA_IMAGE="auto") == both
    refused = run(tmp_path, ["nvrtc"], TENSORLIB_CUDA_IMAGE="cubin")
    assert refused.returncode == 1
    assert "the driver refuses an image" in refused.stderr and "no nvcc here" in refused.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images of all that `1 + 1` needs, built beforehand."""
    folder = tmp_path_factory.mktemp("images")
    before, module.PREBUILT = module.PREBUILT, folder / "prebuilt"
    try:
        for program in build.programs():
            if program.name in ("add", "from_Float"):
                build.build(program, module.find_nvcc(), [arch()])
    finally:
        module.PREBUILT = before
    return folder


def test_images_built_beforehand_need_no_compiler(images):
    assert printed(images) == "[2.0, 2.0] []"
    assert not (images / "cache").exists()


def test_images_that_do_not_fit_are_passed_over(images, tmp_path):
    (tmp_path / "prebuilt").mkdir()
    for path in (images / "prebuilt").iterdir():
        (tmp_path / "prebuilt" / path.name).write_bytes(path.read_bytes()[:-1])
    assert printed(tmp_path, ["nvrtc"]).startswith("[2.0, 2.0] ['nvrtc")            # damaged
    changed = "    module.expanded = lambda text, f=module.expanded: f(text) + '// changed'\n"
    assert printed(images, ["nvrtc"], changed + ADD).startswith("[2.0, 2.0] ['nvrtc")   # of another source
    for path in (tmp_path / "prebuilt").iterdir():
        module.write_image(path, b"no image at all")                                # whole, but refused by the driver
    assert printed(tmp_path, ["nvrtc"]) == "[2.0, 2.0] []"                          # from the cache, as of before


def test_nothing_there_is_told_with_what_to_install(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1
    for words in ("RuntimeError: the GPU kernels 'add' cannot be loaded for compute capability " + arch(),
                  "no nvrtc here", "no nvcc here", "Install nvidia-cuda-nvrtc, or a CUDA toolkit"):
        assert words in done.stderr


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert printed(tmp_path, ["nvrtc"]).startswith("[2.0, 2.0] ['nvrtc")


def test_processes_that_compile_at_once_leave_whole_images(tmp_path):
    text = START % (("nvrtc",), str(tmp_path / "prebuilt")) + ADD
    env = dict(os.environ, TENSORLIB_CUDA_CACHE_DIR=str(tmp_path / "cache"))
    started = [subprocess.Popen([sys.executable, "-c", text], env=env, stdout=subprocess.PIPE) for _ in range(3)]
    assert all(process.communicate(timeout=300)[0].startswith(b"[2.0, 2.0]") for process in started)
    paths = list((tmp_path / "cache").iterdir())
    assert paths and all(path.suffix == ".image" and module.read_image(path) for path in paths)
    assert printed(tmp_path, ["nvrtc"]) == "[2.0, 2.0] []"
