"""Write what is generated from the table: type stubs and docs/ops.md. `--check` only says which of them are stale."""
import pathlib
import sys
import warnings

import tensorlib  # noqa: F401    (binds the methods that the stubs list)

from . import PUBLIC, TABLE, _stubs
from ._table import METHODS, VARIABLE_METHODS, type_names

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = {           # path -> what makes its text
    "docs/ops.md": lambda: docs(),
    "tensorlib/__init__.pyi": _stubs.package_stub,
    "tensorlib/_ops/tensor.pyi": _stubs.tensor_stub,
    "tensorlib/_ops/variable.pyi": _stubs.variable_stub,
}
INTRODUCTION = """# Operations

Written by `python -m tensorlib.ops` from the table of operations; do not edit. The table itself is `tensorlib/ops/`.

## Public names

Methods of tensors (T) and of Variables (V), and functions of the package (F). A name with `_` works in place.

| name | is | forms | |
|---|---|---|---|"""
ROWS = """
## Rows

What the public names call; a row works on Tensors and on Variables, `self` first. Derivatives to any order.

| row | element types | in place | derivatives of | |
|---|---|---|---|---|"""


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def kinds(name, public):
    """T, V, F: what a public name is."""
    where = (("T", name in METHODS), ("V", name in VARIABLE_METHODS), ("F", public.is_function))
    return " ".join(letter for letter, there in where if there)


def line_of_public(name, public):
    forms = list(dict.fromkeys(form.text for form in list(public.forms) + list(public.variable_forms)))
    twin = "`, `%s_`" % name if name + "_" in PUBLIC else "`"
    return "| `%s%s | %s | %s | %s |" % (name, twin, kinds(name, public),
                                         "<br>".join("`%s`" % cell(text) for text in forms), cell(public.__doc__))


def line_of_row(name, row):
    params = [p for p in row.params if (row.formula_of(p) or row.composite) and "Tensor" in kind_of(row, p)]
    return "| `%s` | %s | %s | %s | %s |" % (cell(row.signature), type_names(row.row.types),
                                             "yes" if row.inplace_kernel else "", ", ".join(params), cell(row.row.doc))


def kind_of(row, param):
    """The kind of a parameter in the signature: "Tensor", "int", .. ; a variadic one holds tensors."""
    inside = row.signature[row.signature.index("(") + 1:-1]
    found = [part.split("=")[0].split() for part in inside.split(",")]
    return next((words[0] for words in found if words and words[-1] == param and len(words) > 1), "Tensor")


def docs():
    """docs/ops.md: a line for each public name and for each row."""
    lines = [INTRODUCTION]
    lines += [line_of_public(name, PUBLIC[name]) for name in sorted(PUBLIC)
              if not (name.endswith("_") and name[:-1] in PUBLIC)]
    lines += [ROWS] + [line_of_row(name, TABLE[name]) for name in sorted(TABLE)]
    return "\n".join(lines) + "\n"


def main(arguments):
    """Write the files, or with --check compare them; returns the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m tensorlib.ops [--check]")
        return 2
    stale = []
    for path, make in FILES.items():
        text, file = make(), ROOT / path
        if file.exists() and file.read_text() == text:
            continue
        stale.append(path)
        if not arguments:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    for path in stale:
        print(("%s is stale: run python -m tensorlib.ops" if arguments else "wrote %s") % path)
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
