// Checks that every kind of access to memory shares: loads, stores, atomics, and what printf reads.
#pragma once
#include <functional>

#include "warp.h"

namespace cuemu {

struct Span {
    u64 lo, hi, bits;
};  // from the first byte to the one after the last; all addresses or-ed together

Span spanOf(const u64* address, u32 mask, u32 bytes);
u32 sectorsOf(const u64* address, u32 mask, u32 bytes, u64 lo, u64 hi);
u32 bankConflicts(const u64* address, u32 mask, u32 bytes);
void checkAligned(Warp& w, const Op& op, const u64* address, u32 mask, u32 bytes, u64 bits);
[[noreturn]] void badGlobal(Warp& w, const Op& op, int lane, u64 address, u32 bytes, const char* verb);
const Region* globalRegion(Warp& w, const Op& op, int lane, u64 address, u32 bytes, bool writes);
[[noreturn]] void uninitialised(Warp& w, const Op& op, int lane, u64 address, u32 bytes);
bool allWritten(const u8* written, size_t n);
[[noreturn]] void sharedFault(Warp& w, const Op& op, int lane, u64 address, u32 bytes, const char* what);
u8* localBytes(Warp& w, const Op& op, int lane, u64 address, u32 bytes);
const u8* paramBytes(Warp& w, const Op& op, int lane, u64 address, u32 bytes);
void bySpace(u64* address, u32 mask, const std::function<void(Space, u32)>& run);

}  // namespace cuemu
