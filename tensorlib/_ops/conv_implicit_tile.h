/* Template for one element type `real`: packing, the product and the plan of conv_implicit.h. Needs gemm_tile.h and
   channels_last.h. */

/* One more product for each of mr positions and one or two vectors of outputs. */
ALWAYS_INLINE void NAME(implicit_term)(const int mr, const int vecs, const real *const *in, ptrdiff_t k, const real *b,
                                       vec *x, vec *y)
{
    const vec b0 = LOAD(b), b1 = LOAD(b + (vecs - 1) * LANES);
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        const vec left = in[i][k] - (vec){0};
        x[i] += left * b0;
        if (vecs == 2) y[i] += left * b1;
    }
}

/* Two vectors of outputs for mr positions: a step, plus the sums at `start`, the same for all or `start_row` apart. Even
   and odd terms are summed apart, for smaller errors. */
ALWAYS_INLINE void NAME(implicit_body)(const int mr, const int vecs, const portion *s, const real *copy, const int *at,
                                       const real *b, const real *start, ptrdiff_t start_row, real *out)
{
    vec x[2][TILE_M], y[2][TILE_M];
    const real *in[TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) x[0][i] = y[0][i] = x[1][i] = y[1][i] = (vec){0};
    for (int r = 0; r < s->count; r++) {
        const ptrdiff_t length = s->run[r].length, even = 2 * pairs_of(length);
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) in[i] = copy + at[i] + s->run[r].offset;
        for (ptrdiff_t k = 0; k < even; k += 2)
            #pragma GCC unroll 2
            for (int e = 0; e < 2; e++, b += TILE_N) NAME(implicit_term)(mr, vecs, in, k + e, b, x[e], y[e]);
        for (ptrdiff_t k = even; k < length; k++, b += TILE_N) NAME(implicit_term)(mr, vecs, in, k, b, x[0], y[0]);
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++, out += TILE_N, start += start_row) {
        STORE(out) = x[0][i] + x[1][i] + LOAD(start);
        if (vecs == 2) STORE(out + LANES) = y[0][i] + y[1][i] + LOAD(start + LANES);
    }
}

#define IMPLICIT_ARGS const portion *s, const real *copy, const int *at, const real *b, const real *start, \
                      ptrdiff_t start_row, real *out
#define IMPLICIT_CASE(h) case h: NAME(implicit_body)(h, vecs, s, copy, at, b, start, start_row, out); break;
static __attribute__((noinline)) void NAME(implicit_wide)(int mr, IMPLICIT_ARGS)
{
    enum { vecs = 2 };
    switch (mr) { EACH_HALF(IMPLICIT_CASE) }
}

static __attribute__((noinline)) void NAME(implicit_narrow)(int mr, IMPLICIT_ARGS)
{
    enum { vecs = 1 };
    switch (mr) { EACH_HEIGHT(IMPLICIT_CASE) }
}
#undef IMPLICIT_ARGS
#undef IMPLICIT_CASE

/* ---- weights: [group][phase][panel of outputs][tap][input channel][TILE_N] --------------------------------------- */

static ptrdiff_t NAME(group_weights)(const ConvShape *s, const pass *m)
{
    return s->taps * m->in * NAME(whole_panels)(m->out);      /* each tap belongs to one phase */
}

static ptrdiff_t NAME(pack_tasks)(const ConvShape *s, const pass *m)
{
    return s->groups * NAME(whole_panels)(m->out) / TILE_N;
}

/* One panel of outputs of a group, for all phases. */
static void NAME(pack_weight)(const ConvShape *s, const pass *m, const real *w, real *packed, ptrdiff_t task)
{
    const ptrdiff_t panels = NAME(whole_panels)(m->out) / TILE_N, group = task / panels, first = task % panels * TILE_N;
    const ptrdiff_t width = m->out - first < TILE_N ? m->out - first : TILE_N;
    const ptrdiff_t along_in = m->gradient ? s->depth : s->taps, along_out = m->gradient ? s->taps : s->depth;
    phase p;
    w += group * s->cout * s->depth + first * along_out;
    packed += group * NAME(group_weights)(s, m);
    for (ptrdiff_t i = 0; i < m->phases[0] * m->phases[1]; i++) {
        find_phase(s, m, i, 1, &p);
        real *out = packed + first * p.depth;
        for (int t = 0; t < p.taps; t++)
            for (ptrdiff_t c = 0; c < m->in; c++, out += TILE_N) {
                const real *from = w + p.tap[t] + c * along_in;
                for (ptrdiff_t l = 0; l < width; l++) out[l] = from[l * along_out];
                for (ptrdiff_t l = width; l < TILE_N; l++) out[l] = 0;
            }
        packed += p.depth * panels * TILE_N;
    }
}

/* ---- one block --------------------------------------------------------------------------------------------------- */

/* sums[position][TILE_N]: one panel of the outputs of a phase. `narrow`: half of the panel is enough. */
static void NAME(phase_products)(const phase *p, const real *copy, const int *at, ptrdiff_t positions,
                                 const real *weights, const real *biases, int narrow, real *sums)
{
    const real *start = biases;
    const ptrdiff_t tile = narrow ? TILE_M : TILE_M / 2;
    ptrdiff_t start_row = 0;
    portion step = {0};
    next_portion(p, &step);         /* may be empty: then the bias is all */
    do {
        for (ptrdiff_t t = 0; t < positions; t += tile)
            (narrow ? NAME(implicit_narrow) : NAME(implicit_wide))(
                positions - t < tile ? positions - t : tile, &step, copy, at + t, weights, start + t * start_row,
                start_row, sums + t * TILE_N);
        weights += step.depth * TILE_N;
        start = sums;
        start_row = TILE_N;
    } while (next_portion(p, &step));
}

/* All panels of one phase; y is the first channel of the block's group in its first image. */
static void NAME(phase_task)(const pass *m, const block *b, const phase *p, ptrdiff_t image_step, const real *copy,
                             int *at, const real *weights, const real *bias, real *sums, real *y)
{
    const ptrdiff_t lines = phase_lines(m, b, p->y), columns = phase_size(m, 1, p->x);
    const ptrdiff_t plane = m->out_size[0] * m->out_size[1], positions = find_positions(m, b, lines, columns, at);
    if (positions <= 0) return;
    y += (b->top * m->phases[0] + p->y) * m->out_size[1] + p->x;
    for (ptrdiff_t o = 0; o < m->out; o += TILE_N, weights += p->depth * TILE_N) {
        const ptrdiff_t channels = m->out - o < TILE_N ? m->out - o : TILE_N;
        real biases[TILE_N] = {0}, *line = sums;
        if (bias) memcpy(biases, bias + o, channels * sizeof(real));
        NAME(phase_products)(p, copy, at, positions, weights, biases, channels <= LANES, sums);
        for (ptrdiff_t n = 0; n < b->images; n++)
            for (ptrdiff_t i = 0; i < lines; i++, line += columns * TILE_N)
                NAME(channels_first)(line, channels, plane, columns, m->phases[1],
                                     y + n * image_step + o * plane + i * m->phases[0] * m->out_size[1]);
    }
}

static void NAME(implicit_task)(const ConvShape *s, const pass *m, const real *x, const real *weights,
                                const real *bias, real *y, real *scratch, ptrdiff_t task)
{
    const block b = find_block(s, m, task);
    const ptrdiff_t in_pixels = m->in_size[0] * m->in_size[1], out_pixels = m->out_size[0] * m->out_size[1];
    const ptrdiff_t first = b.image * s->groups + b.group;
    int *at = (int *)scratch;
    real *sums = scratch + most_positions(s, m), *copy = sums + most_positions(s, m) * TILE_N;
    phase p;
    if (b.lines <= 0 || b.images <= 0) return;
    for (ptrdiff_t n = 0; n < b.images; n++)
        NAME(channels_last)(x + (first + n * s->groups) * m->in * in_pixels, m->in, m->in_size,
                            b.top * m->step[0] + m->low[0], m->low[1], b.height, b.width, m->in,
                            copy + n * b.height * b.width * m->in);
    weights += b.group * NAME(group_weights)(s, m);
    y += first * m->out * out_pixels;
    if (bias) bias += b.group * m->out;
    for (ptrdiff_t i = 0; i < m->phases[0] * m->phases[1]; i++) {
        find_phase(s, m, i, b.width, &p);
        NAME(phase_task)(m, &b, &p, s->groups * m->out * out_pixels, copy, at, weights, bias, sums, y);
        weights += p.depth * NAME(whole_panels)(m->out);
    }
}

/* ---- plans and kernels, as conv.pxd describes them --------------------------------------------------------------- */

static double NAME(implicit_plan)(ConvShape *s, int threads, int gradient)
{
    enum { COPY = 22, WRITE_APART = 40 };       /* what an element costs that is turned, in products */
    const pass m = describe_pass(s, gradient);
    const double copied = plan_implicit(s, &m, threads, sizeof(real));
    if (copied == 0) return 0;
    s->scratch = most_positions(s, &m) * (1 + TILE_N) + (s->images * copy_pixels(s, &m) * m.in + 15) / 16 * 16;
    s->shared = s->groups * NAME(group_weights)(s, &m);
    const double images = (double)s->batch * s->groups, weights = (double)s->groups * s->depth * s->cout;
    const double written = images * m.out * m.out_size[0] * m.out_size[1];
    const double products = images * s->taps * m.in * m.grid[0] * m.grid[1] * NAME(whole_vectors)(m.out);
    return images * s->positions * s->depth * s->cout
        / (1.05 * products + COPY * (copied + weights) + (m.phases[1] > 1 ? WRITE_APART : COPY) * written);
}

static double NAME(implicit_forward_plan)(ConvShape *s, int threads) { return NAME(implicit_plan)(s, threads, 0); }

static double NAME(implicit_gradient_plan)(ConvShape *s, int threads) { return NAME(implicit_plan)(s, threads, 1); }

static void NAME(convolve)(const ConvShape *s, int gradient, const real *x, const real *w, const real *bias, real *y,
                           real *scratch, int threads)
{
    const pass m = describe_pass(s, gradient);
    real *weights = scratch + threads * s->scratch;
    const ptrdiff_t tasks = s->groups * s->blocks * s->bands;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < NAME(pack_tasks)(s, &m); i++) NAME(pack_weight)(s, &m, w, weights, i);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < tasks; i++)
        NAME(implicit_task)(s, &m, x, weights, bias, y, scratch + tl_thread_id() * s->scratch, i);
}

static void NAME(implicit_forward)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias,
                                   void *y, void *scratch, int threads)
{
    (void)gemm;
    NAME(convolve)(s, 0, x, w, bias, y, scratch, threads);
}

static void NAME(implicit_gradient)(const ConvShape *s, void *gemm, const void *dy, const void *w, const void *bias,
                                    void *dx, void *scratch, int threads)
{
    (void)gemm;
    NAME(convolve)(s, 1, dy, w, bias, dx, scratch, threads);
}
