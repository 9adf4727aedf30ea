#include "quantize-rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "failure.h"
#include "float-bits.h"

namespace conclave {
namespace {

constexpr int mostInGroup = 128;
// Sums of eight at a time, so that a compiler may keep them in registers.
constexpr int lanes = 8;

struct Group {
  float weights[mostInGroup];
  float values[mostInGroup];  // what the codes stand for
  uint8_t codes[mostInGroup];
  int size;
};

template <typename T>
T loadAt(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void loadGroup(const std::byte* from, DType dtype, Group& group) {
  for (int i = 0; i < group.size; ++i) {
    if (dtype == DType::f32) {
      group.weights[i] = loadAt<float>(from + i * 4);
    } else {
      const uint16_t bits = loadAt<uint16_t>(from + i * 2);
      group.weights[i] = dtype == DType::bf16 ? bf16ToF32(bits) : f16ToF32(bits);
    }
  }
}

struct Extent {
  float least, most;
  bool finite;
};

Extent extentOf(const Group& group) {
  float least[lanes], most[lanes];
  int32_t finite[lanes];
  std::fill_n(least, lanes, INFINITY);
  std::fill_n(most, lanes, -INFINITY);
  std::fill_n(finite, lanes, 1);
  for (int i = 0; i < group.size; i += lanes) {
    for (int k = 0; k < lanes; ++k) {
      const float w = group.weights[i + k];
      least[k] = w < least[k] ? w : least[k];
      most[k] = w > most[k] ? w : most[k];
      finite[k] &= static_cast<int32_t>(std::fabs(w) <= 3.4028234e38f);
    }
  }
  return {*std::min_element(least, least + lanes), *std::max_element(most, most + lanes),
          std::all_of(finite, finite + lanes, [](int32_t one) { return one != 0; })};
}

// Half to even; of numbers below 2^22.
float rounded(float value) {
  constexpr float shift = 12582912.0f;
  return (value + shift) - shift;
}

// Half to even.
uint16_t f32ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // subnormal in f16: units of 2^-24
    const float units = rounded(std::bit_cast<float>(magnitude) * 0x1p24f);
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(units));
  }
  const uint32_t even = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | ((even >> 13) - 0x1c000));
}

/** Stores a scale or a bias in its type and returns what was stored. */
float store(ScaleType type, float value, std::byte* at) {
  if (type == ScaleType::f32) {
    std::memcpy(at, &value, sizeof value);
    return value;
  }
  const uint16_t bits = type == ScaleType::bf16 ? f32ToBf16(value) : f32ToF16(value);
  std::memcpy(at, &bits, sizeof bits);
  return type == ScaleType::bf16 ? bf16ToF32(bits) : f16ToF32(bits);
}

// The edge of larger magnitude is exact, and so is zero where the group spans it.
void quantizeAffine(Group& group, const Extent& extent, const WeightFormat& format, std::byte* scaleAt,
                    std::byte* biasAt) {
  const float last = static_cast<float>((1 << format.bits()) - 1);
  const bool fromBelow = std::fabs(extent.least) > std::fabs(extent.most);
  const float width = std::max((extent.most - extent.least) / last, 1e-7f);
  float scale = fromBelow ? width : -width, bias = 0;
  const float edge = fromBelow ? extent.least : extent.most, steps = std::rint(edge / scale);
  if (steps != 0) {
    scale = edge / steps;
    bias = edge;
  }
  for (int i = 0; i < group.size; ++i) {
    const float code = rounded((group.weights[i] - bias) / scale);
    group.codes[i] = static_cast<uint8_t>(static_cast<int32_t>(std::min(std::max(code, 0.0f), last)));
  }
  const float storedScale = store(format.scales, scale, scaleAt), storedBias = store(format.scales, bias, biasAt);
  for (int i = 0; i < group.size; ++i) group.values[i] = group.codes[i] * storedScale + storedBias;
}

// Ties go to zero, and what becomes 0 has no sign.
uint32_t e2m1Of(float value) {
  const float m = std::fabs(value);
  const int code = (m > 0.25f) + (m > 0.75f) + (m > 1.25f) + (m > 1.75f) + (m > 2.5f) + (m > 3.5f) + (m > 5.0f);
  return static_cast<uint32_t>(code) | (value < 0 && code > 0 ? 8u : 0u);
}

float valueOfE2m1(uint32_t code) {
  constexpr float magnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return (code & 8) != 0 ? -magnitudes[code & 7] : magnitudes[code & 7];
}

// Half to even; magnitudes above 448 become 448.
uint32_t e4m3Of(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 24 & 0x80, magnitude = bits & 0x7fffffff;
  const float m = std::bit_cast<float>(magnitude);
  if (m >= 464.0f) return sign | 0x7e;
  if (m < 0x1p-6f) return sign | static_cast<uint32_t>(rounded(m * 512.0f));
  const uint32_t even = magnitude + 0x7ffff + (magnitude >> 20 & 1);
  return sign | std::min((even >> 20) - (120u << 3), 0x7eu);
}

float valueOfE4m3(uint32_t code) {
  const uint32_t exponent = code >> 3 & 15, fraction = code & 7;
  const float magnitude = exponent == 0 ? static_cast<float>(fraction) * 0x1p-9f
                                        : std::bit_cast<float>((exponent + 120) << 23 | fraction << 20);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

// The least power of two that is not below a number; 0 has that of 1.
uint32_t e8m0Of(float value) {
  if (value == 0) return 127;
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return std::min((bits >> 23) + ((bits & 0x7fffff) != 0 ? 1 : 0), 254u);
}

void quantizeFloat(Group& group, const Extent& extent, const WeightFormat& format, std::byte* scaleAt) {
  const bool four = format.codes == WeightCodes::e2m1, bytes = format.scales == ScaleType::e4m3;
  const float ideal = std::max(std::fabs(extent.least), std::fabs(extent.most)) / (four ? 6.0f : 448.0f);
  const uint32_t code = bytes ? e4m3Of(ideal) : e8m0Of(ideal);
  const float scale = bytes ? valueOfE4m3(code) : std::bit_cast<float>(code << 23);
  *scaleAt = static_cast<std::byte>(code);
  for (int i = 0; i < group.size; ++i) {
    const float quotient = scale == 0 ? 0.0f : group.weights[i] / scale;
    group.codes[i] = static_cast<uint8_t>(four ? e2m1Of(quotient) : e4m3Of(quotient));
    group.values[i] = (four ? valueOfE2m1(group.codes[i]) : valueOfE4m3(group.codes[i])) * scale;
  }
}

/** A group's codes fill whole bytes. */
void writeCodes(const Group& group, int bits, uint8_t* to) {
  uint64_t waiting = 0;
  int held = 0;
  for (int i = 0; i < group.size; ++i) {
    waiting |= static_cast<uint64_t>(group.codes[i]) << held;
    for (held += bits; held >= 8; held -= 8, waiting >>= 8) *to++ = static_cast<uint8_t>(waiting);
  }
}

void addError(const Group& group, QuantizationError& error) {
  double squares[lanes] = {}, weights[lanes] = {};
  float worst[lanes] = {};
  for (int i = 0; i < group.size; i += lanes) {
    for (int k = 0; k < lanes; ++k) {
      const float weight = group.weights[i + k], distance = std::fabs(weight - group.values[i + k]);
      squares[k] += static_cast<double>(distance) * distance;
      weights[k] += static_cast<double>(weight) * weight;
      worst[k] = distance > worst[k] ? distance : worst[k];
    }
  }
  for (int k = 0; k < lanes; ++k) {
    error.squares += squares[k];
    error.weights += weights[k];
    error.worst = std::max(error.worst, worst[k]);
  }
}

[[noreturn]] void refuse(int64_t row, int64_t input) {
  std::string message = "a weight of output ";
  message.append(std::to_string(row)).append(" from input ").append(std::to_string(input)).append(" on is not finite");
  throw Failure(FailureCode::invalidArgument, message);
}

}  // namespace

QuantizationError quantizeRows(const PlainRows& from, const QuantizedRows& to) {
  const WeightFormat& format = to.format;
  const int64_t groups = from.inputs / format.group, width = static_cast<int64_t>(bytesPerWeight(from.dtype));
  const int64_t codeBytes = format.group * format.bits() / 8;
  QuantizationError error;
  Group group;
  group.size = format.group;
  for (int64_t g = 0; g < from.rows * groups; ++g) {
    loadGroup(from.data + g * format.group * width, from.dtype, group);
    const Extent extent = extentOf(group);
    if (!extent.finite) refuse(g / groups, g % groups * format.group);
    std::byte* scaleAt = to.scales + g * format.scaleBytes();
    if (format.affine()) {
      quantizeAffine(group, extent, format, scaleAt, to.biases + g * format.scaleBytes());
    } else {
      quantizeFloat(group, extent, format, scaleAt);
    }
    writeCodes(group, format.bits(), to.codes + g * codeBytes);
    addError(group, error);
  }
  return error;
}

}  // namespace conclave
