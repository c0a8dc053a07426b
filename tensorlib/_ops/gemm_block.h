/* Template for one element type `real`: cache blocking, the choice of what is packed, and threads.
   A block of B (KC x NC) lies packed in the outer cache and is shared by all threads; each thread takes rows of
   its own and packs them by blocks of A (MC x KC) for its inner cache. Small products are used where they lie. */
#define KC 256
#define MC ((ptrdiff_t)(WORK_A / (KC * sizeof(real))) / TILE_M * TILE_M)
#define NC ((ptrdiff_t)(WORK_B / (KC * sizeof(real))))
#define SMALL ((ptrdiff_t)(16384 / sizeof(real)))
#define GEMV_ROWS 512

typedef struct {
    ptrdiff_t m, n, k, ra, ca, rb, cb, rc;
    const real *a, *b, *d;      /* C = alpha * A @ B + beta * D */
    ptrdiff_t rd;
    real *c, alpha, beta;
    ptrdiff_t kc, nc;           /* sizes of a block of B */
} NAME(product);

/* The product of rows i0..i0+m and the packed or plain panels of one block of B. */
static void NAME(block)(const NAME(product) *g, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                        const real *packed_a, const real *b, const real *packed_b, int whole_b, real beta,
                        const real *d, ptrdiff_t rd, real *c)
{
    for (ptrdiff_t j = 0; j < n; j += TILE_N) {
        const ptrdiff_t width = n - j < TILE_N ? n - j : TILE_N;
        const int plain = !whole_b && width % LANES == 0;
        const real *panel = plain ? b + j : whole_b ? packed_b + j * k : packed_b;
        const ptrdiff_t row = plain ? g->rb : TILE_N;
        for (ptrdiff_t i = 0; i < m; i += TILE_M) {
            const int height = m - i < TILE_M ? m - i : TILE_M;
            const real *left = packed_a ? packed_a + i * k : a + i * g->ra;
            const ptrdiff_t ra = packed_a ? 1 : g->ra, ca = packed_a ? TILE_M : g->ca;
            const real *added = d + i * rd + j;
            real *out = c + i * g->rc + j;
            if (width % LANES)
                NAME(tile_edge)(height, width, k, left, ra, ca, panel, row, g->alpha, beta, added, rd, out, g->rc);
            else
                (width == LANES ? NAME(tile_narrow) : packed_a ? NAME(tile_packed) : NAME(tile_strided))(
                    height, k, left, ra, ca, panel, row, g->alpha, beta, added, rd, out, g->rc);
        }
    }
}

/* Whether all of B is packed: always if its columns are apart, else if enough rows of A will use it. */
static int NAME(packs_b)(const NAME(product) *g)
{
    return g->cb != 1 || (g->m > 3 * TILE_M && g->k * g->n > SMALL);
}

/* Thread `id` of `count`: its share of packing, then its rows. With count > 1 all threads of the team call this. */
static void NAME(blocks)(const NAME(product) *g, int id, int count, real *pack_b, real *pack_a)
{
    const ptrdiff_t first = g->m * id / count, rows = g->m * (id + 1) / count - first;
    const ptrdiff_t mc = rows > MC ? even_part(rows, MC, TILE_M) : rows, kc = even_part(g->k, g->kc, 1);
    const int whole_b = NAME(packs_b)(g);
    for (ptrdiff_t jc = 0; jc < g->n; jc += g->nc)
        for (ptrdiff_t pc = 0; pc < g->k; pc += kc) {
            const ptrdiff_t n = g->n - jc < g->nc ? g->n - jc : g->nc, k = g->k - pc < kc ? g->k - pc : kc;
            const real *b = g->b + pc * g->rb + jc * g->cb;
            const int reuse_a = pack_a && n > 4 * TILE_N;
            if (whole_b)
                for (ptrdiff_t j = id * GROUP_N; j < n; j += count * GROUP_N)
                    NAME(pack_b)(k, n - j < GROUP_N ? n - j : GROUP_N, b + j * g->cb, g->rb, g->cb, pack_b + j * k);
            else if (n % LANES && id == 0)
                NAME(pack_panel)(k, n % TILE_N, b + n / TILE_N * TILE_N, g->rb, 1, pack_b);
            if (count > 1) team_barrier();
            for (ptrdiff_t ic = 0; ic < rows; ic += mc) {
                const ptrdiff_t m = rows - ic < mc ? rows - ic : mc;
                const real *a = g->a + (first + ic) * g->ra + pc * g->ca;
                if (reuse_a)
                    for (ptrdiff_t i = 0; i < m; i += TILE_M)
                        NAME(pack_a)(k, m - i < TILE_M ? m - i : TILE_M, a + i * g->ra, g->ra, g->ca, pack_a + i * k);
                real *c = g->c + (first + ic) * g->rc + jc;
                if (pc == 0)
                    NAME(block)(g, m, n, k, a, reuse_a ? pack_a : NULL, b, pack_b, whole_b, g->beta,
                                g->d + (first + ic) * g->rd + jc, g->rd, c);
                else
                    NAME(block)(g, m, n, k, a, reuse_a ? pack_a : NULL, b, pack_b, whole_b, 1, c, g->rc, c);
            }
            if (count > 1) team_barrier();
        }
}

static void NAME(gemm_alone)(NAME(product) g)
{
    real small[SMALL] __attribute__((aligned(64)));
    void *work = NULL;
    const ptrdiff_t k = g.k < KC ? g.k : KC;
    const ptrdiff_t columns = NAME(packs_b)(&g) ? (g.n + TILE_N - 1) / TILE_N * TILE_N : TILE_N;
    g.kc = KC;
    g.nc = NC;
    if (k * columns > SMALL && (work = take_workspace()) == NULL) {
        g.kc = SMALL / TILE_N;      /* out of memory: go on with what the stack has */
        g.nc = TILE_N;
    }
    NAME(blocks)(&g, 0, 1, work ? work : small, work ? (real *)((char *)work + WORK_B) : NULL);
    if (work) give_workspace(work);
}

#ifdef _OPENMP
/* Rows are split evenly, or columns by whole vectors: whichever leaves less work on the longest path. */
static int NAME(splits_columns)(const NAME(product) *g, int threads)
{
    const ptrdiff_t rows = (g->m + threads - 1) / threads, vectors = (g->n + LANES - 1) / LANES;
    const ptrdiff_t by_rows = (rows + TILE_M - 1) / TILE_M * vectors;
    const ptrdiff_t by_columns = (g->m + TILE_M - 1) / TILE_M * ((vectors + threads - 1) / threads);
    return by_columns < by_rows;
}

static void NAME(gemm_team)(NAME(product) g, int threads)
{
    if (NAME(splits_columns)(&g, threads)) {
        #pragma omp parallel num_threads(threads)
        {
            const ptrdiff_t id = omp_get_thread_num(), count = omp_get_num_threads();
            const ptrdiff_t vectors = (g.n + LANES - 1) / LANES;
            const ptrdiff_t first = vectors * id / count * LANES, last = vectors * (id + 1) / count * LANES;
            NAME(product) own = g;
            own.n = (last < g.n ? last : g.n) - first;
            own.b += first * g.cb;
            own.c += first;
            own.d += first;
            if (own.n > 0) NAME(gemm_alone)(own);
        }
        return;
    }
    void *shared = take_workspace();
    if (shared == NULL) {
        NAME(gemm_alone)(g);
        return;
    }
    g.kc = KC;
    g.nc = NC;
    #pragma omp parallel num_threads(threads)
    {
        const int id = omp_get_thread_num();
        char *own = id ? take_workspace() : shared;
        NAME(blocks)(&g, id, omp_get_num_threads(), shared, own ? (real *)(own + WORK_B) : NULL);
        if (id && own) give_workspace(own);
    }
    give_workspace(shared);
}
#endif

/* Sum of a row of A times x, for `rows` <= 4 rows at once so that x is loaded once. */
ALWAYS_INLINE void NAME(dot_rows)(const int rows, ptrdiff_t k, const real *a, ptrdiff_t ra, const real *x, real *out)
{
    vec sum[4][2];
    ptrdiff_t p = 0;
    for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = (vec){0};
    for (; p + TILE_N <= k; p += TILE_N) {
        const vec x0 = LOAD(x + p), x1 = LOAD(x + p + LANES);
        #pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            sum[i][0] += LOAD(a + i * ra + p) * x0;
            sum[i][1] += LOAD(a + i * ra + p + LANES) * x1;
        }
    }
    for (int i = 0; i < rows; i++) {
        const vec both = sum[i][0] + sum[i][1];
        real total = 0;
        for (int l = 0; l < LANES; l++) total += both[l];
        for (ptrdiff_t q = p; q < k; q++) total += a[i * ra + q] * x[q];
        out[i] = total;
    }
}

/* Products of two dense rows of `a` with up to four dense rows of `b`. */
ALWAYS_INLINE void NAME(dot_block)(const int few, ptrdiff_t k, const real *a, ptrdiff_t ra, const real *b, ptrdiff_t rb,
                                   real out[2][4])
{
    vec sum[2][4];
    ptrdiff_t p = 0;
    for (int j = 0; j < few; j++) sum[0][j] = sum[1][j] = (vec){0};
    for (; p + LANES <= k; p += LANES) {
        const vec a0 = LOAD(a + p), a1 = LOAD(a + ra + p);
        #pragma GCC unroll 4
        for (int j = 0; j < few; j++) {
            const vec x = LOAD(b + j * rb + p);
            sum[0][j] += a0 * x;
            sum[1][j] += a1 * x;
        }
    }
    #pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < few; j++) {
            real total = 0;
            for (int l = 0; l < LANES; l++) total += sum[i][j][l];
            for (ptrdiff_t q = p; q < k; q++) total += a[i * ra + q] * b[j * rb + q];
            out[i][j] = total;
        }
}

/* c[i * rc + j * cc] = alpha * (row i of a) . (row j of b) + beta * d for many rows of a and at most four of b, all
   dense along k: each is read once, where packing would cost as much as the product. */
static void NAME(skinny)(ptrdiff_t many, int few, ptrdiff_t k, real alpha, const real *a, ptrdiff_t ra, const real *b,
                         ptrdiff_t rb, real beta, const real *d, ptrdiff_t rd, ptrdiff_t cd, real *c, ptrdiff_t rc,
                         ptrdiff_t cc)
{
    real out[2][4];
    for (ptrdiff_t i = 0; i < many; i += 2, a += 2 * ra, c += 2 * rc, d += 2 * rd) {
        const int pair = i + 1 < many;
        const ptrdiff_t next = pair ? ra : 0;
        switch (few) {
        case 4: NAME(dot_block)(4, k, a, next, b, rb, out); break;
        case 3: NAME(dot_block)(3, k, a, next, b, rb, out); break;
        default: NAME(dot_block)(2, k, a, next, b, rb, out); break;
        }
        for (int h = 0; h <= pair; h++)
            for (int j = 0; j < few; j++)
                c[h * rc + j * cc] = beta == 0 ? alpha * out[h][j] : alpha * out[h][j] + beta * d[h * rd + j * cd];
    }
}

static void NAME(gemm_skinny)(const NAME(product) *g, int threads)
{
    const int wide = g->m <= 4;             /* the few rows are those of A, the many are the columns of B */
    const ptrdiff_t many = wide ? g->n : g->m, few = wide ? g->m : g->n;
    const real *a = wide ? g->b : g->a, *b = wide ? g->a : g->b;
    const ptrdiff_t ra = wide ? g->cb : g->ra, rb = wide ? g->ra : g->cb, rc = wide ? 1 : g->rc, cc = wide ? g->rc : 1;
    const ptrdiff_t rd = wide ? 1 : g->rd, cd = wide ? g->rd : 1;
#ifdef _OPENMP
    if (threads > 1) {
        #pragma omp parallel num_threads(threads)
        {
            const ptrdiff_t id = omp_get_thread_num(), count = omp_get_num_threads();
            const ptrdiff_t first = many * id / count, rows = many * (id + 1) / count - first;
            NAME(skinny)(rows, few, g->k, g->alpha, a + first * ra, ra, b, rb, g->beta, g->d + first * rd, rd, cd,
                         g->c + first * rc, rc, cc);
        }
        return;
    }
#endif
    NAME(skinny)(many, few, g->k, g->alpha, a, ra, b, rb, g->beta, g->d, rd, cd, g->c, rc, cc);
}

/* Sums of up to GEMV_ROWS adjacent rows, column by column: for a matrix whose columns are dense. */
static void NAME(sum_columns)(ptrdiff_t rows, ptrdiff_t k, const real *a, ptrdiff_t ca, const real *x, real *out)
{
    ptrdiff_t p = 0;
    memset(out, 0, rows * sizeof(real));
    for (; p + 4 <= k; p += 4, a += 4 * ca) {
        const real *a1 = a + ca, *a2 = a + 2 * ca, *a3 = a + 3 * ca;
        for (ptrdiff_t i = 0; i < rows; i++)
            out[i] += a[i] * x[p] + a1[i] * x[p + 1] + a2[i] * x[p + 2] + a3[i] * x[p + 3];
    }
    for (; p < k; p++, a += ca)
        for (ptrdiff_t i = 0; i < rows; i++) out[i] += a[i] * x[p];
}

/* y = alpha * a @ x + beta * d with adjacent x. */
static void NAME(gemv_rows)(ptrdiff_t m, ptrdiff_t k, real alpha, const real *a, ptrdiff_t ra, ptrdiff_t ca,
                            const real *x, real beta, const real *d, ptrdiff_t sd, real *y, ptrdiff_t sy)
{
    real out[GEMV_ROWS];
    for (ptrdiff_t first = 0; first < m; first += GEMV_ROWS, a += GEMV_ROWS * ra) {
        const ptrdiff_t rows = m - first < GEMV_ROWS ? m - first : GEMV_ROWS;
        ptrdiff_t i = 0;
        if (ra == 1 && rows > 1)
            NAME(sum_columns)(rows, k, a, ca, x, out);
        else if (ca == 1) {
            for (; i + 4 <= rows; i += 4) NAME(dot_rows)(4, k, a + i * ra, ra, x, out + i);
            for (; i < rows; i++) NAME(dot_rows)(1, k, a + i * ra, ra, x, out + i);
        } else
            for (; i < rows; i++) {
                real total = 0;
                for (ptrdiff_t p = 0; p < k; p++) total += a[i * ra + p * ca] * x[p];
                out[i] = total;
            }
        for (i = 0; i < rows; i++, y += sy, d += sd) *y = beta == 0 ? alpha * out[i] : alpha * out[i] + beta * *d;
    }
}

static void NAME(gemv_part)(ptrdiff_t m, ptrdiff_t k, real alpha, const real *a, ptrdiff_t ra, ptrdiff_t ca,
                            const real *x, ptrdiff_t sx, real beta, const real *d, ptrdiff_t sd, real *y, ptrdiff_t sy)
{
    real dense[GEMV_ROWS];
    if (sx == 1) {
        NAME(gemv_rows)(m, k, alpha, a, ra, ca, x, beta, d, sd, y, sy);
        return;
    }
    for (ptrdiff_t first = 0; first < k; first += GEMV_ROWS) {
        const ptrdiff_t part = k - first < GEMV_ROWS ? k - first : GEMV_ROWS;
        for (ptrdiff_t p = 0; p < part; p++) dense[p] = x[(first + p) * sx];
        if (first == 0)
            NAME(gemv_rows)(m, part, alpha, a, ra, ca, dense, beta, d, sd, y, sy);
        else
            NAME(gemv_rows)(m, part, alpha, a + first * ca, ra, ca, dense, 1, y, sy, y, sy);
    }
}

static void NAME(gemv)(ptrdiff_t m, ptrdiff_t k, real alpha, const real *a, ptrdiff_t ra, ptrdiff_t ca, const real *x,
                       ptrdiff_t sx, real beta, const real *d, ptrdiff_t sd, real *y, ptrdiff_t sy, int threads)
{
#ifdef _OPENMP
    if (threads > 1 && m > 1) {
        #pragma omp parallel num_threads(threads)
        {
            const ptrdiff_t id = omp_get_thread_num(), count = omp_get_num_threads();
            const ptrdiff_t first = m * id / count, rows = m * (id + 1) / count - first;
            NAME(gemv_part)(rows, k, alpha, a + first * ra, ra, ca, x, sx, beta, d + first * sd, sd, y + first * sy,
                            sy);
        }
        return;
    }
#endif
    NAME(gemv_part)(m, k, alpha, a, ra, ca, x, sx, beta, d, sd, y, sy);
}

/* C = alpha * A @ B + beta * D; the columns of C and of D are adjacent. D may be C, or have rd == 0: a row for all. */
static void NAME(gemm_added)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, double alpha, const void *a, ptrdiff_t ra,
                             ptrdiff_t ca, const void *b, ptrdiff_t rb, ptrdiff_t cb, double beta, const void *d,
                             ptrdiff_t rd, void *c, ptrdiff_t rc, int threads)
{
    const NAME(product) g = {m, n, k, ra, ca, rb, cb, rc, a, b, d, rd, c, alpha, beta, KC, NC};
    if (m <= 0 || n <= 0) return;
    if (n == 1)
        NAME(gemv)(m, k, alpha, a, ra, ca, b, rb, beta, d, rd, c, rc, threads);
    else if (m == 1)
        NAME(gemv)(n, k, alpha, b, cb, rb, a, ca, beta, d, 1, c, 1, threads);
    else if (k <= 0)
        for (ptrdiff_t i = 0; i < m; i++)
            for (ptrdiff_t j = 0; j < n; j++)
                g.c[i * rc + j] = beta == 0 ? 0 : g.beta * g.d[i * rd + j];
    else if (ca == 1 && rb == 1 && (m <= 4 || n <= 4) && k >= 8 * LANES)
        NAME(gemm_skinny)(&g, threads);
#ifdef _OPENMP
    else if (threads > 1)
        NAME(gemm_team)(g, threads);
#endif
    else
        NAME(gemm_alone)(g);
}

static void NAME(gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, double alpha, const void *a, ptrdiff_t ra, ptrdiff_t ca,
                       const void *b, ptrdiff_t rb, ptrdiff_t cb, double beta, void *c, ptrdiff_t rc, int threads)
{
    NAME(gemm_added)(m, n, k, alpha, a, ra, ca, b, rb, cb, beta, c, rc, c, rc, threads);
}

/* Inner product, accurate for any n: short vector sums in the element type, joined in double. */
static double NAME(dot)(ptrdiff_t n, const void *a, ptrdiff_t sa, const void *b, ptrdiff_t sb)
{
    const real *x = a, *y = b;
    double total = 0;
    if (sa != 1 || sb != 1) {
        for (ptrdiff_t i = 0; i < n; i++) total += (double)x[i * sa] * y[i * sb];
        return total;
    }
    for (; n > 0; n -= GEMV_ROWS, x += GEMV_ROWS, y += GEMV_ROWS) {
        real part;
        NAME(dot_rows)(1, n < GEMV_ROWS ? n : GEMV_ROWS, x, 0, y, &part);
        total += part;
    }
    return total;
}
