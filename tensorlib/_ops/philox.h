/* Philox 4x32 (Salmon et al., SC 2011) for 16 counters at a time, in GCC vector extensions.
 *
 * Words are kept in 64-bit lanes, so that a product of two words is one widening multiplication. Only the low
 * half of a lane counts; the high half may hold anything. Seven rounds, the fewest that pass BigCrush.
 */
#ifndef TENSORLIB_PHILOX_H
#define TENSORLIB_PHILOX_H
#include <stdint.h>
#include <string.h>

typedef uint64_t tl_lanes __attribute__((vector_size(32)));

enum { TL_PHILOX_ROUNDS = 7, TL_PHILOX_VECTORS = 4, TL_PHILOX_WORDS = 64 };

/* The 64 words of counters 16 * block on, under a key of two words. */
static inline __attribute__((always_inline, unused)) void tl_philox(uint64_t block, uint64_t key, uint32_t *words)
{
    const tl_lanes low = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
    tl_lanes a[TL_PHILOX_VECTORS], b[TL_PHILOX_VECTORS], c[TL_PHILOX_VECTORS], d[TL_PHILOX_VECTORS], p, q;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    int turn, j;
    for (j = 0; j < TL_PHILOX_VECTORS; j++) {
        a[j] = (tl_lanes){0, 1, 2, 3} + (block * 16 + 4 * (uint64_t)j);
        b[j] = a[j] >> 32;
        c[j] = d[j] = (tl_lanes){0, 0, 0, 0};
    }
    for (turn = 0; turn < TL_PHILOX_ROUNDS; turn++) {
        for (j = 0; j < TL_PHILOX_VECTORS; j++) {
            p = (a[j] & low) * 0xD2511F53ull;
            q = (c[j] & low) * 0xCD9E8D57ull;
            a[j] = (q >> 32) ^ b[j] ^ (uint64_t)k0;
            c[j] = (p >> 32) ^ d[j] ^ (uint64_t)k1;
            b[j] = q;
            d[j] = p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (j = 0; j < TL_PHILOX_VECTORS; j++) {
        p = (a[j] & low) | (b[j] << 32);
        q = (c[j] & low) | (d[j] << 32);
        memcpy(words + 16 * j, &p, sizeof p);
        memcpy(words + 16 * j + 8, &q, sizeof q);
    }
}

#endif
