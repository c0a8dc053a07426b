// Loops of sparse tensors: entries put in the order of their places, rows of values summed, sparse times dense. An index
// out of range has the place -1 and leaves a note (faults.py); it is carried along as -1, and no kernel follows it.
#include "atomic.cuh"
#include "position.cuh"

struct Sizes { i64 size[MAXDIM]; };         // of the sparse dims

// keys[i] = where entry i stands among the sparse dims, in row-major order; index is dims x n.
KERNEL find_keys(i64* keys, const i64* index, i64 n, i64 dims, const __grid_constant__ Sizes sizes, Fault* fault, i64 code) {
    FOR_GRID(i, n) {
        i64 key = 0;
        bool good = true;
        for (int d = 0; d < (int)dims; ++d) {
            i64 at = index[d * n + i];
            good = inside(at, 0, sizes.size[d], fault, code) && good;
            key = (i64)((u64)key * (u64)sizes.size[d] + (u64)at);
        }
        keys[i] = good ? key : -1;
    }
}

// The indices, dims x n, that keys stand for.
KERNEL find_indices(i64* index, const i64* keys, i64 n, i64 dims, const __grid_constant__ Sizes sizes) {
    FOR_GRID(i, n) {
        i64 rest = keys[i];
        bool good = rest >= 0;
        for (int d = (int)dims - 1; d >= 0; --d) {
            index[d * n + i] = good ? rest % sizes.size[d] : -1;
            rest /= sizes.size[d];
        }
    }
}

// Whether a run of equal keys begins there.
KERNEL heads(u8* flags, const i64* keys, i64 n) { FOR_GRID(i, n) flags[i] = i == 0 || keys[i] != keys[i - 1]; }

// Of each run its key, and where it begins; at the end of `start` n. places[i]: how many runs begin up to i.
KERNEL runs(i64* start, i64* distinct, const u8* flags, const i64* places, const i64* keys, i64 n) {
    FOR_GRID(i, n) {
        if (i == n - 1) start[places[i]] = n;
        if (!flags[i]) continue;
        start[places[i] - 1] = i;
        distinct[places[i] - 1] = keys[i];
    }
}

// The first place of sorted keys that is not below key.
__device__ __forceinline__ i64 lower_bound(const i64* keys, i64 n, i64 key) {
    i64 low = 0, high = n;
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (keys[middle] < key) low = middle + 1; else high = middle;
    }
    return low;
}

// For each of sorted, distinct keys its place among others of the kind, or -1.
KERNEL common(i64* found, const i64* a, i64 n, const i64* b, i64 m) {
    FOR_GRID(i, n) {
        i64 at = lower_bound(b, m, a[i]);
        found[i] = a[i] >= 0 && at < m && b[at] == a[i] ? at : -1;
    }
}

// Indices of a matrix that has all columns of some rows.
KERNEL all_columns(i64* index, const i64* rows, i64 n, i64 columns) {
    FOR_GRID(i, n * columns) {
        index[i] = rows[i / columns];
        index[n * columns + i] = i % columns;
    }
}

// Row j of out = the sum of the rows order[start[j]] to order[start[j + 1] - 1] of values.
template <class T> __device__ __forceinline__ void sum_runs(T* out, const T* values, const i64* order, const i64* start, i64 count,
                                                            i64 width) {
    FOR_GRID(i, count * width) {
        i64 j = i / width, k = i - j * width, end = start[j + 1];
        T total = values[order[start[j]] * width + k];
        for (i64 e = start[j] + 1; e < end; ++e) total = (T)(total + values[order[e] * width + k]);
        out[i] = total;
    }
}

// out[rows[e]] += values[e] * dense[columns[e]] for all entries. In the order of rows: a thread for each element of out
// finds its row's entries, and always adds in their order. Else a thread for each entry and column adds atomically.
template <class T> __device__ __forceinline__ void multiply(T* out, const i64* rows, const i64* columns, const T* values,
                                                            const T* dense, i64 n, i64 height, i64 depth, i64 width) {
    FOR_GRID(i, height * width) {
        i64 row = i / width, k = i - row * width;
        T total = out[i];
        for (i64 e = lower_bound(rows, n, row); e < n && rows[e] == row; ++e)
            if (columns[e] >= 0 && columns[e] < depth) total = (T)(total + values[e] * dense[columns[e] * width + k]);
        out[i] = total;
    }
}
template <class T> __device__ __forceinline__ void multiply_any(T* out, const i64* rows, const i64* columns, const T* values,
                                                                const T* dense, i64 n, i64 height, i64 depth, i64 width) {
    FOR_GRID(i, n * width) {
        i64 e = i / width, k = i - e * width, row = rows[e], column = columns[e];
        if (row < 0 || row >= height || column < 0 || column >= depth) continue;
        add_atomic(out + row * width + k, (T)(values[e] * dense[column * width + k]));
    }
}

#define SPARSE(name, T) \
    KERNEL sum_runs_##name(T* out, const T* values, const i64* order, const i64* start, i64 count, i64 width) { \
        sum_runs(out, values, order, start, count, width); } \
    KERNEL multiply_##name(T* out, const i64* rows, const i64* columns, const T* values, const T* dense, i64 n, i64 height, \
                           i64 depth, i64 width) { \
        multiply(out, rows, columns, values, dense, n, height, depth, width); } \
    KERNEL multiply_any_##name(T* out, const i64* rows, const i64* columns, const T* values, const T* dense, i64 n, \
                               i64 height, i64 depth, i64 width) { \
        multiply_any(out, rows, columns, values, dense, n, height, depth, width); }
FOR_NUMBERS(SPARSE)
