"""What ships: the files of a build, the metadata, and small, quick imports."""
import configparser
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

import pytest

import tensorlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = pathlib.Path(tensorlib.__file__).resolve().parent
needs_source = pytest.mark.skipif(not (ROOT / "setup.cfg").exists(), reason="only the installed package is here")


@needs_source
def test_numpy_is_all_it_needs():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["options"]["install_requires"].split() == ["numpy"]
    assert config["options"]["python_requires"] == ">=3.10"
    assert {"vision", "data", "cuda", "mpi", "test", "dev"} <= set(config["options.extras_require"])


@needs_source
def test_the_version_is_the_same_everywhere():
    assert re.fullmatch(r"\d+\.\d+\.\d+", tensorlib.__version__)
    assert '"%s"' % tensorlib.__version__ in (ROOT / "conda" / "meta.yaml").read_text()
    assert "## %s " % tensorlib.__version__ in (ROOT / "CHANGELOG.md").read_text()


@needs_source
def test_links_in_the_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), "%s links to %s" % (page.name, target)


@needs_source
def test_commands_of_the_documents_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]:
        for line in re.findall(r"(?:^ {4}|`)make ([a-z -]+?)(?: {2,}|`|$)", page.read_text(), re.M):
            assert set(line.split()) <= targets, "%s says `make %s`" % (page.name, line)


@needs_source
def test_the_first_example_of_the_readme_runs(tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                         env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert run.returncode == 0, run.stderr
    assert float(re.search(r"mean squared error: (\S+)", run.stdout).group(1)) < 0.05
    assert (tmp_path / "net.pt").exists()


@needs_source
def test_a_wheel_holds_what_is_needed_and_no_more(tmp_path):
    """The files that a build would copy: Python, stubs and CUDA sources; no C, no Cython, no tests."""
    pytest.importorskip("setuptools")
    code = """if 1:
        from setuptools import Distribution
        d = Distribution(); d.parse_config_files(); d.script_name = "setup.py"
        c = d.get_command_obj("build_py"); c.ensure_finalized()
        print(*c.get_outputs(include_bytecode=0), sep="\\n")"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True,
                         check=True)
    files = [line for line in run.stdout.split("\n") if "tensorlib" in line]
    endings = {pathlib.Path(name).suffix for name in files}
    assert endings <= {".py", ".pyi", ".typed", ".cu", ".cuh"}, endings
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    shipped = {name.partition("tensorlib/")[2].partition("tensorlib/")[2] or name.rpartition("lib/tensorlib/")[2]
               for name in files if name.endswith(".py")}
    assert modules <= shipped, sorted(modules - shipped)


def test_every_package_says_that_it_is_one():
    """A folder of Python files without __init__.py would be left out of a wheel."""
    for path in PACKAGE.rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


def test_installed_metadata_if_installed():
    try:
        found = importlib.metadata.version("tensorlib")
    except importlib.metadata.PackageNotFoundError:
        assert (ROOT / "setup.cfg").exists()
        return
    assert found == tensorlib.__version__
