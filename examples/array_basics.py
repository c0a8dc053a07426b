"""Arrays: made from NumPy and back, of a size, with random numbers; sizes, views, sums in place, mean and deviation.

    python examples/array_basics.py
"""
import numpy

import tensorlib

# A seed makes the random numbers below the same each time.
tensorlib.manual_seed(42)

array = numpy.array([[1, 2, 3], [4, 5, 6]], dtype=numpy.float32)
print("Tensor(array) of a NumPy array:", tensorlib.Tensor(array))
shared = tensorlib.from_numpy(array)
shared[0, 0] = 100
print("from_numpy shares memory, so the array has changed too: %g" % array[0, 0])
print("and back again:", type(shared.numpy()).__name__, shared.numpy().tolist())

print("ones((2, 2)):", tensorlib.ones((2, 2)))
a = tensorlib.rand(2, 3)
print("rand(2, 3):", a)

print("its size:", tuple(a.size()))
print("as 3 x 2, by view(3, -1):", a.view(3, -1))

b = tensorlib.ones((2, 3))
total = a + b
print("a + b is add(a, b): %s" % bool((total == tensorlib.add(a, b)).all()))
a.add_(b)
print("a.add_(b) changed a itself: %s" % bool((a == total).all()))
print("mean of each column:", a.mean(dim=0))
print("deviation of each row:", a.std(dim=1))
