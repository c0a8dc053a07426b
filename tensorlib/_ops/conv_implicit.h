/* Convolution as a matrix product whose left side is never made: for each output position the inputs that it reads lie
   in runs of a copy of the image with channels last, and the product takes its rows from there (Dukhan, The Indirect
   Convolution Algorithm, 2019). Vectors run along output channels, so stride, dilation and odd widths cost nothing. The
   gradient of the input is such a product too: see conv_pass.h. */
#ifndef TENSORLIB_CONV_IMPLICIT_H
#define TENSORLIB_CONV_IMPLICIT_H
#include <string.h>
#include "conv_pass.h"
#include "parallel.h"
#include "simd.h"

#define MOST_TAPS 12                            /* of one dim of the kernel */
#define MOST_POSITIONS 384                      /* of a block */
#define COPY_BYTES ((ptrdiff_t)256 << 10)       /* aim for the copy of a block: inside the second level cache */

/* Inputs that lie in a row of the copy: `length` elements from `offset` on. */
typedef struct {
    ptrdiff_t offset, length;
} run;

/* One phase of the outputs: which places of the kernel reach it, and the runs that they read. */
typedef struct {
    ptrdiff_t y, x;
    int taps, runs;
    int tap[MOST_TAPS * MOST_TAPS];             /* in the order in which the copy is read */
    run run[MOST_TAPS * MOST_TAPS];
    ptrdiff_t depth;                            /* of the product: taps * channels */
} phase;

static void find_phase(const ConvShape *s, const pass *m, ptrdiff_t index, ptrdiff_t width, phase *p)
{
    const ptrdiff_t rows = s->kernel[1], columns = s->kernel[2];
    p->y = index / m->phases[1];
    p->x = index % m->phases[1];
    p->taps = p->runs = 0;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) {
            const ptrdiff_t row = m->gradient ? rows - 1 - i : i, column = m->gradient ? columns - 1 - j : j;
            const ptrdiff_t y = tap_at(s, m, 0, p->y, row), x = tap_at(s, m, 1, p->x, column);
            if (y < 0 || x < 0) continue;
            p->tap[p->taps++] = (int)(row * columns + column);
            const ptrdiff_t offset = (y * width + x) * m->in;
            run *last = p->run + p->runs - 1;
            if (p->runs && last->offset + last->length == offset)
                last->length += m->in;
            else
                p->run[p->runs++] = (run){offset, m->in};
        }
    p->depth = p->taps * m->in;
}

/* The next CHAIN elements of the runs, or what is left of them, from element `at` of run `r` on. */
typedef struct {
    int r, count;
    ptrdiff_t at, depth;
    run run[MOST_TAPS * MOST_TAPS];
} portion;

static int next_portion(const phase *p, portion *s)
{
    s->count = 0;
    for (s->depth = 0; s->r < p->runs && s->depth < CHAIN; s->count++) {
        const run *from = p->run + s->r;
        ptrdiff_t length = from->length - s->at;
        if (length > CHAIN - s->depth) length = CHAIN - s->depth;
        s->run[s->count] = (run){from->offset + s->at, length};
        s->depth += length;
        s->at += length;
        if (s->at == from->length) s->r++, s->at = 0;
    }
    return s->depth > 0;
}

/* One block of work: some images, and some lines of each phase in each of them. */
typedef struct {
    ptrdiff_t group, image, images, top, lines;
    ptrdiff_t height, width;                    /* of the copy of an image */
} block;

static block find_block(const ConvShape *s, const pass *m, ptrdiff_t task)
{
    block b;
    b.group = task % s->groups;
    b.top = task / s->groups % s->bands * s->band;
    b.lines = m->grid[0] - b.top < s->band ? m->grid[0] - b.top : s->band;
    b.image = s->batch * (task / s->groups / s->bands) / s->blocks;
    b.images = s->batch * (task / s->groups / s->bands + 1) / s->blocks - b.image;
    b.height = (b.lines - 1) * m->step[0] + m->extent[0];
    b.width = (m->grid[1] - 1) * m->step[1] + m->extent[1];
    return b;
}

/* Lines of a phase that a block has. */
static ptrdiff_t phase_lines(const pass *m, const block *b, ptrdiff_t y)
{
    const ptrdiff_t all = phase_size(m, 0, y);
    return b->top + b->lines <= all ? b->lines : all - b->top;
}

/* Where in the copy the positions of a phase begin to read, in the order image, line, column. Returns how many. */
static ptrdiff_t find_positions(const pass *m, const block *b, ptrdiff_t lines, ptrdiff_t columns, int *at)
{
    if (lines <= 0 || columns <= 0) return 0;
    for (ptrdiff_t n = 0; n < b->images; n++)
        for (ptrdiff_t y = 0; y < lines; y++)
            for (ptrdiff_t x = 0; x < columns; x++)
                *at++ = (int)(((n * b->height + y * m->step[0]) * b->width + x * m->step[1]) * m->in);
    return b->images * lines * columns;
}

/* Most positions of a phase in a block, as whole cache lines. */
static ptrdiff_t most_positions(const ConvShape *s, const pass *m)
{
    return (s->images * s->band * m->grid[1] + 15) / 16 * 16;
}

/* Pixels of the copy of one image. */
static ptrdiff_t copy_pixels(const ConvShape *s, const pass *m)
{
    return ((s->band - 1) * m->step[0] + m->extent[0]) * ((m->grid[1] - 1) * m->step[1] + m->extent[1]);
}

/* Cut the work into blocks whose copies and sums stay in the cache, and into enough of them for all threads. Returns
   the elements copied, or 0 where this path does not apply. */
static double plan_implicit(ConvShape *s, const pass *m, int threads, ptrdiff_t itemsize)
{
    const ptrdiff_t width = (m->grid[1] - 1) * m->step[1] + m->extent[1], line = width * m->in * itemsize;
    if (!has_two_dims(s)) return 0;
    if (s->kernel[1] > MOST_TAPS || s->kernel[2] > MOST_TAPS || m->extent[0] * line > 16 * COPY_BYTES) return 0;
    const ptrdiff_t all = s->batch * s->groups * m->grid[0] * m->grid[1], fair = (all + threads - 1) / threads;
    const ptrdiff_t most = limit(fair, m->grid[1], MOST_POSITIONS > m->grid[1] ? MOST_POSITIONS : m->grid[1]);
    const ptrdiff_t lines = (COPY_BYTES / line - m->extent[0]) / m->step[0] + 1;
    s->images = 1;
    s->band = limit(lines < most / m->grid[1] ? lines : most / m->grid[1], 1, m->grid[0]);
    if (s->band == m->grid[0]) {
        const ptrdiff_t fit = COPY_BYTES / (copy_pixels(s, m) * m->in * itemsize), some = most / (s->band * m->grid[1]);
        s->images = limit(fit < some ? fit : some, 1, s->batch);
    }
    s->blocks = (s->batch + s->images - 1) / s->images;
    s->bands = (m->grid[0] + s->band - 1) / s->band;
    if (s->bands == 1) s->blocks = fair_pieces(s->blocks, s->groups, s->batch, threads);
    s->bands = fair_pieces(s->bands, s->groups * s->blocks, m->grid[0], threads);
    s->images = (s->batch + s->blocks - 1) / s->blocks;
    s->band = (m->grid[0] + s->bands - 1) / s->bands;
    return (double)s->batch * s->groups * s->bands * copy_pixels(s, m) * m->in;
}

#define real float
#include "gemm_tile.h"
#include "channels_last.h"
#include "conv_implicit_tile.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "channels_last.h"
#include "conv_implicit_tile.h"
#undef real
#endif
