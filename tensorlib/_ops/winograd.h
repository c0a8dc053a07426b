/* Winograd convolution F(2x2, 3x3) for float and double: 3x3 kernels with stride 1 over images of two dims.

   Two by two outputs are made of a tile of four by four inputs with 16 products for each pair of channels instead of 36
   (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016). With the matrices of that paper,

       forward             Y  = At [ (G w Gt) . (Bt d B) ] A        summed over input channels
       gradient of weight  dw = Gt [ (Bt d B) . (A dY At) ] G       summed over tiles

   where the dots are 16 matrix products, one for each place in the tile. The gradient of the input is a forward pass.
   Vectors run along channels, so that any image size will do. */
#ifndef TENSORLIB_WINOGRAD_H
#define TENSORLIB_WINOGRAD_H
#include <string.h>
#include "conv_shape.h"
#include "parallel.h"
#include "simd.h"

#define TILE_M (VECTOR_REGISTERS == 32 ? 12 : 6)
#define PLACES 16                               /* of a tile of four by four */

/* One block of work: some images, and some lines of tiles in each. */
typedef struct {
    ptrdiff_t group, image, images;
    ptrdiff_t top, lines;                       /* in tiles */
    ptrdiff_t across;                           /* tiles in a line */
    ptrdiff_t tiles;                            /* images * lines * across */
} tile_block;

static tile_block find_block(const ConvShape *s, ptrdiff_t task)
{
    tile_block b;
    const ptrdiff_t down = (s->out[1] + 1) / 2;
    b.across = (s->out[2] + 1) / 2;
    b.group = task % s->groups;
    b.top = task / s->groups % s->bands * s->band;
    b.lines = down - b.top < s->band ? down - b.top : s->band;
    b.image = task / s->groups / s->bands * s->images;
    b.images = s->batch - b.image < s->images ? s->batch - b.image : s->images;
    b.tiles = b.images * b.lines * b.across;
    return b;
}

static int winograd_applies(const ConvShape *s)
{
    return s->size[0] == 1 && s->out[0] == 1 && s->kernel[0] == 1 && s->kernel[1] == 3 && s->kernel[2] == 3
        && s->padding[0] == 0 && s->stride[1] == 1 && s->stride[2] == 1 && s->dilation[1] == 1 && s->dilation[2] == 1;
}

/* Cut the work into blocks of about `most` tiles, and into enough of them for all threads. */
static void plan_blocks(ConvShape *s, ptrdiff_t most, int threads)
{
    const ptrdiff_t across = (s->out[2] + 1) / 2, down = (s->out[1] + 1) / 2;
    const ptrdiff_t fair = (s->batch * s->groups * across * down + threads - 1) / threads;
    if (most > fair) most = fair;
    s->images = across * down < most ? most / (across * down) : 1;
    s->blocks = (s->batch + s->images - 1) / s->images;
    s->images = (s->batch + s->blocks - 1) / s->blocks;
    s->band = s->images > 1 || most >= across * down ? down : most < across ? 1 : most / across;
    s->bands = (down + s->band - 1) / s->band;
    s->band = (down + s->bands - 1) / s->bands;
    s->bands = (down + s->band - 1) / s->band;
}

#define real float
#include "gemm_tile.h"
#include "channels_last.h"
#include "winograd_tile.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "channels_last.h"
#include "winograd_tile.h"
#undef real
#endif
