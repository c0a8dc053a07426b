// What is checked on the device: positions and other values. One that is wrong leaves a note for the CPU, see faults.py.
#pragma once
#include "common.cuh"

struct Fault { i64 code, value, low, high; };

// Leave a note for the operation of this code, unless there is one; whether it was left.
__device__ __forceinline__ bool note(Fault* fault, i64 code) { return atomicCAS((u64*)&fault->code, 0ull, (u64)code) == 0; }

// Whether low <= index < high; if not, the first thread to find one notes it.
__device__ __forceinline__ bool inside(i64 index, i64 low, i64 high, Fault* fault, i64 code) {
    if (index >= low && index < high) return true;
    if (note(fault, code)) {
        fault->value = index;
        fault->low = low;
        fault->high = high;
    }
    return false;
}
