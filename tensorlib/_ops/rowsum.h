/* Sums over a unit-stride row in four vector registers, a chunk at a time; chunks are added up in double. */
#ifndef TENSORLIB_ROWSUM_H
#define TENSORLIB_ROWSUM_H
#include "simd.h"

#define ROW_CHUNK 4096

/* tl_row_sum: sum of x. tl_row_products: sum of (a - p) * (b - q). */
#define DEFINE_ROW_SUMS(T, V, S)                                                                     \
    static double tl_row_sum_##S(const T *x, ptrdiff_t n)                                            \
    {                                                                                                \
        enum { W = sizeof(V) / sizeof(T) };                                                          \
        double total = 0;                                                                            \
        while (n > 0) {                                                                              \
            ptrdiff_t left = n < ROW_CHUNK ? n : ROW_CHUNK;                                          \
            V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                \
            T rest = 0;                                                                              \
            n -= left;                                                                               \
            for (; left >= 4 * W; left -= 4 * W, x += 4 * W) {                                       \
                const V *v = (const V *)x;                                                           \
                s0 += v[0]; s1 += v[1]; s2 += v[2]; s3 += v[3];                                      \
            }                                                                                        \
            for (; left >= W; left -= W, x += W)                                                     \
                s0 += *(const V *)x;                                                                 \
            for (; left > 0; left--, x++)                                                            \
                rest += *x;                                                                          \
            s0 = (s0 + s1) + (s2 + s3);                                                              \
            for (int i = 0; i < W; i++)                                                              \
                rest += s0[i];                                                                       \
            total += rest;                                                                           \
        }                                                                                            \
        return total;                                                                                \
    }                                                                                                \
    static double tl_row_products_##S(const T *a, T p, const T *b, T q, ptrdiff_t n)                 \
    {                                                                                                \
        enum { W = sizeof(V) / sizeof(T) };                                                          \
        double total = 0;                                                                            \
        while (n > 0) {                                                                              \
            ptrdiff_t left = n < ROW_CHUNK ? n : ROW_CHUNK;                                          \
            V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                \
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
            for (; left > 0; left--, a++, b++)                                                       \
                rest += (*a - p) * (*b - q);                                                         \
            s0 = (s0 + s1) + (s2 + s3);                                                              \
            for (int i = 0; i < W; i++)                                                              \
                rest += s0[i];                                                                       \
            total += rest;                                                                           \
        }                                                                                            \
        return total;                                                                                \
    }

DEFINE_ROW_SUMS(float, v_float, f32)
DEFINE_ROW_SUMS(double, v_double, f64)
#endif
