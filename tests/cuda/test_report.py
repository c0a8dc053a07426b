"""Every kernel compiled for two architectures: none spills, local memory only where it is meant, and the table of the
documentation knows every family.
"""
import pathlib
import re

import pytest

from tensorlib.cuda import build, module, report

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "cuda.md"

SAID = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'one_float' for 'sm_90'
ptxas info    : Function properties for one_float
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 528 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function 'two_float' for 'sm_90'
ptxas info    : Function properties for two_float
ptxas         .     136 bytes stack frame, 24 bytes spill stores, 28 bytes spill loads
ptxas info    : Used 255 registers, 408 bytes cmem[0], 88 bytes cmem[2]
"""


@pytest.fixture(scope="module")
def found():
    return report.kernels()


def kernel(arch="75", registers=32, shared=0, threads=256, **more):
    sizes = dict(registers=registers, shared=shared, stack=0, spills=0, threads=threads)
    return report.Kernel(**{"program": "p", "name": "k", "arch": arch, **sizes, **more})


def test_what_a_compiler_says():
    one, two = report.read(SAID, "both", "90")
    assert one == kernel("90", 40, 528, program="both", name="one_float")
    assert two == kernel("90", 255, 0, program="both", name="two_float", stack=136, spills=52)
    assert report.faulty([one, two]) == [two]
    assert report.faulty([kernel(name="tan_float", stack=32), kernel(name="tanh_float", stack=8)]) == [
        kernel(name="tanh_float", stack=8)]
    with pytest.raises(RuntimeError, match="said nothing"):
        report.read("nvcc warning", "x", "75")


def test_a_planted_spill_is_found():
    source = ('extern "C" __global__ void __launch_bounds__(1024) spills(float* x) {\n    float v[200];\n'
              "    for (int i = 0; i < 200; ++i) v[i] = x[i * 1024 + threadIdx.x];\n    __syncthreads();\n"
              "    for (int i = 0; i < 200; ++i) x[(199 - i) * 1024 + threadIdx.x] = v[i] * v[(i + 7) % 200];\n}\n")
    for compiler in module.compilers([]):
        text = compiler.translate("spills", source, "75", "cubin", report.VERBOSE)[1]
        made, = report.read(text, "spills", "75")
        assert made.spills > 100 and made.registers <= 64 and report.faulty([made]) == [made]


@pytest.mark.parametrize("arch, registers, shared, threads, part", [
    ("75", 64, 0, 256, 1), ("75", 65, 0, 256, 0.75), ("75", 128, 0, 256, 0.5), ("75", 32, 32 << 10, 256, 0.5),
    ("75", 32, 0, 32, 0.5), ("75", 255, 0, 512, 0), ("90", 32, 0, 256, 1), ("90", 33, 0, 256, 0.75),
    ("90", 64, 0, 256, 0.5), ("90", 32, 47 << 10, 256, 0.5), ("86", 40, 0, 256, 1), ("86", 41, 0, 256, 0.8333),
    ("999", 32, 0, 256, None)])
def test_occupancy(arch, registers, shared, threads, part):
    found = report.occupancy(kernel(arch, registers, shared, threads))
    assert found == (None if part is None else pytest.approx(part, abs=1e-3))


def test_no_kernel_spills(found):
    assert not report.faulty(found)
    names = {arch: sorted(k.name for k in found if k.arch == arch) for arch in report.ARCHITECTURES}
    first, second = names.values()
    assert first == second and len(set(first)) == len(first) > 700
    assert all(report.occupancy(k) > 0 for k in found)          # each can be launched with 256 threads


def test_exceptions_are_needed(found):
    for name in report.LOCAL:
        assert any(k.stack for k in found if re.fullmatch(name, k.name)), name


def test_the_table_of_families_is_up_to_date(found):
    """Every family is there with what is written in report.py; registers are near those of this compiler."""
    lines = {name: line for line, name in re.findall(r"^(\| ([a-z]+) \|.*\|)$", DOCS.read_text(), flags=re.M)}
    help = "run `python -m tensorlib.cuda.report --families`, and put its rows into docs/cuda.md"
    families = {report.family_of(k) for k in found}
    assert families == set(report.FAMILIES), "a row for FAMILIES of tensorlib/cuda/report.py"
    for name in sorted(families):
        want, have = [[cell.strip() for cell in line.strip("|").split("|")] for line in
                      (report.row(name, found), lines.get(name, ""))]
        assert have[:4] == want[:4], help
        for a, b in zip(re.findall(r"\d+", want[4]), re.findall(r"\d+", have[4])):
            assert 2 / 3 < int(a) / int(b) < 3 / 2, "%s: %s registers, not %s; %s" % (name, a, b, help)


def test_every_program_is_in_the_report(found):
    assert {k.program for k in found} == {program.name for program in build.programs()}
