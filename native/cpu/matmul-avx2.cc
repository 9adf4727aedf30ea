// clang-format off: the lanes come first, the tiles are written in terms of them.
#include "lanes-avx2.h"
#include "matmul-tiles.h"
#include "variants.h"
// clang-format on

namespace conclave {

const Kernels avx2Kernels = withRowKernels("avx2", matmul<multiplyPackedAvx2>);

}  // namespace conclave
