/* Template for one element type `real`: short lines of pixels, copied whole or every step-th pixel of them. Needs
   gemm_tile.h. */

/* A few elements, where a call of memcpy would take longer than the copy. The last piece overlaps the one before. */
ALWAYS_INLINE void NAME(copy_few)(const real *in, ptrdiff_t n, real *out)
{
    if (n >= LANES) {
        for (ptrdiff_t j = 0; j < n - LANES; j += LANES) STORE(out + j) = LOAD(in + j);
        STORE(out + n - LANES) = LOAD(in + n - LANES);
    } else if (n >= QUAD) {
        for (ptrdiff_t j = 0; j < n - QUAD; j += QUAD) *(quad *)(out + j) = *(const quad *)(in + j);
        *(quad *)(out + n - QUAD) = *(const quad *)(in + n - QUAD);
    } else {
        if (n > 0) out[0] = in[0];
        if (n > 1) out[1] = in[1];
        if (n > 2) out[2] = in[2];
    }
}

/* At least n zeros: up to a vector more, where the caller writes afterwards. */
ALWAYS_INLINE void NAME(clear_few)(ptrdiff_t n, real *out)
{
    if (n <= 0) return;
    STORE(out) = (vec){0};      /* nearly always all: outside of the loop, which becomes a call */
    for (ptrdiff_t j = LANES; j < n; j += LANES) STORE(out + j) = (vec){0};
}

/* Ask for n elements: small planes lie on pages of their own, and no stream that hardware sees leads to the next. */
ALWAYS_INLINE void NAME(fetch)(const real *in, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j += 64 / sizeof(real)) __builtin_prefetch(in + j);
}

/* Every second element of 2 * LANES - 1. */
ALWAYS_INLINE vec NAME(second)(const real *in)
{
    PASTE(i, real) pick;
    for (int l = 0; l < LANES; l++) pick[l] = l < LANES / 2 ? 2 * l : 2 * l + 1;
    return SHUFFLE_BOTH(LOAD(in), LOAD(in + LANES - 1), pick);
}

/* Every step-th element. A last vector overlaps the one before, so that nothing behind the last element is read. */
ALWAYS_INLINE void NAME(copy_apart)(const real *in, ptrdiff_t n, ptrdiff_t step, real *out)
{
    ptrdiff_t j = 0;
    if (step == 1) {
        NAME(copy_few)(in, n, out);
        return;
    }
    if (step == 2 && n >= LANES) {
        for (; j < n - LANES; j += LANES) STORE(out + j) = NAME(second)(in + 2 * j);
        STORE(out + n - LANES) = NAME(second)(in + 2 * (n - LANES));
        return;
    }
    if (step == 2 && n > QUAD) {
        const real *last = in + 2 * (n - QUAD) - 1;
        for (; j < n - QUAD; j += QUAD)
            *(quad *)(out + j) = NAME(evens)(*(const quad *)(in + 2 * j), *(const quad *)(in + 2 * j + QUAD));
        *(quad *)(out + n - QUAD) = NAME(odds)(*(const quad *)last, *(const quad *)(last + QUAD));
        return;
    }
    for (; j < n; j++) out[j] = in[j * step];
}

/* The adjoint for lines of zeros: n elements to every step-th place. */
ALWAYS_INLINE void NAME(spread_apart)(const real *in, ptrdiff_t n, ptrdiff_t step, real *out)
{
    const quad zero = {0};
    ptrdiff_t j = 0;
    for (; step == 2 && j + QUAD < n; j += QUAD) {
        const quad x = *(const quad *)(in + j);
        *(quad *)(out + 2 * j) = NAME(low_pairs)(x, zero);
        *(quad *)(out + 2 * j + QUAD) = NAME(high_pairs)(x, zero);
    }
    for (; j < n; j++) out[j * step] = in[j];
}
