// What all kernels share: names of types, argument blocks over strided operands, division by magic numbers, loops over
// a grid. It is compiled by NVRTC and by nvcc, and includes nothing.
#pragma once

typedef unsigned char u8;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// A half is stored and cast, never computed with.
struct f16 {
    u16 bits;
    __device__ f16() {}
    __device__ f16(float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
    __device__ operator float() const { float x; asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits)); return x; }
};

// M(name, type) for element types: whole numbers and floats, floats alone, all that can be stored.
#define FOR_INTEGERS(M) M(byte, u8) M(char, i8) M(short, i16) M(int, i32) M(long, i64)
#define FOR_REALS(M) M(float, float) M(double, double)
#define FOR_NUMBERS(M) FOR_INTEGERS(M) FOR_REALS(M)
#define FOR_ALL(M) FOR_NUMBERS(M) M(half, f16)

#define KERNEL extern "C" __global__ void

// The type that sums are taken in.
template <class T> struct Wide { typedef i64 type; };
template <> struct Wide<float> { typedef float type; };
template <> struct Wide<double> { typedef double type; };

// The value below and above all others.
template <class T> __device__ __forceinline__ T lowest();
template <class T> __device__ __forceinline__ T highest();
template <> __device__ __forceinline__ i64 lowest<i64>() { return (i64)1 << 63; }
template <> __device__ __forceinline__ i64 highest<i64>() { return ~((i64)1 << 63); }
template <> __device__ __forceinline__ float lowest<float>() { return __int_as_float(0xff800000); }
template <> __device__ __forceinline__ float highest<float>() { return __int_as_float(0x7f800000); }
template <> __device__ __forceinline__ double lowest<double>() { return (double)__int_as_float(0xff800000); }
template <> __device__ __forceinline__ double highest<double>() { return (double)__int_as_float(0x7f800000); }

// Each thread's share of n items, in strides of the grid; i has 64 bits.
#define FOR_GRID(i, n) \
    for (i64 i = blockIdx.x * (i64)blockDim.x + threadIdx.x; i < (n); i += (i64)gridDim.x * blockDim.x)

const int MAXDIM = 16;

__device__ __forceinline__ u32 divided(u32 n, u32 factor, u32 shift) { return (__umulhi(n, factor) + n) >> shift; }

// N operands of one size: addresses, or the bits of numbers; merged dims, outermost first. See _ops/blocks.pyx.
template <int N> struct Job {
    u32 n, ndim, flat, immediate;
    u64 base[N];
    u32 size[MAXDIM], factor[MAXDIM], shift[MAXDIM];
    i32 stride[N][MAXDIM];

    // The positions of element i in all operands.
    __device__ __forceinline__ void locate(u32 i, i32* at) const {
        for (int k = 0; k < N; ++k) at[k] = 0;
        for (int d = (int)ndim - 1; d > 0; --d) {
            u32 q = divided(i, factor[d], shift[d]), r = i - q * size[d];
            for (int k = 0; k < N; ++k) at[k] += (i32)r * stride[k][d];
            i = q;
        }
        for (int k = 0; k < N; ++k) at[k] += (i32)i * stride[k][0];
    }
    template <class T> __device__ __forceinline__ T* out() const { return (T*)base[0]; }
    // An operand's element, or the number it is.
    template <class T> __device__ __forceinline__ T get(int k, i64 at) const {
        return immediate >> k & 1 ? *(const T*)&base[k] : ((const T*)base[k])[at];
    }
};

// Dims that a reduction loops over.
struct Loops {
    u32 n, ndim;
    u32 size[MAXDIM], factor[MAXDIM], shift[MAXDIM];
    i64 step[MAXDIM], out[MAXDIM];

    __device__ __forceinline__ i64 locate(u32 i, const i64* steps) const {
        i64 at = 0;
        for (int d = (int)ndim - 1; d > 0; --d) {
            u32 q = divided(i, factor[d], shift[d]);
            at += (i64)(i - q * size[d]) * steps[d];
            i = q;
        }
        return ndim > 0 ? at + (i64)i * steps[0] : at;
    }
};

struct Folds { Loops kept, folded; };
