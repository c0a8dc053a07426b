/* Sums over a unit-stride row in four vector registers, a chunk at a time; chunks are added up in double. Short rows
   take narrower vectors, which are folded sooner. */
#ifndef TENSORLIB_ROWSUM_H
#define TENSORLIB_ROWSUM_H
#include "simd.h"

#define ROW_STEPS 64        /* elements that a lane adds up before it is emptied into a double */
#define ROW_SHORT 128       /* elements below which a row takes vectors of 32 bytes, as far as there are any, */
#define ROW_SHORTEST 32     /* and of 16 bytes */
#define ROW_FAR 65536       /* elements from where on a row is read at four places at once, which memory likes better */

/* The sum of the lanes, without a way through memory. */
static inline double tl_add_up_f32(q_float t)
{
    const q_double low = {t[0], t[1]}, high = {t[2], t[3]}, sum = low + high;
    return sum[0] + sum[1];
}

static inline double tl_add_up_f64(q_double t)
{
    return t[0] + t[1];
}

/* A short row in two vectors of type M, and its end in one of 16 bytes. */
#define DEFINE_SHORT_ROW_SUM(NAME, T, M, Q, S)                                                       \
    static inline double NAME(const T *x, ptrdiff_t n)                                               \
    {                                                                                                \
        enum { L = sizeof(Q) / sizeof(T), W = sizeof(M) / sizeof(T) };                               \
        M a = {0}, b = {0};                                                                          \
        Q tail = {0};                                                                                \
        double rest = 0;                                                                             \
        for (; n >= 2 * W; n -= 2 * W, x += 2 * W) {                                                 \
            a += ((const M *)x)[0];                                                                  \
            b += ((const M *)x)[1];                                                                  \
        }                                                                                            \
        if (n >= W) {                                                                                \
            a += *(const M *)x;                                                                      \
            n -= W;                                                                                  \
            x += W;                                                                                  \
        }                                                                                            \
        if (W > L && n >= L) {                                                                       \
            tail = *(const Q *)x;                                                                    \
            n -= L;                                                                                  \
            x += L;                                                                                  \
        }                                                                                            \
        for (; n > 0; n--, x++)                                                                      \
            rest += *x;                                                                              \
        a += b;                                                                                      \
        for (int i = 0; i < W / L; i++)                                                              \
            tail += ((const Q *)&a)[i];                                                              \
        return tl_add_up_##S(tail) + rest;                                                           \
    }

/* tl_row_sum: sum of x. tl_row_products: sum of (a - p) * (b - q). */
#define DEFINE_ROW_SUMS(T, V, M, Q, S)                                                               \
    DEFINE_SHORT_ROW_SUM(tl_short_row_sum_##S, T, M, Q, S)                                           \
    DEFINE_SHORT_ROW_SUM(tl_shortest_row_sum_##S, T, Q, Q, S)                                        \
    static inline double tl_fold_##S(V sum, Q tail)                                                  \
    {                                                                                                \
        enum { N = sizeof(V) / sizeof(Q) };                                                          \
        const Q *part = (const Q *)&sum;                                                             \
        if (N == 4)                                                                                  \
            return tl_add_up_##S(((part[0] + part[1]) + (part[N - 2] + part[N - 1])) + tail);        \
        for (int i = 0; i < N; i++)                                                                  \
            tail += part[i];                                                                         \
        return tl_add_up_##S(tail);                                                                  \
    }                                                                                                \
    static inline double tl_block_sum_##S(const T *x, ptrdiff_t n)                                   \
    {                                                                                                \
        enum { W = sizeof(V) / sizeof(T), L = sizeof(Q) / sizeof(T) };                               \
        V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                    \
        Q tail = {0};                                                                                \
        double rest = 0;                                                                             \
        if (n >= 4 * W) {                                                                            \
            for (; n >= 4 * W; n -= 4 * W, x += 4 * W) {                                             \
                const V *v = (const V *)x;                                                           \
                s0 += v[0]; s1 += v[1]; s2 += v[2]; s3 += v[3];                                      \
            }                                                                                        \
            s0 = (s0 + s1) + (s2 + s3);                                                              \
        }                                                                                            \
        for (; n >= W; n -= W, x += W)                                                               \
            s0 += *(const V *)x;                                                                     \
        for (; n >= L; n -= L, x += L)                                                               \
            tail += *(const Q *)x;                                                                   \
        for (; n > 0; n--, x++)                                                                      \
            rest += *x;                                                                              \
        return tl_fold_##S(s0, tail) + rest;                                                         \
    }                                                                                                \
    static double tl_near_row_sum_##S(const T *x, ptrdiff_t n)                                       \
    {                                                                                                \
        enum { BLOCK = ROW_STEPS * 4 * sizeof(V) / sizeof(T) };                                      \
        double total = 0;                                                                            \
        for (; n > BLOCK; n -= BLOCK, x += BLOCK)                                                    \
            total += tl_block_sum_##S(x, BLOCK);                                                     \
        return total + tl_block_sum_##S(x, n);                                                       \
    }                                                                                                \
    static double tl_row_sum_##S(const T *x, ptrdiff_t n)                                            \
    {                                                                                                \
        enum { W = sizeof(V) / sizeof(T) };                                                          \
        const ptrdiff_t quarter = n < ROW_FAR ? 0 : n / (4 * W) * W;                                 \
        double total = 0;                                                                            \
        if (n < ROW_SHORTEST)                                                                        \
            return tl_shortest_row_sum_##S(x, n);                                                    \
        if (n < ROW_SHORT)                                                                           \
            return tl_short_row_sum_##S(x, n);                                                       \
        for (ptrdiff_t i = 0; i < quarter;) {                                                        \
            const ptrdiff_t end = i + ROW_STEPS * W < quarter ? i + ROW_STEPS * W : quarter;         \
            V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                \
            for (; i < end; i += W) {                                                                \
                s0 += *(const V *)(x + i);                                                           \
                s1 += *(const V *)(x + i + quarter);                                                 \
                s2 += *(const V *)(x + i + 2 * quarter);                                             \
                s3 += *(const V *)(x + i + 3 * quarter);                                             \
            }                                                                                        \
            total += tl_fold_##S((s0 + s1) + (s2 + s3), (Q){0});                                     \
        }                                                                                            \
        return total + tl_near_row_sum_##S(x + 4 * quarter, n - 4 * quarter);                        \
    }                                                                                                \
    static double tl_row_products_##S(const T *a, T p, const T *b, T q, ptrdiff_t n)                 \
    {                                                                                                \
        enum { W = sizeof(V) / sizeof(T), L = sizeof(Q) / sizeof(T) };                               \
        double total = 0;                                                                            \
        while (n > 0) {                                                                              \
            ptrdiff_t left = n < ROW_STEPS * 4 * W ? n : ROW_STEPS * 4 * W;                          \
            V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                \
            Q tail = {0};                                                                            \
            T rest = 0;                                                                              \
            n -= left;                                                                               \
            for (; left >= 4 * W; left -= 4 * W, a += 4 * W, b += 4 * W) {                           \
                const V *u = (const V *)a, *v = (const V *)b;                                        \
                s0 += (u[0] - p) * (v[0] - q);                                                       \
                s1 += (u[1] - p) * (v[1] - q);                                                       \
                s2 += (u[2] - p) * (v[2] - q);                                                       \
                s3 += (u[3] - p) * (v[3] - q);                                                       \
            }                                                                                        \
            for (; left >= W; left -= W, a += W, b += W)                                             \
                s0 += (*(const V *)a - p) * (*(const V *)b - q);                                     \
            for (; left >= L; left -= L, a += L, b += L)                                             \
                tail += (*(const Q *)a - p) * (*(const Q *)b - q);                                   \
            for (; left > 0; left--, a++, b++)                                                       \
                rest += (*a - p) * (*b - q);                                                         \
            total += tl_fold_##S((s0 + s1) + (s2 + s3), tail) + rest;                                \
        }                                                                                            \
        return total;                                                                                \
    }

#if VECTOR_BYTES == 64
DEFINE_ROW_SUMS(float, v_float, h_float, q_float, f32)
DEFINE_ROW_SUMS(double, v_double, h_double, q_double, f64)
#else
DEFINE_ROW_SUMS(float, v_float, v_float, q_float, f32)
DEFINE_ROW_SUMS(double, v_double, v_double, q_double, f64)
#endif
#endif
