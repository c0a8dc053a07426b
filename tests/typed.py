"""A small program with types, for mypy: `make types` fails where the stubs contradict it. It is no test of pytest's."""
import tensorlib
from tensorlib import nn, optim
from tensorlib.autograd import Variable


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x: Variable) -> Variable:
        return self.layer(x).tanh()


def train(steps: int) -> list[float]:
    net = Net()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    x = Variable(tensorlib.randn(8, 3))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = net(x).pow(2).sum()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.data[0]))
    return losses
