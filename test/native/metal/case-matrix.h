// Random matrices of any format: as panels, and the number of each output and input.
#pragma once
#include "../../../native/core/packed-matrix.h"
#include "case-memory.h"

namespace conclave::test {

struct CaseMatrix {
  WeightFormat format;
  int32_t outputs, inputs;
  std::vector<std::byte> panels;
  Values weights;  // [outputs, inputs], as a kernel reads them one by one

  const float* row(int32_t output) const { return &weights[static_cast<size_t>(output) * static_cast<size_t>(inputs)]; }
};

// Gate and up in turn, as experts have them.
inline std::vector<std::byte> paired(const CaseMatrix& gate, const CaseMatrix& up) {
  const size_t bytes = static_cast<size_t>(panelBytes(gate.format, gate.inputs));
  std::vector<std::byte> pairs;
  for (size_t at = 0; at < gate.panels.size(); at += bytes) {
    for (const CaseMatrix* each : {&gate, &up}) {
      const auto from = each->panels.begin() + static_cast<std::ptrdiff_t>(at);
      pairs.insert(pairs.end(), from, from + static_cast<std::ptrdiff_t>(bytes));
    }
  }
  return pairs;
}

inline CaseMatrix plainMatrix(Random& random, DType dtype, int32_t outputs, int32_t inputs) {
  const Values values = stored(random, dtype, int64_t{outputs} * inputs);
  CaseMatrix matrix{dtype, outputs, inputs, panels(dtype, values, outputs, inputs), {}};
  for (const float value : values) matrix.weights.push_back(roundedTo(dtype, value));
  return matrix;
}

// A number of a few bits, not far from one another.
inline void appendScale(Random& random, ScaleType type, std::vector<std::byte>& to) {
  const float value = random.value(0.1f);
  const auto append = [&](const auto& number) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&number);
    to.insert(to.end(), bytes, bytes + sizeof number);
  };
  if (type == ScaleType::f32) append(value);
  if (type == ScaleType::bf16) append(f32ToBf16(value));
  if (type == ScaleType::f16) append(f32ToF16(bf16ToF32(f32ToBf16(value))));
  if (type == ScaleType::e8m0) append(static_cast<uint8_t>(random.between(121, 124)));
  // Sign, exponents 2^-4 to 2^-1, any fraction.
  if (type == ScaleType::e4m3)
    append(static_cast<uint8_t>(random.below(2) << 7 | random.between(3, 6) << 3 | random.below(8)));
}

inline CaseMatrix packedMatrix(Random& random, const WeightFormat& format, int32_t outputs, int32_t inputs) {
  std::vector<std::byte> codes, scales, biases;
  for (int32_t i = 0; i < outputs * inputs * format.bits() / 8; ++i) {
    const uint32_t code = random.bits() & 0xff;
    // e4m3's NaN.
    const bool isNan = format.codes == WeightCodes::e4m3 && (code & 0x7f) == 0x7f;
    codes.push_back(static_cast<std::byte>(isNan ? code ^ 1 : code));
  }
  const int32_t groups = inputs / format.group;
  for (int32_t i = 0; i < outputs * groups; ++i) {
    appendScale(random, format.scales, scales);
    if (format.affine()) appendScale(random, format.scales, biases);
  }
  const int64_t scaleStride = groups * format.scaleBytes();
  const PackedMatrix packed{format,
                            outputs,
                            inputs,
                            {codes.data(), inputs * format.bits() / 8},
                            {scales.data(), scaleStride},
                            {biases.data(), scaleStride},
                            0.37f};
  CaseMatrix matrix{
      format, outputs, inputs, std::vector<std::byte>(static_cast<size_t>(matrixBytes(format, outputs, inputs))), {}};
  packPanels(packed, matrix.panels.data(), 1, 0);
  for (int32_t output = 0; output < outputs; ++output) {
    const std::byte* panel = matrix.panels.data() + output / panelOutputs * panelBytes(format, inputs);
    for (int32_t i = 0; i < inputs; ++i)
      matrix.weights.push_back(packedWeight(panel, format, inputs, i, output % panelOutputs));
  }
  return matrix;
}

inline CaseMatrix randomMatrix(Random& random, const WeightFormat& format, int32_t outputs, int32_t inputs) {
  return format.packed() ? packedMatrix(random, format, outputs, inputs)
                         : plainMatrix(random, format.plain(), outputs, inputs);
}

// Odd where the format allows it, and a few groups.
inline int32_t randomInputs(Random& random, const WeightFormat& format, int32_t least, int32_t most) {
  if (!format.packed()) return random.between(least, most);
  return format.group * std::max(2, most / format.group);
}

inline std::string titled(const std::string& kernel, const CaseTypes& types) {
  std::string title = kernel + " ";
  if (!types.weights.packed()) return title + nameOf(types.weights.plain());
  title.append("codes ").append(std::to_string(static_cast<int>(types.weights.codes)));
  title.append(", scales ").append(std::to_string(static_cast<int>(types.weights.scales)));
  return title.append(", groups of ").append(std::to_string(types.weights.group)).append(", ") +
         nameOf(types.activations);
}

}  // namespace conclave::test
