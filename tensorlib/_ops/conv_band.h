/* Template for one element type `real`: plans, the copy of a band, and the products that run from it. Needs
   conv_lines.h. */

/* Lines of one phase of a channel, the first of which is line `row` of the image: column j is pixel j * step + start,
   and zero outside the image. May write a vector past the end. */
static void NAME(copy_lines)(const pass *m, const real *image, ptrdiff_t row, ptrdiff_t start, ptrdiff_t lines,
                             ptrdiff_t pitch, real *out)
{
    const ptrdiff_t step = m->step[1], size = m->in_size[1];
    const ptrdiff_t end = start < size ? limit((size - 1 - start) / step + 1, 0, pitch) : 0;
    const ptrdiff_t first = start < 0 ? limit((step - 1 - start) / step, 0, end) : 0;
    for (ptrdiff_t l = 0; l < lines; l++, row += m->step[0], out += pitch) {
        if (row < 0 || row >= m->in_size[0]) {
            NAME(clear_few)(pitch, out);
            continue;
        }
        const real *line = image + row * size;
        NAME(fetch)(line + m->in * m->in_size[0] * size, size);         /* of the next group or image */
        NAME(clear_few)(first, out);
        NAME(copy_apart)(line + first * step + start, end - first, step, out + first);
        NAME(clear_few)(pitch - end, out + end);
    }
}

/* The copy of the input lines under lines top .. top + rows of the outputs, with zeros wherever a vector may
   overhang. */
static void NAME(copy_band)(const bands *b, const real *image, ptrdiff_t top, ptrdiff_t rows, real *copy)
{
    const pass *m = &b->m;
    const ptrdiff_t lines = rows + b->extra[0];
    for (ptrdiff_t c = 0; c < m->in; c++, image += m->in_size[0] * m->in_size[1])
        for (int i = 0; i < b->y.count; i++)
            for (int j = 0; j < b->x.count; j++, copy += b->lines * b->pitch) {
                NAME(copy_lines)(m, image, top * m->step[0] + b->y.phase[i] + m->low[0], b->x.phase[j] + m->low[1],
                                 lines, b->pitch, copy);
                NAME(clear_few)((b->lines - lines) * b->pitch, copy + lines * b->pitch);
            }
    NAME(clear_few)(b->extra[1] + TILE_N, copy);
}

/* Elements of scratch memory of a thread: offsets, and the copy with slack for vectors that overhang its end. */
static ptrdiff_t NAME(whole_lines)(ptrdiff_t n) { return (n + 15) / 16 * 16; }

static ptrdiff_t NAME(offset_room)(const bands *b, const ConvShape *s)
{
    return NAME(whole_lines)(b->m.in * s->taps + b->phases);
}

static ptrdiff_t NAME(copy_room)(const bands *b)
{
    return NAME(whole_lines)(b->m.in * b->plane + b->extra[1] + TILE_N + LANES);
}

/* A band as one line, in whole pairs of vectors. */
static ptrdiff_t NAME(band_length)(const bands *b, ptrdiff_t rows)
{
    return (rows * b->pitch + TILE_N - 1) / TILE_N * TILE_N;
}

/* Cut the work into bands; 0 where this path does not apply. `gradient_of_weight`: lines of the gradient are kept
   too. */
static int NAME(plan_bands)(ConvShape *s, int gradient, int gradient_of_weight, int threads, bands *b)
{
    const ptrdiff_t images = s->batch * s->groups;
    s->band = 1;
    if (!find_bands(s, gradient, b)) return 0;
    const ptrdiff_t extra = b->extra[0], wide = s->cout < TILE_N ? TILE_N : s->cout;
    const ptrdiff_t more = gradient_of_weight ? b->pitch * wide : 0;
    const ptrdiff_t line = b->m.in * b->y.count * b->x.count * b->pitch * (ptrdiff_t)sizeof(real);
    ptrdiff_t rows = (BAND_BYTES - extra * line) / (line + more * (ptrdiff_t)sizeof(real));
    if (rows < 3 * extra + 1) rows = 3 * extra + 1;
    if (images < threads) {
        const ptrdiff_t pieces = (threads + images - 1) / images, piece = (b->m.grid[0] + pieces - 1) / pieces;
        if (piece < rows) rows = piece;
    }
    if (line > BAND_BYTES || (rows + extra) * line > 16 * BAND_BYTES) return 0;
    s->bands = (b->m.grid[0] + rows - 1) / rows;
    s->band = (b->m.grid[0] + s->bands - 1) / s->bands;
    return find_bands(s, gradient, b);
}

/* ---- forward, and gradient of the input: [output channels] = weight @ columns ------------------------------------ */

/* Output channels of a group, rounded up to whole tiles. Packed weights are [group][phase of the outputs][tile][row of
   the column matrix][TILE_M], and behind them all biases. */
static ptrdiff_t NAME(padded_out)(const pass *m) { return (m->out + TILE_M - 1) / TILE_M * TILE_M; }

static ptrdiff_t NAME(pack_tasks)(const ConvShape *s, const bands *b)
{
    return s->groups * (NAME(padded_out)(&b->m) / TILE_M);
}

static ptrdiff_t NAME(group_weights)(const ConvShape *s, const bands *b)
{
    return NAME(padded_out)(&b->m) * b->m.in * s->taps;     /* each tap belongs to one phase */
}

static ptrdiff_t NAME(packed_room)(const ConvShape *s, const bands *b)
{
    return s->groups * (NAME(group_weights)(s, b) + NAME(padded_out)(&b->m));
}

/* One tile of output channels, for all phases. */
static void NAME(pack_weight)(const ConvShape *s, const bands *b, const real *w, const real *bias, real *packed,
                              ptrdiff_t task)
{
    const pass *m = &b->m;
    const ptrdiff_t all = NAME(padded_out)(m), tiles = all / TILE_M;
    const ptrdiff_t group = task / tiles, first = task % tiles * TILE_M;
    const ptrdiff_t rows = m->out - first < TILE_M ? m->out - first : TILE_M;
    const ptrdiff_t along_in = m->gradient ? s->depth : s->taps, along_out = m->gradient ? s->taps : s->depth;
    real *biases = packed + s->groups * NAME(group_weights)(s, b) + group * all + first;
    for (ptrdiff_t i = 0; i < TILE_M; i++) biases[i] = bias && i < rows ? bias[group * m->out + first + i] : 0;
    w += group * s->cout * s->depth + first * along_out;
    packed += group * NAME(group_weights)(s, b);
    for (ptrdiff_t i = 0; i < b->phases; i++) {
        phases y, x;
        find_phases(&y, s, m, 0, i / m->phases[1]);
        find_phases(&x, s, m, 1, i % m->phases[1]);
        real *out = packed + first * m->in * y.taps * x.taps;
        for (ptrdiff_t c = 0; c < m->in; c++)
            for (int k = 0; k < y.taps * x.taps; k++, out += TILE_M) {
                const real *from = w + c * along_in + y.tap[k / x.taps] * s->kernel[2] + x.tap[k % x.taps];
                for (ptrdiff_t o = 0; o < rows; o++) out[o] = from[o * along_out];
            }
        packed += all * m->in * y.taps * x.taps;
    }
}

/* One more product for each of mr output channels and `vecs` vectors. */
ALWAYS_INLINE void NAME(direct_term)(const int mr, const int vecs, const real *w, const real *in, vec sum[][8])
{
    vec right[8];
    #pragma GCC unroll 8
    for (int j = 0; j < vecs; j++) right[j] = LOAD(in + j * LANES);
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        const vec left = w[i] - (vec){0};
        #pragma GCC unroll 8
        for (int j = 0; j < vecs; j++) sum[i][j] += left * right[j];
    }
}

/* `vecs` neighbouring vectors of outputs, for mr output channels, as sums of even and of odd terms, whose errors are
   smaller. `add` continues sums of an earlier step. */
ALWAYS_INLINE void NAME(direct_body)(const int mr, const int vecs, ptrdiff_t k, const real *w, const real *copy,
                                     const int *offsets, const real *bias, real *c, ptrdiff_t rc, int add)
{
    vec sum[2][TILE_M][8];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++)
        #pragma GCC unroll 8
        for (int j = 0; j < vecs; j++) sum[0][i][j] = sum[1][i][j] = (vec){0};
    for (ptrdiff_t pairs = pairs_of(k); pairs > 0; pairs--, k -= 2, offsets += 2)
        #pragma GCC unroll 2
        for (int e = 0; e < 2; e++, w += TILE_M) NAME(direct_term)(mr, vecs, w, copy + offsets[e], sum[e]);
    for (; k > 0; k--, w += TILE_M) NAME(direct_term)(mr, vecs, w, copy + *offsets++, sum[0]);
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++, c += rc) {
        const vec start = bias[i] - (vec){0};
        #pragma GCC unroll 8
        for (int j = 0; j < vecs; j++)
            STORE(c + j * LANES) = sum[0][i][j] + sum[1][i][j] + (add ? LOAD(c + j * LANES) : start);
    }
}

#define DIRECT_ARGS ptrdiff_t k, const real *w, const real *copy, const int *offsets, const real *bias, real *c, \
                    ptrdiff_t rc, int add
#define DIRECT_CASE(h) case h: NAME(direct_body)(h, vecs, k, w, copy, offsets, bias, c, rc, add); break;
static __attribute__((noinline)) void NAME(direct_pair)(int mr, DIRECT_ARGS)
{
    enum { vecs = 2 };
    switch (mr) { EACH_HALF(DIRECT_CASE) }
}

/* Few output channels need many vectors, or each sum would wait for itself. */
#define LONG (VECTOR_REGISTERS == 32 ? 8 : 6)
static __attribute__((noinline)) void NAME(direct_one)(DIRECT_ARGS)
{
    NAME(direct_body)(1, LONG, k, w, copy, offsets, bias, c, rc, add);
}

static __attribute__((noinline)) void NAME(direct_few)(int mr, DIRECT_ARGS)
{
    enum { vecs = 4 };
    switch (mr) { DIRECT_CASE(1) DIRECT_CASE(2) DIRECT_CASE(3) }
}
#undef DIRECT_CASE
#undef DIRECT_ARGS

/* One tile of output channels along a band: sums are `row` apart. */
static void NAME(band_products)(int mr, ptrdiff_t k, const real *w, const real *copy, const int *offsets,
                                const real *bias, ptrdiff_t length, real *sums, ptrdiff_t row)
{
    const ptrdiff_t chain = k / limit((k + CHAIN / 2) / CHAIN, 1, k + 1) + 1;       /* about that, and all equal */
    for (ptrdiff_t k0 = 0; k0 < k || k0 == 0; k0 += chain, w += chain * TILE_M, offsets += chain) {
        const ptrdiff_t rows = k - k0 < chain ? k - k0 : chain;
        ptrdiff_t v = 0;
        if (mr == 1)
            for (; v + LONG * LANES <= length; v += LONG * LANES)
                NAME(direct_one)(rows, w, copy + v, offsets, bias, sums + v, row, k0 > 0);
        if (mr <= 3)
            for (; v + 4 * LANES <= length; v += 4 * LANES)
                NAME(direct_few)(mr, rows, w, copy + v, offsets, bias, sums + v, row, k0 > 0);
        for (; v < length; v += TILE_N)
            for (int i = 0; i < mr; i += TILE_M / 2)
                NAME(direct_pair)(mr - i < TILE_M / 2 ? mr - i : TILE_M / 2, rows, w + i, copy + v, offsets, bias + i,
                                  sums + i * row + v, row, k0 > 0);
    }
}
#undef LONG

/* Lines of a band's sums to every step-th element of lines of an output. */
static void NAME(write_lines)(const real *sums, ptrdiff_t rows, ptrdiff_t pitch, ptrdiff_t width, ptrdiff_t step,
                              ptrdiff_t out_pitch, real *out)
{
    for (ptrdiff_t r = 0; r < rows; r++, sums += pitch, out += out_pitch) {
        if (step == 1) NAME(copy_few)(sums, width, out);
        else if (step == 2) for (ptrdiff_t x = 0; x < width; x++) out[2 * x] = sums[x];
        else for (ptrdiff_t x = 0; x < width; x++) out[x * step] = sums[x];
    }
}

/* A band of all outputs of a group. `offsets` are those of all phases, each after their number. */
static void NAME(direct_task)(const ConvShape *s, const bands *b, const real *x, const real *packed, const int *offsets,
                              real *y, real *copy, ptrdiff_t task)
{
    const pass *m = &b->m;
    const ptrdiff_t image = task / s->bands, group = image % s->groups, top = task % s->bands * b->band;
    const ptrdiff_t rows = limit(m->grid[0] - top, 0, b->band), length = NAME(band_length)(b, rows);
    const ptrdiff_t plane = m->out_size[0] * m->out_size[1], all = NAME(padded_out)(m);
    const real *bias = packed + s->groups * NAME(group_weights)(s, b) + group * all;
    real *sums = copy + NAME(copy_room)(b);
    if (rows == 0) return;
    NAME(copy_band)(b, x + image * m->in * m->in_size[0] * m->in_size[1], top, rows, copy);
    packed += group * NAME(group_weights)(s, b);
    y += image * m->out * plane;
    for (ptrdiff_t i = 0; i < b->phases; i++) {
        const ptrdiff_t k = *offsets++, first = i / m->phases[1], left = i % m->phases[1];
        const ptrdiff_t lines = limit(phase_size(m, 0, first) - top, 0, rows), width = phase_size(m, 1, left);
        real *out = y + (top * m->phases[0] + first) * m->out_size[1] + left;
        for (ptrdiff_t o = 0; o < m->out; o += TILE_M, packed += TILE_M * k) {
            const int mr = m->out - o < TILE_M ? m->out - o : TILE_M;
            NAME(band_products)(mr, k, packed, copy, offsets, bias + o, length, sums, length);
            for (int c = 0; c < mr; c++)
                NAME(write_lines)(sums + c * length, lines, b->pitch, width, m->phases[1],
                                  m->phases[0] * m->out_size[1], out + (o + c) * plane);
        }
        offsets += k;
    }
}

/* ---- gradient of the weight: sums[row of the column matrix][output channel] ------------------------------------- */

ALWAYS_INLINE void NAME(weight_body)(const int mr, const int vecs, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t pitch,
                                     const real *copy, const int *offsets, const real *dy, real *c, ptrdiff_t rc)
{
    vec x[TILE_M], y[TILE_M];
    const real *in[TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        x[i] = y[i] = (vec){0};
        in[i] = copy + offsets[i];
    }
    for (ptrdiff_t r = 0; r < rows; r++) {
        for (ptrdiff_t p = 0; p < cols; p++, dy += TILE_N) {
            const vec b0 = LOAD(dy), b1 = LOAD(dy + (vecs - 1) * LANES);
            #pragma GCC unroll 12
            for (int i = 0; i < mr; i++) {
                const vec left = in[i][p] - (vec){0};
                x[i] += left * b0;
                if (vecs == 2) y[i] += left * b1;
            }
        }
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) in[i] += pitch;
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) {
        STORE(c + i * rc) += x[i];
        if (vecs == 2) STORE(c + i * rc + LANES) += y[i];
    }
}

#define WEIGHT_CASE(h) case h: NAME(weight_body)(h, vecs, rows, cols, pitch, copy, offsets, dy, c, rc); break;
#define WEIGHT_ARGS int mr, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t pitch, const real *copy, const int *offsets, \
                    const real *dy, real *c, ptrdiff_t rc
static __attribute__((noinline)) void NAME(weight_wide)(WEIGHT_ARGS)
{
    enum { vecs = 2 };
    switch (mr) { EACH_HEIGHT(WEIGHT_CASE) }
}

static __attribute__((noinline)) void NAME(weight_narrow)(WEIGHT_ARGS)
{
    enum { vecs = 1 };
    switch (mr) { EACH_HEIGHT(WEIGHT_CASE) }
}
#undef WEIGHT_ARGS
#undef WEIGHT_CASE

/* With so few output channels they do not fill vectors: neighbouring positions do, which need inner products. */
static int NAME(few_channels)(const ConvShape *s) { return s->cout <= LANES / 2; }

/* The sum of a vector's lanes. */
ALWAYS_INLINE real NAME(lane_sum)(vec x)
{
    const quad *part = (const quad *)&x;
    quad total = part[0];
    #pragma GCC unroll 4
    for (size_t i = 1; i < VECTOR_BYTES / 16; i++) total += part[i];
    real even = total[0], odd = total[1];
    for (int l = 2; l < QUAD; l += 2) even += total[l], odd += total[l + 1];
    return even + odd;
}

/* sums[i] += the inner product of dy and the copy at offsets[i]; between lines dy is zero. A lane's sum is one of short
   sums. */
ALWAYS_INLINE void NAME(dots_body)(const int mr, ptrdiff_t length, const real *copy, const int *offsets, const real *dy,
                                   real *sums, ptrdiff_t step)
{
    vec all[TILE_M];
    const real *in[TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) all[i] = (vec){0}, in[i] = copy + offsets[i];
    for (ptrdiff_t p = 0, end; p < length; p = end) {
        vec sum[TILE_M];
        end = length - p < CHAIN / 2 * LANES ? length : p + CHAIN / 2 * LANES;
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) sum[i] = (vec){0};
        for (ptrdiff_t q = p; q < end; q += LANES) {
            const vec g = LOAD(dy + q);
            #pragma GCC unroll 12
            for (int i = 0; i < mr; i++) sum[i] += g * LOAD(in[i] + q);
        }
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) all[i] += sum[i];
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) sums[i * step] += NAME(lane_sum)(all[i]);
}

#define DOTS_CASE(h) case h: NAME(dots_body)(h, length, copy, offsets, dy, sums, step); break;
static __attribute__((noinline)) void NAME(dots)(int mr, ptrdiff_t length, const real *copy, const int *offsets,
                                                 const real *dy, real *sums, ptrdiff_t step)
{
    switch (mr) { EACH_HEIGHT(DOTS_CASE) }
}
#undef DOTS_CASE

/* Output channels that the sums have room for: whole panels, or those that are there. */
static ptrdiff_t NAME(padded_panels)(const ConvShape *s)
{
    return NAME(few_channels)(s) ? s->cout : (s->cout + TILE_N - 1) / TILE_N * TILE_N;
}

/* Scratch of a thread: what copy_band needs, and the gradient of a band turned, or one channel of it as one line. */
static ptrdiff_t NAME(weight_room)(const ConvShape *s, const bands *b)
{
    const ptrdiff_t turned = NAME(few_channels)(s) ? NAME(band_length)(b, b->band) + LANES
                                                   : b->band * s->out[2] * NAME(padded_panels)(s);
    return NAME(offset_room)(b, s) + NAME(copy_room)(b) + turned;
}

static ptrdiff_t NAME(sums_room)(const ConvShape *s)
{
    return s->parts * s->groups * s->depth * NAME(padded_panels)(s);
}

/* A band's part of the sums, for one group. `lanes` is the band's gradient as panels of [position][TILE_N]. */
static void NAME(weight_band)(const ConvShape *s, const bands *b, ptrdiff_t rows, const real *copy, const int *offsets,
                              const real *lanes, real *sums)
{
    const ptrdiff_t width = s->out[2], all = NAME(padded_panels)(s);
    const ptrdiff_t most = width < CHAIN ? CHAIN / width : 1;   /* lines that stay in the first level cache */
    for (ptrdiff_t r = 0; r < rows; r += most) {
        const ptrdiff_t part = rows - r < most ? rows - r : most;
        for (ptrdiff_t o = 0; o < s->cout; o += TILE_N) {
            const real *dy = lanes + o * rows * width + r * width * TILE_N;
            for (ptrdiff_t k = 0; k < s->depth; k += TILE_M) {
                const int mr = s->depth - k < TILE_M ? s->depth - k : TILE_M;
                (s->cout - o <= LANES ? NAME(weight_narrow) : NAME(weight_wide))(
                    mr, part, width, b->pitch, copy + r * b->pitch, offsets + k, dy, sums + k * all + o, all);
            }
        }
    }
}

/* The same for few channels, one after the other. */
static void NAME(weight_dots)(const ConvShape *s, const bands *b, ptrdiff_t rows, const real *copy, const int *offsets,
                              const real *dy, real *line, real *sums)
{
    const ptrdiff_t width = s->out[2], all = NAME(padded_panels)(s), length = NAME(band_length)(b, rows);
    for (ptrdiff_t o = 0; o < s->cout; o++, dy += s->positions) {
        for (ptrdiff_t r = 0; r < rows; r++) {
            NAME(fetch)(dy + s->cout * s->positions + r * width, width);
            NAME(copy_few)(dy + r * width, width, line + r * b->pitch);
            NAME(clear_few)(b->pitch - width, line + r * b->pitch + width);
        }
        NAME(clear_few)(length - rows * b->pitch, line + rows * b->pitch);
        for (ptrdiff_t k = 0; k < s->depth; k += TILE_M) {
            const int mr = s->depth - k < TILE_M ? s->depth - k : TILE_M;
            NAME(dots)(mr, length, copy, offsets + k, line, sums + k * all + o, all);
        }
    }
}

/* A part of the images and bands, for all groups, into sums of its own. */
static void NAME(weight_task)(const ConvShape *s, const bands *b, const real *dy, const real *x, real *sums,
                              real *scratch, ptrdiff_t part)
{
    const ptrdiff_t tasks = s->batch * s->groups * s->bands, all = NAME(padded_panels)(s);
    const ptrdiff_t first = tasks * part / s->parts, last = tasks * (part + 1) / s->parts;
    int *offsets = (int *)scratch;
    real *copy = scratch + NAME(offset_room)(b, s), *lanes = copy + NAME(copy_room)(b);
    sums += part * s->groups * s->depth * all;
    memset(sums, 0, s->groups * s->depth * all * sizeof(real));
    find_offsets(b, &b->y, &b->x, offsets);
    for (ptrdiff_t t = first; t < last; t++) {
        const ptrdiff_t band = t % s->bands, image = t / s->bands, top = band * s->band;
        const ptrdiff_t rows = limit(s->out[1] - top, 0, s->band), n = rows * s->out[2];
        if (rows == 0) continue;
        NAME(copy_band)(b, x + image * s->cin * s->pixels, top, rows, copy);
        const real *grad = dy + image * s->cout * s->positions + top * s->out[2];
        real *own = sums + image % s->groups * s->depth * all;
        if (NAME(few_channels)(s)) {
            NAME(weight_dots)(s, b, rows, copy, offsets, grad, lanes, own);
            continue;
        }
        for (ptrdiff_t o = 0; o < s->cout; o += TILE_N)
            NAME(pack_b)(n, s->cout - o < TILE_N ? s->cout - o : TILE_N, grad + o * s->positions, 1, s->positions,
                         lanes + o * n);
        NAME(weight_band)(s, b, rows, copy, offsets, lanes, own);
    }
}

/* ---- plans and kernels, as conv.pxd describes them --------------------------------------------------------------- */

/* Useful part of the work for n things in tiles of `step`, where a last tile costs as much as `least` at least. */
static double NAME(share)(ptrdiff_t n, ptrdiff_t step, ptrdiff_t least)
{
    const ptrdiff_t rest = n % step;
    return (double)n / (n - rest + (rest == 0 ? 0 : rest < least ? least : rest));
}

/* What the copy of a band takes, in products: lines cost more than their elements where those are few. */
static double NAME(copy_cost)(const bands *b)
{
    enum { ELEMENT = 4, ELEMENT_APART = 10 };
    const double elements = (double)b->m.in * b->plane;
    return elements * (b->m.step[1] > 1 ? ELEMENT_APART : ELEMENT) + elements / b->pitch * LINE_COST;
}

static double NAME(direct_pass)(ConvShape *s, int gradient, int threads)
{
    enum { WRITE = 8, WRITE_APART = 32, LEAST = 2 };    /* what an element costs that is written, in products */
    bands b;
    if ((gradient ? s->cin : s->cout) > MOST_OUT || !NAME(plan_bands)(s, gradient, 0, threads, &b)) return 0;
    const pass *m = &b.m;
    const ptrdiff_t length = NAME(band_length)(&b, b.band);
    s->scratch = NAME(offset_room)(&b, s) + NAME(copy_room)(&b) + TILE_M * length;
    s->shared = NAME(packed_room)(s, &b);
    const double each = (double)s->batch * s->groups * s->bands, rows = m->out / NAME(share)(m->out, TILE_M, LEAST);
    const double moved = NAME(copy_cost)(&b)
        + (double)b.phases * m->out * length * (m->phases[1] > 1 ? WRITE_APART : WRITE);
    return (double)s->batch * s->groups * s->positions * s->depth * s->cout
        / (each * (1.12 * rows * m->in * s->taps * length + moved + BAND));
}

static double NAME(direct_plan)(ConvShape *s, int threads) { return NAME(direct_pass)(s, 0, threads); }

static double NAME(direct_dx_plan)(ConvShape *s, int threads) { return NAME(direct_pass)(s, 1, threads); }

static double NAME(direct_weight_plan)(ConvShape *s, int threads)
{
    enum { TURN = 45, COPY = 8, END = 300 };    /* an element's costs in products: turned, copied, a sum ended */
    bands b;
    if (s->groups * s->cout * s->depth > MOST_SUMS || !NAME(plan_bands)(s, 0, 1, threads, &b)) return 0;
    s->parts = limit(threads, 1, s->batch * s->groups * s->bands);
    s->scratch = NAME(weight_room)(s, &b);
    s->shared = NAME(sums_room)(s);
    if (NAME(few_channels)(s)) {
        const double length = NAME(band_length)(&b, s->band);
        return (double)s->cout * s->depth * s->band * s->out[2]
            / (s->cout * s->depth * (2 * length + END) + NAME(copy_cost)(&b) + COPY * s->cout * length);
    }
    const ptrdiff_t rest = s->cout % TILE_N, last = rest > LANES ? TILE_N : rest > 0 ? LANES * 5 / 4 : 0;
    const double products = (double)s->depth / NAME(share)(s->depth, TILE_M, 4) * (s->cout - rest + last);
    const double n = s->band * s->out[2];
    return n * s->depth * s->cout / (n * (products + TURN * s->cout) + NAME(copy_cost)(&b) + BAND
                                     + SUM_COST * s->depth * s->cout / (s->batch * s->bands));
}

static void NAME(run_direct)(const ConvShape *s, int gradient, const real *x, const real *w, const real *bias, real *y,
                             real *scratch, int threads)
{
    real *packed = scratch + threads * s->scratch;
    const ptrdiff_t tasks = s->batch * s->groups * s->bands;
    bands b;
    find_bands(s, gradient, &b);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < NAME(pack_tasks)(s, &b); i++) NAME(pack_weight)(s, &b, w, bias, packed, i);
    #pragma omp parallel num_threads(threads)
    {
        real *own = scratch + tl_thread_id() * s->scratch, *copy = own + NAME(offset_room)(&b, s);
        find_all_offsets(s, &b, (int *)own);
        #pragma omp for schedule(static) nowait
        for (ptrdiff_t i = 0; i < tasks; i++) NAME(direct_task)(s, &b, x, packed, (const int *)own, y, copy, i);
    }
}

static void NAME(direct_forward)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias,
                                 void *y, void *scratch, int threads)
{
    (void)gemm;
    NAME(run_direct)(s, 0, x, w, bias, y, scratch, threads);
}

static void NAME(direct_dx)(const ConvShape *s, void *gemm, const void *dy, const void *w, const void *bias, void *dx,
                            void *scratch, int threads)
{
    (void)gemm;
    NAME(run_direct)(s, 1, dy, w, bias, dx, scratch, threads);
}

static void NAME(direct_weight)(const ConvShape *s, void *gemm, const void *dy, const void *x, const void *bias,
                                void *dw, void *scratch, int threads)
{
    real *sums = (real *)scratch + threads * s->scratch;
    bands b;
    (void)gemm, (void)bias;
    find_bands(s, 0, &b);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < s->parts; i++)
        NAME(weight_task)(s, &b, dy, x, sums, (real *)scratch + tl_thread_id() * s->scratch, i);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < s->groups * s->cout; i++) NAME(weight_join)(s, sums, NAME(padded_panels)(s), dw, i);
}
