"""Every row of the table, by the table: nothing is written here for a single operation.

Values against the reference in every element type and layout, twins, public names, Variables, both derivatives,
and PyTorch where it is installed and means the same.
"""
import numpy as np
import pytest
from op_checks import (DOUBLE, LAYOUTS, NUMPY, Case, check_empty, check_inplace, check_public, check_row_derivatives,
                       check_value, check_variables, fits, keywords, may_lead, outputs_of, public_forms, tensor)

import tensorlib
from tensorlib._ops.tensor import TensorBase, cpu_classes
from tensorlib.autograd import Variable, grad
from tensorlib.ops import TABLE

# Rows without samples, and why.
LEFT_OUT = {
    "cast": "names its element types in its arguments: test_cast",
    "btrifact": "a packed form: test_linalg.py multiplies the factors again",
    "btrisolve": "takes the packed form of btrifact: test_linalg.py",
    "pstrf": "pivoting decides between equals: test_linalg.py multiplies the factors again",
}
# Layouts that a row does not take.
NOT_TAKEN = {
    "view": ("strided", "expanded"),        # needs dense tensors
    "inverse": ("expanded",),               # a matrix of equal rows is singular, a factorisation not unique
    "gesv": ("expanded",), "eig": ("expanded",), "qr": ("expanded",), "geqrf": ("expanded",), "gels": ("expanded",),
}
SMALL = 600         # elements, for derivatives by differences


def cases(name, codes=None, layouts=LAYOUTS):
    row = TABLE[name]
    for sample in row.row.samples:
        for code in codes or row.row.types:
            for layout in layouts:
                if layout not in NOT_TAKEN.get(name, ()):
                    yield Case(row, sample, code, layout)


def elements(case):
    return sum(v.size for v in case.values if isinstance(v, np.ndarray))


ROWS = [name for name in TABLE if name not in LEFT_OUT]


def test_every_row_has_a_reference_and_samples():
    for name in ROWS:
        assert TABLE[name].row.ref is not None, "%s has no ref" % name
        assert TABLE[name].row.samples, "%s has no samples" % name
        assert TABLE[name].row.doc, "%s has no doc" % name
    assert not set(LEFT_OUT) - set(TABLE) and not set(NOT_TAKEN) - set(TABLE)


@pytest.mark.parametrize("name", ROWS)
def test_value(name):
    for case in cases(name):
        check_value(case)
        check_variables(case)


@pytest.mark.parametrize("name", ROWS)
def test_twins_and_public_names(name):
    for case in cases(name):
        check_inplace(case)
        check_public(case)
        check_empty(case)


@pytest.mark.parametrize("name", [name for name in ROWS if TABLE[name].is_differentiable])
def test_derivatives(name):
    for layout in ("contiguous", "strided"):
        for case in cases(name, [DOUBLE], [layout]):
            if elements(case) <= SMALL:
                check_row_derivatives(case)


def test_every_planted_fault_is_found():
    """The checks above refuse a row with any one sign flipped (see mutate.py)."""
    from mutate import survivors
    planted, alive = survivors(ROWS)
    assert planted > 500 and not alive, alive


# ---- what the table cannot say ------------------------------------------------------------------------------------

def test_cast():
    """Between all element types, with its derivative between floats."""
    for code, dtype in NUMPY.items():
        a = np.array([[0, 1.75, 2], [100.5, 3, 7]]).astype(dtype)
        for other in NUMPY:
            got = TABLE["cast"](tensor(a), other, code)
            assert type(got) is cpu_classes()[other]
            np.testing.assert_array_equal(got.numpy(), a.astype(NUMPY[other]))
    v = Variable(tensorlib.DoubleTensor([0.5, -2]), requires_grad=True)
    out = TABLE["cast"](v, 6, DOUBLE)
    (out * out * out).sum().backward(create_graph=True)
    assert v.grad.data.tolist() == [0.75, 12] and type(v.grad.data) is tensorlib.DoubleTensor
    (v.grad * v.grad).sum().backward()
    assert v.grad.data.tolist() == [0.75 + 2 * 0.75 * 3, 12 + 2 * 12 * -12]


# ---- against PyTorch ----------------------------------------------------------------------------------------------

# Public names that PyTorch 2 has no more (gesv is linalg.solve there), and those whose results have free signs.
OTHERWISE = {"gesv", "potrf", "potrs", "potri", "symeig", "eig", "gels", "trtrs", "svd"}


def oracle_cases():
    return [name for name in ROWS if any(public.name not in OTHERWISE for public, _ in public_forms(TABLE[name]))]


def to_torch(torch, value, requires_grad):
    if isinstance(value, np.ndarray):
        t = torch.from_numpy(np.array(value))
        return t.requires_grad_() if requires_grad else t.bool() if value.dtype == np.uint8 else t
    return value


@pytest.mark.filterwarnings("ignore::UserWarning")      # old forms of calls
@pytest.mark.parametrize("name", oracle_cases())
def test_against_torch(name):
    """Methods of the same name give the same values and gradients there, in float64."""
    torch = pytest.importorskip("torch")
    for public, form in public_forms(TABLE[name]):
        for case in cases(name, [DOUBLE], ["contiguous", "strided"]):
            if public.name in OTHERWISE or form.inplace or not fits(form, case.arguments()) or not may_lead(form):
                continue
            compare_with_torch(torch, case, public, form)


def compare_with_torch(torch, case, public, form):
    at = case.differentiable()
    theirs = [to_torch(torch, v, i in at) for i, v in enumerate(case.values)]
    ours = [Variable(a, requires_grad=i in at) if isinstance(a, TensorBase) else a
            for i, a in enumerate(case.arguments())]
    rest, words = keywords(form, theirs)
    want = outputs_of(getattr(theirs[0], public.name)(*rest, **words))
    got = outputs_of(case.row(*ours))
    for a, b in zip(got, want):
        wide = a.data.numpy() if isinstance(a, Variable) else a.numpy()
        np.testing.assert_allclose(wide.reshape(b.shape), b.detach().numpy(), rtol=1e-9, atol=1e-9, err_msg=repr(case))
    if at and want[0].requires_grad:
        mine = grad((got[0] * got[0]).sum(), [ours[i] for i in at])
        for a, b in zip(mine, torch.autograd.grad((want[0] * want[0]).sum(), [theirs[i] for i in at])):
            np.testing.assert_allclose(a.data.numpy(), b.numpy(), rtol=1e-9, atol=1e-9, err_msg=repr(case))


# Public names that call no row directly: x and y of size (3, 4), mask a ByteTensor, t the package.
COMPOSED = """
    x.sum() x.prod() x.mean() x.max() x.min() x.median() x.norm() x.norm(1) x.std() x.var(unbiased=False)
    x.dist(y) x.dist(y,3)
    x.sum(1) x.prod(0) x.mean(1) x.max(0) x.min(1) x.median(1) x.norm(2,1) x.std(1) x.var(0) x.mode() x.kthvalue(2)
    x.kthvalue(2,0)
    x.sort() x.sort(0) x.sort(1,True) x.topk(2) x.topk(2,0,False) x.renorm(2,0,1) x.renorm(1,1,0.5)
    x.matmul(y.t()) x.matmul(y[0]) x[0].matmul(y[1]) x.chunk(2,1) x.chunk(3) x.split(2) x.split(3,1)
    x.unbind() x.unbind(1)
    x.flatten() t.cat((x,y),1) t.cat((x,y)) t.stack((x,y),1) t.stack((x,y)) x.masked_scatter(mask,y) x.lt(0.5) x.add(1)
    t.where(mask,x,y) x.numel() x.equal(y) x.equal(x) mask.all() mask.any()
""".split()


def numbers_of(result):
    """The numbers of a result, whatever it is."""
    if isinstance(result, tuple):
        return [n for part in result for n in numbers_of(part)]
    result = result.data if isinstance(result, Variable) else result
    return np.array(result.tolist() if hasattr(result, "tolist") else result, float).ravel().tolist()


@pytest.mark.parametrize("text", COMPOSED)
def test_composed_against_torch(text):
    """On Tensors, on Variables, and backward."""
    torch = pytest.importorskip("torch")
    rng = np.random.RandomState(5)
    x, y = rng.uniform(0.1, 2, (2, 3, 4))
    mask = (rng.rand(3, 4) < 0.4).astype(np.uint8)
    theirs = torch.from_numpy(x).requires_grad_()
    want = eval(text, dict(x=theirs, y=torch.from_numpy(y), mask=torch.from_numpy(mask).bool(), t=torch))
    ours = dict(x=tensor(x), y=tensor(y), mask=tensor(mask), t=tensorlib)
    np.testing.assert_allclose(numbers_of(eval(text, ours)), numbers_of(want), rtol=1e-12)
    if "mask.a" in text or "equal" in text:     # Tensors only
        return
    leaf = Variable(tensor(x), requires_grad=True)
    got = eval(text, dict(x=leaf, y=Variable(tensor(y)), mask=Variable(tensor(mask)), t=tensorlib))
    np.testing.assert_allclose(numbers_of(got), numbers_of(want), rtol=1e-12)
    first, wanted = outputs_of(got)[0], outputs_of(want)[0]
    if getattr(wanted, "requires_grad", False):
        (first * first).sum().backward()
        (wanted * wanted).sum().backward()
        np.testing.assert_allclose(leaf.grad.data.numpy(), theirs.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [tensorlib.FloatTensor, tensorlib.DoubleTensor, tensorlib.LongTensor,
                                   tensorlib.ByteTensor],
                         ids=lambda cls: cls.__name__)
def test_expanded_numbers_among_small_operands(dtype):
    """Few elements take a way of their own: an operand that is one number, expanded or not, is a constant there."""
    dense = dtype([[1, 2, 3], [4, 5, 6]])
    number = dtype([7])
    for a, b in ((dense, number), (dense, number.expand(2, 3)), (number.expand(2, 3), dense), (number, dense),
                 (number.expand(2, 3), number.expand(2, 3)), (dense, dense[:, :1]), (dense.t(), number)):
        want = np.asarray(a.numpy()) * np.asarray(b.numpy())
        assert (a * b).numpy().tolist() == want.tolist() and (a * b).is_contiguous()
        assert (a * 2 + b).numpy().tolist() == (np.asarray(a.numpy()) * 2 + b.numpy()).tolist()
    assert number.expand(2, 3).mul(3).tolist() == [[21] * 3] * 2 and number.tolist() == [7]
    assert dense.clone().add_(number.expand(2, 3)).tolist() == [[8, 9, 10], [11, 12, 13]]
    mask = tensorlib.ByteTensor([1]).expand(2, 3)
    assert TABLE["where"](mask, dense, number).tolist() == dense.tolist()
