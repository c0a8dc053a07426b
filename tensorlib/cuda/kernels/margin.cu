// Margin losses over the classes of a row, and their derivatives. A warp works off a row of a dense (rows, n) array.
#include "block.cuh"
#include "position.cuh"

#define FOR_ROWS(row, rows) \
    for (i64 row = (blockIdx.x * (i64)blockDim.x + threadIdx.x) / WARP; row < (rows); row += gridDim.x * (i64)blockDim.x / WARP)

// Target, its weight and its input; what a class c contributes is w * max(0, margin - x[t] + x[c])^p.
// Without g and v `out` gets the sum of each row; with g the derivative times it, with v the second derivative applied to v.
template <class T> __device__ __forceinline__ void multi_margin(T* out, const T* x, const i64* target, const T* w, const T* g,
                                                                const T* v, i64 rows, i64 n, int p, double margin, double scale,
                                                                Fault* fault, i64 code) {
    i64 lane = threadIdx.x % WARP;
    FOR_ROWS(row, rows) {
        i64 t = target[row];
        bool known = inside(t, 0, n, fault, code);
        const T* from = x + row * n;
        T top = known ? (T)margin - from[t] : (T)0, total = 0;
        T factor = !known ? (T)0 : (w ? w[t] : (T)1) * (g ? *g : (T)1) * (T)scale;
        for (i64 c = lane; c < n; c += WARP) {
            T z = top + from[c], d = p == 1 ? (T)1 : 2 * z;
            bool counts = known && c != t && z > 0;
            if (v && known) d = 2 * (v[row * n + c] - v[row * n + t]);
            T share = !counts ? (T)0 : g || v ? factor * d : factor * (p == 1 ? z : z * z);
            if ((g || v) && c != t) out[row * n + c] = share;
            total += share;
        }
        total = warp_fold<Add<T>>(total);
        if (lane == 0 && (g || v) && known) out[row * n + t] = -total;
        if (lane == 0 && !g && !v) out[row] = total;
    }
}

// Targets of a row are its class indices up to the first -1; pairs of a target t, also of one given twice, and a class c that is
// none contribute max(0, 1 - x[t] + x[c]). `marks` has room to say of each class how often it is a target.
template <class T> __device__ __forceinline__ void multilabel_margin(T* out, i32* marks, const T* x, const i64* target, const T* g,
                                                                     i64 rows, i64 n, double scale, Fault* fault, i64 code) {
    i64 lane = threadIdx.x % WARP;
    FOR_ROWS(row, rows) {
        const T* from = x + row * n;
        const i64* labels = target + row * n;
        i32* mark = marks + row * n;
        i64 count = 0;
        while (count < n && labels[count] >= 0 && labels[count] < n) ++count;
        for (i64 c = lane; c < n; c += WARP) {
            if (labels[c] != -1) inside(labels[c], 0, n, fault, code);
            mark[c] = 0;
            for (i64 k = 0; k < count; ++k) mark[c] += labels[k] == c;
        }
        __syncwarp();
        T total = 0, factor = (g ? *g : (T)1) * (T)scale;
        for (i64 c = lane; c < n; c += WARP) {
            T sum = 0;
            i64 pairs = 0;
            for (i64 k = 0; k < (mark[c] ? g ? n : 0 : count); ++k) {
                if (mark[c] && mark[k]) continue;
                T z = mark[c] ? 1 - from[c] + from[k] : 1 - from[labels[k]] + from[c];
                if (z > 0) { sum += z; ++pairs; }
            }
            if (g) out[row * n + c] = factor * (T)(mark[c] ? -mark[c] * pairs : pairs);
            total += sum;
        }
        total = warp_fold<Add<T>>(total);
        if (lane == 0 && !g) out[row] = factor * total;
    }
}

#define MARGINS(name, T) \
    KERNEL multi_margin_##name(T* out, const T* x, const i64* target, const T* w, const T* g, const T* v, i64 rows, i64 n, \
                               i32 p, double margin, double scale, Fault* fault, i64 code) { \
        multi_margin(out, x, target, w, g, v, rows, n, p, margin, scale, fault, code); } \
    KERNEL multilabel_margin_##name(T* out, i32* marks, const T* x, const i64* target, const T* g, i64 rows, i64 n, \
                                    double scale, Fault* fault, i64 code) { \
        multilabel_margin(out, marks, x, target, g, rows, n, scale, fault, code); }
FOR_REALS(MARGINS)
