/* Winograd convolution for float and double: images of two dims, kernels of up to twelve places in each.

   Two by two outputs of a 3x3 kernel are made of a tile of four by four inputs with 16 products for each pair of
   channels instead of 36 (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016). With the matrices
   of that paper,

       forward             Y  = At [ (G w Gt) . (Bt d B) ] A        summed over input channels
       gradient of weight  dw = Gt [ (Bt d B) . (A dY At) ] G       summed over tiles

   where the dots are 16 matrix products, one for each place in the tile. Other kernels are cut into pieces of one to
   three places in each dim, and with a stride into pieces of places that are one stride apart. Each piece reads a tile
   of its own, and all of them are summed before the last transform, as if they were more input channels. A piece of two
   places has zeros in the last line or column of G w Gt, whose products are left out; a piece of one place has two
   products for two outputs, which the first and the last line or column of the tile can take. So 5x5 takes 49 products
   instead of 100, 3x3 with stride 2 takes 25 instead of 36, and all sums are as short, and errors as small, as those of
   3x3 with stride 1. Where there is but one line of outputs, as in one dim, tiles have one line too. With a dilation of
   d the pixels of a tile, read and written, are d apart, and d tiles lie within each other. The gradient of the input
   is a forward pass (see conv_pass.h). Vectors run along channels, so that any image size will do. */
#ifndef TENSORLIB_WINOGRAD_H
#define TENSORLIB_WINOGRAD_H
#include <string.h>
#include "conv_pass.h"
#include "parallel.h"
#include "simd.h"

#define PLACES 16                               /* of a tile of four by four */
#define MOST_STRIPS 4                           /* pieces of one dim */
#define MOST_TAPS 12                            /* of one dim of the kernel */
#define TURNED 96                               /* places of kernels that are turned at once */

/* A case of a switch for each pair of numbers of taps, see HAS_PLACE. */
#define EACH_PIECE(CASE) \
    CASE(3, 3) CASE(3, 2) CASE(3, 1) CASE(2, 3) CASE(2, 2) CASE(2, 1) CASE(1, 3) CASE(1, 2) CASE(1, 1) CASE(0, 3) \
    CASE(0, 2) CASE(0, 1)

/* One to three places of the kernel in one dim. */
typedef struct {
    int taps, tap[3];                           /* -1: no such place */
    ptrdiff_t from;                             /* pixel that the first one reads, from a position's first pixel on */
} strip;

/* Pixels between those that neighbouring places of a piece read; with a dilation the stride is 1. */
static ptrdiff_t pixel_step(const ConvShape *s, const pass *m, int dim) { return m->step[dim] * s->dilation[dim + 1]; }

/* Cut the places that reach a phase into strips. Returns how many, 0 where there are too many. */
static int find_strips(const ConvShape *s, const pass *m, int dim, ptrdiff_t phase, strip *strips)
{
    const int all = (int)s->kernel[dim + 1];
    int count = 0;
    for (ptrdiff_t residue = 0; residue < m->step[dim]; residue++) {
        int tap[MOST_TAPS], n = 0, done = 0;
        ptrdiff_t first = 0;
        for (int i = 0; i < all; i++) {
            const int t = m->gradient ? all - 1 - i : i;
            const ptrdiff_t at = tap_at(s, m, dim, phase, t);
            if (at < 0 || at % m->step[dim] != residue) continue;
            if (n == 0) first = at;
            tap[n++] = t;
        }
        while (done < n) {
            const int rest = n - done, taps = rest == 4 ? 2 : rest < 3 ? rest : 3;
            if (count == MOST_STRIPS) return 0;
            strip *to = strips + count++;
            to->taps = taps;
            to->from = first + done * pixel_step(s, m, dim);
            for (int i = 0; i < 3; i++) to->tap[i] = i < taps ? tap[done + i] : -1;
            done += taps;
        }
    }
    return count;
}

/* Whether pieces of so many taps have products in a line or column of the tile. No tap: one, for a single output. */
#define HAS_PLACE(taps, i) ((i) == 0 || ((taps) == 1 ? (i) == 3 : (i) <= (taps)))

typedef struct {
    int rows, columns;                          /* taps of each dim, as for HAS_PLACE */
    int tap[9];                                 /* places of the kernel as three by three, -1: none */
    ptrdiff_t from[2];
    int slot[PLACES];                           /* how many pieces before this one have a place too, -1: it has not */
} piece;

/* The pieces of one phase of the outputs. */
typedef struct {
    ptrdiff_t phase[2];
    int count, slots[PLACES];                   /* pieces that have a place */
    int all;                                    /* sum of the slots */
    piece piece[MOST_STRIPS * MOST_STRIPS];
} pieces;

/* Whether there is one line of outputs, made of one line of inputs. */
static int is_flat(const ConvShape *s, const pass *m) { return s->kernel[1] == 1 && m->out_size[0] == 1; }

static void find_pieces(const ConvShape *s, const pass *m, ptrdiff_t index, pieces *p)
{
    strip rows[MOST_STRIPS], columns[MOST_STRIPS];
    p->phase[0] = index / m->phases[1];
    p->phase[1] = index % m->phases[1];
    const int down = find_strips(s, m, 0, p->phase[0], rows), across = find_strips(s, m, 1, p->phase[1], columns);
    p->count = p->all = 0;
    memset(p->slots, 0, sizeof p->slots);
    for (int i = 0; i < down; i++)
        for (int j = 0; j < across; j++) {
            piece *to = p->piece + p->count++;
            to->rows = is_flat(s, m) ? 0 : rows[i].taps;
            to->columns = columns[j].taps;
            to->from[0] = rows[i].from;
            to->from[1] = columns[j].from;
            for (int k = 0; k < 9; k++) {
                const int y = rows[i].tap[k / 3], x = columns[j].tap[k % 3];
                to->tap[k] = y < 0 || x < 0 ? -1 : y * (int)s->kernel[2] + x;
            }
            for (int k = 0; k < PLACES; k++)
                to->slot[k] = HAS_PLACE(to->rows, k / 4) && HAS_PLACE(to->columns, k % 4) ? p->slots[k]++ : -1;
        }
    for (int k = 0; k < PLACES; k++) p->all += p->slots[k];
}

/* How a pass is cut into tiles. */
typedef struct {
    pass m;
    ptrdiff_t apart[2];                         /* positions between the two of a tile in each dim: the dilation */
    ptrdiff_t down, across;                     /* tiles of an image, for each phase: multiples of `apart` */
    ptrdiff_t step[2], span[2];                 /* between pixels that a tile reads, and from the first to the last */
    int flat;                                   /* tiles have one line of outputs */
    int phases, most;                           /* phases of the output; most pieces of one */
    int all;                                    /* slots of all phases */
    pieces pieces[4];                           /* of each phase */
} tiling;

/* n tiles of one dim or a few more, so that all that lie within each other are together. */
static ptrdiff_t whole_tiles(const tiling *t, int dim, ptrdiff_t n)
{
    return (n + t->apart[dim] - 1) / t->apart[dim] * t->apart[dim];
}

/* The first position of a tile in one dim. */
static ptrdiff_t tile_at(const tiling *t, int dim, ptrdiff_t tile)
{
    const ptrdiff_t apart = t->apart[dim];
    return apart == 1 ? 2 * tile : tile / apart * 2 * apart + tile % apart;
}

/* Returns 0 where this path does not apply. */
static int find_tiling(const ConvShape *s, int gradient, tiling *t)
{
    t->most = t->all = 0;
    t->span[0] = t->span[1] = 0;
    if (!has_two_dims(s)) return 0;
    for (int i = 1; i < 3; i++)
        if (s->kernel[i] > MOST_TAPS || s->stride[i] > (s->dilation[i] > 1 ? 1 : 2) || s->stride[i] > s->kernel[i])
            return 0;
    t->m = describe_pass(s, gradient);
    t->flat = is_flat(s, &t->m);
    t->phases = (int)(t->m.phases[0] * t->m.phases[1]);
    for (int i = 0; i < 2; i++) {
        t->apart[i] = s->kernel[i + 1] > 1 ? s->dilation[i + 1] : 1;
        t->step[i] = t->m.step[i] * t->apart[i];
        if (t->apart[i] > t->m.grid[i]) return 0;
    }
    t->down = whole_tiles(t, 0, (t->m.grid[0] + 1) / 2);
    t->across = whole_tiles(t, 1, (t->m.grid[1] + 1) / 2);
    for (int i = 0; i < t->phases; i++) {
        pieces *p = t->pieces + i;
        find_pieces(s, &t->m, i, p);
        if (p->count == 0) return 0;
        if (p->count > t->most) t->most = p->count;
        t->all += p->all;
        for (const piece *own = p->piece; own < p->piece + p->count; own++)
            for (int d = 0; d < 2; d++) {
                const ptrdiff_t last = own->from[d] + (d ? own->columns : own->rows) * t->step[d];
                if (last >= t->span[d]) t->span[d] = last + 1;
            }
    }
    return 1;
}

/* One block of work: some images, and some lines of tiles in each, or a part of one. */
typedef struct {
    ptrdiff_t group, image, images;
    ptrdiff_t top, lines;                       /* in tiles */
    ptrdiff_t left, across;                     /* tiles in a line */
    ptrdiff_t tiles;                            /* images * lines * across */
    ptrdiff_t height, width;                    /* pixels of the copy of an image that the tiles read */
} tile_block;

static ptrdiff_t pixels_under(const tiling *t, int dim, ptrdiff_t tiles)
{
    return tile_at(t, dim, tiles - 1) * t->m.step[dim] + t->span[dim];
}

static tile_block find_block(const ConvShape *s, const tiling *t, ptrdiff_t task)
{
    tile_block b;
    b.left = task / s->groups % s->chunks * s->tile;
    b.across = limit(t->across - b.left, 0, s->tile);
    b.group = task % s->groups;
    task /= s->chunks;
    b.top = task / s->groups % s->bands * s->band;
    b.lines = t->down - b.top < s->band ? t->down - b.top : s->band;
    b.image = s->batch * (task / s->groups / s->bands) / s->blocks;
    b.images = s->batch * (task / s->groups / s->bands + 1) / s->blocks - b.image;
    b.tiles = b.images * b.lines * b.across;
    b.height = pixels_under(t, 0, b.lines);
    b.width = pixels_under(t, 1, b.across);
    return b;
}

/* Cut the work into blocks of about `most` tiles, and into enough of them for all threads. */
static void plan_blocks(ConvShape *s, const tiling *t, ptrdiff_t most, int threads)
{
    const ptrdiff_t image = t->across * t->down, fair = (s->batch * s->groups * image + threads - 1) / threads;
    const ptrdiff_t line = t->apart[0] * t->across;
    if (most > fair) most = fair;
    s->chunks = 2 * most < line ? (line + most - 1) / most : 1;
    s->tile = whole_tiles(t, 1, (t->across + s->chunks - 1) / s->chunks);
    s->chunks = (t->across + s->tile - 1) / s->tile;
    s->images = image < most ? most / image : 1;
    s->blocks = fair_pieces((s->batch + s->images - 1) / s->images, s->groups, s->batch, threads);
    s->images = (s->batch + s->blocks - 1) / s->blocks;
    s->band = s->images > 1 || most >= image ? t->down : most < line ? t->apart[0] : most / line * t->apart[0];
    s->bands = (t->down + s->band - 1) / s->band;
    s->band = whole_tiles(t, 0, (t->down + s->bands - 1) / s->bands);
    s->bands = (t->down + s->band - 1) / s->band;
}

static ptrdiff_t all_blocks(const ConvShape *s) { return s->groups * s->chunks * s->bands * s->blocks; }

#define real float
#include "gemm_tile.h"
#include "channels_last.h"
#include "winograd_tile.h"
#include "winograd_weight.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "channels_last.h"
#include "winograd_tile.h"
#include "winograd_weight.h"
#undef real
#endif
