"""VariableBase: a tensor, its gradient, and where it came from. The Python class on top is autograd.Variable.

Rows, and what recording makes of them, come in by hooks from the layers above: operators, indexing, `grad_fn`.
"""
cimport cython
from cpython.object cimport PyObject

from .copying cimport contiguous
from .classes cimport keep_objects, new_object, set_class_attribute, slot_of_number
from .shape cimport plain_key
from .sparse cimport geometry
from .tensor cimport (ADD, DIV, EQ, GE, GT, LE, LT, MOD, MUL, NE, POW, RDIV, RSUB, SUB, TensorBase, hooks, same_size,
                      size_along, size_text, type_name)

cdef tuple NO_ARGUMENTS = ()
cdef slice WHOLE = slice(None)
variable_class = None                   # autograd.Variable, set by `set_variable_class`
cdef operate_fn operate = NULL
cdef call_fn call_row = NULL
cdef show_fn show_node = NULL


@cython.freelist(64)
cdef class Version:
    def __cinit__(self):
        self.live = 1


# Not cleared by the garbage collector: __dealloc__ needs the version. Cycles are broken at nodes and dicts.
# An operator gets its operands in their order, as in C: then classes in Python take over its slot as it is.
@cython.no_gc_clear
@cython.c_api_binop_methods(True)
cdef class VariableBase:
    """A tensor with a history. The Python class on top is autograd.Variable."""

    def __init__(self, data=None, bint requires_grad=False, bint volatile=False):
        if data is None:
            data = hooks["default"]()
        if not isinstance(data, TensorBase):
            raise RuntimeError("Variable data has to be a tensor, but got %s" % type(data).__name__)
        if requires_grad and volatile:
            raise RuntimeError("Variable can't be volatile and require_grad at the same time!")
        self.data_, self.requires_grad_, self.volatile_ = <TensorBase>data, requires_grad, volatile

    def __dealloc__(self):
        if self.version is not None:
            self.version.live -= 1

    # Operators stay in C: `a + b` costs no Python frame.
    def __add__(a, b):
        return operate(ADD, ADD, a, b)

    def __sub__(a, b):
        return operate(SUB, RSUB, a, b)

    def __mul__(a, b):
        return operate(MUL, MUL, a, b)

    def __truediv__(a, b):
        return operate(DIV, RDIV, a, b)

    def __pow__(a, b, modulus):
        return operate(POW, RPOW, a, b)

    def __mod__(a, b):
        return operate(MOD, NONE, a, b)

    def __matmul__(a, b):
        return a.matmul(b) if isinstance(a, VariableBase) else NotImplemented

    def __neg__(self):
        cdef PyObject* me = <PyObject*>self
        return call_row("neg", &me, 1)

    def __iadd__(self, other):
        return self.add_(other)

    def __isub__(self, other):
        return self.sub_(other)

    def __imul__(self, other):
        return self.mul_(other)

    def __ipow__(self, other, modulus):
        raise NotImplementedError("in-place pow not implemented")

    def __richcmp__(self, other, int how):
        return operate(COMPARISONS[how], NONE, self, other)

    def __hash__(self):
        return <Py_ssize_t>(<void*>self) >> 4

    def __len__(self):
        return len(data_of(self))

    def __iter__(self):
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, key):
        cdef PyObject* args[2]
        if not plain_key(key):
            return hooks["getitem_by_others"](self, key)
        args[0], args[1] = <PyObject*>self, <PyObject*>key
        return call_row("subscript", args, 2)

    def dim(self):
        """Return the number of dims."""
        return geometry(data_of(self)).ndim

    def size(self, dim=None):
        """Return the sizes as a Size, or the size of one dim."""
        cdef TensorBase data = data_of(self)
        return (<object>data).size(dim) if data.sparse else size_along(data, dim)

    # Bound, so that these tell their parameters.
    @cython.binding(True)
    def contiguous(self):
        """Make the data dense, and return self."""
        self.data_ = contiguous(data_of(self))
        return self

    @cython.binding(True)
    def view_as(self, tensor):
        """View with the size of another Variable."""
        return laid_out("view", self, tensor.size())

    @cython.binding(True)
    def expand_as(self, tensor):
        """Expand to the size of another Variable or tensor."""
        return laid_out("expand", self, tensor.size())

    @cython.binding(True)
    def select(self, dim, _index):
        """Return one position of a dim, that dim removed."""
        return self[(WHOLE,) * (dim + self.dim() if dim < 0 else dim) + (_index,)]

    @cython.binding(True)
    def narrow(self, dim, start_index, length):
        """Return `length` positions of a dim from start_index on, as far as there are so many."""
        return self[(WHOLE,) * (dim + self.dim() if dim < 0 else dim) + (slice(start_index, start_index + length),)]

    @property
    def is_sparse(self):
        return data_of(self).sparse

    def detach(self):
        """Return a leaf on the same data, without history; in-place changes of either are counted together."""
        cdef VariableBase v = wrap(self.data_)
        v.volatile_ = self.volatile_
        v.version = version_of(self)
        v.version.live += 1
        return v

    @property
    def data(self):
        return self.data_

    @data.setter
    def data(self, value):
        if not isinstance(value, TensorBase):
            raise RuntimeError("Variable data has to be a tensor, but got %s" % type(value).__name__)
        self.data_ = value

    @property
    def grad(self):
        return self.grad_

    @grad.setter
    def grad(self, value):
        set_grad(self, value)

    @grad.deleter
    def grad(self):
        self.grad_ = None

    @property
    def _grad(self):
        return self.grad_

    @_grad.setter
    def _grad(self, value):
        set_grad(self, value)

    @property
    def requires_grad(self):
        return self.requires_grad_

    @requires_grad.setter
    def requires_grad(self, value):
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if not leaf(self):
            raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a "
                               "computed variable in a subgraph that doesn't require differentiation use var_no_grad = "
                               "var.detach().")
        self.requires_grad_ = value

    @property
    def volatile(self):
        return self.volatile_

    @volatile.setter
    def volatile(self, value):
        if not isinstance(value, bool):
            raise RuntimeError("volatile must be a bool")
        if not leaf(self):
            raise RuntimeError("volatile can only be set on leaf variables")
        self.volatile_ = value

    @property
    def is_leaf(self):
        return leaf(self)

    @property
    def grad_fn(self):
        return show_node(self)

    @property
    def _grad_fn(self):
        return self.grad_fn

    @_grad_fn.setter
    def _grad_fn(self, value):
        if value is not None:
            raise RuntimeError("_grad_fn can be only set to None, but got %s" % type(value).__name__)
        self.fn, self.creator, self.output_nr = None, None, 0

    @property
    def _version(self):
        return 0 if self.version is None else self.version.value


for _name in ("__add__", "__sub__", "__mul__", "__truediv__", "__mod__"):
    set_class_attribute(VariableBase, _name, slot_of_number(VariableBase, getattr(float, _name)))

cdef tuple COMPARISONS = (LT, LE, EQ, NE, GT, GE)


cdef inline TensorBase data_of(VariableBase v):
    if v.data_ is None:
        raise RuntimeError("a Variable has no data: its constructor was not called")
    return v.data_


cdef object laid_out(str name, VariableBase v, object size):
    """v.view(size) or v.expand(size)"""
    cdef PyObject* args[2]
    if not size or data_of(v).sparse:
        return getattr(v, name)(size)
    args[0], args[1] = <PyObject*>v, <PyObject*>size
    return call_row(name, args, 2)


cdef bint leaf(VariableBase v):
    return v.fn is None and (v.creator is None or v.volatile_)


cdef int set_grad(VariableBase v, object value) except -1:
    if value is None:
        v.grad_ = None
        return 0
    if not isinstance(value, VariableBase):
        raise RuntimeError("expected Variable or None (got %s)"
                           % (type_name(<TensorBase>value) if isinstance(value, TensorBase) else type(value).__name__))
    if value is v:
        raise RuntimeError("can't assign Variable as its own grad")
    check_gradient(v, <VariableBase>value)
    v.grad_ = <VariableBase>value
    return 0


cdef int check_gradient(VariableBase v, VariableBase g) except -1:
    if v.data_ is None or g.data_ is None:
        raise RuntimeError("a Variable has no data: its constructor was not called")
    if g.data_.dtype != v.data_.dtype or g.data_.device != v.data_.device:
        raise RuntimeError("assigned grad has data of a different type: expected %s, but got %s"
                           % (type_name(v.data_), type_name(g.data_)))
    if not same_size(geometry(g.data_), geometry(v.data_)):
        raise RuntimeError("assigned grad has data of a different size: expected %s, but got %s"
                           % (size_text(geometry(v.data_)), size_text(geometry(g.data_))))
    return 0


cdef VariableBase wrap(TensorBase data):
    cdef VariableBase v = <VariableBase>new_object(variable_class, NO_ARGUMENTS)
    v.data_ = data
    return v


cdef void release(PyObject* o) noexcept:
    """Empty a dead Variable: the next one takes its memory. What is empty as a rule is looked at only."""
    cdef VariableBase v = <VariableBase>o
    if v.version is not None:
        v.version.live -= 1
        v.version = None
    v.data_ = None
    if v.grad_ is not None:
        v.grad_ = None
    if v.fn is not None:
        v.fn = None
    if v.creator is not None:
        v.creator = None
    if v._backward_hooks is not None:
        v._backward_hooks = None
    if v._accumulated_hooks is not None:
        v._accumulated_hooks = None
    v.output_nr, v.requires_grad_, v.volatile_ = 0, False, False


cdef void set_hooks(operate_fn operator, call_fn call, show_fn show) noexcept:
    """What the layers above do for Variables: operators, rows by their names, what `grad_fn` shows."""
    global operate, call_row, show_node
    operate, call_row, show_node = operator, call, show


# ---- for the Python layer -----------------------------------------------------------------------------

def set_variable_class(cls):
    global variable_class
    variable_class = cls
    keep_objects(cls, VariableBase, release)


def init_variable(VariableBase v not None, TensorBase data, bint requires_grad, bint volatile):
    v.data_, v.requires_grad_, v.volatile_ = data, requires_grad, volatile


def wrap_output(TensorBase data not None, bint volatile=False):
    """A Variable on data, with no history."""
    cdef VariableBase v = wrap(data)
    v.volatile_ = volatile
    return v


def as_variable(x):
    """A bare tensor counts as a Variable that needs no gradient."""
    return x if isinstance(x, VariableBase) else variable_class(x)


def share_version(VariableBase a not None, VariableBase b not None):
    """Let b count in-place changes together with a: they are on one storage."""
    if b.version is not None:
        b.version.live -= 1
    b.version = version_of(a)
    b.version.live += 1


def go_together(int ndim, input, weight, bias):
    """Whether these are Variables of one type, input with ndim dims: what a layer expects as a rule. bias may be None.
    """
    cdef TensorBase x
    if not isinstance(input, VariableBase):
        return False
    x = (<VariableBase>input).data_
    if x is None or x.ndim != ndim or x.sparse:
        return False
    for other in (weight, bias):
        if other is not None and not (isinstance(other, VariableBase) and type((<VariableBase>other).data_) is type(x)):
            return False
    return True


def of_each_channel(input, *others):
    """Whether input is a Variable of 2 dims or more, and the others, None aside, tensors or Variables of its type with
    an element for each channel: what normalisation expects as a rule."""
    cdef TensorBase x
    if not isinstance(input, VariableBase):
        return False
    x = (<VariableBase>input).data_
    if x is None or x.ndim < 2:
        return False
    for other in others:
        if other is None:
            continue
        if isinstance(other, VariableBase):
            other = (<VariableBase>other).data_
        if type(other) is not type(x) or (<TensorBase>other).numel_ != x.sizes[1]:
            return False
    return True


def bump_version(VariableBase v not None):
    """Note an in-place change."""
    note_change(v)


def version_object(VariableBase v not None):
    """The Version object of a Variable."""
    return version_of(v)


def cut(VariableBase v not None):
    """Make v a leaf without history."""
    v.fn, v.creator, v.requires_grad_, v.output_nr = None, None, False, 0


def set_volatile(VariableBase v not None, bint volatile):
    v.volatile_ = volatile
    if volatile:
        v.fn, v.creator, v.requires_grad_ = None, None, False


def node_of(VariableBase v not None):
    """The recorded node, or None."""
    return v.fn
