"""Packages import downward only, optional packages stay optional, and nobody inside imports the root package."""
import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tensorlib"
# From the bottom up; packages of one row may not import each other, but for the modules of the second.
LAYERS = [
    {"_ops"},
    {"ops", "tensor", "storage", "random", "indexing", "printing", "hooks", "shared", "multiprocessing",
     "serialization", "sparse", "_archives", "_arrays", "_C", "_construct", "_factories", "_names", "_types", "_utils",
     "_writers", "version"},
    {"autograd", "backends", "cuda"},
    {"nn", "optim", "utils"},
    {"vision", "onnx", "distributed"},
]
OPTIONAL = {"PIL": "vision", "scipy": "vision", "tqdm": "utils", "pycuda": "cuda", "mpi4py": "distributed",
            "onnx": "onnx", "safetensors": "utils"}
# Programs that are run, never imported: they read the finished package.
PROGRAMS = {ROOT / "ops" / "__main__.py", ROOT / "ops" / "_stubs.py"}
# Files that import by a name they are given or put together. A layer above is reached so only by those marked.
LATE = {"_names.py": "a class that a file names", "_utils.py": "a class that a file names",
        "_ops/__init__.py": "the kernels of one level", "ops/_samples.py": "references, in tests",
        "autograd/__init__.py": "a module of its own", "utils/__init__.py": "its own modules",
        "cuda/__init__.py": "its own modules", "cuda/backend.py": "the twin of a driver",
        "nn/__init__.py": "nn.optim, beside it, where code of the time looks for it",
        "nn/parallel/distributed.py": "distributed, above it, when a module is wrapped",
        "utils/data/distributed.py": "distributed, above it, for rank and size that were not given"}
ABOVE_TENSORS = ("autograd", "nn", "optim", "cuda")


def level(name):
    for i, layer in enumerate(LAYERS):
        if name in layer:
            return i
    raise AssertionError("tensorlib/%s stands in no layer: add it to LAYERS in %s" % (name, __file__))


def sources():
    return [path for path in sorted(ROOT.rglob("*")) if path.suffix in (".py", ".pyx", ".pxd")]


def part_of(path):
    """The part of the package that a file belongs to: "nn" for nn/modules/conv.py, "tensor" for tensor.py."""
    return path.relative_to(ROOT).parts[0].partition(".")[0]


def imports(path):
    """Yield (dotted name from the root on, or of another package; line) of each import statement of a Python file."""
    package = ("tensorlib",) + path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) + 1 - node.level] if node.level else ()
            module = ".".join(base + ((node.module,) if node.module else ()))
            for alias in node.names:
                yield module + "." + alias.name, node.lineno


def python_sources():
    return [path for path in sources() if path.suffix == ".py" and path not in PROGRAMS | {ROOT / "__init__.py"}]


def test_imports_point_downward():
    wrong = []
    for path in python_sources():
        here = part_of(path)
        for name, line in imports(path):
            parts = name.split(".")
            if parts[0] != "tensorlib" or parts[1] == here:
                continue
            there = parts[1]
            if level(there) >= level(here) and not level(there) == level(here) == 1:
                wrong.append("%s:%d: %s imports %s" % (path.relative_to(ROOT), line, here, there))
    assert not wrong, "\n".join(wrong)


def test_late_imports_are_few_and_known():
    found = {str(path.relative_to(ROOT)) for path in python_sources()
             if any(isinstance(node, ast.Attribute) and node.attr in ("import_module", "__import__")
                    or isinstance(node, ast.Name) and node.id == "__import__"
                    for node in ast.walk(ast.parse(path.read_text())))}
    assert found == set(LATE)


def test_programs_are_not_imported():
    for path in python_sources():
        for name, line in imports(path):
            assert not name.startswith(("tensorlib.ops._stubs", "tensorlib.ops.__main__")), (path, line, name)


def test_data_loading_knows_tensors_only():
    for path in (ROOT / "utils" / "data").rglob("*.py"):
        for name, line in imports(path):
            assert not name.startswith(tuple("tensorlib." + part for part in ABOVE_TENSORS)), (path, line, name)


def test_nobody_imports_the_root_package():
    for path in python_sources():
        for name, line in imports(path):
            assert name != "tensorlib", "%s:%d imports the root package" % (path, line)
            if name.count(".") == 1 and name.startswith("tensorlib."):
                there = ROOT / name.partition(".")[2]
                assert there.is_dir() or there.with_suffix(".py").exists(), "%s:%d takes %s from the root" % (
                    path, line, name)


@pytest.mark.parametrize("package", sorted(OPTIONAL))
def test_optional_packages_belong_to_one_place(package):
    for path in python_sources():
        for name, line in imports(path):
            if name.partition(".")[0] == package:
                assert part_of(path) == OPTIONAL[package], "%s:%d imports %s" % (path, line, package)


def test_import_pulls_in_nothing_optional():
    unwanted = sorted(OPTIONAL) + ["torch", "pandas"]
    code = "import sys, tensorlib; print([n for n in %r if n in sys.modules])" % unwanted
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_kernels_hold_loops_only():
    """A kernel file imports C names only, from the types and the dispatcher; no Python module, no graph."""
    for path in (ROOT / "_ops" / "kernels").glob("*.pyx"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] == ["import"] or (words[:1] == ["from"] and "import" in words):
                raise AssertionError("%s: %s" % (path.name, line))
            graph = words[:1] == ["from"] and words[1].lstrip(".") in ("row", "variable", "node", "recording")
            assert not graph, "%s: %s" % (path.name, line)
