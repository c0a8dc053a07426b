// Batch normalisation of dense (batch, channels, inner) arrays from statistics of each channel, and its derivative.
#include "common.cuh"

template <class T> __device__ __forceinline__ void normalise(T* out, const T* x, const T* mean, const T* invstd, const T* w,
                                                             const T* b, i64 n, i64 channels, i64 inner) {
    FOR_GRID(i, n) {
        i64 c = i / inner % channels;
        T xhat = (x[i] - mean[c]) * invstd[c];
        out[i] = (w ? xhat * w[c] : xhat) + (b ? b[c] : (T)0);
    }
}
// w r (g - (mean of g) - xhat (mean of g xhat)); without the means where the statistics are no functions of the input.
template <class T> __device__ __forceinline__ void slope(T* out, const T* g, const T* xhat, const T* invstd, const T* w,
                                                         const T* dweight, const T* dbias, i64 n, i64 channels, i64 inner,
                                                         double count) {
    FOR_GRID(i, n) {
        i64 c = i / inner % channels;
        T d = dbias ? g[i] - (dbias[c] + xhat[i] * dweight[c]) / (T)count : g[i];
        out[i] = d * invstd[c] * (w ? w[c] : (T)1);
    }
}
template <class T> __device__ __forceinline__ void inverse_root(T* invstd, const T* variance, i64 n, double eps) {
    FOR_GRID(i, n) invstd[i] = (T)(1 / sqrt((double)variance[i] + eps));
}

#define NORMS(name, T) \
    KERNEL normalise_##name(T* out, const T* x, const T* mean, const T* invstd, const T* w, const T* b, i64 n, i64 channels, \
                            i64 inner) { normalise(out, x, mean, invstd, w, b, n, channels, inner); } \
    KERNEL slope_##name(T* out, const T* g, const T* xhat, const T* invstd, const T* w, const T* dweight, const T* dbias, \
                        i64 n, i64 channels, i64 inner, double count) { \
        slope(out, g, xhat, invstd, w, dweight, dbias, n, channels, inner, count); } \
    KERNEL inverse_root_##name(T* invstd, const T* variance, i64 n, double eps) { inverse_root(invstd, variance, n, eps); }
FOR_REALS(NORMS)
