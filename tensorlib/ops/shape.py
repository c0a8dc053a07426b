"""Rows that rearrange: views, copies, joining, tiling, casts."""
from .._ops import shape
from .._ops.joining import cat as cat_sequence
from .._ops.joining import stack
from .._ops.making import set_view
from .._ops.sparse import SparseTensor, moved_to
from .._ops.tensor import TensorBase
from ._samples import arguments, positions, reference, unary
from ._table import ALL, HALF, engine_rows, op, public


def view_row(signature, kernel, grad, samples, ref, doc, types=ALL, **more):
    """A row whose result shares memory with self."""
    return op(signature, kernel, grad=dict(self=grad), view=True, types=types, samples=samples, ref=ref, doc=doc,
              **more)


view = view_row("view(Tensor self, int... size)", shape.view, lambda g, self_size: view(contiguous(g), self_size),
                arguments((3, 4), size=(2, 6)), "self.reshape(size)",
                "The same elements in other sizes; one may be -1. Needs a contiguous tensor.", function=False)
select = view_row("select(Tensor self, int dim, int index)", shape.select,
                  lambda g, self_size, dim, index: scatter_window(g, self_size, "select", (dim, index)),
                  arguments((3, 4), dim=1, index=2), "np.take(self, index, dim)",
                  "One position of a dim, that dim removed.", public=False, node_name="Index")
narrow = view_row("narrow(Tensor self, int dimension, int start, int length)", shape.narrow,
                  lambda g, self_size, dimension, start, length:
                      scatter_window(g, self_size, "narrow", (dimension, start, length)),
                  arguments((3, 5), dimension=1, start=1, length=3), "self[:, start:start + length]",
                  "`length` positions of a dim from `start` on.", function=False, node_name="Index")
stepped = view_row("stepped(Tensor self, int dim, int start, int length, int step)", shape.stepped,
                   lambda g, self_size, dim, start, length, step:
                       scatter_window(g, self_size, "stepped", (dim, start, length, step)),
                   arguments((3, 5), dim=1, start=0, length=3, step=2), "self[:, start::step]",
                   "Every step-th position of a dim.", public=False, node_name="Index")
transpose = view_row("transpose(Tensor self, int dim0, int dim1)", shape.transpose,
                     lambda g, dim0, dim1: transpose(g, dim0, dim1),
                     arguments((2, 3, 4), dim0=0, dim1=2), "np.swapaxes(self, dim0, dim1)", "Two dims exchanged.",
                     public=False, sparse=SparseTensor.transpose)
t = view_row("t(Tensor self)", shape.t, lambda g: t(g), unary(-1, 1, sizes=[(3, 4)]), "self.T",
             "The transpose of a matrix.", node_name="Transpose", public=False, sparse=SparseTensor.t)
for _row in (transpose, t):
    _form = _row.signature[_row.signature.index("("):]
    public(_row.name, {_form: _row, _form.replace("Tensor", "SparseTensor"): _row}, doc=_row.row.doc)
permute = view_row("permute(Tensor self, int... dims)", shape.permute,
                   lambda g, dims: permute(g, inverse_permutation(dims)),
                   arguments((2, 3, 4), dims=(2, 0, 1)), "np.transpose(self, dims)", "The dims in a given order.",
                   function=False)
squeeze_all = view_row("squeeze_all(Tensor self)", shape.squeeze, lambda g, self_size: view(contiguous(g), self_size),
                       arguments((2, 1, 3)), "self.squeeze()", "Without the dims of size 1.", public=False,
                       node_name="Squeeze")
squeeze_dim = view_row("squeeze_dim(Tensor self, int dim)", shape.squeeze,
                       lambda g, self_size: view(contiguous(g), self_size),
                       arguments((2, 1, 3), dim=1), "self.squeeze(dim)", "Without one dim, if its size is 1.",
                       public=False, node_name="Squeeze")
unsqueeze = view_row("unsqueeze(Tensor self, int dim)", shape.unsqueeze,
                     lambda g, self_size: view(contiguous(g), self_size),
                     arguments((2, 3), dim=1), "np.expand_dims(self, dim)", "A dim of size 1 put in.")
expand = view_row("expand(Tensor self, int... size)", shape.expand, lambda g, self_size: sum_to(g, self_size),
                  arguments((1, 4), size=(2, 3, 4)), "np.broadcast_to(self, size)",
                  "Dims of size 1 stretched without a copy.", function=False)
unfold = view_row("unfold(Tensor self, int dimension, int size, int step)", shape.unfold,
                  lambda g, self_size, dimension, size, step:
                      scatter_window(g, self_size, "unfold", (dimension, size, step)),
                  arguments((2, 7), dimension=1, size=3, step=2),
                  "np.lib.stride_tricks.sliding_window_view(self, size, dimension)[:, ::step]",
                  "Sliding windows along a dim, in a new last dim.", function=False)
pieces = op("pieces(Tensor self, int size, int dim)", shape.pieces,
            grad=dict(self=lambda grads, dim: cat(dim, *grads)), view=True, types=ALL, public=False,
            node_name="Chunk", ref="tuple(np.split(self, range(size, self.shape[dim], size), dim))",
            samples=arguments((2, 5), size=2, dim=1) + arguments((2, 3), size=4, dim=0),
            doc="Pieces of a size along a dim, the last one smaller.")
subscript = view_row("subscript(Tensor self, object key)", shape.subscript,
                     lambda g, self_size, key: scatter_window(g, self_size, "subscript", (key,)),
                     arguments((3, 4), key=(1, slice(1, 3))) + arguments((2, 3, 4), key=(Ellipsis, 2, None))
                     + arguments((3, 4), key=-1), "self[key]",
                     "self[key] for ints, slices, None and an ellipsis.", public=False, node_name="Index")
set_item = op("set_item(Tensor self, object key, Tensor value)", lambda self, key, value: put(self.clone(), key, value),
              inplace=lambda self, key, value: put(self, key, value), types=ALL, public=False, node_name="SetItem",
              grad=dict(self=lambda g, key: put_zero(g, key),
                        value=lambda g, key, value_size: spread_to(taken(g, key), value_size)),
              ref=reference("_shape_refs", "set_item"),
              samples=arguments((3, 4), (4,), key=1) + arguments((3, 4), (2, 2), key=(slice(0, 2), slice(1, 3))),
              doc="self with self[key] = value done.")

VIEWS = {"select": select, "narrow": narrow, "stepped": stepped, "unfold": unfold, "subscript": subscript}

scatter_window = op("scatter_window(Tensor self, object size, object kind, object arguments, Number value=0)",
                    shape.scatter_window, grad=dict(self=lambda g, kind, arguments: VIEWS[kind](g, *arguments)),
                    types=ALL, public=False, ref=reference("_shape_refs", "scatter_window"),
                    samples=arguments((3,), size=(3, 4), kind="select", arguments=(1, 2))
                    + arguments((3, 2), size=(3, 4), kind="narrow", arguments=(1, 1, 2))
                    + arguments((2, 3), size=(5, 3), kind="stepped", arguments=(0, 1, 2, 2))
                    + arguments((3, 2, 3), size=(3, 6), kind="unfold", arguments=(1, 3, 2))
                    + arguments((2, 3), size=(2, 4, 3), kind="subscript", arguments=((slice(None), 1),))
                    + arguments((2, 3), size=(2, 5), kind="narrow", arguments=(1, 2, 3), value=2),
                    doc="A value in `size`, with self in the window that a view makes of it: the derivative of views.")


def put(x, key, value):
    """x[key] = value on tensors, where a tensor of one element may go to one position."""
    if isinstance(value, TensorBase) and value.numel() == 1 and not isinstance(x[key], TensorBase):
        value = value.item()
    x[key] = value
    return x


def put_zero(g, key):
    """The gradient of what was overwritten is zero."""
    return set_item(g, key, 0)


def taken(g, key):
    """g[key] as a tensor, also where it is one element."""
    part = g[key]
    return select(view(contiguous(g), (-1,)), 0, 0) * 0 + part if isinstance(part, (int, float)) else part


def spread_to(g, size):
    """The gradient of the written values, which may have been broadcast."""
    return sum_to(g, size) if g.size() != size else g


def inverse_permutation(dims):
    """The order that undoes permute(dims)."""
    dims = [d + len(dims) if d < 0 else d for d in dims]
    return tuple([dims.index(d) for d in range(len(dims))])


clone = op("clone(Tensor self)", shape.clone, grad=dict(self=lambda g: g), types=ALL, public=False,
           sparse=SparseTensor.clone, ref="self", samples=unary(-1, 1), doc="A copy.")
public("clone", {"(Tensor self)": clone, "(SparseTensor self)": clone}, function=False, doc=clone.row.doc)
contiguous = op("contiguous(Tensor self)", shape.contiguous_view, grad=dict(self=lambda g: g), types=ALL,
                function=False, variable=False, ref="self", samples=unary(-1, 1),
                doc="Dense in memory: self's memory, or a copy.")
cast = op("cast(Tensor self, int dtype, int from_dtype)", lambda self, dtype, from_dtype: shape.cast(self, dtype),
          grad=dict(self=lambda g, dtype, from_dtype: cast(g, from_dtype, dtype)), types=ALL, public=False,
          node_name="Type", doc="The values in another element type.")
transfer = op("transfer(Tensor self, int device, int from_device, bool non_blocking=False)",
              lambda self, device, from_device, non_blocking: shape.moved(self, device, non_blocking),
              grad=dict(self=lambda g, device, from_device: transfer(g, from_device, device)), types=ALL, public=False,
              sparse=lambda self, device, from_device, non_blocking: moved_to(self, device, non_blocking),
              ref="self", samples=arguments((3, 4), device=-1, from_device=-1),
              doc="The values on another device; -1 is the CPU.")
sum_to = op("sum_to(Tensor self, object size)", shape.sum_to, grad=dict(self=lambda g, self_size: spread(g, self_size)),
            types=ALL, public=False, samples=arguments((3, 4), size=(1, 4)), ref="self.sum(0, keepdims=True)",
            doc="Undo broadcasting.")
cat = op("cat(int dim, *tensors)", shape.cat, types=ALL, public=False, view=False, node_name="Concat",
         joint=lambda g, dim, tensors_size: cut(g, dim, tensors_size), ref=reference("_shape_refs", "cat"),
         samples=arguments((2, 3), (2, 1), (2, 4), dim=1) + arguments((3,), (2,), dim=-1), doc="Join along a dim.")
repeat = op("repeat(Tensor self, int... sizes)", shape.repeat, types=ALL, public=False,
            grad=dict(self=lambda g, self_size, sizes: untile(g, self_size, sizes)),
            samples=arguments((2, 3), sizes=(2, 1, 3)), ref="np.tile(self, sizes)", doc="Tile; copies.")


take = op("take(Tensor self, object offsets)", shape.take_dense, types=ALL, public=False, node_name="Index",
          grad=dict(self=lambda g, self_size, offsets: put_add(g, offsets, self_size)),
          ref="self.reshape(-1)[offsets]", samples=arguments((3, 4), offsets=positions([[7, 0, 7], [11, 2, 1]])),
          doc="The elements at offsets into dense self, in the sizes of the offsets.")
put_add = op("put_add(Tensor self, object offsets, object size)", shape.put_add, types=ALL, public=False,
             grad=dict(self=lambda g, offsets: take(g, offsets)),
             ref=reference("_shape_refs", "put_add"),
             samples=arguments((2, 3), offsets=positions([[7, 0, 7], [11, 2, 1]]), size=(3, 4)),
             doc="Zeros of `size` with self added at offsets: the derivative of take.")


def spread(g, size):
    """The derivative of sum_to: expand, or view where it was the pointwise fallback."""
    lead = len(size) - len(g.size())
    broadcasts = lead >= 0 and all(n == 1 or n == m for n, m in zip(g.size(), size[lead:]))
    return expand(g, size) if broadcasts else view(contiguous(g), size)


def cut(g, dim, sizes):
    """The pieces of a joined gradient, None for empty tensors."""
    ndim = max(len(size) for size in sizes)
    dim = dim + ndim if dim < 0 else dim
    pieces, start = [], 0
    for size in sizes:
        if len(size) == 0:
            pieces.append(None)
            continue
        length = size[dim] if dim < len(size) else 1
        piece = narrow(g, dim, start, length)
        pieces.append(piece if len(size) > dim else view(contiguous(piece), size))
        start += length
    return pieces


def untile(g, size, counts):
    """The derivative of repeat: the sum over the copies."""
    lead = len(counts) - len(size)
    fine = [n for i, count in enumerate(counts) for n in (count, size[i - lead] if i >= lead else 1)]
    g = view(contiguous(g), tuple(fine))
    keep = [n for i, n in enumerate(fine) if i % 2 == 1]
    return view(contiguous(sum_to(g, tuple([1 if i % 2 == 0 else n for i, n in enumerate(fine)]))), tuple(keep[lead:]))


# ---- composites ---------------------------------------------------------------------------------------


def split(self, split_size, dim=0):
    """Pieces of split_size along a dim, the last one smaller; a tuple of views."""
    if split_size == 0:
        raise ZeroDivisionError("split_size has to be positive, but it is 0")
    return pieces(self, split_size, dim + self.dim() if dim < 0 else dim)


def chunk(self, n_chunks, dim=0):
    """n pieces along a dim, the last one smaller; a tuple of views."""
    if dim < 0:
        dim += self.dim()
    if n_chunks == 0:
        raise ZeroDivisionError("the number of chunks has to be positive, but it is 0")
    return split(self, (self.size(dim) + n_chunks - 1) // n_chunks, dim)


def unbind(self, dim=0):
    """The slices of a dim, that dim removed; a tuple of views."""
    return tuple([self.select(dim, i) for i in range(self.size(dim))])


def flatten(self):
    """All elements in one dim."""
    return view(contiguous(self), (-1,))


public("numel", {"(Tensor self)": lambda self: self.numel()}, types=ALL, method=False, doc="The number of elements.")
public("repeat", {"(Tensor self, int... sizes)": repeat, "(Tensor self)": lambda self: repeat(self, ())}, types=ALL,
       function=False, doc="Tile; copies. More sizes than dims add leading dims.")
public("squeeze", {"(Tensor self)": squeeze_all, "(Tensor self, int dim)": squeeze_dim}, types=ALL,
       doc="Without dims of size 1: all, or one.")
public("cat", {"(Tensors sequence, int dim=0)": cat_sequence, "(Tensors seq, int dim=0)": cat_sequence}, types=ALL,
       method=False,
       doc="Join a sequence of tensors along a dim.")
public("stack", {"(Tensors sequence, int dim=0)": stack}, types=ALL, method=False, doc=stack.__doc__)
for _function, *_signatures in (
        (split, "(Tensor self, int split_size, int dim=0)"), (unbind, "(Tensor self, int dim=0)"),
        (chunk, "(Tensor self, int chunks, int dim=0)", "(Tensor self, int n_chunks, int dim=0)"),
        (flatten, "(Tensor self)")):
    public(_function.__name__, dict.fromkeys(_signatures, _function), types=ALL, doc=_function.__doc__)


def on_itself(kernel):
    """A view made by a kernel, that takes the place of self."""
    return lambda self, *args: set_view(self, kernel(self, *args))


for _name, _kernel, *_signatures in (("t_", shape.t, "(Tensor self)"),
                                     ("transpose_", shape.transpose, "(Tensor self, int dim0, int dim1)"),
                                     ("squeeze_", shape.squeeze, "(Tensor self)", "(Tensor self, int dim)"),
                                     ("unsqueeze_", shape.unsqueeze, "(Tensor self, int dim)")):
    public(_name, dict.fromkeys(_signatures, on_itself(_kernel)), types=ALL + HALF, variable=False, function=False,
           doc="In place: %s." % _name[:-1])

engine_rows(sum_to=sum_to, clone=clone, t=t, subscript=subscript, cat=cat, unsqueeze=unsqueeze, view=view,
            expand=expand)
