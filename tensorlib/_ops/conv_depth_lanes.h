/* Template for vectors of WIDTH elements of type `real`, whose names SIZED makes: the sums of conv_depth.h over lines
   of one image. Needs conv_depth_pass.h. */
#define lanes SIZED(lanes)
#define places SIZED(places)
typedef real lanes __attribute__((vector_size(WIDTH * REAL_BYTES), aligned(REAL_BYTES), may_alias));
typedef NAME(integer) places __attribute__((vector_size(WIDTH * REAL_BYTES), aligned(REAL_BYTES), may_alias));

ALWAYS_INLINE places SIZED(count_up)(void)
{
    places n;
    for (int i = 0; i < WIDTH; i++) n[i] = i;
    return n;
}

/* Every step-th element from `in` on; or, unless `whole`, those that `pick` names, and zero where `keep` is. */
ALWAYS_INLINE lanes SIZED(take)(const int step, const int whole, const real *in, places pick, places keep)
{
    const lanes a = *(const lanes *)in;
    if (step == 1) return whole ? a : (lanes)((places)SHUFFLE(a, pick) & keep);
    const lanes b = *(const lanes *)(in + WIDTH);
    if (whole) return SHUFFLE_BOTH(a, b, 2 * SIZED(count_up)());
    return (lanes)((places)SHUFFLE_BOTH(a, b, pick) & keep);
}

/* What one place of the kernel's lines needs: the vector of a line that starts at pixel `from`. */
typedef struct {
    ptrdiff_t at;                               /* where that can be read */
    places pick, keep;
} SIZED(column);

ALWAYS_INLINE SIZED(column) SIZED(find_column)(const int step, ptrdiff_t from, ptrdiff_t last)
{
    const ptrdiff_t at = from < 0 ? 0 : from > last ? last : from;
    const places pick = step * SIZED(count_up)() + (NAME(integer))(from - at);
    return (SIZED(column)){at, pick, (pick >= 0) & (pick < step * WIDTH)};
}

/* ---- forward, and gradient of the input -------------------------------------------------------------------------- */

ALWAYS_INLINE void SIZED(add_lines)(const int height, const int rows, const int step, const int whole,
                                    const real *const *line, const SIZED(column) *c, const lanes *left, lanes *sum)
{
    #pragma GCC unroll 32
    for (int i = 0; i < (rows - 1) * step + height; i++) {
        lanes v = SIZED(take)(step, whole, line[i] + c->at, c->pick, c->keep);
        FORGET_VECTOR(v);
        #pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            if (i >= r * step && i < r * step + height) sum[r] += left[i - r * step] * v;
    }
}

/* sum[rows] += the products for one vector of outputs in each line, whose first lane reads pixels from `from` on. */
ALWAYS_INLINE void SIZED(add_taps)(const int height, const int rows, const int step, ptrdiff_t taps, ptrdiff_t unit,
                                   const real *const *line, ptrdiff_t from, ptrdiff_t last, const real *w, lanes *sum)
{
    for (ptrdiff_t t = 0; t < taps; t++, from += unit, w += height) {
        const SIZED(column) c = SIZED(find_column)(step, from, last);
        lanes left[MOST_HEIGHT];
        FORGET_POINTER(line);
        #pragma GCC unroll 8
        for (int i = 0; i < height; i++) left[i] = w[i] - (lanes){0};
        if (c.at == from) SIZED(add_lines)(height, rows, step, 1, line, &c, left, sum);
        else SIZED(add_lines)(height, rows, step, 0, line, &c, left, sum);
    }
}

/* One vector, or two side by side of which each has every other output. */
ALWAYS_INLINE void SIZED(put)(const int phases, lanes a, lanes b, real *out)
{
    const places n = SIZED(count_up)(), pair = n / 2 + n % 2 * WIDTH;
    if (phases == 1) {
        *(lanes *)out = a;
        return;
    }
    *(lanes *)out = SHUFFLE_BOTH(a, b, pair);
    *(lanes *)(out + WIDTH) = SHUFFLE_BOTH(a, b, pair + WIDTH / 2);
}

ALWAYS_INLINE void SIZED(put_rows)(const int height, const int rows, const int step, const int phases,
                                   const depthwise *d, const NAME(lines) *l, const real *const *line, real *out)
{
    const ptrdiff_t width = d->m.out_size[1], last = d->m.in_size[1] - step * WIDTH, pitch = l->pitch;
    const reach x[2] = {d->x[0], d->x[phases - 1]};
    const ptrdiff_t start[2] = {d->m.low[1] + x[0].first, d->m.low[1] + x[1].first};
    const real *const w[2] = {l->w, l->w + height * x[0].count};
    const lanes bias = l->bias - (lanes){0};
    for (ptrdiff_t c = 0; c < width; c += phases * WIDTH) {
        lanes sum[2][MOST_ROWS];
        if (c > width - phases * WIDTH) c = width - phases * WIDTH;     /* outputs once more, rather than a few */
        #pragma GCC unroll 2
        for (int i = 0; i < phases; i++) {
            const int p = phases == 1 ? 0 : (c + i) & 1;
            #pragma GCC unroll 8
            for (int r = 0; r < rows; r++) sum[i][r] = bias;
            SIZED(add_taps)(height, rows, step, x[p].count, x[p].unit, line, (c + i) / phases * step + start[p], last,
                            w[p], sum[i]);
        }
        real *to = out + c;
        #pragma GCC unroll 8
        for (int r = 0; r < rows; r++, to += pitch) {
            SIZED(put)(phases, sum[0][r], sum[phases - 1][r], to);
            FORGET_POINTER(to);
        }
    }
}

/* All lines, some at once; the last of them may be done twice. */
ALWAYS_INLINE void SIZED(put_lines)(const int height, const int rows, const int step, const int phases,
                                    const depthwise *d, const NAME(lines) *l)
{
    for (ptrdiff_t next = 0; next < l->count; next += rows) {
        const ptrdiff_t row = next > l->count - rows ? l->count - rows : next;
        SIZED(put_rows)(height, rows, step, phases, d, l, l->line + row * step, l->out + row * l->pitch);
    }
}

#define PUT_CASE(h, r) case 16 * h + r: SIZED(put_lines)(h, r, step, phases, d, l); break;
static __attribute__((noinline)) void SIZED(put_near)(int key, const depthwise *d, const NAME(lines) *l)
{
    enum { step = 1, phases = 1 };
    switch (key) { EACH_COUNT(PUT_CASE, 3) EACH_COUNT(PUT_CASE, 5) EACH_COUNT(PUT_CASE, 7) }
}

static __attribute__((noinline)) void SIZED(put_apart)(int key, const depthwise *d, const NAME(lines) *l)
{
    enum { step = 2, phases = 1 };
    switch (key) { EACH_COUNT(PUT_CASE, 3) EACH_COUNT(PUT_CASE, 4) EACH_COUNT(PUT_CASE, 5) EACH_COUNT(PUT_CASE, 7) }
}

static __attribute__((noinline)) void SIZED(put_spread)(int key, const depthwise *d, const NAME(lines) *l)
{
    enum { step = 1, phases = 2 };
    switch (key) { EACH_COUNT(PUT_CASE, 1) EACH_COUNT(PUT_CASE, 2) EACH_COUNT(PUT_CASE, 3) EACH_COUNT(PUT_CASE, 4) }
}
#undef PUT_CASE

/* ---- gradient of the weight: sums[column of the kernel][line of it][lane] ---------------------------------------- */

/* sums[i] += grad[r] * line[r * step + i], for all r. These lines are summed by themselves first, so that long sums are
   of few terms; in two halves where sums are so few that each would wait for itself. */
ALWAYS_INLINE void SIZED(add_products)(const int height, const int rows, const int step, const int whole,
                                       const real *const *line, const SIZED(column) *c, const lanes *grad, lanes *sums)
{
    const int parts = height <= 3 && rows > 1 ? 2 : 1;
    lanes sum[2][MOST_HEIGHT];
    #pragma GCC unroll 32
    for (int i = 0; i < (rows - 1) * step + height; i++) {
        lanes v = SIZED(take)(step, whole, line[i] + c->at, c->pick, c->keep);
        FORGET_VECTOR(v);
        #pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            if (i >= r * step && i < r * step + height) {
                lanes *own = &sum[r % parts][i - r * step];
                *own = r < parts ? grad[r] * v : *own + grad[r] * v;
            }
    }
    #pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
        if (parts == 2) sum[0][i] += sum[1][i];
        sums[i] += sum[0][i];
    }
}

ALWAYS_INLINE void SIZED(sum_rows)(const int height, const int rows, const int step, const depthwise *d,
                                   const real *const *line, const real *const *grads, real *out)
{
    const ptrdiff_t width = d->m.out_size[1], last = d->m.in_size[1] - step * WIDTH;
    const reach x = d->x[0];
    for (ptrdiff_t next = 0; next < width; next += WIDTH) {
        const ptrdiff_t c = next > width - WIDTH ? width - WIDTH : next;
        ptrdiff_t from = c * step + d->m.low[1];
        lanes grad[MOST_ROWS], *sums = (lanes *)out;
        #pragma GCC unroll 8
        for (int r = 0; r < rows; r++) grad[r] = *(const lanes *)(grads[r] + c);
        if (c < next) {                         /* outputs that were there before count as zero */
            const places new = SIZED(count_up)() >= (NAME(integer))(next - c);
            #pragma GCC unroll 8
            for (int r = 0; r < rows; r++) grad[r] = (lanes)((places)grad[r] & new);
        }
        for (ptrdiff_t t = 0; t < x.count; t++, from += x.unit, sums += height) {
            const SIZED(column) k = SIZED(find_column)(step, from, last);
            FORGET_POINTER(line);
            if (k.at == from) SIZED(add_products)(height, rows, step, 1, line, &k, grad, sums);
            else SIZED(add_products)(height, rows, step, 0, line, &k, grad, sums);
        }
    }
}

ALWAYS_INLINE void SIZED(sum_lines)(const int height, const int rows, const int step, const depthwise *d,
                                    const NAME(lines) *l)
{
    for (ptrdiff_t next = 0; next < l->count; next += rows) {
        const ptrdiff_t row = next > l->count - rows ? l->count - rows : next;
        const real *grads[MOST_ROWS];
        #pragma GCC unroll 8
        for (int r = 0; r < rows; r++) grads[r] = row + r < next ? l->zeros : l->grad + (row + r) * l->pitch;
        SIZED(sum_rows)(height, rows, step, d, l->line + row * step, grads, l->out);
    }
}

#define SUM_CASE(h, r) case 16 * h + r: SIZED(sum_lines)(h, r, step, d, l); break;
static __attribute__((noinline)) void SIZED(sum_near)(int key, const depthwise *d, const NAME(lines) *l)
{
    enum { step = 1 };
    switch (key) { EACH_COUNT(SUM_CASE, 3) EACH_COUNT(SUM_CASE, 5) EACH_COUNT(SUM_CASE, 7) }
}

static __attribute__((noinline)) void SIZED(sum_apart)(int key, const depthwise *d, const NAME(lines) *l)
{
    enum { step = 2 };
    switch (key) { EACH_COUNT(SUM_CASE, 3) EACH_COUNT(SUM_CASE, 4) EACH_COUNT(SUM_CASE, 5) EACH_COUNT(SUM_CASE, 7) }
}
#undef SUM_CASE
#if HAS_MASKS
#include "conv_depth_narrow.h"
#endif
#undef lanes
#undef places
