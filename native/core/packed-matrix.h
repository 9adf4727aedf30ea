// Matrices of packed formats as checkpoints have them, and as panels.
#pragma once
#include "panel-layout.h"

namespace conclave {

// Rows in memory, `stride` bytes apart, at any address.
struct ByteRows {
  const std::byte* data;
  int64_t stride;
};

// A matrix lying elsewhere. Each row of codes is one little-endian stream of bits: input i has bits [bits * i, bits * i
// + bits). Each row of scales, and of biases, is one number of the scales' type for each group.
struct PackedMatrix {
  WeightFormat format;
  int64_t outputs, inputs;
  ByteRows codes, scales;
  ByteRows biases;  // of affine formats
  float factor;     // multiplies every scale, where the format has factors
};

/**
 * Writes panel p of the matrix to out + (p * slotStep + slotOffset) * panelBytes. Throws Failure naming output and
 * input when a code is e4m3's NaN, or a scale, bias or factor is not finite.
 */
void packPanels(const PackedMatrix& matrix, std::byte* out, int64_t slotStep, int64_t slotOffset);

/** The weight of (input, lane) of a panel in f32: code * scale, rounded, + bias, rounded, as MLX computes it; or code *
 * scale. */
float packedWeight(const std::byte* panel, const WeightFormat& format, int64_t inputs, int64_t input, int64_t lane);

/** The code of (input, lane). `codes`: where the panel's codes begin. */
uint32_t codeAt(const std::byte* codes, int bits, int64_t input, int64_t lane);
/** What a code stands for. */
float codeValue(WeightCodes codes, uint32_t code);
/** The scale of (group, lane) of a panel, times its factor. */
float scaleAt(const std::byte* panel, const WeightFormat& format, int64_t inputs, int64_t group, int64_t lane);
/** The bias of (group, lane) of a panel of an affine format. */
float biasAt(const std::byte* panel, const WeightFormat& format, int64_t inputs, int64_t group, int64_t lane);

}  // namespace conclave
