/* Template for one element type `real`: products with one B again and again, as in the steps of a recurrent layer. B is
   packed once, k in blocks and in each block panel after panel; a product then only streams it. One thread's work. */
#undef AHEAD
#define AHEAD 48            /* rows of a panel */

static ptrdiff_t NAME(packed_size)(ptrdiff_t k, ptrdiff_t n)
{
    return k * ((n + TILE_N - 1) / TILE_N * TILE_N);
}

static void NAME(pack_all)(ptrdiff_t k, ptrdiff_t n, const void *b_, ptrdiff_t rb, ptrdiff_t cb, void *out_)
{
    const real *b = b_;
    real *out = out_;
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t kc = k - p < KC ? k - p : KC;
        for (ptrdiff_t j = 0; j < n; j += GROUP_N)
            NAME(pack_b)(kc, n - j < GROUP_N ? n - j : GROUP_N, b + p * rb + j * cb, rb, cb,
                         out + NAME(packed_size)(p, n) + j * kc);
    }
}

/* c = a @ b + beta * d for `mr` rows and `wide` whole panels that are `step` elements apart; a is dense along k. The
   panels of a large B come from far: they are asked for as long before they are needed as that takes. */
ALWAYS_INLINE void NAME(stream_body)(const int mr, const int wide, ptrdiff_t k, const real *a, ptrdiff_t ra,
                                     const real *b, ptrdiff_t step, real beta, const real *d, ptrdiff_t rd, real *c,
                                     ptrdiff_t rc)
{
    vec sum[TILE_M][8];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        #pragma GCC unroll 8
        for (int j = 0; j < 2 * wide; j++) sum[i][j] = (vec){0};
    for (ptrdiff_t p = 0; p < k; p++, a++, b += TILE_N) {
        #pragma GCC unroll 4
        for (int j = 0; j < wide; j++) {
            __builtin_prefetch(b + j * step + AHEAD * TILE_N);
            if (VECTOR_BYTES == 64) __builtin_prefetch(b + j * step + AHEAD * TILE_N + LANES);
        }
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) {
            const vec left = a[i * ra] - (vec){0};
            #pragma GCC unroll 8
            for (int j = 0; j < 2 * wide; j++) sum[i][j] += left * LOAD(b + j / 2 * step + j % 2 * LANES);
        }
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        #pragma GCC unroll 8
        for (int j = 0; j < 2 * wide; j++) {
            vec out = sum[i][j];
            if (beta != 0) out += LOAD(d + i * rd + j * LANES) * beta;
            STORE(c + i * rc + j * LANES) = out;
        }
}

#define STREAM_CASE(h, wide) case h: NAME(stream_body)(h, wide, k, a, ra, b, step, beta, d, rd, c, rc); break;
static __attribute__((noinline)) void NAME(stream_chain)(int mr, ptrdiff_t k, const real *a, ptrdiff_t ra,
                                                         const real *b, ptrdiff_t step, real beta, const real *d,
                                                         ptrdiff_t rd, real *c, ptrdiff_t rc)
{
    switch (mr) {
    STREAM_CASE(1, 4) STREAM_CASE(2, 2) STREAM_CASE(3, 1) STREAM_CASE(4, 1) STREAM_CASE(5, 1) STREAM_CASE(6, 1)
#if TILE_M == 12
    STREAM_CASE(7, 1) STREAM_CASE(8, 1) STREAM_CASE(9, 1) STREAM_CASE(10, 1) STREAM_CASE(11, 1) STREAM_CASE(12, 1)
#endif
    }
}

/* Chains one after the other, as in gemm_tile.h. */
static void NAME(stream)(int mr, ptrdiff_t k, const real *a, ptrdiff_t ra, const real *b, ptrdiff_t step, real beta,
                         const real *d, ptrdiff_t rd, real *c, ptrdiff_t rc)
{
    const ptrdiff_t part = chain_of(k);
    for (; k > part; k -= part, a += part, b += part * TILE_N) {
        NAME(stream_chain)(mr, part, a, ra, b, step, beta, d, rd, c, rc);
        beta = 1, d = c, rd = rc;
    }
    NAME(stream_chain)(mr, k, a, ra, b, step, beta, d, rd, c, rc);
}

/* One block of k: c = a @ b + beta * d, a dense along k. */
static void NAME(packed_block)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a, ptrdiff_t ra, const real *b,
                               real beta, const real *d, ptrdiff_t rd, real *c, ptrdiff_t rc)
{
    const ptrdiff_t height = even_part(m, TILE_M, 1), wide = m == 1 ? 4 * TILE_N : m == 2 ? 2 * TILE_N : TILE_N;
    ptrdiff_t j = 0;
    for (; j + wide <= n; j += wide)
        for (ptrdiff_t i = 0; i < m; i += height) {
            const ptrdiff_t rows = m - i < height ? m - i : height;
            if (rows <= 2 && m > 2)
                NAME(tile_strided)(rows, k, a + i * ra, ra, 1, b + j * k, TILE_N, 1, beta, d + i * rd + j, rd,
                                   c + i * rc + j, rc);
            else
                NAME(stream)(rows, k, a + i * ra, ra, b + j * k, TILE_N * k, beta, d + i * rd + j, rd, c + i * rc + j,
                             rc);
        }
    for (; j < n; j += TILE_N) {
        const ptrdiff_t width = n - j < TILE_N ? n - j : TILE_N;
        for (ptrdiff_t i = 0; i < m; i += height) {
            const ptrdiff_t rows = m - i < height ? m - i : height;
            if (width == TILE_N)
                NAME(tile_strided)(rows, k, a + i * ra, ra, 1, b + j * k, TILE_N, 1, beta, d + i * rd + j, rd,
                                   c + i * rc + j, rc);
            else
                NAME(tile_edge)(rows, width, k, a + i * ra, ra, 1, b + j * k, TILE_N, 1, beta, d + i * rd + j, rd,
                                c + i * rc + j, rc);
        }
    }
}

/* C = A @ B + beta * D with the packed B; A is dense along k, and the columns of C and D are adjacent. */
static void NAME(gemm_packed)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const void *a_, ptrdiff_t ra, const void *packed,
                              double beta, const void *d, ptrdiff_t rd, void *c, ptrdiff_t rc)
{
    const real *a = a_, *b = packed;
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t kc = k - p < KC ? k - p : KC;
        if (p == 0)
            NAME(packed_block)(m, n, kc, a, ra, b, beta, d, rd, c, rc);
        else
            NAME(packed_block)(m, n, kc, a + p, ra, b + NAME(packed_size)(p, n), 1, c, rc, c, rc);
    }
}
