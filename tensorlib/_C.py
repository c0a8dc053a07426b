"""Functions that were written in C, under the name by which libraries of the time call them."""
from itertools import zip_longest

from ._ops.tensor import Size


def _infer_size(a, b):
    """Return the size to which two sizes broadcast.

    Raises:
        RuntimeError: they do not.
    """
    result = []
    for dim, (m, n) in enumerate(zip_longest(reversed(a), reversed(b), fillvalue=1), 1):
        if m != n and 1 not in (m, n):
            raise RuntimeError("The size of tensor a (%d) must match the size of tensor b (%d) at non-singleton "
                               "dimension %d" % (m, n, max(len(a), len(b)) - dim))
        result.append(max(m, n))
    return Size(result[::-1])
