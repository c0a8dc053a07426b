// Softmax and log-softmax along a dim of dense (outer, n, inner) arrays, and their derivatives at the output.
// Lines of neighbours are worked off by a warp or a block, lines side by side by a thread each.
#include "block.cuh"

template <class A> struct Largest {
    static __device__ A start() { return lowest<A>(); }
    static __device__ A merge(A a, A b) { return a != a || a > b ? a : b; }     // a NaN stays
};
// The fold over the `width` threads that work on one line, for all of them.
template <class Op, class A> __device__ __forceinline__ A together(A a, u32 width) {
    if (width == 1) return a;
    if (width == WARP) return __shfl_sync(ALL_LANES, warp_fold<Op>(a), 0);
    __shared__ A all;
    a = block_fold<Op>(a);
    if (threadIdx.x == 0) all = a;
    __syncthreads();
    return all;
}

template <class T> __device__ __forceinline__ void softmax(T* y, const T* x, i64 lines, i64 n, i64 inner, u32 width, int logarithm) {
    u32 lane = threadIdx.x % width;
    i64 groups = gridDim.x * (i64)(blockDim.x / width);
    for (i64 line = blockIdx.x * (i64)(blockDim.x / width) + threadIdx.x / width; line < lines; line += groups) {
        i64 at = line / inner * n * inner + line % inner;
        T top = lowest<T>(), total = 0;
        for (i64 i = lane; i < n; i += width) top = Largest<T>::merge(top, x[at + i * inner]);
        top = together<Largest<T>>(top, width);
        for (i64 i = lane; i < n; i += width) total += exp(x[at + i * inner] - top);
        total = together<Add<T>>(total, width);
        T shift = top + log(total);
        for (i64 i = lane; i < n; i += width) {
            T v = x[at + i * inner];
            y[at + i * inner] = logarithm ? v - shift : exp(v - top) / total;
        }
    }
}
// y * (g - sum of g * y), or g - e^y * (sum of g).
template <class T> __device__ __forceinline__ void softmax_grad(T* out, const T* g, const T* y, i64 lines, i64 n, i64 inner, u32 width,
                                                                int logarithm) {
    u32 lane = threadIdx.x % width;
    i64 groups = gridDim.x * (i64)(blockDim.x / width);
    for (i64 line = blockIdx.x * (i64)(blockDim.x / width) + threadIdx.x / width; line < lines; line += groups) {
        i64 at = line / inner * n * inner + line % inner;
        T total = 0;
        for (i64 i = lane; i < n; i += width) total += logarithm ? g[at + i * inner] : g[at + i * inner] * y[at + i * inner];
        total = together<Add<T>>(total, width);
        for (i64 i = lane; i < n; i += width) {
            i64 k = at + i * inner;
            out[k] = logarithm ? g[k] - exp(y[k]) * total : y[k] * (g[k] - total);
        }
    }
}

#define SOFTMAX(name, T) \
    KERNEL softmax_##name(T* y, const T* x, i64 lines, i64 n, i64 inner, u32 width, i32 logarithm) { \
        softmax(y, x, lines, n, inner, width, logarithm); } \
    KERNEL softmax_grad_##name(T* out, const T* g, const T* y, i64 lines, i64 n, i64 inner, u32 width, i32 logarithm) { \
        softmax_grad(out, g, y, lines, n, inner, width, logarithm); }
FOR_REALS(SOFTMAX)
