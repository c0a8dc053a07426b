/* Elements that are moved as they are: rows, which may be of one element, and tiles whose columns become rows. In blocks
   of at most 16 bytes, which every machine has. Knows bytes only: sizes of elements, gaps and strides are in bytes. */
#ifndef TENSORLIB_MOVING_H
#define TENSORLIB_MOVING_H
#include <stdint.h>
#include <string.h>
#include "simd.h"

#define LINE 64                 /* bytes of a line of the cache */
#define AHEAD 24                /* columns of a tile that are fetched before their turn: each is on a page of its own */

/* Rows of n bytes, a constant. */
ALWAYS_INLINE void copy_short(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows, const size_t n)
{
    #pragma GCC unroll 4
    for (ptrdiff_t i = 0; i < rows; i++) memcpy(y + i * y_gap, x + i * x_gap, n);
}

/* Rows of `part` to 2 * part bytes, a constant: the first `part` of them and the last, which may overlap. */
ALWAYS_INLINE void copy_ends(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows, ptrdiff_t n,
                             const size_t part)
{
    for (; rows > 0; rows--, y += y_gap, x += x_gap) {
        memcpy(y, x, part);
        memcpy(y + n - part, x + n - part, part);
    }
}

/* Copy rows of n bytes. A call of the C library for each, which costs more than to move a few, is left to long ones. */
static void copy_rows(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows, ptrdiff_t n)
{
    switch (n) {
    case 1: copy_short(y, y_gap, x, x_gap, rows, 1); return;
    case 2: copy_short(y, y_gap, x, x_gap, rows, 2); return;
    case 4: copy_short(y, y_gap, x, x_gap, rows, 4); return;
    case 8: copy_short(y, y_gap, x, x_gap, rows, 8); return;
    }
    if (n > 128)
        for (; rows > 0; rows--, y += y_gap, x += x_gap) memmove(y, x, n);
    else if (n >= 64) copy_ends(y, y_gap, x, x_gap, rows, n, 64);
    else if (n >= 32) copy_ends(y, y_gap, x, x_gap, rows, n, 32);
    else if (n >= 16) copy_ends(y, y_gap, x, x_gap, rows, n, 16);
    else if (n >= 8) copy_ends(y, y_gap, x, x_gap, rows, n, 8);
    else if (n >= 4) copy_ends(y, y_gap, x, x_gap, rows, n, 4);
    else copy_ends(y, y_gap, x, x_gap, rows, n, 2);
}

/* One element, as often as it fits into 8 bytes. */
ALWAYS_INLINE uint64_t repeated(const char *x, int size)
{
    uint64_t bits = 0;
    memcpy(&bits, x, size);
    switch (size) {
    case 1: return bits * UINT64_C(0x0101010101010101);
    case 2: return bits * UINT64_C(0x0001000100010001);
    case 4: return bits * UINT64_C(0x0000000100000001);
    }
    return bits;
}

/* Rows of n bytes, each of copies of one element; `size` is a constant. */
ALWAYS_INLINE void fill_sized(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows, ptrdiff_t n,
                              const int size)
{
    for (; rows > 0; rows--, y += y_gap, x += x_gap) {
        const uint64_t bits = repeated(x, size), block[2] = {bits, bits};
        ptrdiff_t at = 0;
        if (n >= 16) {
            for (; at < n - 16; at += 16) memcpy(y + at, block, 16);
            memcpy(y + n - 16, block, 16);
        } else
            for (; at < n; at += size) memcpy(y + at, &bits, size);
    }
}

static void fill_rows(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows, ptrdiff_t n, int size)
{
    switch (size) {
    case 4: fill_sized(y, y_gap, x, x_gap, rows, n, 4); break;
    case 8: fill_sized(y, y_gap, x, x_gap, rows, n, 8); break;
    case 2: fill_sized(y, y_gap, x, x_gap, rows, n, 2); break;
    default: fill_sized(y, y_gap, x, x_gap, rows, n, 1);
    }
}

/* Ask for rows of n bytes that are used soon: in pieces of a few lines of the cache, hardware sees no stream. */
static void fetch_rows(const char *x, ptrdiff_t gap, ptrdiff_t rows, ptrdiff_t n)
{
    for (; rows > 0; rows--, x += gap)
        for (ptrdiff_t at = 0; at < n; at += LINE) __builtin_prefetch(x + at);
}

ALWAYS_INLINE void turn_floats(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap)
{
    q_float block[4];
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++) block[i] = *(const q_float *)(x + i * x_gap);
    transpose_float(block);
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++) *(q_float *)(y + i * y_gap) = block[i];
}

ALWAYS_INLINE void turn_doubles(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap)
{
    q_double block[2];
    #pragma GCC unroll 2
    for (int i = 0; i < 2; i++) block[i] = *(const q_double *)(x + i * x_gap);
    transpose_double(block);
    #pragma GCC unroll 2
    for (int i = 0; i < 2; i++) *(q_double *)(y + i * y_gap) = block[i];
}

/* Element by element; `size` is a constant. */
ALWAYS_INLINE void turn_elements(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows,
                                 ptrdiff_t columns, const int size)
{
    for (ptrdiff_t i = 0; i < columns; i++)
        for (ptrdiff_t r = 0; r < rows; r++) memcpy(y + r * y_gap + i * size, x + i * x_gap + r * size, size);
}

/* Columns of adjacent elements, x_gap apart, to rows of adjacent elements, y_gap apart. */
ALWAYS_INLINE void turn_sized(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows,
                              ptrdiff_t columns, const int size)
{
    const ptrdiff_t side = 16 / size, inner = size >= 4 ? rows / side * side : 0;
    for (ptrdiff_t i = 0; i < columns; i += side, x += side * x_gap, y += side * size) {
        const ptrdiff_t some = columns - i < side ? columns - i : side, whole = some == side ? inner : 0;
        for (ptrdiff_t k = AHEAD; k < AHEAD + some; k++) {
            __builtin_prefetch(x + k * x_gap);
            __builtin_prefetch(x + k * x_gap + rows * size - 1);
        }
        for (ptrdiff_t r = 0; r < whole; r += side)
            (size == 4 ? turn_floats : turn_doubles)(y + r * y_gap, y_gap, x + r * size, x_gap);
        turn_elements(y + whole * y_gap, y_gap, x + whole * size, x_gap, rows - whole, some, size);
    }
}

static void turn(char *y, ptrdiff_t y_gap, const char *x, ptrdiff_t x_gap, ptrdiff_t rows, ptrdiff_t columns, int size)
{
    switch (size) {
    case 4: turn_sized(y, y_gap, x, x_gap, rows, columns, 4); break;
    case 8: turn_sized(y, y_gap, x, x_gap, rows, columns, 8); break;
    case 2: turn_sized(y, y_gap, x, x_gap, rows, columns, 2); break;
    default: turn_sized(y, y_gap, x, x_gap, rows, columns, 1);
    }
}
#endif
