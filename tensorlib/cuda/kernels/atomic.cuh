// Additions that many threads may make to one element.
#include "common.cuh"

__device__ __forceinline__ void add_atomic(float* to, float x) { atomicAdd(to, x); }
__device__ __forceinline__ void add_atomic(double* to, double x) { atomicAdd(to, x); }
__device__ __forceinline__ void add_atomic(i32* to, i32 x) { atomicAdd(to, x); }
__device__ __forceinline__ void add_atomic(i64* to, i64 x) { atomicAdd((u64*)to, (u64)x); }

// Smaller types: the 32-bit word around the element is exchanged until nobody was faster.
template <class T> __device__ __forceinline__ void add_atomic(T* to, T x) {
    u32* word = (u32*)((u64)to & ~(u64)3);
    u32 shift = ((u32)(u64)to & 3) * 8, mask = (u32)((1ull << sizeof(T) * 8) - 1) << shift, before = *word, assumed;
    do {
        assumed = before;
        u32 sum = (u32)(T)((T)(assumed >> shift) + x) << shift;
        before = atomicCAS(word, assumed, (assumed & ~mask) | (sum & mask));
    } while (before != assumed);
}
