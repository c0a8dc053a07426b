// What a running kernel sees of device memory: the live allocations it may touch, sorted, each with the host bytes
// behind it.
#pragma once
#include "base.h"

namespace cuemu {

struct Region {
    u64 base = 0, size = 0;
    u8* host = nullptr;
    u8* written = nullptr;  // one byte per byte: 1 once written; null for memory that is not tracked
    bool readOnly = false;

    bool holds(u64 lo, u64 hi) const { return lo >= base && hi <= base + size && lo <= hi; }
};

class MemoryView {
public:
    vector<Region> regions;  // sorted by base

    const Region* find(u64 lo, u64 hi) const {
        size_t from = 0, to = regions.size();
        while (from < to) {
            size_t mid = (from + to) / 2;
            if (regions[mid].base <= lo)
                from = mid + 1;
            else
                to = mid;
        }
        if (!from) return nullptr;
        const Region& r = regions[from - 1];
        return r.holds(lo, hi) ? &r : nullptr;
    }

    virtual ~MemoryView() = default;
    // Says in words what lies at an address that may not be touched.
    virtual string describe(u64 address, u32 bytes) const = 0;
};

}  // namespace cuemu
