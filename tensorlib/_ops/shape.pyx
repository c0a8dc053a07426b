"""Views and rearrangements: select, narrow, transpose, view, expand, unfold, cat, repeat, sum_to.

Views share the storage and copy nothing. Errors name the sizes.
"""
from libc.string cimport memcpy

from .copying cimport contiguous, copy_into, fill
from .copying import dense_copy
from .storage cimport gpu, itemsize
from .tensor cimport (MAXDIM, TensorBase, device_name, empty, hooks, is_contiguous, item, new_header, ptr, read_sizes,
                      set_sizes, size_along, size_text, type_name, view_of, wrap_dim)
from .types cimport F16

cdef enum:
    FEW = 4096          # elements whose copies take less time than finding out how to copy them


def view(TensorBase self not None, sizes):
    """The same elements in other sizes; one of them may be -1. Needs a contiguous tensor."""
    cdef Py_ssize_t wanted[MAXDIM]
    cdef TensorBase header
    cdef int n = infer_sizes(self, sizes, wanted)
    if not is_contiguous(self):
        raise RuntimeError("input is not contiguous: view() of a tensor of size [%s] with strides %s; call "
                           "contiguous() first" % (size_text(self), (<object>self).stride()))
    header = new_header(self.dtype, self.device)
    set_sizes(header, n, wanted)
    if header.numel_ != self.numel_:
        raise invalid_sizes(self, sizes)
    header.store, header.offset = self.store, self.offset
    return header


cdef object invalid_sizes(TensorBase self, object sizes):
    return RuntimeError("size '[%s]' is invalid for input of with %d elements"
                        % (" x ".join(map(str, sizes)), self.numel_))


cdef int infer_sizes(TensorBase self, object sizes, Py_ssize_t* wanted) except -1:
    """Read sizes, working out one -1; returns how many."""
    cdef int n = read_sizes(sizes, wanted), d, unknown = -1
    cdef Py_ssize_t known = 1
    for d in range(n):
        if wanted[d] == -1:
            if unknown >= 0:
                raise RuntimeError("only one dimension can be inferred, but %s has two -1" % (list(sizes),))
            unknown = d
        else:
            known *= wanted[d]
    if unknown >= 0:
        if known == 0 or self.numel_ % known != 0:
            raise invalid_sizes(self, sizes)
        wanted[unknown] = self.numel_ // known
    return n


def select(TensorBase self not None, int dim, Py_ssize_t index):
    """One position of a dim, that dim removed; of a 1-D tensor, a view of one element."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef int d, n = 0
    dim = wrap_dim(self, dim)
    if index < -self.sizes[dim] or index >= self.sizes[dim]:
        raise IndexError("index %d is out of range for dimension %d (of size %d)" % (index, dim, self.sizes[dim]))
    if index < 0:
        index += self.sizes[dim]
    for d in range(self.ndim):
        if d != dim:
            sizes[n], strides[n] = self.sizes[d], self.strides[d]
            n += 1
    if n == 0:
        sizes[0], strides[0], n = 1, 1, 1
    return view_of(self, self.offset + index * self.strides[dim], n, sizes, strides)


def narrow(TensorBase self not None, int dim, Py_ssize_t start, Py_ssize_t length):
    """`length` positions of a dim from `start` on."""
    cdef Py_ssize_t sizes[MAXDIM]
    dim = wrap_dim(self, dim)
    if start < 0 or length <= 0 or length > self.sizes[dim] - start:
        raise RuntimeError("start (%d) and length (%d) out of range for dimension %d of size %d"
                           % (start, length, dim, self.sizes[dim]))
    memcpy(sizes, self.sizes, sizeof(sizes))
    sizes[dim] = length
    return view_of(self, self.offset + start * self.strides[dim], self.ndim, sizes, self.strides)


def pieces(TensorBase self not None, Py_ssize_t size, int dim):
    """The views of `size` positions of a dim each, the last one with what is left."""
    cdef Py_ssize_t whole = size_along(self, dim), start
    return tuple([narrow(self, dim, start, min(size, whole - start)) for start in range(0, whole, size)])


def stepped(TensorBase self not None, int dim, Py_ssize_t start, Py_ssize_t length, Py_ssize_t step):
    """Every step-th of the positions of a dim, `length` of them."""
    cdef TensorBase v
    dim = wrap_dim(self, dim)
    if step <= 0 or length > 1 and step > self.sizes[dim]:
        raise RuntimeError("a step of %d is out of range for dimension %d of size %d" % (step, dim, self.sizes[dim]))
    v = narrow(self, dim, start, (length - 1) * step + 1 if length > 1 else length)
    v.numel_ = v.numel_ // v.sizes[dim] * length
    v.sizes[dim] = length
    v.strides[dim] *= step
    return v


def transpose(TensorBase self not None, int dim0, int dim1):
    """Two dims exchanged."""
    cdef TensorBase v
    dim0, dim1 = wrap_dim(self, dim0), wrap_dim(self, dim1)
    v = view_of(self, self.offset, self.ndim, self.sizes, self.strides)
    v.sizes[dim0], v.sizes[dim1] = self.sizes[dim1], self.sizes[dim0]
    v.strides[dim0], v.strides[dim1] = self.strides[dim1], self.strides[dim0]
    return v


def t(TensorBase self not None):
    """The transpose of a matrix."""
    if self.ndim != 2:
        raise RuntimeError("t() expects a 2D tensor, but self is %dD" % self.ndim)
    return transpose(self, 0, 1)


def permute(TensorBase self not None, dims):
    """The dims in a given order."""
    cdef Py_ssize_t order[MAXDIM]
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef int n = read_sizes(dims, order), d
    cdef unsigned taken = 0
    for d in range(n):
        if 0 <= order[d] < n:
            taken |= <unsigned>1 << order[d]
    if n != self.ndim or taken != (<unsigned>1 << n) - 1:
        raise AssertionError("Invalid permutation: %s of a tensor of %d dims" % (list(dims), self.ndim))
    for d in range(n):
        sizes[d], strides[d] = self.sizes[order[d]], self.strides[order[d]]
    return view_of(self, self.offset, n, sizes, strides)


def squeeze(TensorBase self not None, dim=None):
    """Without dims of size 1: all of them, or one if it is of size 1. One dim stays at least."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef int d, n = 0, only = -1
    if dim is not None:
        only = wrap_dim(self, dim)
    for d in range(self.ndim):
        if self.sizes[d] != 1 or only >= 0 and (d != only or self.ndim == 1):
            sizes[n], strides[n] = self.sizes[d], self.strides[d]
            n += 1
    if n == 0 and self.ndim > 0:
        sizes[0], strides[0], n = 1, 1, 1
    return view_of(self, self.offset, n, sizes, strides)


def unsqueeze(TensorBase self not None, int dim):
    """A dim of size 1 put in before position dim; -1 puts it last."""
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef int d, n = 0
    if self.ndim == 0:
        raise RuntimeError("cannot unsqueeze empty tensor")
    if dim < -self.ndim - 1 or dim > self.ndim:
        raise RuntimeError("dimension out of range (expected to be in range of [%d, %d], but got %d)"
                           % (-self.ndim - 1, self.ndim, dim))
    if self.ndim + 1 > MAXDIM:
        raise RuntimeError("a tensor has at most %d dims" % MAXDIM)
    if dim < 0:
        dim += self.ndim + 1
    for d in range(self.ndim + 1):
        if d == dim:
            sizes[d] = 1
            strides[d] = self.sizes[d] * self.strides[d] if d < self.ndim else 1
        else:
            sizes[d], strides[d] = self.sizes[n], self.strides[n]
            n += 1
    return view_of(self, self.offset, self.ndim + 1, sizes, strides)


def expand(TensorBase self not None, sizes):
    """Dims of size 1 stretched by stride 0; new dims may come first."""
    cdef Py_ssize_t wanted[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef int n = read_sizes(sizes, wanted), d, lead = n - self.ndim
    if lead < 0 or self.ndim == 0:
        raise RuntimeError("the number of sizes provided (%d) must be greater or equal to the number of dimensions in "
                           "the tensor (%d)" % (n, self.ndim))
    for d in range(n):
        if d < lead:
            if wanted[d] <= 0:
                raise RuntimeError("expand: size %d is not allowed in the new leading dim %d" % (wanted[d], d))
            strides[d] = 0
            continue
        if self.sizes[d - lead] == wanted[d]:
            strides[d] = self.strides[d - lead]
        elif self.sizes[d - lead] == 1 and wanted[d] > 0:
            strides[d] = 0
        else:
            raise RuntimeError("The expanded size of the tensor (%d) must match the existing size (%d) at "
                               "non-singleton dimension %d." % (wanted[d], self.sizes[d - lead], d))
    return view_of(self, self.offset, n, wanted, strides)


def unfold(TensorBase self not None, int dim, Py_ssize_t size, Py_ssize_t step):
    """Windows of `size` positions of a dim, every `step`, in a new last dim."""
    cdef TensorBase v
    dim = wrap_dim(self, dim)
    if size <= 0 or size > self.sizes[dim]:
        raise RuntimeError("maximum size for tensor at dimension %d is %d but size is %d"
                           % (dim, self.sizes[dim], size))
    if step <= 0:
        raise RuntimeError("step is %d but must be > 0" % step)
    v = unsqueeze(self, self.ndim)
    v.sizes[self.ndim], v.strides[self.ndim] = size, self.strides[dim]
    v.sizes[dim] = (self.sizes[dim] - size) // step + 1
    v.strides[dim] = self.strides[dim] * step
    v.numel_ = 1
    for d in range(v.ndim):
        v.numel_ *= v.sizes[d]
    return v


def diagonal(TensorBase self not None, Py_ssize_t offset):
    """The diagonal of a matrix as a view; RuntimeError where it has no element."""
    cdef Py_ssize_t size, stride = self.strides[0] + self.strides[1]
    cdef Py_ssize_t row = -offset if offset < 0 else 0, column = offset if offset > 0 else 0
    size = min(self.sizes[0] - row, self.sizes[1] - column)
    if size <= 0:
        raise RuntimeError("diagonal %d of a matrix of size [%s] has no element" % (offset, size_text(self)))
    return view_of(self, self.offset + row * self.strides[0] + column * self.strides[1], 1, &size, &stride)


def clone(TensorBase self not None):
    """A dense copy."""
    return dense_copy(self)


def alias(TensorBase self not None):
    """Another tensor object on the same memory."""
    return view_of(self, self.offset, self.ndim, self.sizes, self.strides)


def contiguous_view(TensorBase self not None):
    """A dense tensor of the same elements: an alias where self is dense, else a copy."""
    return alias(self) if is_contiguous(self) else dense_copy(self)


def cast(TensorBase self not None, int dtype):
    """A copy in another element type; self itself if it has that type."""
    cdef TensorBase out
    if self.dtype == dtype:
        return self
    out = empty(dtype, self.ndim, self.sizes, self.device)
    copy_into(out, self)
    return out


def moved(TensorBase self not None, int device, bint non_blocking=False):
    """The tensor on a GPU, or on the CPU (-1); itself where it lies there."""
    cdef TensorBase out
    if self.device == device:
        return self
    out = empty(self.dtype, self.ndim, self.sizes, device)
    if self.numel_ > 0:
        gpu().copy_across(out, self, non_blocking)
    return out


def cat(int dim, *tensors):
    """Join along a dim. Empty tensors are skipped; the other sizes must agree."""
    cdef TensorBase first = None, t, out
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t start = 0
    cdef bint dense = True
    if not tensors:
        raise RuntimeError("cat: seq can't be empty: there is no tensor in it")
    for t in tensors:
        if t.dtype != (<TensorBase>tensors[0]).dtype or t.device != (<TensorBase>tensors[0]).device:
            raise TypeError("cat: expected tensors of one type and device, but got %s and %s"
                            % (device_name(<TensorBase>tensors[0]), device_name(t)))
        if t.numel_ > 0:
            dense = dense and t.device < 0 and is_contiguous(t)
            first = t if first is None else first
    if first is None:
        return (<object>tensors[0]).new()
    dim = cat_dim(first, dim)
    memcpy(sizes, first.sizes, first.ndim * sizeof(Py_ssize_t))
    sizes[dim] = 0
    for t in tensors:
        if t.numel_ > 0:
            check_cat(first, t, dim)
            sizes[dim] += share_of(t, dim)
    out = empty(first.dtype, max(first.ndim, dim + 1), sizes, first.device)
    if dense and out.numel_ <= FEW:
        join_few(out, tensors, dim)
        return out
    for t in tensors:
        if t.numel_ > 0:
            copy_into(narrow(out, dim, start, share_of(t, dim)), t)
            start += share_of(t, dim)
    return out


cdef inline Py_ssize_t share_of(TensorBase t, int dim) noexcept:
    """What a part adds to a dim, which may be one beyond its last."""
    return t.sizes[dim] if dim < t.ndim else 1


cdef int join_few(TensorBase out, tuple parts, int dim) except -1:
    """Copy dense parts side by side: what a view and a copy of each cost counts where there are few elements."""
    cdef Py_ssize_t inner = out.strides[dim] * itemsize(out.dtype), line = inner * out.sizes[dim], run, i
    cdef Py_ssize_t lines = out.numel_ // (out.strides[dim] * out.sizes[dim])
    cdef char* place = ptr(out)
    cdef TensorBase t
    for t in parts:
        if t.numel_ > 0:
            run = inner * share_of(t, dim)
            for i in range(lines):
                memcpy(place + i * line, ptr(t) + i * run, run)
            place += run
    return 0


cdef int cat_dim(TensorBase first, int dim) except -1:
    """Negative dims count from the end; one beyond the last joins along a new dim."""
    if dim < 0:
        dim += first.ndim
    if dim < 0 or dim > first.ndim or dim >= MAXDIM:
        raise RuntimeError("cat: dimension out of range (expected to be in range of [%d, %d], but got %d)"
                           % (-first.ndim, first.ndim - 1, dim))
    return dim


cdef int check_cat(TensorBase first, TensorBase t, int dim) except -1:
    cdef int d
    cdef bint same = first.ndim == t.ndim
    for d in range(min(first.ndim, t.ndim)):
        same = same and (d == dim or first.sizes[d] == t.sizes[d])
    if not same:
        raise RuntimeError("inconsistent tensor sizes: cat along dimension %d of sizes [%s] and [%s]"
                           % (dim, size_text(first), size_text(t)))
    return 0


def repeat(TensorBase self not None, counts):
    """Tile: counts[d] copies along each dim; more counts than dims add leading dims. Copies."""
    cdef Py_ssize_t n[MAXDIM]
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t fine[MAXDIM]
    cdef int count = read_sizes(counts, n), d, lead = count - self.ndim
    cdef TensorBase out, tiled, source
    if lead < 0:
        raise ValueError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    for d in range(count):
        if n[d] <= 0:
            raise RuntimeError("repeat: expected counts > 0, but got %d" % n[d])
        sizes[d] = n[d] * (self.sizes[d - lead] if d >= lead else 1)
    if self.numel_ == 0:
        raise RuntimeError("repeat: the tensor is empty")
    out = empty(self.dtype, count, sizes, self.device)
    if 2 * count > MAXDIM:
        return repeat_by_cat(self, counts)
    tiled = new_header(self.dtype, self.device)         # every dim split in (copies, size)
    for d in range(count):
        fine[2 * d], fine[2 * d + 1] = n[d], self.sizes[d - lead] if d >= lead else 1
    set_sizes(tiled, 2 * count, fine)
    tiled.store = out.store
    source = self
    for d in range(count):
        source = unsqueeze(source, 0 if d < lead else 2 * d)
        if d < lead:
            source = unsqueeze(source, 0)
    copy_into(tiled, expand(source, (<object>tiled).size()))
    return out


cdef object repeat_by_cat(TensorBase self, counts):
    """Tiling for tensors of very many dims."""
    cdef object out = self
    for _ in range(len(counts) - self.ndim):
        out = unsqueeze(out, 0)
    for d, n in enumerate(counts):
        out = cat(d, *[out] * n)
    return out


def sum_to(TensorBase self not None, size):
    """Undo broadcasting: sum over the dims that expanding a tensor of `size` to self's sizes would add or stretch.

    Where the sizes do not broadcast but have as many elements (the pointwise fallback), a view of that size.
    """
    from .reduce import sum_to as sum_dims
    cdef int lead = self.ndim - len(size), d
    if lead < 0 or any([size[d] != 1 and size[d] != self.sizes[d + lead] for d in range(len(size))]):
        return view(contiguous(self), size)
    return sum_dims(self, size)


# ---- x[key] --------------------------------------------------------------------------------------------

cpdef bint is_int(object k):
    """A Python int or a NumPy integer scalar; no bool."""
    if isinstance(k, int):
        return not isinstance(k, bool)
    return hasattr(k, "__index__") and getattr(k, "shape", None) == () and not isinstance(k, TensorBase)


cpdef str kind_name(object key):
    """What a user gave, by the name of its type."""
    if isinstance(key, TensorBase):
        return type_name(<TensorBase>key)
    return ("numpy." if type(key).__module__ == "numpy" else "") + type(key).__name__


cpdef object unsupported_key(str kind):
    """The TypeError for a key that is none."""
    return TypeError("indexing a tensor with an object of type %s. The only supported types are integers, slices, "
                     "numpy scalars and tensorlib.LongTensor or tensorlib.ByteTensor as the only argument." % kind)


cdef Py_ssize_t start_of(object k, int dim, Py_ssize_t n) except -1:
    """The position that an int takes of a dim of size n; IndexError where there is none."""
    cdef object i = int(k)
    if not -n <= i < n:
        raise IndexError("index %d is out of range for dimension %d (of size %d)" % (i, dim, n))
    return i if i >= 0 else i + n


cdef Py_ssize_t length_of(object key, Py_ssize_t n, Py_ssize_t* start, Py_ssize_t* step) except -1:
    """How many positions a slice takes of a dim of size n; ValueError where it is empty or goes backwards."""
    cdef Py_ssize_t stop
    if key.step is not None and key.step <= 0:
        raise ValueError("slice step has to be greater than 0, but is %r" % (key.step,))
    start[0], stop, step[0] = key.indices(n)
    if stop <= start[0]:
        raise ValueError("result of slicing is an empty tensor: %r of a dimension of size %d" % (key, n))
    return (stop - start[0] + step[0] - 1) // step[0]


cdef int check_keys(TensorBase self, tuple keys, bint in_tuple) except -1:
    """Raise unless the keys are ints, slices, None and one ellipsis, no more than dims; return how many they take."""
    cdef int used = 0, dots = 0
    for k in keys:
        if k is Ellipsis:
            dots += 1
        elif k is None:
            if self.ndim == 0:
                raise RuntimeError("cannot unsqueeze empty tensor")
        else:
            if isinstance(k, str):
                raise IndexError("a tensor cannot be indexed with the string %r" % k)
            if not isinstance(k, slice) and not is_int(k):
                raise unsupported_key(kind_name(k))
            used += 1
    if self.ndim == 0 and used == len(keys) == 1 and not in_tuple:
        raise RuntimeError("an empty tensor has no dimension to index with %r" % (keys[0],))
    if used > self.ndim:
        raise IndexError("trying to index %d dimensions of a %d dimensional tensor" % (used, self.ndim))
    if dots > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    return used


cdef TensorBase window(TensorBase self, object key, bint* element):
    """The view that a key of ints, slices, None and one ellipsis takes; element: it is one element, of no dims."""
    cdef tuple keys = <tuple>key if isinstance(key, tuple) else (key,)
    cdef Py_ssize_t sizes[MAXDIM]
    cdef Py_ssize_t strides[MAXDIM]
    cdef Py_ssize_t offset = self.offset, start, step
    cdef int dim = 0, n = 0, rest = self.ndim - check_keys(self, keys, isinstance(key, tuple))
    if self.ndim + len(keys) > MAXDIM:
        raise RuntimeError("a tensor has at most %d dims" % MAXDIM)
    for k in keys + (Ellipsis,):
        if k is Ellipsis:                   # at the end once more, for the dims that are left
            while rest > 0:
                sizes[n], strides[n] = self.sizes[dim], self.strides[dim]
                n, dim, rest = n + 1, dim + 1, rest - 1
        elif k is None:
            sizes[n] = 1
            strides[n] = self.sizes[dim] * self.strides[dim] if dim < self.ndim else 1
            n += 1
        elif isinstance(k, slice):
            sizes[n] = length_of(k, self.sizes[dim], &start, &step)
            strides[n] = self.strides[dim] * step
            offset += start * self.strides[dim]
            n, dim = n + 1, dim + 1
        else:
            offset += start_of(k, dim, self.sizes[dim]) * self.strides[dim]
            dim += 1
    element[0] = n == 0 and self.ndim > 0
    if element[0]:
        sizes[0], strides[0], n = 1, 1, 1
    return view_of(self, offset, n, sizes, strides)


cdef inline bint is_plain(object k):
    return type(k) is int or type(k) is slice or k is None or k is Ellipsis


cdef bint plain_key(object key):
    if type(key) is not tuple:
        return is_plain(key)
    for k in <tuple>key:
        if not is_plain(k):
            return False
    return len(<tuple>key) > 0


def subscript(TensorBase self not None, key):
    """The view self[key] for ints, slices, None and one ellipsis; of one element where the key takes all dims."""
    cdef bint element
    return window(self, key, &element)


def subscripted(TensorBase self not None, key):
    """subscript(), and whether it is one element, which stands for a number."""
    cdef bint element
    view = window(self, key, &element)
    return view, element


def getitem(TensorBase self not None, key):
    """self[key] of a tensor: a view, a number where the key takes all dims; what is no such key goes to indexing.py."""
    cdef bint element
    cdef TensorBase view
    if self.sparse or not plain_key(key):
        return hooks["getitem_by_others"](self, key)
    view = window(self, key, &element)
    return item(view, view.offset) if element else view


def setitem(TensorBase self not None, key, value):
    """self[key] = value of a tensor: a number or a tensor; the rest goes to indexing.py."""
    cdef bint element
    cdef TensorBase view
    if not self.sparse and plain_key(key):
        if type(value) is int or type(value) is float and self.dtype >= F16:
            view = window(self, key, &element)
            fill(view, value)
            return
        if isinstance(value, TensorBase) and not (<TensorBase>value).sparse:
            view = window(self, key, &element)
            if not element:
                copy_into(view, <TensorBase>value)
                return
    hooks["setitem_by_others"](self, key, value)


def scatter_window(TensorBase self not None, size, str kind, arguments, value=0):
    """A tensor of `size` full of a value, with self put into the view that `kind` (select, narrow, ...) makes of it.

    The derivative of a view. Windows of `unfold` may overlap, so that elements add up.
    """
    cdef Py_ssize_t wanted[MAXDIM]
    cdef TensorBase out = empty(self.dtype, read_sizes(size, wanted), wanted, self.device)
    fill(out, value)
    window = globals()[kind](out, *arguments)
    if kind != "unfold":
        copy_into(window, self)
        return out
    for i in range((<TensorBase>window).sizes[(<TensorBase>window).ndim - 1]):
        part = select(window, -1, i)
        part += select(self, -1, i)
    return out


def take_dense(TensorBase self not None, TensorBase offsets not None):
    """The elements at int64 offsets into dense self, in the sizes of the offsets."""
    from .index import take_flat
    return take_flat(contiguous(self), offsets)


def put_add(TensorBase self not None, TensorBase offsets not None, size):
    """Zeros of `size` with the elements of self added at int64 offsets."""
    from .index import put_flat
    cdef Py_ssize_t wanted[MAXDIM]
    cdef TensorBase out = empty(self.dtype, read_sizes(size, wanted), wanted, self.device)
    fill(out, 0)
    put_flat(out, offsets, self, True)
    return out
