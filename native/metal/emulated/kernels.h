// The kernels compiled for the emulated device.
#pragma once
#include <string>
#include <vector>

#include "../../core/dtype.h"
#include "threadgroup.h"

namespace conclave::emulated {

/** All kernels, for weights of that type. */
const std::vector<Kernel>& kernelsFor(DType weights);

/** What the kernel's parameters say that it writes, for every device: bit i is buffer i + 1. Throws Failure. */
uint32_t writtenBuffers(const std::string& kernel);

}  // namespace conclave::emulated
