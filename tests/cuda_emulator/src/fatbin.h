// Finds the PTX in what cuModuleLoadData is given: PTX text, or a fatbin that holds PTX, compressed or not.
#pragma once
#include "base.h"

namespace cuemu {
string ptxOfImage(const void* image, int computeCapability);
}  // namespace cuemu
