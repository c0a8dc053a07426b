# Sorting and selecting along one line. Elements become 64-bit keys whose unsigned order is theirs (NaN last, -0 equal
# to 0), each with its position, so that one radix sort and one quickselect serve every type. Sorting is stable. Where
# keys need 32 bits at most, key and position are sorted as the halves of one number.
from libc.stdint cimport uint32_t, uint64_t

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport *

cdef enum:
    FEW = 32            # lines up to this length are sorted by insertion
    LARGEST = 1         # flags of sort_line (descending) and topk_line
    SORTED = 2

cdef struct Pair:
    uint64_t key
    int64_t position

ctypedef fused record:
    Pair
    uint64_t            # the key, then the position

cdef union Bits:
    float f32
    double f64
    uint32_t u32
    uint64_t u64


cdef inline uint64_t key_of(number v) noexcept nogil:
    """An unsigned number that orders as v does; it fills the lowest sizeof(number) bytes."""
    cdef Bits b
    if number is uint8_t:
        return v
    elif number in integer:
        b.u64 = <uint64_t>1 << (8 * sizeof(number) - 1)
        return (<uint64_t>v ^ b.u64) & (b.u64 | (b.u64 - 1))
    elif number is float:
        if v != v:
            return <uint32_t>-1
        b.f32 = v + <float>0                # -0 becomes 0
        return <uint32_t>(~b.u32 if b.u32 >> 31 else b.u32 | (<uint32_t>1 << 31))
    else:
        if v != v:
            return <uint64_t>-1
        b.f64 = v + <double>0
        return ~b.u64 if b.u64 >> 63 else b.u64 | (<uint64_t>1 << 63)


cdef inline void make_pairs(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, uint64_t flip) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        pairs[i].key = key_of(x[i * step]) ^ flip
        pairs[i].position = i


cdef inline uint64_t all_bits(int nbytes) noexcept nogil:
    return (~<uint64_t>0) >> (64 - 8 * nbytes)


cdef inline uint64_t key_in(record r) noexcept nogil:
    if record is Pair:
        return r.key
    else:
        return r >> 32


cdef inline Py_ssize_t position_in(record r) noexcept nogil:
    if record is Pair:
        return r.position
    else:
        return r & 0xffffffffu


cdef void insertion_sort(record* pairs, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef record p
    for i in range(1, n):
        p = pairs[i]
        j = i
        while j > 0 and key_in(pairs[j - 1]) > key_in(p):
            pairs[j] = pairs[j - 1]
            j -= 1
        pairs[j] = p


cdef record* radix_sort(record* pairs, record* spare, Py_ssize_t n, int nbytes) noexcept nogil:
    """Sort by the lowest nbytes of the keys, a byte a pass; returns which of the two buffers holds the result."""
    cdef Py_ssize_t counts[8][256]
    cdef Py_ssize_t i, total, count
    cdef uint64_t key
    cdef int b, digit
    cdef record* swap
    for b in range(nbytes):
        for digit in range(256):
            counts[b][digit] = 0
    for i in range(n):
        key = key_in(pairs[i])
        for b in range(nbytes):
            counts[b][(key >> (8 * b)) & 255] += 1
    for b in range(nbytes):
        if counts[b][(key_in(pairs[0]) >> (8 * b)) & 255] == n:     # all alike: nothing to do
            continue
        total = 0
        for digit in range(256):
            count = counts[b][digit]
            counts[b][digit] = total
            total += count
        for i in range(n):
            digit = (key_in(pairs[i]) >> (8 * b)) & 255
            spare[counts[b][digit]] = pairs[i]
            counts[b][digit] += 1
        swap = pairs
        pairs = spare
        spare = swap
    return pairs


cdef inline record* sort_pairs(record* pairs, record* spare, Py_ssize_t n, int nbytes) noexcept nogil:
    if n <= FEW:
        insertion_sort(pairs, n)
        return pairs
    return radix_sort(pairs, spare, n, nbytes)


cdef inline void swap_pairs(Pair* pairs, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    cdef Pair p = pairs[i]
    pairs[i] = pairs[j]
    pairs[j] = p


cdef void select_pair(Pair* pairs, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Quickselect (Hoare, the median of three as pivot): the k-th pair comes to place k, smaller ones before it."""
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef uint64_t pivot
    while high > low + 1:
        swap_pairs(pairs, (low + high) // 2, low + 1)
        if pairs[low + 1].key > pairs[high].key:
            swap_pairs(pairs, low + 1, high)
        if pairs[low].key > pairs[high].key:
            swap_pairs(pairs, low, high)
        if pairs[low + 1].key > pairs[low].key:
            swap_pairs(pairs, low + 1, low)
        i, j, pivot = low + 1, high, pairs[low].key
        while True:
            i += 1
            while pairs[i].key < pivot:
                i += 1
            j -= 1
            while pairs[j].key > pivot:
                j -= 1
            if j < i:
                break
            swap_pairs(pairs, i, j)
        swap_pairs(pairs, low, j)
        if j <= k:
            low = i
        if j >= k:
            high = j - 1
    if high == low + 1 and pairs[low].key > pairs[high].key:
        swap_pairs(pairs, low, high)


# The least and the greatest key of a line.
cdef inline void key_range(const number* x, Py_ssize_t step, Py_ssize_t n, uint64_t* low,
                           uint64_t* high) noexcept nogil:
    cdef uint64_t key
    cdef Py_ssize_t i
    low[0], high[0] = ~<uint64_t>0, 0
    for i in range(n):
        key = key_of(x[i * step])
        low[0] = key if key < low[0] else low[0]
        high[0] = key if key > high[0] else high[0]


# Sort a line whose keys, less `low`, need nbytes of 4 at most.
cdef inline void sort_packed(const number* x, Py_ssize_t step, Py_ssize_t n, uint64_t* keys, uint64_t low,
                             uint64_t flip, int nbytes, number* values, int64_t* where,
                             Py_ssize_t out_step) noexcept nogil:
    cdef Py_ssize_t i, at
    cdef uint64_t* result
    for i in range(n):
        keys[i] = ((key_of(x[i * step]) - low) ^ flip) << 32 | <uint64_t>i
    result = sort_pairs(keys, keys + n, n, nbytes)
    for i in range(n):
        at = position_in(result[i])
        values[i * out_step] = x[at * step]
        where[i * out_step] = at


# Sort a line; LARGEST: descending.
cdef void sort_line(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k, int flags,
                    number* values, int64_t* where, Py_ssize_t out_step) noexcept nogil:
    cdef Py_ssize_t i
    cdef Pair* result
    cdef uint64_t low = 0, high = all_bits(sizeof(number))
    cdef int nbytes = 1
    if number is int64_t:
        key_range(x, step, n, &low, &high)
    if high - low <= 0xffffffffu and n >> 32 == 0:
        while nbytes < 4 and (high - low) >> (8 * nbytes) != 0:
            nbytes += 1
        sort_packed(x, step, n, <uint64_t*>pairs, low, all_bits(nbytes) if flags & LARGEST else 0, nbytes, values,
                    where, out_step)
        return
    make_pairs(x, step, n, pairs, all_bits(sizeof(number)) if flags & LARGEST else 0)
    result = sort_pairs(pairs, pairs + n, n, sizeof(number))
    for i in range(n):
        values[i * out_step] = x[result[i].position * step]
        where[i * out_step] = result[i].position


# The element that would be at place k of a sorted line.
cdef void select_line(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k, int flags,
                      number* values, int64_t* where, Py_ssize_t out_step) noexcept nogil:
    make_pairs(x, step, n, pairs, 0)
    select_pair(pairs, n, k)
    values[0] = x[pairs[k].position * step]
    where[0] = pairs[k].position


cdef inline void insert_best(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k,
                             uint64_t flip) noexcept nogil:
    """The k pairs of the least keys, in order: for a few of many, where most elements are passed over."""
    cdef Py_ssize_t i, j
    cdef uint64_t key, limit
    make_pairs(x, step, k, pairs, flip)
    insertion_sort(pairs, k)
    limit = pairs[k - 1].key
    for i in range(k, n):
        key = key_of(x[i * step]) ^ flip
        if key >= limit:
            continue
        j = k - 1
        while j > 0 and pairs[j - 1].key > key:
            pairs[j] = pairs[j - 1]
            j -= 1
        pairs[j].key, pairs[j].position = key, i
        limit = pairs[k - 1].key


cdef inline void select_best(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k,
                             uint64_t flip) noexcept nogil:
    """The k pairs of the least keys come to the first places, of many: those that are not passed over wait behind the
    best, which are selected again when there are twice as many."""
    cdef Py_ssize_t i, room = 2 * k, kept = k
    cdef uint64_t key, limit
    make_pairs(x, step, room, pairs, flip)
    select_pair(pairs, room, k - 1)
    limit = pairs[k - 1].key
    for i in range(room, n):
        key = key_of(x[i * step]) ^ flip
        if key >= limit:
            continue
        pairs[kept].key, pairs[kept].position = key, i
        kept += 1
        if kept == room:
            select_pair(pairs, kept, k - 1)
            kept, limit = k, pairs[k - 1].key
    select_pair(pairs, kept, k - 1)


cdef inline Pair* select_of_all(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k,
                                uint64_t flip) noexcept nogil:
    """The k pairs of the least keys, if flip is 0, else of the largest, which are turned round. Of equal elements v0.2
    took those that a selection of all by ascending keys finds."""
    cdef Py_ssize_t i
    make_pairs(x, step, n, pairs, 0)
    if flip == 0:
        select_pair(pairs, n, k - 1)
        return pairs
    select_pair(pairs, n, n - k)
    pairs += n - k
    for i in range(k):
        pairs[i].key ^= flip
    return pairs


# The k largest or smallest elements of a line, the best first if SORTED.
cdef void topk_line(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k, int flags,
                    number* values, int64_t* where, Py_ssize_t out_step) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint64_t flip = all_bits(sizeof(number)) if flags & LARGEST else 0
    cdef Pair* best = pairs
    if n > FEW and n >= 8 * k and k <= FEW // 2:
        insert_best(x, step, n, pairs, k, flip)
        flags = 0
    elif n > FEW and n >= 16 * k:
        select_best(x, step, n, pairs, k, flip)
    else:
        best = select_of_all(x, step, n, pairs, k, flip)
    if flags & SORTED:
        best = sort_pairs(best, pairs + n, k, sizeof(number))
    for i in range(k):
        values[i * out_step] = x[best[i].position * step]
        where[i * out_step] = best[i].position


# The most frequent value of a line (the smallest of several) and its last position.
cdef void mode_line(const number* x, Py_ssize_t step, Py_ssize_t n, Pair* pairs, Py_ssize_t k, int flags,
                    number* values, int64_t* where, Py_ssize_t out_step) noexcept nogil:
    cdef Py_ssize_t i, begin = 0, last = 0, longest = 0
    cdef Pair* result
    make_pairs(x, step, n, pairs, 0)
    result = sort_pairs(pairs, pairs + n, n, sizeof(number))
    for i in range(n):
        if result[i].key != result[begin].key:
            begin = i
        if i - begin + 1 > longest:
            longest = i - begin + 1
            last = i
    values[0] = x[result[last].position * step]
    where[0] = result[last].position


cdef int enter(number* type_of, int dtype) except -1:
    put("sort_line", dtype, <void*>sort_line[number])
    put("select_line", dtype, <void*>select_line[number])
    put("topk_line", dtype, <void*>topk_line[number])
    put("mode_line", dtype, <void*>mode_line[number])
    return 0


enter(<uint8_t*>NULL, U8)
enter(<int8_t*>NULL, I8)
enter(<int16_t*>NULL, I16)
enter(<int32_t*>NULL, I32)
enter(<int64_t*>NULL, I64)
enter(<float*>NULL, F32)
enter(<double*>NULL, F64)
