"""A network of two layers with nothing but tensors: loss and steps written by hand.

    python examples/handwritten_network.py
"""
import tensorlib
from tensorlib.autograd import Variable

tensorlib.manual_seed(1)
dtype = tensorlib.FloatTensor
N, D_in, H, D_out = 64, 1000, 100, 10

x = Variable(tensorlib.randn(N, D_in).type(dtype), requires_grad=False)
y = Variable(tensorlib.randn(N, D_out).type(dtype), requires_grad=False)
w1 = Variable(tensorlib.randn(D_in, H).type(dtype), requires_grad=True)
w2 = Variable(tensorlib.randn(H, D_out).type(dtype), requires_grad=True)

learning_rate = 1e-6
for t in range(500):
    y_pred = x.mm(w1)
    y_pred = y_pred.clamp(min=0)        # ReLU
    y_pred = y_pred @ w2

    loss = (y_pred - y).pow(2).sum()
    if t % 100 == 0:
        print("step %3d: squared error %.3g" % (t, loss.data[0]))
    loss.backward()

    w1.data -= learning_rate * w1.grad.data
    w2.data -= learning_rate * w2.grad.data
    w1.grad.data.zero_()
    w2.grad.data.zero_()
print("after 500 steps: squared error %.3g" % loss.data[0])
