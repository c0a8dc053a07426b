"""A network as a class: layers are made in __init__, and forward says how they go together.

    python examples/network_class.py
"""
import tensorlib
import tensorlib.nn.functional as F
from tensorlib.autograd import Variable


class Model(tensorlib.nn.Module):
    def __init__(self, D_in, H, D_out):
        super().__init__()
        self.linear1 = tensorlib.nn.Linear(D_in, H)
        self.linear2 = tensorlib.nn.Linear(H, D_out)

    def forward(self, x):
        h_relu = F.relu(self.linear1(x))
        y_pred = self.linear2(h_relu)
        return y_pred


tensorlib.manual_seed(1)
N, D_in, H, D_out = 64, 1000, 100, 10
x = Variable(tensorlib.randn(N, D_in))
y = Variable(tensorlib.randn(N, D_out), requires_grad=False)

model = Model(D_in, H, D_out)
print(model)
print("its parameters: %s" % ", ".join("%s %s" % (name, tuple(p.size())) for name, p in model.named_parameters()))
criterion = tensorlib.nn.MSELoss(size_average=False)
optimizer = tensorlib.optim.SGD(model.parameters(), lr=1e-4)
for t in range(500):
    y_pred = model(x)
    loss = criterion(y_pred, y)
    if t % 100 == 0:
        print("step %3d: squared error %.3g" % (t, loss.data[0]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("after 500 steps: squared error %.3g" % loss.data[0])
