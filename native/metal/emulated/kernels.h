// The kernels compiled for the emulated device.
#pragma once
#include <vector>

#include "../../core/dtype.h"
#include "threadgroup.h"

namespace conclave::emulated {

/** All kernels, for weights of that type. */
const std::vector<Kernel>& kernelsFor(DType weights);

}  // namespace conclave::emulated
