/* Vectors of this machine's width, in GCC vector extensions: one source for SSE, AVX, AVX-512 and NEON.
   v_float and v_double may stand at any element address. Nothing here knows what is computed with them. */
#ifndef TENSORLIB_SIMD_H
#define TENSORLIB_SIMD_H
#include <stddef.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define VECTOR_REGISTERS 32
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define VECTOR_REGISTERS 16
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define VECTOR_REGISTERS 32
#else
#define VECTOR_BYTES 16
#define VECTOR_REGISTERS 16
#endif

/* Rows of a tile of sums that stays in registers, two vectors wide, and a case of a switch for each height of a tile,
   or of one with two sums for each element. */
#if VECTOR_REGISTERS == 32
#define TILE_M 12
#define EACH_HEIGHT(CASE) \
    CASE(12) CASE(11) CASE(10) CASE(9) CASE(8) CASE(7) EACH_HALF(CASE)
#define EACH_HALF(CASE) CASE(6) CASE(5) CASE(4) CASE(3) CASE(2) CASE(1)
#else
#define TILE_M 6
#define EACH_HEIGHT(CASE) CASE(6) CASE(5) CASE(4) EACH_HALF(CASE)
#define EACH_HALF(CASE) CASE(3) CASE(2) CASE(1)
#endif

/* Products that are summed in a register one after the other. A longer sum is one of such sums, so that its rounding
   errors hardly grow with its length. */
#define CHAIN 96

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

/* Pairs of products in sums of two parts, of even and of odd terms. A few are added up with smaller errors in one. */
ALWAYS_INLINE ptrdiff_t pairs_of(ptrdiff_t n) { return n < 4 ? 0 : n / 2; }

/* n cut into equal parts of at most `most`, each a multiple of `step`. */
ALWAYS_INLINE ptrdiff_t even_part(ptrdiff_t n, ptrdiff_t most, ptrdiff_t step)
{
    const ptrdiff_t parts = (n + most - 1) / most, part = (n + parts - 1) / parts;
    return (part + step - 1) / step * step;
}

/* How many of n products to add up at once. */
ALWAYS_INLINE ptrdiff_t chain_of(ptrdiff_t n) { return n > CHAIN ? even_part(n, CHAIN, 1) : n; }

typedef float v_float __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef double v_double __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

#if VECTOR_BYTES == 64          /* processors that do two products of half the width in the time of a whole one */
typedef float h_float __attribute__((vector_size(32), aligned(4), may_alias));
typedef double h_double __attribute__((vector_size(32), aligned(8), may_alias));
#endif

/* Some lanes of a whole vector, of half of one or a quarter. What a mask leaves out is zero when it is loaded or picked
   by the numbers of lanes, and is not touched in memory. */
#if defined(__AVX512VL__)
#include <immintrin.h>
#define HAS_MASKS 1
#define DEFINE_MASKED(name, type, vector, numbers, load, store, pick) \
    typedef vector masked_##name; \
    typedef numbers masked_places_##name; \
    ALWAYS_INLINE vector load_some_##name(unsigned lanes, const type *p) { return load(lanes, p); } \
    ALWAYS_INLINE void store_some_##name(unsigned lanes, vector v, type *p) { store(p, lanes, v); } \
    ALWAYS_INLINE vector pick_some_##name(unsigned lanes, numbers n, vector v) { return pick(lanes, n, v); }
DEFINE_MASKED(whole_float, float, __m512, __m512i, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps,
              _mm512_maskz_permutexvar_ps)
DEFINE_MASKED(half_float, float, __m256, __m256i, _mm256_maskz_loadu_ps, _mm256_mask_storeu_ps,
              _mm256_maskz_permutexvar_ps)
#define PICK_QUARTER(lanes, n, v) _mm_maskz_permutevar_ps(lanes, v, n)
DEFINE_MASKED(quarter_float, float, __m128, __m128i, _mm_maskz_loadu_ps, _mm_mask_storeu_ps, PICK_QUARTER)
DEFINE_MASKED(whole_double, double, __m512d, __m512i, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd,
              _mm512_maskz_permutexvar_pd)
#undef PICK_QUARTER
#undef DEFINE_MASKED
#else
#define HAS_MASKS 0
#endif

typedef int i_float __attribute__((vector_size(VECTOR_BYTES)));         /* numbers of lanes */
typedef long long i_double __attribute__((vector_size(VECTOR_BYTES)));

/* Blocks of 16 bytes, the widest that every machine has: rows to columns by two kinds of shuffle. */
typedef float q_float __attribute__((vector_size(16), aligned(4), may_alias));
typedef double q_double __attribute__((vector_size(16), aligned(8), may_alias));

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#define SHUFFLE2(a, b, i, j) __builtin_shufflevector(a, b, i, j)
#else
typedef int q_int __attribute__((vector_size(16)));
typedef long long q_long __attribute__((vector_size(16)));
#define SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, (q_int){i, j, k, l})
#define SHUFFLE2(a, b, i, j) __builtin_shuffle(a, b, (q_long){i, j})
#endif

/* Lanes of one vector, or of two, by numbers that are vectors too. */
#if defined(__clang__)
#define SHUFFLE(a, n) ({ __typeof__(a) out_; \
    for (size_t i_ = 0, n_ = sizeof(a) / sizeof((a)[0]); i_ < n_; i_++) out_[i_] = (a)[(n)[i_] & (n_ - 1)]; \
    out_; })
#define SHUFFLE_BOTH(a, b, n) ({ const __typeof__(a) both_[2] = {a, b}; __typeof__(a) out_; \
    for (size_t i_ = 0, n_ = sizeof(out_) / sizeof(out_[0]); i_ < n_; i_++) \
        out_[i_] = both_[(n)[i_] / n_ & 1][(n)[i_] & (n_ - 1)]; \
    out_; })
#else
#define SHUFFLE(a, n) __builtin_shuffle(a, n)
#define SHUFFLE_BOTH(a, b, n) __builtin_shuffle(a, b, n)
#endif

/* Let the compiler forget where a value came from. Else it may read the same vector from memory for each use rather
   than keep it, and keep more addresses of lines than there are registers for, in vector registers. */
#if defined(__x86_64__)
#define FORGET_VECTOR(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define FORGET_VECTOR(v) __asm__("" : "+w"(v))
#else
#define FORGET_VECTOR(v) (void)(v)
#endif
#define FORGET_POINTER(p) __asm__("" : "+r"(p))

ALWAYS_INLINE void transpose_float(q_float *r)
{
    const q_float a = SHUFFLE4(r[0], r[2], 0, 4, 1, 5), b = SHUFFLE4(r[0], r[2], 2, 6, 3, 7);
    const q_float c = SHUFFLE4(r[1], r[3], 0, 4, 1, 5), d = SHUFFLE4(r[1], r[3], 2, 6, 3, 7);
    r[0] = SHUFFLE4(a, c, 0, 4, 1, 5);
    r[1] = SHUFFLE4(a, c, 2, 6, 3, 7);
    r[2] = SHUFFLE4(b, d, 0, 4, 1, 5);
    r[3] = SHUFFLE4(b, d, 2, 6, 3, 7);
}

/* Every other element of two blocks. */
ALWAYS_INLINE q_float evens_float(q_float a, q_float b) { return SHUFFLE4(a, b, 0, 2, 4, 6); }
ALWAYS_INLINE q_double evens_double(q_double a, q_double b) { return SHUFFLE2(a, b, 0, 2); }
ALWAYS_INLINE q_float odds_float(q_float a, q_float b) { return SHUFFLE4(a, b, 1, 3, 5, 7); }
ALWAYS_INLINE q_double odds_double(q_double a, q_double b) { return SHUFFLE2(a, b, 1, 3); }

/* Elements of two blocks in turns: the lower and the upper half of what comes. */
ALWAYS_INLINE q_float low_pairs_float(q_float a, q_float b) { return SHUFFLE4(a, b, 0, 4, 1, 5); }
ALWAYS_INLINE q_double low_pairs_double(q_double a, q_double b) { return SHUFFLE2(a, b, 0, 2); }
ALWAYS_INLINE q_float high_pairs_float(q_float a, q_float b) { return SHUFFLE4(a, b, 2, 6, 3, 7); }
ALWAYS_INLINE q_double high_pairs_double(q_double a, q_double b) { return SHUFFLE2(a, b, 1, 3); }

ALWAYS_INLINE void transpose_double(q_double *r)
{
    const q_double a = SHUFFLE2(r[0], r[1], 0, 2), b = SHUFFLE2(r[0], r[1], 1, 3);
    r[0] = a;
    r[1] = b;
}
#endif
