#include "step-rows.h"

#include <algorithm>

#include "../core/float-bits.h"

namespace conclave {
namespace {

struct Widths {
  int32_t projected = 0, query = 0, keyValue = 0;
};

Widths widestOf(const ModelDescription& description) {
  Widths widest;
  for (const Block& block : description.blocks) {
    widest.projected = std::max(widest.projected, block.attention.projectedWidth());
    widest.query = std::max(widest.query, block.attention.queryWidth());
    widest.keyValue = std::max(widest.keyValue, 2 * block.attention.keyWidth());
  }
  return widest;
}

}  // namespace

StepRows::StepRows(const ModelDescription& description, int32_t maxRows) {
  const ModelShape shape = description.shape();
  const DType type = shape.activations;
  const Widths widest = widestOf(description);
  const auto put = [&](FloatRows name, int32_t width) {
    floats_[static_cast<size_t>(name)] = allocate(maxRows, width);
  };
  put(FloatRows::residual, shape.dModel);
  put(FloatRows::projected, widest.projected);
  put(FloatRows::mixed, shape.dModel);
  put(FloatRows::shared, shape.dModel);
  put(FloatRows::sharedGate, 1);
  put(FloatRows::routerLogits, shape.experts);
  floats_[static_cast<size_t>(FloatRows::logits)] = {nullptr, shape.vocab};
  normalized = ActivationRows(type, maxRows, shape.dModel);
  received = ActivationRows(type, maxRows, shape.dModel);
  query = ActivationRows(type, maxRows, widest.query);
  keyValue = ActivationRows(type, maxRows, widest.keyValue);
  attended = ActivationRows(type, maxRows, widest.query);
  outputs = ActivationRows(type, int64_t{maxRows} * shape.topK, shape.dModel);
  widestInput_ = std::max(shape.dModel, widest.query);
  if (type == DType::bf16) widened = ActivationRows(DType::f32, maxRows, widestInput_);
}

void StepRows::widen(const ActivationRows& from, int32_t row, int32_t width) const {
  const uint16_t* halves = static_cast<const uint16_t*>(from.row(row));
  float* to = reinterpret_cast<float*>(widened.target(row, 0).data);
  for (int64_t i = 0; i < paddedInputs(width); ++i) to[i] = bf16ToF32(halves[i]);
}

FloatBuffer StepRows::allocate(int32_t rows, int32_t width) {
  memory_.emplace_back(int64_t{rows} * width * int64_t{sizeof(float)});
  return {reinterpret_cast<float*>(memory_.back().data()), width};
}

}  // namespace conclave
