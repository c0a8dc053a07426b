/* Template for one element type `real`: the gradient of the weight of winograd.h. Needs winograd_tile.h.

   Each thread has sums of its own for a part of the blocks, or, for small images with many channels, the transforms of
   all blocks are kept, and a task makes a panel of output channels from all of them. */

/* ---- sums[piece][place][input channel][output channel], whose rows are `row` apart ------------------------------- */

static ptrdiff_t NAME(sums_row)(const ConvShape *s) { return NAME(whole_vectors)(s->cout); }

static ptrdiff_t NAME(place_sums)(const ConvShape *s, ptrdiff_t row) { return NAME(apart)(s->cin * row); }

static ptrdiff_t NAME(group_sums)(const ConvShape *s, const tiling *t, ptrdiff_t row)
{
    return t->most * PLACES * NAME(place_sums)(s, row);
}

static ptrdiff_t NAME(sums_room)(const ConvShape *s, const tiling *t)
{
    return s->parts * s->groups * NAME(group_sums)(s, t, NAME(sums_row)(s));
}

/* Transforms as panels of [tile][TILE_N], which the product over tiles reads: a place of them. */
static ptrdiff_t NAME(panels_place)(ptrdiff_t tiles, ptrdiff_t channels)
{
    return NAME(apart)(tiles * NAME(whole_panels)(channels));
}

static ptrdiff_t NAME(gradient_room)(const ConvShape *s, const tiling *t)
{
    return s->images * 2 * s->band * 2 * s->tile * NAME(whole_panels)(s->cout);
}

/* The copy that is transformed, and the transforms of a block for one piece, or for all. */
static ptrdiff_t NAME(turned_room)(const ConvShape *s, const tiling *t)
{
    const ptrdiff_t x = NAME(copy_room)(s, t), dy = NAME(gradient_room)(s, t);
    return x > dy ? x : dy;
}

static ptrdiff_t NAME(block_room)(const ConvShape *s, const tiling *t, int count)
{
    const ptrdiff_t tiles = NAME(most_tiles)(s, t);
    return PLACES * (count * NAME(panels_place)(tiles, s->cin) + NAME(panels_place)(tiles, s->cout));
}

/* The transform of a line of tiles, which are pixels of a copy. */
ALWAYS_INLINE void NAME(gradient_line)(const int flat, const tiling *t, const tile_block *b, const real *copy,
                                       ptrdiff_t pitch, ptrdiff_t place, real *out)
{
    const ptrdiff_t line = t->apart[0] * 2 * b->across * pitch;
    for (ptrdiff_t x = 0; x < b->across; x++, out += TILE_N)
        for (ptrdiff_t v = 0; v < pitch / LANES; v++)
            NAME(gradient_tile)(flat, copy + tile_at(t, 1, x) * pitch + v * LANES, line, t->apart[1] * pitch, place,
                                out + v / 2 * b->tiles * TILE_N + v % 2 * LANES);
}

/* Copy and transform the gradient of a block: two by two pixels of each tile. */
static void NAME(transform_gradient)(const ConvShape *s, const tiling *t, const tile_block *b, const real *dy,
                                     real *copy, real *out)
{
    const ptrdiff_t height = t->flat ? 1 : 2 * b->lines, width = 2 * b->across, pitch = NAME(whole_vectors)(s->cout);
    const ptrdiff_t place = NAME(panels_place)(b->tiles, s->cout);
    for (ptrdiff_t n = 0; n < b->images; n++)
        NAME(channels_last)(dy + ((b->image + n) * s->groups + b->group) * s->cout * s->positions, s->cout, s->out + 1,
                            2 * b->top, 2 * b->left, height, width, pitch, copy + n * height * width * pitch);
    for (ptrdiff_t n = 0; n < b->images; n++, copy += height * width * pitch)
        for (ptrdiff_t y = 0; y < b->lines; y++, out += b->across * TILE_N) {
            if (t->flat) NAME(gradient_line)(1, t, b, copy, pitch, place, out);
            else NAME(gradient_line)(0, t, b, copy + tile_at(t, 0, y) * width * pitch, pitch, place, out);
        }
}

/* The transform of one piece of the inputs, from their copy. */
static void NAME(transform_piece)(const ConvShape *s, const tiling *t, const piece *p, const tile_block *b,
                                  const real *copy, real *inputs)
{
    ptrdiff_t to[PLACES];
    for (int k = 0; k < PLACES; k++) to[k] = k * NAME(panels_place)(b->tiles, s->cin);
    NAME(transform)(p, t, b, copy, to, TILE_N, b->tiles * TILE_N, inputs);
}

/* sums += products of one piece, for panels of outputs from `first` on; `fresh`: there is nothing to add to yet. */
static void NAME(add_products)(const ConvShape *s, const piece *p, const tile_block *b, const real *inputs,
                               const real *grads, int fresh, ptrdiff_t first, ptrdiff_t last, real *sums, ptrdiff_t row)
{
    const ptrdiff_t in = NAME(panels_place)(b->tiles, s->cin), out = NAME(panels_place)(b->tiles, s->cout);
    const ptrdiff_t panel = b->tiles * TILE_N;
    for (int i = 0; i < PLACES; i++, inputs += in, grads += out, sums += NAME(place_sums)(s, row)) {
        if (p->slot[i] < 0) continue;
        for (ptrdiff_t o = first; o < last; o += TILE_N)
            for (ptrdiff_t c = 0; c < s->cin;) {
                const ptrdiff_t rest = TILE_N - c % TILE_N < s->cin - c ? TILE_N - c % TILE_N : s->cin - c;
                const int height = rest < TILE_M ? rest : TILE_M;
                real *to = sums + c * row + o - first;
                (s->cout - o <= LANES ? NAME(tile_half_panel) : NAME(tile_panel))(
                    height, b->tiles, inputs + c / TILE_N * panel + c % TILE_N, 1, TILE_N, grads + o / TILE_N * panel,
                    TILE_N, 1, !fresh, to, row, to, row);
                c += height;
            }
    }
}

/* A part of the blocks, for all groups, into sums of its own. */
static void NAME(weight_part)(const ConvShape *s, const tiling *t, const real *dy, const real *x, real *sums,
                              real *scratch, ptrdiff_t part)
{
    const ptrdiff_t tasks = all_blocks(s), last = tasks * (part + 1) / s->parts, row = NAME(sums_row)(s);
    real *grads = scratch + NAME(turned_room)(s, t), *inputs = grads + NAME(block_room)(s, t, 0);
    int fresh = s->groups == 1;                 /* the first products need nothing to add to */
    sums += part * s->groups * NAME(group_sums)(s, t, row);
    if (!fresh) memset(sums, 0, s->groups * NAME(group_sums)(s, t, row) * sizeof(real));
    for (ptrdiff_t task = tasks * part / s->parts; task < last; task++) {
        const tile_block b = find_block(s, t, task);
        if (b.tiles <= 0) continue;
        NAME(transform_gradient)(s, t, &b, dy, scratch, grads);
        NAME(copy_input)(s, t, &b, x, scratch);
        for (int i = 0; i < t->pieces->count; i++) {
            const piece *p = t->pieces->piece + i;
            NAME(transform_piece)(s, t, p, &b, scratch, inputs);
            real *own = sums + b.group * NAME(group_sums)(s, t, row) + i * PLACES * NAME(place_sums)(s, row);
            NAME(add_products)(s, p, &b, inputs, grads, fresh, 0, s->cout, own, row);
        }
        fresh = 0;
    }
    if (fresh) memset(sums, 0, NAME(group_sums)(s, t, row) * sizeof(real));
}

/* Gt u G for one vector of outputs, to out + tap * TILE_N; u[place] are the sums. */
ALWAYS_INLINE void NAME(join_tile)(const piece *p, const vec u[PLACES], real *out)
{
    vec t[3][4];
    #pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const vec half = (u[4 + j] + u[8 + j]) * (real)0.5;
        t[0][j] = u[j] + half;
        t[1][j] = (u[4 + j] - u[8 + j]) * (real)0.5;
        t[2][j] = half + u[12 + j];
    }
    #pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        const vec half = (t[i][1] + t[i][2]) * (real)0.5;
        if (p->tap[3 * i] >= 0) STORE(out + p->tap[3 * i] * TILE_N) = t[i][0] + half;
        if (p->tap[3 * i + 1] >= 0) STORE(out + p->tap[3 * i + 1] * TILE_N) = (t[i][1] - t[i][2]) * (real)0.5;
        if (p->tap[3 * i + 2] >= 0) STORE(out + p->tap[3 * i + 2] * TILE_N) = half + t[i][3];
    }
}

/* Sums of some parts, `part` apart, of a vector of outputs. */
typedef struct {
    const real *sums;
    ptrdiff_t row, part, parts;
} NAME(joined);

/* The gradient at one piece of the kernel for some input channels: the sum of all parts, transformed, to [input
   channel][place of the kernel][TILE_N]. */
static void NAME(join_piece)(const ConvShape *s, const piece *p, const NAME(joined) *j, const real *sums,
                             ptrdiff_t channels, real *out)
{
    const ptrdiff_t place = NAME(place_sums)(s, j->row);
    for (ptrdiff_t c = 0; c < channels; c++, sums += j->row, out += s->taps * TILE_N) {
        vec u[PLACES];
        for (int k = 0; k < PLACES; k++) {
            u[k] = (vec){0};
            if (p->slot[k] < 0) continue;
            __builtin_prefetch(sums + k * place + 4 * j->row);
            for (ptrdiff_t i = 0; i < j->parts; i++) u[k] += LOAD(sums + i * j->part + k * place);
        }
        if (p->rows == 1)               /* its products are those of one place */
            for (int k = 0; k < 4; k++) u[k] += u[12 + k];
        if (p->columns == 1)
            for (int k = 0; k < PLACES; k += 4) u[k] += u[k + 3];
        NAME(join_tile)(p, u, out);
    }
}

/* For all input channels; dw is that of the first of the outputs. */
static void NAME(join_vector)(const ConvShape *s, const tiling *t, const NAME(joined) *j, ptrdiff_t lanes, real *dw)
{
    const ptrdiff_t some = NAME(some_channels)(s);
    real kernels[(TURNED + MOST_TAPS * MOST_TAPS) * TILE_N];
    for (ptrdiff_t c = 0; c < s->cin; c += some) {
        const ptrdiff_t channels = limit(s->cin - c, 0, some);
        for (int i = 0; i < t->pieces->count; i++)
            NAME(join_piece)(s, t->pieces->piece + i, j,
                             j->sums + i * PLACES * NAME(place_sums)(s, j->row) + c * j->row, channels, kernels);
        NAME(channels_first)(kernels, lanes, s->depth, channels * s->taps, 1, dw + c * s->taps);
    }
}

static void NAME(weight_join)(const ConvShape *s, const tiling *t, const real *sums, real *dw, ptrdiff_t task)
{
    const ptrdiff_t row = NAME(sums_row)(s), group = task / (row / LANES), o = task % (row / LANES) * LANES;
    const ptrdiff_t all = NAME(group_sums)(s, t, row);
    const NAME(joined) j = {sums + group * all + o, row, s->groups * all, s->parts};
    NAME(join_vector)(s, t, &j, limit(s->cout - o, 0, LANES), dw + (group * s->cout + o) * s->depth);
}

/* ---- panel after panel ------------------------------------------------------------------------------------------- */

static int NAME(weight_by_panels)(const ConvShape *s, const tiling *t, int threads)
{
    enum { SMALL = 1 << 20 };                   /* bytes that stay in a cache in any order */
    const ptrdiff_t sums = s->groups * NAME(group_sums)(s, t, NAME(sums_row)(s)), tasks = NAME(panels)(s, t);
    return sums * (ptrdiff_t)sizeof(real) > SMALL && all_blocks(s) * NAME(block_room)(s, t, t->most) <= sums
        && (tasks % threads == 0 || tasks >= 4 * threads);
}

static void NAME(keep_weight_block)(const ConvShape *s, const tiling *t, const real *dy, const real *x, real *kept,
                                    real *scratch, ptrdiff_t task)
{
    const tile_block b = find_block(s, t, task);
    real *inputs = kept + task * NAME(block_room)(s, t, t->most);
    if (b.tiles <= 0) return;
    NAME(copy_input)(s, t, &b, x, scratch);
    for (int i = 0; i < t->pieces->count; i++, inputs += PLACES * NAME(panels_place)(b.tiles, s->cin))
        NAME(transform_piece)(s, t, t->pieces->piece + i, &b, scratch, inputs);
    NAME(transform_gradient)(s, t, &b, dy, scratch, inputs);
}

static void NAME(weight_panel)(const ConvShape *s, const tiling *t, const real *kept, real *dw, real *sums,
                               ptrdiff_t task)
{
    const ptrdiff_t panels = NAME(panels)(s, t) / s->groups, group = task / panels, o = task % panels * TILE_N;
    const ptrdiff_t step = PLACES * NAME(place_sums)(s, TILE_N);
    int fresh = 1;
    for (ptrdiff_t i = group; i < all_blocks(s); i += s->groups) {
        const tile_block b = find_block(s, t, i);
        const real *inputs = kept + i * NAME(block_room)(s, t, t->most);
        const ptrdiff_t piece = PLACES * NAME(panels_place)(b.tiles, s->cin);
        if (b.tiles <= 0) continue;
        for (int k = 0; k < t->pieces->count; k++)
            NAME(add_products)(s, t->pieces->piece + k, &b, inputs + k * piece, inputs + t->pieces->count * piece,
                               fresh, o, limit(o + TILE_N, 0, s->cout), sums + k * step, TILE_N);
        fresh = 0;
    }
    for (ptrdiff_t v = o; v < o + TILE_N && v < s->cout; v += LANES) {
        const NAME(joined) j = {sums + v - o, TILE_N, 0, 1};
        NAME(join_vector)(s, t, &j, limit(s->cout - v, 0, LANES), dw + (group * s->cout + v) * s->depth);
    }
}

/* ---- plan and kernel, as conv.pxd describes them ----------------------------------------------------------------- */

static double NAME(winograd_weight_plan)(ConvShape *s, int threads)
{
    enum { CACHED = 1 << 18, LEAST = 64, MOST = 128, SUMS = 64 << 20 };
    tiling t;
    if (!find_tiling(s, 0, &t)) return 0;
    const ptrdiff_t channels = NAME(whole_panels)(s->cin) + NAME(whole_panels)(s->cout);
    const ptrdiff_t tiles = CACHED / (ptrdiff_t)sizeof(real) * 4 / (PLACES * channels);
    const ptrdiff_t most = SUMS / (ptrdiff_t)sizeof(real) / (s->groups * NAME(group_sums)(s, &t, NAME(sums_row)(s)));
    plan_blocks(s, &t, limit(tiles, LEAST, MOST), threads);
    s->parts = limit(limit(threads, 1, most < 1 ? 1 : most), 1, all_blocks(s));
    s->scratch = NAME(turned_room)(s, &t) + NAME(block_room)(s, &t, 1);
    s->shared = NAME(sums_room)(s, &t);
    if (NAME(weight_by_panels)(s, &t, threads)) {
        const ptrdiff_t sums = NAME(group_sums)(s, &t, TILE_N);
        s->scratch = NAME(turned_room)(s, &t) > sums ? NAME(turned_room)(s, &t) : sums;
        s->shared = all_blocks(s) * NAME(block_room)(s, &t, t.most);
    }
    return NAME(winograd_gain)(s, &t, s->cin + s->cout);
}

static void NAME(winograd_weight)(const ConvShape *s, void *gemm, const void *dy, const void *x, const void *bias,
                                  void *dw, void *scratch, int threads)
{
    real *shared = (real *)scratch + threads * s->scratch;
    tiling t;
    (void)gemm, (void)bias;
    find_tiling(s, 0, &t);
    const int by_panels = NAME(weight_by_panels)(s, &t, threads);
    const ptrdiff_t parts = by_panels ? all_blocks(s) : s->parts;
    const ptrdiff_t ends = by_panels ? NAME(panels)(s, &t) : s->groups * NAME(sums_row)(s) / LANES;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < parts; i++) {
        real *own = (real *)scratch + tl_thread_id() * s->scratch;
        if (by_panels) NAME(keep_weight_block)(s, &t, dy, x, shared, own, i);
        else NAME(weight_part)(s, &t, dy, x, shared, own, i);
    }
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < ends; i++)
        if (by_panels) NAME(weight_panel)(s, &t, shared, dw, (real *)scratch + tl_thread_id() * s->scratch, i);
        else NAME(weight_join)(s, &t, shared, dw, i);
}
