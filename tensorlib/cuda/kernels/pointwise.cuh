// The skeleton of all element by element kernels. A kernel is an expression of a row of the table, set into it.
#include "common.cuh"

// What expressions may call beside the functions of CUDA. T is the element type.
#define select(condition, a, b) ((condition) ? (a) : (b))

// Of whole numbers truncated, in the type that C computes in; by zero 0, see index.cu.
template <class A, class B> __device__ __forceinline__ auto quotient(A a, B b) -> decltype(a / b) {
    return b == 0 ? 0 : b == -1 ? (decltype(a / b))(0 - (u64)a) : a / b;
}
__device__ __forceinline__ float quotient(float a, float b) { return a / b; }
__device__ __forceinline__ double quotient(double a, double b) { return a / b; }

template <class T> __device__ __forceinline__ T fmod_of(T a, T b) { return b == 0 || b == (T)-1 ? (T)0 : (T)(a % b); }
__device__ __forceinline__ float fmod_of(float a, float b) { return fmodf(a, b); }
__device__ __forceinline__ double fmod_of(double a, double b) { return fmod(a, b); }

// The remainder with the sign of the divisor.
template <class T> __device__ __forceinline__ T remainder_of(T a, T b) {
    T r = fmod_of(a, b);
    return r != 0 && (r < 0) != (b < 0) ? (T)(r + b) : r;
}
__device__ __forceinline__ float remainder_of(float a, float b) {
    return b != 0 ? a - b * floorf(a / b) : (0.0f / 0.0f) * b;
}
__device__ __forceinline__ double remainder_of(double a, double b) {
    return b != 0 ? a - b * floor(a / b) : (0.0 / 0.0) * b;
}

template <class T> __device__ __forceinline__ T abs_of(T a) { return a < 0 ? (T)-a : a; }
__device__ __forceinline__ float abs_of(float a) { return fabsf(a); }
__device__ __forceinline__ double abs_of(double a) { return fabs(a); }

template <class T> __device__ __forceinline__ T sigmoid(T x) { return 1 / (1 + exp(-x)); }

// Amounts count modulo the width; zeros come in from the left.
template <class T> __device__ __forceinline__ T shifted_left(T a, T b) { return (T)((u32)a << (b & 31)); }
__device__ __forceinline__ i64 shifted_left(i64 a, i64 b) { return (i64)((u64)a << (b & 63)); }
template <class T> __device__ __forceinline__ T shifted_right(T a, T b) { return (T)((u8)a >> (b & 31)); }
__device__ __forceinline__ i16 shifted_right(i16 a, i16 b) { return (i16)((u16)a >> (b & 31)); }
__device__ __forceinline__ i32 shifted_right(i32 a, i32 b) { return (i32)((u32)a >> (b & 31)); }
__device__ __forceinline__ i64 shifted_right(i64 a, i64 b) { return (i64)((u64)a >> (b & 63)); }

#define fmod(a, b) fmod_of((T)(a), (T)(b))
#define remainder(a, b) remainder_of((T)(a), (T)(b))
#define abs(a) abs_of((T)(a))

// F::of(job, at) computes one element of type F::Result from the operands' positions.
template <class F, int N> __device__ __forceinline__ void pointwise(const Job<N>& job) {
    typedef typename F::Result R;
    const int TURNS = 4;                    // loads that a thread has on their way together
    R* out = job.template out<R>();
    if (!job.flat) {
        FOR_GRID(i, job.n) {
            i32 at[N];
            job.locate((u32)i, at);
            out[at[0]] = F::of(job, at);
        }
        return;
    }
    i64 step = blockDim.x;
    for (i64 first = blockIdx.x * step * TURNS + threadIdx.x; first < job.n; first += gridDim.x * step * TURNS) {
        R results[TURNS];
#pragma unroll
        for (int t = 0; t < TURNS; ++t) {
            i64 i = first + t * step;
            if (i < job.n) {
                i32 at[N];
                for (int k = 0; k < N; ++k) at[k] = (i32)i;
                results[t] = F::of(job, at);
            }
        }
#pragma unroll
        for (int t = 0; t < TURNS; ++t)
            if (first + t * step < job.n) out[first + t * step] = results[t];
    }
}
