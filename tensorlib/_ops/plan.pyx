"""The plan of a reduction, from sizes and strides alone.

Kept and folded dims are each sorted and merged. Then the innermost dim decides: if it is folded, strips are worked
off one by one; if it is kept, many are folded side by side, in columns.
"""
from .tensor cimport TensorBase


cdef inline bint outside(Dims* d, int i, int j) noexcept nogil:
    """Whether dim j belongs outside of dim i: broadcast dims first, then by step."""
    if d.step[i] == 0 or d.step[j] == 0:
        return d.step[j] == 0 and d.step[i] != 0
    return d.step[j] > d.step[i]


cdef inline void swap_dims(Dims* d, int i, int j) noexcept nogil:
    d.size[i], d.size[j] = d.size[j], d.size[i]
    d.step[i], d.step[j] = d.step[j], d.step[i]
    d.out[i], d.out[j] = d.out[j], d.out[i]


cdef void merge_neighbours(Dims* d) noexcept nogil:
    """Make one dim of neighbours that are one in memory, on both sides."""
    cdef int i, last = 0
    for i in range(1, d.n):
        if d.step[last] == d.step[i] * d.size[i] and d.out[last] == d.out[i] * d.size[i]:
            d.size[last] *= d.size[i]
            d.step[last], d.out[last] = d.step[i], d.out[i]
        else:
            last += 1
            swap_dims(d, last, i)
    if d.n:
        d.n = last + 1


cdef void sort_and_merge(Dims* d) noexcept nogil:
    cdef int i, j
    for i in range(1, d.n):
        j = i
        while j > 0 and outside(d, j - 1, j):
            swap_dims(d, j - 1, j)
            j -= 1
    merge_neighbours(d)


cdef void choose_loops(Plan* p, Py_ssize_t short) noexcept nogil:
    """Take the inner loops off the dims: strips side by side or one by one, whatever follows memory.

    Strips shorter than `short` are folded side by side in any case: a call for each would cost more.
    """
    cdef Dims* k = &p.kept
    cdef Dims* r = &p.reduced
    p.n, p.stride, p.m, p.gap, p.out_gap = 1, 0, 1, 0, 0
    if k.n:
        k.n -= 1
        p.m, p.gap, p.out_gap = k.size[k.n], k.step[k.n], k.out[k.n]
    if r.n:
        r.n -= 1
        p.n, p.stride = r.size[r.n], r.step[r.n]
    p.columns = p.m > 1 and (p.n == 1 or p.gap < p.stride or p.n < short and p.m >= 16)
    p.groups = product(k)
    p.turns = product(r)
    p.outputs = p.groups * p.m
    p.elements = p.outputs * p.turns * p.n
    p.batch = COLUMNS if p.columns else max(1, min(COLUMNS, STRIP_TASK // (p.turns * p.n)))


cdef void share(Plan* p, int threads) noexcept nogil:
    """Cut each group into as many equal tasks as give every thread some: neighbouring columns in one, so that two
    threads seldom write the same line of the cache."""
    cdef Py_ssize_t each = (threads + p.groups - 1) // p.groups, pieces = (p.m + p.batch - 1) // p.batch, size
    if each > 1:
        pieces = (pieces + each - 1) // each * each
        size = (p.m + pieces - 1) // pieces
        if p.columns:
            size = max((size + 15) // 16 * 16, <Py_ssize_t>64)
        p.batch = min(p.batch, size)


cdef void make_plan(Plan* p, TensorBase x, const bint* reduce, Py_ssize_t short=16) noexcept:
    """Plan the reduction of the marked dims of x into a contiguous output of the others."""
    cdef int d
    cdef Py_ssize_t out = 1
    p.kept.n = p.reduced.n = 0
    for d in range(x.ndim - 1, -1, -1):
        if reduce[d]:
            add_dim(&p.reduced, x.sizes[d], x.strides[d], 0)
        else:
            add_dim(&p.kept, x.sizes[d], x.strides[d], out)
            out *= x.sizes[d]
    sort_and_merge(&p.kept)
    sort_and_merge(&p.reduced)
    choose_loops(p, short)


cdef void mark_all(TensorBase x, bint* reduce) noexcept:
    cdef int d
    for d in range(x.ndim):
        reduce[d] = True
