/* Template for one element type `real`: vectors as wide as lines can use, and plans, images and threads of
   conv_depth.h. Needs gemm_tile.h. */

/* Lines of outputs, or of their gradient, and those of the input that they read, in order. */
typedef struct {
    const real *const *line;
    ptrdiff_t count, pitch;                     /* lines of outputs, and the distance between them */
    const real *w;                              /* a column of the kernel after the other, for both phases */
    real bias;
    const real *grad, *zeros;                   /* for the gradient of the weight */
    real *out;                                  /* the outputs, or its sums */
} NAME(lines);

typedef void NAME(lines_fn)(int key, const depthwise *d, const NAME(lines) *l);

#define SIZED(name) PASTE(name##_whole, real)
#define WIDTH (VECTOR_BYTES / REAL_BYTES)
#include "conv_depth_lanes.h"
#undef SIZED
#undef WIDTH
#if REAL_BYTES == 4 && VECTOR_BYTES >= 32
#define SIZED(name) PASTE(name##_half, real)
#define WIDTH (VECTOR_BYTES / REAL_BYTES / 2)
#include "conv_depth_lanes.h"
#undef SIZED
#undef WIDTH
#endif
#if REAL_BYTES == 4 && VECTOR_BYTES >= 64
#define SIZED(name) PASTE(name##_quarter, real)
#define WIDTH (VECTOR_BYTES / REAL_BYTES / 4)
#include "conv_depth_lanes.h"
#undef SIZED
#undef WIDTH
#endif

/* The function for vectors of the width that was chosen, at least LEAST. Narrow ones are for float only. */
#if REAL_BYTES == 4 && VECTOR_BYTES >= 64
#define LEAST 4
#define BY_WIDTH(name, d) ((d)->width == LANES ? PASTE(name##_whole, real) : \
                           (d)->width == LANES / 2 ? PASTE(name##_half, real) : PASTE(name##_quarter, real))
#elif REAL_BYTES == 4 && VECTOR_BYTES >= 32
#define LEAST 4
#define BY_WIDTH(name, d) ((d)->width == LANES ? PASTE(name##_whole, real) : PASTE(name##_half, real))
#else
#define LEAST LANES
#define BY_WIDTH(name, d) PASTE(name##_whole, real)
#endif

/* Without masks there are no narrow ones. */
#if HAS_MASKS
#define IF_NARROW(what, d) BY_WIDTH(what##_narrow, d)
#else
#define IF_NARROW(what, d) NULL
#endif

static int NAME(find_depthwise)(const ConvShape *s, int gradient, ptrdiff_t most_narrow, depthwise *d)
{
    return find_depthwise(s, gradient, most_narrow, LANES, LEAST, d);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static ptrdiff_t NAME(whole_lines)(ptrdiff_t n) { return (n + 15) / 16 * 16; }

/* Elements of scratch memory for the addresses of lines: [remainder by the unit][run]. */
static ptrdiff_t NAME(table_room)(const depthwise *d)
{
    return NAME(whole_lines)((d->unit * d->run * (ptrdiff_t)sizeof(void *) - 1) / REAL_BYTES + 1);
}

/* Elements of the line of zeros. */
static ptrdiff_t NAME(zeros_room)(const ConvShape *s)
{
    return NAME(whole_lines)(s->size[2] > s->out[2] ? s->size[2] : s->out[2]);
}

static void NAME(clear_table)(const depthwise *d, const real *zeros, const real **table)
{
    for (ptrdiff_t i = 0; i < d->unit * d->run; i++) table[i] = zeros;
}

/* Put an image's lines among the zeros. */
ALWAYS_INLINE void NAME(fill_lines)(const depthwise *d, ptrdiff_t unit, const real *image, const real **table)
{
    const ptrdiff_t size = d->m.in_size[0], pitch = d->m.in_size[1];
    for (ptrdiff_t i = 0; i < unit; i++, table += d->run) {
        const ptrdiff_t low = d->m.low[0] + i, skip = low < 0 ? (unit - 1 - low) / unit : 0, first = low + skip * unit;
        const ptrdiff_t n = first < size ? limit((size - 1 - first) / unit + 1, 0, d->run - skip) : 0;
        const real *line = image + first * pitch;
        for (ptrdiff_t k = 0; k < n; k++, line += unit * pitch) table[skip + k] = line;
    }
}

static void NAME(fill_table)(const depthwise *d, const real *image, const real **table)
{
    if (d->unit == 1) NAME(fill_lines)(d, 1, image, table);     /* without divisions */
    else NAME(fill_lines)(d, d->unit, image, table);
}

/* All outputs of a phase, or their gradient, which are in `image`. */
static void NAME(run_phase)(const depthwise *d, ptrdiff_t phase, const real *const *table, NAME(lines_fn) *run,
                            NAME(lines) l, real *image)
{
    const ptrdiff_t unit = d->unit, step = d->m.step[0], lines = d->lines[phase], width = d->m.out_size[1];
    const ptrdiff_t pitch = d->m.phases[0] * width, skip = d->y[phase].first;
    real *out = l.out;
    l.pitch = unit * pitch;
    for (ptrdiff_t i = 0; i < unit && i < lines; i++) {
        const ptrdiff_t top = i * step + skip;
        l.count = unit == 1 ? lines : (lines - i + unit - 1) / unit;
        l.line = unit == 1 ? table + top : table + top % unit * d->run + top / unit;
        l.grad = image + phase * width + i * pitch;
        l.out = out ? out : (real *)l.grad;
        run(16 * (int)d->y[phase].count + d->rows[phase], d, &l);
    }
}

/* ---- forward, and gradient of the input -------------------------------------------------------------------------- */

/* The weights of a channel for each phase of lines and then of columns, a column of the kernel after the other. */
static void NAME(pack_depth)(const ConvShape *s, const depthwise *d, const real *w, real *packed)
{
    for (ptrdiff_t i = 0; i < d->m.phases[0]; i++)
        for (ptrdiff_t j = 0; j < d->m.phases[1]; j++) {
            const reach *y = &d->y[i], *x = &d->x[j];
            for (ptrdiff_t t = 0; t < x->count; t++)
                for (ptrdiff_t u = 0; u < y->count; u++)
                    *packed++ = w[(y->tap + u * y->next) * s->kernel[2] + x->tap + t * x->next];
        }
}

static double NAME(depth_pass)(ConvShape *s, int gradient, int threads)
{
    depthwise d;
    (void)threads;
    if (!NAME(find_depthwise)(s, gradient, MOST_NARROW, &d)) return 0;
    s->scratch = NAME(table_room)(&d);
    s->shared = NAME(zeros_room)(s) + s->groups * d.m.out * s->taps;
    return depth_speed(s, &d, 0, LANES);
}

static double NAME(depth_plan)(ConvShape *s, int threads) { return NAME(depth_pass)(s, 0, threads); }

static double NAME(depth_dx_plan)(ConvShape *s, int threads) { return NAME(depth_pass)(s, 1, threads); }

static void NAME(run_depth)(const ConvShape *s, int gradient, const real *x, const real *w, const real *bias, real *y,
                            real *scratch, int threads)
{
    depthwise d;
    NAME(find_depthwise)(s, gradient, MOST_NARROW, &d);
    const pass *m = &d.m;
    const ptrdiff_t channels = s->groups * m->out, pixels = m->in_size[0] * m->in_size[1];
    const ptrdiff_t positions = m->out_size[0] * m->out_size[1];
    real *zeros = scratch + threads * s->scratch, *packed = zeros + NAME(zeros_room)(s);
    NAME(lines_fn) *run = m->phases[1] == 2 ? BY_WIDTH(put_spread, &d) : m->step[1] == 2 ? BY_WIDTH(put_apart, &d)
        : d.narrow ? IF_NARROW(put, &d) : BY_WIDTH(put_near, &d);
    memset(zeros, 0, NAME(zeros_room)(s) * sizeof(real));
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < channels; i++) NAME(pack_depth)(s, &d, w + i * s->taps, packed + i * s->taps);
    #pragma omp parallel num_threads(threads)
    {
        const real **table = (const real **)(scratch + tl_thread_id() * s->scratch);
        NAME(clear_table)(&d, zeros, table);
        #pragma omp for schedule(static) nowait
        for (ptrdiff_t i = 0; i < s->batch * channels; i++) {
            const ptrdiff_t channel = i % channels;
            NAME(lines) l = {.w = packed + channel * s->taps, .bias = bias ? bias[channel] : 0};
            NAME(fill_table)(&d, x + i / m->out * pixels, table);
            for (ptrdiff_t p = 0; p < m->phases[0]; p++) {
                NAME(run_phase)(&d, p, table, run, l, y + i * positions);
                for (ptrdiff_t j = 0; j < m->phases[1]; j++) l.w += d.y[p].count * d.x[j].count;
            }
        }
    }
}

static void NAME(depth_forward)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias, void *y,
                                void *scratch, int threads)
{
    (void)gemm;
    NAME(run_depth)(s, 0, x, w, bias, y, scratch, threads);
}

static void NAME(depth_dx)(const ConvShape *s, void *gemm, const void *dy, const void *w, const void *bias, void *dx,
                           void *scratch, int threads)
{
    (void)gemm;
    NAME(run_depth)(s, 1, dy, w, bias, dx, scratch, threads);
}

/* ---- gradient of the weight: tasks are some channels of a part of the batch -------------------------------------- */

/* Tasks that a part of the batch is cut into, as many for each thread. The sums of one stay in the first level cache,
   and its channels are neighbours, so that images are read in long runs. */
static ptrdiff_t NAME(channel_tasks)(const ConvShape *s, ptrdiff_t width, int threads)
{
    enum { SUMS = 16 << 10 };
    const ptrdiff_t channels = s->groups * s->cout, one = s->taps * width * (ptrdiff_t)sizeof(real);
    const ptrdiff_t most = limit(SUMS / one, 1, channels), tasks = (channels + most - 1) / most;
    return limit((tasks + threads - 1) / threads * threads, 1, channels);
}

static double NAME(depth_weight_plan)(ConvShape *s, int threads)
{
    depthwise d;
    if (!NAME(find_depthwise)(s, 0, MOST_NARROW_SUMS, &d)) return 0;
    s->bands = NAME(channel_tasks)(s, d.width, threads);
    const ptrdiff_t most = (s->groups * s->cout + s->bands - 1) / s->bands;     /* channels of a task */
    s->parts = limit(threads / s->bands, 1, s->batch);
    s->scratch = NAME(table_room)(&d) + NAME(whole_lines)(most * s->taps * d.width);
    s->shared = NAME(zeros_room)(s) + s->parts * s->groups * s->cout * s->taps;
    return depth_speed(s, &d, 1, LANES);
}

/* Sums of the lanes, turned to lines of the kernel. */
static void NAME(join_lanes)(const ConvShape *s, const real *sums, ptrdiff_t width, real *dw)
{
    for (ptrdiff_t x = 0; x < s->kernel[2]; x++)
        for (ptrdiff_t y = 0; y < s->kernel[1]; y++, sums += width) {
            real total = 0;
            for (ptrdiff_t i = 0; i < width; i++) total += sums[i];
            dw[y * s->kernel[2] + x] = total;
        }
}

static void NAME(depth_weight_task)(const ConvShape *s, const depthwise *d, const real *dy, const real *x,
                                    const real *zeros, const real **table, real *sums, real *dw, ptrdiff_t task)
{
    const ptrdiff_t channels = s->groups * s->cout, part = task / s->bands, band = task % s->bands;
    const ptrdiff_t first = channels * band / s->bands, end = channels * (band + 1) / s->bands;
    const ptrdiff_t own = s->taps * d->width;
    NAME(lines_fn) *run = s->stride[2] == 2 ? BY_WIDTH(sum_apart, d)
        : d->narrow ? IF_NARROW(sum, d) : BY_WIDTH(sum_near, d);
    memset(sums, 0, (end - first) * own * sizeof(real));
    for (ptrdiff_t n = s->batch * part / s->parts; n < s->batch * (part + 1) / s->parts; n++)
        for (ptrdiff_t c = first; c < end; c++) {
            const ptrdiff_t i = n * channels + c;
            NAME(fill_table)(d, x + i / s->cout * s->pixels, table);
            NAME(run_phase)(d, 0, table, run, (NAME(lines)){.zeros = zeros, .out = sums + (c - first) * own},
                            (real *)dy + i * s->positions);
        }
    for (ptrdiff_t c = first; c < end; c++)
        NAME(join_lanes)(s, sums + (c - first) * own, d->width, dw + (part * channels + c) * s->taps);
}

static void NAME(depth_weight)(const ConvShape *s, void *gemm, const void *dy, const void *x, const void *bias,
                               void *dw, void *scratch, int threads)
{
    depthwise d;
    (void)gemm, (void)bias;
    NAME(find_depthwise)(s, 0, MOST_NARROW_SUMS, &d);
    const ptrdiff_t weights = s->groups * s->cout * s->taps;
    real *zeros = (real *)scratch + threads * s->scratch, *sums = zeros + NAME(zeros_room)(s);
    memset(zeros, 0, NAME(zeros_room)(s) * sizeof(real));
    #pragma omp parallel num_threads(threads)
    {
        real *own = (real *)scratch + tl_thread_id() * s->scratch;
        NAME(clear_table)(&d, zeros, (const real **)own);
        #pragma omp for schedule(static) nowait
        for (ptrdiff_t i = 0; i < s->parts * s->bands; i++)
            NAME(depth_weight_task)(s, &d, dy, x, zeros, (const real **)own, own + NAME(table_room)(&d), sums, i);
    }
    for (ptrdiff_t i = 0; i < weights; i++) {
        real total = sums[i];
        for (ptrdiff_t p = 1; p < s->parts; p++) total += sums[p * weights + i];
        ((real *)dw)[i] = total;
    }
}
#undef BY_WIDTH
#undef IF_NARROW
#undef LEAST
