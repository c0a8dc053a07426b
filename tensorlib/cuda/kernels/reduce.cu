// Reductions over any dims: sums, products, extremes with and without positions, norms, squared deviations.
// An output is folded by one thread, a warp or a block; few outputs of many elements in slices, which are merged after.
#include "block.cuh"

template <class T> __device__ __forceinline__ bool is_nan(T x) { return x != x; }

template <class T_> struct Sum {
    typedef T_ T; typedef typename Wide<T>::type A;
    static __device__ A start() { return 0; }
    static __device__ A add(A a, T x, u32 i, A by, double p) { return a + (A)x; }
    static __device__ A merge(A a, A b) { return a + b; }
};
template <class T_> struct Prod {
    typedef T_ T; typedef typename Wide<T>::type A;
    static __device__ A start() { return 1; }
    static __device__ A add(A a, T x, u32 i, A by, double p) { return a * (A)x; }
    static __device__ A merge(A a, A b) { return a * b; }
};
// A NaN stays.
template <class T_> struct Max {
    typedef T_ T; typedef typename Wide<T>::type A;
    static __device__ A start() { return lowest<A>(); }
    static __device__ A add(A a, T x, u32 i, A by, double p) { return merge(a, (A)x); }
    static __device__ A merge(A a, A b) { return !is_nan(a) && (is_nan(b) || b > a) ? b : a; }
};
template <class T_> struct Min {
    typedef T_ T; typedef typename Wide<T>::type A;
    static __device__ A start() { return highest<A>(); }
    static __device__ A add(A a, T x, u32 i, A by, double p) { return merge(a, (A)x); }
    static __device__ A merge(A a, A b) { return !is_nan(a) && (is_nan(b) || b < a) ? b : a; }
};
template <class T_> struct Norm {
    typedef T_ T; typedef T A;
    static __device__ A start() { return 0; }
    static __device__ A add(A a, T x, u32 i, A by, double p) {
        if (p == 2) return a + x * x;
        if (p == 1) return a + fabs(x);
        if (p == 0) return a + (x != 0);
        return a + pow(fabs(x), (T)p);
    }
    static __device__ A merge(A a, A b) { return a + b; }
};
template <class T_> struct Deviation {
    typedef T_ T; typedef T A;
    static __device__ A start() { return 0; }
    static __device__ A add(A a, T x, u32 i, A by, double p) { return a + (x - by) * (x - by); }
    static __device__ A merge(A a, A b) { return a + b; }
};

// The element of an output at which its number is chosen: the first of the best, a NaN before all.
template <class T> struct Place { typename Wide<T>::type value; u32 index; u32 filler; };
template <class T_, bool LARGEST> struct Extreme {
    typedef T_ T; typedef Place<T> A; typedef typename Wide<T>::type V;
    static __device__ A start() { A a; a.value = LARGEST ? lowest<V>() : highest<V>(); a.index = 0xffffffffu; a.filler = 0; return a; }
    static __device__ A add(A a, T x, u32 i, A by, double p) {
        A b; b.value = (V)x; b.index = i; b.filler = 0;
        return merge(a, b);
    }
    static __device__ bool better(V a, V b) { return is_nan(a) ? !is_nan(b) : LARGEST ? a > b : a < b; }
    static __device__ A merge(A a, A b) {
        if (better(a.value, b.value)) return a;
        if (better(b.value, a.value)) return b;
        return a.index <= b.index ? a : b;
    }
};
template <class T> struct MaxAt : Extreme<T, true> {};
template <class T> struct MinAt : Extreme<T, false> {};

// (a / divisor) ^ power, in the element type; `wide`: in 64 bits.
template <class T, class A> __device__ __forceinline__ void store(void* out, i64* where, i64 at, A a, double divisor,
                                                                  double power, int wide) {
    if (wide) ((i64*)out)[at] = a; else ((T*)out)[at] = (T)a;
}
template <class T> __device__ __forceinline__ T finished(T a, double divisor, double power) {
    a = divisor == 1 ? a : a / (T)divisor;
    return power == 1 ? a : power == 0.5 ? sqrt(a) : pow(a, (T)power);
}
template <class T> __device__ __forceinline__ void store(void* out, i64* where, i64 at, float a, double divisor,
                                                         double power, int wide) {
    if (wide) ((double*)out)[at] = finished((double)a, divisor, power);
    else ((T*)out)[at] = (T)finished(a, divisor, power);
}
template <class T> __device__ __forceinline__ void store(void* out, i64* where, i64 at, double a, double divisor,
                                                         double power, int wide) {
    ((double*)out)[at] = finished(a, divisor, power);
}
template <class T> __device__ __forceinline__ void store(void* out, i64* where, i64 at, Place<T> a, double divisor,
                                                         double power, int wide) {
    ((T*)out)[at] = (T)a.value;
    where[at] = a.index;
}

struct Finish { double divisor, power, argument; i32 width, wide; };

template <class Op> __device__ __forceinline__ void fold(void* out, i64* where, void* parts, const void* data,
                                                         const void* by, const Finish& finish, const Folds& f) {
    typedef typename Op::A A;
    typedef typename Op::T T;
    const T* x = (const T*)data;
    u32 width = finish.width, lane = threadIdx.x % width, groups = gridDim.x * (blockDim.x / width);
    u32 begin = (u32)((u64)f.folded.n * blockIdx.y / gridDim.y), end = (u32)((u64)f.folded.n * (blockIdx.y + 1) / gridDim.y);
    for (u32 o = blockIdx.x * (blockDim.x / width) + threadIdx.x / width; o < f.kept.n; o += groups) {
        const T* row = x + f.kept.locate(o, f.kept.step);
        i64 at = f.kept.locate(o, f.kept.out);
        A arg = by ? ((const A*)by)[at] : Op::start(), a = Op::start();
        for (u32 i = begin + lane; i < end; i += width)
            a = Op::add(a, row[f.folded.locate(i, f.folded.step)], i, arg, finish.argument);
        if (width == WARP) a = warp_fold<Op>(a);
        else if (width > WARP) a = block_fold<Op>(a);
        if (lane != 0) continue;
        if (parts) ((A*)parts)[(i64)blockIdx.y * f.kept.n + at] = a;
        else store<T>(out, where, at, a, finish.divisor, finish.power, finish.wide);
    }
}

// Merge the slices of each output.
template <class Op> __device__ __forceinline__ void merge(void* out, i64* where, const void* parts, u32 n, u32 slices,
                                                          const Finish& finish) {
    typedef typename Op::A A;
    FOR_GRID(o, n) {
        A a = ((const A*)parts)[o];
        for (u32 s = 1; s < slices; ++s) a = Op::merge(a, ((const A*)parts)[(i64)s * n + o]);
        store<typename Op::T>(out, where, o, a, finish.divisor, finish.power, finish.wide);
    }
}

#define REDUCTION(name, Op, type, T) \
    KERNEL name##_##type(void* out, i64* where, void* parts, const void* x, const void* by, const Finish finish, \
                         const Folds f) { fold<Op<T>>(out, where, parts, x, by, finish, f); } \
    KERNEL name##_merge_##type(void* out, i64* where, const void* parts, u32 n, u32 slices, const Finish finish) { \
        merge<Op<T>>(out, where, parts, n, slices, finish); }
#define NUMBER_REDUCTIONS(type, T) REDUCTION(sum, Sum, type, T) REDUCTION(prod, Prod, type, T) \
    REDUCTION(max, Max, type, T) REDUCTION(min, Min, type, T) REDUCTION(max_at, MaxAt, type, T) \
    REDUCTION(min_at, MinAt, type, T)
#define REAL_REDUCTIONS(type, T) REDUCTION(norm, Norm, type, T) REDUCTION(deviation, Deviation, type, T)
FOR_NUMBERS(NUMBER_REDUCTIONS)
FOR_REALS(REAL_REDUCTIONS)
