// Columns of a convolution of dense (image, channel, z, y, x) arrays, and the input's derivative from those of its columns.
// The column matrix has a row for each (channel, kernel position) and a column for each (image, output position).
#include "common.cuh"

// Missing leading dims have size 1. Planes and rows of columns are counted in 32 bits.
struct Conv { i64 images, channels, pixels, positions, taps, size[3], kernel[3], stride[3], padding[3], dilation[3], out[3]; };

// Neighbouring threads write neighbours of a row; where the stride is 1 they read neighbours too.
template <class T> __device__ __forceinline__ void columns_of(T* columns, const T* x, const Conv& s) {
    i64 width = s.images * s.positions;
    FOR_GRID(i, s.channels * s.taps * width) {
        i64 row = i / width;
        u32 column = (u32)(i - row * width), image = column / (u32)s.positions, p = column % (u32)s.positions;
        u32 channel = (u32)row / (u32)s.taps, tap = (u32)row % (u32)s.taps;
        i64 at = 0;
        bool within = true;
        u32 outs[3] = {p / (u32)s.out[2] / (u32)s.out[1], p / (u32)s.out[2] % (u32)s.out[1], p % (u32)s.out[2]};
        u32 taps[3] = {tap / (u32)s.kernel[2] / (u32)s.kernel[1], tap / (u32)s.kernel[2] % (u32)s.kernel[1],
                       tap % (u32)s.kernel[2]};
        for (int d = 0; d < 3; ++d) {
            i64 k = outs[d] * s.stride[d] + taps[d] * s.dilation[d] - s.padding[d];
            within = within && k >= 0 && k < s.size[d];
            at = at * s.size[d] + k;
        }
        columns[i] = within ? x[((i64)image * s.channels + channel) * s.pixels + at] : (T)0;
    }
}

// Each input element gathers the columns that it went to: no atomics, and always the same order. Plus its channel's bias.
template <class T> __device__ __forceinline__ void image_of(T* x, const T* columns, const T* bias, const Conv& s) {
    i64 width = s.images * s.positions;
    FOR_GRID(i, s.images * s.channels * s.pixels) {
        i64 plane = i / s.pixels;
        u32 pixel = (u32)(i - plane * s.pixels), image = (u32)plane / (u32)s.channels, channel = (u32)plane % (u32)s.channels;
        u32 line = pixel / (u32)s.size[2];
        i64 at[3] = {line / (u32)s.size[1], line % (u32)s.size[1], pixel % (u32)s.size[2]};
        T total = bias ? bias[channel] : (T)0;
        for (int tap = 0; tap < (int)s.taps; ++tap) {
            u32 taps[3] = {(u32)tap / (u32)s.kernel[2] / (u32)s.kernel[1], (u32)tap / (u32)s.kernel[2] % (u32)s.kernel[1],
                           (u32)tap % (u32)s.kernel[2]};
            i64 p = 0;
            bool within = true;
            for (int d = 0; d < 3; ++d) {
                i64 k = at[d] + s.padding[d] - taps[d] * s.dilation[d], o = k / s.stride[d];
                within = within && k >= 0 && o * s.stride[d] == k && o < s.out[d];
                p = p * s.out[d] + o;
            }
            if (within) total += columns[((i64)channel * s.taps + tap) * width + image * s.positions + p];
        }
        x[i] = total;
    }
}

#define CONVS(name, T) \
    KERNEL columns_##name(T* columns, const T* x, const Conv s) { columns_of(columns, x, s); } \
    KERNEL image_##name(T* x, const T* columns, const T* bias, const Conv s) { image_of(x, columns, bias, s); }
FOR_REALS(CONVS)
