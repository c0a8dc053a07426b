"""Factorisations of matrices on the CPU: operands are copied there, results back. The twins of _ops/lapack.pyx.

Everything else on a GPU stays on it; these are the one exception (see docs/cuda.md), and each copy counts among the
transfers of backend.py.
"""
from ..._ops import lapack
from ..._ops.copying import copy_
from ..._ops.shape import moved
from ..._ops.making import resize_
from ..._ops.tensor import TensorBase, device_of


def on_cpu(driver, *args):
    """What the driver gives for copies of the tensors, on their GPU; an operand that it gives is not copied back."""
    copies = [moved(a, -1) if isinstance(a, TensorBase) else a for a in args]
    device = next(device_of(a) for a in args if isinstance(a, TensorBase))
    found = driver(*copies)
    operands = {id(copy): a for copy, a in zip(copies, args)}
    back = [operands[id(t)] if id(t) in operands else moved(t, device)
            for t in (found if isinstance(found, tuple) else (found,))]
    return tuple(back) if isinstance(found, tuple) else back[0]


def inverse(self):
    return on_cpu(lapack.inverse, self)


def gesv(self, A):
    return on_cpu(lapack.gesv, self, A)


def btrifact(self, info=None, pivot=True):
    if info is None:
        return on_cpu(lapack.btrifact, self, None, pivot)
    there = moved(info, -1)
    factors = on_cpu(lapack.btrifact, self, there, pivot)
    copy_(resize_(info, there.size()), there)
    return factors


def btrisolve(self, LU_data, LU_pivots):
    return on_cpu(lapack.btrisolve, self, LU_data, LU_pivots)


def potrf(self, upper=True):
    return on_cpu(lapack.potrf, self, upper)


def potrs(self, input2, upper=True):
    return on_cpu(lapack.potrs, self, input2, upper)


def potri(self, upper=True):
    return on_cpu(lapack.potri, self, upper)


def pstrf(self, upper=True, tol=-1):
    return on_cpu(lapack.pstrf, self, upper, tol)


def symeig(self, eigenvectors=False, upper=True):
    return on_cpu(lapack.symeig, self, eigenvectors, upper)


def eig(self, eigenvectors=False):
    return on_cpu(lapack.eig, self, eigenvectors)


def svd(self, some=True):
    return on_cpu(lapack.svd, self, some)


def qr(self):
    return on_cpu(lapack.qr, self)


def geqrf(self):
    return on_cpu(lapack.geqrf, self)


def orgqr(self, input2):
    return on_cpu(lapack.orgqr, self, input2)


def ormqr(self, input2, input3, left=True, transpose=False):
    return on_cpu(lapack.ormqr, self, input2, input3, left, transpose)


def gels(self, A):
    return on_cpu(lapack.gels, self, A)


def trtrs(self, A, upper=True, transpose=False, unitriangular=False):
    return on_cpu(lapack.trtrs, self, A, upper, transpose, unitriangular)
