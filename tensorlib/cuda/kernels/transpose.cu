// Copies whose source and target have different fastest dims: tiles of 32 x 32 pass through shared memory, so that both
// are read and written along their neighbours. A block works off tile after tile, of one pair of the other dims each.
#include "common.cuh"

const int TILE = 32;

// Dims besides the two fastest: sizes, steps in the target and in the source.
struct Others { i64 n, ndim, size[MAXDIM], to[MAXDIM], from[MAXDIM]; };

// to[i + j * to_step] = from[j + i * from_step] for i < ni and j < nj.
template <class T> __device__ __forceinline__ void transpose(T* to, const T* from, i64 ni, i64 nj, i64 to_step, i64 from_step,
                                                             const Others& o) {
    __shared__ T tile[TILE][TILE + (sizeof(T) < 4 ? 4 / sizeof(T) : 1)];     // rows begin in different banks
    int x = threadIdx.x % TILE, y = threadIdx.x / TILE, rows = blockDim.x / TILE;
    i64 tiles_i = (ni + TILE - 1) / TILE, tiles_j = (nj + TILE - 1) / TILE;
    for (i64 t = blockIdx.x; t < o.n * tiles_i * tiles_j; t += gridDim.x) {
        i64 i0 = t % tiles_i * TILE, j0 = t / tiles_i % tiles_j * TILE, rest = t / tiles_i / tiles_j;
        i64 to_base = 0, from_base = 0;
        for (int d = 0; d < (int)o.ndim; ++d) {
            i64 at = rest % o.size[d];
            rest /= o.size[d];
            to_base += at * o.to[d];
            from_base += at * o.from[d];
        }
        for (int r = y; r < TILE; r += rows)
            if (i0 + r < ni && j0 + x < nj) tile[r][x] = from[from_base + j0 + x + (i0 + r) * from_step];
        __syncthreads();
        for (int r = y; r < TILE; r += rows)
            if (i0 + x < ni && j0 + r < nj) to[to_base + i0 + x + (j0 + r) * to_step] = tile[x][r];
        __syncthreads();
    }
}

// By the size of an element.
#define TRANSPOSE(name, T) \
    KERNEL transpose_##name(T* to, const T* from, i64 ni, i64 nj, i64 to_step, i64 from_step, const __grid_constant__ Others o) { \
        transpose(to, from, ni, nj, to_step, from_step, o); }
TRANSPOSE(1, u8)
TRANSPOSE(2, u16)
TRANSPOSE(4, u32)
TRANSPOSE(8, u64)
