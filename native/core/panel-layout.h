// The layout of every matrix the kernels multiply by: panels of 32 outputs, inputs ascending. A row's sum runs along
// the inputs of one panel, so it has one order whether one row or many are multiplied (docs/design.md#numerics-v1).
//
//   f32, f16: [panel][input][32 outputs]
//   bf16:     [panel][input / 2][32 outputs][2 inputs]     pairs side by side for the bf16 dot-product instruction
//   packed:   [panel]: factors, scales, biases, codes; see PackedPanel
//
// Inputs of plain formats are padded to an even number, outputs of all formats to a multiple of 32, with zeros.
#pragma once
#include <cstddef>
#include <cstdint>

#include "weight-format.h"

namespace conclave {

// Part of a pack's key: raise it whenever the bytes in a pack change.
constexpr int32_t layoutVersion = 1;

constexpr int panelOutputs = 32;

constexpr int64_t paddedInputs(int64_t inputs) { return (inputs + 1) & ~int64_t{1}; }
constexpr int64_t panelCount(int64_t outputs) { return (outputs + panelOutputs - 1) / panelOutputs; }
constexpr int64_t paddedOutputs(int64_t outputs) { return panelCount(outputs) * panelOutputs; }

// Codes lie in units of 16 inputs x 32 outputs.
constexpr int64_t unitInputs = 16;

// A unit is one or two planes: the lower bits of all codes, then the upper ones, in fields of 8, 4, 2 or 1 bits each.
//
//   plane of fields of p bits: p registers of 64 bytes. Register r is 32 words of 16 bits: word 2 * (output % 16) +
//   input % 2 has in its bits [p * f, p * f + p) the field of slot s = r * (16 / p) + f, and slot s is 2 * (input / 2)
//   + output / 16
//
// So one register shifted right by p * f is a vector of 16 outputs' pairs of inputs, low bits first, as vpermw takes
// its indices; and in 32-bit lanes both inputs of an output lie side by side for processors without it.
struct CodePlanes {
  int lower, upper;  // bits; upper may be 0
};

constexpr CodePlanes planesOf(int bits) {
  if (bits == 3) return {2, 1};
  if (bits > 4 && bits < 8) return {4, bits - 4};
  return {bits, 0};
}

constexpr int64_t unitBytes(int bits) { return int64_t{64} * bits; }

// Where the parts of a panel of a packed format begin, in bytes; each is padded to 64 bytes with zeros.
struct PackedPanel {
  int64_t scales;  // [group][32 outputs] of the scales' type; before them [32 outputs] f32 factors where there are any
  int64_t biases;  // [group][32 outputs] of the scales' type; only of affine formats
  int64_t codes;   // [input / 16] units
  int64_t bytes;   // of the panel
};

constexpr PackedPanel packedPanel(const WeightFormat& format, int64_t inputs) {
  const int64_t groups = inputs / format.group;
  const int64_t each = (groups * panelOutputs * format.scaleBytes() + 63) / 64 * 64;
  const int64_t scales = format.hasFactors() ? panelOutputs * int64_t{sizeof(float)} : 0;
  const int64_t biases = scales + each, codes = format.affine() ? biases + each : biases;
  return {scales, biases, codes, codes + inputs / unitInputs * unitBytes(format.bits())};
}

/** Whether a matrix of that many inputs can have this format. */
constexpr bool fitsInputs(const WeightFormat& format, int64_t inputs) {
  return !format.packed() || inputs % format.group == 0;
}

constexpr int64_t panelBytes(const WeightFormat& format, int64_t inputs) {
  if (format.packed()) return packedPanel(format, inputs).bytes;
  return paddedInputs(inputs) * panelOutputs * static_cast<int64_t>(bytesPerWeight(format.plain()));
}

constexpr int64_t matrixBytes(const WeightFormat& format, int64_t outputs, int64_t inputs) {
  return panelCount(outputs) * panelBytes(format, inputs);
}

// Index of (input, lane) in a panel of a plain format, in elements.
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
