# Loops that move elements by position or by mask. Lines: m neighbouring lines of n elements; element i of line j
# is found at i * step + j * gap. Elements are moved by their size alone; only adding needs to know the type.
from libc.string cimport memcpy

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport *


cdef inline bint along_lines(Py_ssize_t x_step, Py_ssize_t x_gap, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """Whether the inner loop goes along the lines: what is nearer in memory, else what is longer."""
    return x_step < x_gap or (x_step == x_gap and n >= m)


# Whether any of n positions is not in [low, high).
cdef bint any_outside(const int64_t* index, Py_ssize_t n, int64_t low, int64_t high) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t bad = 0
    for i in range(n):
        bad |= (index[i] < low) | (index[i] >= high)
    return bad != 0


# out[i, j] = x[index[i, j], j]
cdef inline void gather_loops(const number* x, Py_ssize_t x_step, Py_ssize_t x_gap,
                              const int64_t* index, Py_ssize_t index_step, Py_ssize_t index_gap,
                              number* out, Py_ssize_t out_step, Py_ssize_t out_gap,
                              Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t i, j
    if index_gap == 0 and x_gap == 1 and out_gap == 1:
        for i in range(n):
            memcpy(out + i * out_step, x + index[i * index_step] * x_step, m * sizeof(number))
    elif x_step == 1 and index_step == 1 and out_step == 1:
        for j in range(m):
            for i in range(n):
                out[j * out_gap + i] = x[index[j * index_gap + i] + j * x_gap]
    elif along_lines(x_step, x_gap, n, m):
        for j in range(m):
            for i in range(n):
                out[i * out_step + j * out_gap] = x[index[i * index_step + j * index_gap] * x_step + j * x_gap]
    else:
        for i in range(n):
            for j in range(m):
                out[i * out_step + j * out_gap] = x[index[i * index_step + j * index_gap] * x_step + j * x_gap]


cdef void gather_lines(number* x, Py_ssize_t x_step, Py_ssize_t x_gap,
                       const int64_t* index, Py_ssize_t index_step, Py_ssize_t index_gap,
                       number* out, Py_ssize_t out_step, Py_ssize_t out_gap, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    gather_loops(x, x_step, x_gap, index, index_step, index_gap, out, out_step, out_gap, n, m)


cdef inline void fill_row(number* to, number value, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(m):
        to[j] = value


# x[index[i, j], j] = source[i, j], i ascending: of equal positions the last one wins.
cdef void scatter_lines(number* x, Py_ssize_t x_step, Py_ssize_t x_gap,
                        const int64_t* index, Py_ssize_t index_step, Py_ssize_t index_gap,
                        number* source, Py_ssize_t step, Py_ssize_t gap, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t i, j
    if index_gap == 0 and x_gap == 1 and gap == 1:
        for i in range(n):
            memcpy(x + index[i * index_step] * x_step, source + i * step, m * sizeof(number))
    elif index_gap == 0 and x_gap == 1 and gap == 0:
        for i in range(n):
            fill_row(x + index[i * index_step] * x_step, source[i * step], m)
    elif x_step == 1 and index_step == 1 and step == 1:
        for j in range(m):
            for i in range(n):
                x[index[j * index_gap + i] + j * x_gap] = source[j * gap + i]
    elif along_lines(x_step, x_gap, n, m):
        for j in range(m):
            for i in range(n):
                x[index[i * index_step + j * index_gap] * x_step + j * x_gap] = source[i * step + j * gap]
    else:
        for i in range(n):
            for j in range(m):
                x[index[i * index_step + j * index_gap] * x_step + j * x_gap] = source[i * step + j * gap]


# to[j] += source[j]
cdef inline void add_row(number* to, const number* source, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(m):
        to[j] += source[j]


# x[index[i, j], j] += source[i, j]
cdef void scatter_add_lines(number* x, Py_ssize_t x_step, Py_ssize_t x_gap,
                            const int64_t* index, Py_ssize_t index_step, Py_ssize_t index_gap,
                            number* source, Py_ssize_t step, Py_ssize_t gap, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t i, j
    if index_gap == 0 and x_gap == 1 and gap == 1:
        for i in range(n):
            add_row(x + index[i * index_step] * x_step, source + i * step, m)
    elif x_step == 1 and index_step == 1 and step == 1:
        for j in range(m):
            for i in range(n):
                x[index[j * index_gap + i] + j * x_gap] += source[j * gap + i]
    elif along_lines(x_step, x_gap, n, m):
        for j in range(m):
            for i in range(n):
                x[index[i * index_step + j * index_gap] * x_step + j * x_gap] += source[i * step + j * gap]
    else:
        for i in range(n):
            for j in range(m):
                x[index[i * index_step + j * index_gap] * x_step + j * x_gap] += source[i * step + j * gap]


# How many of n flags are 1, or -1 where some is neither 0 nor 1.
cdef Py_ssize_t count_flags(const uint8_t* mask, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, first = 0, total = 0
    cdef uint8_t seen = 0, ones
    while first < n:                    # in bytes, as long as they hold the count
        ones = 0
        for i in range(first, min(n, first + 128)):
            seen |= mask[i]
            ones += mask[i] & 1
        total += ones
        first += 128
    return total if seen <= 1 else -1


# Take the elements of a row where the mask is 1, at most `most` of them; returns how many.
cdef Py_ssize_t masked_select_row(const number* x, Py_ssize_t stride, const uint8_t* mask, Py_ssize_t n,
                                  number* out, Py_ssize_t most) noexcept nogil:
    cdef Py_ssize_t i = 0, found = 0
    while i < n and found < most:
        out[found] = x[i * stride]
        found += mask[i]
        i += 1
    return found


# Put the next elements of source where the mask is 1; returns how many were put.
cdef Py_ssize_t masked_scatter_row(number* x, Py_ssize_t stride, const uint8_t* mask, Py_ssize_t n,
                                   const number* source, Py_ssize_t most) noexcept nogil:
    cdef Py_ssize_t i = 0, used = 0
    cdef number either[2]
    while i < n and used < most:        # no branch for the mask: it would be guessed wrong half of the time
        either[0], either[1] = x[i * stride], source[used]
        x[i * stride] = either[mask[i]]
        used += mask[i]
        i += 1
    return used


# Put source[0] wherever the mask is 1.
cdef Py_ssize_t masked_fill_row(number* x, Py_ssize_t stride, const uint8_t* mask, Py_ssize_t n,
                                const number* source, Py_ssize_t most) noexcept nogil:
    cdef Py_ssize_t i
    cdef number value = source[0]
    if stride == 1:
        for i in range(n):
            x[i] = value if mask[i] else x[i]
    else:
        for i in range(n):
            if mask[i]:
                x[i * stride] = value
    return 0


cdef Py_ssize_t count_nonzero(const number* x, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, found = 0
    if stride == 1:
        for i in range(n):
            found += x[i] != 0
    else:
        for i in range(n):
            found += x[i * stride] != 0
    return found


cdef inline bint all_zero(const number* x, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int seen = 0
    if stride == 1:
        for i in range(n):
            seen |= x[i] != 0
        return not seen
    return False


# Write the positions of the nonzero elements of a row, at most `most`, after its own coordinates; returns how many.
# A position is written for every element, and the next one over it if that was zero: no branch is guessed wrong.
cdef Py_ssize_t nonzero_row(const number* x, Py_ssize_t stride, Py_ssize_t n, const int64_t* where, int ndim,
                            int64_t* out, Py_ssize_t most) noexcept nogil:
    cdef Py_ssize_t i = 0, last, found = 0
    cdef int d
    while i < n and found < most:
        last = min(n, i + 64)
        if all_zero(x + i * stride, stride, last - i):
            i = last
        while i < last and found < most:
            for d in range(ndim - 1):
                out[d] = where[d]
            out[ndim - 1] = i
            out += ndim if x[i * stride] != 0 else 0
            found += x[i * stride] != 0
            i += 1
    return found


cdef int enter_moves(number* type_of, int dtype) except -1:
    put("gather_lines", dtype, <void*>gather_lines[number])
    put("scatter_lines", dtype, <void*>scatter_lines[number])
    put("masked_select_row", dtype, <void*>masked_select_row[number])
    put("masked_scatter_row", dtype, <void*>masked_scatter_row[number])
    put("masked_fill_row", dtype, <void*>masked_fill_row[number])
    return 0


cdef int enter(number* type_of, int dtype) except -1:
    put("scatter_add_lines", dtype, <void*>scatter_add_lines[number])
    put("count_nonzero", dtype, <void*>count_nonzero[number])
    put("nonzero_row", dtype, <void*>nonzero_row[number])
    return 0


enter_moves(<uint8_t*>NULL, U8)
enter_moves(<uint8_t*>NULL, I8)
enter_moves(<int16_t*>NULL, I16)
enter_moves(<int16_t*>NULL, F16)
enter_moves(<int32_t*>NULL, I32)
enter_moves(<int32_t*>NULL, F32)
enter_moves(<int64_t*>NULL, I64)
enter_moves(<int64_t*>NULL, F64)
enter(<uint8_t*>NULL, U8)
enter(<int8_t*>NULL, I8)
enter(<int16_t*>NULL, I16)
enter(<int32_t*>NULL, I32)
enter(<int64_t*>NULL, I64)
enter(<float*>NULL, F32)
enter(<double*>NULL, F64)
put("any_outside", I64, <void*>any_outside)
put("count_flags", U8, <void*>count_flags)
