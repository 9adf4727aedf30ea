// Every operation but the matrix product, as plain loops that say the maths. Each variant's file includes this and is
// compiled for its own instructions: the compiler may vectorise, but with contraction off and no fast-math it keeps
// every rounding, so all variants give the same bits. Sums run over 16 virtual lanes and a fixed tree, which leaves the
// compiler something to vectorise. In an unnamed namespace so that the linker does not merge code meant for different
// CPUs.
#pragma once
#include <bit>
#include <cstdint>

#include "../core/float-bits.h"
#include "kernels.h"

namespace conclave {
namespace {

constexpr int blockKeys = 64;

// Lane l holds the sum of x[l], x[l + 16], ...; then 8 + 8, 4 + 4, 2 + 2, 1 + 1.
struct LaneSum {
  float lane[lanes] = {};

  float total() const {
    float part[lanes];
    for (int l = 0; l < lanes; ++l) part[l] = lane[l];
    for (int width = lanes / 2; width > 0; width /= 2) {
      for (int l = 0; l < width; ++l) part[l] = part[l] + part[l + width];
    }
    return part[0];
  }
};

inline float sumOf(const float* x, int32_t width) {
  LaneSum sum;
  int32_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    for (int l = 0; l < lanes; ++l) sum.lane[l] = sum.lane[l] + x[i + l];
  }
  for (int l = 0; i + l < width; ++l) sum.lane[l] = sum.lane[l] + x[i + l];
  return sum.total();
}

inline float sumOfSquaredDistances(const float* x, int32_t width, float centre) {
  LaneSum sum;
  int32_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    for (int l = 0; l < lanes; ++l) {
      const float d = x[i + l] - centre;
      sum.lane[l] = __builtin_fmaf(d, d, sum.lane[l]);
    }
  }
  for (int l = 0; i + l < width; ++l) {
    const float d = x[i + l] - centre;
    sum.lane[l] = __builtin_fmaf(d, d, sum.lane[l]);
  }
  return sum.total();
}

inline float maximumOf(const float* x, int32_t width) {
  float best = x[0];
  int32_t i = 1;
  if (width >= 2 * lanes) {
    float lane[lanes];
    for (int l = 0; l < lanes; ++l) lane[l] = x[l];
    for (i = lanes; i + lanes <= width; i += lanes) {
      for (int l = 0; l < lanes; ++l) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    }
    best = lane[0];
    for (int l = 1; l < lanes; ++l) best = lane[l] > best ? lane[l] : best;
  }
  for (; i < width; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// e^x to within 2 ulp: x = n ln2 + r with |r| <= ln2 / 2, a polynomial in r, times 2^n. Below the smallest normal: 0.
inline float expf32(float x) {
  constexpr float lowest = -87.3365448f, highest = 88.3762626f;
  constexpr float log2e = 1.44269504f, ln2High = 0.693359375f, ln2Low = -2.12194440e-4f;
  constexpr float toInteger = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float clamped = x < lowest ? lowest : (x > highest ? highest : x);
  const float shifted = __builtin_fmaf(clamped, log2e, toInteger);
  const float n = shifted - toInteger;
  float r = __builtin_fmaf(n, -ln2High, clamped);
  r = __builtin_fmaf(n, -ln2Low, r);
  float p = 1.0f / 5040;
  p = __builtin_fmaf(p, r, 1.0f / 720);
  p = __builtin_fmaf(p, r, 1.0f / 120);
  p = __builtin_fmaf(p, r, 1.0f / 24);
  p = __builtin_fmaf(p, r, 1.0f / 6);
  p = __builtin_fmaf(p, r, 0.5f);
  p = __builtin_fmaf(p, r, 1.0f);
  p = __builtin_fmaf(p, r, 1.0f);
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(toInteger) + 127u) << 23;
  const float value = p * std::bit_cast<float>(power);
  return x < lowest ? 0.0f : (x == x ? value : x);
}

// Groups side by side, so that sums do not wait for each other.
template <typename Input, typename Read>
void sumGroupsOf(const Input* x, int32_t groups, int32_t group, float* sums, const Read& read) {
  constexpr int32_t together = 8;
  for (int32_t g = 0; g < groups; g += together) {
    const int32_t count = groups - g < together ? groups - g : together;
    float sum[together] = {};
    for (int32_t i = 0; i < group; i += 2) {
      // An addition, see matmul-reference.cc.
      for (int32_t k = 0; k < count; ++k) sum[k] = __builtin_fmaf(1.0f, read(x[(g + k) * group + i + 1]), sum[k]);
      for (int32_t k = 0; k < count; ++k) sum[k] = __builtin_fmaf(1.0f, read(x[(g + k) * group + i]), sum[k]);
    }
    for (int32_t k = 0; k < count; ++k) sums[g + k] = sum[k];
  }
}

void sumGroups(const void* x, DType type, int32_t inputs, int32_t group, float* sums) {
  if (type == DType::bf16) {
    sumGroupsOf(static_cast<const uint16_t*>(x), inputs / group, group, sums, bf16ToF32);
  } else {
    sumGroupsOf(static_cast<const float*>(x), inputs / group, group, sums, [](float value) { return value; });
  }
}

void layerNorm(const float* x, const float* weight, int32_t width, float epsilon, float* y) {
  const float count = static_cast<float>(width);
  const float mean = sumOf(x, width) / count;
  const float variance = sumOfSquaredDistances(x, width, mean) / count;
  const float scale = 1.0f / __builtin_sqrtf(variance + epsilon);
  for (int32_t i = 0; i < width; ++i) y[i] = ((x[i] - mean) * scale) * weight[i];
}

void rmsNorm(const float* x, const float* weight, int32_t width, float epsilon, bool rounded, float* y) {
  const float mean = sumOfSquaredDistances(x, width, 0.0f) / static_cast<float>(width);
  const float scale = 1.0f / __builtin_sqrtf(mean + epsilon);
  if (rounded) {
    for (int32_t i = 0; i < width; ++i) y[i] = bf16ToF32(f32ToBf16(x[i] * scale)) * weight[i];
  } else {
    for (int32_t i = 0; i < width; ++i) y[i] = (x[i] * scale) * weight[i];
  }
}

void storeRows(const float* x, int64_t xStride, int32_t rows, int32_t width, const TargetRows& y) {
  for (int32_t r = 0; r < rows; ++r, x += xStride) {
    if (y.type == DType::bf16) {
      uint16_t* to = reinterpret_cast<uint16_t*>(y.data + r * y.stride);
      for (int32_t i = 0; i < width; ++i) to[i] = f32ToBf16(x[i]);
    } else {
      float* to = reinterpret_cast<float*>(y.data + r * y.stride);
      for (int32_t i = 0; i < width; ++i) to[i] = x[i];
    }
  }
}

void clip(float* x, int32_t width, float limit) {
  for (int32_t i = 0; i < width; ++i) {
    const float low = x[i] < -limit ? -limit : x[i];
    x[i] = low > limit ? limit : low;
  }
}

void rotate(float* x, const float* cosine, const float* sine, int32_t half) {
  for (int32_t i = 0; i < half; ++i) {
    const float first = x[i], second = x[i + half];
    x[i] = first * cosine[i] - second * sine[i];
    x[i + half] = second * cosine[i] + first * sine[i];
  }
}

void rotateAdjacent(float* x, const float* cosine, const float* sine, int32_t pairs) {
  for (int32_t i = 0; i < pairs; ++i) {
    const float first = x[2 * i], second = x[2 * i + 1];
    x[2 * i] = first * cosine[i] - second * sine[i];
    x[2 * i + 1] = second * cosine[i] + first * sine[i];
  }
}

void softmaxBlock(float* scores, int32_t first, int32_t end, float scale, bool rounded, float* m, float* sum) {
  for (int32_t i = first; i < end; ++i) scores[i] = scores[i] * scale;
  const float top = maximumOf(scores + first, end - first);
  *m = top;
  for (int32_t i = first; i < end; ++i) scores[i] = expf32(scores[i] - top);
  // The weights that multiply V are the ones that are summed, so that they add up to one.
  if (rounded) {
    for (int32_t i = first; i < end; ++i) scores[i] = bf16ToF32(f32ToBf16(scores[i]));
  }
  for (int32_t i = 0; i < first; ++i) scores[i] = 0.0f;
  for (int32_t i = end; i < blockKeys; ++i) scores[i] = 0.0f;
  *sum = sumOf(scores, blockKeys);
}

void mergeBlock(float* o, float* m, float* sum, const float* blockO, float blockM, float blockSum, int32_t width) {
  const float top = *m > blockM ? *m : blockM;
  const float keep = expf32(*m - top), take = expf32(blockM - top);
  for (int32_t i = 0; i < width; ++i) o[i] = o[i] * keep + blockO[i] * take;
  *sum = *sum * keep + blockSum * take;
  *m = top;
}

void divide(float* x, int32_t width, float divisor) {
  for (int32_t i = 0; i < width; ++i) x[i] = x[i] / divisor;
}

inline float sigmoidOf(float x) { return 1.0f / (1.0f + expf32(-x)); }

// 1 - 2 / (e^2x + 1), which is exact in sign and at both ends.
inline float tanhOf(float x) { return 1.0f - 2.0f / (expf32(2.0f * x) + 1.0f); }

// A Chebyshev fit: erfc(z) = t exp(-z^2 + p(t)), t = 1 / (1 + z / 2); relative error 1.2e-7.
inline float erfOf(float x) {
  const float z = x < 0 ? -x : x, t = 1.0f / (1.0f + 0.5f * z);
  float p = 0.17087277f;
  for (float c :
       {-0.82215223f, 1.48851587f, -1.13520398f, 0.27886807f, -0.18628806f, 0.09678418f, 0.37409196f, 1.00002368f}) {
    p = __builtin_fmaf(p, t, c);
  }
  const float complement = t * expf32(__builtin_fmaf(p, t, -1.26551223f) - z * z);
  return x < 0 ? complement - 1.0f : 1.0f - complement;
}

struct Silu {
  float operator()(float gate, float up) const { return gate / (1.0f + expf32(-gate)) * up; }
};
struct Gelu {
  float operator()(float gate, float up) const { return 0.5f * gate * (1.0f + erfOf(gate * 0.70710678f)) * up; }
};
struct GeluTanh {
  float operator()(float gate, float up) const {
    const float inner = 0.79788456f * (gate + 0.044715f * gate * gate * gate);
    return 0.5f * gate * (1.0f + tanhOf(inner)) * up;
  }
};
struct ClampedSwiglu {
  float limit, alpha;
  float operator()(float gate, float up) const {
    const float g = gate > limit ? limit : gate;
    const float low = up < -limit ? -limit : up, u = low > limit ? limit : low;
    return (u + 1.0f) * (g * sigmoidOf(alpha * g));
  }
};

template <typename Gated>
void gateRowsBy(const Gated& gated, const float* gate, const float* up, int64_t xStride, int32_t rows, int32_t width,
                const TargetRows& y) {
  for (int32_t r = 0; r < rows; ++r, gate += xStride, up += xStride) {
    if (y.type == DType::bf16) {
      uint16_t* to = reinterpret_cast<uint16_t*>(y.data + r * y.stride);
      for (int32_t i = 0; i < width; ++i) to[i] = f32ToBf16(gated(gate[i], up[i]));
    } else {
      float* to = reinterpret_cast<float*>(y.data + r * y.stride);
      for (int32_t i = 0; i < width; ++i) to[i] = gated(gate[i], up[i]);
    }
  }
}

void gateRows(const Activation& activation, const float* gate, const float* up, int64_t xStride, int32_t rows,
              int32_t width, const TargetRows& y) {
  switch (activation.kind) {
    case ActivationKind::silu:
      return gateRowsBy(Silu{}, gate, up, xStride, rows, width, y);
    case ActivationKind::gelu:
      return gateRowsBy(Gelu{}, gate, up, xStride, rows, width, y);
    case ActivationKind::geluTanh:
      return gateRowsBy(GeluTanh{}, gate, up, xStride, rows, width, y);
    case ActivationKind::clampedSwiglu:
      return gateRowsBy(ClampedSwiglu{activation.limit, activation.alpha}, gate, up, xStride, rows, width, y);
  }
}

void add(float* x, const float* y, int32_t width) {
  for (int32_t i = 0; i < width; ++i) x[i] = x[i] + y[i];
}

void addScaled(float* x, const void* y, DType type, float weight, int32_t width) {
  if (type == DType::bf16) {
    const uint16_t* bits = static_cast<const uint16_t*>(y);
    for (int32_t i = 0; i < width; ++i) x[i] = __builtin_fmaf(weight, bf16ToF32(bits[i]), x[i]);
  } else {
    const float* values = static_cast<const float*>(y);
    for (int32_t i = 0; i < width; ++i) x[i] = __builtin_fmaf(weight, values[i], x[i]);
  }
}

void softmax(float* x, int32_t width) {
  const float m = maximumOf(x, width);
  for (int32_t i = 0; i < width; ++i) x[i] = expf32(x[i] - m);
  divide(x, width, sumOf(x, width));
}

void sigmoid(float* x, int32_t width) {
  for (int32_t i = 0; i < width; ++i) x[i] = sigmoidOf(x[i]);
}

void scale(float* x, int32_t width, float factor) {
  for (int32_t i = 0; i < width; ++i) x[i] = factor * x[i];
}

void cap(float* x, int32_t width, float limit) {
  for (int32_t i = 0; i < width; ++i) x[i] = limit * tanhOf(x[i] / limit);
}

constexpr Kernels withRowKernels(const char* name,
                                 void (*matmul)(const Panels&, const InputRows&, int32_t, float*, int64_t)) {
  return {name,      matmul,         sumGroups,    layerNorm,  rmsNorm, storeRows, clip,
          rotate,    rotateAdjacent, softmaxBlock, mergeBlock, divide,  gateRows,  add,
          addScaled, softmax,        sigmoid,      scale,      cap};
}

}  // namespace
}  // namespace conclave
