"""Plant a fault in each row of the table, one at a time, and see that the checks of test_ops.py find it.

Faults: the sign of each formula flipped, that of each value, that of each in-place twin. Run it: `make mutate`.
"""
import sys
import warnings

from op_checks import Case, check_inplace, check_row_derivatives, check_value
from test_ops import ROWS, SMALL, elements

from tensorlib._ops.row import Op
from tensorlib._ops.variable import VariableBase
from tensorlib._ops.tensor import TensorBase
from tensorlib.ops import TABLE


def flipped(x):
    """A result with its sign flipped; something else where that changes nothing."""
    if isinstance(x, (tuple, list)):
        return tuple(flipped(part) for part in x)
    if not isinstance(x, (TensorBase, VariableBase)):
        return x
    data = x.data if isinstance(x, VariableBase) else x
    return x * 2 + 1 if data.eq(data * -1).sum() == data.numel() else x * -1


def like(function, change):
    """A function of the same parameter names, its result changed: the engine reads the names."""
    names = function.__code__.co_varnames[:function.__code__.co_argcount]
    required = len(names) - len(function.__defaults__ or ())
    declared = names[:required] + tuple(name + "=None" for name in names[required:])
    return eval("lambda %s: change(function(%s))" % (", ".join(declared), ", ".join(names)),
                dict(function=function, change=change))


def is_joint(row):
    """Whether one formula gives all gradients."""
    formulas = [row.formula_of(p) for p in row.params]
    return len(formulas) > 1 and formulas[0] is not None and all(f is formulas[0] for f in formulas)


def copy_of(row, kernel=None, inplace=None, formulas=None, joint=None, composite=None):
    """The row with something in it replaced."""
    formulas = formulas or {p: row.formula_of(p) for p in row.params if row.formula_of(p)}
    joint = joint or (row.formula_of(row.params[0]) if is_joint(row) else None)
    made = Op(row.name, row.signature, row.params, row.defaults, kernel or row.kernel, {} if joint else formulas, joint,
              view=row.view, broadcast=row.broadcast, variadic=row.variadic,
              inplace_kernel=inplace or row.inplace_kernel, node_name=row.node_name,
              composite=composite or row.composite)
    made.row = row.row
    return made


def flip_one(i):
    return lambda gradients: tuple(flipped(g) if j == i else g for j, g in enumerate(gradients))


def faults(row):
    """(what is wrong, the row with that fault, the check that has to find it)."""
    yield "value", copy_of(row, kernel=lambda *args: flipped(row.kernel(*args))), check_value
    if row.inplace_kernel:
        def run(self, *args):
            self.copy_(flipped(row.inplace_kernel(self, *args)).clone())
            return self
        yield "in place", copy_of(row, inplace=run), check_inplace
    if row.composite:
        for i in range(len(next(iter(small_cases(row))).reference())):
            wrong = copy_of(row, composite=lambda *args, i=i: flip_one(i)(row.composite(*args)))
            yield "output %d of what is recorded" % i, wrong, check_row_derivatives
    if is_joint(row):
        formula = row.formula_of(row.params[0])
        case = next(iter(small_cases(row)))
        for i, at in enumerate(case.differentiable()):
            wrong = copy_of(row, joint=like(formula, flip_one(i)))
            yield "derivative of " + case.names[at], wrong, check_row_derivatives
        return
    formulas = {p: row.formula_of(p) for p in row.params if row.formula_of(p)}
    for p, formula in formulas.items():
        wrong = copy_of(row, formulas={**formulas, p: like(formula, flipped)})
        yield "derivative of " + p, wrong, check_row_derivatives


def small_cases(row):
    for sample in row.row.samples:
        case = Case(row, sample)
        if elements(case) <= SMALL:
            yield case


def found(row, check):
    """Whether a check refuses the row with some sample."""
    for case in small_cases(row):
        try:
            check(case)
        except Exception:
            return True
    return False


def survivors(names):
    """(how many faults were planted, names of those that no check finds)."""
    planted, alive = 0, []
    for name in names:
        for what, row, check in faults(TABLE[name]):
            planted += 1
            if not found(row, check):
                alive.append("%s: %s" % (name, what))
    return planted, alive


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    planted, alive = survivors(sys.argv[1:] or ROWS)
    print("%d faults planted, %d found" % (planted, planted - len(alive)))
    print("\n".join("NOT FOUND " + text for text in alive), end="\n" if alive else "")
    sys.exit(1 if alive else 0)
