"""autograd._functions: classes of operations, compared with the methods that they stand for."""
import pytest

import tensorlib
from tensorlib.autograd import Variable, _functions


def variable(*sizes):
    return Variable(tensorlib.rand(*sizes).add_(0.3).double(), requires_grad=True)


def name_of(v):
    return type(v.grad_fn).__name__


def same(found, expected):
    if isinstance(expected, tuple):
        return all(same(a, b) for a, b in zip(found, expected, strict=True))
    return found.data.tolist() == expected.data.tolist() and name_of(found) == name_of(expected)


UNARY = ("Exp Log Log1p Tanh Sigmoid Sinh Cosh Abs Sqrt Sin Cos Tan Asin Acos Atan Reciprocal Floor Ceil Frac Rsqrt "
         "Round Sign Trunc").split()


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    cls, x = getattr(_functions, name), Variable(tensorlib.rand(2, 3).double())
    expected = getattr(x, name.lower())()
    assert same(cls.apply(x), expected) and same(cls.apply(x, False), expected)
    y = Variable(x.data.clone())
    assert cls.apply(y, True) is y and same(y, expected)


CASES = {
    "Add": (lambda f, x, y: f(x, y), lambda x, y: x + y), "Sub": (lambda f, x, y: f(x, y), lambda x, y: x - y),
    "AddConstant": (lambda f, x, y: f(x, 2), lambda x, y: x + 2), "Pow": (lambda f, x, y: f(x, y), lambda x, y: x ** y),
    "SubConstant": (lambda f, x, y: f(2, x), lambda x, y: 2 - x),
    "DivConstant": (lambda f, x, y: f(x, 2), lambda x, y: x / 2),
    "PowConstant": (lambda f, x, y: f(2, x), lambda x, y: 2 ** x),
    "Negate": (lambda f, x, y: f(x), lambda x, y: -x), "Clamp": (lambda f, x, y: f(x, 0.4, 0.9),
                                                                  lambda x, y: x.clamp(0.4, 0.9)),
    "CmaxConstant": (lambda f, x, y: f(x, 0.5), lambda x, y: x.clamp(min=0.5)),
    "CminConstant": (lambda f, x, y: f(x, 0.5), lambda x, y: x.clamp(max=0.5)),
    "Cmax": (lambda f, x, y: f(x, y), lambda x, y: tensorlib.max(x, y)),
    "Sum": (lambda f, x, y: f(x, 1, True), lambda x, y: x.sum(1, keepdim=True)),
    "Mean": (lambda f, x, y: f(x, None, None), lambda x, y: x.mean()), "Max": (lambda f, x, y: f(x, 0),
                                                                               lambda x, y: x.max(0)),
    "Norm": (lambda f, x, y: f(x, 3, 1), lambda x, y: x.norm(3, 1)), "Trace": (lambda f, x, y: f(x),
                                                                               lambda x, y: x.trace()),
    "Index": (lambda f, x, y: f(x, (0, slice(1, 3))), lambda x, y: x[0, 1:3]),
    "Transpose": (lambda f, x, y: f(x, 0, 1), lambda x, y: x.t()), "View": (lambda f, x, y: f(x, (9,)),
                                                                            lambda x, y: x.view(9)),
    "Expand": (lambda f, x, y: f(x, (2, 3, 3)), lambda x, y: x.expand(2, 3, 3)),
    "Concat": (lambda f, x, y: f(1, x, y), lambda x, y: tensorlib.cat([x, y], 1)),
    "Chunk": (lambda f, x, y: f(x, 3, 1), lambda x, y: x.chunk(3, 1)), "Inverse": (lambda f, x, y: f(x),
                                                                                   lambda x, y: x.inverse()),
    "Addmm": (lambda f, x, y: f(x, y, y, 2, 3), lambda x, y: tensorlib.addmm(3, x, 2, y, y)),
    "Addcmul": (lambda f, x, y: f(x, y, y, 0.5), lambda x, y: tensorlib.addcmul(x, 0.5, y, y)),
    "Sort": (lambda f, x, y: f(x, 1), lambda x, y: x.sort(1)), "Gt": (lambda f, x, y: f(x, y), lambda x, y: x > y),
    "Type": (lambda f, x, y: f(x, tensorlib.FloatTensor), lambda x, y: x.float()),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name):
    call, expected = CASES[name]
    x, y = variable(3, 3), variable(3, 3)
    assert same(call(getattr(_functions, name).apply, x, y), expected(x, y))


def test_in_place():
    x = Variable(tensorlib.ones(3))
    assert _functions.Add.apply(x, Variable(tensorlib.ones(3)), True) is x and x.data.tolist() == [2, 2, 2]
    assert _functions.DivConstant.apply(x, 2, True) is x and x.data.tolist() == [1, 1, 1]
    assert _functions.SetItem.apply(x, 1, 7) is x and x.data.tolist() == [1, 7, 1]
    with pytest.raises(ValueError, match="number 2 in place"):
        _functions.SubConstant.apply(2, x, True)


def test_every_class_stands_for_something():
    """The names are there, and each class calls a method that Variables have."""
    assert len(_functions.__all__) == len(set(_functions.__all__)) > 100
    words = (_functions.METHODS + _functions.IN_PLACE).split()
    assert all(hasattr(Variable, method) for method in words[1::2])
