// The LZ4 block format (no frame), as `nvcc -compress-mode speed` and older toolkits write it.
#include "compression.h"

namespace cuemu {

vector<u8> unpackLz4(const u8* data, size_t size, size_t unpackedSize) {
    vector<u8> out;
    out.reserve(unpackedSize);
    size_t at = 0;
    auto next = [&]() -> u8 {
        if (at >= size) throw Fault(kInvalidPtx, "LZ4: the data end too early");
        return data[at++];
    };
    auto length = [&](size_t n) {
        if (n == 15) {
            u8 more;
            do n += more = next();
            while (more == 255);
        }
        return n;
    };
    while (at < size && out.size() < unpackedSize) {
        u8 token = next();
        size_t literals = length(token >> 4);
        if (at + literals > size) throw Fault(kInvalidPtx, "LZ4: literals end too early");
        out.insert(out.end(), data + at, data + at + literals);
        at += literals;
        if (at >= size || out.size() >= unpackedSize) break;
        size_t distance = next();
        distance |= size_t(next()) << 8;
        size_t match = length(token & 15) + 4;
        if (!distance || distance > out.size()) throw Fault(kInvalidPtx, "LZ4: a match points before the start");
        for (size_t i = 0; i < match; i++) out.push_back(out[out.size() - distance]);
    }
    return out;
}

}  // namespace cuemu
