// How the tiles of all formats write 16 lanes of outputs.
#pragma once
#include <cstring>

#include "kernels.h"

namespace conclave {
namespace {

inline void storeOutputs(const Lanes& sum, float* y, int32_t outputs) {
  if (outputs >= lanes) {
    store(y, sum);
  } else if (outputs > 0) {
    alignas(64) float all[lanes];
    store(all, sum);
    std::memcpy(y, all, static_cast<size_t>(outputs) * sizeof(float));
  }
}

}  // namespace
}  // namespace conclave
