/* Comparing loops of max pooling, written so that compilers vectorise them: selects only, no branches.
   The first of equal values stays, and nan wins: a later value takes over if it is larger or nan. */
#ifndef TENSORLIB_POOL_H
#define TENSORLIB_POOL_H
#include <stddef.h>
#include <stdint.h>
#include "simd.h"

/* The places of a window: how many in each dim, and how many elements apart. */
typedef struct {
    ptrdiff_t count[3], gap[3];
} WindowPlaces;

/* Do something for `block` elements from i on, until n are done. Blocks have a constant length, and the last may overlap
   the one before: one window at a time is ten times as slow, and in images of 8 to 28 pixels most would be left over. */
#define BLOCKS(length, n, body)                                                                                     \
    for (ptrdiff_t start = 0; start < n; start += length) {                                                         \
        const ptrdiff_t block = length, i = start <= n - block ? start : n - block;                                 \
        body;                                                                                                       \
    }
#define IN_BLOCKS(n, body)                                                                                          \
    if (n >= 16) BLOCKS(16, n, body)                                                                                \
    else if (n >= 8) BLOCKS(8, n, body)                                                                             \
    else if (n >= 4) BLOCKS(4, n, body)                                                                             \
    else BLOCKS(1, n, body)

/* code_t holds offsets within a plane, in a lane as wide as an element where they are small enough. */
#define DEFINE_WINDOWS(name, real, code_t)                                                                          \
    /* n windows `step` apart, of which the first begins at x, whose flat position is `at`. */                      \
    ALWAYS_INLINE void name(const real *restrict x, const ptrdiff_t step, const WindowPlaces *w, int64_t at,        \
                            const ptrdiff_t n, real *restrict y, int64_t *restrict index)                           \
    {                                                                                                               \
        real best[16];                                                                                              \
        code_t code[16];                                                                                            \
        for (ptrdiff_t i = 0; i < n; i++) best[i] = x[i * step], code[i] = 0;                                       \
        for (ptrdiff_t z = 0; z < w->count[0]; z++)                                                                 \
            for (ptrdiff_t r = 0; r < w->count[1]; r++)                                                             \
                for (ptrdiff_t k = 0; k < w->count[2]; k++) {                                                       \
                    const ptrdiff_t offset = z * w->gap[0] + r * w->gap[1] + k * w->gap[2];                         \
                    const real *place = x + offset;                                                                 \
                    const code_t here = (code_t)offset;                                                             \
                    for (ptrdiff_t i = 0; i < n; i++) {                                                             \
                        const real v = place[i * step], old = best[i];                                              \
                        const code_t larger = v > old ? here : code[i];                                             \
                        const real most = v > old ? v : old;                                                        \
                        best[i] = v != v ? v : most;                                                                \
                        code[i] = v != v ? here : larger;                                                           \
                    }                                                                                               \
                }                                                                                                   \
        for (ptrdiff_t i = 0; i < n; i++) y[i] = best[i], index[i] = at + i * step + code[i];                       \
    }

#define DEFINE_POOL(real, code_t)                                                                                   \
    DEFINE_WINDOWS(block_of_windows_##real, real, code_t)                                                           \
    DEFINE_WINDOWS(window_##real, real, int64_t)                                                                    \
    /* One window, of a plane of any size. */                                                                       \
    static inline void max_window_##real(const real *x, const WindowPlaces *w, int64_t at, real *y, int64_t *index) \
    {                                                                                                               \
        window_##real(x, 0, w, at, 1, y, index);                                                                    \
    }                                                                                                               \
    /* n windows of a plane whose offsets a code_t can hold. */                                                     \
    static inline void max_windows_##real(const real *x, const ptrdiff_t step, const WindowPlaces *w, int64_t at,   \
                                          ptrdiff_t n, real *y, int64_t *index)                                     \
    {                                                                                                               \
        if (step == 1)              /* constant steps can be vectorised */                                          \
            IN_BLOCKS(n, block_of_windows_##real(x + i, 1, w, at + i, block, y + i, index + i))                     \
        else if (step == 2)                                                                                         \
            IN_BLOCKS(n, block_of_windows_##real(x + 2 * i, 2, w, at + 2 * i, block, y + i, index + i))             \
        else                                                                                                        \
            IN_BLOCKS(n, block_of_windows_##real(x + i * step, step, w, at + i * step, block, y + i, index + i))    \
    }                                                                                                               \
    ALWAYS_INLINE void block_2x2_##real(const real *restrict a, const real *restrict b, const ptrdiff_t n,          \
                                        int64_t at, ptrdiff_t width, real *restrict y, int64_t *restrict index)     \
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
    }                                                                                                               \
    /* n windows of 2x2 side by side between two lines; `at` is the flat position of a, b is `width` behind it. */  \
    static inline void max_pool_2x2_##real(const real *a, const real *b, ptrdiff_t n, int64_t at, ptrdiff_t width,  \
                                           real *y, int64_t *index)                                                 \
    {                                                                                                               \
        IN_BLOCKS(n, block_2x2_##real(a + 2 * i, b + 2 * i, block, at + 2 * i, width, y + i, index + i))            \
    }

DEFINE_POOL(float, int32_t)
DEFINE_POOL(double, int64_t)
#endif
