"""The train flag: dropout and batch normalisation do one thing while training and another afterwards.

    python examples/train_flag.py
"""
import tensorlib
from tensorlib import nn
from tensorlib.autograd import Variable

tensorlib.manual_seed(1)
model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5))
x = Variable(tensorlib.randn(100, 4) * 3 + 10)

model.train(True)
output = model(x)
print("training: dropout sets %.0f %% of the values to zero" % (100 * output.data.eq(0).float().mean()))
for _ in range(100):
    model(x)
print("meanwhile the running mean of the inputs came to %s" % [round(v, 1) for v in model[0].running_mean.tolist()])

model.train(False)          # or model.eval()
output = model(x)
print("inference: dropout sets %.0f %% to zero" % (100 * output.data.eq(0).float().mean()))
again = model(x)
print("and the same input gives the same output: %s" % bool((output.data == again.data).all()))
