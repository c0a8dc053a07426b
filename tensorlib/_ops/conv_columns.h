/* Template for one element type `real`: forward convolution from the copies of conv_dots.h. Lines of them are as long
   as those of the output, so a band of it is one run: no products between the ends of lines are made only to be left
   out, as those of conv_band.h are, and sums go where they belong at once. That takes a copy for each column of the kernel,
   which is little where there are few input channels. Needs conv_dots.h. */

/* Scratch of a thread: offsets as table and as both steps to it, the copy, and a tile of sums for the end of a band. */
static ptrdiff_t NAME(column_offsets_room)(const ConvShape *s)
{
    return NAME(whole_lines)(s->depth) + NAME(at_room)(s);
}

static ptrdiff_t NAME(columns_room)(const ConvShape *s, const NAME(columns) *d)
{
    return NAME(column_offsets_room)(s) + NAME(whole_lines)(d->image + TILE_N) + TILE_M * TILE_N;
}

static void NAME(find_column_offsets)(const ConvShape *s, const NAME(columns) *d, real *scratch)
{
    ptrdiff_t *at = (ptrdiff_t *)(scratch + NAME(whole_lines)(s->depth));
    NAME(find_rows)(s, d, at);
    for (ptrdiff_t k = 0; k < s->depth; k++) ((int *)scratch)[k] = (int)at[k];
}

/* A band of all outputs of a group, in some output planes. `f` is the convolution of one plane. */
static void NAME(columns_task)(const ConvShape *s, const ConvShape *f, const bands *b, const NAME(columns) *d,
                               const real *x, const real *packed, real *y, real *scratch, ptrdiff_t task)
{
    const ptrdiff_t image = task / s->bands / s->chunks, group = image % s->groups, top = task % s->bands * s->band;
    const ptrdiff_t front = task / s->bands % s->chunks * s->tile, planes = limit(s->out[0] - front, 0, s->tile);
    const ptrdiff_t rows = limit(s->out[1] - top, 0, s->band), n = rows * s->out[2], whole = n / TILE_N * TILE_N;
    const real *bias = packed + s->groups * NAME(group_weights)(f, b) + group * NAME(padded_out)(&b->m);
    const int *offsets = (const int *)scratch;
    real *copy = scratch + NAME(column_offsets_room)(s), *edge = scratch + s->scratch - TILE_M * TILE_N;
    if (rows == 0 || planes == 0) return;
    NAME(copy_columns)(s, d, x + image * s->cin * s->pixels, front, top, rows, copy);
    packed += group * NAME(group_weights)(f, b);
    y += image * s->cout * s->positions + (front * s->out[1] + top) * s->out[2];
    for (ptrdiff_t z = 0; z < planes; z++, copy += d->apart, y += f->positions)
        for (ptrdiff_t o = 0; o < s->cout; o += TILE_M) {
            const int mr = s->cout - o < TILE_M ? s->cout - o : TILE_M;
            const real *w = packed + o * s->depth;
            real *out = y + o * s->positions;
            NAME(band_products)(mr, s->depth, w, copy, offsets, bias + o, whole, out, s->positions);
            if (whole == n) continue;
            NAME(band_products)(mr, s->depth, w, copy + whole, offsets, bias + o, TILE_N, edge, TILE_N);
            for (int c = 0; c < mr; c++) NAME(copy_few)(edge + c * TILE_N, n - whole, out + c * s->positions + whole);
        }
}

static double NAME(columns_plan)(ConvShape *s, int threads)
{
    enum { WRITE = 3, LEAST = 2 };              /* what an element costs that is written, in products */
    const ptrdiff_t images = s->batch * s->groups, step = s->stride[1], reach = s->dilation[1] * (s->kernel[1] - 1);
    const ptrdiff_t phases = reach + 1 < step ? reach + 1 : step, extra = reach / step;
    const ptrdiff_t deep = s->dilation[0] * (s->kernel[0] - 1) + 1;
    const ptrdiff_t line = s->cin * deep * s->kernel[2] * phases * s->out[2] * (ptrdiff_t)sizeof(real);
    const ConvShape f = plane_shape(s);
    bands b;
    s->band = s->tile = s->chunks = 1;
    if (s->cout > MOST_OUT || !find_bands(&f, 0, &b) || (3 * extra + 1) * line > 4 * BAND_BYTES) return 0;
    const ptrdiff_t most = limit(BAND_BYTES / line - extra, 2 * extra + 1, s->out[1]);
    s->bands = (s->out[1] + most - 1) / most;
    if (is_deep(s))
        cut_planes(s, s->bands > 1 ? 1 : (BAND_BYTES / ((s->out[1] + extra) * line / deep) - deep) / s->stride[0] + 1,
                   s->groups * s->bands, threads);
    else
        s->bands = fair_pieces(s->bands, images, s->out[1], threads);
    s->band = (s->out[1] + s->bands - 1) / s->bands;
    const NAME(columns) d = NAME(describe_columns)(s);
    const ptrdiff_t n = (s->band * s->out[2] + TILE_N - 1) / TILE_N * TILE_N;
    s->scratch = NAME(columns_room)(s, &d);
    s->shared = NAME(packed_room)(&f, &b);
    const double outs = s->cout / NAME(share)(s->cout, TILE_M, LEAST), copy = s->stride[2] == 1 ? 10 : 14;
    return (double)images * s->positions * s->depth * s->cout
        / ((double)images * s->bands * s->chunks
           * (s->tile * (1.1 * outs * s->depth + WRITE * s->cout) * n
              + (copy + (double)LINE_COST / s->out[2]) * d.image));
}

static void NAME(columns_forward)(const ConvShape *s, void *gemm, const void *x, const void *w, const void *bias,
                                  void *y, void *scratch, int threads)
{
    real *packed = (real *)scratch + threads * s->scratch;
    const NAME(columns) d = NAME(describe_columns)(s);
    const ConvShape f = plane_shape(s);
    bands b;
    (void)gemm;
    find_bands(&f, 0, &b);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < NAME(pack_tasks)(&f, &b); i++) NAME(pack_weight)(&f, &b, w, bias, packed, i);
    #pragma omp parallel num_threads(threads)
    {
        real *own = (real *)scratch + tl_thread_id() * s->scratch;
        NAME(find_column_offsets)(s, &d, own);
        #pragma omp for schedule(static) nowait
        for (ptrdiff_t i = 0; i < s->batch * s->groups * s->chunks * s->bands; i++)
            NAME(columns_task)(s, &f, &b, &d, x, packed, y, own, i);
    }
}
