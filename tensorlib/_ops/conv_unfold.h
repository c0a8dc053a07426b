/* What im2col copies and adds up, for float and double: lines of pixels, pixels of 1x1 kernels, and sums of the
   gradient of the weight that have output channels side by side. */
#ifndef TENSORLIB_CONV_UNFOLD_H
#define TENSORLIB_CONV_UNFOLD_H
#include <string.h>
#include "conv_shape.h"
#include "simd.h"

#define real float
#include "gemm_tile.h"
#include "conv_lines.h"
#include "conv_pixels.h"
#include "conv_join.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "conv_lines.h"
#include "conv_pixels.h"
#include "conv_join.h"
#undef real
#endif
