// clang-format off: the lanes come first, the tiles are written in terms of them.
#include "lanes-neon.h"
#include "matmul-tiles.h"
#include "variants.h"
// clang-format on

namespace conclave {

const Kernels neonKernels = withRowKernels("neon", matmul<multiplyPackedNeon>);

}  // namespace conclave
