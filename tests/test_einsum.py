"""einsum against NumPy's, its derivatives against differences, and what wrong equations are told."""
import numpy as np
import pytest
from op_checks import check_derivatives, tensor

import tensorlib
from tensorlib.autograd import Variable

SIZES = dict(i=3, j=4, k=2, b=2, c=1)
EQUATIONS = """
    ij,jk->ik ij,jk ik,jk->ij bij,bjk->bik i,j->ij ij->ji ji ij->i ij->j ij-> i,i-> ij,ij-> ii->i ii-> ii iii->i iij->ij
    ij,j->i ij,ij->ij ij,jk,ki->  ij,jk,kb->ib bi,ij,bj->b ib,jb,kb->ijk bijk->kb c,i->i ij,i->j
    ...ij,...jk->...ik ...i,...i->... i...->...i ...ii->...i ij...,jk...->ik... ...,...->... b...j->j...b ...ij
""".split()
DOTS = {"...ij": (2, 3), "...jk": (3,), "...i": (2,), "...ii": (2,), "...": (2, 3), "ij...": (2, 2), "i...": (2, 2),
        "jk...": (2,), "b...j": (3,)}           # what "..." stands for in each


def size_of(word):
    before, _, after = word.partition("...")
    return tuple([SIZES[c] for c in before]) + DOTS.get(word, ()) + tuple([SIZES[c] for c in after])


def operands(equation):
    rng = np.random.RandomState(len(equation))
    words = equation.partition("->")[0].split(",")
    return [rng.randint(-3, 4, size_of(word)).astype(np.float64) for word in words]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_values_and_derivatives(equation):
    arrays = operands(equation)
    want = np.einsum(equation, *arrays)
    for dtype, number in ((np.float64, float), (np.int64, int)):
        got = tensorlib.einsum(equation, *[tensor(a.astype(dtype)) for a in arrays])
        assert got == want.tolist() and type(got) is number if want.ndim == 0 else got.tolist() == want.tolist()
    v = tensorlib.einsum(equation, [Variable(tensor(a, strided=True)) for a in arrays])
    assert v.size() == (want.shape or (1,)) and np.array_equal(v.data.numpy().reshape(want.shape), want)
    check_derivatives(lambda *xs: tensorlib.einsum(equation, *xs), *[a / 4 for a in arrays])


def test_sizes_of_one_broadcast_and_spaces_do_not_matter():
    a, b = np.arange(3.0).reshape(3, 1), np.arange(4.0)
    assert tensorlib.einsum(" ij , j -> i ", tensor(a), tensor(b)).tolist() == np.einsum("ij,j->i", a, b).tolist()


@pytest.mark.parametrize("equation, shapes, error", [
    ("ij,jk->ik", [(2, 3)], ValueError), ("ij", [(2,)], ValueError), ("i", [(2, 2)], ValueError),
    ("ij,jk->ik", [(2, 3), (4, 2)], ValueError), ("ii", [(2, 3)], ValueError), ("i->j", [(2,)], ValueError),
    ("i->ii", [(2,)], ValueError), ("i1->i", [(2, 2)], ValueError), ("i->i->i", [(2,)], ValueError),
    ("", [], ValueError), (3, [(2,)], TypeError)])
def test_wrong_equations(equation, shapes, error):
    with pytest.raises(error, match="einsum"):
        tensorlib.einsum(equation, *[tensorlib.ones(*size) for size in shapes])


def test_operands_are_tensors_of_one_type():
    with pytest.raises(TypeError, match="einsum"):
        tensorlib.einsum("i,i", tensorlib.ones(2), [1, 2])
    with pytest.raises(TypeError):
        tensorlib.einsum("i,i", tensorlib.ones(2), tensorlib.ones(2).long())


def test_logsumexp_of_extremes():
    inf = float("inf")
    x = tensorlib.DoubleTensor([[1000, 1000], [-1000, -1000], [-inf, 0], [-inf, -inf], [inf, 0]])
    want = [1000 + np.log(2), -1000 + np.log(2), 0, -inf, inf]
    assert np.allclose(x.logsumexp(1).tolist(), want) and x.logsumexp(0, True).size() == (1, 2)
