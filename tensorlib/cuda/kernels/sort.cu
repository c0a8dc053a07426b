// Sorting of dense lines of n elements, and what is read off sorted lines. Elements become pairs of a 64-bit key, whose order
// is theirs (NaN last, -0 equal to 0), and their position: no two are alike, so any sorting of pairs is stable.
// Tiles of a line are sorted in shared memory, then runs are merged two by two.
#include "block.cuh"

struct Pair { u64 key; i64 position; };
__device__ __forceinline__ bool before(const Pair& a, const Pair& b) {
    return a.key < b.key || (a.key == b.key && a.position < b.position);
}

// The key fills the lowest sizeof(T) bytes.
template <class T> __device__ __forceinline__ u64 key_of(T v) {
    const u64 sign = (u64)1 << (8 * sizeof(T) - 1);
    return ((u64)v ^ sign) & (sign | (sign - 1));
}
template <> __device__ __forceinline__ u64 key_of<u8>(u8 v) { return v; }
template <> __device__ __forceinline__ u64 key_of<float>(float v) {
    u32 bits = __float_as_int(v + 0.0f);            // -0 becomes 0
    return v != v ? 0xffffffffu : bits >> 31 ? ~bits : bits | 0x80000000u;
}
template <> __device__ __forceinline__ u64 key_of<double>(double v) {
    u64 bits = __double_as_longlong(v + 0.0), sign = (u64)1 << 63;
    return v != v ? ~(u64)0 : bits & sign ? ~bits : bits | sign;
}

// A tile of pairs in shared memory, keys and places apart, so that neighbours lie in different banks. A place in the tile
// stands for the position in the line; those that stand for nothing are TILE or more.
const int TILE = 1024;
struct Tile { u64 key[TILE]; u32 place[TILE]; };

// Bitonic sort of every `width` (a power of two) pairs side by side; all threads of the block have to come here.
__device__ __forceinline__ void sort_tile(Tile& tile, u32 width) {
    for (u32 k = 2; k <= width; k *= 2)
        for (u32 j = k / 2; j > 0; j /= 2) {
            for (u32 t = threadIdx.x; t < TILE / 2; t += blockDim.x) {
                u32 low = (t & ~(j - 1)) * 2 + (t & (j - 1)), high = low + j;
                bool rising = (low & (width - 1) & k) == 0;
                u64 a = tile.key[low], b = tile.key[high];
                u32 at_a = tile.place[low], at_b = tile.place[high];
                if ((b < a || (b == a && at_b < at_a)) == rising) {
                    tile.key[low] = b;
                    tile.key[high] = a;
                    tile.place[low] = at_b;
                    tile.place[high] = at_a;
                }
            }
            __syncthreads();
        }
}

// Sort the tiles of `width` of all lines; a block takes TILE / width of them. Places behind a line's end sort last.
template <class T> __device__ __forceinline__ void sort_tiles(Pair* out, const T* x, i64 lines, i64 n, u32 width, u64 flip) {
    __shared__ Tile tile;
    i64 each = (n + width - 1) / width, count = lines * each, most = TILE / width;
    for (i64 first = blockIdx.x * most; first < count; first += gridDim.x * most) {
        for (int pass = 0; pass < 2; ++pass) {
            for (u32 t = threadIdx.x; t < TILE; t += blockDim.x) {
                i64 which = first + t / width, line = which / each, begin = which % each * width, i = begin + t % width;
                bool there = which < count && i < n;
                if (pass == 0) {
                    tile.key[t] = there ? key_of(x[line * n + i]) ^ flip : ~(u64)0;
                    tile.place[t] = there ? t : TILE + t;
                } else if (there) {
                    Pair p = {tile.key[t], begin + tile.place[t] % width};
                    out[line * n + i] = p;
                }
            }
            __syncthreads();
            if (pass == 0) sort_tile(tile, width);
        }
    }
}

// Each pair of a run goes to its place in that run plus the number of pairs before it in the neighbouring run.
KERNEL merge(Pair* out, const Pair* in, i64 lines, i64 n, i64 run) {
    FOR_GRID(at, lines * n) {
        i64 i = at % n, mine = i / run * run, other = (i / run ^ 1) * run, pair = min(mine, other);
        const Pair* line = in + (at - i);
        Pair p = line[i];
        i64 low = min(other, n), high = min(other + run, n), begin = low;
        while (low < high) {
            i64 middle = (low + high) / 2;
            if (before(line[middle], p)) low = middle + 1; else high = middle;
        }
        out[at - i + pair + (i - mine) + (low - begin)] = p;
    }
}

// The elements at places first <= i < first + length of each sorted line.
template <class T> __device__ __forceinline__ void settle(T* values, i64* where, const T* x, const Pair* pairs, i64 lines, i64 n,
                                                          i64 first, i64 length) {
    FOR_GRID(i, lines * length) {
        i64 line = i / length, position = pairs[line * n + first + i % length].position;
        values[i] = x[line * n + position];
        where[i] = position;
    }
}

// The longest run of equal keys, the first of several; `at` is its last place.
struct Longest {
    i64 length, at;
    static __device__ Longest start() { Longest l = {0, 0}; return l; }
    static __device__ Longest merge(Longest a, Longest b) {
        return b.length > a.length || (b.length == a.length && b.at < a.at) ? b : a;
    }
};
template <class T> __device__ __forceinline__ void mode(T* values, i64* where, const T* x, const Pair* pairs, i64 lines, i64 n) {
    for (i64 line = blockIdx.x; line < lines; line += gridDim.x) {
        const Pair* sorted = pairs + line * n;
        Longest best = Longest::start();
        for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
            i64 low = 0, high = i;                  // where the run of this key begins
            while (low < high) {
                i64 middle = (low + high) / 2;
                if (sorted[middle].key < sorted[i].key) low = middle + 1; else high = middle;
            }
            Longest here = {i - low + 1, i};
            best = Longest::merge(best, here);
        }
        best = block_fold<Longest>(best);
        if (threadIdx.x == 0) {
            where[line] = sorted[best.at].position;
            values[line] = x[line * n + where[line]];
        }
    }
}

#define SORTS(name, T) \
    KERNEL sort_tiles_##name(Pair* out, const T* x, i64 lines, i64 n, u32 width, i32 descending) { \
        sort_tiles(out, x, lines, n, width, descending ? ~(u64)0 >> (64 - 8 * sizeof(T)) : 0); } \
    KERNEL settle_##name(T* values, i64* where, const T* x, const Pair* pairs, i64 lines, i64 n, i64 first, i64 length) { \
        settle(values, where, x, pairs, lines, n, first, length); } \
    KERNEL mode_##name(T* values, i64* where, const T* x, const Pair* pairs, i64 lines, i64 n) { \
        mode(values, where, x, pairs, lines, n); }
FOR_NUMBERS(SORTS)
