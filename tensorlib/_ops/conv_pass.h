/* One description of a forward pass and of the gradient of the input, for images of two dims: both read pixels at some
   places around each position of a grid, and write outputs there. With a stride, inputs at one phase of it are outputs
   of a convolution with stride 1 of the gradient, with those places of the kernel that reach them. */
#ifndef TENSORLIB_CONV_PASS_H
#define TENSORLIB_CONV_PASS_H
#include "conv_shape.h"

/* Lines are dim [0], columns dim [1]. */
typedef struct {
    int gradient;
    ptrdiff_t in, out;                          /* channels of a group */
    ptrdiff_t in_size[2], out_size[2];
    ptrdiff_t grid[2];                          /* output positions of one phase */
    ptrdiff_t phases[2];                        /* of the output: every phases-th position belongs to one */
    ptrdiff_t step[2];                          /* input pixels between neighbouring positions */
    ptrdiff_t low[2], extent[2];                /* the first pixel that a position may read, and how many */
} pass;

static int has_two_dims(const ConvShape *s)
{
    return s->size[0] == 1 && s->out[0] == 1 && s->kernel[0] == 1 && s->padding[0] == 0;
}

static int is_deep(const ConvShape *s) { return !has_two_dims(s); }

/* Where a place of the kernel reads, from a position's first pixel on, for outputs of a phase; -1: nothing. */
static ptrdiff_t tap_at(const ConvShape *s, const pass *m, int dim, ptrdiff_t phase, ptrdiff_t tap)
{
    if (!m->gradient) return tap * s->dilation[dim + 1];
    const ptrdiff_t from = phase + s->padding[dim + 1] - tap * s->dilation[dim + 1], stride = s->stride[dim + 1];
    return from % stride ? -1 : from / stride - m->low[dim];
}

static pass describe_pass(const ConvShape *s, int gradient)
{
    pass m = {gradient, gradient ? s->cout : s->cin, gradient ? s->cin : s->cout};
    for (int i = 0; i < 2; i++) {
        const ptrdiff_t reach = s->dilation[i + 1] * (s->kernel[i + 1] - 1), stride = s->stride[i + 1];
        const ptrdiff_t *size = s->size + 1, *out = s->out + 1, padding = s->padding[i + 1];
        m.in_size[i] = gradient ? out[i] : size[i];
        m.out_size[i] = gradient ? size[i] : out[i];
        m.phases[i] = gradient ? stride : 1;
        m.step[i] = gradient ? 1 : stride;
        m.grid[i] = (m.out_size[i] + m.phases[i] - 1) / m.phases[i];
        if (!gradient) {
            m.low[i] = -padding;
            m.extent[i] = reach + 1;
            continue;
        }
        const ptrdiff_t first = padding - reach, last = stride - 1 + padding;    /* of from, in tap_at */
        m.low[i] = first >= 0 ? first / stride : -((-first + stride - 1) / stride);
        m.extent[i] = last / stride - m.low[i] + 1;
    }
    return m;
}

/* Output positions of a phase along a dim. */
static ptrdiff_t phase_size(const pass *m, int dim, ptrdiff_t phase)
{
    return (m->out_size[dim] - phase + m->phases[dim] - 1) / m->phases[dim];
}

static ptrdiff_t limit(ptrdiff_t n, ptrdiff_t least, ptrdiff_t most) { return n < least ? least : n > most ? most : n; }

/* n pieces of work, or up to `most`, so that all threads get as many: one more would show where they are few. There are
   `each` of them again and again. */
static ptrdiff_t fair_pieces(ptrdiff_t n, ptrdiff_t each, ptrdiff_t most, int threads)
{
    for (ptrdiff_t more = n; n * each < 4 * threads && more < n + threads && more <= most; more++)
        if (more * each % threads == 0) return more;
    return n;
}

/* Cut the output planes of each image into pieces of about `most`, and into enough of them for all threads. */
static void cut_planes(ConvShape *s, ptrdiff_t most, ptrdiff_t each, int threads)
{
    const ptrdiff_t planes = s->out[0], pieces = (planes - 1) / limit(most, 1, planes) + 1;
    s->chunks = fair_pieces(pieces, s->batch * each, planes, threads);
    s->tile = (planes + s->chunks - 1) / s->chunks;
}
#endif
