// Running sums and products along a dim of dense (outer, n, inner) arrays; what needs a line from both its ends.
// Lines of neighbours are worked off in chunks, a block for each: first by themselves, then with what stands before them.
#include "block.cuh"

template <class A> struct Multiply {
    static __device__ A start() { return 1; }
    static __device__ A merge(A a, A b) { return a * b; }
};

// One chunk of a line (inner is 1); `backward` runs from the end. The fold of each chunk goes to totals.
template <class Op, class A, class T> __device__ __forceinline__ void chunk(A* out, A* totals, const T* x, i64 n, i64 size,
                                                                            int backward) {
    i64 line = blockIdx.x, begin = blockIdx.y * size, end = begin + size < n ? begin + size : n;
    A lead = Op::start(), total;
    for (i64 first = begin; first < end; first += blockDim.x) {
        i64 i = first + threadIdx.x, at = line * n + (backward ? n - 1 - i : i);
        A a = block_scan<Op>(i < end ? (A)x[at] : Op::start(), &total);
        if (i < end) out[at] = Op::merge(lead, a);
        lead = Op::merge(lead, total);
    }
    if (totals && threadIdx.x == 0) totals[line * gridDim.y + blockIdx.y] = lead;
}
template <class Op, class A> __device__ __forceinline__ void lead(A* out, const A* totals, i64 n, i64 size, int backward) {
    i64 line = blockIdx.x, begin = blockIdx.y * size, end = begin + size < n ? begin + size : n;
    if (blockIdx.y == 0) return;
    A before = totals[line * gridDim.y + blockIdx.y - 1];
    for (i64 i = begin + threadIdx.x; i < end; i += blockDim.x) {
        i64 at = line * n + (backward ? n - 1 - i : i);
        out[at] = Op::merge(before, out[at]);
    }
}
// Lines side by side: a thread for each.
template <class Op, class A, class T> __device__ __forceinline__ void columns(T* out, const T* x, i64 lines, i64 n, i64 inner,
                                                                              int backward) {
    FOR_GRID(line, lines) {
        i64 at = line / inner * n * inner + line % inner, step = inner;
        if (backward) { at += (n - 1) * inner; step = -inner; }
        A a = Op::start();
        for (i64 i = 0; i < n; ++i, at += step) out[at] = (T)(a = Op::merge(a, (A)x[at]));
    }
}

// For each element the product of all others of its line.
template <class T> __device__ __forceinline__ void prod_others(T* out, const T* x, i64 lines, i64 n, i64 inner) {
    FOR_GRID(line, lines) {
        i64 at = line / inner * n * inner + line % inner;
        T product = 1;
        for (i64 i = 0; i < n; ++i) { out[at + i * inner] = product; product *= x[at + i * inner]; }
        product = 1;
        for (i64 i = n - 1; i >= 0; --i) { out[at + i * inner] *= product; product *= x[at + i * inner]; }
    }
}
// out[j] = sum over i >= j of dy[i] * product of x[k], k <= i, k != j.
template <class T> __device__ __forceinline__ void cumprod_grad(T* out, const T* dy, const T* x, i64 lines, i64 n, i64 inner) {
    FOR_GRID(line, lines) {
        i64 at = line / inner * n * inner + line % inner;
        T before = 1, after = 0;
        for (i64 i = 0; i < n; ++i) { out[at + i * inner] = before; before *= x[at + i * inner]; }
        for (i64 i = n - 1; i >= 0; --i) {
            after += dy[at + i * inner];
            out[at + i * inner] *= after;
            after *= x[at + i * inner];
        }
    }
}
// Counts of equal bins between low and high; the last bin holds high itself.
template <class T> __device__ __forceinline__ void histogram(T* bins, const T* x, i64 n, i64 count, double low, double high) {
    FOR_GRID(i, n) {
        double v = x[i];
        if (!(low <= v && v <= high)) continue;
        i64 bin = (i64)((v - low) / (high - low) * count);
        atomicAdd(bins + (bin < count ? bin : count - 1), (T)1);
    }
}

#define SCANS(name, T) \
    KERNEL cumsum_columns_##name(T* out, const T* x, i64 lines, i64 n, i64 inner, i32 backward) { \
        columns<Add<Wide<T>::type>, Wide<T>::type>(out, x, lines, n, inner, backward); } \
    KERNEL cumprod_columns_##name(T* out, const T* x, i64 lines, i64 n, i64 inner, i32 backward) { \
        columns<Multiply<Wide<T>::type>, Wide<T>::type>(out, x, lines, n, inner, backward); }
FOR_NUMBERS(SCANS)
#define CHUNKS(name, A) \
    KERNEL cumsum_chunk_##name(A* out, A* totals, const A* x, i64 n, i64 size, i32 backward) { \
        chunk<Add<A>>(out, totals, x, n, size, backward); } \
    KERNEL cumsum_lead_##name(A* out, const A* totals, i64 n, i64 size, i32 backward) { \
        lead<Add<A>>(out, totals, n, size, backward); } \
    KERNEL cumprod_chunk_##name(A* out, A* totals, const A* x, i64 n, i64 size, i32 backward) { \
        chunk<Multiply<A>>(out, totals, x, n, size, backward); } \
    KERNEL cumprod_lead_##name(A* out, const A* totals, i64 n, i64 size, i32 backward) { \
        lead<Multiply<A>>(out, totals, n, size, backward); }
CHUNKS(long, i64) FOR_REALS(CHUNKS)
#define LINES(name, T) \
    KERNEL prod_others_##name(T* out, const T* x, i64 lines, i64 n, i64 inner) { prod_others(out, x, lines, n, inner); } \
    KERNEL cumprod_grad_##name(T* out, const T* dy, const T* x, i64 lines, i64 n, i64 inner) { \
        cumprod_grad(out, dy, x, lines, n, inner); } \
    KERNEL histogram_##name(T* bins, const T* x, i64 n, i64 count, double low, double high) { \
        histogram(bins, x, n, count, low, high); }
FOR_REALS(LINES)
