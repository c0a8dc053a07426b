// The container nvcc and fatbinary write: a header, then entries of PTX or machine code, each with an architecture.
#include "fatbin.h"

#include <algorithm>

#include "compression.h"

namespace cuemu {
namespace {

constexpr u32 kContainer = 0xba55ed50u, kWrapper = 0x466243b1u, kElf = 0x464c457fu;
constexpr u64 kLz4 = 0x2000, kZstd = 0x8000;

template <class T> T at(const u8* p, size_t offset) {
    T v;
    std::memcpy(&v, p + offset, sizeof v);
    return v;
}

string textOfEntry(const u8* entry) {
    u32 header = at<u32>(entry, 4), packed = at<u32>(entry, 16);
    u64 padded = at<u64>(entry, 8), flags = at<u64>(entry, 40), unpacked = at<u64>(entry, 56);
    const u8* data = entry + header;
    vector<u8> bytes;
    if (flags & kZstd)
        bytes = unpackZstd(data, packed, unpacked);
    else if (flags & kLz4)
        bytes = unpackLz4(data, packed, unpacked);
    else
        bytes.assign(data, data + padded);
    return string(bytes.begin(), std::find(bytes.begin(), bytes.end(), u8(0)));
}

string textOfContainer(const u8* image, int capability) {
    size_t offset = at<u16>(image, 6), end = offset + at<u64>(image, 8);
    const u8* best = nullptr;
    string seen;
    while (offset + 64 <= end) {
        const u8* entry = image + offset;
        u32 arch = at<u32>(entry, 28);
        bool ptx = at<u16>(entry, 0) == 1;
        seen += format("%s%s_%u", seen.empty() ? "" : ", ", ptx ? "compute" : "sm", arch);
        if (ptx && int(arch) <= capability && (!best || arch > at<u32>(best, 28))) best = entry;
        offset += at<u32>(entry, 4) + at<u64>(entry, 8);
    }
    if (!best)
        throw Fault(kNoBinary,
                    format("the fatbin holds %s, but no PTX for compute_%d or less: machine code cannot be "
                           "interpreted (nvcc -gencode arch=compute_75,code=compute_75)",
                           seen.empty() ? "nothing" : seen.c_str(), capability));
    return textOfEntry(best);
}

}  // namespace

string ptxOfImage(const void* image, int capability) {
    auto* bytes = static_cast<const u8*>(image);
    u32 magic = at<u32>(bytes, 0);
    if (magic == kWrapper) return ptxOfImage(at<const void*>(bytes, 8), capability);
    if (magic == kContainer) return textOfContainer(bytes, capability);
    if (magic == kElf)
        throw Fault(kNoBinary,
                    "a cubin holds machine code, which cannot be interpreted: load PTX or a fatbin with PTX");
    return string(static_cast<const char*>(image));
}

}  // namespace cuemu
