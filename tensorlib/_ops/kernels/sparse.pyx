# Loops of sparse tensors: positions of entries put in order, rows summed, gathered and scattered, sparse times dense.
from cython.parallel cimport prange
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.parallel cimport threads_for
from tensorlib._ops.types cimport F32, F64, I8, I16, I32, I64, U8, number

cdef enum:
    DIGIT = 11              # bits of a pass of the radix sort
    BUCKETS = 1 << 11
    FEW = 64                # so few keys are sorted by insertion
    LINE = 16               # columns that are worth a thread


# ---- positions --------------------------------------------------------------------------------------------------

cdef Py_ssize_t keys_kernel(int64_t* keys, const int64_t* index, Py_ssize_t n, int dims,
                            const Py_ssize_t* sizes) noexcept nogil:
    """keys[i] = where entry i stands among the sparse dims, in row-major order; index is dims x n.

    Returns the place in index of one that is out of range, or -1.
    """
    cdef Py_ssize_t i
    cdef int d
    cdef int64_t outside
    memset(keys, 0, n * sizeof(int64_t))
    for d in range(dims):
        outside = 0
        for i in range(n):
            outside |= (index[i] < 0) | (index[i] >= sizes[d])
        if outside:
            for i in range(n):
                if index[i] < 0 or index[i] >= sizes[d]:
                    return d * n + i
        for i in range(n):
            keys[i] = keys[i] * sizes[d] + index[i]
        index += n
    return -1


cdef void indices_kernel(int64_t* index, const int64_t* keys, Py_ssize_t n, int dims,
                         const Py_ssize_t* sizes) noexcept nogil:
    """The indices, dims x n, that keys stand for."""
    cdef Py_ssize_t i, stride = 1
    cdef int d
    for d in range(dims - 1, -1, -1):
        for i in range(n):
            index[d * n + i] = keys[i] // stride % sizes[d]
        stride *= sizes[d]


cdef void insertion_sort(int64_t* keys, int64_t* order, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef int64_t key, place
    for i in range(1, n):
        key, place, j = keys[i], order[i], i
        while j > 0 and keys[j - 1] > key:
            keys[j], order[j] = keys[j - 1], order[j - 1]
            j -= 1
        keys[j], order[j] = key, place


cdef void radix_pass(const int64_t* keys, const int64_t* order, int64_t* to_keys, int64_t* to_order, Py_ssize_t n,
                     int shift) noexcept nogil:
    cdef Py_ssize_t[BUCKETS] start
    cdef Py_ssize_t i, count, total = 0
    cdef int b
    memset(start, 0, sizeof(start))
    for i in range(n):
        start[(keys[i] >> shift) & (BUCKETS - 1)] += 1
    for b in range(BUCKETS):
        count, start[b] = start[b], total
        total += count
    for i in range(n):
        b = (keys[i] >> shift) & (BUCKETS - 1)
        to_keys[start[b]], to_order[start[b]] = keys[i], order[i]
        start[b] += 1


cdef void order_kernel(int64_t* keys, int64_t* order, int64_t* scratch, Py_ssize_t n) noexcept nogil:
    """Sort keys, which are not negative, and put into order where each came from; equal ones keep their order.

    scratch holds 2 n numbers.
    """
    cdef Py_ssize_t i
    cdef int64_t most = 0, last = 0
    cdef bint in_order = True
    cdef int shift = 0
    for i in range(n):
        order[i] = i
        in_order &= keys[i] >= last
        last = keys[i]
        most = max(most, last)
    if in_order:
        return
    if n <= FEW:
        insertion_sort(keys, order, n)
        return
    while shift < 63 and most >> shift:
        radix_pass(keys, order, scratch, scratch + n, n, shift)
        memcpy(keys, scratch, n * sizeof(int64_t))
        memcpy(order, scratch + n, n * sizeof(int64_t))
        shift += DIGIT


cdef Py_ssize_t runs_kernel(int64_t* keys, int64_t* start, Py_ssize_t n) noexcept nogil:
    """Move the distinct ones of sorted keys to the front; start[j] is where the j-th began, and at the end n.

    Returns how many there are.
    """
    cdef Py_ssize_t i, count = 0
    for i in range(n):
        if i == 0 or keys[i] != keys[count - 1]:
            keys[count], start[count] = keys[i], i
            count += 1
    start[count] = n
    return count


cdef Py_ssize_t common_kernel(const int64_t* a, Py_ssize_t n, const int64_t* b, Py_ssize_t m, int64_t* in_a,
                              int64_t* in_b) noexcept nogil:
    """Places of the keys that two rows of sorted, distinct keys have in common. Returns how many there are."""
    cdef Py_ssize_t i = 0, j = 0, count = 0
    while i < n and j < m:
        if a[i] == b[j]:
            in_a[count], in_b[count] = i, j
            count += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return count


# ---- rows of values ---------------------------------------------------------------------------------------------

cdef void sum_range(number* out, const number* values, const int64_t* order, const int64_t* start, Py_ssize_t width,
                    Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t j, i, k
    cdef number* row
    cdef const number* more
    for j in range(first, last):
        row = out + j * width
        memcpy(row, values + order[start[j]] * width, width * sizeof(number))
        for i in range(start[j] + 1, start[j + 1]):
            more = values + order[i] * width
            for k in range(width):
                row[k] += more[k]


cdef void sum_kernel(number* out, const number* values, const int64_t* order, const int64_t* start, Py_ssize_t count,
                     Py_ssize_t width) noexcept nogil:
    """Row j of out = the sum of the rows order[start[j]:start[j + 1]] of values."""
    cdef int threads = threads_for(start[count] * width), t
    if threads == 1:
        sum_range(out, values, order, start, width, 0, count)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        sum_range(out, values, order, start, width, count * t // threads, count * (t + 1) // threads)


cdef void gather_kernel(number* out, const number* x, const int64_t* keys, Py_ssize_t n,
                        Py_ssize_t width) noexcept nogil:
    """Row i of out = row keys[i] of x."""
    cdef Py_ssize_t i
    if width == 1:
        for i in range(n):
            out[i] = x[keys[i]]
        return
    for i in range(n):
        memcpy(out + i * width, x + keys[i] * width, width * sizeof(number))


cdef void put_kernel(number* x, const number* values, const int64_t* keys, Py_ssize_t n,
                     Py_ssize_t width) noexcept nogil:
    """Row keys[i] of x = row i of values."""
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(x + keys[i] * width, values + i * width, width * sizeof(number))


cdef void add_block(number* x, const number* values, const int64_t* keys, number scale, Py_ssize_t width,
                    Py_ssize_t first, Py_ssize_t last, Py_ssize_t left, Py_ssize_t right) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef number* row
    cdef const number* more
    for i in range(first, last):
        row, more = x + keys[i] * width, values + i * width
        for k in range(left, right):
            row[k] += scale * more[k]


cdef void scatter_add_kernel(number* x, const number* values, const int64_t* keys, const number* scale, Py_ssize_t n,
                             Py_ssize_t width, bint distinct) noexcept nogil:
    """Row keys[i] of x += scale * row i of values. Threads own rows where the keys are distinct, else columns."""
    cdef int threads = threads_for(n * width), t
    if not distinct:
        threads = <int>min(threads, width // LINE + 1)
    if threads == 1:
        add_block(x, values, keys, scale[0], width, 0, n, 0, width)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        if distinct:
            add_block(x, values, keys, scale[0], width, n * t // threads, n * (t + 1) // threads, 0, width)
        else:
            add_block(x, values, keys, scale[0], width, 0, n, width * t // threads, width * (t + 1) // threads)


# ---- sparse times dense -----------------------------------------------------------------------------------------

cdef void multiply_block(number* out, const int64_t* rows, const int64_t* columns, const number* values,
                         const number* dense, Py_ssize_t width, number scale, Py_ssize_t first, Py_ssize_t last,
                         Py_ssize_t left, Py_ssize_t right) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef number* row
    cdef const number* other
    cdef number factor
    for i in range(first, last):
        row, other, factor = out + rows[i] * width, dense + columns[i] * width, scale * values[i]
        for k in range(left, right):
            row[k] += factor * other[k]


cdef Py_ssize_t next_row(const int64_t* rows, Py_ssize_t n, Py_ssize_t i) noexcept nogil:
    """The first place from i on where another row begins."""
    while 0 < i < n and rows[i] == rows[i - 1]:
        i += 1
    return i


cdef void multiply_kernel(number* out, const int64_t* rows, const int64_t* columns, const number* values,
                          const number* dense, const number* scale, Py_ssize_t n, Py_ssize_t width,
                          bint in_order) noexcept nogil:
    """out[rows[i]] += scale * values[i] * dense[columns[i]] for the n entries.

    Threads own rows where the entries are in order of their rows, else columns.
    """
    cdef int threads = threads_for(n * width), t
    if not in_order:
        threads = <int>min(threads, width // LINE + 1)
    if threads == 1:
        multiply_block(out, rows, columns, values, dense, width, scale[0], 0, n, 0, width)
        return
    for t in prange(threads, num_threads=threads, schedule="static"):
        if in_order:
            multiply_block(out, rows, columns, values, dense, width, scale[0], next_row(rows, n, n * t // threads),
                           next_row(rows, n, n * (t + 1) // threads), 0, width)
        else:
            multiply_block(out, rows, columns, values, dense, width, scale[0], 0, n, width * t // threads,
                           width * (t + 1) // threads)


# ---- registration -----------------------------------------------------------------------------------------------

cdef int enter_moves(number* type_of, int dtype) except -1:
    put("sparse_gather", dtype, <void*>gather_kernel[number])
    put("sparse_put", dtype, <void*>put_kernel[number])
    return 0


cdef int enter(number* type_of, int dtype) except -1:
    put("sparse_sum", dtype, <void*>sum_kernel[number])
    put("sparse_scatter_add", dtype, <void*>scatter_add_kernel[number])
    put("sparse_multiply", dtype, <void*>multiply_kernel[number])
    return 0


enter_moves(<uint8_t*>NULL, U8)
enter_moves(<uint8_t*>NULL, I8)
enter_moves(<int16_t*>NULL, I16)
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
put("sparse_keys", I64, <void*>keys_kernel)
put("sparse_indices", I64, <void*>indices_kernel)
put("sparse_order", I64, <void*>order_kernel)
put("sparse_runs", I64, <void*>runs_kernel)
put("sparse_common", I64, <void*>common_kernel)
