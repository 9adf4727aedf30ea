// The rows of a step on this CPU, by the names that a program gives them (core/program.h).
#pragma once
#include <array>

#include "../core/program.h"
#include "../core/step-batch.h"
#include "activation-rows.h"

namespace conclave {

/** f32 rows side by side: [rows, width]. */
struct FloatBuffer {
  float* data = nullptr;
  int32_t width = 0;

  float* row(int64_t r) const { return data + r * width; }
};

class StepRows {
 public:
  StepRows(const ModelDescription& description, int32_t maxRows);

  const FloatBuffer& floats(FloatRows name) const { return floats_[static_cast<size_t>(name)]; }
  /** Logits belong to the caller. */
  void setLogits(float* logits) { floats_[static_cast<size_t>(FloatRows::logits)].data = logits; }
  const ActivationRows& activations(ActivationRowsOf name) const {
    return name == ActivationRowsOf::normalized ? normalized : attended;
  }

  /** Copies `width` activations of a row into `widened`, with their padding. */
  void widen(const ActivationRows& from, int32_t row, int32_t width) const;

  /** Of the products by matrices that are no expert's. */
  int32_t widestInput() const { return widestInput_; }

  ActivationRows normalized;  // [rows, dModel]
  ActivationRows received;    // the experts' input from another node: [rows, dModel]
  ActivationRows query;       // [rows, widest query]
  ActivationRows keyValue;    // [rows, widest key and value]
  ActivationRows attended;    // [rows, widest query]
  ActivationRows widened;  // f32 copies of activations, for f32 and f16 matrices of a bf16 model: [rows, widest input]
  ActivationRows outputs;  // of experts, as they would cross between nodes: [rows * topK, dModel]

 private:
  FloatBuffer allocate(int32_t rows, int32_t width);

  std::array<FloatBuffer, static_cast<size_t>(FloatRows::logits) + 1> floats_;
  std::vector<ZeroedMemory> memory_;
  int32_t widestInput_;
};

}  // namespace conclave
