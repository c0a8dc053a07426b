/* Convolution of batches of small images with vectors along the batch. Each output pixel is a product of its own, of
   the weights and those pixels that exist: nothing is spent on padding, which is half of the work in the gradient of
   the input of a small "valid" convolution. Any kernel, stride and dilation are but lists of pixels. */
#ifndef TENSORLIB_CONV_BATCH_H
#define TENSORLIB_CONV_BATCH_H
#include <string.h>
#include "conv_pass.h"
#include "parallel.h"
#include "simd.h"

#define MOST_TAPS 12                            /* of one dim of the kernel */
#define MOST_LINE 64                            /* output pixels of a line, or lines */
#define BATCH_BYTES ((ptrdiff_t)2 << 20)        /* of the images of a block, turned */

/* Neighbouring pixels of one dim that are read for neighbouring places of the kernel. Places of the kernel count in the
   order of their pixels: backwards in a gradient. */
typedef struct {
    ptrdiff_t pixel, tap, count;
} span;

/* The spans of one output pixel in one dim. Returns how many. */
static int find_spans(const ConvShape *s, const pass *m, int dim, ptrdiff_t at, span *spans)
{
    const ptrdiff_t phase = at % m->phases[dim], first = at / m->phases[dim] * m->step[dim] + m->low[dim];
    int count = 0;
    for (ptrdiff_t i = 0; i < s->kernel[dim + 1]; i++) {
        const ptrdiff_t place = tap_at(s, m, dim, phase, m->gradient ? s->kernel[dim + 1] - 1 - i : i);
        const ptrdiff_t pixel = first + place;
        if (place < 0 || pixel < 0 || pixel >= m->in_size[dim]) continue;
        span *last = spans + count - 1;
        if (count && last->tap + last->count == i && last->pixel + last->count == pixel)
            last->count++;
        else
            spans[count++] = (span){pixel, i, 1};
    }
    return count;
}

/* Places of the kernel that all output pixels of a dim read. */
static ptrdiff_t all_taps(const ConvShape *s, const pass *m, int dim)
{
    span spans[MOST_TAPS];
    ptrdiff_t sum = 0;
    for (ptrdiff_t at = 0; at < m->out_size[dim]; at++)
        for (int i = find_spans(s, m, dim, at, spans) - 1; i >= 0; i--) sum += spans[i].count;
    return sum;
}

/* What an output pixel reads in the copy and in a tile of the weights: `length` rows of both. */
typedef struct {
    ptrdiff_t copy, weights, length;
} run;

/* What a thread computes at once: some lines of outputs of some images, in one group of channels. */
typedef struct {
    ptrdiff_t group, image, images, top, end;
    ptrdiff_t low, high;                        /* lines of the input that are read */
} batch_piece;

static batch_piece find_piece(const ConvShape *s, const pass *m, ptrdiff_t task)
{
    const ptrdiff_t band = task % s->bands, block = task / s->bands / s->groups, lines = m->out_size[0];
    batch_piece p = {.group = task / s->bands % s->groups, .image = s->batch * block / s->blocks,
                     .top = lines * band / s->bands, .end = lines * (band + 1) / s->bands, .low = m->in_size[0]};
    p.images = s->batch * (block + 1) / s->blocks - p.image;
    for (ptrdiff_t y = p.top; y < p.end; y++) {
        span spans[MOST_TAPS];
        const int count = find_spans(s, m, 0, y, spans);
        for (const span *last = spans; last < spans + count; last++) {
            const ptrdiff_t end = last->pixel + last->count;
            p.low = last->pixel < p.low ? last->pixel : p.low;
            p.high = end > p.high ? end : p.high;
        }
    }
    return p;
}

#define real float
#include "gemm_tile.h"
#include "channels_last.h"
#include "conv_batch_tile.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "channels_last.h"
#include "conv_batch_tile.h"
#undef real
#endif
