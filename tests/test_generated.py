"""Generated files are valid, complete, and what the table says today."""
import ast
import pathlib
import subprocess
import sys
import types

import pytest

import tensorlib
from tensorlib.ops import PUBLIC, TABLE, __main__
from tensorlib.ops._table import FUNCTIONS, METHODS, VARIABLE_METHODS

STUBS = [path for path in __main__.FILES if path.endswith(".pyi")]


def text_of(path):
    return (__main__.ROOT / path).read_text()


def names_in(path, class_name=None):
    """Functions of a stub, or methods of a class in it."""
    body = ast.parse(text_of(path)).body
    if class_name:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == class_name).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")      # of deprecated names that the writer tries


@pytest.mark.parametrize("path", __main__.FILES)
def test_up_to_date(path):
    assert text_of(path) == __main__.FILES[path](), "stale: run python -m tensorlib.ops"


def test_check_says_which_file_is_stale(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(__main__, "ROOT", pathlib.Path(tmp_path))
    (tmp_path / "tensorlib" / "_ops").mkdir(parents=True)
    assert __main__.main([]) == 0 and __main__.main(["--check"]) == 0
    (tmp_path / STUBS[0]).write_text("")
    capsys.readouterr()
    assert __main__.main(["--check"]) == 1 and STUBS[0] in capsys.readouterr().out
    assert (tmp_path / STUBS[0]).read_text() == ""
    assert __main__.main(["--unknown"]) == 2


def test_runs_as_a_module():
    assert subprocess.run([sys.executable, "-m", "tensorlib.ops", "--check"], cwd=__main__.ROOT).returncode == 0


def test_stubs_are_python_and_complete():
    assert set(METHODS) <= names_in("tensorlib/_ops/tensor.pyi", "TensorBase")
    assert set(VARIABLE_METHODS) <= names_in("tensorlib/_ops/variable.pyi", "VariableBase")
    assert set(FUNCTIONS) <= names_in("tensorlib/__init__.pyi")
    for name in names_in("tensorlib/__init__.pyi"):
        assert callable(getattr(tensorlib, name))


def test_package_stub_has_every_name():
    found = set(names_in("tensorlib/__init__.pyi"))
    for node in ast.parse(text_of("tensorlib/__init__.pyi")).body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.AnnAssign):
            found.add(node.target.id)
    for name in dir(tensorlib):
        if not name.startswith("_") and not isinstance(getattr(tensorlib, name), types.ModuleType):
            assert name in found, name


def test_docs_name_every_row_and_public_name():
    text = text_of("docs/ops.md")
    for name, row in TABLE.items():
        assert "| `%s` |" % row.signature in text and row.row.doc, name
    for name in PUBLIC:
        assert "`%s`" % name in text, name
