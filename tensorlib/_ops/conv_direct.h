/* Direct convolution of images of two dims with few channels, for float and double, forward and back.
   A band of the input is copied once, padded and split by stride phase, its lines close together: then the elements
   that all outputs of the band read for one place of the kernel are neighbours as well, at an offset that a table
   gives. The products run along that copy as if it were one long line, whatever its width, and what they make between
   the ends of lines is left out. With few output channels, as in a depthwise convolution, many vectors of a line are
   summed at once. */
#ifndef TENSORLIB_CONV_DIRECT_H
#define TENSORLIB_CONV_DIRECT_H
#include <string.h>
#include "conv_pass.h"
#include "parallel.h"
#include "simd.h"

#define MOST_TAPS 16                            /* of one dim of the kernel */
#define MOST_OUT 192                            /* output channels whose weights stay in the cache */
#define MOST_SUMS ((ptrdiff_t)1 << 18)          /* elements of the weight's sums that are worth having once a thread */
#define BAND_BYTES ((ptrdiff_t)192 << 10)       /* aim for the copy of a band: well inside the second level cache */
#define LINE_COST 250                           /* what a line costs that is copied, beside its elements, in products */
#define SUM_COST 30.                            /* a sum of the gradient of the weight */
#define BAND 4000                               /* and what a band does */

/* The places of one kernel dim that reach a phase of the outputs, and the stride phases of the input that they read. */
typedef struct {
    int taps, tap[MOST_TAPS], slot[MOST_TAPS];  /* slot: which phase of the input a tap reads */
    ptrdiff_t shift[MOST_TAPS];                 /* and how far in */
    ptrdiff_t most;                             /* the largest shift */
    int count;
    ptrdiff_t phase[MOST_TAPS];                 /* the phases of the input: distinct pixels modulo the step */
} phases;

static void find_phases(phases *p, const ConvShape *s, const pass *m, int dim, ptrdiff_t phase)
{
    p->taps = p->count = 0;
    p->most = 0;
    for (int tap = 0; tap < s->kernel[dim + 1]; tap++) {
        const ptrdiff_t at = tap_at(s, m, dim, phase, tap), rest = at % m->step[dim];
        int slot = 0;
        if (at < 0) continue;
        while (slot < p->count && p->phase[slot] != rest) slot++;
        if (slot == p->count) p->phase[p->count++] = rest;
        p->tap[p->taps] = tap;
        p->slot[p->taps] = slot;
        p->shift[p->taps] = at / m->step[dim];
        if (p->shift[p->taps] > p->most) p->most = p->shift[p->taps];
        p->taps++;
    }
}

/* What all bands of a pass have in common. A copy is [channel][phase of y][phase of x][line][pitch]. */
typedef struct {
    pass m;
    phases y, x;                                /* of the first phase of the outputs, with all of the input */
    ptrdiff_t phases;                           /* of the outputs */
    ptrdiff_t extra[2];                         /* lines and columns that outputs read beside their own */
    ptrdiff_t band, lines, pitch;               /* lines of a band, of a phase of its copy, and their distance */
    ptrdiff_t plane;                            /* elements of all phases of one channel */
} bands;

static int find_bands(const ConvShape *s, int gradient, bands *b)
{
    if (!has_two_dims(s) || s->kernel[1] > MOST_TAPS || s->kernel[2] > MOST_TAPS) return 0;
    b->m = describe_pass(s, gradient);
    find_phases(&b->y, s, &b->m, 0, 0);
    find_phases(&b->x, s, &b->m, 1, 0);
    b->phases = b->m.phases[0] * b->m.phases[1];
    for (int i = 0; i < 2; i++) b->extra[i] = (b->m.extent[i] - 1) / b->m.step[i];
    if (gradient) {                             /* the copy has one phase, even where the first outputs read none */
        b->y.count = b->x.count = 1;
        b->y.phase[0] = b->x.phase[0] = 0;
    }
    b->pitch = b->m.grid[1] + b->extra[1];
    b->band = s->band;
    b->lines = b->band + b->extra[0];
    b->plane = b->y.count * b->x.count * b->lines * b->pitch;
    return 1;
}

/* One phase of the outputs, with an offset into the copy for each (input channel, kernel place that reaches it). */
static ptrdiff_t find_offsets(const bands *b, const phases *y, const phases *x, int *offsets)
{
    for (ptrdiff_t c = 0; c < b->m.in; c++)
        for (int i = 0; i < y->taps; i++)
            for (int j = 0; j < x->taps; j++) {
                const ptrdiff_t plane = y->slot[i] * b->x.count + x->slot[j];
                *offsets++ = (int)(c * b->plane + (plane * b->lines + y->shift[i]) * b->pitch + x->shift[j]);
            }
    return b->m.in * y->taps * x->taps;
}

/* The offsets for all phases of the outputs, each after their number. */
static void find_all_offsets(const ConvShape *s, const bands *b, int *offsets)
{
    for (ptrdiff_t i = 0; i < b->phases; i++) {
        phases y, x;
        find_phases(&y, s, &b->m, 0, i / b->m.phases[1]);
        find_phases(&x, s, &b->m, 1, i % b->m.phases[1]);
        *offsets = (int)find_offsets(b, &y, &x, offsets + 1);
        offsets += *offsets + 1;
    }
}

#define real float
#include "gemm_tile.h"
#include "conv_lines.h"
#include "conv_join.h"
#include "conv_band.h"
#include "conv_dots.h"
#include "conv_columns.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "conv_lines.h"
#include "conv_join.h"
#include "conv_band.h"
#include "conv_dots.h"
#include "conv_columns.h"
#undef real
#endif
