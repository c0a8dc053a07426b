/* Template for one element type `real`: cache blocking, the choice of what is packed, and threads.
   A block of B (KC x NC) lies packed in the outer cache, blocks of A (MC x KC) beside it in the inner one. Each thread
   computes a rectangle of C by itself. Small products are used where they lie. */
#define KC 256
#define MC ((ptrdiff_t)(WORK_A / (KC * sizeof(real))) / TILE_M * TILE_M)
#define NC ((ptrdiff_t)(WORK_B / (KC * sizeof(real))))
#define SMALL ((ptrdiff_t)(16384 / sizeof(real)))
#define TINY 128                /* multiplications that take less time than to prepare a tile */
#define FAR (1 << 20)           /* bytes that a column of A spans where its elements do not stay in a cache */
#define PAGE 4096
#define GEMV_ROWS 512
#define DOTS_K 1024
#define DOTS_N (VECTOR_REGISTERS == 32 ? 6 : 3)

typedef struct {
    ptrdiff_t m, n, k, ra, ca, rb, cb, rc;
    const real *a, *b, *d;      /* C = alpha * A @ B + beta * D */
    ptrdiff_t rd;
    real *c, alpha, beta;
    ptrdiff_t kc, nc;           /* sizes of a block of B */
} NAME(product);

/* Ask for rows first .. last of the group of columns of B that comes next. */
ALWAYS_INLINE void NAME(ask_rows)(const real *b, ptrdiff_t rb, ptrdiff_t columns, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t p = first; p < last; p++)
        for (ptrdiff_t j = 0; j < columns; j += 64 / sizeof(real)) __builtin_prefetch(b + p * rb + j, 0, 2);
}

/* The product of m rows and the packed or plain panels of one block of B: a group of panels at a time, so that lines of
   C are written as runs, or whole where they are short. The rows of a plain B may be far apart, where no stream is
   seen: those of the next group are asked for meanwhile, and behind the last one those below, which may be the next
   block's or the next image's. */
static void NAME(block)(const NAME(product) *g, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a,
                        const real *packed_a, const real *b, const real *packed_b, int whole_b, real beta,
                        const real *d, ptrdiff_t rd, real *c)
{
    const ptrdiff_t columns = n <= 2 * GROUP_N ? n : GROUP_N;
    for (ptrdiff_t group = 0; group < n; group += columns) {
        const ptrdiff_t end = n - group < columns ? n : group + columns;
        const ptrdiff_t tiles = (m + TILE_M - 1) / TILE_M * ((end - group + TILE_N - 1) / TILE_N);
        const real *next = end < n ? b + end : b + k * g->rb;
        const int far = !whole_b && k * g->rb > SMALL;
        ptrdiff_t tile = 0;
        for (ptrdiff_t i = 0; i < m; i += TILE_M)
            for (ptrdiff_t j = group; j < end; j += TILE_N, tile++) {
                const ptrdiff_t width = n - j < TILE_N ? n - j : TILE_N;
                const int plain = !whole_b && width % LANES == 0;
                const real *panel = plain ? b + j : whole_b ? packed_b + j * k : packed_b;
                const ptrdiff_t row = plain ? g->rb : TILE_N;
                const int height = m - i < TILE_M ? m - i : TILE_M;
                const real *left = packed_a ? packed_a + i * k : a + i * g->ra;
                const ptrdiff_t ra = packed_a ? 1 : g->ra, ca = packed_a ? TILE_M : g->ca;
                const real *added = d + i * rd + j;
                real *out = c + i * g->rc + j;
                if (far) NAME(ask_rows)(next, g->rb, columns, k * tile / tiles, k * (tile + 1) / tiles);
                if (width % LANES)
                    NAME(tile_edge)(height, width, k, left, ra, ca, panel, row, g->alpha, beta, added, rd, out, g->rc);
                else
                    (width == LANES ? NAME(tile_narrow) : packed_a ? NAME(tile_packed) : NAME(tile_strided))(
                        height, k, left, ra, ca, panel, row, g->alpha, beta, added, rd, out, g->rc);
            }
    }
}

/* Whether all of B is packed: always if its columns are apart, else if many rows of A will use it. */
static int NAME(packs_b)(const NAME(product) *g)
{
    return g->cb != 1 || (g->m > 24 * TILE_M && g->k * g->n > SMALL);
}

/* Whether A is packed for n columns. Where its elements are easily reached that takes many: but columns that are far apart
   leave the cache, and rows a multiple of a page apart share a few lines of the inner cache. */
static int NAME(packs_a)(const NAME(product) *g, ptrdiff_t n)
{
    const ptrdiff_t row = g->ra * (ptrdiff_t)sizeof(real), column = g->ca * (ptrdiff_t)sizeof(real);
    if (column * g->k > FAR) return n > TILE_N;
    return n > (row % PAGE == 0 || column % PAGE == 0 ? 4 : 16) * TILE_N;
}

/* The product block by block, B as far as needed packed into pack_b, A into pack_a if that is given. */
static void NAME(blocks)(const NAME(product) *g, real *pack_b, real *pack_a)
{
    const ptrdiff_t mc = g->m > MC ? even_part(g->m, MC, TILE_M) : g->m, kc = even_part(g->k, g->kc, 1);
    const int whole_b = NAME(packs_b)(g);
    for (ptrdiff_t jc = 0; jc < g->n; jc += g->nc)
        for (ptrdiff_t pc = 0; pc < g->k; pc += kc) {
            const ptrdiff_t n = g->n - jc < g->nc ? g->n - jc : g->nc, k = g->k - pc < kc ? g->k - pc : kc;
            const real *b = g->b + pc * g->rb + jc * g->cb;
            const int reuse_a = pack_a && NAME(packs_a)(g, n);
            if (whole_b)
                for (ptrdiff_t j = 0; j < n; j += GROUP_N)
                    NAME(pack_b)(k, n - j < GROUP_N ? n - j : GROUP_N, b + j * g->cb, g->rb, g->cb, pack_b + j * k);
            else if (n % LANES)
                NAME(pack_panel)(k, n % TILE_N, b + n / TILE_N * TILE_N, g->rb, 1, pack_b);
            for (ptrdiff_t ic = 0; ic < g->m; ic += mc) {
                const ptrdiff_t m = g->m - ic < mc ? g->m - ic : mc;
                const real *a = g->a + ic * g->ra + pc * g->ca;
                if (reuse_a) NAME(pack_a)(k, m, a, g->ra, g->ca, pack_a);
                real *c = g->c + ic * g->rc + jc;
                if (pc == 0)
                    NAME(block)(g, m, n, k, a, reuse_a ? pack_a : NULL, b, pack_b, whole_b, g->beta,
                                g->d + ic * g->rd + jc, g->rd, c);
                else
                    NAME(block)(g, m, n, k, a, reuse_a ? pack_a : NULL, b, pack_b, whole_b, 1, c, g->rc, c);
            }
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
    NAME(blocks)(&g, work ? work : small, work ? (real *)((char *)work + WORK_B) : NULL);
    if (work) give_workspace(work);
}

#ifdef _OPENMP
/* C is cut into rectangles, one for a thread, which packs what it needs of A and B alone: to pack twice costs less than
   to wait for another thread and to fetch what lies in another core's cache. Columns are cut at whole vectors. The best
   cut has the least work in a rectangle, where packing B counts as LANES more rows, and packing A as many columns. */
static ptrdiff_t NAME(cut_rows)(const NAME(product) *g, ptrdiff_t threads)
{
    const ptrdiff_t vectors = (g->n + LANES - 1) / LANES;
    ptrdiff_t best = 1, least = PTRDIFF_MAX;
    for (ptrdiff_t cuts = 1; cuts <= threads; cuts++) {
        const ptrdiff_t columns = threads / cuts, rows = (g->m + cuts - 1) / cuts;
        const ptrdiff_t work = (rows + LANES) * ((vectors + columns - 1) / columns + 1);
        if (work < least) {
            least = work;
            best = cuts;
        }
    }
    return best;
}

static void NAME(gemm_team)(const NAME(product) *g, int threads)
{
    const ptrdiff_t down = NAME(cut_rows)(g, threads), across = threads / down, vectors = (g->n + LANES - 1) / LANES;
    #pragma omp parallel num_threads(threads)
    for (ptrdiff_t part = omp_get_thread_num(); part < down * across; part += omp_get_num_threads()) {
        const ptrdiff_t i = part / across, row = g->m * i / down;
        const ptrdiff_t j = part % across, column = vectors * j / across * LANES;
        const ptrdiff_t end = vectors * (j + 1) / across * LANES;
        NAME(product) own = *g;
        own.m = g->m * (i + 1) / down - row;
        own.n = (end < g->n ? end : g->n) - column;
        own.a += row * g->ra;
        own.b += column * g->cb;
        own.c += row * g->rc + column;
        own.d += row * g->rd + column;
        if (own.m > 0 && own.n > 0) NAME(gemm_alone)(own);
    }
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
        for (ptrdiff_t q = p; q < k; q++) total += a[i * ra + q] * x[q];
        for (int l = 0; l < LANES; l++) total += both[l];
        out[i] = total;
    }
}

/* The sum of a vector's lanes, folded to 16 bytes. */
ALWAYS_INLINE quad NAME(fold)(vec x)
{
    const quad *part = (const quad *)&x;
    quad sum = part[0];
    for (size_t i = 1; i < VECTOR_BYTES / 16; i++) sum += part[i];
    return sum;
}

/* out[j][i] = row i of four dense rows . row j of up to DOTS_N: the sums stay in registers. */
ALWAYS_INLINE void NAME(dot_block)(const int few, ptrdiff_t k, const real *const a[4], const real *b, ptrdiff_t rb,
                                   real out[DOTS_N][4])
{
    vec sum[DOTS_N][4];
    ptrdiff_t p = 0;
    #pragma GCC unroll 6
    for (int j = 0; j < few; j++)
        for (int i = 0; i < 4; i++) sum[j][i] = (vec){0};
    for (; p + LANES <= k; p += LANES) {
        vec x[4];
        #pragma GCC unroll 4
        for (int i = 0; i < 4; i++) x[i] = LOAD(a[i] + p);
        #pragma GCC unroll 6
        for (int j = 0; j < few; j++) {
            const vec y = LOAD(b + j * rb + p);
            #pragma GCC unroll 4
            for (int i = 0; i < 4; i++) sum[j][i] += x[i] * y;
        }
    }
    for (int j = 0; j < few; j++)
        for (int i = 0; i < 4; i += QUAD) {
            quad block[QUAD], total;
            for (int h = 0; h < QUAD; h++) block[h] = NAME(fold)(sum[j][i + h]);
            NAME(transpose)(block);
            total = block[0];
            for (int h = 1; h < QUAD; h++) total += block[h];
            *(quad *)(out[j] + i) = total;
        }
    for (; p < k; p++)
        for (int j = 0; j < few; j++)
            for (int i = 0; i < 4; i++) out[j][i] += a[i][p] * b[j * rb + p];
}

/* c[i * rc + j * cc] = alpha * (row i of a) . (row j of b) + beta * d for many rows of a and few of b, all dense along
   k: the rows of a are read once, where packing them would cost much beside so small a product. */
static void NAME(dots)(ptrdiff_t many, ptrdiff_t few, ptrdiff_t k, real alpha, const real *a, ptrdiff_t ra,
                       const real *b, ptrdiff_t rb, real beta, const real *d, ptrdiff_t rd, ptrdiff_t cd, real *c,
                       ptrdiff_t rc, ptrdiff_t cc)
{
    const ptrdiff_t step = even_part(few, DOTS_N, 1);
    real out[DOTS_N][4];
    for (ptrdiff_t i = 0; i < many; i += 4) {
        const real *rows[4];
        for (ptrdiff_t h = 0; h < 4; h++) rows[h] = a + (i + h < many ? i + h : many - 1) * ra;
        for (ptrdiff_t j = 0; j < few; j += step) {
            const ptrdiff_t width = few - j < step ? few - j : step, height = many - i < 4 ? many - i : 4;
            switch (width) {
#if DOTS_N == 6
            case 6: NAME(dot_block)(6, k, rows, b + j * rb, rb, out); break;
            case 5: NAME(dot_block)(5, k, rows, b + j * rb, rb, out); break;
            case 4: NAME(dot_block)(4, k, rows, b + j * rb, rb, out); break;
#endif
            case 3: NAME(dot_block)(3, k, rows, b + j * rb, rb, out); break;
            case 2: NAME(dot_block)(2, k, rows, b + j * rb, rb, out); break;
            default: NAME(dot_block)(1, k, rows, b + j * rb, rb, out); break;
            }
            for (ptrdiff_t w = 0; w < width; w++)
                for (ptrdiff_t h = 0; h < height; h++) {
                    const real add = beta == 0 ? 0 : beta * d[(i + h) * rd + (j + w) * cd];
                    c[(i + h) * rc + (j + w) * cc] = alpha * out[w][h] + add;
                }
        }
    }
}

/* Whether the product is best done by dot products: both operands dense along k, and one of them with few rows. With
   more than four that is so only where a B much larger than A would have to be packed, and k is long. */
static int NAME(takes_dots)(const NAME(product) *g)
{
    if (g->ca != 1 || g->rb != 1) return 0;
    if (g->m <= 4 || g->n <= 4) return g->k >= 16 * LANES;
    return g->m <= 32 && g->m < g->n && g->k >= 32 * LANES;
}

static void NAME(dots_part)(const NAME(product) *g, ptrdiff_t id, ptrdiff_t count)
{
    const int wide = g->m < g->n;           /* the few rows are those of A, the many are the columns of B */
    const ptrdiff_t all = wide ? g->n : g->m, few = wide ? g->m : g->n;
    const ptrdiff_t first = all * id / count, many = all * (id + 1) / count - first;
    const ptrdiff_t ra = wide ? g->cb : g->ra, rb = wide ? g->ra : g->cb, kc = even_part(g->k, DOTS_K, LANES);
    const ptrdiff_t rc = wide ? 1 : g->rc, cc = wide ? g->rc : 1, rd = wide ? 1 : g->rd, cd = wide ? g->rd : 1;
    const real *a = (wide ? g->b : g->a) + first * ra, *b = wide ? g->a : g->b;
    real *c = g->c + first * rc;
    for (ptrdiff_t p = 0; p < g->k; p += kc) {
        const ptrdiff_t k = g->k - p < kc ? g->k - p : kc;
        if (p == 0)
            NAME(dots)(many, few, k, g->alpha, a, ra, b, rb, g->beta, g->d + first * rd, rd, cd, c, rc, cc);
        else
            NAME(dots)(many, few, k, g->alpha, a + p, ra, b + p, rb, 1, c, rc, cc, c, rc, cc);
    }
}

static void NAME(gemm_dots)(const NAME(product) *g, int threads)
{
#ifdef _OPENMP
    if (threads > 1) {
        #pragma omp parallel num_threads(threads)
        NAME(dots_part)(g, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    NAME(dots_part)(g, 0, 1);
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

static void NAME(gemm_tiny)(const NAME(product) *g)
{
    for (ptrdiff_t i = 0; i < g->m; i++)
        for (ptrdiff_t j = 0; j < g->n; j++) {
            const real *a = g->a + i * g->ra, *b = g->b + j * g->cb;
            real sum = 0;
            for (ptrdiff_t p = 0; p < g->k; p++, a += g->ca, b += g->rb) sum += *a * *b;
            g->c[i * g->rc + j] = g->beta == 0 ? g->alpha * sum : g->alpha * sum + g->beta * g->d[i * g->rd + j];
        }
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
    else if (k <= 0 || (m * n <= TINY && m * n * k <= TINY))
        NAME(gemm_tiny)(&g);
    else if (NAME(takes_dots)(&g))
        NAME(gemm_dots)(&g, threads);
#ifdef _OPENMP
    else if (threads > 1)
        NAME(gemm_team)(&g, threads);
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
