/* Template for one element type `real`: the end of a gradient of a weight whose sums have output channels side by side.
   Needs gemm_tile.h. */

/* The gradient for one output channel: the sum of all parts, turned. Rows of sums are `all` apart. */
static void NAME(weight_join)(const ConvShape *s, const real *sums, ptrdiff_t all, real *dw, ptrdiff_t channel)
{
    const ptrdiff_t group = channel / s->cout, part = s->groups * s->depth * all;
    sums += group * s->depth * all + channel % s->cout;
    for (ptrdiff_t k = 0; k < s->depth; k++) {
        real total = 0;
        for (ptrdiff_t i = 0; i < s->parts; i++) total += sums[i * part + k * all];
        dw[channel * s->depth + k] = total;
    }
}
