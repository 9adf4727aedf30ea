// The layout of every matrix the kernels multiply by: panels of 32 outputs, inputs ascending. A row's sum runs along
// the inputs of one panel, so it has one order whether one row or many are multiplied (docs/design.md#numerics-v1).
//
//   f32, f16: [panel][input][32 outputs]
//   bf16:     [panel][input / 2][32 outputs][2 inputs]     pairs side by side for the bf16 dot-product instruction
//
// Inputs are padded to an even number and outputs to a multiple of 32 with zeros.
#pragma once
#include <cstddef>
#include <cstdint>

#include "dtype.h"

namespace conclave {

// Part of a pack's key: raise it whenever the bytes in a pack change.
constexpr int32_t layoutVersion = 1;

constexpr int panelOutputs = 32;

constexpr int64_t paddedInputs(int64_t inputs) { return (inputs + 1) & ~int64_t{1}; }
constexpr int64_t panelCount(int64_t outputs) { return (outputs + panelOutputs - 1) / panelOutputs; }
constexpr int64_t paddedOutputs(int64_t outputs) { return panelCount(outputs) * panelOutputs; }

constexpr int64_t panelBytes(DType dtype, int64_t inputs) {
  return paddedInputs(inputs) * panelOutputs * static_cast<int64_t>(bytesPerWeight(dtype));
}

constexpr int64_t matrixBytes(DType dtype, int64_t outputs, int64_t inputs) {
  return panelCount(outputs) * panelBytes(dtype, inputs);
}

// Index of (input, lane) in a panel, in elements.
constexpr int64_t panelIndex(DType dtype, int64_t input, int64_t lane) {
  return dtype == DType::bf16 ? (input / 2) * (2 * panelOutputs) + lane * 2 + (input & 1) : input * panelOutputs + lane;
}

// A matrix lying elsewhere: element (o, i) at data[(o * outputStride + i * inputStride) * bytesPerWeight(dtype)].
struct StridedMatrix {
  const std::byte* data;
  DType dtype;
  int64_t outputs, inputs;
  int64_t outputStride, inputStride;
};

// Writes panel p of the matrix to out + (p * slotStep + slotOffset) * panelBytes.
void packPanels(const StridedMatrix& matrix, std::byte* out, int64_t slotStep, int64_t slotOffset);

}  // namespace conclave
