// Elements by position and by mask, and zeros among divisors. A position outside of its range reads and writes nothing, and
// leaves a note that the next look of the CPU at this device finds: see faults.py.
#include "atomic.cuh"
#include "position.cuh"

// Where an index points: `step` elements apart, positions low <= i < high.
struct Axis { i64 step, low, high; Fault* fault; i64 code; };

__device__ __forceinline__ bool inside(i64 index, const Axis& axis) {
    return inside(index, axis.low, axis.high, axis.fault, axis.code);
}

// Operands: output, index, x at position 0 of the indexed dim.
template <class T> __device__ __forceinline__ void gather(const Job<3>& job, const Axis& axis) {
    FOR_GRID(i, job.n) {
        i32 at[3];
        job.locate((u32)i, at);
        i64 index = job.template get<i64>(1, at[1]);
        if (inside(index, axis)) job.template out<T>()[at[0]] = ((const T*)job.base[2])[at[2] + index * axis.step];
    }
}

// Operands: x at position 0 of the indexed dim, index, source.
template <class T, bool ADD> __device__ __forceinline__ void scatter(const Job<3>& job, const Axis& axis) {
    FOR_GRID(i, job.n) {
        i32 at[3];
        job.locate((u32)i, at);
        i64 index = job.template get<i64>(1, at[1]);
        if (!inside(index, axis)) continue;
        T* to = job.template out<T>() + at[0] + index * axis.step;
        T value = job.template get<T>(2, at[2]);
        if (ADD) add_atomic(to, value); else *to = value;
    }
}

// Operands: x, mask, number.
template <class T> __device__ __forceinline__ void masked_fill(const Job<3>& job) {
    FOR_GRID(i, job.n) {
        i32 at[3];
        job.locate((u32)i, at);
        if (job.template get<u8>(1, at[1])) job.template out<T>()[at[0]] = job.template get<T>(2, at[2]);
    }
}

// Operands: x, mask, how many ones the mask has up to each place. `values` is dense.
template <class T> __device__ __forceinline__ void masked_scatter(const Job<3>& job, const T* values) {
    FOR_GRID(i, job.n) {
        i32 at[3];
        job.locate((u32)i, at);
        if (job.template get<u8>(1, at[1])) job.template out<T>()[at[0]] = values[job.template get<i64>(2, at[2]) - 1];
    }
}
template <class T> __device__ __forceinline__ void masked_select(const Job<3>& job, T* values) {
    FOR_GRID(i, job.n) {
        i32 at[3];
        job.locate((u32)i, at);
        if (job.template get<u8>(1, at[1])) values[job.template get<i64>(2, at[2]) - 1] = job.template out<T>()[at[0]];
    }
}

#define INDEXING(name, T) \
    KERNEL gather_##name(const Job<3> job, const Axis axis) { gather<T>(job, axis); } \
    KERNEL scatter_##name(const Job<3> job, const Axis axis) { scatter<T, false>(job, axis); } \
    KERNEL scatter_add_##name(const Job<3> job, const Axis axis) { scatter<T, true>(job, axis); } \
    KERNEL masked_fill_##name(const Job<3> job) { masked_fill<T>(job); } \
    KERNEL masked_scatter_##name(const Job<3> job, const T* values) { masked_scatter<T>(job, values); } \
    KERNEL masked_select_##name(const Job<3> job, T* values) { masked_select<T>(job, values); }
FOR_NUMBERS(INDEXING)

// Whether whole numbers that are to divide hold a zero: a GPU does not trap, so a note tells.
template <class T> __device__ __forceinline__ void find_zero(const Job<1>& job, Fault* fault, i64 code) {
    FOR_GRID(i, job.n) {
        i32 at[1];
        job.locate((u32)i, at);
        if (job.template get<T>(0, at[0]) == 0) note(fault, code);
    }
}
#define DIVISORS(name, T) \
    KERNEL find_zero_##name(const Job<1> job, Fault* fault, i64 code) { find_zero<T>(job, fault, code); }
FOR_INTEGERS(DIVISORS)

// Coordinates of the places of a dense mask that are set.
struct Sizes { i64 size[MAXDIM]; };
KERNEL nonzero(i64* out, const u8* flags, const i64* places, i64 n, i64 ndim, const __grid_constant__ Sizes sizes) {
    FOR_GRID(i, n) {
        if (!flags[i]) continue;
        i64 rest = i;
        i64* row = out + (places[i] - 1) * ndim;
        for (int d = (int)ndim - 1; d >= 0; --d) {
            row[d] = rest % sizes.size[d];
            rest /= sizes.size[d];
        }
    }
}
