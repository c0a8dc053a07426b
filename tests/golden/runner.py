"""Recorded behaviour of PyTorch v0.2.0, and the check of a module against it.

    python tests/golden/runner.py [--module tensorlib] [--only GLOB] [--show N] [FILE.jsonl.gz ...]

A case is a few lines of code on fixed input that leave `result` or raise, with what the original gave. The name
`torch` in them means the module under test. Values are compared within the case's tolerance; types, sizes, text and
kinds of warnings exactly, the package's name aside; errors by their type. Exit status 0 when all cases agree.
"""
import argparse
import collections
import fnmatch
import gzip
import importlib
import json
import math
import pathlib
import re
import sys
import types
import warnings

import numpy

FOLDER = pathlib.Path(__file__).resolve().parent
SHORT_NAMES = {"nn": "nn", "F": "nn.functional", "optim": "optim", "Variable": "autograd.Variable",
               "Function": "autograd.Function"}


def load(path):
    """Return the cases of one file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# ---- running a case ------------------------------------------------------------------------------------

def namespace(module):
    """What the code of a case can name; a short name that the module does not have is left out."""
    space = {"torch": module, "np": numpy, "math": math, "OrderedDict": collections.OrderedDict}
    for short, path in SHORT_NAMES.items():
        here = module
        for part in path.split("."):
            if here is not None and not hasattr(here, part):
                try:
                    importlib.import_module("%s.%s" % (here.__name__, part))
                except ImportError:
                    pass
            here = getattr(here, part, None)
        if here is not None:
            space[short] = here
    return space


def run(case, module):
    """Return what a case gives: {"result" or "raises", "warns"}, and "missing" where a name does not exist."""
    name = module.__name__
    space = namespace(module)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            exec(compile(case["code"], case["id"], "exec"), space)
            out = {"result": encode(space["result"], module)}
        except Exception as error:
            text = re.sub(r"\s+at \S+:\d+$", "", str(error)).replace(name, "torch")
            out = {"raises": type(error).__name__, "text": text[:300], "missing": missing_name(error, name)}
    out["warns"] = sorted({w.category.__name__ for w in said if w.category is UserWarning})
    return out


def missing_name(error, package):
    """The dotted name that an error says does not exist in the package, or None."""
    if isinstance(error, NameError):
        return SHORT_NAMES.get(error.name)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith(package):
        return error.name.partition(".")[2]
    if not isinstance(error, AttributeError) or error.name is None:
        return None
    owner = error.obj
    if isinstance(owner, types.ModuleType):
        where = owner.__name__
    else:
        cls = owner if isinstance(owner, type) else type(owner)
        where = "%s.%s" % (cls.__module__, cls.__name__)
    return (where + "." + error.name).partition(".")[2] if where.partition(".")[0] == package else None


# ---- results as JSON -----------------------------------------------------------------------------------

def number(v):
    return repr(v) if isinstance(v, float) and not math.isfinite(v) else v


def encode(x, module):
    """A JSON form of a result that keeps type, size and every value."""
    name = module.__name__
    if x is None or isinstance(x, bool):
        return x
    if isinstance(x, str):
        return x.replace(name, "torch")
    if isinstance(x, int):
        return {"int": x}
    if isinstance(x, float):
        return {"float": number(x)}
    if isinstance(x, module.autograd.Variable):
        return {"variable": type(x).__name__, "data": encode(x.data, module),
                "requires_grad": bool(x.requires_grad), "volatile": bool(x.volatile)}
    return encode_array(x) or encode_container(x, module) or {
        "object": type(x).__name__, "repr": repr(x).replace(name, "torch")}


def encode_array(x):
    if hasattr(x, "storage_offset"):
        flat = x.contiguous().view(-1).tolist() if x.numel() else []
        return {"tensor": type(x).__name__, "size": list(x.size()), "values": [number(v) for v in flat]}
    if type(x).__name__.endswith("Storage"):
        return {"storage": type(x).__name__, "values": [number(v) for v in x.tolist()]}
    if isinstance(x, (numpy.ndarray, numpy.generic)):
        return {"ndarray": str(x.dtype), "size": list(x.shape), "values": [number(v) for v in x.reshape(-1).tolist()]}
    return None


def encode_container(x, module):
    if type(x).__name__ == "Size":
        return {"size": [int(v) for v in x]}
    if isinstance(x, dict):
        return {"dict": [[encode(k, module), encode(v, module)] for k, v in x.items()],
                "ordered": isinstance(x, collections.OrderedDict)}
    if isinstance(x, (tuple, list)):
        return {"list" if isinstance(x, list) else "tuple": [encode(v, module) for v in x]}
    return {"class": x.__name__} if isinstance(x, type) else None


# ---- comparing -----------------------------------------------------------------------------------------

def near(a, b, tolerance):
    if any(isinstance(v, (str, bool)) for v in (a, b)) or (isinstance(a, int) and isinstance(b, int)):
        return a == b
    return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))


def tolerance_of(want, given):
    if given is not None:
        return given
    double = "Double" in str(want.get("tensor", "")) or "64" in str(want.get("ndarray", ""))
    return 1e-9 if double else 2e-5


def difference(want, got, tolerance):
    """None where two results agree, else where they part."""
    if isinstance(want, dict) and isinstance(got, dict):
        if want.keys() != got.keys():
            return "kind %s, not %s" % (sorted(got), sorted(want))
        for key in want:
            if key == "values":
                where = difference_of_values(want[key], got[key], tolerance_of(want, tolerance))
            elif key == "float":
                same = near(want[key], got[key], tolerance_of({}, tolerance))
                where = None if same else "%r, not %r" % (got[key], want[key])
            else:
                where = difference(want[key], got[key], tolerance)
                where = where and "%s: %s" % (key, where)
            if where:
                return where
        return None
    if isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return "%d items, not %d" % (len(got), len(want))
        parts = ((i, difference(a, b, tolerance)) for i, (a, b) in enumerate(zip(want, got)))
        return next(("[%d] %s" % part for part in parts if part[1]), None)
    return None if want == got and type(want) is type(got) else "%r, not %r" % (got, want)


def difference_of_values(want, got, tolerance):
    if len(want) != len(got):
        return "%d values, not %d" % (len(got), len(want))
    for i, (a, b) in enumerate(zip(want, got)):
        if not near(a, b, tolerance):
            return "value %d is %r, not %r" % (i, b, a)
    return None


def judge(case, got):
    """None where a case agrees with what was recorded, else how it does not."""
    want = case["expect"]
    if "raises" in want:
        if "raises" not in got:
            return "returned, where %s is raised: %s" % (want["raises"], want["text"][:90])
        return None if got["raises"] == want["raises"] else "raised %s (%s), not %s (%s)" % (
            got["raises"], got["text"][:80], want["raises"], want["text"][:80])
    if "raises" in got:
        return "raised %s: %s" % (got["raises"], got["text"][:120])
    where = difference(want["result"], got["result"], case.get("tol"))
    if where is None and want["warns"] != got["warns"]:
        return "warned %s, not %s" % (got["warns"], want["warns"])
    return where


def check(path, module, only="*"):
    """Return (number of cases, {id: (how it differs, missing name or None)})."""
    cases = [case for case in load(path) if fnmatch.fnmatch(case["id"], only)]
    wrong = {}
    for case in cases:
        got = run(case, module)
        how = judge(case, got)
        if how:
            wrong[case["id"]] = (how, got.get("missing"))
    return len(cases), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--module", default="tensorlib")
    parser.add_argument("--only", default="*", help="a pattern of case ids")
    parser.add_argument("--show", type=int, default=20, help="differences to print for each file")
    options = parser.parse_args()
    module = importlib.import_module(options.module)
    bad = total = 0
    for path in options.files or sorted(FOLDER.glob("*.jsonl.gz")):
        count, wrong = check(path, module, options.only)
        total, bad = total + count, bad + len(wrong)
        print("%-34s %5d of %5d agree" % (pathlib.Path(path).name, count - len(wrong), count))
        for case, (how, _) in list(wrong.items())[:options.show]:
            print("   %s: %s" % (case, how))
    print("%d of %d cases agree" % (total - bad, total))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
