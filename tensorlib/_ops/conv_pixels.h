/* Template for one element type `real`: the columns of a 1x1 kernel without padding, which are pixels a stride
   apart, one plane of the input at a time. Needs conv_lines.h. */

static void NAME(gather_pixels)(const ConvShape *s, const real *plane, real *out)
{
    const real *next = plane + s->groups * s->cin * s->pixels;      /* of the next image */
    if (s->plain) {
        NAME(copy_few)(plane, s->pixels, out);
        return;
    }
    for (ptrdiff_t z = 0; z < s->out[0]; z++)
        for (ptrdiff_t y = 0; y < s->out[1]; y++, out += s->out[2]) {
            const ptrdiff_t line = (z * s->stride[0] * s->size[1] + y * s->stride[1]) * s->size[2];
            NAME(fetch)(next + line, s->size[2]);
            NAME(copy_apart)(plane + line, s->out[2], s->stride[2], out);
        }
}

/* The adjoint: all other pixels become zero. */
static void NAME(spread_pixels)(const ConvShape *s, const real *in, real *plane)
{
    if (s->plain) {
        NAME(copy_few)(in, s->pixels, plane);
        return;
    }
    memset(plane, 0, s->pixels * sizeof(real));
    for (ptrdiff_t z = 0; z < s->out[0]; z++)
        for (ptrdiff_t y = 0; y < s->out[1]; y++, in += s->out[2])
            NAME(spread_apart)(in, s->out[2], s->stride[2],
                               plane + (z * s->stride[0] * s->size[1] + y * s->stride[1]) * s->size[2]);
}
