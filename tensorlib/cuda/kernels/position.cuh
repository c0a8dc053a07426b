// Positions that are checked on the device: one out of range leaves a note for the CPU. See faults.py.
#pragma once
#include "common.cuh"

struct Fault { i64 code, value, low, high; };

// Whether low <= index < high; if not, the first thread to find one notes it for the operation of this code.
__device__ __forceinline__ bool inside(i64 index, i64 low, i64 high, Fault* fault, i64 code) {
    if (index >= low && index < high) return true;
    if (atomicCAS((u64*)&fault->code, 0ull, (u64)code) == 0) {
        fault->value = index;
        fault->low = low;
        fault->high = high;
    }
    return false;
}
