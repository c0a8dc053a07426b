"""The random generator, and tensors filled from it.

Equal seeds give the numbers of PyTorch's CPU generator, call for call: which words each element takes, how they
become numbers and in which order a strided tensor is filled are all part of the contract. Nothing here releases
the GIL while it draws, which keeps two threads from drawing the same words.
"""
import os

from libc.math cimport ceil, cos, exp, fma, isfinite, log, log1p, sin, sqrt, tan
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from .copying cimport contiguous, copy_into
from .dispatch cimport get
from .gil cimport PyThreadState, let_go, take_back
from .tensor cimport TensorBase, empty, empty_like, is_contiguous, ptr, resize, same_size, size_text, type_name, view_of
from .types cimport F16, F32, F64, I8, I16, I32, I64, MAXDIM, U8, int8_t, int16_t, int32_t, number, real, uint8_t

cdef enum:
    WORDS = 624
    CHUNK = 1024            # words turned into numbers at a time
    STATE_BYTES = 5056      # of get_state; the layout is the one of the classic generator's struct
    NORMAL_BLOCK = 16       # from this size on dense tensors get normals by blocks

cdef double PI = 3.141592653589793
cdef double TWO_PI = 6.283185307179586

ctypedef void (*advance_fn)(uint32_t* state) noexcept nogil
ctypedef void (*temper_fn)(const uint32_t* state, uint32_t* words) noexcept nogil
ctypedef void (*uniform32_fn)(const uint32_t* words, float* out, Py_ssize_t n, float low, float width) noexcept nogil
ctypedef void (*uniform64_fn)(const uint32_t* words, double* out, Py_ssize_t n, double low, double width) noexcept nogil
ctypedef void (*normal32_fn)(float* x, Py_ssize_t n, float mean, float std) noexcept nogil
ctypedef void (*normal64_fn)(double* x, Py_ssize_t n, double mean, double std) noexcept nogil
ctypedef void (*mask32_fn)(float* x, Py_ssize_t n, uint64_t key, uint32_t limit, float scale) noexcept nogil
ctypedef void (*mask64_fn)(double* x, Py_ssize_t n, uint64_t key, uint32_t limit, double scale) noexcept nogil
ctypedef void (*fill_fn)(Generator g, char* out, Py_ssize_t n, double a, double b)

# The state as bytes: offsets in the struct that the classic generator wrote out whole.
cdef struct StateBytes:
    uint64_t seed
    int32_t left            # words left of this block, and one more
    int32_t seeded
    uint64_t next           # position in the block
    uint64_t[WORDS] state
    double unused_x
    double saved_normal
    double unused_rho
    int32_t has_saved_normal
    int32_t[3] unused


cdef advance_fn advance = NULL
cdef temper_fn temper = NULL


cdef class Generator:
    """Make a generator of its own random sequence.

    It starts from a seed that the system provides; give it one by `manual_seed` for repeatable numbers.

    Example:
        >>> g = Generator().manual_seed(1)
        >>> g.initial_seed()
        1
    """
    def manual_seed(self, seed):
        """Start the sequence that belongs to a seed.

        Args:
            seed: an int from -2**63 to 2**64 - 1; a negative one counts as 2**64 + seed.

        Returns:
            The generator.
        """
        value = seed.__index__() if hasattr(seed, "__index__") else None
        if value is None:
            raise TypeError("manual_seed(): expected an int, got %s" % type(seed).__name__)
        if not -2 ** 63 <= value < 2 ** 64:
            raise RuntimeError("manual_seed(): expected a seed of at most 64 bits, got %d" % value)
        self.first_seed = <uint64_t>(value % 2 ** 64)
        self.seeded = True
        self.started = False
        self.fresh = True
        self.has_saved_normal = False
        return self

    def seed(self):
        """Start a sequence from a seed that the system provides; return the seed."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self.first_seed

    def initial_seed(self):
        """Return the seed that the sequence started from, an int."""
        if not self.seeded:
            self.seed()
        return self.first_seed

    def get_state(self):
        """Return the whole state, a ByteTensor that `set_state` takes. PyTorch reads and writes the same bytes."""
        cdef Py_ssize_t size = STATE_BYTES, i
        cdef TensorBase out = empty(U8, 1, &size)
        cdef StateBytes* s = <StateBytes*>ptr(out)
        start(self)
        memset(s, 0, STATE_BYTES)
        s.seed = self.first_seed
        s.seeded = 1
        s.left = 1 if self.fresh else WORDS + 1 - self.position
        s.next = 0 if self.fresh else self.position
        for i in range(WORDS):
            s.state[i] = self.state[i]
        s.has_saved_normal = self.has_saved_normal
        s.saved_normal = self.saved_normal if self.has_saved_normal else 0
        return out

    def set_state(self, TensorBase state not None):
        """Continue from a state that `get_state` returned."""
        cdef StateBytes* s
        cdef Py_ssize_t i
        if state.dtype != U8 or state.device != -1:
            raise TypeError("set_state(): expected a tensorlib.ByteTensor, got a %s" % type_name(state))
        if state.numel_ != STATE_BYTES:
            raise RuntimeError("set_state(): expected %d bytes, got %d" % (STATE_BYTES, state.numel_))
        state = contiguous(state)
        s = <StateBytes*>ptr(state)
        if s.seeded != 1 or s.next > WORDS or s.left != (1 if s.next == 0 else WORDS + 1 - <int32_t>s.next):
            raise RuntimeError("set_state(): these bytes are not a state of a random generator")
        find_kernels()
        for i in range(WORDS):
            self.state[i] = <uint32_t>s.state[i]
        temper(self.state, self.words)
        self.first_seed = s.seed
        self.seeded = True
        self.started = True
        self.fresh = s.next == 0
        self.position = WORDS if s.next == 0 else <int>s.next
        self.has_saved_normal = s.has_saved_normal != 0
        self.saved_normal = s.saved_normal
        return self


default_generator = Generator()
cdef Generator default = default_generator


cdef int find_kernels() except -1:
    global advance, temper
    if advance == NULL:
        temper = <temper_fn>get("mt_temper", I32)
        advance = <advance_fn>get("mt_advance", I32)
    return 0


cdef int start(Generator g) except -1:
    """Make the state of the seed, unless it is there. Only the seed's low 32 bits count."""
    cdef Py_ssize_t i
    if g.started:
        return 0
    find_kernels()
    if not g.seeded:
        g.seed()
    g.state[0] = <uint32_t>g.first_seed
    for i in range(1, WORDS):
        g.state[i] = 1812433253u * (g.state[i - 1] ^ (g.state[i - 1] >> 30)) + <uint32_t>i
    g.position = WORDS
    g.fresh = True
    g.started = True
    return 0


cdef Generator ready(object generator):
    cdef Generator g = default
    if generator is not None:
        if not isinstance(generator, Generator):
            raise TypeError("generator: expected a tensorlib.Generator, got %s" % type(generator).__name__)
        g = <Generator>generator
    start(g)
    return g


cdef void next_block(Generator g) noexcept:
    advance(g.state)
    temper(g.state, g.words)
    g.position = 0
    g.fresh = False


cdef uint32_t next32(Generator g) noexcept:
    if g.position == WORDS:
        next_block(g)
    g.position += 1
    return g.words[g.position - 1]


cdef uint64_t next64(Generator g) noexcept:
    cdef uint64_t high = next32(g)
    return (high << 32) | next32(g)


cdef double next_uniform(Generator g) noexcept:
    return <double><int64_t>(next64(g) & 0x1fffffffffffffULL) * 1.1102230246251565e-16


cdef double next_normal(Generator g) noexcept:
    """Box-Muller in pairs; the second one is kept for the next call, whatever is drawn in between."""
    cdef double angle, radius
    if g.has_saved_normal:
        g.has_saved_normal = False
        return g.saved_normal
    angle = TWO_PI * next_uniform(g)
    radius = sqrt(-2 * log1p(-next_uniform(g)))
    g.saved_normal = radius * sin(angle)
    g.has_saved_normal = True
    return radius * cos(angle)


cdef void draw_words(Generator g, uint32_t* out, Py_ssize_t n) noexcept:
    cdef Py_ssize_t m
    while n > 0:
        if g.position == WORDS:
            next_block(g)
        m = min(n, <Py_ssize_t>(WORDS - g.position))
        memcpy(out, g.words + g.position, m * sizeof(uint32_t))
        g.position += <int>m
        out += m
        n -= m


# Fills: n dense elements from two parameters.

cdef void uniform_fill(Generator g, real* out, Py_ssize_t n, double low, double high):
    cdef uint32_t[CHUNK] words
    cdef Py_ssize_t m
    cdef Py_ssize_t each = 1 if real is float else 2
    cdef real first = <real>low, width = <real>high - <real>low
    cdef void* kernel = get("uniform", F32 if real is float else F64)
    while n > 0:
        m = min(n, CHUNK // each)
        draw_words(g, words, m * each)
        if real is float:
            (<uniform32_fn>kernel)(words, out, m, first, width)
        else:
            (<uniform64_fn>kernel)(words, out, m, first, width)
        out += m
        n -= m


cdef void normal_fill(Generator g, real* out, Py_ssize_t n, double mean, double std):
    """One at a time: small and strided tensors."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <real>fma(next_normal(g), std, mean)


cdef void normal_blocks(Generator g, real* out, Py_ssize_t n, double mean, double std):
    """By blocks of 16. Where the size is no multiple of 16, the last 16 elements are drawn once more."""
    cdef void* kernel = get("normal", F32 if real is float else F64)
    cdef Py_ssize_t tail = n - NORMAL_BLOCK
    uniform_fill[real](g, out, n, 0, 1)
    if real is float:
        (<normal32_fn>kernel)(out, n // NORMAL_BLOCK * NORMAL_BLOCK, <float>mean, <float>std)
    else:
        (<normal64_fn>kernel)(out, n // NORMAL_BLOCK * NORMAL_BLOCK, mean, std)
    if n % NORMAL_BLOCK:
        uniform_fill[real](g, out + tail, NORMAL_BLOCK, 0, 1)
        if real is float:
            (<normal32_fn>kernel)(out + tail, NORMAL_BLOCK, <float>mean, <float>std)
        else:
            (<normal64_fn>kernel)(out + tail, NORMAL_BLOCK, mean, std)


cdef void log_normal_fill(Generator g, real* out, Py_ssize_t n, double mean, double std):
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <real>exp(fma(next_normal(g), std, mean))


cdef void cauchy_fill(Generator g, real* out, Py_ssize_t n, double median, double sigma):
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <real>fma(sigma, tan(PI * (next_uniform(g) - 0.5)), median)


cdef void exponential_fill(Generator g, real* out, Py_ssize_t n, double rate, double unused):
    cdef Py_ssize_t i
    cdef double scale = -1 / rate
    for i in range(n):
        out[i] = <real>(scale * log1p(-next_uniform(g)))


cdef void geometric_fill(Generator g, number* out, Py_ssize_t n, double p, double unused):
    cdef Py_ssize_t i
    cdef double bottom = log1p(-p), value
    for i in range(n):
        value = ceil(log(next_uniform(g)) / bottom)
        if number in real:
            out[i] = <number>value
        else:
            out[i] = <number><int64_t>value


cdef void bernoulli_fill(Generator g, number* out, Py_ssize_t n, double p, double unused):
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = next_uniform(g) < p


# Whole tensors.

cdef int is_real(TensorBase t, str name) except -1:
    """Refuse what is no float tensor of the CPU."""
    on_cpu(t, name)
    if t.dtype != F32 and t.dtype != F64:
        raise TypeError("%s(): expected a FloatTensor or a DoubleTensor, got a %s" % (name, type_name(t)))
    return 0


cdef int draw_order(TensorBase t, int* order) except -1:
    """Dims from outermost to innermost: strided tensors are filled as they lie in memory."""
    cdef int i, j
    for i in range(t.ndim):
        j = i
        while j > 0 and (t.strides[order[j - 1]] < t.strides[i]
                         or (t.strides[order[j - 1]] == t.strides[i] and t.sizes[order[j - 1]] < t.sizes[i])):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
    return 0


cdef TensorBase in_draw_order(TensorBase t, TensorBase by):
    """t with its dims in the draw order of `by`, a tensor of the same size."""
    cdef int i
    cdef int[MAXDIM] order
    cdef Py_ssize_t[MAXDIM] sizes, strides
    draw_order(by, order)
    for i in range(by.ndim):
        sizes[i] = t.sizes[order[i]]
        strides[i] = t.strides[order[i]]
    return view_of(t, t.offset, t.ndim, sizes, strides)


cdef int on_cpu(TensorBase t, str name) except -1:
    if t.device != -1:
        raise RuntimeError("%s(): expected a CPU tensor, got a %s" % (name, type_name(t)))
    if t.dtype == F16:
        raise TypeError("%s() is not implemented for type %s" % (name, type_name(t)))
    return 0


cdef TensorBase fill_tensor(TensorBase t, object generator, fill_fn fn, double a, double b):
    """Fill t, which may have any strides."""
    cdef TensorBase view, dense
    cdef Generator g = ready(generator)
    if t.numel_ == 0:
        return t
    if is_contiguous(t):
        fn(g, ptr(t), t.numel_, a, b)
        return t
    view = in_draw_order(t, t)
    dense = empty_like(view)
    fn(g, ptr(dense), t.numel_, a, b)
    copy_into(view, dense)
    return t


cdef fill_fn geometric_of(int dtype) noexcept:
    if dtype == U8:
        return <fill_fn>geometric_fill[uint8_t]
    if dtype == I8:
        return <fill_fn>geometric_fill[int8_t]
    if dtype == I16:
        return <fill_fn>geometric_fill[int16_t]
    if dtype == I32:
        return <fill_fn>geometric_fill[int32_t]
    if dtype == I64:
        return <fill_fn>geometric_fill[int64_t]
    return <fill_fn>geometric_fill[float] if dtype == F32 else <fill_fn>geometric_fill[double]


cdef fill_fn bernoulli_of(int dtype) noexcept:
    if dtype == U8:
        return <fill_fn>bernoulli_fill[uint8_t]
    if dtype == I8:
        return <fill_fn>bernoulli_fill[int8_t]
    if dtype == I16:
        return <fill_fn>bernoulli_fill[int16_t]
    if dtype == I32:
        return <fill_fn>bernoulli_fill[int32_t]
    if dtype == I64:
        return <fill_fn>bernoulli_fill[int64_t]
    return <fill_fn>bernoulli_fill[float] if dtype == F32 else <fill_fn>bernoulli_fill[double]


def uniform_(TensorBase self not None, double low=0, double high=1, generator=None):
    """Fill with samples of [low, high)."""
    cdef fill_fn fn = <fill_fn>uniform_fill[float] if self.dtype == F32 else <fill_fn>uniform_fill[double]
    is_real(self, "uniform_")
    if not (low <= high and isfinite(high - low)):
        raise RuntimeError("uniform_(): expected finite from <= to, got from=%g and to=%g" % (low, high))
    return fill_tensor(self, generator, fn, low, high)


def normal_(TensorBase self not None, double mean=0, double std=1, generator=None):
    """Fill with normal samples."""
    cdef fill_fn fn
    is_real(self, "normal_")
    if not std >= 0:
        raise RuntimeError("normal_(): expected std >= 0, got std=%g" % std)
    if self.numel_ >= NORMAL_BLOCK and is_contiguous(self):
        fn = <fill_fn>normal_blocks[float] if self.dtype == F32 else <fill_fn>normal_blocks[double]
    else:
        fn = <fill_fn>normal_fill[float] if self.dtype == F32 else <fill_fn>normal_fill[double]
    return fill_tensor(self, generator, fn, mean, std)


def log_normal_(TensorBase self not None, double mean=1, double std=2, generator=None):
    """Fill with exp(x), x normal with this mean and deviation."""
    cdef fill_fn fn = <fill_fn>log_normal_fill[float] if self.dtype == F32 else <fill_fn>log_normal_fill[double]
    is_real(self, "log_normal_")
    if not std > 0:
        raise RuntimeError("log_normal_(): expected std > 0, got std=%g" % std)
    return fill_tensor(self, generator, fn, mean, std)


def cauchy_(TensorBase self not None, double median=0, double sigma=1, generator=None):
    """Fill with Cauchy samples."""
    cdef fill_fn fn = <fill_fn>cauchy_fill[float] if self.dtype == F32 else <fill_fn>cauchy_fill[double]
    is_real(self, "cauchy_")
    if not sigma > 0:
        raise RuntimeError("cauchy_(): expected sigma > 0, got sigma=%g" % sigma)
    return fill_tensor(self, generator, fn, median, sigma)


def exponential_(TensorBase self not None, double lambd=1, generator=None):
    """Fill with exponential samples of rate lambd."""
    cdef fill_fn fn = <fill_fn>exponential_fill[float] if self.dtype == F32 else <fill_fn>exponential_fill[double]
    is_real(self, "exponential_")
    if not lambd > 0:
        raise RuntimeError("exponential_(): expected lambd > 0, got lambd=%g" % lambd)
    return fill_tensor(self, generator, fn, lambd, 0)


def geometric_(TensorBase self not None, double p, generator=None):
    """Fill with the number of trials up to the first success, each of probability p."""
    on_cpu(self, "geometric_")
    if not 0 < p < 1:
        raise RuntimeError("geometric_(): expected 0 < p < 1, got p=%g" % p)
    return fill_tensor(self, generator, geometric_of(self.dtype), p, 0)


# Bernoulli samples: one probability for all, or a tensor of them.

def bernoulli_(TensorBase self not None, p=0.5, generator=None):
    """Fill with 0 and 1; p is the probability of 1, a number or a float tensor of as many elements."""
    on_cpu(self, "bernoulli_")
    if isinstance(p, TensorBase):
        return bernoulli_by(self, <TensorBase>p, ready(generator))
    if not 0 <= p <= 1:
        raise RuntimeError("bernoulli_(): expected 0 <= p <= 1, got p=%g" % p)
    return fill_tensor(self, generator, bernoulli_of(self.dtype), p, 0)


def bernoulli(TensorBase self not None, generator=None):
    """0/1 samples with the probabilities in self."""
    on_cpu(self, "bernoulli")
    return bernoulli_by(empty_like(self), self, ready(generator))


cdef int sample_bits(Generator g, const real* p, uint8_t* out, Py_ssize_t n) except -1:
    """One word decides against a float probability, two against a double."""
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= p[i] <= 1:
            raise RuntimeError("bernoulli(): expected probabilities from 0 to 1, got %g" % p[i])
    for i in range(n):
        if real is float:
            out[i] = <float><int>(next32(g) & 0xffffffu) * <float>5.9604644775390625e-08 < p[i]
        else:
            out[i] = next_uniform(g) < p[i]
    return 0


cdef TensorBase bernoulli_by(TensorBase t, TensorBase p, Generator g):
    cdef TensorBase view, bits
    if p.device != -1 or p.dtype != F32 and p.dtype != F64:
        raise TypeError("bernoulli(): expected probabilities in a FloatTensor or a DoubleTensor, got a %s"
                        % type_name(p))
    if p.numel_ != t.numel_:
        raise RuntimeError("bernoulli_(): sizes (%s) of the tensor and (%s) of the probabilities do not match"
                           % (size_text(t), size_text(p)))
    if t.numel_ == 0:
        return t
    view = t
    if same_size(t, p) and not is_contiguous(t):
        view = in_draw_order(t, t)
        p = in_draw_order(p, t)
    p = contiguous(p)
    bits = empty(U8, view.ndim, view.sizes)
    if p.dtype == F32:
        sample_bits(g, <float*>ptr(p), <uint8_t*>ptr(bits), t.numel_)
    else:
        sample_bits(g, <double*>ptr(p), <uint8_t*>ptr(bits), t.numel_)
    copy_into(view, bits)
    return t


# Whole numbers.

cdef void whole_fill(Generator g, number* out, Py_ssize_t n, uint64_t count, uint64_t first, bint wide):
    """first + (a draw modulo count); a draw has 64 bits if `wide`, else 32. 0 as the count stands for 2^64."""
    cdef Py_ssize_t i
    cdef uint64_t word
    for i in range(n):
        word = next64(g) if wide else next32(g)
        out[i] = <number><int64_t>((word % count if count else word) + first)


cdef int whole_of(Generator g, TensorBase t, uint64_t count, uint64_t first, bint wide) except -1:
    cdef char* out = ptr(t)
    cdef Py_ssize_t n = t.numel_
    if t.dtype == U8:
        whole_fill(g, <uint8_t*>out, n, count, first, wide)
    elif t.dtype == I8:
        whole_fill(g, <int8_t*>out, n, count, first, wide)
    elif t.dtype == I16:
        whole_fill(g, <int16_t*>out, n, count, first, wide)
    elif t.dtype == I32:
        whole_fill(g, <int32_t*>out, n, count, first, wide)
    elif t.dtype == I64:
        whole_fill(g, <int64_t*>out, n, count, first, wide)
    elif t.dtype == F32:
        whole_fill(g, <float*>out, n, count, first, wide)
    else:
        whole_fill(g, <double*>out, n, count, first, wide)
    return 0


cdef tuple BITS = (8, 7, 15, 31, 63, 0, 24, 53)         # of the largest whole number, by element type


cdef tuple limits(int dtype):
    """Smallest and largest bound; float types take any that a 64-bit integer holds."""
    if dtype == F32 or dtype == F64:
        return -2 ** 63, 2 ** 63 - 1
    return (0 if dtype == U8 else -2 ** BITS[dtype]), 2 ** BITS[dtype] - 1


cdef object rounded(int dtype, object whole):
    """The nearest number of a float type."""
    cdef double x = <float><int64_t>whole if dtype == F32 else <double><int64_t>whole
    return int(x)


cdef tuple representable(int dtype, object low, object high):
    """Move the bounds to the next representable number inside, where the type would round them outside."""
    bits = BITS[dtype]
    first, last = rounded(dtype, low + 1), rounded(dtype, high - 1)
    if first < low:
        low = first + (1 << (abs(low + 1).bit_length() - bits))
    if last >= high:
        high = last - (1 << (abs(high - 1).bit_length() - bits))
    return low, high


def random_(TensorBase self not None, low=None, high=None, generator=None):
    """Fill with whole numbers of [low, high); of [0, low) if high is None; of the type's range without both.

    The range of a float type is 0 to the largest number up to which all whole numbers are exact.
    """
    cdef Generator g = ready(generator)
    cdef TensorBase view, dense
    on_cpu(self, "random_")
    if low is None and high is not None:
        low = 0
    if low is None:
        low, wide = 0, self.dtype == I64 or self.dtype == F64
        count = 2 ** BITS[self.dtype] + (self.dtype == F32 or self.dtype == F64)
    else:
        low, high = (0, low) if high is None else (low, high)
        low, high = check_range(self.dtype, low, high)
        count = high - low
        wide = count >= 2 ** 28
    if self.numel_ == 0:
        return self
    view = self if is_contiguous(self) else in_draw_order(self, self)
    dense = self if is_contiguous(self) else empty_like(view)
    whole_of(g, dense, <uint64_t>(count % 2 ** 64), <uint64_t>(low % 2 ** 64), wide)
    if dense is not self:
        copy_into(view, dense)
    return self


cdef tuple check_range(int dtype, low, high):
    smallest, largest = limits(dtype)
    if not (hasattr(low, "__index__") and hasattr(high, "__index__")):
        raise TypeError("random_(): expected ints, got %s and %s" % (type(low).__name__, type(high).__name__))
    if not low < high:
        raise RuntimeError("random_(): expected from < to, got from=%d and to=%d" % (low, high))
    if low < smallest or high - 1 > largest:
        raise RuntimeError("random_(): numbers from %d to %d are outside of the type's range, %d to %d"
                           % (low, high - 1, smallest, largest))
    if dtype == F32 or dtype == F64:
        return representable(dtype, low, high)
    return low, high


cdef void permute(Generator g, int64_t* out, Py_ssize_t n) noexcept:
    """Fisher and Yates, from the front."""
    cdef Py_ssize_t i, j
    cdef int64_t x
    for i in range(n):
        out[i] = i
    for i in range(n - 1):
        j = i + <Py_ssize_t>(next32(g) % <uint64_t>(n - i))
        x = out[i]
        out[i] = out[j]
        out[j] = x


def randperm(Py_ssize_t n, generator=None, TensorBase out=None):
    """A random order of 0 .. n - 1, a LongTensor unless `out` is given."""
    cdef TensorBase order
    if n <= 0:
        raise RuntimeError("randperm(): expected n > 0, got %d" % n)
    if out is not None and out.dtype == F16:
        raise TypeError("randperm(): a tensorlib.HalfTensor does not hold all whole numbers")
    order = empty(I64, 1, &n)
    permute(ready(generator), <int64_t*>ptr(order), n)
    if out is None:
        return order
    resize(out, 1, &n)
    copy_into(out, order)
    return out


def dropout_mask(TensorBase like not None, double p, generator=None):
    """A dense tensor of like's type and size: 0 with probability p, else 1 / (1 - p).

    The mask depends on one 64-bit draw and on nothing else, whatever the number of threads.
    """
    cdef TensorBase out = empty_like(like)
    cdef Py_ssize_t n = out.numel_
    cdef uint64_t key
    cdef uint32_t limit = <uint32_t>min(p * 4294967296.0, 4294967295.0)
    cdef double scale = 1 / (1 - p) if p < 1 else 0
    cdef void* kernel
    cdef char* data = ptr(out)
    cdef bint single = out.dtype == F32
    on_cpu(like, "dropout_mask")
    if not 0 <= p <= 1:
        raise RuntimeError("dropout_mask(): expected 0 <= p <= 1, got p=%g" % p)
    kernel = get("dropout_mask", out.dtype)
    key = next64(ready(generator))
    cdef PyThreadState* state = let_go(n)
    if single:
        (<mask32_fn>kernel)(<float*>data, n, key, limit, <float>scale)
    else:
        (<mask64_fn>kernel)(<double*>data, n, key, limit, scale)
    take_back(state)
    return out
