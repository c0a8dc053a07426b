/* Template for one element type `real`: the register-level product and the packing that feeds it.
   A tile of C, TILE_M rows by two vectors, stays in registers while the k loop runs; B is read in rows of
   TILE_N elements, A one element at a time from TILE_M rows. Knows nothing of caches and threads. */
#define NAME(x) PASTE(x, real)
#define vec PASTE(v, real)
#define half PASTE(h, real)
#define quad PASTE(q, real)
#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(real)))
#define QUAD ((ptrdiff_t)(16 / sizeof(real)))
#define TILE_N (2 * LANES)
#define GROUP_N (4 * TILE_N)
#define LOAD(p) (*(const vec *)(p))
#define STORE(p) (*(vec *)(p))

/* c = alpha * a @ b + beta * d for mr rows and `vecs` vectors; both are constants where this is inlined. Sums of `part`
   products are added up one after the other. */
ALWAYS_INLINE void NAME(tile_body)(const int mr, const int vecs, const ptrdiff_t part, ptrdiff_t k, const real *a,
                                   ptrdiff_t ra, ptrdiff_t ca, const real *b, ptrdiff_t rb, real alpha, real beta,
                                   const real *d, ptrdiff_t rd, real *c, ptrdiff_t rc)
{
    vec sum[TILE_M][2], row[2];
    for (int i = 0; i < mr; i++) {      /* C is needed when the loop ends: fetch it meanwhile */
        __builtin_prefetch(c + i * rc, 1);
        __builtin_prefetch(c + i * rc + vecs * LANES - 1, 1);
    }
    do {
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++)
            sum[i][0] = sum[i][1] = (vec){0};
        for (ptrdiff_t p = k < part ? k : part; p > 0; p--, a += ca, b += rb) {
            row[0] = LOAD(b);
            if (vecs == 2) row[1] = LOAD(b + LANES);
            #pragma GCC unroll 12
            for (int i = 0; i < mr; i++) {
                const vec left = a[i * ra] - (vec){0};
                sum[i][0] += left * row[0];
                if (vecs == 2) sum[i][1] += left * row[1];
            }
        }
        if (alpha != 1)
            #pragma GCC unroll 12
            for (int i = 0; i < mr; i++) sum[i][0] *= alpha, sum[i][1] *= alpha;
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++)
            #pragma GCC unroll 2
            for (int j = 0; j < vecs; j++) {
                if (beta == 1) sum[i][j] += LOAD(d + i * rd + j * LANES);
                else if (beta != 0) sum[i][j] += LOAD(d + i * rd + j * LANES) * beta;
                STORE(c + i * rc + j * LANES) = sum[i][j];
            }
        beta = 1, d = c, rd = rc;
    } while ((k -= part) > 0);
}

#define TILE_ARGS k, a, ra, ca, b, rb, alpha, beta, d, rd, c, rc
#define TILE_CASE(h) case h: NAME(tile_body)(h, vecs, part, TILE_ARGS); break;
#define TILE_PARAMS ptrdiff_t k, const real *a, ptrdiff_t ra, ptrdiff_t ca, const real *b, ptrdiff_t rb, real alpha, \
    real beta, const real *d, ptrdiff_t rd, real *c, ptrdiff_t rc
#define DEFINE_TILE(name, vecs_, ra_, ca_, part_)                                   \
    static __attribute__((noinline)) void NAME(name)(int mr, TILE_PARAMS)           \
    {                                                                               \
        enum { vecs = vecs_ };                                                      \
        const ptrdiff_t part = part_;                                               \
        ra = ra_;                                                                   \
        ca = ca_;                                                                   \
        switch (mr) { EACH_HEIGHT(TILE_CASE) }                                      \
    }
DEFINE_TILE(tile_packed, 2, 1, TILE_M, chain_of(k))
DEFINE_TILE(tile_strided, 2, ra, ca, chain_of(k))
DEFINE_TILE(tile_narrow, 1, ra, ca, chain_of(k))

/* c = x + beta * d for `width` elements. The last quad overlaps the one before, so it is made before c is written. */
ALWAYS_INLINE void NAME(finish_row)(ptrdiff_t width, const real *x, real beta, const real *d, real *c)
{
    const ptrdiff_t last = width - QUAD;
    if (last < 0) {
        for (ptrdiff_t j = 0; j < width; j++) c[j] = beta == 0 ? x[j] : x[j] + beta * d[j];
        return;
    }
    quad end = *(const quad *)(x + last);
    if (beta != 0) end += *(const quad *)(d + last) * beta;
    for (ptrdiff_t j = 0; j < last; j += QUAD) {
        quad part = *(const quad *)(x + j);
        if (beta != 0) part += *(const quad *)(d + j) * beta;
        *(quad *)(c + j) = part;
    }
    *(quad *)(c + last) = end;
}

#if VECTOR_BYTES == 64
/* out = alpha * a @ b, half a vector wide. */
ALWAYS_INLINE void NAME(half_body)(const int mr, ptrdiff_t k, const real *a, ptrdiff_t ra, ptrdiff_t ca, const real *b,
                                   ptrdiff_t rb, real alpha, real *out)
{
    half sum[TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) sum[i] = (half){0};
    for (; k > 0; k--, a += ca, b += rb) {
        const half row = *(const half *)b;
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) sum[i] += (a[i * ra] - (half){0}) * row;
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) *(half *)(out + i * TILE_N) = sum[i] * alpha;
}

#define HALF_CASE(h) case h: NAME(half_body)(h, k, a, ra, ca, b, rb, alpha, out); break;
static __attribute__((noinline)) void NAME(tile_half)(int mr, ptrdiff_t k, const real *a, ptrdiff_t ra, ptrdiff_t ca,
                                                      const real *b, ptrdiff_t rb, real alpha, real *out)
{
    switch (mr) { EACH_HEIGHT(HALF_CASE) }
}
#undef HALF_CASE
#endif

/* A tile of fewer than TILE_N columns: the product in whole and half vectors into a buffer, then the part that exists. */
static void NAME(edge_chain)(int mr, ptrdiff_t width, TILE_PARAMS)
{
    real full[TILE_M * TILE_N];
    ptrdiff_t left = width;
#if VECTOR_BYTES == 64
    if (width % LANES > 0 && width % LANES <= LANES / 2) {
        left = width / LANES * LANES;
        NAME(tile_half)(mr, k, a, ra, ca, b + left, rb, alpha, full + left);
    }
#endif
    if (left > 0)
        (left <= LANES ? NAME(tile_narrow) : NAME(tile_strided))(
            mr, k, a, ra, ca, b, rb, alpha, 0, d, rd, full, TILE_N);
    for (int i = 0; i < mr; i++, c += rc, d += rd) NAME(finish_row)(width, full + i * TILE_N, beta, d, c);
}

/* Chains one after the other, as whole tiles have them: threads cut matrices, and bits may not depend on that. */
static void NAME(tile_edge)(int mr, ptrdiff_t width, TILE_PARAMS)
{
    const ptrdiff_t part = chain_of(k);
    for (; k > part; k -= part, a += part * ca, b += part * rb) {
        NAME(edge_chain)(mr, width, part, a, ra, ca, b, rb, alpha, beta, d, rd, c, rc);
        beta = 1, d = c, rd = rc;
    }
    NAME(edge_chain)(mr, width, TILE_ARGS);
}

/* Copy a panel of B, `width` <= TILE_N columns and k rows, to rows of TILE_N elements; missing columns become 0. */
static void NAME(pack_panel)(ptrdiff_t k, ptrdiff_t width, const real *b, ptrdiff_t rb, ptrdiff_t cb, real *out)
{
    const ptrdiff_t blocks = rb == 1 ? width / QUAD * QUAD : 0;     /* columns that are dense: blocks are transposed */
    ptrdiff_t p = 0;
    if (width < TILE_N)
        for (ptrdiff_t i = 0; i < k * TILE_N; i += LANES) STORE(out + i) = (vec){0};
    for (; p + QUAD <= k && blocks; p += QUAD, out += QUAD * TILE_N) {
        for (ptrdiff_t j = 0; j < blocks; j += QUAD) {
            quad block[QUAD];
            for (int i = 0; i < QUAD; i++) block[i] = *(const quad *)(b + (j + i) * cb + p);
            NAME(transpose)(block);
            for (int i = 0; i < QUAD; i++) *(quad *)(out + i * TILE_N + j) = block[i];
        }
        for (ptrdiff_t j = blocks; j < width; j++)
            for (int i = 0; i < QUAD; i++) out[i * TILE_N + j] = b[j * cb + p + i];
    }
    for (; p < k; p++, out += TILE_N)
        for (ptrdiff_t j = 0; j < width; j++) out[j] = b[p * rb + j * cb];
}

/* Copy up to GROUP_N columns of B, panel after panel. Full panels of a B that lies in rows are filled together, so
   that a whole run of each row is read at once. */
static void NAME(pack_b)(ptrdiff_t k, ptrdiff_t width, const real *b, ptrdiff_t rb, ptrdiff_t cb, real *out)
{
    ptrdiff_t j = 0;
    if (cb == 1) {
        j = width / TILE_N * TILE_N;
        for (ptrdiff_t p = 0; p < k; p++)
            for (ptrdiff_t i = 0; i < j; i += TILE_N) {
                STORE(out + i * k + p * TILE_N) = LOAD(b + p * rb + i);
                STORE(out + i * k + p * TILE_N + LANES) = LOAD(b + p * rb + i + LANES);
            }
    }
    for (; j < width; j += TILE_N)
        NAME(pack_panel)(k, width - j < TILE_N ? width - j : TILE_N, b + j * cb, rb, cb, out + j * k);
}

/* Copy `height` <= TILE_M rows of A, k columns, to columns of TILE_M elements. Rows that are missing are left
   unset, for no tile reads them. May write up to QUAD elements past the end: the next panel's, or slack. */
static void NAME(pack_a_panel)(ptrdiff_t k, ptrdiff_t height, const real *a, ptrdiff_t ra, ptrdiff_t ca, real *out)
{
    enum { GROUPS = (TILE_M * sizeof(real) + 15) / 16 };
    ptrdiff_t p = 0;
    if (height == TILE_M && ca == 1)
        for (; p + QUAD <= k; p += QUAD, out += QUAD * TILE_M) {
            quad block[GROUPS][QUAD];
            for (int g = 0; g < GROUPS; g++) {
                for (int i = 0; i < QUAD; i++) {
                    const ptrdiff_t row = g * QUAD + i < TILE_M ? g * QUAD + i : TILE_M - 1;
                    block[g][i] = *(const quad *)(a + row * ra + p);
                }
                NAME(transpose)(block[g]);
            }
            for (int i = 0; i < QUAD; i++)      /* ascending: a last group overhangs into the next column */
                for (int g = 0; g < GROUPS; g++) *(quad *)(out + i * TILE_M + g * QUAD) = block[g][i];
        }
    for (; p < k; p++, out += TILE_M)
        for (ptrdiff_t i = 0; i < height; i++) out[i] = a[i * ra + p * ca];
}

/* Copy m rows of A, panel after panel. Where its columns are dense, several panels are filled together, so that a whole
   run of each column is read at once; the runs lie far from each other, and are asked for some time before. */
static void NAME(pack_a)(ptrdiff_t k, ptrdiff_t m, const real *a, ptrdiff_t ra, ptrdiff_t ca, real *out)
{
    enum { PANELS = 8, AHEAD_A = 16 };
    ptrdiff_t i = 0;
    if (ra == 1)
        for (ptrdiff_t group; i + TILE_M <= m; i += group) {
            group = (m - i < PANELS * TILE_M ? m - i : PANELS * TILE_M) / TILE_M * TILE_M;
            for (ptrdiff_t p = 0; p < k; p++) {
                const real *column = a + i + p * ca;
                for (ptrdiff_t j = 0; j < group; j += 64 / sizeof(real))
                    __builtin_prefetch(column + AHEAD_A * ca + j);
                for (ptrdiff_t j = 0; j < group; j += TILE_M) {
                    real *to = out + (i + j) * k + p * TILE_M;
                    for (int q = 0; q < TILE_M; q += QUAD) {
                        const int at = q + QUAD <= TILE_M ? q : TILE_M - QUAD;
                        *(quad *)(to + at) = *(const quad *)(column + j + at);
                    }
                }
            }
        }
    for (; i < m; i += TILE_M)
        NAME(pack_a_panel)(k, m - i < TILE_M ? m - i : TILE_M, a + i * ra, ra, ca, out + i * k);
}
