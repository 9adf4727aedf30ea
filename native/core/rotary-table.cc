#include "rotary-table.h"

#include "double-math.h"

namespace conclave {

// 1 / theta^(2i / headDim), rounded to f32 where transformers rounds: after the power and after the division.
RotaryTable::RotaryTable(const ModelShape& shape) {
  for (int32_t i = 0; i < shape.headDim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(shape.headDim);
    inverseFrequencies_.push_back(1.0f / static_cast<float>(power(shape.ropeTheta, static_cast<double>(exponent))));
  }
}

void RotaryTable::at(int32_t position, float* cosine, float* sine) const {
  for (size_t i = 0; i < inverseFrequencies_.size(); ++i) {
    const float angle = static_cast<float>(position) * inverseFrequencies_[i];
    double exactSine, exactCosine;
    sineCosine(static_cast<double>(angle), &exactSine, &exactCosine);
    cosine[i] = static_cast<float>(exactCosine);
    sine[i] = static_cast<float>(exactSine);
  }
}

}  // namespace conclave
