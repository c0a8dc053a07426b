"""Loops of sparse tensors, which _ops/sparse.pyx and _ops/sparse_math.pyx call where their entries lie on a GPU.

Keys are where entries stand among the sparse dims. Rows of values by keys are moved by the twins of _ops/index.pyx.
"""
from ..._ops.shape import narrow, view
from ..._ops.tensor import code_of, device_of, make_empty
from .. import faults
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from . import index, reduce, sort

BYTE, LONG = 0, 4
program = Program("sparse")


def run(kernel, like, formats, n, *arguments):
    launch(program, kernel, device_of(like), formats, grid_for(device_of(like), n), THREADS, *arguments)


def longs(like, *size):
    return make_empty(LONG, size, device_of(like))


def sixteen(sizes):
    return tuple(sizes) + (1,) * (16 - len(sizes))


# ---- places -------------------------------------------------------------------------------------------------------

def largest(indices):
    """The largest index of each dim, 0 at least."""
    return [max(0, n) for n in view(reduce.max_dim(indices, 1)[0], (-1,)).tolist()]


def find_keys(name, keys, indices, sizes):
    """Fill in the key of each entry, -1 where an index is out of range."""
    run("find_keys", keys, "PPqq16qPq", keys.size(0), keys, indices, keys.size(0), len(sizes), *sixteen(sizes),
        faults.note_of(device_of(keys)), faults.code_of(name))


def runs_of(keys):
    """Of sorted keys: (the distinct ones, where their runs begin and the last one ends, which run each place is in)."""
    n = keys.size(0)
    flags = make_empty(BYTE, (n,), device_of(keys))
    run("heads", keys, "PPq", n, flags, keys, n)
    places, count = index.places_of(flags)
    start, distinct = longs(keys, count + 1), longs(keys, count)
    run("runs", keys, "PPPPPq", n, start, distinct, flags, places, keys, n)
    return distinct, start, places.sub_(1)


def coalesced(keys, values, sizes):
    """Indices and values of entries with these keys: in order, those of one place added up in the order they came."""
    keys, order = sort.sort(keys)
    distinct, start, _ = runs_of(keys)
    count, width = distinct.size(0), values.numel() // keys.size(0)
    indices = longs(keys, len(sizes), count)
    run("find_indices", keys, "PPqq16q", count, indices, distinct, count, len(sizes), *sixteen(sizes))
    sums = make_empty(code_of(values), (count,) + tuple(values.size())[1:], device_of(values))
    run("sum_runs_" + NAMES[code_of(values)], keys, "PPPPqq", count * width, sums, values, order, start, count, width)
    return indices, sums


def common(a, b):
    """Places of the keys that two rows of sorted, distinct keys share; two empty tensors where there are none."""
    found = longs(a, a.size(0))
    run("common", a, "PPqPq", a.size(0), found, a, a.size(0), b, b.size(0))
    in_a = index.nonzero(found.ge(0))
    if in_a.numel() == 0:
        return in_a, in_a
    in_a = view(in_a, (-1,))
    return in_a, index.index_select(found, 0, in_a)


# ---- values -------------------------------------------------------------------------------------------------------

def rows(t, keys, values):
    """A dense tensor as rows that keys number, and the values as rows of that width."""
    width = values.numel() // keys.size(0)
    return view(t, (-1, width)), view(values, (-1, width))


def scatter_add(target, keys, values):
    """Add rows of values to those of a dense tensor."""
    to, values = rows(target, keys, values)
    index.index_add_(to, 0, keys, values)


def put(target, keys, values):
    """Write rows of values, one for a key at most, over those of a dense tensor."""
    to, values = rows(target, keys, values)
    index.index_copy_(to, 0, keys, values)


# ---- sparse times dense -------------------------------------------------------------------------------------------

def multiply(out, indices, rows, values, dense, ordered):
    """out[rows[e]] += values[e] * dense[column of e] for all entries; rows: those of the indices where None."""
    n, height, width = values.size(0), out.size(0), out.size(1)
    kernel = ("multiply_" if ordered else "multiply_any_") + NAMES[code_of(out)]
    rows = narrow(indices, 0, 0, 1) if rows is None else rows
    run(kernel, out, "PPPPPqqqq", (height if ordered else n) * width, out, rows, narrow(indices, 0, 1, 1), values,
        dense, n, height, dense.size(0), width)


def distinct_rows(indices):
    """(the rows of a coalesced matrix that have entries, 1 x count; for each entry which of them it is in)."""
    distinct, _, places = runs_of(view(narrow(indices, 0, 0, 1), (-1,)))
    return view(distinct, (1, -1)), places


def all_columns(rows, columns):
    """Indices of the matrix that has all columns of some rows."""
    n = rows.numel()
    made = longs(rows, 2, n * columns)
    run("all_columns", rows, "PPqq", n * columns, made, rows, n, columns)
    return made
