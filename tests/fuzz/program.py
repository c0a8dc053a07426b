"""A program is a list of steps; each is run on tensorlib and on its mirror (NumPy, PyTorch), and every value compared.

It knows nothing of single operations: a step is two expressions in Python. The first difference ends a program.
"""
import re
from dataclasses import dataclass, field

import numpy as np

from tensorlib._ops.tensor import TensorBase
from tensorlib.autograd import Variable

CLEAN = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, AssertionError, ZeroDivisionError,
         OverflowError, MemoryError)
TOLERANCE = {"float16": 1e-3, "float32": 2e-5, "float64": 1e-9}
NAME = re.compile(r"\bx\d+\b")


class Difference(Exception):
    """The two sides do not agree: what happened, and at which step."""


class Free:
    """A result that is not given element by element: `check(got)` says what holds of it, and returns its mirror."""


class Positions(Free):
    """Positions along a dim of which only the values there are given: where elements are equal, any will do.

    `values` has the dim, of size 1 where positions were `dropped` to one dim less.
    """

    def __init__(self, source, dim, values, dropped=False):
        self.source, self.dim, self.values = source, dim, values
        self.shape = np.squeeze(values, dim).shape if dropped else values.shape

    def check(self, got):
        got = array(got)
        require(tuple(got.shape) == self.shape, "positions of size %s, not %s" % (got.shape, self.shape))
        require(((got >= 0) & (got < self.source.shape[self.dim])).all(), "positions out of range: %s" % (got,))
        there = np.take_along_axis(self.source, got.reshape(self.values.shape), self.dim)
        require(np.array_equal(there, self.values, equal_nan=there.dtype.kind == "f"),
                "the values at positions %s are %s, not %s" % (got, there, self.values))
        return got


class Factors(Free):
    """Results of which only equations hold: `equations(*arrays)` gives pairs that are equal but for rounding."""

    def __init__(self, equations):
        self.equations = equations

    def check(self, got):
        arrays = [array(part) for part in (got if isinstance(got, tuple) else (got,))]
        for number, (a, b) in enumerate(self.equations(*arrays)):
            a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
            rtol = 3e-4 if arrays[0].dtype == np.float32 else 1e-8
            scale = max(1, np.abs(b).max(initial=0))
            require(a.shape == b.shape and np.allclose(a, b, rtol, rtol * scale),
                    "equation %d: %s is not %s\nresults %s" % (number, a, b, arrays))
        return True


@dataclass
class Step:
    """One line: `targets = ours`, beside `targets = mirror`. Without a mirror, it must only end cleanly."""

    operation: str
    targets: list
    ours: str
    mirror: str = None

    def names(self):
        return set(NAME.findall(self.ours))

    def __str__(self):
        return (", ".join(self.targets) + " = " if self.targets else "") + self.ours


@dataclass
class Program:
    """What ran so far, and the values of both sides by name."""

    ours: dict
    mirror: dict
    steps: list = field(default_factory=list)
    live: list = field(default_factory=list)
    judge: object = None    # a second opinion on the mirror: judge(step, mirror) before a step, what it returns after

    def run(self, step):
        """Run one step on both sides. Raises Difference."""
        self.steps.append(step)
        scale = max([1.0] + [size_of(self.mirror[n]) for n in step.names() if n in self.mirror])
        got, want = attempt(step.ours, self.ours), None
        if isinstance(got, Exception) and not isinstance(got, CLEAN):
            raise Difference("%s: %s, which no operation may raise" % (type(got).__name__, got))
        require(not isinstance(got, Exception) or str(got).strip(), "%s without a message" % type(got).__name__)
        if step.mirror is None:
            return self.check_live(scale)
        opinion = self.judge and self.judge(step, self.mirror)
        with np.errstate(all="ignore"):
            want = attempt(step.mirror, self.mirror)
        if type(want).__name__ == "Undecided":
            return self.check_live(scale)
        if opinion:
            opinion(want)
        if isinstance(got, Exception) or isinstance(want, Exception):
            require(isinstance(got, Exception) and isinstance(want, Exception), "tensorlib: %s\nmirror: %s"
                    % (shown(got), shown(want)))
        else:
            if isinstance(want, Factors):   # their layout is free too: no later step takes them
                return want.check(got) and self.check_live(scale)
            want = agree(got, want, scale)
            several = isinstance(got, tuple) and len(step.targets) > 1
            for name, a, b in zip(step.targets, got if several else (got,), want if several else (want,)):
                if isinstance(a, (TensorBase, Variable)):
                    self.ours[name], self.mirror[name] = a, b if step.operation == "layout" else self.dense(b)
                    self.live.append(name)
        return self.check_live(scale)

    def dense(self, b):
        """A new array laid out as a new tensor is: NumPy keeps the order of the operands. Views stay as they are."""
        if not isinstance(b, np.ndarray) or any(np.may_share_memory(b, self.mirror[name]) for name in self.live):
            return b
        return np.ascontiguousarray(b)

    def check_live(self, scale):
        """Compare every tensor there is: one that should not have changed, or should have, shows here."""
        for name in self.live:
            try:
                agree(self.ours[name], self.mirror[name], scale)
            except Difference as e:
                raise Difference("%s after this step: %s" % (name, e)) from None
        for name in self.live:  # rounding must not add up
            if isinstance(self.mirror[name], np.ndarray) and self.mirror[name].dtype.kind == "f":
                np.copyto(self.mirror[name], array(self.ours[name]))


def attempt(source, names):
    try:
        return eval(source, names)
    except Exception as e:
        return e


def require(condition, message):
    if not condition:
        raise Difference(message)


def shown(value):
    if isinstance(value, Exception):
        return "%s: %s" % (type(value).__name__, value)
    return repr(value).strip()


def array(value):
    """A copy of the numbers of a tensor or Variable; the empty tensor is an array of size 0."""
    if isinstance(value, Variable):
        value = value.data
    if not isinstance(value, TensorBase):
        return np.asarray(value)
    if not value.dim():
        return np.zeros(0)
    return value.new(*value.size()).copy_(value).numpy()


def size_of(value):
    """The largest finite absolute value: rounding is relative to it."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return 1.0
    finite = np.abs(value[np.isfinite(value)].astype(np.float64))
    return float(finite.max()) if finite.size else 1.0


def agree(got, want, scale):
    """Raise Difference unless a result equals its mirror; returns the mirror, with free positions as they came."""
    if isinstance(want, Free):
        return want.check(got)
    if isinstance(want, (tuple, list)):
        require(isinstance(got, (tuple, list)) and len(got) == len(want), "%s, not %s" % (shown(got), shown(want)))
        return tuple(agree(a, b, scale) for a, b in zip(got, want))
    if hasattr(want, "detach"):
        compare(array(got), want.detach().numpy().reshape(tuple(want.shape) or (1,)), scale)
        return want
    if isinstance(want, np.ndarray):
        require(isinstance(got, TensorBase), "%s, not a tensor like %r" % (shown(got), want))
        compare(array(got), want, scale)
        return want
    number = isinstance(want, (np.floating, float))
    require(isinstance(got, float if number else (bool, int)), "%s, not %r" % (shown(got), want))
    compare(np.asarray(got), np.asarray(want) if number else np.asarray(int(want)), scale)
    return want


def compare(got, want, scale):
    if got.size == 0 and want.size == 0:
        return
    require(got.shape == want.shape, "size %s, not %s\ngot %s\nnot %s" % (got.shape, want.shape, got, want))
    require(got.dtype == want.dtype or not got.ndim or got.dtype == "int64" == want.dtype,
            "type %s, not %s" % (got.dtype, want.dtype))
    if want.dtype.kind == "f":
        rtol = TOLERANCE[str(want.dtype)]
        equal = np.isclose(got.astype(np.float64), want.astype(np.float64), rtol, rtol * scale, equal_nan=True)
    else:
        equal = got == want
    require(np.all(equal), "got\n%s\nnot\n%s" % (got, want))


def replay(steps, make):
    """Run steps anew, without those whose tensors do not exist. Returns (steps run, difference or None)."""
    program = make()
    for step in steps:
        if all(name in program.live for name in step.names()):
            try:
                program.run(step)
            except Difference as e:
                return program.steps, e
    return program.steps, None


def shrink(steps, fails):
    """Drop steps, last ones first, as long as the rest still fails; `fails(steps)` gives the failing steps or None."""
    at = len(steps) - 2
    while at >= 0:
        fewer = fails(steps[:at] + steps[at + 1:])
        if fewer is not None:
            steps, at = fewer, min(at, len(fewer) - 1)
        at -= 1
    return steps
