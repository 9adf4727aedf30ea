// The angles of rotary embedding: one table per step, the same bits for every backend.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model-shape.h"

namespace conclave {

class RotaryTable {
 public:
  explicit RotaryTable(const ModelShape& shape);

  /** Cosine and sine of a position's angles: [headDim / 2] each. */
  void at(int32_t position, float* cosine, float* sine) const;

 private:
  std::vector<float> inverseFrequencies_;  // [headDim / 2]
};

}  // namespace conclave
