/* Template for one element type `real`: the gradient of the weight as inner products along positions, for which nothing
   is turned. The gradient of the output is read where it lies. The input is copied once for each column of the kernel,
   so that what the positions read for one place of the kernel is a run as long as theirs; lines of the kernel are
   offsets into the same copy. Images of a 1x1 kernel with stride 1 are not even copied. Needs conv_band.h. */

/* Rows of the column matrix that a tile of sums takes; it has four output channels. */
#define DOT_ROWS (VECTOR_REGISTERS == 32 ? 6 : 3)
#define DOT_OUT 4
#define DOT_POSITIONS (VECTOR_BYTES * 16)       /* of a block: a tile's rows of them stay in the first level cache */
#define MOST_DOTS 4096                          /* positions of a line */
#define DOT_BYTES ((ptrdiff_t)512 << 10)        /* of the gradient that is used again and again */

/* `count` runs of `length` positions: of output channels `row` apart, and of rows of the column matrix at offsets. */
typedef struct {
    const real *dy, *x;
    const ptrdiff_t *at;
    ptrdiff_t row, dy_step, x_step, count, length;
} NAME(runs);

/* sums[row][output channel] += inner products of both sets of runs. Channels beyond the last are not wanted, and read
   the last. */
ALWAYS_INLINE void NAME(inner_body)(const int rows, const NAME(runs) sets[2], ptrdiff_t out, ptrdiff_t outs,
                                    ptrdiff_t k, real *sums, ptrdiff_t all)
{
    vec sum[DOT_ROWS][DOT_OUT];
    #pragma GCC unroll 6
    for (int j = 0; j < rows; j++)
        for (int h = 0; h < DOT_OUT; h++) sum[j][h] = (vec){0};
    for (const NAME(runs) *set = sets; set < sets + 2; set++)
        for (ptrdiff_t n = 0; n < set->count; n++) {
            const real *dy[DOT_OUT], *x[DOT_ROWS];
            #pragma GCC unroll 4
            for (int h = 0; h < DOT_OUT; h++)
                dy[h] = set->dy + n * set->dy_step + (out + h < outs ? out + h : outs - 1) * set->row;
            #pragma GCC unroll 6
            for (int j = 0; j < rows; j++) x[j] = set->x + n * set->x_step + set->at[k + j];
            for (ptrdiff_t p = 0; p < set->length; p += LANES) {
                vec in[DOT_ROWS];
                #pragma GCC unroll 6
                for (int j = 0; j < rows; j++) in[j] = LOAD(x[j] + p);
                #pragma GCC unroll 4
                for (int h = 0; h < DOT_OUT; h++) {
                    const vec g = LOAD(dy[h] + p);
                    #pragma GCC unroll 6
                    for (int j = 0; j < rows; j++) sum[j][h] += g * in[j];
                }
            }
        }
    #pragma GCC unroll 6
    for (int j = 0; j < rows; j++, sums += all)
        #pragma GCC unroll 4
        for (int h = 0; h < DOT_OUT; h += QUAD) {
            quad block[QUAD], total;
            for (int i = 0; i < QUAD; i++) {
                const quad *part = (const quad *)&sum[j][h + i];
                block[i] = part[0];
                for (size_t l = 1; l < VECTOR_BYTES / 16; l++) block[i] += part[l];
            }
            NAME(transpose)(block);
            total = block[0] + block[1];
            if (QUAD == 4) total += block[QUAD - 2] + block[QUAD - 1];
            *(quad *)(sums + h) += total;
        }
}

#define INNER_CASE(h) case h: NAME(inner_body)(h, sets, out, outs, k, sums, all); break;
static __attribute__((noinline)) void NAME(inner_tile)(int rows, const NAME(runs) sets[2], ptrdiff_t out,
                                                       ptrdiff_t outs, ptrdiff_t k, real *sums, ptrdiff_t all)
{
    switch (rows) {
#if VECTOR_REGISTERS == 32
    INNER_CASE(6) INNER_CASE(5) INNER_CASE(4)
#endif
    INNER_CASE(3) INNER_CASE(2) INNER_CASE(1)
    }
}
#undef INNER_CASE

/* ---- one block: some lines of the positions of some images ------------------------------------------------------- */

/* A copy is [image][input channel][plane][column of the kernel][phase of lines][line][position in it]. Output planes of
   an image of three dims read the same copy, each from `apart` elements behind the one before. */
typedef struct {
    pass m;
    ptrdiff_t phases, lines;                    /* of the input's lines: one stride apart */
    ptrdiff_t planes;                           /* of the input, from the first that a piece reads on */
    ptrdiff_t plane, image;                     /* elements of all phases of a column, and of an image */
    ptrdiff_t apart;
} NAME(columns);

static NAME(columns) NAME(describe_columns)(const ConvShape *s)
{
    NAME(columns) d = {describe_pass(s, 0)};
    const ptrdiff_t reach = d.m.extent[0] - 1, step = d.m.step[0];
    d.phases = reach + 1 < step ? reach + 1 : step;
    d.lines = s->band + reach / step;
    d.plane = d.phases * d.lines * s->out[2];
    d.planes = (s->tile - 1) * s->stride[0] + s->dilation[0] * (s->kernel[0] - 1) + 1;
    d.apart = s->stride[0] * s->kernel[2] * d.plane;
    d.image = s->cin * d.planes * s->kernel[2] * d.plane;
    return d;
}

static ptrdiff_t NAME(padded_dots)(const ConvShape *s) { return (s->cout + DOT_OUT - 1) / DOT_OUT * DOT_OUT; }

/* Scratch of a thread: offsets of the rows in both sets, the copy, and the ends of all runs of a block. */
static ptrdiff_t NAME(at_room)(const ConvShape *s)
{
    return NAME(whole_lines)(2 * s->depth * sizeof(ptrdiff_t) / sizeof(real));
}

static ptrdiff_t NAME(dots_copy_room)(const ConvShape *s, const NAME(columns) *d)
{
    return s->plain ? 0 : NAME(whole_lines)((is_deep(s) ? 1 : s->images) * d->image + LANES);
}

static ptrdiff_t NAME(ends_room)(const ConvShape *s) { return (s->depth + s->cout) * s->images * LANES; }

/* Where the rows of the column matrix begin in the copy, or in an image that needs none. */
static void NAME(find_rows)(const ConvShape *s, const NAME(columns) *d, ptrdiff_t *at)
{
    for (ptrdiff_t c = 0; c < s->cin * s->kernel[0]; c++) {
        const ptrdiff_t plane = c / s->kernel[0] * d->planes + c % s->kernel[0] * s->dilation[0];
        for (ptrdiff_t i = 0; i < s->kernel[1]; i++)
            for (ptrdiff_t j = 0; j < s->kernel[2]; j++) {
                const ptrdiff_t y = i * s->dilation[1], step = d->m.step[0];
                *at++ = s->plain ? c * s->pixels : (plane * s->kernel[2] + j) * d->plane
                        + (y % step * d->lines + y / step) * s->out[2];
            }
    }
}

/* What output planes from `front` on read, and in them lines top .. top + rows. */
static void NAME(copy_columns)(const ConvShape *s, const NAME(columns) *d, const real *image, ptrdiff_t front,
                               ptrdiff_t top, ptrdiff_t rows, real *copy)
{
    const ptrdiff_t width = s->out[2], lines = d->lines - s->band + rows, all = s->cin * d->planes;
    for (ptrdiff_t i = 0; i < all; i++) {
        const ptrdiff_t z = front * s->stride[0] - s->padding[0] + i % d->planes;
        const real *plane = image + i / d->planes * s->pixels + z * s->size[1] * s->size[2];
        if (z < 0 || z >= s->size[0]) {
            memset(copy, 0, s->kernel[2] * d->plane * sizeof(real));
            copy += s->kernel[2] * d->plane;
            continue;
        }
        for (ptrdiff_t j = 0; j < s->kernel[2]; j++)
            for (ptrdiff_t f = 0; f < d->phases; f++, copy += d->lines * width)
                NAME(copy_lines)(&d->m, plane, top * d->m.step[0] + f + d->m.low[0],
                                 j * s->dilation[2] + d->m.low[1], lines, width, copy);
    }
}

/* The last positions of each run, fewer than a vector, with zeros behind: [row][image][LANES]. */
static void NAME(copy_ends)(const real *from, const ptrdiff_t *at, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t step,
                            ptrdiff_t images, ptrdiff_t count, real *out)
{
    for (ptrdiff_t k = 0; k < rows; k++)
        for (ptrdiff_t n = 0; n < images; n++, out += LANES) {
            const real *run = from + n * step + (at ? at[k] : k * row);
            STORE(out) = (vec){0};
            for (ptrdiff_t i = 0; i < count; i++) out[i] = run[i];
        }
}

/* Some lines of some images, or of some output planes of one from `front` on, from the first ones' pointers on. */
static void NAME(dots_block)(const ConvShape *s, const NAME(columns) *d, ptrdiff_t images, ptrdiff_t front,
                             ptrdiff_t top, ptrdiff_t rows, const real *dy, const real *x, real *scratch, real *sums)
{
    const ptrdiff_t n = rows * s->out[2], whole = n / LANES * LANES, all = NAME(padded_dots)(s);
    const ptrdiff_t pieces = (s->depth + DOT_ROWS - 1) / DOT_ROWS;
    const ptrdiff_t some = limit(DOT_BYTES / (images * n * (ptrdiff_t)sizeof(real)), DOT_OUT, all) / DOT_OUT * DOT_OUT;
    const ptrdiff_t *at = (const ptrdiff_t *)scratch;
    real *copy = scratch + NAME(at_room)(s), *ends = copy + NAME(dots_copy_room)(s, d);
    NAME(runs) sets[2] = {
        {dy, copy, at, s->positions, is_deep(s) ? s->out[1] * s->out[2] : s->groups * s->cout * s->positions,
         is_deep(s) ? d->apart : d->image, images, whole},
        {ends + s->depth * images * LANES, ends, at + s->depth, images * LANES, 0, 0, whole < n, images * LANES}};
    if (s->plain) {
        sets->x = x + top * s->out[2];
        sets->x_step = s->groups * s->cin * s->pixels;
    } else
        for (ptrdiff_t i = 0; i < (is_deep(s) ? 1 : images); i++)
            NAME(copy_columns)(s, d, x + i * s->groups * s->cin * s->pixels, front, top, rows, copy + i * d->image);
    if (whole < n) {
        NAME(copy_ends)(sets->x + whole, at, 0, s->depth, sets->x_step, images, n - whole, ends);
        NAME(copy_ends)(dy + whole, NULL, s->positions, s->cout, sets->dy_step, images, n - whole, (real *)sets[1].dy);
        for (ptrdiff_t k = 0; k < s->depth; k++) ((ptrdiff_t *)sets[1].at)[k] = k * images * LANES;
    }
    for (ptrdiff_t first = 0; first < s->cout; first += some)
        for (ptrdiff_t i = 0; i < pieces; i++) {
            const ptrdiff_t k = s->depth * i / pieces, rows = s->depth * (i + 1) / pieces - k;
            for (ptrdiff_t o = first; o < s->cout && o < first + some; o += DOT_OUT)
                NAME(inner_tile)(rows, sets, o, s->cout, k, sums + k * all + o, all);
        }
}

/* A part of the blocks, for all groups, into sums of its own. */
static void NAME(dots_part)(const ConvShape *s, const real *dy, const real *x, real *sums, real *scratch,
                            ptrdiff_t part)
{
    const ptrdiff_t tasks = s->blocks * s->groups * s->bands, group_sums = s->depth * NAME(padded_dots)(s);
    const ptrdiff_t last = tasks * (part + 1) / s->parts;
    const NAME(columns) d = NAME(describe_columns)(s);
    NAME(find_rows)(s, &d, (ptrdiff_t *)scratch);
    sums += part * s->groups * group_sums;
    memset(sums, 0, s->groups * group_sums * sizeof(real));
    for (ptrdiff_t t = tasks * part / s->parts; t < last; t++) {
        const ptrdiff_t top = t % s->bands * s->band, group = t / s->bands % s->groups;
        const ptrdiff_t block = t / s->bands / s->groups, front = is_deep(s) ? block % s->chunks * s->tile : 0;
        const ptrdiff_t image = is_deep(s) ? block / s->chunks : s->batch * block / s->blocks;
        const ptrdiff_t images = is_deep(s) ? limit(s->out[0] - front, 0, s->tile)
            : s->batch * (block + 1) / s->blocks - image;
        const ptrdiff_t first = image * s->groups + group, rows = limit(s->out[1] - top, 0, s->band);
        if (rows == 0 || images == 0) continue;
        NAME(dots_block)(s, &d, images, front, top, rows,
                         dy + first * s->cout * s->positions + (front * s->out[1] + top) * s->out[2],
                         x + first * s->cin * s->pixels, scratch, sums + group * group_sums);
    }
}

/* ---- plan and kernel, as conv.pxd describes them ----------------------------------------------------------------- */

static double NAME(dots_plan)(ConvShape *s, int threads)
{
    enum { REDUCE = 5, END = 8 };   /* vectors that take as long as ending a sum, and as the end of a run */
    const ptrdiff_t width = s->out[2], all = NAME(padded_dots)(s), lines = limit(DOT_POSITIONS / width, 1, s->out[1]);
    if ((is_deep(s) && s->plain) || width > MOST_DOTS) return 0;
    if (s->groups * s->cout * s->depth > 4 * MOST_SUMS) return 0;
    s->bands = (s->out[1] - 1) / lines + 1;
    s->tile = s->chunks = 1;
    if (is_deep(s)) {
        cut_planes(s, s->bands > 1 ? 1 : DOT_POSITIONS / (s->out[1] * width), s->groups * s->bands, threads);
        s->images = s->tile;
        s->blocks = s->batch * s->chunks;
    } else {
        s->images = s->bands > 1 ? 1 : limit(DOT_POSITIONS / s->positions, 1, s->batch);
        s->blocks = fair_pieces((s->batch + s->images - 1) / s->images, s->groups * s->bands, s->batch, threads);
        s->bands = fair_pieces(s->bands, s->groups * s->blocks, s->out[1], threads);
        s->images = (s->batch + s->blocks - 1) / s->blocks;
    }
    s->band = (s->out[1] + s->bands - 1) / s->bands;
    s->parts = limit(threads, 1, s->blocks * s->groups * s->bands);
    const NAME(columns) d = NAME(describe_columns)(s);
    const ptrdiff_t n = s->band * width, copied = s->plain ? 0 : (is_deep(s) ? 1 : s->images) * d.image;
    if (copied * (ptrdiff_t)sizeof(real) > 4 * DOT_BYTES) return 0;
    s->scratch = NAME(at_room)(s) + NAME(dots_copy_room)(s, &d) + NAME(ends_room)(s);
    s->shared = s->parts * s->groups * s->depth * all;
    const double steps = (double)s->images * ((n + LANES - 1) / LANES), copy = s->stride[2] == 1 ? 10 : 14;
    const double ends = n % LANES ? (s->depth + s->cout) * s->images * END : 0;
    return (double)s->batch * s->positions * s->depth * s->cout / LANES
        / ((double)s->blocks * s->bands * (s->depth * all * (steps * 1.1 + REDUCE) + ends
                                           + (copy + (double)LINE_COST / width) * copied / LANES));
}

static void NAME(dots_weight)(const ConvShape *s, void *gemm, const void *dy, const void *x, const void *bias,
                              void *dw, void *scratch, int threads)
{
    real *sums = (real *)scratch + threads * s->scratch;
    (void)gemm, (void)bias;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < s->parts; i++)
        NAME(dots_part)(s, dy, x, sums, (real *)scratch + tl_thread_id() * s->scratch, i);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * s->cout; i++) NAME(weight_join)(s, sums, NAME(padded_dots)(s), dw, i);
}
