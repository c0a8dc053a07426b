/* Template for one element type `real`: planning, the copy of a band, and the two products that run from it.
   Needs gemm_tile.h. Tasks are numbered; which thread runs which is the caller's business. */

static ptrdiff_t NAME(lanes)(void) { return LANES; }

/* Cut the work into bands; 0 where this path does not apply. `more`: elements needed for each output line beside the
   copy of the input. */
static int NAME(plan_bands)(ConvShape *s, int threads, ptrdiff_t more)
{
    phases y, x;
    const ptrdiff_t wide = (s->out[2] + LANES - 1) / LANES * LANES, images = s->batch * s->groups;
    if (s->size[0] != 1 || s->kernel[0] != 1 || s->out[0] != 1 || s->padding[0] != 0) return 0;
    if (s->kernel[1] > MOST_TAPS || s->kernel[2] > MOST_TAPS) return 0;
    find_phases(&y, s, 1);
    find_phases(&x, s, 2);
    s->pitch = wide + x.shift[s->kernel[2] - 1];
    const ptrdiff_t extra = y.shift[s->kernel[1] - 1];      /* lines that a band shares with the next */
    const ptrdiff_t line = s->cin * y.count * x.count * s->pitch * (ptrdiff_t)sizeof(real);
    ptrdiff_t rows = (BAND_BYTES - extra * line) / (line + more * (ptrdiff_t)sizeof(real));
    if (rows < 3 * extra + 1) rows = 3 * extra + 1;
    if (images < threads) {
        const ptrdiff_t pieces = (threads + images - 1) / images, piece = (s->out[1] + pieces - 1) / pieces;
        if (piece < rows) rows = piece;
    }
    if (line > BAND_BYTES || (rows + extra) * line > 16 * BAND_BYTES) return 0;
    s->bands = (s->out[1] + rows - 1) / rows;
    s->band = (s->out[1] + s->bands - 1) / s->bands;
    s->lines = s->band + extra;
    s->plane = y.count * x.count * s->lines * s->pitch;
    const ptrdiff_t steps = (s->depth + STEP - 1) / STEP;
    s->step = (s->depth + steps - 1) / steps;
    return 1;
}

/* One line of one phase: in[j * stride + start] for 0 <= j < width, zero outside the input. */
static void NAME(copy_line)(const real *in, ptrdiff_t size, ptrdiff_t start, ptrdiff_t stride, ptrdiff_t width,
                            real *out)
{
    ptrdiff_t first = start < 0 ? (stride - 1 - start) / stride : 0;
    ptrdiff_t last = start < size ? (size - 1 - start) / stride + 1 : 0;
    if (last > width) last = width;
    if (first > last) first = last;
    for (ptrdiff_t j = 0; j < first; j++) out[j] = 0;
    if (stride == 1)
        memcpy(out + first, in + start + first, (last - first) * sizeof(real));
    else if (stride == 2)
        for (ptrdiff_t j = first; j < last; j++) out[j] = in[j * 2 + start];
    else
        for (ptrdiff_t j = first; j < last; j++) out[j] = in[j * stride + start];
    for (ptrdiff_t j = last; j < width; j++) out[j] = 0;
}

/* The copy of the input lines under output lines top .. top + rows: [channel][phase of y][phase of x][line][pitch]. */
static void NAME(copy_band)(const ConvShape *s, const phases *y, const phases *x, const real *image, ptrdiff_t top,
                            ptrdiff_t rows, real *copy)
{
    const ptrdiff_t lines = rows + s->lines - s->band;
    for (ptrdiff_t c = 0; c < s->cin; c++, image += s->pixels)
        for (int a = 0; a < y->count; a++)
            for (int b = 0; b < x->count; b++) {
                real *out = copy + c * s->plane + (a * x->count + b) * s->lines * s->pitch;
                for (ptrdiff_t i = 0; i < lines; i++, out += s->pitch) {
                    const ptrdiff_t row = (top + i) * s->stride[1] + y->phase[a] - s->padding[1];
                    if (row < 0 || row >= s->size[1])
                        memset(out, 0, s->pitch * sizeof(real));
                    else
                        NAME(copy_line)(image + row * s->size[2], s->size[2], x->phase[b] - s->padding[2], s->stride[2],
                                        s->pitch, out);
                }
            }
}

/* ---- forward: [output channels] = weight @ columns ------------------------------------------------------------- */

/* Output channels of a group, rounded up to whole tiles; packed weights of a group stand in steps of
   [tile of output channels][row of the column matrix][TILE_M]. */
static ptrdiff_t NAME(padded_out)(const ConvShape *s) { return (s->cout + TILE_M - 1) / TILE_M * TILE_M; }

static ptrdiff_t NAME(pack_tasks)(const ConvShape *s) { return s->groups * (NAME(padded_out)(s) / TILE_M); }

/* Elements that the packed weights and biases of all groups take. */
static ptrdiff_t NAME(packed_room)(const ConvShape *s) { return s->groups * NAME(padded_out)(s) * (s->depth + 1); }

static void NAME(pack_weight)(const ConvShape *s, const real *w, const real *bias, real *packed, ptrdiff_t task)
{
    const ptrdiff_t tiles = NAME(padded_out)(s) / TILE_M, group = task / tiles, first = task % tiles * TILE_M;
    const ptrdiff_t all = NAME(padded_out)(s), rows = s->cout - first < TILE_M ? s->cout - first : TILE_M;
    real *biases = packed + s->groups * all * s->depth + group * all + first;
    packed += group * all * s->depth;
    w += group * s->cout * s->depth;
    for (ptrdiff_t i = 0; i < TILE_M; i++) biases[i] = bias && i < rows ? bias[group * s->cout + first + i] : 0;
    for (ptrdiff_t k0 = 0; k0 < s->depth; k0 += s->step) {
        const ptrdiff_t k = s->depth - k0 < s->step ? s->depth - k0 : s->step;
        real *out = packed + all * k0 + first * k;
        for (ptrdiff_t p = k0; p < k0 + k; p++, out += TILE_M)
            for (ptrdiff_t i = 0; i < rows; i++) {
                const ptrdiff_t c = p / s->taps, tap = p % s->taps, o = first + i;
                out[i] = s->flipped ? w[(c * s->cout + o) * s->taps + s->taps - 1 - tap] : w[o * s->depth + p];
            }
    }
}

/* Two vectors of outputs, for mr output channels. `add` continues sums of an earlier step. */
ALWAYS_INLINE void NAME(direct_body)(const int mr, ptrdiff_t k, const real *w, const real *p0, const real *p1,
                                     const int *offsets, const real *bias, real *c0, real *c1, ptrdiff_t rc, int add)
{
    vec x[TILE_M], y[TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) x[i] = y[i] = (vec){0};
    for (ptrdiff_t p = 0; p < k; p++, w += TILE_M) {
        const vec b0 = LOAD(p0 + offsets[p]), b1 = LOAD(p1 + offsets[p]);
        #pragma GCC unroll 12
        for (int i = 0; i < mr; i++) {
            const vec left = w[i] - (vec){0};
            x[i] += left * b0;
            y[i] += left * b1;
        }
    }
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++, c0 += rc, c1 += rc) {
        const vec start = bias[i] - (vec){0};
        STORE(c0) = x[i] + (add ? LOAD(c0) : start);
        STORE(c1) = y[i] + (add ? LOAD(c1) : start);
    }
}

#define DIRECT_CASE(h) case h: NAME(direct_body)(h, k, w, p0, p1, offsets, bias, c0, c1, rc, add); break;
#define WEIGHT_CASE(h) case h: NAME(weight_body)(h, vecs, rows, cols, pitch, copy, offsets, dy, c, rc); break;

static __attribute__((noinline)) void NAME(direct)(int mr, ptrdiff_t k, const real *w, const real *p0, const real *p1,
                                                   const int *offsets, const real *bias, real *c0, real *c1,
                                                   ptrdiff_t rc, int add)
{
    switch (mr) { EACH_HEIGHT(DIRECT_CASE) }
}

/* The vectors of a band are numbered along its lines; a vector that overhangs its line goes through a buffer. */
static void NAME(direct_pair)(const ConvShape *s, ptrdiff_t v0, ptrdiff_t v1, ptrdiff_t k, const real *w,
                              const real *copy, const int *offsets, const real *bias, real *y, int add)
{
    const ptrdiff_t per_line = (s->out[2] + LANES - 1) / LANES, p = s->positions;
    const ptrdiff_t r0 = v0 / per_line, x0 = v0 % per_line * LANES, r1 = v1 / per_line, x1 = v1 % per_line * LANES;
    const ptrdiff_t w0 = s->out[2] - x0, w1 = s->out[2] - x1;
    const real *p0 = copy + r0 * s->pitch + x0, *p1 = copy + r1 * s->pitch + x1;
    real *y0 = y + r0 * s->out[2] + x0, *y1 = y + r1 * s->out[2] + x1, buffer[TILE_M * TILE_N];
    const ptrdiff_t n0 = w0 < LANES ? w0 : LANES, n1 = v1 == v0 ? 0 : w1 < LANES ? w1 : LANES;
    for (ptrdiff_t o = 0; o < s->cout; o += TILE_M, w += TILE_M * k, y0 += TILE_M * p, y1 += TILE_M * p) {
        const int mr = s->cout - o < TILE_M ? s->cout - o : TILE_M;
        if (n0 == LANES && n1 == LANES) {
            NAME(direct)(mr, k, w, p0, p1, offsets, bias + o, y0, y1, p, add);
            continue;
        }
        for (int i = 0; i < mr && add; i++) {
            memcpy(buffer + i * TILE_N, y0 + i * p, n0 * sizeof(real));
            memcpy(buffer + i * TILE_N + LANES, y1 + i * p, n1 * sizeof(real));
        }
        NAME(direct)(mr, k, w, p0, p1, offsets, bias + o, buffer, buffer + LANES, TILE_N, add);
        for (int i = 0; i < mr; i++) {
            memcpy(y0 + i * p, buffer + i * TILE_N, n0 * sizeof(real));
            memcpy(y1 + i * p, buffer + i * TILE_N + LANES, n1 * sizeof(real));
        }
    }
}

/* Elements of scratch memory of a thread: the offsets, the copy, and slack for vectors that overhang its end. */
static ptrdiff_t NAME(offset_room)(const ConvShape *s) { return (s->depth + 15) / 16 * 16; }

static ptrdiff_t NAME(copy_room)(const ConvShape *s)
{
    return NAME(offset_room)(s) + (s->cin * s->plane + 2 * LANES + 15) / 16 * 16;
}

static void NAME(direct_task)(const ConvShape *s, const real *x, const real *packed, real *y, real *scratch,
                              ptrdiff_t task)
{
    const ptrdiff_t band = task % s->bands, image = task / s->bands, group = image % s->groups;
    const ptrdiff_t top = band * s->band, rows = s->out[1] - top < s->band ? s->out[1] - top : s->band;
    const ptrdiff_t vectors = rows * ((s->out[2] + LANES - 1) / LANES), all = NAME(padded_out)(s);
    const real *bias = packed + s->groups * all * s->depth + group * all;
    int *offsets = (int *)scratch;
    real *copy = scratch + NAME(offset_room)(s);
    phases py, px;
    if (rows <= 0) return;
    find_phases(&py, s, 1);
    find_phases(&px, s, 2);
    find_offsets(s, &py, &px, offsets);
    NAME(copy_band)(s, &py, &px, x + image * s->cin * s->pixels, top, rows, copy);
    packed += group * all * s->depth;
    y += image * s->cout * s->positions + top * s->out[2];
    for (ptrdiff_t k0 = 0; k0 < s->depth; k0 += s->step) {
        const ptrdiff_t k = s->depth - k0 < s->step ? s->depth - k0 : s->step;
        for (ptrdiff_t v = 0; v < vectors; v += 2)
            NAME(direct_pair)(s, v, v + 1 < vectors ? v + 1 : v, k, packed + all * k0, copy, offsets + k0, bias, y,
                              k0 > 0);
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
        x[i] = LOAD(c + i * rc);
        if (vecs == 2) y[i] = LOAD(c + i * rc + LANES);
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
        STORE(c + i * rc) = x[i];
        if (vecs == 2) STORE(c + i * rc + LANES) = y[i];
    }
}

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
#undef DIRECT_CASE

/* With so few output channels they do not fill vectors: neighbouring positions do, which need inner products. */
static int NAME(few_channels)(const ConvShape *s) { return s->cout <= LANES / 2; }

/* sums[i] += the inner product of dy and the copy at offsets[i]; lines of dy end in zeros. */
ALWAYS_INLINE void NAME(dots_body)(const int mr, ptrdiff_t rows, ptrdiff_t wide, ptrdiff_t pitch, const real *copy,
                                   const int *offsets, const real *dy, real *sums, ptrdiff_t step)
{
    vec sum[TILE_M];
    #pragma GCC unroll 12
    for (int i = 0; i < mr; i++) sum[i] = (vec){0};
    for (ptrdiff_t r = 0; r < rows; r++, copy += pitch, dy += wide)
        for (ptrdiff_t p = 0; p < wide; p += LANES) {
            const vec g = LOAD(dy + p);
            #pragma GCC unroll 12
            for (int i = 0; i < mr; i++) sum[i] += g * LOAD(copy + offsets[i] + p);
        }
    for (int i = 0; i < mr; i++)
        for (int l = 0; l < LANES; l++) sums[i * step] += sum[i][l];
}

#define DOTS_CASE(h) case h: NAME(dots_body)(h, rows, wide, pitch, copy, offsets, dy, sums, step); break;
static __attribute__((noinline)) void NAME(dots)(int mr, ptrdiff_t rows, ptrdiff_t wide, ptrdiff_t pitch,
                                                 const real *copy, const int *offsets, const real *dy, real *sums,
                                                 ptrdiff_t step)
{
    switch (mr) { EACH_HEIGHT(DOTS_CASE) }
}
#undef DOTS_CASE

static ptrdiff_t NAME(padded_panels)(const ConvShape *s) { return (s->cout + TILE_N - 1) / TILE_N * TILE_N; }

/* Scratch of a thread: what copy_band needs, and the gradient of a band turned: line_room for each line. */
static ptrdiff_t NAME(wide_line)(const ConvShape *s) { return (s->out[2] + LANES - 1) / LANES * LANES; }

static ptrdiff_t NAME(line_room)(const ConvShape *s)
{
    return NAME(few_channels)(s) ? NAME(wide_line)(s) : s->out[2] * NAME(padded_panels)(s);
}

static ptrdiff_t NAME(weight_room)(const ConvShape *s)
{
    return NAME(copy_room)(s) + s->band * NAME(line_room)(s);
}

static ptrdiff_t NAME(sums_room)(const ConvShape *s)
{
    return s->parts * s->groups * s->depth * NAME(padded_panels)(s);
}

/* A band's part of the sums, for one group. `lanes` is the band's gradient as panels of [position][TILE_N]. */
static void NAME(weight_band)(const ConvShape *s, ptrdiff_t rows, const real *copy, const int *offsets,
                              const real *lanes, real *sums)
{
    const ptrdiff_t width = s->out[2], all = NAME(padded_panels)(s);
    const ptrdiff_t most = width < 256 ? 256 / width : 1;       /* lines that stay in the first level cache */
    for (ptrdiff_t r = 0; r < rows; r += most) {
        const ptrdiff_t part = rows - r < most ? rows - r : most;
        for (ptrdiff_t o = 0; o < s->cout; o += TILE_N) {
            const real *dy = lanes + o * rows * width + r * width * TILE_N;
            for (ptrdiff_t k = 0; k < s->depth; k += TILE_M) {
                const int mr = s->depth - k < TILE_M ? s->depth - k : TILE_M;
                (s->cout - o <= LANES ? NAME(weight_narrow) : NAME(weight_wide))(
                    mr, part, width, s->pitch, copy + r * s->pitch, offsets + k, dy, sums + k * all + o, all);
            }
        }
    }
}

/* The same for few channels, with `lanes` as the lines of one channel, padded with zeros to whole vectors. */
static void NAME(weight_dots)(const ConvShape *s, ptrdiff_t rows, const real *copy, const int *offsets, const real *dy,
                              real *lanes, real *sums)
{
    const ptrdiff_t wide = NAME(wide_line)(s), width = s->out[2], all = NAME(padded_panels)(s);
    for (ptrdiff_t o = 0; o < s->cout; o++, dy += s->positions) {
        for (ptrdiff_t r = 0; r < rows; r++) {
            memcpy(lanes + r * wide, dy + r * width, width * sizeof(real));
            memset(lanes + r * wide + width, 0, (wide - width) * sizeof(real));
        }
        for (ptrdiff_t k = 0; k < s->depth; k += TILE_M) {
            const int mr = s->depth - k < TILE_M ? s->depth - k : TILE_M;
            NAME(dots)(mr, rows, wide, s->pitch, copy, offsets + k, lanes, sums + k * all + o, all);
        }
    }
}

/* A part of the images and bands, for all groups, into sums of its own. */
static void NAME(weight_task)(const ConvShape *s, const real *dy, const real *x, real *sums, real *scratch,
                              ptrdiff_t part)
{
    const ptrdiff_t tasks = s->batch * s->groups * s->bands, all = NAME(padded_panels)(s);
    const ptrdiff_t first = tasks * part / s->parts, last = tasks * (part + 1) / s->parts;
    int *offsets = (int *)scratch;
    real *copy = scratch + NAME(offset_room)(s), *lanes = scratch + NAME(copy_room)(s);
    phases py, px;
    sums += part * s->groups * s->depth * all;
    memset(sums, 0, s->groups * s->depth * all * sizeof(real));
    find_phases(&py, s, 1);
    find_phases(&px, s, 2);
    find_offsets(s, &py, &px, offsets);
    for (ptrdiff_t t = first; t < last; t++) {
        const ptrdiff_t band = t % s->bands, image = t / s->bands, top = band * s->band;
        const ptrdiff_t rows = s->out[1] - top < s->band ? s->out[1] - top : s->band, n = rows * s->out[2];
        if (rows <= 0) continue;
        NAME(copy_band)(s, &py, &px, x + image * s->cin * s->pixels, top, rows, copy);
        const real *grad = dy + image * s->cout * s->positions + top * s->out[2];
        real *own = sums + image % s->groups * s->depth * all;
        if (NAME(few_channels)(s)) {
            NAME(weight_dots)(s, rows, copy, offsets, grad, lanes, own);
            continue;
        }
        for (ptrdiff_t o = 0; o < s->cout; o += TILE_N)
            NAME(pack_b)(n, s->cout - o < TILE_N ? s->cout - o : TILE_N, grad + o * s->positions, 1, s->positions,
                         lanes + o * n);
        NAME(weight_band)(s, rows, copy, offsets, lanes, own);
    }
}

/* The gradient for one output channel: the sum of all parts, turned. */
static void NAME(weight_join)(const ConvShape *s, const real *sums, real *dw, ptrdiff_t channel)
{
    const ptrdiff_t all = NAME(padded_panels)(s), group = channel / s->cout, part = s->groups * s->depth * all;
    sums += group * s->depth * all + channel % s->cout;
    for (ptrdiff_t k = 0; k < s->depth; k++) {
        real total = 0;
        for (ptrdiff_t i = 0; i < s->parts; i++) total += sums[i * part + k * all];
        dw[channel * s->depth + k] = total;
    }
}
