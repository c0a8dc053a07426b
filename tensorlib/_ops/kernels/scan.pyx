# Loops along lines that give a result for each element: running sums and products; also histograms and equality.
# Lines stand side by side like the columns of a reduction, with an accumulator (a double or an int64) for each.
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport *


cdef extern from "longsum.h" nogil:
    void running_sum_i64 "tl_running_sum_i64"(const int64_t* x, Py_ssize_t n, int64_t* out, int64_t total)

cdef enum:
    SIDE = 4            # lines that are worked off side by side, so that none waits for its last sum; scan.pyx knows it


ctypedef fused wide:
    int64_t
    double


cdef inline void running_alone(const number* x, Py_ssize_t n, Py_ssize_t stride, number* out, Py_ssize_t out_stride,
                               wide* acc, const bint product) noexcept nogil:
    """One line, its sum in a register."""
    cdef Py_ssize_t i
    cdef wide total = acc[0]
    for i in range(n):
        total = total * <wide>x[i * stride] if product else total + <wide>x[i * stride]
        out[i * out_stride] = <number>total


cdef inline void running_side(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t gap, number* out,
                              Py_ssize_t out_stride, Py_ssize_t out_gap, wide* acc, const bint product) noexcept nogil:
    cdef Py_ssize_t _i, j
    cdef wide total[SIDE]
    for j in range(SIDE):
        total[j] = acc[j]
    for _i in range(n):
        for j in range(SIDE):
            total[j] = total[j] * <wide>x[j * gap] if product else total[j] + <wide>x[j * gap]
            out[j * out_gap] = <number>total[j]
        x += stride
        out += out_stride


# Running sums and products of m neighbouring strips; acc holds m doubles or int64s.
cdef inline void running(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                         number* out, Py_ssize_t out_stride, Py_ssize_t out_gap, void* acc,
                         const bint product) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef int64_t* whole = <int64_t*>acc
    cdef double* total = <double*>acc
    if number is int64_t and not product:
        if stride == 1 and out_stride == 1:
            for j in range(m):
                running_sum_i64(x + j * gap, n, out + j * out_gap, whole[j])
            return
    if m == 1:
        if number in integer:
            running_alone(x, n, stride, out, out_stride, whole, product)
        else:
            running_alone(x, n, stride, out, out_stride, total, product)
        return
    if m == SIDE and gap != 1:
        if number in integer:
            running_side(x, n, stride, gap, out, out_stride, out_gap, whole, product)
        else:
            running_side(x, n, stride, gap, out, out_stride, out_gap, total, product)
        return
    for i in range(n):
        for j in range(m):
            if number in integer:
                whole[j] = whole[j] * x[i * stride + j * gap] if product else whole[j] + x[i * stride + j * gap]
                out[i * out_stride + j * out_gap] = <number>whole[j]
            else:
                total[j] = total[j] * x[i * stride + j * gap] if product else total[j] + x[i * stride + j * gap]
                out[i * out_stride + j * out_gap] = <number>total[j]


cdef void cumsum_lines(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                       number* out, Py_ssize_t out_stride, Py_ssize_t out_gap, void* acc) noexcept nogil:
    running(x, n, stride, m, gap, out, out_stride, out_gap, acc, False)


cdef void cumprod_lines(const number* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                        number* out, Py_ssize_t out_stride, Py_ssize_t out_gap, void* acc) noexcept nogil:
    running(x, n, stride, m, gap, out, out_stride, out_gap, acc, True)


# Products of all other elements of each line, that is out[i] = x[0] * .. * x[i-1] * x[i+1] * .. * x[n-1]: those
# before i on the way down, times those after i on the way back. No division, so zeros do no harm.
cdef void prod_others_lines(const real* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t m, Py_ssize_t gap,
                            real* out, Py_ssize_t out_stride, Py_ssize_t out_gap, void* acc) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double* total = <double*>acc
    for i in range(n):
        for j in range(m):
            out[i * out_stride + j * out_gap] = <real>total[j]
            total[j] *= x[i * stride + j * gap]
    for j in range(m):
        total[j] = 1
    for i in range(n - 1, -1, -1):
        for j in range(m):
            out[i * out_stride + j * out_gap] = <real>(out[i * out_stride + j * out_gap] * total[j])
            total[j] *= x[i * stride + j * gap]


# The derivative of cumprod along one line: out[j] = sum over i >= j of dy[i] * product of x[k], k <= i, k != j.
# With `after` = sum over i > j of dy[i] * x[j+1] * .. * x[i], that is before(j) * (dy[j] + after(j)): one way back.
cdef void cumprod_grad_line(const real* dy, Py_ssize_t dy_stride, const real* x, Py_ssize_t stride, Py_ssize_t n,
                            real* out, Py_ssize_t out_stride) noexcept nogil:
    cdef Py_ssize_t i
    cdef double before = 1, after = 0
    for i in range(n):
        out[i * out_stride] = <real>before
        before *= x[i * stride]
    for i in range(n - 1, -1, -1):
        after += dy[i * dy_stride]
        out[i * out_stride] = <real>(out[i * out_stride] * after)
        after *= x[i * stride]


# Counts of equal bins between low and high; the last bin holds high itself.
cdef void histogram(const real* x, Py_ssize_t n, Py_ssize_t stride, double* bins, Py_ssize_t count,
                    double low, double high) noexcept nogil:
    cdef Py_ssize_t i
    cdef double v
    for i in range(n):
        v = x[i * stride]
        if low <= v <= high:
            bins[min(<Py_ssize_t>((v - low) / (high - low) * count), count - 1)] += 1


# Whether two strips are equal.
cdef bint equal_strip(const number* a, Py_ssize_t a_stride, const number* b, Py_ssize_t b_stride,
                      Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, first = 0, last
    cdef int unlike = 0
    while first < n and not unlike:     # blocks, which are looked at in vectors
        last = min(n, first + 256)
        if a_stride == 1 and b_stride == 1:
            for i in range(first, last):
                unlike |= a[i] != b[i]
        else:
            for i in range(first, last):
                unlike |= a[i * a_stride] != b[i * b_stride]
        first = last
    return not unlike


cdef int enter(number* type_of, int dtype) except -1:
    put("cumsum_lines", dtype, <void*>cumsum_lines[number])
    put("cumprod_lines", dtype, <void*>cumprod_lines[number])
    put("equal_strip", dtype, <void*>equal_strip[number])
    if number not in integer:
        put("prod_others_lines", dtype, <void*>prod_others_lines[number])
        put("cumprod_grad_line", dtype, <void*>cumprod_grad_line[number])
        put("histogram", dtype, <void*>histogram[number])
    return 0


enter(<uint8_t*>NULL, U8)
enter(<int8_t*>NULL, I8)
enter(<int16_t*>NULL, I16)
enter(<int32_t*>NULL, I32)
enter(<int64_t*>NULL, I64)
enter(<float*>NULL, F32)
enter(<double*>NULL, F64)
