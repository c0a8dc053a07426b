# Reduction loops. A strip is n elements at one stride, folded into one accumulator; columns are m strips
# side by side, folded into m accumulators. An accumulator is a double for float types and an int64 for
# integer types (integers wrap when they are stored). Floats add in lanes, pairwise between blocks.
from libc.math cimport fabs, isfinite, pow, sqrt

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport tl_exp, tl_log
from tensorlib._ops.types cimport *

cdef extern from "rowsum.h" nogil:
    double tl_row_sum_f32(const float* x, Py_ssize_t n)
    double tl_row_sum_f64(const double* x, Py_ssize_t n)

cdef enum:
    LANES = 32          # independent partial results; GCC keeps them in vector registers
    ROWS = 32           # elements of a column that are added up in its own type before they go into a double
    APART = 8           # columns that are added up in registers where they are not neighbours

# What a strip of terms adds up.
cdef enum:
    NONZERO = 0
    ABSOLUTE = 1
    SQUARE = 2
    POWER = 3
    DEVIATION = 4
    CUBE = 5
    FLOAT_POWER = 6


cdef inline double fold_lanes(real* lanes) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(16):
        lanes[k] += lanes[k + 16]
    for k in range(8):
        lanes[k] += lanes[k + 8]
    for k in range(4):
        lanes[k] += lanes[k + 4]
    return (<double>lanes[0] + lanes[1]) + (<double>lanes[2] + lanes[3])


cdef inline double sum_reals(const real* x, Py_ssize_t n) noexcept nogil:
    if real is float:
        return tl_row_sum_f32(x, n)
    else:
        return tl_row_sum_f64(x, n)


cdef inline int64_t sum_integers(const integer* x, Py_ssize_t n) noexcept nogil:
    """At four places at once: a loop of one load and one addition takes what is spent on going round."""
    cdef Py_ssize_t quarter = n // 256 * 64, i          # whole vectors
    cdef int64_t a = 0, b = 0, c = 0, d = 0
    for i in range(quarter):
        a += x[i]
        b += x[i + quarter]
        c += x[i + 2 * quarter]
        d += x[i + 3 * quarter]
    for i in range(4 * quarter, n):
        a += x[i]
    return (a + b) + (c + d)


cdef void sum_strip(const number* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t whole = 0
    cdef double total = 0
    if number in integer:
        if stride == 1:
            whole = sum_integers(x, n)
        else:
            for i in range(n):
                whole += x[i * stride]
        (<int64_t*>acc)[0] += whole
    else:
        if stride == 1:
            total = sum_reals(x, n)
        else:
            for i in range(n):
                total += x[i * stride]
        (<double*>acc)[0] += total


cdef inline void sum_columns_reals(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m,
                                   double* acc) noexcept nogil:
    """Eight rows at a time: memory likes to be read in several places at once, and acc is not touched for each."""
    cdef const real *a
    cdef const real *b
    cdef const real *c
    cdef const real *d
    cdef Py_ssize_t i = 0, j
    while n - i >= 8:
        a, b = x + i * stride, x + (i + 1) * stride
        c, d = b + stride, b + 2 * stride
        for j in range(m):
            acc[j] += (((a[j] + b[j]) + (c[j] + d[j]))
                       + ((a[j + 4 * stride] + b[j + 4 * stride]) + (c[j + 4 * stride] + d[j + 4 * stride])))
        i += 8
    while i < n:
        for j in range(m):
            acc[j] += x[i * stride + j]
        i += 1


cdef inline void sum_columns_apart(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                                   double* acc) noexcept nogil:
    """Columns that are gap elements apart."""
    cdef real part[APART]
    cdef const real* at
    cdef Py_ssize_t _i, j, k, first = 0, last, whole = m // APART * APART
    while first < n:
        last = min(n, first + ROWS)
        j = 0
        while j < whole:
            at = x + first * stride + j * gap
            for k in range(APART):
                part[k] = at[k * gap]
            for _i in range(first + 1, last):
                at += stride
                for k in range(APART):
                    part[k] += at[k * gap]
            for k in range(APART):
                acc[j + k] += part[k]
            j += APART
        for j in range(whole, m):
            at = x + first * stride + j * gap
            part[0] = at[0]
            for _i in range(first + 1, last):
                at += stride
                part[0] += at[0]
            acc[j] += part[0]
        first = last


cdef void sum_columns(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                      void* acc, const double* arg) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef int64_t* whole = <int64_t*>acc
    cdef double* total = <double*>acc
    if number in integer:
        for i in range(n):
            if gap == 1:
                for j in range(m):
                    whole[j] += x[i * stride + j]
            else:
                for j in range(m):
                    whole[j] += x[i * stride + j * gap]
    else:
        if gap == 1:
            sum_columns_reals(x, n, stride, m, total)
        else:
            sum_columns_apart(x, n, stride, m, gap, total)


cdef inline double prod_reals(const real* x, Py_ssize_t n) noexcept nogil:
    """In doubles, so that no float overflows halfway. Neighbouring lanes are joined first, as large and small factors
    may take turns."""
    cdef double lanes[LANES], half[16], quarter[8]
    cdef Py_ssize_t i = LANES, k
    cdef double total = 1
    if n < LANES:
        i = 0
    else:
        for k in range(LANES):
            lanes[k] = x[k]
        while n - i >= LANES:
            for k in range(LANES):
                lanes[k] *= x[i + k]
            i += LANES
        while n - i >= 8:
            for k in range(8):
                lanes[k] *= x[i + k]
            i += 8
        for k in range(16):
            half[k] = lanes[2 * k] * lanes[2 * k + 1]
        for k in range(8):
            quarter[k] = half[2 * k] * half[2 * k + 1]
        total = (((quarter[0] * quarter[1]) * (quarter[2] * quarter[3]))
                 * ((quarter[4] * quarter[5]) * (quarter[6] * quarter[7])))
    for k in range(i, n):
        total *= x[k]
    return total


cdef void prod_strip(const number* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t* whole = <int64_t*>acc
    cdef double* total = <double*>acc
    if number in integer:
        for i in range(n):
            whole[0] *= x[i * stride]
    elif stride == 1:
        total[0] *= prod_reals(x, n)
    else:
        for i in range(n):
            total[0] *= x[i * stride]


cdef inline void prod_columns_reals(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m,
                                    double* acc) noexcept nogil:
    """Four rows at a time, so that acc is not touched for each."""
    cdef const real *a
    cdef const real *b
    cdef const real *c
    cdef const real *d
    cdef Py_ssize_t i = 0, j
    while n - i >= 4:
        a, b = x + i * stride, x + (i + 1) * stride
        c, d = b + stride, b + 2 * stride
        for j in range(m):
            acc[j] = (((acc[j] * a[j]) * b[j]) * c[j]) * d[j]
        i += 4
    while i < n:
        for j in range(m):
            acc[j] *= x[i * stride + j]
        i += 1


cdef void prod_columns(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                       void* acc, const double* arg) noexcept nogil:
    cdef Py_ssize_t i, j
    if number not in integer:
        if gap == 1:
            prod_columns_reals(x, n, stride, m, <double*>acc)
            return
    for i in range(n):
        for j in range(m):
            if number in integer:
                (<int64_t*>acc)[j] *= x[i * stride + j * gap]
            else:
                (<double*>acc)[j] *= x[i * stride + j * gap]


# The better of two values; a NaN is better than anything, so that it stays.
cdef inline number better(number a, number b, const bint largest) noexcept nogil:
    if number in integer:
        return (a if a >= b else b) if largest else (a if a <= b else b)
    else:
        return (a if (a >= b) | (a != a) else b) if largest else (a if (a <= b) | (a != a) else b)


cdef inline number extreme(const number* x, Py_ssize_t n, Py_ssize_t stride, const bint largest) noexcept nogil:
    cdef number lanes[LANES]
    cdef number best
    cdef Py_ssize_t i = LANES, k
    if stride != 1 or n < LANES:
        best = x[0]
        for i in range(1, n):
            best = better(best, x[i * stride], largest)
        return best
    for k in range(LANES):
        lanes[k] = x[k]
    while n - i >= LANES:
        for k in range(LANES):
            lanes[k] = better(lanes[k], x[i + k], largest)
        i += LANES
    for k in range(16):
        lanes[k] = better(lanes[k], lanes[k + 16], largest)
    for k in range(8):
        lanes[k] = better(lanes[k], lanes[k + 8], largest)
    for k in range(4):
        lanes[k] = better(lanes[k], lanes[k + 4], largest)
    best = better(better(lanes[0], lanes[1], largest), better(lanes[2], lanes[3], largest), largest)
    for k in range(i, n):
        best = better(best, x[k], largest)
    return best


cdef inline void extreme_strip(const number* x, Py_ssize_t n, Py_ssize_t stride, void* acc,
                               const bint largest) noexcept nogil:
    cdef number best = extreme(x, n, stride, largest)
    if number in integer:
        (<int64_t*>acc)[0] = better((<int64_t*>acc)[0], <int64_t>best, largest)
    else:
        (<double*>acc)[0] = better((<double*>acc)[0], <double>best, largest)


cdef inline void extreme_columns(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                                 void* acc, const bint largest) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(n):
        for j in range(m):
            if number in integer:
                (<int64_t*>acc)[j] = better((<int64_t*>acc)[j], <int64_t>x[i * stride + j * gap], largest)
            else:
                (<double*>acc)[j] = better((<double*>acc)[j], <double>x[i * stride + j * gap], largest)


cdef void max_strip(const number* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil:
    extreme_strip(x, n, stride, acc, True)


cdef void max_columns(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                      void* acc, const double* arg) noexcept nogil:
    extreme_columns(x, n, stride, m, gap, acc, True)


cdef void min_strip(const number* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil:
    extreme_strip(x, n, stride, acc, False)


cdef void min_columns(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                      void* acc, const double* arg) noexcept nogil:
    extreme_columns(x, n, stride, m, gap, acc, False)


# Largest or smallest value of m neighbouring strips and its first position. NaN counts as both.
cdef inline void positions(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                           number* value, int32_t* position, const bint largest) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef number v, best
    cdef bint won
    for j in range(m):
        value[j] = x[j * gap]
        position[j] = 0
    for i in range(1, n):
        for j in range(m):
            v = x[i * stride + j * gap]
            best = value[j]
            won = v > best if largest else v < best
            if number not in integer:
                won = won | ((v != v) & (best == best))
            value[j] = v if won else best
            position[j] = <int32_t>i if won else position[j]


cdef void max_positions(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                        number* value, int32_t* position) noexcept nogil:
    if gap == 1:
        positions(x, n, stride, m, 1, value, position, True)
    else:
        positions(x, n, stride, m, gap, value, position, True)


cdef void min_positions(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                        number* value, int32_t* position) noexcept nogil:
    if gap == 1:
        positions(x, n, stride, m, 1, value, position, False)
    else:
        positions(x, n, stride, m, gap, value, position, False)


# The same for one strip: the value in lanes first, then a search for it.
cdef inline void position(const number* x, Py_ssize_t n, Py_ssize_t stride, number* value, int64_t* where,
                          const bint largest) noexcept nogil:
    cdef number best = extreme(x, n, stride, largest)
    cdef Py_ssize_t i = 0, k
    cdef int found
    if number not in integer:
        if best != best:
            while x[i * stride] == x[i * stride]:
                i += 1
            value[0] = best
            where[0] = i
            return
    while stride == 1 and n - i >= LANES:       # skip blocks that do not hold it
        found = 0
        for k in range(LANES):
            found |= x[i + k] == best
        if found:
            break
        i += LANES
    while x[i * stride] != best:
        i += 1
    value[0] = x[i * stride]
    where[0] = i


cdef void max_position(const number* x, Py_ssize_t n, Py_ssize_t stride, number* value, int64_t* where) noexcept nogil:
    position(x, n, stride, value, where, True)


cdef void min_position(const number* x, Py_ssize_t n, Py_ssize_t stride, number* value, int64_t* where) noexcept nogil:
    position(x, n, stride, value, where, False)


cdef inline double term(double v, double p, const int kind) noexcept nogil:
    if kind == CUBE:
        return v * v * fabs(v)
    if kind == FLOAT_POWER:             # in vectors; p log v may lose what matters to doubles alone
        return tl_exp(p * tl_log(fabs(v)))
    if kind == NONZERO:
        return v != 0
    if kind == ABSOLUTE:
        return fabs(v)
    if kind == SQUARE:
        return v * v
    if kind == DEVIATION:
        return (v - p) * (v - p)
    return pow(fabs(v), p)


# Terms are added in doubles: the square of a float may be too large or too small for one.
cdef inline void add_terms(const real* x, Py_ssize_t n, Py_ssize_t stride, double* acc, double p,
                           const int kind) noexcept nogil:
    cdef double lanes[LANES]
    cdef Py_ssize_t i = 0, k
    if stride == 1 and n >= LANES:
        for k in range(LANES):
            lanes[k] = 0
        while n - i >= LANES:
            for k in range(LANES):
                lanes[k] += term(x[i + k], p, kind)
            i += LANES
        acc[0] += fold_lanes(lanes)
    for k in range(i, n):
        acc[0] += term(x[k * stride], p, kind)


cdef inline void add_terms_columns(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                                   double* acc, const double* arg, const int kind) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(n):
        for j in range(m):
            acc[j] += term(x[i * stride + j * gap], arg[j] if kind == DEVIATION else arg[0], kind)


# Sums of |x|^p, with p in arg[0].
cdef void norm_strip(const real* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil:
    cdef double* total = <double*>acc
    if arg[0] == 2:
        add_terms(x, n, stride, total, 2, SQUARE)
    elif arg[0] == 1:
        add_terms(x, n, stride, total, 1, ABSOLUTE)
    elif arg[0] == 0:
        add_terms(x, n, stride, total, 0, NONZERO)
    elif arg[0] == 3:
        add_terms(x, n, stride, total, 3, CUBE)
    elif real is float and isfinite(arg[0]):
        add_terms(x, n, stride, total, arg[0], FLOAT_POWER)
    else:
        add_terms(x, n, stride, total, arg[0], POWER)


cdef void norm_columns(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                       void* acc, const double* arg) noexcept nogil:
    cdef double* total = <double*>acc
    if arg[0] == 2:
        add_terms_columns(x, n, stride, m, gap, total, arg, SQUARE)
    elif arg[0] == 1:
        add_terms_columns(x, n, stride, m, gap, total, arg, ABSOLUTE)
    elif arg[0] == 0:
        add_terms_columns(x, n, stride, m, gap, total, arg, NONZERO)
    elif arg[0] == 3:
        add_terms_columns(x, n, stride, m, gap, total, arg, CUBE)
    elif real is float and isfinite(arg[0]):
        add_terms_columns(x, n, stride, m, gap, total, arg, FLOAT_POWER)
    else:
        add_terms_columns(x, n, stride, m, gap, total, arg, POWER)


# Sums of (x - arg)^2, with a mean for each column in arg.
cdef void deviation_strip(const real* x, Py_ssize_t n, Py_ssize_t stride, void* acc, const double* arg) noexcept nogil:
    add_terms(x, n, stride, <double*>acc, arg[0], DEVIATION)


cdef void deviation_columns(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                            void* acc, const double* arg) noexcept nogil:
    add_terms_columns(x, n, stride, m, gap, <double*>acc, arg, DEVIATION)


# out[j * gap] = (acc[j] / divisor) ** power, in the type of out; integers just wrap.
cdef void store(number* out, Py_ssize_t gap, Py_ssize_t m, const void* acc, double divisor,
                double power) noexcept nogil:
    cdef Py_ssize_t j
    cdef const double* total = <const double*>acc
    if number in integer:
        for j in range(m):
            out[j * gap] = <number>(<const int64_t*>acc)[j]
    else:
        for j in range(m):
            if power == 1:
                out[j * gap] = <number>(total[j] / divisor)
            elif power == 0.5:
                out[j * gap] = <number>sqrt(total[j] / divisor)
            else:
                out[j * gap] = <number>pow(total[j] / divisor, power)


cdef int enter(number* type_of, int dtype) except -1:
    put("sum_strip", dtype, <void*>sum_strip[number])
    put("sum_columns", dtype, <void*>sum_columns[number])
    put("prod_strip", dtype, <void*>prod_strip[number])
    put("prod_columns", dtype, <void*>prod_columns[number])
    put("max_strip", dtype, <void*>max_strip[number])
    put("max_columns", dtype, <void*>max_columns[number])
    put("min_strip", dtype, <void*>min_strip[number])
    put("min_columns", dtype, <void*>min_columns[number])
    put("max_position", dtype, <void*>max_position[number])
    put("max_positions", dtype, <void*>max_positions[number])
    put("min_position", dtype, <void*>min_position[number])
    put("min_positions", dtype, <void*>min_positions[number])
    put("store", dtype, <void*>store[number])
    if number not in integer:
        put("norm_strip", dtype, <void*>norm_strip[number])
        put("norm_columns", dtype, <void*>norm_columns[number])
        put("deviation_strip", dtype, <void*>deviation_strip[number])
        put("deviation_columns", dtype, <void*>deviation_columns[number])
    return 0


enter(<uint8_t*>NULL, U8)
enter(<int8_t*>NULL, I8)
enter(<int16_t*>NULL, I16)
enter(<int32_t*>NULL, I32)
enter(<int64_t*>NULL, I64)
enter(<float*>NULL, F32)
enter(<double*>NULL, F64)
