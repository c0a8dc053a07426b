"""Rows of linear algebra: products of matrices, vectors and batches, diagonals and triangles, LAPACK's factorisations.

Every product is one kernel, C = alpha * A @ B + beta * C on any strides, so formulas transpose without copying.
"""
from .._ops import lapack, linalg, sparse_math
from .._ops.row import spell_out_as
from ._samples import arguments, real, reference
from ._table import ALL, REAL, op, public
from .shape import sum_to, t


def into_self(kernel):
    """The in-place twin of a kernel that takes out=: the product is added to self where it lies."""
    def run(self, *args):
        return kernel(self, *args, out=self)
    return run


def scaled(x, number):
    """x * number, without a pass over x for the usual number 1."""
    return x if number == 1 else x * number


# ---- products -----------------------------------------------------------------------------------------------------

mm = op(
    "mm(Tensor self, Tensor mat2)", linalg.mm, types=ALL, public=False, node_name="Addmm", sparse=sparse_math.mm,
    grad=dict(self=lambda g, mat2: mm(g, mat2.t()),
              mat2=lambda g, self: mm(self.t(), g)),
    ref="self @ mat2", samples=arguments((3, 4), (4, 2)) + arguments((1, 5), (5, 3)) + arguments((20, 17), (17, 33)),
    doc="Product of two matrices.")
public("mm", {"(%s self, Tensor mat2)" % kind: mm for kind in ("Tensor", "SparseTensor")}, doc=mm.row.doc)

mv = op(
    "mv(Tensor self, Tensor vec)", linalg.mv, types=ALL, node_name="Addmv",
    grad=dict(self=lambda g, vec: ger(g, vec),
              vec=lambda g, self: mv(self.t(), g)),
    ref="self @ vec", samples=arguments((3, 4), (4,)) + arguments((1, 5), (5,)),
    doc="Product of a matrix and a vector.")

ger = op(
    "ger(Tensor self, Tensor vec2)", linalg.ger, types=ALL, node_name="Addr",
    grad=dict(self=lambda g, vec2: mv(g, vec2),
              vec2=lambda g, self: mv(g.t(), self)),
    ref="np.outer(self, vec2)", samples=arguments((3,), (4,)) + arguments((1,), (5,)),
    doc="Outer product of two vectors: element (i, j) is self[i] * vec2[j].")

dot = op(
    "dot(Tensor self, Tensor tensor)", linalg.dot, types=ALL, number=True,
    grad=dict(self=lambda g, tensor: tensor * g,
              tensor=lambda g, self: self * g),
    ref="(self * tensor).sum(keepdims=True)", samples=arguments((5,), (5,)) + arguments((1,), (1,)),
    doc="Inner product of two vectors, as a number.")

bmm = op(
    "bmm(Tensor self, Tensor mat2)", linalg.bmm, types=ALL, node_name="Baddbmm",
    grad=dict(self=lambda g, mat2: bmm(g, mat2.transpose(1, 2)),
              mat2=lambda g, self: bmm(self.transpose(1, 2), g)),
    ref="self @ mat2", samples=arguments((2, 3, 4), (2, 4, 2)) + arguments((1, 1, 5), (1, 5, 3)),
    doc="Products of the matrices of two batches, pair by pair.")

addmm = op(
    "addmm(Number beta=1, Tensor self, Number alpha=1, Tensor mat1, Tensor mat2)", linalg.addmm, types=ALL,
    public=False, inplace=into_self(linalg.addmm), broadcast=True, sparse=sparse_math.addmm,
    sparse_inplace=sparse_math.addmm_,
    grad=dict(self=lambda g, beta: scaled(g, beta),
              mat1=lambda g, alpha, mat2: scaled(mm(g, mat2.t()), alpha),
              mat2=lambda g, alpha, mat1: scaled(mm(mat1.t(), g), alpha)),
    ref="beta * self + alpha * (mat1 @ mat2)",
    samples=arguments((3, 2), (3, 4), (4, 2), beta=1, alpha=1) + arguments((2,), (3, 4), (4, 2), beta=2, alpha=3),
    doc="beta * self + alpha * (mat1 @ mat2); self broadcasts to the product. With beta = 0, self is not read.")
public("addmm", {"(Number beta=1, Tensor self, Number alpha=1, %s mat1, Tensor mat2)" % kind: addmm
                 for kind in ("Tensor", "SparseTensor")}, inplace=True, doc=addmm.row.doc)

affine = op(
    "affine(Tensor? bias, Tensor input, Tensor weight)", linalg.affine, public=False, node_name="Addmm",
    grad=dict(bias=lambda g, bias_size: sum_to(g, bias_size), input=lambda g, weight: mm(g, weight),
              weight=lambda g, input: mm(t(g), input)),
    ref="input @ weight.T + (0 if bias is None else bias)",
    samples=arguments((2,), (3, 4), (2, 4)) + arguments((3, 4), (2, 4), bias=None),
    doc="input @ weight.t() + bias; the gradient of weight lies in memory as weight does.")

affine_of_turned = op(
    "affine_of_turned(Tensor? bias, Tensor input, Tensor turned)", public=False, node_name="Addmm",
    kernel=lambda bias, input, turned: linalg.affine(bias, input, turned.t()),
    grad=dict(bias=lambda g, bias_size: sum_to(g, bias_size), input=lambda g, turned: mm(g, t(turned)),
              turned=lambda g, input: mm(t(input), g)),
    ref="input @ turned + (0 if bias is None else bias)",
    samples=arguments((2,), (3, 4), (4, 2)) + arguments((3, 4), (4, 2), bias=None),
    doc="input @ turned + bias: with t() before it, what a node of affine() shows to those who look at its edges.")
spell_out_as(affine, affine_of_turned)

addmv = op(
    "addmv(Number beta=1, Tensor self, Number alpha=1, Tensor mat, Tensor vec)", linalg.addmv, types=ALL,
    inplace=into_self(linalg.addmv), broadcast=True,
    grad=dict(self=lambda g, beta: scaled(g, beta),
              mat=lambda g, alpha, vec: scaled(ger(g, vec), alpha),
              vec=lambda g, alpha, mat: scaled(mv(mat.t(), g), alpha)),
    ref="beta * self + alpha * (mat @ vec)",
    samples=arguments((3,), (3, 4), (4,), beta=1, alpha=1) + arguments((1,), (3, 4), (4,), beta=2, alpha=3),
    doc="beta * self + alpha * (mat @ vec); self broadcasts to the product.")

addr = op(
    "addr(Number beta=1, Tensor self, Number alpha=1, Tensor vec1, Tensor vec2)", linalg.addr, types=ALL,
    inplace=into_self(linalg.addr), broadcast=True,
    grad=dict(self=lambda g, beta: scaled(g, beta),
              vec1=lambda g, alpha, vec2: scaled(mv(g, vec2), alpha),
              vec2=lambda g, alpha, vec1: scaled(mv(g.t(), vec1), alpha)),
    ref="beta * self + alpha * np.outer(vec1, vec2)",
    samples=arguments((3, 4), (3,), (4,), beta=1, alpha=1) + arguments((4,), (3,), (4,), beta=2, alpha=3),
    doc="beta * self + alpha * (outer product of vec1 and vec2); self broadcasts to the product.")

baddbmm = op(
    "baddbmm(Number beta=1, Tensor self, Number alpha=1, Tensor batch1, Tensor batch2)", linalg.baddbmm, types=ALL,
    inplace=into_self(linalg.baddbmm), broadcast=True,
    grad=dict(self=lambda g, beta: scaled(g, beta),
              batch1=lambda g, alpha, batch2: scaled(bmm(g, batch2.transpose(1, 2)), alpha),
              batch2=lambda g, alpha, batch1: scaled(bmm(batch1.transpose(1, 2), g), alpha)),
    ref="beta * self + alpha * (batch1 @ batch2)",
    samples=arguments((2, 3, 2), (2, 3, 4), (2, 4, 2), beta=1, alpha=1)
    + arguments((3, 2), (2, 3, 4), (2, 4, 2), beta=2, alpha=3),
    doc="beta * self + alpha * (products of the matrices of two batches); self broadcasts to the products.")

addbmm = op(
    "addbmm(Number beta=1, Tensor self, Number alpha=1, Tensor batch1, Tensor batch2)", linalg.addbmm, types=ALL,
    inplace=into_self(linalg.addbmm), broadcast=True,
    grad=dict(self=lambda g, beta: scaled(g, beta),
              batch1=lambda g, alpha, batch1_size, batch2: scaled(
                  bmm(repeated(g, batch1_size[0]), batch2.transpose(1, 2)), alpha),
              batch2=lambda g, alpha, batch1: scaled(
                  bmm(batch1.transpose(1, 2), repeated(g, batch1.size(0))), alpha)),
    ref="beta * self + alpha * (batch1 @ batch2).sum(0)",
    samples=arguments((3, 2), (2, 3, 4), (2, 4, 2), beta=1, alpha=1)
    + arguments((2,), (2, 3, 4), (2, 4, 2), beta=2, alpha=3),
    doc="beta * self + alpha * (sum of the products of the matrices of two batches); self broadcasts to the sum.")


def repeated(matrix, n):
    """A batch of n times the same matrix, as a view."""
    return matrix.unsqueeze(0).expand(n, matrix.size(0), matrix.size(1))


# ---- matmul -------------------------------------------------------------------------------------------------------

def matmul(self, other):
    """Multiply by the rules for vectors, matrices and batches of matrices; works on Tensors and on Variables."""
    dims = self.dim(), other.dim()
    if dims == (2, 2):
        return mm(self, other)
    if 0 in dims:
        raise ValueError("both arguments to matmul need to be at least 1D, but they are %dD and %dD" % dims)
    if dims == (1, 1):
        return self.dot(other)
    if dims == (2, 1):
        return mv(self, other)
    if dims == (1, 2):
        return mv(other.t(), self)
    if dims[1] <= 2:        # one matrix for the whole batch: a single, taller product
        size = tuple(self.size())
        flat = mm(self.contiguous().view(-1, size[-1]), other if dims[1] == 2 else other.unsqueeze(1))
        return flat.view(*(size[:-1] + tuple(other.size())[1:]))
    return matmul_batches(self, other)


def matmul_batches(self, other):
    """Products of two batches whose leading dims broadcast; a vector on the left counts as a matrix of one row."""
    row = self.dim() == 1
    if row:
        self = self.unsqueeze(0)
    batch = broadcast_sizes(tuple(self.size())[:-2], tuple(other.size())[:-2])
    left, right = flat_batch(self, batch), flat_batch(other, batch)
    product = bmm(left, right)
    size = batch + (() if row else (product.size(1),)) + (product.size(2),)
    return product.view(*size)


def broadcast_sizes(a, b):
    """The sizes that two tuples of sizes broadcast to."""
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    for dim, (x, y) in enumerate(zip(a, b)):
        if x != y and 1 not in (x, y):
            raise RuntimeError("The size of tensor a (%d) must match the size of tensor b (%d) at non-singleton "
                               "dimension %d." % (x, y, dim))
    return tuple(max(x, y) for x, y in zip(a, b))


def flat_batch(x, batch):
    """x with its leading dims broadcast to `batch` and joined to one."""
    matrix = tuple(x.size())[-2:]
    if tuple(x.size())[:-2] != batch:
        x = x.expand(*(batch + matrix))
    return x if len(batch) == 1 else x.contiguous().view(-1, *matrix)


public("matmul", {"(Tensor self, Tensor other)": matmul, "(Tensor tensor1, Tensor tensor2)": matmul,
                  "(SparseTensor self, Tensor other)": matmul}, types=ALL,
       doc="Product by the rules for 1-D, 2-D and batched operands; batch dims broadcast.")


# ---- diagonals and triangles --------------------------------------------------------------------------------------

diag = op(
    "diag(Tensor self, int diagonal=0)", linalg.diag, types=ALL,
    grad=dict(self=lambda g, self_size, diagonal:
              diag(g, diagonal) if len(self_size) == 1 else diagonal_matrix(g, diagonal, *self_size)),
    ref="np.diag(self, diagonal)",
    samples=arguments((4,), diagonal=0) + arguments((3,), diagonal=-1) + arguments((3, 4), diagonal=1),
    doc="A matrix with a vector as its diagonal, or the diagonal of a matrix; above the main one if diagonal > 0.")

diagonal_matrix = op(
    "diagonal_matrix(Tensor self, int diagonal, int rows, int columns)", linalg.diagonal_matrix, types=ALL,
    public=False,
    grad=dict(self=lambda g, diagonal: diag(g, diagonal)),
    ref="np.pad(np.diag(self, diagonal), ((0, rows), (0, columns)))[:rows, :columns]",
    samples=arguments((3,), diagonal=0, rows=3, columns=3) + arguments((2,), diagonal=1, rows=3, columns=3),
    doc="A matrix of the given size that is 0 but for one diagonal.")

trace = op(
    "trace(Tensor self)", linalg.trace, types=ALL, number=True,
    grad=dict(self=lambda g, self_size: diagonal_matrix(g.expand(min(self_size)), 0, self_size[0], self_size[1])),
    ref="np.trace(self).reshape(1)", samples=arguments((3, 3)) + arguments((2, 4)),
    doc="Sum of the diagonal of a matrix, as a number.")

tril = op(
    "tril(Tensor self, int diagonal=0)", linalg.tril, types=ALL, inplace=into_self(linalg.tril),
    grad=dict(self=lambda g, diagonal: tril(g, diagonal)),
    ref="np.tril(self, diagonal)", samples=arguments((3, 4), diagonal=0) + arguments((4, 3), diagonal=1),
    doc="Lower triangle of a matrix, up to the given diagonal; the other elements are 0.")

triu = op(
    "triu(Tensor self, int diagonal=0)", linalg.triu, types=ALL, inplace=into_self(linalg.triu),
    grad=dict(self=lambda g, diagonal: triu(g, diagonal)),
    ref="np.triu(self, diagonal)", samples=arguments((3, 4), diagonal=0) + arguments((4, 3), diagonal=1),
    doc="Upper triangle of a matrix, from the given diagonal on; the other elements are 0.")

cross = op(
    "cross(Tensor self, Tensor other, int dim=-1)", linalg.cross, types=ALL,
    grad=dict(self=lambda g, other, dim: cross(other, g, dim),
              other=lambda g, self, dim: cross(g, self, dim)),
    ref="np.cross(self, other, axis=dim)",
    samples=arguments((2, 3), (2, 3), dim=1) + arguments((3, 4), (3, 4), dim=0),
    doc="Vector product along a dim of size 3; dim -1 is the first such dim.")


# ---- solving ------------------------------------------------------------------------------------------------------

inverse = op(
    "inverse(Tensor self)", lapack.inverse, types=REAL,
    grad=dict(self=lambda g, out: -mm(mm(out.t(), g), out.t())),
    ref="np.linalg.inv(self)", samples=arguments((3, 3)), tolerance=1e-3,
    doc="Inverse of a square matrix, by LU with partial pivoting.")


def solve_grads(g0, A, out0):
    """Gradients of x = A^-1 b: of b, A'^-1 g; of A, minus that times x'."""
    b = gesv(g0, A.t())[0]
    return b, -mm(b, out0.t())


gesv = op(
    "gesv(Tensor self, Tensor A)", lapack.gesv, types=REAL, joint=solve_grads,
    ref="np.linalg.solve(A, self), None", samples=arguments((3, 2), (3, 3)), tolerance=1e-3,
    doc="Solve A x = self; returns x and the LU factors of A packed in one matrix.")


POSITIVE = real([[4, 1, 0.5], [1, 3, -0.25], [0.5, -0.25, 2]])      # positive definite
UPPER = real([[2, 1, 0.5], [0, 1.5, -0.25], [0, 0, 1]])


def factorization(signature, kernel, doc, ref=None, samples=()):
    """A row without a derivative, on Tensors only."""
    return op(signature, kernel, types=REAL, variable=False, doc=doc, ref=ref, samples=samples, tolerance=1e-4)


btrifact = factorization(
    "btrifact(Tensor self, *, IntTensor? info=None, bool pivot=True)", lapack.btrifact,
    "LU factors of a batch of square matrices, packed, and their pivots from 1; errors go to info where it is given.")
btrisolve = factorization(
    "btrisolve(Tensor self, Tensor LU_data, IntTensor LU_pivots)", lapack.btrisolve,
    "Solve a batch of systems from the result of btrifact.")
potrf = factorization(
    "potrf(Tensor self, bool upper=True)", lapack.potrf,
    "Cholesky factor: U with self = U'U, or L with self = LL'.",
    ref="np.linalg.cholesky(self).T if upper else np.linalg.cholesky(self)",
    samples=arguments(self=POSITIVE, upper=True) + arguments(self=POSITIVE, upper=False))
potrs = factorization(
    "potrs(Tensor self, Tensor input2, bool upper=True)", lapack.potrs,
    "Solve A x = self from the Cholesky factor of A.",
    ref="np.linalg.solve(input2.T @ input2, self)",
    samples=arguments((3, 2), input2=UPPER, upper=True))
potri = factorization(
    "potri(Tensor self, bool upper=True)", lapack.potri,
    "Inverse of a matrix from its Cholesky factor.",
    ref="np.linalg.inv(self.T @ self)",
    samples=arguments(self=UPPER, upper=True))
pstrf = factorization(
    "pstrf(Tensor self, bool upper=True, Number tol=-1)", lapack.pstrf,
    "Pivoted Cholesky factor, and the order in which rows were taken.")
symeig = factorization(
    "symeig(Tensor self, bool eigenvectors=False, bool upper=True)", lapack.symeig,
    "Eigenvalues of a symmetric matrix, ascending, and its eigenvectors as columns if asked (else zeros).",
    ref="np.linalg.eigvalsh(self), None",
    samples=arguments(self=POSITIVE, eigenvectors=True, upper=True))
eig = factorization(
    "eig(Tensor self, bool eigenvectors=False)", lapack.eig,
    "Eigenvalues of a square matrix as rows (real, imaginary), and eigenvectors as columns if asked.",
    ref=reference("_shape_refs", "eig"),
    samples=arguments((4, 4), eigenvectors=False))
svd = factorization(
    "svd(Tensor self, bool some=True)", lapack.svd,
    "U, S and V with self = U diag(S) V'; only the columns that S needs unless some=False.",
    ref="None, np.linalg.svd(self)[1], None",
    samples=arguments((4, 3), some=True))
qr = factorization(
    "qr(Tensor self)", lapack.qr, "Q and R of the reduced QR factorisation.",
    ref="tuple(np.linalg.qr(self))",
    samples=arguments((4, 3)) + arguments((2, 3)))
geqrf = factorization(
    "geqrf(Tensor self)", lapack.geqrf, "QR as LAPACK packs it: R above, reflectors below, and their factors tau.",
    ref=reference("_shape_refs", "geqrf"),
    samples=arguments((4, 3)))
orgqr = factorization(
    "orgqr(Tensor self, Tensor input2)", lapack.orgqr, "Q from the packed form of geqrf and tau; returns (Q, self).",
    ref=reference("_shape_refs", "orgqr"),
    samples=arguments((4, 3), (3,)))
ormqr = factorization(
    "ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False)", lapack.ormqr,
    "Product of Q (from geqrf) or Q' with input3; returns (product, self).",
    ref=reference("_shape_refs", "ormqr"),
    samples=arguments((4, 3), (3,), (4, 2), left=True, transpose=True)
    + arguments((4, 3), (3,), (2, 4), left=False, transpose=False))
gels = factorization(
    "gels(Tensor self, Tensor A)", lapack.gels,
    "x of least norm among those with the least squares |A x - self|; returns x and the packed QR (or LQ) of A.",
    ref="np.linalg.lstsq(A, self, None)[0], None",
    samples=arguments((4, 2), (4, 3)))
trtrs = factorization(
    "trtrs(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)", lapack.trtrs,
    "Solve a triangular system A x = self; returns (x, A).",
    ref=reference("_shape_refs", "trtrs"),
    samples=arguments((3, 2), A=UPPER, upper=True, transpose=False, unitriangular=False)
    + arguments((3, 2), A=UPPER, upper=True, transpose=True, unitriangular=True))


def btriunpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """Return (P, L, U) of the result of btrifact, None for what is not asked for."""
    lower = upper = order = None
    if unpack_data:
        upper = _of_each(LU_data, lambda m: triu(m))
        unit = diag(LU_data[0][0].clone().fill_(1))
        lower = _of_each(LU_data, lambda m: tril(m, -1) + unit)
    if unpack_pivots:
        order = LU_data.clone().zero_()
        for batch in range(LU_data.size(0)):
            rows = list(range(LU_data.size(1)))
            for i, pivot in enumerate(LU_pivots[batch]):
                rows[i], rows[pivot - 1] = rows[pivot - 1], rows[i]
            for column, row in enumerate(rows):
                order[batch, row, column] = 1
    return order, lower, upper


def _of_each(batch, function):
    result = batch.clone()
    for i in range(batch.size(0)):
        result[i].copy_(function(batch[i]))
    return result


_UNPACK = "(Tensor LU_data, IntTensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)"
public("btriunpack", {_UNPACK: btriunpack}, types=REAL, variable=False, method=False,
       doc="Permutation, L and U of a result of btrifact.")
