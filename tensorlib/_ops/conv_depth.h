/* Convolution of images of two dims with one input channel in each group, for float and double, forward and back.
   An image is read where it lies, padding and all: a vector that hangs over an end of a line is one from within,
   shifted, and lines above and below are a line of zeros. Some lines of outputs are summed at once, so that a vector of
   the input that is in a register serves all places of a column of the kernel. */
#ifndef TENSORLIB_CONV_DEPTH_H
#define TENSORLIB_CONV_DEPTH_H
#include <string.h>
#include "conv_pass.h"
#include "parallel.h"
#include "simd.h"

#define MOST_HEIGHT 7                           /* lines of the kernel, which are unrolled */
#define MOST_NARROW 5                           /* of one in conv_depth_narrow.h, */
#define MOST_NARROW_SUMS 3                      /* and for the gradient of the weight */
#define MOST_ROWS 8                             /* lines of outputs that are summed at once */
#define MOST_LINES ((ptrdiff_t)1 << 16)         /* of an image, with padding: each has an address */
#define EACH_COUNT(CASE, height) CASE(height, 8) CASE(height, 7) CASE(height, 4) CASE(height, 1)

/* The places of one kernel dim that reach a phase of the outputs, in the order of the pixels that they read. */
typedef struct {
    ptrdiff_t count;
    ptrdiff_t first, unit;                      /* the pixel of the first, from a position's first on; to the next */
    ptrdiff_t tap, next;                        /* the place of the first; to the next */
} reach;

static reach find_reach(const ConvShape *s, const pass *m, int dim, ptrdiff_t phase)
{
    reach r = {0, 0, 1, 0, 0};
    for (ptrdiff_t i = 0; i < s->kernel[dim + 1]; i++) {
        const ptrdiff_t tap = m->gradient ? s->kernel[dim + 1] - 1 - i : i, at = tap_at(s, m, dim, phase, tap);
        if (at < 0) continue;
        if (r.count == 0) r.first = at, r.tap = tap;
        if (r.count == 1) r.unit = at - r.first, r.next = tap - r.tap;
        r.count++;
    }
    return r;
}

/* What all images have in common. The lines that one line of outputs reads are `unit` lines apart, and so are the lines
   of outputs that are summed at once, so that they read the same ones. */
typedef struct {
    pass m;
    reach y[2], x[2];                           /* for each phase of the outputs */
    ptrdiff_t unit, run;                        /* lines of the input with one remainder by the unit */
    ptrdiff_t lines[2];                         /* of a phase */
    int rows[2];                                /* summed at once */
    int width;                                  /* lanes of a vector */
    int narrow;                                 /* it holds a whole line, and the kernel is square */
} depthwise;

static ptrdiff_t common_divisor(ptrdiff_t a, ptrdiff_t b) { return b ? common_divisor(b, a % b) : a; }

/* How many lines to sum at once, where blocks may overlap: a block costs a line and a half by itself. */
static int best_rows(ptrdiff_t lines)
{
    static const int sizes[] = {8, 7, 4};
    int best = 1;
    ptrdiff_t cost = 5 * lines;
    for (int i = 0; i < 3; i++) {
        const ptrdiff_t n = sizes[i], own = (lines + n - 1) / n * (2 * n + 3);
        if (n <= lines && own < cost) best = (int)n, cost = own;
    }
    return best;
}

/* What a vector costs of which lanes are used, beside a whole one: halves are not twice as fast. */
static double vector_cost(int width, int lanes) { return width == lanes ? 1 : width == lanes / 2 ? 0.6 : 0.5; }

/* How wide vectors cost least for a line: `least` or more, `most` or less. 0: none. */
static int best_width(ptrdiff_t outputs, ptrdiff_t most, int lanes, int least)
{
    int best = 0;
    double cost = 0;
    for (int n = lanes; n >= least; n /= 2) {
        const double own = (outputs + n - 1) / n * vector_cost(n, lanes);
        if (n <= most && (best == 0 || own < cost)) best = n, cost = own;
    }
    return best;
}

/* Whether there are loops for so many places of the kernel's lines. */
static int has_height(ptrdiff_t height, ptrdiff_t step, ptrdiff_t phases)
{
    if (phases == 2) return height >= 1 && height <= 4;
    return height == 3 || height == 5 || height == 7 || (height == 4 && step == 2);
}

/* Returns 0 where this path does not apply. Kernels of up to `most_narrow` lines may be narrow. */
static int find_depthwise(const ConvShape *s, int gradient, ptrdiff_t most_narrow, int lanes, int least, depthwise *d)
{
    const ptrdiff_t stride = s->stride[1], common = common_divisor(s->dilation[1], stride);
    if (!has_two_dims(s) || (gradient ? s->cout : s->cin) > 1) return 0;
    if (stride > 2 || stride != s->stride[2] || (common > 1 && !gradient)) return 0;
    d->m = describe_pass(s, gradient);
    d->unit = s->dilation[1] / common;
    d->run = ((d->m.grid[0] - 1) * d->m.step[0] + d->m.extent[0] + d->unit - 1) / d->unit;
    if (d->unit * d->run > MOST_LINES) return 0;
    const ptrdiff_t step = d->m.step[1], phases = d->m.phases[1];
    for (int i = 0; i < phases; i++) {
        d->y[i] = find_reach(s, &d->m, 0, i);
        d->x[i] = find_reach(s, &d->m, 1, i);
        if (d->x[i].count == 0 || !has_height(d->y[i].count, step, phases)) return 0;
        d->lines[i] = phase_size(&d->m, 0, i);
        d->rows[i] = best_rows(d->lines[i] / d->unit);
    }
    const ptrdiff_t outputs = d->m.out_size[1] / phases, inputs = d->m.in_size[1] / step;
    const ptrdiff_t shorter = outputs < inputs ? outputs : inputs, longer = outputs < inputs ? inputs : outputs;
    d->width = best_width(outputs, shorter, lanes, least);
    d->narrow = HAS_MASKS && longer <= lanes && step == 1 && phases == 1 && d->x[0].count == d->y[0].count
        && d->x[0].count <= most_narrow;
    if (d->narrow)
        for (d->width = least; d->width < longer;) d->width *= 2;
    return d->width > 0;
}

/* Useful part of the work: a vector of products costs 1, one that is loaded nearly half of that. `gradient_of_weight`:
   each product is added to a sum in memory. */
static double depth_speed(const ConvShape *s, const depthwise *d, int gradient_of_weight, int lanes)
{
    const ptrdiff_t phases = d->m.phases[1], step = d->m.step[1], span = phases * d->width;
    double cost = 0;
    for (int i = 0; i < phases; i++)
        for (int j = 0; j < phases; j++) {
            const double rows = d->rows[i], height = d->y[i].count, read = (rows - 1) * step + height;
            const double tap = height * rows + 0.4 * step * read + 1 + (gradient_of_weight ? height : 0);
            const ptrdiff_t blocks = (d->lines[i] + d->rows[i] - 1) / d->rows[i];
            cost += blocks * (d->x[j].count * tap + 2 * rows + 8);
        }
    cost *= (d->m.out_size[1] + span - 1) / span * vector_cost(d->width, lanes);
    return (double)s->taps * s->positions / lanes / cost;
}

typedef int integer_float;
typedef long long integer_double;

#define real float
#define REAL_BYTES 4
#include "gemm_tile.h"
#include "conv_depth_pass.h"
#undef real
#undef REAL_BYTES
#define real double
#define REAL_BYTES 8
#include "gemm_tile.h"
#include "conv_depth_pass.h"
#undef real
#undef REAL_BYTES
#endif
