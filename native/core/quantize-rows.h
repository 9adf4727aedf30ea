// Rows of plain weights -> codes, scales and biases, bit for bit as MLX 0.32 quantises them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "weight-format.h"

namespace conclave {

// [rows, inputs] one after the other, at any address.
struct PlainRows {
  const std::byte* data;
  DType dtype;
  int64_t rows, inputs;
};

// Codes: [rows, inputs * bits / 8], each row one little-endian stream of bits. Scales and biases: [rows, inputs /
// group] of the format's type. Affine formats, and those of mxfp4, nvfp4 and mxfp8.
struct QuantizedRows {
  WeightFormat format;
  uint8_t* codes;
  std::byte* scales;
  std::byte* biases;  // null unless the format is affine
};

// Of what the codes stand for.
struct QuantizationError {
  double squares = 0;  // of the differences
  double weights = 0;  // squares of the weights
  float worst = 0;     // largest difference
};

/** Throws Failure naming output and input of a weight that is not finite. */
QuantizationError quantizeRows(const PlainRows& from, const QuantizedRows& to);

}  // namespace conclave
