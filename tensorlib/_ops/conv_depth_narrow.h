/* Template for vectors of WIDTH elements of type `real`, whose names SIZED makes: the sums of conv_depth.h for square
   kernels with stride 1, where one vector holds a whole line. Each line is read once, in part, and shifted for all
   columns of the kernel. Needs conv_depth_lanes.h, and masks. */

/* Bits of those of WIDTH lanes for which 0 <= from + lane < end. */
ALWAYS_INLINE unsigned SIZED(within)(ptrdiff_t from, ptrdiff_t end)
{
    const ptrdiff_t first = limit(-from, 0, WIDTH), last = limit(end - from, first, WIDTH);
    return (1u << last) - (1u << first);
}

/* A line of the input as the columns of the kernel see it, with a lane for each output. */
typedef struct {
    unsigned inside, outputs;                   /* lanes of the line itself, and of a line of outputs */
    unsigned keep[MOST_NARROW];                 /* those for which a column reads within the line */
    places pick[MOST_NARROW];                   /* and what they read */
} SIZED(shifts);

ALWAYS_INLINE SIZED(shifts) SIZED(find_shifts)(const int size, const depthwise *d)
{
    SIZED(shifts) s = {.inside = SIZED(within)(0, d->m.in_size[1]), .outputs = SIZED(within)(0, d->m.out_size[1])};
    ptrdiff_t from = d->m.low[1] + d->x[0].first;
    for (int t = 0; t < size; t++, from += d->x[0].unit) {
        s.keep[t] = SIZED(within)(from, d->m.in_size[1]) & s.outputs;
        s.pick[t] = SIZED(count_up)() + (NAME(integer))limit(from, -WIDTH, WIDTH);
    }
    return s;
}

ALWAYS_INLINE void SIZED(shift)(const int size, const SIZED(shifts) *s, const real *line, lanes *out)
{
    const SIZED(masked) v = SIZED(load_some)(s->inside, line);
    #pragma GCC unroll 8
    for (int t = 0; t < size; t++) {
        out[t] = (lanes)SIZED(pick_some)(s->keep[t], (SIZED(masked_places))s->pick[t], v);
        FORGET_VECTOR(out[t]);
    }
}

/* Forward, and gradient of the input: `size` lines of outputs are in the making, of which a line of the input is the
   last one's last. */
ALWAYS_INLINE void SIZED(put_shifted)(const int size, const depthwise *d, const NAME(lines) *l)
{
    const SIZED(shifts) s = SIZED(find_shifts)(size, d);
    const lanes bias = l->bias - (lanes){0};
    lanes sum[MOST_NARROW], w[MOST_NARROW][MOST_NARROW];
    for (int u = 0; u < size; u++) {
        sum[u] = bias;
        for (int t = 0; t < size; t++) w[u][t] = l->w[t * size + u] - (lanes){0};
    }
    for (ptrdiff_t i = 0; i < l->count + size - 1; i++) {
        lanes column[MOST_NARROW];
        SIZED(shift)(size, &s, l->line[i], column);
        #pragma GCC unroll 8
        for (int u = size - 1; u >= 0; u--) {
            lanes own = u == 0 ? bias : sum[u];
            #pragma GCC unroll 8
            for (int t = 0; t < size; t++) own += w[u][t] * column[t];
            if (u < size - 1) sum[u + 1] = own;
            else if (i >= size - 1)
                SIZED(store_some)(s.outputs, (SIZED(masked))own, l->out + (i - size + 1) * l->pitch);
        }
    }
}

static __attribute__((noinline)) void SIZED(put_narrow)(int key, const depthwise *d, const NAME(lines) *l)
{
    if (key / 16 == 3) SIZED(put_shifted)(3, d, l);
    else SIZED(put_shifted)(5, d, l);
}

/* Gradient of the weight, of kernels of three lines: sum[column][line] += grad[line] * a line of the input, for some
   lines of the kernel. */
ALWAYS_INLINE void SIZED(add_shifted)(ptrdiff_t first, ptrdiff_t last, const lanes *grad, const lanes *column,
                                      lanes sum[3][3])
{
    #pragma GCC unroll 3
    for (int u = 0; u < 3; u++)
        if (u >= first && u <= last) {
            #pragma GCC unroll 3
            for (int t = 0; t < 3; t++) sum[t][u] += grad[u] * column[t];
        }
}

/* The sums of some lines of the image stay in registers. The first and the last ones have no gradient for some lines of
   the kernel: no zero either, whose product with an infinity would be one too. */
static __attribute__((noinline)) void SIZED(sum_narrow)(int key, const depthwise *d, const NAME(lines) *l)
{
    const SIZED(shifts) s = SIZED(find_shifts)(3, d);
    (void)key;
    for (ptrdiff_t top = 0; top < l->count; top += CHAIN) {
        const ptrdiff_t rows = limit(l->count - top, 0, CHAIN);
        lanes sum[3][3] = {{{0}}}, grad[3] = {{0}}, column[3], *out = (lanes *)l->out;
        for (ptrdiff_t i = 0; i < rows + 2; i++) {
            SIZED(shift)(3, &s, l->line[top + i], column);
            grad[2] = grad[1];
            grad[1] = grad[0];
            if (i < rows) grad[0] = (lanes)SIZED(load_some)(s.outputs, l->grad + (top + i) * l->pitch);
            if (i >= 2 && i < rows) SIZED(add_shifted)(0, 2, grad, column, sum);
            else SIZED(add_shifted)(i - rows + 1, i, grad, column, sum);
        }
        for (int t = 0; t < 3; t++)
            for (int u = 0; u < 3; u++) *out++ += sum[t][u];
    }
}
