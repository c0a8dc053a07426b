// C = alpha * A @ B + beta * C for matrices of any strides, and for batches of them; matrix times vector; inner products.
// A block computes a tile of C, a thread a square of it in registers. Tiles of A and B pass through shared memory, in two
// buffers: the next ones are on their way while this one is used. Four elements at a time, as one load where that is
// possible.
#include "block.cuh"

template <class T> struct __align__(sizeof(T) * 4 < 16 ? sizeof(T) * 4 : 16) Quad { T v[4]; };

// Sums of small whole numbers wrap only when they are stored.
template <class T> struct Sums { typedef u32 type; };
template <> struct Sums<i64> { typedef u64 type; };
template <> struct Sums<float> { typedef float type; };
template <> struct Sums<double> { typedef double type; };

struct Matrix { i64 row, column, batch; };      // strides

struct Product {
    i32 m, n, k;
    i32 along_a, along_b;       // 1: neighbours in memory are along k of A, along n of B
    i32 vector_a, vector_b, vector_c;   // 1: four at a time can be loaded, and stored
    Matrix a, b, c;
    double alpha, beta;
};

// Four neighbours from `at` on; those outside are 0.
template <class T> __device__ __forceinline__ Quad<T> load4(const T* base, i64 at, i64 step, int left, bool vector) {
    Quad<T> q;
    if (vector && left >= 4) return *(const Quad<T>*)(base + at);
#pragma unroll
    for (int j = 0; j < 4; ++j) q.v[j] = j < left ? base[at + j * step] : (T)0;
    return q;
}

// Where column `o` of row k of a tile lies in shared memory: eights of columns change places in every other eight rows, so
// that lanes which put neighbours along k find banks of their own. Fours stay together.
__device__ __forceinline__ int swapped(int k, int o) { return o ^ (k >> 3 & 1) << 3; }

// A tile of WIDTH x BK elements of an operand: `outer` is the dim it shares with C, `inner` is k.
template <class T, int WIDTH, int BK, int THREADS> struct Tile {
    static const int QUADS = WIDTH * BK / 4 / THREADS;
    Quad<T> q[QUADS];

    __device__ __forceinline__ void load(const T* base, i64 outer_step, i64 inner_step, int outer0, int inner0, int outers,
                                         int inners, bool along_inner, bool vector) {
#pragma unroll
        for (int s = 0; s < QUADS; ++s) {
            int t = threadIdx.x + s * THREADS;
            int o = outer0 + (along_inner ? t / (BK / 4) : t % (WIDTH / 4) * 4);
            int i = inner0 + (along_inner ? t % (BK / 4) * 4 : t / (WIDTH / 4));
            int left = o >= outers || i >= inners ? 0 : along_inner ? inners - i : outers - o;
            q[s] = load4(base, left > 0 ? o * outer_step + i * inner_step : 0, along_inner ? inner_step : outer_step, left,
                         vector);
        }
    }
    __device__ __forceinline__ void put(T (*shared)[WIDTH + 4], bool along_inner) {
#pragma unroll
        for (int s = 0; s < QUADS; ++s) {
            int t = threadIdx.x + s * THREADS;
            if (along_inner) {
                int o = t / (BK / 4), i = t % (BK / 4) * 4;
#pragma unroll
                for (int j = 0; j < 4; ++j) shared[i + j][swapped(i, o)] = q[s].v[j];
            } else {
                int i = t / (WIDTH / 4);
                *(Quad<T>*)&shared[i][swapped(i, t % (WIDTH / 4) * 4)] = q[s];
            }
        }
    }
};

// A thread's squares of 4 x 4 lie SPREAD apart, so that the lanes of a warp read neighbours from shared memory.
template <class T, int BM, int BN, int BK, int SQUARES>
__device__ __forceinline__ void gemm(T* c, const T* a, const T* b, const Product& p) {
    const int LANES_N = BN / 4 / SQUARES, THREADS = LANES_N * (BM / 4 / SQUARES);
    __shared__ __align__(16) T tiles_a[2][BK][BM + 4];
    __shared__ __align__(16) T tiles_b[2][BK][BN + 4];
    typedef typename Sums<T>::type S;
    S sums[SQUARES * 4][SQUARES * 4];
    int row = threadIdx.x / LANES_N * 4, column = threadIdx.x % LANES_N * 4;
    int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    Tile<T, BM, BK, THREADS> next_a;
    Tile<T, BN, BK, THREADS> next_b;
    a += blockIdx.z * p.a.batch;
    b += blockIdx.z * p.b.batch;
    c += blockIdx.z * p.c.batch;
#pragma unroll
    for (int i = 0; i < SQUARES * 4; ++i)
#pragma unroll
        for (int j = 0; j < SQUARES * 4; ++j) sums[i][j] = 0;
    next_a.load(a, p.a.row, p.a.column, m0, 0, p.m, p.k, p.along_a, p.vector_a);
    next_b.load(b, p.b.column, p.b.row, n0, 0, p.n, p.k, !p.along_b, p.vector_b);
    next_a.put(tiles_a[0], p.along_a);
    next_b.put(tiles_b[0], !p.along_b);
    __syncthreads();
    for (int k0 = 0, now = 0; k0 < p.k; k0 += BK, now ^= 1) {
        bool more = k0 + BK < p.k;
        if (more) {
            next_a.load(a, p.a.row, p.a.column, m0, k0 + BK, p.m, p.k, p.along_a, p.vector_a);
            next_b.load(b, p.b.column, p.b.row, n0, k0 + BK, p.n, p.k, !p.along_b, p.vector_b);
        }
#pragma unroll
        for (int k = 0; k < BK; ++k) {
            Quad<T> qa[SQUARES], qb[SQUARES];
#pragma unroll
            for (int s = 0; s < SQUARES; ++s) {
                qa[s] = *(const Quad<T>*)&tiles_a[now][k][s * (BM / SQUARES) + swapped(k, row)];
                qb[s] = *(const Quad<T>*)&tiles_b[now][k][s * (BN / SQUARES) + swapped(k, column)];
            }
#pragma unroll
            for (int i = 0; i < SQUARES * 4; ++i)
#pragma unroll
                for (int j = 0; j < SQUARES * 4; ++j) sums[i][j] += (S)qa[i / 4].v[i % 4] * (S)qb[j / 4].v[j % 4];
        }
        if (more) {
            next_a.put(tiles_a[now ^ 1], p.along_a);
            next_b.put(tiles_b[now ^ 1], !p.along_b);
        }
        __syncthreads();
    }
    T alpha = (T)p.alpha, beta = (T)p.beta;
#pragma unroll
    for (int i = 0; i < SQUARES * 4; ++i) {
        int m = m0 + i / 4 * (BM / SQUARES) + row + i % 4;
        if (m >= p.m) continue;
#pragma unroll
        for (int s = 0; s < SQUARES; ++s) {
            int n = n0 + s * (BN / SQUARES) + column;
            T* to = c + m * p.c.row + n * p.c.column;
            if (p.vector_c && n + 4 <= p.n) {
                Quad<T> q;
                if (p.beta != 0) q = *(const Quad<T>*)to;
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    T value = (T)(alpha * (T)sums[i][s * 4 + j]);
                    q.v[j] = p.beta == 0 ? value : (T)(value + beta * q.v[j]);
                }
                *(Quad<T>*)to = q;
                continue;
            }
#pragma unroll
            for (int j = 0; j < 4; ++j, to += p.c.column) {
                if (n + j >= p.n) break;
                T value = (T)(alpha * (T)sums[i][s * 4 + j]);
                *to = p.beta == 0 ? value : (T)(value + beta * *to);
            }
        }
    }
}

// y = alpha * A @ x + beta * y: a warp for each row.
template <class T> __device__ __forceinline__ T lanes_sum(T a) {
    for (int o = WARP / 2; o > 0; o /= 2) a += shuffled_down(a, o);
    return a;
}
template <class T> __device__ __forceinline__ void gemv(T* y, const T* a, const T* x, i64 step, const Product& p) {
    typedef typename Sums<T>::type S;
    int lane = threadIdx.x % WARP, rows = gridDim.x * (blockDim.x / WARP);
    for (int m = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP; m < p.m; m += rows) {
        S sum = 0;
        for (int k = lane; k < p.k; k += WARP) sum += (S)a[m * p.a.row + k * p.a.column] * (S)x[k * step];
        sum = lanes_sum(sum);
        if (lane != 0) continue;
        T* to = y + m * p.c.row;
        T value = (T)((T)p.alpha * (T)sum);
        *to = p.beta == 0 ? value : (T)(value + (T)p.beta * *to);
    }
}

// The same where neighbours lie along columns: a lane for each row, each warp of the block takes its share of k.
template <class T> __device__ __forceinline__ void gemv_columns(T* y, const T* a, const T* x, i64 step, const Product& p) {
    typedef typename Sums<T>::type S;
    __shared__ S parts[WARP][WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    for (int m0 = blockIdx.x * WARP; m0 < p.m; m0 += gridDim.x * WARP) {
        int m = m0 + lane;
        S sum = 0;
        if (m < p.m)
            for (int k = warp; k < p.k; k += warps) sum += (S)a[m * p.a.row + k * p.a.column] * (S)x[k * step];
        parts[warp][lane] = sum;
        __syncthreads();
        if (warp == 0 && m < p.m) {
            for (int w = 1; w < warps; ++w) sum += parts[w][lane];
            T* to = y + m * p.c.row;
            T value = (T)((T)p.alpha * (T)sum);
            *to = p.beta == 0 ? value : (T)(value + (T)p.beta * *to);
        }
        __syncthreads();
    }
}

// A part of an inner product for each block; whole numbers in 64 bits.
template <class T> __device__ __forceinline__ void dot(typename Wide<T>::type* parts, const T* a, i64 step_a, const T* b,
                                                       i64 step_b, i64 n) {
    typedef typename Wide<T>::type A;
    A sum = 0;
    FOR_GRID(i, n) sum += (A)a[i * step_a] * (A)b[i * step_b];
    sum = block_fold<Add<A>>(sum);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

#define PRODUCTS(name, T) \
    KERNEL __launch_bounds__(256) gemm_##name(T* c, const T* a, const T* b, const Product p) { \
        gemm<T, 64, 64, 16, 1>(c, a, b, p); } \
    KERNEL gemv_##name(T* y, const T* a, const T* x, i64 step, const Product p) { gemv<T>(y, a, x, step, p); } \
    KERNEL gemv_columns_##name(T* y, const T* a, const T* x, i64 step, const Product p) { \
        gemv_columns<T>(y, a, x, step, p); } \
    KERNEL dot_##name(Wide<T>::type* parts, const T* a, i64 step_a, const T* b, i64 step_b, i64 n) { \
        dot<T>(parts, a, step_a, b, step_b, n); }
FOR_NUMBERS(PRODUCTS)

KERNEL __launch_bounds__(256) gemm_large_float(float* c, const float* a, const float* b, const Product p) {
    gemm<float, 128, 128, 16, 2>(c, a, b, p);
}

// Three-dimensional vector products of dense (outer, 3, inner) arrays.
template <class T> __device__ __forceinline__ void cross(T* out, const T* a, const T* b, i64 outer, i64 inner) {
    FOR_GRID(i, outer * inner) {
        i64 at = i / inner * 3 * inner + i % inner;
        T x = a[at], y = a[at + inner], z = a[at + 2 * inner], u = b[at], v = b[at + inner], w = b[at + 2 * inner];
        out[at] = (T)(y * w - z * v);
        out[at + inner] = (T)(z * u - x * w);
        out[at + 2 * inner] = (T)(x * v - y * u);
    }
}

// Zeros above a diagonal of a matrix (lower), or below it.
template <class T> __device__ __forceinline__ void triangle(T* c, i64 rows, i64 columns, i64 row_step, i64 column_step,
                                                            i64 diagonal, int lower) {
    FOR_GRID(i, rows * columns) {
        i64 row = i / columns, column = i % columns;
        if (lower ? column > row + diagonal : column < row + diagonal) c[row * row_step + column * column_step] = 0;
    }
}
#define MATRICES(type, T) \
    KERNEL cross_##type(T* out, const T* a, const T* b, i64 outer, i64 inner) { cross<T>(out, a, b, outer, inner); } \
    KERNEL triangle_##type(T* c, i64 rows, i64 columns, i64 row_step, i64 column_step, i64 diagonal, i32 lower) { \
        triangle<T>(c, rows, columns, row_step, column_step, diagonal, lower); }
FOR_NUMBERS(MATRICES)
