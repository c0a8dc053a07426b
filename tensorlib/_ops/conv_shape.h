/* Geometry of a convolution, always as three spatial dims (missing leading ones have size 1), and how it is cut. */
#ifndef TENSORLIB_CONV_SHAPE_H
#define TENSORLIB_CONV_SHAPE_H
#include <stddef.h>

typedef struct {
    ptrdiff_t batch, groups;
    ptrdiff_t cin, cout;            /* channels of one group */
    ptrdiff_t size[3];              /* input */
    ptrdiff_t kernel[3], stride[3], padding[3], dilation[3];
    ptrdiff_t out[3];               /* output */
    ptrdiff_t pixels;               /* product of size */
    ptrdiff_t positions;            /* product of out */
    ptrdiff_t taps;                 /* product of kernel */
    ptrdiff_t depth;                /* cin * taps: rows of the column matrix */
    int plain;                      /* 1x1, stride 1, no padding: the image is its own column matrix */

    /* im2col: a tile is `tile` positions of one image, or all positions of `images` images. */
    ptrdiff_t images, tile;
    ptrdiff_t blocks;               /* tiles along the batch */
    ptrdiff_t chunks;               /* tiles along the positions of one image */
    ptrdiff_t row_blocks;           /* pieces of the column matrix's rows (backward kernels) */

    /* direct: a band is `band` lines of a phase of the outputs of one image. */
    ptrdiff_t band, bands;

    /* columns, inner products: images of three dims are cut into `chunks` pieces of `tile` output planes. */

    /* Winograd, implicit: a block is `band` lines (of tiles, or of a phase) in each of `images` images; there are
       blocks x bands of them. Winograd's have `tile` tiles of each line, and there are `chunks` times as many. */

    /* batch: a block is `images` images, cut into `bands` of output lines. */

    ptrdiff_t parts;                /* pieces of the batch with sums of their own (gradient of the weight) */
    ptrdiff_t scratch;              /* elements of scratch memory for each thread */
    ptrdiff_t shared;               /* elements of scratch memory for all threads, behind the threads' own */
} ConvShape;

/* The convolution of two dims that one of three is: each output plane as an image of its own, with a channel for each
   input plane that it reads. That of two dims stays as it is. */
static inline ConvShape plane_shape(const ConvShape *s)
{
    ConvShape f = *s;
    f.batch *= f.out[0];
    f.cin *= f.kernel[0];
    f.size[0] = f.kernel[0] = f.stride[0] = f.dilation[0] = f.out[0] = 1;
    f.padding[0] = 0;
    f.pixels = f.size[1] * f.size[2];
    f.positions = f.out[1] * f.out[2];
    f.taps = f.kernel[1] * f.kernel[2];
    f.plain = f.taps == 1 && f.stride[1] == 1 && f.stride[2] == 1 && f.padding[1] == 0 && f.padding[2] == 0;
    return f;
}

/* A 1x1 kernel without padding: columns are pixels of the image, a stride apart. */
static inline int is_point(const ConvShape *s)
{
    return s->taps == 1 && s->padding[0] == 0 && s->padding[1] == 0 && s->padding[2] == 0;
}

/* Whether im2col sums the gradient of the weight turned, with output channels side by side: then the gradient of the
   output is packed and not the columns, which are more. To turn the sums takes some positions for each channel. */
static inline int turns_weight(const ConvShape *s)
{
    return s->cout >= 32 && s->depth > s->cout + s->cout / 2 && s->batch * s->positions >= 8 * s->cout;
}
#endif
