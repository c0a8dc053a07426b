/* Template for one element type `real`: the loops and plans of conv_batch.h. Needs gemm_tile.h and channels_last.h. */

/* One more product for each of mr output channels and one or two vectors of images. */
ALWAYS_INLINE void NAME(pixel_term)(const int mr, const int vecs, const real *in, const real *w, vec *x, vec *y)
{
    const vec b0 = LOAD(in), b1 = LOAD(in + (vecs - 1) * LANES);
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        const vec left = w[i] - (vec){0};
        x[i] += left * b0;
        if (vecs == 2) y[i] += left * b1;
    }
}

/* mr output channels of one pixel for one or two vectors of images; channels of the output are `rc` apart. `add`
   continues sums of earlier runs. Even and odd terms are summed apart, for smaller errors. */
ALWAYS_INLINE void NAME(pixel_body)(const int mr, const int vecs, const run *runs, int count, const real *copy,
                                    const real *weights, const real *bias, real *out, ptrdiff_t rc, int add)
{
    vec x[2][TILE_M], y[2][TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) x[0][i] = y[0][i] = x[1][i] = y[1][i] = (vec){0};
    for (const run *r = runs; r < runs + count; r++) {
        const real *in = copy + r->copy, *w = weights + r->weights;
        ptrdiff_t k = r->length;
        for (ptrdiff_t pairs = pairs_of(k); pairs > 0; pairs--, k -= 2)
            #pragma GCC unroll 2
            for (int e = 0; e < 2; e++, in += vecs * LANES, w += TILE_M)
                NAME(pixel_term)(mr, vecs, in, w, x[e], y[e]);
        for (; k > 0; k--, in += vecs * LANES, w += TILE_M) NAME(pixel_term)(mr, vecs, in, w, x[0], y[0]);
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++, out += rc) {
        const vec start = bias[i] - (vec){0};
        STORE(out) = x[0][i] + x[1][i] + (add ? LOAD(out) : start);
        if (vecs == 2) STORE(out + LANES) = y[0][i] + y[1][i] + (add ? LOAD(out + LANES) : start);
    }
}

#define PIXEL_ARGS const run *runs, int count, const real *copy, const real *weights, const real *bias, real *out, \
                   ptrdiff_t rc, int add
#define PIXEL_CASE(h) case h: NAME(pixel_body)(h, vecs, runs, count, copy, weights, bias, out, rc, add); break;
static __attribute__((noinline)) void NAME(pixel_wide)(int mr, PIXEL_ARGS)
{
    enum { vecs = 2 };
    switch (mr) { EACH_HALF(PIXEL_CASE) }
}

static __attribute__((noinline)) void NAME(pixel_narrow)(int mr, PIXEL_ARGS)
{
    enum { vecs = 1 };
    switch (mr) { EACH_HEIGHT(PIXEL_CASE) }
}
#undef PIXEL_CASE

/* The same for a whole tile of channels. */
static void NAME(pixel)(int mr, int wide, PIXEL_ARGS)
{
    const int step = wide ? TILE_M / 2 : TILE_M;
    for (; mr > 0; mr -= step, weights += step, bias += step, out += step * rc)
        (wide ? NAME(pixel_wide) : NAME(pixel_narrow))(mr < step ? mr : step, runs, count, copy, weights, bias, out, rc,
                                                       add);
}

#undef PIXEL_ARGS

/* ---- weights: [group][tile of outputs][place of the kernel][input channel][TILE_M], and behind them all biases --- */

static ptrdiff_t NAME(tiles)(const pass *m) { return (m->out + TILE_M - 1) / TILE_M; }

static ptrdiff_t NAME(tile_weights)(const ConvShape *s, const pass *m) { return s->taps * m->in * TILE_M; }

static void NAME(pack_weight)(const ConvShape *s, const pass *m, const real *w, const real *bias, real *packed,
                              ptrdiff_t task)
{
    const ptrdiff_t group = task / NAME(tiles)(m), first = task % NAME(tiles)(m) * TILE_M;
    const ptrdiff_t rows = m->out - first < TILE_M ? m->out - first : TILE_M;
    const ptrdiff_t along_in = m->gradient ? s->depth : s->taps, along_out = m->gradient ? s->taps : s->depth;
    real *biases = packed + (s->groups * NAME(tiles)(m) * s->taps * m->in + task) * TILE_M;
    for (ptrdiff_t i = 0; i < rows; i++) biases[i] = bias ? bias[group * m->out + first + i] : 0;
    w += group * s->cout * s->depth + first * along_out;
    packed += task * NAME(tile_weights)(s, m);
    for (ptrdiff_t k = 0; k < s->taps; k++)
        for (ptrdiff_t c = 0; c < m->in; c++, packed += TILE_M)
            for (ptrdiff_t i = 0; i < rows; i++)
                packed[i] = w[i * along_out + c * along_in + (m->gradient ? s->taps - 1 - k : k)];
}

/* ---- one piece -------------------------------------------------------------------------------------------------- */

/* One channel of some images to [pixel][step], an image in each of so many lanes, as far as there are images. */
static void NAME(turn_images)(const real *x, ptrdiff_t images, ptrdiff_t lanes, ptrdiff_t apart, ptrdiff_t pixels,
                              ptrdiff_t step, real *out)
{
    ptrdiff_t n = 0;
    for (; n + QUAD <= images; n += QUAD, x += QUAD * apart) {
        ptrdiff_t p = 0;
        for (; p + QUAD <= pixels; p += QUAD) {
            quad block[QUAD];
            for (int i = 0; i < QUAD; i++) block[i] = *(const quad *)(x + i * apart + p);
            NAME(transpose)(block);
            for (int i = 0; i < QUAD; i++) *(quad *)(out + (p + i) * step + n) = block[i];
        }
        for (; p < pixels; p++)
            for (int i = 0; i < QUAD; i++) out[p * step + n + i] = x[i * apart + p];
    }
    for (; n < images; n++, x += apart)
        for (ptrdiff_t p = 0; p < pixels; p++) out[p * step + n] = x[p];
    for (; n < lanes; n++)
        for (ptrdiff_t p = 0; p < pixels; p++) out[p * step + n] = 0;
}

static ptrdiff_t NAME(batch_lanes)(const ConvShape *s) { return s->images > LANES ? TILE_N : LANES; }

static ptrdiff_t NAME(turned_room)(const ConvShape *s, const pass *m)
{
    return m->in * m->in_size[0] * m->in_size[1] * NAME(batch_lanes)(s);
}

/* A pixel of a tile of output channels, which are `plane` apart, from spans of lines and of columns: some runs at once,
   or parts of them. */
static void NAME(batch_pixel)(const ConvShape *s, const pass *m, int mr, const span *down, int lines,
                              const span *across, int columns, const real *copy, const real *weights,
                              const real *bias, real *out, ptrdiff_t plane)
{
    const ptrdiff_t lanes = NAME(batch_lanes)(s), row = m->in * lanes;
    run runs[CHAIN];
    int count = 0, add = 0;
    ptrdiff_t depth = 0, n;
    for (int i = 0; i < lines; i++)
        for (ptrdiff_t l = 0; l < down[i].count; l++)
            for (const span *a = across; a < across + columns; a++)
                for (ptrdiff_t k = 0; k < a->count * m->in; k += n) {
                    if (depth == CHAIN) {
                        NAME(pixel)(mr, lanes > LANES, runs, count, copy, weights, bias, out, plane, add);
                        count = 0, depth = 0, add = 1;
                    }
                    n = limit(a->count * m->in - k, 0, CHAIN - depth);
                    runs[count++] = (run){
                        ((down[i].pixel + l) * m->in_size[1] + a->pixel) * row + k * lanes,
                        (((down[i].tap + l) * s->kernel[2] + a->tap) * m->in + k) * TILE_M, n};
                    depth += n;
                }
    NAME(pixel)(mr, lanes > LANES, runs, count, copy, weights, bias, out, plane, add);
}

/* A tile of output channels for the pixels of a piece, to [channel][pixel][TILE_N]. */
static void NAME(batch_tile)(const ConvShape *s, const pass *m, const batch_piece *p, int mr, const real *copy,
                             const real *weights, const real *bias, real *out)
{
    const ptrdiff_t width = m->out_size[1], plane = (p->end - p->top) * width * TILE_N;
    span across[MOST_LINE][MOST_TAPS], down[MOST_TAPS];
    int counts[MOST_LINE];
    for (ptrdiff_t x = 0; x < width; x++) counts[x] = find_spans(s, m, 1, x, across[x]);
    for (ptrdiff_t y = p->top; y < p->end; y++) {
        const int lines = find_spans(s, m, 0, y, down);
        for (int i = 0; i < lines; i++) down[i].pixel -= p->low;
        for (ptrdiff_t x = 0; x < width; x++, out += TILE_N)
            NAME(batch_pixel)(s, m, mr, down, lines, across[x], counts[x], copy, weights, bias, out, plane);
    }
}

static void NAME(batch_task)(const ConvShape *s, const pass *m, const real *x, const real *packed, real *y,
                             real *scratch, ptrdiff_t task)
{
    const batch_piece p = find_piece(s, m, task);
    const ptrdiff_t in = m->in_size[0] * m->in_size[1], out = m->out_size[0] * m->out_size[1];
    const ptrdiff_t width = m->out_size[1], pixels = (p.end - p.top) * width, lanes = NAME(batch_lanes)(s);
    const real *biases = packed + s->groups * NAME(tiles)(m) * NAME(tile_weights)(s, m);
    real *copy = scratch, *sums = scratch + NAME(turned_room)(s, m);
    x += (p.image * s->groups + p.group) * m->in * in + p.low * m->in_size[1];
    y += (p.image * s->groups + p.group) * m->out * out + p.top * width;
    for (ptrdiff_t c = 0; c < m->in; c++)
        NAME(turn_images)(x + c * in, p.images, lanes, s->groups * m->in * in, (p.high - p.low) * m->in_size[1],
                          m->in * lanes, copy + c * lanes);
    for (ptrdiff_t t = 0; t < NAME(tiles)(m); t++) {
        const ptrdiff_t o = t * TILE_M, mr = m->out - o < TILE_M ? m->out - o : TILE_M;
        const ptrdiff_t tile = p.group * NAME(tiles)(m) + t;
        NAME(batch_tile)(s, m, &p, (int)mr, copy, packed + tile * NAME(tile_weights)(s, m), biases + tile * TILE_M,
                         sums);
        for (ptrdiff_t c = 0; c < mr; c++)
            NAME(channels_first)(sums + c * pixels * TILE_N, p.images, s->groups * m->out * out, pixels, 1,
                                 y + (o + c) * out);
    }
}

/* ---- plans and kernels, as conv.pxd describes them --------------------------------------------------------------- */

static double NAME(batch_plan)(ConvShape *s, int gradient, int threads)
{
    enum { LEAST = 4, CACHED = 3 << 18 };       /* the fewest rows worth a tile; bytes that stay in the cache */
    const pass m = describe_pass(s, gradient);
    const ptrdiff_t fair = (s->batch + threads - 1) / threads, most = fair < LANES ? s->batch : fair;
    const ptrdiff_t lanes = most > LANES ? TILE_N : LANES;
    if (!has_two_dims(s) || s->kernel[1] > MOST_TAPS || s->kernel[2] > MOST_TAPS) return 0;
    if (m.out_size[0] > MOST_LINE || m.out_size[1] > MOST_LINE || s->batch < LANES) return 0;
    s->blocks = (s->batch + lanes - 1) / lanes;
    if (fair >= LANES) s->blocks = fair_pieces(s->blocks, s->groups, s->batch, threads);
    s->images = (s->batch + s->blocks - 1) / s->blocks;
    s->bands = fair_pieces(1, s->groups * s->blocks, m.out_size[0], threads);
    const ptrdiff_t in = m.in_size[0] * m.in_size[1], out = m.out_size[0] * m.out_size[1];
    const ptrdiff_t turned = NAME(turned_room)(s, &m), rest = m.out % TILE_M;
    const ptrdiff_t idle = rest && rest < LEAST ? LEAST - rest : 0;
    if (turned * (ptrdiff_t)sizeof(real) > BATCH_BYTES) return 0;
    s->scratch = turned + TILE_M * out * TILE_N;
    s->shared = s->groups * NAME(tiles)(&m) * (NAME(tile_weights)(s, &m) + TILE_M);
    const double copy = turned * (ptrdiff_t)sizeof(real) > CACHED ? 28 : 22;    /* of an element, in products */
    const double products = (double)all_taps(s, &m, 0) * all_taps(s, &m, 1) * m.in * (m.out + idle);
    const double blocks = (double)s->blocks * s->groups * NAME(batch_lanes)(s), plain = (double)s->depth * s->cout;
    return plain * s->positions * s->batch * s->groups
        / (blocks * (1.05 * products + copy * (in * m.in + out * m.out)) + copy * plain * s->groups);
}

static double NAME(batch_forward_plan)(ConvShape *s, int threads) { return NAME(batch_plan)(s, 0, threads); }

static double NAME(batch_gradient_plan)(ConvShape *s, int threads) { return NAME(batch_plan)(s, 1, threads); }

static void NAME(run_batch)(const ConvShape *s, int gradient, const real *x, const real *w, const real *bias, real *y,
                            real *scratch, int threads)
{
    const pass m = describe_pass(s, gradient);
    real *packed = scratch + threads * s->scratch;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * NAME(tiles)(&m); i++) NAME(pack_weight)(s, &m, w, bias, packed, i);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * s->blocks * s->bands; i++)
        NAME(batch_task)(s, &m, x, packed, y, scratch + tl_thread_id() * s->scratch, i);
}

static void NAME(batch_forward)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias,
                                void *y, void *scratch, int threads)
{
    (void)gemm;
    NAME(run_batch)(s, 0, x, w, bias, y, scratch, threads);
}

static void NAME(batch_gradient)(const ConvShape *s, void *gemm, const void *dy, const void *w, const void *bias,
                                 void *dx, void *scratch, int threads)
{
    (void)gemm;
    NAME(run_batch)(s, 1, dy, w, bias, dx, scratch, threads);
}
