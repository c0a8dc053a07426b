"""Activation functions. With inplace=True the input Variable itself is overwritten and returned."""
from ..._ops.node import name_node
from ...ops import activation as rows
from ...ops import pointwise
from ...ops import softmax as softmax_rows
from ._common import as_variable


def _run(row, input, *numbers, inplace=False):
    input = as_variable(input)
    return row.inplace(input, *numbers) if inplace else row(input, *numbers)


def threshold(input, threshold, value, inplace=False):
    """x where x > threshold, else value."""
    row = rows.threshold_below if inplace else rows.threshold     # in place only the output is left to derive by
    return _run(row, input, threshold, value, inplace=inplace)


def relu(input, inplace=False):
    """max(x, 0)."""
    return _run(rows.relu, input, inplace=inplace)


def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0, 6, inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to [min_val, max_val]."""
    return _run(rows.hardtanh, input, min_val, max_val, inplace=inplace)


def elu(input, alpha=1.0, inplace=False):
    """x where x > 0, else alpha (e^x - 1) (Clevert et al., 2015)."""
    return _run(rows.elu, input, alpha, inplace=inplace)


def selu(input, inplace=False):
    """scale * elu(x, alpha) with the two constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return _run(rows.selu, input, inplace=inplace)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where x > 0, else negative_slope x."""
    if negative_slope >= 0:
        return _run(rows.leaky_relu_positive, input, negative_slope, inplace=inplace)
    return _sloped(input, negative_slope, inplace)


def _sloped(input, slopes, inplace):
    """x where x > 0, else x times a slope, a number or a tensor; slopes get no gradient."""
    input = as_variable(input)
    positive = (input.data > 0).type_as(input.data)
    factors = (1 - positive) * slopes + positive
    return pointwise.mul.inplace(input, factors) if inplace else pointwise.mul(input, factors)


def prelu(input, weight):
    """x where x > 0, else weight x; weight holds one slope, or one for each channel (dim 1) (He et al., 2015)."""
    n = weight.numel()
    if n > 1:
        channels = input.size(1) if input.dim() > 1 else input.size(0)
        if channels != n:
            raise RuntimeError("Wrong number of input planes. Expected %d but got %d." % (n, channels))
        for _ in range(2, input.dim()):
            weight = weight.unsqueeze(-1)
    return name_node(rows.leaky_relu(input, weight), "PReLU")


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu() with slopes drawn from [lower, upper) in training, with their mean otherwise (Xu et al., 2015)."""
    if not training:
        return name_node(leaky_relu(input, (lower + upper) / 2.0, inplace), "RReLU")
    input = as_variable(input)
    return name_node(_sloped(input, input.data.new(input.size()).uniform_(lower, upper), inplace), "RReLU")


def glu(input, dim=-1):
    """The first half along dim times the sigmoid of the second half (Dauphin et al., 2016).

    Raises:
        IndexError: dim is out of range.
        RuntimeError: the dim is of odd size.
    """
    if not -input.dim() <= dim < input.dim():
        raise IndexError("dim %d is out of range for tensor of dimension %d" % (dim, input.dim()))
    size = input.size(dim)
    if size % 2:
        raise RuntimeError("Halving dimension must be even. Dim %d is size %d" % (dim % input.dim(), size))
    return rows.gated(input.narrow(dim, 0, size // 2), input.narrow(dim, size // 2, size // 2))


def logsigmoid(input):
    """log(1 / (1 + e^-x)), without overflow."""
    return _run(rows.logsigmoid, input)


def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, else 0."""
    return _run(rows.hardshrink, input, lambd)


def softshrink(input, lambd=0.5):
    """x moved towards 0 by lambd, and 0 inside [-lambd, lambd]."""
    return _run(rows.softshrink, input, lambd)


def tanhshrink(input):
    """x - tanh(x)."""
    input = as_variable(input)
    return input - input.tanh()


def softsign(input):
    """x / (1 + |x|)."""
    return rows.softsign(as_variable(input))


def softplus(input, beta=1, threshold=20):
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""
    return _run(rows.softplus, input, beta, threshold)


def tanh(input):
    """Hyperbolic tangent."""
    return as_variable(input).tanh()


def sigmoid(input):
    """1 / (1 + e^-x)."""
    return as_variable(input).sigmoid()


def _classes_of(input):
    """The dim a softmax is over when none is named: the classes of 2-D and 4-D input, the first dim of others."""
    dims = input.dim()
    if not 1 <= dims <= 4:
        raise RuntimeError("softmax: 1D, 2D, 3D or 4D tensor expected, got %dD; name the dim" % dims)
    return (dims + 1) % 2


def softmax(input, dim=None):
    """e^x / sum(e^x) along dim; unless named, over dim 1 of 2-D and 4-D input and dim 0 of 1-D and 3-D input.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn import functional as F
        >>> F.softmax(Variable(tensorlib.zeros(1, 4)))
        Variable containing:
         0.2500  0.2500  0.2500  0.2500
        [tensorlib.FloatTensor of size 1x4]
        <BLANKLINE>
    """
    return softmax_rows.softmax(as_variable(input), _classes_of(input) if dim is None else dim)


def log_softmax(input, dim=None):
    """The logarithm of softmax(), computed without overflow. The dim as there."""
    return softmax_rows.log_softmax(as_variable(input), _classes_of(input) if dim is None else dim)


def softmin(input, dim=None):
    """softmax() of -x."""
    return softmax(-as_variable(input), dim)
