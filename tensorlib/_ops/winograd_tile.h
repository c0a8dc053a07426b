/* Template for one element type `real`: the transforms and products of winograd.h. Needs gemm_tile.h and
   channels_last.h. Tasks are numbered; which thread runs which is the caller's business. */

DEFINE_TILE(tile_panel, 2, 1, TILE_N, k)
DEFINE_TILE(tile_half_panel, 1, 1, TILE_N, k)

/* One more product for each of mr rows and one or two vectors. */
ALWAYS_INLINE void NAME(pairs_term)(const int mr, const int vecs, const real *a, ptrdiff_t ra, const real *b,
                                    vec sum[][2])
{
    const vec b0 = LOAD(b), b1 = LOAD(b + (vecs - 1) * LANES);
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        const vec left = a[i * ra] - (vec){0};
        sum[i][0] += left * b0;
        if (vecs == 2) sum[i][1] += left * b1;
    }
}

/* c = a @ b, or c + a @ b, with a dense along k, and two sums for each element, of even and of odd terms: errors are
   those of a sum half as long. That takes a tile of half as many rows, which costs nothing where k is so short that b
   stays in the first level cache. */
ALWAYS_INLINE void NAME(pairs_body)(const int mr, const int vecs, ptrdiff_t k, const real *a, ptrdiff_t ra,
                                    const real *b, int add, real *c)
{
    vec sum[2][TILE_M][2];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        for (int e = 0; e < 2; e++) sum[e][i][0] = sum[e][i][1] = (vec){0};
    for (ptrdiff_t pairs = pairs_of(k); pairs > 0; pairs--, k -= 2)
        #pragma GCC unroll 2
        for (int e = 0; e < 2; e++, a++, b += TILE_N) NAME(pairs_term)(mr, vecs, a, ra, b, sum[e]);
    for (; k > 0; k--, a++, b += TILE_N) NAME(pairs_term)(mr, vecs, a, ra, b, sum[0]);
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++, c += TILE_N)
        for (int j = 0; j < vecs; j++) {
            sum[0][i][j] += sum[1][i][j];
            if (add) sum[0][i][j] += LOAD(c + j * LANES);
            STORE(c + j * LANES) = sum[0][i][j];
        }
}

#define PAIRS_CASE(h) case h: NAME(pairs_body)(h, vecs, k, a, ra, b, add, c); break;
#define PAIRS_ARGS ptrdiff_t k, const real *a, ptrdiff_t ra, const real *b, int add, real *c
static __attribute__((noinline)) void NAME(pairs_wide)(int mr, PAIRS_ARGS)
{
    enum { vecs = 2 };
    switch (mr) { EACH_HALF(PAIRS_CASE) }
}

static __attribute__((noinline)) void NAME(pairs_narrow)(int mr, PAIRS_ARGS)
{
    enum { vecs = 1 };
    switch (mr) { EACH_HEIGHT(PAIRS_CASE) }
}
#undef PAIRS_ARGS
#undef PAIRS_CASE

/* A distance of n elements or a vector more: many things a power of two apart would share a few lines of the cache. */
static ptrdiff_t NAME(apart)(ptrdiff_t n) { return n * sizeof(real) % 1024 ? n : n + LANES; }

/* ---- transforms -------------------------------------------------------------------------------------------------- */

/* Bt d B of four by four pixels that are `line` and `pitch` apart, to out + to[place]: those lines and columns of it
   that a piece of `rows` x `columns` places of the kernel has. */
ALWAYS_INLINE void NAME(input_body)(const int rows, const int columns, const real *in, ptrdiff_t line, ptrdiff_t pitch,
                                    const ptrdiff_t *to, real *out)
{
    vec d[4][4];
    #pragma GCC unroll 4
    for (int j = 0; j <= columns; j++, in += pitch) {
        const vec a = LOAD(in), b = LOAD(in + (rows > 0) * line), c = LOAD(in + (rows > 1) * 2 * line);
        d[0][j] = a;
        d[1][j] = b + c;
        d[2][j] = c - b;
        d[3][j] = -b;
        if (rows > 1) d[0][j] = a - c;
        if (rows == 3) d[3][j] = b - LOAD(in + 3 * line);
    }
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++, to += 4) {
        if (!HAS_PLACE(rows, i)) continue;
        if (columns == 1) STORE(out + to[0]) = d[i][0];
        if (columns == 1) STORE(out + to[3]) = -d[i][1];
        if (columns > 1) STORE(out + to[0]) = d[i][0] - d[i][2];
        if (columns > 1) STORE(out + to[1]) = d[i][1] + d[i][2];
        if (columns > 1) STORE(out + to[2]) = d[i][2] - d[i][1];
        if (columns == 3) STORE(out + to[3]) = d[i][1] - d[i][3];
    }
}

/* A dY At of the two by two pixels at `in`, or of two where tiles have one line. */
ALWAYS_INLINE void NAME(gradient_tile)(const int flat, const real *in, ptrdiff_t line, ptrdiff_t pitch, ptrdiff_t place,
                                       real *out)
{
    vec d[4][2];
    #pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
        const vec a = LOAD(in + j * pitch), b = flat ? a : LOAD(in + line + j * pitch);
        d[0][j] = a;
        d[1][j] = a + b;
        d[2][j] = a - b;
        d[3][j] = -b;
    }
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++, out += 4 * place) {
        if (flat && i > 0) break;
        STORE(out) = d[i][0];
        STORE(out + place) = d[i][0] + d[i][1];
        STORE(out + 2 * place) = d[i][0] - d[i][1];
        STORE(out + 3 * place) = -d[i][1];
    }
}

/* Pixels of a block as a copy with channels last. */
static void NAME(copy_input)(const ConvShape *s, const tiling *t, const tile_block *b, const real *x, real *copy)
{
    const ptrdiff_t pitch = NAME(whole_vectors)(t->m.in), pixels = t->m.in_size[0] * t->m.in_size[1];
    for (ptrdiff_t n = 0; n < b->images; n++)
        NAME(channels_last)(x + ((b->image + n) * s->groups + b->group) * t->m.in * pixels, t->m.in, t->m.in_size,
                            2 * b->top * t->m.step[0] + t->m.low[0], 2 * b->left * t->m.step[1] + t->m.low[1],
                            b->height, b->width, pitch, copy + n * b->height * b->width * pitch);
}

/* The transform of all tiles of a block for one piece: tile after tile `tile` apart, vectors of channels `vector` apart
   and panels of two vectors `panel` apart. */
ALWAYS_INLINE void NAME(transform_body)(const int rows, const int columns, const tiling *t, const tile_block *b,
                                        const real *copy, const ptrdiff_t *to, ptrdiff_t tile, ptrdiff_t panel,
                                        real *out)
{
    const ptrdiff_t pitch = NAME(whole_vectors)(t->m.in), line = b->width * pitch;
    for (ptrdiff_t n = 0; n < b->images; n++, copy += b->height * line)
        for (ptrdiff_t y = 0; y < b->lines; y++)
            for (ptrdiff_t x = 0; x < b->across; x++, out += tile) {
                const real *in = copy + tile_at(t, 0, y) * t->m.step[0] * line
                    + tile_at(t, 1, x) * t->m.step[1] * pitch;
                for (ptrdiff_t v = 0; v < pitch / LANES; v++)
                    NAME(input_body)(rows, columns, in + v * LANES, t->step[0] * line, t->step[1] * pitch, to,
                                     out + v / 2 * panel + v % 2 * LANES);
            }
}

#define TRANSFORM_CASE(rows, columns) \
    case rows * 4 + columns: NAME(transform_body)(rows, columns, t, b, copy, to, tile, panel, out); break;
static __attribute__((noinline)) void NAME(transform)(const piece *p, const tiling *t, const tile_block *b,
                                                      const real *copy, const ptrdiff_t *to, ptrdiff_t tile,
                                                      ptrdiff_t panel, real *out)
{
    copy += (p->from[0] * b->width + p->from[1]) * NAME(whole_vectors)(t->m.in);
    switch (p->rows * 4 + p->columns) { EACH_PIECE(TRANSFORM_CASE) }
}
#undef TRANSFORM_CASE

/* G w Gt of rows x columns vectors, which lie at w + tap * LANES, to out + to[place] like input_body. */
ALWAYS_INLINE void NAME(weight_body)(const int rows, const int columns, const real *w, const int *tap,
                                     const ptrdiff_t *to, real *out)
{
    vec t[4][3];
    #pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        vec g[3] = {{0}, {0}, {0}};
        #pragma GCC unroll 3
        for (int i = 0; i < 3; i++)
            if (i <= (rows > 0 ? rows - 1 : 0) && j < columns) g[i] = LOAD(w + tap[3 * i + j] * LANES);
        const vec half = (g[0] + g[2]) * (real)0.5;
        t[0][j] = g[0];
        t[1][j] = half + g[1] * (real)0.5;
        t[2][j] = half - g[1] * (real)0.5;
        t[3][j] = rows == 1 ? g[0] : g[2];
    }
    #pragma GCC unroll 4
    for (int i = 0; i < 4; i++, to += 4) {
        const vec half = (t[i][0] + t[i][2]) * (real)0.5, b = t[i][1] * (real)0.5;
        if (!HAS_PLACE(rows, i)) continue;
        STORE(out + to[0]) = t[i][0];
        if (columns > 1) STORE(out + to[1]) = half + b;
        if (columns > 1) STORE(out + to[2]) = half - b;
        if (HAS_PLACE(columns, 3)) STORE(out + to[3]) = columns == 1 ? t[i][0] : t[i][2];
    }
}

#define WEIGHT_CASE(rows, columns) case rows * 4 + columns: NAME(weight_body)(rows, columns, w, p->tap, to, out); break;
static void NAME(weight_tile)(const piece *p, const real *w, const ptrdiff_t *to, real *out)
{
    switch (p->rows * 4 + p->columns) { EACH_PIECE(WEIGHT_CASE) }
}
#undef WEIGHT_CASE

/* ---- weights: [group][phase][panel of outputs][place][slot][input channel][TILE_N] ------------------------------- */

static ptrdiff_t NAME(panels)(const ConvShape *s, const tiling *t)
{
    return s->groups * NAME(whole_panels)(t->m.out) / TILE_N;
}

static ptrdiff_t NAME(weights_room)(const ConvShape *s, const tiling *t)
{
    return NAME(panels)(s, t) * t->all * t->m.in * TILE_N;
}

/* Input channels whose kernels are turned at once: what is stored in parts can be loaded whole a little later only. */
static ptrdiff_t NAME(some_channels)(const ConvShape *s) { return limit(TURNED / s->taps, 1, TURNED); }

/* Kernels of some input channels and a vector of outputs, or fewer, as [channel][place of the kernel][LANES]. */
static void NAME(turn_kernels)(const ConvShape *s, const pass *m, const real *w, ptrdiff_t channels, ptrdiff_t lanes,
                               real *out)
{
    if (!m->gradient) NAME(turn_line)(w, lanes, s->depth, 0, channels * s->taps, LANES, out);
    else
        for (ptrdiff_t c = 0; c < channels; c++)
            NAME(turn_line)(w + c * s->depth, lanes, s->taps, 0, s->taps, LANES, out + c * s->taps * LANES);
}

/* Some input channels from c on and one panel of outputs of a group, for all phases; there are `panels` of a phase in
   `out`, and this is the one that has number `panel`. */
static void NAME(transform_kernels)(const ConvShape *s, const tiling *t, const real *w, ptrdiff_t first, ptrdiff_t c,
                                    real *out, ptrdiff_t panel, ptrdiff_t panels)
{
    const ptrdiff_t along_in = t->m.gradient ? s->depth : s->taps, along_out = t->m.gradient ? s->taps : s->depth;
    const ptrdiff_t channels = limit(t->m.in - c, 0, NAME(some_channels)(s)), all = t->m.in * TILE_N;
    real kernels[2][(TURNED + MOST_TAPS * MOST_TAPS) * LANES];
    for (int v = 0; v < 2; v++)
        NAME(turn_kernels)(s, &t->m, w + (first + v * LANES) * along_out + c * along_in, channels,
                           limit(t->m.out - first - v * LANES, 0, LANES), kernels[v]);
    for (int i = 0; i < t->phases; i++) {
        const pieces *p = t->pieces + i;
        for (const piece *own = p->piece; own < p->piece + p->count; own++) {
            ptrdiff_t to[PLACES], before = panel * p->all;
            for (int k = 0; k < PLACES; before += p->slots[k++]) to[k] = (before + own->slot[k]) * all;
            for (ptrdiff_t k = 0; k < channels; k++)
                for (int v = 0; v < 2; v++)
                    NAME(weight_tile)(own, kernels[v] + k * s->taps * LANES, to, out + (c + k) * TILE_N + v * LANES);
        }
        out += panels * p->all * all;
    }
}

/* Tasks of transforming all weights: each takes some channels of a panel. */
static ptrdiff_t NAME(weight_steps)(const ConvShape *s, const tiling *t)
{
    return (t->m.in + NAME(some_channels)(s) - 1) / NAME(some_channels)(s);
}

static void NAME(transform_weight)(const ConvShape *s, const tiling *t, const real *w, real *out, ptrdiff_t task)
{
    const ptrdiff_t panels = NAME(panels)(s, t) / s->groups, steps = NAME(weight_steps)(s, t);
    const ptrdiff_t group = task / steps / panels, panel = task / steps % panels;
    NAME(transform_kernels)(s, t, w + group * s->cout * s->depth, panel * TILE_N,
                            task % steps * NAME(some_channels)(s), out + group * panels * t->all * t->m.in * TILE_N,
                            panel, panels);
}

/* ---- forward, and gradient of the input -------------------------------------------------------------------------- */

/* At m A: two by two outputs from 16 products, or one line of two from four, plus the bias. */
ALWAYS_INLINE void NAME(output_tile)(const int flat, const real *m, ptrdiff_t place, vec bias, real *out,
                                     ptrdiff_t line, ptrdiff_t pitch)
{
    vec t[2][4];
    #pragma GCC unroll 4
    for (int j = 0; j < 4; j++, m += place) {
        t[0][j] = t[1][j] = LOAD(m);
        if (flat) continue;
        const vec b = LOAD(m + 4 * place), c = LOAD(m + 8 * place), d = LOAD(m + 12 * place);
        t[0][j] += b + c;
        t[1][j] = b - c - d;
    }
    #pragma GCC unroll 2
    for (int i = 0; i < 2; i++, out += line) {
        if (flat && i > 0) break;
        STORE(out) = t[i][0] + t[i][1] + t[i][2] + bias;
        STORE(out + pitch) = t[i][1] - t[i][2] - t[i][3] + bias;
    }
}

/* A line of tiles: one or two lines of outputs of [column][TILE_N]. */
ALWAYS_INLINE void NAME(output_line)(const int flat, const tiling *t, const tile_block *b, ptrdiff_t channels,
                                     const real *products, const real *biases, real *lines)
{
    for (ptrdiff_t x = 0; x < b->across; x++, products += TILE_N)
        for (ptrdiff_t v = 0; v < channels; v += LANES)
            NAME(output_tile)(flat, products + v, NAME(apart)(b->tiles * TILE_N), LOAD(biases + v),
                              lines + tile_at(t, 1, x) * TILE_N + v, 2 * b->across * TILE_N, t->apart[1] * TILE_N);
}

/* Outputs of one phase and one panel of channels from their products [place][tile][TILE_N]. */
static void NAME(write_panel)(const ConvShape *s, const tiling *t, const pieces *p, const tile_block *b,
                              ptrdiff_t first, const real *products, const real *bias, real *lines, real *y)
{
    const pass *m = &t->m;
    const ptrdiff_t channels = m->out - first < TILE_N ? m->out - first : TILE_N, line = 2 * b->across * TILE_N;
    const ptrdiff_t plane = m->out_size[0] * m->out_size[1], left = 2 * b->left;
    const ptrdiff_t width = limit(phase_size(m, 1, p->phase[1]) - left, 0, 2 * b->across);
    real biases[TILE_N] = {0};
    if (bias) memcpy(biases, bias + b->group * m->out + first, channels * sizeof(real));
    for (ptrdiff_t n = 0; n < b->images; n++) {
        real *out = y + (((b->image + n) * s->groups + b->group) * m->out + first) * plane + p->phase[1]
            + left * m->phases[1];
        for (ptrdiff_t l = 0; l < b->lines; l++, products += b->across * TILE_N) {
            if (t->flat) NAME(output_line)(1, t, b, channels, products, biases, lines);
            else NAME(output_line)(0, t, b, channels, products, biases, lines);
            for (int i = 0; i < 2; i++) {
                const ptrdiff_t at = (tile_at(t, 0, b->top + l) + i * t->apart[0]) * m->phases[0] + p->phase[0];
                if (at >= m->out_size[0]) break;
                NAME(channels_first)(lines + i * line, channels, plane, width, m->phases[1],
                                     out + at * m->out_size[1]);
            }
        }
    }
}

/* Transforms of a block: [place][tile][slot][input channel]; the vectors of a slot may overhang into the next, which is
   written later, and the last into slack. */
static ptrdiff_t NAME(input_row)(const tiling *t)
{
    return NAME(apart)((t->most - 1) * t->m.in + NAME(whole_vectors)(t->m.in));
}

static ptrdiff_t NAME(input_place)(const tiling *t, ptrdiff_t tiles)
{
    return NAME(apart)(NAME(whole_vectors)(tiles * NAME(input_row)(t)));
}

static void NAME(transform_rows)(const tiling *t, const pieces *p, const tile_block *b, const real *copy, real *out)
{
    ptrdiff_t to[PLACES];
    for (int i = 0; i < p->count; i++) {
        for (int k = 0; k < PLACES; k++) to[k] = k * NAME(input_place)(t, b->tiles) + p->piece[i].slot[k] * t->m.in;
        NAME(transform)(p->piece + i, t, b, copy, to, NAME(input_row)(t), TILE_N, out);
    }
}

/* products[place][tile][TILE_N] = transformed inputs @ transformed weights of one panel. */
static void NAME(panel_products)(const tiling *t, const pieces *p, const tile_block *b, const real *inputs,
                                 const real *weights, int narrow, real *products)
{
    enum { STEP = CHAIN * 2 / 3 };              /* transforms enlarge errors: shorter sums make up for that */
    const ptrdiff_t row = NAME(input_row)(t), tile = narrow ? TILE_M : TILE_M / 2;
    for (int i = 0; i < (t->flat ? 4 : PLACES); i++, products += NAME(apart)(b->tiles * TILE_N)) {
        const real *place = inputs + i * NAME(input_place)(t, b->tiles);
        const ptrdiff_t all = p->slots[i] * t->m.in, step = even_part(all + !all, STEP, 2);
        for (ptrdiff_t c = 0; c < all || c == 0; c += step) {
            const ptrdiff_t k = all - c < step ? all - c : step;
            for (ptrdiff_t n = 0; n < b->tiles; n += tile) {
                const int height = b->tiles - n < tile ? b->tiles - n : tile;
                (narrow ? NAME(pairs_narrow) : NAME(pairs_wide))(height, k, place + n * row + c, row, weights, c > 0,
                                                                 products + n * TILE_N);
            }
            weights += k * TILE_N;
        }
    }
}

static ptrdiff_t NAME(most_tiles)(const ConvShape *s, const tiling *t) { return s->images * s->band * s->tile; }

/* Elements of the copy of a block, of all its transforms, and of all that a thread needs; whole cache lines. */
static ptrdiff_t NAME(copy_room)(const ConvShape *s, const tiling *t)
{
    return s->images * pixels_under(t, 0, s->band) * pixels_under(t, 1, s->tile) * NAME(whole_panels)(t->m.in);
}

static ptrdiff_t NAME(rows_room)(const ConvShape *s, const tiling *t)
{
    return (PLACES * NAME(input_place)(t, NAME(most_tiles)(s, t)) + 15) / 16 * 16;
}

static void NAME(forward_task)(const ConvShape *s, const tiling *t, const real *x, const real *weights,
                               const real *bias, real *y, real *scratch, ptrdiff_t task)
{
    const tile_block b = find_block(s, t, task);
    const ptrdiff_t panels = NAME(panels)(s, t) / s->groups;
    real *inputs = scratch + NAME(copy_room)(s, t), *products = inputs + NAME(rows_room)(s, t);
    real *lines = products + PLACES * NAME(apart)(NAME(most_tiles)(s, t) * TILE_N);
    if (b.tiles <= 0) return;
    weights += b.group * panels * t->all * t->m.in * TILE_N;
    NAME(copy_input)(s, t, &b, x, scratch);
    for (int i = 0; i < t->phases; i++) {
        const pieces *p = t->pieces + i;
        NAME(transform_rows)(t, p, &b, scratch, inputs);
        for (ptrdiff_t o = 0; o < t->m.out; o += TILE_N, weights += p->all * t->m.in * TILE_N) {
            NAME(panel_products)(t, p, &b, inputs, weights, t->m.out - o <= LANES, products);
            NAME(write_panel)(s, t, p, &b, o, products, bias, lines, y);
        }
    }
}

/* ---- the same, panel after panel --------------------------------------------------------------------------------- */

/* For small images with many channels: their transforms take less memory than those of the weights. So inputs are kept,
   and a panel of weights lives in a thread's cache while it is used by all blocks. */

static ptrdiff_t NAME(kept_room)(const ConvShape *s, const tiling *t)
{
    return all_blocks(s) * t->phases * NAME(rows_room)(s, t);
}

static int NAME(goes_by_panels)(const ConvShape *s, const tiling *t, int threads)
{
    enum { SMALL = 1 << 20 };                   /* bytes that stay in a cache in any order */
    const ptrdiff_t weights = NAME(weights_room)(s, t), tasks = NAME(panels)(s, t);
    return weights * (ptrdiff_t)sizeof(real) > SMALL && NAME(kept_room)(s, t) <= weights
        && (tasks % threads == 0 || tasks >= 4 * threads);
}

static ptrdiff_t NAME(forward_room)(const ConvShape *s, const tiling *t, int threads)
{
    const ptrdiff_t products = PLACES * NAME(apart)(NAME(most_tiles)(s, t) * TILE_N), lines = 4 * s->tile * TILE_N;
    const ptrdiff_t panel = NAME(goes_by_panels)(s, t, threads) ? t->all * t->m.in * TILE_N : NAME(rows_room)(s, t);
    return NAME(copy_room)(s, t) + panel + products + lines;
}

static void NAME(keep_block)(const ConvShape *s, const tiling *t, const real *x, real *kept, real *copy,
                             ptrdiff_t task)
{
    const tile_block b = find_block(s, t, task);
    if (b.tiles <= 0) return;
    NAME(copy_input)(s, t, &b, x, copy);
    for (int i = 0; i < t->phases; i++) {
        const pieces *p = t->pieces + i;
        NAME(transform_rows)(t, p, &b, copy, kept + (task * t->phases + i) * NAME(rows_room)(s, t));
    }
}

static void NAME(panel_task)(const ConvShape *s, const tiling *t, const real *kept, const real *w, const real *bias,
                             real *y, real *scratch, ptrdiff_t task)
{
    const ptrdiff_t panels = NAME(panels)(s, t) / s->groups, first = task % panels * TILE_N, group = task / panels;
    real *weights = scratch + NAME(copy_room)(s, t), *products = weights + t->all * t->m.in * TILE_N;
    real *lines = products + PLACES * NAME(apart)(NAME(most_tiles)(s, t) * TILE_N);
    for (ptrdiff_t c = 0; c < t->m.in; c += NAME(some_channels)(s))
        NAME(transform_kernels)(s, t, w + group * s->cout * s->depth, first, c, weights, 0, 1);
    for (int phase = 0; phase < t->phases; phase++) {
        const pieces *p = t->pieces + phase;
        for (ptrdiff_t i = group; i < all_blocks(s); i += s->groups) {
            const tile_block b = find_block(s, t, i);
            if (b.tiles <= 0) continue;
            NAME(panel_products)(t, p, &b, kept + (i * t->phases + phase) * NAME(rows_room)(s, t), weights,
                                 t->m.out - first <= LANES, products);
            NAME(write_panel)(s, t, p, &b, first, products, bias, lines, y);
        }
        weights += p->all * t->m.in * TILE_N;
    }
}

/* ---- plans and kernels, as conv.pxd describes them --------------------------------------------------------------- */

/* How many times faster than a plain product the products of this path are, after the cost of its transforms. With few
   input channels sums are so short that most of their time goes into beginning and ending them. Tiles that lie within
   each other are done together: with a large dilation so many that the transforms of a block, of `channels`, leave the
   cache. */
static double NAME(winograd_gain)(const ConvShape *s, const tiling *t, ptrdiff_t channels)
{
    enum { CACHE = 1 << 21 };
    /* What a vector costs that is copied or transformed: a wide one is longer on its way to memory. */
    enum { COPY = LANES < 16 ? 12 : 14, TRANSFORM = LANES < 16 ? 70 : 90, LEAST = 10 };
    const double tiles = (double)s->batch * s->groups * t->down * t->across, slots = (double)t->all / PLACES;
    const double lines = t->flat ? 0.5 : 1;             /* of a tile, beside two */
    const double in = NAME(whole_vectors)(t->m.in), out = NAME(whole_vectors)(t->m.out);
    const double read = (double)pixels_under(t, 0, s->band) * pixels_under(t, 1, s->tile) / (s->band * s->tile);
    const double written = t->phases * (t->flat ? 2 : 4);
    const double plain = (double)s->depth * s->cout * s->positions * s->batch * s->groups;
    const double weights = slots * PLACES * s->groups * in * out;
    const ptrdiff_t block = NAME(most_tiles)(s, t) * PLACES * channels * (ptrdiff_t)sizeof(real);
    const double products = t->all * (t->m.in < LEAST ? LEAST : t->m.in) * out * (block > CACHE ? 1.3 : 1);
    return plain / (1.1 * tiles * (products + COPY * (read * in + written * out)
                                   + TRANSFORM * (slots * in + lines * t->phases * out)) + weights * LANES);
}

static double NAME(winograd_pass)(ConvShape *s, int gradient, int threads)
{
    enum { CACHED = 1 << 17, LEAST = 48, MOST = 192 };
    tiling t;
    if (!find_tiling(s, gradient, &t)) return 0;
    const ptrdiff_t tiles = CACHED / (ptrdiff_t)sizeof(real) * 4 / (PLACES * t.most * NAME(whole_vectors)(t.m.in));
    plan_blocks(s, &t, limit(tiles, LEAST, MOST), threads);
    s->scratch = NAME(forward_room)(s, &t, threads);
    s->shared = NAME(goes_by_panels)(s, &t, threads) ? NAME(kept_room)(s, &t) : NAME(weights_room)(s, &t);
    return NAME(winograd_gain)(s, &t, t.most * t.m.in);
}

static double NAME(winograd_plan)(ConvShape *s, int threads) { return NAME(winograd_pass)(s, 0, threads); }

static double NAME(winograd_dx_plan)(ConvShape *s, int threads) { return NAME(winograd_pass)(s, 1, threads); }

static void NAME(run_pass)(const ConvShape *s, int gradient, const real *x, const real *w, const real *bias, real *y,
                           real *scratch, int threads)
{
    real *shared = scratch + threads * s->scratch;
    tiling t;
    find_tiling(s, gradient, &t);
    const ptrdiff_t blocks = all_blocks(s), panels = NAME(panels)(s, &t);
    if (NAME(goes_by_panels)(s, &t, threads)) {
        #pragma omp parallel for num_threads(threads) schedule(static)
        for (ptrdiff_t i = 0; i < blocks; i++)
            NAME(keep_block)(s, &t, x, shared, scratch + tl_thread_id() * s->scratch, i);
        #pragma omp parallel for num_threads(threads) schedule(static)
        for (ptrdiff_t i = 0; i < panels; i++)
            NAME(panel_task)(s, &t, shared, w, bias, y, scratch + tl_thread_id() * s->scratch, i);
        return;
    }
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < panels * NAME(weight_steps)(s, &t); i++) NAME(transform_weight)(s, &t, w, shared, i);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < blocks; i++)
        NAME(forward_task)(s, &t, x, shared, bias, y, scratch + tl_thread_id() * s->scratch, i);
}

static void NAME(winograd)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias, void *y,
                           void *scratch, int threads)
{
    (void)gemm;                 /* products are made of register tiles here */
    NAME(run_pass)(s, 0, x, w, bias, y, scratch, threads);
}

static void NAME(winograd_dx)(const ConvShape *s, void *gemm, const void *dy, const void *w, const void *bias, void *dx,
                              void *scratch, int threads)
{
    (void)gemm;
    NAME(run_pass)(s, 1, dy, w, bias, dx, scratch, threads);
}
