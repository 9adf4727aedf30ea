// The operations that a CPU variant supplies. Rows are f32 and contiguous unless said otherwise. Every variant gives
// the bits of the reference: row-kernels.h is compiled once per variant, the matrix product has its own code in each.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/model-description.h"
#include "../core/weight-format.h"

namespace conclave {

// Numbers that vectors of every variant hold, and virtual lanes of sums.
constexpr int lanes = 16;

// Panels of one matrix (core/panel-layout.h), or of a part of it.
struct Panels {
  const std::byte* data;
  WeightFormat format;
  int64_t stride;   // bytes from panel to panel
  int32_t inputs;   // summed over; even
  int32_t outputs;  // written
};

// Rows that results go to, rounded to nearest even when they are bf16.
struct TargetRows {
  std::byte* data;
  int64_t stride;  // bytes from row to row
  DType type;      // f32 or bf16
};

// Rows that enter a product.
struct InputRows {
  const void* const* rows;  // bf16 or f32, `inputs` values each
  DType type;
  const float* const* groupSums = nullptr;  // of each row, by sumGroups; affine formats only

  InputRows from(int32_t row) const { return {rows + row, type, groupSums == nullptr ? nullptr : groupSums + row}; }
};

struct Kernels {
  const char* name;

  // y[r, o] = sum over i of x[r][i] * w[o, i], pairs of inputs ascending, the odd one added first, each by one fma
  // (what vdpbf16ps does). Packed formats: for each group of inputs, ascending, sum = the product of codes and inputs
  // in that order, acc = fma(scale, sum, acc); affine ones acc = fma(scale, sum, fma(bias, groupSum, acc)). x: bf16 for
  // bf16 panels, f32 for f32 and f16, either for packed ones. y: [rows, outputs], rows yStride apart.
  void (*matmul)(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride);

  // The sum of each group's inputs, pairs ascending, the odd one added first: sums [inputs / group]
  void (*sumGroups)(const void* x, DType type, int32_t inputs, int32_t group, float* sums);
  // y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight
  void (*layerNorm)(const float* x, const float* weight, int32_t width, float epsilon, float* y);
  // y = x / sqrt(mean(x^2) + epsilon) * weight; the quotient is rounded to bf16 when asked. x may be y.
  void (*rmsNorm)(const float* x, const float* weight, int32_t width, float epsilon, bool roundToBf16, float* y);
  // y = x for rows of x xStride apart
  void (*storeRows)(const float* x, int64_t xStride, int32_t rows, int32_t width, const TargetRows& y);
  // x = x clamped to [-limit, limit]
  void (*clip)(float* x, int32_t width, float limit);
  // Rotates the pairs (x[i], x[i + half]) by the angle whose cosine and sine are given: [half] each.
  void (*rotate)(float* x, const float* cosine, const float* sine, int32_t half);
  // Rotates the pairs (x[2i], x[2i + 1]) likewise.
  void (*rotateAdjacent)(float* x, const float* cosine, const float* sine, int32_t pairs);
  // Scores of keys [first, end), end <= 64 -> p = exp(s * scale - m), rounded to bf16 when asked, and 0 for the others;
  // m their maximum, sum that of p.
  void (*softmaxBlock)(float* scores, int32_t first, int32_t end, float scale, bool roundToBf16, float* m, float* sum);
  // Merges a later block's (m, sum, o) into the running one: o [width].
  void (*mergeBlock)(float* o, float* m, float* sum, const float* blockO, float blockM, float blockSum, int32_t width);
  // x = x / divisor
  void (*divide)(float* x, int32_t width, float divisor);
  // y = activation(gate) * up for rows of both xStride apart (native/model-description.ts has the activations)
  void (*gateRows)(const Activation& activation, const float* gate, const float* up, int64_t xStride, int32_t rows,
                   int32_t width, const TargetRows& y);
  // x = x + y
  void (*add)(float* x, const float* y, int32_t width);
  // x = x + weight * y, one fma; y f32 or bf16
  void (*addScaled)(float* x, const void* y, DType type, float weight, int32_t width);
  // x = softmax(x)
  void (*softmax)(float* x, int32_t width);
  // x = 1 / (1 + exp(-x))
  void (*sigmoid)(float* x, int32_t width);
  // x = factor * x
  void (*scale)(float* x, int32_t width, float factor);
  // x = limit * tanh(x / limit)
  void (*cap)(float* x, int32_t width, float limit);
};

/** Variants that this CPU can run, fastest first; the reference is the last. */
const std::vector<const Kernels*>& availableKernels();

/** The variant of that name, '' for the fastest. Throws Failure invalidArgument listing the names. */
const Kernels& kernelsNamed(const std::string& name);

}  // namespace conclave
