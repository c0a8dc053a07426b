"""Products of matrices, vectors and batches, diagonals and triangles: the twins of _ops/linalg.pyx."""
from ..._ops.copying import copy_, fill_, make_contiguous
from ..._ops.shape import diagonal as diagonal_view
from ..._ops.shape import expand
from ..._ops.making import resize_
from ..._ops.tensor import code_of, device_of, make_empty
from .. import blas
from ..launch import NAMES, THREADS, grid_for, launch
from . import reduce

LONG, FLOAT = 4, 6
program = blas.program


def same_type(name, *tensors):
    for t in tensors:
        if t is not None and code_of(t) != code_of(tensors[0]):
            raise TypeError("%s(): expected a %s, got a %s" % (name, tensors[0].type(), t.type()))


def text(t):
    return " x ".join([str(n) for n in t.size()])


def target(name, size, a, b, added, beta, out):
    """Where the product of a and b is computed: a new tensor that holds `added`, broadcast, if beta is not 0."""
    same_type(name, a, b, added, out)
    if out is not None and out is added and tuple(out.size()) != tuple(size):
        raise RuntimeError("%s(): output tensor of incorrect size, expected [%s], got [%s]"
                           % (name, " x ".join(map(str, size)), text(out)))
    wide = None if added is None else expand(added, size)       # raises before anything is written
    c = make_empty(code_of(a), size, device_of(a))
    if added is not None and beta != 0:
        copy_(c, wide)
    return c


def finish(c, out):
    """The result: c, or `out` with its values."""
    return c if out is None else copy_(resize_(out, c.size()), c)


# ---- products -----------------------------------------------------------------------------------------------------

def matrix_product(name, a, b, alpha, added, beta, out):
    if a.dim() != 2 or b.dim() != 2:
        raise RuntimeError("matrices expected, got %dD, %dD tensors" % (a.dim(), b.dim()))
    if a.size(1) != b.size(0):
        raise RuntimeError("size mismatch, m1: [%s], m2: [%s]" % (text(a), text(b)))
    c = target(name, (a.size(0), b.size(1)), a, b, added, beta, out)
    return finish(blas.gemm(c, a, b, alpha, beta), out)


def mm(self, mat2, out=None):
    return matrix_product("mm", self, mat2, 1, None, 0, out)


def addmm(self, beta, alpha, mat1, mat2, out=None):
    return matrix_product("addmm", mat1, mat2, alpha, self, beta, out)


def affine(bias, input, weight):
    name, beta = ("mm", 0) if bias is None else ("addmm", 1)
    return matrix_product(name, input, weight.t(), 1, bias, beta, None)


def vector_product(name, a, x, alpha, added, beta, out):
    if a.dim() != 2 or x.dim() != 1:
        raise RuntimeError("matrix and vector expected, got %dD, %dD" % (a.dim(), x.dim()))
    if a.size(1) != x.size(0):
        raise RuntimeError("size mismatch, [%s], [%s]" % (text(a), text(x)))
    c = target(name, (a.size(0),), a, x, added, beta, out)
    return finish(blas.gemv(c, a, x, alpha, beta), out)


def mv(self, vec, out=None):
    return vector_product("mv", self, vec, 1, None, 0, out)


def addmv(self, beta, alpha, mat, vec, out=None):
    return vector_product("addmv", mat, vec, alpha, self, beta, out)


def outer_product(name, a, b, alpha, added, beta, out):
    if a.dim() != 1 or b.dim() != 1:
        raise RuntimeError("vector and vector expected, got %dD, %dD tensors" % (a.dim(), b.dim()))
    c = target(name, (a.size(0), b.size(0)), a, b, added, beta, out)
    return finish(blas.gemm(c, a.unsqueeze(1), b.unsqueeze(0), alpha, beta), out)


def ger(self, vec2, out=None):
    return outer_product("ger", self, vec2, 1, None, 0, out)


def addr(self, beta, alpha, vec1, vec2, out=None):
    return outer_product("addr", vec1, vec2, alpha, self, beta, out)


def check_batches(a, b):
    if a.dim() != 3 or b.dim() != 3:
        raise RuntimeError("expected 3D tensors, got %dD, %dD" % (a.dim(), b.dim()))
    if a.size(0) != b.size(0):
        raise RuntimeError("equal number of batches expected, got %d, %d" % (a.size(0), b.size(0)))
    if a.size(2) != b.size(1):
        raise RuntimeError("wrong matrix size, batch1: %dx%d, batch2: %dx%d"
                           % (a.size(1), a.size(2), b.size(1), b.size(2)))


def batch_product(name, a, b, alpha, added, beta, out):
    check_batches(a, b)
    c = target(name, (a.size(0), a.size(1), b.size(2)), a, b, added, beta, out)
    return finish(blas.gemm(c, a, b, alpha, beta), out)


def bmm(self, mat2, out=None):
    return batch_product("bmm", self, mat2, 1, None, 0, out)


def baddbmm(self, beta, alpha, batch1, batch2, out=None):
    return batch_product("baddbmm", batch1, batch2, alpha, self, beta, out)


def addbmm(self, beta, alpha, batch1, batch2, out=None):
    check_batches(batch1, batch2)
    c = target("addbmm", (batch1.size(1), batch2.size(2)), batch1, batch2, self, beta, out)
    for i in range(batch1.size(0)):
        blas.gemm(c, batch1.select(0, i), batch2.select(0, i), alpha, beta if i == 0 else 1)
    return finish(c, out)


# ---- inner products -----------------------------------------------------------------------------------------------

def dot(self, tensor):
    same_type("dot", self, tensor)
    if self.dim() != 1 or tensor.dim() != 1:
        name, t = ("self", self) if self.dim() != 1 else ("tensor", tensor)
        raise RuntimeError("Expected argument %s to have 1 dimension(s), but has %d" % (name, t.dim()))
    if self.size(0) != tensor.size(0):
        raise RuntimeError("inconsistent tensor size, expected tensor [%s] and src [%s] to have the same number of "
                           "elements, but got %d and %d elements respectively"
                           % (text(self), text(tensor), self.size(0), tensor.size(0)))
    n, code, device = self.size(0), code_of(self), device_of(self)
    blocks = min(-(-n // (4 * THREADS)), 256)
    parts = make_empty(code if code >= FLOAT else LONG, (blocks,), device)
    launch(program, "dot_" + NAMES[code], device, "PPqPqq", blocks, THREADS, parts, self, self.stride(0), tensor,
           tensor.stride(0), n)
    return parts if blocks == 1 else reduce.sum_all(parts)


def trace(self):
    if self.dim() != 2:
        raise RuntimeError("expected a matrix, got a %dD tensor" % self.dim())
    line = diagonal_view(self, 0)
    return reduce.everything("sum", line, wide=code_of(self) < FLOAT)


# ---- diagonals and triangles --------------------------------------------------------------------------------------

def diag(self, diagonal=0, out=None):
    if self.dim() == 1:
        n = self.size(0) + abs(diagonal)
        return finish(diagonal_matrix(self, diagonal, n, n), out)
    if self.dim() != 2:
        raise RuntimeError("matrix or a vector expected, got a %dD tensor" % self.dim())
    return finish(diagonal_view(self, diagonal).clone(), out)


def diagonal_matrix(self, diagonal, rows, columns):
    c = fill_(make_empty(code_of(self), (rows, columns), device_of(self)), 0)
    copy_(diagonal_view(c, diagonal), self)
    return c


def triangle(self, diagonal, lower, out):
    if self.dim() != 2:
        raise RuntimeError("expected a matrix, got a %dD tensor" % self.dim())
    if out is None:
        c = self.clone()
    else:
        same_type("tril" if lower else "triu", self, out)
        c = out if out is self else copy_(resize_(out, self.size()), self)
    device = device_of(c)
    launch(program, "triangle_" + NAMES[code_of(c)], device, "Pqqqqqi", grid_for(device, c.numel()), THREADS, c,
           c.size(0), c.size(1), c.stride(0), c.stride(1), diagonal, int(lower))
    return c


def tril(self, diagonal=0, out=None):
    return triangle(self, diagonal, True, out)


def triu(self, diagonal=0, out=None):
    return triangle(self, diagonal, False, out)


# ---- vector product -----------------------------------------------------------------------------------------------

def cross_dim(a, dim):
    """The dim to work along; -1 means the first of size 3."""
    if dim == -1:
        if 3 not in a.size():
            raise RuntimeError("no dimension of size 3 in a: [%s]" % text(a))
        return list(a.size()).index(3)
    if not 0 <= dim < a.dim():
        raise RuntimeError("cross(): dimension %d out of range for a %dD tensor" % (dim, a.dim()))
    if a.size(dim) != 3:
        raise RuntimeError("cross(): dimension %d does not have size 3: [%s]" % (dim, text(a)))
    return dim


def cross(self, other, dim=-1, out=None):
    same_type("cross", self, other)
    if self.dim() != other.dim():
        raise RuntimeError("inconsistent tensor dimension %dD, %dD" % (self.dim(), other.dim()))
    if self.size() != other.size():
        raise RuntimeError("inconsistent tensor sizes [%s], [%s]" % (text(self), text(other)))
    dim = cross_dim(self, dim)
    a, b = make_contiguous(self), make_contiguous(other)
    c = make_empty(code_of(a), a.size(), device_of(a))
    inner = a.stride(dim)
    outer = a.numel() // 3 // inner
    launch(program, "cross_" + NAMES[code_of(a)], device_of(a), "PPPqq", grid_for(device_of(a), outer * inner), THREADS,
           c, a, b, outer, inner)
    return finish(c, out)
