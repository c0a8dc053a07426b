/* Direct convolution of images of two dims with few channels, for float and double.
   A band of the input is copied once, padded and split by stride phase: then the elements that neighbouring
   outputs read for one place of the kernel are neighbours as well, at an offset that a table gives. The products
   run from that copy, so that the column matrix is never made. */
#ifndef TENSORLIB_CONV_DIRECT_H
#define TENSORLIB_CONV_DIRECT_H
#include <string.h>
#include "conv_shape.h"
#include "simd.h"

#define MOST_TAPS 16                            /* of one dim of the kernel */
#define BAND_BYTES ((ptrdiff_t)192 << 10)       /* aim for the copy of a band: well inside the second level cache */
#define STEP 512                                /* rows of the column matrix summed in registers before C is touched */

/* The stride phases of the padded input that a kernel dim reads. */
typedef struct {
    int count;
    ptrdiff_t phase[MOST_TAPS];                 /* distinct (tap * dilation) % stride */
    int slot[MOST_TAPS];                        /* which of them each tap reads */
    ptrdiff_t shift[MOST_TAPS];                 /* how far in, in steps of the stride */
} phases;

static void find_phases(phases *p, const ConvShape *s, int dim)
{
    p->count = 0;
    for (int tap = 0; tap < s->kernel[dim]; tap++) {
        const ptrdiff_t at = tap * s->dilation[dim], phase = at % s->stride[dim];
        int slot = 0;
        while (slot < p->count && p->phase[slot] != phase) slot++;
        if (slot == p->count) p->phase[p->count++] = phase;
        p->slot[tap] = slot;
        p->shift[tap] = at / s->stride[dim];
    }
}

/* Offsets into the copy of a band for each (input channel, kernel place), in the order of the weight. */
static void find_offsets(const ConvShape *s, const phases *y, const phases *x, int *offsets)
{
    for (ptrdiff_t c = 0; c < s->cin; c++)
        for (ptrdiff_t i = 0; i < s->kernel[1]; i++)
            for (ptrdiff_t j = 0; j < s->kernel[2]; j++) {
                const ptrdiff_t plane = y->slot[i] * x->count + x->slot[j];
                *offsets++ = (int)(c * s->plane + (plane * s->lines + y->shift[i]) * s->pitch + x->shift[j]);
            }
}

#define real float
#include "gemm_tile.h"
#include "conv_band.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "conv_band.h"
#undef real
#endif
