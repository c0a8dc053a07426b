// What the threads of a warp and of a block work out together: folds and running folds of one value from each.
#include "common.cuh"

const int WARP = 32;
const u32 ALL_LANES = 0xffffffffu;

// Values of any plain type of whole 32-bit words, moved between lanes word by word.
template <class A> __device__ __forceinline__ A shuffled_down(A a, int distance) {
    A moved = a;
    u32* words = (u32*)&moved;
    for (int w = 0; w < (int)(sizeof(A) / 4); ++w) words[w] = __shfl_down_sync(ALL_LANES, words[w], distance);
    return moved;
}
template <class A> __device__ __forceinline__ A shuffled_up(A a, int distance) {
    A moved = a;
    u32* words = (u32*)&moved;
    for (int w = 0; w < (int)(sizeof(A) / 4); ++w) words[w] = __shfl_up_sync(ALL_LANES, words[w], distance);
    return moved;
}

// Folds have Op::merge(a, b) of two values and Op::start(), the neutral one.
template <class A> struct Add {
    static __device__ A start() { return 0; }
    static __device__ A merge(A a, A b) { return a + b; }
};

// The result stands in lane 0.
template <class Op, class A> __device__ __forceinline__ A warp_fold(A a) {
    for (int o = WARP / 2; o > 0; o /= 2) a = Op::merge(a, shuffled_down(a, o));
    return a;
}

// The result stands in thread 0. All threads of the block have to come here.
template <class Op, class A> __device__ __forceinline__ A block_fold(A a) {
    __shared__ A parts[WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = (blockDim.x + WARP - 1) / WARP;
    a = warp_fold<Op>(a);
    __syncthreads();                // of an earlier fold, everything is read
    if (lane == 0) parts[warp] = a;
    __syncthreads();
    if (warp == 0) a = warp_fold<Op>(lane < warps ? parts[lane] : Op::start());
    return a;
}

// The fold of the values of this thread and of those before it; `total` gets the fold of all.
template <class Op, class A> __device__ __forceinline__ A block_scan(A a, A* total) {
    __shared__ A parts[WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = (blockDim.x + WARP - 1) / WARP;
    for (int o = 1; o < WARP; o *= 2) {
        A before = shuffled_up(a, o);
        if (lane >= o) a = Op::merge(before, a);
    }
    __syncthreads();
    if (lane == WARP - 1) parts[warp] = a;
    __syncthreads();
    A lead = Op::start(), all = Op::start();
    for (int w = 0; w < warps; ++w) {
        if (w < warp) lead = Op::merge(lead, parts[w]);
        all = Op::merge(all, parts[w]);
    }
    *total = all;
    return Op::merge(lead, a);
}
