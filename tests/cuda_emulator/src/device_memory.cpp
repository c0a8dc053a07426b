// Where allocations go, and what to say of an address that belongs to none.
#include "device_memory.h"

#include <sys/mman.h>

#include <memory>

namespace cuemu {
namespace {

u8* reserve(u64 at, u64 size, int protection) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : 0);
    void* p = mmap(reinterpret_cast<void*>(at), size, protection, flags, -1, 0);
    if (p == MAP_FAILED || (at && p != reinterpret_cast<void*>(at)))
        throw Fault(kOutOfMemory, format("cannot reserve %llu bytes of address space", (unsigned long long)size));
    return static_cast<u8*>(p);
}

void dropPages(u8* from, u64 size) {
    u64 begin = (reinterpret_cast<u64>(from) + 4095) & ~u64(4095),
        end = (reinterpret_cast<u64>(from) + size) & ~u64(4095);
    if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

class View : public MemoryView {
public:
    View(const DeviceMemory& m, int d) : memory(m), device(d) {}
    string describe(u64 address, u32 bytes) const override { return memory.describe(address, bytes, device); }

private:
    const DeviceMemory& memory;
    int device;
};

}  // namespace

DeviceMemory::DeviceMemory(int count, u64 bytesPerDevice) : devices(size_t(count)), perDevice(bytesPerDevice) {
    for (int d = 0; d < count; d++) {
        reserve(kBase + u64(d) * kWindow, kWindow, PROT_NONE);
        devices[size_t(d)].bytes = reserve(0, kWindow, PROT_READ | PROT_WRITE);
        devices[size_t(d)].written = reserve(0, kWindow, PROT_READ | PROT_WRITE);
    }
}

// The next free place after the last one, with unused bytes on both sides; from the start again at the end of the
// window.
u64 DeviceMemory::place(int device, u64 size) {
    Device& d = devices[size_t(device)];
    u64 base = kBase + u64(device) * kWindow, needed = (size + kUnit - 1) / kUnit * kUnit + kUnit;
    for (int turn = 0; turn < 2; turn++) {
        u64 at = base + d.next;
        for (auto it = live.lower_bound(at); at + needed <= base + kWindow; ++it) {
            if (it == live.end() || it->first >= at + needed) {
                d.next = at + needed - base;
                return at;
            }
            at = (it->first + it->second.size + kUnit - 1) / kUnit * kUnit + kUnit;
        }
        d.next = kUnit;
    }
    throw Fault(kOutOfMemory, "no address space is left");
}

Allocation& DeviceMemory::allocate(int device, u64 size, Origin origin, const void* context) {
    Device& d = devices[size_t(device)];
    if (size > perDevice - d.used)
        throw Fault(kOutOfMemory,
                    format("out of memory: %llu bytes asked for, %llu of %llu free", (unsigned long long)size,
                           (unsigned long long)(perDevice - d.used), (unsigned long long)perDevice));
    Allocation a;
    a.base = place(device, size);
    a.size = size;
    a.device = device;
    a.origin = origin;
    a.context = context;
    a.host = d.bytes + (a.base - kBase - u64(device) * kWindow);
    a.written = d.written + (a.base - kBase - u64(device) * kWindow);
    std::memset(a.host, 0xff, size);  // NaN in every format: what was not written shows
    std::memset(a.written, 0, size);
    d.used += size;
    freed.erase(freed.lower_bound(a.base), freed.lower_bound(a.base + size));
    return live[a.base] = a;
}

Allocation& DeviceMemory::allocateHost(int device, u64 size, Origin origin, const void* context) {
    Allocation a;
    a.host = reserve(0, (size + 4095) & ~u64(4095), PROT_READ | PROT_WRITE);
    a.base = reinterpret_cast<u64>(a.host);
    a.size = size;
    a.device = device;
    a.origin = origin;
    a.context = context;
    return live[a.base] = a;
}

Allocation& DeviceMemory::registerHost(int device, void* pointer, u64 size, const void* context) {
    Allocation a;
    a.host = static_cast<u8*>(pointer);
    a.base = reinterpret_cast<u64>(pointer);
    a.size = size;
    a.device = device;
    a.origin = Origin::Registered;
    a.context = context;
    return live[a.base] = a;
}

void DeviceMemory::release(Allocation& a) {
    if (a.origin == Origin::Pinned || a.origin == Origin::Managed) {
        munmap(a.host, (a.size + 4095) & ~u64(4095));
    } else if (a.origin != Origin::Registered) {
        std::memset(a.host, 0xff, std::min<u64>(a.size, 1 << 16));
        dropPages(a.host, a.size);
        dropPages(a.written, a.size);
        devices[size_t(a.device)].used -= a.size;
        if (freed.size() > 10000) freed.erase(freed.begin());
        freed[a.base] = a.size;
    }
    live.erase(a.base);
}

void DeviceMemory::releaseAllOf(const void* context) {
    vector<u64> bases;
    for (auto& entry : live)
        if (entry.second.context == context) bases.push_back(entry.first);
    for (u64 base : bases) release(live[base]);
}

Allocation* DeviceMemory::find(u64 address) {
    auto after = live.upper_bound(address);
    if (after == live.begin()) return nullptr;
    Allocation& a = std::prev(after)->second;
    return address < a.base + a.size ? &a : nullptr;
}

Allocation* DeviceMemory::find(u64 address, u64 size) {
    Allocation* a = find(address);
    return a && size <= a->base + a->size - address ? a : nullptr;
}

std::unique_ptr<MemoryView> DeviceMemory::view(int device, u64 peers) {
    auto v = std::make_unique<View>(*this, device);
    v->regions.reserve(live.size());
    for (auto& entry : live) {
        const Allocation& a = entry.second;
        bool onDevice = a.origin == Origin::Device || a.origin == Origin::Variable;
        if (!onDevice || a.device == device || (peers >> a.device & 1))
            v->regions.push_back({a.base, a.size, a.host, a.written, a.readOnly});
    }
    return v;
}

string DeviceMemory::describe(u64 address, u64 bytes, int device) const {
    auto number = [](u64 n) { return static_cast<unsigned long long>(n); };
    constexpr u64 near = 65536;
    if (address < 4096) return format("a null pointer + %llu", number(address));
    auto after = live.upper_bound(address);
    u64 past = ~u64(0), before = after == live.end() ? ~u64(0) : after->first - address;
    const Allocation* a = after == live.begin() ? nullptr : &std::prev(after)->second;
    if (a && address < a->base + a->size) {
        u64 end = a->base + a->size;
        bool onDevice = a->origin == Origin::Device || a->origin == Origin::Variable;
        if (onDevice && device >= 0 && a->device != device)
            return format("memory of device %d, used on device %d without peer access", a->device, device);
        if (address + bytes <= end)
            return format("byte %llu of an allocation of %llu bytes", number(address - a->base), number(a->size));
        return format("%llu bytes past the end of an allocation of %llu bytes", number(address + bytes - end),
                      number(a->size));
    }
    auto old = freed.upper_bound(address);
    if (old != freed.begin() && address < std::prev(old)->first + std::prev(old)->second)
        return format("use after free: byte %llu of an allocation of %llu bytes that was freed",
                      number(address - std::prev(old)->first), number(std::prev(old)->second));
    if (a) past = address + bytes - (a->base + a->size);
    if (past < near && past <= before)
        return format("%llu bytes past the end of an allocation of %llu bytes", number(past), number(a->size));
    if (before < near)
        return format("%llu bytes before an allocation of %llu bytes", number(before), number(after->second.size));
    return isDeviceAddress(address) ? "no allocation is near" : "no device memory (a host pointer?)";
}

}  // namespace cuemu
