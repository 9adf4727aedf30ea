// The matrix product as docs/design.md#numerics-v1 defines it; every other variant is tested against this one.
#include <cmath>

#include "../core/packed-matrix.h"
#include "row-kernels.h"
#include "variants.h"

namespace conclave {
namespace {

float weightAt(const std::byte* panel, DType dtype, int64_t index) {
  if (dtype == DType::f32) return reinterpret_cast<const float*>(panel)[index];
  const uint16_t bits = reinterpret_cast<const uint16_t*>(panel)[index];
  return dtype == DType::f16 ? f16ToF32(bits) : bf16ToF32(bits);
}

float inputAt(const void* x, DType dtype, int32_t i) {
  if (dtype == DType::bf16) return bf16ToF32(static_cast<const uint16_t*>(x)[i]);
  return static_cast<const float*>(x)[i];
}

float sumOfInputs(const void* x, DType dtype, int32_t first, int32_t end) {
  float sum = 0.0f;
  for (int32_t i = first; i < end; i += 2) {
    // An addition. As one, GCC 12 vectorises it at -O3 and gives another sum.
    sum = std::fma(1.0f, inputAt(x, dtype, i + 1), sum);
    sum = std::fma(1.0f, inputAt(x, dtype, i), sum);
  }
  return sum;
}

float packedDot(const std::byte* panel, const Panels& w, int lane, const void* x, DType dtype) {
  const std::byte* codes = panel + packedPanel(w.format, w.inputs).codes;
  const auto code = [&](int32_t i) { return codeValue(w.format.codes, codeAt(codes, w.format.bits(), i, lane)); };
  float acc = 0.0f;
  for (int32_t first = 0; first < w.inputs; first += w.format.group) {
    const int32_t end = first + w.format.group, group = first / w.format.group;
    float sum = 0.0f;
    for (int32_t i = first; i < end; i += 2) {
      for (int32_t k : {i + 1, i}) sum = std::fma(code(k), inputAt(x, dtype, k), sum);
    }
    if (w.format.affine()) {
      acc = std::fma(biasAt(panel, w.format, w.inputs, group, lane), sumOfInputs(x, dtype, first, end), acc);
    }
    acc = std::fma(scaleAt(panel, w.format, w.inputs, group, lane), sum, acc);
  }
  return acc;
}

float dot(const std::byte* panel, DType dtype, int lane, const void* x, int32_t inputs) {
  float sum = 0.0f;
  for (int32_t i = 0; i < inputs; i += 2) {
    for (int32_t k : {i + 1, i}) {
      sum = std::fma(weightAt(panel, dtype, panelIndex(dtype, k, lane)), inputAt(x, dtype, k), sum);
    }
  }
  return sum;
}

void multiplyPacked(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride) {
  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t o = 0; o < w.outputs; ++o) {
      const std::byte* panel = w.data + (o / panelOutputs) * w.stride;
      y[r * yStride + o] = packedDot(panel, w, o % panelOutputs, x.rows[r], x.type);
    }
  }
}

void matmul(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride) {
  if (w.format.packed()) return multiplyPacked(w, x, rows, y, yStride);
  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t o = 0; o < w.outputs; ++o) {
      const std::byte* panel = w.data + (o / panelOutputs) * w.stride;
      y[r * yStride + o] = dot(panel, w.format.plain(), o % panelOutputs, x.rows[r], w.inputs);
    }
  }
}

}  // namespace

const Kernels referenceKernels = withRowKernels("reference", matmul);

}  // namespace conclave
