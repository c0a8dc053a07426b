"""The one elementwise driver: broadcasting, strides, blocks and threads.

A kernel only ever sees rows of unit stride. Dims are put in the order of the output's strides and merged where
all operands allow it; operands whose innermost stride is not one element are packed into small buffers, and those
that lie across the output in tiles, so that each line of the cache is read once. Short rows are packed to lie one after
the other, so that many are one call. Where operands are one number for a whole row, a form of the kernel that takes
numbers is called. It knows raw memory only, no tensors.
"""
from cython.parallel cimport prange
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .parallel cimport max_threads
from .types cimport BLOCK, MAXDIM


cdef extern from "moving.h" nogil:
    void copy_rows(char* y, Py_ssize_t y_gap, const char* x, Py_ssize_t x_gap, Py_ssize_t rows, Py_ssize_t n)
    void fill_rows(char* y, Py_ssize_t y_gap, const char* x, Py_ssize_t x_gap, Py_ssize_t rows, Py_ssize_t n,
                   int size)
    void fetch_rows(const char* x, Py_ssize_t gap, Py_ssize_t rows, Py_ssize_t n)
    void turn(char* y, Py_ssize_t y_gap, const char* x, Py_ssize_t x_gap, Py_ssize_t rows, Py_ssize_t columns, int size)

cdef enum:
    PAGE = 4096
    SHORT = 8               # elements of a row that are too few
    LONG = 64               # elements of a row that are worth a call; twice as many where an operand lies across
    TILE = 16               # rows of a tile: elements of a line of the cache
    SPACE = 8192            # elements that all tiles of a strip take at most
    OUTSIDE = 1 << 18       # bytes from the first to the last element of a row that the inner cache does not hold


cdef inline Py_ssize_t magnitude(Py_ssize_t n) noexcept nogil:
    return -n if n < 0 else n


cdef inline bint outer_first(Job* job, int d, int e) noexcept nogil:
    """Whether dim e belongs outside dim d, judged by the first operand that tells them apart."""
    cdef int a
    cdef Py_ssize_t x, y
    for a in range(job.n_args):
        x, y = magnitude(job.strides[a][d]), magnitude(job.strides[a][e])
        if x == 0 or y == 0 or x == y:      # a broadcast operand has no opinion
            continue
        return x < y
    return False


cdef void swap_dims(Job* job, int d, int e) noexcept nogil:
    cdef int a
    job.sizes[d], job.sizes[e] = job.sizes[e], job.sizes[d]
    for a in range(job.n_args):
        job.strides[a][d], job.strides[a][e] = job.strides[a][e], job.strides[a][d]


cdef bint mergeable(Job* job, int d, int e) noexcept nogil:
    """Whether dims d and e (just inside d) are one dim for every operand."""
    cdef int a
    for a in range(job.n_args):
        if job.strides[a][d] != job.strides[a][e] * job.sizes[e]:
            return False
    return True


cdef void simplify(Job* job) noexcept nogil:
    """Drop dims of size 1, sort the others outermost first, merge neighbours."""
    cdef int d, e, n = 0, a
    for d in range(job.ndim):
        if job.sizes[d] != 1:
            if n != d:
                swap_dims(job, n, d)
            n += 1
    for d in range(1, n):
        e = d
        while e > 0 and outer_first(job, e - 1, e):
            swap_dims(job, e - 1, e)
            e -= 1
    if n == 0:
        job.ndim = 1
        job.sizes[0] = 1
        for a in range(job.n_args):
            job.strides[a][0] = job.itemsize[a]
        return
    e = 0
    for d in range(1, n):
        if mergeable(job, e, d):
            job.sizes[e] *= job.sizes[d]
            for a in range(job.n_args):
                job.strides[a][e] = job.strides[a][d]
        else:
            e += 1
            if e != d:
                swap_dims(job, e, d)
    job.ndim = e + 1
    lengthen(job)


cdef inline bint is_dense(const Job* job, int a) noexcept nogil:
    """Whether the rows of an operand are of unit stride."""
    return job.strides[a][job.ndim - 1] == job.itemsize[a]


cdef void lengthen(Job* job) noexcept nogil:
    """Make a longer dim the innermost one where that and the next are very short: a row costs as much as some twenty
    elements, but for rows that are copied as they are."""
    cdef int last = job.ndim - 1, d
    if (job.sizes[last] >= SHORT or last > 0 and job.sizes[last] * job.sizes[last - 1] >= 4 * SHORT
            or job.copies and is_dense(job, 0) and is_dense(job, 1)):
        return
    for d in range(last - 1, -1, -1):
        if job.sizes[d] >= 4 * SHORT:
            swap_dims(job, d, last)
            return


cdef bint are_numbers(const Job* job, unsigned operands, int dims) noexcept nogil:
    """Whether operands are one number in each piece of so many innermost dims."""
    cdef int a, d
    for a in range(job.n_args):
        for d in range(job.ndim - dims, job.ndim):
            if operands >> a & 1 and job.strides[a][d] != 0:
                return False
    return True


cdef void choose_form(Job* job, int dims) noexcept nogil:
    """Take the kernel's form for numbers where they are some; `numbers` is left with those it wants as numbers."""
    cdef int d
    if job.mirror_fn != NULL and are_numbers(job, 2, dims) and not are_numbers(job, 4, dims):
        job.base[1], job.base[2] = job.base[2], job.base[1]
        job.itemsize[1], job.itemsize[2] = job.itemsize[2], job.itemsize[1]
        for d in range(job.ndim):
            job.strides[1][d], job.strides[2][d] = job.strides[2][d], job.strides[1][d]
        job.fn, job.numbers = job.mirror_fn, 4
    elif job.number_fn != NULL and are_numbers(job, job.numbers, dims):
        job.fn = job.number_fn
    else:
        job.numbers = 0


cdef inline bint as_is(const Job* job, int a) noexcept nogil:
    """Whether the kernel takes the rows of an operand where they lie."""
    return is_dense(job, a) or job.numbers >> a & 1


cdef void repeat(char* dst, const char* src, Py_ssize_t n, int size) noexcept nogil:
    """n copies of one element."""
    cdef Py_ssize_t done = 1, more
    memcpy(dst, src, size)
    while done < n:
        more = min(done, n - done)
        memcpy(dst + done * size, dst, more * size)
        done += more


cdef inline void fill(char* dst, char* src, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t most, int size,
                      char** filled_from) noexcept nogil:
    """The next n elements of an input into its buffer; one that is constant stands there `most` times from its first
    use on."""
    if stride != 0:
        copy_rows(dst, size, src, stride, n, size)
    elif filled_from[0] != src:
        filled_from[0] = src
        repeat(dst, src, most, size)


cdef inline bint across(const Job* job, int a) noexcept nogil:
    """Whether an input lies across the output: neighbours in the next dim, not in the innermost."""
    cdef int last = job.ndim - 1
    return (a >= job.n_out and last > 0 and job.strides[a][last - 1] == job.itemsize[a]
            and job.strides[a][last] != job.itemsize[a] and job.strides[a][last] != 0)


cdef inline bint turns_straight(const Job* job) noexcept nogil:
    """Whether a strip is turned into the output itself: a copy, whose rows do not all begin in the same set of the
    inner cache."""
    return job.copies and is_dense(job, 0) and across(job, 1) and job.strides[0][job.ndim - 2] % PAGE != 0


cdef bint wants_tiles(const Job* job) noexcept nogil:
    """Whether an input lies across the output, and its lines would be gone from the cache before the next row."""
    cdef int last = job.ndim - 1, a
    if last < 1 or job.sizes[last - 1] < TILE // 2 or job.sizes[last] < TILE // 2:
        return False
    if turns_straight(job) and job.itemsize[0] >= 4:
        return True
    for a in range(job.n_args):
        if across(job, a) and job.sizes[last] * magnitude(job.strides[a][last]) >= OUTSIDE:
            return True
    return False


cdef inline Py_ssize_t tile_rows(const Job* job) noexcept nogil:
    """How many strips of TILE rows there are."""
    cdef Py_ssize_t strips = (job.sizes[job.ndim - 2] + TILE - 1) // TILE
    cdef int d
    for d in range(job.ndim - 2):
        strips *= job.sizes[d]
    return strips


cdef Py_ssize_t make_room(const Job* job, uint64_t* space, char** room) noexcept nogil:
    """Share the space among the operands that are packed; returns how many columns of a tile each has room for."""
    cdef int a, packed = 0
    cdef Py_ssize_t wide
    for a in range(job.n_args):
        packed += not as_is(job, a)
    wide = SPACE // (TILE * packed)
    for a in range(job.n_args):
        room[a] = <char*>space
        if not as_is(job, a):
            space += TILE * wide
    return wide


cdef void run_strip(const Job* job, Py_ssize_t strip) noexcept nogil:
    """TILE rows of the two innermost dims, tile after tile."""
    cdef uint64_t[SPACE] space
    cdef char* room[MAXARG]
    cdef char* base[MAXARG]
    cdef char* arg[MAXARG]
    cdef char* filled_from[MAXARG]      # address a constant operand's buffer was filled from
    cdef int last = job.ndim - 1, a, d
    cdef Py_ssize_t strips = (job.sizes[last - 1] + TILE - 1) // TILE, first = strip % strips * TILE, r, m, at
    cdef Py_ssize_t rows = min(job.sizes[last - 1] - first, <Py_ssize_t>TILE), rest = strip // strips, j = 0, wide
    for a in range(job.n_args):
        base[a] = job.base[a] + first * job.strides[a][last - 1]
        filled_from[a] = NULL
    for d in range(last - 2, -1, -1):
        at = rest % job.sizes[d]
        rest = rest // job.sizes[d]
        for a in range(job.n_args):
            base[a] += at * job.strides[a][d]
    if turns_straight(job):
        turn(base[0], job.strides[0][last - 1], base[1], job.strides[1][last], rows, job.sizes[last], job.itemsize[0])
        return
    wide = make_room(job, space, room)
    while j < job.sizes[last]:
        m = min(job.sizes[last] - j, wide)
        for a in range(job.n_args):
            if as_is(job, a):
                fetch_rows(base[a] + j * job.strides[a][last], job.strides[a][last - 1], rows,
                           m * job.strides[a][last])
        for a in range(job.n_args):
            if across(job, a):
                turn(room[a], wide * job.itemsize[a], base[a] + j * job.strides[a][last], job.strides[a][last], rows,
                     m, job.itemsize[a])
        for r in range(rows):
            for a in range(job.n_args):
                arg[a] = base[a] + r * job.strides[a][last - 1] + j * job.strides[a][last]
                if across(job, a):
                    arg[a] = room[a] + r * wide * job.itemsize[a]
                elif not as_is(job, a):
                    if a >= job.n_out:
                        fill(room[a], arg[a], job.strides[a][last], m, wide, job.itemsize[a], &filled_from[a])
                    arg[a] = room[a]
            job.fn(arg, m)
            for a in range(job.n_out):
                if not is_dense(job, a):
                    copy_rows(base[a] + r * job.strides[a][last - 1] + j * job.strides[a][last], job.strides[a][last],
                              arg[a], job.itemsize[a], m, job.itemsize[a])
        j += wide


cdef bint wants_rows_together(const Job* job) noexcept nogil:
    """Whether rows are so short that copies of some of them cost less than a call of the kernel for each."""
    cdef int last = job.ndim - 1, a
    cdef bint turned = False
    if (last == 0 or job.sizes[last] >= 2 * LONG or job.sizes[last - 1] < 4
            or job.copies and (is_dense(job, 0) and is_dense(job, 1) or wants_tiles(job))):
        return False
    for a in range(job.n_args):
        turned = turned or across(job, a)
    return turned or job.sizes[last] < LONG


cdef void move(char* y, Py_ssize_t y_gap, Py_ssize_t y_stride, const char* x, Py_ssize_t x_gap, Py_ssize_t x_stride,
               Py_ssize_t rows, Py_ssize_t n, int size) noexcept nogil:
    """Copy rows of n elements, all gaps and strides being free."""
    cdef Py_ssize_t i
    if x_stride == size and y_stride == size:
        copy_rows(y, y_gap, x, x_gap, rows, n * size)
    elif x_stride == 0 and y_stride == size:
        fill_rows(y, y_gap, x, x_gap, rows, n * size, size)
    elif x_gap == size and y_stride == size:
        turn(y, y_gap, x, x_stride, rows, n, size)
    elif x_stride == size and y_gap == size:
        turn(y, y_stride, x, x_gap, n, rows, size)
    elif rows > n:
        for i in range(n):
            copy_rows(y + i * y_stride, y_gap, x + i * x_stride, x_gap, rows, size)
    else:
        for i in range(rows):
            copy_rows(y + i * y_gap, y_stride, x + i * x_gap, x_stride, n, size)


cdef inline bint is_flat(const Job* job, int a) noexcept nogil:
    """Whether the kernel takes rows of an operand, one after the other, where they lie."""
    return (is_dense(job, a) and job.strides[a][job.ndim - 2] == job.itemsize[a] * job.sizes[job.ndim - 1]
            or job.numbers >> a & 1)


cdef inline Py_ssize_t rows_together(const Job* job) noexcept nogil:
    return min(BLOCK // job.sizes[job.ndim - 1], job.sizes[job.ndim - 2])


cdef inline Py_ssize_t group_count(const Job* job) noexcept nogil:
    cdef Py_ssize_t each = rows_together(job), groups = (job.sizes[job.ndim - 2] + each - 1) // each
    cdef int d
    for d in range(job.ndim - 2):
        groups *= job.sizes[d]
    return groups


cdef void run_groups(const Job* job, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Groups of short rows: those of an operand that do not lie one after the other are packed to lie so."""
    cdef uint64_t[MAXARG][BLOCK] packed
    cdef char* base[MAXARG]
    cdef char* arg[MAXARG]
    cdef char* filled_from[MAXARG]      # address an operand's buffer was filled from that is the same for all rows
    cdef int last = job.ndim - 1, a, d
    cdef Py_ssize_t n = job.sizes[last], each = rows_together(job), groups = (job.sizes[last - 1] + each - 1) // each
    cdef Py_ssize_t group, rest, at, rows
    for a in range(job.n_args):
        filled_from[a] = NULL
    for group in range(start, stop):
        at = group % groups * each
        rest = group // groups
        rows = min(job.sizes[last - 1] - at, each)
        for a in range(job.n_args):
            base[a] = job.base[a] + at * job.strides[a][last - 1]
        for d in range(last - 2, -1, -1):
            at = rest % job.sizes[d]
            rest = rest // job.sizes[d]
            for a in range(job.n_args):
                base[a] += at * job.strides[a][d]
        if job.copies:
            move(base[0], job.strides[0][last - 1], job.strides[0][last], base[1], job.strides[1][last - 1],
                 job.strides[1][last], rows, n, job.itemsize[0])
            continue
        for a in range(job.n_args):
            arg[a] = base[a] if is_flat(job, a) else <char*>packed[a]
            if a < job.n_out or is_flat(job, a) or filled_from[a] == base[a]:
                continue
            if job.strides[a][last - 1] == 0:
                filled_from[a] = base[a]
            move(arg[a], n * job.itemsize[a], job.itemsize[a], base[a], job.strides[a][last - 1],
                 job.strides[a][last], each if job.strides[a][last - 1] == 0 else rows, n, job.itemsize[a])
        job.fn(arg, rows * n)
        for a in range(job.n_out):
            if not is_flat(job, a):
                move(base[a], job.strides[a][last - 1], job.strides[a][last], arg[a], n * job.itemsize[a],
                     job.itemsize[a], rows, n, job.itemsize[a])


cdef inline void run_row(const Job* job, char** row, Py_ssize_t n, uint64_t* packed, char** filled_from) noexcept nogil:
    """n elements of the innermost dim from row[a] on, in blocks where an operand has to be packed into its buffer."""
    cdef char* arg[MAXARG]
    cdef int last = job.ndim - 1, a
    cdef Py_ssize_t j = 0, m, inner = job.sizes[last]
    while j < n:
        m = min(n - j, <Py_ssize_t>BLOCK)
        for a in range(job.n_args):
            arg[a] = row[a] + j * job.strides[a][last]
            if as_is(job, a):
                continue
            if a >= job.n_out:
                fill(<char*>(packed + a * BLOCK), arg[a], job.strides[a][last], m, min(inner, <Py_ssize_t>BLOCK),
                     job.itemsize[a], &filled_from[a])
            arg[a] = <char*>(packed + a * BLOCK)
        job.fn(arg, m)
        for a in range(job.n_out):
            if job.strides[a][last] != job.itemsize[a]:
                copy_rows(row[a] + j * job.strides[a][last], job.strides[a][last], arg[a], job.itemsize[a], m,
                          job.itemsize[a])
        j += m


cdef void run_range(const Job* job, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Elements start to stop, counted in the order of the simplified dims."""
    cdef uint64_t[MAXARG][BLOCK] packed
    cdef char* row[MAXARG]
    cdef char* filled_from[MAXARG]      # address a constant operand's buffer was filled from
    cdef Py_ssize_t[MAXDIM] index
    cdef int last = job.ndim - 1, a, d
    cdef Py_ssize_t rest = start, n, rows
    cdef bint direct = True, whole = job.copies and last > 0 and is_dense(job, 0) and is_dense(job, 1)
    for a in range(job.n_args):
        filled_from[a] = NULL
        row[a] = job.base[a]
        direct = direct and as_is(job, a)
    for d in range(last, -1, -1):
        index[d] = rest % job.sizes[d]
        rest = rest // job.sizes[d]
        for a in range(job.n_args):
            row[a] += index[d] * job.strides[a][d]
    while True:
        n = min(job.sizes[last] - index[last], stop - start)
        if whole and n == job.sizes[last]:
            rows = min(job.sizes[last - 1] - index[last - 1], (stop - start) // n)
            copy_rows(row[0], job.strides[0][last - 1], row[1], job.strides[1][last - 1], rows, n * job.itemsize[0])
            start += (rows - 1) * n
            index[last - 1] += rows - 1
            for a in range(job.n_args):
                row[a] += (rows - 1) * job.strides[a][last - 1]
        elif direct:
            job.fn(row, n)                  # kernels leave their pointers where they are
        else:
            run_row(job, row, n, &packed[0][0], filled_from)
        start += n
        if start >= stop:
            return
        for a in range(job.n_args):
            row[a] -= index[last] * job.strides[a][last]
        index[last] = 0
        d = last - 1
        while index[d] == job.sizes[d] - 1:
            for a in range(job.n_args):
                row[a] -= index[d] * job.strides[a][d]
            index[d] = 0
            d -= 1
        index[d] += 1
        for a in range(job.n_args):
            row[a] += job.strides[a][d]


cdef void run(Job* job) noexcept nogil:
    cdef Py_ssize_t total = 1, share, strip, groups
    cdef int d, t, threads
    cdef bint together
    for d in range(job.ndim):
        total *= job.sizes[d]
    if total == 0:
        return
    simplify(job)
    together = wants_rows_together(job)
    choose_form(job, 2 if together else 1)
    threads = max_threads() if total >= job.grain else 1
    if together:
        groups = group_count(job)
        if threads == 1:
            run_groups(job, 0, groups)
        else:
            for t in prange(threads, num_threads=threads, schedule="static"):
                run_groups(job, groups * t // threads, groups * (t + 1) // threads)
        return
    if wants_tiles(job):
        if threads == 1:
            for strip in range(tile_rows(job)):
                run_strip(job, strip)
        else:
            for strip in prange(tile_rows(job), num_threads=threads, schedule="static"):
                run_strip(job, strip)
        return
    if threads == 1:
        run_range(job, 0, total)
        return
    share = (total // threads // 64 + 1) * 64
    for t in prange(threads, num_threads=threads, schedule="static"):
        if t * share < total:
            run_range(job, t * share, min((t + 1) * share, total))
