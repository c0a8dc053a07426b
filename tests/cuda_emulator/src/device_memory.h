// Memory of all devices. Addresses lie in windows nobody on the host may touch; the bytes behind them lie elsewhere,
// with one more byte for each that says whether it was written. No address is used again soon, so stale pointers are
// found out.
#pragma once
#include <map>
#include <memory>

#include "memory_view.h"

namespace cuemu {

enum class Origin : u8 { Device, Variable, Pinned, Managed, Registered };

struct Allocation {
    u64 base = 0, size = 0;
    int device = 0;
    Origin origin = Origin::Device;
    bool readOnly = false;
    u8* host = nullptr;
    u8* written = nullptr;
    const void* context = nullptr;
};

class DeviceMemory {
public:
    static constexpr u64 kBase = 0x200000000000ull, kWindow = 1ull << 36, kUnit = 512;

    DeviceMemory(int devices, u64 bytesPerDevice);

    Allocation& allocate(int device, u64 size, Origin origin, const void* context);
    Allocation& allocateHost(int device, u64 size, Origin origin, const void* context);
    Allocation& registerHost(int device, void* pointer, u64 size, const void* context);
    void release(Allocation& allocation);
    void releaseAllOf(const void* context);

    Allocation* find(u64 address);
    // The allocation that holds the whole range, or null.
    Allocation* find(u64 address, u64 size);
    static bool isDeviceAddress(u64 address) { return address >= kBase && address < kBase + 64 * kWindow; }
    u64 total() const { return perDevice; }
    u64 used(int device) const { return devices[size_t(device)].used; }

    // What a kernel on a device sees; `peers` are the other devices whose memory it may touch.
    std::unique_ptr<MemoryView> view(int device, u64 peers);
    string describe(u64 address, u64 bytes, int device) const;

private:
    struct Device {
        u8* bytes = nullptr;
        u8* written = nullptr;
        u64 next = kUnit, used = 0;
    };
    vector<Device> devices;
    std::map<u64, Allocation> live;
    std::map<u64, u64> freed;
    u64 perDevice;

    u64 place(int device, u64 size);
};

}  // namespace cuemu
