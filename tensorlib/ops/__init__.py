"""What operations there are: the table and its rows. How they are computed is the business of `_ops`."""
from . import (activation, conv, index, linalg, loss, nn, norm, pointwise, pool, random, reduce, rnn, shape,  # noqa: F401
               softmax, sort, sparse)
from ._table import FUNCTIONS, PUBLIC, TABLE  # noqa: F401
