// Two accesses of a granule race if they come from different threads, one of them writes, not both are atomic, and no
// barrier (within a warp: no __syncwarp either) lies between. A write of the value that is there already harms
// nobody.
#include "shared_memory.h"

#include <algorithm>

namespace cuemu {

void SharedMemory::prepare(const Program& p, u32 dynamicBytes, bool checkRaces, bool checkUninitialised) {
    program = &p;
    granule = p.sharedGranule;
    shift = u32(__builtin_ctz(granule));
    races = checkRaces;
    uninitialised = checkUninitialised;
    u32 size = p.sharedSpan + dynamicBytes;
    bytes.assign(size, 0);
    outside.assign(p.sharedSpan, 1);
    for (auto& range : p.shared) std::fill(outside.begin() + range.begin, outside.begin() + range.end, u8(0));
    size_t marks = (size + granule - 1) / granule;
    writers.assign(marks, 0);
    readers.assign(marks, 0);
    epoch = first = 0;
}

void SharedMemory::clear() {
    std::fill(bytes.begin(), bytes.end(), u8(0xff));
    if (epoch > 1u << 23) {
        std::fill(writers.begin(), writers.end(), 0);
        std::fill(readers.begin(), readers.end(), 0);
        epoch = 0;
    }
    first = ++epoch;  // marks of former blocks are older than that
}

bool SharedMemory::conflicts(Mark mark, u32 thread, u32 warpEpoch) {
    u32 who = mark & 0xffff;
    if (mark >> kEpochShift != epoch || who == thread) return false;
    bool sameWarp = !(who & kMany) && (who & 0x3ff) / kLanes == thread / kLanes;
    if (sameWarp && (mark >> kWarpEpochShift & 0x7fffff) != warpEpoch) return false;
    other = who & kMany ? ~0u : who & 0x3ff;
    return true;
}

const char* SharedMemory::checkGranule(u32 g, Mark mine, Kind kind, u32 thread, u32 warpEpoch, bool harmless) {
    Mark &writer = writers[g], &reader = readers[g];
    bool atomic = kind == Kind::Atomic;
    if (kind != Kind::Write && uninitialised && writer >> kEpochShift < first)
        return "uninitialised read (nobody has written there yet: a missing barrier?)";
    if (!races) {
        if (kind != Kind::Read) writer = mine;
        return nullptr;
    }
    if (!(atomic && (writer & kAtomic)) && !harmless && conflicts(writer, thread, warpEpoch))
        return kind == Kind::Read ? "race: read after write" : "race: write after write";
    if (kind != Kind::Read) {
        if (!harmless && conflicts(reader, thread, warpEpoch)) return "race: write after read";
        writer = mine;
        return nullptr;
    }
    u32 who = reader & 0xffff;
    if (reader >> kEpochShift != epoch || who == thread)
        reader = mine;
    else if (!(who & kMany))
        reader = (mine & ~Mark(0xffff)) | ((who & 0x3ff) / kLanes == thread / kLanes ? thread | kManyInWarp : kMany);
    return nullptr;
}

const char* SharedMemory::check(u32 address, u32 width, Kind kind, u32 thread, u32 warpEpoch, const u8* newValue) {
    if (address > bytes.size() || width > bytes.size() - address) return "out of bounds";
    if (address < outside.size() &&
        (outside[address] || outside[std::min<size_t>(address + width, outside.size()) - 1]))
        return "out of bounds";
    if (!races && !uninitialised) return nullptr;
    warpEpoch &= 0x7fffff;
    Mark mine = Mark(epoch) << kEpochShift | Mark(warpEpoch) << kWarpEpochShift |
                (kind == Kind::Atomic ? kAtomic : 0) | thread;
    bool harmless = newValue && !std::memcmp(bytes.data() + address, newValue, width);
    for (u32 g = address >> shift, last = (address + width - 1) >> shift; g <= last; g++)
        if (const char* wrong = checkGranule(g, mine, kind, thread, warpEpoch, harmless)) return wrong;
    return nullptr;
}

string SharedMemory::describe(u32 address) const {
    const SharedRange* before = nullptr;
    for (auto& range : program->shared) {
        if (address >= range.begin && address < range.end)
            return format("%s + %u", range.name.c_str(), address - range.begin);
        if (address >= range.end && (!before || range.end > before->end)) before = &range;
    }
    if (address >= program->sharedSpan && address < bytes.size())
        return format("dynamic shared memory + %u", address - program->sharedSpan);
    if (address >= bytes.size() && bytes.size() > program->sharedSpan)
        return format("%zu bytes past the end of %zu bytes of dynamic shared memory", size_t(address) - bytes.size(),
                      bytes.size() - program->sharedSpan);
    if (before)
        return format("%u bytes past the end of %s, which has %u bytes", address - before->end, before->name.c_str(),
                      before->end - before->begin);
    return format("address %u of %zu", address, bytes.size());
}

}  // namespace cuemu
