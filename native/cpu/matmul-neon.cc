// clang-format off: the lanes come first, codes and tiles are written in terms of them.
#include "codes-by-word.h"
#include "lanes-neon.h"
#include "matmul-tiles.h"
#include "variants.h"
// clang-format on

namespace conclave {

const Kernels neonKernels = withRowKernels("neon", matmul);

}  // namespace conclave
