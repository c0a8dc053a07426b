"""What tests of rows share: tensors of any layout, closeness, derivatives against differences of values, and the
checks that hold for every row of the table.
"""
import math
import zlib

import numpy as np

import tensorlib
from tensorlib._ops.elementwise import Pointwise
from tensorlib._ops.tensor import TensorBase, cpu_classes, cuda_classes
from tensorlib.autograd import Variable, grad
from tensorlib.ops import PUBLIC

FLOATS = [np.float32, np.float64]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}
NUMPY = {0: np.uint8, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.int64, 6: np.float32, 7: np.float64}
LAYOUTS = ("contiguous", "strided", "expanded")
DOUBLE, LONG, BYTE = 7, 4, 0


class Device:
    """Where the tensors of these checks lie: a GPU, or the CPU."""

    number = -1


def placed(t):
    """A tensor on the device of the checks."""
    return t if Device.number < 0 else t.cuda(Device.number)


def array(t):
    """The numbers of a tensor, wherever it lies."""
    return t.cpu().numpy()


def class_of(code):
    """The class that results of an element type have."""
    return (cpu_classes() if Device.number < 0 else cuda_classes())[code]


def tensor(a, strided=False):
    """The array as a tensor; strided: as every other element of a larger one, with its dims turned."""
    a = np.ascontiguousarray(a)
    dense = tensorlib.from_numpy(a.astype(np.int16)).char() if a.dtype == np.int8 else tensorlib.from_numpy(a.copy())
    dense = placed(dense)
    if not strided:
        return dense
    t = dense.new(*(a.shape[::-1] + (2,))).fill_(7).narrow(a.ndim, 1, 1).squeeze(a.ndim)
    for d in range(a.ndim // 2):
        t = t.transpose(d, a.ndim - 1 - d)
    return t.copy_(dense)


def close(got, want, tolerance):
    got = array(got) if not isinstance(got, np.ndarray) else got
    assert got.shape == np.shape(want), (got.shape, np.shape(want))
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1, np.abs(want).max()))


# ---- derivatives --------------------------------------------------------------------------------------------------

def total(output, weights):
    """A number out of an output, each element weighted."""
    return (output * Variable(tensor(weights))).sum()


def outputs_of(result):
    return result if isinstance(result, tuple) else (result,)


def check_derivatives(f, *arrays, second=True, h=1e-5, tolerance=2e-6):
    """First and second derivatives of f, a function of Variables, against differences of its values.

    f gives a Variable, or a tuple of those that count. Each input moves along a direction of its own.
    """
    arrays = [np.array(a, np.float64) for a in arrays]
    rng = np.random.RandomState(11)
    weights = [rng.randn(*out.size()) for out in outputs_of(f(*[Variable(tensor(a)) for a in arrays]))]
    directions = [rng.randn(*a.shape) for a in arrays]

    def value(at):
        return whole([Variable(tensor(a)) for a in at]).data[0]

    def whole(inputs):
        return sum(total(out, w) for out, w in zip(outputs_of(f(*inputs)), weights))

    def gradients(at, graph=False):
        inputs = [Variable(tensor(a), requires_grad=True) for a in at]
        return inputs, grad(whole(inputs), inputs, create_graph=graph)

    def slope(value, moving):
        ends = [value([a + step * d * m for a, d, m in zip(arrays, directions, moving)]) for step in (h, -h)]
        return (ends[0] - ends[1]) / (2 * h)

    firsts = [(array(g.data) * d).sum() for g, d in zip(gradients(arrays)[1], directions)]
    for i, analytic in enumerate(firsts):
        numeric = slope(value, [i == k for k in range(len(arrays))])
        assert abs(analytic - numeric) <= tolerance * max(1, abs(numeric)), (
            "input %d: derivative %r, differences %r" % (i, analytic, numeric))
    if not second:
        return
    others = [rng.randn(*a.shape) for a in arrays]

    def mixed(at):
        return sum((array(g.data) * o).sum() for g, o in zip(gradients(at)[1], others))

    inputs, firsts = gradients(arrays, True)
    of_firsts = sum(total(g, o) for g, o in zip(firsts, others)) + sum((v * 0).sum() for v in inputs)  # all are reached
    seconds = [(array(g.data) * d).sum() for g, d in zip(grad(of_firsts, inputs), directions)]
    for i, analytic in enumerate(seconds):
        numeric = slope(mixed, [i == k for k in range(len(arrays))])
        assert abs(analytic - numeric) <= 10 * tolerance * max(1, abs(numeric)), (
            "input %d: second derivative %r, differences %r" % (i, analytic, numeric))


# ---- rows of the table --------------------------------------------------------------------------------------------

class Case:
    """A row with the arguments of one sample: element type `code`, and a layout for the tensors.

    Arrays stand for tensors: those drawn, and those given by the sample. Of these, floats take the element type.
    """

    def __init__(self, row, sample, code=DOUBLE, layout="contiguous"):
        self.row, self.sample, self.code, self.layout = row, sample, code, layout
        self.values = sample.arguments(row, [self.drawn(i, size) for i, size in enumerate(sample.sizes)])
        self.names = row.params + row.params[-1:] * (len(self.values) - len(row.params))
        self.values = [self.given(name, value) for name, value in zip(self.names, self.values)]

    def __repr__(self):
        return "%s(%s) of %s, %s" % (self.row.name, self.sample, NUMPY[self.code].__name__, self.layout)

    def drawn(self, number, size):
        """Numbers for one tensor: the same in each run, and for each layout but the expanded."""
        rng = np.random.RandomState(zlib.crc32(("%s %d" % (self.row.name, number)).encode()))
        low, high = self.sample.low, self.sample.high
        if self.code > 4:
            a = rng.uniform(low, high, size).astype(NUMPY[self.code])
        else:
            least = 1 if low > 0 else max(-100, np.iinfo(NUMPY[self.code]).min)
            a = rng.randint(least, 101, size).astype(NUMPY[self.code])
        return np.broadcast_to(a[:1], a.shape) if self.layout == "expanded" else a

    def given(self, name, value):
        """A value out of the sample, in the element type."""
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value.astype(NUMPY[self.code])
        if self.code == BYTE and isinstance(value, int) and value < 0 and "Number %s" % name in self.row.signature:
            return -value
        return value

    def tensor(self, array):
        """A new tensor for an array."""
        if self.layout == "expanded" and array.ndim and array.strides[0] == 0:
            return tensor(array[:1]).expand(*array.shape)
        return tensor(array, self.layout == "strided")

    def arguments(self):
        return [self.tensor(v) if isinstance(v, np.ndarray) else v for v in self.values]

    def variables(self, arguments):
        return [Variable(v) if isinstance(v, TensorBase) else v for v in arguments]

    def is_drawn(self, i):
        return isinstance(self.values[i], np.ndarray) and (
            self.names[i] not in self.sample.other or self.names[i] == "self")

    def reference(self):
        """The outputs by the reference, computed in float64 or int64; None where it leaves one out."""
        values = [v.astype(np.float64 if v.dtype.kind == "f" else np.int64) if self.is_drawn(i) else v
                  for i, v in enumerate(self.values)]
        ref = self.row.row.ref
        if isinstance(ref, str):
            return outputs_of(eval(ref, dict(zip(self.names, values), np=np, math=math)))
        return outputs_of(ref(*values))

    def differentiable(self):
        """Positions of the arguments that have a formula, if there are any."""
        return [i for i in range(len(self.values)) if self.is_drawn(i) and self.values[i].dtype.kind == "f"
                and (self.row.formula_of(self.names[i]) or self.row.composite)]

    def tolerance(self):
        default, own = TOLERANCE[NUMPY[self.code]], self.row.row.tolerance
        return default if own is None else max(default, own if self.code == 6 else own * 1e-8)


def codes_of_outputs(case):
    """Element type of each output, read off the reference in float64: floats are of the case's type, whole numbers
    are positions, truth values bytes. Whole numbers that become Python numbers are computed in 64 bits."""
    number = case.code < 5 and any(form.number for _, form in public_forms(case.row))
    kinds = {"f": LONG if number else case.code, "i": LONG, "u": BYTE, "b": BYTE}
    wide = case if case.code == DOUBLE else Case(case.row, case.sample, DOUBLE, case.layout)
    return [None if want is None else kinds[np.asarray(want).dtype.kind] for want in wide.reference()]


def as_arrays(result):
    return [np.array(array(t)) for t in outputs_of(result)]


def agree(got, want, case, what):
    """Two lists of tensors hold exactly the same."""
    for a, b in zip(outputs_of(got), outputs_of(want)):
        assert type(a) is type(b) and a.size() == b.size(), (case, what, type(a), a.size(), type(b), b.size())
        np.testing.assert_array_equal(array(a), array(b), err_msg="%r: %s" % (case, what))


def check_value(case):
    """Values, sizes and types of the results against the reference; the inputs are left as they were."""
    arguments = case.arguments()
    got = outputs_of(case.row(*arguments))
    wants, codes = case.reference(), codes_of_outputs(case)
    assert len(got) == len(wants), (case, len(got), len(wants))
    for t, want, code in zip(got, wants, codes):
        if want is None:
            continue
        assert type(t) is class_of(code), "%r gives %s" % (case, type(t))
        assert tuple(t.size()) == np.shape(want), "%r gives size %s, not %s" % (case, tuple(t.size()), np.shape(want))
        if code > 4:
            close(t, want, case.tolerance())
        else:
            np.testing.assert_array_equal(array(t), np.trunc(want).astype(NUMPY[code]), err_msg=repr(case))
    check_unchanged(case, arguments)


def check_unchanged(case, arguments):
    for value, argument in zip(case.values, arguments):
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(array(argument), value, err_msg="%r changes an input" % case)


def check_variables(case):
    """A call on Variables computes what the call on Tensors does, whatever is recorded."""
    want = case.row(*case.arguments())
    arguments = case.arguments()
    got = case.row(*case.variables(arguments))
    agree(tuple(v.data for v in outputs_of(got)), want, case, "Variables")
    check_unchanged(case, arguments)


def check_empty(case):
    """An elementwise row of empty tensors is empty."""
    if isinstance(case.row.kernel, Pointwise):
        arguments = [a.new() if isinstance(a, TensorBase) else a for a in case.arguments()]
        result = case.row(*arguments)
        assert result.numel() == 0 and type(result) is type(case.row(*case.arguments())), case


def check_inplace(case):
    """The in-place twin writes the same values into self, which it returns, and has the same derivatives."""
    row = case.row
    if not row.inplace_kernel or case.layout == "expanded":
        return
    plain, arguments = row(*case.arguments()), case.arguments()
    me = arguments[0]
    if plain.size() != me.size():
        return
    before = me.storage_offset(), me.stride()
    assert row.inplace(*arguments) is me, "%r: the in-place twin returns another tensor" % case
    assert before == (me.storage_offset(), me.stride()), "%r: the in-place twin moved self" % case
    agree(me, plain.type_as(me), case, "in place")
    if case.code == DOUBLE and 0 in case.differentiable():
        check_inplace_gradients(case)


def check_inplace_gradients(case):
    """Gradients through the twin, unless it refuses: a formula may need what was overwritten."""
    def gradients(call):
        leaves = [Variable(a, requires_grad=i in at) if isinstance(a, TensorBase) else a
                  for i, a in enumerate(case.arguments())]
        result = call(leaves[0] * 1, *leaves[1:])
        return grad((result * result).sum(), [leaves[i] for i in at])

    at = case.differentiable()
    want = gradients(case.row)
    try:
        got = gradients(case.row.inplace)
    except RuntimeError as error:
        assert "modified" in str(error), error
        return
    for a, b in zip(got, want):
        close(a.data, array(b.data), 1e-12)


def check_row_derivatives(case, second=True):
    """First and second derivatives of a row for each argument that has a formula."""
    at = case.differentiable()
    counted = [0]
    if case.row.composite:
        counted = range(len(case.reference()))
    elif at:
        named = {name for i in at for name in argument_names(case.row.formula_of(case.names[i]))}
        counted = [k for k in range(9) if "g%d" % k in named] or [0]

    def f(*inputs):
        arguments = case.variables(case.arguments())
        for i, v in zip(at, inputs):
            arguments[i] = v
        result = outputs_of(case.row(*arguments))
        return tuple(result[k] for k in counted)

    if at:
        check_derivatives(f, *[case.values[i] for i in at], second=second)


def argument_names(function):
    return function.__code__.co_varnames[:function.__code__.co_argcount]


# ---- public names -------------------------------------------------------------------------------------------------

def public_forms(row, variables=False):
    """(public name, form) of each form that calls a row."""
    return [(public, form) for public in PUBLIC.values()
            for form in (public.variable_forms if variables else public.forms) if form.target is row]


def fits(form, arguments):
    """Whether a form of a name is one for these arguments of its row: dense tensors for dense tensors."""
    if len(form.params) != len(arguments) - 1 or "SparseTensor" in form.text:
        return False
    return all(isinstance(a, (TensorBase, Variable)) == ("Tensor" in p.text.split()[0]) or a is None
               for p, a in zip(form.params, arguments[1:]))


def may_lead(form):
    """Whether self may stand left of the dot: no argument that is required stands before it."""
    return all(p.optional for p in form.params[:form.self_position])


def keywords(form, arguments):
    """(positional arguments without self, keyword arguments) for a form."""
    pairs = list(zip(form.params, arguments[1:]))
    return ([a for p, a in pairs if not p.keyword_only], {p.name: a for p, a in pairs if p.keyword_only})


def check_public(case):
    """Methods, functions, in-place methods and out= of every public name that calls the row."""
    want = case.row(*case.arguments())
    for public, form in public_forms(case.row):
        arguments = case.arguments()
        if not fits(form, arguments):
            continue
        me, (rest, words) = arguments[0], keywords(form, arguments)
        if form.inplace:
            if case.layout != "expanded" and not isinstance(want, tuple) and want.size() == me.size():
                assert getattr(me, public.name)(*rest, **words) is me
                agree(me, want.type_as(me), case, public.name)
            continue
        expected = want.tolist()[0] if form.number else want
        if hasattr(me, public.name) and may_lead(form):
            same(getattr(me, public.name)(*rest, **words), expected, case, "method " + public.name)
        if public.is_function:
            check_function(case, public, form, (me, rest, words), expected)
        check_unchanged(case, arguments)
    check_public_of_variables(case, want)


def check_function(case, public, form, call, expected):
    me, rest, words = call
    rest = rest[:form.self_position] + [me] + rest[form.self_position:]
    function = getattr(tensorlib, public.name)
    same(function(*rest, **words), expected, case, "function " + public.name)
    if not form.number:
        fresh = tuple(t.new() for t in outputs_of(expected))
        out = fresh if isinstance(expected, tuple) else fresh[0]
        given = function(*rest, out=out, **words)
        assert all(a is b for a, b in zip(outputs_of(given), fresh)), (case, public.name, "out=")
        agree(out, expected, case, "out= of " + public.name)


def check_public_of_variables(case, want):
    for public, form in public_forms(case.row, True):
        arguments = case.variables(case.arguments())
        own = vars(Variable).get(public.name) is public       # else Variable spells it in its own way
        if form.inplace or not own or not may_lead(form) or not fits(form, arguments):
            continue
        rest, words = keywords(form, arguments)
        got = getattr(arguments[0], public.name)(*rest, **words)
        agree(tuple(v.data for v in outputs_of(got)), want, case, "method %s of Variables" % public.name)


def same(got, expected, case, what):
    if isinstance(expected, (int, float)):
        assert type(got) is type(expected) and got == expected, (case, what, got, expected)
    else:
        agree(got, expected, case, what)
