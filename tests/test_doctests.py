"""The examples in docstrings give what they say."""
import doctest
import importlib
import pathlib
import pkgutil
import warnings

import pytest

import tensorlib

FOLDER = pathlib.Path(tensorlib.__file__).parent


def modules():
    names = [info.name for info in pkgutil.walk_packages([str(FOLDER)], "tensorlib.")]
    return sorted(name for name in names if not name.startswith("tensorlib._ops.") and "__main__" not in name)


def names():
    """What the examples may use without importing it."""
    return {"tensorlib": tensorlib, "nn": tensorlib.nn, "F": tensorlib.nn.functional, "optim": tensorlib.optim,
            "Variable": tensorlib.autograd.Variable, "Function": tensorlib.autograd.Function}


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    said = []
    for test in finder.find(module, name, globs=names()):
        tensorlib.manual_seed(0)
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        with warnings.catch_warnings():
            runner.run(test, out=said.append)
    assert not said, "".join(said)


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert any(test.examples for test in finder.find(tensorlib.serialization, globs=names()))
