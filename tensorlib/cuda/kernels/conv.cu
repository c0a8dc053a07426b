// Columns of a convolution of dense (image, channel, z, y, x) arrays, and the input's derivative from those of its columns.
// The column matrix has a row for each (channel, kernel position) and a column for each (image, output position).
// Depthwise convolutions, whose groups have one input channel and few output channels, are computed directly.
#include "block.cuh"

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

// ---- depthwise: output channel o belongs to input channel o / fan, and its weights are those of o's taps ----

// Kernel coordinates begin <= k < end whose input coordinate, first + k * dilation, lies inside.
struct Span { i64 first; i32 begin, end; };
__device__ __forceinline__ Span span_at(const Conv& s, int d, i64 o) {
    Span r;
    i64 step = s.dilation[d];
    r.first = o * s.stride[d] - s.padding[d];
    r.begin = r.first >= 0 ? 0 : (i32)min((-r.first + step - 1) / step, s.kernel[d]);
    r.end = r.first >= s.size[d] ? 0 : (i32)min((s.size[d] - 1 - r.first) / step + 1, s.kernel[d]);
    return r;
}
#define FOR_TAPS(k, span) for (i32 k = span.begin; k < span.end; ++k)

// A thread for each output element: neighbours read neighbours where the stride is 1, and the same weights.
template <class T> __device__ __forceinline__ void depthwise(T* out, const T* x, const T* w, const T* bias, i64 fan,
                                                             const Conv& s) {
    i64 channels = s.channels * fan;
    FOR_GRID(i, s.images * channels * s.positions) {
        i64 plane = i / s.positions, image = plane / channels, o = plane - image * channels;
        u32 p = (u32)(i - plane * s.positions), line = p / (u32)s.out[2];
        const T *from = x + (image * s.channels + o / fan) * s.pixels, *weights = w + o * s.taps;
        Span a = span_at(s, 0, line / (u32)s.out[1]), b = span_at(s, 1, line % (u32)s.out[1]);
        Span c = span_at(s, 2, p % (u32)s.out[2]);
        T total = bias ? bias[o] : (T)0;
        FOR_TAPS(kz, a) FOR_TAPS(ky, b) {
            const T* row = from + ((a.first + kz * s.dilation[0]) * s.size[1] + b.first + ky * s.dilation[1]) * s.size[2];
            const T* of_row = weights + (kz * s.kernel[1] + ky) * s.kernel[2];
            FOR_TAPS(kx, c) total += of_row[kx] * row[c.first + kx * s.dilation[2]];
        }
        out[i] = total;
    }
}

// The output coordinate that an input coordinate went to by tap k, -1 where it went to none.
__device__ __forceinline__ i64 reached(const Conv& s, int d, i64 at, i64 k) {
    i64 from = at + s.padding[d] - k * s.dilation[d], o = from / s.stride[d];
    return from >= 0 && o * s.stride[d] == from && o < s.out[d] ? o : -1;
}

// The input's derivative: a thread gathers for each input element what all taps of its output channels bring.
template <class T> __device__ __forceinline__ void depthwise_dx(T* dx, const T* g, const T* w, const T* bias, i64 fan,
                                                                const Conv& s) {
    FOR_GRID(i, s.images * s.channels * s.pixels) {
        i64 plane = i / s.pixels, channel = plane % s.channels;
        u32 pixel = (u32)(i - plane * s.pixels), line = pixel / (u32)s.size[2];
        i64 z = line / (u32)s.size[1], y = line % (u32)s.size[1], x = pixel % (u32)s.size[2];
        const T *from = g + plane * fan * s.positions, *weights = w + channel * fan * s.taps;
        T total = bias ? bias[channel] : (T)0;
        for (i32 kz = 0; kz < s.kernel[0]; ++kz) {
            i64 oz = reached(s, 0, z, kz);
            if (oz >= 0) for (i32 ky = 0; ky < s.kernel[1]; ++ky) {
                i64 oy = reached(s, 1, y, ky);
                if (oy >= 0) for (i32 kx = 0; kx < s.kernel[2]; ++kx) {
                    i64 ox = reached(s, 2, x, kx);
                    if (ox < 0) continue;
                    const T* to = from + (oz * s.out[1] + oy) * s.out[2] + ox;
                    const T* tap = weights + (kz * s.kernel[1] + ky) * s.kernel[2] + kx;
                    for (i64 m = 0; m < fan; ++m) total += tap[m * s.taps] * to[m * s.positions];
                }
            }
        }
        dx[i] = total;
    }
}

// The weight's derivative: a block for each weight, and a layer of blocks for each slice of the images.
template <class T> __device__ __forceinline__ void depthwise_dw(T* parts, const T* g, const T* x, i64 fan, const Conv& s) {
    i64 channels = s.channels * fan, o = blockIdx.x / s.taps, tap = blockIdx.x - o * s.taps, each = s.images / gridDim.y;
    i64 line = tap / s.kernel[2], k[3] = {line / s.kernel[1], line % s.kernel[1], tap % s.kernel[2]};
    T total = 0;
    for (i64 i = threadIdx.x; i < each * s.positions; i += blockDim.x) {
        i64 image = blockIdx.y * each + i / s.positions;
        u32 p = (u32)(i % s.positions), row = p / (u32)s.out[2];
        u32 outs[3] = {row / (u32)s.out[1], row % (u32)s.out[1], p % (u32)s.out[2]};
        i64 at = 0;
        bool within = true;
        for (int d = 0; d < 3; ++d) {
            i64 c = outs[d] * s.stride[d] - s.padding[d] + k[d] * s.dilation[d];
            within = within && c >= 0 && c < s.size[d];
            at = at * s.size[d] + c;
        }
        if (within) total += g[(image * channels + o) * s.positions + p] * x[(image * s.channels + o / fan) * s.pixels + at];
    }
    total = block_fold<Add<T>>(total);
    if (threadIdx.x == 0) parts[blockIdx.y * (i64)gridDim.x + blockIdx.x] = total;
}

#define CONVS(name, T) \
    KERNEL depthwise_##name(T* out, const T* x, const T* w, const T* bias, i64 fan, const Conv s) { \
        depthwise(out, x, w, bias, fan, s); } \
    KERNEL depthwise_dx_##name(T* dx, const T* g, const T* w, const T* bias, i64 fan, const Conv s) { \
        depthwise_dx(dx, g, w, bias, fan, s); } \
    KERNEL depthwise_dw_##name(T* parts, const T* g, const T* x, i64 fan, const Conv s) { depthwise_dw(parts, g, x, fan, s); } \
    KERNEL columns_##name(T* columns, const T* x, const Conv s) { columns_of(columns, x, s); } \
    KERNEL image_##name(T* x, const T* columns, const T* bias, const Conv s) { image_of(x, columns, bias, s); }
FOR_REALS(CONVS)
