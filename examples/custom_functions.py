"""Functions with a gradient of one's own, in the new style and the old one.

The function is the sign: its true gradient is zero everywhere, so nothing would ever learn through it. Here the
gradient is passed on as it comes wherever the input lies between -1 and 1.

    python examples/custom_functions.py
"""
import tensorlib
from tensorlib.autograd import Variable


class NewStyle(tensorlib.autograd.Function):
    """Static methods; `ctx` carries values from forward to backward, which sees Variables."""

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        output = tensorlib.sign(input)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_variables
        grad_output = grad_output.clone()
        grad_output[input.ge(1)] = 0
        grad_output[input.le(-1)] = 0
        return grad_output


class OldStyle(tensorlib.autograd.Function):
    """Methods of an object that is made for each call; backward sees tensors."""

    def forward(self, input):
        self.save_for_backward(input)
        output = tensorlib.sign(input)
        return output

    def backward(self, grad_output):
        input, = self.saved_tensors
        grad_output = grad_output.clone()
        grad_output[input.ge(1)] = 0
        grad_output[input.le(-1)] = 0
        return grad_output


class NewStyleModule(tensorlib.nn.Module):
    def forward(self, x):
        return NewStyle.apply(x)


class OldStyleModule(tensorlib.nn.Module):
    def forward(self, x):
        return OldStyle()(x)


# A bare tensor counts as a Variable that needs no gradient.
x = tensorlib.randn(10, 20)
y = NewStyle.apply(x)
my_func = NewStyle.apply
print("apply on a bare tensor: every value is -1, 0 or 1: %s" % bool((my_func(x).data == x.sign()).all()))
print("the old style gives the same: %s" % bool((OldStyle()(x).data == y.data).all()))

for name, module in (("new", NewStyleModule()), ("old", OldStyleModule())):
    x = Variable(tensorlib.FloatTensor([-2, -0.5, 0.5, 2]), requires_grad=True)
    module(x).sum().backward()
    print("%s style: gradients at -2, -0.5, 0.5, 2 are %s" % (name, x.grad.data.tolist()))
