"""The same network from ready-made layers, with a loss and an optimizer.

    python examples/sequential_network.py
"""
import tensorlib
from tensorlib.autograd import Variable

tensorlib.manual_seed(1)
N, D_in, H, D_out = 64, 1000, 100, 10
x = Variable(tensorlib.randn(N, D_in))
y = Variable(tensorlib.randn(N, D_out), requires_grad=False)

model = tensorlib.nn.Sequential(
    tensorlib.nn.Linear(D_in, H),
    tensorlib.nn.ReLU(),
    tensorlib.nn.Linear(H, D_out),
)
print(model)

loss_fn = tensorlib.nn.MSELoss(size_average=False)
optimizer = tensorlib.optim.SGD(model.parameters(), lr=1e-4)
for t in range(500):
    y_pred = model(x)
    loss = loss_fn(y_pred, y)
    if t % 100 == 0:
        print("step %3d: squared error %.3g" % (t, loss.data[0]))

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("after 500 steps: squared error %.3g" % loss.data[0])
