// Shared memory of one block, with who wrote and read each granule since the last barrier: what a race detector
// needs.
#pragma once
#include "program.h"

namespace cuemu {

class SharedMemory {
public:
    enum class Kind : u8 { Read, Write, Atomic };

    void prepare(const Program& program, u32 dynamicBytes, bool races, bool uninitialised);
    void clear();  // for the next block
    void barrier() { epoch++; }
    u32 size() const { return u32(bytes.size()); }
    u8* data() { return bytes.data(); }

    // Null if the access is fine, else what is wrong with it. New values are given where writing what is there
    // already is allowed.
    const char* check(u32 address, u32 width, Kind kind, u32 thread, u32 warpEpoch, const u8* newValue);
    string describe(u32 address) const;
    u32 otherThread() const { return other; }

private:
    // The last access of a kind, packed: epoch (24 bits), __syncwarp count of the warp (23), atomic (1), thread (16).
    // In place of a thread: several threads of one warp (kManyInWarp with one of them), or of several warps (kMany).
    using Mark = u64;
    static constexpr u32 kManyInWarp = 0x4000, kMany = 0x8000, kAtomic = 1 << 16;
    static constexpr int kWarpEpochShift = 17, kEpochShift = 40;

    vector<u8> bytes, outside;
    vector<Mark> writers, readers;
    const Program* program = nullptr;
    u32 granule = 4, shift = 2, epoch = 0, first = 0, other = 0;
    bool races = true, uninitialised = true;

    bool conflicts(Mark mark, u32 thread, u32 warpEpoch);
    const char* checkGranule(u32 g, Mark mine, Kind kind, u32 thread, u32 warpEpoch, bool harmless);
};

}  // namespace cuemu
