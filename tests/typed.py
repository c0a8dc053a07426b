"""A small program with types, for mypy: `make types` fails where the stubs contradict it. It is no test of pytest's."""
import tensorlib
from tensorlib import FloatTensor, LongTensor, nn, optim
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


def results() -> None:
    x: FloatTensor = FloatTensor(3, 4).fill_(1)
    y: FloatTensor = x.add(2).mul(x).addmm(x, x)
    whole: LongTensor = x.long()
    number: float = x.sum()
    values, positions = x.max(1)
    first: FloatTensor = values
    where: LongTensor = positions
    z: FloatTensor = tensorlib.mm(x, y, out=FloatTensor())
    v: Variable = Variable(z, requires_grad=True)
    w: Variable = tensorlib.mm(v, v.t()).view(2, -1) + number
    print(first, where, whole, w)


def mistakes(x: FloatTensor) -> None:
    """mypy sees these: it would complain of an ignore that is not needed."""
    wrong: LongTensor = x.add(1)        # type: ignore[assignment]
    x.add("one")                        # type: ignore[call-overload]
    wrong.no_such_method()              # type: ignore[attr-defined]
