"""Pointwise kernels as callables, and the operators of tensors.

A Pointwise looks its row function up by element type, works out sizes and hands over to the driver.
Numbers enter as operands of stride 0. It knows no Variables.
"""
import warnings

from libc.string cimport memchr, memcpy
from libc.stdint cimport uint32_t, uint64_t

from cpython.object cimport PyObject

from .blocks cimport blocks
from .classes cimport call_through, count_of, tuple_items, tuple_of
from .copying cimport copy_into, overlaps
from .dispatch cimport find
from .dispatch import DTYPE_NAMES
from .driver cimport MAXARG, Job, run
from .numbers cimport store_number
from .parallel cimport GRAIN, LIGHT
from .storage cimport gpu, itemsize
from .tensor cimport (ADD, AND, DIV, EQ, GE, GT, IADD, IAND, IDIV, ILSHIFT, IMUL, IOR, IPOW, IRSHIFT, ISUB, IXOR, LE,
                      LSHIFT, LT, MOD, MUL, NE, OR, POW, RDIV, RSHIFT, RSUB, SUB, XOR, TensorBase, device_name, empty,
                      empty_like, hooks, is_contiguous, ptr, same_size, set_binary_hook, size_text, type_name)
from .types cimport F16, NDTYPE, U8, row_fn

cdef enum:
    SMALL = 256         # below this many elements a dense operation skips the driver

cdef bint warn_of_broadcast = False     # utils.backcompat.broadcast_warning
# Operands that are numbers in the second form of a kernel, where they are not just the last one; and the kernel that
# does the same with its two operands exchanged.
NUMBERS = {"clamp": (2, 3), "add_scaled": (2,), "sub_scaled": (2,), "addcmul": (2,), "addcdiv": (2,)}
MIRRORED = {"add": "add", "mul": "mul", "sub": "rsub", "rsub": "sub", "div": "rdiv", "rdiv": "div"}
# Operations that take as long as their operands take to be read.
LIGHT_WORK = frozenset(["add", "sub", "rsub", "mul", "cmax", "cmin", "clamp", "clamp_min", "clamp_max", "add_scaled",
                        "sub_scaled", "addcmul", "neg", "abs", "sign", "eq", "ne", "lt", "le", "gt", "ge", "where",
                        "bitand", "bitor", "bitxor", "floor", "ceil", "trunc", "round", "lerp", "threshold"])
SHOWN = {"cmax": "max", "cmin": "min", "rsub": "sub", "rdiv": "div"}      # kernels -> what users call them


cdef class Pointwise:
    """The kernels of one pointwise operation, one for each element type."""
    cdef readonly str name
    cdef readonly str shown             # the name in errors: that of the public operation
    cdef readonly int n_in
    cdef readonly bint to_byte          # the result is a ByteTensor (comparisons)
    cdef readonly bint masked           # the first operand is a mask: a ByteTensor
    cdef readonly int divisor           # operand that must hold no zero on integer types, or -1
    cdef unsigned numbers               # operands that are numbers in the second form, as bits
    cdef Py_ssize_t grain               # elements that are worth several threads
    cdef row_fn rows[NDTYPE]
    cdef row_fn number_rows[NDTYPE]     # the second form, or NULL
    cdef row_fn mirror_rows[NDTYPE]     # that of the mirrored kernel
    cdef void* vectorcall

    def __cinit__(self):
        self.vectorcall = <void*>call_pointwise

    def __init__(self, str name, int n_in, to_byte=False, masked=False, divisor=-1):
        cdef int dtype
        if n_in + 1 > MAXARG:
            raise ValueError("%s: more than %d operands" % (name, MAXARG - 1))
        self.name, self.n_in, self.to_byte, self.masked, self.divisor = name, n_in, to_byte, masked, divisor
        self.shown = SHOWN.get(name, name.replace("_same", ""))
        self.grain = LIGHT if name in LIGHT_WORK else GRAIN
        self.numbers = sum([1 << place for place in NUMBERS.get(name, (n_in,))])
        for dtype in range(NDTYPE):
            self.rows[dtype] = <row_fn>find(name, dtype)
            self.number_rows[dtype] = <row_fn>find(name + "_number", dtype)
            self.mirror_rows[dtype] = <row_fn>find(MIRRORED.get(name, "") + "_number", dtype)
        if not self.dtypes():
            raise ValueError("%s: no kernel of that name" % name)

    def dtypes(self):
        """Codes of the element types that have a kernel."""
        return [d for d in range(NDTYPE) if self.rows[d] != NULL]

    def inplace(self, *args):
        """The operation on args[0], written into it."""
        return pointwise(self, tuple_items(args), len(args), <TensorBase?>args[0])

    def into(self, TensorBase out not None, *args):
        """The operation written into out, which must have the size of the result."""
        return pointwise(self, tuple_items(args), len(args), out)


cdef Pointwise _any = Pointwise.__new__(Pointwise)
call_through(Pointwise, <char*>&_any.vectorcall - <char*><void*>_any)


cdef object call_pointwise(object op, PyObject** args, size_t n, PyObject* names):
    if names != NULL:
        raise TypeError("%s() takes no keyword arguments" % (<Pointwise>op).name)
    return pointwise(<Pointwise>op, args, count_of(n), None)


cdef object pointwise(Pointwise op, PyObject** args, Py_ssize_t n, TensorBase out):
    """Run op on args (Tensors and numbers) into out, or into a new tensor."""
    cdef TensorBase first = None, t
    cdef tuple safe
    cdef Py_ssize_t i
    cdef bint dense = True
    if n != op.n_in:
        raise TypeError("%s() takes %d arguments, but %d were given" % (op.shown, op.n_in, n))
    if n == 2 and out is None and alike(op, args[0], args[1]):
        return small_pair(op, <TensorBase>args[0], <TensorBase>args[1])
    for i in range(op.masked, op.n_in):
        if isinstance(<object>args[i], TensorBase):
            first = <TensorBase>args[i]
            break
    if first is None:
        raise TypeError("%s(): expected a tensor among the arguments" % op.shown)
    if op.rows[first.dtype] == NULL:
        raise TypeError("%s() is not implemented for %s" % (op.shown, type_name(first)))
    for i in range(op.n_in):
        if not isinstance(<object>args[i], TensorBase):
            continue
        t = <TensorBase>args[i]
        if out is not None and t is not out and overlaps(out, t):
            safe = set_aside(tuple_of(args, n), out)
            return pointwise(op, tuple_items(safe), n, out)
        if t is not first:
            check_operand(op, first, t, i)
            dense = dense and (same_size(t, first)
                               or t.numel_ == 1 and t.ndim <= first.ndim and not warn_of_broadcast)
        dense = dense and (is_uniform(t) or is_contiguous(t))
    if op.divisor >= 0 and first.dtype < F16:
        check_divisor(op, first, <object>args[op.divisor])
    dense = dense and (out is None or is_contiguous(out) and same_size(out, first))
    if dense and first.numel_ <= SMALL and first.device < 0:
        return small(op, args, first, out)
    return general(op, tuple_of(args, n), first, out)


cdef inline bint alike(Pointwise op, PyObject* x, PyObject* y):
    """Whether x and y are two small dense tensors of one type and size, which is the usual case."""
    cdef TensorBase a, b
    if type(<object>x) is not type(<object>y) or op.masked or op.divisor >= 0 or not isinstance(<object>x, TensorBase):
        return False
    a, b = <TensorBase>x, <TensorBase>y
    return (a.numel_ <= SMALL and a.device < 0 and a.ndim > 0 and op.rows[a.dtype] != NULL and same_size(a, b)
            and is_contiguous(a) and is_contiguous(b))


cdef inline TensorBase small_pair(Pointwise op, TensorBase a, TensorBase b):
    cdef TensorBase out = empty(U8 if op.to_byte else a.dtype, a.ndim, a.sizes)
    cdef char* p[3]
    p[0], p[1], p[2] = ptr(out), ptr(a), ptr(b)
    op.rows[a.dtype](p, a.numel_)
    return out


cdef inline bint is_uniform(TensorBase t) noexcept:
    """Whether all elements are one: a number that was expanded, as gradients of sums are."""
    cdef int d
    for d in range(t.ndim):
        if t.strides[d] != 0 and t.sizes[d] != 1:
            return False
    return t.ndim > 0


cdef tuple set_aside(tuple args, TensorBase out):
    """The operands, with copies of those that writing into out would change."""
    cdef TensorBase copy
    cdef list safe = []
    for x in args:
        if isinstance(x, TensorBase) and x is not out and overlaps(out, <TensorBase>x):
            copy = empty_like(<TensorBase>x)
            copy_into(copy, <TensorBase>x)
            x = copy
        safe.append(x)
    return tuple(safe)


cdef int check_operand(Pointwise op, TensorBase first, TensorBase t, Py_ssize_t i) except -1:
    cdef int wanted = U8 if op.masked and i == 0 else first.dtype
    if t.device != first.device:
        raise RuntimeError("%s(): arguments are on different devices: %s and %s"
                           % (op.shown, device_name(first), device_name(t)))
    if t.dtype != wanted:
        raise wrong_operand(op.shown, type_name(t), wanted, op.n_in == 2 and not op.masked and op.name != "atan2")
    return 0


cdef object wrong_operand(str name, str got, int dtype, bint numbers):
    """The TypeError for an operand of a wrong type; numbers: whether a number could stand there."""
    wanted = "tensorlib.%sTensor" % DTYPE_NAMES[dtype]
    if not numbers:
        return TypeError("%s received an invalid combination of arguments - got (!%s!), but expected (%s)"
                         % (name, got, wanted))
    why = "\n      didn't match because some of the arguments have invalid types: (!%s!)\n" % got
    return TypeError("%s received an invalid combination of arguments - got (%s), but expected one of:\n * (%s value)%s"
                     " * (%s other)%s" % (name, got, "float" if dtype >= F16 else "int", why, wanted, why))


cdef int check_divisor(Pointwise op, TensorBase first, object divisor) except -1:
    """Whole numbers divided by zero would trap: raise before anything is written. On a GPU, which does not trap, the
    elements of a tensor are looked at there."""
    cdef TensorBase zeros
    cdef uint64_t number = 0
    if first.device >= 0 and isinstance(divisor, TensorBase):
        gpu().check_divisor(op.name, divisor)
        return 0
    if isinstance(divisor, TensorBase):
        zeros = equal_to_zero(divisor, 0)
        if zeros.numel_ == 0 or memchr(ptr(zeros), 1, zeros.numel_) == NULL:
            return 0
    else:
        write_number(<char*>&number, first.dtype, divisor, op.shown)
        if number != 0:                 # as it is after wrapping: 256 is 0 for a ByteTensor
            return 0
    raise ZeroDivisionError("%s(): division of a %s by zero" % (op.shown, type_name(first)))


cdef object small(Pointwise op, PyObject** args, TensorBase first, TensorBase out):
    """Few elements, all operands dense and of one size, or one number: one call of the row function."""
    cdef uint64_t constants[4][SMALL]
    cdef char* p[MAXARG]
    cdef Py_ssize_t n = first.numel_, i, used = 0
    cdef row_fn fn = op.number_rows[first.dtype]
    cdef bint numbers = fn != NULL      # whether all operands that fn takes as numbers are some
    cdef TensorBase t
    for i in range(op.n_in):
        numbers = numbers and not (op.numbers >> (i + 1) & 1 and isinstance(<object>args[i], TensorBase))
    if not numbers:
        fn = op.rows[first.dtype]
    for i in range(op.n_in):
        t = <TensorBase>args[i] if isinstance(<object>args[i], TensorBase) else None
        if t is not None and (n == 1 or not is_uniform(t)):
            p[i + 1] = ptr(t)
            continue
        if used == 4:
            return general(op, tuple_of(args, op.n_in), first, out)
        p[i + 1] = <char*>constants[used]
        used += 1
        if t is not None:
            spread(p[i + 1], ptr(t), n, itemsize(t.dtype))
        else:
            write_number(p[i + 1], first.dtype, <object>args[i], op.shown)
            if not (numbers and op.numbers >> (i + 1) & 1):
                spread(p[i + 1], p[i + 1], n, itemsize(first.dtype))
    if out is None:
        out = empty(U8 if op.to_byte else first.dtype, first.ndim, first.sizes)
    p[0] = ptr(out)
    if n > 0:
        fn(p, n)
    return out


cdef void spread(char* p, const char* number, Py_ssize_t n, int size) noexcept:
    """n copies of a number at p."""
    cdef Py_ssize_t i
    if size == 4:
        for i in range(n):
            (<uint32_t*>p)[i] = (<uint32_t*>number)[0]
    elif size == 8:
        for i in range(n):
            (<uint64_t*>p)[i] = (<uint64_t*>number)[0]
    else:
        for i in range(n):
            memcpy(p + i * size, number, size)


cdef int write_number(char* p, int dtype, object value, str name) except -1:
    try:
        store_number(p, dtype, value)
    except TypeError:
        raise wrong_operand(name, type(value).__name__, dtype, True) from None
    return 0


cdef object general(Pointwise op, tuple args, TensorBase first, TensorBase out):
    """Any sizes and strides: broadcast, then the driver."""
    cdef Job job
    cdef uint64_t numbers[MAXARG]
    cdef Py_ssize_t i
    cdef int d, dtype = first.dtype
    cdef unsigned immediate = 0         # operands that are numbers
    cdef bint flat = False
    if out is not None and out.device != first.device:
        raise RuntimeError("%s(): arguments are on different devices: %s and %s"
                           % (op.shown, device_name(out), device_name(first)))
    job.ndim = -1                       # no operand yet
    if out is not None:
        set_job_sizes(&job, out)
        for x in args:
            if isinstance(x, TensorBase) and not expands(<TensorBase>x, &job):
                flat = fall_back(op, <TensorBase>x, out)
    else:
        for x in args:
            if isinstance(x, TensorBase) and not widen(&job, <TensorBase>x):
                flat = fall_back(op, <TensorBase>x, first)
        if warn_of_broadcast:
            warn_where_broadcast(op, args, first)
        if flat:
            out = empty(U8 if op.to_byte else first.dtype, first.ndim, first.sizes, first.device)
        else:
            out = empty(U8 if op.to_byte else first.dtype, job.ndim, job.sizes, first.device)
    if out.numel_ == 0:
        return out
    if flat:
        return flattened(op, args, first, out)
    job.fn, job.number_fn, job.mirror_fn = op.rows[dtype], op.number_rows[dtype], op.mirror_rows[dtype]
    job.numbers, job.copies, job.grain = op.numbers, False, op.grain
    job.n_args, job.n_out = op.n_in + 1, 1
    enter(&job, 0, out)
    for i in range(op.n_in):
        if isinstance(args[i], TensorBase):
            enter(&job, <int>i + 1, <TensorBase>args[i])
            continue
        write_number(<char*>&numbers[i + 1], dtype, args[i], op.shown)
        immediate |= <unsigned>2 << i
        job.base[i + 1] = <char*>&numbers[i + 1]
        job.itemsize[i + 1] = itemsize(dtype)
        for d in range(job.ndim):
            job.strides[i + 1][d] = 0
    if first.device >= 0:
        gpu().pointwise(op.name, dtype, first.device, blocks(&job, immediate))
    elif out.numel_ < 2048:
        run(&job)
    else:
        with nogil:
            run(&job)
    return out


cdef void set_job_sizes(Job* job, TensorBase t) noexcept:
    cdef int d
    job.ndim = t.ndim
    for d in range(t.ndim):
        job.sizes[d] = t.sizes[d]


cdef void enter(Job* job, int position, TensorBase t) noexcept:
    """Enter t as an operand, expanded to the job's sizes."""
    cdef int lead = job.ndim - t.ndim, d
    cdef int size = itemsize(t.dtype)
    job.base[position], job.itemsize[position] = ptr(t), size
    for d in range(job.ndim):
        job.strides[position][d] = 0 if d < lead or t.sizes[d - lead] == 1 else t.strides[d - lead] * size


cdef bint expands(TensorBase t, Job* job) noexcept:
    """Whether t broadcasts to the job's sizes."""
    cdef int lead = job.ndim - t.ndim, d
    if lead < 0 or t.ndim == 0 and job.ndim > 0:
        return False
    for d in range(t.ndim):
        if t.sizes[d] != 1 and t.sizes[d] != job.sizes[d + lead]:
            return False
    return True


cdef bint widen(Job* job, TensorBase t) noexcept:
    """Broadcast the job's sizes with those of t; False where they do not match."""
    cdef int d, lead = t.ndim - job.ndim
    if job.ndim < 0:
        set_job_sizes(job, t)
        return True
    if t.ndim == 0 or job.ndim == 0:
        return t.ndim == job.ndim
    for d in range(1, min(t.ndim, job.ndim) + 1):
        if t.sizes[t.ndim - d] != job.sizes[job.ndim - d] and t.sizes[t.ndim - d] != 1 and job.sizes[job.ndim - d] != 1:
            return False
    if lead > 0:
        for d in range(t.ndim - 1, -1, -1):
            job.sizes[d] = job.sizes[d - lead] if d >= lead else 1
        job.ndim = t.ndim
        lead = 0
    for d in range(t.ndim):
        if t.sizes[d] != 1:
            job.sizes[d - lead] = t.sizes[d]
    return True


cdef bint fall_back(Pointwise op, TensorBase t, TensorBase first) except *:
    """Sizes that do not broadcast: go element by element where the numbers of elements agree, else raise."""
    if t.numel_ != first.numel_:
        raise do_not_broadcast(op, t, first)
    warnings.warn("%s(): sizes [%s] and [%s] do not broadcast, but have the same number of elements. "
                  "Falling back to deprecated pointwise behavior." % (op.shown, size_text(first), size_text(t)),
                  UserWarning, stacklevel=3)
    return True


cdef object do_not_broadcast(Pointwise op, TensorBase t, TensorBase first):
    return RuntimeError("%s(): sizes [%s] and [%s] do not broadcast, and have %d and %d elements: inconsistent "
                        "tensor size" % (op.shown, size_text(first), size_text(t), first.numel_, t.numel_))


cdef int warn_where_broadcast(Pointwise op, tuple args, TensorBase first) except -1:
    for x in args:
        if isinstance(x, TensorBase) and not same_size(<TensorBase>x, first) and (<TensorBase>x).numel_ == first.numel_:
            warnings.warn("%s(): sizes [%s] and [%s] are broadcast now; before, they went element by element"
                          % (op.shown, size_text(first), size_text(<TensorBase>x)), UserWarning, stacklevel=3)
    return 0


cdef object flattened(Pointwise op, tuple args, TensorBase first, TensorBase out):
    """The operation on the operands' elements in order."""
    for x in args:
        if isinstance(x, TensorBase) and (<TensorBase>x).numel_ != first.numel_ and (<TensorBase>x).numel_ != 1:
            raise do_not_broadcast(op, <TensorBase>x, first)
    dense = tuple([(<object>x).contiguous().view(-1) if isinstance(x, TensorBase) else x for x in args])
    result = op(*dense)
    (<object>out).copy_((<object>result).view(*(<object>out).size()))
    return out


# ---- operators ----------------------------------------------------------------------------------------

cdef Pointwise equal_to_zero
cdef Pointwise K_ADD, K_SUB, K_RSUB, K_MUL, K_DIV, K_RDIV, K_MOD, K_POW
cdef Pointwise K_AND, K_OR, K_XOR, K_LSHIFT, K_RSHIFT, K_EQ, K_NE, K_LT, K_LE, K_GT, K_GE


cdef Pointwise kernel_of(int code):
    if code == ADD or code == IADD:
        return K_ADD
    if code == MUL or code == IMUL:
        return K_MUL
    if code == SUB or code == ISUB:
        return K_SUB
    if code == DIV or code == IDIV:
        return K_DIV
    if code == RSUB:
        return K_RSUB
    if code == RDIV:
        return K_RDIV
    if code == MOD:
        return K_MOD
    if code == POW or code == IPOW:
        return K_POW
    if code == EQ:
        return K_EQ
    if code == NE:
        return K_NE
    if code == LT:
        return K_LT
    if code == LE:
        return K_LE
    if code == GT:
        return K_GT
    if code == GE:
        return K_GE
    if code == AND or code == IAND:
        return K_AND
    if code == OR or code == IOR:
        return K_OR
    if code == XOR or code == IXOR:
        return K_XOR
    if code == LSHIFT or code == ILSHIFT:
        return K_LSHIFT
    return K_RSHIFT


SYMBOLS = {ADD: "+", SUB: "-", RSUB: "-", MUL: "*", DIV: "/", RDIV: "/", MOD: "%", POW: "**", AND: "&", OR: "|",
           XOR: "^", LSHIFT: "<<", RSHIFT: ">>", IADD: "+=", ISUB: "-=", IMUL: "*=", IDIV: "/=", IPOW: "**=",
           IAND: "&=", IOR: "|=", IXOR: "^=", ILSHIFT: "<<=", IRSHIFT: ">>="}


cdef object operate(int code, TensorBase self, object other):
    """Carry out a Python operator on a tensor."""
    cdef Pointwise op = kernel_of(code)
    cdef PyObject* args[2]
    if not isinstance(other, (TensorBase, int, float)) and not is_number(other):
        raise wrong_operand(op.shown, type(other).__name__, self.dtype, True)
    if self.sparse or isinstance(other, TensorBase) and (<TensorBase>other).sparse:
        return hooks["sparse_operator"](code, self, other)
    if op.rows[self.dtype] == NULL:
        return unsupported(code, self, other)
    args[0], args[1] = <PyObject*>self, <PyObject*>other
    return pointwise(op, args, 2, self if IADD <= code <= IRSHIFT else None)


cdef bint is_number(object x):
    """Whether a foreign scalar (NumPy's) may stand for a Python number."""
    return hasattr(x, "__float__") and getattr(x, "ndim", None) == 0


cdef object unsupported(int code, TensorBase self, object other):
    """Shifts of floats multiply and divide by powers of two; the rest has no kernel for this type."""
    if code in (LSHIFT, RSHIFT, ILSHIFT, IRSHIFT):
        return shift_real(code, self, other)
    if code in (AND, OR, XOR, IAND, IOR, IXOR):
        raise RuntimeError("%s%s is only supported for integer type tensors, not for %s"
                           % ("c" if isinstance(other, TensorBase) else "", kernel_of(code).name, type_name(self)))
    if code == POW or code == IPOW:
        raise AttributeError("%s has no operator **: integer tensors have no pow" % type_name(self))
    raise TypeError("%s has no operator %s" % (type_name(self), SYMBOLS.get(code, "of comparison")))


cdef object shift_real(int code, TensorBase self, object other):
    cdef Pointwise op = K_DIV
    if code in (LSHIFT, ILSHIFT):
        op = K_MUL
    two = (<object>self).new(1).fill_(2)
    factor = K_POW(two, other) if isinstance(other, TensorBase) else 2.0 ** other
    return op.inplace(self, factor) if code in (ILSHIFT, IRSHIFT) else op(self, factor)


def set_up():
    """Look up the operators' kernels (after the kernel files are loaded) and hand them to the tensors."""
    global equal_to_zero, K_ADD, K_SUB, K_RSUB, K_MUL, K_DIV, K_RDIV, K_MOD, K_POW
    global K_AND, K_OR, K_XOR, K_LSHIFT, K_RSHIFT, K_EQ, K_NE, K_LT, K_LE, K_GT, K_GE
    K_ADD, K_SUB, K_RSUB, K_MUL = Pointwise("add", 2), Pointwise("sub", 2), Pointwise("rsub", 2), Pointwise("mul", 2)
    K_DIV, K_RDIV = Pointwise("div", 2, divisor=1), Pointwise("rdiv", 2, divisor=0)
    K_MOD, K_POW = Pointwise("remainder", 2, divisor=1), Pointwise("pow", 2)
    K_AND, K_OR, K_XOR = Pointwise("bitand", 2), Pointwise("bitor", 2), Pointwise("bitxor", 2)
    K_LSHIFT, K_RSHIFT = Pointwise("lshift", 2), Pointwise("rshift", 2)
    K_EQ, K_NE, K_LT = (Pointwise(name, 2, to_byte=True) for name in ("eq", "ne", "lt"))
    K_LE, K_GT, K_GE = (Pointwise(name, 2, to_byte=True) for name in ("le", "gt", "ge"))
    equal_to_zero = K_EQ
    set_binary_hook(operate)


def set_broadcast_warning(bint on):
    """Warn where sizes broadcast that went element by element before v0.2; returns what it was."""
    global warn_of_broadcast
    before, warn_of_broadcast = warn_of_broadcast, on
    return before


set_up()
