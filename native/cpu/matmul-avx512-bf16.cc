// clang-format off: the lanes come first, the tiles are written in terms of them.
#include "lanes-avx512.h"
#include "matmul-tiles.h"
#include "variants.h"
// clang-format on

namespace conclave {

const Kernels avx512Bf16Kernels = withRowKernels("avx512-bf16", matmul<multiplyPackedAvx512Bf16>);

}  // namespace conclave
