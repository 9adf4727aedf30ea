// The matrix product as docs/design.md#numerics-v1 defines it; every other variant is tested against this one.
#include <cmath>

#include "../core/panel-layout.h"
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

float dot(const std::byte* panel, DType dtype, int lane, const void* x, int32_t inputs) {
  float sum = 0.0f;
  for (int32_t i = 0; i < inputs; i += 2) {
    for (int32_t k : {i + 1, i}) {
      sum = std::fma(weightAt(panel, dtype, panelIndex(dtype, k, lane)), inputAt(x, dtype, k), sum);
    }
  }
  return sum;
}

void matmul(const Panels& w, const void* const* x, int32_t rows, float* y, int64_t yStride) {
  for (int32_t r = 0; r < rows; ++r) {
    for (int32_t o = 0; o < w.outputs; ++o) {
      const std::byte* panel = w.data + (o / panelOutputs) * w.stride;
      y[r * yStride + o] = dot(panel, w.dtype, o % panelOutputs, x[r], w.inputs);
    }
  }
}

}  // namespace

const Kernels referenceKernels = withRowKernels("reference", matmul);

}  // namespace conclave
