#include "../../native/core/packed-matrix.h"

#include <cstring>

#include "../../native/core/failure.h"
#include "check.h"
#include "packed-formats.h"

using namespace conclave;
using conclave::test::Random;

TEST("packing puts every element of a strided matrix where panelIndex says, and zeros elsewhere") {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const DType dtype = random.of<DType>({DType::f32, DType::f16, DType::bf16});
    const int64_t outputs = random.between(1, 100), inputs = random.between(1, 70);
    const bool transposed = random.below(2) == 1;
    const int64_t bytes = static_cast<int64_t>(bytesPerWeight(dtype));
    // Tensors of a checkpoint may start at an odd byte.
    const size_t start = static_cast<size_t>(random.below(2));
    std::vector<std::byte> file(start + static_cast<size_t>(outputs * inputs * bytes));
    for (std::byte& b : file) b = static_cast<std::byte>(random.below(256));
    const std::byte* source = file.data() + start;
    const StridedMatrix matrix{source, dtype, outputs, inputs, transposed ? 1 : inputs, transposed ? outputs : 1};
    const int64_t step = random.between(1, 2), slot = random.below(static_cast<int32_t>(step));
    std::vector<std::byte> packed(static_cast<size_t>(step * matrixBytes(dtype, outputs, inputs)), std::byte{0x5a});
    packPanels(matrix, packed.data(), step, slot);

    for (int64_t o = 0; o < paddedOutputs(outputs); ++o) {
      for (int64_t i = 0; i < paddedInputs(inputs); ++i) {
        const std::byte* panel = packed.data() + (o / 32 * step + slot) * panelBytes(dtype, inputs);
        const std::byte* at = panel + panelIndex(dtype, i, o % 32) * bytes;
        const bool inside = o < outputs && i < inputs;
        const std::byte zeros[4] = {};
        const std::byte* expected =
            inside ? source + (o * matrix.outputStride + i * matrix.inputStride) * bytes : zeros;
        CHECK(std::memcmp(at, expected, static_cast<size_t>(bytes)) == 0,
              "element " + std::to_string(o) + ", " + std::to_string(i));
      }
    }
  }
}

namespace {

// Rows of random bytes, further apart than they are long.
struct RandomRows {
  std::vector<std::byte> bytes;
  int64_t stride;

  RandomRows(Random& random, int64_t rows, int64_t rowBytes)
      : bytes(static_cast<size_t>(rows * (rowBytes + 3))), stride(rowBytes + 3) {
    for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(0x7c));
  }
  ByteRows rows() const { return {bytes.data(), stride}; }
};

uint32_t bitsAt(const std::byte* row, int64_t first, int bits) {
  uint32_t value = 0;
  for (int b = 0; b < bits; ++b) {
    const int64_t bit = first + b;
    value |= (std::to_integer<uint32_t>(row[bit / 8]) >> (bit % 8) & 1u) << b;
  }
  return value;
}

}  // namespace

TEST(
    "packing puts every code of a packed matrix where codeAt looks, its scales where scaleAt does, and zeros "
    "elsewhere") {
  Random random(4);
  for (int trial = 0; trial < 300; ++trial) {
    const WeightFormat format = randomPackedFormat(random);
    const int64_t outputs = random.between(1, 70), inputs = format.group * random.between(1, 5);
    const RandomRows codes(random, outputs, inputs * format.bits() / 8);
    const RandomRows scales(random, outputs, inputs / format.group * format.scaleBytes()), biases = scales;
    const PackedMatrix matrix{format, outputs, inputs, codes.rows(), scales.rows(), biases.rows(), 0.5f};
    const int64_t step = random.between(1, 2), slot = random.below(static_cast<int32_t>(step));
    std::vector<std::byte> packed(static_cast<size_t>(step * matrixBytes(format, outputs, inputs)), std::byte{0x5a});
    packPanels(matrix, packed.data(), step, slot);

    for (int64_t o = 0; o < paddedOutputs(outputs); ++o) {
      const std::byte* panel = packed.data() + (o / 32 * step + slot) * panelBytes(format, inputs);
      const std::byte* panelCodes = panel + packedPanel(format, inputs).codes;
      for (int64_t i = 0; i < inputs; ++i) {
        const uint32_t expected =
            o < outputs ? bitsAt(codes.bytes.data() + o * codes.stride, i * format.bits(), format.bits()) : 0;
        CHECK(codeAt(panelCodes, format.bits(), i, o % 32) == expected,
              "code " + std::to_string(o) + ", " + std::to_string(i));
      }
      if (o >= outputs) CHECK(scaleAt(panel, format, inputs, 0, o % 32) == 0, "padding has scale 0");
      if (o < outputs && format.scales == ScaleType::f32) {
        const int64_t last = inputs / format.group - 1;
        float scale;
        std::memcpy(&scale, scales.bytes.data() + o * scales.stride + last * 4, sizeof scale);
        CHECK(scaleAt(panel, format, inputs, last, o % 32) == scale, "scale " + std::to_string(o));
      }
    }
  }
}

TEST("packing refuses what is not a number, naming output and input") {
  const auto refusal = [](const WeightFormat& format, size_t code, uint8_t codeByte, uint8_t scaleByte) {
    std::vector<std::byte> codes(64, std::byte{1}), scales(8, std::byte{100});
    codes[code] = static_cast<std::byte>(codeByte);
    scales[1] = static_cast<std::byte>(scaleByte);
    std::vector<std::byte> out(static_cast<size_t>(matrixBytes(format, 2, 32)));
    try {
      packPanels({format, 2, 32, {codes.data(), 32}, {scales.data(), 1}, {}, 1}, out.data(), 1, 0);
    } catch (const Failure& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  const WeightFormat mx{WeightCodes::e4m3, ScaleType::e8m0, 32}, fp4{WeightCodes::e2m1, ScaleType::e4m3, 32};
  CHECK(refusal(mx, 33, 0xff, 1) == "the code of output 1, input 1 is not a number", refusal(mx, 33, 0xff, 1));
  CHECK(refusal(mx, 0, 0, 255) == "the scale of output 1, input 0 is not finite", refusal(mx, 0, 0, 255));
  CHECK(refusal(fp4, 0, 0, 0x7f) == "the scale of output 1, input 0 is not finite", refusal(fp4, 0, 0, 0x7f));
  CHECK(refusal(mx, 0, 0, 254).empty(), "2^127 is a scale");
}
