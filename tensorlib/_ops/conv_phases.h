/* Sizes of the phases of a dilated image. With stride 1 and a dilation of d, pixels that are d apart make images of
   their own, which are read without dilation. Padding becomes whole pixels of those, and the rest of it says which phase the
   first pixel of the image belongs to. */
#ifndef TENSORLIB_CONV_PHASES_H
#define TENSORLIB_CONV_PHASES_H
#include "conv_shape.h"

static ptrdiff_t phase_outputs(const ConvShape *s, int dim)
{
    return (s->out[dim] + s->dilation[dim] - 1) / s->dilation[dim];
}

static ptrdiff_t phase_inputs(const ConvShape *s, int dim)
{
    const ptrdiff_t d = s->dilation[dim], whole = s->padding[dim] / d, rest = s->padding[dim] % d;
    const ptrdiff_t read = phase_outputs(s, dim) + s->kernel[dim] - 1 - 2 * whole;
    const ptrdiff_t have = (s->size[dim] + rest + d - 1) / d;
    return read > have ? read : have;
}
#endif
