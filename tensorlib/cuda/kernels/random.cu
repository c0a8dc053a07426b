// Fills with random numbers. Element i takes the four words of Philox at position `first` + i, whatever the grid.
#include "common.cuh"

// Philox 4x32-10 (Salmon et al., SC 2011).
__device__ __forceinline__ uint4 philox(u64 position, u64 key) {
    uint4 c = make_uint4((u32)position, (u32)(position >> 32), 0, 0);
    u32 k0 = (u32)key, k1 = (u32)(key >> 32);
#pragma unroll
    for (int turn = 0; turn < 10; ++turn) {
        u32 h0 = __umulhi(0xD2511F53u, c.x), l0 = 0xD2511F53u * c.x, h1 = __umulhi(0xCD9E8D57u, c.z), l1 = 0xCD9E8D57u * c.z;
        c = make_uint4(h1 ^ c.y ^ k0, l1, h0 ^ c.w ^ k1, l0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// [0, 1) from one or two words; in (0, 1) where a logarithm follows.
__device__ __forceinline__ double two_words(u32 a, u32 b) { return (((u64)a << 32 | b) >> 11) * (1.0 / 9007199254740992.0); }
template <class T> __device__ __forceinline__ T unit(u32 a, u32 b);
template <> __device__ __forceinline__ float unit<float>(u32 a, u32 b) { return (a >> 8) * (1.0f / 16777216.0f); }
template <> __device__ __forceinline__ double unit<double>(u32 a, u32 b) { return two_words(a, b); }
template <class T> __device__ __forceinline__ T inner(u32 a, u32 b) { return unit<T>(a, b) + (sizeof(T) == 4 ? (T)2.98e-8 : (T)5.55e-17); }

struct Draw { u64 key, first; double a, b; };

template <class T> struct Uniform {
    static __device__ T of(uint4 w, const Draw& d) {
        T x = (T)d.a + unit<T>(w.x, w.y) * (T)(d.b - d.a);
        return x < (T)d.b || d.a == d.b ? x : (T)d.a;       // rounding may reach the open end
    }
};
template <class T> struct Normal {
    static __device__ T of(uint4 w, const Draw& d) {
        T radius = sqrt(-2 * log(inner<T>(w.x, w.y)));
        return (T)d.a + (T)d.b * radius * cospi(2 * unit<T>(w.z, w.w));
    }
};
template <class T> struct LogNormal { static __device__ T of(uint4 w, const Draw& d) { return exp(Normal<T>::of(w, d)); } };
template <class T> struct Cauchy {
    static __device__ T of(uint4 w, const Draw& d) {
        return (T)d.a + (T)d.b * (T)tan(3.141592653589793 * (two_words(w.x, w.y) - 0.5));
    }
};
template <class T> struct Exponential {
    static __device__ T of(uint4 w, const Draw& d) { return -log(1 - unit<T>(w.x, w.y)) / (T)d.a; }
};
template <class T> struct Geometric {
    static __device__ T of(uint4 w, const Draw& d) {
        double tries = ceil(log(two_words(w.x, w.y) + 5.55e-17) / log1p(-d.a));
        return (T)(tries < 1 ? 1 : tries);
    }
};
template <class T> struct Bernoulli { static __device__ T of(uint4 w, const Draw& d) { return (T)(two_words(w.x, w.y) < d.a); } };
// 0 with probability a, else b.
template <class T> struct Dropout { static __device__ T of(uint4 w, const Draw& d) { return two_words(w.x, w.y) < d.a ? (T)0 : (T)d.b; } };

template <class F, class T> __device__ __forceinline__ void fill(T* out, i64 n, const Draw& d) {
    FOR_GRID(i, n) out[i] = F::of(philox(d.first + i, d.key), d);
}
// low + (a draw modulo count); 0 as the count stands for 2^64.
template <class T> __device__ __forceinline__ void whole(T* out, i64 n, u64 key, u64 first, u64 count, i64 low, int wide) {
    FOR_GRID(i, n) {
        uint4 w = philox(first + i, key);
        u64 word = wide ? (u64)w.y << 32 | w.x : w.x;
        out[i] = (T)(i64)((count ? word % count : word) + (u64)low);
    }
}
// 1 with the probability that `p` has at each place.
template <class T, class P> __device__ __forceinline__ void choose(T* out, const P* p, i64 n, u64 key, u64 first) {
    FOR_GRID(i, n) {
        uint4 w = philox(first + i, key);
        out[i] = (T)(two_words(w.x, w.y) < (double)p[i]);
    }
}
// Positions drawn from running sums of weights, `each` from every row of n.
template <class T> __device__ __forceinline__ void search(i64* out, const T* sums, i64 rows, i64 n, i64 each, u64 key, u64 first) {
    FOR_GRID(i, rows * each) {
        uint4 w = philox(first + i, key);
        const T* row = sums + i / each * n;
        double wanted = two_words(w.x, w.y) * (double)row[n - 1];
        i64 low = 0, high = n - 1;                          // the first place whose sum is above
        while (low < high) {
            i64 middle = (low + high) / 2;
            if ((double)row[middle] > wanted) high = middle; else low = middle + 1;
        }
        while (low > 0 && row[low] == row[low - 1]) --low;  // never one of weight 0
        out[i] = low;
    }
}

#define FILL(op, F, name, T) KERNEL op##_##name(T* out, i64 n, const Draw draw) { fill<F<T>>(out, n, draw); }
#define REAL_FILLS(name, T) FILL(uniform, Uniform, name, T) FILL(normal, Normal, name, T) \
    FILL(log_normal, LogNormal, name, T) FILL(cauchy, Cauchy, name, T) FILL(exponential, Exponential, name, T) \
    FILL(dropout, Dropout, name, T) \
    KERNEL search_##name(i64* out, const T* sums, i64 rows, i64 n, i64 each, u64 key, u64 first) { \
        search(out, sums, rows, n, each, key, first); }
#define FILLS(name, T) FILL(geometric, Geometric, name, T) FILL(bernoulli, Bernoulli, name, T) \
    KERNEL whole_##name(T* out, i64 n, u64 key, u64 first, u64 count, i64 low, i32 wide) { \
        whole(out, n, key, first, count, low, wide); } \
    KERNEL choose_float_##name(T* out, const float* p, i64 n, u64 key, u64 first) { choose(out, p, n, key, first); } \
    KERNEL choose_double_##name(T* out, const double* p, i64 n, u64 key, u64 first) { choose(out, p, n, key, first); }
FOR_REALS(REAL_FILLS)
FOR_NUMBERS(FILLS)
