// The kernels compiled for the emulated device.
#pragma once
#include <string>
#include <vector>

#include "../../core/dtype.h"
#include "threadgroup.h"

namespace conclave::emulated {

/** All kernels compiled for such types. */
const std::vector<Kernel>& kernelsFor(const KernelTypes& types);

/** What the kernel's parameters say that it writes, for every device: bit i is buffer i + 1. Throws Failure. */
uint32_t writtenBuffers(const std::string& kernel);

}  // namespace conclave::emulated
