"""Losses and their derivatives: the twins of _ops/loss.pyx. Nothing is read back: sums and their divisors stay here."""
import math

from ..._ops.copying import fill_, make_contiguous
from ..._ops.tensor import code_of, device_of, make_empty
from .. import faults
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program
from . import reduce, softmax

INT, LONG = 3, 4
LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy", "kl_div", "soft_margin_loss",
          "hinge_embedding_loss", "binary_cross_entropy_with_logits")       # in the order of loss.cu
WARP = 32
program = Program("loss")
margins = Program("margin")


def check_pair(name, x, role, t):
    """t must be of the type of x and have as many elements, whatever its size."""
    if code_of(t) != code_of(x):
        raise TypeError("%s(): %s is a %s, expected the input's type %s" % (name, role, t.type(), x.type()))
    if t.numel() != x.numel():
        raise RuntimeError("%s(): input of size %s has %d elements, %s of size %s has %d"
                           % (name, tuple(x.size()), x.numel(), role, tuple(t.size()), t.numel()))
    if x.numel() == 0:
        raise RuntimeError("%s(): input is empty" % name)


def check_gradient(name, g, like):
    if g.numel() != 1 or like is not None and code_of(g) != code_of(like):
        raise RuntimeError("%s(): gradient is a %s of size %s, expected one number of the input's type"
                           % (name, g.type(), tuple(g.size())))


def one(like):
    return fill_(make_empty(code_of(like), (1,), device_of(like)), 1)


# ---- of one element each ------------------------------------------------------------------------------------------

def elements(name, x, t, w, margin, g=None, divisor=1):
    """The loss of each element, or its derivative times g / divisor."""
    reduce.need_real(x, name)
    check_pair(name, x, "target", t)
    if w is not None:
        check_pair(name, x, "weight", w)
        w = make_contiguous(w)
    if g is not None:
        check_gradient(name + "_grad", g, x)
    x, t = make_contiguous(x), make_contiguous(t)
    out = make_empty(code_of(x), x.size(), device_of(x))
    launch(program, "loss_" + NAMES[code_of(x)], device_of(x), "PPPPPqiddPq", grid_for(device_of(x), x.numel()),
           THREADS, out, x, t, 0 if w is None else w, 0 if g is None else g, x.numel(), LOSSES.index(name), margin,
           divisor, faults.note_of(device_of(x)),
           faults.code_of(name, RuntimeError, "input has values outside of [0, 1]"))
    return out


def pointwise_loss(name, x, t, w=None, margin=0.0, size_average=True):
    return reduce.everything("sum", elements(name, x, t, w, margin), divisor=x.numel() if size_average else 1)


def pointwise_grad(name, g, x, t, w=None, margin=0.0, size_average=True):
    return elements(name, x, t, w, margin, g, x.numel() if size_average else 1)


def mse_loss(self, target, size_average=True):
    return pointwise_loss("mse_loss", self, target, size_average=size_average)


def mse_loss_grad(g, self, target, size_average=True):
    return pointwise_grad("mse_loss", g, self, target, size_average=size_average)


def l1_loss(self, target, size_average=True):
    return pointwise_loss("l1_loss", self, target, size_average=size_average)


def l1_loss_grad(g, self, target, size_average=True):
    return pointwise_grad("l1_loss", g, self, target, size_average=size_average)


def smooth_l1_loss(self, target, size_average=True):
    return pointwise_loss("smooth_l1_loss", self, target, size_average=size_average)


def smooth_l1_loss_grad(g, self, target, size_average=True):
    return pointwise_grad("smooth_l1_loss", g, self, target, size_average=size_average)


def binary_cross_entropy(self, target, weight=None, size_average=True):
    return pointwise_loss("binary_cross_entropy", self, target, weight, size_average=size_average)


def binary_cross_entropy_grad(g, self, target, weight=None, size_average=True):
    return pointwise_grad("binary_cross_entropy", g, self, target, weight, size_average=size_average)


def binary_cross_entropy_with_logits(self, target, weight=None, size_average=True):
    return pointwise_loss("binary_cross_entropy_with_logits", self, target, weight, size_average=size_average)


def binary_cross_entropy_with_logits_grad(g, self, target, weight=None, size_average=True):
    return pointwise_grad("binary_cross_entropy_with_logits", g, self, target, weight, size_average=size_average)


def kl_div(self, target, size_average=True):
    return pointwise_loss("kl_div", self, target, size_average=size_average)


def kl_div_grad(g, self, target, size_average=True):
    return pointwise_grad("kl_div", g, self, target, size_average=size_average)


def soft_margin_loss(self, target, size_average=True):
    return pointwise_loss("soft_margin_loss", self, target, size_average=size_average)


def soft_margin_loss_grad(g, self, target, size_average=True):
    return pointwise_grad("soft_margin_loss", g, self, target, size_average=size_average)


def hinge_embedding_loss(self, target, margin=1, size_average=True):
    return pointwise_loss("hinge_embedding_loss", self, target, None, margin, size_average)


def hinge_embedding_loss_grad(g, self, target, margin=1, size_average=True):
    return pointwise_grad("hinge_embedding_loss", g, self, target, None, margin, size_average)


# ---- of class indices ---------------------------------------------------------------------------------------------

def classes_of(name, code, size, target, weight):
    """(dense target, dense weight or 0, places, classes, places of one example) of checked arguments."""
    size = tuple(size)
    if code_of(target) != LONG:
        raise TypeError("%s(): target is a %s, expected a tensorlib.cuda.LongTensor" % (name, target.type()))
    if len(size) < 2 or tuple(target.size()) != size[:1] + size[2:]:
        raise RuntimeError("%s(): input of size %s with target of size %s, expected (batch, classes) with (batch), or "
                           "(batch, classes, h, w) with (batch, h, w)" % (name, size, tuple(target.size())))
    weight = 0 if weight is None else class_weights(name, weight, code, size[1])
    return make_contiguous(target), weight, target.numel(), size[1], math.prod(size[2:])


def class_weights(name, weight, code, classes):
    """The dense weights, of the input's type and one for each class."""
    if code_of(weight) != code:
        raise TypeError("%s(): weight is a %s, expected the input's type" % (name, weight.type()))
    if weight.numel() != classes:
        raise RuntimeError("%s(): weight of size %s for %d classes" % (name, tuple(weight.size()), classes))
    return make_contiguous(weight)


def terms_of(name, x, target, weight, ignore):
    """(the term of each place, its weight)."""
    target, weight, places, classes, inner = classes_of(name, code_of(x), x.size(), target, weight)
    device, x = device_of(x), make_contiguous(x)
    terms, weights = (make_empty(code_of(x), (places,), device) for _ in range(2))
    launch(program, "nll_" + NAMES[code_of(x)], device, "PPPPPqqqqPq", grid_for(device, places), THREADS, terms,
           weights, x, target, weight, places, classes, inner, ignore, faults.note_of(device), faults.code_of(name))
    return terms, weights


def class_loss(name, x, target, weight, size_average, ignore):
    reduce.need_real(x, name)
    terms, weights = terms_of(name, x, target, weight, ignore)
    total = reduce.everything("sum", terms)
    if not size_average:
        return total
    divisor = reduce.everything("sum", weights)
    return total / divisor.add_(divisor.eq(0).type_as(divisor))         # 0 where nothing counts


def nll_loss(self, target, weight=None, size_average=True, ignore_index=-100):
    return class_loss("nll_loss", self, target, weight, size_average, ignore_index)


def nll_loss_grad(g, size, target, weight=None, size_average=True, ignore_index=-100):
    return nll_grad("nll_loss_grad", g, size, target, weight, size_average, ignore_index)


def nll_grad(name, g, size, target, weight, size_average, ignore_index):
    check_gradient(name, g, None)
    code, device = code_of(g), device_of(g)
    target, dense, places, classes, inner = classes_of(name, code, size, target, weight)
    out = fill_(make_empty(code, size, device), 0)
    total = 0
    if size_average:
        total = reduce.everything("sum", terms_of(name, out, target, weight, ignore_index)[1])
    launch(program, "nll_grad_" + NAMES[code], device, "PPPPPqqqqPq", grid_for(device, places), THREADS, out, g, total,
           target, dense, places, classes, inner, ignore_index, faults.note_of(device), faults.code_of(name))
    return out


def cross_entropy(self, target, weight=None, size_average=True, ignore_index=-100):
    classes_of("cross_entropy", code_of(self), self.size(), target, weight)
    return class_loss("cross_entropy", softmax.log_softmax(self, 1), target, weight, size_average, ignore_index)


def cross_entropy_grad(g, self, target, weight=None, size_average=True, ignore_index=-100):
    check_gradient("cross_entropy_grad", g, self)
    of_output = nll_grad("cross_entropy_grad", g, tuple(self.size()), target, weight, size_average, ignore_index)
    return softmax.log_softmax_grad(of_output, softmax.log_softmax(self, 1), 1)


# ---- margins between the classes of a row -------------------------------------------------------------------------

def rows_of(name, x, target, by_class):
    """(dense target, rows, classes) of an input (classes) or (batch, classes); a target for each row or element."""
    reduce.need_real(x, name)
    if code_of(target) != LONG:
        raise TypeError("%s(): target is a %s, expected a tensorlib.cuda.LongTensor" % (name, target.type()))
    rows = x.numel() // x.size(-1) if x.dim() > 0 else 0
    if x.dim() not in (1, 2) or target.numel() != (rows if by_class else x.numel()):
        raise RuntimeError("%s(): input of size %s with target of size %s"
                           % (name, tuple(x.size()), tuple(target.size())))
    return make_contiguous(target), rows, x.size(-1)


def run_margins(kernel, name, x, formats, rows, *arguments):
    device = device_of(x)
    grid = grid_for(device, rows, THREADS // WARP)
    launch(margins, "%s_%s" % (kernel, NAMES[code_of(x)]), device, formats + "Pq", grid, THREADS,
           *[0 if a is None else a for a in arguments], faults.note_of(device), faults.code_of(name))


def multi_margin(name, x, target, weight, p, margin, size_average, g=None, v=None):
    """The loss; or its derivative times g; or its second derivative applied to v."""
    if p not in (1, 2):
        raise ValueError("%s(): p is %d, expected 1 or 2" % (name, p))
    target, rows, n = rows_of(name, x, target, True)
    if weight is not None:
        weight = class_weights(name, weight, code_of(x), n)
    if v is not None:
        check_pair(name, x, "gradient", v)
        v = make_contiguous(v)
    wanted = g is not None or v is not None
    out = fill_(make_empty(code_of(x), x.size() if wanted else (rows,), device_of(x)), 0)
    run_margins("multi_margin", name, x, "PPPPPPqqidd", rows, out, make_contiguous(x), target, weight, g, v, rows, n, p,
                margin, 1 / (n * (rows if size_average else 1)))
    return out if wanted else reduce.everything("sum", out)


def multi_margin_loss(self, target, weight=None, p=1, margin=1, size_average=True):
    return multi_margin("multi_margin_loss", self, target, weight, p, margin, size_average)


def multi_margin_loss_grad(g, self, target, weight=None, p=1, margin=1, size_average=True):
    check_gradient("multi_margin_loss_grad", g, self)
    return multi_margin("multi_margin_loss_grad", self, target, weight, p, margin, size_average, g)


def multi_margin_loss_curvature(v, self, target, weight=None, margin=1, size_average=True):
    return multi_margin("multi_margin_loss_curvature", self, target, weight, 2, margin, size_average, v=v)


def multilabel_margin(name, x, target, size_average, g=None):
    target, rows, n = rows_of(name, x, target, False)
    marks = make_empty(INT, (rows, n), device_of(x))
    out = make_empty(code_of(x), (rows,) if g is None else x.size(), device_of(x))
    run_margins("multilabel_margin", name, x, "PPPPPqqd", rows, out, marks, make_contiguous(x), target, g, rows, n,
                1 / (n * (rows if size_average else 1)))
    return out if g is not None else reduce.everything("sum", out)


def multilabel_margin_loss(self, target, size_average=True):
    return multilabel_margin("multilabel_margin_loss", self, target, size_average)


def multilabel_margin_loss_grad(g, self, target, size_average=True):
    check_gradient("multilabel_margin_loss_grad", g, self)
    return multilabel_margin("multilabel_margin_loss_grad", self, target, size_average, g)
