/* Comparing loops of max pooling, written so that compilers vectorise them: selects only, no branches.
   The first of equal values stays, and nan wins: a later value takes over if it is larger or nan. */
#ifndef TENSORLIB_POOL_H
#define TENSORLIB_POOL_H
#include <stddef.h>
#include <stdint.h>

/* code_t holds small offsets in a lane as wide as an element. */
#define DEFINE_POOL(real, code_t)                                                                                   \
    /* One place of n windows against the best so far; `at` is the flat position of the first. */                   \
    static inline void max_place_##real(const real *restrict x, ptrdiff_t step, int64_t at, ptrdiff_t n,            \
                                        real *restrict y, int64_t *restrict index)                                  \
    {                                                                                                               \
        for (ptrdiff_t i = 0; i < n; i++) {                                                                         \
            const real v = x[i * step], best = y[i];                                                                \
            const int64_t here = at + i * step, old = index[i];                                                     \
            const int64_t larger = v > best ? here : old;                                                           \
            const real most = v > best ? v : best;                                                                  \
            y[i] = v != v ? v : most;                                                                               \
            index[i] = v != v ? here : larger;                                                                      \
        }                                                                                                           \
    }                                                                                                               \
    /* n windows of 2x2 side by side between two lines; `at` is the flat position of a, b is `width` behind it. */  \
    static inline void max_pool_2x2_##real(const real *restrict a, const real *restrict b, ptrdiff_t n, int64_t at, \
                                           ptrdiff_t width, real *restrict y, int64_t *restrict index)              \
    {                                                                                                               \
        const code_t w = (code_t)width;                                                                             \
        for (code_t i = 0; i < (code_t)n; i++) {                                                                    \
            const real p = a[2 * i], q = a[2 * i + 1], r = b[2 * i], s = b[2 * i + 1];                              \
            real top = q > p ? q : p, low = s > r ? s : r, most;                                                    \
            code_t top_at = q > p ? 1 : 0, low_at = s > r ? w + 1 : w, most_at;                                     \
            top = q != q ? q : top;                                                                                 \
            top_at = q != q ? 1 : top_at;                                                                           \
            low = s != s ? s : low;                                                                                 \
            low_at = s != s ? w + 1 : low_at;                                                                       \
            most = low > top ? low : top;                                                                           \
            most_at = low > top ? low_at : top_at;                                                                  \
            y[i] = low != low ? low : most;                                                                         \
            index[i] = at + 2 * i + (low != low ? low_at : most_at);                                                \
        }                                                                                                           \
    }

DEFINE_POOL(float, int32_t)
DEFINE_POOL(double, int64_t)
#endif
