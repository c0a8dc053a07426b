"""Variables remember how they were computed, so that gradients can be found.

    python examples/variables_and_gradients.py
"""
import tensorlib
from tensorlib.autograd import Variable

a = Variable(tensorlib.ones((2, 3)), requires_grad=True)
print("a Variable wraps a tensor:", a.data)
print("it has no gradient yet:", a.grad)

x = Variable(tensorlib.ones(2), requires_grad=True)
y = 5 * (x + 2) ** 2
o = (1 / 2) * tensorlib.sum(y)      # backward starts at a single number
o.backward()
print("o = 1/2 sum 5 (x + 2)^2 at x = 1, so its gradient 5 (x + 2) is", x.grad.data.tolist())

x.grad.data.zero_()                 # gradients add up until they are set to zero
o = (1 / 2) * tensorlib.sum(5 * (x + 1) ** 2)
o.backward()
print("and that of 1/2 sum 5 (x + 1)^2, 5 (x + 1), is", x.grad.data.tolist())

# The gradient is a Variable too: with create_graph it can be differentiated again.
gradient, = tensorlib.autograd.grad((x ** 3).sum(), x, create_graph=True)
gradient.sum().backward()
print("the second derivative of x^3 at 1, 6 x, added to the gradient above:", x.grad.data.tolist())
