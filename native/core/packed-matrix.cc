#include "packed-matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "failure.h"
#include "float-bits.h"

namespace conclave {
namespace {

constexpr uint32_t nanOfE4m3 = 0x7f, nanOfE8m0 = 0xff;

template <typename T>
T loadAt(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Sign, four bits of exponent with bias 7, three of fraction; subnormals are multiples of 2^-9.
float e4m3ToF32(uint32_t code) {
  const uint32_t exponent = code >> 3 & 15, fraction = code & 7;
  const float magnitude = exponent == 0 ? static_cast<float>(fraction) * 0x1p-9f
                                        : std::bit_cast<float>((exponent + 120) << 23 | fraction << 20);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

float e2m1ToF32(uint32_t code) {
  constexpr float magnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return (code & 8) != 0 ? -magnitudes[code & 7] : magnitudes[code & 7];
}

// 2^-127, the value of e8m0's 0, is too small for the engine's arithmetic: it is 0, as all subnormal numbers are.
float scaleValue(ScaleType type, const std::byte* at) {
  switch (type) {
    case ScaleType::f32:
      return loadAt<float>(at);
    case ScaleType::f16:
      return f16ToF32(loadAt<uint16_t>(at));
    case ScaleType::bf16:
      return bf16ToF32(loadAt<uint16_t>(at));
    case ScaleType::e8m0:
      return std::bit_cast<float>(std::to_integer<uint32_t>(*at) << 23);
    case ScaleType::e4m3:
      return e4m3ToF32(std::to_integer<uint32_t>(*at));
    case ScaleType::none:
      break;
  }
  return 0;
}

bool isFinite(ScaleType type, const std::byte* at) {
  if (type == ScaleType::e4m3) return (std::to_integer<uint32_t>(*at) & 0x7f) != nanOfE4m3;
  if (type == ScaleType::e8m0) return std::to_integer<uint32_t>(*at) != nanOfE8m0;
  return std::isfinite(scaleValue(type, at));
}

[[noreturn]] void refuse(const char* what, int64_t output, int64_t input, const char* why) {
  std::string message = what;
  message.append("of output ").append(std::to_string(output)).append(", input ").append(std::to_string(input));
  throw Failure(FailureCode::invalidArgument, message.append(why));
}

constexpr int64_t atOnce = 8;

// Puts the fields of eight codes of one lane where they belong; `input` is a multiple of eight.
template <int Bits>
void putCodes(uint64_t eight, int64_t input, int64_t lane, std::byte* codes) {
  constexpr CodePlanes planes = planesOf(Bits);
  std::byte* unit = codes + input / unitInputs * unitBytes(Bits);
  const int64_t firstSlot = input % unitInputs / 2 * 2 + lane / 16, word = lane % 16 * 4;
  const auto put = [&]<int width>(std::byte* plane, int shift) {
    for (int64_t k = 0; k < atOnce; k += 2) {
      const int64_t slot = firstSlot + k, field = slot % (16 / width) * width;
      const uint32_t even = static_cast<uint32_t>(eight >> (Bits * k + shift)) & ((1u << width) - 1);
      const uint32_t odd = static_cast<uint32_t>(eight >> (Bits * (k + 1) + shift)) & ((1u << width) - 1);
      std::byte* at = plane + slot / (16 / width) * 64 + word;
      const uint32_t pair = loadAt<uint32_t>(at) | even << field | odd << (field + 16);
      std::memcpy(at, &pair, sizeof pair);
    }
  };
  put.template operator()<planes.lower>(unit, 0);
  if constexpr (planes.upper > 0) {
    put.template operator()<planes.upper>(unit + unitBytes(planes.lower), planes.lower);
  }
}

// The codes of one output, whose lane is given, into a panel that is zero.
template <int Bits>
void packCodes(const std::byte* row, int64_t inputs, int64_t lane, std::byte* codes) {
  for (int64_t input = 0; input < inputs; input += atOnce, row += Bits) {
    uint64_t eight = 0;
    std::memcpy(&eight, row, Bits);
    putCodes<Bits>(eight, input, lane, codes);
  }
}

void packCodes(const WeightFormat& format, const std::byte* row, int64_t inputs, int64_t lane, std::byte* codes) {
  switch (format.bits()) {
    case 2:
      return packCodes<2>(row, inputs, lane, codes);
    case 3:
      return packCodes<3>(row, inputs, lane, codes);
    case 4:
      return packCodes<4>(row, inputs, lane, codes);
    case 5:
      return packCodes<5>(row, inputs, lane, codes);
    case 6:
      return packCodes<6>(row, inputs, lane, codes);
    case 8:
      return packCodes<8>(row, inputs, lane, codes);
  }
}

void packScales(const WeightFormat& format, const std::byte* row, const char* what, int64_t output, int64_t inputs,
                std::byte* to) {
  const int64_t bytes = format.scaleBytes();
  for (int64_t g = 0; g < inputs / format.group; ++g) {
    const std::byte* from = row + g * bytes;
    if (!isFinite(format.scales, from)) refuse(what, output, g * format.group, " is not finite");
    std::memcpy(to + (g * panelOutputs + output % panelOutputs) * bytes, from, static_cast<size_t>(bytes));
  }
}

void refuseNan(const std::byte* row, int64_t output, int64_t inputs) {
  for (int64_t i = 0; i < inputs; ++i) {
    if ((std::to_integer<uint32_t>(row[i]) & 0x7f) == nanOfE4m3) refuse("the code ", output, i, " is not a number");
  }
}

void packOutput(const PackedMatrix& matrix, int64_t output, std::byte* panel) {
  const auto& [format, outputs, inputs, codes, scales, biases, factor] = matrix;
  const PackedPanel place = packedPanel(format, inputs);
  const int64_t lane = output % panelOutputs;
  const std::byte* row = codes.data + output * codes.stride;
  if (format.codes == WeightCodes::e4m3) refuseNan(row, output, inputs);
  packCodes(format, row, inputs, lane, panel + place.codes);
  packScales(format, scales.data + output * scales.stride, "the scale ", output, inputs, panel + place.scales);
  if (format.affine()) {
    packScales(format, biases.data + output * biases.stride, "the bias ", output, inputs, panel + place.biases);
  }
  if (format.hasFactors()) std::memcpy(panel + lane * int64_t{sizeof factor}, &factor, sizeof factor);
}

}  // namespace

void packPanels(const PackedMatrix& matrix, std::byte* out, int64_t slotStep, int64_t slotOffset) {
  require(isFormat(matrix.format) && matrix.format.packed(), "the matrix has no packed format");
  require(fitsInputs(matrix.format, matrix.inputs), "the inputs are no multiple of the group");
  require(!matrix.format.hasFactors() || std::isfinite(matrix.factor), "the factor of the scales is not finite");
  const int64_t bytes = panelBytes(matrix.format, matrix.inputs);
  for (int64_t p = 0; p < panelCount(matrix.outputs); ++p) {
    std::byte* panel = out + (p * slotStep + slotOffset) * bytes;
    std::memset(panel, 0, static_cast<size_t>(bytes));
    const int64_t end = std::min<int64_t>(matrix.outputs, (p + 1) * panelOutputs);
    for (int64_t output = p * panelOutputs; output < end; ++output) packOutput(matrix, output, panel);
  }
}

uint32_t codeAt(const std::byte* codes, int bits, int64_t input, int64_t lane) {
  const CodePlanes planes = planesOf(bits);
  const std::byte* unit = codes + input / unitInputs * unitBytes(bits);
  const int64_t slot = input % unitInputs / 2 * 2 + lane / 16, word = lane % 16 * 2 + input % 2;
  const auto field = [&](const std::byte* plane, int width) {
    const uint32_t all = loadAt<uint16_t>(plane + slot / (16 / width) * 64 + word * 2);
    return all >> (slot % (16 / width) * width) & ((1u << width) - 1);
  };
  const uint32_t lower = field(unit, planes.lower);
  return planes.upper == 0 ? lower : lower | field(unit + unitBytes(planes.lower), planes.upper) << planes.lower;
}

float codeValue(WeightCodes codes, uint32_t code) {
  if (codes == WeightCodes::e2m1) return e2m1ToF32(code);
  if (codes == WeightCodes::e4m3) return e4m3ToF32(code);
  return static_cast<float>(code);
}

float scaleAt(const std::byte* panel, const WeightFormat& format, int64_t inputs, int64_t group, int64_t lane) {
  const int64_t index = group * panelOutputs + lane;
  const float scale =
      scaleValue(format.scales, panel + packedPanel(format, inputs).scales + index * format.scaleBytes());
  return format.hasFactors() ? scale * loadAt<float>(panel + lane * int64_t{sizeof(float)}) : scale;
}

float biasAt(const std::byte* panel, const WeightFormat& format, int64_t inputs, int64_t group, int64_t lane) {
  const int64_t index = group * panelOutputs + lane;
  return scaleValue(format.scales, panel + packedPanel(format, inputs).biases + index * format.scaleBytes());
}

float packedWeight(const std::byte* panel, const WeightFormat& format, int64_t inputs, int64_t input, int64_t lane) {
  const int64_t group = input / format.group;
  const uint32_t code = codeAt(panel + packedPanel(format, inputs).codes, format.bits(), input, lane);
  const float value = codeValue(format.codes, code), scale = scaleAt(panel, format, inputs, group, lane);
  return format.affine() ? value * scale + biasAt(panel, format, inputs, group, lane) : value * scale;
}

}  // namespace conclave
