# Random bits in bulk: the Mersenne Twister's next block, uniforms and normals made of its words, dropout masks,
# positions in proportion to weights.
#
# Words become numbers exactly as in PyTorch's CPU generator, so that equal seeds give equal numbers. Masks come
# from a counter (Philox) instead: any thread can compute any part of them.
from cython.parallel cimport prange
from libc.math cimport INFINITY, cos, fma, fmaf, log, sin, sqrt, sqrtf
from libc.stdint cimport int64_t, uint32_t, uint64_t

from tensorlib._ops.dispatch cimport put
from tensorlib._ops.mathfn cimport tl_logf
from tensorlib._ops.parallel cimport threads_for
from tensorlib._ops.types cimport F32, F64, I32, real

cdef enum:
    WORDS = 624         # words of the Mersenne Twister's state (Matsumoto and Nishimura, 1998)
    MIDDLE = 397
    MASK_BLOCK = 64     # words that one call of philox gives
    SIDE = 4            # rows of weights that are added up side by side; sampling.pyx knows it
    SEARCHED = 8        # numbers that are looked for at once; sampling.pyx knows it

cdef extern from "philox.h" nogil:
    void philox "tl_philox"(uint64_t block, uint64_t key, uint32_t* words)


cdef inline uint32_t twisted(uint32_t a, uint32_t b, uint32_t far) noexcept nogil:
    cdef uint32_t y = (a & 0x80000000u) | (b & 0x7fffffffu)
    return far ^ (y >> 1) ^ ((<uint32_t>0 - (y & 1)) & 0x9908b0dfu)


cdef void mt_advance(uint32_t* s) noexcept nogil:
    """Replace the state by the next one; split so that no loop reads a word that it wrote a few steps before."""
    cdef Py_ssize_t i
    for i in range(WORDS - MIDDLE):
        s[i] = twisted(s[i], s[i + 1], s[i + MIDDLE])
    for i in range(WORDS - MIDDLE, WORDS - 1):
        s[i] = twisted(s[i], s[i + 1], s[i + MIDDLE - WORDS])
    s[WORDS - 1] = twisted(s[WORDS - 1], s[0], s[MIDDLE - 1])


cdef void mt_temper(const uint32_t* s, uint32_t* out) noexcept nogil:
    """The numbers that a state stands for."""
    cdef Py_ssize_t i
    cdef uint32_t y
    for i in range(WORDS):
        y = s[i]
        y = y ^ (y >> 11)
        y = y ^ ((y << 7) & 0x9d2c5680u)
        y = y ^ ((y << 15) & 0xefc60000u)
        out[i] = y ^ (y >> 18)


cdef void uniform(const uint32_t* words, real* out, Py_ssize_t n, real low, real width) noexcept nogil:
    """24 bits of one word, or 53 of two (high word first), scaled; the fused product rounds once, as there."""
    cdef Py_ssize_t i
    cdef uint64_t bits
    if real is float:
        for i in range(n):
            out[i] = fmaf(<float><int>(words[i] & 0xffffffu) * <float>5.9604644775390625e-08, width, low)
    else:
        for i in range(n):
            bits = (<uint64_t>(words[2 * i] & 0x1fffffu) << 32) | words[2 * i + 1]
            out[i] = fma(<double><long long>bits * 1.1102230246251565e-16, width, low)


cdef inline void sin_cos(float x, float* s, float* c) noexcept nogil:
    """Sine and cosine for x in [0, 2 pi]: reduced to a quarter turn, then the minimax polynomials of Cephes."""
    cdef int k = <int>(x * <float>0.636619772367581 + <float>0.5)
    cdef float q = <float>k
    cdef float r = ((x - q * <float>1.5703125) - q * <float>4.837512969970703125e-4) - q * <float>7.54978995489188e-8
    cdef float z = r * r
    cdef float a = ((<float>-1.9515295891e-4 * z + <float>8.3321608736e-3) * z - <float>1.6666654611e-1) * z * r + r
    cdef float b = ((<float>2.443315711809948e-5 * z - <float>1.388731625493765e-3) * z
                    + <float>4.166664568298827e-2) * z * z - <float>0.5 * z + <float>1
    cdef float odd_s = b if k & 1 else a
    cdef float odd_c = a if k & 1 else b
    s[0] = -odd_s if k & 2 else odd_s
    c[0] = -odd_c if (k + 1) & 2 else odd_c


cdef void normal(real* x, Py_ssize_t n, real mean, real std) noexcept nogil:
    """Box-Muller in place: of 16 uniforms the first 8 give radii, the last 8 angles. n is a multiple of 16."""
    cdef Py_ssize_t i, j
    cdef real[8] radius, angle
    cdef float s, c
    for i in range(0, n, 16):
        if real is float:
            for j in range(8):
                radius[j] = sqrtf(<float>-2 * tl_logf(<float>1 - x[i + j]))
                angle[j] = <float>6.283185307179586 * x[i + 8 + j]
            for j in range(8):
                sin_cos(angle[j], &s, &c)
                x[i + j] = radius[j] * c * std + mean
                x[i + 8 + j] = radius[j] * s * std + mean
        else:
            for j in range(8):
                radius[j] = sqrt(-2 * log(1 - x[i + j]))
                angle[j] = 6.283185307179586 * x[i + 8 + j]
                x[i + j] = fma(radius[j] * cos(angle[j]), std, mean)
                x[i + 8 + j] = fma(radius[j] * sin(angle[j]), std, mean)


cdef void mask_block(real* out, Py_ssize_t block, Py_ssize_t n, uint64_t key, uint32_t limit,
                     real scale) noexcept nogil:
    cdef uint32_t[MASK_BLOCK] words
    cdef Py_ssize_t i, count = n - block * MASK_BLOCK
    out = out + block * MASK_BLOCK
    philox(<uint64_t>block, key, words)
    if count >= MASK_BLOCK:
        for i in range(MASK_BLOCK):
            out[i] = scale if words[i] >= limit else 0
    else:
        for i in range(count):
            out[i] = scale if words[i] >= limit else 0


cdef void mask(real* out, Py_ssize_t n, uint64_t key, uint32_t limit, real scale) noexcept nogil:
    """0 with probability limit / 2^32, else scale; the number at each place depends on key and place only."""
    cdef Py_ssize_t block
    for block in prange((n + MASK_BLOCK - 1) // MASK_BLOCK, num_threads=threads_for(n), schedule="static"):
        mask_block(out, block, n, key, limit, scale)


cdef bint weigh(const real* p, Py_ssize_t n, Py_ssize_t* positive) noexcept nogil:
    """Whether all weights are finite and not negative; how many are positive."""
    cdef Py_ssize_t i
    cdef int wrong = 0
    positive[0] = 0
    for i in range(n):
        wrong |= not ((p[i] >= 0) & (p[i] < <real>INFINITY))
        positive[0] += p[i] > 0
    return not wrong


cdef inline void running_sums(const real* p, real* sums, Py_ssize_t n, const Py_ssize_t rows) noexcept nogil:
    cdef Py_ssize_t i, r
    cdef real[SIDE] total
    for r in range(rows):
        total[r] = 0
    for i in range(n):
        for r in range(rows):
            total[r] += p[r * n + i]
            sums[r * n + i] = total[r]
    for r in range(rows):
        for i in range(n):
            sums[r * n + i] /= total[r]
        sums[r * n + n - 1] = 1


cdef void shares(const real* p, real* sums, Py_ssize_t n, Py_ssize_t rows) noexcept nogil:
    """Running sums of each row's weights over their total, up to 1. Numbers drawn depend on the last bits, so each is
    added to those before it: SIDE rows, side by side, take as long as one."""
    cdef Py_ssize_t r
    if rows == SIDE:
        running_sums(p, sums, n, SIDE)
    else:
        for r in range(rows):
            running_sums(p + r * n, sums + r * n, n, 1)


cdef void find_shares(const real* sums, Py_ssize_t n, const double* u, int64_t* where) noexcept nogil:
    """How many sums are below each of SEARCHED numbers. No branches: each would be guessed wrong half of the time."""
    cdef Py_ssize_t[SEARCHED] low
    cdef Py_ssize_t j, half
    for j in range(SEARCHED):
        low[j] = 0
    while n > 1:
        half = n // 2
        for j in range(SEARCHED):
            low[j] += half * (sums[low[j] + half - 1] < u[j])
        n -= half
    for j in range(SEARCHED):
        where[j] = low[j] + (sums[low[j]] < u[j])


put("mt_advance", I32, <void*>mt_advance)
put("mt_temper", I32, <void*>mt_temper)
put("uniform", F32, <void*>uniform[float])
put("uniform", F64, <void*>uniform[double])
put("normal", F32, <void*>normal[float])
put("normal", F64, <void*>normal[double])
put("dropout_mask", F32, <void*>mask[float])
put("dropout_mask", F64, <void*>mask[double])
put("weigh", F32, <void*>weigh[float])
put("weigh", F64, <void*>weigh[double])
put("shares", F32, <void*>shares[float])
put("shares", F64, <void*>shares[double])
put("find_shares", F32, <void*>find_shares[float])
put("find_shares", F64, <void*>find_shares[double])
