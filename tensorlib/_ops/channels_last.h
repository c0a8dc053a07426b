/* Template for one element type `real`: between images, where the channels of a pixel are far apart, and copies, where
   they are neighbours and fill vectors. Needs gemm_tile.h. */

static ptrdiff_t NAME(whole_vectors)(ptrdiff_t n) { return (n + LANES - 1) / LANES * LANES; }
static ptrdiff_t NAME(whole_panels)(ptrdiff_t n) { return (n + TILE_N - 1) / TILE_N * TILE_N; }

static void NAME(clear_pixels)(ptrdiff_t count, ptrdiff_t pitch, real *out)
{
    for (ptrdiff_t x = 0; x < count; x++) memset(out + x * pitch, 0, pitch * sizeof(real));
}

/* Columns first .. last of a line of all channels to [column][pitch], with zeros behind the last channel. */
static void NAME(turn_line)(const real *line, ptrdiff_t channels, ptrdiff_t plane, ptrdiff_t first, ptrdiff_t last,
                            ptrdiff_t pitch, real *out)
{
    ptrdiff_t c = 0;
    for (; c + QUAD <= channels; c += QUAD) {
        const real *from = line + c * plane;
        ptrdiff_t x = first;
        if (c + 4 * QUAD <= channels)           /* each channel is far from the last: no stream that hardware sees */
            for (ptrdiff_t i = 0; i < QUAD; i++)
                for (ptrdiff_t k = first; k < last; k += 64 / sizeof(real))
                    __builtin_prefetch(from + (3 * QUAD + i) * plane + k);
        for (; x + QUAD <= last; x += QUAD) {
            quad block[QUAD];
            for (int i = 0; i < QUAD; i++) block[i] = *(const quad *)(from + i * plane + x);
            NAME(transpose)(block);
            for (int i = 0; i < QUAD; i++) *(quad *)(out + (x + i) * pitch + c) = block[i];
        }
        for (; x < last; x++)
            for (int i = 0; i < QUAD; i++) out[x * pitch + c + i] = from[i * plane + x];
    }
    for (ptrdiff_t x = first; x < last; x++)
        for (ptrdiff_t k = c; k < pitch; k++) out[x * pitch + k] = k < channels ? line[k * plane + x] : 0;
}

/* `height` x `width` pixels of an image of size[0] lines and size[1] columns, from (top, left) on, to
   [pixel][pitch]; zeros outside the image. */
static void NAME(channels_last)(const real *image, ptrdiff_t channels, const ptrdiff_t *size, ptrdiff_t top,
                                ptrdiff_t left, ptrdiff_t height, ptrdiff_t width, ptrdiff_t pitch, real *out)
{
    const ptrdiff_t end = size[1] - left < width ? size[1] - left : width, last = end < 0 ? 0 : end;
    const ptrdiff_t first = left >= 0 ? 0 : -left < last ? -left : last;
    for (ptrdiff_t y = top; y < top + height; y++, out += width * pitch) {
        if (y < 0 || y >= size[0]) {
            NAME(clear_pixels)(width, pitch, out);
            continue;
        }
        NAME(clear_pixels)(first, pitch, out);
        NAME(turn_line)(image + y * size[1] + left, channels, size[0] * size[1], first, last, pitch, out);
        NAME(clear_pixels)(width - last, pitch, out + last * pitch);
    }
}

/* A line of [column][TILE_N] back to one line of each channel, every `step`-th element of it. */
static void NAME(channels_first)(const real *line, ptrdiff_t channels, ptrdiff_t plane, ptrdiff_t width,
                                 ptrdiff_t step, real *out)
{
    for (ptrdiff_t c = 0; c < channels; c += QUAD, line += QUAD, out += QUAD * plane) {
        const ptrdiff_t some = channels - c < QUAD ? channels - c : QUAD;
        ptrdiff_t x = 0;
        for (; x + QUAD <= width && some == QUAD && step == 1; x += QUAD) {
            quad block[QUAD];
            for (int i = 0; i < QUAD; i++) block[i] = *(const quad *)(line + (x + i) * TILE_N);
            NAME(transpose)(block);
            for (int i = 0; i < QUAD; i++) *(quad *)(out + i * plane + x) = block[i];
        }
        for (; x < width; x++)
            for (ptrdiff_t i = 0; i < some; i++) out[i * plane + x * step] = line[x * TILE_N + i];
    }
}
