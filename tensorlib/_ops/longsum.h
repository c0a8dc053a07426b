/* Running sums of a row of long integers, a vector at a time: integers come to the same in whatever order they are
   added. */
#ifndef TENSORLIB_LONGSUM_H
#define TENSORLIB_LONGSUM_H
#include <stdint.h>
#include "simd.h"

typedef int64_t v_long __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

/* Numbers of lanes that move a vector up by one, two and four, with zeros from a second one; and that of the last. */
#if VECTOR_BYTES == 64
#define UP_1 {8, 0, 1, 2, 3, 4, 5, 6}
#define UP_2 {8, 8, 0, 1, 2, 3, 4, 5}
#define UP_4 {8, 8, 8, 8, 0, 1, 2, 3}
#define LAST {7, 7, 7, 7, 7, 7, 7, 7}
#elif VECTOR_BYTES == 32
#define UP_1 {4, 0, 1, 2}
#define UP_2 {4, 4, 0, 1}
#define LAST {3, 3, 3, 3}
#else
#define UP_1 {2, 0}
#define LAST {1, 1}
#endif

/* out = total + the sums up to each element. Sums within a vector do not wait for those before it. */
static void tl_running_sum_i64(const int64_t *x, ptrdiff_t n, int64_t *out, int64_t total)
{
    enum { W = sizeof(v_long) / sizeof(int64_t) };
    const v_long zero = {0}, last = LAST;
    v_long before = zero + total;
    for (; n >= W; n -= W, x += W, out += W) {
        v_long v = *(const v_long *)x;
        v += SHUFFLE_BOTH(v, zero, ((v_long)UP_1));
#ifdef UP_2
        v += SHUFFLE_BOTH(v, zero, ((v_long)UP_2));
#endif
#ifdef UP_4
        v += SHUFFLE_BOTH(v, zero, ((v_long)UP_4));
#endif
        *(v_long *)out = v + before;
        before += SHUFFLE(v, last);
    }
    total = before[0];
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = total += x[i];
}
#endif
