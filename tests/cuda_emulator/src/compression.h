// The two compressions nvcc uses inside fatbins. Both throw Fault on damaged input.
#pragma once
#include "base.h"

namespace cuemu {
vector<u8> unpackLz4(const u8* data, size_t size, size_t unpackedSize);
vector<u8> unpackZstd(const u8* data, size_t size, size_t unpackedSize);
}  // namespace cuemu
