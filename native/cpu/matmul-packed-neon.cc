// clang-format off: the lanes come first, the tiles are written in terms of them.
#include "lanes-neon.h"
#include "packed-tiles.h"
#include "variants.h"
// clang-format on

namespace conclave {

void multiplyPackedNeon(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride) {
  multiplyPackedPanels(w, x, rows, y, yStride);
}

}  // namespace conclave
