/* Template for one element type `real`: the transforms and products of winograd.h. Needs gemm_tile.h and
   channels_last.h. Tasks are numbered; which thread runs which is the caller's business. */

DEFINE_TILE(tile_panel, 2, 1, TILE_N)
DEFINE_TILE(tile_half_panel, 1, 1, TILE_N)

/* A distance of n elements or a vector more: many things a power of two apart would share a few lines of the cache. */
static ptrdiff_t NAME(apart)(ptrdiff_t n) { return n * sizeof(real) % 1024 ? n : n + LANES; }

/* ---- transforms -------------------------------------------------------------------------------------------------- */

/* Where the transform of a block puts vector v of tile t for place p: the channels of a tile as neighbours, or in
   panels of [tile][TILE_N], which the product over tiles reads. */
typedef struct {
    ptrdiff_t place, tile, panel;
} NAME(layout);

ALWAYS_INLINE real *NAME(spot)(const NAME(layout) *l, real *out, ptrdiff_t t, ptrdiff_t v)
{
    return out + t * l->tile + v / 2 * l->panel + v % 2 * LANES;
}

static NAME(layout) NAME(as_panels)(ptrdiff_t tiles, ptrdiff_t channels)
{
    return (NAME(layout)){NAME(apart)(tiles * NAME(whole_panels)(channels)), TILE_N, tiles * TILE_N};
}

static NAME(layout) NAME(as_rows)(ptrdiff_t tiles, ptrdiff_t channels)
{
    const ptrdiff_t row = NAME(apart)(NAME(whole_vectors)(channels));
    return (NAME(layout)){NAME(apart)(tiles * row), row, TILE_N};
}

/* Bt d B of the four by four pixels at `in`. */
ALWAYS_INLINE void NAME(input_tile)(const real *in, ptrdiff_t line, ptrdiff_t pitch, ptrdiff_t place, real *out)
{
    vec d[4][4];
    #pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const vec a = LOAD(in + j * pitch), b = LOAD(in + line + j * pitch);
        const vec c = LOAD(in + 2 * line + j * pitch), e = LOAD(in + 3 * line + j * pitch);
        d[0][j] = a - c;
        d[1][j] = b + c;
        d[2][j] = c - b;
        d[3][j] = b - e;
    }
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++, out += 4 * place) {
        STORE(out) = d[i][0] - d[i][2];
        STORE(out + place) = d[i][1] + d[i][2];
        STORE(out + 2 * place) = d[i][2] - d[i][1];
        STORE(out + 3 * place) = d[i][1] - d[i][3];
    }
}

/* A dY At of the two by two pixels at `in`. */
ALWAYS_INLINE void NAME(gradient_tile)(const real *in, ptrdiff_t line, ptrdiff_t pitch, ptrdiff_t place, real *out)
{
    vec d[4][2];
    #pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        const vec a = LOAD(in + j * pitch), b = LOAD(in + line + j * pitch);
        d[0][j] = a;
        d[1][j] = a + b;
        d[2][j] = a - b;
        d[3][j] = -b;
    }
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++, out += 4 * place) {
        STORE(out) = d[i][0];
        STORE(out + place) = d[i][0] + d[i][1];
        STORE(out + 2 * place) = d[i][0] - d[i][1];
        STORE(out + 3 * place) = -d[i][1];
    }
}

/* The transform of all tiles of a block. `copy` has `extra` lines and columns more than two for each tile; `gradient`
   says which transform. */
ALWAYS_INLINE void NAME(transform)(const int gradient, const tile_block *b, ptrdiff_t channels, ptrdiff_t extra,
                                   const real *copy, NAME(layout) l, real *out)
{
    const ptrdiff_t pitch = NAME(whole_vectors)(channels), line = (2 * b->across + extra) * pitch;
    ptrdiff_t t = 0;
    for (ptrdiff_t n = 0; n < b->images; n++, copy += extra * line)
        for (ptrdiff_t y = 0; y < b->lines; y++, copy += 2 * line)
            for (ptrdiff_t x = 0; x < b->across; x++, t++)
                for (ptrdiff_t v = 0; v < pitch / LANES; v++) {
                    const real *in = copy + 2 * x * pitch + v * LANES;
                    real *to = NAME(spot)(&l, out, t, v);
                    if (gradient) NAME(gradient_tile)(in, line, pitch, l.place, to);
                    else NAME(input_tile)(in, line, pitch, l.place, to);
                }
}

/* Copy and transform the tiles of a block: four by four pixels of each, or two by two of a gradient. */
static void NAME(transform_input)(const ConvShape *s, const tile_block *b, const real *x, real *copy, NAME(layout) l,
                                  real *out)
{
    const ptrdiff_t height = 2 * b->lines + 2, width = 2 * b->across + 2, pitch = NAME(whole_vectors)(s->cin);
    for (ptrdiff_t n = 0; n < b->images; n++)
        NAME(channels_last)(x + ((b->image + n) * s->groups + b->group) * s->cin * s->pixels, s->cin, s->size + 1,
                            2 * b->top - s->padding[1], -s->padding[2], height, width, pitch,
                            copy + n * height * width * pitch);
    NAME(transform)(0, b, s->cin, 2, copy, l, out);
}

static void NAME(transform_gradient)(const ConvShape *s, const tile_block *b, const real *dy, real *copy,
                                     NAME(layout) l, real *out)
{
    const ptrdiff_t height = 2 * b->lines, width = 2 * b->across, pitch = NAME(whole_vectors)(s->cout);
    for (ptrdiff_t n = 0; n < b->images; n++)
        NAME(channels_last)(dy + ((b->image + n) * s->groups + b->group) * s->cout * s->positions, s->cout, s->out + 1,
                            2 * b->top, 0, height, width, pitch, copy + n * height * width * pitch);
    NAME(transform)(1, b, s->cout, 0, copy, l, out);
}

/* G w Gt for one input channel and a vector of outputs; rows of TILE_N outputs of each place. */
ALWAYS_INLINE void NAME(weight_tile)(const real g[9][LANES], ptrdiff_t place, real *out)
{
    vec t[4][3];
    #pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        const vec a = LOAD(g[j]), b = LOAD(g[3 + j]), c = LOAD(g[6 + j]), half = (a + c) * (real)0.5;
        t[0][j] = a;
        t[1][j] = half + b * (real)0.5;
        t[2][j] = half - b * (real)0.5;
        t[3][j] = c;
    }
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++, out += 4 * place) {
        const vec half = (t[i][0] + t[i][2]) * (real)0.5, b = t[i][1] * (real)0.5;
        STORE(out) = t[i][0];
        STORE(out + place) = half + b;
        STORE(out + 2 * place) = half - b;
        STORE(out + 3 * place) = t[i][2];
    }
}

static ptrdiff_t NAME(weight_tasks)(const ConvShape *s) { return s->groups * NAME(whole_panels)(s->cout) / TILE_N; }

static ptrdiff_t NAME(weights_room)(const ConvShape *s)
{
    return NAME(weight_tasks)(s) * PLACES * s->cin * TILE_N;
}

/* A task is a panel of outputs: [place][input channel][TILE_N]. */
static void NAME(transform_weight)(const ConvShape *s, const real *w, real *out, ptrdiff_t task)
{
    const ptrdiff_t panels = NAME(weight_tasks)(s) / s->groups, first = task % panels * TILE_N;
    real g[9][LANES];
    w += task / panels * s->cout * s->depth;
    out += task * PLACES * s->cin * TILE_N;
    for (ptrdiff_t o = first; o < first + TILE_N; o += LANES)
        for (ptrdiff_t c = 0; c < s->cin; c++) {
            const ptrdiff_t outer = s->flipped ? 9 : 9 * s->cin;
            const real *from = s->flipped ? w + (c * s->cout + o) * 9 : w + (o * s->cin + c) * 9;
            for (ptrdiff_t l = 0; l < LANES; l++, from += outer)
                for (int k = 0; k < 9; k++)
                    g[k][l] = o + l >= s->cout ? 0 : from[s->flipped ? 8 - k : k];
            NAME(weight_tile)((const real(*)[LANES])g, s->cin * TILE_N, out + c * TILE_N + o - first);
        }
}

/* ---- forward -------------------------------------------------------------------------------------------- */

/* At m A: two by two outputs from 16 products, plus the bias. */
ALWAYS_INLINE void NAME(output_tile)(const real *m, ptrdiff_t place, vec bias, real *out, ptrdiff_t line)
{
    vec t[2][4];
    #pragma GCC unroll 4
    for (int j = 0; j < 4; j++, m += place) {
        const vec a = LOAD(m), b = LOAD(m + 4 * place), c = LOAD(m + 8 * place), d = LOAD(m + 12 * place);
        t[0][j] = a + b + c;
        t[1][j] = b - c - d;
    }
    #pragma GCC unroll 2
    for (int i = 0; i < 2; i++, out += line) {
        STORE(out) = t[i][0] + t[i][1] + t[i][2] + bias;
        STORE(out + TILE_N) = t[i][1] - t[i][2] - t[i][3] + bias;
    }
}

/* Outputs of one panel of channels from their products [place][tile][TILE_N]. */
static void NAME(write_panel)(const ConvShape *s, const tile_block *b, ptrdiff_t first, const real *products,
                              const real *bias, real *lines, real *y)
{
    const ptrdiff_t channels = s->cout - first < TILE_N ? s->cout - first : TILE_N, line = 2 * b->across * TILE_N;
    real biases[TILE_N] = {0};
    if (bias) memcpy(biases, bias + b->group * s->cout + first, channels * sizeof(real));
    for (ptrdiff_t n = 0; n < b->images; n++) {
        real *out = y + (((b->image + n) * s->groups + b->group) * s->cout + first) * s->positions;
        for (ptrdiff_t row = 2 * b->top; row < 2 * (b->top + b->lines); row += 2) {
            for (ptrdiff_t x = 0; x < b->across; x++, products += TILE_N)
                for (ptrdiff_t v = 0; v < channels; v += LANES)
                    NAME(output_tile)(products + v, NAME(apart)(b->tiles * TILE_N), LOAD(biases + v),
                                      lines + 2 * x * TILE_N + v, line);
            for (int i = 0; i < 2 && row + i < s->out[1]; i++)
                NAME(channels_first)(lines + i * line, channels, s->positions, s->out[2], 1,
                                     out + (row + i) * s->out[2]);
        }
    }
}

/* products[place][tile][TILE_N] = transformed inputs @ transformed weights of one panel. */
static void NAME(panel_products)(const ConvShape *s, const tile_block *b, NAME(layout) l, const real *inputs,
                                 const real *weights, int narrow, real *products)
{
    enum { STEP = 256 };                        /* input channels whose weights stay in the first level cache */
    for (int p = 0; p < PLACES; p++, inputs += l.place, products += NAME(apart)(b->tiles * TILE_N))
        for (ptrdiff_t c = 0; c < s->cin; c += STEP, weights += STEP * TILE_N) {
            const ptrdiff_t k = s->cin - c < STEP ? s->cin - c : STEP;
            for (ptrdiff_t t = 0; t < b->tiles; t += TILE_M) {
                const int height = b->tiles - t < TILE_M ? b->tiles - t : TILE_M;
                real *out = products + t * TILE_N;
                (narrow ? NAME(tile_narrow) : NAME(tile_strided))(height, k, inputs + t * l.tile + c, l.tile, 1,
                                                                  weights, TILE_N, 1, c > 0, out, TILE_N, out, TILE_N);
            }
            if (c + STEP >= s->cin) weights += (k - STEP) * TILE_N;
        }
}

static ptrdiff_t NAME(most_tiles)(const ConvShape *s) { return s->images * s->band * ((s->out[2] + 1) / 2); }

/* Elements of a copy with `extra` lines and columns, and of all transforms of a block; whole cache lines. */
static ptrdiff_t NAME(copy_room)(const ConvShape *s, ptrdiff_t channels, ptrdiff_t extra)
{
    const ptrdiff_t width = (s->out[2] + 1) / 2 * 2 + extra;
    return s->images * (2 * s->band + extra) * width * NAME(whole_panels)(channels);
}

static ptrdiff_t NAME(rows_room)(const ConvShape *s)
{
    return (PLACES * NAME(as_rows)(NAME(most_tiles)(s), s->cin).place + 15) / 16 * 16;
}

static ptrdiff_t NAME(forward_room)(const ConvShape *s)
{
    const ptrdiff_t products = PLACES * NAME(apart)(NAME(most_tiles)(s) * TILE_N);
    const ptrdiff_t lines = 4 * ((s->out[2] + 1) / 2) * TILE_N;
    return NAME(copy_room)(s, s->cin, 2) + NAME(rows_room)(s) + products + lines;
}

static void NAME(forward_task)(const ConvShape *s, const real *x, const real *weights, const real *bias, real *y,
                               real *scratch, ptrdiff_t task)
{
    const tile_block b = find_block(s, task);
    if (b.tiles <= 0) return;
    const NAME(layout) l = NAME(as_rows)(b.tiles, s->cin);
    real *inputs = scratch + NAME(copy_room)(s, s->cin, 2), *products = inputs + NAME(rows_room)(s);
    real *lines = products + PLACES * NAME(apart)(NAME(most_tiles)(s) * TILE_N);
    weights += b.group * (NAME(weights_room)(s) / s->groups);
    NAME(transform_input)(s, &b, x, scratch, l, inputs);
    for (ptrdiff_t o = 0; o < s->cout; o += TILE_N, weights += PLACES * s->cin * TILE_N) {
        NAME(panel_products)(s, &b, l, inputs, weights, s->cout - o <= LANES, products);
        NAME(write_panel)(s, &b, o, products, bias, lines, y);
    }
}

/* ---- gradient of the weight: sums[place][input channel][output channel] --------------------------------- */

static ptrdiff_t NAME(place_sums)(const ConvShape *s) { return NAME(apart)(s->cin * NAME(whole_vectors)(s->cout)); }

static ptrdiff_t NAME(group_sums)(const ConvShape *s) { return PLACES * NAME(place_sums)(s); }

static ptrdiff_t NAME(sums_room)(const ConvShape *s) { return s->parts * s->groups * NAME(group_sums)(s); }

static ptrdiff_t NAME(panels_room)(const ConvShape *s, ptrdiff_t channels)
{
    return PLACES * NAME(as_panels)(NAME(most_tiles)(s), channels).place;
}

static ptrdiff_t NAME(weight_room)(const ConvShape *s)
{
    const ptrdiff_t x = NAME(copy_room)(s, s->cin, 2), dy = NAME(copy_room)(s, s->cout, 0);
    return (x > dy ? x : dy) + NAME(panels_room)(s, s->cin) + NAME(panels_room)(s, s->cout);
}

static void NAME(add_products)(const ConvShape *s, const tile_block *b, const real *inputs, const real *grads,
                               real *sums)
{
    const NAME(layout) in = NAME(as_panels)(b->tiles, s->cin), out = NAME(as_panels)(b->tiles, s->cout);
    const ptrdiff_t row = NAME(whole_vectors)(s->cout);
    for (int p = 0; p < PLACES; p++, inputs += in.place, grads += out.place, sums += NAME(place_sums)(s))
        for (ptrdiff_t o = 0; o < s->cout; o += TILE_N)
            for (ptrdiff_t c = 0; c < s->cin;) {
                const ptrdiff_t rest = TILE_N - c % TILE_N < s->cin - c ? TILE_N - c % TILE_N : s->cin - c;
                const int height = rest < TILE_M ? rest : TILE_M;
                real *to = sums + c * row + o;
                (s->cout - o <= LANES ? NAME(tile_half_panel) : NAME(tile_panel))(
                    height, b->tiles, inputs + c / TILE_N * in.panel + c % TILE_N, 1, TILE_N,
                    grads + o / TILE_N * out.panel, TILE_N, 1, 1, to, row, to, row);
                c += height;
            }
}

/* A part of the blocks, for all groups, into sums of its own. */
static void NAME(weight_part)(const ConvShape *s, const real *dy, const real *x, real *sums, real *scratch,
                              ptrdiff_t part)
{
    const ptrdiff_t tasks = s->groups * s->bands * s->blocks, last = tasks * (part + 1) / s->parts;
    real *inputs = scratch, *grads = inputs + NAME(panels_room)(s, s->cin);
    real *copy = grads + NAME(panels_room)(s, s->cout);
    sums += part * s->groups * NAME(group_sums)(s);
    memset(sums, 0, s->groups * NAME(group_sums)(s) * sizeof(real));
    for (ptrdiff_t task = tasks * part / s->parts; task < last; task++) {
        const tile_block b = find_block(s, task);
        if (b.tiles <= 0) continue;
        NAME(transform_input)(s, &b, x, copy, NAME(as_panels)(b.tiles, s->cin), inputs);
        NAME(transform_gradient)(s, &b, dy, copy, NAME(as_panels)(b.tiles, s->cout), grads);
        NAME(add_products)(s, &b, inputs, grads, sums + b.group * NAME(group_sums)(s));
    }
}

/* Gt u G for one vector of outputs; u[place] are the sums. */
ALWAYS_INLINE void NAME(join_tile)(const vec u[PLACES], real out[9][LANES])
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
        STORE(out[3 * i]) = t[i][0] + half;
        STORE(out[3 * i + 1]) = (t[i][1] - t[i][2]) * (real)0.5;
        STORE(out[3 * i + 2]) = half + t[i][3];
    }
}

static ptrdiff_t NAME(join_tasks)(const ConvShape *s) { return s->groups * NAME(whole_vectors)(s->cout) / LANES; }

/* The gradient for one vector of output channels: the sum of all parts, transformed. */
static void NAME(weight_join)(const ConvShape *s, const real *sums, real *dw, ptrdiff_t task)
{
    const ptrdiff_t row = NAME(whole_vectors)(s->cout), group = task / (row / LANES), o = task % (row / LANES) * LANES;
    const ptrdiff_t part = s->groups * NAME(group_sums)(s), place = NAME(place_sums)(s);
    real out[9][LANES];
    sums += group * NAME(group_sums)(s) + o;
    dw += (group * s->cout + o) * s->depth;
    for (ptrdiff_t c = 0; c < s->cin; c++, sums += row, dw += 9) {
        vec u[PLACES];
        for (int p = 0; p < PLACES; p++) {
            __builtin_prefetch(sums + p * place + 4 * row);
            u[p] = LOAD(sums + p * place);
            for (ptrdiff_t i = 1; i < s->parts; i++) u[p] += LOAD(sums + i * part + p * place);
        }
        NAME(join_tile)(u, out);
        for (ptrdiff_t l = 0; l < LANES && o + l < s->cout; l++)
            for (int k = 0; k < 9; k++) dw[l * s->depth + k] = out[k][l];
    }
}

/* ---- plans and kernels, as conv.pxd describes them ------------------------------------------------------ */

/* How many times faster than a plain product the products of this path are, after the cost of its transforms. */
static double NAME(winograd_gain)(const ConvShape *s)
{
    enum { TRANSFORM = 64 };                    /* what the transforms of a vector cost, in products of vectors */
    const double tiles = (double)s->batch * s->groups * ((s->out[1] + 1) / 2) * ((s->out[2] + 1) / 2);
    const double in = NAME(whole_vectors)(s->cin), out = NAME(whole_vectors)(s->cout);
    const double plain = 9.0 * s->cin * s->cout * s->positions * s->batch * s->groups;
    const double weights = 16.0 * s->groups * in * out;
    return plain / (tiles * (PLACES * s->cin * out + TRANSFORM * (in + out)) + weights * LANES);
}

static double NAME(winograd_plan)(ConvShape *s, int threads)
{
    enum { CACHED = 1 << 17, LEAST = 48, MOST = 192 };
    const ptrdiff_t tiles = CACHED / (ptrdiff_t)sizeof(real) * 4 / (PLACES * NAME(whole_vectors)(s->cin));
    if (!winograd_applies(s)) return 0;
    plan_blocks(s, tiles < LEAST ? LEAST : tiles > MOST ? MOST : tiles, threads);
    s->scratch = NAME(forward_room)(s);
    s->shared = NAME(weights_room)(s);
    return NAME(winograd_gain)(s);
}

static double NAME(winograd_weight_plan)(ConvShape *s, int threads)
{
    enum { CACHED = 1 << 18, LEAST = 64, MOST = 128, SUMS = 64 << 20 };
    const ptrdiff_t channels = NAME(whole_panels)(s->cin) + NAME(whole_panels)(s->cout);
    const ptrdiff_t tiles = CACHED / (ptrdiff_t)sizeof(real) * 4 / (PLACES * channels);
    const ptrdiff_t most = SUMS / (ptrdiff_t)sizeof(real) / (s->groups * NAME(group_sums)(s));
    if (!winograd_applies(s)) return 0;
    plan_blocks(s, tiles < LEAST ? LEAST : tiles > MOST ? MOST : tiles, threads);
    s->parts = most < 1 ? 1 : most < threads ? most : threads;
    if (s->parts > s->groups * s->blocks * s->bands) s->parts = s->groups * s->blocks * s->bands;
    s->scratch = NAME(weight_room)(s);
    s->shared = NAME(sums_room)(s);
    return NAME(winograd_gain)(s);
}

static void NAME(winograd)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias, void *y,
                           void *scratch, int threads)
{
    real *weights = (real *)scratch + threads * s->scratch;
    const ptrdiff_t tasks = s->groups * s->blocks * s->bands;
    (void)gemm;                 /* products are made of register tiles here */
    #pragma omp parallel num_threads(threads)
    {
        real *own = (real *)scratch + tl_thread_id() * s->scratch;
        #pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < NAME(weight_tasks)(s); i++) NAME(transform_weight)(s, w, weights, i);
        #pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < tasks; i++) NAME(forward_task)(s, x, weights, bias, y, own, i);
    }
}

static void NAME(winograd_weight)(const ConvShape *s, void *gemm, const void *dy, const void *x, const void *bias,
                                  void *dw, void *scratch, int threads)
{
    real *sums = (real *)scratch + threads * s->scratch;
    (void)gemm, (void)bias;
    #pragma omp parallel num_threads(threads)
    {
        real *own = (real *)scratch + tl_thread_id() * s->scratch;
        #pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < s->parts; i++) NAME(weight_part)(s, dy, x, sums, own, i);
        #pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < NAME(join_tasks)(s); i++) NAME(weight_join)(s, sums, dw, i);
    }
}
