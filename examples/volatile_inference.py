"""Inference with volatile Variables: nothing is remembered for a backward pass, which saves memory and time.

    python examples/volatile_inference.py
"""
import tensorlib

tensorlib.manual_seed(1)
model = tensorlib.nn.Sequential(tensorlib.nn.Linear(100, 50), tensorlib.nn.ReLU(), tensorlib.nn.Linear(50, 10))
input_ = tensorlib.randn(8, 100)

output = model(tensorlib.Variable(input_))
print("ordinary: the output remembers its history (%s) and requires grad: %s" % (
    type(output.grad_fn).__name__, output.requires_grad))

input_ = tensorlib.Variable(input_, volatile=True)
output = model(input_)
print("volatile: the output has no history (%s) and requires grad: %s" % (output.grad_fn, output.requires_grad))
try:
    output.sum().backward()
except RuntimeError as error:
    print("so backward is refused: %s" % error)
