"""A learning rate that falls in steps, set by a scheduler at the start of each epoch.

    python examples/learning_rate_schedule.py
"""
import tensorlib
from tensorlib.autograd import Variable
from tensorlib.optim import lr_scheduler

tensorlib.manual_seed(1)
model = tensorlib.nn.Linear(5, 1)
x = Variable(tensorlib.randn(200, 5))
y = Variable(x.data.sum(1).view(-1, 1) + 0.1 * tensorlib.randn(200, 1))
optimizer = tensorlib.optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1)


def train():
    optimizer.zero_grad()
    loss = tensorlib.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()


def validate():
    return tensorlib.nn.functional.mse_loss(model(x), y).data[0]


for epoch in range(100):
    scheduler.step()        # first, so that epoch 0 has its rate too
    train()
    error = validate()
    if epoch % 30 == 0:
        print("epoch %2d: learning rate %g, error %.4f" % (epoch, optimizer.param_groups[0]["lr"], error))
print("last error %.4f; noise of variance 0.01 cannot be learnt" % error)
